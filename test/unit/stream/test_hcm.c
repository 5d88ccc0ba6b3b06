/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling a connection manager: defaults, options, the order of filters, what is refused and how that reads.
 */
#include <stdlib.h>

#include "stats/stats.h"
#include "stream/chain_route.h"
#include "stream/stream_impl.h"
#include "stream_support.h"

static void refused(const char *yaml, const char *filters, const char *routes, const char *expected)
{
    char *said = world_errors(yaml, filters, routes, false);
    if (!strstr(said, expected) || !*said)
        fail_msg("expected: %s\nsaid: %s", expected, said);
    free(said);
}

static void test_defaults(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    struct sp_wire_setup s;
    sp_hcm_wire_setup(w->hcm, &s);
    assert_null(s.tls);
    assert_int_equal(s.codec, SP_CODEC_AUTO);
    assert_int_equal(s.idle_ns, 3600 * SP_NS_PER_S);
    assert_int_equal(s.headers_ns, 10 * SP_NS_PER_S);
    assert_int_equal(s.delayed_close_ns, SP_NS_PER_S);
    assert_int_equal(s.max_age_ns, 0);
    assert_int_equal(s.buffer_limit, 1 << 20);
    assert_int_equal(s.config.max_header_bytes, 60 * 1024);
    assert_int_equal(s.config.max_headers, 100);
    assert_int_equal(s.config.h2_max_streams, 100);
    assert_int_equal(s.config.h2_stream_window, 65536);
    assert_int_equal(s.config.h2_conn_window, 1048576);
    assert_true(s.config.server && s.config.h1_allow_absolute_url && s.config.h2_stream_error_on_invalid);
    assert_false(s.config.h1_keep_open_on_error || s.config.h1_accept_10 || s.config.h1_trailers);
    assert_int_equal(w->hcm->idle_ns, 300 * SP_NS_PER_S);
    assert_int_equal(w->hcm->request_ns, 0);
    assert_true(sp_str_eq(w->hcm->server_name, SP_STR("sallyport")));
    assert_true(sp_str_eq(sp_hcm_stat_prefix(w->hcm), SP_STR("test")));
    assert_true(sp_hcm_cx(w->hcm)->total.cell != 0);
    world_free(w);
}

static void test_options(void **state)
{
    struct world *w = world_new(
        "codec_type: http2\nstream_idle_timeout: 0s\nrequest_timeout: 5s\nrequest_headers_timeout: 0s\n"
        "delayed_close_timeout: 2s\nmax_request_headers_kb: 96\nstream_error_on_invalid_http_message: true\n"
        "path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT\nnormalize_path: true\nmerge_slashes: true\n"
        "common_http_protocol_options: {idle_timeout: 60s, max_connection_duration: 90s, max_stream_duration: 7s,"
        " max_headers_count: 50, headers_with_underscores_action: DROP_HEADER, max_requests_per_connection: 3}\n"
        "http_protocol_options: {accept_http_10: true, default_host_for_http_10: x.test, enable_trailers: true,"
        " allow_absolute_url: false, allow_chunked_length: true,"
        " override_stream_error_on_invalid_http_message: false}\n"
        "http2_protocol_options: {hpack_table_size: 0, max_concurrent_streams: 7, initial_stream_window_size: 70000,"
        " initial_connection_window_size: 80000, max_outbound_frames: 11, max_outbound_control_frames: 12,"
        " max_consecutive_inbound_frames_with_empty_payload: 13, max_inbound_priority_frames_per_stream: 14,"
        " max_inbound_window_update_frames_per_data_frame_sent: 15, connection_keepalive: {interval: 1s, timeout: 2s},"
        " override_stream_error_on_invalid_http_message: false}\n",
        NULL, NULL);
    struct sp_wire_setup s;
    sp_hcm_wire_setup(w->hcm, &s);
    assert_int_equal(s.codec, SP_CODEC_H2);
    assert_int_equal(s.idle_ns, 60 * SP_NS_PER_S);
    assert_int_equal(s.max_age_ns, 90 * SP_NS_PER_S);
    assert_int_equal(s.headers_ns, 0);
    assert_int_equal(s.delayed_close_ns, 2 * SP_NS_PER_S);
    assert_int_equal(s.config.max_header_bytes, 96 * 1024);
    assert_int_equal(s.config.max_headers, 50);
    assert_int_equal(s.config.underscores, 2);
    assert_true(s.config.h1_accept_10 && s.config.h1_trailers && s.config.h1_allow_chunked_length);
    assert_false(s.config.h1_allow_absolute_url || s.config.h1_keep_open_on_error);
    assert_false(s.config.h2_stream_error_on_invalid);
    assert_true(sp_str_eq(s.config.h1_default_host, SP_STR("x.test")));
    assert_int_equal(s.config.h2_table_size, 0);
    assert_int_equal(s.config.h2_max_streams, 7);
    assert_int_equal(s.config.h2_stream_window, 70000);
    assert_int_equal(s.config.h2_conn_window, 80000);
    assert_int_equal(s.config.h2_max_outbound, 11);
    assert_int_equal(s.config.h2_max_outbound_control, 12);
    assert_int_equal(s.config.h2_max_empty_frames, 13);
    assert_int_equal(s.config.h2_max_priority_per_stream, 14);
    assert_int_equal(s.config.h2_max_window_update_per_data, 15);
    assert_int_equal(s.config.h2_ping_interval_ns, SP_NS_PER_S);
    assert_int_equal(s.config.h2_ping_timeout_ns, 2 * SP_NS_PER_S);
    assert_int_equal(w->hcm->idle_ns, 0);
    assert_int_equal(w->hcm->request_ns, 5 * SP_NS_PER_S);
    assert_int_equal(w->hcm->max_duration_ns, 7 * SP_NS_PER_S);
    assert_int_equal(w->hcm->max_requests, 3);
    assert_int_equal(w->hcm->path.escaped_slashes, SP_SLASHES_REDIRECT);
    world_free(w);
}

static void test_order_of_filters(void **state)
{
    struct world *w = world_new(NULL, SHIELD_FILTER RESTRICTION_FILTER JWT_FILTER MUTATION_FILTER ROUTER_FILTER, NULL);
    assert_int_equal(w->hcm->plan.n, 5);
    assert_int_equal(w->hcm->plan.n_gates, 2);
    assert_true(w->hcm->proof_gate);
    world_free(w);
    refused(NULL, JWT_FILTER SHIELD_FILTER ROUTER_FILTER, NULL,
            "http_filters[1]: origin_shield is a gate and has to stand before jwt (order: gates, then filters, the "
            "router last)");
    refused(NULL, ROUTER_FILTER JWT_FILTER, NULL,
            "http_filters[0]: router ends the chain: nothing behind it would ever run (put it last)");
    refused(NULL, JWT_FILTER, NULL,
            "http_filters[0]: the last filter has to be one that ends the chain (add the router)");
    refused(NULL, SHIELD_FILTER, NULL, "the last filter has to be one that ends the chain");
    refused(NULL, JWT_FILTER JWT_FILTER ROUTER_FILTER, NULL,
            "http_filters[1]: a filter named \"jwt\" stands above already");
    refused(NULL, "- {name: x, typed_config: {\"@type\": "
                  "type.googleapis.com/envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer}}\n" ROUTER_FILTER,
            NULL, "http_filters[0]: envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer is no HTTP filter");
    refused(NULL, "- {name: r, disabled: true, typed_config: {\"@type\": "
                  "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n",
            NULL, "http_filters[0].disabled: router cannot be disabled (remove it)");
}

static void test_too_many_filters(void **state)
{
    char filters[16384] = "";
    for (int i = 0; i <= SP_CHAIN_MAX_FILTERS; i++)
        snprintf(filters + strlen(filters), sizeof(filters) - strlen(filters),
                 "- {name: f%d, typed_config: {\"@type\": "
                 "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}\n", i);
    char *big = malloc(32768);
    snprintf(big, 32768, "stat_prefix: test\nhttp_filters:\n%sroute_config: {virtual_hosts: []}\n", filters);
    struct t_config c;
    sp_stats_init(1);
    const ProtobufCMessageDescriptor *type =
        &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor;
    t_config_load(&c, type, big);
    const struct sp_hcm_build b = {.doc = c.doc, .diag = &c.diag, .registry = fake_registry,
                                   .find_cluster = (void *)(uintptr_t)abort};
    assert_null(sp_hcm_new(&b, c.msg));
    assert_non_null(strstr(t_config_said(&c), "more than 64 filters"));
    t_config_done(&c);
    sp_stats_done();
    free(big);
}

/* Whom a gate may take for the client. */
static void test_client_derived(void **state)
{
    world_free(world_new(NULL, RESTRICTION_FILTER JWT_FILTER ROUTER_FILTER, NULL));
    assert_false(fake_derived[RESTRICTION]);
    assert_true(fake_derived[JWT]);
    world_free(world_new("use_remote_address: true\n", RESTRICTION_FILTER JWT_FILTER ROUTER_FILTER, NULL));
    assert_true(fake_derived[RESTRICTION]);
    world_free(world_new("xff_num_trusted_hops: 1\n", RESTRICTION_FILTER ROUTER_FILTER, NULL));
    assert_true(fake_derived[RESTRICTION]);
    /* Where one gate proves, what the connection manager would say is not believed before that. */
    world_free(world_new("xff_num_trusted_hops: 1\n", SHIELD_FILTER RESTRICTION_FILTER ROUTER_FILTER, NULL));
    assert_false(fake_derived[RESTRICTION]);
}

#define PER_ROUTE \
    "{\"@type\": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute}"
#define FILTER_CONFIG(x) "{\"@type\": type.googleapis.com/envoy.config.route.v3.FilterConfig, " x "}"
#define ROUTE_WITH(x) "- match: {prefix: /}\n  route: {cluster: c}\n  typed_per_filter_config: {" x "}\n"

static void test_filter_configs_refused(void **state)
{
    refused(NULL, SHIELD_FILTER MUTATION_FILTER ROUTER_FILTER, ROUTE_WITH("shield: " FILTER_CONFIG("disabled: true")),
            "origin_shield is a gate: it decides before any route is matched, and no route can change it");
    refused(NULL, MUTATION_FILTER ROUTER_FILTER, ROUTE_WITH("mutatoin: " PER_ROUTE),
            "no filter named \"mutatoin\" is in http_filters (did you mean \"mutation\"?)");
    refused(NULL, MUTATION_FILTER ROUTER_FILTER, ROUTE_WITH("something: " PER_ROUTE),
            "no filter named \"something\" is in http_filters (the keys are names of http_filters)");
    refused(NULL, JWT_FILTER ROUTER_FILTER, ROUTE_WITH("jwt: " PER_ROUTE),
            "jwt_authn takes no config for a route (only a FilterConfig with `disabled`)");
    refused(NULL, MUTATION_FILTER ROUTER_FILTER,
            ROUTE_WITH("mutation: {\"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}"),
            "header_mutation takes envoy.extensions.filters.http.header_mutation.v3.HeaderMutationPerRoute here, not");
    refused(NULL, NULL, ROUTE_WITH("router: " FILTER_CONFIG("disabled: true")), "router ends the chain and cannot be "
                                                                                "disabled");
    char *said = world_errors(NULL, NULL, ROUTE_WITH("other: " FILTER_CONFIG("is_optional: true")), false);
    assert_string_equal(said, "");
    free(said);
}

static void test_other_refusals(void **state)
{
    static const char xff[] = "original_ip_detection_extensions:\n- name: x\n  typed_config:\n    \"@type\": "
                              "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig\n";
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "use_remote_address: true\n%s", xff);
    refused(yaml, NULL, NULL, "original_ip_detection_extensions: cannot stand beside use_remote_address");
    snprintf(yaml, sizeof(yaml), "xff_num_trusted_hops: 1\n%s", xff);
    refused(yaml, NULL, NULL, "original_ip_detection_extensions: cannot stand beside xff_num_trusted_hops");
    snprintf(yaml, sizeof(yaml), "%s    xff_num_trusted_hops: 1\n"
                                 "    xff_trusted_cidrs: {cidrs: [{address_prefix: 10.0.0.0, prefix_len: 8}]}\n", xff);
    refused(yaml, NULL, NULL, "xff_num_trusted_hops: cannot stand beside xff_trusted_cidrs");
    snprintf(yaml, sizeof(yaml), "%s    xff_trusted_cidrs: {cidrs: [{address_prefix: 10.0.0.1, prefix_len: 8}]}\n",
             xff);
    refused(yaml, NULL, NULL, "cidrs[0]: 10.0.0.1/8: ");
    static const char header[] = "original_ip_detection_extensions:\n- name: x\n  typed_config:\n    \"@type\": type.googleapis.com/"
                                 "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig\n";
    snprintf(yaml, sizeof(yaml), "%s    header_name: X-Forwarded-For\n", header);
    refused(yaml, NULL, NULL, "header_name: not the name of an ordinary header");
    snprintf(yaml, sizeof(yaml), "use_remote_address: true\n%s    header_name: x-client\n", header);
    refused(yaml, NULL, NULL, "original_ip_detection_extensions: cannot stand beside use_remote_address");
    refused("internal_address_config: {cidr_ranges: [{address_prefix: x, prefix_len: 8}]}\n", NULL, NULL,
            "cidr_ranges[0]: x/8: ");
    refused("strip_any_host_port: true\nstrip_matching_host_port: true\n", NULL, NULL,
            "strip_matching_host_port: cannot stand beside strip_any_host_port");
    refused("http_protocol_options: {default_host_for_http_10: \"a b\"}\n", NULL, NULL,
            "default_host_for_http_10: \"a b\" is no host name with an optional port");
    refused(NULL, NULL, "- {match: {prefix: /}, route: {cluster: unknown}}\n", "unknown");
    refused("forward_client_cert_details: SANITIZE_SET\n", NULL, NULL,
            "the filter chain verifies no client certificates: the header is always removed"); /* a warning */
    char *said = world_errors("forward_client_cert_details: SANITIZE_SET\n"
                              "strip_any_host_port: true\nstrip_matching_host_port: true\n", NULL, NULL, false);
    assert_non_null(strstr(said, "cannot stand beside"));
    assert_null(strstr(said, "verifies no client certificates")); /* beside an error it may be wrong */
    free(said);
    said = world_errors("forward_client_cert_details: SANITIZE_SET\n", NULL, NULL, true);
    assert_string_equal(said, "");
    free(said);
}

static void test_trusted_cidrs_compile(void **state)
{
    struct world *w = world_new("original_ip_detection_extensions:\n- name: x\n  typed_config:\n    \"@type\": "
                                "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig\n"
                                "    xff_trusted_cidrs: {cidrs: [{address_prefix: 192.0.2.0, prefix_len: 24}]}\n"
                                "    skip_xff_append: false\n"
                                "internal_address_config: {unix_sockets: true, cidr_ranges: [{address_prefix: \"::1\", "
                                "prefix_len: 128}]}\n",
                                NULL, NULL);
    assert_int_equal(w->hcm->client.n_ext, 1);
    assert_non_null(w->hcm->client.ext[0].trusted);
    assert_non_null(w->hcm->client.internal);
    assert_true(w->hcm->client.internal_unix && w->hcm->client.ext[0].append);
    world_free(w);
}

/* weighted cluster > route > virtual host > table. */
static void test_most_specific_config(void **state)
{
    struct world *w = world_new(NULL, MUTATION_FILTER JWT_FILTER ROUTER_FILTER,
        "typed_per_filter_config: {mutation: " FILTER_CONFIG("disabled: true") "}\n"
        "virtual_hosts:\n"
        "- name: v\n"
        "  domains: [v.test]\n"
        "  typed_per_filter_config: {mutation: " PER_ROUTE "}\n"
        "  routes:\n"
        "  - {match: {prefix: /plain}, route: {cluster: c}}\n"
        "  - {match: {prefix: /off}, route: {cluster: c}, typed_per_filter_config: {jwt: "
        FILTER_CONFIG("disabled: true") ", mutation: " FILTER_CONFIG("disabled: true") "}}\n"
        "  - {match: {prefix: /w}, route: {weighted_clusters: {clusters: [{name: c, weight: 1, "
        "typed_per_filter_config: {mutation: " FILTER_CONFIG("config: " PER_ROUTE) "}}]}}, "
        "typed_per_filter_config: {mutation: "
        FILTER_CONFIG("disabled: true") "}}\n"
        "- {name: rest, domains: [\"*\"], routes: [{match: {prefix: /}, route: {cluster: c}}]}\n");
    static const struct {
        const char *authority, *path;
        bool mutation, jwt, config;
    } cases[] = {{"v.test", "/plain", true, true, true},
                 {"v.test", "/off", false, false, false},
                 {"v.test", "/w", true, true, true},
                 {"x.test", "/", false, true, false}};
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        char lines[256];
        snprintf(lines, sizeof(lines), ":method: GET\n:scheme: http\n:authority: %s\n:path: %s\n", cases[i].authority,
                 cases[i].path);
        memset(fake_seen, 0, sizeof(fake_seen));
        struct exchange *e = ask(w, lines, true);
        assert_int_equal(fake_seen[MUTATION], cases[i].mutation);
        assert_int_equal(fake_seen[JWT], cases[i].jwt);
        assert_int_equal(fake_seen[ROUTER], 1);
        const void *config = sp_filter_route_config(filter_of(e, 0));
        assert_int_equal(config != NULL, cases[i].config);
        if (config)
            assert_non_null(strstr(config, "mutation"));
        respond(e, ":status: 200\n", true);
        over(e, SP_ABORT_NONE);
    }
    world_free(w);
}

/* HttpFilter.disabled: a route's config, or an empty FilterConfig, switches it on. */
static void test_switched_on(void **state)
{
    struct world *w = world_new(NULL,
        "- {name: mutation, disabled: true, typed_config: {\"@type\": "
        "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation}}\n" ROUTER_FILTER,
        "- {match: {prefix: /on}, route: {cluster: c}, typed_per_filter_config: {mutation: " PER_ROUTE "}}\n"
        "- {match: {prefix: /switch}, route: {cluster: c}, typed_per_filter_config: {mutation: "
        FILTER_CONFIG("disabled: false") "}}\n"
        "- {match: {prefix: /}, route: {cluster: c}}\n");
    static const char *const paths[] = {GET("/on"), GET("/switch"), GET("/off")};
    for (int i = 0; i < 3; i++) {
        memset(fake_seen, 0, sizeof(fake_seen));
        memset(fake_destroyed, 0, sizeof(fake_destroyed));
        struct exchange *e = ask(w, paths[i], true);
        assert_int_equal(fake_seen[MUTATION], i < 2);
        respond(e, ":status: 200\n", true);
        over(e, SP_ABORT_NONE);
        assert_int_equal(fake_destroyed[MUTATION], i < 2);
        assert_int_equal(fake_destroyed[ROUTER], 1);
    }
    world_free(w);
}

static void test_codec_events(void **state)
{
    struct world *w = world_new(NULL, NULL, NULL);
    const struct {
        enum sp_codec_event ev;
        const char *detail;
        unsigned status;
        const char *stat;
    } cases[] = {
        {SP_CE_BAD_REQUEST, "http1.invalid_url", 400, "http.test.downstream_rq_4xx"},
        {SP_CE_HEADERS_TIMEOUT, "request_header_timeout", 408, "http.test.downstream_rq_header_timeout"},
        {SP_CE_HEADERS_DROPPED_UNDERSCORE, "http1.dropped_underscore", 0, "http1.dropped_headers_with_underscores"},
        {SP_CE_REQUESTS_REJECTED_UNDERSCORE, "http2.underscore", 0,
         "http2.requests_rejected_with_underscores_in_headers"},
        {SP_CE_BAD_REQUEST, "http2.invalid_path", 0, "http2.rx_messaging_error"},
        {SP_CE_TOO_MANY_HEADERS, "http2.too_many_headers", 431, "http2.header_overflow"},
        {SP_CE_RX_RESET, "http2.rx_reset", 0, "http2.rx_reset"},
        {SP_CE_TX_RESET, "http2.tx_reset", 0, "http2.tx_reset"},
        {SP_CE_FLOOD, "http2.empty_frames_flood", 0, "http2.inbound_empty_frames_flood"},
        {SP_CE_FLOOD, "http2.priority_flood", 0, "http2.inbound_priority_frames_flood"},
        {SP_CE_FLOOD, "http2.window_update_flood", 0, "http2.inbound_window_update_frames_flood"},
        {SP_CE_FLOOD, "http2.outbound_flood", 0, "http2.outbound_flood"},
        {SP_CE_FLOOD, "http2.ping_flood", 0, "http2.outbound_control_flood"},
        {SP_CE_FLOOD, "http2.premature_reset_flood", 0, "http.test.downstream_rq_too_many_premature_resets"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        uint64_t before = world_stat(cases[i].stat), requests = world_stat("http.test.downstream_rq_total");
        sp_hcm_codec_event(w->hcm, &w->conn, &w->turn, cases[i].ev, cases[i].detail, cases[i].status);
        if (world_stat(cases[i].stat) != before + 1)
            fail_msg("%s was not counted", cases[i].stat);
        assert_int_equal(world_stat("http.test.downstream_rq_total"), requests + (cases[i].status != 0));
    }
    assert_int_equal(world_stat("http.test.downstream_rq_completed"), 3);
    assert_int_equal(world_stat("listener.l.http.test.downstream_rq_4xx"), 3);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_order_of_filters),
        cmocka_unit_test(test_too_many_filters),
        cmocka_unit_test(test_client_derived),
        cmocka_unit_test(test_filter_configs_refused),
        cmocka_unit_test(test_other_refusals),
        cmocka_unit_test(test_trusted_cidrs_compile),
        cmocka_unit_test(test_most_specific_config),
        cmocka_unit_test(test_switched_on),
        cmocka_unit_test(test_codec_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
