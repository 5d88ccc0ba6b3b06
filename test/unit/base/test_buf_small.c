/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small pieces of many buffers in one chunk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

enum { BUFFERS = 1000 };

static void expect(struct sp_buf *b, const char *text)
{
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(sp_buf_pullup(b, b->len), text, b->len);
}

static void test_many_share_a_chunk(void **state)
{
    (void)state;
    static struct sp_buf b[BUFFERS];
    for (unsigned i = 0; i < BUFFERS; i++)
        sp_buf_append_small(&b[i], "small", 5);
    assert_int_equal(sp_buf_thread_chunks(), 1);
    for (unsigned i = 0; i < BUFFERS; i++) {
        assert_int_equal(b[i].len, 5);
        assert_memory_equal(b[i].head->ptr, "small", 5);
        sp_buf_clear(&b[i]);
    }
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_buf_append_small(&b[0], "again", 5); /* the chunk is used again */
    assert_int_equal(sp_buf_thread_chunks(), 1);
    expect(&b[0], "again");
    sp_buf_clear(&b[0]);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

static void test_pieces_grow_apart(void **state)
{
    (void)state;
    struct sp_buf a, b;
    sp_buf_init(&a);
    sp_buf_init(&b);
    sp_buf_append_small(&a, "a1", 2);
    sp_buf_append_small(&b, "b1", 2);
    sp_buf_append_small(&b, "b2", 2); /* behind its own, where there is room */
    assert_ptr_equal(b.head, b.tail);
    sp_buf_append_small(&a, "a2", 2);
    sp_buf_append(&b, "b3", 2);
    sp_buf_append(&a, "a3", 2);
    sp_buf_append_small(&a, "", 0);
    expect(&a, "a1a2a3");
    expect(&b, "b1b2b3");
    sp_buf_move(&a, &b);
    expect(&a, "a1a2a3b1b2b3");
    sp_buf_clear(&a);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

static void test_chunks_fill_up(void **state)
{
    (void)state;
    static struct sp_buf b[100];
    char text[SP_SMALL_MAX];
    memset(text, 'x', sizeof(text));
    for (unsigned i = 0; i < 100; i++)
        sp_buf_append_small(&b[i], text, sizeof(text));
    assert_in_range(sp_buf_thread_chunks(), 6, 8);
    for (unsigned i = 0; i < 100; i++) {
        assert_memory_equal(b[i].head->ptr, text, sizeof(text));
        sp_buf_clear(&b[i]);
    }
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_buf_thread_done();
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_share_a_chunk),
        cmocka_unit_test(test_pieces_grow_apart),
        cmocka_unit_test(test_chunks_fill_up),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_buf_thread_done();
    return r;
}
