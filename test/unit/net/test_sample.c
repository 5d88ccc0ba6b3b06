/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Shares of addresses: always the same, nested, of their size, different by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "net/sample.h"

static struct sp_addr ip(const char *text)
{
    struct sp_addr a;
    assert_int_equal(sp_addr_parse_ip(sp_str_c(text), &a), 0);
    return a;
}

static bool has(unsigned percent, const char *name, const char *text)
{
    struct sp_sample s;
    struct sp_addr a = ip(text);
    sp_sample_init(&s, percent, SP_STR("ingress"), sp_str_c(name));
    return sp_sample_has(&s, &a);
}

static void test_shares(void **state)
{
    unsigned in[101] = {0}, other = 0;
    for (unsigned i = 0; i < 1000; i++) {
        char text[32];
        snprintf(text, sizeof(text), "10.%u.%u.7", i / 250, i % 250);
        bool before = false;
        for (unsigned percent = 0; percent <= 100; percent += 10) {
            bool now = has(percent, "a", text);
            assert_true(now || !before); /* who is in a share is in the larger ones */
            before = now;
            in[percent] += now;
        }
        other += has(50, "a", text) != has(50, "b", text);
    }
    assert_int_equal(in[0], 0);
    assert_int_equal(in[100], 1000);
    for (unsigned percent = 10; percent < 100; percent += 10)
        assert_in_range(in[percent], percent * 10 - 60, percent * 10 + 60);
    assert_in_range(other, 400, 600); /* another rule tries others */
}

/* Fixed for ever: these must not change with a release, or a client would be drawn anew. */
static void test_known(void **state)
{
    char got[17] = "";
    for (unsigned i = 0; i < 16; i++) {
        char text[32];
        snprintf(text, sizeof(text), "192.0.2.%u", i);
        got[i] = has(50, "jwt", text) ? '1' : '0';
    }
    assert_string_equal(got, "1100101101100011");
}

static void test_networks(void **state)
{
    bool first = has(50, "a", "2001:db8:0:1::1");
    assert_int_equal(has(50, "a", "2001:db8:0:1:ffff::2"), first); /* one host has a /64 */
    unsigned n = 0;
    for (unsigned i = 0; i < 200; i++) {
        char text[40];
        snprintf(text, sizeof(text), "2001:db8:0:%x::1", i);
        n += has(50, "a", text);
    }
    assert_in_range(n, 60, 140);
    for (unsigned i = 0; i < 20; i++) {
        char mapped[40], plain[40];
        snprintf(mapped, sizeof(mapped), "::ffff:192.0.2.%u", i);
        snprintf(plain, sizeof(plain), "192.0.2.%u", i);
        assert_int_equal(has(50, "a", mapped), has(50, "a", plain));
    }
}

static void test_nothing_to_draw_by(void **state)
{
    struct sp_sample s;
    struct sp_addr none = {0}, path = {.family = AF_UNIX, .path = ""};
    sp_sample_init(&s, 0, SP_STR("x"), SP_STR("y"));
    assert_true(sp_sample_has(&s, NULL));
    assert_true(sp_sample_has(&s, &none));
    assert_true(sp_sample_has(&s, &path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shares), cmocka_unit_test(test_known), cmocka_unit_test(test_networks),
        cmocka_unit_test(test_nothing_to_draw_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
