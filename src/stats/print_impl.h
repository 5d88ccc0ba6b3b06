/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A page of stats in the making (print.h), for stats/ only. Whoever uses it holds the registry's lock. */
#ifndef SP_STATS_PRINT_IMPL_H
#define SP_STATS_PRINT_IMPL_H

#include "stats/out.h"
#include "stats/print.h"
#include "stats/walk.h"

enum { SP_STATS_QUANTILES = 10, SP_STATS_BOUNDS = 19 };
extern const double sp_stats_quantiles[SP_STATS_QUANTILES];

struct sp_stats_print {
    struct sp_stats_query q;
    const struct sp_stats_print_ops *ops;
    struct sp_out out, name; /* name: the full one of the stat that is looked at */
    struct sp_stats_walk walk;
    unsigned phase;
    bool begun, over, any; /* any: something stands in the list that is written */
    uint32_t generation; /* of the view */
    /* Prometheus: */
    struct sp_family **families; /* n_families of them, in order of metric */
    unsigned n_families, family, at;
    struct sp_hist_sum sum, interval;
    struct sp_out whole, metric, value, part; /* as protobuf: a metric in the making, one of it, and what is in that */
};

struct sp_stats_print_ops {
    void (*begin)(struct sp_stats_print *p);
    /* Looks at one more stat, or writes an end; true: that was all. */
    bool (*step)(struct sp_stats_print *p);
    /* Of those that go metric by metric: one of its stats; all of them are there. */
    void (*put)(struct sp_stats_print *p, struct sp_stat *s);
    void (*end)(struct sp_stats_print *p);
};
extern const struct sp_stats_print_ops sp_stats_print_text, sp_stats_print_json, sp_stats_print_prometheus, sp_stats_print_protobuf;

/* begin and step of those, and the name of the metric that is at hand. */
void sp_stats_print_families(struct sp_stats_print *p);
bool sp_stats_print_family_step(struct sp_stats_print *p);
void sp_stats_print_metric(const struct sp_stats_print *p, struct sp_out *out);

/* Whether the query wants it; p->name is its full name then. */
bool sp_stats_print_wants(struct sp_stats_print *p, struct sp_stat *s);
/* The next one that it wants of the kind: with `hists` histograms, else the others. NULL: either it is not wanted, or *ret_over. */
struct sp_stat *sp_stats_print_next(struct sp_stats_print *p, bool hists, bool *ret_over);
/* How a histogram's values are shown: of a timing, in milliseconds. */
static inline double sp_stat_scale(const struct sp_stat *s)
{
    return s->kind == SP_STAT_TIMING ? 1e-6 : 1;
}
/* Fills p->sum and p->interval. */
void sp_stats_print_hist(struct sp_stats_print *p, const struct sp_stat *s);
/* The quantiles, as they are shown; false, and nothing done: there is no value. */
bool sp_stats_print_quantiles(const struct sp_stat *s, const struct sp_hist_sum *h, double ret[SP_STATS_QUANTILES]);
/* The bounds of a histogram, and how many values are at most each; of `disjoint`, and more than the one before. */
const double *sp_stats_print_bounds(const struct sp_stat *s, unsigned *ret_n);
/* ret: n of them; to be freed. */
uint64_t *sp_stats_print_counts(const struct sp_stat *s, const struct sp_hist_sum *h, const double *bounds, unsigned n, bool disjoint);
/* For pages that have the last interval beside all: calls for each bound with both counts, disjoint ones if the query asks for them. */
void sp_stats_print_buckets(struct sp_stats_print *p, const struct sp_stat *s,
                            void (*each)(struct sp_stats_print *p, bool first, double bound, uint64_t some, uint64_t all));
/* A detailed list's bucket. */
struct sp_hist_piece {
    double from, width;
    uint64_t n;
};
/* Calls for each bucket that has something. */
void sp_stats_print_pieces(struct sp_stats_print *p, const struct sp_stat *s, const struct sp_hist_sum *h,
                           void (*each)(struct sp_stats_print *p, bool first, const struct sp_hist_piece *piece));

#endif
