/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_cache.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/list.h"
#include "base/mem.h"
#include "crypto/ct.h"

struct entry {
    struct sp_list lru; /* of part.lru, the last used first */
    struct entry *next; /* of its bucket */
    uint8_t key[SP_JWT_CACHE_KEY];
    json_t *payload;
    struct sp_jwt_claims claims; /* of the payload, into which they point */
    uint64_t keys;
    int64_t until;
};

/* One worker's. */
struct part {
    struct entry *entries; /* the cache's n of them */
    struct entry **buckets; /* mask + 1 of them */
    unsigned used, mask;
    struct sp_list lru;
};

struct sp_jwt_cache {
    struct sp_kept kept;
    unsigned n;
    size_t max_token;
    uint8_t secret[SP_SIPHASH_KEY];
    _Atomic(struct part *) parts[SP_JWT_CACHE_WORKERS]; /* NULL until the worker's first token */
};

static struct part *part_new(unsigned n)
{
    struct part *p = sp_xcalloc(1, sizeof(*p));
    for (p->mask = 1; p->mask < n; p->mask = p->mask * 2 + 1)
        ;
    p->entries = sp_xcalloc(n, sizeof(*p->entries));
    p->buckets = sp_xcalloc(p->mask + 1, sizeof(struct entry *));
    sp_list_init(&p->lru);
    return p;
}

static void cache_free(struct sp_kept *k)
{
    struct sp_jwt_cache *c = SP_CONTAINER_OF(k, struct sp_jwt_cache, kept);
    for (unsigned w = 0; w < SP_JWT_CACHE_WORKERS; w++) {
        struct part *p = atomic_load_explicit(&c->parts[w], memory_order_acquire);
        if (!p)
            continue;
        for (unsigned i = 0; i < p->used; i++)
            json_decref(p->entries[i].payload);
        free(p->entries);
        free(p->buckets);
        free(p);
    }
    free(c);
}

static const struct sp_kept_kind kind = {"verified tokens", cache_free};

static struct sp_jwt_cache *cache_new(unsigned n, size_t max_token)
{
    assert(n > 0 && n <= SP_JWT_CACHE_MAX);
    struct sp_jwt_cache *c = sp_xcalloc(1, sizeof(*c));
    c->n = n;
    c->max_token = max_token;
    sp_random_bytes(c->secret, sizeof(c->secret));
    return c;
}

struct sp_jwt_cache *sp_jwt_cache_new(unsigned n, size_t max_token)
{
    struct sp_jwt_cache *c = cache_new(n, max_token);
    sp_kept_init(&c->kept, &kind);
    return c;
}

struct sp_jwt_cache *sp_jwt_cache_keep(const struct sp_hash *key, unsigned n, size_t max_token)
{
    assert(key);
    struct sp_kept *k = sp_keep_find(&kind, key);
    if (k)
        return SP_CONTAINER_OF(k, struct sp_jwt_cache, kept);
    struct sp_jwt_cache *c = cache_new(n, max_token);
    sp_keep_add(&c->kept, &kind, key);
    return c;
}

void sp_jwt_cache_free(struct sp_jwt_cache *c)
{
    if (c)
        sp_kept_unref(&c->kept);
}

static struct entry **bucket(const struct part *p, const uint8_t key[SP_JWT_CACHE_KEY])
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash));
    return &p->buckets[hash & p->mask];
}

static void forget(struct part *p, struct entry *e)
{
    struct entry **at = bucket(p, e->key);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    json_decref(e->payload);
    e->payload = NULL;
    /* The first to be used again. */
    sp_list_remove(&e->lru);
    sp_list_push_back(&p->lru, &e->lru);
}

static bool takes(const struct sp_jwt_cache *c, unsigned worker, struct sp_str token)
{
    return worker < SP_JWT_CACHE_WORKERS && token.len <= c->max_token;
}

json_t *sp_jwt_cache_get(struct sp_jwt_cache *c, unsigned worker, struct sp_str token, uint64_t keys, int64_t now,
                         uint8_t key[SP_JWT_CACHE_KEY], struct sp_jwt_claims *ret_claims)
{
    assert(c && key);
    if (!takes(c, worker, token))
        return NULL;
    sp_siphash128(c->secret, token, key);
    struct part *p = atomic_load_explicit(&c->parts[worker], memory_order_relaxed);
    struct entry *e = p ? *bucket(p, key) : NULL;
    while (e && memcmp(e->key, key, sizeof(e->key)) != 0)
        e = e->next;
    if (!e)
        return NULL;
    if (now >= e->until || e->keys != keys) {
        forget(p, e);
        return NULL;
    }
    sp_list_remove(&e->lru);
    sp_list_push_front(&p->lru, &e->lru);
    if (ret_claims)
        *ret_claims = e->claims;
    return json_incref(e->payload);
}

/* One that was not used yet, or the one whose last use is longest ago. */
static struct entry *free_entry(const struct sp_jwt_cache *c, struct part *p)
{
    if (p->used < c->n)
        return &p->entries[p->used++];
    struct entry *e = SP_CONTAINER_OF(p->lru.prev, struct entry, lru);
    if (e->payload)
        forget(p, e);
    sp_list_remove(&e->lru);
    return e;
}

void sp_jwt_cache_put(struct sp_jwt_cache *c, unsigned worker, struct sp_str token, uint64_t keys,
                      const uint8_t key[SP_JWT_CACHE_KEY], json_t *payload, const struct sp_jwt_claims *claims, int64_t until)
{
    assert(c && key && payload);
    if (!takes(c, worker, token))
        return;
    struct part *p = atomic_load_explicit(&c->parts[worker], memory_order_relaxed);
    if (!p) {
        p = part_new(c->n);
        atomic_store_explicit(&c->parts[worker], p, memory_order_release);
    }
    struct entry *e = free_entry(c, p);
    memcpy(e->key, key, sizeof(e->key));
    e->payload = json_incref(payload);
    e->claims = claims ? *claims : (struct sp_jwt_claims){0};
    e->keys = keys;
    e->until = until;
    e->next = *bucket(p, key);
    *bucket(p, key) = e;
    sp_list_push_front(&p->lru, &e->lru);
}
