/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Metrics: all stats of one Prometheus name stand together, so that a page need not sort them. */
#include <assert.h>
#include <stdlib.h>

#include "base/mem.h"
#include "stats/registry.h"

char sp_metric_char(char c)
{
    bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    return (char)(fits ? c : '_');
}

char *sp_label_write(char *out, struct sp_label l)
{
    memcpy(out, l.name.ptr, l.name.len);
    out += l.name.len;
    *out++ = '=';
    *out++ = '"';
    for (size_t i = 0; i < l.value.len; i++) { /* control bytes were replaced before */
        if (l.value.ptr[i] == '"' || l.value.ptr[i] == '\\')
            *out++ = '\\';
        *out++ = l.value.ptr[i];
    }
    *out++ = '"';
    return out;
}

struct sp_str sp_stat_bare(const struct sp_stat *s, char out[static SP_STATS_NAME_MAX])
{
    struct sp_str name = sp_stat_name(s);
    if (s->code)
        name.len -= 4; /* "_200", and of a class "_2xx", of which "_xx" stays */
    const struct sp_str parts[] = {s->scope->bare, name, s->is_class ? SP_STR("_xx") : SP_STR_NULL};
    size_t n = 0;
    for (unsigned p = 0; p < SP_ARRAY_LEN(parts); p++) {
        size_t len = SP_MIN(parts[p].len, SP_STATS_NAME_MAX - n);
        if (len)
            memcpy(out + n, parts[p].ptr, len);
        n += len;
    }
    return sp_str_n(out, n);
}

struct sp_str sp_stat_metric(const struct sp_stat *s, char out[static SP_STATS_NAME_MAX])
{
    static const char begin[] = "envoy_";
    char bare[SP_STATS_NAME_MAX];
    struct sp_str name = sp_stat_bare(s, bare);
    size_t n = sizeof(begin) - 1;
    memcpy(out, begin, n);
    for (size_t i = 0; i < name.len && n < SP_STATS_NAME_MAX; i++)
        out[n++] = sp_metric_char(name.ptr[i]);
    return sp_str_n(out, n);
}

bool sp_stat_code_label(const struct sp_stat *s, struct sp_label *ret)
{
    struct sp_str name = sp_stat_name(s);
    if (!s->code)
        return false;
    *ret = s->is_class ? (struct sp_label){SP_STR("envoy_response_code_class"), sp_str_sub(name, name.len - 3, name.len - 2)}
                       : (struct sp_label){SP_STR("envoy_response_code"), sp_str_sub(name, name.len - 3, name.len)};
    return true;
}

struct key {
    struct sp_str metric;
    unsigned kind;
};

static unsigned shown_as(unsigned kind)
{
    return kind == SP_STAT_TIMING ? SP_STAT_HISTOGRAM : kind;
}

static bool same_family(const void *p, const void *key)
{
    const struct sp_family *f = p;
    const struct key *k = key;
    return f->kind == k->kind && sp_str_eq(f->metric, k->metric);
}

void sp_stat_join_family(struct sp_stat *s, struct sp_str metric)
{
    struct sp_stats_registry *r = &sp_registry;
    struct key k = {metric, shown_as(s->kind)};
    uint64_t hash = sp_name_hash(sp_name_seed() + k.kind, metric);
    struct sp_family *f = sp_table_find(&r->families, hash, same_family, &k);
    if (!f) {
        f = sp_xcalloc(1, sizeof(*f) + metric.len);
        memcpy(f->text, metric.ptr, metric.len);
        f->metric = sp_str_n(f->text, metric.len);
        f->kind = (enum sp_stat_kind)k.kind;
        f->hash = hash;
        sp_table_add(&r->families, hash, f);
    }
    assert(!s->family);
    s->family = f;
    s->family_at = f->stats.n;
    sp_stat_list_add(&f->stats, s);
}

void sp_stat_leave_family(struct sp_stat *s)
{
    struct sp_family *f = s->family;
    if (!f)
        return;
    struct sp_stat *last = f->stats.v[--f->stats.n];
    f->stats.v[s->family_at] = last;
    last->family_at = s->family_at;
    s->family = NULL;
}

void sp_families_sweep(void)
{
    struct sp_stats_registry *r = &sp_registry;
    assert(!r->readers);
    for (unsigned i = 0; i < r->families.cap; i++) {
        struct sp_family *f = r->families.v[i].p;
        if (!f || f->stats.n)
            continue;
        sp_table_remove(&r->families, f->hash, f);
        free(f->stats.v);
        free(f);
        i--; /* another may have moved here */
    }
}
