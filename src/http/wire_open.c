/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/wire_open.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "http/wire_close.h"
#include "http/wire_io.h"
#include "http/wire_shed.h"

enum {
    HANDSHAKES_TURN = 8,    /* 8 ms with RSA keys of 2048 bits, 2 ms with P-256 */
    EARLY_MS = 10000,       /* from early data to the end of the handshake, where the config sets no limit */
    WATER_MIN = 16 * 1024,  /* less would not hold one TLS record */
    WATER_MAX = 128 * 1024, /* more would only fill memory: the kernel has buffers of its own */
};

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
enum { PREFACE_LEN = sizeof(preface) - 1 };

static uint32_t to_ms(uint64_t ns)
{
    uint64_t ms = (ns + SP_NS_PER_MS - 1) / SP_NS_PER_MS;
    return (uint32_t)SP_MIN(ms, (uint64_t)UINT32_MAX);
}

void sp_wire_set_up(struct sp_wire *w, const struct sp_wire_setup *s)
{
    assert(!w->opening && !w->tls);
    size_t limit = s->buffer_limit ? s->buffer_limit : WATER_MAX;
    w->high_water = (uint32_t)SP_MIN(SP_MAX(limit, (size_t)WATER_MIN), (size_t)WATER_MAX);
    w->idle_ms = to_ms(s->idle_ns);
    w->sheds = s->sheds;
    w->headers_ms = to_ms(s->headers_ns);
    w->delayed_ms = to_ms(s->delayed_close_ns);
    w->drain_ms = to_ms(s->drain_ns);
    w->safe_age = s->safe_max_age;
    w->age_due = s->max_age_ns ? sp_wire_now(w) + s->max_age_ns : 0;
    w->opening = sp_xcalloc(1, sizeof(*w->opening));
    w->opening->config = s->config;
    w->opening->config.server = w->server;
    w->opening->config.tls = s->tls != NULL;
    w->opening->codec = (uint8_t)s->codec;
    sp_wire_drain_silent(w);
    sp_buf_init(&w->opening->first);
    sp_buf_append_str(&w->opening->first, s->first);
    if (!s->tls)
        return;
    w->tls = sp_xcalloc(1, sizeof(*w->tls));
    w->tls->ctx = sp_tls_ctx_ref(s->tls);
    w->tls->tls = w->server ? sp_tls_accept(s->tls) : sp_tls_connect(s->tls, s->sni, s->verify_name);
    if (!w->server)
        sp_tls_offer(w->tls->tls, s->offer);
    if (!w->server && s->config.raw)
        sp_tls_offer_own(w->tls->tls);
}

static bool on_stream(void *ctx, struct sp_codec_stream *cs, struct sp_headers *h)
{
    struct sp_wire *w = ctx;
    w->idling = false;
    w->new_head = true;
    return w->codec_cb->on_stream(w->ctx, cs, h);
}

static void on_stream_closed(void *ctx, struct sp_codec_stream *cs, enum sp_abort why)
{
    struct sp_wire *w = ctx;
    w->idling = false; /* the idle time begins anew */
    w->codec_cb->on_stream_closed(w->ctx, cs, why);
}

static void on_wake(void *ctx)
{
    struct sp_wire *w = ctx;
    if (w->phase == SP_WP_DEAD)
        return;
    if (w->codec && w->codec->later) { /* from within our turn, at whose end the timer is armed */
        w->codec->later = false;
        w->again = true;
        sp_defer_cancel(&w->run); /* asked for when the answer was given */
    } else {
        sp_defer(&w->worker->turn, &w->run);
    }
}

static void on_event(void *ctx, enum sp_codec_event ev, const char *detail, unsigned status)
{
    struct sp_wire *w = ctx;
    if (w->codec_cb->on_event)
        w->codec_cb->on_event(w->ctx, ev, detail, status);
}

static bool on_refusal(void *ctx, unsigned status, const char *detail, struct sp_headers *h, struct sp_buf *body)
{
    struct sp_wire *w = ctx;
    return w->codec_cb->on_refusal && w->codec_cb->on_refusal(w->ctx, status, detail, h, body);
}

static void on_draining(void *ctx)
{
    struct sp_wire *w = ctx;
    if (w->codec_cb->on_draining)
        w->codec_cb->on_draining(w->ctx);
}

/* The codec's callbacks pass through here, so that its wake-ups reach the wire. */
static const struct sp_codec_cb forward = {on_stream, on_stream_closed, on_wake, on_event, on_refusal, on_draining};

static bool make_codec(struct sp_wire *w, enum sp_codec_kind kind)
{
    assert(w->opening && !w->codec && kind != SP_CODEC_AUTO);
    if (sp_wire_shed_codec(w))
        return false;
    struct sp_codec *(*make)(struct sp_turn *, const struct sp_codec_config *, const struct sp_codec_cb *, void *) =
        kind == SP_CODEC_H2 ? sp_h2_new : sp_h1_new;
    w->codec = make(&w->worker->turn, &w->opening->config, &forward, w);
    if (!w->codec) {
        sp_wire_finish(w, w->server ? SP_WIRE_LOCAL : SP_WIRE_CONNECT, -ENOMEM, true);
        return false;
    }
    w->codec->early = w->tls && SP_UNLIKELY(w->tls_state == SP_TLS_EARLY || sp_tls_early_bytes(w->tls->tls) > 0);
    free(w->opening);
    w->opening = NULL;
    w->phase = SP_WP_OPEN;
    sp_wire_set_due(w, 0);
    w->idling = w->heading = false;
    w->cb->on_ready(w->ctx);
    sp_wire_drain_fresh(w);
    return true;
}

/* TLS or not, the bytes will be plain from here on. */
static bool pick_codec(struct sp_wire *w)
{
    enum sp_codec_kind kind = w->opening->codec;
    if (kind == SP_CODEC_AUTO && w->tls) {
        struct sp_str alpn = sp_tls_get_info(w->tls->tls)->alpn;
        if (alpn.len)
            kind = sp_str_eq(alpn, SP_STR("h2")) ? SP_CODEC_H2 : SP_CODEC_H1;
    }
    if (kind == SP_CODEC_AUTO && !w->server)
        kind = SP_CODEC_H1;
    if (kind != SP_CODEC_AUTO)
        return make_codec(w, kind);
    w->phase = SP_WP_PREFACE;
    sp_wire_set_due(w, w->idle_ms * SP_NS_PER_MS);
    return true;
}

static bool fail(struct sp_wire *w, enum sp_wire_end why, const char *text)
{
    w->text = text;
    sp_wire_finish(w, why, 0, false);
    return false;
}

static bool after_choice(struct sp_wire *w, const struct sp_wire_setup *setup)
{
    sp_wire_set_up(w, setup);
    if (!w->tls)
        return pick_codec(w);
    w->phase = SP_WP_HANDSHAKE;
    sp_wire_set_due(w, setup->handshake_ns);
    return true;
}

static bool choose(struct sp_wire *w, const struct sp_client_hello *hello)
{
    struct sp_wire_setup setup = {0};
    sp_codec_config_init(&setup.config, true);
    if (!w->cb->on_choose(w->ctx, hello, &setup)) {
        sp_wire_finish(w, SP_WIRE_REFUSED, 0, true);
        return false;
    }
    if (w->close_asked)
        return false;
    return after_choice(w, &setup);
}

static bool step_first(struct sp_wire *w)
{
    struct sp_buf *in = sp_transport_in(w->transport);
    int r = in->len ? w->cb->on_first(w->ctx, in) : 0;
    if (r > 0)
        w->phase = SP_WP_HELLO;
    else if (r < 0)
        sp_wire_finish(w, SP_WIRE_REFUSED, 0, true);
    else if (w->in_end)
        sp_wire_finish(w, SP_WIRE_REMOTE, w->in_err, false);
    return r > 0;
}

/* 1: parsed into *ret; 0: more is needed; -1: finished. */
static int read_hello(struct sp_wire *w, struct sp_arena *arena, struct sp_client_hello *ret)
{
    const char *why = NULL;
    struct sp_buf *in = sp_transport_in(w->transport);
    int r = in->len ? sp_client_hello_parse(in, arena, ret, &why) : 0;
    if (r < 0 || (r == 0 && in->len >= SP_CLIENT_HELLO_MAX)) {
        fail(w, SP_WIRE_TLS, why ? why : "TLS error: the ClientHello is too long");
        return -1;
    }
    if (r == 0 && w->in_end) {
        fail(w, SP_WIRE_REMOTE, in->len ? "the peer closed the connection inside its ClientHello" : NULL);
        return -1;
    }
    return r;
}

static bool step_hello(struct sp_wire *w)
{
    char first = 0;
    struct sp_buf *in = sp_transport_in(w->transport);
    if (!w->inspect || (sp_buf_peek(in, &first, 1) && first != 0x16)) /* a TLS record of the handshake begins so */
        return choose(w, NULL);
    struct sp_arena arena;
    struct sp_client_hello hello = {0};
    sp_arena_init(&arena);
    bool on = read_hello(w, &arena, &hello) > 0 && choose(w, &hello);
    sp_arena_done(&arena);
    return on;
}

/* Whoever was asked about the peer said no, and it is over. */
static bool distrusted(struct sp_wire *w)
{
    w->tls_state = (uint8_t)sp_tls_state(w->tls->tls);
    if (w->tls_state != SP_TLS_FAILED)
        return false;
    sp_wire_begin_close(w, SP_WIRE_TLS);
    return true;
}

/* Under the handshake's deadline still. */
static bool step_held(struct sp_wire *w)
{
    if (distrusted(w))
        return false;
    if (w->in_end || w->write_err) {
        sp_wire_finish(w, SP_WIRE_REMOTE, w->in_err ? w->in_err : w->write_err, false);
        return false;
    }
    return w->proceed && pick_codec(w);
}

/*
 * A handshake costs more than anything else that a stranger can have for nothing. Of a crowd of them a turn takes a few; the others wait for
 * the next, so that those who are in are served in between.
 */
static bool put_off(struct sp_wire *w)
{
    static _Thread_local uint64_t turn_ns;
    static _Thread_local unsigned n;
    if (!w->server || !sp_transport_in(w->transport)->len)
        return false;
    if (turn_ns != sp_wire_now(w)) {
        turn_ns = sp_wire_now(w);
        n = 0;
    }
    w->again = n == HANDSHAKES_TURN;
    n += !w->again;
    return w->again;
}

static bool step_handshake(struct sp_wire *w)
{
    if (put_off(w))
        return false;
    sp_wire_pump(w);
    if (sp_wire_tls_up(w)) {
        if (SP_UNLIKELY(w->tls_state == SP_TLS_EARLY))
            w->tls->early_due = w->phase_due ? w->phase_due : sp_wire_now(w) + EARLY_MS * SP_NS_PER_MS;
        if (!w->cb->on_secure || w->cb->on_secure(w->ctx)) {
            bool on = pick_codec(w);
            if (w->phase != SP_WP_OPEN && w->phase != SP_WP_DEAD)
                sp_wire_send_tls(w); /* else it goes out with the codec's first words, at the end of this turn: one write */
            return on;
        }
        sp_wire_send_tls(w);
        w->phase = SP_WP_HELD;
        distrusted(w);
        return false;
    }
    sp_wire_send_tls(w);
    if (w->tls_state == SP_TLS_FAILED) {
        sp_wire_begin_close(w, SP_WIRE_TLS); /* not at once: the alert must not be lost to a reset */
    } else if (w->in_end || w->write_err || w->tls_state == SP_TLS_CLOSED) {
        w->text = "the peer closed the connection during the TLS handshake";
        sp_wire_finish(w, SP_WIRE_REMOTE, w->in_err ? w->in_err : w->write_err, false);
    }
    return false;
}

static bool step_preface(struct sp_wire *w)
{
    char seen[PREFACE_LEN];
    if (w->tls)
        sp_wire_pump(w);
    size_t n = sp_buf_peek(sp_wire_app_in(w), seen, PREFACE_LEN);
    if (n && memcmp(seen, preface, n) != 0)
        return make_codec(w, SP_CODEC_H1);
    if (n == PREFACE_LEN)
        return make_codec(w, SP_CODEC_H2);
    if (w->in_end || (w->tls && !sp_wire_tls_up(w))) {
        bool failed = w->tls && w->tls_state == SP_TLS_FAILED;
        sp_wire_finish(w, failed ? SP_WIRE_TLS : SP_WIRE_REMOTE, w->in_err, false);
        return false;
    }
    if (n && !w->heading && w->headers_ms) { /* a request's head has begun */
        w->heading = true;
        sp_wire_set_due(w, w->headers_ms * SP_NS_PER_MS);
    }
    return false;
}

static bool step_connect(struct sp_wire *w)
{
    if (w->write_err) {
        sp_wire_finish(w, SP_WIRE_CONNECT, w->write_err, false);
        return false;
    }
    if (!w->connected)
        return false;
    sp_transport_read(w->transport, true);
    sp_wire_send_plain(w, &w->opening->first);
    if (!w->tls)
        return pick_codec(w);
    w->phase = SP_WP_HANDSHAKE; /* under the same deadline */
    return true;
}

bool sp_wire_open_step(struct sp_wire *w)
{
    switch ((enum sp_wire_phase)w->phase) {
    case SP_WP_CONNECT:
        return step_connect(w);
    case SP_WP_FIRST:
        return step_first(w);
    case SP_WP_HELLO:
        return step_hello(w);
    case SP_WP_HANDSHAKE:
        return step_handshake(w);
    case SP_WP_HELD:
        return step_held(w);
    case SP_WP_PREFACE:
        return step_preface(w);
    default:
        return false;
    }
}
