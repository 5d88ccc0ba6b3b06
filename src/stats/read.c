/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/read.h"

#include <assert.h>

#include "stats/walk.h"

static void read_sum(const struct sp_hist_sum *sum, double scale, struct sp_histogram_reading *ret)
{
    static const double shares[] = {.5, .9, .99, 1};
    double v[SP_ARRAY_LEN(shares)];
    assert(ret);
    *ret = (struct sp_histogram_reading){.n = sum->n};
    if (!sum->n)
        return;
    sp_hist_quantiles(sum, shares, SP_ARRAY_LEN(shares), v);
    ret->p50 = v[0] * scale;
    ret->p90 = v[1] * scale;
    ret->p99 = v[2] * scale;
    ret->p100 = v[3] * scale;
}

static void read_cell(uint32_t cell, double scale, struct sp_histogram_reading *ret)
{
    const struct sp_stat s = {.kind = SP_STAT_HISTOGRAM, .cell = cell};
    struct sp_hist_sum sum;
    sp_stat_hist(&s, &sum);
    read_sum(&sum, scale, ret);
}

void sp_histogram_read(struct sp_histogram h, struct sp_histogram_reading *ret)
{
    read_cell(h.cell, 1, ret);
}

void sp_timing_read(struct sp_timing t, struct sp_histogram_reading *ret)
{
    read_cell(t.cell, 1e-6, ret);
}

void sp_histogram_read_named(struct sp_str full_name, struct sp_histogram_reading *ret)
{
    pthread_mutex_lock(&sp_registry.lock);
    const struct sp_stat *s = sp_stat_find(sp_name_hash(sp_name_seed(), full_name), &(struct sp_full_name){SP_STR(""), full_name});
    uint32_t cell = s && sp_stat_is_hist(s) ? s->cell : 0;
    double scale = s && s->kind == SP_STAT_TIMING ? 1e-6 : 1;
    pthread_mutex_unlock(&sp_registry.lock);
    read_cell(cell, scale, ret);
}

void sp_histogram_read_last(struct sp_str prefix, struct sp_str name, struct sp_histogram_reading *ret)
{
    struct sp_hist_sum sum;
    uint64_t hash = sp_name_hash(sp_name_hash(sp_name_seed(), prefix), name);
    pthread_mutex_lock(&sp_registry.lock);
    const struct sp_stat *s = sp_stat_find(hash, &(struct sp_full_name){prefix, name});
    sp_hist_sum_of_kept(&sum, s && sp_stat_is_hist(s) ? s->u.kept : NULL);
    double scale = s && s->kind == SP_STAT_TIMING ? 1e-6 : 1;
    pthread_mutex_unlock(&sp_registry.lock);
    read_sum(&sum, scale, ret);
}

void sp_stats_walk(struct sp_str prefix, void (*each)(void *arg, const struct sp_stats_reading *r), void *arg)
{
    char full[2 * SP_STATS_NAME_MAX];
    struct sp_stats_walk w;
    struct sp_stat *s;
    assert(each);
    pthread_mutex_lock(&sp_registry.lock);
    sp_stats_walk_begin(&w);
    sp_stats_walk_seek(&w, prefix);
    while ((s = sp_stats_walk_next(&w)) != NULL) {
        struct sp_str before = s->scope->prefix, name = sp_stat_name(s);
        memcpy(full, before.ptr, before.len);
        memcpy(full + before.len, name.ptr, name.len);
        name = sp_str_n(full, before.len + name.len);
        if (!sp_str_starts(name, prefix))
            break;
        if (!sp_stat_is_hist(s) && sp_scope_is_held(s->scope))
            each(arg, &(struct sp_stats_reading){name, s->kind == SP_STAT_GAUGE, sp_stat_value(s)});
    }
    sp_stats_walk_end(&w);
    pthread_mutex_unlock(&sp_registry.lock);
}

struct sp_str sp_stats_scope_prefix(const struct sp_stats_scope *s)
{
    assert(s);
    return s->prefix;
}
