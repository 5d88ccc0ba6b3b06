/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of server/confine.h, for that alone.  0, or negative errno. */
#ifndef SP_SERVER_CONFINE_IMPL_H
#define SP_SERVER_CONFINE_IMPL_H

#include <stddef.h>

#include "base/str.h"

/*
 * confine_calls.c: from here on the process has the system calls that serving takes; others do not exist (ENOSYS), and those that
 * only an intruder would try end it (SIGSYS).  All threads.  What may be called is in sp_confine_calls, by name.
 */
int sp_confine_calls(void);

/* confine_paths.c: Landlock rules.  This thread, and those that it makes. */
struct sp_confine_paths {
    int fd;            /* the ruleset */
    uint64_t handled;  /* rights that the kernel knows */
};
/* -ENOSYS, -EOPNOTSUPP: this kernel has none. */
int sp_confine_paths_new(struct sp_confine_paths *p);
/* What is below a directory, or a file alone. A path that is not there is no error: nothing is there to be read. */
int sp_confine_paths_allow(struct sp_confine_paths *p, const char *path, bool write);
/* The directory of a file, and the one of what it is a link to; of a file in "/" itself. */
int sp_confine_paths_allow_home(struct sp_confine_paths *p, const char *file, bool write);
int sp_confine_paths_apply(struct sp_confine_paths *p);
void sp_confine_paths_done(struct sp_confine_paths *p);

#endif
