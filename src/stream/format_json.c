/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiling json_format: an object of formats, nested as it likes. */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/escape.h"
#include "stream/format_code.h"

typedef Google__Protobuf__Value Value;
#define KIND(name) GOOGLE__PROTOBUF__VALUE__KIND_##name

enum { DEPTH_MAX = 16 };

struct json {
    struct sp_format *f;
    struct sp_fmt_parse *p;
    unsigned depth;
    bool first; /* when nothing can be left out, commas are known now */
};

/* A config's text as what stands between two '"'. */
static struct sp_str escaped(struct json *j, struct sp_str s)
{
    struct sp_buf b;
    struct sp_writer w;
    sp_buf_init(&b);
    sp_writer_init(&w, &b);
    sp_writer_escaped(&w, s);
    sp_writer_done(&w);
    size_t n = b.len;
    char *text = sp_arena_alloc(&j->f->arena, n + 1);
    sp_buf_peek(&b, text, n);
    text[n] = 0;
    sp_buf_clear(&b);
    return sp_str_n(text, n);
}

static void begin(struct json *j, const char *text)
{
    if (j->f->omit_empty)
        sp_fmt_emit(j->f, SP_FMT_JSON_FIRST, sp_str_c(text));
    else
        sp_fmt_literal(j->f, sp_str_c(text));
    j->first = true;
}

static void end(struct json *j, const char *text)
{
    if (j->f->omit_empty)
        sp_fmt_emit(j->f, SP_FMT_JSON_END, sp_str_c(text));
    else
        sp_fmt_literal(j->f, sp_str_c(text));
    j->first = false;
}

static void comma(struct json *j)
{
    if (j->f->omit_empty)
        sp_fmt_emit(j->f, SP_FMT_JSON_COMMA, SP_STR_NULL);
    else if (!j->first)
        sp_fmt_literal(j->f, SP_STR(","));
    j->first = false;
}

/* `key`: "name": with its colon, or empty in lists. */
static bool text(struct json *j, struct sp_str key, struct sp_str s)
{
    struct sp_fmt_piece piece = {0};
    bool bad = false, more;
    more = sp_fmt_next_piece(j->p, &s, &piece, &bad);
    if (bad)
        return false;
    if (more && piece.is_op && !s.len) {
        /* Alone it keeps its type. */
        if (j->f->omit_empty) {
            sp_fmt_emit(j->f, SP_FMT_JSON_VALUE, key)->op = piece.op;
        } else {
            comma(j);
            sp_fmt_literal(j->f, key);
            sp_fmt_emit(j->f, SP_FMT_JSON_VALUE, SP_STR_NULL)->op = piece.op;
        }
        return true;
    }
    comma(j);
    sp_fmt_literal(j->f, key);
    sp_fmt_literal(j->f, SP_STR("\""));
    for (; more; more = sp_fmt_next_piece(j->p, &s, &piece, &bad)) {
        if (piece.is_op)
            sp_fmt_emit_op(j->f, SP_FMT_JSON_TEXT, &piece.op);
        else
            sp_fmt_literal(j->f, escaped(j, piece.literal));
    }
    sp_fmt_literal(j->f, SP_STR("\""));
    return !bad;
}

static bool constant(struct json *j, struct sp_str key, const Value *v)
{
    comma(j);
    sp_fmt_literal(j->f, key);
    if (v->kind_case == KIND(NULL_VALUE))
        sp_fmt_literal(j->f, SP_STR("null"));
    else if (v->kind_case == KIND(BOOL_VALUE))
        sp_fmt_literal(j->f, v->bool_value ? SP_STR("true") : SP_STR("false"));
    else if (v->number_value == floor(v->number_value) && fabs(v->number_value) < 9007199254740992.0)
        sp_fmt_literal(j->f, sp_arena_printf(&j->f->arena, "%.0f", v->number_value));
    else
        sp_fmt_literal(j->f, sp_arena_printf(&j->f->arena, "%.17g", v->number_value));
    return true;
}

static bool object(struct json *j, const Google__Protobuf__Struct *s);
static bool list(struct json *j, const Google__Protobuf__ListValue *l);

static bool value(struct json *j, struct sp_str key, const Value *v)
{
    j->p->msg = v;
    j->p->field = "string_value";
    switch (v->kind_case) {
    case KIND(STRING_VALUE):
        return text(j, key, sp_str_c(v->string_value));
    case KIND(NULL_VALUE):
    case KIND(NUMBER_VALUE):
    case KIND(BOOL_VALUE):
        return constant(j, key, v);
    case KIND(STRUCT_VALUE):
        comma(j);
        sp_fmt_literal(j->f, key);
        return object(j, v->struct_value);
    case KIND(LIST_VALUE):
        comma(j);
        sp_fmt_literal(j->f, key);
        return list(j, v->list_value);
    default:
        sp_fmt_err(j->p, "there is nothing in it");
        return false;
    }
}

static bool deeper(struct json *j)
{
    if (++j->depth <= DEPTH_MAX)
        return true;
    sp_fmt_err(j->p, "nested more than %d deep", DEPTH_MAX);
    return false;
}

typedef Google__Protobuf__Struct__FieldsEntry Member;

static int by_name(const void *x, const void *y)
{
    return strcmp((*(Member *const *)x)->key, (*(Member *const *)y)->key);
}

/* A copy of the list, in the format's order. */
static Member **members(struct json *j, const Google__Protobuf__Struct *s)
{
    Member **list = sp_arena_alloc(&j->f->arena, (s->n_fields + 1) * sizeof(Member *));
    if (s->n_fields)
        memcpy(list, s->fields, s->n_fields * sizeof(Member *));
    if (j->f->sorted)
        qsort(list, s->n_fields, sizeof(Member *), by_name);
    return list;
}

static bool object(struct json *j, const Google__Protobuf__Struct *s)
{
    bool good = deeper(j);
    Member **list = members(j, s);
    begin(j, "{");
    for (size_t i = 0; good && i < s->n_fields; i++) {
        struct sp_str name = escaped(j, sp_str_c(list[i]->key));
        struct sp_str key = sp_arena_printf(&j->f->arena, "\"%.*s\":", SP_STR_ARG(name));
        good = value(j, key, list[i]->value) && good;
    }
    end(j, "}");
    j->depth--;
    return good;
}

static bool list(struct json *j, const Google__Protobuf__ListValue *l)
{
    bool good = deeper(j);
    begin(j, "[");
    for (size_t i = 0; good && i < l->n_values; i++)
        good = value(j, SP_STR(""), l->values[i]) && good;
    end(j, "]");
    j->depth--;
    return good;
}

bool sp_fmt_compile_json(struct sp_format *f, struct sp_fmt_parse *p, const Google__Protobuf__Struct *o)
{
    assert(f && p && o);
    struct json j = {.f = f, .p = p};
    bool good = object(&j, o);
    sp_fmt_literal(f, SP_STR("\n"));
    return good;
}
