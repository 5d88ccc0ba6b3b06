/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A hash table of pointers from which single ones can be taken out: what base/map.h is not.  The owner keeps the keys, and
 * says of two whether they are the same.  For stats/ only; whoever uses it holds the registry's lock.
 */
#ifndef SP_STATS_TABLE_H
#define SP_STATS_TABLE_H

#include <stdbool.h>
#include <stdint.h>

struct sp_table_entry {
    uint64_t hash;
    void *p; /* NULL: free */
};

struct sp_table {
    struct sp_table_entry *v; /* cap of them: a power of two, or 0 */
    unsigned n, cap;
};

/* NULL when there is none of that hash that `same` finds. */
void *sp_table_find(const struct sp_table *t, uint64_t hash, bool (*same)(const void *p, const void *key), const void *key);
void sp_table_add(struct sp_table *t, uint64_t hash, void *p);
/* It is in there. */
void sp_table_remove(struct sp_table *t, uint64_t hash, const void *p);
void sp_table_done(struct sp_table *t);

#endif
