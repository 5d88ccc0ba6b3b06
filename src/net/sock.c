/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/sock.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int set(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof(value)) ? -errno : 0;
}

static int new_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    return fd;
}

static int set_keepalive(int fd, const struct sp_sock_options *o)
{
    int r = set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    if (!r && o->keepalive_time)
        r = set(fd, IPPROTO_TCP, TCP_KEEPIDLE, (int)SP_MIN(o->keepalive_time, 32767u));
    if (!r && o->keepalive_interval)
        r = set(fd, IPPROTO_TCP, TCP_KEEPINTVL, (int)SP_MIN(o->keepalive_interval, 32767u));
    if (!r && o->keepalive_probes)
        r = set(fd, IPPROTO_TCP, TCP_KEEPCNT, (int)SP_MIN(o->keepalive_probes, 127u));
    return r;
}

static int bind_to(int fd, const struct sp_addr *a)
{
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(a, &ss);
    if (!len)
        return -EINVAL;
    return bind(fd, (struct sockaddr *)&ss, len) ? -errno : 0;
}

static int set_client(int fd, const struct sp_addr *to, const struct sp_sock_options *o)
{
    if (to->family == AF_UNIX)
        return 0;
    int r = set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!r && o && o->keepalive)
        r = set_keepalive(fd, o);
    if (r || !o || !o->bind.family)
        return r;
    const struct sp_addr *from = o->bind.family == to->family ? &o->bind : &o->bind_other;
    if (from->family != to->family)
        return -EAFNOSUPPORT;
    /* The port is chosen by connect, where the whole 4-tuple counts, not by bind. */
    if (!from->port)
        set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
    return bind_to(fd, from);
}

int sp_sock_client(const struct sp_addr *to, const struct sp_sock_options *o)
{
    assert(to);
    int fd = new_socket(to->family);
    if (fd < 0)
        return fd;
    int r = set_client(fd, to, o);
    if (r) {
        close(fd);
        return r;
    }
    return fd;
}

/* Whether a unix socket's path is left over: nobody listens. */
static bool stale(const struct sp_addr *at)
{
    struct stat st;
    struct sockaddr_storage ss;
    socklen_t len = sp_addr_to_sockaddr(at, &ss);
    if (!len || stat(at->path, &st) || !S_ISSOCK(st.st_mode))
        return false;
    int fd = new_socket(AF_UNIX);
    if (fd < 0)
        return false;
    bool dead = connect(fd, (struct sockaddr *)&ss, len) && errno == ECONNREFUSED;
    close(fd);
    return dead;
}

static int bind_unix(int fd, const struct sp_addr *at, unsigned mode)
{
    bool path = at->path[0] && at->path[0] != '@';
    /* Linux takes the new file's mode from the socket, less umask: so there is no moment when others may connect. */
    if (path && mode && fchmod(fd, mode & 0777))
        return -errno;
    int r = bind_to(fd, at);
    if (r == -EADDRINUSE && path && stale(at)) {
        unlink(at->path);
        r = bind_to(fd, at);
    }
    if (!r && path && mode && chmod(at->path, mode & 0777))
        r = -errno;
    return r;
}

/* What an IP socket of either family calls by its own name. */
static int set_ip(int fd, const struct sp_addr *at, int v4, int v6)
{
    return at->family == AF_INET6 ? set(fd, IPPROTO_IPV6, v6, 1) : set(fd, IPPROTO_IP, v4, 1);
}

/* What the kernel takes for a client before it could be sent: else one that reads nothing makes it hold megabytes (tcp_wmem). Accepted
 * sockets have it from their listener's. */
enum { UNSENT_MAX = 256 * 1024 };

static int bind_ip(int fd, const struct sp_addr *at, const struct sp_sock_listen *o)
{
    int r = set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!r && o->reuse_port)
        r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (!r && at->family == AF_INET6)
        r = set(fd, IPPROTO_IPV6, IPV6_V6ONLY, o->v6_only);
    if (!r)
        r = set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (!r)
        r = set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MAX);
    if (!r && o->freebind)
        r = set_ip(fd, at, IP_FREEBIND, IPV6_FREEBIND);
    if (!r && o->transparent)
        r = set_ip(fd, at, IP_TRANSPARENT, IPV6_TRANSPARENT);
    if (!r && o->keepalive)
        r = set_keepalive(fd, o->keepalive);
    return r ? r : bind_to(fd, at);
}

int sp_sock_bind(const struct sp_addr *at, const struct sp_sock_listen *o)
{
    assert(at && o);
    int fd = new_socket(at->family);
    if (fd < 0)
        return fd;
    int r = at->family == AF_UNIX ? bind_unix(fd, at, o->unix_mode) : bind_ip(fd, at, o);
    if (r) {
        close(fd);
        return r;
    }
    return fd;
}

void sp_sock_reset_on_close(int fd)
{
    struct linger l = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

struct sp_addr sp_sock_peer(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    struct sp_addr a = {0};
    if (!getpeername(fd, (struct sockaddr *)&ss, &len))
        sp_addr_from_sockaddr((struct sockaddr *)&ss, len, NULL, &a);
    return a;
}

struct sp_addr sp_sock_local(int fd)
{
    struct sockaddr_storage ss;
    socklen_t len = sizeof(ss);
    struct sp_addr a = {0};
    if (!getsockname(fd, (struct sockaddr *)&ss, &len))
        sp_addr_from_sockaddr((struct sockaddr *)&ss, len, NULL, &a);
    return a;
}
