/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/wire_io.h"

#include <assert.h>

enum {
    FEED_TURN = 256 * 1024,   /* decrypted and fed in one turn before others get theirs */
    FLUSH_TURN = 1024 * 1024, /* sent in one turn, if the kernel takes so much */
    PIECE = 32 * 1024,        /* a codec may stop this far from the room it was given, though it has more */
};

void sp_wire_pump(struct sp_wire *w)
{
    struct sp_wire_tls *t = w->tls;
    if (w->tls_state == SP_TLS_FAILED)
        return;
    w->tls_state = (uint8_t)sp_tls_pump(t->tls, sp_transport_in(w->transport), &t->app_in, &t->app_out, &t->net_out,
                                        w->high_water);
    if (SP_UNLIKELY(t->early_due) && w->tls_state != SP_TLS_EARLY)
        t->early_due = 0;
}

void sp_wire_send_plain(struct sp_wire *w, struct sp_buf *b)
{
    if (!b->len)
        return;
    w->tx += (uint32_t)b->len;
    sp_transport_write(w->transport, b);
}

void sp_wire_send_tls(struct sp_wire *w)
{
    sp_wire_send_plain(w, &w->tls->net_out);
}

/* Whether the input is over, as far as the codec is concerned. */
static bool input_over(struct sp_wire *w)
{
    if (w->eof_told || w->again || w->failed)
        return false;
    if (!w->in_end && !(w->tls && !sp_wire_tls_up(w)))
        return false;
    /* A paused reader of a response, or of a tunnel, gets what came before the end. A request's end matters at once:
     * nobody is there to read the answer. */
    return (w->server && !w->codec->tunnel) || w->in_err || sp_wire_app_in(w)->len == 0 || !w->codec->n_streams;
}

static void tell_end(struct sp_wire *w)
{
    if (!input_over(w))
        return;
    bool orderly = w->tls ? w->tls_state == SP_TLS_CLOSED : !w->in_err;
    w->eof_told = true;
    w->codec->ops->eof(w->codec, orderly ? SP_ABORT_CLOSED : SP_ABORT_RESET);
}

/* Before the codec sees anything: what of it was early. Once it has taken all of that, and no head is under way, the next one was not.
 * The codec notes it where a request begins: HTTP/2 hands requests over later. */
static bool still_early(const struct sp_wire *w)
{
    const struct sp_wire_tls *t = w->tls;
    return w->tls_state == SP_TLS_EARLY || t->early_taken < sp_tls_early_bytes(t->tls) || w->codec->in_head;
}

/* As codec->ops->feed. */
static int feed_early(struct sp_wire *w, struct sp_buf *app)
{
    size_t before = app->len;
    assert(w->tls);
    w->codec->early = still_early(w);
    int err = w->codec->ops->feed(w->codec, app);
    w->tls->early_taken += (uint32_t)(before - app->len);
    return err;
}

static int feed(struct sp_wire *w, struct sp_buf *app)
{
    return SP_UNLIKELY(w->codec->early) ? feed_early(w, app) : w->codec->ops->feed(w->codec, app);
}

void sp_wire_feed(struct sp_wire *w)
{
    struct sp_buf *app = sp_wire_app_in(w);
    for (size_t work = 0; !w->failed && !w->close_asked;) {
        if (w->tls)
            sp_wire_pump(w);
        size_t n = app->len;
        if (n && w->codec->want_read && feed(w, app))
            w->failed = true;
        /* TLS stops at the high-water mark; what is decrypted already, or could be, raises no event. */
        if (!w->tls || !n || app->len || n + SP_CHUNK_SIZE < w->high_water)
            break;
        work += n;
        if (work >= FEED_TURN) {
            w->again = true;
            break;
        }
    }
    if (!w->close_asked)
        tell_end(w);
}

/* Encrypts what waits, as long as the kernel takes it: the pump stops at the high-water mark of its output. */
static void push_tls(struct sp_wire *w)
{
    do {
        if (w->tls->app_out.len)
            sp_wire_pump(w);
        if (!w->tls->net_out.len)
            return;
        sp_wire_send_tls(w);
    } while (w->tls->app_out.len && !sp_transport_queued(w->transport));
}

static size_t flush_once(struct sp_wire *w, size_t room)
{
    struct sp_buf plain;
    sp_buf_init(&plain);
    struct sp_buf *out = w->tls ? &w->tls->app_out : &plain;
    size_t before = out->len;
    w->codec->ops->flush(w->codec, out, room);
    size_t n = out->len - before;
    /* With early data it would be the handshake that waits. */
    sp_transport_hold(w->transport, w->codec->may_wait && SP_LIKELY(w->tls_state != SP_TLS_EARLY));
    if (w->tls)
        push_tls(w);
    else
        sp_wire_send_plain(w, &plain);
    return n;
}

void sp_wire_put(struct sp_wire *w, struct sp_buf *b)
{
    if (!w->tls) {
        sp_wire_send_plain(w, b);
        return;
    }
    sp_buf_move(&w->tls->app_out, b);
    push_tls(w);
}

bool sp_wire_flush(struct sp_wire *w)
{
    for (size_t done = 0;;) {
        size_t held = sp_wire_out_held(w);
        if (held >= 2 * (size_t)w->high_water)
            return false; /* not even answers to pings: the codec has a limit for those */
        size_t room = held < w->high_water ? w->high_water - held : 0;
        size_t n = flush_once(w, room);
        if (n + PIECE < room || (!n && room))
            return !w->tls || (!w->tls->app_out.len && !w->tls->net_out.len);
        if (!room)
            return false; /* on_drained comes */
        done += n;
        if (done >= FLUSH_TURN) {
            w->again = true;
            return false;
        }
    }
}

void sp_wire_set_reading(struct sp_wire *w)
{
    size_t unread = sp_transport_in(w->transport)->len;
    if (w->tls)
        unread += w->tls->app_in.len;
    /* The end of the handshake must not wait for an answer. */
    bool early = SP_UNLIKELY(w->tls && w->tls_state == SP_TLS_EARLY);
    bool on = unread < w->high_water + (early ? sp_tls_early_room(w->tls->tls) : 0);
    if (w->codec && !w->codec->want_read && unread && !early)
        on = false; /* while nothing waits the peer's end is still worth knowing */
    sp_transport_read(w->transport, on);
}
