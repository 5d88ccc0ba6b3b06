/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hashed.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

enum { TRIES = 8 }; /* places that are looked at for another host */

/* Hosts of a priority. */
struct members {
    struct sp_hash_member *v;
    const struct sp_endpoint **from; /* the same */
    unsigned n;
};

struct classes {
    struct members all, healthy, degraded;
    struct sp_hash_scale scale; /* of all */
};

static void members_init(struct members *m, unsigned cap)
{
    *m = (struct members){.v = sp_xcalloc(cap + 1, sizeof(*m->v)), .from = sp_xcalloc(cap + 1, sizeof(*m->from))};
}

static void members_done(struct members *m)
{
    free(m->v);
    free(m->from);
}

static void members_add(struct members *m, const struct sp_endpoint *e)
{
    m->from[m->n] = e;
    m->v[m->n++] = (struct sp_hash_member){e->host, e->weight, e->meta ? e->meta->hash_key : SP_STR_NULL};
}

/* A locality's weight is shared by those of its hosts that are here, by theirs; who stands in one without a weight goes. */
static void weigh_localities(struct members *m)
{
    unsigned n_localities = 0, n = 0;
    bool some = false;
    for (unsigned i = 0; i < m->n; i++) {
        n_localities = SP_MAX(n_localities, m->from[i]->locality + 1);
        some = some || m->from[i]->locality_weight;
    }
    if (!some)
        return;
    double *sums = sp_xcalloc(n_localities, sizeof(*sums));
    for (unsigned i = 0; i < m->n; i++)
        sums[m->from[i]->locality] += m->from[i]->weight;
    for (unsigned i = 0; i < m->n; i++) {
        const struct sp_endpoint *e = m->from[i];
        struct sp_hash_member x = m->v[i];
        x.weight = e->weight * (double)e->locality_weight / sums[e->locality];
        if (e->locality_weight)
            m->v[n++] = x;
    }
    m->n = n;
    free(sums);
}

static void classes_init(struct classes *c, struct sp_hashed *h, const struct sp_priority *p, bool by_locality, struct sp_priority_health *ret)
{
    struct members *all[] = {&c->all, &c->healthy, &c->degraded};
    *ret = (struct sp_priority_health){0};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        members_init(all[i], p->n);
    c->scale = (struct sp_hash_scale){0, p->n ? p->v[0]->weight : 1};
    for (unsigned i = 0; i < p->n; i++) {
        const struct sp_endpoint *e = p->v[i];
        uint32_t flags = atomic_load_explicit(&e->host->health, memory_order_relaxed);
        enum sp_health health = sp_health_of(flags);
        h->was[e - h->hosts->v] = flags & ~SP_HEALTH_COUNTED;
        members_add(&c->all, e);
        if (health != SP_UNHEALTHY)
            members_add(health == SP_HEALTHY ? &c->healthy : &c->degraded, e);
        sp_priority_count(ret, flags, h->hosts->policy.weighted_health ? e->weight : 1);
        c->scale.sum += e->weight;
        c->scale.least = SP_MIN(c->scale.least, e->weight);
    }
    for (size_t i = 0; by_locality && i < SP_ARRAY_LEN(all); i++)
        weigh_localities(all[i]);
}

static void classes_done(struct classes *c)
{
    members_done(&c->all);
    members_done(&c->healthy);
    members_done(&c->degraded);
}

/* Only of those that can be chosen. */
static void build_level(struct sp_hashed_level *l, const struct sp_lb_config *c, const struct classes *m, const struct sp_priority_load *load)
{
    const struct sp_hash_scale *scale = c->by_locality ? NULL : &m->scale;
    if (load->panic) {
        sp_hash_table_build(&l->all, c, m->all.v, m->all.n, NULL);
        return;
    }
    if (load->healthy)
        sp_hash_table_build(&l->healthy, c, m->healthy.v, m->healthy.n, scale);
    if (load->degraded)
        sp_hash_table_build(&l->degraded, c, m->degraded.v, m->degraded.n, scale);
}

struct sp_hashed *sp_hashed_new(const struct sp_lb_config *c, struct sp_host_set *hosts, unsigned generation)
{
    assert(c && sp_lb_hashes(c) && hosts && hosts->n_priorities);
    unsigned n = hosts->n_priorities;
    struct sp_hashed *h = sp_xcalloc(1, sizeof(*h));
    struct classes *members = sp_xcalloc(n, sizeof(*members));
    struct sp_priority_health *health = sp_xcalloc(n, sizeof(*health));
    atomic_init(&h->refs, 1);
    h->generation = generation;
    h->hosts = sp_host_set_ref(hosts);
    h->n_levels = n;
    h->levels = sp_xcalloc(n, sizeof(*h->levels));
    h->loads = sp_xcalloc(n, sizeof(*h->loads));
    h->was = sp_xcalloc(hosts->n + 1, sizeof(*h->was));
    for (unsigned i = 0; i < n; i++)
        classes_init(&members[i], h, &hosts->priorities[i], c->by_locality, &health[i]);
    sp_priority_loads(health, n, c->panic_threshold, hosts->policy.overprovisioning, h->loads);
    for (unsigned i = 0; i < n; i++) {
        build_level(&h->levels[i], c, &members[i], &h->loads[i]);
        classes_done(&members[i]);
    }
    free(members);
    free(health);
    return h;
}

struct sp_hashed *sp_hashed_ref(struct sp_hashed *h)
{
    assert(h);
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
    return h;
}

void sp_hashed_unref(struct sp_hashed *h)
{
    if (!h || atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (unsigned i = 0; i < h->n_levels; i++) {
        sp_hash_table_done(&h->levels[i].healthy);
        sp_hash_table_done(&h->levels[i].degraded);
        sp_hash_table_done(&h->levels[i].all);
    }
    free(h->levels);
    free(h->loads);
    free(h->was);
    if (h->parts) /* their hosts' texts are of these */
        h->free_parts(h->parts);
    sp_host_set_unref(h->hosts);
    free(h);
}

/* The priority's table that the hash gives a request to: the hash is the dice. NULL: there is nobody. */
static const struct sp_hash_table *choose(const struct sp_hashed *h, uint64_t hash, bool *ret_panic)
{
    unsigned at = 0;
    bool degraded = false;
    if (h->loads[0].healthy < 100 && !sp_priority_choose(h->loads, h->n_levels, (unsigned)(hash % 100), &at, &degraded))
        return NULL;
    const struct sp_hashed_level *l = &h->levels[at];
    *ret_panic = h->loads[at].panic;
    return *ret_panic ? &l->all : degraded ? &l->degraded : &l->healthy;
}

static double fullness(const struct sp_hash_share *x, uint64_t slots)
{
    int32_t busy = atomic_load_explicit(&x->host->active, memory_order_relaxed);
    return SP_MAX(busy, 0) / SP_MAX(ceil((double)slots * x->part), 1);
}

static unsigned common_divisor(unsigned a, unsigned b)
{
    while (b) {
        unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/*
 * The host may have hash_balance_factor percent of the average number of requests, by its weight.  Where it has, the others are looked
 * at in an order that the hash gives, each once: the first one with room, or the least full.
 */
static const struct sp_hash_share *with_room(const struct sp_hash_table *t, const struct sp_hash_share *x, uint64_t hash, uint64_t slots)
{
    double least = fullness(x, slots);
    unsigned n = t->n_shares;
    if (SP_LIKELY(least <= 1 || n < 2))
        return x;
    const struct sp_hash_share *best = x;
    uint64_t mixed = hash * 0x9e3779b97f4a7c15ull;
    unsigned at = (unsigned)(mixed >> 32) % n, step = (unsigned)mixed % (n - 1) + 1;
    while (common_divisor(step, n) != 1)
        step = step % (n - 1) + 1;
    for (unsigned i = 0; i < n; i++, at = (unsigned)(((uint64_t)at + step) % n)) {
        double full = fullness(&t->shares[at], slots);
        if (full <= 1)
            return &t->shares[at];
        if (full < least) {
            least = full;
            best = &t->shares[at];
        }
    }
    return best;
}

struct sp_host *sp_hashed_pick(const struct sp_hashed *h, const struct sp_lb_config *c, const struct sp_host *avoid, uint64_t hash,
                               uint64_t under_way, bool *ret_panic)
{
    assert(h && c && ret_panic);
    *ret_panic = false;
    const struct sp_hash_table *t = choose(h, hash, ret_panic);
    if (!t)
        return NULL;
    const struct sp_hash_share *x = sp_hash_table_at(t, c, hash, 0);
    for (unsigned i = 1; x && x->host == avoid && i < TRIES; i++)
        x = sp_hash_table_at(t, c, hash, i);
    if (SP_UNLIKELY(c->balance_factor && x))
        x = with_room(t, x, hash, ((under_way + 1) * c->balance_factor + 99) / 100);
    return x ? x->host : NULL;
}
