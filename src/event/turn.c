/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/turn.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { ARITY = 4, HEAP_MIN = 64 };

void sp_turn_init(struct sp_turn *t)
{
    assert(t);
    memset(t, 0, sizeof(*t));
    sp_list_init(&t->soon);
    sp_list_init(&t->deferred);
    sp_list_init(&t->buried);
}

void sp_turn_done(struct sp_turn *t)
{
    assert(t);
    sp_turn_end(t);
    for (unsigned i = 0; i < t->n_timers; i++)
        t->heap[i].timer->turn = NULL;
    free(t->heap);
    memset(t, 0, sizeof(*t));
    sp_list_init(&t->soon);
    sp_list_init(&t->deferred);
    sp_list_init(&t->buried);
}

static void place(struct sp_turn *t, unsigned i, struct sp_timer_place p)
{
    t->heap[i] = p;
    p.timer->index = i;
}

static void sift_up(struct sp_turn *t, unsigned i, struct sp_timer_place p)
{
    while (i) {
        unsigned parent = (i - 1) / ARITY;
        if (t->heap[parent].ns <= p.ns)
            break;
        place(t, i, t->heap[parent]);
        i = parent;
    }
    place(t, i, p);
}

static void sift_down(struct sp_turn *t, unsigned i, struct sp_timer_place p)
{
    for (;;) {
        unsigned first = i * ARITY + 1, best = i;
        uint64_t least = p.ns;
        for (unsigned c = first; c < first + ARITY && c < t->n_timers; c++) {
            if (t->heap[c].ns < least) {
                least = t->heap[c].ns;
                best = c;
            }
        }
        if (best == i)
            break;
        place(t, i, t->heap[best]);
        i = best;
    }
    place(t, i, p);
}

static void heap_remove(struct sp_turn *t, struct sp_timer *timer)
{
    unsigned i = timer->index;
    assert(i < t->n_timers && t->heap[i].timer == timer);
    struct sp_timer_place last = t->heap[--t->n_timers];
    if (last.timer == timer)
        return;
    if (i && t->heap[(i - 1) / ARITY].ns > last.ns)
        sift_up(t, i, last);
    else
        sift_down(t, i, last);
}

/*
 * Ahead of need: should there be no memory for it, nothing new is begun (base/reserve.h), and what is under way has the room that
 * is left until there is. Only when that is used up too it is taken from the reserve.
 */
static void grow(struct sp_turn *t)
{
    unsigned cap = t->cap_timers ? t->cap_timers + t->cap_timers / 2 : HEAP_MIN;
    struct sp_timer_place *heap = t->n_timers < t->cap_timers ? sp_try_malloc(cap * sizeof(*heap)) : sp_xmalloc(cap * sizeof(*heap));
    if (!heap)
        return;
    if (t->n_timers)
        memcpy(heap, t->heap, t->n_timers * sizeof(*heap));
    free(t->heap);
    t->heap = heap;
    t->cap_timers = cap;
}

void sp_timer_start(struct sp_turn *t, struct sp_timer *timer, uint64_t delay_ns)
{
    assert(t && timer && timer->fire);
    uint64_t due = t->now_ns + delay_ns < t->now_ns ? UINT64_MAX : t->now_ns + delay_ns;
    timer->due_ns = due;
    if (timer->turn) {
        assert(timer->turn == t);
        if (due < t->heap[timer->index].ns) /* else: found out when its old place in the heap comes up */
            sift_up(t, timer->index, (struct sp_timer_place){due, timer});
        return;
    }
    if (SP_UNLIKELY(t->n_timers >= t->cap_timers - t->cap_timers / 8))
        grow(t);
    timer->turn = t;
    sift_up(t, t->n_timers++, (struct sp_timer_place){due, timer});
}

void sp_timer_stop(struct sp_timer *timer)
{
    assert(timer);
    if (!timer->turn)
        return;
    heap_remove(timer->turn, timer);
    timer->turn = NULL;
}

void sp_turn_trim(struct sp_turn *t)
{
    assert(t);
    unsigned cap = SP_MAX(2 * t->n_timers, (unsigned)HEAP_MIN);
    if (t->cap_timers <= cap)
        return;
    struct sp_timer_place *heap = realloc(t->heap, cap * sizeof(*heap));
    if (!heap)
        return; /* it stays as it is */
    t->cap_timers = cap;
    t->heap = heap;
}

void sp_turn_begin(struct sp_turn *t, uint64_t now_ns, int64_t wall_ns)
{
    assert(t && now_ns >= t->now_ns);
    t->now_ns = now_ns;
    t->wall_ns = wall_ns;
    while (t->n_timers && t->heap[0].ns <= now_ns) {
        struct sp_timer *timer = t->heap[0].timer;
        if (timer->due_ns > now_ns) {
            sift_down(t, 0, (struct sp_timer_place){timer->due_ns, timer});
            continue;
        }
        heap_remove(t, timer);
        timer->turn = NULL;
        timer->fire(timer);
    }
}

void sp_turn_run_soon(struct sp_turn *t)
{
    assert(t);
    struct sp_list *n;
    while ((n = sp_list_pop(&t->soon)) != NULL) {
        struct sp_defer *d = SP_CONTAINER_OF(n, struct sp_defer, link);
        d->run(d);
    }
}

void sp_turn_end(struct sp_turn *t)
{
    assert(t);
    for (;;) {
        sp_turn_run_soon(t);
        struct sp_list *n = sp_list_pop(&t->deferred);
        if (n) {
            struct sp_defer *d = SP_CONTAINER_OF(n, struct sp_defer, link);
            d->run(d);
            continue;
        }
        n = sp_list_pop(&t->buried);
        if (!n)
            return;
        struct sp_grave *g = SP_CONTAINER_OF(n, struct sp_grave, link);
        g->free(g);
    }
}

uint64_t sp_turn_wait_ns(const struct sp_turn *t)
{
    assert(t);
    if (!sp_list_empty(&t->soon) || !sp_list_empty(&t->deferred) || !sp_list_empty(&t->buried))
        return 0;
    if (!t->n_timers)
        return UINT64_MAX;
    uint64_t next = t->heap[0].ns;
    return next <= t->now_ns ? 0 : next - t->now_ns;
}

void sp_defer(struct sp_turn *t, struct sp_defer *d)
{
    assert(t && d && d->run);
    if (!sp_list_linked(&d->link))
        sp_list_push_back(&t->deferred, &d->link);
}

void sp_defer_soon(struct sp_turn *t, struct sp_defer *d)
{
    assert(t && d && d->run);
    if (!sp_list_linked(&d->link))
        sp_list_push_back(&t->soon, &d->link);
}

void sp_defer_cancel(struct sp_defer *d)
{
    assert(d);
    sp_list_remove(&d->link);
}

void sp_bury(struct sp_turn *t, struct sp_grave *g)
{
    assert(t && g && g->free);
    if (!sp_list_linked(&g->link))
        sp_list_push_back(&t->buried, &g->link);
}
