/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/siphash.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

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

/* Little-endian. */
static uint64_t word(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return le64toh(w);
}

static void absorb(uint64_t v[4], uint64_t m)
{
    v[3] ^= m;
    rounds(v, 2);
    v[0] ^= m;
}

/* All of the input and its length; `more` tells the longer variant from the other one. */
static void absorb_all(uint64_t v[4], const uint8_t *key, struct sp_str in, uint64_t more)
{
    static const uint64_t start[4] = {0x736f6d6570736575, 0x646f72616e646f6d, 0x6c7967656e657261, 0x7465646279746573};
    uint64_t k[2] = {word(key), word(key + 8)};
    for (unsigned i = 0; i < 4; i++)
        v[i] = k[i & 1] ^ start[i]; /* "somepseudorandomlygeneratedbytes" */
    v[1] ^= more;
    const char *p = in.ptr;
    size_t left = in.len;
    for (; left >= 8; p += 8, left -= 8)
        absorb(v, word((const uint8_t *)p));
    uint8_t last[8] = {0};
    if (left)
        memcpy(last, p, left);
    last[7] = (uint8_t)in.len;
    absorb(v, word(last));
}

static uint64_t squeeze(uint64_t v[4])
{
    rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t sp_siphash(const uint8_t key[static SP_SIPHASH_KEY], struct sp_str in)
{
    assert(key && (in.ptr || !in.len));
    uint64_t v[4];
    absorb_all(v, key, in, 0);
    v[2] ^= 0xff;
    return squeeze(v);
}

void sp_siphash128(const uint8_t key[static SP_SIPHASH_KEY], struct sp_str in, uint8_t ret[static SP_SIPHASH_TAG])
{
    assert(key && (in.ptr || !in.len) && ret);
    uint64_t v[4], out[2];
    absorb_all(v, key, in, 0xee);
    v[2] ^= 0xee;
    out[0] = htole64(squeeze(v));
    v[1] ^= 0xdd;
    out[1] = htole64(squeeze(v));
    memcpy(ret, out, SP_SIPHASH_TAG);
}
