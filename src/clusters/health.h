/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Active health checks of a cluster's hosts, as Envoy's: on the prober's thread, once a process.  Each host is asked by each of
 * the cluster's checks (clusters/health_session.h), and is well if all of them say so: that goes into its health word.
 */
#ifndef SP_CLUSTERS_HEALTH_H
#define SP_CLUSTERS_HEALTH_H

#include "clusters/health_config.h"
#include "clusters/state.h"

struct sp_health_checker;

/* Takes over what is in the n configs. Marks the cluster's hosts as not yet known to be well. */
struct sp_health_checker *sp_health_new(struct sp_cluster *c, const struct sp_health_config *configs, unsigned n);
void sp_health_free(struct sp_health_checker *k); /* NULL-safe; stopped, or never started */
/* On the prober's thread. */
void sp_health_start(struct sp_health_checker *k, struct sp_slot *prober);
void sp_health_stop(struct sp_health_checker *k);
/* On the prober's thread, while it runs: a host is gone; a new set of hosts is there, new ones among them. */
void sp_health_remove(struct sp_health_checker *k, struct sp_host *h);
void sp_health_update(struct sp_health_checker *k, struct sp_host_set *set);
/* The host wants no more requests: it said so in an answer. On any worker's thread, of a cluster that has checks. */
void sp_health_heed(struct sp_cluster *c, struct sp_host *h);
/* The host was checked once. On the prober's thread. */
bool sp_health_knows(const struct sp_host *h);
/* It was started and each host was asked once. Any thread. */
bool sp_health_warm(const struct sp_health_checker *k);

#endif
