/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_lb: a worker's balancer of one cluster: round robin (by weight when weights differ), random, or least request (the less busy
 * of some random hosts; by weight / (requests under way + 1) when weights differ).  It sees changes of health by the cluster's
 * generation and then rebuilds its lists, allocating nothing.  Where requests are balanced by their hash it takes from the slot's
 * tables (clusters/hashed.h).  Belongs to the slot; made anew for each set of hosts.
 */
#ifndef SP_CLUSTERS_LB_H
#define SP_CLUSTERS_LB_H

#include "clusters/state.h"

struct sp_lb *sp_lb_new(struct sp_slot *s);
/* One of a part of its hosts, which stay with them; not by hash. */
struct sp_lb *sp_lb_new_of(struct sp_slot *s, const struct sp_host_set *part);
void sp_lb_free(struct sp_lb *lb); /* NULL-safe */
/* A host for a request, for the slot to hold; NULL when there is none. `avoid` (or NULL) is not taken where there is another. */
struct sp_host *sp_lb_pick(struct sp_slot *s, const struct sp_host *avoid);
/* The same out of a part. */
struct sp_host *sp_lb_pick_of(struct sp_slot *s, struct sp_lb *lb, const struct sp_host *avoid);
/* The same for a request with a hash (NULL: it has none, and gets a random one where hosts are taken by hash). */
struct sp_host *sp_lb_pick_hashed(struct sp_slot *s, const struct sp_host *avoid, const uint64_t *hash);
/*
 * Who will get the request after those that were asked about before, which sp_lb_take_ahead gives then; NULL: nobody knows (hosts are
 * taken by hash, or divided), or as many were asked about as hosts are well, or SP_LB_AHEAD.
 */
enum { SP_LB_AHEAD = 64 };
struct sp_host *sp_lb_look_ahead(struct sp_slot *s);
/* The first of these, if hosts are as they were and it is not `avoid`; else NULL. */
struct sp_host *sp_lb_take_ahead(struct sp_slot *s, const struct sp_host *avoid);
/* The same out of a part's tables. */
struct sp_host *sp_lb_pick_tables(struct sp_slot *s, const struct sp_hashed *tables, const struct sp_host *avoid, const uint64_t *hash);

#endif
