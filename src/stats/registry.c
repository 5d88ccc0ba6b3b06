/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stats/stats.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "stats/registry.h"

enum { PART_MAX = 1000 }; /* of a name; what is longer is cut */

_Thread_local struct sp_slab *sp_slab_self;
struct sp_stats_registry sp_registry = {.lock = PTHREAD_MUTEX_INITIALIZER};
static struct sp_stats_scope root;

struct sp_slab *sp_slab_main(void)
{
    assert(sp_registry.slabs && "sp_stats_init comes first");
    return sp_registry.slabs[0];
}

static void enter(struct sp_stats_scope *s)
{
    struct sp_stats_registry *r = &sp_registry;
    s->hash = sp_name_hash(sp_name_seed(), s->prefix);
    sp_table_add(&r->by_prefix, s->hash, s);
    sp_list_push_back(s->home ? &s->home->scopes : &r->scopes, &s->link);
    sp_scope_order_unref(r->order);
    r->order = NULL;
}

void sp_stats_init(unsigned n_threads)
{
    struct sp_stats_registry *r = &sp_registry;
    assert(!r->slabs);
    sp_arena_init(&r->arena);
    sp_list_init(&r->ended);
    sp_list_init(&r->scopes);
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    r->began_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    r->n_slabs = n_threads + 1;
    r->slabs = sp_xcalloc(r->n_slabs, sizeof(*r->slabs));
    for (unsigned i = 0; i < r->n_slabs; i++)
        r->slabs[i] = sp_xcalloc(1, sizeof(struct sp_slab));
    sp_cells_init();
    root = (struct sp_stats_scope){.prefix = SP_STR(""), .bare = SP_STR(""), .label_text = SP_STR("")};
    enter(&root);
}

void sp_stats_done(void)
{
    struct sp_stats_registry *r = &sp_registry;
    for (unsigned i = 0; i < r->by_name.cap; i++)
        if (r->by_name.v[i].p) {
            sp_stat_leave_family(r->by_name.v[i].p);
            sp_stat_forget(r->by_name.v[i].p);
        }
    r->readers = 0;
    sp_families_sweep();
    sp_registry_free_homes();
    SP_LIST_FOREACH (it, &r->scopes)
        free(SP_CONTAINER_OF(it, struct sp_stats_scope, link)->stats.v);
    sp_scope_order_unref(r->order);
    sp_slabs_free();
    free(r->hists.v);
    sp_table_done(&r->by_name);
    sp_table_done(&r->by_prefix);
    sp_table_done(&r->families);
    sp_arena_done(&r->arena);
    *r = (struct sp_stats_registry){.lock = PTHREAD_MUTEX_INITIALIZER};
    sp_slab_self = NULL;
}

void sp_stats_thread(unsigned index)
{
    assert(index > 0 && index < sp_registry.n_slabs);
    sp_slab_self = sp_registry.slabs[index];
}

struct sp_stats_scope *sp_stats_root(void)
{
    return &root;
}

/* Names that are only looked for take no memory of the registry: configs come and go. */
static struct sp_str cleaned(char out[static PART_MAX], struct sp_str value)
{
    size_t n = SP_MIN(value.len, (size_t)PART_MAX);
    for (size_t i = 0; i < n; i++) {
        char c = value.ptr[i];
        out[i] = (char)(c == ':' || (unsigned char)c <= ' ' || c == 0x7f ? '_' : c);
    }
    return sp_str_n(out, n);
}

static struct sp_arena *memory_of(struct sp_stats_home *home)
{
    return home ? &home->arena : &sp_registry.arena;
}

static void write_labels(struct sp_stats_scope *s, struct sp_arena *a)
{
    size_t room = 1;
    for (unsigned i = 0; i < s->n_labels; i++)
        room += s->labels[i].name.len + 2 * s->labels[i].value.len + 4;
    char *text = sp_arena_alloc(a, room), *at = text;
    for (unsigned i = 0; i < s->n_labels; i++) {
        if (i)
            *at++ = ',';
        at = sp_label_write(at, s->labels[i]);
    }
    s->label_text = sp_str_n(text, (size_t)(at - text));
}

static struct sp_stats_scope *scope_new(struct sp_stats_home *home, const struct sp_stats_scope *parent, struct sp_str prefix,
                                        struct sp_str name, const char *tag, struct sp_str value)
{
    struct sp_arena *a = memory_of(home);
    struct sp_stats_scope *s = sp_arena_zalloc(a, sizeof(*s));
    s->home = home;
    s->n_labels = parent->n_labels;
    for (unsigned i = 0; i < s->n_labels; i++)
        s->labels[i] = (struct sp_label){parent->labels[i].name, sp_arena_str(a, parent->labels[i].value)};
    s->prefix = sp_arena_str(a, prefix);
    bool in_bare = !tag && value.len;
    s->bare = sp_arena_printf(a, "%.*s%.*s%s%.*s%s", SP_STR_ARG(parent->bare), SP_STR_ARG(name), name.len ? "." : "",
                              in_bare ? (int)value.len : 0, value.ptr ? value.ptr : "", in_bare ? "." : "");
    if (tag && value.len && s->n_labels < SP_STATS_LABELS)
        s->labels[s->n_labels++] = (struct sp_label){sp_str_c(tag), sp_arena_str(a, value)};
    write_labels(s, a);
    enter(s);
    return s;
}

static struct sp_stats_home *home_new(void)
{
    struct sp_stats_home *home = sp_xcalloc(1, sizeof(*home));
    sp_arena_init(&home->arena);
    sp_list_init(&home->link);
    sp_list_init(&home->scopes);
    return home;
}

static struct sp_stats_scope *scope_of(struct sp_stats_scope *parent, struct sp_str name, const char *tag, struct sp_str value,
                                       bool hold)
{
    char clean[PART_MAX];
    struct sp_arena tmp;
    sp_arena_init(&tmp);
    value = cleaned(clean, value);
    struct sp_str prefix = sp_arena_printf(&tmp, "%.*s%.*s%s%.*s%s", SP_STR_ARG(parent->prefix), SP_STR_ARG(name),
                                           name.len ? "." : "", SP_STR_ARG(value), value.len ? "." : "");
    prefix.len = SP_MIN(prefix.len, (size_t)SP_STATS_NAME_MAX - PART_MAX);
    struct sp_stats_scope *s = sp_scope_find(prefix, sp_name_hash(sp_name_seed(), prefix));
    if (!s)
        s = scope_new(hold ? home_new() : parent->home, parent, prefix, name, tag, value);
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
static void find_code(struct sp_stat *s)
{
    const char *e = s->name + s->name_len;
    if (s->name_len < 7 || memcmp(e - 6, "rq_", 3) != 0 || !is_digit(e[-3]))
        return;
    s->is_class = e[-2] == 'x' && e[-1] == 'x';
    if (s->is_class)
        s->code = (uint16_t)(e[-3] - '0');
    else if (is_digit(e[-2]) && is_digit(e[-1]))
        s->code = (uint16_t)((e[-3] - '0') * 100 + (e[-2] - '0') * 10 + (e[-1] - '0'));
    s->is_class &= s->code != 0;
}

static struct sp_stat *stat_new(struct sp_stats_scope *scope, struct sp_str name, uint64_t hash, enum sp_stat_kind kind)
{
    struct sp_stats_registry *r = &sp_registry;
    char metric[SP_STATS_NAME_MAX];
    struct sp_stat *s = sp_arena_zalloc(memory_of(scope->home), sizeof(*s) + name.len);
    s->scope = scope;
    memcpy(s->name, name.ptr, name.len);
    s->name_len = (uint16_t)name.len;
    s->kind = (uint8_t)kind;
    s->cell = sp_cell_new(sp_stat_is_hist(s));
    find_code(s);
    sp_table_add(&r->by_name, hash, s);
    sp_stat_list_add(&scope->stats, s);
    scope->sorted = false;
    if (sp_stat_is_hist(s)) {
        s->hist_at = r->hists.n;
        sp_stat_list_add(&r->hists, s);
    }
    if (sp_view_retags()) /* whoever makes a page looks first */
        r->n_retagged++;
    else
        sp_stat_join_family(s, sp_stat_metric(s, metric));
    return s;
}

static uint32_t stat_cell(struct sp_stats_scope *scope, struct sp_str name, enum sp_stat_kind kind)
{
    assert(scope && name.len && sp_registry.slabs);
    char clean[PART_MAX];
    name = cleaned(clean, name);
    pthread_mutex_lock(&sp_registry.lock);
    uint64_t hash = sp_name_hash(scope->hash, name);
    struct sp_stat *s = sp_stat_find(hash, &(struct sp_full_name){scope->prefix, name});
    if (!s)
        s = stat_new(scope, name, hash, kind);
    sp_registry_pin(s->scope->home, scope->home);
    uint32_t cell = s->kind == kind ? s->cell : 0;
    pthread_mutex_unlock(&sp_registry.lock);
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

struct sp_timing sp_stats_timing(struct sp_stats_scope *scope, struct sp_str name)
{
    return (struct sp_timing){stat_cell(scope, name, SP_STAT_TIMING)};
}

int sp_stats_find(struct sp_str full_name, uint64_t *ret_value)
{
    static _Thread_local struct sp_hist_sum sum;
    assert(ret_value);
    pthread_mutex_lock(&sp_registry.lock);
    struct sp_stat *s = sp_stat_find(sp_name_hash(sp_name_seed(), full_name), &(struct sp_full_name){SP_STR(""), full_name});
    if (s && sp_stat_is_hist(s)) {
        sp_stat_hist(s, &sum);
        *ret_value = sum.n;
    } else if (s) {
        *ret_value = sp_stat_value(s);
    }
    pthread_mutex_unlock(&sp_registry.lock);
    return s ? 0 : -ENOENT;
}
