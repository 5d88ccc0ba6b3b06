/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: the bootstrap, access logs. */
#include "config/rules_tables.h"

#define ALOG "envoy.config.accesslog.v3."
#define BOOTSTRAP "envoy.config.bootstrap.v3."

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
    {"envoy.extensions.access_loggers.file.v3.FileAccessLog", "path", SP_RULE_MIN_LEN, 1, 0},
};

const struct sp_rule_table sp_rules_bootstrap = {rules, SP_ARRAY_LEN(rules)};
