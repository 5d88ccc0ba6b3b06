/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/trie.h"

#include <assert.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/mem.h"

struct key {
    struct sp_str text; /* as it is walked: reversed, folded; its own memory */
    uint32_t slot;
};

/* A node's children stand side by side: their first bytes in `bytes`, their numbers in `child`, both from `kids` on. */
struct node {
    const char *label; /* the bytes between the parent and this node, within a key */
    uint32_t len;
    uint32_t slot;
    uint32_t kids, n_kids;
};

struct sp_trie {
    bool fold, reverse;
    struct key *keys; /* by slot until built, then in order of their bytes */
    uint32_t n_keys, cap_keys;
    struct sp_map by_text; /* key text -> slot + 1 as a pointer */
    uint32_t *up;
    struct node *nodes; /* [0] is the root */
    uint32_t n_nodes, cap_nodes;
    char *bytes;
    uint32_t *child;
    uint32_t n_kids, cap_kids;
    bool built;
};

struct sp_trie *sp_trie_new(unsigned flags)
{
    struct sp_trie *t = sp_xcalloc(1, sizeof(*t));
    t->fold = flags & SP_TRIE_FOLD;
    t->reverse = flags & SP_TRIE_REVERSE;
    sp_map_init(&t->by_text);
    return t;
}

void sp_trie_free(struct sp_trie *t)
{
    if (!t)
        return;
    for (uint32_t i = 0; i < t->n_keys; i++)
        free((char *)(uintptr_t)t->keys[i].text.ptr);
    sp_map_done(&t->by_text);
    free(t->keys);
    free(t->up);
    free(t->nodes);
    free(t->bytes);
    free(t->child);
    free(t);
}

static inline __attribute__((always_inline)) char byte_at(struct sp_str s, size_t i, bool fold, bool reverse)
{
    char c = s.ptr[reverse ? s.len - 1 - i : i];
    return fold ? sp_ascii_lower(c) : c;
}

uint32_t sp_trie_add(struct sp_trie *t, struct sp_str key)
{
    assert(t && !t->built && key.len < UINT32_MAX && t->n_keys < SP_TRIE_NONE - 1);
    char *text = sp_xmalloc(key.len + 1);
    for (size_t i = 0; i < key.len; i++)
        text[i] = byte_at(key, i, t->fold, t->reverse);
    void *known = sp_map_get(&t->by_text, sp_str_n(text, key.len));
    if (known) {
        free(text);
        return (uint32_t)((uintptr_t)known - 1);
    }
    if (t->n_keys == t->cap_keys) {
        t->cap_keys = t->cap_keys ? t->cap_keys * 2 : 16;
        t->keys = sp_xrealloc(t->keys, t->cap_keys * sizeof(*t->keys));
    }
    uint32_t slot = t->n_keys++;
    t->keys[slot] = (struct key){sp_str_n(text, key.len), slot};
    sp_map_add(&t->by_text, t->keys[slot].text, (void *)((uintptr_t)slot + 1)); /* NOLINT: a number, not a pointer */
    return slot;
}

static int by_bytes(const void *a, const void *b)
{
    return sp_str_cmp(((const struct key *)a)->text, ((const struct key *)b)->text);
}

static uint32_t node_new(struct sp_trie *t, const char *label, uint32_t len)
{
    if (t->n_nodes == t->cap_nodes) {
        t->cap_nodes = t->cap_nodes ? t->cap_nodes * 2 : 16;
        t->nodes = sp_xrealloc(t->nodes, t->cap_nodes * sizeof(*t->nodes));
    }
    t->nodes[t->n_nodes] = (struct node){label, len, SP_TRIE_NONE, 0, 0};
    return t->n_nodes++;
}

static uint32_t kids_new(struct sp_trie *t, uint32_t n)
{
    while (t->cap_kids - t->n_kids < n) {
        t->cap_kids = t->cap_kids ? t->cap_kids * 2 : 64;
        t->bytes = sp_xrealloc(t->bytes, t->cap_kids);
        t->child = sp_xrealloc(t->child, t->cap_kids * sizeof(*t->child));
    }
    uint32_t at = t->n_kids;
    t->n_kids += n;
    return at;
}

/* Keys [from, to), all of which begin with the first `depth` bytes that lead to a node. */
struct work {
    uint32_t from, to, depth;
    uint32_t node, up;
};

/* The end of the keys from `from` on that have the same byte at `depth`. */
static uint32_t run_end(const struct sp_trie *t, uint32_t from, uint32_t to, uint32_t depth)
{
    char c = t->keys[from].text.ptr[depth];
    while (from < to && t->keys[from].text.ptr[depth] == c)
        from++;
    return from;
}

/* Bytes that the first and the last key of a run share: as they are sorted, all between share them too. */
static uint32_t shared(const struct sp_trie *t, uint32_t from, uint32_t to, uint32_t depth)
{
    struct sp_str a = t->keys[from].text, b = t->keys[to - 1].text;
    size_t n = SP_MIN(a.len, b.len), i = depth;
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return (uint32_t)i;
}

/* Makes one node's children, and queues them. */
static void expand(struct sp_trie *t, struct work w, struct work *stack, size_t *n_stack)
{
    if (w.from < w.to && t->keys[w.from].text.len == w.depth) {
        uint32_t slot = t->keys[w.from++].slot;
        t->nodes[w.node].slot = slot;
        t->up[slot] = w.up;
        w.up = slot;
    }
    uint32_t n = 0;
    for (uint32_t i = w.from; i < w.to; i = run_end(t, i, w.to, w.depth))
        n++;
    uint32_t kids = kids_new(t, n);
    t->nodes[w.node].kids = kids;
    t->nodes[w.node].n_kids = n;
    for (uint32_t i = w.from, end; i < w.to; i = end, kids++) {
        end = run_end(t, i, w.to, w.depth);
        uint32_t depth = shared(t, i, end, w.depth);
        uint32_t node = node_new(t, t->keys[i].text.ptr + w.depth, depth - w.depth);
        t->bytes[kids] = t->keys[i].text.ptr[w.depth];
        t->child[kids] = node;
        stack[(*n_stack)++] = (struct work){i, end, depth, node, w.up};
    }
}

void sp_trie_build(struct sp_trie *t)
{
    assert(t && !t->built);
    t->built = true;
    if (t->n_keys)
        qsort(t->keys, t->n_keys, sizeof(*t->keys), by_bytes);
    sp_map_done(&t->by_text);
    t->up = sp_xcalloc(t->n_keys + 1, sizeof(*t->up));
    /* What is queued covers separate keys, so that there is never more of it than there are keys. */
    struct work *stack = sp_xcalloc(t->n_keys + 1, sizeof(*stack));
    size_t n = 0;
    stack[n++] = (struct work){0, t->n_keys, 0, node_new(t, "", 0), SP_TRIE_NONE};
    while (n) {
        struct work w = stack[--n];
        expand(t, w, stack, &n);
    }
    free(stack);
}

uint32_t sp_trie_count(const struct sp_trie *t)
{
    assert(t);
    return t->n_keys;
}

uint32_t sp_trie_up(const struct sp_trie *t, uint32_t slot)
{
    assert(t && t->built && slot < t->n_keys);
    return t->up[slot];
}

static inline __attribute__((always_inline)) bool label_is(const struct node *n, struct sp_str text, size_t at,
                                                           bool fold, bool reverse)
{
    if (n->len > text.len - at)
        return false;
    if (!fold && !reverse)
        return memcmp(n->label, text.ptr + at, n->len) == 0;
    for (uint32_t i = 0; i < n->len; i++)
        if (n->label[i] != byte_at(text, at + i, fold, reverse))
            return false;
    return true;
}

static inline __attribute__((always_inline)) struct sp_trie_hit walk(const struct sp_trie *t, struct sp_str text,
                                                                     bool fold, bool reverse)
{
    struct sp_trie_hit hit = {SP_TRIE_NONE, SP_TRIE_NONE};
    const struct node *n = t->nodes;
    size_t at = 0;
    for (;;) {
        if (n->slot != SP_TRIE_NONE)
            hit.longest = n->slot;
        if (at == text.len) {
            hit.exact = n->slot;
            return hit;
        }
        if (!n->n_kids)
            return hit;
        const char *first = t->bytes + n->kids;
        const char *kid = memchr(first, byte_at(text, at, fold, reverse), n->n_kids);
        if (!kid)
            return hit;
        n = &t->nodes[t->child[n->kids + (uint32_t)(kid - first)]];
        if (!label_is(n, text, at, fold, reverse))
            return hit;
        at += n->len;
    }
}

struct sp_trie_hit sp_trie_find(const struct sp_trie *t, struct sp_str text)
{
    assert(t && t->built);
    if (t->reverse)
        return t->fold ? walk(t, text, true, true) : walk(t, text, false, true);
    return t->fold ? walk(t, text, true, false) : walk(t, text, false, false);
}
