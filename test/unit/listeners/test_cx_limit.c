/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "listeners/cx_limit.h"

static void none(void **state)
{
    struct sp_cx_limit l = {0};
    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        assert_true(sp_cx_limit_take(&l));
    sp_cx_limit_give(&l);
    sp_cx_limit_done(&l);
}

static void counts(void **state)
{
    struct sp_cx_limit l = {0};
    (void)state;
    sp_cx_limit_init(&l, SP_STR("a"), 2);
    assert_true(sp_cx_limit_take(&l));
    assert_true(sp_cx_limit_take(&l));
    assert_false(sp_cx_limit_take(&l));
    assert_false(sp_cx_limit_take(&l));
    sp_cx_limit_give(&l);
    assert_true(sp_cx_limit_take(&l));
    sp_cx_limit_done(&l);
}

/* A new config's listener of that name sees the connections of the old one; another name does not. */
static void outlives_a_config(void **state)
{
    struct sp_cx_limit before = {0}, after = {0}, other = {0};
    (void)state;
    sp_cx_limit_init(&before, SP_STR("a"), 10);
    for (unsigned i = 0; i < 3; i++)
        assert_true(sp_cx_limit_take(&before));
    sp_cx_limit_init(&after, SP_STR("a"), 4);
    sp_cx_limit_init(&other, SP_STR_NULL, 1);
    assert_true(sp_cx_limit_take(&other));
    assert_true(sp_cx_limit_take(&after));
    assert_false(sp_cx_limit_take(&after));
    sp_cx_limit_give(&before);
    sp_cx_limit_done(&before);
    assert_true(sp_cx_limit_take(&after));
    sp_cx_limit_done(&after);
    sp_cx_limit_done(&other);
    sp_cx_limit_init(&after, SP_STR("a"), 1); /* nobody held it: from the beginning */
    assert_true(sp_cx_limit_take(&after));
    sp_cx_limit_done(&after);
}

static struct sp_cx_limit shared;

static void *storm(void *arg)
{
    unsigned *most = arg;
    for (unsigned i = 0; i < 20000; i++) {
        unsigned n = 0;
        while (n < 8 && sp_cx_limit_take(&shared))
            n++;
        *most = SP_MAX(*most, n);
        while (n--)
            sp_cx_limit_give(&shared);
    }
    return NULL;
}

static void of_all_threads(void **state)
{
    pthread_t threads[4];
    unsigned most[4] = {0};
    (void)state;
    sp_cx_limit_init(&shared, SP_STR("shared"), 5);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, storm, &most[i]), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (unsigned i = 0; i < 4; i++)
        assert_true(most[i] <= 5);
    for (unsigned i = 0; i < 5; i++)
        assert_true(sp_cx_limit_take(&shared));
    assert_false(sp_cx_limit_take(&shared));
    sp_cx_limit_done(&shared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(none), cmocka_unit_test(counts), cmocka_unit_test(outlives_a_config),
                                       cmocka_unit_test(of_all_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
