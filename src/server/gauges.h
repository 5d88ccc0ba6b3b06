/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stats of the whole process under Envoy's names: server.*, listener_manager.*, cluster_manager.*,
 * and files.restless.  Main thread.
 */
#ifndef SP_SERVER_GAUGES_H
#define SP_SERVER_GAUGES_H

#include "server/compile.h"
#include "stats/stats.h"

struct sp_gauges {
    struct sp_gauge live, uptime, concurrency, state, version, memory_allocated, memory_heap_size, memory_physical_size,
        days_until_first_cert_expiring, total_listeners_active, workers_started, active_clusters, hot_restart_epoch, restless, total_connections,
        memory_reserve;
    struct sp_counter memory_failed;
    uint64_t failed; /* that were counted */
    struct sp_timing initialization_ms;
    uint64_t started_ns; /* monotonic */
};

struct sp_gauges_input {
    unsigned state; /* Envoy: 0 live, 1 draining, 2 pre-initializing, 3 initializing */
    unsigned concurrency, epoch /* how many processes served before by hot restarts */;
    const struct sp_config *config;
};

void sp_gauges_init(struct sp_gauges *g);
void sp_gauges_update(struct sp_gauges *g, const struct sp_gauges_input *in);
/* The start is over. */
void sp_gauges_ready(const struct sp_gauges *g);
uint64_t sp_gauges_uptime_s(const struct sp_gauges *g);

#endif
