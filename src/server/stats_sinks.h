/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_sinks: stats_sinks compiled: where StatsD and DogStatsD lines go at each flush, by UDP or a datagram socket of the file
 * system, and metrics to OpenTelemetry collectors.  Part of a config, immutable but for its sockets, which the main thread alone uses.
 */
#ifndef SP_SERVER_STATS_SINKS_H
#define SP_SERVER_STATS_SINKS_H

#include "config/doc.h"
#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "server/stats_export.h"
#include "stats/statsd.h"

struct sp_stats_sinks;

/* NULL: the config has none, or after an error, all of which are in `diag`. Its clusters are compiled already: `find_cluster`, with ctx. */
struct sp_stats_sinks *sp_stats_sinks_new(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Config__Bootstrap__V3__Bootstrap *msg,
                                          struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx);
void sp_stats_sinks_free(struct sp_stats_sinks *s); /* NULL-safe */
/* How each of them is told; *ret_n of them. */
const struct sp_statsd_form *sp_stats_sinks_forms(const struct sp_stats_sinks *s, unsigned *ret_n);
/*
 * Sends one to sink `i`, or drops it: nobody waits for a receiver. 0, or negative errno of the drop; 1: the prober sends it, as a
 * request, and counts what becomes of it.
 */
int sp_stats_sinks_send(struct sp_stats_sinks *s, unsigned i, struct sp_str datagram, struct sp_worker *prober);

#endif
