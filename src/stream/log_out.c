/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stream/log_out.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"

enum { CAREFUL_BYTES = 4096 }; /* PIPE_BUF: what a pipe takes at once when poll says that it takes anything */

/* ---- files ---- */

static int open_standard(int standard, bool *ret_careful)
{
    struct stat st;
    char path[32] = "/proc/self/fd/1";
    path[strlen(path) - 1] = (char)('0' + standard);
    *ret_careful = true;
    if (fstat(standard, &st) < 0)
        return -errno;
    /* Opened anew it can be made non-blocking without changing what others hold. Not for files: two offsets into one. */
    if (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode)) {
        int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd >= 0) {
            *ret_careful = false;
            return fd;
        }
    }
    *ret_careful = !S_ISREG(st.st_mode);
    int fd = fcntl(standard, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

/* O_NONBLOCK: a pipe without a reader is an error at once, a full one later does not hold up the writer. */
static int open_path(const struct sp_log_out *o, bool *ret_careful)
{
    *ret_careful = false;
    if (o->standard)
        return open_standard(o->standard, ret_careful);
    int fd = open(o->name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);
    if (fd < 0)
        return -errno;
    return fd;
}

static ssize_t write_bytes(const struct sp_log_out *o, struct iovec *iov, int n, size_t *ret_lost)
{
    *ret_lost = iov[0].iov_len + (n > 1 ? iov[1].iov_len : 0);
    if (o->careful) {
        struct pollfd p = {.fd = o->fd, .events = POLLOUT};
        if (poll(&p, 1, 0) == 0)
            return -EAGAIN;
        iov[0].iov_len = SP_MIN(iov[0].iov_len, (size_t)CAREFUL_BYTES);
        n = 1;
    }
    ssize_t k = writev(o->fd, iov, n);
    return k >= 0 ? k : errno == EWOULDBLOCK ? -EAGAIN : -errno;
}

/* ---- syslog ---- */

static int find_daemon(struct sp_log_out *o)
{
    struct sockaddr_storage to;
    socklen_t len = sp_addr_to_sockaddr(&o->to, &to);
    int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)&to, len) < 0) {
        int err = errno;
        close(fd);
        return -err;
    }
    o->fd = fd;
    return 0;
}

/* From what is in two pieces. */
static void copy_out(void *to, const struct iovec *iov, size_t from, size_t n)
{
    size_t first = from < iov[0].iov_len ? SP_MIN(n, iov[0].iov_len - from) : 0;
    if (first)
        memcpy(to, (const char *)iov[0].iov_base + from, first);
    if (n > first)
        memcpy((char *)to + first, (const char *)iov[1].iov_base + (from + first - iov[0].iov_len), n - first);
}

/* It has ended, or was started anew: what is said to it now would be lost. */
static bool is_gone(int err)
{
    return err == ECONNREFUSED || err == ECONNRESET || err == ENOTCONN || err == EPIPE || err == ENOENT || err == EDESTADDRREQ;
}

static ssize_t send_record(struct sp_log_out *o, const struct iovec *iov, size_t *ret_lost)
{
    char text[SP_LOG_DATAGRAM_MAX];
    sp_log_out_length len;
    copy_out(&len, iov, 0, sizeof(len));
    assert(len <= sizeof(text));
    copy_out(text, iov, sizeof(len), len);
    *ret_lost = sizeof(len) + len;
    int err = o->fd < 0 ? find_daemon(o) : 0;
    if (err < 0) {
        sp_log_limited(SP_LOG_WARNING, "access_log", 1, "the syslog daemon at %s is not there: %s (lines wait for it, as many as there is "
                       "room for)", o->name, strerror(-err));
        return -EAGAIN;
    }
    assert(o->fd >= 0);
    if (send(o->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
        return (ssize_t)*ret_lost;
    err = errno;
    if (err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS)
        return -EAGAIN;
    if (!is_gone(err))
        return -err;
    close(o->fd);
    o->fd = -1;
    return -EAGAIN;
}

/* ---- both ---- */

static bool read_address(struct sp_log_out *o)
{
    if (o->name[0] != '/' && o->name[0] != '@')
        return sp_addr_parse(sp_str_c(o->name), &o->to) == 0;
    o->to = (struct sp_addr){.family = AF_UNIX, .path = o->name};
    return true;
}

int sp_log_out_init(struct sp_log_out *o, enum sp_log_kind kind, const char *name)
{
    assert(o && name);
    struct sockaddr_storage to;
    *o = (struct sp_log_out){.kind = kind, .name = sp_xstrdup(name), .fd = -1};
    int err = 0;
    if (kind == SP_LOG_SYSLOG) {
        err = read_address(o) && sp_addr_to_sockaddr(&o->to, &to) ? 0 : -EINVAL;
    } else {
        o->standard = strcmp(name, "/dev/stdout") == 0 ? 1 : strcmp(name, "/dev/stderr") == 0 ? 2 : 0;
        o->fd = open_path(o, &o->careful);
        err = SP_MIN(o->fd, 0);
    }
    if (err < 0)
        free(o->name);
    return err;
}

void sp_log_out_done(struct sp_log_out *o)
{
    assert(o);
    if (o->fd >= 0)
        close(o->fd);
    free(o->name);
}

int sp_log_out_reopen(struct sp_log_out *o)
{
    assert(o);
    bool careful;
    if (o->standard || o->kind == SP_LOG_SYSLOG)
        return 0;
    int fd = open_path(o, &careful);
    if (fd < 0)
        return fd;
    close(o->fd);
    o->fd = fd;
    o->careful = careful;
    return 0;
}

ssize_t sp_log_out_write(struct sp_log_out *o, struct iovec *iov, int n, size_t *ret_lost)
{
    assert(o && iov && n > 0 && ret_lost);
    return o->kind == SP_LOG_SYSLOG ? send_record(o, iov, ret_lost) : write_bytes(o, iov, n, ret_lost);
}
