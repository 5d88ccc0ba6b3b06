/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/str.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "base/mem.h"

static uint64_t hash_seed;
static pthread_once_t hash_once = PTHREAD_ONCE_INIT;

static void hash_seed_init(void)
{
    /* A failure leaves a fixed seed: tables still work, only flooding resistance is lost. */
    if (getrandom(&hash_seed, sizeof(hash_seed), 0) != (ssize_t)sizeof(hash_seed))
        hash_seed = 0x9e3779b97f4a7c15u;
}

static inline uint64_t mix(uint64_t a, uint64_t b)
{
    unsigned __int128 r = (unsigned __int128)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

uint64_t sp_str_hash(struct sp_str s)
{
    assert(s.ptr || s.len == 0);
    pthread_once(&hash_once, hash_seed_init);
    uint64_t h = hash_seed ^ (s.len * 0xa0761d6478bd642fu);
    const char *p = s.ptr;
    size_t n = s.len;
    while (n >= 8) {
        uint64_t w;
        memcpy(&w, p, 8);
        h = mix(h ^ w, 0xe7037ed1a0b428dbu);
        p += 8;
        n -= 8;
    }
    uint64_t tail = 0;
    if (n)
        memcpy(&tail, p, n);
    return mix(h ^ tail, 0x8ebc6af09c88c6e3u);
}

bool sp_str_ieq(struct sp_str a, struct sp_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (sp_ascii_lower(a.ptr[i]) != sp_ascii_lower(b.ptr[i]))
            return false;
    return true;
}

int sp_str_cmp(struct sp_str a, struct sp_str b)
{
    size_t n = SP_MIN(a.len, b.len);
    int r = n ? memcmp(a.ptr, b.ptr, n) : 0;
    if (r)
        return r;
    return a.len < b.len ? -1 : a.len > b.len;
}

bool sp_str_starts(struct sp_str s, struct sp_str prefix)
{
    return s.len >= prefix.len && sp_str_eq(sp_str_n(s.ptr, prefix.len), prefix);
}

bool sp_str_ends(struct sp_str s, struct sp_str suffix)
{
    return s.len >= suffix.len && sp_str_eq(sp_str_n(s.ptr + (s.len - suffix.len), suffix.len), suffix);
}

bool sp_str_istarts(struct sp_str s, struct sp_str prefix)
{
    return s.len >= prefix.len && sp_str_ieq(sp_str_n(s.ptr, prefix.len), prefix);
}

bool sp_str_iends(struct sp_str s, struct sp_str suffix)
{
    return s.len >= suffix.len && sp_str_ieq(sp_str_n(s.ptr + (s.len - suffix.len), suffix.len), suffix);
}

ptrdiff_t sp_str_chr(struct sp_str s, char c)
{
    const char *p = s.len ? memchr(s.ptr, c, s.len) : NULL;
    return p ? p - s.ptr : -1;
}

ptrdiff_t sp_str_find(struct sp_str s, struct sp_str needle)
{
    if (needle.len == 0)
        return 0;
    const char *p = s.len ? memmem(s.ptr, s.len, needle.ptr, needle.len) : NULL;
    return p ? p - s.ptr : -1;
}

struct sp_str sp_str_sub(struct sp_str s, size_t from, size_t to)
{
    from = SP_MIN(from, s.len);
    to = SP_MIN(to, s.len);
    return to <= from ? SP_STR_NULL : sp_str_n(s.ptr + from, to - from);
}

struct sp_str sp_str_trim(struct sp_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool sp_str_split(struct sp_str *s, char sep, struct sp_str *ret_token)
{
    assert(s && ret_token);
    if (!s->ptr)
        return false;
    ptrdiff_t i = sp_str_chr(*s, sep);
    if (i < 0) {
        *ret_token = *s;
        *s = SP_STR_NULL;
        return true;
    }
    *ret_token = sp_str_n(s->ptr, (size_t)i);
    *s = sp_str_n(s->ptr + i + 1, s->len - (size_t)i - 1);
    return true;
}

int sp_str_u64(struct sp_str s, uint64_t max, uint64_t *ret_value)
{
    assert(ret_value);
    if (s.len == 0)
        return -EINVAL;
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return -EINVAL;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(s.ptr[i] - '0'), &v))
            return -ERANGE;
    }
    if (v > max)
        return -ERANGE;
    *ret_value = v;
    return 0;
}

char *sp_str_dup(struct sp_str s)
{
    char *p = sp_xmalloc(s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return p;
}

unsigned sp_str_distance(struct sp_str a, struct sp_str b, unsigned limit)
{
    enum { MAX = 96 };
    size_t diff = a.len > b.len ? a.len - b.len : b.len - a.len;
    if (a.len > MAX || b.len > MAX || diff > limit)
        return limit + 1;
    unsigned rows[3][MAX + 1];
    for (size_t j = 0; j <= b.len; j++)
        rows[0][j] = (unsigned)j;
    for (size_t i = 1; i <= a.len; i++) {
        unsigned *cur = rows[i % 3], *prev = rows[(i - 1) % 3], *prev2 = rows[(i + 1) % 3];
        cur[0] = (unsigned)i;
        for (size_t j = 1; j <= b.len; j++) {
            unsigned best = prev[j - 1] + (a.ptr[i - 1] != b.ptr[j - 1]);
            best = SP_MIN(best, prev[j] + 1);
            best = SP_MIN(best, cur[j - 1] + 1);
            if (i > 1 && j > 1 && a.ptr[i - 1] == b.ptr[j - 2] && a.ptr[i - 2] == b.ptr[j - 1])
                best = SP_MIN(best, prev2[j - 2] + 1);
            cur[j] = best;
        }
    }
    unsigned d = rows[a.len % 3][b.len];
    return SP_MIN(d, limit + 1);
}

size_t sp_utf8_char(struct sp_str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    assert(s.len);
    if (p[0] < 0x80)
        return 1;
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || s.len < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* U+0080-9F, and U+061C, 200E, 200F, 2028-202E, 2066-2069 in UTF-8. */
bool sp_utf8_shown(struct sp_str c)
{
    const unsigned char *p = (const unsigned char *)c.ptr;
    assert(c.len);
    if (c.len == 1)
        return p[0] >= 0x20 && p[0] < 0x7f;
    if (c.len == 2)
        return !(p[0] == 0xc2 && p[1] < 0xa0) && !(p[0] == 0xd8 && p[1] == 0x9c);
    if (c.len != 3 || p[0] != 0xe2)
        return true;
    return !(p[1] == 0x80 && (p[2] == 0x8e || p[2] == 0x8f || (p[2] >= 0xa8 && p[2] <= 0xae))) &&
           !(p[1] == 0x81 && p[2] >= 0xa6 && p[2] <= 0xa9);
}

void sp_text_tame(char *text, size_t len)
{
    for (size_t i = 0, n; i < len; i += n) {
        struct sp_str c = sp_str_n(text + i, len - i);
        n = (unsigned char)text[i] < 0x80 ? 1 : sp_utf8_char(c);
        bool good = n && sp_utf8_shown(sp_str_n(text + i, n));
        n = n ? n : 1;
        if (!good)
            memset(text + i, '?', n);
    }
}

size_t sp_text_line(char *out, size_t room, const char *fmt, va_list ap)
{
    assert(out && room > 2 && fmt && fmt[0]);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    int n = vsnprintf(out, room, fmt, ap);
#pragma GCC diagnostic pop
    assert(n >= 0);
    size_t len = (size_t)n < room ? (size_t)n : room - 1;
    sp_text_tame(out, len);
    if (len && fmt[0] == '\n')
        out[0] = '\n';
    if (len && fmt[strlen(fmt) - 1] == '\n')
        out[len - 1] = '\n';
    return len;
}

char *sp_utf8_put(char *out, unsigned v)
{
    if (v < 0x80) {
        *out++ = (char)v;
    } else if (v < 0x800) {
        *out++ = (char)(0xc0 | v >> 6);
        *out++ = (char)(0x80 | (v & 0x3f));
    } else if (v < 0x10000) {
        *out++ = (char)(0xe0 | v >> 12);
        *out++ = (char)(0x80 | (v >> 6 & 0x3f));
        *out++ = (char)(0x80 | (v & 0x3f));
    } else {
        *out++ = (char)(0xf0 | v >> 18);
        *out++ = (char)(0x80 | (v >> 12 & 0x3f));
        *out++ = (char)(0x80 | (v >> 6 & 0x3f));
        *out++ = (char)(0x80 | (v & 0x3f));
    }
    return out;
}
