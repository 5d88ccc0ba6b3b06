/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_breakers: the limits of a cluster for requests of one priority (Envoy: CircuitBreakers.Thresholds), each for the whole
 * process.  Two stand in each cluster, by enum sp_routing; they share nothing.  Immutable but for the permits; taken and
 * given back on slots' threads.
 */
#ifndef SP_CLUSTERS_BREAKERS_H
#define SP_CLUSTERS_BREAKERS_H

#include "clusters/cluster_stats.h"
#include "clusters/permits.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

enum sp_routing { SP_ROUTING_DEFAULT, SP_ROUTING_HIGH, SP_ROUTINGS };

struct sp_breakers {
    struct sp_permits connections, pending, requests, retries, pools;
    uint32_t per_host;       /* connections of one host; UINT32_MAX: no limit */
    bool budget;             /* retry_budget, in place of `retries` */
    double budget_percent;   /* of what is under way or waits */
    uint32_t budget_least;
    _Atomic bool budget_open;
    _Alignas(SP_CACHELINE) _Atomic uint32_t retrying; /* with a budget */
};

/* Errors go to `diag`; the result is good to be freed either way. */
void sp_breakers_init(struct sp_breakers b[SP_ROUTINGS], const struct sp_doc *doc, struct sp_diag *diag,
                      const Envoy__Config__Cluster__V3__Cluster *msg, const struct sp_cluster_stats *stats, unsigned n_slots);
void sp_breakers_done(struct sp_breakers b[SP_ROUTINGS]);
/* Adds the limits to the gauges, or takes them out again. */
void sp_breakers_publish(struct sp_breakers b[SP_ROUTINGS], bool on);
/* Whether some host has a limit of its own. */
static inline bool sp_breakers_per_host(const struct sp_breakers b[SP_ROUTINGS])
{
    return b[SP_ROUTING_DEFAULT].per_host != UINT32_MAX || b[SP_ROUTING_HIGH].per_host != UINT32_MAX;
}
/* A retry: by max_retries, or by the budget. False: there are enough. */
bool sp_breakers_retry(struct sp_breakers *b, unsigned slot);
void sp_breakers_retried(struct sp_breakers *b, unsigned slot);

#endif
