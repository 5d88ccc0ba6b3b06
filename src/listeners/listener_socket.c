/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A listener's socket on one worker.  The kernel's queue is emptied in bounded bites; when descriptors run out,
 * accepting pauses instead of spinning, and before that the last ones are kept for connections to the origins.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "event/overload.h"
#include "listeners/downstream.h"
#include "listeners/listener_filters.h"

enum {
    PAUSE_MS = 100,
    RETIRE_ACCEPTS = 4096,
};

struct door {
    struct sp_list link;
    struct sp_listener_socket *socket;
    struct sp_watch watch;
    struct sp_grave grave;
};

struct sp_listener_socket {
    struct sp_downstream_home home;
    struct sp_list doors;
    struct sp_timer pause;
    rlim_t limit;       /* RLIMIT_NOFILE; the system gives the lowest free number, so a high one means few are left */
    bool closing;
    struct sp_grave grave;
};

int sp_listener_bind(const struct sp_listener *l, const struct sp_addr *at, struct sp_addr *ret_bound)
{
    assert(l && ret_bound);
    if (!at)
        at = &l->addr;
    const struct sp_sock_listen o = {
        .reuse_port = l->reuse_port,
        .v6_only = !l->v4_compat,
        .freebind = l->freebind,
        .transparent = l->transparent,
        .keepalive = l->keepalive.keepalive ? &l->keepalive : NULL,
        .unix_mode = l->unix_mode,
    };
    int fd = sp_sock_bind(at, &o);
    if (fd < 0)
        return fd;
    *ret_bound = at->family == AF_UNIX ? *at : sp_sock_local(fd);
    return fd;
}

static int watch(struct door *d)
{
    return sp_watch_set(d->socket->home.worker, &d->watch, EPOLLIN);
}

static void wait_a_while(struct sp_listener_socket *s);

static void on_pause_over(struct sp_timer *t)
{
    struct sp_listener_socket *s = SP_CONTAINER_OF(t, struct sp_listener_socket, pause);
    bool all = true;
    SP_LIST_FOREACH (n, &s->doors)
        all &= !watch(SP_CONTAINER_OF(n, struct door, link));
    if (!all) /* the kernel has no memory for it */
        wait_a_while(s);
}

static void wait_a_while(struct sp_listener_socket *s)
{
    SP_LIST_FOREACH (n, &s->doors)
        sp_watch_set(s->home.worker, &SP_CONTAINER_OF(n, struct door, link)->watch, 0);
    sp_timer_start(&s->home.worker->turn, &s->pause, PAUSE_MS * SP_NS_PER_MS);
}

static void pause_accepting(struct sp_listener_socket *s, int err)
{
    sp_log_limited(SP_LOG_ERROR, "listener", 1, "%.*s: cannot accept: %s; waiting %d ms",
                   SP_STR_ARG(s->home.listener->name), strerrordesc_np(err), PAUSE_MS);
    wait_a_while(s);
}

/* Whether there are descriptors left for one more client. */
static bool has_room(const struct sp_listener_socket *s, int fd)
{
    if (SP_LIKELY((rlim_t)fd < s->limit - s->limit / 4))
        return true;
    bool full = (rlim_t)fd >= s->limit - s->limit / 8;
    sp_log_limited(SP_LOG_WARNING, "listener", 1, "%.*s: descriptor %d of RLIMIT_NOFILE %llu%s",
                   SP_STR_ARG(s->home.listener->name), fd, (unsigned long long)s->limit,
                   full ? ": the rest is for the origins, so new clients are refused" : ": raise it soon");
    if (full)
        sp_counter_inc(s->home.listener->stats.cx_overflow);
    return !full;
}

/* Whether the limits leave room for one more; then it is counted, and given back when the connection is buried. */
static bool within_limits(const struct sp_listener *l)
{
    bool own = sp_cx_limit_take(&l->limit), all = own && sp_cx_limit_take(&l->global_limit);
    if (all)
        return true;
    if (own)
        sp_cx_limit_give(&l->limit);
    sp_counter_inc(own ? l->stats.global_cx_overflow : l->stats.cx_overflow);
    sp_log_limited(SP_LOG_WARNING, "listener", 1, "%.*s: %llu connections%s: new clients are refused", SP_STR_ARG(l->name),
                   (unsigned long long)(own ? l->global_limit.max : l->limit.max), own ? " on all listeners" : "");
    return false;
}

/* The overload manager wants no more of them, this worker is late, or there is no memory for them. */
static bool is_shed(const struct sp_listener *l, const struct sp_turn *turn)
{
    bool full = sp_memory() != SP_MEM_WELL;
    if (SP_LIKELY(!full) && (!l->sheds || !(sp_overload_hits(SP_OL_REJECT_CONNECTIONS) || sp_overload_hits(SP_OL_SHED_ACCEPT) || sp_overload_too_late(turn))))
        return false;
    sp_counter_inc(l->stats.cx_overload_reject);
    return true;
}

static void take(struct sp_listener_socket *s, int fd, const struct sockaddr_storage *ss, socklen_t len)
{
    const struct sp_listener *l = s->home.listener;
    struct sp_addr peer = {0};
    int err = sp_addr_from_sockaddr((const struct sockaddr *)ss, len, NULL, &peer);
    if (err || is_shed(l, &s->home.worker->turn) || !sp_listener_admits_socket(l, &peer) || !has_room(s, fd) ||
        !sp_rate_gate_admit(&l->rate, l->name, s->home.worker->turn.now_ns) || !within_limits(l)) {
        sp_sock_reset_on_close(fd);
        close(fd);
        return;
    }
    err = sp_downstream_open(&s->home, fd, &peer);
    if (err) {
        sp_cx_limit_give(&l->limit);
        sp_cx_limit_give(&l->global_limit);
        sp_log_limited(SP_LOG_ERROR, "listener", 1, "%.*s: cannot take a connection: %s", SP_STR_ARG(l->name),
                       strerrordesc_np(-err));
    }
}

/* Of the connection that is gone before it was taken (accept(2) of Linux passes them on), or of a firewall: the next one may be well. */
static bool is_its_own(int err)
{
    static const int v[] = {ECONNABORTED, EINTR, EPROTO, EPERM, ENETDOWN, ENETUNREACH, EHOSTDOWN, EHOSTUNREACH, ENONET, ENOPROTOOPT,
                            EOPNOTSUPP, ETIMEDOUT, ECONNRESET};
    for (size_t i = 0; i < SP_ARRAY_LEN(v); i++)
        if (v[i] == err)
            return true;
    return false;
}

/* False: there is none, or it has to wait. */
static bool accept_one(struct door *d)
{
    struct sp_listener_socket *s = d->socket;
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    int fd = accept4(d->watch.fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC), err = errno;
    if (fd >= 0) {
        take(s, fd, &ss, len);
        return true;
    }
    if (err == EAGAIN || err == EWOULDBLOCK)
        return false;
    if (is_its_own(err))
        return true;
    pause_accepting(s, err); /* EMFILE, ENFILE, ENOBUFS, ENOMEM, or what nobody knows: it would come again at once, for ever */
    return false;
}

static void on_knock(struct sp_watch *w, uint32_t events)
{
    struct door *d = SP_CONTAINER_OF(w, struct door, watch);
    struct sp_listener_socket *s = d->socket;
    (void)events;
    if (s->home.listener->sheds && sp_overload_value(SP_OL_STOP_CONNECTIONS) == SP_OVERLOAD_FULL) {
        wait_a_while(s);
        return;
    }
    unsigned n = 0;
    while (n < s->home.listener->accept_turn && accept_one(d))
        n++;
    sp_histogram_record(s->home.listener->stats.accepted, n);
}

static rlim_t descriptor_limit(void)
{
    struct rlimit r;
    return getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == RLIM_INFINITY ? INT32_MAX : r.rlim_cur;
}

static void free_socket(struct sp_grave *g)
{
    struct sp_listener_socket *s = SP_CONTAINER_OF(g, struct sp_listener_socket, grave);
    if (s->home.snapshot)
        sp_snapshot_unref(s->home.snapshot, s->home.worker->index);
    free(s);
}

/* Once nothing refers to it any more: its connections. */
static void maybe_free(struct sp_listener_socket *s)
{
    if (!s->closing || s->home.n_conns)
        return;
    sp_timer_stop(&s->home.drain);
    sp_heap_trim_stop(&s->home.trim);
    s->grave.free = free_socket;
    sp_bury(&s->home.worker->turn, &s->grave);
}

static void emptied(struct sp_downstream_home *h)
{
    maybe_free(SP_CONTAINER_OF(h, struct sp_listener_socket, home));
}

static void free_door(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct door, grave));
}

static void stop_accepting(struct sp_listener_socket *s)
{
    sp_timer_stop(&s->pause);
    SP_LIST_FOREACH_SAFE (n, &s->doors) {
        struct door *d = SP_CONTAINER_OF(n, struct door, link);
        sp_list_remove(n);
        sp_watch_set(s->home.worker, &d->watch, 0); /* other processes may have the socket, too: closing would not end it */
        sp_watch_end(s->home.worker, &d->watch);
        close(d->watch.fd);
        d->grave.free = free_door; /* it may be the one that is just accepting */
        sp_bury(&s->home.worker->turn, &d->grave);
    }
}

/* The workers that serve are called so by Envoy; whatever else has a loop is the main thread. */
static void count_here(struct sp_listener_socket *s)
{
    const struct sp_worker *w = s->home.worker;
    char name[32] = "main_thread";
    if (w->threaded)
        snprintf(name, sizeof(name), "worker_%u", w->index);
    sp_listener_worker_stats_init(&s->home.of_worker, &s->home.listener->stats, name);
}

struct sp_listener_socket *sp_listener_open(struct sp_worker *w, const struct sp_listener *l, struct sp_snapshot *snapshot)
{
    assert(w && l);
    struct sp_listener_socket *s = sp_xcalloc(1, sizeof(*s));
    s->home = (struct sp_downstream_home){.worker = w, .listener = l, .snapshot = snapshot, .emptied = emptied};
    count_here(s);
    sp_list_init(&s->home.conns);
    sp_list_init(&s->doors);
    s->pause.fire = on_pause_over;
    s->limit = descriptor_limit();
    if (snapshot)
        sp_snapshot_ref(snapshot, w->index);
    return s;
}

int sp_listener_accept_on(struct sp_listener_socket *s, int fd)
{
    assert(s && !s->closing && fd >= 0);
    struct door *d = sp_xcalloc(1, sizeof(*d));
    d->socket = s;
    d->watch = (struct sp_watch){.ready = on_knock, .fd = fd};
    int err = listen(fd, s->home.listener->backlog) ? -errno : watch(d);
    if (err) {
        close(fd);
        free(d);
        return err;
    }
    sp_list_push_back(&s->doors, &d->link);
    return 0;
}

void sp_listener_update(struct sp_listener_socket *s, const struct sp_listener *l, struct sp_snapshot *snapshot,
                        uint64_t drain_ns)
{
    assert(s && !s->closing && l && snapshot && s->home.snapshot);
    struct sp_snapshot *old = s->home.snapshot;
    s->home.listener = l;
    s->home.snapshot = sp_snapshot_ref(snapshot, s->home.worker->index);
    s->home.drain_ns = drain_ns;
    count_here(s);
    sp_downstream_adopt_all(&s->home);
    sp_snapshot_unref(old, s->home.worker->index);
    SP_LIST_FOREACH (n, &s->doors)
        if (listen(SP_CONTAINER_OF(n, struct door, link)->watch.fd, l->backlog))
            sp_log(SP_LOG_WARNING, "listener", "%.*s: tcp_backlog_size cannot be changed: %s", SP_STR_ARG(l->name),
                   strerrordesc_np(errno));
}

/* They were told that they are connected: resetting them would lose what they send. */
static void accept_rest(struct sp_listener_socket *s)
{
    SP_LIST_FOREACH (n, &s->doors)
        for (unsigned i = 0; i < RETIRE_ACCEPTS && accept_one(SP_CONTAINER_OF(n, struct door, link)); i++)
            continue;
}

void sp_listener_retire(struct sp_listener_socket *s, uint64_t drain_ns, bool take_rest)
{
    assert(s && !s->closing);
    if (take_rest)
        accept_rest(s);
    stop_accepting(s);
    s->home.drain_ns = drain_ns;
    sp_downstream_retire_all(&s->home);
}

void sp_listener_cut(struct sp_listener_socket *s, uint64_t number)
{
    assert(s);
    sp_downstream_cut_all(&s->home, number);
}

void sp_listener_weigh(const struct sp_listener_socket *s, struct sp_heavy *heavy)
{
    assert(s);
    sp_downstream_weigh_all(&s->home, heavy);
}

void sp_listener_drain(struct sp_listener_socket *s)
{
    assert(s && !s->closing);
    stop_accepting(s);
    sp_downstream_drain_all(&s->home);
}

unsigned sp_listener_connections(const struct sp_listener_socket *s)
{
    assert(s);
    return s->home.n_conns;
}

void sp_listener_close(struct sp_listener_socket *s)
{
    assert(s && !s->closing);
    s->closing = true;
    stop_accepting(s);
    sp_downstream_reset_all(&s->home);
    maybe_free(s);
}
