/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/otlp.h"

#include <stdlib.h>

#include "stats/print_impl.h"
#include "stats/wire.h"

/* Field numbers of opentelemetry-proto's metrics.proto and common.proto. */
enum { METRICS = 2 };                                               /* ScopeMetrics */
enum { NAME = 1, GAUGE = 5, SUM = 7, HISTOGRAM = 9 };               /* Metric */
enum { POINTS = 1, TEMPORALITY = 2, MONOTONIC = 3 };                /* Gauge, Sum, Histogram */
enum { START = 2, TIME = 3, AS_INT = 6, ATTRIBUTES = 7 };           /* NumberDataPoint */
enum { COUNT = 4, TOTAL = 5, COUNTS = 6, BOUNDS = 7, OF_HISTOGRAM = 9 }; /* HistogramDataPoint: the last is `attributes` */
enum { DELTA = 1, CUMULATIVE = 2 };                                 /* AggregationTemporality */

/* Envoy's tags are called envoy.cluster_name, and so on. */
static void put_attribute(struct sp_otlp_metrics *m, unsigned field, const struct sp_label *l)
{
    static const struct sp_str ours = SP_STR_INIT("envoy_");
    struct sp_out *o = &m->part;
    size_t prefix = 0;
    if (sp_str_starts(l->name, ours))
        prefix = ours.len;
    sp_wire_varint(o, 1 << 3 | SP_WIRE_BYTES); /* KeyValue.key */
    sp_wire_varint(o, l->name.len);
    if (prefix)
        SP_OUT_LIT(o, "envoy.");
    sp_out_put(o, sp_str_sub(l->name, prefix, l->name.len));
    size_t n = l->value.len, length = 1;
    for (size_t v = n; v >= 0x80; v >>= 7)
        length++;
    sp_wire_varint(o, 2 << 3 | SP_WIRE_BYTES); /* KeyValue.value: AnyValue.string_value */
    sp_wire_varint(o, 1 + length + n);
    sp_wire_bytes(o, 1, l->value);
    sp_wire_message(&m->point, field, o);
}

static void put_attributes(struct sp_otlp_metrics *m, const struct sp_statsd_form *f, const struct sp_stat *s, unsigned field)
{
    const struct sp_label *labels = s->shown ? s->shown->labels : s->scope->labels;
    unsigned n = s->shown ? s->shown->n_labels : s->scope->n_labels;
    struct sp_label code;
    if (!f->tags)
        return;
    if (!s->shown && sp_stat_code_label(s, &code))
        put_attribute(m, field, &code);
    for (unsigned i = 0; i < n; i++)
        put_attribute(m, field, &labels[i]);
}

static void put_name(struct sp_otlp_metrics *m, const struct sp_statsd_form *f, const struct sp_stat *s)
{
    char bare[SP_STATS_NAME_MAX];
    struct sp_out *o = &m->part;
    if (f->prefix.len) {
        sp_out_put(o, f->prefix);
        sp_out_char(o, '.');
    }
    if (!f->whole_names) {
        sp_out_put(o, s->shown ? s->shown->dotted : sp_stat_bare(s, bare));
    } else {
        sp_out_put(o, s->scope->prefix);
        sp_out_put(o, sp_stat_name(s));
    }
    sp_wire_message(&m->metric, NAME, o);
}

static void put_times(struct sp_otlp_metrics *m, bool delta)
{
    sp_wire_fixed64(&m->point, START, delta ? m->from_ns : m->began_ns);
    sp_wire_fixed64(&m->point, TIME, m->now_ns);
}

static void put_metric(struct sp_otlp_metrics *m, struct sp_out *out, unsigned kind)
{
    sp_wire_message(&m->metric, kind, &m->data);
    sp_wire_message(out, METRICS, &m->metric);
}

void sp_otlp_counter(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s, uint64_t value, uint64_t more)
{
    put_name(m, f, s);
    put_times(m, f->counter_deltas);
    sp_wire_fixed64(&m->point, AS_INT, f->counter_deltas ? more : value);
    put_attributes(m, f, s, ATTRIBUTES);
    sp_wire_message(&m->data, POINTS, &m->point);
    sp_wire_number(&m->data, TEMPORALITY, f->counter_deltas ? DELTA : CUMULATIVE);
    sp_wire_number(&m->data, MONOTONIC, 1);
    put_metric(m, out, SUM);
}

void sp_otlp_gauge(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s, uint64_t value)
{
    put_name(m, f, s);
    sp_wire_fixed64(&m->point, TIME, m->now_ns);
    sp_wire_fixed64(&m->point, AS_INT, value);
    put_attributes(m, f, s, ATTRIBUTES);
    sp_wire_message(&m->data, POINTS, &m->point);
    put_metric(m, out, GAUGE);
}

/* As many in each bucket, the last one of those above all bounds. */
static void put_buckets(struct sp_otlp_metrics *m, const struct sp_stat *s)
{
    unsigned n;
    const double *bounds = sp_stats_print_bounds(s, &n);
    uint64_t *counts = sp_stats_print_counts(s, &m->sum, bounds, n, true), rest = m->sum.n;
    for (unsigned i = 0; i < n; i++) {
        sp_wire_eight(&m->part, counts[i]);
        rest -= counts[i];
    }
    free(counts);
    sp_wire_eight(&m->part, rest);
    sp_wire_message(&m->point, COUNTS, &m->part);
    for (unsigned i = 0; i < n; i++)
        sp_wire_eight_real(&m->part, bounds[i]);
    sp_wire_message(&m->point, BOUNDS, &m->part);
}

void sp_otlp_histogram(struct sp_otlp_metrics *m, struct sp_out *out, const struct sp_statsd_form *f, const struct sp_stat *s)
{
    if (f->histogram_deltas)
        sp_hist_sum_of_kept(&m->sum, s->u.kept);
    else
        sp_stat_hist(s, &m->sum);
    if (!m->sum.n)
        return;
    put_name(m, f, s);
    put_times(m, f->histogram_deltas);
    sp_wire_fixed64(&m->point, COUNT, m->sum.n);
    sp_wire_real(&m->point, TOTAL, s->kind == SP_STAT_TIMING ? (double)m->sum.sum / 1000 : (double)m->sum.sum);
    put_buckets(m, s);
    put_attributes(m, f, s, OF_HISTOGRAM);
    sp_wire_message(&m->data, POINTS, &m->point);
    sp_wire_number(&m->data, TEMPORALITY, f->histogram_deltas ? DELTA : CUMULATIVE);
    put_metric(m, out, HISTOGRAM);
}

void sp_otlp_metrics_done(struct sp_otlp_metrics *m)
{
    struct sp_out *all[] = {&m->metric, &m->data, &m->point, &m->part};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        sp_out_done(all[i]);
}
