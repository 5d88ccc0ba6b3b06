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

static void lower_slowly(char *p, const char *end, char **ret_end)
{
    for (; p < end && sp_is_tchar(*p); p++)
        *p = sp_ascii_lower(*p);
    *ret_end = p;
}

/* Every length and every stopping byte; what stands behind is left as it is. */
static void tokens_are_lowered_up_to_the_first_other_byte(void **state)
{
    static const char names[] = "X-Forwarded-For_9a|B-CDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    enum { N = sizeof(names) - 1 };
    char *want = malloc(N + SP_LOWER_PAD), *got = malloc(N + SP_LOWER_PAD);
    for (unsigned len = 0; len <= N; len++) {
        for (unsigned c = 0; c < 256; c++) {
            memset(want, 'Q', N + SP_LOWER_PAD);
            memcpy(want, names, N);
            if (len < N)
                want[len] = (char)c;
            memcpy(got, want, N + SP_LOWER_PAD);
            char *end;
            lower_slowly(want, want + N, &end);
            assert_int_equal(sp_lower_token(got, got + N) - got, end - want);
            assert_memory_equal(got, want, N + SP_LOWER_PAD);
            /* Ended by length, not by a byte. */
            memset(got, 'Q', N + SP_LOWER_PAD);
            memcpy(got, names, N);
            memcpy(want, got, N + SP_LOWER_PAD);
            lower_slowly(want, want + len, &end);
            assert_int_equal(sp_lower_token(got, got + len) - got, len);
            assert_memory_equal(got, want, N + SP_LOWER_PAD);
        }
    }
    free(want);
    free(got);
}

static void short_texts_are_searched_whole(void **state)
{
    for (size_t n = 0; n < 50; n++) {
        char *text = malloc(n + 1);
        memset(text, 'a', n + 1);
        assert_false(sp_has_ctl(text, n));
        for (size_t at = 0; at < n; at++) {
            text[at] = '\n';
            assert_true(sp_has_ctl(text, n));
            text[at] = '\t';
            assert_false(sp_has_ctl(text, n));
        }
        text[n] = 0;
        assert_false(sp_has_ctl(text, n));
        free(text);
    }
}

/* Every byte at every place of names of every length. */
static void lower_case_tokens_are_known(void **state)
{
    for (size_t n = 0; n < 40; n++) {
        char *name = malloc(n + 1);
        memset(name, 'x', n + 1);
        assert_int_equal(sp_is_lower_token(name, n), n > 0);
        for (size_t at = 0; at < n; at++) {
            for (unsigned c = 0; c < 256; c++) {
                name[at] = (char)c;
                assert_int_equal(sp_is_lower_token(name, n), sp_is_tchar((char)c) && !(c >= 'A' && c <= 'Z'));
            }
            name[at] = 'x';
        }
        free(name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scans_find_every_byte_of_their_class),
        cmocka_unit_test(classes),
        cmocka_unit_test(tokens_are_lowered_up_to_the_first_other_byte),
        cmocka_unit_test(short_texts_are_searched_whole),
        cmocka_unit_test(lower_case_tokens_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
