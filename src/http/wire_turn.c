/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>

#include "base/mem.h"
#include "base/reserve.h"
#include "http/h1_codec.h"
#include "http/wire_close.h"
#include "http/wire_io.h"
#include "http/wire_open.h"
#include "http/wire_shed.h"
#include "http/wire_state.h"
#include "net/race.h"

enum { REST_MS = 1000 }; /* without a stream, until the codec is told to rest */
enum { MUTE_MS = 2000 }; /* client: how long an answer may still come in when the peer takes no more */

/* One exchange at a time: there is nothing that its turn could gather by waiting for others' events. */
static bool alone(const struct sp_wire *w)
{
    return w->phase == SP_WP_OPEN && w->codec->ops->protocol != SP_HTTP_2;
}

void sp_wire_kick(struct sp_wire *w)
{
    assert(w);
    if (w->phase == SP_WP_DEAD)
        return;
    if (alone(w))
        sp_defer_soon(&w->worker->turn, &w->run);
    else
        sp_defer(&w->worker->turn, &w->run);
}

static void on_connect(void *ctx, int err)
{
    struct sp_wire *w = ctx;
    w->connected = !err;
    w->write_err = (int16_t)err;
    sp_wire_kick(w);
}

static void on_read(void *ctx, struct sp_buf *in, int err)
{
    struct sp_wire *w = ctx;
    (void)in;
    if (err) {
        w->in_end = true;
        w->in_err = (int16_t)(err == UV_EOF ? 0 : err);
    }
    sp_wire_kick(w);
}

static void on_drained(void *ctx, int err)
{
    struct sp_wire *w = ctx;
    w->write_err = (int16_t)err;
    sp_wire_kick(w);
}

static void on_turn(void *ctx)
{
    struct sp_wire *w = ctx;
    if (alone(w))
        sp_turn_run_soon(&w->worker->turn);
}

static const struct sp_transport_cb transport_cb = {on_connect, on_read, on_drained, on_turn};

static void on_raced(void *ctx, struct sp_transport *t, int err)
{
    struct sp_wire *w = ctx;
    w->opening->race = NULL;
    w->transport = t;
    if (t)
        sp_transport_set_cb(t, &transport_cb, w);
    on_connect(w, err);
}

static void on_timer(struct sp_timer *t)
{
    sp_wire_kick(SP_CONTAINER_OF(t, struct sp_wire, timer));
}

/* A head that does not come to its end. HTTP/1 has an answer for that, HTTP/2 has not: its header block holds up all else. */
static void headers_timeout(struct sp_wire *w)
{
    static const char detail[] = "request_header_timeout";
    bool h1 = w->codec && w->codec->ops->protocol != SP_HTTP_2 && !w->codec->n_streams;
    unsigned status = h1 ? 408 : 0;
    struct sp_buf out;
    sp_buf_init(&out);
    if (h1)
        status = sp_h1_write_error(w->codec_cb, w->ctx, detail, &out, status, true, false);
    if (w->codec && w->codec_cb->on_event)
        w->codec_cb->on_event(w->ctx, SP_CE_HEADERS_TIMEOUT, detail, status);
    if (h1) {
        sp_wire_put(w, &out);
    } else if (w->codec) {
        w->codec->ops->goaway(w->codec);
        sp_wire_flush(w);
    }
    sp_wire_begin_close(w, SP_WIRE_TIMEOUT);
}

/* HTTP/2 gets its final GOAWAY, so that a request that crosses it is known not to have been taken. */
static void idle_timeout(struct sp_wire *w)
{
    if (w->codec) {
        w->codec->ops->goaway(w->codec);
        if (w->server && w->codec->ops->protocol == SP_HTTP_2)
            w->codec->ops->goaway(w->codec);
        sp_wire_flush(w);
    }
    sp_wire_begin_close(w, SP_WIRE_IDLE);
}

/* What the deadline of an open connection means now: a head under way, no stream at all, or nothing. */
static void update_due(struct sp_wire *w)
{
    if (w->write_err)
        return;
    if (w->server && w->codec->in_head && w->headers_ms) {
        if (!w->heading || w->new_head)
            sp_wire_set_due(w, w->headers_ms * SP_NS_PER_MS);
        w->heading = true;
        w->idling = false;
    } else {
        if (w->codec->n_streams || w->heading)
            w->phase_due = 0;
        w->heading = false;
        if (w->codec->n_streams)
            w->idling = false;
        else if (!w->idling) {
            w->idling = true;
            sp_wire_set_due(w, w->idle_ms * SP_NS_PER_MS);
            w->rest_due = w->codec->ops->rest ? sp_wire_now(w) + REST_MS * SP_NS_PER_MS : 0;
        }
    }
    w->new_head = false;
}

/* True when a deadline ended the connection. */
static bool check_due(struct sp_wire *w)
{
    if (SP_UNLIKELY(w->tls && w->tls->early_due) && sp_wire_due(w, w->tls->early_due)) {
        w->text = "TLS error: the client sent early data, but did not finish its handshake";
        sp_wire_finish(w, SP_WIRE_TLS, -ETIMEDOUT, true);
        return true;
    }
    if (sp_wire_due(w, sp_wire_phase_due(w))) {
        if (w->phase == SP_WP_OPEN && w->write_err)
            sp_wire_finish(w, SP_WIRE_REMOTE, w->write_err, false);
        else if (w->heading)
            headers_timeout(w);
        else if (w->phase == SP_WP_OPEN || w->phase == SP_WP_PREFACE)
            idle_timeout(w);
        else
            sp_wire_finish(w, SP_WIRE_TIMEOUT, -ETIMEDOUT, true);
        return true;
    }
    if (w->draining && !w->codec && sp_wire_due(w, w->age_due)) {
        sp_wire_begin_close(w, w->end);
        return true;
    }
    if (!w->draining && sp_wire_due(w, w->age_due))
        sp_wire_begin_drain(w, SP_WIRE_MAX_AGE);
    if (w->phase == SP_WP_OPEN && sp_wire_due(w, w->rest_due)) {
        w->rest_due = 0;
        if (w->idling)
            w->codec->ops->rest(w->codec);
    }
    return false;
}

/* The peer takes no more. A server's work is in vain then; a client's answer may have been sent before. */
static bool check_write_err(struct sp_wire *w)
{
    if (!w->write_err)
        return false;
    if (w->server || w->in_end) {
        sp_wire_finish(w, SP_WIRE_REMOTE, w->write_err, false);
        return true;
    }
    if (!w->phase_due || w->idling)
        sp_wire_set_due(w, MUTE_MS * SP_NS_PER_MS);
    w->idling = false;
    return false;
}

/* The codec or TLS gave up: what they had to say goes out with what can still be sent. */
static bool check_failed(struct sp_wire *w)
{
    bool tls_failed = w->tls && w->tls_state == SP_TLS_FAILED;
    if (!tls_failed && !w->failed)
        return false;
    sp_wire_begin_close(w, tls_failed ? SP_WIRE_TLS : SP_WIRE_PROTOCOL);
    return true;
}

/* True when the connection is over, or everything that is left to do is closing it. */
static bool check_end(struct sp_wire *w, bool flushed)
{
    bool gone = w->in_err || w->write_err; /* no use in waiting until it is flushed */
    if (check_failed(w))
        return true;
    if (w->codec->want_reset) { /* what was cut short must not look whole */
        sp_wire_finish(w, SP_WIRE_LOCAL, 0, true);
        return true;
    }
    if (w->eof_told && (gone || (flushed && !w->codec->n_streams))) {
        sp_wire_finish(w, SP_WIRE_REMOTE, w->in_err, false);
        return true;
    }
    if (!flushed || SP_UNLIKELY(w->tls && w->tls_state == SP_TLS_EARLY)) /* it gets its ticket first, under a deadline of its own */
        return false;
    bool done = w->codec->want_close || (!w->server && w->codec->draining && !w->codec->n_streams);
    if (!done && !sp_wire_drained(w))
        return false;
    if (w->drain_step && !sp_wire_flush(w)) /* the final GOAWAY */
        return false;
    sp_wire_begin_close(w, w->end);
    return true;
}

static void open_turn(struct sp_wire *w)
{
    if (SP_UNLIKELY(sp_wire_may_shed(w)) && sp_wire_shed(w))
        return;
    sp_wire_feed(w);
    if (w->close_asked)
        return;
    update_due(w);
    if (check_write_err(w) || check_due(w))
        return;
    bool flushed = sp_wire_flush(w);
    if (w->close_asked || check_end(w, flushed))
        return;
    if (flushed && w->codec->want_fin)
        sp_wire_half_close(w);
    update_due(w); /* streams may have ended in the flush */
}

static void asked_close(struct sp_wire *w)
{
    if (w->phase == SP_WP_OPEN && !w->close_reset && !w->write_err)
        sp_wire_flush(w);
    sp_wire_finish(w, SP_WIRE_LOCAL, 0, w->close_reset);
}

static void run(struct sp_defer *d)
{
    struct sp_wire *w = SP_CONTAINER_OF(d, struct sp_wire, run);
    assert(w->phase != SP_WP_DEAD);
    w->again = false;
    if (w->transport)
        sp_wire_count_in(w);
    if (SP_UNLIKELY(sp_memory() == SP_MEM_LOW) && w->phase < SP_WP_CLOSING) { /* whatever it would do takes more */
        bool connecting = w->phase == SP_WP_CONNECT;
        sp_wire_finish(w, connecting ? SP_WIRE_CONNECT : SP_WIRE_LOCAL, -ENOMEM, !connecting);
        return;
    }
    if (w->close_asked) {
        asked_close(w);
        return;
    }
    while (sp_wire_open_step(w))
        ;
    if (w->phase == SP_WP_OPEN && !w->close_asked)
        open_turn(w);
    else if (w->phase == SP_WP_CLOSING)
        sp_wire_closing_turn(w);
    else if (w->phase != SP_WP_DEAD && !w->close_asked)
        check_due(w);
    if (w->phase == SP_WP_DEAD)
        return;
    if (w->transport)
        sp_wire_tell_bytes(w);
    if (w->phase != SP_WP_CONNECT && !w->close_asked)
        sp_wire_set_reading(w);
    sp_wire_arm(w);
}

static struct sp_wire *wire_new(struct sp_worker *w, const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb,
                                void *ctx)
{
    struct sp_wire *c = sp_xcalloc(1, sizeof(*c));
    c->worker = w;
    c->cb = cb;
    c->codec_cb = codec_cb;
    c->ctx = ctx;
    c->run.run = run;
    c->timer.fire = on_timer;
    return c;
}

struct sp_wire *sp_wire_server(struct sp_worker *worker, struct sp_transport *t, bool inspect_tls, uint64_t first_ns,
                               const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb, void *ctx)
{
    assert(worker && t && cb && cb->on_choose && cb->on_ready && cb->on_closed && codec_cb && codec_cb->on_stream);
    struct sp_wire *w = wire_new(worker, cb, codec_cb, ctx);
    w->server = true;
    w->inspect = inspect_tls;
    w->transport = t;
    w->phase = cb->on_first ? SP_WP_FIRST : SP_WP_HELLO;
    w->high_water = 2 * SP_CLIENT_HELLO_MAX;
    sp_transport_set_cb(t, &transport_cb, w);
    if (inspect_tls || cb->on_first)
        sp_wire_set_due(w, first_ns);
    sp_wire_kick(w);
    return w;
}

struct sp_wire *sp_wire_client(struct sp_worker *worker, const struct sp_addr *to, const struct sp_wire_setup *setup,
                               const struct sp_wire_cb *cb, const struct sp_codec_cb *codec_cb, void *ctx)
{
    assert(worker && to && setup && cb && cb->on_ready && cb->on_closed && codec_cb);
    struct sp_wire *w = wire_new(worker, cb, codec_cb, ctx);
    w->phase = SP_WP_CONNECT;
    sp_wire_set_up(w, setup);
    sp_wire_set_due(w, setup->connect_ns);
    int err = 0;
    if (SP_UNLIKELY(setup->n_race))
        w->opening->race = sp_race_new(worker, setup->race, setup->n_race, &setup->sock, on_raced, w);
    else
        w->transport = sp_transport_connect(worker, to, &setup->sock, &transport_cb, w, &err);
    w->write_err = (int16_t)err;
    sp_wire_kick(w);
    return w;
}

struct sp_codec *sp_wire_codec(struct sp_wire *w)
{
    assert(w);
    return w->codec;
}

struct sp_tls *sp_wire_tls(struct sp_wire *w)
{
    assert(w);
    return w->tls ? w->tls->tls : NULL;
}

struct sp_transport *sp_wire_transport(struct sp_wire *w)
{
    assert(w);
    return w->transport;
}

void sp_wire_drain(struct sp_wire *w)
{
    assert(w);
    if (w->phase >= SP_WP_CLOSING)
        return;
    sp_wire_begin_drain(w, SP_WIRE_LOCAL);
    sp_wire_kick(w);
}

void sp_wire_close(struct sp_wire *w, bool reset)
{
    assert(w);
    w->close_asked = true;
    w->close_reset |= reset;
    sp_wire_kick(w);
}

void sp_wire_proceed(struct sp_wire *w)
{
    assert(w);
    w->proceed = true;
    sp_wire_kick(w);
}

size_t sp_wire_held(const struct sp_wire *w)
{
    assert(w);
    if (!w->transport)
        return 0;
    size_t n = sp_transport_in(w->transport)->len + sp_wire_out_held(w);
    return w->tls ? n + w->tls->app_in.len : n;
}
