/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /stats as JSON, in Envoy's structure: {"stats":[{"name":..,"value":..},..,{"histograms":..}]}. */
#include "stats/print_impl.h"

/* In a list: a comma before all but the first. */
static void comma(struct sp_stats_print *p)
{
    if (p->any)
        sp_out_char(&p->out, ',');
    p->any = true;
}

static void put_shares(struct sp_stats_print *p)
{
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++) {
        if (i)
            sp_out_char(&p->out, ',');
        sp_out_g(&p->out, sp_stats_quantiles[i] * 100, 6);
    }
}

/* The list of histograms is begun by the first one of them. */
static void begin_hists(struct sp_stats_print *p)
{
    comma(p);
    p->phase = 2;
    p->any = false;
    SP_OUT_LIT(&p->out, "{\"histograms\":");
    if (p->q.buckets == SP_STATS_CUMULATIVE || p->q.buckets == SP_STATS_DISJOINT) {
        sp_out_char(&p->out, '[');
        return;
    }
    bool detailed = p->q.buckets == SP_STATS_DETAILED;
    sp_out_put(&p->out, detailed ? SP_STR("{\"supported_percentiles\":[") : SP_STR("{\"supported_quantiles\":["));
    put_shares(p);
    sp_out_put(&p->out, detailed ? SP_STR("],\"details\":[") : SP_STR("],\"computed_quantiles\":["));
}

static void put_value(struct sp_stats_print *p, const char *key, bool has, double v)
{
    sp_out_put(&p->out, sp_str_c(key));
    if (has)
        sp_out_value(&p->out, v);
    else
        SP_OUT_LIT(&p->out, "null");
}

static void put_quantiles(struct sp_stats_print *p, const struct sp_stat *s)
{
    double all[SP_STATS_QUANTILES] = {0}, some[SP_STATS_QUANTILES] = {0};
    bool has_all = sp_stats_print_quantiles(s, &p->sum, all), has_some = sp_stats_print_quantiles(s, &p->interval, some);
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++) {
        if (i)
            sp_out_char(&p->out, ',');
        put_value(p, "{\"interval\":", has_some, some[i]);
        put_value(p, ",\"cumulative\":", has_all, all[i]);
        sp_out_char(&p->out, '}');
    }
}

static void put_bucket(struct sp_stats_print *p, bool first, double bound, uint64_t some, uint64_t all)
{
    sp_out_put(&p->out, first ? SP_STR("{\"upper_bound\":") : SP_STR(",{\"upper_bound\":"));
    sp_out_g(&p->out, bound, 10);
    SP_OUT_LIT(&p->out, ",\"interval\":");
    sp_out_u64(&p->out, some);
    SP_OUT_LIT(&p->out, ",\"cumulative\":");
    sp_out_u64(&p->out, all);
    sp_out_char(&p->out, '}');
}

static void put_piece(struct sp_stats_print *p, bool first, const struct sp_hist_piece *piece)
{
    sp_out_put(&p->out, first ? SP_STR("{\"lower_bound\":") : SP_STR(",{\"lower_bound\":"));
    sp_out_g(&p->out, piece->from, 9);
    SP_OUT_LIT(&p->out, ",\"width\":");
    sp_out_g(&p->out, piece->width, 6);
    SP_OUT_LIT(&p->out, ",\"count\":");
    sp_out_u64(&p->out, piece->n);
    sp_out_char(&p->out, '}');
}

static void put_hist(struct sp_stats_print *p, const struct sp_stat *s)
{
    sp_stats_print_hist(p, s);
    switch (p->q.buckets) {
    case SP_STATS_CUMULATIVE:
    case SP_STATS_DISJOINT:
        SP_OUT_LIT(&p->out, ",\"buckets\":[");
        sp_stats_print_buckets(p, s, put_bucket);
        break;
    case SP_STATS_DETAILED:
        SP_OUT_LIT(&p->out, ",\"totals\":[");
        sp_stats_print_pieces(p, s, &p->sum, put_piece);
        SP_OUT_LIT(&p->out, "],\"intervals\":[");
        sp_stats_print_pieces(p, s, &p->interval, put_piece);
        SP_OUT_LIT(&p->out, "],\"percentiles\":[");
        put_quantiles(p, s);
        break;
    default:
        SP_OUT_LIT(&p->out, ",\"values\":[");
        put_quantiles(p, s);
    }
    SP_OUT_LIT(&p->out, "]}");
}

static void begin(struct sp_stats_print *p)
{
    SP_OUT_LIT(&p->out, "{\"stats\":[");
}

static void end(struct sp_stats_print *p)
{
    if (p->phase == 2)
        sp_out_put(&p->out, p->q.buckets == SP_STATS_CUMULATIVE || p->q.buckets == SP_STATS_DISJOINT ? SP_STR("]}") : SP_STR("]}}"));
    SP_OUT_LIT(&p->out, "]}\n");
}

static bool step(struct sp_stats_print *p)
{
    bool over;
    struct sp_stat *s = sp_stats_print_next(p, p->phase > 0, &over);
    if (over && p->phase == 0) {
        p->phase = 1;
        sp_stats_walk_again(&p->walk);
        return false;
    }
    if (over)
        end(p);
    if (!s)
        return over;
    if (p->phase == 1)
        begin_hists(p);
    comma(p);
    SP_OUT_LIT(&p->out, "{\"name\":");
    sp_out_quoted(&p->out, sp_str_n(p->name.v, p->name.n));
    if (p->phase == 2) {
        put_hist(p, s);
        return false;
    }
    SP_OUT_LIT(&p->out, ",\"value\":");
    sp_out_u64(&p->out, sp_stat_value(s));
    sp_out_char(&p->out, '}');
    return false;
}

const struct sp_stats_print_ops sp_stats_print_json = {.begin = begin, .step = step};
