/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "support/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config/rules.h"

void t_config_load(struct t_config *c, const ProtobufCMessageDescriptor *root, const char *yaml)
{
    sp_diag_init(&c->diag);
    c->doc = sp_doc_load_text("t.yaml", sp_str_c(yaml), SP_SYNTAX_YAML, root, &c->diag);
    if (c->doc)
        sp_rules_check(c->doc, &c->diag);
    assert_string_equal(t_config_said(c), "");
    assert_non_null(c->doc);
    c->msg = sp_doc_root(c->doc);
}

const char *t_config_said(struct t_config *c)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    sp_diag_print(&c->diag, f);
    fclose(f);
    struct sp_str copy = sp_arena_str(&c->diag.arena, sp_str_n(text, len));
    free(text);
    return copy.ptr;
}

void t_config_done(struct t_config *c)
{
    sp_doc_free(c->doc);
    sp_diag_done(&c->diag);
}

static struct sp_str *pseudo(struct sp_headers *h, struct sp_str name)
{
    struct sp_str *fields[] = {&h->method, &h->scheme, &h->authority, &h->path, &h->protocol};
    static const char *const names[] = {":method", ":scheme", ":authority", ":path", ":protocol"};
    for (size_t i = 0; i < SP_ARRAY_LEN(fields); i++)
        if (sp_str_eq(name, sp_str_c(names[i])))
            return fields[i];
    return NULL;
}

void t_headers(struct sp_headers *h, struct sp_arena *arena, const char *lines)
{
    struct sp_str rest = sp_arena_str(arena, sp_str_c(lines)), line;
    sp_headers_init(h, arena);
    while (sp_str_split(&rest, '\n', &line)) {
        if (!line.len)
            continue;
        ptrdiff_t colon = sp_str_chr(sp_str_sub(line, 1, line.len), ':') + 1;
        assert_true(colon > 0);
        struct sp_str name = sp_str_sub(line, 0, (size_t)colon);
        struct sp_str value = sp_str_trim(sp_str_sub(line, (size_t)colon + 1, line.len));
        struct sp_str *field = pseudo(h, name);
        if (!value.ptr)
            value = SP_STR("");
        if (field)
            *field = value;
        else if (sp_str_eq(name, SP_STR(":status")))
            h->status = (unsigned)atoi(value.ptr);
        else
            sp_headers_add(h, name, value);
    }
}

const char *t_headers_text(const struct sp_headers *h, struct sp_arena *arena)
{
    struct sp_str all = SP_STR("");
    struct sp_headers *mutable = (struct sp_headers *)(uintptr_t)h;
    static const char *const names[] = {":method", ":scheme", ":authority", ":path", ":protocol"};
    for (size_t i = 0; i < SP_ARRAY_LEN(names); i++) {
        struct sp_str *field = pseudo(mutable, sp_str_c(names[i]));
        if (field->len)
            all = sp_arena_printf(arena, "%.*s%s: %.*s\n", SP_STR_ARG(all), names[i], SP_STR_ARG(*field));
    }
    if (h->status)
        all = sp_arena_printf(arena, "%.*s:status: %u\n", SP_STR_ARG(all), h->status);
    for (unsigned i = 0; i < h->n; i++)
        all = sp_arena_printf(arena, "%.*s%.*s: %.*s\n", SP_STR_ARG(all), SP_STR_ARG(h->v[i].name),
                              SP_STR_ARG(h->v[i].value));
    return all.ptr;
}

const char *t_c(struct sp_arena *arena, struct sp_str s)
{
    return s.ptr ? sp_arena_str(arena, s).ptr : "(null)";
}
