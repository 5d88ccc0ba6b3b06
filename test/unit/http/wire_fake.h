/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For test_wire_*.c: a codec and a TLS of a few bytes, an owner that notes what it is told, and the other end of a
 * socketpair.  Included once in a program: its sp_h1_new, sp_tls_pump and so on take the place of the real ones.
 *
 * Codec: "get\n" opens a stream; fake_answer ends it. "hold\n" makes the codec want no more until fake_release; "bad\n"
 * is a protocol error; "quit\n" opens a stream whose answer is the last. goaway writes "G". Client: open writes "get\n".
 * TLS: the client says "\x16HEL", the server "\x16SRV"; then records 'D' n bytes; 'X' is close_notify, 'F' fails.
 */
#ifndef SP_TEST_WIRE_FAKE_H
#define SP_TEST_WIRE_FAKE_H

#include "support/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "http/wire.h"

struct fake_codec {
    struct sp_codec base;
    struct sp_buf out, control;
    struct sp_codec_stream streams[8];
    bool open[8], answered[8];
    unsigned n_get, feeds, flushes, goaways, eofs, rests;
    enum sp_abort eof_why;
    bool hold, quit;
    size_t fed;
};

struct owner {
    struct loop *l;
    struct sp_wire *wire;
    struct fake_codec *codec;
    int fd; /* the other end */
    struct sp_wire_setup setup;
    bool refuse;                /* on_choose says no */
    bool hold;                  /* on_secure says no */
    unsigned secured;
    unsigned chosen, ready, closed, stream_closed, streams, events;
    char sni[16];
    enum sp_wire_end why;
    int err;
    char text[80];
    enum sp_abort stream_why;
    size_t rx, tx;
    void (*on_stream)(struct owner *o);
    bool h2;
    const char *detail;
};

static struct owner *fake_owner; /* codecs and TLS find it here */
static const char *fake_alpn = "";

static void fake_close_stream(struct fake_codec *c, unsigned i, enum sp_abort why)
{
    c->open[i] = c->answered[i] = false;
    c->base.n_streams--;
    c->base.cb->on_stream_closed(c->base.ctx, &c->streams[i], why);
}

static void fake_open_stream(struct fake_codec *c)
{
    unsigned i = 0;
    while (c->open[i])
        i++;
    assert_true(i < SP_ARRAY_LEN(c->open));
    c->open[i] = true;
    c->base.n_streams++;
    c->n_get++;
    if (c->base.config->server && !c->base.cb->on_stream(c->base.ctx, &c->streams[i], NULL))
        fake_close_stream(c, i, SP_ABORT_REFUSED);
}

static int fake_line(struct fake_codec *c, const char *line)
{
    if (strcmp(line, "get\n") == 0 || strcmp(line, "quit\n") == 0) {
        c->quit |= line[0] == 'q';
        fake_open_stream(c);
    } else if (strcmp(line, "hold\n") == 0) {
        c->hold = true;
        c->base.want_read = false;
    } else if (strcmp(line, "bad\n") == 0) {
        sp_buf_append_str(&c->out, SP_STR("400"));
        return -EPROTO;
    }
    return 0; /* any other line is filling */
}

static int fake_feed(struct sp_codec *base, struct sp_buf *in)
{
    struct fake_codec *c = (struct fake_codec *)base;
    c->feeds++;
    while (in->len && !c->hold) {
        ptrdiff_t at = sp_buf_chr(in, '\n', 200);
        base->in_head = at < 0;
        if (at < 0)
            return 0;
        char line[201];
        size_t n = sp_buf_peek(in, line, (size_t)at + 1);
        line[n] = '\0';
        sp_buf_drain(in, n);
        c->fed += n;
        int r = fake_line(c, line);
        if (r)
            return r;
    }
    return 0;
}

static void fake_eof(struct sp_codec *base, enum sp_abort why)
{
    struct fake_codec *c = (struct fake_codec *)base;
    c->eofs++;
    c->eof_why = why;
    for (unsigned i = 0; i < SP_ARRAY_LEN(c->open); i++)
        if (c->open[i])
            fake_close_stream(c, i, why);
}

static void fake_flush(struct sp_codec *base, struct sp_buf *out, size_t room)
{
    struct fake_codec *c = (struct fake_codec *)base;
    c->flushes++;
    sp_buf_move(out, &c->control);
    sp_buf_move_n(out, &c->out, room);
    for (unsigned i = 0; i < SP_ARRAY_LEN(c->open) && !c->out.len; i++) {
        if (c->open[i] && c->answered[i]) {
            fake_close_stream(c, i, SP_ABORT_NONE);
            base->want_close |= c->quit;
        }
    }
}

static struct sp_codec_stream *fake_open(struct sp_codec *base, struct sp_sink *response)
{
    struct fake_codec *c = (struct fake_codec *)base;
    (void)response;
    fake_open_stream(c);
    sp_buf_append_str(&c->out, SP_STR("get\n"));
    base->cb->on_wake(base->ctx);
    return &c->streams[0];
}

static void fake_goaway(struct sp_codec *base)
{
    struct fake_codec *c = (struct fake_codec *)base;
    c->goaways++;
    sp_buf_append_str(&c->control, SP_STR("G"));
    base->draining = true;
}

static unsigned fake_room(struct sp_codec *base)
{
    return 1;
}

static void fake_rest(struct sp_codec *base)
{
    struct fake_codec *c = (struct fake_codec *)base;
    assert_int_equal(base->n_streams, 0);
    c->rests++;
}

static void fake_destroy(struct sp_codec *base)
{
    struct fake_codec *c = (struct fake_codec *)base;
    for (unsigned i = 0; i < SP_ARRAY_LEN(c->open); i++)
        if (c->open[i])
            fake_close_stream(c, i, SP_ABORT_CLOSED);
    sp_buf_clear(&c->out);
    sp_buf_clear(&c->control);
    fake_owner->codec = NULL;
    sp_codec_config_unshare(base->config);
    free(c);
}

static const struct sp_codec_ops fake_h1 = {"fake1", SP_HTTP_11, fake_feed, fake_eof, fake_flush, fake_open, fake_goaway,
                                            fake_room, NULL, fake_destroy, NULL};
static const struct sp_codec_ops fake_h2 = {"fake2", SP_HTTP_2, fake_feed, fake_eof, fake_flush, fake_open, fake_goaway,
                                            fake_room, fake_rest, fake_destroy, NULL};

static struct sp_codec *fake_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                                 void *ctx, const struct sp_codec_ops *ops)
{
    struct fake_codec *c = sp_xcalloc(1, sizeof(*c));
    c->base = (struct sp_codec){.ops = ops, .cb = cb, .ctx = ctx, .turn = turn, .config = sp_codec_config_share(config), .want_read = true};
    fake_owner->codec = c;
    fake_owner->h2 = ops == &fake_h2;
    return &c->base;
}

struct sp_codec *sp_h1_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx)
{
    return fake_new(turn, config, cb, ctx, &fake_h1);
}

struct sp_codec *sp_h2_new(struct sp_turn *turn, const struct sp_codec_config *config, const struct sp_codec_cb *cb,
                           void *ctx)
{
    return fake_new(turn, config, cb, ctx, &fake_h2);
}

/* Answers every open stream. */
static inline void fake_answer(struct fake_codec *c, const char *bytes, size_t n)
{
    sp_buf_append(&c->out, bytes, n);
    for (unsigned i = 0; i < SP_ARRAY_LEN(c->open); i++)
        c->answered[i] = c->open[i];
    c->base.cb->on_wake(c->base.ctx);
}

static inline void fake_release(struct fake_codec *c)
{
    c->hold = false;
    c->base.want_read = true;
    c->base.cb->on_wake(c->base.ctx);
}

/* ---- TLS ---- */

struct sp_tls_ctx { unsigned refs; };
static struct sp_tls_ctx fake_ctx;
struct sp_tls {
    bool server, said, open, closed, failed;
    struct sp_tls_info info;
};

struct sp_tls_ctx *sp_tls_ctx_ref(struct sp_tls_ctx *c)
{
    c->refs++;
    return c;
}

void sp_tls_ctx_unref(struct sp_tls_ctx *c)
{
    c->refs--;
}

static struct sp_tls *fake_tls(bool server)
{
    struct sp_tls *t = sp_xcalloc(1, sizeof(*t));
    t->server = server;
    t->info.alpn = sp_str_c(fake_alpn);
    return t;
}

struct sp_tls *sp_tls_accept(struct sp_tls_ctx *ctx)
{
    return fake_tls(true);
}

struct sp_tls *sp_tls_connect(struct sp_tls_ctx *ctx, struct sp_str sni, struct sp_str verify_name)
{
    return fake_tls(false);
}

void sp_tls_offer_own(struct sp_tls *t)
{
    (void)t;
}

void sp_tls_offer(struct sp_tls *t, struct sp_str wire)
{
    (void)t, (void)wire;
}

void sp_tls_free(struct sp_tls *t)
{
    free(t);
}

enum sp_tls_state sp_tls_state(const struct sp_tls *t)
{
    return t->failed ? SP_TLS_FAILED : SP_TLS_OPEN;
}

struct sp_str sp_tls_error(const struct sp_tls *t)
{
    return t->failed ? SP_STR("TLS error: fake") : SP_STR_NULL;
}

const struct sp_tls_info *sp_tls_get_info(struct sp_tls *t)
{
    return &t->info;
}

bool sp_tls_early_allows(const struct sp_tls *t, struct sp_str method)
{
    (void)t, (void)method;
    return false;
}

enum sp_tls_early_fate sp_tls_early_fate(const struct sp_tls *t)
{
    (void)t;
    return SP_TLS_EARLY_NONE;
}

uint32_t sp_tls_early_bytes(const struct sp_tls *t)
{
    (void)t;
    return 0;
}

size_t sp_tls_early_room(const struct sp_tls *t)
{
    (void)t;
    return 0;
}

void sp_tls_shutdown(struct sp_tls *t, struct sp_buf *net_out)
{
    sp_buf_append_str(net_out, SP_STR("X"));
}

static void fake_decrypt(struct sp_tls *t, struct sp_buf *net_in, struct sp_buf *app_in, size_t high)
{
    char h[2];
    while (!t->closed && !t->failed && app_in->len < high && sp_buf_peek(net_in, h, 2)) {
        if (h[0] == 'X' || h[0] == 'F') {
            t->closed = h[0] == 'X';
            t->failed = h[0] == 'F';
            sp_buf_drain(net_in, 1);
        } else if (net_in->len < 2 || net_in->len < 2 + (size_t)(unsigned char)h[1]) {
            return;
        } else {
            sp_buf_drain(net_in, 2);
            sp_buf_move_n(app_in, net_in, (unsigned char)h[1]);
        }
    }
}

enum sp_tls_state sp_tls_pump(struct sp_tls *t, struct sp_buf *net_in, struct sp_buf *app_in, struct sp_buf *app_out,
                              struct sp_buf *net_out, size_t high)
{
    char h[4];
    if (!t->server && !t->said)
        sp_buf_append_str(net_out, SP_STR("\x16HEL"));
    if (t->server && sp_buf_peek(net_in, h, 1) && !t->open)
        t->failed = h[0] != 0x16;
    if (!t->open && sp_buf_peek(net_in, h, 4) == 4) {
        sp_buf_drain(net_in, 4);
        t->open = memcmp(h, t->server ? "\x16HEL" : "\x16SRV", 4) == 0;
        t->failed = !t->open;
        if (t->failed)
            sp_buf_append_str(net_out, SP_STR("ALERT"));
        else if (t->server)
            sp_buf_append_str(net_out, SP_STR("\x16SRV"));
    }
    t->said = true;
    if (!t->failed && !t->open)
        return SP_TLS_HANDSHAKE;
    fake_decrypt(t, net_in, app_in, high);
    while (!t->failed && app_out->len && net_out->len < high) {
        size_t n = SP_MIN(app_out->len, (size_t)255);
        sp_buf_append(net_out, (char[]){'D', (char)n}, 2);
        sp_buf_move_n(net_out, app_out, n);
    }
    return t->failed ? SP_TLS_FAILED : t->closed ? SP_TLS_CLOSED : SP_TLS_OPEN;
}

int sp_client_hello_parse(const struct sp_buf *in, struct sp_arena *arena, struct sp_client_hello *ret,
                          const char **ret_why)
{
    char h[4];
    size_t n = sp_buf_peek(in, h, 4);
    if (memcmp(h, "\x16" "BAD", n) == 0 && n > 1) {
        *ret_why = "bad hello";
        return -EPROTO;
    }
    if (h[0] != 0x16) {
        *ret_why = "not TLS";
        return -EPROTO;
    }
    ret->sni = SP_STR("sni.test");
    return n == 4 && h[3] != '~'; /* that one never ends */
}

/* ---- the owner ---- */

static bool own_choose(void *ctx, const struct sp_client_hello *hello, struct sp_wire_setup *ret)
{
    struct owner *o = ctx;
    o->chosen++;
    snprintf(o->sni, sizeof(o->sni), "%.*s", SP_STR_ARG(hello ? hello->sni : SP_STR("-")));
    struct sp_codec_config config = ret->config;
    *ret = o->setup;
    ret->config = config;
    return !o->refuse;
}

static void own_ready(void *ctx)
{
    struct owner *o = ctx;
    o->ready++;
    assert_non_null(sp_wire_codec(o->wire));
}

static void own_closed(void *ctx, enum sp_wire_end why, int err, struct sp_str text)
{
    struct owner *o = ctx;
    assert_int_equal(o->closed, 0);
    assert_null(o->codec); /* all streams were closed before */
    o->closed++;
    o->why = why;
    o->err = err;
    snprintf(o->text, sizeof(o->text), "%.*s", SP_STR_ARG(text));
}

static void own_bytes(void *ctx, size_t rx, size_t tx)
{
    struct owner *o = ctx;
    o->rx += rx;
    o->tx += tx;
}

static bool own_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct owner *o = ctx;
    o->streams++;
    if (o->on_stream)
        o->on_stream(o);
    return true;
}

static void own_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct owner *o = ctx;
    o->stream_closed++;
    o->stream_why = why;
    if (o->wire)
        sp_wire_kick(o->wire); /* harmless, also at the end */
}

static void own_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct owner *o = ctx;
    o->events++;
    o->detail = detail;
}

static bool own_secure(void *ctx)
{
    struct owner *o = ctx;
    o->secured++;
    return !o->hold;
}

static const struct sp_wire_cb own_cb = {own_choose, own_ready, own_closed, own_bytes, NULL, own_secure};
static const struct sp_codec_cb own_codec_cb = {
    .on_stream = own_stream, .on_stream_closed = own_stream_closed, .on_event = own_event};

static inline int own_setup(void **state)
{
    struct owner *o = sp_xcalloc(1, sizeof(*o));
    o->l = loop_new();
    o->fd = -1;
    fake_owner = o;
    fake_alpn = "";
    *state = o;
    return 0;
}

/* Lets the wire run at the end of a turn, without waiting for more than one. */
static inline void own_server(struct owner *o, bool inspect, uint64_t first_ns)
{
    int fds[2], err;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    o->fd = fds[1];
    struct sp_transport *t = sp_transport_adopt(&o->l->worker, fds[0], NULL, NULL, &err);
    o->wire = sp_wire_server(&o->l->worker, t, inspect, first_ns, &own_cb, &own_codec_cb, o);
    assert_int_equal(o->chosen, 0);
}

static inline int own_teardown(void **state)
{
    struct owner *o = *state;
    if (o->wire && !o->closed) {
        sp_wire_close(o->wire, true);
        LOOP_UNTIL(o->l, o->closed);
    }
    if (o->fd >= 0)
        close(o->fd);
    loop_free(o->l);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    assert_int_equal(fake_ctx.refs, 0);
    assert_int_equal(o->streams, o->stream_closed);
    free(o);
    return 0;
}

static inline void say(struct owner *o, const char *s)
{
    assert_int_equal(write(o->fd, s, strlen(s)), strlen(s));
}

/* Reads from the other end until `want` came, and no more than that. */
static inline void hear(struct owner *o, const char *want)
{
    char got[256];
    size_t n = 0, len = strlen(want);
    while (n < len) {
        ssize_t r = -1;
        LOOP_UNTIL(o->l, (r = read(o->fd, got + n, sizeof(got) - n)) > 0);
        n += (size_t)r;
    }
    assert_int_equal(n, len);
    assert_memory_equal(got, want, len);
}

static inline void hear_end(struct owner *o)
{
    char c;
    ssize_t r = -1;
    LOOP_UNTIL(o->l, (r = read(o->fd, &c, 1)) >= 0 || errno != EAGAIN);
    assert_int_equal(r, 0);
}

#define MS(n) ((n) * SP_NS_PER_MS)
#define T(f) cmocka_unit_test_setup_teardown(f, own_setup, own_teardown)

#endif
