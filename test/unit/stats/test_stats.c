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

#include "stats/print.h"
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

/* --- owners that come and go --- */

static struct sp_stats_scope *hold(const char *name)
{
    return sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", sp_str_c(name));
}

static bool is_there(const char *name)
{
    uint64_t v;
    return sp_stats_find(sp_str_c(name), &v) == 0;
}

static void sweep(void)
{
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry_sweep(UINT64_MAX);
    pthread_mutex_unlock(&sp_registry.lock);
}

static void an_owner_that_is_gone(void **state)
{
    struct sp_stats_scope *a = hold("a"), *b = hold("b");
    struct sp_counter total = sp_stats_counter(a, SP_STR("total"));
    struct sp_histogram ms = sp_stats_histogram(sp_stats_scope(a, SP_STR("sub"), NULL, SP_STR_NULL), SP_STR("ms"));
    sp_counter_add(sp_stats_counter(b, SP_STR("total")), 7);
    sp_counter_add(total, 3);
    sp_histogram_record(ms, 5);
    /* The next config's owner of that name comes before the last one goes: the numbers go on. */
    struct sp_stats_scope *next = hold("a");
    assert_ptr_equal(next, a);
    sp_stats_scope_drop(a);
    sweep();
    assert_int_equal(sp_stats_counter(next, SP_STR("total")).cell, total.cell);
    expect(sp_stats_text, "cluster.a.total: 3\ncluster.b.total: 7\ncluster.a.sub.ms: P0(nan,5) P25(nan,5) P50(nan,5) P75(nan,5) "
                          "P90(nan,5) P95(nan,5) P99(nan,5) P99.5(nan,5) P99.9(nan,5) P100(nan,5)\n");
    /* Nobody has it any more: it is not shown, and a while later it is forgotten. */
    sp_stats_scope_drop(next);
    expect(sp_stats_text, "cluster.b.total: 7\n");
    hold("b"); /* sweeps what is over, which it is not yet */
    assert_true(is_there("cluster.a.total"));
    sweep();
    assert_false(is_there("cluster.a.total"));
    assert_false(is_there("cluster.a.sub.ms"));
    assert_true(is_there("cluster.b.total"));
    /* What it counted in is used again, from 0. */
    struct sp_stats_scope *c = hold("c");
    assert_int_equal(sp_stats_counter(c, SP_STR("new")).cell, total.cell);
    assert_int_equal(sp_counter_value(total), 0);
    assert_int_equal(sp_stats_histogram(c, SP_STR("new_ms")).cell, ms.cell);
    expect(sp_stats_text, "cluster.b.total: 7\n");
    expect(sp_stats_prometheus, "# TYPE envoy_cluster_total counter\nenvoy_cluster_total{envoy_cluster_name=\"b\"} 7\n");
}

static void one_that_comes_back_in_time(void **state)
{
    struct sp_stats_scope *a = hold("a");
    sp_counter_inc(sp_stats_counter(a, SP_STR("total")));
    sp_stats_scope_drop(a);
    a = hold("a");
    sweep();
    expect(sp_stats_text, "cluster.a.total: 1\n");
    sp_stats_scope_drop(a);
    sp_stats_scope_drop(NULL);
}

static void one_that_goes_last(void **state)
{
    sp_stats_init(1);
    struct sp_stats_scope *a = hold("a");
    sp_stats_counter(a, SP_STR("total"));
    sp_stats_done();
    sp_stats_scope_drop(a);
}

/* What somebody found by another way stays: nobody says when he is done with it. */
static void what_others_use_stays(void **state)
{
    struct sp_stats_scope *a = hold("a"), *sub = hold("a.ssl");
    sp_counter_inc(sp_stats_counter(sub, SP_STR("x")));
    assert_ptr_equal(sp_stats_scope(a, SP_STR("ssl"), NULL, SP_STR_NULL), sub);
    sp_stats_scope_drop(sub);
    sweep();
    assert_true(is_there("cluster.a.ssl.x"));
    struct sp_counter y = sp_stats_counter(a, SP_STR("y"));
    assert_int_equal(sp_stats_counter(sp_stats_root(), SP_STR("cluster.a.y")).cell, y.cell);
    sp_stats_scope_drop(a);
    sweep();
    assert_true(is_there("cluster.a.y"));
}

/* A config generator whose names are always new, and one whose names are always the same: neither makes memory grow. */
static void memory_does_not_grow(void **state)
{
    uint32_t cells = 0, hists = 0;
    size_t total = 0;
    for (unsigned i = 0; i < 300; i++) {
        char name[32];
        snprintf(name, sizeof(name), "new-%u", i);
        struct sp_stats_scope *new = hold(name), *same = hold("same");
        for (unsigned k = 0; k < 50; k++) {
            char stat[32];
            snprintf(stat, sizeof(stat), "s%u", k);
            sp_counter_inc(sp_stats_counter(new, sp_str_c(stat)));
            sp_counter_inc(sp_stats_counter(same, sp_str_c(stat)));
            sp_histogram_record(sp_stats_histogram(new, SP_STR("ms")), k);
        }
        sp_stats_scope_drop(new);
        if (i)
            sp_stats_scope_drop(same);
        sweep();
        if (i == 0) {
            cells = sp_registry.cells;
            hists = sp_registry.hists.n;
            total = sp_registry.arena.total;
        }
    }
    assert_int_equal(sp_registry.cells, cells);
    assert_int_equal(sp_registry.hists.n, hists);
    assert_int_equal(sp_registry.arena.total, total);
    assert_int_equal(sp_registry.by_name.n, 50);
    uint64_t v;
    assert_int_equal(sp_stats_find(SP_STR("cluster.same.s7"), &v), 0);
    assert_int_equal(v, 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(an_owner_that_is_gone), T(one_that_comes_back_in_time), T(what_others_use_stays), cmocka_unit_test(one_that_goes_last), T(memory_does_not_grow),
        T(threads_add_up), T(same_name_is_the_same_stat), T(prints), T(histograms),
        T(reset_keeps_gauges), T(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
