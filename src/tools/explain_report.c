/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/explain_report.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/escape.h"

void sp_report_init(struct sp_report *r, const struct sp_doc *doc, bool show_headers)
{
    assert(r && doc);
    *r = (struct sp_report){.root = json_object(), .steps = json_array(), .doc = doc, .show_headers = show_headers};
    sp_arena_init(&r->arena);
    json_object_set_new(r->root, "request", json_object());
    json_object_set_new(r->root, "steps", r->steps);
}

void sp_report_done(struct sp_report *r)
{
    assert(r);
    json_decref(r->root);
    sp_arena_done(&r->arena);
}

json_t *sp_report_str(struct sp_str s)
{
    json_t *v = json_stringn(s.ptr ? s.ptr : "", s.len);
    if (v)
        return v;
    struct sp_arena arena;
    sp_arena_init(&arena);
    char *p = (char *)(uintptr_t)sp_arena_str(&arena, s).ptr;
    for (size_t i = 0; i < s.len;) {
        size_t n = sp_utf8_char(sp_str_n(p + i, s.len - i));
        if (!n)
            p[i] = '?';
        i += n ? n : 1;
    }
    v = json_stringn(p, s.len);
    sp_arena_done(&arena);
    return v;
}

void sp_report_set(json_t *object, const char *name, struct sp_str s)
{
    if (s.len)
        json_object_set_new(object, name, sp_report_str(s));
}

static json_t *vtext(const char *fmt, va_list ap)
{
    char text[1024];
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    return sp_report_str(sp_str_n(text, SP_MIN((size_t)SP_MAX(n, 0), sizeof(text) - 1)));
}

void sp_report_setf(json_t *object, const char *name, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_object_set_new(object, name, vtext(fmt, ap));
    va_end(ap);
}

json_t *sp_report_step(struct sp_report *r, const char *stage, struct sp_str name, const char *verdict, const char *fmt, ...)
{
    assert(r && stage && verdict);
    json_t *step = json_object();
    json_object_set_new(step, "stage", json_string(stage));
    sp_report_set(step, "name", name);
    json_object_set_new(step, "verdict", json_string(verdict));
    if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        json_object_set_new(step, "why", vtext(fmt, ap));
        va_end(ap);
    }
    json_array_append_new(r->steps, step);
    return step;
}

void sp_report_place(struct sp_report *r, json_t *object, const void *msg, const char *field, int index)
{
    struct sp_mark mark = msg ? sp_doc_mark(r->doc, msg, field, index) : (struct sp_mark){0};
    if (mark.line)
        sp_report_setf(object, "place", "%s:%u:%u", mark.file ? mark.file : "", mark.line, mark.column);
}

void sp_report_verdict(struct sp_report *r, int exit_code, const char *verdict, const char *fmt, ...)
{
    assert(r && verdict);
    if (r->done)
        return;
    va_list ap;
    va_start(ap, fmt);
    json_t *why = vtext(fmt, ap);
    va_end(ap);
    if (r->unless.len && exit_code == SP_EXPLAIN_FORWARDED) {
        sp_report_setf(r->root, "why", "%.*s; if so, it is %s: %s", SP_STR_ARG(r->unless), verdict, json_string_value(why));
        json_decref(why);
        verdict = "undecided";
        exit_code = SP_EXPLAIN_UNDECIDED;
    } else {
        json_object_set_new(r->root, "why", why);
    }
    r->done = true;
    r->exit_code = exit_code;
    json_object_set_new(r->root, "verdict", json_string(verdict));
    json_object_set_new(r->root, "exit", json_integer(exit_code));
}

/* A header whose name says that its value lets somebody in. */
static bool is_sensitive(struct sp_str name)
{
    static const struct sp_str words[] = {SP_STR_INIT("auth"),   SP_STR_INIT("cookie"),  SP_STR_INIT("secret"),    SP_STR_INIT("token"),
                                          SP_STR_INIT("verify"), SP_STR_INIT("api-key"), SP_STR_INIT("apikey"),    SP_STR_INIT("password"),
                                          SP_STR_INIT("dpop"),   SP_STR_INIT("assert"),  SP_STR_INIT("signature"), SP_STR_INIT("-sign"),
                                          SP_STR_INIT("jwt"),    SP_STR_INIT("session"), SP_STR_INIT("credential")};
    for (size_t i = 0; i < SP_ARRAY_LEN(words); i++)
        if (sp_str_find(name, words[i]) >= 0)
            return !sp_str_eq(name, SP_STR("www-authenticate"));
    return false;
}

struct sp_str sp_report_value(const struct sp_report *r, const struct sp_header *h)
{
    bool hide = h->secret || (!r->show_headers && (h->never_index || is_sensitive(h->name)));
    return hide ? SP_STR("[redacted]") : h->value;
}

json_t *sp_report_headers(const struct sp_report *r, const struct sp_headers *h)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < h->n; i++) {
        json_t *line = json_array();
        json_array_append_new(line, sp_report_str(h->v[i].name));
        json_array_append_new(line, sp_report_str(sp_report_value(r, &h->v[i])));
        json_array_append_new(list, line);
    }
    return list;
}
