/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/bind.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "clusters/state.h"

typedef Envoy__Config__Core__V3__SocketAddress socket_msg;

/* A host that this address cannot reach would fail at each connect. */
static void check_hosts(const struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                        const socket_msg *msg, const struct sp_addr *from)
{
    for (unsigned i = 0; i < c->hosts->n; i++) {
        const struct sp_endpoint *h = &c->hosts->v[i];
        if (h->addr.family != AF_UNIX && h->addr.family != from->family) {
            sp_doc_err(doc, diag, msg, "address", -1,
                       "%s cannot connect to host %.*s of cluster \"%.*s\" (give the cluster an address of the host's family)",
                       msg->address, SP_STR_ARG(h->text), SP_STR_ARG(c->name));
            return;
        }
    }
}

void sp_bind_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                  const Envoy__Config__Core__V3__BindConfig *config)
{
    assert(c && doc && diag);
    if (!config || !config->source_address)
        return;
    const socket_msg *source = config->source_address;
    struct sp_addr a;
    if (sp_addr_parse_ip(sp_str_c(source->address), &a) < 0) {
        sp_doc_err(doc, diag, source, "address", -1, "\"%s\" is not an IP address", source->address);
        return;
    }
    a.port = (uint16_t)source->port_value;
    if (a.port)
        sp_doc_warn(doc, diag, source, "port_value", -1,
                    "with a fixed port there is one connection to each host (0 takes a free port)");
    check_hosts(c, doc, diag, source, &a);
    c->options.sock.bind = a;
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
