/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_map: a hash table from byte strings to pointers.  Keys are borrowed: they live as long as the map.  Built by
 * one thread; look-ups of a finished map from any thread.  The hash is seeded per process.  No removal: maps belong to
 * compiled configs.
 */
#ifndef SP_BASE_MAP_H
#define SP_BASE_MAP_H

#include "base/str.h"

struct sp_map_entry {
    struct sp_str key; /* ptr NULL: free */
    uint64_t hash;
    void *value;
};

struct sp_map {
    struct sp_map_entry *v; /* cap of them, a power of two */
    unsigned n, cap;
};

void sp_map_init(struct sp_map *m);
void sp_map_done(struct sp_map *m);
/* NULL when it is not there. */
void *sp_map_get(const struct sp_map *m, struct sp_str key);
/* False, and nothing changed, when the key is there already. `key.ptr` is not NULL. */
bool sp_map_add(struct sp_map *m, struct sp_str key, void *value);

#endif
