/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/dir_watch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

#define PLACES (IN_MOVED_TO | IN_MOVED_FROM | IN_CREATE | IN_DELETE)
#define GONE (IN_IGNORED | IN_MOVE_SELF | IN_DELETE_SELF) /* the directory itself */
#define EVENTS (PLACES | IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_MOVE_SELF | IN_DELETE_SELF)

struct sp_dir {
    struct sp_chain_node by_path, by_wd;
    struct sp_list link, names;
    struct sp_list gone; /* while its end is handled */
    char *path;
    int wd; /* -1: not watched now */
};

struct sp_dir_watch {
    uv_poll_t poll;
    const struct sp_dir_watch_events *events;
    void *ctx;
    struct sp_chains by_path, by_wd, by_name;
    struct sp_list dirs;
    unsigned n_dirs;
    int fd; /* -1: none */
    bool telling, closing;
};

/* ---- directories ---- */

static uint64_t wd_hash(int wd)
{
    return (uint64_t)wd * 0x9e3779b97f4a7c15u >> 20;
}

/* The one after `from`, or the first one: another name of the same directory (a bind mount) has the same number. */
static struct sp_dir *of_wd(const struct sp_dir_watch *dw, int wd, const struct sp_dir *from)
{
    struct sp_chain_node *n = from ? sp_chains_next(&from->by_wd) : sp_chains_first(&dw->by_wd, wd_hash(wd));
    while (n && SP_CONTAINER_OF(n, struct sp_dir, by_wd)->wd != wd)
        n = sp_chains_next(n);
    return n ? SP_CONTAINER_OF(n, struct sp_dir, by_wd) : NULL;
}

static void watch(struct sp_dir_watch *dw, struct sp_dir *d)
{
    d->wd = dw->fd < 0 ? -1 : inotify_add_watch(dw->fd, d->path, EVENTS | IN_ONLYDIR);
    if (d->wd >= 0)
        sp_chains_add(&dw->by_wd, &d->by_wd, wd_hash(d->wd));
    else if (dw->fd >= 0 && errno == ENOSPC)
        sp_log_limited(SP_LOG_WARNING, "files", 1,
                       "no more directories can be watched; %s is only looked at now and then (raise fs.inotify.max_user_watches)", d->path);
}

/* `ended`: the system has done it already. */
static void unwatch(struct sp_dir_watch *dw, struct sp_dir *d, bool ended)
{
    int wd = d->wd;
    if (wd < 0)
        return;
    sp_chains_remove(&dw->by_wd, &d->by_wd);
    d->wd = -1;
    if (!ended && !of_wd(dw, wd, NULL))
        inotify_rm_watch(dw->fd, wd);
}

static struct sp_dir *dir_of(struct sp_dir_watch *dw, const char *path)
{
    uint64_t hash = sp_str_hash(sp_str_c(path));
    for (struct sp_chain_node *n = sp_chains_first(&dw->by_path, hash); n; n = sp_chains_next(n))
        if (strcmp(SP_CONTAINER_OF(n, struct sp_dir, by_path)->path, path) == 0)
            return SP_CONTAINER_OF(n, struct sp_dir, by_path);
    struct sp_dir *d = sp_xcalloc(1, sizeof(*d));
    d->path = sp_xstrdup(path);
    sp_list_init(&d->names);
    sp_list_push_back(&dw->dirs, &d->link);
    sp_chains_add(&dw->by_path, &d->by_path, hash);
    dw->n_dirs++;
    watch(dw, d);
    return d;
}

static void dir_free(struct sp_dir_watch *dw, struct sp_dir *d)
{
    unwatch(dw, d, false);
    sp_chains_remove(&dw->by_path, &d->by_path);
    sp_list_remove(&d->link);
    dw->n_dirs--;
    free(d->path);
    free(d);
}

/* ---- names ---- */

static uint64_t name_hash(const struct sp_dir *d, const char *name)
{
    return sp_str_hash(sp_str_c(name)) ^ (uint64_t)(uintptr_t)d >> 4;
}

void sp_dir_watch_add(struct sp_dir_watch *dw, struct sp_dir_name *n, const char *dir, const char *name)
{
    assert(dw && n && dir && name && !dw->telling);
    n->dir = dir_of(dw, dir);
    n->name = sp_xstrdup(name);
    sp_list_push_back(&n->dir->names, &n->of_dir);
    sp_chains_add(&dw->by_name, &n->by_name, name_hash(n->dir, name));
}

void sp_dir_watch_remove(struct sp_dir_watch *dw, struct sp_dir_name *n)
{
    assert(dw && n && n->dir && !dw->telling);
    sp_chains_remove(&dw->by_name, &n->by_name);
    sp_list_remove(&n->of_dir);
    if (sp_list_empty(&n->dir->names))
        dir_free(dw, n->dir);
    n->dir = NULL;
    free(n->name);
    n->name = NULL;
}

bool sp_dir_name_watched(const struct sp_dir_name *n)
{
    assert(n && n->dir);
    return n->dir->wd >= 0;
}

void sp_dir_watch_again(struct sp_dir_watch *dw)
{
    assert(dw && !dw->telling);
    SP_LIST_FOREACH (it, &dw->dirs) {
        struct sp_dir *d = SP_CONTAINER_OF(it, struct sp_dir, link);
        if (d->wd < 0)
            watch(dw, d);
    }
}

unsigned sp_dir_watch_dirs(const struct sp_dir_watch *dw)
{
    assert(dw);
    return dw->n_dirs;
}

/* ---- events ---- */

static bool is_symlink(const struct sp_dir *d, const char *name)
{
    char path[4352]; /* PATH_MAX and NAME_MAX */
    struct stat st;
    int n = snprintf(path, sizeof(path), "%s/%s", d->path, name);
    return n > 0 && n < (int)sizeof(path) && lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
}

static unsigned what_of(const struct sp_dir *d, const struct inotify_event *e)
{
    unsigned what = e->mask & PLACES ? SP_DIR_PLACES : 0;
    if (e->mask & IN_MOVED_TO)
        what |= SP_DIR_MOVED;
    if (e->mask & IN_CREATE && e->len && is_symlink(d, e->name))
        what |= SP_DIR_LINKED;
    return what | (e->mask & IN_CLOSE_WRITE ? SP_DIR_CLOSED : 0);
}

static void tell_names(struct sp_dir_watch *dw, const struct sp_dir *d, const char *name, const struct inotify_event *e)
{
    unsigned what = 0;
    bool known = false;
    for (struct sp_chain_node *c = sp_chains_first(&dw->by_name, name_hash(d, name)); c; c = sp_chains_next(c)) {
        struct sp_dir_name *n = SP_CONTAINER_OF(c, struct sp_dir_name, by_name);
        if (n->dir != d || strcmp(n->name, name) != 0)
            continue;
        if (!known)
            what = what_of(d, e);
        known = true;
        dw->events->on_name(dw->ctx, n, what);
    }
}

/* Watched anew under its old name, where another one may be by now. */
static void lose(struct sp_dir_watch *dw, struct sp_dir *d, bool ended)
{
    unwatch(dw, d, ended);
    watch(dw, d);
    SP_LIST_FOREACH (it, &d->names)
        dw->events->on_gone(dw->ctx, SP_CONTAINER_OF(it, struct sp_dir_name, of_dir));
}

static void handle_gone(struct sp_dir_watch *dw, const struct inotify_event *e)
{
    struct sp_list gone;
    if (e->mask & IN_DELETE_SELF)
        return; /* IN_IGNORED follows */
    sp_list_init(&gone);
    for (struct sp_dir *d = of_wd(dw, e->wd, NULL); d; d = of_wd(dw, e->wd, d))
        sp_list_push_back(&gone, &d->gone);
    for (struct sp_list *it; (it = sp_list_pop(&gone)) != NULL;)
        lose(dw, SP_CONTAINER_OF(it, struct sp_dir, gone), e->mask & IN_IGNORED);
}

/* What was lost may have been that a directory ended: asked for again, one that stands has the number that it had. */
static void handle_lost(struct sp_dir_watch *dw)
{
    SP_LIST_FOREACH (it, &dw->dirs) {
        struct sp_dir *d = SP_CONTAINER_OF(it, struct sp_dir, link);
        int wd = inotify_add_watch(dw->fd, d->path, EVENTS | IN_ONLYDIR);
        if (wd >= 0 && wd == d->wd)
            continue;
        unwatch(dw, d, false);
        watch(dw, d);
    }
    dw->events->on_lost(dw->ctx);
}

static void handle(struct sp_dir_watch *dw, const struct inotify_event *e)
{
    if (e->wd < 0) {
        handle_lost(dw);
        return;
    }
    if (e->mask & GONE) {
        handle_gone(dw, e);
        return;
    }
    for (struct sp_dir *d = of_wd(dw, e->wd, NULL); d; d = of_wd(dw, e->wd, d)) {
        if (e->len && e->name[0])
            tell_names(dw, d, e->name, e);
        tell_names(dw, d, "", e);
    }
}

static void on_poll(uv_poll_t *p, int status, int events)
{
    struct sp_dir_watch *dw = SP_CONTAINER_OF(p, struct sp_dir_watch, poll);
    char buf[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
    (void)events;
    if (status < 0 || dw->closing)
        return;
    dw->telling = true;
    for (ssize_t n; (n = read(dw->fd, buf, sizeof(buf))) > 0;)
        for (const char *at = buf; at < buf + n;) {
            const struct inotify_event *e = (const void *)at;
            handle(dw, e);
            at += sizeof(*e) + e->len;
        }
    dw->telling = false;
    dw->events->on_read(dw->ctx);
}

/* ---- making and freeing ---- */

struct sp_dir_watch *sp_dir_watch_new(struct sp_worker *w, const struct sp_dir_watch_events *events, void *ctx)
{
    assert(w && events && events->on_name && events->on_gone && events->on_lost && events->on_read);
    struct sp_dir_watch *dw = sp_xcalloc(1, sizeof(*dw));
    dw->events = events;
    dw->ctx = ctx;
    sp_list_init(&dw->dirs);
    dw->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (dw->fd >= 0 && uv_poll_init(&w->loop, &dw->poll, dw->fd) == 0) {
        uv_poll_start(&dw->poll, UV_READABLE, on_poll);
        return dw;
    }
    if (dw->fd >= 0)
        close(dw->fd);
    dw->fd = -1;
    return dw;
}

bool sp_dir_watch_works(const struct sp_dir_watch *dw)
{
    assert(dw);
    return dw->fd >= 0;
}

static void on_close(uv_handle_t *h)
{
    free(SP_CONTAINER_OF((uv_poll_t *)h, struct sp_dir_watch, poll));
}

void sp_dir_watch_free(struct sp_dir_watch *dw)
{
    assert(dw && sp_list_empty(&dw->dirs) && !dw->telling);
    dw->closing = true;
    sp_chains_done(&dw->by_path);
    sp_chains_done(&dw->by_wd);
    sp_chains_done(&dw->by_name);
    if (dw->fd < 0) {
        free(dw);
        return;
    }
    uv_close((uv_handle_t *)&dw->poll, on_close);
    close(dw->fd);
}
