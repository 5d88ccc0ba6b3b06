/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/print_impl.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "base/mem.h"

/* Envoy's. */
const double sp_stats_quantiles[SP_STATS_QUANTILES] = {0, .25, .5, .75, .9, .95, .99, .995, .999, 1};
static const double usual_bounds[SP_STATS_BOUNDS] = {0.5,  1,    5,     10,    25,    50,     100,    250,     500,    1000,
                                                     2500, 5000, 10000, 30000, 60000, 300000, 600000, 1800000, 3600000};

struct sp_stats_print *sp_stats_print_new(enum sp_stats_format format, const struct sp_stats_query *q)
{
    static const struct sp_stats_print_ops *const ops[] = {&sp_stats_print_text, &sp_stats_print_json, &sp_stats_print_prometheus, &sp_stats_print_protobuf};
    assert(q && format < SP_ARRAY_LEN(ops));
    struct sp_stats_print *p = sp_xcalloc(1, sizeof(*p));
    p->q = *q;
    p->q.kinds = q->kinds ? q->kinds : SP_STATS_ALL;
    p->ops = ops[format];
    return p;
}

void sp_stats_print_free(struct sp_stats_print *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&sp_registry.lock);
    sp_stats_walk_end(&p->walk);
    pthread_mutex_unlock(&sp_registry.lock);
    free(p->families);
    sp_out_done(&p->out);
    struct sp_out *all[] = {&p->name, &p->whole, &p->metric, &p->value, &p->part};
    for (size_t i = 0; i < SP_ARRAY_LEN(all); i++)
        sp_out_done(all[i]);
    free(p);
}

static void begin(struct sp_stats_print *p)
{
    p->begun = true;
    p->generation = sp_view_generation();
    sp_stats_walk_begin(&p->walk);
    p->ops->begin(p);
}

/* A worker that makes a counter waits for no more than this. */
static int batch(struct sp_stats_print *p, unsigned *budget)
{
    enum { TOGETHER = 64 };
    pthread_mutex_lock(&sp_registry.lock);
    if (!p->begun)
        begin(p);
    bool stale = p->generation != sp_view_generation();
    for (unsigned i = 0; i < TOGETHER && !p->over && !stale && p->out.n < SP_CHUNK_SIZE; i++, (*budget)--)
        p->over = p->ops->step(p);
    if (p->over)
        sp_stats_walk_end(&p->walk);
    pthread_mutex_unlock(&sp_registry.lock);
    return stale ? -ESTALE : !p->over;
}

int sp_stats_print_more(struct sp_stats_print *p, struct sp_buf *out, size_t bytes)
{
    enum { STATS_A_CALL = 4096 };
    size_t before = out->len;
    unsigned budget = STATS_A_CALL;
    int more = !p->over;
    while (more > 0 && budget <= STATS_A_CALL && out->len - before < bytes) {
        more = batch(p, &budget);
        sp_out_move(&p->out, out);
        sched_yield(); /* a worker on this processor that has something to do now need not wait until a slice of time is over */
    }
    return more;
}

static void whole(enum sp_stats_format format, const struct sp_stats_query *q, struct sp_buf *out)
{
    struct sp_stats_print *p = sp_stats_print_new(format, q);
    while (sp_stats_print_more(p, out, SIZE_MAX) > 0) {
    }
    sp_stats_print_free(p);
}

void sp_stats_text(const struct sp_stats_query *q, struct sp_buf *out)
{
    whole(SP_STATS_TEXT, q, out);
}

void sp_stats_json(const struct sp_stats_query *q, struct sp_buf *out)
{
    whole(SP_STATS_JSON, q, out);
}

void sp_stats_prometheus(const struct sp_stats_query *q, struct sp_buf *out)
{
    whole(SP_STATS_PROMETHEUS, q, out);
}

/* ---- what the formats have in common ---- */

bool sp_stats_print_wants(struct sp_stats_print *p, struct sp_stat *s)
{
    static const unsigned kinds[] = {SP_STATS_COUNTERS, SP_STATS_GAUGES, SP_STATS_HISTOGRAMS, SP_STATS_HISTOGRAMS};
    if (!(p->q.kinds & kinds[s->kind]) || !sp_scope_is_held(s->scope) || !sp_stat_look(s))
        return false;
    if (p->q.used_only && !sp_stat_used(s))
        return false;
    p->name.n = 0;
    sp_out_put(&p->name, s->scope->prefix);
    sp_out_put(&p->name, sp_stat_name(s));
    return !p->q.match || p->q.match(p->q.ctx, sp_str_n(p->name.v, p->name.n));
}

struct sp_stat *sp_stats_print_next(struct sp_stats_print *p, bool hists, bool *ret_over)
{
    struct sp_stat *s = sp_stats_walk_next(&p->walk);
    *ret_over = !s;
    return s && sp_stat_is_hist(s) == hists && sp_stats_print_wants(p, s) ? s : NULL;
}

void sp_stats_print_hist(struct sp_stats_print *p, const struct sp_stat *s)
{
    sp_stat_hist(s, &p->sum);
    sp_hist_sum_of_kept(&p->interval, s->u.kept);
}

bool sp_stats_print_quantiles(const struct sp_stat *s, const struct sp_hist_sum *h, double ret[SP_STATS_QUANTILES])
{
    if (!h->n)
        return false;
    sp_hist_quantiles(h, sp_stats_quantiles, SP_STATS_QUANTILES, ret);
    for (unsigned i = 0; i < SP_STATS_QUANTILES; i++)
        ret[i] *= sp_stat_scale(s);
    return true;
}

const double *sp_stats_print_bounds(const struct sp_stat *s, unsigned *ret_n)
{
    const double *own = sp_stat_bounds(s, ret_n);
    if (!own)
        *ret_n = SP_STATS_BOUNDS;
    return own ? own : usual_bounds;
}

uint64_t *sp_stats_print_counts(const struct sp_stat *s, const struct sp_hist_sum *h, const double *bounds, unsigned n, bool disjoint)
{
    double *raw = sp_xcalloc(n + 1, sizeof(*raw));
    uint64_t *ret = sp_xcalloc(n + 1, sizeof(*ret));
    for (unsigned i = 0; i < n; i++)
        raw[i] = bounds[i] / sp_stat_scale(s);
    if (h->n)
        sp_hist_below(h, raw, n, ret);
    for (unsigned i = n; disjoint && i-- > 1;)
        ret[i] -= ret[i - 1];
    free(raw);
    return ret;
}

void sp_stats_print_buckets(struct sp_stats_print *p, const struct sp_stat *s,
                            void (*each)(struct sp_stats_print *p, bool first, double bound, uint64_t some, uint64_t all))
{
    unsigned n;
    bool disjoint = p->q.buckets == SP_STATS_DISJOINT;
    const double *bounds = sp_stats_print_bounds(s, &n);
    uint64_t *all = sp_stats_print_counts(s, &p->sum, bounds, n, disjoint);
    uint64_t *some = sp_stats_print_counts(s, &p->interval, bounds, n, disjoint);
    for (unsigned i = 0; i < n; i++)
        each(p, i == 0, bounds[i], some[i], all[i]);
    free(all);
    free(some);
}

void sp_stats_print_pieces(struct sp_stats_print *p, const struct sp_stat *s, const struct sp_hist_sum *h,
                           void (*each)(struct sp_stats_print *p, bool first, const struct sp_hist_piece *piece))
{
    bool first = true;
    for (unsigned b = 0; b < SP_HIST_BUCKETS; b++) {
        uint64_t n = h->has >> (b / SP_HIST_SUB) & 1 ? h->count[b / SP_HIST_SUB][b % SP_HIST_SUB] : 0;
        if (!n)
            continue;
        each(p, first, &(struct sp_hist_piece){(double)sp_hist_floor(b) * sp_stat_scale(s), (double)sp_hist_width(b) * sp_stat_scale(s), n});
        first = false;
    }
}
