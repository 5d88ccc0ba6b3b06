/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "stats/registry.h"

static int setup(void **state)
{
    sp_stats_init(2);
    return 0;
}

static int teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    return 0;
}

static char *text_of(struct sp_buf *b)
{
    char *s = malloc(b->len + 1);
    s[sp_buf_peek(b, s, b->len)] = 0;
    sp_buf_clear(b);
    return s;
}

static void expect(void (*print)(const struct sp_stats_query *, struct sp_buf *), const char *expected)
{
    struct sp_stats_query q = {.used_only = true};
    struct sp_buf out;
    sp_buf_init(&out);
    print(&q, &out);
    char *got = text_of(&out);
    assert_string_equal(got, expected);
    free(got);
}

static void *count_on_thread(void *arg)
{
    sp_stats_thread(2);
    for (int i = 0; i < 1000; i++)
        sp_counter_inc(*(struct sp_counter *)arg);
    return NULL;
}

static void threads_add_up(void **state)
{
    struct sp_counter c = sp_stats_counter(sp_stats_root(), SP_STR("a"));
    pthread_t t;
    pthread_create(&t, NULL, count_on_thread, &c);
    for (int i = 0; i < 500; i++)
        sp_counter_inc(c);
    pthread_join(t, NULL);
    assert_int_equal(sp_counter_value(c), 1500);
}

static void same_name_is_the_same_stat(void **state)
{
    struct sp_stats_scope *s = sp_stats_scope(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("api"));
    assert_ptr_equal(s, sp_stats_scope(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("api")));
    struct sp_counter a = sp_stats_counter(s, SP_STR("x")), b = sp_stats_counter(s, SP_STR("x"));
    assert_int_equal(a.cell, b.cell);
    assert_int_not_equal(a.cell, 0);
    /* A name that is another kind already counts where nobody reads. */
    assert_int_equal(sp_stats_gauge(s, SP_STR("x")).cell, 0);
    uint64_t v;
    sp_counter_add(a, 7);
    assert_int_equal(sp_stats_find(SP_STR("cluster.api.x"), &v), 0);
    assert_int_equal(v, 7);
    assert_int_equal(sp_stats_find(SP_STR("cluster.api.y"), &v), -ENOENT);
}

static void prints(void **state)
{
    struct sp_stats_scope *s = sp_stats_scope(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("a\"b"));
    struct sp_stats_scope *l =
        sp_stats_scope(sp_stats_root(), SP_STR("listener"), "envoy_listener_address", SP_STR("[::1]:80"));
    struct sp_code_counters codes;
    sp_code_counters_init(&codes, s, "upstream_rq_");
    sp_code_counters_inc(&codes, 204, true);
    sp_code_counters_inc(&codes, 201, false);
    sp_code_counters_inc(&codes, 999, true);
    sp_gauge_add(sp_stats_gauge(l, SP_STR("downstream_cx_active")), 3);
    sp_stats_counter(l, SP_STR("unused"));
    sp_gauge_add(sp_stats_gauge(l, SP_STR("negative")), -1);
    expect(sp_stats_text, "cluster.a\"b.upstream_rq_204: 1\n"
                          "cluster.a\"b.upstream_rq_2xx: 2\n"
                          "listener.[__1]_80.downstream_cx_active: 3\n");
    expect(sp_stats_json, "{\"stats\":[{\"name\":\"cluster.a\\\"b.upstream_rq_204\",\"value\":1},"
                          "{\"name\":\"cluster.a\\\"b.upstream_rq_2xx\",\"value\":2},"
                          "{\"name\":\"listener.[__1]_80.downstream_cx_active\",\"value\":3}]}\n");
    expect(sp_stats_prometheus,
           "# TYPE envoy_cluster_upstream_rq counter\n"
           "envoy_cluster_upstream_rq{envoy_cluster_name=\"a\\\"b\",envoy_response_code=\"204\"} 1\n"
           "# TYPE envoy_cluster_upstream_rq_xx counter\n"
           "envoy_cluster_upstream_rq_xx{envoy_cluster_name=\"a\\\"b\",envoy_response_code_class=\"2\"} 2\n"
           "# TYPE envoy_listener_downstream_cx_active gauge\n"
           "envoy_listener_downstream_cx_active{envoy_listener_address=\"[__1]_80\"} 3\n");
}

static void buckets_hold_their_values(void **state)
{
    for (unsigned b = 0; b + 1 < SP_HIST_BUCKETS; b++) {
        assert_int_equal(sp_hist_bucket(sp_hist_floor(b)), b);
        assert_int_equal(sp_hist_bucket(sp_hist_floor(b + 1) - 1), b);
        assert_true(sp_hist_floor(b) < sp_hist_floor(b + 1));
    }
    assert_int_equal(sp_hist_bucket(UINT64_MAX), SP_HIST_BUCKETS - 1);
}

static void histograms(void **state)
{
    struct sp_histogram h = sp_stats_histogram(sp_stats_root(), SP_STR("time"));
    expect(sp_stats_text, "");
    for (unsigned i = 1; i <= 10; i++)
        sp_histogram_record(h, i);
    expect(sp_stats_text, "time: P0(nan,1) P25(nan,3) P50(nan,5) P75(nan,8) P90(nan,9) P95(nan,10) P99(nan,10) "
                          "P99.5(nan,10) P99.9(nan,10) P100(nan,10)\n");
    struct sp_stats_query q = {0};
    struct sp_buf out;
    sp_buf_init(&out);
    sp_stats_prometheus(&q, &out);
    char *got = text_of(&out);
    assert_non_null(strstr(got, "envoy_time_bucket{le=\"5\"} 5\n"));
    assert_non_null(strstr(got, "envoy_time_bucket{le=\"+Inf\"} 10\n"));
    assert_non_null(strstr(got, "envoy_time_sum{} 55\nenvoy_time_count{} 10\n"));
    free(got);
}

static void reset_keeps_gauges(void **state)
{
    struct sp_counter c = sp_stats_counter(sp_stats_root(), SP_STR("c"));
    struct sp_gauge g = sp_stats_gauge(sp_stats_root(), SP_STR("g"));
    sp_counter_add(c, 5);
    sp_gauge_set(g, 9);
    sp_gauge_set(g, 4);
    sp_stats_reset_counters();
    sp_counter_inc(c);
    expect(sp_stats_text, "c: 1\ng: 4\n");
}

static void many(void **state)
{
    char name[32];
    struct sp_counter c = {0};
    for (int i = 0; i < 3000; i++) {
        int n = snprintf(name, sizeof(name), "n%d", i);
        c = sp_stats_counter(sp_stats_root(), sp_str_n(name, (size_t)n));
        sp_counter_add(c, (uint64_t)i);
    }
    uint64_t v;
    assert_int_equal(sp_stats_find(SP_STR("n2999"), &v), 0);
    assert_int_equal(v, 2999);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(threads_add_up), T(same_name_is_the_same_stat), T(prints), T(histograms),
                                       T(buckets_hold_their_values), T(reset_keeps_gauges), T(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
