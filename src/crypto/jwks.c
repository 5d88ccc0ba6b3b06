/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/jws.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/jwk_set.h"

enum { MAX_DEPTH = 8, MAX_VALUES = 16384 };

/* A base64url member; false when it is absent or something else. */
static bool member(const json_t *jwk, const char *name, struct sp_arena *arena, struct sp_str *ret)
{
    struct sp_str text = sp_json_str(jwk, name);
    return text.ptr && sp_base64_decode(arena, SP_BASE64URL_NOPAD, text, ret) == 0 && ret->len > 0;
}

/* Zeros in front, which some issuers leave out against RFC 7518 section 6.2.1.2. */
static struct sp_str pad_to(struct sp_str number, size_t size, struct sp_arena *arena)
{
    if (number.len >= size)
        return number;
    char *p = sp_arena_zalloc(arena, size);
    memcpy(p + size - number.len, number.ptr, number.len);
    return sp_str_n(p, size);
}

static const char *take_rsa(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    k->kind = SP_JWK_RSA;
    if (!member(jwk, "n", arena, &k->n) || !member(jwk, "e", arena, &k->e))
        return "an RSA key without n or e in base64url";
    k->n = sp_jwk_trim_zeros(k->n);
    k->e = sp_jwk_trim_zeros(k->e);
    return NULL;
}

static const char *take_ec(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    struct sp_str crv = sp_json_str(jwk, "crv");
    if (sp_str_eq(crv, SP_STR("P-256")))
        k->kind = SP_JWK_P256;
    else if (sp_str_eq(crv, SP_STR("P-384")))
        k->kind = SP_JWK_P384;
    else if (sp_str_eq(crv, SP_STR("P-521")))
        k->kind = SP_JWK_P521;
    else
        return "an EC key whose crv is not P-256, P-384 or P-521";
    if (!member(jwk, "x", arena, &k->x) || !member(jwk, "y", arena, &k->y))
        return "an EC key without x or y in base64url";
    k->x = pad_to(k->x, sp_jwk_field_size(k->kind), arena);
    k->y = pad_to(k->y, sp_jwk_field_size(k->kind), arena);
    return NULL;
}

static const char *take_okp(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    k->kind = SP_JWK_ED25519;
    if (!sp_str_eq(sp_json_str(jwk, "crv"), SP_STR("Ed25519")))
        return "an OKP key whose crv is not Ed25519";
    return member(jwk, "x", arena, &k->x) ? NULL : "an OKP key without x in base64url";
}

static const char *take_oct(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    k->kind = SP_JWK_OCT;
    return member(jwk, "k", arena, &k->x) ? NULL : "an oct key without k in base64url";
}

/* The JSON's memory is freed as it is. */
static void wipe_secret(const json_t *jwk)
{
    struct sp_str text = sp_json_str(jwk, "k");
    if (text.ptr)
        sp_wipe((char *)(uintptr_t)text.ptr, text.len);
}

static bool key_ops_verify(const json_t *ops)
{
    size_t i;
    json_t *op;
    json_array_foreach(ops, i, op)
        if (json_is_string(op) && strcmp(json_string_value(op), "verify") == 0)
            return true;
    return false;
}

/* What the key says of its use (RFC 7517 section 4.2 to 4.5); what is there in a wrong form is not looked over. */
static const char *take_common(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    const json_t *use = json_object_get(jwk, "use"), *ops = json_object_get(jwk, "key_ops"),
                 *alg = json_object_get(jwk, "alg"), *kid = json_object_get(jwk, "kid");
    if (use && !sp_str_eq(sp_json_str(jwk, "use"), SP_STR("sig")))
        return "a key whose use is not sig";
    if (ops && !key_ops_verify(ops))
        return "a key whose key_ops have no verify";
    if (kid && !json_is_string(kid))
        return "a key whose kid is no string";
    if (kid)
        k->kid = sp_arena_str(arena, sp_json_str(jwk, "kid"));
    if (alg)
        k->alg = sp_jws_alg_parse(sp_json_str(jwk, "alg"));
    return alg && k->alg == SP_ALG_UNKNOWN ? "a key whose alg is not for signatures known here" : NULL;
}

static const char *take_key(const json_t *jwk, struct sp_arena *arena, struct sp_jwk *k)
{
    struct sp_str kty = sp_json_str(jwk, "kty");
    const char *why = take_common(jwk, arena, k);
    if (why)
        return why;
    if (sp_str_eq(kty, SP_STR("RSA")))
        why = take_rsa(jwk, arena, k);
    else if (sp_str_eq(kty, SP_STR("EC")))
        why = take_ec(jwk, arena, k);
    else if (sp_str_eq(kty, SP_STR("OKP")))
        why = take_okp(jwk, arena, k);
    else if (sp_str_eq(kty, SP_STR("oct")))
        why = take_oct(jwk, arena, k);
    else
        return "a key whose kty is not RSA, EC, OKP or oct";
    if (!why)
        why = sp_jwk_check(k);
    if (!why && k->alg != SP_ALG_UNKNOWN && !sp_jwk_takes(k, k->alg))
        why = "a key whose alg does not go with its kty and crv";
    return why;
}

/* {"<kid>": "-----BEGIN CERTIFICATE-----..."}, as Google has it, or a public key in PEM. */
static const char *take_pem_map(struct sp_jwks *set, const json_t *root)
{
    const char *kid, *first = NULL;
    json_t *pem;
    if (json_object_size(root) > SP_JWKS_MAX_KEYS)
        return "more than 256 keys";
    set->keys = sp_arena_zalloc(&set->arena, json_object_size(root) * sizeof(*set->keys));
    json_object_foreach((json_t *)(uintptr_t)root, kid, pem) {
        struct sp_jwk k = {0};
        const char *why = "a member that is no PEM";
        if (json_is_string(pem))
            why = sp_jwk_from_pem(sp_str_n(json_string_value(pem), json_string_length(pem)), &set->arena, &k);
        if (!why) {
            k.kid = sp_arena_str(&set->arena, sp_str_c(kid));
            set->keys[set->n++] = k;
        } else if (!first) {
            first = why;
        }
    }
    return first;
}

static bool is_pem_map(const json_t *root)
{
    void *it = json_object_iter((json_t *)(uintptr_t)root);
    const json_t *v = it ? json_object_iter_value(it) : NULL;
    return json_is_string(v) && strncmp(json_string_value(v), "-----BEGIN ", 11) == 0;
}

static const char *take_keys(struct sp_jwks *set, const json_t *root)
{
    const json_t *keys = json_object_get(root, "keys");
    const char *first = NULL;
    size_t i;
    json_t *jwk;
    if (!keys && is_pem_map(root))
        return take_pem_map(set, root);
    if (!json_is_array(keys))
        return "a JWKS without an array named keys";
    if (json_array_size(keys) > SP_JWKS_MAX_KEYS)
        return "a JWKS with more than 256 keys";
    set->keys = sp_arena_zalloc(&set->arena, json_array_size(keys) * sizeof(*set->keys));
    json_array_foreach(keys, i, jwk) {
        struct sp_jwk k = {0};
        const char *why = take_key(jwk, &set->arena, &k);
        wipe_secret(jwk);
        if (!why)
            set->keys[set->n++] = k;
        else if (!first)
            first = why;
    }
    return first;
}

static const char *take_json(struct sp_jwks *set, struct sp_str text)
{
    json_t *root = sp_json_load(text, MAX_DEPTH, MAX_VALUES);
    if (!json_is_object(root)) {
        json_decref(root);
        return "neither a JWKS (a JSON object, no member twice) nor PEM";
    }
    const char *why = take_keys(set, root);
    json_decref(root);
    return why;
}

static const char *take_pem(struct sp_jwks *set, struct sp_str text)
{
    set->keys = sp_arena_zalloc(&set->arena, sizeof(*set->keys));
    const char *why = sp_jwk_from_pem(text, &set->arena, set->keys);
    set->n = !why;
    return why;
}

struct sp_jwks *sp_jwks_new_empty(void)
{
    static _Atomic uint64_t last;
    struct sp_jwks *set = sp_xcalloc(1, sizeof(*set));
    sp_arena_init(&set->arena);
    set->id = atomic_fetch_add(&last, 1) + 1;
    return set;
}

static uint64_t id_of(struct sp_str text, uint64_t more)
{
    uint8_t digest[32];
    uint64_t id;
    sp_sha256(text, digest);
    memcpy(&id, digest, sizeof(id));
    id ^= more;
    return id ? id : 1;
}

struct sp_jwks *sp_jwks_new(struct sp_str text, struct sp_arena *arena, const char **ret_why)
{
    assert(arena && ret_why);
    if (text.len > SP_JWKS_MAX_BYTES) {
        *ret_why = "larger than 1 MiB";
        return NULL;
    }
    struct sp_jwks *set = sp_jwks_new_empty();
    set->id = id_of(text, 0);
    const char *why = sp_str_find(text, SP_STR("-----BEGIN ")) >= 0 && sp_str_chr(text, '{') < 0 ? take_pem(set, text)
                                                                                                 : take_json(set, text);
    if (set->n) {
        *ret_why = why;
        return set;
    }
    *ret_why = why ? why : "a JWKS without a key";
    sp_jwks_free(set);
    return NULL;
}

void sp_jwks_free(struct sp_jwks *k)
{
    if (!k)
        return;
    sp_arena_done_wipe(&k->arena);
    free(k);
}

unsigned sp_jws_alg_bit(struct sp_str alg)
{
    enum sp_jws_alg a = sp_jws_alg_parse(alg);
    return a == SP_ALG_UNKNOWN || a >= SP_ALG_HS256 ? 0 : 1u << a;
}

void sp_jwks_limit(struct sp_jwks *k, unsigned algs)
{
    assert(k && algs);
    k->algs = algs;
    k->id = id_of((struct sp_str){(const char *)&algs, sizeof(algs)}, k->id);
}

uint64_t sp_jwks_id(const struct sp_jwks *k)
{
    assert(k && k->id);
    return k->id;
}

unsigned sp_jwks_count(const struct sp_jwks *k)
{
    assert(k);
    return k->n;
}
