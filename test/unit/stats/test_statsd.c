/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What StatsD sinks are told at a flush. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "stats/registry.h"
#include "stats/statsd.h"

static char got[2][65536];

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

/* A datagram, and "--" behind it. */
static void keep(void *ctx, unsigned i, struct sp_str d)
{
    size_t n = strlen(got[i]);
    snprintf(got[i] + n, sizeof(got[i]) - n, "%.*s\n--\n", SP_STR_ARG(d));
}

static void flush_to(const struct sp_statsd_form *forms, unsigned n)
{
    got[0][0] = got[1][0] = 0;
    sp_stats_flush_begin();
    while (sp_stats_flush_step()) {
    }
    struct sp_statsd *s = sp_statsd_new(forms, n, keep, NULL);
    while (sp_statsd_step(s)) {
    }
    sp_statsd_free(s);
}

static const struct sp_statsd_form forms[2] = {{.prefix = SP_STR_INIT("envoy")}, {.prefix = SP_STR_INIT("door"), .tags = true, .max_bytes = 200}};

static void lines(void **state)
{
    struct sp_stats_scope *c = sp_stats_scope(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("a|b#c,d@e"));
    struct sp_code_counters codes;
    sp_code_counters_init(&codes, c, "upstream_rq_");
    sp_code_counters_inc(&codes, 204, true);
    struct sp_gauge g = sp_stats_gauge(sp_stats_root(), SP_STR("server.live"));
    sp_gauge_set(g, 7);
    sp_stats_gauge(sp_stats_root(), SP_STR("server.unused"));
    struct sp_timing t = sp_stats_timing(c, SP_STR("ms"));
    sp_timing_record(t, 1000000);
    sp_timing_record(t, 1000000);
    sp_timing_record(t, 40);
    sp_histogram_record(sp_stats_histogram(c, SP_STR("size")), 33);
    flush_to(forms, 2);
    assert_string_equal(got[0], "envoy.cluster.a_b_c_d_e.ms:4e-05|ms\n--\nenvoy.cluster.a_b_c_d_e.ms:1.00352|ms|@0.5\n--\n"
                                "envoy.cluster.a_b_c_d_e.size:33|h\n--\nenvoy.cluster.a_b_c_d_e.upstream_rq_204:1|c\n--\n"
                                "envoy.cluster.a_b_c_d_e.upstream_rq_2xx:1|c\n--\nenvoy.server.live:7|g\n--\n");
    assert_string_equal(got[1], "door.cluster.ms:4e-05|ms|#envoy.cluster_name:a_b_c_d_e\ndoor.cluster.ms:1.00352|ms|@0.5|#envoy.cluster_name:a_b_c_d_e\n"
                                "door.cluster.size:33|h|#envoy.cluster_name:a_b_c_d_e\n--\n"
                                "door.cluster.upstream_rq:1|c|#envoy.response_code:204,envoy.cluster_name:a_b_c_d_e\n"
                                "door.cluster.upstream_rq_xx:1|c|#envoy.response_code_class:2,envoy.cluster_name:a_b_c_d_e\ndoor.server.live:7|g\n--\n");
    /* The next flush tells what came since; a reset of what the pages show is none of its business. */
    sp_stats_reset_counters();
    sp_code_counters_inc(&codes, 204, true);
    sp_gauge_set(g, 0);
    flush_to(forms, 1);
    assert_string_equal(got[0], "envoy.cluster.a_b_c_d_e.upstream_rq_204:1|c\n--\nenvoy.cluster.a_b_c_d_e.upstream_rq_2xx:1|c\n--\nenvoy.server.live:0|g\n--\n");
}

/* A sink that a reload brings is not told of all that was before. */
static void later(void **state)
{
    struct sp_counter c = sp_stats_counter(sp_stats_root(), SP_STR("c"));
    sp_counter_add(c, 1000);
    flush_to(NULL, 0);
    sp_counter_add(c, 3);
    flush_to(forms, 1);
    assert_string_equal(got[0], "envoy.c:3|c\n--\n");
}

/* A cell that is used again begins from 0 here too. */
static void again(void **state)
{
    struct sp_stats_scope *a = sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", SP_STR("a"));
    struct sp_counter c = sp_stats_counter(a, SP_STR("x"));
    sp_counter_add(c, 1000);
    flush_to(forms, 1);
    sp_stats_scope_drop(a);
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry_sweep(UINT64_MAX);
    pthread_mutex_unlock(&sp_registry.lock);
    struct sp_counter d = sp_stats_counter(sp_stats_root(), SP_STR("d"));
    assert_int_equal(d.cell, c.cell);
    sp_counter_add(d, 5);
    flush_to(forms, 1);
    assert_string_equal(got[0], "envoy.d:5|c\n--\n");
}

static unsigned longest, total;

static void measure(void *ctx, unsigned i, struct sp_str d)
{
    longest = SP_MAX(longest, (unsigned)d.len);
    for (size_t k = 0; k < d.len; k++)
        total += d.ptr[k] == '|';
}

static void datagrams_have_a_limit(void **state)
{
    char name[300];
    for (int i = 0; i < 500; i++) {
        snprintf(name, sizeof(name), "n%d", i);
        sp_counter_inc(sp_stats_counter(sp_stats_root(), sp_str_c(name)));
    }
    struct sp_statsd_form form = {.prefix = SP_STR("envoy"), .tags = true, .max_bytes = 100};
    struct sp_statsd *s = sp_statsd_new(&form, 1, measure, NULL);
    while (sp_statsd_step(s)) {
    }
    sp_statsd_free(s);
    assert_int_equal(total, 500);
    assert_true(longest <= 100 && longest > 80);
    memset(name, 'x', sizeof(name)); /* a line that is longer goes by itself */
    sp_counter_inc(sp_stats_counter(sp_stats_root(), sp_str_n(name, sizeof(name))));
    flush_to(&form, 1);
    assert_non_null(strstr(got[0], "\n--\nenvoy.xxx"));
    assert_non_null(strstr(got[0], "xxx:1|c\n--\n"));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {T(lines), T(later), T(again), T(datagrams_have_a_limit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
