/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a sink of stats wants to be told (stats/statsd.h). */
#ifndef SP_STATS_SINK_FORM_H
#define SP_STATS_SINK_FORM_H

#include "base/str.h"

struct sp_statsd_form {
    struct sp_str prefix; /* "envoy"; lives as long as the flush */
    bool tags;            /* DogStatsD: labels stand behind the value, not in the name */
    size_t max_bytes;     /* of a datagram of several lines; 0: each line goes by itself. With `otlp`: about so many of a request */
    /* OpenTelemetry: what is sent are fields of a ScopeMetrics. */
    bool otlp, whole_names, counter_deltas, histogram_deltas;
};

#endif
