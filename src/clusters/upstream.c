/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/upstream.h"

#include <assert.h>

#include "clusters/answer.h"
#include "clusters/attempt_span.h"
#include "clusters/attempt.h"
#include "clusters/offline.h"
#include "clusters/subset_lb.h"
#include "clusters/tls_name.h"
#include "clusters/upstream_send.h"

/* What is held of a body that has no stream yet, before its source is paused. */
enum { HOLD_BYTES = 16384 };

static struct sp_cluster_stats *stats(const struct sp_upstream *u)
{
    return &u->slot->cluster->stats;
}

static uint64_t now(const struct sp_upstream *u)
{
    return u->slot->turn->now_ns;
}

static enum sp_conn_kind kind_of(const struct sp_upstream *u)
{
    if (u->setup.raw)
        return SP_KIND_RAW;
    switch (u->slot->cluster->options.protocol) {
    case SP_UPSTREAM_H2:
        return SP_KIND_H2;
    case SP_UPSTREAM_AUTO:
        return SP_KIND_AUTO;
    case SP_UPSTREAM_DOWNSTREAM:
        return u->setup.h2 ? SP_KIND_H2 : SP_KIND_H1;
    case SP_UPSTREAM_H1:
        break;
    }
    return SP_KIND_H1;
}

/* Of slots that are special; what is asked of these stands apart, so that others' requests take one call after the other. */
static bool is_dropped(const struct sp_upstream *u)
{
    uint32_t drop = u->slot->hosts->policy.drop;
    return u->attempts == 1 && drop && !u->slot->offline && sp_slot_below(u->slot, SP_DROP_ALL) < drop;
}

/* Likewise, once it has a host or NULL. True: that is all. */
static bool goes_no_further(struct sp_upstream *u)
{
    if (u->slot->offline) {
        if (u->host)
            sp_attempt_note_host(u);
        u->phase = SP_UPSTREAM_WAITING; /* for ever: it is cancelled by its owner */
        sp_offline_asked(u);
        return true;
    }
    if (u->host && u->slot->cluster->options.predictive > 1) {
        u->key.host = u->host;
        sp_pool_look_ahead(u->slot, &u->key);
    }
    return false;
}

static void begin_attempt(struct sp_upstream *u)
{
    bool special = SP_UNLIKELY(u->slot->special);
    u->answered = false;
    u->attempts++;
    if (SP_UNLIKELY(stats(u)->tracked.on))
        u->track.started_ns = now(u);
    sp_attempt_head(u);
    if (special && is_dropped(u)) {
        sp_outcome_drop(u);
        return;
    }
    sp_outcome_take_host(u, sp_attempt_pick(u));
    if (special && goes_no_further(u))
        return;
    if (!u->host) {
        sp_outcome_no_host(u);
        return;
    }
    sp_attempt_note_host(u);
    sp_attempt_span_begin(u);
    u->key.host = u->host;
    u->phase = SP_UPSTREAM_WAITING;
    switch (sp_pool_get(u->slot, &u->key, &u->ticket)) {
    case SP_POOL_OPEN:
        sp_upstream_opened(u);
        break;
    case SP_POOL_QUEUED:
        break;
    case SP_POOL_OVERFLOW:
        sp_outcome_reset(u, SP_RESET_OVERFLOW, SP_STR_NULL);
        break;
    case SP_POOL_CLOSED:
        sp_outcome_no_host(u);
        break;
    }
}

static void ticket_ready(struct sp_ticket *t)
{
    sp_upstream_opened(SP_CONTAINER_OF(t, struct sp_upstream, ticket));
}

static void ticket_failed(struct sp_ticket *t, enum sp_ticket_failure why, struct sp_str text)
{
    static const enum sp_reset reasons[] = {
        [SP_TICKET_OVERFLOW] = SP_RESET_OVERFLOW,
        [SP_TICKET_CONNECT] = SP_RESET_CONNECT_REMOTE,
        [SP_TICKET_REFUSED] = SP_RESET_CONNECT_LOCAL,
        [SP_TICKET_TIMEOUT] = SP_RESET_CONNECT_TIMEOUT,
    };
    struct sp_upstream *u = SP_CONTAINER_OF(t, struct sp_upstream, ticket);
    t->reused = false;
    sp_outcome_reset(u, reasons[why], text);
}

static const struct sp_ticket_ops ticket_ops = {ticket_ready, ticket_failed};

/* --- the request's source, as the stream sees it --- */

static void tx_pause(struct sp_source *s)
{
    struct sp_upstream *u = SP_CONTAINER_OF(s, struct sp_upstream, ticket.tx);
    u->tx_pauses++;
    sp_counter_inc(stats(u)->upstream_flow_control_backed_up_total);
    u->ops->pause(u);
}

static void tx_resume(struct sp_source *s)
{
    struct sp_upstream *u = SP_CONTAINER_OF(s, struct sp_upstream, ticket.tx);
    if (!u->tx_pauses)
        return;
    u->tx_pauses--;
    sp_counter_inc(stats(u)->upstream_flow_control_drained_total);
    u->ops->resume(u);
}

static void tx_cancel(struct sp_source *s, enum sp_abort why)
{
    (void)s, (void)why; /* the stream drops what it does not want; its response says the rest */
}

static const struct sp_source_ops tx_ops = {tx_pause, tx_resume, tx_cancel};

/* --- the response's source, as its sink sees it --- */

static void out_pause(struct sp_source *s)
{
    struct sp_upstream *u = SP_CONTAINER_OF(s, struct sp_upstream, out);
    if (u->ticket.cs)
        sp_counter_inc(stats(u)->upstream_flow_control_paused_reading_total);
    u->out_pauses++;
    sp_ticket_pause(&u->ticket);
}

static void out_resume(struct sp_source *s)
{
    struct sp_upstream *u = SP_CONTAINER_OF(s, struct sp_upstream, out);
    if (!u->out_pauses)
        return;
    if (u->ticket.cs)
        sp_counter_inc(stats(u)->upstream_flow_control_resumed_reading_total);
    u->out_pauses--;
    sp_ticket_resume(&u->ticket);
}

static void out_cancel(struct sp_source *s, enum sp_abort why)
{
    sp_upstream_cancel(SP_CONTAINER_OF(s, struct sp_upstream, out), why);
}

static const struct sp_source_ops out_ops = {out_pause, out_resume, out_cancel};

/* --- the outside --- */

static void run_again(struct sp_defer *d)
{
    begin_attempt(SP_CONTAINER_OF(d, struct sp_upstream, again));
}

void sp_upstream_init(struct sp_upstream *u, const struct sp_upstream_setup *setup)
{
    assert(u && u->ops && u->ops->failed && setup && setup->cluster && setup->worker && setup->arena);
    u->setup = *setup;
    u->setup.keep_bytes = setup->keep_bytes ? setup->keep_bytes : setup->cluster->options.buffer_limit;
    u->slot = sp_cluster_slot(setup->cluster, setup->worker->index);
    u->out.ops = &out_ops;
    u->ticket.ops = &ticket_ops;
    u->ticket.rx.ops = &sp_answer_rx_ops;
    u->ticket.tx.ops = &tx_ops;
    sp_list_init(&u->ticket.link);
    sp_buf_init(&u->body);
    u->again.run = run_again;
    u->started_ns = now(u);
    sp_outcome_init(u);
    if (SP_UNLIKELY(u->slot->subset_lb))
        u->setup.criteria = sp_subset_criteria(setup->arena, setup->criteria, setup->info);
    if (setup->info)
        setup->info->upstream_cluster = setup->cluster->name;
}

static bool is_idempotent(struct sp_str method)
{
    static const struct sp_str methods[] = {SP_STR_INIT("GET"),     SP_STR_INIT("HEAD"), SP_STR_INIT("PUT"),
                                            SP_STR_INIT("OPTIONS"), SP_STR_INIT("TRACE"), SP_STR_INIT("DELETE")};
    for (size_t i = 0; i < SP_ARRAY_LEN(methods); i++)
        if (sp_str_eq(method, methods[i]))
            return true;
    return false;
}

static void request_complete(struct sp_upstream *u)
{
    u->request_ended = true;
    u->request_end_ns = now(u);
    if (u->upgrade)
        return; /* one side of the tunnel is over */
    if (u->setup.timeout_ns)
        sp_timer_start(u->slot->turn, &u->timeout, u->setup.timeout_ns);
    if (u->phase == SP_UPSTREAM_OPEN && !u->response_started)
        sp_upstream_start_try_timers(u);
}

/* A PROXY header names one client's connection, and nobody else's requests go over what begins with it. */
static void take_client(struct sp_upstream *u)
{
    const struct sp_proxy_header *proxy = &u->slot->cluster->options.proxy;
    const struct sp_conn_info *c = u->setup.conn;
    u->key.first = sp_proxy_header_make(proxy, u->setup.arena, c ? &c->peer : NULL, c ? &c->local : NULL);
    u->key.conn = u->key.first.len ? c : NULL;
    u->key.personal = u->key.conn != NULL;
}

void sp_upstream_headers(struct sp_upstream *u, struct sp_headers *h, bool end)
{
    assert(u && h && u->phase == SP_UPSTREAM_NEW);
    u->request = h;
    u->idempotent = is_idempotent(h->method);
    sp_retry_begin(&u->retry, u->setup.retry, h);
    u->retry.counted = u->setup.counted;
    sp_tls_name_key(&u->slot->cluster->options, h, u->setup.arena, &u->key);
    u->key.kind = kind_of(u);
    take_client(u);
    u->key.routing = u->retry.routing = u->setup.routing;
    u->upgrade = h->protocol.len;
    if (u->upgrade) {
        sp_websocket_begin(&u->websocket, h);
        const struct sp_conn_info *c = u->setup.conn;
        if (u->setup.hello)
            sp_buf_append_str(&u->body, sp_proxy_header_make(u->setup.hello, u->setup.arena, c ? &c->peer : NULL, c ? &c->local : NULL));
        if (u->setup.timeout_ns)
            sp_timer_start(u->slot->turn, &u->timeout, u->setup.timeout_ns);
    }
    u->keep = ((u->retry.on && u->retry.left) || u->setup.redirects) && !u->upgrade;
    if (end)
        request_complete(u);
    begin_attempt(u);
}

/* More than may be kept for a retry: from here on there is none. */
static void give_up_retries(struct sp_upstream *u)
{
    sp_counter_inc(stats(u)->retry_or_shadow_abandoned);
    u->keep = false;
    if (u->phase != SP_UPSTREAM_OPEN)
        return; /* nothing of it was sent yet */
    u->body_sent = true;
    sp_buf_clear(&u->body);
}

/* There is no stream: `b` waits, and what comes after it soon has to wait where it comes from. */
static void hold(struct sp_upstream *u, struct sp_buf *b)
{
    sp_buf_move(&u->body, b);
    if (u->held || u->body.len < HOLD_BYTES)
        return;
    u->held = true;
    u->ops->pause(u);
}

void sp_upstream_data(struct sp_upstream *u, struct sp_buf *b, bool end)
{
    assert(u && b && u->phase != SP_UPSTREAM_NEW && (!u->request_ended || u->phase == SP_UPSTREAM_DONE));
    if (u->phase == SP_UPSTREAM_DONE) {
        sp_buf_clear(b);
        return;
    }
    if (u->keep && u->body.len + b->len > u->setup.keep_bytes)
        give_up_retries(u);
    if (end)
        request_complete(u);
    if (u->phase != SP_UPSTREAM_OPEN || (u->upgrade && !u->switched)) {
        hold(u, b);
        return;
    }
    if (u->keep)
        sp_buf_share(&u->body, b);
    else
        u->body_sent = u->body_sent || b->len;
    struct sp_sink *tx = &u->ticket.cs->tx;
    u->ticket.tx_over = end;
    sp_upstream_note_sent(u);
    tx->ops->data(tx, b, end);
    sp_buf_clear(b);
}

void sp_upstream_trailers(struct sp_upstream *u, struct sp_headers *t)
{
    assert(u && t && u->phase != SP_UPSTREAM_NEW && !u->trailers);
    if (u->phase == SP_UPSTREAM_DONE)
        return;
    if (u->upgrade) { /* a tunnel has none */
        struct sp_buf none;
        sp_buf_init(&none);
        sp_upstream_data(u, &none, true);
        return;
    }
    u->trailers = t;
    request_complete(u);
    if (u->phase != SP_UPSTREAM_OPEN)
        return;
    u->ticket.tx_over = true;
    sp_upstream_note_sent(u);
    sp_upstream_send_trailers(u);
}

void sp_upstream_cancel(struct sp_upstream *u, enum sp_abort why)
{
    assert(u);
    if (u->phase == SP_UPSTREAM_DONE || u->phase == SP_UPSTREAM_NEW)
        return;
    if (SP_UNLIKELY(u->span != NULL))
        u->span->canceled = true;
    sp_outcome_release(u, why);
    sp_outcome_finish(u);
}

void sp_upstream_let_go(struct sp_upstream *u)
{
    assert(u && u->switched && !u->holds_cluster);
    sp_outcome_end_span(u);
    u->holds_cluster = true;
    sp_cluster_hold(u->slot->cluster);
    u->slot->n_tunnels++;
    u->setup.retry = NULL;
    u->retry.policy = NULL;
    u->setup.counted[0] = u->setup.counted[1] = NULL;
}

void sp_upstream_done(struct sp_upstream *u)
{
    assert(u);
    sp_upstream_cancel(u, SP_ABORT_CANCEL);
    if (u->holds_cluster) {
        u->slot->n_tunnels--;
        sp_cluster_drop(u->slot->cluster);
    }
    u->holds_cluster = false;
    if (u->head_of)
        sp_codec_stream_release(u->head_of, &u->setup.worker->turn);
    u->head_of = NULL;
    sp_outcome_take_host(u, NULL);
    sp_conn_facts_unref(u->facts);
    u->facts = NULL;
}

size_t sp_upstream_held(const struct sp_upstream *u)
{
    assert(u);
    const struct sp_codec_stream *cs = u->ticket.cs;
    const struct sp_conn *c = u->ticket.conn;
    size_t n = u->body.len;
    if (cs && cs->codec->ops->held)
        n += cs->codec->ops->held(cs);
    return cs && c && c->wire && !c->h2 ? n + sp_wire_held(c->wire) : n;
}
