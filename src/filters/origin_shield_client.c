/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/origin_shield_client.h"

#include <assert.h>

#include "filters/gate.h"

typedef Sallyport__Filters__Http__OriginShield__V1__ClientAddress ClientAddress;

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
    default:
        return false; /* the field rules demand one */
    }
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
        value = sp_proof_from_right(value, c->hops);
        return value.len && sp_addr_parse(value, ret) == 0;
    }
    return c->always_port ? parse_with_port(value, ret) : sp_addr_parse(value, ret) == 0;
}
