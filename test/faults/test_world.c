/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulated world (test/sim/world.h) while calls fail: codecs, the stream layer, filters and the router, without a socket and a
 * clock. What a run must keep to it asserts itself: whatever was begun ends, and nothing of it is left, no timer, no buffer. One call
 * after the other fails in the same run, or many at random: a run is its seed.
 */
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>

#include "../sim/walk.h"
#include "../sim/world.h"
#include "base/reserve.h"

enum { POINTS = 60 }; /* of each kind and seed, spread over all calls of the run */

/* What fails in the run under way. */
static struct {
    bool on[FAULTS];
} now;

static void rest(bool on)
{
    for (size_t i = 0; i < FAULTS; i++)
        faults[i].on = now.on[i] && !on;
}

static void run(uint64_t seed)
{
    struct world_end end;
    rest(true);
    world_run(&(struct world_setup){.seed = seed, .rest = rest}, &end);
    now = (__typeof__(now)){0};
    faults_off();
    assert_int_equal(sp_memory(), SP_MEM_WELL);
}

static int64_t calls_of(enum fault f, uint64_t seed)
{
    fault_set(f, 0, 0);
    now.on[f] = true;
    run(seed);
    return faults[f].calls;
}

static const enum fault kinds[] = {F_MALLOC, F_NGHTTP2_SUBMIT, F_NGHTTP2_RECV, F_NGHTTP2_SEND, F_NGHTTP2_OTHER};

static unsigned walk_points(enum fault f, uint64_t seed, int64_t count)
{
    int64_t n = calls_of(f, seed), step = n / POINTS + 1;
    unsigned done = 0;
    for (int64_t skip = (int64_t)(seed % (uint64_t)step); skip < n; skip += step, done++) {
        fault_set(f, skip, count);
        now.on[f] = true;
        run(seed);
    }
    return done;
}

static void test_one_by_one(void **state)
{
    unsigned n = 0;
    for (uint64_t seed = 1; seed <= 4; seed++)
        for (size_t i = 0; i < SP_ARRAY_LEN(kinds); i++)
            n += walk_points(kinds[i], seed, 1);
    print_message("%u points\n", n);
    assert_true(n > 200);
}

/* As many as the reserve has blocks for: here no transport stops reading when it is low, as the program's does (test_faults). */
static void test_many_in_a_row(void **state)
{
    for (uint64_t seed = 5; seed <= 6; seed++)
        walk_points(F_MALLOC, seed, 100);
}

static void run_seed(uint64_t seed)
{
    static const int64_t ppm[] = {0, 0, 500, 5000, 50000};
    for (size_t i = 0; i < SP_ARRAY_LEN(kinds); i++) {
        int64_t p = ppm[seed / (i + 1) % SP_ARRAY_LEN(ppm)];
        fault_random(kinds[i], p, (int64_t)(seed >> 1));
        now.on[kinds[i]] = p > 0;
    }
    run(seed);
}

static void test_fresh(void **state)
{
    walk("faults_world", run_seed);
}

static int setup(void **state)
{
    return sp_reserve_open(8) ? 0 : -1;
}

static int teardown(void **state)
{
    sp_reserve_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_by_one),
        cmocka_unit_test(test_many_in_a_row),
        cmocka_unit_test(test_fresh),
    };
    const struct CMUnitTest fresh[] = {cmocka_unit_test(test_fresh)};
    return walk_only() ? cmocka_run_group_tests(fresh, setup, teardown) : cmocka_run_group_tests(tests, setup, teardown);
}
