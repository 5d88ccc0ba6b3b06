/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_far_watcher: a sp_file_watcher (event/file_watch.h) that lives on a thread of its own, since a look at a file takes as long as
 * its file system does, and that of a server that is gone never ends: then changes of files are not seen, and all else goes on.
 * What it tells is told on its owner's thread.  One thread of this kind for the process; while it is not started (tools, tests)
 * files are watched on the owner's thread.
 */
#ifndef SP_EVENT_FAR_WATCH_H
#define SP_EVENT_FAR_WATCH_H

#include "event/file_watch.h"

/* Main thread, before the first watcher. 0 or negative errno. */
int sp_far_watch_start(void);
/* Main thread, behind the last watcher's end, before the owners' loops are closed. False: it is with a file system that does not answer;
 * its memory stays, and the process has to end without cleaning up. */
bool sp_far_watch_stop(void);

struct sp_far_watcher;

/* `home`: the worker of this thread. */
struct sp_far_watcher *sp_far_watcher_new(struct sp_worker *home);
/* As sp_file_watch; `changed` is not called any more once sp_far_watcher_free was. */
void sp_far_watch(struct sp_far_watcher *fw, const char *path, const struct sp_file_facts *known, void (*changed)(void *ctx), void *ctx);
void sp_far_watcher_free(struct sp_far_watcher *fw); /* NULL-safe */

#endif
