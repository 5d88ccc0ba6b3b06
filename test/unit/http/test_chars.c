/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "http/chars.h"

/* Every byte value at every place of blocks and tails, against the definition. */
static void the_scans_find_every_byte_of_their_class(void **state)
{
    enum { N = 45 };
    char *text = malloc(N);
    for (unsigned at = 0; at < N; at++) {
        for (unsigned c = 0; c < 256; c++) {
            memset(text, 'a', N);
            text[at] = (char)c;
            bool ctl = (c < 0x20 && c != '\t') || c == 0x7f;
            assert_ptr_equal(sp_scan_ctl(text, text + N), ctl ? text + at : text + N);
            assert_int_equal(sp_is_ctl((char)c), ctl);
            bool target = c > 0x20 && c < 0x7f && c != '#';
            assert_ptr_equal(sp_scan_target(text, text + N), target ? text + N : text + at);
        }
    }
    memset(text, '\t', N);
    text[N - 1] = '\r';
    assert_ptr_equal(sp_scan_ctl(text, text + N), text + N - 1);
    free(text);
}

static void classes(void **state)
{
    for (unsigned c = 0; c < 256; c++) {
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool tchar = alnum || (c && strchr("!#$%&'*+-.^_`|~", (int)c));
        assert_int_equal(sp_is_tchar((char)c), tchar);
        if (tchar)
            assert_int_equal(sp_tchar_lower[c], sp_ascii_lower((char)c));
    }
    assert_int_equal(sp_hex_value('0'), 0);
    assert_int_equal(sp_hex_value('f'), 15);
    assert_int_equal(sp_hex_value('A'), 10);
    assert_int_equal(sp_hex_value('g'), -1);
    assert_int_equal(sp_hex_value('/'), -1);
    assert_int_equal(sp_hex_value(':'), -1);
    assert_int_equal(sp_hex_value('@'), -1);
    assert_int_equal(sp_hex_value('\x10'), -1);
}

static void tokens_are_lowered_up_to_the_first_other_byte(void **state)
{
    char text[] = "X-Forwarded-For_9: V";
    assert_ptr_equal(sp_lower_token(text, text + strlen(text)), text + 17);
    assert_string_equal(text, "x-forwarded-for_9: V");
    char all[] = "ABC";
    assert_ptr_equal(sp_lower_token(all, all + 2), all + 2);
    assert_string_equal(all, "abC");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scans_find_every_byte_of_their_class),
        cmocka_unit_test(classes),
        cmocka_unit_test(tokens_are_lowered_up_to_the_first_other_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
