/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_replay_set: what was used once and must not be used again until it expires: a signed request (Akamai G2O), the jti
 * of a DPoP proof (RFC 9449 section 11.1).  A fixed number of words, shared by all workers, taken by compare-and-swap:
 * no lock, and no memory that a peer could make grow.  Belongs to a filter's config, and to the one that takes its place: a reload
 * forgets nothing; any thread.
 *
 * Fails closed in each doubt: when there is no room for one more, it says so and the caller refuses; when an id shares its
 * 40 bits of keyed hash with another one in the same place (once in some 10^11), or when two threads take the same id
 * in the same instant, it counts as seen, the second case for both.
 *
 * An id costs 8 bytes from its first use until it expires (rounded up, plus 8 to 16 s): capacity is requests a second
 * times that, and a quarter more.  Ask only once all else is proven, or a stranger fills it.
 */
#ifndef SP_FILTERS_REPLAY_SET_H
#define SP_FILTERS_REPLAY_SET_H

#include "config/doc_hash.h"

enum { SP_REPLAY_MIN_CAPACITY = 1024, SP_REPLAY_MAX_CAPACITY = 1 << 24 };

struct sp_replay_set;

enum sp_replay {
    SP_REPLAY_FRESH, /* the first time, and it is remembered now */
    SP_REPLAY_SEEN,
    SP_REPLAY_FULL,
};

/* `capacity` is raised to the next power of two within the limits above. */
struct sp_replay_set *sp_replay_set_new(uint32_t capacity);
/*
 * The one that an earlier config has in this place (filters/place.h), or a new one.  Where the capacity is another one now, a new
 * one that looks into the earlier one, too.
 */
struct sp_replay_set *sp_replay_set_keep(const struct sp_hash *place, uint32_t capacity);
void sp_replay_set_free(struct sp_replay_set *s); /* one's own reference; NULL-safe */
/*
 * `id`: any bytes, of any length; hashed here with a key of the set.  `expires` (Unix seconds, as `now`): from then on the
 * caller refuses the id by its age; not before `now`.  A clock that was set back is noticed: what may have been forgotten
 * already counts as seen.
 */
enum sp_replay sp_replay_set_take(struct sp_replay_set *s, struct sp_str id, int64_t now, int64_t expires);

#endif
