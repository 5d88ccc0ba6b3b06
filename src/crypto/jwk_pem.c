/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jwk.h"

#include <assert.h>
#include <stdlib.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "base/mem.h"
#include "crypto/hash.h"

enum { MAX_SPKI = 1024 };

static const char not_pem[] = "not a well-formed PEM block";

/* Takes the text between `before` and `behind` out of *rest; false when it is not there. */
static bool between(struct sp_str *rest, struct sp_str before, struct sp_str behind, struct sp_str *ret)
{
    ptrdiff_t from = sp_str_find(*rest, before);
    if (from < 0)
        return false;
    struct sp_str tail = sp_str_sub(*rest, (size_t)from + before.len, rest->len);
    ptrdiff_t to = sp_str_find(tail, behind);
    if (to < 0)
        return false;
    *ret = sp_str_sub(tail, 0, (size_t)to);
    *rest = sp_str_sub(tail, (size_t)to, tail.len);
    return true;
}

static struct sp_str without_space(struct sp_str text, struct sp_arena *arena)
{
    char *out = sp_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++)
        if (!strchr(" \t\r\n", text.ptr[i]) || !text.ptr[i])
            out[n++] = text.ptr[i];
    return sp_str_n(out, n);
}

/* NULL, or why not. */
static const char *decode_pem(struct sp_str text, struct sp_arena *arena, struct sp_str *ret_label,
                              struct sp_str *ret_der)
{
    struct sp_str body, again;
    if (!between(&text, SP_STR("-----BEGIN "), SP_STR("-----"), ret_label))
        return not_pem;
    text = sp_str_sub(text, 5, text.len);
    struct sp_str end = sp_arena_printf(arena, "-----END %.*s-----", SP_STR_ARG(*ret_label));
    if (!between(&text, SP_STR(""), end, &body))
        return not_pem;
    if (between(&text, SP_STR("-----BEGIN "), SP_STR("-----"), &again))
        return "more than one PEM block (use a JWKS for several keys)";
    body = without_space(body, arena);
    if (sp_base64_decode(arena, SP_BASE64, body, ret_der) < 0 || ret_der->len == 0)
        return not_pem;
    return NULL;
}

static bool take_rsa(struct sp_str der, struct sp_arena *arena, struct sp_jwk *ret)
{
    enum { MAX_N = 2048 };
    RsaKey key;
    word32 at = 0, e_len = MAX_N, n_len = MAX_N;
    byte *e = sp_arena_alloc(arena, MAX_N), *n = sp_arena_alloc(arena, MAX_N);
    if (wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool good = wc_RsaPublicKeyDecode((const byte *)der.ptr, &at, &key, (word32)der.len) == 0 && at == der.len &&
                wc_RsaFlattenPublicKey(&key, e, &e_len, n, &n_len) == 0;
    wc_FreeRsaKey(&key);
    if (good) {
        ret->kind = SP_JWK_RSA;
        ret->n = sp_jwk_trim_zeros(sp_str_n((char *)n, n_len));
        ret->e = sp_jwk_trim_zeros(sp_str_n((char *)e, e_len));
    }
    return good;
}

static bool kind_of_curve(int curve, enum sp_jwk_kind *ret)
{
    switch (curve) {
    case ECC_SECP256R1:
        *ret = SP_JWK_P256;
        return true;
    case ECC_SECP384R1:
        *ret = SP_JWK_P384;
        return true;
    case ECC_SECP521R1:
        *ret = SP_JWK_P521;
        return true;
    default:
        return false;
    }
}

static bool take_ec(struct sp_str der, struct sp_arena *arena, struct sp_jwk *ret)
{
    ecc_key key;
    word32 at = 0, x_len = MAX_ECC_BYTES, y_len = MAX_ECC_BYTES;
    byte *x = sp_arena_alloc(arena, MAX_ECC_BYTES), *y = sp_arena_alloc(arena, MAX_ECC_BYTES);
    if (wc_ecc_init(&key) != 0)
        return false;
    /* A point that is none can be longer than its field, which the export would write over its buffer's end. */
    bool good = wc_EccPublicKeyDecode((const byte *)der.ptr, &at, &key, (word32)der.len) == 0 && at == der.len &&
                wc_ecc_check_key(&key) == 0 && kind_of_curve(wc_ecc_get_curve_id(key.idx), &ret->kind) &&
                wc_ecc_export_public_raw(&key, x, &x_len, y, &y_len) == 0;
    wc_ecc_free(&key);
    ret->x = sp_str_n((char *)x, x_len);
    ret->y = sp_str_n((char *)y, y_len);
    return good;
}

static bool take_ed25519(struct sp_str der, struct sp_arena *arena, struct sp_jwk *ret)
{
    ed25519_key key;
    word32 at = 0, len = ED25519_PUB_KEY_SIZE;
    byte *x = sp_arena_alloc(arena, ED25519_PUB_KEY_SIZE);
    if (wc_ed25519_init(&key) != 0)
        return false;
    bool good = wc_Ed25519PublicKeyDecode((const byte *)der.ptr, &at, &key, (word32)der.len) == 0 && at == der.len &&
                wc_ed25519_export_public(&key, x, &len) == 0;
    wc_ed25519_free(&key);
    ret->kind = SP_JWK_ED25519;
    ret->x = sp_str_n((char *)x, len);
    return good;
}

/* The SubjectPublicKeyInfo of a certificate. Nothing else in it counts: the file is trusted as it stands. */
static bool spki_of(struct sp_str cert, struct sp_arena *arena, struct sp_str *ret)
{
    struct DecodedCert *d = sp_xmalloc(sizeof(*d));
    byte *out = sp_arena_alloc(arena, MAX_SPKI);
    word32 len = MAX_SPKI;
    wc_InitDecodedCert(d, (const byte *)cert.ptr, (word32)cert.len, NULL);
    bool good = wc_ParseCert(d, CERT_TYPE, NO_VERIFY, NULL) == 0 && wc_GetPubKeyDerFromCert(d, out, &len) == 0;
    wc_FreeDecodedCert(d);
    free(d);
    *ret = sp_str_n((char *)out, len);
    return good;
}

const char *sp_jwk_from_pem(struct sp_str text, struct sp_arena *arena, struct sp_jwk *ret)
{
    assert(arena && ret);
    struct sp_str label, der;
    struct sp_jwk k = {0};
    const char *why = decode_pem(text, arena, &label, &der);
    if (why)
        return why;
    if (sp_str_eq(label, SP_STR("CERTIFICATE"))) {
        if (!spki_of(der, arena, &der))
            return "a certificate that cannot be read";
    } else if (sp_str_ends(label, SP_STR("PRIVATE KEY"))) {
        return "a private key (only the public one belongs here)";
    } else if (!sp_str_eq(label, SP_STR("PUBLIC KEY")) && !sp_str_eq(label, SP_STR("RSA PUBLIC KEY"))) {
        return "a PEM block that is neither a public key nor a certificate";
    }
    if (!take_rsa(der, arena, &k) && !take_ec(der, arena, &k) && !take_ed25519(der, arena, &k))
        return "a public key of a kind that is not known here (RSA, P-256, P-384, P-521 and Ed25519 are)";
    why = sp_jwk_check(&k);
    if (!why)
        *ret = k;
    return why;
}
