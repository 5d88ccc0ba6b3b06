/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages with a form of their own in JSON: Any, the TypedStruct that may stand in it, Duration. */
#include <assert.h>

#include "config/decode.h"
#include "config/descriptor.h"
#include "config/names.h"
#include "config/node_proto.h"
#include "config/types.h"
#include "google/protobuf/duration.pb-c.h"
#include "xds/type/v3/typed_struct.pb-c.h"

static void unknown_type(struct sp_decode *l, struct sp_place *place, struct sp_node *node)
{
    struct sp_str url = node->text, near = sp_type_nearest(url);
    ptrdiff_t slash = sp_str_chr(url, '/');
    struct sp_str name = sp_str_sub(url, (size_t)(slash + 1), url.len);
    if (!sp_str_eq(name, near) && (sp_envoy_has_message(name) || (!near.len && sp_envoy_has_package_of(name))))
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "Envoy has the type %.*s, sallyport does not run it (remove it, or see "
                      "docs/envoy-differences.md)",
                      SP_STR_ARG(name));
    else if (near.len)
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "unknown type \"%.*s\" (the nearest known is \"" SP_TYPE_PREFIX "%.*s\")", SP_STR_ARG(url),
                      SP_STR_ARG(near));
    else if (!sp_str_starts(url, SP_STR(SP_TYPE_PREFIX)))
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "unknown type \"%.*s\" (expected \"" SP_TYPE_PREFIX "\" and the name of a message)",
                      SP_STR_ARG(url));
    else
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "unknown type \"%.*s\": neither one of Envoy's that sallyport runs nor one of its own (remove it, or see "
                      "docs/envoy-differences.md)",
                      SP_STR_ARG(url));
}

/* Whether it stands in a message, such as HttpFilter, that says that it may be left out if nobody knows it. */
static bool optional(const struct sp_place *place)
{
    const struct sp_node *owner = place->parent ? place->parent->origin[0].node : NULL;
    if (!owner || owner->kind != SP_NODE_MAP)
        return false;
    const struct sp_node *says = sp_node_value(owner, SP_STR("is_optional"));
    if (!says)
        says = sp_node_value(owner, SP_STR("isOptional"));
    return says && says->kind == SP_NODE_BOOL && sp_node_true(says);
}

/* An Any as it is written. */
struct any {
    struct sp_node *type;    /* a string, the URL */
    struct sp_node *content; /* the node that has the fields, */
    struct sp_node *bytes;   /* or the string that holds the binary form */
    bool among;              /* "@type" stands among the content's fields */
};

static bool find_json(struct sp_decode *l, const struct sp_place *place, struct sp_node *node, struct any *ret_any)
{
    *ret_any = (struct any){sp_node_value(node, SP_STR("@type")), node, NULL, true};
    if (ret_any->type)
        return true;
    sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                  "\"@type\" is missing (add \"@type\": " SP_TYPE_PREFIX "... to say which message this is)");
    return false;
}

/* Of a .pb or .pb_text: [url] { fields }, or the two fields that Any has. */
static bool find_proto(struct sp_decode *l, const struct sp_place *place, struct sp_node *node, struct any *ret_any)
{
    struct sp_str key = node->n == 1 ? node->pairs[0].key : SP_STR("");
    if (sp_str_starts(key, SP_STR("["))) {
        struct sp_node *type = sp_arena_zalloc(&l->doc->arena, sizeof(*type));
        *type = (struct sp_node){.kind = SP_NODE_STRING, .line = node->pairs[0].line, .column = node->pairs[0].column,
                                 .text = sp_arena_str(&l->doc->arena, sp_str_sub(key, 1, key.len - 1))};
        *ret_any = (struct any){.type = type, .content = node->pairs[0].value};
        return true;
    }
    *ret_any = (struct any){.type = sp_node_value(node, SP_STR("type_url")), .bytes = sp_node_value(node, SP_STR("value"))};
    for (unsigned i = 0; i < node->n; i++)
        if (node->pairs[i].value != ret_any->type && node->pairs[i].value != ret_any->bytes) {
            sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                          "an Any has no field \"%.*s\" (it is type_url and value, or [type.googleapis.com/...] {...})",
                          SP_STR_ARG(node->pairs[i].key));
            return false;
        }
    if (ret_any->type)
        return true;
    sp_decode_err(l->doc, l->diag, place, NULL, -1, node, "type_url is missing (add it, to say which message this is)");
    return false;
}

/* The node that has the fields of a message of type `desc`. */
static struct sp_node *content_node(struct sp_decode *l, const struct sp_place *place, const struct any *any,
                                    const ProtobufCMessageDescriptor *desc)
{
    if (any->content)
        return any->content;
    const struct sp_node *bytes = any->bytes ? any->bytes : any->type;
    if (bytes->kind != SP_NODE_STRING || bytes->plain) {
        sp_decode_expected(l, place, NULL, -1, any->bytes, "a string in quotes");
        return NULL;
    }
    struct sp_arena arena;
    struct sp_node *node = NULL;
    sp_arena_init(&arena);
    const struct sp_node_wire wire = {
        .at = {place->origin[0].file, bytes->line, bytes->column},
        .path = sp_doc_path(l->doc, place->msg, NULL, -1, &arena).ptr,
        .bytes = any->bytes ? bytes->text : SP_STR(""),
        .desc = desc,
    };
    if (sp_node_parse_wire(&l->doc->arena, &wire, l->diag, &node) < 0)
        place->origin[0].node->bad = true;
    sp_arena_done(&arena);
    return node;
}

static bool is_typed_struct(struct sp_str url)
{
    return sp_str_ends(url, SP_STR("/xds.type.v3.TypedStruct")) || sp_str_ends(url, SP_STR("/udpa.type.v1.TypedStruct"));
}

/* Looks through a TypedStruct: `any` becomes what stands in it. */
static bool open_typed_struct(struct sp_decode *l, const struct sp_place *place, struct any *any)
{
    const ProtobufCMessageDescriptor *desc = &xds__type__v3__typed_struct__descriptor;
    struct sp_node *node = content_node(l, place, any, desc), *type = NULL, *value = NULL;
    if (!node)
        return false;
    for (unsigned i = 0; node->kind == SP_NODE_MAP && i < node->n; i++) {
        const struct sp_pair *p = &node->pairs[i];
        const ProtobufCFieldDescriptor *f = sp_field_find(desc, p->key);
        if (f)
            *(f->id == 1 ? &type : &value) = p->value;
        else if (!p->ignore && !(any->among && sp_str_eq(p->key, SP_STR("@type")))) {
            sp_decode_err(l->doc, l->diag, place, NULL, -1, node, "a TypedStruct has no field \"%.*s\" (only type_url and value)",
                          SP_STR_ARG(p->key));
            return false;
        }
    }
    if (value && value->proto && value->kind == SP_NODE_MAP)
        value = sp_node_of_struct(&l->doc->arena, value);
    if (!type || type->kind != SP_NODE_STRING || (value && value->kind != SP_NODE_MAP && value->kind != SP_NODE_NULL)) {
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "a TypedStruct without type_url or with a bad value (type_url: \"" SP_TYPE_PREFIX
                      "...\", value: the message's fields)");
        return false;
    }
    if (!value || value->kind == SP_NODE_NULL) {
        value = sp_arena_zalloc(&l->doc->arena, sizeof(*value));
        *value = (struct sp_node){.kind = SP_NODE_MAP, .line = node->line, .column = node->column};
    }
    if (sp_str_chr(type->text, '/') < 0) {
        struct sp_node *full = sp_arena_zalloc(&l->doc->arena, sizeof(*full));
        *full = *type;
        full->text = sp_arena_cat(&l->doc->arena, SP_STR(SP_TYPE_PREFIX), type->text);
        type = full;
    }
    *any = (struct any){.type = type, .content = value};
    return true;
}

void sp_decode_any(struct sp_decode *l, struct sp_place *place)
{
    struct sp_node *node = place->origin[0].node;
    struct any any;
    assert(sp_wkt_of(place->msg->descriptor) == SP_WKT_ANY);
    if (node->kind != SP_NODE_MAP) {
        sp_decode_expected(l, place, NULL, -1, node, node->proto ? "a message" : "a mapping with \"@type\"");
        return;
    }
    /* cppcheck-suppress uninitvar; it does not look behind the choice of a function */
    if (!(node->proto ? find_proto : find_json)(l, place, node, &any))
        return;
    if (any.type->kind != SP_NODE_STRING) {
        sp_decode_expected(l, place, NULL, -1, any.type, "the name of a type");
        return;
    }
    if (is_typed_struct(any.type->text) && !open_typed_struct(l, place, &any))
        return;
    const ProtobufCMessageDescriptor *desc = sp_type_find(any.type->text);
    if (!desc) {
        if (!optional(place))
            unknown_type(l, place, any.type);
        return;
    }
    struct sp_node *fields = content_node(l, place, &any, desc);
    if (!fields)
        return;
    ((Google__Protobuf__Any *)(void *)place->msg)->type_url = (char *)(uintptr_t)any.type->text.ptr;
    struct sp_place *content = sp_place_new(l->doc, desc, place, NULL, -1, (struct sp_origin){fields, place->origin[0].file});
    place->content = content->msg;
    sp_decode_fields(l, content, any.among);
}

/* Strict: digits, at most nine of them behind the point, and an 's'; protobuf's limit of ten thousand years. */
static bool parse_duration(struct sp_str text, int64_t *ret_seconds, int32_t *ret_nanos)
{
    if (text.len < 2 || text.ptr[text.len - 1] != 's')
        return false;
    struct sp_str rest = sp_str_sub(text, 0, text.len - 1), whole;
    uint64_t seconds, nanos = 0;
    ptrdiff_t point = sp_str_chr(rest, '.');
    whole = point < 0 ? rest : sp_str_sub(rest, 0, (size_t)point);
    if (sp_str_u64(whole, 315576000000u, &seconds) < 0)
        return false;
    if (point >= 0) {
        struct sp_str part = sp_str_sub(rest, (size_t)point + 1, rest.len);
        if (part.len > 9 || sp_str_u64(part, 999999999, &nanos) < 0)
            return false;
        for (size_t i = part.len; i < 9; i++)
            nanos *= 10;
    }
    *ret_seconds = (int64_t)seconds;
    *ret_nanos = (int32_t)nanos;
    return true;
}

static bool is_negative(const struct sp_node *node)
{
    int64_t seconds;
    int32_t nanos;
    return node->kind == SP_NODE_STRING && sp_str_starts(node->text, SP_STR("-")) &&
           parse_duration(sp_str_sub(node->text, 1, node->text.len), &seconds, &nanos);
}

/* {seconds: 5}, as protobuf's parsers take it too. */
static void duration_of_fields(struct sp_decode *l, struct sp_place *place)
{
    const Google__Protobuf__Duration *d = (const void *)place->msg;
    struct sp_node *node = place->origin[0].node;
    sp_decode_fields(l, place, false);
    if (d->seconds < 0 || d->seconds > 315576000000 || d->nanos < 0 || d->nanos > 999999999)
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "not a duration (expected seconds from 0 to 315576000000 and nanos from 0 to 999999999)");
}

void sp_decode_duration(struct sp_decode *l, struct sp_place *place)
{
    struct sp_node *node = place->origin[0].node;
    Google__Protobuf__Duration *d = (void *)place->msg;
    char found[80];
    if (node->kind == SP_NODE_MAP)
        duration_of_fields(l, place);
    else if (node->proto)
        sp_decode_expected(l, place, NULL, -1, node, "a message with seconds and nanos");
    else if (is_negative(node))
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node, "%.*s is negative (expected 0s or more, such as 0.25s)", SP_STR_ARG(node->text));
    else if (node->kind != SP_NODE_STRING || !parse_duration(node->text, &d->seconds, &d->nanos))
        sp_decode_err(l->doc, l->diag, place, NULL, -1, node,
                      "expected a duration in seconds such as 5s or 0.25s, found %s",
                      sp_node_describe(node, true, found, sizeof(found)));
}
