/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/priority.h"

#include <assert.h>
#include <string.h>

#include "clusters/host.h"

void sp_priority_count(struct sp_priority_health *h, uint32_t flags, uint32_t weight)
{
    assert(h);
    enum sp_health health = sp_health_of(flags);
    bool excluded = flags & (SP_HEALTH_EXCLUDED | SP_HEALTH_PENDING_ACTIVE_HC);
    h->total++;
    h->total_weight += weight;
    h->excluded += excluded;
    h->excluded_weight += excluded ? weight : 0;
    h->healthy += health == SP_HEALTHY;
    h->healthy_weight += health == SP_HEALTHY ? weight : 0;
    h->degraded += health == SP_DEGRADED;
    h->degraded_weight += health == SP_DEGRADED ? weight : 0;
}

static unsigned eligible(const struct sp_priority_health *h)
{
    return h->total - SP_MIN(h->excluded, h->total);
}

/* How much of the load a part of a priority's hosts can take, in percent. */
static uint32_t capacity(const struct sp_priority_health *h, unsigned hosts, uint64_t weight, uint32_t factor)
{
    uint64_t of = h->total_weight ? h->total_weight - SP_MIN(h->excluded_weight, h->total_weight) : eligible(h);
    uint64_t part = h->total_weight ? weight : hosts;
    return of ? (uint32_t)SP_MIN(factor * part / of, 100u) : 0;
}

static uint32_t healthy(const struct sp_priority_health *h, uint32_t factor)
{
    return capacity(h, h->healthy, h->healthy_weight, factor);
}

static uint32_t degraded(const struct sp_priority_health *h, uint32_t factor)
{
    return capacity(h, h->degraded, h->degraded_weight, factor);
}

bool sp_priority_below(const struct sp_priority_health *h, double threshold)
{
    assert(h);
    unsigned of = eligible(h);
    double share = of ? 100.0 * (h->healthy + h->degraded) / of : 0;
    return share < threshold;
}

/* All are in panic: by number of hosts, since health says nothing any more. */
static void spread_by_size(const struct sp_priority_health *h, unsigned n, struct sp_priority_load *ret)
{
    uint64_t total = 0, given = 0;
    unsigned first = n;
    for (unsigned i = 0; i < n; i++)
        total += h[i].total;
    if (!total)
        return;
    for (unsigned i = 0; i < n; i++) {
        ret[i].healthy = (uint32_t)(100 * (uint64_t)h[i].total / total);
        given += ret[i].healthy;
        if (first == n && h[i].total)
            first = i;
    }
    ret[first].healthy += (uint32_t)(100 - given);
}

static void spread_by_health(const struct sp_priority_health *h, unsigned n, uint32_t whole,
                             uint32_t factor, struct sp_priority_load *ret)
{
    uint32_t left = 100;
    for (unsigned i = 0; i < n; i++) {
        ret[i].healthy = SP_MIN(left, healthy(&h[i], factor) * 100 / whole);
        left -= ret[i].healthy;
    }
    for (unsigned i = 0; i < n; i++) {
        ret[i].degraded = SP_MIN(left, degraded(&h[i], factor) * 100 / whole);
        left -= ret[i].degraded;
    }
    /* What rounding left over goes to the first that has anybody. */
    for (unsigned i = 0; i < n && left; i++) {
        uint32_t *to = ret[i].healthy ? &ret[i].healthy : ret[i].degraded ? &ret[i].degraded : NULL;
        if (to) {
            *to += left;
            left = 0;
        }
    }
}

void sp_priority_loads(const struct sp_priority_health *h, unsigned n, double panic_threshold,
                       uint32_t factor, struct sp_priority_load *ret)
{
    assert(h && n && ret);
    memset(ret, 0, n * sizeof(*ret));
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += healthy(&h[i], factor) + degraded(&h[i], factor);
    uint32_t whole = (uint32_t)SP_MIN(sum, 100u);
    bool all_panic = true;
    for (unsigned i = 0; i < n; i++) {
        ret[i].panic = whole < 100 && sp_priority_below(&h[i], panic_threshold);
        all_panic = all_panic && ret[i].panic;
    }
    if (all_panic)
        spread_by_size(h, n, ret);
    else if (whole)
        spread_by_health(h, n, whole, factor, ret);
}

bool sp_priority_loads_without(const struct sp_priority_health *h, unsigned n, const bool *out, uint32_t factor, struct sp_priority_load *ret)
{
    assert(h && n && out && ret);
    uint64_t sum = 0;
    for (unsigned i = 0; i < n; i++)
        sum += out[i] ? 0 : healthy(&h[i], factor) + degraded(&h[i], factor);
    uint32_t whole = (uint32_t)SP_MIN(sum, 100u), left = 100;
    if (!whole)
        return false;
    memset(ret, 0, n * sizeof(*ret));
    while (left) { /* what rounding leaves over goes round once more */
        for (unsigned i = 0; i < n; i++) {
            uint32_t part = out[i] ? 0 : SP_MIN(left, healthy(&h[i], factor) * 100 / whole);
            ret[i].healthy += part;
            left -= part;
        }
        for (unsigned i = 0; i < n; i++) {
            uint32_t part = out[i] ? 0 : SP_MIN(left, degraded(&h[i], factor) * 100 / whole);
            ret[i].degraded += part;
            left -= part;
        }
    }
    return true;
}

bool sp_priority_choose(const struct sp_priority_load *l, unsigned n, unsigned dice, unsigned *ret, bool *ret_degraded)
{
    assert(l && n && dice < 100 && ret && ret_degraded);
    uint32_t upto = 0;
    for (unsigned i = 0; i < 2 * n; i++) {
        bool degraded = i >= n;
        upto += degraded ? l[i % n].degraded : l[i % n].healthy;
        if (dice >= upto)
            continue;
        *ret = i % n;
        *ret_degraded = degraded;
        return true;
    }
    return false;
}
