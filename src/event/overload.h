/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_overload: how far each overload action of Envoy's overload manager is on, as words of the process: server/overload_run.c
 * writes them on the main thread, whoever has to do less reads them.  0 to SP_OVERLOAD_FULL.  Any thread.
 *
 * Beside them, without the main thread's help: what a worker comes to too late (sp_turn.late_ns) it does not begin.
 */
#ifndef SP_EVENT_OVERLOAD_H
#define SP_EVENT_OVERLOAD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "event/turn.h"

enum sp_overload_action {
    SP_OL_STOP_REQUESTS,      /* new requests are answered with 503 */
    SP_OL_NO_KEEPALIVE,       /* connections end with their next answer */
    SP_OL_STOP_CONNECTIONS,   /* new connections wait in the system's queue */
    SP_OL_REJECT_CONNECTIONS, /* new connections are reset */
    SP_OL_SHRINK_HEAP,        /* free memory is given back to the system */
    SP_OL_REDUCE_TIMEOUTS,
    SP_OL_RESET_STREAMS,      /* those that hold most memory */
    SP_OL_SHED_ACCEPT,        /* load shed points: as REJECT_CONNECTIONS, as STOP_REQUESTS */
    SP_OL_SHED_HEADERS,
    SP_OL_SHED_CODEC,         /* a connection's first bytes close it */
    SP_OL_SHED_H1,            /* so does a request on an HTTP/1 connection, answered with 500 */
    SP_OL_SHED_GOAWAY,        /* what a connection brings makes it drain */
    SP_OL_SHED_GOAWAY_CLOSE,  /* or ends it at once */
    SP_OL_SHED_ROUTER,        /* as STOP_REQUESTS, for what comes as far as the router */
    SP_OL_SHED_POOL,          /* no new connections to origins */
    SP_OL_LATE,               /* no word of the manager's: what workers are late for */
    SP_OL_ACTIONS
};
enum { SP_OVERLOAD_FULL = 10000 };

enum sp_overload_timer { SP_OL_CONNECTION_IDLE, SP_OL_STREAM_IDLE, SP_OL_HANDSHAKE, SP_OL_TIMERS };

extern _Atomic uint32_t sp_overload_words[SP_OL_ACTIONS];

static inline uint32_t sp_overload_value(enum sp_overload_action a)
{
    return atomic_load_explicit(&sp_overload_words[a], memory_order_relaxed);
}

bool sp_overload_draw(enum sp_overload_action a, uint32_t value);
/* Whether this one is hit: all of them where the action is fully on, that part of them else. Counts those that are. */
static inline bool sp_overload_hits(enum sp_overload_action a)
{
    uint32_t value = sp_overload_value(a);
    return SP_UNLIKELY(value != 0) && sp_overload_draw(a, value);
}
/* How often it was hit since the last call. */
uint64_t sp_overload_take_count(enum sp_overload_action a);
void sp_overload_add_count(enum sp_overload_action a, uint64_t n);

/* Nanoseconds that what a worker begins may have waited for it; 0: however long. */
extern _Atomic uint64_t sp_overload_max_delay_ns;

/*
 * What part of the requests that this turn brought is not begun, as a word above: none up to that time, and then more and more up to
 * nine in ten at twice that time.  Never all: where refusing alone takes all the time there is, nobody would be served any more.
 */
uint32_t sp_overload_late_part(const struct sp_turn *t, uint64_t max_ns);
/* Whether this request is one of them. */
static inline bool sp_overload_hits_late(const struct sp_turn *t)
{
    uint64_t max = atomic_load_explicit(&sp_overload_max_delay_ns, memory_order_relaxed);
    return SP_UNLIKELY(max != 0) && SP_UNLIKELY(t->late_ns > max) && sp_overload_draw(SP_OL_LATE, sp_overload_late_part(t, max));
}
/* Twice that time has passed. */
static inline bool sp_overload_too_late(const struct sp_turn *t)
{
    uint64_t max = atomic_load_explicit(&sp_overload_max_delay_ns, memory_order_relaxed);
    return SP_UNLIKELY(max != 0) && t->late_ns > 2 * max;
}

/* How short a timeout may get: to min_ns, or to min_part (of SP_OVERLOAD_FULL) of itself. {0, FULL}: it stays as it is. */
struct sp_overload_floor {
    uint64_t min_ns;
    uint32_t min_part;
    bool set;
};
void sp_overload_set_floor(enum sp_overload_timer t, const struct sp_overload_floor *f);
/* What a timeout is now. 0 (none) stays 0. */
uint64_t sp_overload_timeout(enum sp_overload_timer t, uint64_t full_ns);
/* When to look again at a timeout that may have been shortened in between: never later than `left_ns`. */
uint64_t sp_overload_look_again(enum sp_overload_timer t, uint64_t left_ns);

#endif
