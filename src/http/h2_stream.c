/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_stream.h"

#include <assert.h>

static struct sp_h2_stream *of_rx(struct sp_source *rx)
{
    return SP_CONTAINER_OF(rx, struct sp_h2_stream, cs.rx);
}

static struct sp_h2_stream *of_tx(struct sp_sink *tx)
{
    return SP_CONTAINER_OF(tx, struct sp_h2_stream, cs.tx);
}

void sp_h2_wake(struct sp_h2 *c)
{
    assert(c);
    if (c->busy || c->woken || c->freed)
        return;
    c->woken = true;
    if (c->codec.cb->on_wake)
        c->codec.cb->on_wake(c->codec.ctx);
}

void sp_h2_mark_dirty(struct sp_h2_stream *s)
{
    assert(s);
    if (s->closed && !s->lingers)
        return;
    if (!sp_list_linked(&s->dirty))
        sp_list_push_back(&s->conn->dirty, &s->dirty);
    sp_h2_wake(s->conn);
}

void sp_h2_mark_ready(struct sp_h2_stream *s)
{
    assert(s);
    if (s->closed)
        return;
    if (!sp_list_linked(&s->ready))
        sp_list_push_back(&s->conn->ready, &s->ready);
    if (!s->conn->busy)
        sp_defer(s->conn->codec.turn, &s->conn->deliver_later);
}

void sp_h2_mark_closing(struct sp_h2_stream *s)
{
    assert(s);
    if (s->closed)
        return;
    if (!sp_list_linked(&s->closing))
        sp_list_push_back(&s->conn->closing, &s->closing);
    sp_h2_wake(s->conn);
}

void sp_h2_heads_push(struct sp_h2_heads *q, struct sp_headers *h, struct sp_arena *arena, bool own)
{
    assert(q && h && arena);
    struct sp_h2_head *node = sp_arena_alloc(arena, sizeof(*node));
    *node = (struct sp_h2_head){.h = h, .own = own};
    *q->last = node;
    q->last = &node->next;
}

struct sp_headers *sp_h2_heads_pop(struct sp_h2_heads *q)
{
    assert(q);
    struct sp_h2_head *node = q->first;
    if (!node)
        return NULL;
    q->first = node->next;
    if (!q->first)
        q->last = &q->first;
    return node->h;
}

void sp_h2_stream_reset(struct sp_h2_stream *s, uint32_t code, enum sp_abort why)
{
    assert(s);
    if (s->why == SP_ABORT_NONE)
        s->why = why;
    if (!s->reset_due) {
        s->reset_due = true;
        s->reset_code = code;
    }
    sp_h2_mark_dirty(s);
    sp_h2_mark_closing(s);
}

static void drop_rx(struct sp_h2_stream *s)
{
    assert(s->conn->held >= s->rx_buf.len);
    s->conn->held -= s->rx_buf.len;
    sp_buf_clear(&s->rx_buf);
    sp_h2_heads_init(&s->rx_heads);
    s->rx_trailers = NULL;
}

struct sp_sink *sp_h2_end_rx(struct sp_h2_stream *s)
{
    assert(s && !s->rx_over);
    struct sp_sink *sink = s->cs.rx.sink;
    s->rx_over = true;
    s->cs.rx.sink = NULL;
    drop_rx(s);
    sp_h2_mark_closing(s);
    return sink;
}

/* The half that is sent got its end from its source, which is not touched any more. */
static void let_go_of_source(struct sp_h2_stream *s)
{
    struct sp_source *source = s->cs.tx.source;
    s->cs.tx.source = NULL;
    if (s->tx_paused && source)
        source->ops->resume(source);
    s->tx_paused = false;
}

void sp_h2_end_tx(struct sp_h2_stream *s)
{
    assert(s && !s->tx_over);
    s->tx_over = s->tx_ended = true;
    sp_buf_clear(&s->tx_buf);
    sp_h2_heads_init(&s->tx_heads);
    s->tx_trailers = NULL;
    sp_h2_mark_closing(s);
}

/* ---- what users call ---- */

static void rx_pause(struct sp_source *rx)
{
    struct sp_h2_stream *s = of_rx(rx);
    s->rx_pauses++;
    s->slow = true;
}

static void rx_resume(struct sp_source *rx)
{
    struct sp_h2_stream *s = of_rx(rx);
    assert(s->rx_pauses);
    if (--s->rx_pauses || s->rx_over)
        return;
    sp_h2_mark_ready(s);
    if (s->rx_unacked)
        sp_h2_mark_dirty(s);
}

static void rx_cancel(struct sp_source *rx, enum sp_abort why)
{
    struct sp_h2_stream *s = of_rx(rx);
    if (s->rx_over)
        return;
    sp_h2_end_rx(s);
    sp_h2_mark_dirty(s); /* the connection's window, if it was withheld */
    /* A server that does not want the rest of a request still answers it; what becomes of the rest: http/h2_linger.h. */
    if (!s->conn->codec.config->server && !(s->rx_ended && s->tx_over))
        sp_h2_stream_reset(s, NGHTTP2_CANCEL, why);
}

static struct sp_headers *copy(struct sp_h2_stream *s, const struct sp_headers *from)
{
    struct sp_headers *to = sp_arena_alloc(&s->arena, sizeof(*to));
    sp_headers_copy(to, &s->arena, from);
    return to;
}

static void own_heads(struct sp_list *streams)
{
    SP_LIST_FOREACH(n, streams) {
        struct sp_h2_stream *s = SP_CONTAINER_OF(n, struct sp_h2_stream, dirty);
        for (struct sp_h2_head *head = s->tx_heads.first; head; head = head->next) {
            if (head->own)
                continue;
            head->h = copy(s, head->h);
            head->own = true;
        }
    }
}

void sp_h2_own_heads(struct sp_h2 *c)
{
    assert(c);
    own_heads(&c->dirty);
    own_heads(&c->waiting);
}

static bool bodiless(const struct sp_h2_stream *s, const struct sp_headers *h)
{
    return s->conn->codec.config->server && !h->protocol.len && (s->head_request || h->status == 204 || h->status == 304);
}

/* Any 2xx opens the tunnel that was asked for (RFC 9110 section 9.3.6, RFC 8441 section 5): one that is not meant so cannot be sent. */
static bool misleads(const struct sp_h2_stream *s, const struct sp_headers *h)
{
    return s->upgrade.len && s->conn->codec.config->server && !h->protocol.len && h->status >= 200 && h->status < 300;
}

static struct sp_headers *no_tunnel(struct sp_h2_stream *s)
{
    struct sp_headers *h = sp_arena_alloc(&s->arena, sizeof(*h));
    sp_headers_init(h, &s->arena);
    h->status = 502;
    sp_headers_add_id(h, SP_H_CONTENT_LENGTH, SP_STR("0"));
    return h;
}

static void tx_headers(struct sp_sink *tx, struct sp_headers *h, bool end)
{
    struct sp_h2_stream *s = of_tx(tx);
    assert(h);
    if (s->tx_ended)
        return;
    if (h->status == 101 && s->conn->codec.config->server) {
        struct sp_headers *ok = sp_arena_alloc(&s->arena, sizeof(*ok)); /* RFC 8441 section 5 */
        *ok = *h;
        ok->status = 200;
        h = ok;
    }
    if (SP_UNLIKELY(misleads(s, h))) {
        h = no_tunnel(s);
        end = true;
    }
    sp_h2_heads_push(&s->tx_heads, h, &s->arena, false);
    s->tx_good = h->status < 300;
    if (!s->conn->codec.config->server) {
        s->head_request = sp_str_eq(h->method, SP_STR("HEAD"));
        s->upgrade = sp_arena_str(&s->arena, h->protocol);
        s->connect = sp_is_connect(h);
    }
    if (end || (h->status >= 200 && bodiless(s, h))) {
        s->tx_ended = true;
        let_go_of_source(s);
    }
    sp_h2_mark_dirty(s);
    sp_defer(s->conn->codec.turn, &s->conn->own_later); /* behind the owner's turn, which was asked for just now */
}

static void tx_data(struct sp_sink *tx, struct sp_buf *b, bool end)
{
    struct sp_h2_stream *s = of_tx(tx);
    assert(b);
    if (!s->tx_ended) {
        s->cs.tx_body_bytes += b->len;
        sp_buf_move(&s->tx_buf, b);
        s->tx_ended = end;
        sp_h2_mark_dirty(s);
        if (!end && s->tx_buf.len > s->conn->codec.config->high_water && !s->tx_paused && tx->source) {
            s->tx_paused = true;
            tx->source->ops->pause(tx->source);
        }
    }
    sp_buf_clear(b);
    if (end)
        let_go_of_source(s);
}

static void tx_trailers(struct sp_sink *tx, struct sp_headers *t)
{
    struct sp_h2_stream *s = of_tx(tx);
    assert(t);
    if (!s->tx_ended) {
        if (t->n)
            s->tx_trailers = copy(s, t); /* they wait for the content, and `t` may not */
        s->tx_ended = true;
        sp_h2_mark_dirty(s);
    }
    let_go_of_source(s);
}

static uint32_t abort_code(enum sp_abort why)
{
    switch (why) {
    case SP_ABORT_REFUSED:
        return NGHTTP2_REFUSED_STREAM;
    case SP_ABORT_PROTOCOL:
        return NGHTTP2_PROTOCOL_ERROR;
    case SP_ABORT_CANCEL:
    case SP_ABORT_TIMEOUT:
        return NGHTTP2_CANCEL;
    default:
        return NGHTTP2_INTERNAL_ERROR;
    }
}

static void tx_abort(struct sp_sink *tx, enum sp_abort why)
{
    struct sp_h2_stream *s = of_tx(tx);
    bool server = s->conn->codec.config->server;
    /* A whole response that its reader does not take, its window shut, would be held for as long as the connection. */
    if (s->tx_over || (s->tx_ended && !(server && why == SP_ABORT_TIMEOUT)))
        return;
    s->cs.tx.source = NULL;
    s->tx_paused = false;
    sp_h2_end_tx(s);
    sp_h2_stream_reset(s, server ? abort_code(why) : NGHTTP2_CANCEL, why);
}

static const struct sp_source_ops rx_ops = {.pause = rx_pause, .resume = rx_resume, .cancel = rx_cancel};
static const struct sp_sink_ops tx_ops = {
    .headers = tx_headers, .data = tx_data, .trailers = tx_trailers, .abort = tx_abort};

/* ---- life ---- */

static void stream_free(struct sp_grave *g)
{
    struct sp_h2_stream *s = SP_CONTAINER_OF(g, struct sp_h2_stream, cs.grave);
    if (sp_codec_stream_stays(&s->cs))
        return;
    struct sp_arena arena = s->arena; /* which holds the stream */
    sp_arena_done(&arena);
}

struct sp_h2_stream *sp_h2_stream_new(struct sp_h2 *c)
{
    assert(c);
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_h2_stream *s = sp_arena_zalloc(&arena, sizeof(*s));
    s->arena = arena;
    s->cs.arena = &s->arena;
    s->cs.rx.ops = &rx_ops;
    s->cs.tx.ops = &tx_ops;
    s->cs.codec = &c->codec;
    s->cs.early = c->codec.early;
    s->conn = c;
    s->cs.grave.free = stream_free;
    s->begun_ns = c->codec.turn->now_ns;
    s->rx_expect = -1;
    sp_h2_heads_init(&s->rx_heads);
    sp_h2_heads_init(&s->tx_heads);
    sp_list_push_back(&c->streams, &s->all);
    return s;
}
