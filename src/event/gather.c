/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/gather.h"

#include <assert.h>

enum { AWAKE = 4 }; /* at least one part of so many */

/* The average of those that are as quick as the nth of the quickest. */
static uint64_t nth(const struct sp_gather *g, unsigned n)
{
    unsigned k = 0;
    for (unsigned past = g->ended[0].n; past < n; past += g->ended[k].n)
        k++;
    return g->ended[k].stays_ns / g->ended[k].n;
}

/* What half of the requests took, or less; no more than four times what a quarter took. 0: none ended. */
static uint64_t stay(const struct sp_gather *g)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SP_GATHER_CLASSES; i++)
        n += g->ended[i].n;
    return n ? SP_MIN(nth(g, (n + 1) / 2), 4 * nth(g, (n + 3) / 4)) : 0;
}

static void judge(struct sp_gather *g, uint64_t took_ns)
{
    g->wait_ns = 0;
    g->expected = 0;
    uint64_t asleep = SP_MIN(g->asleep_ns, took_ns);
    if (took_ns - asleep < took_ns / AWAKE)
        return;
    uint64_t wait = SP_MIN(stay(g) / SP_GATHER_SHARE, (uint64_t)SP_GATHER_MAX_NS);
    uint64_t expected = g->n_moved * wait / took_ns;
    if (wait < SP_GATHER_MIN_NS || expected < SP_GATHER_LEAST)
        return;
    g->wait_ns = wait;
    g->expected = (unsigned)expected;
}

uint64_t sp_gather_wait(struct sp_gather *g, uint64_t now_ns)
{
    assert(g);
    unsigned moved = g->turn_moved;
    g->turn_moved = 0;
    g->n_moved += moved;
    if (now_ns - g->since_ns >= SP_GATHER_WINDOW_NS) {
        judge(g, now_ns - g->since_ns);
        *g = (struct sp_gather){.since_ns = now_ns, .wait_ns = g->wait_ns, .expected = g->expected};
    }
    return moved < g->expected ? g->wait_ns : 0;
}
