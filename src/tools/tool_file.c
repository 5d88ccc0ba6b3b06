/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/tool_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

int sp_tool_read(const char *path, struct sp_arena *arena, struct sp_str *ret)
{
    assert(path && arena && ret);
    size_t n = 0, cap = 65536;
    int fd = open(path, O_RDONLY | O_CLOEXEC), err = 0;
    if (fd < 0)
        return -errno;
    char *p = sp_xmalloc(cap);
    for (;;) {
        ssize_t k = read(fd, p + n, cap - n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0 || n + (size_t)k > SP_TOOL_FILE_MAX) {
            err = k < 0 ? -errno : k > 0 ? -EFBIG : 0;
            break;
        }
        n += (size_t)k;
        if (n == cap)
            p = sp_xrealloc(p, cap *= 2);
    }
    close(fd);
    if (!err)
        *ret = sp_arena_str(arena, sp_str_n(p, n));
    free(p);
    return err;
}

int sp_tool_write(const char *path, struct sp_str text)
{
    assert(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = fchmod(fd, 0600) ? -errno : 0; /* it may have been there, for all to read */
    while (!err && text.len) {
        ssize_t k = write(fd, text.ptr, text.len);
        if (k < 0 && errno != EINTR)
            err = -errno;
        else if (k > 0)
            text = sp_str_sub(text, (size_t)k, text.len);
    }
    if (close(fd) && !err)
        err = -errno;
    return err;
}
