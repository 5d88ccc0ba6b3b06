/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_pool_key: what the pools (clusters/pool.h) of one worker are told apart by.  Its strings belong to who asks for a pool; a pool
 * keeps a copy.
 */
#ifndef SP_CLUSTERS_POOL_KEY_H
#define SP_CLUSTERS_POOL_KEY_H

#include "clusters/conn.h"

struct sp_pool_key {
    struct sp_host *host;
    enum sp_conn_kind kind;
    enum sp_routing routing;
    struct sp_str sni, verify_name; /* empty: the TLS context's own */
    struct sp_str first;            /* the PROXY header of a client's own connections; empty: none */
};

/* Keys of the same host and kind. */
bool sp_pool_key_eq(const struct sp_pool_key *a, const struct sp_pool_key *b);
/* With its bytes, which have room for all of them. */
void sp_pool_key_copy(struct sp_pool_key *to, const struct sp_pool_key *from, char *room);

#endif
