/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clusters/outlier.h"

#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "clusters/outlier_impl.h"

typedef Envoy__Config__Cluster__V3__OutlierDetection outlier_msg;

static uint32_t number(const Google__Protobuf__UInt32Value *v, uint32_t otherwise)
{
    return v ? v->value : otherwise;
}

/* At most 36 years: sums of a few stay sums. */
static uint64_t duration(const Google__Protobuf__Duration *d, uint64_t otherwise)
{
    return SP_MIN(sp_duration_ns(d, otherwise), 1ull << 60);
}

static void init_stats(struct sp_outlier *o)
{
    static const struct sp_str names[2][N_KINDS] = {
#define X(id, stat, type, text) SP_STR_INIT("ejections_detected_" #stat),
        {KINDS(X)},
#undef X
#define X(id, stat, type, text) SP_STR_INIT("ejections_enforced_" #stat),
        {KINDS(X)},
#undef X
    };
    struct sp_stats_scope *scope = sp_stats_scope(o->cluster->stats.scope, SP_STR("outlier_detection"), NULL, SP_STR_NULL);
    o->active = sp_stats_gauge(scope, SP_STR("ejections_active"));
    o->total = sp_stats_counter(scope, SP_STR("ejections_total"));
    o->enforced_total = sp_stats_counter(scope, SP_STR("ejections_enforced_total"));
    o->old_5xx = sp_stats_counter(scope, SP_STR("ejections_consecutive_5xx"));
    o->old_success = sp_stats_counter(scope, SP_STR("ejections_success_rate"));
    o->overflow = sp_stats_counter(scope, SP_STR("ejections_overflow"));
    for (size_t i = 0; i < N_KINDS; i++) {
        o->detected[i] = sp_stats_counter(scope, names[0][i]);
        o->enforced[i] = sp_stats_counter(scope, names[1][i]);
    }
}

struct sp_outlier *sp_outlier_new(struct sp_cluster *c, const struct sp_doc *doc, struct sp_diag *diag,
                                  const Envoy__Config__Cluster__V3__Cluster *msg,
                                  const Envoy__Config__Bootstrap__V3__ClusterManager__OutlierDetection *events)
{
    assert(c && doc && diag && msg && !c->hosts);
    const outlier_msg *m = msg->outlier_detection;
    if (!m)
        return NULL;
    struct sp_outlier *o = sp_xcalloc(1, sizeof(*o));
    o->cluster = c;
    o->timer.fire = sp_outlier_interval;
    o->split = m->split_external_local_origin_errors;
    o->one_always = m->always_eject_one_host && m->always_eject_one_host->value;
    o->heed_checks = !m->successful_active_health_check_uneject_host || m->successful_active_health_check_uneject_host->value;
    o->interval_ns = duration(m->interval, 10 * SP_NS_PER_S);
    o->base_ns = duration(m->base_ejection_time, 30 * SP_NS_PER_S);
    o->max_ns = duration(m->max_ejection_time, SP_MAX(300 * SP_NS_PER_S, o->base_ns));
    o->jitter_ns = duration(m->max_ejection_time_jitter, 0);
    if (o->max_ns < o->base_ns)
        sp_doc_err(doc, diag, m, "max_ejection_time", -1, "is less than base_ejection_time (make it at least that)");
    o->max_percent = SP_MIN(number(m->max_ejection_percent, 10), 100u);
    o->run_limit[RUN_5XX] = number(m->consecutive_5xx, 5);
    o->run_limit[RUN_GATEWAY] = number(m->consecutive_gateway_failure, 5);
    o->run_limit[RUN_LOCAL] = number(m->consecutive_local_origin_failure, 5);
    o->enforcing[KIND_5XX] = number(m->enforcing_consecutive_5xx, 100);
    o->enforcing[KIND_GATEWAY] = number(m->enforcing_consecutive_gateway_failure, 0);
    o->enforcing[KIND_LOCAL] = number(m->enforcing_consecutive_local_origin_failure, 100);
    o->enforcing[KIND_SUCCESS] = number(m->enforcing_success_rate, 100);
    o->enforcing[KIND_LOCAL_SUCCESS] = number(m->enforcing_local_origin_success_rate, 100);
    o->enforcing[KIND_FAILURE] = number(m->enforcing_failure_percentage, 0);
    o->enforcing[KIND_LOCAL_FAILURE] = number(m->enforcing_failure_percentage_local_origin, 0);
    o->min_hosts = number(m->success_rate_minimum_hosts, 5);
    o->volume = number(m->success_rate_request_volume, 100);
    o->stdev_factor = number(m->success_rate_stdev_factor, 1900);
    o->failure_threshold = number(m->failure_percentage_threshold, 85);
    o->failure_min_hosts = number(m->failure_percentage_minimum_hosts, 5);
    o->failure_volume = number(m->failure_percentage_request_volume, 50);
    init_stats(o);
    if (events && events->event_log_path[0])
        sp_event_log_add(&o->events, doc, diag, events, "event_log_path", events->event_log_path);
    return o;
}

void sp_outlier_free(struct sp_outlier *o)
{
    if (!o)
        return;
    assert(!o->slot);
    sp_event_log_free(o->events);
    free(o);
}
