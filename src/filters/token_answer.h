/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer of an introspection endpoint (RFC 7662 section 2.2), and what it has to say for a request to pass.  Pure
 * functions; a policy is part of a filter's config: immutable, any thread.
 */
#ifndef SP_FILTERS_TOKEN_ANSWER_H
#define SP_FILTERS_TOKEN_ANSWER_H

#include "base/json.h"
#include "filters/token_status.h"

enum { SP_TOKEN_ANSWER_MAX_BYTES = 64 << 10, SP_TOKEN_ANSWER_DEPTH = 16, SP_TOKEN_ANSWER_VALUES = 4096 };

struct sp_token_policy {
    /* With none of them: not looked at; types: Bearer, DPoP, access_token, or none told. */
    const struct sp_str *issuers, *audiences, *types;
    unsigned n_issuers, n_audiences, n_types;
    bool require_expiration;
    int64_t skew; /* seconds */
};

/*
 * SP_TOKEN_OK with the claims (a new reference), SP_TOKEN_INACTIVE, or SP_TOKEN_BAD_ANSWER: no JSON object, `active`
 * absent or no boolean, a member that RFC 7662 names in a wrong type.
 */
enum sp_token_status sp_token_answer_read(struct sp_str body, json_t **ret_claims);
/* Unix seconds; INT64_MAX without exp. Of claims that sp_token_answer_read took. */
int64_t sp_token_answer_exp(const json_t *claims);
enum sp_token_status sp_token_answer_check(const json_t *claims, const struct sp_token_policy *p, int64_t now);
/* Whether each of `scopes` is a word of the claim scope. */
bool sp_token_answer_has_scopes(const json_t *claims, const struct sp_str *scopes, unsigned n);

/* RFC 6750 section 2.1, b64token. */
bool sp_token_well_formed(struct sp_str token);
/* Three base64url parts, the first of them a JSON object. `arena` is for scratch. */
bool sp_token_is_jwt(struct sp_str token, struct sp_arena *arena);

#endif
