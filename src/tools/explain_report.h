/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What `sallyport explain` has found, as JSON: the request, the steps in the order in which they happened, the upstream
 * request or the answer, the verdict.  `--format text` writes out the same (tools/explain_text).  Private to
 * tools/explain*.  One thread.
 */
#ifndef SP_TOOLS_EXPLAIN_REPORT_H
#define SP_TOOLS_EXPLAIN_REPORT_H

#include "base/json.h"
#include "config/doc.h"
#include "http/headers.h"

/* Exit codes beside those of the server (server/options.h). */
enum {
    SP_EXPLAIN_FORWARDED = 0, /* it would go to an upstream, or is answered here with a status below 400 */
    SP_EXPLAIN_REFUSED = 4,   /* an error status, a reset, a connection that is not taken */
    SP_EXPLAIN_UNDECIDED = 5, /* somebody on the network has to be asked */
};

struct sp_report {
    json_t *root, *steps;   /* steps belongs to root */
    const struct sp_doc *doc;
    bool show_headers;      /* values of authorization and the like, too; secrets of the config never */
    struct sp_arena arena;
    int exit_code;
    bool done;              /* the verdict is there */
    struct sp_str unless;   /* somebody else has to agree before it is forwarded; empty: nobody */
};

void sp_report_init(struct sp_report *r, const struct sp_doc *doc, bool show_headers);
void sp_report_done(struct sp_report *r);

/* A string; what is no UTF-8 in it is replaced. */
json_t *sp_report_str(struct sp_str s);
/* object[name] = s, unless s is empty. */
void sp_report_set(json_t *object, const char *name, struct sp_str s);
void sp_report_setf(json_t *object, const char *name, const char *fmt, ...) SP_PRINTF(3, 4);

/*
 * A step: {"stage","name","verdict","why"}. verdict: "passes", "refuses", "waits", "skipped" ... Returns it, for more; the
 * report owns it.
 */
json_t *sp_report_step(struct sp_report *r, const char *stage, struct sp_str name, const char *verdict, const char *fmt, ...)
    SP_PRINTF(5, 6);
/* Where `msg` (or its field) stands in the config: "file:line:column". */
void sp_report_place(struct sp_report *r, json_t *object, const void *msg, const char *field, int index);
/* The end. `exit_code`: SP_EXPLAIN_*. The first one counts. */
void sp_report_verdict(struct sp_report *r, int exit_code, const char *verdict, const char *fmt, ...) SP_PRINTF(4, 5);

/* The value as it may be shown. */
struct sp_str sp_report_value(const struct sp_report *r, const struct sp_header *h);
/* [[name, value] ...] of the lines, redacted. */
json_t *sp_report_headers(const struct sp_report *r, const struct sp_headers *h);

#endif
