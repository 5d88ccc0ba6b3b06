/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codec_user.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"

static void hook(struct cu_exchange *x, enum cu_point at)
{
    if (x->side->hook)
        x->side->hook(x->side, x, at);
}

static struct cu_exchange *of_rx(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct cu_exchange, rx);
}

static struct cu_exchange *of_tx(struct sp_source *s)
{
    return SP_CONTAINER_OF(s, struct cu_exchange, tx);
}

static void check_open(const struct cu_exchange *x)
{
    assert(!x->ended && !x->aborted && !x->closed);
}

static void copy(char *to, size_t cap, struct sp_str s)
{
    snprintf(to, cap, "%.*s", SP_STR_ARG(s));
}

static void rx_headers(struct sp_sink *sink, struct sp_headers *h, bool end)
{
    struct cu_exchange *x = of_rx(sink);
    check_open(x);
    assert(x->n_data == 0);
    x->head = h;
    x->n_heads++;
    x->ended = end;
    x->status = h->status;
    copy(x->method, sizeof(x->method), h->method);
    copy(x->path, sizeof(x->path), h->path);
    copy(x->authority, sizeof(x->authority), h->authority);
    copy(x->scheme, sizeof(x->scheme), h->scheme);
    hook(x, CU_HEADERS);
}

static void rx_data(struct sp_sink *sink, struct sp_buf *b, bool end)
{
    struct cu_exchange *x = of_rx(sink);
    check_open(x);
    assert(x->n_heads && (b->len || end));
    x->n_data++;
    x->ended = end;
    x->n_body += b->len;
    if (x->keep_body)
        sp_buf_move(&x->body, b);
    hook(x, CU_DATA);
}

static void rx_trailers(struct sp_sink *sink, struct sp_headers *t)
{
    struct cu_exchange *x = of_rx(sink);
    check_open(x);
    assert(x->n_heads);
    x->trailers = t;
    x->got_trailers = true;
    x->ended = true;
    hook(x, CU_TRAILERS);
}

static void rx_abort(struct sp_sink *sink, enum sp_abort why)
{
    struct cu_exchange *x = of_rx(sink);
    check_open(x);
    assert(why != SP_ABORT_NONE);
    x->aborted = true;
    x->abort_why = why;
    hook(x, CU_ABORT);
}

static void tx_pause(struct sp_source *source)
{
    of_tx(source)->pauses++;
    hook(of_tx(source), CU_PAUSE);
}

static void tx_resume(struct sp_source *source)
{
    struct cu_exchange *x = of_tx(source);
    x->resumes++;
    assert(x->resumes <= x->pauses);
    hook(x, CU_RESUME);
}

static void tx_cancel(struct sp_source *source, enum sp_abort why)
{
    struct cu_exchange *x = of_tx(source);
    assert(!x->cancelled && !x->closed && why != SP_ABORT_NONE);
    x->cancelled = true;
    x->cancel_why = why;
    hook(x, CU_CANCEL);
}

static const struct sp_sink_ops rx_ops = {rx_headers, rx_data, rx_trailers, rx_abort};
static const struct sp_source_ops tx_ops = {tx_pause, tx_resume, tx_cancel};

static struct cu_exchange *exchange_new(struct cu_side *s)
{
    assert(s->n < CU_MAX);
    struct cu_exchange *x = sp_xcalloc(1, sizeof(*x));
    x->rx.ops = &rx_ops;
    x->tx.ops = &tx_ops;
    x->side = s;
    x->keep_body = s->keep_bodies;
    s->x[s->n++] = x;
    return x;
}

static void join(struct cu_exchange *x, struct sp_codec_stream *cs)
{
    x->cs = cs;
    cs->user = x;
    sp_link(&cs->rx, &x->rx);
    sp_link(&x->tx, &cs->tx);
}

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct cu_side *s = ctx;
    assert(h->method.len && cs->arena);
    if (s->refuse)
        return false;
    struct cu_exchange *x = exchange_new(s);
    join(x, cs);
    hook(x, CU_STREAM);
    return true;
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct cu_exchange *x = cs->user;
    assert(x && x->side == ctx && x->cs == cs && !x->closed);
    x->closed = true;
    x->closed_why = why;
    x->side->n_closed++;
    hook(x, CU_CLOSED);
    x->cs = NULL;
    x->head = x->trailers = NULL;
}

static void on_wake(void *ctx)
{
    ((struct cu_side *)ctx)->wakes++;
}

static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct cu_side *s = ctx;
    assert(ev < SP_ARRAY_LEN(s->events) && detail);
    s->events[ev]++;
    if (ev == SP_CE_RX_RESET || ev == SP_CE_TX_RESET || ev == SP_CE_GOAWAY_SENT || ev == SP_CE_TRAILERS || ev == SP_CE_REFUSED_STREAM)
        return;
    s->last_detail = detail;
    s->last_status = status;
}

static void on_draining(void *ctx)
{
    ((struct cu_side *)ctx)->drains++;
}

static const struct sp_codec_cb callbacks = {on_stream, on_stream_closed, on_wake, on_event, NULL, on_draining};

void cu_init(struct cu_side *s, struct sp_turn *turn, bool server)
{
    memset(s, 0, sizeof(*s));
    s->turn = turn;
    s->last_detail = "";
    s->keep_bodies = true;
    sp_codec_config_init(&s->config, server);
}

void cu_start(struct cu_side *s, cu_make *make)
{
    s->codec = make(s->turn, &s->config, &callbacks, s);
}

void cu_done(struct cu_side *s)
{
    if (s->codec)
        s->codec->ops->destroy(s->codec);
    s->codec = NULL;
    sp_turn_end(s->turn);
    assert(s->n == s->n_closed);
    for (unsigned i = 0; i < s->n; i++) {
        sp_buf_clear(&s->x[i]->body);
        free(s->x[i]);
    }
    sp_buf_clear(&s->out);
    s->n = 0;
}

struct cu_exchange *cu_open(struct cu_side *s)
{
    struct cu_exchange *x = exchange_new(s);
    struct sp_codec_stream *cs = s->codec->ops->open(s->codec, &x->rx);
    if (!cs) {
        s->n--;
        free(x);
        return NULL;
    }
    join(x, cs);
    return x;
}

static struct sp_headers *headers_new(struct cu_exchange *x)
{
    struct sp_headers *h = sp_arena_alloc(x->cs->arena, sizeof(*h));
    sp_headers_init(h, x->cs->arena);
    return h;
}

struct sp_headers *cu_request(struct cu_exchange *x, const char *method, const char *path)
{
    struct sp_headers *h = headers_new(x);
    h->method = sp_str_c(method);
    h->path = sp_str_c(path);
    h->scheme = SP_STR("https");
    h->authority = SP_STR("www.example.com");
    return h;
}

struct sp_headers *cu_response(struct cu_exchange *x, unsigned status)
{
    struct sp_headers *h = headers_new(x);
    h->status = status;
    return h;
}

struct sp_headers *cu_trailers(struct cu_exchange *x)
{
    return headers_new(x);
}

void cu_add(struct sp_headers *h, const char *name, const char *value)
{
    sp_headers_add(h, sp_str_c(name), sp_str_c(value));
}

void cu_send(struct cu_exchange *x, struct sp_headers *h, bool end)
{
    x->cs->tx.ops->headers(&x->cs->tx, h, end);
}

uint8_t cu_pattern(uint64_t at)
{
    return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

void cu_send_data(struct cu_exchange *x, size_t n, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    uint64_t at = x->cs->tx_body_bytes;
    for (size_t left = n; left;) {
        size_t room;
        char *p = sp_buf_reserve(&b, 1, &room);
        size_t k = SP_MIN(room, left);
        for (size_t i = 0; i < k; i++)
            p[i] = (char)cu_pattern(at++);
        sp_buf_commit(&b, k);
        left -= k;
    }
    x->cs->tx.ops->data(&x->cs->tx, &b, end);
    assert(b.len == 0);
}

bool cu_body_ok(const struct cu_exchange *x, uint64_t n)
{
    if (x->n_body != n || x->body.len != n)
        return false;
    uint64_t at = 0;
    for (const struct sp_seg *s = x->body.head; s; s = s->next)
        for (size_t i = 0; i < s->len; i++)
            if ((uint8_t)s->ptr[i] != cu_pattern(at++))
                return false;
    return true;
}

int cu_feed(struct cu_side *s, struct sp_buf *in)
{
    int rc = s->codec->ops->feed(s->codec, in);
    assert(rc == 0 || rc == -EPROTO);
    return rc;
}

int cu_feed_bytes(struct cu_side *s, const struct sp_buf *in, size_t piece)
{
    int rc = 0;
    for (const struct sp_seg *g = in->head; g; g = g->next) {
        for (size_t at = 0; at < g->len;) {
            size_t n = piece ? SP_MIN(piece, g->len - at) : g->len - at;
            struct sp_buf b;
            sp_buf_init(&b);
            sp_buf_append(&b, g->ptr + at, n);
            rc = cu_feed(s, &b);
            assert(b.len == 0);
            at += n;
        }
    }
    return rc;
}

void cu_flush(struct cu_side *s, size_t room)
{
    s->codec->ops->flush(s->codec, &s->out, room);
}

static bool move(struct cu_side *from, struct cu_side *to, size_t piece, size_t room)
{
    cu_flush(from, room);
    if (!from->out.len)
        return false;
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_move(&b, &from->out);
    if (piece) {
        cu_feed_bytes(to, &b, piece);
        sp_buf_clear(&b);
    } else {
        cu_feed(to, &b);
    }
    return true;
}

void cu_pump(struct cu_side *a, struct cu_side *b, size_t piece, size_t room)
{
    for (bool moved = true; moved;) {
        moved = move(a, b, piece, room);
        moved |= move(b, a, piece, room);
        sp_turn_end(a->turn);
    }
}

void cu_turn(struct sp_turn *t, uint64_t forward_ns)
{
    sp_turn_begin(t, t->now_ns + forward_ns, t->wall_ns + (int64_t)forward_ns);
    sp_turn_end(t);
}
