/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_trace: looks over the shoulder of a connection manager's streams: what each filter said to what it was shown, how
 * the route was matched, what went to the client.  For tools that run a config without serving by it (tools/explain).
 *
 * Nothing on the request path asks whether somebody traces: the filters' callbacks are replaced by wrappers, once, in a
 * connection manager that nobody else uses, and the chain's by others, stream by stream.  One thread.
 */
#ifndef SP_STREAM_TRACE_H
#define SP_STREAM_TRACE_H

#include "stream/chain.h"
#include "stream/hcm.h"
#include "stream/stream.h"

enum sp_trace_part { SP_TRACE_HEADERS, SP_TRACE_DATA, SP_TRACE_TRAILERS };

/* One call of a filter. */
struct sp_trace_step {
    const struct sp_chain *chain;
    unsigned index;         /* of the filter in the plan */
    enum sp_direction dir;
    enum sp_trace_part part;
    enum sp_status status;  /* `after`: what it said */
    bool replied;           /* `after`: it answered in it; chain->reply */
};

struct sp_trace {
    void (*before)(struct sp_trace *t, const struct sp_trace_step *s);
    void (*after)(struct sp_trace *t, const struct sp_trace_step *s);
    /* The gates have let the request pass and the route was looked for (again, after sp_filter_clear_route): chain->route. */
    void (*routed)(struct sp_trace *t, const struct sp_chain *c);
    /* To the client. */
    void (*headers)(struct sp_trace *t, const struct sp_chain *c, const struct sp_headers *h, bool end);
    void (*data)(struct sp_trace *t, const struct sp_chain *c, const struct sp_buf *b, bool end);
    void (*reset)(struct sp_trace *t, const struct sp_chain *c, enum sp_abort why);
};

/* Before its first stream; `t` outlives its streams. All members are set. It writes no access log from then on. */
void sp_hcm_trace(struct sp_hcm *h, struct sp_trace *t);
/* A stream of such a connection manager, right after sp_stream_accept. */
void sp_stream_trace(struct sp_stream *s, struct sp_trace *t);

/* What a trace may look at: the filters in order, the route table, who the client is by the connection manager's rules. */
const struct sp_filter_plan *sp_hcm_plan(const struct sp_hcm *h);
const struct sp_route_table *sp_hcm_routes(const struct sp_hcm *h);
const struct sp_chain *sp_stream_chain(const struct sp_stream *s);

#endif
