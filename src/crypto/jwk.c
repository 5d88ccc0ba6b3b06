/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jwk.h"

#include <assert.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "base/mem.h"
#include "crypto/ct.h"

struct alg {
    const char *name;
    enum wc_HashType hash;
    unsigned digest_size;
    int digest_oid, hmac, mgf; /* OID of the DigestInfo of RS*; type of HS*; of PS* */
};

static const struct alg algs[] = {
    [SP_ALG_RS256] = {"RS256", WC_HASH_TYPE_SHA256, 32, SHA256h, 0, 0},
    [SP_ALG_RS384] = {"RS384", WC_HASH_TYPE_SHA384, 48, SHA384h, 0, 0},
    [SP_ALG_RS512] = {"RS512", WC_HASH_TYPE_SHA512, 64, SHA512h, 0, 0},
    [SP_ALG_PS256] = {"PS256", WC_HASH_TYPE_SHA256, 32, 0, 0, WC_MGF1SHA256},
    [SP_ALG_PS384] = {"PS384", WC_HASH_TYPE_SHA384, 48, 0, 0, WC_MGF1SHA384},
    [SP_ALG_PS512] = {"PS512", WC_HASH_TYPE_SHA512, 64, 0, 0, WC_MGF1SHA512},
    [SP_ALG_ES256] = {"ES256", WC_HASH_TYPE_SHA256, 32, 0, 0, 0},
    [SP_ALG_ES384] = {"ES384", WC_HASH_TYPE_SHA384, 48, 0, 0, 0},
    [SP_ALG_ES512] = {"ES512", WC_HASH_TYPE_SHA512, 64, 0, 0, 0},
    [SP_ALG_EDDSA] = {"EdDSA", WC_HASH_TYPE_NONE, 0, 0, 0, 0},
    [SP_ALG_HS256] = {"HS256", WC_HASH_TYPE_SHA256, 32, 0, WC_SHA256, 0},
    [SP_ALG_HS384] = {"HS384", WC_HASH_TYPE_SHA384, 48, 0, WC_SHA384, 0},
    [SP_ALG_HS512] = {"HS512", WC_HASH_TYPE_SHA512, 64, 0, WC_SHA512, 0},
};

enum sp_jws_alg sp_jws_alg_parse(struct sp_str name)
{
    for (unsigned i = 1; i < SP_ARRAY_LEN(algs); i++)
        if (sp_str_eq(name, sp_str_c(algs[i].name)))
            return i;
    return SP_ALG_UNKNOWN;
}

bool sp_jwk_takes(const struct sp_jwk *k, enum sp_jws_alg alg)
{
    assert(k);
    if (alg == SP_ALG_UNKNOWN || (k->alg != SP_ALG_UNKNOWN && k->alg != alg))
        return false;
    switch (k->kind) {
    case SP_JWK_RSA:
        return alg >= SP_ALG_RS256 && alg <= SP_ALG_PS512;
    case SP_JWK_P256:
        return alg == SP_ALG_ES256;
    case SP_JWK_P384:
        return alg == SP_ALG_ES384;
    case SP_JWK_P521:
        return alg == SP_ALG_ES512;
    case SP_JWK_ED25519:
        return alg == SP_ALG_EDDSA;
    case SP_JWK_OCT:
        /* Only what the key itself names: else a public key's text could be taken for a secret. */
        return k->alg == alg && alg >= SP_ALG_HS256 && alg <= SP_ALG_HS512;
    }
    return false;
}

size_t sp_jwk_field_size(enum sp_jwk_kind kind)
{
    assert(kind >= SP_JWK_P256 && kind <= SP_JWK_P521);
    return kind == SP_JWK_P256 ? 32 : kind == SP_JWK_P384 ? 48 : 66;
}

struct sp_str sp_jwk_trim_zeros(struct sp_str number)
{
    while (number.len && number.ptr[0] == 0)
        number = sp_str_sub(number, 1, number.len);
    return number;
}

static const byte *bytes(struct sp_str s)
{
    return (const byte *)s.ptr;
}

static int curve_id(enum sp_jwk_kind kind)
{
    return kind == SP_JWK_P256 ? ECC_SECP256R1 : kind == SP_JWK_P384 ? ECC_SECP384R1 : ECC_SECP521R1;
}

static unsigned bits_of(struct sp_str number)
{
    if (!number.len)
        return 0;
    return (unsigned)number.len * 8 - (unsigned)__builtin_clz((unsigned)(uint8_t)number.ptr[0]) + 24;
}

/*
 * Whether a modulus is of the generator whose primes can be told from the modulus (ROCA, CVE-2017-15361): it is a power of
 * 65537 by every small prime, which others are once in 2^60.
 */
static bool is_roca(struct sp_str n)
{
    static const uint8_t primes[] = {3,  5,  7,  11, 13, 17, 19,  23,  29,  31,  37,  41,  43,  47,  53,  59,  61,  67,  71,
                                     73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167};
    for (unsigned i = 0; i < SP_ARRAY_LEN(primes); i++) {
        unsigned p = primes[i], rest = 0, power = 1;
        for (size_t j = 0; j < n.len; j++)
            rest = (rest * 256 + (uint8_t)n.ptr[j]) % p;
        while (power != rest) {
            power = power * 65537 % p;
            if (power == 1)
                return false;
        }
    }
    return true;
}

static const char *check_rsa(const struct sp_jwk *k)
{
    if (bits_of(k->n) < SP_JWK_MIN_RSA_BITS)
        return "an RSA key of less than 2048 bits";
    if (bits_of(k->n) > SP_JWK_MAX_RSA_BITS)
        return "an RSA key of more than 4096 bits";
    if (!(k->n.ptr[k->n.len - 1] & 1))
        return "an RSA key with an even modulus";
    /* Exponents over 32 bits exist for no good reason and make each verification expensive. */
    if (!k->e.len || k->e.len > 4 || !(k->e.ptr[k->e.len - 1] & 1) || bits_of(k->e) < 2)
        return "an RSA key whose exponent is not odd, from 3 to 32 bits";
    return is_roca(k->n) ? "an RSA key of a flawed generator (ROCA, CVE-2017-15361)" : NULL;
}

static const char *check_ec(const struct sp_jwk *k)
{
    ecc_key key;
    if (k->x.len != sp_jwk_field_size(k->kind) || k->y.len != k->x.len)
        return "an EC key whose coordinates do not have their curve's size";
    if (wc_ecc_init(&key) != 0)
        return "an EC key that cannot be set up";
    bool good = wc_ecc_import_unsigned(&key, bytes(k->x), bytes(k->y), NULL, curve_id(k->kind)) == 0 &&
                wc_ecc_check_key(&key) == 0;
    wc_ecc_free(&key);
    return good ? NULL : "an EC key that is no point of its curve";
}

static const char *check_ed25519(const struct sp_jwk *k)
{
    ed25519_key key;
    if (k->x.len != ED25519_PUB_KEY_SIZE)
        return "an Ed25519 key that is not of 32 bytes";
    if (wc_ed25519_init(&key) != 0)
        return "an Ed25519 key that cannot be set up";
    bool good = wc_ed25519_import_public_ex(bytes(k->x), ED25519_PUB_KEY_SIZE, &key, 0) == 0 &&
                wc_ed25519_check_key(&key) == 0;
    wc_ed25519_free(&key);
    return good ? NULL : "an Ed25519 key that is no point of its curve";
}

const char *sp_jwk_check(const struct sp_jwk *k)
{
    assert(k);
    switch (k->kind) {
    case SP_JWK_RSA:
        return check_rsa(k);
    case SP_JWK_ED25519:
        return check_ed25519(k);
    case SP_JWK_OCT:
        if (k->alg < SP_ALG_HS256)
            return "an oct key without an alg of HS256, HS384 or HS512 (a shared secret is used only if it says so)";
        /* RFC 7518 section 3.2. */
        return k->x.len < algs[k->alg].digest_size ? "an oct key shorter than its alg's hash" : NULL;
    default:
        return check_ec(k);
    }
}

static bool verify_rs(RsaKey *key, const struct alg *alg, const byte *digest, struct sp_str signature)
{
    byte out[SP_JWK_MAX_RSA_BITS / 8], expected[MAX_DER_DIGEST_SZ];
    word32 n = wc_EncodeSignature(expected, digest, alg->digest_size, alg->digest_oid);
    int got = wc_RsaSSL_Verify(bytes(signature), (word32)signature.len, out, sizeof(out), key);
    /* What is signed is compared as a whole: nothing in it is parsed. */
    return got > 0 && (word32)got == n && memcmp(out, expected, n) == 0;
}

static bool verify_ps(RsaKey *key, const struct alg *alg, const byte *digest, struct sp_str signature)
{
    byte in[SP_JWK_MAX_RSA_BITS / 8], out[SP_JWK_MAX_RSA_BITS / 8];
    memcpy(in, signature.ptr, signature.len);
    /* The salt is as long as the hash (RFC 7518 section 3.5), which is what this call demands. */
    return wc_RsaPSS_VerifyCheck(in, (word32)signature.len, out, sizeof(out), digest, alg->digest_size, alg->hash,
                                 alg->mgf, key) > 0;
}

static bool verify_rsa(const struct sp_jwk *k, enum sp_jws_alg alg, const byte *digest, struct sp_str signature)
{
    RsaKey key;
    /* RFC 8017 section 5.2.2: as long as the modulus and less than it. */
    if (signature.len != k->n.len || memcmp(signature.ptr, k->n.ptr, k->n.len) >= 0)
        return false;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool good = wc_RsaPublicKeyDecodeRaw(bytes(k->n), (word32)k->n.len, bytes(k->e), (word32)k->e.len, &key) == 0;
    if (good)
        good = alg <= SP_ALG_RS512 ? verify_rs(&key, &algs[alg], digest, signature)
                                   : verify_ps(&key, &algs[alg], digest, signature);
    wc_FreeRsaKey(&key);
    return good;
}

/* RFC 7518 section 3.4: r and s, each of the field's size. */
static bool verify_es(const struct sp_jwk *k, enum sp_jws_alg alg, const byte *digest, struct sp_str signature)
{
    size_t half = sp_jwk_field_size(k->kind);
    if (signature.len != 2 * half || !sp_jwk_trim_zeros(sp_str_sub(signature, 0, half)).len ||
        !sp_jwk_trim_zeros(sp_str_sub(signature, half, 2 * half)).len)
        return false;
    ecc_key key;
    mp_int r, s;
    if (wc_ecc_init(&key) != 0)
        return false;
    int holds = 0;
    bool good = mp_init_multi(&r, &s, NULL, NULL, NULL, NULL) == 0 &&
                wc_ecc_import_unsigned(&key, bytes(k->x), bytes(k->y), NULL, curve_id(k->kind)) == 0 &&
                mp_read_unsigned_bin(&r, bytes(signature), (word32)half) == 0 &&
                mp_read_unsigned_bin(&s, bytes(signature) + half, (word32)half) == 0 &&
                wc_ecc_verify_hash_ex(&r, &s, digest, algs[alg].digest_size, &holds, &key) == 0;
    wc_ecc_free(&key);
    return good && holds == 1;
}

static bool verify_eddsa(const struct sp_jwk *k, struct sp_str input, struct sp_str signature)
{
    ed25519_key key;
    if (signature.len != ED25519_SIG_SIZE || wc_ed25519_init(&key) != 0)
        return false;
    int holds = 0;
    /* Checked when the set was loaded, hence trusted. */
    bool good = wc_ed25519_import_public_ex(bytes(k->x), ED25519_PUB_KEY_SIZE, &key, 1) == 0 &&
                wc_ed25519_verify_msg(bytes(signature), ED25519_SIG_SIZE, bytes(input), (word32)input.len, &holds,
                                      &key) == 0;
    wc_ed25519_free(&key);
    return good && holds == 1;
}

static bool verify_hs(const struct sp_jwk *k, enum sp_jws_alg alg, struct sp_str input, struct sp_str signature)
{
    Hmac hmac;
    byte mac[WC_MAX_DIGEST_SIZE];
    if (wc_HmacInit(&hmac, NULL, INVALID_DEVID) != 0)
        return false;
    bool good = wc_HmacSetKey(&hmac, algs[alg].hmac, bytes(k->x), (word32)k->x.len) == 0 &&
                wc_HmacUpdate(&hmac, bytes(input), (word32)input.len) == 0 && wc_HmacFinal(&hmac, mac) == 0;
    wc_HmacFree(&hmac);
    sp_wipe(&hmac, sizeof(hmac));
    good = good && sp_ct_eq(sp_str_n((const char *)mac, algs[alg].digest_size), signature);
    sp_wipe(mac, sizeof(mac));
    return good;
}

bool sp_jwk_verify(const struct sp_jwk *k, enum sp_jws_alg alg, struct sp_str input, struct sp_str signature)
{
    assert(k && input.ptr && input.len <= UINT32_MAX && sp_jwk_takes(k, alg));
    byte digest[WC_MAX_DIGEST_SIZE];
    if (k->kind == SP_JWK_ED25519)
        return verify_eddsa(k, input, signature);
    if (k->kind == SP_JWK_OCT)
        return verify_hs(k, alg, input, signature);
    if (wc_Hash(algs[alg].hash, bytes(input), (word32)input.len, digest, algs[alg].digest_size) != 0)
        return false;
    return k->kind == SP_JWK_RSA ? verify_rsa(k, alg, digest, signature) : verify_es(k, alg, digest, signature);
}
