/* SPDX-License-Identifier: GPL-2.0-or-later */
/* track_cluster_stats: how large requests are and how much of their time they take, in the histograms' sums and counts. */
#include "support.h"

#include <stdio.h>
#include <string.h>

#include "stats/print.h"

struct seen {
    unsigned long long count, sum;
};

/* count 0: there is no such histogram. */
static struct seen seen(const char *name)
{
    struct sp_stats_query q = {0};
    struct seen s = {0};
    struct sp_buf b;
    char label[128];
    sp_buf_init(&b);
    sp_stats_prometheus(&q, &b);
    sp_buf_append(&b, "", 1);
    const char *all = sp_buf_pullup(&b, b.len);
    snprintf(label, sizeof(label), "envoy_cluster_%s_sum{envoy_cluster_name=\"c\"} ", name);
    const char *at = strstr(all, label);
    if (at)
        sscanf(at + strlen(label), "%llu", &s.sum);
    snprintf(label, sizeof(label), "envoy_cluster_%s_count{envoy_cluster_name=\"c\"} ", name);
    at = strstr(all, label);
    if (at)
        sscanf(at + strlen(label), "%llu", &s.count);
    sp_buf_clear(&b);
    return s;
}

static void expect(const char *name, unsigned count, unsigned sum)
{
    struct seen s = seen(name);
    if (s.count != count || s.sum != sum)
        fail_msg("%s: %llu in %llu, not %u in %u", name, s.sum, s.count, sum, count);
}

static struct fake_exchange *connected(struct t_bed *b, unsigned i)
{
    fake_connect(fake_wires[i]);
    t_step(b, 0);
    return fake_stream_at(fake_wires[i], 0);
}

enum { HEAD = 7 + 3 + 7 + 4 + 10 + 1 + 5 + 1, ANSWER = 7 + 3 + 3 + 1 }; /* GET http://h/; 200 and x-a: b */

static void test_sizes(void **state)
{
    struct t_bed b;
    struct t_call c = {0}, d = {0};
    t_bed_hosts(&b, 1, "track_cluster_stats: {request_response_sizes: true}\n");
    t_call_begin(&c, &b, 0, NULL, NULL, false);
    struct fake_exchange *s = connected(&b, 0);
    t_call_data(&c, "four", true);
    fake_respond_with(s, ":status: 200\nx-a: b\n", false);
    fake_data(s, "six", false);
    expect("upstream_rq_headers_size", 0, 0); /* when it has ended */
    fake_data(s, "six", true);
    expect("upstream_rq_headers_size", 1, HEAD);
    expect("upstream_rq_body_size", 1, 4);
    expect("upstream_rs_headers_size", 1, ANSWER);
    expect("upstream_rs_body_size", 1, 6);
    t_call_done(&c);
    t_step(&b, 0);
    t_call_get(&d, &b); /* no answer: only what was sent */
    fake_abort(fake_stream_at(fake_wires[0], 0), SP_ABORT_PROTOCOL);
    assert_true(d.failed);
    expect("upstream_rq_headers_size", 2, 2 * HEAD);
    expect("upstream_rq_body_size", 2, 4);
    expect("upstream_rs_headers_size", 1, ANSWER);
    expect("upstream_rq_timeout_budget_percent_used", 0, 0);
    t_call_done(&d);
    t_bed_free(&b);
}

/* A first attempt that takes too long, and a second one that does not. */
static void test_budgets(void **state)
{
    struct t_bed b;
    struct t_call c = {0};
    struct sp_retry_policy p = {.on = SP_RETRY_5XX, .num_retries = 1, .base_ns = 1, .most_ns = 1};
    struct sp_upstream_setup more = {.retry = &p, .timeout_ns = SP_NS_PER_S, .per_try_timeout_ns = 200 * SP_NS_PER_MS};
    t_bed_hosts(&b, 1, "track_cluster_stats: {timeout_budgets: true}\n");
    t_call_begin(&c, &b, 0, &more, NULL, true);
    connected(&b, 0);
    t_step(&b, 200);
    expect("upstream_rq_timeout_budget_per_try_percent_used", 1, 100);
    t_step(&b, 1);
    struct fake_exchange *s = connected(&b, 1);
    t_step(&b, 49);
    fake_respond(s, 200, true);
    assert_int_equal(c.status, 200);
    struct seen tries = seen("upstream_rq_timeout_budget_per_try_percent_used");
    assert_int_equal(tries.count, 2);
    assert_in_range(tries.sum, 124, 125); /* 49 or 50 of 200 ms */
    expect("upstream_rq_timeout_budget_percent_used", 1, 25);
    expect("upstream_rq_headers_size", 0, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

/* The route's timeout: the attempt did not come to its own. Without limits nothing is used of them. */
static void test_limits(void **state)
{
    struct t_bed b;
    struct t_call c = {0}, d = {0};
    struct sp_upstream_setup more = {.timeout_ns = 500 * SP_NS_PER_MS};
    t_bed_hosts(&b, 1, "track_timeout_budgets: true\n");
    t_call_begin(&c, &b, 0, &more, NULL, true);
    connected(&b, 0);
    t_step(&b, 500);
    assert_true(c.failed);
    expect("upstream_rq_timeout_budget_percent_used", 1, 100);
    expect("upstream_rq_timeout_budget_per_try_percent_used", 0, 0);
    t_call_done(&c);
    t_step(&b, 0);
    t_call_get(&d, &b);
    struct fake_exchange *s = connected(&b, 1);
    t_step(&b, 9000);
    fake_respond(s, 200, true);
    expect("upstream_rq_timeout_budget_percent_used", 2, 100);
    expect("upstream_rq_timeout_budget_per_try_percent_used", 1, 0);
    t_call_done(&d);
    t_bed_free(&b);
}

/* Nothing is made that nobody asked for. */
static void test_off(void **state)
{
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, "track_cluster_stats: {}\n");
    assert_false(b.cluster->stats.tracked.on);
    t_call_get(&c, &b);
    fake_respond(connected(&b, 0), 200, true);
    assert_int_equal(c.up.track.started_ns, 0);
    expect("upstream_rq_timeout_budget_percent_used", 0, 0);
    expect("upstream_rq_headers_size", 0, 0);
    t_call_done(&c);
    t_bed_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_budgets),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
