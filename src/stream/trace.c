/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/trace.h"

#include <assert.h>

#include "stream/stream_impl.h"
#include "stream/tracing.h"

/* Stands in a slot in place of the filter's own. */
struct traced_filter {
    struct sp_filter_ops ops;
    const struct sp_filter_ops *own;
    struct sp_trace *trace;
};

/* Stands in a chain in place of the stream's own. */
struct traced_chain {
    struct sp_chain_ops ops;
    const struct sp_chain_ops *own;
    struct sp_trace *trace;
};

/* --- filters --- */

static const struct traced_filter *of_filter(const struct sp_filter *f)
{
    return SP_CONTAINER_OF(f->ops, const struct traced_filter, ops);
}

static struct sp_trace_step begin(const struct sp_filter *f, enum sp_direction dir, enum sp_trace_part part)
{
    struct sp_trace *t = of_filter(f)->trace;
    struct sp_trace_step s = {.chain = f->chain, .index = f->index, .dir = dir, .part = part};
    t->before(t, &s);
    return s;
}

/* A reply runs when the outermost callback has returned, so that it is pending still. */
static enum sp_status end(const struct sp_filter *f, struct sp_trace_step s, bool pending, enum sp_status status)
{
    struct sp_trace *t = of_filter(f)->trace;
    s.status = status;
    s.replied = !pending && f->chain->reply_pending;
    t->after(t, &s);
    return status;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool last)
{
    bool pending = f->chain->reply_pending;
    struct sp_trace_step s = begin(f, SP_DECODE, SP_TRACE_HEADERS);
    return end(f, s, pending, of_filter(f)->own->decode_headers(f, h, last));
}

static enum sp_status decode_data(struct sp_filter *f, struct sp_buf *b, bool last)
{
    bool pending = f->chain->reply_pending;
    struct sp_trace_step s = begin(f, SP_DECODE, SP_TRACE_DATA);
    return end(f, s, pending, of_filter(f)->own->decode_data(f, b, last));
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *h)
{
    bool pending = f->chain->reply_pending;
    struct sp_trace_step s = begin(f, SP_DECODE, SP_TRACE_TRAILERS);
    return end(f, s, pending, of_filter(f)->own->decode_trailers(f, h));
}

static enum sp_status encode_headers(struct sp_filter *f, struct sp_headers *h, bool last)
{
    bool pending = f->chain->reply_pending;
    struct sp_trace_step s = begin(f, SP_ENCODE, SP_TRACE_HEADERS);
    return end(f, s, pending, of_filter(f)->own->encode_headers(f, h, last));
}

static void wrap(struct traced_filter *w, const struct sp_filter_ops *own, struct sp_trace *t)
{
    w->ops = *own;
    w->own = own;
    w->trace = t;
    if (own->decode_headers)
        w->ops.decode_headers = decode_headers;
    if (own->decode_data)
        w->ops.decode_data = decode_data;
    if (own->decode_trailers)
        w->ops.decode_trailers = decode_trailers;
    if (own->encode_headers)
        w->ops.encode_headers = encode_headers;
}

void sp_hcm_trace(struct sp_hcm *h, struct sp_trace *t)
{
    assert(h && t && t->before && t->after && t->routed && t->headers && t->data && t->reset);
    struct traced_filter *w = sp_arena_zalloc(&h->arena, h->plan.n * sizeof(*w));
    for (unsigned i = 0; i < h->plan.n; i++) {
        wrap(&w[i], h->plan.v[i].ops, t);
        h->plan.v[i].ops = &w[i].ops;
    }
    h->logs = NULL;
    sp_hcm_rest_mute(h->rest);
    sp_tracing_free(h->tracing);
    h->tracing = NULL;
}

/* --- the chain's ends --- */

static const struct traced_chain *of_chain(const struct sp_chain *c)
{
    return SP_CONTAINER_OF(c->ops, const struct traced_chain, ops);
}

static bool on_route(struct sp_chain *c)
{
    const struct traced_chain *w = of_chain(c);
    bool on = w->own->route(c);
    w->trace->routed(w->trace, c);
    return on;
}

static void on_headers(struct sp_chain *c, struct sp_headers *h, bool last)
{
    const struct traced_chain *w = of_chain(c);
    w->own->headers(c, h, last);
    w->trace->headers(w->trace, c, h, last);
}

static void on_data(struct sp_chain *c, struct sp_buf *b, bool last)
{
    const struct traced_chain *w = of_chain(c);
    w->trace->data(w->trace, c, b, last);
    w->own->data(c, b, last);
}

static void on_reset(struct sp_chain *c, enum sp_abort why)
{
    const struct traced_chain *w = of_chain(c);
    w->trace->reset(w->trace, c, why);
    w->own->reset(c, why);
}

void sp_stream_trace(struct sp_stream *s, struct sp_trace *t)
{
    assert(s && t && !s->chain.head[SP_DECODE]);
    struct traced_chain *w = sp_arena_zalloc(s->chain.arena, sizeof(*w));
    w->own = s->chain.ops;
    w->ops = *w->own;
    w->ops.route = on_route;
    w->ops.headers = on_headers;
    w->ops.data = on_data;
    w->ops.reset = on_reset;
    w->trace = t;
    s->chain.ops = &w->ops;
}

/* --- what there is to see --- */

const struct sp_filter_plan *sp_hcm_plan(const struct sp_hcm *h)
{
    assert(h);
    return &h->plan;
}

const struct sp_route_table *sp_hcm_routes(const struct sp_hcm *h)
{
    assert(h);
    return h->routes;
}

const struct sp_chain *sp_stream_chain(const struct sp_stream *s)
{
    assert(s);
    return &s->chain;
}
