/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_zone_stats: answers by zone, cluster.<name>.zone.<own zone>.<the host's>.upstream_rq_*, where both are named.  One for each zone
 * that the cluster's hosts ever stood in; made where sets of hosts are (the compiler, later the prober), counted into by workers.
 */
#ifndef SP_CLUSTERS_ZONE_STATS_H
#define SP_CLUSTERS_ZONE_STATS_H

#include "route/answer_stats.h"

enum { SP_ZONE_STATS_MOST = 256 }; /* zones of a cluster; hosts of further ones are not counted so */

struct sp_zone_stats {
    struct sp_zone_stats *next;
    struct sp_answer_stats answers;
    size_t name_len;
    char name[];
};

/* Of `list`, where it is added if it is new. NULL: one of both has no name, or there are too many. */
struct sp_zone_stats *sp_zone_stats_of(struct sp_zone_stats **list, struct sp_stats_scope *cluster, struct sp_str own, struct sp_str zone);
void sp_zone_stats_free(struct sp_zone_stats *list);

#endif
