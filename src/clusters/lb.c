/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/lb.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/hashed.h"
#include "clusters/lb_set.h"
#include "clusters/tried.h"
#include "clusters/zone.h"

/* With locality_weighted_lb_config or a local cluster: the hosts of one locality. */
struct locality {
    struct sp_lb_set healthy, degraded;
    const struct sp_endpoint *of;       /* one of its hosts */
    unsigned n;                         /* all its hosts */
    uint32_t weight;
    uint64_t for_healthy, for_degraded; /* the weight, less where too few are well */
};

struct level {
    struct sp_lb_set healthy, degraded, all;
    bool differ;            /* its hosts have different weights that count */
    enum sp_lb_mode mode;
    uint64_t slow_until_ns; /* SP_LB_SLOW: then no host is new any more */
    struct locality *localities; /* n_localities of them; none: all hosts stand in one */
    unsigned *which;             /* of each of its hosts: the locality */
    unsigned n_localities;
    uint64_t for_healthy, for_degraded; /* sums; 0: by hosts */
    struct sp_zone *zone;               /* of the first level where there is a local cluster; else NULL */
};

struct sp_lb {
    const struct sp_host_set *hosts;
    unsigned generation;
    bool in_turn;                      /* ROUND_ROBIN */
    unsigned n_levels;
    unsigned choices;                  /* LEAST_REQUEST: how many are looked at */
    struct level *levels;
    struct sp_priority_health *health; /* n_levels, for rebuilding */
    struct sp_priority_load *loads;
    struct sp_host **ahead;            /* SP_LB_AHEAD of them, in a ring; NULL: never asked for */
    unsigned first_ahead, n_ahead;
};

static bool differ(const struct sp_priority *p)
{
    for (unsigned i = 1; i < p->n; i++)
        if (p->v[i]->weight != p->v[0]->weight)
            return true;
    return false;
}

static void add_by_health(struct sp_slot *s, struct sp_lb_set *healthy, struct sp_lb_set *degraded, const struct sp_endpoint *e,
                          enum sp_health health, enum sp_lb_mode mode)
{
    if (health == SP_HEALTHY)
        sp_lb_set_add(healthy, s, e, mode);
    else if (health == SP_DEGRADED)
        sp_lb_set_add(degraded, s, e, mode);
}

/* A locality is good for its weight while 1 / factor of its hosts are well. */
static uint64_t effective(const struct locality *l, unsigned hosts, uint32_t factor)
{
    return (uint64_t)l->weight * SP_MIN((uint64_t)factor * hosts / l->n, 100u);
}

static void rebuild_localities(struct sp_slot *s, struct level *l, const struct sp_priority *p, uint32_t overprovisioning)
{
    l->for_healthy = l->for_degraded = 0;
    for (unsigned i = 0; i < l->n_localities; i++) {
        sp_lb_set_clear(&l->localities[i].healthy);
        sp_lb_set_clear(&l->localities[i].degraded);
    }
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_endpoint *e = p->v[i];
        struct locality *at = &l->localities[l->which[i]];
        enum sp_health health = sp_host_health(e->host);
        add_by_health(s, &at->healthy, &at->degraded, e, health, l->mode);
    }
    for (unsigned i = 0; i < l->n_localities; i++) {
        struct locality *x = &l->localities[i];
        l->for_healthy += x->for_healthy = effective(x, x->healthy.n, overprovisioning);
        l->for_degraded += x->for_degraded = effective(x, x->degraded.n, overprovisioning);
    }
}

/* By the hosts that its localities have now. */
static void count_zone(struct sp_slot *s, struct level *l)
{
    for (unsigned i = 0; i < l->n_localities; i++) {
        const struct sp_lb_set *t = &l->localities[i].healthy;
        struct sp_zone_place *p = &l->zone->v[i];
        p->hosts = p->there = t->n;
        for (unsigned k = 0; s->cluster->lb.zone.by_weight && k < t->n; k++)
            p->there += t->v[k].weight - 1;
    }
    sp_zone_count(l->zone, s);
}

static enum sp_lb_mode normal_mode(const struct level *l)
{
    return l->differ ? SP_LB_WEIGHTED : SP_LB_EVEN;
}

/* Whether some host is in slow start, and until when. */
static void find_slow(struct sp_slot *s, struct level *l, const struct sp_priority *p)
{
    uint64_t window = s->cluster->lb.slow_ns, last = 0;
    for (unsigned i = 0; window && i < p->n; i++)
        if (sp_host_health(p->v[i]->host) == SP_HEALTHY)
            last = SP_MAX(last, atomic_load_explicit(&p->v[i]->host->since_ns, memory_order_relaxed));
    l->slow_until_ns = last ? last + window : 0;
    l->mode = l->slow_until_ns > s->turn->now_ns ? SP_LB_SLOW : normal_mode(l);
}

static void rebuild_level(struct sp_slot *s, struct level *l, const struct sp_host_set *hosts, const struct sp_priority *p,
                          struct sp_priority_health *ret)
{
    find_slow(s, l, p);
    sp_lb_set_clear(&l->healthy);
    sp_lb_set_clear(&l->degraded);
    sp_lb_set_clear(&l->all);
    *ret = (struct sp_priority_health){0};
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_endpoint *e = p->v[i];
        uint32_t flags = atomic_load_explicit(&e->host->health, memory_order_relaxed);
        enum sp_health health = sp_health_of(flags);
        sp_lb_set_add(&l->all, s, e, l->mode);
        add_by_health(s, &l->healthy, &l->degraded, e, health, l->mode);
        sp_priority_count(ret, flags, hosts->policy.weighted_health ? e->weight : 1);
    }
    if (l->n_localities)
        rebuild_localities(s, l, p, hosts->policy.overprovisioning);
    if (l->zone)
        count_zone(s, l);
}

static void rebuild(struct sp_slot *s, struct sp_lb *lb, unsigned generation)
{
    const struct sp_cluster *c = s->cluster;
    lb->generation = generation;
    lb->n_ahead = 0;
    for (unsigned i = 0; i < lb->n_levels; i++)
        rebuild_level(s, &lb->levels[i], lb->hosts, &lb->hosts->priorities[i], &lb->health[i]);
    sp_priority_loads(lb->health, lb->n_levels, c->lb.panic_threshold, lb->hosts->policy.overprovisioning, lb->loads);
}

/* The locality of an endpoint, mostly the same as of the one before it. */
static unsigned locality_of(struct level *l, const struct sp_endpoint *e, bool by_weight)
{
    unsigned i = l->n_localities;
    while (i && l->localities[i - 1].of->locality != e->locality)
        i--;
    if (i)
        return i - 1;
    l->localities[l->n_localities] = (struct locality){.of = e, .weight = by_weight ? e->locality_weight : 0};
    return l->n_localities++;
}

static void init_zone(struct level *l)
{
    l->zone = sp_zone_new(l->n_localities);
    for (unsigned i = 0; i < l->n_localities; i++)
        l->zone->v[i].of = l->localities[i].of;
}

/* None if no locality of the priority has a weight, and they do not count as zones. */
static void init_localities(struct sp_slot *s, struct level *l, const struct sp_priority *p, bool zone, bool scheduled)
{
    bool some = zone;
    l->localities = sp_xcalloc(p->n + 1, sizeof(*l->localities));
    l->which = sp_xcalloc(p->n + 1, sizeof(*l->which));
    for (unsigned i = 0; i < p->n; i++) {
        l->which[i] = locality_of(l, p->v[i], s->cluster->lb.by_locality);
        l->localities[l->which[i]].n++;
        some = some || p->v[i]->locality_weight;
    }
    if (!some)
        l->n_localities = 0;
    for (unsigned i = 0; i < l->n_localities; i++) {
        struct locality *x = &l->localities[i];
        sp_lb_set_init(&x->healthy, x->n, scheduled);
        sp_lb_set_init(&x->degraded, x->n, scheduled);
        x->healthy.next = x->degraded.next = (unsigned)sp_slot_below(s, x->n);
    }
    if (zone)
        init_zone(l);
}

struct sp_lb *sp_lb_new_of(struct sp_slot *s, const struct sp_host_set *part)
{
    assert(s && part && part->priorities);
    const struct sp_cluster *c = s->cluster;
    struct sp_lb *lb = sp_xcalloc(1, sizeof(*lb));
    lb->hosts = part;
    lb->n_levels = part->n_priorities;
    lb->in_turn = c->lb.policy == SP_LB_ROUND_ROBIN;
    /* Of so many random ones nearly every host is one, and a pick stays short. */
    lb->choices = SP_MIN(c->lb.choice_count, SP_MAX(part->n, 1u) * 8);
    lb->levels = sp_xcalloc(lb->n_levels, sizeof(*lb->levels));
    lb->health = sp_xcalloc(lb->n_levels, sizeof(*lb->health));
    lb->loads = sp_xcalloc(lb->n_levels, sizeof(*lb->loads));
    for (unsigned i = 0; i < lb->n_levels; i++) {
        struct level *l = &lb->levels[i];
        const struct sp_priority *p = &part->priorities[i];
        l->differ = c->lb.policy != SP_LB_RANDOM && differ(p);
        bool scheduled = l->differ || c->lb.slow_ns;
        sp_lb_set_init(&l->healthy, p->n, scheduled);
        sp_lb_set_init(&l->degraded, p->n, scheduled);
        sp_lb_set_init(&l->all, p->n, scheduled);
        bool zone = c->local && i == 0 && p->n;
        if (c->lb.by_locality || zone)
            init_localities(s, l, p, zone, scheduled);
        if (p->n) /* workers shall not all begin with the first host */
            l->healthy.next = l->degraded.next = l->all.next = (unsigned)sp_slot_below(s, p->n);
    }
    rebuild(s, lb, atomic_load_explicit(&c->generation, memory_order_acquire));
    return lb;
}

struct sp_lb *sp_lb_new(struct sp_slot *s)
{
    assert(s && s->hosts);
    /* Tables need no more. */
    s->lb = s->hashed ? sp_xcalloc(1, sizeof(*s->lb)) : sp_lb_new_of(s, s->hosts);
    return s->lb;
}

void sp_lb_free(struct sp_lb *lb)
{
    if (!lb)
        return;
    for (unsigned i = 0; i < lb->n_levels; i++) {
        sp_lb_set_done(&lb->levels[i].healthy);
        sp_lb_set_done(&lb->levels[i].degraded);
        sp_lb_set_done(&lb->levels[i].all);
        for (unsigned k = 0; k < lb->levels[i].n_localities; k++) {
            sp_lb_set_done(&lb->levels[i].localities[k].healthy);
            sp_lb_set_done(&lb->levels[i].localities[k].degraded);
        }
        free(lb->levels[i].localities);
        free(lb->levels[i].which);
        sp_zone_free(lb->levels[i].zone);
    }
    free(lb->levels);
    free(lb->health);
    free(lb->loads);
    free(lb->ahead);
    free(lb);
}

static struct sp_lb_set *by_zone(struct sp_slot *s, struct level *l, bool degraded)
{
    const struct sp_lb_config *c = &s->cluster->lb;
    if (sp_zone_is_old(l->zone, s))
        count_zone(s, l);
    bool counts = l->zone->mode != SP_ZONE_ANY && (c->zone.percent >= 100 || sp_slot_below(s, 100) < c->zone.percent);
    if (counts && !l->zone->local_panic) {
        struct locality *x = &l->localities[sp_zone_choose(l->zone, s)];
        return degraded ? &x->degraded : &x->healthy;
    }
    if (counts)
        sp_counter_inc(s->cluster->stats.lb_local_cluster_not_ok);
    return counts && c->fail_on_panic ? NULL : degraded ? &l->degraded : &l->healthy;
}

static struct sp_lb_set *by_locality(struct sp_slot *s, struct level *l, bool degraded)
{
    uint64_t sum = degraded ? l->for_degraded : l->for_healthy;
    if (!sum && l->zone)
        return by_zone(s, l, degraded);
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

/* No host is new any more. */
static void end_slow(struct level *l, uint64_t now_ns)
{
    if (now_ns >= l->slow_until_ns)
        l->mode = normal_mode(l);
}

/* The hosts that the dice give a request to. */
static struct sp_lb_set *choose(struct sp_slot *s, struct sp_lb *lb, enum sp_lb_mode *ret_mode)
{
    unsigned at = 0;
    bool degraded = false;
    const struct sp_priority_load *loads = lb->loads;
    if (SP_UNLIKELY(s->tried))
        loads = sp_tried_loads(s->tried, lb->health, lb->n_levels, lb->hosts->policy.overprovisioning, loads);
    if (loads[0].healthy < 100 && !sp_priority_choose(loads, lb->n_levels, (unsigned)sp_slot_below(s, 100), &at, &degraded))
        return NULL;
    struct level *l = &lb->levels[at];
    if (SP_UNLIKELY(l->mode == SP_LB_SLOW))
        end_slow(l, s->turn->now_ns);
    *ret_mode = l->mode;
    if (lb->loads[at].panic) {
        sp_counter_inc(s->cluster->stats.lb_healthy_panic);
        return s->cluster->lb.fail_on_panic ? NULL : &l->all;
    }
    if (SP_UNLIKELY(l->n_localities))
        return by_locality(s, l, degraded);
    return degraded ? &l->degraded : &l->healthy;
}

struct sp_host *sp_lb_pick_tables(struct sp_slot *s, const struct sp_hashed *tables, const struct sp_host *avoid, const uint64_t *hash)
{
    assert(s && tables);
    bool panic;
    const struct sp_cluster *c = s->cluster;
    uint64_t under_way = SP_UNLIKELY(c->lb.balance_factor) ? sp_gauge_value(c->stats.upstream_rq_active) : 0;
    struct sp_host *h = sp_hashed_pick(tables, &c->lb, avoid, hash ? *hash : sp_slot_random(s), under_way, &panic);
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
        return sp_lb_pick_tables(s, s->hashed, avoid, hash);
    return sp_lb_pick_of(s, s->lb, avoid);
}

struct sp_host *sp_lb_pick_of(struct sp_slot *s, struct sp_lb *lb, const struct sp_host *avoid)
{
    assert(s && lb && lb->hosts);
    unsigned generation = atomic_load_explicit(&s->cluster->generation, memory_order_acquire);
    if (SP_UNLIKELY(generation != lb->generation))
        rebuild(s, lb, generation);
    enum sp_lb_mode mode = SP_LB_EVEN;
    struct sp_lb_set *t = choose(s, lb, &mode);
    if (!t)
        return NULL;
    struct sp_host *h = SP_LIKELY(mode == SP_LB_EVEN && lb->in_turn && t->n) ? sp_lb_set_next(t) : sp_lb_set_pick(t, s, mode, lb->choices);
    for (unsigned i = 0; h && h == avoid && t->n > 1 && i < 8; i++)
        h = sp_lb_set_pick(t, s, mode, lb->choices);
    return h;
}

static void follow(struct sp_slot *s)
{
    unsigned generation = atomic_load_explicit(&s->cluster->generation, memory_order_acquire);
    if (generation != s->lb->generation)
        rebuild(s, s->lb, generation);
}

struct sp_host *sp_lb_look_ahead(struct sp_slot *s)
{
    assert(s && s->lb);
    struct sp_lb *lb = s->lb;
    unsigned well = 0;
    if (s->hashed || s->subset_lb)
        return NULL;
    follow(s);
    for (unsigned i = 0; i < lb->n_levels; i++)
        well += lb->health[i].healthy;
    if (lb->n_ahead >= SP_MIN(well, (unsigned)SP_LB_AHEAD))
        return NULL;
    struct sp_host *h = sp_lb_pick_of(s, lb, NULL);
    if (!h)
        return NULL;
    if (!lb->ahead)
        lb->ahead = sp_xcalloc(SP_LB_AHEAD, sizeof(*lb->ahead));
    lb->ahead[(lb->first_ahead + lb->n_ahead++) % SP_LB_AHEAD] = h;
    return h;
}

struct sp_host *sp_lb_take_ahead(struct sp_slot *s, const struct sp_host *avoid)
{
    assert(s && s->lb);
    struct sp_lb *lb = s->lb;
    if (!lb->n_ahead)
        return NULL;
    follow(s);
    if (!lb->n_ahead || lb->ahead[lb->first_ahead] == avoid)
        return NULL;
    struct sp_host *h = lb->ahead[lb->first_ahead];
    lb->first_ahead = (lb->first_ahead + 1) % SP_LB_AHEAD;
    lb->n_ahead--;
    return h;
}
