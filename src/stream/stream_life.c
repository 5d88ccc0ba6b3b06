/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream's birth, its limits of time, its end.
 */
#include <assert.h>

#include "crypto/ct.h"
#include "envoy/data/accesslog/v3/accesslog.pb-c.h"
#include "event/overload.h"
#include "stream/access_log.h"
#include "stream/refused.h"
#include "stream/server_span.h"
#include "stream/stream_impl.h"

/* --- time --- */

static uint64_t next_due(const struct sp_stream *s)
{
    uint64_t due = UINT64_MAX;
    if (s->idle_ns)
        due = s->activity_ns + (s->hcm->sheds ? sp_overload_timeout(SP_OL_STREAM_IDLE, s->idle_ns) : s->idle_ns);
    if (s->request_due_ns)
        due = SP_MIN(due, s->request_due_ns);
    if (s->max_due_ns)
        due = SP_MIN(due, s->max_due_ns);
    return due;
}

void sp_stream_arm(struct sp_stream *s)
{
    uint64_t due = next_due(s), now = s->owner->turn->now_ns, left = due > now ? due - now : 0;
    if (due == UINT64_MAX)
        sp_timer_stop(&s->timer);
    else
        sp_timer_start(s->owner->turn, &s->timer, s->hcm->sheds ? sp_overload_look_again(SP_OL_STREAM_IDLE, left) : left);
}

enum { DEADLINE_EXCEEDED = 4 }; /* gRPC's */
static const struct sp_str max_duration = SP_STR_INIT("max_duration_timeout");

/* The client is late: 408; we are, with all of the request here: 504. A response that has begun is cut off. */
static void time_out(struct sp_stream *s, struct sp_counter counter, struct sp_str body, struct sp_str details,
                     uint32_t flags)
{
    sp_counter_inc(counter);
    s->close = !sp_stream_has_request(s); /* nobody waits for the rest of it either */
    sp_chain_reply(&s->chain, &(struct sp_reply){.status = s->close ? 408 : 504, .body = body,
                                                 .details = details, .flags = flags,
                                                 .grpc_status = sp_str_eq(details, max_duration) ? DEADLINE_EXCEEDED : 0});
}

static void on_timer(struct sp_timer *t)
{
    struct sp_stream *s = SP_CONTAINER_OF(t, struct sp_stream, timer);
    const struct sp_hcm_stats *st = &s->hcm->stats;
    uint64_t now = s->owner->turn->now_ns;
    if (now < next_due(s)) {
        sp_stream_arm(s);
        return;
    }
    bool max = s->max_due_ns && now >= s->max_due_ns, request = s->request_due_ns && now >= s->request_due_ns;
    /* Whatever is answered now has the idle time to be read by the client. */
    s->max_due_ns = s->request_due_ns = 0;
    sp_stream_active(s);
    sp_stream_arm(s);
    if (s->chain.over) /* the response was made, but the client does not take it */
        s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_TIMEOUT);
    else if (max)
        time_out(s, st->rq_max_duration, SP_STR("downstream duration timeout"), max_duration, 0);
    else if (request)
        time_out(s, st->rq_timeout, SP_STR("request timeout"), SP_STR("request_overall_timeout"), 0);
    else
        time_out(s, st->rq_idle_timeout, SP_STR("stream timeout"), SP_STR("stream_idle_timeout"), SP_FLAG_SI);
}

/* --- birth --- */

static void count_birth(const struct sp_stream *s)
{
    const struct sp_hcm_stats *st = &s->hcm->stats;
    sp_counter_inc(st->rq_total);
    sp_counter_inc(s->cs->codec->ops->protocol == SP_HTTP_2 ? st->rq_http2 : st->rq_http1);
}

static void init_info(struct sp_stream *s, const struct sp_headers *h)
{
    const struct sp_stream_owner *o = s->owner;
    s->info.conn = o->conn;
    s->info.start_ns = o->turn->now_ns;
    s->info.start_wall_ns = o->turn->wall_ns;
    s->info.client = o->conn->peer;
    s->info.protocol = h->version;
    s->info.early = o->conn->early;
    s->info.raw_path = h->path;
}

static void init_times(struct sp_stream *s)
{
    uint64_t now = s->owner->turn->now_ns;
    s->timer.fire = on_timer;
    s->activity_ns = now;
    s->idle_ns = s->hcm->idle_ns;
    s->request_due_ns = s->hcm->request_ns ? now + s->hcm->request_ns : 0;
    s->max_due_ns = s->hcm->max_duration_ns ? now + s->hcm->max_duration_ns : 0;
    sp_stream_arm(s);
}

/* max_requests_per_connection: this one is answered, and then no more. */
static void count_requests(struct sp_stream *s)
{
    uint64_t n = s->cs->codec->ops->protocol == SP_HTTP_2 ? (s->cs->id + 1) / 2 : s->cs->id;
    if (!s->hcm->max_requests || n < s->hcm->max_requests)
        return;
    if (n == s->hcm->max_requests)
        sp_counter_inc(s->hcm->stats.cx_max_requests);
    s->close = true;
    if (s->owner->drain)
        s->owner->drain(s->owner);
}

void sp_stream_begin(struct sp_stream *s, const struct sp_chain_ops *ops)
{
    s->chain.stream = s;
    s->chain.arena = s->cs->arena;
    s->chain.turn = s->owner->turn;
    s->chain.info = &s->info;
    s->chain.limit = s->hcm->buffer_limit;
    s->chain.request = &s->cs->rx;
    sp_chain_init(&s->chain, &s->hcm->plan, ops);
    s->info.chain = &s->chain;
    count_birth(s);
}

bool sp_stream_accept(struct sp_stream_owner *o, struct sp_codec_stream *cs, struct sp_headers *h)
{
    assert(o && o->hcm && o->conn && o->turn && cs && cs->arena && h);
    struct sp_stream *s = sp_arena_zalloc(cs->arena, sizeof(*s));
    s->cs = cs;
    s->owner = o;
    s->hcm = o->hcm;
    s->snapshot = o->snapshot ? sp_snapshot_ref(o->snapshot, o->worker) : NULL;
    s->random = sp_random_u64();
    s->rx.ops = &sp_stream_rx_ops;
    s->tx.ops = &sp_stream_tx_ops;
    cs->user = s;
    sp_link(&cs->rx, &s->rx);
    sp_link(&s->tx, &cs->tx);
    sp_list_push_back(&o->streams, &s->link);
    init_info(s, h);
    sp_gauge_inc(s->hcm->stats.rq_active);
    sp_stream_begin(s, &sp_stream_chain_ops);
    init_times(s);
    if (SP_UNLIKELY(s->hcm->lines.every_ns && s->hcm->logs))
        sp_stream_begin_lines(s);
    count_requests(s);
    sp_gather_began(&o->turn->gather);
    return true;
}

/* --- end --- */

void sp_stream_gone(struct sp_stream *s, enum sp_abort why)
{
    if (s->chain.over)
        return;
    struct sp_stream_info *info = &s->info;
    sp_counter_inc(s->hcm->stats.rq_rx_reset);
    /* Of HTTP/1 there is only the connection to be reset. */
    if (why == SP_ABORT_CLOSED || (why == SP_ABORT_RESET && info->protocol != SP_HTTP_2)) {
        info->flags |= SP_FLAG_DC;
        info->details = SP_STR("downstream_remote_disconnect");
    } else if (why == SP_ABORT_RESET || why == SP_ABORT_CANCEL) {
        info->flags |= SP_FLAG_DR;
        info->details = info->protocol == SP_HTTP_2 ? SP_STR("http2.remote_reset")
                                                    : SP_STR("downstream_remote_disconnect");
    } else if (why == SP_ABORT_PROTOCOL || why == SP_ABORT_TOO_LARGE) {
        info->flags |= SP_FLAG_DPE;
        info->details = SP_STR("codec_error");
    } else {
        info->details = SP_STR("downstream_local_disconnect");
    }
    sp_chain_abort(&s->chain, why);
}

static void count_bytes(struct sp_stream *s)
{
    struct sp_stream_info *info = &s->info;
    const struct sp_codec_stream *cs = s->cs;
    info->rx_head_bytes = cs->rx_head_bytes;
    info->rx_body_bytes = cs->rx_body_bytes;
    info->tx_head_bytes = cs->tx_head_bytes;
    info->tx_body_bytes = cs->tx_body_bytes;
}

static void write_log(struct sp_stream *s, unsigned type)
{
    const struct sp_format_input in = {
        .info = &s->info, .request = s->chain.head[SP_DECODE], .response = s->chain.head[SP_ENCODE],
        .trailers = s->response_trailers, .now_ns = s->owner->turn->now_ns, .log_type = (uint8_t)type,
    };
    sp_access_logs_write(s->hcm->logs, &in, s->owner->turn, s->random);
}

void sp_stream_log(struct sp_stream *s, unsigned type)
{
    if (!s->hcm->logs)
        return;
    count_bytes(s);
    write_log(s, type);
}

#define LOG_TYPE(name) ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__##name

void sp_stream_complete(struct sp_stream *s)
{
    count_bytes(s);
    s->info.tx_end_ns = s->owner->turn->now_ns;
    sp_timing_record(s->hcm->stats.rq_time, s->owner->turn->now_ns - s->info.start_ns);
    sp_chain_complete(&s->chain);
    if (SP_UNLIKELY(s->chain.replier))
        sp_refused_note(&s->info, s->chain.head[SP_DECODE], s->owner->turn->wall_ns);
    if (SP_UNLIKELY(s->info.span != NULL))
        sp_server_span_end(s);
    if (s->hcm->logs)
        write_log(s, LOG_TYPE(DownstreamEnd));
}

void sp_stream_closed(struct sp_codec_stream *cs, enum sp_abort why)
{
    assert(cs && cs->user);
    struct sp_stream *s = cs->user;
    sp_stream_gone(s, why ? why : SP_ABORT_CLOSED);
    sp_gather_ended(&s->owner->turn->gather, s->owner->turn->now_ns - s->info.start_ns);
    sp_timer_stop(&s->timer);
    if (s->lines)
        sp_timer_stop(s->lines);
    sp_defer_cancel(&s->let_go);
    sp_gauge_dec(s->hcm->stats.rq_active);
    if (s->chain.upgrade)
        sp_gauge_dec(s->hcm->stats.upgrades_active);
    sp_stream_complete(s);
    sp_chain_destroy(&s->chain);
    sp_stream_redirect_done(s);
    sp_list_remove(&s->link);
    cs->user = NULL;
    sp_hcm_rest_unref(s->rest);
    if (s->snapshot) /* last: all that was compiled may go with it */
        sp_snapshot_unref(s->snapshot, s->owner->worker);
}

void sp_stream_cut_old(struct sp_stream_owner *o, uint64_t number)
{
    assert(o);
    SP_LIST_FOREACH_SAFE (n, &o->streams) {
        struct sp_stream *s = SP_CONTAINER_OF(n, struct sp_stream, link);
        if (!s->snapshot || s->snapshot->number > number)
            continue;
        s->close = true;
        if (s->chain.over)
            s->cs->tx.ops->abort(&s->cs->tx, SP_ABORT_TIMEOUT);
        else
            sp_chain_reply(&s->chain, &(struct sp_reply){.status = 503, .body = SP_STR("the config has changed"),
                                                         .details = SP_STR("old_config")});
    }
}

bool sp_stream_sheds(const struct sp_stream *s)
{
    assert(s);
    return s->hcm->sheds;
}

const struct sp_hcm *sp_stream_hcm(const struct sp_stream *s)
{
    assert(s);
    return s->hcm;
}

uint64_t sp_stream_random(const struct sp_stream *s)
{
    assert(s);
    return s->random;
}

struct sp_stream_owner *sp_stream_get_owner(const struct sp_stream *s)
{
    assert(s);
    return s->owner;
}
