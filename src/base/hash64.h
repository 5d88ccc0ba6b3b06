/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XXH64 (the xxHash specification, 0.1.1) and MurmurHash64A: what Envoy places hosts and requests by.  Not for secrets, nor
 * for tables that a peer could fill: both can be made to collide.  Pure.
 */
#ifndef SP_BASE_HASH64_H
#define SP_BASE_HASH64_H

#include "base/str.h"

uint64_t sp_xxh64(struct sp_str s, uint64_t seed);
uint64_t sp_murmur64(struct sp_str s, uint64_t seed);

#endif
