/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/lb_set.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

void sp_lb_set_init(struct sp_lb_set *t, unsigned cap, bool weighted)
{
    assert(t && !t->v);
    t->v = sp_xcalloc(cap + 1, sizeof(*t->v));
    if (weighted)
        sp_edf_init(&t->edf, cap);
}

void sp_lb_set_done(struct sp_lb_set *t)
{
    assert(t);
    free(t->v);
    sp_edf_done(&t->edf);
}

void sp_lb_set_clear(struct sp_lb_set *t)
{
    assert(t);
    t->n = 0;
    sp_edf_clear(&t->edf);
}

/* What a host's weight is multiplied by while it is new or well again. */
static double slow_factor(const struct sp_slot *s, const struct sp_host *h)
{
    const struct sp_lb_config *c = &s->cluster->lb;
    uint64_t since = atomic_load_explicit(&h->since_ns, memory_order_relaxed), now = s->turn->now_ns;
    uint64_t age = now > since ? now - since : 0; /* another thread's clock may stand a little ahead */
    if (!since || age >= c->slow_ns || sp_host_health(h) != SP_HEALTHY)
        return 1;
    double part = (double)SP_MAX(age, SP_NS_PER_MS) / (double)c->slow_ns;
    if (c->slow_aggression != 1)
        part = pow(part, 1 / c->slow_aggression);
    return SP_MAX(part, c->slow_least);
}

static double weight_of(const struct sp_slot *s, const struct sp_host *h, uint32_t weight, enum sp_lb_mode mode)
{
    return mode == SP_LB_SLOW ? weight * slow_factor(s, h) : weight;
}

void sp_lb_set_add(struct sp_lb_set *t, struct sp_slot *s, const struct sp_endpoint *e, enum sp_lb_mode mode)
{
    assert(t && s && e && e->host);
    if (mode != SP_LB_EVEN) {
        double part = (double)((sp_slot_random(s) >> 11) + 1) / (double)(1ull << 53);
        sp_edf_add(&t->edf, t->n, part / weight_of(s, e->host, e->weight, mode));
    }
    t->v[t->n++] = (struct sp_lb_member){e->host, e->weight};
}

static int32_t busy(const struct sp_host *h)
{
    int32_t n = atomic_load_explicit(&h->active, memory_order_relaxed);
    return SP_MAX(n, 0);
}

/* What requests under way make of a host's weight: they divide it. */
static double load_of(const struct sp_lb_config *c, const struct sp_host *h)
{
    if (c->policy != SP_LB_LEAST_REQUEST || c->request_bias == 0)
        return 1;
    double n = (double)busy(h) + 1;
    return SP_LIKELY(c->request_bias == 1) ? n : pow(n, c->request_bias);
}

static struct sp_host *pick_weighted(struct sp_lb_set *t, struct sp_slot *s, enum sp_lb_mode mode)
{
    const struct sp_lb_member *m = &t->v[sp_edf_peek(&t->edf)];
    sp_edf_again(&t->edf, load_of(&s->cluster->lb, m->host) / weight_of(s, m->host, m->weight, mode));
    return m->host;
}

/* One of those that are least busy, each with the same chance. */
static struct sp_host *pick_scanning(const struct sp_lb_set *t, struct sp_slot *s)
{
    struct sp_host *best = NULL;
    int32_t least = INT32_MAX;
    unsigned tied = 0;
    for (unsigned i = 0; i < t->n; i++) {
        int32_t n = busy(t->v[i].host);
        if (best && n > least)
            continue;
        tied = best && n == least ? tied + 1 : 1;
        if (tied == 1 || !sp_slot_below(s, tied))
            best = t->v[i].host;
        least = n;
    }
    return best;
}

static struct sp_host *pick_least_busy(const struct sp_lb_set *t, struct sp_slot *s, unsigned choices)
{
    struct sp_host *best = NULL;
    int32_t least = INT32_MAX;
    if (s->cluster->lb.full_scan)
        return pick_scanning(t, s);
    for (unsigned i = 0; i < choices; i++) {
        struct sp_host *h = t->v[sp_slot_below(s, t->n)].host;
        int32_t n = busy(h);
        if (!best || n < least) {
            best = h;
            least = n;
        }
    }
    return best;
}

struct sp_host *sp_lb_set_pick(struct sp_lb_set *t, struct sp_slot *s, enum sp_lb_mode mode, unsigned choices)
{
    assert(t && s);
    if (SP_UNLIKELY(!t->n))
        return NULL;
    if (t->n == 1)
        return t->v[0].host;
    if (mode != SP_LB_EVEN)
        return pick_weighted(t, s, mode);
    if (s->cluster->lb.policy == SP_LB_LEAST_REQUEST)
        return pick_least_busy(t, s, choices);
    if (s->cluster->lb.policy == SP_LB_RANDOM)
        return t->v[sp_slot_below(s, t->n)].host;
    return sp_lb_set_next(t);
}
