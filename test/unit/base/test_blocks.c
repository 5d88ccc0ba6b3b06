/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small heap blocks that a thread keeps, and chunks that connections share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/blocks.h"
#include "base/buf.h"
#include "base/defs.h"

#define KEEPS (!SP_ASAN)

static void test_sizes(void **state)
{
    (void)state;
    for (size_t n = 0; n <= SP_BLOCK_MAX + 100; n += 7) {
        char *p = sp_block_alloc(n);
        assert_true(sp_block_size(p) >= n);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0x5a, sp_block_size(p));
        sp_block_free(p);
    }
    sp_block_free(NULL);
    sp_block_thread_done();
    assert_int_equal(sp_block_thread_kept(), 0);
}

static void test_given_back_is_taken_again(void **state)
{
    (void)state;
    void *a = sp_block_alloc(100), *b = sp_block_alloc(100), *large = sp_block_alloc(SP_BLOCK_MAX + 1);
    uintptr_t was = (uintptr_t)b;
    sp_block_free(a);
    sp_block_free(b);
    sp_block_free(large);
    assert_int_equal(sp_block_thread_kept(), KEEPS * 256);
    if (!KEEPS)
        return;
    b = sp_block_alloc(127); /* the last that came, of the same size when rounded */
    assert_int_equal((uintptr_t)b, was);
    assert_int_equal(sp_block_thread_kept(), 128);
    a = sp_block_alloc(129);
    assert_int_equal(sp_block_size(a), 192);
    sp_block_free(a);
    sp_block_free(b);
    sp_block_thread_done();
}

static void test_keeps_no_more_than_it_says(void **state)
{
    (void)state;
    enum { N = 2 * SP_BLOCKS_KEPT / 64 };
    static void *p[N];
    for (unsigned i = 0; i < N; i++)
        p[i] = sp_block_alloc(64);
    for (unsigned i = 0; i < N; i++)
        sp_block_free(p[i]);
    assert_int_equal(sp_block_thread_kept(), KEEPS * SP_BLOCKS_KEPT);
    sp_block_thread_done();
    assert_int_equal(sp_block_thread_kept(), 0);
}

static void write_shared(struct sp_buf *b, char c, size_t n)
{
    size_t room;
    char *p = sp_buf_reserve_shared(b, 4096, &room);
    assert_true(room >= 4096);
    memset(p, c, n);
    sp_buf_commit(b, n);
}

static void test_buffers_share_a_chunk(void **state)
{
    (void)state;
    enum { N = 64, PIECE = 1200 };
    struct sp_buf b[N];
    for (unsigned i = 0; i < N; i++) {
        sp_buf_init(&b[i]);
        write_shared(&b[i], (char)('0' + i), PIECE);
    }
    assert_true(sp_buf_thread_chunks() <= N / 10 + 1); /* each has room for ten such pieces before 4096 are left */
    write_shared(&b[0], '!', 10); /* not behind its own any more */
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(b[i].len, i ? PIECE : PIECE + 10);
        const char *p = sp_buf_pullup(&b[i], b[i].len);
        for (unsigned k = 0; k < PIECE; k++)
            assert_int_equal(p[k], (char)('0' + i));
        assert_true(i || p[PIECE] == '!');
        sp_buf_clear(&b[i]);
    }
    assert_int_equal(sp_buf_thread_chunks(), 0);
}

static void test_room_is_given_back(void **state)
{
    (void)state;
    struct sp_buf a, b;
    sp_buf_init(&a);
    sp_buf_init(&b);
    write_shared(&a, 'a', 0); /* nothing came */
    assert_null(a.head);
    write_shared(&a, 'a', 3);
    write_shared(&b, 'b', 3);
    size_t room;
    sp_buf_reserve_shared(&a, 1, &room);
    sp_buf_commit(&a, 0);
    assert_int_equal(a.len, 3);
    sp_buf_append_small(&b, "cd", 2);
    assert_memory_equal(sp_buf_pullup(&b, 5), "bbbcd", 5);
    assert_memory_equal(sp_buf_pullup(&a, 3), "aaa", 3);
    sp_buf_clear(&a);
    sp_buf_clear(&b);
    assert_int_equal(sp_buf_thread_chunks(), 0);
    sp_buf_thread_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_given_back_is_taken_again),
        cmocka_unit_test(test_keeps_no_more_than_it_says),
        cmocka_unit_test(test_buffers_share_a_chunk),
        cmocka_unit_test(test_room_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
