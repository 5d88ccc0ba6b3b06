/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener's counters under Envoy's names: listener.<stat_prefix or address>.*.  Part of a compiled listener.
 */
#ifndef SP_LISTENERS_LISTENER_STATS_H
#define SP_LISTENERS_LISTENER_STATS_H

#include "net/tls_stats.h"

struct sp_listener_stats {
    struct sp_stats_scope *scope; /* NULL: nothing is counted */
    struct sp_counter cx_total, cx_destroy, cx_overflow, global_cx_overflow, cx_overload_reject, connect_timeout, pre_cx_timeout, no_filter_chain_match,
        filter_remote_close;
    struct sp_gauge cx_active, pre_cx_active;
    struct sp_timing cx_length_ms;
    struct sp_histogram accepted; /* in one event of a socket */
    struct sp_tls_stats ssl;
};

/* listener.<...>.worker_<n>.*, or main_thread.* */
struct sp_listener_worker_stats {
    struct sp_counter cx_total;
    struct sp_gauge cx_active;
};

/* `worker`: its name. */
void sp_listener_worker_stats_init(struct sp_listener_worker_stats *w, const struct sp_listener_stats *s, const char *worker);
/* TLS counters, once a chain is known to have TLS; again is fine. */
void sp_listener_stats_tls(struct sp_listener_stats *s);
void sp_listener_stats_init(struct sp_listener_stats *s, struct sp_stats_scope *listener_scope);

#endif
