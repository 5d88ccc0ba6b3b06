/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_serving: what one worker of the server runs: the sockets of all listeners and its parts of all clusters; or, for
 * the prober, the clusters' health checks.  Made and freed on the main thread; told what to do by posted messages; it
 * answers on the main worker.  Life: init -> start -> listen -> drain -> (ended) -> done.
 */
#ifndef SP_SERVER_SERVING_H
#define SP_SERVER_SERVING_H

#include "server/compile.h"

struct sp_serving_events {
    /* On the main thread. err: 0 or a negative errno of the listener named. */
    void (*on_listening)(void *ctx, int err, struct sp_str listener);
    /* Its loop is about to end: join it. */
    void (*on_ended)(void *ctx);
};

struct sp_serving {
    struct sp_worker worker;
    struct sp_worker *main;
    const struct sp_serving_events *events;
    void *ctx;
    struct sp_config *config;
    bool prober;
    int *fds;                             /* one a listener, until they are listened on; -1 behind that */
    struct sp_listener_socket **sockets;  /* one a listener; NULL while it is not open */
    struct sp_timer poll;
    uint64_t deadline_ns;
    bool draining, closed;
};

/* Takes `fds` (n_listeners of them, or NULL for the prober). 0 or negative errno. */
int sp_serving_init(struct sp_serving *v, const char *name, unsigned index, struct sp_config *config, int *fds,
                    struct sp_worker *main, const struct sp_serving_events *events, void *ctx);
/* Starts the thread: clusters are attached, health checks begin. */
int sp_serving_start(struct sp_serving *v);
/* Listen; on_listening answers. */
void sp_serving_listen(struct sp_serving *v);
/* Stop accepting, let requests end for at most `drain_ns`, then end; on_ended answers. 0: end now. A second call may only
 * shorten it. */
void sp_serving_drain(struct sp_serving *v, uint64_t drain_ns);
/* Joins the thread; frees all. */
void sp_serving_done(struct sp_serving *v);

#endif
