/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/blocks.h"
#include "base/mem.h"
#include "base/pages.h"
#include "listeners/heap_trim.h"

enum { BLOCKS = 600, BLOCK = 64 * 1024, FEW = 100 };

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OWN_MALLOC = 1 }; /* the sanitizer's keeps what it likes */
#else
enum { OWN_MALLOC = 0 };
#endif

static long resident(void)
{
    long all, mine = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &all, &mine), 2);
    fclose(f);
    return mine * sysconf(_SC_PAGESIZE);
}

/* What many had is given back, though something that lives on stands above it. */
static void test_many_end(void **state)
{
    static void *held[BLOCKS];
    struct loop *l = loop_new();
    struct sp_heap_trim t = {0};
    for (unsigned i = 0; i < BLOCKS; i++) {
        held[i] = memset(sp_xmalloc(BLOCK), 'x', BLOCK);
        sp_heap_trim_note(&t, &l->worker, i + 1);
    }
    void *above = sp_xmalloc(BLOCK);
    long before = resident();
    for (unsigned i = BLOCKS; i > FEW; i--) {
        free(held[i - 1]);
        sp_heap_trim_note(&t, &l->worker, i - 1);
    }
    assert_true(OWN_MALLOC || before - resident() < BLOCK * FEW); /* it is kept */
    assert_true(sp_timer_armed(&t.timer));
    LOOP_UNTIL(l, !sp_timer_armed(&t.timer));
    loop_wait(l, 300);
    if (!OWN_MALLOC)
        assert_true(before - resident() > BLOCK * (BLOCKS - FEW) / 10 * 9);
    for (unsigned i = 0; i < FEW; i++)
        free(held[i]);
    free(above);
    sp_heap_trim_stop(&t);
    loop_free(l);
}

/* Nor does the worker keep what it has ready for whoever comes next. */
static void test_ready_memory(void **state)
{
    enum { MANY = 300 };
    static struct sp_pages pages[MANY];
    static void *small[MANY];
    struct loop *l = loop_new();
    struct sp_heap_trim t = {0};
    sp_heap_trim_note(&t, &l->worker, 4 * SP_HEAP_TRIM_MIN);
    for (unsigned i = 0; i < MANY; i++) {
        sp_pages_take(&pages[i]);
        small[i] = sp_block_alloc(SP_BLOCK_MAX);
    }
    for (unsigned i = 0; i < MANY; i++) {
        sp_pages_give(&pages[i]);
        sp_block_free(small[i]);
    }
    assert_true(sp_pages_thread_mapped() > 0);
    assert_true(SP_ASAN || sp_block_thread_kept() > 0);
    sp_heap_trim_note(&t, &l->worker, 0);
    LOOP_UNTIL(l, !sp_timer_armed(&t.timer));
    assert_int_equal(sp_pages_thread_mapped(), 0);
    assert_int_equal(sp_block_thread_kept(), 0);
    loop_wait(l, 50);
    loop_free(l);
}

/* Coming and going is no reason, nor are few; and the next time is ten seconds later. */
static void test_when(void **state)
{
    struct loop *l = loop_new();
    struct sp_heap_trim t = {0};
    unsigned n = 0;
    while (n < 2 * SP_HEAP_TRIM_MIN - 1)
        sp_heap_trim_note(&t, &l->worker, ++n);
    while (n > SP_HEAP_TRIM_MIN)
        sp_heap_trim_note(&t, &l->worker, --n);
    assert_false(sp_timer_armed(&t.timer));
    while (n < 10 * SP_HEAP_TRIM_MIN)
        sp_heap_trim_note(&t, &l->worker, ++n);
    while (n >= 5 * SP_HEAP_TRIM_MIN) {
        assert_false(sp_timer_armed(&t.timer));
        sp_heap_trim_note(&t, &l->worker, --n);
    }
    assert_true(sp_timer_armed(&t.timer));
    uint64_t due = t.timer.due_ns;
    sp_heap_trim_note(&t, &l->worker, --n);
    assert_true(t.timer.due_ns == due); /* not put off */
    LOOP_UNTIL(l, !sp_timer_armed(&t.timer));
    sp_heap_trim_note(&t, &l->worker, 10);
    assert_true(sp_timer_armed(&t.timer));
    assert_true(t.timer.due_ns >= due + 9 * SP_NS_PER_S);
    sp_heap_trim_stop(&t);
    assert_false(sp_timer_armed(&t.timer));
    loop_wait(l, 50);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_end), cmocka_unit_test(test_ready_memory), cmocka_unit_test(test_when)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
