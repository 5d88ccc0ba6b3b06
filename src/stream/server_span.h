/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The span of a request that a client makes: begun when the gates have let it pass and its route was looked for, ended with
 * the stream.  Also where the connection manager traces and the request is not sampled: then it is no more than the numbers
 * that origins get.  In the stream's arena.
 */
#ifndef SP_STREAM_SERVER_SPAN_H
#define SP_STREAM_SERVER_SPAN_H

#include "stream/tracing.h"

struct sp_stream;

struct sp_request_span {
    struct sp_span span; /* info->span */
    const struct sp_tracing *tracing;
    const struct sp_route_tracing *route; /* NULL: the route says nothing */
    enum sp_trace_reason reason;
    struct sp_str operation; /* the route's or the request's own name for it; empty: none */
    bool tells;              /* the client is told that name */
};

/* The connection manager traces: once the route was looked for. */
void sp_server_span_begin(struct sp_stream *s, struct sp_headers *h);
/* The answer's head, on its way to the client: how the request was called here. */
void sp_server_span_answer(const struct sp_stream *s, struct sp_headers *h);
/* The stream ends, or lets go of its config: then it is over early. */
void sp_server_span_end(struct sp_stream *s);

/* Of the request that the span belongs to: custom_tags and, of the route or the connection manager, upstream_operation (NULL: none). */
void sp_request_span_tags(const struct sp_stream_info *info, const struct sp_format_input *in, struct sp_arena *arena, struct sp_attrs *attrs);
const struct sp_format *sp_request_span_upstream_operation(const struct sp_stream_info *info);
/* What grpc-status and grpc-message say, in a head or trailers (or NULL); true when it is the server's fault. */
bool sp_span_grpc_tags(const struct sp_headers *h, struct sp_attrs *attrs);
/* Events of `verbose`, into v; how many. `client`: those of the client's side too. */
enum { SP_SPAN_EVENTS = 7 };
unsigned sp_span_events(const struct sp_span *span, const struct sp_stream_info *info, bool client, struct sp_span_event v[static SP_SPAN_EVENTS]);
/* RESPONSE_FLAGS as text, "-" without any; in `arena`. */
struct sp_str sp_span_flags(uint32_t flags, struct sp_arena *arena);
struct sp_str sp_span_protocol(enum sp_protocol p);
/* A service in front has asked for its trace (x-envoy-force-trace), and may. */
bool sp_server_span_forced(const struct sp_stream_info *info);

#endif
