/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_deliver.h"

#include <assert.h>

#include "http/h2_linger.h"
#include "http/h2_stream.h"

static void refuse(struct sp_h2_stream *s)
{
    s->announced = false;
    s->conn->codec.n_streams--;
    s->counted = false;
    if (!s->rx_over)
        sp_h2_end_rx(s);
    if (!s->tx_over)
        sp_h2_end_tx(s);
    sp_h2_stream_reset(s, NGHTTP2_REFUSED_STREAM, SP_ABORT_REFUSED);
}

/* Server. A request that was reset before anyone knew of it is not worth knowing. */
static bool announce(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    if (!s->live || s->reset_due || !s->rx_heads.first)
        return false;
    s->announced = s->counted = true;
    c->codec.n_streams++;
    if (!c->codec.cb->on_stream(c->codec.ctx, &s->cs, s->rx_heads.first->h)) {
        refuse(s);
        return false;
    }
    assert(s->rx_over || s->cs.rx.sink);
    return true;
}

static void deliver_head(struct sp_h2_stream *s)
{
    struct sp_headers *h = sp_h2_heads_pop(&s->rx_heads);
    struct sp_sink *sink = s->cs.rx.sink;
    bool tunnel = h->status && h->protocol.len;
    s->rx_delivered = h->status == 0 || h->status >= 200 || tunnel;
    bool end = s->rx_delivered && !tunnel && s->rx_ended && !s->rx_buf.len && !s->rx_trailers;
    if (end)
        sp_h2_end_rx(s);
    sink->ops->headers(sink, h, end);
}

static void deliver_data(struct sp_h2_stream *s)
{
    struct sp_sink *sink = s->cs.rx.sink;
    struct sp_buf b = s->rx_buf;
    sp_buf_init(&s->rx_buf);
    bool end = s->rx_ended && !s->rx_trailers;
    s->conn->held -= b.len;
    s->rx_unacked += (uint32_t)b.len;
    if (end)
        sp_h2_end_rx(s);
    sp_h2_mark_dirty(s);
    sink->ops->data(sink, &b, end);
    sp_buf_clear(&b);
}

/* True when there may be more. */
static bool deliver_next(struct sp_h2_stream *s)
{
    if (s->rx_over || s->rx_pauses || s->reset_due)
        return false;
    if (s->rx_heads.first) {
        deliver_head(s);
        return true;
    }
    if (!s->rx_delivered)
        return false;
    if (s->rx_buf.len) {
        deliver_data(s);
        return true;
    }
    if (s->rx_trailers) {
        struct sp_headers *t = s->rx_trailers;
        struct sp_sink *sink = sp_h2_end_rx(s);
        sink->ops->trailers(sink, t);
    } else if (s->rx_ended) {
        deliver_data(s);
    }
    return false;
}

static void deliver(struct sp_h2_stream *s)
{
    if (!s->announced && !announce(s))
        return;
    while (deliver_next(s))
        continue;
    if (s->rx_over && !s->conn->codec.config->server)
        sp_h2_linger_untaken(s);
    if (s->tx_paused && s->tx_buf.len <= s->conn->codec.config->high_water / 2) {
        s->tx_paused = false;
        if (s->cs.tx.source)
            s->cs.tx.source->ops->resume(s->cs.tx.source);
    }
}

/* ---- ending ---- */

static void abort_rx(struct sp_h2_stream *s, enum sp_abort why)
{
    if (s->rx_over)
        return;
    struct sp_sink *sink = sp_h2_end_rx(s);
    if (s->announced && sink)
        sink->ops->abort(sink, why);
}

static void cancel_tx(struct sp_h2_stream *s, enum sp_abort why)
{
    if (s->tx_over)
        return;
    struct sp_source *source = s->tx_ended ? NULL : s->cs.tx.source;
    s->cs.tx.source = NULL;
    s->tx_paused = false;
    sp_h2_end_tx(s);
    if (s->announced && source)
        source->ops->cancel(source, why);
}

static void forget(struct sp_h2_stream *s)
{
    s->closed = true;
    sp_list_remove(&s->all);
    sp_list_remove(&s->ready);
    sp_list_remove(&s->closing);
    sp_buf_clear(&s->rx_buf);
    sp_buf_clear(&s->tx_buf);
    if (s->conn->fields_of == s)
        s->conn->fields_of = NULL;
    if (s->lingers)
        return;
    sp_list_remove(&s->lingering);
    sp_list_remove(&s->dirty);
    sp_bury(s->conn->codec.turn, &s->cs.grave);
}

/* The peer's message is here as a whole, not delivered yet. A response is worth it, a lost peer's request is not. */
static bool whole(const struct sp_h2_stream *s)
{
    return !s->conn->codec.config->server && s->rx_ended && !s->reset_due;
}

static void close_if_over(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    bool unsent = s->id == 0;
    if (unsent ? !s->reset_due && !c->dead : s->live && !s->reset_due && !s->lingers)
        return;
    enum sp_abort why = s->why != SP_ABORT_NONE ? s->why : SP_ABORT_CANCEL;
    cancel_tx(s, why);
    if (!s->rx_over && whole(s)) {
        sp_h2_mark_ready(s);
        return;
    }
    abort_rx(s, why);
    if (s->live && !s->lingers)
        return;
    if (s->counted)
        c->codec.n_streams--;
    if (unsent)
        c->n_unsent--;
    forget(s);
    if (s->announced)
        c->codec.cb->on_stream_closed(c->codec.ctx, &s->cs, s->why);
}

void sp_h2_deliver(struct sp_h2 *c)
{
    assert(c);
    struct sp_list *n;
    while ((n = sp_list_pop(&c->ready)) != NULL)
        deliver(SP_CONTAINER_OF(n, struct sp_h2_stream, ready));
}

void sp_h2_settle(struct sp_h2 *c)
{
    assert(c && c->busy);
    do {
        sp_h2_deliver(c);
        struct sp_list *n = sp_list_pop(&c->closing);
        if (n)
            close_if_over(SP_CONTAINER_OF(n, struct sp_h2_stream, closing));
    } while (!sp_list_empty(&c->ready) || !sp_list_empty(&c->closing));
}

void sp_h2_end_all(struct sp_h2 *c, enum sp_abort why, bool keep_whole)
{
    assert(c && c->dead);
    sp_h2_linger_over_all(c);
    SP_LIST_FOREACH(n, &c->streams) {
        struct sp_h2_stream *s = SP_CONTAINER_OF(n, struct sp_h2_stream, all);
        s->live = false;
        s->reset_due |= !keep_whole;
        if (s->why == SP_ABORT_NONE && !(s->tx_over && whole(s)))
            s->why = s->id ? why : SP_ABORT_REFUSED;
        sp_h2_mark_closing(s);
    }
    c->n_live = 0;
}
