/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading a choice of the stats, for pages that do not show all of them.  Any thread; the walk takes the registry's lock for as long
 * as it lasts, the rest takes none.  Values are as /stats shows them, but that sp_counter_value knows nothing of a reset.
 */
#ifndef SP_STATS_READ_H
#define SP_STATS_READ_H

#include "stats/stats.h"

/* In the histogram's unit (milliseconds, bytes); since the start. All 0 while n is. */
struct sp_histogram_reading {
    uint64_t n; /* values that were recorded */
    double p50, p90, p99, p100;
};
void sp_histogram_read(struct sp_histogram h, struct sp_histogram_reading *ret);
void sp_timing_read(struct sp_timing t, struct sp_histogram_reading *ret); /* in milliseconds */
/* By full name; all 0 when there is none. Takes the lock. */
void sp_histogram_read_named(struct sp_str full_name, struct sp_histogram_reading *ret);
/* What the last stats_flush_interval brought to prefix + name; all 0 when there is none. Takes the lock. */
void sp_histogram_read_last(struct sp_str prefix, struct sp_str name, struct sp_histogram_reading *ret);

struct sp_stats_reading {
    struct sp_str name; /* whole; until `each` returns */
    bool gauge;
    uint64_t value;
};
/* Counters and gauges whose names begin with `prefix`, in order of name. `each` must not make stats. */
void sp_stats_walk(struct sp_str prefix, void (*each)(void *arg, const struct sp_stats_reading *r), void *arg);

/* "cluster.api."; lives as long as the scope. */
struct sp_str sp_stats_scope_prefix(const struct sp_stats_scope *s);

#endif
