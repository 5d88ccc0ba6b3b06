/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges as text, and the longest-prefix table against a search through the whole list. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net/cidr.h"

static uint64_t seed = 0x9e3779b97f4a7c15ull;

static uint32_t rnd(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 16);
}

static struct sp_cidr cidr(const char *text)
{
    struct sp_cidr c;
    const char *why;
    assert_int_equal(sp_cidr_parse(sp_str_c(text), &c, &why), 0);
    return c;
}

static struct sp_addr addr(const char *text)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse(sp_str_c(text), &a), 0);
    return a;
}

static void test_parse(void **state)
{
    static const char *const good[][2] = {
        {"203.0.113.0/24", "203.0.113.0/24"}, {"0.0.0.0/0", "0.0.0.0/0"},   {"1.2.3.4", "1.2.3.4/32"},
        {"2001:db8::/32", "2001:db8::/32"},   {"::1", "::1/128"},           {"::/0", "::/0"},
        {"::ffff:10.0.0.0/104", "10.0.0.0/8"}, {"::ffff:1.2.3.4", "1.2.3.4/32"}, {"::ffff:0:0/96", "0.0.0.0/0"},
        {"128.0.0.0/1", "128.0.0.0/1"},       {"2001:db8::8000/113", "2001:db8::8000/113"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(good); i++) {
        char out[SP_ADDR_TEXT_MAX];
        struct sp_cidr c = cidr(good[i][0]);
        assert_int_equal(sp_cidr_format(&c, out), strlen(good[i][1]));
        assert_string_equal(out, good[i][1]);
    }
}

static void test_parse_refuses(void **state)
{
    static const char *const bad[][2] = {
        {"", "not an"}, {"/8", "not an"}, {"10.0.0.0/", "slash"}, {"10.0.0.0/33", "0 to 32"}, {"10.0.0.0/x", "slash"},
        {"10.0.0.0/08", "slash"}, {"10.0.0.0/8/8", "slash"}, {"10.0.0.1/8", "10.0.0.0/8"}, {"::1/64", "::/64"},
        {"2001:db8::/129", "slash"}, {"::ffff:0.0.0.0/95", "96"}, {"10.0.0.0/-1", "slash"}, {"fe80::1%2", "zone"},
        {"10.0.0/8", "not an"}, {"1.2.3.4:80", "not an"}, {"::ffff:10.0.0.1/104", "10.0.0.0/8"}, {"*", "not an"},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++) {
        struct sp_cidr c = {.bits = 99};
        const char *why = "";
        if (sp_cidr_parse(sp_str_c(bad[i][0]), &c, &why) != -EINVAL || !strstr(why, bad[i][1]))
            fail_msg("%s: %s", bad[i][0], why);
        assert_int_equal(c.bits, 99);
    }
}

static void test_from_prefix(void **state)
{
    struct sp_cidr c;
    const char *why;
    char out[SP_ADDR_TEXT_MAX];
    assert_int_equal(sp_cidr_from_prefix(SP_STR("10.1.2.3"), 8, &c, &why), 0);
    sp_cidr_format(&c, out);
    assert_string_equal(out, "10.0.0.0/8");
    assert_int_equal(sp_cidr_from_prefix(SP_STR("::ffff:10.1.2.3"), 112, &c, &why), 0);
    sp_cidr_format(&c, out);
    assert_string_equal(out, "10.1.0.0/16");
    assert_int_equal(sp_cidr_from_prefix(SP_STR("10.1.2.3"), 4000000000u, &c, &why), -EINVAL);
    assert_int_equal(sp_cidr_from_prefix(SP_STR("10.1.2.3/8"), 8, &c, &why), -EINVAL);
}

static bool contains(const char *range, const char *a)
{
    struct sp_cidr c = cidr(range);
    struct sp_addr x = addr(a);
    return sp_cidr_contains(&c, &x);
}

static void test_contains(void **state)
{
    assert_true(contains("10.0.0.0/8", "10.255.0.1") && contains("10.0.0.0/8", "::ffff:10.0.0.1"));
    assert_false(contains("10.0.0.0/8", "11.0.0.0") || contains("10.0.0.0/9", "10.128.0.0"));
    assert_true(contains("0.0.0.0/0", "9.9.9.9") && !contains("0.0.0.0/0", "::1") && !contains("::/0", "9.9.9.9"));
    assert_true(contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1"));
    assert_true(contains("1.2.3.4", "1.2.3.4") && !contains("1.2.3.4", "1.2.3.5"));
    struct sp_cidr all = cidr("0.0.0.0/0");
    struct sp_addr un = {.family = AF_UNIX, .path = "/x"}, none = {0};
    assert_false(sp_cidr_contains(&all, &un) || sp_cidr_contains(&all, &none));
}

static void test_table_small(void **state)
{
    struct sp_cidr_table *t = sp_cidr_table_new();
    static const char *const ranges[] = {"10.0.0.0/8", "10.1.0.0/16", "10.1.2.3", "::/0", "2001:db8::/32", "10.0.0.0/8"};
    for (uint32_t i = 0; i < SP_ARRAY_LEN(ranges); i++) {
        struct sp_cidr c = cidr(ranges[i]);
        sp_cidr_table_add(t, &c, i);
    }
    sp_cidr_table_build(t);
    assert_int_equal(sp_cidr_table_count(t), 5);
    static const struct { const char *a; int value; } want[] = {
        {"10.9.9.9", 0}, {"10.1.9.9", 1}, {"10.1.2.3", 2}, {"10.1.2.2", 1}, {"9.255.255.255", -1}, {"11.0.0.0", -1},
        {"::1", 3}, {"2001:db8::1", 4}, {"2001:db9::", 3}, {"::ffff:10.1.2.3", 2}, {"255.255.255.255", -1},
    };
    for (size_t i = 0; i < SP_ARRAY_LEN(want); i++) {
        struct sp_addr a = addr(want[i].a);
        uint32_t v = 1000;
        struct sp_cidr c;
        assert_int_equal(sp_cidr_table_find(t, &a, &c, &v), want[i].value >= 0);
        if (want[i].value >= 0) {
            assert_int_equal(v, want[i].value);
            assert_true(sp_cidr_contains(&c, &a));
            assert_true(sp_cidr_table_find(t, &a, NULL, NULL));
        }
    }
    struct sp_addr un = {.family = AF_UNIX, .path = ""};
    assert_false(sp_cidr_table_find(t, &un, NULL, NULL));
    sp_cidr_table_free(t);
    sp_cidr_table_free(NULL);
}

static void test_table_empty(void **state)
{
    struct sp_cidr_table *t = sp_cidr_table_new();
    sp_cidr_table_build(t);
    struct sp_addr a = addr("1.2.3.4"), b = addr("::1");
    assert_false(sp_cidr_table_find(t, &a, NULL, NULL) || sp_cidr_table_find(t, &b, NULL, NULL));
    assert_int_equal(sp_cidr_table_count(t), 0);
    sp_cidr_table_free(t);
}

/* Random addresses out of few bit patterns, so that ranges nest and look-ups hit. */
static void random_ip(uint8_t *ip, unsigned width)
{
    memset(ip, 0, 16);
    for (unsigned i = 0; i < width / 8; i++) {
        uint32_t r = rnd();
        ip[i] = (r & 3) == 0 ? (uint8_t)(r >> 8) : (uint8_t)((r >> 8 & 1) * 0xff);
    }
}

static struct sp_cidr random_cidr(bool v4)
{
    unsigned width = v4 ? 32 : 128;
    struct sp_cidr c = {.family = v4 ? AF_INET : AF_INET6, .bits = (uint8_t)(rnd() % (width + 1))};
    random_ip(c.ip, width);
    for (unsigned bit = c.bits; bit < width; bit++)
        c.ip[bit / 8] &= (uint8_t)~(0x80u >> bit % 8);
    return c;
}

static const struct sp_cidr *oracle(const struct sp_cidr *list, unsigned n, const struct sp_addr *a, uint32_t *value)
{
    const struct sp_cidr *best = NULL;
    for (unsigned i = 0; i < n; i++) {
        if (sp_cidr_contains(&list[i], a) && (!best || list[i].bits > best->bits)) {
            best = &list[i];
            *value = i;
        }
    }
    return best;
}

static void check(const struct sp_cidr_table *t, const struct sp_cidr *list, unsigned n, const struct sp_addr *a)
{
    uint32_t want_value = 0, value = 0;
    struct sp_cidr got;
    const struct sp_cidr *want = oracle(list, n, a, &want_value);
    assert_int_equal(sp_cidr_table_find(t, a, &got, &value), want != NULL);
    if (want) {
        assert_int_equal(got.bits, want->bits);
        assert_memory_equal(got.ip, want->ip, 16);
        assert_int_equal(value, want_value);
    }
}

/* The first and last address of a range, and the ones next to them, are where an error would show. */
static void check_edges(const struct sp_cidr_table *t, const struct sp_cidr *list, unsigned n, const struct sp_cidr *c)
{
    unsigned width = c->family == AF_INET ? 32 : 128;
    struct sp_addr first = {.family = c->family}, last = first;
    memcpy(first.ip, c->ip, 16);
    last = first;
    for (unsigned bit = c->bits; bit < width; bit++)
        last.ip[bit / 8] |= (uint8_t)(0x80u >> bit % 8);
    check(t, list, n, &first);
    check(t, list, n, &last);
    for (int i = (int)width / 8 - 1; i >= 0 && first.ip[i]-- == 0; i--)
        ;
    for (int i = (int)width / 8 - 1; i >= 0 && ++last.ip[i] == 0; i--)
        ;
    check(t, list, n, &first);
    check(t, list, n, &last);
}

static void test_table_random(void **state)
{
    static struct sp_cidr list[400];
    for (unsigned round = 0; round < 60; round++) {
        unsigned n = 1 + rnd() % SP_ARRAY_LEN(list);
        struct sp_cidr_table *t = sp_cidr_table_new();
        for (unsigned i = 0; i < n; i++) {
            list[i] = random_cidr(rnd() & 1);
            sp_cidr_table_add(t, &list[i], i);
        }
        sp_cidr_table_build(t);
        for (unsigned i = 0; i < n; i++)
            check_edges(t, list, n, &list[i]);
        for (unsigned i = 0; i < 200; i++) {
            struct sp_addr a = {.family = rnd() & 1 ? AF_INET : AF_INET6};
            random_ip(a.ip, a.family == AF_INET ? 32 : 128);
            check(t, list, n, &a);
        }
        sp_cidr_table_free(t);
    }
}

static void test_table_large(void **state)
{
    enum { N = 200000 };
    struct sp_cidr_table *t = sp_cidr_table_new();
    for (uint32_t i = 0; i < N; i++) { /* every second /26 */
        uint32_t ip = i << 7;
        struct sp_cidr c = {.family = AF_INET, .bits = 26};
        memcpy(c.ip, (uint8_t[]){(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}, 4);
        sp_cidr_table_add(t, &c, i);
    }
    sp_cidr_table_build(t);
    assert_int_equal(sp_cidr_table_count(t), N);
    for (uint32_t i = 0; i < N * 2; i++) {
        uint32_t ip = (i << 6) + rnd() % 64, value;
        struct sp_addr a = {.family = AF_INET};
        memcpy(a.ip, (uint8_t[]){(uint8_t)(ip >> 24), (uint8_t)(ip >> 16), (uint8_t)(ip >> 8), (uint8_t)ip}, 4);
        bool found = sp_cidr_table_find(t, &a, NULL, &value);
        assert_int_equal(found, i % 2 == 0);
        if (found)
            assert_int_equal(value, i / 2);
    }
    sp_cidr_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse),       cmocka_unit_test(test_parse_refuses), cmocka_unit_test(test_from_prefix),
        cmocka_unit_test(test_contains),    cmocka_unit_test(test_table_small),   cmocka_unit_test(test_table_empty),
        cmocka_unit_test(test_table_random), cmocka_unit_test(test_table_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
