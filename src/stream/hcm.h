/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hcm: a compiled HttpConnectionManager: filters with their configs, route table, codec options, timeouts, access
 * logs, counters.  Immutable, shared by all workers, part of the config snapshot.
 */
#ifndef SP_STREAM_HCM_H
#define SP_STREAM_HCM_H

#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "http/wire.h"
#include "route/route.h"
#include "stats/stats.h"
#include "stream/filter.h"

struct sp_hcm;
struct sp_access_logs; /* stream/access_log.h */

/* What a request gets that no route takes (sallyport.bootstrap.v1.NoRoute). */
struct sp_no_route {
    unsigned status; /* 0: 404 */
    bool reset;      /* no answer */
};

struct sp_tracer; /* tracing/tracer.h */
struct sp_conn_info;
/* The filter chain that it stands in: for requests that belong to another one. */
struct sp_hcm_place {
    /* Whether a connection that named this host (lower-case, no address; empty: none) would have got another chain. NULL: nobody asks. */
    bool (*elsewhere)(const void *listener, const void *chain, const struct sp_conn_info *conn, struct sp_str host);
    const void *listener, *chain;
};

struct sp_hcm_build {
    const struct sp_doc *doc;
    struct sp_diag *diag;
    const struct sp_filter_ops *const *registry; /* NULL-terminated: all filters there are */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    /* Where spans go (clusters/trace_export.h): a reference, or NULL after an error. NULL: nothing is traced. */
    struct sp_tracer *(*make_tracer)(const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__Tracing__Http *provider);
    bool tls_verifies;  /* the filter chain's TLS context verifies client certificates against a CA */
    bool tls;           /* the filter chain has TLS */
    size_t buffer_limit; /* per_connection_buffer_limit_bytes: what a stream may hold a direction; 0: 1 MiB */
    bool sheds;          /* the overload manager's actions hold for it */
    uint8_t ends_by;     /* enum sp_local_word (stream/local_health.h): while one of them is so, each answer asks its connection to end */
    struct sp_no_route no_route;
    struct sp_hcm_place place;
    const struct sp_stats_scope *listener_scope;
    /* Where the message's access_log stands when it is another document (the admin page's): NULL: in `doc`, in the message. */
    const struct sp_doc *log_doc;
    Envoy__Config__Accesslog__V3__AccessLog **logs;
    size_t n_logs;
    const char *log_path; /* one more log, in the default format: log_msg's field access_log_path; NULL: none */
    const void *log_msg;
};

/* NULL after an error; all are in build->diag. */
struct sp_hcm *sp_hcm_new(const struct sp_hcm_build *build,
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager *msg);
void sp_hcm_free(struct sp_hcm *h); /* NULL-safe */

/* What a connection of it runs: codec options and timeouts (tls is left NULL). */
void sp_hcm_wire_setup(const struct sp_hcm *h, struct sp_wire_setup *ret);
struct sp_str sp_hcm_stat_prefix(const struct sp_hcm *h);
/* Connection counters: http.<stat_prefix>.downstream_cx_*; called by listeners/. */
struct sp_hcm_cx_stats {
    struct sp_counter total, ssl_total, destroy, destroy_local, destroy_remote, http1_total, http2_total,
        protocol_error, idle_timeout, max_duration, drain_close, delayed_close_timeout, rx_bytes, tx_bytes,
        destroy_active_rq, destroy_local_active_rq, destroy_remote_active_rq, overload_disable_keepalive;
    struct sp_gauge active, ssl_active, http1_active, http2_active;
    struct sp_timing length_ms;
};
const struct sp_hcm_cx_stats *sp_hcm_cx(const struct sp_hcm *h);
/* local_reply_config's word on what a codec answers by itself (codec_cb.on_refusal). */
bool sp_hcm_codec_refusal(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn, unsigned status,
                          const char *detail, struct sp_headers *ret, struct sp_buf *body);
/* Counts a codec's event (http1.*, http2.*, downstream_rq_too_large ...) and, for a request that never became a stream,
 * writes its access log line. */
void sp_hcm_codec_event(const struct sp_hcm *h, const struct sp_conn_info *conn, struct sp_turn *turn,
                        enum sp_codec_event ev, const char *detail, unsigned status);

#endif
