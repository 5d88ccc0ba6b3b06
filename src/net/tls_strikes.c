/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/tls_strikes.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/ct.h"
#include "crypto/siphash.h"

struct entry {
    uint8_t id[SP_STRIKE_BYTES];
};

struct generation {
    struct entry *v; /* `slots` of them */
    uint8_t *used;   /* one for each: an id may be all zeros */
    unsigned n;
};

struct sp_tls_strikes {
    pthread_mutex_t mutex;
    uint8_t key[SP_SIPHASH_KEY]; /* a client can pick among its tickets: it must not know where they go */
    unsigned most, slots;        /* slots: a power of two, at least twice as many */
    uint64_t keep_ms, since_ms;  /* when `young` began */
    struct generation young, old;
};

static void generation_init(struct generation *g, unsigned slots)
{
    g->v = sp_xcalloc(slots, sizeof(*g->v));
    g->used = sp_xcalloc(slots, 1);
    g->n = 0;
}

static void generation_done(struct generation *g)
{
    free(g->v);
    free(g->used);
}

struct sp_tls_strikes *sp_tls_strikes_new(unsigned n, uint64_t keep_ms)
{
    assert(n > 0 && n <= 1u << 24 && keep_ms > 0);
    struct sp_tls_strikes *s = sp_xcalloc(1, sizeof(*s));
    pthread_mutex_init(&s->mutex, NULL);
    sp_random_bytes(s->key, sizeof(s->key));
    s->most = n;
    s->keep_ms = keep_ms;
    for (s->slots = 2; s->slots < 2 * n; s->slots *= 2)
        ;
    generation_init(&s->young, s->slots);
    generation_init(&s->old, s->slots);
    return s;
}

void sp_tls_strikes_free(struct sp_tls_strikes *s)
{
    if (!s)
        return;
    generation_done(&s->young);
    generation_done(&s->old);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

/* Where it is, or where it would be: half of the slots at least are free. */
static unsigned slot_of(const struct sp_tls_strikes *s, const struct generation *g, const uint8_t id[SP_STRIKE_BYTES], uint64_t hash)
{
    unsigned i = (unsigned)hash & (s->slots - 1);
    while (g->used[i] && memcmp(g->v[i].id, id, SP_STRIKE_BYTES) != 0)
        i = (i + 1) & (s->slots - 1);
    return i;
}

static void empty(const struct sp_tls_strikes *s, struct generation *g)
{
    if (g->n)
        memset(g->used, 0, s->slots);
    g->n = 0;
}

/* What is in `old` was taken before since_ms. */
static void age(struct sp_tls_strikes *s, uint64_t now_ms)
{
    if (now_ms < s->since_ms + s->keep_ms)
        return;
    struct generation g = s->old;
    s->old = s->young;
    s->young = g;
    empty(s, &s->young);
    if (now_ms >= s->since_ms + 2 * s->keep_ms)
        empty(s, &s->old);
    s->since_ms = now_ms;
}

enum sp_strike sp_tls_strikes_take(struct sp_tls_strikes *s, uint64_t now_ms, const uint8_t id[SP_STRIKE_BYTES])
{
    assert(s && id);
    enum sp_strike result = SP_STRIKE_SEEN;
    uint64_t hash = sp_siphash(s->key, sp_str_n((const char *)id, SP_STRIKE_BYTES));
    pthread_mutex_lock(&s->mutex);
    age(s, now_ms);
    unsigned i = slot_of(s, &s->young, id, hash);
    if (!s->young.used[i] && !s->old.used[slot_of(s, &s->old, id, hash)]) {
        result = s->young.n == s->most ? SP_STRIKE_FULL : SP_STRIKE_NEW;
        if (result == SP_STRIKE_NEW) {
            memcpy(s->young.v[i].id, id, SP_STRIKE_BYTES);
            s->young.used[i] = 1;
            s->young.n++;
        }
    }
    pthread_mutex_unlock(&s->mutex);
    return result;
}
