/* SPDX-License-Identifier: GPL-2.0-or-later */
/* origin_shield: tokens that Cloudflare Access, Google IAP and AWS load balancers sign. */
#include "fake_chain.h"

#include <stdio.h>
#include <unistd.h>

#include "filters/origin_shield_token.h"
#include "filters/registry.h"
#include "token_vectors.h"

#define OPS &sp_origin_shield_ops
#define DESC &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor

#define CF "kind: CLOUDFLARE_ACCESS, audiences: [app-aud], jwks: {inline_string: '" T_RSA_JWKS "'}"
#define IAP "kind: GOOGLE_IAP, audiences: [/projects/1/apps/x], jwks: {inline_string: '" T_EC_JWKS "'}"

static struct fake_stream s;
static struct fake_config *c;
static struct sp_arena arena;
static const char *header;

static const char *text(const char *fmt, ...)
{
    char out[8000];
    va_list ap;
    va_start(ap, fmt);
    assert_true(vsnprintf(out, sizeof(out), fmt, ap) < (int)sizeof(out));
    va_end(ap);
    return sp_arena_str(&arena, sp_str_c(out)).ptr;
}

/* A PEM as a YAML scalar in flow style. */
static const char *quoted(const char *pem)
{
    char out[1000];
    size_t n = 0;
    for (; *pem; pem++)
        n += (size_t)snprintf(out + n, sizeof(out) - n, *pem == '\n' ? "\\n" : "%c", *pem);
    return text("\"%s\"", out);
}

static const char *alb(const char *more)
{
    return text("kind: AWS_ALB, signer: '" T_ARN "', keys: [{kid: 99999999-2222-3333-4444-555555555555, key: {inline_string: %s}}, "
                "{kid: 11111111-2222-3333-4444-555555555555, key: {inline_string: %s}}]%s",
                quoted(T_OTHER_PEM), quoted(T_EC_PEM), more);
}

static void begin(const char *name, const char *fields)
{
    header = name;
    c = fake_config_new(OPS, DESC, text("proof: {signed_token: {%s}}", fields));
    fake_stream_init(&s, "/");
}

static void finish(void)
{
    fake_stream_done(&s);
    fake_config_free(c);
}

static void carry(const char *token)
{
    fake_stream_done(&s);
    fake_stream_init(&s, "/");
    if (token)
        fake_header(&s, header, token);
}

static void at(int64_t now)
{
    s.turn.wall_ns = now * (int64_t)SP_NS_PER_S;
}

static void passes(void)
{
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(s.info.proven);
}

static void refused_for(const char *why)
{
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Forbidden", text("origin_shield_refused{%s}", why));
    assert_null(fake_request_header(&s, header));
}

static void refused(const char *const *bad, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        carry(bad[i]);
        refused_for("signed_token");
    }
}

static void test_cloudflare(void **state)
{
    begin("cf-access-jwt-assertion", CF);
    carry(T_CF);
    passes();
    assert_null(fake_request_header(&s, header));
    static const char *const bad[] = {NULL, "", "x", T_CF_OTHER_AUD, T_CF_NO_AUD, T_CF_NO_EXP, T_CF_FORGED, T_CF_ES256, T_CF_CRIT,
        T_CF_NONE, T_CF "A", T_CF "=", T_IAP};
    refused(bad, SP_ARRAY_LEN(bad));
    carry(T_CF);
    fake_header(&s, header, T_CF); /* once, no more */
    refused_for("signed_token");
    finish();
    begin("cf-access-jwt-assertion", CF ", issuer: 'https://team.cloudflareaccess.com'");
    carry(T_CF);
    passes();
    finish();
    begin("cf-access-jwt-assertion", CF ", issuer: 'https://other.cloudflareaccess.com'");
    carry(T_CF);
    refused_for("signed_token");
    finish();
}

static void test_time(void **state)
{
    static const struct {
        const char *token;
        int64_t now;
        bool good;
    } cases[] = {
        {T_CF, T_NOW + 600, true}, {T_CF, T_NOW + 660, true}, {T_CF, T_NOW + 661, false}, {T_CF, T_NOW - 70, true},
        {T_CF, T_NOW - 71, false}, {T_CF_FUTURE_NBF, T_NOW + 239, false}, {T_CF_FUTURE_NBF, T_NOW + 240, true},
        {T_CF_FUTURE_IAT, T_NOW + 239, false}, {T_CF_FUTURE_IAT, T_NOW + 240, true},
    };
    begin("cf-access-jwt-assertion", CF);
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        carry(cases[i].token);
        at(cases[i].now);
        if (cases[i].good)
            passes();
        else
            refused_for("signed_token_time");
    }
    finish();
    begin("cf-access-jwt-assertion", CF ", clock_skew: 0s");
    carry(T_CF);
    at(T_NOW + 601);
    refused_for("signed_token_time");
    finish();
}

/* A known signature frees a token of nothing else, and only the very same token has it. */
static void test_cache(void **state)
{
    for (unsigned size = 0; size <= 2; size++) {
        begin("cf-access-jwt-assertion", text(CF ", cache_size: %u", size));
        for (unsigned i = 0; i < 3; i++) {
            carry(T_CF);
            passes();
            carry(T_CF_FORGED); /* the same claims */
            refused_for("signed_token");
        }
        carry(T_CF);
        at(T_NOW + 200);
        passes();
        carry(T_CF);
        at(T_NOW + 661);
        refused_for("signed_token_time");
        finish();
    }
}

static void test_google(void **state)
{
    begin("x-goog-iap-jwt-assertion", IAP);
    carry(T_IAP);
    passes();
    static const char *const bad[] = {T_IAP_OTHER_ISS, T_IAP_OTHER_AUD, T_IAP_RS256, T_CF, T_ALB};
    refused(bad, SP_ARRAY_LEN(bad));
    finish();
}

static void test_alb(void **state)
{
    begin("x-amzn-oidc-data", alb(""));
    static const char *const good[] = {T_ALB, T_ALB_NO_PAYLOAD_EXP};
    for (unsigned i = 0; i < SP_ARRAY_LEN(good); i++) {
        carry(good[i]);
        passes();
    }
    static const char *const bad[] = {T_ALB_OTHER_SIGNER, T_ALB_NO_SIGNER, T_ALB_SIGNER_IN_PAYLOAD, T_ALB_NO_EXP, T_ALB_OTHER_KID,
        T_ALB_NO_KID, T_ALB_FORGED, T_IAP, NULL};
    refused(bad, SP_ARRAY_LEN(bad));
    carry(T_ALB_PAYLOAD_EXPIRED);
    refused_for("signed_token_time");
    carry(T_ALB);
    at(T_NOW + 181);
    refused_for("signed_token_time");
    finish();
    begin("x-amzn-oidc-data", alb(", audiences: [client1]"));
    carry(T_ALB);
    passes();
    finish();
    begin("x-amzn-oidc-data", alb(", audiences: [client2]"));
    carry(T_ALB);
    refused_for("signed_token");
    finish();
    begin("x-amzn-oidc-data", alb(", issuer: 'https://other.example.com'"));
    carry(T_ALB);
    refused_for("signed_token");
    finish();
    /* One PEM as the whole set: of any kid. */
    begin("x-amzn-oidc-data", text("kind: AWS_ALB, signer: '" T_ARN "', jwks: {inline_string: %s}", quoted(T_EC_PEM)));
    carry(T_ALB);
    passes();
    finish();
}

/* An origin that reads the token must never see one that nobody checked. */
static void test_keep(void **state)
{
    begin("cf-access-jwt-assertion", CF ", keep: true");
    carry(T_CF);
    fake_header(&s, "cf_access_jwt_assertion", T_CF_FORGED); /* the same to CGI */
    passes();
    assert_string_equal(fake_request_header(&s, header), T_CF);
    assert_null(fake_request_header(&s, "cf_access_jwt_assertion"));
    assert_true(sp_headers_find(&s.request, sp_str_c(header), NULL)->never_index);
    carry(T_CF_FORGED);
    refused_for("signed_token");
    finish();
    header = "cf-access-jwt-assertion";
    c = fake_config_new(OPS, DESC, "proof: {any_of: {proofs: [{signed_token: {" CF ", keep: true}}, {peer_address: {cidrs: [192.0.2.1]}}]}}");
    fake_stream_init(&s, "/");
    carry(T_CF_FORGED);
    passes(); /* by its address */
    assert_null(fake_request_header(&s, header));
    carry(T_CF);
    passes();
    assert_non_null(fake_request_header(&s, header));
    finish();
}

static void test_keys_from_a_file(void **state)
{
    char path[] = "/tmp/sp-shield-keys-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, T_EC_JWKS, sizeof(T_EC_JWKS) - 1), sizeof(T_EC_JWKS) - 1);
    close(fd);
    begin("x-goog-iap-jwt-assertion", text("kind: GOOGLE_IAP, audiences: [/projects/1/apps/x], jwks: {filename: %s}", path));
    carry(T_IAP);
    passes();
    unlink(path);
    finish();
}

static void bad_config(const char *fields, const char *words)
{
    fake_config_refused(OPS, DESC, text("proof: {signed_token: {%s}}", fields), words);
}

static void test_config_errors(void **state)
{
    bad_config("", "kind");
    bad_config("audiences: [a], jwks: {inline_string: '" T_RSA_JWKS "'}", "kind");
    bad_config("kind: CLOUDFLARE_ACCESS, jwks: {inline_string: '" T_RSA_JWKS "'}", "signed_token.audiences|other applications");
    bad_config("kind: GOOGLE_IAP, jwks: {inline_string: '" T_EC_JWKS "'}", "signed_token.audiences|other applications");
    bad_config("kind: GOOGLE_IAP, audiences: [], jwks: {inline_string: '" T_EC_JWKS "'}", "signed_token.audiences");
    bad_config("kind: AWS_ALB, audiences: [a], jwks: {inline_string: '" T_EC_JWKS "'}", "signed_token.signer|any customer's");
    bad_config(IAP ", signer: x", "signed_token.signer|AWS_ALB");
    bad_config("kind: GOOGLE_IAP, audiences: [a]", "set either jwks or keys");
    bad_config(IAP ", keys: [{kid: a, key: {inline_string: x}}]", "set either jwks or keys");
    bad_config("kind: GOOGLE_IAP, audiences: [a], jwks: {inline_string: nonsense}", "signed_token.jwks|no key to verify with");
    bad_config("kind: GOOGLE_IAP, audiences: [a], jwks: {filename: /nonexistent/keys}", "signed_token.jwks.filename|cannot read");
    bad_config("kind: GOOGLE_IAP, audiences: [a], jwks: {}", "jwks");
    bad_config("kind: GOOGLE_IAP, audiences: [a], keys: []", "keys");
    bad_config("kind: GOOGLE_IAP, audiences: [a], keys: [{key: {inline_string: x}}]", "keys[0].kid");
    bad_config("kind: GOOGLE_IAP, audiences: [a], keys: [{kid: k}]", "keys[0].key");
    bad_config(IAP ", clock_skew: 2h", "clock_skew");
    bad_config(IAP ", cache_size: 100000", "cache_size");
}

static int setup(void **state)
{
    sp_arena_init(&arena);
    return fake_setup(state);
}

static int teardown(void **state)
{
    sp_arena_done(&arena);
    return fake_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cloudflare), cmocka_unit_test(test_time), cmocka_unit_test(test_google),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_alb),        cmocka_unit_test(test_keep), cmocka_unit_test(test_keys_from_a_file),
        cmocka_unit_test(test_config_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
