/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of DPoP: URIs in one form, the proofs of RFC 9449, nonces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filters/dpop_nonce.h"
#include "filters/dpop_proof.h"
#include "filters/dpop_uri.h"
#include "rfc9449.h"

static struct sp_arena arena;

static void same(const char *uri, const char *expected)
{
    struct sp_str got;
    assert_true(sp_dpop_uri(sp_str_c(uri), &arena, &got));
    assert_string_equal(sp_arena_str(&arena, got).ptr, expected);
}

static void test_uris(void **state)
{
    same("https://server.example.com/token", "https://server.example.com/token");
    same("HTTPS://Server.Example.COM:443/token?x=1#y", "https://server.example.com/token");
    same("http://a:80", "http://a/");
    same("http://a:8080/", "http://a:8080/");
    same("https://a:80/x", "https://a:80/x");
    same("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x");
    same("https://a?x", "https://a/");
    same("https://a/%7eb/%2f%c3%a4", "https://a/~b/%2F%C3%A4");
    same("https://a/b/../c/./d/..", "https://a/c/");
    same("https://a/../..//b/.", "https://a//b/");
    same("https://a/%2e%2e/b", "https://a/b");
    same("https://a/B", "https://a/B");
    static const char *const bad[] = {"", "/x", "a/x", "ftp://a/x", "https:///x", "https://", "https://u@a/x", "https://a/%4",
                                      "https://a/%zz", "https://a/ x", "https://a b/x", "https://a:99999/x", "https://a:/x"};
    struct sp_str got;
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (sp_dpop_uri(sp_str_c(bad[i]), &arena, &got))
            fail_msg("taken: %s", bad[i]);
}

static const struct sp_str es256[] = {SP_STR_INIT("ES256")}, other[] = {SP_STR_INIT("PS256"), SP_STR_INIT("EdDSA")};
static const struct sp_str resource[] = {SP_STR_INIT("https://x/"), SP_STR_INIT(R_HTU)};

/* What a resource expects of section 7.1's request. */
static struct sp_dpop_expect expect(void)
{
    return (struct sp_dpop_expect){.method = SP_STR("GET"), .uris = resource, .n_uris = 2, .token = SP_STR(R_TOKEN),
                                   .algs = es256, .n_algs = 1, .now = R_IAT, .window = 60};
}

static enum sp_sender_status check(const char *proof, const struct sp_dpop_expect *e)
{
    struct sp_dpop_proof got;
    return sp_dpop_check(sp_str_c(proof), e, &arena, &got);
}

static void test_rfc(void **state)
{
    struct sp_dpop_proof got;
    struct sp_dpop_expect e = expect();
    assert_int_equal(sp_dpop_check(SP_STR(R_PROOF), &e, &arena, &got), SP_SENDER_OK);
    assert_string_equal(got.jkt, R_JKT);
    assert_true(sp_str_eq(got.jti, SP_STR("e1j3V_bKic8-LAEB")));
    assert_int_equal(got.iat, R_IAT);
    assert_int_equal(got.nonce.len, 0);
    /* Section 4.1's proof is for the token endpoint: without ath. */
    static const struct sp_str token_endpoint[] = {SP_STR_INIT("https://server.example.com/token")};
    e.method = SP_STR("POST");
    e.uris = token_endpoint;
    e.n_uris = 1;
    assert_int_equal(check(R_TOKEN_PROOF, &e), SP_SENDER_PROOF_TOKEN);
}

static void test_expectations(void **state)
{
    struct sp_dpop_expect e = expect();
    e.method = SP_STR("get");
    assert_int_equal(check(R_PROOF, &e), SP_SENDER_PROOF_METHOD);
    e = expect();
    e.n_uris = 1;
    assert_int_equal(check(R_PROOF, &e), SP_SENDER_PROOF_URI);
    e = expect();
    e.token = SP_STR("another");
    assert_int_equal(check(R_PROOF, &e), SP_SENDER_PROOF_TOKEN);
    e = expect();
    e.algs = other;
    e.n_algs = 2;
    assert_int_equal(check(R_PROOF, &e), SP_SENDER_PROOF_ALG);
    for (int late = -1; late <= 1; late += 2) {
        e = expect();
        e.now += late * 60;
        assert_int_equal(check(R_PROOF, &e), SP_SENDER_OK);
        e.now += late;
        assert_int_equal(check(R_PROOF, &e), SP_SENDER_PROOF_TIME);
    }
}

static void test_forged(void **state)
{
    struct sp_dpop_expect e = expect();
    char proof[] = R_PROOF;
    size_t n = strlen(proof);
    proof[n - 10] ^= 1;
    assert_int_equal(check(proof, &e), SP_SENDER_PROOF_SIGNATURE);
    proof[n - 10] ^= 1;
    assert_int_equal(check(proof, &e), SP_SENDER_OK);
    assert_int_equal(check("", &e), SP_SENDER_PROOF_MALFORMED);
    assert_int_equal(check("a.b.c", &e), SP_SENDER_PROOF_MALFORMED);
    /* {"alg":"none","typ":"dpop+jwt"} */
    assert_int_equal(check("eyJhbGciOiJub25lIiwidHlwIjoiZHBvcCtqd3QifQ.e30.AAAA", &e), SP_SENDER_PROOF_ALG);
    struct sp_str head = sp_str_sub(SP_STR(R_PROOF), 0, (size_t)sp_str_chr(SP_STR(R_PROOF), '.'));
    char *big = sp_arena_alloc(&arena, SP_DPOP_MAX_BYTES + 2);
    memset(big, 'A', SP_DPOP_MAX_BYTES + 1);
    big[SP_DPOP_MAX_BYTES + 1] = 0;
    memcpy(big, head.ptr, head.len);
    big[head.len] = big[head.len + 10] = '.';
    assert_int_equal(check(big, &e), SP_SENDER_PROOF_MALFORMED);
}

static void test_nonces(void **state)
{
    struct sp_str key = SP_STR("0123456789abcdef"), other_key = SP_STR("0123456789abcdeg");
    struct sp_str n = sp_dpop_nonce_make(key, 300, 3000, &arena);
    assert_int_equal(n.len, 22);
    assert_true(sp_str_eq(n, sp_dpop_nonce_make(key, 300, 3299, &arena)));
    assert_int_equal(sp_dpop_nonce_check(key, 300, 3299, n, &arena), SP_DPOP_NONCE_GOOD);
    assert_int_equal(sp_dpop_nonce_check(key, 300, 3300, n, &arena), SP_DPOP_NONCE_OLD);
    assert_int_equal(sp_dpop_nonce_check(key, 300, 3599, n, &arena), SP_DPOP_NONCE_OLD);
    assert_int_equal(sp_dpop_nonce_check(key, 300, 3600, n, &arena), SP_DPOP_NONCE_BAD);
    assert_int_equal(sp_dpop_nonce_check(key, 300, 2999, n, &arena), SP_DPOP_NONCE_BAD);
    assert_int_equal(sp_dpop_nonce_check(other_key, 300, 3000, n, &arena), SP_DPOP_NONCE_BAD);
    assert_int_equal(sp_dpop_nonce_check(key, 300, 3000, SP_STR(""), &arena), SP_DPOP_NONCE_BAD);
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
        cmocka_unit_test(test_uris),   cmocka_unit_test(test_rfc),    cmocka_unit_test(test_expectations),
        cmocka_unit_test(test_forged), cmocka_unit_test(test_nonces),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
