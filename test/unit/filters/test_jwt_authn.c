/* SPDX-License-Identifier: GPL-2.0-or-later */
/* jwt_authn with one provider: what a token has to be, and what becomes of it. */
#include "jwt_helper.h"

#include <stdio.h>

#define GOOD "\"iss\":\"https://i\",\"sub\":\"alice\",\"aud\":\"api\",\"exp\":1800000600"
#define STRICT "issuer: https://i, audiences: [api, other]"

static void test_good(void **state)
{
    begin_provider(STRICT ", forward_payload_header: X-Payload, claim_to_headers: [{header_name: X-User, claim_name: s"
                          "ub}, "
                   "{header_name: x-team, claim_name: org.team}], payload_in_metadata: pl, header_in_metadata: hd");
    request("/a?b=1");
    bearer(token("a", GOOD ",\"org\":{\"team\":7}"));
    passes();
    assert_null(fake_request_header(&s, "authorization"));
    assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    assert_string_equal(fake_request_header(&s, "x-team"), "7");
    assert_non_null(fake_request_header(&s, "x-payload"));
    assert_string_equal(fake_metadata(&s, JWT_NS, "pl"),
                        "{\"iss\":\"https://i\",\"sub\":\"alice\",\"aud\":\"api\",\"exp\":1800000600,\"org\":{\"team\""
                        ":7}}");
    assert_non_null(strstr(fake_metadata(&s, JWT_NS, "hd"), "\"kid\":\"a\""));
    assert_int_equal(s.routes_cleared, 0);
    request("/a?b=1&access_token=x");
    s.request.path = sp_str_c(text("/a?b=1&access_token=%s", token("a", GOOD)));
    passes();
    assert_string_equal(sp_arena_str(&s.arena, s.request.path).ptr, "/a?b=1");
    assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    assert_null(fake_request_header(&s, "x-team"));
    finish();
}

static void test_forward(void **state)
{
    begin_provider("forward: true, clear_route_cache: true, forward_payload_header: x-payload, pad_forward_payload_hea"
                   "der: true");
    const char *t = token("a", "\"x\":1"); /* 7 bytes: 10 digits, two pads */
    bearer(t);
    passes();
    assert_string_equal(fake_request_header(&s, "authorization"), text("Bearer %s", t));
    assert_string_equal(fake_request_header(&s, "x-payload"), "eyJ4IjoxfQ==");
    assert_int_equal(s.routes_cleared, 1);
    finish();
    begin_provider("forward_payload_header: x-payload");
    bearer(t);
    passes();
    assert_string_equal(fake_request_header(&s, "x-payload"), "eyJ4IjoxfQ");
    finish();
}

static void refuses(const char *claims, const char *body)
{
    request("/");
    bearer(token("a", claims));
    refused(body);
}

static void test_claims(void **state)
{
    begin_provider(STRICT);
    refused("Jwt is missing");
    refuses("\"iss\":\"https://i\",\"aud\":\"api\",\"exp\":1799999939", "Jwt is expired");
    refuses("\"iss\":\"https://i\",\"aud\":\"api\",\"nbf\":1800000061", "Jwt not yet valid");
    refuses("\"iss\":\"https://i/\",\"aud\":\"api\"", "Jwt issuer is not configured");
    refuses("\"aud\":\"api\"", "Jwt issuer is not configured");
    refuses("\"iss\":\"https://i\",\"aud\":\"x\"", "Audiences in Jwt are not allowed");
    refuses("\"iss\":\"https://i\"", "Audiences in Jwt are not allowed");
    refuses("\"iss\":1", "Jwt payload [iss] field is not a string");
    refuses("\"sub\":1", "Jwt payload [sub] field is not a string");
    refuses("\"exp\":\"1\"", "Jwt payload [exp] field is not an integer");
    refuses("\"exp\":-1", "Jwt payload [exp] field is not a positive 64 bit integer");
    refuses("\"aud\":5", "Jwt payload [aud] field is not a string or string list");
    refuses("\"iss\":\"https://i\",\"aud\":\"api\",\"aud\":\"api\"", "Jwt payload is an invalid JSON");
    request("/");
    bearer(token("a", "\"iss\":\"https://i\",\"aud\":[\"x\",\"other\"],\"exp\":1799999940,\"nbf\":1800000060"));
    passes(); /* skew: 60 s */
    finish();
}

static void test_skew(void **state)
{
    begin_provider("clock_skew_seconds: 5");
    refuses("\"exp\":1799999994", "Jwt is expired");
    request("/");
    bearer(token("a", "\"exp\":1799999995,\"nbf\":1800000005"));
    passes();
    finish();
}

static void test_lifetime(void **state)
{
    begin_provider("require_expiration: true");
    refuses("\"sub\":\"x\"", "Jwt verification fails");
    finish();
    begin_provider("max_lifetime: 3600s");
    refuses("\"sub\":\"x\"", "Jwt verification fails");
    refuses("\"exp\":1800003600", "Jwt verification fails");
    refuses("\"exp\":9223372036854775807", "Jwt verification fails");
    request("/");
    bearer(token("a", "\"exp\":1800003599"));
    passes();
    finish();
    begin_provider("max_lifetime: 0.5s");
    refuses("\"exp\":1800000001", "Jwt verification fails");
    request("/");
    bearer(token("a", "\"exp\":1800000000"));
    passes();
    finish();
}

static void test_subjects(void **state)
{
    begin_provider("subjects: {prefix: 'spiffe://a/'}");
    refuses("\"sub\":\"spiffe://b/x\"", "Jwt verification fails");
    refuses("\"x\":1", "Jwt verification fails");
    request("/");
    bearer(token("a", "\"sub\":\"spiffe://a/x\""));
    passes();
    finish();
}

static void test_signature(void **state)
{
    begin_provider("");
    const char *t = token("a", "\"sub\":\"x\"");
    request("/");
    bearer(token("b", "\"sub\":\"x\""));
    refused("Jwks doesn't have key to match kid or alg from Jwt");
    request("/");
    bearer(text("%.*sAAAA", (int)strlen(t) - 4, t));
    refused("Jwt verification fails");
    request("/");
    bearer("a.b.c");
    refused("Jwt header is an invalid Base64url encoded");
    request("/");
    bearer("garbage");
    refused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
    request("/");
    bearer("eyJhbGciOiJub25lIn0.e30.AA");
    refused("Jwt header [alg] is not supported");
    request("/?access_token=");
    refused("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections");
    request("/");
    bearer(text("%s, x", t));
    refused("Jwt signature is an invalid Base64url encoded");
    finish();
}

/* What clients send under the names of our headers never goes on. */
static void test_spoofed_headers(void **state)
{
    begin(text("providers: {p: {%s, forward_payload_header: x-payload, claim_to_headers: "
               "[{header_name: x-user, claim_name: sub}]}}\n"
               "rules: [{match: {prefix: /free}}, {match: {prefix: /opt}, requires: {allow_missing: {}}}, "
               "{match: {prefix: /p}, requires: {provider_name: p}}]\nbypass_cors_preflight: true", local_jwks("a")));
    static const char *const paths[] = {"/free", "/none", "/opt"};
    for (size_t i = 0; i < SP_ARRAY_LEN(paths); i++) {
        request(paths[i]);
        fake_header(&s, "x-user", "admin");
        fake_header(&s, "x-payload", "eyJ9");
        fake_header(&s, "x-user", "root");
        fake_header(&s, "x_user", "root");
        passes();
        assert_null(fake_request_header(&s, "x_user"));
        assert_null(fake_request_header(&s, "x-user"));
        assert_null(fake_request_header(&s, "x-payload"));
    }
    request("/p"); /* a good token without the claim */
    fake_header(&s, "x-user", "admin");
    bearer(token("a", "\"x\":1"));
    passes();
    assert_null(fake_request_header(&s, "x-user"));
    request("/p"); /* and with it: only the claim */
    fake_header(&s, "x-user", "admin");
    bearer(token("a", "\"sub\":\"alice\""));
    passes();
    assert_int_equal(sp_headers_count(&s.request, SP_STR("x-user")), 1);
    assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    request("/p"); /* a claim that no header can carry */
    fake_header(&s, "x-user", "admin");
    bearer(token("a", "\"sub\":\"alice\\r\\nx-admin: 1\""));
    passes();
    assert_null(fake_request_header(&s, "x-user"));
    struct sp_filter *f = fake_filter(&s, c);
    fake_header(&s, "x-user", "admin");
    assert_int_equal((JWT_OPS)->decode_trailers(f, &s.request), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-user"));
    finish();
}

static void test_spoofed_headers_on_routes_and_preflights(void **state)
{
    static const ProtobufCMessageDescriptor *route =
        &envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor;
    begin(text("providers: {p: {%s, claim_to_headers: [{header_name: x-user, claim_name: sub}]}}\n"
               "rules: [{match: {prefix: /}, requires: {provider_name: p}}]\nbypass_cors_preflight: true",
                   local_jwks("a")));
    struct fake_config *r = fake_route_config_new(JWT_OPS, route, "disabled: true");
    s.route_config = r->config;
    fake_header(&s, "x-user", "admin");
    passes();
    assert_null(fake_request_header(&s, "x-user"));
    uint64_t before = fake_stat("jwt_authn.cors_preflight_bypassed");
    request("/");
    s.request.method = SP_STR("OPTIONS");
    fake_header(&s, "origin", "https://x");
    fake_header(&s, "access-control-request-method", "PUT");
    fake_header(&s, "x-user", "admin");
    passes();
    assert_null(fake_request_header(&s, "x-user"));
    assert_int_equal(fake_stat("jwt_authn.cors_preflight_bypassed"), before + 1);
    fake_config_free(r);
    finish();
}

/* Only a real preflight passes, and only where it may. */
static void test_preflight(void **state)
{
    static const char *const fields[][2] = {{"origin", "x"}, {"access-control-request-method", "PUT"}};
    begin(text("providers: {p: {%s}}\nrules: [{match: {prefix: /}, requires: {provider_name: p}}]\n"
               "bypass_cors_preflight: true", local_jwks("a")));
    for (unsigned i = 0; i < 3; i++) {
        request("/");
        s.request.method = i == 2 ? SP_STR("GET") : SP_STR("OPTIONS");
        for (unsigned j = 0; j < 2; j++)
            if (i != j)
                fake_header(&s, fields[j][0], fields[j][1]);
        refused("Jwt is missing");
    }
    request("/");
    s.request.method = SP_STR("OPTIONS");
    fake_header(&s, "origin", "");
    fake_header(&s, "access-control-request-method", "PUT");
    refused("Jwt is missing");
    finish();
    begin_provider("");
    s.request.method = SP_STR("OPTIONS");
    fake_header(&s, "origin", "x");
    fake_header(&s, "access-control-request-method", "PUT");
    refused("Jwt is missing");
    finish();
}

static void challenge_is(const char *wanted)
{
    fake_decode(&s, c);
    assert_string_equal(fake_reply_header(&s, "www-authenticate"), wanted);
}

static void test_realm(void **state)
{
    begin_provider("");
    request("/a?b");
    challenge_is("Bearer realm=\"https://door.example/a?b\"");
    request("/x\"y\\z, error=\"no\r\n\x80\x7f");
    challenge_is("Bearer realm=\"https://door.example/x%22y%5Cz,%20error=%22no%0D%0A%80%7F\"");
    request("/a");
    s.request.authority = SP_STR("h\"; x=\"");
    s.request.scheme = SP_STR("x\" y");
    challenge_is("Bearer realm=\"http://h%22;%20x=%22/a\"");
    request("/a?b=1&access_token=secret");
    challenge_is("Bearer realm=\"https://door.example/a\", error=\"invalid_token\"");
    char path[1000], realm[1000];
    memset(path, 'x', sizeof(path));
    path[0] = '/';
    path[999] = 0;
    request(path);
    snprintf(realm, sizeof(realm), "Bearer realm=\"https://door.example%.256s\"", path);
    challenge_is(realm);
    finish();
}

static void test_strip_failure_response(void **state)
{
    begin(text("providers: {p: {%s, audiences: [a]}}\nrules: [{match: {prefix: /}, requires: {provider_name: p}}]\n"
               "strip_failure_response: true", local_jwks("a")));
    fake_decode(&s, c);
    fake_replied(&s, 401, "", "jwt_authn_access_denied{Jwt_is_missing}");
    assert_int_equal(s.reply.n_headers, 0);
    request("/");
    bearer(token("a", "\"aud\":\"b\""));
    fake_decode(&s, c);
    fake_replied(&s, 403, "", "jwt_authn_access_denied{Audiences_in_Jwt_are_not_allowed}");
    finish();
}

static void test_several_tokens(void **state)
{
    begin_provider("from_headers: [{name: x-a}, {name: x-b}], from_cookies: [sess]");
    const char *one = token("a", "\"sub\":\"one\""), *two = token("a", "\"sub\":\"two\"");
    fake_header(&s, "x-a", one);
    fake_header(&s, "x-b", one);
    fake_header(&s, "cookie", text("a=1; sess=%s", one));
    passes();
    assert_null(fake_request_header(&s, "x-a"));
    assert_null(fake_request_header(&s, "x-b"));
    assert_string_equal(fake_request_header(&s, "cookie"), "a=1");
    static const char *const places[] = {"x-a", "x-b"};
    for (unsigned i = 0; i < 2; i++) {
        request("/"); /* both are good: still nobody knows whom the origin would believe */
        fake_header(&s, places[i], one);
        fake_header(&s, places[1 - i], two);
        refused("Found multiple Jwt tokens");
        request("/");
        fake_header(&s, places[i], one);
        fake_header(&s, places[i], "x.y.z");
        refused("Found multiple Jwt tokens");
    }
    finish();
}

static void test_failed_status(void **state)
{
    begin_provider("failed_status_in_metadata: fs");
    refused("Jwt is missing");
    assert_string_equal(fake_metadata(&s, JWT_NS, "fs"), "{\"code\":1,\"message\":\"Jwt is missing\"}");
    refuses("\"exp\":1", "Jwt is expired");
    assert_string_equal(fake_metadata(&s, JWT_NS, "fs"), "{\"code\":3,\"message\":\"Jwt is expired\"}");
    request("/");
    bearer(token("a", "\"sub\":\"x\""));
    passes();
    assert_null(fake_metadata(&s, JWT_NS, "fs"));
    finish();
}

static void test_normalised_payload(void **state)
{
    begin_provider("payload_in_metadata: pl, normalize_payload_in_metadata: {space_delimited_claims: [scope, other, 'n"
                   "']}, "
                   "claim_to_headers: [{header_name: x-scope, claim_name: scope}]");
    bearer(token("a", "\"scope\":\" a  b c \",\"n\":5,\"x\":\"a b\""));
    passes();
    assert_string_equal(fake_metadata(&s, JWT_NS, "pl"), "{\"scope\":[\"a\",\"b\",\"c\"],\"n\":5,\"x\":\"a b\"}");
    assert_null(fake_request_header(&s, "x-scope")); /* the claim as it is has space at its ends */
    finish();
}

static void test_stat_prefix(void **state)
{
    begin(text("providers: {p: {%s}}\nrules: [{match: {prefix: /}, requires: {provider_name: p}}]\nstat_prefix: second"
               ".",
               local_jwks("a")));
    fake_decode(&s, c);
    assert_int_equal(fake_stat("jwt_authn.second.denied"), 1);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_claims),
        cmocka_unit_test(test_skew),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_signature),
        cmocka_unit_test(test_spoofed_headers),
        cmocka_unit_test(test_spoofed_headers_on_routes_and_preflights),
        cmocka_unit_test(test_preflight),
        cmocka_unit_test(test_realm),
        cmocka_unit_test(test_strip_failure_response),
        cmocka_unit_test(test_several_tokens),
        cmocka_unit_test(test_failed_status),
        cmocka_unit_test(test_normalised_payload),
        cmocka_unit_test(test_stat_prefix),
    };
    return cmocka_run_group_tests(tests, jwt_setup, jwt_teardown);
}
