/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/table.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

/* FNV's low bits alone say little of the last bytes. */
static unsigned place(const struct sp_table *t, uint64_t hash)
{
    return (unsigned)((hash * 0x9e3779b97f4a7c15u) >> 32) & (t->cap - 1);
}

void *sp_table_find(const struct sp_table *t, uint64_t hash, bool (*same)(const void *p, const void *key), const void *key)
{
    if (!t->cap)
        return NULL;
    for (unsigned i = place(t, hash); t->v[i].p; i = (i + 1) & (t->cap - 1))
        if (t->v[i].hash == hash && same(t->v[i].p, key))
            return t->v[i].p;
    return NULL;
}

static void put(struct sp_table *t, uint64_t hash, void *p)
{
    unsigned i = place(t, hash);
    while (t->v[i].p)
        i = (i + 1) & (t->cap - 1);
    t->v[i] = (struct sp_table_entry){hash, p};
}

void sp_table_add(struct sp_table *t, uint64_t hash, void *p)
{
    assert(p);
    if ((t->n + 1) * 4 > t->cap * 3) {
        struct sp_table old = *t;
        t->cap = old.cap ? old.cap * 2 : 64;
        t->v = sp_xcalloc(t->cap, sizeof(*t->v));
        for (unsigned i = 0; i < old.cap; i++)
            if (old.v[i].p)
                put(t, old.v[i].hash, old.v[i].p);
        free(old.v);
    }
    put(t, hash, p);
    t->n++;
}

void sp_table_remove(struct sp_table *t, uint64_t hash, const void *p)
{
    unsigned mask = t->cap - 1, hole = place(t, hash);
    while (t->v[hole].p != p) {
        assert(t->v[hole].p && "what is removed is in there");
        hole = (hole + 1) & mask;
    }
    /* Whatever stands behind the hole and was put there because its own place was taken moves up. */
    for (unsigned i = (hole + 1) & mask; t->v[i].p; i = (i + 1) & mask) {
        if (((i - place(t, t->v[i].hash)) & mask) < ((i - hole) & mask))
            continue;
        t->v[hole] = t->v[i];
        hole = i;
    }
    t->v[hole] = (struct sp_table_entry){0};
    t->n--;
}

void sp_table_done(struct sp_table *t)
{
    free(t->v);
    *t = (struct sp_table){0};
}
