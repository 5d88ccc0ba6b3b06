/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/diag.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

const char *sp_mark_text(struct sp_mark mark, char out[SP_MARK_TEXT_MAX])
{
    out[0] = 0;
    if (mark.file && mark.line)
        snprintf(out, SP_MARK_TEXT_MAX, "%s:%u:%u: ", mark.file, mark.line, mark.column);
    else if (mark.file)
        snprintf(out, SP_MARK_TEXT_MAX, "%s: ", mark.file);
    return out;
}

void sp_diag_init(struct sp_diag *d)
{
    assert(d);
    *d = (struct sp_diag){0};
    sp_arena_init(&d->arena);
}

void sp_diag_done(struct sp_diag *d)
{
    assert(d);
    free(d->items);
    sp_arena_done(&d->arena);
    *d = (struct sp_diag){0};
}

/* A config's own bytes may stand in it. */
static const char *clean(const char *text)
{
    sp_text_tame((char *)(uintptr_t)text, strlen(text));
    return text;
}

static const char *vformat(struct sp_arena *a, const char *fmt, va_list ap)
{
    va_list ap2;
    va_copy(ap2, ap);
    int n = vsnprintf(NULL, 0, fmt, ap2);
    va_end(ap2);
    assert(n >= 0);
    char *p = sp_arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    return clean(p);
}

void sp_diag_vadd(struct sp_diag *d, enum sp_severity severity, struct sp_mark mark, const char *path,
                  const char *fmt, va_list ap)
{
    assert(d && fmt);
    *(severity == SP_ERROR ? &d->n_errors : &d->n_warnings) += 1;
    if (d->n_items == SP_DIAG_MAX)
        return;
    if (d->n_items == d->cap) {
        d->cap = d->cap ? d->cap * 2 : 16;
        d->items = sp_xrealloc(d->items, d->cap * sizeof(*d->items));
    }
    if (mark.file)
        mark.file = clean(sp_arena_str(&d->arena, sp_str_c(mark.file)).ptr);
    d->items[d->n_items++] = (struct sp_diag_item){
        .severity = severity,
        .mark = mark,
        .path = clean(sp_arena_str(&d->arena, sp_str_c(path)).ptr),
        .text = vformat(&d->arena, fmt, ap),
    };
}

void sp_diag_add(struct sp_diag *d, enum sp_severity severity, struct sp_mark mark, const char *path,
                 const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    sp_diag_vadd(d, severity, mark, path, fmt, ap);
    va_end(ap);
}

static int item_cmp(const void *va, const void *vb)
{
    const struct sp_diag_item *a = va, *b = vb;
    int r = sp_str_cmp(sp_str_c(a->mark.file), sp_str_c(b->mark.file));
    if (r)
        return r;
    if (a->mark.line != b->mark.line)
        return a->mark.line < b->mark.line ? -1 : 1;
    return (a->mark.column > b->mark.column) - (a->mark.column < b->mark.column);
}

void sp_diag_print(struct sp_diag *d, FILE *to)
{
    assert(d && to);
    if (d->n_items)
        qsort(d->items, d->n_items, sizeof(*d->items), item_cmp);
    for (unsigned i = 0; i < d->n_items; i++) {
        const struct sp_diag_item *it = &d->items[i];
        char place[SP_MARK_TEXT_MAX];
        fprintf(to, "%s%s%s%s%s\n", sp_mark_text(it->mark, place), it->severity == SP_WARNING ? "warning: " : "", it->path,
                *it->path ? ": " : "", it->text);
    }
    unsigned all = d->n_errors + d->n_warnings;
    if (all > d->n_items)
        fprintf(to, "... and %u more\n", all - d->n_items);
}
