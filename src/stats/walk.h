/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_walk: goes over all stats in order of name, with rests between: for stats/ only.  Stats of a scope stand among those of the
 * scopes inside of it.  While a walk lasts nothing is forgotten; what is made meanwhile may be left out.
 */
#ifndef SP_STATS_WALK_H
#define SP_STATS_WALK_H

#include "stats/registry.h"

struct sp_walk_level {
    struct sp_stats_scope *scope;
    unsigned at;                /* the next one of its stats, while they are */
    const struct sp_stat *last; /* behind which that is, when more have come */
    unsigned n;                 /* how many they were */
};

struct sp_stats_walk {
    struct sp_scope_order *order;
    unsigned next;                /* scope of `order` */
    struct sp_walk_level *levels; /* depth of them: a scope, one inside of it, ... */
    unsigned depth, cap;
};

/* All with the lock held; begin lets go of it for a while. */
void sp_stats_walk_begin(struct sp_stats_walk *w);
/* From the beginning. */
void sp_stats_walk_again(struct sp_stats_walk *w);
/* On from the first one whose full name is not less than that; before any was asked for. */
void sp_stats_walk_seek(struct sp_stats_walk *w, struct sp_str name);
/* NULL: there are no more. */
struct sp_stat *sp_stats_walk_next(struct sp_stats_walk *w);
void sp_stats_walk_end(struct sp_stats_walk *w);

#endif
