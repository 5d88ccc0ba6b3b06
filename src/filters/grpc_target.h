/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A gRPC service of a config (GrpcService): its cluster, and what each call carries.  Compiled; bytes in the arena.
 */
#ifndef SP_FILTERS_GRPC_TARGET_H
#define SP_FILTERS_GRPC_TARGET_H

#include "clusters/grpc_client.h"
#include "envoy/config/core/v3/grpc_service.pb-c.h"
#include "stream/filter.h"

struct sp_grpc_target {
    struct sp_cluster *cluster;
    struct sp_str authority; /* empty: the cluster's name */
    struct sp_header *metadata; /* n_metadata; may hold a token: the arena is wiped */
    unsigned n_metadata;
    uint64_t timeout_ns; /* the service's own; 0: none is set */
};

/* False after an error. */
bool sp_grpc_target_init(struct sp_grpc_target *t, const struct sp_filter_build *b, struct sp_arena *arena,
                         const Envoy__Config__Core__V3__GrpcService *msg);

#endif
