# SPDX-License-Identifier: GPL-2.0-or-later
"""Configs that are wrong, each with what sallyport says of it: one list an area, (texts, config).

A text is what stands behind the path of an error or a warning, whole or its beginning. test/lint/errors looks here, and into all other tests, for
each error text of the source.
"""
import base64

from error_build import *  # pylint: disable=wildcard-import,unused-wildcard-import
from sink_cases import SINKS
from error_cases_early import EARLY
from error_cases_tracing import TRACING

def to_proxy(conf, inner=None):
    """A cluster whose connections begin with a PROXY header; of INNER the transport socket alone."""
    socket = {"name": "p", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
                                            "config": conf, "transport_socket": inner or {"name": "r", "typed_config": {
                                                "@type": T + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}}}
    return socket if conf is INNER else boot(clusters=[cluster("c", 1, tls=socket)])


INNER = {}
SECRET = {"name": "s", "value": {"inline_string": "0123456789abcdef0123456789abcdef"}}
SHIELD_FIELDS = {"secret_header": {"secrets": [SECRET]}}

STATIC = "static_resources"


def with_secrets(conf, *secrets):
    return {**conf, STATIC: {**conf[STATIC], "secrets": list(secrets)}}


def overload(*actions, monitors=(), points=(), clusters=(CLUSTER,), **more):
    return boot(clusters=clusters, overload_manager={"resource_monitors": list(monitors), "actions": list(actions), "loadshed_points": list(points)}, **more)


def new_connections(fill="1s"):
    return {"name": "r", "typed_config": {"@type": T + "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
                                          "stat_prefix": "r", "token_bucket": {"max_tokens": 1, "fill_interval": fill}}}


def monitor(name="m", kind="fixed_heap.v3.FixedHeapConfig", **fields):
    fields = fields or ({"max_heap_size_bytes": 1 << 30} if "Heap" in kind else {})
    return {"name": name, "typed_config": {"@type": T + "envoy.extensions.resource_monitors." + kind, **fields}}


TRIGGER = {"name": "m", "threshold": {"value": 0.9}}
CONNECTIONS = monitor("envoy.resource_monitors.global_downstream_max_connections", "downstream_connections.v3.DownstreamConnectionsConfig",
                      max_active_downstream_connections=5)
SERVER = [
    (["a monitor of this name stands above already"], overload(monitors=[monitor(), monitor()])),
    (["connections have a limit above already"], overload(monitors=[CONNECTIONS, {**CONNECTIONS, "name": "n"}])),
    (['no such action (did you mean "envoy.overload_actions.shrink_heap"?)'],
     overload({"name": "envoy.overload_actions.shrink_heaps", "triggers": [TRIGGER]}, monitors=[monitor()])),
    (["not run here (docs/overload.md has the load shed points)"],
     overload(points=[{"name": "x", "triggers": [TRIGGER]}], monitors=[monitor()])),
    (["not run here (docs/overload.md has the actions)"], overload({"name": "x", "triggers": [TRIGGER]}, monitors=[monitor()])),
    (["this timer stands above already"], overload({"name": "envoy.overload_actions.reduce_timeouts", "triggers": [TRIGGER], "typed_config": {
        "@type": T + "envoy.config.overload.v3.ScaleTimersOverloadActionConfig", "timer_scale_factors": [
            {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "1s"}] * 2}}, monitors=[monitor()])),
    (["this action has none (drop it)"], overload({"name": "envoy.overload_actions.shrink_heap", "triggers": [TRIGGER], "typed_config": {
        "@type": T + "envoy.config.overload.v3.ScaleTimersOverloadActionConfig", "timer_scale_factors": [
            {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "1s"}]}}, monitors=[monitor()])),
    (["this monitor limits by itself and triggers nothing"], overload({"name": "envoy.overload_actions.shrink_heap", "triggers": [
        {**TRIGGER, "name": CONNECTIONS["name"]}]}, monitors=[CONNECTIONS])),
    (["envoy.extensions.filters.http.router.v3.Router is no resource monitor (FixedHeapConfig, CgroupMemoryConfig, CpuUtilizationConfig"],
     overload(monitors=[{"name": "m", "typed_config": ROUTER["typed_config"]}])),
    (["overload.global_downstream_max_connections of layered_runtime does not count beside this limit of connections"],
     overload(monitors=[CONNECTIONS], layered_runtime={"layers": [
         {"name": "a", "static_layer": {"overload": {"global_downstream_max_connections": 5}}}]})),
    (['a secret "s" of this type stands in line 1 already (names are unique)'],
     with_secrets(boot(), *[{"name": "s", "generic_secret": {"secret": {"inline_string": "x"}}}] * 2)),
    (["several of validation_context, validation_context_sds_secret_config and combined_validation_context (keep one of them)"],
     boot([lst(chains=[chain(tls=down({"validation_context": {"trusted_ca": {"filename": ca()}}, "validation_context_sds_secret_config": {"name": "s"}}))])])),
    (["is out of date, or without a nextUpdate: no client gets it, and by ocsp_staple_policy none may get in (openssl ocsp -respout FILE asks for "
      "a new one)", "has 5 bytes, and a session ticket key has 80 (openssl rand -out FILE 80 makes one)"],
     boot([lst(chains=[chain(tls=down({"tls_certificates": [late_staple()]}, session_ticket_keys={"keys": [{"inline_string": "short"}]}))])])),
    (["several of session_ticket_keys, session_ticket_keys_sds_secret_config and disable_stateless_session_resumption (keep one of them)"],
     boot([lst(chains=[chain(tls=down(session_ticket_keys={"keys": [{"filename": "x"}]}, disable_stateless_session_resumption=True))])])),
    (["has 5 bytes, and a session ticket key has 80 (openssl rand -out FILE 80 makes one)"],
     boot([lst(chains=[chain(tls=down(session_ticket_keys={"keys": [{"inline_string": "short"}]}))])])),
    (["is one too many (at most 32: the one that seals and those before it)"],
     boot([lst(chains=[chain(tls=down(session_ticket_keys={"keys": [{"inline_string": "x"}] * 33}))])])),
    (["this is no IP address (write 127.0.0.1, ::1 or a pipe)"], boot(admin={"address": address(1, "localhost")})),
    (["the admin page has no login and is open to other machines here (use 127.0.0.1 or a pipe)"],
     boot(admin={"address": address(1, "0.0.0.0")})),
    (['a cluster "c" stands above already (names are unique)'], boot(clusters=[CLUSTER, CLUSTER])),
    (['a listener "l" stands above already (names are unique)'], boot([lst(), lst(port=10001)])),
    (["a listener above has this address already (give one listener several filter chains instead)"], boot([lst("a"), lst("b")])),
    (["a reset has no status (drop the one or the other)"],
     boot(**extension("sallyport.bootstrap.v1.Edge", no_route={"reset": True, "status": 404}))),
    (["no such bootstrap extension (sallyport.bootstrap.v1.Edge, sallyport.oidc.v1.Issuers)"],
     boot(**extension("envoy.extensions.filters.http.router.v3.Router"))),
    (["an Edge stands above already"], boot(bootstrap_extensions=[
        {"name": "a", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge"}}] * 2)),
    (["with secure_defaults the origin's certificate has to be verified (set trusted_ca or system_root_certs, and "
      "match_typed_subject_alt_names)"],
     boot(clusters=[cluster("c", 1, tls=up({}))], **extension("sallyport.bootstrap.v1.Edge", secure_defaults=True))),
    (["with secure_defaults the origin's certificate has to have a name that is meant (set match_typed_subject_alt_names, or "
      "auto_san_validation of HttpProtocolOptions)"],
     boot(clusters=[cluster("c", 1, tls=up({"trusted_ca": {"filename": ca()}}))],
          **extension("sallyport.bootstrap.v1.Edge", secure_defaults=True))),
]

CLUSTERS = [
    (['there is no cluster "d" (name the one whose hosts are the gateways)'], boot(clusters=[CLUSTER], cluster_manager={"local_cluster_name": "d"})),
    (["the local_cluster_name of cluster_manager is this cluster, which has priority 0 only (take this out)"],
     boot(clusters=[{**CLUSTER, "load_assignment": {"cluster_name": "c", "endpoints": [{"priority": 1, "lb_endpoints": [
         {"endpoint": {"address": address(1)}}]}]}}], cluster_manager={"local_cluster_name": "c"})),
    (["there are thresholds of this priority above already (one of each priority)"],
     boot(clusters=[{**CLUSTER, "circuit_breakers": {"thresholds": [{}, {}]}}])),
    (["one of several has no name (name each: its counters stand under it)"] * 2, boot(clusters=[{**CLUSTER, "health_checks": [{
        "timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}] * 2}])),
    (["0 is no port to connect to (set 1 to 65535)"], boot(clusters=[cluster("c", 0)])),
    (["has 120 bytes (a unix socket's path has at most 107)"],
     boot(clusters=[{**CLUSTER, "load_assignment": endpoint(address={"pipe": {"path": "/" + "x" * 119}})}])),
    (["a pipe has no port (set address to check elsewhere)"], boot(clusters=[{**CLUSTER, "load_assignment": endpoint(
        address={"pipe": {"path": "/x"}}, health_check_config={"port_value": 5})}])),
    (['"x" is not known (the key is "envoy.extensions.upstreams.http.v3.HttpProtocolOptions'],
     boot(clusters=[{**CLUSTER, "typed_extension_protocol_options": {
         "x": {"@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http_protocol_options": {}}}}}])),
    (["is not an HttpProtocolOptions (set @type to type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"],
     boot(clusters=[{**CLUSTER, "typed_extension_protocol_options": {
         "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}}])),
    (["is not for clusters (use an UpstreamTlsContext, a RawBuffer, or a ProxyProtocolUpstreamTransport with one of these)"],
     boot(clusters=[cluster("c", 1, tls=down())])),
    (["exactly one of these is required: cluster, cluster_header"], routes(route({"request_mirror_policies": [{}]}))),
    (["exactly one of these is required: cluster, cluster_header"], routes(route(), host={"request_mirror_policies": [
        {"cluster": "c", "cluster_header": "x-c"}]})),
    (["is another PROXY header, and a connection has one (use an UpstreamTlsContext or a RawBuffer)"], to_proxy({"version": "V2"}, to_proxy(INNER))),
    (["are not sent by health checks, which are nobody's (take them out)"], boot(clusters=[{**cluster("c", 1), "health_checks": [
        {"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "tcp_health_check": {
            "proxy_protocol_config": {"version": "V2", "added_tlvs": [{"type": 4, "value": "AA=="}]}}}]}])),
    (["are for binary headers only (set version: V2)"], to_proxy({"added_tlvs": [{"type": 4, "value": "AA=="}]})),
    (["3 is a checksum over each header, which no fixed value is (take it out)"], to_proxy(
        {"version": "V2", "added_tlvs": [{"type": 3, "value": "AAAAAA=="}]})),
    (["required, but missing (add it, in base64, or take the TLV out)"], to_proxy({"version": "V2", "added_tlvs": [{"type": 4}]})),
    (["are 4003 bytes, which is more than receivers take (keep them under 4000)"], to_proxy(
        {"version": "V2", "added_tlvs": [{"type": 4, "value": base64.b64encode(bytes(4000)).decode()}]})),
    (["auto_config chooses by ALPN, which needs TLS (set transport_socket, or use explicit_http_config)"],
     boot(clusters=[{**CLUSTER, "typed_extension_protocol_options": http_options(auto_config={})}])),
    (["stands beside HTTP options of the cluster itself, and only one of them can hold (move those into it)",
      "stands beside http_protocol_options: the cluster speaks one of them (take one out)"],
     boot(clusters=[dict(CLUSTER, http_protocol_options={}, http2_protocol_options={}, typed_extension_protocol_options=http_options(
         explicit_http_config={"http_protocol_options": {}}))])),
    (["auto_sni and auto_san_validation need TLS (set transport_socket, or take them out)"],
     boot(clusters=[{**CLUSTER, "typed_extension_protocol_options": http_options(
         explicit_http_config={"http_protocol_options": {}}, upstream_http_protocol_options={"auto_sni": True})}])),
    (["auto_sni_san_validation checks nothing without trusted_ca (set it in the validation_context)",
      "no server name is asked for, so none can be checked (set sni, auto_host_sni or auto_sni)"],
     boot(clusters=[cluster("c", 1, tls={**up({}), "typed_config": {**up({})["typed_config"],
         "auto_sni_san_validation": True}})])),
    (["auto_san_validation checks nothing without trusted_ca (set it in the validation_context)"],
     boot(clusters=[{**cluster("c", 1, tls=up({})), "typed_extension_protocol_options": http_options(
         explicit_http_config={"http_protocol_options": {}}, upstream_http_protocol_options={"auto_san_validation": True, "auto_sni": True})}])),
    (["any certificate that it vouches for is taken for the origin's, whatever its name (set match_typed_subject_alt_names, or "
      "auto_san_validation of HttpProtocolOptions)"],
     boot(clusters=[cluster("c", 1, tls=up({"trusted_ca": {"filename": ca()}}))])),
    (["hosts that none of them matches get plain text (set transport_socket; if plain text is meant, to a RawBuffer)"],
     boot(clusters=[{**CLUSTER, "transport_socket_matches": [{"name": "t", "match": {"a": "b"}, "transport_socket": up({"trusted_ca": {"filename": ca()}})}]}])),
    (["with a fixed port there is one connection to each host (0 takes a free port)"],
     boot(clusters=[{**CLUSTER, "upstream_bind_config": {"source_address": {"address": "127.0.0.1", "port_value": 7}}}])),
    (["2001:db8::1 cannot connect to host 127.0.0.1:1 of cluster \"c\" (give the cluster an address of the host's family)"],
     boot(clusters=[{**CLUSTER, "upstream_bind_config": {"source_address": {"address": "2001:db8::1", "port_value": 0}}}])),
]

LISTENERS = [
    (['a wildcard stands for whole labels at the start only ("*.example.com"; leave server_names out to match all)'],
     boot([lst(chains=[chain(tls=down(), match={"server_names": ["a.*.test"]})])])),
    (['no such transport here ("tls" or "raw_buffer")'], boot([lst(chains=[chain(match={"transport_protocol": "quic"})])])),
    (["another filter chain matches by the same criteria (make one of them more specific, or drop it)"],
     boot([lst(chains=[chain(match={"destination_port": 5}), chain(match={"destination_port": 5})])])),
    (["not an IP address (a listener binds to one of the machine's: 0.0.0.0 or :: takes all)"],
     boot([{**lst(), "address": address(1, "localhost")}])),
    (["a unix socket's path has 1 to 107 bytes"], boot([{**lst(), "address": {"pipe": {"path": "/" + "x" * 119}}}])),
    (["no such transport for clients (DownstreamTlsContext or RawBuffer)"], boot([lst(chains=[chain(tls=up())])])),
    (["exactly one network filter, an HttpConnectionManager, is needed (before it there may be one ConnectionLimit)"],
     boot([lst(chains=[{"filters": []}])])),
    (["another filter chain of this listener has that name"],
     boot([lst(chains=[chain(name="n"), chain(name="n", match={"destination_port": 5})])])),
    (["no filter chain (set filter_chains or default_filter_chain)"], boot([lst(chains=[])])),
    (["not looked at: the default chain takes what no other one matches"],
     boot([lst(default_filter_chain=chain(match={"destination_port": 5}))])),
    (["more than 8 of them (join their lists)"], boot([lst(listener_filters=[{"name": "i", "typed_config": {
        "@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction", "source": "SOCKET", "allow": ["10.0.0.0/8"]}}] * 9)])),
    (["stands behind tls_inspector, but is read first (Envoy would look for TLS in the PROXY header)",
      "anyone who can connect may name any PEER (list an ip_restriction with the load balancers before it)"],
     boot([lst(listener_filters=[
         {"name": "t", "typed_config": {"@type": T + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}},
         {"name": "p", "typed_config": {"@type": T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                                        "allow_requests_without_proxy_protocol": True}}])])),
    (["leaves no version (to refuse PROXY protocol altogether, take the filter away)"], boot([lst(listener_filters=[
        {"name": "p", "typed_config": {"@type": T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
                                       "disallowed_versions": ["V1", "V2"]}}])])),
    (["lists of this format have no regions to select by (drop it)"], hcm(ours(
        "ip_restriction.v1.IpRestriction", source="SOCKET", allow_lists=[
            {"name": "a", "path": file("list.txt", "10.0.0.0/24\n"), "format": "PLAIN", "regions": ["x"]}]))),
    (["without services it holds the whole cloud, where anyone can rent a machine (CDNs:"], hcm(ours(
        "ip_restriction.v1.IpRestriction", source="SOCKET", allow_lists=[
            {"name": "a", "path": file("aws.json", '{"prefixes": [{"ip_prefix": "10.0.0.0/24", "service": "EC2", "region": "x"}]}'),
             "format": "AWS_IP_RANGES"}]))),
    (["there is a list named 'a' before it (stats need different names)"], hcm(ours(
        "ip_restriction.v1.IpRestriction", source="SOCKET", allow_lists=[{"name": "a", "path": file("list.txt", "10.0.0.0/24\n")}] * 2))),
    (["it has neither allow nor deny and would let everyone in (set one, or allow_lists or deny_lists)"],
     hcm(ours("ip_restriction.v1.IpRestriction", source="SOCKET"))),
    (["SHADOW enforces for nobody (drop the one or the other)"],
     hcm(ours("ip_restriction.v1.IpRestriction", source="SOCKET", allow=["10.0.0.0/8"], enforcement="SHADOW", enforced_percent=5))),
]

TRUST = {"trusted_ca": {"filename": ca()}}
TLS_CASES = [
    (["a list in it has expired: certificates of its issuer are refused until a new one is put there"],
     boot([lst(chains=[chain(tls=down({"validation_context": {**TRUST, "crl": {"filename": crl("-2")}}}))])])),
    (["is not the type of an OTHER_NAME (such as 1.3.6.1.4.1.311.20.2.3)"], boot(clusters=[cluster("c", 1, tls=up({**TRUST, "match_typed_subject_alt_names": [
        {"san_type": "OTHER_NAME", "oid": "x", "matcher": {"exact": "a"}}]}))])),
    (["has expired (peers that verify it will not connect)"], boot([lst(chains=[chain(tls=down({"tls_certificates": [
        {"certificate_chain": {"filename": cert("old", days="-3")[0]}, "private_key": {"filename": cert("old", days="-3")[1]}}]}))])])),
    (["there is no list that it could hold for (set crl)"], boot([lst(chains=[chain(tls=down({"validation_context": {
        **TRUST, "custom_validator_config": {"name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "missing_crl": "ALLOW_MISSING"}}}}))])])),
    (["no such validator (sallyport.tls.v1.Revocation is the one that is run)"], boot([lst(chains=[chain(tls=down({"validation_context": {
        **TRUST, "custom_validator_config": {"name": "x", "typed_config": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}}}))])])),
    (["anybody can get a certificate of a public CA (say whose: set match_typed_subject_alt_names, or a trusted_ca of your own)"],
     boot([lst(chains=[chain(tls=down({"validation_context": {"system_root_certs": {}}}))])])),
    (["says nothing without a trusted_ca (set trusted_ca)"],
     boot([lst(chains=[chain(tls=down({"validation_context": {"trust_chain_verification": "VERIFY_TRUST_CHAIN", "custom_validator_config": {
         "name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation"}}}}))])])),
    (["cannot ask about certificates without a known issuer (trust_chain_verification is ACCEPT_UNTRUSTED)"],
     boot([lst(chains=[chain(tls=down({"validation_context": {**TRUST, "trust_chain_verification": "ACCEPT_UNTRUSTED", "custom_validator_config": {
         "name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {"cluster": "c"}}}}}))])])),
    (['"c" has a responder asked, and the others, of which that is one, are balanced by its hosts (take ocsp out there)'], boot(clusters=[cluster("c", 1, tls=up({
        **TRUST, "custom_validator_config": {"name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {"cluster": "d"}}}})),
        cluster("d", 1)], cluster_manager={"local_cluster_name": "c"})),
    (['"c" has a responder asked itself, before it can be asked (take ocsp out there)'], boot(clusters=[cluster("c", 1, tls=up({**TRUST, "custom_validator_config": {
        "name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {"cluster": "c"}}}}))])),
    (["refuses nobody, since trust_chain_verification is ACCEPT_UNTRUSTED"],
     boot([lst(chains=[chain(tls=down({"validation_context": {**TRUST, "trust_chain_verification": "ACCEPT_UNTRUSTED", "crl": {
         "filename": crl()}}}))])])),
]

ROUTES = [
    (["shorter than base_interval (make it at least as long)"], routes(route({"retry_policy": {
        "retry_on": "5xx", "retry_back_off": {"base_interval": "1s", "max_interval": "0.5s"}}}))),
    (["several requests at once for one are not run (take it out)"], routes(route({"hedge_policy": {"initial_requests": 2}}))),
    (["an attempt that takes too long is given up before the next one begins (take it out)"],
     routes(route({"hedge_policy": {"hedge_on_per_try_timeout": True}}))),
    (["a host has a limit of connections only (keep max_connections, and put the others into thresholds)"], boot(clusters=[cluster(
        "c", 1, circuit_breakers={"per_host_thresholds": [{"max_requests": 2}]})])),
    (["no such predicate (PreviousHostsPredicate, OmitCanaryHostsPredicate and OmitHostMetadataConfig are run)"], routes(route({"retry_policy": {
        "retry_on": "5xx", "retry_host_predicate": [{"name": "other"}]}}))),
    (["no such retry priority (PreviousPrioritiesConfig is run)"], routes(route({"retry_policy": {"retry_on": "5xx", "retry_priority": {"name": "other"}}}))),
    (["required, at least 1 (after so many attempts their priorities are left out)"], routes(route({"retry_policy": {"retry_on": "5xx", "retry_priority": {
        "name": "p", "typed_config": {"@type": T + "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"}}}}))),
    (["hosts have no stats of their own (take it out: /clusters shows their counters)"], boot(clusters=[cluster("c", 1, track_cluster_stats={
        "per_endpoint_stats": True})])),
    (["cannot hold spaces or control characters (write %20)"], routes(route(redirect={"path_redirect": "/a b"}))),
    (["the weights add up to 3, not to this (take it out)"],
     routes({"match": {"prefix": "/"}, "route": {"weighted_clusters": {"total_weight": 5, "clusters": [{"name": "c", "weight": 3}]}}})),
    (["one of these is required: exact, prefix, suffix, safe_regex, contains"],
     routes(route(match={"prefix": "/", "headers": [{"name": "a", "string_match": {}}]}))),
    (["one of these is required: cluster, cluster_header, weighted_clusters"], routes({"match": {"prefix": "/"}, "route": {}})),
    (["one of these is required: route, redirect, direct_response"], routes({"match": {"prefix": "/"}})),
    (["one of these is required: prefix, path, safe_regex, connect_matcher, path_separated_prefix"], routes({"match": {}, "route": {"cluster": "c"}})),
    (["CONNECT-UDP is not run (CONNECT, and upgrades such as websocket, are)"], routes(route({"upgrade_configs": [{"upgrade_type": "CONNECT-UDP"}]}))),
    (['"a b" is no protocol (a name such as websocket)'], routes(route({"upgrade_configs": [{"upgrade_type": "a b"}]}))),
    (['"websocket" stands above already (each protocol once)'],
     routes(route({"upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "websocket"}]}))),
    (["what clients send under this name stands beside the secret, or in its place (take it out: then it is overwritten)"],
     {"static_resources": {**routes(route(request_headers_to_add=[{
         "header": {"key": "x-a", "value": "%SECRET(s)%"}, "append_action": "APPEND_IF_EXISTS_OR_ADD"}]))["static_resources"],
         "secrets": [{"name": "s", "generic_secret": {"secret": {"inline_string": "x"}}}]}}),
]

HTTP = [
    (["cannot stand beside strip_any_host_port (which strips more)"], hcm(strip_any_host_port=True, strip_matching_host_port=True)),
    (["the last filter has to be the same as the last one of http_filters (copy it)"], hcm(upgrade_configs=[{
        "upgrade_type": "websocket", "filters": [envoy("header_mutation.v3.HeaderMutation", mutations={})]}])),
    (["Envoy does not heed it here (turn the value's matcher round, or match_if_key_not_found)"], hcm(access_log=[log(filter={"metadata_filter": {
        "matcher": {"filter": "f", "path": [{"key": "k"}], "value": {"present_match": True}, "invert": True}}})])),
    (["no such line is written here (only DownstreamEnd, DownstreamStart, DownstreamPeriodic, DownstreamTunnelSuccessfullyEstablished and, for listeners, NotSet)"],
     hcm(access_log=[log(filter={"log_type_filter": {"types": ["UpstreamPoolReady"]}})])),
    (["%FILTER_STATE% never has a value: nothing here sets filter state"], hcm(access_log=[{"name": "a", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
        "log_format": {"text_format_source": {"inline_string": "%FILTER_STATE(a)%\n"}}}}])),
    (["rbac takes envoy.extensions.filters.http.rbac.v3.RBACPerRoute here, not envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"], hcm(envoy("rbac.v3.RBAC"), host={"typed_per_filter_config": {
        "f": {"@type": T + "envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig", "disabled": True}}})),
    (["origin_shield is a gate: it decides before any route is matched, and no route can change it (configure it in http_filters)"],
     hcm(origin_shield(), host={"typed_per_filter_config": {"f": {"@type": T + "envoy.config.route.v3.FilterConfig", "disabled": True}}})),
    (["one of these is required: remove, append, remove_on_match"],
     hcm(envoy("header_mutation.v3.HeaderMutation", mutations={"request_mutations": [{}]}))),
    (["origin_shield is a gate and is not staged from outside (write enforcement and enforced_percent into its own config)"],
     hcm(ours("staged.v1.Staged", filter=origin_shield()["typed_config"]))),
]

SHIELD = [
    (["x-s is to be kept by one secret_header and taken out by another (give both the same keep)"],
     hcm(origin_shield({"any_of": {"proofs": [{"secret_header": {"name": "x-s", "secrets": [SECRET]}},
                                             {"secret_header": {"name": "x-s", "secrets": [SECRET], "keep": True}}]}}))),
    (["the proof can hold for any tenant of the CDN, or for a user with a token of his own, who may forge the address"],
     hcm(origin_shield({"peer_address": {"cidrs": ["10.0.0.0/24"]}}, client_address={"header": "x-client"}))),
    (["an exemption is for one path only (use exact, without ignore_case)"],
     hcm(origin_shield(exemptions=[{"path": {"prefix": "/x"}, "cidrs": ["10.0.0.0/24"]}]))),
    (["not a plain path (it begins with '/', without query, escapes, backslash, dot or empty segments)"],
     hcm(origin_shield(exemptions=[{"path": {"exact": "/x?y"}, "cidrs": ["10.0.0.0/24"]}]))),
    (["there is a key of nonce 'n' before it (a nonce selects one key)"], hcm(origin_shield({"akamai_g2o": {"keys": [
        {"nonce": "n", "secret": {"inline_string": "0123456789abcdef"}}] * 2}}))),
    (["no nonce that the header could carry: it has a comma, or space at an end"],
     hcm(origin_shield({"akamai_g2o": {"keys": [{"nonce": "a,b", "secret": {"inline_string": "0123456789abcdef"}}]}}))),
    (["this is not the format of CLOUDFRONT's lists (leave it out, or take PLAIN)"], hcm(origin_shield({"preset": {
        "cdn": "CLOUDFRONT", "proofs": [SHIELD_FIELDS], "lists": [{"name": "a", "path": file("list.txt", "10.0.0.0/24\n"), "format": "FASTLY"}]}}))),
    (["without lists no address is looked at (set lists)"],
     hcm(origin_shield({"preset": {"cdn": "CLOUDFRONT", "proofs": [SHIELD_FIELDS], "via": {"trusted": ["10.0.0.0/24"], "xff_hops": 1}}}))),
    (["cache_duration, async_fetch and retry_policy are for keys that are fetched (set http_uri, or drop them)"], hcm(origin_shield({"signed_token": {
        "kind": "CLOUDFLARE_ACCESS", "issuer": "https://a.cloudflareaccess.com", "audiences": ["a"],
        "jwks": {"inline_string": jwks(), "cache_duration": "5s"}}}))),
    (["it needs its keys once (set either jwks or keys)"], hcm(origin_shield({"signed_token": {
        "kind": "CLOUDFLARE_ACCESS", "issuer": "https://a.cloudflareaccess.com", "audiences": ["a"]}}))),
    (["any customer's load balancer could sign (set signer to the ARN of yours)"], hcm(origin_shield({"signed_token": {
        "kind": "AWS_ALB", "jwks": {"inline_string": jwks()}}}))),
    (["only tokens of AWS_ALB have one (use audiences)"], hcm(origin_shield({"signed_token": {
        "kind": "GOOGLE_IAP", "signer": "x", "audiences": ["a"], "jwks": {"inline_string": jwks()}}}))),
    (["tokens for other applications would be taken (set audiences to the aud of yours)"], hcm(origin_shield({"signed_token": {
        "kind": "GOOGLE_IAP", "jwks": {"inline_string": jwks()}}}))),
    (["larger than 4096 bytes (a refusal has to be cheap)"], hcm(origin_shield(refusal={"body": {"inline_string": "x" * 5000}}))),
    (["a reset has neither status nor body (drop the one or the others)"], hcm(origin_shield(refusal={"reset": True, "status": 404}))),
    (["0.0.0.0/4 is too wide to tell anyone apart (IPv4 ranges are /8 at most here, IPv6 ranges /16)"],
     hcm(origin_shield({"peer_address": {"cidrs": ["0.0.0.0/4"]}}))),
    (["nothing before this gate derives CLIENT (put an origin_shield with client_address before it, or choose PEER)"],
     hcm(ours("ip_restriction.v1.IpRestriction", source="CLIENT", allow=["10.0.0.0/8"]))),
    (["nobody proves before this gate that the CDN sent the header (put an origin_shield before it)"],
     hcm(ours("header_certificate.v1.HeaderCertificate", header="x-c", format="RFC_9440", validation_context=TRUST))),
    (["the proof before this gate can hold for any tenant of the CDN, or for a user with a token of his own"],
     hcm(origin_shield({"peer_address": {"cidrs": ["10.0.0.0/24"]}}), {**ours(
         "header_certificate.v1.HeaderCertificate", header="x-c", format="RFC_9440", validation_context=TRUST), "name": "g"})),
    (["is one too many (at most 32)"], hcm(origin_shield(), {**ours("header_certificate.v1.HeaderCertificate", header="x-c", format="RFC_9440",
        validation_context=TRUST, related_headers=[f"x-{i}" for i in range(100)]), "name": "g"})),
    (["anybody can make a certificate that this takes (set trusted_ca, and do not accept untrusted ones)"], hcm(origin_shield(), {**ours(
        "header_certificate.v1.HeaderCertificate", header="x-c", format="RFC_9440", validation_context={
            **TRUST, "trust_chain_verification": "ACCEPT_UNTRUSTED"}), "name": "g"})),
]


def oidc(issuer, name="https://i.test"):
    return hcm(jwt([{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}], providers={"p": {"issuer": name}}),
               top=extension("sallyport.oidc.v1.Issuers", issuers=[issuer]))


JWT = [
    (["there is no requirement 'x' (name one of requirement_map)"], hcm(jwt([{"match": {"prefix": "/"}, "requirement_name": "x"}]))),
    (["it writes the header x-t, from which the provider 'p' reads tokens (choose another header)"], hcm(jwt(provider={
        "from_headers": [{"name": "x-t"}], "forward_payload_header": "x-t"}))),
    (["the path is matched as the client wrote it, and the origin may read /x/../y, //y or %2e%2e otherwise"],
     hcm(jwt([{"match": {"prefix": "/x"}, "requires": {"provider_name": "p"}}]))),
    (["it has no keys (set local_jwks or remote_jwks, or name its issuer, to the byte, in a bootstrap extension sallyport.oidc.v1.Issuers)"],
     hcm(jwt(providers={"p": {"issuer": "https://i.test"}}))),
    (["not all keys are used:"], hcm(jwt(provider={"local_jwks": {"inline_string": jwks().replace(
        '"keys": [', '"keys": [{"kty": "oct", "k": "AAAA", "kid": "o"}, ')}}))),
    (["an empty name"], hcm(jwt(provider={"from_params": [""]}))),
    (["it is the key of payload_in_metadata (choose another: what stands there are verified claims)"],
     hcm(jwt(provider={"payload_in_metadata": "k", "header_in_metadata": "k"}))),
    (["it writes something else under the payload_in_metadata of 'p' (choose another key)"], hcm(jwt(providers={
        "p": {"issuer": "https://i.test", "payload_in_metadata": "k", "local_jwks": {"inline_string": jwks()}},
        "q": {"issuer": "https://j.test", "header_in_metadata": "k", "local_jwks": {"inline_string": jwks()}}}))),
    (["content-length belongs to the connection: no claim may be written there"], hcm(jwt(provider={
        "claim_to_headers": [{"header_name": "content-length", "claim_name": "a"}]}))),
    (["the URI is https, but the cluster \"c\" has no TLS: whoever is on the way can put in keys of his own"], hcm(jwt(providers={"p": {
        "issuer": "https://i.test", "remote_jwks": {"http_uri": {"uri": "https://i.test/jwks", "cluster": "c", "timeout": "1s"}}}}))),
    (["cannot be fetched:"], hcm(jwt(providers={"p": {
        "issuer": "https://i.test", "remote_jwks": {"http_uri": {"uri": "ftp://i.test/jwks", "cluster": "c", "timeout": "1s"}}}}))),
    (["stands above already (name an issuer once)"], boot(**extension("sallyport.oidc.v1.Issuers", issuers=[ISSUER, ISSUER]))),
    (['"HS256" is none that an issuer\'s tokens may have (RS, PS or ES with 256, 384, 512; EdDSA)'],
     oidc({**ISSUER, "algorithms": ["HS256"]})),
    (["is no issuer's URL:"], oidc({**ISSUER, "issuer": "x"}, "x")),
    (["is not https (allow_http takes it)"], oidc({**ISSUER, "issuer": "http://i.test"}, "http://i.test")),
    (['the issuer is https, but the cluster "c" has no TLS: whoever is on the way can speak for it'],
     oidc(ISSUER)),
    (['URLs of this host are https, but the cluster "c" has no TLS: whoever is on the way can put in keys of his own'],
     oidc({**ISSUER, "hosts": [{"host": "keys.test", "cluster": "c"}]})),
    (["printable ASCII without quotes and backslashes, please"], hcm(claims({"authenticated": True}, realm='a"b'))),
    (["no scope: printable ASCII without spaces, quotes and backslashes (one scope each)"], hcm(claims({"scopes": {"all_of": ["a b"]}}))),
    (["claims are split at spaces here: no part of one has a space (one word each)"],
     hcm(claims({"claim": {"name": "a", "words": {"any_of": ["a b"]}}}))),
    (["needs either all_of or any_of, with values"], hcm(claims({"scopes": {}}))),
    (["'a.test:80' is no plain domain (as \"api.example.com\", without a port, a star, or dots around it)"],
     hcm(claims({"tenant": {"subdomain_of": "a.test:80"}}))),
    (["under 16 bytes: nonces could be guessed (make one with: openssl rand -hex 32)"], hcm(ours(
        "sender_constraint.v1.SenderConstraint", sources=[{"key": "p"}], proofs={"nonces": {"secret": {"inline_string": "short"}}}))),
    (["htu is compared with the host that the client names itself: a proof made for another server is taken when its host is named"], hcm(ours(
        "sender_constraint.v1.SenderConstraint", sources=[{"key": "p"}]))),
    (["'a b' is no scope: printable ASCII without spaces, quotes and backslashes (write one an item)"],
     hcm(introspection(required_scopes=["a b"]))),
    (["it is no bearer token (letters, digits and -._~+/, '=' at the end)"],
     hcm(introspection(client_auth={"bearer": {"token": {"inline_string": "a b"}}}))),
]

BUCKET = {"max_tokens": 1, "fill_interval": "1s"}
FILTERS = [
    (["no header can carry it: there is a control character in it, or a space at an end (a file may end with one newline)"],
     with_secrets(hcm(envoy("credential_injector.v3.CredentialInjector", credential={"name": "g", "typed_config": {
         "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {"name": "s"}}})),
                  {"name": "s", "generic_secret": {"secret": {"inline_string": "x "}}})),
    (["a client that sends authorization keeps its own (take this out: then it is overwritten)"],
     with_secrets(hcm(envoy("credential_injector.v3.CredentialInjector", overwrite=False, credential={"name": "g", "typed_config": {
         "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {"name": "s"}}})),
                  {"name": "s", "generic_secret": {"secret": {"inline_string": "x"}}})),
    (["router cannot be staged: it ends the chain (take Staged away)"], hcm(ours("staged.v1.Staged", filter=ROUTER["typed_config"]))),
    (["more than 64 filters, those of upgrade_configs included"],
     hcm(*[envoy("header_mutation.v3.HeaderMutation", mutations={})] * 40, upgrade_configs=[{"upgrade_type": "websocket", "filters": [
         *[envoy("header_mutation.v3.HeaderMutation", mutations={})] * 40, ROUTER]}])),
    (["is no credential that is run here (use envoy.extensions.http.injected_credentials.generic.v3.Generic)"],
     hcm(envoy("credential_injector.v3.CredentialInjector", credential={"name": "x", "typed_config": {
         "@type": T + "envoy.extensions.filters.http.router.v3.Router"}}))),
    (["with pass_through_mode the origin answers, and nobody looks at these (take one of the two)"],
     hcm(envoy("health_check.v3.HealthCheck", pass_through_mode=True, cluster_min_healthy_percentages={"c": {"value": 5}},
               headers=[{"name": ":path", "string_match": {"exact": "/h"}}]))),
    (["without pass_through_mode there is no answer of an origin to keep (drop it, or pass_through_mode: true)"],
     hcm(envoy("health_check.v3.HealthCheck", pass_through_mode=False, cache_time="1s",
               headers=[{"name": ":path", "string_match": {"exact": "/h"}}]))),
    (['without headers every request is a health check (add {name: ":path", string_match: {exact: /healthz}})'],
     hcm(envoy("health_check.v3.HealthCheck", pass_through_mode=False))),
    (['there is no cluster "nobody": as long as it is not there, every health check is answered with 503'],
     hcm(envoy("health_check.v3.HealthCheck", pass_through_mode=False, cluster_min_healthy_percentages={"nobody": {"value": 5}},
               headers=[{"name": ":path", "string_match": {"exact": "/h"}}]))),
    (["less than 50 ms (take a longer one, with more tokens_per_fill)"], hcm(envoy(
        "local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket={"max_tokens": 1, "fill_interval": "0.01s"}))),
    (["a descriptor above has the same (one bucket for each)"], hcm(envoy("local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket=BUCKET, descriptors=[
        {"entries": [{"key": "a", "value": "b"}], "token_bucket": BUCKET}] * 2))),
    (["required here, but missing (add it; to switch the filter off, wrap a FilterConfig with disabled: true)"],
     hcm(envoy("local_ratelimit.v3.LocalRateLimit", stat_prefix="s"), host={"typed_per_filter_config": {
         "f": {"@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "s"}}})),
    (["no request is counted (set filter_enabled: {default_value: {numerator: 100}})"],
     hcm(envoy("local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket=BUCKET))),
    (["requests are counted, but none is refused (set filter_enforced: {default_value: {numerator: 100}})"],
     hcm(envoy("local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket=BUCKET, filter_enabled={"default_value": {"numerator": 100}}))),
    (["no entry of rate_limits makes these keys, so that it limits nothing (a key an action, in their order)"],
     hcm(envoy("local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket=BUCKET, descriptors=[
         {"entries": [{"key": "a", "value": "b"}], "token_bucket": BUCKET}], rate_limits=[{"actions": [{"remote_address": {}}]}]))),
    (["an empty bucket would take more than four years to fill (fewer tokens, or more of them in a fill)"], hcm(envoy(
        "local_ratelimit.v3.LocalRateLimit", stat_prefix="s", token_bucket={"max_tokens": 4294967295, "fill_interval": "86400s"}))),
    (['cluster "c" does not speak HTTP/2, which gRPC needs (set http2_protocol_options in its explicit_http_config)',
      '"x" is none of internal, external, both',
      "there are no limits while the service does not answer (set it to true, or to false to say that this is meant)"],
     hcm(envoy("ratelimit.v3.RateLimit", domain="d", request_type="x", rate_limit_service={
         "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "c"}}}))),
    (["this cannot be sent as metadata (take an ordinary header)"], hcm(envoy("ratelimit.v3.RateLimit", domain="d", rate_limit_service={
        "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "c"}, "initial_metadata": [{"key": ":path", "value": "a"}]}}))),
    (["only envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig is known here"],
     hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "permissions": [{"uri_template": {
         "name": "x", "typed_config": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}}]}}}))),
    (["prefix_len is missing, which would mean 0 bits: everyone (write it: 32 for one IPv4 address, 128 for IPv6)"],
     hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "principals": [{"remote_ip": {"address_prefix": "10.0.0.0"}}]}}}))),
    (["no range of ports: start has to be less than end, which is not part of the range, and end at most 65536"],
     hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "permissions": [{"destination_port_range": {"start": 5, "end": 5}}]}}}))),
    (["the listener's TLS context verifies no client certificates (give it a validation_context with trusted_ca, or put a header_certificate before "
      "this filter)"], hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "principals": [{"authenticated": {}}]}}}), tls=down())),
]

def sender(**fields):
    return hcm(ours("sender_constraint.v1.SenderConstraint", sources=[{"key": "p"}], **fields))


def template(text):
    return hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "permissions": [{"uri_template": {"name": "x", "typed_config": {
        "@type": T + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig", "path_template": text}}}]}}}))


def addresses(*ranges):
    return hcm(ours("ip_restriction.v1.IpRestriction", source="SOCKET", allow=list(ranges)))


def listener_ip(*more, source="SOCKET", **fields):
    kind = T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction"
    return boot([{**lst(listener_filters=[{"name": "i", "typed_config": {"@type": kind, "source": source, "allow": ["10.0.0.0/8"]}}, *more]), **fields}])


def pair(certificate, key):
    return boot([lst(chains=[chain(tls=down({"tls_certificates": [
        {"certificate_chain": {"inline_string": certificate}, "private_key": {"inline_string": key}}]}))])])


def text_of(path):
    with open(path, encoding="ascii") as f:
        return f.read()


def dns(cluster_type=None, **fields):
    return boot(clusters=[{**cluster("c", 1), **fields, **({"type": None, "cluster_type": cluster_type} if cluster_type else {"type": "STRICT_DNS"})}])

PROXY = {"name": "p", "typed_config": {"@type": T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}
CERT_PEM, KEY_PEM = text_of(cert("server")[0]), text_of(cert("server")[1])
def stats(*tags, **more):
    return boot(stats_config={"stats_tags": list(tags), **more})


LATER = SINKS + [
    (["envoy.resource_limits.listener.x.connection_limit: no listener has that name, so it limits nothing (name one)"],
     boot([lst()], layered_runtime={"layers": [{"name": "a", "static_layer": {"envoy.resource_limits.listener.x.connection_limit": 5}}]})),
    (["a name alone stands for one of Envoy's own expressions, which are not run here (write regex or fixed_value)"], stats({"tag_name": "a"})),
    (["a tag of this name stands above already"], stats({"tag_name": "a", "fixed_value": "b"}, {"tag_name": "a", "fixed_value": "c"})),
    (["no group in it (put what is to be the label's value in parentheses)"], stats({"tag_name": "a", "regex": "b"})),
    (["more than 16 tags"], stats(*[{"tag_name": f"a{i}", "fixed_value": "b"} for i in range(60)])),
    (["bounds are over 0, each greater than the one before"],
     stats(histogram_bucket_settings=[{"match": {"prefix": "a"}, "buckets": [2, 1]}])),
    (["expressions are PCRE2's here (take it out, or name GoogleRE2)"], boot(default_regex_engine={"name": "x", "typed_config": ROUTER["typed_config"]})),
    (["expected a whole number from 0 to 18446744073709551615, found the string \"x\""], overload(monitors=[monitor(max_heap_size_bytes="x")])),
    (["expected a whole number from -2147483648 to 2147483647, found the string \"x\""],
     hcm(envoy("rbac.v3.RBAC", rules={"policies": {"p": {**POLICY, "permissions": [{"destination_port_range": {"start": "x"}}]}}}))),
    (['"*" and "**" stand alone between \'/\' in a variable'], template("/{a=*x}")),
    (["a '{' without its '}'"], template("/{a")),
    (["a literal behind a wildcard has to end the template"], template("/*a/b")),
    (["a literal has letters, digits and -._~%!$&'()+,;=:@, and goes up to the next '/'"], template("/a^")),
    (["a variable's name is a letter with letters, digits and '_' behind it, at most 16; five names, each once"], template("/{1a}")),
    (['no wildcard can follow "**"'], template("/**/*")),
    (["nothing stands where a literal or a wildcard should"], template("/a//b")),
    (["an address range cannot have a zone index"], addresses("fe80::1%1")),
    (["the prefix length must be from 0 to 32"], addresses("10.0.0.0/33")),
    (["the prefix length of an IPv4-mapped range must be from 96 to 128"], addresses("::ffff:10.0.0.0/90")),
    (["what follows the slash must be a prefix length in digits, at most 32 for IPv4 and 128 for IPv6"], addresses("10.0.0.0/x")),
    (["cannot be used: a certificate behind the first is malformed"],
     pair(CERT_PEM + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", KEY_PEM)),
    (["is malformed"], pair(CERT_PEM, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")),
    (["PEER is not known before proxy_protocol (list it behind, or say SOCKET)"], listener_ip(PROXY, source="PEER")),
    (["a proxy_protocol stands above already (one header is read)"], boot([lst(listener_filters=[PROXY, PROXY])])),
    (["a local_ratelimit stands above already (one bucket of a listener)"], boot([lst(listener_filters=[new_connections(), new_connections()])])),
    (["less than 50 ms (take a longer one, with more tokens_per_fill)"], boot([lst(listener_filters=[new_connections("0.01s")])])),
    (["no such listener filter (TlsInspector, ProxyProtocol, LocalRateLimit or sallyport's IpRestriction)"],
     boot([lst(listener_filters=[{"name": "x", "typed_config": ROUTER["typed_config"]}])])),
    (["peers of a unix socket have no address to go by (the socket's mode says who may connect)"],
     listener_ip(address={"pipe": {"path": "/tmp/x"}})),
    (["CLIENT is not run by sallyport (choose one of: SOURCE_UNSPECIFIED, SOCKET, PEER)"], listener_ip(source="CLIENT")),
    (['a filter named "f" stands above already (names are unique: routes address filters by them)'],
     hcm(envoy("rbac.v3.RBAC"), envoy("rbac.v3.RBAC"))),
    (["origin_shield is a gate: those of http_filters run on upgrades too (take it out here)"],
     hcm(upgrade_configs=[{"upgrade_type": "websocket", "filters": [origin_shield(), ROUTER]}])),
    (["there is no provider 'x' (name one of providers)"], hcm(jwt([{"match": {"prefix": "/"}, "requires": {"provider_name": "x"}}]))),
    (["it requires nothing and would let everyone pass (leave `requires` out of the rule to mean that)"],
     hcm(jwt([{"match": {"prefix": "/"}, "requires": {}}]))),
    (["more than 65536 tokens a worker (each costs some KiB)"], hcm(jwt(provider={"jwt_cache_config": {"jwt_cache_size": 4000000}}))),
    (["'api.test' is no scheme with an authority: https://api.example.com"], sender(proofs={"public_origins": ["api.test"]})),
    (["'HS256' is none of RS256/384/512, PS256/384/512, ES256/384/512, EdDSA"], sender(proofs={"algs": ["HS256"]})),
    (["1s to 1h"], sender(proofs={"nonces": {"lifetime": "7200s"}})),
    (["1s to 600s: so long proofs are remembered"], sender(proofs={"window": "700s"})),
    (["both mtls and dpop are OFF: it would check nothing (drop the filter)"], sender(mtls="OFF", dpop="OFF")),
    (["dpop is OFF: nobody reads proofs"], sender(dpop="OFF", proofs={})),
    (["SKIP needs verified_jwt: where jwt_authn leaves the claims of good tokens (else a forged JWT would pass here)"],
     hcm(introspection(jwt="SKIP"))),
    (["it goes with jwt: SKIP only"], hcm(introspection(verified_jwt={"keys": ["p"]}))),
    (["only printable ASCII without quotes and backslashes"], hcm(introspection(realm='a"'))),
    (["tokens are read from x-t: it cannot be written, too (choose another header)"],
     hcm(introspection(from_headers=[{"name": "x-t"}], claim_to_headers=[{"header_name": "x-t", "claim_name": "a"}]))),
    (["over 0 and at most 30s: requests wait for it"],
     hcm(introspection(endpoint={"uri": "http://i.test/x", "cluster": "c", "timeout": "31s"}))),
    (["no introspection endpoint:"], hcm(introspection(endpoint={"uri": "ftp://i.test/x", "cluster": "c", "timeout": "1s"}))),
    (["it is https, but the cluster 'c' speaks no TLS (tokens and our secret go that way)"],
     hcm(introspection(endpoint={"uri": "https://i.test/x", "cluster": "c", "timeout": "1s"}))),
    (["there is no issuer 'x' (name one of the bootstrap's sallyport.oidc.v1.Issuers)"],
     hcm(introspection(endpoint=None, discovered={"issuer": "x"}))),
    (["1s to 600s: an assertion is made for each request"], hcm(introspection(client_auth={"private_key_jwt": {
        "client_id": "a", "private_key": {"inline_string": KEY_PEM}, "lifetime": "700s"}}))),
    (["the cluster has no TLS, and so no client certificate"], hcm(introspection(client_auth={"tls": {"client_id": "a"}}))),
    (["there is a secret named 's' before it (stats need different names)"], hcm(origin_shield({"secret_header": {"secrets": [SECRET, SECRET]}}))),
    (["no header can carry it: it has a control byte, or space at an end"],
     hcm(origin_shield({"header_value": {"name": "x-a", "values": ["a "]}}))),
    (["not the base64 of a SHA-256 hash"], hcm(origin_shield({"client_certificate": {"spki_sha256": ["!" * 44]}}))),
    (["not the hex of a SHA-256 hash (64 digits, with a colon between bytes or without)"],
     hcm(origin_shield({"client_certificate": {"sha256": ["x" * 64]}}))),
    (["this filter chain verifies no client certificates (give its DownstreamTlsContext a validation_context with trusted_ca, and "
      "require_client_certificate)"], hcm(origin_shield({"client_certificate": {"sha256": ["00" * 32]}}))),
    (["there is a list named 'a' of another file before it (stats need different names)"], hcm(origin_shield({"any_of": {"proofs": [
        {"peer_address": {"lists": [{"name": "a", "path": file("list.txt", "10.0.0.0/24\n")}]}},
        {"peer_address": {"lists": [{"name": "a", "path": file("list2.txt", "10.0.0.0/24\n")}]}}]}}))),
    (["there is nothing to look the address up in (set cidrs or lists)"],
     hcm(origin_shield({"peer_address": {"via": {"trusted": ["10.0.0.0/24"], "xff_hops": 1}}}))),
    (["a shield has 32 of them at most"], hcm(origin_shield({"any_of": {"proofs": [
        {"signed_token": {"kind": "GOOGLE_IAP", "audiences": ["a"], "jwks": {"inline_string": jwks()}}}] * 40}}))),
    (["any customer of the CDN could pass: addresses, and what it shows or sends for all of them alike, do not name you (add a secret_header"],
     hcm(origin_shield({"preset": {"cdn": "CLOUDFLARE", "proofs": [{"peer_address": {"cidrs": ["10.0.0.0/24"]}}],
                                   "lists": [{"name": "a", "path": file("list.txt", "10.0.0.0/24\n")}]}}))),
    (["it is no JSON object, and json_key names a member of one"],
     hcm(origin_shield({"secret_header": {"secrets": [{**SECRET, "json_key": "k"}]}}))),
    (["the JSON object has no string 'k'"],
     hcm(origin_shield({"secret_header": {"secrets": [{"name": "s", "value": {"inline_string": '{"a": 1}'}, "json_key": "k"}]}}))),
    (["3 bytes can be guessed (use 16 or more random bytes, such as `openssl rand -hex 32`)"],
     hcm(origin_shield({"secret_header": {"secrets": [{"name": "s", "value": {"inline_string": "abc"}}]}}))),
    (["its key is not one of RSA of 2048 to 4096 bits, P-256, P-384, P-521 and Ed25519"], pair(*weak())),
    (["is less than base_interval (make it at least that)"],
     dns(dns_failure_refresh_rate={"base_interval": "5s", "max_interval": "1s"})),
    (["is no name to resolve (set socket_address)"], boot(clusters=[{**cluster("c", 1), "type": "STRICT_DNS", "load_assignment": endpoint(
        address={"pipe": {"path": "/x"}})}])),
    (["is no resolver (use a CaresDnsResolverConfig, or take it out)"],
     dns(typed_dns_resolver_config={"name": "x", "typed_config": ROUTER["typed_config"]})),
    (["is no way to find hosts (use a DnsCluster, or type)"], dns({"name": "x", "typed_config": ROUTER["typed_config"]})),
    (["is not the IP address of a DNS server (set socket_address)"], dns(typed_dns_resolver_config={"name": "x", "typed_config": {
        "@type": T + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig", "resolvers": [address(53, "a.test")]}})),
    (["a LOGICAL_DNS cluster has exactly one endpoint (use STRICT_DNS for several)"], boot(clusters=[{**cluster("c", 1, 2), "type": "LOGICAL_DNS"}])),
    (['"a..test" has an empty label (write it such as "origin.example.com")'], boot(clusters=[{**cluster("c", 1), "type": "STRICT_DNS", "load_assignment": endpoint(
        address=address(1, "a..test"))}])),
]

AREAS = {"server": SERVER, "clusters": CLUSTERS, "listeners": LISTENERS, "tls": TLS_CASES + EARLY, "routes": ROUTES, "http": HTTP, "shield": SHIELD,
         "jwt": JWT, "filters": FILTERS, "tracing": TRACING, "more": LATER}
