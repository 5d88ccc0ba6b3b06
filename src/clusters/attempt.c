/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/attempt.h"

#include <assert.h>

#include "clusters/lb.h"
#include "clusters/subset_lb.h"
#include "clusters/tried.h"
#include "stream/config_meta.h"
#include "stream/local_reply.h"

/* Once: hosts of further attempts take the place of the first one's name. */
static void keep_authority(struct sp_upstream *u)
{
    struct sp_headers *h = u->request;
    struct sp_str old = sp_headers_joined(h, sp_header_name(SP_H_X_FORWARDED_HOST)), host = h->authority;
    u->host_kept = true;
    if (!host.len)
        return;
    if (old.len)
        host = sp_arena_cat(u->setup.arena, sp_arena_cat(u->setup.arena, old, SP_STR(",")), host);
    sp_headers_set_id(h, SP_H_X_FORWARDED_HOST, host);
}

/* What was known of the attempt before. */
static void note_before(struct sp_upstream *u, struct sp_stream_info *info)
{
    struct sp_attempt *a = sp_arena_alloc(u->setup.arena, sizeof(*a)), **end = &info->attempted;
    *a = (struct sp_attempt){.host = info->upstream_host, .name = info->upstream_name, .connection = info->upstream_connection};
    while (*end)
        end = &(*end)->next;
    *end = a;
    info->upstream_connection = 0;
}

void sp_attempt_note_host(struct sp_upstream *u)
{
    assert(u && u->host);
    struct sp_stream_info *info = u->setup.info;
    if (u->setup.auto_host_rewrite && u->host->hostname.len) {
        if (u->setup.append_x_forwarded_host && !u->host_kept)
            keep_authority(u);
        u->request->authority = sp_arena_str(u->setup.arena, u->host->hostname); /* a host may be gone before the request */
    }
    if (!info)
        return;
    if (SP_UNLIKELY(info->upstream_attempts && info->upstream_attempts != u->attempts))
        note_before(u, info);
    info->upstream_name = u->host->hostname.len ? sp_arena_str(u->setup.arena, u->host->hostname) : SP_STR_NULL;
    sp_config_meta_note(info, u->setup.arena, SP_META_CLUSTER, u->slot->cluster->metadata);
    const struct sp_endpoint_meta *meta = u->host->parts[u->slot->index].meta;
    if (SP_UNLIKELY(meta || info->config_meta))
        sp_config_meta_note(info, u->setup.arena, SP_META_HOST, meta ? sp_arena_str(u->setup.arena, meta->json) : SP_STR_NULL);
    info->upstream_host = u->host->parts[u->slot->index].addr;
    if (info->upstream_host.family == AF_UNIX)
        info->upstream_host.path = sp_arena_str(u->setup.arena, sp_str_c(info->upstream_host.path)).ptr;
    info->upstream_attempts = u->attempts;
}

/* x-envoy-expected-rq-timeout-ms: what is left of the route's time, or of the attempt's. */
static void tell_time(struct sp_upstream *u)
{
    uint64_t all = u->setup.timeout_ns, ns = u->setup.per_try_timeout_ns ? u->setup.per_try_timeout_ns : all;
    if (!ns)
        return;
    if (all && u->request_end_ns) {
        uint64_t gone = u->slot->turn->now_ns - u->request_end_ns;
        ns = gone >= all ? SP_NS_PER_MS : SP_MIN(ns, all - gone); /* 0 would mean: as long as it takes */
    }
    struct sp_arena *a = u->setup.arena;
    struct sp_str text = ns == 15 * SP_NS_PER_S ? SP_STR("15000") /* the default costs nothing */
                                                : sp_arena_u64(a, SP_MAX(ns / SP_NS_PER_MS, 1u));
    if (u->setup.expect_in_request)
        sp_headers_set_id(u->request, SP_H_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, text);
    if (u->setup.expect_in_grpc)
        sp_headers_set(u->request, SP_STR("grpc-timeout"), sp_grpc_timeout_value(a, ns));
}

void sp_attempt_head(struct sp_upstream *u)
{
    assert(u && u->request && u->attempts);
    const struct sp_upstream_setup *s = &u->setup;
    if (s->count_in_request)
        sp_headers_set_id(u->request, SP_H_X_ENVOY_ATTEMPT_COUNT, sp_arena_u64(s->arena, u->attempts));
    if (s->late_in_request && u->attempts > 1)
        sp_headers_set(u->request, SP_STR("x-envoy-is-timeout-retry"), u->late ? SP_STR("true") : SP_STR("false"));
    u->late = false;
    if (s->expect_in_request || s->expect_in_grpc)
        tell_time(u);
}

/* --- the host --- */

static bool was_tried(const struct sp_upstream *u, const struct sp_host *h)
{
    for (unsigned i = 0; i < u->n_tried; i++)
        if (u->tried[i] == h)
            return true;
    return false;
}

static void note_tried(struct sp_upstream *u, const struct sp_host *h)
{
    const struct sp_host **longer = sp_arena_alloc(u->setup.arena, (u->n_tried + 1) * sizeof(struct sp_host *));
    if (u->n_tried)
        memcpy(longer, u->tried, u->n_tried * sizeof(struct sp_host *));
    longer[u->n_tried++] = h;
    u->tried = longer;
}

static const struct sp_endpoint_meta *meta_of(const struct sp_upstream *u, const struct sp_host *h)
{
    const struct sp_host_set *set = u->slot->hosts;
    for (unsigned i = 0; i < set->n; i++)
        if (set->v[i].host == h)
            return set->v[i].meta;
    return NULL;
}

/* By what the config says of it. */
static bool is_omitted(const struct sp_upstream *u, const struct sp_retry_policy *p, const struct sp_host *h)
{
    const struct sp_endpoint_meta *meta = meta_of(u, h);
    if (!meta)
        return false;
    if (p->omit_canaries && meta->canary)
        return true;
    for (unsigned i = 0; i < p->n_omits; i++)
        if (sp_meta_has(&meta->lb, p->omits[i].v, p->omits[i].n, true))
            return true;
    return false;
}

static bool is_refused(const struct sp_upstream *u, const struct sp_retry_policy *p, const struct sp_host *h)
{
    return was_tried(u, h) || ((p->omit_canaries || p->n_omits) && is_omitted(u, p, h));
}

static struct sp_host *pick(struct sp_upstream *u, const struct sp_host *avoid, uint64_t hash)
{
    const uint64_t *by = u->setup.hashed ? &hash : NULL;
    if (SP_UNLIKELY(u->slot->special)) {
        if (u->slot->subset_lb)
            return sp_subset_pick(u->slot, u->setup.criteria, avoid, by);
        struct sp_host *next = u->slot->tried ? NULL : sp_lb_take_ahead(u->slot, avoid); /* chosen for anybody */
        if (next)
            return next;
    }
    return sp_lb_pick_hashed(u->slot, avoid, by);
}

static struct sp_host *pick_for_policy(struct sp_upstream *u, const struct sp_retry_policy *p)
{
    uint64_t hash = u->setup.hash;
    bool by_config = p && (p->omit_canaries || p->n_omits);
    /* Where only the config rules hosts out, the one before may be the only one that is left. */
    const struct sp_host *avoid = by_config && !p->previous_hosts ? NULL : u->avoid;
    struct sp_host *h = pick(u, avoid, hash);
    if (SP_LIKELY(!p || !h || !(p->previous_hosts || by_config)))
        return h;
    for (unsigned i = 0; u->attempts > 1 && i < p->host_looks && h && is_refused(u, p, h); i++) {
        hash = hash * 6364136223846793005u + 1442695040888963407u; /* another place in a table */
        h = pick(u, avoid, hash);
    }
    if (h && p->previous_hosts && !was_tried(u, h))
        note_tried(u, h);
    return h;
}

static void note_priority(struct sp_upstream *u, const struct sp_host *h)
{
    const struct sp_host_set *set = u->slot->hosts;
    for (unsigned i = 0; i < set->n; i++) {
        if (set->v[i].host != h)
            continue;
        sp_tried_note(u->tried_priorities, set->v[i].priority);
        return;
    }
}

/* Hosts that are taken by hash are taken whatever was tried, as in Envoy. */
static struct sp_host *pick_elsewhere(struct sp_upstream *u, const struct sp_retry_policy *p)
{
    if (!u->tried_priorities)
        u->tried_priorities = sp_tried_new(u->setup.arena, p->every_priorities);
    u->slot->tried = u->tried_priorities;
    struct sp_host *h = pick_for_policy(u, p);
    u->slot->tried = NULL;
    if (h)
        note_priority(u, h);
    return h;
}

struct sp_host *sp_attempt_pick(struct sp_upstream *u)
{
    assert(u && u->attempts);
    const struct sp_retry_policy *p = u->retry.policy;
    return SP_UNLIKELY(p && p->every_priorities) ? pick_elsewhere(u, p) : pick_for_policy(u, p);
}
