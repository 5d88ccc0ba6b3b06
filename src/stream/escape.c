/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/escape.h"

#include <assert.h>

enum { ROOM = 2048 };

void sp_writer_done(struct sp_writer *w)
{
    assert(w && w->out);
    if (w->start)
        sp_buf_commit(w->out, (size_t)(w->p - w->start));
    w->start = w->p = w->end = NULL;
}

void sp_writer_put_slow(struct sp_writer *w, const char *p, size_t n)
{
    while (n) {
        if (w->p == w->end) {
            size_t room;
            sp_writer_done(w);
            w->start = w->p = sp_buf_reserve(w->out, ROOM, &room);
            w->end = w->start + room;
        }
        size_t k = SP_MIN(n, (size_t)(w->end - w->p));
        assert(w->p);
        memcpy(w->p, p, k);
        w->p += k;
        p += k;
        n -= k;
    }
}

size_t sp_format_u64(uint64_t n, char out[static 20])
{
    size_t len = 1;
    for (uint64_t rest = n; rest >= 10; rest /= 10)
        len++;
    for (size_t k = len; k; n /= 10)
        out[--k] = (char)('0' + n % 10);
    return len;
}

void sp_writer_u64(struct sp_writer *w, uint64_t n)
{
    char digits[20];
    if (SP_LIKELY(w->end - w->p >= (ptrdiff_t)sizeof(digits)))
        w->p += sp_format_u64(n, w->p);
    else
        sp_writer_put(w, digits, sp_format_u64(n, digits));
}

/* Eight bytes at once: the top bit of each that is a control character, '"', '\', DEL or not ASCII. */
static inline uint64_t special(uint64_t x)
{
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    uint64_t quote = x ^ (ones * '"'), slash = x ^ (ones * '\\'), del = x ^ (ones * 0x7f);
    return ((x - ones * 0x20) | (quote - ones) | (slash - ones) | (del - ones) | x) & tops;
}

static inline bool is_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\' || c >= 0x7f;
}

size_t sp_clean_run(struct sp_str s)
{
    size_t i = 0;
    for (; i + 8 <= s.len; i += 8) {
        uint64_t x;
        memcpy(&x, s.ptr + i, 8);
        if (special(x))
            break;
    }
    while (i < s.len && !is_special((unsigned char)s.ptr[i]))
        i++;
    return i;
}

static void put_hex(struct sp_writer *w, unsigned c)
{
    static const char hex[] = "0123456789abcdef";
    char text[] = "\\u0000";
    for (unsigned i = 5; i > 1; i--, c >>= 4)
        text[i] = hex[c & 15];
    sp_writer_put(w, text, 6);
}

/*
 * What is no control character and yet would end a line (U+2028, U+2029) or turn the text behind it round (the embeddings and
 * isolates of Unicode's bidirectional algorithm), so that a line reads as something else; 0 when it is none of these.
 */
static unsigned deceptive(struct sp_str s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    unsigned c = n == 3 ? (p[0] & 15u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u) : 0;
    return (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ? c : 0;
}

/* The character that stands at the start of s, which is special; how many bytes of s that was. */
static size_t put_special(struct sp_writer *w, struct sp_str s, bool json)
{
    unsigned char c = (unsigned char)s.ptr[0];
    size_t n = sp_utf8_char(s);
    if (c == '"' || c == '\\') {
        if (!json)
            sp_writer_put(w, "\\", 1);
        sp_writer_put(w, s.ptr, 1);
    } else if (c < 0x80) {
        if (json)
            sp_writer_put(w, " ", 1);
        else
            put_hex(w, c);
    } else if (n == 2 && c == 0xc2 && (unsigned char)s.ptr[1] < 0xa0) {
        put_hex(w, (unsigned char)s.ptr[1]);
    } else if (n && deceptive(s, n)) {
        put_hex(w, deceptive(s, n));
    } else if (n) {
        sp_writer_put(w, s.ptr, n);
    } else {
        sp_writer_put(w, "\xef\xbf\xbd", 3);
        n = 1;
    }
    return n;
}

/* Copies as it looks. False: there is something special in it, or no room; nothing is written then. */
static inline bool put_clean(struct sp_writer *w, struct sp_str s)
{
    size_t n = s.len, i = 0;
    uint64_t bad = 0, x;
    char *to = w->p;
    if (n > (size_t)(w->end - to))
        return false;
    if (n >= 8) {
        for (; i + 8 <= n; i += 8) {
            memcpy(&x, s.ptr + i, 8);
            memcpy(to + i, &x, 8);
            bad |= special(x);
        }
        memcpy(&x, s.ptr + n - 8, 8); /* what is left, with some of what was there */
        memcpy(to + n - 8, &x, 8);
        bad |= special(x);
    } else {
        for (; i < n; i++) {
            to[i] = s.ptr[i];
            bad |= is_special((unsigned char)s.ptr[i]);
        }
    }
    if (bad)
        return false;
    w->p = to + n;
    return true;
}

static void put_all(struct sp_writer *w, struct sp_str s, bool json)
{
    if (SP_LIKELY(put_clean(w, s)))
        return;
    while (s.len) {
        size_t n = sp_clean_run(s);
        sp_writer_put(w, s.ptr, n);
        if (n == s.len)
            return;
        s = sp_str_n(s.ptr + n, s.len - n);
        n = put_special(w, s, json);
        s = sp_str_n(s.ptr + n, s.len - n);
    }
}

void sp_writer_escaped(struct sp_writer *w, struct sp_str s)
{
    put_all(w, s, false);
}

void sp_writer_json(struct sp_writer *w, struct sp_str s)
{
    put_all(w, s, true);
}
