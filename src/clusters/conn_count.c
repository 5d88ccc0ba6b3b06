/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What connections to hosts add to the counters of their cluster and of their host. */
#include <assert.h>

#include "clusters/conn.h"

/* As in Envoy, also one that is never made counts for its version, where that is known before. */
void sp_conn_count_begun(struct sp_conn *c)
{
    assert(c && c->counted);
    struct sp_cluster_stats *s = sp_conn_stats(c);
    sp_counter_inc(s->upstream_cx_total);
    sp_gauge_inc(s->upstream_cx_active);
    if (c->kind == SP_KIND_H1)
        sp_counter_inc(s->upstream_cx_http1_total);
    else if (c->kind == SP_KIND_H2)
        sp_counter_inc(s->upstream_cx_http2_total);
    sp_host_count(&sp_conn_part(c)->cx_total, 1);
    sp_host_gauge(&sp_conn_part(c)->cx_active, 1);
}

void sp_conn_count_ready(struct sp_conn *c)
{
    assert(c && c->counted);
    struct sp_cluster_stats *s = sp_conn_stats(c);
    if (c->kind == SP_KIND_AUTO)
        sp_counter_inc(c->h2 ? s->upstream_cx_http2_total : s->upstream_cx_http1_total);
    if (c->kind != SP_KIND_RAW)
        sp_gauge_inc(c->h2 ? s->upstream_cx_http2_active : s->upstream_cx_http1_active);
    sp_timing_record(s->upstream_cx_connect_ms, c->slot->turn->now_ns - c->started_ns);
}

void sp_conn_count_tls_failure(struct sp_conn *c)
{
    struct sp_tls *tls = sp_wire_tls(c->wire);
    if (!tls)
        return;
    sp_tls_stats_failed(&sp_conn_stats(c)->ssl, sp_tls_failure(tls));
    if (!c->connected && sp_tls_failure(tls) && !sp_tls_resumed(tls))
        sp_tls_stats_stapled(&sp_conn_stats(c)->ssl, sp_tls_stapled(tls));
}

void sp_conn_count_closed(struct sp_conn *c, const struct sp_conn_end *end)
{
    assert(c && c->counted && end);
    struct sp_cluster_stats *s = sp_conn_stats(c);
    sp_gauge_dec(s->upstream_cx_active);
    sp_host_gauge(&sp_conn_part(c)->cx_active, -1);
    sp_counter_inc(s->upstream_cx_destroy);
    bool remote = end->why == SP_WIRE_REMOTE || end->why == SP_WIRE_CONNECT;
    sp_counter_inc(remote ? s->upstream_cx_destroy_remote : s->upstream_cx_destroy_local);
    if (end->connected) {
        if (c->kind != SP_KIND_RAW)
            sp_gauge_dec(c->h2 ? s->upstream_cx_http2_active : s->upstream_cx_http1_active);
        sp_histogram_record(s->upstream_rq_per_cx, c->n_requests);
        sp_timing_record(s->upstream_cx_length_ms, c->slot->turn->now_ns - c->started_ns);
        if (end->why == SP_WIRE_PROTOCOL || c->broke)
            sp_counter_inc(s->upstream_cx_protocol_error);
        else if (end->why == SP_WIRE_MAX_AGE)
            sp_counter_inc(s->upstream_cx_max_duration_reached);
        return;
    }
    sp_counter_inc(s->upstream_cx_connect_fail);
    sp_host_count(&sp_conn_part(c)->cx_connect_fail, 1);
    if (end->timed_out)
        sp_counter_inc(s->upstream_cx_connect_timeout);
}

void sp_conn_count_stream(struct sp_conn *c, int n)
{
    if (!c->counted)
        return;
    sp_gauge_add(sp_conn_stats(c)->upstream_rq_active, n);
    sp_host_gauge(&sp_conn_part(c)->rq_active, n);
    if (sp_lb_counts(&c->slot->cluster->lb))
        atomic_fetch_add_explicit(&c->host->active, n, memory_order_relaxed);
}

/* The connection died under a request. */
void sp_conn_count_cut_off(struct sp_conn *c, enum sp_abort why)
{
    struct sp_cluster_stats *s = sp_conn_stats(c);
    if (!c->counted || c->n_streams != 1)
        return; /* once a connection: for the last one */
    if (why == SP_ABORT_CLOSED && c->state != SP_CONN_CLOSING) {
        sp_counter_inc(s->upstream_cx_destroy_with_active_rq);
        sp_counter_inc(s->upstream_cx_destroy_remote_with_active_rq);
    } else if (c->state == SP_CONN_CLOSING || why == SP_ABORT_TIMEOUT) { /* the latter: a PING was not answered */
        sp_counter_inc(s->upstream_cx_destroy_with_active_rq);
        sp_counter_inc(s->upstream_cx_destroy_local_with_active_rq);
    }
}
