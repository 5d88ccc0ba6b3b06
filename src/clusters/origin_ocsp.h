/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OCSP about origins: gives a cluster that was just compiled the responders that its transport sockets name.  On the compiling
 * thread, before anybody uses the cluster; one that was kept from an earlier config has them.
 */
#ifndef SP_CLUSTERS_ORIGIN_OCSP_H
#define SP_CLUSTERS_ORIGIN_OCSP_H

#include "clusters/cluster.h"

/* Counters: cluster.<name>.ssl.ocsp.*. build->find_cluster finds the responders' clusters. Errors are in build->diag. */
void sp_origin_ocsp_init(struct sp_cluster *c, const struct sp_cluster_build *build, const Envoy__Config__Cluster__V3__Cluster *msg);

#endif
