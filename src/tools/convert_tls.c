/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificates, CAs, client certificates. */
#include <assert.h>

#include "tools/convert_parts.h"

bool sp_convert_has_tls(const struct sp_convert *c)
{
    return c->kong.certificates.n > 0;
}

static struct sp_str certificate_name(struct sp_convert *c, const struct sp_node *n)
{
    const struct sp_node *snis = sp_kong_get(n, "snis");
    if (sp_kong_count(snis)) {
        struct sp_str first = sp_kong_item_str(snis, 0);
        return first.len ? first : sp_kong_str(sp_kong_item(snis, 0), "name", SP_STR("certificate"));
    }
    struct sp_str id = sp_kong_str(n, "id", SP_STR_NULL);
    return id.len ? id : SP_STR("certificate");
}

void sp_convert_certificate(struct sp_convert *c, unsigned indent, const struct sp_node *n)
{
    static const char *const parts[2][2] = {{"cert", "key"}, {"cert_alt", "key_alt"}};
    assert(c && n);
    for (unsigned i = 0; i < 2; i++) {
        struct sp_str cert = sp_kong_str(n, parts[i][0], SP_STR_NULL), key = sp_kong_str(n, parts[i][1], SP_STR_NULL);
        struct sp_str name = sp_arena_printf(&c->arena, "%.*s%s", SP_STR_ARG(certificate_name(c, n)), i ? "-alt" : "");
        if (!cert.len)
            continue;
        sp_put_remark(c, indent, n, "certificate %.*s", SP_STR_ARG(name));
        sp_put(c, indent, "- certificate_chain: %s", sp_source_of(c, n, cert, name, "pem"));
        sp_put(c, indent + 2, "private_key: %s", sp_source_of(c, n, key, name, "key"));
    }
    sp_kong_known(&c->file, n, SP_STR("certificate"), "cert key cert_alt key_alt snis");
}

const char *sp_convert_cas(struct sp_convert *c, const struct sp_node *refs, struct sp_str name)
{
    struct sp_str all = SP_STR_NULL;
    for (unsigned i = 0; i < sp_kong_count(refs); i++) {
        const struct sp_node *ca = sp_kong_find(&c->kong.ca_certificates, sp_kong_item(refs, i));
        struct sp_str pem = sp_kong_str(ca, "cert", SP_STR_NULL);
        if (!ca)
            sp_kong_drop(&c->file, sp_kong_item(refs, i), "a CA certificate that is not in the file");
        all = sp_arena_printf(&c->arena, "%.*s%.*s%s", SP_STR_ARG(all), SP_STR_ARG(pem), pem.len && pem.ptr[pem.len - 1] != '\n' ? "\n" : "");
    }
    return sp_source_of(c, refs, all, name, "pem");
}

/* One that asks everybody, or some routes' that ask some. */
static const struct sp_kong_plugin *mtls_of(const struct sp_convert *c)
{
    const struct sp_kong_plugin *found = NULL;
    for (unsigned i = 0; i < c->kong.n_plugins; i++)
        if (sp_str_eq(c->kong.plugins[i].name, SP_STR("mtls-auth")) && (!found || sp_kong_is_global(&c->kong.plugins[i])))
            found = &c->kong.plugins[i];
    return found;
}

static void put_clients(struct sp_convert *c, unsigned indent, const struct sp_kong_plugin *p)
{
    const struct sp_node *cas = sp_kong_get(p->config, "ca_certificates");
    sp_put_remark(c, indent, p->node, "plugin mtls-auth");
    sp_put(c, indent, "validation_context:");
    sp_put(c, indent + 2, "trusted_ca: %s", sp_convert_cas(c, cas, SP_STR("mtls-auth-ca")));
}

void sp_convert_downstream_tls(struct sp_convert *c, unsigned indent)
{
    const struct sp_kong_plugin *mtls = mtls_of(c);
    sp_put(c, indent, "transport_socket:");
    sp_put(c, indent + 2, "name: tls");
    sp_put(c, indent + 2, "typed_config:");
    sp_put(c, indent + 4, "\"@type\": " SP_T "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext");
    if (mtls && sp_kong_is_global(mtls) && !sp_kong_any_scoped(&c->kong, "mtls-auth"))
        sp_put(c, indent + 4, "require_client_certificate: true");
    sp_put(c, indent + 4, "common_tls_context:");
    sp_put(c, indent + 6, "alpn_protocols: [h2, http/1.1]");
    if (mtls)
        put_clients(c, indent + 6, mtls);
    sp_put(c, indent + 6, "tls_certificates:");
    for (unsigned i = 0; i < c->kong.certificates.n; i++)
        sp_convert_certificate(c, indent + 6, c->kong.certificates.v[i]);
}
