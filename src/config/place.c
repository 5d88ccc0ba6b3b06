/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/place.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/names.h"

static size_t slot_of(const struct sp_doc *doc, const void *msg)
{
    uint64_t h = (uint64_t)(uintptr_t)msg * 0x9e3779b97f4a7c15u;
    return (size_t)(h >> 20) & (doc->cap - 1);
}

static void table_put(struct sp_doc *doc, struct sp_place *place)
{
    size_t i = slot_of(doc, place->msg);
    while (doc->table[i])
        i = (i + 1) & (doc->cap - 1);
    doc->table[i] = place;
}

void sp_place_add(struct sp_doc *doc, struct sp_place *place)
{
    assert(doc && place);
    if ((doc->n_places + 1) * 2 > doc->cap) {
        struct sp_place **old = doc->table;
        size_t n = doc->cap;
        doc->cap = n ? n * 2 : 1024;
        doc->table = sp_xcalloc(doc->cap, sizeof(*doc->table));
        for (size_t i = 0; i < n; i++)
            if (old[i])
                table_put(doc, old[i]);
        free(old);
    }
    doc->n_places++;
    table_put(doc, place);
}

struct sp_place *sp_place_find(const struct sp_doc *doc, const void *msg)
{
    assert(doc);
    if (!msg || !doc->cap)
        return NULL;
    for (size_t i = slot_of(doc, msg); doc->table[i]; i = (i + 1) & (doc->cap - 1))
        if (doc->table[i]->msg == msg)
            return doc->table[i];
    return NULL;
}

struct sp_place *sp_place_new(struct sp_doc *doc, const ProtobufCMessageDescriptor *desc,
                              const struct sp_place *parent, const ProtobufCFieldDescriptor *field, int index,
                              struct sp_origin origin)
{
    assert(doc && desc && desc->message_init);
    struct sp_place *p = sp_arena_zalloc(&doc->arena, sizeof(*p));
    p->msg = sp_arena_zalloc(&doc->arena, desc->sizeof_message);
    desc->message_init(p->msg);
    p->parent = parent;
    p->field = field;
    p->index = index;
    p->origin[0] = origin;
    sp_place_add(doc, p);
    return p;
}

struct sp_node *sp_origin_field_node(const struct sp_origin *origin, struct sp_str field)
{
    const struct sp_node *map = origin->node;
    if (!map || map->kind != SP_NODE_MAP)
        return NULL;
    for (unsigned i = 0; i < map->n; i++)
        if (!map->pairs[i].ignore && sp_name_matches(map->pairs[i].key, field))
            return map->pairs[i].value->kind == SP_NODE_NULL ? NULL : map->pairs[i].value;
    return NULL;
}

struct sp_node *sp_place_field_node(const struct sp_place *place, const char *field, const char **ret_file)
{
    assert(place && field);
    for (int i = 0; i < 2; i++) {
        struct sp_node *n = sp_origin_field_node(&place->origin[i], sp_str_c(field));
        if (!n)
            continue;
        if (ret_file)
            *ret_file = place->origin[i].file;
        return n;
    }
    return NULL;
}
