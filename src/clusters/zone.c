/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/zone.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/priority.h"

enum { WHOLE = 10000 };

struct sp_zone *sp_zone_new(unsigned n)
{
    struct sp_zone *z = sp_xcalloc(1, sizeof(*z));
    z->n = n;
    z->v = sp_xcalloc(n + 1, sizeof(*z->v));
    return z;
}

void sp_zone_free(struct sp_zone *z)
{
    if (!z)
        return;
    free(z->v);
    free(z);
}

static bool same_place(const struct sp_endpoint *a, const struct sp_endpoint *b)
{
    return sp_str_eq(a->zone, b->zone) && sp_str_eq(a->region, b->region) && sp_str_eq(a->sub_zone, b->sub_zone);
}

static bool at_home(const struct sp_own_locality *own, const struct sp_endpoint *e)
{
    return own->known && sp_str_eq(own->zone, e->zone) && sp_str_eq(own->region, e->region) && sp_str_eq(own->sub_zone, e->sub_zone);
}

/* The gateways. */
struct fleet {
    uint64_t sum;  /* healthy ones, or their weights */
    bool several;  /* localities */
    bool any_here; /* in this gateway's locality, well or not */
    struct sp_priority_health health;
};

static void count_one(struct fleet *f, struct sp_zone *z, const struct sp_endpoint *e, bool by_weight, unsigned *last)
{
    uint32_t flags = atomic_load_explicit(&e->host->health, memory_order_relaxed);
    sp_priority_count(&f->health, flags, 1);
    if (sp_health_of(flags) != SP_HEALTHY)
        return;
    uint64_t n = by_weight ? e->weight : 1;
    f->sum += n;
    for (unsigned i = 0; i < z->n; i++) { /* mostly where the one before stood */
        unsigned at = (*last + i) % z->n;
        if (!same_place(z->v[at].of, e))
            continue;
        z->v[at].here += n;
        *last = at;
        return;
    }
}

static void count_fleet(struct fleet *f, struct sp_zone *z, const struct sp_cluster *c, const struct sp_host_set *gateways)
{
    unsigned last = 0;
    for (unsigned i = 0; i < z->n; i++)
        z->v[i].here = 0;
    for (unsigned i = 0; gateways && i < gateways->priorities[0].n; i++) {
        const struct sp_endpoint *e = gateways->priorities[0].v[i];
        f->several = f->several || e->locality != gateways->priorities[0].v[0]->locality;
        f->any_here = f->any_here || at_home(&c->own, e);
        count_one(f, z, e, c->lb.zone.by_weight, &last);
    }
}

static uint64_t share(uint64_t part, uint64_t whole)
{
    return whole ? WHOLE * part / whole : 0;
}

static void count_room(struct sp_zone *z, uint64_t here, uint64_t there)
{
    uint64_t room = 0;
    for (unsigned i = 0; i < z->n; i++) {
        const struct sp_zone_place *p = &z->v[i];
        uint64_t need = p->hosts ? share(p->here, here) : 0, has = share(p->there, there);
        if (i == z->home)
            z->stay = need ? has * WHOLE / need : 0;
        else if (has > need)
            room += has - need;
        z->v[i].room = room;
    }
}

/* All that the locality is asked for fits in, or it has to. */
static bool stays(const struct sp_zone *z, const struct sp_zone_config *c, uint64_t here, uint64_t there)
{
    if (z->home == z->n)
        return false;
    const struct sp_zone_place *p = &z->v[z->home];
    uint64_t need = share(p->here, here), has = share(p->there, there);
    return (has && has >= need) || (c->force_least && p->hosts >= c->force_least);
}

void sp_zone_count(struct sp_zone *z, struct sp_slot *s)
{
    assert(z && s && s->cluster->local);
    const struct sp_cluster *c = s->cluster, *local = c->local;
    const struct sp_slot *gateways = sp_cluster_slot(local, s->index);
    struct fleet f = {0};
    uint64_t hosts = 0, there = 0;
    sp_counter_inc(c->stats.lb_recalculate_zone_structures);
    z->seen.generation = atomic_load_explicit(&local->generation, memory_order_acquire);
    z->seen.hosts = gateways->hosts;
    z->seen.stamp = gateways->stamp;
    z->mode = SP_ZONE_ANY;
    z->home = z->n;
    for (unsigned i = 0; i < z->n; i++) {
        hosts += z->v[i].hosts;
        there += z->v[i].there;
        if (at_home(&c->own, z->v[i].of))
            z->home = i;
    }
    count_fleet(&f, z, c, gateways->hosts);
    z->local_panic = sp_priority_below(&f.health, c->lb.panic_threshold);
    if (z->n < 2 || (!f.several && !c->lb.zone.force_least))
        return;
    if (!f.any_here) {
        sp_counter_inc(c->stats.lb_local_cluster_not_ok);
        return;
    }
    if (hosts < c->lb.zone.least_hosts) {
        sp_counter_inc(c->stats.lb_zone_cluster_too_small);
        return;
    }
    z->mode = stays(z, &c->lb.zone, f.sum, there) ? SP_ZONE_HOME : SP_ZONE_PART;
    z->stay = 0;
    count_room(z, f.sum, there);
}

bool sp_zone_is_old(const struct sp_zone *z, const struct sp_slot *s)
{
    const struct sp_cluster *local = s->cluster->local;
    const struct sp_slot *gateways = sp_cluster_slot(local, s->index);
    return z->seen.generation != atomic_load_explicit(&local->generation, memory_order_acquire) || z->seen.hosts != gateways->hosts ||
           z->seen.stamp != gateways->stamp;
}

unsigned sp_zone_choose(const struct sp_zone *z, struct sp_slot *s)
{
    assert(z && s && z->mode != SP_ZONE_ANY && z->n);
    struct sp_cluster_stats *stats = &s->cluster->stats;
    if (z->mode == SP_ZONE_HOME) {
        sp_counter_inc(stats->lb_zone_routing_all_directly);
        return z->home;
    }
    if (z->stay && sp_slot_below(s, WHOLE) < z->stay) {
        sp_counter_inc(stats->lb_zone_routing_sampled);
        return z->home;
    }
    sp_counter_inc(stats->lb_zone_routing_cross_zone);
    uint64_t room = z->v[z->n - 1].room;
    if (!room) { /* by rounding */
        sp_counter_inc(stats->lb_zone_no_capacity_left);
        return (unsigned)sp_slot_below(s, z->n);
    }
    uint64_t dice = sp_slot_below(s, room);
    unsigned at = 0;
    while (dice >= z->v[at].room)
        at++;
    return at;
}
