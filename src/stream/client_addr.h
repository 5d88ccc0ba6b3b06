/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the client is (CLIENT, Envoy's "trusted client address"), and how much of what a request says of itself is
 * believed: use_remote_address, xff_num_trusted_hops, original_ip_detection_extensions (XffConfig, CustomHeaderConfig),
 * internal_address_config.  Pure; any thread.
 *
 * Beyond Envoy: with trusted CIDRs or a header of its own the connection manager is an edge towards everybody; and a
 * stranger (a peer that is not in the CIDRs, a request that no gate of a proving chain has proven) is believed nothing,
 * whatever the other settings say.
 */
#ifndef SP_STREAM_CLIENT_ADDR_H
#define SP_STREAM_CLIENT_ADDR_H

#include "http/xff.h"

enum { SP_CLIENT_MAX_EXTS = 8 };

/* One of original_ip_detection_extensions. */
enum sp_client_ext_kind { SP_CLIENT_XFF_HOPS, SP_CLIENT_XFF_CIDRS, SP_CLIENT_HEADER };
struct sp_client_ext {
    enum sp_client_ext_kind kind;
    uint32_t hops;                 /* XFF_HOPS: trusted proxies in front of the peer */
    struct sp_cidr_table *trusted; /* XFF_CIDRS: the addresses of trusted proxies, the peer's among them */
    bool append;                   /* XFF_*: the peer is appended to x-forwarded-for */
    struct sp_str header;          /* HEADER: lower-case */
    bool may_be_internal;          /* HEADER: the address may be one of `internal` */
    unsigned reject;               /* HEADER: status for a request without it; 0: none */
};

struct sp_client_rules {
    bool use_remote_address;
    bool append;                    /* without extensions: the peer is appended to x-forwarded-for */
    bool proof;                     /* a gate of the chain proves: the rules are asked about proven requests only */
    uint32_t hops;                  /* without extensions: trusted proxies in front of the peer */
    struct sp_client_ext *ext;      /* the first that finds an address counts */
    unsigned n_ext;
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
    bool stranger; /* nobody vouched for it: what it says of its way goes, the peer stands alone in x-forwarded-for */
    bool append;   /* the peer is appended to x-forwarded-for */
    unsigned reject; /* answered with this status, once the gates have let it pass; 0: no */
};

/* Whether the rules name whom to believe, so that CLIENT means something (filter.h, client_derived). */
bool sp_client_rules_derive(const struct sp_client_rules *r);
/* By the rules, from the peer and what the head says. */
void sp_client_find(const struct sp_client_rules *r, const struct sp_addr *peer, const struct sp_headers *h,
                    struct sp_client *ret);
/* A stranger: the peer, outside, not believed. */
void sp_client_stranger(const struct sp_addr *peer, struct sp_client *ret);
/* The client was derived by a gate, on proof. */
void sp_client_proven(const struct sp_client_rules *r, const struct sp_addr *client, struct sp_client *ret);

#endif
