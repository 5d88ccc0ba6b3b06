/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/node_proto.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_node *sp_node_value(const struct sp_node *map, struct sp_str key)
{
    assert(map);
    for (unsigned i = 0; map->kind == SP_NODE_MAP && i < map->n; i++)
        if (sp_str_eq(map->pairs[i].key, key))
            return map->pairs[i].value;
    return NULL;
}

static int by_key(const void *va, const void *vb)
{
    const struct sp_pair *a = *(const struct sp_pair *const *)va, *b = *(const struct sp_pair *const *)vb;
    int r = sp_str_cmp(a->key, b->key);
    return r ? r : (a > b) - (a < b); /* as they came */
}

/* One list of the values of n pairs; those that are lists themselves give their items. */
static struct sp_node *join(struct sp_arena *arena, const struct sp_pair *const *pairs, size_t n)
{
    struct sp_node *list = sp_arena_zalloc(arena, sizeof(*list));
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += pairs[i]->value->kind == SP_NODE_LIST ? pairs[i]->value->n : 1;
    *list = *pairs[0]->value;
    list->kind = SP_NODE_LIST;
    list->several = true;
    list->n = 0;
    list->items = sp_arena_alloc(arena, total * sizeof(*list->items));
    for (size_t i = 0; i < n; i++) {
        struct sp_node *v = pairs[i]->value;
        if (v->kind != SP_NODE_LIST)
            list->items[list->n++] = v;
        for (unsigned k = 0; v->kind == SP_NODE_LIST && k < v->n; k++)
            list->items[list->n++] = v->items[k];
    }
    list->walk = 1;
    list->height = 0;
    for (unsigned i = 0; i < list->n; i++) {
        list->walk = (uint32_t)SP_MIN((uint64_t)list->walk + list->items[i]->walk, (uint64_t)SP_NODE_MAX + 1);
        list->height = SP_MAX(list->height, list->items[i]->height);
    }
    list->height++;
    return list;
}

void sp_node_gather(struct sp_arena *arena, struct sp_node *map)
{
    assert(arena && map && map->kind == SP_NODE_MAP);
    if (map->n < 2)
        return;
    struct sp_pair **sorted = sp_xmalloc(map->n * sizeof(*sorted));
    for (unsigned i = 0; i < map->n; i++)
        sorted[i] = &map->pairs[i];
    qsort(sorted, map->n, sizeof(*sorted), by_key);
    for (unsigned i = 0, n; i < map->n; i += n) {
        for (n = 1; i + n < map->n && sp_str_eq(sorted[i]->key, sorted[i + n]->key); n++)
            ;
        if (n == 1)
            continue;
        sorted[i]->value = join(arena, (const struct sp_pair *const *)sorted + i, n);
        for (unsigned k = 1; k < n; k++)
            sorted[i + k]->value = NULL;
    }
    free(sorted);
    unsigned kept = 0;
    for (unsigned i = 0; i < map->n; i++)
        if (map->pairs[i].value)
            map->pairs[kept++] = map->pairs[i];
    map->n = kept;
}

static struct sp_node *made(struct sp_arena *arena, const struct sp_node *like, enum sp_node_kind kind)
{
    struct sp_node *n = sp_arena_zalloc(arena, sizeof(*n));
    *n = (struct sp_node){.kind = (uint8_t)kind, .line = like->line, .column = like->column, .walk = like->walk,
                          .height = like->height, .proto = like->proto};
    return n;
}

/* The entry as a pair; what it leaves out is at its default, which for a message is one without fields. */
static struct sp_pair pair_of(struct sp_arena *arena, const struct sp_node *entry)
{
    struct sp_node *key = sp_node_value(entry, SP_STR("key")), *value = sp_node_value(entry, SP_STR("value"));
    struct sp_pair pair = {.key = SP_STR(""), .line = entry->line, .column = entry->column, .value = value};
    if (key && key->kind != SP_NODE_MAP && key->kind != SP_NODE_LIST)
        pair.key = key->text;
    if (!value)
        pair.value = made(arena, entry, SP_NODE_MAP);
    return pair;
}

struct sp_node *sp_node_map_of_entries(struct sp_arena *arena, struct sp_node *node, const char *file,
                                       struct sp_diag *diag)
{
    assert(arena && node && diag);
    struct sp_node *one[1] = {node}, **items = node->kind == SP_NODE_LIST ? node->items : one;
    struct sp_node *map = made(arena, node, SP_NODE_MAP);
    unsigned n = node->kind == SP_NODE_LIST ? node->n : 1;
    map->pairs = sp_arena_alloc(arena, SP_MAX(n, 1u) * sizeof(*map->pairs));
    for (unsigned i = 0; i < n; i++) {
        if (items[i]->kind != SP_NODE_MAP)
            return node; /* the caller says what it should have been */
        map->pairs[map->n++] = pair_of(arena, items[i]);
    }
    if (sp_node_duplicates(map, file, diag))
        return map;
    node->bad = true;
    return NULL;
}

static struct sp_node *of_value(struct sp_arena *arena, struct sp_node *value);

static struct sp_node *of_list(struct sp_arena *arena, const struct sp_node *list)
{
    struct sp_node *values = sp_node_value(list, SP_STR("values")), *out = made(arena, list, SP_NODE_LIST);
    struct sp_node *one[1] = {values}, **items = values && values->kind == SP_NODE_LIST ? values->items : one;
    unsigned n = !values ? 0 : values->kind == SP_NODE_LIST ? values->n : 1;
    out->proto = false;
    out->items = sp_arena_alloc(arena, SP_MAX(n, 1u) * sizeof(*out->items));
    for (unsigned i = 0; i < n; i++)
        if (!(out->items[out->n++] = of_value(arena, items[i])))
            return NULL;
    return out;
}

static struct sp_node *of_scalar(struct sp_arena *arena, const struct sp_node *value, bool plain)
{
    if (value->kind == SP_NODE_MAP || value->kind == SP_NODE_LIST || value->plain != plain)
        return NULL;
    struct sp_node *out = sp_arena_zalloc(arena, sizeof(*out));
    *out = *value;
    out->proto = false;
    return out;
}

static struct sp_node *of_value(struct sp_arena *arena, struct sp_node *value)
{
    if (value->kind != SP_NODE_MAP || value->n > 1)
        return NULL;
    if (value->n == 0)
        return made(arena, value, SP_NODE_NULL);
    const struct sp_pair *p = &value->pairs[0];
    struct sp_node *out = NULL;
    if (sp_str_eq(p->key, SP_STR("null_value")))
        out = made(arena, p->value, SP_NODE_NULL);
    else if (sp_str_eq(p->key, SP_STR("string_value")))
        out = of_scalar(arena, p->value, false);
    else if (sp_str_eq(p->key, SP_STR("number_value")) || sp_str_eq(p->key, SP_STR("bool_value")))
        out = of_scalar(arena, p->value, true);
    else if (sp_str_eq(p->key, SP_STR("struct_value")))
        out = sp_node_of_struct(arena, p->value);
    else if (sp_str_eq(p->key, SP_STR("list_value")) && p->value->kind == SP_NODE_MAP)
        out = of_list(arena, p->value);
    if (out)
        out->proto = false;
    return out;
}

struct sp_node *sp_node_of_struct(struct sp_arena *arena, const struct sp_node *node)
{
    assert(arena && node);
    if (node->kind != SP_NODE_MAP)
        return NULL;
    struct sp_node *fields = sp_node_value(node, SP_STR("fields")), *out = made(arena, node, SP_NODE_MAP);
    struct sp_node *one[1] = {fields}, **items = fields && fields->kind == SP_NODE_LIST ? fields->items : one;
    unsigned n = !fields ? 0 : fields->kind == SP_NODE_LIST ? fields->n : 1;
    out->proto = false;
    out->pairs = sp_arena_alloc(arena, SP_MAX(n, 1u) * sizeof(*out->pairs));
    for (unsigned i = 0; i < n; i++) {
        if (items[i]->kind != SP_NODE_MAP)
            return NULL;
        out->pairs[out->n] = pair_of(arena, items[i]);
        out->pairs[out->n].value = of_value(arena, out->pairs[out->n].value);
        if (!out->pairs[out->n++].value)
            return NULL;
    }
    return out;
}
