/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters of one cluster under Envoy's names: cluster.<name>.upstream_cx_total and so on.  Made when the cluster is
 * compiled; counted into by workers and the prober.  What cannot happen here has no
 * counter (docs/stats.md says why).
 */
#ifndef SP_CLUSTERS_CLUSTER_STATS_H
#define SP_CLUSTERS_CLUSTER_STATS_H

#include "route/answer_stats.h"
#include "http/codec_stats.h"
#include "net/tls_stats.h"

#define SP_CLUSTER_COUNTERS(X) \
    X(upstream_cx_total) X(upstream_cx_http1_total) X(upstream_cx_http2_total) \
    X(upstream_cx_connect_fail) X(upstream_cx_connect_timeout) X(upstream_cx_idle_timeout) \
    X(upstream_cx_overflow) X(upstream_cx_destroy) \
    X(upstream_cx_destroy_local) X(upstream_cx_destroy_remote) X(upstream_cx_destroy_with_active_rq) \
    X(upstream_cx_destroy_local_with_active_rq) X(upstream_cx_destroy_remote_with_active_rq) \
    X(upstream_cx_close_notify) X(upstream_cx_rx_bytes_total) X(upstream_cx_tx_bytes_total) \
    X(upstream_cx_none_healthy) X(upstream_cx_protocol_error) X(upstream_cx_max_requests) \
    X(upstream_cx_max_duration_reached) X(upstream_cx_pool_overflow) \
    X(upstream_rq_total) X(upstream_rq_pending_total) X(upstream_rq_pending_overflow) X(upstream_rq_active_overflow) \
    X(upstream_rq_drop_overload) \
    X(upstream_rq_pending_failure_eject) X(upstream_rq_cancelled) \
    X(upstream_rq_timeout) X(upstream_rq_max_duration_reached) X(upstream_rq_per_try_timeout) \
    X(upstream_rq_per_try_idle_timeout) X(upstream_rq_rx_reset) X(upstream_rq_tx_reset) X(upstream_rq_retry) \
    X(upstream_rq_retry_backoff_exponential) X(upstream_rq_retry_backoff_ratelimited) \
    X(upstream_rq_retry_limit_exceeded) X(upstream_rq_retry_success) X(upstream_rq_retry_overflow) \
    X(upstream_internal_redirect_succeeded_total) X(upstream_internal_redirect_failed_total) \
    X(upstream_rq_completed) X(retry_or_shadow_abandoned) X(lb_healthy_panic) X(lb_local_cluster_not_ok) \
    X(lb_recalculate_zone_structures) X(lb_zone_cluster_too_small) X(lb_zone_no_capacity_left) X(lb_zone_routing_all_directly) \
    X(lb_zone_routing_cross_zone) X(lb_zone_routing_sampled) X(membership_change) \
    X(update_attempt) X(update_success) X(update_failure) X(update_no_rebuild) \
    X(assignment_stale) X(assignment_timeout_received) \
    X(upstream_flow_control_paused_reading_total) X(upstream_flow_control_resumed_reading_total) \
    X(upstream_flow_control_backed_up_total) X(upstream_flow_control_drained_total) X(bind_errors)

#define SP_CLUSTER_GAUGES(X) \
    X(upstream_cx_active) X(upstream_cx_http1_active) X(upstream_cx_http2_active) X(upstream_rq_active) \
    X(upstream_rq_pending_active) X(membership_total) X(membership_healthy) X(membership_degraded) \
    X(membership_excluded) X(max_host_weight)

#define SP_CLUSTER_TIMINGS(X) X(upstream_cx_connect_ms) X(upstream_cx_length_ms) X(upstream_rq_time)

#define SP_HEALTH_CHECK_COUNTERS(X) \
    X(attempt) X(success) X(failure) X(network_failure) X(passive_failure) X(verify_cluster)

#define X(name) struct sp_counter name;
struct sp_health_stats {
    SP_HEALTH_CHECK_COUNTERS(X)
    struct sp_gauge healthy, degraded;
};
#undef X

/* Made where the cluster is told to (clusters/tracked.h). */
struct sp_cluster_tracked {
    bool on, budgets, sizes; /* on: one of the others */
    struct sp_histogram percent, per_try_percent, rq_headers, rq_body, rs_headers, rs_body, rq_count, rs_count;
};

struct sp_cluster_stats {
    struct sp_stats_scope *scope; /* "cluster.<name>." */
#define X(name) struct sp_counter name;
    SP_CLUSTER_COUNTERS(X)
    struct sp_health_stats health_check; /* several checks: the gauges only, of all together */
    struct sp_tls_stats ssl; /* zeroed where the cluster speaks plain text */
    struct {
        struct sp_counter created, removed, selected, fallback, fallback_panic;
        struct sp_gauge active, duplicates;
    } subsets; /* lb_subsets_* */
#undef X
#define X(name) struct sp_gauge name;
    SP_CLUSTER_GAUGES(X)
#undef X
#define X(name) struct sp_timing name;
    SP_CLUSTER_TIMINGS(X)
#undef X
    struct sp_histogram upstream_rq_per_cx;
    _Atomic uint32_t ratelimit[4]; /* cells of ratelimit.*; 0: not made yet */
    struct sp_code_counters codes, retry_codes; /* upstream_rq_200, retry.upstream_rq_503 */
    struct sp_counter retry_completed;          /* retry.upstream_rq_completed */
    struct sp_codec_stats codec;                /* http2.*, where HTTP/2 is spoken */
    /* external., internal. and canary.upstream_rq_*; NULL: not made yet */
    struct sp_answer_stats *_Atomic sides[2], *_Atomic canary;
    struct sp_cluster_tracked tracked;
    struct sp_gauge table_size, table_least, table_most; /* ring_hash_lb.*, maglev_lb.*; set on the main thread */
    unsigned measured;                                   /* 1 more than the generation of tables that they are of; main's */
};

/* `name`: alt_stat_name, or the cluster's. The ssl and health_check ones are made where asked for only. */
void sp_cluster_stats_init(struct sp_cluster_stats *s, struct sp_str name, bool tls, size_t n_checks);
/* Of one of a cluster's checks: health_check.name.<name>. */
void sp_health_stats_init(struct sp_health_stats *s, struct sp_stats_scope *cluster, struct sp_str name);
/* canary.upstream_rq_*, internal. or external.; the first use takes a lock. Any thread. */
struct sp_answer_stats *sp_cluster_stats_canary(struct sp_cluster_stats *s);
struct sp_answer_stats *sp_cluster_stats_side(struct sp_cluster_stats *s, bool internal);
/* http2.*. */
void sp_cluster_stats_http2(struct sp_cluster_stats *s);
/* timeout_budgets, request_response_sizes. */
void sp_cluster_stats_track(struct sp_cluster_stats *s, bool budgets, bool sizes);
/* ring_hash_lb.size, ring_hash_lb.min_hashes_per_host ..., or maglev_lb.min_entries_per_host .... */
void sp_cluster_stats_tables(struct sp_cluster_stats *s, bool maglev);
/* Those of subsets. */
void sp_cluster_stats_subsets(struct sp_cluster_stats *s);
/* The cluster is gone: so are they, unless one of the same name has come. A zeroed one is fine. */
void sp_cluster_stats_done(struct sp_cluster_stats *s);
/* A gauge of circuit_breakers.default or .high. */
struct sp_gauge sp_cluster_breaker_gauge(const struct sp_cluster_stats *s, struct sp_str priority, struct sp_str name);

#endif
