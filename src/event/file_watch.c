/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/file_watch.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "event/file_way.h"

enum { CLOSED_MS = 50, QUIET_MS = 1000, LOOK_MS = 5000 };
#define PLACES (IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE) /* the way may lead elsewhere now */
#define GONE (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF)            /* the directory itself */
#define EVENTS (PLACES | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

struct dir {
    struct dir *next;
    char *path;
    unsigned n_steps; /* of files, that are in it */
    int wd;           /* -1: not watched now, tried again at the next look */
};

/* A name on the way to a file. */
struct step {
    struct dir *dir;
    char *name; /* "": any, in a directory that is watched for itself */
    bool last;
};

struct listener {
    struct listener *next;
    void (*changed)(void *ctx);
    void *ctx;
    struct sp_file_facts told; /* at the last call, or what it was when it was read */
};

struct file {
    struct file *next;
    char *path;
    struct step *steps;
    unsigned n_steps;
    struct listener *listeners;
    struct sp_file_facts seen; /* at the last look */
    uint64_t due_ns;           /* when `seen` counts as settled; 0: nothing is waited for */
    bool is_dir;
};

struct sp_file_watcher {
    uv_poll_t poll;
    struct sp_worker *worker;
    struct sp_timer settle, look;
    struct file *files;
    struct sp_map by_path;
    struct dir *dirs;
    int fd; /* -1: only looks */
    bool closing;
};

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

/* ---- directories ---- */

static void watch_dir(struct sp_file_watcher *fw, struct dir *d)
{
    d->wd = fw->fd < 0 ? -1 : inotify_add_watch(fw->fd, d->path, EVENTS | IN_ONLYDIR);
    if (d->wd < 0 && fw->fd >= 0 && errno == ENOSPC)
        sp_log_limited(SP_LOG_WARNING, "files", 1,
                       "no more directories can be watched; %s is looked at every %d s (raise fs.inotify.max_user_watches)",
                       d->path, LOOK_MS / 1000);
}

static struct dir *dir_take(struct sp_file_watcher *fw, const char *path)
{
    struct dir *d = fw->dirs;
    while (d && strcmp(d->path, path) != 0)
        d = d->next;
    if (!d) {
        d = sp_xcalloc(1, sizeof(*d));
        d->path = sp_xstrdup(path);
        d->next = fw->dirs;
        fw->dirs = d;
        watch_dir(fw, d);
    }
    d->n_steps++;
    return d;
}

/* Another name of the same directory (a bind mount) has the same watch. */
static bool wd_shared(const struct sp_file_watcher *fw, const struct dir *of)
{
    for (const struct dir *d = fw->dirs; d; d = d->next)
        if (d != of && d->wd == of->wd)
            return true;
    return false;
}

static void dir_give(struct sp_file_watcher *fw, struct dir *of)
{
    if (--of->n_steps)
        return;
    if (of->wd >= 0 && !wd_shared(fw, of))
        inotify_rm_watch(fw->fd, of->wd);
    struct dir **at = &fw->dirs;
    while (*at != of)
        at = &(*at)->next;
    *at = of->next;
    free(of->path);
    free(of);
}

/* ---- the way to a file ---- */

struct walk {
    struct sp_file_watcher *fw;
    struct step *steps;
    unsigned n;
};

static void add_step(void *arg, const char *dir, const char *name, bool last)
{
    struct walk *w = arg;
    w->steps = sp_xrealloc(w->steps, (w->n + 1) * sizeof(*w->steps));
    w->steps[w->n++] = (struct step){dir_take(w->fw, dir), sp_xstrdup(name), last};
}

static void forget_way(struct sp_file_watcher *fw, struct step *steps, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        dir_give(fw, steps[i].dir);
        free(steps[i].name);
    }
    free(steps);
}

/* The new one first: directories that stay keep their watch. */
static void find_way(struct sp_file_watcher *fw, struct file *f)
{
    struct walk w = {.fw = fw};
    sp_file_way(f->path, add_step, &w);
    forget_way(fw, f->steps, f->n_steps);
    f->steps = w.steps;
    f->n_steps = w.n;
}

/* ---- changes ---- */

static void arm(struct sp_file_watcher *fw)
{
    uint64_t due = UINT64_MAX, now = fw->worker->turn.now_ns;
    for (const struct file *f = fw->files; f; f = f->next)
        if (f->due_ns)
            due = SP_MIN(due, f->due_ns);
    sp_timer_stop(&fw->settle);
    if (due != UINT64_MAX)
        sp_timer_start(&fw->worker->turn, &fw->settle, due > now ? due - now : 0);
}

static bool all_know(const struct file *f)
{
    for (const struct listener *l = f->listeners; l; l = l->next)
        if (!sp_file_facts_eq(&l->told, &f->seen))
            return false;
    return true;
}

/* `done`: whoever wrote it said that it is whole. */
static void check(struct sp_file_watcher *fw, struct file *f, bool done)
{
    uint64_t now = fw->worker->turn.now_ns;
    struct sp_file_facts facts = sp_file_facts(f->path);
    bool moved = !sp_file_facts_eq(&facts, &f->seen);
    f->seen = facts;
    if (all_know(f))
        f->due_ns = 0;
    else if (done)
        f->due_ns = now + CLOSED_MS * SP_NS_PER_MS;
    else if (moved || !f->due_ns)
        f->due_ns = now + QUIET_MS * SP_NS_PER_MS;
}

/* Whether the system would tell us of a move into it. */
static bool dir_is_watched(const struct file *f)
{
    return f->n_steps && f->steps[f->n_steps - 1].last && !f->steps[f->n_steps - 1].name[0] &&
           f->steps[f->n_steps - 1].dir->wd >= 0;
}

static void tell(struct file *f)
{
    for (struct listener *l = f->listeners; l; l = l->next) {
        if (sp_file_facts_eq(&l->told, &f->seen))
            continue;
        l->told = f->seen;
        l->changed(l->ctx);
    }
}

static void on_settle(struct sp_timer *t)
{
    struct sp_file_watcher *fw = SP_CONTAINER_OF(t, struct sp_file_watcher, settle);
    uint64_t now = fw->worker->turn.now_ns;
    for (struct file *f = fw->files; f; f = f->next) {
        if (!f->due_ns || f->due_ns > now)
            continue;
        struct sp_file_facts facts = sp_file_facts(f->path);
        bool still = sp_file_facts_eq(&facts, &f->seen) || f->is_dir;
        find_way(fw, f);
        if (!still) {
            check(fw, f, false);
            continue;
        }
        f->seen = facts;
        f->due_ns = 0;
        tell(f);
    }
    arm(fw);
}

static void on_look(struct sp_timer *t)
{
    struct sp_file_watcher *fw = SP_CONTAINER_OF(t, struct sp_file_watcher, look);
    for (struct dir *d = fw->dirs; d; d = d->next)
        if (d->wd < 0)
            watch_dir(fw, d);
    for (struct file *f = fw->files; f; f = f->next) {
        struct sp_file_facts facts = sp_file_facts(f->path);
        if (facts.dev != f->seen.dev || facts.ino != f->seen.ino)
            find_way(fw, f);
        else if (f->is_dir && dir_is_watched(f))
            continue; /* files that are made in it do not count */
        check(fw, f, false);
    }
    arm(fw);
    sp_timer_start(&fw->worker->turn, t, LOOK_MS * SP_NS_PER_MS);
}

/* The step that an event is about, or NULL. */
static const struct step *met(const struct file *f, const struct inotify_event *e)
{
    for (unsigned i = 0; i < f->n_steps; i++) {
        const struct step *s = &f->steps[i];
        if (s->dir->wd == e->wd && (!s->name[0] || (e->len && strcmp(e->name, s->name) == 0)))
            return s;
    }
    return NULL;
}

static void handle_file(struct sp_file_watcher *fw, struct file *f, const struct inotify_event *e)
{
    const struct step *s = met(f, e);
    if (!s)
        return;
    bool any = !s->name[0], link = !s->last, done = e->mask & IN_MOVED_TO;
    if (any && !done)
        return;
    done |= (e->mask & IN_CLOSE_WRITE) && s->last;
    done |= (e->mask & IN_CREATE) && link; /* a symlink is whole when it is there */
    if (e->mask & PLACES)
        find_way(fw, f);
    check(fw, f, done);
}

static bool goes_through(const struct file *f, const struct dir *d)
{
    for (unsigned i = 0; i < f->n_steps; i++)
        if (f->steps[i].dir == d)
            return true;
    return false;
}

/* The directory was moved away or removed; another one may have its name now. */
static void handle_gone(struct sp_file_watcher *fw, struct dir *d, const struct inotify_event *e)
{
    if ((e->mask & IN_MOVE_SELF) && !wd_shared(fw, d))
        inotify_rm_watch(fw->fd, d->wd);
    watch_dir(fw, d);
    for (struct file *f = fw->files; f; f = f->next) {
        if (!goes_through(f, d))
            continue;
        find_way(fw, f);
        check(fw, f, false);
    }
}

static void handle(struct sp_file_watcher *fw, const struct inotify_event *e)
{
    if (e->wd < 0)
        return; /* too many events: what is lost is found by looking */
    if (!(e->mask & GONE)) {
        for (struct file *f = fw->files; f; f = f->next)
            handle_file(fw, f, e);
        return;
    }
    for (struct dir *d = fw->dirs, *next; d; d = next) {
        d->n_steps++; /* it lasts until its files have found other ways */
        if (d->wd == e->wd)
            handle_gone(fw, d, e);
        next = d->next;
        dir_give(fw, d);
    }
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct sp_file_watcher *fw = SP_CONTAINER_OF(p, struct sp_file_watcher, poll);
    char buf[8192] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)events;
    if (status < 0 || fw->closing)
        return;
    for (ssize_t n; (n = read(fw->fd, buf, sizeof(buf))) > 0;)
        for (const char *at = buf; at < buf + n;) {
            const struct inotify_event *e = (const void *)at;
            handle(fw, e);
            at += sizeof(*e) + e->len;
        }
    arm(fw);
}

/* ---- making and freeing ---- */

struct sp_file_watcher *sp_file_watcher_new(struct sp_worker *w)
{
    assert(w);
    struct sp_file_watcher *fw = sp_xcalloc(1, sizeof(*fw));
    fw->worker = w;
    fw->settle.fire = on_settle;
    fw->look.fire = on_look;
    sp_map_init(&fw->by_path);
    fw->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fw->fd >= 0 && uv_poll_init(&w->loop, &fw->poll, fw->fd) == 0) {
        uv_poll_start(&fw->poll, UV_READABLE, on_poll);
    } else {
        if (fw->fd >= 0)
            close(fw->fd);
        fw->fd = -1;
        sp_log(SP_LOG_WARNING, "files", "the system watches no files for us (fs.inotify.max_user_instances); they are looked at every %d s",
               LOOK_MS / 1000);
    }
    sp_timer_start(&w->turn, &fw->look, LOOK_MS * SP_NS_PER_MS);
    return fw;
}

static struct file *file_of(struct sp_file_watcher *fw, const char *path)
{
    struct file *f = sp_map_get(&fw->by_path, sp_str_c(path));
    if (f)
        return f;
    f = sp_xcalloc(1, sizeof(*f));
    f->path = sp_xstrdup(path);
    f->is_dir = path[strlen(path) - 1] == '/';
    f->next = fw->files;
    fw->files = f;
    sp_map_add(&fw->by_path, sp_str_c(f->path), f);
    find_way(fw, f);
    return f;
}

void sp_file_watch(struct sp_file_watcher *fw, const char *path, const struct sp_file_facts *known,
                   void (*changed)(void *ctx), void *ctx)
{
    assert(fw && path && path[0] && known && changed);
    struct file *f = file_of(fw, path);
    struct listener *l = sp_xcalloc(1, sizeof(*l));
    l->changed = changed;
    l->ctx = ctx;
    l->told = *known;
    l->next = f->listeners;
    f->listeners = l;
    check(fw, f, false);
    arm(fw);
}

unsigned sp_file_watcher_dirs(const struct sp_file_watcher *fw)
{
    assert(fw);
    unsigned n = 0;
    for (const struct dir *d = fw->dirs; d; d = d->next)
        n++;
    return n;
}

static void finish(struct sp_file_watcher *fw)
{
    if (fw->fd >= 0)
        close(fw->fd);
    free(fw);
}

static void on_close(uv_handle_t *h)
{
    finish(SP_CONTAINER_OF((uv_poll_t *)h, struct sp_file_watcher, poll));
}

static void file_free(struct sp_file_watcher *fw, struct file *f)
{
    forget_way(fw, f->steps, f->n_steps);
    for (struct listener *l; (l = f->listeners) != NULL;) {
        f->listeners = l->next;
        free(l);
    }
    free(f->path);
    free(f);
}

void sp_file_watcher_free(struct sp_file_watcher *fw)
{
    if (!fw)
        return;
    fw->closing = true;
    sp_timer_stop(&fw->settle);
    sp_timer_stop(&fw->look);
    sp_map_done(&fw->by_path);
    for (struct file *f; (f = fw->files) != NULL;) {
        fw->files = f->next;
        file_free(fw, f);
    }
    if (fw->fd >= 0)
        uv_close((uv_handle_t *)&fw->poll, on_close);
    else
        finish(fw);
}
