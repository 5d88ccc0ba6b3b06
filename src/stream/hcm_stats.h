/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The counters of a connection manager under Envoy's names: http.<stat_prefix>.*, listener.<name>.http.<stat_prefix>.*,
 * and the codecs' http1.* and http2.*, which all connection managers share.  Made when the config is compiled; part of
 * sp_hcm.
 */
#ifndef SP_STREAM_HCM_STATS_H
#define SP_STREAM_HCM_STATS_H

#include "http/codec_stats.h"
#include "stream/hcm.h"

/* X(member, "name") of http.<stat_prefix>. */
#define SP_HCM_COUNTERS(X) \
    X(rq_total, "downstream_rq_total") X(rq_completed, "downstream_rq_completed") \
    X(rq_1xx, "downstream_rq_1xx") X(rq_2xx, "downstream_rq_2xx") X(rq_3xx, "downstream_rq_3xx") \
    X(rq_4xx, "downstream_rq_4xx") X(rq_5xx, "downstream_rq_5xx") \
    X(rq_http1, "downstream_rq_http1_total") X(rq_http2, "downstream_rq_http2_total") \
    X(rq_rx_reset, "downstream_rq_rx_reset") X(rq_tx_reset, "downstream_rq_tx_reset") \
    X(rq_idle_timeout, "downstream_rq_idle_timeout") X(rq_timeout, "downstream_rq_timeout") \
    X(rq_header_timeout, "downstream_rq_header_timeout") \
    X(rq_max_duration, "downstream_rq_max_duration_reached") \
    X(rq_non_relative_path, "downstream_rq_non_relative_path") X(rq_too_large, "downstream_rq_too_large") \
    X(rq_early_response, "downstream_rq_response_before_rq_complete") \
    X(upgrades, "downstream_cx_upgrades_total") X(rq_upgrade_refused, "downstream_rq_ws_on_non_ws_route") \
    X(rq_bad_path, "downstream_rq_failed_path_normalization") \
    X(rq_path_redirect, "downstream_rq_redirected_with_normalized_path") \
    X(rq_overload_close, "downstream_rq_overload_close") X(rq_late, "downstream_rq_late") \
    X(rq_ip_rejected, "downstream_rq_rejected_via_ip_detection") \
    X(rq_premature_resets, "downstream_rq_too_many_premature_resets") \
    X(cx_max_requests, "downstream_cx_max_requests_reached") \
    X(paused, "downstream_flow_control_paused_reading_total") \
    X(resumed, "downstream_flow_control_resumed_reading_total") \
    X(rq_misdirected, "downstream_rq_misdirected") \
    X(rq_too_early, "downstream_rq_too_early") \
    X(no_route, "no_route") X(direct_response, "rq_direct_response") X(redirect, "rq_redirect") \
    X(routed, "rq_total")

struct sp_hcm_stats {
#define X(member, name) struct sp_counter member;
    SP_HCM_COUNTERS(X)
#undef X
    struct sp_gauge rq_active, upgrades_active;
    struct sp_timing rq_time;
    /* The listener's: completed and by class; cell 0 (nobody's) without one. */
    struct sp_counter listener_completed, listener_classes[6];
    bool has_listener;
    struct sp_stats_scope *of_listener; /* held */
    struct sp_codec_stats codec;
};

void sp_hcm_stats_init(struct sp_hcm_stats *s, struct sp_hcm_cx_stats *cx, struct sp_stats_scope *scope,
                       const struct sp_stats_scope *listener_scope, struct sp_str stat_prefix);
/* A zeroed one is fine. */
void sp_hcm_stats_done(struct sp_hcm_stats *s);
/* A final head or a 1xx one was sent. */
void sp_hcm_stats_status(const struct sp_hcm_stats *s, unsigned status);
/* A codec's event. */
void sp_hcm_stats_codec(const struct sp_hcm_stats *s, enum sp_codec_event ev, const char *detail);

#endif
