/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/sanitize.h"

#include <assert.h>

#include "crypto/ct.h"
#include "http/chars.h"

/* What is done with a known name. */
enum action {
    KEEP,
    HOP,      /* of one connection only, or ours alone: always dropped */
    OUTSIDE,  /* dropped unless the client is internal */
    EDGE,     /* dropped at an edge */
    STRANGER, /* dropped when nobody vouched for the request */
    REFERER,
    EXPECT,
};

static const uint8_t actions[SP_H_COUNT] = {
    [SP_H_CONNECTION] = HOP,
    [SP_H_UPGRADE] = HOP,
    [SP_H_KEEP_ALIVE] = HOP,
    [SP_H_PROXY_CONNECTION] = HOP,
    [SP_H_TRANSFER_ENCODING] = HOP,
    [SP_H_HTTP2_SETTINGS] = HOP,
    [SP_H_HOST] = HOP,
    [SP_H_X_ENVOY_INTERNAL] = HOP,
    [SP_H_X_ENVOY_RETRIABLE_STATUS_CODES] = OUTSIDE,
    [SP_H_X_ENVOY_RETRIABLE_HEADER_NAMES] = OUTSIDE,
    [SP_H_X_ENVOY_RETRY_ON] = OUTSIDE,
    [SP_H_X_ENVOY_RETRY_GRPC_ON] = OUTSIDE,
    [SP_H_X_ENVOY_MAX_RETRIES] = OUTSIDE,
    [SP_H_X_ENVOY_UPSTREAM_ALT_STAT_NAME] = OUTSIDE,
    [SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS] = OUTSIDE,
    [SP_H_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS] = OUTSIDE,
    [SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE] = OUTSIDE,
    [SP_H_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS] = OUTSIDE,
    [SP_H_X_ENVOY_FORCE_TRACE] = OUTSIDE,
    [SP_H_X_ENVOY_IP_TAGS] = OUTSIDE,
    [SP_H_X_ENVOY_ORIGINAL_URL] = OUTSIDE,
    [SP_H_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT] = OUTSIDE,
    [SP_H_X_ENVOY_DECORATOR_OPERATION] = EDGE,
    [SP_H_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER] = EDGE,
    [SP_H_X_ENVOY_DOWNSTREAM_SERVICE_NODE] = EDGE,
    [SP_H_X_ENVOY_ORIGINAL_PATH] = EDGE,
    [SP_H_X_ENVOY_ORIGINAL_HOST] = EDGE,
    [SP_H_X_FORWARDED_FOR] = STRANGER,
    [SP_H_X_FORWARDED_HOST] = STRANGER,
    [SP_H_X_FORWARDED_PORT] = STRANGER,
    [SP_H_FORWARDED] = STRANGER,
    [SP_H_REFERER] = REFERER,
    [SP_H_EXPECT] = EXPECT,
};

/* What a walk over the lines found. */
struct found {
    unsigned referers;
    bool xff, xfp, xfport, request_id;
};

static bool valid_absolute(struct sp_str rest)
{
    size_t n = 0;
    while (n < rest.len && !memchr("/?#", rest.ptr[n], 3))
        n++;
    struct sp_str authority = sp_str_sub(rest, 0, n);
    return n && sp_str_chr(authority, '@') < 0 && sp_str_chr(rest, '#') < 0;
}

bool sp_referer_valid(struct sp_str value)
{
    size_t scheme = 0;
    while (scheme < value.len && sp_ascii_lower(value.ptr[scheme]) >= 'a' && sp_ascii_lower(value.ptr[scheme]) <= 'z')
        scheme++;
    struct sp_str rest = sp_str_sub(value, scheme, value.len);
    if (scheme && sp_str_starts(rest, SP_STR("://")))
        return valid_absolute(sp_str_sub(rest, 3, rest.len));
    ptrdiff_t colon = sp_str_chr(value, ':'), slash = sp_str_chr(value, '/');
    return value.len && sp_str_chr(value, '#') < 0 && (colon < 0 || (slash >= 0 && slash < colon));
}

/* True: the line goes. */
static bool drops(const struct sp_header *line, const struct sp_client *client, bool stranger, struct found *f)
{
    switch ((enum action)actions[line->id]) {
    case KEEP:
        break;
    case HOP:
        return true;
    case OUTSIDE:
        return !client->internal;
    case EDGE:
        return client->edge;
    case STRANGER:
        return stranger;
    case REFERER:
        return f->referers++ || !sp_referer_valid(line->value);
    case EXPECT:
        return sp_str_ieq(line->value, SP_STR("100-continue")); /* we see to it ourselves */
    }
    return false;
}

static void note(const struct sp_header *line, struct found *f)
{
    f->xff |= line->id == SP_H_X_FORWARDED_FOR;
    f->xfp |= line->id == SP_H_X_FORWARDED_PROTO;
    f->xfport |= line->id == SP_H_X_FORWARDED_PORT;
    f->request_id |= line->id == SP_H_X_REQUEST_ID;
}

static void walk(struct sp_headers *h, const struct sp_client *client, bool stranger, struct found *f)
{
    unsigned to = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (actions[h->v[i].id] && drops(&h->v[i], client, stranger, f))
            continue;
        note(&h->v[i], f);
        if (to != i)
            h->v[to] = h->v[i];
        to++;
    }
    h->n = to;
    if (f->referers > 1) /* which of them is meant, nobody knows */
        sp_headers_remove_id(h, SP_H_REFERER);
}

static void internal_only(const struct sp_hcm *hcm, struct sp_headers *h)
{
    unsigned n;
    const struct sp_str *names = sp_route_table_internal_only_headers(hcm->routes, &n);
    for (unsigned i = 0; i < n; i++)
        sp_headers_remove(h, names[i]);
}

static struct sp_str address_text(const struct sp_addr *a, struct sp_arena *arena)
{
    char text[SP_ADDR_TEXT_MAX];
    size_t n = sp_addr_format_ip(a, text);
    char *copy = sp_arena_alloc(arena, n);
    memcpy(copy, text, n);
    return sp_str_n(copy, n);
}

static bool is_ip(const struct sp_addr *a)
{
    return a->family == AF_INET || a->family == AF_INET6;
}

/* The peer at the end of x-forwarded-for; over the loopback it is this host's own address, as in Envoy. */
static void append_xff(const struct sp_hcm *hcm, const struct sp_addr *peer, bool there, struct sp_headers *h)
{
    if (!is_ip(peer))
        return;
    struct sp_str value = address_text(sp_addr_is_loopback(peer) ? &hcm->local : peer, h->arena);
    struct sp_str before = SP_STR_NULL;
    if (there) {
        struct sp_header *first = sp_headers_find_id(h, SP_H_X_FORWARDED_FOR, NULL);
        before = first->value;
        for (struct sp_header *l = first; (l = sp_headers_find_id(h, SP_H_X_FORWARDED_FOR, l)) != NULL;)
            before = sp_arena_cat(h->arena, sp_arena_cat(h->arena, before, SP_STR(",")), l->value);
    }
    if (before.len)
        value = sp_arena_cat(h->arena, sp_arena_cat(h->arena, before, SP_STR(",")), value);
    if (there)
        sp_headers_set_id(h, SP_H_X_FORWARDED_FOR, value);
    else
        sp_headers_add_id(h, SP_H_X_FORWARDED_FOR, value);
}

static void forwarded_proto(const struct sp_conn_info *conn, const struct sp_client *client, bool there,
                            struct sp_headers *h)
{
    struct sp_str own = conn->tls_used ? SP_STR("https") : SP_STR("http"), proto = own;
    if (!there) {
        sp_headers_add_id(h, SP_H_X_FORWARDED_PROTO, own);
    } else if (!client->believe_proto) {
        sp_headers_set_id(h, SP_H_X_FORWARDED_PROTO, own);
    } else {
        struct sp_str said = sp_headers_get_id(h, SP_H_X_FORWARDED_PROTO);
        if (sp_str_ieq(said, SP_STR("https")))
            proto = SP_STR("https");
        else if (sp_str_ieq(said, SP_STR("http")))
            proto = SP_STR("http");
    }
    if (h->version != SP_HTTP_2 || !client->believe_proto)
        h->scheme = proto; /* HTTP/1 has none; of HTTP/2's we think what we think of x-forwarded-proto */
}

static void forwarded_port(const struct sp_conn_info *conn, const struct sp_client *client, bool there,
                           struct sp_headers *h)
{
    if (is_ip(&conn->local) && (!there || !client->believe_proto))
        sp_headers_set_id(h, SP_H_X_FORWARDED_PORT, sp_arena_printf(h->arena, "%u", conn->local.port));
}

struct sp_str sp_request_id_new(struct sp_arena *arena)
{
    static const char hex[] = "0123456789abcdef";
    uint64_t r[2] = {sp_random_u64(), sp_random_u64()};
    r[0] = (r[0] & ~0xf000ull) | 0x4000;                       /* the version (RFC 9562 section 5.4) */
    r[1] = (r[1] & ~(3ull << 62)) | 1ull << 63;                /* the variant */
    char *out = sp_arena_alloc(arena, 36), *p = out;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20)
            *p++ = '-';
        *p++ = hex[r[i / 16] >> (60 - 4 * (i % 16)) & 15];
    }
    return sp_str_n(out, 36);
}

static void request_id(const struct sp_hcm *hcm, struct sp_stream_info *info, const struct sp_client *client,
                       bool there, struct sp_headers *h)
{
    bool force = client->edge && !hcm->preserve_request_id;
    if (hcm->generate_request_id && (force || !there)) {
        struct sp_str id = sp_request_id_new(h->arena);
        if (there)
            sp_headers_set_id(h, SP_H_X_REQUEST_ID, id);
        else
            sp_headers_add_id(h, SP_H_X_REQUEST_ID, id);
        info->request_id = id;
    } else if (there) {
        info->request_id = sp_headers_get_id(h, SP_H_X_REQUEST_ID);
    }
}

static void via(const struct sp_hcm *hcm, struct sp_headers *h)
{
    struct sp_str before = sp_headers_joined(h, SP_STR("via")), value = hcm->via;
    if (before.len)
        value = sp_arena_cat(h->arena, sp_arena_cat(h->arena, before, SP_STR(", ")), value);
    sp_headers_set_id(h, SP_H_VIA, value);
}

void sp_sanitize_request(const struct sp_hcm *hcm, struct sp_stream_info *info, const struct sp_client *client,
                         bool stranger, struct sp_headers *h)
{
    assert(hcm && info && client && h);
    struct found f = {0};
    walk(h, client, stranger, &f);
    if (!client->internal)
        internal_only(hcm, h);
    if (hcm->append_xff || stranger)
        append_xff(hcm, &info->conn->peer, f.xff, h);
    forwarded_proto(info->conn, client, f.xfp, h);
    if (hcm->append_xfp)
        forwarded_port(info->conn, client, f.xfport, h);
    if (client->internal)
        sp_headers_add_id(h, SP_H_X_ENVOY_INTERNAL, SP_STR("true"));
    if (client->edge && is_ip(&client->addr))
        sp_headers_set_id(h, SP_H_X_ENVOY_EXTERNAL_ADDRESS, address_text(&client->addr, h->arena));
    request_id(hcm, info, client, f.request_id, h);
    if (hcm->via.len)
        via(hcm, h);
    sp_xfcc_apply(&hcm->xfcc, info->conn, h);
}
