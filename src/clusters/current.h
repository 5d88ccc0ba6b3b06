/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster's current set of hosts, for those that only take it: workers when they are attached (afterwards sets are posted
 * to them, see clusters/publish.h), and who shows it.
 */
#ifndef SP_CLUSTERS_CURRENT_H
#define SP_CLUSTERS_CURRENT_H

#include "clusters/state.h"

/* A reference. Any thread. */
struct sp_host_set *sp_hosts_get(const struct sp_cluster *c);
/* The worker is attached: it gets the current set, and what is published from now on. On its thread. */
void sp_hosts_attach(struct sp_slot *s);
void sp_hosts_detach(struct sp_slot *s);
/* When the cluster is freed. */
void sp_hosts_done(struct sp_cluster *c);

#endif
