/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Answers of an introspection endpoint, good ones and "active": false, kept for a while.  One belongs to one worker,
 * which alone touches it; it keeps no tokens but their keyed SHA-256, so that neither memory nor timing tells a token.
 * Least recently used go first.
 */
#ifndef SP_FILTERS_TOKEN_CACHE_H
#define SP_FILTERS_TOKEN_CACHE_H

#include "base/json.h"
#include "base/list.h"

enum { SP_TOKEN_CACHE_MAX = 65536, SP_TOKEN_KEY = 32 };

struct sp_token_entry;

struct sp_token_cache {
    struct sp_token_entry *entries; /* n of them, `used` were ever taken */
    struct sp_token_entry **buckets; /* mask + 1 of them */
    unsigned n, used, mask;
    struct sp_list lru; /* the last used first */
};

/* At most n answers, 0 to SP_TOKEN_CACHE_MAX; memory is taken at once. */
void sp_token_cache_init(struct sp_token_cache *c, unsigned n);
void sp_token_cache_done(struct sp_token_cache *c);
/*
 * Whether the answer is known and its time is not over; *ret_claims: a new reference, or NULL: not active. `now`: of
 * the turn's clock, in nanoseconds.
 */
bool sp_token_cache_get(struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY], uint64_t now_ns, json_t **ret_claims);
/* `claims` NULL: not active. Replaces what is known. */
void sp_token_cache_put(struct sp_token_cache *c, const uint8_t key[SP_TOKEN_KEY], json_t *claims, uint64_t until_ns);

#endif
