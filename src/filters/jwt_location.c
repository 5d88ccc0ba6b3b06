/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/jwt_location.h"

#include <assert.h>

#include "config/doc.h"
#include "filters/gate.h"

typedef Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtProvider JwtProvider;

static bool headers_init(struct sp_jwt_locations *l, const struct sp_filter_build *build, struct sp_arena *arena,
                         const JwtProvider *msg)
{
    bool good = true;
    l->headers = sp_arena_zalloc(arena, msg->n_from_headers * sizeof(*l->headers));
    for (size_t i = 0; i < msg->n_from_headers; i++) {
        const Envoy__Extensions__Filters__Http__JwtAuthn__V3__JwtHeader *from = msg->from_headers[i];
        struct sp_jwt_header *h = &l->headers[l->n_headers++];
        h->name = sp_gate_header_name(build, arena, from, "name", from->name);
        h->prefix = sp_arena_str(arena, sp_str_c(from->value_prefix));
        good &= h->name.ptr != NULL;
    }
    return good;
}

static struct sp_str *names_init(const struct sp_filter_build *build, struct sp_arena *arena, const JwtProvider *msg,
                                 const char *field, char *const *names, size_t n, bool *good)
{
    struct sp_str *v = sp_arena_zalloc(arena, n * sizeof(*v));
    for (size_t i = 0; i < n; i++) {
        v[i] = sp_arena_str(arena, sp_str_c(names[i]));
        if (!v[i].len) {
            sp_doc_err(build->doc, build->diag, msg, field, (int)i, "an empty name");
            *good = false;
        }
    }
    return v;
}

bool sp_jwt_locations_init(struct sp_jwt_locations *l, const struct sp_filter_build *build, struct sp_arena *arena,
                           const JwtProvider *msg)
{
    assert(l && build && arena && msg);
    static const struct sp_jwt_header bearer = {SP_STR_INIT("authorization"), SP_STR_INIT("Bearer ")};
    static const struct sp_str access_token = SP_STR_INIT("access_token");
    *l = (struct sp_jwt_locations){0};
    if (!msg->n_from_headers && !msg->n_from_params && !msg->n_from_cookies) {
        l->headers = (struct sp_jwt_header *)(uintptr_t)&bearer;
        l->params = (struct sp_str *)(uintptr_t)&access_token;
        l->n_headers = l->n_params = 1;
        return true;
    }
    bool good = headers_init(l, build, arena, msg);
    l->n_params = (unsigned)msg->n_from_params;
    l->params = names_init(build, arena, msg, "from_params", msg->from_params, msg->n_from_params, &good);
    l->n_cookies = (unsigned)msg->n_from_cookies;
    l->cookies = names_init(build, arena, msg, "from_cookies", msg->from_cookies, msg->n_from_cookies, &good);
    return good;
}

/* What was found so far. */
struct found {
    struct sp_str token;
    enum sp_jwt_found how;
};

static void add(struct found *f, struct sp_str token)
{
    if (f->how == SP_JWT_FOUND_NONE) {
        f->token = token;
        f->how = SP_JWT_FOUND_ONE;
    } else if (!sp_str_eq(f->token, token)) {
        f->how = SP_JWT_FOUND_MANY;
    }
}

static bool token_char(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
        c == '.';
}

/*
 * As Envoy: the prefix may stand anywhere, and what cannot begin a token behind it is skipped.  But what stands in
 * front of Authorization's value is a scheme, whose case does not count (RFC 9110 section 11.1): else "bearer" would be
 * no token here and one to the origin.
 */
static bool behind_prefix(const struct sp_jwt_header *l, struct sp_str value, struct sp_str *ret)
{
    ptrdiff_t at = 0;
    if (!l->prefix.len) {
        *ret = value;
        return true;
    }
    if (!sp_str_eq(l->name, SP_STR("authorization")) || !sp_str_istarts(value, l->prefix))
        at = sp_str_find(value, l->prefix);
    if (at < 0)
        return false;
    size_t from = (size_t)at + l->prefix.len;
    while (from < value.len && !token_char(value.ptr[from]))
        from++;
    *ret = from < value.len ? sp_str_sub(value, from, value.len) : value;
    return true;
}

static void find_header(const struct sp_jwt_header *l, const struct sp_headers *h, struct found *f)
{
    struct sp_str token;
    for (const struct sp_header *line = NULL; (line = sp_headers_find(h, l->name, line));)
        if (line->value.len && behind_prefix(l, line->value, &token))
            add(f, token);
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10
        : -1;
}

/* Percent-decoded; what is no escape stays as it is. */
static struct sp_str decoded(struct sp_str text, struct sp_arena *arena)
{
    if (sp_str_chr(text, '%') < 0)
        return text;
    char *out = sp_arena_alloc(arena, text.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        int hi = -1, lo = -1;
        if (text.ptr[i] == '%' && i + 2 < text.len) {
            hi = hex(text.ptr[i + 1]);
            lo = hex(text.ptr[i + 2]);
        }
        out[n++] = hi >= 0 && lo >= 0 ? (char)(hi << 4 | lo) : text.ptr[i];
        i += hi >= 0 && lo >= 0 ? 2 : 0;
    }
    return sp_str_n(out, n);
}

static bool one_of(const struct sp_str *names, unsigned n, struct sp_str name)
{
    for (unsigned i = 0; i < n; i++)
        if (sp_str_eq(names[i], name))
            return true;
    return false;
}

/* "a=b" to its two sides; without '=' the value is empty. */
static struct sp_str side(struct sp_str pair, bool value)
{
    ptrdiff_t eq = sp_str_chr(pair, '=');
    if (eq < 0)
        return value ? SP_STR("") : pair;
    return value ? sp_str_sub(pair, (size_t)eq + 1, pair.len) : sp_str_sub(pair, 0, (size_t)eq);
}

static struct sp_str query_of(struct sp_str path)
{
    ptrdiff_t fragment = sp_str_chr(path, '#');
    if (fragment >= 0)
        path = sp_str_sub(path, 0, (size_t)fragment);
    ptrdiff_t at = sp_str_chr(path, '?');
    return at < 0 ? SP_STR_NULL : sp_str_sub(path, (size_t)at + 1, path.len);
}

static void find_params(const struct sp_jwt_locations *l, const struct sp_headers *h, struct sp_arena *arena,
                        struct found *f)
{
    struct sp_str rest = query_of(h->path), pair;
    while (sp_str_split(&rest, '&', &pair))
        if (one_of(l->params, l->n_params, decoded(side(pair, false), arena)))
            add(f, decoded(side(pair, true), arena));
}

static struct sp_str unquoted(struct sp_str value)
{
    bool quoted = value.len >= 2 && value.ptr[0] == '"' && value.ptr[value.len - 1] == '"';
    return quoted ? sp_str_sub(value, 1, value.len - 1) : value;
}

static void find_cookies(const struct sp_jwt_locations *l, const struct sp_headers *h, struct found *f)
{
    for (const struct sp_header *line = NULL; (line = sp_headers_find_id(h, SP_H_COOKIE, line));) {
        struct sp_str rest = line->value, pair;
        while (sp_str_split(&rest, ';', &pair))
            if (one_of(l->cookies, l->n_cookies, sp_str_trim(side(pair, false))))
                add(f, unquoted(sp_str_trim(side(pair, true))));
    }
}

enum sp_jwt_found sp_jwt_locate(const struct sp_jwt_locations *l, const struct sp_headers *h, struct sp_arena *arena,
                                struct sp_str *ret_token)
{
    assert(l && h && arena && ret_token);
    struct found f = {SP_STR_NULL, SP_JWT_FOUND_NONE};
    for (unsigned i = 0; i < l->n_headers; i++)
        find_header(&l->headers[i], h, &f);
    if (l->n_params)
        find_params(l, h, arena, &f);
    if (l->n_cookies)
        find_cookies(l, h, &f);
    if (f.how == SP_JWT_FOUND_ONE)
        *ret_token = f.token;
    return f.how;
}

/* Whether any line of the header carries a token in this place. */
static bool carries(const struct sp_jwt_header *l, const struct sp_headers *h)
{
    struct found f = {SP_STR_NULL, SP_JWT_FOUND_NONE};
    find_header(l, h, &f);
    return f.how != SP_JWT_FOUND_NONE;
}

/* Copies `list` without the items whose names are among `names`; true when any was left out. */
static bool filter(struct sp_str list, char sep, const struct sp_str *names, unsigned n, struct sp_arena *arena,
                   struct sp_str *ret)
{
    char *out = sp_arena_alloc(arena, list.len + 1);
    size_t len = 0;
    bool left_out = false;
    struct sp_str item;
    while (sp_str_split(&list, sep, &item)) {
        struct sp_str name = side(item, false);
        if (one_of(names, n, sep == ';' ? sp_str_trim(name) : decoded(name, arena))) {
            left_out = true;
            continue;
        }
        if (len)
            out[len++] = sep;
        memcpy(out + len, item.ptr, item.len);
        len += item.len;
    }
    *ret = sp_str_n(out, len);
    return left_out;
}

static void remove_params(const struct sp_jwt_locations *l, struct sp_headers *h)
{
    struct sp_str query = query_of(h->path), kept;
    if (!query.len || !filter(query, '&', l->params, l->n_params, h->arena, &kept))
        return;
    size_t at = (size_t)(query.ptr - h->path.ptr);
    struct sp_str before = sp_str_sub(h->path, 0, kept.len ? at : at - 1);
    struct sp_str behind = sp_str_sub(h->path, at + query.len, h->path.len);
    h->path = sp_arena_cat(h->arena, sp_arena_cat(h->arena, before, kept), behind);
}

static void remove_cookies(const struct sp_jwt_locations *l, struct sp_headers *h)
{
    struct sp_str kept;
    bool empty = false;
    for (struct sp_header *line = NULL; (line = sp_headers_find_id(h, SP_H_COOKIE, line));) {
        if (!filter(line->value, ';', l->cookies, l->n_cookies, h->arena, &kept))
            continue;
        line->value = sp_str_trim(kept);
        empty |= line->value.len == 0;
    }
    if (!empty)
        return;
    /* Lines that held nothing else go. */
    struct sp_headers all = *h;
    h->n = 0;
    for (unsigned i = 0; i < all.n; i++)
        if (all.v[i].id != SP_H_COOKIE || all.v[i].value.len)
            h->v[h->n++] = all.v[i];
}

void sp_jwt_remove(const struct sp_jwt_locations *l, struct sp_headers *h)
{
    assert(l && h);
    for (unsigned i = 0; i < l->n_headers; i++)
        if (carries(&l->headers[i], h))
            sp_headers_remove(h, l->headers[i].name);
    if (l->n_params)
        remove_params(l, h);
    if (l->n_cookies)
        remove_cookies(l, h);
}
