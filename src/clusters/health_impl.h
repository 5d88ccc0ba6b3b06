/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The inside of sp_health_checker (clusters/health.h): for health.c and health_session.c.  A cluster has one health check or
 * several; a host is watched by a session for each of them, and is well if all of them say so.
 */
#ifndef SP_CLUSTERS_HEALTH_IMPL_H
#define SP_CLUSTERS_HEALTH_IMPL_H

#include "clusters/health_config.h"
#include "clusters/probe.h"
#include "clusters/state.h"

/* What a session may say of its host, in sp_host.health. */
#define SP_HEALTH_CHECKED ((uint32_t)(SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_DEGRADED_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT))

struct sp_health_check {
    struct sp_health_config config;
    struct sp_health_stats stats; /* its own, or the cluster's where it is the only one */
};

struct sp_health_checker {
    struct sp_cluster *cluster;
    struct sp_slot *slot;       /* the prober's; NULL while stopped */
    struct sp_list watched;     /* hosts, while it runs */
    _Atomic unsigned n_unknown; /* sessions without a result; one more while it was not started */
    unsigned n_checks;
    struct sp_health_check checks[];
};

struct sp_watched;

/* One check of one host. */
struct sp_health_session {
    struct sp_watched *of;
    struct sp_health_check *check;
    struct sp_probe *probe;
    struct sp_timer interval, timeout;
    unsigned n_healthy, n_unhealthy; /* in a row */
    uint32_t flags;                  /* what it says of its host */
    bool first;                      /* no result yet */
    bool counted, counted_degraded;  /* in the gauges */
};

struct sp_watched {
    struct sp_list link;
    struct sp_health_checker *checker;
    struct sp_host *host;            /* a reference; host->session is this */
    struct sp_host_set *set;         /* a reference, of what `endpoint` is in */
    const struct sp_endpoint *endpoint;
    unsigned n_first;                /* sessions without a result */
    bool counted, counted_degraded;  /* in the cluster's gauges, where these are not a session's */
    struct sp_health_session sessions[]; /* one a check */
};

static inline uint32_t sp_watched_flags(const struct sp_watched *w)
{
    return atomic_load_explicit(&w->host->health, memory_order_relaxed);
}

/* Makes the host what its sessions say together. */
void sp_watched_combine(struct sp_watched *w);
/* Counts a host in health_check.healthy and .degraded by its flags; *counted: whether it is in there. */
void sp_health_gauges(const struct sp_health_stats *stats, uint32_t flags, bool *counted, bool *counted_degraded);

#endif
