/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the client is (CLIENT, Envoy's "trusted client address"), and how much of what a request says of itself is
 * believed: use_remote_address, xff_num_trusted_hops, XffConfig (trusted CIDRs), internal_address_config.  Pure; any
 * thread.
 *
 * Beyond Envoy: with trusted CIDRs the connection manager is an edge towards everybody; and a stranger (a request that
 * no gate of a proving chain has proven) is believed nothing, whatever the other settings say.
 */
#ifndef SP_STREAM_CLIENT_ADDR_H
#define SP_STREAM_CLIENT_ADDR_H

#include "http/headers.h"
#include "net/cidr.h"

enum { SP_XFF_MAX_ENTRIES = 20 }; /* that are walked with trusted CIDRs; more are not believed */

struct sp_client_rules {
    bool use_remote_address;
    uint32_t hops;                  /* trusted proxies in front of the peer */
    struct sp_cidr_table *trusted;  /* addresses of trusted proxies, or NULL */
    struct sp_cidr_table *internal; /* addresses of internal clients, or NULL */
    bool internal_unix;
};

struct sp_client {
    struct sp_addr addr; /* port 0 when it is not the peer */
    bool derived; /* by a rule that says who is to be believed, and it succeeded */
    bool failed;  /* such a rule found too few, bad or too many addresses: addr is the peer */
    bool edge;    /* the request comes from outside, over an edge: sanitise all */
    bool internal; /* ... from a client whose x-envoy headers are believed */
    bool believe_proto; /* x-forwarded-proto and -port may stay */
};

/* Whether the rules name whom to believe, so that CLIENT means something (filter.h, client_derived). */
bool sp_client_rules_derive(const struct sp_client_rules *r);
/* x-forwarded-for as it was received, lines joined; a NULL slice when there is none. */
struct sp_str sp_client_xff(const struct sp_headers *h);
/* By the rules, from the peer and that list. */
void sp_client_find(const struct sp_client_rules *r, const struct sp_addr *peer, struct sp_str xff,
                    struct sp_client *ret);
/* A stranger: the peer, outside, not believed. */
void sp_client_stranger(const struct sp_addr *peer, struct sp_client *ret);
/* The client was derived by a gate, on proof. */
void sp_client_proven(const struct sp_client_rules *r, const struct sp_addr *client, struct sp_client *ret);

#endif
