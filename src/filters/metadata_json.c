/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/metadata_json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "stream/escape.h"

enum { MAX_DEPTH = 32 };

#define KIND(name) GOOGLE__PROTOBUF__VALUE__KIND_##name

static void put_text(struct sp_writer *w, struct sp_str s)
{
    sp_writer_put(w, "\"", 1);
    sp_writer_escaped(w, s);
    sp_writer_put(w, "\"", 1);
}

static void put_number(struct sp_writer *w, double v)
{
    char text[40];
    int n = isfinite(v) ? snprintf(text, sizeof(text), v == floor(v) && fabs(v) < 1e15 ? "%.0f" : "%.17g", v)
                        : snprintf(text, sizeof(text), "null");
    sp_writer_put(w, text, (size_t)n);
}

static void put_value(struct sp_writer *w, const Google__Protobuf__Value *v, unsigned depth);

static void put_struct(struct sp_writer *w, const Google__Protobuf__Struct *s, unsigned depth)
{
    sp_writer_put(w, "{", 1);
    for (size_t i = 0; i < s->n_fields; i++) {
        if (i)
            sp_writer_put(w, ",", 1);
        put_text(w, sp_str_c(s->fields[i]->key));
        sp_writer_put(w, ":", 1);
        put_value(w, s->fields[i]->value, depth + 1);
    }
    sp_writer_put(w, "}", 1);
}

static void put_list(struct sp_writer *w, const Google__Protobuf__ListValue *l, unsigned depth)
{
    sp_writer_put(w, "[", 1);
    for (size_t i = 0; i < l->n_values; i++) {
        if (i)
            sp_writer_put(w, ",", 1);
        put_value(w, l->values[i], depth + 1);
    }
    sp_writer_put(w, "]", 1);
}

static void put_value(struct sp_writer *w, const Google__Protobuf__Value *v, unsigned depth)
{
    if (!v || depth > MAX_DEPTH)
        sp_writer_put(w, "null", 4);
    else if (v->kind_case == KIND(STRING_VALUE))
        put_text(w, sp_str_c(v->string_value));
    else if (v->kind_case == KIND(NUMBER_VALUE))
        put_number(w, v->number_value);
    else if (v->kind_case == KIND(BOOL_VALUE))
        sp_writer_str(w, v->bool_value ? SP_STR("true") : SP_STR("false"));
    else if (v->kind_case == KIND(STRUCT_VALUE))
        put_struct(w, v->struct_value, depth);
    else if (v->kind_case == KIND(LIST_VALUE))
        put_list(w, v->list_value, depth);
    else
        sp_writer_put(w, "null", 4);
}

static struct sp_str taken(struct sp_arena *arena, struct sp_buf *b)
{
    char *p = sp_arena_alloc(arena, b->len + 1);
    size_t n = sp_buf_peek(b, p, b->len);
    p[n] = 0;
    sp_buf_clear(b);
    return sp_str_n(p, n);
}

struct sp_str sp_metadata_text(struct sp_arena *arena, struct sp_str text)
{
    assert(arena);
    struct sp_buf b;
    struct sp_writer w;
    sp_buf_init(&b);
    sp_writer_init(&w, &b);
    put_text(&w, text);
    sp_writer_done(&w);
    return taken(arena, &b);
}

struct sp_str sp_metadata_value(struct sp_arena *arena, const Google__Protobuf__Value *v)
{
    assert(arena);
    struct sp_buf b;
    struct sp_writer w;
    if (!v)
        return SP_STR_NULL;
    sp_buf_init(&b);
    sp_writer_init(&w, &b);
    put_value(&w, v, 0);
    sp_writer_done(&w);
    return taken(arena, &b);
}
