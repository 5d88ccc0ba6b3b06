/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream that has become a tunnel may live for days.  It lets go of routes, filters and secrets, so that a config that was
 * replaced meanwhile can be freed: what it still needs (counters, logs) outlives that (struct sp_hcm_rest).
 */
#include <assert.h>

#include "envoy/data/accesslog/v3/accesslog.pb-c.h"
#include "stream/config_meta.h"
#include "stream/decision.h"
#include "stream/server_span.h"
#include "stream/stream_impl.h"

/* What the access log says at the end. */
static void own_texts(struct sp_stream *s)
{
    struct sp_arena *arena = s->chain.arena;
    struct sp_stream_info *info = &s->info;
    struct sp_str *texts[] = {&info->details, &info->termination_details, &info->route_name, &info->vhost_name, &info->virtual_cluster,
                              &info->upstream_cluster, &info->upstream_failure_reason, &info->request_id, &info->raw_path};
    for (size_t i = 0; i < SP_ARRAY_LEN(texts); i++)
        if (texts[i]->ptr)
            *texts[i] = sp_arena_str(arena, *texts[i]);
    for (int i = 0; info->config_meta && i < SP_META_OF_STREAM; i++)
        info->config_meta->of[i] = sp_arena_str(arena, info->config_meta->of[i]);
    for (unsigned i = 0; i < info->n_shadow; i++)
        info->shadow[i] = sp_arena_str(arena, info->shadow[i]);
    info->access_token = SP_STR_NULL;
}

static void let_go(struct sp_defer *d)
{
    struct sp_stream *s = SP_CONTAINER_OF(d, struct sp_stream, let_go);
    assert(s->upgraded && !s->rest);
    /* A certificate that came in a header is a filter's. */
    if (!s->snapshot || s->info.header_cert)
        return;
    const struct sp_decision *decided = sp_decision_keep(&s->info, s->chain.arena);
    if (!sp_chain_let_go(&s->chain))
        return;
    s->info.decided = decided;
    own_texts(s);
    if (s->info.span) /* its rules go */
        sp_server_span_end(s);
    s->rest = sp_hcm_rest_ref(s->hcm->rest);
    s->hcm = sp_hcm_rest_hcm(s->rest);
    struct sp_snapshot *snapshot = s->snapshot;
    s->snapshot = NULL;
    sp_snapshot_unref(snapshot, s->owner->worker);
}

void sp_stream_upgraded(struct sp_stream *s)
{
    assert(s && !s->upgraded);
    s->upgraded = true;
    if (s->hcm->lines.at_tunnel)
        sp_stream_log(s, ENVOY__DATA__ACCESSLOG__V3__ACCESS_LOG_TYPE__DownstreamTunnelSuccessfullyEstablished);
    s->let_go.run = let_go;
    sp_defer(s->owner->turn, &s->let_go);
}
