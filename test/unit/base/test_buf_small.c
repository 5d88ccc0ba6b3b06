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

/* A record that is longer than a chunk shows lies together, and what follows it begins a chunk of its own. */
static void test_whole(void **state)
{
    enum { LONGEST = SP_CHUNK_SIZE + SP_CHUNK_SLACK };
    (void)state;
    struct sp_buf b;
    size_t room;
    sp_buf_init(&b);
    memset(sp_buf_reserve_whole(&b, LONGEST), 'w', LONGEST);
    sp_buf_commit(&b, LONGEST);
    assert_ptr_equal(b.head, b.tail);
    sp_buf_append(&b, "behind", 6);
    assert_ptr_not_equal(b.head, b.tail);
    assert_int_equal(sp_buf_thread_chunks(), 2);
    char *p = sp_buf_reserve_whole(&b, SP_CHUNK_SIZE);
    assert_ptr_equal(p, b.tail->ptr + 6); /* there was room for it */
    sp_buf_commit(&b, 100);
    assert_ptr_equal(sp_buf_reserve(&b, 1, &room), p + 100);
    assert_int_equal(room, SP_CHUNK_SIZE - 106); /* others are not offered the slack */
    sp_buf_commit(&b, 0);
    sp_buf_reserve_whole(&b, SP_CHUNK_SIZE + 30 - 106);
    sp_buf_commit(&b, SP_CHUNK_SIZE + 30 - 106);
    sp_buf_append_small(&b, "small", 5);
    assert_int_equal(b.len, LONGEST + SP_CHUNK_SIZE + 30 + 5);
    sp_buf_clear(&b);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

/* What is committed at once, and cut later, is nobody else's meanwhile. */
static void test_cut(void **state)
{
    (void)state;
    struct sp_buf a, b;
    size_t room;
    sp_buf_init(&a);
    sp_buf_init(&b);
    char *p = sp_buf_reserve_shared(&a, 100, &room);
    sp_buf_commit(&a, 100);
    sp_buf_append_small(&b, "other", 5);
    memcpy(p, "mine and more", 13);
    sp_buf_cut(&a, 100 - 4);
    expect(&a, "mine");
    expect(&b, "other");
    sp_buf_append_small(&a, "!", 1); /* not over the other's */
    expect(&b, "other");
    expect(&a, "mine!");
    sp_buf_clear(&a);
    p = sp_buf_reserve_shared(&a, 100, &room);
    sp_buf_commit(&a, 100);
    sp_buf_cut(&a, 60);
    sp_buf_append_small(&a, "x", 1); /* given back */
    assert_ptr_equal(a.head, a.tail);
    sp_buf_cut(&a, 41);
    assert_null(a.head);
    assert_int_equal(a.len, 0);
    sp_buf_clear(&b);
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_share_a_chunk),
        cmocka_unit_test(test_pieces_grow_apart),
        cmocka_unit_test(test_chunks_fill_up), cmocka_unit_test(test_whole), cmocka_unit_test(test_cut),
    };
    int r = cmocka_run_group_tests(tests, NULL, NULL);
    sp_buf_thread_done();
    return r;
}
