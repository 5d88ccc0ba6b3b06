/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One key of a JSON Web Key set, for this directory only: crypto/jws.h is what others use.  A key is kept as the bytes
 * of its numbers and becomes a wolfCrypt object on the stack of each verification: wolfCrypt writes into its key
 * objects even when it only verifies, so that they cannot be shared by threads.  Making one costs less than 3 % of a
 * verification.  Immutable, any thread.
 */
#ifndef SP_CRYPTO_JWK_H
#define SP_CRYPTO_JWK_H

#include "base/arena.h"

enum sp_jwk_kind { SP_JWK_RSA, SP_JWK_P256, SP_JWK_P384, SP_JWK_P521, SP_JWK_ED25519, SP_JWK_OCT };

/* RFC 7518 section 3.1, RFC 8037 section 3.1. */
enum sp_jws_alg {
    SP_ALG_UNKNOWN, /* "none" too */
    SP_ALG_RS256, SP_ALG_RS384, SP_ALG_RS512,
    SP_ALG_PS256, SP_ALG_PS384, SP_ALG_PS512,
    SP_ALG_ES256, SP_ALG_ES384, SP_ALG_ES512,
    SP_ALG_EDDSA,
    SP_ALG_HS256, SP_ALG_HS384, SP_ALG_HS512,
};

enum { SP_JWK_MIN_RSA_BITS = 2048, SP_JWK_MAX_RSA_BITS = 4096 };

struct sp_jwk {
    enum sp_jwk_kind kind;
    enum sp_jws_alg alg; /* the only one it may be used with; UNKNOWN: every one that goes with its kind,
        never for OCT */
    struct sp_str kid;   /* empty: none */
    /* RSA: n and e without leading zeros. EC: x and y, of the field's size. Ed25519: x. OCT: k, a secret, in `x`. */
    struct sp_str n, e, x, y;
};

enum sp_jws_alg sp_jws_alg_parse(struct sp_str name);
/* Whether a token of that alg may be verified with the key: by its kind and its own alg. */
bool sp_jwk_takes(const struct sp_jwk *k, enum sp_jws_alg alg);
/* Why the key is no good: too small, no point of its curve ... (static), or NULL. */
const char *sp_jwk_check(const struct sp_jwk *k);
/* sp_jwk_takes(k, alg) holds, sp_jwk_check gave NULL. */
bool sp_jwk_verify(const struct sp_jwk *k, enum sp_jws_alg alg, struct sp_str input, struct sp_str signature);

/* Bytes of a coordinate; EC kinds only. */
size_t sp_jwk_field_size(enum sp_jwk_kind kind);
/* Without leading zero bytes. */
struct sp_str sp_jwk_trim_zeros(struct sp_str number);

/* A PEM public key or certificate into *ret, its bytes in `arena`. NULL, or why not (static). Checked already. */
const char *sp_jwk_from_pem(struct sp_str text, struct sp_arena *arena, struct sp_jwk *ret);

#endif
