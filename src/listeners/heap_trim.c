/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "listeners/heap_trim.h"

#include <assert.h>
#include <malloc.h>
#include <pthread.h>
#include <stddef.h>

/* Those that end together shall be gone together, too. */
static const uint64_t settle_ns = 2 * SP_NS_PER_S, pause_ns = 10 * SP_NS_PER_S;

static void *trim(void *none)
{
    malloc_trim(0);
    return none;
}

/* On a thread that ends with it, whose stack the system has back: uv's pool would keep four.  Where there is none to be had, it is for next time. */
static void begin(void)
{
    pthread_t thread;
    pthread_attr_t detached;
    if (pthread_attr_init(&detached))
        return;
    if (!pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED))
        (void)pthread_create(&thread, &detached, trim, NULL);
    pthread_attr_destroy(&detached);
}

static void fire(struct sp_timer *timer)
{
    struct sp_heap_trim *t = SP_CONTAINER_OF(timer, struct sp_heap_trim, timer);
    sp_worker_trim(t->worker); /* what it keeps lies between what is free */
    t->most = t->now;
    t->last_ns = t->worker->turn.now_ns;
    begin();
}

void sp_heap_trim_note(struct sp_heap_trim *t, struct sp_worker *w, unsigned n)
{
    assert(t && w);
    t->now = n;
    if (n >= t->most) {
        t->most = n;
        return;
    }
    if (t->most - n < SP_HEAP_TRIM_MIN || n >= t->most / 2 || sp_timer_armed(&t->timer))
        return;
    uint64_t now = w->turn.now_ns, again = t->last_ns ? t->last_ns + pause_ns : 0;
    t->worker = w;
    t->timer.fire = fire;
    sp_timer_start(&w->turn, &t->timer, again > now + settle_ns ? again - now : settle_ns);
}

void sp_heap_trim_stop(struct sp_heap_trim *t)
{
    assert(t);
    sp_timer_stop(&t->timer);
}
