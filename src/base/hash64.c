/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/hash64.h"

#include <string.h>

#define P1 0x9e3779b185ebca87ull
#define P2 0xc2b2ae3d27d4eb4full
#define P3 0x165667b19e3779f9ull
#define P4 0x85ebca77c2b2ae63ull
#define P5 0x27d4eb2f165667c5ull

static uint64_t rotl(uint64_t x, unsigned n)
{
    return x << n | x >> (64 - n);
}

/* The first n bytes, at most 8, the lowest first. */
static uint64_t load(const char *p, size_t n)
{
    uint64_t x = 0;
    for (size_t i = 0; i < n; i++)
        x |= (uint64_t)(unsigned char)p[i] << (8 * i);
    return x;
}

static uint64_t mix(uint64_t acc, uint64_t lane)
{
    return rotl(acc + lane * P2, 31) * P1;
}

static uint64_t merge(uint64_t acc, uint64_t lane)
{
    return (acc ^ mix(0, lane)) * P1 + P4;
}

/* Whole stripes of 32 bytes. */
static uint64_t stripes(const char *p, size_t len, uint64_t seed)
{
    uint64_t v[4] = {seed + P1 + P2, seed + P2, seed, seed - P1};
    for (size_t at = 0; at + 32 <= len; at += 32)
        for (size_t i = 0; i < 4; i++)
            v[i] = mix(v[i], load(p + at + 8 * i, 8));
    uint64_t h = rotl(v[0], 1) + rotl(v[1], 7) + rotl(v[2], 12) + rotl(v[3], 18);
    for (unsigned i = 0; i < 4; i++)
        h = merge(h, v[i]);
    return h;
}

uint64_t sp_xxh64(struct sp_str s, uint64_t seed)
{
    uint64_t h = s.len >= 32 ? stripes(s.ptr, s.len, seed) : seed + P5;
    size_t at = s.len & ~(size_t)31;
    h += s.len;
    for (; at + 8 <= s.len; at += 8)
        h = rotl(h ^ mix(0, load(s.ptr + at, 8)), 27) * P1 + P4;
    if (at + 4 <= s.len) {
        h = rotl(h ^ load(s.ptr + at, 4) * P1, 23) * P2 + P3;
        at += 4;
    }
    for (; at < s.len; at++)
        h = rotl(h ^ load(s.ptr + at, 1) * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}

uint64_t sp_murmur64(struct sp_str s, uint64_t seed)
{
    const uint64_t m = 0xc6a4a7935bd1e995ull;
    uint64_t h = seed ^ s.len * m;
    size_t at = 0;
    for (; at + 8 <= s.len; at += 8) {
        uint64_t x = load(s.ptr + at, 8) * m;
        h = (h ^ (x ^ x >> 47) * m) * m;
    }
    if (at < s.len)
        h = (h ^ load(s.ptr + at, s.len - at)) * m;
    h = (h ^ h >> 47) * m;
    return h ^ h >> 47;
}
