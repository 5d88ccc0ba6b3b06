/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What token_introspection can say of a request: HTTP status, the error of RFC 6750 section 3.1, and the word that the
 * log has.  Static, any thread.
 */
#ifndef SP_FILTERS_TOKEN_STATUS_H
#define SP_FILTERS_TOKEN_STATUS_H

#include "base/arena.h"

/* X(enum suffix, HTTP status, error, word, body). 503: the question could not be answered; nothing is said of the token. */
#define SP_TOKEN_STATUS_TABLE(X) \
    X(OK, 200, "", "", "") \
    X(MISSING, 401, "", "missing", "Access token is missing") \
    X(MULTIPLE, 400, "invalid_request", "multiple_tokens", "More than one access token") \
    X(MALFORMED, 401, "invalid_token", "malformed", "Access token is malformed") \
    X(JWT_UNVERIFIED, 401, "invalid_token", "jwt_not_verified", "Access token is not verified") \
    X(INACTIVE, 401, "invalid_token", "inactive", "Access token is not active") \
    X(EXPIRED, 401, "invalid_token", "expired", "Access token is expired") \
    X(NOT_YET_VALID, 401, "invalid_token", "not_yet_valid", "Access token is not yet valid") \
    X(NO_EXPIRATION, 401, "invalid_token", "no_expiration", "Access token does not expire") \
    X(ISSUER, 401, "invalid_token", "issuer", "Access token is of another issuer") \
    X(AUDIENCE, 401, "invalid_token", "audience", "Access token is for another audience") \
    X(TYPE, 401, "invalid_token", "token_type", "Token is no access token") \
    X(SCOPE, 403, "insufficient_scope", "scope", "Access token lacks a scope") \
    X(NO_ANSWER, 503, "", "no_answer", "Access token cannot be checked now") \
    X(TIMEOUT, 503, "", "timeout", "Access token cannot be checked now") \
    X(ENDPOINT_STATUS, 503, "", "endpoint_status", "Access token cannot be checked now") \
    X(CLIENT_REFUSED, 503, "", "client_refused", "Access token cannot be checked now") \
    X(BAD_ANSWER, 503, "", "bad_answer", "Access token cannot be checked now") \
    X(NO_CREDENTIALS, 503, "", "no_credentials", "Access token cannot be checked now") \
    X(NO_ENDPOINT, 503, "", "endpoint_unknown", "Access token cannot be checked now") \
    X(OVERLOAD, 503, "", "overload", "Access token cannot be checked now")

enum sp_token_status {
#define X(id, status, error, word, body) SP_TOKEN_##id,
    SP_TOKEN_STATUS_TABLE(X)
#undef X
    SP_TOKEN_N_STATUS
};

unsigned sp_token_status_code(enum sp_token_status s);
struct sp_str sp_token_status_error(enum sp_token_status s); /* empty: none */
struct sp_str sp_token_status_word(enum sp_token_status s);
struct sp_str sp_token_status_body(enum sp_token_status s);
/* For RESPONSE_CODE_DETAILS: "token_introspection_denied{inactive}", "token_introspection_error{timeout}". Static. */
struct sp_str sp_token_status_details(enum sp_token_status s);

/* The endpoint could not tell: neither good nor bad. */
static inline bool sp_token_status_undecided(enum sp_token_status s)
{
    return s >= SP_TOKEN_NO_ANSWER;
}

#endif
