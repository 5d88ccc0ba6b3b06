/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/outcome.h"

#include <assert.h>

#include "clusters/outlier.h"

#define CONNECT_ERROR "upstream connect error or disconnect/reset before headers. "

static struct sp_cluster_stats *stats(const struct sp_upstream *u)
{
    return &u->slot->cluster->stats;
}

static struct sp_host_part *counts(const struct sp_upstream *u)
{
    return &u->host->parts[u->slot->index];
}

static uint64_t now(const struct sp_upstream *u)
{
    return u->slot->turn->now_ns;
}

/* --- letting go --- */

void sp_outcome_take_host(struct sp_upstream *u, struct sp_host *h)
{
    assert(u);
    struct sp_host *before = u->host;
    if (h)
        sp_host_hold(h, u->slot->index);
    u->host = h;
    if (before)
        sp_host_let_go(before, u->slot->index);
}

void sp_outcome_resume_request(struct sp_upstream *u)
{
    while (u->tx_pauses) {
        u->tx_pauses--;
        u->ops->resume(u);
    }
    if (u->held) {
        u->held = false;
        u->ops->resume(u);
    }
}

static void track_attempt(struct sp_upstream *u)
{
    if (SP_UNLIKELY(stats(u)->tracked.on))
        sp_track_attempt(&stats(u)->tracked, &u->track, u->request, u->ticket.cs, now(u), u->setup.per_try_timeout_ns);
}

void sp_outcome_track(struct sp_upstream *u)
{
    if (SP_UNLIKELY(stats(u)->tracked.on) && u->request_ended)
        sp_track_request(&stats(u)->tracked, now(u) - u->request_end_ns, u->setup.timeout_ns);
}

static void note_bytes(struct sp_upstream *u)
{
    struct sp_stream_info *info = u->setup.info;
    const struct sp_codec_stream *cs = u->ticket.cs;
    track_attempt(u);
    if (!info || !cs)
        return;
    info->up_rx_body_bytes = cs->rx_body_bytes;
    info->up_tx_body_bytes = cs->tx_body_bytes;
    info->up_rx_head_bytes = cs->rx_head_bytes;
    info->up_tx_head_bytes = cs->tx_head_bytes;
}

/* Ends the attempt's hold on a stream or its place in line. */
void sp_outcome_release(struct sp_upstream *u, enum sp_abort why)
{
    note_bytes(u);
    if (u->ticket.pool)
        sp_pool_leave(&u->ticket);
    else
        sp_ticket_cancel(&u->ticket, why);
    sp_timer_stop(&u->try_timer);
    sp_timer_stop(&u->max_timer);
    sp_timer_stop(&u->idle_timer);
}

void sp_outcome_leave(struct sp_upstream *u)
{
    note_bytes(u);
    sp_ticket_leave(&u->ticket);
    sp_timer_stop(&u->try_timer);
    sp_timer_stop(&u->max_timer);
    sp_timer_stop(&u->idle_timer);
}

void sp_outcome_finish(struct sp_upstream *u)
{
    assert(!u->ticket.cs && !u->ticket.pool);
    sp_outcome_end_span(u);
    u->phase = SP_UPSTREAM_DONE;
    sp_timer_stop(&u->timeout);
    sp_timer_stop(&u->try_timer);
    sp_timer_stop(&u->max_timer);
    sp_timer_stop(&u->idle_timer);
    sp_defer_cancel(&u->again);
    sp_retry_release(&u->retry, u->slot);
    sp_buf_clear(&u->body);
}

/* --- what goes wrong --- */

void sp_outcome_charge(struct sp_upstream *u, unsigned status)
{
    if (u->setup.info && u->setup.info->health_check)
        return;
    sp_counter_inc(stats(u)->upstream_rq_completed);
    sp_code_counters_inc(&stats(u)->codes, status, true);
    sp_answer_stats_charge(sp_cluster_stats_side(stats(u), u->setup.internal), status);
    for (unsigned i = 0; i < 2 && SP_UNLIKELY(u->setup.counted[i]); i++)
        sp_answer_stats_charge(&u->setup.counted[i]->answers, status);
    if (!u->host)
        return;
    struct sp_host_part *p = counts(u);
    sp_host_count(status >= 500 ? &p->rq_error : &p->rq_success, 1);
    if (SP_UNLIKELY(p->zone_stats))
        sp_answer_stats_charge(&p->zone_stats->answers, status);
    if (SP_UNLIKELY(u->canary || p->canary))
        sp_answer_stats_charge(sp_cluster_stats_canary(stats(u)), status);
}

static void fail(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    struct sp_stream_info *info = u->setup.info;
    if (SP_UNLIKELY(u->span != NULL))
        u->span->flags |= f->flags;
    sp_outcome_finish(u);
    sp_outcome_resume_request(u);
    if (!u->response_started) {
        u->ops->failed(u, f);
        return;
    }
    if (info) {
        info->flags |= f->flags;
        info->details = f->details;
    }
    if (u->ops->cut)
        u->ops->cut(u);
    if (u->out.sink)
        u->out.sink->ops->abort(u->out.sink, f->why);
}

static struct sp_str underscored(struct sp_arena *a, struct sp_str text)
{
    char *out = sp_arena_alloc(a, text.len + 1);
    for (size_t i = 0; i < text.len; i++)
        out[i] = text.ptr[i] == ' ' || text.ptr[i] == '\t' ? '_' : text.ptr[i];
    out[text.len] = 0;
    return sp_str_n(out, text.len);
}

static enum sp_abort abort_of(enum sp_reset reason)
{
    switch (reason) {
    case SP_RESET_CONNECT_TIMEOUT:
        return SP_ABORT_TIMEOUT;
    case SP_RESET_CONNECT_LOCAL:
    case SP_RESET_CONNECT_REMOTE:
        return SP_ABORT_CONNECT;
    case SP_RESET_TERMINATED:
        return SP_ABORT_CLOSED;
    case SP_RESET_REMOTE:
        return SP_ABORT_RESET;
    case SP_RESET_REFUSED:
        return SP_ABORT_REFUSED;
    case SP_RESET_PROTOCOL:
        return SP_ABORT_PROTOCOL;
    case SP_RESET_LOCAL:
    case SP_RESET_OVERFLOW:
        break;
    }
    return SP_ABORT_LOCAL;
}

/* Envoy: also by an interim head. */
static bool begun(const struct sp_upstream *u)
{
    return u->response_started || u->final;
}

static void fail_reset(struct sp_upstream *u, enum sp_reset reason, struct sp_str text)
{
    struct sp_arena *a = u->setup.arena;
    struct sp_str name = sp_reset_text(reason);
    struct sp_upstream_failure f = {
        .status = reason == SP_RESET_PROTOCOL ? 502 : 503,
        .flags = sp_reset_flag(reason),
        .overloaded = reason == SP_RESET_OVERFLOW,
        .why = abort_of(reason),
    };
    /* Why a transport failed is for the log; a stranger learns nothing of the origin's address or certificate. */
    f.body = sp_arena_printf(a, CONNECT_ERROR "%sreset reason: %.*s", u->attempts > 1 ? "retried and the latest " : "",
                             SP_STR_ARG(name));
    struct sp_str details =
        sp_arena_printf(a, "upstream_reset_%s_response_started{%.*s%s%.*s}", begun(u) ? "after" : "before",
                        SP_STR_ARG(name), text.len ? "|" : "", SP_STR_ARG(text));
    f.details = underscored(a, details);
    if (!begun(u))
        sp_outcome_charge(u, f.status);
    fail(u, &f);
}

void sp_outcome_no_host(struct sp_upstream *u)
{
    sp_counter_inc(stats(u)->upstream_cx_none_healthy);
    sp_outcome_take_host(u, NULL);
    sp_outcome_charge(u, 503);
    fail(u, &(struct sp_upstream_failure){.status = 503,
                                          .body = SP_STR("no healthy upstream"),
                                          .details = SP_STR("no_healthy_upstream"),
                                          .flags = SP_FLAG_UH,
                                          .why = SP_ABORT_CONNECT});
}

void sp_outcome_drop(struct sp_upstream *u)
{
    sp_counter_inc(stats(u)->upstream_rq_drop_overload);
    sp_outcome_charge(u, 503);
    bool all = u->slot->hosts->policy.drop == SP_DROP_ALL;
    fail(u, &(struct sp_upstream_failure){.status = 503,
                                          .body = all ? SP_STR("unconditional drop overload") : SP_STR("drop overload"),
                                          .details = all ? SP_STR("unconditional_drop_overload") : SP_STR("drop_overload"),
                                          .flags = all ? SP_FLAG_UDO : SP_FLAG_DO,
                                          .why = SP_ABORT_LOCAL});
}

static void fail_timeout(struct sp_upstream *u, struct sp_str details)
{
    sp_outcome_track(u);
    bool alt = u->setup.alt_response;
    if (!begun(u))
        sp_outcome_charge(u, alt ? 204 : 504);
    fail(u, &(struct sp_upstream_failure){.status = alt ? 204 : 504,
                                          .body = alt ? SP_STR_NULL : SP_STR("upstream request timeout"),
                                          .details = details,
                                          .flags = SP_FLAG_UT,
                                          .why = SP_ABORT_TIMEOUT});
}

/* --- again --- */

static bool can_send_again(const struct sp_upstream *u)
{
    return !u->response_started && !u->final && (u->keep || !u->body_sent);
}

static void pause_until(struct sp_upstream *u, uint64_t wait_ns)
{
    sp_outcome_end_span(u);
    u->phase = SP_UPSTREAM_PAUSING;
    u->avoid = u->host;
    if (wait_ns)
        sp_timer_start(u->slot->turn, &u->try_timer, wait_ns);
    else
        sp_defer(u->slot->turn, &u->again); /* never in the caller's stack */
}

static void note_refusal(struct sp_upstream *u, enum sp_retry_answer answer)
{
    if (!u->setup.info)
        return;
    if (answer == SP_RETRY_LIMIT)
        u->setup.info->flags |= SP_FLAG_URX;
    else if (answer == SP_RETRY_OVERFLOW)
        u->setup.info->flags |= SP_FLAG_UO;
}

/* Without a policy: nothing of the request can have been acted on, or acting twice on it does no harm. */
static bool safe_to_repeat(struct sp_upstream *u, enum sp_reset reason)
{
    if (u->second || u->answered)
        return false;
    switch (reason) {
    case SP_RESET_REFUSED:
        return true;
    case SP_RESET_TERMINATED:
        return u->ticket.reused && u->idempotent;
    case SP_RESET_CONNECT_REMOTE:
        return u->slot->hosts->n > 1;
    default:
        return false;
    }
}

/* The attempt has ended without a response; it holds nothing any more. */
void sp_outcome_reset(struct sp_upstream *u, enum sp_reset reason, struct sp_str text)
{
    assert(!u->ticket.cs && !u->ticket.pool);
    track_attempt(u); /* if it never had a stream */
    if (SP_UNLIKELY(u->span != NULL)) {
        u->span->reason = sp_reset_text(reason);
        u->span->flags |= sp_reset_flag(reason);
    }
    if (u->slot->cluster->outlier && u->host && reason != SP_RESET_OVERFLOW)
        sp_outlier_local(u->slot, u->host, 503);
    if (text.len && u->setup.info)
        u->setup.info->upstream_failure_reason = sp_arena_str(u->setup.arena, text);
    if (can_send_again(u)) {
        enum sp_retry_answer answer = sp_retry_reset(&u->retry, u->slot, reason, u->sent);
        note_refusal(u, answer);
        bool repeat = answer == SP_RETRY_NO && safe_to_repeat(u, reason);
        if (repeat || answer == SP_RETRY_YES) {
            if (u->host)
                sp_host_count(&counts(u)->rq_error, 1);
            if (repeat) {
                u->second = true;
                sp_counter_inc(stats(u)->upstream_rq_retry);
                SP_OUTCOME_COUNT(u, retry);
                if (u->ticket.reused && reason != SP_RESET_REFUSED)
                    sp_pool_drop_idle(u->slot, &u->key);
            }
            pause_until(u, repeat ? 0 : sp_retry_wait_ns(&u->retry, u->slot));
            return;
        }
    }
    fail_reset(u, reason, text);
}

static void give_up_span(struct sp_upstream *u)
{
    if (SP_UNLIKELY(u->span != NULL))
        u->span->canceled = true;
}

static void charge_timeout(struct sp_upstream *u)
{
    sp_host_count(&counts(u)->rq_timeout, 1);
    if (u->slot->cluster->outlier)
        sp_outlier_local(u->slot, u->host, 504);
}

static void on_timeout(struct sp_timer *t)
{
    struct sp_upstream *u = SP_CONTAINER_OF(t, struct sp_upstream, timeout);
    sp_counter_inc(stats(u)->upstream_rq_timeout);
    SP_OUTCOME_COUNT(u, timeout);
    u->track.out_of_time = !begun(u);
    give_up_span(u);
    if (u->host && u->phase != SP_UPSTREAM_PAUSING)
        charge_timeout(u);
    sp_outcome_release(u, SP_ABORT_TIMEOUT);
    fail_timeout(u, SP_STR("response_timeout"));
}

/* We gave the attempt up: true when there is another one. */
static bool again_after_ours(struct sp_upstream *u)
{
    if (!can_send_again(u))
        return false;
    enum sp_retry_answer answer = sp_retry_reset(&u->retry, u->slot, SP_RESET_LOCAL, u->sent);
    note_refusal(u, answer);
    if (answer != SP_RETRY_YES)
        return false;
    sp_host_count(&counts(u)->rq_error, 1);
    pause_until(u, sp_retry_wait_ns(&u->retry, u->slot));
    return true;
}

/* An attempt took too long: it is given up for another, or for good. */
static void try_is_late(struct sp_upstream *u, struct sp_str details)
{
    charge_timeout(u);
    give_up_span(u);
    sp_outcome_release(u, SP_ABORT_TIMEOUT);
    u->late = true;
    if (!again_after_ours(u))
        fail_timeout(u, details);
}

static void on_try_timer(struct sp_timer *t)
{
    struct sp_upstream *u = SP_CONTAINER_OF(t, struct sp_upstream, try_timer);
    if (u->phase == SP_UPSTREAM_PAUSING) {
        sp_defer(u->slot->turn, &u->again);
        return;
    }
    sp_counter_inc(stats(u)->upstream_rq_per_try_timeout);
    try_is_late(u, SP_STR("upstream_per_try_timeout"));
}

static void on_idle_timer(struct sp_timer *t)
{
    struct sp_upstream *u = SP_CONTAINER_OF(t, struct sp_upstream, idle_timer);
    uint64_t idle = now(u) - u->try_active_ns, most = u->setup.per_try_idle_ns;
    if (u->switched)
        return; /* a tunnel's own limits hold */
    if (idle < most) {
        sp_timer_start(u->slot->turn, t, most - idle);
        return;
    }
    sp_counter_inc(stats(u)->upstream_rq_per_try_idle_timeout);
    try_is_late(u, SP_STR("upstream_per_try_idle_timeout"));
}

static void on_max_timer(struct sp_timer *t)
{
    struct sp_upstream *u = SP_CONTAINER_OF(t, struct sp_upstream, max_timer);
    sp_counter_inc(stats(u)->upstream_rq_max_duration_reached);
    give_up_span(u);
    sp_outcome_release(u, SP_ABORT_TIMEOUT);
    if (again_after_ours(u))
        return;
    fail(u, &(struct sp_upstream_failure){.status = u->request_ended ? 504 : 408,
                                          .body = SP_STR("upstream max stream duration reached"),
                                          .details = SP_STR("upstream_max_stream_duration_reached"),
                                          .flags = SP_FLAG_UMSDR,
                                          .why = SP_ABORT_TIMEOUT});
}

void sp_outcome_init(struct sp_upstream *u)
{
    assert(u && u->again.run);
    u->timeout.fire = on_timeout;
    u->try_timer.fire = on_try_timer;
    u->idle_timer.fire = on_idle_timer;
    u->max_timer.fire = on_max_timer;
}

/* Nobody wants what follows this head. */
static void give_up_answer(struct sp_upstream *u, bool end)
{
    give_up_span(u);
    sp_outcome_end_span(u); /* while the head is there */
    if (end && u->request_ended)
        sp_outcome_leave(u);
    else
        sp_outcome_release(u, SP_ABORT_CANCEL);
}

bool sp_outcome_retry_response(struct sp_upstream *u, const struct sp_headers *h, bool end)
{
    assert(u && h && u->phase == SP_UPSTREAM_OPEN);
    if (!can_send_again(u))
        return false;
    enum sp_retry_answer answer = sp_retry_response(&u->retry, u->slot, h, u->slot->turn->wall_ns);
    note_refusal(u, answer);
    if (answer != SP_RETRY_YES)
        return false;
    sp_host_count(&counts(u)->rq_error, 1);
    sp_counter_inc(stats(u)->retry_completed);
    sp_code_counters_inc(&stats(u)->retry_codes, h->status, true);
    give_up_answer(u, end);
    pause_until(u, sp_retry_wait_ns(&u->retry, u->slot));
    return true;
}

bool sp_outcome_redirect(struct sp_upstream *u, const struct sp_headers *h, bool end)
{
    assert(u && h && u->phase == SP_UPSTREAM_OPEN);
    if (!u->setup.redirects || !u->ops->redirect(u, h, u->request_ended && (u->keep || !u->body_sent)))
        return false;
    give_up_answer(u, end);
    sp_outcome_finish(u);
    sp_outcome_resume_request(u);
    return true;
}
