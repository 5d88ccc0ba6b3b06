/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/state.h"

#include <assert.h>

#include "clusters/subsets.h"

static void count_membership(struct sp_cluster *c, uint32_t flags, int64_t n)
{
    if (sp_health_of(flags) == SP_HEALTHY)
        sp_gauge_add(c->stats.membership_healthy, n);
    else if (sp_health_of(flags) == SP_DEGRADED)
        sp_gauge_add(c->stats.membership_degraded, n);
    if (flags & (SP_HEALTH_EXCLUDED | SP_HEALTH_PENDING_ACTIVE_HC))
        sp_gauge_add(c->stats.membership_excluded, n);
}

uint32_t sp_host_set_health(struct sp_cluster *c, struct sp_host *h, uint32_t set, uint32_t clear)
{
    assert(c && h);
    uint32_t old = atomic_load_explicit(&h->health, memory_order_relaxed), flags;
    if (old & clear & SP_HEALTH_FAILED_ACTIVE_HC && c->prober) /* which is who does that */
        atomic_store_explicit(&h->since_ns, c->prober->turn.now_ns, memory_order_relaxed);
    do {
        flags = (old & ~clear) | set;
        if (flags == old)
            return old;
    } while (!atomic_compare_exchange_weak_explicit(&h->health, &old, flags, memory_order_release,
                                                    memory_order_relaxed));
    if (flags & SP_HEALTH_COUNTED) {
        count_membership(c, old, -1);
        count_membership(c, flags, 1);
    }
    atomic_fetch_add_explicit(&c->generation, 1, memory_order_release);
    if (c->health_changed)
        c->health_changed(c);
    return old;
}

void sp_host_count_in(struct sp_cluster *c, struct sp_host *h)
{
    assert(c && h);
    uint32_t old = atomic_fetch_or_explicit(&h->health, SP_HEALTH_COUNTED, memory_order_relaxed);
    if (!(old & SP_HEALTH_COUNTED))
        count_membership(c, old, 1);
}

void sp_host_count_out(struct sp_cluster *c, struct sp_host *h)
{
    assert(c && h);
    uint32_t old = atomic_fetch_and_explicit(&h->health, ~SP_HEALTH_COUNTED, memory_order_relaxed);
    if (old & SP_HEALTH_COUNTED)
        count_membership(c, old, -1);
}

static void count_subsets(struct sp_cluster *c, const struct sp_subsets *s, bool on)
{
    int64_t sign = on ? 1 : -1;
    sp_counter_add(on ? c->stats.subsets.created : c->stats.subsets.removed, s->n);
    sp_gauge_add(c->stats.subsets.active, sign * (int64_t)s->n);
    sp_gauge_add(c->stats.subsets.duplicates, sign * (int64_t)s->duplicates);
}

void sp_cluster_publish(struct sp_cluster *c, bool on)
{
    assert(c);
    sp_gauge_add(c->stats.membership_total, on ? (int64_t)c->hosts->n : -(int64_t)c->hosts->n);
    for (unsigned i = 0; i < c->hosts->n; i++)
        (on ? sp_host_count_in : sp_host_count_out)(c, c->hosts->v[i].host);
    if (on && c->hosts->n)
        sp_counter_inc(c->stats.membership_change);
    if (c->hosts->subsets)
        count_subsets(c, c->hosts->subsets, on);
    sp_breakers_publish(c->breakers, on);
}

void sp_cluster_hold(struct sp_cluster *c)
{
    assert(c);
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
}

void sp_cluster_drop(struct sp_cluster *c)
{
    assert(c && atomic_load_explicit(&c->refs, memory_order_relaxed) > 0);
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
        c->destroy(c);
}
