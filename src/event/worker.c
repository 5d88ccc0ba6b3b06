/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event/worker.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/blocks.h"
#include "base/pages.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"

enum { EVENTS = 256 }; /* of a turn at most */
static const uint64_t LATE_MIN_NS = SP_NS_PER_MS; /* a shorter turn makes nobody wait */

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

/* After a sleep: timers that are due have to wait, since sockets may have something that stops them. */
static void set_clock(struct sp_worker *w)
{
    w->turn.now_ns = SP_MAX(w->turn.now_ns, clock_ns(CLOCK_MONOTONIC));
    w->turn.wall_ns = (int64_t)clock_ns(CLOCK_REALTIME);
}

/* Milliseconds until there is something to do without an event, rounded up; -1: there is nothing. */
static int sleep_ms(const struct sp_worker *w)
{
    uint64_t ns = sp_turn_wait_ns(&w->turn), ms = (ns + SP_NS_PER_MS - 1) / SP_NS_PER_MS;
    int own = ns == UINT64_MAX ? -1 : (int)SP_MIN(ms, (uint64_t)INT_MAX);
    int uv = uv_backend_timeout(&w->loop);
    return own < 0 || (uv >= 0 && uv < own) ? uv : own;
}

static void tell(struct sp_watch *x, uint32_t events)
{
    if (!(events & (EPOLLIN | EPOLLOUT | EPOLLRDHUP))) /* an error or a hang-up alone: reading or writing finds out */
        events |= x->events;
    events &= x->events | EPOLLERR;
    if (events)
        x->ready(x, events);
}

/* True: there is something for uv. */
static bool tell_all(struct sp_worker *w, struct epoll_event *found, int n)
{
    bool uv = false;
    w->found = found;
    for (w->n_found = n; w->n_found;) {
        const struct epoll_event e = *w->found++;
        w->n_found--;
        if (e.data.ptr == w)
            uv = true;
        else if (e.data.ptr == &w->mark)
            continue;
        else if (e.data.ptr)
            tell(e.data.ptr, e.events);
    }
    return uv;
}

static bool has_mark(const struct sp_worker *w, const struct epoll_event *found, int n)
{
    for (int i = 0; w->marked_ns && i < n; i++)
        if (found[i].data.ptr == &w->mark)
            return true;
    return false;
}

/* The kernel's list of what is ready is a queue: whatever is read before the mark was there before it. */
static void set_mark(struct sp_worker *w)
{
    const uint64_t one = 1;
    if (write(w->mark, &one, sizeof(one)) == (ssize_t)sizeof(one))
        w->marked_ns = w->turn.now_ns;
}

/* How late this turn is. `slept`: there was nothing to do, until there was. */
static void note_late(struct sp_worker *w, const struct epoll_event *found, int n, bool slept)
{
    uint64_t now = w->turn.now_ns, since = slept ? now : w->looked_ns;
    if (SP_UNLIKELY(w->marked_ns != 0)) {
        since = SP_MIN(since, w->marked_ns);
        if (n < EVENTS || has_mark(w, found, n))
            w->marked_ns = 0;
    }
    if (SP_UNLIKELY(n == EVENTS && !w->marked_ns))
        set_mark(w);
    w->looked_ns = now;
    w->turn.late_ns = now - since < LATE_MIN_NS ? 0 : now - since;
    if (SP_UNLIKELY(w->turn.late_ns > atomic_load_explicit(&w->worst_late_ns, memory_order_relaxed)))
        atomic_store_explicit(&w->worst_late_ns, w->turn.late_ns, memory_order_relaxed);
}

uint64_t sp_worker_delay(struct sp_worker *w)
{
    assert(w);
    uint64_t worst = atomic_exchange_explicit(&w->worst_late_ns, 0, memory_order_relaxed);
    uint64_t since = atomic_load_explicit(&w->busy_ns, memory_order_relaxed), now = clock_ns(CLOCK_MONOTONIC);
    return since && now > since ? SP_MAX(worst, now - since) : worst;
}

/* Lets more come before it looks (event/gather.h). True: it waited, and *now is later. A signal may have ended that early.
 * Not after a long turn, nor where more than a turn takes is there already; and no timer is made late by it. */
static bool gather(struct sp_worker *w, uint64_t *now)
{
    uint64_t ns = sp_gather_wait(&w->turn.gather, *now);
    if (SP_LIKELY(!ns) || w->marked_ns || *now - w->looked_ns >= LATE_MIN_NS)
        return false;
    uint64_t due = sp_turn_wait_ns(&w->turn), since = *now - SP_MIN(*now, w->turn.now_ns); /* both from the turn's beginning */
    ns = SP_MIN(ns, due - SP_MIN(due, since));
    if (ns < SP_GATHER_MIN_NS)
        return false;
    const struct timespec most = {.tv_nsec = (long)SP_MAX(ns - SP_GATHER_MIN_NS, 1ull)};
    const uint64_t began = *now;
    atomic_store_explicit(&w->busy_ns, 0, memory_order_relaxed);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &most, NULL);
    *now = clock_ns(CLOCK_MONOTONIC);
    sp_gather_slept(&w->turn.gather, *now - began);
    w->looked_ns += *now - began; /* nothing is late for that */
    return true;
}

/* After a long turn the first look does not sleep: whatever it finds came during that turn. */
static int wait_for_events(struct sp_worker *w, struct epoll_event *found, int ms)
{
    uint64_t now = clock_ns(CLOCK_MONOTONIC);
    if (ms && gather(w, &now))
        ms = 0; /* what was to be waited for has become less */
    bool was_long = now - w->looked_ns >= LATE_MIN_NS, slept = !was_long;
    if (slept)
        atomic_store_explicit(&w->busy_ns, 0, memory_order_relaxed);
    int n = epoll_wait(w->epoll, found, EVENTS, was_long ? 0 : ms);
    if (n == 0 && was_long && ms) {
        slept = true;
        atomic_store_explicit(&w->busy_ns, 0, memory_order_relaxed);
        n = epoll_wait(w->epoll, found, EVENTS, ms);
    }
    set_clock(w);
    if (slept)
        sp_gather_slept(&w->turn.gather, w->turn.now_ns - SP_MIN(now, w->turn.now_ns));
    note_late(w, found, n, slept);
    return n;
}

/* One sleep, and what it brought. */
static void look(struct sp_worker *w)
{
    struct epoll_event found[EVENTS];
    if (uv_backend_timeout(&w->loop) == 0) { /* it has something to do at once, or changes that its epoll has not heard of */
        uv_run(&w->loop, UV_RUN_NOWAIT);
        if (w->stopping)
            return;
    }
    int ms = sleep_ms(w);
    int n = wait_for_events(w, found, ms);
    atomic_store_explicit(&w->busy_ns, w->turn.now_ns, memory_order_relaxed);
    if (tell_all(w, found, SP_MAX(n, 0)))
        uv_run(&w->loop, UV_RUN_NOWAIT);
}

/* What a turn brought is settled: timers, deferred calls, burials. False: the worker shall end. */
static bool settle(struct sp_worker *w)
{
    turn_begin(w);
    sp_turn_end(&w->turn);
    enum sp_memory m = sp_memory();
    if (SP_UNLIKELY(m != SP_MEM_WELL)) {
        sp_log_limited(SP_LOG_ERROR, "server", 1, "the system gives no memory: %s until it does",
                       m == SP_MEM_LOW ? "connections are closed" : "new connections and requests are refused");
        sp_worker_trim(w); /* what nobody uses just now may be what others lack */
    }
    return !w->stopping;
}

void sp_worker_turn(struct sp_worker *w)
{
    assert(w && w->looped);
    if (settle(w))
        look(w);
}

int sp_watch_set(struct sp_worker *w, struct sp_watch *x, uint32_t events)
{
    assert(w && w->looped && x && x->ready && x->fd >= 0);
    if (x->events == events)
        return 0;
    int op = !events ? EPOLL_CTL_DEL : x->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(w->epoll, op, x->fd, &(struct epoll_event){.events = events, .data.ptr = x}))
        return -errno;
    x->events = events;
    return 0;
}

void sp_watch_end(struct sp_worker *w, struct sp_watch *x)
{
    assert(w && x);
    x->events = 0;
    for (int i = 0; i < w->n_found; i++)
        if (w->found[i].data.ptr == x)
            w->found[i].data.ptr = NULL;
}

static void on_async(uv_async_t *a)
{
    struct sp_worker *w = a->data;
    struct sp_msg *m = atomic_exchange_explicit(&w->inbox, NULL, memory_order_acquire);
    struct sp_msg *in_order = NULL;
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

static void thread_trim(void)
{
    sp_buf_thread_done();
    sp_arena_thread_done();
    sp_block_thread_done();
    sp_pages_thread_done();
}

void sp_worker_trim(struct sp_worker *w)
{
    assert(w);
    sp_turn_trim(&w->turn);
    thread_trim();
}

int sp_worker_init(struct sp_worker *w, const char *name, unsigned index)
{
    assert(w && name);
    w->index = index;
    snprintf(w->name, sizeof(w->name), "%s", name);
    w->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (w->epoll < 0)
        return -errno;
    w->mark = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = w->mark < 0 ? -errno : uv_loop_init(&w->loop);
    if (r)
        goto no_loop;
    r = uv_async_init(&w->loop, &w->async, on_async);
    if (!r && (epoll_ctl(w->epoll, EPOLL_CTL_ADD, uv_backend_fd(&w->loop), &(struct epoll_event){.events = EPOLLIN, .data.ptr = w}) ||
               epoll_ctl(w->epoll, EPOLL_CTL_ADD, w->mark, &(struct epoll_event){.events = EPOLLIN | EPOLLET, .data.ptr = &w->mark})))
        r = -errno;
    if (r)
        goto no_async;
    sp_turn_init(&w->turn);
    w->turn.worker = w;
    turn_begin(w);
    w->looked_ns = w->turn.now_ns;
    w->async.data = w;
    w->looped = true;
    return 0;
no_async:
    uv_loop_close(&w->loop);
no_loop:
    if (w->mark >= 0)
        close(w->mark);
    close(w->epoll);
    return r;
}

void sp_worker_run(struct sp_worker *w)
{
    assert(w);
    self = w;
    if (w->on_start)
        w->on_start(w);
    while (settle(w))
        look(w);
    if (w->on_stop)
        w->on_stop(w);
    sp_turn_end(&w->turn);
    /* What on_stop closed still has close callbacks to run. */
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    sp_turn_end(&w->turn);
    on_async(&w->async); /* posted after the loop ended: messages own memory */
    sp_turn_done(&w->turn);
    thread_trim();
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

void sp_worker_drop(struct sp_worker *w)
{
    assert(w && w->looped && !w->threaded);
    uv_close((uv_handle_t *)&w->async, NULL);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    sp_turn_done(&w->turn);
    sp_worker_done(w);
}

void sp_worker_done(struct sp_worker *w)
{
    assert(w);
    if (w->threaded) {
        pthread_join(w->thread, NULL);
        on_async(&w->async); /* posted since the thread looked last: a second signal while others still drain */
    }
    w->threaded = false;
    close(w->mark);
    close(w->epoll);
    int r = uv_loop_close(&w->loop);
    assert(r == 0 && "a uv handle was left open on this worker");
    (void)r;
}
