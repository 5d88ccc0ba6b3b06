/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_flush: each stats_flush_interval (5 s where the config is silent) it ends an interval of the histograms and tells the sinks
 * of the config what there is to tell, a part of both a turn.  Main thread.
 */
#ifndef SP_SERVER_STATS_FLUSH_H
#define SP_SERVER_STATS_FLUSH_H

#include "event/worker.h"
#include "server/reload.h"
#include "stats/stats.h"

struct sp_statsd;

enum sp_stats_flush_phase { SP_FLUSH_IDLE, SP_FLUSH_INTERVALS, SP_FLUSH_SINKS };

struct sp_stats_flush {
    struct sp_reload *reload;
    struct sp_turn *turn;
    struct sp_worker *prober; /* sends requests to collectors */
    struct sp_timer timer;
    uint64_t began_ns, number;
    enum sp_stats_flush_phase phase;
    struct sp_statsd *telling; /* what is under way, for config `of` */
    uint64_t of;
    bool told; /* the last flush told sinks: the next one tells what came since */
    struct sp_counter datagrams, dropped;
    void (*before)(void *ctx); /* called before sinks are told */
    void *ctx;
};

/* There is a first config; `turn` is the main worker's; `before` sets what gauges are not always kept. */
void sp_stats_flush_start(struct sp_stats_flush *f, struct sp_reload *reload, struct sp_turn *turn, struct sp_worker *prober,
                          void (*before)(void *ctx), void *ctx);
void sp_stats_flush_stop(struct sp_stats_flush *f);

#endif
