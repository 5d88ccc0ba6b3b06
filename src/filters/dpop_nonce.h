/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nonces that we give to clients for their next DPoP proof (RFC 9449 section 9): a keyed hash of the time slot, so that
 * every worker and every instance with the same key knows them without remembering any.  Pure, any thread.
 */
#ifndef SP_FILTERS_DPOP_NONCE_H
#define SP_FILTERS_DPOP_NONCE_H

#include "base/arena.h"

enum sp_dpop_nonce {
    SP_DPOP_NONCE_BAD,
    SP_DPOP_NONCE_GOOD,
    SP_DPOP_NONCE_OLD, /* of the slot before: good, but the client should get the new one */
};

/* `lifetime` of a slot and `now` in seconds. */
struct sp_str sp_dpop_nonce_make(struct sp_str key, int64_t lifetime, int64_t now, struct sp_arena *arena);
enum sp_dpop_nonce sp_dpop_nonce_check(struct sp_str key, int64_t lifetime, int64_t now, struct sp_str nonce,
                                       struct sp_arena *arena);

#endif
