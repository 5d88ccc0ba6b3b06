/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled HealthCheck.  Owned by the cluster; immutable; strings live in the cluster's arena.
 */
#ifndef SP_CLUSTERS_HEALTH_CONFIG_H
#define SP_CLUSTERS_HEALTH_CONFIG_H

#include "clusters/options.h"
#include "stream/header_ops.h"

struct sp_status_range {
    unsigned from, upto; /* upto is behind the last */
};

struct sp_health_config {
    uint64_t timeout_ns, interval_ns, initial_jitter_ns, interval_jitter_ns;
    uint64_t no_traffic_ns, no_traffic_healthy_ns, unhealthy_ns, unhealthy_edge_ns, healthy_edge_ns;
    unsigned unhealthy_threshold, healthy_threshold;
    unsigned alt_port; /* 0: none */
    bool reuse;
    bool http;
    /* HTTP */
    bool h2;
    struct sp_str host, path, method; /* host may be empty */
    struct sp_header_ops *headers;    /* NULL: none */
    const struct sp_status_range *expected, *retriable;
    unsigned n_expected, n_retriable;
    /* TCP */
    struct sp_str send;
    const struct sp_str *receive; /* n_receive of them, in this order */
    unsigned n_receive;
};

/* False after errors. The result is good to be freed either way. */
bool sp_health_config_init(struct sp_health_config *h, struct sp_arena *arena, const struct sp_doc *doc,
                           struct sp_diag *diag, const Envoy__Config__Core__V3__HealthCheck *msg);
void sp_health_config_done(struct sp_health_config *h);

#endif
