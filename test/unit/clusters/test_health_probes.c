/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What health checks send, and what they make of an answer: bodies, names of services, gRPC, ALPN. */
#include "support.h"

#include <string.h>

#include "base/log.h"

#define CHECK(more) \
    "health_checks:\n" \
    "- timeout: 1s\n" \
    "  interval: 10s\n" \
    "  unhealthy_threshold: 3\n" \
    "  healthy_threshold: 1\n" more
#define H2 \
    "typed_extension_protocol_options:\n" \
    "  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:\n" \
    "    \"@type\": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions\n" \
    "    explicit_http_config: {http2_protocol_options: {}}\n"
#define GRPC_HEAD ":status: 200\ncontent-type: application/grpc\n"

static bool well(struct t_bed *b)
{
    return !(atomic_load(&t_host(b, 0)->health) & SP_HEALTH_FAILED_ACTIVE_HC);
}

static void begin(struct t_bed *b, const char *check)
{
    t_bed_hosts(b, 1, check);
    sp_counter_inc(b->cluster->stats.upstream_cx_total); /* the intervals are the ordinary ones */
    t_step(b, 0);
}

/* The exchange of the check that is under way. */
static struct fake_exchange *asked(struct t_bed *b)
{
    struct sp_wire *w = fake_wires[fake_n - 1];
    if (!w->ready) {
        fake_connect(w);
        t_step(b, 0);
    }
    assert_false(w->dead);
    struct fake_exchange *s = fake_stream_at(w, 0);
    assert_non_null(s);
    return s;
}

/* --- HTTP --- */

static void answer_body(struct t_bed *b, const char *lines, const char *first, const char *second)
{
    struct fake_exchange *s = asked(b);
    fake_respond_with(s, lines, false);
    fake_data(s, first, false);
    fake_data(s, second, true);
    t_step(b, 0);
}

static void test_receive(void **state)
{
    (void)state;
    struct t_bed b;
    /* "ab", then "cd" */
    begin(&b, CHECK("  http_health_check: {path: /, response_buffer_size: 8, receive: [{text: '6162'}, {binary: Y2Q=}]}\n"));
    answer_body(&b, ":status: 200\n", "xa", "b-cd");
    assert_true(well(&b));
    t_step(&b, 10000);
    answer_body(&b, ":status: 200\n", "cd", "ab"); /* not in this order: out at once */
    assert_false(well(&b));
    t_step(&b, 10000);
    answer_body(&b, ":status: 200\n", "abcd", "");
    assert_true(well(&b));
    t_step(&b, 10000);
    answer_body(&b, ":status: 200\n", "ab12345", "cd"); /* behind what is kept */
    assert_false(well(&b));
    assert_int_equal(t_stat("health_check.failure"), 2);
    assert_int_equal(t_stat("health_check.network_failure"), 0);
    t_bed_free(&b);
    /* All of it: past 1 KiB. */
    begin(&b, CHECK("  http_health_check: {path: /, response_buffer_size: 0, receive: [{text: '6162'}]}\n"));
    char long_text[2000];
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = 0;
    answer_body(&b, ":status: 200\n", long_text, "ab");
    assert_true(well(&b));
    t_bed_free(&b);
    begin(&b, CHECK("  http_health_check: {path: /, receive: [{text: '6162'}]}\n"));
    answer_body(&b, ":status: 200\n", long_text, "ab"); /* 1 KiB unless it is said */
    assert_false(well(&b));
    t_bed_free(&b);
}

/* A body that is wrong outweighs a status that would only count. */
static void test_receive_and_status(void **state)
{
    (void)state;
    struct t_bed b;
    begin(&b, CHECK("  http_health_check: {path: /, receive: [{text: '6162'}], retriable_statuses: [{start: 500, end: 600}]}\n"));
    answer_body(&b, ":status: 200\n", "ab", "");
    t_step(&b, 10000);
    answer_body(&b, ":status: 500\n", "ab", "");
    assert_true(well(&b));
    t_step(&b, 10000);
    answer_body(&b, ":status: 500\n", "ba", "");
    assert_false(well(&b));
    t_bed_free(&b);
}

static void test_send(void **state)
{
    (void)state;
    struct t_bed b;
    begin(&b, CHECK("  http_health_check: {path: /, method: PUT, send: {text: 7b7d}}\n"));
    for (unsigned i = 0; i < 2; i++) {
        struct fake_exchange *s = asked(&b);
        assert_str(s->request->method, "PUT");
        assert_str(sp_headers_get(s->request, SP_STR("content-length")), "2");
        assert_int_equal(s->body_len, 2);
        assert_memory_equal(s->body, "{}", 2);
        assert_true(s->tx_ended);
        fake_respond(s, 200, true);
        t_step(&b, 10000);
    }
    assert_int_equal(t_stat("health_check.success"), 2);
    t_bed_free(&b);
}

static void test_service(void **state)
{
    (void)state;
    struct t_bed b;
    begin(&b, CHECK("  http_health_check: {path: /, service_name_matcher: {prefix: api}}\n"));
    fake_respond_with(asked(&b), ":status: 200\nx-envoy-upstream-healthchecked-cluster: api-1\n", true);
    t_step(&b, 0);
    assert_true(well(&b));
    t_step(&b, 10000);
    fake_respond_with(asked(&b), ":status: 200\nx-envoy-upstream-healthchecked-cluster: web\n", true);
    t_step(&b, 0);
    assert_false(well(&b));
    t_step(&b, 10000);
    fake_respond_with(asked(&b), ":status: 200\n", true);
    assert_int_equal(t_stat("health_check.verify_cluster"), 3);
    assert_int_equal(t_stat("health_check.failure"), 2);
    t_step(&b, 10000);
    fake_respond_with(asked(&b), ":status: 500\n", true); /* not looked at */
    assert_int_equal(t_stat("health_check.verify_cluster"), 3);
    t_bed_free(&b);
}

/* --- gRPC --- */

static void answer_grpc(struct t_bed *b, const void *bytes, size_t n, const char *status)
{
    struct fake_exchange *s = asked(b);
    fake_respond_with(s, GRPC_HEAD, false);
    for (size_t i = 0; i < n; i++)
        fake_bytes(s, (const char *)bytes + i, 1, false);
    fake_trailer(s, status ? "grpc-status" : "x", status ? status : "x");
    t_step(b, 0);
}

static const char SERVING[] = {0, 0, 0, 0, 2, 8, 1}, NOT_SERVING[] = {0, 0, 0, 0, 2, 8, 2}, UNKNOWN[] = {0, 0, 0, 0, 0};

static void test_grpc(void **state)
{
    (void)state;
    struct t_bed b;
    begin(&b, H2 CHECK("  grpc_health_check: {service_name: s, authority: h.test, initial_metadata: [{header: {key: k, value: v}}]}\n"));
    assert_int_equal(fake_wires[0]->setup.codec, SP_CODEC_H2);
    struct fake_exchange *s = asked(&b);
    assert_str(s->request->method, "POST");
    assert_str(s->request->path, "/grpc.health.v1.Health/Check");
    assert_str(s->request->authority, "h.test");
    assert_str(sp_headers_get(s->request, SP_STR("content-type")), "application/grpc");
    assert_str(sp_headers_get(s->request, SP_STR("te")), "trailers");
    assert_str(sp_headers_get(s->request, SP_STR("grpc-timeout")), "1000000u");
    assert_str(sp_headers_get(s->request, SP_STR("k")), "v");
    assert_int_equal(s->body_len, 8);
    assert_memory_equal(s->body, "\0\0\0\0\3\x0a\1s", 8);
    assert_true(s->tx_ended);
    answer_grpc(&b, SERVING, sizeof(SERVING), "0");
    assert_true(well(&b));
    t_step(&b, 10000);
    answer_grpc(&b, NOT_SERVING, sizeof(NOT_SERVING), "0"); /* out at once: it says so */
    assert_false(well(&b));
    assert_int_equal(t_stat("health_check.failure"), 1);
    assert_int_equal(t_stat("health_check.network_failure"), 0);
    assert_int_equal(fake_n, 1);
    t_bed_free(&b);
}

struct bad {
    const char *head; /* ends the answer when there is nothing else */
    const char *bytes;
    size_t n;
    const char *status; /* NULL: no trailers */
    bool data_ends;
};

static void test_grpc_bad(void **state)
{
    (void)state;
    static char large[5000];
    static const char squeezed[] = {1, 0, 0, 0, 2, 8, 1}, two[] = {0, 0, 0, 0, 2, 8, 1, 0, 0, 0, 0, 2, 8, 1},
                      cut[] = {0, 0, 0, 0, 9, 8, 1}, rubbish[] = {0, 0, 0, 0, 2, 8, (char)0xff};
    static const struct bad all[] = {
        {":status: 200\ncontent-type: application/grpc\ngrpc-status: 5\n", NULL, 0, NULL, false}, /* no such service */
        {":status: 200\ncontent-type: application/grpc\ngrpc-status: 0\n", NULL, 0, NULL, false},
        {":status: 200\ncontent-type: application/grpc\n", NULL, 0, NULL, false},
        {":status: 503\n", NULL, 0, NULL, false},
        {":status: 503\n", SERVING, sizeof(SERVING), "0", false},
        {":status: 200\ncontent-type: text/plain\n", SERVING, sizeof(SERVING), "0", false},
        {":status: 200\ncontent-type: application/grpcx\n", SERVING, sizeof(SERVING), "0", false},
        {GRPC_HEAD, SERVING, sizeof(SERVING), "14", false},
        {GRPC_HEAD, SERVING, sizeof(SERVING), "x", false},
        {GRPC_HEAD, SERVING, sizeof(SERVING), NULL, true},
        {GRPC_HEAD, UNKNOWN, sizeof(UNKNOWN), "0", false},
        {GRPC_HEAD, "", 0, "0", false},
        {GRPC_HEAD, squeezed, sizeof(squeezed), "0", false},
        {GRPC_HEAD, two, sizeof(two), "0", false},
        {GRPC_HEAD, cut, sizeof(cut), "0", false},
        {GRPC_HEAD, rubbish, sizeof(rubbish), "0", false},
        {GRPC_HEAD, large, sizeof(large), NULL, false},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++) {
        struct t_bed b;
        begin(&b, H2 CHECK("  grpc_health_check: {}\n"));
        answer_grpc(&b, SERVING, sizeof(SERVING), "0");
        assert_true(well(&b));
        t_step(&b, 10000);
        struct fake_exchange *s = asked(&b);
        assert_int_equal(s->body_len, 5);
        fake_respond_with(s, all[i].head, !all[i].bytes);
        if (all[i].bytes && !s->rx_cancelled)
            fake_bytes(s, all[i].bytes, all[i].n, all[i].data_ends);
        if (all[i].status && !s->rx_cancelled)
            fake_trailer(s, "grpc-status", all[i].status);
        t_step(&b, 0);
        if (well(&b))
            fail_msg("answer %zu was taken", i);
        assert_int_equal(t_stat("health_check.failure"), 1);
        assert_int_equal(t_stat("health_check.network_failure"), 0);
        t_step(&b, 10000); /* the next check is not disturbed */
        answer_grpc(&b, SERVING, sizeof(SERVING), "0");
        assert_true(well(&b));
        t_bed_free(&b);
    }
}

/* The check under way ends, and the next one takes another connection. */
static void test_grpc_goaway(void **state)
{
    (void)state;
    struct t_bed b;
    begin(&b, H2 CHECK("  grpc_health_check: {}\n"));
    asked(&b);
    fake_goaway(fake_wires[0]);
    t_step(&b, 0);
    struct fake_exchange *s = fake_stream_at(fake_wires[0], 0);
    fake_respond_with(s, GRPC_HEAD, false);
    fake_bytes(s, SERVING, sizeof(SERVING), false);
    fake_trailer(s, "grpc-status", "0");
    t_step(&b, 0);
    assert_true(well(&b));
    t_step(&b, 10000);
    assert_int_equal(fake_n, 2);
    answer_grpc(&b, SERVING, sizeof(SERVING), "0");
    /* Reset: by the threshold. */
    t_step(&b, 10000);
    fake_abort(asked(&b), SP_ABORT_RESET);
    t_step(&b, 0);
    assert_int_equal(t_stat("health_check.network_failure"), 1);
    assert_true(well(&b));
    /* Not looked at: once more, on a fresh connection. */
    t_step(&b, 10000);
    fake_abort(asked(&b), SP_ABORT_REFUSED);
    t_step(&b, 0);
    assert_int_equal(fake_n, 3);
    answer_grpc(&b, SERVING, sizeof(SERVING), "0");
    assert_int_equal(t_stat("health_check.failure"), 1);
    t_bed_free(&b);
}

/* --- ALPN --- */

static void offers(const char *cluster, const char *check, const char *expected)
{
    struct t_bed b;
    char *yaml = NULL;
    assert_true(asprintf(&yaml, "%s%s" CHECK("%s"), t_tls(), cluster, check) > 0);
    begin(&b, yaml);
    free(yaml);
    struct sp_str wire = fake_wires[0]->setup.offer;
    assert_int_equal(wire.len, strlen(expected));
    assert_memory_equal(wire.ptr, expected, wire.len);
    t_bed_free(&b);
}

static void test_alpn(void **state)
{
    (void)state;
    offers("", "  http_health_check: {path: /}\n", "\x08http/1.1");
    offers(H2, "  http_health_check: {path: /}\n", "\x08http/1.1"); /* the check's, not the cluster's */
    offers("", "  http_health_check: {path: /, codec_client_type: HTTP2}\n", "\x02h2");
    offers(H2, "  grpc_health_check: {}\n", "\x02h2");
    offers("", "  http_health_check: {path: /}\n  tls_options: {alpn_protocols: [hc, http/1.1]}\n", "\x02hc\x08http/1.1");
    offers("", "  http_health_check: {path: /}\n  tls_options: {}\n", "\x08http/1.1");
}

/* --- what is refused --- */

static void refused(const char *check, const char *words)
{
    char *yaml = NULL;
    assert_true(asprintf(&yaml, "name: c\nload_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: "
                                "{socket_address: {address: 1.2.3.4, port_value: 80}}}}]}]}\n" CHECK("%s"), check) > 0);
    char *said = t_cluster_errors(yaml);
    if (!strstr(said, words))
        fail_msg("\"%s\" is not in: %s", words, said);
    free(said);
    free(yaml);
}

static void test_refused(void **state)
{
    (void)state;
    refused("  http_health_check: {path: /, send: {text: '61'}}\n",
            "is a body, and GET has none (set method to POST, PUT, PATCH or OPTIONS)");
    refused("  http_health_check: {path: /, receive: [{text: '6'}]}\n",
            "is not in hexadecimal (two digits a byte, such as 50494e47 for PING)");
    refused("  tcp_health_check: {receive: [{binary: ''}]}\n", "is empty (take it out: it would be found in any answer)");
    refused("  http_health_check: {path: /, response_buffer_size: 1, receive: [{text: '6162'}]}\n",
            "has 2 bytes and can never be found in the 1 that response_buffer_size keeps (raise that)");
    refused("  grpc_health_check: {}\n", "needs a cluster that speaks HTTP/2, and this one speaks HTTP/1.1");
    refused("  http_health_check: {path: /}\n  tls_options: {alpn_protocols: ['']}\n",
            "has 0 bytes (1 to 255, and 1024 in the whole list)");
    refused("  http_health_check: {path: /}\n  event_log_path: /nowhere/x\n",
            "cannot open /nowhere/x for writing: No such file or directory (check the path and its permissions)");
    refused("  http_health_check: {path: /}\n  event_logger: [{name: a, typed_config: {\"@type\": type.googleapis.com/"
            "envoy.extensions.filters.http.router.v3.Router}}]\n",
            "is no sink of events that is run (take a HealthCheckEventFileSink)");
    refused("  http_health_check: {path: x}\n", "does not begin with '/'");
}

int main(void)
{
    sp_log_threshold = SP_LOG_OFF;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receive), cmocka_unit_test(test_receive_and_status), cmocka_unit_test(test_send),
        cmocka_unit_test(test_service), cmocka_unit_test(test_grpc),               cmocka_unit_test(test_grpc_bad),
        cmocka_unit_test(test_grpc_goaway), cmocka_unit_test(test_alpn),           cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
