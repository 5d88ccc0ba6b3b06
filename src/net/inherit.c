/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/inherit.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

enum { FIRST_FD = 3 };

struct inherited {
    struct inherited *next;
    int fd;
    struct sp_addr addr;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
};

static struct inherited *all;

/* As sp_sock_local, with the path of a unix socket. */
static int address_of(int fd, struct inherited *h)
{
    struct sockaddr_storage ss = {0};
    socklen_t len = sizeof(ss);
    int type = 0;
    socklen_t size = sizeof(type);
    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) < 0)
        return -errno;
    if (type != SOCK_STREAM || getsockname(fd, (struct sockaddr *)&ss, &len) < 0)
        return -EINVAL;
    if (ss.ss_family != AF_UNIX)
        return sp_addr_from_sockaddr((const struct sockaddr *)&ss, len, NULL, &h->addr) == 0 && h->addr.port ? 0 : -EINVAL;
    const struct sockaddr_un *un = (const struct sockaddr_un *)&ss;
    size_t n = len > offsetof(struct sockaddr_un, sun_path) ? len - offsetof(struct sockaddr_un, sun_path) : 0;
    if (!n)
        return -EINVAL;
    n = SP_MIN(n, sizeof(un->sun_path)); /* Linux counts a byte more where none ends it */
    memcpy(h->path, un->sun_path, n);
    h->path[n] = 0;
    if (!h->path[0])
        h->path[0] = '@'; /* as configs write abstract ones */
    h->addr = (struct sp_addr){.family = AF_UNIX, .path = h->path};
    return 0;
}

int sp_inherit_add(int fd)
{
    assert(fd >= 0);
    struct inherited *h = sp_xcalloc(1, sizeof(*h));
    int r = address_of(fd, h);
    if (r == 0 && (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0))
        r = -errno;
    if (r < 0) {
        close(fd);
        free(h);
        return r;
    }
    h->fd = fd;
    struct inherited **at = &all; /* they are taken in the order in which they came */
    while (*at)
        at = &(*at)->next;
    *at = h;
    return 0;
}

unsigned sp_inherit_systemd(void)
{
    uint64_t pid, n;
    unsigned added = 0;
    const char *for_pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    bool ours = for_pid && count && sp_str_u64(sp_str_c(for_pid), INT32_MAX, &pid) == 0 && (pid_t)pid == getpid() &&
                sp_str_u64(sp_str_c(count), 1024, &n) == 0;
    for (uint64_t i = 0; ours && i < n; i++)
        added += sp_inherit_add(FIRST_FD + (int)i) == 0;
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return added;
}

int sp_inherit_take(const struct sp_addr *at)
{
    assert(at);
    for (struct inherited **p = &all; *p; p = &(*p)->next) {
        struct inherited *h = *p;
        if (!sp_addr_eq(&h->addr, at, true))
            continue;
        int fd = h->fd;
        *p = h->next;
        free(h);
        return fd;
    }
    return -1;
}

bool sp_inherit_shares(int fd)
{
    int on = 0;
    socklen_t len = sizeof(on);
    return getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, &len) == 0 && on;
}

void sp_inherit_drop(void (*each)(void *arg, const struct sp_addr *at), void *arg)
{
    while (all) {
        struct inherited *h = all;
        all = h->next;
        if (each)
            each(arg, &h->addr);
        close(h->fd);
        free(h);
    }
}
