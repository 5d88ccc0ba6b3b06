/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host has turned unhealthy, by its checks or by its answers: its connections are not used again, on no worker (as Envoy's
 * HTTP pools: what ails it may be the way that these connections take).
 */
#ifndef SP_CLUSTERS_HOST_FAILURE_H
#define SP_CLUSTERS_HOST_FAILURE_H

#include "clusters/state.h"

/* Idle ones close, the others when their requests end. On the prober's thread. */
void sp_host_failed(struct sp_cluster *c, struct sp_host *h);

#endif
