/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Compiling texts; making and freeing formats. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "config/secret.h"
#include "stream/format_code.h"

typedef Envoy__Config__Core__V3__SubstitutionFormatString FormatString;
#define FORMAT(name) ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_##name

enum { LITERAL_MAX_NAME = 64 };

static const char default_text[] =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% %RESPONSE_FLAGS% "
    "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
    "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

struct sp_fmt_instr *sp_fmt_emit(struct sp_format *f, enum sp_fmt_code code, struct sp_str text)
{
    assert(f);
    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 16;
        f->v = sp_xrealloc(f->v, f->cap * sizeof(*f->v));
    }
    assert(f->v);
    f->v[f->n] = (struct sp_fmt_instr){.code = code, .text = text};
    return &f->v[f->n++];
}

void sp_fmt_emit_op(struct sp_format *f, enum sp_fmt_code code, const struct sp_fmt_op *op)
{
    assert(f && op);
    struct sp_fmt_instr *last = f->n ? &f->v[f->n - 1] : NULL;
    if (!last || last->code != SP_FMT_LITERAL)
        last = sp_fmt_emit(f, code, SP_STR(""));
    last->code = code;
    last->op = *op;
}

void sp_fmt_literal(struct sp_format *f, struct sp_str text)
{
    assert(f);
    struct sp_fmt_instr *last = f->n ? &f->v[f->n - 1] : NULL;
    if (!text.len)
        return;
    if (last && last->code == SP_FMT_LITERAL)
        last->text = sp_arena_cat(&f->arena, last->text, text);
    else
        sp_fmt_emit(f, SP_FMT_LITERAL, sp_arena_str(&f->arena, text));
}

static bool name_byte(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool malformed(const struct sp_fmt_parse *p, struct sp_str text)
{
    /* Only as much as tells where it is. */
    struct sp_str shown = sp_str_sub(text, 0, 24);
    sp_fmt_err(p, "\"%.*s%s\" is no operator (they look like %%NAME%%, %%NAME(x)%% or %%NAME(x):9%%; a '%%' is written %%%%)",
               SP_STR_ARG(shown), text.len > shown.len ? "..." : "");
    return false;
}

/* The operator at the start of *text, which is a '%' that no second one follows. */
static bool operator_at(const struct sp_fmt_parse *p, struct sp_str *text, struct sp_fmt_op *op)
{
    struct sp_str s = *text, params = SP_STR_NULL;
    bool has_params = false;
    uint64_t max_len = UINT32_MAX;
    size_t i = 1;
    while (i < s.len && name_byte(s.ptr[i]))
        i++;
    struct sp_str name = sp_str_sub(s, 1, i);
    if (!name.len || name.len > LITERAL_MAX_NAME)
        return malformed(p, s);
    if (i < s.len && s.ptr[i] == '(') {
        ptrdiff_t end = sp_str_chr(sp_str_sub(s, i, s.len), ')');
        if (end < 0)
            return malformed(p, s);
        params = sp_str_sub(s, i + 1, i + (size_t)end);
        has_params = true;
        i += (size_t)end + 1;
    }
    if (i < s.len && s.ptr[i] == ':') {
        size_t from = ++i;
        while (i < s.len && s.ptr[i] >= '0' && s.ptr[i] <= '9')
            i++;
        if (sp_str_u64(sp_str_sub(s, from, i), UINT32_MAX - 1, &max_len) < 0)
            return malformed(p, s);
    }
    if (i == s.len || s.ptr[i] != '%')
        return malformed(p, s);
    *text = sp_str_n(s.ptr + i + 1, s.len - i - 1);
    return sp_fmt_op_parse(op, p, name, has_params ? &params : NULL, (uint32_t)max_len);
}

bool sp_fmt_next_piece(const struct sp_fmt_parse *p, struct sp_str *text, struct sp_fmt_piece *ret, bool *ret_bad)
{
    assert(p && text && ret && ret_bad);
    *ret = (struct sp_fmt_piece){0};
    if (!text->len)
        return false;
    if (text->ptr[0] != '%') {
        ptrdiff_t n = sp_str_chr(*text, '%');
        ret->literal = sp_str_sub(*text, 0, n < 0 ? text->len : (size_t)n);
        *text = sp_str_n(text->ptr + ret->literal.len, text->len - ret->literal.len);
        return true;
    }
    if (text->len > 1 && text->ptr[1] == '%') {
        ret->literal = SP_STR("%");
        *text = sp_str_n(text->ptr + 2, text->len - 2);
        return true;
    }
    ret->is_op = true;
    if (operator_at(p, text, &ret->op))
        return true;
    *ret_bad = true;
    return false;
}

static bool compile_text(struct sp_format *f, const struct sp_fmt_parse *p, struct sp_str text)
{
    struct sp_fmt_piece piece;
    bool bad = false;
    while (sp_fmt_next_piece(p, &text, &piece, &bad)) {
        if (piece.is_op)
            sp_fmt_emit_op(f, SP_FMT_TEXT, &piece.op);
        else
            sp_fmt_literal(f, piece.literal);
    }
    return !bad;
}

static struct sp_format *format_new(void)
{
    struct sp_format *f = sp_xcalloc(1, sizeof(*f));
    sp_arena_init(&f->arena);
    return f;
}

static struct sp_format *or_free(struct sp_format *f, bool good)
{
    if (good)
        return f;
    sp_format_free(f);
    return NULL;
}

struct sp_format *sp_format_new(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field, int index,
                                struct sp_str text)
{
    assert(doc && diag && msg);
    struct sp_format *f = format_new();
    struct sp_fmt_parse p = {doc, diag, msg, field, index, &f->arena, false};
    return or_free(f, compile_text(f, &p, text));
}

struct sp_format *sp_format_new_to_origin(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *field,
                                          int index, struct sp_str text)
{
    assert(doc && diag && msg);
    struct sp_format *f = format_new();
    struct sp_fmt_parse p = {doc, diag, msg, field, index, &f->arena, true};
    return or_free(f, compile_text(f, &p, text));
}

bool sp_format_is_secret(const struct sp_format *f)
{
    assert(f);
    for (size_t i = 0; i < f->n; i++)
        if (f->v[i].op.secret)
            return true;
    return false;
}

static bool from_source(struct sp_format *f, struct sp_fmt_parse *p, const FormatString *msg)
{
    struct sp_secret text;
    if (sp_secret_read(p->doc, p->diag, msg->text_format_source, 0, &text) < 0)
        return false;
    p->field = "text_format_source";
    /* A NUL would end texts early where they are shown. */
    bool good = sp_str_chr(sp_secret_str(&text), 0) < 0;
    if (!good)
        sp_fmt_err(p, "there is a NUL byte in it (is it the right file?)");
    good = good && compile_text(f, p, sp_secret_str(&text));
    sp_secret_done(&text);
    return good;
}

struct sp_format *sp_format_new_msg(const struct sp_doc *doc, struct sp_diag *diag, const FormatString *msg)
{
    assert(doc && diag);
    struct sp_format *f = format_new();
    struct sp_fmt_parse p = {doc, diag, msg, "text_format", -1, &f->arena, false};
    bool good;
    if (!msg) {
        good = compile_text(f, &p, sp_str_c(default_text));
        assert(good);
        return f;
    }
    f->omit_empty = msg->omit_empty_values;
    f->sorted = msg->json_format_options && msg->json_format_options->sort_properties;
    switch (msg->format_case) {
    case FORMAT(TEXT_FORMAT):
        good = compile_text(f, &p, sp_str_c(msg->text_format));
        break;
    case FORMAT(TEXT_FORMAT_SOURCE):
        good = from_source(f, &p, msg);
        break;
    case FORMAT(JSON_FORMAT):
        f->json = true;
        good = sp_fmt_compile_json(f, &p, msg->json_format);
        break;
    default:
        p.field = NULL;
        sp_fmt_err(&p, "one of these is required: text_format, json_format, text_format_source");
        good = false;
    }
    return or_free(f, good);
}

void sp_format_free(struct sp_format *f)
{
    if (!f)
        return;
    sp_arena_done(&f->arena);
    free(f->v);
    free(f);
}

bool sp_format_is_static(const struct sp_format *f)
{
    assert(f);
    return f->n == 0 || (f->n == 1 && f->v[0].code == SP_FMT_LITERAL);
}
