/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "stats/read.h"

static int setup(void **state)
{
    sp_stats_init(1);
    return 0;
}

static int teardown(void **state)
{
    sp_stats_done();
    return 0;
}

static struct sp_stats_scope *scope(const char *name)
{
    return sp_stats_scope(sp_stats_root(), sp_str_c(name), NULL, SP_STR_NULL);
}

static void a_histogram_is_read(void **state)
{
    struct sp_histogram h = sp_stats_histogram(scope("a"), SP_STR("time"));
    struct sp_histogram_reading r;
    sp_histogram_read(h, &r);
    assert_int_equal(r.n, 0);
    assert_true(r.p50 == 0 && r.p100 == 0);
    for (int i = 0; i < 99; i++)
        sp_histogram_record(h, 4);
    sp_histogram_record(h, 9);
    sp_histogram_read_named(SP_STR("a.time"), &r);
    assert_int_equal(r.n, 100);
    assert_true(r.p50 >= 4 && r.p50 < 5 && r.p90 < 5);
    assert_true(r.p100 >= 9 && r.p100 <= 10);
    sp_histogram_read_named(SP_STR("a.other"), &r);
    assert_int_equal(r.n, 0);
    sp_stats_counter(scope("a"), SP_STR("counter"));
    sp_histogram_read_named(SP_STR("a.counter"), &r);
    assert_int_equal(r.n, 0);
}

/* One interval is what came between two flushes. */
static void the_last_interval_is_read(void **state)
{
    struct sp_histogram h = sp_stats_histogram(scope("a"), SP_STR("time"));
    struct sp_histogram_reading r;
    for (uint64_t value = 4; value <= 8; value += 4) {
        for (int i = 0; i < 10; i++)
            sp_histogram_record(h, value);
        sp_histogram_read_last(SP_STR("a."), SP_STR("time"), &r);
        assert_int_equal(r.n, value == 4 ? 0 : 10); /* not flushed yet */
        sp_stats_flush_begin();
        while (sp_stats_flush_step())
            ;
        sp_histogram_read_last(SP_STR("a."), SP_STR("time"), &r);
        assert_int_equal(r.n, 10);
        assert_true(r.p50 >= (double)value && r.p99 <= (double)value + 1);
    }
    sp_histogram_read_last(SP_STR("a."), SP_STR("other"), &r);
    assert_int_equal(r.n, 0);
}

static void one(void *arg, const struct sp_stats_reading *r)
{
    char *to = arg;
    sprintf(to + strlen(to), "%.*s%s%llu ", SP_STR_ARG(r->name), r->gauge ? "~" : "=", (unsigned long long)r->value);
}

static void a_walk_takes_what_begins_so(void **state)
{
    char seen[512] = "";
    sp_counter_add(sp_stats_counter(scope("http.door"), SP_STR("b")), 2);
    sp_gauge_set(sp_stats_gauge(scope("http.door"), SP_STR("a")), 7);
    sp_stats_histogram(scope("http.door"), SP_STR("c"));
    sp_stats_counter(scope("http.doors"), SP_STR("x"));
    sp_stats_counter(scope("http.doo"), SP_STR("x"));
    sp_stats_walk(SP_STR("http.door."), one, seen);
    assert_string_equal(seen, "http.door.a~7 http.door.b=2 ");
    seen[0] = 0;
    sp_stats_walk(SP_STR("zzz"), one, seen);
    assert_string_equal(seen, "");
    sp_stats_reset_counters();
    sp_stats_walk(SP_STR("http.door.b"), one, seen);
    assert_string_equal(seen, "http.door.b=0 ");
}

static void what_is_gone_is_not_walked(void **state)
{
    char seen[512] = "";
    struct sp_stats_scope *s = sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "c", SP_STR("api"));
    assert_true(sp_str_eq(sp_stats_scope_prefix(s), SP_STR("cluster.api.")));
    sp_stats_counter(s, SP_STR("n"));
    sp_stats_walk(SP_STR("cluster.api."), one, seen);
    assert_string_equal(seen, "cluster.api.n=0 ");
    seen[0] = 0;
    sp_stats_scope_drop(s);
    sp_stats_walk(SP_STR("cluster.api."), one, seen);
    assert_string_equal(seen, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_histogram_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(the_last_interval_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_walk_takes_what_begins_so, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_gone_is_not_walked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
