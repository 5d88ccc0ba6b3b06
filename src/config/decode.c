/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Nodes to messages, by descriptor. */
#include <assert.h>

#include "config/decode.h"
#include "config/descriptor.h"
#include "config/names.h"
#include "config/node_proto.h"
#include "google/protobuf/duration.pb-c.h"
#include "google/protobuf/struct.pb-c.h"

void sp_decode_err(struct sp_doc *doc, struct sp_diag *diag, const struct sp_place *place,
                   const ProtobufCFieldDescriptor *field, int index, struct sp_node *node, const char *fmt, ...)
{
    assert(doc && place && node);
    struct sp_arena arena;
    va_list ap;
    node->bad = true;
    sp_arena_init(&arena);
    const char *path = "";
    if (diag->n_items < SP_DIAG_MAX)
        path = sp_doc_path(doc, place->msg, field ? field->name : NULL, index, &arena).ptr;
    va_start(ap, fmt);
    sp_diag_vadd(diag, SP_ERROR, (struct sp_mark){place->origin[0].file, node->line, node->column}, path, fmt, ap);
    va_end(ap);
    sp_arena_done(&arena);
}

void sp_decode_expected(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *field,
                        int index, struct sp_node *node, const char *what)
{
    /* Not the value itself: a secret may stand where its DataSource should. */
    char found[80];
    sp_decode_err(l->doc, l->diag, place, field, index, node, "expected %s, found %s", what,
                  sp_node_describe(node, false, found, sizeof(found)));
}

/* The names of a message's fields, or of one oneof's members, for an error. */
static struct sp_str field_names(struct sp_arena *arena, const ProtobufCMessageDescriptor *desc,
                                 const ProtobufCFieldDescriptor *oneof)
{
    struct sp_str s = SP_STR("");
    unsigned n = 0;
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        if (oneof && (!sp_field_in_oneof(f) || f->quantifier_offset != oneof->quantifier_offset))
            continue;
        if (++n > 12)
            return sp_arena_cat(arena, s, SP_STR(", ..."));
        s = sp_arena_printf(arena, "%.*s%s%s", SP_STR_ARG(s), s.len ? ", " : "", f->name);
    }
    return n ? s : SP_STR("none");
}

/* The field of `desc` whose message has a field `key`, for one that was written a level too far out; NULL: none has. */
static const char *field_that_has(const ProtobufCMessageDescriptor *desc, struct sp_str key)
{
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &desc->fields[i];
        if (f->type != PROTOBUF_C_TYPE_MESSAGE || f->label == PROTOBUF_C_LABEL_REPEATED || sp_wkt_of(f->descriptor) != SP_WKT_NONE)
            continue;
        if (protobuf_c_message_descriptor_get_field_by_name(f->descriptor, key.ptr))
            return f->name;
    }
    return NULL;
}

/* Whether the message around it has it: it was written a level too far in. */
static bool belongs_outside(const struct sp_place *place, struct sp_str key)
{
    return place->parent && place->field && sp_wkt_of(place->parent->msg->descriptor) == SP_WKT_NONE &&
           protobuf_c_message_descriptor_get_field_by_name(place->parent->msg->descriptor, key.ptr);
}

static void unknown_field(struct sp_decode *l, const struct sp_place *place, const struct sp_pair *pair)
{
    const ProtobufCMessageDescriptor *desc = place->msg->descriptor;
    struct sp_mark mark = {place->origin[0].file, pair->line, pair->column};
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_str base = sp_doc_path(l->doc, place->msg, NULL, -1, &arena);
    const char *path = sp_arena_printf(&arena, "%.*s%s%.*s", SP_STR_ARG(base), base.len ? "." : "",
                                       (int)SP_MIN(pair->key.len, 80u), pair->key.ptr)
                           .ptr;
    const char *inside = field_that_has(desc, pair->key);
    struct sp_str near = sp_nearest_field(desc, pair->key), number = sp_envoy_field_numbered(desc->name, pair->key);
    const char *instead = sp_envoy_instead(desc->name, pair->key);
    place->origin[0].node->odd |= number.len || sp_envoy_has_field(desc->name, pair->key);
    if (number.len)
        sp_diag_add(l->diag, SP_ERROR, mark, path,
                    "this number is Envoy's field \"%.*s\", sallyport does not run it (remove it, or see "
                    "docs/envoy-differences.md)",
                    SP_STR_ARG(number));
    else if (place->origin[0].node->proto && *pair->key.ptr >= '0' && *pair->key.ptr <= '9')
        sp_diag_add(l->diag, SP_ERROR, mark, path, "%s has no field with this number (write the file anew, from text)",
                    desc->name);
    else if (sp_envoy_has_field(desc->name, pair->key))
        sp_diag_add(l->diag, SP_ERROR, mark, path,
                    "Envoy has this field, sallyport does not run it (%s)",
                    instead ? instead : "remove it, or see docs/envoy-differences.md");
    else if (strcmp(pair->key.ptr, "@type") == 0)
        sp_diag_add(l->diag, SP_ERROR, mark, path, "this field has a fixed type, %s (remove \"@type\")", desc->name);
    else if (inside)
        sp_diag_add(l->diag, SP_ERROR, mark, path, "%s has no such field (put it into \"%s\")", desc->name, inside);
    else if (belongs_outside(place, pair->key))
        sp_diag_add(l->diag, SP_ERROR, mark, path, "%s has no such field (put it beside \"%s\")", desc->name, place->field->name);
    else if (near.len)
        sp_diag_add(l->diag, SP_ERROR, mark, path, "%s has no such field (the nearest it knows is \"%.*s\")",
                    desc->name, SP_STR_ARG(near));
    else
        sp_diag_add(l->diag, SP_ERROR, mark, path, "%s has no such field (it knows: %s)", desc->name,
                    field_names(&arena, desc, NULL).ptr);
    sp_arena_done(&arena);
}

static void decode_one(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *f, int index,
                       struct sp_node *node, void *slot)
{
    if (f->type == PROTOBUF_C_TYPE_STRING) /* a bad value leaves the default, so that the rest can still be checked */
        *(const char **)slot = protobuf_c_empty_string;
    if (f->type != PROTOBUF_C_TYPE_MESSAGE) {
        sp_decode_scalar(l->doc, l->diag, place, f, index, node, slot);
        return;
    }
    struct sp_place *child = sp_place_new(l->doc, f->descriptor, place, f, index,
                                          (struct sp_origin){node, place->origin[0].file});
    *(ProtobufCMessage **)slot = child->msg;
    sp_decode_message(l->doc, l->diag, child);
}

static bool null_means_something(const ProtobufCFieldDescriptor *f)
{
    return f->type == PROTOBUF_C_TYPE_MESSAGE && sp_wkt_of(f->descriptor) == SP_WKT_VALUE;
}

/* A single mapping, or a single scalar, may stand for a list of one. */
static bool stands_for_list(const ProtobufCFieldDescriptor *f, const struct sp_node *node)
{
    if (f->type != PROTOBUF_C_TYPE_MESSAGE)
        return node->kind != SP_NODE_MAP;
    return node->kind == SP_NODE_MAP || sp_wkt_of(f->descriptor) == SP_WKT_WRAPPER ||
           sp_wkt_of(f->descriptor) == SP_WKT_DURATION;
}

static void decode_list(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *f,
                        struct sp_node *node)
{
    struct sp_node *one[1] = {node}, **items = one;
    size_t n = 1, size = sp_field_size(f), done = 0;
    if (node->kind == SP_NODE_LIST) {
        items = node->items;
        n = node->n;
    } else if (!stands_for_list(f, node)) {
        sp_decode_expected(l, place, f, -1, node, "a list");
        return;
    }
    char *array = sp_arena_zalloc(&l->doc->arena, SP_MAX(n, 1u) * size);
    for (size_t i = 0; i < n; i++) {
        char *slot = array + done * size;
        if (items[i]->kind == SP_NODE_NULL && !null_means_something(f)) {
            sp_decode_err(l->doc, l->diag, place, f, (int)i, items[i], "null in a list (remove it)");
            continue;
        }
        decode_one(l, place, f, (int)i, items[i], slot);
        done++;
    }
    *(void **)sp_field_ptr(place->msg, f) = array;
    *sp_field_count(place->msg, f) = done;
}

static void decode_map(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *f,
                       struct sp_node *node)
{
    if (node->proto)
        node = sp_node_map_of_entries(&l->doc->arena, node, place->origin[0].file, l->diag);
    if (!node)
        return;
    if (node->kind != SP_NODE_MAP) {
        sp_decode_expected(l, place, f, -1, node, "a mapping");
        return;
    }
    const ProtobufCMessageDescriptor *desc = f->descriptor;
    const ProtobufCFieldDescriptor *key = &desc->fields[0], *value = &desc->fields[1];
    ProtobufCMessage **array = sp_arena_zalloc(&l->doc->arena, SP_MAX(node->n, 1u) * sizeof(*array));
    size_t done = 0;
    for (unsigned i = 0; i < node->n; i++) {
        const struct sp_pair *pair = &node->pairs[i];
        if (pair->ignore || (pair->value->kind == SP_NODE_NULL && !null_means_something(value)))
            continue;
        struct sp_place *entry = sp_place_new(l->doc, desc, place, f, (int)done,
                                              (struct sp_origin){pair->value, place->origin[0].file});
        entry->key = pair->key.ptr;
        struct sp_node *key_node = sp_arena_zalloc(&l->doc->arena, sizeof(*key_node));
        *key_node = (struct sp_node){
            .kind = SP_NODE_STRING, .line = pair->line, .column = pair->column, .text = pair->key};
        sp_decode_scalar(l->doc, l->diag, entry, key, -1, key_node, sp_field_ptr(entry->msg, key));
        decode_one(l, entry, value, -1, pair->value, sp_field_ptr(entry->msg, value));
        array[done++] = entry->msg;
    }
    *(void **)sp_field_ptr(place->msg, f) = array;
    *sp_field_count(place->msg, f) = done;
}

/* Says so if another member of the field's oneof is set already. */
static bool oneof_free(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *f,
                       struct sp_node *node)
{
    uint32_t set = *sp_field_case(place->msg, f);
    if (set == 0 || set == f->id)
        return true;
    const ProtobufCMessageDescriptor *desc = place->msg->descriptor;
    const ProtobufCFieldDescriptor *other = protobuf_c_message_descriptor_get_field(desc, set);
    struct sp_arena arena;
    sp_arena_init(&arena);
    sp_decode_err(l->doc, l->diag, place, f, -1, node, "\"%s\" and \"%s\" exclude each other (keep one of: %s)",
                  other->name, f->name, field_names(&arena, desc, f).ptr);
    sp_arena_done(&arena);
    return false;
}

static void decode_field(struct sp_decode *l, const struct sp_place *place, const ProtobufCFieldDescriptor *f,
                         struct sp_node *node)
{
    if (sp_field_is_map(place->msg->descriptor, f)) {
        decode_map(l, place, f, node);
    } else if (f->label == PROTOBUF_C_LABEL_REPEATED) {
        decode_list(l, place, f, node);
    } else if (!sp_field_in_oneof(f)) {
        decode_one(l, place, f, -1, node, sp_field_ptr(place->msg, f));
    } else if (oneof_free(l, place, f, node)) {
        /* Set even if the value is bad, or the rules would complain that none is chosen. */
        *sp_field_case(place->msg, f) = f->id;
        decode_one(l, place, f, -1, node, sp_field_ptr(place->msg, f));
    }
}

/* What says nothing: null, and an Any without fields, which protobuf takes for one that is not there. */
static bool is_unset(const ProtobufCFieldDescriptor *f, const struct sp_node *node)
{
    if (node->kind == SP_NODE_NULL)
        return !null_means_something(f);
    return node->kind == SP_NODE_MAP && node->n == 0 && f->label != PROTOBUF_C_LABEL_REPEATED &&
           f->type == PROTOBUF_C_TYPE_MESSAGE && sp_wkt_of(f->descriptor) == SP_WKT_ANY;
}

void sp_decode_fields(struct sp_decode *l, struct sp_place *place, bool is_content)
{
    const ProtobufCMessageDescriptor *desc = place->msg->descriptor;
    struct sp_node *node = place->origin[0].node;
    const struct sp_pair *seen[256] = {0};
    assert(desc->n_fields <= SP_ARRAY_LEN(seen));
    if (node->kind != SP_NODE_MAP) {
        char what[160];
        snprintf(what, sizeof(what), "a mapping with the fields of %s", desc->name);
        sp_decode_expected(l, place, NULL, -1, node, what);
        return;
    }
    for (unsigned i = 0; i < node->n; i++) {
        const struct sp_pair *pair = &node->pairs[i];
        if (pair->ignore || (is_content && sp_str_eq(pair->key, SP_STR("@type"))))
            continue;
        const ProtobufCFieldDescriptor *f = sp_field_find(desc, pair->key);
        if (!f) {
            unknown_field(l, place, pair);
            continue;
        }
        const struct sp_pair **first = &seen[f - desc->fields];
        if (*first) {
            sp_decode_err(l->doc, l->diag, place, f, -1, pair->value,
                          "written twice, as \"%s\" and \"%s\" (remove one)", (*first)->key.ptr, pair->key.ptr);
            continue;
        }
        *first = pair;
        if (pair->value->several && f->label != PROTOBUF_C_LABEL_REPEATED)
            sp_decode_err(l->doc, l->diag, place, f, -1, pair->value->items[1], "written %u times (keep one)",
                          pair->value->n);
        else if (!is_unset(f, pair->value))
            decode_field(l, place, f, pair->value);
    }
}

static const ProtobufCFieldDescriptor *member(const struct sp_place *place, unsigned id)
{
    const ProtobufCFieldDescriptor *f = protobuf_c_message_descriptor_get_field(place->msg->descriptor, id);
    assert(f);
    return f;
}

static void decode_value(struct sp_decode *l, struct sp_place *place)
{
    Google__Protobuf__Value *v = (void *)place->msg;
    struct sp_node *node = place->origin[0].node;
    static const uint8_t kind_case[] = {
        [SP_NODE_NULL] = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE,
        [SP_NODE_BOOL] = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE,
        [SP_NODE_INT] = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE,
        [SP_NODE_FLOAT] = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE,
        [SP_NODE_STRING] = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE,
        [SP_NODE_LIST] = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE,
        [SP_NODE_MAP] = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE,
    };
    const ProtobufCFieldDescriptor *f = member(place, kind_case[node->kind]);
    v->kind_case = kind_case[node->kind];
    if (node->kind != SP_NODE_NULL)
        decode_one(l, place, f, -1, node, sp_field_ptr(place->msg, f));
}

void sp_decode_message(struct sp_doc *doc, struct sp_diag *diag, struct sp_place *place)
{
    assert(doc && diag && place);
    struct sp_decode l = {doc, diag};
    struct sp_node *node = place->origin[0].node;
    enum sp_wkt wkt = sp_wkt_of(place->msg->descriptor);
    if (wkt == SP_WKT_ANY)
        sp_decode_any(&l, place);
    else if (wkt == SP_WKT_DURATION)
        sp_decode_duration(&l, place);
    else if (wkt == SP_WKT_NONE || node->proto || (wkt == SP_WKT_WRAPPER && node->kind == SP_NODE_MAP))
        sp_decode_fields(&l, place, false);
    else if (wkt == SP_WKT_WRAPPER)
        sp_decode_scalar(doc, diag, place, member(place, 1), -1, node, sp_field_ptr(place->msg, member(place, 1)));
    else if (wkt == SP_WKT_STRUCT)
        decode_map(&l, place, member(place, 1), node);
    else if (wkt == SP_WKT_LIST_VALUE)
        decode_list(&l, place, member(place, 1), node);
    else
        decode_value(&l, place);
}
