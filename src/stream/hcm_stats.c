/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/hcm_stats.h"

#include <assert.h>

static void init_cx(struct sp_hcm_cx_stats *cx, struct sp_stats_scope *scope)
{
    const struct {
        struct sp_counter *c;
        struct sp_str name;
    } counters[] = {
        {&cx->total, SP_STR("downstream_cx_total")},
        {&cx->ssl_total, SP_STR("downstream_cx_ssl_total")},
        {&cx->destroy, SP_STR("downstream_cx_destroy")},
        {&cx->destroy_local, SP_STR("downstream_cx_destroy_local")},
        {&cx->destroy_remote, SP_STR("downstream_cx_destroy_remote")},
        {&cx->destroy_active_rq, SP_STR("downstream_cx_destroy_active_rq")},
        {&cx->destroy_local_active_rq, SP_STR("downstream_cx_destroy_local_active_rq")},
        {&cx->destroy_remote_active_rq, SP_STR("downstream_cx_destroy_remote_active_rq")},
        {&cx->http1_total, SP_STR("downstream_cx_http1_total")},
        {&cx->http2_total, SP_STR("downstream_cx_http2_total")},
        {&cx->protocol_error, SP_STR("downstream_cx_protocol_error")},
        {&cx->idle_timeout, SP_STR("downstream_cx_idle_timeout")},
        {&cx->max_duration, SP_STR("downstream_cx_max_duration_reached")},
        {&cx->drain_close, SP_STR("downstream_cx_drain_close")},
        {&cx->delayed_close_timeout, SP_STR("downstream_cx_delayed_close_timeout")},
        {&cx->rx_bytes, SP_STR("downstream_cx_rx_bytes_total")},
        {&cx->tx_bytes, SP_STR("downstream_cx_tx_bytes_total")},
        {&cx->overload_disable_keepalive, SP_STR("downstream_cx_overload_disable_keepalive")},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(counters); i++)
        *counters[i].c = sp_stats_counter(scope, counters[i].name);
    cx->active = sp_stats_gauge(scope, SP_STR("downstream_cx_active"));
    cx->ssl_active = sp_stats_gauge(scope, SP_STR("downstream_cx_ssl_active"));
    cx->http1_active = sp_stats_gauge(scope, SP_STR("downstream_cx_http1_active"));
    cx->http2_active = sp_stats_gauge(scope, SP_STR("downstream_cx_http2_active"));
    cx->length_ms = sp_stats_timing(scope, SP_STR("downstream_cx_length_ms"));
}

static void init_listener(struct sp_hcm_stats *s, const struct sp_stats_scope *listener, struct sp_str prefix)
{
    static const char *const classes[6] = {NULL, "downstream_rq_1xx", "downstream_rq_2xx", "downstream_rq_3xx",
                                           "downstream_rq_4xx", "downstream_rq_5xx"};
    struct sp_stats_scope *scope = sp_stats_scope_hold((struct sp_stats_scope *)(uintptr_t)listener, SP_STR("http"),
                                                       "envoy_http_conn_manager_prefix", prefix);
    s->has_listener = true;
    s->of_listener = scope;
    s->listener_completed = sp_stats_counter(scope, SP_STR("downstream_rq_completed"));
    for (int i = 1; i < 6; i++)
        s->listener_classes[i] = sp_stats_counter(scope, sp_str_c(classes[i]));
}

void sp_hcm_stats_init(struct sp_hcm_stats *s, struct sp_hcm_cx_stats *cx, struct sp_stats_scope *scope,
                       const struct sp_stats_scope *listener_scope, struct sp_str stat_prefix)
{
    assert(s && cx && scope);
#define X(member, name) s->member = sp_stats_counter(scope, SP_STR(name));
    SP_HCM_COUNTERS(X)
#undef X
    s->rq_active = sp_stats_gauge(scope, SP_STR("downstream_rq_active"));
    s->upgrades_active = sp_stats_gauge(scope, SP_STR("downstream_cx_upgrades_active"));
    s->rq_time = sp_stats_timing(scope, SP_STR("downstream_rq_time"));
    init_cx(cx, scope);
    sp_codec_stats_init_server(&s->codec);
    if (listener_scope)
        init_listener(s, listener_scope, stat_prefix);
}

void sp_hcm_stats_status(const struct sp_hcm_stats *s, unsigned status)
{
    const struct sp_counter classes[6] = {{0}, s->rq_1xx, s->rq_2xx, s->rq_3xx, s->rq_4xx, s->rq_5xx};
    unsigned class = status / 100 < 6 ? status / 100 : 0;
    sp_counter_inc(s->rq_completed);
    sp_counter_inc(classes[class]);
    if (s->has_listener) {
        sp_counter_inc(s->listener_completed);
        sp_counter_inc(s->listener_classes[class]);
    }
}

void sp_hcm_stats_codec(const struct sp_hcm_stats *s, enum sp_codec_event ev, const char *detail)
{
    sp_codec_stats_event(&s->codec, ev, detail);
    if (ev == SP_CE_HEADERS_TIMEOUT)
        sp_counter_inc(s->rq_header_timeout);
    else if (ev == SP_CE_OVERLOAD)
        sp_counter_inc(s->rq_overload_close);
    else if (ev == SP_CE_FLOOD && sp_str_eq(sp_str_c(detail), SP_STR("http2.premature_reset_flood")))
        sp_counter_inc(s->rq_premature_resets);
}

void sp_hcm_stats_done(struct sp_hcm_stats *s)
{
    assert(s);
    sp_stats_scope_drop(s->of_listener);
}
