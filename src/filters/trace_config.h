/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What filters/trace_export compiles of an OpenTelemetryConfig that has nothing to do with where spans are sent: resource,
 * sampler, propagators, limits.
 */
#ifndef SP_FILTERS_TRACE_CONFIG_H
#define SP_FILTERS_TRACE_CONFIG_H

#include "envoy/config/trace/v3/opentelemetry.pb-c.h"
#include "sallyport/tracing/v1/tracing.pb-c.h"
#include "stream/hcm.h"
#include "tracing/tracer.h"

/* Fills what sp_tracer_init left at its defaults; `own` may be NULL. False after an error. */
bool sp_trace_config_read(struct sp_tracer *t, const struct sp_hcm_build *build, const Envoy__Config__Trace__V3__OpenTelemetryConfig *msg,
                          const Sallyport__Tracing__V1__OpenTelemetry *own);

/* Attributes that these resource_detectors find. False after an error. */
bool sp_trace_detect(struct sp_attrs *attrs, const struct sp_doc *doc, struct sp_diag *diag, Envoy__Config__Core__V3__TypedExtensionConfig *const *v, size_t n);

#endif
