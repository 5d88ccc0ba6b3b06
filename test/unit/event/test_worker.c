/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Messages to a worker: each is run, also one that comes when the thread has ended, so that nothing leaks. */
#include "event/worker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

struct counts {
    unsigned on_thread, elsewhere;
};

struct note {
    struct sp_msg msg;
    struct sp_worker *to;
    struct counts *counts;
};

static void run_note(struct sp_msg *m)
{
    struct note *n = SP_CONTAINER_OF(m, struct note, msg);
    if (sp_worker_self() == n->to)
        n->counts->on_thread++;
    else
        n->counts->elsewhere++;
    free(n);
}

static void post(struct sp_worker *w, struct counts *c)
{
    struct note *n = sp_xcalloc(1, sizeof(*n));
    *n = (struct note){.msg.run = run_note, .to = w, .counts = c};
    sp_worker_post(w, &n->msg);
}

/* pthread_join leaves the worker as if sp_worker_done had not been reached yet. */
static void wait_for_end(struct sp_worker *w)
{
    sp_worker_stop(w);
    pthread_join(w->thread, NULL);
}

static void *nothing(void *arg)
{
    return arg;
}

static void test_posted_before_the_end(void **state)
{
    (void)state;
    struct sp_worker w = {0};
    struct counts c = {0, 0};
    assert_int_equal(sp_worker_init(&w, "test", 0), 0);
    post(&w, &c);
    assert_int_equal(sp_worker_start(&w), 0);
    post(&w, &c);
    sp_worker_stop(&w);
    sp_worker_done(&w);
    assert_int_equal(c.on_thread, 2);
    assert_int_equal(c.elsewhere, 0);
}

static void test_posted_after_the_end(void **state)
{
    (void)state;
    struct sp_worker w = {0};
    struct counts c = {0, 0};
    assert_int_equal(sp_worker_init(&w, "test", 0), 0);
    assert_int_equal(sp_worker_start(&w), 0);
    wait_for_end(&w);
    post(&w, &c);
    post(&w, &c);
    assert_int_equal(pthread_create(&w.thread, NULL, nothing, NULL), 0); /* for sp_worker_done to join */
    sp_worker_done(&w);
    assert_int_equal(c.on_thread, 0);
    assert_int_equal(c.elsewhere, 2);
}

struct slow {
    struct sp_job job;
    struct sp_worker *worker;
    pthread_t did;
    bool done_on_thread;
};

static void slow_work(struct sp_job *j)
{
    struct slow *s = SP_CONTAINER_OF(j, struct slow, job);
    s->did = pthread_self();
    usleep(20000);
}

static void slow_done(struct sp_job *j)
{
    struct slow *s = SP_CONTAINER_OF(j, struct slow, job);
    s->done_on_thread = sp_worker_self() == s->worker;
}

static void begin_slow(struct sp_worker *w)
{
    struct slow *s = w->user;
    sp_worker_job(w, &s->job);
    sp_worker_stop(w); /* while it is under way */
}

static void test_job(void **state)
{
    (void)state;
    struct slow s = {.job = {.work = slow_work, .done = slow_done}};
    struct sp_worker w = {.on_start = begin_slow, .user = &s};
    s.worker = &w;
    assert_int_equal(sp_worker_init(&w, "test", 0), 0);
    assert_int_equal(sp_worker_start(&w), 0);
    pthread_t thread = w.thread;
    sp_worker_done(&w);
    assert_true(s.done_on_thread);
    assert_false(pthread_equal(s.did, thread));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_posted_before_the_end),
        cmocka_unit_test(test_posted_after_the_end),
        cmocka_unit_test(test_job),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
