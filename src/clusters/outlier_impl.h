/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The inside of sp_outlier (clusters/outlier.h): for outlier*.c only. */
#ifndef SP_CLUSTERS_OUTLIER_IMPL_H
#define SP_CLUSTERS_OUTLIER_IMPL_H

#include <assert.h>

#include "clusters/event_log.h"
#include "clusters/outlier_host.h"
#include "clusters/state.h"

enum run { RUN_5XX, RUN_GATEWAY, RUN_LOCAL };
enum rate { RATE_EXTERNAL, RATE_LOCAL };

/* Why a host is taken out. The first three are those of enum run. X(enum suffix, stat, "type in events", "text") */
#define KINDS(X) \
    X(5XX, consecutive_5xx, "CONSECUTIVE_5XX", "5xx answers in a row") \
    X(GATEWAY, consecutive_gateway_failure, "CONSECUTIVE_GATEWAY_FAILURE", "gateway failures in a row") \
    X(LOCAL, consecutive_local_origin_failure, "CONSECUTIVE_LOCAL_ORIGIN_FAILURE", "failures to reach it in a row") \
    X(SUCCESS, success_rate, "SUCCESS_RATE", "a low success rate") \
    X(LOCAL_SUCCESS, local_origin_success_rate, "SUCCESS_RATE_LOCAL_ORIGIN", "a low rate of reaching it") \
    X(FAILURE, failure_percentage, "FAILURE_PERCENTAGE", "a high failure percentage") \
    X(LOCAL_FAILURE, local_origin_failure_percentage, "FAILURE_PERCENTAGE_LOCAL_ORIGIN", "a high percentage of failures to reach it")

enum kind {
#define X(id, stat, type, text) KIND_##id,
    KINDS(X)
#undef X
    N_KINDS
};

struct sp_outlier {
    struct sp_cluster *cluster;
    uint32_t run_limit[SP_OUTLIER_RUNS];
    uint32_t enforcing[N_KINDS]; /* percent */
    uint64_t interval_ns, base_ns, max_ns, jitter_ns;
    uint32_t max_percent, min_hosts, volume, stdev_factor;
    uint32_t failure_threshold, failure_min_hosts, failure_volume;
    bool split, one_always, heed_checks;
    struct sp_slot *slot; /* the prober's; NULL: stopped */
    struct sp_timer timer;
    unsigned n_out;
    struct sp_event_log *events; /* NULL: none */
    double mean[SP_OUTLIER_RATES], least[SP_OUTLIER_RATES]; /* of success rates, at the last interval; -1: unknown */
    struct sp_gauge active;
    struct sp_counter total, enforced_total, overflow, detected[N_KINDS], enforced[N_KINDS];
    struct sp_counter old_5xx, old_success; /* Envoy's older names of two that are detected */
};

static inline struct sp_outlier_host *sp_outlier_of(const struct sp_host *h)
{
    assert(h->outlier);
    return h->outlier;
}

/* Percent of good ones in the last interval; -1: unknown. */
static inline double sp_outlier_percent(const struct sp_host *h, enum rate rate)
{
    int32_t hundredths = h->outlier ? atomic_load_explicit(&h->outlier->rate[rate], memory_order_relaxed) : -1;
    return hundredths < 0 ? -1 : hundredths / 100.0;
}

/* Its timer: looks at rates, brings hosts back. */
void sp_outlier_interval(struct sp_timer *t);

#endif
