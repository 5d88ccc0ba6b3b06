/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/cluster_stats.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"

static struct sp_stats_scope *health_scope(struct sp_stats_scope *cluster)
{
    return sp_stats_scope(cluster, SP_STR("health_check"), NULL, SP_STR_NULL);
}

static void make_health_gauges(struct sp_health_stats *s, struct sp_stats_scope *scope)
{
    s->healthy = sp_stats_gauge(scope, SP_STR("healthy"));
    s->degraded = sp_stats_gauge(scope, SP_STR("degraded"));
}

static void make_health_stats(struct sp_health_stats *s, struct sp_stats_scope *scope)
{
#define X(id) s->id = sp_stats_counter(scope, SP_STR(#id));
    SP_HEALTH_CHECK_COUNTERS(X)
#undef X
    make_health_gauges(s, scope);
}

void sp_health_stats_init(struct sp_health_stats *s, struct sp_stats_scope *cluster, struct sp_str name)
{
    assert(s && cluster && name.len);
    make_health_stats(s, sp_stats_scope(health_scope(cluster), SP_STR("name"), "envoy_health_check_name", name));
}

void sp_cluster_stats_init(struct sp_cluster_stats *s, struct sp_str name, bool tls, size_t n_checks)
{
    assert(s && name.len);
    struct sp_stats_scope *scope = sp_stats_scope_hold(sp_stats_root(), SP_STR("cluster"), "envoy_cluster_name", name);
    s->scope = scope;
#define X(id) s->id = sp_stats_counter(scope, SP_STR(#id));
    SP_CLUSTER_COUNTERS(X)
#undef X
#define X(id) s->id = sp_stats_gauge(scope, SP_STR(#id));
    SP_CLUSTER_GAUGES(X)
#undef X
#define X(id) s->id = sp_stats_timing(scope, SP_STR(#id));
    SP_CLUSTER_TIMINGS(X)
#undef X
    s->upstream_rq_per_cx = sp_stats_histogram(scope, SP_STR("upstream_rq_per_cx"));
    sp_code_counters_init(&s->codes, scope, "upstream_rq_");
    struct sp_stats_scope *retry = sp_stats_scope(scope, SP_STR("retry"), NULL, SP_STR_NULL);
    sp_code_counters_init(&s->retry_codes, retry, "upstream_rq_");
    s->retry_completed = sp_stats_counter(retry, SP_STR("upstream_rq_completed"));
    if (tls)
        sp_tls_stats_init(&s->ssl, scope, false);
    if (n_checks == 1)
        make_health_stats(&s->health_check, health_scope(scope));
    else if (n_checks)
        make_health_gauges(&s->health_check, health_scope(scope));
}

static struct sp_answer_stats *make_answers(struct sp_cluster_stats *s, struct sp_answer_stats *_Atomic *at, struct sp_str name)
{
    struct sp_answer_stats *have = NULL, *made = sp_xcalloc(1, sizeof(*made));
    sp_answer_stats_init(made, sp_stats_scope(s->scope, name, NULL, SP_STR_NULL));
    if (atomic_compare_exchange_strong_explicit(at, &have, made, memory_order_acq_rel, memory_order_acquire))
        return made;
    free(made); /* another worker was sooner */
    return have;
}

struct sp_answer_stats *sp_cluster_stats_canary(struct sp_cluster_stats *s)
{
    assert(s && s->scope);
    struct sp_answer_stats *have = atomic_load_explicit(&s->canary, memory_order_acquire);
    return SP_LIKELY(have) ? have : make_answers(s, &s->canary, SP_STR("canary"));
}

struct sp_answer_stats *sp_cluster_stats_side(struct sp_cluster_stats *s, bool internal)
{
    assert(s && s->scope);
    struct sp_answer_stats *have = atomic_load_explicit(&s->sides[internal], memory_order_acquire);
    return SP_LIKELY(have) ? have : make_answers(s, &s->sides[internal], internal ? SP_STR("internal") : SP_STR("external"));
}

void sp_cluster_stats_http2(struct sp_cluster_stats *s)
{
    assert(s && s->scope);
    sp_codec_stats_init_client(&s->codec, s->scope);
}

void sp_cluster_stats_track(struct sp_cluster_stats *s, bool budgets, bool sizes)
{
    assert(s && s->scope);
    struct sp_cluster_tracked *t = &s->tracked;
    *t = (struct sp_cluster_tracked){.on = budgets || sizes, .budgets = budgets, .sizes = sizes};
    if (budgets) {
        t->percent = sp_stats_histogram(s->scope, SP_STR("upstream_rq_timeout_budget_percent_used"));
        t->per_try_percent = sp_stats_histogram(s->scope, SP_STR("upstream_rq_timeout_budget_per_try_percent_used"));
    }
    if (!sizes)
        return;
    t->rq_headers = sp_stats_histogram(s->scope, SP_STR("upstream_rq_headers_size"));
    t->rq_body = sp_stats_histogram(s->scope, SP_STR("upstream_rq_body_size"));
    t->rq_count = sp_stats_histogram(s->scope, SP_STR("upstream_rq_headers_count"));
    t->rs_count = sp_stats_histogram(s->scope, SP_STR("upstream_rs_headers_count"));
    t->rs_headers = sp_stats_histogram(s->scope, SP_STR("upstream_rs_headers_size"));
    t->rs_body = sp_stats_histogram(s->scope, SP_STR("upstream_rs_body_size"));
}

void sp_cluster_stats_tables(struct sp_cluster_stats *s, bool maglev)
{
    assert(s && s->scope);
    if (maglev) {
        struct sp_stats_scope *table = sp_stats_scope(s->scope, SP_STR("maglev_lb"), NULL, SP_STR_NULL);
        s->table_least = sp_stats_gauge(table, SP_STR("min_entries_per_host"));
        s->table_most = sp_stats_gauge(table, SP_STR("max_entries_per_host"));
        return;
    }
    struct sp_stats_scope *ring = sp_stats_scope(s->scope, SP_STR("ring_hash_lb"), NULL, SP_STR_NULL);
    s->table_least = sp_stats_gauge(ring, SP_STR("min_hashes_per_host"));
    s->table_most = sp_stats_gauge(ring, SP_STR("max_hashes_per_host"));
    s->table_size = sp_stats_gauge(ring, SP_STR("size"));
}

void sp_cluster_stats_subsets(struct sp_cluster_stats *s)
{
    assert(s && s->scope);
    s->subsets.created = sp_stats_counter(s->scope, SP_STR("lb_subsets_created"));
    s->subsets.removed = sp_stats_counter(s->scope, SP_STR("lb_subsets_removed"));
    s->subsets.selected = sp_stats_counter(s->scope, SP_STR("lb_subsets_selected"));
    s->subsets.fallback = sp_stats_counter(s->scope, SP_STR("lb_subsets_fallback"));
    s->subsets.fallback_panic = sp_stats_counter(s->scope, SP_STR("lb_subsets_fallback_panic"));
    s->subsets.active = sp_stats_gauge(s->scope, SP_STR("lb_subsets_active"));
    s->subsets.duplicates = sp_stats_gauge(s->scope, SP_STR("lb_subsets_single_host_per_subset_duplicate"));
}

struct sp_gauge sp_cluster_breaker_gauge(const struct sp_cluster_stats *s, struct sp_str priority, struct sp_str name)
{
    assert(s && s->scope);
    struct sp_stats_scope *all = sp_stats_scope(s->scope, SP_STR("circuit_breakers"), NULL, SP_STR_NULL);
    return sp_stats_gauge(sp_stats_scope(all, priority, NULL, SP_STR_NULL), name);
}

void sp_cluster_stats_done(struct sp_cluster_stats *s)
{
    assert(s);
    free(atomic_load_explicit(&s->canary, memory_order_acquire));
    for (int i = 0; i < 2; i++)
        free(atomic_load_explicit(&s->sides[i], memory_order_acquire));
    sp_stats_scope_drop(s->scope);
}
