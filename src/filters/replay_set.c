/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/replay_set.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "config/keep.h"
#include "crypto/ct.h"
#include "crypto/hash.h"

/*
 * A word is 40 bits of hash over 24 bits of expiry, counted in units of 8 s, modulo 2^24: four years, of which the
 * half ahead is the future.  0 is empty.  An id may stand in either of two buckets (a cache line each), in the emptier
 * one when the first is half full: so the table fills to seven or eight tenths before a pair of buckets overflows.
 */
enum { WAYS = SP_CACHELINE / 8, UNIT_S = 8, EXPIRY_BITS = 24, PLACES = 2, MAX_OLDER = 8 };
#define EXPIRY_MASK ((1u << EXPIRY_BITS) - 1)
#define FARTHEST ((int64_t)1 << (EXPIRY_BITS - 2))

struct bucket {
    _Alignas(SP_CACHELINE) _Atomic uint64_t slot[WAYS];
};

struct sp_replay_set {
    struct sp_kept kept;
    struct sp_replay_set *older; /* of another capacity, with ids that had not expired yet; NULL: none */
    unsigned n_older;
    uint8_t key[32];
    uint64_t mask;
    struct bucket *buckets;
    /* The latest expiry (in units) that was overwritten: up to it nothing is known any more. */
    _Alignas(SP_CACHELINE) _Atomic int64_t forgotten;
    _Atomic int64_t latest; /* expiry of all that were taken */
};

/* One id on its way in. */
struct entry {
    struct bucket *place[PLACES];
    uint64_t tag; /* in its bits of the word */
    int64_t now, expires; /* units */
};

static void give_back(struct sp_kept *k)
{
    struct sp_replay_set *s = SP_CONTAINER_OF(k, struct sp_replay_set, kept);
    sp_replay_set_free(s->older);
    free(s->buckets);
    sp_wipe(s->key, sizeof(s->key));
    free(s);
}

static const struct sp_kept_kind kind = {"replay set", give_back};

static uint32_t size_of(uint32_t capacity)
{
    uint32_t n = SP_REPLAY_MIN_CAPACITY;
    while (n < capacity && n < SP_REPLAY_MAX_CAPACITY)
        n *= 2;
    return n;
}

struct sp_replay_set *sp_replay_set_new(uint32_t capacity)
{
    uint32_t n = size_of(capacity);
    struct sp_replay_set *s = sp_xaligned(sizeof(*s));
    struct bucket *buckets = sp_xaligned(n / WAYS * sizeof(*buckets));
    for (uint32_t i = 0; i < n / WAYS; i++)
        for (unsigned j = 0; j < WAYS; j++)
            atomic_init(&buckets[i].slot[j], 0);
    memset(s, 0, sizeof(*s));
    sp_kept_init(&s->kept, &kind);
    sp_random_bytes(s->key, sizeof(s->key));
    s->mask = n / WAYS - 1;
    s->buckets = buckets;
    atomic_init(&s->forgotten, INT64_MIN);
    return s;
}

/* The old one with all that it knows counts as seen, as long as something of it has not expired. */
static struct sp_replay_set *resized(struct sp_replay_set *old, uint32_t capacity)
{
    struct sp_replay_set *s = sp_replay_set_new(capacity);
    if (atomic_load(&old->latest) < time(NULL) / UNIT_S) {
        sp_replay_set_free(old);
        return s;
    }
    s->older = old;
    s->n_older = old->n_older + 1;
    return s;
}

struct sp_replay_set *sp_replay_set_keep(const struct sp_hash *place, uint32_t capacity)
{
    assert(place);
    struct sp_kept *k = sp_keep_find(&kind, place);
    struct sp_replay_set *old = k ? SP_CONTAINER_OF(k, struct sp_replay_set, kept) : NULL;
    if (old && (old->mask == size_of(capacity) / WAYS - 1 || old->n_older == MAX_OLDER))
        return old;
    struct sp_replay_set *s = old ? resized(old, capacity) : sp_replay_set_new(capacity);
    sp_keep_add(&s->kept, &kind, place);
    return s;
}

void sp_replay_set_free(struct sp_replay_set *s)
{
    if (s)
        sp_kept_unref(&s->kept);
}

/* How many units `word` still counts for; below 0: it does not. */
static int64_t left(uint64_t word, int64_t now)
{
    uint32_t ahead = (uint32_t)((word & EXPIRY_MASK) - (uint64_t)now) & EXPIRY_MASK;
    return ahead <= EXPIRY_MASK / 2 ? (int64_t)ahead : (int64_t)ahead - EXPIRY_MASK - 1;
}

static bool alive(uint64_t word, int64_t now)
{
    return word != 0 && left(word, now) >= 0;
}

/* How often the id is there. */
static unsigned count(const struct entry *e)
{
    unsigned n = 0;
    for (unsigned p = 0; p < PLACES; p++)
        for (unsigned i = 0; i < WAYS; i++) {
            uint64_t word = atomic_load(&e->place[p]->slot[i]);
            n += word >> EXPIRY_BITS == e->tag && alive(word, e->now);
        }
    return n;
}

static unsigned room(const struct bucket *b, int64_t now)
{
    unsigned n = 0;
    for (unsigned i = 0; i < WAYS; i++)
        n += !alive(atomic_load_explicit(&b->slot[i], memory_order_relaxed), now);
    return n;
}

/* The first one while it has some room: threads with the same id then meet in the same slot, and one of them wins. */
static unsigned preferred(const struct entry *e)
{
    unsigned left_there = room(e->place[0], e->now);
    return left_there <= WAYS / 2 && room(e->place[1], e->now) > left_there;
}

/* Told before the word goes, so that who misses it there finds it here. */
static void forget(struct sp_replay_set *s, uint64_t word, int64_t now)
{
    int64_t gone = now + left(word, now), before = atomic_load(&s->forgotten);
    while (before < gone && !atomic_compare_exchange_weak(&s->forgotten, &before, gone))
        ;
}

/* 1: written; 0: no room; -1: somebody else was faster, all has to be looked at anew. */
static int put(struct sp_replay_set *s, struct bucket *b, const struct entry *e)
{
    for (unsigned i = 0; i < WAYS; i++) {
        uint64_t word = atomic_load(&b->slot[i]);
        if (alive(word, e->now))
            continue;
        if (word)
            forget(s, word, e->now);
        uint64_t mine = e->tag << EXPIRY_BITS | ((uint64_t)e->expires & EXPIRY_MASK);
        return atomic_compare_exchange_strong(&b->slot[i], &word, mine) ? 1 : -1;
    }
    return 0;
}

static void locate(const struct sp_replay_set *s, struct sp_str id, struct entry *e)
{
    uint8_t hash[32];
    uint64_t v[3];
    sp_hmac_sha256(sp_str_n((const char *)s->key, sizeof(s->key)), id, hash);
    memcpy(v, hash, sizeof(v));
    e->place[0] = &s->buckets[v[0] & s->mask];
    e->place[1] = &s->buckets[v[1] & s->mask];
    if (e->place[0] == e->place[1])
        e->place[1] = &s->buckets[(v[1] ^ 1) & s->mask];
    e->tag = v[2] >> EXPIRY_BITS;
    if (!e->tag)
        e->tag = 1;
}

static bool older_knows(const struct sp_replay_set *s, struct sp_str id, struct entry e)
{
    for (const struct sp_replay_set *o = s->older; o; o = o->older) {
        locate(o, id, &e);
        if (count(&e))
            return true;
    }
    return false;
}

/* Changes every UNIT_S or so. */
static void note_latest(struct sp_replay_set *s, int64_t expires)
{
    int64_t before = atomic_load_explicit(&s->latest, memory_order_relaxed);
    while (before < expires && !atomic_compare_exchange_weak(&s->latest, &before, expires))
        ;
}

enum sp_replay sp_replay_set_take(struct sp_replay_set *s, struct sp_str id, int64_t now, int64_t expires)
{
    assert(s && now >= 0 && expires >= now);
    struct entry e = {.now = now / UNIT_S, .expires = expires / UNIT_S + (expires % UNIT_S != 0)};
    if (e.expires - e.now > FARTHEST)
        return SP_REPLAY_FULL;
    if (s->older && older_knows(s, id, e))
        return SP_REPLAY_SEEN;
    note_latest(s, e.expires);
    locate(s, id, &e);
    for (;;) {
        if (count(&e))
            return SP_REPLAY_SEEN;
        if (e.expires <= atomic_load(&s->forgotten))
            return SP_REPLAY_SEEN;
        unsigned first = preferred(&e);
        int done = put(s, e.place[first], &e);
        if (done == 0)
            done = put(s, e.place[!first], &e);
        if (done == 0)
            return SP_REPLAY_FULL;
        /* A thread that chose another slot for the same id sees ours, or we see its. */
        if (done > 0)
            return count(&e) == 1 ? SP_REPLAY_FRESH : SP_REPLAY_SEEN;
    }
}
