/* SPDX-License-Identifier: GPL-2.0-or-later */
/* cors and csrf, beyond what a real Envoy is compared with (test_envoy_filters): what is refused, what differs. */
#include "fake_chain.h"

#include "envoy/extensions/filters/http/cors/v3/cors.pb-c.h"
#include "envoy/extensions/filters/http/csrf/v3/csrf.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define CORS &envoy__extensions__filters__http__cors__v3__cors__descriptor
#define POLICY &envoy__extensions__filters__http__cors__v3__cors_policy__descriptor
#define CSRF &envoy__extensions__filters__http__csrf__v3__csrf_policy__descriptor

static struct fake_stream s;

static void test_levels(void **state)
{
    struct fake_config *c = fake_config_new(&sp_cors_ops, CORS, "{}");
    struct fake_config *vhost = fake_route_config_new(&sp_cors_ops, POLICY, "{allow_origin_string_match: [{exact: 'https://a.test'}], max_age: '9', "
                                                                            "allow_credentials: true}");
    struct fake_config *route = fake_route_config_new(&sp_cors_ops, POLICY, "{allow_methods: 'PUT', expose_headers: x-e}");
    fake_stream_init(&s, "/");
    s.request.method = SP_STR("OPTIONS");
    fake_header(&s, "origin", "https://a.test");
    fake_header(&s, "access-control-request-method", "PUT");
    s.route_configs[s.n_route_configs++] = vhost->config;
    s.route_configs[s.n_route_configs++] = route->config;
    struct sp_filter *f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_STOP);
    fake_replied(&s, 200, "", "cors_response");
    assert_string_equal(fake_reply_header(&s, "access-control-allow-methods"), "PUT");
    assert_string_equal(fake_reply_header(&s, "access-control-max-age"), "9");
    t_headers(&s.response, &s.arena, ":status: 200");
    c->ops->encode_headers(f, &s.response, true);
    assert_string_equal(t_headers_text(&s.response, &s.arena),
                        ":status: 200\naccess-control-allow-origin: https://a.test\naccess-control-allow-credentials: true\n"
                        "access-control-expose-headers: x-e\n");
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_free(vhost);
    fake_config_free(route);
}

static void test_no_policy_does_nothing(void **state)
{
    struct fake_config *c = fake_config_new(&sp_cors_ops, CORS, "{}");
    fake_stream_init(&s, "/");
    fake_header(&s, "origin", "https://a.test");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    fake_stream_done(&s);
    fake_config_free(c);
    struct fake_config *any = fake_route_config_new(&sp_cors_ops, POLICY, "{allow_origin_string_match: [{exact: '*'}], allow_credentials: true}");
    assert_int_equal(any->diag.n_warnings, 1);
    assert_non_null(strstr(any->diag.items[0].text,
                           "together with an origin \"*\" any page in the world may read what a user may (name the origins)"));
    fake_config_free(any);
    fake_config_refused(&sp_cors_ops, POLICY, "allow_origin_string_match: [{safe_regex: {regex: '('}}]", "safe_regex");
    fake_config_refused(&sp_cors_ops, POLICY, "allow_methods: \"GET\\r\\nx: y\"", "allow_methods");
}

static void csrf(const struct fake_config *c, const char *method, const char *lines, bool passes)
{
    fake_stream_init(&s, "/");
    s.request.method = sp_str_c(method);
    struct sp_str rest = sp_str_c(lines), line;
    while (sp_str_split(&rest, '|', &line)) {
        ptrdiff_t at = sp_str_chr(line, ' ');
        fake_header(&s, t_c(&s.arena, sp_str_sub(line, 0, (size_t)at)), t_c(&s.arena, sp_str_sub(line, (size_t)at + 1, line.len)));
    }
    assert_int_equal(fake_decode(&s, c), passes ? SP_CONTINUE : SP_STOP);
    if (!passes)
        fake_replied(&s, 403, "Invalid origin", "csrf_origin_mismatch");
    fake_stream_done(&s);
}

static void test_csrf(void **state)
{
    struct fake_config *c = fake_config_new(&sp_csrf_ops, CSRF, "filter_enabled: {default_value: {numerator: 100}}");
    csrf(c, "POST", "origin https://door.example", true);
    csrf(c, "POST", "origin https://DOOR.example", true);
    csrf(c, "POST", "origin https://door.example.evil.test", false);
    csrf(c, "POST", "origin https://door.example@evil.test", false);
    csrf(c, "POST", "origin https://door.example|origin https://evil.test", false); /* which of them? */
    csrf(c, "POST", "origin null|referer https://door.example/x", true);
    csrf(c, "POST", "origin null", false);
    csrf(c, "POST", "", false);
    csrf(c, "GET", "origin https://evil.test", true);
    fake_config_free(c);
    c = fake_config_new(&sp_csrf_ops, CSRF, "{filter_enabled: {default_value: {numerator: 0}}, shadow_enabled: {default_value: {numerator: 100}}}");
    fake_stream_init(&s, "/");
    s.request.method = SP_STR("POST");
    assert_int_equal(fake_decode(&s, c), SP_CONTINUE);
    assert_true(sp_str_eq(s.shadow, SP_STR("csrf_origin_mismatch")));
    fake_stream_done(&s);
    fake_config_free(c);
    fake_config_refused(&sp_csrf_ops, CSRF, "{}", "filter_enabled");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_no_policy_does_nothing),
        cmocka_unit_test(test_csrf),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
