/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hashed_parts: tables of the subsets of a cluster with RING_HASH or MAGLEV, in the order of its sp_subsets.  Part of the sp_hashed of
 * all its hosts, as immutable.  Together they take at most some 64 MiB: with so many subsets that this would not do, each has a
 * smaller table.  A health change makes those anew that have the host.
 */
#ifndef SP_CLUSTERS_HASHED_PARTS_H
#define SP_CLUSTERS_HASHED_PARTS_H

#include "clusters/hashed.h"

struct sp_hashed_parts {
    struct sp_hashed *fallback; /* of default_subset; NULL: nobody falls back on it */
    unsigned n;
    struct sp_hashed *v[];      /* n; NULL: it has one host, whatever its health (single_host_per_subset) */
};

/*
 * sp_hashed_new, with those of the hosts' subsets.  `before` (or NULL): tables of the same cluster; those of its subsets whose hosts and health
 * are the same are taken over.
 */
struct sp_hashed *sp_hashed_whole(const struct sp_lb_config *c, struct sp_host_set *hosts, unsigned generation, const struct sp_hashed *before);
/* Sizes of tables, when there are so many; no larger than they are. */
void sp_hashed_parts_shrink(struct sp_lb_config *c, uint64_t n_tables);

#endif
