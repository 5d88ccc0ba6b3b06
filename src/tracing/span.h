/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_span: something that takes time within a request: the request itself, an attempt at an origin, a call to a service.  It
 * is begun, and ended with what is known by then; only spans that are sampled cost more than their numbers.  Lives in its
 * owner (a stream's arena, a call); one thread.
 */
#ifndef SP_TRACING_SPAN_H
#define SP_TRACING_SPAN_H

#include "tracing/tracer.h"

/* What a connection manager says of all its spans. Immutable, part of the config. */
struct sp_span_rules {
    struct sp_tracer *tracer; /* held */
    bool verbose;             /* events */
    bool upstream;            /* spawn_upstream_span */
    bool hidden;              /* no_context_propagation */
    uint32_t max_path;        /* max_path_tag_length */
};

struct sp_span {
    const struct sp_span_rules *rules; /* NULL: it is over, or the config is gone; then only ctx counts */
    struct sp_trace_ctx ctx;
    uint64_t parent; /* 0: the trace begins here */
    bool remote;     /* the parent came with the request */
    uint64_t start_ns;
    int64_t start_wall_ns;
};

/* Fills `s`, as the child of `parent`, at the turn's time. */
void sp_span_begin_child(struct sp_span *s, const struct sp_span *parent, const struct sp_turn *turn);
/* Unix time of a moment of the turn's clock. */
static inline int64_t sp_span_wall(const struct sp_span *s, uint64_t at_ns)
{
    return s->start_wall_ns + (int64_t)(at_ns - s->start_ns);
}
/* A head says of it to whoever gets it that it is the parent of what he does; not where the config hides it. */
void sp_span_tell(const struct sp_span *s, struct sp_headers *h);
/* Sends it off, unless it is not sampled; over then. `data` has name, kind, attributes, events and error. */
void sp_span_end(struct sp_span *s, struct sp_turn *turn, struct sp_span_data *data);

/* Whether somebody has to say more of it than that it is there. */
static inline bool sp_span_counts(const struct sp_span *s)
{
    return s && s->rules && s->ctx.sampled;
}

#endif
