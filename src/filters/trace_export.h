/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where spans go: a tracer (tracing/tracer.h) made of a connection manager's provider, OpenTelemetryConfig or ours around it,
 * that hands batches to a cluster as OTLP, over HTTP (POST, application/x-protobuf) or gRPC (TraceService/Export).  Holds its
 * cluster, so that what waits when a config goes can still be sent; whether it arrives is then the cluster's matter.
 */
#ifndef SP_FILTERS_TRACE_EXPORT_H
#define SP_FILTERS_TRACE_EXPORT_H

#include "stream/hcm.h"
#include "tracing/tracer.h"

/* For sp_hcm_build.make_tracer. One reference, or NULL after an error in build->diag. */
struct sp_tracer *sp_trace_export_new(const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__Tracing__Http *provider);

#endif
