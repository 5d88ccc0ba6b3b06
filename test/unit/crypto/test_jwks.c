/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/mem.h"
#include "crypto/hash.h"
#include "crypto/jws.h"
#include "jws_vectors.h"

static struct sp_arena arena;

/* Taken: so many keys, and why the first of the others was not (NULL: all were). */
static void takes(const char *text, unsigned n, const char *why)
{
    const char *got;
    struct sp_jwks *set = sp_jwks_new(sp_str_c(text), &arena, &got);
    if (!set)
        fail_msg("refused: %s", got);
    assert_int_equal(sp_jwks_count(set), n);
    if (why)
        assert_string_equal(got, why);
    else
        assert_null(got);
    sp_jwks_free(set);
}

static void refuses(struct sp_str text, const char *why)
{
    const char *got;
    assert_null(sp_jwks_new(text, &arena, &got));
    assert_string_equal(got, why);
}

/* A set of one key, whose members go in front of those of `jwk`. */
static const char *with(const char *members, const char *jwk)
{
    return sp_arena_printf(&arena, "{\"keys\":[{%s%s]}", members, jwk + 1).ptr;
}

static void test_good(void **state)
{
    takes(V_JWKS, 6, NULL);
    takes(V_JWKS_OCT, 1, NULL);
    takes(with("", V_JWK_RSA), 1, NULL);
    takes(with("\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"alg\":\"PS512\",\"x5t\":\"a\",", V_JWK_RSA), 1,
          NULL);
    takes(with("\"kid\":\"\",", V_JWK_EC), 1, NULL);
}

static void test_skipped(void **state)
{
    static const char *const keys[][2] = {
        {"\"use\":\"enc\"", "a key whose use is not sig"},
        {"\"use\":null", "a key whose use is not sig"},
        {"\"key_ops\":[\"encrypt\"]", "a key whose key_ops have no verify"},
        {"\"key_ops\":\"verify\"", "a key whose key_ops have no verify"},
        {"\"kid\":7", "a key whose kid is no string"},
        {"\"alg\":\"RSA-OAEP\"", "a key whose alg is not for signatures known here"},
        {"\"alg\":\"none\"", "a key whose alg is not for signatures known here"},
        {"\"alg\":\"ES256\"", "a key whose alg does not go with its kty and crv"},
        {"\"alg\":\"HS256\"", "a key whose alg does not go with its kty and crv"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(keys); i++) {
        struct sp_str m = sp_arena_printf(&arena, "%s,", keys[i][0]);
        refuses(sp_str_c(with(m.ptr, V_JWK_RSA)), keys[i][1]);
        /* Beside a good key it is only skipped. */
        takes(sp_arena_printf(&arena, "{\"keys\":[{%s,%s,%s]}", keys[i][0], (char *)V_JWK_RSA + 1, V_JWK_EC).ptr, 1,
              keys[i][1]);
    }
    takes("{\"keys\":[{\"kty\":\"XYZ\"}," V_JWK_RSA "]}", 1, "a key whose kty is not RSA, EC, OKP or oct");
    takes("{\"keys\":[17,{}," V_JWK_RSA "]}", 1, "a key whose kty is not RSA, EC, OKP or oct");
    takes(V_JWKS_OCT_NO_ALG, 1,
          "an oct key without an alg of HS256, HS384 or HS512 (a shared secret is used only if it says so)");
}

static void test_rsa(void **state)
{
    refuses(sp_str_c(with("", V_JWK_RSA1024)), "an RSA key of less than 2048 bits");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}"), "an RSA key without n or e in base64url");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"a+b/\"}]}"),
            "an RSA key without n or e in base64url");
    char n[1024], text[4096];
    memset(n, 0x81, sizeof(n));
    static const char *const bad_e[] = {"AQ", "Ag", "AQAA", "AQAAAAE", "AA"};
    struct sp_str odd = sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n(n, 256));
    for (size_t i = 0; i < SP_ARRAY_LEN(bad_e); i++) {
        snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"%s\",\"n\":\"%s\"}]}", bad_e[i], odd.ptr);
        refuses(sp_str_c(text), "an RSA key whose exponent is not odd, from 3 to 32 bits");
    }
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"%s\"}]}", odd.ptr);
    takes(text, 1, NULL);
    /* A zero in front does not make a number larger. */
    n[0] = 0;
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AAAD\",\"n\":\"%s\"}]}",
             sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n(n, 257)).ptr);
    takes(text, 1, NULL);
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"%s\"}]}",
             sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n(n, 256)).ptr);
    refuses(sp_str_c(text), "an RSA key of less than 2048 bits");
    n[0] = 1;
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"%s\"}]}",
             sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n(n, 513)).ptr);
    refuses(sp_str_c(text), "an RSA key of more than 4096 bits");
    n[255] = 0x40;
    n[0] = (char)0x81;
    snprintf(text, sizeof(text), "{\"keys\":[{\"kty\":\"RSA\",\"e\":\"Aw\",\"n\":\"%s\"}]}",
             sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n(n, 256)).ptr);
    refuses(sp_str_c(text), "an RSA key with an even modulus");
}

static void test_ec_and_okp(void **state)
{
#define XY "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
    takes("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\"," XY "}]}", 1, NULL);
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"secp256k1\"," XY "}]}"),
            "an EC key whose crv is not P-256, P-384 or P-521");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\"," XY "}]}"),
            "an EC key that is no point of its curve");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\""
                   "}]}"),
            "an EC key without x or y in base64url");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
                   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}]}"),
                       "an EC key that is no point of its curve");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}"),
            "an EC key that is no point of its curve");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AH_NzidnduRdQYPL7m_bS3tYBzM1e-nvE7rPbjx70VR"
                   "F\","
                   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}"),
            "an EC key whose coordinates do not have their curve's size");
    takes("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}", 1,
          NULL);
    refuses(SP_STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHUR"
                   "o\"}]}"),
            "an OKP key whose crv is not Ed25519");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHU"
                   "Q\"}]}"),
            "an Ed25519 key that is not of 32 bytes");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
                   "A\"}]}"),
            "an Ed25519 key that is no point of its curve");
}

static uint64_t id_of(const char *text, unsigned algs)
{
    const char *why;
    struct sp_jwks *set = sp_jwks_new(sp_str_c(text), &arena, &why);
    assert_non_null(set);
    if (algs)
        sp_jwks_limit(set, algs);
    uint64_t id = sp_jwks_id(set);
    sp_jwks_free(set);
    return id;
}

/* Verdicts on tokens go by it: the same for the same keys, of whichever config. */
static void test_id(void **state)
{
    (void)state;
    static const char a[] = "{\"keys\": [{\"kty\": \"oct\", \"alg\": \"HS256\", \"k\": \"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE\"}]}";
    static const char b[] = "{\"keys\": [{\"kty\": \"oct\", \"alg\": \"HS256\", \"k\": \"YmFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE\"}]}";
    assert_true(id_of(a, 0) && id_of(a, 0) == id_of(a, 0));
    assert_true(id_of(a, 0) != id_of(b, 0));
    assert_true(id_of(a, 1) != id_of(a, 0) && id_of(a, 1) != id_of(a, 2) && id_of(a, 1) == id_of(a, 1));
    struct sp_jwks *x = sp_jwks_new_empty(), *y = sp_jwks_new_empty();
    assert_true(sp_jwks_id(x) != sp_jwks_id(y));
    sp_jwks_free(x);
    sp_jwks_free(y);
}

static void test_oct(void **state)
{
    refuses(SP_STR("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"c2hvcnQ\"}]}"),
            "an oct key shorter than its alg's hash");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\"}]}"), "an oct key without k in base64url");
    refuses(SP_STR("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_"
                   "T\"}]}"),
            "an oct key without an alg of HS256, HS384 or HS512 (a shared secret is used only if it says so)");
}

static void test_bad_sets(void **state)
{
    refuses(SP_STR(""), "neither a JWKS (a JSON object, no member twice) nor PEM");
    refuses(SP_STR("[]"), "neither a JWKS (a JSON object, no member twice) nor PEM");
    refuses(SP_STR("{\"keys\":[],\"keys\":[" V_JWK_RSA "]}"),
            "neither a JWKS (a JSON object, no member twice) nor PEM");
    refuses(sp_str_c(with("\"kty\":\"EC\",", V_JWK_RSA)), "neither a JWKS (a JSON object, no member twice) nor PEM");
    refuses(SP_STR("{}"), "a JWKS without an array named keys");
    refuses(SP_STR("{\"keys\":{}}"), "a JWKS without an array named keys");
    refuses(SP_STR("{\"keys\":[]}"), "a JWKS without a key");
    size_t n = SP_JWKS_MAX_BYTES + 1;
    char *large = sp_xmalloc(n);
    memset(large, ' ', n);
    refuses(sp_str_n(large, n), "larger than 1 MiB");
    strcpy(large, "{\"keys\":[");
    for (unsigned i = 0; i < SP_JWKS_MAX_KEYS + 1; i++)
        strcat(large, "{},");
    strcat(large, "{}]}");
    refuses(sp_str_c(large), "a JWKS with more than 256 keys");
    free(large);
}

static void test_pem(void **state)
{
    static const char *const good[] = {V_PEM_RSA, V_PEM_RSA_PKCS1, V_PEM_ES256, V_PEM_ES384, V_PEM_ES512, V_PEM_ED,
        V_CERT_RSA,
                                       V_CERT_EC};
    static const char *const tokens[] = {V_RS256, V_PS512, V_ES256, V_ES384, V_ES512, V_EDDSA, V_RS512, V_ES256};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        const char *why;
        struct sp_jws jws;
        struct sp_jwks *set = sp_jwks_new(sp_str_c(good[i]), &arena, &why);
        if (!set)
            fail_msg("%s: %s", why, good[i]);
        assert_int_equal(sp_jws_parse(sp_str_c(tokens[i]), &arena, &jws), SP_JWS_OK);
        assert_int_equal(sp_jws_verify(&jws, set), SP_JWS_OK);
        sp_jws_done(&jws);
        sp_jwks_free(set);
    }
}

/* Google's form. */
static void test_pem_by_kid(void **state)
{
    json_t *map = json_pack("{s:s,s:s,s:s}", "one", V_CERT_RSA, "two", V_PEM_ES256, "bad", "-----BEGIN nothing");
    char *text = json_dumps(map, 0);
    const char *why;
    struct sp_jws jws;
    struct sp_jwks *set = sp_jwks_new(sp_str_c(text), &arena, &why);
    assert_non_null(set);
    assert_int_equal(sp_jwks_count(set), 2);
    assert_non_null(why);
    assert_int_equal(sp_jws_parse(SP_STR(V_RS256), &arena, &jws), SP_JWS_OK);
    assert_int_equal(sp_jws_verify(&jws, set), SP_JWS_NO_KEY); /* its kid is "rsa" */
    sp_jws_done(&jws);
    assert_int_equal(sp_jws_parse(SP_STR(V_RS256_NO_KID), &arena, &jws), SP_JWS_OK);
    assert_int_equal(sp_jws_verify(&jws, set), SP_JWS_OK);
    sp_jws_done(&jws);
    sp_jwks_free(set);
    free(text);
    json_object_del(map, "one");
    json_object_del(map, "two");
    text = json_dumps(map, 0);
    assert_null(sp_jwks_new(sp_str_c(text), &arena, &why));
    free(text);
    json_decref(map);
}

static void test_bad_pem(void **state)
{
    refuses(SP_STR(V_PEM_PRIVATE), "a private key (only the public one belongs here)");
    refuses(SP_STR(V_PEM_RSA1024), "an RSA key of less than 2048 bits");
    refuses(SP_STR(V_PEM_SECP256K1),
            "a public key of a kind that is not known here (RSA, P-256, P-384, P-521 and Ed25519 are)");
    refuses(SP_STR(V_PEM_RSA V_PEM_ED), "more than one PEM block (use a JWKS for several keys)");
    refuses(SP_STR("-----BEGIN PUBLIC KEY-----\nMCow\n"), "not a well-formed PEM block");
    refuses(SP_STR("-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----"), "not a well-formed PEM block");
    refuses(SP_STR("-----BEGIN PUBLIC KEY-----\nMCo*\n-----END PUBLIC KEY-----"), "not a well-formed PEM block");
    refuses(SP_STR("-----BEGIN PUBLIC KEY-----\nMCow\n-----END CERTIFICATE-----"), "not a well-formed PEM block");
    refuses(SP_STR("-----BEGIN X-----\nMCow\n-----END X-----"),
            "a PEM block that is neither a public key nor a certificate");
    refuses(SP_STR("-----BEGIN CERTIFICATE-----\nMCow\n-----END CERTIFICATE-----"),
            "a certificate that cannot be read");
    refuses(SP_STR("-----BEGIN "), "not a well-formed PEM block");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good), cmocka_unit_test(test_skipped), cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_ec_and_okp), cmocka_unit_test(test_oct), cmocka_unit_test(test_id), cmocka_unit_test(test_bad_sets),
        cmocka_unit_test(test_pem), cmocka_unit_test(test_pem_by_kid), cmocka_unit_test(test_bad_pem),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
