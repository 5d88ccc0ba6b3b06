/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_gather: whether a worker waits a moment before it looks for events, so that one turn finds what would else be several turns'
 * work.  A worker that answers faster than origins and clients speak is woken for each of their words: a read, a write, a record and
 * a wake-up for one request, where the next turn would have had the same for twenty.  So, while there is much to do, it sleeps for a
 * part of the time that requests take anyway, and what comes meanwhile is read, handled and written together.
 *
 * It waits at most a sixteenth of what requests took lately, and never longer than SP_GATHER_MAX_NS: only while the worker is awake a
 * quarter of the time or more, only if several requests are expected to begin or end in the meantime, and only after turns that
 * brought less than that.  What they took is what half of them took, or less, and at most four times what the quickest
 * quarter took: slow ones (tunnels, streams, somebody's polls) do not make quick ones wait.
 *
 * Sans-IO: the clock is the caller's, all times are nanoseconds.  Owned by an sp_turn, on its thread.
 */
#ifndef SP_EVENT_GATHER_H
#define SP_EVENT_GATHER_H

#include <stdint.h>

#include "base/defs.h"

#define SP_GATHER_MIN_NS 50000ull   /* what a sleep takes longer than asked for, at most: shorter ones cannot be had */
#define SP_GATHER_MAX_NS 1000000ull
#define SP_GATHER_SHARE 16          /* of the time that requests take: one part */
#define SP_GATHER_STAY_MAX_NS (SP_GATHER_SHARE * SP_GATHER_MAX_NS)
#define SP_GATHER_CLASSES 6         /* of requests: the quickest are worth no sleep, each other class takes twice as long as the one before */
#define SP_GATHER_LEAST 8           /* requests that begin or end, for which it is worth a sleep */
#define SP_GATHER_WINDOW_NS 4000000ull

struct sp_gather {
    uint64_t since_ns;          /* when the window under way began */
    uint64_t asleep_ns;         /* in this window */
    struct {
        uint64_t stays_ns;      /* all together */
        unsigned n;
    } ended[SP_GATHER_CLASSES]; /* in it, by what they took */
    unsigned n_moved;           /* in it: begun or ended */
    unsigned turn_moved;        /* begun or ended in this turn */
    unsigned expected;          /* to begin or end in wait_ns, going by the window before */
    uint64_t wait_ns;           /* 0: not worth while */
};

/* A request began. */
static inline void sp_gather_began(struct sp_gather *g)
{
    g->turn_moved++;
}

/* One ended that had taken `stay_ns`. */
static inline void sp_gather_ended(struct sp_gather *g, uint64_t stay_ns)
{
    unsigned k = 0;
    for (uint64_t bound = SP_GATHER_SHARE * SP_GATHER_MIN_NS; k < SP_GATHER_CLASSES - 1 && stay_ns >= bound; bound *= 2)
        k++;
    g->turn_moved++;
    g->ended[k].n++;
    g->ended[k].stays_ns += SP_MIN(stay_ns, (uint64_t)SP_GATHER_STAY_MAX_NS);
}

/* The worker slept. */
static inline void sp_gather_slept(struct sp_gather *g, uint64_t ns)
{
    g->asleep_ns += ns;
}

/* At the end of a turn: how long to wait before the next look. 0: not at all. */
uint64_t sp_gather_wait(struct sp_gather *g, uint64_t now_ns);

#endif
