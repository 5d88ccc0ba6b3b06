/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a change of a file is told, and when it is not yet. */
#include "watch_world.h"

#include "event/file_way.h"

static void act_nothing(struct world *o)
{
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
        cmocka_unit_test(test_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
