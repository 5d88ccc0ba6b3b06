/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_client.h"

#include <assert.h>

#include "config/doc.h"
#include "filters/gate.h"
#include "http/xff.h"

typedef Sallyport__Filters__Http__OriginShield__V1__ClientAddress ClientAddress;
typedef Sallyport__Filters__Http__OriginShield__V1__TrustedProxies TrustedProxies;

static bool trusted_init(struct sp_shield_client *c, const struct sp_filter_build *build, const TrustedProxies *msg)
{
    bool good = true;
    c->trusted = sp_cidr_table_new();
    for (size_t i = 0; i < msg->n_cidrs; i++) {
        struct sp_cidr range;
        const char *why = "";
        bool parsed = sp_cidr_parse(sp_str_c(msg->cidrs[i]), &range, &why) == 0;
        if (parsed && sp_cidr_is_wide(&range))
            why = "too wide to be proxies only (IPv4 ranges are /8 at most here, IPv6 ranges /16)";
        if (why[0])
            sp_doc_err(build->doc, build->diag, msg, "cidrs", (int)i, "%s", why);
        else
            sp_cidr_table_add(c->trusted, &range, 0);
        good &= !why[0];
    }
    sp_cidr_table_build(c->trusted);
    if (!good)
        sp_shield_client_done(c);
    return good;
}

bool sp_shield_client_init(struct sp_shield_client *c, const struct sp_filter_build *build, struct sp_arena *arena,
                           const ClientAddress *msg)
{
    assert(c && build && arena);
    *c = (struct sp_shield_client){0};
    if (!msg)
        return true;
    switch (msg->source_case) {
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CLIENT_ADDRESS__SOURCE_HEADER:
        c->kind = SP_SHIELD_CLIENT_HEADER;
        c->header.name = sp_gate_header_name(build, arena, msg, "header", msg->header);
        if (!c->header.name.ptr)
            return false;
        c->header.id = sp_header_id(c->header.name);
        c->always_port = sp_str_eq(c->header.name, SP_STR("cloudfront-viewer-address"));
        return true;
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CLIENT_ADDRESS__SOURCE_XFF_TRUSTED_HOPS:
        c->kind = SP_SHIELD_CLIENT_XFF;
        c->hops = msg->xff_trusted_hops;
        c->header = (struct sp_proof_header){SP_STR("x-forwarded-for"), SP_H_X_FORWARDED_FOR};
        return c->hops > 0;
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CLIENT_ADDRESS__SOURCE_PEER:
        c->kind = SP_SHIELD_CLIENT_PEER;
        return true;
    case SALLYPORT__FILTERS__HTTP__ORIGIN_SHIELD__V1__CLIENT_ADDRESS__SOURCE_XFF_TRUSTED_CIDRS:
        c->kind = SP_SHIELD_CLIENT_CIDRS;
        c->header = (struct sp_proof_header){SP_STR("x-forwarded-for"), SP_H_X_FORWARDED_FOR};
        return trusted_init(c, build, msg->xff_trusted_cidrs);
    default:
        return false; /* the field rules demand one */
    }
}

void sp_shield_client_done(struct sp_shield_client *c)
{
    assert(c);
    sp_cidr_table_free(c->trusted);
    c->trusted = NULL;
}

/* CloudFront writes "2001:db8::1:443": the last colon is never part of the address. */
static bool parse_with_port(struct sp_str text, struct sp_addr *ret)
{
    size_t at = text.len;
    uint64_t port;
    while (at > 0 && text.ptr[at - 1] != ':')
        at--;
    if (at < 2 || sp_str_u64(sp_str_sub(text, at, text.len), 65535, &port) < 0)
        return false;
    if (sp_addr_parse_ip(sp_str_sub(text, 0, at - 1), ret) < 0)
        return false;
    ret->port = (uint16_t)port;
    return true;
}

bool sp_shield_client_find(const struct sp_shield_client *c, const struct sp_headers *h,
                           const struct sp_conn_info *conn, struct sp_addr *ret)
{
    assert(c && h && conn && ret && c->kind != SP_SHIELD_CLIENT_NONE);
    if (c->kind == SP_SHIELD_CLIENT_PEER) {
        *ret = conn->peer;
        return true;
    }
    struct sp_str value = sp_proof_header_value(&c->header, h);
    if (!value.len)
        return false;
    if (c->kind == SP_SHIELD_CLIENT_XFF) {
        value = sp_xff_from_right(value, c->hops - 1);
        return value.len && sp_addr_parse(value, ret) == 0;
    }
    if (c->kind == SP_SHIELD_CLIENT_CIDRS)
        return sp_xff_first_untrusted(value, c->trusted, ret);
    return c->always_port ? parse_with_port(value, ret) : sp_addr_parse(value, ret) == 0;
}
