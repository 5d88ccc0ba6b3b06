/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of stats/ (stats.h), for this directory only: all stats, their scopes and metrics, and the slabs.  Guarded by one
 * mutex, which only creating and reading take, reading for a batch of stats at a time.
 */
#ifndef SP_STATS_REGISTRY_H
#define SP_STATS_REGISTRY_H

#include <pthread.h>

#include "base/arena.h"
#include "base/list.h"
#include "stats/hist.h"
#include "stats/stats.h"
#include "stats/table.h"
#include "stats/view.h"

enum { SP_STATS_LABELS = 4, SP_STATS_NAME_MAX = 4096 };

struct sp_label {
    struct sp_str name, value;
};

struct sp_stat;

/* Stats as they are added, each of which may know its place. */
struct sp_stat_list {
    struct sp_stat **v;
    unsigned n, cap;
};

/*
 * What is made under a scope that is held (sp_stats_scope_hold), and its memory.  Whatever of it is found by another way is
 * pinned: then it stays, since nobody says when it is used no more.
 */
struct sp_stats_home {
    struct sp_arena arena;
    struct sp_list link; /* of registry.ended, when nobody holds it */
    struct sp_list scopes;
    unsigned holds;
    uint64_t ended_ns;
    bool pinned;
};

struct sp_stats_scope {
    struct sp_stats_home *home; /* NULL: it lives as long as the registry */
    struct sp_list link;        /* of home->scopes, or registry.scopes */
    struct sp_str prefix, bare; /* "cluster.api.", "cluster." */
    uint64_t hash;              /* of prefix, to go on with */
    struct sp_label labels[SP_STATS_LABELS];
    unsigned n_labels;
    struct sp_str label_text; /* envoy_cluster_name="api" */
    struct sp_stat_list stats;
    bool sorted; /* stats are in order of name */
};

enum sp_stat_kind { SP_STAT_COUNTER, SP_STAT_GAUGE, SP_STAT_HISTOGRAM, SP_STAT_TIMING };

/* A metric: all stats of one Prometheus name. */
struct sp_family {
    struct sp_str metric; /* "envoy_cluster_upstream_rq" */
    uint64_t hash;
    enum sp_stat_kind kind;
    struct sp_stat_list stats; /* each knows its place (family_at) */
    char text[];
};

/* What the view (view.h) makes of a stat; one block on the heap. */
struct sp_shown {
    struct sp_str dotted; /* what is left of the name: "cluster.upstream_rq" */
    struct sp_str metric, label_text;
    unsigned n_labels;
    struct sp_label labels[SP_STATS_LABELS + 1 + SP_STATS_TAGS];
    char text[];
};

struct sp_stat {
    struct sp_stats_scope *scope;
    struct sp_family *family; /* NULL: not looked at yet */
    uint32_t family_at, hist_at;
    uint32_t cell;   /* of a histogram: where each slab has the pointer to its share */
    uint32_t looked; /* at which view this was asked of it */
    uint8_t kind;
    bool hidden, used;
    bool is_class;   /* code: 2 of 2xx */
    uint16_t code;   /* 0, or of a response: taken out of the metric's name */
    uint16_t name_len;
    union {
        uint64_t base; /* of a counter: subtracted after a reset */
        struct sp_hist_kept *kept;
    } u;
    struct sp_shown *shown; /* NULL: as it is */
    char name[];            /* behind the scope's prefix */
};

struct sp_freed {
    uint32_t *v;
    unsigned n, cap;
};

/* The scopes in order of prefix, as they were once. */
struct sp_scope_order {
    unsigned refs, n;
    const struct sp_stats_scope *v[];
};

enum { SP_STATS_GRACE_S = 3 };

struct sp_stats_registry {
    pthread_mutex_t lock;
    struct sp_arena arena;
    struct sp_table by_name, by_prefix, families; /* stats, scopes, families */
    struct sp_list scopes;                        /* those without a home */
    struct sp_stat_list hists;                    /* each knows its place (hist_at) */
    unsigned n_scopes, flush_at;
    struct sp_scope_order *order; /* NULL: one has come or gone since */
    unsigned readers;             /* pages being made: nothing is forgotten meanwhile */
    unsigned n_retagged;          /* stats that have `shown`, or no family */
    uint32_t cells;
    uint64_t *latched; /* by cell: what a sink was told of a counter; n_latched of them */
    uint32_t n_latched;
    struct sp_freed free_cells, free_hists; /* of stats that are gone: to be used again */
    struct sp_list ended;
    struct sp_slab **slabs;
    unsigned n_slabs;
    uint64_t began_ns; /* Unix time */
};
extern struct sp_stats_registry sp_registry;

static inline struct sp_str sp_stat_name(const struct sp_stat *s)
{
    return sp_str_n(s->name, s->name_len);
}

static inline bool sp_stat_is_hist(const struct sp_stat *s)
{
    return s->kind >= SP_STAT_HISTOGRAM;
}

/* All of what follows with the lock held. */

void sp_stat_list_add(struct sp_stat_list *l, struct sp_stat *s);

/* cells.c */
void sp_cells_init(void);
uint32_t sp_cell_new(bool hist);
void sp_cell_free(uint32_t cell, bool hist); /* it is used again, from 0 */
uint64_t sp_stat_value(struct sp_stat *s);
bool sp_stat_used(struct sp_stat *s);
/* What came to a counter since this was asked last. */
uint64_t sp_stat_latch(struct sp_stat *s);
void sp_stat_hist(const struct sp_stat *s, struct sp_hist_sum *ret);
void sp_slabs_free(void);
/* The shares go with the stats. */
void sp_hist_cell_free(uint32_t cell);

/* names.c: full names are a prefix and what stands behind it. */
struct sp_full_name {
    struct sp_str prefix, name;
};
uint64_t sp_name_seed(void);
uint64_t sp_name_hash(uint64_t hash, struct sp_str s);
struct sp_stat *sp_stat_find(uint64_t hash, const struct sp_full_name *name);
struct sp_stats_scope *sp_scope_find(struct sp_str prefix, uint64_t hash);
struct sp_scope_order *sp_scope_order_ref(void); /* readers is not 0 */
void sp_scope_order_unref(struct sp_scope_order *o);
void sp_scope_sort(struct sp_stats_scope *scope);

/* family.c */
char sp_metric_char(char c); /* in Prometheus' letters */
/* name="value", as Prometheus' text has it, into room for 2 * value.len + name.len + 3; its end. */
char *sp_label_write(char *out, struct sp_label l);
void sp_stat_join_family(struct sp_stat *s, struct sp_str metric);
void sp_stat_leave_family(struct sp_stat *s);
/* The stat's name without what its labels have (cluster.upstream_rq), without any view; and as a metric, "envoy_...". */
struct sp_str sp_stat_bare(const struct sp_stat *s, char out[static SP_STATS_NAME_MAX]);
struct sp_str sp_stat_metric(const struct sp_stat *s, char out[static SP_STATS_NAME_MAX]);
/* The code's label, where the name has one; false: it has none. */
bool sp_stat_code_label(const struct sp_stat *s, struct sp_label *ret);
void sp_families_sweep(void); /* those that have no stat any more */

/* homes.c: forgets what ended SP_STATS_GRACE_S before. */
void sp_registry_sweep(uint64_t now_ns);
void sp_registry_pin(struct sp_stats_home *of, const struct sp_stats_home *user);
void sp_registry_free_homes(void); /* at the end of all */
void sp_stat_forget(struct sp_stat *s);
/* Whether its owner is there. */
static inline bool sp_scope_is_held(const struct sp_stats_scope *s)
{
    return !s->home || s->home->holds || s->home->pinned;
}

/* look.c. Asks the view what it makes of the stat, once a view; false: it is not shown. */
bool sp_stat_look(struct sp_stat *s);
/* Whether stats may not be in the families that the view makes of them: then each has to be looked at first. */
bool sp_view_needs_look(void);
bool sp_view_retags(void);
uint32_t sp_view_generation(void);
const double *sp_stat_bounds(const struct sp_stat *s, unsigned *ret_n); /* NULL: the usual ones */

#endif
