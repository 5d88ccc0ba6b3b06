/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/overload.h"

#include <assert.h>

#include "crypto/ct.h"

/* So long it may take until a running timeout notices that it is shorter now. */
static const uint64_t LOOK_AGAIN_NS = 5000000000ull;

_Atomic uint32_t sp_overload_words[SP_OL_ACTIONS];
_Atomic uint64_t sp_overload_max_delay_ns;
enum { LATE_FULL = SP_OVERLOAD_FULL / 10 * 9 };
static _Atomic uint64_t counts[SP_OL_ACTIONS];

/* Written when a config is published: a timeout that is read in between is one of the old or one of the new. */
static struct {
    _Atomic uint64_t min_ns;
    _Atomic uint32_t min_part;
    _Atomic bool set;
} floors[SP_OL_TIMERS];

bool sp_overload_draw(enum sp_overload_action a, uint32_t value)
{
    if (value < SP_OVERLOAD_FULL && sp_random_u64() % SP_OVERLOAD_FULL >= value)
        return false;
    sp_overload_add_count(a, 1);
    return true;
}

uint64_t sp_overload_take_count(enum sp_overload_action a)
{
    assert(a < SP_OL_ACTIONS);
    return atomic_exchange_explicit(&counts[a], 0, memory_order_relaxed);
}

void sp_overload_add_count(enum sp_overload_action a, uint64_t n)
{
    assert(a < SP_OL_ACTIONS);
    atomic_fetch_add_explicit(&counts[a], n, memory_order_relaxed);
}

uint32_t sp_overload_late_part(const struct sp_turn *t, uint64_t max_ns)
{
    assert(t && max_ns && t->late_ns >= max_ns);
    uint64_t over = SP_MIN(t->late_ns - max_ns, max_ns);
    return (uint32_t)((unsigned __int128)over * LATE_FULL / max_ns);
}

void sp_overload_set_floor(enum sp_overload_timer t, const struct sp_overload_floor *f)
{
    assert(t < SP_OL_TIMERS && f && f->min_part <= SP_OVERLOAD_FULL);
    atomic_store_explicit(&floors[t].min_ns, f->min_ns, memory_order_relaxed);
    atomic_store_explicit(&floors[t].min_part, f->min_part, memory_order_relaxed);
    atomic_store_explicit(&floors[t].set, f->set, memory_order_relaxed);
}

uint64_t sp_overload_timeout(enum sp_overload_timer t, uint64_t full_ns)
{
    assert(t < SP_OL_TIMERS);
    uint32_t on = sp_overload_value(SP_OL_REDUCE_TIMEOUTS);
    if (SP_LIKELY(!on) || !full_ns || !atomic_load_explicit(&floors[t].set, memory_order_relaxed))
        return full_ns;
    uint64_t min = atomic_load_explicit(&floors[t].min_ns, memory_order_relaxed);
    uint32_t part = atomic_load_explicit(&floors[t].min_part, memory_order_relaxed);
    if (part)
        min = (uint64_t)((unsigned __int128)full_ns * part / SP_OVERLOAD_FULL);
    if (min >= full_ns)
        return full_ns;
    uint64_t ret = min + (uint64_t)((unsigned __int128)(full_ns - min) * (SP_OVERLOAD_FULL - on) / SP_OVERLOAD_FULL);
    return ret ? ret : 1; /* 0 would be none */
}

uint64_t sp_overload_look_again(enum sp_overload_timer t, uint64_t left_ns)
{
    assert(t < SP_OL_TIMERS);
    bool may_change = atomic_load_explicit(&floors[t].set, memory_order_relaxed);
    return may_change ? SP_MIN(left_ns, LOOK_AGAIN_NS) : left_ns;
}
