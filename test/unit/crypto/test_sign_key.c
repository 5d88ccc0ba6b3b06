/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a private key signs is what the public one verifies; other keys are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "crypto/jws.h"
#include "crypto/sign_key.h"
#include "sign_keys.h"

static struct sp_arena arena;

static void signs(const char *pem, const char *alg, const char *public, const char *expected_alg)
{
    const char *why;
    struct sp_jws jws;
    struct sp_sign_key *k = sp_sign_key_new(sp_str_c(pem), sp_str_c(alg), &why);
    struct sp_jwks *keys = sp_jwks_new(sp_str_c(public), &arena, &why);
    assert_non_null(k);
    assert_non_null(keys);
    assert_string_equal(sp_sign_key_alg(k).ptr, expected_alg);
    /* EC signatures vary in length before they are padded. */
    for (int i = 0; i < 20; i++) {
        struct sp_str token = sp_sign_key_jws(k, SP_STR("the-kid"), SP_STR("{\"sub\":\"me\"}"), &arena);
        assert_int_equal(sp_jws_parse(token, &arena, &jws), SP_JWS_OK);
        assert_string_equal(jws.alg.ptr, expected_alg);
        assert_string_equal(jws.kid.ptr, "the-kid");
        assert_int_equal(sp_jws_verify(&jws, keys), SP_JWS_OK);
        sp_jws_done(&jws);
    }
    struct sp_str plain = sp_sign_key_jws(k, SP_STR_NULL, SP_STR("{}"), &arena);
    assert_int_equal(sp_jws_parse(plain, &arena, &jws), SP_JWS_OK);
    assert_int_equal(jws.kid.len, 0);
    sp_jws_done(&jws);
    sp_jwks_free(keys);
    sp_sign_key_free(k);
}

static void refused(const char *pem, const char *alg, const char *word)
{
    const char *why = NULL;
    assert_null(sp_sign_key_new(sp_str_c(pem), sp_str_c(alg), &why));
    assert_non_null(why);
    if (!strstr(why, word))
        fail_msg("expected \"%s\" in: %s", word, why);
}

static void test_signs(void **state)
{
    signs(K_RSA, "", K_RSA_PUBLIC, "RS256");
    signs(K_RSA, "PS256", K_RSA_PUBLIC, "PS256");
    signs(K_P256, "", K_P256_PUBLIC, "ES256");
    signs(K_P256_SEC1, "ES256", K_P256_PUBLIC, "ES256"); /* behind a block of parameters */
    signs(K_P384, "", K_P384_PUBLIC, "ES384");
}

static void test_refused(void **state)
{
    refused("", "", "no private key");
    refused("the key", "", "no private key");
    refused(K_P256_PUBLIC, "", "no private key");
    refused(K_ENCRYPTED, "", "encrypted");
    refused(K_RSA_SMALL, "", "2048");
    refused(K_P521, "", "P-384");
    refused(K_P256, "ES384", "alg");
    refused(K_RSA, "ES256", "alg");
    refused(K_RSA, "HS256", "alg");
    refused("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n", "", "2048");
    refused("-----BEGIN PRIVATE KEY-----\nMAA=\n", "", "no end");
}

static int setup(void **state)
{
    sp_arena_init(&arena);
    return 0;
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
