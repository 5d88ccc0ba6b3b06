/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * envoy.filters.http.local_ratelimit: limits that this process keeps by itself, for all its workers together.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "filters/fraction.h"
#include "filters/limit_request.h"
#include "filters/local_buckets.h"
#include "filters/registry.h"
#include "stats/stats.h"
#include "stream/header_ops.h"
#include "stream/local_reply.h"

typedef Envoy__Extensions__Filters__Http__LocalRatelimit__V3__LocalRateLimit Message;

enum { TOO_MANY_REQUESTS = 429 };

static const struct sp_str ns = SP_STR_INIT("envoy.filters.http.local_ratelimit");

struct config {
    struct sp_local_buckets *buckets;
    struct sp_rate_limits *own; /* rate_limits; NULL: the route's */
    struct sp_header_ops *headers; /* of requests that are not refused, and of refusals; NULL: none */
    struct sp_fraction enabled, enforced;
    unsigned status, stage;
    enum sp_limit_vhost vhost;
    bool by_descriptors, tell, exhausted;
    struct {
        struct sp_counter enabled, enforced, ok, rate_limited, shadow_mode, taken_over;
    } stats;
};

struct filter {
    struct sp_filter base;
    const struct config *used; /* NULL: the request was not counted */
    struct sp_local_verdict verdict;
    bool refused;
};

static void config_free(void *config)
{
    struct config *c = config;
    sp_local_buckets_free(c->buckets);
    sp_rate_limits_free(c->own);
    sp_header_ops_free(c->headers);
    free(c);
}

static void count(struct config *c, struct sp_str prefix)
{
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR(""), "envoy_local_http_ratelimit_prefix", prefix);
    scope = sp_stats_scope(scope, SP_STR("http_local_rate_limit"), NULL, SP_STR_NULL);
    c->stats.enabled = sp_stats_counter(scope, SP_STR("enabled"));
    c->stats.enforced = sp_stats_counter(scope, SP_STR("enforced"));
    c->stats.ok = sp_stats_counter(scope, SP_STR("ok"));
    c->stats.rate_limited = sp_stats_counter(scope, SP_STR("rate_limited"));
    c->stats.shadow_mode = sp_stats_counter(scope, SP_STR("shadow_mode"));
    c->stats.taken_over = sp_stats_counter(scope, SP_STR("buckets_taken_over"));
}

/* Envoy's default is to do nothing, which looks like a limit in the config and is none. */
static void warn(const struct sp_filter_build *b, const Message *msg, const struct config *c)
{
    if (!msg->token_bucket && !msg->n_descriptors)
        return;
    if (!c->enabled.parts)
        sp_doc_warn(b->doc, b->diag, msg, "filter_enabled", -1,
                    "no request is counted (set filter_enabled: {default_value: {numerator: 100}})");
    else if (!c->enforced.parts)
        sp_doc_warn(b->doc, b->diag, msg, "filter_enforced", -1,
                    "requests are counted, but none is refused (set filter_enforced: {default_value: {numerator: 100}})");
}

/* Where the filter's own rate_limits are all there is, a descriptor that none of them makes is one with a wrong key. */
static void warn_of_descriptors(const struct sp_filter_build *b, const Message *msg, const struct config *c)
{
    for (size_t i = 0; c->own && i < msg->n_descriptors; i++) {
        Envoy__Extensions__Common__Ratelimit__V3__RateLimitDescriptor__Entry **entries = msg->descriptors[i]->entries;
        size_t n = msg->descriptors[i]->n_entries;
        struct sp_descriptor_entry *keys = sp_xcalloc(n + 1, sizeof(*keys));
        for (size_t k = 0; k < n; k++)
            keys[k].key = sp_str_c(entries[k]->key);
        if (!sp_rate_limits_make(c->own, c->stage, &(struct sp_descriptor){.v = keys, .n = (unsigned)n}))
            sp_doc_warn(b->doc, b->diag, msg->descriptors[i], "entries", -1,
                        "no entry of rate_limits makes these keys, so that it limits nothing (a key an action, in their order)");
        free(keys);
    }
}

static void *compile(const struct sp_filter_build *b, const Message *msg)
{
    struct config *c = sp_xcalloc(1, sizeof(*c));
    unsigned before = b->diag->n_errors;
    c->enabled = sp_fraction_of(msg->filter_enabled);
    c->enforced = sp_fraction_of(msg->filter_enforced);
    c->status = sp_limit_status(msg->status, TOO_MANY_REQUESTS);
    c->stage = msg->stage;
    c->vhost = (enum sp_limit_vhost)msg->vh_rate_limits;
    c->by_descriptors = msg->n_descriptors > 0;
    c->tell = msg->enable_x_ratelimit_headers != 0;
    c->exhausted = msg->rate_limited_as_resource_exhausted;
    c->buckets = sp_local_buckets_new(b, msg);
    c->own = sp_rate_limits_new(b->doc, b->diag, msg->rate_limits, msg->n_rate_limits);
    c->headers = sp_header_ops_new(b->doc, b->diag, msg, msg->request_headers_to_add_when_not_enforced,
                                   msg->n_request_headers_to_add_when_not_enforced, NULL, 0, msg->response_headers_to_add,
                                   msg->n_response_headers_to_add, NULL, 0);
    if (b->diag->n_errors != before) {
        config_free(c);
        return NULL;
    }
    warn(b, msg, c);
    warn_of_descriptors(b, msg, c);
    count(c, sp_str_c(msg->stat_prefix));
    return c;
}

static void *config_new(const struct sp_filter_build *b, const ProtobufCMessage *msg)
{
    return compile(b, (const void *)msg);
}

static void *route_config_new(const struct sp_filter_build *b, const ProtobufCMessage *m)
{
    const Message *msg = (const void *)m;
    if (!msg->token_bucket) {
        sp_doc_err(b->doc, b->diag, msg, "token_bucket", -1,
                   "required here, but missing (add it; to switch the filter off, wrap a FilterConfig with disabled: true)");
        return NULL;
    }
    return compile(b, msg);
}

static struct sp_format_input input(const struct sp_filter *f)
{
    return (struct sp_format_input){.info = sp_filter_info(f), .request = sp_filter_request(f),
                                    .response = sp_filter_response(f), .now_ns = sp_filter_turn(f)->now_ns};
}

/* Descriptors in shadow_mode would have refused it. */
static void on_trial(struct filter *f)
{
    sp_counter_inc(f->used->stats.shadow_mode);
    sp_filter_set_metadata(&f->base, ns, SP_STR("shadow_mode"), SP_STR("true"));
}

/* Over the limit, but not refused. */
static enum sp_status pass(struct filter *f, struct sp_headers *h)
{
    sp_filter_set_metadata(&f->base, ns, SP_STR("not_enforced"), SP_STR("true"));
    sp_filter_note_shadow(&f->base, SP_STR("local_rate_limited"));
    if (f->used->headers) {
        const struct sp_format_input in = input(&f->base);
        sp_header_ops_request(f->used->headers, h, &in);
    }
    return SP_CONTINUE;
}

static enum sp_status refuse(struct filter *f)
{
    f->refused = true;
    sp_counter_inc(f->used->stats.enforced);
    sp_filter_reply(&f->base, &(struct sp_reply){.status = f->used->status, .body = SP_STR("local_rate_limited"),
                                                 .details = SP_STR("local_rate_limited"), .flags = SP_FLAG_RL});
    return SP_STOP;
}

static enum sp_status decode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    const struct config *c = sp_filter_route_config(base);
    struct sp_descriptors d = {0};
    if (!c)
        c = base->config;
    if (!sp_fraction_draw(c->enabled))
        return SP_CONTINUE;
    f->used = c;
    sp_counter_inc(c->stats.enabled);
    if (c->by_descriptors)
        sp_limit_descriptors(base, c->own, c->stage, c->vhost, &d);
    f->verdict = sp_local_buckets_take(c->buckets, &d, sp_filter_info(base)->conn->id, sp_filter_turn(base)->now_ns,
                                       sp_filter_arena(base));
    sp_counter_add(c->stats.taken_over, f->verdict.taken_over);
    if (f->verdict.shadowed)
        on_trial(f);
    if (f->verdict.allowed) {
        sp_counter_inc(f->verdict.shadowed ? c->stats.rate_limited : c->stats.ok);
        return SP_CONTINUE;
    }
    sp_counter_inc(c->stats.rate_limited);
    return sp_fraction_draw(c->enforced) ? refuse(f) : pass(f, h);
}

static void tell(const struct filter *f, struct sp_headers *h)
{
    struct sp_arena *a = sp_filter_arena(&f->base);
    sp_headers_set(h, SP_STR("x-ratelimit-limit"), sp_arena_u64(a, f->verdict.max));
    sp_headers_set(h, SP_STR("x-ratelimit-remaining"), sp_arena_u64(a, f->verdict.left.tokens));
    sp_headers_set(h, SP_STR("x-ratelimit-reset"), sp_arena_u64(a, f->verdict.left.reset_s));
}

static enum sp_status encode_headers(struct sp_filter *base, struct sp_headers *h, bool end)
{
    struct filter *f = SP_CONTAINER_OF(base, struct filter, base);
    if (!f->used)
        return SP_CONTINUE;
    if (f->refused && f->used->exhausted && sp_is_grpc(sp_filter_request(base)))
        sp_headers_set_id(h, SP_H_GRPC_STATUS, SP_STR("8")); /* RESOURCE_EXHAUSTED */
    if (f->refused && f->used->headers) {
        const struct sp_format_input in = input(base);
        sp_header_ops_response(f->used->headers, h, &in);
    }
    if (f->used->tell && f->verdict.counted)
        tell(f, h);
    return SP_CONTINUE;
}

const struct sp_filter_ops sp_local_ratelimit_ops = {
    .name = "local_ratelimit",
    .type_url = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    .size = sizeof(struct filter),
    .config_new = config_new,
    .config_free = config_free,
    .route_type_url = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
    .route_config_new = route_config_new,
    .route_config_free = config_free,
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
