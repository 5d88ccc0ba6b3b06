/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted of parts of a virtual host: VirtualHost.virtual_clusters, sets of its requests by their headers, and Route.stat_prefix.
 * Made with the route table and as old as it; counted into by any worker.
 */
#ifndef SP_ROUTE_VCLUSTER_H
#define SP_ROUTE_VCLUSTER_H

#include "route/answer_stats.h"
#include "route/route_ctx.h"

struct sp_vclusters;

/* NULL where none are asked for, and after an error, which makes `good` false. */
struct sp_vclusters *sp_vclusters_new(const struct sp_route_ctx *c, const Envoy__Config__Route__V3__VirtualHost *msg, bool *good);
void sp_vclusters_free(struct sp_vclusters *v); /* NULL-safe */
/* The first whose headers all match, else vhost.<name>.vcluster.other. Never NULL. Its name, empty for that one, lives as long as
 * the table. */
struct sp_rq_stats *sp_vclusters_find(const struct sp_vclusters *v, const struct sp_headers *h, struct sp_str *ret_name);
/* vhost.<name>.route.<prefix>., in the table's arena. */
struct sp_rq_stats *sp_route_stats_new(const struct sp_route_ctx *c, struct sp_str prefix);

#endif
