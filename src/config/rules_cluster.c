/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: clusters and endpoints. */
#include "config/rules_tables.h"

#define CARES "envoy.extensions.network.dns_resolver.cares.v3."
#define CLUSTER "envoy.config.cluster.v3."
#define CORE "envoy.config.core.v3."
#define DNS "envoy.extensions.clusters.dns.v3."
#define ENDPOINT "envoy.config.endpoint.v3."
#define LB "envoy.extensions.load_balancing_policies."
#define UPSTREAM "envoy.extensions.upstreams.http.v3."

static const struct sp_rule rules[] = {
    {CLUSTER "Cluster", "name", SP_RULE_MIN_LEN, 1, 0},
    {CLUSTER "Cluster", "type", SP_RULE_ENUM_IN, BIT(0) | BIT(1) | BIT(2) | BIT(3), 0},
    {CLUSTER "Cluster", "connect_timeout", SP_RULE_POSITIVE, 0, 0},
    {CLUSTER "Cluster", "dns_refresh_rate", SP_RULE_MIN_MS, 1, 0},
    {CLUSTER "Cluster", "lb_policy", SP_RULE_ENUM_IN, BIT(0) | BIT(1) | BIT(2) | BIT(3) | BIT(5) | BIT(7), 0},
    {CLUSTER "Cluster", "per_connection_buffer_limit_bytes", SP_RULE_RANGE, 1, U32_MAX},
    {CLUSTER "Cluster.CommonLbConfig.ConsistentHashingLbConfig", "hash_balance_factor", SP_RULE_RANGE, 100, U32_MAX},
    {CLUSTER "Cluster.CustomClusterType", "name", SP_RULE_MIN_LEN, 1, 0},
    {CLUSTER "Cluster.CustomClusterType", "typed_config", SP_RULE_REQUIRED, 0, 0},
    {CLUSTER "Cluster.EdsClusterConfig", "eds_config", SP_RULE_REQUIRED, 0, 0},
    {CLUSTER "Cluster.LeastRequestLbConfig", "choice_count", SP_RULE_RANGE, 2, U32_MAX},
    {CLUSTER "Cluster.MaglevLbConfig", "table_size", SP_RULE_RANGE, 0, 5000011},
    {CLUSTER "Cluster.PreconnectPolicy", "per_upstream_preconnect_ratio", SP_RULE_RANGE, 1, 3},
    {CLUSTER "Cluster.PreconnectPolicy", "predictive_preconnect_ratio", SP_RULE_RANGE, 1, 3},
    {CLUSTER "Cluster.RingHashLbConfig", "maximum_ring_size", SP_RULE_RANGE, 0, 8388608},
    {CLUSTER "Cluster.RingHashLbConfig", "minimum_ring_size", SP_RULE_RANGE, 0, 8388608},
    {CLUSTER "Cluster.RefreshRate", "base_interval", SP_RULE_REQUIRED, 0, 0},
    {CLUSTER "Cluster.RefreshRate", "base_interval", SP_RULE_MIN_MS, 1, 0},
    {CLUSTER "Cluster.RefreshRate", "max_interval", SP_RULE_MIN_MS, 1, 0},
    {CLUSTER "Cluster.TransportSocketMatch", "name", SP_RULE_MIN_LEN, 1, 0},
    {CLUSTER "OutlierDetection", "base_ejection_time", SP_RULE_POSITIVE, 0, 0},
    {CLUSTER "OutlierDetection", "enforcing_consecutive_5xx", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_consecutive_gateway_failure", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_consecutive_local_origin_failure", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_failure_percentage", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_failure_percentage_local_origin", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_local_origin_success_rate", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "enforcing_success_rate", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "failure_percentage_threshold", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "interval", SP_RULE_POSITIVE, 0, 0},
    {CLUSTER "OutlierDetection", "max_ejection_percent", SP_RULE_RANGE, 0, 100},
    {CLUSTER "OutlierDetection", "max_ejection_time", SP_RULE_POSITIVE, 0, 0},
    {CLUSTER "UpstreamConnectionOptions.HappyEyeballsConfig", "first_address_family_count", SP_RULE_RANGE, 1, U32_MAX},
    {ENDPOINT "ClusterLoadAssignment", "cluster_name", SP_RULE_MIN_LEN, 1, 0},
    {ENDPOINT "ClusterLoadAssignment.Policy", "endpoint_stale_after", SP_RULE_POSITIVE, 0, 0},
    {ENDPOINT "ClusterLoadAssignment.Policy", "overprovisioning_factor", SP_RULE_RANGE, 1, U32_MAX},
    {ENDPOINT "ClusterLoadAssignment.Policy.DropOverload", "category", SP_RULE_MIN_LEN, 1, 0},
    {ENDPOINT "Endpoint", "address", SP_RULE_REQUIRED, 0, 0},
    {ENDPOINT "Endpoint.HealthCheckConfig", "port_value", SP_RULE_RANGE, 0, PORT_MAX},
    {ENDPOINT "Endpoint.HealthCheckConfig", "hostname", SP_RULE_HEADER_VALUE, 0, 0},
    {ENDPOINT "LbEndpoint", "endpoint", SP_RULE_ONEOF, 0, 0},
    {ENDPOINT "LbEndpoint", "load_balancing_weight", SP_RULE_RANGE, 1, U32_MAX},
    {ENDPOINT "LocalityLbEndpoints", "load_balancing_weight", SP_RULE_RANGE, 1, U32_MAX},
    {ENDPOINT "LocalityLbEndpoints", "priority", SP_RULE_RANGE, 0, 128},
    {CORE "DnsResolutionConfig", "resolvers", SP_RULE_MIN_ITEMS, 1, 0},
    {DNS "DnsCluster", "dns_refresh_rate", SP_RULE_MIN_MS, 1, 0},
    {DNS "DnsCluster.RefreshRate", "base_interval", SP_RULE_REQUIRED, 0, 0},
    {DNS "DnsCluster.RefreshRate", "base_interval", SP_RULE_MIN_MS, 1, 0},
    {DNS "DnsCluster.RefreshRate", "max_interval", SP_RULE_MIN_MS, 1, 0},
    {CARES "CaresDnsResolverConfig", "query_timeout_seconds", SP_RULE_RANGE, 1, 3600},
    {CARES "CaresDnsResolverConfig", "query_tries", SP_RULE_RANGE, 1, 100},
    {LB "common.v3.ConsistentHashingLbConfig", "hash_balance_factor", SP_RULE_RANGE, 100, U32_MAX},
    {LB "common.v3.LocalityLbConfig", "zone_aware_lb_config", SP_RULE_ONEOF, 0, 0},
    {LB "least_request.v3.LeastRequest", "choice_count", SP_RULE_RANGE, 2, U32_MAX},
    {LB "maglev.v3.Maglev", "table_size", SP_RULE_RANGE, 0, 5000011},
    {LB "subset.v3.Subset", "subset_lb_policy", SP_RULE_REQUIRED, 0, 0},
    {LB "ring_hash.v3.RingHash", "hash_balance_factor", SP_RULE_RANGE, 100, U32_MAX},
    {LB "ring_hash.v3.RingHash", "maximum_ring_size", SP_RULE_RANGE, 0, 8388608},
    {LB "ring_hash.v3.RingHash", "minimum_ring_size", SP_RULE_RANGE, 1, 8388608},
    {UPSTREAM "HttpProtocolOptions", "explicit_http_config", SP_RULE_ONEOF, 0, 0},
    {UPSTREAM "HttpProtocolOptions.ExplicitHttpConfig", "http_protocol_options", SP_RULE_ONEOF, 0, 0},
};

const struct sp_rule_table sp_rules_cluster = {rules, SP_ARRAY_LEN(rules)};
