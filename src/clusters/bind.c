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
    const struct sp_addr *from = &c->options.sock.bind, *other = &c->options.sock.bind_other;
    for (unsigned i = 0; from->family && config && i < set->n; i++) {
        const struct sp_endpoint *e = &set->v[i];
        if (e->addr.family == AF_UNIX || e->addr.family == from->family || e->addr.family == other->family)
            continue;
        sp_doc_err(doc, diag, config->source_address, "address", -1,
                   "%s cannot connect to host %.*s of cluster \"%.*s\" (give the cluster an address of the host's family)",
                   config->source_address->address, SP_STR_ARG(e->text), SP_STR_ARG(c->name));
        return;
    }
}

static bool read_source(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__SocketAddress *source, struct sp_addr *ret)
{
    if (sp_addr_parse_ip(sp_str_c(source->address), ret) < 0) {
        sp_doc_err(doc, diag, source, "address", -1, "\"%s\" is not an IP address", source->address);
        return false;
    }
    ret->port = (uint16_t)source->port_value;
    if (ret->port)
        sp_doc_warn(doc, diag, source, "port_value", -1,
                    "with a fixed port there is one connection to each host (0 takes a free port)");
    return true;
}

/* As Envoy: one, of the other family. */
static void read_other(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Core__V3__BindConfig *config)
{
    struct sp_addr other;
    if (config->n_extra_source_addresses > 1)
        sp_doc_err(doc, diag, config, "extra_source_addresses", -1, "%zu are too many (one, of the other IP family)", config->n_extra_source_addresses);
    const Envoy__Config__Core__V3__SocketAddress *source = config->n_extra_source_addresses ? config->extra_source_addresses[0]->address : NULL;
    if (!source || !read_source(doc, diag, source, &other)) /* else reported by the field rules */
        return;
    if (other.family == c->options.sock.bind.family)
        sp_doc_err(doc, diag, source, "address", -1, "\"%s\" is of the family of source_address (give one of the other)", source->address);
    c->options.sock.bind_other = other;
}

void sp_bind_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                  const Envoy__Config__Core__V3__BindConfig *config)
{
    assert(c && doc && diag);
    if (!config || !config->source_address)
        return;
    if (!read_source(doc, diag, config->source_address, &c->options.sock.bind))
        return;
    read_other(c, doc, diag, config);
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
