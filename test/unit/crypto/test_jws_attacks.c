/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Attacks on the verification of tokens, each by its name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/hash.h"
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

static void refused(const char *jwks, const char *token, enum sp_jws_result wanted)
{
    enum sp_jws_result r = verify(jwks, sp_str_c(token));
    if (r != wanted)
        fail_msg("'%s', not '%s': %s", sp_jws_result_text(r), sp_jws_result_text(wanted), token);
}

static struct sp_str b64(struct sp_str bytes)
{
    return sp_base64_encode(&arena, SP_BASE64URL_NOPAD, bytes);
}

static struct sp_str signature_of(const char *token)
{
    struct sp_str out;
    assert_int_equal(sp_base64_decode(&arena, SP_BASE64URL_NOPAD, sp_str_c(strrchr(token, '.') + 1), &out), 0);
    return out;
}

/* `token` with another signature, as bytes or as text. */
static struct sp_str with_text(const char *token, struct sp_str text)
{
    size_t n = (size_t)(strrchr(token, '.') + 1 - token);
    return sp_arena_cat(&arena, sp_str_n(token, n), text);
}

static struct sp_str resign(const char *token, const void *sig, size_t n)
{
    return with_text(token, b64(sp_str_n(sig, n)));
}

/* `token` with another header. */
static struct sp_str rehead(const char *token, const char *header)
{
    return sp_arena_cat(&arena, b64(sp_str_c(header)), sp_str_c(strchr(token, '.')));
}

static void test_alg_none(void **state)
{
    static const char *const names[] = {"none", "None", "NONE", "nOnE", "", "null"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        struct sp_str header = sp_arena_printf(&arena, "{\"alg\":\"%s\",\"kid\":\"rsa\"}", names[i]);
        struct sp_str token = rehead(V_RS256, header.ptr);
        assert_int_equal(verify(V_JWKS, token), SP_JWS_ALG);
        assert_int_equal(verify(V_JWKS, with_text(sp_arena_str(&arena, token).ptr, SP_STR(""))), SP_JWS_FORM);
        assert_int_equal(verify(V_JWKS, with_text(sp_arena_str(&arena, token).ptr, SP_STR("AA"))), SP_JWS_ALG);
    }
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"kid\":\"rsa\"}")), SP_JWS_HEADER_ALG);
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":null,\"kid\":\"rsa\"}")), SP_JWS_HEADER_ALG);
}

/* The public key's text taken for a shared secret, and all other ways to use a key for what it is not. */
static void test_rs_hs_confusion(void **state)
{
    refused(V_JWKS, V_BAD_HS_WITH_PUBLIC_KEY, SP_JWS_NO_KEY);
    refused(V_PEM_RSA, V_BAD_HS_WITH_PUBLIC_KEY, SP_JWS_NO_KEY);
    refused(V_JWKS, V_HS256, SP_JWS_NO_KEY);
    refused(V_JWKS_OCT, V_RS256, SP_JWS_NO_KEY);
    refused(V_JWKS_OCT_NO_ALG, V_HS256, SP_JWS_NO_KEY); /* an oct key that does not say HS256 */
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"HS256\",\"kid\":\"rsa\"}")), SP_JWS_NO_KEY);
}

static void test_alg_of_the_key(void **state)
{
    refused(V_JWKS, V_BAD_ALG_OF_KEY, SP_JWS_NO_KEY); /* the key says RS512, the token RS256 */
    refused(V_JWKS, V_BAD_RS_AS_PS, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_PS_AS_RS, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_HASH, SP_JWS_SIGNATURE);
}

static void test_embedded_jwk(void **state)
{
    refused(V_JWKS, V_BAD_EMBEDDED_JWK, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_EMBEDDED_JWK_KID, SP_JWS_SIGNATURE);
}

/* Nothing is fetched from where a token says. */
static void test_jku_x5u_x5c(void **state)
{
    refused(V_JWKS, V_BAD_JKU, SP_JWS_SIGNATURE);
    assert_int_equal(verify(V_JWKS, SP_STR(V_JKU_IGNORED)), SP_JWS_OK);
}

static void test_other_key_same_kid(void **state)
{
    refused(V_JWKS, V_BAD_OTHER_RSA, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_OTHER_EC, SP_JWS_SIGNATURE);
}

/* A kid is compared and nothing else: no path, no query, no pattern. */
static void test_kid_injection(void **state)
{
    static const char *const kids[] = {"../../../../dev/null", "/etc/passwd", "rsa\\u0000", "' OR 1=1 --", "rsa' UNION SELECT 'x",
                                       "*", "r?a", "RSA", "rsa ", " rsa", "rs", "rsa4", "http://127.0.0.1:9/", "$(id)", "rsa\\n",
                                       "%72sa"};
    for (size_t i = 0; i < SP_ARRAY_LEN(kids); i++) {
        struct sp_str header = sp_arena_printf(&arena, "{\"alg\":\"RS256\",\"kid\":\"%s\"}", kids[i]);
        enum sp_jws_result r = verify(V_JWKS, rehead(V_RS256, header.ptr));
        if (r != SP_JWS_NO_KEY && r != SP_JWS_HEADER_JSON)
            fail_msg("kid %s: %s", kids[i], sp_jws_result_text(r));
    }
    /* The kid of another key: that key does not go with the alg, or did not sign. */
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"kid\":\"ES256\"}")), SP_JWS_NO_KEY);
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"kid\":[\"rsa\"]}")), SP_JWS_HEADER_KID);
}

static void test_duplicate_header_members(void **state)
{
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"rsa\"}")), SP_JWS_HEADER_JSON);
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"kid\":\"x\",\"kid\":\"rsa\"}")), SP_JWS_HEADER_JSON);
}

/* ASN.1, as X.509 has it. */
static void test_der_signature(void **state)
{
    refused(V_JWKS, V_BAD_DER, SP_JWS_SIGNATURE);
}

static void test_zero_signature(void **state)
{
    static const char *const tokens[] = {V_RS256, V_PS256, V_ES256, V_ES384, V_ES512, V_EDDSA};
    for (size_t i = 0; i < SP_ARRAY_LEN(tokens); i++) {
        char sig[600];
        size_t n = signature_of(tokens[i]).len;
        memset(sig, 0, sizeof(sig));
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig, n)), SP_JWS_SIGNATURE);
        memset(sig, 0xff, sizeof(sig));
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig, n)), SP_JWS_SIGNATURE);
    }
}

/* r or s zero, the curve's order, or over it (CVE-2022-21449 and kin). */
static void test_ecdsa_ranges(void **state)
{
    static const uint8_t order[32] = {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xbc,
                                      0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,
                                          0x25, 0x51};
    struct sp_str good = signature_of(V_ES256);
    uint8_t sig[64];
    for (unsigned half = 0; half < 2; half++)
        for (unsigned what = 0; what < 4; what++) {
            memcpy(sig, good.ptr, 64);
            memset(sig + 32 * half, 0, 32);
            if (what == 1)
                memcpy(sig + 32 * half, order, 32);
            if (what == 2)
                memset(sig + 32 * half, 0xff, 32);
            if (what == 3)
                sig[32 * half + 31] = 1;
            assert_int_equal(verify(V_JWKS, resign(V_ES256, sig, 64)), SP_JWS_SIGNATURE);
        }
    memcpy(sig, order, 32);
    memcpy(sig + 32, order, 32);
    assert_int_equal(verify(V_JWKS, resign(V_ES256, sig, 64)), SP_JWS_SIGNATURE);
}

static void test_eddsa_is_not_malleable(void **state)
{
    refused(V_JWKS, V_BAD_EDDSA_PLUS_L, SP_JWS_SIGNATURE);
}

static void test_rsa_forgeries(void **state)
{
    refused(V_JWKS_E3, V_BAD_GARBAGE, SP_JWS_SIGNATURE);
    refused(V_JWKS_E3, V_BAD_NO_NULL, SP_JWS_SIGNATURE);
    refused(V_JWKS_E3, V_BAD_PADDING, SP_JWS_SIGNATURE);
    refused(V_JWKS_E3, V_BAD_TYPE, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_OVER_MODULUS, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_PS_SALT, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_PS_NO_SALT, SP_JWS_SIGNATURE);
    refused(V_JWKS, V_BAD_RSA1024, SP_JWS_SIGNATURE);
}

/* An EC key of another curve than the alg names, by the key's kid and without any. */
static void test_wrong_curve(void **state)
{
    refused(V_JWKS, V_BAD_CURVE, SP_JWS_NO_KEY);
    assert_int_equal(verify(V_JWKS, rehead(V_ES256, "{\"alg\":\"ES384\",\"kid\":\"ES256\"}")), SP_JWS_NO_KEY);
    assert_int_equal(verify(V_JWKS, rehead(V_ES256, "{\"alg\":\"ES384\"}")), SP_JWS_SIGNATURE);
    assert_int_equal(verify(V_JWKS, rehead(V_ES256, "{\"alg\":\"ES256K\",\"kid\":\"ES256\"}")), SP_JWS_ALG);
    assert_int_equal(verify(V_JWKS, rehead(V_EDDSA, "{\"alg\":\"ES256\",\"kid\":\"ed\"}")), SP_JWS_NO_KEY);
}

/* base64url without padding, white space or bits that do not count: else one token has many texts. */
static void test_bad_padding(void **state)
{
    static const char *const tails[] = {"=", "==", "===", " ", "\n", "\t", "%3D", ".", "+", "/", "\xc2\xa0"};
    for (size_t i = 0; i < SP_ARRAY_LEN(tails); i++) {
        struct sp_str token = sp_arena_printf(&arena, "%s%s", V_ES256, tails[i]);
        enum sp_jws_result r = verify(V_JWKS, token);
        assert_true(r == SP_JWS_SIGNATURE_BASE64 || r == SP_JWS_FORM);
    }
    /* 64 bytes are 86 digits, the last of which has four bits that do not count. */
    struct sp_str good = SP_STR(V_ES256);
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const char *last = strchr(digits, good.ptr[good.len - 1]);
    assert_int_equal((last - digits) % 16, 0);
    struct sp_str stray = sp_arena_cat(&arena, sp_str_sub(good, 0, good.len - 1), sp_str_n(last + 1, 1));
    assert_int_equal(verify(V_JWKS, stray), SP_JWS_SIGNATURE_BASE64);
}

static void test_trailing_bytes(void **state)
{
    static const char *const tokens[] = {V_RS256, V_PS256, V_ES256, V_ES384, V_ES512, V_EDDSA};
    for (size_t i = 0; i < SP_ARRAY_LEN(tokens); i++) {
        char sig[600] = {0};
        struct sp_str good = signature_of(tokens[i]);
        memcpy(sig + 1, good.ptr, good.len);
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig + 1, good.len)), SP_JWS_OK);
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig + 1, good.len + 1)), SP_JWS_SIGNATURE);
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig, good.len + 1)), SP_JWS_SIGNATURE); /* in front */
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig + 1, good.len - 1)), SP_JWS_SIGNATURE);
        assert_int_equal(verify(V_JWKS, resign(tokens[i], sig + 1, 1)), SP_JWS_SIGNATURE);
    }
    /* Behind the JSON of header and payload, and a fourth section. */
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\"} {}")), SP_JWS_HEADER_JSON);
    assert_int_equal(verify(V_JWKS, sp_arena_printf(&arena, "%s.AAAA", V_RS256)), SP_JWS_FORM);
    assert_int_equal(verify(V_JWKS, sp_arena_printf(&arena, "%s, %s", V_RS256, V_RS256)), SP_JWS_FORM);
}

static void test_crit(void **state)
{
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"kid\":\"rsa\",\"crit\":[\"exp\"],\"exp\":1}")), SP_JWS_CRIT);
    assert_int_equal(verify(V_JWKS, rehead(V_RS256, "{\"alg\":\"RS256\",\"b64\":false,\"crit\":[\"b64\"]}")), SP_JWS_CRIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alg_none),
        cmocka_unit_test(test_rs_hs_confusion),
        cmocka_unit_test(test_alg_of_the_key),
        cmocka_unit_test(test_embedded_jwk),
        cmocka_unit_test(test_jku_x5u_x5c),
        cmocka_unit_test(test_other_key_same_kid),
        cmocka_unit_test(test_kid_injection),
        cmocka_unit_test(test_duplicate_header_members),
        cmocka_unit_test(test_der_signature),
        cmocka_unit_test(test_zero_signature),
        cmocka_unit_test(test_ecdsa_ranges),
        cmocka_unit_test(test_eddsa_is_not_malleable),
        cmocka_unit_test(test_rsa_forgeries),
        cmocka_unit_test(test_wrong_curve),
        cmocka_unit_test(test_bad_padding),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_crit),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
