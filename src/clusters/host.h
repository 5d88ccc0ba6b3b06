/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_host: one endpoint of a cluster: where it is, what its weight is, how it fares.  Made when the cluster is compiled
 * and owned by it; immutable but for its atomic words.  `health` is written by the prober, and by a worker that is told
 * by the host itself (x-envoy-immediate-health-check-fail); everyone reads it.  The counts are one cache line a worker,
 * written by that worker alone and added up by readers.
 */
#ifndef SP_CLUSTERS_HOST_H
#define SP_CLUSTERS_HOST_H

#include <stdatomic.h>

#include "base/buf.h"
#include "net/addr.h"

/* Bits of sp_host.health: Envoy's health flags. X(enum suffix, bit, "name in /clusters") */
#define SP_HEALTH_TABLE(X) \
    X(FAILED_ACTIVE_HC, 0, "/failed_active_hc") X(FAILED_EDS, 1, "/failed_eds_health") \
    X(DEGRADED_ACTIVE_HC, 2, "/degraded_active_hc") X(DEGRADED_EDS, 3, "/degraded_eds_health") \
    X(PENDING_ACTIVE_HC, 4, "/pending_active_hc") X(EXCLUDED, 5, "/excluded_via_immediate_hc_fail") \
    X(ACTIVE_HC_TIMEOUT, 6, "/active_hc_timeout") X(EDS_DRAINING, 7, "/eds_status_draining")

enum sp_health_flag {
#define X(id, bit, name) SP_HEALTH_##id = 1u << (bit),
    SP_HEALTH_TABLE(X)
#undef X
};

enum sp_health { SP_HEALTHY, SP_DEGRADED, SP_UNHEALTHY };

/* What one worker counted of one host: Envoy's host stats. */
struct sp_host_counts {
    _Alignas(SP_CACHELINE) _Atomic uint64_t cx_total;
    _Atomic uint64_t cx_connect_fail, rq_total, rq_success, rq_error, rq_timeout;
    _Atomic int64_t cx_active, rq_active;
};

struct sp_host {
    struct sp_addr addr;
    struct sp_addr health_addr;    /* where health checks go */
    struct sp_str hostname;        /* Endpoint.hostname; may be empty */
    struct sp_str health_hostname; /* Host header of its checks; may be empty */
    struct sp_str text;            /* the address as Envoy prints it */
    struct sp_str region, zone, sub_zone;
    uint32_t weight;
    unsigned index, priority;
    bool no_active_hc;             /* disable_active_health_check */
    struct sp_host_counts *counts; /* one for each slot of the cluster */
    _Alignas(SP_CACHELINE) _Atomic uint32_t health; /* SP_HEALTH_* */
    /* Requests under way in the whole process: counted for LEAST_REQUEST only, since all workers write it. */
    _Alignas(SP_CACHELINE) _Atomic int32_t active;
};

/* The first matching of: no bit that speaks against it, only degraded ones, others. */
static inline enum sp_health sp_health_of(uint32_t flags)
{
    if (SP_LIKELY(!(flags & ~(uint32_t)(SP_HEALTH_PENDING_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT))))
        return SP_HEALTHY;
    if (flags & (SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_FAILED_EDS | SP_HEALTH_EDS_DRAINING | SP_HEALTH_EXCLUDED))
        return SP_UNHEALTHY;
    return SP_DEGRADED;
}

static inline enum sp_health sp_host_health(const struct sp_host *h)
{
    return sp_health_of(atomic_load_explicit(&h->health, memory_order_relaxed));
}

/* Adds to a count of the calling worker's own line. */
static inline void sp_host_count(_Atomic uint64_t *count, uint64_t n)
{
    atomic_store_explicit(count, atomic_load_explicit(count, memory_order_relaxed) + n, memory_order_relaxed);
}
static inline void sp_host_gauge(_Atomic int64_t *gauge, int64_t n)
{
    atomic_store_explicit(gauge, atomic_load_explicit(gauge, memory_order_relaxed) + n, memory_order_relaxed);
}

struct sp_host_totals {
    uint64_t cx_total, cx_connect_fail, rq_total, rq_success, rq_error, rq_timeout;
    int64_t cx_active, rq_active;
};
/* Sums over n_slots workers. Any thread. */
struct sp_host_totals sp_host_sum(const struct sp_host *h, unsigned n_slots);
/* "healthy", or the names of the flags one after the other. */
void sp_host_flags_text(uint32_t flags, struct sp_buf *out);

#endif
