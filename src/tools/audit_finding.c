/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/audit_finding.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

const char *const sp_audit_severity_names[SP_AUDIT_SEVERITIES] = {"critical", "high", "medium", "low", "info"};

void sp_audit_init(struct sp_audit *a, const struct sp_doc *doc)
{
    assert(a && doc);
    *a = (struct sp_audit){.doc = doc, .bootstrap = sp_doc_root(doc), .now = time(NULL)};
    sp_arena_init(&a->arena);
}

void sp_audit_done(struct sp_audit *a)
{
    assert(a);
    free(a->findings);
    sp_arena_done(&a->arena);
}

void sp_audit_found(struct sp_audit *a, const void *msg, const char *field, int index, const char *fmt, ...)
{
    assert(a && a->check && msg && fmt);
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sp_text_tame(text, strlen(text));
    if (a->n == a->cap) {
        a->cap = a->cap ? 2 * a->cap : 16;
        a->findings = sp_xrealloc(a->findings, a->cap * sizeof(*a->findings));
    }
    struct sp_str path = sp_doc_path(a->doc, msg, field, index, &a->arena);
    path = sp_arena_str(&a->arena, path);
    sp_text_tame((char *)(uintptr_t)path.ptr, path.len);
    a->findings[a->n++] = (struct sp_audit_finding){
        .check = a->check,
        .mark = sp_doc_mark(a->doc, msg, field, index),
        .path = path,
        .what = sp_arena_str(&a->arena, sp_str_c(text)),
    };
}

static int by_severity(const void *x, const void *y)
{
    const struct sp_audit_finding *a = x, *b = y;
    if (a->check->severity != b->check->severity)
        return a->check->severity < b->check->severity ? -1 : 1;
    int file = strcmp(a->mark.file ? a->mark.file : "", b->mark.file ? b->mark.file : "");
    if (file)
        return file;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column)
        return a->mark.column < b->mark.column ? -1 : 1;
    int id = strcmp(a->check->id, b->check->id), path = strcmp(a->path.ptr, b->path.ptr);
    return id ? id : path ? path : strcmp(a->what.ptr, b->what.ptr);
}

/* What several refer to (a secret of a file, say) is found as often as it is referred to. */
static bool is_same(const struct sp_audit_finding *a, const struct sp_audit_finding *b)
{
    return by_severity(a, b) == 0;
}

void sp_audit_sort(struct sp_audit *a)
{
    assert(a);
    unsigned kept = 0;
    if (a->n)
        qsort(a->findings, a->n, sizeof(*a->findings), by_severity);
    for (unsigned i = 0; i < a->n; i++)
        if (!kept || !is_same(&a->findings[kept - 1], &a->findings[i]))
            a->findings[kept++] = a->findings[i];
    a->n = kept;
}

unsigned sp_audit_count(const struct sp_audit *a, enum sp_audit_severity severity)
{
    assert(a);
    unsigned n = 0;
    for (unsigned i = 0; i < a->n; i++)
        n += a->findings[i].check->severity <= severity;
    return n;
}
