/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/gauges.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/reserve.h"
#include "event/file_watch.h"
#include "event/turn.h"
#include "sallyport_version.h"
#include "server/memory.h"

static uint64_t monotonic_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * SP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

void sp_gauges_init(struct sp_gauges *g)
{
    assert(g);
    struct sp_stats_scope *server = sp_stats_scope(sp_stats_root(), SP_STR("server"), NULL, SP_STR_NULL);
    struct sp_stats_scope *listeners = sp_stats_scope(sp_stats_root(), SP_STR("listener_manager"), NULL, SP_STR_NULL);
    struct sp_stats_scope *clusters = sp_stats_scope(sp_stats_root(), SP_STR("cluster_manager"), NULL, SP_STR_NULL);
    g->live = sp_stats_gauge(server, SP_STR("live"));
    g->uptime = sp_stats_gauge(server, SP_STR("uptime"));
    g->concurrency = sp_stats_gauge(server, SP_STR("concurrency"));
    g->hot_restart_epoch = sp_stats_gauge(server, SP_STR("hot_restart_epoch"));
    g->state = sp_stats_gauge(server, SP_STR("state"));
    g->version = sp_stats_gauge(server, SP_STR("version"));
    g->memory_allocated = sp_stats_gauge(server, SP_STR("memory_allocated"));
    g->memory_heap_size = sp_stats_gauge(server, SP_STR("memory_heap_size"));
    g->memory_physical_size = sp_stats_gauge(server, SP_STR("memory_physical_size"));
    g->memory_reserve = sp_stats_gauge(server, SP_STR("memory_reserve"));
    g->memory_failed = sp_stats_counter(server, SP_STR("memory_failed"));
    g->days_until_first_cert_expiring = sp_stats_gauge(server, SP_STR("days_until_first_cert_expiring"));
    g->total_listeners_active = sp_stats_gauge(listeners, SP_STR("total_listeners_active"));
    g->workers_started = sp_stats_gauge(listeners, SP_STR("workers_started"));
    g->restless = sp_stats_gauge(sp_stats_scope(sp_stats_root(), SP_STR("files"), NULL, SP_STR_NULL), SP_STR("restless"));
    g->active_clusters = sp_stats_gauge(clusters, SP_STR("active_clusters"));
    g->total_connections = sp_stats_gauge(server, SP_STR("total_connections"));
    g->initialization_ms = sp_stats_timing(server, SP_STR("initialization_time_ms"));
    g->started_ns = monotonic_ns();
}

uint64_t sp_gauges_uptime_s(const struct sp_gauges *g)
{
    return (monotonic_ns() - g->started_ns) / SP_NS_PER_S;
}

void sp_gauges_ready(const struct sp_gauges *g)
{
    assert(g);
    sp_timing_record(g->initialization_ms, monotonic_ns() - g->started_ns);
}

static uint64_t connections(const struct sp_config *c)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < c->n_listeners; i++)
        n += sp_listener_open_connections(c->listeners[i]);
    return n;
}

static void update_reserve(struct sp_gauges *g)
{
    struct sp_reserve_counts c = sp_reserve_counts();
    sp_gauge_set(g->memory_reserve, c.left);
    sp_counter_add(g->memory_failed, c.failed - g->failed);
    g->failed = c.failed;
}

static void earliest(void *arg, const struct sp_tls_cert_info *info)
{
    int64_t *first = arg;
    if (!info->is_ca && info->not_after < *first)
        *first = info->not_after;
}

static uint64_t days_left(const struct sp_config *config)
{
    int64_t first = INT64_MAX, now = time(NULL);
    if (config)
        sp_config_certs(config, earliest, &first);
    if (first == INT64_MAX)
        return UINT32_MAX; /* as Envoy says it when there is no certificate */
    return first > now ? (uint64_t)(first - now) / 86400 : 0;
}

void sp_gauges_update(struct sp_gauges *g, const struct sp_gauges_input *in)
{
    assert(g && in);
    static const unsigned envoy_state[] = {3, 0, 1};
    uint64_t allocated, heap;
    sp_memory_use(&allocated, &heap);
    sp_gauge_set(g->live, in->state == 1);
    sp_gauge_set(g->uptime, sp_gauges_uptime_s(g));
    sp_gauge_set(g->concurrency, in->concurrency);
    sp_gauge_set(g->hot_restart_epoch, in->epoch);
    sp_gauge_set(g->state, envoy_state[in->state]);
    sp_gauge_set(g->version, strtoul(SP_GIT_COMMIT, NULL, 16) & 0xffffff);
    sp_gauge_set(g->memory_allocated, allocated);
    sp_gauge_set(g->memory_heap_size, heap);
    sp_gauge_set(g->memory_physical_size, sp_memory_resident());
    update_reserve(g);
    sp_gauge_set(g->days_until_first_cert_expiring, days_left(in->config));
    if (in->config)
        sp_config_expiries(in->config);
    sp_gauge_set(g->total_listeners_active, in->config ? in->config->n_listeners : 0);
    sp_gauge_set(g->total_connections, in->config ? connections(in->config) : 0);
    sp_gauge_set(g->restless, sp_file_watch_restless());
    sp_gauge_set(g->workers_started, in->state != 0);
    sp_gauge_set(g->active_clusters, in->config ? in->config->clusters.n : 0);
}
