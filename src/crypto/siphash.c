/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/siphash.h"

#include <assert.h>

static inline uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

static void rounds(uint64_t v[4], int n)
{
    while (n--) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

/* Little-endian, up to eight bytes. */
static uint64_t word(const uint8_t *p, size_t n)
{
    uint64_t w = 0;
    for (size_t i = 0; i < n; i++)
        w |= (uint64_t)p[i] << (8 * i);
    return w;
}

static void absorb(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    rounds(v, 2);
    v[0] ^= m;
}

uint64_t sp_siphash(const uint8_t key[static SP_SIPHASH_KEY], struct sp_str in)
{
    assert(key && (in.ptr || !in.len));
    uint64_t k0 = word(key, 8), k1 = word(key + 8, 8);
    /* "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
    const uint8_t *p = (const uint8_t *)in.ptr;
    size_t left = in.len;
    for (; left >= 8; p += 8, left -= 8)
        absorb(v, word(p, 8));
    absorb(v, (left ? word(p, left) : 0) | (uint64_t)in.len << 56);
    v[2] ^= 0xff;
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
