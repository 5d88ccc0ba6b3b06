/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: tracing. */
#include "config/rules_tables.h"

#define SAMPLERS "envoy.extensions.tracers.opentelemetry.samplers.v3."
#define TRACING "envoy.type.tracing.v3."

static const struct sp_rule rules[] = {
    {"envoy.config.core.v3.HttpService", "http_uri", SP_RULE_REQUIRED, 0, 0},
    {"envoy.config.core.v3.HttpService", "request_headers_to_add", SP_RULE_MAX_ITEMS, 1000, 0},
    {"envoy.config.trace.v3.OpenTelemetryConfig", "max_cache_size", SP_RULE_RANGE, 1, 1048576},
    {"envoy.config.trace.v3.Tracing.Http", "name", SP_RULE_MIN_LEN, 1, 0},
    {"envoy.config.trace.v3.Tracing.Http", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {SAMPLERS "ParentBasedSamplerConfig", "wrapped_sampler", SP_RULE_REQUIRED, 0, 0},
    {"envoy.type.metadata.v3.MetadataKind", "request", SP_RULE_ONEOF, 0, 0},
    {TRACING "CustomTag", "literal", SP_RULE_ONEOF, 0, 0},
    {TRACING "CustomTag", "tag", SP_RULE_MIN_LEN, 1, 0},
    {TRACING "CustomTag.Environment", "name", SP_RULE_MIN_LEN, 1, 0},
    {TRACING "CustomTag.Header", "name", SP_RULE_HEADER_NAME, 0, 0},
    {TRACING "CustomTag.Header", "name", SP_RULE_MIN_LEN, 1, 0},
    {TRACING "CustomTag.Literal", "value", SP_RULE_MIN_LEN, 1, 0},
    {"sallyport.tracing.v1.OpenTelemetry", "config", SP_RULE_REQUIRED, 0, 0},
    {"sallyport.tracing.v1.OpenTelemetry", "propagators", SP_RULE_MIN_ITEMS, 1, 0},
};

const struct sp_rule_table sp_rules_trace = {rules, SP_ARRAY_LEN(rules)};
