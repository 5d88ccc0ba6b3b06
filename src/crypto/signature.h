/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Public keys and signatures as certificates and CRLs carry them, and the verification of one by the other.  ECDSA on
 * P-256, P-384 and P-521, RSA of 2048 to 4096 bits (PKCS#1 v1.5 and PSS), each with SHA-256, -384 or -512, and Ed25519;
 * nothing weaker.  Slices point into the DER they were read from.  Pure, any thread.
 */
#ifndef SP_CRYPTO_SIGNATURE_H
#define SP_CRYPTO_SIGNATURE_H

#include "crypto/der.h"

enum sp_key_kind { SP_KEY_UNKNOWN, SP_KEY_RSA, SP_KEY_P256, SP_KEY_P384, SP_KEY_P521, SP_KEY_ED25519 };

struct sp_public_key {
    enum sp_key_kind kind;
    unsigned bits;       /* RSA: of the modulus */
    struct sp_str bytes; /* RSAPublicKey, the point, or the 32 bytes */
};

enum sp_signature_kind { SP_SIG_UNKNOWN, SP_SIG_RSA, SP_SIG_RSA_PSS, SP_SIG_ECDSA, SP_SIG_ED25519 };
enum sp_signature_hash { SP_SIG_SHA256, SP_SIG_SHA384, SP_SIG_SHA512 };

struct sp_signature {
    enum sp_signature_kind kind;
    enum sp_signature_hash hash;
    struct sp_str bytes;
};

/* Takes a SubjectPublicKeyInfo; kind SP_KEY_UNKNOWN for keys of other kinds. False on bad DER. */
bool sp_public_key_take(struct sp_der *d, struct sp_public_key *ret);
/* Reads an AlgorithmIdentifier's content into kind and hash. False on bad DER. */
bool sp_signature_algorithm(struct sp_der body, struct sp_signature *ret);

enum { SP_DIGEST_MAX = 64 };

/* The hash of a message that the signature is over; its length, 0 for Ed25519, which signs the message itself. */
size_t sp_signature_digest(const struct sp_signature *s, struct sp_str message, uint8_t out[SP_DIGEST_MAX]);
bool sp_signature_verify(const struct sp_signature *s, const struct sp_public_key *key, struct sp_str message);
/* The same for a digest that was made before; not for Ed25519. */
bool sp_signature_verify_digest(const struct sp_signature *s, const struct sp_public_key *key, const uint8_t *digest,
                                size_t n);

#endif
