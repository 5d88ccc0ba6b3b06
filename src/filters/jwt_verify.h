/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Deciding one request by its tokens: finds them, verifies each at most once a provider, and afterwards changes the
 * request by what the good ones say.  On the stack of one decode_headers.
 */
#ifndef SP_FILTERS_JWT_VERIFY_H
#define SP_FILTERS_JWT_VERIFY_H

#include "filters/jwt_requirement.h"

struct sp_jwt_stats {
    struct sp_counter allowed, denied, cors_preflight_bypassed, jwks_fetch_success, jwks_fetch_failed, jwt_cache_hit,
        jwt_cache_miss;
};

struct sp_jwt_located;
struct sp_jwt_token;
struct sp_jwt_result;

struct sp_jwt_verifier {
    struct sp_filter *filter;
    struct sp_headers *request;
    struct sp_arena *arena;
    const struct sp_jwt_providers *all;
    const struct sp_jwt_stats *stats;
    int64_t now; /* Unix seconds */
    unsigned worker;
    struct sp_jwt_located *located; /* of each provider */
    struct sp_jwt_token *tokens;
    struct sp_jwt_result *results, **last_result; /* in the order they came */
};

void sp_jwt_verifier_init(struct sp_jwt_verifier *v, struct sp_filter *f, struct sp_headers *request,
                          const struct sp_jwt_providers *all, const struct sp_jwt_stats *stats);
void sp_jwt_verifier_done(struct sp_jwt_verifier *v);

/* SP_JWT_OK, or why not. Sets dynamic metadata; changes nothing else. */
enum sp_jwt_status sp_jwt_verify(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r);
/*
 * After SP_JWT_OK: payload and claim headers are added, and tokens are taken out unless their provider forwards them.
 * Tokens of providers of `r` that nobody verified, for others were enough, go as well: no origin shall take them for
 * verified ones.  Only where failed tokens are allowed do they stay.
 */
void sp_jwt_apply(struct sp_jwt_verifier *v, const struct sp_jwt_requirement *r);

#endif
