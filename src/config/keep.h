/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_keep: what a config makes and the next one finds again, so that it outlives both: TLS contexts with their tickets and
 * sessions, trust, buckets, replay sets, what was fetched.  One table for the process, by kind and key; the key is mostly the hash of
 * a message (config/doc_hash.h), with the place mixed in where two equal messages must not share.
 *
 * The base of the kept object's struct.  Counted: each user holds a reference, the table none: with the last one the object
 * leaves the table and kind->free is called, on any thread.  Finding and adding are for the thread that compiles (one at a time);
 * references may be taken and given up anywhere.  The lock is taken to find, to add and with the last reference, never by requests.
 *
 * A config that is refused gives its references up: what it alone had made goes, what it found stays as it was.  So finding must not
 * change anything.
 */
#ifndef SP_CONFIG_KEEP_H
#define SP_CONFIG_KEEP_H

#include <stdatomic.h>

#include "base/list.h"
#include "config/doc_hash.h"

struct sp_kept;

struct sp_kept_kind {
    const char *name;
    void (*free)(struct sp_kept *k);
};

struct sp_kept {
    const struct sp_kept_kind *kind;
    struct sp_hash key;
    _Atomic unsigned refs;
    struct sp_list link;
};

/* A new reference, or NULL. */
struct sp_kept *sp_keep_find(const struct sp_kept_kind *kind, const struct sp_hash *key);
/* Enters a new object, with one reference. From now on it is found, and no more an older one of that key. */
void sp_keep_add(struct sp_kept *k, const struct sp_kept_kind *kind, const struct sp_hash *key);
/* One reference, and nobody finds it: for objects that are not to be shared. */
void sp_kept_init(struct sp_kept *k, const struct sp_kept_kind *kind);
struct sp_kept *sp_kept_ref(struct sp_kept *k);
void sp_kept_unref(struct sp_kept *k); /* NULL-safe */
/* How many there are of a kind, or of all (NULL): for tests. */
unsigned sp_keep_count(const struct sp_kept_kind *kind);

#endif
