/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two buffers over the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void expect(struct sp_buf *b, const char *text)
{
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(sp_buf_pullup(b, b->len), text, b->len);
}

static void test_share(void **state)
{
    (void)state;
    struct sp_buf a, b;
    sp_buf_init(&a);
    sp_buf_init(&b);
    sp_buf_append(&a, "one", 3);
    sp_buf_append_static(&b, "zero ", 5);
    sp_buf_share(&b, &a);
    expect(&a, "one");
    expect(&b, "zero one");
    /* Each grows on its own, though they end in the same chunk. */
    sp_buf_append(&a, " two", 4);
    sp_buf_append(&b, " three", 6);
    sp_buf_append(&a, "!", 1);
    expect(&a, "one two!");
    expect(&b, "zero one three");
    sp_buf_drain(&a, 4);
    expect(&b, "zero one three");
    sp_buf_clear(&a);
    expect(&b, "zero one three");
    sp_buf_share(&a, &b);
    sp_buf_clear(&b);
    expect(&a, "zero one three");
    sp_buf_clear(&a);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

static void test_share_of_nothing(void **state)
{
    (void)state;
    struct sp_buf a, b;
    sp_buf_init(&a);
    sp_buf_init(&b);
    sp_buf_share(&b, &a);
    assert_int_equal(b.len, 0);
    assert_null(b.head);
}

/* Read byte by byte, each in a chunk of its own: what keeps them must not keep those. */
static void test_share_of_bytes(void **state)
{
    (void)state;
    static const struct {
        size_t piece, most; /* chunks for 100 pieces */
    } cases[] = {{1, 1}, {1000, 8}, {1025, 8}, {4096, 26}};
    char text[4096];
    memset(text, 'x', sizeof(text));
    for (size_t c = 0; c < SP_ARRAY_LEN(cases); c++) {
        struct sp_buf kept;
        sp_buf_init(&kept);
        for (unsigned i = 0; i < 100; i++) {
            struct sp_buf read;
            sp_buf_init(&read);
            text[0] = (char)i;
            sp_buf_append(&read, text, cases[c].piece);
            sp_buf_share(&kept, &read);
            sp_buf_clear(&read);
        }
        assert_in_range(sp_buf_thread_chunks(), 1, cases[c].most);
        assert_int_equal(kept.len, 100 * cases[c].piece);
        for (unsigned i = 0; i < 100; i++) {
            assert_int_equal(*sp_buf_pullup(&kept, 1), (char)i);
            sp_buf_drain(&kept, cases[c].piece);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_share),
        cmocka_unit_test(test_share_of_nothing),
        cmocka_unit_test(test_share_of_bytes),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_buf_thread_done();
    return r;
}
