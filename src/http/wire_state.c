/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/wire_state.h"

#include <assert.h>
#include <stdlib.h>

#include "event/overload.h"
#include "net/race.h"

struct sp_buf *sp_wire_app_in(struct sp_wire *w)
{
    return w->tls ? &w->tls->app_in : sp_transport_in(w->transport);
}

size_t sp_wire_out_held(const struct sp_wire *w)
{
    size_t n = sp_transport_queued(w->transport);
    return w->tls ? n + w->tls->app_out.len + w->tls->net_out.len : n;
}

void sp_wire_set_due(struct sp_wire *w, uint64_t delay_ns)
{
    w->phase_due = delay_ns ? sp_wire_now(w) + delay_ns : 0;
}

bool sp_wire_due(const struct sp_wire *w, uint64_t deadline)
{
    return deadline && sp_wire_now(w) >= deadline;
}

static bool may_shrink(const struct sp_wire *w)
{
    return w->sheds && w->idling && w->phase == SP_WP_OPEN && w->phase_due;
}

uint64_t sp_wire_phase_due(const struct sp_wire *w)
{
    uint64_t idle_ns = w->idle_ms * SP_NS_PER_MS;
    return may_shrink(w) ? w->phase_due - (idle_ns - sp_overload_timeout(SP_OL_CONNECTION_IDLE, idle_ns)) : w->phase_due;
}

void sp_wire_arm(struct sp_wire *w)
{
    uint64_t due = sp_wire_phase_due(w), now = sp_wire_now(w);
    if (may_shrink(w) && due > now)
        due = now + sp_overload_look_again(SP_OL_CONNECTION_IDLE, due - now);
    if (w->age_due && (!due || w->age_due < due))
        due = w->age_due;
    if (w->rest_due && w->phase == SP_WP_OPEN && (!due || w->rest_due < due))
        due = w->rest_due;
    if (SP_UNLIKELY(w->tls && w->tls->early_due) && w->phase < SP_WP_CLOSING && (!due || w->tls->early_due < due))
        due = w->tls->early_due;
    if (w->again)
        due = now;
    /* A timer that fires too early is armed again; so one that is armed for sooner may stay. */
    if (due && (!sp_timer_armed(&w->timer) || w->timer.due_ns != due))
        sp_timer_start(&w->worker->turn, &w->timer, due > now ? due - now : 0);
}

void sp_wire_count_in(struct sp_wire *w)
{
    size_t len = sp_transport_in(w->transport)->len;
    w->rx += len > w->in_seen ? (uint32_t)len - w->in_seen : 0;
    w->in_seen = (uint32_t)len;
}

void sp_wire_tell_bytes(struct sp_wire *w)
{
    w->in_seen = (uint32_t)sp_transport_in(w->transport)->len;
    if ((w->rx || w->tx) && w->cb->on_bytes)
        w->cb->on_bytes(w->ctx, w->rx, w->tx);
    w->rx = w->tx = 0;
}

void sp_wire_free_tls(struct sp_wire *w)
{
    if (!w->tls)
        return;
    sp_tls_free(w->tls->tls);
    sp_tls_ctx_unref(w->tls->ctx);
    sp_buf_clear(&w->tls->app_in);
    sp_buf_clear(&w->tls->app_out);
    sp_buf_clear(&w->tls->net_out);
    free(w->tls);
    w->tls = NULL;
}

static void bury(struct sp_grave *g)
{
    struct sp_wire *w = SP_CONTAINER_OF(g, struct sp_wire, grave);
    sp_wire_free_tls(w);
    free(w);
}

/* A TLS failure has its own words; a failed connect has the system's. */
static struct sp_str end_text(const struct sp_wire *w, enum sp_wire_end why)
{
    if (w->text)
        return sp_str_c(w->text);
    if (why == SP_WIRE_TLS && w->tls)
        return sp_tls_error(w->tls->tls);
    return why == SP_WIRE_CONNECT && w->end_err < 0 ? sp_str_c(strerrordesc_np(-w->end_err)) : SP_STR_NULL;
}

void sp_wire_finish(struct sp_wire *w, enum sp_wire_end why, int err, bool reset)
{
    assert(w->phase != SP_WP_DEAD);
    w->phase = SP_WP_DEAD;
    w->end_err = (int16_t)err;
    if (w->codec)
        w->codec->ops->destroy(w->codec);
    w->codec = NULL;
    sp_timer_stop(&w->timer);
    sp_defer_cancel(&w->run);
    if (w->transport)
        sp_wire_tell_bytes(w);
    w->cb->on_closed(w->ctx, why, err, end_text(w, why));
    if (w->transport)
        sp_transport_close(w->transport, reset);
    w->transport = NULL;
    if (w->opening) {
        sp_race_cancel(w->opening->race);
        sp_buf_clear(&w->opening->first);
    }
    free(w->opening);
    w->opening = NULL;
    w->grave = (struct sp_grave){.free = bury};
    sp_bury(&w->worker->turn, &w->grave);
}
