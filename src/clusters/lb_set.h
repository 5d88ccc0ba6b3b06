/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_lb_set: hosts that stand in for each other, and the next one of them by the cluster's policy.  The inside of clusters/lb.h:
 * a worker's own, filled again when health changes, without allocating.
 */
#ifndef SP_CLUSTERS_LB_SET_H
#define SP_CLUSTERS_LB_SET_H

#include "clusters/edf.h"
#include "clusters/state.h"

struct sp_lb_member {
    struct sp_host *host;
    uint32_t weight;
};

struct sp_lb_set {
    struct sp_lb_member *v;
    unsigned n, next; /* next: round robin's place */
    struct sp_edf edf;
};

/* How a set is picked from. */
enum sp_lb_mode {
    SP_LB_EVEN,     /* as if weights were equal */
    SP_LB_WEIGHTED,
    SP_LB_SLOW,     /* weighted, and some hosts are in slow start */
};

/* Room for `cap` hosts; by weight only with `weighted`. */
void sp_lb_set_init(struct sp_lb_set *t, unsigned cap, bool weighted);
void sp_lb_set_done(struct sp_lb_set *t);
void sp_lb_set_clear(struct sp_lb_set *t);
void sp_lb_set_add(struct sp_lb_set *t, struct sp_slot *s, const struct sp_endpoint *e, enum sp_lb_mode mode);
/* Of LEAST_REQUEST among hosts of equal weight: looks at `choices` of them. NULL: the set is empty. */
struct sp_host *sp_lb_set_pick(struct sp_lb_set *t, struct sp_slot *s, enum sp_lb_mode mode, unsigned choices);

/* The same of ROUND_ROBIN among hosts of equal weight, of which there are some: it is what most requests take. */
static inline struct sp_host *sp_lb_set_next(struct sp_lb_set *t)
{
    if (SP_UNLIKELY(t->next >= t->n))
        t->next = 0;
    return t->v[t->next++].host;
}

#endif
