/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A compiled JwtProvider (envoy.extensions.filters.http.jwt_authn.v3): keys, what a token's claims have to be, where it
 * stands, and what is done with a good one.  Part of the filter's config: immutable but for its keys and its cache, any
 * thread.
 */
#ifndef SP_FILTERS_JWT_PROVIDER_H
#define SP_FILTERS_JWT_PROVIDER_H

#include "filters/jwt_cache.h"
#include "filters/jwt_claims.h"
#include "filters/jwt_keys.h"
#include "filters/jwt_location.h"
#include "route/matcher.h"
#include "stats/stats.h"

struct sp_jwt_claim_header {
    struct sp_str header; /* lower-case */
    struct sp_str claim;        /* for claim_path: for logs only */
    const struct sp_str *path;  /* n_path keys, one within the other; none: claim says it */
    unsigned n_path;
};

struct sp_jwt_provider {
    struct sp_str name, issuer; /* issuer empty: not checked */
    struct sp_str *audiences;   /* as sp_jwt_audience gives them */
    unsigned n_audiences;
    struct sp_string_matcher *subjects; /* NULL: not checked */
    struct sp_jwt_keys keys;
    bool require_expiration, forward, pad_payload, clear_route;
    int64_t max_lifetime, clock_skew; /* seconds; max_lifetime 0: none */
    struct sp_jwt_locations locations;
    struct sp_str payload_header; /* empty: none, as all that follow */
    struct sp_str payload_key, header_key, failed_key; /* of dynamic metadata */
    struct sp_str *spaced; /* normalize_payload_in_metadata */
    unsigned n_spaced;
    struct sp_jwt_claim_header *claim_headers;
    unsigned n_claim_headers;
    struct sp_jwt_cache *cache; /* NULL: none */
};

/*
 * False after an error; sp_jwt_provider_done is owed all the same. `name` and all else go into `arena`; `stats` live as
 * long.
 */
bool sp_jwt_provider_init(struct sp_jwt_provider *p, const struct sp_filter_build *build, struct sp_arena *arena,
                          const struct sp_jwks_stats *stats, const char *name,
                          const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider *msg);
void sp_jwt_provider_done(struct sp_jwt_provider *p);

/* A list of audiences, as sp_jwt_audience gives them, in the arena. */
struct sp_str *sp_jwt_audiences(struct sp_arena *arena, char *const *audiences, size_t n);

/* What tells an origin that a token of the request is not verified ("false"); Envoy's name. */
#define SP_JWT_MARK SP_STR("x-jwt-signature-verified")

/* Takes what clients sent under the names of this provider's headers out of the request (or its trailers). */
void sp_jwt_provider_sanitize(const struct sp_jwt_provider *p, struct sp_headers *h);

#endif
