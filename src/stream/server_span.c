/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/server_span.h"

#include <assert.h>

#include "crypto/ct.h"
#include "stream/local_reply.h"
#include "stream/stream_impl.h"

/* --- the beginning --- */

/* What the head says of it, where sanitising has seen that there is anything. */
struct asked {
    struct sp_trace_ask ask;
    enum sp_trace_found found;
    struct sp_trace_ctx parent;
};

static void look(const struct sp_stream *s, const struct sp_tracing *t, struct sp_headers *h, struct asked *ret)
{
    const struct sp_propagators *p = &t->rules.tracer->propagators;
    *ret = (struct asked){.ask.random = s->random, .found = SP_TRACE_NONE};
    bool hinted = s->info.trace_hints || s->hcm->n_early;
    if (s->trace_before) {
        ret->found = SP_TRACE_FOUND;
        ret->parent = *s->trace_before;
    } else if (hinted || p->n > 1 || p->v[0] != SP_PROPAGATE_W3C) {
        ret->found = sp_trace_extract(p, h, &ret->parent);
    }
    if (!hinted)
        return;
    ret->ask.client_trace_id = sp_headers_find_id(h, SP_H_X_CLIENT_TRACE_ID, NULL) != NULL;
    ret->ask.forced = sp_headers_find_id(h, SP_H_X_ENVOY_FORCE_TRACE, NULL) != NULL;
}

static void decide(struct sp_stream *s, struct sp_request_span *r, const struct asked *a, struct sp_headers *h)
{
    const struct sp_tracing *t = r->tracing;
    struct sp_str id = s->info.request_id;
    r->reason = sp_trace_decide(r->route && r->route->samples ? &r->route->sampling : &t->sampling, &t->ids, &a->ask, &id, h->arena);
    if (id.ptr == s->info.request_id.ptr)
        return;
    s->info.request_id = id; /* with the reason in it */
    sp_headers_set_id(h, SP_H_X_REQUEST_ID, id);
}

/* The request's own name for it is the one of the service before: it goes no further. Envoy: unless a format names all of them. */
static void name_it(struct sp_stream *s, struct sp_request_span *r, struct sp_headers *h)
{
    bool named = r->tracing->operation || (r->route && r->route->operation);
    if (r->route && r->route->decorator.len) {
        r->operation = r->route->decorator;
        r->tells = r->route->propagate;
    }
    if (!s->info.trace_hints || named)
        return;
    struct sp_str own = sp_headers_get_id(h, SP_H_X_ENVOY_DECORATOR_OPERATION);
    if (!own.len)
        return;
    r->operation = own;
    r->tells = false;
    sp_headers_remove_id(h, SP_H_X_ENVOY_DECORATOR_OPERATION);
}

void sp_server_span_begin(struct sp_stream *s, struct sp_headers *h)
{
    assert(s && s->hcm->tracing && !s->info.span && h);
    struct sp_request_span *r = sp_arena_alloc(s->chain.arena, sizeof(*r));
    struct asked a;
    *r = (struct sp_request_span){.tracing = s->hcm->tracing, .route = s->chain.route ? s->chain.route->tracing : NULL};
    look(s, r->tracing, h, &a);
    decide(s, r, &a, h);
    bool continued = a.found == SP_TRACE_FOUND;
    struct sp_span *span = &r->span;
    span->rules = &r->tracing->rules;
    if (continued)
        span->ctx = a.parent;
    else /* chance enough: they name it, and guard nothing */
        span->ctx = (struct sp_trace_ctx){.trace = {s->random, sp_random_u64() | 1}};
    span->ctx.span = sp_random_u64() | 1;
    span->parent = continued ? a.parent.span : 0;
    span->remote = continued && !s->trace_before;
    span->start_ns = s->info.start_ns;
    span->start_wall_ns = s->info.start_wall_ns;
    bool wanted = r->reason != SP_TRACE_NOT_TRACEABLE;
    span->ctx.sampled = wanted && sp_sampler_takes(&span->rules->tracer->sampler, &span->ctx, a.found != SP_TRACE_NONE ? &a.parent : NULL);
    name_it(s, r, h);
    s->info.span = span;
}

void sp_server_span_answer(const struct sp_stream *s, struct sp_headers *h)
{
    assert(s && s->info.span && h);
    const struct sp_request_span *r = SP_CONTAINER_OF(s->info.span, struct sp_request_span, span);
    if (r->tells)
        sp_headers_set_id(h, SP_H_X_ENVOY_DECORATOR_OPERATION, r->operation);
}

/* --- what is in it --- */

static const struct sp_request_span *of_info(const struct sp_stream_info *info)
{
    return SP_CONTAINER_OF(info->span, struct sp_request_span, span);
}

struct sp_str sp_span_flags(uint32_t flags, struct sp_arena *arena)
{
    static const struct sp_str names[] = {
#define X(id, s, l) SP_STR_INIT(s),
        SP_FLAG_TABLE(X)
#undef X
    };
    struct sp_str all = SP_STR_NULL;
    for (size_t i = 0; i < SP_ARRAY_LEN(names) && flags >> i; i++)
        if (flags >> i & 1)
            all = all.len ? sp_arena_cat(arena, sp_arena_cat(arena, all, SP_STR(",")), names[i]) : names[i];
    return all.len ? all : SP_STR("-");
}

struct sp_str sp_span_protocol(enum sp_protocol p)
{
    return p == SP_HTTP_2 ? SP_STR("HTTP/2") : p == SP_HTTP_11 ? SP_STR("HTTP/1.1") : SP_STR("HTTP/1.0");
}

/* Codes that are the server's fault, a bit each: UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNIMPLEMENTED to DATA_LOSS. */
static const uint32_t grpc_faults = 1u << 2 | 1u << 4 | 1u << 8 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15;

bool sp_span_grpc_tags(const struct sp_headers *h, struct sp_attrs *attrs)
{
    const struct sp_header *line = h ? sp_headers_find_id(h, SP_H_GRPC_STATUS, NULL) : NULL;
    uint64_t code;
    if (!line)
        return false;
    sp_attrs_str(attrs, SP_STR("grpc.status_code"), line->value);
    struct sp_str message = sp_headers_get_id(h, SP_H_GRPC_MESSAGE);
    if (message.ptr)
        sp_attrs_str(attrs, SP_STR("grpc.message"), message);
    return sp_str_u64(line->value, 31, &code) == 0 && (grpc_faults >> code & 1);
}

static void url(const struct sp_headers *h, const struct sp_span_rules *rules, struct sp_arena *arena, struct sp_attrs *attrs)
{
    struct sp_str path = sp_headers_get_id(h, SP_H_X_ENVOY_ORIGINAL_PATH), proto = sp_headers_get_id(h, SP_H_X_FORWARDED_PROTO);
    if (!path.ptr)
        path = h->path;
    path = sp_str_sub(path, 0, rules->max_path);
    if (!proto.len)
        proto = h->scheme;
    sp_attrs_str(attrs, SP_STR("http.url"), sp_arena_printf(arena, "%.*s://%.*s%.*s", SP_STR_ARG(proto), SP_STR_ARG(h->authority), SP_STR_ARG(path)));
}

static struct sp_str or_dash(struct sp_str s)
{
    return s.ptr ? s : SP_STR("-");
}

static struct sp_str number(struct sp_arena *arena, uint64_t n)
{
    return sp_arena_u64(arena, n);
}

static struct sp_str peer(const struct sp_addr *a, struct sp_arena *arena)
{
    char text[SP_ADDR_TEXT_MAX];
    size_t n = a->family == AF_UNIX ? sp_addr_format(a, text) : sp_addr_format_ip(a, text);
    return sp_arena_str(arena, sp_str_n(text, n));
}

static void of_grpc(const struct sp_headers *h, struct sp_attrs *attrs)
{
    struct sp_str timeout = sp_headers_get(h, SP_STR("grpc-timeout"));
    sp_attrs_str(attrs, SP_STR("grpc.path"), h->path);
    sp_attrs_str(attrs, SP_STR("grpc.authority"), h->authority);
    sp_attrs_str(attrs, SP_STR("grpc.content_type"), sp_headers_get_id(h, SP_H_CONTENT_TYPE));
    if (timeout.ptr)
        sp_attrs_str(attrs, SP_STR("grpc.timeout"), timeout);
}

static void of_request(const struct sp_stream *s, const struct sp_headers *h, struct sp_attrs *attrs)
{
    struct sp_arena *arena = s->chain.arena;
    struct sp_str client_id = sp_headers_get_id(h, SP_H_X_CLIENT_TRACE_ID);
    if (s->info.request_id.len)
        sp_attrs_str(attrs, SP_STR("guid:x-request-id"), s->info.request_id);
    url(h, s->info.span->rules, arena, attrs);
    sp_attrs_str(attrs, SP_STR("http.method"), h->method);
    sp_attrs_str(attrs, SP_STR("downstream_cluster"), or_dash(sp_headers_get_id(h, SP_H_X_ENVOY_DOWNSTREAM_SERVICE_CLUSTER)));
    sp_attrs_str(attrs, SP_STR("user_agent"), or_dash(sp_headers_get_id(h, SP_H_USER_AGENT)));
    sp_attrs_str(attrs, SP_STR("http.protocol"), sp_span_protocol(s->info.protocol));
    sp_attrs_str(attrs, SP_STR("peer.address"), peer(&s->info.conn->socket, arena));
    if (client_id.ptr)
        sp_attrs_str(attrs, SP_STR("guid:x-client-trace-id"), client_id);
    if (sp_is_grpc(h))
        of_grpc(h, attrs);
}

/* True: an error. */
static bool of_answer(const struct sp_stream *s, struct sp_attrs *attrs)
{
    const struct sp_stream_info *info = &s->info;
    struct sp_arena *arena = s->chain.arena;
    sp_attrs_str(attrs, SP_STR("request_size"), number(arena, info->rx_body_bytes));
    sp_attrs_str(attrs, SP_STR("response_size"), number(arena, info->tx_body_bytes));
    sp_attrs_str(attrs, SP_STR("component"), SP_STR("proxy"));
    if (info->upstream_cluster.len) {
        sp_attrs_str(attrs, SP_STR("upstream_cluster"), info->upstream_cluster);
        sp_attrs_str(attrs, SP_STR("upstream_cluster.name"), info->upstream_cluster);
    }
    sp_attrs_str(attrs, SP_STR("http.status_code"), number(arena, info->response_code));
    sp_attrs_str(attrs, SP_STR("response_flags"), sp_span_flags(info->flags, arena));
    bool error = !info->response_code || info->response_code >= 500;
    error |= sp_span_grpc_tags(s->chain.head[SP_ENCODE], attrs);
    error |= sp_span_grpc_tags(s->response_trailers, attrs);
    if (error)
        sp_attrs_str(attrs, SP_STR("error"), SP_STR("true"));
    return error;
}

static void put_event(const struct sp_span *span, uint64_t at_ns, struct sp_str name, struct sp_span_event *v, unsigned *n)
{
    if (at_ns)
        v[(*n)++] = (struct sp_span_event){name, sp_span_wall(span, at_ns)};
}

unsigned sp_span_events(const struct sp_span *span, const struct sp_stream_info *info, bool client, struct sp_span_event v[static SP_SPAN_EVENTS])
{
    unsigned n = 0;
    if (!span->rules->verbose)
        return 0;
    if (client)
        put_event(span, info->rx_end_ns, SP_STR("last_downstream_rx_byte_received"), v, &n);
    put_event(span, info->up_first_tx_ns, SP_STR("first_upstream_tx_byte_sent"), v, &n);
    put_event(span, info->up_last_tx_ns, SP_STR("last_upstream_tx_byte_sent"), v, &n);
    put_event(span, info->up_first_rx_ns, SP_STR("first_upstream_rx_byte_received"), v, &n);
    put_event(span, info->up_last_rx_ns, SP_STR("last_upstream_rx_byte_received"), v, &n);
    if (client) {
        put_event(span, info->tx_first_ns, SP_STR("first_downstream_tx_byte_sent"), v, &n);
        put_event(span, info->tx_end_ns, SP_STR("last_downstream_tx_byte_sent"), v, &n);
    }
    return n;
}

void sp_request_span_tags(const struct sp_stream_info *info, const struct sp_format_input *in, struct sp_arena *arena, struct sp_attrs *attrs)
{
    assert(info && sp_span_counts(info->span) && in && arena && attrs);
    const struct sp_request_span *r = of_info(info);
    sp_span_tags_apply(&r->tracing->tags, r->route ? r->route->values : NULL, in, arena, attrs);
    if (r->route)
        sp_span_tags_apply(&r->route->tags, r->route->own_values, in, arena, attrs);
}

const struct sp_format *sp_request_span_upstream_operation(const struct sp_stream_info *info)
{
    assert(info && sp_span_counts(info->span));
    const struct sp_request_span *r = of_info(info);
    return r->route && r->route->upstream_operation ? r->route->upstream_operation : r->tracing->upstream_operation;
}

/* --- the end --- */

static struct sp_str name_of(const struct sp_request_span *r, const struct sp_format_input *in, struct sp_arena *arena)
{
    const struct sp_format *f = r->route && r->route->operation ? r->route->operation : r->tracing->operation;
    if (f)
        return sp_format_value(f, in, arena);
    return r->operation.len ? r->operation : SP_STR("ingress");
}

static void count(const struct sp_stream *s, const struct sp_request_span *r)
{
    bool checks = s->info.health_check;
    sp_counter_inc(r->tracing->reasons[checks ? SP_TRACE_NOT_TRACEABLE : r->reason]);
    if (checks)
        sp_counter_inc(r->tracing->health_check);
}

static void send_off(struct sp_stream *s, struct sp_request_span *r)
{
    struct sp_attrs attrs = {.n = 0};
    struct sp_span_event events[SP_SPAN_EVENTS];
    const struct sp_headers *h = s->chain.head[SP_DECODE];
    const struct sp_format_input in = {.info = &s->info, .request = h, .response = s->chain.head[SP_ENCODE], .trailers = s->response_trailers,
                                       .now_ns = s->owner->turn->now_ns};
    sp_attrs_str(&attrs, SP_STR("node_id"), r->tracing->node_id);
    sp_attrs_str(&attrs, SP_STR("zone"), r->tracing->zone);
    if (h)
        of_request(s, h, &attrs);
    struct sp_span_data data = {.name = name_of(r, &in, s->chain.arena), .kind = SP_SPAN_SERVER, .attrs = &attrs, .events = events};
    data.error = of_answer(s, &attrs);
    data.n_events = sp_span_events(&r->span, &s->info, true, events);
    sp_request_span_tags(&s->info, &in, s->chain.arena, &attrs);
    sp_span_end(&r->span, s->owner->turn, &data);
}

void sp_server_span_end(struct sp_stream *s)
{
    assert(s && s->info.span);
    struct sp_request_span *r = SP_CONTAINER_OF(s->info.span, struct sp_request_span, span);
    if (!r->span.rules)
        return;
    count(s, r);
    if (r->span.ctx.sampled && !s->info.health_check)
        send_off(s, r);
    r->span.rules = NULL;
}

bool sp_server_span_forced(const struct sp_stream_info *info)
{
    assert(info);
    const struct sp_request_span *r = info->span ? SP_CONTAINER_OF(info->span, struct sp_request_span, span) : NULL;
    return r && r->reason == SP_TRACE_SERVICE_FORCED && !info->health_check;
}
