/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * HttpConnectionManager.tracing and what routes say of it, compiled: which requests are traced, what is in their spans, where
 * these go.  Immutable, part of the config.
 */
#ifndef SP_STREAM_TRACING_H
#define SP_STREAM_TRACING_H

#include "stream/hcm.h"
#include "stream/span_tags.h"
#include "tracing/decision.h"
#include "tracing/span.h"

struct sp_tracing {
    struct sp_arena arena;
    struct sp_span_rules rules;
    struct sp_sampling sampling;
    struct sp_id_rules ids;
    struct sp_span_tags tags;
    struct sp_format *operation, *upstream_operation; /* NULL: the usual names */
    struct sp_str node_id, zone;
    struct sp_counter reasons[SP_TRACE_REASONS], health_check;
};

/* Of a route; only where it says something. */
struct sp_route_tracing {
    struct sp_arena arena;
    bool samples;
    struct sp_sampling sampling;
    struct sp_span_tags tags;
    const struct sp_str *values, *own_values; /* of its metadata: for the connection manager's tags, for its own */
    struct sp_format *operation, *upstream_operation;
    struct sp_str decorator; /* empty: none */
    bool propagate;
};

/* *ret NULL: nothing is traced. *ret_packs: request ids have the reason in them, with or without that. False after an error. */
bool sp_tracing_new(const struct sp_hcm_build *build, struct sp_stats_scope *scope,
                    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager *msg, struct sp_tracing **ret,
                    bool *ret_packs);
void sp_tracing_free(struct sp_tracing *t); /* NULL-safe */
/* NULL: the route says nothing; errors go to diag. `t`: the connection manager's, NULL: it traces nothing, and nothing is kept. */
struct sp_route_tracing *sp_route_tracing_new(const struct sp_tracing *t, const struct sp_doc *doc, struct sp_diag *diag,
                                              const Envoy__Config__Route__V3__Route *msg);
void sp_route_tracing_free(struct sp_route_tracing *r); /* NULL-safe */

#endif
