/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Prometheus' text format (version 0.0.4): metric by metric, each with its type and all of its series together.  What a stat's line
 * is made of was made with the stat or with the view, so that a line is some copies and a number.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/print_impl.h"

enum { LOOK, FAMILIES }; /* phases */

static int by_metric(const void *a, const void *b)
{
    const struct sp_family *x = *(struct sp_family *const *)a, *y = *(struct sp_family *const *)b;
    int r = sp_str_cmp(x->metric, y->metric);
    return r ? r : (int)x->kind - (int)y->kind;
}

static void take_families(struct sp_stats_print *p)
{
    const struct sp_table *t = &sp_registry.families;
    p->families = sp_xcalloc(t->n + 1, sizeof(struct sp_family *));
    for (unsigned i = 0; i < t->cap; i++)
        if (t->v[i].p)
            p->families[p->n_families++] = t->v[i].p;
    qsort(p->families, p->n_families, sizeof(struct sp_family *), by_metric);
    p->phase = FAMILIES;
}

void sp_stats_print_families(struct sp_stats_print *p)
{
    p->phase = LOOK;
    if (!sp_view_needs_look())
        take_families(p);
}

/* Two kinds of stats under one name would be two metrics of one name. */
static bool is_taken(const struct sp_stats_print *p)
{
    const struct sp_family *f = p->families[p->family];
    return p->family && sp_str_eq(p->families[p->family - 1]->metric, f->metric) && p->families[p->family - 1]->stats.n;
}

void sp_stats_print_metric(const struct sp_stats_print *p, struct sp_out *out)
{
    static const char *const kinds[] = {"_counter", "_gauge", "_histogram"};
    const struct sp_family *f = p->families[p->family];
    sp_out_put(out, f->metric);
    if (SP_UNLIKELY(is_taken(p)))
        sp_out_put(out, sp_str_c(kinds[f->kind]));
}

static void put_type(struct sp_stats_print *p)
{
    static const char *const kinds[] = {" counter\n", " gauge\n", " histogram\n"};
    const struct sp_family *f = p->families[p->family];
    SP_OUT_LIT(&p->out, "# TYPE ");
    sp_stats_print_metric(p, &p->out);
    sp_out_put(&p->out, p->q.summary && f->kind == SP_STAT_HISTOGRAM ? SP_STR(" summary\n") : sp_str_c(kinds[f->kind]));
}

/* name{labels without the closing brace; whether there is one. */
static bool put_head(struct sp_stats_print *p, const struct sp_stat *s, struct sp_str suffix)
{
    sp_stats_print_metric(p, &p->out);
    sp_out_put(&p->out, suffix);
    sp_out_char(&p->out, '{');
    struct sp_str labels = s->shown ? s->shown->label_text : s->scope->label_text;
    sp_out_put(&p->out, labels);
    struct sp_label code;
    if (s->shown || !sp_stat_code_label(s, &code))
        return labels.len != 0;
    if (labels.len)
        sp_out_char(&p->out, ',');
    p->out.n = (size_t)(sp_label_write(sp_out_room(&p->out, 64), code) - p->out.v);
    return true;
}

/* The beginning of the lines of a histogram's parts, up to the value of the label that tells them apart. */
static struct sp_str part_head(struct sp_stats_print *p, const struct sp_stat *s, struct sp_str suffix, struct sp_str label)
{
    size_t before = p->out.n;
    if (put_head(p, s, suffix))
        sp_out_char(&p->out, ',');
    sp_out_put(&p->out, label);
    SP_OUT_LIT(&p->out, "=\"");
    p->name.n = 0;
    sp_out_put(&p->name, sp_str_n(p->out.v + before, p->out.n - before));
    p->out.n = before;
    return sp_str_n(p->name.v, p->name.n);
}

static void put_part(struct sp_stats_print *p, struct sp_str head, struct sp_str value)
{
    sp_out_put(&p->out, head);
    sp_out_put(&p->out, value);
    SP_OUT_LIT(&p->out, "\"} ");
}

static void put_sum(struct sp_stats_print *p, const struct sp_stat *s)
{
    uint64_t sum = p->sum.sum;
    put_head(p, s, SP_STR("_sum"));
    SP_OUT_LIT(&p->out, "} ");
    if (s->kind == SP_STAT_TIMING) { /* microseconds, to be milliseconds */
        sp_out_u64(&p->out, sum / 1000);
        sum %= 1000;
        char rest[5] = {'.', (char)('0' + sum / 100), (char)('0' + sum / 10 % 10), (char)('0' + sum % 10), 0};
        sp_out_put(&p->out, sp_str_n(rest, sum == 0 ? 0 : sum % 100 == 0 ? 2 : sum % 10 == 0 ? 3 : 4));
    } else {
        sp_out_u64(&p->out, sum);
    }
    SP_OUT_LIT(&p->out, "\n");
    put_head(p, s, SP_STR("_count"));
    SP_OUT_LIT(&p->out, "} ");
    sp_out_u64(&p->out, p->sum.n);
    sp_out_char(&p->out, '\n');
}

/* The usual bounds, and the quantiles, as text: there are many lines of them. */
static struct sp_str number(double v, char out[static 32])
{
    static const double usual[] = {0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 30000, 60000, 300000, 600000};
    static const char *const texts[] = {"0.5", "1",    "5",    "10",   "25",    "50",    "100",   "250",   "500",
                                        "1000", "2500", "5000", "10000", "30000", "60000", "300000", "600000"};
    for (unsigned i = 0; i < SP_ARRAY_LEN(usual); i++)
        if (v == usual[i])
            return sp_str_c(texts[i]);
    return sp_str_n(out, (size_t)snprintf(out, 32, "%.10g", v));
}

static void put_hist(struct sp_stats_print *p, const struct sp_stat *s)
{
    unsigned n;
    char text[32];
    sp_stat_hist(s, &p->sum);
    const double *bounds = sp_stats_print_bounds(s, &n);
    uint64_t *counts = sp_stats_print_counts(s, &p->sum, bounds, n, false);
    struct sp_str head = part_head(p, s, SP_STR("_bucket"), SP_STR("le"));
    for (unsigned i = 0; i < n; i++) {
        put_part(p, head, number(bounds[i], text));
        sp_out_u64(&p->out, counts[i]);
        sp_out_char(&p->out, '\n');
    }
    free(counts);
    put_part(p, head, SP_STR("+Inf"));
    sp_out_u64(&p->out, p->sum.n);
    sp_out_char(&p->out, '\n');
    put_sum(p, s);
}

/* Quantiles are the last interval's, as Envoy's are; sum and count go on, as Prometheus wants them. */
static void put_summary(struct sp_stats_print *p, const struct sp_stat *s)
{
    double some[SP_STATS_QUANTILES];
    char text[32];
    sp_stats_print_hist(p, s);
    bool has = sp_stats_print_quantiles(s, &p->interval, some);
    struct sp_str head = part_head(p, s, SP_STR(""), SP_STR("quantile"));
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++) {
        put_part(p, head, number(sp_stats_quantiles[i], text));
        if (has)
            sp_out_value(&p->out, some[i]);
        else
            SP_OUT_LIT(&p->out, "NaN");
        sp_out_char(&p->out, '\n');
    }
    put_sum(p, s);
}

static void put_stat(struct sp_stats_print *p, struct sp_stat *s)
{
    if (!p->any)
        put_type(p);
    p->any = true;
    if (sp_stat_is_hist(s)) {
        if (p->q.summary)
            put_summary(p, s);
        else
            put_hist(p, s);
        return;
    }
    put_head(p, s, SP_STR(""));
    SP_OUT_LIT(&p->out, "} ");
    sp_out_u64(&p->out, sp_stat_value(s));
    sp_out_char(&p->out, '\n');
}

bool sp_stats_print_family_step(struct sp_stats_print *p)
{
    if (p->phase == LOOK) {
        struct sp_stat *s = sp_stats_walk_next(&p->walk);
        if (s)
            sp_stat_look(s);
        else
            take_families(p);
        return false;
    }
    if (p->family == p->n_families)
        return true;
    const struct sp_stat_list *l = &p->families[p->family]->stats;
    if (p->at >= l->n) {
        if (p->ops->end)
            p->ops->end(p);
        p->family++;
        p->at = 0;
        p->any = false;
        return false;
    }
    struct sp_stat *s = l->v[p->at++];
    if (sp_stats_print_wants(p, s))
        p->ops->put(p, s);
    return false;
}

const struct sp_stats_print_ops sp_stats_print_prometheus = {.begin = sp_stats_print_families, .step = sp_stats_print_family_step, .put = put_stat};
