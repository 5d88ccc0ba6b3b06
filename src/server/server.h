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
#include "server/hooks.h"
#include "server/options.h"

struct sp_server;

enum sp_server_state { SP_SERVER_INITIALIZING, SP_SERVER_LIVE, SP_SERVER_DRAINING };

/*
 * Runs until a signal or sp_server_quit; returns the exit code. Errors have been printed to stderr (config) or logged.
 * `diag_to`: where a config's errors and warnings go.
 */
int sp_server_run(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to);
/* Loads and compiles, prints errors and warnings to `diag_to`: SP_EXIT_OK or SP_EXIT_CONFIG. */
int sp_server_validate(const struct sp_options *options, const struct sp_server_hooks *hooks, FILE *diag_to);

/* Loads the config anew, as a change of one of its files does. */
void sp_server_reload(struct sp_server *s);
/* The same, and tells what came of it (server/reload_ask.h). */
struct sp_reload_ask;
void sp_server_reload_ask(struct sp_server *s, struct sp_reload_ask *ask);
/* What the workers refused last (server/refusals.h). */
struct sp_refusals_ask;
void sp_server_refusals(struct sp_server *s, struct sp_refusals_ask *ask);
/* How that goes (server/reload.h). */
struct sp_reload_info;
struct sp_xds_stats; /* server/xds_stats.h */
struct sp_reload_info sp_server_reload_info(const struct sp_server *s);
const struct sp_xds_stats *sp_server_xds(const struct sp_server *s);

struct sp_worker *sp_server_main(struct sp_server *s);
struct sp_config *sp_server_config(struct sp_server *s);
const struct sp_config *sp_server_next_config(const struct sp_server *s); /* as sp_reload_next */
const struct sp_options *sp_server_options(const struct sp_server *s);
enum sp_server_state sp_server_state(const struct sp_server *s);
/* "INITIALIZING", "LIVE", "DRAINING". */
const char *sp_server_state_name(const struct sp_server *s);
unsigned sp_server_concurrency(const struct sp_server *s);
/* Seconds since the process started. */
uint64_t sp_server_uptime_s(const struct sp_server *s);
/* The address that listener `index` of the config was bound to. */
const struct sp_addr *sp_server_bound(const struct sp_server *s, unsigned index);
/* Drains and ends, as SIGTERM does. */
void sp_server_quit(struct sp_server *s);
/*
 * /drain_listeners: they accept no more and let their connections end; the process goes on. `graceful`: connections are asked to end
 * with their next answers first, and accepting ends after the drain time, unless skip_exit. -EBUSY: a reload is under way.
 */
struct sp_drain_how {
    bool graceful, skip_exit, inbound_only;
};
int sp_server_drain_listeners(struct sp_server *s, const struct sp_drain_how *how);
/* /healthcheck/fail and ok: whether /ready says yes. */
void sp_server_set_failing(struct sp_server *s, bool failing);
bool sp_server_failing(const struct sp_server *s);
/* Brings the gauges under server. up to date: before stats are shown. */
void sp_server_update_gauges(struct sp_server *s);

#endif
