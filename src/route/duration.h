/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations of the config in nanoseconds.  Pure.
 */
#ifndef SP_ROUTE_DURATION_H
#define SP_ROUTE_DURATION_H

#include "envoy/config/core/v3/protocol.pb-c.h"
#include "google/protobuf/duration.pb-c.h"

/* `otherwise` when it is not set; what no clock lives to see is cut to about 146 years. */
static inline uint64_t sp_duration_or(const Google__Protobuf__Duration *d, uint64_t otherwise)
{
    const int64_t most = INT64_MAX / 2000000000;
    if (!d)
        return otherwise;
    return (uint64_t)(d->seconds < most ? d->seconds : most) * 1000000000u + (uint64_t)d->nanos;
}

/* KeepaliveSettings.interval_jitter, 15 % if unset, of an interval. */
static inline uint64_t sp_ping_jitter(uint64_t interval_ns, const Envoy__Config__Core__V3__KeepaliveSettings *k)
{
    return (uint64_t)((double)interval_ns * (k->interval_jitter ? k->interval_jitter->value : 15) / 100);
}

#endif
