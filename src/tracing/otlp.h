/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spans as OpenTelemetry's protocol has them (opentelemetry.proto.trace.v1, collector.trace.v1.ExportTraceServiceRequest),
 * written straight to bytes.  A buffer grows on the heap; texts that are no UTF-8 are mended, since a collector refuses the
 * whole message otherwise.  One thread at a time.
 */
#ifndef SP_TRACING_OTLP_H
#define SP_TRACING_OTLP_H

#include "tracing/context.h"

enum { SP_OTLP_TEXT_MAX = 4096 }; /* bytes of a value; the rest is cut off */

struct sp_otlp {
    char *p;
    size_t len, cap;
};

void sp_otlp_done(struct sp_otlp *o);

enum sp_attr_kind { SP_ATTR_STR, SP_ATTR_INT, SP_ATTR_DOUBLE, SP_ATTR_BOOL };

struct sp_attr {
    struct sp_str key, str;
    enum sp_attr_kind kind;
    int64_t num; /* INT, BOOL */
    double real;
};

enum { SP_ATTRS_MAX = 96 };

/* On the stack of whoever ends a span. Texts are borrowed. */
struct sp_attrs {
    struct sp_attr v[SP_ATTRS_MAX];
    unsigned n;
};

/* In place of one of that name. One too many is left out. */
void sp_attrs_set(struct sp_attrs *a, const struct sp_attr *attr);
static inline void sp_attrs_str(struct sp_attrs *a, struct sp_str key, struct sp_str value)
{
    const struct sp_attr attr = {.key = key, .str = value};
    sp_attrs_set(a, &attr);
}

struct sp_span_event {
    struct sp_str name;
    int64_t at_ns; /* Unix time */
};

enum sp_span_kind { SP_SPAN_INTERNAL = 1, SP_SPAN_SERVER = 2, SP_SPAN_CLIENT = 3 };

/* One span, as data. */
struct sp_span_data {
    const struct sp_trace_ctx *ctx;
    uint64_t parent;     /* 0: the trace begins here */
    bool remote;         /* the parent is another program's */
    struct sp_str name;
    enum sp_span_kind kind;
    int64_t start_ns, end_ns; /* Unix time */
    const struct sp_attrs *attrs;
    const struct sp_span_event *events;
    unsigned n_events;
    bool error;
};

/* Appends ScopeSpans.spans: what sp_otlp_request takes. */
void sp_otlp_span(struct sp_otlp *o, const struct sp_span_data *span);
/* Appends what stands before the spans: ResourceSpans.resource with these attributes, ScopeSpans.scope (empty name: none). */
void sp_otlp_resource(struct sp_otlp *o, const struct sp_attrs *attrs);
void sp_otlp_scope(struct sp_otlp *o, struct sp_str name, struct sp_str version);
/* The whole ExportTraceServiceRequest of three such pieces. */
void sp_otlp_request(struct sp_otlp *o, struct sp_str resource, struct sp_str scope, struct sp_str spans);

#endif
