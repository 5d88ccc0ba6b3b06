/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health.h"

#include <assert.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/mem.h"
#include "clusters/health_event.h"
#include "clusters/host_failure.h"
#include "clusters/outlier.h"
#include "clusters/probe_grpc.h"
#include "clusters/probe_http.h"
#include "clusters/probe_tcp.h"

enum change { UNCHANGED, PENDING, CHANGED };

struct session {
    struct sp_list link;
    struct sp_health_checker *checker;
    struct sp_host *host;            /* a reference; host->session is this */
    struct sp_host_set *set;         /* a reference, of what `endpoint` is in */
    const struct sp_endpoint *endpoint;
    struct sp_probe *probe;
    struct sp_timer interval, timeout;
    unsigned n_healthy, n_unhealthy; /* in a row */
    bool first;                      /* no result yet */
    bool counted, counted_degraded;  /* in the gauges */
};

struct sp_health_checker {
    struct sp_cluster *cluster;
    struct sp_health_config config;
    struct sp_slot *slot;     /* the prober's; NULL while stopped */
    struct sp_list sessions;  /* of the hosts that are checked, while it runs */
    _Atomic unsigned n_unknown; /* sessions without a result; one more while it was not started */
};

static uint32_t flags_of(const struct session *s)
{
    return atomic_load_explicit(&s->host->health, memory_order_relaxed);
}

static void set_flags(struct session *s, uint32_t set, uint32_t clear)
{
    sp_host_set_health(s->checker->cluster, s->host, set, clear);
}

/* health_check.healthy and .degraded: by what the flags say now; a worker may have set one. */
static void update_gauges(struct session *s)
{
    struct sp_cluster_stats *stats = &s->checker->cluster->stats;
    bool failed = flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC;
    bool degraded = flags_of(s) & SP_HEALTH_DEGRADED_ACTIVE_HC;
    if (s->counted == failed) {
        sp_gauge_add(stats->health_check.healthy, failed ? -1 : 1);
        s->counted = !failed;
    }
    if (s->counted_degraded != degraded) {
        sp_gauge_add(stats->health_check.degraded, degraded ? 1 : -1);
        s->counted_degraded = degraded;
    }
}

static uint64_t interval_ns(const struct session *s, bool healthy, enum change change)
{
    const struct sp_health_config *c = &s->checker->config;
    uint64_t ns;
    if (!sp_counter_value(s->checker->cluster->stats.upstream_cx_total)) /* nobody needs to know it soon */
        ns = healthy && change != PENDING ? c->no_traffic_healthy_ns : c->no_traffic_ns;
    else if (healthy)
        ns = change == PENDING ? c->healthy_edge_ns : c->interval_ns;
    else
        ns = change == PENDING ? c->unhealthy_edge_ns : c->unhealthy_ns;
    uint64_t part = (uint64_t)((double)ns * c->jitter_percent / 100);
    if (part)
        ns += sp_slot_below(s->checker->slot, part);
    if (c->interval_jitter_ns)
        ns += sp_slot_below(s->checker->slot, c->interval_jitter_ns);
    return SP_MAX(ns, SP_NS_PER_MS);
}

static void known(struct session *s)
{
    if (!s->first)
        return;
    s->first = false;
    struct sp_health_checker *k = s->checker;
    set_flags(s, 0, SP_HEALTH_PENDING_ACTIVE_HC);
    if (atomic_fetch_sub_explicit(&k->n_unknown, 1, memory_order_release) == 1 && k->cluster->awaiting)
        sp_defer(k->slot->turn, &k->cluster->settle);
}

static void tell(const struct session *s, enum sp_health_event e, const struct sp_probe_verdict *v, bool timed_out)
{
    const struct sp_health_checker *k = s->checker;
    sp_health_tell(&k->config, e, &(struct sp_health_told){
        .cluster = k->cluster, .endpoint = s->endpoint, .wall_ns = k->slot->turn->wall_ns, .first = s->first,
        .result = v ? v->result : SP_PROBE_HEALTHY, .status = v ? v->status : 0, .timed_out = timed_out});
}

#define HOST_ARGS(s) SP_STR_ARG((s)->checker->cluster->name), SP_STR_ARG((s)->endpoint->text)

static enum change succeeded(struct session *s, bool degraded)
{
    const struct sp_health_config *c = &s->checker->config;
    enum change change = UNCHANGED;
    s->n_unhealthy = 0;
    sp_counter_inc(s->checker->cluster->stats.health_check.success);
    if (flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC) {
        change = PENDING;
        /* The very first answer counts at once, so that a start is quick. */
        if (s->first || ++s->n_healthy >= c->healthy_threshold) {
            set_flags(s, 0, SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT | SP_HEALTH_EXCLUDED);
            change = CHANGED;
            s->n_healthy = 0;
            tell(s, SP_HEALTH_EVENT_BACK, NULL, false);
            sp_log(SP_LOG_INFO, "health", "cluster \"%.*s\": host %.*s is healthy%s", HOST_ARGS(s),
                   s->first ? " (first check)" : "");
        }
    }
    if (change != CHANGED && c->log_successes)
        tell(s, SP_HEALTH_EVENT_SUCCESS, NULL, false);
    if (!(flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC)) /* excluded by a check that did not take it out */
        set_flags(s, 0, SP_HEALTH_EXCLUDED);
    bool was = flags_of(s) & SP_HEALTH_DEGRADED_ACTIVE_HC;
    if (was != degraded) {
        set_flags(s, degraded ? SP_HEALTH_DEGRADED_ACTIVE_HC : 0, degraded ? 0 : SP_HEALTH_DEGRADED_ACTIVE_HC);
        tell(s, degraded ? SP_HEALTH_EVENT_DEGRADED : SP_HEALTH_EVENT_NO_LONGER, NULL, false);
        sp_log(SP_LOG_INFO, "health", "cluster \"%.*s\": host %.*s is %s", HOST_ARGS(s),
               degraded ? "degraded" : "no longer degraded");
    }
    if (s->checker->cluster->outlier && !(flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC))
        sp_outlier_checked(s->checker->cluster->outlier, s->host);
    return change;
}

static void log_failure(const struct session *s, bool out, struct sp_str text)
{
    if (out)
        sp_log(SP_LOG_WARNING, "health", "cluster \"%.*s\": host %.*s is unhealthy: %.*s", HOST_ARGS(s), SP_STR_ARG(text));
    else if (s->first)
        sp_log(SP_LOG_WARNING, "health", "cluster \"%.*s\": host %.*s failed its first check: %.*s", HOST_ARGS(s),
               SP_STR_ARG(text));
    else
        sp_log(SP_LOG_DEBUG, "health", "cluster \"%.*s\": host %.*s failed a check: %.*s", HOST_ARGS(s), SP_STR_ARG(text));
}

static enum change failed(struct session *s, const struct sp_probe_verdict *v, bool timed_out)
{
    enum sp_probe_result result = v->result;
    const struct sp_health_config *c = &s->checker->config;
    struct sp_cluster_stats *stats = &s->checker->cluster->stats;
    enum change change = UNCHANGED;
    s->n_healthy = 0;
    sp_counter_inc(stats->health_check.failure);
    if (result == SP_PROBE_NETWORK)
        sp_counter_inc(stats->health_check.network_failure);
    if (result == SP_PROBE_PASSIVE)
        sp_counter_inc(stats->health_check.passive_failure);
    if (!(flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC)) {
        change = PENDING;
        if (result == SP_PROBE_UNHEALTHY || result == SP_PROBE_PASSIVE || ++s->n_unhealthy >= c->unhealthy_threshold) {
            set_flags(s, SP_HEALTH_FAILED_ACTIVE_HC, 0);
            change = CHANGED;
            s->n_unhealthy = 0;
            tell(s, SP_HEALTH_EVENT_OUT, v, timed_out);
            sp_host_failed(s->checker->cluster, s->host);
        }
    }
    bool late = timed_out && (flags_of(s) & SP_HEALTH_FAILED_ACTIVE_HC);
    set_flags(s, late ? SP_HEALTH_ACTIVE_HC_TIMEOUT : 0, late ? 0 : SP_HEALTH_ACTIVE_HC_TIMEOUT);
    if (s->first || c->log_failures)
        tell(s, SP_HEALTH_EVENT_FAILURE, v, timed_out);
    log_failure(s, change == CHANGED, v->text);
    return change;
}

static void next(struct session *s, bool healthy, enum change change)
{
    known(s);
    update_gauges(s);
    sp_timer_stop(&s->timeout);
    sp_timer_start(s->checker->slot->turn, &s->interval, interval_ns(s, healthy, change));
}

static void on_interval(struct sp_timer *t)
{
    struct session *s = SP_CONTAINER_OF(t, struct session, interval);
    struct sp_health_checker *k = s->checker;
    sp_counter_inc(k->cluster->stats.health_check.attempt);
    sp_timer_start(k->slot->turn, &s->timeout, k->config.timeout_ns);
    s->probe->ops->begin(s->probe);
}

static void on_timeout(struct sp_timer *t)
{
    struct session *s = SP_CONTAINER_OF(t, struct session, timeout);
    s->probe->ops->cancel(s->probe);
    next(s, false, failed(s, &(struct sp_probe_verdict){.result = SP_PROBE_NETWORK, .text = SP_STR("timeout")}, true));
}

static void on_done(struct sp_probe *p, const struct sp_probe_verdict *v)
{
    struct session *s = p->owner;
    assert(s->probe == p && s->checker->slot);
    bool good = v->result == SP_PROBE_HEALTHY || v->result == SP_PROBE_DEGRADED;
    if (v->immediate_fail)
        set_flags(s, SP_HEALTH_EXCLUDED, 0);
    if (good)
        next(s, true, succeeded(s, v->result == SP_PROBE_DEGRADED));
    else
        next(s, false, failed(s, v, false));
}

/* --- what a host says of itself in an answer to a request --- */

struct passive_msg {
    struct sp_msg msg;
    struct sp_cluster *cluster; /* held */
    struct sp_host *host;       /* a reference */
};

static void run_passive(struct sp_msg *m)
{
    struct passive_msg *x = SP_CONTAINER_OF(m, struct passive_msg, msg);
    struct session *s = x->host->session;
    if (s) { /* else it is gone meanwhile, or not checked */
        failed(s, &(struct sp_probe_verdict){.result = SP_PROBE_PASSIVE, .text = SP_STR("it said so in an answer to a request")}, false);
        known(s);
        update_gauges(s);
    }
    struct sp_cluster *c = x->cluster;
    sp_host_unref(x->host);
    free(x);
    sp_cluster_drop(c);
}

void sp_health_heed(struct sp_cluster *c, struct sp_host *h)
{
    assert(c && c->checker && h);
    sp_host_set_health(c, h, SP_HEALTH_EXCLUDED, 0);
    struct sp_slot *prober = sp_cluster_slot(c, c->n_slots - 1);
    if (!atomic_load_explicit(&prober->attached, memory_order_acquire))
        return;
    struct passive_msg *x = sp_xcalloc(1, sizeof(*x));
    sp_cluster_hold(c);
    *x = (struct passive_msg){.msg.run = run_passive, .cluster = c, .host = sp_host_ref(h)};
    sp_worker_post(prober->worker, &x->msg);
}

struct sp_health_checker *sp_health_new(struct sp_cluster *c, const struct sp_health_config *config)
{
    assert(c && config);
    struct sp_health_checker *k = sp_xcalloc(1, sizeof(*k));
    k->cluster = c;
    k->config = *config;
    sp_list_init(&k->sessions);
    for (unsigned i = 0; i < c->hosts->n; i++)
        if (!c->hosts->v[i].no_active_hc)
            atomic_fetch_or_explicit(&c->hosts->v[i].host->health, SP_HEALTH_FAILED_ACTIVE_HC, memory_order_relaxed);
    atomic_init(&k->n_unknown, 1);
    return k;
}

void sp_health_free(struct sp_health_checker *k)
{
    if (!k)
        return;
    assert(!k->slot);
    sp_health_config_done(&k->config);
    free(k);
}

static void begin_probe(struct session *s)
{
    struct sp_health_checker *k = s->checker;
    static struct sp_probe *(*const make[])(void) = {
        [SP_HEALTH_HTTP] = sp_probe_http_new, [SP_HEALTH_TCP] = sp_probe_tcp_new, [SP_HEALTH_GRPC] = sp_probe_grpc_new};
    struct sp_probe *p = make[k->config.kind]();
    p->config = &k->config;
    p->slot = k->slot;
    p->host = s->host;
    p->endpoint = s->endpoint;
    p->to = s->endpoint->health_addr;
    if (k->config.alt_port && p->to.family != AF_UNIX)
        p->to.port = (uint16_t)k->config.alt_port;
    p->owner = s;
    p->done = on_done;
    s->probe = p;
}

static void add_session(struct sp_health_checker *k, struct sp_host_set *set, const struct sp_endpoint *e)
{
    struct session *s = sp_xcalloc(1, sizeof(*s));
    s->checker = k;
    s->host = sp_host_ref(e->host);
    s->host->session = s;
    s->set = sp_host_set_ref(set);
    s->endpoint = e;
    s->first = true;
    s->interval.fire = on_interval;
    s->timeout.fire = on_timeout;
    sp_list_push_back(&k->sessions, &s->link);
    atomic_fetch_add_explicit(&k->n_unknown, 1, memory_order_relaxed);
    set_flags(s, SP_HEALTH_FAILED_ACTIVE_HC, 0);
    begin_probe(s);
    update_gauges(s);
    uint64_t jitter = k->config.initial_jitter_ns;
    sp_timer_start(k->slot->turn, &s->interval, jitter ? sp_slot_below(k->slot, jitter) : 0);
}

static void end_session(struct session *s)
{
    struct sp_cluster_stats *stats = &s->checker->cluster->stats;
    sp_timer_stop(&s->interval);
    sp_timer_stop(&s->timeout);
    s->probe->ops->free(s->probe);
    if (s->counted)
        sp_gauge_dec(stats->health_check.healthy);
    if (s->counted_degraded)
        sp_gauge_dec(stats->health_check.degraded);
    known(s);
    sp_list_remove(&s->link);
    s->host->session = NULL;
    sp_host_unref(s->host);
    sp_host_set_unref(s->set);
    free(s);
}

/* The host stays; what is configured of it may have changed. */
static void move_session(struct session *s, struct sp_host_set *set, const struct sp_endpoint *e)
{
    bool elsewhere = !sp_addr_eq(&s->endpoint->health_addr, &e->health_addr, true);
    struct sp_host_set *before = s->set;
    s->set = sp_host_set_ref(set);
    s->endpoint = s->probe->endpoint = e;
    if (elsewhere) {
        bool checking = sp_timer_armed(&s->timeout);
        sp_timer_stop(&s->timeout);
        s->probe->ops->free(s->probe);
        begin_probe(s);
        if (checking) /* its answer will not come */
            sp_timer_start(s->checker->slot->turn, &s->interval, 0);
    }
    sp_host_set_unref(before);
}

void sp_health_remove(struct sp_health_checker *k, struct sp_host *h)
{
    assert(k && k->slot && h);
    if (h->session)
        end_session(h->session);
}

void sp_health_update(struct sp_health_checker *k, struct sp_host_set *set)
{
    assert(k && k->slot && set);
    for (unsigned i = 0; i < set->n; i++) {
        const struct sp_endpoint *e = &set->v[i];
        struct session *s = e->host->session;
        if (s && e->no_active_hc) {
            end_session(s);
            sp_host_set_health(k->cluster, e->host, 0,
                               SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_DEGRADED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT);
        } else if (s) {
            move_session(s, set, e);
        } else if (!e->no_active_hc) {
            add_session(k, set, e);
        }
    }
}

void sp_health_start(struct sp_health_checker *k, struct sp_slot *prober)
{
    assert(k && prober && !k->slot);
    k->slot = prober;
    sp_health_update(k, k->cluster->hosts);
    atomic_fetch_sub_explicit(&k->n_unknown, 1, memory_order_release);
}

void sp_health_stop(struct sp_health_checker *k)
{
    assert(k);
    if (!k->slot)
        return;
    for (struct sp_list *n; (n = sp_list_first(&k->sessions)) != NULL;)
        end_session(SP_CONTAINER_OF(n, struct session, link));
    k->slot = NULL;
}

bool sp_health_knows(const struct sp_host *h)
{
    assert(h);
    const struct session *s = h->session;
    return s && !s->first;
}

bool sp_health_warm(const struct sp_health_checker *k)
{
    assert(k);
    return atomic_load_explicit(&k->n_unknown, memory_order_acquire) == 0;
}
