/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Making ES256 tokens (RFC 7515, RFC 7518 section 3.4) with a key that lives in memory: for `sallyport demo` and for
 * tests.  A gateway that checks tokens never needs it.  One thread at a time.
 */
#ifndef SP_CRYPTO_JWS_SIGN_H
#define SP_CRYPTO_JWS_SIGN_H

#include "base/arena.h"

struct sp_signer;

/* A new P-256 key; `kid` is copied. NULL when wolfCrypt fails. */
struct sp_signer *sp_signer_new(struct sp_str kid);
/* Wipes the key. NULL-safe. */
void sp_signer_free(struct sp_signer *s);
/* The key set with the public key: {"keys":[...]}. */
struct sp_str sp_signer_jwks(const struct sp_signer *s, struct sp_arena *arena);
/* A compact JWS of a payload in JSON. A NULL slice when wolfCrypt fails. */
struct sp_str sp_signer_sign(struct sp_signer *s, struct sp_str payload_json, struct sp_arena *arena);

#endif
