/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread that loads and compiles the next config, and the files whose change asks for it.  The thread is nice to the
 * workers, which have requests to serve.
 */
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "config/live.h"
#include "config/files.h"
#include "server/reload_impl.h"

enum { NICE = 5, WHY_MAX = 16384, ROOM = 4 * 1024 * 1024 };

struct sp_reload_job {
    struct sp_msg msg;
    struct sp_reload *reload;
    pthread_t thread;
    struct sp_config *previous, *config;
    struct sp_files *files;
    struct sp_changes changes;
    char *why;
    unsigned n_errors;
};

/* ---- files ---- */

static void on_changed(void *ctx)
{
    sp_reload_now(ctx);
}

static void watch(void *arg, const char *path, const struct sp_file_facts *facts)
{
    struct sp_reload *r = arg;
    sp_far_watch(r->watcher, path, facts, on_changed, r);
}

void sp_reload_unwatch(struct sp_reload *r)
{
    sp_far_watcher_free(r->watcher);
    r->watcher = NULL;
}

void sp_reload_watch(struct sp_reload *r, const struct sp_doc *doc)
{
    assert(r && doc);
    if (r->stopped)
        return; /* the workers were switching when the end came: a watcher would keep the loop for ever */
    struct sp_far_watcher *before = r->watcher;
    r->watcher = sp_far_watcher_new(r->build.main);
    sp_doc_each_file(doc, watch, r);
    sp_far_watcher_free(before); /* last: most files are the same */
}

static void watch_refused(struct sp_reload *r, const struct sp_reload_job *j)
{
    struct sp_far_watcher *before = r->watcher;
    r->watcher = sp_far_watcher_new(r->build.main);
    sp_files_each(j->files, true, watch, r);
    sp_far_watcher_free(before);
}

/* ---- the thread ---- */

/* Every error with its place: to the log, and in one text for the admin page. Warnings that the config that serves has too are counted. */
static char *report(const struct sp_diag *diag, const struct sp_warned *known)
{
    struct sp_arena arena;
    struct sp_str text = SP_STR("");
    unsigned as_before = 0;
    sp_arena_init(&arena);
    for (unsigned i = 0; i < diag->n_items; i++) {
        const struct sp_diag_item *it = &diag->items[i];
        char place[SP_MARK_TEXT_MAX];
        bool error = it->severity == SP_ERROR;
        if (!error && sp_warned_has(known, it)) {
            as_before++;
            continue;
        }
        struct sp_str line = sp_arena_printf(&arena, "%s%s%s%s", sp_mark_text(it->mark, place), it->path, it->path[0] ? ": " : "",
                                             it->text);
        sp_log(error ? SP_LOG_ERROR : SP_LOG_WARNING, "config", "%.*s", SP_STR_ARG(line));
        if (error && text.len < WHY_MAX)
            text = sp_arena_printf(&arena, "%.*s%.*s\n", SP_STR_ARG(text), SP_STR_ARG(line));
    }
    if (as_before)
        sp_log(SP_LOG_INFO, "config", "%u warning%s as before", as_before, as_before == 1 ? "" : "s");
    char *out = sp_xstrdup(text.len ? text.ptr : "");
    sp_arena_done(&arena);
    return out;
}

static void run_compiled(struct sp_msg *m)
{
    struct sp_reload_job *j = SP_CONTAINER_OF(m, struct sp_reload_job, msg);
    struct sp_reload *r = j->reload;
    if (r->stopped)
        sp_reload_compile_end(r);
    if (r->job != j) { /* it came when the process ends */
        free(j);
        return;
    }
    pthread_join(j->thread, NULL);
    r->job = NULL;
    if (!j->config)
        watch_refused(r, j);
    r->changes = j->changes;
    sp_reload_compiled(r, j->config, j->files, j->why, j->n_errors);
    sp_files_unref(j->files);
    free(j);
}

static void *run_thread(void *arg)
{
    struct sp_reload_job *j = arg;
    struct sp_reload *r = j->reload;
    struct sp_diag diag;
    pthread_setname_np(pthread_self(), "config");
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), getpriority(PRIO_PROCESS, 0) + NICE);
    sp_diag_init(&diag);
    j->config = sp_config_load_all(r->build.options, r->build.hooks, r->build.n_workers, j->previous, j->files, &diag);
    if (j->config)
        sp_parts_compare(&j->previous->parts, &j->config->parts, &j->changes);
    j->why = report(&diag, &j->previous->warned);
    j->n_errors = diag.n_errors;
    sp_diag_done(&diag);
    sp_buf_thread_done();
    sp_arena_thread_done();
    sp_worker_post(r->build.main, &j->msg);
    return NULL;
}

static void refuse(struct sp_reload *r, struct sp_files *files, const char *why)
{
    sp_log(SP_LOG_ERROR, "config", "%s", why);
    sp_reload_compiled(r, NULL, files, sp_xstrdup(why), 1);
    sp_files_unref(files);
}

/* It takes about as much as the config that serves did, twice over. What serves may not be the one that pays for it. */
static bool has_memory(const struct sp_reload *r)
{
    void *p = sp_memory() == SP_MEM_WELL ? sp_try_malloc(ROOM + 4 * sp_doc_size(r->current->doc)) : NULL;
    free(p);
    return p != NULL;
}

void sp_reload_compile(struct sp_reload *r)
{
    assert(r && !r->job && r->current);
    sp_live_set_gauges(sp_doc_live(r->current->doc)); /* what the next one goes on with: when a secret was used last */
    struct sp_reload_job *j = sp_xcalloc(1, sizeof(*j));
    j->msg.run = run_compiled;
    j->reload = r;
    j->previous = r->current;
    j->files = sp_files_new();
    r->job = j;
    int err = has_memory(r) ? pthread_create(&j->thread, NULL, run_thread, j) : ENOMEM;
    if (!err)
        return;
    r->job = NULL;
    char text[128], why[192];
    snprintf(why, sizeof(why), "cannot start a thread to load the config: %s", strerror_r(err, text, sizeof(text)));
    refuse(r, j->files, why);
    free(j);
}

bool sp_reload_is_loading(const struct sp_reload *r)
{
    assert(r);
    return r->job != NULL;
}

void sp_reload_compile_end(struct sp_reload *r)
{
    struct sp_reload_job *j = r->job;
    if (!j)
        return;
    pthread_join(j->thread, NULL);
    r->job = NULL;
    sp_config_free(j->config);
    j->config = NULL;
    sp_files_unref(j->files);
    free(j->why);
    j->why = NULL;
    /* Its message is in main's inbox: it finds that nobody waits, and frees `j`. */
}

void sp_reload_compile_join(struct sp_reload *r)
{
    struct sp_reload_job *j = r->job;
    sp_reload_compile_end(r);
    free(j); /* nobody looks into the inbox any more */
}
