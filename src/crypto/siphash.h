/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash for tables that peers can fill and whose collisions they must
 * not find, such as buckets of rate limits.  Pure; any thread.
 *
 * Of 128 bits, the authors' longer variant, it also stands for the input itself: who does not know the key finds no second
 * input but by guessing 128 bits, one try a request.
 */
#ifndef SP_CRYPTO_SIPHASH_H
#define SP_CRYPTO_SIPHASH_H

#include "base/str.h"

enum { SP_SIPHASH_KEY = 16, SP_SIPHASH_TAG = 16 };

uint64_t sp_siphash(const uint8_t key[static SP_SIPHASH_KEY], struct sp_str in);
void sp_siphash128(const uint8_t key[static SP_SIPHASH_KEY], struct sp_str in, uint8_t ret[static SP_SIPHASH_TAG]);

#endif
