/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of a key set, for this directory only.
 */
#ifndef SP_CRYPTO_JWK_SET_H
#define SP_CRYPTO_JWK_SET_H

#include "crypto/jwk.h"

struct sp_jwks {
    struct sp_arena arena; /* may hold secrets */
    struct sp_jwk *keys;
    unsigned n;
    uint64_t id;
    unsigned algs; /* 1 << sp_jws_alg of those that count; 0: all */
};

#endif
