/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/upstream_send.h"

#include <assert.h>

#include "clusters/outlier.h"

static uint64_t now(const struct sp_upstream *u)
{
    return u->slot->turn->now_ns;
}

static void send_body(struct sp_upstream *u)
{
    bool end = u->request_ended && !u->trailers;
    struct sp_sink *tx = &u->ticket.cs->tx;
    struct sp_buf out;
    sp_buf_init(&out);
    if (u->keep) {
        sp_buf_share(&out, &u->body);
    } else {
        sp_buf_move(&out, &u->body);
        u->body_sent = true;
    }
    tx->ops->data(tx, &out, end);
    sp_buf_clear(&out);
}

void sp_upstream_note_sent(struct sp_upstream *u)
{
    if (u->setup.info && u->request_ended)
        u->setup.info->up_last_tx_ns = now(u);
}

/* A copy, since the stream may send them when the request's own memory is gone. */
void sp_upstream_send_trailers(struct sp_upstream *u)
{
    assert(u && u->trailers && u->ticket.cs);
    struct sp_codec_stream *cs = u->ticket.cs;
    struct sp_headers *copy = sp_arena_alloc(cs->arena, sizeof(*copy));
    sp_headers_copy(copy, cs->arena, u->trailers);
    cs->tx.ops->trailers(&cs->tx, copy);
}

/* Everything that is here of the request; more follows as it comes. */
static void send_request(struct sp_upstream *u)
{
    struct sp_codec_stream *cs = u->ticket.cs;
    bool end = u->request_ended && !u->body.len && !u->trailers && !u->upgrade;
    u->sent = true;
    u->ticket.tx_over = u->request_ended && !u->upgrade;
    if (u->setup.info && u->setup.info->match_upstream_scheme)
        u->request->scheme = u->ticket.conn->facts ? SP_STR("https") : SP_STR("http");
    if (u->upgrade)
        sp_websocket_send(&u->websocket, u->request, u->ticket.conn->h2);
    cs->tx.ops->headers(&cs->tx, u->request, end);
    if (u->upgrade)
        return;
    if (u->body.len)
        send_body(u);
    if (u->trailers)
        sp_upstream_send_trailers(u);
    sp_upstream_note_sent(u);
}

static void note_connection(struct sp_upstream *u)
{
    struct sp_stream_info *info = u->setup.info;
    struct sp_conn *c = u->ticket.conn;
    if (!info)
        return;
    info->upstream_local = c->local;
    info->upstream_connection = c->id;
    if (c->host->logical || c->host->n_race) /* it may be older than the address that the name has now */
        info->upstream_host = c->peer;
    info->upstream_protocol = c->h2 ? SP_HTTP_2 : SP_HTTP_11;
    if (!info->up_first_tx_ns) {
        info->up_first_tx_ns = now(u);
        info->up_pool_ns = SP_MAX(now(u) - u->started_ns, 1u);
    }
    if (u->facts == c->facts)
        return;
    sp_conn_facts_unref(u->facts);
    u->facts = c->facts;
    if (u->facts)
        u->facts->refs++;
    info->upstream_tls = u->facts ? u->facts->tls : (struct sp_tls_info){0};
}

/* Both count from when the whole request is here, as in Envoy: a slow client is no slow host. */
void sp_upstream_start_try_timers(struct sp_upstream *u)
{
    if (!u->request_ended)
        return;
    if (u->setup.per_try_timeout_ns)
        sp_timer_start(u->slot->turn, &u->try_timer, u->setup.per_try_timeout_ns);
    u->try_active_ns = now(u);
    if (u->setup.per_try_idle_ns)
        sp_timer_start(u->slot->turn, &u->idle_timer, u->setup.per_try_idle_ns);
}

void sp_upstream_release_held(struct sp_upstream *u)
{
    if (!u->held || u->phase != SP_UPSTREAM_OPEN)
        return;
    u->held = false;
    u->ops->resume(u);
}

void sp_upstream_switch(struct sp_upstream *u)
{
    assert(u && u->upgrade && !u->switched && u->ticket.cs);
    u->switched = true;
    u->ticket.tx_over = u->request_ended;
    if (u->body.len || u->request_ended)
        send_body(u);
    sp_upstream_note_sent(u);
    sp_upstream_release_held(u);
}

void sp_upstream_opened(struct sp_upstream *u)
{
    assert(u && u->ticket.cs);
    u->phase = SP_UPSTREAM_OPEN;
    if (SP_UNLIKELY(u->span != NULL))
        u->span->first_tx_ns = now(u);
    if (SP_UNLIKELY(u->slot->cluster->outlier))
        sp_outlier_local(u->slot, u->host, 0);
    note_connection(u);
    SP_OUTCOME_COUNT(u, total);
    uint64_t max = u->slot->cluster->options.max_stream_ns;
    if (max)
        sp_timer_start(u->slot->turn, &u->max_timer, max);
    sp_upstream_start_try_timers(u);
    for (unsigned i = 0; i < u->out_pauses; i++)
        sp_ticket_pause(&u->ticket);
    send_request(u);
    if (!u->upgrade)
        sp_upstream_release_held(u);
}
