/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/wire_close.h"

#include <assert.h>
#include <errno.h>

enum {
    LINGER_BYTES = 1 << 20, /* what a peer may go on sending to a connection that we closed */
    LINGER_ROUNDS = 30,     /* times a slow reader's progress may push the deadline out */
    FLUSH_MS = 10000,       /* with delayed_close_ns 0 there is no lingering, but the last answer is still sent */
    SILENT_MS = 5000,       /* how long a drain waits for the first word, where no drain_ns is known yet */
};

static void queue_close_notify(struct sp_wire *w)
{
    if (!w->tls || w->tls_state != SP_TLS_OPEN || w->write_err)
        return;
    sp_tls_shutdown(w->tls->tls, &w->tls->net_out);
    w->tx += (uint32_t)w->tls->net_out.len;
    sp_transport_write(w->transport, &w->tls->net_out);
}

void sp_wire_half_close(struct sp_wire *w)
{
    assert(w->phase == SP_WP_OPEN && w->codec->want_fin);
    if (w->fin_sent)
        return;
    w->fin_sent = true;
    queue_close_notify(w);
    sp_transport_shutdown(w->transport);
}

void sp_wire_begin_close(struct sp_wire *w, enum sp_wire_end why)
{
    assert(w->phase != SP_WP_CLOSING && w->phase != SP_WP_DEAD);
    w->end = (uint8_t)why;
    queue_close_notify(w);
    if (!w->server || w->in_end || w->write_err) {
        sp_wire_finish(w, why, 0, false);
        return;
    }
    w->phase = SP_WP_CLOSING;
    if (w->codec)
        w->codec->ops->destroy(w->codec);
    w->codec = NULL;
    w->age_due = 0;
    w->idling = false;
    w->lingered = 0; /* it stands where the idle time did */
    w->left = (uint32_t)sp_transport_unacked(w->transport);
    sp_wire_set_due(w, (w->delayed_ms ? w->delayed_ms : FLUSH_MS) * SP_NS_PER_MS);
    sp_transport_shutdown(w->transport);
    sp_transport_read(w->transport, true);
    sp_wire_closing_turn(w);
}

/* Progress of a slow reader counts, so long as it is not endless. */
static bool late(struct sp_wire *w)
{
    if (!sp_wire_due(w, w->phase_due))
        return false;
    size_t left = sp_transport_unacked(w->transport);
    bool progress = left < w->left && w->extended < LINGER_ROUNDS;
    w->left = (uint32_t)left;
    w->extended++;
    if (progress)
        sp_wire_set_due(w, (w->delayed_ms ? w->delayed_ms : FLUSH_MS) * SP_NS_PER_MS);
    return !progress;
}

void sp_wire_closing_turn(struct sp_wire *w)
{
    assert(w->phase == SP_WP_CLOSING);
    struct sp_buf *in = sp_transport_in(w->transport);
    sp_wire_count_in(w);
    w->lingered += (uint32_t)SP_MIN(in->len, (size_t)LINGER_BYTES);
    sp_buf_clear(in);
    w->in_seen = 0;
    bool sent = sp_transport_queued(w->transport) == 0;
    if (w->in_end || w->write_err || w->lingered >= LINGER_BYTES || (sent && !w->delayed_ms)) {
        sp_wire_finish(w, w->end, 0, false);
    } else if (late(w)) {
        bool unread = w->end == SP_WIRE_LOCAL;
        sp_wire_finish(w, unread ? SP_WIRE_UNREAD : w->end, unread ? -ETIMEDOUT : 0, !sent);
    }
}

/*
 * HTTP/1 has no word for it but the next answer's: who would close an idle connection risks a request on its way. `fresh`: the
 * first is all but certain to be.
 */
static bool waits_for_answer(struct sp_wire *w, enum sp_wire_end why, bool fresh)
{
    if ((why != SP_WIRE_MAX_AGE && !fresh) || !w->server || !w->codec || w->codec->ops->protocol == SP_HTTP_2)
        return false;
    w->codec->last_answer = true;
    return true;
}

/* A client's GOAWAY says nothing that a server needs to know, and some take it for the end of all that is under way: it is
 * sent with the close. */
static bool late_goaway(const struct sp_wire *w)
{
    return !w->server && w->codec->ops->protocol == SP_HTTP_2;
}

void sp_wire_drain_silent(struct sp_wire *w)
{
    if (w->draining && w->server)
        w->age_due = sp_wire_now(w) + (w->opening ? w->drain_ms : SILENT_MS) * SP_NS_PER_MS;
}

static void begin_drain(struct sp_wire *w, enum sp_wire_end why, bool fresh)
{
    bool http1 = waits_for_answer(w, why, fresh);
    w->age_due = 0;
    if (http1 && w->safe_age && why == SP_WIRE_MAX_AGE)
        return;
    w->draining = true;
    w->end = (uint8_t)why;
    w->drain_step = 1;
    if (!w->codec) {
        sp_wire_drain_silent(w);
        return;
    }
    if (!http1 && !late_goaway(w))
        w->codec->ops->goaway(w->codec);
    if (w->server && (http1 || w->codec->ops->protocol == SP_HTTP_2))
        w->age_due = sp_wire_now(w) + w->drain_ms * SP_NS_PER_MS;
    else
        w->drain_step = 2;
}

void sp_wire_begin_drain(struct sp_wire *w, enum sp_wire_end why)
{
    if (!w->draining)
        begin_drain(w, why, false);
}

void sp_wire_drain_fresh(struct sp_wire *w)
{
    if (w->draining)
        begin_drain(w, (enum sp_wire_end)w->end, true);
}

bool sp_wire_drained(struct sp_wire *w)
{
    if (!w->draining)
        return false;
    /* An HTTP/2 client may have sent requests before it saw the first GOAWAY: they are taken until the second. */
    if (w->drain_step == 1 && sp_wire_due(w, w->age_due)) {
        w->drain_step = 2;
        w->age_due = 0;
        w->codec->ops->goaway(w->codec);
    }
    if (w->drain_step != 2 || w->codec->n_streams || w->codec->lingers)
        return false;
    if (late_goaway(w))
        w->codec->ops->goaway(w->codec);
    return true;
}
