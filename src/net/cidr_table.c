/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A trie that takes six bits a step.  A node keeps two 64-bit maps: which of its 64 slots lead to a child, and at which
 * slots the answer changes; children and answers of a node lie together, so that a slot's place is a base plus a count
 * of bits.  A look-up takes at most 6 steps for IPv4 and 22 for IPv6, fewer where prefixes are short, however long the
 * list is; 100,000 ranges need a few megabytes.
 */
#include "net/cidr.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

enum { STEP = 6, SLOTS = 1 << STEP };

struct node {
    uint64_t children; /* bit s: slot s has a child */
    uint64_t changes;  /* bit s: slot s begins a new answer */
    uint32_t child0, answer0;
};

/* Sorted by address, shorter prefixes first: a range stands before those it contains. */
struct range {
    struct sp_cidr cidr;
    uint32_t value, order;
};

struct trie {
    struct range *ranges;
    unsigned n_ranges, cap_ranges;
    struct node *nodes;
    unsigned n_nodes, cap_nodes;
    uint32_t *answers; /* a range's index + 1, or 0 */
    unsigned n_answers, cap_answers;
};

struct sp_cidr_table {
    struct trie v4, v6;
    bool built;
};

struct sp_cidr_table *sp_cidr_table_new(void)
{
    return sp_xcalloc(1, sizeof(struct sp_cidr_table));
}

static void trie_done(struct trie *t)
{
    free(t->ranges);
    free(t->nodes);
    free(t->answers);
}

void sp_cidr_table_free(struct sp_cidr_table *t)
{
    if (!t)
        return;
    trie_done(&t->v4);
    trie_done(&t->v6);
    free(t);
}

void sp_cidr_table_add(struct sp_cidr_table *t, const struct sp_cidr *c, uint32_t value)
{
    assert(t && c && !t->built && (c->family == AF_INET || c->family == AF_INET6));
    struct trie *e = c->family == AF_INET ? &t->v4 : &t->v6;
    if (e->n_ranges == e->cap_ranges) {
        e->cap_ranges = e->cap_ranges ? e->cap_ranges * 2 : 16;
        e->ranges = sp_xrealloc(e->ranges, e->cap_ranges * sizeof(*e->ranges));
    }
    e->ranges[e->n_ranges] = (struct range){.cidr = *c, .value = value, .order = e->n_ranges};
    e->n_ranges++;
}

static int by_place(const void *x, const void *y)
{
    const struct range *a = x, *b = y;
    int r = memcmp(a->cidr.ip, b->cidr.ip, 16);
    if (r)
        return r;
    if (a->cidr.bits != b->cidr.bits)
        return a->cidr.bits < b->cidr.bits ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

static void sort_unique(struct trie *t)
{
    if (!t->n_ranges)
        return;
    qsort(t->ranges, t->n_ranges, sizeof(*t->ranges), by_place);
    unsigned n = 1;
    for (unsigned i = 1; i < t->n_ranges; i++) {
        const struct sp_cidr *a = &t->ranges[n - 1].cidr, *b = &t->ranges[i].cidr;
        if (a->bits != b->bits || memcmp(a->ip, b->ip, 16) != 0)
            t->ranges[n++] = t->ranges[i];
    }
    t->n_ranges = n;
    t->cap_ranges = n;
    t->ranges = sp_xrealloc(t->ranges, n * sizeof(*t->ranges));
}

struct key {
    uint64_t hi, lo;
};

static struct key key_of(const uint8_t *ip, bool v4)
{
    struct key k = {0, 0};
    if (v4) {
        k.hi = (uint64_t)ip[0] << 56 | (uint64_t)ip[1] << 48 | (uint64_t)ip[2] << 40 | (uint64_t)ip[3] << 32;
        return k;
    }
    memcpy(&k, ip, 16);
    k.hi = __builtin_bswap64(k.hi);
    k.lo = __builtin_bswap64(k.lo);
    return k;
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "key_of turns the bytes round");

static void key_shift(struct key *k, unsigned by)
{
    for (; by >= STEP; by -= STEP) {
        k->hi = k->hi << STEP | k->lo >> (64 - STEP);
        k->lo <<= STEP;
    }
}

static unsigned slot_of(const struct range *r, unsigned depth)
{
    struct key k = key_of(r->cidr.ip, r->cidr.family == AF_INET);
    key_shift(&k, depth);
    return (unsigned)(k.hi >> (64 - STEP));
}

static unsigned nodes_take(struct trie *t, unsigned n)
{
    while (t->cap_nodes - t->n_nodes < n) {
        t->cap_nodes = t->cap_nodes ? t->cap_nodes * 2 : 8;
        t->nodes = sp_xrealloc(t->nodes, t->cap_nodes * sizeof(*t->nodes));
    }
    t->n_nodes += n;
    return t->n_nodes - n;
}

static void answer_put(struct trie *t, uint32_t a)
{
    if (t->n_answers == t->cap_answers) {
        t->cap_answers = t->cap_answers ? t->cap_answers * 2 : 16;
        t->answers = sp_xrealloc(t->answers, t->cap_answers * sizeof(*t->answers));
    }
    t->answers[t->n_answers++] = a;
}

/* The part of the list that a slot's child is made of. */
struct part {
    unsigned from, to;
};

/* What the 64 slots answer by themselves, and what goes deeper. */
static void split(const struct trie *t, struct part p, unsigned depth, uint32_t answers[SLOTS],
                  struct part deeper[SLOTS])
{
    for (unsigned i = p.from; i < p.to; i++) {
        const struct range *r = &t->ranges[i];
        unsigned s = slot_of(r, depth);
        if (r->cidr.bits <= depth + STEP) {
            unsigned n = 1u << (depth + STEP - r->cidr.bits);
            for (unsigned k = 0; k < n; k++)
                answers[s + k] = i + 1; /* later in the list means longer: it paints over */
            continue;
        }
        if (deeper[s].from == deeper[s].to)
            deeper[s].from = i;
        deeper[s].to = i + 1;
    }
}

/* Node `at` for the ranges of `p`, which share `depth` bits and are longer; elsewhere the answer is `above`. */
static void build(struct trie *t, unsigned at, struct part p, unsigned depth, uint32_t above)
{
    uint32_t answers[SLOTS];
    struct part deeper[SLOTS];
    memset(deeper, 0, sizeof(deeper));
    for (unsigned s = 0; s < SLOTS; s++)
        answers[s] = above;
    split(t, p, depth, answers, deeper);

    struct node n = {.answer0 = t->n_answers};
    for (unsigned s = 0; s < SLOTS; s++) {
        if (deeper[s].from != deeper[s].to)
            n.children |= 1ull << s;
        if (s == 0 || answers[s] != answers[s - 1]) {
            n.changes |= 1ull << s;
            answer_put(t, answers[s]);
        }
    }
    unsigned child = nodes_take(t, (unsigned)__builtin_popcountll(n.children));
    n.child0 = child;
    t->nodes[at] = n;
    for (unsigned s = 0; s < SLOTS; s++)
        if (deeper[s].from != deeper[s].to)
            build(t, child++, deeper[s], depth + STEP, answers[s]);
}

static void trie_build(struct trie *t)
{
    sort_unique(t);
    if (t->n_ranges)
        build(t, nodes_take(t, 1), (struct part){0, t->n_ranges}, 0, 0);
}

void sp_cidr_table_build(struct sp_cidr_table *t)
{
    assert(t && !t->built);
    trie_build(&t->v4);
    trie_build(&t->v6);
    t->built = true;
}

/* Without the POPCNT instruction the builtin is a call into libgcc; this is quicker. */
static inline unsigned count_bits(uint64_t x)
{
#ifdef __POPCNT__
    return (unsigned)__builtin_popcountll(x);
#else
    x -= x >> 1 & 0x5555555555555555ull;
    x = (x & 0x3333333333333333ull) + (x >> 2 & 0x3333333333333333ull);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0full;
    return (unsigned)(x * 0x0101010101010101ull >> 56);
#endif
}

static uint32_t find(const struct trie *t, struct key k)
{
    const struct node *n = t->nodes;
    for (;;) {
        unsigned s = (unsigned)(k.hi >> (64 - STEP));
        uint64_t upto = ~0ull >> (63 - s);
        if (!(n->children >> s & 1))
            return t->answers[n->answer0 + count_bits(n->changes & upto) - 1];
        n = &t->nodes[n->child0 + count_bits(n->children & upto) - 1];
        key_shift(&k, STEP);
    }
}

bool sp_cidr_table_find(const struct sp_cidr_table *t, const struct sp_addr *a, struct sp_cidr *ret_range,
                        uint32_t *ret_value)
{
    assert(t && a && t->built);
    if (a->family != AF_INET && a->family != AF_INET6)
        return false;
    const struct trie *e = a->family == AF_INET ? &t->v4 : &t->v6;
    if (!e->n_ranges)
        return false;
    uint32_t i = find(e, key_of(a->ip, a->family == AF_INET));
    if (!i)
        return false;
    if (ret_range)
        *ret_range = e->ranges[i - 1].cidr;
    if (ret_value)
        *ret_value = e->ranges[i - 1].value;
    return true;
}

unsigned sp_cidr_table_count(const struct sp_cidr_table *t)
{
    assert(t);
    return t->v4.n_ranges + t->v6.n_ranges;
}

const struct sp_cidr *sp_cidr_table_at(const struct sp_cidr_table *t, unsigned i)
{
    assert(t && t->built && i < sp_cidr_table_count(t));
    return i < t->v4.n_ranges ? &t->v4.ranges[i].cidr : &t->v6.ranges[i - t->v4.n_ranges].cidr;
}
