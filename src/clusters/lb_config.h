/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster balances: lb_policy with its options, or the first of load_balancing_policy.  Part of the cluster, immutable.
 */
#ifndef SP_CLUSTERS_LB_CONFIG_H
#define SP_CLUSTERS_LB_CONFIG_H

#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"

enum sp_lb_policy { SP_LB_ROUND_ROBIN, SP_LB_LEAST_REQUEST, SP_LB_RANDOM };

struct sp_lb_config {
    enum sp_lb_policy policy;
    unsigned choice_count;  /* LEAST_REQUEST */
    bool by_locality;       /* localities get requests by their weights */
    double panic_threshold; /* percent */
};

/* Errors go to `diag`. */
void sp_lb_config_init(struct sp_lb_config *l, const struct sp_doc *doc, struct sp_diag *diag,
                       const Envoy__Config__Cluster__V3__Cluster *msg);

#endif
