/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jwt_authn with several providers: rules, requirements, routes, the cache, and what a config may not be. */
#include "jwt_helper.h"

#include <stdio.h>

#define DESC &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor
#define ROUTE &envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor

/* Providers a (issuer a, header x-a), b (issuer b, header x-b) and d (no issuer, header x-d); each writes c-NAME. */
static void begin_rules(const char *requires)
{
    begin(text("providers:\n"
               "  a: {%s, issuer: a, audiences: [api], from_headers: [{name: x-a}], payload_in_metadata: pl,\n"
               "      failed_status_in_metadata: fs, claim_to_headers: [{header_name: c-a, claim_name: sub}]}\n"
               "  b: {%s, issuer: b, from_headers: [{name: x-b}], claim_to_headers: [{header_name: c-b, claim_name: su"
               "b}]}\n"
               "  d: {%s, from_headers: [{name: x-d}], claim_to_headers: [{header_name: c-d, claim_name: sub}]}\n"
               "rules: [{match: {prefix: /}, requires: {%s}}]", local_jwks("a"), local_jwks("b"), local_jwks("a"),
                   requires));
}

#define A "\"iss\":\"a\",\"aud\":\"api\",\"sub\":\"alice\""
#define B "\"iss\":\"b\",\"sub\":\"bob\""
#define OLD ",\"exp\":1000"

/* A request with tokens at x-a, x-b (NULL: none). */
static void with(const char *a, const char *b)
{
    request("/");
    if (a)
        fake_header(&s, "x-a", token("a", a));
    if (b)
        fake_header(&s, "x-b", token("b", b));
}

static void says(const char *a, const char *b)
{
    passes();
    if (a)
        assert_string_equal(fake_request_header(&s, "c-a"), a);
    else
        assert_null(fake_request_header(&s, "c-a"));
    if (b)
        assert_string_equal(fake_request_header(&s, "c-b"), b);
    else
        assert_null(fake_request_header(&s, "c-b"));
}

static void test_any(void **state)
{
    begin_rules("requires_any: {requirements: [{provider_name: a}, {provider_name: b}]}");
    with(NULL, NULL);
    refused("Jwt is missing");
    with(A, NULL);
    says("alice", NULL);
    with(NULL, B);
    says(NULL, "bob");
    with(A, B);
    says("alice", NULL); /* the first is enough, and what nobody verified does not go on */
    assert_null(fake_request_header(&s, "x-a"));
    assert_null(fake_request_header(&s, "x-b"));
    with(A OLD, NULL);
    refused("Jwt is expired"); /* says more than that b's is missing */
    with("\"iss\":\"x\"", NULL);
    refused("Jwt issuer is not configured");
    with(A OLD, B);
    says(NULL, "bob");
    assert_null(fake_request_header(&s, "x-a")); /* the bad one neither */
    assert_non_null(strstr(fake_metadata(&s, JWT_NS, "fs"), "Jwt is expired"));
    with(A, B OLD);
    says("alice", NULL);
    assert_null(fake_request_header(&s, "x-b"));
    finish();
}

static void test_all(void **state)
{
    begin_rules("requires_all: {requirements: [{provider_name: a}, {provider_name: b}]}");
    with(A, NULL);
    refused("Jwt is missing");
    with(NULL, B);
    refused("Jwt is missing");
    with(A, B OLD);
    refused("Jwt is expired");
    with(A OLD, B);
    refused("Jwt is expired");
    with(A, B);
    says("alice", "bob");
    finish();
}

static void test_nested(void **state)
{
    begin_rules("requires_all: {requirements: [{requires_any: {requirements: [{provider_name: a}, {provider_name: d}]}"
                "}, "
                "{provider_name: b}]}");
    with(A, B);
    says("alice", "bob");
    with(A, NULL);
    refused("Jwt is missing");
    with(NULL, B);
    fake_header(&s, "x-d", token("a", "\"sub\":\"dora\""));
    passes();
    assert_string_equal(fake_request_header(&s, "c-d"), "dora");
    finish();
}

static void test_allow_missing(void **state)
{
    begin_rules("allow_missing: {}");
    with(NULL, NULL);
    says(NULL, NULL);
    with(A, NULL);
    says("alice", NULL);
    assert_null(fake_request_header(&s, "x-a"));
    with(A, B);
    says("alice", "bob");
    with(A OLD, NULL);
    refused("Jwt is expired");
    with(A, B OLD);
    refused("Jwt is expired"); /* a good one does not make up for a bad one */
    with(A OLD, B);
    refused("Jwt is expired");
    with("\"iss\":\"x\"", NULL);
    refused("Jwt issuer is not configured");
    with(B, NULL); /* b's issuer, but at a's place and with a's key */
    refused("Jwt issuer is not configured");
    request("/");
    fake_header(&s, "x-a", "garbage");
    refused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
    request("/");
    fake_header(&s, "x-a", token("a", A));
    fake_header(&s, "x-a", token("a", A ",\"x\":1"));
    refused("Found multiple Jwt tokens");
    request("/");
    fake_header(&s, "x-d", token("a", "\"iss\":\"whoever\",\"sub\":\"dora\""));
    passes();
    assert_string_equal(fake_request_header(&s, "c-d"), "dora");
    finish();
}

static void test_allow_missing_or_failed(void **state)
{
    begin_rules("allow_missing_or_failed: {}");
    with(NULL, NULL);
    says(NULL, NULL);
    with(A OLD, B);
    fake_header(&s, "c-a", "admin");
    says(NULL, "bob");
    assert_non_null(fake_request_header(&s, "x-a")); /* the origin may judge it */
    assert_null(fake_request_header(&s, "x-b"));
    with(A, NULL);
    says("alice", NULL);
    request("/");
    fake_header(&s, "x-a", token("a", A));
    fake_header(&s, "x-a", "x.y.z");
    says(NULL, NULL);
    finish();
}

/* As allow_missing_or_failed, and an origin sees that a token is not verified, whatever the client says of it. */
static void test_extract_only(void **state)
{
    begin_rules("extract_only_without_validation: {}");
    with(A, NULL);
    fake_header(&s, "x-jwt-signature-verified", "true");
    says("alice", NULL);
    assert_null(fake_request_header(&s, "x-jwt-signature-verified"));
    with(A OLD, NULL);
    fake_header(&s, "x-jwt-signature-verified", "true");
    says(NULL, NULL);
    assert_string_equal(fake_request_header(&s, "x-jwt-signature-verified"), "false");
    with(A OLD, B);
    says(NULL, "bob");
    assert_string_equal(fake_request_header(&s, "x-jwt-signature-verified"), "false");
    with(NULL, NULL);
    says(NULL, NULL);
    assert_null(fake_request_header(&s, "x-jwt-signature-verified"));
    finish();
}

static void test_any_with_bypass(void **state)
{
    begin_rules("requires_any: {requirements: [{allow_missing: {}}, {provider_name: a}]}");
    with(NULL, NULL);
    says(NULL, NULL);
    with(A, NULL);
    says("alice", NULL);
    with(A OLD, NULL);
    refused("Jwt is expired");
    with(NULL, B OLD); /* only a's tokens are looked at */
    says(NULL, NULL);
    assert_non_null(fake_request_header(&s, "x-b"));
    finish();
    begin_rules("requires_any: {requirements: [{allow_missing: {}}, {provider_name: a}, {allow_missing_or_failed: {}}]"
                "}");
    with(A OLD, NULL);
    says(NULL, NULL);
    assert_non_null(fake_request_header(&s, "x-a"));
    finish();
}

static void test_audiences_of_a_requirement(void **state)
{
    begin_rules("provider_and_audiences: {provider_name: a, audiences: ['https://z/']}");
    with(A, NULL);
    refused("Audiences in Jwt are not allowed");
    with("\"iss\":\"a\",\"aud\":\"z\",\"sub\":\"zoe\"", NULL);
    says("zoe", NULL);
    finish();
    begin_rules("requires_any: {requirements: [{provider_and_audiences: {provider_name: a, audiences: [z]}}, "
                "{provider_name: a}]}");
    with(A, NULL);
    says("alice", NULL);
    finish();
}

/* One place for the tokens of two issuers. */
static void test_shared_place(void **state)
{
    begin(text("providers:\n"
               "  a: {%s, issuer: a, claim_to_headers: [{header_name: c-a, claim_name: sub}]}\n"
               "  b: {%s, issuer: b, forward: true, claim_to_headers: [{header_name: c-b, claim_name: sub}]}\n"
               "rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: a}, "
               "{provider_name: b}]}}}]", local_jwks("a"), local_jwks("b")));
    bearer(token("b", B));
    says(NULL, "bob");
    assert_non_null(fake_request_header(&s, "authorization")); /* b forwards its own */
    request("/");
    bearer(token("a", A));
    says("alice", NULL);
    assert_null(fake_request_header(&s, "authorization"));
    request("/");
    bearer(token("b", A)); /* a's issuer, b's key */
    refused("Jwks doesn't have key to match kid or alg from Jwt");
    finish();
}

static void test_rules_in_order(void **state)
{
    begin(text("providers: {a: {%s}}\nrequirement_map: {need: {provider_name: a}}\n"
               "rules: [{match: {prefix: /open/closed}, requirement_name: need}, {match: {prefix: /open}}, "
               "{match: {prefix: /h, headers: [{name: x-skip, present_match: true}]}}, "
               "{match: {prefix: /}, requires: {provider_name: a}}]", local_jwks("a")));
    request("/open/x");
    passes();
    request("/open/closed/x");
    refused("Jwt is missing");
    request("/h");
    refused("Jwt is missing");
    request("/h");
    fake_header(&s, "x-skip", "1");
    passes();
    request("/other");
    bearer(token("a", "\"sub\":\"x\""));
    passes();
    finish();
}

/* An expression that gives up decides nothing: nobody passes, in particular not by the next rule. */
static void test_regex_limit(void **state)
{
    begin(text("providers: {a: {%s}}\nrules: [{match: {safe_regex: {regex: '/(a+)+[bc]'}}, requires: {provider_name: a"
               "}}]",
               local_jwks("a")));
    request("/x");
    passes();
    request("/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaad");
    bearer(token("a", "\"sub\":\"x\""));
    assert_int_equal(fake_decode(&s, c), SP_STOP);
    fake_replied(&s, 403, "Failed JWT authentication", "jwt_authn_access_denied{regex_limit}");
    finish();
}

static void test_route_config(void **state)
{
    begin(text("providers: {a: {%s}}\nrequirement_map: {need: {provider_name: a}}\nrules: [{match: {prefix: /}}]",
               local_jwks("a")));
    struct fake_config *need = fake_route_config_new(JWT_OPS, ROUTE, "requirement_name: need"),
                       *wrong = fake_route_config_new(JWT_OPS, ROUTE, "requirement_name: nope"),
                       *off = fake_route_config_new(JWT_OPS, ROUTE, "disabled: true");
    passes(); /* the rule */
    request("/");
    s.route_config = need->config;
    refused("Jwt is missing");
    request("/");
    s.route_config = need->config;
    bearer(token("a", "\"sub\":\"x\""));
    passes();
    request("/");
    s.route_config = off->config;
    passes();
    request("/");
    s.route_config = wrong->config;
    bearer(token("a", "\"sub\":\"x\""));
    assert_int_equal(fake_decode(&s, c), SP_STOP); /* never open by a slip of the pen */
    fake_replied(&s, 403, "Failed JWT authentication", "jwt_authn_access_denied{Wrong_requirement_name}");
    fake_config_free(need);
    fake_config_free(wrong);
    fake_config_free(off);
    finish();
    fake_config_refused(JWT_OPS, ROUTE, "disabled: false", "disabled");
    fake_config_refused(JWT_OPS, ROUTE, "{}", "disabled");
    fake_config_refused(JWT_OPS, ROUTE, "requirement_name: ''", "requirement_name");
}

static void cached(const char *t, bool hit)
{
    uint64_t hits = fake_stat("jwt_authn.jwt_cache_hit"), misses = fake_stat("jwt_authn.jwt_cache_miss");
    bearer(t);
    passes();
    assert_string_equal(fake_request_header(&s, "c-a"), "alice");
    assert_null(fake_request_header(&s, "authorization"));
    assert_int_equal(fake_stat("jwt_authn.jwt_cache_hit"), hits + hit);
    assert_int_equal(fake_stat("jwt_authn.jwt_cache_miss"), misses + !hit);
}

static void test_cache(void **state)
{
    begin_provider("jwt_cache_config: {}, issuer: a, audiences: [api], header_in_metadata: hd, payload_in_metadata: pl"
                   ", "
                   "claim_to_headers: [{header_name: c-a, claim_name: sub}]");
    const char *t = token("a", A ",\"exp\":1800000100");
    cached(t, false);
    request("/");
    cached(t, true);
    assert_non_null(strstr(fake_metadata(&s, JWT_NS, "pl"), "\"alice\"")); /* all that the first time gave */
    assert_non_null(strstr(fake_metadata(&s, JWT_NS, "hd"), "\"kid\":\"a\""));
    request("/");
    s.owner.worker = 1; /* another worker has to see for itself */
    cached(t, false);
    request("/");
    s.turn.wall_ns = 1800000161 * (int64_t)SP_NS_PER_S; /* time goes by */
    bearer(t);
    refused("Jwt is expired");
    request("/"); /* a token that is not good is not kept */
    const char *bad = text("%.*sAAAA", (int)strlen(t) - 4, t);
    for (unsigned i = 0; i < 3; i++) {
        request("/");
        bearer(bad);
        refused("Jwt verification fails");
    }
    finish();
}

/* What is kept is the signature's verdict: the rest is judged anew for each requirement. */
static void test_cache_judges_audiences_anew(void **state)
{
    begin(text("providers: {a: {%s, jwt_cache_config: {jwt_cache_size: 10}}}\n"
               "rules: [{match: {prefix: /z}, requires: {provider_and_audiences: {provider_name: a, audiences: [z]}}}, "
               "{match: {prefix: /}, requires: {provider_name: a}}]", local_jwks("a")));
    const char *t = token("a", A);
    bearer(t);
    passes();
    request("/z");
    bearer(t);
    refused("Audiences in Jwt are not allowed");
    finish();
}

static void test_long_tokens_are_not_cached(void **state)
{
    begin_provider("jwt_cache_config: {jwt_max_token_size: 100}, claim_to_headers: [{header_name: c-a, claim_name: sub"
                   "}]");
    const char *t = token("a", A);
    cached(t, false);
    request("/");
    cached(t, false);
    finish();
}

static void provider_refused(const char *fields, const char *words)
{
    fake_config_refused(JWT_OPS, DESC, text("providers: {p: {%s}}", fields), words);
}

static void rules_refused(const char *rest, const char *words)
{
    fake_config_refused(JWT_OPS, DESC, text("providers: {p: {%s}}\n%s", local_jwks("a"), rest), words);
}

static void test_bad_providers(void **state)
{
    const char *keys = local_jwks("a");
    provider_refused("issuer: a", "local_jwks");
    provider_refused(text("%s, payload_in_metadata: k, header_in_metadata: k, failed_status_in_metadata: k", keys),
                     "header_in_metadata|failed_status_in_metadata|verified claims");
    provider_refused("remote_jwks: {http_uri: {uri: 'http://x/', cluster: x, timeout: 1s}}", "cluster|there is no cluster");
    provider_refused("local_jwks: {inline_string: '{}'}", "no key to verify with: a JWKS without an array named keys");
    provider_refused("local_jwks: {inline_string: ''}", "empty");
    provider_refused("local_jwks: {filename: /nonexistent/jwks}", "cannot read");
    provider_refused("local_jwks: {inline_string: '{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"AQAB\"}]}'}",
                     "less than 2048 bits");
    provider_refused(text("%s, from_headers: [{name: ':path'}]", keys), "ordinary header");
    provider_refused(text("%s, from_params: ['']", keys), "from_params[0]");
    provider_refused(text("%s, from_cookies: ['']", keys), "from_cookies[0]");
    provider_refused(text("%s, max_lifetime: 0s", keys), "max_lifetime");
    provider_refused(text("%s, subjects: {safe_regex: {regex: '('}}", keys), "subjects");
    provider_refused(text("%s, jwt_cache_config: {jwt_cache_size: 100000}", keys), "jwt_cache_size");
    static const char *const never[] = {"Content-Length", "transfer-encoding", "connection", "host", "te", "upgrade"};
    for (size_t i = 0; i < SP_ARRAY_LEN(never); i++) {
        provider_refused(text("%s, forward_payload_header: %s", keys, never[i]), "forward_payload_header");
        provider_refused(text("%s, claim_to_headers: [{header_name: %s, claim_name: sub}]", keys, never[i]),
                         "header_name");
    }
    provider_refused(text("%s, claim_to_headers: [{header_name: x-a}]", keys),
                     "a claim is named by claim_name or by claim_path (set one of the two)");
    provider_refused(text("%s, claim_to_headers: [{header_name: x-a, claim_name: sub, claim_path: [{key: sub}]}]", keys),
                     "a claim is named by claim_name or by claim_path (set one of the two)");
    /* Its own tokens would be taken out before they are read. */
    provider_refused(text("%s, forward_payload_header: Authorization", keys), "reads tokens");
    provider_refused(text("%s, from_headers: [{name: x-t}], claim_to_headers: [{header_name: X-T, claim_name: sub}]",
                          keys),
                     "reads tokens");
    provider_refused(text("%s, from_cookies: [x], claim_to_headers: [{header_name: cookie, claim_name: sub}]", keys),
                     "reads tokens");
}

/* What one provider found good must not be taken for what another refused. */
static void test_metadata_of_another_provider(void **state)
{
    const char *keys = local_jwks("a");
    static const char *const fields[] = {"failed_status_in_metadata", "header_in_metadata"};
    for (size_t i = 0; i < SP_ARRAY_LEN(fields); i++)
        fake_config_refused(JWT_OPS, DESC, text("providers: {p: {%s, payload_in_metadata: k}, q: {%s, %s: k}}", keys, keys, fields[i]),
                            "payload_in_metadata of 'p'");
}

static void test_bad_rules(void **state)
{
    rules_refused("rules: [{requires: {provider_name: p}}]", "rules[0].match");
    rules_refused("rules: [{match: {prefix: /}, requires: {provider_name: q}}]", "there is no provider 'q'");
    rules_refused("rules: [{match: {prefix: /}, requires: {provider_and_audiences: {provider_name: q}}}]",
                  "no provider 'q'");
    rules_refused("rules: [{match: {prefix: /}, requirement_name: x}]", "there is no requirement 'x'");
    rules_refused("rules: [{match: {prefix: /}, requires: {}}]", "requires nothing");
    rules_refused("rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}]}}}]",
                  "requirements");
    rules_refused("rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}, {}]}}}]",
                  "requires nothing");
    rules_refused("requirement_map: {x: {provider_name: q}}", "there is no provider 'q'");
    rules_refused("rules: [{match: {safe_regex: {regex: '('}}}]", "rules[0].match");
    /* All at once. */
    rules_refused("rules: [{match: {prefix: /}, requirement_name: x}, {match: {prefix: /}, requires: {provider_name: q"
                  "}}]",
                  "requirement 'x'|provider 'q'");
}

static void test_skipped_keys_are_a_warning(void **state)
{
    const char *keys = strchr(local_jwks("a"), '\'') + 1; /* {"keys":[{...}]}'} */
    begin(text("providers: {p: {local_jwks: {inline_string: '%.*s,{\"kty\":\"XX\"}]}'}}}", (int)strlen(keys) - 4,
               keys));
    assert_int_equal(c->diag.n_warnings, 1);
    finish();
}

/* Rules that tell paths apart, where paths are not normalised. */
static void test_paths_are_a_warning(void **state)
{
    static const struct {
        const char *match;
        unsigned n;
    } cases[] = {{"{prefix: /}", 0}, {"{prefix: /admin}", 1}, {"{path: /}", 1}, {"{prefix: /a}, requires: {provider_name: p}}, "
                                                                                "{match: {prefix: /b}", 1}};
    for (unsigned i = 0; i < SP_ARRAY_LEN(cases); i++) {
        begin(text("providers: {p: {%s}}\nrules: [{match: %s, requires: {provider_name: p}}]",
                   local_jwks("a"), cases[i].match));
        assert_int_equal(c->diag.n_warnings, cases[i].n);
        finish();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_allow_missing),
        cmocka_unit_test(test_allow_missing_or_failed),
        cmocka_unit_test(test_any_with_bypass),
        cmocka_unit_test(test_extract_only),
        cmocka_unit_test(test_audiences_of_a_requirement),
        cmocka_unit_test(test_shared_place),
        cmocka_unit_test(test_rules_in_order),
        cmocka_unit_test(test_regex_limit),
        cmocka_unit_test(test_route_config),
        cmocka_unit_test(test_cache),
        cmocka_unit_test(test_cache_judges_audiences_anew),
        cmocka_unit_test(test_long_tokens_are_not_cached),
        cmocka_unit_test(test_bad_providers),
        cmocka_unit_test(test_metadata_of_another_provider),
        cmocka_unit_test(test_bad_rules),
        cmocka_unit_test(test_skipped_keys_are_a_warning),
        cmocka_unit_test(test_paths_are_a_warning),
    };
    return cmocka_run_group_tests(tests, jwt_setup, jwt_teardown);
}
