/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "crypto/hash.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/md5.h>
#include <wolfssl/wolfcrypt/sha.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include "base/mem.h"

/* These calls fail only where a caller's arguments are wrong or the library was built wrongly. */
static void must(int rc)
{
    if (rc != 0)
        abort();
}

static const byte *bytes(struct sp_str s)
{
    return (const byte *)(s.ptr ? s.ptr : "");
}

void sp_sha256(struct sp_str in, uint8_t out[32])
{
    assert(in.len <= UINT32_MAX);
    wc_Sha256 sha;
    must(wc_InitSha256(&sha));
    must(wc_Sha256Update(&sha, bytes(in), (word32)in.len));
    must(wc_Sha256Final(&sha, out));
    wc_Sha256Free(&sha);
}

static void hmac(int kind, struct sp_str key, struct sp_str in, uint8_t *out)
{
    assert(key.len <= UINT32_MAX && in.len <= UINT32_MAX);
    Hmac h;
    must(wc_HmacInit(&h, NULL, INVALID_DEVID));
    must(wc_HmacSetKey(&h, kind, bytes(key), (word32)key.len));
    must(wc_HmacUpdate(&h, bytes(in), (word32)in.len));
    must(wc_HmacFinal(&h, out));
    wc_HmacFree(&h);
    sp_wipe(&h, sizeof(h));
}

void sp_hmac_sha256(struct sp_str key, struct sp_str in, uint8_t out[32])
{
    hmac(WC_SHA256, key, in, out);
}

void sp_hmac_md5(struct sp_str key, struct sp_str in, uint8_t out[16])
{
    hmac(WC_MD5, key, in, out);
}

void sp_hmac_sha1(struct sp_str key, struct sp_str in, uint8_t out[20])
{
    hmac(WC_SHA, key, in, out);
}

void sp_sha1(struct sp_str in, uint8_t out[20])
{
    assert(in.len <= UINT32_MAX);
    wc_Sha sha;
    must(wc_InitSha(&sha));
    must(wc_ShaUpdate(&sha, bytes(in), (word32)in.len));
    must(wc_ShaFinal(&sha, out));
    wc_ShaFree(&sha);
}

void sp_md5(struct sp_str in, uint8_t out[16])
{
    assert(in.len <= UINT32_MAX);
    wc_Md5 md5;
    must(wc_InitMd5(&md5));
    must(wc_Md5Update(&md5, bytes(in), (word32)in.len));
    must(wc_Md5Final(&md5, out));
    wc_Md5Free(&md5);
    sp_wipe(&md5, sizeof(md5)); /* what goes in begins with a key */
}

struct sp_str sp_hex(struct sp_arena *a, const void *p, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *in = p;
    char *out = sp_arena_alloc(a, 2 * n + 1);
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[in[i] >> 4];
        out[2 * i + 1] = digits[in[i] & 15];
    }
    out[2 * n] = 0;
    return sp_str_n(out, 2 * n);
}

static const char alphabet[2][65] = {
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

struct sp_str sp_base64_encode(struct sp_arena *a, enum sp_base64 kind, struct sp_str in)
{
    assert(in.len < SIZE_MAX / 2);
    const char *abc = alphabet[kind != SP_BASE64];
    const byte *p = bytes(in);
    char *mem = sp_arena_alloc(a, (in.len + 2) / 3 * 4 + 1), *out = mem;
    size_t n = in.len;
    for (; n >= 3; n -= 3, p += 3) {
        unsigned v = (unsigned)p[0] << 16 | (unsigned)p[1] << 8 | p[2];
        *out++ = abc[v >> 18];
        *out++ = abc[v >> 12 & 63];
        *out++ = abc[v >> 6 & 63];
        *out++ = abc[v & 63];
    }
    if (n) {
        unsigned v = (unsigned)p[0] << 16 | (n == 2 ? (unsigned)p[1] << 8 : 0);
        *out++ = abc[v >> 18];
        *out++ = abc[v >> 12 & 63];
        if (n == 2)
            *out++ = abc[v >> 6 & 63];
        for (; kind != SP_BASE64URL_NOPAD && n < 3; n++)
            *out++ = '=';
    }
    *out = 0;
    return sp_str_n(mem, (size_t)(out - mem));
}

/* Value of a digit plus one, 0 for what is none; [0] is base64, [1] base64url. */
#define LETTERS_AND_DIGITS \
    ['A'] = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, \
    ['a'] = 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, \
    ['0'] = 53, 54, 55, 56, 57, 58, 59, 60, 61, 62
static const uint8_t values[2][256] = {
    {LETTERS_AND_DIGITS, ['+'] = 63, ['/'] = 64},
    {LETTERS_AND_DIGITS, ['-'] = 63, ['_'] = 64},
};

/* Without its padding, or -EINVAL when that is not what the kind says. */
static int unpad(enum sp_base64 kind, struct sp_str *in)
{
    size_t digits = in->len;
    if (kind == SP_BASE64URL_NOPAD)
        return digits % 4 == 1 ? -EINVAL : 0;
    if (digits % 4 != 0)
        return -EINVAL;
    for (unsigned i = 0; i < 2 && digits && in->ptr[digits - 1] == '='; i++)
        digits--;
    in->len = digits;
    return 0;
}

int sp_base64_decode(struct sp_arena *a, enum sp_base64 kind, struct sp_str in, struct sp_str *ret)
{
    assert(a && ret);
    const uint8_t *of = values[kind != SP_BASE64];
    if (unpad(kind, &in) < 0)
        return -EINVAL;
    const byte *p = bytes(in);
    char *mem = sp_arena_alloc(a, in.len / 4 * 3 + 4), *out = mem;
    unsigned bad = 0, v;
    size_t n = in.len;
    for (; n >= 4; n -= 4, p += 4) {
        unsigned d0 = of[p[0]] - 1u, d1 = of[p[1]] - 1u, d2 = of[p[2]] - 1u, d3 = of[p[3]] - 1u;
        bad |= d0 | d1 | d2 | d3;
        v = d0 << 18 | d1 << 12 | d2 << 6 | d3;
        *out++ = (char)(v >> 16);
        *out++ = (char)(v >> 8);
        *out++ = (char)v;
    }
    if (n) {
        unsigned d0 = of[p[0]] - 1u, d1 = of[p[1]] - 1u, d2 = n == 3 ? of[p[2]] - 1u : 0;
        bad |= d0 | d1 | d2;
        /* Bits behind the last byte must be zero: one text for one value (RFC 4648 section 3.5). */
        bad |= (n == 2 ? d1 & 15 : d2 & 3) << 8;
        v = d0 << 18 | d1 << 12 | d2 << 6;
        *out++ = (char)(v >> 16);
        if (n == 3)
            *out++ = (char)(v >> 8);
    }
    if (bad > 63)
        return -EINVAL;
    *out = 0;
    *ret = sp_str_n(mem, (size_t)(out - mem));
    return 0;
}
