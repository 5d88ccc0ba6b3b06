/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/walk.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

void sp_stats_walk_begin(struct sp_stats_walk *w)
{
    *w = (struct sp_stats_walk){0};
    sp_registry.readers++;
    w->order = sp_scope_order_ref();
}

void sp_stats_walk_end(struct sp_stats_walk *w)
{
    if (!w->order)
        return;
    sp_scope_order_unref(w->order);
    w->order = NULL;
    assert(sp_registry.readers);
    sp_registry.readers--;
    free(w->levels);
    w->levels = NULL;
}

void sp_stats_walk_again(struct sp_stats_walk *w)
{
    w->next = w->depth = 0;
}

static void enter(struct sp_stats_walk *w, const struct sp_stats_scope *scope)
{
    struct sp_stats_scope *s = (struct sp_stats_scope *)(uintptr_t)scope;
    if (w->depth == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 8;
        w->levels = sp_xrealloc(w->levels, w->cap * sizeof(*w->levels));
    }
    assert(w->levels);
    sp_scope_sort(s);
    w->levels[w->depth++] = (struct sp_walk_level){.scope = s, .n = s->stats.n};
}

/* The first of the level's stats whose name is not less. */
static void seek_level(struct sp_walk_level *l, struct sp_str name)
{
    unsigned to = l->n;
    while (l->at < to) {
        unsigned middle = l->at + (to - l->at) / 2;
        if (sp_str_cmp(sp_stat_name(l->scope->stats.v[middle]), name) < 0)
            l->at = middle + 1;
        else
            to = middle;
    }
    l->last = l->at ? l->scope->stats.v[l->at - 1] : NULL;
}

/* The scopes that it may lie in, from the outermost on; then those whose prefixes are not less. */
void sp_stats_walk_seek(struct sp_stats_walk *w, struct sp_str name)
{
    for (size_t n = 0; n <= name.len; n++) {
        struct sp_str prefix = sp_str_sub(name, 0, n);
        struct sp_stats_scope *s = n == 0 || name.ptr[n - 1] == '.' ? sp_scope_find(prefix, sp_name_hash(sp_name_seed(), prefix)) : NULL;
        if (!s)
            continue;
        enter(w, s);
        seek_level(&w->levels[w->depth - 1], sp_str_sub(name, n, name.len));
    }
    const struct sp_stats_scope *inner = w->depth ? w->levels[w->depth - 1].scope : NULL;
    unsigned to = w->order->n;
    while (w->next < to) {
        unsigned middle = w->next + (to - w->next) / 2;
        if (sp_str_cmp(w->order->v[middle]->prefix, name) < 0)
            w->next = middle + 1;
        else
            to = middle;
    }
    if (w->next < w->order->n && w->order->v[w->next] == inner)
        w->next++;
}

/* Some were added to the scope: where the walk was is found by name. */
static void find_place(struct sp_walk_level *l)
{
    sp_scope_sort(l->scope);
    l->n = l->scope->stats.n;
    l->at = 0;
    while (l->last && l->at < l->n && sp_str_cmp(sp_stat_name(l->scope->stats.v[l->at]), sp_stat_name(l->last)) <= 0)
        l->at++;
}

static struct sp_stat *next_of(struct sp_walk_level *l)
{
    if (l->n != l->scope->stats.n)
        find_place(l);
    return l->at < l->n ? l->scope->stats.v[l->at] : NULL;
}

/* What the inner scope's prefix has behind the outer one's. */
static struct sp_str behind(const struct sp_stats_scope *inner, const struct sp_stats_scope *outer)
{
    return sp_str_sub(inner->prefix, outer->prefix.len, inner->prefix.len);
}

struct sp_stat *sp_stats_walk_next(struct sp_stats_walk *w)
{
    for (;;) {
        const struct sp_stats_scope *scope = w->next < w->order->n ? w->order->v[w->next] : NULL;
        struct sp_walk_level *l = w->depth ? &w->levels[w->depth - 1] : NULL;
        struct sp_stat *s = l ? next_of(l) : NULL;
        bool inside = scope && (!l || sp_str_starts(scope->prefix, l->scope->prefix));
        if (inside && (!s || sp_str_cmp(behind(scope, l->scope), sp_stat_name(s)) < 0)) {
            w->next++;
            enter(w, scope);
            continue;
        }
        if (s) {
            l->at++;
            l->last = s;
            return s;
        }
        if (!l)
            return NULL;
        w->depth--;
    }
}
