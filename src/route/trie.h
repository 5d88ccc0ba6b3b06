/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_trie: a radix tree over byte strings ("keys") that tells, in one walk over a text, the longest key the text begins
 * with and the key that equals it, however many keys there are.  Each key has a slot, a number from 0 in the order of the
 * first adding, by which the owner keeps what belongs to it.  Built by one thread, then immutable: any thread.
 */
#ifndef SP_ROUTE_TRIE_H
#define SP_ROUTE_TRIE_H

#include "base/str.h"

enum sp_trie_flags {
    SP_TRIE_FOLD = 1,    /* ASCII letters in any case */
    SP_TRIE_REVERSE = 2, /* keys and texts are read from their ends: suffixes, not prefixes */
};

#define SP_TRIE_NONE UINT32_MAX

struct sp_trie;

struct sp_trie *sp_trie_new(unsigned flags);
void sp_trie_free(struct sp_trie *t); /* NULL-safe */
/* The slot of the key, which is copied. */
uint32_t sp_trie_add(struct sp_trie *t, struct sp_str key);
/* After the last add, before the first look-up. */
void sp_trie_build(struct sp_trie *t);
uint32_t sp_trie_count(const struct sp_trie *t);

struct sp_trie_hit {
    uint32_t longest; /* slot of the longest key that the text begins with, itself included; or SP_TRIE_NONE */
    uint32_t exact;   /* slot of the key that is the text; or SP_TRIE_NONE */
};
struct sp_trie_hit sp_trie_find(const struct sp_trie *t, struct sp_str text);
/* The longest other key that this slot's key begins with, or SP_TRIE_NONE. */
uint32_t sp_trie_up(const struct sp_trie *t, uint32_t slot);

#endif
