/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_reload: the configs of the process: the one that serves, the next one while it is made, and the old ones that streams
 * still hold.
 *
 * A change of any file that belongs to the config (or SIGHUP) makes the whole of it be loaded and compiled anew, on a thread
 * of its own.  What is wrong with it refuses it whole: that is logged, counted and shown by the admin page, and the old config
 * serves on.  Otherwise new listeners are bound, new clusters warmed and what is to be fetched is fetched; then all
 * workers go over to it, each in one turn (server/serving.h).  A change that comes meanwhile makes another round.
 *
 * An old config is freed when its last stream has ended; a cluster when the last config that had it is gone and its
 * connections are closed.  All functions on the main thread.
 */
#ifndef SP_SERVER_RELOAD_H
#define SP_SERVER_RELOAD_H

#include "server/hooks.h"
#include "server/options.h"
#include "server/reload_ask.h"
#include "server/serving.h"

struct sp_reload;

struct sp_reload_build {
    const struct sp_options *options;
    const struct sp_server_hooks *hooks; /* may be NULL */
    struct sp_worker *main;
    struct sp_serving *workers;      /* n_workers that serve, then the prober */
    struct sp_worker *const *readers; /* the same, as workers */
    unsigned n_workers;
    void (*on_serving)(void *ctx);   /* all workers serve sp_reload_config: the first one, or a newer one */
    void (*on_failed)(void *ctx);    /* the first one cannot be served; it was logged */
    void *ctx;
};

/*
 * Loads and compiles; all that was wrong is in `diag`. NULL: refused. `previous`: as in sp_config_compile. `files` (may be NULL)
 * gets all that was read or looked for, also when it is refused. Any thread.
 */
struct sp_config *sp_config_load_all(const struct sp_options *o, const struct sp_server_hooks *hooks, unsigned n_workers,
                                     const struct sp_config *previous, struct sp_files *files, struct sp_diag *diag);

/* Takes the first config. */
struct sp_reload *sp_reload_new(const struct sp_reload_build *build, struct sp_config *first);
/* Binds the first config's listeners: before the threads start. 0 or negative errno, after logging why. */
int sp_reload_bind(struct sp_reload *r);
/* The workers run: warms and serves the first config. */
void sp_reload_start(struct sp_reload *r);
/* Loads anew now. */
void sp_reload_now(struct sp_reload *r);
/* The same, and tells what came of it. */
void sp_reload_ask(struct sp_reload *r, struct sp_reload_ask *ask);
/* No more of it: the process ends. What is being compiled goes on for nothing: nobody waits for it yet. */
void sp_reload_stop(struct sp_reload *r);
/* Waits for the thread that compiles, if there is one: after the loop, before the workers are freed. */
void sp_reload_join(struct sp_reload *r);
/* The workers have ended. NULL-safe. */
void sp_reload_free(struct sp_reload *r);

/*
 * All listeners (those that are INBOUND) accept no more; their connections drain for at most drain_ns. They stay so over reloads,
 * which open those that are new. -EBUSY: a reload is under way.
 */
int sp_reload_stop_listeners(struct sp_reload *r, uint64_t drain_ns, bool inbound_only);

/* The config that serves; before that, the first one. */
struct sp_config *sp_reload_config(const struct sp_reload *r);
/* The one that is being warmed to take its place, or to be the first; NULL: none. */
const struct sp_config *sp_reload_next(const struct sp_reload *r);
/* What listener `index` of it is bound to. */
const struct sp_addr *sp_reload_bound(const struct sp_reload *r, unsigned index);

/* The sockets that listen, for the process that takes over. */
void sp_reload_each_socket(const struct sp_reload *r, void (*add)(void *arg, int fd), void *arg);

struct sp_reload_info {
    uint64_t number;              /* of the config that serves */
    int64_t loaded_s, failed_s;   /* Unix times; failed_s 0: the last try went well */
    struct sp_str why;            /* of that failure: a line for each error; until the next try */
    unsigned n_old;               /* older configs that streams still hold */
    const char *phase;            /* "serving", "loading", "warming", "switching" */
};
/* Of the files of the config that serves. */
const struct sp_xds_stats *sp_reload_xds(const struct sp_reload *r);
struct sp_reload_info sp_reload_info(const struct sp_reload *r);

#endif
