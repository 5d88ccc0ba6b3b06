/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pages of stats: text in order of name, JSON, Prometheus' text and protobuf.  A page is made piece by piece, so that neither the main
 * thread nor a worker that makes a counter waits for a whole one, and so that it never lies in memory as a whole.  Stats that
 * come meanwhile may be missing in it; those that go stay in memory until it is done.
 */
#ifndef SP_STATS_PRINT_H
#define SP_STATS_PRINT_H

#include "stats/stats.h"

enum sp_stats_format { SP_STATS_TEXT, SP_STATS_JSON, SP_STATS_PROMETHEUS, SP_STATS_PROTOBUF };
/* Of text readouts there are none here. */
enum { SP_STATS_COUNTERS = 1, SP_STATS_GAUGES = 2, SP_STATS_HISTOGRAMS = 4, SP_STATS_TEXTS = 8, SP_STATS_ALL = 15 };

/* How histograms are shown: ten quantiles; counts under Envoy's bounds, each with all under it or by itself; all buckets. */
enum sp_stats_buckets { SP_STATS_SUMMARY, SP_STATS_CUMULATIVE, SP_STATS_DISJOINT, SP_STATS_DETAILED };

struct sp_stats_query {
    bool used_only;
    unsigned kinds;                                 /* SP_STATS_COUNTERS | ...; 0: all */
    enum sp_stats_buckets buckets;
    bool summary;                                   /* Prometheus: quantiles of the last interval in place of buckets */
    bool (*match)(void *ctx, struct sp_str name);   /* NULL: all */
    void *ctx;
};

struct sp_stats_print;
/* Copies the query; its ctx has to live as long. Main thread, as all of these. */
struct sp_stats_print *sp_stats_print_new(enum sp_stats_format format, const struct sp_stats_query *q);
/*
 * Appends about `bytes` more, or less: a call looks at some thousand stats at most.  1: there is more; 0: that was all; -ESTALE: what
 * the config makes of the stats (stats_config) changed meanwhile, and what was appended cannot be gone on with.
 */
int sp_stats_print_more(struct sp_stats_print *p, struct sp_buf *out, size_t bytes);
/* NULL-safe. */
void sp_stats_print_free(struct sp_stats_print *p);

/* The whole at once: for tests. */
void sp_stats_text(const struct sp_stats_query *q, struct sp_buf *out);
void sp_stats_json(const struct sp_stats_query *q, struct sp_buf *out);
void sp_stats_prometheus(const struct sp_stats_query *q, struct sp_buf *out);

#endif
