/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sp_stats_export: a stats sink that is an OpenTelemetry collector (envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig).  The
 * main thread hands requests over; the prober, which has connections to clusters, sends them.  Counted references, from any thread:
 * one of the sink, one of each request under way.  Holds its cluster.
 */
#ifndef SP_SERVER_STATS_EXPORT_H
#define SP_SERVER_STATS_EXPORT_H

#include "config/doc.h"
#include "envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry.pb-c.h"
#include "event/worker.h"
#include "filters/grpc_target.h"

struct sp_stats_export;

/* One reference, or NULL after an error. `find_cluster` is called with ctx. */
struct sp_stats_export *sp_stats_export_new(const struct sp_doc *doc, struct sp_diag *diag, const Envoy__Extensions__StatSinks__OpenTelemetry__V3__SinkConfig *msg,
                                            struct sp_cluster *(*find_cluster)(void *ctx, struct sp_str name), void *ctx);
void sp_stats_export_unref(struct sp_stats_export *x); /* NULL-safe */
/*
 * Main thread: these metrics, fields of a ScopeMetrics, are copied, and sent by the prober.  -EAGAIN: too much is under way, and they
 * are lost.
 */
int sp_stats_export_send(struct sp_stats_export *x, struct sp_worker *prober, struct sp_str metrics);

#endif
