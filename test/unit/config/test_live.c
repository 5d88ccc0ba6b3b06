/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values that change while their config stays: taken, refused, freed when nobody looks at them any more. */
#include "config/live.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/mem.h"
#include "event/worker.h"
#include "stats/stats.h"

struct value {
    char text[32];
};

static _Atomic int alive;

static struct value *value_new(const char *text)
{
    struct value *v = sp_xcalloc(1, sizeof(*v));
    snprintf(v->text, sizeof(v->text), "%s", text);
    alive++;
    return v;
}

static void value_free(void *value)
{
    memset(value, 'x', sizeof(struct value)); /* so that late readers are seen */
    free(value);
    alive--;
}

static char path[64];

static void *load(void *ctx, const void *old, struct sp_diag *diag)
{
    char text[32] = "";
    FILE *f = fopen(path, "r");
    if (!f || !fgets(text, sizeof(text), f) || strncmp(text, "good", 4) != 0) {
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){0}, NULL, "not good but \"%s\"", text);
        if (f)
            fclose(f);
        return NULL;
    }
    fclose(f);
    return value_new(text);
}

static int n_ok, n_refused;

static void tried(void *ctx, const void *value, bool ok)
{
    *(ok ? &n_ok : &n_refused) += 1;
}

static const struct sp_live_kind kind = {.name = "value", .load = load, .free = value_free, .tried = tried};

static const char *text_of(const struct sp_live *l)
{
    return ((const struct value *)sp_live_get(l))->text;
}

static void test_a_set_that_does_not_run(void **state)
{
    struct sp_live_set *set = sp_live_set_new();
    struct sp_live *l = sp_live_new(set, &kind, SP_STR("v"), NULL, value_new("one"));
    assert_string_equal(text_of(l), "one");
    sp_live_publish(l, value_new("two"));
    assert_string_equal(text_of(l), "two");
    assert_int_equal(alive, 1);
    sp_live_set_free(set);
    assert_int_equal(alive, 0);
}

/* A set with three readers that look at the value in every turn, while files change. */
enum { READERS = 3 };

struct world {
    struct sp_worker main, workers[READERS], *list[READERS];
    struct sp_live_set *set;
    struct sp_live *live;
    struct sp_timer step, look[READERS];
    unsigned steps;
    _Atomic unsigned reads, torn;
    char why[200];
    unsigned n_failed;
    struct sp_live_task task;
    unsigned started, stopped;
};

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void on_look(struct sp_timer *t)
{
    struct sp_worker *w = t->turn ? t->turn->worker : sp_worker_self();
    struct world *o = w->user;
    const struct value *v = sp_live_get(o->live);
    if (strncmp(v->text, "good", 4) != 0)
        o->torn++;
    o->reads++;
    sp_timer_start(&w->turn, t, 200000);
}

static void reader_start(struct sp_worker *w)
{
    struct world *o = w->user;
    sp_stats_thread(w->index + 1);
    o->look[w->index].fire = on_look;
    sp_timer_start(&w->turn, &o->look[w->index], 0);
    if (w->index == 0)
        sp_live_set_start_tasks(o->set, w);
}

static void reader_stop(struct sp_worker *w)
{
    struct world *o = w->user;
    if (w->index == 0)
        sp_live_set_stop_tasks(o->set);
    sp_timer_stop(&o->look[w->index]);
}

static void each(void *arg, const struct sp_live_info *info)
{
    struct world *o = arg;
    o->n_failed = (unsigned)info->n_failed;
    if (info->failed_s)
        snprintf(o->why, sizeof(o->why), "%.*s", SP_STR_ARG(info->why));
}

static void on_step(struct sp_timer *t)
{
    struct world *o = SP_CONTAINER_OF(t, struct world, step);
    uint64_t wait = 400 * SP_NS_PER_MS;
    switch (o->steps++) {
    case 0:
        write_file("good two");
        break;
    case 1:
        assert_string_equal(text_of(o->live), "good two");
        write_file("bad");
        break;
    case 2:
        assert_string_equal(text_of(o->live), "good two");
        sp_live_set_each(o->set, each, o);
        write_file("good three");
        break;
    case 3:
        assert_string_equal(text_of(o->live), "good three");
        for (unsigned i = 0; i < 200; i++) {
            char text[32];
            snprintf(text, sizeof(text), "good %u", i);
            sp_live_publish(o->live, value_new(text));
        }
        wait = 50 * SP_NS_PER_MS;
        break;
    default:
        assert_string_equal(text_of(o->live), "good 199");
        sp_live_set_stop(o->set);
        for (unsigned i = 0; i < READERS; i++)
            sp_worker_stop(&o->workers[i]);
        sp_worker_stop(&o->main);
        return;
    }
    sp_timer_start(&o->main.turn, t, wait);
}

static void main_start(struct sp_worker *w)
{
    struct world *o = w->user;
    sp_live_set_run(o->set, w, o->list, READERS);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(sp_worker_start(&o->workers[i]), 0);
    o->step.fire = on_step;
    sp_timer_start(&w->turn, &o->step, 0);
}

static void task_start(struct sp_live_task *t, struct sp_worker *prober)
{
    struct world *o = SP_CONTAINER_OF(t, struct world, task);
    o->started++;
    sp_live_publish(o->live, value_new("good from a worker"));
    atomic_store(&t->ready, true);
}

static void task_stop(struct sp_live_task *t)
{
    SP_CONTAINER_OF(t, struct world, task)->stopped++;
}

static void test_files_and_readers(void **state)
{
    static struct world o;
    n_ok = n_refused = 0;
    snprintf(path, sizeof(path), "/tmp/sp_live_XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    write_file("good one");
    sp_stats_init(READERS);
    o.set = sp_live_set_new();
    o.live = sp_live_new(o.set, &kind, SP_STR("v"), NULL, value_new("good one"));
    sp_live_watch(o.live, path);
    o.task.start = task_start;
    o.task.stop = task_stop;
    sp_live_set_add_task(o.set, &o.task);
    assert_false(sp_live_set_ready(o.set));
    assert_int_equal(sp_worker_init(&o.main, "main", 0), 0);
    o.main.user = &o;
    o.main.on_start = main_start;
    for (unsigned i = 0; i < READERS; i++) {
        o.list[i] = &o.workers[i];
        o.workers[i].user = &o;
        o.workers[i].on_start = reader_start;
        o.workers[i].on_stop = reader_stop;
        assert_int_equal(sp_worker_init(&o.workers[i], "reader", i), 0);
    }
    atomic_store((_Atomic int *)&sp_log_threshold, SP_LOG_OFF);
    sp_worker_run(&o.main);
    for (unsigned i = 0; i < READERS; i++)
        sp_worker_done(&o.workers[i]);
    sp_worker_done(&o.main);
    assert_true(o.reads > 100);
    assert_int_equal(o.torn, 0);
    assert_int_equal(o.started, 1);
    assert_int_equal(o.stopped, 1);
    assert_true(sp_live_set_ready(o.set));
    assert_string_equal(o.why, "not good but \"bad\"");
    assert_int_equal(o.n_failed, 1);
    assert_int_equal(n_refused, 1);
    assert_int_equal(n_ok, 1 + 1 + 2 + 200); /* the first, the task's, two files, many */
    assert_int_equal(alive, 1); /* all the others were freed */
    sp_live_set_free(o.set);
    assert_int_equal(alive, 0);
    sp_stats_done();
    unlink(path);
}

/* --- sets of objects that outlive documents, and documents that take each other's place --- */

enum { SLOW = 8 }; /* more than libuv has helper threads: some wait in its queue */

struct object {
    struct sp_live_set *set;
    struct sp_live *live;
    char path[64];
    _Atomic unsigned loads;
};

struct change {
    struct sp_worker main, *list[1];
    struct sp_live_set *docs[3], *slow[SLOW];
    struct object *kept, *ctx[SLOW];
    struct sp_timer step;
    unsigned steps;
    struct sp_gauge failing;
};

static int objects;

static struct object *object_new(const char *name)
{
    struct object *o = sp_xcalloc(1, sizeof(*o));
    snprintf(o->path, sizeof(o->path), "/tmp/sp_live_%d_%s", getpid(), name);
    FILE *f = fopen(o->path, "w");
    fputs("good one", f);
    fclose(f);
    objects++;
    return o;
}

static void object_free(void *owner)
{
    struct object *o = owner;
    unlink(o->path);
    memset(o, 'x', sizeof(*o));
    free(o);
    objects--;
}

static void *object_load(void *ctx, const void *old, struct sp_diag *diag)
{
    struct object *o = ctx;
    char text[32] = "";
    FILE *f = fopen(o->path, "r");
    if (!f || !fgets(text, sizeof(text), f))
        text[0] = 0;
    if (f)
        fclose(f);
    o->loads++;
    if (strcmp(text, "good one") == 0)
        return value_new(text);
    if (strcmp(text, "slow") == 0)
        usleep(150000);
    else
        sp_diag_add(diag, SP_ERROR, (struct sp_mark){0}, NULL, "no good");
    o->loads++; /* it is in use until here */
    return strcmp(text, "slow") == 0 ? value_new("good slow") : NULL;
}

static const struct sp_live_kind object_kind = {.name = "object", .load = object_load, .free = value_free};

static void object_write(const struct object *o, const char *text)
{
    FILE *f = fopen(o->path, "w");
    fputs(text, f);
    fclose(f);
}

static struct object *enter(struct sp_live_set *set, const char *name)
{
    struct object *o = object_new(name);
    o->set = set;
    o->live = sp_live_new(set ? set : (o->set = sp_live_set_new_kept(object_free, o)), &object_kind, SP_STR("o"), o, value_new("good one"));
    sp_live_watch(o->live, o->path);
    return o;
}

static void count_each(void *arg, const struct sp_live_info *info)
{
    *(unsigned *)arg += 1;
}

static unsigned shown(const struct sp_live_set *set)
{
    unsigned n = 0;
    sp_live_set_each(set, count_each, &n);
    return n;
}

static bool serves(const struct object *o, const char *text)
{
    return strcmp(text_of(o->live), text) == 0;
}

/* Whether step `n` may go on: what it waits for has happened. */
static bool come(struct change *c, unsigned n)
{
    unsigned reading = 0, served = 0;
    for (unsigned i = 0; i < SLOW && n >= 2 && n <= 3; i++) {
        reading += c->ctx[i]->loads % 2;
        served += serves(c->ctx[i], "good slow");
    }
    switch (n) {
    case 1:
    case 6:
        return sp_gauge_value(c->failing) == 1;
    case 2:
        return served == SLOW && serves(c->kept, "good slow") && sp_gauge_value(c->failing) == 0;
    case 3:
        return reading > 0;
    case 4:
        for (unsigned i = 0; i < SLOW; i++)
            reading += !sp_live_set_idle(c->slow[i]);
        return !reading;
    case 5:
        return !sp_live_is_reading() && serves(c->kept, "good one");
    default:
        return true;
    }
}

static void on_change(struct sp_timer *t)
{
    struct change *c = SP_CONTAINER_OF(t, struct change, step);
    struct sp_live_set **d = c->docs;
    sp_timer_start(&c->main.turn, t, 5 * SP_NS_PER_MS);
    if (!come(c, c->steps))
        return; /* the test's time is limited */
    switch (c->steps++) {
    case 0: /* the second document serves, the first one goes: what both use runs on */
        sp_live_set_run(d[1], &c->main, c->list, 1);
        sp_live_set_stop(d[0]);
        sp_live_set_free(d[0]);
        object_write(c->kept, "bad");
        break;
    case 1:
        assert_int_equal(shown(d[1]), 1);
        object_write(c->kept, "slow");
        for (unsigned i = 0; i < SLOW; i++)
            object_write(c->ctx[i], "slow");
        break;
    case 2: /* what waits to be read is let go of, what is being read is read on: nobody waits for it */
        for (unsigned i = 0; i < SLOW; i++)
            object_write(c->ctx[i], "slow");
        break;
    case 3:
        for (unsigned i = 0; i < SLOW; i++) {
            sp_live_publish(c->ctx[i]->live, value_new("good news")); /* on its way when the set goes */
            sp_live_set_stop(c->slow[i]);
        }
        assert_true(sp_live_is_reading());
        break;
    case 4: /* they are idle, and may be freed */
        for (unsigned i = 0; i < SLOW; i++) {
            object_free(c->ctx[i]);
            sp_live_set_free(c->slow[i]);
        }
        /* Nobody uses it: it stops, and what happens meanwhile is read when it runs again. */
        sp_live_set_stop(d[1]);
        object_write(c->kept, "good one");
        sp_live_set_run(d[2], &c->main, c->list, 1);
        assert_true(serves(c->kept, "good slow"));
        break;
    case 5:
        object_write(c->kept, "bad");
        break;
    default:
        sp_live_set_stop(d[2]);
        assert_int_equal(sp_gauge_value(c->failing), 0); /* what no longer serves fails nobody */
        sp_timer_stop(t);
        sp_worker_stop(&c->main);
    }
}

static void change_start(struct sp_worker *w)
{
    struct change *c = w->user;
    c->failing = sp_stats_gauge(sp_stats_scope(sp_stats_root(), SP_STR("files"), NULL, SP_STR_NULL), SP_STR("failing"));
    sp_live_set_run(c->docs[0], w, c->list, 1);
    for (unsigned i = 0; i < SLOW; i++)
        sp_live_set_run(c->slow[i], w, c->list, 1);
    c->step.fire = on_change;
    sp_timer_start(&w->turn, &c->step, 0);
}

static void test_documents_that_follow_each_other(void **state)
{
    static struct change c;
    sp_stats_init(1);
    c.main.user = &c;
    c.main.on_start = change_start;
    c.list[0] = &c.main;
    c.kept = enter(NULL, "kept");
    for (unsigned i = 0; i < 3; i++) {
        c.docs[i] = sp_live_set_new();
        sp_live_set_use(c.docs[i], c.kept->set);
        sp_live_set_use(c.docs[i], c.kept->set);
    }
    for (unsigned i = 0; i < SLOW; i++) {
        char name[16];
        snprintf(name, sizeof(name), "slow%u", i);
        c.slow[i] = sp_live_set_new();
        c.ctx[i] = enter(c.slow[i], name);
    }
    assert_int_equal(sp_worker_init(&c.main, "main", 0), 0);
    sp_worker_run(&c.main);
    sp_worker_done(&c.main);
    assert_int_equal(objects, 1);
    assert_int_equal(alive, 1);
    sp_live_set_free(c.docs[1]);
    sp_live_set_unref(c.kept->set); /* the object's own reference: the last document still has it */
    assert_int_equal(objects, 1);
    sp_live_set_free(c.docs[2]);
    assert_int_equal(objects, 0);
    assert_int_equal(alive, 0);
    sp_stats_done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_set_that_does_not_run),
        cmocka_unit_test(test_files_and_readers),
        cmocka_unit_test(test_documents_that_follow_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
