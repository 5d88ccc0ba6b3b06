/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256, HMAC, older hashes, hex and base64 (RFC 4648).  Any thread.
 */
#ifndef SP_CRYPTO_HASH_H
#define SP_CRYPTO_HASH_H

#include "base/arena.h"

void sp_sha256(struct sp_str in, uint8_t out[32]);
void sp_hmac_sha256(struct sp_str key, struct sp_str in, uint8_t out[32]);
/* Broken, or about to be: only for what others sign with them and an operator has asked for (Akamai G2O 1 to 4). */
void sp_md5(struct sp_str in, uint8_t out[16]);
void sp_hmac_md5(struct sp_str key, struct sp_str in, uint8_t out[16]);
/* SHA-1 alone names things in OCSP, which are verified otherwise. */
void sp_sha1(struct sp_str in, uint8_t out[20]);
void sp_hmac_sha1(struct sp_str key, struct sp_str in, uint8_t out[20]);
/* Lower-case hex, in the arena. */
struct sp_str sp_hex(struct sp_arena *a, const void *p, size_t n);

enum sp_base64 { SP_BASE64, SP_BASE64URL_NOPAD, SP_BASE64URL_PAD };
struct sp_str sp_base64_encode(struct sp_arena *a, enum sp_base64 kind, struct sp_str in);
/* Strict: no white space, no stray bits, padding exactly as the kind says. -EINVAL. */
int sp_base64_decode(struct sp_arena *a, enum sp_base64 kind, struct sp_str in, struct sp_str *ret);

#endif
