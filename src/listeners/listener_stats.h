/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener's counters under Envoy's names: listener.<stat_prefix or address>.*.  Part of a compiled listener.
 */
#ifndef SP_LISTENERS_LISTENER_STATS_H
#define SP_LISTENERS_LISTENER_STATS_H

#include "net/tls.h"
#include "stats/stats.h"

enum { SP_TLS_VERSIONS = 4, SP_TLS_CIPHERS = 16 };

struct sp_listener_stats {
    struct sp_stats_scope *scope, *ssl_scope; /* NULL: nothing is counted */
    struct sp_counter cx_total, cx_destroy, cx_overflow, global_cx_overflow, cx_overload_reject, connect_timeout, pre_cx_timeout, no_filter_chain_match;
    struct sp_gauge cx_active, pre_cx_active;
    struct sp_histogram cx_length_ms;
    struct sp_counter handshake, connection_error, no_cert, verify_error, verify_san, verify_hash, no_certificate,
        session_reused;
    struct sp_counter versions[SP_TLS_VERSIONS], ciphers[SP_TLS_CIPHERS];
};

void sp_listener_stats_init(struct sp_listener_stats *s, struct sp_stats_scope *listener_scope);
/* A handshake that succeeded. */
void sp_listener_stats_tls(const struct sp_listener_stats *s, const struct sp_tls_info *info, bool resumed);
/* One that failed. */
void sp_listener_stats_tls_failed(const struct sp_listener_stats *s, enum sp_tls_fail why);

#endif
