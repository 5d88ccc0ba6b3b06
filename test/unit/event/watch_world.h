/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of its own, a loop that runs for a while, and what is done to the files meanwhile. */
#ifndef SP_TEST_WATCH_WORLD_H
#define SP_TEST_WATCH_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/file_watch.h"

enum { N_FILES = 2000 }; /* of the test with many */

struct world {
    struct sp_worker w;
    struct sp_file_watcher *fw;
    char dir[64], path[128];
    int fd;
    unsigned n_changed, n_swaps, n_dirs;
    uint64_t changed_at, began;
    struct sp_timer step, end;
    void (*act)(struct world *o);
    uint64_t run_ns;
    unsigned cpu_ms;
};

static inline void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static inline void changed(void *ctx)
{
    struct world *o = ctx;
    o->changed_at = o->w.turn.now_ns;
    if (++o->n_changed == N_FILES)
        sp_worker_stop(&o->w);
}

static inline void on_step(struct sp_timer *t)
{
    struct world *o = SP_CONTAINER_OF(t, struct world, step);
    o->began = o->w.turn.now_ns;
    o->act(o);
}

static inline void on_end(struct sp_timer *t)
{
    sp_worker_stop(&SP_CONTAINER_OF(t, struct world, end)->w);
}

static inline void on_start(struct sp_worker *w)
{
    struct world *o = w->user;
    struct sp_file_facts known = sp_file_facts(o->path);
    o->fw = sp_file_watcher_new(w);
    sp_file_watch(o->fw, o->path, &known, changed, o);
    o->step.fire = on_step;
    o->end.fire = on_end;
    sp_timer_start(&w->turn, &o->step, 10 * SP_NS_PER_MS);
    sp_timer_start(&w->turn, &o->end, o->run_ns);
}

static inline void on_stop(struct sp_worker *w)
{
    struct world *o = w->user;
    sp_timer_stop(&o->step);
    sp_timer_stop(&o->end);
    sp_file_watcher_free(o->fw);
}

static inline void make_in(struct world *o, const char *where)
{
    memset(o, 0, sizeof(*o));
    o->fd = -1;
    snprintf(o->dir, sizeof(o->dir), "%s/sp_watch_XXXXXX", where);
    assert_non_null(mkdtemp(o->dir));
    snprintf(o->path, sizeof(o->path), "%s/f", o->dir);
}

static inline void make(struct world *o)
{
    make_in(o, "/tmp");
}

static inline void run(struct world *o, void (*act)(struct world *o), unsigned ms)
{
    o->act = act;
    o->run_ns = ms * SP_NS_PER_MS;
    o->w.user = o;
    o->w.on_start = on_start;
    o->w.on_stop = on_stop;
    assert_int_equal(sp_worker_init(&o->w, "test", 0), 0);
    sp_worker_run(&o->w);
    sp_worker_done(&o->w);
    char cmd[128];
    snprintf(cmd, sizeof(cmd), "rm -rf %s", o->dir);
    assert_int_equal(system(cmd), 0);
}

static inline void act_edit(struct world *o)
{
    write_file(o->path, "two");
}

static inline void act_move(struct world *o)
{
    char other[160];
    snprintf(other, sizeof(other), "%s.new", o->path);
    write_file(other, "two");
    assert_int_equal(rename(other, o->path), 0);
}

static inline void act_half(struct world *o)
{
    o->fd = open(o->path, O_WRONLY | O_APPEND);
    assert_true(o->fd >= 0 && write(o->fd, "half", 4) == 4);
}

static inline void sub_dir(const struct world *o, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/f", o->dir, name);
    if (text)
        write_file(path, text);
}

static inline void link_to(const struct world *o, const char *target, const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    assert_int_equal(symlink(target, path), 0);
}

static inline void move(const struct world *o, const char *from, const char *to)
{
    char a[200], b[200];
    snprintf(a, sizeof(a), "%s/%s", o->dir, from);
    snprintf(b, sizeof(b), "%s/%s", o->dir, to);
    assert_int_equal(rename(a, b), 0);
}

#endif
