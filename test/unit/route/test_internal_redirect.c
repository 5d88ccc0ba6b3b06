/* SPDX-License-Identifier: GPL-2.0-or-later */
/* internal_redirect_policy: what is followed, where a Location leads, and what predicates say of it. */
#include "route/internal_redirect.h"

#include <stdio.h>
#include <stdlib.h>

#include "support.h"

static const struct sp_redirect_policy *policy(struct t_table *x, const char *fields, const char *said)
{
    char *routes = NULL;
    assert_true(asprintf(&routes, "  - {match: {prefix: /}, name: r, route: {cluster: a, internal_redirect_policy: {%s}}}\n", fields) > 0);
    t_table_routes(x, routes, said);
    free(routes);
    if (!x->t)
        return NULL;
    assert_true(sp_route_table_redirects(x->t));
    return t_find(x, ":method: GET\n:scheme: http\n:authority: a\n:path: /\n", 0)->redirects;
}

static void test_defaults(void **state)
{
    struct t_table x;
    const struct sp_redirect_policy *p = policy(&x, "", "");
    assert_int_equal(p->most, 1);
    for (unsigned s = 200; s < 600; s++)
        assert_int_equal(sp_redirect_policy_takes(p, s), s == 302);
    assert_false(sp_redirect_policy_takes(NULL, 302));
    t_table_done(&x);
    t_table_routes(&x, "  - {match: {prefix: /}, route: {cluster: a}}\n", "");
    assert_false(sp_route_table_redirects(x.t));
    t_table_done(&x);
}

static void test_codes(void **state)
{
    struct t_table x;
    const struct sp_redirect_policy *p = policy(&x, "redirect_response_codes: [301, 303, 304, 308, 200]",
        "t.yaml:5:118: warning: virtual_hosts[0].routes[0].route.internal_redirect_policy.redirect_response_codes[2]: without effect: 304 is no redirect "
        "(301, 302, 303, 307 and 308 are)\n"
        "t.yaml:5:128: warning: virtual_hosts[0].routes[0].route.internal_redirect_policy.redirect_response_codes[4]: without effect: 200 is no redirect "
        "(301, 302, 303, 307 and 308 are)\n");
    for (unsigned s = 0; s < 700; s++)
        assert_int_equal(sp_redirect_policy_takes(p, s), s == 301 || s == 303 || s == 308);
    t_table_done(&x);
}

static void location(const char *text, const char *scheme, const char *authority, const char *path)
{
    struct sp_arena a;
    struct sp_redirect_target t;
    sp_arena_init(&a);
    bool good = sp_redirect_parse(sp_str_c(text), &a, &t);
    if (good != (scheme != NULL))
        fail_msg("%s: %d", text, good);
    if (good) {
        assert_string_equal(sp_arena_str(&a, t.scheme).ptr, scheme);
        assert_string_equal(sp_arena_str(&a, t.authority).ptr, authority);
        assert_string_equal(sp_arena_str(&a, t.path).ptr, path);
        assert_int_equal(t.http, strcasecmp(scheme, "http") == 0);
    }
    sp_arena_done(&a);
}

static void test_locations(void **state)
{
    location("http://a.test/b", "http", "a.test", "/b");
    location("HTTPS://A.test:8443/b/c?d=e/f?g", "HTTPS", "A.test:8443", "/b/c?d=e/f?g");
    location("http://a", "http", "a", "/");
    location("http://a?b", "http", "a", "/?b");
    location("http://a#b", "http", "a", "/");
    location("http://a/#/../b", "http", "a", "/");
    location("http://a/b?c#d#e", "http", "a", "/b?c");
    location("http://[2001:db8::1]:80/b", "http", "[2001:db8::1]:80", "/b");
    location("http://a/b@c", "http", "a", "/b@c");
    location("http://a//b", "http", "a", "//b");
    location("ftp://a/b", "ftp", "a", "/b"); /* whoever asks looks at the scheme */
    static const char *const none[] = {
        "", "/b", "b", "//a/b", "http:", "http:/", "http://", "http:///b", "http:a/b", "://a/b", "h ttp://a/b", "java script://a", "http://u@a/b",
        "http://u:p@a/b", "http://a b/", "http://a/b c", "http://a/b\r\nx: y", "http://a\t/b", "http://a/\x7f", "http://a/\xc3\xa4", "http://a:99999/", "http://a:x/",
        "http://a\\b/", "http://[::1/", "1http://a/", "http://a/\x01", " http://a/", "http://a@b@c/",
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(none); i++)
        location(none[i], NULL, NULL, NULL);
}

static bool accepts(const struct sp_redirect_policy *p, const struct sp_redirect_hop *hops, const char *from, const char *to)
{
    return sp_redirect_policy_accepts(p, hops, sp_str_c(from), sp_str_c(to), true, true);
}

#define PREDICATE(type, fields) "{name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.internal_redirect." type fields "}}"
#define ALLOW(names) PREDICATE("allow_listed_routes.v3.AllowListedRoutesConfig", ", allowed_route_names: " names)
#define PREVIOUS PREDICATE("previous_routes.v3.PreviousRoutesConfig", "")
#define SAFE PREDICATE("safe_cross_scheme.v3.SafeCrossSchemeConfig", "")

static void test_predicates(void **state)
{
    struct t_table x;
    const struct sp_redirect_policy *p = policy(&x, "predicates: [" ALLOW("[a, b]") ", " ALLOW("[b, c]") "]", "");
    assert_true(accepts(p, NULL, "r", "b"));
    assert_false(accepts(p, NULL, "r", "a") || accepts(p, NULL, "r", "c") || accepts(p, NULL, "r", "") || accepts(p, NULL, "r", "B"));
    t_table_done(&x);
    p = policy(&x, "predicates: [" ALLOW("[]") "]", "");
    assert_false(accepts(p, NULL, "r", "a") || accepts(p, NULL, "r", ""));
    t_table_done(&x);
    const struct sp_redirect_hop one = {NULL, SP_STR("r"), SP_STR("a")}, two = {&one, SP_STR("a"), SP_STR("r")};
    p = policy(&x, "predicates: [" PREVIOUS "]", "");
    assert_true(accepts(p, NULL, "r", "a") && accepts(p, &two, "r", "b") && accepts(p, &one, "a", "r") && accepts(p, &two, "r", "r"));
    assert_false(accepts(p, &one, "r", "a") || accepts(p, &two, "r", "a") || accepts(p, &two, "a", "r"));
    t_table_done(&x);
    p = policy(&x, "allow_cross_scheme_redirect: true, predicates: [" SAFE "]", "");
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(sp_redirect_policy_accepts(p, NULL, SP_STR("r"), SP_STR("a"), i & 1, i & 2), i != 1);
    t_table_done(&x);
}

#define AT(column) "t.yaml:5:" #column ": virtual_hosts[0].routes[0].route.internal_redirect_policy."

static void test_refused(void **state)
{
    struct t_table x;
    assert_null(policy(&x, "max_internal_redirects: 51", AT(106) "max_internal_redirects: 51: at most 50 are followed for one request (make it less)\n"));
    t_table_done(&x);
    assert_non_null(policy(&x, "max_internal_redirects: 50", ""));
    t_table_done(&x);
    assert_null(policy(&x, "response_headers_to_copy: [x-good, Host, content-length, connection, expect]",
                       AT(117) "response_headers_to_copy[1]: Host is no header that a request could take from an answer (take it out)\n"
                       AT(123) "response_headers_to_copy[2]: content-length is no header that a request could take from an answer (take it out)\n"
                       AT(139) "response_headers_to_copy[3]: connection is no header that a request could take from an answer (take it out)\n"
                       AT(151) "response_headers_to_copy[4]: expect is no header that a request could take from an answer (take it out)\n"));
    t_table_done(&x);
    assert_null(policy(&x, "predicates: [{name: p, typed_config: {'@type': type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]",
                       AT(119) "predicates[0].typed_config: no such predicate (AllowListedRoutesConfig, PreviousRoutesConfig and SafeCrossSchemeConfig are run)\n"));
    t_table_done(&x);
}

/* Envoy's older way to say it. */
static void test_action(void **state)
{
    struct t_table x;
    static const char *const heads = ":method: GET\n:scheme: http\n:authority: a\n:path: /\n";
#define ACTION(more) "  - {match: {prefix: /}, name: r, route: {cluster: a" more "}}\n"
    t_table_routes(&x, ACTION(", internal_redirect_action: HANDLE_INTERNAL_REDIRECT, max_internal_redirects: 3"), "");
    const struct sp_redirect_policy *p = t_find(&x, heads, 0)->redirects;
    assert_true(p && p->most == 3 && sp_redirect_policy_takes(p, 302) && !sp_redirect_policy_takes(p, 301));
    t_table_done(&x);
    t_table_routes(&x, ACTION(", internal_redirect_action: HANDLE_INTERNAL_REDIRECT, max_internal_redirects: 3, internal_redirect_policy: {}"), "");
    assert_int_equal(t_find(&x, heads, 0)->redirects->most, 1);
    t_table_done(&x);
    t_table_routes(&x, ACTION(", max_internal_redirects: 3"), "");
    assert_null(t_find(&x, heads, 0)->redirects);
    t_table_done(&x);
    t_table_routes(&x, ACTION(", internal_redirect_action: HANDLE_INTERNAL_REDIRECT, max_internal_redirects: 51"),
                   "t.yaml:5:131: virtual_hosts[0].routes[0].route.max_internal_redirects: 51: at most 50 are followed for one request (make it less)\n");
    t_table_done(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),   cmocka_unit_test(test_codes),   cmocka_unit_test(test_locations),
        cmocka_unit_test(test_predicates), cmocka_unit_test(test_refused), cmocka_unit_test(test_action),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
