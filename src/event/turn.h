/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_turn: what one thread's event loop gives to code that does no I/O: the clock, timers, work to run at the end
 * of the turn, and the burying of objects.  A worker (event/worker.h) drives one from its uv loop; simulation
 * drives one by hand with a fake clock.  One thread; all calls from that thread.
 *
 * A turn is: I/O callbacks and due timers run, then deferred calls (in the order they were asked for, those asked
 * for meanwhile included), then the buried are freed.  Nothing that is still on a caller's stack is ever freed.
 * Calls asked for "soon" overtake the others: they run when the call that asked has returned, while what they are to
 * look at is still in the processor's cache.
 */
#ifndef SP_EVENT_TURN_H
#define SP_EVENT_TURN_H

#include "base/list.h"
#include "event/gather.h"

struct sp_turn;

/* A one-shot timer embedded in its owner.  Zero-initialise; stop it before the owner dies. */
struct sp_timer {
    struct sp_turn *turn;             /* set while armed */
    void (*fire)(struct sp_timer *t); /* runs disarmed; may start it again */
    uint64_t due_ns;                  /* when it shall fire */
    unsigned index;                   /* its place in the heap, which may be for an earlier time, never for a later one */
};

/* A call to be made at the end of the turn, embedded in its owner.  Zero-initialise. */
struct sp_defer {
    struct sp_list link;
    void (*run)(struct sp_defer *d);
};

/* Embedded in objects that are freed at the end of the turn. */
struct sp_grave {
    struct sp_list link;
    void (*free)(struct sp_grave *g);
};

/* The time stands beside the timer: comparing two of them looks at the heap alone, not at objects all over memory. */
struct sp_timer_place {
    uint64_t ns;
    struct sp_timer *timer;
};

struct sp_turn {
    uint64_t now_ns;      /* monotonic, of this turn's start */
    int64_t wall_ns;      /* Unix time of this turn's start */
    uint64_t late_ns;     /* what this turn brought may have waited so long for it (event/worker.c) */
    struct sp_timer_place *heap;
    unsigned n_timers, cap_timers;
    struct sp_list soon, deferred, buried;
    struct sp_gather gather; /* told of requests by who has them (stream/stream_life.c) */
    void *worker; /* the struct sp_worker, or NULL in simulation */
};

#define SP_NS_PER_MS 1000000ull
#define SP_NS_PER_S 1000000000ull

void sp_turn_init(struct sp_turn *t);
/* Runs what is deferred, frees what is buried, drops the heap's memory; armed timers are forgotten. */
void sp_turn_done(struct sp_turn *t);

/* Gives back what the heap does not need for the timers that are armed. */
void sp_turn_trim(struct sp_turn *t);

/* Sets the clock and fires the timers that are due. */
void sp_turn_begin(struct sp_turn *t, uint64_t now_ns, int64_t wall_ns);
/* Runs the deferred calls, then frees the buried. */
void sp_turn_end(struct sp_turn *t);
/* Nanoseconds until the next timer, 0 if due or if work is deferred, UINT64_MAX if there is none. */
uint64_t sp_turn_wait_ns(const struct sp_turn *t);

/*
 * Arms (or arms anew) a timer to fire after delay_ns.  Moving an armed timer to a later time costs nothing: so
 * idle timeouts may be pushed out at every read.
 */
void sp_timer_start(struct sp_turn *t, struct sp_timer *timer, uint64_t delay_ns);
void sp_timer_stop(struct sp_timer *timer);
static inline bool sp_timer_armed(const struct sp_timer *timer)
{
    return timer->turn != NULL;
}

/* Asks for d->run at the end of the turn; a second ask before it ran does nothing. */
void sp_defer(struct sp_turn *t, struct sp_defer *d);
/* The same, before all that was deferred without haste: for what gains nothing by waiting for the turn's other events. */
void sp_defer_soon(struct sp_turn *t, struct sp_defer *d);
/* From an I/O callback that has nothing more to do: runs what was asked for soon. */
void sp_turn_run_soon(struct sp_turn *t);
void sp_defer_cancel(struct sp_defer *d);
/* Frees g by g->free at the end of the turn, after all deferred calls. */
void sp_bury(struct sp_turn *t, struct sp_grave *g);

#endif
