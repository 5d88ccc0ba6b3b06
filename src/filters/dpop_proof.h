/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A DPoP proof (RFC 9449 section 4.3): its form, signature and claims.  Whether the key is the token's, whether the
 * proof came before and whether its nonce is ours is for the caller.  Pure.
 */
#ifndef SP_FILTERS_DPOP_PROOF_H
#define SP_FILTERS_DPOP_PROOF_H

#include "base/arena.h"
#include "filters/sender_status.h"

enum { SP_DPOP_MAX_BYTES = 8192, SP_DPOP_MAX_JTI = 256, SP_DPOP_THUMBPRINT = 43 };

/* What it has to say. */
struct sp_dpop_expect {
    struct sp_str method;
    const struct sp_str *uris; /* n_uris, as sp_dpop_uri gives them: any of them */
    unsigned n_uris;
    struct sp_str token;
    const struct sp_str *algs; /* n_algs; asymmetric ones */
    unsigned n_algs;
    int64_t now, window; /* seconds; iat may be so far away, in both directions */
};

struct sp_dpop_proof {
    struct sp_str jti, nonce; /* in the arena; nonce may be empty */
    int64_t iat;
    char jkt[SP_DPOP_THUMBPRINT + 1]; /* of its key, base64url */
};

/* SP_SENDER_OK, or SP_SENDER_PROOF_*. */
enum sp_sender_status sp_dpop_check(struct sp_str proof, const struct sp_dpop_expect *e, struct sp_arena *arena,
                                    struct sp_dpop_proof *ret);

#endif
