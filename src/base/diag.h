/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_diag: the list of errors and warnings of one config run.  All of a file's errors are gathered and shown
 * together.  Owned by whoever runs the load; one thread at a time.  The list is bounded (SP_DIAG_MAX), the rest
 * are counted.  Lines read `file:line:column: field.path: what is wrong (what to do)`.
 */
#ifndef SP_BASE_DIAG_H
#define SP_BASE_DIAG_H

#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"

enum { SP_DIAG_MAX = 200 };

enum sp_severity { SP_ERROR, SP_WARNING };

/* Where in the config something stands; line and column count from 1, 0 means unknown. */
struct sp_mark {
    const char *file; /* lives as long as the sp_diag or the document it came from */
    unsigned line, column;
};

enum { SP_MARK_TEXT_MAX = 4160 };
/* "file:line:column: ", "file: " when it is about the whole of a file, "" when there is none. Returns `out`. */
const char *sp_mark_text(struct sp_mark mark, char out[SP_MARK_TEXT_MAX]);

struct sp_diag_item {
    enum sp_severity severity;
    struct sp_mark mark;
    const char *path; /* "static_resources.listeners[0].address", or "" */
    const char *text;
};

struct sp_diag {
    struct sp_arena arena;
    struct sp_diag_item *items; /* n_items of them */
    unsigned n_items, cap;
    unsigned n_errors, n_warnings; /* all, shown or not */
};

void sp_diag_init(struct sp_diag *d);
void sp_diag_done(struct sp_diag *d);
/* Copies all it is given. `path` may be NULL. */
void sp_diag_add(struct sp_diag *d, enum sp_severity severity, struct sp_mark mark, const char *path,
                 const char *fmt, ...) SP_PRINTF(5, 6);
void sp_diag_vadd(struct sp_diag *d, enum sp_severity severity, struct sp_mark mark, const char *path,
                  const char *fmt, va_list ap);
/* Writes every item, a line each, in order of file, line and column. */
void sp_diag_print(struct sp_diag *d, FILE *to);

#endif
