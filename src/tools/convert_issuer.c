/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Issuers of openid-connect: where they are asked for their description. */
#include <assert.h>
#include <inttypes.h>

#include "net/addr.h"
#include "tools/convert_auth.h"

struct sp_str sp_convert_issuer(const struct sp_kong_plugin *p)
{
    struct sp_str s = sp_kong_str(p->config, "issuer", SP_STR_NULL);
    ptrdiff_t at = sp_str_find(s, SP_STR("/.well-known/"));
    return at < 0 ? s : sp_str_n(s.ptr, (size_t)at);
}

static struct sp_str issuer_host(const struct sp_kong_plugin *p, uint64_t *ret_port)
{
    struct sp_str rest = sp_convert_issuer(p), host;
    rest = sp_str_sub(rest, 8, rest.len);
    sp_str_split(&rest, '/', &host);
    ptrdiff_t colon = sp_str_chr(host, ':');
    *ret_port = 443;
    if (colon > 0 && sp_str_u64(sp_str_sub(host, (size_t)colon + 1, host.len), 65535, ret_port) == 0)
        host = sp_str_n(host.ptr, (size_t)colon);
    return host;
}

bool sp_convert_is_oidc(const struct sp_kong_plugin *p)
{
    return sp_convert_is(p, "openid-connect") && sp_str_istarts(sp_kong_str(p->config, "issuer", SP_STR_NULL), SP_STR("https://"));
}

static bool any_issuer(const struct sp_convert *c)
{
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_convert_is_oidc(&c->kong.plugins[i]) && !sp_convert_is_open(&c->kong.plugins[i]))
            return true;
    return false;
}

static bool is_first_of_host(const struct sp_convert *c, const struct sp_kong_plugin *p)
{
    uint64_t port, other;
    struct sp_str host = issuer_host(p, &port);
    for (const struct sp_kong_plugin *q = c->kong.plugins; q < p; q++)
        if (sp_convert_is_oidc(q) && sp_str_eq(issuer_host(q, &other), host) && other == port)
            return false;
    return true;
}

static bool is_first_of_issuer(const struct sp_convert *c, const struct sp_kong_plugin *p)
{
    for (const struct sp_kong_plugin *q = c->kong.plugins; q < p; q++)
        if (sp_convert_is_oidc(q) && sp_str_eq(sp_convert_issuer(q), sp_convert_issuer(p)))
            return false;
    return true;
}

static struct sp_str issuer_cluster(struct sp_convert *c, const struct sp_kong_plugin *p)
{
    uint64_t port;
    struct sp_str host = issuer_host(p, &port);
    return sp_arena_printf(&c->arena, "issuer-%.*s-%" PRIu64, SP_STR_ARG(sp_slug(c, host)), port);
}

void sp_convert_issuers(struct sp_convert *c)
{
    if (!any_issuer(c))
        return;
    sp_put(c, 0, "bootstrap_extensions:");
    sp_put(c, 0, "- name: issuers");
    sp_put(c, 2, "typed_config:");
    sp_put(c, 4, "\"@type\": " SP_T "sallyport.oidc.v1.Issuers");
    sp_put(c, 4, "issuers:");
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_kong_plugin *p = &c->kong.plugins[i];
        if (sp_convert_is_oidc(p) && is_first_of_issuer(c, p))
            sp_put(c, 4, "- {issuer: %s, cluster: %s}", sp_quoted(c, sp_convert_issuer(p)), sp_quoted(c, issuer_cluster(c, p)));
    }
}

void sp_convert_issuer_clusters(struct sp_convert *c)
{
    for (unsigned i = 0; i < c->kong.n_plugins; i++) {
        const struct sp_kong_plugin *p = &c->kong.plugins[i];
        struct sp_addr ip;
        uint64_t port;
        if (!sp_convert_is_oidc(p) || sp_convert_is_open(p) || !is_first_of_host(c, p))
            continue;
        struct sp_str host = issuer_host(p, &port);
        const char *name = sp_quoted(c, issuer_cluster(c, p));
        sp_put_remark(c, 2, p->node, "plugin openid-connect: its issuer");
        sp_put(c, 2, "- name: %s", name);
        sp_put(c, 4, "type: %s", sp_addr_parse_ip(host, &ip) == 0 ? "STATIC" : "STRICT_DNS");
        sp_put(c, 4, "load_assignment:");
        sp_put(c, 6, "cluster_name: %s", name);
        sp_put(c, 6, "endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: %s, port_value: %" PRIu64 "}}}}]}]",
               sp_quoted(c, host), port);
        sp_put(c, 4, "transport_socket:");
        sp_put(c, 6, "name: tls");
        sp_put(c, 6, "typed_config:");
        sp_put(c, 8, "\"@type\": " SP_T "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext");
        sp_put(c, 8, "sni: %s", sp_quoted(c, host));
        sp_put(c, 8, "common_tls_context:");
        sp_put(c, 10, "validation_context:");
        sp_put(c, 12, "trusted_ca: {filename: /etc/ssl/certs/ca-certificates.crt}");
        sp_put(c, 12, "match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: %s}}]", sp_quoted(c, host));
    }
}
