/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/ct.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* Hides a value from the optimiser, which could otherwise leave the loop at the first difference. */
static inline uint64_t opaque(uint64_t x)
{
    __asm__ volatile("" : "+r"(x));
    return x;
}

bool sp_ct_eq(struct sp_str a, struct sp_str b)
{
    assert((a.ptr || a.len == 0) && (b.ptr || b.len == 0));
    if (a.len != b.len)
        return false;
    uint64_t diff = 0, x, y;
    size_t i = 0;
    for (; i + 8 <= a.len; i += 8) {
        memcpy(&x, a.ptr + i, 8);
        memcpy(&y, b.ptr + i, 8);
        diff = opaque(diff | (x ^ y));
    }
    for (; i < a.len; i++)
        diff = opaque(diff | (uint8_t)(a.ptr[i] ^ b.ptr[i]));
    return diff == 0;
}

void sp_random_bytes(void *out, size_t n)
{
    assert(out || n == 0);
    char *p = out;
    while (n) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            perror("getrandom");
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

static inline uint64_t rotl(uint64_t x, unsigned k)
{
    return x << k | x >> (64 - k);
}

/* xoshiro256** (Blackman and Vigna): a period of 2^256 - 1, and all 64 bits are good. */
uint64_t sp_random_u64(void)
{
    static _Thread_local uint64_t s[4];
    static _Thread_local bool seeded;
    if (SP_UNLIKELY(!seeded)) {
        do
            sp_random_bytes(s, sizeof(s));
        while (!(s[0] | s[1] | s[2] | s[3]));
        seeded = true;
    }
    uint64_t result = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return result;
}
