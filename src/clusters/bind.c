/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/bind.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "clusters/state.h"

/* A host that this address cannot reach would fail at each connect. */
void sp_bind_check(const struct sp_cluster *c, const struct sp_host_set *set, const struct sp_doc *doc, struct sp_diag *diag,
                   const Envoy__Config__Core__V3__BindConfig *config)
{
    assert(c && set && doc && diag);
    const struct sp_addr *from = &c->options.sock.bind;
    for (unsigned i = 0; from->family && config && i < set->n; i++) {
        const struct sp_endpoint *e = &set->v[i];
        if (e->addr.family == AF_UNIX || e->addr.family == from->family)
            continue;
        sp_doc_err(doc, diag, config->source_address, "address", -1,
                   "%s cannot connect to host %.*s of cluster \"%.*s\" (give the cluster an address of the host's family)",
                   config->source_address->address, SP_STR_ARG(e->text), SP_STR_ARG(c->name));
        return;
    }
}

void sp_bind_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                  const Envoy__Config__Core__V3__BindConfig *config)
{
    assert(c && doc && diag);
    if (!config || !config->source_address)
        return;
    const Envoy__Config__Core__V3__SocketAddress *source = config->source_address;
    struct sp_addr a;
    if (sp_addr_parse_ip(sp_str_c(source->address), &a) < 0) {
        sp_doc_err(doc, diag, source, "address", -1, "\"%s\" is not an IP address", source->address);
        return;
    }
    a.port = (uint16_t)source->port_value;
    if (a.port)
        sp_doc_warn(doc, diag, source, "port_value", -1,
                    "with a fixed port there is one connection to each host (0 takes a free port)");
    c->options.sock.bind = a;
    sp_bind_check(c, c->hosts, doc, diag, config);
}

void sp_bind_failed(const struct sp_cluster *c, int err)
{
    assert(c);
    const struct sp_addr *from = &c->options.sock.bind;
    if (!from->family || (err != -EADDRNOTAVAIL && err != -EADDRINUSE && err != -EACCES && err != -EAFNOSUPPORT))
        return;
    sp_counter_inc(c->stats.bind_errors);
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(from, text);
    const char *why = strerrordesc_np(-err);
    sp_log_limited(SP_LOG_ERROR, "cluster", 1,
                   "cluster \"%.*s\": cannot connect from %.*s: %s (upstream_bind_config.source_address has to be an address "
                   "of this machine with free ports)",
                   SP_STR_ARG(c->name), (int)n, text, why ? why : "unknown error");
}
