/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compiling a connection manager (stream/hcm.h).
 */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "crypto/ct.h"
#include "route/duration.h"
#include "stream/access_log.h"
#include "stream/filter_configs.h"
#include "stream/hcm_upgrades.h"
#include "stream/header_ops.h"
#include "stream/rate_limits.h"
#include "stream/reply_map.h"
#include "stream/tracing.h"

struct route_ctx {
    struct sp_hcm *h;
    const struct sp_hcm_build *build;
};

typedef Envoy__Config__Core__V3__HeaderValueOption option_msg;

static struct sp_header_ops *header_ops(void *ctx, const void *msg, option_msg **add_request, size_t n_add_request,
                                        char **remove_request, size_t n_remove_request, option_msg **add_response,
                                        size_t n_add_response, char **remove_response, size_t n_remove_response)
{
    const struct route_ctx *x = ctx;
    if (!n_add_request && !n_remove_request && !n_add_response && !n_remove_response)
        return NULL;
    return sp_header_ops_new(x->build->doc, x->build->diag, msg, add_request, n_add_request, remove_request,
                             n_remove_request, add_response, n_add_response, remove_response, n_remove_response);
}

static struct sp_filter_configs *filter_configs(void *ctx, const void *msg, const void *entries, size_t n)
{
    const struct route_ctx *x = ctx;
    if (!n || !x->h->plan.size)
        return NULL; /* the filters have errors of their own: those here would be consequences */
    return sp_filter_configs_new(x->build->doc, x->build->diag, &x->h->plan, x->h->builds, msg, entries, n);
}

static struct sp_rate_limits *rate_limits(void *ctx, Envoy__Config__Route__V3__RateLimit *const *list, size_t n)
{
    const struct route_ctx *x = ctx;
    return sp_rate_limits_new(x->build->doc, x->build->diag, list, n);
}

static struct sp_route_tracing *route_tracing(void *ctx, const Envoy__Config__Route__V3__Route *msg)
{
    const struct route_ctx *x = ctx;
    return sp_route_tracing_new(x->h->tracing, x->build->doc, x->build->diag, msg);
}

static struct sp_cluster *find_cluster(void *ctx, struct sp_str name)
{
    const struct route_ctx *x = ctx;
    return x->build->find_cluster(x->build->ctx, name);
}

static bool routes(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    struct route_ctx ctx = {.h = h, .build = build};
    if (!msg->route_config) {
        sp_doc_err(build->doc, build->diag, msg, NULL, -1, "one of these is required: rds, route_config");
        return false;
    }
    const struct sp_route_build b = {
        .dynamic = msg->rds,
        .doc = build->doc, .diag = build->diag, .ctx = &ctx, .find_cluster = find_cluster,
        .header_ops = header_ops, .header_ops_free = sp_header_ops_free,
        .filter_configs = filter_configs, .filter_configs_free = sp_filter_configs_free,
        .rate_limits = rate_limits, .rate_limits_free = sp_rate_limits_free,
        .tracing = route_tracing, .tracing_free = sp_route_tracing_free,
    };
    h->routes = sp_route_table_new(&b, msg->route_config);
    return h->routes != NULL;
}

static bool logs(struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    const struct sp_doc *doc = build->log_doc ? build->log_doc : build->doc;
    size_t n = build->log_doc ? build->n_logs : msg->n_access_log;
    if (!n && !build->log_path)
        return true;
    const Envoy__Extensions__Filters__Network__HttpConnectionManager__V3__HttpConnectionManager__HcmAccessLogOptions *o =
        msg->access_log_options;
    if (o)
        h->lines = (struct sp_hcm_lines){.every_ns = sp_duration_or(o->access_log_flush_interval, 0),
                                         .at_start = o->flush_access_log_on_new_request,
                                         .at_tunnel = o->flush_log_on_tunnel_successfully_established};
    h->logs = sp_access_logs_new(doc, build->diag, build->log_doc ? build->logs : msg->access_log, n);
    if (h->logs && build->log_path)
        return sp_access_logs_add_file(h->logs, doc, build->diag, build->log_msg, "access_log_path", build->log_path);
    return h->logs != NULL;
}

/* Where nobody's certificate is ever verified, nothing is written of it. */
static void warn_of_xfcc(const struct sp_hcm *h, const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    bool writes = h->xfcc.mode == SP_XFCC_APPEND || h->xfcc.mode == SP_XFCC_SET;
    /* A context with errors says nothing of what it verifies. */
    if (writes && !build->tls_verifies && !h->cert_gate && build->diag->n_errors == 0)
        sp_doc_warn(build->doc, build->diag, msg, "forward_client_cert_details", -1,
                    "the filter chain verifies no client certificates: the header is always removed");
}

struct sp_hcm *sp_hcm_new(const struct sp_hcm_build *build, const sp_hcm_msg *msg)
{
    assert(build && build->doc && build->diag && build->registry && build->find_cluster && msg);
    assert(msg->stat_prefix[0]); /* the field rules were checked */
    unsigned before = build->diag->n_errors;
    struct sp_hcm *h = sp_xcalloc(1, sizeof(*h));
    sp_arena_init(&h->arena);
    h->stat_prefix = sp_arena_str(&h->arena, sp_str_c(msg->stat_prefix));
    h->scope = sp_stats_scope_hold(sp_stats_root(), SP_STR("http"), "envoy_http_conn_manager_prefix", h->stat_prefix);
    h->no_route = build->no_route;
    h->place = build->place;
    h->ends_by = build->ends_by;
    h->sheds = h->setup.sheds = build->sheds;
    if (!h->no_route.status)
        h->no_route.status = 404;
    bool good = sp_hcm_options(h, build, msg);
    good &= sp_hcm_upgrades(h, build, msg);
    good &= sp_hcm_filters(h, build, msg);
    good &= sp_tracing_new(build, h->scope, msg, &h->tracing, &h->packs_reason);
    warn_of_xfcc(h, build, msg);
    good &= routes(h, build, msg);
    good &= logs(h, build, msg);
    if (msg->local_reply_config) {
        h->replies = sp_reply_map_new(build->doc, build->diag, msg->local_reply_config);
        good &= h->replies != NULL;
    }
    free(h->builds);
    h->builds = NULL;
    if (!good || build->diag->n_errors != before) {
        assert(build->diag->n_errors != before);
        sp_hcm_free(h);
        return NULL;
    }
    sp_hcm_stats_init(&h->stats, &h->cx, h->scope, build->listener_scope, h->stat_prefix);
    h->rest = sp_hcm_rest_new(h);
    return h;
}

void sp_hcm_free(struct sp_hcm *h)
{
    if (!h)
        return;
    sp_route_table_free(h->routes);
    sp_hcm_filters_free(h);
    if (h->rest)
        sp_hcm_rest_unref(h->rest);
    else if (h->logs)
        sp_access_logs_free(h->logs);
    sp_reply_map_free(h->replies);
    sp_tracing_free(h->tracing);
    sp_hcm_options_free(h);
    sp_hcm_stats_done(&h->stats);
    sp_stats_scope_drop(h->scope);
    sp_arena_done(&h->arena);
    free(h);
}

void sp_hcm_wire_setup(const struct sp_hcm *h, struct sp_wire_setup *ret)
{
    assert(h && ret);
    *ret = h->setup;
}

struct sp_str sp_hcm_stat_prefix(const struct sp_hcm *h)
{
    assert(h);
    return h->stat_prefix;
}

const struct sp_hcm_cx_stats *sp_hcm_cx(const struct sp_hcm *h)
{
    assert(h);
    return &h->cx;
}
