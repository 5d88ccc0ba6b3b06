/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "config/keep.h"
#include "filters/replay_set.h"

enum { NOW = 1800000000, THREADS = 4, IDS = 20000 };

static enum sp_replay take(struct sp_replay_set *s, unsigned id, int64_t now, int64_t expires)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "id %u", id);
    return sp_replay_set_take(s, sp_str_n(text, (size_t)n), now, expires);
}

static void test_once(void **state)
{
    struct sp_replay_set *s = sp_replay_set_new(0);
    assert_int_equal(take(s, 1, NOW, NOW + 30), SP_REPLAY_FRESH);
    assert_int_equal(take(s, 1, NOW, NOW + 30), SP_REPLAY_SEEN);
    assert_int_equal(take(s, 2, NOW, NOW + 30), SP_REPLAY_FRESH);
    assert_int_equal(take(s, 1, NOW + 30, NOW + 30), SP_REPLAY_SEEN); /* to the very end */
    assert_int_equal(take(s, 2, NOW + 29, NOW + 30), SP_REPLAY_SEEN);
    /* One that says something else of its end is the same one. */
    assert_int_equal(take(s, 2, NOW + 29, NOW + 300), SP_REPLAY_SEEN);
    /* Bytes count, not text: also the empty id, and one with a NUL. */
    assert_int_equal(sp_replay_set_take(s, SP_STR(""), NOW, NOW), SP_REPLAY_FRESH);
    assert_int_equal(sp_replay_set_take(s, SP_STR(""), NOW, NOW), SP_REPLAY_SEEN);
    assert_int_equal(sp_replay_set_take(s, SP_STR("a\0b"), NOW, NOW), SP_REPLAY_FRESH);
    assert_int_equal(sp_replay_set_take(s, SP_STR("a\0c"), NOW, NOW), SP_REPLAY_FRESH);
    assert_int_equal(sp_replay_set_take(s, SP_STR("a\0b"), NOW, NOW), SP_REPLAY_SEEN);
    sp_replay_set_free(s);
    sp_replay_set_free(NULL);
}

/* Whatever a place is used for again, nobody who is still young enough gets in twice. */
static void test_never_twice_over_time(void **state)
{
    struct sp_replay_set *s = sp_replay_set_new(1024);
    unsigned fresh = 0;
    for (unsigned t = 0; t < 3000; t++) {
        int64_t now = NOW + t;
        for (unsigned i = 0; i < 4; i++) {
            unsigned id = t * 4 + i;
            fresh += take(s, id, now, now + 60) == SP_REPLAY_FRESH;
            for (unsigned back = 1; back <= 60 && back <= t; back += 7)
                assert_int_equal(take(s, id - back * 4, now, now - back + 60), SP_REPLAY_SEEN);
        }
    }
    /* 4 a second for 60 to 76 s: 300 of 1024 places, so that by no chance a bucket is full. */
    assert_int_equal(fresh, 3000 * 4);
    sp_replay_set_free(s);
}

static void test_full(void **state)
{
    struct sp_replay_set *s = sp_replay_set_new(1024);
    unsigned fresh = 0, full = 0;
    for (unsigned i = 0; i < 2000; i++) {
        enum sp_replay r = take(s, i, NOW, NOW + 30);
        assert_int_not_equal(r, SP_REPLAY_SEEN);
        fresh += r == SP_REPLAY_FRESH;
        full += r == SP_REPLAY_FULL;
        if (r == SP_REPLAY_FULL)
            assert_true(fresh > 1024 / 2); /* four fifths on average, seen as low as 0.67; with one place for each id it would be half */
        assert_int_equal(take(s, i, NOW, NOW + 30), r == SP_REPLAY_FRESH ? SP_REPLAY_SEEN : SP_REPLAY_FULL);
    }
    assert_in_range(fresh, 950, 1024);
    assert_int_equal(fresh + full, 2000);
    /* Full is not for ever. */
    for (unsigned i = 5000; i < 5500; i++)
        assert_int_equal(take(s, i, NOW + 60, NOW + 90), SP_REPLAY_FRESH);
    sp_replay_set_free(s);
}

/* What was forgotten may have been there: after a clock went back it is not let in again. */
static void test_clock_set_back(void **state)
{
    struct sp_replay_set *s = sp_replay_set_new(1024);
    unsigned seen = 0;
    for (unsigned i = 0; i < 300; i++)
        assert_int_equal(take(s, i, NOW, NOW + 30), SP_REPLAY_FRESH);
    for (unsigned i = 5000; i < 5300; i++) /* some in the places of those */
        assert_int_equal(take(s, i, NOW + 3600, NOW + 3630), SP_REPLAY_FRESH);
    for (unsigned i = 0; i < 300; i++)
        seen += take(s, i, NOW + 10, NOW + 30) == SP_REPLAY_SEEN;
    assert_int_equal(seen, 300);
    assert_int_equal(take(s, 9999, NOW + 3600, NOW + 3630), SP_REPLAY_FRESH);
    sp_replay_set_free(s);
    /* Where nothing was forgotten, life goes on. */
    s = sp_replay_set_new(1024);
    assert_int_equal(take(s, 1, NOW, NOW + 30), SP_REPLAY_FRESH);
    assert_int_equal(take(s, 2, NOW - 100, NOW - 70), SP_REPLAY_FRESH);
    assert_int_equal(take(s, 1, NOW - 100, NOW - 70), SP_REPLAY_SEEN);
    sp_replay_set_free(s);
}

static void test_too_far_ahead(void **state)
{
    struct sp_replay_set *s = sp_replay_set_new(1024);
    assert_int_equal(take(s, 1, NOW, INT64_MAX), SP_REPLAY_FULL);
    assert_int_equal(take(s, 1, NOW, NOW + 366 * 86400ll), SP_REPLAY_FRESH);
    assert_int_equal(take(s, 1, NOW + 365 * 86400ll, NOW + 366 * 86400ll), SP_REPLAY_SEEN);
    sp_replay_set_free(s);
}

static struct {
    struct sp_replay_set *set;
    _Atomic unsigned ready;
    _Atomic unsigned char fresh[IDS];
} shared;

static void *takes_all(void *arg)
{
    atomic_fetch_add(&shared.ready, 1);
    while (atomic_load(&shared.ready) < THREADS)
        ;
    for (unsigned i = 0; i < IDS; i++)
        if (take(shared.set, i, NOW + i / 500, NOW + 30 + i / 500) == SP_REPLAY_FRESH)
            atomic_fetch_add(&shared.fresh[i], 1);
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t threads[THREADS];
    unsigned once = 0;
    shared.set = sp_replay_set_new(32768);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, takes_all, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned i = 0; i < IDS; i++) {
        assert_in_range(shared.fresh[i], 0, 1);
        once += shared.fresh[i];
    }
    /* In the same instant it may be nobody's; how often that happens is the scheduler's. */
    assert_true(once > IDS / 2);
    print_message("%u of %u ids were taken by one thread\n", once, IDS);
    sp_replay_set_free(shared.set);
}

/* What an earlier config has taken is taken, whatever its capacity was. */
static void test_the_next_config(void **state)
{
    const int64_t now = time(NULL); /* whether an earlier one still matters is asked by the clock */
    struct sp_hash place = {{7}}, other = {{8}};
    struct sp_replay_set *s[12] = {sp_replay_set_keep(&place, 5000)}, *elsewhere = sp_replay_set_keep(&other, 5000);
    assert_int_equal(take(s[0], 1, now, now + 30), SP_REPLAY_FRESH);
    assert_int_equal(take(elsewhere, 1, now, now + 30), SP_REPLAY_FRESH);
    s[1] = sp_replay_set_keep(&place, 6000); /* rounded up, the same */
    assert_ptr_equal(s[1], s[0]);
    for (unsigned i = 2; i < 12; i++) {
        s[i] = sp_replay_set_keep(&place, i % 2 ? 1024 : 1 << 20);
        sp_replay_set_free(s[i - 1]);
        for (unsigned k = 1; k < i; k++)
            assert_int_equal(take(s[i], k, now + 1, now + 30), SP_REPLAY_SEEN);
        assert_int_equal(take(s[i], i, now + 1, now + 30), SP_REPLAY_FRESH);
        assert_int_equal(take(s[i], i, now + 1, now + 30), SP_REPLAY_SEEN);
    }
    sp_replay_set_free(s[0]);
    sp_replay_set_free(s[11]);
    sp_replay_set_free(elsewhere);
    /* With the last config it is gone; and what has expired is not looked into any more. */
    s[0] = sp_replay_set_keep(&place, 5000);
    assert_int_equal(take(s[0], 1, 1000, 1030), SP_REPLAY_FRESH);
    s[1] = sp_replay_set_keep(&place, 100000);
    assert_int_equal(take(s[1], 1, 1000, 1030), SP_REPLAY_FRESH);
    sp_replay_set_free(s[0]);
    sp_replay_set_free(s[1]);
    assert_int_equal(sp_keep_count(NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_once),
        cmocka_unit_test(test_the_next_config),
        cmocka_unit_test(test_never_twice_over_time),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_clock_set_back),
        cmocka_unit_test(test_too_far_ahead),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
