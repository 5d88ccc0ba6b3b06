/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What came and went with configs, under Envoy's names: cluster_manager.*, listener_manager.* and runtime.*.  Main thread; part of sp_reload.
 */
#ifndef SP_SERVER_TALLY_H
#define SP_SERVER_TALLY_H

#include "server/plan.h"

struct sp_tally {
    struct sp_counter added[2], modified[2], removed[2]; /* listeners, clusters */
    struct sp_counter created, not_created;              /* listeners, on each worker */
    struct sp_gauge warming_clusters, warming_listeners;
    struct sp_counter runtime_loads;
    struct sp_gauge runtime_keys, runtime_layers;
};

void sp_tally_init(struct sp_tally *t);
/* What is not there yet waits for health checks and the like; false: no more. */
void sp_tally_warming(const struct sp_tally *t, const struct sp_plan *p, bool on);
/* All workers have gone over, n_failed of them not to all sockets. `changes`: from the config before, if there was one. */
void sp_tally_switched(const struct sp_tally *t, const struct sp_plan *p, const struct sp_changes *changes, unsigned n_failed);

#endif
