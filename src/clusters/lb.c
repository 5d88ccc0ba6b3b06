/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/lb.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/edf.h"
#include "clusters/hashed.h"
#include "clusters/priority.h"

/* Hosts that stand in for each other. */
struct set {
    struct sp_hash_member *v;
    unsigned n, next; /* next: round robin's place */
    struct sp_edf edf;
};

/* With locality_weighted_lb_config: the hosts of one locality. */
struct locality {
    struct set healthy, degraded;
    unsigned id, n;                     /* which one; all its hosts */
    uint32_t weight;
    uint64_t for_healthy, for_degraded; /* the weight, less where too few are well */
};

struct level {
    struct set healthy, degraded, all;
    bool weighted; /* its hosts differ in weight */
    struct locality *localities; /* n_localities of them; none: all hosts stand in one */
    unsigned n_localities;
    uint64_t for_healthy, for_degraded; /* sums; 0: by hosts */
};

struct sp_lb {
    unsigned generation;
    unsigned n_levels;
    unsigned choices;                  /* LEAST_REQUEST: how many are looked at */
    struct level *levels;
    struct sp_priority_health *health; /* n_levels, for rebuilding */
    struct sp_priority_load *loads;
};

static void set_init(struct set *t, unsigned cap, bool weighted)
{
    t->v = sp_xcalloc(cap + 1, sizeof(*t->v));
    if (weighted)
        sp_edf_init(&t->edf, cap);
}

static void set_done(struct set *t)
{
    free(t->v);
    sp_edf_done(&t->edf);
}

static bool differ(const struct sp_priority *p)
{
    for (unsigned i = 1; i < p->n; i++)
        if (p->v[i]->weight != p->v[0]->weight)
            return true;
    return false;
}

static void set_clear(struct set *t)
{
    t->n = 0;
    sp_edf_clear(&t->edf);
}

static void set_add(struct sp_slot *s, struct set *t, const struct sp_endpoint *e, bool weighted)
{
    if (weighted) {
        double part = (double)((sp_slot_random(s) >> 11) + 1) / (double)(1ull << 53);
        sp_edf_add(&t->edf, t->n, part / e->weight);
    }
    t->v[t->n++] = (struct sp_hash_member){e->host, e->weight};
}

static void add_by_health(struct sp_slot *s, struct set *healthy, struct set *degraded, const struct sp_endpoint *e,
                          enum sp_health health, bool weighted)
{
    if (health == SP_HEALTHY)
        set_add(s, healthy, e, weighted);
    else if (health == SP_DEGRADED)
        set_add(s, degraded, e, weighted);
}

/* A locality is good for its weight while 1 / factor of its hosts are well. */
static uint64_t effective(const struct locality *l, unsigned hosts, uint32_t factor)
{
    return (uint64_t)l->weight * SP_MIN((uint64_t)factor * hosts / l->n, 100u);
}

static void rebuild_localities(struct sp_slot *s, struct level *l, const struct sp_priority *p)
{
    struct locality *at = NULL;
    l->for_healthy = l->for_degraded = 0;
    for (unsigned i = 0; i < l->n_localities; i++) {
        set_clear(&l->localities[i].healthy);
        set_clear(&l->localities[i].degraded);
    }
    for (unsigned i = 0; i < p->n; i++) { /* one locality's hosts stand together */
        const struct sp_endpoint *e = p->v[i];
        if (!at || at->id != e->locality)
            at = at ? at + 1 : l->localities;
        enum sp_health health = sp_host_health(e->host);
        add_by_health(s, &at->healthy, &at->degraded, e, health, l->weighted);
    }
    for (unsigned i = 0; i < l->n_localities; i++) {
        struct locality *x = &l->localities[i];
        l->for_healthy += x->for_healthy = effective(x, x->healthy.n, s->hosts->overprovisioning);
        l->for_degraded += x->for_degraded = effective(x, x->degraded.n, s->hosts->overprovisioning);
    }
}

static void rebuild_level(struct sp_slot *s, struct level *l, const struct sp_priority *p,
                          struct sp_priority_health *ret)
{
    set_clear(&l->healthy);
    set_clear(&l->degraded);
    set_clear(&l->all);
    *ret = (struct sp_priority_health){.total = p->n};
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_endpoint *e = p->v[i];
        uint32_t flags = atomic_load_explicit(&e->host->health, memory_order_relaxed);
        enum sp_health health = sp_health_of(flags);
        set_add(s, &l->all, e, l->weighted);
        add_by_health(s, &l->healthy, &l->degraded, e, health, l->weighted);
        ret->excluded += (flags & (SP_HEALTH_EXCLUDED | SP_HEALTH_PENDING_ACTIVE_HC)) != 0;
    }
    ret->healthy = l->healthy.n;
    ret->degraded = l->degraded.n;
    if (l->n_localities)
        rebuild_localities(s, l, p);
}

static void rebuild(struct sp_slot *s, unsigned generation)
{
    const struct sp_cluster *c = s->cluster;
    struct sp_lb *lb = s->lb;
    lb->generation = generation;
    for (unsigned i = 0; i < lb->n_levels; i++)
        rebuild_level(s, &lb->levels[i], &s->hosts->priorities[i], &lb->health[i]);
    sp_priority_loads(lb->health, lb->n_levels, c->lb.panic_threshold, s->hosts->overprovisioning, lb->loads);
}

/* None if no locality of the priority has a weight. */
static void init_localities(struct level *l, const struct sp_priority *p)
{
    struct locality *at = NULL;
    bool some = false;
    l->localities = sp_xcalloc(p->n + 1, sizeof(*l->localities));
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_endpoint *e = p->v[i];
        if (!at || at->id != e->locality) {
            at = &l->localities[l->n_localities++];
            at->id = e->locality;
            at->weight = e->locality_weight;
            some = some || at->weight;
        }
        at->n++;
    }
    if (!some)
        l->n_localities = 0;
    for (unsigned i = 0; i < l->n_localities; i++) {
        set_init(&l->localities[i].healthy, l->localities[i].n, l->weighted);
        set_init(&l->localities[i].degraded, l->localities[i].n, l->weighted);
    }
}

struct sp_lb *sp_lb_new(struct sp_slot *s)
{
    assert(s && s->hosts);
    const struct sp_cluster *c = s->cluster;
    struct sp_lb *lb = sp_xcalloc(1, sizeof(*lb));
    s->lb = lb;
    if (s->hashed) /* it needs no more */
        return lb;
    lb->n_levels = s->hosts->n_priorities;
    lb->choices = SP_MIN(c->lb.choice_count, SP_MAX(s->hosts->n, 2u));
    lb->levels = sp_xcalloc(lb->n_levels, sizeof(*lb->levels));
    lb->health = sp_xcalloc(lb->n_levels, sizeof(*lb->health));
    lb->loads = sp_xcalloc(lb->n_levels, sizeof(*lb->loads));
    for (unsigned i = 0; i < lb->n_levels; i++) {
        struct level *l = &lb->levels[i];
        const struct sp_priority *p = &s->hosts->priorities[i];
        l->weighted = c->lb.policy != SP_LB_RANDOM && differ(p);
        set_init(&l->healthy, p->n, l->weighted);
        set_init(&l->degraded, p->n, l->weighted);
        set_init(&l->all, p->n, l->weighted);
        if (c->lb.by_locality)
            init_localities(l, p);
        if (p->n) /* workers shall not all begin with the first host */
            l->healthy.next = l->degraded.next = l->all.next = (unsigned)sp_slot_below(s, p->n);
    }
    rebuild(s, atomic_load_explicit(&c->generation, memory_order_acquire));
    return lb;
}

void sp_lb_free(struct sp_lb *lb)
{
    if (!lb)
        return;
    for (unsigned i = 0; i < lb->n_levels; i++) {
        set_done(&lb->levels[i].healthy);
        set_done(&lb->levels[i].degraded);
        set_done(&lb->levels[i].all);
        for (unsigned k = 0; k < lb->levels[i].n_localities; k++) {
            set_done(&lb->levels[i].localities[k].healthy);
            set_done(&lb->levels[i].localities[k].degraded);
        }
        free(lb->levels[i].localities);
    }
    free(lb->levels);
    free(lb->health);
    free(lb->loads);
    free(lb);
}

static int32_t busy(const struct sp_host *h)
{
    int32_t n = atomic_load_explicit(&h->active, memory_order_relaxed);
    return SP_MAX(n, 0);
}

static struct sp_host *pick_weighted(const struct sp_cluster *c, struct set *t)
{
    const struct sp_hash_member *m = &t->v[sp_edf_peek(&t->edf)];
    double cost = c->lb.policy == SP_LB_LEAST_REQUEST ? (double)busy(m->host) + 1 : 1;
    sp_edf_again(&t->edf, cost / m->weight);
    return m->host;
}

static struct sp_host *pick_least_busy(struct sp_slot *s, const struct set *t)
{
    struct sp_host *best = NULL;
    int32_t least = INT32_MAX;
    for (unsigned i = 0; i < s->lb->choices; i++) {
        struct sp_host *h = t->v[sp_slot_below(s, t->n)].host;
        int32_t n = busy(h);
        if (!best || n < least) {
            best = h;
            least = n;
        }
    }
    return best;
}

static struct sp_host *pick_from(struct sp_slot *s, struct set *t, bool weighted)
{
    if (SP_UNLIKELY(!t->n))
        return NULL;
    if (t->n == 1)
        return t->v[0].host;
    if (weighted)
        return pick_weighted(s->cluster, t);
    if (s->cluster->lb.policy == SP_LB_LEAST_REQUEST)
        return pick_least_busy(s, t);
    if (s->cluster->lb.policy == SP_LB_RANDOM)
        return t->v[sp_slot_below(s, t->n)].host;
    if (SP_UNLIKELY(t->next >= t->n))
        t->next = 0;
    return t->v[t->next++].host;
}

static struct set *by_locality(struct sp_slot *s, struct level *l, bool degraded)
{
    uint64_t sum = degraded ? l->for_degraded : l->for_healthy;
    if (!sum)
        return degraded ? &l->degraded : &l->healthy;
    uint64_t dice = sp_slot_below(s, sum);
    for (unsigned i = 0; i < l->n_localities; i++) {
        struct locality *x = &l->localities[i];
        uint64_t part = degraded ? x->for_degraded : x->for_healthy;
        if (dice < part)
            return degraded ? &x->degraded : &x->healthy;
        dice -= part;
    }
    return NULL;
}

/* The hosts that the dice give a request to. */
static struct set *choose(struct sp_slot *s, bool *ret_weighted)
{
    struct sp_lb *lb = s->lb;
    unsigned at = 0;
    bool degraded = false;
    if (lb->loads[0].healthy < 100 &&
        !sp_priority_choose(lb->loads, lb->n_levels, (unsigned)sp_slot_below(s, 100), &at, &degraded))
        return NULL;
    struct level *l = &lb->levels[at];
    *ret_weighted = l->weighted;
    if (lb->loads[at].panic) {
        sp_counter_inc(s->cluster->stats.lb_healthy_panic);
        return &l->all;
    }
    if (SP_UNLIKELY(l->n_localities))
        return by_locality(s, l, degraded);
    return degraded ? &l->degraded : &l->healthy;
}

static struct sp_host *pick_hashed(struct sp_slot *s, const struct sp_host *avoid, uint64_t hash)
{
    bool panic;
    struct sp_host *h = sp_hashed_pick(s->hashed, &s->cluster->lb, avoid, hash, &panic);
    if (panic)
        sp_counter_inc(s->cluster->stats.lb_healthy_panic);
    return h;
}

struct sp_host *sp_lb_pick(struct sp_slot *s, const struct sp_host *avoid)
{
    return sp_lb_pick_hashed(s, avoid, NULL);
}

struct sp_host *sp_lb_pick_hashed(struct sp_slot *s, const struct sp_host *avoid, const uint64_t *hash)
{
    assert(s && s->lb);
    if (s->hashed)
        return pick_hashed(s, avoid, hash ? *hash : sp_slot_random(s));
    unsigned generation = atomic_load_explicit(&s->cluster->generation, memory_order_acquire);
    if (SP_UNLIKELY(generation != s->lb->generation))
        rebuild(s, generation);
    bool weighted = false;
    struct set *t = choose(s, &weighted);
    if (!t)
        return NULL;
    struct sp_host *h = pick_from(s, t, weighted);
    for (unsigned i = 0; h && h == avoid && t->n > 1 && i < 8; i++)
        h = pick_from(s, t, weighted);
    return h;
}
