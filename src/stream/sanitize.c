/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/sanitize.h"

#include <assert.h>

#include "crypto/ct.h"
#include "http/chars.h"
#include "tracing/decision.h"

/* What is done with a known name. */
enum action {
    KEEP,
    HOP,      /* of one connection only, or ours alone: always dropped */
    OUTSIDE,  /* dropped unless the client is internal */
    EDGE,     /* dropped at an edge */
    STRANGER, /* dropped when nobody vouched for the request */
    REFERER,
    EXPECT,
    XFCC,
    TRACE, /* kept, but there is something to be looked for */
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
    [SP_H_X_FORWARDED_CLIENT_CERT] = XFCC,
    [SP_H_TRACEPARENT] = TRACE,
    [SP_H_TRACESTATE] = TRACE,
    [SP_H_X_CLIENT_TRACE_ID] = TRACE,
};

/* The lines that are needed again, joined if there are several. */
enum place { XFF, XFP, XFPORT, REQUEST_ID, EXTERNAL, VIA, N_PLACES };

struct found {
    unsigned referers;
    bool drop_xfcc, proxy_100, traces, forced;
    struct sp_header *line[N_PLACES]; /* NULL where there is none */
    size_t room[N_PLACES];            /* at the value's own bytes, once several were joined; else 0 */
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

static enum place place_of(uint8_t id)
{
    switch (id) {
    case SP_H_X_FORWARDED_FOR:
        return XFF;
    case SP_H_X_FORWARDED_PROTO:
        return XFP;
    case SP_H_X_FORWARDED_PORT:
        return XFPORT;
    case SP_H_X_REQUEST_ID:
        return REQUEST_ID;
    case SP_H_X_ENVOY_EXTERNAL_ADDRESS:
        return EXTERNAL;
    case SP_H_VIA:
        return VIA;
    default:
        return N_PLACES;
    }
}

/* Names that say what only we, or whom we believe, may say. */
static bool is_guarded(enum sp_header_id id)
{
    enum action action = (enum action)actions[id];
    return id != SP_H_OTHER && (id == SP_H_CONTENT_LENGTH || id == SP_H_X_ORIGIN_VERIFY || place_of((uint8_t)id) != N_PLACES ||
                                (action != KEEP && action != REFERER && action != EXPECT && action != TRACE));
}

/*
 * "x_forwarded_for": another name to us, but the same to an origin that makes variables of names (CGI, WSGI and others),
 * which would believe a client what we took from it, or wrote, under the right name.
 */
static bool forges(struct sp_str name)
{
    return is_guarded(sp_header_id_alike(name));
}

/* True: the line goes. */
static bool drops(const struct sp_header *line, const struct sp_client *client, struct found *f)
{
    switch ((enum action)actions[line->id]) {
    case KEEP:
        break;
    case HOP:
        return true;
    case OUTSIDE:
        f->forced |= client->internal && line->id == SP_H_X_ENVOY_FORCE_TRACE;
        return !client->internal;
    case EDGE:
        f->traces |= !client->edge;
        return client->edge;
    case STRANGER:
        return client->stranger;
    case REFERER:
        return f->referers++ || !sp_referer_valid(line->value);
    case EXPECT:
        return !f->proxy_100 && sp_str_ieq(line->value, SP_STR("100-continue")); /* we see to it ourselves */
    case XFCC:
        return f->drop_xfcc;
    case TRACE:
        f->traces = true;
        break;
    }
    return false;
}

static struct sp_str joined(struct sp_arena *arena, struct sp_str a, struct sp_str between, struct sp_str b)
{
    if (!a.len)
        return b;
    char *out = sp_arena_alloc(arena, a.len + between.len + b.len), *p = out;
    p = mempcpy(p, a.ptr, a.len);
    p = mempcpy(p, between.ptr, between.len);
    if (b.len)
        p = mempcpy(p, b.ptr, b.len);
    return sp_str_n(out, (size_t)(p - out));
}

/* Joins in place, in room that doubles: a head of very many such lines costs what its bytes cost, no more. */
static void join(struct sp_arena *arena, struct sp_str *to, size_t *room, struct sp_str more)
{
    if (!to->len) {
        *to = more;
        return;
    }
    size_t need = to->len + 1 + more.len;
    if (need > *room) {
        char *copy = sp_arena_alloc(arena, 2 * need);
        memcpy(copy, to->ptr, to->len);
        to->ptr = copy;
        *room = 2 * need;
    }
    char *p = (char *)(uintptr_t)to->ptr + to->len;
    *p++ = ',';
    if (more.len)
        memcpy(p, more.ptr, more.len);
    to->len = need;
}

/* Several lines of such a name become one, as Envoy has it. True: the line was taken into the first one. */
static bool note(struct sp_headers *h, struct sp_header *line, struct found *f)
{
    enum place place = place_of(line->id);
    if (place == N_PLACES)
        return false;
    if (!f->line[place]) {
        f->line[place] = line;
        return false;
    }
    join(h->arena, &f->line[place]->value, &f->room[place], line->value);
    return true;
}

/* The lines that were found stay where they are until all is done: room is made for what will be added. */
static void walk(struct sp_headers *h, const struct sp_client *client, struct found *f)
{
    sp_headers_reserve(h, SP_SANITIZE_ADDS);
    unsigned to = 0;
    for (unsigned i = 0; i < h->n; i++) {
        if (actions[h->v[i].id] ? drops(&h->v[i], client, f) : !h->v[i].id && forges(h->v[i].name))
            continue;
        if (to != i)
            h->v[to] = h->v[i];
        if (!h->v[to].id || !note(h, &h->v[to], f))
            to++;
    }
    h->n = to;
}

static void put(struct sp_headers *h, enum sp_header_id id, struct sp_header *line, struct sp_str value)
{
    if (line)
        line->value = value;
    else
        sp_headers_add_id(h, id, value);
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
static void append_xff(const struct sp_hcm *hcm, const struct sp_addr *peer, struct sp_header *line,
                       struct sp_headers *h)
{
    if (!is_ip(peer))
        return;
    struct sp_str own = address_text(sp_addr_is_loopback(peer) ? &hcm->local : peer, h->arena);
    put(h, SP_H_X_FORWARDED_FOR, line, line ? joined(h->arena, line->value, SP_STR(","), own) : own);
}

static void forwarded_proto(const struct sp_conn_info *conn, const struct sp_client *client, struct sp_header *line,
                            struct sp_headers *h)
{
    struct sp_str own = conn->tls_used ? SP_STR("https") : SP_STR("http"), proto = own;
    if (!line || !client->believe_proto)
        put(h, SP_H_X_FORWARDED_PROTO, line, own);
    else if (sp_str_ieq(line->value, SP_STR("https")))
        proto = SP_STR("https");
    else if (sp_str_ieq(line->value, SP_STR("http")))
        proto = SP_STR("http");
    if (h->version != SP_HTTP_2 || !client->believe_proto)
        h->scheme = proto; /* HTTP/1 has none; of HTTP/2's we think what we think of x-forwarded-proto */
}

static void forwarded_port(const struct sp_conn_info *conn, const struct sp_client *client, struct sp_header *line,
                           struct sp_headers *h)
{
    if (is_ip(&conn->local) && (!line || !client->believe_proto))
        put(h, SP_H_X_FORWARDED_PORT, line, sp_arena_u64(h->arena, conn->local.port));
}

struct sp_str sp_request_id_new(struct sp_arena *arena)
{
    static const char hex[] = "0123456789abcdef";
    union {
        uint64_t words[2];
        unsigned char bytes[16];
    } r = {{sp_random_u64(), sp_random_u64()}};
    r.bytes[6] = (unsigned char)((r.bytes[6] & 0x0f) | 0x40); /* the version (RFC 9562 section 5.4) */
    r.bytes[8] = (unsigned char)((r.bytes[8] & 0x3f) | 0x80); /* the variant */
    char *out = sp_arena_alloc(arena, 36), *p = out;
    for (unsigned i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *p++ = '-';
        p[0] = hex[r.bytes[i] >> 4];
        p[1] = hex[r.bytes[i] & 15];
        p += 2;
    }
    return sp_str_n(out, 36);
}

static void request_id(const struct sp_hcm *hcm, struct sp_stream_info *info, const struct sp_client *client,
                       struct sp_header *line, struct sp_headers *h)
{
    bool force = client->edge && !hcm->preserve_request_id;
    if (info->request_id.len) /* of the same request, before a redirect */
        put(h, SP_H_X_REQUEST_ID, line, info->request_id);
    else if (hcm->generate_request_id && (force || !line)) {
        info->request_id = sp_request_id_new(h->arena);
        put(h, SP_H_X_REQUEST_ID, line, info->request_id);
    } else if (line) {
        if (client->edge && hcm->preserve_request_id && hcm->packs_reason)
            sp_trace_forget_reason(&line->value, h->arena);
        info->request_id = line->value;
    }
}

static void via(const struct sp_hcm *hcm, struct sp_header *line, struct sp_headers *h)
{
    put(h, SP_H_VIA, line, line ? joined(h->arena, line->value, SP_STR(", "), hcm->via) : hcm->via);
}

/* Where CDNs and proxies write who the client is: origins believe these, too. */
static void forget_client(struct sp_headers *h)
{
    static const struct sp_str names[] = {
        SP_STR_INIT("cf-connecting-ip"), SP_STR_INIT("cf-connecting-ipv6"), SP_STR_INIT("cloudfront-viewer-address"),
        SP_STR_INIT("fastly-client-ip"), SP_STR_INIT("true-client-ip"),     SP_STR_INIT("x-azure-clientip"),
        SP_STR_INIT("x-azure-socketip"), SP_STR_INIT("x-client-ip"),        SP_STR_INIT("x-cluster-client-ip"),
        SP_STR_INIT("x-original-forwarded-for"), SP_STR_INIT("x-real-ip"),
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++)
        sp_headers_remove_alike(h, names[i]);
}

void sp_sanitize_request(const struct sp_hcm *hcm, struct sp_stream_info *info, const struct sp_client *client,
                         struct sp_headers *h)
{
    assert(hcm && info && client && h);
    bool certified = !sp_xfcc_drops(&hcm->xfcc, info);
    /* Of an unproven request there is only what we say of its certificate ourselves. */
    struct found f = {.proxy_100 = hcm->proxy_100, .drop_xfcc = !certified || (hcm->proof_gate && !info->proven)};
    if (client->stranger)
        forget_client(h);
    walk(h, client, &f);
    info->trace_forced = f.forced;
    info->trace_hints = f.traces || f.forced;
    if (client->append || client->stranger)
        append_xff(hcm, &info->conn->peer, f.line[XFF], h);
    forwarded_proto(info->conn, client, f.line[XFP], h);
    if (hcm->append_xfp)
        forwarded_port(info->conn, client, f.line[XFPORT], h);
    if (client->internal)
        sp_headers_add_id(h, SP_H_X_ENVOY_INTERNAL, SP_STR("true"));
    if (client->edge && is_ip(&client->addr))
        put(h, SP_H_X_ENVOY_EXTERNAL_ADDRESS, f.line[EXTERNAL], address_text(&client->addr, h->arena));
    request_id(hcm, info, client, f.line[REQUEST_ID], h);
    if (hcm->via.len)
        via(hcm, f.line[VIA], h);
    if (f.referers > 1) /* which of them is meant, nobody knows */
        sp_headers_remove_id(h, SP_H_REFERER);
    if (!client->internal)
        internal_only(hcm, h);
    if (certified)
        sp_xfcc_write(&hcm->xfcc, info, h);
    if (h->protocol.len) { /* for whoever matches them; the codecs write their own */
        sp_headers_add_id(h, SP_H_CONNECTION, SP_STR("upgrade"));
        sp_headers_add_id(h, SP_H_UPGRADE, h->protocol);
    }
}

void sp_sanitize_trailers(const struct sp_hcm *hcm, struct sp_headers *t)
{
    assert(hcm && t);
    unsigned to = 0;
    for (unsigned i = 0; i < t->n; i++)
        if (!(t->v[i].id ? is_guarded((enum sp_header_id)t->v[i].id) : forges(t->v[i].name)))
            t->v[to++] = t->v[i];
    t->n = to;
    internal_only(hcm, t);
}
