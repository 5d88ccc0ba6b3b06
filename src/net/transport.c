/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/transport.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/reserve.h"

enum {
    READ_MIN = 4096,          /* room for a read: less at the end of a chunk is given up */
    READ_CHUNKS = 4,          /* of a read while much comes in */
    READ_TURN = 128 * 1024,   /* read from one socket before others get their turn */
    WRITE_VECTORS = 64,
    JOIN_MAX = 2048,          /* pieces of no more than this in all are copied together: the kernel takes longer over a vector */
};

struct sp_transport {
    struct sp_watch watch;
    struct sp_worker *worker;
    const struct sp_transport_cb *cb;
    void *ctx;
    struct sp_buf in, out;
    union {
        struct sp_defer report; /* of what happened inside a call of the owner */
        struct sp_grave grave;  /* once it is closed */
    };
    int err;                /* of a write or of an immediate connect, to be reported */
    uint16_t last_read;     /* bytes, or UINT16_MAX */
    bool connecting : 1, reading : 1, ended : 1 /* nothing more to read */, bulk : 1, shut : 1, broken : 1, closed : 1;
    bool hold : 1;          /* the next write */
};

/* Tells the kernel what to watch, if that changes. It fails only where nothing was watched: then the memory is out. */
static void watch(struct sp_transport *t, uint32_t events)
{
    int r = sp_watch_set(t->worker, &t->watch, events);
    if (!r)
        return;
    t->broken = true;
    t->err = r;
    sp_buf_clear(&t->out);
    sp_defer(&t->worker->turn, &t->report);
}

/* Idle sockets are watched for reading even when `reading` is off, until unwanted bytes come: see sp_transport_read. */
static void rewatch(struct sp_transport *t, bool readable)
{
    uint32_t events = t->out.len || t->connecting ? EPOLLOUT : 0;
    if (!t->ended && !t->connecting)
        events |= readable ? EPOLLIN : EPOLLRDHUP;
    watch(t, events);
}

static bool watches_reads(const struct sp_transport *t)
{
    return (t->watch.events & EPOLLIN) || t->reading;
}

/* 0, or the error; what the kernel did not take stays in `b`. */
static int send_some(struct sp_transport *t, struct sp_buf *b)
{
    while (b->len) {
        char joined[JOIN_MAX];
        struct iovec iov[WRITE_VECTORS];
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = sp_buf_iov(b, iov, WRITE_VECTORS)};
        if (msg.msg_iovlen > 1 && b->len <= JOIN_MAX) {
            iov[0] = (struct iovec){joined, sp_buf_peek(b, joined, b->len)};
            msg.msg_iovlen = 1;
        }
        size_t want = 0;
        for (size_t i = 0; i < msg.msg_iovlen; i++)
            want += iov[i].iov_len;
        const int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (t->hold ? MSG_MORE : 0);
        ssize_t n = msg.msg_iovlen == 1 ? send(t->watch.fd, iov[0].iov_base, want, flags) : sendmsg(t->watch.fd, &msg, flags);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -errno;
        sp_buf_drain(b, (size_t)n);
        if ((size_t)n < want)
            return 0;
    }
    return 0;
}

static void write_failed(struct sp_transport *t, int err)
{
    t->broken = true;
    t->err = err;
    sp_buf_clear(&t->out);
    rewatch(t, watches_reads(t));
}

static void flush_queue(struct sp_transport *t)
{
    if (!t->out.len)
        return;
    int r = send_some(t, &t->out);
    if (r) {
        write_failed(t, r);
        t->cb->on_drained(t->ctx, r);
        return;
    }
    if (t->out.len)
        return;
    rewatch(t, watches_reads(t));
    if (t->shut)
        shutdown(t->watch.fd, SHUT_WR);
    t->cb->on_drained(t->ctx, 0);
}

static void end_reading(struct sp_transport *t, int err)
{
    t->ended = true; /* still watched: mostly it is closed in this turn, which saves two system calls */
    t->reading = false;
    t->cb->on_read(t->ctx, &t->in, err);
}

/* One read into up to READ_CHUNKS chunks. Bytes read, 0 at the end, negative errno; *ret_full: there may be more. */
static ssize_t read_once(struct sp_transport *t, bool *ret_full)
{
    struct iovec iov[READ_CHUNKS];
    struct sp_buf more[READ_CHUNKS - 1];
    unsigned n_iov = t->bulk && SP_LIKELY(sp_memory() == SP_MEM_WELL) ? READ_CHUNKS : 1;
    bool small = !t->bulk && t->last_read < READ_MIN / 2; /* into a chunk that connections share */
    size_t room = 0;
    for (unsigned i = 0; i < n_iov; i++) {
        struct sp_buf *b = i ? &more[i - 1] : &t->in;
        if (i)
            sp_buf_init(b);
        iov[i].iov_base = small ? sp_buf_reserve_shared(b, READ_MIN, &iov[i].iov_len)
                                : sp_buf_reserve(b, READ_MIN, &iov[i].iov_len);
        room += iov[i].iov_len;
    }
    ssize_t n;
    do {
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = n_iov};
        n = n_iov == 1 ? recv(t->watch.fd, iov[0].iov_base, room, MSG_DONTWAIT) : recvmsg(t->watch.fd, &msg, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    int err = n < 0 ? -errno : 0;
    if (n > 0)
        t->last_read = (uint16_t)SP_MIN(n, (ssize_t)UINT16_MAX);
    size_t left = n > 0 ? (size_t)n : 0;
    for (unsigned i = 0; i < n_iov; i++) {
        size_t k = SP_MIN(left, iov[i].iov_len);
        left -= k;
        sp_buf_commit(i ? &more[i - 1] : &t->in, k);
        if (i && k)
            sp_buf_move(&t->in, &more[i - 1]);
    }
    *ret_full = n > 0 && (size_t)n == room;
    t->bulk = *ret_full || (t->bulk && n >= SP_CHUNK_SIZE);
    return err ? err : n;
}

static void read_some(struct sp_transport *t)
{
    size_t done = 0;
    bool full = true;
    while (full && done < READ_TURN && t->reading && !t->closed) {
        /* With no memory for what comes, this peer is one whose connection ends, so that the others' may go on. */
        ssize_t n = SP_UNLIKELY(sp_memory() == SP_MEM_LOW) ? -ENOMEM : read_once(t, &full);
        if (n == -EAGAIN || n == -EWOULDBLOCK)
            return;
        if (n <= 0) {
            end_reading(t, n ? (int)n : UV_EOF);
            return;
        }
        done += (size_t)n;
        t->cb->on_read(t->ctx, &t->in, 0);
    }
}

static int socket_error(int fd)
{
    int err = 0;
    socklen_t len = sizeof(err);
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len))
        return -errno;
    return -err;
}

/* Bytes, or the peer's end, while nobody wants to read. */
static void unwanted(struct sp_transport *t, bool failed)
{
    int err = failed ? socket_error(t->watch.fd) : 0;
    if (err) {
        end_reading(t, err);
        return;
    }
    if (t->watch.events & EPOLLIN)
        rewatch(t, false);
    else
        watch(t, t->watch.events & EPOLLOUT); /* a half close: level-triggered, it would come for ever */
}

static void tell(struct sp_transport *t, uint32_t events)
{
    bool failed = events & EPOLLERR;
    if (failed) { /* the calls below find out what it is; it may stay so for ever, and nobody may want to know */
        watch(t, 0);
        events = EPOLLIN | EPOLLOUT;
    }
    if (t->connecting) {
        int err = socket_error(t->watch.fd);
        t->connecting = false;
        if (err)
            watch(t, 0);
        else
            rewatch(t, t->reading);
        t->cb->on_connect(t->ctx, err);
        return;
    }
    if (events & EPOLLOUT)
        flush_queue(t);
    if (!t->closed && (events & (EPOLLIN | EPOLLRDHUP))) {
        if (t->reading)
            read_some(t);
        else if (t->ended)
            rewatch(t, false);
        else
            unwanted(t, failed);
    }
    if (failed && !t->closed)
        rewatch(t, t->reading);
}

static void on_event(struct sp_watch *w, uint32_t events)
{
    struct sp_transport *t = SP_CONTAINER_OF(w, struct sp_transport, watch);
    tell(t, events);
    if (!t->closed && t->cb->on_turn)
        t->cb->on_turn(t->ctx);
}

static void run_report(struct sp_defer *d)
{
    struct sp_transport *t = SP_CONTAINER_OF(d, struct sp_transport, report);
    if (t->connecting) {
        t->connecting = false;
        rewatch(t, t->reading);
        t->cb->on_connect(t->ctx, t->err);
    } else {
        t->cb->on_drained(t->ctx, t->err);
    }
}

static struct sp_transport *transport_new(struct sp_worker *w, int fd, uint32_t events, const struct sp_transport_cb *cb,
                                          void *ctx, int *ret_err)
{
    struct sp_transport *t = sp_xcalloc(1, sizeof(*t));
    t->watch = (struct sp_watch){.ready = on_event, .fd = fd};
    int r = sp_watch_set(w, &t->watch, events);
    if (r) {
        close(fd);
        free(t);
        *ret_err = r;
        return NULL;
    }
    t->worker = w;
    t->cb = cb;
    t->ctx = ctx;
    t->report.run = run_report;
    return t;
}

struct sp_transport *sp_transport_adopt(struct sp_worker *w, int fd, const struct sp_transport_cb *cb, void *ctx,
                                        int *ret_err)
{
    assert(w && fd >= 0 && ret_err);
    return transport_new(w, fd, EPOLLIN, cb, ctx, ret_err); /* it will be read soon */
}

struct sp_transport *sp_transport_connect(struct sp_worker *w, const struct sp_addr *to, const struct sp_sock_options *o,
                                          const struct sp_transport_cb *cb, void *ctx, int *ret_err)
{
    assert(w && to && cb && cb->on_connect && ret_err);
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(to, &ss);
    if (!len) {
        *ret_err = -EINVAL;
        return NULL;
    }
    int fd = SP_UNLIKELY(sp_memory() == SP_MEM_LOW) ? -ENOMEM : sp_sock_client(to, o);
    if (fd < 0) {
        *ret_err = fd;
        return NULL;
    }
    bool now = true;
    if (connect(fd, (struct sockaddr *)&ss, len)) {
        int err = errno;
        if (err != EINPROGRESS) { /* EAGAIN: a unix socket whose backlog is full */
            close(fd);
            *ret_err = -err;
            return NULL;
        }
        now = false;
    }
    struct sp_transport *t = transport_new(w, fd, now ? EPOLLIN : EPOLLOUT, cb, ctx, ret_err);
    if (!t)
        return NULL;
    t->connecting = true;
    if (now)
        sp_defer(&w->turn, &t->report);
    return t;
}

void sp_transport_set_cb(struct sp_transport *t, const struct sp_transport_cb *cb, void *ctx)
{
    assert(t && cb && !t->closed);
    t->cb = cb;
    t->ctx = ctx;
}

void sp_transport_read(struct sp_transport *t, bool on)
{
    assert(t && !t->closed && (t->cb || !on));
    if (t->ended || t->reading == on)
        return;
    t->reading = on;
    if (on && !t->connecting)
        rewatch(t, true);
}

struct sp_buf *sp_transport_in(struct sp_transport *t)
{
    assert(t && !t->closed);
    return &t->in;
}

void sp_transport_write(struct sp_transport *t, struct sp_buf *b)
{
    assert(t && b && !t->closed && !t->connecting && !t->shut);
    if (t->broken) {
        sp_buf_clear(b);
        return;
    }
    if (!t->out.len) {
        int r = send_some(t, b);
        t->hold = false;
        if (r) {
            sp_buf_clear(b);
            write_failed(t, r);
            sp_defer(&t->worker->turn, &t->report);
            return;
        }
        if (!b->len)
            return;
    }
    sp_buf_move(&t->out, b);
    rewatch(t, watches_reads(t));
}

void sp_transport_hold(struct sp_transport *t, bool hold)
{
    assert(t && !t->closed);
    t->hold = hold && !t->out.len; /* what is queued goes out when the socket takes more, as it is */
}

size_t sp_transport_queued(const struct sp_transport *t)
{
    assert(t && !t->closed);
    return t->out.len;
}

size_t sp_transport_unacked(const struct sp_transport *t)
{
    assert(t && !t->closed);
    int n = 0;
    return t->out.len + (ioctl(t->watch.fd, SIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0);
}

void sp_transport_shutdown(struct sp_transport *t)
{
    assert(t && !t->closed && !t->connecting);
    if (t->shut)
        return;
    t->shut = true;
    if (!t->out.len)
        shutdown(t->watch.fd, SHUT_WR);
}

static void free_transport(struct sp_grave *g)
{
    free(SP_CONTAINER_OF(g, struct sp_transport, grave));
}

void sp_transport_close(struct sp_transport *t, bool reset)
{
    assert(t && !t->closed);
    if (reset)
        sp_sock_reset_on_close(t->watch.fd);
    else if (t->out.len && !t->connecting)
        send_some(t, &t->out);
    t->closed = true;
    t->reading = false;
    sp_defer_cancel(&t->report);
    sp_buf_clear(&t->in);
    sp_buf_clear(&t->out);
    sp_watch_end(t->worker, &t->watch);
    close(t->watch.fd);
    t->grave = (struct sp_grave){.free = free_transport};
    sp_bury(&t->worker->turn, &t->grave);
}

struct sp_addr sp_transport_peer(const struct sp_transport *t)
{
    assert(t && !t->closed);
    return sp_sock_peer(t->watch.fd);
}

struct sp_addr sp_transport_local(const struct sp_transport *t)
{
    assert(t && !t->closed);
    return sp_sock_local(t->watch.fd);
}
