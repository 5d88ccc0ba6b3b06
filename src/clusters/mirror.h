/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mirroring (request_mirror_policies): copies of a request that go to other clusters, whose answers nobody sees.  A copy
 * costs its request nothing but memory: it is sent at its own pace, what it has not sent yet is bounded by its cluster's
 * per_connection_buffer_limit_bytes, and when that is passed, or anything fails, it is given up.  Nothing is tried again.
 *
 * Headers into which this gateway wrote a secret (credential_injector, %SECRET%) are left out: they are for the request's own
 * cluster.  Upgrades are not mirrored.
 *
 * The owner of the request keeps a list of its copies while the request lasts, and lets go of it at its end; a copy of a whole
 * request lives on until its answer came.  On one worker.
 */
#ifndef SP_CLUSTERS_MIRROR_H
#define SP_CLUSTERS_MIRROR_H

#include "clusters/upstream.h"

/*
 * Begins the copies of a request that goes along `route`, made ready for its own cluster; `end`: it has no body. `list` is
 * initialised; `as` is what the request itself is sent with; `find` is for cluster_header; abandoned copies are counted in as->cluster.
 */
void sp_mirrors_begin(struct sp_list *list, const struct sp_route *route, const struct sp_headers *h, bool end,
                      const struct sp_upstream_setup *as, uint64_t random,
                      struct sp_cluster *(*find)(void *ctx, struct sp_str name), void *ctx);
/* The rest of the request. `b` and `t` stay the caller's. */
void sp_mirrors_data(struct sp_list *list, const struct sp_buf *b, bool end);
void sp_mirrors_trailers(struct sp_list *list, const struct sp_headers *t);
/* The request is over for its owner: what was not copied whole is given up. Leaves an empty list; a zeroed one is fine. */
void sp_mirrors_let_go(struct sp_list *list);

#endif
