/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/hot_restart.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "net/inherit.h"

enum { PACKET_MAX = 256, FDS_MAX = 64, WAIT_S = 5, SERVE_S = 30 /* warming takes 15 at most */, REFUSED_MAX = 8, PAUSE_MS = 100 };

/* A descriptor that main's loop watches; freed by itself when it is closed. */
struct end {
    uv_poll_t poll;
    int fd;
    struct sp_hot_restart *home;
    const char *no; /* what a process is told that gets nothing; static */
};

struct sp_hot_restart {
    char *path;
    unsigned epoch;
    int old; /* the connection to the process that is taken over from; -1: none */
    struct sp_worker *main;
    const struct sp_hot_restart_events *events;
    void *ctx;
    struct end *door, *peer; /* where the next process asks; the one that does */
    bool given;            /* it has the sockets */
    uint64_t since_ns;     /* since when we wait for what it says next */
    struct sp_timer pause; /* of the door, while nobody can be let in */
    struct end *refused[REFUSED_MAX]; /* those who are told no when they ask: closing before would lose the words */
};

/* `other`: a user that is as good as our own; -1: none. */
static bool trusted(int fd, uid_t other)
{
    struct ucred u;
    socklen_t len = sizeof(u);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 &&
           (u.uid == geteuid() || u.uid == 0 || (other != (uid_t)-1 && u.uid == other));
}

/* Whether the process at the other end runs. One that cannot be seen (in another container) counts as gone. */
static bool runs(int fd)
{
    struct ucred u;
    socklen_t len = sizeof(u);
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len) == 0 && u.pid > 0 && (kill(u.pid, 0) == 0 || errno == EPERM);
}

static bool address_of(const char *path, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    return snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path) < (int)sizeof(ret->sun_path);
}

/* ---- packets ---- */

static int send_packet(int fd, const char *text, const int *fds, unsigned n)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    assert(n <= FDS_MAX);
    if (n) {
        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    return sendmsg(fd, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void adopt(const struct msghdr *m, bool wanted)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
            if (wanted)
                sp_inherit_add(fd);
            else
                close(fd);
        }
    }
}

/* Its length, 0 at the end, or negative errno. Descriptors that come with it are entered (`wanted`) or closed. */
static ssize_t receive_packet(int fd, char text[PACKET_MAX], bool wanted)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = text, .iov_len = PACKET_MAX - 1};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t n = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    if (n < 0)
        return -errno;
    text[n] = 0;
    adopt(&m, wanted);
    return wanted && (m.msg_flags & MSG_CTRUNC) ? -EMFILE : n;
}

/* ---- the new process ---- */

/* A connection to the process that serves; -ENOENT: there is none. */
static int connect_to(const char *path)
{
    struct sockaddr_un un;
    if (!address_of(path, &un))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    const struct timeval wait = {.tv_sec = WAIT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
    if (connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0)
        return fd;
    int err = errno == ECONNREFUSED ? ENOENT : errno;
    close(fd);
    return -err;
}

static bool ask(struct sp_hot_restart *h, char *why, size_t why_size)
{
    char text[PACKET_MAX];
    uint64_t epoch;
    ssize_t n = send_packet(h->old, "takeover 1", NULL, 0);
    if (n == 0)
        while ((n = receive_packet(h->old, text, true)) > 0 && strcmp(text, "sockets") == 0)
            continue;
    struct sp_str s = sp_str_c(text);
    if (n > 0 && sp_str_starts(s, SP_STR("go ")) && sp_str_u64(sp_str_sub(s, 3, s.len), UINT32_MAX - 1, &epoch) == 0) {
        h->epoch = (unsigned)epoch + 1;
        return true;
    }
    if (n > 0 && sp_str_starts(s, SP_STR("no ")))
        snprintf(why, why_size, "--hot-restart: the process that serves says no: %s", text + 3);
    else
        snprintf(why, why_size, "--hot-restart: %s: no sockets came: %s (is it a sallyport that serves there?)", h->path,
                 n < 0 ? strerrordesc_np((int)-n) : "the connection ended");
    return false;
}

struct sp_hot_restart *sp_hot_restart_take(const char *path, uid_t user, char *why, size_t why_size)
{
    assert(path && why && why_size > 0);
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISSOCK(st.st_mode)) { /* it would be written over */
        snprintf(why, why_size, "--hot-restart: %s is there and is no socket (name a path where one can be made)", path);
        return NULL;
    }
    struct sp_hot_restart *h = sp_xcalloc(1, sizeof(*h));
    h->path = sp_xstrdup(path);
    h->old = connect_to(path);
    if (h->old == -ENOENT)
        return h;
    bool good = false;
    if (h->old < 0)
        snprintf(why, why_size, "--hot-restart: cannot ask at %s: %s (the same user must run both processes)", path,
                 strerrordesc_np(-h->old));
    else if (!trusted(h->old, user))
        snprintf(why, why_size, "--hot-restart: another user listens at %s (put it into a directory that only you can write to)", path);
    else
        good = ask(h, why, why_size);
    if (good)
        return h;
    sp_inherit_drop(NULL, NULL);
    sp_hot_restart_free(h);
    return NULL;
}

unsigned sp_hot_restart_epoch(const struct sp_hot_restart *h)
{
    assert(h);
    return h->epoch;
}

/* ---- the process that serves ---- */

static void on_closed(uv_handle_t *handle)
{
    free(handle->data);
}

static void end_close(struct end **e)
{
    if (!*e)
        return;
    uv_close((uv_handle_t *)&(*e)->poll, on_closed);
    close((*e)->fd);
    *e = NULL;
}

/* Takes the descriptor; NULL: the system has no memory to watch it with, and it is closed. */
static struct end *end_open(struct sp_hot_restart *h, int fd, uv_poll_cb cb)
{
    struct end *e = sp_xcalloc(1, sizeof(*e));
    e->fd = fd;
    e->home = h;
    e->poll.data = e;
    if (uv_poll_init(&h->main->loop, &e->poll, fd)) {
        close(fd);
        free(e);
        return NULL;
    }
    int r = uv_poll_start(&e->poll, UV_READABLE, cb);
    assert(r == 0); /* it is not being closed */
    (void)r;
    return e;
}

struct sockets {
    int peer, err;
    int fds[FDS_MAX];
    unsigned n, total;
};

static void flush(struct sockets *s)
{
    if (s->n && !s->err)
        s->err = send_packet(s->peer, "sockets", s->fds, s->n);
    s->n = 0;
}

static void add_socket(void *arg, int fd)
{
    struct sockets *s = arg;
    s->fds[s->n++] = fd;
    s->total++;
    if (s->n == FDS_MAX)
        flush(s);
}

static void give(struct sp_hot_restart *h)
{
    struct sockets s = {.peer = h->peer->fd};
    char text[PACKET_MAX];
    h->events->each_socket(h->ctx, add_socket, &s);
    flush(&s);
    snprintf(text, sizeof(text), "go %u", h->epoch);
    if (!s.err)
        s.err = send_packet(s.peer, text, NULL, 0);
    h->given = !s.err;
    h->since_ns = h->main->turn.now_ns;
    if (s.err) {
        sp_log(SP_LOG_ERROR, "hot-restart", "cannot hand over the sockets: %s; serving on", strerrordesc_np(-s.err));
        end_close(&h->peer);
        return;
    }
    sp_log(SP_LOG_INFO, "hot-restart", "another process has got the %u sockets that listen; serving until it does", s.total);
}

void sp_hot_restart_stop(struct sp_hot_restart *h)
{
    assert(h);
    sp_timer_stop(&h->pause);
    end_close(&h->peer);
    end_close(&h->door);
    for (size_t i = 0; i < REFUSED_MAX; i++)
        end_close(&h->refused[i]);
}

static void handed_over(struct sp_hot_restart *h)
{
    sp_log(SP_LOG_INFO, "hot-restart", "the other process serves");
    sp_hot_restart_stop(h);
    h->events->on_handed_over(h->ctx);
}

static void on_packet(uv_poll_t *p, int status, int events)
{
    struct sp_hot_restart *h = ((struct end *)p->data)->home;
    char text[PACKET_MAX];
    (void)events;
    ssize_t n = status < 0 ? status : receive_packet(h->peer->fd, text, false);
    if (n == -EAGAIN)
        return;
    if (n > 0 && !h->given && strcmp(text, "takeover 1") == 0) {
        give(h);
        return;
    }
    if (n > 0 && h->given && strcmp(text, "serving") == 0) {
        handed_over(h);
        return;
    }
    if (n > 0)
        sp_log(SP_LOG_WARNING, "hot-restart", "another process sent what is not understood (is it another version?)");
    else if (h->given)
        sp_log(SP_LOG_WARNING, "hot-restart", "the other process ended before it served; serving on");
    h->given = false;
    end_close(&h->peer);
}

static void on_refused(uv_poll_t *p, int status, int events)
{
    struct end *e = p->data;
    struct sp_hot_restart *h = e->home;
    char text[PACKET_MAX];
    (void)status;
    (void)events;
    if (receive_packet(e->fd, text, false) == -EAGAIN)
        return;
    send_packet(e->fd, e->no, NULL, 0);
    for (size_t i = 0; i < REFUSED_MAX; i++)
        if (h->refused[i] == e)
            end_close(&h->refused[i]);
}

static void refuse(struct sp_hot_restart *h, int fd, const char *no)
{
    sp_log_limited(SP_LOG_WARNING, "hot-restart", 1, "a process that asked for the sockets was refused:%s", no + 2);
    for (size_t i = 0; i < REFUSED_MAX; i++) {
        if (h->refused[i])
            continue;
        h->refused[i] = end_open(h, fd, on_refused);
        if (h->refused[i])
            h->refused[i]->no = no;
        return;
    }
    close(fd);
}

/* The one that takes over has stopped to say anything. */
static bool is_stuck(const struct sp_hot_restart *h)
{
    return h->main->turn.now_ns - h->since_ns > (h->given ? SERVE_S : WAIT_S) * SP_NS_PER_S;
}

static void on_knock(uv_poll_t *p, int status, int events);

static void on_pause_over(struct sp_timer *t)
{
    struct sp_hot_restart *h = SP_CONTAINER_OF(t, struct sp_hot_restart, pause);
    if (h->door)
        uv_poll_start(&h->door->poll, UV_READABLE, on_knock);
}

/* No descriptor is left, say: who knocks stays where he is, and would be told of again at once, for ever. */
static void wait_a_while(struct sp_hot_restart *h, int err)
{
    sp_log_limited(SP_LOG_ERROR, "hot-restart", 1, "cannot take the connection of another process: %s; waiting %d ms", strerrordesc_np(err),
                   PAUSE_MS);
    uv_poll_stop(&h->door->poll);
    h->pause.fire = on_pause_over;
    sp_timer_start(&h->main->turn, &h->pause, PAUSE_MS * SP_NS_PER_MS);
}

static void on_knock(uv_poll_t *p, int status, int events)
{
    struct sp_hot_restart *h = ((struct end *)p->data)->home;
    (void)status;
    (void)events;
    /* cppcheck-suppress nullPointer; who it is may be left out (accept(2)) */
    int fd = accept4(h->door->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC), err = errno;
    if (fd < 0) {
        if (err != EAGAIN && err != EWOULDBLOCK && err != EINTR && err != ECONNABORTED)
            wait_a_while(h, err);
        return;
    }
    if (!trusted(fd, (uid_t)-1)) {
        refuse(h, fd, "no it is not the same user");
    } else if (h->peer && !is_stuck(h)) {
        refuse(h, fd, "no another process takes over just now");
    } else {
        if (h->peer)
            sp_log(SP_LOG_WARNING, "hot-restart", "the process that wanted to take over is silent: another one may");
        end_close(&h->peer);
        h->given = false;
        h->since_ns = h->main->turn.now_ns;
        h->peer = end_open(h, fd, on_packet);
    }
}

/* Under another name first: there is always somebody to ask. */
static int listen_at(const char *path)
{
    char fresh[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct sockaddr_un un;
    if (snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid()) >= (int)sizeof(fresh) || !address_of(fresh, &un))
        return -ENAMETOOLONG;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    unlink(fresh);
    if (fchmod(fd, 0600) == 0 && bind(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 && chmod(fresh, 0600) == 0 &&
        listen(fd, 4) == 0 && rename(fresh, path) == 0)
        return fd;
    int err = errno;
    unlink(fresh);
    close(fd);
    return -err;
}

/* The old process closed the connection and runs on. */
static bool given_up(const struct sp_hot_restart *h)
{
    char byte;
    return recv(h->old, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0 && runs(h->old);
}

bool sp_hot_restart_serve(struct sp_hot_restart *h, struct sp_worker *main, const struct sp_hot_restart_events *events, void *ctx)
{
    assert(h && main && events && !h->door);
    if (h->old >= 0 && given_up(h)) {
        sp_log(SP_LOG_CRITICAL, "hot-restart", "the old process did not wait for this one any more, and serves on: this one ends");
        return false;
    }
    h->main = main;
    h->events = events;
    h->ctx = ctx;
    int fd = listen_at(h->path);
    h->door = fd < 0 ? NULL : end_open(h, fd, on_knock);
    if (!h->door)
        sp_log(SP_LOG_ERROR, "hot-restart", "cannot listen at %s: %s (its directory must exist and be writable); the next process will not "
               "be able to take over", h->path, strerrordesc_np(fd < 0 ? -fd : ENOMEM));
    if (h->old < 0)
        return true;
    int err = send_packet(h->old, "serving", NULL, 0);
    if (err)
        sp_log(SP_LOG_WARNING, "hot-restart", "the old process does not answer: %s", strerrordesc_np(-err));
    else
        sp_log(SP_LOG_INFO, "hot-restart", "took over from the old process, which drains now");
    close(h->old);
    h->old = -1;
    return true;
}

void sp_hot_restart_free(struct sp_hot_restart *h)
{
    if (!h)
        return;
    assert(!h->door && !h->peer);
    if (h->old >= 0)
        close(h->old);
    free(h->path);
    free(h);
}
