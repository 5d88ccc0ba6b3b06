/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.ratelimit: asks Envoy's rate limit service, over a cluster, whether a request is over a limit that many
 * gateways share.  The request waits for the answer, and no longer than `timeout`; what happens without one says
 * failure_mode_deny.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb-c.h"
#include "filters/fraction.h"
#include "filters/grpc_target.h"
#include "filters/limit_request.h"
#include "filters/ratelimit_rls.h"
#include "filters/registry.h"
#include "route/duration.h"
#include "route/route.h"
#include "stream/header_ops.h"
#include "stream/local_reply.h"
#include "stream/stream.h"

typedef Envoy__Extensions__Filters__Http__Ratelimit__V3__RateLimit Message;
typedef Envoy__Extensions__Filters__Http__Ratelimit__V3__RateLimitPerRoute PerRoute;

enum { DEFAULT_TIMEOUT_MS = 20, MAX_ANSWER = 64 * 1024 };

enum request_type { BOTH, INTERNAL, EXTERNAL };

struct config {
    struct sp_arena arena;
    struct sp_grpc_target service;
    struct sp_str domain;
    uint64_t timeout_ns;
    enum request_type type;
    unsigned stage, status, status_on_error;
    struct sp_fraction enabled, enforced, deny;
    struct sp_rate_limits *own;
    struct sp_header_ops *headers; /* to refusals */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    bool tell, mark, exhausted;
};

struct route_config {
    struct sp_arena arena;
    struct sp_rate_limits *own;
    struct sp_str domain;
    enum sp_limit_vhost vhost;
};

struct filter {
    struct sp_filter base;
    struct sp_grpc_call *call; /* under way */
    struct sp_cluster *target; /* of the route: where it is counted */
    struct sp_rls_answer answer;
    bool answered, refused;
};

/* --- config --- */

static void config_free(void *config)
{
    struct config *c = config;
    sp_rate_limits_free(c->own);
    sp_header_ops_free(c->headers);
    sp_arena_done_wipe(&c->arena); /* metadata may have a token */
    free(c);
}

static bool take_type(struct config *c, const struct sp_filter_build *b, const Message *msg)
{
    static const char *const names[] = {[BOTH] = "both", [INTERNAL] = "internal", [EXTERNAL] = "external"};
    if (!*msg->request_type)
        return true;
    for (unsigned i = 0; i < SP_ARRAY_LEN(names); i++)
        if (strcmp(msg->request_type, names[i]) == 0) {
            c->type = (enum request_type)i;
            return true;
        }
    sp_doc_err(b->doc, b->diag, msg, "request_type", -1, "\"%s\" is none of internal, external, both", msg->request_type);
    return false;
}

static void take_failure_mode(struct config *c, const struct sp_filter_build *b, const Message *msg)
{
    c->deny = sp_fraction_of(msg->failure_mode_deny_percent);
    if (!c->deny.whole)
        c->deny = (struct sp_fraction){msg->failure_mode_deny, 1};
    if (!msg->failure_mode_deny_percent && !sp_doc_written(b->doc, msg, "failure_mode_deny"))
        sp_doc_warn(b->doc, b->diag, msg, "failure_mode_deny", -1,
                    "there are no limits while the service does not answer (set it to true, or to false to say that this is meant)");
}

static struct sp_fraction fraction_or_all(const Envoy__Config__Core__V3__RuntimeFractionalPercent *msg)
{
    struct sp_fraction f = sp_fraction_of(msg);
    return f.whole ? f : (struct sp_fraction){1, 1};
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const Message *msg = (const void *)m;
    const Envoy__Config__Core__V3__GrpcService *g = msg->rate_limit_service->grpc_service;
    struct config *c = sp_xcalloc(1, sizeof(*c));
    unsigned before = b->diag->n_errors;
    sp_arena_init(&c->arena);
    c->domain = sp_arena_str(&c->arena, sp_str_c(msg->domain));
    c->timeout_ns = sp_duration_or(msg->timeout, DEFAULT_TIMEOUT_MS * SP_NS_PER_MS);
    c->stage = msg->stage;
    c->status = sp_limit_status(msg->rate_limited_status, 429);
    c->status_on_error = sp_limit_status(msg->status_on_error, 500);
    c->enabled = fraction_or_all(msg->filter_enabled);
    c->enforced = fraction_or_all(msg->filter_enforced);
    c->tell = msg->enable_x_ratelimit_headers != 0;
    c->mark = !msg->disable_x_envoy_ratelimited_header;
    c->exhausted = msg->rate_limited_as_resource_exhausted;
    c->find_cluster = b->find_cluster;
    c->ctx = b->ctx;
    sp_grpc_target_init(&c->service, b, &c->arena, g);
    take_type(c, b, msg);
    take_failure_mode(c, b, msg);
    c->own = sp_rate_limits_new(b->doc, b->diag, msg->rate_limits, msg->n_rate_limits);
    c->headers = sp_header_ops_new(b->doc, b->diag, msg, NULL, 0, NULL, 0, msg->response_headers_to_add,
                                   msg->n_response_headers_to_add, NULL, 0);
    if (b->diag->n_errors == before)
        return c;
    config_free(c);
    return NULL;
}

static void route_config_free(void *config)
{
    struct route_config *r = config;
    sp_rate_limits_free(r->own);
    sp_arena_done(&r->arena);
    free(r);
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const PerRoute *msg = (const void *)m;
    struct route_config *r = sp_xcalloc(1, sizeof(*r));
    unsigned before = b->diag->n_errors;
    sp_arena_init(&r->arena);
    r->vhost = (enum sp_limit_vhost)msg->vh_rate_limits;
    r->domain = sp_arena_str(&r->arena, sp_str_c(msg->domain));
    r->own = sp_rate_limits_new(b->doc, b->diag, msg->rate_limits, msg->n_rate_limits);
    if (b->diag->n_errors == before)
        return r;
    route_config_free(r);
    return NULL;
}

/* --- the answer --- */

static enum sp_status refuse(struct filter *f, unsigned status, struct sp_str body, struct sp_str details, uint32_t flag)
{
    f->refused = true;
    sp_filter_reply(&f->base, &(struct sp_reply){.status = status, .body = body, .details = details, .flags = flag});
    return SP_STOP;
}

static void pass(struct filter *f)
{
    struct sp_headers *h = sp_filter_request(&f->base);
    for (unsigned i = 0; i < f->answer.n_request_headers; i++)
        sp_headers_add(h, f->answer.request_headers[i].name, f->answer.request_headers[i].value);
    sp_filter_continue(&f->base, SP_DECODE);
}

static void failed(struct filter *f, int code, struct sp_str why)
{
    const struct config *c = f->base.config;
    bool deny = sp_fraction_draw(c->deny);
    struct sp_str name = sp_cluster_name(c->service.cluster);
    sp_log_limited(SP_LOG_WARNING, "ratelimit", 1, "the rate limit service (cluster \"%.*s\") did not answer: %.*s (gRPC status %d): the request %s",
                   SP_STR_ARG(name), SP_STR_ARG(why), code, deny ? "is refused" : "passes uncounted");
    sp_cluster_count_ratelimit(f->target, SP_RATELIMIT_ERROR);
    if (deny) {
        refuse(f, c->status_on_error, SP_STR(""), SP_STR("rate_limiter_error"), SP_FLAG_RLSE);
        return;
    }
    sp_cluster_count_ratelimit(f->target, SP_RATELIMIT_FAILURE_MODE_ALLOWED);
    pass(f);
}

static void on_answer(void *ctx, int code, struct sp_str message, struct sp_str why)
{
    struct filter *f = ctx;
    const struct config *c = f->base.config;
    f->call = NULL;
    if (sp_filter_response(&f->base))
        return; /* a timeout answered meanwhile */
    if (code != SP_GRPC_OK) {
        failed(f, code, why);
        return;
    }
    f->answered = sp_rls_answer(message, sp_filter_arena(&f->base), &f->answer);
    if (!f->answered) {
        failed(f, SP_GRPC_INTERNAL, SP_STR("its answer says neither yes nor no"));
        return;
    }
    sp_cluster_count_ratelimit(f->target, f->answer.over_limit ? SP_RATELIMIT_OVER_LIMIT : SP_RATELIMIT_OK);
    if (f->answer.over_limit && sp_fraction_draw(c->enforced)) {
        refuse(f, c->status, f->answer.body, SP_STR("request_rate_limited"), SP_FLAG_RL);
        return;
    }
    if (f->answer.over_limit)
        sp_filter_note_shadow(&f->base, SP_STR("request_rate_limited"));
    pass(f);
}

/* --- the request --- */

static struct sp_cluster *target_of(const struct filter *f)
{
    const struct config *c = f->base.config;
    const struct sp_route *r = sp_filter_route(&f->base);
    const struct sp_weighted_cluster *w;
    struct sp_str name;
    if (!r || r->kind != SP_ROUTE_CLUSTER)
        return NULL;
    return sp_route_pick_cluster(r, sp_filter_request(&f->base), sp_stream_random(sp_filter_stream(&f->base)), c->find_cluster,
                                 c->ctx, &name, &w);
}

static bool concerns(const struct config *c, const struct sp_headers *h)
{
    bool internal = sp_str_eq(sp_headers_get_id(h, SP_H_X_ENVOY_INTERNAL), SP_STR("true"));
    return c->type == BOTH || (c->type == INTERNAL) == internal;
}

static void ask(struct filter *f, struct sp_str domain, const struct sp_descriptors *d)
{
    const struct config *c = f->base.config;
    struct sp_arena *arena = sp_filter_arena(&f->base);
    f->call = sp_grpc_call_start(c->service.cluster, sp_filter_turn(&f->base)->worker, &(struct sp_grpc_request){
        .authority = c->service.authority, .path = SP_STR(SP_RLS_PATH), .message = sp_rls_request(domain, d, arena),
        .parent = sp_filter_info(&f->base)->span, .span_name = SP_STR("async envoy.service.ratelimit.v3.RateLimitService.ShouldRateLimit egress"),
        .metadata = c->service.metadata, .n_metadata = c->service.n_metadata, .timeout_ns = c->timeout_ns, .max_message = MAX_ANSWER},
        on_answer, f);
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    const struct route_config *r = sp_filter_route_config(base);
    struct sp_descriptors d = {0};
    if (!concerns(c, h) || !sp_fraction_draw(c->enabled))
        return SP_CONTINUE;
    f->target = target_of(f);
    if (!f->target)
        return SP_CONTINUE; /* answered here: nothing that is to be protected sees it */
    sp_limit_descriptors(base, r && r->own ? r->own : c->own, c->stage, r ? r->vhost : SP_LIMIT_VHOST_OVERRIDE, &d);
    if (!d.n)
        return SP_CONTINUE;
    ask(f, r && r->domain.len ? r->domain : c->domain, &d);
    return SP_STOP_PAUSE;
}

static void tell(const struct sp_rls_answer *a, struct sp_headers *h)
{
    sp_headers_set(h, SP_STR("x-ratelimit-limit"), a->limit);
    sp_headers_set(h, SP_STR("x-ratelimit-remaining"), a->remaining);
    sp_headers_set(h, SP_STR("x-ratelimit-reset"), a->reset);
}

static void refusal_headers(const struct filter *f, struct sp_headers *h)
{
    const struct config *c = f->base.config;
    if (c->exhausted && sp_is_grpc(sp_filter_request(&f->base)))
        sp_headers_set_id(h, SP_H_GRPC_STATUS, SP_STR("8")); /* RESOURCE_EXHAUSTED */
    if (c->headers) {
        const struct sp_format_input in = {.info = sp_filter_info(&f->base), .request = sp_filter_request(&f->base),
                                           .response = h, .now_ns = sp_filter_turn(&f->base)->now_ns};
        sp_header_ops_response(c->headers, h, &in);
    }
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    const struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = base->config;
    if (!f->answered)
        return SP_CONTINUE;
    if (f->refused)
        refusal_headers(f, h);
    if (f->answer.over_limit && c->mark) /* let pass or not, as Envoy */
        sp_headers_set_id(h, SP_H_X_ENVOY_RATELIMITED, SP_STR("true"));
    for (unsigned i = 0; i < f->answer.n_response_headers; i++)
        sp_headers_add(h, f->answer.response_headers[i].name, f->answer.response_headers[i].value);
    if (c->tell && f->answer.limit.len)
        tell(&f->answer, h);
    return SP_CONTINUE;
}

static void destroy(struct sp_filter *base)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (f->call)
        sp_grpc_call_cancel(f->call);
    f->call = NULL;
}

const struct sp_filter_ops sp_ratelimit_ops = {
    .name = "ratelimit",
    .type_url = "envoy.extensions.filters.http.ratelimit.v3.RateLimit",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.ratelimit.v3.RateLimitPerRoute",
    .route_config_new = route_config_new,
    .route_config_free = route_config_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
    .destroy = destroy,
};
