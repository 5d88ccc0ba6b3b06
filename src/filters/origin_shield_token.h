/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens that a CDN or load balancer signs for each request (sallyport.filters.http.origin_shield.v1.SignedToken):
 * Cloudflare Access, Google IAP, AWS load balancers.  Each kind has its header, its one algorithm and its claims; what a
 * token says of keys or algorithms beyond that counts for nothing.  Part of the shield's config; any worker.
 */
#ifndef SP_FILTERS_ORIGIN_SHIELD_TOKEN_H
#define SP_FILTERS_ORIGIN_SHIELD_TOKEN_H

#include "config/live.h"
#include "crypto/jws.h"
#include "filters/jwks_remote.h"
#include "filters/jwt_cache.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "stream/filter.h"

struct sp_shield_token_kind {
    struct sp_str header, alg;
    struct sp_str issuer; /* empty: any */
    bool padded;          /* base64 with padding */
    bool alb;             /* who it is for stands in the token's header */
    bool of_user;         /* the user has it, too: in a cookie */
};

struct sp_shield_token_key {
    struct sp_str kid; /* empty: a whole set, or a key that needs no kid */
    struct sp_live *keys;
};

struct sp_shield_token {
    const struct sp_shield_token_kind *kind;
    struct sp_str *audiences; /* as sp_jwt_audience gives them */
    unsigned n_audiences;
    struct sp_str signer, issuer;
    int64_t skew_s;
    bool keep;
    struct sp_shield_token_key *keys; /* n_keys of them: one set, or single keys */
    unsigned n_keys;
    struct sp_jwks_remote *remote; /* or keys that are fetched */
    struct sp_jwks_stats *stats;
    struct sp_jwt_cache *cache; /* of signatures that were good; NULL: none */
};

enum sp_token_result {
    SP_TOKEN_OK,
    SP_TOKEN_BAD,
    SP_TOKEN_TIME, /* expired, or not valid yet */
};

/* False after an error; sp_shield_token_done is owed all the same. `scope`: the shield's. */
bool sp_shield_token_init(struct sp_shield_token *t, const struct sp_filter_build *build, struct sp_arena *arena,
                          struct sp_stats_scope *scope, const Sallyport__Filters__Http__OriginShield__V1__SignedToken *msg);
void sp_shield_token_done(struct sp_shield_token *t); /* a zeroed one is fine */
/* `text`: the header's value, a NULL slice when it is not there exactly once. */
enum sp_token_result sp_shield_token_check(const struct sp_shield_token *t, struct sp_str text, const struct sp_turn *turn,
                                           unsigned worker, struct sp_arena *arena);

#endif
