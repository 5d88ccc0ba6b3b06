/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "crypto/ct.h"

static void test_equal(void **state)
{
    char a[70], b[70];
    memset(a, 'x', sizeof(a));
    memset(b, 'x', sizeof(b));
    for (size_t n = 0; n <= sizeof(a); n++)
        assert_true(sp_ct_eq(sp_str_n(a, n), sp_str_n(b, n)));
    assert_true(sp_ct_eq(SP_STR_NULL, SP_STR("")));
}

/* Every single bit counts, at every length and alignment. */
static void test_one_bit_off(void **state)
{
    char a[41], b[41];
    for (size_t off = 0; off < 3; off++)
        for (size_t n = 1; n <= 38; n++)
            for (size_t i = 0; i < n; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                    memset(a, 'x', sizeof(a));
                    memset(b, 'x', sizeof(b));
                    b[off + i] = (char)(b[off + i] ^ 1 << bit);
                    assert_false(sp_ct_eq(sp_str_n(a, n), sp_str_n(b + off, n)));
                }
}

static void test_length_differs(void **state)
{
    assert_false(sp_ct_eq(SP_STR("secret"), SP_STR("secre")));
    assert_false(sp_ct_eq(SP_STR(""), SP_STR("s")));
    assert_false(sp_ct_eq(sp_str_n("secret", 7), SP_STR("secret")));
}

static void test_random_bytes(void **state)
{
    uint8_t a[32] = {0}, b[32] = {0}, zero[32] = {0};
    sp_random_bytes(a, sizeof(a));
    sp_random_bytes(b, sizeof(b));
    assert_memory_not_equal(a, zero, sizeof(a));
    assert_memory_not_equal(a, b, sizeof(a));
    sp_random_bytes(NULL, 0);
}

static void *draw(void *p)
{
    *(uint64_t *)p = sp_random_u64();
    return NULL;
}

static void test_random_u64(void **state)
{
    unsigned ones[64] = {0};
    for (unsigned i = 0; i < 4096; i++) {
        uint64_t v = sp_random_u64();
        for (unsigned bit = 0; bit < 64; bit++)
            ones[bit] += v >> bit & 1;
    }
    /* 4096 fair coins: 2048 with a deviation of 32; ten of them is never seen. */
    for (unsigned bit = 0; bit < 64; bit++)
        assert_in_range(ones[bit], 2048 - 320, 2048 + 320);
    uint64_t a, b;
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, draw, &a), 0);
    pthread_join(t, NULL);
    assert_int_equal(pthread_create(&t, NULL, draw, &b), 0);
    pthread_join(t, NULL);
    assert_true(a != b); /* threads are seeded apart */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_one_bit_off),
        cmocka_unit_test(test_length_differs),
        cmocka_unit_test(test_random_bytes),
        cmocka_unit_test(test_random_u64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
