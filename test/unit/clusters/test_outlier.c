/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Outlier detection: runs, rates, how long a host is out, and how many may be. */
#include "support.h"

#include <string.h>

#include "clusters/lb.h"
#include "clusters/outlier.h"

#define CHECK \
    "health_checks: [{timeout: 0.5s, interval: 1s, unhealthy_threshold: 1, healthy_threshold: 2, http_health_check: {path: /}}]\n"
#define STAT(name) t_stat("outlier_detection." name)

static void answers(struct t_bed *b, unsigned host, unsigned status, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        sp_outlier_answer(t_slot(b, i % T_WORKERS), t_host(b, host), status);
    t_step(b, 0);
}

static bool out(const struct t_bed *b, unsigned host)
{
    return atomic_load(&t_host(b, host)->health) & SP_HEALTH_FAILED_OUTLIER;
}

static void test_runs(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 2, "outlier_detection: {max_ejection_percent: 50, interval: 1s, base_ejection_time: 3s}\n");
    answers(&b, 0, 500, 4);
    answers(&b, 0, 200, 1);
    answers(&b, 0, 500, 4);
    assert_false(out(&b, 0));
    answers(&b, 0, 599, 1); /* the fifth, over two workers */
    assert_true(out(&b, 0));
    assert_int_equal(t_stat("membership_healthy"), 1);
    assert_int_equal(STAT("ejections_active"), 1);
    for (unsigned i = 0; i < 10; i++)
        assert_int_equal(t_at(&b, sp_lb_pick(t_slot(&b, 0), NULL)), 1);
    /* No more than half of them. */
    answers(&b, 1, 500, 5);
    assert_false(out(&b, 1));
    assert_int_equal(STAT("ejections_overflow"), 1);
    t_step(&b, 2000);
    assert_true(out(&b, 0));
    t_step(&b, 1000);
    assert_false(out(&b, 0));
    assert_int_equal(STAT("ejections_active"), 0);
    /* The second time it is out for twice as long. */
    answers(&b, 0, 500, 5);
    for (unsigned s = 0; s < 5; s++) {
        t_step(&b, 1000);
        assert_true(out(&b, 0));
    }
    t_step(&b, 1000);
    assert_false(out(&b, 0));
    /* Good intervals make it short again. */
    for (unsigned s = 0; s < 3; s++)
        t_step(&b, 1000);
    answers(&b, 0, 500, 5);
    for (unsigned s = 0; s < 3; s++)
        t_step(&b, 1000);
    assert_false(out(&b, 0));
    t_bed_free(&b);
}

/* However often it was out: never for longer than max_ejection_time, and forgiven as soon as that counts again. */
static void test_ceiling(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, "outlier_detection: {max_ejection_percent: 100, interval: 1s, base_ejection_time: 1s, max_ejection_time: 3s}\n");
    for (unsigned i = 0; i < 20; i++) {
        answers(&b, 0, 500, 5);
        unsigned s = 0;
        for (; out(&b, 0); s++)
            t_step(&b, 1000);
        assert_int_equal(s, SP_MIN(i + 1, 3u));
    }
    for (unsigned i = 0; i < 4; i++)
        t_step(&b, 1000);
    answers(&b, 0, 500, 5);
    t_step(&b, 1000);
    assert_false(out(&b, 0));
    t_bed_free(&b);
}

static void test_for_ever(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, "outlier_detection: {max_ejection_percent: 100, interval: 1s, base_ejection_time: 315576000000s, "
                       "max_ejection_time: 315576000000s, max_ejection_time_jitter: 315576000000s}\n");
    answers(&b, 0, 500, 5);
    for (unsigned i = 0; i < 10; i++) {
        t_step(&b, 100000000);
        assert_true(out(&b, 0));
    }
    t_bed_free(&b);
}

/* A check that goes well brings it back only if the host is well by the checks too. */
static void test_checks(void **state)
{
    (void)state;
    for (unsigned heed = 0; heed < 2; heed++) {
        struct t_bed b;
        t_bed_hosts(&b, 1, heed ? "outlier_detection: {max_ejection_percent: 100, interval: 1000s, base_ejection_time: 1000s}\n" CHECK
                                : "outlier_detection: {max_ejection_percent: 100, interval: 1000s, base_ejection_time: 1000s, "
                                  "successful_active_health_check_uneject_host: false}\n" CHECK);
        sp_counter_inc(b.cluster->stats.upstream_cx_total);
        t_step(&b, 0);
        fake_connect(fake_wires[0]);
        t_step(&b, 0);
        fake_respond(fake_stream_at(fake_wires[0], 0), 503, true);
        t_step(&b, 1000);
        for (unsigned i = 0; i < 2; i++) {
            answers(&b, 0, 500, i ? 0 : 5);
            assert_true(out(&b, 0));
            fake_respond(fake_stream_at(fake_wires[0], 0), 200, true); /* one, then two of two */
            t_step(&b, 1000);
        }
        assert_int_equal(out(&b, 0), !heed);
        assert_false(atomic_load(&t_host(&b, 0)->health) & SP_HEALTH_FAILED_ACTIVE_HC);
        t_bed_free(&b);
    }
}

static void test_kinds(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 1, "outlier_detection: {max_ejection_percent: 100, consecutive_gateway_failure: 2, enforcing_consecutive_5xx: 0, "
                       "enforcing_consecutive_gateway_failure: 100}\n");
    answers(&b, 0, 500, 6);
    assert_false(out(&b, 0)); /* noticed only */
    assert_int_equal(STAT("ejections_detected_consecutive_5xx"), 1);
    answers(&b, 0, 502, 1);
    answers(&b, 0, 500, 1);
    answers(&b, 0, 504, 1);
    assert_false(out(&b, 0));
    sp_outlier_local(t_slot(&b, 0), t_host(&b, 0), 503); /* not split: as an answer */
    t_step(&b, 0);
    assert_true(out(&b, 0));
    assert_int_equal(STAT("ejections_enforced_consecutive_gateway_failure"), 1);
    t_bed_free(&b);
    t_bed_hosts(&b, 1, "outlier_detection: {max_ejection_percent: 100, split_external_local_origin_errors: true}\n");
    for (unsigned i = 0; i < 4; i++)
        sp_outlier_local(t_slot(&b, 0), t_host(&b, 0), 503);
    sp_outlier_local(t_slot(&b, 1), t_host(&b, 0), 0); /* reached */
    for (unsigned i = 0; i < 4; i++)
        sp_outlier_local(t_slot(&b, 0), t_host(&b, 0), 504);
    t_step(&b, 0);
    assert_false(out(&b, 0));
    answers(&b, 0, 200, 3); /* says nothing of the way */
    sp_outlier_local(t_slot(&b, 0), t_host(&b, 0), 503);
    t_step(&b, 0);
    assert_true(out(&b, 0));
    assert_int_equal(STAT("ejections_enforced_consecutive_local_origin_failure"), 1);
    t_bed_free(&b);
}

static void test_rates(void **state)
{
    (void)state;
    struct t_bed b;
    t_bed_hosts(&b, 5, "outlier_detection: {max_ejection_percent: 100, consecutive_5xx: 1000000, consecutive_gateway_failure: 1000000}\n");
    for (unsigned i = 0; i < 5; i++) {
        answers(&b, i, 200, i == 4 ? 60 : 99);
        answers(&b, i, 500, i == 4 ? 40 : 1);
    }
    t_step(&b, 10000);
    assert_true(out(&b, 4)); /* 99 99 99 99 60: the mean is 91.2, the deviation 15.6 */
    assert_int_equal(STAT("ejections_enforced_success_rate"), 1);
    assert_int_equal(STAT("ejections_success_rate"), 1); /* Envoy's older name */
    assert_true(sp_outlier_rate(t_host(&b, 0), false) == 99);
    assert_true(sp_outlier_rate(t_host(&b, 4), false) == 60);
    assert_true(sp_outlier_rate(t_host(&b, 0), true) == -1);
    /* Too few answers say nothing. */
    for (unsigned i = 0; i < 4; i++)
        answers(&b, i, i == 3 ? 500 : 200, 30);
    t_step(&b, 10000);
    assert_false(out(&b, 3));
    assert_true(sp_outlier_rate(t_host(&b, 0), false) == -1);
    t_bed_free(&b);
    t_bed_hosts(&b, 2, "outlier_detection: {max_ejection_percent: 100, consecutive_5xx: 1000000, consecutive_gateway_failure: 1000000, "
                       "failure_percentage_minimum_hosts: 2, enforcing_failure_percentage: 100, failure_percentage_threshold: 50}\n");
    answers(&b, 0, 200, 51);
    answers(&b, 0, 500, 49);
    answers(&b, 1, 200, 50);
    answers(&b, 1, 500, 50);
    t_step(&b, 10000);
    assert_false(out(&b, 0));
    assert_true(out(&b, 1));
    assert_int_equal(STAT("ejections_enforced_failure_percentage"), 1);
    t_bed_free(&b);
}

/* What requests report. */
static void test_requests(void **state)
{
    (void)state;
    struct t_bed b;
    struct t_call c = {0};
    t_bed_hosts(&b, 1, "outlier_detection: {max_ejection_percent: 100, consecutive_5xx: 3}\n");
    t_call_get(&c, &b);
    fake_connect(fake_wires[0]);
    t_step(&b, 0);
    fake_respond(fake_stream_at(fake_wires[0], 0), 500, true); /* an answer */
    t_step(&b, 0);
    t_call_done(&c);
    t_call_get(&c, &b);
    fake_abort(fake_stream_at(fake_wires[0], 0), SP_ABORT_RESET); /* a reset */
    t_step(&b, 0);
    t_call_done(&c);
    assert_false(out(&b, 0));
    t_call_begin(&c, &b, 0, &(struct sp_upstream_setup){.timeout_ns = SP_NS_PER_S}, NULL, true);
    t_step(&b, 1000); /* a timeout */
    t_step(&b, 0);
    assert_int_equal(c.failure.status, 504);
    t_call_done(&c);
    assert_true(out(&b, 0));
    t_bed_free(&b);
}

static void test_errors(void **state)
{
    (void)state;
    char *text = t_cluster_errors("name: c\nload_assignment: {cluster_name: c}\n"
                                  "outlier_detection: {base_ejection_time: 10s, max_ejection_time: 9s}\n");
    assert_non_null(strstr(text, "is less than base_ejection_time (make it at least that)"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_for_ever),
        cmocka_unit_test(test_checks),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
