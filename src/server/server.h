/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_server: the running process: main thread, N serving workers, the prober.  It loads and compiles the config, binds,
 * starts the threads, waits until the clusters are warm, listens, handles signals, drains and ends.
 *
 * All functions run on the main thread.
 */
#ifndef SP_SERVER_SERVER_H
#define SP_SERVER_SERVER_H

#include "server/compile.h"
#include "server/options.h"

struct sp_server;

/* What stands to the right of this layer and takes part (the admin page). Any may be NULL. */
struct sp_server_hooks {
    /* The config is compiled: compile what it has for you. False: errors were added to `diag`, the config is refused. */
    bool (*on_compile)(void *ctx, struct sp_config *config, struct sp_diag *diag);
    /* The listeners are bound. Binds what it needs. 0, or an exit code after logging why. */
    int (*on_bind)(void *ctx, struct sp_server *s);
    /* The main worker's loop is about to run. */
    void (*on_start)(void *ctx, struct sp_server *s);
    /* Workers listen: the door is open. */
    void (*on_ready)(void *ctx, struct sp_server *s);
    /* All workers have ended; close what is open on the main worker's loop, which runs until that is done. */
    void (*on_stop)(void *ctx, struct sp_server *s);
    void *ctx;
};

enum sp_server_state { SP_SERVER_INITIALIZING, SP_SERVER_LIVE, SP_SERVER_DRAINING };

/*
 * Runs until a signal or sp_server_quit; returns the exit code. Errors have been printed to stderr (config) or logged.
 * `diag_to`: where a config's errors and warnings go.
 */
int sp_server_run(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to);
/* Loads and compiles, prints errors and warnings to `diag_to`: SP_EXIT_OK or SP_EXIT_CONFIG. */
int sp_server_validate(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to);

struct sp_worker *sp_server_main(struct sp_server *s);
struct sp_config *sp_server_config(struct sp_server *s);
const struct sp_options *sp_server_options(const struct sp_server *s);
enum sp_server_state sp_server_state(const struct sp_server *s);
unsigned sp_server_concurrency(const struct sp_server *s);
/* Seconds since the process started. */
uint64_t sp_server_uptime_s(const struct sp_server *s);
/* The address that listener `index` of the config was bound to. */
const struct sp_addr *sp_server_bound(const struct sp_server *s, unsigned index);
/* Drains and ends, as SIGTERM does. */
void sp_server_quit(struct sp_server *s);
/* /healthcheck/fail and ok: whether /ready says yes. */
void sp_server_set_failing(struct sp_server *s, bool failing);
bool sp_server_failing(const struct sp_server *s);
/* Brings the gauges under server. up to date: before stats are shown. */
void sp_server_update_gauges(struct sp_server *s);

#endif
