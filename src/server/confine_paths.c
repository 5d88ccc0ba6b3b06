/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Landlock (Linux 5.13; its interface is in linux/landlock.h, of which older systems have older versions). */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "server/confine_impl.h"

/* Of the versions that came after the first. */
#define ACCESS_REFER (UINT64_C(1) << 13)
#define ACCESS_TRUNCATE (UINT64_C(1) << 14)
#define ACCESS_IOCTL_DEV (UINT64_C(1) << 15)
#define SCOPE_SIGNAL (UINT64_C(1) << 1)

enum { ABI_REFER = 2, ABI_TRUNCATE, ABI_NET, ABI_IOCTL_DEV, ABI_SCOPES };

#define FIRST_RIGHTS ((UINT64_C(1) << 13) - 1)
#define READ_FILE_RIGHTS ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE)
#define READ_RIGHTS (READ_FILE_RIGHTS | LANDLOCK_ACCESS_FS_READ_DIR)
#define WRITE_FILE_RIGHTS (READ_FILE_RIGHTS | LANDLOCK_ACCESS_FS_WRITE_FILE | ACCESS_TRUNCATE)
#define WRITE_RIGHTS \
    (WRITE_FILE_RIGHTS | READ_RIGHTS | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK)

/* As the newest version has it; an older kernel takes the part that it knows, by its size. */
struct ruleset_attr {
    uint64_t handled_fs, handled_net, scoped;
};

int sp_confine_paths_new(struct sp_confine_paths *p)
{
    assert(p);
    struct ruleset_attr attr = {.handled_fs = FIRST_RIGHTS};
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1)
        return abi < 0 ? -errno : -ENOSYS;
    if (abi >= ABI_REFER)
        attr.handled_fs |= ACCESS_REFER;
    if (abi >= ABI_TRUNCATE)
        attr.handled_fs |= ACCESS_TRUNCATE;
    if (abi >= ABI_IOCTL_DEV)
        attr.handled_fs |= ACCESS_IOCTL_DEV;
    if (abi >= ABI_SCOPES)
        attr.scoped = SCOPE_SIGNAL;
    size_t size = abi >= ABI_SCOPES ? sizeof(attr) : abi >= ABI_NET ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
    long fd = syscall(SYS_landlock_create_ruleset, &attr, size, 0);
    if (fd < 0)
        return -errno;
    *p = (struct sp_confine_paths){.fd = (int)fd, .handled = attr.handled_fs};
    return 0;
}

int sp_confine_paths_allow(struct sp_confine_paths *p, const char *path, bool write)
{
    assert(p && path);
    struct stat st;
    int fd = open(path, O_PATH | O_CLOEXEC), err = 0;
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    if (fstat(fd, &st) < 0) {
        err = -errno;
    } else {
        bool dir = S_ISDIR(st.st_mode);
        uint64_t rights = write ? (dir ? WRITE_RIGHTS : WRITE_FILE_RIGHTS) : dir ? READ_RIGHTS : READ_FILE_RIGHTS;
        struct landlock_path_beneath_attr rule = {.allowed_access = rights & p->handled, .parent_fd = fd};
        if (syscall(SYS_landlock_add_rule, p->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0)
            err = -errno;
    }
    close(fd);
    return err;
}

/* Files are replaced by others that are moved over them, so it is their directory that counts. */
static int allow_dir_of(struct sp_confine_paths *p, const char *file, bool write)
{
    char copy[PATH_MAX];
    if (strlen(file) >= sizeof(copy))
        return -ENAMETOOLONG;
    memcpy(copy, file, strlen(file) + 1);
    const char *dir = dirname(copy);
    return sp_confine_paths_allow(p, strcmp(dir, "/") == 0 ? file : dir, write);
}

int sp_confine_paths_allow_home(struct sp_confine_paths *p, const char *file, bool write)
{
    assert(p && file);
    char *real = realpath(file, NULL);
    int err = allow_dir_of(p, file, write);
    if (err == 0 && real)
        err = allow_dir_of(p, real, write);
    free(real);
    return err;
}

int sp_confine_paths_apply(struct sp_confine_paths *p)
{
    assert(p && p->fd >= 0);
    return syscall(SYS_landlock_restrict_self, p->fd, 0) < 0 ? -errno : 0;
}

void sp_confine_paths_done(struct sp_confine_paths *p)
{
    if (p->fd >= 0)
        close(p->fd);
    p->fd = -1;
}
