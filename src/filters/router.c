/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The router: the terminal filter of every chain (envoy.extensions.filters.http.router.v3).  It picks the route's cluster,
 * makes the request ready for it, and hands both halves to clusters/upstream, which finds a host, tries again and keeps
 * the time.  Direct responses and redirects never come here: the stream gives them before.
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/cluster.h"
#include "clusters/mirror.h"
#include "clusters/upstream.h"
#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "event/overload.h"
#include "event/worker.h"
#include "filters/registry.h"
#include "route/hash_policy.h"
#include "route/route.h"
#include "route/vcluster.h"
#include "stats/stats.h"
#include "stream/local_reply.h"
#include "stream/redirect.h"
#include "stream/stream.h"
#include "tracing/span.h"

struct router_config {
    bool suppress; /* suppress_envoy_headers */
    struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name);
    void *ctx;
    struct sp_counter total, no_cluster, cut, shed;
    struct sp_counter passthrough[SP_REDIRECT_PREDICATE + 1]; /* redirects that clients got, by verdict */
};

struct router {
    struct sp_filter filter;
    struct sp_upstream up;
    struct sp_list mirrors;
    const struct sp_str *cookies; /* n_cookies, made by the route's hash_policy */
    unsigned n_cookies;
};

static struct router *of_filter(struct sp_filter *f)
{
    return SP_CONTAINER_OF(f, struct router, filter);
}

static const struct router_config *config_of(const struct router *r)
{
    return r->filter.config;
}

static const struct sp_str passthrough[] = {
    [SP_REDIRECT_BAD_LOCATION] = SP_STR_INIT("passthrough_internal_redirect_bad_location"),
    [SP_REDIRECT_UNSAFE_SCHEME] = SP_STR_INIT("passthrough_internal_redirect_unsafe_scheme"),
    [SP_REDIRECT_TOO_MANY] = SP_STR_INIT("passthrough_internal_redirect_too_many_redirects"),
    [SP_REDIRECT_NO_ROUTE] = SP_STR_INIT("passthrough_internal_redirect_no_route"),
    [SP_REDIRECT_PREDICATE] = SP_STR_INIT("passthrough_internal_redirect_predicate"),
};

static void *config_new(const struct sp_filter_build *build, const ProtobufCMessage *base)
{
    assert(build && build->find_cluster && build->scope);
    const Envoy__Extensions__Filters__Http__Router__V3__Router *msg = (const void *)base;
    struct router_config *c = sp_xcalloc(1, sizeof(*c));
    c->suppress = msg->suppress_envoy_headers;
    c->find_cluster = build->find_cluster;
    c->ctx = build->ctx;
    c->total = sp_stats_counter(build->scope, SP_STR("rq_total"));
    c->cut = sp_stats_counter(build->scope, SP_STR("rq_reset_after_downstream_response_started"));
    c->no_cluster = sp_stats_counter(build->scope, SP_STR("no_cluster"));
    c->shed = sp_stats_counter(build->scope, SP_STR("rq_overload_local_reply"));
    for (size_t i = 0; i < SP_ARRAY_LEN(passthrough); i++)
        if (passthrough[i].len)
            c->passthrough[i] = sp_stats_counter(build->scope, passthrough[i]);
    return c;
}

static void config_free(void *config)
{
    free(config);
}

/* --- what the upstream tells --- */

/* include_attempt_count_in_response. */
static bool counts_attempts(const struct router *r)
{
    const struct sp_route *route = sp_filter_route(&r->filter);
    return route && route->vhost->attempts_to_client;
}

static void up_response(struct sp_upstream *u, struct sp_headers *h)
{
    struct router *r = u->owner;
    for (unsigned i = 0; i < r->n_cookies; i++)
        sp_headers_add_id(h, SP_H_SET_COOKIE, r->cookies[i]);
    if (counts_attempts(r))
        sp_headers_set_id(h, SP_H_X_ENVOY_ATTEMPT_COUNT, sp_arena_u64(h->arena, u->attempts));
    if (config_of(r)->suppress || !u->request_end_ns)
        return; /* Envoy: an answer to half a request has no service time */
    uint64_t ms = (sp_filter_turn(&r->filter)->now_ns - u->request_end_ns) / SP_NS_PER_MS;
    struct sp_str text = ms ? sp_arena_u64(h->arena, ms) : SP_STR("0");
    sp_headers_set_id(h, SP_H_X_ENVOY_UPSTREAM_SERVICE_TIME, text);
}

/* What is not followed is the client's to follow. */
static bool up_redirect(struct sp_upstream *u, const struct sp_headers *h, bool whole)
{
    struct router *r = u->owner;
    const struct sp_redirect_policy *policy = sp_filter_route(&r->filter)->redirects;
    struct sp_cluster_stats *stats = &u->setup.cluster->stats;
    if (!sp_redirect_policy_takes(policy, h->status))
        return false;
    enum sp_redirect_verdict v =
        whole ? sp_stream_redirect(&r->filter, policy, h, &u->body, u->trailers) : SP_REDIRECT_NOTHING;
    sp_counter_inc(v == SP_REDIRECT_FOLLOWED ? stats->upstream_internal_redirect_succeeded_total
                                             : stats->upstream_internal_redirect_failed_total);
    if (v < SP_ARRAY_LEN(passthrough) && passthrough[v].len)
        sp_counter_inc(config_of(r)->passthrough[v]);
    return v == SP_REDIRECT_FOLLOWED;
}

static void up_failed(struct sp_upstream *u, const struct sp_upstream_failure *f)
{
    static const struct sp_header overloaded = {
        .name = SP_STR_INIT("x-envoy-overloaded"), .value = SP_STR_INIT("true"), .id = SP_H_X_ENVOY_OVERLOADED};
    struct router *r = u->owner;
    static const struct sp_header some = {.name = SP_STR_INIT("x-envoy-drop-overload"), .value = SP_STR_INIT("true")},
                                  all = {.name = SP_STR_INIT("x-envoy-unconditional-drop-overload"), .value = SP_STR_INIT("true")};
    struct sp_header lines[3];
    unsigned n = 0;
    if (f->overloaded && !config_of(r)->suppress)
        lines[n++] = overloaded;
    if (f->flags & (SP_FLAG_DO | SP_FLAG_UDO) && !config_of(r)->suppress)
        lines[n++] = f->flags & SP_FLAG_DO ? some : all;
    if (counts_attempts(r))
        lines[n++] = (struct sp_header){.name = sp_header_name(SP_H_X_ENVOY_ATTEMPT_COUNT), .id = SP_H_X_ENVOY_ATTEMPT_COUNT,
                                        .value = sp_arena_u64(sp_filter_arena(&r->filter), u->attempts)};
    sp_filter_reply(&r->filter, &(struct sp_reply){.status = f->status,
                                                   .body = f->body,
                                                   .details = f->details,
                                                   .flags = f->flags,
                                                   .headers = lines,
                                                   .n_headers = n});
}

/* A tunnel has no config any more. */
static void up_cut(struct sp_upstream *u)
{
    if (!u->holds_cluster)
        sp_counter_inc(config_of(u->owner)->cut);
}

static void up_pause(struct sp_upstream *u)
{
    sp_filter_request_pause(&((struct router *)u->owner)->filter);
}

static void up_resume(struct sp_upstream *u)
{
    sp_filter_request_resume(&((struct router *)u->owner)->filter);
}

static const struct sp_upstream_ops up_ops = {
    .response = up_response, .redirect = up_redirect, .failed = up_failed, .cut = up_cut, .pause = up_pause, .resume = up_resume};

/* --- making the request ready --- */

/* Milliseconds of a header; false when it is no number. */
static bool take_ms(const struct sp_header *line, uint64_t *ret_ns)
{
    uint64_t ms;
    if (sp_str_u64(line->value, UINT32_MAX, &ms) < 0)
        return false;
    *ret_ns = ms * SP_NS_PER_MS;
    return true;
}

/*
 * The times of the route, unless an internal client asks for others (the connection manager has taken these headers off
 * everyone else's requests).  They are the router's own and go no further.
 */
static void take_times(struct sp_headers *h, const struct sp_route *route, struct sp_upstream_setup *setup)
{
    setup->timeout_ns = route->new_timeouts ? 0 : route->timeout_ns;
    setup->per_try_timeout_ns = route->retry ? route->retry->per_try_timeout_ns : 0;
    setup->per_try_idle_ns = route->retry ? route->retry->per_try_idle_ns : 0;
    uint64_t asked = 0;
    if (route->has_grpc_timeout && !route->new_timeouts && sp_is_grpc(h)) {
        /* Without a header, or with 0 in it, it has no limit of its own. */
        uint64_t most = route->grpc_max_ns;
        bool said = sp_grpc_timeout(h, &asked) && asked;
        asked = said ? sp_grpc_limit(asked, 0, route->grpc_offset_ns) : most;
        setup->timeout_ns = most ? SP_MIN(asked, most) : asked;
        setup->expect_in_grpc = true;
    }
    unsigned to = 0;
    for (unsigned i = 0; i < h->n; i++) {
        const struct sp_header *line = &h->v[i];
        switch (line->id) {
        case SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_MS:
            take_ms(line, &setup->timeout_ns);
            break;
        case SP_H_X_ENVOY_UPSTREAM_RQ_PER_TRY_TIMEOUT_MS:
            take_ms(line, &setup->per_try_timeout_ns);
            break;
        case SP_H_X_ENVOY_UPSTREAM_RQ_TIMEOUT_ALT_RESPONSE:
            setup->alt_response = true;
            break;
        case SP_H_X_ENVOY_UPSTREAM_ALT_STAT_NAME:
            break;
        case SP_H_X_ENVOY_INTERNAL:
            setup->internal = sp_str_eq(line->value, SP_STR("true"));
            /* fall through */
        default:
            if (to != i)
                h->v[to] = *line;
            to++;
        }
    }
    h->n = to;
    if (setup->timeout_ns && setup->per_try_timeout_ns >= setup->timeout_ns)
        setup->per_try_timeout_ns = 0;
}

/* The least of what the route and the connection say. */
static size_t keep_bytes(const struct router *r, const struct sp_route *route)
{
    size_t most = sp_filter_buffer_limit(&r->filter);
    if (route->has_body_limit)
        return (size_t)SP_MIN(route->body_limit, (uint64_t)SIZE_MAX);
    return (size_t)SP_MIN(route->body_limit, (uint64_t)most);
}

/* Route header changes and rewrites. False: a rewrite failed. */
static bool finish_request(struct router *r, const struct sp_route *route, const struct sp_weighted_cluster *w,
                           struct sp_headers *h)
{
    struct sp_str path, host;
    sp_stream_finalize_request(&r->filter, w);
    if (!sp_route_rewrite(route, w, h, &path, &host))
        return false;
    struct sp_stream_info *info = sp_filter_info(&r->filter);
    if (SP_UNLIKELY(info->span != NULL))
        sp_span_tell(info->span, h);
    if (config_of(r)->suppress)
        return true;
    if (path.len)
        sp_headers_set_id(h, SP_H_X_ENVOY_ORIGINAL_PATH, path);
    if (host.len)
        sp_headers_set_id(h, SP_H_X_ENVOY_ORIGINAL_HOST, host);
    return true;
}

static enum sp_status reply(struct router *r, unsigned status, struct sp_str details, uint32_t flags)
{
    sp_filter_reply(&r->filter, &(struct sp_reply){.status = status, .details = details, .flags = flags});
    return SP_STOP;
}

/* Of the request as the origin gets it. */
static void take_hash(struct router *r, const struct sp_route *route, const struct sp_headers *h, struct sp_upstream_setup *setup)
{
    const struct sp_stream_info *info = sp_filter_info(&r->filter);
    struct sp_request_hash hash;
    sp_route_hash(route, h, &info->client, &info->conn->local, setup->arena, &hash);
    setup->hash = hash.hash;
    setup->hashed = hash.hashed;
    r->cookies = hash.cookies;
    r->n_cookies = hash.n_cookies;
}

static enum sp_status begin(struct router *r, struct sp_cluster *cluster, const struct sp_route *route,
                            const struct sp_weighted_cluster *w, struct sp_headers *h, bool end)
{
    struct sp_filter *f = &r->filter;
    struct sp_upstream_setup setup = {
        .cluster = cluster,
        .worker = sp_filter_turn(f)->worker,
        .arena = sp_filter_arena(f),
        .info = sp_filter_info(f),
        .conn = sp_filter_info(f)->conn,
        .retry = route->retry,
        .criteria = w ? w->criteria : route->criteria,
        .h2 = sp_filter_info(f)->protocol == SP_HTTP_2,
        .raw = route->connect_ends && sp_is_connect(h),
        .hello = sp_is_connect(h) ? route->connect_proxy : NULL,
        .routing = route->high ? SP_ROUTING_HIGH : SP_ROUTING_DEFAULT,
        .keep_bytes = keep_bytes(r, route),
        .count_in_request = route->vhost->attempts_to_origin,
        .late_in_request = route->vhost->timeouts_to_origin,
        .expect_in_request = !config_of(r)->suppress,
        .auto_host_rewrite = route->auto_host_rewrite,
        .append_x_forwarded_host = route->append_x_forwarded_host,
        .redirects = route->redirects,
    };
    if (route->vhost->vclusters)
        setup.counted[0] = sp_vclusters_find(route->vhost->vclusters, h, &sp_filter_info(f)->virtual_cluster);
    setup.counted[setup.counted[0] != NULL] = route->stats;
    take_times(h, route, &setup);
    if (!finish_request(r, route, w, h))
        return reply(r, 500, SP_STR("route_rewrite_failed"), 0);
    if (route->n_hash_policies)
        take_hash(r, route, h, &setup);
    if (route->n_mirrors) {
        sp_list_init(&r->mirrors);
        sp_mirrors_begin(&r->mirrors, route, h, end, &setup, sp_stream_random(sp_filter_stream(f)), config_of(r)->find_cluster,
                         config_of(r)->ctx);
    }
    setup.lasts = true;
    r->up.owner = r;
    r->up.ops = &up_ops;
    sp_upstream_init(&r->up, &setup);
    sp_link(&r->up.out, sp_filter_response_sink(f));
    sp_upstream_headers(&r->up, h, end);
    return SP_STOP;
}

/* envoy.load_shed_points.http_downstream_filter_check */
static enum sp_status shed(struct router *r)
{
    sp_counter_inc(config_of(r)->shed);
    sp_filter_reply(&r->filter, &(struct sp_reply){.status = 503, .body = SP_STR("envoy overloaded"), .details = SP_STR("overload")});
    return SP_STOP;
}

static enum sp_status decode_headers(struct sp_filter *f, struct sp_headers *h, bool end)
{
    struct router *r = of_filter(f);
    const struct router_config *c = config_of(r);
    const struct sp_route *route = sp_filter_route(f);
    sp_counter_inc(c->total);
    if (SP_UNLIKELY(sp_overload_value(SP_OL_SHED_ROUTER) != 0) && sp_stream_sheds(sp_filter_stream(f)) && sp_overload_hits(SP_OL_SHED_ROUTER))
        return shed(r);
    if (!route || route->kind != SP_ROUTE_CLUSTER)
        return reply(r, 404, SP_STR("route_not_found"), SP_FLAG_NR);
    const struct sp_weighted_cluster *w = NULL;
    struct sp_str name;
    struct sp_cluster *cluster = sp_route_pick_cluster(route, h, sp_stream_random(sp_filter_stream(f)), c->find_cluster,
                                                       c->ctx, &name, &w);
    if (!cluster) {
        sp_counter_inc(c->no_cluster);
        return reply(r, route->cluster_not_found_status, SP_STR("cluster_not_found"), SP_FLAG_NC);
    }
    return begin(r, cluster, route, w, h, end);
}

static enum sp_status decode_data(struct sp_filter *f, struct sp_buf *b, bool end)
{
    struct router *r = of_filter(f);
    if (r->up.phase == SP_UPSTREAM_NEW) {
        sp_buf_clear(b); /* answered in the head already */
        return SP_STOP;
    }
    if (sp_list_linked(&r->mirrors))
        sp_mirrors_data(&r->mirrors, b, end);
    sp_upstream_data(&r->up, b, end);
    return SP_STOP;
}

static enum sp_status decode_trailers(struct sp_filter *f, struct sp_headers *t)
{
    struct router *r = of_filter(f);
    if (r->up.phase == SP_UPSTREAM_NEW)
        return SP_STOP;
    if (sp_list_linked(&r->mirrors))
        sp_mirrors_trailers(&r->mirrors, t);
    sp_upstream_trailers(&r->up, t);
    return SP_STOP;
}

static size_t held(const struct sp_filter *f)
{
    return sp_upstream_held(&SP_CONTAINER_OF(f, struct router, filter)->up);
}

static void let_go(struct sp_filter *f)
{
    sp_upstream_let_go(&of_filter(f)->up);
}

static void destroy(struct sp_filter *f)
{
    sp_mirrors_let_go(&of_filter(f)->mirrors);
    sp_upstream_done(&of_filter(f)->up);
}

const struct sp_filter_ops sp_router_ops = {
    .name = "router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .size = sizeof(struct router),
    .terminal = true,
    .config_new = config_new,
    .config_free = config_free,
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .let_go = let_go,
    .held = held,
    .destroy = destroy,
};
