/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ext_authz: what the service is asked, every kind of answer and the lack of one, bodies; beside test_envoy_filters. */
#include "fake_call.h"
#include "fake_chain.h"

#include "clusters/state.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "filters/registry.h"
#include "support/config.h"

#define OPS &sp_ext_authz_ops
#define DESC &envoy__extensions__filters__http__ext_authz__v3__ext_authz__descriptor
#define ROUTE &envoy__extensions__filters__http__ext_authz__v3__ext_authz_per_route__descriptor
#define URI "server_uri: {uri: 'http://authz.test', cluster: authz, timeout: 1s}"
#define SERVICE "http_service: {" URI "}\n"

static struct sp_cluster service = {.name = {"authz", 5}};
static struct sp_worker worker;
static struct fake_config *c;
static struct fake_stream s;
static struct sp_filter *f;

static enum sp_status ask(const char *yaml, bool end)
{
    fake_cluster = &service;
    c = fake_config_new(OPS, DESC, yaml);
    fake_stream_init(&s, "/p?q");
    s.turn.worker = &worker;
    fake_header(&s, "authorization", "Bearer t");
    fake_header(&s, "x-user", "mallory");
    fake_header(&s, "x-envoy-auth-failure-mode-allowed", "true");
    f = fake_filter(&s, c);
    return c->ops->decode_headers(f, &s.request, end);
}

static void answer(unsigned status, const char *lines, const char *body, enum sp_abort why)
{
    struct sp_headers h;
    struct sp_buf b;
    assert_int_equal(n_fake_calls, 1);
    fake_calls[0].over = true;
    t_headers(&h, &s.arena, lines);
    h.status = status;
    sp_buf_init(&b);
    sp_buf_append_str(&b, sp_str_c(body));
    fake_calls[0].done(fake_calls[0].ctx, status, status ? &h : NULL, &b, why);
    sp_buf_clear(&b);
}

static void end(void)
{
    c->ops->destroy(f);
    fake_calls_forget();
    fake_stream_done(&s);
    fake_config_free(c);
}

static void test_asks(void **state)
{
    assert_int_equal(ask("http_service: {" URI ", path_prefix: /check, authorization_request: {headers_to_add: [{key: x-method, value: "
                         "'%REQ(:method)%'}]}}\nallowed_headers: {patterns: [{prefix: x-}]}\ndisallowed_headers: {patterns: [{exact: x-user}]}\n",
                         true), SP_STOP_PAUSE);
    const struct sp_http_call *call = &fake_calls[0];
    assert_string_equal(call->r.path.ptr, "/check/p?q");
    assert_string_equal(call->r.authority.ptr, "door.example");
    assert_string_equal(fake_call_header(call, "authorization"), "Bearer t");
    assert_string_equal(fake_call_header(call, "x-method"), "GET");
    assert_null(fake_call_header(call, "x-user"));
    assert_null(fake_call_header(call, "x-envoy-auth-failure-mode-allowed")); /* what only we may say */
    assert_true(call->r.timeout_ns == SP_NS_PER_S);
    answer(200, "x: y", "", SP_ABORT_NONE);
    assert_int_equal(s.continued[SP_DECODE], 1);
    assert_string_equal(fake_request_header(&s, "x-user"), "mallory"); /* nothing was allowed to overwrite it */
    end();
}

static void test_yes(void **state)
{
    uint64_t ok = 0;
    ask("http_service: {" URI ", authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-user}, {exact: content-length}, "
        "{exact: host}, {exact: transfer-encoding}]}, allowed_client_headers_on_success: {patterns: [{exact: x-seen}]}}}\nclear_route_cache: true\n",
        true);
    ok = fake_stat("ext_authz.ok");
    answer(200, "x-user: alice\ncontent-length: 0\ntransfer-encoding: chunked\nhost: evil\nx-seen: 1\nx-envoy-auth-headers-to-remove: Authorization, host",
           "", SP_ABORT_NONE);
    assert_string_equal(fake_request_header(&s, "x-user"), "alice");
    assert_null(fake_request_header(&s, "content-length"));
    assert_null(fake_request_header(&s, "host"));
    assert_null(fake_request_header(&s, "authorization"));
    assert_int_equal(s.routes_cleared, 1);
    assert_int_equal(fake_stat("ext_authz.ok"), ok + 1);
    t_headers(&s.response, &s.arena, ":status: 200");
    c->ops->encode_headers(f, &s.response, true);
    assert_string_equal(t_headers_text(&s.response, &s.arena), ":status: 200\nx-seen: 1\n");
    end();
}

static void test_no(void **state)
{
    ask(SERVICE, true);
    answer(401, "www-authenticate: Bearer\ncontent-type: text/html\ncontent-length: 2\nconnection: close\nx-why: no", "<>", SP_ABORT_NONE);
    fake_replied(&s, 401, "<>", "ext_authz_denied");
    assert_string_equal(fake_reply_header(&s, "x-why"), "no");
    assert_string_equal(fake_reply_header(&s, "www-authenticate"), "Bearer");
    assert_null(fake_reply_header(&s, "connection"));
    assert_null(fake_reply_header(&s, "content-length"));
    assert_true(sp_str_eq(s.reply.content_type, SP_STR("text/html")));
    assert_int_equal(s.reply.flags, SP_FLAG_UAEX);
    assert_int_equal(s.continued[SP_DECODE], 0);
    end();
}

static void test_errors(void **state)
{
    static const unsigned statuses[] = {0, 500, 503, 101};
    for (size_t i = 0; i < SP_ARRAY_LEN(statuses); i++) {
        ask(SERVICE, true);
        answer(statuses[i], "x-user: root", "", SP_ABORT_TIMEOUT);
        fake_replied(&s, 403, "", "ext_authz_error");
        end();
        ask(SERVICE "status_on_error: {code: ServiceUnavailable}\n", true);
        answer(statuses[i], "x-user: root", "", SP_ABORT_TIMEOUT);
        fake_replied(&s, 503, "", "ext_authz_error");
        end();
        ask(SERVICE "failure_mode_allow: true\nfailure_mode_allow_header_add: true\n", true);
        assert_non_null(strstr(c->diag.items[0].text, "every request passes while the service does not answer: whoever can keep it from answering "
                                                      "gets in (take it out)"));
        uint64_t allowed = fake_stat("ext_authz.failure_mode_allowed");
        answer(statuses[i], "x-user: root", "", SP_ABORT_TIMEOUT);
        assert_false(s.replied);
        assert_string_equal(fake_request_header(&s, "x-envoy-auth-failure-mode-allowed"), "true");
        assert_string_equal(fake_request_header(&s, "x-user"), "mallory");
        assert_int_equal(fake_stat("ext_authz.failure_mode_allowed"), allowed + 1);
        end();
    }
}

static enum sp_status data(const char *text, bool last)
{
    struct sp_buf b;
    sp_buf_init(&b);
    sp_buf_append_str(&b, sp_str_c(text));
    enum sp_status st = c->ops->decode_data(f, &b, last);
    sp_buf_clear(&b);
    return st;
}

static void test_bodies(void **state)
{
    const char *whole = SERVICE "with_request_body: {max_request_bytes: 6}\n";
    assert_int_equal(ask(whole, false), SP_STOP);
    assert_int_equal(data("abc", false), SP_STOP_BUFFER);
    assert_int_equal(data("def", false), SP_STOP_BUFFER);
    assert_int_equal(n_fake_calls, 0);
    assert_int_equal(data("", true), SP_STOP_PAUSE);
    assert_string_equal(fake_calls[0].r.body.ptr, "abcdef");
    assert_string_equal(fake_call_header(&fake_calls[0], "x-envoy-auth-partial-body"), "false");
    answer(200, "x: y", "", SP_ABORT_NONE);
    assert_int_equal(data("abcdef", true), SP_CONTINUE); /* shown again: it passes */
    end();

    ask(whole, false);
    data("abcdefg", true);
    fake_replied(&s, 413, "Payload Too Large", "request_payload_too_large");
    assert_int_equal(n_fake_calls, 0);
    end();

    ask(SERVICE "with_request_body: {max_request_bytes: 6, allow_partial_message: true}\n", false);
    assert_int_equal(data("abcd", false), SP_STOP_BUFFER);
    assert_int_equal(data("efgh", false), SP_STOP_PAUSE);
    assert_int_equal(data("ijk", true), SP_STOP_PAUSE);
    assert_string_equal(fake_calls[0].r.body.ptr, "abcdef");
    assert_string_equal(fake_call_header(&fake_calls[0], "x-envoy-auth-partial-body"), "true");
    c->ops->destroy(f); /* the client went away */
    assert_true(fake_calls[0].cancelled);
    end();

    ask(whole, false);
    struct sp_headers t;
    t_headers(&t, &s.arena, "a: b");
    data("abc", false);
    assert_int_equal(c->ops->decode_trailers(f, &t), SP_STOP_PAUSE);
    assert_string_equal(fake_calls[0].r.body.ptr, "abc");
    answer(200, "x: y", "", SP_ABORT_NONE);
    assert_int_equal(c->ops->decode_trailers(f, &t), SP_CONTINUE);
    end();
}

static void test_switched_off(void **state)
{
    assert_int_equal(ask(SERVICE "filter_enabled: {default_value: {numerator: 0}}\n", true), SP_CONTINUE);
    assert_null(fake_request_header(&s, "x-envoy-auth-failure-mode-allowed"));
    end();
    assert_int_equal(ask(SERVICE "filter_enabled: {default_value: {numerator: 0}}\ndeny_at_disable: {default_value: true, runtime_key: k}\n", true),
                     SP_STOP);
    assert_int_equal(s.reply.status, 403);
    end();
    fake_cluster = &service;
    struct fake_config *route = fake_route_config_new(OPS, ROUTE, "disabled: true");
    c = fake_config_new(OPS, DESC, SERVICE);
    fake_stream_init(&s, "/");
    s.route_config = route->config;
    f = fake_filter(&s, c);
    assert_int_equal(c->ops->decode_headers(f, &s.request, true), SP_CONTINUE);
    end();
    fake_config_free(route);
}

static void test_refused(void **state)
{
    fake_cluster = &service;
    fake_config_refused(OPS, DESC, "{}", "http_service");
    fake_config_refused(OPS, DESC, "http_service: {server_uri: {uri: 'http://a', cluster: missing, timeout: 1s}}", "cluster");
    fake_config_refused(OPS, DESC, "http_service: {" URI ", path_prefix: check}", "does not begin with '/' (write /check, for instance)");
    fake_config_refused(OPS, DESC, SERVICE "with_request_body: {max_request_bytes: 0}", "max_request_bytes");
    fake_config_refused(OPS, DESC, SERVICE "transport_api_version: V2", "transport_api_version");
    fake_config_refused(OPS, ROUTE, "{}", "disabled");
    fake_config_refused(OPS, ROUTE, "check_settings: {disable_request_body_buffering: true, with_request_body: {max_request_bytes: 5}}", "not beside disable_request_body_buffering (drop one of them)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_asks),   cmocka_unit_test(test_yes),          cmocka_unit_test(test_no),     cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bodies), cmocka_unit_test(test_switched_off), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, fake_setup, fake_teardown);
}
