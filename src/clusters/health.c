/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/health.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/health_session.h"
#include "clusters/host_failure.h"

/* --- a host --- */

void sp_health_gauges(const struct sp_health_stats *stats, uint32_t flags, bool *counted, bool *counted_degraded)
{
    assert(stats && counted && counted_degraded);
    bool failed = flags & SP_HEALTH_FAILED_ACTIVE_HC, degraded = flags & SP_HEALTH_DEGRADED_ACTIVE_HC;
    if (*counted == failed) {
        sp_gauge_add(stats->healthy, failed ? -1 : 1);
        *counted = !failed;
    }
    if (*counted_degraded != degraded) {
        sp_gauge_add(stats->degraded, degraded ? 1 : -1);
        *counted_degraded = degraded;
    }
}

/* Where there is one check only the gauges are its own. */
static void count(struct sp_watched *w, uint32_t flags)
{
    if (w->checker->n_checks > 1)
        sp_health_gauges(&w->checker->cluster->stats.health_check, flags, &w->counted, &w->counted_degraded);
}

void sp_watched_combine(struct sp_watched *w)
{
    assert(w);
    struct sp_cluster *c = w->checker->cluster;
    unsigned n = w->checker->n_checks;
    uint32_t all = 0;
    for (unsigned i = 0; i < n; i++)
        all |= w->sessions[i].flags;
    if (n > 1) /* of which one, nobody could tell */
        all &= ~(uint32_t)SP_HEALTH_ACTIVE_HC_TIMEOUT;
    uint32_t before = sp_host_set_health(c, w->host, all, SP_HEALTH_CHECKED & ~all);
    if ((all & ~before) & SP_HEALTH_FAILED_ACTIVE_HC)
        sp_host_failed(c, w->host);
    count(w, all);
}

static void watch(struct sp_health_checker *k, struct sp_host_set *set, const struct sp_endpoint *e)
{
    struct sp_watched *w = sp_xcalloc(1, sizeof(*w) + k->n_checks * sizeof(w->sessions[0]));
    w->checker = k;
    w->host = sp_host_ref(e->host);
    w->host->session = w;
    w->set = sp_host_set_ref(set);
    w->endpoint = e;
    sp_list_push_back(&k->watched, &w->link);
    sp_host_set_health(k->cluster, e->host, SP_HEALTH_FAILED_ACTIVE_HC, 0);
    for (unsigned i = 0; i < k->n_checks; i++)
        sp_health_session_begin(&w->sessions[i], w, &k->checks[i]);
}

static void unwatch(struct sp_watched *w)
{
    for (unsigned i = 0; i < w->checker->n_checks; i++)
        sp_health_session_end(&w->sessions[i]);
    count(w, SP_HEALTH_FAILED_ACTIVE_HC);
    sp_list_remove(&w->link);
    w->host->session = NULL;
    sp_host_unref(w->host);
    sp_host_set_unref(w->set);
#ifndef __clang_analyzer__ /* to which the end of a session might have put it into the list again */
    free(w);
#endif
}

/* The host stays; what is configured of it may have changed. */
static void move(struct sp_watched *w, struct sp_host_set *set, const struct sp_endpoint *e)
{
    bool elsewhere = !sp_addr_eq(&w->endpoint->health_addr, &e->health_addr, true) || w->endpoint->socket != e->socket;
    struct sp_host_set *before = w->set;
    w->set = sp_host_set_ref(set);
    w->endpoint = e;
    for (unsigned i = 0; i < w->checker->n_checks; i++)
        sp_health_session_move(&w->sessions[i], elsewhere);
    sp_host_set_unref(before);
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
    struct sp_watched *w = x->host->session;
    struct sp_cluster *c = x->cluster;
    if (w) /* as in Envoy it is the last check that hears of it */
        sp_health_session_heed(&w->sessions[w->checker->n_checks - 1]);
    else /* gone meanwhile, or not checked: nobody could bring it back */
        sp_host_set_health(c, x->host, 0, SP_HEALTH_EXCLUDED);
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

/* --- the checker --- */

struct sp_health_checker *sp_health_new(struct sp_cluster *c, const struct sp_health_config *configs, unsigned n)
{
    assert(c && configs && n);
    struct sp_health_checker *k = sp_xcalloc(1, sizeof(*k) + n * sizeof(k->checks[0]));
    k->cluster = c;
    k->n_checks = n;
    for (unsigned i = 0; i < n; i++) {
        k->checks[i].config = configs[i];
        if (n == 1)
            k->checks[i].stats = c->stats.health_check;
        else
            sp_health_stats_init(&k->checks[i].stats, c->stats.scope, configs[i].name);
    }
    sp_list_init(&k->watched);
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
    for (unsigned i = 0; i < k->n_checks; i++)
        sp_health_config_done(&k->checks[i].config);
    free(k);
}

void sp_health_remove(struct sp_health_checker *k, struct sp_host *h)
{
    assert(k && k->slot && h);
    if (h->session)
        unwatch(h->session);
}

void sp_health_update(struct sp_health_checker *k, struct sp_host_set *set)
{
    assert(k && k->slot && set);
    for (unsigned i = 0; i < set->n; i++) {
        const struct sp_endpoint *e = &set->v[i];
        struct sp_watched *w = e->host->session;
        if (w && e->no_active_hc) {
            unwatch(w);
            sp_host_set_health(k->cluster, e->host, 0, SP_HEALTH_CHECKED | SP_HEALTH_EXCLUDED);
        } else if (w) {
            move(w, set, e);
        } else if (!e->no_active_hc) {
            watch(k, set, e);
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
    for (struct sp_list *n; (n = sp_list_pop(&k->watched)) != NULL;)
        unwatch(SP_CONTAINER_OF(n, struct sp_watched, link));
    k->slot = NULL;
}

bool sp_health_knows(const struct sp_host *h)
{
    assert(h);
    const struct sp_watched *w = h->session;
    return w && !w->n_first;
}

bool sp_health_warm(const struct sp_health_checker *k)
{
    assert(k);
    return atomic_load_explicit(&k->n_unknown, memory_order_acquire) == 0;
}
