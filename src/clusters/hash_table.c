/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/hash_table.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash64.h"
#include "base/mem.h"

#define MURMUR_SEED 0xc70f6907ull /* of std::hash in libstdc++ */

struct share {
    struct sp_str key;
    double weight;
    uint32_t of;
};

struct shares {
    struct share *v;
    char (*texts)[SP_ADDR_TEXT_MAX]; /* apart: shares are sorted */
    unsigned n;
    double sum, least, most;
};

static void init_shares(struct shares *s, struct sp_hash_table *t, const struct sp_lb_config *c, const struct sp_hash_member *v, unsigned n)
{
    *s = (struct shares){.v = sp_xcalloc(n, sizeof(*s->v)), .texts = sp_xcalloc(n, sizeof(*s->texts)), .n = n, .least = v[0].weight};
    for (unsigned i = 0; i < n; i++)
        s->sum += v[i].weight;
    t->shares = sp_xcalloc(n, sizeof(*t->shares));
    t->n_shares = n;
    for (unsigned i = 0; i < n; i++) {
        struct share *x = &s->v[i];
        x->of = i;
        x->weight = v[i].weight;
        x->key = v[i].key.len    ? v[i].key
                 : c->by_hostname ? v[i].host->hostname
                                  : (struct sp_str){s->texts[i], sp_addr_format(&v[i].host->addr, s->texts[i])};
        s->least = SP_MIN(s->least, x->weight);
        s->most = SP_MAX(s->most, x->weight);
        t->shares[i] = (struct sp_hash_share){v[i].host, x->weight / s->sum};
    }
}

static int by_hash(const void *a, const void *b)
{
    const struct sp_hash_entry *x = a, *y = b;
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

static uint64_t place(const struct sp_lb_config *c, struct sp_str key)
{
    return c->murmur ? sp_murmur64(key, MURMUR_SEED) : sp_xxh64(key, 0);
}

/* The places of one host: hashes of "key_0", "key_1" and so on. */
static void add_places(struct sp_hash_table *t, const struct sp_lb_config *c, const struct share *x, double upto, uint64_t size)
{
    char *text = sp_xcalloc(1, x->key.len + 24);
    if (x->key.len)
        memcpy(text, x->key.ptr, x->key.len);
    for (unsigned i = 0; (double)t->n < upto && t->n < size; i++) {
        int digits = snprintf(text + x->key.len, 24, "_%u", i);
        t->v[t->n++] = (struct sp_hash_entry){place(c, (struct sp_str){text, x->key.len + (size_t)digits}), x->of};
    }
    free(text);
}

/* So large that the host of the least weight has a whole number of places. */
static void build_ring(struct sp_hash_table *t, const struct sp_lb_config *c, const struct shares *s, const struct sp_hash_scale *of)
{
    double least = of->least / of->sum, upto = 0;
    double scale = SP_MIN(ceil(least * (double)c->ring_min) / least, (double)c->ring_max) / of->sum;
    uint64_t size = (uint64_t)ceil(scale * s->sum);
    t->v = sp_xcalloc(size + 1, sizeof(*t->v));
    for (unsigned i = 0; i < s->n; i++) {
        upto += scale * s->v[i].weight;
        add_places(t, c, &s->v[i], upto, size + 1); /* rounding may ask for one more */
    }
    qsort(t->v, t->n, sizeof(*t->v), by_hash);
}

static int by_key(const void *a, const void *b)
{
    return sp_str_cmp(((const struct share *)a)->key, ((const struct share *)b)->key);
}

static const uint32_t FREE = UINT32_MAX;

struct walk {
    uint64_t at, skip;
    double target;
};

/* Hosts take turns to take the next free place of their own permutation; those of less weight sit some turns out. */
static void build_maglev(struct sp_hash_table *t, const struct sp_lb_config *c, struct shares *s)
{
    uint64_t size = c->table_size, filled = 0;
    qsort(s->v, s->n, sizeof(*s->v), by_key);
    struct walk *w = sp_xcalloc(s->n, sizeof(*w));
    for (unsigned i = 0; i < s->n; i++)
        w[i] = (struct walk){sp_xxh64(s->v[i].key, 0) % size, sp_xxh64(s->v[i].key, 1) % (size - 1) + 1, 0};
    t->of = sp_xcalloc(size, sizeof(*t->of));
    t->n = size;
    for (uint64_t i = 0; i < size; i++)
        t->of[i] = FREE;
    for (unsigned turn = 1; filled < size; turn++)
        for (unsigned i = 0; i < s->n && filled < size; i++) {
            if (turn * s->v[i].weight < w[i].target)
                continue;
            w[i].target += s->most;
            while (t->of[w[i].at] != FREE)
                w[i].at = (w[i].at + w[i].skip) % size;
            t->of[w[i].at] = s->v[i].of;
            w[i].at = (w[i].at + w[i].skip) % size;
            filled++;
        }
    free(w);
}

void sp_hash_table_build(struct sp_hash_table *t, const struct sp_lb_config *c, const struct sp_hash_member *v, unsigned n,
                         const struct sp_hash_scale *scale)
{
    assert(t && c && (v || !n));
    struct shares s;
    sp_hash_table_done(t);
    if (!n)
        return;
    init_shares(&s, t, c, v, n);
    const struct sp_hash_scale own = {s.sum, s.least};
    if (c->policy == SP_LB_MAGLEV)
        build_maglev(t, c, &s);
    else
        build_ring(t, c, &s, scale ? scale : &own);
    free(s.v);
    free(s.texts);
}

void sp_hash_table_done(struct sp_hash_table *t)
{
    free(t->v);
    free(t->of);
    free(t->shares);
    *t = (struct sp_hash_table){0};
}

const struct sp_hash_share *sp_hash_table_at(const struct sp_hash_table *t, const struct sp_lb_config *c, uint64_t hash, unsigned attempt)
{
    if (!t->n)
        return NULL;
    if (c->policy == SP_LB_MAGLEV)
        return &t->shares[t->of[(attempt ? hash ^ (UINT64_MAX - attempt + 1) : hash) % t->n]];
    uint64_t low = 0, high = t->n;
    while (low < high) { /* the first place that is not before it; past the last comes the first */
        uint64_t mid = low + (high - low) / 2;
        if (t->v[mid].hash < hash)
            low = mid + 1;
        else
            high = mid;
    }
    return &t->shares[t->v[(low + attempt) % t->n].of];
}
