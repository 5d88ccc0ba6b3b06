/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster's hosts change while it lives.  The publisher (the compiler for the first set, afterwards the prober) gives
 * a new set its hosts, makes it the cluster's current one under a lock that no request takes, and posts it to each worker
 * that is attached (clusters/adopt.h), where the cluster balances by hash once the tables are made (clusters/rehash.h).  A message,
 * rather than one atomic pointer, because a worker has to act anyway.  The last worker to change over frees the old set; requests
 * under way hold their hosts.
 */
#ifndef SP_CLUSTERS_PUBLISH_H
#define SP_CLUSTERS_PUBLISH_H

#include "clusters/current.h"

/* The cluster's first set; takes it. While the cluster is compiled. */
void sp_hosts_first(struct sp_cluster *c, struct sp_host_set *s);
/*
 * Takes the set and makes it the current one; but where new hosts are to be checked first, hosts that it lacks stay until then.
 * On the prober's thread, of a started cluster.
 */
void sp_hosts_publish(struct sp_cluster *c, struct sp_host_set *s);
/* The same from any thread: soon, or when the cluster is started. Of several only the last counts. */
void sp_hosts_post(struct sp_cluster *c, struct sp_host_set *s);
/* On the prober's thread: begins and ends what publishes; the gauges of the current set are the caller's. */
void sp_hosts_start(struct sp_cluster *c, struct sp_worker *prober);
void sp_hosts_stop(struct sp_cluster *c);

#endif
