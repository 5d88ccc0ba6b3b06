/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/breakers.h"

#include <assert.h>

typedef Envoy__Config__Cluster__V3__Cluster cluster_msg;
typedef Envoy__Config__Cluster__V3__CircuitBreakers__Thresholds thresholds_msg;

enum { N_LIMITS = 5, DEFAULT_BUDGET_LEAST = 3 };
static const double DEFAULT_BUDGET_PERCENT = 20;
static const uint32_t default_limits[N_LIMITS] = {1024, 1024, 1024, 3, UINT32_MAX};

static void list_of(const struct sp_breakers *b, const struct sp_permits *ret[N_LIMITS])
{
    const struct sp_permits *all[N_LIMITS] = {&b->connections, &b->pending, &b->requests, &b->retries, &b->pools};
    memcpy(ret, all, sizeof(all));
}

/* The one of a priority, or NULL. */
static const thresholds_msg *find(thresholds_msg *const *list, size_t n, int priority, const struct sp_doc *doc, struct sp_diag *diag,
                                  const void *owner, const char *field)
{
    const thresholds_msg *found = NULL;
    for (size_t i = 0; i < n; i++) {
        if ((int)list[i]->priority != priority)
            continue;
        if (found)
            sp_doc_err(doc, diag, owner, field, (int)i,
                       "there are thresholds of this priority above already (one of each priority)");
        found = list[i];
    }
    return found;
}

static void take_budget(struct sp_breakers *b, const Envoy__Config__Cluster__V3__CircuitBreakers__Thresholds__RetryBudget *msg)
{
    b->budget = msg != NULL;
    b->budget_percent = msg && msg->budget_percent ? msg->budget_percent->value : DEFAULT_BUDGET_PERCENT;
    b->budget_least = msg && msg->min_retry_concurrency ? msg->min_retry_concurrency->value : DEFAULT_BUDGET_LEAST;
}

static void init_one(struct sp_breakers *b, const thresholds_msg *t, const struct sp_cluster_stats *stats, struct sp_str priority,
                     unsigned n_slots)
{
    static const struct {
        struct sp_str open, remaining;
    } names[N_LIMITS] = {{SP_STR_INIT("cx_open"), SP_STR_INIT("remaining_cx")},
                         {SP_STR_INIT("rq_pending_open"), SP_STR_INIT("remaining_pending")},
                         {SP_STR_INIT("rq_open"), SP_STR_INIT("remaining_rq")},
                         {SP_STR_INIT("rq_retry_open"), SP_STR_INIT("remaining_retries")},
                         {SP_STR_INIT("cx_pool_open"), SP_STR_INIT("remaining_cx_pools")}};
    const Google__Protobuf__UInt32Value *values[N_LIMITS] = {NULL};
    struct sp_permits *all[N_LIMITS] = {&b->connections, &b->pending, &b->requests, &b->retries, &b->pools};
    take_budget(b, t ? t->retry_budget : NULL);
    if (t) {
        const Google__Protobuf__UInt32Value *set[N_LIMITS] = {t->max_connections, t->max_pending_requests, t->max_requests,
                                                              t->max_retries, t->max_connection_pools};
        memcpy(values, set, sizeof(values));
    }
    for (size_t i = 0; i < N_LIMITS; i++) {
        all[i]->open = sp_cluster_breaker_gauge(stats, priority, names[i].open);
        all[i]->remaining = sp_cluster_breaker_gauge(stats, priority, names[i].remaining);
        all[i]->track = t && t->track_remaining && !(b->budget && all[i] == &b->retries);
        sp_permits_init(all[i], values[i] ? values[i]->value : default_limits[i], n_slots);
    }
}

/* Of a host only its connections are limited. */
static void check_per_host(const struct sp_doc *doc, struct sp_diag *diag, const thresholds_msg *t)
{
    if (t && (t->max_pending_requests || t->max_requests || t->max_retries || t->max_connection_pools || t->retry_budget))
        sp_doc_err(doc, diag, t, NULL, -1, "a host has a limit of connections only (keep max_connections, and put the others into thresholds)");
}

void sp_breakers_init(struct sp_breakers b[SP_ROUTINGS], const struct sp_doc *doc, struct sp_diag *diag, const cluster_msg *msg,
                      const struct sp_cluster_stats *stats, unsigned n_slots)
{
    static const struct sp_str names[SP_ROUTINGS] = {SP_STR_INIT("default"), SP_STR_INIT("high")};
    assert(b && doc && diag && msg && stats && n_slots);
    const Envoy__Config__Cluster__V3__CircuitBreakers *m = msg->circuit_breakers;
    for (int i = 0; i < SP_ROUTINGS; i++) {
        const thresholds_msg *all = NULL, *host = NULL;
        if (m) {
            all = find(m->thresholds, m->n_thresholds, i, doc, diag, m, "thresholds");
            host = find(m->per_host_thresholds, m->n_per_host_thresholds, i, doc, diag, m, "per_host_thresholds");
        }
        check_per_host(doc, diag, host);
        b[i].per_host = host && host->max_connections ? host->max_connections->value : UINT32_MAX;
        init_one(&b[i], all, stats, names[i], n_slots);
    }
}

void sp_breakers_done(struct sp_breakers b[SP_ROUTINGS])
{
    assert(b);
    for (size_t i = 0; i < SP_ROUTINGS; i++) {
        struct sp_permits *all[N_LIMITS] = {&b[i].connections, &b[i].pending, &b[i].requests, &b[i].retries, &b[i].pools};
        for (size_t k = 0; k < N_LIMITS; k++)
            sp_permits_done(all[k]);
    }
}

static void note_open(struct sp_breakers *b, bool open)
{
    if (atomic_exchange_explicit(&b->budget_open, open, memory_order_relaxed) == open)
        return;
    if (open)
        sp_gauge_inc(b->retries.open);
    else
        sp_gauge_dec(b->retries.open);
}

void sp_breakers_publish(struct sp_breakers b[SP_ROUTINGS], bool on)
{
    assert(b);
    for (size_t i = 0; i < SP_ROUTINGS; i++) {
        if (!on)
            note_open(&b[i], false);
        const struct sp_permits *all[N_LIMITS];
        list_of(&b[i], all);
        for (size_t k = 0; k < N_LIMITS; k++)
            (on ? sp_permits_publish : sp_permits_unpublish)(all[k]);
    }
}

/* --- retries --- */

static uint32_t budget(const struct sp_breakers *b)
{
    double busy = (double)sp_permits_used(&b->requests) + (double)sp_permits_used(&b->pending);
    return SP_MAX((uint32_t)(busy * b->budget_percent / 100), b->budget_least);
}

bool sp_breakers_retry(struct sp_breakers *b, unsigned slot)
{
    assert(b);
    if (!b->budget)
        return sp_permit_take(&b->retries, slot);
    uint32_t n = atomic_load_explicit(&b->retrying, memory_order_relaxed), most = budget(b);
    do {
        if (n >= most) {
            note_open(b, n > 0);
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->retrying, &n, n + 1, memory_order_acq_rel, memory_order_relaxed));
    note_open(b, n + 1 >= most);
    return true;
}

void sp_breakers_retried(struct sp_breakers *b, unsigned slot)
{
    assert(b);
    if (!b->budget) {
        sp_permit_give(&b->retries, slot);
        return;
    }
    uint32_t n = atomic_fetch_sub_explicit(&b->retrying, 1, memory_order_acq_rel);
    assert(n > 0);
    note_open(b, n > 1 && n - 1 >= budget(b));
}
