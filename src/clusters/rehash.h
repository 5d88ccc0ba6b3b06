/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keeps a cluster's sp_hashed true: when its hosts or their health change, the prober has new tables made on another thread (one
 * after the other), makes them the cluster's, and posts them to each worker that is attached.  Only for clusters that balance by
 * hash; of others it does nothing.
 */
#ifndef SP_CLUSTERS_REHASH_H
#define SP_CLUSTERS_REHASH_H

#include "clusters/state.h"

/* The first tables. While the cluster is compiled, once it has its hosts and knows how it balances. */
void sp_rehash_first(struct sp_cluster *c);
/* On the prober's thread, of a started cluster: what is out of date is made anew; with `hosts` since c->hosts are others. */
void sp_rehash_check(struct sp_cluster *c, bool hosts);
/* The tables are of the hosts and the health that are known. Any thread. */
bool sp_rehash_settled(const struct sp_cluster *c);

#endif
