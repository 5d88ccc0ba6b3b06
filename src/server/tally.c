/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/tally.h"

#include <assert.h>

typedef Google__Protobuf__Struct StructMessage;

enum { LISTENERS, CLUSTERS };

void sp_tally_init(struct sp_tally *t)
{
    assert(t);
    struct sp_stats_scope *listeners = sp_stats_scope(sp_stats_root(), SP_STR("listener_manager"), NULL, SP_STR_NULL);
    struct sp_stats_scope *clusters = sp_stats_scope(sp_stats_root(), SP_STR("cluster_manager"), NULL, SP_STR_NULL);
    struct sp_stats_scope *runtime = sp_stats_scope(sp_stats_root(), SP_STR("runtime"), NULL, SP_STR_NULL);
    t->added[LISTENERS] = sp_stats_counter(listeners, SP_STR("listener_added"));
    t->modified[LISTENERS] = sp_stats_counter(listeners, SP_STR("listener_modified"));
    t->removed[LISTENERS] = sp_stats_counter(listeners, SP_STR("listener_removed"));
    t->created = sp_stats_counter(listeners, SP_STR("listener_create_success"));
    t->not_created = sp_stats_counter(listeners, SP_STR("listener_create_failure"));
    t->warming_listeners = sp_stats_gauge(listeners, SP_STR("total_listeners_warming"));
    t->added[CLUSTERS] = sp_stats_counter(clusters, SP_STR("cluster_added"));
    t->modified[CLUSTERS] = sp_stats_counter(clusters, SP_STR("cluster_modified"));
    t->removed[CLUSTERS] = sp_stats_counter(clusters, SP_STR("cluster_removed"));
    t->warming_clusters = sp_stats_gauge(clusters, SP_STR("warming_clusters"));
    t->runtime_loads = sp_stats_counter(runtime, SP_STR("load_success"));
    t->runtime_keys = sp_stats_gauge(runtime, SP_STR("num_keys"));
    t->runtime_layers = sp_stats_gauge(runtime, SP_STR("num_layers"));
}

/* Listeners that have no socket yet. */
static unsigned n_new(const struct sp_plan *p)
{
    unsigned n = 0;
    for (unsigned i = 0; i < p->to->n_listeners; i++)
        n += p->takes[i] < 0;
    return n;
}

void sp_tally_warming(const struct sp_tally *t, const struct sp_plan *p, bool on)
{
    assert(t && p);
    sp_gauge_set(t->warming_clusters, on ? p->n_added : 0);
    sp_gauge_set(t->warming_listeners, on ? n_new(p) : 0);
}

static void count(const struct sp_tally *t, int kind, unsigned added, unsigned modified, unsigned removed)
{
    sp_counter_add(t->added[kind], added);
    sp_counter_add(t->modified[kind], modified);
    sp_counter_add(t->removed[kind], removed);
}

static unsigned n_keys(const StructMessage *s)
{
    unsigned n = 0;
    for (size_t i = 0; s && i < s->n_fields; i++) {
        const Google__Protobuf__Value *v = s->fields[i]->value;
        n += v && v->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE ? n_keys(v->struct_value) : 1;
    }
    return n;
}

static void count_runtime(const struct sp_tally *t, const struct sp_config *c)
{
    const Envoy__Config__Bootstrap__V3__LayeredRuntime *r = c->bootstrap->layered_runtime;
    unsigned keys = 0;
    for (size_t i = 0; r && i < r->n_layers; i++)
        keys += n_keys(r->layers[i]->static_layer);
    sp_counter_inc(t->runtime_loads);
    sp_gauge_set(t->runtime_keys, keys);
    sp_gauge_set(t->runtime_layers, r ? r->n_layers : 0);
}

void sp_tally_switched(const struct sp_tally *t, const struct sp_plan *p, const struct sp_changes *changes, unsigned n_failed)
{
    assert(t && p && changes && n_failed <= p->n_workers);
    if (!p->from) {
        count(t, LISTENERS, p->to->n_listeners, 0, 0);
        count(t, CLUSTERS, p->to->clusters.n, 0, 0);
    } else {
        for (int k = LISTENERS; k <= CLUSTERS; k++)
            count(t, k, changes->of[k].added, changes->of[k].changed, changes->of[k].removed);
    }
    sp_counter_add(t->created, (uint64_t)n_new(p) * (p->n_workers - n_failed));
    sp_counter_add(t->not_created, n_failed);
    count_runtime(t, p->to);
}

_Static_assert((int)LISTENERS == (int)SP_PART_LISTENER && (int)CLUSTERS == (int)SP_PART_CLUSTER, "kinds");
