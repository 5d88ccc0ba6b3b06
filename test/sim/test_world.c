/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A whole door under a scheduler that draws everything from a seed (world.h): fixed seeds, the same seed twice, fresh ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "walk.h"
#include "world.h"

static struct world_end run(uint64_t seed, bool calm)
{
    struct world_end end;
    world_run(&(struct world_setup){.seed = seed, .calm = calm}, &end);
    return end;
}

static void test_calm(void **state)
{
    struct world_end sum = {0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct world_end e = run(seed, true);
        assert_int_equal(e.whole, e.opened);
        assert_int_equal(e.refused, 0);
        sum.opened += e.opened;
        sum.up += e.up;
        sum.down += e.down;
    }
    /* There was something to lose. */
    assert_true(sum.opened > 200 && sum.up > 100000 && sum.down > 100000);
}

static void test_rough(void **state)
{
    struct world_end sum = {0};
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct world_end e = run(seed, false);
        sum.opened += e.opened;
        sum.answered += e.answered;
        sum.whole += e.whole;
        sum.refused += e.refused;
    }
    print_message("%u requests, %u answered, %u whole, %u refused\n", sum.opened, sum.answered, sum.whole, sum.refused);
    assert_true(sum.opened > 200 && sum.whole > 100 && sum.refused > 10 && sum.whole < sum.opened);
}

/* What makes a seed worth anything. */
static void test_a_seed_is_a_run(void **state)
{
    uint64_t last = 0;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct world_end a = run(seed, seed % 2), b = run(seed, seed % 2);
        assert_int_equal(a.trace, b.trace);
        assert_int_not_equal(a.trace, last);
        last = a.trace;
    }
}

static void run_seed(uint64_t seed)
{
    run(seed, seed % 2);
}

static void test_fresh(void **state)
{
    walk("sim_world", run_seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calm),
        cmocka_unit_test(test_rough),
        cmocka_unit_test(test_a_seed_is_a_run),
        cmocka_unit_test(test_fresh),
    };
    const struct CMUnitTest fresh[] = {cmocka_unit_test(test_fresh)};
    return walk_only() ? cmocka_run_group_tests(fresh, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
}
