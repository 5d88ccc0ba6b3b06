/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Answers of an introspection endpoint: read, judged; tokens by their form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "filters/token_answer.h"

enum { NOW = 1800000000 };

static enum sp_token_status read_only(const char *body)
{
    json_t *claims = NULL;
    enum sp_token_status s = sp_token_answer_read(sp_str_c(body), &claims);
    assert_int_equal(claims != NULL, s == SP_TOKEN_OK);
    json_decref(claims);
    return s;
}

/* The answer of RFC 7662 section 2.2. */
#define RFC7662 "{\"active\":true,\"client_id\":\"l238j323ds-23ij4\",\"username\":\"jdoe\",\"scope\":\"read write dolphin\"," \
                "\"sub\":\"Z5O3upPC88QrAjx00dis\",\"aud\":\"https://protected.example.net/resource\"," \
                "\"iss\":\"https://server.example.com/\",\"exp\":1419356238,\"iat\":1419350238,\"extension_field\":\"twenty-seven\"}"

static void test_read(void **state)
{
    assert_int_equal(read_only(RFC7662), SP_TOKEN_OK);
    assert_int_equal(read_only("{\"active\":true}"), SP_TOKEN_OK);
    assert_int_equal(read_only("{\"active\":false}"), SP_TOKEN_INACTIVE);
    assert_int_equal(read_only("{\"active\":false,\"exp\":\"x\"}"), SP_TOKEN_INACTIVE);
    static const char *const bad[] = {
        "", "{}", "[]", "true", "active", "{\"active\":1}", "{\"active\":\"true\"}", "{\"active\":null}",
        "{\"active\":true} x", "{\"active\":true,\"active\":true}", "{\"active\":true,\"exp\":\"1\"}",
        "{\"active\":true,\"exp\":-1}", "{\"active\":true,\"aud\":1}", "{\"active\":true,\"iss\":[]}",
        "{\"active\":true,\"scope\":[\"read\",1]}", "{\"active\":true,\"scope\":{}}", "{\"active\":true,\"scope\":null}", "{\"active\":true,\"token_type\":1}", "{\"active\":true,\"sub\":{}}",
        "{\"active\":true,\"a\":[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]}",
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (read_only(bad[i]) != SP_TOKEN_BAD_ANSWER)
            fail_msg("taken: %s", bad[i]);
}

static enum sp_token_status check(const char *members, const struct sp_token_policy *p)
{
    char body[512];
    json_t *claims;
    snprintf(body, sizeof(body), "{\"active\":true%s%s}", members[0] ? "," : "", members);
    assert_int_equal(sp_token_answer_read(sp_str_c(body), &claims), SP_TOKEN_OK);
    enum sp_token_status s = sp_token_answer_check(claims, p, NOW);
    json_decref(claims);
    return s;
}

static void test_times(void **state)
{
    const struct sp_token_policy p = {.skew = 60}, strict = {.require_expiration = true};
    assert_int_equal(check("", &p), SP_TOKEN_OK);
    assert_int_equal(check("\"exp\":1799999940", &p), SP_TOKEN_OK);
    assert_int_equal(check("\"exp\":1799999939", &p), SP_TOKEN_EXPIRED);
    assert_int_equal(check("\"exp\":0", &p), SP_TOKEN_EXPIRED);
    assert_int_equal(check("\"nbf\":1800000060", &p), SP_TOKEN_OK);
    assert_int_equal(check("\"nbf\":1800000061", &p), SP_TOKEN_NOT_YET_VALID);
    assert_int_equal(check("", &strict), SP_TOKEN_NO_EXPIRATION);
    assert_int_equal(check("\"exp\":1799999999", &strict), SP_TOKEN_EXPIRED);
    assert_int_equal(check("\"exp\":1800000000", &strict), SP_TOKEN_OK);
}

static void test_names(void **state)
{
    static const struct sp_str issuers[] = {SP_STR_INIT("https://a"), SP_STR_INIT("https://b")};
    static const struct sp_str audiences[] = {SP_STR_INIT("api")};
    const struct sp_token_policy iss = {.issuers = issuers, .n_issuers = 2}, aud = {.audiences = audiences, .n_audiences = 1};
    assert_int_equal(check("\"iss\":\"https://b\"", &iss), SP_TOKEN_OK);
    assert_int_equal(check("\"iss\":\"https://b/\"", &iss), SP_TOKEN_ISSUER);
    assert_int_equal(check("", &iss), SP_TOKEN_ISSUER);
    assert_int_equal(check("\"aud\":\"api\"", &aud), SP_TOKEN_OK);
    assert_int_equal(check("\"aud\":[\"x\",\"api\"]", &aud), SP_TOKEN_OK);
    assert_int_equal(check("\"aud\":[\"x\"]", &aud), SP_TOKEN_AUDIENCE);
    assert_int_equal(check("\"aud\":[]", &aud), SP_TOKEN_AUDIENCE);
    assert_int_equal(check("", &aud), SP_TOKEN_AUDIENCE);
}

static void test_types(void **state)
{
    static const struct sp_str mac[] = {SP_STR_INIT("mac")};
    const struct sp_token_policy usual = {.skew = 0}, only = {.types = mac, .n_types = 1};
    assert_int_equal(check("\"token_type\":\"bearer\"", &usual), SP_TOKEN_OK);
    assert_int_equal(check("\"token_type\":\"DPoP\"", &usual), SP_TOKEN_OK);
    assert_int_equal(check("\"token_type\":\"refresh_token\"", &usual), SP_TOKEN_TYPE);
    assert_int_equal(check("\"token_type\":\"MAC\"", &only), SP_TOKEN_OK);
    assert_int_equal(check("\"token_type\":\"Bearer\"", &only), SP_TOKEN_TYPE);
    assert_int_equal(check("", &only), SP_TOKEN_TYPE);
}

static void test_scopes(void **state)
{
    static const struct sp_str want[] = {SP_STR_INIT("read"), SP_STR_INIT("dolphin")};
    json_t *claims, *none;
    assert_int_equal(sp_token_answer_read(SP_STR(RFC7662), &claims), SP_TOKEN_OK);
    assert_int_equal(sp_token_answer_read(SP_STR("{\"active\":true,\"scope\":\"reader dolphin-read\"}"), &none), SP_TOKEN_OK);
    assert_int_equal(sp_token_answer_exp(claims), 1419356238);
    assert_true(sp_token_answer_exp(none) == INT64_MAX);
    assert_true(sp_token_answer_has_scopes(claims, want, 2));
    assert_true(sp_token_answer_has_scopes(none, want, 0));
    assert_false(sp_token_answer_has_scopes(none, want, 1));
    json_decref(claims);
    json_decref(none);
    /* Some servers give a list. */
    assert_int_equal(sp_token_answer_read(SP_STR("{\"active\":true,\"scope\":[\"dolphin\",\"read\"]}"), &claims), SP_TOKEN_OK);
    assert_int_equal(sp_token_answer_read(SP_STR("{\"active\":true,\"scope\":[\"read dolphin\"]}"), &none), SP_TOKEN_OK);
    assert_true(sp_token_answer_has_scopes(claims, want, 2));
    assert_false(sp_token_answer_has_scopes(none, want, 1));
    json_decref(claims);
    json_decref(none);
}

static void test_form(void **state)
{
    static const char *const good[] = {"a", "mF_9.B5f-4.1JqM", "2YotnFZFEjr1zCsicMWpAA==", "/a+b~c"};
    static const char *const bad[] = {"", "=", "a b", "a=b", "a\"", "a,b", "\xc3\xa4", "a\tb"};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++)
        assert_true(sp_token_well_formed(sp_str_c(good[i])));
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_false(sp_token_well_formed(sp_str_c(bad[i])));
}

static void test_jwt(void **state)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    /* {"alg":"none"}, {"a":1}, [1], text */
    assert_true(sp_token_is_jwt(SP_STR("eyJhbGciOiJub25lIn0.e30."), &arena));
    assert_true(sp_token_is_jwt(SP_STR("eyJhIjoxfQ.x.y"), &arena));
    assert_false(sp_token_is_jwt(SP_STR("WzFd.e30.x"), &arena));
    assert_false(sp_token_is_jwt(SP_STR("mF_9.B5f-4.1JqM"), &arena));
    assert_false(sp_token_is_jwt(SP_STR("eyJhIjoxfQ.x"), &arena));
    assert_false(sp_token_is_jwt(SP_STR("eyJhIjoxfQ.x.y.z.a"), &arena)); /* JWE */
    assert_false(sp_token_is_jwt(SP_STR(".x.y"), &arena));
    assert_false(sp_token_is_jwt(SP_STR("opaque"), &arena));
    sp_arena_done(&arena);
    sp_arena_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),   cmocka_unit_test(test_times), cmocka_unit_test(test_names),
        cmocka_unit_test(test_types),  cmocka_unit_test(test_scopes), cmocka_unit_test(test_form),
        cmocka_unit_test(test_jwt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
