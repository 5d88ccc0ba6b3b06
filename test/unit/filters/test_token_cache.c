/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of introspection answers: times, replacement, the least recently used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "filters/token_cache.h"

static uint8_t *key_of(unsigned n)
{
    static uint8_t key[SP_TOKEN_KEY];
    /* The first byte is the same: all are in few buckets. */
    key[4] = (uint8_t)n;
    key[5] = (uint8_t)(n >> 8);
    return key;
}

static void put(struct sp_token_cache *c, unsigned n, uint64_t until)
{
    json_t *claims = json_pack("{s:i}", "n", (int)n);
    sp_token_cache_put(c, key_of(n), claims, until);
    json_decref(claims);
}

/* The number, -1: known as not active, -2: not known. */
static int get(struct sp_token_cache *c, unsigned n, uint64_t now)
{
    json_t *claims = NULL;
    if (!sp_token_cache_get(c, key_of(n), now, &claims))
        return -2;
    int got = claims ? (int)json_integer_value(json_object_get(claims, "n")) : -1;
    json_decref(claims);
    return got;
}

static void test_times(void **state)
{
    struct sp_token_cache c;
    sp_token_cache_init(&c, 10);
    assert_int_equal(get(&c, 1, 0), -2);
    put(&c, 1, 100);
    sp_token_cache_put(&c, key_of(2), NULL, 50);
    assert_int_equal(get(&c, 1, 99), 1);
    assert_int_equal(get(&c, 2, 49), -1);
    assert_int_equal(get(&c, 2, 50), -2);
    assert_int_equal(get(&c, 1, 100), -2);
    assert_int_equal(get(&c, 1, 0), -2);
    sp_token_cache_done(&c);
}

static void test_replaced(void **state)
{
    struct sp_token_cache c;
    sp_token_cache_init(&c, 2);
    for (unsigned i = 0; i < 5; i++) {
        put(&c, 7, 100 + i);
        sp_token_cache_put(&c, key_of(7), NULL, 200);
        assert_int_equal(get(&c, 7, 150), -1);
    }
    put(&c, 7, 300);
    assert_int_equal(get(&c, 7, 250), 7);
    sp_token_cache_done(&c);
}

static void test_least_recently_used(void **state)
{
    struct sp_token_cache c;
    sp_token_cache_init(&c, 100);
    for (unsigned i = 0; i < 100; i++)
        put(&c, i, 1000);
    assert_int_equal(get(&c, 0, 1), 0);
    put(&c, 1000, 1000);
    assert_int_equal(get(&c, 0, 1), 0);
    assert_int_equal(get(&c, 1, 1), -2);
    assert_int_equal(get(&c, 1000, 1), 1000);
    for (unsigned i = 2000; i < 3000; i++)
        put(&c, i, 1000);
    assert_int_equal(get(&c, 0, 1), -2);
    assert_int_equal(get(&c, 2899, 1), -2);
    for (unsigned i = 2900; i < 3000; i++)
        assert_int_equal(get(&c, i, 1), (int)i);
    sp_token_cache_done(&c);
}

static void test_none(void **state)
{
    struct sp_token_cache c;
    sp_token_cache_init(&c, 0);
    put(&c, 1, 1000);
    assert_int_equal(get(&c, 1, 0), -2);
    sp_token_cache_done(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_replaced),
        cmocka_unit_test(test_least_recently_used),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
