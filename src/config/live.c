/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/live.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "config/files.h"
#include "event/far_watch.h"
#include "stats/stats.h"

struct sp_live {
    struct sp_live_slot slot;
    struct sp_list link, dirty; /* dirty: a file changed and has not been read since */
    struct sp_live_set *set;
    const struct sp_live_kind *kind;
    void *ctx;
    char *label;
    char **paths;
    struct sp_file_facts *known;
    unsigned n_paths;
    struct sp_live_info info;
    char *why;
};

struct sp_live_set {
    struct sp_files *files; /* of the document; counted */
    _Atomic unsigned refs;
    struct sp_list all, dirty, tasks;
    struct sp_worker *main; /* NULL: it has never run */
    struct sp_worker *const *workers;
    unsigned n_workers;
    struct sp_far_watcher *watcher;
    struct load *load; /* under way */
    bool running;
    struct sp_live_set **used; /* of a document: those that it uses, n_used of them, a reference of each */
    unsigned n_used;
    void (*free_owner)(void *owner); /* of a kept set, as what follows */
    void *owner;
    unsigned n_runs; /* documents that run it */
    struct sp_counter taken, refused;
    struct sp_gauge failing;
};

/* A file that is read on a helper thread. */
struct load {
    uv_work_t work;
    struct sp_live_set *set;
    bool unwanted;           /* the set has stopped */
    struct sp_live *live;
    struct sp_diag diag;
    void *fresh;
};

static unsigned n_unwanted; /* main thread: reads under way that nobody waits for */

static pthread_mutex_t peeking = PTHREAD_MUTEX_INITIALIZER;

void sp_live_peek(void)
{
    pthread_mutex_lock(&peeking);
}

void sp_live_peek_over(void)
{
    pthread_mutex_unlock(&peeking);
}

static void free_old(void (*free_value)(void *value), void *value)
{
    sp_live_peek();
    free_value(value);
    sp_live_peek_over();
}

/* Frees a value that nobody reads any more, on the worker that is the last to say so. */
struct farewell {
    void (*free)(void *value);
    void *value;
    _Atomic unsigned left;
    struct farewell_part {
        struct sp_msg msg;
        struct sp_grave grave;
        struct farewell *whole;
    } parts[];
};

static void part_over(struct sp_grave *g)
{
    struct farewell *f = SP_CONTAINER_OF(g, struct farewell_part, grave)->whole;
    if (atomic_fetch_sub(&f->left, 1) != 1)
        return;
    free_old(f->free, f->value);
    free(f);
}

/* What runs later in this turn may still look at the value: the end of the turn is what counts. */
static void part_run(struct sp_msg *m)
{
    struct farewell_part *p = SP_CONTAINER_OF(m, struct farewell_part, msg);
    struct sp_worker *w = sp_worker_self();
    if (w)
        sp_bury(&w->turn, &p->grave);
    else
        part_over(&p->grave);
}

static void retire(struct sp_live *l, void *value)
{
    struct sp_live_set *set = l->set;
    if (!value)
        return;
    if (!set->running) {
        free_old(l->kind->free, value);
        return;
    }
    struct farewell *f = sp_xcalloc(1, sizeof(*f) + set->n_workers * sizeof(f->parts[0]));
    f->free = l->kind->free;
    f->value = value;
    atomic_store(&f->left, set->n_workers);
    for (unsigned i = 0; i < set->n_workers; i++) {
        f->parts[i].msg.run = part_run;
        f->parts[i].grave.free = part_over;
        f->parts[i].whole = f;
    }
    for (unsigned i = 0, n = set->n_workers; i < n; i++)
        sp_worker_post(set->workers[i], &f->parts[i].msg);
}

static bool is_failing(const struct sp_live *l)
{
    return l->info.failed_s != 0;
}

static void note(struct sp_live *l, bool ok, const char *why)
{
    bool before = is_failing(l);
    free(l->why);
    l->why = ok ? NULL : sp_xstrdup(why);
    l->info.why = sp_str_c(l->why);
    l->info.failed_s = ok ? 0 : time(NULL);
    if (ok) {
        l->info.loaded_s = time(NULL);
        l->info.n_loaded++;
    } else {
        l->info.n_failed++;
    }
    if (l->set->main) {
        sp_counter_inc(ok ? l->set->taken : l->set->refused);
        sp_gauge_add(l->set->failing, is_failing(l) - before);
    }
    if (l->kind->tried)
        l->kind->tried(l->ctx, sp_live_get(l), ok);
}

/* Main thread, or a set that does not run. */
static void take(struct sp_live *l, void *value)
{
    void *old = atomic_exchange_explicit(&l->slot.value, value, memory_order_acq_rel);
    retire(l, old);
    note(l, true, NULL);
    if (l->set->running)
        sp_log(SP_LOG_INFO, "files", "%s \"%s\": a new version serves", l->kind->name, l->label);
}

static void refuse(struct sp_live *l, const char *why)
{
    note(l, false, why);
    sp_log(SP_LOG_WARNING, "files", "%s \"%s\": %s: %s", l->kind->name, l->label,
           sp_live_get(l) ? "the new version is refused, the old one serves on" : "nothing could be had yet", why);
}

/* What another thread brings. */
struct news {
    struct sp_msg msg;
    struct sp_live *live;
    void *value; /* NULL: `why` */
    char *why;
};

static void run_news(struct sp_msg *m)
{
    struct news *n = SP_CONTAINER_OF(m, struct news, msg);
    struct sp_live *l = n->live;
    struct sp_live_set *set = l->set;
    if (!l->set->running) {
        if (n->value)
            l->kind->free(n->value);
    } else if (n->value) {
        take(l, n->value);
    } else {
        refuse(l, n->why);
    }
    free(n->why);
    free(n);
    sp_live_set_unref(set);
}

static void bring(struct sp_live *l, void *value, struct sp_str why)
{
    struct sp_live_set *set = l->set;
    char *text = NULL;
    if (!value) {
        text = sp_xmalloc(why.len + 1);
        memcpy(text, why.ptr ? why.ptr : "", why.len);
        text[why.len] = 0;
    }
    if (!set->main) { /* not running, and nobody else is there */
        if (value)
            take(l, value);
        else
            note(l, false, text);
        free(text);
        return;
    }
    struct news *n = sp_xcalloc(1, sizeof(*n));
    *n = (struct news){.msg.run = run_news, .live = l, .value = value, .why = text};
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    sp_worker_post(set->main, &n->msg);
}

void sp_live_publish(struct sp_live *l, void *value)
{
    assert(l && value);
    bring(l, value, SP_STR_NULL);
}

void sp_live_failed(struct sp_live *l, struct sp_str why)
{
    assert(l);
    bring(l, NULL, why);
}

struct sp_live_set *sp_live_set_new(void)
{
    struct sp_live_set *set = sp_xcalloc(1, sizeof(*set));
    atomic_init(&set->refs, 1);
    sp_list_init(&set->all);
    sp_list_init(&set->dirty);
    sp_list_init(&set->tasks);
    return set;
}

void sp_live_set_files(struct sp_live_set *set, struct sp_files *files)
{
    assert(set);
    sp_files_unref(set->files);
    set->files = files ? sp_files_ref(files) : NULL;
}

struct sp_live_set *sp_live_set_new_kept(void (*free_owner)(void *owner), void *owner)
{
    assert(free_owner);
    struct sp_live_set *set = sp_live_set_new();
    set->free_owner = free_owner;
    set->owner = owner;
    return set;
}

static void live_free(struct sp_live *l)
{
    void *value = atomic_load(&l->slot.value);
    if (value)
        l->kind->free(value);
    for (unsigned i = 0; i < l->n_paths; i++)
        free(l->paths[i]);
    free(l->paths);
    free(l->known);
    free(l->label);
    free(l->why);
    free(l);
}

void sp_live_set_unref(struct sp_live_set *set)
{
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(!set->running && !set->load);
    SP_LIST_FOREACH_SAFE (it, &set->all)
        live_free(SP_CONTAINER_OF(it, struct sp_live, link));
    for (unsigned i = 0; i < set->n_used; i++)
        sp_live_set_unref(set->used[i]);
    free(set->used);
    sp_files_unref(set->files);
    if (set->free_owner)
        set->free_owner(set->owner);
    free(set);
}

/* News that are on their way may hold it a little longer: they look at it, and no more at what its values belong to. */
void sp_live_set_free(struct sp_live_set *set)
{
    assert(!set || !set->running);
    sp_live_set_unref(set);
}

void sp_live_set_use(struct sp_live_set *set, struct sp_live_set *kept)
{
    assert(set && !set->running && kept && kept->free_owner && set != kept);
    for (unsigned i = 0; i < set->n_used; i++)
        if (set->used[i] == kept)
            return;
    set->used = sp_xrealloc(set->used, (set->n_used + 1) * sizeof(struct sp_live_set *));
    set->used[set->n_used++] = kept;
    atomic_fetch_add_explicit(&kept->refs, 1, memory_order_relaxed);
}

struct sp_live *sp_live_new(struct sp_live_set *set, const struct sp_live_kind *kind, struct sp_str label, void *ctx,
                            void *value)
{
    assert(set && !set->running && kind && kind->free);
    struct sp_live *l = sp_xcalloc(1, sizeof(*l));
    l->set = set;
    l->kind = kind;
    l->ctx = ctx;
    l->label = sp_xmalloc(label.len + 1);
    memcpy(l->label, label.ptr, label.len);
    l->label[label.len] = 0;
    l->info = (struct sp_live_info){.type = kind, .kind = kind->name, .ctx = ctx, .label = sp_str_n(l->label, label.len)};
    if (value) {
        l->info.loaded_s = time(NULL);
        l->info.n_loaded = 1;
    }
    atomic_store(&l->slot.value, value);
    sp_list_push_back(&set->all, &l->link);
    return l;
}

void sp_live_watch(struct sp_live *l, const char *path)
{
    assert(l && path && path[0] && l->kind->load && !l->set->running);
    l->paths = sp_xrealloc(l->paths, (l->n_paths + 1) * sizeof(*l->paths));
    l->known = sp_xrealloc(l->known, (l->n_paths + 1) * sizeof(*l->known));
    l->known[l->n_paths] = sp_file_facts(path);
    if (l->set->files)
        sp_files_add_watched(l->set->files, path);
    l->paths[l->n_paths++] = sp_xstrdup(path);
    l->info.paths = (const char *const *)l->paths;
    l->info.n_paths = l->n_paths;
}

bool sp_live_load(struct sp_live *l, struct sp_diag *diag)
{
    assert(l && l->kind->load && diag && !sp_live_get(l));
    void *value = l->kind->load(l->ctx, NULL, diag);
    if (value)
        sp_live_publish(l, value);
    return value != NULL;
}

void sp_live_set_add_task(struct sp_live_set *set, struct sp_live_task *t)
{
    assert(set && t && t->start && t->stop && !set->running && !set->free_owner);
    sp_list_push_back(&set->tasks, &t->link);
}

/* Helper thread. Its caches of memory are given back, since libuv owns the thread and ends it when it likes. */
static void load_work(uv_work_t *w)
{
    struct load *load = SP_CONTAINER_OF(w, struct load, work);
    load->fresh = load->live->kind->load(load->live->ctx, sp_live_get(load->live), &load->diag);
    sp_buf_thread_done();
    sp_arena_thread_done();
}

static void load_next(struct sp_live_set *set);

/* All that was wrong, in one line. */
static char *why_of(const struct sp_diag *diag)
{
    struct sp_arena arena;
    sp_arena_init(&arena);
    struct sp_str text = SP_STR("");
    for (unsigned i = 0; i < diag->n_items && text.len < 1000; i++) {
        const struct sp_diag_item *item = &diag->items[i];
        if (item->severity == SP_ERROR)
            text = sp_arena_printf(&arena, "%.*s%s%s", SP_STR_ARG(text), text.len ? "; " : "", item->text);
    }
    char *out = sp_xstrdup(text.len ? text.ptr : "it cannot be read");
    sp_arena_done(&arena);
    return out;
}

static void load_done(uv_work_t *w, int status)
{
    struct load *load = SP_CONTAINER_OF(w, struct load, work);
    struct sp_live_set *set = load->set;
    set->load = NULL;
    if (load->unwanted) {
        n_unwanted--;
        if (load->fresh)
            load->live->kind->free(load->fresh);
    } else if (load->fresh) {
        take(load->live, load->fresh);
    } else if (status == 0) {
        char *why = why_of(&load->diag);
        refuse(load->live, why);
        free(why);
    }
    sp_diag_done(&load->diag);
    free(load);
    load_next(set);
    sp_live_set_unref(set);
}

/* The set stops: what is being read is in use until that is over (sp_live_set_idle), and then nobody wants it. */
static void abandon(struct load *load)
{
    load->unwanted = true;
    n_unwanted++;
    uv_cancel((uv_req_t *)&load->work); /* if it has not begun; load_done comes in any case */
}

static void load_next(struct sp_live_set *set)
{
    struct sp_list *it = set->load || !set->running ? NULL : sp_list_pop(&set->dirty);
    if (!it)
        return;
    struct load *load = set->load = sp_xcalloc(1, sizeof(*load));
    load->set = set;
    atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
    load->live = SP_CONTAINER_OF(it, struct sp_live, dirty);
    sp_diag_init(&load->diag);
    uv_queue_work(&set->main->loop, &load->work, load_work, load_done);
}

static void on_changed(void *ctx)
{
    struct sp_live *l = ctx;
    if (!sp_list_linked(&l->dirty))
        sp_list_push_back(&l->set->dirty, &l->dirty);
    load_next(l->set);
}

static void run(struct sp_live_set *set, struct sp_worker *main, struct sp_worker *const *workers, unsigned n_workers)
{
    struct sp_stats_scope *scope = sp_stats_scope(sp_stats_root(), SP_STR("files"), NULL, SP_STR_NULL);
    set->taken = sp_stats_counter(scope, SP_STR("reload_ok"));
    set->refused = sp_stats_counter(scope, SP_STR("reload_refused"));
    set->failing = sp_stats_gauge(scope, SP_STR("failing"));
    set->main = main;
    set->workers = workers;
    set->n_workers = n_workers;
    set->running = true;
    SP_LIST_FOREACH (it, &set->all) {
        struct sp_live *l = SP_CONTAINER_OF(it, struct sp_live, link);
        if (l->n_paths && !set->watcher)
            set->watcher = sp_far_watcher_new(main);
        for (unsigned i = 0; i < l->n_paths; i++)
            sp_far_watch(set->watcher, l->paths[i], &l->known[i], on_changed, l);
        if (l->kind->tried && sp_live_get(l))
            l->kind->tried(l->ctx, sp_live_get(l), true);
    }
}

void sp_live_set_run(struct sp_live_set *set, struct sp_worker *main, struct sp_worker *const *workers, unsigned n_workers)
{
    assert(set && main && workers && n_workers > 0 && !set->main);
    for (unsigned i = 0; i < set->n_used; i++)
        if (set->used[i]->n_runs++ == 0)
            run(set->used[i], main, workers, n_workers);
    run(set, main, workers, n_workers);
}

static void stop(struct sp_live_set *set)
{
    set->running = false;
    if (set->load && !set->load->unwanted)
        abandon(set->load);
    sp_far_watcher_free(set->watcher);
    set->watcher = NULL;
    SP_LIST_FOREACH (it, &set->all) {
        struct sp_live *l = SP_CONTAINER_OF(it, struct sp_live, link);
        sp_gauge_add(set->failing, -(int64_t)is_failing(l));
        l->info.failed_s = 0;
        sp_list_remove(&l->dirty);
        /* If it runs again, what happened meanwhile is read. */
        for (unsigned i = 0; i < l->n_paths; i++)
            l->known[i] = (struct sp_file_facts){0};
    }
}

void sp_live_set_stop(struct sp_live_set *set)
{
    assert(set);
    if (!set->running)
        return;
    stop(set);
    for (unsigned i = 0; i < set->n_used; i++)
        if (--set->used[i]->n_runs == 0)
            stop(set->used[i]);
}

bool sp_live_set_idle(const struct sp_live_set *set)
{
    assert(set);
    return !set->load;
}

bool sp_live_is_reading(void)
{
    return n_unwanted > 0;
}

void sp_live_set_start_tasks(struct sp_live_set *set, struct sp_worker *prober)
{
    assert(set && prober);
    SP_LIST_FOREACH (it, &set->tasks) {
        struct sp_live_task *t = SP_CONTAINER_OF(it, struct sp_live_task, link);
        t->start(t, prober);
    }
}

void sp_live_set_stop_tasks(struct sp_live_set *set)
{
    assert(set);
    SP_LIST_FOREACH (it, &set->tasks) {
        struct sp_live_task *t = SP_CONTAINER_OF(it, struct sp_live_task, link);
        t->stop(t);
    }
}

bool sp_live_set_ready(const struct sp_live_set *set)
{
    assert(set);
    SP_LIST_FOREACH (it, &set->tasks)
        if (!atomic_load_explicit(&SP_CONTAINER_OF(it, struct sp_live_task, link)->ready, memory_order_acquire))
            return false;
    return true;
}

void sp_live_set_gauges(const struct sp_live_set *set)
{
    assert(set);
    SP_LIST_FOREACH (it, &set->all) {
        struct sp_live *l = SP_CONTAINER_OF(it, struct sp_live, link);
        if (l->kind->gauges)
            l->kind->gauges(l->ctx, sp_live_get(l));
    }
    for (unsigned i = 0; i < set->n_used; i++)
        sp_live_set_gauges(set->used[i]);
}

void sp_live_set_each(const struct sp_live_set *set, void (*each)(void *arg, const struct sp_live_info *info), void *arg)
{
    assert(set && each);
    SP_LIST_FOREACH (it, &set->all)
        each(arg, &SP_CONTAINER_OF(it, struct sp_live, link)->info);
    for (unsigned i = 0; i < set->n_used; i++)
        sp_live_set_each(set->used[i], each, arg);
}
