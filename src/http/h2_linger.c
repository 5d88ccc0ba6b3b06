/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/h2_linger.h"

#include <assert.h>

#include "http/h2_fail.h"
#include "http/h2_stream.h"

enum { BYTES_MAX = 256 * 1024 };

static const uint64_t TIME_NS = SP_NS_PER_S, UNTAKEN_NS = 5 * SP_NS_PER_S;

static struct sp_h2_stream *first(struct sp_h2 *c)
{
    return sp_list_empty(&c->lingering) ? NULL : SP_CONTAINER_OF(c->lingering.next, struct sp_h2_stream, lingering);
}

static void take_off(struct sp_h2_stream *s)
{
    sp_list_remove(&s->lingering);
    s->conn->codec.lingers = !sp_list_empty(&s->conn->lingering);
}

/* Enough. It stays on the list, so that the connection waits for the reset to be sent. */
static void stop(struct sp_h2_stream *s)
{
    if (s->reset_due)
        return;
    if (!s->conn->codec.config->server) {
        sp_h2_stream_reset(s, NGHTTP2_CANCEL, SP_ABORT_NONE);
        return;
    }
    sp_h2_linger_reset(s, NGHTTP2_NO_ERROR);
}

static void linger_fired(struct sp_timer *t)
{
    struct sp_h2 *c = SP_CONTAINER_OF(t, struct sp_h2, linger_timer);
    uint64_t now = c->codec.turn->now_ns;
    SP_LIST_FOREACH(n, &c->lingering) {
        struct sp_h2_stream *s = SP_CONTAINER_OF(n, struct sp_h2_stream, lingering);
        if (s->linger_until_ns > now) {
            sp_timer_start(c->codec.turn, t, s->linger_until_ns - now);
            return;
        }
        stop(s);
    }
}

void sp_h2_linger_init(struct sp_h2 *c)
{
    assert(c);
    sp_list_init(&c->lingering);
    c->linger_timer.fire = linger_fired;
}

void sp_h2_linger_prepare(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    assert(c->codec.config->server && s->live && s->tx_ended && !s->rx_ended);
    if (s->may_linger || (s->tx_good && s->rx_expect > BYTES_MAX))
        return;
    s->may_linger = true;
    int64_t window = SP_MIN((int64_t)sp_h2_window(s) + BYTES_MAX, (int64_t)INT32_MAX);
    sp_h2_check(c, nghttp2_session_set_local_window_size(c->session, NGHTTP2_FLAG_NONE, s->id, (int32_t)window));
}

void sp_h2_linger(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    assert(c->codec.config->server && s->live && s->may_linger && !s->lingers);
    s->lingers = true;
    s->linger_until_ns = c->codec.turn->now_ns + TIME_NS;
    sp_list_push_back(&c->lingering, &s->lingering);
    c->codec.lingers = true;
    if (!sp_timer_armed(&c->linger_timer))
        sp_timer_start(c->codec.turn, &c->linger_timer, TIME_NS);
}

void sp_h2_linger_untaken(struct sp_h2_stream *s)
{
    struct sp_h2 *c = s->conn;
    assert(!c->codec.config->server && s->rx_over);
    if (!s->live || !s->tx_ended || s->tx_over || s->reset_due || sp_list_linked(&s->lingering))
        return;
    s->linger_until_ns = c->codec.turn->now_ns + UNTAKEN_NS;
    sp_list_push_back(&c->lingering, &s->lingering);
    if (!sp_timer_armed(&c->linger_timer))
        sp_timer_start(c->codec.turn, &c->linger_timer, UNTAKEN_NS);
}

void sp_h2_linger_data(struct sp_h2_stream *s, size_t len)
{
    assert(s && s->lingers);
    s->lingered += (uint32_t)len;
    if (s->lingered > BYTES_MAX)
        stop(s);
}

void sp_h2_linger_reset(struct sp_h2_stream *s, uint32_t code)
{
    assert(s && s->lingers && !s->reset_due);
    s->reset_due = true;
    s->reset_code = code;
    sp_h2_mark_dirty(s);
}

void sp_h2_linger_over(struct sp_h2_stream *s)
{
    assert(s && s->lingers && !s->live);
    s->lingers = false;
    take_off(s);
    sp_list_remove(&s->dirty);
    if (s->closed)
        sp_bury(s->conn->codec.turn, &s->cs.grave);
}

void sp_h2_linger_over_all(struct sp_h2 *c)
{
    assert(c && c->dead);
    struct sp_h2_stream *s;
    while ((s = first(c)) != NULL) {
        s->live = false;
        if (s->lingers)
            sp_h2_linger_over(s);
        else
            sp_list_remove(&s->lingering);
    }
    sp_timer_stop(&c->linger_timer);
}
