/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a worker waits a moment before it looks: only under load, only a part of what requests take, only after small turns. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event/gather.h"

#define MS 1000000ull
#define US 1000ull

static struct sp_gather g;
static uint64_t now;

static int setup(void **state)
{
    (void)state;
    g = (struct sp_gather){0};
    now = 1000 * MS;
    sp_gather_wait(&g, now); /* a window begins */
    return 0;
}

/* A turn of `us`, after a sleep of `asleep_us`: `n` requests begin, and as many end. */
static uint64_t turn(unsigned n, uint64_t stay_ns, uint64_t us, uint64_t asleep_us)
{
    for (unsigned i = 0; i < n; i++) {
        sp_gather_began(&g);
        sp_gather_ended(&g, stay_ns);
    }
    sp_gather_slept(&g, asleep_us * US);
    now += (us + asleep_us) * US;
    return sp_gather_wait(&g, now);
}

/* What it says in the end, when each turn is like that. */
static uint64_t turns(unsigned n, uint64_t stay_ns, uint64_t us, uint64_t asleep_us)
{
    uint64_t wait = 0;
    for (uint64_t until = now + 4 * SP_GATHER_WINDOW_NS; now < until;)
        wait = turn(n, stay_ns, us, asleep_us);
    return wait;
}

static void test_busy_and_small_turns(void **state)
{
    (void)state;
    /* 20,000 begin and 20,000 end in a second, and each takes 8 ms: half a millisecond brings 20. */
    assert_int_equal(turns(1, 8 * MS, 30, 20), 500 * US);
    assert_int_equal(g.expected, 20);
    /* A turn that brought as many has nothing to wait for. */
    assert_int_equal(turn(9, 8 * MS, 1, 0), 500 * US);
    assert_int_equal(turn(10, 8 * MS, 1, 0), 0);
}

static void test_never_long(void **state)
{
    (void)state;
    assert_int_equal(turns(1, 10 * MS, 30, 20), 625 * US);
    setup(state);
    assert_int_equal(turns(1, 1000 * MS, 30, 20), SP_GATHER_MAX_NS);
}

/* Every one of `n` requests takes `one`, all others `rest`. */
static uint64_t mixed(unsigned n, uint64_t one, uint64_t rest)
{
    uint64_t wait = 0;
    setup(NULL);
    for (unsigned i = 0; i < 800; i++)
        wait = turn(1, i % n ? rest : one, 30, 20);
    return wait;
}

static void test_slow_ones_beside_quick_ones(void **state)
{
    (void)state;
    /* Those that take for ever count for nothing, whoever sends them; nor do a few that are refused at once. */
    assert_int_equal(mixed(100, 3600000 * MS, 4 * MS), 250 * US);
    assert_int_equal(mixed(4, 3600000 * MS, 200 * US), 0);
    assert_int_equal(mixed(2, 3600000 * MS, 200 * US), 0);
    assert_int_equal(mixed(2, 16 * MS, 4 * MS), 250 * US);
    assert_int_equal(mixed(2, 16 * MS, 3 * MS), 0); /* 187 us, in which 7 are expected */
    assert_int_equal(mixed(3, 2 * MS, 16 * MS), 500 * US); /* four times what the quickest take */
    assert_int_equal(mixed(10, 10 * US, 8 * MS), 500 * US);
    assert_int_equal(mixed(3, 200 * US, 16 * MS), 0); /* 50 us, in which 2 are */
}

static void test_mostly_asleep(void **state)
{
    (void)state;
    assert_int_equal(turns(1, 16 * MS, 10, 40), 0);
    assert_int_equal(turns(1, 16 * MS, 12, 36), SP_GATHER_MAX_NS);
}

static void test_nothing_expected(void **state)
{
    (void)state;
    /* 2,000 requests in a second: four that begin or end in a millisecond. */
    assert_int_equal(turns(1, 16 * MS, 300, 200), 0);
    assert_int_equal(turns(1, 16 * MS, 125, 125), SP_GATHER_MAX_NS);
    /* No requests at all, and none that ends. */
    setup(state);
    assert_int_equal(turns(0, 0, 50, 0), 0);
    for (unsigned i = 0; i < 1000; i++) {
        sp_gather_began(&g);
        assert_int_equal(turn(0, 0, 10, 0), 0);
    }
}

static void test_quick_requests(void **state)
{
    (void)state;
    /* Refused at once, or by an origin beside: a sixteenth of that is shorter than any sleep. */
    assert_int_equal(turns(10, 0, 50, 0), 0);
    assert_int_equal(turns(10, 799 * US, 50, 0), 0);
    assert_int_equal(turns(1, 800 * US, 5, 0), 50 * US);
}

static void test_load_is_over(void **state)
{
    (void)state;
    assert_int_equal(turns(1, 8 * MS, 30, 20), 500 * US);
    assert_int_equal(turn(0, 0, 0, 10000), 0); /* it slept until something came: all that was known is old */
    assert_int_equal(turn(1, 8 * MS, 10, 100), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_busy_and_small_turns, setup), cmocka_unit_test_setup(test_never_long, setup),
        cmocka_unit_test_setup(test_slow_ones_beside_quick_ones, setup),
        cmocka_unit_test_setup(test_mostly_asleep, setup),        cmocka_unit_test_setup(test_nothing_expected, setup),
        cmocka_unit_test_setup(test_quick_requests, setup),       cmocka_unit_test_setup(test_load_is_over, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
