/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of `sallyport audit` look at, and what they find.  Private to tools/audit*.  One thread. */
#ifndef SP_TOOLS_AUDIT_FINDING_H
#define SP_TOOLS_AUDIT_FINDING_H

#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

enum sp_audit_severity { SP_AUDIT_HIGH, SP_AUDIT_MEDIUM, SP_AUDIT_LOW };

struct sp_audit;

struct sp_audit_check {
    const char *id; /* for people and for scripts: stays the same */
    enum sp_audit_severity severity;
    const char *remedy;
    void (*run)(struct sp_audit *a);
};

/* What a check looks at. */
struct sp_audit {
    const struct sp_doc *doc;
    const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    const struct sp_audit_check *check; /* the one that runs */
    struct sp_arena arena;
    struct sp_audit_finding *findings;
    unsigned n, cap;
};

/* A finding of the running check about `msg`, its field or the field's element (as in sp_doc_mark). */
void sp_audit_found(struct sp_audit *a, const void *msg, const char *field, int index, const char *fmt, ...)
    SP_PRINTF(5, 6);
/* In order of place, a line each. */
void sp_audit_print(struct sp_audit *a, FILE *to);

#endif
