/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/far_watch.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "base/mem.h"

enum { STOP_MS = 2000, STEP_MS = 5 };

static struct {
    struct sp_worker worker;
    _Atomic bool ended;
    bool runs;
} far;

struct entry {
    struct entry *next;
    struct sp_far_watcher *of;
    void (*changed)(void *ctx);
    void *ctx;
};

struct sp_far_watcher {
    struct sp_worker *home;
    struct sp_file_watcher *real; /* of the far thread; where there is none, of home */
    struct entry *entries;        /* of whoever has `real` */
    bool near, freed;             /* home's */
    struct sp_msg bye;            /* to the far thread, and back */
};

/* ---- home ---- */

struct news {
    struct sp_msg msg;
    struct entry *entry;
};

/* The entry lives until the watcher's own farewell comes back, which is sent behind this. */
static void run_news(struct sp_msg *m)
{
    struct news *n = SP_CONTAINER_OF(m, struct news, msg);
    struct entry *e = n->entry;
    if (!e->of->freed && sp_worker_self() == e->of->home)
        e->changed(e->ctx);
    free(n);
}

static void release(struct sp_far_watcher *fw)
{
    for (struct entry *e = fw->entries, *next; e; e = next) {
        next = e->next;
        free(e);
    }
    free(fw);
}

static void run_back(struct sp_msg *m)
{
    release(SP_CONTAINER_OF(m, struct sp_far_watcher, bye));
}

/* ---- the far thread ---- */

static void on_changed(void *ctx)
{
    struct entry *e = ctx;
    if (e->of->near) {
        e->changed(e->ctx);
        return;
    }
    struct news *n = sp_xcalloc(1, sizeof(*n));
    n->msg.run = run_news;
    n->entry = e;
    sp_worker_post(e->of->home, &n->msg);
}

struct order {
    struct sp_msg msg;
    struct entry *entry;
    struct sp_file_facts known;
    char path[];
};

static void add(struct sp_far_watcher *fw, struct sp_worker *w, struct entry *e, const char *path, const struct sp_file_facts *known)
{
    if (!fw->real)
        fw->real = sp_file_watcher_new(w);
    e->next = fw->entries;
    fw->entries = e;
    sp_file_watch(fw->real, path, known, on_changed, e);
}

static void run_order(struct sp_msg *m)
{
    struct order *o = SP_CONTAINER_OF(m, struct order, msg);
    if (sp_worker_self() == &far.worker)
        add(o->entry->of, &far.worker, o->entry, o->path, &o->known);
    else
        free(o->entry); /* it has ended */
    free(o);
}

static void run_bye(struct sp_msg *m)
{
    struct sp_far_watcher *fw = SP_CONTAINER_OF(m, struct sp_far_watcher, bye);
    sp_file_watcher_free(fw->real);
    fw->real = NULL;
    fw->bye.run = run_back;
    sp_worker_post(fw->home, &fw->bye);
}

static void on_stop(struct sp_worker *w)
{
    (void)w;
    atomic_store(&far.ended, true);
}

/* ---- both ---- */

int sp_far_watch_start(void)
{
    assert(!far.runs);
    far.worker = (struct sp_worker){.on_stop = on_stop};
    atomic_store(&far.ended, false);
    int r = sp_worker_init(&far.worker, "files", 0);
    if (r < 0)
        return r;
    r = sp_worker_start(&far.worker);
    if (r < 0)
        sp_worker_drop(&far.worker);
    far.runs = r == 0;
    return r;
}

bool sp_far_watch_stop(void)
{
    const struct timespec step = {.tv_nsec = STEP_MS * 1000000};
    if (!far.runs)
        return true;
    sp_worker_stop(&far.worker);
    for (unsigned waited = 0; !atomic_load(&far.ended); waited += STEP_MS) {
        if (waited >= STOP_MS) {
            sp_log(SP_LOG_WARNING, "files", "a file system does not answer: the process ends without waiting for it");
            return false;
        }
        nanosleep(&step, NULL);
    }
    sp_worker_done(&far.worker);
    far.runs = false;
    return true;
}

struct sp_far_watcher *sp_far_watcher_new(struct sp_worker *home)
{
    assert(home);
    struct sp_far_watcher *fw = sp_xcalloc(1, sizeof(*fw));
    fw->home = home;
    fw->near = !far.runs;
    return fw;
}

void sp_far_watch(struct sp_far_watcher *fw, const char *path, const struct sp_file_facts *known, void (*changed)(void *ctx), void *ctx)
{
    assert(fw && !fw->freed && path && known && changed);
    struct entry *e = sp_xcalloc(1, sizeof(*e));
    *e = (struct entry){.of = fw, .changed = changed, .ctx = ctx};
    if (fw->near) {
        add(fw, fw->home, e, path, known);
        return;
    }
    size_t n = strlen(path) + 1;
    struct order *o = sp_xcalloc(1, sizeof(*o) + n);
    o->msg.run = run_order;
    o->entry = e;
    o->known = *known;
    memcpy(o->path, path, n);
    sp_worker_post(&far.worker, &o->msg);
}

void sp_far_watcher_free(struct sp_far_watcher *fw)
{
    if (!fw)
        return;
    fw->freed = true;
    if (fw->near) {
        sp_file_watcher_free(fw->real);
        release(fw);
        return;
    }
    fw->bye.run = run_bye;
    sp_worker_post(&far.worker, &fw->bye);
}
