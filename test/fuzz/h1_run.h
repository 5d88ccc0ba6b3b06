/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An HTTP/1 codec and its user, for fuzz_h1_server and fuzz_h1_client.  Input is fed in pieces; what the user is told is
 * written down without the places where bodies were cut, so that two runs over the same bytes can be compared.  With a
 * `chaos` other than 0 the user pauses, cancels, aborts, answers early or wrongly, as that number has it; then only the
 * promises of http/codec.h are checked.
 */
#ifndef H1_RUN_H
#define H1_RUN_H

#include <stdlib.h>

#include "http/codec.h"

#define CHECK(what) \
    do { \
        if (!(what)) \
            abort(); \
    } while (0)

struct run;

struct user {
    struct sp_sink sink;
    struct sp_source source;
    struct sp_codec_stream *cs;
    struct run *run;
    struct sp_headers *head; /* of the message that arrives, not of an interim one */
    struct sp_buf body;
    bool rx_over, tx_over, tx_begun, closed; /* as the user knows it */
    int pauses, paused_by; /* ours of the codec, the codec's of us */
};

struct run {
    struct sp_turn turn;
    struct sp_codec *codec;
    struct sp_buf in, sent, text;
    struct user *user;
    unsigned chaos;
    void (*on_message)(struct user *u); /* one has come whole: its head and body; or NULL */
};

static inline unsigned roll(struct run *r, unsigned sides)
{
    r->chaos = r->chaos * 1103515245u + 12345u;
    return (r->chaos >> 16) % sides;
}

static inline void say(struct run *r, struct sp_str s)
{
    sp_buf_append_str(&r->text, s);
    sp_buf_append(&r->text, "\n", 1);
}

static inline void tell_lines(struct run *r, const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++) {
        CHECK(sp_header_name_valid(h->v[i].name) && sp_header_value_valid(h->v[i].value));
        CHECK(h->v[i].id == sp_header_id(h->v[i].name));
        say(r, h->v[i].name);
        say(r, h->v[i].value);
    }
}

static inline void send_body(struct user *u, size_t n, bool end)
{
    struct sp_buf b;
    sp_buf_init(&b);
    for (size_t i = 0; i < n; i++)
        sp_buf_append(&b, "0123456789abcdef", 16);
    u->tx_over = u->tx_over || end;
    u->cs->tx.ops->data(&u->cs->tx, &b, end);
    CHECK(b.len == 0);
}

/* The response, or a request, as decently or not as `chaos` has it. */
static inline void send_message(struct user *u)
{
    struct run *r = u->run;
    static const struct sp_str odd[] = {
        SP_STR_INIT("5"), SP_STR_INIT("0"), SP_STR_INIT("-1"), SP_STR_INIT("a\r\nb: c"), SP_STR_INIT("close")};
    if (u->tx_begun || u->tx_over)
        return;
    struct sp_headers *h = sp_arena_alloc(u->cs->arena, sizeof(*h));
    sp_headers_init(h, u->cs->arena);
    h->status = r->chaos && roll(r, 4) == 0 ? 100 + roll(r, 450) : 200;
    if (!u->cs->codec->config->server) {
        static const struct sp_str methods[] = {SP_STR_INIT("GET"), SP_STR_INIT("HEAD"), SP_STR_INIT("POST")};
        h->status = 0;
        h->method = methods[roll(r, 3)];
        h->path = SP_STR("/");
        h->authority = SP_STR("a");
    }
    if (r->chaos && roll(r, 3) == 0)
        sp_headers_add_id(h, (enum sp_header_id)(1 + roll(r, SP_H_COUNT - 1)), odd[roll(r, 5)]);
    bool end = r->chaos && roll(r, 2);
    u->tx_begun = h->status == 0 || h->status >= 200 || h->status == 101;
    u->tx_over = u->tx_begun && end;
    u->cs->tx.ops->headers(&u->cs->tx, h, u->tx_over);
    if (u->tx_begun && !u->tx_over)
        send_body(u, r->chaos ? roll(r, 5) : 1, !r->chaos || roll(r, 2));
}

/* Anything that a user may do at any time. */
static inline void act(struct user *u)
{
    struct run *r = u->run;
    if (!r->chaos || u->closed)
        return;
    switch (roll(r, 12)) {
    case 0:
        u->pauses++;
        u->cs->rx.ops->pause(&u->cs->rx);
        break;
    case 1:
        if (u->pauses) {
            u->pauses--;
            u->cs->rx.ops->resume(&u->cs->rx);
        }
        break;
    case 2:
        if (roll(r, 4) == 0) {
            u->rx_over = true;
            u->cs->rx.ops->cancel(&u->cs->rx, SP_ABORT_CANCEL);
        }
        break;
    case 3:
        if (roll(r, 8) == 0 && !u->tx_over) {
            u->tx_over = true;
            u->cs->tx.ops->abort(&u->cs->tx, SP_ABORT_LOCAL);
        }
        break;
    case 4:
        send_message(u);
        break;
    case 5:
        if (u->tx_begun && !u->tx_over)
            send_body(u, roll(r, 4000), roll(r, 2));
        break;
    default:
        break;
    }
}

static inline void fz_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, sink);
    CHECK(!u->closed && !u->rx_over);
    u->rx_over = end;
    if (!h->status || h->status >= 200)
        u->head = h;
    say(u->run, end ? SP_STR("headers, the end") : SP_STR("headers"));
    tell_lines(u->run, h);
    if (end && u->run->on_message)
        u->run->on_message(u);
    if (end && u->cs->codec->config->server && !u->run->chaos)
        send_message(u);
    act(u);
}

static inline void tell_body(struct user *u)
{
    if (u->run->on_message)
        u->run->on_message(u);
    sp_buf_move(&u->run->text, &u->body);
    say(u->run, SP_STR(" is the body"));
}

static inline void fz_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, sink);
    CHECK(!u->closed && !u->rx_over && (b->len || end));
    u->rx_over = end;
    sp_buf_move(&u->body, b);
    if (end)
        tell_body(u);
    if (end && u->cs->codec->config->server && !u->run->chaos)
        send_message(u);
    act(u);
}

static inline void fz_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, sink);
    CHECK(!u->closed && !u->rx_over);
    u->rx_over = true;
    tell_body(u);
    tell_lines(u->run, t);
    if (u->cs->codec->config->server && !u->run->chaos)
        send_message(u);
    act(u);
}

static inline void fz_abort(struct sp_sink *s, enum sp_abort why)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, sink);
    CHECK(!u->closed && !u->rx_over && why != SP_ABORT_NONE);
    u->rx_over = true; /* how much of the body came before is not promised */
    say(u->run, sp_str_c(sp_abort_name(why)));
    act(u);
}

static inline void fz_pause(struct sp_source *s)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, source);
    CHECK(!u->closed && !u->tx_over);
    u->paused_by++;
}

static inline void fz_resume(struct sp_source *s)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, source);
    CHECK(!u->closed && u->paused_by > 0);
    u->paused_by--;
}

static inline void fz_cancel(struct sp_source *s, enum sp_abort why)
{
    struct user *u = SP_CONTAINER_OF(s, struct user, source);
    CHECK(!u->closed && why != SP_ABORT_NONE);
    u->tx_over = true;
}

static const struct sp_sink_ops fz_sink = {fz_headers, fz_data, fz_trailers, fz_abort};
static const struct sp_source_ops fz_source = {fz_pause, fz_resume, fz_cancel};

static inline struct user *user_new(struct run *r)
{
    struct user *u = calloc(1, sizeof(*u));
    CHECK(u && !r->user);
    r->user = u;
    u->run = r;
    u->sink.ops = &fz_sink;
    u->source.ops = &fz_source;
    return u;
}

static inline bool fz_on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct run *r = ctx;
    CHECK(sp_method_valid(h->method) && sp_authority_valid(h->authority) && h->status == 0);
    CHECK(h->path.len || sp_str_eq(h->method, SP_STR("CONNECT")));
    say(r, h->method);
    say(r, h->scheme);
    say(r, h->authority);
    say(r, h->path);
    if (r->chaos && roll(r, 30) == 0)
        return false;
    struct user *u = user_new(r);
    u->cs = cs;
    cs->user = u;
    sp_link(&cs->rx, &u->sink);
    sp_link(&u->source, &cs->tx);
    act(u);
    return true;
}

static inline void fz_on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct run *r = ctx;
    struct user *u = cs->user;
    CHECK(u == r->user && !u->closed && u->rx_over && u->tx_over);
    say(r, sp_str_c(sp_abort_name(why)));
    u->closed = true;
    sp_buf_clear(&u->body);
    free(u);
    r->user = NULL;
}

static inline void fz_on_wake(void *ctx)
{
}

static inline void fz_on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    say(ctx, sp_str_c(detail));
}

static const struct sp_codec_cb fz_cb = {
    .on_stream = fz_on_stream, .on_stream_closed = fz_on_stream_closed, .on_wake = fz_on_wake, .on_event = fz_on_event};

/* Small limits, so that they are met. */
static inline void run_begin(struct run *r, unsigned flags, bool server, unsigned chaos)
{
    struct sp_codec_config config;
    *r = (struct run){.chaos = chaos};
    sp_turn_init(&r->turn);
    sp_codec_config_init(&config, server);
    config.h1_trailers = flags & 1;
    config.h1_accept_10 = flags & 2;
    config.h1_keep_open_on_error = flags & 4;
    config.h1_allow_chunked_length = flags & 8;
    config.tls = flags & 16;
    config.underscores = (uint8_t)(flags >> 5) % 3;
    config.high_water = 2000;
    if (flags & 128) {
        config.max_header_bytes = 300;
        config.max_headers = 6;
        config.max_url_bytes = 40;
    }
    r->codec = sp_h1_new(&r->turn, &config, &fz_cb, r);
}

/* Client: one request without a body: GET, HEAD or DELETE. */
static inline void run_request(struct run *r, unsigned which)
{
    static const struct sp_str methods[] = {SP_STR_INIT("GET"), SP_STR_INIT("HEAD"), SP_STR_INIT("DELETE")};
    struct user *u = user_new(r);
    u->cs = r->codec->ops->open(r->codec, &u->sink);
    CHECK(u->cs);
    u->cs->user = u;
    sp_link(&u->source, &u->cs->tx);
    struct sp_headers *h = sp_arena_alloc(u->cs->arena, sizeof(*h));
    sp_headers_init(h, u->cs->arena);
    h->method = methods[which % 3];
    h->path = SP_STR("/");
    h->authority = SP_STR("a");
    u->tx_begun = u->tx_over = true;
    u->cs->tx.ops->headers(&u->cs->tx, h, true);
    r->codec->ops->flush(r->codec, &r->sent, SIZE_MAX);
}

/* What the wire does in a turn. */
static inline void run_turn(struct run *r, size_t room)
{
    struct sp_codec *c = r->codec;
    for (int i = 0; i < 10000; i++) {
        size_t in = r->in.len, sent = r->sent.len;
        unsigned streams = c->n_streams;
        if (in && c->want_read && !c->want_close)
            c->ops->feed(c, &r->in);
        c->ops->flush(c, &r->sent, room);
        if (r->user)
            act(r->user);
        CHECK(c->n_streams == (r->user ? 1 : 0));
        if (r->in.len == in && r->sent.len == sent && c->n_streams == streams)
            break;
    }
    sp_turn_end(&r->turn);
}

static inline void run_feed(struct run *r, const uint8_t *p, size_t n, size_t piece)
{
    for (size_t at = 0; at < n && !r->codec->want_close && !r->codec->want_reset; at += piece) {
        sp_buf_append(&r->in, p + at, n - at < piece ? n - at : piece);
        run_turn(r, r->chaos ? roll(r, 3000) : SIZE_MAX);
    }
}

static inline void run_end(struct run *r)
{
    struct sp_codec *c = r->codec;
    if (!c->want_close) {
        c->ops->eof(c, r->chaos && roll(r, 2) ? SP_ABORT_RESET : SP_ABORT_CLOSED);
        run_turn(r, SIZE_MAX);
    }
    c->ops->destroy(c);
    CHECK(!r->user);
    sp_turn_end(&r->turn);
    sp_turn_done(&r->turn);
    sp_buf_clear(&r->in);
}

static inline void run_forget(struct run *r)
{
    sp_buf_clear(&r->sent);
    sp_buf_clear(&r->text);
    sp_buf_thread_done();
    sp_arena_thread_done();
}

static inline bool same(const struct sp_buf *a, const struct sp_buf *b)
{
    char *x = malloc(a->len + 1), *y = malloc(b->len + 1);
    CHECK(x && y);
    bool ok = a->len == b->len && sp_buf_peek(a, x, a->len) == sp_buf_peek(b, y, b->len) && memcmp(x, y, a->len) == 0;
    free(x);
    free(y);
    return ok;
}

#endif
