/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Active health checks: thresholds, intervals, what an answer means, and stopping at any point. */
#include "support.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"

#define CHECK(more, http) \
    "health_checks:\n" \
    "- timeout: 1s\n" \
    "  interval: 10s\n" \
    "  unhealthy_threshold: 3\n" \
    "  healthy_threshold: 2\n" \
    "  no_traffic_interval: 60s\n" \
    more \
    "  http_health_check: {path: /health" http "}\n"

static uint32_t flags(struct t_bed *b, unsigned host)
{
    return atomic_load(&t_host(b, host)->health) & ~SP_HEALTH_COUNTED;
}

/* Seen by a request: the intervals are the ordinary ones then. */
static void had_traffic(struct t_bed *b)
{
    sp_counter_inc(b->cluster->stats.upstream_cx_total);
}

static struct fake_exchange *check_under_way(void)
{
    for (unsigned i = 0; i < fake_n; i++)
        if (!fake_wires[i]->dead && fake_stream_at(fake_wires[i], 0))
            return fake_stream_at(fake_wires[i], 0);
    return NULL;
}

static void answer_check(struct t_bed *b, const char *lines)
{
    for (unsigned i = 0; i < fake_n; i++)
        if (!fake_wires[i]->dead && !fake_wires[i]->ready) {
            fake_connect(fake_wires[i]);
            t_step(b, 0);
        }
    struct fake_exchange *s = check_under_way();
    assert_non_null(s);
    fake_respond_with(s, lines, true);
    t_step(b, 0);
}

static void test_first_check(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ""));
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC); /* not known to be well */
    assert_int_equal(t_stat("membership_healthy"), 0);
    assert_int_equal(t_stat("membership_total"), 1);
    assert_false(sp_cluster_warm(b.cluster));
    t_step(&b, 0);
    assert_int_equal(fake_n, 1);
    assert_int_equal(t_stat("health_check.attempt"), 1);
    fake_connect(fake_wires[0]);
    struct fake_exchange *s = check_under_way();
    assert_str(s->request->method, "GET");
    assert_str(s->request->authority, "c");
    assert_str(s->request->path, "/health");
    assert_str(s->request->scheme, "http");
    assert_str(sp_headers_get(s->request, SP_STR("user-agent")), "sallyport/HC");
    assert_true(s->tx_ended);
    fake_respond(s, 200, false);
    assert_false(sp_cluster_warm(b.cluster)); /* the answer has to be whole */
    fake_data(s, "fine", true);
    assert_true(sp_cluster_warm(b.cluster));
    assert_int_equal(flags(&b, 0), 0); /* the first counts at once */
    assert_int_equal(t_stat("health_check.success"), 1);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    assert_int_equal(t_stat("membership_healthy"), 1);
    /* Its connections are nobody's traffic. */
    assert_int_equal(t_stat("upstream_cx_total"), 0);
    assert_int_equal(t_stat("upstream_rq_total"), 0);
    assert_int_equal(sp_cluster_connections(b.cluster, &b.workers[T_WORKERS]), 1);
    t_bed_free(&b);
}

static void test_intervals(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("  unhealthy_interval: 4s\n  unhealthy_edge_interval: 2s\n  healthy_edge_interval: 3s\n"
                             "  no_traffic_healthy_interval: 30s\n", ""));
    t_step(&b, 0);
    answer_check(&b, ":status: 200\n");
    t_step(&b, 29999); /* no traffic */
    assert_int_equal(t_stat("health_check.attempt"), 1);
    t_step(&b, 1);
    assert_int_equal(t_stat("health_check.attempt"), 2);
    had_traffic(&b);
    answer_check(&b, ":status: 200\n");
    t_step(&b, 9999);
    assert_int_equal(t_stat("health_check.attempt"), 2);
    t_step(&b, 1);
    assert_int_equal(t_stat("health_check.attempt"), 3);
    /* Three failures by network before it is out: edges of 2 s. */
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(flags(&b, 0) & SP_HEALTH_FAILED_ACTIVE_HC, 0);
        t_step(&b, 1000); /* timeout */
        assert_int_equal(t_stat("health_check.network_failure"), i + 1);
        assert_int_equal(flags(&b, 0), i < 2 ? 0 : SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT);
        if (i < 2)
            t_step(&b, 2000);
    }
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT);
    assert_int_equal(t_stat("membership_healthy"), 0);
    assert_int_equal(t_stat("health_check.healthy"), 0);
    uint64_t before = t_stat("health_check.attempt");
    t_step(&b, 3999);
    assert_int_equal(t_stat("health_check.attempt"), before);
    t_step(&b, 1);
    answer_check(&b, ":status: 200\n"); /* one of two */
    assert_true(flags(&b, 0) & SP_HEALTH_FAILED_ACTIVE_HC);
    t_step(&b, 3000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    t_bed_free(&b);
}

static void test_status(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ", host: h.test, method: HEAD, expected_statuses: [{start: 200, end: 300}, {start: 418, end: 419}],"
                                 " retriable_statuses: [{start: 429, end: 430}]"));
    had_traffic(&b);
    t_step(&b, 0);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    struct fake_exchange *s = check_under_way();
    assert_str(s->request->authority, "h.test");
    assert_str(s->request->method, "HEAD");
    answer_check(&b, ":status: 418\n");
    assert_int_equal(flags(&b, 0), 0);
    for (unsigned i = 0; i < 2; i++) { /* retriable: by the threshold */
        t_step(&b, 10000);
        answer_check(&b, ":status: 429\n");
        assert_int_equal(flags(&b, 0), 0);
    }
    t_step(&b, 10000);
    answer_check(&b, ":status: 204\n"); /* begins anew */
    t_step(&b, 10000);
    answer_check(&b, ":status: 300\n"); /* refused: out at once */
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC);
    assert_int_equal(t_stat("health_check.failure"), 3);
    assert_int_equal(t_stat("health_check.network_failure"), 0);
    assert_int_equal(fake_n, 1); /* all on one connection */
    t_bed_free(&b);
}

static void test_degraded_and_excluded(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ""));
    had_traffic(&b);
    t_step(&b, 0);
    answer_check(&b, ":status: 200\nx-envoy-degraded: yes\n");
    assert_int_equal(flags(&b, 0), SP_HEALTH_DEGRADED_ACTIVE_HC);
    assert_int_equal(t_stat("membership_degraded"), 1);
    assert_int_equal(t_stat("health_check.degraded"), 1);
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.degraded"), 0);
    /* A worker hears from the host itself that it wants out. */
    struct t_call c = {0};
    t_call_get(&c, &b);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond_with(fake_stream_at(fake_wires[1], 0), ":status: 200\nx-envoy-immediate-health-check-fail: true\n", true);
    t_step(&b, 0);
    t_call_done(&c);
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_EXCLUDED);
    assert_int_equal(t_stat("health_check.passive_failure"), 1);
    assert_int_equal(t_stat("health_check.failure"), 1);
    assert_int_equal(t_stat("membership_excluded"), 1);
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n"); /* one of two */
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_EXCLUDED);
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    /* So does a check that fails; one that goes well does not. */
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\nx-envoy-immediate-health-check-fail: true\n");
    assert_int_equal(flags(&b, 0), 0);
    t_step(&b, 10000);
    answer_check(&b, ":status: 503\nx-envoy-immediate-health-check-fail: true\n");
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_EXCLUDED);
    t_bed_free(&b);
}

/* A host that excludes itself by a status that only counts is back with the next success. */
static void test_excluded_only(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ", retriable_statuses: [{start: 429, end: 430}]"));
    had_traffic(&b);
    t_step(&b, 0);
    answer_check(&b, ":status: 200\n");
    t_step(&b, 10000);
    answer_check(&b, ":status: 429\nx-envoy-immediate-health-check-fail: true\n");
    assert_int_equal(flags(&b, 0), SP_HEALTH_EXCLUDED);
    assert_int_equal(t_stat("membership_healthy"), 0);
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("membership_healthy"), 1);
    t_bed_free(&b);
}

/* Of a host that nobody checks it is not heeded: nobody would bring it back. */
static void test_excluded_unchecked(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_new(&b, "name: c\n"
                  "load_assignment: {cluster_name: c, endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 10.0.0.1, "
                  "port_value: 80}}, health_check_config: {disable_active_health_check: true}}}]}]}\n" CHECK("", ""));
    t_call_get(&c, &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_respond_with(fake_stream_at(fake_wires[0], 0), ":status: 200\nx-envoy-immediate-health-check-fail: true\n", true);
    t_step(&b, 0);
    t_step(&b, 0);
    t_call_done(&c);
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.passive_failure"), 0);
    t_bed_free(&b);
}

static void test_connection(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ""));
    had_traffic(&b);
    t_step(&b, 0);
    fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
    t_step(&b, 0);
    assert_int_equal(t_stat("health_check.network_failure"), 1);
    assert_true(sp_cluster_warm(b.cluster));
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(fake_n, 2);
    /* Closed between two checks: the next one connects. */
    fake_end(fake_wires[1], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 10000);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(fake_n, 3);
    /* Closed under a check, before any answer, on a reused connection: that is not the host's health. */
    t_step(&b, 10000);
    assert_non_null(fake_stream_at(fake_wires[2], 0));
    fake_end(fake_wires[2], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 0);
    assert_int_equal(fake_n, 4);
    answer_check(&b, ":status: 200\n");
    assert_int_equal(t_stat("health_check.failure"), 1);
    /* On a fresh one it is. */
    fake_end(fake_wires[3], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    t_step(&b, 10000);
    fake_connect(fake_wires[4]);
    t_step(&b, 0);
    fake_end(fake_wires[4], SP_WIRE_REMOTE, 0, NULL, SP_ABORT_CLOSED);
    assert_int_equal(t_stat("health_check.failure"), 2);
    t_bed_free(&b);
}

static void test_no_reuse(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("  reuse_connection: false\n", ", codec_client_type: HTTP2"));
    had_traffic(&b);
    t_step(&b, 0);
    assert_int_equal(fake_wires[0]->setup.codec, SP_CODEC_H2);
    answer_check(&b, ":status: 200\n");
    assert_true(fake_wires[0]->dead);
    t_step(&b, 10000);
    assert_int_equal(fake_n, 2);
    answer_check(&b, ":status: 200\n");
    assert_true(fake_wires[1]->dead);
    t_bed_free(&b);
}

static void test_late_answer(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, CHECK("", ""));
    had_traffic(&b);
    t_step(&b, 0);
    t_step(&b, 1000); /* while connecting */
    t_step(&b, 0);
    assert_true(fake_wires[0]->dead);
    assert_int_equal(t_stat("health_check.network_failure"), 1);
    t_step(&b, 10000);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(check_under_way(), 200, false); /* a head alone is no answer */
    t_step(&b, 1000);
    assert_int_equal(t_stat("health_check.network_failure"), 2);
    t_step(&b, 0);
    assert_true(fake_wires[1]->dead);
    t_bed_free(&b);
}

static void test_where(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_new(&b, "name: c\n"
                  "load_assignment:\n"
                  "  cluster_name: c\n"
                  "  endpoints:\n"
                  "  - lb_endpoints:\n"
                  "    - endpoint:\n"
                  "        hostname: one.test\n"
                  "        address: {socket_address: {address: 10.0.0.1, port_value: 80}}\n"
                  "        health_check_config: {port_value: 8080}\n"
                  "    - endpoint:\n"
                  "        address: {socket_address: {address: 10.0.0.2, port_value: 80}}\n"
                  "        health_check_config: {hostname: check.test, address: {pipe: {path: /run/check}}}\n"
                  "    - endpoint:\n"
                  "        address: {socket_address: {address: 10.0.0.3, port_value: 80}}\n"
                  "        health_check_config: {disable_active_health_check: true}\n" CHECK("", ""));
    assert_int_equal(flags(&b, 2), 0);
    assert_int_equal(t_stat("membership_healthy"), 1);
    t_step(&b, 0);
    assert_int_equal(fake_n, 2);
    assert_int_equal(fake_wires[0]->to.port, 8080);
    assert_int_equal(fake_wires[1]->to.family, AF_UNIX);
    fake_connect(fake_wires[0]);
    fake_connect(fake_wires[1]);
    assert_str(fake_stream_at(fake_wires[0], 0)->request->authority, "one.test");
    assert_str(fake_stream_at(fake_wires[1], 0)->request->authority, "check.test");
    t_bed_free(&b);
    t_bed_hosts(&b, 1, CHECK("  alt_port: 9\n", ""));
    t_step(&b, 0);
    assert_int_equal(fake_wires[0]->to.port, 9);
    t_bed_free(&b);
}

static void test_jitter(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 16, CHECK("  initial_jitter: 8s\n  interval_jitter: 5s\n", ""));
    t_step(&b, 0);
    unsigned at_once = fake_n;
    assert_true(at_once < 8);
    t_step(&b, 4000);
    assert_true(fake_n > at_once && fake_n < 16);
    t_bed_free(&b);
    t_bed_hosts(&b, 1, CHECK("  interval_jitter_percent: 50\n", ""));
    had_traffic(&b);
    t_step(&b, 0);
    uint64_t least = UINT64_MAX, most = 0;
    for (unsigned i = 0; i < 40; i++) {
        answer_check(&b, ":status: 200\n");
        uint64_t before = t_stat("health_check.attempt"), ms = 0;
        for (; t_stat("health_check.attempt") == before; ms += 100)
            t_step(&b, 100);
        least = SP_MIN(least, ms);
        most = SP_MAX(most, ms);
    }
    assert_true(least >= 10000 && least < 12000);
    assert_true(most > 13000 && most <= 15000);
    t_bed_free(&b);
    t_bed_hosts(&b, 1, CHECK("  interval_jitter_percent: 4294967295\n  interval_jitter: 315576000000s\n  unhealthy_interval: 315576000000s\n", ""));
    had_traffic(&b);
    t_step(&b, 0);
    answer_check(&b, ":status: 500\n");
    t_step(&b, 10000);
    assert_int_equal(t_stat("health_check.attempt"), 1);
    t_bed_free(&b);
}

/* Several checks: a host is well if all say so, each counts for itself, and the cluster waits for all of them. */
#define TWO() \
    "health_checks:\n" \
    "- {name: a, timeout: 1s, interval: 10s, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: {path: /a}}\n" \
    "- {name: b, timeout: 1s, interval: 10s, unhealthy_threshold: 2, healthy_threshold: 1, http_health_check: {path: /b}}\n"

static void answer_both(struct t_bed *b, const char *first, const char *second)
{
    const char *const lines[] = {first, second};
    for (unsigned i = 0; i < 2; i++) {
        struct fake_exchange *s = fake_stream_at(fake_wires[i], 0);
        assert_non_null(s);
        assert_str(s->request->path, i ? "/b" : "/a");
        fake_respond_with(s, lines[i], true);
    }
    t_step(b, 0);
}

static void test_several(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, TWO());
    had_traffic(&b);
    t_step(&b, 0);
    assert_int_equal(fake_n, 2);
    fake_connect(fake_wires[0]);
    fake_connect(fake_wires[1]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 200, true);
    t_step(&b, 0);
    assert_false(sp_cluster_warm(b.cluster));
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC);
    fake_respond(fake_stream_at(fake_wires[1], 0), 200, true);
    t_step(&b, 0);
    assert_true(sp_cluster_warm(b.cluster));
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    t_step(&b, 10000);
    answer_both(&b, ":status: 500\n", ":status: 200\nx-envoy-degraded: 1\n");
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_DEGRADED_ACTIVE_HC);
    assert_int_equal(t_stat("health_check.healthy"), 0);
    assert_int_equal(t_stat("health_check.degraded"), 1);
    assert_int_equal(t_stat("health_check.name.a.healthy"), 0);
    assert_int_equal(t_stat("health_check.name.b.healthy"), 1);
    assert_int_equal(t_stat("health_check.name.a.failure"), 1);
    assert_int_equal(t_stat("health_check.name.b.failure"), 0);
    t_step(&b, 10000);
    answer_both(&b, ":status: 200\n", ":status: 500\n");
    assert_int_equal(flags(&b, 0), SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_DEGRADED_ACTIVE_HC);
    t_step(&b, 10000);
    answer_both(&b, ":status: 200\n", ":status: 200\n");
    assert_int_equal(flags(&b, 0), 0);
    assert_int_equal(t_stat("health_check.healthy"), 1);
    assert_int_equal(t_stat("health_check.degraded"), 0);
    assert_int_equal(t_stat("health_check.name.a.attempt"), 4);
    t_bed_free(&b);
}

/* Stopped at every point: nothing of it runs afterwards. */
static void test_stop_anywhere(void **state)
{
    (void)state;
    for (unsigned at = 0; at < 5; at++) {
        struct t_bed b;
        t_bed_hosts(&b, 1, CHECK("", ""));
        if (at >= 1)
            t_step(&b, 0);
        if (at >= 2) {
            fake_connect(fake_wires[0]);
            t_step(&b, 0);
        }
        if (at >= 3)
            fake_respond(check_under_way(), 200, false);
        if (at >= 4)
            fake_data(check_under_way(), "x", true);
        sp_cluster_stop(b.cluster);
        if (at == 1)
            fake_end(fake_wires[0], SP_WIRE_CONNECT, -ECONNREFUSED, NULL, 0);
        t_step(&b, 100000);
        assert_int_equal(fake_alive(), 0);
        sp_cluster_start(b.cluster, &b.workers[T_WORKERS]); /* t_bed_free stops */
        t_bed_free(&b);
    }
}

int main(void)
{
    sp_log_threshold = SP_LOG_OFF;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_check),
        cmocka_unit_test(test_intervals),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_degraded_and_excluded),
        cmocka_unit_test(test_excluded_only),
        cmocka_unit_test(test_excluded_unchecked),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_no_reuse),
        cmocka_unit_test(test_late_answer),
        cmocka_unit_test(test_where),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_several),
        cmocka_unit_test(test_stop_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
