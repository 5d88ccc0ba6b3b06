/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Comparing secrets, and random bytes.  Any thread.
 */
#ifndef SP_CRYPTO_CT_H
#define SP_CRYPTO_CT_H

#include "base/str.h"

/* Time depends on the lengths only; a difference in length is not hidden. */
bool sp_ct_eq(struct sp_str a, struct sp_str b);
/* From getrandom(2); aborts when the kernel has none. */
void sp_random_bytes(void *out, size_t n);
/* A fast generator seeded from it, a state a thread: for balancing and sampling, never for secrets. */
uint64_t sp_random_u64(void);

#endif
