/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What stands to the right of this layer and takes part in a server's life (the admin page, tools).  Main thread, but for
 * on_compile.
 */
#ifndef SP_SERVER_HOOKS_H
#define SP_SERVER_HOOKS_H

#include "server/compile.h"

struct sp_server;

/* Any may be NULL. */
struct sp_server_hooks {
    /*
     * The config is compiled: compile what it has for you. False: errors were added to `diag`, the config is refused.
     * `serves`: the config that serves when this is a newer one; then only look whether it will do, on another thread.
     */
    bool (*on_compile)(void *ctx, struct sp_config *config, const struct sp_config *serves, struct sp_diag *diag);
    /* The listeners are bound. Binds what it needs. 0, or an exit code after logging why. */
    int (*on_bind)(void *ctx, struct sp_server *s);
    /* The main worker's loop is about to run. */
    void (*on_start)(void *ctx, struct sp_server *s);
    /* Workers listen: the door is open. */
    void (*on_ready)(void *ctx, struct sp_server *s);
    /* Calls `add` for each socket of its own that listens, for the process that takes over. */
    void (*each_socket)(void *ctx, void (*add)(void *arg, int fd), void *arg);
    /* That one serves: accept no more. */
    void (*on_handed_over)(void *ctx, struct sp_server *s);
    /* All workers have ended; close what is open on the main worker's loop, which runs until that is done. */
    void (*on_stop)(void *ctx, struct sp_server *s);
    void *ctx;
};

#endif
