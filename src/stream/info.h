/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of a connection and of a stream: what the access log, the formatters, the filters and the counters
 * read.  sp_conn_info belongs to the connection and outlives its streams (HTTP/2 streams share it);
 * sp_stream_info is part of the stream.  All strings live in the stream's arena, in the connection, in the config
 * snapshot that the stream holds, or are static.  One thread.
 */
#ifndef SP_STREAM_INFO_H
#define SP_STREAM_INFO_H

#include "base/list.h"
#include "http/message.h"
#include "net/addr.h"
#include "net/tls_info.h"

/* Envoy's response flags; the short names are what %RESPONSE_FLAGS% prints. X(enum suffix, "short", "long") */
#define SP_FLAG_TABLE(X) \
    X(LH, "LH", "FailedLocalHealthCheck") X(UH, "UH", "NoHealthyUpstream") \
    X(UT, "UT", "UpstreamRequestTimeout") X(LR, "LR", "LocalReset") X(UR, "UR", "UpstreamRemoteReset") \
    X(UF, "UF", "UpstreamConnectionFailure") X(UC, "UC", "UpstreamConnectionTermination") \
    X(UO, "UO", "UpstreamOverflow") X(NR, "NR", "NoRouteFound") X(DI, "DI", "DelayInjected") \
    X(FI, "FI", "FaultInjected") X(RL, "RL", "RateLimited") X(UAEX, "UAEX", "UnauthorizedExternalService") \
    X(RLSE, "RLSE", "RateLimitServiceError") X(DC, "DC", "DownstreamConnectionTermination") \
    X(URX, "URX", "UpstreamRetryLimitExceeded") X(SI, "SI", "StreamIdleTimeout") \
    X(IH, "IH", "InvalidEnvoyRequestHeaders") X(DPE, "DPE", "DownstreamProtocolError") \
    X(UMSDR, "UMSDR", "UpstreamMaxStreamDurationReached") X(RFCF, "RFCF", "ResponseFromCacheFilter") \
    X(NFCF, "NFCF", "NoFilterConfigFound") X(DT, "DT", "DurationTimeout") \
    X(UPE, "UPE", "UpstreamProtocolError") X(NC, "NC", "NoClusterFound") X(OM, "OM", "OverloadManagerTerminated") \
    X(DF, "DF", "DnsResolutionFailed") X(DO, "DO", "DropOverload") X(DR, "DR", "DownstreamRemoteReset") \
    X(UDO, "UDO", "UnconditionalDropOverload")

enum sp_flag_bit {
#define X(id, s, l) SP_FLAG_BIT_##id,
    SP_FLAG_TABLE(X)
#undef X
};
enum sp_flag {
#define X(id, s, l) SP_FLAG_##id = 1u << SP_FLAG_BIT_##id,
    SP_FLAG_TABLE(X)
#undef X
};

/*
 * A client's certificate and what is known of it: the one its TLS connection showed, or one that a proven CDN or load
 * balancer, where TLS ended, passes on in a header (filters/header_certificate).
 */
struct sp_client_cert {
    const struct sp_tls_info *tls; /* the connection's facts, with the peer_* of this certificate; never NULL */
    struct sp_str der;             /* empty: none was shown */
    const struct sp_str *others;   /* DER of what came behind the leaf; n_others of them; unordered, unverified */
    unsigned n_others;
};

/* Embedded in who wants to know that a client's connection has ended: on that connection's worker. */
struct sp_conn_watch {
    struct sp_list link; /* in sp_conn_info.watches */
    void (*gone)(struct sp_conn_watch *w); /* runs unlinked */
};

/* A listener or a filter chain. */
struct sp_conn_place {
    struct sp_str name;     /* may be empty */
    struct sp_str metadata; /* of the config, as JSON (stream/config_meta.h); empty: none */
};

/* Whether a request came as early data of TLS. Too soon: and may not be handed on before the handshake is done. */
enum sp_early { SP_EARLY_NO, SP_EARLY_YES, SP_EARLY_TOO_SOON };

struct sp_conn_info {
    uint64_t id;
    struct sp_addr socket; /* SOCKET: the TCP peer (Envoy: direct remote address) */
    struct sp_addr peer;   /* PEER: after the PROXY protocol; as socket without it */
    struct sp_addr local;
    struct sp_addr socket_local; /* its own, before the PROXY protocol (Envoy: direct local address) */
    uint32_t handshake_us; /* how long TLS took to be ready; 0: not yet, or there is none */
    bool tls_used;
    uint8_t early; /* enum sp_early, of the request that begins */
    const struct sp_tls_info *tls; /* the sp_tls's own; never NULL: sp_tls_info_none where there is no TLS */
    struct sp_client_cert cert;   /* of the connection: a stream's is sp_info_cert */
    struct sp_str failure_reason; /* DOWNSTREAM_TRANSPORT_FAILURE_REASON */
    const struct sp_conn_place *listener, *filter_chain; /* NULL: there is none yet */
    struct sp_list *watches;      /* of sp_conn_watch; NULL: it has ended, or nobody tells */
};

struct sp_span; /* tracing/span.h */

/* Dynamic metadata: a JSON document (text) under a namespace, in the order it was set. */
struct sp_metadata {
    struct sp_metadata *next;
    struct sp_str ns, key;
    struct sp_str json; /* serialised value */
};

/* An attempt before the last one. In the stream's arena. */
struct sp_attempt {
    struct sp_attempt *next;
    struct sp_addr host;
    struct sp_str name;      /* of the host; empty: it has none */
    uint64_t connection;     /* 0: there was none */
};

struct sp_chain;
struct sp_decision;
struct sp_config_meta; /* stream/config_meta.h */

struct sp_stream_info {
    const struct sp_conn_info *conn;
    const struct sp_chain *chain;       /* of the stream: what stream/decision.h reads. NULL: no stream came of it */
    const struct sp_decision *decided;  /* of a tunnel, whose chain is gone; else NULL */
    uint64_t start_ns;      /* of the turn's clock */
    int64_t start_wall_ns;  /* Unix time */
    uint64_t rx_end_ns;     /* request complete; 0: not yet */
    uint64_t up_first_tx_ns, up_last_tx_ns, up_first_rx_ns, up_last_rx_ns, tx_first_ns, tx_end_ns;
    enum sp_protocol protocol;
    struct sp_str raw_path; /* the request target as received, before any normalisation */

    struct sp_addr client;  /* CLIENT: derived (Envoy: remote address); PEER until then */
    bool client_derived;    /* a derivation was configured and succeeded */
    bool client_failed;     /* a derivation was configured and failed: source CLIENT must refuse */
    bool health_check;      /* of what stands in front (the filter health_check): counted and logged apart */
    bool match_upstream_scheme; /* the origin is sent its connection's scheme */
    uint8_t early;          /* enum sp_early */
    bool proven;            /* an enforcing origin shield saw its proof */
    const struct sp_client_cert *header_cert; /* verified, from a header; NULL: the connection's is the client's */

    unsigned response_code; /* 0: none was sent */
    struct sp_str details;  /* RESPONSE_CODE_DETAILS: "via_upstream", "origin_shield_refused{...}" */
    uint32_t flags;         /* SP_FLAG_* */
    struct sp_str termination_details; /* CONNECTION_TERMINATION_DETAILS */

    struct sp_str route_name, vhost_name, virtual_cluster, upstream_cluster;
    struct sp_addr upstream_host, upstream_local; /* family 0 when there was none */
    struct sp_str upstream_failure_reason; /* UPSTREAM_TRANSPORT_FAILURE_REASON */
    enum sp_protocol upstream_protocol;
    unsigned upstream_attempts;
    struct sp_str upstream_name;  /* the host's: Endpoint.hostname, or the name it was resolved from; empty: it has none */
    uint64_t upstream_connection; /* id; 0: there was none */
    struct sp_attempt *attempted; /* those before the last, in their order */
    uint64_t up_pool_ns;          /* from the first attempt's begin until it had a connection; 0: none had */
    struct sp_tls_info upstream_tls;
    uint64_t up_rx_body_bytes, up_tx_body_bytes, up_rx_head_bytes, up_tx_head_bytes; /* of the last attempt */

    uint64_t rx_head_bytes, rx_body_bytes, tx_head_bytes, tx_body_bytes;
    struct sp_metadata *metadata;
    struct sp_config_meta *config_meta; /* NULL: no place that it came by has any */
    struct sp_str *shadow; /* n_shadow of them: "filter:details", what would have refused it, were it enforced */
    unsigned n_shadow;
    struct sp_str request_id;
    struct sp_span *span; /* of the request; NULL: nothing is traced here, or it is not known yet */
    bool trace_hints;     /* the head may have headers about its trace */
    bool trace_forced;    /* x-envoy-force-trace of a client that may say so: it is told its request_id */

    /* The access token that a filter found good (filters/access_token.h), though it may be out of the request by now; a
     * secret. access_tokens_differ: several were, so that nobody can say which one the request is about. */
    struct sp_str access_token;
    bool access_token_bearer, access_token_dpop, access_tokens_differ; /* behind which scheme of Authorization it stood */
};

/* The client's certificate as this stream has it: what XFCC, logs, filters and bound tokens go by. Never NULL. */
static inline const struct sp_client_cert *sp_info_cert(const struct sp_stream_info *info)
{
    return info->header_cert ? info->header_cert : &info->conn->cert;
}

#endif
