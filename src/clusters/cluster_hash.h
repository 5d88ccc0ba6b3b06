/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of what a cluster is made: equal hashes make equal clusters, so that one that serves may go on (clusters/cluster.h).  While it is
 * compiled, on the compiler's thread.
 */
#ifndef SP_CLUSTERS_CLUSTER_HASH_H
#define SP_CLUSTERS_CLUSTER_HASH_H

#include "clusters/cluster_build.h"
#include "config/doc_hash.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

/* Without load_assignment where its hosts can be exchanged. */
void sp_cluster_hash(const struct sp_cluster_build *build, const Envoy__Config__Cluster__V3__Cluster *msg, struct sp_hash *ret);
/* Of each transport socket that a host may have. */
void sp_cluster_hash_transport(const struct sp_doc *doc, const Envoy__Config__Cluster__V3__Cluster *msg, struct sp_hash *ret);
/* What its health checks send may be a secret (%SECRET%), whose file is watched as long as any config has the cluster. */
bool sp_cluster_has_secrets(const Envoy__Config__Cluster__V3__Cluster *msg);

#endif
