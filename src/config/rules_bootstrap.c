/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: the bootstrap, access logs. */
#include "config/rules_tables.h"

#define ALOG "envoy.config.accesslog.v3."
#define BOOTSTRAP "envoy.config.bootstrap.v3."
#define METRICS "envoy.config.metrics.v3."
#define MONITORS "envoy.extensions.resource_monitors."
#define OVERLOAD "envoy.config.overload.v3."

static const struct sp_rule rules[] = {
    {ALOG "AccessLog", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {ALOG "AccessLogFilter", "status_code_filter", SP_RULE_ONEOF, 0, 0},
    {ALOG "AndFilter", "filters", SP_RULE_MIN_ITEMS, 2, 0},
    {ALOG "ComparisonFilter", "value", SP_RULE_REQUIRED, 0, 0},
    {ALOG "DurationFilter", "comparison", SP_RULE_REQUIRED, 0, 0},
    {ALOG "GrpcStatusFilter", "statuses", SP_RULE_ENUM_IN, 0x1ffff, 0},
    {ALOG "HeaderFilter", "header", SP_RULE_REQUIRED, 0, 0},
    {ALOG "MetadataFilter", "matcher", SP_RULE_REQUIRED, 0, 0},
    {ALOG "OrFilter", "filters", SP_RULE_MIN_ITEMS, 2, 0},
    {ALOG "RuntimeFilter", "runtime_key", SP_RULE_MIN_LEN, 1, 0},
    {ALOG "StatusCodeFilter", "comparison", SP_RULE_REQUIRED, 0, 0},
    {BOOTSTRAP "Admin", "address", SP_RULE_REQUIRED, 0, 0},
    {BOOTSTRAP "Bootstrap", "stats_flush_interval", SP_RULE_MIN_MS, 1, 0},
    {BOOTSTRAP "Bootstrap", "stats_flush_interval", SP_RULE_MAX_MS, 299999, 0},
    {BOOTSTRAP "RuntimeLayer", "name", SP_RULE_MIN_LEN, 1, 0},
    {BOOTSTRAP "RuntimeLayer", "static_layer", SP_RULE_ONEOF, 0, 0},
    {METRICS "DogStatsdSink", "address", SP_RULE_ONEOF, 0, 0},
    {"envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig", "grpc_service", SP_RULE_ONEOF, 0, 0},
    {METRICS "DogStatsdSink", "max_bytes_per_datagram", SP_RULE_RANGE, 1, 18446744073709551615.0},
    {METRICS "HistogramBucketSettings", "match", SP_RULE_REQUIRED, 0, 0},
    {METRICS "HistogramBucketSettings", "bins", SP_RULE_RANGE, 1, 46082},
    {METRICS "StatsMatcher", "reject_all", SP_RULE_ONEOF, 0, 0},
    {METRICS "StatsdSink", "address", SP_RULE_ONEOF, 0, 0},
    {METRICS "TagSpecifier", "tag_name", SP_RULE_MIN_LEN, 1, 0},
    {METRICS "TagSpecifier", "regex", SP_RULE_MAX_LEN, 1024, 0},
    {OVERLOAD "BufferFactoryConfig", "minimum_account_to_track_power_of_two", SP_RULE_RANGE, 10, 56},
    {OVERLOAD "LoadShedPoint", "name", SP_RULE_MIN_LEN, 1, 0},
    {OVERLOAD "LoadShedPoint", "triggers", SP_RULE_MIN_ITEMS, 1, 0},
    {OVERLOAD "OverloadAction", "name", SP_RULE_MIN_LEN, 1, 0},
    {OVERLOAD "OverloadAction", "triggers", SP_RULE_MIN_ITEMS, 1, 0},
    {OVERLOAD "OverloadManager", "refresh_interval", SP_RULE_MIN_MS, 1, 0},
    {OVERLOAD "OverloadManager", "resource_monitors", SP_RULE_MIN_ITEMS, 1, 0},
    {OVERLOAD "ResourceMonitor", "name", SP_RULE_MIN_LEN, 1, 0},
    {OVERLOAD "ResourceMonitor", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {OVERLOAD "ScaleTimersOverloadActionConfig", "timer_scale_factors", SP_RULE_MIN_ITEMS, 1, 0},
    {OVERLOAD "ScaleTimersOverloadActionConfig.ScaleTimer", "timer", SP_RULE_ENUM_SET, 0, 0},
    {OVERLOAD "ScaleTimersOverloadActionConfig.ScaleTimer", "timer", SP_RULE_ENUM_IN, BIT(0) | BIT(1) | BIT(2) | BIT(3), 0},
    {OVERLOAD "ScaleTimersOverloadActionConfig.ScaleTimer", "min_timeout", SP_RULE_ONEOF, 0, 0},
    {OVERLOAD "ScaledTrigger", "scaling_threshold", SP_RULE_RANGE, 0, 1},
    {OVERLOAD "ScaledTrigger", "saturation_threshold", SP_RULE_RANGE, 0, 1},
    {OVERLOAD "ThresholdTrigger", "value", SP_RULE_RANGE, 0, 1},
    {OVERLOAD "Trigger", "name", SP_RULE_MIN_LEN, 1, 0},
    {OVERLOAD "Trigger", "threshold", SP_RULE_ONEOF, 0, 0},
    {MONITORS "downstream_connections.v3.DownstreamConnectionsConfig", "max_active_downstream_connections", SP_RULE_RANGE, 1, 9007199254740992.0},
    {MONITORS "fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes", SP_RULE_RANGE, 1, 18446744073709551615.0},
    {MONITORS "injected_resource.v3.InjectedResourceConfig", "filename", SP_RULE_MIN_LEN, 1, 0},
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog", "path", SP_RULE_MIN_LEN, 1, 0},
    {"envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink", "event_log_path", SP_RULE_MIN_LEN, 1, 0},
};

const struct sp_rule_table sp_rules_bootstrap = {rules, SP_ARRAY_LEN(rules)};
