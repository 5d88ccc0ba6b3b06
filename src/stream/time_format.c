/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/time_format.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

enum { PIECES_MAX = 32, CACHE = 16, CACHED_MAX = 96, SAMPLE_MAX = 160 };
#define NS 1000000000

enum kind { LITERAL, DATE, FRACTION, EPOCH };

struct piece {
    enum kind kind;
    const char *text; /* LITERAL, DATE: NUL-terminated */
    size_t len;
    unsigned digits; /* FRACTION */
    uint64_t id;     /* DATE: of the cache, never used twice in a process */
};

struct sp_time_format {
    bool local;
    unsigned n;
    struct piece pieces[PIECES_MAX];
};

struct cached {
    uint64_t id;
    int64_t second;
    size_t len;
    char text[CACHED_MAX];
};
static _Thread_local struct cached cache[CACHE];

static _Atomic uint64_t next_id = 1;

struct parse {
    struct sp_time_format *f;
    struct sp_arena *arena;
    struct sp_str rest;
    const char *from; /* where the current DATE or LITERAL piece begins */
    bool date;        /* a conversion is in it */
    char *why;
};

static bool add(struct parse *p, struct piece piece)
{
    if (p->f->n == PIECES_MAX) {
        snprintf(p->why, SP_TIME_WHY_MAX, "the time format has too many parts");
        return false;
    }
    p->f->pieces[p->f->n++] = piece;
    return true;
}

/* Ends the current piece in front of the rest. */
static bool flush(struct parse *p)
{
    size_t n = (size_t)(p->rest.ptr - p->from);
    if (!n)
        return true;
    struct sp_str text = sp_arena_str(p->arena, sp_str_n(p->from, n));
    struct piece piece = {p->date ? DATE : LITERAL, text.ptr, text.len, 0, 0};
    if (p->date)
        piece.id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
    p->date = false;
    return add(p, piece);
}

static void skip(struct parse *p, size_t n)
{
    p->rest = sp_str_n(p->rest.ptr + n, p->rest.len - n);
}

/* "%f", "%3f", "%E3S", "%E*S", "%s": what strftime has not, or has otherwise. The length, 0 if it is none of these. */
static size_t own_conversion(struct sp_str s, struct piece pieces[2], unsigned *n)
{
    static const struct piece seconds = {EPOCH, NULL, 0, 0, 0};
    *n = 1;
    if (s.len > 1 && s.ptr[1] == 's') {
        pieces[0] = seconds;
        return 2;
    }
    size_t i = 1;
    bool e = s.len > 3 && s.ptr[1] == 'E' && (s.ptr[3] == 'S' || s.ptr[3] == 'f');
    i += e;
    unsigned digits = 9;
    if (i < s.len && s.ptr[i] >= '1' && s.ptr[i] <= '9')
        digits = (unsigned)(s.ptr[i++] - '0');
    else if (e && s.ptr[i] == '*')
        i++;
    else if (e)
        return 0;
    struct piece fraction = {FRACTION, NULL, 0, digits, 0};
    if (i < s.len && s.ptr[i] == 'f') {
        pieces[0] = fraction;
        return i + 1;
    }
    if (!e || i >= s.len || s.ptr[i] != 'S')
        return 0;
    *n = 2;
    pieces[0] = (struct piece){DATE, "%S.", 3, 0, 0};
    pieces[1] = fraction;
    return i + 1;
}

static bool conversion(struct parse *p)
{
    struct piece pieces[2];
    unsigned n;
    size_t len = own_conversion(p->rest, pieces, &n);
    if (len) {
        if (!flush(p))
            return false;
        for (unsigned i = 0; i < n; i++) {
            if (pieces[i].kind == DATE)
                pieces[i].id = atomic_fetch_add_explicit(&next_id, 1, memory_order_relaxed);
            if (!add(p, pieces[i]))
                return false;
        }
        skip(p, len);
        p->from = p->rest.ptr;
        return true;
    }
    size_t i = 1;
    while (i < p->rest.len && strchr("-_0^#", p->rest.ptr[i]))
        i++;
    char c = i < p->rest.len ? p->rest.ptr[i] : 0;
    if (!c || !strchr("aAbBcCdDeFgGhHIjklmMpPrRSTuUVwWxXyYzZ%", c)) {
        if (c > ' ' && c < 0x7f)
            snprintf(p->why, SP_TIME_WHY_MAX, "%%%c is no conversion of a time format", c);
        else
            snprintf(p->why, SP_TIME_WHY_MAX, "a '%%' at the end of the time format (write %%%%)");
        return false;
    }
    skip(p, i + 1);
    p->date = true;
    return true;
}

static size_t write_date(const struct sp_time_format *f, const struct piece *p, int64_t second, char *out, size_t room)
{
    time_t t = (time_t)second;
    struct tm tm;
    if (f->local)
        localtime_r(&t, &tm);
    else
        gmtime_r(&t, &tm);
    /* The formats come from the config and were tried when it was compiled. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    return strftime(out, room, p->text, &tm);
#pragma GCC diagnostic pop
}

static size_t write_cached(const struct sp_time_format *f, const struct piece *p, int64_t second, char *out, size_t room)
{
    struct cached *c = &cache[p->id % CACHE];
    if (c->id != p->id || c->second != second) {
        size_t n = write_date(f, p, second, out, room);
        if (!n || n > CACHED_MAX)
            return n;
        *c = (struct cached){.id = p->id, .second = second, .len = n};
        memcpy(c->text, out, n);
        return n;
    }
    size_t n = SP_MIN(c->len, room);
    memcpy(out, c->text, n);
    return n;
}

struct sp_time_format *sp_time_format_new(struct sp_str text, bool local, struct sp_arena *arena,
                                          char why[SP_TIME_WHY_MAX])
{
    assert(arena && why);
    struct sp_time_format *f = sp_arena_zalloc(arena, sizeof(*f));
    struct parse p = {f, arena, text, text.ptr, false, why};
    char sample[SP_TIME_TEXT_MAX];
    f->local = local;
    while (p.rest.len) {
        if (p.rest.ptr[0] != '%')
            skip(&p, 1);
        else if (!conversion(&p))
            return NULL;
    }
    if (text.len && !flush(&p))
        return NULL;
    /* A Wednesday in September: the longest names there are. */
    if (sp_time_format_write(f, (int64_t)1695859199 * NS, sample) > SAMPLE_MAX) {
        snprintf(why, SP_TIME_WHY_MAX, "the time format makes a text longer than %d bytes", SAMPLE_MAX);
        return NULL;
    }
    return f;
}

static size_t write_fraction(uint32_t ns, unsigned digits, char *out)
{
    static const uint32_t units[] = {1000000000, 100000000, 10000000, 1000000, 100000, 10000, 1000, 100, 10, 1};
    ns /= units[digits];
    for (unsigned i = digits; i; ns /= 10)
        out[--i] = (char)('0' + ns % 10);
    return digits;
}

size_t sp_time_format_write(const struct sp_time_format *f, int64_t wall_ns, char out[static SP_TIME_TEXT_MAX])
{
    assert(f);
    int64_t second = wall_ns / NS;
    int32_t ns = (int32_t)(wall_ns % NS);
    size_t n = 0;
    if (ns < 0) {
        ns += NS;
        second--;
    }
    for (unsigned i = 0; i < f->n; i++) {
        const struct piece *p = &f->pieces[i];
        size_t room = SP_TIME_TEXT_MAX - n;
        if (p->kind == LITERAL) {
            size_t k = SP_MIN(p->len, room);
            memcpy(out + n, p->text, k);
            n += k;
        } else if (p->kind == DATE) {
            n += write_cached(f, p, second, out + n, room);
        } else if (p->kind == FRACTION) {
            n += room >= p->digits ? write_fraction((uint32_t)ns, p->digits, out + n) : 0;
        } else {
            char digits[24];
            size_t k = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)second);
            k = SP_MIN(k, room);
            memcpy(out + n, digits, k);
            n += k;
        }
    }
    return n;
}
