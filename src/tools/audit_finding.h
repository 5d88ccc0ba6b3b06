/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the checks of `sallyport audit` look at, and what they find.  Private to tools/audit*.  One thread. */
#ifndef SP_TOOLS_AUDIT_FINDING_H
#define SP_TOOLS_AUDIT_FINDING_H

#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"

/* The worst first. */
enum sp_audit_severity {
    SP_AUDIT_CRITICAL, /* a stranger gets in, or further, at once */
    SP_AUDIT_HIGH,     /* a control is there and can be gone round */
    SP_AUDIT_MEDIUM,   /* one is missing that others lean on */
    SP_AUDIT_LOW,      /* Envoy's advice for edges is not followed */
    SP_AUDIT_INFO,     /* worth knowing */
    SP_AUDIT_SEVERITIES,
};
extern const char *const sp_audit_severity_names[SP_AUDIT_SEVERITIES];

struct sp_audit;
struct sp_look_chain; /* tools/audit_look.h */

struct sp_audit_check {
    const char *id; /* for people and for scripts: stays the same */
    enum sp_audit_severity severity;
    const char *title;   /* what is found, in short */
    const char *remedy;
    const char *control; /* a row of docs/security.md: its first cell */
    /* One of these: once, or for each of what it looks at. */
    void (*whole)(struct sp_audit *a);
    void (*chain)(struct sp_audit *a, const struct sp_look_chain *c);
    void (*listener)(struct sp_audit *a, const Envoy__Config__Listener__V3__Listener *l);
    void (*cluster)(struct sp_audit *a, const Envoy__Config__Cluster__V3__Cluster *c);
    void (*vhost)(struct sp_audit *a, const struct sp_look_chain *c, const Envoy__Config__Route__V3__VirtualHost *v);
    void (*route)(struct sp_audit *a, const struct sp_look_chain *c, const Envoy__Config__Route__V3__Route *r);
    void (*message)(struct sp_audit *a, const ProtobufCMessage *msg); /* every message of the document */
};

struct sp_audit_finding {
    const struct sp_audit_check *check;
    struct sp_mark mark;      /* file NULL, line 0: of no text */
    struct sp_str path, what; /* NUL-terminated */
};

/* What a check looks at. */
struct sp_audit {
    const struct sp_doc *doc;
    const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    const struct sp_audit_check *check; /* the one that runs */
    int64_t now;                        /* Unix seconds */
    struct sp_arena arena;
    struct sp_audit_finding *findings;
    unsigned n, cap;
    int header_secrets; /* audit_origins.c: a header sends a secret to origins: 1; -1: none does; 0: not looked for yet */
};

void sp_audit_init(struct sp_audit *a, const struct sp_doc *doc);
void sp_audit_done(struct sp_audit *a);
/* A finding of the running check about `msg`, its field or the field's element (as in sp_doc_mark). */
void sp_audit_found(struct sp_audit *a, const void *msg, const char *field, int index, const char *fmt, ...)
    SP_PRINTF(5, 6);
/* The worst first, then in order of place; each once. */
void sp_audit_sort(struct sp_audit *a);
/* How many are as bad as `severity` or worse. */
unsigned sp_audit_count(const struct sp_audit *a, enum sp_audit_severity severity);

#endif
