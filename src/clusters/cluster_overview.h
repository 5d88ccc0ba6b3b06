/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster at a glance, for the admin page's /overview: what its hosts, connections and requests do, in few numbers.  The members
 * are described in docs/admin.md.  Any thread.
 */
#ifndef SP_CLUSTERS_CLUSTER_OVERVIEW_H
#define SP_CLUSTERS_CLUSTER_OVERVIEW_H

#include <jansson.h>

struct sp_cluster;

/* Hosts are counted, not listed: its cost does not depend on how many there are. */
json_t *sp_cluster_overview(const struct sp_cluster *c);
/* At most `limit` hosts from the one at `offset` on; *ret_n: how many there are. */
json_t *sp_cluster_overview_hosts(const struct sp_cluster *c, unsigned offset, unsigned limit, unsigned *ret_n);
/* Its hosts with their health, as an Any of a ClusterLoadAssignment (Envoy's static_endpoint_configs). */
json_t *sp_cluster_assignment(const struct sp_cluster *c);

#endif
