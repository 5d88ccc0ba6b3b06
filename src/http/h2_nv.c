/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_nv.h"

#include <assert.h>

enum {
    PSEUDO_MAX = 5,
    SHORT_COOKIE = 20, /* so short a one can be guessed byte by byte from the compressed sizes */
    BORROWED = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE
};

static void put(struct sp_h2_nv *to, struct sp_str name, struct sp_str value, bool never_index)
{
    to->v[to->n++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.ptr,
        .value = (uint8_t *)(uintptr_t)(value.ptr ? value.ptr : ""),
        .namelen = name.len,
        .valuelen = value.len,
        .flags = (uint8_t)(BORROWED | (never_index ? NGHTTP2_NV_FLAG_NO_INDEX : 0)),
    };
}

static void put_request(struct sp_h2_nv *to, const struct sp_headers *h)
{
    assert(h->method.len);
    put(to, SP_STR(":method"), h->protocol.len ? SP_STR("CONNECT") : h->method, false);
    bool connect = sp_is_connect(h); /* RFC 9113 section 8.5: no :scheme, no :path */
    if (h->protocol.len && !connect) /* RFC 8441 section 4 */
        put(to, SP_STR(":protocol"), h->protocol, false);
    if (h->scheme.len && !connect)
        put(to, SP_STR(":scheme"), h->scheme, false);
    if (h->authority.len)
        put(to, SP_STR(":authority"), h->authority, false);
    if (h->path.len && !connect)
        put(to, SP_STR(":path"), h->path, false);
}

static void put_status(struct sp_h2_nv *to, unsigned status)
{
    assert(status >= 100 && status <= 999);
    to->status[0] = (char)('0' + status / 100);
    to->status[1] = (char)('0' + status / 10 % 10);
    to->status[2] = (char)('0' + status % 10);
    put(to, SP_STR(":status"), sp_str_n(to->status, 3), false);
    to->v[0].flags = NGHTTP2_NV_FLAG_NO_COPY_NAME; /* `to` does not live long enough for the value */
}

static bool carried(const struct sp_header *line, enum sp_h2_nv_kind kind, bool tunnel)
{
    switch ((enum sp_header_id)line->id) {
    case SP_H_CONNECTION:
    case SP_H_HOST:
    case SP_H_HTTP2_SETTINGS:
    case SP_H_KEEP_ALIVE:
    case SP_H_PROXY_CONNECTION:
    case SP_H_TRANSFER_ENCODING:
    case SP_H_UPGRADE:
        return false;
    case SP_H_CONTENT_LENGTH:
        return kind != SP_H2_NV_TRAILERS && !tunnel;
    case SP_H_TE:
        return sp_str_ieq(line->value, SP_STR("trailers"));
    default:
        return true;
    }
}

static bool secret(const struct sp_header *line)
{
    if (line->never_index)
        return true;
    switch ((enum sp_header_id)line->id) {
    case SP_H_AUTHORIZATION:
    case SP_H_X_ORIGIN_VERIFY:
        return true;
    case SP_H_COOKIE:
        return line->value.len < SHORT_COOKIE;
    default:
        return false;
    }
}

/* Milliseconds of two digits come again soon, and are one byte then; of three they hardly do. */
static bool volatile_value(const struct sp_header *line)
{
    return line->id == SP_H_X_REQUEST_ID || line->id == SP_H_TRACEPARENT || (line->id == SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME && line->value.len > 2);
}

void sp_h2_nv_build(struct sp_h2_nv *to, enum sp_h2_nv_kind kind, const struct sp_headers *h, struct sp_arena *arena,
                    bool name_too)
{
    assert(to && h && arena);
    to->n = 0;
    to->v = to->stack;
    if (h->n + PSEUDO_MAX > SP_H2_NV_STACK)
        to->v = sp_arena_alloc(arena, (h->n + PSEUDO_MAX) * sizeof(*to->v));
    if (kind == SP_H2_NV_REQUEST)
        put_request(to, h);
    else if (kind == SP_H2_NV_RESPONSE)
        put_status(to, h->status);
    for (unsigned i = 0; i < h->n; i++) {
        const struct sp_header *line = &h->v[i];
        if (carried(line, kind, h->protocol.len))
            put(to, line->name, line->value, secret(line) || (!name_too && volatile_value(line)));
    }
}
