/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling ClusterLoadAssignment into a set of hosts.
 */
#ifndef SP_CLUSTERS_HOSTS_H
#define SP_CLUSTERS_HOSTS_H

#include "clusters/host_set.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

/*
 * The hosts of load_assignment, possibly none; neither closed nor published. Errors go to `diag`. With `names`: a host may be
 * a name to resolve, which is its `text` and, unless it has another, its hostname; its addr and perhaps health_addr have no
 * family then, but the port.
 */
struct sp_host_set *sp_hosts_read(const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg, bool names);
/* An Address, whose path goes to `arena`; false after an error about msg's field "address". */
bool sp_hosts_address(struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *msg,
                      const Envoy__Config__Core__V3__Address *address, struct sp_addr *ret);

#endif
