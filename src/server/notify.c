/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "server/notify.h"

#include <assert.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void sp_notify(const char *lines)
{
    assert(lines);
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof(un.sun_path))
        return;
    memcpy(un.sun_path, path, n);
    if (path[0] == '@')
        un.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    sendto(fd, lines, strlen(lines), MSG_NOSIGNAL, (const struct sockaddr *)&un,
           (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
    close(fd);
}

void sp_notify_ready(void)
{
    char lines[64];
    snprintf(lines, sizeof(lines), "READY=1\nMAINPID=%d\n", (int)getpid());
    sp_notify(lines);
}
