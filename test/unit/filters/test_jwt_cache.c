/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "filters/jwt_cache.h"

enum { KEYS = 7 };

static json_t *get(struct sp_jwt_cache *c, unsigned worker, struct sp_str token, uint64_t keys, int64_t now, uint8_t key[SP_JWT_CACHE_KEY])
{
    struct sp_jwt_claims claims = {.exp = -1};
    json_t *payload = sp_jwt_cache_get(c, worker, token, keys, now, key, &claims);
    if (!payload) {
        assert_int_equal(claims.exp, -1);
        return NULL;
    }
    assert_true(claims.has_exp && claims.exp == (int64_t)token.len);
    assert_ptr_equal(claims.sub.ptr, json_string_value(json_object_get(payload, "sub"))); /* of what was given, not of what was put */
    assert_true(sp_str_eq(claims.sub, token));
    return payload;
}

static bool put(struct sp_jwt_cache *c, unsigned worker, const char *token, int64_t until)
{
    uint8_t key[SP_JWT_CACHE_KEY];
    json_t *had = get(c, worker, sp_str_c(token), KEYS, 0, key);
    if (had) {
        json_decref(had);
        return false;
    }
    json_t *payload = json_pack("{s:s, s:i}", "sub", token, "exp", (int)strlen(token));
    struct sp_jwt_claims claims;
    assert_int_equal(sp_jwt_claims_read(payload, &claims), SP_JWT_OK);
    sp_jwt_cache_put(c, worker, sp_str_c(token), KEYS, key, payload, &claims, until);
    json_decref(payload);
    return true;
}

static bool has(struct sp_jwt_cache *c, unsigned worker, const char *token, int64_t now)
{
    uint8_t key[SP_JWT_CACHE_KEY];
    json_t *payload = get(c, worker, sp_str_c(token), KEYS, now, key);
    json_decref(payload);
    return payload != NULL;
}

/* A key that left the set verifies nothing any more, seen before or not. */
static void test_other_keys(void **state)
{
    uint8_t key[SP_JWT_CACHE_KEY];
    struct sp_jwt_cache *c = sp_jwt_cache_new(10, 100);
    assert_true(put(c, 0, "a", 1000));
    assert_null(get(c, 0, SP_STR("a"), KEYS + 1, 0, key));
    assert_false(has(c, 0, "a", 0)); /* forgotten */
    assert_true(put(c, 0, "a", 1000));
    assert_true(has(c, 0, "a", 0));
    sp_jwt_cache_free(c);
}

static void test_put_and_get(void **state)
{
    struct sp_jwt_cache *c = sp_jwt_cache_new(10, 100);
    assert_false(has(c, 0, "a", 0));
    assert_true(put(c, 0, "a", 1000));
    assert_true(put(c, 0, "b", 1000));
    assert_true(has(c, 0, "a", 0));
    assert_true(has(c, 0, "b", 999));
    assert_false(has(c, 0, "A", 0));
    assert_false(has(c, 1, "a", 0)); /* each worker has its own */
    assert_true(put(c, 1, "a", 1000));
    assert_true(has(c, 1, "a", 0));
    sp_jwt_cache_free(c);
    sp_jwt_cache_free(NULL);
}

static void test_expires(void **state)
{
    struct sp_jwt_cache *c = sp_jwt_cache_new(2, 100);
    put(c, 0, "a", 1000);
    assert_true(has(c, 0, "a", 999));
    assert_false(has(c, 0, "a", 1000));
    assert_false(has(c, 0, "a", 0)); /* it is gone for good */
    for (unsigned i = 0; i < 10; i++) {
        assert_true(put(c, 0, "a", 1000));
        assert_false(has(c, 0, "a", 2000));
    }
    assert_true(put(c, 0, "b", 1000));
    assert_true(put(c, 0, "c", 1000));
    assert_true(has(c, 0, "b", 0));
    assert_true(has(c, 0, "c", 0));
    sp_jwt_cache_free(c);
}

static void test_least_recently_used_goes(void **state)
{
    struct sp_jwt_cache *c = sp_jwt_cache_new(3, 100);
    put(c, 0, "a", 1000);
    put(c, 0, "b", 1000);
    put(c, 0, "c", 1000);
    assert_true(has(c, 0, "a", 0));
    put(c, 0, "d", 1000); /* b goes */
    assert_true(has(c, 0, "a", 0));
    assert_false(has(c, 0, "b", 0));
    assert_true(has(c, 0, "c", 0));
    assert_true(has(c, 0, "d", 0));
    sp_jwt_cache_free(c);
}

/* Never more than n, and all of the newest n. */
static void test_many(void **state)
{
    char token[32];
    for (unsigned n = 1; n <= 9; n += 4) {
        struct sp_jwt_cache *c = sp_jwt_cache_new(n, 100);
        for (unsigned i = 0; i < 500; i++) {
            snprintf(token, sizeof(token), "t%u", i);
            put(c, 0, token, 1000);
        }
        unsigned found = 0;
        for (unsigned i = 0; i < 500; i++) {
            snprintf(token, sizeof(token), "t%u", i);
            bool there = has(c, 0, token, 0);
            assert_int_equal(there, i >= 500 - n);
            found += there;
        }
        assert_int_equal(found, n);
        sp_jwt_cache_free(c);
    }
}

static void test_limits(void **state)
{
    struct sp_jwt_cache *c = sp_jwt_cache_new(3, 5);
    put(c, 0, "123456", 1000);
    assert_false(has(c, 0, "123456", 0));
    put(c, 0, "12345", 1000);
    assert_true(has(c, 0, "12345", 0));
    put(c, SP_JWT_CACHE_WORKERS, "a", 1000);
    assert_false(has(c, SP_JWT_CACHE_WORKERS, "a", 0));
    put(c, SP_JWT_CACHE_WORKERS - 1, "a", 1000);
    assert_true(has(c, SP_JWT_CACHE_WORKERS - 1, "a", 0));
    sp_jwt_cache_free(c);
}

struct work {
    struct sp_jwt_cache *cache;
    unsigned worker;
};

static void *work(void *p)
{
    const struct work *w = p;
    char token[32];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(token, sizeof(token), "t%u", i % 20);
        if (!has(w->cache, w->worker, token, 0))
            put(w->cache, w->worker, token, 1000);
    }
    return NULL;
}

/* Workers side by side, and another thread frees: for the thread sanitizer. */
static void test_threads(void **state)
{
    struct sp_jwt_cache *c = sp_jwt_cache_new(10, 100);
    pthread_t threads[4];
    struct work works[4];
    for (unsigned i = 0; i < 4; i++) {
        works[i] = (struct work){c, i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &works[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    sp_jwt_cache_free(c);
}

/* The next config finds it; what another key set said does not count there either. */
static void test_kept(void **state)
{
    struct sp_hash one = {{1}}, two = {{2}};
    unsigned before = sp_keep_count(NULL);
    struct sp_jwt_cache *a = sp_jwt_cache_keep(&one, 10, 100), *b = sp_jwt_cache_keep(&two, 10, 100);
    assert_ptr_not_equal(a, b);
    put(a, 0, "token", 1000);
    struct sp_jwt_cache *again = sp_jwt_cache_keep(&one, 10, 100);
    assert_ptr_equal(again, a);
    sp_jwt_cache_free(a);
    assert_true(has(again, 0, "token", 0));
    assert_false(has(b, 0, "token", 0));
    sp_jwt_cache_free(again);
    sp_jwt_cache_free(b);
    assert_int_equal(sp_keep_count(NULL), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_and_get),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_least_recently_used_goes),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
