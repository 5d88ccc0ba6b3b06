/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_subset_lb: a worker's balancers of a cluster's subsets, and which of them a request is for.  Belongs to the slot; made anew with
 * its sp_lb for each set of hosts.
 */
#ifndef SP_CLUSTERS_SUBSET_LB_H
#define SP_CLUSTERS_SUBSET_LB_H

#include "clusters/lb.h"
#include "clusters/subsets.h"
#include "stream/info.h"

/* Of s->hosts; s->subset_lb stays NULL where they are not divided. After sp_lb_new. */
void sp_subset_lb_new(struct sp_slot *s);
void sp_subset_lb_free(struct sp_slot *s);
/* A host for a request that asks for `c` (NULL: for nothing), as sp_lb_pick_hashed. Where s->subset_lb is not NULL. */
struct sp_host *sp_subset_pick(struct sp_slot *s, const struct sp_criteria *c, const struct sp_host *avoid, const uint64_t *hash);
/* What a request asks for: its route's criteria with what filters left in "envoy.lb" over them. In the arena. */
const struct sp_criteria *sp_subset_criteria(struct sp_arena *arena, const struct sp_criteria *of_route, const struct sp_stream_info *info);

#endif
