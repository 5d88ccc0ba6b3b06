/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filters/jwt_claims.h"

static struct sp_arena arena;

static enum sp_jwt_status read_as(const char *json, struct sp_jwt_claims *c)
{
    json_t *payload = sp_json_load(sp_str_c(json), 32, 100);
    assert_non_null(payload);
    enum sp_jwt_status s = sp_jwt_claims_read(payload, c);
    json_decref(payload);
    return s;
}

static void test_types(void **state)
{
    static const struct {
        const char *json;
        enum sp_jwt_status status;
    } cases[] = {
        {"{}", SP_JWT_OK},
        {"{\"iss\":\"i\",\"sub\":\"s\",\"aud\":\"a\",\"exp\":1,\"nbf\":1,\"iat\":1,\"jti\":\"j\"}", SP_JWT_OK},
        {"{\"aud\":[]}", SP_JWT_OK},
        {"{\"aud\":[\"a\",\"b\"]}", SP_JWT_OK},
        {"{\"exp\":1.5,\"nbf\":0.5,\"iat\":0}", SP_JWT_OK},
        {"{\"iss\":1}", SP_JWT_ISS_TYPE},
        {"{\"iss\":null}", SP_JWT_ISS_TYPE},
        {"{\"iss\":[\"i\"]}", SP_JWT_ISS_TYPE},
        {"{\"sub\":{}}", SP_JWT_SUB_TYPE},
        {"{\"jti\":1}", SP_JWT_JTI_TYPE},
        {"{\"aud\":1}", SP_JWT_AUD_TYPE},
        {"{\"aud\":[\"a\",1]}", SP_JWT_AUD_TYPE},
        {"{\"aud\":{\"a\":\"a\"}}", SP_JWT_AUD_TYPE},
        {"{\"aud\":null}", SP_JWT_AUD_TYPE},
        {"{\"exp\":\"1\"}", SP_JWT_EXP_TYPE},
        {"{\"exp\":null}", SP_JWT_EXP_TYPE},
        {"{\"exp\":true}", SP_JWT_EXP_TYPE},
        {"{\"exp\":-1}", SP_JWT_EXP_RANGE},
        {"{\"exp\":-0.5}", SP_JWT_EXP_RANGE},
        {"{\"exp\":1e19}", SP_JWT_EXP_RANGE},
        {"{\"nbf\":\"x\"}", SP_JWT_NBF_TYPE},
        {"{\"nbf\":-1}", SP_JWT_NBF_RANGE},
        {"{\"nbf\":1e300}", SP_JWT_NBF_RANGE},
        {"{\"iat\":[]}", SP_JWT_IAT_TYPE},
        {"{\"iat\":-1}", SP_JWT_IAT_RANGE},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct sp_jwt_claims c;
        enum sp_jwt_status s = read_as(cases[i].json, &c);
        if (s != cases[i].status)
            fail_msg("%s: %s", cases[i].json, sp_jwt_status_text(s).ptr);
    }
}

static void time_is(const char *json, int64_t now, int64_t skew, enum sp_jwt_status wanted)
{
    struct sp_jwt_claims c;
    assert_int_equal(read_as(json, &c), SP_JWT_OK);
    assert_int_equal(sp_jwt_claims_check_time(&c, now, skew), wanted);
}

static void test_time(void **state)
{
    time_is("{}", 1000, 60, SP_JWT_OK);
    time_is("{\"exp\":1000}", 1000, 0, SP_JWT_OK);
    time_is("{\"exp\":1000}", 1001, 0, SP_JWT_EXPIRED);
    time_is("{\"exp\":1000}", 1060, 60, SP_JWT_OK);
    time_is("{\"exp\":1000}", 1061, 60, SP_JWT_EXPIRED);
    time_is("{\"exp\":1000.9}", 1001, 0, SP_JWT_EXPIRED);
    time_is("{\"exp\":0}", 1000, 60, SP_JWT_EXPIRED); /* to Envoy it is no expiration at all */
    time_is("{\"exp\":9223372036854775807}", 1000, 4294967295, SP_JWT_OK);
    time_is("{\"nbf\":1000}", 1000, 0, SP_JWT_OK);
    time_is("{\"nbf\":1001}", 1000, 0, SP_JWT_NOT_YET_VALID);
    time_is("{\"nbf\":1000.1}", 1000, 0, SP_JWT_NOT_YET_VALID);
    time_is("{\"nbf\":1060}", 1000, 60, SP_JWT_OK);
    time_is("{\"nbf\":1061}", 1000, 60, SP_JWT_NOT_YET_VALID);
    time_is("{\"nbf\":9223372036854775807}", 1000, 4294967295, SP_JWT_NOT_YET_VALID);
    time_is("{\"nbf\":2000,\"exp\":1000}", 1500, 0, SP_JWT_NOT_YET_VALID);
}

static bool audience(const char *aud, const char *a, const char *b)
{
    struct sp_jwt_claims c;
    struct sp_str allowed[] = {sp_jwt_audience(sp_str_c(a)), sp_jwt_audience(sp_str_c(b))};
    json_t *payload = sp_json_load(sp_arena_printf(&arena, "{%s}", aud), 8, 100);
    assert_int_equal(sp_jwt_claims_read(payload, &c), SP_JWT_OK);
    bool ok = sp_jwt_claims_audience_ok(&c, allowed, !a[0] ? 0 : !b[0] ? 1 : 2);
    json_decref(payload);
    return ok;
}

static void test_audience(void **state)
{
    assert_true(audience("", "", ""));
    assert_true(audience("\"aud\":\"x\"", "", ""));
    assert_false(audience("", "a", ""));
    assert_true(audience("\"aud\":\"a\"", "a", "b"));
    assert_true(audience("\"aud\":[\"x\",\"b\"]", "a", "b"));
    assert_false(audience("\"aud\":[\"x\",\"y\"]", "a", "b"));
    assert_false(audience("\"aud\":[]", "a", "b"));
    assert_false(audience("\"aud\":\"\"", "a", "b"));
    assert_false(audience("\"aud\":\"A\"", "a", "b"));
    assert_false(audience("\"aud\":\"a \"", "a", "b"));
    assert_true(audience("\"aud\":\"https://a/\"", "a", "b"));
    assert_true(audience("\"aud\":\"a\"", "http://a", "b/"));
    assert_true(audience("\"aud\":\"b\"", "http://a", "b/"));
    assert_false(audience("\"aud\":\"a//\"", "a", "b"));
    assert_false(audience("\"aud\":\"ftp://a\"", "a", "b"));
}

static void claim_is(const char *name, const char *text)
{
    json_t *payload = sp_json_load(
        SP_STR("{\"s\":\"text\",\"e\":\"\",\"n\":null,\"i\":9007199254740993,\"neg\":-5,\"r\":1.5,\"t\":true,\"f\":fal"
               "se,"
               "\"l\":[\"a\",1],\"o\":{\"in\":{\"deep\":7},\"x\":\"y\"},\"a.b\":\"dotted\",\"a\":{\"c\":\"nested\"},"
               "\"both.x\":\"dotted\",\"both\":{\"x\":\"nested\"},\"https://x.y/z\":\"url\","
               "\"lf\":\"a\\nx-admin: 1\",\"cr\":\"a\\r\",\"sp\":\" a\",\"u\":\"\\u00fc\",\"\":\"none\"}"), 8, 100);
    assert_non_null(payload);
    struct sp_str got = sp_jwt_claim_text(sp_jwt_claim(payload, sp_str_c(name)), &arena);
    if (text)
        assert_string_equal(sp_arena_str(&arena, got).ptr, text);
    else
        assert_null(got.ptr);
    json_decref(payload);
}

static void test_claim_text(void **state)
{
    claim_is("s", "text");
    claim_is("i", "9007199254740993");
    claim_is("neg", "-5");
    claim_is("r", "1.5");
    claim_is("t", "true");
    claim_is("f", "false");
    claim_is("l", "WyJhIiwxXQ==");
    claim_is("o.in.deep", "7");
    claim_is("o.in", "eyJkZWVwIjo3fQ==");
    claim_is("o.x", "y");
    claim_is("u", "\xc3\xbc");
    claim_is("a.b", "dotted");
    claim_is("a.c", "nested");
    claim_is("both.x", "nested");
    claim_is("https://x.y/z", "url");
    static const char *const none[] = {"e", "n", "absent", "o.in.deep.er", "o.y", "s.x", "o..in", "o.", ".o", "l.0"};
    for (size_t i = 0; i < SP_ARRAY_LEN(none); i++)
        claim_is(none[i], NULL);
    /* What would be another header, or another value, to somebody. */
    claim_is("lf", NULL);
    claim_is("cr", NULL);
    claim_is("sp", NULL);
}

static void test_status(void **state)
{
    assert_string_equal(sp_jwt_status_details(SP_JWT_EXPIRED, &arena).ptr, "jwt_authn_access_denied{Jwt_is_expired}");
    assert_int_equal(sp_jwt_status_code(SP_JWT_NO_KEY), 32);
    assert_int_equal(sp_jwt_status_worse(SP_JWT_MISSING, SP_JWT_ISSUER), SP_JWT_ISSUER);
    assert_int_equal(sp_jwt_status_worse(SP_JWT_EXPIRED, SP_JWT_MISSING), SP_JWT_EXPIRED);
    assert_int_equal(sp_jwt_status_worse(SP_JWT_EXPIRED, SP_JWT_ISSUER), SP_JWT_EXPIRED);
    assert_int_equal(sp_jwt_status_worse(SP_JWT_EXPIRED, SP_JWT_AUDIENCE), SP_JWT_AUDIENCE);
    for (int r = SP_JWS_OK; r <= SP_JWS_SIGNATURE; r++)
        assert_string_equal(sp_jwt_status_text(sp_jwt_status_of(r)).ptr, sp_jws_result_text(r));
    for (int s = 0; s < SP_JWT_N_STATUS; s++)
        assert_true(sp_jwt_status_reason(s).len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),      cmocka_unit_test(test_time),   cmocka_unit_test(test_audience),
        cmocka_unit_test(test_claim_text), cmocka_unit_test(test_status),
    };
    sp_arena_init(&arena);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return failed;
}
