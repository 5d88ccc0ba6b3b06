/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster balances: lb_policy with its options, or the first of load_balancing_policy.  Part of the cluster, immutable.
 */
#ifndef SP_CLUSTERS_LB_CONFIG_H
#define SP_CLUSTERS_LB_CONFIG_H

#include "clusters/subset_config.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

enum sp_lb_policy { SP_LB_ROUND_ROBIN, SP_LB_LEAST_REQUEST, SP_LB_RANDOM, SP_LB_RING_HASH, SP_LB_MAGLEV };

/* zone_aware_lb_config; it counts where a local cluster is named. */
struct sp_zone_config {
    unsigned percent;     /* routing_enabled: of requests */
    uint64_t least_hosts; /* min_cluster_size: healthy ones */
    uint32_t force_least; /* force_local_zone.min_size; 0: it is not forced */
    bool by_weight;       /* locality_basis HEALTHY_HOSTS_WEIGHT */
};

struct sp_lb_config {
    enum sp_lb_policy policy;
    unsigned choice_count;  /* LEAST_REQUEST */
    bool full_scan;         /* LEAST_REQUEST: all hosts are looked at */
    double request_bias;    /* LEAST_REQUEST: active_request_bias, not negative */
    uint64_t slow_ns;       /* ROUND_ROBIN, LEAST_REQUEST: slow_start_window; 0: none */
    double slow_aggression, slow_least; /* over 0; the least factor, 0.1 is 10 % */
    bool close_on_change;   /* close_connections_on_host_set_change */
    bool by_locality;       /* localities get requests by their weights */
    struct sp_zone_config zone;
    double panic_threshold; /* percent */
    bool fail_on_panic;     /* fail_traffic_on_panic: nobody gets requests then */
    bool murmur;            /* RING_HASH: hashed by MurmurHash, not XXH64 */
    bool by_hostname;       /* RING_HASH, MAGLEV: hosts are hashed by their hostnames */
    uint64_t ring_min, ring_max;
    uint64_t table_size;    /* MAGLEV: a prime */
    uint32_t balance_factor; /* RING_HASH, MAGLEV: hash_balance_factor, percent; 0: none */
    const struct sp_subset_config *subsets; /* NULL: hosts are not divided */
};

static inline bool sp_lb_hashes(const struct sp_lb_config *l)
{
    return l->policy == SP_LB_RING_HASH || l->policy == SP_LB_MAGLEV;
}

/* Requests under way of each host matter. */
static inline bool sp_lb_counts(const struct sp_lb_config *l)
{
    return l->policy == SP_LB_LEAST_REQUEST || l->balance_factor;
}

/* Errors go to `diag`. */
void sp_lb_config_init(struct sp_lb_config *l, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Config__Cluster__V3__Cluster *msg);

#endif
