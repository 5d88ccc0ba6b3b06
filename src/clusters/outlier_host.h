/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What outlier detection (clusters/outlier.h) knows of one host.  Made and freed with the host, where its cluster has outlier
 * detection.
 */
#ifndef SP_CLUSTERS_OUTLIER_HOST_H
#define SP_CLUSTERS_OUTLIER_HOST_H

#include <stdatomic.h>

#include "base/defs.h"

enum { SP_OUTLIER_RUNS = 3, SP_OUTLIER_RATES = 2 }; /* 5xx, gateway, local; external, local */

/* One worker's counts. */
struct sp_outlier_part {
    _Alignas(SP_CACHELINE) _Atomic uint32_t total[SP_OUTLIER_RATES];
    _Atomic uint32_t good[SP_OUTLIER_RATES];
};

struct sp_outlier_host {
    _Alignas(SP_CACHELINE) _Atomic uint32_t run[SP_OUTLIER_RUNS]; /* failures in a row, of the whole process */
    /* The prober's. */
    _Alignas(SP_CACHELINE) bool out;
    unsigned times;         /* how often it was out lately: base_ejection_time is multiplied by it */
    unsigned ejections;     /* how often it was out at all */
    uint64_t out_ns, out_until_ns, back_ns; /* 0: never */
    uint32_t seen_total[SP_OUTLIER_RATES], seen_good[SP_OUTLIER_RATES];
    _Atomic int32_t rate[SP_OUTLIER_RATES]; /* hundredths of a percent; -1: unknown */
    struct sp_outlier_part parts[]; /* one a slot */
};

#endif
