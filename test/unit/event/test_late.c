/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How late a worker is: what its turns bring waited for the turn before, or in the kernel's queue where that is long. */
#include "support/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

enum { MANY = 600 }; /* more than two turns take */

struct busy {
    struct sp_watch watch;
    useconds_t takes;
    unsigned n;
};

static void on_busy(struct sp_watch *x, uint32_t events)
{
    struct busy *b = SP_CONTAINER_OF(x, struct busy, watch);
    (void)events;
    b->n++;
    if (b->takes)
        usleep(b->takes);
}

/* Always ready. */
static void busy_open(struct loop *l, struct busy *b, useconds_t takes)
{
    *b = (struct busy){.watch = {.ready = on_busy, .fd = eventfd(1, EFD_NONBLOCK)}, .takes = takes};
    assert_true(b->watch.fd >= 0);
    assert_int_equal(sp_watch_set(&l->worker, &b->watch, EPOLLIN), 0);
}

static void busy_close(struct loop *l, struct busy *b)
{
    sp_watch_end(&l->worker, &b->watch);
    close(b->watch.fd);
}

static void test_after_a_long_turn(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct busy b;
    busy_open(l, &b, 40000);
    loop_turn(l);
    assert_int_equal(b.n, 1);
    sp_worker_delay(&l->worker);
    loop_turn(l);
    assert_int_equal(b.n, 2);
    assert_true(l->worker.turn.late_ns >= 40 * SP_NS_PER_MS);
    assert_true(sp_worker_delay(&l->worker) >= 40 * SP_NS_PER_MS);
    busy_close(l, &b);
    loop_wait(l, 50);
    sp_worker_delay(&l->worker);
    /* It sleeps most of the time now, and the machine may be slow, but not every time. */
    uint64_t least = UINT64_MAX;
    for (int i = 0; i < 50 && least; i++) {
        loop_wait(l, 10);
        least = SP_MIN(least, l->worker.turn.late_ns);
    }
    assert_int_equal(least, 0);
    loop_free(l);
}

static void test_long_queue(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    static struct busy b[MANY];
    uint64_t worst = 0;
    for (unsigned i = 0; i < MANY; i++)
        busy_open(l, &b[i], i % 16 ? 0 : 1000);
    unsigned turns = 0;
    for (; turns < 12; turns++) {
        loop_turn(l);
        worst = SP_MAX(worst, l->worker.turn.late_ns);
    }
    /* All of them take 38 ms and more, of which a turn has 16. */
    assert_in_range(b[0].n, 3, 8);
    assert_true(worst >= 30 * SP_NS_PER_MS);
    for (unsigned i = 0; i < MANY; i++)
        busy_close(l, &b[i]);
    loop_wait(l, 50);
    assert_int_equal(l->worker.marked_ns, 0); /* nothing waits: the mark came out */
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_after_a_long_turn), cmocka_unit_test(test_long_queue)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
