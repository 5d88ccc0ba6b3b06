/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/token_cache.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_token_entry {
    struct sp_list lru;
    struct sp_token_entry *next; /* of its bucket */
    uint8_t key[SP_TOKEN_KEY];
    json_t *claims;
    uint64_t until_ns;
    bool filled;
};

void sp_token_cache_init(struct sp_token_cache *c, unsigned n)
{
    assert(c && n <= SP_TOKEN_CACHE_MAX);
    *c = (struct sp_token_cache){.n = n};
    sp_list_init(&c->lru);
    if (!n)
        return;
    for (c->mask = 1; c->mask < n; c->mask = c->mask * 2 + 1)
        ;
    c->entries = sp_xcalloc(n, sizeof(*c->entries));
    c->buckets = sp_xcalloc(c->mask + 1, sizeof(struct sp_token_entry *));
}

void sp_token_cache_done(struct sp_token_cache *c)
{
    assert(c);
    for (unsigned i = 0; i < c->used; i++)
        json_decref(c->entries[i].claims);
    free(c->entries);
    free(c->buckets);
    *c = (struct sp_token_cache){0};
}

static struct sp_token_entry **bucket(const struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY])
{
    uint32_t hash;
    memcpy(&hash, key, sizeof(hash));
    return &c->buckets[hash & c->mask];
}

static struct sp_token_entry *find(const struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY])
{
    struct sp_token_entry *e = *bucket(c, key);
    while (e && memcmp(e->key, key, SP_TOKEN_KEY) != 0)
        e = e->next;
    return e;
}

/* Out of its bucket, and the first to be used again. */
static void forget(struct sp_token_cache *c, struct sp_token_entry *e)
{
    struct sp_token_entry **at = bucket(c, e->key);
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    json_decref(e->claims);
    e->claims = NULL;
    e->filled = false;
    sp_list_remove(&e->lru);
    sp_list_push_back(&c->lru, &e->lru);
}

bool sp_token_cache_get(struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY], uint64_t now_ns, json_t **ret_claims)
{
    assert(c && key && ret_claims);
    struct sp_token_entry *e = c->n ? find(c, key) : NULL;
    if (!e)
        return false;
    if (now_ns >= e->until_ns) {
        forget(c, e);
        return false;
    }
    sp_list_remove(&e->lru);
    sp_list_push_front(&c->lru, &e->lru);
    *ret_claims = e->claims ? json_incref(e->claims) : NULL;
    return true;
}

static struct sp_token_entry *free_entry(struct sp_token_cache *c)
{
    if (c->used < c->n)
        return &c->entries[c->used++];
    struct sp_token_entry *e = SP_CONTAINER_OF(c->lru.prev, struct sp_token_entry, lru);
    if (e->filled)
        forget(c, e);
    sp_list_remove(&e->lru);
    return e;
}

void sp_token_cache_put(struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY], json_t *claims, uint64_t until_ns)
{
    assert(c && key);
    if (!c->n)
        return;
    struct sp_token_entry *e = find(c, key);
    if (e)
        forget(c, e);
    e = free_entry(c);
    memcpy(e->key, key, SP_TOKEN_KEY);
    e->claims = claims ? json_incref(claims) : NULL;
    e->until_ns = until_ns;
    e->filled = true;
    e->next = *bucket(c, key);
    *bucket(c, key) = e;
    sp_list_push_front(&c->lru, &e->lru);
}
