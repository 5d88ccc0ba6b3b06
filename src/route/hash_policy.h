/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_hash_policy: RouteAction.hash_policy, what of a request makes the hash that RING_HASH and MAGLEV clusters take its host
 * by.  Compiled with its route, in the table's arena; evaluation is pure.
 */
#ifndef SP_ROUTE_HASH_POLICY_H
#define SP_ROUTE_HASH_POLICY_H

#include "net/addr.h"
#include "route/route.h"

enum sp_hash_kind { SP_HASH_HEADER, SP_HASH_COOKIE, SP_HASH_SOURCE_IP, SP_HASH_QUERY };

struct sp_hash_policy {
    enum sp_hash_kind kind;
    bool terminal;
    struct sp_str name;     /* of the header, lower-case, cookie or parameter */
    struct sp_regex *regex; /* header: NULL: none */
    struct sp_str with;
    bool generates;         /* cookie: it is made where there is none */
    struct sp_str tail;     /* of that one: "; Max-Age=..." and so on */
};

struct sp_request_hash {
    uint64_t hash;
    bool hashed;            /* something of the request had a hash */
    struct sp_str *cookies; /* n_cookies Set-Cookie values for the response */
    unsigned n_cookies;
};

/* Into r->hash_policies; false after an error. */
bool sp_hash_policies_init(struct sp_route *r, const struct sp_route_build *b, struct sp_arena *arena,
                           const Envoy__Config__Route__V3__RouteAction *msg);
void sp_hash_policies_done(struct sp_route *r);
/* `local` and `client` also make the value of a new cookie, so that requests of one connection get the same. */
void sp_route_hash(const struct sp_route *r, const struct sp_headers *h, const struct sp_addr *client,
                   const struct sp_addr *local, struct sp_arena *arena, struct sp_request_hash *ret);

#endif
