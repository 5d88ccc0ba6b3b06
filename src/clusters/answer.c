/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/answer.h"

#include <assert.h>

#include "clusters/health.h"
#include "clusters/outlier.h"

static struct sp_cluster_stats *stats(const struct sp_upstream *u)
{
    return &u->slot->cluster->stats;
}

static uint64_t now(const struct sp_upstream *u)
{
    return u->slot->turn->now_ns;
}

static void note_end(struct sp_upstream *u)
{
    if (u->setup.info)
        u->setup.info->up_last_rx_ns = now(u);
    if (!u->request_ended)
        return;
    uint64_t ns = now(u) - u->request_end_ns;
    sp_timing_record(stats(u)->upstream_rq_time, ns);
    sp_timing_record(sp_cluster_stats_side(stats(u), u->setup.internal)->time, ns);
    for (unsigned i = 0; i < 2 && SP_UNLIKELY(u->setup.counted[i]); i++)
        sp_timing_record(u->setup.counted[i]->answers.time, ns);
    const struct sp_host_part *p = &u->host->parts[u->slot->index];
    if (SP_UNLIKELY(p->zone_stats))
        sp_timing_record(p->zone_stats->answers.time, ns);
    if (SP_UNLIKELY(u->canary || p->canary))
        sp_timing_record(sp_cluster_stats_canary(stats(u))->time, ns);
}

/* The response is complete. A request that is not is cut short: nobody reads it any more. */
static void response_over(struct sp_upstream *u)
{
    u->ticket.rx_over = true;
    note_end(u);
    sp_outcome_track(u);
    if (u->ticket.tx_over)
        sp_outcome_leave(u);
    else
        sp_outcome_release(u, SP_ABORT_CANCEL);
    sp_outcome_finish(u);
}

/* A host that says of itself that it wants no more requests. */
static void heed_host(struct sp_upstream *u, const struct sp_headers *h)
{
    struct sp_cluster *c = u->slot->cluster;
    if (c->checker && sp_headers_find(h, SP_STR("x-envoy-immediate-health-check-fail"), NULL))
        sp_health_heed(c, u->host);
}

/* As Envoy: an origin may say so itself. */
static bool says_canary(const struct sp_headers *h)
{
    static const struct sp_str name = SP_STR_INIT("x-envoy-upstream-canary");
    for (unsigned i = 0; i < h->n; i++) /* it has no id: the others are passed over without a look at their names */
        if (SP_UNLIKELY(h->v[i].id == SP_H_OTHER && h->v[i].name.len == name.len) && sp_str_eq(h->v[i].name, name))
            return sp_str_eq(h->v[i].value, SP_STR("true"));
    return false;
}

/* The stream below may be gone before the one above. */
static struct sp_headers *keep_head(struct sp_upstream *u, struct sp_headers *from)
{
    if (u->setup.lasts) {
        u->head_of = u->ticket.cs;
        sp_codec_stream_hold(u->head_of);
        return from;
    }
    struct sp_headers *h = sp_arena_alloc(u->setup.arena, sizeof(*h));
    sp_headers_copy(h, u->setup.arena, from);
    return h;
}

static void accept_head(struct sp_upstream *u, struct sp_headers *from, bool end)
{
    struct sp_headers *h = keep_head(u, from);
    u->response_started = true;
    u->keep = false;
    sp_timer_stop(&u->try_timer);
    u->canary = says_canary(h);
    sp_outcome_charge(u, h->status);
    if (u->ops->response)
        u->ops->response(u, h);
    if (end)
        response_over(u);
    else
        sp_buf_clear(&u->body);
    u->out.sink->ops->headers(u->out.sink, h, end);
    if (end)
        sp_outcome_resume_request(u);
}

/* RFC 9110 section 15.2: interim heads are passed on. 100 is only where Expect was: else we have answered that ourselves. */
static void inform(struct sp_upstream *u, const struct sp_headers *from)
{
    if (from->status == 100 && !sp_headers_find_id(u->request, SP_H_EXPECT, NULL))
        return;
    struct sp_headers *h = sp_arena_alloc(u->setup.arena, sizeof(*h));
    sp_headers_copy(h, u->setup.arena, from);
    u->final = true;
    sp_outcome_charge(u, h->status);
    u->out.sink->ops->headers(u->out.sink, h, false);
}

static void broken(struct sp_upstream *u)
{
    if (SP_UNLIKELY(u->span != NULL))
        u->span->response = NULL; /* it goes with its stream */
    sp_outcome_release(u, SP_ABORT_PROTOCOL);
    sp_outcome_reset(u, SP_RESET_PROTOCOL, SP_STR_NULL);
}

/* The tunnel is open. From here on the route's timeout says nothing of it; the stream's own limits do. */
static void switched(struct sp_upstream *u, const struct sp_headers *from)
{
    struct sp_headers *h = sp_arena_alloc(u->setup.arena, sizeof(*h));
    sp_headers_copy(h, u->setup.arena, from);
    if (!sp_websocket_answer(&u->websocket, h)) {
        broken(u);
        return;
    }
    u->response_started = true;
    if (SP_UNLIKELY(u->span != NULL))
        u->span->response = h;
    sp_timer_stop(&u->timeout);
    sp_timer_stop(&u->try_timer);
    sp_outcome_charge(u, h->status);
    if (h->status == 101) {
        sp_headers_add_id(h, SP_H_CONNECTION, SP_STR("upgrade"));
        sp_headers_add_id(h, SP_H_UPGRADE, h->protocol);
    }
    if (u->ops->response)
        u->ops->response(u, h);
    u->out.sink->ops->headers(u->out.sink, h, false);
    if (u->phase == SP_UPSTREAM_OPEN)
        sp_upstream_switch(u);
}

/* The origin declined, and says that all is well: to an HTTP/2 client that means that its tunnel is open (RFC 8441 section 5). */
static bool misleads(const struct sp_upstream *u, const struct sp_headers *h)
{
    return u->upgrade && h->status < 300 && (u->setup.h2 || sp_is_connect(u->request));
}

static struct sp_upstream *of_rx(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct sp_upstream, ticket.rx);
}

static void rx_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct sp_upstream *u = of_rx(s);
    assert(u->phase == SP_UPSTREAM_OPEN && u->out.sink);
    u->answered = true;
    u->try_active_ns = now(u);
    if ((h->status == 101 && !u->upgrade) || (h->status < 200 && end)) {
        broken(u);
        return;
    }
    if (h->status < 200 && h->status != 101) {
        inform(u, h);
        return;
    }
    if (u->setup.info && !u->setup.info->up_first_rx_ns)
        u->setup.info->up_first_rx_ns = now(u);
    if (SP_UNLIKELY(u->span != NULL)) {
        u->span->status = h->status;
        u->span->first_rx_ns = now(u);
        u->span->response = h;
    }
    heed_host(u, h);
    if (SP_UNLIKELY(stats(u)->tracked.on))
        sp_track_answer(&u->track, h);
    if (SP_UNLIKELY(u->slot->cluster->outlier))
        sp_outlier_answer(u->slot, u->host, h->status);
    if (h->protocol.len) {
        switched(u, h);
        return;
    }
    if (SP_UNLIKELY(misleads(u, h))) {
        broken(u);
        return;
    }
    u->ticket.rx_over = end;
    if (!sp_outcome_retry_response(u, h, end) && !sp_outcome_redirect(u, h, end))
        accept_head(u, h, end);
}

static void rx_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct sp_upstream *u = of_rx(s);
    assert(u->phase == SP_UPSTREAM_OPEN && u->response_started);
    u->try_active_ns = now(u);
    if (end)
        response_over(u);
    u->out.sink->ops->data(u->out.sink, b, end);
    if (end)
        sp_outcome_resume_request(u);
}

static void rx_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct sp_upstream *u = of_rx(s);
    assert(u->phase == SP_UPSTREAM_OPEN && u->response_started);
    struct sp_headers *copy = sp_arena_alloc(u->setup.arena, sizeof(*copy));
    sp_headers_copy(copy, u->setup.arena, t);
    if (SP_UNLIKELY(u->span != NULL))
        u->span->trailers = copy;
    response_over(u);
    u->out.sink->ops->trailers(u->out.sink, copy);
    sp_outcome_resume_request(u);
}

static void rx_abort(struct sp_sink *s, enum sp_abort why)
{
    static const enum sp_reset reasons[] = {
        [SP_ABORT_NONE] = SP_RESET_TERMINATED,     [SP_ABORT_RESET] = SP_RESET_REMOTE,
        [SP_ABORT_CLOSED] = SP_RESET_TERMINATED,   [SP_ABORT_REFUSED] = SP_RESET_REFUSED,
        [SP_ABORT_PROTOCOL] = SP_RESET_PROTOCOL,   [SP_ABORT_TOO_LARGE] = SP_RESET_PROTOCOL,
        [SP_ABORT_TIMEOUT] = SP_RESET_TERMINATED,  [SP_ABORT_CONNECT] = SP_RESET_CONNECT_REMOTE,
        [SP_ABORT_LOCAL] = SP_RESET_LOCAL,         [SP_ABORT_CANCEL] = SP_RESET_LOCAL,
    };
    struct sp_upstream *u = of_rx(s);
    assert(u->phase == SP_UPSTREAM_OPEN && (size_t)why < SP_ARRAY_LEN(reasons));
    u->ticket.rx_over = u->ticket.rx_aborted = true;
    enum sp_reset reason = reasons[why];
    if (why == SP_ABORT_RESET && u->ticket.conn->h2)
        sp_counter_inc(stats(u)->upstream_rq_rx_reset);
    else if (why == SP_ABORT_RESET) /* an HTTP/1 host can only reset the connection */
        reason = SP_RESET_TERMINATED;
    else if (why == SP_ABORT_CLOSED && u->response_started && !u->ticket.conn->h2) /* or cut its answer short */
        reason = SP_RESET_PROTOCOL;
    sp_outcome_release(u, why);
    sp_outcome_reset(u, reason, SP_STR_NULL);
}

const struct sp_sink_ops sp_answer_rx_ops = {rx_headers, rx_data, rx_trailers, rx_abort};
