/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON Web Key sets (RFC 7517, 7518, 8037) and the verification of compact JWS (RFC 7515): RS, PS, ES 256/384/512, EdDSA
 * (Ed25519).  HS only where it was asked for by name.  A key set is compiled once, immutable, any thread.
 */
#ifndef SP_CRYPTO_JWS_H
#define SP_CRYPTO_JWS_H

#include "base/arena.h"

enum { SP_JWKS_MAX_BYTES = 1 << 20, SP_JWKS_MAX_KEYS = 256, SP_JWT_MAX_BYTES = 64 << 10 };

struct sp_jwks;
/* *ret_why: static or in `arena`, what is wrong. Keys of kinds we do not know are skipped; a set without any usable key is
 * an error. A single PEM public key or certificate is taken too. */
struct sp_jwks *sp_jwks_new(struct sp_str text, struct sp_arena *arena, const char **ret_why);
void sp_jwks_free(struct sp_jwks *k); /* NULL-safe */
unsigned sp_jwks_count(const struct sp_jwks *k);

enum sp_jws_result {
    SP_JWS_OK,
    SP_JWS_MALFORMED,      /* not three parts, bad base64, not JSON, duplicate members, too deep, too long */
    SP_JWS_ALG,            /* alg none, unknown, or not one the key set can have */
    SP_JWS_CRIT,           /* RFC 7515 section 4.1.11 */
    SP_JWS_NO_KEY,         /* no key of that kid and alg */
    SP_JWS_SIGNATURE,
};
const char *sp_jws_result_text(enum sp_jws_result r);

struct sp_jws {
    struct sp_str header_json, payload_json; /* decoded, in the arena */
    struct sp_str header_b64, payload_b64, signature_b64; /* as received */
    struct sp_str alg, kid;
    struct sp_str signature;
};
/* Splits and checks the form; verifies nothing. */
enum sp_jws_result sp_jws_parse(struct sp_str compact, struct sp_arena *arena, struct sp_jws *ret);
enum sp_jws_result sp_jws_verify(const struct sp_jws *jws, const struct sp_jwks *keys);

#endif
