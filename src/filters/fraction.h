/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A part of all requests (RuntimeFractionalPercent), drawn anew for each, as Envoy does.  A value.
 */
#ifndef SP_FILTERS_FRACTION_H
#define SP_FILTERS_FRACTION_H

#include "crypto/ct.h"
#include "envoy/config/core/v3/base.pb-c.h"

struct sp_fraction {
    uint32_t parts, whole; /* whole 0: unset */
};

static inline struct sp_fraction sp_fraction_of(const Envoy__Config__Core__V3__RuntimeFractionalPercent *msg)
{
    static const uint32_t wholes[] = {100, 10000, 1000000};
    if (!msg || !msg->default_value)
        return (struct sp_fraction){0, 0};
    return (struct sp_fraction){msg->default_value->numerator, wholes[msg->default_value->denominator]};
}

#define SP_FRACTION_ALL ((struct sp_fraction){1, 1})

static inline bool sp_fraction_draw(struct sp_fraction f)
{
    return f.parts && (f.parts >= f.whole || sp_random_u64() % f.whole < f.parts);
}

#endif
