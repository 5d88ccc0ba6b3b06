/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each check: a config that it finds something in, and one that is nearly the same, in which it finds nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "base/mem.h"
#include "server/secure_defaults.h"
#include "tools/audit.h"
#include "tools/audit_checks.h"
#include "audit_kit.h"

#define TYPE "'@type': type.googleapis.com/"
#define HTTP TYPE "envoy.extensions.filters.http."
#define OURS TYPE "sallyport.filters.http."
#define ROUTER "{name: router, typed_config: {" HTTP "router.v3.Router}}"
#define SHIELD(proof) "{name: shield, typed_config: {" OURS "origin_shield.v1.OriginShield, proof: {" proof "}}}, "
#define SECRET SHIELD("secret_header: {secrets: [{name: s, value: {filename: /s}}]}")
#define RESTRICTION(more) "{name: r, typed_config: {" OURS "ip_restriction.v1.IpRestriction, source: SOCKET" more "}}, "
#define GATE(more) "{name: g, typed_config: {" TYPE "sallyport.filters.listener.ip_restriction.v1.IpRestriction" more "}}, "
#define PROXY "{name: p, typed_config: {" TYPE "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol}}, "
#define TLS(more) \
    "transport_socket: {name: t, typed_config: {" TYPE "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext" more "}}, "
#define COMMON(more) ", common_tls_context: {" more "}"
#define MTLS(more) TLS(", require_client_certificate: true" COMMON("validation_context: {trusted_ca: {filename: /ca}" more "}"))
#define EXT(type, more) \
    "original_ip_detection_extensions: [{name: e, typed_config: {" TYPE "envoy.extensions.http.original_ip_detection." type more "}}]"
#define EDGE "use_remote_address: true"

/* A listener with chains; a chain; a connection manager; a virtual host. */
#define LISTENER(address, more, chains) \
    "static_resources:\n  listeners:\n  - {name: l, address: {socket_address: {address: '" address "', port_value: 1}}, " more \
    "filter_chains: [" chains "]}\n"
#define CHAIN(more, manager) \
    "{name: c, " more "filters: [{name: h, typed_config: {" TYPE \
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: x, " manager "}}]}"
#define MANAGER(filters, more, vhosts) "http_filters: [" filters ROUTER "], " more ", route_config: {virtual_hosts: [" vhosts "]}"
#define VHOST(domains, routes) "{name: v, domains: [" domains "], routes: [" routes "]}"
#define TO(match, more) "{match: {" match "}, route: {cluster: o" more "}}"
#define ROOT VHOST("'*'", TO("prefix: /", ""))
#define CLUSTER(address, more) \
    "  clusters:\n  - {name: o, " more "load_assignment: {endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: " \
    "{address: '" address "', port_value: 1}}}}]}]}}\n"

#define DOOR(address, filters, transport, http, manager) \
    LISTENER(address, "listener_filters: [" filters "], ", CHAIN(transport, MANAGER(http, manager, ROOT)))
#define WITH(manager) DOOR("0.0.0.0", "", TLS(""), SECRET, EDGE ", " manager)
#define FILTER(filter) DOOR("0.0.0.0", "", TLS(""), SECRET filter, EDGE ", normalize_path: true")
#define ROUTES(vhosts) LISTENER("0.0.0.0", "", CHAIN(TLS(""), MANAGER(SECRET, EDGE, vhosts)))
#define ORIGIN(address, http, more) DOOR("0.0.0.0", "", TLS(""), http, EDGE) CLUSTER(address, more)
#define UP(more) \
    "transport_socket: {name: t, typed_config: {" TYPE "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" more "}}, "
#define NAME ", match_typed_subject_alt_names: [{san_type: DNS, matcher: {exact: a}}]"
#define BIND "upstream_bind_config: {source_address: {address: 192.0.2.1}}, "
#define JWT(more) "{name: j, typed_config: {" HTTP "jwt_authn.v3.JwtAuthentication, " more "}}, "
#define PROVIDER(more) JWT("providers: {p: {issuer: i, audiences: [a], require_expiration: true, from_headers: [{name: a}]" more "}}")
#define CLAIMS "{name: c, typed_config: {" OURS "claims_authz.v1.ClaimsAuthz}}, "
#define RBAC(permission, principal) \
    "{name: r, typed_config: {" HTTP "rbac.v3.RBAC, rules: {policies: {p: {permissions: [{" permission "}], principals: [{" principal "}]}}}}}, "
#define LIMIT(more) "{name: l, typed_config: {" HTTP "ratelimit.v3.RateLimit, domain: d" more "}}, "
#define RUNTIME(key) "layered_runtime: {layers: [{name: x, static_layer: {" key ": 5}}]}\n"
#define INJECTOR(more) "{name: i, typed_config: {" HTTP "credential_injector.v3.CredentialInjector" more "}}, "
#define SHOW(chain) DOOR("0.0.0.0", "", TLS(COMMON("tls_certificates: [{certificate_chain: {inline_string: \"" chain "\"}}]")), SECRET, EDGE)
/* A guarded chain for a.example, and one without certificates. */
#define TWO(names, domain, cluster) \
    LISTENER("0.0.0.0", "", \
             CHAIN("filter_chain_match: {server_names: [a.example]}, " MTLS(NAME), MANAGER(SECRET, EDGE, VHOST("a.example", TO("prefix: /", "")))) \
             ", " \
             CHAIN("filter_chain_match: {server_names: [" names "]}, " TLS(""), \
                   MANAGER(SECRET, EDGE, VHOST("'" domain "'", "{match: {prefix: /}, route: {cluster: " cluster "}}"))))

static const struct {
    const char *id, *found, *not_found;
} cases[] = {
    {"admin-exposed", "admin: {address: {socket_address: {address: '::', port_value: 1}}}",
     "admin: {address: {socket_address: {address: '::1', port_value: 1}}}"},
    {"admin-exposed", "admin: {address: {socket_address: {address: 10.0.0.1, port_value: 1}}}", "admin: {address: {pipe: {path: /x}}}"},
#define ADMIN(address, more) "admin: {address: {socket_address: {address: '" address "', port_value: 1}}" more "}"
    {"admin-exposed", ADMIN("0.0.0.0", ""), ADMIN("0.0.0.0", ", allow_paths: [{exact: /ready}]")},
    {"admin-partly-exposed", ADMIN("0.0.0.0", ", allow_paths: [{exact: /ready}]"), ADMIN("127.0.0.1", ", allow_paths: [{exact: /ready}]")},
#define PAGES(more) "{name: pages, typed_config: {" OURS "admin_pages.v1.AdminPages, allow_paths: [{exact: /ready}]" more "}}, "
    {"admin-pages-exposed", DOOR("0.0.0.0", "", TLS(""), PAGES(""), EDGE), DOOR("127.0.0.1", "", TLS(""), PAGES(""), EDGE)},
    {"admin-pages-exposed", DOOR("0.0.0.0", "", TLS(""), PAGES(", allow_changes: true"), EDGE), DOOR("0.0.0.0", "", MTLS(NAME), PAGES(""), EDGE)},
    {"admin-pages-exposed", DOOR("0.0.0.0", GATE(", deny: [10.0.0.1]"), TLS(""), PAGES(""), EDGE),
     DOOR("0.0.0.0", GATE(", allow: [10.0.0.1]"), TLS(""), PAGES(""), EDGE)},
    {"admin-pages-exposed", DOOR("0.0.0.0", "", TLS(""), PAGES("") RESTRICTION(", allow: [10.0.0.1]"), EDGE),
     DOOR("0.0.0.0", "", TLS(""), RESTRICTION(", allow: [10.0.0.1]") PAGES(""), EDGE)},
    {"no-gate", DOOR("0.0.0.0", "", TLS(""), "", EDGE), DOOR("127.0.0.1", "", TLS(""), "", EDGE)},
    {"no-gate", DOOR("0.0.0.0", GATE(", deny: [10.0.0.1], enforcement: SHADOW"), TLS(""), "", EDGE),
     DOOR("0.0.0.0", GATE(", deny: [10.0.0.1]"), TLS(""), "", EDGE)},
    {"no-gate", DOOR("0.0.0.0", "", TLS(", require_client_certificate: false"), "", EDGE),
     DOOR("0.0.0.0", "", TLS(", require_client_certificate: true"), "", EDGE)},
    {"no-proof", DOOR("0.0.0.0", "", TLS(""), RESTRICTION(", deny: [10.0.0.1]"), EDGE), DOOR("0.0.0.0", "", TLS(""), SECRET, EDGE)},
    {"no-proof", DOOR("0.0.0.0", GATE(", deny: [10.0.0.1]"), TLS(""), "", EDGE), DOOR("0.0.0.0", GATE(", allow: [10.0.0.1]"), TLS(""), "", EDGE)},
    {"proof-by-address", DOOR("0.0.0.0", GATE(", allow: [10.0.0.1]"), TLS(""), "", EDGE),
     DOOR("0.0.0.0", GATE(", allow: [10.0.0.1]"), TLS(""), SECRET, EDGE)},
    {"proof-by-address", DOOR("0.0.0.0", "", TLS(""), SHIELD("peer_address: {cidrs: [10.0.0.1]}"), EDGE),
     DOOR("0.0.0.0", "", TLS(""), SHIELD("all_of: {proofs: [{peer_address: {cidrs: [10.0.0.1]}}, {header_value: {name: a, values: [b]}}]}"), EDGE)},
    {"proof-by-identifier", DOOR("0.0.0.0", "", TLS(""), SHIELD("header_value: {name: a, values: [b]}"), EDGE),
     DOOR("0.0.0.0", GATE(", allow: [10.0.0.1]"), TLS(""), SHIELD("header_value: {name: a, values: [b]}"), EDGE)},
    {"proof-by-identifier",
     DOOR("0.0.0.0", "", TLS(""), SHIELD("any_of: {proofs: [{header_value: {name: a, values: [b]}}, {all_of: {proofs: [{header_value: {name: a, "
                                         "values: [b]}}, {peer_address: {cidrs: [10.0.0.1]}}]}}]}"), EDGE),
     DOOR("0.0.0.0", "", TLS(""), SHIELD("any_of: {proofs: [{akamai_g2o: {}}, {secret_header: {}}]}"), EDGE)},
    {"client-certificate-optional",
     DOOR("0.0.0.0", "", TLS(COMMON("validation_context: {trusted_ca: {filename: /ca}}")), RESTRICTION(", deny: [10.0.0.1]"), EDGE),
     DOOR("0.0.0.0", "", MTLS(""), RESTRICTION(", deny: [10.0.0.1]"), EDGE)},
    {"client-certificate-any-name", DOOR("0.0.0.0", "", MTLS(""), "", EDGE), DOOR("0.0.0.0", "", MTLS(NAME), "", EDGE)},
    {"client-certificate-any-name", DOOR("0.0.0.0", "", MTLS(""), "", EDGE), DOOR("0.0.0.0", "", MTLS(""), SECRET, EDGE)},
    {"gate-on-trial", DOOR("::1", "", "", RESTRICTION(", enforced_percent: 99"), EDGE), DOOR("::1", "", "", RESTRICTION(", enforced_percent: 100"), EDGE)},
    {"gate-on-trial", DOOR("::1", GATE(", enforcement: SHADOW"), "", "", EDGE), DOOR("::1", GATE(", enforcement: ENFORCE"), "", "", EDGE)},
#define STAGED(more) "{name: s, typed_config: {" OURS "staged.v1.Staged, " more "filter: {" HTTP "rbac.v3.RBAC}}}, "
    {"filter-on-trial", FILTER(STAGED("enforcement: SHADOW, ")), FILTER(STAGED(""))},
    {"filter-on-trial", FILTER(STAGED("enforced_percent: 10, ")), FILTER(STAGED("enforced_percent: 100, "))},
#define EXEMPT(more) SHIELD("secret_header: {}}, exemptions: [{path: {exact: /h}" more "}], refusal: {status: 403")
    {"exemption-forwards", DOOR("::1", "", "", EXEMPT(", forward: true"), EDGE), DOOR("::1", "", "", EXEMPT(""), EDGE)},
    {"secret-kept", DOOR("::1", "", "", SHIELD("secret_header: {keep: true}"), EDGE), DOOR("::1", "", "", SHIELD("secret_header: {}"), EDGE)},
    {"proxy-protocol-open", DOOR("::1", PROXY, "", "", EDGE), DOOR("::1", GATE(", allow: [10.0.0.0/8]") PROXY, "", "", EDGE)},
    {"proxy-protocol-open", DOOR("::1", PROXY GATE(", allow: [10.0.0.0/8]"), "", "", EDGE),
     "static_resources: {listeners: [{address: {pipe: {path: /x}}, listener_filters: [" PROXY "]}]}"},
    {"proxy-protocol-open", DOOR("::1", GATE(", deny: [10.0.0.0/8]") PROXY, "", "", EDGE), "{}"},
    {"client-trust", DOOR("::1", "", "", "", EDGE ", xff_num_trusted_hops: 1"), DOOR("::1", "", "", SECRET, EDGE ", xff_num_trusted_hops: 1")},
    {"client-trust", DOOR("::1", "", "", "", "xff_num_trusted_hops: 0"), DOOR("::1", "", "", "", EDGE)},
    {"client-trust", DOOR("::1", "", "", "", EXT("xff.v3.XffConfig", "")),
     DOOR("::1", "", "", "", EXT("xff.v3.XffConfig", ", xff_trusted_cidrs: {cidrs: [{address_prefix: 10.0.0.0}]}"))},
    {"client-trust", DOOR("::1", GATE(", deny: [10.0.0.0/8]"), "", "", EXT("custom_header.v3.CustomHeaderConfig", ", header_name: x")),
     DOOR("::1", GATE(", allow: [10.0.0.0/8]"), "", "", EXT("custom_header.v3.CustomHeaderConfig", ", header_name: x"))},
    {"certificate-header-trust", DOOR("::1", "", "", "", "forward_client_cert_details: ALWAYS_FORWARD_ONLY"),
     DOOR("::1", "", "", SECRET, "forward_client_cert_details: ALWAYS_FORWARD_ONLY")},
    {"plaintext", DOOR("0.0.0.0", "", "", SECRET, EDGE), DOOR("0.0.0.0", "", TLS(""), SECRET, EDGE)},
    {"plaintext", DOOR("10.1.2.3", "", "", SECRET, EDGE), DOOR("127.0.0.9", "", "", SECRET, EDGE)},

#define CIPHER(name) DOOR("::1", "", TLS(COMMON("tls_params: {cipher_suites: ['" name "']}")), "", EDGE)
    {"weak-cipher", CIPHER("ECDHE-RSA-AES128-SHA"), CIPHER("ECDHE-RSA-AES128-GCM-SHA256")},
    {"weak-cipher", CIPHER("[ECDHE-RSA-CHACHA20-POLY1305|ECDHE-RSA-AES256-SHA384]"), CIPHER("[ECDHE-RSA-CHACHA20-POLY1305]")},
    {"expired-certificates-taken", DOOR("::1", "", MTLS(", allow_expired_certificate: true"), "", EDGE), DOOR("::1", "", MTLS(""), "", EDGE)},
    {"untrusted-certificates-taken", DOOR("::1", "", MTLS(", trust_chain_verification: ACCEPT_UNTRUSTED"), "", EDGE),
     DOOR("::1", "", MTLS(", trust_chain_verification: ACCEPT_UNTRUSTED, verify_certificate_spki: [x]"), "", EDGE)},
    {"early-data", DOOR("::1", "", TLS(COMMON("custom_handshaker: {name: e, typed_config: {" TYPE "sallyport.tls.v1.EarlyData}}")), "", EDGE),
     DOOR("::1", "", TLS(""), "", EDGE)},
    {"no-revocation", DOOR("::1", "", MTLS(""), "", EDGE), DOOR("::1", "", MTLS(", crl: {filename: /x}"), "", EDGE)},

    {"inline-secret", "static_resources: {secrets: [{name: a, tls_certificate: {private_key: {inline_string: x}}}]}",
     "static_resources: {secrets: [{name: a, tls_certificate: {private_key: {filename: x}, certificate_chain: {inline_string: z}}}]}"},
    {"inline-secret", DOOR("::1", "", "", SHIELD("secret_header: {secrets: [{name: s, value: {inline_bytes: YQ==}}]}"), EDGE),
     DOOR("::1", "", "", SHIELD("secret_header: {secrets: [{name: s, value: {environment_variable: E}}]}"), EDGE)},
    {"inline-secret", FILTER(PROVIDER(", local_jwks: {inline_string: '{\"kty\": \"oct\"}'}")),
     FILTER(PROVIDER(", local_jwks: {inline_string: '{\"kty\": \"RSA\"}'}"))},

    {"paths-not-normalised", ROUTES(VHOST("'*'", TO("prefix: /api/", ""))), ROUTES(ROOT)},
    {"paths-as-sent", ROUTES(ROOT), ROUTES(VHOST("'*'", TO("prefix: /api/", "")))},
    {"paths-as-sent", WITH("normalize_path: false"), WITH("normalize_path: true")},
    {"slashes-not-merged", WITH("merge_slashes: false"), WITH("merge_slashes: true")},
    {"escaped-slashes-kept", WITH("path_with_escaped_slashes_action: KEEP_UNCHANGED"), WITH("path_with_escaped_slashes_action: REJECT_REQUEST")},
    {"underscores-allowed", WITH("common_http_protocol_options: {}"),
     WITH("common_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}")},
    {"both-lengths-taken", WITH("http_protocol_options: {allow_chunked_length: true}"), WITH("http_protocol_options: {}")},
    {"bad-request-ends-connection", WITH("stream_error_on_invalid_http_message: false"), WITH("stream_error_on_invalid_http_message: true")},
    {"bad-request-ends-connection", WITH("http2_protocol_options: {override_stream_error_on_invalid_http_message: false}"),
     WITH("stream_error_on_invalid_http_message: false, http2_protocol_options: {override_stream_error_on_invalid_http_message: true}")},
    {"server-header-passed", WITH("server_header_transformation: PASS_THROUGH"), WITH("server_header_transformation: APPEND_IF_ABSENT")},
    {"no-access-log", WITH("access_log: []"),
     WITH("access_log: [{name: a, typed_config: {" TYPE "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]")},

    {"no-request-headers-timeout", WITH("request_headers_timeout: 0s"), WITH("request_headers_timeout: 0.1s")},
    {"no-handshake-timeout", DOOR("::1", "", TLS("") "transport_socket_connect_timeout: 0s, ", "", EDGE),
     DOOR("::1", "", "transport_socket_connect_timeout: 0s, ", "", EDGE)},
    {"no-listener-filters-timeout", LISTENER("::1", "listener_filters_timeout: 0s, ", ""), LISTENER("::1", "listener_filters_timeout: 1s, ", "")},
    {"no-stream-idle-timeout", WITH("stream_idle_timeout: 0s"), WITH("stream_idle_timeout: 1s")},
    {"no-idle-timeout", WITH("common_http_protocol_options: {idle_timeout: 0s}"), WITH("common_http_protocol_options: {}")},
    {"no-request-timeout", WITH("request_timeout: 0s"), WITH("request_timeout: 1s")},
    {"no-request-timeout", WITH("merge_slashes: true"), WITH("request_timeout: 300s")},
    {"route-without-timeout", ROUTES(VHOST("'*'", TO("prefix: /", ", timeout: 0s"))), ROUTES(VHOST("'*'", TO("prefix: /", ", timeout: 1s")))},
    {"route-without-timeout", ROUTES(VHOST("'*'", TO("prefix: /", ", idle_timeout: 0s"))), ROUTES(ROOT)},
    {"no-max-connection-duration", WITH("common_http_protocol_options: {}"), WITH("common_http_protocol_options: {max_connection_duration: 1s}")},
    {"unwritten-limit", WITH("request_headers_timeout: 10s"),
     DOOR("::1", "", TLS("") "transport_socket_connect_timeout: 10s, ", "", "request_headers_timeout: 10s, http2_protocol_options: "
          "{max_concurrent_streams: 100, initial_stream_window_size: 65536, initial_connection_window_size: 65536}")},
    {"http2-limits", WITH("http2_protocol_options: {max_concurrent_streams: 101}"), WITH("http2_protocol_options: {max_concurrent_streams: 100}")},
    {"http2-limits", WITH("http2_protocol_options: {initial_stream_window_size: 65537}"),
     WITH("http2_protocol_options: {initial_stream_window_size: 65536}")},
    {"http2-limits", WITH("http2_protocol_options: {initial_connection_window_size: 1048577}"),
     WITH("http2_protocol_options: {initial_connection_window_size: 1048576}")},
    {"buffer-limit", LISTENER("::1", "", ""), LISTENER("::1", "per_connection_buffer_limit_bytes: 32768, ", "")},
    {"buffer-limit", LISTENER("::1", "per_connection_buffer_limit_bytes: 1048576, ", ""), "{}"},
    {"origin-buffer-limit", "static_resources: {clusters: [{name: o}]}",
     "static_resources: {clusters: [{name: o, per_connection_buffer_limit_bytes: 32768}]}"},
    {"header-limits", WITH("max_request_headers_kb: 97"), WITH("max_request_headers_kb: 96")},
    {"header-limits", WITH("common_http_protocol_options: {max_headers_count: 201}"), WITH("common_http_protocol_options: {max_headers_count: 200}")},
    {"no-connection-limit", WITH("merge_slashes: true"), WITH("merge_slashes: true") RUNTIME("overload.global_downstream_max_connections")},
    {"no-connection-limit", RUNTIME("other.key") WITH("merge_slashes: true"),
     RUNTIME("envoy.resource_limits.listener.l.connection_limit") WITH("merge_slashes: true")},

    {"no-connection-limit", RUNTIME("overload.global_downstream_max_connections") LISTENER("0.0.0.0", "ignore_global_conn_limit: true, ", CHAIN("", EDGE)),
     "overload_manager: {resource_monitors: [{name: envoy.resource_monitors.global_downstream_max_connections}]}\n"
     LISTENER("0.0.0.0", "", CHAIN("", EDGE))},

    {"route-shadowed", ROUTES(VHOST("'*'", TO("prefix: /a", "") ", " TO("prefix: /ab", ""))),
     ROUTES(VHOST("'*'", TO("prefix: /ab", "") ", " TO("prefix: /a", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("prefix: /", "") ", " TO("path: /x", ""))),
     ROUTES(VHOST("'*'", TO("prefix: /, headers: [{name: a}]", "") ", " TO("path: /x", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("prefix: /", "") ", " TO("path: /x", ""))),
     ROUTES(VHOST("'*'", TO("prefix: /, grpc: {}", "") ", " TO("path: /x", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("prefix: /", "") ", " TO("path: /x", ""))),
     ROUTES(VHOST("'*'", TO("prefix: /, cookies: [{name: a}]", "") ", " TO("path: /x", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("path_separated_prefix: /a", "") ", " TO("prefix: /a/", ""))),
     ROUTES(VHOST("'*'", TO("path_separated_prefix: /a", "") ", " TO("prefix: /a", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("path_separated_prefix: /a", "") ", " TO("path: /a", ""))),
     ROUTES(VHOST("'*'", TO("path_separated_prefix: /a", "") ", " TO("path: /ab", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("path: /A, case_sensitive: false", "") ", " TO("path: /a", ""))),
     ROUTES(VHOST("'*'", TO("path: /a", "") ", " TO("path: /a, case_sensitive: false", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("safe_regex: {regex: '/.*'}", "") ", " TO("prefix: /a", ""))),
     ROUTES(VHOST("'*'", TO("safe_regex: {regex: '/b.*'}", "") ", " TO("prefix: /a", "")))},
    {"route-shadowed", ROUTES(VHOST("'*'", TO("prefix: /a", "") ", " TO("prefix: /a", ""))),
     ROUTES(VHOST("a", TO("prefix: /a", "")) ", " VHOST("b", TO("prefix: /a", "")))},
#define RETRY(more) ", retry_policy: {" more "}"
    {"retry-sends-twice", ROUTES(VHOST("'*'", TO("prefix: /", RETRY("retry_on: 'refused-stream, 5xx'")))),
     ROUTES(VHOST("'*'", TO("prefix: /", RETRY("retry_on: 'refused-stream, connect-failure,reset-before-request'"))))},
    {"retry-sends-twice", ROUTES(VHOST("'*'", TO("prefix: /", RETRY("retry_on: unavailable")))),
     ROUTES(VHOST("'*'", TO("prefix: /", RETRY("retry_on: unavailable, num_retries: 0"))))},
#define METHODS(regex) "prefix: /, headers: [{name: ':method', string_match: {safe_regex: {regex: '" regex "'}}}]"
    {"retry-sends-twice", ROUTES(VHOST("'*'", TO(METHODS("GET|POST"), RETRY("retry_on: reset")))),
     ROUTES(VHOST("'*'", TO(METHODS("^(GET|HEAD)$"), RETRY("retry_on: reset"))))},
    {"retry-sends-twice",
     ROUTES(VHOST("'*'", TO("prefix: /, headers: [{name: ':method', string_match: {exact: GET}, invert_match: true}]", RETRY("retry_on: reset")))),
     ROUTES(VHOST("'*'", TO("prefix: /, headers: [{name: ':method', string_match: {exact: GET}}]", RETRY("retry_on: reset"))))},
#define MEANT(more) RETRY("retry_on: reset, retriable_request_headers: [{name: ':method', string_match: {exact: PUT}}" more "]")
    {"retry-sends-twice", ROUTES(VHOST("'*'", TO("prefix: /", MEANT(", {name: x-again}")))), ROUTES(VHOST("'*'", TO("prefix: /", MEANT(""))))},
    {"retry-sends-twice", ROUTES("{name: v, domains: ['*'], retry_policy: {retry_on: 5xx}, routes: [" TO("prefix: /", "") "]}"),
     ROUTES("{name: v, domains: ['*'], retry_policy: {retry_on: 5xx}, routes: [" TO("prefix: /", RETRY("retry_on: refused-stream")) "]}")},
    {"cluster-by-header", ROUTES(VHOST("'*'", "{match: {prefix: /}, route: {cluster_header: x-to}}")), ROUTES(ROOT)},
    {"cluster-by-header", ROUTES(VHOST("'*'", "{match: {prefix: /}, route: {cluster: app, request_mirror_policies: [{cluster_header: x-to}]}}")),
     ROUTES(VHOST("'*'", "{match: {prefix: /}, route: {cluster: app, request_mirror_policies: [{cluster: app}]}}"))},
    {"cluster-by-header", ROUTES("{name: v, domains: ['*'], request_mirror_policies: [{cluster_header: x-to}], routes: [" TO("prefix: /", "") "]}"),
     ROUTES("{name: v, domains: ['*'], request_mirror_policies: [{cluster: app}], routes: [" TO("prefix: /", "") "]}")},
    {"cluster-by-header", ROUTES(ROOT "], request_mirror_policies: [{cluster_header: x-to}"), ROUTES(ROOT)},
    {"host-by-client", ROUTES(VHOST("'*'", TO("prefix: /", ", host_rewrite_header: x"))),
     ROUTES(VHOST("'*'", TO("prefix: /", ", host_rewrite_literal: x")))},
    {"host-by-client", ROUTES(VHOST("'*'", TO("prefix: /", ", host_rewrite_path_regex: {substitution: x}"))),
     ROUTES(VHOST("'*'", TO("prefix: /", ", auto_host_rewrite: true")))},
#define REDIRECT(domain, more) ROUTES(VHOST(domain, "{match: {prefix: /}, redirect: {https_redirect: true" more "}}"))
    {"redirect-any-host", REDIRECT("'*'", ""), REDIRECT("'*'", ", host_redirect: a")},
    {"redirect-any-host", REDIRECT("a, '*'", ""), REDIRECT("a", "")},
    {"redirect-any-host", ROUTES("{name: v, domains: ['*'], require_tls: ALL}"), ROUTES("{name: v, domains: [a], require_tls: ALL}")},
#define FOLLOWS(predicate) \
    ROUTES(VHOST("a", TO("prefix: /", ", internal_redirect_policy: {predicates: [{name: p, typed_config: {" TYPE "envoy.extensions.internal_redirect." predicate "}}]}")))
    {"internal-redirect", FOLLOWS("previous_routes.v3.PreviousRoutesConfig"), FOLLOWS("allow_listed_routes.v3.AllowListedRoutesConfig")},
    {"internal-redirect", ROUTES(VHOST("a", TO("prefix: /", ", internal_redirect_action: HANDLE_INTERNAL_REDIRECT"))), ROUTES(VHOST("a", TO("prefix: /", "")))},
    {"internal-redirect", ROUTES(VHOST("a", TO("prefix: /", ", internal_redirect_policy: {}"))), ROUTES(VHOST("a", TO("prefix: /", "")))},
#define PER_ROUTE(config) \
    ROUTES(VHOST("'*'", "{match: {prefix: /}, route: {cluster: o}, typed_per_filter_config: {j: {" TYPE config "}}}"))
    {"filter-off", PER_ROUTE("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, disabled: true"),
     PER_ROUTE("envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, requirement_name: r")},
    {"filter-off", PER_ROUTE("envoy.config.route.v3.FilterConfig, disabled: true"), PER_ROUTE("envoy.config.route.v3.FilterConfig")},
    {"sni-crossing", TWO("b.example", "*", "o"), TWO("b.example", "b.example", "o")},
    {"sni-crossing", TWO("b.example", "A.example:443", "o"), TWO("b.example", "*", "other")},
    {"sni-crossing", TWO("b.example", "*.example", "o"), TWO("b.example", "b.*", "o")},
    {"domain-outside-sni", TWO("b.example", "c.example", "o"), TWO("'*.example'", "c.example", "o")},

    {"jwt-unmatched", FILTER(JWT("rules: [{match: {prefix: /api}, requires: {provider_name: p}}]")),
     FILTER(JWT("rules: [{match: {prefix: /}, requires: {provider_name: p}}]"))},
    {"jwt-unmatched", FILTER(JWT("rules: [{match: {prefix: /, headers: [{name: a}]}, requires: {provider_name: p}}]")),
     FILTER(JWT("rules: [{match: {safe_regex: {regex: '.*'}}, requires: {provider_name: p}}]"))},
    {"jwt-unmatched", FILTER(JWT("rules: []")), FILTER(JWT("rules: []") CLAIMS)},
#define NAMED ", typed_per_filter_config: {j: {" TYPE "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig, requirement_name: r}}"
#define BY_ROUTE(one, two) \
    LISTENER("::1", "", CHAIN("", MANAGER(JWT("requirement_map: {r: {provider_name: p}}"), EDGE, \
                                          VHOST("'*'", "{match: {prefix: /a}, route: {cluster: o}" one "}, {match: {prefix: /b}, route: {cluster: o}" two "}"))))
    {"jwt-route-open", BY_ROUTE(NAMED, ""), BY_ROUTE(NAMED, NAMED)},
    {"jwt-unmatched", BY_ROUTE("", ""), BY_ROUTE(NAMED, "")},
    {"jwt-open", FILTER(JWT("rules: [{match: {prefix: /}}]")), FILTER(JWT("rules: [{match: {prefix: /}, requirement_name: r}]"))},
    {"jwt-exempt-prefix", FILTER(JWT("rules: [{match: {prefix: /health}}]")), FILTER(JWT("rules: [{match: {path: /health}}]"))},
    {"jwt-missing-allowed", FILTER(JWT("rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}, {allow_missing: "
                                       "{}}]}}}]")),
     FILTER(JWT("rules: [{match: {prefix: /}, requires: {requires_any: {requirements: [{provider_name: p}, {allow_missing: {}}]}}}]") CLAIMS)},
    {"jwt-missing-allowed", FILTER(JWT("requirement_map: {r: {allow_missing_or_failed: {}}}")), FILTER(JWT("requirement_map: {r: {provider_name: p}}"))},
    {"jwt-unvalidated", FILTER(JWT("requirement_map: {r: {extract_only_without_validation: {}}}")),
     FILTER(JWT("requirement_map: {r: {provider_name: p}}"))},
    {"jwt-no-audience", FILTER(JWT("providers: {p: {issuer: i}}")), FILTER(PROVIDER(""))},
    {"jwt-no-issuer", FILTER(JWT("providers: {p: {audiences: [i]}}")), FILTER(PROVIDER(""))},
    {"jwt-no-expiry", FILTER(JWT("providers: {p: {issuer: i}}")), FILTER(JWT("providers: {p: {max_lifetime: 3600s}}"))},
    {"jwt-in-query", FILTER(JWT("providers: {p: {issuer: i}}")), FILTER(PROVIDER(""))},
    {"jwt-in-query", FILTER(PROVIDER(", from_params: [t]")), FILTER(JWT("providers: {p: {from_cookies: [t]}}"))},
#define KEYS(source) "{name: k, typed_config: {" HTTP "api_key_auth.v3.ApiKeyAuth, key_sources: [{" source "}]}}, "
    {"key-in-query", FILTER(KEYS("query: key")), FILTER(KEYS("header: key"))},
#define TOKEN(more) "{name: t, typed_config: {" OURS "token_introspection.v1.TokenIntrospection" more "}}, "
    {"token-optional", FILTER(TOKEN(", required: false")), FILTER(TOKEN(""))},
    {"token-optional", FILTER(TOKEN(", required: false")), FILTER(TOKEN(", required: false") CLAIMS)},
#define RAW(filter) DOOR("::1", "", "", filter, EDGE)
    {"rules-by-raw-path", RAW(RBAC("url_path: {path: {prefix: /a}}", "any: true")), FILTER(RBAC("url_path: {path: {prefix: /a}}", "any: true"))},
    {"rules-by-raw-path", RAW(RBAC("header: {name: ':path'}", "any: true")), RAW(RBAC("header: {name: ':method'}", "any: true"))},
    {"rules-by-raw-path", RAW(JWT("rules: [{match: {path: /a}}]")), RAW(JWT("rules: [{match: {prefix: /}}]"))},
    {"rules-by-raw-path", RAW("{name: c, typed_config: {" OURS "claims_authz.v1.ClaimsAuthz, requires: {tenant: {path_segment: 1}}}}, "),
     RAW("{name: c, typed_config: {" OURS "claims_authz.v1.ClaimsAuthz, requires: {tenant: {header: a}}}}, ")},
    {"rbac-any", FILTER(RBAC("any: true", "any: true")), FILTER(RBAC("any: true", "remote_ip: {address_prefix: 10.0.0.0}"))},
    {"identity-by-header", FILTER(RBAC("any: true", "header: {name: x-user}")), FILTER(RBAC("any: true", "header: {name: ':method'}"))},
    {"identity-by-header", FILTER(PROVIDER("") RBAC("any: true", "or_ids: {ids: [{any: true}, {header: {name: x-user}}]}")),
     FILTER(PROVIDER(", claim_to_headers: [{header_name: X-User, claim_name: sub}]") RBAC("any: true", "header: {name: x-user}"))},
    {"identity-by-header", FILTER(RBAC("any: true", "not_id: {header: {name: x-user}}")),
     FILTER(RBAC("any: true", "and_ids: {ids: [{header: {name: x-user}}, {remote_ip: {address_prefix: 10.0.0.0}}]}"))},
#define TO_METADATA(rule) "{name: m, typed_config: {" HTTP "header_to_metadata.v3.Config, request_rules: [{" rule "}]}}, "
    {"metadata-by-header", FILTER(TO_METADATA("header: x-tenant")),
     FILTER(PROVIDER(", claim_to_headers: [{header_name: x-tenant, claim_name: t}]") TO_METADATA("header: x-tenant"))},
    {"metadata-by-header", FILTER(TO_METADATA("cookie: tenant")), FILTER("")},
    {"jwt-exempt-by-header", FILTER(JWT("rules: [{match: {prefix: /, headers: [{name: x-internal}]}}]")),
     FILTER(JWT("rules: [{match: {prefix: /, headers: [{name: ':method', string_match: {exact: OPTIONS}}]}}]"))},
    {"jwt-exempt-by-header", FILTER(JWT("rules: [{match: {prefix: /, query_parameters: [{name: public}]}}]")),
     FILTER(JWT("rules: [{match: {prefix: /, query_parameters: [{name: public}]}, requires: {provider_name: p}}]"))},
#define OFF_IF(match) \
    ROUTES(VHOST("'*'", "{match: {prefix: /" match "}, route: {cluster: o}, typed_per_filter_config: {j: {" TYPE \
                 "envoy.config.route.v3.FilterConfig, disabled: true}}}"))
    {"filter-off-by-header", OFF_IF(", headers: [{name: x-internal}]"), OFF_IF("")},
#define COUNTED(header, filter) \
    LISTENER("::1", "", CHAIN("", MANAGER(filter, EDGE, VHOST("'*'", TO("prefix: /", ", rate_limits: [{actions: [{request_headers: {header_name: " \
                                                                          header ", descriptor_key: k}}]}]")))))
    {"limit-by-client-header", COUNTED("x-key", ""), COUNTED("':path'", "")},
    {"limit-by-client-header", COUNTED("x-key", PROVIDER("")), COUNTED("x-key", PROVIDER(", claim_to_headers: [{header_name: x-key, claim_name: s}]"))},
    {"admin-routed", ADMIN("127.0.0.1", "") "\n" ORIGIN("127.0.0.1", SECRET, ""), ORIGIN("127.0.0.1", SECRET, "")},
    {"admin-routed", ADMIN("0.0.0.0", "") "\n" ORIGIN("127.0.0.1", SECRET, ""), ADMIN("127.0.0.1", "") "\n" ORIGIN("10.0.0.1", SECRET, "")},
#define UPGRADE(filters) DOOR("::1", "", "", SECRET PROVIDER(""), "upgrade_configs: [{upgrade_type: websocket" filters "}]")
    {"upgrade-skips-filter", UPGRADE(", filters: [" ROUTER "]"), UPGRADE(", filters: [" PROVIDER("") ROUTER "]")},
    {"upgrade-skips-filter", UPGRADE(", filters: [" CLAIMS ROUTER "]"), UPGRADE("")},
#define TUNNEL(http, manager, route) \
    LISTENER("0.0.0.0", "", CHAIN(TLS(""), MANAGER(http, manager ", " EDGE, \
        VHOST("'*'", "{match: {connect_matcher: {}}, route: {cluster: c" route "}}"))))
#define OPEN "upgrade_configs: [{upgrade_type: CONNECT}]"
#define OF_JWT(match) JWT("rules: [{match: {" match "}, requires: {provider_name: p}}]")
    {"connect-for-everybody", TUNNEL("", OPEN, ""), TUNNEL(SECRET, OPEN, "")},
    {"connect-for-everybody", TUNNEL(OF_JWT("prefix: /"), OPEN, ""), TUNNEL(OF_JWT("connect_matcher: {}"), OPEN, "")},
    {"connect-for-everybody", TUNNEL(LIMIT(""), OPEN, ""), TUNNEL(CLAIMS, OPEN, "")},
    {"connect-for-everybody", TUNNEL(CLAIMS, "upgrade_configs: [{upgrade_type: connect, filters: [" ROUTER "]}]", ""),
     TUNNEL(CLAIMS, "upgrade_configs: [{upgrade_type: connect, filters: [" CLAIMS ROUTER "]}]", "")},
    {"connect-for-everybody", TUNNEL("", "normalize_path: true", ", upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]"),
     TUNNEL("", OPEN, ", upgrade_configs: [{upgrade_type: CONNECT, enabled: false}]")},
#define AUTHZ(more) "{name: a, typed_config: {" HTTP "ext_authz.v3.ExtAuthz" more "}}, "
    {"fails-open", FILTER(AUTHZ(", failure_mode_allow: true")), FILTER(AUTHZ(""))},
    {"asked-for-a-share", FILTER(AUTHZ(", filter_enabled: {default_value: {numerator: 50}}")),
     FILTER(AUTHZ(", filter_enabled: {default_value: {numerator: 100}}"))},
    {"asked-for-a-share", FILTER(AUTHZ(", filter_enabled: {default_value: {numerator: 9999, denominator: TEN_THOUSAND}}")),
     FILTER(AUTHZ(", filter_enabled: {default_value: {numerator: 5}}, deny_at_disable: {default_value: true, runtime_key: a}"))},
#define CORS(origin) PER_ROUTE("envoy.extensions.filters.http.cors.v3.CorsPolicy, allow_credentials: true, allow_origin_string_match: [{" origin "}]")
    {"cors-any-origin", CORS("exact: '*'"), CORS("exact: 'https://a.example'")},
    {"cors-any-origin", CORS("safe_regex: {regex: '.*'}"), CORS("prefix: 'https://a.example'")},
    {"limit-fails-open", FILTER(LIMIT("")), FILTER(LIMIT(", failure_mode_deny: true"))},
    {"no-rate-limit", FILTER(""), FILTER(LIMIT(""))},
    {"no-rate-limit", FILTER(""), FILTER("{name: l, disabled: true, typed_config: {" HTTP "local_ratelimit.v3.LocalRateLimit}}, ")},
    {"credential-from-client", FILTER(INJECTOR(", overwrite: false")), FILTER(INJECTOR(""))},

    {"upstream-unverified", ORIGIN("10.0.0.1", SECRET, UP("")), ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {trusted_ca: {filename: /x}}")))},
    {"upstream-unverified", ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {match_typed_subject_alt_names: [{san_type: DNS}]}"))),
     ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {verify_certificate_hash: [x]}")))},
    {"upstream-any-name", ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {trusted_ca: {filename: /x}}"))),
     ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {trusted_ca: {filename: /x}" NAME "}")))},
    {"upstream-any-name", ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {system_root_certs: {}}"))),
     ORIGIN("10.0.0.1", SECRET, UP(COMMON("validation_context: {trusted_ca: {filename: /x}}"))
            "typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {" TYPE
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions, upstream_http_protocol_options: {auto_san_validation: true}}}, ")},
    {"upstream-plaintext", ORIGIN("10.0.0.1", SECRET, ""), ORIGIN("127.0.0.1", SECRET, "")},
    {"upstream-plaintext", ORIGIN("10.0.0.1", SECRET, ""), ORIGIN("10.0.0.1", SECRET, UP(""))},
#define COPIES_TO(name) ROUTES(VHOST("'*'", "{match: {prefix: /}, route: {cluster: x, request_mirror_policies: [{cluster: " name "}]}}"))
    {"upstream-plaintext", COPIES_TO("o") CLUSTER("10.0.0.1", ""), COPIES_TO("other") CLUSTER("10.0.0.1", "")},
    {"upstream-plaintext", COPIES_TO("o") CLUSTER("10.0.0.1", ""), COPIES_TO("o") CLUSTER("10.0.0.1", UP(""))},
#define HOST "{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}}"
#define HOSTS(hosts, more) \
    DOOR("0.0.0.0", "", TLS(""), SECRET, EDGE) "  clusters:\n  - {name: o, " more "load_assignment: {endpoints: [{lb_endpoints: [" hosts "]}]}}\n"
    {"hosts-unchecked", HOSTS(HOST ", " HOST, ""), HOSTS(HOST, "")},
    {"hosts-unchecked", HOSTS(HOST ", " HOST, ""), HOSTS(HOST ", " HOST, "outlier_detection: {}, ")},
    {"hosts-unchecked", HOSTS(HOST ", " HOST, ""), HOSTS(HOST ", " HOST, "health_checks: [{tcp_health_check: {}}], ")},
#define CERTIFICATE COMMON("tls_certificates: [{}]")
    {"no-bundle", ORIGIN("10.0.0.1", SECRET, ""), ORIGIN("127.0.0.1", SECRET, "")},
    {"no-bundle", ORIGIN("10.0.0.1", SECRET, UP(CERTIFICATE)), ORIGIN("10.0.0.1", SECRET, BIND UP(CERTIFICATE))},
    {"no-bundle", ORIGIN("10.0.0.1", SECRET INJECTOR(""), BIND), ORIGIN("10.0.0.1", SECRET INJECTOR("") PROVIDER(""), BIND)},
    {"no-bundle", ORIGIN("10.0.0.1", SECRET INJECTOR("") PROVIDER(""), "upstream_bind_config: {source_address: {address: 0.0.0.0}}, "),
     "cluster_manager: {upstream_bind_config: {source_address: {address: '2001:db8::1'}}}\n" ORIGIN("10.0.0.1", SECRET INJECTOR("") TOKEN(""), "")},
};

/* test_audit_certs.c */
static const char *const elsewhere[] = {"certificate-expired", "certificate-expires-7d", "certificate-expires-30d",
                                                "certificate-not-yet-valid", "certificate-weak", "ca-expires", "secret-readable"};

static void each_check(void **state)
{
    (void)state;
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++) {
        if (!finds(cases[i].found, cases[i].id))
            fail_msg("case %zu: %s is not found in\n%s", i, cases[i].id, cases[i].found);
        if (finds(cases[i].not_found, cases[i].id))
            fail_msg("case %zu: %s is found in\n%s", i, cases[i].id, cases[i].not_found);
    }
}

static bool has_case(const char *id)
{
    for (size_t i = 0; i < SP_ARRAY_LEN(cases); i++)
        if (strcmp(cases[i].id, id) == 0)
            return true;
    for (size_t i = 0; i < SP_ARRAY_LEN(elsewhere); i++)
        if (strcmp(elsewhere[i], id) == 0)
            return true;
    return false;
}

static void no_check_is_forgotten(void **state)
{
    (void)state;
    size_t n;
    const struct sp_audit_area *const *areas = sp_audit_areas(&n);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < areas[i]->n; k++)
            if (!has_case(areas[i]->checks[k].id))
                fail_msg("no case for %s", areas[i]->checks[k].id);
}

/* What secure_defaults fills in is nothing that is found. */
static void secure_defaults(void **state)
{
    (void)state;
    static const char on[] = "bootstrap_extensions: [{name: e, typed_config: {" TYPE "sallyport.bootstrap.v1.Edge, secure_defaults: true}}]\n"
                             RUNTIME("overload.global_downstream_max_connections")
                             LISTENER("0.0.0.0", "", CHAIN(TLS(""), MANAGER(SECRET LIMIT(", failure_mode_deny: true"),
                             "common_http_protocol_options: {max_connection_duration: 3600s}, access_log: [{name: a, typed_config: {" TYPE
                             "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}}]", ROOT))) CLUSTER("127.0.0.1", "");
    struct sp_diag diag;
    struct sp_audit a;
    sp_diag_init(&diag);
    struct sp_doc *doc = sp_doc_load_text("t.yaml", sp_str_c(on), SP_SYNTAX_YAML, &envoy__config__bootstrap__v3__bootstrap__descriptor, &diag);
    assert_non_null(doc);
    sp_audit_run(&a, doc);
    assert_true(a.n > 5);
    sp_audit_done(&a);
    sp_secure_defaults(doc, &diag, sp_doc_root(doc));
    sp_audit_run(&a, doc);
    for (unsigned i = 0; i < a.n; i++)
        print_message("%s: %s\n", a.findings[i].check->id, a.findings[i].path.ptr);
    assert_int_equal(a.n, 0);
    sp_audit_done(&a);
    sp_doc_free(doc);
    sp_diag_done(&diag);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_check), cmocka_unit_test(no_check_is_forgotten), cmocka_unit_test(secure_defaults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
