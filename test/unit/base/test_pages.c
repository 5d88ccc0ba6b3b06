/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/pages.h"

enum { MANY = 300 };

/* Whole pages of the run that have memory. */
static unsigned resident(const struct sp_pages *p)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), n = (SP_PAGES_SIZE + page - 1) / page;
    unsigned char in[64] = {0};
    unsigned sum = 0;
    assert_true(n <= sizeof(in));
    assert_int_equal(mincore(p->mem, n * page, in), 0);
    for (size_t i = 0; i < n; i++)
        sum += in[i] & 1;
    return sum;
}

static bool is(const struct sp_pages *p, size_t from, size_t n, char byte)
{
    for (size_t i = from; i < from + n; i++)
        if (p->mem[i] != byte)
            return false;
    return true;
}

static void test_rest(void **state)
{
    struct sp_pages p = {0}, q = {0};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    sp_pages_take(&p);
    sp_pages_take(&q);
    assert_int_equal((uintptr_t)p.mem % page, 0);
    memset(p.mem, 'p', SP_PAGES_SIZE);
    memset(q.mem, 'q', SP_PAGES_SIZE);
    assert_int_equal(resident(&p), (SP_PAGES_SIZE + page - 1) / page);
    sp_pages_rest(&p, page); /* what stands before it stays */
    assert_true(is(&p, 0, page, 'p'));
    assert_int_equal(resident(&p), 1);
    sp_pages_rest(&p, page - 1); /* half a page is none */
    assert_true(is(&p, 0, page, 'p'));
    sp_pages_rest(&p, 0);
    assert_int_equal(resident(&p), 0);
    assert_true(is(&p, 0, SP_PAGES_SIZE, 0));
    assert_true(is(&q, 0, SP_PAGES_SIZE, 'q')); /* a neighbour's */
    memset(p.mem, 'r', SP_PAGES_SIZE);
    assert_true(is(&p, 0, SP_PAGES_SIZE, 'r') && is(&q, 0, SP_PAGES_SIZE, 'q'));
    sp_pages_give(&p);
    assert_null(p.mem);
    sp_pages_give(&p);
    sp_pages_give(&q);
    sp_pages_thread_done();
    assert_int_equal(sp_pages_thread_mapped(), 0);
}

/* More than a slab: none overlap, what is given back is taken again, and the addresses go when they are all empty. */
static void test_many(void **state)
{
    static struct sp_pages p[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        sp_pages_take(&p[i]);
        memset(p[i].mem, (int)(i & 127), SP_PAGES_SIZE);
    }
    size_t most = sp_pages_thread_mapped();
    assert_true(most >= (size_t)MANY * SP_PAGES_SIZE);
    for (unsigned i = 0; i < MANY; i += 2)
        sp_pages_give(&p[i]);
    for (unsigned i = 1; i < MANY; i += 2)
        assert_true(is(&p[i], 0, SP_PAGES_SIZE, (char)(i & 127)));
    for (unsigned i = 0; i < MANY; i += 2) {
        sp_pages_take(&p[i]);
        memset(p[i].mem, (int)(i & 127), SP_PAGES_SIZE);
    }
    assert_int_equal(sp_pages_thread_mapped(), most);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(is(&p[i], 0, SP_PAGES_SIZE, (char)(i & 127)));
    for (unsigned i = 0; i < MANY; i++)
        sp_pages_give(&p[MANY - 1 - i]);
    assert_true(sp_pages_thread_mapped() < most / 2);
    sp_pages_thread_done();
    assert_int_equal(sp_pages_thread_mapped(), 0);
}

/* A thread keeps some with their memory, the others have none. */
static void test_kept(void **state)
{
    enum { N = SP_PAGES_KEPT + 40 };
    static struct sp_pages p[N];
    unsigned warm = 0;
    for (unsigned i = 0; i < N; i++) {
        sp_pages_take(&p[i]);
        memset(p[i].mem, 'x', SP_PAGES_SIZE);
    }
    struct sp_pages last = {0};
    sp_pages_take(&last); /* so that no slab goes as a whole */
    for (unsigned i = 0; i < N; i++)
        sp_pages_give(&p[i]);
    for (unsigned i = 0; i < N; i++) {
        sp_pages_take(&p[i]);
        warm += resident(&p[i]) > 0;
    }
    assert_in_range(warm, 1, SP_PAGES_KEPT);
    for (unsigned i = 0; i < N; i++)
        sp_pages_give(&p[i]);
    sp_pages_give(&last);
    sp_pages_thread_done();
    assert_int_equal(sp_pages_thread_mapped(), 0);
}

static void *work(void *arg)
{
    struct sp_pages p[3] = {0};
    for (unsigned i = 0; i < 3; i++)
        sp_pages_take(&p[i]);
    for (unsigned i = 0; i < 3; i++)
        sp_pages_give(&p[i]);
    sp_pages_thread_done();
    *(size_t *)arg = sp_pages_thread_mapped();
    return NULL;
}

static void test_threads(void **state)
{
    pthread_t t[2];
    size_t left[2] = {1, 1};
    sp_pages_thread_done(); /* of a thread that has had none */
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&t[i], NULL, work, &left[i]), 0);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(left[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_kept),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
