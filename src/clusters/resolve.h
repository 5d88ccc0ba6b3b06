/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The names of a cluster and their hosts: asks for each on the prober's thread, again and again, and publishes a new set of
 * hosts when an answer differs (Envoy's STRICT_DNS and LOGICAL_DNS).  While nobody answers the last hosts stay.  Owned by the
 * cluster.
 */
#ifndef SP_CLUSTERS_RESOLVE_H
#define SP_CLUSTERS_RESOLVE_H

#include "clusters/dns_config.h"
#include "clusters/state.h"

struct sp_resolve;

/* Takes `targets`, not closed: endpoints whose addr has no family are to be asked for by their `text`. */
struct sp_resolve *sp_resolve_new(struct sp_cluster *c, const struct sp_dns_options *o, struct sp_host_set *targets);
void sp_resolve_free(struct sp_resolve *r); /* NULL-safe; stopped, or never started */
/* On the prober's thread, while the cluster is started. */
void sp_resolve_start(struct sp_resolve *r, struct sp_slot *prober);
void sp_resolve_stop(struct sp_resolve *r);
/* Each name was answered or failed once, or it took too long, or nobody is to wait. Any thread. */
bool sp_resolve_warm(const struct sp_resolve *r);

#endif
