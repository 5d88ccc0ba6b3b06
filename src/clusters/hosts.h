/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling ClusterLoadAssignment into the hosts of a cluster, by priority.
 */
#ifndef SP_CLUSTERS_HOSTS_H
#define SP_CLUSTERS_HOSTS_H

#include "clusters/state.h"

/* Fills c->hosts, c->priorities and c->counts (c->arena, c->n_slots are set). Errors go to `diag`. */
void sp_hosts_init(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                   const Envoy__Config__Cluster__V3__Cluster *msg);
void sp_hosts_done(struct sp_cluster *c);
/* An Address in the cluster's arena; false after an error about msg's field "address". */
bool sp_hosts_address(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                      const Envoy__Config__Core__V3__Address *address, struct sp_addr *ret);

#endif
