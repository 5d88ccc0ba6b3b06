/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "stats/registry.h"

enum { HISTS_MAX = 65536 };

/* A slab as it is: what stats.h shows, and the histograms' shares. */
struct slab {
    struct sp_slab cells;
    struct sp_hist_share *_Atomic hists[HISTS_MAX];
};

_Thread_local struct sp_slab *sp_slab_self;
struct sp_stats_registry sp_registry = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct sp_stats_scope root;

struct sp_slab *sp_slab_main(void)
{
    assert(sp_registry.slabs && "sp_stats_init comes first");
    return sp_registry.slabs[0];
}

static void add_chunk(unsigned chunk)
{
    assert(chunk < SP_STATS_CHUNKS);
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        atomic_store(&sp_registry.slabs[i]->chunks[chunk], sp_xcalloc(SP_STATS_CHUNK, sizeof(uint64_t)));
}

void sp_stats_init(unsigned n_threads)
{
    assert(!sp_registry.slabs);
    sp_arena_init(&sp_registry.arena);
    sp_map_init(&sp_registry.by_name);
    sp_map_init(&sp_registry.scopes);
    sp_list_init(&sp_registry.ended);
    sp_registry.n_slabs = n_threads + 1;
    sp_registry.slabs = sp_xcalloc(sp_registry.n_slabs, sizeof(*sp_registry.slabs));
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        sp_registry.slabs[i] = sp_xcalloc(1, sizeof(struct slab));
    sp_registry.cells = 1; /* cell 0 is the one that nobody reads */
    sp_registry.hists = 1;
    add_chunk(0);
}

void sp_stats_done(void)
{
    for (unsigned i = 0; i < sp_registry.n_slabs; i++) {
        struct slab *s = (struct slab *)sp_registry.slabs[i];
        for (unsigned c = 0; c < SP_STATS_CHUNKS; c++)
            free((void *)atomic_load(&s->cells.chunks[c]));
        for (unsigned h = 0; h < sp_registry.hists; h++)
            free(atomic_load(&s->hists[h]));
        free(s);
    }
    for (unsigned i = 0; i < sp_registry.n; i++)
        free(sp_registry.v[i]->shown);
    sp_registry_free_homes();
    free(sp_registry.slabs);
    free(sp_registry.v);
    sp_map_done(&sp_registry.by_name);
    sp_map_done(&sp_registry.scopes);
    sp_arena_done(&sp_registry.arena);
    sp_registry.slabs = NULL;
    sp_registry.v = NULL;
    sp_registry.n = sp_registry.cap = sp_registry.n_slabs = 0;
    sp_slab_self = NULL;
}

void sp_stats_thread(unsigned index)
{
    assert(index > 0 && index < sp_registry.n_slabs);
    sp_slab_self = sp_registry.slabs[index];
}

void sp_gauge_set(struct sp_gauge g, uint64_t value)
{
    struct sp_slab *slab = sp_slab_self ? sp_slab_self : sp_slab_main();
    atomic_store_explicit(&atomic_load(&slab->chunks[g.cell / SP_STATS_CHUNK])[g.cell % SP_STATS_CHUNK], value,
                          memory_order_relaxed);
}

unsigned sp_hist_bucket(uint64_t value)
{
    if (value < SP_HIST_EXACT)
        return (unsigned)value;
    unsigned top = 63 - (unsigned)__builtin_clzll(value); /* 4 or more */
    unsigned sub = (unsigned)(value >> (top - 3)) & (SP_HIST_SUB - 1);
    return SP_MIN(SP_HIST_EXACT + (top - 4) * SP_HIST_SUB + sub, (unsigned)SP_HIST_BUCKETS - 1);
}

uint64_t sp_hist_floor(unsigned bucket)
{
    if (bucket < SP_HIST_EXACT)
        return bucket;
    unsigned top = (bucket - SP_HIST_EXACT) / SP_HIST_SUB + 4, sub = (bucket - SP_HIST_EXACT) % SP_HIST_SUB;
    return (uint64_t)(SP_HIST_SUB + sub) << (top - 3);
}

static void bump(_Atomic uint64_t *p, uint64_t n)
{
    atomic_store_explicit(p, atomic_load_explicit(p, memory_order_relaxed) + n, memory_order_relaxed);
}

void sp_histogram_record(struct sp_histogram h, uint64_t value)
{
    struct slab *slab = (struct slab *)(sp_slab_self ? sp_slab_self : sp_slab_main());
    struct sp_hist_share *share = atomic_load_explicit(&slab->hists[h.cell], memory_order_relaxed);
    if (SP_UNLIKELY(!share)) {
        share = sp_xcalloc(1, sizeof(*share));
        atomic_store_explicit(&slab->hists[h.cell], share, memory_order_release);
    }
    bump(&share->sum, value);
    bump(&share->count[sp_hist_bucket(value)], 1);
}

struct sp_stats_scope *sp_stats_root(void)
{
    return &root;
}

/* Names that are only looked for take no memory of the registry: configs come and go. */
static struct sp_str cleaned(struct sp_arena *a, struct sp_str value)
{
    struct sp_str s = sp_arena_str(a, value);
    for (size_t i = 0; i < s.len; i++) {
        char *c = (char *)s.ptr + i;
        if (*c == ':' || (unsigned char)*c <= ' ' || *c == 0x7f)
            *c = '_';
    }
    return s;
}

static struct sp_arena *memory_of(struct sp_stats_home *home)
{
    return home ? &home->arena : &sp_registry.arena;
}

static struct sp_stats_scope *scope_new(struct sp_stats_home *home, const struct sp_stats_scope *parent, struct sp_str prefix,
                                        struct sp_str name, const char *tag, struct sp_str value)
{
    struct sp_arena *a = memory_of(home);
    struct sp_stats_scope *s = sp_arena_zalloc(a, sizeof(*s));
    *s = *parent;
    s->home = home;
    for (unsigned i = 0; i < s->n_labels; i++)
        s->labels[i].value = sp_arena_str(a, s->labels[i].value);
    s->prefix = sp_arena_str(a, prefix);
    s->bare = sp_arena_printf(a, "%.*s%.*s%s", SP_STR_ARG(parent->bare), SP_STR_ARG(name), name.len ? "." : "");
    if (!tag && value.len)
        s->bare = sp_arena_printf(a, "%.*s%.*s.", SP_STR_ARG(s->bare), SP_STR_ARG(value));
    if (tag && value.len && s->n_labels < SP_STATS_LABELS)
        s->labels[s->n_labels++] = (struct sp_label){tag, sp_arena_str(a, value)};
    sp_map_add(&sp_registry.scopes, s->prefix, s);
    return s;
}

static struct sp_stats_scope *scope_of(struct sp_stats_scope *parent, struct sp_str name, const char *tag, struct sp_str value,
                                       bool hold)
{
    struct sp_arena tmp;
    sp_arena_init(&tmp);
    value = cleaned(&tmp, value);
    struct sp_str prefix = sp_arena_printf(&tmp, "%.*s%.*s%s%.*s%s", SP_STR_ARG(parent->prefix), SP_STR_ARG(name),
                                           name.len ? "." : "", SP_STR_ARG(value), value.len ? "." : "");
    struct sp_stats_scope *s = sp_map_get(&sp_registry.scopes, prefix);
    struct sp_stats_home *home = parent->home;
    if (!s && hold) {
        home = sp_xcalloc(1, sizeof(*home));
        sp_arena_init(&home->arena);
        sp_list_init(&home->link);
    }
    if (!s)
        s = scope_new(home, parent, prefix, name, tag, value);
    sp_arena_done(&tmp);
    return s;
}

struct sp_stats_scope *sp_stats_scope(struct sp_stats_scope *parent, struct sp_str name, const char *tag,
                                      struct sp_str value)
{
    assert(parent && sp_registry.slabs);
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stats_scope *s = scope_of(parent, name, tag, value, false);
    sp_registry_pin(s->home, parent->home);
    pthread_mutex_unlock(&sp_registry.lock);
    return s;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

struct sp_stats_scope *sp_stats_scope_hold(struct sp_stats_scope *parent, struct sp_str name, const char *tag, struct sp_str value)
{
    assert(parent && sp_registry.slabs);
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stats_scope *s = scope_of(parent, name, tag, value, true);
    if (s->home && s->home->holds++ == 0 && sp_list_linked(&s->home->link))
        sp_list_remove(&s->home->link);
    sp_registry_sweep(now_ns());
    pthread_mutex_unlock(&sp_registry.lock);
    return s;
}

void sp_stats_scope_drop(struct sp_stats_scope *scope)
{
    if (!scope || !sp_registry.slabs || !scope->home) /* the admin page goes when all is over */
        return;
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stats_home *home = scope->home;
    assert(home->holds > 0);
    if (--home->holds == 0) {
        home->ended_ns = now_ns();
        sp_list_push_back(&sp_registry.ended, &home->link);
    }
    pthread_mutex_unlock(&sp_registry.lock);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "..._rq_200" and "..._rq_2xx" are one metric with a label each, as Envoy has it. */
static struct sp_str take_code(struct sp_arena *a, struct sp_str name, struct sp_stat *s)
{
    const char *e = name.ptr + name.len;
    if (name.len < 7 || e[-4] != '_' || !is_digit(e[-3]))
        return name;
    if (e[-2] == 'x' && e[-1] == 'x') {
        s->labels[s->n_labels++] = (struct sp_label){"envoy_response_code_class", {e - 3, 1}};
        return sp_arena_printf(a, "%.*s_xx", (int)name.len - 4, name.ptr);
    }
    if (!is_digit(e[-2]) || !is_digit(e[-1]))
        return name;
    s->labels[s->n_labels++] = (struct sp_label){"envoy_response_code", {e - 3, 3}};
    return sp_str_sub(name, 0, name.len - 4);
}

static struct sp_str metric_name(struct sp_arena *a, struct sp_str bare, struct sp_str name)
{
    struct sp_str m = sp_arena_printf(a, "envoy_%.*s%.*s", SP_STR_ARG(bare), SP_STR_ARG(name));
    for (size_t i = 0; i < m.len; i++)
        ((char *)m.ptr)[i] = sp_metric_char(m.ptr[i]);
    return m;
}

static uint32_t again_cell(void)
{
    uint32_t cell = sp_registry.free_cells.v[--sp_registry.free_cells.n];
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        atomic_store_explicit(&atomic_load(&sp_registry.slabs[i]->chunks[cell / SP_STATS_CHUNK])[cell % SP_STATS_CHUNK], 0,
                              memory_order_relaxed);
    return cell;
}

static uint32_t again_hist(void)
{
    uint32_t hist = sp_registry.free_hists.v[--sp_registry.free_hists.n];
    for (unsigned i = 0; i < sp_registry.n_slabs; i++) {
        struct sp_hist_share *share = atomic_load_explicit(&((struct slab *)sp_registry.slabs[i])->hists[hist], memory_order_acquire);
        if (!share)
            continue;
        atomic_store_explicit(&share->sum, 0, memory_order_relaxed);
        for (unsigned b = 0; b < SP_HIST_BUCKETS; b++)
            atomic_store_explicit(&share->count[b], 0, memory_order_relaxed);
    }
    return hist;
}

static uint32_t new_cell(enum sp_stat_kind kind)
{
    if (kind == SP_STAT_HISTOGRAM && sp_registry.free_hists.n)
        return again_hist();
    if (kind == SP_STAT_HISTOGRAM) /* over the limit they share number 0, which nobody reads */
        return sp_registry.hists < HISTS_MAX ? sp_registry.hists++ : 0;
    if (sp_registry.free_cells.n)
        return again_cell();
    if (sp_registry.cells == (uint32_t)SP_STATS_CHUNK * SP_STATS_CHUNKS)
        return 0;
    if (sp_registry.cells % SP_STATS_CHUNK == 0)
        add_chunk(sp_registry.cells / SP_STATS_CHUNK);
    return sp_registry.cells++;
}

static struct sp_stat *stat_new(const struct sp_stats_scope *scope, struct sp_str full, struct sp_str name, enum sp_stat_kind kind)
{
    struct sp_stats_registry *r = &sp_registry;
    struct sp_arena *a = memory_of(scope->home);
    struct sp_stat *s = sp_arena_zalloc(a, sizeof(*s));
    s->home = scope->home;
    s->name = sp_arena_str(a, full);
    s->kind = kind;
    s->cell = new_cell(kind);
    memcpy(s->labels, scope->labels, sizeof(scope->labels));
    s->n_labels = scope->n_labels;
    s->metric = metric_name(a, scope->bare, take_code(a, sp_str_sub(s->name, s->name.len - name.len, s->name.len), s));
    sp_map_add(&r->by_name, s->name, s);
    if (r->n == r->cap) {
        r->cap = r->cap ? r->cap * 2 : 256;
        r->v = sp_xrealloc(r->v, r->cap * sizeof(*r->v));
    }
    r->v[r->n++] = s;
    r->sorted = false;
    return s;
}

static uint32_t stat_cell(struct sp_stats_scope *scope, struct sp_str name, enum sp_stat_kind kind)
{
    assert(scope && name.len && sp_registry.slabs);
    struct sp_arena tmp;
    sp_arena_init(&tmp);
    pthread_mutex_lock(&sp_registry.lock);
    name = cleaned(&tmp, name);
    struct sp_str full = sp_arena_cat(&tmp, scope->prefix, name);
    struct sp_stat *s = sp_map_get(&sp_registry.by_name, full);
    if (!s)
        s = stat_new(scope, full, name, kind);
    sp_registry_pin(s->home, scope->home);
    uint32_t cell = s->kind == kind ? s->cell : 0;
    pthread_mutex_unlock(&sp_registry.lock);
    sp_arena_done(&tmp);
    return cell;
}

struct sp_counter sp_stats_counter(struct sp_stats_scope *scope, struct sp_str name)
{
    return (struct sp_counter){stat_cell(scope, name, SP_STAT_COUNTER)};
}

struct sp_gauge sp_stats_gauge(struct sp_stats_scope *scope, struct sp_str name)
{
    return (struct sp_gauge){stat_cell(scope, name, SP_STAT_GAUGE)};
}

struct sp_histogram sp_stats_histogram(struct sp_stats_scope *scope, struct sp_str name)
{
    return (struct sp_histogram){stat_cell(scope, name, SP_STAT_HISTOGRAM)};
}

void sp_code_counters_init(struct sp_code_counters *c, struct sp_stats_scope *scope, const char *prefix)
{
    assert(c && scope && prefix);
    memset(c, 0, sizeof(*c));
    c->scope = scope;
    c->prefix = prefix;
    for (unsigned i = 1; i < 6; i++) {
        char name[64];
        int n = snprintf(name, sizeof(name), "%s%uxx", prefix, i);
        c->classes[i] = sp_stats_counter(scope, sp_str_n(name, (size_t)n));
    }
}

void sp_code_counters_inc(struct sp_code_counters *c, unsigned status, bool single)
{
    assert(c && c->scope);
    if (status < 100 || status > 599)
        return;
    sp_counter_inc(c->classes[status / 100]);
    if (!single)
        return;
    uint32_t cell = atomic_load_explicit(&c->codes[status], memory_order_relaxed);
    if (SP_UNLIKELY(!cell)) {
        char name[64];
        int n = snprintf(name, sizeof(name), "%s%u", c->prefix, status);
        cell = sp_stats_counter(c->scope, sp_str_n(name, (size_t)n)).cell;
        atomic_store_explicit(&c->codes[status], cell, memory_order_relaxed);
    }
    sp_cell_add(cell, 1);
}

static uint64_t cell_sum(uint32_t cell)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < sp_registry.n_slabs; i++)
        sum += atomic_load_explicit(
            &atomic_load(&sp_registry.slabs[i]->chunks[cell / SP_STATS_CHUNK])[cell % SP_STATS_CHUNK],
            memory_order_relaxed);
    return sum;
}

uint64_t sp_counter_value(struct sp_counter c)
{
    return cell_sum(c.cell);
}

uint64_t sp_gauge_value(struct sp_gauge g)
{
    return cell_sum(g.cell);
}

uint64_t sp_stat_value(const struct sp_stat *s)
{
    uint64_t v = cell_sum(s->cell);
    /* Shares are read one after the other: a moving gauge can look negative. Hashes (version) have the other large values. */
    if (s->kind == SP_STAT_GAUGE)
        return v > UINT64_MAX - (UINT64_C(1) << 40) ? 0 : v;
    return v - s->base;
}

void sp_stat_hist(const struct sp_stat *s, struct sp_hist_sum *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (unsigned i = 0; i < sp_registry.n_slabs; i++) {
        struct slab *slab = (struct slab *)sp_registry.slabs[i];
        struct sp_hist_share *share = atomic_load_explicit(&slab->hists[s->cell], memory_order_acquire);
        if (!share)
            continue;
        ret->sum += atomic_load_explicit(&share->sum, memory_order_relaxed);
        for (unsigned b = 0; b < SP_HIST_BUCKETS; b++) {
            uint64_t n = atomic_load_explicit(&share->count[b], memory_order_relaxed);
            ret->count[b] += n;
            ret->n += n;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return sp_str_cmp((*(struct sp_stat *const *)a)->name, (*(struct sp_stat *const *)b)->name);
}

void sp_registry_sort(void)
{
    if (!sp_registry.sorted && sp_registry.n)
        qsort(sp_registry.v, sp_registry.n, sizeof(*sp_registry.v), by_name);
    sp_registry.sorted = true;
}

int sp_stats_find(struct sp_str full_name, uint64_t *ret_value)
{
    assert(ret_value);
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stat *s = sp_map_get(&sp_registry.by_name, full_name);
    if (s && s->kind == SP_STAT_HISTOGRAM) {
        struct sp_hist_sum sum;
        sp_stat_hist(s, &sum);
        *ret_value = sum.n;
    } else if (s) {
        *ret_value = sp_stat_value(s);
    }
    pthread_mutex_unlock(&sp_registry.lock);
    return s ? 0 : -ENOENT;
}

void sp_stats_reset_counters(void)
{
    pthread_mutex_lock(&sp_registry.lock);
    for (unsigned i = 0; i < sp_registry.n; i++)
        if (sp_registry.v[i]->kind == SP_STAT_COUNTER)
            sp_registry.v[i]->base = cell_sum(sp_registry.v[i]->cell);
    pthread_mutex_unlock(&sp_registry.lock);
}
