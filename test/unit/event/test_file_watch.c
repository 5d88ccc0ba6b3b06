/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a change of a file is told, and when it is not yet. */
#include "event/file_watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

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
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void changed(void *ctx)
{
    struct world *o = ctx;
    o->n_changed++;
    o->changed_at = o->w.turn.now_ns;
}

static void on_step(struct sp_timer *t)
{
    struct world *o = SP_CONTAINER_OF(t, struct world, step);
    o->began = o->w.turn.now_ns;
    o->act(o);
}

static void on_end(struct sp_timer *t)
{
    sp_worker_stop(&SP_CONTAINER_OF(t, struct world, end)->w);
}

static void on_start(struct sp_worker *w)
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

static void on_stop(struct sp_worker *w)
{
    struct world *o = w->user;
    sp_timer_stop(&o->step);
    sp_timer_stop(&o->end);
    sp_file_watcher_free(o->fw);
}

static void make(struct world *o)
{
    memset(o, 0, sizeof(*o));
    o->fd = -1;
    snprintf(o->dir, sizeof(o->dir), "/tmp/sp_watch_XXXXXX");
    assert_non_null(mkdtemp(o->dir));
    snprintf(o->path, sizeof(o->path), "%s/f", o->dir);
}

static void run(struct world *o, void (*act)(struct world *o), unsigned ms)
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

static void act_nothing(struct world *o)
{
}

static void act_edit(struct world *o)
{
    write_file(o->path, "two");
}

static void act_move(struct world *o)
{
    char other[160];
    snprintf(other, sizeof(other), "%s.new", o->path);
    write_file(other, "two");
    assert_int_equal(rename(other, o->path), 0);
}

static void act_half(struct world *o)
{
    o->fd = open(o->path, O_WRONLY | O_APPEND);
    assert_true(o->fd >= 0 && write(o->fd, "half", 4) == 4);
}

static void act_other(struct world *o)
{
    char other[160];
    snprintf(other, sizeof(other), "%s.other", o->path);
    write_file(other, "two");
}

/* As the kubelet does: a new directory, then ..data is moved over. */
static void act_swap(struct world *o)
{
    char a[160], b[160];
    snprintf(a, sizeof(a), "%s/..2", o->dir);
    assert_int_equal(mkdir(a, 0700), 0);
    snprintf(a, sizeof(a), "%s/..2/f", o->dir);
    write_file(a, "two");
    snprintf(a, sizeof(a), "%s/..data_tmp", o->dir);
    snprintf(b, sizeof(b), "%s/..data", o->dir);
    assert_int_equal(symlink("..2", a), 0);
    assert_int_equal(rename(a, b), 0);
}

static void test_nothing_happens(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_nothing, 100);
    assert_int_equal(o.n_changed, 0);
}

static void test_edit_in_place(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_edit, 700);
    assert_int_equal(o.n_changed, 1);
    assert_true(o.changed_at - o.began >= 50 * SP_NS_PER_MS);
}

static void test_move_over(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_move, 700);
    assert_int_equal(o.n_changed, 1);
}

static void test_a_half_written_file_is_left_alone(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_half, 600);
    assert_int_equal(o.n_changed, 0);
    close(o.fd);
}

static void test_never_closed_but_quiet(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_half, 2000);
    assert_int_equal(o.n_changed, 1);
    assert_true(o.changed_at - o.began >= 1000 * SP_NS_PER_MS);
    close(o.fd);
}

static void test_a_neighbour_does_not_count(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_other, 300);
    assert_int_equal(o.n_changed, 0);
}

static void test_configmap_swap(void **state)
{
    struct world o;
    char a[160];
    make(&o);
    snprintf(a, sizeof(a), "%s/..1", o.dir);
    assert_int_equal(mkdir(a, 0700), 0);
    snprintf(a, sizeof(a), "%s/..1/f", o.dir);
    write_file(a, "one");
    snprintf(a, sizeof(a), "%s/..data", o.dir);
    assert_int_equal(symlink("..1", a), 0);
    assert_int_equal(symlink("..data/f", o.path), 0);
    run(&o, act_swap, 700);
    assert_int_equal(o.n_changed, 1);
}

/* Swap after swap, as over months; each time the directory before is removed. */
static void act_many_swaps(struct world *o)
{
    char a[160], b[160];
    unsigned n = o->n_swaps++;
    snprintf(a, sizeof(a), "%s/..%u", o->dir, n + 2);
    assert_int_equal(mkdir(a, 0700), 0);
    snprintf(a, sizeof(a), "%s/..%u/f", o->dir, n + 2);
    write_file(a, "more");
    snprintf(a, sizeof(a), "..%u", n + 2);
    snprintf(b, sizeof(b), "%s/..data_tmp", o->dir);
    assert_int_equal(symlink(a, b), 0);
    snprintf(a, sizeof(a), "%s/..data", o->dir);
    assert_int_equal(rename(b, a), 0);
    snprintf(a, sizeof(a), "%s/..%u/f", o->dir, n + 1);
    assert_int_equal(unlink(a), 0);
    snprintf(a, sizeof(a), "%s/..%u", o->dir, n + 1);
    assert_int_equal(rmdir(a), 0);
    o->n_dirs = sp_file_watcher_dirs(o->fw);
    if (o->n_swaps < 8)
        sp_timer_start(&o->w.turn, &o->step, 150 * SP_NS_PER_MS);
}

static void test_swaps_are_forgotten(void **state)
{
    struct world o;
    char a[160];
    make(&o);
    snprintf(a, sizeof(a), "%s/..1", o.dir);
    assert_int_equal(mkdir(a, 0700), 0);
    snprintf(a, sizeof(a), "%s/..1/f", o.dir);
    write_file(a, "one");
    snprintf(a, sizeof(a), "%s/..data", o.dir);
    assert_int_equal(symlink("..1", a), 0);
    assert_int_equal(symlink("..data/f", o.path), 0);
    run(&o, act_many_swaps, 1500);
    assert_int_equal(o.n_swaps, 8);
    assert_in_range(o.n_dirs, 2, 4);
    assert_true(o.n_changed > 1);
}

static void test_a_file_that_comes_later(void **state)
{
    struct world o;
    make(&o);
    run(&o, act_edit, 700);
    assert_int_equal(o.n_changed, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_happens),
        cmocka_unit_test(test_edit_in_place),
        cmocka_unit_test(test_move_over),
        cmocka_unit_test(test_a_half_written_file_is_left_alone),
        cmocka_unit_test(test_never_closed_but_quiet),
        cmocka_unit_test(test_a_neighbour_does_not_count),
        cmocka_unit_test(test_configmap_swap),
        cmocka_unit_test(test_swaps_are_forgotten),
        cmocka_unit_test(test_a_file_that_comes_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
