/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What peers sent, written so that it stays one line and one string: whatever its length, and wherever a byte stands that must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "stream/escape.h"

enum { LONGEST = 40 };

static const char *written(struct sp_str s, size_t before)
{
    static char text[20000];
    static char fill[16384];
    struct sp_buf b;
    struct sp_writer w;
    sp_buf_init(&b);
    sp_writer_init(&w, &b);
    memset(fill, 'f', sizeof(fill));
    sp_writer_put(&w, fill, before);
    sp_writer_escaped(&w, s);
    sp_writer_done(&w);
    size_t n = sp_buf_peek(&b, text, sizeof(text) - 1);
    assert_int_equal(n, b.len);
    text[n] = 0;
    sp_buf_clear(&b);
    assert_true(n >= before);
    return text + before;
}

static const char *escape_of(unsigned char c)
{
    static char text[8];
    snprintf(text, sizeof(text), c == '"' || c == '\\' ? "\\%c" : c < 0x20 || c == 0x7f ? "\\u%04x" : c > 0x7f ? "\xef\xbf\xbd" : "%c", c);
    return text;
}

static void test_each_byte_at_each_place(void **state)
{
    char in[LONGEST + 1], want[LONGEST + 16];
    (void)state;
    for (size_t n = 1; n <= LONGEST; n++)
        for (size_t at = 0; at < n; at++)
            for (unsigned c = 0; c < 256; c++) {
                memset(in, 'a', n);
                in[at] = (char)c;
                const char *one = escape_of((unsigned char)c);
                size_t k = strlen(one);
                memset(want, 'a', sizeof(want));
                memcpy(want + at, one, k);
                want[n - 1 + k] = 0;
                if (strcmp(written(sp_str_n(in, n), 0), want) != 0)
                    fail_msg("%zu bytes, 0x%02x at %zu: %s, not %s", n, c, at, written(sp_str_n(in, n), 0), want);
            }
}

/* At the end of a piece of memory, where what is written goes on in another. */
static void test_where_the_room_ends(void **state)
{
    char in[LONGEST], want[LONGEST + 2];
    (void)state;
    for (size_t before = 16384 - LONGEST - 2; before <= 16384; before++)
        for (unsigned special = 0; special < 2; special++) {
            memset(in, 'a', sizeof(in));
            memset(want, 'a', sizeof(want));
            want[LONGEST + special] = 0;
            if (special) {
                in[20] = '"';
                memcpy(want + 20, "\\\"", 2);
            }
            assert_string_equal(written(sp_str_n(in, LONGEST), before), want);
        }
}

static void test_numbers(void **state)
{
    (void)state;
    char out[20], want[24];
    for (uint64_t n = 0, step = 1; step; step = step > UINT64_MAX / 10 ? 0 : step * 10)
        for (int d = -1; d <= 1; d++) {
            n = step + (uint64_t)d;
            snprintf(want, sizeof(want), "%llu", (unsigned long long)n);
            assert_int_equal(sp_format_u64(n, out), strlen(want));
            assert_memory_equal(out, want, strlen(want));
        }
    assert_int_equal(sp_format_u64(UINT64_MAX, out), 20);
    assert_memory_equal(out, "18446744073709551615", 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_byte_at_each_place), cmocka_unit_test(test_where_the_room_ends), cmocka_unit_test(test_numbers),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_buf_thread_done();
    return r;
}
