/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How late a worker is: what its turns bring waited for the turn before, or in the kernel's queue where that is long. */
#include "support/loop.h"

#include <sys/eventfd.h>
#include <time.h>
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

static void on_soon(struct sp_timer *t)
{
    (void)t;
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

/* Of 200 turns under load that brought `moved` and have a timer due after `timer_ns` (0: none). */
static uint64_t least_sleep(struct loop *l, unsigned moved, uint64_t timer_ns)
{
    struct sp_gather *g = &l->worker.turn.gather;
    struct sp_timer soon = {.fire = on_soon};
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < 200 && least >= SP_GATHER_MIN_NS; i++) {
        if (timer_ns)
            sp_timer_start(&l->worker.turn, &soon, timer_ns);
        *g = (struct sp_gather){.since_ns = l->worker.turn.now_ns, .wait_ns = SP_GATHER_MAX_NS, .expected = 8, .turn_moved = moved};
        loop_turn(l);
        if (g->wait_ns && (!timer_ns || sp_timer_armed(&soon)))
            least = SP_MIN(least, g->asleep_ns);
    }
    sp_timer_stop(&soon);
    return least;
}

/* Under load it lets more come before it looks (event/gather.h): that is sleep, not lateness, and what is ready is told all the same. */
static void test_gathering(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct busy b;
    busy_open(l, &b, 0);
    sp_timer_stop(&l->tick);
    loop_turn(l);
    struct sp_gather *g = &l->worker.turn.gather;
    unsigned before = b.n, waited = 0;
    uint64_t least = UINT64_MAX;
    for (unsigned i = 0; i < 20; i++) {
        *g = (struct sp_gather){.since_ns = l->worker.turn.now_ns, .wait_ns = SP_GATHER_MAX_NS, .expected = 8};
        uint64_t looked = l->worker.turn.now_ns;
        loop_turn(l);
        least = SP_MIN(least, l->worker.turn.late_ns);
        /* Where the machine lets it stand for 4 ms between the two, the window is over, and with it the load. */
        if (g->wait_ns) {
            assert_true(g->asleep_ns >= SP_GATHER_MAX_NS - SP_GATHER_MIN_NS);
            assert_true(l->worker.turn.now_ns - looked >= SP_GATHER_MAX_NS - SP_GATHER_MIN_NS);
            waited++;
        }
    }
    assert_int_equal(b.n - before, 20); /* each look found it */
    assert_true(waited > 0);
    assert_int_equal(least, 0);
    /* A turn that brought enough does not wait, nor one that has a timer due before a sleep could end. (What stands there then is how long the
     * look took, or how long the machine let it stand: not each time.) */
    assert_true(least_sleep(l, 8, 0) < SP_GATHER_MIN_NS);
    assert_true(least_sleep(l, 0, SP_GATHER_MIN_NS - 1) < SP_GATHER_MIN_NS);
    busy_close(l, &b);
    loop_free(l);
}

static struct sp_gather *told;

static void on_request(struct sp_watch *x, uint32_t events)
{
    (void)x;
    (void)events;
    struct timespec began, now;
    clock_gettime(CLOCK_MONOTONIC, &began);
    do
        clock_gettime(CLOCK_MONOTONIC, &now);
    while ((now.tv_sec - began.tv_sec) * 1000000000 + now.tv_nsec - began.tv_nsec < 30000);
    sp_gather_began(told);
    sp_gather_ended(told, SP_GATHER_STAY_MAX_NS);
}

/* Load alone brings it about: a worker that never sleeps, whose every turn works for 30 us and has one request. */
static void test_gathers_by_itself(void **state)
{
    (void)state;
    struct loop *l = loop_new();
    struct sp_watch w = {.ready = on_request, .fd = eventfd(1, EFD_NONBLOCK)};
    told = &l->worker.turn.gather;
    assert_int_equal(sp_watch_set(&l->worker, &w, EPOLLIN), 0);
    LOOP_UNTIL(l, told->wait_ns == SP_GATHER_MAX_NS);
    sp_watch_end(&l->worker, &w);
    close(w.fd);
    loop_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_after_a_long_turn), cmocka_unit_test(test_long_queue),
                                       cmocka_unit_test(test_gathering), cmocka_unit_test(test_gathers_by_itself)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
