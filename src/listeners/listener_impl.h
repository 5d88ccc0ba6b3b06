/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled listener from inside.  Private to listeners/.  Immutable once made; shared by all workers.
 */
#ifndef SP_LISTENERS_LISTENER_IMPL_H
#define SP_LISTENERS_LISTENER_IMPL_H

#include "clusters/ocsp.h"
#include "config/doc_hash.h"
#include "listeners/chain_match.h"
#include "listeners/ip_gate.h"
#include "listeners/listener.h"
#include "listeners/listener_stats.h"
#include "listeners/proxy_gate.h"
#include "listeners/rate_gate.h"
#include "stream/access_log.h"

enum { SP_LISTENER_MAX_GATES = 8 };

struct sp_filter_chain {
    union {
        struct sp_str name; /* may be empty */
        struct sp_conn_place place;
    };
    bool fallback;          /* the listener's default_filter_chain */
    struct sp_tls_ctx *tls; /* NULL: plain */
    struct sp_hcm *hcm;
    struct sp_ocsp *ocsp;   /* NULL: nobody is asked about clients' certificates */
    uint64_t handshake_ns;  /* transport_socket_connect_timeout */
    struct sp_cx_limit limit;         /* connection_limit; NULL count: none */
    struct sp_stats_scope *limit_scope; /* its, held; NULL: none */
    struct sp_counter limited;
    struct sp_gauge limit_active;
    /* What decides whether connections may go over from another version of it: its match; what they themselves run by. */
    struct sp_hash match, wire;
};

struct sp_listener {
    struct sp_arena arena;
    union {
        struct sp_str name;
        struct sp_conn_place place;
    };
    struct sp_addr addr;
    unsigned unix_mode;
    bool reuse_port, v4_compat; /* v4_compat: an IPv6 wildcard takes IPv4 too */
    bool freebind, transparent;
    struct sp_sock_options keepalive; /* of its connections */
    unsigned accept_turn;  /* accepted before others get their turn */
    int backlog;
    size_t buffer_limit;
    bool sheds;          /* the overload manager's actions hold for it */
    bool inbound;        /* traffic_direction */
    uint8_t ends_by;     /* enum sp_local_word: what makes its connections end; drain_type */
    uint64_t first_ns;          /* listener_filters_timeout */
    bool inspect;               /* look at the ClientHello before the choice of a chain */
    struct sp_ip_gate gates[SP_LISTENER_MAX_GATES];
    unsigned n_gates;
    struct sp_proxy_gate proxy;
    struct sp_rate_gate rate;
    bool rated; /* a local_ratelimit is among its filters */
    struct sp_cx_limit limit, global_limit;
    struct sp_filter_chain *chains; /* n_chains of them, the default chain last */
    unsigned n_chains;
    const struct sp_filter_chain *fallback; /* default_filter_chain, or NULL */
    struct sp_chain_match *match;
    struct sp_listener_stats stats;
    struct sp_access_logs *access_log; /* of connections; NULL: none */
    struct sp_hash base; /* of what concerns connections of all chains */
};

/* Whether what concerns the connections of all chains is the same. */
bool sp_listener_same_base(const struct sp_listener *a, const struct sp_listener *b);
/* The version of `chain`, which is of another version of `l`, in `l`, or NULL; *ret_stays: its connections may go over. */
const struct sp_filter_chain *sp_listener_successor(const struct sp_listener *l, const struct sp_filter_chain *chain,
                                                    bool *ret_stays);
/* Takes the hashes. */
void sp_listener_hash(struct sp_listener *l, const struct sp_listener_build *b, const Envoy__Config__Listener__V3__Listener *msg);

#endif
