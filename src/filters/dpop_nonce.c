/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/dpop_nonce.h"

#include <assert.h>

#include "crypto/ct.h"
#include "crypto/hash.h"

static struct sp_str of_slot(struct sp_str key, int64_t slot, struct sp_arena *arena)
{
    uint8_t mac[32];
    struct sp_str text = sp_arena_printf(arena, "sallyport dpop nonce %lld", (long long)slot);
    sp_hmac_sha256(key, text, mac);
    /* 128 bits are more than anyone guesses. */
    return sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)mac, 16));
}

struct sp_str sp_dpop_nonce_make(struct sp_str key, int64_t lifetime, int64_t now, struct sp_arena *arena)
{
    assert(key.len && lifetime > 0 && arena);
    return of_slot(key, now / lifetime, arena);
}

enum sp_dpop_nonce sp_dpop_nonce_check(struct sp_str key, int64_t lifetime, int64_t now, struct sp_str nonce,
                                       struct sp_arena *arena)
{
    assert(key.len && lifetime > 0 && arena);
    int64_t slot = now / lifetime;
    if (sp_ct_eq(of_slot(key, slot, arena), nonce))
        return SP_DPOP_NONCE_GOOD;
    return sp_ct_eq(of_slot(key, slot - 1, arena), nonce) ? SP_DPOP_NONCE_OLD : SP_DPOP_NONCE_BAD;
}
