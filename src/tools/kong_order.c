/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/kong_order.h"

#include <assert.h>

/* Where each of the things that decide stands in the number. */
enum { KINDS_BIT = 61, PLAIN_BIT = 60, HEADERS_BIT = 52, REGEX_BIT = 51, REGEX_PRIORITY_BIT = 19 };
enum { MAX_HEADERS = 255, MAX_LENGTH = (1 << REGEX_PRIORITY_BIT) - 1 };

uint64_t sp_kong_priority(const struct sp_kong_criteria *c)
{
    assert(c);
    uint64_t kinds = (uint64_t)c->methods + c->hosts + c->headers + c->snis + c->path;
    uint64_t p = kinds << KINDS_BIT | (uint64_t)(c->hosts && c->plain_hosts) << PLAIN_BIT;
    p |= (uint64_t)SP_MIN(c->n_headers, (unsigned)MAX_HEADERS) << HEADERS_BIT;
    if (c->regex)
        return p | 1ull << REGEX_BIT | (uint64_t)c->regex_priority << REGEX_PRIORITY_BIT;
    return p | SP_MIN(c->path_len, (size_t)MAX_LENGTH);
}

/* --- hosts --- */

enum kind { ANY, EXACT, SUFFIX, PREFIX };

static enum kind kind_of(struct sp_str pattern, struct sp_str *ret_text)
{
    *ret_text = pattern;
    if (!pattern.len || sp_str_eq(pattern, SP_STR("*")))
        return ANY;
    if (pattern.ptr[0] == '*') {
        *ret_text = sp_str_sub(pattern, 1, pattern.len);
        return SUFFIX;
    }
    if (pattern.ptr[pattern.len - 1] == '*') {
        *ret_text = sp_str_n(pattern.ptr, pattern.len - 1);
        return PREFIX;
    }
    return EXACT;
}

bool sp_kong_covers(struct sp_str pattern, struct sp_str domain)
{
    struct sp_str p, d;
    enum kind pk = kind_of(pattern, &p), dk = kind_of(domain, &d);
    switch (pk) {
    case ANY:
        return true;
    case EXACT:
        return dk == EXACT && sp_str_ieq(p, d);
    case SUFFIX:
        return (dk == EXACT || dk == SUFFIX) && sp_str_iends(d, p);
    case PREFIX:
        return (dk == EXACT || dk == PREFIX) && sp_str_istarts(d, p);
    }
    return false;
}

bool sp_kong_overlaps(struct sp_str pattern, struct sp_str domain)
{
    struct sp_str p, d;
    return kind_of(pattern, &p) == PREFIX && kind_of(domain, &d) == SUFFIX;
}

/* --- paths --- */

static bool path_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr(".-_~/%", c);
}

bool sp_kong_is_regex(struct sp_str path, bool old)
{
    if (path.len && path.ptr[0] == '~')
        return true;
    for (size_t i = 0; old && i < path.len; i++)
        if (!path.ptr[i] || !path_char(path.ptr[i]))
            return true;
    return false;
}

struct sp_str sp_kong_regex(struct sp_str path)
{
    return path.len && path.ptr[0] == '~' ? sp_str_sub(path, 1, path.len) : path;
}

struct sp_str sp_kong_quoted(struct sp_arena *arena, struct sp_str text)
{
    char *out = sp_arena_alloc(arena, 2 * text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (strchr("\\^$.|?*+()[]{}", text.ptr[i]))
            out[n++] = '\\';
        out[n++] = text.ptr[i];
    }
    out[n] = 0;
    return sp_str_n(out, n);
}

/* A substitution's backslashes are its own. */
static struct sp_str literal(struct sp_arena *arena, struct sp_str text)
{
    char *out = sp_arena_alloc(arena, 2 * text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\\')
            out[n++] = '\\';
        out[n++] = text.ptr[i];
    }
    out[n] = 0;
    return sp_str_n(out, n);
}

/* The path goes below `base`, whole. */
static unsigned kept(struct sp_arena *arena, struct sp_str base, struct sp_kong_rewrite *ret)
{
    if (base.len) {
        ret->pattern = SP_STR("^/");
        ret->with = sp_arena_cat(arena, literal(arena, base), SP_STR("/"));
    }
    return 1;
}

static struct sp_str without_slash(struct sp_str path)
{
    return path.len && path.ptr[path.len - 1] == '/' ? sp_str_n(path.ptr, path.len - 1) : path;
}

/*
 * The prefix goes, `base` comes in its place with one slash behind it, but for the prefix alone, which becomes `base`
 * alone: "/foo" to "/api", "/foo/" to "/api/", "/foobar" to "/api/bar".  That slash is the path's first one: it is there in the one
 * case (the first group) and not in the other, where both groups are empty.
 */
static unsigned prefix_stripped(struct sp_arena *arena, struct sp_str path, struct sp_str base, struct sp_kong_rewrite *ret)
{
    struct sp_str rest = sp_kong_quoted(arena, sp_str_sub(without_slash(path), SP_MIN(path.len, 1u), path.len));
    bool alone = base.len && (path.len == 1 || path.ptr[path.len - 1] != '/');
    if (path.len == 1 && !base.len)
        return 1; /* "/" for "/" */
    if (alone)
        ret->pattern = sp_arena_printf(arena, "^/%.*s$|^(/)%.*s/?(.*)$", SP_STR_ARG(rest), SP_STR_ARG(rest));
    else
        ret->pattern = sp_arena_printf(arena, "^/%.*s/?", SP_STR_ARG(rest));
    ret->with = sp_arena_cat(arena, literal(arena, base), alone ? SP_STR("\\1\\2") : SP_STR("/"));
    return 1;
}

/* The same for what an expression matches: two routes, since its own groups have the numbers. */
static unsigned regex_stripped(struct sp_arena *arena, struct sp_str expression, struct sp_str base, struct sp_kong_rewrite *ret)
{
    struct sp_kong_rewrite below = *ret;
    unsigned n = 0;
    below.pattern = sp_arena_printf(arena, "^(?:%.*s)/?", SP_STR_ARG(expression));
    below.with = sp_arena_cat(arena, literal(arena, base), SP_STR("/"));
    if (base.len)
        ret[n++] = (struct sp_kong_rewrite){.kind = SP_KONG_REGEX, .match = sp_arena_printf(arena, "(?:%.*s)", SP_STR_ARG(expression)),
                                            .pattern = SP_STR("^.*$"), .with = literal(arena, base)};
    ret[n++] = below;
    return n;
}

unsigned sp_kong_rewrites(struct sp_arena *arena, struct sp_str path, bool regex, bool strip, struct sp_str base,
                          struct sp_kong_rewrite ret[static SP_KONG_MAX_REWRITES])
{
    assert(arena && ret);
    struct sp_str text = regex ? sp_kong_regex(path) : path.len ? path : SP_STR("/");
    ret[0] = (struct sp_kong_rewrite){.kind = regex ? SP_KONG_REGEX : SP_KONG_PREFIX, .match = text};
    if (regex) /* Kong's are bound to the beginning only, Envoy's to both ends */
        ret[0].match = sp_arena_printf(arena, "(?:%.*s).*", SP_STR_ARG(text));
    if (!strip)
        return kept(arena, base, ret);
    return regex ? regex_stripped(arena, text, base, ret) : prefix_stripped(arena, text, base, ret);
}
