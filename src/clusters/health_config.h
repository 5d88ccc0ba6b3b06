/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled HealthCheck.  Owned by the cluster; immutable; strings live in the cluster's arena.
 */
#ifndef SP_CLUSTERS_HEALTH_CONFIG_H
#define SP_CLUSTERS_HEALTH_CONFIG_H

#include "clusters/event_log.h"
#include "clusters/options.h"
#include "route/matcher.h"
#include "stream/header_ops.h"

struct sp_status_range {
    unsigned from, upto; /* upto is behind the last */
};

enum sp_health_kind { SP_HEALTH_HTTP, SP_HEALTH_TCP, SP_HEALTH_GRPC };
enum sp_health_proxy { SP_HEALTH_NO_PROXY, SP_HEALTH_PROXY_V1, SP_HEALTH_PROXY_V2 };

struct sp_health_config {
    enum sp_health_kind kind;
    struct sp_str name;  /* of one of several; else it may be empty */
    struct sp_str label; /* the same for logs: " (name)", or empty */
    uint64_t timeout_ns, interval_ns, initial_jitter_ns, interval_jitter_ns;
    unsigned jitter_percent;
    uint64_t no_traffic_ns, no_traffic_healthy_ns, unhealthy_ns, unhealthy_edge_ns, healthy_edge_ns;
    unsigned unhealthy_threshold, healthy_threshold;
    unsigned alt_port; /* 0: none */
    bool has_socket;   /* transport_socket_match_criteria */
    unsigned socket;   /* with it: which (clusters/socket_match.h); the cluster fills both in */
    bool reuse, log_failures, log_successes; /* always_log_... */
    struct sp_event_log *events;             /* NULL: none */
    struct sp_str alpn;   /* to offer, in ALPN's own form; empty: the TLS context's */
    struct sp_str send;   /* gRPC: with its prefix */
    const struct sp_str *receive; /* n_receive of them, in this order */
    unsigned n_receive;
    /* HTTP and gRPC */
    bool h2;
    struct sp_str host;               /* may be empty */
    struct sp_header_ops *headers;    /* NULL: none */
    /* HTTP */
    struct sp_str path, method;
    size_t response_limit;            /* bytes of the body that are looked at */
    struct sp_string_matcher *service; /* NULL: none */
    const struct sp_status_range *expected, *retriable;
    unsigned n_expected, n_retriable;
    /* TCP */
    enum sp_health_proxy proxy;
};

/* `o`: of the cluster that has it. False after errors. The result is good to be freed either way. */
bool sp_health_config_init(struct sp_health_config *h, struct sp_arena *arena, const struct sp_doc *doc,
                           struct sp_diag *diag, const Envoy__Config__Core__V3__HealthCheck *msg,
                           const struct sp_cluster_options *o);
void sp_health_config_done(struct sp_health_config *h);

#endif
