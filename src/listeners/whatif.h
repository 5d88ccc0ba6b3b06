/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a listener would make of a connection, without one: its accept-time gates, the filter chain, the handshake.  For
 * tools that explain a config.  Asks what the listener asks (net/address_set, listeners/chain_match, net/tls_verify), but
 * counts nothing.  One thread.
 */
#ifndef SP_LISTENERS_WHATIF_H
#define SP_LISTENERS_WHATIF_H

#include "listeners/listener.h"
#include "net/cidr.h"
#include "net/tls_whatif.h"

/* What one ip_restriction of the listener says. */
struct sp_gate_whatif {
    bool peer;             /* it looked at PEER, else at SOCKET */
    bool admits;           /* by its rules */
    bool enforced;         /* its refusal would count: not on trial, or the address is in the sample */
    struct sp_cidr range;  /* family 0: the address is not in the allow list */
    struct sp_str list;
};

struct sp_chain_whatif {
    bool found, fallback;  /* it is the default_filter_chain */
    unsigned index;        /* of it in filter_chains */
    struct sp_str name;
    bool tls, ocsp;        /* it speaks TLS; a responder would be asked about the client's certificate */
    bool limited;          /* it has a connection_limit */
    struct sp_hcm *hcm;
    struct sp_tls_ctx *tls_ctx;
};

/* The client as the listener sees it. */
struct sp_client_whatif {
    struct sp_addr socket, peer, local;
    bool tls;              /* it begins with a ClientHello */
    struct sp_str sni;
    const struct sp_str *alpn;
    unsigned n_alpn;
};

/* Whether it takes a PROXY header, and whether one may be missing. */
bool sp_whatif_proxied(const struct sp_listener *l, bool *ret_optional);
bool sp_whatif_inspects(const struct sp_listener *l);
/* How many gates there are, and what gate i says. Gates that look at SOCKET come first in time. */
unsigned sp_whatif_gates(const struct sp_listener *l);
void sp_whatif_gate(const struct sp_listener *l, unsigned i, const struct sp_client_whatif *c, struct sp_gate_whatif *ret);
void sp_whatif_chain(const struct sp_listener *l, const struct sp_client_whatif *c, struct sp_chain_whatif *ret);
/* Whether any filter chain of it speaks TLS. */
bool sp_whatif_any_tls(const struct sp_listener *l);

#endif
