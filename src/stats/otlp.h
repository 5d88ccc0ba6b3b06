/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Stats as OpenTelemetry's metrics (opentelemetry.proto.metrics.v1.Metric), each behind the tag that it has in a ScopeMetrics, one
 * data point each: counters as monotonic sums, gauges, histograms under the bounds that pages show.  For stats/ only; whoever calls
 * holds the registry's lock.
 */
#ifndef SP_STATS_OTLP_H
#define SP_STATS_OTLP_H

#include "stats/out.h"
#include "stats/registry.h"
#include "stats/sink_form.h"

struct sp_otlp_metrics {
    uint64_t began_ns, from_ns, now_ns;    /* Unix time: of the process, of the last flush, of this one */
    struct sp_out metric, data, point, part; /* scratch, one inside the other */
    struct sp_hist_sum sum;
};

/* `value` since the process began, `more` of it since the last flush. */
void sp_otlp_counter(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s, uint64_t value, uint64_t more);
void sp_otlp_gauge(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s, uint64_t value);
void sp_otlp_histogram(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s);
void sp_otlp_metrics_done(struct sp_otlp_metrics *m);

#endif
