/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/xff.h"

static void is(struct sp_str s, const char *want)
{
    assert_non_null(s.ptr);
    if (!sp_str_eq(s, sp_str_c(want)))
        fail_msg("%.*s, not %s", SP_STR_ARG(s), want);
}

static void lines_are_one_list(void **state)
{
    struct sp_arena arena;
    struct sp_headers h;
    (void)state;
    sp_arena_init(&arena);
    sp_headers_init(&h, &arena);
    assert_null(sp_xff_list(&h).ptr);
    sp_headers_add_id(&h, SP_H_X_FORWARDED_FOR, SP_STR(""));
    is(sp_xff_list(&h), "");
    sp_headers_set_id(&h, SP_H_X_FORWARDED_FOR, SP_STR("1.1.1.1"));
    is(sp_xff_list(&h), "1.1.1.1");
    sp_headers_add(&h, SP_STR("x-other"), SP_STR("9.9.9.9"));
    sp_headers_add_id(&h, SP_H_X_FORWARDED_FOR, SP_STR("2.2.2.2"));
    is(sp_xff_list(&h), "1.1.1.1, 2.2.2.2");
    sp_arena_done(&arena);
}

static void from_right(void **state)
{
    (void)state;
    struct sp_str list = SP_STR(" 1.1.1.1 ,,2.2.2.2\t, 3.3.3.3");
    is(sp_xff_from_right(list, 0), "3.3.3.3");
    is(sp_xff_from_right(list, 1), "2.2.2.2");
    assert_int_equal(sp_xff_from_right(list, 2).len, 0);
    is(sp_xff_from_right(list, 3), "1.1.1.1");
    assert_int_equal(sp_xff_from_right(list, 4).len, 0);
    assert_int_equal(sp_xff_from_right(list, UINT32_MAX).len, 0);
    assert_int_equal(sp_xff_from_right(SP_STR_NULL, 0).len, 0);
    assert_int_equal(sp_xff_from_right(SP_STR(""), 0).len, 0);
}

static void entries(void **state)
{
    struct sp_addr a;
    (void)state;
    assert_true(sp_xff_parse(SP_STR("2001:db8::1"), &a));
    assert_true(sp_xff_parse(SP_STR("::ffff:1.2.3.4"), &a) && a.family == AF_INET);
    static const char *const bad[] = {"", "x", "1.1.1.1:80", "[2001:db8::1]", "01.2.3.4", "1.1.1.1;"};
    for (size_t i = 0; i < SP_ARRAY_LEN(bad); i++)
        assert_false(sp_xff_parse(sp_str_c(bad[i]), &a));
}

static const char *untrusted(const struct sp_cidr_table *t, const char *list)
{
    static char text[SP_ADDR_TEXT_MAX];
    struct sp_addr a;
    if (!sp_xff_first_untrusted(list ? sp_str_c(list) : SP_STR_NULL, t, &a))
        return NULL;
    text[sp_addr_format_ip(&a, text)] = '\0';
    return text;
}

static void by_ranges(void **state)
{
    struct sp_cidr_table *t = sp_cidr_table_new();
    struct sp_cidr c;
    const char *why;
    (void)state;
    assert_int_equal(sp_cidr_parse(SP_STR("10.0.0.0/8"), &c, &why), 0);
    sp_cidr_table_add(t, &c, 0);
    sp_cidr_table_build(t);
    assert_string_equal(untrusted(t, "6.6.6.6, 1.1.1.1, 10.0.0.1, 10.0.0.2"), "1.1.1.1");
    assert_string_equal(untrusted(t, "x, 1.1.1.1, 10.0.0.1"), "1.1.1.1"); /* the rest is not read */
    assert_string_equal(untrusted(t, "10.0.0.3, 10.0.0.1"), "10.0.0.3");
    assert_string_equal(untrusted(t, "1.1.1.1"), "1.1.1.1");
    assert_null(untrusted(t, "1.1.1.1, x, 10.0.0.1"));
    assert_null(untrusted(t, ""));
    assert_null(untrusted(t, NULL));
    char many[1000] = "1.1.1.1";
    for (int i = 1; i < SP_XFF_MAX_ENTRIES; i++)
        strcat(many, ",10.0.0.1");
    assert_string_equal(untrusted(t, many), "1.1.1.1");
    strcat(many, ",10.0.0.1");
    assert_null(untrusted(t, many));
    sp_cidr_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lines_are_one_list), cmocka_unit_test(from_right),
                                       cmocka_unit_test(entries), cmocka_unit_test(by_ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
