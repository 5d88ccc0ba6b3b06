/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A private key out of a PEM text, and the compact JWS (RFC 7515) that it makes: for client assertions (RFC 7523,
 * "private_key_jwt"). RS256 and PS256 with RSA of 2048 to 4096 bits, ES256 with P-256, ES384 with P-384.  Immutable,
 * any thread: wolfCrypt's own objects live on the stack of each signature.  Freeing wipes.
 */
#ifndef SP_CRYPTO_SIGN_KEY_H
#define SP_CRYPTO_SIGN_KEY_H

#include "base/arena.h"

struct sp_sign_key;

/*
 * `alg`: of those above, or empty: RS256, ES256 or ES384, as the key is.  PKCS#8, PKCS#1 or SEC 1 in PEM, not
 * encrypted. NULL with a static *ret_why.
 */
struct sp_sign_key *sp_sign_key_new(struct sp_str pem, struct sp_str alg, const char **ret_why);
void sp_sign_key_free(struct sp_sign_key *k); /* NULL-safe */
struct sp_str sp_sign_key_alg(const struct sp_sign_key *k); /* static */
/*
 * Signs a payload in JSON; the header has alg, typ JWT and, unless it is empty, kid, which must need no escape in
 * JSON.  A NULL slice when wolfCrypt fails.
 */
struct sp_str sp_sign_key_jws(const struct sp_sign_key *k, struct sp_str kid, struct sp_str payload_json,
                              struct sp_arena *arena);
/* The same with a header of the caller's, whose alg is the key's. */
struct sp_str sp_sign_key_compact(const struct sp_sign_key *k, struct sp_str header_json, struct sp_str payload_json,
                                  struct sp_arena *arena);

#endif
