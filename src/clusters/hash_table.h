/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hash_table: hosts placed by hash, as Envoy does: a ring (RING_HASH, after ketama) or a permutation table (MAGLEV).  The
 * same hosts and weights give the same table in every process.  Part of sp_hashed; to build one of 262144 places takes some 50 ms.
 */
#ifndef SP_CLUSTERS_HASH_TABLE_H
#define SP_CLUSTERS_HASH_TABLE_H

#include "clusters/host.h"
#include "clusters/lb_config.h"

struct sp_hash_entry {
    uint64_t hash; /* RING_HASH */
    struct sp_host *host;
};

struct sp_hash_member {
    struct sp_host *host;
    uint32_t weight;
};

/* All zero: empty. */
struct sp_hash_table {
    struct sp_hash_entry *v;
    uint64_t n;
};

void sp_hash_table_build(struct sp_hash_table *t, const struct sp_lb_config *c, const struct sp_hash_member *v, unsigned n);
void sp_hash_table_done(struct sp_hash_table *t);
/* The host of a hash, or with attempt > 0 another place's, which may be the same host; NULL: the table is empty. */
struct sp_host *sp_hash_table_at(const struct sp_hash_table *t, const struct sp_lb_config *c, uint64_t hash, unsigned attempt);

#endif
