/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A public key that a message brings itself (the jwk of a DPoP proof, RFC 9449 section 4.2), and its thumbprint (RFC
 * 7638).  It proves only who holds it: whoever uses it must know the thumbprint from elsewhere.  Pure, any thread.
 */
#ifndef SP_CRYPTO_JWK_EMBEDDED_H
#define SP_CRYPTO_JWK_EMBEDDED_H

#include "base/json.h"
#include "crypto/jws.h"

/*
 * A set with this one key: RSA, EC or OKP, without any private member, without kid, use, key_ops and alg, which say
 * nothing here. NULL with a static *ret_why.  `arena` is for scratch.  thumbprint: SHA-256 of the required members.
 */
struct sp_jwks *sp_jwk_embedded(const json_t *jwk, struct sp_arena *arena, uint8_t thumbprint[32], const char **ret_why);

#endif
