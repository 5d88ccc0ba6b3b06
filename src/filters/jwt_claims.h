/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The claims of a token (RFC 7519): the registered ones in the types that they must have, others by path, and claims as
 * header values.  Pure functions over a payload that somebody else holds.
 */
#ifndef SP_FILTERS_JWT_CLAIMS_H
#define SP_FILTERS_JWT_CLAIMS_H

#include "filters/jwt_status.h"

struct sp_jwt_claims {
    struct sp_str iss, sub; /* empty when absent */
    int64_t exp, nbf, iat;  /* Unix seconds; INT64_MAX, INT64_MIN and INT64_MIN when absent */
    bool has_exp;
    const json_t *aud; /* NULL, a string or an array of strings */
};

/* SP_JWT_OK, or which claim is of a wrong type. Slices live as long as `payload`. */
enum sp_jwt_status sp_jwt_claims_read(const json_t *payload, struct sp_jwt_claims *ret);
/* SP_JWT_OK, SP_JWT_EXPIRED or SP_JWT_NOT_YET_VALID. */
enum sp_jwt_status sp_jwt_claims_check_time(const struct sp_jwt_claims *c, int64_t now, int64_t skew);
/*
 * Whether one of the token's audiences is among `allowed`, each as sp_jwt_audience gives it. True when `allowed` is
 * empty.
 */
bool sp_jwt_claims_audience_ok(const struct sp_jwt_claims *c, const struct sp_str *allowed, unsigned n_allowed);
/* Without "http://" or "https://" before it and one '/' at its end, which Envoy does not count. */
struct sp_str sp_jwt_audience(struct sp_str aud);

/* The claim of that name, a dot going into objects; else the one whose own name has the dots; else NULL. */
const json_t *sp_jwt_claim(const json_t *payload, struct sp_str name);
/*
 * As a header's value: strings as they are, numbers, true and false as JSON, objects and arrays as base64 of their
 * JSON.
 * A NULL slice for null, for the empty string, and for what no header may carry.
 */
struct sp_str sp_jwt_claim_text(const json_t *claim, struct sp_arena *arena);
/* iss, sub and client_id (or azp, its name in OpenID Connect), as far as they are strings: who the token is of. Borrowed. */
struct sp_caller;
void sp_jwt_caller(const json_t *claims, struct sp_caller *out);
/* JSON text of any value, compact. */
struct sp_str sp_jwt_json(const json_t *value, struct sp_arena *arena);

#endif
