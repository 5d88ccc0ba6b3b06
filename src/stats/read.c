/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/read.h"

#include <assert.h>

#include "stats/registry.h"

void sp_histogram_read(struct sp_histogram h, struct sp_histogram_reading *ret)
{
    assert(ret);
    const struct sp_stat s = {.kind = SP_STAT_HISTOGRAM, .cell = h.cell};
    struct sp_hist_sum sum = {0};
    if (h.cell) /* 0 is nobody's */
        sp_stat_hist(&s, &sum);
    *ret = (struct sp_histogram_reading){.n = sum.n};
    if (!sum.n)
        return;
    ret->p50 = sp_hist_quantile(&sum, .5);
    ret->p90 = sp_hist_quantile(&sum, .9);
    ret->p99 = sp_hist_quantile(&sum, .99);
    ret->p100 = sp_hist_quantile(&sum, 1);
}

void sp_histogram_read_named(struct sp_str full_name, struct sp_histogram_reading *ret)
{
    pthread_mutex_lock(&sp_registry.lock);
    const struct sp_stat *s = sp_map_get(&sp_registry.by_name, full_name);
    const struct sp_histogram h = {s && s->kind == SP_STAT_HISTOGRAM ? s->cell : 0};
    pthread_mutex_unlock(&sp_registry.lock);
    sp_histogram_read(h, ret);
}

/* The first stat whose name is not less than `prefix`. */
static unsigned first_of(struct sp_str prefix)
{
    unsigned from = 0, to = sp_registry.n;
    while (from < to) {
        unsigned middle = from + (to - from) / 2;
        if (sp_str_cmp(sp_registry.v[middle]->name, prefix) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

void sp_stats_walk(struct sp_str prefix, void (*each)(void *arg, const struct sp_stats_reading *r), void *arg)
{
    assert(each);
    pthread_mutex_lock(&sp_registry.lock);
    sp_registry_sort();
    for (unsigned i = first_of(prefix); i < sp_registry.n && sp_str_starts(sp_registry.v[i]->name, prefix); i++) {
        const struct sp_stat *s = sp_registry.v[i];
        if (s->kind == SP_STAT_HISTOGRAM || !sp_stat_lives(s))
            continue;
        const struct sp_stats_reading r = {s->name, s->kind == SP_STAT_GAUGE, sp_stat_value(s)};
        each(arg, &r);
    }
    pthread_mutex_unlock(&sp_registry.lock);
}

struct sp_str sp_stats_scope_prefix(const struct sp_stats_scope *s)
{
    assert(s);
    return s->prefix;
}
