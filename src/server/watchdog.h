/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_watchdog: counts turns of the workers' loops, and of main's, that take too long: over 200 ms a miss, over a second a mega miss, each
 * once a turn.  Envoy's names: server.worker_<n>.watchdog_miss, workers.watchdog_miss, main_thread.watchdog_miss.  It ends nobody.  Main
 * thread, which looks ten times a second.
 */
#ifndef SP_SERVER_WATCHDOG_H
#define SP_SERVER_WATCHDOG_H

#include "event/worker.h"
#include "stats/stats.h"

struct sp_watched;

struct sp_watchdog {
    struct sp_worker *main;
    struct sp_watched *v; /* n of them */
    unsigned n;
    struct sp_timer look;
    uint64_t due_ns;
    struct sp_counter of_main[2][2], of_workers[2]; /* miss, mega miss; under both names */
};

/* `workers` have been set up, and outlive it. */
void sp_watchdog_start(struct sp_watchdog *d, struct sp_worker *main, struct sp_worker *const *workers, unsigned n);
/* A zeroed one is fine. */
void sp_watchdog_stop(struct sp_watchdog *d);

#endif
