/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams: checks, order of gates, route and filters, answers, redirects, heads, counters.
 */
#include <stdlib.h>

#include "stats/stats.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

#define RESPONSE_200 ":status: 200\ncontent-length: 0\n"

static enum sp_status refuse_403(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_reply_text(f, 403, SP_STR("no"), SP_STR("refused_by_test"));
    return SP_STOP;
}

static void test_plain(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER, NULL);
    struct exchange *e = ask(w, GET("/a?b"), true);
    assert_int_equal(world_stat("http.test.downstream_rq_active"), 1);
    assert_true(sp_list_first(&w->owner.streams) != NULL);
    assert_ptr_equal(sp_stream_hcm(e->cs.user), w->hcm);
    assert_ptr_equal(sp_stream_get_owner(e->cs.user), &w->owner);
    respond(e, ":status: 200\ncontent-type: text/html\n", false);
    respond_data(e, "hello", true);
    assert_int_equal(e->head->status, 200);
    assert_string_equal(sent(e, "server"), "sallyport");
    assert_string_equal(sent(e, "date"), "Tue, 24 Nov 2026 18:44:44 GMT");
    assert_string_equal(sent(e, "connection"), "-");
    assert_string_equal(details(e), "via_upstream");
    sent_body(e, "hello");
    assert_true(e->ended && !e->cancelled);
    world_pass(w, 25);
    assert_int_equal(w->turn.gather.turn_moved, 1);
    over(e, SP_ABORT_NONE);
    assert_int_equal(w->turn.gather.turn_moved, 2); /* what the worker knows its load by: begun, and ended */
    assert_int_equal(w->turn.gather.ended[SP_GATHER_CLASSES - 1].n, 1); /* 25 ms */
    assert_int_equal(w->turn.gather.ended[SP_GATHER_CLASSES - 1].stays_ns, SP_GATHER_STAY_MAX_NS);
    assert_int_equal(fake_destroyed[SHIELD] + fake_destroyed[JWT] + fake_destroyed[ROUTER], 3);
    static const char *const ones[] = {"downstream_rq_total", "downstream_rq_2xx", "downstream_rq_completed",
                                       "downstream_rq_http1_total"};
    for (size_t i = 0; i < SP_ARRAY_LEN(ones); i++) {
        char name[100];
        snprintf(name, sizeof(name), "http.test.%s", ones[i]);
        assert_int_equal(world_stat(name), 1);
    }
    assert_int_equal(world_stat("listener.l.http.test.downstream_rq_2xx"), 1);
    world_free(w);
}

/* Gates come before the route: who is refused does not learn whether there is one. */
static void test_gates_before_route(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER,
                                "- {match: {path: /a}, route: {cluster: c}}\n");
    fake_decode[SHIELD] = refuse_403;
    struct exchange *e = ask(w, GET("/none"), true);
    assert_int_equal(e->head->status, 403);
    assert_string_equal(details(e), "refused_by_test");
    assert_int_equal(info_of(e)->flags, 0);
    assert_int_equal(fake_seen[JWT], 0);
    assert_int_equal(world_stat("http.test.no_route"), 0);
    over(e, SP_ABORT_NONE);
    fake_decode[SHIELD] = NULL;
    e = ask(w, GET("/none"), true);
    assert_int_equal(e->head->status, 404);
    assert_string_equal(details(e), "route_not_found");
    assert_string_equal(sent(e, "content-length"), "0");
    assert_int_equal(info_of(e)->flags, SP_FLAG_NR);
    assert_int_equal(fake_seen[JWT], 0); /* the filters are not asked about what does not exist */
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.no_route"), 1);
    world_free(w);
}

static void refused_early(struct world *w, const char *lines, unsigned status, const char *why)
{
    fake_seen[SHIELD] = 0;
    struct exchange *e = ask(w, lines, true);
    assert_non_null(e->head);
    assert_int_equal(e->head->status, status);
    assert_string_equal(details(e), why);
    assert_int_equal(fake_seen[SHIELD], 0);
    assert_string_equal(sent(e, "connection"), status == 400 && w->codec_ops.protocol != SP_HTTP_2 ? "close" : "-");
    over(e, SP_ABORT_NONE);
}

static void test_checks(void **state)
{
    struct world *w = world_new("normalize_path: true\n", SHIELD_FILTER ROUTER_FILTER, NULL);
    refused_early(w, ":method: GET\n:scheme: http\n:path: /\n", 400, "missing_host_header");
    refused_early(w, ":method: GET\n:scheme: http\n:authority: a\n", 404, "missing_path_rejected");
    refused_early(w, ":method: OPTIONS\n:scheme: http\n:authority: a\n:path: *\n", 404, "absolute_path_rejected");
    refused_early(w, GET("/a#b"), 400, "path_normalization_failed");
    refused_early(w, GET("/%00"), 400, "path_normalization_failed");
    w->codec_ops.protocol = SP_HTTP_2;
    refused_early(w, GET("/%00"), 400, "path_normalization_failed");
    assert_int_equal(world_stat("http.test.downstream_rq_failed_path_normalization"), 3);
    assert_int_equal(world_stat("http.test.downstream_rq_non_relative_path"), 1);
    assert_int_equal(world_stat("http.test.downstream_rq_http2_total"), 1);
    struct exchange *e = ask(w, GET("/a/../b?x=../y"), true);
    assert_string_equal(routed(e, ":path"), "/b?x=../y");
    assert_true(sp_str_eq(info_of(e)->raw_path, SP_STR("/a/../b?x=../y")));
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new("stream_error_on_invalid_http_message: true\n", NULL, NULL);
    e = ask(w, GET("/#"), true);
    assert_string_equal(sent(e, "connection"), "-");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_host(void **state)
{
    static const struct {
        const char *yaml, *in, *out;
    } cases[] = {
        {"", "a.test.:80", "a.test.:80"}, {"strip_any_host_port: true\n", "a.test:81", "a.test"},
        {"strip_matching_host_port: true\n", "a.test:8080", "a.test"},
        {"strip_matching_host_port: true\n", "a.test:81", "a.test:81"},
        {"strip_trailing_host_dot: true\n", "a.test.:81", "a.test:81"},
        {"strip_trailing_host_dot: true\nstrip_any_host_port: true\n", "a.test.:81", "a.test"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        struct world *w = world_new(cases[i].yaml, NULL, NULL);
        char lines[200];
        snprintf(lines, sizeof(lines), ":method: GET\n:scheme: http\n:authority: %s\n:path: /\n", cases[i].in);
        struct exchange *e = ask(w, lines, true);
        assert_string_equal(routed(e, ":authority"), cases[i].out);
        respond(e, RESPONSE_200, true);
        over(e, SP_ABORT_NONE);
        world_free(w);
    }
}

static void test_escaped_slash_redirect(void **state)
{
    struct world *w = world_new("path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT\n",
                                SHIELD_FILTER ROUTER_FILTER, NULL);
    struct exchange *e = ask(w, GET("/a%2Fb?c"), true);
    assert_int_equal(e->head->status, 307);
    assert_string_equal(sent(e, "location"), "/a/b?c");
    assert_int_equal(fake_seen[SHIELD], 1); /* after the gates */
    assert_int_equal(fake_seen[ROUTER], 0);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/%2Fevil.test"), true); /* must not lead to another host */
    assert_string_equal(sent(e, "location"), "http://a.test//evil.test");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/%5Cevil.test"), true);
    assert_string_equal(sent(e, "location"), "http://a.test/\\evil.test");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/a%2fb") "content-type: application/grpc\n", true);
    assert_string_equal(sent(e, "grpc-status"), "13");
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_redirected_with_normalized_path"), 3);
    fake_decode[SHIELD] = refuse_403;
    e = ask(w, GET("/a%2Fb"), true);
    assert_int_equal(e->head->status, 403);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_upgrades(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER,
                                "- {match: {path: /a}, route: {cluster: c}}\n");
    struct exchange *e = ask(w, GET("/a") ":protocol: websocket\n", true);
    assert_int_equal(e->head->status, 403);
    assert_string_equal(details(e), "upgrade_failed");
    assert_string_equal(sent(e, "connection"), "close");
    assert_int_equal(fake_seen[SHIELD], 1);
    assert_int_equal(fake_seen[JWT], 0);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/none") ":protocol: websocket\n", true);
    assert_int_equal(e->head->status, 404);
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_ws_on_non_ws_route"), 1);
    world_free(w);
}

#define CONNECT_TO(authority) ":method: CONNECT\n:authority: " authority "\n:protocol: CONNECT\n"

static void answers(struct world *w, const char *request, unsigned status, const char *why)
{
    struct exchange *e = ask(w, request, false);
    assert_int_equal(e->head->status, status);
    assert_string_equal(details(e), why);
    over(e, SP_ABORT_NONE);
}

/* As in Envoy: only a route with a connect_matcher takes it, and only where it is allowed. */
static void test_connect(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER, "- {match: {prefix: /}, route: {cluster: c}}\n");
    answers(w, CONNECT_TO("a:443"), 404, "route_not_found");
    assert_int_equal(fake_seen[SHIELD], 1);
    answers(w, CONNECT_TO("a:0"), 400, "invalid_connect_target");
    answers(w, CONNECT_TO("a"), 400, "invalid_connect_target");
    world_free(w);
    w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER, "- {match: {connect_matcher: {}}, route: {cluster: c}}\n");
    answers(w, CONNECT_TO("a:443"), 403, "upgrade_failed");
    assert_int_equal(fake_seen[SHIELD], 1);
    assert_int_equal(fake_seen[JWT], 0);
    answers(w, GET("/"), 404, "route_not_found");
    assert_int_equal(world_stat("http.test.downstream_rq_ws_on_non_ws_route"), 1);
    world_free(w);
    w = world_new("upgrade_configs: [{upgrade_type: CONNECT}]\nstrip_any_host_port: true\n", SHIELD_FILTER JWT_FILTER ROUTER_FILTER,
                  "- {match: {connect_matcher: {}, headers: [{name: \":authority\", string_match: {exact: \"a:443\"}}]}, route: {cluster: c}}\n"
                  "- {match: {prefix: /}, route: {cluster: c}}\n");
    struct exchange *e = ask(w, CONNECT_TO("a:443"), false); /* keeps its port */
    assert_null(e->head);
    assert_int_equal(fake_seen[JWT], 1);
    assert_int_equal(fake_seen[ROUTER], 1);
    assert_int_equal(world_stat("http.test.downstream_cx_upgrades_active"), 1);
    over(e, SP_ABORT_CLOSED);
    assert_int_equal(world_stat("http.test.downstream_cx_upgrades_active"), 0);
    answers(w, CONNECT_TO("b:443"), 404, "route_not_found");
    /* The name of a protocol does not make a CONNECT of it. */
    answers(w, GET("/") ":protocol: CONNECT\n", 403, "upgrade_failed");
    world_free(w);
}

static void test_direct_and_redirect(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER,
        "- {match: {path: /d}, direct_response: {status: 203, body: {inline_string: text}}, response_headers_to_add: "
        "[{header: {key: x-route, value: \"%RESPONSE_CODE%\"}}]}\n"
        "- {match: {path: /r}, redirect: {path_redirect: /there}, response_headers_to_add: "
        "[{header: {key: x-route, value: r}}]}\n");
    struct exchange *e = ask(w, GET("/d"), true);
    assert_int_equal(e->head->status, 203);
    assert_string_equal(sent(e, "x-route"), "203");
    assert_string_equal(details(e), "direct_response");
    sent_body(e, "text");
    assert_int_equal(fake_seen[JWT], 1); /* filters have seen it */
    assert_int_equal(fake_seen[ROUTER], 0);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/r?q"), true);
    assert_int_equal(e->head->status, 301);
    assert_string_equal(sent(e, "x-route"), "r");
    assert_non_null(strstr(sent(e, "location"), "a.test/there"));
    over(e, SP_ABORT_NONE);
    fake_decode[JWT] = refuse_403;
    e = ask(w, GET("/d"), true);
    assert_int_equal(e->head->status, 403);
    assert_string_equal(sent(e, "x-route"), "-"); /* a filter's answer is not the route's own */
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.rq_direct_response"), 1);
    assert_int_equal(world_stat("http.test.rq_redirect"), 1);
    assert_int_equal(world_stat("http.test.rq_total"), 2);
    world_free(w);
}

#define VHOST(tls) "virtual_hosts:\n- {name: v, domains: [\"*\"], require_tls: " tls ", routes: " \
                   "[{match: {prefix: /}, route: {cluster: c}}]}\n"

static void test_require_tls(void **state)
{
    struct world *w = world_new("use_remote_address: true\nxff_num_trusted_hops: 1\n",
                                SHIELD_FILTER JWT_FILTER ROUTER_FILTER, VHOST("ALL"));
    struct exchange *e = ask(w, GET("/a?b"), true);
    assert_int_equal(e->head->status, 301);
    assert_string_equal(sent(e, "location"), "https://a.test/a?b");
    assert_int_equal(fake_seen[SHIELD], 1);
    assert_int_equal(fake_seen[JWT], 0); /* nobody sends a token in the clear because we asked */
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/a") "x-forwarded-proto: https\n", true); /* a stranger says so */
    assert_int_equal(e->head->status, 301);
    over(e, SP_ABORT_NONE);
    w->conn.tls_used = true;
    e = ask(w, GET("/a"), true);
    assert_null(e->head);
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new("use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 192.0.2.0, "
                  "prefix_len: 24}]}\n", NULL, VHOST("EXTERNAL_ONLY"));
    e = ask(w, GET("/a"), true);
    assert_null(e->head);
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/a") "x-forwarded-for: 1.1.1.1\n", true);
    assert_int_equal(e->head->status, 301);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* --- response heads --- */

static void test_response_headers(void **state)
{
    struct world *w = world_new("server_name: door\nvia: door\nalways_set_request_id_in_response: true\n", NULL, NULL);
    struct exchange *e = ask(w, GET("/") "x-request-id: abc\nvia: 1.1 front\n", true);
    assert_string_equal(routed(e, "via"), "1.1 front, door");
    respond(e, ":status: 200\nserver: nginx\ndate: yesterday\nvia: 1.1 back\n", true);
    assert_string_equal(sent(e, "server"), "door");
    assert_string_equal(sent(e, "date"), "yesterday");
    assert_string_equal(sent(e, "via"), "1.1 back, door");
    assert_string_equal(sent(e, "x-request-id"), "abc");
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new("server_header_transformation: APPEND_IF_ABSENT\n", NULL, NULL);
    e = ask(w, GET("/"), true);
    respond(e, ":status: 200\nserver: nginx\n", true);
    assert_string_equal(sent(e, "server"), "nginx");
    over(e, SP_ABORT_NONE);
    e = ask(w, GET("/"), true);
    respond(e, ":status: 200\n", true);
    assert_string_equal(sent(e, "server"), "sallyport");
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new("server_header_transformation: PASS_THROUGH\n", NULL, NULL);
    e = ask(w, GET("/"), true);
    respond(e, ":status: 200\n", true);
    assert_string_equal(sent(e, "server"), "-");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static enum sp_status sees_route_header(struct sp_filter *f, struct sp_headers *h, bool end)
{
    assert_true(sp_headers_count(h, SP_STR("x-order")) == 4);
    return SP_CONTINUE;
}

#define ADD(list, value) list ": [{header: {key: x-order, value: " value "}}]"
#define ORDER_ROUTES(wins) \
    "most_specific_header_mutations_wins: " wins "\n" \
    ADD("response_headers_to_add", "table") "\n" ADD("request_headers_to_add", "table") "\n" \
    "virtual_hosts:\n- name: v\n  domains: [\"*\"]\n  " ADD("response_headers_to_add", "vhost") "\n  " \
    ADD("request_headers_to_add", "vhost") "\n  routes:\n  - match: {prefix: /}\n    " \
    ADD("response_headers_to_add", "route") "\n    " ADD("request_headers_to_add", "route") "\n" \
    "    route: {weighted_clusters: {clusters: [{name: c, weight: 1, " ADD("response_headers_to_add", "cluster") ", " \
    ADD("request_headers_to_add", "cluster") "}]}}\n"

static void test_header_ops_order(void **state)
{
    struct world *w = world_new(NULL, JWT_FILTER ROUTER_FILTER, ORDER_ROUTES("false"));
    fake_encode[JWT] = sees_route_header; /* they are made before the filters see the response */
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(routed(e, "x-order"), "cluster, route, vhost, table");
    respond(e, ":status: 200\n", true);
    assert_string_equal(sent(e, "x-order"), "cluster, route, vhost, table");
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new(NULL, NULL, ORDER_ROUTES("true"));
    e = ask(w, GET("/"), true);
    assert_string_equal(routed(e, "x-order"), "cluster, table, vhost, route");
    respond(e, ":status: 200\n", true);
    assert_string_equal(sent(e, "x-order"), "cluster, table, vhost, route");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

/* Whoever answers on a route to a cluster: its header changes hold. */
static void test_header_ops_of_local_replies(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER JWT_FILTER ROUTER_FILTER, ORDER_ROUTES("false"));
    fake_decode[JWT] = refuse_403;
    struct exchange *e = ask(w, GET("/"), true);
    assert_string_equal(sent(e, "x-order"), "cluster, route, vhost, table");
    over(e, SP_ABORT_NONE);
    fake_decode[SHIELD] = refuse_403; /* before the route there is none */
    e = ask(w, GET("/"), true);
    assert_string_equal(sent(e, "x-order"), "-");
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static void test_drain(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    w->owner.draining = true;
    struct exchange *e = ask(w, GET("/"), true);
    respond(e, RESPONSE_200, true);
    assert_string_equal(sent(e, "connection"), "close");
    over(e, SP_ABORT_NONE);
    w->codec_ops.protocol = SP_HTTP_2;
    e = ask(w, GET("/"), true);
    respond(e, RESPONSE_200, true);
    assert_string_equal(sent(e, "connection"), "-");
    over(e, SP_ABORT_NONE);
    world_free(w);
    w = world_new("common_http_protocol_options: {max_requests_per_connection: 1}\n", NULL, NULL);
    e = ask(w, GET("/"), true);
    assert_int_equal(w->drains, 1);
    respond(e, RESPONSE_200, true);
    assert_string_equal(sent(e, "connection"), "close");
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_cx_max_requests_reached"), 1);
    world_free(w);
}

static void test_interim_heads(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER ROUTER_FILTER, NULL);
    struct exchange *e = ask(w, ":method: POST\n:scheme: http\n:authority: a\n:path: /\nexpect: 100-continue\n"
                                "content-length: 3\n", false);
    assert_non_null(e->info);
    assert_int_equal(e->info->status, 100);
    assert_string_equal(routed(e, "expect"), "-");
    e->info = NULL;
    respond(e, ":status: 100\n", false); /* the client has had one */
    assert_null(e->info);
    respond(e, ":status: 103\nlink: x\n", false);
    assert_int_equal(e->info->status, 103);
    ask_data(e, "abc", true);
    respond(e, RESPONSE_200, true);
    assert_int_equal(e->head->status, 200);
    over(e, SP_ABORT_NONE);
    assert_int_equal(world_stat("http.test.downstream_rq_1xx"), 2);
    fake_decode[SHIELD] = refuse_403; /* who is refused is not asked for a body */
    e = ask(w, GET("/") "expect: 100-continue\ncontent-length: 3\n", false);
    assert_null(e->info);
    assert_int_equal(e->head->status, 403);
    assert_true(e->cancelled);
    over(e, SP_ABORT_NONE);
    fake_decode[SHIELD] = NULL;
    w->codec_ops.protocol = SP_HTTP_10;
    e = ask(w, GET("/") "expect: 100-continue\n", false);
    respond(e, ":status: 103\n", false);
    assert_null(e->info);
    ask_data(e, "", true);
    respond(e, RESPONSE_200, true);
    over(e, SP_ABORT_NONE);
    world_free(w);
}

static enum sp_status clears(struct sp_filter *f, struct sp_headers *h, bool end)
{
    h->path = SP_STR("/b");
    sp_filter_clear_route(f);
    return SP_CONTINUE;
}

static void test_route_matched_anew(void **state)
{
    struct world *w = world_new(NULL, JWT_FILTER ROUTER_FILTER,
                                "- {name: a, match: {path: /a}, direct_response: {status: 200}}\n"
                                "- {name: b, match: {path: /b}, direct_response: {status: 201}}\n");
    fake_decode[JWT] = clears;
    struct exchange *e = ask(w, GET("/a"), true);
    assert_int_equal(e->head->status, 201);
    assert_true(sp_str_eq(info_of(e)->route_name, SP_STR("b")));
    over(e, SP_ABORT_NONE);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_gates_before_route),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_escaped_slash_redirect),
        cmocka_unit_test(test_upgrades),
        cmocka_unit_test(test_connect),
        cmocka_unit_test(test_direct_and_redirect),
        cmocka_unit_test(test_require_tls),
        cmocka_unit_test(test_response_headers),
        cmocka_unit_test(test_header_ops_order),
        cmocka_unit_test(test_header_ops_of_local_replies),
        cmocka_unit_test(test_drain),
        cmocka_unit_test(test_interim_heads),
        cmocka_unit_test(test_route_matched_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
