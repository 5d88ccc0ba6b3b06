/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/file_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/mem.h"
#include "event/dir_watch.h"
#include "event/file_way.h"

enum {
    CLOSED_MS = 50,
    QUIET_MS = 1000,
    LOOK_MS = 5000,
    LOOK_AT_ONCE = 256, /* files in one turn */
    LOOK_PAUSE_MS = 2,
};

/* A name on the way to a file. */
struct step {
    struct sp_dir_name at;
    struct step *next;
    struct file *file;
    bool last;
};

struct listener {
    struct sp_list of_file, of_watcher;
    struct file *file;
    void (*changed)(void *ctx);
    void *ctx;
    struct sp_file_facts told; /* at the last call, or what it was when it was read */
};

struct file {
    struct sp_chain_node by_path;
    struct sp_list link, pending, touched;
    struct sp_list listeners;
    char *path;
    struct step *steps;
    struct sp_file_facts seen; /* at the last look */
    uint64_t due_ns;           /* when `seen` counts as settled; 0: nothing is waited for */
    uint64_t since_ns;         /* when the waiting began */
    bool is_dir, restless;
    bool other_way, whole; /* while it is touched: what the events said */
};

/* What all watchers of a thread share. */
struct core {
    struct sp_worker *worker;
    struct sp_dir_watch *dirs;
    struct sp_chains by_path;
    struct sp_list files; /* those that were looked at last stand last */
    struct sp_list pending, touched;
    struct sp_timer settle, look;
    unsigned n_files, n_watchers;
    unsigned n_to_look; /* in this round */
    uint64_t patience_ns;
    bool telling;
};

struct sp_file_watcher {
    struct core *core;
    struct sp_list listeners;
};

static _Thread_local struct core *core_here;
static _Atomic unsigned n_restless;

struct sp_file_facts sp_file_facts(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return (struct sp_file_facts){0};
    return (struct sp_file_facts){.dev = st.st_dev,
                                  .ino = st.st_ino,
                                  .size = (uint64_t)st.st_size,
                                  .mtime_ns = st.st_mtim.tv_sec * (int64_t)SP_NS_PER_S + st.st_mtim.tv_nsec,
                                  .ctime_ns = st.st_ctim.tv_sec * (int64_t)SP_NS_PER_S + st.st_ctim.tv_nsec};
}

bool sp_file_facts_eq(const struct sp_file_facts *a, const struct sp_file_facts *b)
{
    assert(a && b);
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

/* ---- the way to a file ---- */

struct walk {
    struct core *core;
    struct file *file;
    struct step *first;
};

static void add_step(void *arg, const char *dir, const char *name, bool last)
{
    struct walk *w = arg;
    struct step *s = sp_xcalloc(1, sizeof(*s));
    s->file = w->file;
    s->last = last;
    s->next = w->first;
    w->first = s;
    sp_dir_watch_add(w->core->dirs, &s->at, dir, name);
}

static void forget_way(struct core *c, struct step *first)
{
    for (struct step *s = first, *next; s; s = next) {
        next = s->next;
        sp_dir_watch_remove(c->dirs, &s->at);
        free(s);
    }
}

/* The new one first: directories that stay keep their watch. */
static void find_way(struct core *c, struct file *f)
{
    struct walk w = {.core = c, .file = f};
    sp_file_way(f->path, add_step, &w);
    forget_way(c, f->steps);
    f->steps = w.first;
}

/* Whether the system would tell us of a move into it. */
static bool dir_is_watched(const struct file *f)
{
    return f->steps && f->steps->last && !f->steps->at.name[0] && sp_dir_name_watched(&f->steps->at);
}

/* ---- changes ---- */

static void arm(struct core *c)
{
    uint64_t due = UINT64_MAX, now = c->worker->turn.now_ns;
    SP_LIST_FOREACH (it, &c->pending)
        due = SP_MIN(due, SP_CONTAINER_OF(it, struct file, pending)->due_ns);
    sp_timer_stop(&c->settle);
    if (due != UINT64_MAX)
        sp_timer_start(&c->worker->turn, &c->settle, due > now ? due - now : 0);
}

static void rest(struct core *c, struct file *f)
{
    sp_list_remove(&f->pending);
    f->due_ns = 0;
    n_restless -= f->restless;
    f->restless = false;
}

/* Whoever waits for it should know why. */
static void complain(struct core *c, struct file *f)
{
    f->restless = true;
    n_restless++;
    sp_log(SP_LOG_WARNING, "files", "%s has been written for %d s without a pause of a second: it is read when it comes to rest "
           "(better: write another file and move it over this one)", f->path,
           (int)(c->patience_ns / SP_NS_PER_S));
}

static void wait_until(struct core *c, struct file *f, uint64_t due_ns)
{
    uint64_t now = c->worker->turn.now_ns;
    if (!f->due_ns) {
        f->since_ns = now;
        sp_list_push_back(&c->pending, &f->pending);
    }
    f->due_ns = due_ns;
    if (!f->restless && now - f->since_ns >= c->patience_ns)
        complain(c, f);
}

static bool all_know(const struct file *f)
{
    SP_LIST_FOREACH (it, &f->listeners)
        if (!sp_file_facts_eq(&SP_CONTAINER_OF(it, struct listener, of_file)->told, &f->seen))
            return false;
    return true;
}

/* `whole`: whoever wrote it said that it is. */
static void check(struct core *c, struct file *f, bool whole)
{
    uint64_t now = c->worker->turn.now_ns;
    struct sp_file_facts facts = sp_file_facts(f->path);
    bool moved = !sp_file_facts_eq(&facts, &f->seen);
    f->seen = facts;
    if (all_know(f))
        rest(c, f);
    else if (whole)
        wait_until(c, f, now + CLOSED_MS * SP_NS_PER_MS);
    else if (moved || !f->due_ns)
        wait_until(c, f, now + QUIET_MS * SP_NS_PER_MS);
}

static void tell(struct core *c, struct file *f)
{
    c->telling = true;
    SP_LIST_FOREACH (it, &f->listeners) {
        struct listener *l = SP_CONTAINER_OF(it, struct listener, of_file);
        if (sp_file_facts_eq(&l->told, &f->seen))
            continue;
        l->told = f->seen;
        l->changed(l->ctx);
    }
    c->telling = false;
}

static void on_settle(struct sp_timer *t)
{
    struct core *c = SP_CONTAINER_OF(t, struct core, settle);
    uint64_t now = c->worker->turn.now_ns;
    SP_LIST_FOREACH_SAFE (it, &c->pending) {
        struct file *f = SP_CONTAINER_OF(it, struct file, pending);
        if (f->due_ns > now)
            continue;
        struct sp_file_facts facts = sp_file_facts(f->path);
        bool still = sp_file_facts_eq(&facts, &f->seen) || f->is_dir;
        find_way(c, f);
        if (!still) {
            check(c, f, false);
            continue;
        }
        f->seen = facts;
        rest(c, f);
        tell(c, f);
    }
    arm(c);
}

static void look_at(struct core *c, struct file *f)
{
    struct sp_file_facts facts = sp_file_facts(f->path);
    if (facts.dev != f->seen.dev || facts.ino != f->seen.ino)
        find_way(c, f);
    else if (f->is_dir && dir_is_watched(f))
        return; /* files that are made in it do not count */
    check(c, f, false);
}

/* A round goes over all files, a few in a turn. */
static void on_look(struct sp_timer *t)
{
    struct core *c = SP_CONTAINER_OF(t, struct core, look);
    if (!c->n_to_look) {
        sp_dir_watch_again(c->dirs);
        c->n_to_look = c->n_files;
    }
    unsigned n = SP_MIN(SP_MIN(c->n_to_look, c->n_files), (unsigned)LOOK_AT_ONCE);
    c->n_to_look = c->n_to_look > n && n ? c->n_to_look - n : 0;
    while (n--) {
        struct sp_list *it = sp_list_pop(&c->files);
        sp_list_push_back(&c->files, it);
        look_at(c, SP_CONTAINER_OF(it, struct file, link));
    }
    arm(c);
    sp_timer_start(&c->worker->turn, t, (c->n_to_look ? LOOK_PAUSE_MS : LOOK_MS) * SP_NS_PER_MS);
}

/* ---- what the system says ---- */

static struct file *touch(struct core *c, struct step *s)
{
    struct file *f = s->file;
    if (!sp_list_linked(&f->touched))
        sp_list_push_back(&c->touched, &f->touched);
    return f;
}

static void on_name(void *ctx, struct sp_dir_name *n, unsigned what)
{
    struct step *s = SP_CONTAINER_OF(n, struct step, at);
    bool any = !n->name[0];
    if (any && !(what & SP_DIR_MOVED))
        return;
    struct file *f = touch(ctx, s);
    f->other_way |= (what & SP_DIR_PLACES) != 0;
    f->whole |= (what & (SP_DIR_MOVED | SP_DIR_LINKED)) || ((what & SP_DIR_CLOSED) && s->last);
}

static void on_gone(void *ctx, struct sp_dir_name *n)
{
    touch(ctx, SP_CONTAINER_OF(n, struct step, at))->other_way = true;
}

/* Soon, not at the next look: what is lost may be that a secret was taken back. */
static void on_lost(void *ctx)
{
    struct core *c = ctx;
    sp_log_limited(SP_LOG_WARNING, "files", 1, "the system lost count of changes of files (fs.inotify.max_queued_events): all are looked at");
    c->n_to_look = 0;
    sp_timer_stop(&c->look);
    sp_timer_start(&c->worker->turn, &c->look, 0);
}

static void on_read(void *ctx)
{
    struct core *c = ctx;
    for (struct sp_list *it; (it = sp_list_pop(&c->touched)) != NULL;) {
        struct file *f = SP_CONTAINER_OF(it, struct file, touched);
        bool other_way = f->other_way, whole = f->whole;
        f->other_way = f->whole = false;
        if (other_way)
            find_way(c, f);
        check(c, f, whole);
    }
    arm(c);
}

static const struct sp_dir_watch_events events = {.on_name = on_name, .on_gone = on_gone, .on_lost = on_lost, .on_read = on_read};

/* ---- making and freeing ---- */

static struct core *core_take(struct sp_worker *w)
{
    struct core *c = core_here;
    assert(!c || c->worker == w);
    if (!c) {
        c = core_here = sp_xcalloc(1, sizeof(*c));
        c->worker = w;
        c->patience_ns = SP_FILE_RESTLESS_S * SP_NS_PER_S;
        c->settle.fire = on_settle;
        c->look.fire = on_look;
        sp_list_init(&c->files);
        sp_list_init(&c->pending);
        sp_list_init(&c->touched);
        c->dirs = sp_dir_watch_new(w, &events, c);
        if (!sp_dir_watch_works(c->dirs))
            sp_log(SP_LOG_WARNING, "files", "the system watches no files for us (fs.inotify.max_user_instances); they are looked at "
                   "every %d s", LOOK_MS / 1000);
        sp_timer_start(&w->turn, &c->look, LOOK_MS * SP_NS_PER_MS);
    }
    c->n_watchers++;
    return c;
}

static void core_give(struct core *c)
{
    if (--c->n_watchers)
        return;
    sp_timer_stop(&c->settle);
    sp_timer_stop(&c->look);
    sp_dir_watch_free(c->dirs);
    sp_chains_done(&c->by_path);
    free(c);
    core_here = NULL;
}

struct sp_file_watcher *sp_file_watcher_new(struct sp_worker *w)
{
    assert(w);
    struct sp_file_watcher *fw = sp_xcalloc(1, sizeof(*fw));
    sp_list_init(&fw->listeners);
    fw->core = core_take(w);
    return fw;
}

static struct file *file_of(struct core *c, const char *path)
{
    uint64_t hash = sp_str_hash(sp_str_c(path));
    for (struct sp_chain_node *n = sp_chains_first(&c->by_path, hash); n; n = sp_chains_next(n))
        if (strcmp(SP_CONTAINER_OF(n, struct file, by_path)->path, path) == 0)
            return SP_CONTAINER_OF(n, struct file, by_path);
    struct file *f = sp_xcalloc(1, sizeof(*f));
    f->path = sp_xstrdup(path);
    f->is_dir = path[strlen(path) - 1] == '/';
    sp_list_init(&f->listeners);
    sp_list_push_back(&c->files, &f->link);
    sp_chains_add(&c->by_path, &f->by_path, hash);
    c->n_files++;
    find_way(c, f);
    return f;
}

static void file_free(struct core *c, struct file *f)
{
    rest(c, f);
    forget_way(c, f->steps);
    sp_list_remove(&f->touched);
    sp_list_remove(&f->link);
    sp_chains_remove(&c->by_path, &f->by_path);
    c->n_files--;
    free(f->path);
    free(f);
}

void sp_file_watch(struct sp_file_watcher *fw, const char *path, const struct sp_file_facts *known,
                   void (*changed)(void *ctx), void *ctx)
{
    assert(fw && path && path[0] && known && changed);
    struct file *f = file_of(fw->core, path);
    struct listener *l = sp_xcalloc(1, sizeof(*l));
    l->file = f;
    l->changed = changed;
    l->ctx = ctx;
    l->told = *known;
    sp_list_push_back(&f->listeners, &l->of_file);
    sp_list_push_back(&fw->listeners, &l->of_watcher);
    check(fw->core, f, false);
    arm(fw->core);
}

unsigned sp_file_watcher_dirs(const struct sp_file_watcher *fw)
{
    assert(fw);
    return sp_dir_watch_dirs(fw->core->dirs);
}

void sp_file_watcher_patience(struct sp_file_watcher *fw, uint64_t ns)
{
    assert(fw);
    fw->core->patience_ns = ns;
}

unsigned sp_file_watch_restless(void)
{
    return n_restless;
}

void sp_file_watcher_free(struct sp_file_watcher *fw)
{
    if (!fw)
        return;
    struct core *c = fw->core;
    assert(!c->telling);
    SP_LIST_FOREACH_SAFE (it, &fw->listeners) {
        struct listener *l = SP_CONTAINER_OF(it, struct listener, of_watcher);
        struct file *f = l->file;
        sp_list_remove(&l->of_file);
        free(l);
        if (sp_list_empty(&f->listeners))
            file_free(c, f);
    }
    free(fw);
    core_give(c);
}
