/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_permits: one circuit breaker limit of a cluster, for the whole process (Envoy: CircuitBreakers.Thresholds).  What is
 * free stands in one shared word; each slot (worker) borrows from it in batches of 1 to 4 and pays back what
 * it has too much of, so that a request costs no atomic operation most of the time.  The limit is never exceeded; a
 * worker may be refused early by as many permits as others have borrowed and do not use (at most 5 a worker).
 *
 * Owned by the cluster.  take and give: on the slot's own thread.
 */
#ifndef SP_CLUSTERS_PERMITS_H
#define SP_CLUSTERS_PERMITS_H

#include <stdatomic.h>

#include "stats/stats.h"

struct sp_permit_loan {
    _Alignas(SP_CACHELINE) _Atomic uint32_t unused; /* borrowed and free; written by its slot alone */
};

struct sp_permits {
    uint32_t limit, batch;
    struct sp_permit_loan *loans; /* n_loans: one a slot */
    unsigned n_loans;
    struct sp_gauge open;         /* 1 while nothing is left to borrow: Envoy's rq_open and the like */
    struct sp_gauge remaining;    /* kept when `track` */
    bool track;
    _Alignas(SP_CACHELINE) _Atomic uint32_t free; /* not lent */
};

/* The gauges are set by the caller before. */
void sp_permits_init(struct sp_permits *p, uint32_t limit, unsigned n_slots);
void sp_permits_done(struct sp_permits *p);
/* Adds the limit to the gauges and takes it out again. They are apart from init and done because those run on threads
 * that do not count; the gauges may be shared with the cluster that replaces this one. */
void sp_permits_publish(const struct sp_permits *p);
void sp_permits_unpublish(const struct sp_permits *p);
/* False: the limit is reached. */
bool sp_permit_take(struct sp_permits *p, unsigned slot);
void sp_permit_give(struct sp_permits *p, unsigned slot);
/* How many are taken, by whatever slot: a little too many or too few while others take some. Any thread. */
uint32_t sp_permits_used(const struct sp_permits *p);
/* Gives the slot's unused ones back: when the worker has no more use for the cluster. */
void sp_permits_settle(struct sp_permits *p, unsigned slot);

#endif
