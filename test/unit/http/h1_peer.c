/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unit/http/h1_peer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static SP_PRINTF(2, 3) void note(struct peer *p, const char *fmt, ...)
{
    va_list ap;
    if (p->quiet)
        return;
    va_start(ap, fmt);
    p->log_len += (size_t)vsnprintf(p->log + p->log_len, sizeof(p->log) - p->log_len, fmt, ap);
    va_end(ap);
    assert(p->log_len < sizeof(p->log));
}

static struct user *of_sink(struct sp_sink *s)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, sink);
    assert(!u->closed);
    return u;
}

static unsigned id_of(const struct user *u)
{
    return (unsigned)u->cs->id;
}

static void note_lines(struct peer *p, const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++)
        note(p, " %.*s=%.*s", SP_STR_ARG(h->v[i].name), SP_STR_ARG(h->v[i].value));
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct user *u = of_sink(s);
    u->headers = h;
    note(u->peer, "%u: headers", id_of(u));
    if (h->status)
        note(u->peer, " %u", h->status);
    note_lines(u->peer, h);
    note(u->peer, "%s\n", end ? " end" : "");
    if (u->peer->on_headers)
        u->peer->on_headers(u, h, end);
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct user *u = of_sink(s);
    char bytes[2048];
    size_t n = sp_buf_peek(b, bytes, sizeof(bytes));
    note(u->peer, "%u: data \"%.*s\"%s\n", id_of(u), (int)n, bytes, end ? " end" : "");
    sp_buf_clear(b);
    if (u->peer->on_data)
        u->peer->on_data(u, end);
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct user *u = of_sink(s);
    note(u->peer, "%u: trailers", id_of(u));
    note_lines(u->peer, t);
    note(u->peer, "\n");
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    struct user *u = of_sink(s);
    note(u->peer, "%u: abort %s\n", id_of(u), sp_abort_name(why));
    if (u->peer->on_abort)
        u->peer->on_abort(u, why);
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

static struct user *of_source(struct sp_source *s)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, source);
    assert(!u->closed);
    return u;
}

static void on_pause(struct sp_source *s)
{
    note(of_source(s)->peer, "%u: pause\n", id_of(of_source(s)));
}

static void on_resume(struct sp_source *s)
{
    note(of_source(s)->peer, "%u: resume\n", id_of(of_source(s)));
}

static void on_cancel(struct sp_source *s, enum sp_abort why)
{
    note(of_source(s)->peer, "%u: cancel %s\n", id_of(of_source(s)), sp_abort_name(why));
}

static const struct sp_source_ops source_ops = {on_pause, on_resume, on_cancel};

static struct user *user_new(struct peer *p)
{
    struct user *u = calloc(1, sizeof(*u));
    assert(p->n_users < SP_ARRAY_LEN(p->users));
    p->users[p->n_users++] = u;
    p->user = u;
    u->peer = p;
    u->sink.ops = &sink_ops;
    u->source.ops = &source_ops;
    return u;
}

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct peer *p = ctx;
    note(p, "stream %u %.*s %.*s %.*s %.*s", (unsigned)cs->id, SP_STR_ARG(h->method), SP_STR_ARG(h->scheme),
         SP_STR_ARG(h->authority), SP_STR_ARG(h->path));
    if (h->protocol.len)
        note(p, " {%.*s}", SP_STR_ARG(h->protocol));
    note(p, "\n");
    if (p->refuse)
        return false;
    struct user *u = user_new(p);
    u->cs = cs;
    cs->user = u;
    sp_link(&cs->rx, &u->sink);
    sp_link(&u->source, &cs->tx);
    return true;
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct peer *p = ctx;
    struct user *u = cs->user;
    assert(u && !u->closed);
    note(p, "%u: closed %s\n", (unsigned)cs->id, sp_abort_name(why));
    u->rx_bytes = cs->rx_body_bytes;
    u->tx_bytes = cs->tx_body_bytes;
    u->closed = true;
}

static void on_wake(void *ctx)
{
    ((struct peer *)ctx)->wakes++;
}

static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    (void)ev;
    note(ctx, "event %s %u\n", detail, status);
}

static void on_draining(void *ctx)
{
    note(ctx, "draining\n");
}

static const struct sp_codec_cb callbacks = {on_stream, on_stream_closed, on_wake, on_event, NULL, on_draining};

void peer_init(struct peer *p, bool server)
{
    memset(p, 0, sizeof(*p));
    sp_turn_init(&p->turn);
    sp_codec_config_init(&p->config, server);
}

void peer_start(struct peer *p)
{
    p->codec = sp_h1_new(&p->turn, &p->config, &callbacks, p);
}

void peer_done(struct peer *p)
{
    if (p->codec)
        p->codec->ops->destroy(p->codec);
    sp_turn_end(&p->turn);
    sp_turn_done(&p->turn);
    for (unsigned i = 0; i < p->n_users; i++) {
        assert(p->users[i]->closed);
        free(p->users[i]);
    }
    sp_buf_clear(&p->in);
    sp_buf_clear(&p->out);
    sp_buf_thread_done();
    sp_arena_thread_done();
}

static void feed_in(struct peer *p)
{
    int r = p->codec->ops->feed(p->codec, &p->in);
    assert(r == 0 || r == -71);
    if (r)
        note(p, "EPROTO\n");
}

void peer_feed_n(struct peer *p, const char *bytes, size_t n)
{
    sp_buf_append(&p->in, bytes, n);
    feed_in(p);
}

void peer_feed(struct peer *p, const char *bytes)
{
    peer_feed_n(p, bytes, strlen(bytes));
}

void peer_drip(struct peer *p, const char *bytes)
{
    for (; *bytes; bytes++) {
        peer_feed_n(p, bytes, 1);
        peer_flush(p);
    }
}

void peer_flush_n(struct peer *p, size_t room)
{
    p->codec->ops->flush(p->codec, &p->out, room);
    for (int i = 0; i < 100 && p->in.len && p->codec->want_read && !p->codec->want_close; i++) {
        feed_in(p);
        p->codec->ops->flush(p->codec, &p->out, room);
    }
    sp_turn_end(&p->turn);
}

void peer_flush(struct peer *p)
{
    peer_flush_n(p, SIZE_MAX);
}

const char *peer_sent(struct peer *p)
{
    static char text[300000];
    size_t n = sp_buf_peek(&p->out, text, sizeof(text) - 1);
    text[n] = '\0';
    sp_buf_clear(&p->out);
    return text;
}

const char *peer_log(struct peer *p)
{
    const char *from = p->log + p->log_seen;
    p->log_seen = p->log_len;
    return from;
}

struct user *peer_open(struct peer *p)
{
    struct user *u = user_new(p);
    u->cs = p->codec->ops->open(p->codec, &u->sink);
    if (!u->cs) {
        u->closed = true;
        return NULL;
    }
    u->cs->user = u;
    sp_link(&u->source, &u->cs->tx);
    return u;
}

static void add_lines(struct sp_headers *h, const char *lines)
{
    struct sp_str text = sp_arena_str(h->arena, sp_str_c(lines)), line;
    while (sp_str_split(&text, '\n', &line)) {
        ptrdiff_t colon = sp_str_chr(line, ':');
        if (colon > 0)
            sp_headers_add(h, sp_str_sub(line, 0, (size_t)colon), sp_str_sub(line, (size_t)colon + 2, line.len));
    }
}

static struct sp_headers *headers_of(struct user *u, const char *lines)
{
    struct sp_headers *h = sp_arena_alloc(u->cs->arena, sizeof(*h));
    sp_headers_init(h, u->cs->arena);
    add_lines(h, lines);
    return h;
}

void user_respond(struct user *u, unsigned status, const char *lines, bool end)
{
    struct sp_headers *h = headers_of(u, lines);
    h->status = status;
    u->cs->tx.ops->headers(&u->cs->tx, h, end);
}

void user_request(struct user *u, const char *method, const char *path, const char *lines, bool end)
{
    struct sp_headers *h = headers_of(u, lines);
    h->method = sp_str_c(method);
    h->path = sp_str_c(path);
    h->scheme = SP_STR("http");
    h->authority = SP_STR("a");
    u->cs->tx.ops->headers(&u->cs->tx, h, end);
}

void user_data(struct user *u, const char *bytes, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append(&b, bytes, strlen(bytes));
    u->cs->tx.ops->data(&u->cs->tx, &b, end);
    assert(b.len == 0);
}

void user_data_n(struct user *u, size_t n, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    for (; n; n--)
        sp_buf_append(&b, "x", 1);
    u->cs->tx.ops->data(&u->cs->tx, &b, end);
    assert(b.len == 0);
}

void user_trailers(struct user *u, const char *lines)
{
    u->cs->tx.ops->trailers(&u->cs->tx, headers_of(u, lines));
}

void user_abort(struct user *u, enum sp_abort why)
{
    u->cs->tx.ops->abort(&u->cs->tx, why);
}

void user_pause(struct user *u)
{
    u->cs->rx.ops->pause(&u->cs->rx);
}

void user_resume(struct user *u)
{
    u->cs->rx.ops->resume(&u->cs->rx);
}

void user_cancel(struct user *u, enum sp_abort why)
{
    u->cs->rx.ops->cancel(&u->cs->rx, why);
}
