/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a cluster is compiled with, besides its message (clusters/cluster.h).  The caller's; nothing of it outlives the call.
 */
#ifndef SP_CLUSTERS_CLUSTER_BUILD_H
#define SP_CLUSTERS_CLUSTER_BUILD_H

#include "clusters/host_change.h"
#include "config/doc.h"
#include "config/own_node.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

struct sp_cluster;

struct sp_cluster_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const Envoy__Config__Core__V3__BindConfig *bind; /* for clusters that have none of their own; may be NULL */
    const Envoy__Config__Bootstrap__V3__ClusterManager__OutlierDetection *outlier_events; /* where events of outliers go; may be NULL */
    const Envoy__Config__Core__V3__TypedExtensionConfig *dns_resolver; /* the same; Bootstrap.typed_dns_resolver_config */
    struct sp_own_locality own; /* where this gateway stands; texts need to stay until the end of the call */
    struct sp_cluster *local;   /* cluster_manager.local_cluster_name, of this config: by its hosts the others balance by zone; NULL: there is none */
    bool is_local;              /* this is that one */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name); /* those that are made already; NULL: none are */
    void *ctx;
    unsigned n_workers; /* serving workers; the prober is worker n_workers: slots 0 .. n_workers */
    const struct sp_clusters *previous; /* of the config that serves; NULL: none */
    struct sp_clusters *fresh;          /* of the config that is compiled, to put `changes` in; needed with `previous` */
};

#endif
