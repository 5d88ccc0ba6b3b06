/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/stats_flush.h"

#include <assert.h>

#include "event/worker.h"
#include "route/duration.h"
#include "server/compile.h"
#include "stats/stats.h"

enum { NEXT_TURN = 1 }; /* ns: a timer of 0 would fire in this one */

static uint64_t interval_ns(const struct sp_stats_flush *f)
{
    return sp_duration_or(sp_reload_config(f->reload)->bootstrap->stats_flush_interval, 5 * SP_NS_PER_S);
}

/* The turn's other work has its place between two parts. */
static void step(struct sp_timer *t)
{
    struct sp_stats_flush *f = SP_CONTAINER_OF(t, struct sp_stats_flush, timer);
    if (!f->under_way) {
        f->began_ns = f->turn->now_ns;
        sp_stats_flush_begin();
    }
    f->under_way = sp_stats_flush_step();
    uint64_t next_ns = f->began_ns + interval_ns(f);
    sp_timer_start(f->turn, &f->timer, !f->under_way && next_ns > f->turn->now_ns ? next_ns - f->turn->now_ns : NEXT_TURN);
}

void sp_stats_flush_start(struct sp_stats_flush *f, struct sp_reload *reload, struct sp_turn *turn)
{
    assert(f && reload && turn);
    *f = (struct sp_stats_flush){.reload = reload, .turn = turn, .timer = {.fire = step}};
    sp_timer_start(f->turn, &f->timer, interval_ns(f));
}

void sp_stats_flush_stop(struct sp_stats_flush *f)
{
    sp_timer_stop(&f->timer);
}
