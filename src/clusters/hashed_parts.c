/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hashed_parts.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/subsets.h"

enum { MOST_BYTES = 64 << 20 };

/* As large as a ring, or table, may be. */
void sp_hashed_parts_shrink(struct sp_lb_config *c, uint64_t n_tables)
{
    static const unsigned primes[] = {65537, 32749, 16381, 8191, 4093, 2039, 1021, 509, 251};
    assert(c && sp_lb_hashes(c));
    size_t one = c->policy == SP_LB_MAGLEV ? sizeof(uint32_t) : sizeof(struct sp_hash_entry), i = 0;
    uint64_t places = MOST_BYTES / one / SP_MAX(n_tables, 1u);
    c->ring_max = SP_MAX(SP_MIN(c->ring_max, places), 1u);
    c->ring_min = SP_MIN(c->ring_min, c->ring_max);
    if (c->table_size <= places)
        return;
    while (i + 1 < SP_ARRAY_LEN(primes) && primes[i] > places)
        i++;
    c->table_size = SP_MIN(c->table_size, (uint64_t)primes[i]);
}

static uint64_t count_tables(const struct sp_subsets *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->n; i++)
        for (unsigned k = 0; !s->v[i].single && k < s->v[i].hosts->n_priorities; k++)
            n += s->v[i].hosts->priorities[k].n > 0;
    return n;
}

static bool is_same(const struct sp_hashed *h, const struct sp_host_set *part)
{
    if (!h || h->hosts != part)
        return false;
    for (unsigned i = 0; i < part->n; i++)
        if ((atomic_load_explicit(&part->v[i].host->health, memory_order_relaxed) & ~SP_HEALTH_COUNTED) != h->was[i])
            return false;
    return true;
}

static struct sp_hashed *part_new(const struct sp_lb_config *c, struct sp_host_set *part, unsigned generation, struct sp_hashed *before)
{
    return is_same(before, part) ? sp_hashed_ref(before) : sp_hashed_new(c, part, generation);
}

static struct sp_hashed_parts *parts_new(const struct sp_lb_config *c, const struct sp_subsets *s, unsigned generation,
                                         const struct sp_hashed_parts *old)
{
    struct sp_lb_config small = *c;
    sp_hashed_parts_shrink(&small, count_tables(s));
    struct sp_hashed_parts *p = sp_xcalloc(1, sizeof(*p) + s->n * sizeof(struct sp_hashed *));
    p->n = s->n;
    for (unsigned i = 0; i < s->n; i++)
        if (!s->v[i].single)
            p->v[i] = part_new(&small, s->v[i].hosts, generation, old ? old->v[i] : NULL);
    if (s->fallback)
        p->fallback = part_new(c, s->fallback, generation, old ? old->fallback : NULL);
    return p;
}

static void parts_free(struct sp_hashed_parts *p)
{
    for (unsigned i = 0; i < p->n; i++)
        sp_hashed_unref(p->v[i]);
    sp_hashed_unref(p->fallback);
    free(p);
}

struct sp_hashed *sp_hashed_whole(const struct sp_lb_config *c, struct sp_host_set *hosts, unsigned generation, const struct sp_hashed *before)
{
    struct sp_hashed *h = sp_hashed_new(c, hosts, generation);
    if (!hosts->subsets)
        return h;
    h->parts = parts_new(c, hosts->subsets, generation, before && before->hosts == hosts ? before->parts : NULL);
    h->free_parts = parts_free;
    return h;
}
