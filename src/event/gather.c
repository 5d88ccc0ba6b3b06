/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/gather.h"

#include <assert.h>

enum { AWAKE = 4 }; /* at least one part of so many */

static void judge(struct sp_gather *g, uint64_t took_ns)
{
    g->wait_ns = 0;
    g->expected = 0;
    uint64_t asleep = SP_MIN(g->asleep_ns, took_ns);
    if (!g->n_ended || took_ns - asleep < took_ns / AWAKE)
        return;
    uint64_t wait = SP_MIN(g->stays_ns / g->n_ended / SP_GATHER_SHARE, (uint64_t)SP_GATHER_MAX_NS);
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
