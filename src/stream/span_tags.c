/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/span_tags.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "config/struct_json.h"
#include "route/criteria.h"
#include "stream/metadata.h"

typedef Envoy__Type__Tracing__V3__CustomTag Message;
#define TYPE(name) ENVOY__TYPE__TRACING__V3__CUSTOM_TAG__TYPE_##name
#define VALUE(name) ENVOY__TYPE__TRACING__V3__CUSTOM_TAG__VALUE_TYPE__##name
#define KIND(name) ENVOY__TYPE__METADATA__V3__METADATA_KIND__KIND_##name

enum source { CONSTANT, FORMAT, OF_REQUEST, OF_ROUTE };

struct sp_span_tag {
    struct sp_str key;
    enum source source;
    struct sp_str text; /* CONSTANT; else what holds without a value, NULL slice: nothing */
    struct sp_format *format;
    struct sp_str ns, *path; /* n_path, at least one */
    unsigned n_path;
    Envoy__Type__Tracing__V3__CustomTag__ValueType type;
};

struct ctx {
    struct sp_arena *arena;
    const struct sp_doc *doc;
    struct sp_diag *diag;
};

/* --- compiling --- */

static struct sp_str text_or_none(const struct ctx *x, const char *s)
{
    return *s ? sp_arena_str(x->arena, sp_str_c(s)) : SP_STR_NULL;
}

static bool environment(struct sp_span_tag *t, const struct ctx *x, const Envoy__Type__Tracing__V3__CustomTag__Environment *msg)
{
    const char *value = getenv(msg->name);
    t->text = text_or_none(x, value ? value : msg->default_value);
    return true;
}

static bool header(struct sp_span_tag *t, const struct ctx *x, const Envoy__Type__Tracing__V3__CustomTag__Header *msg)
{
    struct sp_str format = sp_arena_printf(x->arena, "%%REQ(%s)%%", msg->name);
    t->source = FORMAT;
    t->text = text_or_none(x, msg->default_value);
    t->format = sp_format_new(x->doc, x->diag, msg, "name", -1, format);
    return t->format != NULL;
}

static bool metadata(struct sp_span_tag *t, const struct ctx *x, const Envoy__Type__Tracing__V3__CustomTag__Metadata *msg)
{
    const Envoy__Type__Metadata__V3__MetadataKey *key = msg->metadata_key;
    if (!msg->kind || (msg->kind->kind_case != KIND(REQUEST) && msg->kind->kind_case != KIND(ROUTE))) {
        sp_doc_err(x->doc, x->diag, msg, "kind", -1, "whose metadata (request or route)");
        return false;
    }
    if (!key || !key->n_path) {
        sp_doc_err(x->doc, x->diag, msg, "metadata_key", -1, "needs a key and a path (such as key: ns, path: [{key: name}])");
        return false;
    }
    t->source = msg->kind->kind_case == KIND(ROUTE) ? OF_ROUTE : OF_REQUEST;
    t->text = text_or_none(x, msg->default_value);
    t->ns = sp_arena_str(x->arena, sp_str_c(key->key));
    t->n_path = (unsigned)key->n_path;
    t->path = sp_arena_alloc(x->arena, key->n_path * sizeof(*t->path));
    for (unsigned i = 0; i < t->n_path; i++)
        t->path[i] = sp_arena_str(x->arena, sp_str_c(key->path[i]->key));
    return true;
}

static bool compile(struct sp_span_tag *t, const struct ctx *x, const Message *msg)
{
    t->key = sp_arena_str(x->arena, sp_str_c(msg->tag));
    t->type = msg->value_type;
    switch (msg->type_case) {
    case TYPE(LITERAL):
        t->text = text_or_none(x, msg->literal->value);
        return true;
    case TYPE(ENVIRONMENT):
        return environment(t, x, msg->environment);
    case TYPE(REQUEST_HEADER):
        return header(t, x, msg->request_header);
    case TYPE(METADATA):
        return metadata(t, x, msg->metadata);
    case TYPE(VALUE):
        t->source = FORMAT;
        t->format = sp_format_new(x->doc, x->diag, msg, "value", -1, sp_str_c(msg->value));
        return t->format != NULL;
    default:
        sp_doc_err(x->doc, x->diag, msg, NULL, -1, "one of these is required: literal, environment, request_header, metadata, value");
        return false;
    }
}

bool sp_span_tags_init(struct sp_span_tags *t, struct sp_arena *arena, const struct sp_doc *doc, struct sp_diag *diag, const void *owner,
                       Message **msgs, size_t n)
{
    assert(t && arena && doc && diag);
    const struct ctx x = {arena, doc, diag};
    bool good = true;
    *t = (struct sp_span_tags){.v = sp_arena_zalloc(arena, (n + 1) * sizeof(*t->v))};
    if (n > SP_SPAN_TAGS_MAX) {
        sp_doc_err(doc, diag, owner, "custom_tags", -1, "more than %d of them (take some out)", SP_SPAN_TAGS_MAX);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct sp_span_tag *tag = &t->v[t->n++];
        good &= compile(tag, &x, msgs[i]);
        t->of_route |= tag->source == OF_ROUTE;
    }
    return good;
}

void sp_span_tags_done(struct sp_span_tags *t)
{
    assert(t);
    for (unsigned i = 0; i < t->n; i++)
        if (t->v[i].format)
            sp_format_free(t->v[i].format);
}

/* --- values --- */

static const json_t *descend(const json_t *v, const struct sp_span_tag *t, unsigned from)
{
    for (unsigned i = from; v && i < t->n_path; i++)
        v = json_object_getn(v, t->path[i].ptr, t->path[i].len);
    return v;
}

static struct sp_str text_of(const json_t *v, struct sp_arena *arena)
{
    if (!v || json_is_null(v))
        return SP_STR_NULL;
    if (json_is_string(v))
        return sp_arena_str(arena, sp_str_n(json_string_value(v), json_string_length(v)));
    return sp_struct_text_json(arena, v);
}

const struct sp_str *sp_span_tags_of_route(const struct sp_span_tags *t, struct sp_arena *arena, const Envoy__Config__Core__V3__Metadata *msg)
{
    assert(t && arena);
    if (!t->of_route)
        return NULL;
    struct sp_str *v = sp_arena_zalloc(arena, t->n * sizeof(*v));
    for (unsigned i = 0; i < t->n; i++) {
        const struct sp_span_tag *tag = &t->v[i];
        const Google__Protobuf__Struct *s = tag->source == OF_ROUTE ? sp_metadata_struct(msg, tag->ns) : NULL;
        if (!s)
            continue;
        Google__Protobuf__Value whole = GOOGLE__PROTOBUF__VALUE__INIT;
        whole.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
        whole.struct_value = (Google__Protobuf__Struct *)(uintptr_t)s;
        struct sp_str text = sp_struct_text(arena, &whole);
        json_t *root = json_loadb(text.ptr, text.len, JSON_DECODE_ANY, NULL);
        v[i] = text_of(descend(root, tag, 0), arena);
        json_decref(root);
    }
    return v;
}

static struct sp_str of_request(const struct sp_span_tag *t, const struct sp_stream_info *info, struct sp_arena *arena)
{
    struct sp_metadata_view view;
    sp_metadata_view_init(&view, info);
    struct sp_str s = text_of(descend(sp_metadata_get(&view, t->ns, t->path[0]), t, 1), arena);
    sp_metadata_view_done(&view);
    return s;
}

static struct sp_str value_of(const struct sp_span_tag *t, const struct sp_str *of_route, const struct sp_format_input *in, struct sp_arena *arena)
{
    struct sp_str s = t->text;
    if (t->source == FORMAT)
        s = sp_format_value(t->format, in, arena);
    else if (t->source == OF_REQUEST)
        s = of_request(t, in->info, arena);
    else if (t->source == OF_ROUTE)
        s = of_route ? *of_route : SP_STR_NULL;
    return s.len ? s : t->text;
}

/* As its type says; what does not read so stays a string. `s` ends with a NUL. */
static void set_typed(struct sp_attr *a, struct sp_str s, Envoy__Type__Tracing__V3__CustomTag__ValueType type)
{
    char *end = NULL;
    errno = 0;
    if (type == VALUE(INT)) {
        a->num = strtoll(s.ptr, &end, 10);
        a->kind = SP_ATTR_INT;
    } else if (type == VALUE(DOUBLE)) {
        a->real = strtod(s.ptr, &end);
        a->kind = SP_ATTR_DOUBLE;
    } else if (type == VALUE(BOOL) && (sp_str_eq(s, SP_STR("true")) || sp_str_eq(s, SP_STR("false")))) {
        a->num = s.len == 4;
        a->kind = SP_ATTR_BOOL;
        return;
    }
    if (errno || end != s.ptr + s.len)
        a->kind = SP_ATTR_STR;
}

void sp_span_tags_apply(const struct sp_span_tags *t, const struct sp_str *route, const struct sp_format_input *in, struct sp_arena *arena,
                        struct sp_attrs *attrs)
{
    assert(t && in && in->info && arena && attrs);
    for (unsigned i = 0; i < t->n; i++) {
        const struct sp_span_tag *tag = &t->v[i];
        struct sp_attr a = {.key = tag->key, .str = value_of(tag, route ? &route[i] : NULL, in, arena)};
        if (!a.str.len)
            continue;
        if (tag->type > VALUE(STRING))
            set_typed(&a, sp_arena_str(arena, a.str), tag->type);
        sp_attrs_set(attrs, &a);
    }
}
