/* SPDX-License-Identifier: GPL-2.0-or-later */
/* /stats as text: "name: value" in order of name; histograms behind all others. */
#include "stats/print_impl.h"

static void put_pairs(struct sp_stats_print *p, const struct sp_stat *s)
{
    double all[SP_STATS_QUANTILES], some[SP_STATS_QUANTILES];
    if (!sp_stats_print_quantiles(s, &p->sum, all)) {
        SP_OUT_LIT(&p->out, "No recorded values");
        return;
    }
    bool in_interval = sp_stats_print_quantiles(s, &p->interval, some);
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++) {
        sp_out_put(&p->out, i ? SP_STR(" P") : SP_STR("P"));
        sp_out_g(&p->out, sp_stats_quantiles[i] * 100, 6);
        sp_out_char(&p->out, '(');
        if (in_interval)
            sp_out_value(&p->out, some[i]);
        else
            SP_OUT_LIT(&p->out, "nan");
        sp_out_char(&p->out, ',');
        sp_out_value(&p->out, all[i]);
        sp_out_char(&p->out, ')');
    }
}

static void put_bucket(struct sp_stats_print *p, bool first, double bound, uint64_t some, uint64_t all)
{
    sp_out_put(&p->out, first ? SP_STR("B") : SP_STR(" B"));
    sp_out_g(&p->out, bound, 6);
    sp_out_char(&p->out, '(');
    sp_out_u64(&p->out, some);
    sp_out_char(&p->out, ',');
    sp_out_u64(&p->out, all);
    sp_out_char(&p->out, ')');
}

static void put_piece(struct sp_stats_print *p, bool first, const struct sp_hist_piece *piece)
{
    sp_out_put(&p->out, first ? SP_STR("") : SP_STR(", "));
    sp_out_g(&p->out, piece->from, 9);
    sp_out_char(&p->out, ',');
    sp_out_g(&p->out, piece->width, 6);
    sp_out_char(&p->out, ':');
    sp_out_u64(&p->out, piece->n);
}

static void put_hist(struct sp_stats_print *p, const struct sp_stat *s)
{
    sp_stats_print_hist(p, s);
    if (p->q.buckets == SP_STATS_DETAILED) {
        SP_OUT_LIT(&p->out, "\n  totals=");
        sp_stats_print_pieces(p, s, &p->sum, put_piece);
        SP_OUT_LIT(&p->out, "\n  intervals=");
        sp_stats_print_pieces(p, s, &p->interval, put_piece);
        SP_OUT_LIT(&p->out, "\n  summary=");
    } else {
        sp_out_char(&p->out, ' ');
    }
    if (p->q.buckets == SP_STATS_CUMULATIVE || p->q.buckets == SP_STATS_DISJOINT)
        sp_stats_print_buckets(p, s, put_bucket);
    else
        put_pairs(p, s);
}

static void begin(struct sp_stats_print *p)
{
}

static bool step(struct sp_stats_print *p)
{
    bool over;
    struct sp_stat *s = sp_stats_print_next(p, p->phase == 1, &over);
    if (over && p->phase == 0) {
        p->phase = 1;
        sp_stats_walk_again(&p->walk);
        return false;
    }
    if (!s)
        return over;
    sp_out_put(&p->out, sp_str_n(p->name.v, p->name.n));
    sp_out_char(&p->out, ':');
    if (p->phase == 1) {
        put_hist(p, s);
    } else {
        sp_out_char(&p->out, ' ');
        sp_out_u64(&p->out, sp_stat_value(s));
    }
    sp_out_char(&p->out, '\n');
    return false;
}

const struct sp_stats_print_ops sp_stats_print_text = {.begin = begin, .step = step};
