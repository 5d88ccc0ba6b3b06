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
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "event/file_way.h"

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
    o->changed_at = o->w.turn.now_ns;
    if (++o->n_changed == N_FILES)
        sp_worker_stop(&o->w);
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

static void make_in(struct world *o, const char *where)
{
    memset(o, 0, sizeof(*o));
    o->fd = -1;
    snprintf(o->dir, sizeof(o->dir), "%s/sp_watch_XXXXXX", where);
    assert_non_null(mkdtemp(o->dir));
    snprintf(o->path, sizeof(o->path), "%s/f", o->dir);
}

static void make(struct world *o)
{
    make_in(o, "/tmp");
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

static void sub_dir(const struct world *o, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/%s/f", o->dir, name);
    if (text)
        write_file(path, text);
}

static void link_to(const struct world *o, const char *target, const char *name)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    assert_int_equal(symlink(target, path), 0);
}

static void move(const struct world *o, const char *from, const char *to)
{
    char a[200], b[200];
    snprintf(a, sizeof(a), "%s/%s", o->dir, from);
    snprintf(b, sizeof(b), "%s/%s", o->dir, to);
    assert_int_equal(rename(a, b), 0);
}

static void act_other_release(struct world *o)
{
    link_to(o, "r2", "new");
    move(o, "new", "current");
}

/* releases/1, releases/2 and a symlink that says which: the directory on the way is a link. */
static void test_a_directory_on_the_way(void **state)
{
    struct world o;
    make(&o);
    sub_dir(&o, "r1", "one");
    sub_dir(&o, "r2", "two");
    link_to(&o, "r1", "current");
    snprintf(o.path, sizeof(o.path), "%s/current/f", o.dir);
    run(&o, act_other_release, 400);
    assert_int_equal(o.n_changed, 1);
    assert_true(o.changed_at - o.began < 300 * SP_NS_PER_MS);
}

static void act_swap_far_away(struct world *o)
{
    sub_dir(o, "far/..2", "two");
    link_to(o, "..2", "far/..data_tmp");
    move(o, "far/..data_tmp", "far/..data");
}

/* A link to a ConfigMap's file: what is swapped is in neither the one directory nor the other. */
static void test_a_link_into_a_configmap(void **state)
{
    struct world o;
    make(&o);
    sub_dir(&o, "near", NULL);
    sub_dir(&o, "far", NULL);
    sub_dir(&o, "far/..1", "one");
    link_to(&o, "..1", "far/..data");
    link_to(&o, "../far/..data/f", "near/f");
    snprintf(o.path, sizeof(o.path), "%s/near/f", o.dir);
    run(&o, act_swap_far_away, 400);
    assert_int_equal(o.n_changed, 1);
    assert_true(o.changed_at - o.began < 300 * SP_NS_PER_MS);
}

static void act_other_directory(struct world *o)
{
    move(o, "conf", "old");
    move(o, "fresh", "conf");
}

static void test_the_directory_itself_is_replaced(void **state)
{
    struct world o;
    make(&o);
    sub_dir(&o, "conf", "one");
    sub_dir(&o, "fresh", "two");
    snprintf(o.path, sizeof(o.path), "%s/conf/f", o.dir);
    run(&o, act_other_directory, 1500);
    assert_int_equal(o.n_changed, 1);
}

static void act_back_soon(struct world *o)
{
    if (o->n_swaps++) {
        write_file(o->path, "two");
        return;
    }
    unlink(o->path);
    sp_timer_start(&o->w.turn, &o->step, 300 * SP_NS_PER_MS);
}

static void test_missing_for_a_moment(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_back_soon, 900);
    assert_int_equal(o.n_changed, 1);
}

static void act_back_late(struct world *o)
{
    if (o->n_swaps++) {
        write_file(o->path, "two");
        return;
    }
    unlink(o->path);
    sp_timer_start(&o->w.turn, &o->step, 1200 * SP_NS_PER_MS);
}

/* Whoever wants it is told that it is gone, and that it is back. */
static void test_missing_for_longer(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_back_late, 1500);
    assert_int_equal(o.n_changed, 2);
}

static void act_in_time(struct world *o)
{
    if (o->n_swaps++ == 0) {
        sub_dir(o, "later", NULL);
        sp_timer_start(&o->w.turn, &o->step, 50 * SP_NS_PER_MS);
        return;
    }
    write_file(o->path, "one");
}

static void test_a_directory_that_comes_later(void **state)
{
    struct world o;
    make(&o);
    snprintf(o.path, sizeof(o.path), "%s/later/f", o.dir);
    run(&o, act_in_time, 400);
    assert_int_equal(o.n_changed, 1);
}

struct many {
    struct world o;
    unsigned n[3];
};

static void count_first(void *ctx)
{
    ((struct many *)ctx)->n[0]++;
}

static void count_second(void *ctx)
{
    ((struct many *)ctx)->n[1]++;
}

static void count_third(void *ctx)
{
    ((struct many *)ctx)->n[2]++;
}

static void act_watch_more(struct world *o)
{
    struct many *m = SP_CONTAINER_OF(o, struct many, o);
    struct sp_file_facts old = {.ino = 1}, now = sp_file_facts(o->path);
    if (o->n_swaps++) {
        act_move(o);
        return;
    }
    sp_file_watch(o->fw, o->path, &now, count_first, m);
    sp_file_watch(o->fw, o->path, &now, count_second, m);
    sp_file_watch(o->fw, o->path, &old, count_third, m); /* has read what it was before */
    o->n_dirs = sp_file_watcher_dirs(o->fw);
    sp_timer_start(&o->w.turn, &o->step, 1200 * SP_NS_PER_MS);
}

static void test_many_watch_one_file(void **state)
{
    struct many m = {0};
    make(&m.o);
    write_file(m.o.path, "one");
    run(&m.o, act_watch_more, 1500);
    assert_int_equal(m.o.n_dirs, 1);
    assert_int_equal(m.o.n_changed, 1);
    assert_int_equal(m.n[0], 1);
    assert_int_equal(m.n[1], 1);
    assert_int_equal(m.n[2], 2);
}

static void act_create_in_dir(struct world *o)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/some", o->dir);
    write_file(path, "x");
}

static void act_move_in_dir(struct world *o)
{
    act_create_in_dir(o);
    move(o, "some", "other");
}

static void test_a_watched_directory(void **state)
{
    struct world o;
    make(&o);
    snprintf(o.path, sizeof(o.path), "%s/", o.dir);
    run(&o, act_move_in_dir, 400);
    assert_int_equal(o.n_changed, 1);
    make(&o);
    snprintf(o.path, sizeof(o.path), "%s/", o.dir);
    run(&o, act_create_in_dir, 1300);
    assert_int_equal(o.n_changed, 0);
}

static void write_beside(const struct world *o, const char *name, const char *text)
{
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", o->dir, name);
    write_file(path, text);
}

static void act_relink(struct world *o)
{
    assert_int_equal(unlink(o->path), 0);
    link_to(o, "v2", "f");
}

/* rm and ln -s: a link is whole when it is there. */
static void test_a_link_that_is_made_again(void **state)
{
    struct world o;
    make(&o);
    write_beside(&o, "v1", "one");
    write_beside(&o, "v2", "two");
    link_to(&o, "v1", "f");
    run(&o, act_relink, 400);
    assert_int_equal(o.n_changed, 1);
}

static void act_write_on(struct world *o)
{
    act_half(o);
    close(o->fd);
    o->n_dirs = SP_MAX(o->n_dirs, sp_file_watch_restless());
    if (o->n_swaps++ == 0)
        sp_file_watcher_patience(o->fw, 300 * SP_NS_PER_MS);
    if (o->n_swaps < 30)
        sp_timer_start(&o->w.turn, &o->step, 20 * SP_NS_PER_MS);
    else
        o->began = o->w.turn.now_ns;
}

/* As a log does: it is left alone, that is said and counted, and it is taken when it rests. */
static void test_a_file_that_finds_no_rest(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_write_on, 1000);
    assert_int_equal(o.n_swaps, 30);
    assert_int_equal(o.n_dirs, 1);
    assert_int_equal(o.n_changed, 1);
    assert_true(o.changed_at > o.began);
    assert_int_equal(sp_file_watch_restless(), 0);
}

/* More than the system keeps for us while the loop is busy; what changed then is among what is lost. */
static void act_too_much(struct world *o)
{
    FILE *f = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
    int n = 0;
    char a[160], b[160];
    assert_true(f && fscanf(f, "%d", &n) == 1);
    fclose(f);
    snprintf(a, sizeof(a), "%s/a", o->dir);
    snprintf(b, sizeof(b), "%s/b", o->dir);
    write_file(a, "");
    for (int i = 0; i < n / 2 + 10; i++) /* two events each */
        assert_int_equal(i % 2 ? rename(b, a) : rename(a, b), 0);
    act_move(o);
    o->began = o->w.turn.now_ns;
}

static void test_events_that_are_lost(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_too_much, 3000);
    assert_int_equal(o.n_changed, 1);
}

static void path_of_many(const struct world *o, unsigned i, const char *name, char out[200])
{
    snprintf(out, 200, "%s/%u/%s", o->dir, i / 2, name); /* two in a directory */
}

static void act_all_of_many(struct world *o)
{
    char a[200], b[200];
    struct timespec from, to;
    if (o->n_swaps++ == 0) {
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        for (unsigned i = 0; i < N_FILES; i++) {
            struct sp_file_facts known;
            path_of_many(o, i, i % 2 ? "x" : "y", a);
            known = sp_file_facts(a);
            sp_file_watch(o->fw, a, &known, changed, o);
        }
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
        o->cpu_ms = (unsigned)((to.tv_sec - from.tv_sec) * 1000 + (to.tv_nsec - from.tv_nsec) / 1000000);
        sp_timer_start(&o->w.turn, &o->step, 10 * SP_NS_PER_MS);
        return;
    }
    for (unsigned i = 0; i < N_FILES; i++) {
        path_of_many(o, i, i % 2 ? "x" : "y", a);
        path_of_many(o, i, "new", b);
        write_file(b, "two");
        assert_int_equal(rename(b, a), 0);
    }
}

/* Each in its own directory, or nearly: what they cost grows with their number, not with its square. */
static void test_thousands_of_files(void **state)
{
    struct world o;
    char path[200];
    make_in(&o, access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    write_file(o.path, "one");
    for (unsigned i = 0; i < N_FILES; i++) {
        if (i % 2 == 0) {
            path_of_many(&o, i, "", path);
            assert_int_equal(mkdir(path, 0700), 0);
        }
        path_of_many(&o, i, i % 2 ? "x" : "y", path);
        write_file(path, "one");
    }
    run(&o, act_all_of_many, 20000);
    assert_int_equal(o.n_changed, N_FILES);
    assert_in_range(o.cpu_ms, 0, 1000); /* some 20 when nothing slows it down */
}

struct pair {
    struct world o;
    struct sp_file_watcher *others[300];
    unsigned n;
};

static unsigned instances(void)
{
    char cmd[128];
    unsigned n = 0;
    snprintf(cmd, sizeof(cmd), "ls -l /proc/%d/fd | grep -c inotify", (int)getpid());
    FILE *f = popen(cmd, "r");
    assert_true(f && fscanf(f, "%u", &n) == 1);
    pclose(f);
    return n;
}

static void act_more_watchers(struct world *o)
{
    struct pair *p = SP_CONTAINER_OF(o, struct pair, o);
    struct sp_file_facts now = sp_file_facts(o->path);
    if (o->n_swaps++ == 0) {
        for (unsigned i = 0; i < SP_ARRAY_LEN(p->others); i++) {
            p->others[i] = sp_file_watcher_new(&o->w);
            sp_file_watch(p->others[i], o->path, &now, changed, o);
        }
        p->n = instances();
        act_move(o);
        sp_timer_start(&o->w.turn, &o->step, 300 * SP_NS_PER_MS);
        return;
    }
    for (unsigned i = 0; i < SP_ARRAY_LEN(p->others); i++)
        sp_file_watcher_free(p->others[i]);
    act_edit(o); /* those that are gone hear nothing */
}

/* A user may have 128 of the system's watchers, for all his programs. */
static void test_watchers_share_what_is_scarce(void **state)
{
    struct pair p = {0};
    make(&p.o);
    write_file(p.o.path, "one");
    run(&p.o, act_more_watchers, 800);
    assert_int_equal(p.n, 1);
    assert_int_equal(p.o.n_changed, 1 + 300 + 1);
}

static void say(void *arg, const char *dir, const char *name, bool last)
{
    char *text = arg;
    size_t n = strlen(text);
    snprintf(text + n, 400 - n, "%s:%s%s ", dir, name, last ? "." : "");
}

static void way_is(const struct world *o, const char *path, const char *want)
{
    char full[300], text[400] = "", *hit;
    snprintf(full, sizeof(full), "%s/%s", o->dir, path);
    sp_file_way(full, say, text);
    while ((hit = strstr(text, o->dir)))
        memmove(hit, hit + strlen(o->dir), strlen(hit + strlen(o->dir)) + 1);
    assert_string_equal(text, want);
}

static void test_ways(void **state)
{
    struct world o;
    char cmd[128];
    make(&o);
    sub_dir(&o, "a", "x");
    sub_dir(&o, "a/b", "x");
    link_to(&o, "b/../b/./f", "a/l");
    link_to(&o, "a", "d");
    link_to(&o, "loop", "loop");
    link_to(&o, "gone", "broken");
    way_is(&o, "a/f", "/a:f. ");
    way_is(&o, "a//f", "/a:f. ");
    way_is(&o, "a/l", "/a:l /a/b:f. ");
    way_is(&o, "d/l", ":d /a:l /a/b:f. ");
    way_is(&o, "d/", ":d /a:. ");
    way_is(&o, "d/../a/b/", ":d /a/b:. ");
    way_is(&o, "none/f", ":none. ");
    way_is(&o, "broken", ":broken :gone. ");
    snprintf(cmd, sizeof(cmd), "%s/loop", o.dir);
    char text[400] = "";
    sp_file_way(cmd, say, text); /* it ends */
    snprintf(cmd, sizeof(cmd), "rm -rf %s", o.dir);
    assert_int_equal(system(cmd), 0);
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
        cmocka_unit_test(test_a_directory_on_the_way),
        cmocka_unit_test(test_a_link_into_a_configmap),
        cmocka_unit_test(test_the_directory_itself_is_replaced),
        cmocka_unit_test(test_missing_for_a_moment),
        cmocka_unit_test(test_missing_for_longer),
        cmocka_unit_test(test_a_directory_that_comes_later),
        cmocka_unit_test(test_many_watch_one_file),
        cmocka_unit_test(test_a_watched_directory),
        cmocka_unit_test(test_a_link_that_is_made_again),
        cmocka_unit_test(test_a_file_that_finds_no_rest),
        cmocka_unit_test(test_events_that_are_lost),
        cmocka_unit_test(test_thousands_of_files),
        cmocka_unit_test(test_watchers_share_what_is_scarce),
        cmocka_unit_test(test_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
