/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The filter chain under random scripts (chain_random.h): by fixed seeds, and by a walk over fresh ones (walk.h). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "chain_random.h"
#include "stats/stats.h"
#include "walk.h"

static void test_calm(void **state)
{
    for (unsigned i = 0; i < 400; i++)
        chain_random_calm(0x9e3779b97f4a7c15ull * (i + 1), i);
}

static void test_rough(void **state)
{
    for (unsigned i = 0; i < 4000; i++)
        chain_random_rough(0xd1342543de82ef95ull * (i + 1), i);
}

static void run_seed(uint64_t from)
{
    uint64_t seed = from * 0x9e3779b97f4a7c15ull | 1;
    if (from % 4)
        chain_random_rough(seed, (unsigned)(from % 35));
    else
        chain_random_calm(seed, (unsigned)(from % 35));
}

static void test_fresh(void **state)
{
    walk("sim_chain_random", run_seed);
}

int main(void)
{
    sp_stats_init(1); /* refusals that are let pass are counted */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calm),
        cmocka_unit_test(test_rough),
        cmocka_unit_test(test_fresh),
    };
    const struct CMUnitTest fresh[] = {cmocka_unit_test(test_fresh)};
    int failed = walk_only() ? cmocka_run_group_tests(fresh, NULL, NULL) : cmocka_run_group_tests(tests, NULL, NULL);
    sp_stats_done();
    return failed;
}
