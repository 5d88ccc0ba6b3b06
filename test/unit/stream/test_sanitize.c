/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the connection manager makes of a request's head, and whom it believes. Where Envoy has the same settings, what
 * is expected was read off a running Envoy (1.40).
 */
#include "stats/stats.h"
#include "stream/sanitize.h"
#include "stream_support.h"

static struct world *w;
static struct exchange *e;

static void start(const char *yaml, const char *filters)
{
    w = world_new(yaml, filters, NULL);
    w->hcm->local = (struct sp_addr){.family = AF_INET, .ip = {198, 51, 100, 7}};
}

static void done(void)
{
    respond(e, ":status: 200\n", true);
    over(e, SP_ABORT_NONE);
    e = NULL;
}

static void request(const char *lines)
{
    if (e)
        done();
    char text[4096];
    snprintf(text, sizeof(text), "%s%s", GET("/"), lines);
    e = ask(w, text, true);
}

static void stop(void)
{
    done();
    world_free(w);
}

static const char *client(void)
{
    static char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&info_of(e)->client, text);
    return text;
}

#define EXPECT(name, value) assert_string_equal(routed(e, name), value)

static void test_xff_at_the_edge(void **state)
{
    start("use_remote_address: true\n", NULL);
    request("");
    EXPECT("x-forwarded-for", "192.0.2.5");
    EXPECT("x-envoy-external-address", "192.0.2.5");
    EXPECT("x-forwarded-proto", "http");
    assert_string_equal(client(), "192.0.2.5");
    request("x-forwarded-for: 203.0.113.128, 203.0.113.10, 203.0.113.1\n");
    EXPECT("x-forwarded-for", "203.0.113.128, 203.0.113.10, 203.0.113.1,192.0.2.5");
    request("x-forwarded-for: 1.1.1.1\nx-forwarded-for: 2.2.2.2\n");
    EXPECT("x-forwarded-for", "1.1.1.1,2.2.2.2,192.0.2.5");
    request("x-forwarded-for: \n");
    EXPECT("x-forwarded-for", "192.0.2.5");
    request("x-a: 1\nx-forwarded-for: 1.1.1.1\nx-b: 2\nx-forwarded-for: 2.2.2.2\nx-forwarded-proto: https\n"
            "x-request-id: r\nx-forwarded-for: 3.3.3.3\nvia: v\nx-envoy-external-address: e\nvia: w\nx-c: 3\n");
    EXPECT("x-forwarded-for", "1.1.1.1,2.2.2.2,3.3.3.3,192.0.2.5"); /* lines that move do not get mixed up */
    EXPECT("x-forwarded-proto", "http");
    EXPECT("x-envoy-external-address", "192.0.2.5");
    EXPECT("via", "v,w");
    EXPECT("x-a", "1");
    EXPECT("x-b", "2");
    EXPECT("x-c", "3");
    assert_int_equal(strlen(routed(e, "x-request-id")), 36);
    request("x-forwarded-proto: https\nx-forwarded-host: h\nx-forwarded-port: 99\nforwarded: for=1\n");
    EXPECT("x-forwarded-proto", "http");
    EXPECT(":scheme", "http");
    EXPECT("x-forwarded-host", "h");
    EXPECT("x-forwarded-port", "99");
    stop();
    start("use_remote_address: true\nskip_xff_append: true\n", NULL);
    request("x-forwarded-for: 1.1.1.1\n");
    EXPECT("x-forwarded-for", "1.1.1.1");
    request("");
    EXPECT("x-forwarded-for", "-");
    stop();
    start("use_remote_address: true\n", NULL); /* the loopback: this host's address */
    sp_addr_parse(SP_STR("127.0.0.1:5"), &w->conn.peer);
    request("");
    EXPECT("x-forwarded-for", "198.51.100.7");
    EXPECT("x-envoy-external-address", "127.0.0.1");
    w->conn.peer = (struct sp_addr){.family = AF_UNIX, .path = ""};
    request("x-forwarded-for: 1.1.1.1\n");
    EXPECT("x-forwarded-for", "1.1.1.1");
    EXPECT("x-envoy-external-address", "-");
    stop();
}

static void test_trusted_hops(void **state)
{
    start("use_remote_address: true\nxff_num_trusted_hops: 2\n", NULL);
    request("x-forwarded-for: 203.0.113.128, 203.0.113.10, 203.0.113.1\nx-forwarded-proto: https\n");
    assert_string_equal(client(), "203.0.113.10");
    EXPECT("x-envoy-external-address", "203.0.113.10");
    EXPECT("x-forwarded-for", "203.0.113.128, 203.0.113.10, 203.0.113.1,192.0.2.5");
    EXPECT("x-forwarded-proto", "https"); /* such proxies are believed */
    EXPECT(":scheme", "https");
    request("x-forwarded-proto: foo\n");
    EXPECT("x-forwarded-proto", "foo");
    EXPECT(":scheme", "http");
    assert_true(info_of(e)->client_failed);
    stop();
    start("xff_num_trusted_hops: 2\n", NULL);
    request("x-forwarded-for: 203.0.113.128, 203.0.113.10, 203.0.113.1, 192.0.2.5\n"
            "x-envoy-external-address: 9.9.9.9\n");
    assert_string_equal(client(), "203.0.113.10");
    EXPECT("x-envoy-external-address", "9.9.9.9");
    EXPECT("x-forwarded-for", "203.0.113.128, 203.0.113.10, 203.0.113.1, 192.0.2.5");
    stop();
}

#define ALL_ENVOY \
    "x-envoy-retriable-status-codes: 1\nx-envoy-retriable-header-names: 1\nx-envoy-retry-on: 1\n" \
    "x-envoy-retry-grpc-on: 1\nx-envoy-max-retries: 1\nx-envoy-upstream-alt-stat-name: 1\n" \
    "x-envoy-upstream-rq-timeout-ms: 1\nx-envoy-upstream-rq-per-try-timeout-ms: 1\n" \
    "x-envoy-upstream-rq-timeout-alt-response: 1\nx-envoy-expected-rq-timeout-ms: 1\nx-envoy-force-trace: 1\n" \
    "x-envoy-ip-tags: 1\nx-envoy-original-url: 1\nx-envoy-hedge-on-per-try-timeout: 1\n" \
    "x-envoy-decorator-operation: 1\nx-envoy-downstream-service-cluster: 1\nx-envoy-downstream-service-node: 1\n" \
    "x-envoy-original-path: 1\nx-envoy-original-host: 1\nx-envoy-internal: true\nx-envoy-external-address: 1\n" \
    "x-envoy-other: 1\n"

/* How many of the x-envoy headers are left. */
static unsigned envoy_headers(void)
{
    unsigned n = 0;
    for (unsigned i = 0; i < e->request.n; i++)
        n += sp_str_starts(e->request.v[i].name, SP_STR("x-envoy-"));
    return n;
}

static void test_envoy_headers(void **state)
{
    start("", NULL);
    request(ALL_ENVOY);
    assert_int_equal(envoy_headers(), 7); /* five of the edge's, external-address and other */
    EXPECT("x-envoy-internal", "-");
    EXPECT("x-envoy-external-address", "1");
    stop();
    start("use_remote_address: true\n", NULL);
    request(ALL_ENVOY);
    assert_int_equal(envoy_headers(), 2);
    EXPECT("x-envoy-external-address", "192.0.2.5");
    EXPECT("x-envoy-other", "1");
    stop();
    start("use_remote_address: true\ninternal_address_config: {cidr_ranges: [{address_prefix: 192.0.2.0, prefix_len: "
          "24}]}\n", NULL);
    request(ALL_ENVOY);
    EXPECT("x-envoy-internal", "true");
    EXPECT("x-envoy-retry-on", "1");
    EXPECT("x-envoy-original-path", "1");
    stop();
}

static void test_internal_only_headers(void **state)
{
    w = world_new("use_remote_address: true\n", NULL,
                  "internal_only_headers: [x-secret]\n"
                  "virtual_hosts: [{name: v, domains: [\"*\"], routes: [{match: {prefix: /}, route: {cluster: c}}]}]"
                  "\n");
    request("x-secret: 1\nx-other: 2\n");
    EXPECT("x-secret", "-");
    EXPECT("x-other", "2");
    stop();
}

static void test_request_id(void **state)
{
    start("", NULL);
    request("x-request-id: abc\n");
    EXPECT("x-request-id", "abc");
    assert_true(sp_str_eq(info_of(e)->request_id, SP_STR("abc")));
    request("");
    struct sp_str id = info_of(e)->request_id;
    assert_int_equal(id.len, 36);
    assert_int_equal(id.ptr[14], '4');
    assert_non_null(memchr("89ab", id.ptr[19], 4));
    assert_true(id.ptr[8] == '-' && id.ptr[13] == '-' && id.ptr[18] == '-' && id.ptr[23] == '-');
    stop();
    start("use_remote_address: true\n", NULL); /* from outside nobody's is kept */
    request("x-request-id: abc\n");
    assert_int_equal(strlen(routed(e, "x-request-id")), 36);
    stop();
    start("use_remote_address: true\npreserve_external_request_id: true\n", NULL);
    request("x-request-id: abc\n");
    EXPECT("x-request-id", "abc");
    stop();
    start("generate_request_id: false\n", NULL);
    request("");
    EXPECT("x-request-id", "-");
    stop();
}

static void test_hop_by_hop(void **state)
{
    start("", NULL);
    request("connection: x\nkeep-alive: 5\nproxy-connection: y\ntransfer-encoding: chunked\nupgrade: z\n"
            "http2-settings: AA\nte: trailers\nexpect: 100-continue\n");
    static const char *const gone[] = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade",
                                       "http2-settings", "expect"};
    for (size_t i = 0; i < SP_ARRAY_LEN(gone); i++)
        EXPECT(gone[i], "-");
    EXPECT("te", "trailers");
    request("expect: something\n");
    EXPECT("expect", "something");
    stop();
}

static void test_trailers(void **state)
{
    static const char *const gone[] = {"x-forwarded-for", "x_forwarded_for", "x-envoy-internal", "x_envoy_external-address",
                                       "x-envoy-external-address", "x-envoy-original-path", "x-envoy-upstream-rq-timeout-ms",
                                       "x-request-id", "x-forwarded_client_cert", "via", "forwarded", "content_length",
                                       "x_origin_verify"};
    static const char *const stay[] = {"x-checksum", "grpc-status", "x_forwarded_four"};
    struct sp_arena arena;
    struct sp_headers t;
    w = world_new("", NULL, NULL);
    sp_arena_init(&arena);
    sp_headers_init(&t, &arena);
    for (size_t i = 0; i < SP_ARRAY_LEN(gone); i++)
        sp_headers_add(&t, sp_str_c(gone[i]), SP_STR("1"));
    for (size_t i = 0; i < SP_ARRAY_LEN(stay); i++)
        sp_headers_add(&t, sp_str_c(stay[i]), SP_STR("1"));
    sp_sanitize_trailers(w->hcm, &t);
    assert_int_equal(t.n, SP_ARRAY_LEN(stay));
    for (size_t i = 0; i < SP_ARRAY_LEN(stay); i++)
        assert_int_equal(sp_headers_count(&t, sp_str_c(stay[i])), 1);
    sp_arena_done(&arena);
    world_free(w);
}

static void test_referer(void **state)
{
    static const char *const good[] = {"http://x.y/z", "HTTP://X/", "https://a", "/path", "a/b:c", "x://y"};
    static const char *const bad[] = {"about:blank", "https://a/?q#f", "http://u@h/", "http://", "http:///x", "", "#",
                                      "a:b", "android-app://x"};
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++)
        if (!sp_referer_valid(sp_str_c(good[i])))
            fail_msg("%s", good[i]);
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        if (sp_referer_valid(sp_str_c(bad[i])))
            fail_msg("%s", bad[i]);
    start("", NULL);
    request("referer: http://a/b\n");
    EXPECT("referer", "http://a/b");
    request("referer: http://a/b\nreferer: http://c\n");
    EXPECT("referer", "-");
    stop();
}

static void test_scheme(void **state)
{
    start("use_remote_address: true\n", NULL);
    w->codec_ops.protocol = SP_HTTP_2;
    e = ask(w, ":method: GET\n:scheme: https\n:authority: a\n:path: /\n", true); /* over a plain connection */
    EXPECT(":scheme", "http");
    EXPECT("x-forwarded-proto", "http");
    stop();
    start("", NULL);
    w->codec_ops.protocol = SP_HTTP_2;
    e = ask(w, ":method: GET\n:scheme: https\n:authority: a\n:path: /\n", true);
    EXPECT(":scheme", "https");
    stop();
    start("use_remote_address: true\n", NULL);
    w->conn.tls_used = true;
    request("x-forwarded-proto: http\n");
    EXPECT(":scheme", "https");
    EXPECT("x-forwarded-proto", "https");
    stop();
}

static void test_forwarded_port(void **state)
{
    start("use_remote_address: true\nappend_x_forwarded_port: true\n", NULL);
    request("x-forwarded-port: 1\n");
    EXPECT("x-forwarded-port", "8080");
    stop();
    start("append_x_forwarded_port: true\n", NULL);
    request("x-forwarded-port: 1\n");
    EXPECT("x-forwarded-port", "1");
    request("");
    EXPECT("x-forwarded-port", "8080");
    stop();
}

/* --- proof --- */

static enum sp_status proves(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_info(f)->proven = true;
    return SP_CONTINUE;
}

static enum sp_status proves_and_derives(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct sp_stream_info *info = sp_filter_info(f);
    assert_true(sp_addr_eq(&info->client, &info->conn->peer, true)); /* nobody is believed yet */
    assert_false(info->client_derived || info->client_failed);
    info->proven = info->client_derived = true;
    sp_addr_parse_ip(SP_STR("203.0.113.77"), &info->client);
    return SP_CONTINUE;
}

static enum sp_status proves_and_fails(struct sp_filter *f, struct sp_headers *h, bool end)
{
    sp_filter_info(f)->proven = sp_filter_info(f)->client_failed = true;
    return SP_CONTINUE;
}

#define FORWARDED "x-forwarded-for: 1.1.1.1\nx-forwarded-proto: https\nx-forwarded-host: evil\nx-forwarded-port: 1\n" \
                  "forwarded: for=evil\nx-envoy-original-path: /x\nx-request-id: abc\n"

/* An unproven request is a stranger's, whatever else the config trusts. */
static void test_strangers(void **state)
{
    static const char *const configs[] = {"", "use_remote_address: true\n", "xff_num_trusted_hops: 1\n",
                                          "use_remote_address: true\nxff_num_trusted_hops: 1\nskip_xff_append: true\n"};
    for (size_t i = 0; i < SP_ARRAY_LEN(configs); i++) {
        start(configs[i], SHIELD_FILTER ROUTER_FILTER);
        request(FORWARDED "cf-connecting-ip: 1.1.1.1\nx_real-ip: 1.1.1.1\nx-azure-socketip: 1.1.1.1\nx-real: 1\n");
        EXPECT("cf-connecting-ip", "-");
        EXPECT("x_real-ip", "-");
        EXPECT("x-azure-socketip", "-");
        EXPECT("x-real", "1");
        assert_string_equal(client(), "192.0.2.5");
        assert_false(info_of(e)->client_derived || info_of(e)->client_failed);
        EXPECT("x-forwarded-for", "192.0.2.5");
        EXPECT("x-forwarded-proto", "http");
        EXPECT(":scheme", "http");
        EXPECT("x-forwarded-host", "-");
        EXPECT("x-forwarded-port", "-");
        EXPECT("forwarded", "-");
        EXPECT("x-envoy-original-path", "-");
        EXPECT("x-envoy-external-address", "192.0.2.5");
        assert_int_equal(strlen(routed(e, "x-request-id")), 36);
        stop();
    }
}

/* Whatever the mode says of those who may be believed. */
static void test_certificates_of_strangers(void **state)
{
    start("forward_client_cert_details: ALWAYS_FORWARD_ONLY\n", SHIELD_FILTER ROUTER_FILTER);
    request("x-forwarded-client-cert: By=x\n");
    EXPECT("x-forwarded-client-cert", "-");
    fake_decode[SHIELD] = proves_and_derives;
    request("x-forwarded-client-cert: By=x\n");
    EXPECT("x-forwarded-client-cert", "By=x");
    stop();
}

static void test_proven(void **state)
{
    start("xff_num_trusted_hops: 0\n", SHIELD_FILTER ROUTER_FILTER);
    fake_decode[SHIELD] = proves_and_derives;
    request(FORWARDED);
    assert_string_equal(client(), "203.0.113.77");
    assert_true(info_of(e)->client_derived);
    EXPECT("x-envoy-external-address", "203.0.113.77");
    EXPECT("x-forwarded-for", "1.1.1.1");
    EXPECT("x-forwarded-proto", "https");
    EXPECT("x-forwarded-host", "evil"); /* a CDN that is who it says it is */
    EXPECT("x-envoy-original-path", "-"); /* what its clients sent is sanitised all the same */
    stop();
    start("use_remote_address: true\n", SHIELD_FILTER ROUTER_FILTER);
    fake_decode[SHIELD] = proves_and_derives;
    request(FORWARDED);
    assert_string_equal(client(), "203.0.113.77");
    EXPECT("x-forwarded-for", "1.1.1.1,192.0.2.5");
    EXPECT("x-forwarded-proto", "http"); /* hops are what x-forwarded-proto goes by */
    stop();
    start("use_remote_address: true\nxff_num_trusted_hops: 1\n", SHIELD_FILTER ROUTER_FILTER);
    fake_decode[SHIELD] = proves; /* the gate has nothing to say of CLIENT: the connection manager's rules hold */
    request(FORWARDED);
    assert_string_equal(client(), "1.1.1.1");
    assert_true(info_of(e)->client_derived);
    stop();
    start("use_remote_address: true\nxff_num_trusted_hops: 1\n", SHIELD_FILTER ROUTER_FILTER);
    fake_decode[SHIELD] = proves_and_fails; /* it had, and found no address: others are not asked */
    request(FORWARDED);
    assert_string_equal(client(), "192.0.2.5");
    assert_true(info_of(e)->client_failed);
    stop();
}

static enum sp_status looks_at_client(struct sp_filter *f, struct sp_headers *h, bool end)
{
    char text[SP_ADDR_TEXT_MAX];
    sp_addr_format_ip(&sp_filter_info(f)->client, text);
    assert_string_equal(text, "1.1.1.1");
    assert_true(sp_filter_info(f)->client_derived);
    return SP_CONTINUE;
}

/* Without a gate that proves, the gates see what the connection manager derived. */
static void test_gates_see_client(void **state)
{
    start("use_remote_address: true\nxff_num_trusted_hops: 1\n", RESTRICTION_FILTER ROUTER_FILTER);
    fake_decode[RESTRICTION] = looks_at_client;
    request("x-forwarded-for: 1.1.1.1\n");
    assert_int_equal(fake_seen[RESTRICTION], 1);
    stop();
}

static void test_trusted_cidrs(void **state)
{
    static const char yaml[] = "original_ip_detection_extensions:\n- name: x\n  typed_config:\n    \"@type\": "
                               "type.googleapis.com/envoy.extensions.http.original_ip_detection.xff.v3.XffConfig\n"
                               "    xff_trusted_cidrs: {cidrs: [{address_prefix: 192.0.2.0, prefix_len: 24}]}\n"
                               "    skip_xff_append: false\n";
    start(yaml, NULL);
    request("x-forwarded-for: 1.1.1.1\nx-forwarded-proto: https\nx-envoy-original-path: /x\n");
    assert_string_equal(client(), "1.1.1.1");
    EXPECT("x-forwarded-for", "1.1.1.1,192.0.2.5");
    EXPECT("x-forwarded-proto", "https");
    EXPECT("x-envoy-external-address", "1.1.1.1");
    EXPECT("x-envoy-original-path", "-");
    sp_addr_parse(SP_STR("198.51.100.9:5"), &w->conn.peer);
    request(FORWARDED "x-envoy-retry-on: 5xx\n");
    assert_string_equal(client(), "198.51.100.9");
    EXPECT("x-forwarded-for", "198.51.100.9");
    EXPECT("x-forwarded-proto", "http");
    EXPECT("x-forwarded-host", "-");
    EXPECT("x-forwarded-port", "-");
    EXPECT("forwarded", "-");
    EXPECT("x-envoy-original-path", "-");
    EXPECT("x-envoy-retry-on", "-");
    EXPECT("x-envoy-external-address", "198.51.100.9");
    assert_int_equal(strlen(routed(e, "x-request-id")), 36);
    stop();
}

#define CUSTOM_HEADER(more) \
    "original_ip_detection_extensions:\n- name: x\n  typed_config:\n    \"@type\": " \
    "type.googleapis.com/envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig\n" \
    "    header_name: X-Client\n" more

static void test_custom_header(void **state)
{
    start(CUSTOM_HEADER(""), NULL);
    request(FORWARDED "x-client: 203.0.113.9\n");
    assert_string_equal(client(), "203.0.113.9");
    EXPECT("x-envoy-external-address", "203.0.113.9");
    EXPECT("x-envoy-original-path", "-"); /* it is an edge */
    EXPECT("x-forwarded-proto", "http");  /* and nobody is proven */
    EXPECT("x-forwarded-for", "1.1.1.1"); /* as Envoy: neither read nor written */
    request("x-client: nobody\n");
    assert_string_equal(client(), "192.0.2.5");
    assert_true(info_of(e)->client_failed);
    stop();
    start(CUSTOM_HEADER("    reject_with_status: {code: Unauthorized}\n"), NULL);
    request("x-client: nobody\n");
    assert_int_equal(e->head->status, 401);
    assert_string_equal(details(e), "rejecting_because_detection_failed");
    over(e, SP_ABORT_NONE);
    e = NULL;
    request("x-client: 203.0.113.9\n");
    EXPECT("x-envoy-external-address", "203.0.113.9");
    stop();
    start(CUSTOM_HEADER("    reject_with_status: {code: Forbidden}\n"), SHIELD_FILTER ROUTER_FILTER);
    request("x-client: 203.0.113.9\n"); /* a stranger is not believed, and not told what is missing either */
    assert_string_equal(client(), "192.0.2.5");
    EXPECT("x-envoy-external-address", "192.0.2.5");
    done();
    fake_decode[SHIELD] = proves;
    request("x-client: 203.0.113.9\nx-forwarded-proto: https\n");
    assert_string_equal(client(), "203.0.113.9");
    EXPECT("x-forwarded-proto", "https");
    stop();
}

/* Very many lines cost what their bytes cost: joined one by one they would be copied gigabytes. */
static void test_very_many_lines(void **state)
{
    enum { LINES = 60000 };
    struct sp_arena arena;
    struct sp_headers h;
    start("use_remote_address: true\nvia: door\n", NULL);
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    h.scheme = SP_STR("http");
    for (unsigned i = 0; i < LINES; i++)
        sp_headers_add_id(&h, i & 1 ? SP_H_VIA : SP_H_X_FORWARDED_FOR, SP_STR("203.0.113.10"));
    struct sp_client edge = {.edge = true, .append = true, .addr = w->conn.peer};
    struct sp_stream_info info = {.conn = &w->conn};
    uint64_t begin = uv_hrtime();
    sp_sanitize_request(w->hcm, &info, &edge, &h);
    assert_true(uv_hrtime() - begin < 2 * SP_NS_PER_S);
    assert_int_equal(sp_headers_get_id(&h, SP_H_X_FORWARDED_FOR).len, LINES / 2 * 13 + 9);
    assert_int_equal(sp_headers_get_id(&h, SP_H_VIA).len, LINES / 2 * 13 - 1 + 6);
    assert_int_equal(sp_headers_count(&h, SP_STR("via")), 1);
    sp_arena_done(&arena);
    world_free(w);
}

/* What an origin that makes variables of names would take for a header of ours. */
static void test_underscores(void **state)
{
    static const char *const gone[] = {"x_forwarded_for", "x-forwarded_proto", "x_request_id", "content_length",
                                       "transfer_encoding", "x_envoy_internal", "x_origin_verify"};
    start("use_remote_address: true\n", NULL);
    for (unsigned i = 0; i < SP_ARRAY_LEN(gone); i++) {
        char line[100];
        snprintf(line, sizeof(line), "%s: forged\nx_mine: 1\n", gone[i]);
        request(line);
        EXPECT(gone[i], "-");
        EXPECT("x_mine", "1");
    }
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_xff_at_the_edge),
        cmocka_unit_test(test_trusted_hops),
        cmocka_unit_test(test_envoy_headers),
        cmocka_unit_test(test_internal_only_headers),
        cmocka_unit_test(test_request_id),
        cmocka_unit_test(test_hop_by_hop),
        cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_referer),
        cmocka_unit_test(test_scheme),
        cmocka_unit_test(test_forwarded_port),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_certificates_of_strangers),
        cmocka_unit_test(test_proven),
        cmocka_unit_test(test_gates_see_client),
        cmocka_unit_test(test_trusted_cidrs),
        cmocka_unit_test(test_custom_header),
        cmocka_unit_test(test_very_many_lines),
        cmocka_unit_test(test_underscores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
