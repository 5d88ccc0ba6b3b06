/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Many files, many watchers, many events, and files that find no rest. */
#include "watch_world.h"

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
    run(&o, act_relink, 1500);
    assert_int_equal(o.n_changed, 1);
}

/* It stays open: of pauses only one of a second would count, which no busy machine makes between two steps. */
static void act_write_on(struct world *o)
{
    o->n_dirs = SP_MAX(o->n_dirs, sp_file_watch_restless());
    if (o->n_swaps++ == 0) {
        act_half(o);
        sp_file_watcher_patience(o->fw, 300 * SP_NS_PER_MS);
    } else {
        assert_int_equal(write(o->fd, "more", 4), 4);
    }
    if (o->n_swaps < 30) {
        sp_timer_start(&o->w.turn, &o->step, 20 * SP_NS_PER_MS);
        return;
    }
    close(o->fd);
    o->began = o->w.turn.now_ns;
}

/* As a log does: it is left alone, that is said and counted, and it is taken when it rests. */
static void test_a_file_that_finds_no_rest(void **state)
{
    struct world o;
    make(&o);
    write_file(o.path, "one");
    run(&o, act_write_on, 3000);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_link_that_is_made_again),
        cmocka_unit_test(test_a_file_that_finds_no_rest),
        cmocka_unit_test(test_events_that_are_lost),
        cmocka_unit_test(test_thousands_of_files),
        cmocka_unit_test(test_watchers_share_what_is_scarce),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
