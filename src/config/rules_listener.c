/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: listeners, the HTTP connection manager, network filters. */
#include "config/rules_tables.h"

#define CX_LIMIT "envoy.extensions.filters.network.connection_limit.v3."
#define CUSTOM_HEADER "envoy.extensions.http.original_ip_detection.custom_header.v3."
#define EARLY "envoy.extensions.http.early_header_mutation.header_mutation.v3."
#define HCM "envoy.extensions.filters.network.http_connection_manager.v3."
#define CX_RATE "envoy.extensions.filters.listener.local_ratelimit.v3."
#define LISTENER "envoy.config.listener.v3."
#define XFF "envoy.extensions.http.original_ip_detection.xff.v3."

static const struct sp_rule rules[] = {
    {LISTENER "Filter", "name", SP_RULE_MIN_LEN, 1, 0},
    {LISTENER "Filter", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {LISTENER "FilterChainMatch", "destination_port", SP_RULE_RANGE, 1, PORT_MAX},
    {LISTENER "FilterChainMatch", "source_ports", SP_RULE_RANGE, 1, PORT_MAX},
    {LISTENER "FilterChainMatch", "server_names", SP_RULE_MIN_LEN, 1, 0},
    {LISTENER "FilterChainMatch", "application_protocols", SP_RULE_MIN_LEN, 1, 0},
    {LISTENER "Listener", "address", SP_RULE_REQUIRED, 0, 0},
    {LISTENER "Listener", "max_connections_to_accept_per_socket_event", SP_RULE_RANGE, 1, U32_MAX},
    {LISTENER "Listener", "per_connection_buffer_limit_bytes", SP_RULE_RANGE, 1, U32_MAX},
    {LISTENER "ListenerFilter", "name", SP_RULE_MIN_LEN, 1, 0},
    {LISTENER "ListenerFilter", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {CX_LIMIT "ConnectionLimit", "stat_prefix", SP_RULE_MIN_LEN, 1, 0},
    {CX_LIMIT "ConnectionLimit", "max_connections", SP_RULE_REQUIRED, 0, 0},
    {CX_LIMIT "ConnectionLimit", "max_connections", SP_RULE_RANGE, 1, U32_MAX},
    {CX_RATE "LocalRateLimit", "stat_prefix", SP_RULE_MIN_LEN, 1, 0},
    {CX_RATE "LocalRateLimit", "token_bucket", SP_RULE_REQUIRED, 0, 0},
    {HCM "HttpConnectionManager", "codec_type", SP_RULE_ENUM_IN, BIT(0) | BIT(1) | BIT(2), 0},
    {HCM "HttpConnectionManager", "stat_prefix", SP_RULE_MIN_LEN, 1, 0},
    {HCM "HttpConnectionManager.HcmAccessLogOptions", "access_log_flush_interval", SP_RULE_MIN_MS, 1, 0},
    {HCM "HttpConnectionManager", "http_filters", SP_RULE_MIN_ITEMS, 1, 0},
    {HCM "HttpConnectionManager", "server_name", SP_RULE_HEADER_VALUE, 0, 0},
    {HCM "HttpConnectionManager", "via", SP_RULE_HEADER_VALUE, 0, 0},
    {HCM "HttpConnectionManager", "max_request_headers_kb", SP_RULE_RANGE, 1, 8192},
    {HCM "HttpFilter", "name", SP_RULE_MIN_LEN, 1, 0},
    {HCM "HttpFilter", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {HCM "Rds", "config_source", SP_RULE_REQUIRED, 0, 0},
    {EARLY "HeaderMutation", "mutations", SP_RULE_MIN_ITEMS, 1, 0},
    {HCM "ResponseMapper", "filter", SP_RULE_REQUIRED, 0, 0},
    {HCM "ResponseMapper", "status_code", SP_RULE_RANGE, 200, 599},
    {HCM "ResponseMapper", "headers_to_add", SP_RULE_MAX_ITEMS, 1000, 0},
    {CUSTOM_HEADER "CustomHeaderConfig", "header_name", SP_RULE_MIN_LEN, 1, 0},
    {CUSTOM_HEADER "CustomHeaderConfig", "header_name", SP_RULE_HEADER_NAME, 0, 0},
    {XFF "XffTrustedCidrs", "cidrs", SP_RULE_MIN_ITEMS, 1, 0},
    {"envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template", SP_RULE_MIN_LEN, 1, 0},
    {"envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template", SP_RULE_MAX_LEN, 256, 0},
};

const struct sp_rule_table sp_rules_listener = {rules, SP_ARRAY_LEN(rules)};
