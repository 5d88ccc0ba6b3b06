/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON Web Key sets (RFC 7517, 7518, 8037) and the verification of compact JWS (RFC 7515): RS, PS, ES 256/384/512,
 * EdDSA (Ed25519).  HS only with an oct key whose own alg names it.  A key set is compiled once, immutable, any thread.
 *
 * What a token itself says of keys (jwk, jku, x5u, x5c) is never used; "crit" is refused, since no extension is known.
 */
#ifndef SP_CRYPTO_JWS_H
#define SP_CRYPTO_JWS_H

#include "base/arena.h"
#include "base/json.h"

enum {
    SP_JWKS_MAX_BYTES = 1 << 20,
    SP_JWKS_MAX_KEYS = 256,
    SP_JWT_MAX_BYTES = 64 << 10,
    SP_JWT_MAX_VALUES = 4096, /* members and items of a header or payload */
    SP_JWS_HEADER_DEPTH = 8, /* nesting of a header */
};

struct sp_jwks;
/*
 * NULL after an error; *ret_why (static or in `arena`) says what is wrong.  Keys of kinds we do not know or may not use
 * (use, key_ops, too small) are skipped, and *ret_why says why the first of them was; NULL when all were taken.  A set
 * without any usable key is an error.  Taken too are a single PEM public key or certificate, and an object of them, each under its
 * kid.
 */
struct sp_jwks *sp_jwks_new(struct sp_str text, struct sp_arena *arena, const char **ret_why);
/* One without keys: what nobody signed for any more. */
struct sp_jwks *sp_jwks_new_empty(void);
/* The bit of a signature that a key set may be limited to; 0: not known, "none" or HS*, whose keys are no issuer's. */
unsigned sp_jws_alg_bit(struct sp_str alg);
/* Before it is shared: tokens with other algs have no key. */
void sp_jwks_limit(struct sp_jwks *k, unsigned algs);
void sp_jwks_free(struct sp_jwks *k); /* NULL-safe */
unsigned sp_jwks_count(const struct sp_jwks *k);
/* Of sets of the same text and the same limit only, never 0: what was verified with another set is to be verified anew. */
uint64_t sp_jwks_id(const struct sp_jwks *k);

enum sp_jws_result {
    SP_JWS_OK,
    SP_JWS_FORM,             /* not three parts */
    SP_JWS_TOO_LONG,
    SP_JWS_HEADER_BASE64,
    SP_JWS_HEADER_JSON,      /* members written twice and deep nesting too */
    SP_JWS_HEADER_ALG,       /* absent or no string */
    SP_JWS_HEADER_KID,       /* no string */
    SP_JWS_ALG,              /* "none", or not known */
    SP_JWS_CRIT,             /* RFC 7515 section 4.1.11 */
    SP_JWS_PAYLOAD_BASE64,
    SP_JWS_PAYLOAD_JSON,     /* as for the header */
    SP_JWS_SIGNATURE_BASE64,
    SP_JWS_NO_KEY,           /* no key of that kid and alg */
    SP_JWS_SIGNATURE,
};
/* Envoy's sentence: "Jwt verification fails". Static. */
const char *sp_jws_result_text(enum sp_jws_result r);

struct sp_jws {
    struct sp_str header_json, payload_json; /* decoded, in the arena */
    struct sp_str header_b64, payload_b64, signature_b64; /* as received */
    struct sp_str alg, kid; /* in the arena; kid may be empty */
    struct sp_str signature;
    int alg_id;
    json_t *payload; /* an object; sp_jws_done gives it back */
};
/* Splits and checks the form; verifies nothing. `compact` lives as long as *ret. On failure nothing is owed. */
enum sp_jws_result sp_jws_parse(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret);
/* The same for parts that may have base64's padding, against RFC 7515 section 2: as AWS load balancers sign and send them. */
enum sp_jws_result sp_jws_parse_padded(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret);
/* The same of a JWS that is no token: its payload may be any bytes; `payload` stays NULL. */
enum sp_jws_result sp_jws_parse_bytes(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret);
void sp_jws_done(struct sp_jws *jws);
/* SP_JWS_OK, SP_JWS_NO_KEY or SP_JWS_SIGNATURE. Tries at most SP_JWS_MAX_TRIES keys. */
enum sp_jws_result sp_jws_verify(const struct sp_jws *jws, const struct sp_jwks *keys);
enum { SP_JWS_MAX_TRIES = 16 };

#endif
