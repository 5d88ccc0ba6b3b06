/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h1_codec.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/blocks.h"
#include "base/mem.h"

enum { PIPELINE_TURN = 8 };

void sp_h1_wake(struct sp_h1 *h1)
{
    if (h1->codec.cb->on_wake)
        h1->codec.cb->on_wake(h1->codec.ctx);
}

void sp_h1_event(struct sp_h1 *h1, enum sp_h1_err err, unsigned status)
{
    const struct sp_h1_error *e = sp_h1_error(err);
    if (h1->codec.cb->on_event)
        h1->codec.cb->on_event(h1->codec.ctx, (enum sp_codec_event)e->event, e->detail, status);
}

void sp_h1_set_draining(struct sp_h1 *h1)
{
    h1->codec.draining = true;
    if (h1->told_draining || h1->codec.config->server)
        return;
    h1->told_draining = true;
    if (h1->codec.cb->on_draining)
        h1->codec.cb->on_draining(h1->codec.ctx);
}

static void free_stream(struct sp_grave *g)
{
    struct sp_h1_stream *s = SP_CONTAINER_OF(g, struct sp_h1_stream, cs.grave);
    if (sp_codec_stream_stays(&s->cs))
        return;
    struct sp_arena arena = s->arena; /* which holds the stream itself */
    sp_arena_done(&arena);
}

struct sp_h1_stream *sp_h1_stream_new(struct sp_h1 *h1)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_h1_stream *s = sp_arena_zalloc(&arena, sizeof(*s));
    s->arena = arena;
    s->cs.arena = &s->arena;
    s->cs.codec = &h1->codec;
    s->cs.early = h1->codec.early;
    s->cs.rx.ops = &sp_h1_rx_ops;
    s->cs.tx.ops = &sp_h1_tx_ops;
    s->cs.id = ++h1->last_id;
    s->cs.grave.free = free_stream;
    return s;
}

struct sp_h1_head *sp_h1_head_for(struct sp_h1 *h1, enum sp_h1_kind kind)
{
    assert(h1);
    if (!h1->head) {
        h1->head = sp_block_alloc(sizeof(*h1->head));
        sp_h1_head_init(h1->head, kind);
    }
    h1->head->kind = (uint8_t)kind;
    return h1->head;
}

static void free_head(struct sp_h1 *h1)
{
    if (!h1->head)
        return;
    sp_h1_head_done(h1->head);
    sp_block_free(h1->head);
    h1->head = NULL;
}

static bool head_begun(const struct sp_h1 *h1)
{
    return h1->head && !sp_h1_head_idle(h1->head);
}

void sp_h1_stream_drop(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    sp_buf_clear(&s->out);
    sp_bury(h1->codec.turn, &s->cs.grave);
}

void sp_h1_abort_rx(struct sp_h1_stream *s, enum sp_abort why)
{
    struct sp_sink *sink = s->cs.rx.sink;
    if (s->rx_over)
        return;
    s->rx_over = true;
    s->cs.rx.sink = NULL;
    if (sink)
        sink->ops->abort(sink, why);
}

void sp_h1_cancel_tx(struct sp_h1_stream *s, enum sp_abort why)
{
    struct sp_source *source = s->cs.tx.source;
    if (s->tx == SP_H1_TX_OVER)
        return;
    s->tx = SP_H1_TX_OVER;
    if (source)
        source->ops->cancel(source, why);
}

static void close_stream(struct sp_h1 *h1)
{
    struct sp_h1_stream *s = h1->stream;
    struct sp_codec *c = &h1->codec;
    h1->stream = NULL;
    c->n_streams--;
    c->cb->on_stream_closed(c->ctx, &s->cs, s->why);
    sp_h1_stream_drop(h1, s);
}

void sp_h1_try_close(struct sp_h1 *h1)
{
    struct sp_h1_stream *s = h1->stream;
    if (s && s->rx_over && s->tx == SP_H1_TX_OVER && !s->tx_cut && !s->tx_refused && !s->out.len)
        close_stream(h1);
}

/* Ends both halves now. */
static void end_stream(struct sp_h1 *h1, enum sp_abort why)
{
    struct sp_h1_stream *s = h1->stream;
    if (!s->why && !(s->rx_over && s->tx == SP_H1_TX_OVER))
        s->why = why;
    sp_h1_abort_rx(s, why); /* who hears of it may answer still, and be refused */
    struct sp_source *source = s->cs.tx.source;
    bool untold = s->tx_refused || (s->tx_cut && !s->tx_aborted); /* it was to hear in the next flush */
    if (untold && source)
        source->ops->cancel(source, s->why ? s->why : why);
    sp_h1_cancel_tx(s, why);
    sp_buf_clear(&s->out);
    s->tx_cut = s->tx_refused = false;
    close_stream(h1);
}

/* Whether the connection has served its time. */
static void settle(struct sp_h1 *h1)
{
    struct sp_codec *c = &h1->codec;
    if (h1->stream || h1->out.len)
        return;
    bool between = h1->stage == SP_H1_STAGE_HEAD && !head_begun(h1);
    if (h1->close_after || h1->stage == SP_H1_STAGE_DEAD || (c->draining && between))
        c->want_close = true;
}

static int feed(struct sp_codec *c, struct sp_buf *in)
{
    assert(c && in);
    struct sp_h1 *h1 = sp_h1_of(c);
    bool more = true;
    while (more && in->len) {
        if (h1->stage == SP_H1_STAGE_DEAD)
            sp_buf_clear(in);
        else if (h1->stage == SP_H1_STAGE_BODY)
            more = sp_h1_read_body(h1, in);
        else
            more = c->config->server ? sp_h1_read_request(h1, in) : sp_h1_read_response(h1, in);
        sp_h1_try_close(h1);
    }
    if (h1->stage == SP_H1_STAGE_DEAD)
        sp_buf_clear(in);
    if (h1->head && !head_begun(h1) && !h1->head->empty_lines)
        free_head(h1);
    h1->leftover = in->len > 0;
    c->want_read = !h1->leftover;
    c->in_head = c->config->server && !h1->stream && h1->stage == SP_H1_STAGE_HEAD && head_begun(h1);
    settle(h1);
    return h1->failed && (!h1->stream || h1->stream->tx == SP_H1_TX_OVER) ? -EPROTO : 0;
}

/* The message that was sent was cut short: its source is told, and the peer. */
static void finish_cut(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    s->tx_cut = false;
    h1->codec.want_reset = true;
    struct sp_source *source = s->cs.tx.source;
    if (!s->tx_aborted && source)
        source->ops->cancel(source, s->why);
    sp_h1_abort_rx(s, s->why);
}

/* What a user asked for meanwhile, and may not be answered from within its call. */
static void finish_halves(struct sp_h1 *h1, struct sp_h1_stream *s)
{
    if (s->raw_answer)
        sp_h1_raw_answer(h1, s);
    if (s->tx_cut)
        finish_cut(h1, s);
    if (s->tx_refused) {
        s->tx_refused = false;
        if (s->cs.tx.source)
            s->cs.tx.source->ops->cancel(s->cs.tx.source, SP_ABORT_PROTOCOL);
    }
    if (s->rx_cancelled) {
        s->rx_cancelled = false;
        if (s->tx != SP_H1_TX_OVER || s->out.len)
            h1->codec.want_reset = true;
        sp_h1_cancel_tx(s, s->why);
        sp_buf_clear(&s->out);
    }
    if (s->eof && !s->rx_pauses && !s->rx_over) {
        struct sp_buf none;
        sp_buf_init(&none);
        s->eof = false;
        sp_h1_deliver_data(s, &none, true);
        if (!h1->codec.config->server)
            sp_h1_response_over(h1);
    }
}

static void flush_stream(struct sp_h1 *h1, struct sp_buf *out, size_t room)
{
    struct sp_h1_stream *s = h1->stream;
    finish_halves(h1, s);
    if (room && s->out.len)
        sp_buf_move_n(out, &s->out, room);
    if (s->tx_paused && s->tx != SP_H1_TX_OVER && s->out.len <= h1->codec.config->high_water / 2) {
        s->tx_paused = false;
        if (s->cs.tx.source)
            s->cs.tx.source->ops->resume(s->cs.tx.source);
    }
    if (s->tunnel && s->tx == SP_H1_TX_OVER && !s->out.len && !s->rx_over)
        h1->codec.want_fin = true;
    if (h1->codec.config->server && s->tx == SP_H1_TX_OVER && !s->out.len && !s->rx_over) {
        /* The answer is out, and the request was never of interest beyond it. */
        if (h1->stage == SP_H1_STAGE_BODY && h1->body.kind == SP_H1_LENGTH && h1->body.left > SP_H1_DROP_MAX)
            h1->close_after = true;
        sp_h1_abort_rx(s, SP_ABORT_CANCEL);
    }
    sp_h1_try_close(h1);
}

/* The next request waits. One that we answer ourselves takes no time but ours: of a pipeline of them a turn takes a few. */
static void go_on(struct sp_h1 *h1)
{
    h1->codec.want_read = true;
    h1->codec.later = ++h1->in_row % PIPELINE_TURN == 0;
    sp_h1_wake(h1);
}

static void flush(struct sp_codec *c, struct sp_buf *out, size_t room)
{
    assert(c && out);
    struct sp_h1 *h1 = sp_h1_of(c);
    if (h1->out.len)
        sp_buf_move(out, &h1->out);
    if (h1->stream)
        flush_stream(h1, out, room);
    settle(h1);
    if (h1->leftover && !h1->stream && !c->want_close && !c->config->raw)
        go_on(h1);
}

static void eof(struct sp_codec *c, enum sp_abort why)
{
    assert(c);
    struct sp_h1 *h1 = sp_h1_of(c);
    struct sp_h1_stream *s = h1->stream;
    bool ends_body = s && (!c->config->server || s->tunnel) && h1->stage == SP_H1_STAGE_BODY &&
                     h1->body.kind == SP_H1_UNTIL_EOF && why == SP_ABORT_CLOSED;
    h1->stage = SP_H1_STAGE_DEAD;
    h1->close_after = true;
    if (ends_body && !s->rx_over) {
        s->eof = true;
        finish_halves(h1, s);
        sp_h1_try_close(h1);
    } else if (s && c->config->server && s->tx == SP_H1_TX_OVER && !s->tx_cut && why == SP_ABORT_CLOSED) {
        sp_h1_abort_rx(s, why); /* the peer may still read the answer */
        sp_h1_try_close(h1);
    } else if (s) {
        end_stream(h1, why);
    }
    settle(h1);
}

static void goaway(struct sp_codec *c)
{
    assert(c);
    struct sp_h1 *h1 = sp_h1_of(c);
    c->draining = true;
    h1->told_draining = true;
    settle(h1);
    if (c->want_close)
        sp_h1_wake(h1);
}

static unsigned room(struct sp_codec *c)
{
    assert(c);
    const struct sp_h1 *h1 = sp_h1_of(c);
    return !c->config->server && !h1->stream && h1->stage == SP_H1_STAGE_HEAD && !c->draining && !h1->close_after &&
           !c->want_close;
}

static struct sp_codec_stream *open_stream(struct sp_codec *c, struct sp_sink *response)
{
    assert(c && response && !c->config->server);
    struct sp_h1 *h1 = sp_h1_of(c);
    if (!room(c))
        return NULL;
    struct sp_h1_stream *s = sp_h1_stream_new(h1);
    sp_link(&s->cs.rx, response);
    h1->stream = s;
    c->n_streams++;
    return &s->cs;
}

static void free_codec(struct sp_grave *g)
{
    struct sp_h1 *h1 = SP_CONTAINER_OF(g, struct sp_h1, grave);
    sp_codec_config_unshare(h1->codec.config);
    free(h1);
}

static void destroy(struct sp_codec *c)
{
    assert(c);
    struct sp_h1 *h1 = sp_h1_of(c);
    h1->stage = SP_H1_STAGE_DEAD;
    h1->close_after = true;
    if (h1->stream)
        end_stream(h1, SP_ABORT_CLOSED);
    free_head(h1);
    sp_buf_clear(&h1->out);
    h1->grave = (struct sp_grave){.free = free_codec};
    sp_bury(c->turn, &h1->grave);
}

static size_t held(const struct sp_codec_stream *cs)
{
    return SP_CONTAINER_OF(cs, struct sp_h1_stream, cs)->out.len;
}

static const struct sp_codec_ops h1_ops = {
    .name = "http1",
    .protocol = SP_HTTP_11,
    .feed = feed,
    .eof = eof,
    .flush = flush,
    .open = open_stream,
    .goaway = goaway,
    .room = room,
    .destroy = destroy,
    .held = held,
};

struct sp_codec *sp_h1_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx)
{
    assert(turn && config && cb && cb->on_stream_closed && (cb->on_stream || !config->server));
    struct sp_h1 *h1 = sp_xcalloc(1, sizeof(*h1));
    h1->codec =
        (struct sp_codec){.ops = &h1_ops, .cb = cb, .ctx = ctx, .turn = turn, .want_read = true};
    h1->codec.config = sp_codec_config_share(config);
    return &h1->codec;
}
