/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/chains.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

enum { FIRST_CAP = 16 };

void sp_chains_done(struct sp_chains *c)
{
    assert(c);
    free(c->v);
    *c = (struct sp_chains){0};
}

static void put(struct sp_chains *c, struct sp_chain_node *n)
{
    struct sp_chain_node **at = &c->v[n->hash & (c->cap - 1)];
    n->next = *at;
    *at = n;
}

/* Without memory for more of them the chains get longer. */
static void grow(struct sp_chains *c)
{
    struct sp_chains old = *c;
    unsigned cap = old.cap ? old.cap * 2 : FIRST_CAP;
    struct sp_chain_node **v = old.cap ? sp_try_malloc(cap * sizeof(*v)) : sp_xmalloc(cap * sizeof(*v));
    if (!v)
        return;
    memset(v, 0, cap * sizeof(*v));
    c->cap = cap;
    c->v = v;
    for (unsigned i = 0; i < old.cap; i++)
        for (struct sp_chain_node *n = old.v[i], *next; n; n = next) {
            next = n->next;
            put(c, n);
        }
    free(old.v);
}

void sp_chains_add(struct sp_chains *c, struct sp_chain_node *n, uint64_t hash)
{
    assert(c && n && !n->linked);
    if (c->n >= c->cap)
        grow(c);
    n->hash = hash;
    n->linked = true;
    put(c, n);
    c->n++;
}

void sp_chains_remove(struct sp_chains *c, struct sp_chain_node *n)
{
    assert(c && n);
    if (!n->linked)
        return;
    struct sp_chain_node **at = &c->v[n->hash & (c->cap - 1)];
    while (*at != n)
        at = &(*at)->next;
    *at = n->next;
    n->next = NULL;
    n->linked = false;
    c->n--;
}

static struct sp_chain_node *of_hash(struct sp_chain_node *n, uint64_t hash)
{
    while (n && n->hash != hash)
        n = n->next;
    return n;
}

struct sp_chain_node *sp_chains_first(const struct sp_chains *c, uint64_t hash)
{
    assert(c);
    return c->cap ? of_hash(c->v[hash & (c->cap - 1)], hash) : NULL;
}

struct sp_chain_node *sp_chains_next(const struct sp_chain_node *n)
{
    assert(n);
    return of_hash(n->next, n->hash);
}
