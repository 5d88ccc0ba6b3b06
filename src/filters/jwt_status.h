/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be said of a token: Envoy's sentences, which are the bodies of refusals, with its numbers, which
 * failed_status_in_metadata carries.  Static, any thread.
 */
#ifndef SP_FILTERS_JWT_STATUS_H
#define SP_FILTERS_JWT_STATUS_H

#include "crypto/jws.h"

/* X(enum suffix, Envoy's number, text). CRIT and TOO_LONG are ours, under the number of what they are nearest to. */
#define SP_JWT_STATUS_TABLE(X) \
    X(OK, 0, "OK") \
    X(MISSING, 1, "Jwt is missing") \
    X(NOT_YET_VALID, 2, "Jwt not yet valid") \
    X(EXPIRED, 3, "Jwt is expired") \
    X(FORM, 4, "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections") \
    X(TOO_LONG, 4, "Jwt is too long") \
    X(HEADER_BASE64, 5, "Jwt header is an invalid Base64url encoded") \
    X(HEADER_JSON, 6, "Jwt header is an invalid JSON") \
    X(HEADER_ALG, 7, "Jwt header [alg] field is required and must be a string") \
    X(ALG, 8, "Jwt header [alg] is not supported") \
    X(CRIT, 8, "Jwt header [crit] is not supported") \
    X(HEADER_KID, 9, "Jwt header [kid] field is not a string") \
    X(PAYLOAD_BASE64, 10, "Jwt payload is an invalid Base64url encoded") \
    X(PAYLOAD_JSON, 11, "Jwt payload is an invalid JSON") \
    X(ISS_TYPE, 12, "Jwt payload [iss] field is not a string") \
    X(SUB_TYPE, 13, "Jwt payload [sub] field is not a string") \
    X(IAT_TYPE, 14, "Jwt payload [iat] field is not an integer") \
    X(IAT_RANGE, 15, "Jwt payload [iat] field is not a positive 64 bit integer") \
    X(NBF_TYPE, 16, "Jwt payload [nbf] field is not an integer") \
    X(NBF_RANGE, 17, "Jwt payload [nbf] field is not a positive 64 bit integer") \
    X(EXP_TYPE, 18, "Jwt payload [exp] field is not an integer") \
    X(EXP_RANGE, 19, "Jwt payload [exp] field is not a positive 64 bit integer") \
    X(JTI_TYPE, 20, "Jwt payload [jti] field is not a string") \
    X(AUD_TYPE, 21, "Jwt payload [aud] field is not a string or string list") \
    X(SIGNATURE_BASE64, 22, "Jwt signature is an invalid Base64url encoded") \
    X(ISSUER, 24, "Jwt issuer is not configured") \
    X(AUDIENCE, 25, "Audiences in Jwt are not allowed") \
    X(SIGNATURE, 26, "Jwt verification fails") \
    X(SUBJECT, 26, "Jwt verification fails") \
    X(LIFETIME, 26, "Jwt verification fails") \
    X(MULTIPLE, 27, "Found multiple Jwt tokens") \
    X(NO_KEY, 32, "Jwks doesn't have key to match kid or alg from Jwt") \
    X(FETCH, 40, "Jwks remote fetch is failed")

enum sp_jwt_status {
#define X(id, code, text) SP_JWT_##id,
    SP_JWT_STATUS_TABLE(X)
#undef X
    SP_JWT_N_STATUS
};

struct sp_str sp_jwt_status_text(enum sp_jwt_status s);
/* "jwt_authn_access_denied{Jwt_is_expired}" */
struct sp_str sp_jwt_status_details(enum sp_jwt_status s, struct sp_arena *arena);
unsigned sp_jwt_status_code(enum sp_jwt_status s);
/* For the log: more than the sentence, where that hides which check it was. */
struct sp_str sp_jwt_status_reason(enum sp_jwt_status s);
enum sp_jwt_status sp_jwt_status_of(enum sp_jws_result r);
/*
 * Of two failures, the one that says more: anything says more than an issuer that is not meant, and that more than a
 * token that is not there.
 */
enum sp_jwt_status sp_jwt_status_worse(enum sp_jwt_status before, enum sp_jwt_status now);

#endif
