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

static bool is_over(const struct sp_stats_home *home, uint64_t now_ns)
{
    return !home->pinned && now_ns - home->ended_ns >= SP_STATS_GRACE_S * 1000000000ull;
}

/* What it has outside of its home's memory. */
void sp_stat_forget(struct sp_stat *s)
{
    sp_cell_free(s->cell, sp_stat_is_hist(s));
    free(s->shown);
    if (sp_stat_is_hist(s))
        sp_hist_kept_free(s->u.kept);
}

static void sweep_stat(struct sp_stats_scope *scope, struct sp_stat *s)
{
    struct sp_stats_registry *r = &sp_registry;
    sp_table_remove(&r->by_name, sp_name_hash(scope->hash, sp_stat_name(s)), s);
    r->n_retagged -= s->shown || !s->family;
    sp_stat_leave_family(s);
    if (sp_stat_is_hist(s)) {
        struct sp_stat *last = r->hists.v[--r->hists.n];
        r->hists.v[s->hist_at] = last;
        last->hist_at = s->hist_at;
    }
    sp_stat_forget(s);
}

static void home_free(struct sp_stats_home *home)
{
    SP_LIST_FOREACH (it, &home->scopes)
        free(SP_CONTAINER_OF(it, struct sp_stats_scope, link)->stats.v);
    sp_arena_done(&home->arena);
    free(home);
}

static void sweep_home(struct sp_stats_home *home)
{
    SP_LIST_FOREACH (it, &home->scopes) {
        struct sp_stats_scope *scope = SP_CONTAINER_OF(it, struct sp_stats_scope, link);
        for (unsigned i = 0; i < scope->stats.n; i++)
            sweep_stat(scope, scope->stats.v[i]);
        sp_table_remove(&sp_registry.by_prefix, scope->hash, scope);
    }
    home_free(home);
}

void sp_registry_sweep(uint64_t now_ns)
{
    struct sp_stats_registry *r = &sp_registry;
    bool any = false;
    if (r->readers)
        return;
    SP_LIST_FOREACH_SAFE (it, &r->ended) {
        struct sp_stats_home *home = SP_CONTAINER_OF(it, struct sp_stats_home, link);
        if (!is_over(home, now_ns))
            continue;
        sp_list_remove(it);
        sweep_home(home);
        any = true;
    }
    if (!any)
        return;
    sp_families_sweep();
    sp_scope_order_unref(r->order);
    r->order = NULL;
}

/* The tables still have all of them: a home is of the scopes that are in it. */
void sp_registry_free_homes(void)
{
    struct sp_stats_registry *r = &sp_registry;
    struct sp_list homes;
    sp_list_init(&homes);
    for (unsigned i = 0; i < r->by_prefix.cap; i++) {
        struct sp_stats_scope *s = r->by_prefix.v[i].p;
        if (!s || !s->home || (void *)sp_list_first(&s->home->scopes) != &s->link)
            continue; /* each home once */
        if (sp_list_linked(&s->home->link))
            sp_list_remove(&s->home->link);
        sp_list_push_back(&homes, &s->home->link);
    }
    SP_LIST_FOREACH_SAFE (it, &homes)
        home_free(SP_CONTAINER_OF(it, struct sp_stats_home, link));
}
