/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The admin page's three ways to show stats. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

static void put(struct sp_buf *out, const char *fmt, ...) SP_PRINTF(2, 3);
static void put(struct sp_buf *out, const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    sp_buf_append(out, text, SP_MIN((size_t)n, sizeof(text) - 1));
}

static bool is_used(const struct sp_stat *s)
{
    if (s->kind != SP_STAT_HISTOGRAM)
        return sp_stat_value(s) != 0;
    struct sp_hist_sum h;
    sp_stat_hist(s, &h);
    return h.n != 0;
}

static bool wanted(const struct sp_stats_query *q, struct sp_stat *s)
{
    if (!sp_stat_lives(s))
        return false;
    if (!sp_stat_look(s))
        return false;
    if (q->match && !q->match(q->ctx, s->name))
        return false;
    return !q->used_only || is_used(s);
}

double sp_hist_quantile(const struct sp_hist_sum *h, double share)
{
    double want = share * (double)h->n, seen = 0;
    for (unsigned b = 0; b < SP_HIST_BUCKETS; b++) {
        if (!h->count[b] || seen + (double)h->count[b] < want) {
            seen += (double)h->count[b];
            continue;
        }
        double from = (double)sp_hist_floor(b);
        double width = b + 1 < SP_HIST_BUCKETS ? (double)sp_hist_floor(b + 1) - from : 0;
        if (b < SP_HIST_EXACT)
            return from;
        return from + width * (want - seen) / (double)h->count[b];
    }
    return 0;
}

static const struct {
    const char *name;
    double share;
} quantiles[] = {{"P0", 0},      {"P25", .25},   {"P50", .5},     {"P75", .75},     {"P90", .9},
                 {"P95", .95},   {"P99", .99},   {"P99.5", .995}, {"P99.9", .999}, {"P100", 1}};

static void text_hist(const struct sp_stat *s, struct sp_buf *out)
{
    struct sp_hist_sum h;
    sp_stat_hist(s, &h);
    put(out, "%.*s: ", SP_STR_ARG(s->name));
    if (!h.n)
        put(out, "No recorded values");
    for (size_t i = 0; h.n && i < SP_ARRAY_LEN(quantiles); i++)
        put(out, "%s%s(nan,%.4g)", i ? " " : "", quantiles[i].name, sp_hist_quantile(&h, quantiles[i].share));
    put(out, "\n");
}

void sp_stats_text(const struct sp_stats_query *q, struct sp_buf *out)
{
    assert(q && out);
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry_sort();
    for (int hist = 0; hist < 2; hist++) { /* Envoy shows histograms behind all others */
        for (unsigned i = 0; i < sp_registry.n; i++) {
            struct sp_stat *s = sp_registry.v[i];
            if ((s->kind == SP_STAT_HISTOGRAM) != hist || !wanted(q, s))
                continue;
            if (hist)
                text_hist(s, out);
            else
                put(out, "%.*s: %llu\n", SP_STR_ARG(s->name), (unsigned long long)sp_stat_value(s));
        }
    }
    pthread_mutex_unlock(&sp_registry.lock);
}

/* Names come from the config: quotes and backslashes have to be masked. Control bytes were replaced before. */
static void put_quoted(struct sp_buf *out, struct sp_str s)
{
    sp_buf_append(out, "\"", 1);
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '"' || s.ptr[i] == '\\')
            sp_buf_append(out, "\\", 1);
        sp_buf_append(out, s.ptr + i, 1);
    }
    sp_buf_append(out, "\"", 1);
}

static void json_hist(const struct sp_stat *s, struct sp_buf *out)
{
    struct sp_hist_sum h;
    sp_stat_hist(s, &h);
    put(out, "{\"name\":");
    put_quoted(out, s->name);
    put(out, ",\"values\":[");
    for (size_t i = 0; i < SP_ARRAY_LEN(quantiles); i++) {
        put(out, "%s{\"interval\":null,\"cumulative\":", i ? "," : "");
        if (h.n)
            put(out, "%.6g}", sp_hist_quantile(&h, quantiles[i].share));
        else
            put(out, "null}");
    }
    put(out, "]}");
}

static void json_hists(const struct sp_stats_query *q, bool first, struct sp_buf *out)
{
    bool none = true;
    for (unsigned i = 0; i < sp_registry.n; i++) {
        struct sp_stat *s = sp_registry.v[i];
        if (s->kind != SP_STAT_HISTOGRAM || !wanted(q, s))
            continue;
        if (none) {
            put(out, "%s{\"histograms\":{\"supported_quantiles\":[", first ? "" : ",");
            for (size_t k = 0; k < SP_ARRAY_LEN(quantiles); k++)
                put(out, "%s%g", k ? "," : "", quantiles[k].share * 100);
            put(out, "],\"computed_quantiles\":[");
        } else {
            put(out, ",");
        }
        none = false;
        json_hist(s, out);
    }
    if (!none)
        put(out, "]}}");
}

void sp_stats_json(const struct sp_stats_query *q, struct sp_buf *out)
{
    assert(q && out);
    bool first = true;
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry_sort();
    put(out, "{\"stats\":[");
    for (unsigned i = 0; i < sp_registry.n; i++) {
        struct sp_stat *s = sp_registry.v[i];
        if (s->kind == SP_STAT_HISTOGRAM || !wanted(q, s))
            continue;
        put(out, "%s{\"name\":", first ? "" : ",");
        put_quoted(out, s->name);
        put(out, ",\"value\":%llu}", (unsigned long long)sp_stat_value(s));
        first = false;
    }
    json_hists(q, first, out);
    put(out, "]}\n");
    pthread_mutex_unlock(&sp_registry.lock);
}

static struct sp_str metric(const struct sp_stat *s)
{
    return s->shown ? s->shown->metric : s->metric;
}

static int by_metric(const void *a, const void *b)
{
    const struct sp_stat *x = *(struct sp_stat *const *)a, *y = *(struct sp_stat *const *)b;
    int r = sp_str_cmp(metric(x), metric(y));
    return r ? r : sp_str_cmp(x->name, y->name);
}

static void put_labels(const struct sp_stat *s, const char *le, struct sp_buf *out)
{
    const struct sp_label *labels = s->shown ? s->shown->labels : s->labels;
    unsigned n = s->shown ? s->shown->n_labels : s->n_labels;
    sp_buf_append(out, "{", 1);
    for (unsigned i = 0; i < n; i++) {
        put(out, "%s%s=", i ? "," : "", labels[i].name);
        put_quoted(out, labels[i].value);
    }
    if (le)
        put(out, "%sle=\"%s\"", n ? "," : "", le);
    sp_buf_append(out, "}", 1);
}

static void prometheus_hist(const struct sp_stat *s, struct sp_buf *out)
{
    static const double usual[] = {0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
                                   2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};
    unsigned n_bounds = SP_ARRAY_LEN(usual);
    const double *own = sp_stat_bounds(s, &n_bounds), *bounds = own ? own : usual;
    struct sp_hist_sum h;
    sp_stat_hist(s, &h);
    uint64_t seen = 0;
    unsigned b = 0;
    for (unsigned i = 0; i < n_bounds; i++) {
        double le = bounds[i];
        char text[32];
        snprintf(text, sizeof(text), "%.10g", le);
        /* Values are whole numbers: a bucket counts when its largest one is not over the bound. */
        while (b + 1 < SP_HIST_BUCKETS && (double)(sp_hist_floor(b + 1) - 1) <= le)
            seen += h.count[b++];
        put(out, "%.*s_bucket", SP_STR_ARG(metric(s)));
        put_labels(s, text, out);
        put(out, " %llu\n", (unsigned long long)seen);
    }
    put(out, "%.*s_bucket", SP_STR_ARG(metric(s)));
    put_labels(s, "+Inf", out);
    put(out, " %llu\n%.*s_sum", (unsigned long long)h.n, SP_STR_ARG(metric(s)));
    put_labels(s, NULL, out);
    put(out, " %llu\n%.*s_count", (unsigned long long)h.sum, SP_STR_ARG(metric(s)));
    put_labels(s, NULL, out);
    put(out, " %llu\n", (unsigned long long)h.n);
}

void sp_stats_prometheus(const struct sp_stats_query *q, struct sp_buf *out)
{
    assert(q && out);
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    pthread_mutex_lock(&sp_registry.lock);
    unsigned n = 0;
    struct sp_stat **v = sp_xcalloc(sp_registry.n + 1, sizeof(*v));
    for (unsigned i = 0; i < sp_registry.n; i++)
        if (wanted(q, sp_registry.v[i]))
            v[n++] = sp_registry.v[i];
    qsort(v, n, sizeof(*v), by_metric);
    for (unsigned i = 0; i < n; i++) {
        const struct sp_stat *s = v[i];
        if (!i || !sp_str_eq(metric(s), metric(v[i - 1])))
            put(out, "# TYPE %.*s %s\n", SP_STR_ARG(metric(s)), kinds[s->kind]);
        if (s->kind == SP_STAT_HISTOGRAM) {
            prometheus_hist(s, out);
            continue;
        }
        sp_buf_append_str(out, metric(s));
        put_labels(s, NULL, out);
        put(out, " %llu\n", (unsigned long long)sp_stat_value(s));
    }
    free(v);
    pthread_mutex_unlock(&sp_registry.lock);
}
