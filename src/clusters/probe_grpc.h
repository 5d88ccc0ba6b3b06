/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A probe by a call of grpc.health.v1.Health/Check (GrpcHealthCheck; gRPC's "Health Checking Protocol"). */
#ifndef SP_CLUSTERS_PROBE_GRPC_H
#define SP_CLUSTERS_PROBE_GRPC_H

#include "clusters/probe.h"

struct sp_probe *sp_probe_grpc_new(void);

#endif
