/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The register of used tickets: each once, for as long as it has to be, and nothing new where there is no room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>

#include "net/tls_strikes.h"

enum { KEEP = 22000 };

static enum sp_strike take(struct sp_tls_strikes *s, uint64_t now, uint32_t id)
{
    uint8_t bytes[SP_STRIKE_BYTES] = {(uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16), (uint8_t)(id >> 24)};
    return sp_tls_strikes_take(s, now, bytes);
}

static void once(void **state)
{
    (void)state;
    struct sp_tls_strikes *s = sp_tls_strikes_new(64, KEEP);
    for (uint32_t id = 0; id < 64; id++) /* one of them all zeros */
        assert_int_equal(take(s, 1000 + id, id), SP_STRIKE_NEW);
    for (uint32_t id = 0; id < 64; id++)
        assert_int_equal(take(s, 2000, id), SP_STRIKE_SEEN);
    sp_tls_strikes_free(s);
}

/* Whenever it came in the life of a generation, it is there for KEEP at least. */
static void as_long_as_it_has_to_be(void **state)
{
    (void)state;
    for (uint64_t at = 0; at < 3 * KEEP; at += 500) {
        struct sp_tls_strikes *s = sp_tls_strikes_new(64, KEEP);
        uint64_t begin = 50 * KEEP;
        take(s, begin, 1);
        assert_int_equal(take(s, begin + at, 2), SP_STRIKE_NEW);
        for (uint64_t later = 0; later < KEEP; later += 333) {
            assert_int_equal(take(s, begin + at + later, 2), SP_STRIKE_SEEN);
            take(s, begin + at + later, 3 + (uint32_t)later % 8);
        }
        assert_int_equal(take(s, begin + at + KEEP - 1, 2), SP_STRIKE_SEEN);
        sp_tls_strikes_free(s);
    }
}

static void forgotten_in_the_end(void **state)
{
    (void)state;
    struct sp_tls_strikes *s = sp_tls_strikes_new(64, KEEP);
    assert_int_equal(take(s, 5 * KEEP, 1), SP_STRIKE_NEW);
    assert_int_equal(take(s, 8 * KEEP, 1), SP_STRIKE_NEW);
    assert_int_equal(take(s, 8 * KEEP + 1, 1), SP_STRIKE_SEEN);
    sp_tls_strikes_free(s);
}

/* Full: what is new is refused, what was seen is still known; a generation later there is room again. */
static void full(void **state)
{
    (void)state;
    struct sp_tls_strikes *s = sp_tls_strikes_new(100, KEEP);
    for (uint32_t id = 0; id < 100; id++)
        assert_int_equal(take(s, KEEP, id), SP_STRIKE_NEW);
    assert_int_equal(take(s, KEEP + 1, 100), SP_STRIKE_FULL);
    assert_int_equal(take(s, KEEP + 1, 100), SP_STRIKE_FULL);
    assert_int_equal(take(s, KEEP + 1, 7), SP_STRIKE_SEEN);
    assert_int_equal(take(s, 2 * KEEP, 100), SP_STRIKE_NEW);
    assert_int_equal(take(s, 2 * KEEP, 7), SP_STRIKE_SEEN);
    for (uint32_t id = 101; id < 200; id++)
        assert_int_equal(take(s, 2 * KEEP, id), SP_STRIKE_NEW);
    assert_int_equal(take(s, 2 * KEEP, 201), SP_STRIKE_FULL);
    sp_tls_strikes_free(s);
}

enum { THREADS = 4, IDS = 2000 };

static struct sp_tls_strikes *shared;
static atomic_uint taken[IDS];

static void *all_of_them(void *arg)
{
    (void)arg;
    for (uint32_t id = 0; id < IDS; id++)
        if (take(shared, KEEP + id, id) == SP_STRIKE_NEW)
            atomic_fetch_add(&taken[id], 1);
    return NULL;
}

/* Threads that take the same: one of them gets each. */
static void by_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    shared = sp_tls_strikes_new(IDS, KEEP);
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, all_of_them, NULL), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (unsigned id = 0; id < IDS; id++)
        assert_int_equal(atomic_load(&taken[id]), 1);
    sp_tls_strikes_free(shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(once), cmocka_unit_test(as_long_as_it_has_to_be), cmocka_unit_test(forgotten_in_the_end), cmocka_unit_test(full),
        cmocka_unit_test(by_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
