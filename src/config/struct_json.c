/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/struct_json.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

#include "base/json.h"

enum { MAX_DEPTH = 32, MAX_VALUES = 10000 };
static const double WHOLE = 1e15; /* below it whole numbers are written as such */

#define KIND(name) GOOGLE__PROTOBUF__VALUE__KIND_##name

static json_t *number(double v)
{
    if (v == floor(v) && fabs(v) < WHOLE)
        return json_integer((json_int_t)v);
    return isfinite(v) ? json_real(v) : json_null();
}

static json_t *value(const Google__Protobuf__Value *v, unsigned depth);

static json_t *object(const Google__Protobuf__Struct *s, unsigned depth)
{
    json_t *o = json_object();
    for (size_t i = 0; i < s->n_fields; i++)
        json_object_set_new(o, s->fields[i]->key, value(s->fields[i]->value, depth + 1));
    return o;
}

static json_t *array(const Google__Protobuf__ListValue *l, unsigned depth)
{
    json_t *a = json_array();
    for (size_t i = 0; i < l->n_values; i++)
        json_array_append_new(a, value(l->values[i], depth + 1));
    return a;
}

static json_t *value(const Google__Protobuf__Value *v, unsigned depth)
{
    json_t *ret = NULL;
    if (!v || depth > MAX_DEPTH)
        return json_null();
    if (v->kind_case == KIND(STRING_VALUE))
        ret = json_string(v->string_value);
    else if (v->kind_case == KIND(NUMBER_VALUE))
        ret = number(v->number_value);
    else if (v->kind_case == KIND(BOOL_VALUE))
        ret = json_boolean(v->bool_value);
    else if (v->kind_case == KIND(STRUCT_VALUE))
        ret = object(v->struct_value, depth);
    else if (v->kind_case == KIND(LIST_VALUE))
        ret = array(v->list_value, depth);
    return ret ? ret : json_null();
}

static struct sp_str dumped(struct sp_arena *arena, const json_t *j)
{
    char *text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    struct sp_str ret = sp_arena_str(arena, text ? sp_str_c(text) : SP_STR("null"));
    free(text);
    return ret;
}

struct sp_str sp_struct_text(struct sp_arena *arena, const Google__Protobuf__Value *v)
{
    assert(arena);
    json_t *j = value(v, 0);
    struct sp_str ret = dumped(arena, j);
    json_decref(j);
    return ret;
}

/* A copy with each number in the one form. */
static json_t *normal(const json_t *j)
{
    const char *key;
    json_t *member, *ret;
    size_t i;
    if (json_is_number(j))
        return number(json_number_value(j));
    if (json_is_object(j)) {
        ret = json_object();
        json_object_foreach((json_t *)(uintptr_t)j, key, member)
            json_object_set_new(ret, key, normal(member));
        return ret;
    }
    if (!json_is_array(j))
        return json_copy((json_t *)(uintptr_t)j);
    ret = json_array();
    json_array_foreach(j, i, member)
        json_array_append_new(ret, normal(member));
    return ret;
}

struct sp_str sp_struct_text_json(struct sp_arena *arena, const json_t *v)
{
    assert(arena && v);
    json_t *j = normal(v);
    struct sp_str ret = dumped(arena, j);
    json_decref(j);
    return ret;
}

/* Plain strings and words are in that form as they are. */
static bool is_plain(struct sp_str s)
{
    if (s.len < 2)
        return false;
    if (s.ptr[0] == '"')
        return !memchr(s.ptr, '\\', s.len);
    return sp_str_eq(s, SP_STR("true")) || sp_str_eq(s, SP_STR("false"));
}

struct sp_str sp_struct_text_of(struct sp_arena *arena, struct sp_str json)
{
    assert(arena);
    if (is_plain(json))
        return json;
    json_t *j = sp_json_load_any(json, MAX_DEPTH, MAX_VALUES);
    struct sp_str ret = j ? sp_struct_text_json(arena, j) : SP_STR_NULL;
    json_decref(j);
    return ret;
}

struct sp_str sp_config_metadata_text(struct sp_arena *arena, const Envoy__Config__Core__V3__Metadata *msg)
{
    assert(arena);
    if (!msg || !msg->n_filter_metadata)
        return SP_STR_NULL;
    json_t *o = json_object();
    for (size_t i = 0; i < msg->n_filter_metadata; i++)
        if (msg->filter_metadata[i]->value)
            json_object_set_new(o, msg->filter_metadata[i]->key, object(msg->filter_metadata[i]->value, 1));
    struct sp_str text = dumped(arena, o);
    json_decref(o);
    return text;
}
