/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/listener_stats.h"

#include <assert.h>

void sp_listener_stats_init(struct sp_listener_stats *s, struct sp_stats_scope *scope)
{
    assert(s && scope);
    s->scope = scope;
    s->cx_total = sp_stats_counter(scope, SP_STR("downstream_cx_total"));
    s->cx_destroy = sp_stats_counter(scope, SP_STR("downstream_cx_destroy"));
    s->cx_overflow = sp_stats_counter(scope, SP_STR("downstream_cx_overflow"));
    s->cx_overload_reject = sp_stats_counter(scope, SP_STR("downstream_cx_overload_reject"));
    s->global_cx_overflow = sp_stats_counter(scope, SP_STR("downstream_global_cx_overflow"));
    s->connect_timeout = sp_stats_counter(scope, SP_STR("downstream_cx_transport_socket_connect_timeout"));
    s->pre_cx_timeout = sp_stats_counter(scope, SP_STR("downstream_pre_cx_timeout"));
    s->no_filter_chain_match = sp_stats_counter(scope, SP_STR("no_filter_chain_match"));
    s->cx_active = sp_stats_gauge(scope, SP_STR("downstream_cx_active"));
    s->pre_cx_active = sp_stats_gauge(scope, SP_STR("downstream_pre_cx_active"));
    s->cx_length_ms = sp_stats_timing(scope, SP_STR("downstream_cx_length_ms"));
    s->filter_remote_close = sp_stats_counter(scope, SP_STR("downstream_listener_filter_remote_close"));
    s->accepted = sp_stats_histogram(scope, SP_STR("connections_accepted_per_socket_event"));
}

void sp_listener_stats_tls(struct sp_listener_stats *s)
{
    assert(s && s->scope);
    if (!s->ssl.scope)
        sp_tls_stats_init(&s->ssl, s->scope, true);
}

void sp_listener_worker_stats_init(struct sp_listener_worker_stats *w, const struct sp_listener_stats *s, const char *worker)
{
    assert(w && s && worker);
    *w = (struct sp_listener_worker_stats){0};
    if (!s->scope)
        return;
    struct sp_stats_scope *scope = sp_stats_scope(s->scope, sp_str_c(worker), NULL, SP_STR_NULL);
    w->cx_total = sp_stats_counter(scope, SP_STR("downstream_cx_total"));
    w->cx_active = sp_stats_gauge(scope, SP_STR("downstream_cx_active"));
}
