/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hashed: what a cluster with RING_HASH or MAGLEV balances by: the tables of its hosts (clusters/hash_table.h) as their health
 * was at one time, with the shares of its priorities.  Immutable and counted: the cluster and each of its slots hold the one
 * that they use, and it holds its hosts.  To make one takes up to some 50 ms, so that it is made on a thread of its own
 * (clusters/rehash.h), once for all workers, which go on with the one before.
 */
#ifndef SP_CLUSTERS_HASHED_H
#define SP_CLUSTERS_HASHED_H

#include "clusters/hash_table.h"
#include "clusters/host_set.h"
#include "clusters/priority.h"

struct sp_hashed_level {
    struct sp_hash_table healthy, degraded, all; /* empty where nothing can go there */
};

struct sp_hashed_parts;

struct sp_hashed {
    _Atomic unsigned refs;
    unsigned generation;       /* of the cluster, before the hosts' health was looked at */
    struct sp_host_set *hosts; /* a reference */
    unsigned n_levels;
    struct sp_hashed_level *levels;
    struct sp_priority_load *loads; /* n_levels */
    uint32_t *was;                  /* of each host: its health flags when it was looked at */
    struct sp_hashed_parts *parts;  /* clusters/hashed_parts.h; NULL: hosts are not divided */
    void (*free_parts)(struct sp_hashed_parts *p);
};

/* One reference. Any thread; takes a reference to the hosts, which have been published. Of all of them: not of their subsets. */
struct sp_hashed *sp_hashed_new(const struct sp_lb_config *c, struct sp_host_set *hosts, unsigned generation);
struct sp_hashed *sp_hashed_ref(struct sp_hashed *h);
void sp_hashed_unref(struct sp_hashed *h); /* NULL-safe */
/*
 * A host, as sp_lb_pick_hashed; whether its priority panics goes to ret_panic. `under_way`: requests to the whole cluster, for
 * hash_balance_factor.
 */
struct sp_host *sp_hashed_pick(const struct sp_hashed *h, const struct sp_lb_config *c, const struct sp_host *avoid, uint64_t hash,
                               uint64_t under_way, bool *ret_panic);

#endif
