/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events of active health checks, as Envoy's envoy.data.core.v3.HealthCheckEvent. On the prober's thread. */
#ifndef SP_CLUSTERS_HEALTH_EVENT_H
#define SP_CLUSTERS_HEALTH_EVENT_H

#include "clusters/health_config.h"
#include "clusters/probe.h"

enum sp_health_event {
    SP_HEALTH_EVENT_OUT,       /* eject_unhealthy_event */
    SP_HEALTH_EVENT_BACK,      /* add_healthy_event */
    SP_HEALTH_EVENT_FAILURE,   /* health_check_failure_event */
    SP_HEALTH_EVENT_DEGRADED,  /* degraded_healthy_host */
    SP_HEALTH_EVENT_NO_LONGER, /* no_longer_degraded_host */
    SP_HEALTH_EVENT_SUCCESS,   /* successful_health_check_event */
};

/* What an event tells, beside itself. */
struct sp_health_told {
    const struct sp_cluster *cluster;
    const struct sp_endpoint *endpoint;
    uint64_t wall_ns;
    bool first;                  /* the host's first check */
    enum sp_probe_result result; /* of failures */
    bool timed_out;
    unsigned status;             /* of HTTP; 0: none */
};

/* Nothing without a log. */
void sp_health_tell(const struct sp_health_config *c, enum sp_health_event e, const struct sp_health_told *t);

#endif
