/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forgetting the stats of owners that are gone: their names, their memory; their cells are used again. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

void sp_registry_pin(struct sp_stats_home *of, const struct sp_stats_home *user)
{
    if (of && of != user)
        of->pinned = true;
}

static void give_back(struct sp_freed *f, uint32_t cell)
{
    if (!cell) /* the one that nobody reads */
        return;
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 64;
        f->v = sp_xrealloc(f->v, f->cap * sizeof(*f->v));
    }
    f->v[f->n++] = cell;
}

static bool is_over(const struct sp_stats_home *home, uint64_t now_ns)
{
    return !home->pinned && now_ns - home->ended_ns >= SP_STATS_GRACE_S * 1000000000ull;
}

static void sweep_stats(struct sp_stats_registry *r)
{
    unsigned n = 0;
    sp_map_done(&r->by_name);
    for (unsigned i = 0; i < r->n; i++) {
        struct sp_stat *s = r->v[i];
        if (s->home && s->home->swept) {
            give_back(s->kind == SP_STAT_HISTOGRAM ? &r->free_hists : &r->free_cells, s->cell);
            free(s->shown);
            continue;
        }
        r->v[n++] = s;
        sp_map_add(&r->by_name, s->name, s);
    }
    r->n = n;
}

static void sweep_scopes(struct sp_stats_registry *r)
{
    struct sp_map old = r->scopes;
    sp_map_init(&r->scopes);
    for (unsigned i = 0; i < old.cap; i++) {
        struct sp_stats_scope *s = old.v[i].value;
        if (old.v[i].key.ptr && !(s->home && s->home->swept))
            sp_map_add(&r->scopes, s->prefix, s);
    }
    sp_map_done(&old);
}

static void home_free(struct sp_stats_home *home)
{
    sp_arena_done(&home->arena);
    free(home);
}

/* One pass over everything, for all that ended: whole configs go at once. */
void sp_registry_sweep(uint64_t now_ns)
{
    struct sp_stats_registry *r = &sp_registry;
    struct sp_list over;
    sp_list_init(&over);
    SP_LIST_FOREACH_SAFE (it, &r->ended) {
        struct sp_stats_home *home = SP_CONTAINER_OF(it, struct sp_stats_home, link);
        if (!is_over(home, now_ns))
            continue;
        home->swept = true;
        sp_list_remove(it);
        sp_list_push_back(&over, it);
    }
    if (sp_list_empty(&over))
        return;
    sweep_stats(r);
    sweep_scopes(r);
    SP_LIST_FOREACH_SAFE (it, &over)
        home_free(SP_CONTAINER_OF(it, struct sp_stats_home, link));
}

/* The maps still have all of them: a home is of the scope that it was made with. */
void sp_registry_free_homes(void)
{
    struct sp_stats_registry *r = &sp_registry;
    if (!r->ended.next)
        return;
    for (unsigned i = 0; i < r->scopes.cap; i++) {
        const struct sp_stats_scope *s = r->scopes.v[i].value;
        if (r->scopes.v[i].key.ptr && s->home && !s->home->swept) {
            s->home->swept = true;
            if (!sp_list_linked(&s->home->link))
                sp_list_push_back(&r->ended, &s->home->link);
        }
    }
    SP_LIST_FOREACH_SAFE (it, &r->ended)
        home_free(SP_CONTAINER_OF(it, struct sp_stats_home, link));
    free(r->free_cells.v);
    free(r->free_hists.v);
    r->free_cells = r->free_hists = (struct sp_freed){0};
}
