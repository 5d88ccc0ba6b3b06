/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "route/route_build.h"

#include <assert.h>

#include "config/secret.h"
#include "config/struct_json.h"
#include "route/duration.h"
#include "route/connect.h"
#include "route/criteria.h"
#include "route/hash_policy.h"
#include "route/internal_redirect.h"
#include "route/mirror.h"
#include "route/rewrite.h"
#include "route/route_match.h"
#include "route/vcluster.h"

typedef Envoy__Config__Route__V3__Route Route;
typedef Envoy__Config__Route__V3__RouteAction RouteAction;
typedef Envoy__Config__Route__V3__WeightedCluster WeightedCluster;
typedef Envoy__Config__Route__V3__WeightedCluster__ClusterWeight ClusterWeight;
typedef Envoy__Config__Route__V3__DirectResponseAction DirectResponseAction;
#define ACTION(name) ENVOY__CONFIG__ROUTE__V3__ROUTE__ACTION_##name
#define CLUSTER(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__CLUSTER_SPECIFIER_##name
#define HOST(name) ENVOY__CONFIG__ROUTE__V3__ROUTE_ACTION__HOST_REWRITE_SPECIFIER_##name
#define WEIGHT_HOST(name) ENVOY__CONFIG__ROUTE__V3__WEIGHTED_CLUSTER__CLUSTER_WEIGHT__HOST_REWRITE_SPECIFIER_##name

enum { DIRECT_BODY_MAX = 4096 };
#define DEFAULT_TIMEOUT_NS (15 * 1000000000ull)

static bool weight(struct sp_weighted_cluster *w, const struct sp_route_ctx *c, const ClusterWeight *msg)
{
    const struct sp_route_build *b = c->build;
    w->name = sp_arena_str(c->arena, sp_str_c(msg->name));
    bool good = sp_route_find_cluster(c, msg, "name", w->name, &w->cluster);
    if (!msg->weight) {
        sp_doc_err(b->doc, b->diag, msg, "weight", -1, "required, but missing (add it; 0 sends nothing there)");
        good = false;
    }
    if (msg->host_rewrite_specifier_case == WEIGHT_HOST(HOST_REWRITE_LITERAL))
        good = sp_route_host(c, msg, msg->host_rewrite_literal, &w->host_rewrite) && good;
    if (b->header_ops)
        w->header_ops = b->header_ops(b->ctx, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                      msg->request_headers_to_remove, msg->n_request_headers_to_remove,
                                      msg->response_headers_to_add, msg->n_response_headers_to_add,
                                      msg->response_headers_to_remove, msg->n_response_headers_to_remove);
    if (b->filter_configs)
        w->filter_configs = b->filter_configs(b->ctx, msg, msg->typed_per_filter_config, msg->n_typed_per_filter_config);
    return good;
}

static bool weighted(struct sp_route *r, const struct sp_route_ctx *c, const WeightedCluster *msg)
{
    const struct sp_route_build *b = c->build;
    uint64_t sum = 0;
    bool good = true;
    r->weighted = sp_arena_zalloc(c->arena, (msg->n_clusters + 1) * sizeof(*r->weighted));
    for (size_t i = 0; i < msg->n_clusters; i++) {
        struct sp_weighted_cluster *w = &r->weighted[r->n_weighted++];
        w->criteria = sp_criteria_new(c->arena, r->criteria, msg->clusters[i]->metadata_match);
        good = weight(w, c, msg->clusters[i]) && good;
        sum += msg->clusters[i]->weight ? msg->clusters[i]->weight->value : 0;
        w->upto = (uint32_t)SP_MIN(sum, UINT32_MAX);
    }
    r->total_weight = (uint32_t)SP_MIN(sum, UINT32_MAX);
    if (!good)
        return false;
    if (sum == 0)
        sp_doc_err(b->doc, b->diag, msg, "clusters", -1, "the sum of the weights is 0 (at least one has to be greater)");
    else if (sum > UINT32_MAX)
        sp_doc_err(b->doc, b->diag, msg, "clusters", -1, "the sum of the weights is over 4294967295 (make them smaller)");
    else if (msg->total_weight && msg->total_weight->value != sum)
        sp_doc_err(b->doc, b->diag, msg, "total_weight", -1, "the weights add up to %llu, not to this (take it out)",
                   (unsigned long long)sum);
    else
        return true;
    return false;
}

static bool cluster_header(struct sp_route *r, const struct sp_route_ctx *c, const RouteAction *msg)
{
    r->cluster_header = sp_route_lower(c->arena, msg->cluster_header);
    if (r->cluster_header.ptr[0] != ':' || sp_str_eq(r->cluster_header, SP_STR(":authority")))
        return true;
    sp_doc_err(c->build->doc, c->build->diag, msg, "cluster_header", -1,
               "no cluster can be named by this pseudo-header (take an ordinary header, or :authority)");
    return false;
}

static bool cluster(struct sp_route *r, const struct sp_route_ctx *c, const RouteAction *msg)
{
    switch (msg->cluster_specifier_case) {
    case CLUSTER(CLUSTER):
        r->cluster_name = sp_arena_str(c->arena, sp_str_c(msg->cluster));
        return sp_route_find_cluster(c, msg, "cluster", r->cluster_name, &r->cluster);
    case CLUSTER(CLUSTER_HEADER):
        return cluster_header(r, c, msg);
    case CLUSTER(WEIGHTED_CLUSTERS):
        return weighted(r, c, msg->weighted_clusters);
    default:
        sp_doc_err(c->build->doc, c->build->diag, msg, NULL, -1,
                   "one of these is required: cluster, cluster_header, weighted_clusters");
        return false;
    }
}

static void timeouts(struct sp_route *r, const RouteAction *msg)
{
    r->timeout_ns = sp_duration_or(msg->timeout, DEFAULT_TIMEOUT_NS);
    r->has_idle_timeout = msg->idle_timeout != NULL;
    r->idle_timeout_ns = sp_duration_or(msg->idle_timeout, 0);
    const Envoy__Config__Route__V3__RouteAction__MaxStreamDuration *max = msg->max_stream_duration;
    r->has_max_stream_duration = max && max->max_stream_duration;
    r->max_stream_duration_ns = r->has_max_stream_duration ? sp_duration_or(max->max_stream_duration, 0) : 0;
    r->has_grpc_stream = max && max->grpc_timeout_header_max;
    r->grpc_stream_max_ns = r->has_grpc_stream ? sp_duration_or(max->grpc_timeout_header_max, 0) : 0;
    r->grpc_stream_offset_ns = max ? sp_duration_or(max->grpc_timeout_header_offset, 0) : 0;
    r->new_timeouts = max != NULL;
    r->has_grpc_timeout = msg->max_grpc_timeout != NULL;
    r->grpc_max_ns = sp_duration_or(msg->max_grpc_timeout, 0);
    r->grpc_offset_ns = sp_duration_or(msg->grpc_timeout_offset, 0);
}

bool sp_upgrade_type_check(const struct sp_doc *doc, struct sp_diag *diag, const void *msg, const char *type,
                           const char *const *before, size_t n)
{
    struct sp_str s = sp_str_c(type);
    if (sp_str_ieq(s, SP_STR("CONNECT-UDP")) || sp_str_ieq(s, SP_STR("h2c"))) {
        sp_doc_err(doc, diag, msg, "upgrade_type", -1, "%s is not run (CONNECT, and upgrades such as websocket, are)", type);
        return false;
    }
    if (!sp_method_valid(s)) {
        sp_doc_err(doc, diag, msg, "upgrade_type", -1, "\"%s\" is no protocol (a name such as websocket)", type);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (sp_str_ieq(sp_str_c(before[i]), s)) {
            sp_doc_err(doc, diag, msg, "upgrade_type", -1, "\"%s\" stands above already (each protocol once)", type);
            return false;
        }
    }
    return true;
}

static bool upgrades(struct sp_route *r, const struct sp_route_ctx *c, const RouteAction *msg)
{
    const struct sp_route_build *b = c->build;
    size_t n = msg->n_upgrade_configs;
    struct sp_route_upgrade *v = sp_arena_zalloc(c->arena, (n + 1) * sizeof(*v));
    const char **names = sp_arena_zalloc(c->arena, (n + 1) * sizeof(*names));
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        const Envoy__Config__Route__V3__RouteAction__UpgradeConfig *m = msg->upgrade_configs[i];
        names[i] = m->upgrade_type;
        good = sp_upgrade_type_check(b->doc, b->diag, m, m->upgrade_type, names, i) && good;
        v[i] = (struct sp_route_upgrade){sp_arena_str(c->arena, sp_str_c(m->upgrade_type)),
                                         !m->enabled || m->enabled->value};
        good = (!m->connect_config || sp_connect_end(r, c, m)) && good;
    }
    r->upgrades = v;
    r->n_upgrades = (unsigned)n;
    return good;
}

static bool action(struct sp_route *r, const struct sp_route_ctx *c, const RouteAction *msg)
{
    static const unsigned not_found[] = {503, 404, 500};
    const struct sp_route_build *b = c->build;
    r->criteria = sp_criteria_new(c->arena, NULL, msg->metadata_match);
    bool good = cluster(r, c, msg);
    r->cluster_not_found_status = not_found[msg->cluster_not_found_response_code];
    if (msg->host_rewrite_specifier_case == HOST(HOST_REWRITE_LITERAL))
        good = sp_route_host(c, msg, msg->host_rewrite_literal, &r->host_rewrite_literal) && good;
    else if (msg->host_rewrite_specifier_case == HOST(HOST_REWRITE_HEADER))
        r->host_rewrite_header = sp_route_lower(c->arena, msg->host_rewrite_header);
    else if (msg->host_rewrite_specifier_case == HOST(AUTO_HOST_REWRITE))
        r->auto_host_rewrite = msg->auto_host_rewrite && msg->auto_host_rewrite->value;
    r->append_x_forwarded_host = msg->append_x_forwarded_host;
    r->high = msg->priority == ENVOY__CONFIG__CORE__V3__ROUTING_PRIORITY__HIGH;
    timeouts(r, msg);
    if (msg->n_upgrade_configs)
        good = upgrades(r, c, msg) && good;
    struct sp_mirror_list mirrors = c->mirrors;
    good = sp_mirrors_init(&mirrors, c, msg->request_mirror_policies, msg->n_request_mirror_policies) && good;
    r->mirrors = mirrors.v;
    r->n_mirrors = mirrors.n;
    if (msg->n_hash_policy)
        good = sp_hash_policies_init(r, b, c->arena, msg) && good;
    if (b->rate_limits)
        r->rate_limits = b->rate_limits(b->ctx, msg->rate_limits, msg->n_rate_limits);
    r->retry = c->retry;
    if (msg->retry_policy) {
        r->retry = sp_retry_policy_new(b, c->arena, msg->retry_policy);
        good = r->retry && good;
    }
    good = sp_redirect_policy_init(r, b, c->arena, msg) && good;
    good = sp_hedge_policy_check(b, msg->hedge_policy) && good;
    return sp_rewrite_action(r->priv, b, c->arena, msg) && good;
}

static bool direct(struct sp_route *r, const struct sp_route_ctx *c, const DirectResponseAction *msg)
{
    const struct sp_route_build *b = c->build;
    struct sp_secret body;
    r->direct_status = msg->status;
    if (!msg->body)
        return true;
    if (sp_secret_read(b->doc, b->diag, msg->body, 0, &body) < 0)
        return false;
    r->direct_body = sp_arena_str(c->arena, sp_secret_str(&body));
    sp_secret_done(&body);
    if (r->direct_body.len > DIRECT_BODY_MAX) {
        sp_doc_err(b->doc, b->diag, msg, "body", -1, "%zu bytes: at most %d (serve larger ones from a cluster)",
                   r->direct_body.len, DIRECT_BODY_MAX);
        return false;
    }
    if (r->direct_body.len && (msg->status == 204 || msg->status == 304)) {
        sp_doc_err(b->doc, b->diag, msg, "body", -1, "an answer with status %u has no body (take it out)", msg->status);
        return false;
    }
    return true;
}

static bool any_action(struct sp_route *r, const struct sp_route_ctx *c, const Route *msg)
{
    switch (msg->action_case) {
    case ACTION(ROUTE):
        r->kind = SP_ROUTE_CLUSTER;
        return action(r, c, msg->route);
    case ACTION(REDIRECT):
        r->kind = SP_ROUTE_REDIRECT;
        return sp_rewrite_redirect(r->priv, c->build, c->arena, msg->redirect);
    case ACTION(DIRECT_RESPONSE):
        r->kind = SP_ROUTE_DIRECT;
        return direct(r, c, msg->direct_response);
    default:
        sp_doc_err(c->build->doc, c->build->diag, msg, NULL, -1,
                   "one of these is required: route, redirect, direct_response");
        return false;
    }
}

/* The route's own stand before the virtual host's, and the new field before the old one. */
static void body_limit(struct sp_route *r, const struct sp_route_ctx *c, const Route *msg)
{
    const Google__Protobuf__UInt32Value *old = msg->per_request_buffer_limit_bytes;
    const Google__Protobuf__UInt64Value *limit = msg->request_body_buffer_limit;
    old = old ? old : c->vhost->per_request_buffer_limit_bytes;
    limit = limit ? limit : c->vhost->request_body_buffer_limit;
    r->has_body_limit = limit != NULL;
    r->body_limit = limit ? limit->value : old ? old->value : UINT64_MAX;
}

bool sp_route_init(struct sp_route *r, const struct sp_route_ctx *c, const Route *msg)
{
    assert(r && c && c->build && msg && msg->match);
    const struct sp_route_build *b = c->build;
    struct sp_rewrite *rw = r->priv = sp_arena_zalloc(c->arena, sizeof(*rw));
    body_limit(r, c, msg);
    r->name = sp_arena_str(c->arena, sp_str_c(msg->name));
    r->metadata = sp_config_metadata_text(c->arena, msg->metadata);
    r->match = rw->match = sp_route_match_new(b->doc, b->diag, msg->match);
    bool good = any_action(r, c, msg) && r->match && sp_connect_route_check(c, msg);
    if (msg->stat_prefix[0])
        r->stats = sp_route_stats_new(c, sp_str_c(msg->stat_prefix));
    if (b->header_ops)
        r->header_ops = b->header_ops(b->ctx, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                      msg->request_headers_to_remove, msg->n_request_headers_to_remove,
                                      msg->response_headers_to_add, msg->n_response_headers_to_add,
                                      msg->response_headers_to_remove, msg->n_response_headers_to_remove);
    if (b->filter_configs)
        r->filter_configs = b->filter_configs(b->ctx, msg, msg->typed_per_filter_config, msg->n_typed_per_filter_config);
    if (b->tracing)
        r->tracing = b->tracing(b->ctx, msg);
    return good;
}

void sp_route_done(struct sp_route *r, const struct sp_route_ctx *c)
{
    assert(r && c);
    const struct sp_route_build *b = c->build;
    for (unsigned i = 0; i < r->n_weighted; i++) {
        if (b->header_ops_free && r->weighted[i].header_ops)
            b->header_ops_free(r->weighted[i].header_ops);
        if (b->filter_configs_free && r->weighted[i].filter_configs)
            b->filter_configs_free(r->weighted[i].filter_configs);
    }
    if (b->header_ops_free && r->header_ops)
        b->header_ops_free(r->header_ops);
    if (b->filter_configs_free && r->filter_configs)
        b->filter_configs_free(r->filter_configs);
    if (b->rate_limits_free && r->rate_limits)
        b->rate_limits_free(r->rate_limits);
    if (b->tracing_free && r->tracing)
        b->tracing_free(r->tracing);
    sp_hash_policies_done(r);
    if (r->retry != c->retry)
        sp_retry_policy_done(r->retry);
    sp_route_match_free((struct sp_route_match *)(uintptr_t)r->match);
    if (r->priv)
        sp_rewrite_done(r->priv);
}
