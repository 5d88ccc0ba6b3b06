/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The streams on a connection to a host, and the tickets by which requests hold them. */
#include <assert.h>

#include "clusters/conn.h"

static void no_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    (void)s, (void)h, (void)end;
}
static void no_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    (void)s, (void)end;
    sp_buf_clear(b);
}
static void no_trailers(struct sp_sink *s, struct sp_headers *t)
{
    (void)s, (void)t;
}
static void no_abort(struct sp_sink *s, enum sp_abort why)
{
    (void)s, (void)why;
}
static void no_pause(struct sp_source *s)
{
    (void)s;
}
static void no_cancel(struct sp_source *s, enum sp_abort why)
{
    (void)s, (void)why;
}

static const struct sp_sink_ops no_sink_ops = {no_headers, no_data, no_trailers, no_abort};
static const struct sp_source_ops no_source_ops = {no_pause, no_pause, no_cancel};

void sp_conn_stand_ins(struct sp_conn *c)
{
    assert(c);
    c->no_sink.ops = &no_sink_ops;
    c->no_source.ops = &no_source_ops;
}

static void detach(struct sp_ticket *t)
{
    struct sp_codec_stream *cs = t->cs;
    cs->user = NULL;
    cs->rx.sink = &t->conn->no_sink;
    cs->tx.source = &t->conn->no_source;
    t->cs = NULL;
    t->conn = NULL;
}

void sp_conn_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct sp_conn *c = ctx;
    struct sp_ticket *t = cs->user;
    assert(c->n_streams > 0);
    if (why != SP_ABORT_NONE) {
        sp_conn_count_cut_off(c, why);
        c->spoiled = c->spoiled || !c->h2;
    }
    c->n_streams--;
    sp_conn_count_stream(c, -1);
    if (c->counted)
        sp_permit_give(&c->slot->cluster->breakers[c->routing].requests, c->slot->index);
    if (t) {
        assert(t->cs == cs);
        t->tx_over = true;
        if (!t->rx_over) { /* the codec was freed under it */
            t->rx.ops->abort(&t->rx, why == SP_ABORT_NONE ? SP_ABORT_CLOSED : why);
            t = cs->user;
        }
    }
    if (t)
        detach(t);
    if (!c->n_streams)
        c->idle_since_ns = c->slot->turn->now_ns;
    if (c->state == SP_CONN_CLOSING)
        return;
    if (c->spoiled)
        sp_conn_close(c);
    else if (c->state == SP_CONN_DRAINING || c->codec->draining || c->codec->want_close)
        sp_conn_drain(c);
    c->events->changed(c);
}

bool sp_conn_open(struct sp_conn *c, struct sp_ticket *t)
{
    assert(c && t && !t->cs && t->rx.ops && t->tx.ops);
    if (!sp_conn_room(c))
        return false;
    struct sp_codec_stream *cs = c->codec->ops->open(c->codec, &t->rx);
    if (!cs)
        return false;
    cs->user = t;
    sp_link(&t->tx, &cs->tx);
    t->conn = c;
    t->cs = cs;
    t->paused = 0;
    t->rx_over = t->rx_aborted = t->tx_over = false;
    t->reused = c->n_requests > 0;
    c->n_requests++;
    c->n_streams++;
    sp_conn_count_stream(c, 1);
    if (c->counted) {
        sp_counter_inc(sp_conn_stats(c)->upstream_rq_total);
        sp_host_count(&sp_conn_part(c)->rq_total, 1);
        if (c->n_requests >= c->slot->cluster->options.max_requests) {
            sp_counter_inc(sp_conn_stats(c)->upstream_cx_max_requests);
            sp_conn_drain(c);
        }
    }
    return true;
}

void sp_ticket_pause(struct sp_ticket *t)
{
    assert(t);
    if (!t->cs)
        return;
    t->paused++;
    t->cs->rx.ops->pause(&t->cs->rx);
}

void sp_ticket_resume(struct sp_ticket *t)
{
    assert(t);
    if (!t->cs || !t->paused)
        return;
    t->paused--;
    t->cs->rx.ops->resume(&t->cs->rx);
}

void sp_ticket_leave(struct sp_ticket *t)
{
    assert(t);
    if (!t->cs)
        return;
    while (t->paused)
        sp_ticket_resume(t);
    detach(t);
}

void sp_ticket_cancel(struct sp_ticket *t, enum sp_abort why)
{
    assert(t);
    struct sp_codec_stream *cs = t->cs;
    struct sp_conn *c = t->conn;
    if (!cs)
        return;
    detach(t);
    t->paused = 0;
    if (c->counted && c->h2 && !t->rx_aborted && !(t->rx_over && t->tx_over))
        sp_counter_inc(sp_conn_stats(c)->upstream_rq_tx_reset);
    if (!t->rx_over)
        cs->rx.ops->cancel(&cs->rx, why);
    if (!t->tx_over)
        cs->tx.ops->abort(&cs->tx, why);
    if (!c->h2 && !t->rx_aborted && c->state != SP_CONN_CLOSING) {
        /* An HTTP/1 exchange that is not over can only be ended with its connection. */
        c->spoiled = true;
        sp_conn_close(c);
        c->events->changed(c);
    }
}
