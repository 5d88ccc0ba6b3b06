/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Durations of the config in nanoseconds.  Pure.
 */
#ifndef SP_ROUTE_DURATION_H
#define SP_ROUTE_DURATION_H

#include "google/protobuf/duration.pb-c.h"

/* `otherwise` when it is not set; what no clock lives to see is cut to about 146 years. */
static inline uint64_t sp_duration_or(const Google__Protobuf__Duration *d, uint64_t otherwise)
{
    const int64_t most = INT64_MAX / 2000000000;
    if (!d)
        return otherwise;
    return (uint64_t)(d->seconds < most ? d->seconds : most) * 1000000000u + (uint64_t)d->nanos;
}

#endif
