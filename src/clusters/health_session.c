/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health_session.h"

#include <assert.h>

#include "base/log.h"
#include "clusters/health_event.h"
#include "clusters/outlier.h"
#include "clusters/probe_grpc.h"
#include "clusters/probe_http.h"
#include "clusters/probe_tcp.h"

enum change { UNCHANGED, PENDING, CHANGED };

static const uint64_t LONGEST_NS = 1ull << 60; /* 36 years: sums of three stay sums */

static void count(struct sp_health_session *s)
{
    sp_health_gauges(&s->check->stats, s->flags, &s->counted, &s->counted_degraded);
}

static uint64_t interval_ns(const struct sp_health_session *s, bool healthy, enum change change)
{
    const struct sp_health_config *c = &s->check->config;
    uint64_t ns;
    if (!sp_counter_value(s->of->checker->cluster->stats.upstream_cx_total)) /* nobody needs to know it soon */
        ns = healthy && change != PENDING ? c->no_traffic_healthy_ns : c->no_traffic_ns;
    else if (healthy)
        ns = change == PENDING ? c->healthy_edge_ns : c->interval_ns;
    else
        ns = change == PENDING ? c->unhealthy_edge_ns : c->unhealthy_ns;
    double part = (double)ns * c->jitter_percent / 100;
    ns = SP_MIN(ns, LONGEST_NS);
    if (part >= 1)
        ns += sp_slot_below(s->of->checker->slot, part < (double)LONGEST_NS ? (uint64_t)part : LONGEST_NS);
    if (c->interval_jitter_ns)
        ns += sp_slot_below(s->of->checker->slot, SP_MIN(c->interval_jitter_ns, LONGEST_NS));
    return SP_MAX(ns, SP_NS_PER_MS);
}

static void known(struct sp_health_session *s)
{
    if (!s->first)
        return;
    s->first = false;
    struct sp_health_checker *k = s->of->checker;
    if (!--s->of->n_first)
        sp_host_set_health(k->cluster, s->of->host, 0, SP_HEALTH_PENDING_ACTIVE_HC);
    if (atomic_fetch_sub_explicit(&k->n_unknown, 1, memory_order_release) == 1 && k->cluster->awaiting)
        sp_defer(k->slot->turn, &k->cluster->settle);
}

static void tell(const struct sp_health_session *s, enum sp_health_event e, const struct sp_probe_verdict *v, bool timed_out)
{
    const struct sp_health_checker *k = s->of->checker;
    sp_health_tell(&s->check->config, e, &(struct sp_health_told){
        .cluster = k->cluster, .endpoint = s->of->endpoint, .wall_ns = k->slot->turn->wall_ns, .first = s->first,
        .result = v ? v->result : SP_PROBE_HEALTHY, .status = v ? v->status : 0, .timed_out = timed_out});
}

#define HOST_ARGS(s) \
    SP_STR_ARG((s)->of->checker->cluster->name), SP_STR_ARG((s)->of->endpoint->text), SP_STR_ARG((s)->check->config.label)
#define HOST_TEXT "cluster \"%.*s\": host %.*s%.*s "

/* A success of a host that all checks have well. */
static void well(struct sp_health_session *s)
{
    struct sp_cluster *c = s->of->checker->cluster;
    sp_host_set_health(c, s->of->host, 0, SP_HEALTH_EXCLUDED);
    if (c->outlier)
        sp_outlier_checked(c->outlier, s->of->host);
}

static enum change succeeded(struct sp_health_session *s, bool degraded)
{
    const struct sp_health_config *c = &s->check->config;
    enum change change = UNCHANGED;
    s->n_unhealthy = 0;
    sp_counter_inc(s->check->stats.success);
    if (s->flags & SP_HEALTH_FAILED_ACTIVE_HC) {
        change = PENDING;
        /* The very first answer counts at once, so that a start is quick. */
        if (s->first || ++s->n_healthy >= c->healthy_threshold) {
            s->flags &= ~(uint32_t)(SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT);
            change = CHANGED;
            s->n_healthy = 0;
            tell(s, SP_HEALTH_EVENT_BACK, NULL, false);
            sp_log_limited(SP_LOG_INFO, "health", SP_LOG_BURST, HOST_TEXT "is healthy%s", HOST_ARGS(s),
                           s->first ? " (first check)" : "");
        }
    }
    if (change != CHANGED && c->log_successes)
        tell(s, SP_HEALTH_EVENT_SUCCESS, NULL, false);
    bool was = s->flags & SP_HEALTH_DEGRADED_ACTIVE_HC;
    if (was != degraded) {
        s->flags ^= SP_HEALTH_DEGRADED_ACTIVE_HC;
        tell(s, degraded ? SP_HEALTH_EVENT_DEGRADED : SP_HEALTH_EVENT_NO_LONGER, NULL, false);
        sp_log_limited(SP_LOG_INFO, "health", SP_LOG_BURST, HOST_TEXT "is %s", HOST_ARGS(s),
               degraded ? "degraded" : "no longer degraded");
    }
    sp_watched_combine(s->of);
    if (!(sp_watched_flags(s->of) & SP_HEALTH_FAILED_ACTIVE_HC))
        well(s);
    return change;
}

static void log_failure(const struct sp_health_session *s, bool out, struct sp_str text)
{
    if (out)
        sp_log_limited(SP_LOG_WARNING, "health", SP_LOG_BURST, HOST_TEXT "is unhealthy: %.*s", HOST_ARGS(s), SP_STR_ARG(text));
    else if (s->first)
        sp_log_limited(SP_LOG_WARNING, "health", SP_LOG_BURST, HOST_TEXT "failed its first check: %.*s", HOST_ARGS(s),
               SP_STR_ARG(text));
    else
        sp_log_limited(SP_LOG_DEBUG, "health", SP_LOG_BURST, HOST_TEXT "failed a check: %.*s", HOST_ARGS(s), SP_STR_ARG(text));
}

static enum change failed(struct sp_health_session *s, const struct sp_probe_verdict *v, bool timed_out)
{
    enum sp_probe_result result = v->result;
    const struct sp_health_config *c = &s->check->config;
    const struct sp_health_stats *stats = &s->check->stats;
    enum change change = UNCHANGED;
    s->n_healthy = 0;
    sp_counter_inc(stats->failure);
    if (result == SP_PROBE_NETWORK)
        sp_counter_inc(stats->network_failure);
    if (result == SP_PROBE_PASSIVE)
        sp_counter_inc(stats->passive_failure);
    if (!(s->flags & SP_HEALTH_FAILED_ACTIVE_HC)) {
        change = PENDING;
        if (result == SP_PROBE_UNHEALTHY || result == SP_PROBE_PASSIVE || ++s->n_unhealthy >= c->unhealthy_threshold) {
            s->flags |= SP_HEALTH_FAILED_ACTIVE_HC;
            change = CHANGED;
            s->n_unhealthy = 0;
            tell(s, SP_HEALTH_EVENT_OUT, v, timed_out);
        }
    }
    s->flags &= ~(uint32_t)SP_HEALTH_ACTIVE_HC_TIMEOUT;
    if (timed_out && (s->flags & SP_HEALTH_FAILED_ACTIVE_HC))
        s->flags |= SP_HEALTH_ACTIVE_HC_TIMEOUT;
    sp_watched_combine(s->of);
    if (s->first || c->log_failures)
        tell(s, SP_HEALTH_EVENT_FAILURE, v, timed_out);
    log_failure(s, change == CHANGED, v->text);
    return change;
}

static void next(struct sp_health_session *s, bool healthy, enum change change)
{
    known(s);
    count(s);
    sp_timer_stop(&s->timeout);
    sp_timer_start(s->of->checker->slot->turn, &s->interval, interval_ns(s, healthy, change));
}

static void on_interval(struct sp_timer *t)
{
    struct sp_health_session *s = SP_CONTAINER_OF(t, struct sp_health_session, interval);
    struct sp_health_checker *k = s->of->checker;
    sp_counter_inc(s->check->stats.attempt);
    sp_timer_start(k->slot->turn, &s->timeout, s->check->config.timeout_ns);
    s->probe->ops->begin(s->probe);
}

static void on_timeout(struct sp_timer *t)
{
    struct sp_health_session *s = SP_CONTAINER_OF(t, struct sp_health_session, timeout);
    s->probe->ops->cancel(s->probe);
    next(s, false, failed(s, &(struct sp_probe_verdict){.result = SP_PROBE_NETWORK, .text = SP_STR("timeout")}, true));
}

static void on_done(struct sp_probe *p, const struct sp_probe_verdict *v)
{
    struct sp_health_session *s = p->owner;
    assert(s->probe == p && s->of->checker->slot);
    bool good = v->result == SP_PROBE_HEALTHY || v->result == SP_PROBE_DEGRADED;
    if (v->asked_service)
        sp_counter_inc(s->check->stats.verify_cluster);
    if (v->immediate_fail)
        sp_host_set_health(s->of->checker->cluster, s->of->host, SP_HEALTH_EXCLUDED, 0);
    if (good)
        next(s, true, succeeded(s, v->result == SP_PROBE_DEGRADED));
    else
        next(s, false, failed(s, v, false));
}

void sp_health_session_heed(struct sp_health_session *s)
{
    assert(s);
    failed(s, &(struct sp_probe_verdict){.result = SP_PROBE_PASSIVE, .text = SP_STR("it said so in an answer to a request")}, false);
    known(s);
    count(s);
}

/* --- its life --- */

static void begin_probe(struct sp_health_session *s)
{
    struct sp_health_checker *k = s->of->checker;
    static struct sp_probe *(*const make[])(void) = {
        [SP_HEALTH_HTTP] = sp_probe_http_new, [SP_HEALTH_TCP] = sp_probe_tcp_new, [SP_HEALTH_GRPC] = sp_probe_grpc_new};
    struct sp_probe *p = make[s->check->config.kind]();
    p->config = &s->check->config;
    p->slot = k->slot;
    p->host = s->of->host;
    p->endpoint = s->of->endpoint;
    p->to = s->of->endpoint->health_addr;
    if (s->check->config.alt_port && p->to.family != AF_UNIX)
        p->to.port = (uint16_t)s->check->config.alt_port;
    p->owner = s;
    p->done = on_done;
    s->probe = p;
}

void sp_health_session_begin(struct sp_health_session *s, struct sp_watched *of, struct sp_health_check *check)
{
    assert(s && of && of->endpoint && check);
    struct sp_slot *slot = of->checker->slot;
    s->of = of;
    s->check = check;
    s->first = true;
    s->flags = SP_HEALTH_FAILED_ACTIVE_HC;
    s->interval.fire = on_interval;
    s->timeout.fire = on_timeout;
    of->n_first++;
    atomic_fetch_add_explicit(&of->checker->n_unknown, 1, memory_order_relaxed);
    begin_probe(s);
    count(s);
    uint64_t jitter = check->config.initial_jitter_ns;
    sp_timer_start(slot->turn, &s->interval, jitter ? sp_slot_below(slot, jitter) : 0);
}

void sp_health_session_end(struct sp_health_session *s)
{
    assert(s && s->probe);
    sp_timer_stop(&s->interval);
    sp_timer_stop(&s->timeout);
    s->probe->ops->free(s->probe);
    s->probe = NULL;
    sp_health_gauges(&s->check->stats, SP_HEALTH_FAILED_ACTIVE_HC, &s->counted, &s->counted_degraded);
    known(s);
}

void sp_health_session_move(struct sp_health_session *s, bool elsewhere)
{
    assert(s && s->probe);
    s->probe->endpoint = s->of->endpoint;
    if (!elsewhere)
        return;
    bool checking = sp_timer_armed(&s->timeout);
    sp_timer_stop(&s->timeout);
    s->probe->ops->free(s->probe);
    begin_probe(s);
    if (checking) /* its answer will not come */
        sp_timer_start(s->of->checker->slot->turn, &s->interval, 0);
}
