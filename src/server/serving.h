/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_serving: what one worker of the server runs: the sockets of all listeners and its parts of all clusters; or, for
 * the prober, the clusters' health checks and what is fetched.  Made and freed on the main thread; told what to do by posted
 * messages; it answers on the main worker.  Life: init -> start -> (warm) -> switch, again and again -> drain -> (ended) -> done.
 */
#ifndef SP_SERVER_SERVING_H
#define SP_SERVER_SERVING_H

#include "server/plan.h"

struct sp_serving;

/* All on the main thread. */
struct sp_serving_events {
    /* It serves plan->to. err: 0 or a negative errno of a listener. */
    void (*on_switched)(void *ctx, struct sp_plan *plan, int err);
    /* The prober: nothing of the config runs in the background any more. `plan`: as given to sp_serving_cool. */
    void (*on_cooled)(void *ctx, struct sp_config *config, struct sp_plan *plan);
    /* It has no connection of the cluster any more. */
    void (*on_forgotten)(void *ctx, struct sp_cluster *cluster);
    /* Its loop is about to end: join it. */
    void (*on_ended)(void *ctx);
};

struct sp_serving {
    struct sp_worker worker;
    struct sp_worker *main;
    const struct sp_serving_events *events;
    void *ctx;
    bool prober;
    uint64_t reload_drain_ns; /* what a new config may take to let old connections end */
    /* Its own thread's. */
    struct sp_config *config;             /* that it serves; NULL until the first switch */
    struct sp_listener_socket **sockets;  /* one a listener */
    struct sp_list leaving;               /* sockets of listeners that are gone */
    struct sp_cluster **clusters;         /* n_clusters, attached */
    unsigned n_clusters, cap_clusters;
    struct sp_list forgetting;
    struct sp_list tasks;                 /* configs whose background work runs: the prober's */
    struct sp_timer poll;
    uint64_t deadline_ns;
    uint64_t flush_due_ns; /* closed: until when what is under way to collectors is waited for */
    bool draining, handed_over, closed, detached;
    _Atomic bool resetting; /* it was told to, and has not come to it */
};

/* 0 or negative errno. */
int sp_serving_init(struct sp_serving *v, const char *name, unsigned index, bool prober, uint64_t reload_drain_ns,
                    struct sp_worker *main, const struct sp_serving_events *events, void *ctx);
/* Starts the thread. */
int sp_serving_start(struct sp_serving *v);
/* The prober: health checks of new clusters and what is fetched begin. */
void sp_serving_warm(struct sp_serving *v, struct sp_plan *plan);
/* Goes over to plan->to; on_switched answers. */
void sp_serving_switch(struct sp_serving *v, struct sp_plan *plan);
/* The prober: ends the config's background work; on_cooled answers. `plan`: that never came to serve, whose new clusters are
 * given up; or NULL. */
void sp_serving_cool(struct sp_serving *v, struct sp_config *config, struct sp_plan *plan);
/* Nobody needs the cluster any more, of which a reference is held: closes all of it; on_forgotten answers. */
void sp_serving_forget(struct sp_serving *v, struct sp_cluster *cluster);
/* Ends what still holds the config `number` or an older one. */
void sp_serving_cut(struct sp_serving *v, uint64_t number);
/* Resets the streams that hold most (stream/heavy.h), unless it has not come to doing so since the last time. */
void sp_serving_reset_heavy(struct sp_serving *v, uint32_t on, unsigned log2_min);
/* Its listeners (those that are INBOUND) accept no more, for good; their connections drain. All else goes on. */
void sp_serving_stop_listeners(struct sp_serving *v, uint64_t drain_ns, bool inbound_only);
/*
 * Stop accepting, let requests end for at most `drain_ns`, then end; on_ended answers. 0: end now. A second call may only
 * shorten it. `handed_over`: another process serves what comes; idle HTTP/1 connections stay until their next answer.
 */
void sp_serving_drain(struct sp_serving *v, uint64_t drain_ns, bool handed_over);
/* Joins the thread; frees all. */
void sp_serving_done(struct sp_serving *v);

#endif
