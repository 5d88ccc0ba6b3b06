/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http/headers.h"

#include <assert.h>

#include "http/header_hash.h"

enum { FIRST_CAP = 16, CAP_MAX = 1 << 24 };

static const struct sp_str header_names[SP_H_COUNT] = {
#define X(id, name) [SP_H_##id] = SP_STR_INIT(name),
    SP_HEADER_TABLE(X)
#undef X
};

static inline uint64_t load8(const char *p)
{
    uint64_t w;
    memcpy(&w, p, 8);
    return w;
}

static inline uint32_t load4(const char *p)
{
    uint32_t w;
    memcpy(&w, p, 4);
    return w;
}

/* Two names of the same length n > 1: by overlapping words, as a call of memcmp costs more than the comparison. */
static inline bool same_bytes(const char *a, const char *b, size_t n)
{
    if (n >= 8) {
        for (size_t i = 0; i < n - 8; i += 8)
            if (load8(a + i) != load8(b + i))
                return false;
        return load8(a + n - 8) == load8(b + n - 8);
    }
    if (n >= 4)
        return load4(a) == load4(b) && load4(a + n - 4) == load4(b + n - 4);
    return a[0] == b[0] && a[1] == b[1] && a[n - 1] == b[n - 1];
}

enum sp_header_id sp_header_id(struct sp_str name)
{
    assert(name.ptr || name.len == 0);
    if (name.len < 2)
        return SP_H_OTHER;
    enum sp_header_id id = header_slots[header_slot(name.ptr, name.len)];
    if (header_names[id].len != name.len || !same_bytes(header_names[id].ptr, name.ptr, name.len))
        return SP_H_OTHER;
    return id;
}

struct sp_str sp_header_name(enum sp_header_id id)
{
    assert(id > SP_H_OTHER && id < SP_H_COUNT);
    return header_names[id];
}

void sp_headers_init(struct sp_headers *h, struct sp_arena *arena)
{
    assert(h && arena);
    *h = (struct sp_headers){.arena = arena};
}

void sp_headers_reserve(struct sp_headers *h, unsigned n)
{
    assert(h && h->arena && n <= CAP_MAX);
    if (h->cap - h->n >= n)
        return;
    unsigned cap = SP_MAX(h->n + n, h->cap ? 2 * h->cap : (unsigned)FIRST_CAP);
    assert(cap <= CAP_MAX);
    struct sp_header *v = sp_arena_alloc(h->arena, cap * sizeof(*v));
    if (h->n)
        memcpy(v, h->v, h->n * sizeof(*v));
    h->v = v;
    h->cap = cap;
}

static void add(struct sp_headers *h, enum sp_header_id id, struct sp_str name, struct sp_str value)
{
    sp_headers_reserve(h, 1);
    h->v[h->n++] = (struct sp_header){.name = name, .value = value, .id = (uint8_t)id};
}

void sp_headers_add(struct sp_headers *h, struct sp_str name, struct sp_str value)
{
    assert(h && name.ptr && name.len);
    add(h, sp_header_id(name), name, value);
}

void sp_headers_add_id(struct sp_headers *h, enum sp_header_id id, struct sp_str value)
{
    assert(h);
    add(h, id, sp_header_name(id), value);
}

static struct sp_header *find(const struct sp_headers *h, enum sp_header_id id, struct sp_str name,
                              const struct sp_header *after)
{
    assert(!after || (after >= h->v && after < h->v + h->n));
    for (unsigned i = after ? (unsigned)(after - h->v) + 1 : 0; i < h->n; i++)
        if (h->v[i].id == id && (id != SP_H_OTHER || sp_str_eq(h->v[i].name, name)))
            return &h->v[i];
    return NULL;
}

/* Removes what matches from index `from` on. */
static unsigned remove_from(struct sp_headers *h, enum sp_header_id id, struct sp_str name, unsigned from)
{
    unsigned kept = from;
    for (unsigned i = from; i < h->n; i++) {
        if (h->v[i].id == id && (id != SP_H_OTHER || sp_str_eq(h->v[i].name, name)))
            continue;
        if (kept != i)
            h->v[kept] = h->v[i];
        kept++;
    }
    unsigned removed = h->n - kept;
    h->n = kept;
    return removed;
}

static void set(struct sp_headers *h, enum sp_header_id id, struct sp_str name, struct sp_str value)
{
    struct sp_header *first = find(h, id, name, NULL);
    if (!first) {
        add(h, id, name, value);
        return;
    }
    first->value = value;
    first->never_index = first->secret = false;
    remove_from(h, id, name, (unsigned)(first - h->v) + 1);
}

void sp_headers_set(struct sp_headers *h, struct sp_str name, struct sp_str value)
{
    assert(h && name.ptr && name.len);
    set(h, sp_header_id(name), name, value);
}

void sp_headers_set_id(struct sp_headers *h, enum sp_header_id id, struct sp_str value)
{
    assert(h);
    set(h, id, sp_header_name(id), value);
}

void sp_headers_add_secret(struct sp_headers *h, struct sp_str name, struct sp_str value)
{
    assert(h && name.ptr && name.len);
    add(h, sp_header_id(name), name, value);
    h->v[h->n - 1].never_index = h->v[h->n - 1].secret = true;
}

void sp_headers_set_secret(struct sp_headers *h, struct sp_str name, struct sp_str value)
{
    assert(h);
    sp_headers_remove_alike(h, name);
    sp_headers_add_secret(h, name, value);
}

struct sp_header *sp_headers_find(const struct sp_headers *h, struct sp_str name, const struct sp_header *after)
{
    assert(h);
    return find(h, sp_header_id(name), name, after);
}

struct sp_header *sp_headers_find_id(const struct sp_headers *h, enum sp_header_id id, const struct sp_header *after)
{
    assert(h && id > SP_H_OTHER && id < SP_H_COUNT);
    return find(h, id, SP_STR_NULL, after);
}

struct sp_str sp_headers_get(const struct sp_headers *h, struct sp_str name)
{
    const struct sp_header *line = sp_headers_find(h, name, NULL);
    return line ? line->value : SP_STR_NULL;
}

struct sp_str sp_headers_get_id(const struct sp_headers *h, enum sp_header_id id)
{
    const struct sp_header *line = sp_headers_find_id(h, id, NULL);
    return line ? line->value : SP_STR_NULL;
}

unsigned sp_headers_count(const struct sp_headers *h, struct sp_str name)
{
    unsigned n = 0;
    for (const struct sp_header *line = NULL; (line = sp_headers_find(h, name, line)) != NULL;)
        n++;
    return n;
}

struct sp_str sp_headers_joined(const struct sp_headers *h, struct sp_str name)
{
    const struct sp_header *first = sp_headers_find(h, name, NULL);
    if (!first)
        return SP_STR_NULL;
    size_t len = 0;
    unsigned n = 0;
    for (const struct sp_header *line = first; line; line = sp_headers_find(h, name, line), n++)
        len += line->value.len + 2;
    if (n == 1)
        return first->value;
    char *to = sp_arena_alloc(h->arena, len), *p = to;
    for (const struct sp_header *line = first; line; line = sp_headers_find(h, name, line)) {
        if (p != to)
            p = mempcpy(p, ", ", 2);
        if (line->value.len)
            p = mempcpy(p, line->value.ptr, line->value.len);
    }
    return sp_str_n(to, (size_t)(p - to));
}

unsigned sp_headers_remove(struct sp_headers *h, struct sp_str name)
{
    assert(h);
    return remove_from(h, sp_header_id(name), name, 0);
}

unsigned sp_headers_remove_id(struct sp_headers *h, enum sp_header_id id)
{
    assert(h && id > SP_H_OTHER && id < SP_H_COUNT);
    return remove_from(h, id, SP_STR_NULL, 0);
}

static bool alike(struct sp_str a, struct sp_str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if ((a.ptr[i] == '_' ? '-' : a.ptr[i]) != (b.ptr[i] == '_' ? '-' : b.ptr[i]))
            return false;
    return true;
}

static unsigned remove_alike(struct sp_headers *h, struct sp_str name, bool itself)
{
    unsigned kept = 0, n = h->n;
    for (unsigned i = 0; i < n; i++) {
        if (alike(h->v[i].name, name) && (itself || !sp_str_eq(h->v[i].name, name)))
            continue;
        if (kept != i)
            h->v[kept] = h->v[i];
        kept++;
    }
    h->n = kept;
    return n - kept;
}

unsigned sp_headers_remove_alike(struct sp_headers *h, struct sp_str name)
{
    assert(h && name.len);
    return remove_alike(h, name, true);
}

unsigned sp_headers_remove_lookalikes(struct sp_headers *h, struct sp_str name)
{
    assert(h && name.len);
    return remove_alike(h, name, false);
}

enum sp_header_id sp_header_id_alike(struct sp_str name)
{
    char text[64]; /* no known name is longer */
    if (name.len > sizeof(text) || sp_str_chr(name, '_') < 0)
        return SP_H_OTHER;
    for (size_t i = 0; i < name.len; i++)
        text[i] = name.ptr[i] == '_' ? '-' : name.ptr[i];
    return sp_header_id(sp_str_n(text, name.len));
}

static struct sp_str put(char **at, struct sp_str s)
{
    if (!s.len)
        return s.ptr ? SP_STR("") : SP_STR_NULL;
    char *to = *at;
    *at = mempcpy(to, s.ptr, s.len);
    return sp_str_n(to, s.len);
}

void sp_headers_copy(struct sp_headers *to, struct sp_arena *arena, const struct sp_headers *from)
{
    assert(to && arena && from && to != from);
    size_t len = from->method.len + from->scheme.len + from->authority.len + from->path.len + from->protocol.len;
    for (unsigned i = 0; i < from->n; i++)
        len += from->v[i].value.len + (from->v[i].id == SP_H_OTHER ? from->v[i].name.len : 0);
    char *at = sp_arena_alloc(arena, len);
    *to = *from;
    to->arena = arena;
    to->v = NULL;
    to->n = to->cap = 0;
    to->method = put(&at, from->method);
    to->scheme = put(&at, from->scheme);
    to->authority = put(&at, from->authority);
    to->path = put(&at, from->path);
    to->protocol = put(&at, from->protocol);
    sp_headers_reserve(to, from->n);
    for (unsigned i = 0; i < from->n; i++) {
        struct sp_header *line = &to->v[to->n++];
        *line = from->v[i];
        line->name = line->id == SP_H_OTHER ? put(&at, line->name) : header_names[line->id];
        line->value = put(&at, line->value);
    }
}
