/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/path_index.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "route/trie.h"

/* Route numbers, ascending. */
struct list {
    uint32_t *v;
    uint32_t n, cap;
};

/* The lists of a trie's keys, by slot. */
struct side {
    struct sp_trie *trie; /* NULL: no such routes */
    struct list *prefix, *exact;
    uint32_t *first; /* the least route number in prefix[] of this slot and of those above it */
    uint32_t cap;
};

struct sp_path_index {
    struct side sides[2]; /* [1]: case_sensitive: false */
    struct list regex;
};

static void push(struct list *l, uint32_t number)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 1;
        l->v = sp_xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = number;
}

static uint32_t slot_of(struct side *s, struct sp_str key)
{
    uint32_t slot = sp_trie_add(s->trie, key);
    while (slot >= s->cap) {
        uint32_t cap = s->cap ? s->cap * 2 : 16;
        s->prefix = sp_xrealloc(s->prefix, cap * sizeof(*s->prefix));
        s->exact = sp_xrealloc(s->exact, cap * sizeof(*s->exact));
        memset(s->prefix + s->cap, 0, (cap - s->cap) * sizeof(*s->prefix));
        memset(s->exact + s->cap, 0, (cap - s->cap) * sizeof(*s->exact));
        s->cap = cap;
    }
    return slot;
}

static void enter(struct sp_path_index *x, const struct sp_route_match *m, uint32_t number)
{
    struct side *s = &x->sides[m->icase];
    struct sp_arena arena;
    if (m->kind == SP_PATH_CONNECT)
        return;
    if (m->kind == SP_PATH_REGEX) {
        push(&x->regex, number);
        return;
    }
    if (!s->trie)
        s->trie = sp_trie_new(m->icase ? SP_TRIE_FOLD : 0);
    uint32_t slot = slot_of(s, m->text);
    switch (m->kind) {
    case SP_PATH_PREFIX:
        push(&s->prefix[slot], number);
        break;
    case SP_PATH_EXACT:
        push(&s->exact[slot], number);
        break;
    default:
        /* "/a" separated is exactly "/a", or what begins with "/a/". */
        push(&s->exact[slot], number);
        sp_arena_init(&arena);
        slot = slot_of(s, sp_arena_cat(&arena, m->text, SP_STR("/")));
        push(&s->prefix[slot], number);
        sp_arena_done(&arena);
        break;
    }
}

static void finish(struct side *s)
{
    if (!s->trie)
        return;
    sp_trie_build(s->trie);
    uint32_t n = sp_trie_count(s->trie);
    s->first = sp_xcalloc(n, sizeof(*s->first));
    for (uint32_t i = 0; i < n; i++) {
        s->first[i] = SP_PATH_NONE;
        for (uint32_t up = i; up != SP_TRIE_NONE; up = sp_trie_up(s->trie, up))
            if (s->prefix[up].n)
                s->first[i] = SP_MIN(s->first[i], s->prefix[up].v[0]);
    }
}

struct sp_path_index *sp_path_index_new(struct sp_route_match *const *list, uint32_t n)
{
    assert(list || !n);
    struct sp_path_index *x = sp_xcalloc(1, sizeof(*x));
    for (uint32_t i = 0; i < n; i++)
        enter(x, list[i], i);
    finish(&x->sides[0]);
    finish(&x->sides[1]);
    return x;
}

void sp_path_index_free(struct sp_path_index *x)
{
    if (!x)
        return;
    for (int i = 0; i < 2; i++) {
        struct side *s = &x->sides[i];
        for (uint32_t slot = 0; slot < s->cap; slot++) {
            free(s->prefix[slot].v);
            free(s->exact[slot].v);
        }
        sp_trie_free(s->trie);
        free(s->prefix);
        free(s->exact);
        free(s->first);
    }
    free(x->regex.v);
    free(x);
}

uint32_t sp_path_first(const struct sp_path_index *x, struct sp_str path, struct sp_path_walk *ret_walk)
{
    assert(x && ret_walk);
    uint32_t best = x->regex.n ? x->regex.v[0] : SP_PATH_NONE;
    ret_walk->index = x;
    for (int i = 0; i < 2; i++) {
        const struct side *s = &x->sides[i];
        struct sp_trie_hit hit = {SP_TRIE_NONE, SP_TRIE_NONE};
        if (s->trie)
            hit = sp_trie_find(s->trie, path);
        ret_walk->longest[i] = hit.longest;
        ret_walk->exact[i] = hit.exact;
        if (hit.longest != SP_TRIE_NONE)
            best = SP_MIN(best, s->first[hit.longest]);
        if (hit.exact != SP_TRIE_NONE && s->exact[hit.exact].n)
            best = SP_MIN(best, s->exact[hit.exact].v[0]);
    }
    return best;
}

/* The least number behind `number`, or SP_PATH_NONE. */
static uint32_t behind(const struct list *l, uint32_t number)
{
    uint32_t low = 0, high = l->n;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (l->v[mid] <= number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < l->n ? l->v[low] : SP_PATH_NONE;
}

uint32_t sp_path_next(const struct sp_path_walk *w, uint32_t candidate)
{
    assert(w && w->index);
    uint32_t best = behind(&w->index->regex, candidate);
    for (int i = 0; i < 2; i++) {
        const struct side *s = &w->index->sides[i];
        if (w->exact[i] != SP_TRIE_NONE)
            best = SP_MIN(best, behind(&s->exact[w->exact[i]], candidate));
        for (uint32_t slot = w->longest[i]; slot != SP_TRIE_NONE; slot = sp_trie_up(s->trie, slot))
            best = SP_MIN(best, behind(&s->prefix[slot], candidate));
    }
    return best;
}
