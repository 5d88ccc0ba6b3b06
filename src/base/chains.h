/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_chains: a hash table of nodes that stand in their owners, from which they can be removed.  It owns nothing and compares no
 * keys: whoever looks goes through the nodes of one hash.  Hashes of what others choose are sp_str_hash's.  One thread at a time.
 */
#ifndef SP_BASE_CHAINS_H
#define SP_BASE_CHAINS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/defs.h"

struct sp_chain_node {
    struct sp_chain_node *next;
    uint64_t hash;
    bool linked;
};

/* Zero-initialised: empty. */
struct sp_chains {
    struct sp_chain_node **v; /* cap of them, a power of two */
    unsigned n, cap;
};

/* Its memory; the nodes are unlinked by nobody. */
void sp_chains_done(struct sp_chains *c);
void sp_chains_add(struct sp_chains *c, struct sp_chain_node *n, uint64_t hash);
/* Nothing happens if it is not in one. */
void sp_chains_remove(struct sp_chains *c, struct sp_chain_node *n);
/* The nodes of that hash, the last one added first; NULL at the end. */
struct sp_chain_node *sp_chains_first(const struct sp_chains *c, uint64_t hash);
struct sp_chain_node *sp_chains_next(const struct sp_chain_node *n);

#endif
