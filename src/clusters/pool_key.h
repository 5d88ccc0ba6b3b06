/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_pool_key: what the pools (clusters/pool.h) of one worker are told apart by.  Its strings belong to who asks for a pool; a pool
 * keeps a copy.
 */
#ifndef SP_CLUSTERS_POOL_KEY_H
#define SP_CLUSTERS_POOL_KEY_H

#include "clusters/conn.h"
#include "stream/info.h"

struct sp_pool_key {
    struct sp_host *host;
    enum sp_conn_kind kind;
    enum sp_routing routing;
    struct sp_str sni, verify_name; /* empty: the TLS context's own */
    struct sp_str first;            /* the PROXY header of a client's own connections; empty: none */
    /* No part of what keys are told apart by: */
    bool personal;                  /* `first` names a client */
    const struct sp_conn_info *conn; /* whose: its connections end with it; NULL: it may be gone */
};

bool sp_pool_key_eq(const struct sp_pool_key *a, const struct sp_pool_key *b);
/* With its bytes, which have room for all of them. */
void sp_pool_key_copy(struct sp_pool_key *to, const struct sp_pool_key *from, char *room);
/* Whether names of requests or clients are in it, of which there are any number. */
static inline bool sp_pool_key_named(const struct sp_pool_key *k)
{
    return SP_UNLIKELY((k->sni.len | k->verify_name.len | k->first.len) != 0);
}
uint64_t sp_pool_key_hash(const struct sp_pool_key *k);

#endif
