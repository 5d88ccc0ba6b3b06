/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/path.h"

#include <assert.h>

#include "http/chars.h"

/* What a byte of a path needs. Unreserved characters (RFC 3986 section 2.3) are those whose escapes are decoded. */
enum { ESCAPE, PASS, UNRESERVED };

static const uint8_t classes[128] = {
    ['!'] = PASS, ['$'] = PASS, ['%'] = PASS, ['&'] = PASS, ['\''] = PASS, ['('] = PASS, [')'] = PASS, ['*'] = PASS,
    ['+'] = PASS, [','] = PASS, ['/'] = PASS, [':'] = PASS, [';'] = PASS, ['='] = PASS, ['@'] = PASS, ['['] = PASS,
    ['\\'] = PASS, [']'] = PASS,
    ['-'] = UNRESERVED, ['.'] = UNRESERVED, ['_'] = UNRESERVED, ['~'] = UNRESERVED,
    ['0' ... '9'] = UNRESERVED, ['A' ... 'Z'] = UNRESERVED, ['a' ... 'z'] = UNRESERVED,
};

static inline unsigned class_of(char c)
{
    return (unsigned char)c < 128 ? classes[(unsigned char)c] : ESCAPE;
}

static inline bool is_slash(char c)
{
    return c == '/' || c == '\\';
}

/* The byte that the escape at `at` stands for, or -1. */
static int decoded(struct sp_str s, size_t at)
{
    if (at + 2 >= s.len || s.ptr[at] != '%')
        return -1;
    int high = sp_hex_value(s.ptr[at + 1]), low = sp_hex_value(s.ptr[at + 2]);
    return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Bytes that make a look worth while: 1 in themselves, 2 behind a slash. */
static const uint8_t notable[256] = {
    [0 ... 0x20] = 1, ['"'] = 1, ['%'] = 1, ['<'] = 1, ['>'] = 1, ['\\'] = 1, ['^'] = 1, ['`'] = 1,
    ['{' ... '}'] = 1, [0x7f ... 0xff] = 1, ['?'] = 1, ['.'] = 2, ['/'] = 2,
};

/* What the path may need, at a glance. */
struct glance {
    bool work;    /* normalize_path has something to do */
    bool doubled; /* two slashes side by side */
    size_t len;   /* of the path without its query */
};

static struct glance look(struct sp_str s)
{
    struct glance g = {.len = s.len};
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (SP_LIKELY(!notable[c]))
            continue;
        if (c == '?') {
            g.len = i;
            break;
        }
        bool slash = i && is_slash(s.ptr[i - 1]);
        g.work |= notable[c] == 1 || (c == '.' && slash);
        g.doubled |= c == '/' && slash;
    }
    return g;
}

/* Number of dots if the segment at `at` is a dot segment, and where it ends: at its slash or the path's end. */
static unsigned dot_segment(struct sp_str s, size_t at, size_t *ret_end)
{
    unsigned dots = 0;
    while (at < s.len) {
        if (s.ptr[at] == '.')
            at++;
        else if (decoded(s, at) == '.')
            at += 3;
        else
            break;
        dots++;
    }
    if (dots == 0 || dots > 2 || (at < s.len && !is_slash(s.ptr[at]) && s.ptr[at] != ';'))
        return 0;
    while (at < s.len && !is_slash(s.ptr[at]))
        at++;
    *ret_end = at;
    return dots;
}

/* Output under construction: `out` holds three bytes for each of the input. */
struct work {
    struct sp_str in;
    size_t at;
    char *out;
    size_t n;
    size_t bare; /* where a '%' was written that begins no escape; SIZE_MAX: none */
};

/* "/a/b/" -> "/a/"; the root stays. */
static void up(struct work *w)
{
    assert(w->n && w->out[w->n - 1] == '/');
    if (w->n > 1)
        w->n--;
    while (w->out[w->n - 1] != '/')
        w->n--;
}

/*
 * A decoded character must not make an escape out of a '%' that was none ("%%32e"): who decodes the result again would
 * see what was never checked. Such a '%' becomes %25.
 */
static void guard_bare_percent(struct work *w)
{
    if (w->bare == SIZE_MAX || w->n - w->bare > 3)
        return;
    size_t have = w->n - w->bare - 1;
    char next = w->at < w->in.len ? w->in.ptr[w->at] : 0;
    char a = w->out[w->bare + 1], b = have > 1 ? w->out[w->bare + 2] : next;
    if (have == 1 && next == '%') {
        int value = decoded(w->in, w->at);
        b = value >= 0 && value < 128 && class_of((char)value) == UNRESERVED ? (char)value : 0;
    }
    if (sp_hex_value(a) < 0 || sp_hex_value(b) < 0)
        return;
    memmove(w->out + w->bare + 3, w->out + w->bare + 1, have);
    memcpy(w->out + w->bare + 1, "25", 2);
    w->n += 2;
    w->bare = SIZE_MAX;
}

static void put_escaped(struct work *w, unsigned char c)
{
    static const char hex[] = "0123456789ABCDEF";
    w->out[w->n++] = '%';
    w->out[w->n++] = hex[c >> 4];
    w->out[w->n++] = hex[c & 15];
}

/* The '%' at w->at. False: it is refused. */
static bool put_percent(struct work *w)
{
    int value = decoded(w->in, w->at);
    if (value == 0)
        return false;
    if (value < 0) {
        w->bare = w->n;
        w->out[w->n++] = '%';
        w->at++;
    } else if (value < 128 && class_of((char)value) == UNRESERVED) {
        w->out[w->n++] = (char)value;
        w->at += 3;
        guard_bare_percent(w);
    } else {
        memcpy(w->out + w->n, w->in.ptr + w->at, 3);
        w->n += 3;
        w->at += 3;
    }
    return true;
}

/* Dot segments that stand at w->at, each with the slash behind it. */
static void skip_dot_segments(struct work *w)
{
    size_t end;
    unsigned dots;
    while (w->at < w->in.len && (dots = dot_segment(w->in, w->at, &end)) > 0) {
        if (dots == 2)
            up(w);
        w->bare = SIZE_MAX; /* whatever it guarded is cut off by slashes now */
        w->at = end < w->in.len ? end + 1 : end;
    }
}

static bool canonical(struct work *w)
{
    while (w->at < w->in.len) {
        char c = w->in.ptr[w->at];
        if (is_slash(c)) {
            w->out[w->n++] = '/';
            w->at++;
            skip_dot_segments(w);
        } else if (c == '%') {
            if (!put_percent(w))
                return false;
        } else {
            if (class_of(c) == ESCAPE)
                put_escaped(w, (unsigned char)c);
            else
                w->out[w->n++] = c;
            w->at++;
        }
    }
    return true;
}

/* *s is the path without its query. */
static bool canonicalize(struct sp_arena *arena, struct sp_str *s)
{
    struct work w = {.in = *s, .out = sp_arena_alloc(arena, s->len * 3), .bare = SIZE_MAX};
    if (!canonical(&w))
        return false;
    *s = sp_str_n(w.out, w.n);
    return true;
}

/* Decodes %2F and %5C; whether there were any. */
static bool unescape_slashes(struct sp_arena *arena, struct sp_str *s)
{
    char *out = NULL;
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++) {
        int value = s->ptr[i] == '%' ? decoded(*s, i) : -1;
        if ((value == '/' || value == '\\') && !out) {
            out = sp_arena_alloc(arena, s->len);
            memcpy(out, s->ptr, i);
            n = i;
        }
        if (value == '/' || value == '\\') {
            out[n++] = (char)value;
            i += 2;
        } else if (out) {
            out[n++] = s->ptr[i];
        }
    }
    if (out)
        *s = sp_str_n(out, n);
    return out != NULL;
}

static void merge(struct sp_arena *arena, struct sp_str *s)
{
    char *out = sp_arena_alloc(arena, s->len);
    size_t n = 0;
    for (size_t i = 0; i < s->len; i++)
        if (s->ptr[i] != '/' || n == 0 || out[n - 1] != '/')
            out[n++] = s->ptr[i];
    *s = sp_str_n(out, n);
}

enum sp_path_result sp_path_normalize(const struct sp_path_rules *rules, struct sp_arena *arena, struct sp_str *path)
{
    assert(rules && arena && path && path->len && path->ptr[0] == '/');
    if (memchr(path->ptr, '#', path->len))
        return SP_PATH_REJECT; /* a fragment is never sent (RFC 9110 section 4.2.4), and origins differ on it */
    if (!rules->normalize && !rules->merge_slashes && rules->escaped_slashes == SP_SLASHES_KEEP)
        return SP_PATH_OK;
    struct glance g = look(*path);
    if (!g.work && !(g.doubled && rules->merge_slashes))
        return SP_PATH_OK;
    struct sp_str s = sp_str_sub(*path, 0, g.len), before = s, query = sp_str_sub(*path, g.len, path->len);
    bool found = rules->escaped_slashes != SP_SLASHES_KEEP && unescape_slashes(arena, &s);
    if (found && rules->escaped_slashes == SP_SLASHES_REJECT)
        return SP_PATH_REJECT;
    if (rules->normalize && !canonicalize(arena, &s))
        return SP_PATH_REJECT;
    if (rules->merge_slashes)
        merge(arena, &s);
    if (s.ptr != before.ptr)
        *path = query.len ? sp_arena_cat(arena, s, query) : s;
    return found && rules->escaped_slashes == SP_SLASHES_REDIRECT ? SP_PATH_REDIRECT : SP_PATH_OK;
}
