/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Deferred calls and timers of a turn, driven by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "event/turn.h"

static struct sp_turn turn;
static char order[64];
static unsigned n_order;

struct call {
    struct sp_defer defer;
    char name;
    struct call *soon, *later; /* what it asks for */
};

static void note(struct sp_defer *d)
{
    struct call *c = SP_CONTAINER_OF(d, struct call, defer);
    order[n_order++] = c->name;
    order[n_order] = '\0';
    if (c->later)
        sp_defer(&turn, &c->later->defer);
    if (c->soon)
        sp_defer_soon(&turn, &c->soon->defer);
}

static int setup(void **state)
{
    (void)state;
    sp_turn_init(&turn);
    n_order = 0;
    order[0] = '\0';
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_turn_done(&turn);
    return 0;
}

static void test_soon_overtakes(void **state)
{
    (void)state;
    struct call s2 = {{.run = note}, '2', NULL, NULL}, s1 = {{.run = note}, '1', &s2, NULL};
    struct call last = {{.run = note}, 'z', NULL, NULL};
    struct call a = {{.run = note}, 'a', &s1, &last}, b = {{.run = note}, 'b', NULL, NULL};
    sp_defer(&turn, &a.defer);
    sp_defer(&turn, &b.defer);
    sp_turn_end(&turn);
    assert_string_equal(order, "a12bz");
}

static void test_asked_twice(void **state)
{
    (void)state;
    struct call a = {{.run = note}, 'a', NULL, NULL}, b = {{.run = note}, 'b', NULL, NULL};
    sp_defer(&turn, &a.defer);
    sp_defer_soon(&turn, &a.defer); /* it has its place */
    sp_defer_soon(&turn, &b.defer);
    sp_defer(&turn, &b.defer);
    assert_int_equal(sp_turn_wait_ns(&turn), 0);
    sp_turn_end(&turn);
    assert_string_equal(order, "ba");
    assert_int_equal(sp_turn_wait_ns(&turn), UINT64_MAX);
}

static void test_run_soon_leaves_the_rest(void **state)
{
    (void)state;
    struct call later = {{.run = note}, 'z', NULL, NULL}, a = {{.run = note}, 'a', NULL, &later};
    struct call gone = {{.run = note}, 'x', NULL, NULL};
    sp_defer_soon(&turn, &a.defer);
    sp_defer_soon(&turn, &gone.defer);
    sp_defer_cancel(&gone.defer);
    sp_turn_run_soon(&turn);
    assert_string_equal(order, "a");
    sp_turn_end(&turn);
    assert_string_equal(order, "az");
}

/* ---- timers against a plain list ---- */

enum { TIMERS = 300, STEPS = 20000 };

static struct sp_timer timers[TIMERS];
static uint64_t due[TIMERS]; /* 0: not armed */
static unsigned fired;

static void on_fire(struct sp_timer *t)
{
    size_t i = (size_t)(t - timers);
    assert_true(due[i] && due[i] <= turn.now_ns);
    assert_false(sp_timer_armed(t));
    due[i] = 0;
    fired++;
}

static void test_timers(void **state)
{
    (void)state;
    unsigned seed = 7, expected = 0;
    uint64_t now = 1000;
    for (unsigned i = 0; i < TIMERS; i++)
        timers[i].fire = on_fire;
    for (unsigned step = 0; step < STEPS; step++) {
        unsigned i = (unsigned)rand_r(&seed) % TIMERS;
        uint64_t delay = (uint64_t)rand_r(&seed) % 5000;
        if (rand_r(&seed) % 4) {
            sp_timer_start(&turn, &timers[i], delay);
            due[i] = turn.now_ns + delay;
            due[i] += !due[i];
        } else {
            sp_timer_stop(&timers[i]);
            due[i] = 0;
        }
        if (step % 16)
            continue;
        now += (uint64_t)rand_r(&seed) % 400;
        for (unsigned k = 0; k < TIMERS; k++)
            expected += due[k] && due[k] <= now;
        sp_turn_begin(&turn, now, 0);
        assert_int_equal(fired, expected);
        uint64_t next = UINT64_MAX;
        for (unsigned k = 0; k < TIMERS; k++) {
            assert_int_equal(sp_timer_armed(&timers[k]), due[k] != 0);
            if (due[k] && due[k] < next)
                next = due[k];
        }
        assert_true(sp_turn_wait_ns(&turn) <= (next == UINT64_MAX ? next : next - now));
    }
    assert_true(fired > 100);
    for (unsigned i = 0; i < TIMERS; i++)
        sp_timer_stop(&timers[i]);
    assert_int_equal(turn.n_timers, 0);
}

/* A heap that was large once gives its memory back, and the timers in it fire as before. */
static void test_trim(void **state)
{
    enum { LEFT = 40 };
    fired = 0;
    for (size_t i = 0; i < TIMERS; i++) {
        timers[i] = (struct sp_timer){.fire = on_fire};
        due[i] = turn.now_ns + 1000 + i;
        sp_timer_start(&turn, &timers[i], 1000 + i);
    }
    unsigned large = turn.cap_timers;
    assert_true(large >= TIMERS);
    sp_turn_trim(&turn);
    assert_true(turn.cap_timers >= TIMERS);
    for (size_t i = LEFT; i < TIMERS; i++) {
        sp_timer_stop(&timers[i]);
        due[i] = 0;
    }
    sp_turn_trim(&turn);
    assert_true(turn.cap_timers >= LEFT && turn.cap_timers <= 2 * LEFT);
    sp_turn_begin(&turn, turn.now_ns + 2000, 0);
    assert_int_equal(fired, LEFT);
    sp_turn_trim(&turn);
    due[0] = turn.now_ns + 5;
    sp_timer_start(&turn, &timers[0], 5);
    sp_turn_begin(&turn, turn.now_ns + 5, 0);
    assert_int_equal(fired, LEFT + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_soon_overtakes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_asked_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_soon_leaves_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_trim, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
