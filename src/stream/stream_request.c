/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What comes from the client: the checks that every request has to pass before a gate looks at it, then the chain.
 */
#include <assert.h>

#include "envoy/data/accesslog/v3/accesslog.pb-c.h"
#include "base/reserve.h"
#include "event/overload.h"
#include "stream/chain_route.h"
#include "stream/host.h"
#include "stream/local_reply.h"
#include "stream/sanitize.h"
#include "stream/stream_impl.h"

static struct sp_stream *of_rx(struct sp_sink *rx)
{
    return SP_CONTAINER_OF(rx, struct sp_stream, rx);
}

/* An answer to a request that the chain has not begun with. */
static void refuse(struct sp_stream *s, struct sp_headers *h, bool end, unsigned status, struct sp_str details)
{
    s->chain.head[SP_DECODE] = h;
    s->chain.request_end = end;
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = status, .details = details});
}

/* NULL slice: all is well. */
static struct sp_str check_target(struct sp_stream *s, const struct sp_headers *h, unsigned *ret_status)
{
    *ret_status = 400;
    if (!h->authority.len)
        return SP_STR("missing_host_header");
    if (sp_is_connect(h))
        return sp_connect_target_valid(h->authority) ? SP_STR_NULL : SP_STR("invalid_connect_target");
    *ret_status = 404;
    if (!h->path.len)
        return SP_STR("missing_path_rejected");
    if (h->path.ptr[0] == '/')
        return SP_STR_NULL;
    sp_counter_inc(s->hcm->stats.rq_non_relative_path);
    return SP_STR("absolute_path_rejected");
}

/* False: the path is refused. */
static bool normalize(struct sp_stream *s, struct sp_headers *h)
{
    switch (sp_path_normalize(&s->hcm->path, h->arena, &h->path)) {
    case SP_PATH_OK:
        return true;
    case SP_PATH_REDIRECT: /* after the gates; a gRPC client would not follow */
        s->path_redirect = true;
        return !sp_is_grpc(h);
    case SP_PATH_REJECT:
        break;
    }
    return false;
}

struct sp_str sp_stream_host(const struct sp_stream *s, struct sp_str authority)
{
    const struct sp_hcm *hcm = s->hcm;
    if (hcm->strip_any_port)
        return sp_host_strip_port(authority, 0);
    bool matching = hcm->strip_matching_port && s->info.conn->local.port;
    return matching ? sp_host_strip_port(authority, s->info.conn->local.port) : authority;
}

void sp_stream_trim_host(const struct sp_stream *s, struct sp_headers *h)
{
    const struct sp_hcm *hcm = s->hcm;
    if (hcm->strip_dot)
        h->authority = sp_host_strip_dot(h->authority, h->arena);
    if (!sp_is_connect(h)) /* whose port is half of what it asks for: only its route is found without (sp_stream_host) */
        h->authority = sp_stream_host(s, h->authority);
}

/* CLIENT for the gates. Where one of them proves, nobody is believed before it did. */
static void derive_client(struct sp_stream *s, const struct sp_headers *h)
{
    if (s->hcm->proof_gate)
        return;
    sp_client_find(&s->hcm->client, &s->info.conn->peer, h, &s->client);
    s->info.client = s->client.addr;
    s->info.client_derived = s->client.derived;
    s->info.client_failed = s->client.failed;
}

static bool is_late(const struct sp_stream *s)
{
    if (!sp_overload_hits_late(s->owner->turn))
        return false;
    sp_counter_inc(s->hcm->stats.rq_late);
    return true;
}

/* Before anything else is done for the request. True: it was answered. */
static bool shed(struct sp_stream *s, struct sp_headers *h, bool end)
{
    static const struct sp_header busy = {.name = SP_STR_INIT("x-envoy-overloaded"), .value = SP_STR_INIT("true"), .id = SP_H_X_ENVOY_OVERLOADED},
                                  told = {.name = SP_STR_INIT("x-envoy-local-overloaded"), .value = SP_STR_INIT("true")};
    bool late = s->hcm->sheds && is_late(s);
    bool managed = s->hcm->sheds && (sp_overload_hits(SP_OL_STOP_REQUESTS) || sp_overload_hits(SP_OL_SHED_HEADERS));
    if (SP_LIKELY(!late && !managed && sp_memory() == SP_MEM_WELL))
        return false;
    struct sp_header lines[2];
    unsigned n = 0;
    if (late)
        lines[n++] = busy;
    if (s->hcm->tell_overload)
        lines[n++] = told;
    sp_counter_inc(s->hcm->stats.rq_overload_close);
    s->chain.head[SP_DECODE] = h;
    s->chain.request_end = end;
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = 503, .body = SP_STR("envoy overloaded"), .details = SP_STR("overload"),
                                                 .headers = lines, .n_headers = n});
    return true;
}

/* Where a route may follow redirects, what it begins with again is kept: filters change the head. */
static void keep_head(struct sp_stream *s, const struct sp_headers *h)
{
    if (SP_LIKELY(!s->hcm->routes || !sp_route_table_redirects(s->hcm->routes)) || h->protocol.len)
        return;
    struct sp_headers *copy = sp_arena_alloc(h->arena, sizeof(*copy));
    sp_headers_copy(copy, h->arena, h);
    s->came = copy;
}

/* Nobody has seen the head yet, but it is what the line is about. */
static void log_start(struct sp_stream *s, struct sp_headers *h)
{
    s->chain.head[SP_DECODE] = h;
    sp_stream_log(s, ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__DownstreamStart);
    s->chain.head[SP_DECODE] = NULL;
}

void sp_stream_take(struct sp_stream *s, struct sp_headers *h, bool end)
{
    unsigned status;
    if (shed(s, h, end))
        return;
    struct sp_str wrong = check_target(s, h, &status);
    if (wrong.len) {
        refuse(s, h, end, status, wrong);
        return;
    }
    if (h->path.len && !normalize(s, h)) {
        sp_counter_inc(s->hcm->stats.rq_bad_path);
        refuse(s, h, end, 400, SP_STR("path_normalization_failed"));
        return;
    }
    sp_stream_trim_host(s, h);
    derive_client(s, h);
    if (!end && !h->protocol.len && !s->redirected) {
        const struct sp_header *expect = sp_headers_find_id(h, SP_H_EXPECT, NULL);
        s->chain.expects_origin = s->hcm->proxy_100;
        s->chain.expects = expect && h->version != SP_HTTP_10 && sp_str_ieq(expect->value, SP_STR("100-continue"));
    }
    if (SP_UNLIKELY(s->hcm->lines.at_start))
        log_start(s, h);
    sp_chain_request_headers(&s->chain, h, end);
}

static void rx_headers(struct sp_sink *rx, struct sp_headers *h, bool end)
{
    struct sp_stream *s = of_rx(rx);
    sp_stream_active(s);
    if (end)
        s->info.rx_end_ns = s->activity_ns;
    keep_head(s, h);
    sp_stream_take(s, h, end);
}

static void rx_data(struct sp_sink *rx, struct sp_buf *b, bool end)
{
    struct sp_stream *s = of_rx(rx);
    sp_stream_active(s);
    s->chain.expects = false; /* it did not wait */
    if (end)
        s->info.rx_end_ns = s->activity_ns;
    sp_chain_request_data(&s->chain, b, end);
}

static void rx_trailers(struct sp_sink *rx, struct sp_headers *t)
{
    struct sp_stream *s = of_rx(rx);
    sp_stream_active(s);
    s->info.rx_end_ns = s->activity_ns;
    if (s->upgraded) { /* a tunnel has none */
        struct sp_buf none;
        sp_buf_init(&none);
        sp_chain_request_data(&s->chain, &none, true);
        return;
    }
    sp_sanitize_trailers(s->hcm, t);
    sp_chain_sanitize(&s->chain, t);
    sp_chain_request_trailers(&s->chain, t);
}

/* A malformed body may still be answered, from here (http/codec.h). */
static void rx_abort(struct sp_sink *rx, enum sp_abort why)
{
    struct sp_stream *s = of_rx(rx);
    if (s->chain.over)
        return;
    bool malformed = why == SP_ABORT_PROTOCOL || why == SP_ABORT_TOO_LARGE;
    if (!malformed || s->chain.head_out || s->info.protocol == SP_HTTP_2) {
        sp_stream_gone(s, why);
        return;
    }
    s->close = true;
    bool too_large = why == SP_ABORT_TOO_LARGE;
    sp_chain_reply(&s->chain, &(struct sp_reply){
                                  .status = too_large ? 413 : 400, .flags = SP_FLAG_DPE,
                                  .body = too_large ? SP_STR("Payload Too Large") : SP_STR("Bad Request"),
                                  .details = SP_STR("http1.codec_error")});
}

const struct sp_sink_ops sp_stream_rx_ops = {rx_headers, rx_data, rx_trailers, rx_abort};
