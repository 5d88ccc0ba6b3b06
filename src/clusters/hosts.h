/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling ClusterLoadAssignment into a set of hosts.
 */
#ifndef SP_CLUSTERS_HOSTS_H
#define SP_CLUSTERS_HOSTS_H

#include "clusters/host_set.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

/* The hosts of load_assignment, possibly none, not published. Errors go to `diag`. */
struct sp_host_set *sp_hosts_read(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg);
/* An Address, whose path goes to `arena`; false after an error about msg's field "address". */
bool sp_hosts_address(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                      const Envoy__Config__Core__V3__Address *address, struct sp_addr *ret);

#endif
