/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_probe: one way to ask one host whether it is well (clusters/health.h decides what follows).  Lives on the prober's
 * thread, owned by the health checker; one check at a time.
 */
#ifndef SP_CLUSTERS_PROBE_H
#define SP_CLUSTERS_PROBE_H

#include "clusters/health_config.h"
#include "clusters/state.h"

enum sp_probe_result {
    SP_PROBE_HEALTHY,
    SP_PROBE_DEGRADED,
    SP_PROBE_UNHEALTHY, /* it says so itself: counts at once */
    SP_PROBE_RETRIABLE, /* it says so, but a threshold is to be reached first */
    SP_PROBE_NETWORK,   /* no answer: likewise */
    SP_PROBE_PASSIVE,   /* no probe's: it said so in an answer to a request; counts at once */
};

struct sp_probe_verdict {
    enum sp_probe_result result;
    bool immediate_fail; /* x-envoy-immediate-health-check-fail */
    bool asked_service;  /* its name was compared */
    unsigned status;     /* HTTP; 0: none */
    struct sp_str text;  /* what was wrong; lives until `done` returns */
};

struct sp_probe;
struct sp_probe_ops {
    /* Begins a check; `done` is never called from inside. */
    void (*begin)(struct sp_probe *p);
    /* Gives the check up; `done` does not come. */
    void (*cancel)(struct sp_probe *p);
    /* Closes its connection and frees it; no check is under way. */
    void (*free)(struct sp_probe *p);
};

struct sp_probe {
    const struct sp_probe_ops *ops;
    const struct sp_health_config *config;
    struct sp_slot *slot;
    struct sp_host *host;
    const struct sp_endpoint *endpoint; /* another one of the same host, when the set changes */
    struct sp_addr to;
    void *owner;
    void (*done)(struct sp_probe *p, const struct sp_probe_verdict *v);
};

/* How its connections speak: by the check's own transport_socket_match_criteria, or as the host's. */
static inline const struct sp_cluster_options *sp_probe_options(const struct sp_probe *p)
{
    const struct sp_cluster *c = p->slot->cluster;
    return sp_socket_matches_options(&c->sockets, &c->options, p->config->has_socket ? p->config->socket : p->endpoint->socket);
}

#endif
