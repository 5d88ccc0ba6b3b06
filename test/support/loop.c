/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support/loop.h"

#include <time.h>

#include "base/mem.h"

uint64_t loop_now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void on_tick(struct sp_timer *t)
{
    struct loop *l = SP_CONTAINER_OF(t, struct loop, tick);
    sp_timer_start(&l->worker.turn, t, 5 * SP_NS_PER_MS);
}

struct loop *loop_new(void)
{
    struct loop *l = sp_xcalloc(1, sizeof(*l));
    assert_int_equal(sp_worker_init(&l->worker, "test", 0), 0);
    l->tick.fire = on_tick;
    sp_timer_start(&l->worker.turn, &l->tick, 0);
    return l;
}

void loop_turn(struct loop *l)
{
    sp_worker_turn(&l->worker);
}

void loop_wait(struct loop *l, unsigned ms)
{
    for (uint64_t until = loop_now_ms() + ms; loop_now_ms() < until;)
        loop_turn(l);
}

void loop_free(struct loop *l)
{
    sp_timer_stop(&l->tick);
    sp_worker_stop(&l->worker);
    sp_worker_run(&l->worker);
    sp_worker_done(&l->worker);
    free(l);
}
