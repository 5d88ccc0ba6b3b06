/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

void sp_map_init(struct sp_map *m)
{
    assert(m);
    memset(m, 0, sizeof(*m));
}

void sp_map_done(struct sp_map *m)
{
    assert(m);
    free(m->v);
    sp_map_init(m);
}

/* The entry of `key`, or the free one where it would go. */
static struct sp_map_entry *place_of(const struct sp_map *m, struct sp_str key, uint64_t hash)
{
    for (uint64_t i = hash;; i++) {
        struct sp_map_entry *e = &m->v[i & (m->cap - 1)];
        if (!e->key.ptr || (e->hash == hash && sp_str_eq(e->key, key)))
            return e;
    }
}

void *sp_map_get(const struct sp_map *m, struct sp_str key)
{
    assert(m);
    if (!m->n)
        return NULL;
    const struct sp_map_entry *e = place_of(m, key, sp_str_hash(key));
    return e->key.ptr ? e->value : NULL;
}

static void grow(struct sp_map *m)
{
    struct sp_map old = *m;
    m->cap = old.cap ? old.cap * 2 : 16;
    m->v = sp_xcalloc(m->cap, sizeof(*m->v));
    for (unsigned i = 0; i < old.cap; i++)
        if (old.v[i].key.ptr)
            *place_of(m, old.v[i].key, old.v[i].hash) = old.v[i];
    free(old.v);
}

bool sp_map_add(struct sp_map *m, struct sp_str key, void *value)
{
    assert(m && key.ptr);
    if ((m->n + 1) * 4 > m->cap * 3)
        grow(m);
    uint64_t hash = sp_str_hash(key);
    struct sp_map_entry *e = place_of(m, key, hash);
    if (e->key.ptr)
        return false;
    *e = (struct sp_map_entry){key, hash, value};
    m->n++;
    return true;
}
