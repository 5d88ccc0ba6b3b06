/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_cluster: a compiled Cluster and its life: hosts with their health (atomic words, shared by all threads), its TLS
 * context, limits, counters, and for each worker its pools and balancer.  Made when a config is compiled; shared by
 * snapshots (counted atomically), also of configs that follow each other: it points to nothing of its document; its parts of a worker are touched on that worker's thread only.
 *
 * Order: new (compile) -> start on the prober (health checks) and attach to each worker -> requests -> detach from each
 * worker (drains its pools) -> stop on the prober -> unref.
 */
#ifndef SP_CLUSTERS_CLUSTER_H
#define SP_CLUSTERS_CLUSTER_H

#include "clusters/cluster_build.h"
#include "clusters/host_change.h"
#include "config/doc.h"
#include "config/own_node.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "event/worker.h"
#include "net/tls_ctx.h"

struct sp_cluster;
struct sp_buf;

/*
 * NULL after an error; all are in build->diag.  When the previous cluster of that name was made of an equal message, files included,
 * it is that one, with one more reference: its pools, its health and its counters are what they were.  If only
 * the addresses in load_assignment differ (not its names), it is that one too, and its new hosts are among build->fresh->changes.
 */
struct sp_cluster *sp_cluster_new(const struct sp_cluster_build *build, const Envoy__Config__Cluster__V3__Cluster *msg);
struct sp_cluster *sp_cluster_ref(struct sp_cluster *c);
void sp_cluster_unref(struct sp_cluster *c); /* NULL-safe */
struct sp_str sp_cluster_name(const struct sp_cluster *c);
/* It speaks HTTP/2 whatever happens, as gRPC needs. */
bool sp_cluster_always_h2(const struct sp_cluster *c);
/* cluster.<name>.ratelimit.*, of what the rate limit service said of requests that go to this cluster; made when first used. */
enum sp_ratelimit_stat { SP_RATELIMIT_OK, SP_RATELIMIT_OVER_LIMIT, SP_RATELIMIT_ERROR, SP_RATELIMIT_FAILURE_MODE_ALLOWED, SP_RATELIMIT_STATS };
void sp_cluster_count_ratelimit(struct sp_cluster *c, enum sp_ratelimit_stat what);
/* Hosts, and those of them that are healthy or degraded. Any thread. */
void sp_cluster_members(const struct sp_cluster *c, uint64_t *ret_total, uint64_t *ret_available);
struct sp_tls_ctx *sp_cluster_tls(const struct sp_cluster *c); /* NULL: plain, or some of its hosts may be */
/* Of all its transport sockets: calls back for each certificate (net/tls_ctx.h). Any thread. */
void sp_cluster_certs(const struct sp_cluster *c, void (*each)(void *arg, const struct sp_tls_cert_info *info), void *arg);
void sp_cluster_expiries(const struct sp_cluster *c); /* sets its gauges of certificates' ends; on the main thread */
void sp_cluster_lb_gauges(struct sp_cluster *c);      /* max_host_weight and those of hash tables, likewise */

/* On the prober's thread: begins and ends health checks. `stop` is synchronous: nothing of it runs afterwards. */
void sp_cluster_start(struct sp_cluster *c, struct sp_worker *prober);
void sp_cluster_stop(struct sp_cluster *c);
/* Names were resolved or failed, and the first round of health checks is over (at once when there are none). Any thread. */
bool sp_cluster_warm(const struct sp_cluster *c);

/* On a worker's thread (also the prober's): makes the worker's pools; closes them (idle connections now, the others
 * when their streams end, or at once with `now`). */
void sp_cluster_attach(struct sp_cluster *c, struct sp_worker *w);
void sp_cluster_detach(struct sp_cluster *c, struct sp_worker *w, bool now);
/* For who keeps a worker's clusters in a list: where it stands there. On the worker's thread; 0 until it is set. */
void sp_cluster_set_place(struct sp_cluster *c, const struct sp_worker *w, unsigned at);
unsigned sp_cluster_place(const struct sp_cluster *c, const struct sp_worker *w);
/* Connections of this worker's pools that are not closed yet: a worker ends when there are none. */
unsigned sp_cluster_connections(const struct sp_cluster *c, const struct sp_worker *w);

/* Whether tunnels run through them that outlived their config: its end must not be theirs. On the worker's thread. */
bool sp_cluster_has_tunnels(const struct sp_cluster *c, const struct sp_worker *w);

/* For /clusters: Envoy's lines "name::host::cx_active::0", or a JSON cluster_statuses element. via_api: CDS has it. Any thread. */
void sp_cluster_text(const struct sp_cluster *c, bool via_api, struct sp_buf *out);
void sp_cluster_json(const struct sp_cluster *c, bool via_api, struct sp_buf *out);

#endif
