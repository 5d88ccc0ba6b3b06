/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Token buckets that all workers share, without a lock: a bucket is one 64-bit word, the time at which it will be full
 * again, so that tokens come back evenly and nothing has to run for that.  And a table of buckets for keys that peers
 * choose (client addresses, claims): a fixed number of them, found by a keyed hash, that never allocates.
 *
 * When the table has no room for a new key, the key takes over the bucket of the fullest of the eight that it may stand
 * in, with the tokens that are left there: nobody gets a fresh bucket by making others' be forgotten, and all keys
 * together never get more than all buckets give.
 *
 * Owned by a filter's config; any thread.
 */
#ifndef SP_FILTERS_TOKEN_BUCKET_H
#define SP_FILTERS_TOKEN_BUCKET_H

#include <stdatomic.h>

#include "config/doc.h"
#include "envoy/type/v3/token_bucket.pb-c.h"

/* How buckets of a kind behave. Times are in 1/16 ns. */
struct sp_token_rate {
    uint32_t max;
    uint64_t cost; /* until one token is back */
    uint64_t span; /* until an empty bucket is full: max * cost */
};

/* Errors go to `diag`; the field rules were checked. */
bool sp_token_rate_init(struct sp_token_rate *r, const struct sp_doc *doc, struct sp_diag *diag,
                        const Envoy__Type__V3__TokenBucket *msg);

/* 0 is a full bucket. */
typedef _Atomic uint64_t sp_token_word;

struct sp_token_left {
    uint32_t tokens;   /* after what was taken */
    uint32_t reset_s;  /* until the next token is there, 0 when there is one */
};

/* Takes a token; false, and nothing changed, when there is none. */
bool sp_token_take(const struct sp_token_rate *r, sp_token_word *word, uint64_t now_ns, struct sp_token_left *ret);

struct sp_token_table;
/* Room for at least `n` keys. */
struct sp_token_table *sp_token_table_new(unsigned n);
void sp_token_table_free(struct sp_token_table *t); /* NULL-safe */
unsigned sp_token_table_size(const struct sp_token_table *t);
/* The bucket of a key; *ret_taken_over when it was another key's and not full. */
sp_token_word *sp_token_table_get(struct sp_token_table *t, struct sp_str key, uint64_t now_ns, bool *ret_taken_over);

#endif
