/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is counted of one side's TLS, under Envoy's names: <scope>ssl.handshake, ssl.fail_verify_error, ssl.versions.TLSv1.3,
 * ssl.ciphers.*, ssl.curves.*, ssl.sigalgs.*, and when certificates expire.  Part of a compiled listener or cluster; counted into
 * by any worker.  Names that depend on the peer are made when they are seen first.
 */
#ifndef SP_NET_TLS_STATS_H
#define SP_NET_TLS_STATS_H

#include "net/tls.h"
#include "stats/stats.h"

#define SP_TLS_COUNTERS(X) \
    X(handshake) X(connection_error) X(session_reused) X(fail_verify_error) X(fail_verify_san) X(fail_verify_cert_hash)
/* An origin always shows a certificate, and asks for no response. */
#define SP_TLS_SERVER_COUNTERS(X) \
    X(no_certificate) X(fail_verify_no_cert) X(ocsp_staple_requests) X(ocsp_staple_responses) X(ocsp_staple_omitted) X(ocsp_staple_failed) \
    X(early_data_accepted) X(early_data_rejected) X(early_data_replayed)

enum { SP_TLS_VERSIONS = 2, SP_TLS_CIPHERS = 17, SP_TLS_CURVES = 5, SP_TLS_SIGALGS = 10 };

struct sp_tls_stats {
    struct sp_stats_scope *scope; /* "<...>ssl."; NULL: nothing is counted */
#define X(name) struct sp_counter name;
    SP_TLS_COUNTERS(X)
    SP_TLS_SERVER_COUNTERS(X) /* cell 0 in clusters */
#undef X
    /* Cells, 0 until they are made, be it of a listener that is constant to who counts. */
    _Atomic uint32_t versions[SP_TLS_VERSIONS], ciphers[SP_TLS_CIPHERS], curves[SP_TLS_CURVES], sigalgs[SP_TLS_SIGALGS], stapled[SP_STAPLES];
};

/* "TLSv1.3": the name of versions[i]. */
const char *sp_tls_stats_version(int i);
/* `owner`: the listener's or cluster's scope. */
void sp_tls_stats_init(struct sp_tls_stats *s, struct sp_stats_scope *owner, bool server);
/* A handshake that succeeded. */
void sp_tls_stats_opened(const struct sp_tls_stats *s, const struct sp_tls_info *info, bool resumed);
/* A connection that failed: its certificate or something else, never both. */
void sp_tls_stats_failed(const struct sp_tls_stats *s, enum sp_tls_fail why);

/* A listener's: once a connection. */
void sp_tls_stats_early(const struct sp_tls_stats *s, enum sp_tls_early_fate fate);

/* ssl.ocsp.stapled_*: of a handshake with an origin that was asked for a response. */
void sp_tls_stats_stapled(const struct sp_tls_stats *s, enum sp_tls_staple what);

/*
 * ssl.certificate.<name>.expiration_unix_time_seconds: before stats are shown, on the main thread, all contexts of a listener or
 * cluster are added and then shown. Several certificates may have one name: the one that ends first counts. 64 names at most.
 */
struct sp_tls_expiries {
    unsigned n;
    struct {
        struct sp_str name;
        int64_t not_after; /* Unix seconds */
    } v[64];
};
void sp_tls_expiries_add(struct sp_tls_expiries *e, const struct sp_tls_ctx *ctx); /* NULL-safe; e points to names of ctx */
void sp_tls_expiries_show(const struct sp_tls_expiries *e, const struct sp_tls_stats *s);

#endif
