/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Memory that is out: what was put aside, how long it lasts, when it is whole again, and who does without. */
#include "faults.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/buf.h"
#include "base/chains.h"
#include "base/mem.h"
#include "base/pages.h"
#include "base/regex.h"
#include "base/reserve.h"
#include "event/turn.h"
#include "stream/log_file.h"

static int setup(void **state)
{
    faults_off();
    return sp_reserve_open(1) ? 0 : -1;
}

static int teardown(void **state)
{
    faults_off();
    sp_reserve_close();
    sp_buf_thread_done();
    sp_arena_thread_done();
    sp_block_thread_done();
    sp_pages_thread_done();
    return 0;
}

static void test_one_failure(void **state)
{
    assert_int_equal(sp_memory(), SP_MEM_WELL);
    fault_set(F_MALLOC, 0, 1);
    char *p = sp_xmalloc(100);
    memset(p, 1, 100);
    assert_int_equal(faults[F_MALLOC].hits, 1);
    free(p);
    assert_int_equal(sp_memory(), SP_MEM_WELL); /* malloc has some again: the reserve is whole */
    struct sp_reserve_counts c = sp_reserve_counts();
    assert_int_equal(c.left, c.size);
}

static void test_all_kinds(void **state)
{
    char *old = sp_xmalloc(40);
    memcpy(old, "what it held", 13);
    fault_set(F_MALLOC, 0, -1);
    char *zero = sp_xcalloc(10, 10);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(zero[i], 0);
    old = sp_xrealloc(old, 5000);
    assert_string_equal(old, "what it held");
    memset(old, 1, 5000);
    char *copy = sp_xstrdup("text"), *line = sp_xaligned(100);
    assert_string_equal(copy, "text");
    assert_int_equal((uintptr_t)line % SP_CACHELINE, 0);
    memset(line, 1, 128);
    assert_null(sp_try_malloc(10));
    assert_int_equal(sp_memory(), SP_MEM_SHORT);
    free(zero);
    free(old);
    free(copy);
    free(line);
    faults_off();
    assert_int_equal(sp_memory(), SP_MEM_WELL);
}

/* The largest block that anybody may want is there, once; small ones by the hundred, and SP_MEM_LOW comes before the end. */
static void test_how_long_it_lasts(void **state)
{
    static void *held[2000];
    unsigned n = 0;
    fault_set(F_MALLOC, 0, -1);
    held[n++] = sp_xmalloc(SP_RESERVE_LARGEST);
    assert_int_equal(sp_memory(), SP_MEM_SHORT);
    for (; sp_memory() != SP_MEM_LOW; n++)
        held[n] = sp_xmalloc(n % 8 ? 90 : 4096);
    assert_true(n > 200);
    for (unsigned i = 0; i < 100; i++) /* for what has to be ended */
        held[n++] = sp_xmalloc(90);
    assert_null(sp_reserve_take(SP_RESERVE_LARGEST));
    faults_off();
    assert_int_equal(sp_memory(), SP_MEM_WELL);
    while (n)
        free(held[--n]);
}

/* What could be done without has to be there before all is well again. */
static void test_a_miss(void **state)
{
    fault_set(F_MALLOC, 0, 1);
    assert_null(sp_try_malloc(1 << 20));
    fault_set(F_MALLOC, 0, 1); /* the probe */
    assert_int_equal(sp_memory(), SP_MEM_SHORT);
    assert_int_equal(sp_memory(), SP_MEM_WELL);
}

static void nothing(struct sp_timer *t)
{
}

/* Timers of what is under way find room in the heap; nothing new is begun meanwhile. */
static void test_timers(void **state)
{
    static struct sp_timer timers[200];
    struct sp_turn t;
    sp_turn_init(&t);
    for (unsigned i = 0; i < 200; i++) {
        timers[i].fire = nothing;
        if (i == 55)
            fault_set(F_MALLOC, 0, -1);
        sp_timer_start(&t, &timers[i], 1000 + i);
        if (i == 63) {
            assert_int_equal(sp_memory(), SP_MEM_SHORT); /* the last eighth is used up, nothing of the reserve */
            assert_int_equal(sp_reserve_counts().left, sp_reserve_counts().size);
            faults_off();
        }
    }
    assert_int_equal(sp_memory(), SP_MEM_WELL);
    assert_int_equal(t.n_timers, 200);
    sp_turn_begin(&t, 5000, 0);
    assert_int_equal(t.n_timers, 0);
    fault_set(F_MALLOC, 0, -1);
    sp_turn_trim(&t);
    sp_turn_done(&t);
}

static void test_chains(void **state)
{
    static struct sp_chain_node nodes[100];
    struct sp_chains c = {0};
    sp_chains_add(&c, &nodes[0], 0);
    fault_set(F_MALLOC, 0, -1);
    for (unsigned i = 1; i < 100; i++)
        sp_chains_add(&c, &nodes[i], i);
    assert_int_equal(c.cap, 16);
    for (unsigned i = 0; i < 100; i++)
        assert_ptr_equal(sp_chains_first(&c, i), &nodes[i]);
    faults_off();
    sp_chains_remove(&c, &nodes[7]);
    sp_chains_add(&c, &nodes[7], 7);
    assert_int_equal(c.cap, 32);
    sp_chains_done(&c);
}

static void test_pages(void **state)
{
    struct sp_pages p = {0};
    fault_set(F_MMAP, 0, 1);
    assert_false(sp_pages_take(&p));
    assert_null(p.mem);
    assert_true(sp_pages_take(&p));
    sp_pages_give(&p);
}

/* Buffers, arenas and blocks go on. */
static void test_containers(void **state)
{
    struct sp_arena a;
    struct sp_buf b;
    sp_arena_init(&a);
    sp_buf_init(&b);
    fault_set(F_MALLOC, 0, -1);
    for (unsigned i = 0; i < 20; i++)
        memset(sp_arena_alloc(&a, 1000), 'a', 1000);
    static char text[40000];
    memset(text, 'b', sizeof(text));
    sp_buf_append(&b, text, sizeof(text));
    assert_memory_equal(sp_buf_pullup(&b, 40000), text, sizeof(text));
    void *p = sp_block_alloc(300);
    sp_block_free(p);
    sp_buf_clear(&b);
    sp_arena_done(&a);
    assert_int_equal(sp_memory(), SP_MEM_SHORT);
}

struct matching {
    struct sp_regex *regex;
    bool matched;
};

static void *match(void *arg)
{
    struct matching *m = arg;
    bool limit = true;
    fault_set(F_MALLOC, 0, -1);
    m->matched = sp_regex_full_match(m->regex, SP_STR("/admin/x"), &limit) && !limit;
    faults_off();
    return NULL;
}

/* An expression that refuses must not be passed by for want of memory: a thread's first match takes some. */
static void test_expressions(void **state)
{
    struct matching m = {0};
    char why[SP_REGEX_WHY_MAX];
    pthread_t t;
    m.regex = sp_regex_new(SP_STR("/admin/.*"), 0, why);
    assert_non_null(m.regex);
    assert_int_equal(pthread_create(&t, NULL, match, &m), 0);
    pthread_join(t, NULL);
    assert_true(m.matched);
    assert_true(faults[F_MALLOC].hits > 0);
    sp_regex_free(m.regex);
}

/* A line for which there is no ring is lost, and the next one is not. */
static void test_log_lines(void **state)
{
    struct sp_log_file *f;
    struct sp_buf line;
    sp_buf_init(&line);
    sp_buf_append(&line, "line\n", 5);
    assert_int_equal(sp_log_file_open("/dev/null", &f), 0);
    fault_set(F_MALLOC, 1, -1); /* the thread's table of rings is made first */
    assert_false(sp_log_file_put(f, &line));
    faults_off();
    assert_true(sp_log_file_put(f, &line));
    sp_log_file_thread_flush();
    sp_log_file_close(f);
    sp_buf_clear(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_one_failure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_how_long_it_lasts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_miss, setup, teardown),
        cmocka_unit_test_setup_teardown(test_timers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chains, setup, teardown),
        cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
        cmocka_unit_test_setup_teardown(test_containers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expressions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_lines, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
