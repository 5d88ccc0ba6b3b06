/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Classes of bytes in HTTP messages (RFC 9110 section 5, RFC 9112 section 2), and the two scans that every message head
 * goes through: sixteen bytes a step with SSE2, eight elsewhere.  Pure functions, any thread.
 */
#ifndef SP_HTTP_CHARS_H
#define SP_HTTP_CHARS_H

#include "base/str.h"

#if defined(__SSE2__) && !defined(SP_CHARS_PORTABLE)
#define SP_CHARS_SSE2
#include <emmintrin.h>
#endif

/* The lower-case form of a token character, 0 for all other bytes. */
extern const unsigned char sp_tchar_lower[256];

static inline bool sp_is_tchar(char c)
{
    return sp_tchar_lower[(unsigned char)c] != 0;
}

static inline bool sp_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* 0 to 15, or -1. */
static inline int sp_hex_value(char c)
{
    if (sp_is_digit(c))
        return c - '0';
    char low = (char)(c | 0x20);
    return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

/* What ends or spoils a line: control characters but HTAB, and DEL. */
static inline bool sp_is_ctl(char c)
{
    return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The first control character (sp_is_ctl) in [p, end), or `end`. */
static inline const char *sp_scan_ctl(const char *p, const char *end)
{
#ifdef SP_CHARS_SSE2
    const __m128i low = _mm_set1_epi8(0x1f), tab = _mm_set1_epi8('\t'), del = _mm_set1_epi8(0x7f);
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i ctl = _mm_andnot_si128(_mm_cmpeq_epi8(v, tab), _mm_cmpeq_epi8(_mm_min_epu8(v, low), v));
        int mask = _mm_movemask_epi8(_mm_or_si128(ctl, _mm_cmpeq_epi8(v, del)));
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#else
    /* Bit 7 of each byte of `hit`: below 0x20, or DEL. HTAB hits too, and is looked at by the loop below. */
    const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
    for (; end - p >= 8; p += 8) {
        uint64_t v;
        memcpy(&v, p, 8);
        uint64_t del = v ^ (ones * 0x7f);
        uint64_t hit = ((v - ones * 0x20) & ~v & high) | ((del - ones) & ~del & high);
        if (hit)
            break;
    }
    for (; end - p >= 8; p += 8) {
        for (unsigned i = 0; i < 8; i++)
            if (sp_is_ctl(p[i]))
                return p + i;
    }
#endif
    for (; p < end; p++)
        if (sp_is_ctl(*p))
            return p;
    return end;
}

/* The first byte in [p, end) that no request target has (RFC 9112 section 3.2: not visible ASCII, or '#'), or `end`. */
static inline const char *sp_scan_target(const char *p, const char *end)
{
#ifdef SP_CHARS_SSE2
    const __m128i low = _mm_set1_epi8(0x21), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 on are below 0x21 too. */
        __m128i bad = _mm_or_si128(_mm_cmplt_epi8(v, low), _mm_cmpeq_epi8(v, del));
        int mask = _mm_movemask_epi8(_mm_or_si128(bad, _mm_cmpeq_epi8(v, hash)));
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#endif
    for (; p < end; p++)
        if (*p < 0x21 || *p == 0x7f || *p == '#' || (unsigned char)*p >= 0x80)
            return p;
    return end;
}

/*
 * Lower-cases token characters in place from p on, up to the first other byte (or `end`), and returns where that is.
 */
static inline char *sp_lower_token(char *p, const char *end)
{
    while (p < end && sp_tchar_lower[(unsigned char)*p]) {
        *p = (char)sp_tchar_lower[(unsigned char)*p];
        p++;
    }
    return p;
}

#endif
