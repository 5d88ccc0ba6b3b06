/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/subsets.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

static uint64_t mixed(uint64_t hash, const struct sp_criterion *c)
{
    return (hash ^ c->hash) * 0x9e3779b97f4a7c15ull ^ hash >> 29;
}

static bool same(const struct sp_subset *s, const struct sp_criterion *v, unsigned n, uint32_t which)
{
    unsigned at = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!(which >> i & 1))
            continue;
        if (at == s->n || s->v[at].hash != v[i].hash || !sp_str_eq(s->v[at].key, v[i].key) || !sp_str_eq(s->v[at].json, v[i].json))
            return false;
        at++;
    }
    return at == s->n;
}

static uint64_t hash_of(const struct sp_criterion *v, unsigned n, uint32_t which)
{
    uint64_t hash = 0;
    for (unsigned i = 0; i < n; i++)
        if (which >> i & 1)
            hash = mixed(hash, &v[i]);
    return hash;
}

/* Its place in the table, or the free one where it would stand. */
static uint32_t *place_of(const struct sp_subsets *s, uint64_t hash, const struct sp_criterion *v, unsigned n, uint32_t which)
{
    unsigned at = (unsigned)(hash >> 32) & (s->n_table - 1);
    while (s->table[at]) {
        const struct sp_subset *x = &s->v[s->table[at] - 1];
        if (x->hash == hash && same(x, v, n, which))
            break;
        at = (at + 1) & (s->n_table - 1);
    }
    return &s->table[at];
}

const struct sp_subset *sp_subsets_find(const struct sp_subsets *s, const struct sp_criterion *v, unsigned n, uint32_t which)
{
    assert(s && (v || !n) && n <= SP_CRITERIA_MOST);
    if (!which || !s->n)
        return NULL;
    uint32_t at = *place_of(s, hash_of(v, n, which), v, n, which);
    return at ? &s->v[at - 1] : NULL;
}

static void grow(struct sp_subsets *s)
{
    free(s->table);
    s->n_table = s->n_table ? s->n_table * 2 : 16;
    s->table = sp_xcalloc(s->n_table, sizeof(*s->table));
    for (unsigned i = 0; i < s->n; i++)
        *place_of(s, s->v[i].hash, s->v[i].v, s->v[i].n, UINT32_MAX) = i + 1;
}

static void add_endpoint(struct sp_host_set *to, const struct sp_endpoint *e)
{
    struct sp_endpoint *x = sp_host_set_add(to);
    *x = *e;
    sp_host_ref(x->host);
    sp_endpoint_copied(x);
}

static struct sp_subset *subset_of(struct sp_subsets *s, const struct sp_criterion *v, unsigned n, bool single)
{
    if (2 * (s->n + 1) > s->n_table)
        grow(s);
    uint64_t hash = hash_of(v, n, UINT32_MAX);
    uint32_t *place = place_of(s, hash, v, n, UINT32_MAX);
    if (*place)
        return &s->v[*place - 1];
    if (s->n == SP_SUBSETS_MOST) {
        s->too_many = true;
        return NULL;
    }
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 8;
        s->v = sp_xrealloc(s->v, s->cap * sizeof(*s->v));
    }
    struct sp_subset *x = &s->v[s->n++];
    *x = (struct sp_subset){.v = sp_arena_alloc(&s->arena, n * sizeof(*v)), .n = n, .hash = hash, .single = single,
                            .hosts = sp_host_set_new()};
    for (unsigned i = 0; i < n; i++)
        x->v[i] = v[i];
    *place = s->n;
    return x;
}

/* An endpoint goes into a subset once, however often its lists or the selectors say so. */
static void put(struct sp_subsets *s, const struct sp_criterion *v, unsigned n, bool single, const struct sp_endpoint *e, unsigned at)
{
    struct sp_subset *x = subset_of(s, v, n, single);
    if (!x || x->last == at + 1)
        return;
    x->last = at + 1;
    if (x->single && x->hosts->n) {
        s->duplicates++;
        return;
    }
    add_endpoint(x->hosts, e);
}

/* Each combination of the keys' values; with lists that stand for their items there are several. */
static void combine(struct sp_subsets *s, const struct sp_subset_selector *sel, bool list_as_any, const struct sp_endpoint *e, unsigned at)
{
    const struct sp_meta_field *f[SP_CRITERIA_MOST];
    struct sp_criterion v[SP_CRITERIA_MOST];
    unsigned of[SP_CRITERIA_MOST] = {0}, n = sel->n_keys;
    for (unsigned i = 0; i < n; i++) {
        f[i] = sp_meta_find(&e->meta->lb, sel->keys[i]);
        if (!f[i] || (list_as_any && f[i]->list && !f[i]->n_items))
            return;
    }
    for (unsigned i = 0; i < n && !s->too_many;) {
        for (i = 0; i < n; i++)
            v[i] = list_as_any && f[i]->list ? f[i]->items[of[i]] : f[i]->is;
        put(s, v, n, sel->single, e, at);
        for (i = 0; i < n; i++) { /* the next one, as numbers are counted */
            if (++of[i] < (list_as_any && f[i]->list ? f[i]->n_items : 1))
                break;
            of[i] = 0;
        }
    }
}

/* How many hosts stand in each locality; n_localities counts, to be freed. */
static unsigned *count_localities(const struct sp_host_set *s, unsigned n_localities)
{
    unsigned *counts = sp_xcalloc(n_localities + 1, sizeof(*counts));
    for (unsigned i = 0; i < s->n; i++)
        counts[s->v[i].locality]++;
    return counts;
}

/* A locality of which a part of the hosts is in a subset weighs that part. */
static void scale_weights(const struct sp_host_set *whole, struct sp_host_set *part)
{
    unsigned n = 0;
    for (unsigned i = 0; i < whole->n; i++)
        n = SP_MAX(n, whole->v[i].locality + 1);
    unsigned *all = count_localities(whole, n), *here = count_localities(part, n);
    for (unsigned i = 0; i < part->n; i++) {
        struct sp_endpoint *e = &part->v[i];
        e->locality_weight = (uint32_t)lround((double)e->locality_weight * here[e->locality] / all[e->locality]);
    }
    free(all);
    free(here);
}

static void close_set(const struct sp_subset_config *c, const struct sp_host_set *whole, struct sp_host_set *part)
{
    for (unsigned i = 0; !c->locality_aware && i < part->n; i++)
        part->v[i].locality_weight = 0;
    if (c->locality_aware && c->scale_weight)
        scale_weights(whole, part);
    part->policy = whole->policy;
    sp_host_set_close_part(part);
}

static struct sp_host_set *default_of(const struct sp_subset_config *c, const struct sp_host_set *s)
{
    static const struct sp_meta_fields none = {0};
    struct sp_host_set *ret = sp_host_set_new();
    for (unsigned i = 0; i < s->n; i++)
        if (sp_meta_has(s->v[i].meta ? &s->v[i].meta->lb : &none, c->default_subset, c->n_default, c->list_as_any))
            add_endpoint(ret, &s->v[i]);
    close_set(c, s, ret);
    return ret;
}

struct sp_subsets *sp_subsets_new(const struct sp_subset_config *c, const struct sp_host_set *set)
{
    assert(c && set && set->priorities);
    struct sp_subsets *s = sp_xcalloc(1, sizeof(*s));
    sp_arena_init(&s->arena);
    for (unsigned i = 0; i < set->n; i++)
        for (unsigned k = 0; set->v[i].meta && k < c->n_selectors; k++)
            combine(s, &c->selectors[k], c->list_as_any, &set->v[i], i);
    for (unsigned i = 0; i < s->n; i++)
        close_set(c, set, s->v[i].hosts);
    if (c->needs_default)
        s->fallback = default_of(c, set);
    return s;
}

void sp_subsets_free(struct sp_subsets *s)
{
    if (!s)
        return;
    for (unsigned i = 0; i < s->n; i++)
        sp_host_set_unref(s->v[i].hosts);
    sp_host_set_unref(s->fallback);
    free(s->v);
    free(s->table);
    sp_arena_done(&s->arena);
    free(s);
}

unsigned sp_subsets_missing(const struct sp_subsets *s, const struct sp_subsets *other)
{
    unsigned n = 0;
    for (unsigned i = 0; s && i < s->n; i++)
        n += !other || !sp_subsets_find(other, s->v[i].v, s->v[i].n, s->v[i].n == 32 ? UINT32_MAX : (1u << s->v[i].n) - 1);
    return n;
}
