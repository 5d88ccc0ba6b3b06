/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_worker: a thread with one event loop and one sp_turn.  Everything on a worker runs on its thread; the only way
 * in from another thread is sp_worker_post.  The process has N serving workers, the prober and, wrapped around
 * the main thread's own loop, the main worker.
 *
 * A turn: sockets' callbacks run (event/watch.h; each may look at turn.now_ns), and uv's, then, before the worker sleeps
 * again, due timers fire, posted messages were handled, deferred calls run and the buried are freed.  The worker sleeps in an
 * epoll of its own, which holds the sockets and uv's epoll: uv's loop is run when there is something for it.
 *
 * turn.late_ns says how long what a turn brings has waited, at most: since the turn before looked, or, where more waits than
 * one turn takes, since a mark that was put behind it. Time in which the system does not let the worker run counts; but for what
 * comes while it sleeps.
 */
#ifndef SP_EVENT_WORKER_H
#define SP_EVENT_WORKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

#include "event/turn.h"
#include "event/watch.h"

/*
 * A message to another thread: owned by the sender until posted, then by `run`, which frees it.  What comes when the
 * thread has ended runs in sp_worker_done, where sp_worker_self is not the worker: it only frees.
 */
struct sp_msg {
    struct sp_msg *next;
    void (*run)(struct sp_msg *m);
};

struct sp_worker;

/* Work that takes too long for a loop, done on another thread.  Embedded in its owner, which `done` may free. */
struct sp_job {
    void (*work)(struct sp_job *j); /* on another thread */
    void (*done)(struct sp_job *j); /* then on the worker's, before it ends */
    uv_work_t req;
    struct sp_msg msg;
};

struct sp_worker {
    uv_loop_t loop;
    struct sp_turn turn;
    unsigned index; /* 0 .. n-1 of its kind; also the index of its stats slab */
    char name[16];
    pthread_t thread;
    bool looped, threaded, stopping; /* looped: it has a loop (in simulation it has none) */
    _Atomic uint64_t busy_ns; /* when the turn under way began; 0: it sleeps. For whoever watches, on any thread */
    _Atomic uint64_t worst_late_ns; /* turn.late_ns at its worst since sp_worker_delay was asked */
    uint64_t looked_ns;       /* when it looked last what there is to do */
    int epoll;
    int mark;                 /* an eventfd that is put behind what waits, to see how long that takes */
    uint64_t marked_ns;       /* when that was; 0: it came out again */
    struct epoll_event *found; /* of this turn, n_found of them not told yet */
    int n_found;
    uv_async_t async;
    _Atomic(struct sp_msg *) inbox;
    void (*on_start)(struct sp_worker *w); /* on the thread, before the loop runs; may be NULL */
    void (*on_stop)(struct sp_worker *w);  /* on the thread, after the loop ended; may be NULL */
    void *user;
};

/* The worker of the calling thread, or NULL. */
struct sp_worker *sp_worker_self(void);
/* A number that nobody else in the process gets, without an atomic: the worker's own stands in front. Never 0. */
uint64_t sp_worker_next_id(void);

/* Sets up the loop; 0 or negative errno. `w` is zeroed by the caller, with on_start/on_stop/user set. */
int sp_worker_init(struct sp_worker *w, const char *name, unsigned index);
/* Starts the thread. */
int sp_worker_start(struct sp_worker *w);
/* Runs the loop on the calling thread until sp_worker_stop: for main and for tests. */
void sp_worker_run(struct sp_worker *w);
/* One turn: what is due is done, then one sleep and what it brought. For tests. */
void sp_worker_turn(struct sp_worker *w);
/* Asks the loop to end at the end of its turn; from any thread. */
void sp_worker_stop(struct sp_worker *w);
/* Instead of the next one, for a worker that never ran: its thread could not be started. */
void sp_worker_drop(struct sp_worker *w);
/* Waits for the thread; then closes the loop. All uv handles of others must have been closed by on_stop. */
void sp_worker_done(struct sp_worker *w);
/* Gives back what the thread keeps for whoever asks next: blocks, chunks, pages, the timers' heap. On the worker's thread. */
void sp_worker_trim(struct sp_worker *w);
/* How late the worker was at most since the last call, in nanoseconds: by how much what is to be done waits for what is done. For one caller, on
 * any thread. */
uint64_t sp_worker_delay(struct sp_worker *w);
/* Hands a message over; from any thread, lock-free; messages of one sender arrive in order. */
void sp_worker_post(struct sp_worker *w, struct sp_msg *m);
/* Begins a job, on the worker's thread; `work` and `done` are set. In simulation the work is done at once, and `done` posted. */
void sp_worker_job(struct sp_worker *w, struct sp_job *j);

#endif
