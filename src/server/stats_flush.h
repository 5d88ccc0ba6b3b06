/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_flush: each stats_flush_interval (5 s where the config is silent) it ends an interval of the histograms, a part of them a
 * turn.  Main thread.
 */
#ifndef SP_SERVER_STATS_FLUSH_H
#define SP_SERVER_STATS_FLUSH_H

#include "event/turn.h"
#include "server/reload.h"

struct sp_stats_flush {
    struct sp_reload *reload;
    struct sp_turn *turn;
    struct sp_timer timer;
    uint64_t began_ns;
    bool under_way;
};

/* There is a first config; `turn` is the main worker's. */
void sp_stats_flush_start(struct sp_stats_flush *f, struct sp_reload *reload, struct sp_turn *turn);
void sp_stats_flush_stop(struct sp_stats_flush *f);

#endif
