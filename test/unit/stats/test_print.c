/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pages of stats: their order, their forms, and that they are made piece by piece while stats come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "stats/print.h"
#include "stats/registry.h"

static int setup(void **state)
{
    sp_stats_init(1);
    return 0;
}

static int teardown(void **state)
{
    sp_stats_done();
    sp_buf_thread_done();
    sp_arena_thread_done();
    return 0;
}

static char *text_of(struct sp_buf *b)
{
    char *s = malloc(b->len + 1);
    s[sp_buf_peek(b, s, b->len)] = 0;
    sp_buf_clear(b);
    return s;
}

static void expect(enum sp_stats_format format, struct sp_stats_query q, const char *expected)
{
    struct sp_buf out;
    sp_buf_init(&out);
    struct sp_stats_print *p = sp_stats_print_new(format, &q);
    while (sp_stats_print_more(p, &out, 1) > 0) {
    }
    sp_stats_print_free(p);
    char *got = text_of(&out);
    assert_string_equal(got, expected);
    free(got);
}

static void flush(void)
{
    sp_stats_flush_begin();
    while (sp_stats_flush_step()) {
    }
}

static struct sp_stats_scope *scope(struct sp_stats_scope *parent, const char *name)
{
    return sp_stats_scope(parent ? parent : sp_stats_root(), sp_str_c(name), NULL, SP_STR_NULL);
}

/* Whatever the order in which scopes and stats were made, and wherever a scope stands among the stats of the one outside of it. */
static void in_order_of_name(void **state)
{
    struct sp_stats_scope *b = scope(NULL, "b"), *m = scope(b, "m"), *a = scope(NULL, "a"), *deep = scope(scope(m, "x"), "y");
    sp_stats_counter(b, SP_STR("z"));
    sp_stats_counter(m, SP_STR("two"));
    sp_stats_counter(b, SP_STR("c"));
    sp_stats_gauge(sp_stats_root(), SP_STR("ab"));
    sp_stats_counter(deep, SP_STR("end"));
    sp_stats_counter(a, SP_STR("one"));
    sp_stats_counter(m, SP_STR("y"));
    sp_stats_counter(sp_stats_root(), SP_STR("c"));
    expect(SP_STATS_TEXT, (struct sp_stats_query){0},
           "a.one: 0\nab: 0\nb.c: 0\nb.m.two: 0\nb.m.x.y.end: 0\nb.m.y: 0\nb.z: 0\nc: 0\n");
}

static void kinds(void **state)
{
    sp_counter_inc(sp_stats_counter(sp_stats_root(), SP_STR("c")));
    struct sp_gauge g = sp_stats_gauge(sp_stats_root(), SP_STR("g"));
    sp_gauge_inc(g);
    sp_histogram_record(sp_stats_histogram(sp_stats_root(), SP_STR("h")), 3);
    expect(SP_STATS_TEXT, (struct sp_stats_query){.kinds = SP_STATS_COUNTERS}, "c: 1\n");
    expect(SP_STATS_TEXT, (struct sp_stats_query){.kinds = SP_STATS_GAUGES}, "g: 1\n");
    expect(SP_STATS_TEXT, (struct sp_stats_query){.kinds = SP_STATS_TEXTS}, "");
    expect(SP_STATS_JSON, (struct sp_stats_query){.kinds = SP_STATS_TEXTS}, "{\"stats\":[]}\n");
    /* One that was used stays so, as Envoy has it: where it is back at 0, and where counters were reset. */
    sp_gauge_dec(g);
    sp_stats_reset_counters();
    expect(SP_STATS_TEXT, (struct sp_stats_query){.used_only = true, .kinds = SP_STATS_COUNTERS | SP_STATS_GAUGES}, "c: 0\ng: 0\n");
}

/* The numbers are Envoy's forms; a real Envoy's answers stand beside ours in test_envoy_stats.py. */
static void forms_of_histograms(void **state)
{
    struct sp_timing t = sp_stats_timing(scope(NULL, "s"), SP_STR("t"));
    sp_timing_record(t, 1500); /* 0.0015 ms */
    sp_timing_record(t, 3000000);
    flush();
    sp_timing_record(t, 3000000);
    struct sp_stats_query q = {.kinds = SP_STATS_HISTOGRAMS};
    expect(SP_STATS_TEXT, q,
           "s.t: P0(0.0014955,0.0014955) P25(0.0014955,0.0014955) P50(0.0014955,2.99827) P75(2.99827,2.99827) P90(2.99827,2.99827) "
           "P95(2.99827,2.99827) P99(2.99827,2.99827) P99.5(2.99827,2.99827) P99.9(2.99827,2.99827) P100(2.99827,2.99827)\n");
    expect(SP_STATS_JSON, q,
           "{\"stats\":[{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],\"computed_quantiles\":[{\"name\":\"s.t\","
           "\"values\":[{\"interval\":0.0014955,\"cumulative\":0.0014955},{\"interval\":0.0014955,\"cumulative\":0.0014955},"
           "{\"interval\":0.0014955,\"cumulative\":2.99827},{\"interval\":2.99827,\"cumulative\":2.99827},{\"interval\":2.99827,\"cumulative\":2.99827},"
           "{\"interval\":2.99827,\"cumulative\":2.99827},{\"interval\":2.99827,\"cumulative\":2.99827},{\"interval\":2.99827,\"cumulative\":2.99827},"
           "{\"interval\":2.99827,\"cumulative\":2.99827},{\"interval\":2.99827,\"cumulative\":2.99827}]}]}}]}\n");
    q.buckets = SP_STATS_CUMULATIVE;
    expect(SP_STATS_TEXT, q,
           "s.t: B0.5(1,1) B1(1,1) B5(2,3) B10(2,3) B25(2,3) B50(2,3) B100(2,3) B250(2,3) B500(2,3) B1000(2,3) B2500(2,3) B5000(2,3) "
           "B10000(2,3) B30000(2,3) B60000(2,3) B300000(2,3) B600000(2,3) B1.8e+06(2,3) B3.6e+06(2,3)\n");
    q.buckets = SP_STATS_DISJOINT;
    expect(SP_STATS_TEXT, q,
           "s.t: B0.5(1,1) B1(0,0) B5(1,2) B10(0,0) B25(0,0) B50(0,0) B100(0,0) B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) "
           "B10000(0,0) B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)\n");
    q.buckets = SP_STATS_DETAILED;
    expect(SP_STATS_TEXT, q,
           "s.t:\n  totals=0.001488,1.6e-05:1, 2.981888,0.032768:2\n  intervals=0.001488,1.6e-05:1, 2.981888,0.032768:1\n"
           "  summary=P0(0.0014955,0.0014955) P25(0.0014955,0.0014955) P50(0.0014955,2.99827) P75(2.99827,2.99827) P90(2.99827,2.99827) "
           "P95(2.99827,2.99827) P99(2.99827,2.99827) P99.5(2.99827,2.99827) P99.9(2.99827,2.99827) P100(2.99827,2.99827)\n");
    expect(SP_STATS_PROMETHEUS, (struct sp_stats_query){.summary = true},
           "# TYPE envoy_s_t summary\nenvoy_s_t{quantile=\"0\"} 0.0014955\nenvoy_s_t{quantile=\"0.25\"} 0.0014955\n"
           "envoy_s_t{quantile=\"0.5\"} 0.0014955\nenvoy_s_t{quantile=\"0.75\"} 2.99827\nenvoy_s_t{quantile=\"0.9\"} 2.99827\n"
           "envoy_s_t{quantile=\"0.95\"} 2.99827\nenvoy_s_t{quantile=\"0.99\"} 2.99827\nenvoy_s_t{quantile=\"0.995\"} 2.99827\n"
           "envoy_s_t{quantile=\"0.999\"} 2.99827\nenvoy_s_t{quantile=\"1\"} 2.99827\nenvoy_s_t_sum{} 6.002\nenvoy_s_t_count{} 3\n");
}

/* All series of a metric stand together, whoever made them when. */
static void metric_by_metric(void **state)
{
    for (char c = 'a'; c <= 'c'; c++) {
        struct sp_stats_scope *s = sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", sp_str_n(&c, 1));
        sp_stats_counter(s, SP_STR("x"));
        sp_stats_gauge(s, SP_STR("y"));
    }
    sp_stats_gauge(sp_stats_root(), SP_STR("cluster_x")); /* the name of another kind's metric */
    expect(SP_STATS_PROMETHEUS, (struct sp_stats_query){0},
           "# TYPE envoy_cluster_x counter\nenvoy_cluster_x{envoy_cluster_name=\"a\"} 0\nenvoy_cluster_x{envoy_cluster_name=\"b\"} 0\n"
           "envoy_cluster_x{envoy_cluster_name=\"c\"} 0\n# TYPE envoy_cluster_x_gauge gauge\nenvoy_cluster_x_gauge{} 0\n"
           "# TYPE envoy_cluster_y gauge\nenvoy_cluster_y{envoy_cluster_name=\"a\"} 0\nenvoy_cluster_y{envoy_cluster_name=\"b\"} 0\n"
           "envoy_cluster_y{envoy_cluster_name=\"c\"} 0\n");
}

static unsigned lines(struct sp_buf *b)
{
    unsigned n = 0;
    char *text = text_of(b);
    for (const char *p = text; *p; p++)
        n += *p == '\n';
    free(text);
    return n;
}

static void add(struct sp_stats_scope *s, char letter, unsigned from, unsigned to)
{
    char name[32];
    for (unsigned i = from; i < to; i++) {
        int n = snprintf(name, sizeof(name), "%c%06u", letter, i);
        sp_stats_counter(s, sp_str_n(name, (size_t)n));
    }
}

/* A page that takes long: others come before and behind the place where it is, owners go, and nothing comes twice. */
static void while_stats_come_and_go(void **state)
{
    for (enum sp_stats_format f = SP_STATS_TEXT; f <= SP_STATS_PROMETHEUS; f += 2) {
        struct sp_stats_scope *s = sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", f ? SP_STR("a") : SP_STR("b"));
        struct sp_stats_query q = {0};
        struct sp_buf out;
        sp_buf_init(&out);
        add(s, 'm', 0, 1000);
        struct sp_stats_print *p = sp_stats_print_new(f, &q);
        assert_int_equal(sp_stats_print_more(p, &out, 100), 1);
        add(s, 'a', 0, 500);
        sp_stats_scope_drop(s);
        pthread_mutex_lock(&sp_registry.lock);
        sp_registry_sweep(UINT64_MAX); /* not while the page is made */
        pthread_mutex_unlock(&sp_registry.lock);
        assert_int_equal(sp_registry.by_name.n, 1500);
        assert_ptr_equal(sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", f ? SP_STR("a") : SP_STR("b")), s);
        while (sp_stats_print_more(p, &out, 100) > 0) {
        }
        assert_int_equal(lines(&out), f == SP_STATS_TEXT ? 1000 : 2000);
        sp_stats_print_free(p);
        sp_stats_scope_drop(s);
        pthread_mutex_lock(&sp_registry.lock);
        sp_registry_sweep(UINT64_MAX);
        pthread_mutex_unlock(&sp_registry.lock);
        assert_int_equal(sp_registry.by_name.n, 0);
        assert_int_equal(sp_registry.families.n, 0);
    }
}

static bool never(void *ctx, struct sp_str name)
{
    ++*(unsigned *)ctx;
    return false;
}

/* One call looks at so many only, also where none is wanted. */
static void a_call_is_short(void **state)
{
    unsigned asked = 0, before, calls = 0;
    struct sp_stats_query q = {.match = never, .ctx = &asked};
    struct sp_buf out;
    sp_buf_init(&out);
    add(sp_stats_root(), 'x', 0, 20000);
    struct sp_stats_print *p = sp_stats_print_new(SP_STATS_TEXT, &q);
    do {
        before = asked;
        calls++;
    } while (sp_stats_print_more(p, &out, 1000) > 0 && asked - before <= 5000);
    assert_int_equal(asked, 20000);
    assert_true(calls >= 4);
    sp_stats_print_free(p);
}

static void another_view(void **state)
{
    static const struct sp_stats_view view;
    struct sp_stats_query q = {0};
    struct sp_buf out;
    sp_buf_init(&out);
    add(sp_stats_root(), 'x', 0, 1000);
    struct sp_stats_print *p = sp_stats_print_new(SP_STATS_PROMETHEUS, &q);
    assert_int_equal(sp_stats_print_more(p, &out, 100), 1);
    sp_stats_set_view(&view);
    assert_int_equal(sp_stats_print_more(p, &out, 100), -ESTALE);
    sp_stats_print_free(p);
    sp_stats_set_view(NULL);
    sp_buf_clear(&out);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(in_order_of_name),  T(kinds),           T(forms_of_histograms), T(metric_by_metric),
                                       T(while_stats_come_and_go), T(a_call_is_short), T(another_view)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
