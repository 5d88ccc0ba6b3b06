/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/compile.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/reserve.h"
#include "clusters/asks.h"
#include "clusters/origin_ocsp.h"
#include "filters/registry.h"
#include "server/confine_config.h"
#include "server/edge.h"
#include "server/overload.h"
#include "server/secure_defaults.h"
#include "server/stats_config.h"
#include "server/stats_sinks.h"

/* Where half of what was put aside is gone, the rest is for those who are served: the config that serves goes on. */
static bool is_out_of_memory(struct sp_diag *diag)
{
    if (SP_LIKELY(sp_memory() != SP_MEM_LOW))
        return false;
    sp_diag_add(diag, SP_ERROR, (struct sp_mark){0}, NULL, "there is no memory to compile it (give the process more, or the config less)");
    return true;
}

struct sp_cluster *sp_config_find_cluster(void *ctx, struct sp_str name)
{
    const struct sp_config *c = ctx;
    return name.len ? sp_map_get(&c->clusters.by_name, name) : NULL;
}

/* A question about one responder would wait for the answer of another, or of itself. */
static void check_responder(void *arg, unsigned socket, const Sallyport__Tls__V1__Ocsp *ocsp)
{
    const struct sp_cluster_build *build = arg;
    const struct sp_config *c = build->ctx;
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = c->bootstrap->static_resources;
    (void)socket;
    for (size_t i = 0; i < res->n_clusters; i++)
        if (strcmp(res->clusters[i]->name, ocsp->cluster) == 0 && sp_asks(c->doc, res->clusters[i]))
            sp_doc_err(c->doc, build->diag, ocsp, "cluster", -1, "\"%s\" has a responder asked itself, before it can be asked (take ocsp out there)",
                       ocsp->cluster);
}

static struct sp_cluster *compile_cluster(struct sp_config *c, const struct sp_cluster_build *build, const Envoy__Config__Cluster__V3__Cluster *msg)
{
    unsigned errors = build->diag->n_errors;
    if (sp_map_get(&c->clusters.by_name, sp_str_c(msg->name))) {
        sp_doc_err(c->doc, build->diag, msg, "name", -1, "a cluster \"%s\" stands above already (names are unique)", msg->name);
        return NULL;
    }
    sp_asks_each(c->doc, msg, check_responder, (void *)(uintptr_t)build);
    struct sp_cluster *cluster = build->diag->n_errors == errors ? sp_cluster_new(build, msg) : NULL;
    if (!cluster)
        return NULL;
    sp_origin_ocsp_init(cluster, build, msg);
    sp_map_add(&c->clusters.by_name, sp_cluster_name(cluster), cluster);
    return cluster;
}

/* The local cluster comes first: the others go by its hosts. Returns its place, or n_clusters. */
static size_t compile_local(struct sp_config *c, struct sp_cluster_build *build)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = c->bootstrap->static_resources;
    const Envoy__Config__Bootstrap__V3__ClusterManager *manager = c->bootstrap->cluster_manager;
    if (!manager || !manager->local_cluster_name[0])
        return res->n_clusters;
    for (size_t i = 0; i < res->n_clusters; i++) {
        if (strcmp(res->clusters[i]->name, manager->local_cluster_name) != 0)
            continue;
        if (sp_asks(c->doc, res->clusters[i]))
            sp_doc_err(c->doc, build->diag, manager, "local_cluster_name", -1,
                       "\"%s\" has a responder asked, and the others, of which that is one, are balanced by its hosts (take ocsp out there)",
                       manager->local_cluster_name);
        build->is_local = true;
        build->local = compile_cluster(c, build, res->clusters[i]);
        build->is_local = false;
        return i;
    }
    sp_doc_err(c->doc, build->diag, manager, "local_cluster_name", -1, "there is no cluster \"%s\" (name the one whose hosts are the gateways)",
               manager->local_cluster_name);
    return res->n_clusters;
}

/* Those that have responders asked come behind the responders' clusters. */
static void compile_clusters(struct sp_config *c, unsigned n_workers, const struct sp_config *previous, struct sp_diag *diag)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = c->bootstrap->static_resources;
    struct sp_cluster_build build = {
        .doc = c->doc, .diag = diag, .n_workers = n_workers, .previous = previous ? &previous->clusters : NULL, .fresh = &c->clusters,
        .find_cluster = sp_config_find_cluster, .ctx = c, .dns_resolver = c->bootstrap->typed_dns_resolver_config,
        .own = sp_own_locality(c->doc)};
    if (c->bootstrap->cluster_manager) {
        build.bind = c->bootstrap->cluster_manager->upstream_bind_config;
        build.outlier_events = c->bootstrap->cluster_manager->outlier_detection;
    }
    struct sp_cluster **made = sp_xcalloc(res->n_clusters + 1, sizeof(*made));
    size_t local = compile_local(c, &build);
    if (local < res->n_clusters)
        made[local] = build.local;
    for (int asking = 0; asking < 2; asking++)
        for (size_t i = 0; i < res->n_clusters && !is_out_of_memory(diag); i++)
            if (i != local && sp_asks(c->doc, res->clusters[i]) == (bool)asking)
                made[i] = compile_cluster(c, &build, res->clusters[i]);
    for (size_t i = 0; i < res->n_clusters; i++) /* in the document's order */
        if (made[i])
            made[c->clusters.n++] = made[i];
    c->clusters.v = made;
}

/* Two listeners on one address would share its connections by chance. */
static bool address_taken(const struct sp_config *c, const struct sp_listener *l)
{
    const struct sp_addr *addr = sp_listener_addr(l);
    for (unsigned i = 0; i < c->n_listeners; i++)
        if (sp_addr_eq(sp_listener_addr(c->listeners[i]), addr, true) && (addr->port || addr->family == AF_UNIX))
            return true;
    return false;
}

static bool name_taken(const struct sp_config *c, struct sp_str name)
{
    for (unsigned i = 0; i < c->n_listeners; i++)
        if (sp_str_eq(sp_listener_name(c->listeners[i]), name))
            return true;
    return false;
}

static void compile_listeners(struct sp_config *c, const struct sp_edge *edge, struct sp_diag *diag)
{
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *res = c->bootstrap->static_resources;
    struct sp_listener_build build = {.doc = c->doc,
                                      .diag = diag,
                                      .registry = sp_filter_registry(),
                                      .find_cluster = sp_config_find_cluster,
                                      .ctx = c,
                                      .no_route = edge->no_route,
                                      .answer_misdirected = edge->answer_misdirected,
                                      .limits = &edge->limits};
    c->listeners = sp_xcalloc(res->n_listeners + 1, sizeof(*c->listeners));
    for (size_t i = 0; i < res->n_listeners && !is_out_of_memory(diag); i++) {
        const Envoy__Config__Listener__V3__Listener *msg = res->listeners[i];
        struct sp_listener *l = sp_listener_new(&build, msg);
        if (!l)
            continue;
        if (msg->name[0] && name_taken(c, sp_str_c(msg->name)))
            sp_doc_err(c->doc, diag, msg, "name", -1, "a listener \"%s\" stands above already (names are unique)",
                       msg->name);
        if (address_taken(c, l))
            sp_doc_err(c->doc, diag, msg, "address", -1,
                       "a listener above has this address already (give one listener several filter chains instead)");
        c->listeners[c->n_listeners++] = l;
    }
}

static void compile_overload(struct sp_config *c, struct sp_edge *edge, struct sp_diag *diag)
{
    if (!c->bootstrap->overload_manager)
        return;
    c->overload = sp_overload_new(c->doc, diag, c->bootstrap->overload_manager);
    uint64_t most = sp_overload_connections(c->overload);
    if (most && edge->limits.global)
        sp_doc_warn(c->doc, diag, c->bootstrap->overload_manager, "resource_monitors", -1,
                    "overload.global_downstream_max_connections of layered_runtime does not count beside this limit of connections");
    if (most)
        edge->limits.global = most;
}

struct sp_config *sp_config_compile(struct sp_set *set, unsigned n_workers, const struct sp_config *previous,
                                    void (*dead)(struct sp_snapshot *s), struct sp_diag *diag)
{
    assert(set && n_workers > 0 && dead && diag);
    unsigned before = diag->n_errors;
    struct sp_config *c = sp_xcalloc(1, sizeof(*c));
    c->set = set;
    c->doc = set->doc;
    c->bootstrap = sp_doc_root(c->doc);
    sp_map_init(&c->clusters.by_name);
    sp_snapshot_init(&c->snapshot, n_workers, dead);
    sp_parts_init(&c->parts, set); /* as it is written: before defaults are filled in */
    struct sp_arena arena;
    struct sp_edge edge;
    sp_arena_init(&arena);
    sp_secure_defaults(c->doc, diag, c->bootstrap);
    sp_edge_read(&edge, &arena, c->doc, diag, c->bootstrap);
    sp_confine_check(c->doc, diag, c->bootstrap, previous ? previous->doc : NULL, previous ? previous->bootstrap : NULL);
    compile_overload(c, &edge, diag);
    if (c->bootstrap->stats_config)
        c->stats = sp_stats_config_new(c->doc, diag, c->bootstrap->stats_config);
    if (c->bootstrap->static_resources) {
        compile_clusters(c, n_workers, previous, diag);
        compile_listeners(c, &edge, diag);
    }
    c->sinks = sp_stats_sinks_new(c->doc, diag, c->bootstrap, sp_config_find_cluster, c);
    sp_arena_done(&arena);
    if (diag->n_errors == before)
        return c;
    sp_config_free(c);
    return NULL;
}

void sp_config_free(struct sp_config *c)
{
    if (!c)
        return;
    for (unsigned i = 0; i < c->n_listeners; i++)
        sp_listener_free(c->listeners[i]);
    sp_clusters_drop_changes(&c->clusters);
    for (unsigned i = 0; i < c->clusters.n; i++)
        sp_cluster_unref(c->clusters.v[i]);
    sp_overload_free(c->overload);
    sp_stats_config_free(c->stats);
    sp_stats_sinks_free(c->sinks);
    sp_warned_done(&c->warned);
    sp_parts_done(&c->parts);
    free(c->listeners);
    free(c->clusters.v);
    sp_map_done(&c->clusters.by_name);
    sp_snapshot_done(&c->snapshot);
    sp_set_free(c->set);
    free(c);
}

void sp_config_expiries(const struct sp_config *c)
{
    assert(c);
    for (unsigned i = 0; i < c->n_listeners; i++)
        sp_listener_expiries(c->listeners[i]);
    for (unsigned i = 0; i < c->clusters.n; i++) {
        sp_cluster_expiries(c->clusters.v[i]);
        sp_cluster_lb_gauges(c->clusters.v[i]);
    }
}

void sp_config_certs(const struct sp_config *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg)
{
    assert(c && each);
    for (unsigned i = 0; i < c->n_listeners; i++)
        sp_listener_certs(c->listeners[i], each, arg);
    for (unsigned i = 0; i < c->clusters.n; i++)
        sp_cluster_certs(c->clusters.v[i], each, arg);
}
