/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/kong_node.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

/* --- remarks --- */

void sp_kong_file_done(struct sp_kong_file *f)
{
    assert(f);
    free(f->remarks);
    sp_arena_done_wipe(&f->arena);
}

static void add(struct sp_kong_file *f, const struct sp_node *at, bool dropped, const char *fmt, va_list ap)
{
    char text[1024];
    if (f->n == f->cap) {
        f->cap = f->cap ? 2 * f->cap : 32;
        f->remarks = sp_xrealloc(f->remarks, f->cap * sizeof(*f->remarks));
    }
    vsnprintf(text, sizeof(text), fmt, ap);
    sp_text_tame(text, strlen(text));
    f->remarks[f->n++] = (struct sp_kong_remark){at ? at->line : 0, at ? at->column : 0, dropped, sp_arena_str(&f->arena, sp_str_c(text))};
    f->n_dropped += dropped;
}

void sp_kong_drop(struct sp_kong_file *f, const struct sp_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(f, at, true, fmt, ap);
    va_end(ap);
}

void sp_kong_note(struct sp_kong_file *f, const struct sp_node *at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(f, at, false, fmt, ap);
    va_end(ap);
}

static int by_place(const void *x, const void *y)
{
    const struct sp_kong_remark *a = x, *b = y;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    if (a->column != b->column)
        return a->column < b->column ? -1 : 1;
    return sp_str_cmp(a->what, b->what);
}

void sp_kong_tell(struct sp_kong_file *f, FILE *to)
{
    assert(f && to);
    if (f->n)
        qsort(f->remarks, f->n, sizeof(*f->remarks), by_place);
    for (unsigned i = 0; i < f->n; i++) {
        const struct sp_kong_remark *r = &f->remarks[i];
        if (i && by_place(r, r - 1) == 0) { /* of a plugin that several routes have */
            f->n_dropped -= r->dropped;
            continue;
        }
        fputs(f->name, to);
        if (r->line)
            fprintf(to, ":%u:%u", r->line, r->column);
        fprintf(to, ": %s: %.*s\n", r->dropped ? "not carried over" : "differs", SP_STR_ARG(r->what));
    }
}

/* --- values --- */

const struct sp_node *sp_kong_get(const struct sp_node *map, const char *key)
{
    if (!map || map->kind != SP_NODE_MAP)
        return NULL;
    for (unsigned i = 0; i < map->n; i++)
        if (sp_str_eq(map->pairs[i].key, sp_str_c(key)))
            return map->pairs[i].value->kind == SP_NODE_NULL ? NULL : map->pairs[i].value;
    return NULL;
}

static bool is_scalar(const struct sp_node *n)
{
    return n && n->kind != SP_NODE_LIST && n->kind != SP_NODE_MAP && n->kind != SP_NODE_NULL;
}

struct sp_str sp_kong_text(const struct sp_node *scalar)
{
    return is_scalar(scalar) ? scalar->text : SP_STR_NULL;
}

struct sp_str sp_kong_str(const struct sp_node *map, const char *key, struct sp_str otherwise)
{
    const struct sp_node *n = sp_kong_get(map, key);
    return is_scalar(n) ? n->text : otherwise;
}

uint64_t sp_kong_u64(const struct sp_node *map, const char *key, uint64_t otherwise)
{
    uint64_t v;
    struct sp_str s = sp_kong_str(map, key, SP_STR_NULL);
    ptrdiff_t dot = sp_str_chr(s, '.'); /* 60000.0, as some tools write it */
    return s.len && sp_str_u64(dot > 0 ? sp_str_n(s.ptr, (size_t)dot) : s, UINT64_MAX, &v) == 0 ? v : otherwise;
}

bool sp_kong_bool(const struct sp_node *map, const char *key, bool otherwise)
{
    const struct sp_node *n = sp_kong_get(map, key);
    return n && n->kind == SP_NODE_BOOL ? sp_node_true(n) : otherwise;
}

unsigned sp_kong_count(const struct sp_node *list)
{
    return !list ? 0 : list->kind == SP_NODE_LIST ? list->n : is_scalar(list) ? 1 : 0;
}

const struct sp_node *sp_kong_item(const struct sp_node *list, unsigned i)
{
    assert(i < sp_kong_count(list));
    return list->kind == SP_NODE_LIST ? list->items[i] : list;
}

struct sp_str sp_kong_item_str(const struct sp_node *list, unsigned i)
{
    return sp_kong_text(sp_kong_item(list, i));
}

bool sp_kong_has(const struct sp_node *list, struct sp_str value)
{
    for (unsigned i = 0; i < sp_kong_count(list); i++)
        if (sp_str_eq(sp_kong_item_str(list, i), value))
            return true;
    return false;
}

bool sp_kong_same(const struct sp_node *a, const struct sp_node *b)
{
    if (a == b || !a || !b)
        return a == b;
    if (a->kind != b->kind)
        return false;
    if (a->kind != SP_NODE_LIST && a->kind != SP_NODE_MAP)
        return a->kind == SP_NODE_NULL || sp_str_eq(a->text, b->text);
    if (a->n != b->n)
        return false;
    for (unsigned i = 0; i < a->n; i++) {
        bool same = a->kind == SP_NODE_LIST ? sp_kong_same(a->items[i], b->items[i])
                                            : sp_str_eq(a->pairs[i].key, b->pairs[i].key) && sp_kong_same(a->pairs[i].value, b->pairs[i].value);
        if (!same)
            return false;
    }
    return true;
}

unsigned sp_kong_members(const struct sp_node *map)
{
    return map && map->kind == SP_NODE_MAP ? map->n : 0;
}

/* --- what nobody asked for --- */

/* Of every entity. */
static const char always[] = "id name tags created_at updated_at instance_name _comment ws_id";

static bool says_nothing(const struct sp_node *v)
{
    if (v->kind == SP_NODE_NULL || ((v->kind == SP_NODE_LIST || v->kind == SP_NODE_MAP) && v->n == 0))
        return true;
    if (v->kind != SP_NODE_MAP)
        return false;
    for (unsigned i = 0; i < v->n; i++) /* decK writes out empty ones */
        if (!says_nothing(v->pairs[i].value))
            return false;
    return true;
}

/* Whether `word` of the list takes this key and its value. */
static bool takes(struct sp_str word, struct sp_str key, const struct sp_node *v)
{
    ptrdiff_t equals = sp_str_chr(word, '=');
    if (equals < 0)
        return sp_str_eq(word, key);
    if (!sp_str_eq(sp_str_n(word.ptr, (size_t)equals), key))
        return false;
    struct sp_str want = sp_str_sub(word, (size_t)equals + 1, word.len);
    struct sp_str have = v->kind == SP_NODE_LIST && v->n == 1 ? sp_kong_text(v->items[0]) : sp_kong_text(v);
    return v->kind == SP_NODE_BOOL ? sp_node_true(v) == sp_str_eq(want, SP_STR("true")) : sp_str_eq(have, want);
}

static bool listed(struct sp_str list, struct sp_str key, const struct sp_node *v)
{
    struct sp_str word;
    while (sp_str_split(&list, ' ', &word))
        if (word.len && takes(word, key, v))
            return true;
    return false;
}

void sp_kong_known(struct sp_kong_file *f, const struct sp_node *map, struct sp_str what, const char *known)
{
    assert(f && known);
    for (unsigned i = 0; i < sp_kong_members(map); i++) {
        const struct sp_pair *p = &map->pairs[i];
        if (says_nothing(p->value) || listed(sp_str_c(known), p->key, p->value) || listed(sp_str_c(always), p->key, p->value))
            continue;
        const struct sp_node at = {.line = p->line, .column = p->column};
        sp_kong_drop(f, &at, "%.*s: %.*s", SP_STR_ARG(what), SP_STR_ARG(p->key));
    }
}
