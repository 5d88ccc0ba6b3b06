/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of stats/ (stats.h), for this directory only: the list of all stats and the slabs.  Guarded by one mutex,
 * which only creating and reading take.
 */
#ifndef SP_STATS_REGISTRY_H
#define SP_STATS_REGISTRY_H

#include <pthread.h>

#include "base/arena.h"
#include "base/list.h"
#include "base/map.h"
#include "stats/stats.h"
#include "stats/view.h"

enum { SP_HIST_EXACT = 16, SP_HIST_SUB = 8, SP_HIST_OCTAVES = 37, SP_HIST_BUCKETS = SP_HIST_EXACT + SP_HIST_SUB * SP_HIST_OCTAVES };
enum { SP_STATS_LABELS = 4 };

/* One thread's share of one histogram, made when that thread first records into it. */
struct sp_hist_share {
    _Atomic uint64_t sum;
    _Atomic uint64_t count[SP_HIST_BUCKETS];
};

struct sp_label {
    const char *name;
    struct sp_str value;
};

/*
 * What is made under a scope that is held (sp_stats_scope_hold), and its memory.  Whatever of it is found by another way is
 * pinned: then it stays, since nobody says when it is used no more.
 */
struct sp_stats_home {
    struct sp_arena arena;
    struct sp_list link; /* of registry.ended, when nobody holds it */
    unsigned holds;
    uint64_t ended_ns;
    bool pinned, swept;
};

struct sp_stats_scope {
    struct sp_stats_home *home; /* NULL: it lives as long as the registry */
    struct sp_str prefix, bare; /* "cluster.api.", "cluster." */
    struct sp_label labels[SP_STATS_LABELS];
    unsigned n_labels;
};

enum sp_stat_kind { SP_STAT_COUNTER, SP_STAT_GAUGE, SP_STAT_HISTOGRAM };

/* What the view (view.h) makes of a stat; one block on the heap. */
struct sp_shown {
    struct sp_str metric;
    unsigned n_labels;
    struct sp_label labels[SP_STATS_LABELS + 1 + SP_STATS_TAGS];
    char text[];
};

struct sp_stat {
    struct sp_stats_home *home;
    struct sp_str name, metric; /* full name; Prometheus name with its labels taken out, "envoy_..." */
    enum sp_stat_kind kind;
    uint32_t cell; /* of a histogram: its number */
    struct sp_label labels[SP_STATS_LABELS + 1];
    unsigned n_labels;
    uint64_t base; /* subtracted after a reset */
    uint64_t looked; /* at which view this was asked of it */
    bool hidden;
    struct sp_shown *shown; /* NULL: as it is */
};

/* A histogram added up over threads. */
struct sp_hist_sum {
    uint64_t n, sum, count[SP_HIST_BUCKETS];
};

struct sp_freed {
    uint32_t *v;
    unsigned n, cap;
};

enum { SP_STATS_GRACE_S = 3 };

struct sp_stats_registry {
    pthread_mutex_t lock;
    struct sp_arena arena;
    struct sp_map by_name, scopes;
    struct sp_stat **v; /* in order of `sorted` */
    unsigned n, cap;
    bool sorted; /* v is in order of name */
    uint32_t cells, hists;
    struct sp_freed free_cells, free_hists; /* of stats that are gone: to be used again */
    struct sp_list ended;
    struct sp_slab **slabs;
    unsigned n_slabs;
};
extern struct sp_stats_registry sp_registry;

/* homes.c, with the lock held: forgets what ended SP_STATS_GRACE_S before. */
void sp_registry_sweep(uint64_t now_ns);
void sp_registry_pin(struct sp_stats_home *of, const struct sp_stats_home *user);
void sp_registry_free_homes(void); /* at the end of all */

/* With the lock held. */
uint64_t sp_stat_value(const struct sp_stat *s);
void sp_stat_hist(const struct sp_stat *s, struct sp_hist_sum *ret);
void sp_registry_sort(void);
/* Somebody may still count into it. */
static inline bool sp_stat_lives(const struct sp_stat *s)
{
    return !s->home || s->home->holds || s->home->pinned;
}

/* Asks the view what it makes of the stat, once a view; false: it is not shown. */
bool sp_stat_look(struct sp_stat *s);
const double *sp_stat_bounds(const struct sp_stat *s, unsigned *ret_n); /* NULL: the usual ones */
char sp_metric_char(char c); /* in Prometheus' letters */

/* The value that `share` of all recorded values are at most, within its bucket by proportion; of at least one. */
double sp_hist_quantile(const struct sp_hist_sum *h, double share);
/* The bucket of a value, and the least value of a bucket. */
unsigned sp_hist_bucket(uint64_t value);
uint64_t sp_hist_floor(unsigned bucket);

#endif
