/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "filters/grpc_target.h"

#include <assert.h>

#include "config/doc.h"
#include "config/no_cluster.h"
#include "route/duration.h"

typedef Envoy__Config__Core__V3__GrpcService Message;

static bool find_cluster(struct sp_grpc_target *t, const struct sp_filter_build *b, struct sp_arena *arena, const Message *msg)
{
    const Envoy__Config__Core__V3__GrpcService__EnvoyGrpc *e = msg->envoy_grpc;
    t->cluster = b->find_cluster(b->ctx, sp_str_c(e->cluster_name));
    t->authority = sp_arena_str(arena, sp_str_c(e->authority));
    if (!t->cluster)
        sp_no_cluster_err(b->doc, b->diag, e, "cluster_name", sp_str_c(e->cluster_name));
    else if (!sp_cluster_always_h2(t->cluster))
        sp_doc_err(b->doc, b->diag, e, "cluster_name", -1,
                   "cluster \"%s\" does not speak HTTP/2, which gRPC needs (set http2_protocol_options in its "
                   "explicit_http_config)", e->cluster_name);
    else
        return true;
    return false;
}

static bool take_metadata(struct sp_grpc_target *t, const struct sp_filter_build *b, struct sp_arena *arena, const Message *msg)
{
    bool good = true;
    t->metadata = sp_arena_zalloc(arena, (msg->n_initial_metadata + 1) * sizeof(*t->metadata));
    for (size_t i = 0; i < msg->n_initial_metadata; i++) {
        struct sp_header *h = &t->metadata[t->n_metadata++];
        struct sp_str name = sp_arena_str(arena, sp_str_c(msg->initial_metadata[i]->key));
        for (size_t k = 0; k < name.len; k++)
            ((char *)(uintptr_t)name.ptr)[k] = sp_ascii_lower(name.ptr[k]);
        h->name = name;
        h->value = sp_arena_str(arena, sp_str_c(msg->initial_metadata[i]->value));
        h->never_index = true;
        if (sp_header_name_valid(name) && sp_header_value_valid(h->value) && !sp_str_starts(name, SP_STR("grpc-")))
            continue;
        sp_doc_err(b->doc, b->diag, msg->initial_metadata[i], "key", -1, "this cannot be sent as metadata (take an ordinary header)");
        good = false;
    }
    return good;
}

bool sp_grpc_target_init(struct sp_grpc_target *t, const struct sp_filter_build *b, struct sp_arena *arena, const Message *msg)
{
    assert(t && b && arena && msg && msg->envoy_grpc);
    *t = (struct sp_grpc_target){.timeout_ns = sp_duration_or(msg->timeout, 0)};
    bool good = find_cluster(t, b, arena, msg);
    return take_metadata(t, b, arena, msg) && good;
}
