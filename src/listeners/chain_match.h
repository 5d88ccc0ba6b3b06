/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_chain_match: which filter chain of a listener a connection gets (envoy.config.listener.v3.FilterChainMatch).  The
 * criteria are looked at in Envoy's order: destination port, destination address, server name, transport, ALPN, direct
 * source, source type, source, source port.  At each step the most specific value that matches is taken, and there is
 * no way back: when nothing fits further on, no chain matches.  Built by one thread, then immutable: any thread.
 */
#ifndef SP_LISTENERS_CHAIN_MATCH_H
#define SP_LISTENERS_CHAIN_MATCH_H

#include "config/doc.h"
#include "envoy/config/listener/v3/listener_components.pb-c.h"
#include "net/addr.h"

struct sp_chain_match;

struct sp_chain_match *sp_chain_match_new(void);
void sp_chain_match_free(struct sp_chain_match *m); /* NULL-safe */
/*
 * `msg` NULL: no criteria, matches all. `chain` is what a look-up gives. False after an error: criteria that cannot be
 * met, or the same as an earlier chain's.
 */
bool sp_chain_match_add(struct sp_chain_match *m, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Config__Listener__V3__FilterChainMatch *msg, const void *owner, const void *chain);
/* After the last add, before the first look-up. */
void sp_chain_match_build(struct sp_chain_match *m);
/* Whether a look-up needs the ClientHello. */
bool sp_chain_match_inspects(const struct sp_chain_match *m);

struct sp_chain_input {
    const struct sp_addr *local, *direct, *peer; /* direct: the socket's peer; peer: after the PROXY protocol */
    bool tls;
    struct sp_str sni; /* lower-case, empty: none */
    const struct sp_str *alpn;
    unsigned n_alpn;
};
/* NULL: none. */
const void *sp_chain_match_find(const struct sp_chain_match *m, const struct sp_chain_input *in);

#endif
