/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Running formats: to a buffer as a text or JSON, and to an arena as a header value. */
#include <assert.h>

#include "stream/escape.h"
#include "stream/format_code.h"
#include "stream/format_metadata.h"

static struct sp_str cut(const struct sp_fmt_op *op, struct sp_str s)
{
    if (s.len > op->max_len)
        s.len = op->max_len;
    return s;
}

/* All of a namespace: {"key":value,...}; of a key set twice, the last. */
static void write_namespace(struct sp_writer *w, const struct sp_format_input *in, struct sp_str ns, bool in_string)
{
    bool first = true;
    sp_writer_str(w, SP_STR("{"));
    for (const struct sp_metadata *m = in->info->metadata; m; m = m->next) {
        bool again = false;
        for (const struct sp_metadata *later = m->next; later && !again; later = later->next)
            again = sp_str_eq(later->ns, m->ns) && sp_str_eq(later->key, m->key);
        if (again || !sp_str_eq(m->ns, ns))
            continue;
        if (!first)
            sp_writer_str(w, SP_STR(","));
        first = false;
        sp_writer_str(w, in_string ? SP_STR("\\\"") : SP_STR("\""));
        sp_writer_escaped(w, m->key);
        sp_writer_str(w, in_string ? SP_STR("\\\":") : SP_STR("\":"));
        if (in_string)
            sp_writer_escaped(w, m->json);
        else
            sp_writer_json(w, m->json);
    }
    sp_writer_str(w, SP_STR("}"));
}

static void write_list(struct sp_writer *w, const struct sp_fmt_value *v)
{
    for (unsigned i = 0; i < v->n_list; i++) {
        if (i)
            sp_writer_str(w, SP_STR(","));
        sp_writer_escaped(w, v->list[i]);
    }
}

/* A value within a text, or within a JSON string. */
static void write_text(struct sp_writer *w, const struct sp_format *f, const struct sp_fmt_op *op,
                       const struct sp_format_input *in, bool in_string, struct sp_fmt_value *v)
{
    struct sp_str inner;
    op->get(op, in, v);
    switch (v->kind) {
    case SP_FMT_NONE:
        if (!f->omit_empty)
            sp_writer_str(w, SP_STR("-"));
        break;
    case SP_FMT_STR:
        sp_writer_escaped(w, cut(op, v->str));
        break;
    case SP_FMT_SAFE:
        sp_writer_str(w, v->str);
        break;
    case SP_FMT_NUM:
        sp_writer_u64(w, v->num);
        break;
    case SP_FMT_LIST:
        write_list(w, v);
        break;
    case SP_FMT_JSON:
        /* A string's inside is escaped already as it is here. */
        if (sp_json_is_string(v->str, &inner))
            sp_writer_json(w, sp_json_cut(inner, op->max_len));
        else if (in_string)
            sp_writer_escaped(w, cut(op, v->str));
        else
            sp_writer_json(w, cut(op, v->str));
        break;
    case SP_FMT_NS:
        write_namespace(w, in, v->str, in_string);
        break;
    case SP_FMT_WRITTEN:
        v->write(op, in, w, in_string ? SP_FMT_IN_STRING : SP_FMT_IN_TEXT);
        break;
    case SP_FMT_BODY:
        if (in_string)
            sp_writer_escaped(w, v->str);
        else
            sp_writer_str(w, v->str);
        break;
    }
}

/* A length is a string's. */
static void write_json_value(struct sp_writer *w, const struct sp_fmt_op *op, struct sp_str json)
{
    struct sp_str inner;
    if (SP_LIKELY(json.len <= op->max_len) || !sp_json_is_string(json, &inner)) {
        sp_writer_json(w, json);
        return;
    }
    sp_writer_str(w, SP_STR("\""));
    sp_writer_json(w, sp_json_cut(inner, op->max_len));
    sp_writer_str(w, SP_STR("\""));
}

static void write_json(struct sp_writer *w, const struct sp_fmt_op *op, const struct sp_format_input *in,
                       struct sp_fmt_value *v)
{
    switch (v->kind) {
    case SP_FMT_NONE:
        sp_writer_str(w, SP_STR("null"));
        break;
    case SP_FMT_NUM:
        sp_writer_u64(w, v->num);
        break;
    case SP_FMT_JSON:
        write_json_value(w, op, v->str);
        break;
    case SP_FMT_NS:
        write_namespace(w, in, v->str, false);
        break;
    case SP_FMT_WRITTEN:
        v->write(op, in, w, SP_FMT_ALONE);
        break;
    default:
        sp_writer_str(w, SP_STR("\""));
        if (v->kind == SP_FMT_LIST)
            write_list(w, v);
        else
            sp_writer_escaped(w, cut(op, v->str));
        sp_writer_str(w, SP_STR("\""));
        break;
    }
}

static void write_field(struct sp_writer *w, const struct sp_format *f, const struct sp_fmt_instr *i,
                        const struct sp_format_input *in, bool *first, struct sp_fmt_value *v)
{
    i->op.get(&i->op, in, v);
    if (f->omit_empty) {
        if (v->kind == SP_FMT_NONE)
            return;
        if (!*first)
            sp_writer_str(w, SP_STR(","));
        *first = false;
    }
    sp_writer_str(w, i->text);
    write_json(w, &i->op, in, v);
}

void sp_format_write(const struct sp_format *f, const struct sp_format_input *in, struct sp_buf *out)
{
    assert(f && in && in->info && out);
    struct sp_writer w;
    struct sp_fmt_value v; /* one for all: the compiler clears it */
    bool first = true;
    sp_writer_init(&w, out);
    for (const struct sp_fmt_instr *i = f->v; i < f->v + f->n; i++) {
        switch (i->code) {
        case SP_FMT_LITERAL:
            sp_writer_str(&w, i->text);
            break;
        case SP_FMT_TEXT:
            sp_writer_str(&w, i->text);
            write_text(&w, f, &i->op, in, false, &v);
            break;
        case SP_FMT_JSON_TEXT:
            sp_writer_str(&w, i->text);
            write_text(&w, f, &i->op, in, true, &v);
            break;
        case SP_FMT_JSON_VALUE:
            write_field(&w, f, i, in, &first, &v);
            break;
        case SP_FMT_JSON_COMMA:
            if (!first)
                sp_writer_str(&w, SP_STR(","));
            first = false;
            break;
        case SP_FMT_JSON_FIRST:
        case SP_FMT_JSON_END:
            sp_writer_str(&w, i->text);
            first = i->code == SP_FMT_JSON_FIRST;
            break;
        }
    }
    sp_writer_done(&w);
}

/* A header value under way. */
struct value {
    struct sp_arena *arena;
    char *ptr;
    size_t len, cap;
};

static void append(struct value *o, struct sp_str s)
{
    if (!s.len)
        return;
    if (s.len > o->cap - o->len) {
        size_t cap = SP_MAX(o->cap * 2, o->len + s.len + 32);
        char *ptr = sp_arena_alloc(o->arena, cap);
        if (o->len)
            memcpy(ptr, o->ptr, o->len);
        o->ptr = ptr;
        o->cap = cap;
    }
    memcpy(o->ptr + o->len, s.ptr, s.len);
    o->len += s.len;
}

static void append_op(struct value *o, const struct sp_fmt_op *op, const struct sp_format_input *in)
{
    struct sp_fmt_value v;
    struct sp_str inner;
    char digits[20];
    op->get(op, in, &v);
    switch (v.kind) {
    case SP_FMT_NONE:
        break;
    case SP_FMT_NUM:
        append(o, sp_str_n(digits, sp_format_u64(v.num, digits)));
        break;
    case SP_FMT_LIST:
        for (unsigned i = 0; i < v.n_list; i++) {
            append(o, i ? SP_STR(",") : SP_STR(""));
            append(o, v.list[i]);
        }
        break;
    case SP_FMT_JSON:
        if (sp_json_is_string(v.str, &inner) && inner.len) {
            char *text = sp_arena_alloc(o->arena, inner.len);
            append(o, cut(op, sp_str_n(text, sp_json_unescape(inner, text))));
        } else if (!sp_json_is_string(v.str, &inner)) {
            append(o, cut(op, v.str));
        }
        break;
    case SP_FMT_WRITTEN:
    case SP_FMT_NS: {
        struct sp_buf b;
        struct sp_writer w;
        sp_buf_init(&b);
        sp_writer_init(&w, &b);
        if (v.kind == SP_FMT_NS)
            write_namespace(&w, in, v.str, false);
        else
            v.write(op, in, &w, SP_FMT_IN_TEXT);
        sp_writer_done(&w);
        while (b.len) {
            append(o, sp_buf_front(&b));
            sp_buf_drain(&b, sp_buf_front(&b).len);
        }
        break;
    }
    default:
        append(o, cut(op, v.str));
        break;
    }
}

struct sp_str sp_format_value(const struct sp_format *f, const struct sp_format_input *in, struct sp_arena *arena)
{
    assert(f && in && in->info && arena);
    struct value o = {.arena = arena};
    if (sp_format_is_static(f))
        return f->n ? f->v[0].text : SP_STR("");
    for (const struct sp_fmt_instr *i = f->v; i < f->v + f->n; i++) {
        append(&o, i->text);
        if (i->code == SP_FMT_TEXT)
            append_op(&o, &i->op, in);
    }
    /* Names in certificates and the like may hold anything. */
    for (size_t i = 0; i < o.len; i++)
        if (((unsigned char)o.ptr[i] < ' ' && o.ptr[i] != '\t') || o.ptr[i] == 0x7f)
            o.ptr[i] = '?';
    return o.len ? sp_str_trim(sp_str_n(o.ptr, o.len)) : SP_STR("");
}
