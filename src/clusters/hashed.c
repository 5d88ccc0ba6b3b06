/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hashed.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { TRIES = 8 }; /* places that are looked at for another host */

/* The hosts of a priority, by health. */
struct members {
    struct sp_hash_member *all, *healthy, *degraded;
    unsigned n_all, n_healthy, n_degraded;
};

static void members_init(struct members *m, const struct sp_priority *p, bool by_weight, struct sp_priority_health *ret)
{
    *m = (struct members){.all = sp_xcalloc(p->n + 1, sizeof(*m->all)),
                          .healthy = sp_xcalloc(p->n + 1, sizeof(*m->healthy)),
                          .degraded = sp_xcalloc(p->n + 1, sizeof(*m->degraded))};
    *ret = (struct sp_priority_health){0};
    for (unsigned i = 0; i < p->n; i++) {
        struct sp_hash_member x = {p->v[i]->host, p->v[i]->weight};
        uint32_t flags = atomic_load_explicit(&x.host->health, memory_order_relaxed);
        enum sp_health health = sp_health_of(flags);
        m->all[m->n_all++] = x;
        if (health == SP_HEALTHY)
            m->healthy[m->n_healthy++] = x;
        else if (health == SP_DEGRADED)
            m->degraded[m->n_degraded++] = x;
        sp_priority_count(ret, flags, by_weight ? x.weight : 1);
    }
}

static void members_done(struct members *m)
{
    free(m->all);
    free(m->healthy);
    free(m->degraded);
}

/* Only of those that can be chosen. */
static void build_level(struct sp_hashed_level *l, const struct sp_lb_config *c, const struct members *m,
                        const struct sp_priority_load *load)
{
    if (load->panic) {
        sp_hash_table_build(&l->all, c, m->all, m->n_all);
        return;
    }
    if (load->healthy)
        sp_hash_table_build(&l->healthy, c, m->healthy, m->n_healthy);
    if (load->degraded)
        sp_hash_table_build(&l->degraded, c, m->degraded, m->n_degraded);
}

struct sp_hashed *sp_hashed_new(const struct sp_lb_config *c, struct sp_host_set *hosts, unsigned generation)
{
    assert(c && sp_lb_hashes(c) && hosts && hosts->n_priorities);
    unsigned n = hosts->n_priorities;
    struct sp_hashed *h = sp_xcalloc(1, sizeof(*h));
    struct members *members = sp_xcalloc(n, sizeof(*members));
    struct sp_priority_health *health = sp_xcalloc(n, sizeof(*health));
    atomic_init(&h->refs, 1);
    h->generation = generation;
    h->hosts = sp_host_set_ref(hosts);
    h->n_levels = n;
    h->levels = sp_xcalloc(n, sizeof(*h->levels));
    h->loads = sp_xcalloc(n, sizeof(*h->loads));
    for (unsigned i = 0; i < n; i++)
        members_init(&members[i], &hosts->priorities[i], hosts->weighted_health, &health[i]);
    sp_priority_loads(health, n, c->panic_threshold, hosts->overprovisioning, h->loads);
    for (unsigned i = 0; i < n; i++) {
        build_level(&h->levels[i], c, &members[i], &h->loads[i]);
        members_done(&members[i]);
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

struct sp_host *sp_hashed_pick(const struct sp_hashed *h, const struct sp_lb_config *c, const struct sp_host *avoid, uint64_t hash,
                               bool *ret_panic)
{
    assert(h && c && ret_panic);
    *ret_panic = false;
    const struct sp_hash_table *t = choose(h, hash, ret_panic);
    if (!t)
        return NULL;
    struct sp_host *found = sp_hash_table_at(t, c, hash, 0);
    for (unsigned i = 1; found && found == avoid && i < TRIES; i++)
        found = sp_hash_table_at(t, c, hash, i);
    return found;
}
