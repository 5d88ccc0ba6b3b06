/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/file_watch.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { CLOSED_MS = 50, QUIET_MS = 1000, LOOK_MS = 5000 };
#define EVENTS (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB)

struct file {
    struct file *next;
    char *path;
    const char *name; /* its last part */
    void (*changed)(void *ctx);
    void *ctx;
    struct sp_file_facts told, seen; /* at the last call; at the last look */
    uint64_t due_ns;         /* when `seen` counts as settled; 0: nothing is waited for */
};

struct dir {
    struct dir *next;
    char *path;
    int wd;   /* -1: not watched now, tried again at the next look */
    bool own; /* a file's path names it; else the file was found to lie there */
};

struct sp_file_watcher {
    uv_poll_t poll;
    struct sp_worker *worker;
    struct sp_timer settle, look;
    struct file *files;
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

static bool same(const struct sp_file_facts *a, const struct sp_file_facts *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

static void watch_dir(struct sp_file_watcher *fw, struct dir *d)
{
    d->wd = fw->fd < 0 ? -1 : inotify_add_watch(fw->fd, d->path, EVENTS | IN_ONLYDIR);
    if (d->wd < 0 && fw->fd >= 0 && errno == ENOSPC)
        sp_log_limited(SP_LOG_WARNING, "files", 1,
                       "no more directories can be watched; %s is looked at every %d s (raise fs.inotify.max_user_watches)",
                       d->path, LOOK_MS / 1000);
}

/* Takes the directory of `path`, which is cut. */
static void add_dir_of(struct sp_file_watcher *fw, char *path, bool own)
{
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = 0;
    const char *dir = slash ? path : ".";
    for (struct dir *d = fw->dirs; d; d = d->next)
        if (strcmp(d->path, dir) == 0) {
            d->own |= own;
            return;
        }
    struct dir *d = sp_xcalloc(1, sizeof(*d));
    d->path = sp_xstrdup(dir);
    d->own = own;
    d->next = fw->dirs;
    fw->dirs = d;
    watch_dir(fw, d);
}

/* The directory that names the file, and the one that it really lies in: either may bring the change. */
static void add_dirs(struct sp_file_watcher *fw, const char *path)
{
    char *own = sp_xstrdup(path), real[PATH_MAX];
    add_dir_of(fw, own, true);
    free(own);
    if (realpath(path, real))
        add_dir_of(fw, real, false);
}

/* A ConfigMap's files lie in a new directory at every change, and the one before is removed. */
static void forget_gone(struct sp_file_watcher *fw)
{
    for (struct dir **at = &fw->dirs, *d; (d = *at) != NULL;) {
        if (d->own || d->wd >= 0 || access(d->path, F_OK) == 0) {
            at = &d->next;
            continue;
        }
        *at = d->next;
        free(d->path);
        free(d);
    }
}

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

/* `done`: whoever wrote it said that it is whole. */
static void check(struct sp_file_watcher *fw, struct file *f, bool done)
{
    uint64_t now = fw->worker->turn.now_ns;
    struct sp_file_facts facts = sp_file_facts(f->path);
    bool moved = !same(&facts, &f->seen);
    f->seen = facts;
    if (same(&facts, &f->told))
        f->due_ns = 0;
    else if (done)
        f->due_ns = now + CLOSED_MS * SP_NS_PER_MS;
    else if (moved || !f->due_ns)
        f->due_ns = now + QUIET_MS * SP_NS_PER_MS;
}

static void on_settle(struct sp_timer *t)
{
    struct sp_file_watcher *fw = SP_CONTAINER_OF(t, struct sp_file_watcher, settle);
    uint64_t now = fw->worker->turn.now_ns;
    for (struct file *f = fw->files; f; f = f->next) {
        if (!f->due_ns || f->due_ns > now)
            continue;
        struct sp_file_facts facts = sp_file_facts(f->path);
        if (!same(&facts, &f->seen)) {
            check(fw, f, false);
            continue;
        }
        f->told = facts;
        f->due_ns = 0;
        forget_gone(fw);
        add_dirs(fw, f->path); /* it may lie elsewhere now */
        f->changed(f->ctx);
    }
    arm(fw);
}

static void on_look(struct sp_timer *t)
{
    struct sp_file_watcher *fw = SP_CONTAINER_OF(t, struct sp_file_watcher, look);
    for (struct dir *d = fw->dirs; d; d = d->next)
        if (d->wd < 0)
            watch_dir(fw, d);
    for (struct file *f = fw->files; f; f = f->next)
        check(fw, f, false);
    arm(fw);
    sp_timer_start(&fw->worker->turn, t, LOOK_MS * SP_NS_PER_MS);
}

static void handle(struct sp_file_watcher *fw, const struct inotify_event *e)
{
    if (e->mask & IN_IGNORED) /* the directory is gone */
        for (struct dir *d = fw->dirs; d; d = d->next)
            if (d->wd == e->wd)
                d->wd = -1;
    for (struct file *f = fw->files; f; f = f->next) {
        bool own = e->len && strcmp(e->name, f->name) == 0;
        bool swap = e->len && strncmp(e->name, "..", 2) == 0; /* "..data", on the way to a ConfigMap's files */
        check(fw, f, (own && (e->mask & (IN_MOVED_TO | IN_CLOSE_WRITE))) || (swap && (e->mask & IN_MOVED_TO)));
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

struct sp_file_watcher *sp_file_watcher_new(struct sp_worker *w)
{
    assert(w);
    struct sp_file_watcher *fw = sp_xcalloc(1, sizeof(*fw));
    fw->worker = w;
    fw->settle.fire = on_settle;
    fw->look.fire = on_look;
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

void sp_file_watch(struct sp_file_watcher *fw, const char *path, const struct sp_file_facts *known,
                   void (*changed)(void *ctx), void *ctx)
{
    assert(fw && path && path[0] && known && changed);
    struct file *f = sp_xcalloc(1, sizeof(*f));
    f->path = sp_xstrdup(path);
    const char *slash = strrchr(f->path, '/');
    f->name = slash ? slash + 1 : f->path;
    f->changed = changed;
    f->ctx = ctx;
    f->told = f->seen = *known;
    f->next = fw->files;
    fw->files = f;
    add_dirs(fw, path);
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

void sp_file_watcher_free(struct sp_file_watcher *fw)
{
    if (!fw)
        return;
    fw->closing = true;
    sp_timer_stop(&fw->settle);
    sp_timer_stop(&fw->look);
    for (struct file *f; (f = fw->files) != NULL;) {
        fw->files = f->next;
        free(f->path);
        free(f);
    }
    for (struct dir *d; (d = fw->dirs) != NULL;) {
        fw->dirs = d->next;
        free(d->path);
        free(d);
    }
    if (fw->fd >= 0)
        uv_close((uv_handle_t *)&fw->poll, on_close);
    else
        finish(fw);
}
