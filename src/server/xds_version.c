/* SPDX-License-Identifier: GPL-2.0-or-later */
/* XXH64, as its specification has it (xxHash fast digest algorithm, 0.1.1), with seed 0. */
#include "server/xds_stats.h"

#define P1 0x9e3779b185ebca87u
#define P2 0xc2b2ae3d27d4eb4fu
#define P3 0x165667b19e3779f9u
#define P4 0x85ebca77c2b2ae63u
#define P5 0x27d4eb2f165667c5u

static uint64_t left(uint64_t v, unsigned n)
{
    return v << n | v >> (64 - n);
}

static uint64_t word(const char *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = bytes; i-- > 0;)
        v = v << 8 | (unsigned char)p[i];
    return v;
}

static uint64_t mix_in(uint64_t lane, uint64_t v)
{
    return left(lane + v * P2, 31) * P1;
}

static uint64_t stripes(const char **p, const char *end)
{
    uint64_t lane[4] = {P1 + P2, P2, 0, 0 - P1};
    for (; end - *p >= 32; *p += 32)
        for (unsigned i = 0; i < 4; i++)
            lane[i] = mix_in(lane[i], word(*p + 8 * i, 8));
    uint64_t h = left(lane[0], 1) + left(lane[1], 7) + left(lane[2], 12) + left(lane[3], 18);
    for (unsigned i = 0; i < 4; i++)
        h = (h ^ mix_in(0, lane[i])) * P1 + P4;
    return h;
}

uint64_t sp_xds_version(struct sp_str s)
{
    const char *p = s.ptr, *end = s.ptr + s.len;
    uint64_t h = (s.len >= 32 ? stripes(&p, end) : P5) + s.len;
    for (; end - p >= 8; p += 8)
        h = left(h ^ mix_in(0, word(p, 8)), 27) * P1 + P4;
    for (; end - p >= 4; p += 4)
        h = left(h ^ word(p, 4) * P1, 23) * P2 + P3;
    for (; p < end; p++)
        h = left(h ^ word(p, 1) * P5, 11) * P1;
    h = (h ^ h >> 33) * P2;
    h = (h ^ h >> 29) * P3;
    return h ^ h >> 32;
}
