/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tracing/context.h"

#include <assert.h>
#include <endian.h>

/* --- digits --- */

/* Eight digits at a time: each byte of a word becomes one. */
static uint64_t eight_digits(uint64_t v)
{
    v = (v | v << 16) & 0x0000ffff0000ffffull;
    v = (v | v << 8) & 0x00ff00ff00ff00ffull;
    v = (v | v << 4) & 0x0f0f0f0f0f0f0f0full;
    uint64_t letters = (v + 0x0606060606060606ull) >> 4 & 0x0101010101010101ull;
    return htobe64(v + 0x3030303030303030ull + letters * ('a' - '0' - 10));
}

void sp_trace_hex(uint64_t v, char out[static 16])
{
    uint64_t high = eight_digits(v >> 32), low = eight_digits(v & 0xffffffff);
    memcpy(out, &high, 8);
    memcpy(out + 8, &low, 8);
}

/* A digit's worth; UPPER with it for those of upper case, BAD for what is none. */
enum { UPPER = 0x40, BAD = 0x80 };
static const uint8_t worth[256] = {
    [0 ... '0' - 1] = BAD, ['0'] = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ['9' + 1 ... 'A' - 1] = BAD,
    ['A'] = UPPER | 10, UPPER | 11, UPPER | 12, UPPER | 13, UPPER | 14, UPPER | 15, ['F' + 1 ... 'a' - 1] = BAD,
    ['a'] = 10, 11, 12, 13, 14, 15, ['f' + 1 ... 255] = BAD,
};

bool sp_trace_unhex(const char *s, size_t n, bool strict, uint64_t *ret)
{
    assert(s && n <= 16 && ret);
    uint64_t v = 0;
    uint8_t seen = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t digit = worth[(uint8_t)s[i]];
        seen |= digit;
        v = v << 4 | (digit & 15);
    }
    if (seen & (strict ? UPPER | BAD : BAD))
        return false;
    *ret = v;
    return true;
}

/* --- W3C Trace Context --- */

bool sp_traceparent_parse(struct sp_str value, struct sp_trace_ctx *ret)
{
    assert(ret);
    struct sp_trace_ctx c = {.span = 0};
    uint64_t version, flags;
    const char *s = value.ptr;
    if (value.len < SP_TRACEPARENT_LEN || s[2] != '-' || s[35] != '-' || s[52] != '-')
        return false;
    if (!sp_trace_unhex(s, 2, true, &version) || version == 0xff)
        return false;
    /* Section 2.2.5: of a version to come as much is read as this one has, and more may follow. */
    if (value.len > SP_TRACEPARENT_LEN && (version == 0 || s[SP_TRACEPARENT_LEN] != '-'))
        return false;
    if (!sp_trace_unhex(s + 3, 16, true, &c.trace[0]) || !sp_trace_unhex(s + 19, 16, true, &c.trace[1]) ||
        !sp_trace_unhex(s + 36, 16, true, &c.span) || !sp_trace_unhex(s + 53, 2, true, &flags))
        return false;
    if (!(c.trace[0] | c.trace[1]) || !c.span)
        return false;
    c.sampled = flags & 1;
    c.state = ret->state;
    *ret = c;
    return true;
}

void sp_traceparent_write(const struct sp_trace_ctx *ctx, char out[static SP_TRACEPARENT_LEN])
{
    memcpy(out, "00-", 3);
    sp_trace_hex(ctx->trace[0], out + 3);
    sp_trace_hex(ctx->trace[1], out + 19);
    out[35] = '-';
    sp_trace_hex(ctx->span, out + 36);
    memcpy(out + 52, ctx->sampled ? "-01" : "-00", 3);
}

static bool is_key_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || memchr("_-*/@", c, 5);
}

static bool is_member(struct sp_str m)
{
    ptrdiff_t at = sp_str_chr(m, '=');
    size_t key = at < 0 ? 0 : (size_t)at;
    if (!key || key > 256 || m.len - key - 1 > 256 || key + 1 == m.len)
        return false;
    for (size_t i = 0; i < key; i++)
        if (!is_key_char(m.ptr[i]))
            return false;
    for (size_t i = key + 1; i < m.len; i++)
        if (m.ptr[i] < ' ' || m.ptr[i] > '~' || m.ptr[i] == '=')
            return false;
    return true;
}

/* Of n members those up to `longest` bytes; the total goes to *ret_bytes. */
static unsigned only_short(struct sp_str *v, unsigned n, size_t longest, size_t *ret_bytes)
{
    unsigned kept = 0;
    *ret_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        if (v[i].len > longest)
            continue;
        *ret_bytes += v[i].len + (kept != 0);
        v[kept++] = v[i];
    }
    return kept;
}

static struct sp_str joined(const struct sp_str *v, unsigned n, size_t bytes, struct sp_arena *arena)
{
    char *out = sp_arena_alloc(arena, bytes + 1), *p = out;
    for (unsigned i = 0; i < n; i++) {
        if (i)
            *p++ = ',';
        p = mempcpy(p, v[i].ptr, v[i].len);
    }
    return sp_str_n(out, (size_t)(p - out));
}

struct sp_str sp_tracestate_check(struct sp_str list, struct sp_arena *arena)
{
    assert(arena);
    struct sp_str v[SP_TRACE_STATE_MEMBERS], rest = list, m;
    unsigned n = 0;
    while (sp_str_split(&rest, ',', &m)) {
        m = sp_str_trim(m);
        if (!m.len)
            continue;
        if (n == SP_TRACE_STATE_MEMBERS || !is_member(m))
            return SP_STR_NULL;
        v[n++] = m;
    }
    list = sp_str_trim(list); /* of lines that were joined the last may be empty: no value ends with a space */
    if (list.len <= SP_TRACE_STATE_BYTES)
        return n ? list : SP_STR_NULL;
    size_t bytes;
    n = only_short(v, n, SIZE_MAX, &bytes);
    if (bytes > SP_TRACE_STATE_BYTES)
        n = only_short(v, n, SP_TRACE_STATE_LONG, &bytes);
    while (n && bytes > SP_TRACE_STATE_BYTES) {
        n--;
        bytes -= v[n].len + (n != 0);
    }
    return joined(v, n, bytes, arena);
}

/* One traceparent, or nobody knows which one is meant. */
static bool extract_w3c(const struct sp_headers *h, struct sp_trace_ctx *ret)
{
    const struct sp_header *parent = sp_headers_find_id(h, SP_H_TRACEPARENT, NULL);
    if (SP_LIKELY(!parent) || sp_headers_find_id(h, SP_H_TRACEPARENT, parent) || !sp_traceparent_parse(parent->value, ret))
        return false;
    const struct sp_header *state = sp_headers_find_id(h, SP_H_TRACESTATE, NULL);
    ret->state = SP_STR_NULL;
    if (state)
        ret->state = sp_tracestate_check(sp_headers_joined(h, sp_header_name(SP_H_TRACESTATE)), h->arena);
    return true;
}

static bool has_w3c(const struct sp_headers *h)
{
    for (unsigned i = 0; i < h->n; i++)
        if (h->v[i].id == SP_H_TRACEPARENT || h->v[i].id == SP_H_TRACESTATE)
            return true;
    return false;
}

static void inject_w3c(const struct sp_trace_ctx *ctx, struct sp_headers *h)
{
    char *text = sp_arena_alloc(h->arena, SP_TRACEPARENT_LEN);
    sp_traceparent_write(ctx, text);
    struct sp_str parent = sp_str_n(text, SP_TRACEPARENT_LEN);
    if (has_w3c(h)) { /* a state too, which may belong to another trace */
        sp_headers_set_id(h, SP_H_TRACEPARENT, parent);
        sp_headers_remove_id(h, SP_H_TRACESTATE);
    } else {
        sp_headers_add_id(h, SP_H_TRACEPARENT, parent);
    }
    if (ctx->state.len)
        sp_headers_add_id(h, SP_H_TRACESTATE, ctx->state);
}

/* --- B3 --- */

static const struct sp_str b3_name = SP_STR_INIT("b3"), b3_trace = SP_STR_INIT("x-b3-traceid"), b3_span = SP_STR_INIT("x-b3-spanid"),
                           b3_parent = SP_STR_INIT("x-b3-parentspanid"), b3_sampled = SP_STR_INIT("x-b3-sampled"),
                           b3_flags = SP_STR_INIT("x-b3-flags");

/* 16 digits or 32, lower-case or not: that header is not as strict. */
static bool read_trace(struct sp_str s, struct sp_trace_ctx *c)
{
    bool wide = s.len == 32;
    c->trace[0] = 0;
    if ((!wide && s.len != 16) || (wide && !sp_trace_unhex(s.ptr, 16, false, &c->trace[0])) ||
        !sp_trace_unhex(s.ptr + (wide ? 16 : 0), 16, false, &c->trace[1]))
        return false;
    return c->trace[0] | c->trace[1];
}

static bool read_span(struct sp_str s, uint64_t *ret)
{
    return s.len == 16 && sp_trace_unhex(s.ptr, 16, false, ret) && *ret;
}

/* -1: it says nothing that can be read. */
static int read_sampled(struct sp_str s)
{
    if (sp_str_eq(s, SP_STR("1")) || sp_str_ieq(s, SP_STR("d")) || sp_str_ieq(s, SP_STR("true")))
        return 1;
    return sp_str_eq(s, SP_STR("0")) || sp_str_ieq(s, SP_STR("false")) ? 0 : -1;
}

enum sp_trace_found sp_b3_parse(struct sp_str value, struct sp_trace_ctx *ret)
{
    assert(ret);
    struct sp_trace_ctx c = {.sampled = true}; /* whose decision is left to us */
    struct sp_str part[4], rest = value;
    unsigned n = 0;
    int sampled = read_sampled(value);
    if (sampled >= 0) {
        ret->sampled = sampled;
        return SP_TRACE_FLAG;
    }
    while (n < 4 && sp_str_split(&rest, '-', &part[n]))
        n++;
    if (n < 2 || rest.ptr || !read_trace(part[0], &c) || !read_span(part[1], &c.span))
        return SP_TRACE_NONE;
    sampled = n > 2 ? read_sampled(part[2]) : 1;
    uint64_t parent;
    if (sampled < 0 || (n > 3 && !read_span(part[3], &parent)))
        return SP_TRACE_NONE;
    c.sampled = sampled;
    *ret = c;
    return SP_TRACE_FOUND;
}

/* The only line of that name; a NULL slice when there is none, or several. */
static struct sp_str only(const struct sp_headers *h, struct sp_str name)
{
    const struct sp_header *line = sp_headers_find(h, name, NULL);
    return line && !sp_headers_find(h, name, line) ? line->value : SP_STR_NULL;
}

static enum sp_trace_found extract_b3(const struct sp_headers *h, struct sp_trace_ctx *ret)
{
    struct sp_str value = only(h, b3_name);
    return value.len ? sp_b3_parse(value, ret) : SP_TRACE_NONE;
}

static enum sp_trace_found extract_b3_multi(const struct sp_headers *h, struct sp_trace_ctx *ret)
{
    struct sp_trace_ctx c = {.sampled = true};
    int sampled = sp_str_eq(only(h, b3_flags), SP_STR("1")) ? 1 : read_sampled(only(h, b3_sampled));
    bool known = read_trace(only(h, b3_trace), &c) && read_span(only(h, b3_span), &c.span);
    if (sampled >= 0)
        c.sampled = sampled;
    if (!known && sampled < 0)
        return SP_TRACE_NONE;
    if (known)
        *ret = c;
    ret->sampled = c.sampled;
    return known ? SP_TRACE_FOUND : SP_TRACE_FLAG;
}

static void inject_b3(const struct sp_trace_ctx *ctx, uint64_t parent, struct sp_headers *h)
{
    char *text = sp_arena_alloc(h->arena, 68);
    sp_trace_hex(ctx->trace[0], text);
    sp_trace_hex(ctx->trace[1], text + 16);
    text[32] = '-';
    sp_trace_hex(ctx->span, text + 33);
    memcpy(text + 49, ctx->sampled ? "-1" : "-0", 2);
    if (parent) {
        text[51] = '-';
        sp_trace_hex(parent, text + 52);
    }
    sp_headers_set(h, b3_name, sp_str_n(text, parent ? 68 : 51));
}

static void inject_b3_multi(const struct sp_trace_ctx *ctx, uint64_t parent, struct sp_headers *h)
{
    char *text = sp_arena_alloc(h->arena, 64);
    sp_trace_hex(ctx->trace[0], text);
    sp_trace_hex(ctx->trace[1], text + 16);
    sp_trace_hex(ctx->span, text + 32);
    sp_trace_hex(parent, text + 48);
    sp_headers_set(h, b3_trace, sp_str_n(text, 32));
    sp_headers_set(h, b3_span, sp_str_n(text + 32, 16));
    if (parent)
        sp_headers_set(h, b3_parent, sp_str_n(text + 48, 16));
    else
        sp_headers_remove(h, b3_parent);
    sp_headers_set(h, b3_sampled, ctx->sampled ? SP_STR("1") : SP_STR("0"));
    sp_headers_remove(h, b3_flags);
}

/* --- all of them --- */

enum sp_trace_found sp_trace_extract(const struct sp_propagators *p, const struct sp_headers *h, struct sp_trace_ctx *ret)
{
    assert(p && h && ret);
    enum sp_trace_found best = SP_TRACE_NONE;
    for (unsigned i = 0; i < p->n && best != SP_TRACE_FOUND; i++) {
        enum sp_trace_found found = SP_TRACE_NONE;
        struct sp_trace_ctx c = {.sampled = true};
        if (p->v[i] == SP_PROPAGATE_W3C)
            found = extract_w3c(h, &c) ? SP_TRACE_FOUND : SP_TRACE_NONE;
        else if (p->v[i] == SP_PROPAGATE_B3)
            found = extract_b3(h, &c);
        else
            found = extract_b3_multi(h, &c);
        if (found <= best)
            continue;
        best = found;
        *ret = c;
    }
    return best;
}

void sp_trace_inject(const struct sp_propagators *p, const struct sp_trace_ctx *ctx, uint64_t parent, struct sp_headers *h)
{
    assert(p && ctx && h);
    for (unsigned i = 0; i < p->n; i++) {
        if (p->v[i] == SP_PROPAGATE_W3C)
            inject_w3c(ctx, h);
        else if (p->v[i] == SP_PROPAGATE_B3)
            inject_b3(ctx, parent, h);
        else
            inject_b3_multi(ctx, parent, h);
    }
}
