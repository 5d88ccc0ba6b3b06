/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled listener from inside.  Private to listeners/.  Immutable once made; shared by all workers.
 */
#ifndef SP_LISTENERS_LISTENER_IMPL_H
#define SP_LISTENERS_LISTENER_IMPL_H

#include "clusters/ocsp.h"
#include "listeners/chain_match.h"
#include "listeners/ip_gate.h"
#include "listeners/listener.h"
#include "listeners/listener_stats.h"
#include "listeners/proxy_gate.h"
#include "stream/access_log.h"

enum { SP_LISTENER_MAX_GATES = 8 };

struct sp_filter_chain {
    struct sp_str name;     /* may be empty */
    struct sp_tls_ctx *tls; /* NULL: plain */
    struct sp_hcm *hcm;
    struct sp_ocsp *ocsp;   /* NULL: nobody is asked about clients' certificates */
    uint64_t handshake_ns;  /* transport_socket_connect_timeout */
    struct sp_cx_limit limit;         /* connection_limit; NULL count: none */
    struct sp_counter limited;
    struct sp_gauge limit_active;
};

struct sp_listener {
    struct sp_arena arena;
    struct sp_str name;
    struct sp_addr addr;
    unsigned unix_mode;
    bool reuse_port, v4_compat; /* v4_compat: an IPv6 wildcard takes IPv4 too */
    int backlog;
    size_t buffer_limit;
    bool drains_failing; /* drain_type: while /healthcheck/fail holds, too */
    uint64_t first_ns;          /* listener_filters_timeout */
    bool inspect;               /* look at the ClientHello before the choice of a chain */
    struct sp_ip_gate gates[SP_LISTENER_MAX_GATES];
    unsigned n_gates;
    struct sp_proxy_gate proxy;
    struct sp_cx_limit limit, global_limit;
    struct sp_filter_chain *chains; /* n_chains of them, the default chain last */
    unsigned n_chains;
    const struct sp_filter_chain *fallback; /* default_filter_chain, or NULL */
    struct sp_chain_match *match;
    struct sp_listener_stats stats;
    struct sp_access_logs *access_log; /* of connections; NULL: none */
};

#endif
