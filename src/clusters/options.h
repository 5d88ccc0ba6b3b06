/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a cluster speaks to its hosts, compiled from Cluster, its HttpProtocolOptions and its transport socket.  Part of the
 * cluster, immutable; strings live in the cluster's arena.
 */
#ifndef SP_CLUSTERS_OPTIONS_H
#define SP_CLUSTERS_OPTIONS_H

#include "clusters/asker.h"
#include "clusters/proxy_header.h"
#include "config/doc.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "http/wire.h"

enum sp_upstream_protocol { SP_UPSTREAM_H1, SP_UPSTREAM_H2, SP_UPSTREAM_DOWNSTREAM, SP_UPSTREAM_AUTO };

struct sp_cluster_options {
    enum sp_upstream_protocol protocol;
    uint64_t connect_ns;    /* TCP connect and TLS handshake; default 5 s */
    uint64_t idle_ns;       /* default 1 h; 0: none */
    uint64_t max_age_ns;    /* max_connection_duration; 0: none */
    uint64_t max_stream_ns; /* max_stream_duration; 0: none */
    uint64_t max_requests;  /* of one connection; UINT64_MAX: no limit */
    unsigned max_streams;   /* at once on one HTTP/2 connection */
    uint64_t stale_ns;      /* connection_idle_interval: an HTTP/2 connection that was idle for longer is replaced; 0: never */
    double preconnect;      /* per_upstream_preconnect_ratio, 1 to 3: connections to a host for each request there */
    double predictive;      /* predictive_preconnect_ratio, 1 to 3: to the next hosts, for each request of a worker */
    bool makes_spare;       /* one of both is over 1 */
    size_t buffer_limit;    /* per_connection_buffer_limit_bytes; default 1 MiB */
    struct sp_codec_config h1, h2;
    struct sp_sock_options sock;
    struct sp_tls_ctx *tls;    /* NULL: plain; offers what `protocol` wants; SP_UPSTREAM_DOWNSTREAM: "h2" */
    struct sp_tls_ctx *tls_h1; /* SP_UPSTREAM_DOWNSTREAM: the same, offering "http/1.1" */
    struct sp_asker *asker;    /* who is asked about its hosts' certificates; a reference; NULL: nobody (clusters/origin_ocsp.h) */
    struct sp_proxy_header proxy; /* what a connection begins with */
    bool auto_sni, auto_san;
    bool host_sni, sni_san;    /* auto_host_sni, auto_sni_san_validation */
    struct sp_str sni;         /* the TLS context's */
    struct sp_str sni_header;  /* override_auto_sni_header, lower-case; empty: the authority */
};

/* Errors go to `diag`. The result is good to be freed either way. */
void sp_cluster_options_init(struct sp_cluster_options *o, struct sp_arena *arena, const struct sp_doc *doc,
                             struct sp_diag *diag, const Envoy__Config__Cluster__V3__Cluster *msg);
/* While `doc` is compiled: it goes on with a cluster that has them. */
void sp_cluster_options_use(const struct sp_cluster_options *o, const struct sp_doc *doc);
void sp_cluster_options_done(struct sp_cluster_options *o);

/*
 * What a connection to a host asks for and checks, where the TLS context leaves it to the host (auto_host_sni) or to the name
 * that is asked for (auto_sni_san_validation). `sni` and `verify` come with what the request chose.
 */
void sp_cluster_names_host(const struct sp_cluster_options *o, struct sp_str hostname, struct sp_str *sni, struct sp_str *verify);

/* Nanoseconds of a duration, `otherwise` when it is NULL. Durations are never negative (config/doc.h). */
uint64_t sp_duration_ns(const Google__Protobuf__Duration *d, uint64_t otherwise);

#endif
