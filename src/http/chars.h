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

#ifdef SP_CHARS_SSE2
static inline __m128i sp_load16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

/* 0xff for the bytes of v in [from, to], which are ASCII. */
static inline __m128i sp_between(__m128i v, char from, char to)
{
    return _mm_and_si128(_mm_cmpgt_epi8(v, _mm_set1_epi8((char)(from - 1))),
                         _mm_cmplt_epi8(v, _mm_set1_epi8((char)(to + 1))));
}

/* 0xff where a lower-case letter, a digit or '-' stands: what names are made of. */
static inline __m128i sp_plain16(__m128i v)
{
    return _mm_or_si128(_mm_or_si128(sp_between(v, 'a', 'z'), sp_between(v, '0', '9')),
                        _mm_cmpeq_epi8(v, _mm_set1_epi8('-')));
}

/* 0xff where a control character (sp_is_ctl) stands. */
static inline __m128i sp_ctl16(__m128i v)
{
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1f)), v);
    return _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\t')), low),
                        _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f)));
}
#endif

/* Eight bytes without a control character but HTAB, none of which carries into its neighbour. */
static inline bool sp_clean8(const char *p)
{
    const uint64_t ones = 0x0101010101010101u, high = ones * 0x80, rest = ones * 0x7f;
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    uint64_t tab = v ^ ones * '\t', del = v ^ rest;
    uint64_t printable = ((v & rest) + ones * 0x60) | v;
    uint64_t no_tab = ((tab & rest) + rest) | tab, no_del = ((del & rest) + rest) | del;
    return ((printable | ~no_tab) & no_del & high) == high;
}

/* The first control character (sp_is_ctl) in [p, end), or `end`. */
static inline const char *sp_scan_ctl(const char *p, const char *end)
{
#ifdef SP_CHARS_SSE2
    for (; end - p >= 16; p += 16) {
        int mask = _mm_movemask_epi8(sp_ctl16(sp_load16(p)));
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
#else
    while (end - p >= 8 && sp_clean8(p))
        p += 8;
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
        __m128i v = sp_load16(p);
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

/* Whether n bytes hold a control character (sp_is_ctl): for short texts, of which the place does not matter. */
static inline bool sp_has_ctl(const char *p, size_t n)
{
#ifdef SP_CHARS_SSE2
    if (n >= 16) {
        __m128i found = sp_ctl16(sp_load16(p + n - 16)); /* which overlaps the blocks before it */
        for (size_t i = 0; i + 16 <= n; i += 16)
            found = _mm_or_si128(found, sp_ctl16(sp_load16(p + i)));
        return _mm_movemask_epi8(found) != 0;
    }
    if (n >= 8) {
        __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)p);
        __m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8));
        return _mm_movemask_epi8(sp_ctl16(_mm_unpacklo_epi64(first, last))) != 0;
    }
#else
    if (n >= 8) {
        bool clean = sp_clean8(p + n - 8);
        for (size_t i = 0; i + 8 <= n; i += 8)
            clean = clean && sp_clean8(p + i);
        return !clean;
    }
#endif
    for (size_t i = 0; i < n; i++)
        if (sp_is_ctl(p[i]))
            return true;
    return false;
}

/* Whether n bytes are all token characters and no upper-case letters. */
static inline bool sp_is_lower_token(const char *p, size_t n)
{
#ifdef SP_CHARS_SSE2
    /* The usual names at once; what is not among them may still be one. */
    if (n >= 16) {
        __m128i plain = sp_plain16(sp_load16(p + n - 16));
        for (size_t i = 0; i + 16 <= n; i += 16)
            plain = _mm_and_si128(plain, sp_plain16(sp_load16(p + i)));
        if (_mm_movemask_epi8(plain) == 0xffff)
            return true;
    } else if (n >= 8) {
        __m128i first = _mm_loadl_epi64((const __m128i *)(const void *)p);
        __m128i last = _mm_loadl_epi64((const __m128i *)(const void *)(p + n - 8));
        if (_mm_movemask_epi8(sp_plain16(_mm_unpacklo_epi64(first, last))) == 0xffff)
            return true;
    }
#endif
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (!c || sp_tchar_lower[c] != c)
            return false;
    }
    return n > 0;
}

enum { SP_LOWER_PAD = 16 };

/*
 * Lower-cases token characters in place from p on, up to the first other byte (or `end`), and returns where that is.
 * SP_LOWER_PAD bytes behind `end` may be read, and written with what they hold.
 */
static inline char *sp_lower_token(char *p, const char *end)
{
#ifdef SP_CHARS_SSE2
    /* Letters, digits and '-', which is what names are made of, sixteen a step; the loop below does the rest. */
    static const unsigned char before[32] = {255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255};
    for (;;) {
        __m128i v = sp_load16(p);
        __m128i upper = _mm_and_si128(sp_between(v, 'A', 'Z'), _mm_set1_epi8(0x20));
        __m128i low = _mm_or_si128(v, upper);
        unsigned n = (unsigned)__builtin_ctz(~(unsigned)_mm_movemask_epi8(sp_plain16(low)));
        if ((size_t)n > (size_t)(end - p))
            n = (unsigned)(end - p);
        __m128i keep = sp_load16((const char *)before + 16 - n);
        _mm_storeu_si128((__m128i *)(void *)p, _mm_or_si128(v, _mm_and_si128(upper, keep)));
        unsigned colon = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(':')));
        p += n;
        if (colon >> n & 1) /* the usual end, known without another look at memory */
            return p;
        if (n < 16)
            break;
    }
#endif
    while (p < end && sp_tchar_lower[(unsigned char)*p]) {
        *p = (char)sp_tchar_lower[(unsigned char)*p];
        p++;
    }
    return p;
}

#endif
