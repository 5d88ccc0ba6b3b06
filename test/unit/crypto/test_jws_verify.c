/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Signatures: the RFCs' examples and another implementation's. Forgeries: test_jws_attacks.c. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
#include "crypto/jwk.h"
#include "crypto/jws.h"
#include "jws_vectors.h"

static struct sp_arena arena;

static enum sp_jws_result verify(const char *jwks, struct sp_str token)
{
    const char *why;
    struct sp_jws jws;
    struct sp_jwks *set = sp_jwks_new(sp_str_c(jwks), &arena, &why);
    assert_non_null(set);
    enum sp_jws_result r = sp_jws_parse(token, &arena, &jws);
    if (r == SP_JWS_OK) {
        r = sp_jws_verify(&jws, set);
        sp_jws_done(&jws);
    }
    sp_jwks_free(set);
    return r;
}

static void expect(const char *jwks, const char *token, enum sp_jws_result wanted)
{
    enum sp_jws_result r = verify(jwks, sp_str_c(token));
    if (r != wanted)
        fail_msg("'%s', not '%s': %s", sp_jws_result_text(r), sp_jws_result_text(wanted), token);
}

#define RFC7515_PAYLOAD "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"

/* RFC 7515 appendix A.1 to A.3. */
static void test_rfc7515(void **state)
{
    expect("{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH"
           "75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}",
           "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC7515_PAYLOAD ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
           SP_JWS_OK);
    expect("{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mP"
           "ddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0L"
           "OL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5Ihl"
           "JH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\"}]}",
           "eyJhbGciOiJSUzI1NiJ9." RFC7515_PAYLOAD ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7A"
                                                   "AuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAy"
                                                   "nRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZ"
                                                   "RmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCn"
                                                   "vWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_Io"
                                                   "ypGlUPQGe77Rw",
           SP_JWS_OK);
    expect("{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\""
           ":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
           "eyJhbGciOiJFUzI1NiJ9." RFC7515_PAYLOAD
           ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
           SP_JWS_OK);
}

/* RFC 7519 section 3.1 is RFC 7515's A.1; section 6.1 is not secured by anything: that one is refused. */
static void test_rfc7519(void **state)
{
    const char *oct = "{\"keys\":[{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH"
                      "75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}]}";
    expect(oct, "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." RFC7515_PAYLOAD ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
           SP_JWS_OK);
    expect(oct, "eyJhbGciOiJub25lIn0." RFC7515_PAYLOAD ".", SP_JWS_FORM);
    expect(oct, "eyJhbGciOiJub25lIn0." RFC7515_PAYLOAD ".AA", SP_JWS_ALG);
}

/* RFC 7515 appendix A.4 (ES512) and RFC 8037 appendix A.4 (Ed25519), whose payloads are no JSON. */
static void test_payloads_of_bytes(void **state)
{
    static const char *const sets[][2] = {
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLF"
         "V1jSfS9tsz4qUxcWceqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3ky"
         "Mj2\"}]}",
         "eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtA"
         "G8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn"},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}",
         "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5Bh"
         "VsPt9g7sVvpAr_MuM0KAg"}};
    for (size_t i = 0; i < SP_ARRAY_LEN(sets); i++) {
        const char *why;
        struct sp_jws jws;
        struct sp_jwks *set = sp_jwks_new(sp_str_c(sets[i][0]), &arena, &why);
        assert_non_null(set);
        assert_int_equal(sp_jws_parse(sp_str_c(sets[i][1]), &arena, &jws), SP_JWS_PAYLOAD_JSON);
        assert_int_equal(sp_jws_parse_bytes(sp_str_c(sets[i][1]), &arena, &jws), SP_JWS_OK);
        assert_null(jws.payload);
        assert_int_equal(sp_jws_verify(&jws, set), SP_JWS_OK);
        sp_jws_done(&jws);
        sp_jwks_free(set);
    }
}

static struct sp_str decoded(const char *b64)
{
    struct sp_str out;
    assert_int_equal(sp_base64_decode(&arena, SP_BASE64URL_NOPAD, sp_str_c(b64), &out), 0);
    return out;
}

/* RFC 8037 appendix A.4: the payload is no JSON, so that the key alone is asked. */
static void test_rfc8037(void **state)
{
    struct sp_jwk k = {.kind = SP_JWK_ED25519, .x = decoded("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")};
    struct sp_str input = SP_STR("eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
    struct sp_str sig = decoded("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KA"
                                "g");
    assert_null(sp_jwk_check(&k));
    assert_true(sp_jwk_verify(&k, SP_ALG_EDDSA, input, sig));
    for (size_t i = 0; i < sig.len; i++) {
        char bad[64];
        memcpy(bad, sig.ptr, 64);
        bad[i] = (char)(bad[i] ^ 1);
        assert_false(sp_jwk_verify(&k, SP_ALG_EDDSA, input, sp_str_n(bad, 64)));
    }
}

/* RFC 7520 sections 4.2 (PS384) and 4.3 (ES512). */
static void test_rfc7520(void **state)
{
#define RFC7520_PAYLOAD "SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm" \
                        "9hZCwgYW5kIGlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3dpbmcgd2hlcmUgeW91IG1pZ2h0IGJl" \
                        "IHN3ZXB0IG9mZiB0by4"
    struct sp_jwk rsa = {
        .kind = SP_JWK_RSA,
        .n = decoded("n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_KuKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMa"
                     "JMRBSFKrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6Aj-oBHqFEHYpPe7Tpe-OfVfHd1E6c"
                     "S6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhGqC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwd"
                     "q_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw"),
        .e = decoded("AQAB")};
    assert_null(sp_jwk_check(&rsa));
    assert_true(sp_jwk_verify(&rsa, SP_ALG_PS384,
        SP_STR("eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." RFC7520_PAYLOAD),
        decoded("cu22eBqkYDKgIlTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6VrklHkqsGqDqHCdP6O8TTB5dDDItll"
                "Vo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8biiReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz0TT"
                "rxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTO"
                "cbH510a6GYmJUAfmWjwZ6oD4ifKo8DYM-X72Eaw")));
    struct sp_jwk ec = {
        .kind = SP_JWK_P521,
        .x = decoded("AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt"),
        .y = decoded("AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1")};
    assert_null(sp_jwk_check(&ec));
    assert_true(sp_jwk_verify(&ec, SP_ALG_ES512,
        SP_STR("eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZXhhbXBsZSJ9." RFC7520_PAYLOAD),
        decoded("AE_R_YZCChjn4791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoNEuT4Va2cmL1eJAQy3mtPBu_u_s"
                "DDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2")));
}

static void test_every_alg(void **state)
{
    static const char *const tokens[] = {V_RS256, V_RS384, V_RS512, V_PS256, V_PS384, V_PS512, V_ES256,
                                         V_ES384, V_ES512, V_EDDSA, V_RS512_4096, V_RS256_NO_KID, V_JKU_IGNORED};
    for (size_t i = 0; i < SP_ARRAY_LEN(tokens); i++)
        expect(V_JWKS, tokens[i], SP_JWS_OK);
    expect(V_JWKS_OCT, V_HS256, SP_JWS_OK);
    expect(V_JWKS_E3, V_E3, SP_JWS_OK);
}

/* Any character of a good token changed to another one makes it bad. */
static void test_every_character_counts(void **state)
{
    static const char *const tokens[] = {V_RS256, V_ES256, V_EDDSA, V_PS256};
    char copy[2048];
    for (size_t t = 0; t < SP_ARRAY_LEN(tokens); t++) {
        size_t n = strlen(tokens[t]);
        for (size_t i = 0; i < n; i++) {
            memcpy(copy, tokens[t], n);
            copy[i] = copy[i] == 'A' ? 'B' : 'A';
            if (verify(V_JWKS, sp_str_n(copy, n)) == SP_JWS_OK)
                fail_msg("byte %zu of token %zu does not count", i, t);
        }
    }
}

static void *verify_many(void *set)
{
    struct sp_arena a;
    sp_arena_init(&a);
    static const char *const tokens[] = {V_RS256, V_ES256, V_EDDSA, V_PS512, V_ES512};
    uintptr_t failed = 0;
    for (unsigned i = 0; i < 100; i++) {
        struct sp_jws jws;
        const char *token = tokens[i % SP_ARRAY_LEN(tokens)];
        failed += sp_jws_parse(sp_str_c(token), &a, &jws) != SP_JWS_OK;
        failed += sp_jws_verify(&jws, set) != SP_JWS_OK;
        sp_jws_done(&jws);
    }
    sp_arena_done(&a);
    sp_arena_thread_done();
    return (void *)failed;
}

/* One set, many threads: run under the thread sanitizer too. */
static void test_threads(void **state)
{
    const char *why;
    pthread_t threads[4];
    struct sp_jwks *set = sp_jwks_new(SP_STR(V_JWKS), &arena, &why);
    assert_non_null(set);
    for (unsigned i = 0; i < SP_ARRAY_LEN(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, verify_many, set), 0);
    for (unsigned i = 0; i < SP_ARRAY_LEN(threads); i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    sp_jwks_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7515),
        cmocka_unit_test(test_rfc7519),
        cmocka_unit_test(test_payloads_of_bytes),
        cmocka_unit_test(test_rfc8037),
        cmocka_unit_test(test_rfc7520),
        cmocka_unit_test(test_every_alg),
        cmocka_unit_test(test_every_character_counts),
        cmocka_unit_test(test_threads),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
