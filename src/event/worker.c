/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/worker.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/pages.h"
#include "base/buf.h"
#include "base/mem.h"

static _Thread_local struct sp_worker *self;

struct sp_worker *sp_worker_self(void)
{
    return self;
}

uint64_t sp_worker_next_id(void)
{
    static _Thread_local uint64_t n;
    return (self ? (uint64_t)self->index + 1 : 0) << 40 | ++n;
}

static uint64_t clock_ns(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * SP_NS_PER_S + (uint64_t)ts.tv_nsec;
}

static void turn_begin(struct sp_worker *w)
{
    sp_turn_begin(&w->turn, clock_ns(CLOCK_MONOTONIC), (int64_t)clock_ns(CLOCK_REALTIME));
}

static void on_alarm(uv_timer_t *t)
{
    (void)t; /* on_prepare fires what is due */
}

/* Wakes the loop in time for the next timer; uv counts in milliseconds, so round up. */
static void set_alarm(struct sp_worker *w)
{
    uint64_t wait = sp_turn_wait_ns(&w->turn);
    if (wait == UINT64_MAX) {
        uv_timer_stop(&w->alarm);
        return;
    }
    uint64_t ms = (wait + SP_NS_PER_MS - 1) / SP_NS_PER_MS;
    uv_update_time(&w->loop);
    if (uv_is_active((uv_handle_t *)&w->alarm) && uv_timer_get_due_in(&w->alarm) == ms)
        return;
    uv_timer_start(&w->alarm, on_alarm, ms, 0);
}

static void on_prepare(uv_prepare_t *p)
{
    struct sp_worker *w = p->data;
    turn_begin(w);
    sp_turn_end(&w->turn);
    if (w->stopping) {
        uv_stop(&w->loop);
        return;
    }
    set_alarm(w);
    w->slept = true;
    atomic_store_explicit(&w->busy_ns, 0, memory_order_relaxed);
}

void sp_worker_woke(struct sp_worker *w)
{
    assert(w);
    if (!w->slept)
        return;
    w->slept = false;
    w->turn.now_ns = SP_MAX(w->turn.now_ns, clock_ns(CLOCK_MONOTONIC));
    w->turn.wall_ns = (int64_t)clock_ns(CLOCK_REALTIME);
    atomic_store_explicit(&w->busy_ns, w->turn.now_ns, memory_order_relaxed);
}

static void on_check(uv_check_t *c)
{
    sp_worker_woke(c->data);
}

static void on_async(uv_async_t *a)
{
    struct sp_worker *w = a->data;
    struct sp_msg *m = atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
    struct sp_msg *in_order = NULL;
    sp_worker_woke(w);
    while (m) { /* the inbox is a stack: turn it round */
        struct sp_msg *next = m->next;
        m->next = in_order;
        in_order = m;
        m = next;
    }
    while (in_order) {
        m = in_order;
        in_order = m->next;
        m->run(m);
    }
}

void sp_worker_post(struct sp_worker *w, struct sp_msg *m)
{
    assert(w && m && m->run);
    struct sp_msg *head = atomic_load_explicit(&w->inbox, memory_order_relaxed);
    do {
        m->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&w->inbox, &head, m, memory_order_release, memory_order_relaxed));
    if (!head)
        uv_async_send(&w->async);
}

static void job_work(uv_work_t *req)
{
    struct sp_job *j = SP_CONTAINER_OF(req, struct sp_job, req);
    j->work(j);
}

static void job_done(uv_work_t *req, int status)
{
    struct sp_job *j = SP_CONTAINER_OF(req, struct sp_job, req);
    assert(status == 0); /* nobody cancels */
    (void)status;
    j->done(j);
}

static void run_done(struct sp_msg *m)
{
    struct sp_job *j = SP_CONTAINER_OF(m, struct sp_job, msg);
    j->done(j);
}

void sp_worker_job(struct sp_worker *w, struct sp_job *j)
{
    assert(w && j && j->work && j->done);
    if (w->looped) {
        int r = uv_queue_work(&w->loop, &j->req, job_work, job_done);
        assert(r == 0);
        (void)r;
        return;
    }
    j->work(j);
    j->msg.run = run_done;
    sp_worker_post(w, &j->msg);
}

int sp_worker_init(struct sp_worker *w, const char *name, unsigned index)
{
    assert(w && name);
    w->index = index;
    snprintf(w->name, sizeof(w->name), "%s", name);
    int r = uv_loop_init(&w->loop);
    if (r)
        return r;
    sp_turn_init(&w->turn);
    w->turn.worker = w;
    turn_begin(w);
    r = uv_async_init(&w->loop, &w->async, on_async);
    if (r) {
        uv_loop_close(&w->loop);
        return r;
    }
    uv_prepare_init(&w->loop, &w->prepare);
    uv_check_init(&w->loop, &w->check);
    uv_timer_init(&w->loop, &w->alarm);
    w->prepare.data = w->check.data = w->async.data = w;
    uv_prepare_start(&w->prepare, on_prepare);
    uv_check_start(&w->check, on_check);
    w->looped = true;
    return 0;
}

void sp_worker_run(struct sp_worker *w)
{
    assert(w);
    self = w;
    if (w->on_start)
        w->on_start(w);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    if (w->on_stop)
        w->on_stop(w);
    /* What on_stop closed still has close callbacks to run. */
    uv_close((uv_handle_t *)&w->prepare, NULL);
    uv_close((uv_handle_t *)&w->check, NULL);
    uv_close((uv_handle_t *)&w->alarm, NULL);
    uv_close((uv_handle_t *)&w->async, NULL);
    sp_turn_end(&w->turn);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    on_async(&w->async); /* posted after the loop ended: messages own memory */
    sp_turn_done(&w->turn);
    sp_buf_thread_done();
    sp_arena_thread_done();
    sp_block_thread_done();
    sp_pages_thread_done();
    self = NULL;
}

static void *thread_main(void *arg)
{
    sp_worker_run(arg);
    return NULL;
}

int sp_worker_start(struct sp_worker *w)
{
    assert(w && !w->threaded);
    sigset_t all, old; /* signals are the main thread's */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int r = pthread_create(&w->thread, NULL, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r)
        return -r;
    pthread_setname_np(w->thread, w->name);
    w->threaded = true;
    return 0;
}

struct stop_msg {
    struct sp_msg msg;
    struct sp_worker *worker;
};

static void run_stop(struct sp_msg *m)
{
    struct stop_msg *s = SP_CONTAINER_OF(m, struct stop_msg, msg);
    s->worker->stopping = true;
    free(s);
}

void sp_worker_stop(struct sp_worker *w)
{
    assert(w);
    if (sp_worker_self() == w) {
        w->stopping = true;
        return;
    }
    struct stop_msg *s = sp_xcalloc(1, sizeof(*s));
    s->msg.run = run_stop;
    s->worker = w;
    sp_worker_post(w, &s->msg);
}

void sp_worker_done(struct sp_worker *w)
{
    assert(w);
    if (w->threaded) {
        pthread_join(w->thread, NULL);
        on_async(&w->async); /* posted since the thread looked last: a second signal while others still drain */
    }
    w->threaded = false;
    int r = uv_loop_close(&w->loop);
    assert(r == 0 && "a uv handle was left open on this worker");
    (void)r;
}
