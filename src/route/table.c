/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The route table: compiling a RouteConfiguration, and finding routes in it. */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "config/struct_json.h"
#include "route/domains.h"
#include "route/path_index.h"
#include "route/mirror.h"
#include "route/route_build.h"
#include "route/vcluster.h"

typedef Envoy__Config__Route__V3__RouteConfiguration RouteConfiguration;
typedef Envoy__Config__Route__V3__VirtualHost VirtualHost;

struct vhost {
    struct sp_vhost pub;
    struct sp_route *routes;
    unsigned n_routes;
    const struct sp_retry_policy *retry;
    struct sp_stats_scope *stats; /* held; NULL: nothing of it is counted */
    struct sp_path_index *index;
    struct sp_route_match **matches; /* of the routes, for the index */
};

struct sp_route_table {
    struct sp_arena arena;
    struct sp_str name;
    struct vhost *vhosts;
    unsigned n_vhosts;
    struct sp_domains *domains;
    struct sp_header_ops *header_ops;
    struct sp_filter_configs *filter_configs;
    bool most_specific_wins, ignore_port, redirects;
    struct sp_str *internal_only;
    unsigned n_internal_only;
    void (*header_ops_free)(struct sp_header_ops *ops);
    void (*filter_configs_free)(struct sp_filter_configs *c);
    void (*rate_limits_free)(struct sp_rate_limits *l);
    void (*tracing_free)(struct sp_route_tracing *t);
};

/* Enters one virtual host's domains. */
static bool domains(struct sp_route_table *t, const struct sp_route_build *b, unsigned number, const VirtualHost *msg)
{
    bool good = true;
    for (size_t i = 0; i < msg->n_domains; i++) {
        uint32_t owner = 0;
        int err = sp_domains_add(t->domains, sp_str_c(msg->domains[i]), number, &owner);
        if (err == 0)
            continue;
        good = false;
        if (err == -EINVAL)
            sp_doc_err(b->doc, b->diag, msg, "domains", (int)i,
                       "a '*' can stand at the beginning or at the end only (such as \"*.a.com\" or \"www.*\")");
        else
            sp_doc_err(b->doc, b->diag, msg, "domains", (int)i,
                       "this domain is in virtual host \"%.*s\" already (no domain can stand twice, in any case of its "
                       "letters)", SP_STR_ARG(t->vhosts[owner].pub.name));
    }
    return good;
}

static bool routes(struct sp_route_table *t, struct vhost *v, const struct sp_route_ctx *c, const VirtualHost *msg)
{
    bool good = true;
    v->routes = sp_arena_zalloc(c->arena, (msg->n_routes + 1) * sizeof(*v->routes));
    v->matches = sp_arena_zalloc(c->arena, (msg->n_routes + 1) * sizeof(struct sp_route_match *));
    for (size_t i = 0; i < msg->n_routes; i++) {
        struct sp_route *r = &v->routes[v->n_routes];
        r->vhost = &v->pub;
        v->n_routes++;
        good = sp_route_init(r, c, msg->routes[i]) && good;
        t->redirects = t->redirects || r->redirects;
        v->matches[i] = (struct sp_route_match *)(uintptr_t)r->match;
    }
    if (good)
        v->index = sp_path_index_new(v->matches, v->n_routes);
    return good;
}

/* Only where something of it is to be counted. */
static struct sp_stats_scope *stats_of(const VirtualHost *msg)
{
    bool counted = msg->n_virtual_clusters;
    for (size_t i = 0; i < msg->n_routes && !counted; i++)
        counted = msg->routes[i]->stat_prefix[0];
    return counted ? sp_stats_scope_hold(sp_stats_root(), SP_STR("vhost"), "envoy_virtual_host", sp_str_c(msg->name)) : NULL;
}

/* `top`: what holds for the whole table. */
static bool vhost(struct sp_route_table *t, const struct sp_route_ctx *top, const VirtualHost *msg, struct sp_map *names)
{
    const struct sp_route_build *b = top->build;
    unsigned number = t->n_vhosts++;
    struct vhost *v = &t->vhosts[number];
    struct sp_route_ctx c = *top;
    c.vhost = msg;
    bool good = sp_mirrors_init(&c.mirrors, &c, msg->request_mirror_policies, msg->n_request_mirror_policies);
    v->pub.table = t;
    v->pub.name = sp_arena_str(&t->arena, sp_str_c(msg->name));
    v->pub.metadata = sp_config_metadata_text(&t->arena, msg->metadata);
    v->pub.attempts_to_origin = msg->include_request_attempt_count;
    v->pub.attempts_to_client = msg->include_attempt_count_in_response;
    v->pub.timeouts_to_origin = msg->include_is_timeout_retry_header;
    v->pub.require_tls = (uint8_t)msg->require_tls;
    c.stats = v->stats = stats_of(msg);
    v->pub.vclusters = sp_vclusters_new(&c, msg, &good);
    if (msg->retry_policy) {
        c.retry = v->retry = sp_retry_policy_new(b, &t->arena, msg->retry_policy);
        good = v->retry && good;
    }
    if (!sp_map_add(names, v->pub.name, v))
        sp_doc_warn(b->doc, b->diag, msg, "name", -1, "another virtual host has this name too: their stats and log lines "
                                                      "cannot be told apart");
    good = sp_hedge_policy_check(b, msg->hedge_policy) && good;
    good = domains(t, b, number, msg) && good;
    if (b->header_ops)
        v->pub.header_ops = b->header_ops(b->ctx, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                          msg->request_headers_to_remove, msg->n_request_headers_to_remove,
                                          msg->response_headers_to_add, msg->n_response_headers_to_add,
                                          msg->response_headers_to_remove, msg->n_response_headers_to_remove);
    if (b->filter_configs)
        v->pub.filter_configs = b->filter_configs(b->ctx, msg, msg->typed_per_filter_config,
                                                  msg->n_typed_per_filter_config);
    if (b->rate_limits)
        v->pub.rate_limits = b->rate_limits(b->ctx, msg->rate_limits, msg->n_rate_limits);
    return routes(t, v, &c, msg) && good;
}

static void internal_only(struct sp_route_table *t, const RouteConfiguration *msg)
{
    t->internal_only = sp_arena_zalloc(&t->arena, (msg->n_internal_only_headers + 1) * sizeof(*t->internal_only));
    for (size_t i = 0; i < msg->n_internal_only_headers; i++) {
        struct sp_str s = sp_arena_str(&t->arena, sp_str_c(msg->internal_only_headers[i]));
        for (size_t k = 0; k < s.len; k++)
            ((char *)(uintptr_t)s.ptr)[k] = sp_ascii_lower(s.ptr[k]);
        t->internal_only[t->n_internal_only++] = s;
    }
}

struct sp_route_table *sp_route_table_new(const struct sp_route_build *b, const RouteConfiguration *msg)
{
    assert(b && b->doc && b->diag && msg);
    struct sp_route_table *t = sp_xcalloc(1, sizeof(*t));
    unsigned before = b->diag->n_errors;
    sp_arena_init(&t->arena);
    t->header_ops_free = b->header_ops_free;
    t->filter_configs_free = b->filter_configs_free;
    t->rate_limits_free = b->rate_limits_free;
    t->tracing_free = b->tracing_free;
    t->name = sp_arena_str(&t->arena, sp_str_c(msg->name));
    t->most_specific_wins = msg->most_specific_header_mutations_wins;
    t->ignore_port = msg->ignore_port_in_host_matching;
    t->domains = sp_domains_new();
    internal_only(t, msg);
    if (b->header_ops)
        t->header_ops = b->header_ops(b->ctx, msg, msg->request_headers_to_add, msg->n_request_headers_to_add,
                                      msg->request_headers_to_remove, msg->n_request_headers_to_remove,
                                      msg->response_headers_to_add, msg->n_response_headers_to_add,
                                      msg->response_headers_to_remove, msg->n_response_headers_to_remove);
    if (b->filter_configs)
        t->filter_configs = b->filter_configs(b->ctx, msg, msg->typed_per_filter_config, msg->n_typed_per_filter_config);
    t->vhosts = sp_arena_zalloc(&t->arena, (msg->n_virtual_hosts + 1) * sizeof(*t->vhosts));
    bool validate = msg->validate_clusters ? msg->validate_clusters->value : !b->dynamic;
    struct sp_route_ctx c = {.build = b, .arena = &t->arena, .validate_clusters = validate};
    bool good = sp_mirrors_init(&c.mirrors, &c, msg->request_mirror_policies, msg->n_request_mirror_policies);
    struct sp_map names;
    sp_map_init(&names);
    for (size_t i = 0; i < msg->n_virtual_hosts; i++)
        good = vhost(t, &c, msg->virtual_hosts[i], &names) && good;
    sp_map_done(&names);
    sp_domains_build(t->domains);
    /* The callbacks tell their errors through diag only. */
    if (good && b->diag->n_errors == before)
        return t;
    sp_route_table_free(t);
    return NULL;
}

static void vhost_done(struct sp_route_table *t, struct vhost *v)
{
    struct sp_route_build b = {.header_ops_free = t->header_ops_free, .filter_configs_free = t->filter_configs_free,
                               .rate_limits_free = t->rate_limits_free, .tracing_free = t->tracing_free};
    struct sp_route_ctx c = {.build = &b, .retry = v->retry};
    for (unsigned i = 0; i < v->n_routes; i++)
        sp_route_done(&v->routes[i], &c);
    sp_retry_policy_done(v->retry);
    sp_vclusters_free(v->pub.vclusters);
    sp_stats_scope_drop(v->stats);
    sp_path_index_free(v->index);
    if (t->header_ops_free && v->pub.header_ops)
        t->header_ops_free(v->pub.header_ops);
    if (t->filter_configs_free && v->pub.filter_configs)
        t->filter_configs_free(v->pub.filter_configs);
    if (t->rate_limits_free && v->pub.rate_limits)
        t->rate_limits_free(v->pub.rate_limits);
}

void sp_route_table_free(struct sp_route_table *t)
{
    if (!t)
        return;
    for (unsigned i = 0; i < t->n_vhosts; i++)
        vhost_done(t, &t->vhosts[i]);
    if (t->header_ops_free && t->header_ops)
        t->header_ops_free(t->header_ops);
    if (t->filter_configs_free && t->filter_configs)
        t->filter_configs_free(t->filter_configs);
    sp_domains_free(t->domains);
    sp_arena_done(&t->arena);
    free(t);
}

struct sp_str sp_route_table_name(const struct sp_route_table *t)
{
    assert(t);
    return t->name;
}

struct sp_header_ops *sp_route_table_header_ops(const struct sp_route_table *t)
{
    assert(t);
    return t->header_ops;
}

struct sp_filter_configs *sp_route_table_filter_configs(const struct sp_route_table *t)
{
    assert(t);
    return t->filter_configs;
}

bool sp_route_table_most_specific_wins(const struct sp_route_table *t)
{
    assert(t);
    return t->most_specific_wins;
}

bool sp_route_table_redirects(const struct sp_route_table *t)
{
    assert(t);
    return t->redirects;
}

const struct sp_str *sp_route_table_internal_only_headers(const struct sp_route_table *t, unsigned *ret_n)
{
    assert(t && ret_n);
    *ret_n = t->n_internal_only;
    return t->internal_only;
}

const struct sp_vhost *sp_route_vhost(const struct sp_route_table *t, struct sp_str authority)
{
    assert(t);
    if (t->ignore_port)
        authority = sp_authority_host(authority);
    uint32_t i = sp_domains_find(t->domains, authority);
    return i == SP_DOMAINS_NONE ? NULL : &t->vhosts[i].pub;
}

unsigned sp_route_vhost_index(const struct sp_vhost *vh)
{
    assert(vh);
    return (unsigned)(SP_CONTAINER_OF(vh, const struct vhost, pub) - vh->table->vhosts);
}

const struct sp_route *sp_route_vhost_routes(const struct sp_vhost *vh, unsigned *ret_n)
{
    assert(vh && ret_n);
    const struct vhost *v = SP_CONTAINER_OF(vh, const struct vhost, pub);
    *ret_n = v->n_routes;
    return v->routes;
}

static const struct sp_route *gave_up(const struct vhost *v)
{
    sp_log_limited(SP_LOG_WARNING, "route", 1, "a regular expression of virtual host %.*s gave up at its match limit: "
                                               "the request gets no route", SP_STR_ARG(v->pub.name));
    return NULL;
}

/* Without a path there is only CONNECT. */
static const struct sp_route *find_connect(const struct vhost *v, const struct sp_headers *h, uint64_t random)
{
    bool limit = false;
    for (unsigned i = 0; i < v->n_routes && !limit; i++)
        if (sp_route_match(v->matches[i], h, random, &limit) && !limit)
            return &v->routes[i];
    return limit ? gave_up(v) : NULL;
}

const struct sp_route *sp_route_find(const struct sp_vhost *vh, const struct sp_headers *h, uint64_t random)
{
    assert(vh && h);
    const struct vhost *v = SP_CONTAINER_OF(vh, const struct vhost, pub);
    struct sp_str path = sp_path_only(h->path);
    struct sp_path_walk walk;
    bool limit = false;
    if (!h->path.len)
        return find_connect(v, h, random);
    uint32_t i = sp_path_first(v->index, path, &walk);
    for (; i != SP_PATH_NONE && !limit; i = sp_path_next(&walk, i)) {
        const struct sp_route_match *m = v->matches[i];
        if (m->kind == SP_PATH_REGEX && !sp_route_match_path(m, path, &limit))
            continue;
        if (m->any || sp_route_match_rest(m, h, random, &limit))
            return &v->routes[i];
    }
    return limit ? gave_up(v) : NULL;
}

struct sp_cluster *sp_route_pick_cluster(const struct sp_route *r, const struct sp_headers *h, uint64_t random,
                                         struct sp_cluster *(*find)(void *ctx, struct sp_str name), void *ctx,
                                         struct sp_str *ret_name, const struct sp_weighted_cluster **ret_weighted)
{
    assert(r && r->kind == SP_ROUTE_CLUSTER && h && ret_name && ret_weighted);
    *ret_weighted = NULL;
    *ret_name = r->cluster_name;
    if (r->n_weighted) {
        uint32_t at = (uint32_t)(random % r->total_weight);
        const struct sp_weighted_cluster *w = r->weighted;
        while (at >= w->upto)
            w++;
        *ret_weighted = w;
        *ret_name = w->name;
        return w->cluster;
    }
    if (!r->cluster_header.len)
        return r->cluster;
    struct sp_str name = r->cluster_header.ptr[0] == ':' || sp_str_eq(r->cluster_header, SP_STR("host"))
                             ? h->authority
                             : sp_headers_get(h, r->cluster_header);
    *ret_name = name;
    return name.len && find ? find(ctx, name) : NULL;
}
