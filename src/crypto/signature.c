/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/signature.h"

#include <assert.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/ed25519.h>
#include <wolfssl/wolfcrypt/hash.h>
#include <wolfssl/wolfcrypt/rsa.h>

enum { RSA_MIN_BITS = 2048, RSA_MAX_BITS = 4096, RSA_MAX_BYTES = RSA_MAX_BITS / 8, RSA_MAX_EXPONENT = 4 };

#define OID(bytes) SP_STR_INIT(bytes)

static const struct {
    struct sp_str oid;
    enum sp_key_kind kind;
} curves[] = {
    {OID("\x2a\x86\x48\xce\x3d\x03\x01\x07"), SP_KEY_P256},
    {OID("\x2b\x81\x04\x00\x22"), SP_KEY_P384},
    {OID("\x2b\x81\x04\x00\x23"), SP_KEY_P521},
};

static const struct sp_str oid_ec = OID("\x2a\x86\x48\xce\x3d\x02\x01");
static const struct sp_str oid_rsa = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");
static const struct sp_str oid_pss = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0a");
static const struct sp_str oid_mgf1 = OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08");
static const struct sp_str oid_ed25519 = OID("\x2b\x65\x70");

static const struct {
    struct sp_str oid;
    enum sp_signature_kind kind;
    enum sp_signature_hash hash;
} algorithms[] = {
    {OID("\x2a\x86\x48\xce\x3d\x04\x03\x02"), SP_SIG_ECDSA, SP_SIG_SHA256},
    {OID("\x2a\x86\x48\xce\x3d\x04\x03\x03"), SP_SIG_ECDSA, SP_SIG_SHA384},
    {OID("\x2a\x86\x48\xce\x3d\x04\x03\x04"), SP_SIG_ECDSA, SP_SIG_SHA512},
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), SP_SIG_RSA, SP_SIG_SHA256},
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), SP_SIG_RSA, SP_SIG_SHA384},
    {OID("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), SP_SIG_RSA, SP_SIG_SHA512},
    {OID("\x2b\x65\x70"), SP_SIG_ED25519, SP_SIG_SHA512},
};

static const struct {
    struct sp_str oid;
    enum wc_HashType type;
    int sum, mgf; /* wolfCrypt's names of it */
    unsigned size;
} hashes[] = {
    [SP_SIG_SHA256] = {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x01"), WC_HASH_TYPE_SHA256, SHA256h, WC_MGF1SHA256, 32},
    [SP_SIG_SHA384] = {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x02"), WC_HASH_TYPE_SHA384, SHA384h, WC_MGF1SHA384, 48},
    [SP_SIG_SHA512] = {OID("\x60\x86\x48\x01\x65\x03\x04\x02\x03"), WC_HASH_TYPE_SHA512, SHA512h, WC_MGF1SHA512, 64},
};

static const byte *bytes(struct sp_str s)
{
    return (const byte *)s.ptr;
}

/* Modulus and exponent; whatever is too small, too large or has an exponent that would cost too much is not known. */
static void take_rsa(struct sp_public_key *k)
{
    struct sp_der d = sp_der_over(k->bytes), seq, n, e;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take(&seq, SP_DER_INTEGER, &n) ||
        !sp_der_take(&seq, SP_DER_INTEGER, &e) || seq.n)
        return;
    if (n.n < 2 || n.p[0] & 0x80 || e.n < 1 || e.p[0] & 0x80 || !(e.p[e.n - 1] & 1))
        return;
    size_t zero = n.p[0] == 0;
    unsigned bits = (unsigned)(n.n - zero) * 8;
    for (uint8_t top = n.p[zero]; bits && !(top & 0x80); top = (uint8_t)(top << 1))
        bits--;
    k->bits = bits;
    if (bits >= RSA_MIN_BITS && bits <= RSA_MAX_BITS && e.n <= RSA_MAX_EXPONENT && (e.n > 1 || e.p[0] > 1))
        k->kind = SP_KEY_RSA;
}

static void take_ec(struct sp_public_key *k, struct sp_der parameters)
{
    struct sp_der oid;
    static const size_t sizes[] = {[SP_KEY_P256] = 65, [SP_KEY_P384] = 97, [SP_KEY_P521] = 133};
    if (!sp_der_take(&parameters, SP_DER_OID, &oid) || parameters.n)
        return;
    for (size_t i = 0; i < SP_ARRAY_LEN(curves); i++)
        if (sp_str_eq(curves[i].oid, sp_der_str(oid)) && k->bytes.len == sizes[curves[i].kind] && k->bytes.ptr[0] == 4)
            k->kind = curves[i].kind;
}

bool sp_public_key_take(struct sp_der *d, struct sp_public_key *ret)
{
    struct sp_der spki, algorithm, oid;
    struct sp_public_key k = {0};
    assert(d && ret);
    if (!sp_der_take(d, SP_DER_SEQUENCE, &spki) || !sp_der_take(&spki, SP_DER_SEQUENCE, &algorithm) ||
        !sp_der_take_bits(&spki, &k.bytes) || spki.n || !sp_der_take(&algorithm, SP_DER_OID, &oid))
        return false;
    struct sp_str name = sp_der_str(oid);
    if (sp_str_eq(name, oid_rsa))
        take_rsa(&k);
    else if (sp_str_eq(name, oid_ec))
        take_ec(&k, algorithm);
    else if (sp_str_eq(name, oid_ed25519) && algorithm.n == 0 && k.bytes.len == 32)
        k.kind = SP_KEY_ED25519;
    *ret = k;
    return true;
}

static bool take_hash(struct sp_der *d, enum sp_signature_hash *ret)
{
    struct sp_der body, oid;
    if (!sp_der_take(d, SP_DER_SEQUENCE, &body) || !sp_der_take(&body, SP_DER_OID, &oid))
        return false;
    for (size_t i = 0; i < SP_ARRAY_LEN(hashes); i++)
        if (sp_str_eq(hashes[i].oid, sp_der_str(oid))) {
            *ret = (enum sp_signature_hash)i;
            return true;
        }
    return false;
}

/* RFC 4055 section 3.1: only where MGF1's hash is the same and the salt as long as it; the defaults are all SHA-1. */
static bool pss_parameters(struct sp_der d, enum sp_signature_hash *ret)
{
    struct sp_der seq, part, mgf, oid;
    enum sp_signature_hash second;
    unsigned salt, trailer;
    if (!sp_der_take(&d, SP_DER_SEQUENCE, &seq) || d.n || !sp_der_take(&seq, SP_DER_CONTEXT_CONS(0), &part) ||
        !take_hash(&part, ret) || part.n || !sp_der_take(&seq, SP_DER_CONTEXT_CONS(1), &part) ||
        !sp_der_take(&part, SP_DER_SEQUENCE, &mgf) || part.n || !sp_der_take(&mgf, SP_DER_OID, &oid) ||
        !sp_str_eq(sp_der_str(oid), oid_mgf1) || !take_hash(&mgf, &second) || mgf.n || second != *ret)
        return false;
    if (!sp_der_take(&seq, SP_DER_CONTEXT_CONS(2), &part) || !sp_der_take_uint(&part, &salt) || part.n ||
        salt != hashes[*ret].size)
        return false;
    if (sp_der_take(&seq, SP_DER_CONTEXT_CONS(3), &part) && (!sp_der_take_uint(&part, &trailer) || part.n || trailer != 1))
        return false;
    return seq.n == 0;
}

bool sp_signature_algorithm(struct sp_der body, struct sp_signature *ret)
{
    struct sp_der oid, none;
    assert(ret);
    if (!sp_der_take(&body, SP_DER_OID, &oid))
        return false;
    ret->kind = SP_SIG_UNKNOWN;
    if (sp_str_eq(sp_der_str(oid), oid_pss)) {
        if (pss_parameters(body, &ret->hash))
            ret->kind = SP_SIG_RSA_PSS;
        return true;
    }
    for (size_t i = 0; i < SP_ARRAY_LEN(algorithms); i++) {
        if (!sp_str_eq(algorithms[i].oid, sp_der_str(oid)))
            continue;
        /* NULL or nothing. */
        if (body.n && (!sp_der_take(&body, SP_DER_NULL, &none) || none.n || body.n))
            return false;
        ret->kind = algorithms[i].kind;
        ret->hash = algorithms[i].hash;
    }
    return true;
}

size_t sp_signature_digest(const struct sp_signature *s, struct sp_str message, uint8_t out[SP_DIGEST_MAX])
{
    assert(s && out);
    if (s->kind == SP_SIG_ED25519 || s->kind == SP_SIG_UNKNOWN)
        return 0;
    unsigned n = hashes[s->hash].size;
    return wc_Hash(hashes[s->hash].type, bytes(message), (word32)message.len, out, n) == 0 ? n : 0;
}

static bool verify_rsa(const struct sp_signature *s, RsaKey *key, const uint8_t *digest, size_t n)
{
    byte in[RSA_MAX_BYTES], out[RSA_MAX_BYTES], expected[SP_DIGEST_MAX + 64];
    word32 len = (word32)s->bytes.len;
    if ((int)len != wc_RsaEncryptSize(key) || len > sizeof(in))
        return false;
    memcpy(in, s->bytes.ptr, len);
    if (s->kind == SP_SIG_RSA_PSS)
        return wc_RsaPSS_VerifyCheck(in, len, out, sizeof(out), digest, (word32)n, hashes[s->hash].type,
                                     hashes[s->hash].mgf, key) > 0;
    word32 want = wc_EncodeSignature(expected, digest, (word32)n, hashes[s->hash].sum);
    int got = wc_RsaSSL_Verify(in, len, out, sizeof(out), key);
    return want > 0 && got > 0 && (word32)got == want && memcmp(out, expected, want) == 0;
}

static bool with_rsa(const struct sp_signature *s, const struct sp_public_key *k, const uint8_t *digest, size_t n)
{
    RsaKey key;
    word32 at = 0;
    if (wc_InitRsaKey(&key, NULL) != 0)
        return false;
    bool good = wc_RsaPublicKeyDecode(bytes(k->bytes), &at, &key, (word32)k->bytes.len) == 0 &&
                verify_rsa(s, &key, digest, n);
    wc_FreeRsaKey(&key);
    return good;
}

static bool with_ec(const struct sp_signature *s, const struct sp_public_key *k, const uint8_t *digest, size_t n)
{
    static const int ids[] = {[SP_KEY_P256] = ECC_SECP256R1, [SP_KEY_P384] = ECC_SECP384R1, [SP_KEY_P521] = ECC_SECP521R1};
    ecc_key key;
    int holds = 0;
    if (wc_ecc_init(&key) != 0)
        return false;
    bool good = wc_ecc_import_x963_ex(bytes(k->bytes), (word32)k->bytes.len, &key, ids[k->kind]) == 0 &&
                wc_ecc_point_is_on_curve(&key.pubkey, key.idx) == 0 &&
                wc_ecc_verify_hash(bytes(s->bytes), (word32)s->bytes.len, digest, (word32)n, &holds, &key) == 0;
    wc_ecc_free(&key);
    return good && holds == 1;
}

static bool with_ed25519(const struct sp_signature *s, const struct sp_public_key *k, struct sp_str message)
{
    ed25519_key key;
    int holds = 0;
    if (s->bytes.len != ED25519_SIG_SIZE || wc_ed25519_init(&key) != 0)
        return false;
    bool good = wc_ed25519_import_public(bytes(k->bytes), (word32)k->bytes.len, &key) == 0 &&
                wc_ed25519_verify_msg(bytes(s->bytes), ED25519_SIG_SIZE, bytes(message), (word32)message.len, &holds,
                                      &key) == 0;
    wc_ed25519_free(&key);
    return good && holds == 1;
}

bool sp_signature_verify_digest(const struct sp_signature *s, const struct sp_public_key *key, const uint8_t *digest,
                                size_t n)
{
    assert(s && key && digest);
    bool rsa = s->kind == SP_SIG_RSA || s->kind == SP_SIG_RSA_PSS;
    bool ec = key->kind == SP_KEY_P256 || key->kind == SP_KEY_P384 || key->kind == SP_KEY_P521;
    if (n != hashes[s->hash].size || s->bytes.len == 0)
        return false;
    if (rsa && key->kind == SP_KEY_RSA)
        return with_rsa(s, key, digest, n);
    return s->kind == SP_SIG_ECDSA && ec && with_ec(s, key, digest, n);
}

bool sp_signature_verify(const struct sp_signature *s, const struct sp_public_key *key, struct sp_str message)
{
    uint8_t digest[SP_DIGEST_MAX];
    assert(s && key);
    if (s->kind == SP_SIG_ED25519)
        return key->kind == SP_KEY_ED25519 && with_ed25519(s, key, message);
    size_t n = sp_signature_digest(s, message, digest);
    return n && sp_signature_verify_digest(s, key, digest, n);
}
