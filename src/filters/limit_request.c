/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/limit_request.h"

#include <assert.h>

#include "route/route.h"
#include "stream/stream.h"

/* The name of the cluster that the router will take. */
static struct sp_str cluster_of(const struct sp_filter *f, const struct sp_route *r)
{
    const struct sp_weighted_cluster *w;
    struct sp_str name = SP_STR_NULL;
    sp_route_pick_cluster(r, sp_filter_request(f), sp_stream_random(sp_filter_stream(f)), NULL, NULL, &name, &w);
    return name;
}

void sp_limit_descriptors(const struct sp_filter *f, const struct sp_rate_limits *own, unsigned stage,
                          enum sp_limit_vhost vhost, struct sp_descriptors *out)
{
    assert(f && out);
    const struct sp_route *r = sp_filter_route(f);
    const struct sp_format_input in = {.info = sp_filter_info(f), .request = sp_filter_request(f),
                                       .now_ns = sp_filter_turn(f)->now_ns};
    struct sp_arena *arena = sp_filter_arena(f);
    bool to_cluster = r && r->kind == SP_ROUTE_CLUSTER;
    struct sp_str cluster = to_cluster ? cluster_of(f, r) : SP_STR_NULL;
    if (own) {
        sp_rate_limits_add(own, stage, &in, cluster, arena, out);
        return;
    }
    if (!to_cluster)
        return;
    sp_rate_limits_add(r->rate_limits, stage, &in, cluster, arena, out);
    if (vhost == SP_LIMIT_VHOST_INCLUDE ||
        (vhost == SP_LIMIT_VHOST_OVERRIDE && !sp_rate_limits_count(r->rate_limits)))
        sp_rate_limits_add(r->vhost->rate_limits, stage, &in, cluster, arena, out);
}

unsigned sp_limit_status(const Envoy__Type__V3__HttpStatus *msg, unsigned otherwise)
{
    return msg && (unsigned)msg->code >= 400 ? (unsigned)msg->code : otherwise;
}
