/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_config: a Bootstrap compiled: clusters, listeners and what they contain.  The snapshot that serving workers, their
 * connections and streams hold.  Made by the thread that loads configs (blocks on the disk), immutable afterwards; freed on
 * the main thread when nobody holds it any more (server/reload.h).
 */
#ifndef SP_SERVER_COMPILE_H
#define SP_SERVER_COMPILE_H

#include "clusters/cluster.h"
#include "config/set.h"
#include "config/snapshot.h"
#include "event/worker.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "listeners/listener.h"
#include "server/parts.h"
#include "server/warned.h"

struct sp_stats_sinks;

struct sp_config {
    struct sp_snapshot snapshot;
    /* The rest of this group is server/reload's. */
    struct sp_list link;
    struct sp_timer late; /* looks whether a file of it is still being read, before it is freed */
    struct sp_msg dead; /* posted to main by the last worker that lets go of it */
    void *home;
    uint64_t number;    /* 1, 2 ... in order of their loading */
    struct sp_set *set; /* owned */
    struct sp_doc *doc; /* its */
    const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap;
    struct sp_clusters clusters; /* a reference of each */
    struct sp_listener **listeners;
    unsigned n_listeners;
    struct sp_stats_config *stats; /* NULL: stats are shown as they are; else as long as this config is the newest */
    struct sp_stats_sinks *sinks; /* NULL: nobody is told of stats */
    struct sp_parts parts;
    struct sp_warned warned; /* what was said of it */
    struct sp_overload *overload; /* NULL: none; runs while this config is the newest */
};

/*
 * n_workers serve: the snapshot counts them. Takes `set`, also when it fails. NULL after an error; all errors are in `diag`.
 * `dead`: see sp_snapshot. `previous`: the config that serves, whose clusters stay where nothing of them changed; NULL: none.
 */
struct sp_config *sp_config_compile(struct sp_set *set, unsigned n_workers, const struct sp_config *previous,
                                    void (*dead)(struct sp_snapshot *s), struct sp_diag *diag);
void sp_config_free(struct sp_config *c); /* NULL-safe */
/* By name, or NULL; `ctx` is the sp_config: the find_cluster of all builds. */
struct sp_cluster *sp_config_find_cluster(void *ctx, struct sp_str name);

/* Each certificate that the config names: listeners' first, then clusters'. */
void sp_config_certs(const struct sp_config *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg);
/* Sets the gauges of when they expire; on the main thread. */
void sp_config_expiries(const struct sp_config *c);

#endif
