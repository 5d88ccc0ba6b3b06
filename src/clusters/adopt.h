/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a worker changes over to other hosts of a cluster: outside of any request its slot takes them, makes its balancer anew and
 * closes the idle connections of hosts that are gone.
 */
#ifndef SP_CLUSTERS_ADOPT_H
#define SP_CLUSTERS_ADOPT_H

#include "clusters/state.h"

/*
 * Posts hosts to each slot that is attached, with the tables that were made of them where the cluster balances by hash (NULL
 * elsewhere). On the prober's thread, with c->hosts_lock.
 */
void sp_adopt_post(struct sp_cluster *c, struct sp_host_set *set, struct sp_hashed *hashed);

#endif
