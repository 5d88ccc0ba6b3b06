/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deciding one request by its tokens: finds them, verifies each at most once a provider, and afterwards changes the
 * request by what the good ones say.  On the stack of one decision; done anew after keys were fetched.
 */
#ifndef SP_FILTERS_JWT_VERIFY_H
#define SP_FILTERS_JWT_VERIFY_H

#include "filters/jwt_requirement.h"

struct sp_jwt_stats {
    struct sp_counter allowed, denied, cors_preflight_bypassed, jwt_cache_hit, jwt_cache_miss;
    struct sp_jwks_stats jwks;
};

/* Where a provider's token stands. */
struct sp_jwt_located {
    bool done;
    enum sp_jwt_found how;
    struct sp_str token;
};

/* A token of the request. */
struct sp_jwt_token {
    struct sp_jwt_token *next;
    struct sp_str text;
    bool parsed; /* jws is set */
    struct sp_jws jws;
    json_t *payload; /* of jws or of a cache; its own reference */
    bool read;       /* status and claims are set */
    enum sp_jwt_status status;
    struct sp_jwt_claims claims;
};

/* What a provider's keys say of it. */
struct sp_jwt_result {
    struct sp_jwt_result *next;
    const struct sp_jwt_provider *provider;
    struct sp_jwt_token *token;
    enum sp_jwt_status signature;
    bool good; /* with all its claims: what it says is used */
};

struct sp_jwt_verifier {
    struct sp_filter *filter;
    struct sp_headers *request;
    struct sp_arena *arena;
    const struct sp_jwt_providers *all;
    const struct sp_jwt_stats *stats;
    int64_t now; /* Unix seconds */
    unsigned worker;
    struct sp_jwt_located *located; /* of each provider */
    enum sp_jwt_status *failed;     /* of each provider: OK, or what its token failed for last */
    bool unverified;                /* EXTRACT let a bad token pass */
    struct sp_jwks_remote *lacking; /* whose keys do not have that of a token; NULL: none */
    struct sp_jwt_token *tokens;
    struct sp_jwt_result *results, **last_result; /* in the order they came */
};

void sp_jwt_verifier_init(struct sp_jwt_verifier *v, struct sp_filter *f, struct sp_headers *request,
                          const struct sp_jwt_providers *all, const struct sp_jwt_stats *stats);
void sp_jwt_verifier_done(struct sp_jwt_verifier *v);

/* SP_JWT_OK, or why not. Sets dynamic metadata of good tokens; changes nothing else. */
enum sp_jwt_status sp_jwt_verify(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r);
/* When that is the last word: sets the metadata of failures. */
void sp_jwt_report(struct sp_jwt_verifier *v);
/*
 * After SP_JWT_OK: payload and claim headers are added, and tokens are taken out unless their provider forwards them.
 * Tokens of providers of `r` that nobody verified, for others were enough, go as well: no origin shall take them for
 * verified ones.  Only where failed tokens are allowed do they stay.
 */
void sp_jwt_apply(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r);

/* Of jwt_apply.c: where a provider's token stands in the request. */
struct sp_jwt_located *sp_jwt_verifier_locate(struct sp_jwt_verifier *v, const struct sp_jwt_provider *p);

#endif
