/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/log_file.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "stream/log_out.h"
#include "stream/log_ring.h"

enum {
    FLUSH_MS = 1000,
    STALL_MS = 50,         /* until a pipe that took nothing is tried again */
    CLOSE_WAIT_MS = 5000,
    FLUSH_WAIT_MS = 2000,
};

struct sp_log_file {
    struct sp_list link;
    unsigned users; /* registry.lock */
    unsigned index; /* place in each thread's own array */
    uint64_t id;    /* never used twice */
    bool busy;      /* registry.lock: the writer has it in hand */
    _Atomic(struct sp_log_ring *) rings;
    _Atomic bool reopen;
    /* The writer's, and of whoever closes it once the writer cannot come back to it: */
    struct sp_log_out out;
    bool stalled; /* the last write took less than all */
};

static struct {
    pthread_mutex_t life; /* start and end of the writer; taken before `lock` */
    pthread_mutex_t lock; /* the list and users; never held over a write */
    struct sp_list files;
    uint64_t next_id;
    bool running;
    pthread_t thread;
    sem_t wake;
    _Alignas(SP_CACHELINE) _Atomic bool stop, urgent;
    _Alignas(SP_CACHELINE) _Atomic uint64_t written, failed, reopen_failed, sent, not_sent;
} registry = {.life = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

/* This thread's rings by file index; `id` tells whether it is still the same file. */
struct own {
    uint64_t id;
    struct sp_log_ring *ring;
};
static _Thread_local struct {
    struct own *v;
    unsigned n;
} own;

static void reopen(struct sp_log_file *f)
{
    if (!atomic_exchange_explicit(&f->reopen, false, memory_order_acquire))
        return;
    int err = sp_log_out_reopen(&f->out);
    if (err == 0)
        return;
    atomic_fetch_add_explicit(&registry.reopen_failed, 1, memory_order_relaxed);
    sp_log(SP_LOG_ERROR, "access_log", "cannot reopen %s: %s; the old file is written on", f->out.name, strerror(-err));
}

static void empty_ring(struct sp_log_file *f, struct sp_log_ring *r)
{
    bool syslog = f->out.kind == SP_LOG_SYSLOG;
    struct iovec iov[2];
    size_t lost;
    int n;
    while ((n = sp_log_ring_peek(r, iov)) > 0) {
        ssize_t k = sp_log_out_write(&f->out, iov, n, &lost);
        if (k >= 0) {
            sp_log_ring_take(r, (size_t)k);
            atomic_fetch_add_explicit(syslog ? &registry.sent : &registry.written, 1, memory_order_relaxed);
        } else if (k == -EAGAIN) {
            f->stalled = true;
            return;
        } else if (k != -EINTR) {
            /* Disk full, reader gone: these lines are lost, the next may fare better. */
            sp_log_ring_take(r, lost);
            atomic_fetch_add_explicit(syslog ? &registry.not_sent : &registry.failed, 1, memory_order_relaxed);
            sp_log_limited(SP_LOG_ERROR, "access_log", 1, "cannot write %s: %s; %zu bytes are lost", f->out.name,
                           strerror((int)-k), lost);
        }
    }
}

static void empty_file(struct sp_log_file *f)
{
    f->stalled = false;
    for (struct sp_log_ring *r = atomic_load_explicit(&f->rings, memory_order_acquire); r; r = r->next) {
        /* Before the look at what is there: what is put after it is signalled anew. */
        atomic_exchange(&r->signalled, false);
        empty_ring(f, r);
        if (f->stalled)
            atomic_store(&r->signalled, true); /* it is tried again soon anyway */
    }
    reopen(f);
}

/* True when some file did not take all. The file in hand is marked, so that nobody closes it; the lock is not held. */
static bool empty_all(void)
{
    bool stalled = false;
    atomic_store(&registry.urgent, false);
    pthread_mutex_lock(&registry.lock);
    struct sp_list *at = registry.files.next;
    while (at != &registry.files) {
        struct sp_log_file *f = SP_CONTAINER_OF(at, struct sp_log_file, link);
        f->busy = true;
        pthread_mutex_unlock(&registry.lock);
        empty_file(f);
        stalled |= f->stalled;
        pthread_mutex_lock(&registry.lock);
        f->busy = false;
        at = f->link.next;
    }
    pthread_mutex_unlock(&registry.lock);
    return stalled;
}

static void add_ms(struct timespec *t, unsigned ms)
{
    t->tv_nsec += (long)(ms % 1000) * 1000000;
    t->tv_sec += ms / 1000 + t->tv_nsec / 1000000000;
    t->tv_nsec %= 1000000000;
}

/* Up to `ms` after now, or until it is urgent. */
static void linger(unsigned ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    add_ms(&until, ms);
    while (!atomic_load(&registry.stop) && !atomic_load(&registry.urgent))
        if (sem_clockwait(&registry.wake, CLOCK_MONOTONIC, &until) < 0 && errno == ETIMEDOUT)
            return;
}

static void *writer(void *unused)
{
    bool stalled = false;
    while (!atomic_load(&registry.stop)) {
        if (!stalled)
            while (sem_wait(&registry.wake) < 0)
                ;
        linger(stalled ? STALL_MS : FLUSH_MS);
        stalled = empty_all();
    }
    return NULL;
}

/* Under `life`. */
static int start(void)
{
    sigset_t all, old;
    if (registry.running)
        return 0;
    /* Once for all time: a thread may post to it at any moment. */
    if (!registry.files.next) {
        sp_list_init(&registry.files);
        sem_init(&registry.wake, 0, 0);
    }
    atomic_store(&registry.stop, false);
    atomic_store(&registry.urgent, false);
    /* Signals are for the main thread. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&registry.thread, NULL, writer, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    registry.running = err == 0;
    return -err;
}

static void stop(void)
{
    atomic_store(&registry.stop, true);
    sem_post(&registry.wake);
    pthread_join(registry.thread, NULL);
    registry.running = false;
}

/* Under `lock`: a file of this path that is open. */
static struct sp_log_file *find(enum sp_log_kind kind, const char *name)
{
    SP_LIST_FOREACH(at, &registry.files) {
        struct sp_log_file *f = SP_CONTAINER_OF(at, struct sp_log_file, link);
        if (f->out.kind == kind && strcmp(f->out.name, name) == 0)
            return f;
    }
    return NULL;
}

/* Under `lock`: the least index that no open file has. */
static unsigned free_index(void)
{
    for (unsigned i = 0;; i++) {
        bool taken = false;
        SP_LIST_FOREACH(at, &registry.files)
            taken |= SP_CONTAINER_OF(at, struct sp_log_file, link)->index == i;
        if (!taken)
            return i;
    }
}

static int open_new(enum sp_log_kind kind, const char *name, struct sp_log_file **ret)
{
    struct sp_log_file *f = sp_xcalloc(1, sizeof(*f));
    f->users = 1;
    int err = sp_log_out_init(&f->out, kind, name);
    if (err == 0 && (err = start()) < 0)
        sp_log_out_done(&f->out);
    if (err < 0) {
        free(f);
        return err;
    }
    pthread_mutex_lock(&registry.lock);
    f->index = free_index();
    f->id = ++registry.next_id;
    sp_list_push_back(&registry.files, &f->link);
    pthread_mutex_unlock(&registry.lock);
    *ret = f;
    return 0;
}

static int open_shared(enum sp_log_kind kind, const char *name, struct sp_log_file **ret_file)
{
    assert(name && ret_file);
    int err = 0;
    pthread_mutex_lock(&registry.life);
    pthread_mutex_lock(&registry.lock);
    struct sp_log_file *f = registry.files.next ? find(kind, name) : NULL;
    if (f)
        f->users++;
    pthread_mutex_unlock(&registry.lock);
    if (!f)
        err = open_new(kind, name, &f);
    pthread_mutex_unlock(&registry.life);
    if (err == 0)
        *ret_file = f;
    return err;
}

int sp_log_file_open(const char *path, struct sp_log_file **ret_file)
{
    return open_shared(SP_LOG_PATH, path, ret_file);
}

int sp_log_file_syslog(const char *address, struct sp_log_file **ret_file)
{
    return open_shared(SP_LOG_SYSLOG, address, ret_file);
}

static void sleep_ms(unsigned ms)
{
    struct timespec t = {0};
    add_ms(&t, ms);
    nanosleep(&t, NULL);
}

/* Under `life`; its last user is gone, so that nothing more is put. False when the writer does not let go of it. */
static bool take_out(struct sp_log_file *f)
{
    for (unsigned waited = 0; waited < CLOSE_WAIT_MS; waited++) {
        pthread_mutex_lock(&registry.lock);
        bool busy = f->busy;
        if (!busy)
            sp_list_remove(&f->link);
        pthread_mutex_unlock(&registry.lock);
        if (!busy)
            return true;
        sleep_ms(1);
    }
    return false;
}

static void finish(struct sp_log_file *f)
{
    for (unsigned waited = 0; waited < CLOSE_WAIT_MS; waited++) {
        empty_file(f);
        if (!f->stalled)
            break;
        sleep_ms(1);
    }
    sp_log_out_done(&f->out);
    for (struct sp_log_ring *r = atomic_load(&f->rings), *next; r; r = next) {
        next = r->next;
        free(r);
    }
    free(f);
}

void sp_log_file_close(struct sp_log_file *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&registry.life);
    pthread_mutex_lock(&registry.lock);
    assert(f->users > 0);
    bool last = --f->users == 0;
    pthread_mutex_unlock(&registry.lock);
    if (last && take_out(f))
        finish(f);
    else if (last)
        sp_log(SP_LOG_ERROR, "access_log", "%s takes no bytes: what it has not taken is lost", f->out.name);
    pthread_mutex_lock(&registry.lock);
    bool none = sp_list_empty(&registry.files);
    pthread_mutex_unlock(&registry.lock);
    if (none && registry.running)
        stop();
    pthread_mutex_unlock(&registry.life);
}

/* NULL: there is no memory for it. */
static struct sp_log_ring *ring_new(struct sp_log_file *f)
{
    struct sp_log_ring *r = NULL;
    if (posix_memalign((void **)&r, SP_CACHELINE, sizeof(*r) + SP_LOG_RING) != 0) {
        sp_reserve_miss(sizeof(*r) + SP_LOG_RING);
        return NULL;
    }
    memset(r, 0, sizeof(*r));
    r->size = SP_LOG_RING;
    r->owner = &own;
    r->next = atomic_load_explicit(&f->rings, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&f->rings, &r->next, r, memory_order_release, memory_order_relaxed))
        ;
    return r;
}

static struct sp_log_ring *ring_of(struct sp_log_file *f)
{
    if (f->index < own.n && own.v[f->index].id == f->id)
        return own.v[f->index].ring;
    if (f->index >= own.n) {
        unsigned n = f->index + 4;
        own.v = sp_xrealloc(own.v, n * sizeof(*own.v));
        memset(own.v + own.n, 0, (n - own.n) * sizeof(*own.v));
        own.n = n;
    }
    struct sp_log_ring *r = ring_new(f);
    if (r)
        own.v[f->index] = (struct own){f->id, r};
    return r;
}

bool sp_log_file_put(struct sp_log_file *f, const struct sp_buf *line)
{
    assert(f && line);
    struct sp_log_ring *r = ring_of(f);
    if (!r || !sp_log_ring_put(r, line))
        return false;
    if (!atomic_exchange(&r->signalled, true))
        sem_post(&registry.wake);
    if (sp_log_ring_used(r) >= SP_LOG_BATCH && !atomic_load_explicit(&registry.urgent, memory_order_relaxed) &&
        !atomic_exchange(&registry.urgent, true))
        sem_post(&registry.wake);
    return true;
}

/* Bytes that this thread put and that are not written yet. */
static size_t unwritten(void)
{
    size_t n = 0;
    pthread_mutex_lock(&registry.lock);
    if (registry.files.next)
        SP_LIST_FOREACH(at, &registry.files) {
            struct sp_log_file *f = SP_CONTAINER_OF(at, struct sp_log_file, link);
            for (struct sp_log_ring *r = atomic_load_explicit(&f->rings, memory_order_acquire); r; r = r->next)
                n += r->owner == &own ? sp_log_ring_used(r) : 0;
        }
    pthread_mutex_unlock(&registry.lock);
    return n;
}

void sp_log_file_thread_flush(void)
{
    /* Whoever has put something has a file open, and so there is a writer. */
    for (unsigned waited = 0; own.n && waited < FLUSH_WAIT_MS && unwritten(); waited++) {
        if (!atomic_exchange(&registry.urgent, true))
            sem_post(&registry.wake);
        sleep_ms(1);
    }
    free(own.v);
    own.v = NULL;
    own.n = 0;
}

void sp_log_file_reopen(void)
{
    pthread_mutex_lock(&registry.life);
    pthread_mutex_lock(&registry.lock);
    if (registry.files.next)
        SP_LIST_FOREACH(at, &registry.files)
            atomic_store_explicit(&SP_CONTAINER_OF(at, struct sp_log_file, link)->reopen, true, memory_order_release);
    pthread_mutex_unlock(&registry.lock);
    if (registry.running) {
        atomic_store(&registry.urgent, true);
        sem_post(&registry.wake);
    }
    pthread_mutex_unlock(&registry.life);
}

/* Mostly there is nothing: a look takes the line from nobody. */
static uint64_t harvest(_Atomic uint64_t *n)
{
    if (!atomic_load_explicit(n, memory_order_relaxed))
        return 0;
    return atomic_exchange_explicit(n, 0, memory_order_relaxed);
}

struct sp_log_counts sp_log_file_counts(void)
{
    return (struct sp_log_counts){
        .written = harvest(&registry.written),
        .failed = harvest(&registry.failed),
        .reopen_failed = harvest(&registry.reopen_failed),
        .sent = harvest(&registry.sent),
        .not_sent = harvest(&registry.not_sent),
    };
}

void sp_log_file_each(void (*each)(void *arg, const char *path), void *arg)
{
    if (!registry.files.next)
        return;
    pthread_mutex_lock(&registry.lock);
    SP_LIST_FOREACH(at, &registry.files) {
        struct sp_log_file *f = SP_CONTAINER_OF(at, struct sp_log_file, link);
        if (f->out.kind == SP_LOG_PATH && !f->out.standard)
            each(arg, f->out.name);
    }
    pthread_mutex_unlock(&registry.lock);
}

void sp_log_file_new_thread(void)
{
    pthread_mutex_lock(&registry.life);
    if (registry.running) {
        stop();
        if (start() < 0)
            abort(); /* one has just ended: there is room for it */
    }
    pthread_mutex_unlock(&registry.life);
}
