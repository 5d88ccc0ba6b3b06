/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prometheus' protobuf format: each metric as an io.prometheus.client.MetricFamily behind its length (encoding=delimited).  Field
 * numbers are those of client_model's metrics.proto.  A metric is put together whole, since its length comes first.
 */
#include <math.h>
#include <stdlib.h>

#include "stats/print_impl.h"
#include "stats/wire.h"

enum { NAME = 1, TYPE = 3, METRIC = 4 };                             /* MetricFamily */
enum { LABEL = 1, GAUGE = 2, COUNTER = 3, SUMMARY = 4, HISTOGRAM = 7 }; /* Metric */
enum { IS_COUNTER, IS_GAUGE, IS_SUMMARY, IS_HISTOGRAM = 4 };         /* MetricType */
enum { COUNT = 1, SUM = 2, PARTS = 3 };                              /* Histogram, Summary */

static void put_label(struct sp_stats_print *p, const struct sp_label *l)
{
    sp_wire_bytes(&p->part, 1, l->name);
    sp_wire_bytes(&p->part, 2, l->value);
    sp_wire_message(&p->metric, LABEL, &p->part);
}

static void put_labels(struct sp_stats_print *p, const struct sp_stat *s)
{
    const struct sp_label *labels = s->shown ? s->shown->labels : s->scope->labels;
    unsigned n = s->shown ? s->shown->n_labels : s->scope->n_labels;
    struct sp_label code;
    for (unsigned i = 0; i < n; i++)
        put_label(p, &labels[i]);
    if (!s->shown && sp_stat_code_label(s, &code))
        put_label(p, &code);
}

static void put_sum(struct sp_stats_print *p, const struct sp_stat *s)
{
    sp_wire_number(&p->value, COUNT, p->sum.n);
    sp_wire_real(&p->value, SUM, s->kind == SP_STAT_TIMING ? (double)p->sum.sum / 1000 : (double)p->sum.sum);
}

static void put_hist(struct sp_stats_print *p, const struct sp_stat *s)
{
    unsigned n;
    sp_stat_hist(s, &p->sum);
    const double *bounds = sp_stats_print_bounds(s, &n);
    uint64_t *counts = sp_stats_print_counts(s, &p->sum, bounds, n, false);
    put_sum(p, s);
    for (unsigned i = 0; i < n; i++) {
        sp_wire_number(&p->part, 1, counts[i]);
        sp_wire_real(&p->part, 2, bounds[i]);
        sp_wire_message(&p->value, PARTS, &p->part);
    }
    free(counts);
    sp_wire_message(&p->metric, HISTOGRAM, &p->value);
}

static void put_summary(struct sp_stats_print *p, const struct sp_stat *s)
{
    double some[SP_STATS_QUANTILES];
    sp_stats_print_hist(p, s);
    bool has = sp_stats_print_quantiles(s, &p->interval, some);
    put_sum(p, s);
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++) {
        sp_wire_real(&p->part, 1, sp_stats_quantiles[i]);
        sp_wire_real(&p->part, 2, has ? some[i] : (double)NAN);
        sp_wire_message(&p->value, PARTS, &p->part);
    }
    sp_wire_message(&p->metric, SUMMARY, &p->value);
}

static void put(struct sp_stats_print *p, struct sp_stat *s)
{
    bool hist = sp_stat_is_hist(s);
    if (!p->any) {
        sp_stats_print_metric(p, &p->part);
        sp_wire_message(&p->whole, NAME, &p->part);
        sp_wire_number(&p->whole, TYPE, hist ? p->q.summary ? IS_SUMMARY : IS_HISTOGRAM : s->kind == SP_STAT_GAUGE ? IS_GAUGE : IS_COUNTER);
    }
    p->any = true;
    put_labels(p, s);
    if (hist && p->q.summary) {
        put_summary(p, s);
    } else if (hist) {
        put_hist(p, s);
    } else {
        sp_wire_real(&p->value, 1, (double)sp_stat_value(s));
        sp_wire_message(&p->metric, s->kind == SP_STAT_GAUGE ? GAUGE : COUNTER, &p->value);
    }
    sp_wire_message(&p->whole, METRIC, &p->metric);
}

static void end(struct sp_stats_print *p)
{
    if (!p->whole.n)
        return;
    sp_wire_varint(&p->out, p->whole.n);
    sp_out_put(&p->out, sp_str_n(p->whole.v, p->whole.n));
    p->whole.n = 0;
}

const struct sp_stats_print_ops sp_stats_print_protobuf = {.begin = sp_stats_print_families, .step = sp_stats_print_family_step, .put = put, .end = end};
