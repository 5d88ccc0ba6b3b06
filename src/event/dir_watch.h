/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_dir_watch: the system's own watching of directories (inotify), for names in them.  One for a worker: a user may have only 128
 * such (fs.inotify.max_user_instances), for all its programs.  What an event costs does not depend on how many names there are.
 *
 * Events come while the loop's turn handles I/O, on the worker's thread; during on_name and on_gone no name may be added or
 * removed, in on_read anything.
 */
#ifndef SP_EVENT_DIR_WATCH_H
#define SP_EVENT_DIR_WATCH_H

#include "base/chains.h"
#include "base/list.h"
#include "event/worker.h"

struct sp_dir_watch;
struct sp_dir;

/* A name in a directory about which somebody wants to hear; stands in its owner. */
struct sp_dir_name {
    struct sp_chain_node by_name;
    struct sp_list of_dir;
    struct sp_dir *dir;
    char *name; /* "": any */
};

enum {
    SP_DIR_PLACES = 1, /* something was made, moved or removed there: a way may lead elsewhere now */
    SP_DIR_MOVED = 2,  /* it was moved there */
    SP_DIR_LINKED = 4, /* a symlink was made */
    SP_DIR_CLOSED = 8, /* who wrote it closed it */
};

struct sp_dir_watch_events {
    void (*on_name)(void *ctx, struct sp_dir_name *n, unsigned what); /* SP_DIR_..., or 0: another change */
    void (*on_gone)(void *ctx, struct sp_dir_name *n);                /* its directory was moved away or removed; another may be there */
    void (*on_lost)(void *ctx);                                       /* the system had too many events to tell all */
    void (*on_read)(void *ctx);                                       /* all events that there were have been told */
};

struct sp_dir_watch *sp_dir_watch_new(struct sp_worker *w, const struct sp_dir_watch_events *events, void *ctx);
/* No event comes any more; the handle closes with the loop's next turn. All names have been removed. */
void sp_dir_watch_free(struct sp_dir_watch *dw);
/* False: the system gives no more instances; no event ever comes. */
bool sp_dir_watch_works(const struct sp_dir_watch *dw);
/* `dir` and `name` are copied. */
void sp_dir_watch_add(struct sp_dir_watch *dw, struct sp_dir_name *n, const char *dir, const char *name);
void sp_dir_watch_remove(struct sp_dir_watch *dw, struct sp_dir_name *n);
/* Whether the system would tell of its directory's changes. */
bool sp_dir_name_watched(const struct sp_dir_name *n);
/* Tries again with the directories that could not be watched. */
void sp_dir_watch_again(struct sp_dir_watch *dw);
/* Directories that there are names in. */
unsigned sp_dir_watch_dirs(const struct sp_dir_watch *dw);

#endif
