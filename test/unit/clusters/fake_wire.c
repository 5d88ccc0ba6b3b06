/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fake_wire.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "event/worker.h"
#include "support/config.h"

struct sp_wire *fake_wires[FAKE_MAX];
unsigned fake_n;

static void free_stream(struct sp_grave *g)
{
    struct fake_exchange *s = SP_CONTAINER_OF(g, struct fake_exchange, grave);
    sp_arena_done(&s->arena);
    free(s);
}

static void close_stream(struct fake_exchange *s, enum sp_abort why)
{
    struct sp_wire *w = s->wire;
    assert(!s->closed);
    s->closed = true;
    sp_list_remove(&s->link);
    w->codec.n_streams--;
    w->codec_cb->on_stream_closed(w->ctx, &s->cs, why);
    s->grave.free = free_stream;
    sp_bury(&w->worker->turn, &s->grave);
}

static void settle(struct fake_exchange *s)
{
    if (!s->closed && (s->tx_ended || s->tx_aborted) && (s->rx_ended || s->rx_cancelled))
        close_stream(s, s->why);
}

/* --- the request: a sink --- */

static void wake(struct sp_wire *w)
{
    sp_defer(&w->worker->turn, &w->run);
}

static void tx_headers(struct sp_sink *k, struct sp_headers *h, bool end)
{
    struct fake_exchange *s = SP_CONTAINER_OF(k, struct fake_exchange, cs.tx);
    assert(!s->request && !s->tx_ended && !s->tx_aborted && k->source);
    s->request = sp_arena_alloc(&s->arena, sizeof(*s->request));
    sp_headers_copy(s->request, &s->arena, h);
    s->tx_ended = end;
    wake(s->wire);
}

static void tx_data(struct sp_sink *k, struct sp_buf *b, bool end)
{
    struct fake_exchange *s = SP_CONTAINER_OF(k, struct fake_exchange, cs.tx);
    assert(s->request && !s->tx_ended && !s->tx_aborted);
    s->body_total += b->len;
    s->cs.tx_body_bytes += b->len;
    s->body_len += sp_buf_peek(b, s->body + s->body_len, SP_MIN(b->len, sizeof(s->body) - s->body_len));
    sp_buf_clear(b);
    s->tx_ended = end;
    wake(s->wire);
}

static void tx_trailers(struct sp_sink *k, struct sp_headers *t)
{
    struct fake_exchange *s = SP_CONTAINER_OF(k, struct fake_exchange, cs.tx);
    (void)t;
    assert(s->request && !s->tx_ended && !s->tx_aborted);
    s->tx_ended = s->tx_trailers = true;
    wake(s->wire);
}

static void tx_abort(struct sp_sink *k, enum sp_abort why)
{
    struct fake_exchange *s = SP_CONTAINER_OF(k, struct fake_exchange, cs.tx);
    assert(!s->tx_ended && !s->tx_aborted);
    s->tx_aborted = true;
    s->why = why;
    wake(s->wire);
}

static const struct sp_sink_ops tx_ops = {tx_headers, tx_data, tx_trailers, tx_abort};

/* --- the response: a source --- */

static void rx_pause(struct sp_source *o)
{
    SP_CONTAINER_OF(o, struct fake_exchange, cs.rx)->paused++;
}

static void rx_resume(struct sp_source *o)
{
    struct fake_exchange *s = SP_CONTAINER_OF(o, struct fake_exchange, cs.rx);
    assert(s->paused > 0);
    s->paused--;
}

static void rx_cancel(struct sp_source *o, enum sp_abort why)
{
    struct fake_exchange *s = SP_CONTAINER_OF(o, struct fake_exchange, cs.rx);
    assert(!s->rx_ended && !s->rx_cancelled);
    s->rx_cancelled = true;
    s->why = why;
    wake(s->wire);
}

static const struct sp_source_ops rx_ops = {rx_pause, rx_resume, rx_cancel};

/* --- the codec --- */

static struct sp_codec_stream *codec_open(struct sp_codec *c, struct sp_sink *response)
{
    struct sp_wire *w = SP_CONTAINER_OF(c, struct sp_wire, codec);
    if (!w->codec.ops->room(c))
        return NULL;
    struct fake_exchange *s = sp_xcalloc(1, sizeof(*s));
    sp_arena_init(&s->arena);
    s->wire = w;
    s->cs.codec = c;
    s->cs.arena = &s->arena;
    s->cs.id = ++w->n_opened;
    s->cs.tx.ops = &tx_ops;
    s->cs.rx.ops = &rx_ops;
    sp_link(&s->cs.rx, response);
    sp_list_push_back(&w->streams, &s->link);
    w->codec.n_streams++;
    return &s->cs;
}

static unsigned codec_room(struct sp_codec *c)
{
    struct sp_wire *w = SP_CONTAINER_OF(c, struct sp_wire, codec);
    if (c->draining || c->want_close || w->dead)
        return 0;
    unsigned max = c->ops->protocol == SP_HTTP_2 ? w->max_streams : 1;
    return c->n_streams >= max ? 0 : max - c->n_streams;
}

static void codec_goaway(struct sp_codec *c)
{
    c->draining = true;
}

static const struct sp_codec_ops h1_ops = {
    .name = "http1", .protocol = SP_HTTP_11, .open = codec_open, .room = codec_room, .goaway = codec_goaway};
static const struct sp_codec_ops h2_ops = {
    .name = "http2", .protocol = SP_HTTP_2, .open = codec_open, .room = codec_room, .goaway = codec_goaway};

/* --- the wire --- */

static void free_nothing(struct sp_grave *g)
{
    (void)g; /* fake_reset frees: tests look at ended wires */
}

static void finish(struct sp_wire *w, enum sp_wire_end why, int err, const char *text, enum sp_abort abort)
{
    assert(!w->dead);
    struct sp_list *n;
    while ((n = sp_list_first(&w->streams)) != NULL) {
        struct fake_exchange *s = SP_CONTAINER_OF(n, struct fake_exchange, link);
        if (!s->rx_ended && !s->rx_cancelled) {
            s->rx_ended = true;
            s->cs.rx.sink->ops->abort(s->cs.rx.sink, abort);
        }
        if (!s->closed)
            close_stream(s, s->why ? s->why : abort);
    }
    w->dead = true;
    sp_defer_cancel(&w->run);
    w->cb->on_closed(w->ctx, why, err, sp_str_c(text));
    w->grave.free = free_nothing;
    sp_bury(&w->worker->turn, &w->grave);
}

static void run(struct sp_defer *d)
{
    struct sp_wire *w = SP_CONTAINER_OF(d, struct sp_wire, run);
    if (w->dead)
        return;
    SP_LIST_FOREACH_SAFE(n, &w->streams)
        settle(SP_CONTAINER_OF(n, struct fake_exchange, link));
    if (w->close_asked || ((w->codec.want_close || w->codec.draining) && w->ready && !w->codec.n_streams))
        finish(w, SP_WIRE_LOCAL, 0, NULL, SP_ABORT_CLOSED);
}

struct sp_wire *sp_wire_client(struct sp_worker *worker, const struct sp_addr *to, const struct sp_wire_setup *setup,
                               const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb, void *ctx)
{
    assert(fake_n < FAKE_MAX);
    struct sp_wire *w = sp_xcalloc(1, sizeof(*w));
    w->worker = worker;
    w->to = *to;
    w->setup = *setup;
    snprintf(w->sni, sizeof(w->sni), "%.*s", SP_STR_ARG(setup->sni));
    snprintf(w->verify_name, sizeof(w->verify_name), "%.*s", SP_STR_ARG(setup->verify_name));
    w->cb = cb;
    w->codec_cb = codec_cb;
    w->ctx = ctx;
    w->run.run = run;
    w->max_streams = 100;
    sp_list_init(&w->streams);
    fake_wires[fake_n++] = w;
    return w;
}

struct sp_codec *sp_wire_codec(struct sp_wire *w)
{
    return w->ready ? &w->codec : NULL;
}

struct sp_tls *sp_wire_tls(struct sp_wire *w)
{
    (void)w;
    return NULL;
}

struct sp_transport *sp_wire_transport(struct sp_wire *w)
{
    (void)w;
    return NULL;
}

void sp_wire_kick(struct sp_wire *w)
{
    wake(w);
}

void sp_wire_proceed(struct sp_wire *w)
{
    (void)w; /* nobody is asked about fake hosts */
}

void sp_wire_drain(struct sp_wire *w)
{
    assert(!w->dead);
    w->drain_asked = true;
    w->codec.draining = true;
    wake(w);
}

void sp_wire_close(struct sp_wire *w, bool reset)
{
    (void)reset;
    assert(!w->dead);
    w->close_asked = true;
    wake(w);
}

size_t sp_wire_held(const struct sp_wire *w)
{
    (void)w;
    return 0;
}

/* --- the test's hands --- */

struct fake_exchange *fake_stream_at(struct sp_wire *w, unsigned i)
{
    SP_LIST_FOREACH(n, &w->streams)
        if (!i--)
            return SP_CONTAINER_OF(n, struct fake_exchange, link);
    return NULL;
}

unsigned fake_alive(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < fake_n; i++)
        n += !fake_wires[i]->dead;
    return n;
}

void fake_reset(void)
{
    for (unsigned i = 0; i < fake_n; i++) {
        assert(fake_wires[i]->dead);
        free(fake_wires[i]);
    }
    fake_n = 0;
}

void fake_connect_as(struct sp_wire *w, bool h2)
{
    assert(!w->ready && !w->dead);
    w->codec.ops = h2 ? &h2_ops : &h1_ops;
    w->codec.config = &w->setup.config;
    w->ready = true;
    w->cb->on_ready(w->ctx);
}

void fake_connect(struct sp_wire *w)
{
    fake_connect_as(w, w->setup.codec != SP_CODEC_H1);
}

void fake_end(struct sp_wire *w, enum sp_wire_end why, int err, const char *text, enum sp_abort abort)
{
    finish(w, why, err, text, abort);
}

void fake_goaway(struct sp_wire *w)
{
    w->codec.draining = true;
    w->codec_cb->on_draining(w->ctx);
    wake(w);
}

static void rx_over(struct fake_exchange *s, bool end)
{
    if (!end)
        return;
    if (s->wire->codec.ops->protocol != SP_HTTP_2 && !s->tx_ended)
        s->wire->codec.want_close = true; /* as HTTP/1: the exchange is broken */
    settle(s);
}

void fake_respond_with(struct fake_exchange *s, const char *lines, bool end)
{
    assert(!s->rx_ended && !s->rx_cancelled && s->cs.rx.sink);
    struct sp_headers *h = sp_arena_alloc(&s->arena, sizeof(*h));
    sp_headers_init(h, &s->arena);
    t_headers(h, &s->arena, lines);
    s->rx_ended = end;
    s->cs.rx.sink->ops->headers(s->cs.rx.sink, h, end);
    rx_over(s, end);
}

void fake_respond(struct fake_exchange *s, unsigned status, bool end)
{
    char lines[64];
    snprintf(lines, sizeof(lines), ":status: %u\nserver: fake\n", status);
    fake_respond_with(s, lines, end);
}

void fake_data(struct fake_exchange *s, const char *text, bool end)
{
    fake_bytes(s, text, strlen(text), end);
}

void fake_bytes(struct fake_exchange *s, const void *bytes, size_t n, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, bytes, n);
    s->cs.rx_body_bytes += b.len;
    s->rx_ended = end;
    s->cs.rx.sink->ops->data(s->cs.rx.sink, &b, end);
    sp_buf_clear(&b);
    rx_over(s, end);
}

void fake_trailers(struct fake_exchange *s)
{
    fake_trailer(s, "x-sum", "1");
}

void fake_trailer(struct fake_exchange *s, const char *name, const char *value)
{
    struct sp_headers *t = sp_arena_zalloc(&s->arena, sizeof(*t));
    sp_headers_init(t, &s->arena);
    sp_headers_add(t, sp_str_c(name), sp_str_c(value));
    s->rx_ended = true;
    s->cs.rx.sink->ops->trailers(s->cs.rx.sink, t);
    rx_over(s, true);
}

void fake_abort(struct fake_exchange *s, enum sp_abort why)
{
    s->rx_ended = true;
    s->why = why;
    s->cs.rx.sink->ops->abort(s->cs.rx.sink, why);
    if (!s->tx_ended)
        s->tx_aborted = true;
    settle(s);
}

void fake_pause_request(struct fake_exchange *s)
{
    s->cs.tx.source->ops->pause(s->cs.tx.source);
}

void fake_resume_request(struct fake_exchange *s)
{
    s->cs.tx.source->ops->resume(s->cs.tx.source);
}
