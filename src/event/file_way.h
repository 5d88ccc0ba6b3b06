/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a change of what a path leads to can happen: each symlink on the way, and the file itself.  With /etc/app/f -> ..data/f
 * and ..data -> ..2026 these are f and ..data in /etc/app, and f in /etc/app/..2026.  Where the way ends too early, the name
 * that is missing is the last.  Blocks on the disk, a little; any thread.
 */
#ifndef SP_EVENT_FILE_WAY_H
#define SP_EVENT_FILE_WAY_H

#include <stdbool.h>

/*
 * `dir` is free of symlinks; both last until `step` returns. `last`: it is the file, or what is missing.  A path that ends in
 * '/' is a directory: the last step has its own path, and the name "".
 */
void sp_file_way(const char *path, void (*step)(void *arg, const char *dir, const char *name, bool last), void *arg);

#endif
