/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Field rules: Envoy's HTTP filters. */
#include "config/rules_tables.h"

#define INJECTED "envoy.extensions.http.injected_credentials.generic.v3."
#define IP_TAGS "envoy.extensions.filters.http.ip_tagging.v3."
#define JWT "envoy.extensions.filters.http.jwt_authn.v3."
#define LIMIT "envoy.extensions.common.ratelimit.v3."
#define LOCAL_LIMIT "envoy.extensions.filters.http.local_ratelimit.v3."
#define RATELIMIT "envoy.extensions.filters.http.ratelimit.v3."
#define RBAC_RULES "envoy.config.rbac.v3."
#define RLS "envoy.config.ratelimit.v3."

static const struct sp_rule rules[] = {
    {RLS "RateLimitServiceConfig", "grpc_service", SP_RULE_REQUIRED, 0, 0},
    {RLS "RateLimitServiceConfig", "transport_api_version", SP_RULE_ENUM_IN, BIT(2), 0},
    {RBAC_RULES "Permission", "and_rules", SP_RULE_ONEOF, 0, 0},
    {RBAC_RULES "Permission", "any", SP_RULE_TRUE, 0, 0},
    {RBAC_RULES "Permission", "destination_port", SP_RULE_RANGE, 0, PORT_MAX},
    {RBAC_RULES "Permission.Set", "rules", SP_RULE_MIN_ITEMS, 1, 0},
    {RBAC_RULES "Policy", "permissions", SP_RULE_MIN_ITEMS, 1, 0},
    {RBAC_RULES "Policy", "principals", SP_RULE_MIN_ITEMS, 1, 0},
    {RBAC_RULES "Principal", "and_ids", SP_RULE_ONEOF, 0, 0},
    {RBAC_RULES "Principal", "any", SP_RULE_TRUE, 0, 0},
    {RBAC_RULES "Principal.Set", "ids", SP_RULE_MIN_ITEMS, 1, 0},
    {RBAC_RULES "SourcedMetadata", "metadata_matcher", SP_RULE_REQUIRED, 0, 0},
    {RBAC_RULES "SourcedMetadata", "metadata_source", SP_RULE_ENUM_IN, BIT(0), 0},
    {LIMIT "LocalRateLimitDescriptor", "entries", SP_RULE_MIN_ITEMS, 1, 0},
    {LIMIT "LocalRateLimitDescriptor", "token_bucket", SP_RULE_REQUIRED, 0, 0},
    {LIMIT "RateLimitDescriptor.Entry", "key", SP_RULE_MIN_LEN, 1, 0},
    {"envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", "credential", SP_RULE_REQUIRED, 0, 0},
    {"envoy.extensions.filters.http.health_check.v3.HealthCheck", "pass_through_mode", SP_RULE_REQUIRED, 0, 0},
    {IP_TAGS "IPTagging", "ip_tags", SP_RULE_MIN_ITEMS, 1, 0},
    {IP_TAGS "IPTagging.IPTag", "ip_tag_name", SP_RULE_MIN_LEN, 1, 0},
    {IP_TAGS "IPTagging.IPTag", "ip_tag_name", SP_RULE_HEADER_VALUE, 0, 0},
    {IP_TAGS "IPTagging.IpTagHeader", "header", SP_RULE_MIN_LEN, 1, 0},
    {IP_TAGS "IPTagging.IpTagHeader", "header", SP_RULE_HEADER_NAME, 0, 0},
    {JWT "JwtClaimToHeader", "header_name", SP_RULE_MIN_LEN, 1, 0},
    {JWT "JwtClaimToHeader", "header_name", SP_RULE_HEADER_NAME, 0, 0},
    {JWT "JwtClaimToHeader", "claim_name", SP_RULE_MIN_LEN, 1, 0},
    {JWT "JwtHeader", "name", SP_RULE_MIN_LEN, 1, 0},
    {JWT "JwtHeader", "name", SP_RULE_HEADER_NAME, 0, 0},
    {JWT "JwtHeader", "value_prefix", SP_RULE_HEADER_VALUE, 0, 0},
    {JWT "JwtProvider", "forward_payload_header", SP_RULE_HEADER_NAME, 0, 0},
    {JWT "JwtProvider", "max_lifetime", SP_RULE_POSITIVE, 0, 0},
    {JWT "JwtRequirementAndList", "requirements", SP_RULE_MIN_ITEMS, 2, 0},
    {JWT "JwtRequirementOrList", "requirements", SP_RULE_MIN_ITEMS, 2, 0},
    {JWT "PerRouteConfig", "disabled", SP_RULE_ONEOF, 0, 0},
    {JWT "PerRouteConfig", "disabled", SP_RULE_TRUE, 0, 0},
    {JWT "PerRouteConfig", "requirement_name", SP_RULE_MIN_LEN, 1, 0},
    {JWT "RemoteJwks", "http_uri", SP_RULE_REQUIRED, 0, 0},
    {JWT "RemoteJwks", "cache_duration", SP_RULE_MIN_MS, 1, 0},
    {JWT "RemoteJwks", "cache_duration", SP_RULE_MAX_MS, 8999999999999, 0},
    {JWT "RequirementRule", "match", SP_RULE_REQUIRED, 0, 0},
    {JWT "RequirementRule", "requirement_name", SP_RULE_MIN_LEN, 1, 0},
    {LOCAL_LIMIT "LocalRateLimit", "stat_prefix", SP_RULE_MIN_LEN, 1, 0},
    {LOCAL_LIMIT "LocalRateLimit", "stage", SP_RULE_RANGE, 0, 10},
    {LOCAL_LIMIT "LocalRateLimit", "max_dynamic_descriptors", SP_RULE_RANGE, 1, 4194304},
    {LOCAL_LIMIT "LocalRateLimit", "request_headers_to_add_when_not_enforced", SP_RULE_MAX_ITEMS, 10, 0},
    {LOCAL_LIMIT "LocalRateLimit", "response_headers_to_add", SP_RULE_MAX_ITEMS, 10, 0},
    {RATELIMIT "RateLimit", "domain", SP_RULE_MIN_LEN, 1, 0},
    {RATELIMIT "RateLimit", "stage", SP_RULE_RANGE, 0, 10},
    {RATELIMIT "RateLimit", "timeout", SP_RULE_MIN_MS, 1, 0},
    {RATELIMIT "RateLimit", "rate_limit_service", SP_RULE_REQUIRED, 0, 0},
    {RATELIMIT "RateLimit", "response_headers_to_add", SP_RULE_MAX_ITEMS, 10, 0},
    {INJECTED "Generic", "credential", SP_RULE_REQUIRED, 0, 0},
    {INJECTED "Generic", "header", SP_RULE_HEADER_NAME, 0, 0},
    {INJECTED "Generic", "header_value_prefix", SP_RULE_HEADER_VALUE, 0, 0},
};

const struct sp_rule_table sp_rules_filters = {rules, SP_ARRAY_LEN(rules)};
