/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/sign_key.h"

#include <assert.h>
#include <stdlib.h>
#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/rsa.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/pem.h"
#include "crypto/rng.h"

enum { MAX_SIGNATURE = 512, MIN_RSA_BYTES = 256, MAX_RSA_BYTES = 512 };

enum kind { KIND_RSA, KIND_P256, KIND_P384 };

static const struct alg {
    struct sp_str name;
    enum kind kind;
    enum wc_HashType hash;
    unsigned digest; /* bytes of it, and of a coordinate of an EC signature */
    bool pss;
} algs[] = {
    {SP_STR_INIT("RS256"), KIND_RSA, WC_HASH_TYPE_SHA256, 32, false},
    {SP_STR_INIT("PS256"), KIND_RSA, WC_HASH_TYPE_SHA256, 32, true},
    {SP_STR_INIT("ES256"), KIND_P256, WC_HASH_TYPE_SHA256, 32, false},
    {SP_STR_INIT("ES384"), KIND_P384, WC_HASH_TYPE_SHA384, 48, false},
};

struct sp_sign_key {
    const struct alg *alg;
    byte *der; /* n bytes */
    word32 n;
};

static const byte *bytes(struct sp_str s)
{
    return (const byte *)s.ptr;
}

/* The key's kind; false when it is none that we sign with. */
static bool kind_of(struct sp_str der, enum kind *ret)
{
    ecc_key ec;
    RsaKey rsa;
    word32 at = 0;
    int curve = ECC_CURVE_INVALID, size = 0;
    if (wc_ecc_init(&ec) != 0)
        return false;
    if (wc_EccPrivateKeyDecode(bytes(der), &at, &ec, (word32)der.len) == 0)
        curve = wc_ecc_get_curve_id(ec.idx);
    wc_ecc_free(&ec);
    if (curve == ECC_SECP256R1 || curve == ECC_SECP384R1) {
        *ret = curve == ECC_SECP256R1 ? KIND_P256 : KIND_P384;
        return true;
    }
    if (curve != ECC_CURVE_INVALID || wc_InitRsaKey(&rsa, NULL) != 0)
        return false;
    at = 0;
    if (wc_RsaPrivateKeyDecode(bytes(der), &at, &rsa, (word32)der.len) == 0)
        size = wc_RsaEncryptSize(&rsa);
    wc_FreeRsaKey(&rsa);
    *ret = KIND_RSA;
    return size >= MIN_RSA_BYTES && size <= MAX_RSA_BYTES;
}

static const struct alg *choose(enum kind kind, struct sp_str name)
{
    for (unsigned i = 0; i < SP_ARRAY_LEN(algs); i++)
        if (algs[i].kind == kind && (!name.len || sp_str_eq(algs[i].name, name)))
            return &algs[i];
    return NULL;
}

/* The first block that is a private key. */
static const char *find_key(struct sp_str text, struct sp_arena *arena, struct sp_str *ret_der)
{
    struct sp_pem pem;
    const char *why = NULL;
    int found;
    while ((found = sp_pem_next(&text, arena, &pem, &why)) > 0) {
        if (!sp_str_ends(pem.label, SP_STR("PRIVATE KEY")))
            continue;
        if (sp_str_starts(pem.label, SP_STR("ENCRYPTED")) || !pem.der.len)
            return "the private key is encrypted (store it without a pass phrase, readable by sallyport only)";
        *ret_der = pem.der;
        return NULL;
    }
    if (found == 0)
        return "no private key in PEM";
    assert(why);
    return why;
}

struct sp_sign_key *sp_sign_key_new(struct sp_str pem, struct sp_str alg, const char **ret_why)
{
    assert(ret_why);
    struct sp_arena arena;
    struct sp_str der = SP_STR_NULL;
    enum kind kind;
    struct sp_sign_key *k = NULL;
    sp_arena_init(&arena);
    const char *why = find_key(pem, &arena, &der);
    if (!why && !kind_of(der, &kind))
        why = "the private key is not RSA of 2048 to 4096 bits, P-256 or P-384";
    const struct alg *chosen = why ? NULL : choose(kind, alg);
    if (!why && !chosen)
        why = "the alg does not go with the private key (RS256 or PS256 with RSA, ES256 with P-256, ES384 with P-384)";
    if (chosen) {
        k = sp_xcalloc(1, sizeof(*k));
        k->alg = chosen;
        k->n = (word32)der.len;
        k->der = sp_xcalloc(1, der.len);
        memcpy(k->der, der.ptr, der.len);
    }
    sp_arena_done_wipe(&arena);
    *ret_why = why;
    return k;
}

void sp_sign_key_free(struct sp_sign_key *k)
{
    if (!k)
        return;
    sp_wipe(k->der, k->n);
    free(k->der);
    free(k);
}

struct sp_str sp_sign_key_alg(const struct sp_sign_key *k)
{
    assert(k);
    return k->alg->name;
}

static size_t sign_rsa(const struct sp_sign_key *k, WC_RNG *rng, const byte *digest, byte out[MAX_SIGNATURE])
{
    RsaKey key;
    byte info[MAX_DER_DIGEST_SZ];
    word32 at = 0;
    int n = -1;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return 0;
    if (wc_RsaPrivateKeyDecode(k->der, &at, &key, k->n) == 0 && wc_RsaSetRNG(&key, rng) == 0) {
        if (k->alg->pss)
            n = wc_RsaPSS_Sign_ex(digest, k->alg->digest, out, MAX_SIGNATURE, k->alg->hash, WC_MGF1SHA256, (int)k->alg->digest,
                                  &key, rng);
        else
            n = wc_RsaSSL_Sign(info, wc_EncodeSignature(info, digest, k->alg->digest, SHA256h), out, MAX_SIGNATURE, &key,
                               rng);
    }
    wc_FreeRsaKey(&key);
    return n > 0 ? (size_t)n : 0;
}

/* RFC 7518 section 3.4: r and s side by side, each of the field's size; wolfCrypt gives DER. */
static size_t sign_ec(const struct sp_sign_key *k, WC_RNG *rng, const byte *digest, byte out[MAX_SIGNATURE])
{
    ecc_key key;
    byte der[ECC_MAX_SIG_SIZE], r[MAX_ECC_BYTES], s[MAX_ECC_BYTES];
    word32 at = 0, n = sizeof(der), nr = sizeof(r), ns = sizeof(s);
    const size_t half = k->alg->digest;
    if (wc_ecc_init(&key) != 0)
        return 0;
    bool good = wc_EccPrivateKeyDecode(k->der, &at, &key, k->n) == 0 &&
                wc_ecc_sign_hash(digest, k->alg->digest, der, &n, rng, &key) == 0 &&
                wc_ecc_sig_to_rs(der, n, r, &nr, s, &ns) == 0 && nr <= half && ns <= half;
    wc_ecc_free(&key);
    if (!good)
        return 0;
    memset(out, 0, 2 * half);
    memcpy(out + half - nr, r, nr);
    memcpy(out + 2 * half - ns, s, ns);
    return 2 * half;
}

static size_t sign(const struct sp_sign_key *k, struct sp_str input, byte out[MAX_SIGNATURE])
{
    WC_RNG *rng = sp_thread_rng();
    byte digest[WC_MAX_DIGEST_SIZE];
    if (!rng || wc_Hash(k->alg->hash, bytes(input), (word32)input.len, digest, k->alg->digest) != 0)
        return 0;
    return k->alg->kind == KIND_RSA ? sign_rsa(k, rng, digest, out) : sign_ec(k, rng, digest, out);
}

struct sp_str sp_sign_key_compact(const struct sp_sign_key *k, struct sp_str header_json, struct sp_str payload_json,
                                  struct sp_arena *arena)
{
    assert(k && arena && payload_json.len <= UINT32_MAX / 4);
    byte signature[MAX_SIGNATURE];
    struct sp_str h = sp_base64_encode(arena, SP_BASE64URL_NOPAD, header_json);
    struct sp_str p = sp_base64_encode(arena, SP_BASE64URL_NOPAD, payload_json);
    struct sp_str input = sp_arena_printf(arena, "%.*s.%.*s", SP_STR_ARG(h), SP_STR_ARG(p));
    size_t n = sign(k, input, signature);
    if (!n)
        return SP_STR_NULL;
    struct sp_str s = sp_base64_encode(arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)signature, n));
    return sp_arena_printf(arena, "%.*s.%.*s", SP_STR_ARG(input), SP_STR_ARG(s));
}

struct sp_str sp_sign_key_jws(const struct sp_sign_key *k, struct sp_str kid, struct sp_str payload_json,
                              struct sp_arena *arena)
{
    assert(k && arena);
    struct sp_str head = sp_arena_printf(arena, "{\"alg\":\"%s\",\"typ\":\"JWT\"%s%.*s%s}", k->alg->name.ptr,
                                         kid.len ? ",\"kid\":\"" : "", SP_STR_ARG(kid), kid.len ? "\"" : "");
    return sp_sign_key_compact(k, head, payload_json, arena);
}
