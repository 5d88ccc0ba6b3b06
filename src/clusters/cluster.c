/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/cluster.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/bind.h"
#include "clusters/cluster_hash.h"
#include "clusters/health.h"
#include "clusters/hosts.h"
#include "clusters/outlier.h"
#include "clusters/pool.h"
#include "clusters/slot.h"
#include "config/live.h"
#include "config/struct_json.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "clusters/publish.h"
#include "clusters/rehash.h"
#include "clusters/resolve.h"

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;

static void free_cluster(struct sp_cluster *c)
{
    for (unsigned i = 0; c->slots && i < c->n_slots; i++)
        if (c->slots[i].lb)
            sp_slot_done(&c->slots[i]);
    free(c->slots);
    sp_health_free(c->checker);
    sp_resolve_free(c->resolve);
    sp_outlier_free(c->outlier);
    sp_breakers_done(c->breakers);
    sp_hosts_done(c);
    sp_zone_stats_free(c->zone_stats);
    if (c->local)
        sp_cluster_drop(c->local);
    sp_socket_matches_done(&c->sockets);
    sp_cluster_options_done(&c->options);
    sp_cluster_stats_done(&c->stats);
    sp_arena_done(&c->arena);
    free(c);
}

/* Several are told apart by their names, as in Envoy. */
static void check_names(const struct sp_cluster_build *b, const cluster_msg *msg)
{
    for (size_t i = 0; msg->n_health_checks > 1 && i < msg->n_health_checks; i++) {
        const char *name = msg->health_checks[i]->name;
        if (!name[0])
            sp_doc_err(b->doc, b->diag, msg, "health_checks", (int)i, "one of several has no name (name each: its counters stand under it)");
        for (size_t k = 0; name[0] && k < i; k++)
            if (strcmp(name, msg->health_checks[k]->name) == 0)
                sp_doc_err(b->doc, b->diag, msg->health_checks[i], "name", -1, "a health check \"%s\" stands above already (give it a name of its own)", name);
    }
}

static void make_checks(struct sp_cluster *c, const struct sp_cluster_build *b, const cluster_msg *msg)
{
    unsigned errors = b->diag->n_errors;
    size_t n = msg->n_health_checks;
    if (!n)
        return;
    struct sp_health_config *configs = sp_xcalloc(n, sizeof(*configs));
    bool good = true;
    check_names(b, msg);
    for (size_t i = 0; i < n; i++) {
        const Google__Protobuf__Struct *criteria = msg->health_checks[i]->transport_socket_match_criteria;
        good = sp_health_config_init(&configs[i], &c->arena, b->doc, b->diag, msg->health_checks[i], &c->options) && good;
        configs[i].has_socket = criteria != NULL;
        configs[i].socket = criteria ? sp_socket_matches_by(&c->sockets, criteria) : SP_SOCKET_DEFAULT;
    }
    if (good && b->diag->n_errors == errors)
        c->checker = sp_health_new(c, configs, (unsigned)n);
    for (size_t i = 0; i < n && !c->checker; i++)
        sp_health_config_done(&configs[i]);
    free(configs);
}

static bool one_name(const cluster_msg *msg)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    return la && la->n_endpoints == 1 && la->endpoints[0]->n_lb_endpoints == 1;
}

static void warn_empty(const struct sp_host_set *set, const struct sp_cluster_build *b, const cluster_msg *msg, unsigned errors)
{
    if (!set->n && b->diag->n_errors == errors)
        sp_doc_warn(b->doc, b->diag, msg, "load_assignment", -1, "has no endpoints: every request will get 503");
}

/* Priorities of gateways would say nothing of where requests come in. */
static void check_local(const struct sp_cluster_build *b, const cluster_msg *msg)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    for (size_t i = 0; b->is_local && la && i < la->n_endpoints; i++)
        if (la->endpoints[i]->priority)
            sp_doc_err(b->doc, b->diag, la->endpoints[i], "priority", -1,
                       "the local_cluster_name of cluster_manager is this cluster, which has priority 0 only (take this out)");
}

static const Envoy__Config__Core__V3__BindConfig *bind_of(const struct sp_cluster_build *b, const cluster_msg *msg)
{
    return msg->upstream_bind_config ? msg->upstream_bind_config : b->bind;
}

static void make_hosts(struct sp_cluster *c, const struct sp_cluster_build *b, const cluster_msg *msg)
{
    struct sp_dns_options dns;
    unsigned errors = b->diag->n_errors;
    bool names = sp_dns_options_init(&dns, &c->arena, b->doc, b->diag, msg, b->dns_resolver);
    struct sp_host_set *hosts = sp_hosts_read(b->doc, b->diag, msg, names);
    check_local(b, msg);
    if (names && dns.logical && !one_name(msg))
        sp_doc_err(b->doc, b->diag, msg, "load_assignment", -1,
                   "a LOGICAL_DNS cluster has exactly one endpoint (use STRICT_DNS for several)");
    else
        warn_empty(hosts, b, msg, errors);
    if (names) {
        c->resolve = sp_resolve_new(c, &dns, hosts);
        hosts = sp_host_set_new(); /* nobody yet */
    }
    sp_host_set_close(hosts);
    sp_hosts_first(c, hosts);
}

static struct sp_slot *slots_new(struct sp_cluster *c)
{
    struct sp_slot *slots = sp_xcalloc(c->n_slots, sizeof(*slots));
    for (unsigned i = 0; i < c->n_slots; i++) {
        slots[i].cluster = c;
        slots[i].index = i;
    }
    return slots;
}

/* The one that serves, if it is equal. */
static struct sp_cluster *keep(const struct sp_cluster_build *build, const cluster_msg *msg, const struct sp_hash *hash)
{
    struct sp_cluster *c = build->previous ? sp_map_get(&build->previous->by_name, sp_str_c(msg->name)) : NULL;
    if (!c || !sp_hash_eq(&c->hash, hash) || c->n_slots != build->n_workers + 1)
        return NULL;
    sp_cluster_hold(c);
    sp_cluster_options_use(&c->options, build->doc);
    sp_socket_matches_use(&c->sockets, build->doc);
    if (c->live)
        sp_live_set_use(sp_doc_live(build->doc), c->live);
    return c;
}

static void free_owner(void *owner)
{
    free_cluster(owner);
}

/* A document may have its live set a little longer, and what is in there is the cluster's. */
static void destroy(struct sp_cluster *c)
{
    if (c->live)
        sp_live_set_unref(c->live);
    else
        free_cluster(c);
}

static void make_checks_with_secrets(struct sp_cluster *c, const struct sp_cluster_build *b, const cluster_msg *msg)
{
    c->live = sp_live_set_new_kept(free_owner, c);
    struct sp_live_set *docs = sp_doc_set_live(b->doc, c->live);
    make_checks(c, b, msg);
    sp_doc_set_live(b->doc, docs);
    sp_live_set_use(docs, c->live);
}

/* That they were read again counts. */
static bool ages(const cluster_msg *msg)
{
    const Envoy__Config__Endpoint__V3__ClusterLoadAssignment *la = msg->load_assignment;
    return msg->type == ENVOY__CONFIG__CLUSTER__V3__CLUSTER__DISCOVERY_TYPE__EDS && la && la->policy && la->policy->endpoint_stale_after;
}

/* Notes the hosts of a kept cluster, if they differ. False after errors. */
static bool note_hosts(const struct sp_cluster_build *build, struct sp_cluster *c, const cluster_msg *msg,
                       const struct sp_hash *hash)
{
    unsigned errors = build->diag->n_errors;
    if (c->resolve || (sp_hash_eq(&c->hosts_hash, hash) && !ages(msg)))
        return true;
    struct sp_host_set *set = sp_hosts_read(build->doc, build->diag, msg, false);
    check_local(build, msg);
    warn_empty(set, build, msg, errors);
    sp_host_set_close(set);
    sp_bind_check(c, set, build->doc, build->diag, bind_of(build, msg));
    if (build->diag->n_errors != errors) {
        sp_host_set_unref(set);
        return false;
    }
    sp_host_change_add(build->fresh, c, set, hash);
    return true;
}

/* Before its hosts are made. */
static void take_zone(struct sp_cluster *c, const struct sp_cluster_build *b)
{
    c->own = (struct sp_own_locality){b->own.known, sp_arena_str(&c->arena, b->own.region), sp_arena_str(&c->arena, b->own.zone),
                                      sp_arena_str(&c->arena, b->own.sub_zone)};
    if (!b->local || sp_lb_hashes(&c->lb))
        return;
    sp_cluster_hold(b->local);
    c->local = b->local;
}

static void track(struct sp_cluster *c, const struct sp_cluster_build *b, const cluster_msg *msg)
{
    const Envoy__Config__Cluster__V3__TrackClusterStats *t = msg->track_cluster_stats;
    if (t && t->per_endpoint_stats)
        sp_doc_err(b->doc, b->diag, t, "per_endpoint_stats", -1, "hosts have no stats of their own (take it out: /clusters shows their counters)");
    sp_cluster_stats_track(&c->stats, msg->track_timeout_budgets || (t && t->timeout_budgets), t && t->request_response_sizes);
}

struct sp_cluster *sp_cluster_new(const struct sp_cluster_build *build, const cluster_msg *msg)
{
    assert(build && build->doc && build->diag && msg);
    unsigned errors = build->diag->n_errors;
    struct sp_hash hash, hosts_hash;
    sp_cluster_hash(build, msg, &hash);
    sp_doc_hash(build->doc, msg->load_assignment, NULL, &hosts_hash);
    struct sp_cluster *c = keep(build, msg, &hash);
    if (c && note_hosts(build, c, msg, &hosts_hash))
        return c;
    if (c) {
        sp_cluster_drop(c);
        return NULL;
    }
    c = sp_xaligned(sizeof(*c));
    memset(c, 0, sizeof(*c));
    sp_arena_init(&c->arena);
    atomic_init(&c->refs, 1);
    c->destroy = destroy;
    c->hash = hash;
    c->hosts_hash = hosts_hash;
    sp_cluster_hash_transport(build->doc, msg, &c->transport);
    c->n_slots = build->n_workers + 1;
    c->slots = slots_new(c);
    c->name = sp_arena_str(&c->arena, sp_str_c(msg->name));
    c->metadata = sp_config_metadata_text(&c->arena, msg->metadata);
    c->observability_name = msg->alt_stat_name[0] ? sp_arena_str(&c->arena, sp_str_c(msg->alt_stat_name)) : c->name;
    sp_cluster_options_init(&c->options, &c->arena, build->doc, build->diag, msg);
    sp_cluster_stats_init(&c->stats, c->observability_name, c->options.tls || msg->n_transport_socket_matches, msg->n_health_checks);
    sp_socket_matches_init(&c->sockets, &c->arena, build->doc, build->diag, msg, &c->options, c->stats.scope);
    sp_breakers_init(c->breakers, build->doc, build->diag, msg, &c->stats, c->n_slots);
    c->per_host = sp_breakers_per_host(c->breakers);
    c->outlier = sp_outlier_new(c, build->doc, build->diag, msg, build->outlier_events);
    sp_lb_config_init(&c->lb, &c->arena, build->doc, build->diag, msg);
    if (c->lb.subsets)
        sp_cluster_stats_subsets(&c->stats);
    if (sp_lb_hashes(&c->lb))
        sp_cluster_stats_tables(&c->stats, c->lb.policy == SP_LB_MAGLEV);
    if (c->options.protocol != SP_UPSTREAM_H1)
        sp_cluster_stats_http2(&c->stats);
    track(c, build, msg);
    take_zone(c, build);
    make_hosts(c, build, msg);
    sp_bind_init(c, build->doc, build->diag, bind_of(build, msg));
    if (build->diag->n_errors == errors)
        sp_rehash_first(c);
    if (sp_cluster_has_secrets(msg))
        make_checks_with_secrets(c, build, msg);
    else
        make_checks(c, build, msg);
    if (build->diag->n_errors == errors)
        return c;
    sp_cluster_drop(c);
    return NULL;
}

struct sp_cluster *sp_cluster_ref(struct sp_cluster *c)
{
    sp_cluster_hold(c);
    return c;
}

void sp_cluster_unref(struct sp_cluster *c)
{
    if (c)
        sp_cluster_drop(c);
}

struct sp_str sp_cluster_name(const struct sp_cluster *c)
{
    assert(c);
    return c->name;
}

void sp_cluster_members(const struct sp_cluster *c, uint64_t *ret_total, uint64_t *ret_available)
{
    assert(c && ret_total && ret_available);
    *ret_total = sp_gauge_value(c->stats.membership_total);
    *ret_available = sp_gauge_value(c->stats.membership_healthy) + sp_gauge_value(c->stats.membership_degraded);
}

struct sp_tls_ctx *sp_cluster_tls(const struct sp_cluster *c)
{
    assert(c);
    return sp_socket_matches_plain(&c->sockets) ? NULL : c->options.tls;
}

void sp_cluster_certs(const struct sp_cluster *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg)
{
    assert(c && each);
    if (c->options.tls)
        sp_tls_ctx_certs(c->options.tls, each, arg);
    for (unsigned i = 0; i < c->sockets.n; i++)
        if (c->sockets.v[i].options.tls)
            sp_tls_ctx_certs(c->sockets.v[i].options.tls, each, arg);
}

void sp_cluster_expiries(const struct sp_cluster *c)
{
    assert(c);
    struct sp_tls_expiries e = {0};
    sp_tls_expiries_add(&e, c->options.tls);
    for (unsigned i = 0; i < c->sockets.n; i++)
        sp_tls_expiries_add(&e, c->sockets.v[i].options.tls);
    sp_tls_expiries_show(&e, &c->stats.ssl);
}

bool sp_cluster_always_h2(const struct sp_cluster *c)
{
    assert(c);
    return c->options.protocol == SP_UPSTREAM_H2;
}

void sp_cluster_count_ratelimit(struct sp_cluster *c, enum sp_ratelimit_stat what)
{
    static const struct sp_str names[SP_RATELIMIT_STATS] = {SP_STR_INIT("ok"), SP_STR_INIT("over_limit"), SP_STR_INIT("error"),
                                                            SP_STR_INIT("failure_mode_allowed")};
    assert(c && what < SP_RATELIMIT_STATS);
    _Atomic uint32_t *cell = &c->stats.ratelimit[what];
    struct sp_counter counter = {atomic_load_explicit(cell, memory_order_relaxed)};
    if (SP_UNLIKELY(!counter.cell)) {
        counter = sp_stats_counter(sp_stats_scope(c->stats.scope, SP_STR("ratelimit"), NULL, SP_STR_NULL), names[what]);
        atomic_store_explicit(cell, counter.cell, memory_order_relaxed);
    }
    sp_counter_inc(counter);
}

void sp_cluster_start(struct sp_cluster *c, struct sp_worker *prober)
{
    assert(c && prober && prober->index < c->n_slots);
    sp_cluster_publish(c, true);
    if (c->checker)
        sp_health_start(c->checker, sp_cluster_slot(c, prober->index));
    if (c->outlier)
        sp_outlier_start(c->outlier, sp_cluster_slot(c, prober->index));
    sp_hosts_start(c, prober);
    if (c->resolve)
        sp_resolve_start(c->resolve, sp_cluster_slot(c, prober->index));
}

void sp_cluster_stop(struct sp_cluster *c)
{
    assert(c);
    if (c->resolve)
        sp_resolve_stop(c->resolve);
    sp_hosts_stop(c);
    if (c->outlier)
        sp_outlier_stop(c->outlier);
    if (c->checker)
        sp_health_stop(c->checker);
    sp_cluster_publish(c, false);
}

bool sp_cluster_warm(const struct sp_cluster *c)
{
    assert(c);
    return (!c->resolve || sp_resolve_warm(c->resolve)) && (!c->checker || sp_health_warm(c->checker)) && sp_rehash_settled(c);
}

void sp_cluster_attach(struct sp_cluster *c, struct sp_worker *w)
{
    assert(c && w && w->index < c->n_slots);
    sp_slot_attach(sp_cluster_slot(c, w->index), w);
}

void sp_cluster_detach(struct sp_cluster *c, struct sp_worker *w, bool now)
{
    assert(c && w && w->index < c->n_slots);
    sp_slot_detach(sp_cluster_slot(c, w->index), now);
}

void sp_cluster_set_place(struct sp_cluster *c, const struct sp_worker *w, unsigned at)
{
    assert(c && w && w->index < c->n_slots);
    sp_cluster_slot(c, w->index)->place = at;
}

unsigned sp_cluster_place(const struct sp_cluster *c, const struct sp_worker *w)
{
    assert(c && w && w->index < c->n_slots);
    return sp_cluster_slot(c, w->index)->place;
}

bool sp_cluster_has_tunnels(const struct sp_cluster *c, const struct sp_worker *w)
{
    assert(c && w && w->index < c->n_slots);
    return sp_cluster_slot(c, w->index)->n_tunnels > 0;
}

unsigned sp_cluster_connections(const struct sp_cluster *c, const struct sp_worker *w)
{
    assert(c && w && w->index < c->n_slots);
    return sp_cluster_slot(c, w->index)->n_connections;
}
