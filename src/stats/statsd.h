/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_statsd: what a flush tells the sinks that speak StatsD, or DogStatsD with its tags: of counters what came since the last flush,
 * of gauges their values, of histograms one line for each bucket that something fell into, whose sample rate says how many.  Those that
 * speak OpenTelemetry are told metrics instead (stats/otlp.h).  Sans I/O: the caller sends the datagrams, or requests.  Main thread;
 * some hundred stats a step.
 */
#ifndef SP_STATS_STATSD_H
#define SP_STATS_STATSD_H

#include "stats/sink_form.h"
#include "stats/stats.h"

struct sp_statsd;

/* `send` is called for each datagram, of form `i`. With n 0 nothing is told: what the counters are now is where the next one begins. */
struct sp_statsd *sp_statsd_new(const struct sp_statsd_form *forms, unsigned n, void (*send)(void *ctx, unsigned i, struct sp_str datagram),
                                void *ctx);
/* False: it is done. */
bool sp_statsd_step(struct sp_statsd *s);
/* At any time. NULL-safe. */
void sp_statsd_free(struct sp_statsd *s);

#endif
