/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens whose signature was good (jwt_cache_config): for a while a token that comes again needs no verification.  A
 * cache belongs to one provider, also of the config after (config/keep.h) while that says the same of it, and has a part for each
 * worker, which that worker alone touches, so that nothing is shared.  It keeps no tokens but a keyed hash of 128 bits of them
 * (crypto/siphash.h; the key is random, and nothing that it makes leaves the process), and the claims; least recently used go first.  What was
 * verified with another key set than the one that holds now does not count: a key that is taken back is so at once.  Freed with
 * the last config, when no worker uses it any more.
 */
#ifndef SP_FILTERS_JWT_CACHE_H
#define SP_FILTERS_JWT_CACHE_H

#include "config/keep.h"
#include "crypto/siphash.h"
#include "filters/jwt_claims.h"

enum { SP_JWT_CACHE_WORKERS = 256, SP_JWT_CACHE_MAX = 65536, SP_JWT_CACHE_KEY = SP_SIPHASH_TAG };

struct sp_jwt_cache;

/* At most n tokens a worker, 1 to SP_JWT_CACHE_MAX, none longer than max_token bytes. */
struct sp_jwt_cache *sp_jwt_cache_new(unsigned n, size_t max_token);
/* The one of this key, of which those two are a part, or a new one. While a config is compiled. */
struct sp_jwt_cache *sp_jwt_cache_keep(const struct sp_hash *key, unsigned n, size_t max_token);
void sp_jwt_cache_free(struct sp_jwt_cache *c); /* gives up the reference; NULL-safe */
/*
 * The payload of a token that was put before and whose time is not over, and what sp_jwt_claims_read made of it; a new reference, of
 * this worker's thread. NULL otherwise. `keys`: sp_jwks_id of the set that holds. `key` is filled for sp_jwt_cache_put. Workers over
 * SP_JWT_CACHE_WORKERS have no cache.
 */
json_t *sp_jwt_cache_get(struct sp_jwt_cache *c, unsigned worker, struct sp_str token, uint64_t keys, int64_t now,
                         uint8_t key[SP_JWT_CACHE_KEY], struct sp_jwt_claims *ret_claims);
/* Keeps it until `until` (Unix seconds). `key`: of the sp_jwt_cache_get that gave NULL. `claims`: of the payload, as read; NULL where
 * nobody asks for them, here and there. */
void sp_jwt_cache_put(struct sp_jwt_cache *c, unsigned worker, struct sp_str token, uint64_t keys, const uint8_t key[SP_JWT_CACHE_KEY],
                      json_t *payload, const struct sp_jwt_claims *claims, int64_t until);

#endif
