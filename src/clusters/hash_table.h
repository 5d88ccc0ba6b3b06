/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hash_table: hosts placed by hash, as Envoy does: a ring (RING_HASH, after ketama) or a permutation table (MAGLEV).  The
 * same hosts and weights give the same table in every process.  Part of sp_hashed; to build one of 262144 places takes some 50 ms.
 */
#ifndef SP_CLUSTERS_HASH_TABLE_H
#define SP_CLUSTERS_HASH_TABLE_H

#include "clusters/host.h"
#include "clusters/lb_config.h"

/* A place on a ring. */
struct sp_hash_entry {
    uint64_t hash;
    uint32_t of; /* shares[of] */
};

struct sp_hash_member {
    struct sp_host *host;
    double weight;     /* over 0; against those of the others */
    struct sp_str key; /* what it is hashed by; empty: its address, or its hostname */
};

struct sp_hash_share {
    struct sp_host *host;
    double part; /* of the weights of all in the table */
};

/* What a ring's places are counted by. */
struct sp_hash_scale {
    double sum, least; /* of the weights: of all, the smallest one */
};

/* All zero: empty. */
struct sp_hash_table {
    struct sp_hash_entry *v; /* RING_HASH: n places */
    uint32_t *of;            /* MAGLEV: n places: shares[of[i]] */
    uint64_t n;
    struct sp_hash_share *shares; /* n_shares: its hosts */
    unsigned n_shares;
};

/*
 * `scale`: NULL, or of these hosts and those that are ill together: then a ring's hosts have the places that they would have with those,
 * so that it moves no key of a host that is well.
 */
void sp_hash_table_build(struct sp_hash_table *t, const struct sp_lb_config *c, const struct sp_hash_member *v, unsigned n,
                         const struct sp_hash_scale *scale);
void sp_hash_table_done(struct sp_hash_table *t);
/* The host of a hash, or with attempt > 0 another place's, which may be the same host; NULL: the table is empty. */
const struct sp_hash_share *sp_hash_table_at(const struct sp_hash_table *t, const struct sp_lb_config *c, uint64_t hash, unsigned attempt);

#endif
