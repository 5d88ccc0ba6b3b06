/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The gates and jwt_authn on the real chain: order, routes, bodies, addresses. */
#include "door_fix.h"

#include <stdio.h>
#include <string.h>

#include "crypto/jws_sign.h"

static void test_gates_come_before_routes(void **state)
{
    struct door *d = door_open(SHIELD(SECRET), NULL, "{match: {path: /there}, route: {cluster: c}}");
    struct visit *v = visit(d, ":path: /nowhere\n", 403);
    assert_string_equal(visit_details(v), "origin_shield_refused{secret_header}");
    assert_string_equal(answered(v, "cache-control"), "no-store");
    assert_string_equal(answered(v, "content-type"), "text/plain");
    assert_string_equal(answered_body(v), "Forbidden");
    assert_false(v->reached);
    visit_end(d, v);
    visit_end(d, visit(d, ":path: /there\n", 403)); /* the same, so that nobody learns which paths there are */
    visit_end(d, visit(d, ":path: /nowhere\n" KEY, 404));
    v = visit(d, ":path: /there\n" KEY, 200);
    assert_null(got(v, "x-origin-verify"));
    assert_true(visit_info(v)->proven);
    visit_end(d, v);
    assert_int_equal(door_stat("http.door.origin_shield.refused"), 2);
    assert_int_equal(door_stat("http.door.origin_shield.allowed"), 2);
    assert_int_equal(door_stat("http.door.origin_shield.secret.k.hit"), 2);
    door_close(d);
}

static void test_routes_cannot_switch_gates_off(void **state)
{
    door_refused(SHIELD(SECRET), NULL, "{match: {prefix: /}, route: {cluster: c}, typed_per_filter_config: {shield: "
                 "{\"@type\": " T "sallyport.filters.http.origin_shield.v1.OriginShield, " SECRET "}}}",
                 "typed_per_filter_config[\"shield\"]");
}

/* A body that is still coming when the gate refuses goes nowhere; one that may pass is not held up. */
static void test_bodies(void **state)
{
    struct door *d = door_open(SHIELD(SECRET), NULL, NULL);
    struct visit *v = visit_begin(d, ":method: POST\n", false);
    visit_data(v, "abc", false);
    visit_data(v, "def", true);
    assert_int_equal(v->status, 403);
    assert_false(v->reached);
    visit_end(d, v);
    v = visit_begin(d, ":method: POST\n" KEY, false);
    assert_true(v->reached);
    visit_data(v, "abc", false);
    visit_trailers(v, KEY "x-sum: 1\n");
    assert_int_equal(v->upstream_body.len, 3);
    assert_non_null(v->trailers);
    assert_int_equal(v->trailers->n, 1); /* the secret is no origin's business, there either */
    visit_end(d, v);
    door_close(d);
}

static void test_refusal_by_reset(void **state)
{
    struct door *d = door_open(SHIELD(SECRET ", refusal: {reset: true}"), NULL, NULL);
    struct visit *v = visit_begin(d, "", true);
    sp_turn_end(&d->turn);
    assert_true(v->reset);
    assert_int_equal(v->status, 0);
    assert_string_equal(visit_details(v), "origin_shield_refused{secret_header}");
    visit_end(d, v);
    door_close(d);
}

/* Normalisation must not make an exempted path of another one. */
static void test_exemption_sees_the_raw_path(void **state)
{
    struct door *d = door_open(SHIELD(SECRET ", exemptions: [{path: {exact: /healthz}, cidrs: [192.0.2.0/24]}]"),
                               "normalize_path: true\nmerge_slashes: true\n", NULL);
    struct visit *v = visit(d, ":path: /healthz\n", 200);
    assert_string_equal(visit_details(v), "origin_shield_exempted");
    assert_false(v->reached);
    visit_end(d, v);
    static const char *const others[] = {"/x/../healthz", "/./healthz", "//healthz", "/%68ealthz", "/healthz?x"};
    for (size_t i = 0; i < SP_ARRAY_LEN(others); i++) {
        char lines[100];
        snprintf(lines, sizeof(lines), ":path: %s\n", others[i]);
        visit_end(d, visit(d, lines, 403));
    }
    door_close(d);
}

static void client_is(const struct visit *v, const char *ip)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&visit_info(v)->client, text);
    assert_string_equal(text, ip);
}

#define CLIENT_GATES SHIELD(SECRET ", client_address: {header: cf-connecting-ip}") \
    RESTRICTION("deny: [203.0.113.66], source: CLIENT")

static void test_client_is_derived_on_proof(void **state)
{
    struct door *d = door_open(CLIENT_GATES, "use_remote_address: true\n", NULL);
    struct visit *v = visit(d, KEY "cf-connecting-ip: 203.0.113.1\n", 200);
    client_is(v, "203.0.113.1");
    visit_end(d, v);
    v = visit(d, KEY "cf-connecting-ip: 203.0.113.66\n", 403);
    assert_string_equal(visit_details(v), "ip_restriction_denied{203.0.113.66/32}");
    visit_end(d, v);
    static const char *const bad[] = {"", "cf-connecting-ip: x\n",
        "cf-connecting-ip: 203.0.113.1\ncf-connecting-ip: 203.0.113.2\n"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        char lines[200];
        snprintf(lines, sizeof(lines), KEY "%s", bad[i]);
        v = visit(d, lines, 403);
        assert_string_equal(visit_details(v), "ip_restriction_denied{address_unknown}");
        visit_end(d, v);
    }
    door_close(d);
}

static void test_client_needs_a_derivation(void **state)
{
    const char *only = RESTRICTION("deny: [203.0.113.66], source: CLIENT");
    door_refused(only, NULL, NULL, "nothing before this gate derives CLIENT");
    door_refused(RESTRICTION("deny: [203.0.113.66], source: CLIENT")
                 SHIELD(SECRET ", client_address: {header: cf-connecting-ip}"), NULL, NULL,
                 "nothing before this gate derives CLIENT");
    struct door *d = door_open(only, "use_remote_address: true\nxff_num_trusted_hops: 1\n", NULL);
    visit_end(d, visit(d, "x-forwarded-for: 203.0.113.66\n", 403));
    visit_end(d, visit(d, "x-forwarded-for: 203.0.113.66, 203.0.113.1\n", 200));
    door_close(d);
}

/* In shadow nobody is proven: CLIENT is the peer, and what the request says of itself is not believed. */
static void test_shadow(void **state)
{
    struct door *d = door_open(SHIELD(SECRET ", enforcement: SHADOW, client_address: {header: cf-connecting-ip}"),
                               "use_remote_address: true\nxff_num_trusted_hops: 1\n", NULL);
    struct visit *v = visit(d, "x-origin-verify: wrong-wrong-wrong\ncf-connecting-ip: 203.0.113.1\n"
                               "x-forwarded-for: 203.0.113.9\nx-envoy-original-path: /x\n", 200);
    client_is(v, "192.0.2.5");
    assert_null(got(v, "x-origin-verify"));
    assert_null(got(v, "cf-connecting-ip"));
    assert_null(got(v, "x-envoy-original-path"));
    const struct sp_metadata *m = visit_info(v)->metadata;
    assert_non_null(m);
    assert_true(sp_str_eq(m->json, SP_STR("\"secret_header\"")));
    visit_end(d, v);
    assert_int_equal(door_stat("http.door.origin_shield.shadow_refused"), 1);
    door_close(d);
}

/* --- jwt_authn --- */

static struct sp_signer *signer;
static struct sp_arena arena;

static int setup(void **state)
{
    sp_arena_init(&arena);
    signer = sp_signer_new(SP_STR("k"));
    return signer ? 0 : -1;
}

static int teardown(void **state)
{
    sp_signer_free(signer);
    sp_arena_done(&arena);
    sp_arena_thread_done();
    return 0;
}

static struct door *door_with_tokens(const char *routes)
{
    struct sp_str jwks = sp_signer_jwks(signer, &arena);
    struct sp_str filters = sp_arena_printf(&arena,
        SHIELD(SECRET) "- {name: jwt, typed_config: {\"@type\": " T "envoy.extensions.filters.http.jwt_authn.v3.JwtAut"
            "hentication, "
        "providers: {p: {issuer: i, local_jwks: {inline_string: '%.*s'}, claim_to_headers: [{header_name: x-user, clai"
        "m_name: "
        "sub}]}}, requirement_map: {need: {provider_name: p}}, rules: [{match: {prefix: /public}}, {match: {prefix: /}"
        ", requires: "
        "{provider_name: p}}]}}\n", SP_STR_ARG(jwks));
    return door_open(filters.ptr, NULL, routes);
}

static const char *lines(const char *path, const char *claims)
{
    struct sp_str token = claims ? sp_signer_sign(signer, sp_str_c(claims), &arena) : SP_STR_NULL;
    return sp_arena_printf(&arena, ":path: %s\n" KEY "x-user: admin\n%s%.*s\n", path, claims ? "authorization: Bearer "
                           : "x-none: 1",
                           SP_STR_ARG(token)).ptr;
}

static void test_tokens(void **state)
{
    struct door *d = door_with_tokens(NULL);
    struct visit *v = visit(d, lines("/a?b", "{\"iss\":\"i\",\"sub\":\"alice\"}"), 200);
    assert_string_equal(got(v, "x-user"), "alice");
    assert_null(got(v, "authorization"));
    visit_end(d, v);
    v = visit(d, lines("/a?b", NULL), 401);
    assert_string_equal(answered(v, "www-authenticate"), "Bearer realm=\"https://a.test/a?b\"");
    assert_string_equal(answered(v, "content-type"), "text/plain");
    assert_string_equal(answered_body(v), "Jwt is missing");
    assert_string_equal(visit_details(v), "jwt_authn_access_denied{Jwt_is_missing}");
    visit_end(d, v);
    v = visit(d, lines("/", "{\"iss\":\"i\",\"exp\":1}"), 401);
    assert_string_equal(answered(v, "www-authenticate"), "Bearer realm=\"https://a.test/\", error=\"invalid_token\"");
    visit_end(d, v);
    v = visit(d, lines("/public", NULL), 200);
    assert_null(got(v, "x-user"));
    visit_end(d, v);
    visit_end(d, visit(d, ":path: /public\n", 403)); /* the shield stands before it */
    assert_int_equal(door_stat("http.door.jwt_authn.denied"), 2);
    assert_int_equal(door_stat("http.door.jwt_authn.allowed"), 2);
    door_close(d);
}

#define PER_ROUTE(fields) "typed_per_filter_config: {jwt: {\"@type\": " T \
    "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, " fields "}}"

static void test_tokens_by_route(void **state)
{
    struct door *d = door_with_tokens("{match: {prefix: /free}, route: {cluster: c}, " PER_ROUTE("disabled: true") "}, "
                                      "{match: {prefix: /public/not}, route: {cluster: c},"
                                      " " PER_ROUTE("requirement_name: need") "}, "
                                      "{match: {prefix: /slip}, route: {cluster: c}, " PER_ROUTE("requirement_name: ne"
                                          "de") "}, "
                                      "{match: {prefix: /}, route: {cluster: c}}");
    struct visit *v = visit(d, lines("/free", NULL), 200);
    assert_null(got(v, "x-user"));
    visit_end(d, v);
    visit_end(d, visit(d, lines("/public/not", NULL), 401));
    visit_end(d, visit(d, lines("/public/not", "{\"iss\":\"i\"}"), 200));
    visit_end(d, visit(d, lines("/slip", "{\"iss\":\"i\"}"), 403));
    visit_end(d, visit(d, lines("/public", NULL), 200));
    door_close(d);
}

/* Who switches the filter off for a route does not let strangers say who they are. */
static void test_identity_headers_where_it_is_off(void **state)
{
    struct door *d = door_with_tokens("{match: {prefix: /off}, route: {cluster: c}, typed_per_filter_config: {jwt: {\"@type\": " T
                                      "envoy.config.route.v3.FilterConfig, disabled: true}}}");
    struct visit *v = visit(d, ":path: /off\n" KEY "x-user: root\nx_user: root\nx-other: 1\n", 200);
    assert_null(got(v, "x-user"));
    assert_null(got(v, "x_user"));
    assert_string_equal(got(v, "x-other"), "1");
    visit_end(d, v);
    door_close(d);
}

/* No byte of a body goes on before the token was judged. */
static void test_tokens_and_bodies(void **state)
{
    struct door *d = door_with_tokens(NULL);
    struct visit *v = visit_begin(d, ":method: PUT\n" KEY, false);
    visit_data(v, "abc", true);
    assert_int_equal(v->status, 401);
    assert_false(v->reached);
    visit_end(d, v);
    door_close(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gates_come_before_routes),
        cmocka_unit_test(test_routes_cannot_switch_gates_off),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_refusal_by_reset),
        cmocka_unit_test(test_exemption_sees_the_raw_path),
        cmocka_unit_test(test_client_is_derived_on_proof),
        cmocka_unit_test(test_client_needs_a_derivation),
        cmocka_unit_test(test_shadow),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_tokens_by_route),
        cmocka_unit_test(test_identity_headers_where_it_is_off),
        cmocka_unit_test(test_tokens_and_bodies),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
