/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/subset_lb.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/hashed_parts.h"
#include "config/struct_json.h"

struct sp_subset_lb {
    struct sp_lb *fallback; /* of default_subset; NULL: nobody falls back on it */
    unsigned n;
    struct sp_lb *v[];      /* n of them, of the subsets in order */
};

void sp_subset_lb_new(struct sp_slot *s)
{
    assert(s && s->lb && !s->subset_lb);
    const struct sp_subsets *all = s->hosts->subsets;
    if (!all)
        return;
    struct sp_subset_lb *b = sp_xcalloc(1, sizeof(*b) + all->n * sizeof(struct sp_lb *));
    b->n = all->n;
    s->subset_lb = b;
    if (s->hashed) /* whose tables are all that is needed */
        return;
    for (unsigned i = 0; i < all->n; i++)
        if (!all->v[i].single)
            b->v[i] = sp_lb_new_of(s, all->v[i].hosts);
    if (all->fallback)
        b->fallback = sp_lb_new_of(s, all->fallback);
}

void sp_subset_lb_free(struct sp_slot *s)
{
    assert(s);
    struct sp_subset_lb *b = s->subset_lb;
    if (!b)
        return;
    for (unsigned i = 0; i < b->n; i++)
        sp_lb_free(b->v[i]);
    sp_lb_free(b->fallback);
    free(b);
    s->subset_lb = NULL;
}

/* A pick under way. */
struct ask {
    struct sp_slot *slot;
    const struct sp_subset_config *config;
    const struct sp_criterion *v; /* n of them */
    unsigned n;
    const struct sp_host *avoid;
    const uint64_t *hash;
};

static struct sp_host *pick_any(const struct ask *a)
{
    return sp_lb_pick_hashed(a->slot, a->avoid, a->hash);
}

static struct sp_host *pick_default(const struct ask *a)
{
    if (a->slot->hashed)
        return sp_lb_pick_tables(a->slot, a->slot->hashed->parts->fallback, a->avoid, a->hash);
    return sp_lb_pick_of(a->slot, a->slot->subset_lb->fallback, a->avoid);
}

static struct sp_host *pick_subset(const struct ask *a, const struct sp_subset *x)
{
    sp_counter_inc(a->slot->cluster->stats.subsets.selected);
    if (x->single)
        return x->hosts->v[0].host;
    ptrdiff_t at = x - a->slot->hosts->subsets->v;
    if (a->slot->hashed)
        return sp_lb_pick_tables(a->slot, a->slot->hashed->parts->v[at], a->avoid, a->hash);
    return sp_lb_pick_of(a->slot, a->slot->subset_lb->v[at], a->avoid);
}

/* Which criteria these keys are of; each of the keys: *ret_all. */
static uint32_t which_of(const struct ask *a, const struct sp_str *keys, unsigned n, uint32_t among, bool *ret_all)
{
    uint32_t which = 0;
    unsigned found = 0;
    for (unsigned i = 0; i < a->n; i++)
        for (unsigned k = 0; among >> i & 1 && k < n; k++)
            if (sp_str_eq(a->v[i].key, keys[k])) {
                which |= 1u << i;
                found++;
            }
    *ret_all = found == n;
    return which;
}

/* With allow_redundant_keys: those of the first selector that has all of its keys. */
static uint32_t reduced(const struct ask *a, uint32_t which)
{
    for (unsigned i = 0; i < a->config->n_selectors; i++) {
        bool all;
        uint32_t some = which_of(a, a->config->selectors[i].keys, a->config->selectors[i].n_keys, which, &all);
        if (all)
            return some;
    }
    return which;
}

/* The selector of exactly these keys, or NULL. */
static const struct sp_subset_selector *selector_of(const struct ask *a, uint32_t which)
{
    for (unsigned i = 0; i < a->config->n_selectors; i++) {
        bool all;
        uint32_t some = which_of(a, a->config->selectors[i].keys, a->config->selectors[i].n_keys, which, &all);
        if (all && some == which)
            return &a->config->selectors[i];
    }
    return NULL;
}

static struct sp_host *fall_back(const struct ask *a)
{
    struct sp_cluster_stats *stats = &a->slot->cluster->stats;
    if (a->config->fallback == SP_SUBSET_NONE)
        return NULL;
    struct sp_host *h = a->config->fallback == SP_SUBSET_ANY ? pick_any(a) : pick_default(a);
    if (h) {
        sp_counter_inc(stats->subsets.fallback);
        return h;
    }
    h = a->config->panic_any ? pick_any(a) : NULL;
    if (h)
        sp_counter_inc(stats->subsets.fallback_panic);
    return h;
}

/* KEYS_SUBSET leaves fewer keys each time, so that it ends. */
static struct sp_host *pick_once(const struct ask *a, uint32_t which)
{
    for (;;) {
        if (a->config->redundant_keys)
            which = reduced(a, which);
        const struct sp_subset *x = sp_subsets_find(a->slot->hosts->subsets, a->v, a->n, which);
        if (x)
            return pick_subset(a, x);
        const struct sp_subset_selector *s = which ? selector_of(a, which) : NULL;
        bool all;
        switch (s ? s->fallback : SP_SUBSET_NOT_DEFINED) {
        case SP_SUBSET_NOT_DEFINED:
            return fall_back(a);
        case SP_SUBSET_NONE:
            return NULL;
        case SP_SUBSET_ANY:
            return pick_any(a);
        case SP_SUBSET_DEFAULT:
            return pick_default(a);
        case SP_SUBSET_KEYS:
            which = which_of(a, s->fewer, s->n_fewer, which, &all);
            break;
        }
    }
}

static struct sp_host *pick_for(struct ask *a, const struct sp_criteria *c)
{
    a->v = c ? c->v : NULL;
    a->n = c ? c->n : 0;
    return pick_once(a, a->n == SP_CRITERIA_MOST ? UINT32_MAX : (1u << a->n) - 1);
}

struct sp_host *sp_subset_pick(struct sp_slot *s, const struct sp_criteria *c, const struct sp_host *avoid, const uint64_t *hash)
{
    assert(s && s->subset_lb);
    struct ask a = {.slot = s, .config = s->cluster->lb.subsets, .avoid = avoid, .hash = hash};
    if (SP_LIKELY(!c || !c->has_list || !a.config->fallback_list))
        return pick_for(&a, c);
    struct sp_host *h = NULL;
    for (unsigned i = 0; !h && i < c->n_list; i++)
        h = pick_for(&a, &c->list[i]);
    return h;
}

const struct sp_criteria *sp_subset_criteria(struct sp_arena *arena, const struct sp_criteria *of_route, const struct sp_stream_info *info)
{
    assert(arena);
    struct sp_criterion more[SP_CRITERIA_MOST];
    unsigned n = 0;
    for (const struct sp_metadata *m = info ? info->metadata : NULL; m && n < SP_CRITERIA_MOST; m = m->next) {
        if (!sp_str_eq(m->ns, SP_STR(SP_CRITERIA_NS)))
            continue;
        struct sp_str json = sp_struct_text_of(arena, m->json);
        sp_criterion_init(&more[n++], m->key, json.len ? json : m->json);
    }
    return n ? sp_criteria_over(arena, of_route, more, n) : of_route;
}
