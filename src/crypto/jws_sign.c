/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jws_sign.h"

#include <assert.h>
#include <stdlib.h>

#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include "base/mem.h"
#include "crypto/hash.h"

enum { COORDINATE = 32 };

struct sp_signer {
    ecc_key key;
    WC_RNG rng;
    char *kid;
    uint8_t x[COORDINATE], y[COORDINATE];
};

struct sp_signer *sp_signer_new(struct sp_str kid)
{
    assert(kid.len > 0);
    struct sp_signer *s = sp_xcalloc(1, sizeof(*s));
    word32 nx = COORDINATE, ny = COORDINATE;
    if (wc_InitRng(&s->rng) != 0) {
        free(s);
        return NULL;
    }
    s->kid = sp_str_dup(kid);
    if (wc_ecc_init(&s->key) == 0 && wc_ecc_make_key_ex(&s->rng, COORDINATE, &s->key, ECC_SECP256R1) == 0 &&
        wc_ecc_export_public_raw(&s->key, s->x, &nx, s->y, &ny) == 0 && nx == COORDINATE && ny == COORDINATE)
        return s;
    sp_signer_free(s);
    return NULL;
}

void sp_signer_free(struct sp_signer *s)
{
    if (!s)
        return;
    wc_ecc_free(&s->key);
    wc_FreeRng(&s->rng);
    free(s->kid);
    sp_wipe(s, sizeof(*s));
    free(s);
}

struct sp_str sp_signer_jwks(const struct sp_signer *s, struct sp_arena *arena)
{
    assert(s && arena);
    struct sp_str x = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)s->x, COORDINATE));
    struct sp_str y = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)s->y, COORDINATE));
    return sp_arena_printf(arena,
                           "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES256\",\"use\":\"sig\",\"kid\":\"%"
                           "s\","
                           "\"x\":\"%.*s\",\"y\":\"%.*s\"}]}",
                           s->kid, SP_STR_ARG(x), SP_STR_ARG(y));
}

/* RFC 7518 wants r and s side by side, each in 32 bytes; wolfCrypt gives DER. */
static int sign(struct sp_signer *s, const uint8_t digest[32], uint8_t out[2 * COORDINATE])
{
    uint8_t der[ECC_MAX_SIG_SIZE], r[COORDINATE], v[COORDINATE];
    word32 n = sizeof(der), nr = sizeof(r), nv = sizeof(v);
    if (wc_ecc_sign_hash(digest, 32, der, &n, &s->rng, &s->key) != 0 || wc_ecc_sig_to_rs(der, n, r, &nr, v, &nv) != 0)
        return -1;
    memset(out, 0, 2 * COORDINATE);
    memcpy(out + COORDINATE - nr, r, nr);
    memcpy(out + COORDINATE + (COORDINATE - nv), v, nv);
    return 0;
}

struct sp_str sp_signer_sign(struct sp_signer *s, struct sp_str payload_json, struct sp_arena *arena)
{
    assert(s && arena);
    uint8_t digest[32], signature[2 * COORDINATE];
    struct sp_str head = sp_arena_printf(arena, "{\"alg\":\"ES256\",\"typ\":\"JWT\",\"kid\":\"%s\"}", s->kid);
    struct sp_str h = sp_base64_encode(arena, SP_BASE64URL_NOPAD, head);
    struct sp_str p = sp_base64_encode(arena, SP_BASE64URL_NOPAD, payload_json);
    struct sp_str text = sp_arena_printf(arena, "%.*s.%.*s", SP_STR_ARG(h), SP_STR_ARG(p));
    sp_sha256(text, digest);
    if (sign(s, digest, signature) < 0)
        return SP_STR_NULL;
    struct sp_str sig = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)signature,
                                                                             sizeof(signature)));
    return sp_arena_printf(arena, "%.*s.%.*s", SP_STR_ARG(text), SP_STR_ARG(sig));
}
