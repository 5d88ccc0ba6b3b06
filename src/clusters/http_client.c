/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/http_client.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/upstream.h"
#include "stream/server_span.h"

struct sp_http_call {
    struct sp_upstream up;
    struct sp_arena arena;
    struct sp_turn *turn;
    struct sp_cluster *cluster;
    struct sp_sink sink;        /* of the response */
    struct sp_headers *response, *trailers;
    struct sp_buf body;
    size_t max_body;
    sp_http_call_cb *done;
    void *ctx;
    bool over;                  /* done was called, or will not be */
    enum sp_abort why;
    struct sp_defer begin, end;
    struct sp_grave grave;
    struct sp_headers request;
    struct sp_buf request_body;
    struct sp_span span;        /* of a request that is sampled; else without rules */
    struct sp_str span_name;
};

static void call_free(struct sp_grave *g)
{
    struct sp_http_call *c = SP_CONTAINER_OF(g, struct sp_http_call, grave);
    struct sp_cluster *cluster = c->cluster;
    sp_buf_clear(&c->body);
    sp_buf_clear(&c->request_body);
    sp_arena_done_wipe(&c->arena); /* requests carry tokens */
    free(c);
    sp_cluster_drop(cluster);
}

static void bury(struct sp_http_call *c)
{
    c->over = true;
    sp_defer_cancel(&c->begin);
    sp_defer_cancel(&c->end);
    sp_upstream_done(&c->up);
    c->grave.free = call_free;
    sp_bury(c->turn, &c->grave);
}

static void end_span(struct sp_http_call *c, unsigned status)
{
    struct sp_str cluster = sp_cluster_name(c->cluster);
    struct sp_attrs attrs = {.n = 0};
    bool error = !status || status >= 500;
    sp_attrs_str(&attrs, SP_STR("component"), SP_STR("proxy"));
    sp_attrs_str(&attrs, SP_STR("upstream_cluster"), cluster);
    sp_attrs_str(&attrs, SP_STR("upstream_cluster.name"), cluster);
    sp_attrs_str(&attrs, SP_STR("http.status_code"), sp_arena_u64(&c->arena, status));
    error |= status && sp_span_grpc_tags(c->trailers ? c->trailers : c->response, &attrs);
    if (error)
        sp_attrs_str(&attrs, SP_STR("error"), SP_STR("true"));
    struct sp_span_data data = {.kind = SP_SPAN_CLIENT, .attrs = &attrs, .error = error, .name = c->span_name};
    if (!data.name.len)
        data.name = sp_arena_printf(&c->arena, "async %.*s egress", SP_STR_ARG(cluster));
    sp_span_end(&c->span, c->turn, &data);
}

static void run_end(struct sp_defer *d)
{
    struct sp_http_call *c = SP_CONTAINER_OF(d, struct sp_http_call, end);
    assert(!c->over);
    c->over = true;
    bool good = c->why == SP_ABORT_NONE && c->response;
    if (SP_UNLIKELY(c->span.rules != NULL))
        end_span(c, good ? c->response->status : 0);
    c->done(c->ctx, good ? c->response->status : 0, good ? c->response : NULL, &c->body, c->why);
    bury(c);
}

/* `done` may do anything, so it is called from a stack of its own. */
static void finish(struct sp_http_call *c, enum sp_abort why)
{
    if (c->over)
        return;
    c->why = why;
    sp_defer(c->turn, &c->end);
}

static struct sp_http_call *of_sink(struct sp_sink *s)
{
    return SP_CONTAINER_OF(s, struct sp_http_call, sink);
}

static void on_headers(struct sp_sink *s, struct sp_headers *h, bool end)
{
    struct sp_http_call *c = of_sink(s);
    if (h->status < 200)
        return;
    c->response = h;
    if (end)
        finish(c, SP_ABORT_NONE);
}

static void on_data(struct sp_sink *s, struct sp_buf *b, bool end)
{
    struct sp_http_call *c = of_sink(s);
    if (c->body.len + b->len > c->max_body) {
        sp_buf_clear(b);
        sp_upstream_cancel(&c->up, SP_ABORT_TOO_LARGE);
        finish(c, SP_ABORT_TOO_LARGE);
        return;
    }
    sp_buf_move(&c->body, b);
    if (end)
        finish(c, SP_ABORT_NONE);
}

static void on_trailers(struct sp_sink *s, struct sp_headers *t)
{
    struct sp_http_call *c = of_sink(s);
    c->trailers = t;
    finish(c, SP_ABORT_NONE);
}

static void on_abort(struct sp_sink *s, enum sp_abort why)
{
    finish(of_sink(s), why);
}

static const struct sp_sink_ops sink_ops = {on_headers, on_data, on_trailers, on_abort};

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    finish(u->owner, f->why);
}

static void up_pause(struct sp_upstream *u)
{
    (void)u; /* the whole body was given at once */
}

static const struct sp_upstream_ops up_ops = {.failed = up_failed, .pause = up_pause, .resume = up_pause};

static void run_begin(struct sp_defer *d)
{
    struct sp_http_call *c = SP_CONTAINER_OF(d, struct sp_http_call, begin);
    bool body = c->request_body.len > 0;
    sp_upstream_headers(&c->up, &c->request, !body);
    if (body)
        sp_upstream_data(&c->up, &c->request_body, true);
}

/* Whoever is called is told of the trace either way. */
static void begin_span(struct sp_http_call *c, const struct sp_http_request *r)
{
    const struct sp_span *tell = r->parent;
    c->span_name = r->span_name;
    if (sp_span_counts(r->parent)) {
        sp_span_begin_child(&c->span, r->parent, c->turn);
        tell = &c->span;
    }
    sp_span_tell(tell, &c->request);
}

static void fill_request(struct sp_http_call *c, const struct sp_http_request *r)
{
    struct sp_headers *h = &c->request;
    sp_headers_init(h, &c->arena);
    h->method = sp_arena_str(&c->arena, r->method);
    h->scheme = sp_arena_str(&c->arena, r->scheme);
    h->authority = sp_arena_str(&c->arena, r->authority);
    h->path = sp_arena_str(&c->arena, r->path);
    for (unsigned i = 0; i < r->n_headers; i++) {
        sp_headers_add(h, sp_arena_str(&c->arena, r->headers[i].name), sp_arena_str(&c->arena, r->headers[i].value));
        h->v[h->n - 1].never_index = r->headers[i].never_index;
    }
    if (SP_UNLIKELY(r->parent != NULL))
        begin_span(c, r);
    if (r->body.len) {
        sp_headers_set_id(h, SP_H_CONTENT_LENGTH, sp_arena_printf(&c->arena, "%zu", r->body.len));
        sp_buf_append_str(&c->request_body, r->body);
    }
}

struct sp_http_call *sp_http_call_start(struct sp_cluster *cluster, struct sp_worker *w, const struct sp_http_request *r,
                                        sp_http_call_cb *done, void *ctx)
{
    assert(cluster && w && r && done && r->method.len && r->path.len);
    struct sp_http_call *c = sp_xcalloc(1, sizeof(*c));
    c->cluster = cluster;
    sp_cluster_hold(cluster);
    c->turn = &w->turn;
    c->max_body = r->max_body;
    c->done = done;
    c->ctx = ctx;
    sp_arena_init(&c->arena);
    sp_buf_init(&c->body);
    sp_buf_init(&c->request_body);
    fill_request(c, r);
    c->sink.ops = &sink_ops;
    c->up.owner = c;
    c->up.ops = &up_ops;
    sp_upstream_init(&c->up, &(struct sp_upstream_setup){.cluster = cluster, .worker = w, .arena = &c->arena,
                                                         .timeout_ns = r->timeout_ns, .internal = true});
    sp_link(&c->up.out, &c->sink);
    c->begin.run = run_begin;
    c->end.run = run_end;
    sp_defer(c->turn, &c->begin);
    return c;
}

const struct sp_headers *sp_http_call_trailers(const struct sp_http_call *call)
{
    assert(call);
    return call->trailers;
}

void sp_http_call_cancel(struct sp_http_call *call)
{
    assert(call && !call->over);
    if (SP_UNLIKELY(call->span.rules != NULL))
        end_span(call, 0);
    bury(call);
}
