/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What sender_constraint can say of a request: HTTP status, the error of RFC 6750 or RFC 9449 section 7.1, and the word
 * that the log has.  Static, any thread.
 */
#ifndef SP_FILTERS_SENDER_STATUS_H
#define SP_FILTERS_SENDER_STATUS_H

#include "base/str.h"

/* X(enum suffix, HTTP status, error, word) */
#define SP_SENDER_STATUS_TABLE(X) \
    X(OK, 200, "", "") \
    X(NO_TOKEN, 401, "", "no_token") \
    X(TOKENS_DIFFER, 400, "invalid_request", "multiple_tokens") \
    X(NOT_BOUND, 401, "invalid_token", "not_bound") \
    X(CNF, 401, "invalid_token", "cnf_malformed") \
    X(CNF_UNKNOWN, 401, "invalid_token", "cnf_unknown") \
    X(BEARER, 401, "invalid_token", "bearer_scheme") \
    X(CERT_MISSING, 401, "invalid_token", "certificate_missing") \
    X(CERT_MISMATCH, 401, "invalid_token", "certificate_mismatch") \
    X(PROOF_MISSING, 401, "invalid_dpop_proof", "proof_missing") \
    X(PROOF_REPEATED, 401, "invalid_dpop_proof", "proof_repeated") \
    X(PROOF_MALFORMED, 401, "invalid_dpop_proof", "proof_malformed") \
    X(PROOF_TYP, 401, "invalid_dpop_proof", "proof_typ") \
    X(PROOF_ALG, 401, "invalid_dpop_proof", "proof_alg") \
    X(PROOF_JWK, 401, "invalid_dpop_proof", "proof_jwk") \
    X(PROOF_SIGNATURE, 401, "invalid_dpop_proof", "proof_signature") \
    X(PROOF_CLAIMS, 401, "invalid_dpop_proof", "proof_claims") \
    X(PROOF_METHOD, 401, "invalid_dpop_proof", "proof_htm") \
    X(PROOF_URI, 401, "invalid_dpop_proof", "proof_htu") \
    X(PROOF_TIME, 401, "invalid_dpop_proof", "proof_iat") \
    X(PROOF_TOKEN, 401, "invalid_dpop_proof", "proof_ath") \
    X(PROOF_REPLAYED, 401, "invalid_dpop_proof", "proof_replayed") \
    X(PROOF_KEY, 401, "invalid_token", "proof_key") \
    X(NONCE, 401, "use_dpop_nonce", "nonce") \
    X(NO_CLAIMS, 503, "", "claims_not_found") \
    X(FULL, 503, "", "replay_set_full")

enum sp_sender_status {
#define X(id, status, error, word) SP_SENDER_##id,
    SP_SENDER_STATUS_TABLE(X)
#undef X
    SP_SENDER_N_STATUS
};

unsigned sp_sender_status_code(enum sp_sender_status s);
struct sp_str sp_sender_status_error(enum sp_sender_status s); /* empty: none */
struct sp_str sp_sender_status_word(enum sp_sender_status s);
struct sp_str sp_sender_status_body(enum sp_sender_status s);
/* For RESPONSE_CODE_DETAILS: "sender_constraint_denied{proof_htu}", "sender_constraint_error{replay_set_full}". */
struct sp_str sp_sender_status_details(enum sp_sender_status s);
/* It is ours, not the client's. */
static inline bool sp_sender_status_ours(enum sp_sender_status s)
{
    return s == SP_SENDER_NO_CLAIMS || s == SP_SENDER_FULL;
}

#endif
