/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Finding stats and scopes by name, and scopes and their stats in order of name. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

/* Byte by byte, so that a prefix's hash may be gone on with; seeded as sp_str_hash is. */
uint64_t sp_name_seed(void)
{
    return sp_str_hash(SP_STR("stats"));
}

uint64_t sp_name_hash(uint64_t hash, struct sp_str s)
{
    for (size_t i = 0; i < s.len; i++)
        hash = (hash ^ (unsigned char)s.ptr[i]) * 0x100000001b3u;
    return hash;
}

/* Whether a + b and x + y are the same text. */
static bool same_text(struct sp_str a, struct sp_str b, struct sp_str x, struct sp_str y)
{
    if (a.len + b.len != x.len + y.len)
        return false;
    if (a.len > x.len)
        return same_text(x, y, a, b);
    size_t over = x.len - a.len; /* of x behind a: b begins with it */
    return memcmp(a.ptr, x.ptr, a.len) == 0 && memcmp(b.ptr, x.ptr + a.len, over) == 0 && memcmp(b.ptr + over, y.ptr, y.len) == 0;
}

static bool same_stat(const void *p, const void *key)
{
    const struct sp_stat *s = p;
    const struct sp_full_name *name = key;
    return same_text(s->scope->prefix, sp_stat_name(s), name->prefix, name->name);
}

struct sp_stat *sp_stat_find(uint64_t hash, const struct sp_full_name *name)
{
    return sp_table_find(&sp_registry.by_name, hash, same_stat, name);
}

static bool same_prefix(const void *p, const void *key)
{
    return sp_str_eq(((const struct sp_stats_scope *)p)->prefix, *(const struct sp_str *)key);
}

struct sp_stats_scope *sp_scope_find(struct sp_str prefix, uint64_t hash)
{
    return sp_table_find(&sp_registry.by_prefix, hash, same_prefix, &prefix);
}

void sp_stat_list_add(struct sp_stat_list *l, struct sp_stat *s)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 4;
        l->v = sp_xrealloc(l->v, l->cap * sizeof(*l->v));
    }
    l->v[l->n++] = s;
}

static int by_name(const void *a, const void *b)
{
    return sp_str_cmp(sp_stat_name(*(struct sp_stat *const *)a), sp_stat_name(*(struct sp_stat *const *)b));
}

void sp_scope_sort(struct sp_stats_scope *scope)
{
    if (!scope->sorted && scope->stats.n)
        qsort(scope->stats.v, scope->stats.n, sizeof(*scope->stats.v), by_name);
    scope->sorted = true;
}

static int by_prefix(const void *a, const void *b)
{
    return sp_str_cmp((*(const struct sp_stats_scope *const *)a)->prefix, (*(const struct sp_stats_scope *const *)b)->prefix);
}

void sp_scope_order_unref(struct sp_scope_order *o)
{
    if (o && --o->refs == 0)
        free(o);
}

/* Sorted without the lock: prefixes do not change, and no scope goes while there are readers. */
struct sp_scope_order *sp_scope_order_ref(void)
{
    struct sp_stats_registry *r = &sp_registry;
    assert(r->readers);
    if (r->order) {
        r->order->refs++;
        return r->order;
    }
    struct sp_scope_order *o = sp_xmalloc(sizeof(*o) + r->by_prefix.n * sizeof(o->v[0]));
    *o = (struct sp_scope_order){.refs = 1};
    for (unsigned i = 0; i < r->by_prefix.cap; i++)
        if (r->by_prefix.v[i].p)
            o->v[o->n++] = r->by_prefix.v[i].p;
    pthread_mutex_unlock(&r->lock);
    qsort(o->v, o->n, sizeof(o->v[0]), by_prefix);
    pthread_mutex_lock(&r->lock);
    if (r->by_prefix.n == o->n && !r->order) {
        o->refs++;
        r->order = o;
    }
    return o;
}
