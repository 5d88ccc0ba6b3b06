/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_file_watcher: tells when a file's content has changed and settled: edited in place, replaced by a move, reached through
 * another symlink (Kubernetes ConfigMaps swap one called ..data), gone or come back.  It watches directories, since a watch on
 * a file ends when another one is moved over it: each that has a symlink on the way to the file, and the file's own.  A file
 * that somebody still writes is left alone: a change counts 50 ms after the file was closed or something was moved into place,
 * otherwise (nobody said that he was done) when it has stood unchanged for a second; of one that finds no rest a warning is
 * logged.  Where the system tells nothing (network file systems, too many watches) a look every 5 seconds finds the change.
 *
 * A path that ends in '/' is a directory: it has changed when something was moved into it.
 *
 * Belongs to one worker, the main one, whose loop has its uv handle; all calls and callbacks on that thread, where all watchers
 * share one handle and what they know of a file.  It looks at files' metadata only: reading them is the caller's, on another thread.
 */
#ifndef SP_EVENT_FILE_WATCH_H
#define SP_EVENT_FILE_WATCH_H

#include "event/worker.h"

struct sp_file_watcher;

enum { SP_FILE_RESTLESS_S = 30 }; /* written for so long without a pause: a file is restless */

/* What tells one content from another without reading it; all zero: there is no such file. */
struct sp_file_facts {
    uint64_t dev, ino, size;
    int64_t mtime_ns, ctime_ns;
};
/* Of the file that `path` leads to. Any thread. */
struct sp_file_facts sp_file_facts(const char *path);
bool sp_file_facts_eq(const struct sp_file_facts *a, const struct sp_file_facts *b);

struct sp_file_watcher *sp_file_watcher_new(struct sp_worker *w);
/* No callback comes any more; the handle closes with the loop's next turn. NULL-safe. */
void sp_file_watcher_free(struct sp_file_watcher *fw);
/* Directories that this thread's watchers watch. For tests. */
unsigned sp_file_watcher_dirs(const struct sp_file_watcher *fw);
/* `path` is copied; several may watch one. `known`: what the file was when it was read last. `changed` may be called again and
 * again; it must not free the watcher. */
void sp_file_watch(struct sp_file_watcher *fw, const char *path, const struct sp_file_facts *known,
                   void (*changed)(void *ctx), void *ctx);
/* Files that are restless now. Any thread. */
unsigned sp_file_watch_restless(void);
/* Another time than SP_FILE_RESTLESS_S. For tests. */
void sp_file_watcher_patience(struct sp_file_watcher *fw, uint64_t ns);

#endif
