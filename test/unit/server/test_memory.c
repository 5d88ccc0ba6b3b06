/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the allocator says costs little, however its memory is cut up, and misses no growth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "event/turn.h"
#include "server/memory.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { OWN_MALLOC = true }; /* which tells nothing of itself */
#else
enum { OWN_MALLOC = false };
#endif

static uint64_t cpu_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * SP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static uint64_t allocated(void)
{
    uint64_t n, heap;
    sp_memory_use(&n, &heap);
    assert_true(heap >= n);
    return n;
}

static void in_pieces(void **state)
{
    enum { PIECES = 400000, CALLS = 200, MORE = 16 << 20 };
    static void *v[PIECES];
    (void)state;
    if (OWN_MALLOC)
        skip();
    uint64_t before = allocated();
    for (size_t i = 0; i < PIECES; i++)
        v[i] = sp_xmalloc(160);
    for (size_t i = 0; i < PIECES; i += 2) {
        free(v[i]);
        v[i] = NULL;
    }
    uint64_t began = cpu_ns();
    struct mallinfo2 m = mallinfo2();
    uint64_t once = cpu_ns() - began;
    assert_true(m.uordblks > PIECES / 2 * 160);
    while (allocated() < before + PIECES / 2 * 160) {
    }
    began = cpu_ns();
    for (unsigned i = 0; i < CALLS; i++)
        allocated();
    uint64_t all = cpu_ns() - began;
    if (all > once * CALLS / 4)
        fail_msg("%u calls took %.1f ms, a count takes %.1f", CALLS, (double)all / 1e6, (double)once / 1e6);
    /* Growth shows at once, counted or not. */
    uint64_t small = allocated();
    char *more = sp_xmalloc(MORE);
    memset(more, 1, MORE);
    assert_in_range(allocated(), small + MORE / 2, small + 4 * (uint64_t)MORE);
    assert_int_equal(more[MORE - 1], 1);
    free(more);
    for (size_t i = 0; i < PIECES; i++)
        free(v[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(in_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
