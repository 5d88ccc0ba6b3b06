/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_host: one address that a cluster sends requests to, and how it fares.  Counted: each set of hosts that it is in holds
 * it (clusters/host_set.h), and each worker that still has requests or connections of it when it has left its set.  What is
 * configured of it and may change while it stays (weight, priority, locality) stands in the set.
 *
 * `health` is written by the prober, and by a worker that is told by the host itself
 * (x-envoy-immediate-health-check-fail); everyone reads it.  A part is one worker's alone but for its counts, which readers
 * add up.
 */
#ifndef SP_CLUSTERS_HOST_H
#define SP_CLUSTERS_HOST_H

#include <stdatomic.h>

#include "base/buf.h"
#include "clusters/endpoint_meta.h"
#include "net/addr.h"

/* Bits of sp_host.health: Envoy's health flags. X(enum suffix, bit, "name in /clusters") */
#define SP_HEALTH_TABLE(X) \
    X(FAILED_ACTIVE_HC, 0, "/failed_active_hc") X(FAILED_OUTLIER, 8, "/failed_outlier_check") X(FAILED_EDS, 1, "/failed_eds_health") \
    X(DEGRADED_ACTIVE_HC, 2, "/degraded_active_hc") X(DEGRADED_EDS, 3, "/degraded_eds_health") \
    X(PENDING_ACTIVE_HC, 4, "/pending_active_hc") X(EXCLUDED, 5, "/excluded_via_immediate_hc_fail") \
    X(ACTIVE_HC_TIMEOUT, 6, "/active_hc_timeout") X(EDS_DRAINING, 7, "/eds_status_draining")

enum sp_health_flag {
#define X(id, bit, name) SP_HEALTH_##id = 1u << (bit),
    SP_HEALTH_TABLE(X)
#undef X
};

/* Not Envoy's: the host is in the gauges membership_*, so that what takes it out counts what put it in. */
#define SP_HEALTH_COUNTED (1u << 31)

enum sp_health { SP_HEALTHY, SP_DEGRADED, SP_UNHEALTHY };

enum { SP_POOL_KINDS = 4 }; /* HTTP/1, HTTP/2, by ALPN, none */

struct sp_pool;
struct sp_zone_stats;
struct sp_outlier_host;

/* One worker's part of a host. */
struct sp_host_part {
    /* Envoy's host stats. */
    _Alignas(SP_CACHELINE) _Atomic uint64_t cx_total;
    _Atomic uint64_t cx_connect_fail, rq_total, rq_success, rq_error, rq_timeout;
    _Atomic int64_t cx_active, rq_active, rq_pending;
    /* The worker's own. */
    struct sp_pool *pools[SP_POOL_KINDS + 1]; /* by kind; the last: those with names in their keys */
    struct sp_addr addr;                  /* where new connections go */
    unsigned socket;                      /* which transport socket they have (clusters/socket_match.h) */
    struct sp_zone_stats *zone_stats;     /* where its answers are counted besides (clusters/zone_stats.h); NULL: nowhere */
    unsigned held;                        /* requests and pools that point to the host */
    unsigned stamp;                       /* of the last set that it was seen in */
    struct sp_endpoint_meta *meta;        /* a reference, or NULL: as the worker's set has it */
    bool canary;                          /* by its metadata: its answers are counted besides */
    bool gone;                            /* it has left the worker's set: pools close, and the last that lets it go frees it */
};

/* On its worker: what the set that is current now says. */
static inline void sp_host_part_meta(struct sp_host_part *p, struct sp_endpoint_meta *meta)
{
    p->canary = meta && meta->canary;
    if (SP_LIKELY(p->meta == meta))
        return;
    sp_endpoint_meta_unref(p->meta);
    p->meta = sp_endpoint_meta_ref(meta);
}

struct sp_host {
    struct sp_addr addr;    /* of a logical one: the first that it had */
    struct sp_str hostname; /* Endpoint.hostname, or the name that was resolved; may be empty */
    bool logical;           /* known by its name: its address may change (LOGICAL_DNS) */
    const struct sp_addr *race; /* n_race: all of its addresses, where it has several (net/race.h); else NULL */
    unsigned n_race;
    unsigned n_parts;
    struct sp_host_part *parts; /* one for each slot of the cluster */
    struct sp_outlier_host *outlier; /* owned; NULL without outlier detection */
    void *session;          /* of the health checker: the prober's */
    unsigned stamp;         /* the publisher's: of the last set that it was seen in */
    unsigned socket;        /* the publisher's: as counted */
    _Atomic unsigned refs;
    _Alignas(SP_CACHELINE) _Atomic uint32_t health; /* SP_HEALTH_* */
    _Atomic uint64_t since_ns; /* when it was added to a running cluster, or passed its health checks again; 0: from the start */
    /* Where hosts' connections are limited: those there are in the whole process, and the pools that wait for one. */
    _Alignas(SP_CACHELINE) _Atomic uint32_t connections;
    _Atomic unsigned starving;
    /* Requests under way in the whole process: counted where balancing goes by it only (sp_lb_counts), since all workers write it. */
    _Alignas(SP_CACHELINE) _Atomic int32_t active;
};

/* One reference. Bytes are copied. */
struct sp_host *sp_host_new(const struct sp_addr *addr, struct sp_str hostname, bool logical, unsigned n_parts);
/* Before anybody else knows it: it has these addresses, copied, its first among them. */
void sp_host_set_race(struct sp_host *h, const struct sp_addr *v, unsigned n);
struct sp_host *sp_host_ref(struct sp_host *h);
void sp_host_unref(struct sp_host *h); /* NULL-safe */

/* A worker's request or pool points to the host, or does so no more. On that worker's thread. */
static inline void sp_host_hold(struct sp_host *h, unsigned slot)
{
    h->parts[slot].held++;
}
void sp_host_last_let_go(struct sp_host *h);
static inline void sp_host_let_go(struct sp_host *h, unsigned slot)
{
    struct sp_host_part *p = &h->parts[slot];
    if (SP_UNLIKELY(!--p->held && p->gone))
        sp_host_last_let_go(h);
}

/* The first matching of: no bit that speaks against it, only degraded ones, others. */
static inline enum sp_health sp_health_of(uint32_t flags)
{
    if (SP_LIKELY(!(flags & ~(uint32_t)(SP_HEALTH_PENDING_ACTIVE_HC | SP_HEALTH_ACTIVE_HC_TIMEOUT | SP_HEALTH_COUNTED))))
        return SP_HEALTHY;
    if (flags & (SP_HEALTH_FAILED_ACTIVE_HC | SP_HEALTH_FAILED_OUTLIER | SP_HEALTH_FAILED_EDS | SP_HEALTH_EDS_DRAINING | SP_HEALTH_EXCLUDED))
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
    int64_t cx_active, rq_active, rq_pending;
};
/* Sums over the workers. Any thread. */
struct sp_host_totals sp_host_sum(const struct sp_host *h);
/* "healthy", or the names of the flags one after the other. */
void sp_host_flags_text(uint32_t flags, struct sp_buf *out);

#endif
