/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys that messages bring themselves, and their thumbprints: the examples of RFC 7638, 8037 and 9449. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/jwk_embedded.h"

/* RFC 7638 section 3.1 */
#define RSA_N \
    "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs" \
    "tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5ha" \
    "jrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"

static struct sp_arena arena;

static const char *thumbprint(const char *json)
{
    uint8_t t[32];
    const char *why;
    json_t *jwk = sp_json_load(sp_str_c(json), 4, 32);
    struct sp_jwks *k = sp_jwk_embedded(jwk, &arena, t, &why);
    json_decref(jwk);
    if (!k)
        fail_msg("%s", why);
    assert_int_equal(sp_jwks_count(k), 1);
    sp_jwks_free(k);
    return sp_base64_encode(&arena, SP_BASE64URL_NOPAD, sp_str_n((const char *)t, sizeof(t))).ptr;
}

static void is(const char *json, const char *expected)
{
    if (strncmp(thumbprint(json), expected, 43) != 0)
        fail_msg("%.43s", thumbprint(json));
}

static void test_examples(void **state)
{
    is("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
       "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    /* RFC 8037 appendix A.3 */
    is("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
       "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /* RFC 9449 sections 4.1 and 6.1 */
    is("{\"kty\":\"EC\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
       "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\",\"crv\":\"P-256\"}",
       "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
}

static void no(const char *json)
{
    uint8_t t[32];
    const char *why = NULL;
    json_t *jwk = sp_json_load(sp_str_c(json), 4, 32);
    assert_null(sp_jwk_embedded(jwk, &arena, t, &why));
    assert_non_null(why);
    json_decref(jwk);
}

static void test_refused(void **state)
{
    no("[]");
    no("{}");
    no("{\"kty\":\"oct\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}");
    no("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\",\"d\":\"AQAB\"}");
    no("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}");
    no("{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}");
    no("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\",\"y\":\"AAAA\"}");
    no("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
       "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\"}");
    no("{\"kty\":\"EC\",\"crv\":\"P-256\\\",\\\"a\\\":\\\"\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs\","
       "\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\"}");
    no("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":1}");
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
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
