/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/stats_flush.h"

#include <assert.h>

#include "event/worker.h"
#include "route/duration.h"
#include "server/compile.h"
#include "server/stats_sinks.h"

enum { NEXT_TURN = 1 }; /* ns: a timer of 0 would fire in this one */

static uint64_t interval_ns(const struct sp_stats_flush *f)
{
    return sp_duration_or(sp_reload_config(f->reload)->bootstrap->stats_flush_interval, 5 * SP_NS_PER_S);
}

static void send_one(void *ctx, unsigned i, struct sp_str datagram)
{
    struct sp_stats_flush *f = ctx;
    int r = sp_stats_sinks_send(sp_reload_config(f->reload)->sinks, i, datagram, f->prober);
    if (r <= 0)
        sp_counter_inc(r == 0 ? f->datagrams : f->dropped);
}

/*
 * The process's first flush tells all there is; where sinks come later, by a reload, what was counted until then is not told: it did
 * not come in this interval.
 */
static void begin_to_tell(struct sp_stats_flush *f)
{
    const struct sp_config *c = sp_reload_config(f->reload);
    unsigned n = 0;
    const struct sp_statsd_form *forms = c->sinks ? sp_stats_sinks_forms(c->sinks, &n) : NULL;
    bool tells = f->told || f->number == 0;
    f->told = c->sinks != NULL;
    f->of = c->number;
    if (c->sinks)
        f->before(f->ctx);
    f->telling = c->sinks ? sp_statsd_new(forms, tells ? n : 0, send_one, f) : NULL;
}

static bool tell(struct sp_stats_flush *f)
{
    bool same = f->of == sp_reload_config(f->reload)->number; /* else the sinks it was begun for are not those of the config */
    if (f->telling && same && sp_statsd_step(f->telling))
        return true;
    sp_statsd_free(f->telling);
    f->telling = NULL;
    return false;
}

/* The turn's other work has its place between two parts. */
static void step(struct sp_timer *t)
{
    struct sp_stats_flush *f = SP_CONTAINER_OF(t, struct sp_stats_flush, timer);
    switch (f->phase) {
    case SP_FLUSH_IDLE:
        f->began_ns = f->turn->now_ns;
        sp_stats_flush_begin();
        f->phase = SP_FLUSH_INTERVALS;
        break;
    case SP_FLUSH_INTERVALS:
        if (sp_stats_flush_step())
            break;
        begin_to_tell(f);
        f->phase = SP_FLUSH_SINKS;
        break;
    case SP_FLUSH_SINKS:
        if (tell(f))
            break;
        f->number++;
        f->phase = SP_FLUSH_IDLE;
        break;
    }
    uint64_t next_ns = f->phase == SP_FLUSH_IDLE ? f->began_ns + interval_ns(f) : 0;
    sp_timer_start(f->turn, &f->timer, next_ns > f->turn->now_ns ? next_ns - f->turn->now_ns : NEXT_TURN);
}

void sp_stats_flush_start(struct sp_stats_flush *f, struct sp_reload *reload, struct sp_turn *turn, struct sp_worker *prober,
                          void (*before)(void *ctx), void *ctx)
{
    assert(f && reload && turn && prober && before);
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("stats_sinks"), NULL, SP_STR_NULL);
    *f = (struct sp_stats_flush){.reload = reload, .turn = turn, .prober = prober, .before = before, .ctx = ctx, .timer = {.fire = step},
                                 .datagrams = sp_stats_counter(scope, SP_STR("datagrams")), .dropped = sp_stats_counter(scope, SP_STR("dropped"))};
    sp_timer_start(f->turn, &f->timer, interval_ns(f));
}

void sp_stats_flush_stop(struct sp_stats_flush *f)
{
    sp_timer_stop(&f->timer);
    sp_statsd_free(f->telling);
    f->telling = NULL;
}
