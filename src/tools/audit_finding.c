/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit_finding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#include "base/mem.h"

struct sp_audit_finding {
    const struct sp_audit_check *check;
    struct sp_mark mark;
    struct sp_str path, what;
};

void sp_audit_found(struct sp_audit *a, const void *msg, const char *field, int index, const char *fmt, ...)
{
    assert(a && a->check && msg && fmt);
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 16;
        a->findings = sp_xrealloc(a->findings, a->cap * sizeof(*a->findings));
    }
    a->findings[a->n++] = (struct sp_audit_finding){
        .check = a->check,
        .mark = sp_doc_mark(a->doc, msg, field, index),
        .path = sp_doc_path(a->doc, msg, field, index, &a->arena),
        .what = sp_arena_str(&a->arena, sp_str_c(text)),
    };
}

static int by_place(const void *x, const void *y)
{
    const struct sp_audit_finding *a = x, *b = y;
    int file = strcmp(a->mark.file ? a->mark.file : "", b->mark.file ? b->mark.file : "");
    if (file)
        return file;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column)
        return a->mark.column < b->mark.column ? -1 : 1;
    return strcmp(a->check->id, b->check->id);
}

void sp_audit_print(struct sp_audit *a, FILE *to)
{
    static const char *const severities[] = {[SP_AUDIT_HIGH] = "high", [SP_AUDIT_MEDIUM] = "medium", [SP_AUDIT_LOW] = "low"};
    assert(a && to);
    if (a->n)
        qsort(a->findings, a->n, sizeof(*a->findings), by_place);
    for (unsigned i = 0; i < a->n; i++) {
        const struct sp_audit_finding *f = &a->findings[i];
        fprintf(to, "%s:%u:%u: %s: %s: %.*s: %.*s (%s)\n", f->mark.file ? f->mark.file : "", f->mark.line, f->mark.column,
                severities[f->check->severity], f->check->id, SP_STR_ARG(f->path), SP_STR_ARG(f->what), f->check->remedy);
    }
}
