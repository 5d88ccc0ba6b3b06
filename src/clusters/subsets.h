/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_subsets: a set of hosts divided by their metadata: for each selector one subset for each combination of values of its keys.  Made
 * when the set is published, never while requests wait; part of the set, immutable.
 */
#ifndef SP_CLUSTERS_SUBSETS_H
#define SP_CLUSTERS_SUBSETS_H

#include "clusters/host_set.h"
#include "clusters/subset_config.h"

enum { SP_SUBSETS_MOST = 1 << 16 }; /* what is more is not made */

struct sp_subset {
    struct sp_criterion *v;    /* n of them, by key; texts are the endpoints' */
    unsigned n;
    uint64_t hash;
    struct sp_host_set *hosts; /* part of the set that is divided, which outlives it */
    bool single;               /* single_host_per_subset: its first host is taken, whatever its health */
    unsigned duplicates;       /* others that would be in it then */
    unsigned last;             /* while it is filled */
};

struct sp_subsets {
    struct sp_arena arena;
    struct sp_subset *v; /* n of them */
    unsigned n, cap;
    uint32_t *table;     /* n_table (a power of two) places: index + 1 of a subset, or 0 */
    unsigned n_table;
    struct sp_host_set *fallback; /* those of default_subset, possibly none; NULL: nobody falls back on it */
    unsigned duplicates;
    bool too_many;
};

/* The hosts of `s`, which are known (not before it was given them). */
struct sp_subsets *sp_subsets_new(const struct sp_subset_config *c, const struct sp_host_set *s);
void sp_subsets_free(struct sp_subsets *s); /* NULL-safe */
/*
 * The subset of exactly the criteria whose bits are set in `which` (bit i: v[i]), or NULL.
 */
const struct sp_subset *sp_subsets_find(const struct sp_subsets *s, const struct sp_criterion *v, unsigned n, uint32_t which);
/* How many of these are not in `other` (NULL: it has none). */
unsigned sp_subsets_missing(const struct sp_subsets *s, const struct sp_subsets *other);

#endif
