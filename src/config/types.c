/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config/types.h"

#include <assert.h>

#include "base/defs.h"
#include "config/names.h"
#include "envoy/config/cluster/v3/cluster.pb-c.h"
#include "envoy/config/listener/v3/listener.pb-c.h"
#include "envoy/config/metrics/v3/stats.pb-c.h"
#include "envoy/config/overload/v3/overload.pb-c.h"
#include "envoy/config/route/v3/route.pb-c.h"
#include "envoy/config/route/v3/route_components.pb-c.h"
#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb-c.h"
#include "envoy/extensions/clusters/dns/v3/dns_cluster.pb-c.h"
#include "envoy/extensions/compression/brotli/compressor/v3/brotli.pb-c.h"
#include "envoy/extensions/compression/gzip/compressor/v3/gzip.pb-c.h"
#include "envoy/extensions/filters/http/api_key_auth/v3/api_key_auth.pb-c.h"
#include "envoy/extensions/filters/http/basic_auth/v3/basic_auth.pb-c.h"
#include "envoy/extensions/filters/http/buffer/v3/buffer.pb-c.h"
#include "envoy/extensions/filters/http/cdn_loop/v3/cdn_loop.pb-c.h"
#include "envoy/extensions/filters/http/compressor/v3/compressor.pb-c.h"
#include "envoy/extensions/filters/http/cors/v3/cors.pb-c.h"
#include "envoy/extensions/filters/http/credential_injector/v3/credential_injector.pb-c.h"
#include "envoy/extensions/filters/http/csrf/v3/csrf.pb-c.h"
#include "envoy/extensions/filters/http/ext_authz/v3/ext_authz.pb-c.h"
#include "envoy/extensions/filters/http/header_mutation/v3/header_mutation.pb-c.h"
#include "envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata.pb-c.h"
#include "envoy/extensions/filters/http/health_check/v3/health_check.pb-c.h"
#include "envoy/extensions/filters/http/ip_tagging/v3/ip_tagging.pb-c.h"
#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/ratelimit/v3/rate_limit.pb-c.h"
#include "envoy/extensions/filters/http/rbac/v3/rbac.pb-c.h"
#include "envoy/extensions/filters/http/router/v3/router.pb-c.h"
#include "envoy/extensions/filters/http/set_metadata/v3/set_metadata.pb-c.h"
#include "envoy/extensions/health_check/event_sinks/file/v3/file.pb-c.h"
#include "envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol.pb-c.h"
#include "envoy/extensions/stat_sinks/open_telemetry/v3/open_telemetry.pb-c.h"
#include "envoy/extensions/filters/listener/local_ratelimit/v3/local_ratelimit.pb-c.h"
#include "envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector.pb-c.h"
#include "envoy/extensions/filters/network/connection_limit/v3/connection_limit.pb-c.h"
#include "envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager.pb-c.h"
#include "envoy/extensions/http/early_header_mutation/header_mutation/v3/header_mutation.pb-c.h"
#include "envoy/extensions/http/injected_credentials/generic/v3/generic.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/custom_header/v3/custom_header.pb-c.h"
#include "envoy/extensions/http/original_ip_detection/xff/v3/xff.pb-c.h"
#include "envoy/extensions/internal_redirect/allow_listed_routes/v3/allow_listed_routes_config.pb-c.h"
#include "envoy/extensions/internal_redirect/previous_routes/v3/previous_routes_config.pb-c.h"
#include "envoy/extensions/internal_redirect/safe_cross_scheme/v3/safe_cross_scheme_config.pb-c.h"
#include "envoy/extensions/load_balancing_policies/least_request/v3/least_request.pb-c.h"
#include "envoy/extensions/load_balancing_policies/maglev/v3/maglev.pb-c.h"
#include "envoy/extensions/load_balancing_policies/random/v3/random.pb-c.h"
#include "envoy/extensions/load_balancing_policies/ring_hash/v3/ring_hash.pb-c.h"
#include "envoy/extensions/load_balancing_policies/subset/v3/subset.pb-c.h"
#include "envoy/extensions/load_balancing_policies/round_robin/v3/round_robin.pb-c.h"
#include "envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver.pb-c.h"
#include "envoy/extensions/path/match/uri_template/v3/uri_template_match.pb-c.h"
#include "envoy/extensions/regex_engines/v3/google_re2.pb-c.h"
#include "envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory.pb-c.h"
#include "envoy/extensions/resource_monitors/cpu_utilization/v3/cpu_utilization.pb-c.h"
#include "envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections.pb-c.h"
#include "envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap.pb-c.h"
#include "envoy/extensions/resource_monitors/injected_resource/v3/injected_resource.pb-c.h"
#include "envoy/config/trace/v3/opentelemetry.pb-c.h"
#include "envoy/extensions/request_id/uuid/v3/uuid.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/environment_resource_detector.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/resource_detectors/v3/static_config_resource_detector.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/always_on_sampler.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/parent_based_sampler.pb-c.h"
#include "envoy/extensions/tracers/opentelemetry/samplers/v3/trace_id_ratio_based_sampler.pb-c.h"
#include "envoy/extensions/retry/host/omit_canary_hosts/v3/omit_canary_hosts.pb-c.h"
#include "envoy/extensions/retry/host/omit_host_metadata/v3/omit_host_metadata_config.pb-c.h"
#include "envoy/extensions/retry/host/previous_hosts/v3/previous_hosts.pb-c.h"
#include "envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config.pb-c.h"
#include "envoy/extensions/transport_sockets/proxy_protocol/v3/upstream_proxy_protocol.pb-c.h"
#include "envoy/extensions/transport_sockets/raw_buffer/v3/raw_buffer.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "envoy/extensions/upstreams/http/v3/http_protocol_options.pb-c.h"
#include "sallyport/access_loggers/v1/syslog.pb-c.h"
#include "sallyport/admin/v1/admin.pb-c.h"
#include "sallyport/bootstrap/v1/edge.pb-c.h"
#include "sallyport/demo/v1/origin.pb-c.h"
#include "sallyport/filters/http/header_certificate/v1/header_certificate.pb-c.h"
#include "sallyport/filters/http/admin_pages/v1/admin_pages.pb-c.h"
#include "sallyport/filters/http/claims_authz/v1/claims_authz.pb-c.h"
#include "sallyport/filters/http/ip_restriction/v1/ip_restriction.pb-c.h"
#include "sallyport/filters/http/origin_shield/v1/origin_shield.pb-c.h"
#include "sallyport/filters/http/sender_constraint/v1/sender_constraint.pb-c.h"
#include "sallyport/filters/http/staged/v1/staged.pb-c.h"
#include "sallyport/filters/http/token_introspection/v1/token_introspection.pb-c.h"
#include "sallyport/filters/listener/ip_restriction/v1/ip_restriction.pb-c.h"
#include "sallyport/oidc/v1/oidc.pb-c.h"
#include "sallyport/resource_monitors/v1/worker_delay.pb-c.h"
#include "sallyport/tls/v1/early_data.pb-c.h"
#include "sallyport/tls/v1/revocation.pb-c.h"
#include "sallyport/tracing/v1/tracing.pb-c.h"

static const ProtobufCMessageDescriptor *const types[] = {
    &envoy__config__cluster__v3__cluster__descriptor,
    &envoy__config__endpoint__v3__cluster_load_assignment__descriptor,
    &envoy__config__listener__v3__listener__descriptor,
    &envoy__config__route__v3__route_configuration__descriptor,
    &envoy__config__trace__v3__open_telemetry_config__descriptor,
    &envoy__extensions__request_id__uuid__v3__uuid_request_id_config__descriptor,
    &envoy__extensions__tracers__opentelemetry__resource_detectors__v3__environment_resource_detector_config__descriptor,
    &envoy__extensions__tracers__opentelemetry__resource_detectors__v3__static_config_resource_detector_config__descriptor,
    &envoy__extensions__tracers__opentelemetry__samplers__v3__always_on_sampler_config__descriptor,
    &envoy__extensions__tracers__opentelemetry__samplers__v3__parent_based_sampler_config__descriptor,
    &envoy__extensions__tracers__opentelemetry__samplers__v3__trace_id_ratio_based_sampler_config__descriptor,
    &sallyport__tracing__v1__open_telemetry__descriptor,
    &envoy__extensions__access_loggers__file__v3__file_access_log__descriptor,
    &envoy__extensions__access_loggers__stream__v3__stderr_access_log__descriptor,
    &envoy__extensions__access_loggers__stream__v3__stdout_access_log__descriptor,
    &sallyport__access_loggers__v1__syslog__descriptor,
    &envoy__extensions__clusters__dns__v3__dns_cluster__descriptor,
    &envoy__extensions__compression__brotli__compressor__v3__brotli__descriptor,
    &envoy__extensions__compression__gzip__compressor__v3__gzip__descriptor,
    &envoy__extensions__filters__http__api_key_auth__v3__api_key_auth__descriptor,
    &envoy__extensions__filters__http__api_key_auth__v3__api_key_auth_per_route__descriptor,
    &envoy__extensions__filters__http__basic_auth__v3__basic_auth__descriptor,
    &envoy__extensions__filters__http__basic_auth__v3__basic_auth_per_route__descriptor,
    &envoy__extensions__filters__http__buffer__v3__buffer__descriptor,
    &envoy__extensions__filters__http__buffer__v3__buffer_per_route__descriptor,
    &envoy__extensions__filters__http__cdn_loop__v3__cdn_loop_config__descriptor,
    &envoy__extensions__filters__http__compressor__v3__compressor__descriptor,
    &envoy__extensions__filters__http__compressor__v3__compressor_per_route__descriptor,
    &envoy__extensions__filters__http__cors__v3__cors__descriptor,
    &envoy__extensions__filters__http__cors__v3__cors_policy__descriptor,
    &envoy__extensions__filters__http__credential_injector__v3__credential_injector__descriptor,
    &envoy__extensions__filters__http__csrf__v3__csrf_policy__descriptor,
    &envoy__extensions__filters__http__ext_authz__v3__ext_authz__descriptor,
    &envoy__extensions__filters__http__ext_authz__v3__ext_authz_per_route__descriptor,
    &envoy__extensions__filters__http__header_mutation__v3__header_mutation__descriptor,
    &envoy__extensions__filters__http__header_mutation__v3__header_mutation_per_route__descriptor,
    &envoy__extensions__filters__http__header_to_metadata__v3__config__descriptor,
    &envoy__extensions__filters__http__health_check__v3__health_check__descriptor,
    &envoy__extensions__filters__http__ip_tagging__v3__iptagging__descriptor,
    &envoy__extensions__filters__http__jwt_authn__v3__jwt_authentication__descriptor,
    &envoy__extensions__filters__http__jwt_authn__v3__per_route_config__descriptor,
    &envoy__extensions__filters__http__local_ratelimit__v3__local_rate_limit__descriptor,
    &envoy__extensions__filters__http__ratelimit__v3__rate_limit__descriptor,
    &envoy__extensions__filters__http__ratelimit__v3__rate_limit_per_route__descriptor,
    &envoy__extensions__filters__http__rbac__v3__rbac__descriptor,
    &envoy__extensions__filters__http__rbac__v3__rbacper_route__descriptor,
    &envoy__extensions__filters__http__router__v3__router__descriptor,
    &envoy__extensions__filters__http__set_metadata__v3__config__descriptor,
    &envoy__extensions__filters__listener__proxy_protocol__v3__proxy_protocol__descriptor,
    &envoy__extensions__health_check__event_sinks__file__v3__health_check_event_file_sink__descriptor,
    &envoy__extensions__filters__listener__local_ratelimit__v3__local_rate_limit__descriptor,
    &envoy__extensions__filters__listener__tls_inspector__v3__tls_inspector__descriptor,
    &envoy__extensions__filters__network__connection_limit__v3__connection_limit__descriptor,
    &envoy__extensions__filters__network__http_connection_manager__v3__http_connection_manager__descriptor,
    &envoy__extensions__http__early_header_mutation__header_mutation__v3__header_mutation__descriptor,
    &envoy__extensions__http__injected_credentials__generic__v3__generic__descriptor,
    &envoy__extensions__http__original_ip_detection__custom_header__v3__custom_header_config__descriptor,
    &envoy__extensions__http__original_ip_detection__xff__v3__xff_config__descriptor,
    &envoy__extensions__internal_redirect__allow_listed_routes__v3__allow_listed_routes_config__descriptor,
    &envoy__extensions__internal_redirect__previous_routes__v3__previous_routes_config__descriptor,
    &envoy__extensions__internal_redirect__safe_cross_scheme__v3__safe_cross_scheme_config__descriptor,
    &envoy__extensions__load_balancing_policies__least_request__v3__least_request__descriptor,
    &envoy__extensions__load_balancing_policies__maglev__v3__maglev__descriptor,
    &envoy__extensions__load_balancing_policies__random__v3__random__descriptor,
    &envoy__extensions__load_balancing_policies__ring_hash__v3__ring_hash__descriptor,
    &envoy__extensions__load_balancing_policies__subset__v3__subset__descriptor,
    &envoy__extensions__load_balancing_policies__round_robin__v3__round_robin__descriptor,
    &envoy__extensions__network__dns_resolver__cares__v3__cares_dns_resolver_config__descriptor,
    &envoy__extensions__path__match__uri_template__v3__uri_template_match_config__descriptor,
    &envoy__extensions__regex_engines__v3__google_re2__descriptor,
    &envoy__extensions__resource_monitors__cgroup_memory__v3__cgroup_memory_config__descriptor,
    &envoy__extensions__resource_monitors__cpu_utilization__v3__cpu_utilization_config__descriptor,
    &envoy__extensions__resource_monitors__downstream_connections__v3__downstream_connections_config__descriptor,
    &envoy__extensions__resource_monitors__fixed_heap__v3__fixed_heap_config__descriptor,
    &envoy__extensions__resource_monitors__injected_resource__v3__injected_resource_config__descriptor,
    &envoy__extensions__retry__host__omit_canary_hosts__v3__omit_canary_hosts_predicate__descriptor,
    &envoy__extensions__retry__host__omit_host_metadata__v3__omit_host_metadata_config__descriptor,
    &envoy__extensions__retry__host__previous_hosts__v3__previous_hosts_predicate__descriptor,
    &envoy__extensions__retry__priority__previous_priorities__v3__previous_priorities_config__descriptor,
    &envoy__extensions__transport_sockets__proxy_protocol__v3__proxy_protocol_upstream_transport__descriptor,
    &envoy__extensions__transport_sockets__raw_buffer__v3__raw_buffer__descriptor,
    &envoy__extensions__transport_sockets__tls__v3__downstream_tls_context__descriptor,
    &envoy__extensions__transport_sockets__tls__v3__secret__descriptor,
    &envoy__extensions__transport_sockets__tls__v3__upstream_tls_context__descriptor,
    &envoy__extensions__upstreams__http__v3__http_protocol_options__descriptor,
    &envoy__config__overload__v3__scale_timers_overload_action_config__descriptor,
    &envoy__config__metrics__v3__statsd_sink__descriptor,
    &envoy__config__metrics__v3__dog_statsd_sink__descriptor,
    &envoy__extensions__stat_sinks__open_telemetry__v3__sink_config__descriptor,
    &envoy__config__route__v3__filter_config__descriptor,
    &sallyport__admin__v1__admin__descriptor,
    &sallyport__bootstrap__v1__edge__descriptor,
    &sallyport__demo__v1__origin__descriptor,
    &sallyport__filters__http__header_certificate__v1__header_certificate__descriptor,
    &sallyport__filters__http__admin_pages__v1__admin_pages__descriptor,
    &sallyport__filters__http__claims_authz__v1__claims_authz__descriptor,
    &sallyport__filters__http__claims_authz__v1__claims_authz_per_route__descriptor,
    &sallyport__filters__http__ip_restriction__v1__ip_restriction__descriptor,
    &sallyport__filters__http__origin_shield__v1__origin_shield__descriptor,
    &sallyport__filters__http__sender_constraint__v1__sender_constraint__descriptor,
    &sallyport__filters__http__sender_constraint__v1__sender_constraint_per_route__descriptor,
    &sallyport__filters__http__staged__v1__staged__descriptor,
    &sallyport__filters__http__token_introspection__v1__token_introspection__descriptor,
    &sallyport__filters__http__token_introspection__v1__token_introspection_per_route__descriptor,
    &sallyport__filters__listener__ip_restriction__v1__ip_restriction__descriptor,
    &sallyport__oidc__v1__issuers__descriptor,
    &sallyport__resource_monitors__v1__worker_delay_config__descriptor,
    &sallyport__tls__v1__early_data__descriptor,
    &sallyport__tls__v1__revocation__descriptor,
};

/* Whatever stands before the last slash names who keeps the types' definitions; nobody is asked. */
const ProtobufCMessageDescriptor *sp_type_find(struct sp_str url)
{
    size_t at = url.len;
    while (at && url.ptr[at - 1] != '/')
        at--;
    if (at < 2)
        return NULL;
    struct sp_str name = sp_str_sub(url, at, url.len);
    for (size_t i = 0; i < SP_ARRAY_LEN(types); i++)
        if (sp_str_eq(name, sp_str_c(types[i]->name)))
            return types[i];
    return NULL;
}

struct sp_str sp_type_nearest(struct sp_str url)
{
    struct sp_nearest n;
    ptrdiff_t slash = sp_str_chr(url, '/');
    struct sp_str name = sp_str_sub(url, (size_t)(slash + 1), url.len);
    sp_nearest_init(&n, name);
    n.limit = SP_MIN(n.limit, 5u); /* most names share long prefixes: half of such a name is still far away */
    n.distance = n.limit + 1;
    for (size_t i = 0; i < SP_ARRAY_LEN(types); i++)
        sp_nearest_offer(&n, sp_str_c(types[i]->name));
    return n.best;
}

const ProtobufCMessageDescriptor *const *sp_type_all(size_t *ret_n)
{
    assert(ret_n);
    *ret_n = SP_ARRAY_LEN(types);
    return types;
}
