# SPDX-License-Identifier: GPL-2.0-or-later
"""What proto/ declares, and whole configs around a message of it, for tests that break one thing at a time."""
import glob
import os
import re

from harness import ROOT, T

SCALARS = {"double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "bool", "string", "bytes"}
WRAPPERS = {"google.protobuf." + n + "Value": n.lower() for n in
            ("Bool", "UInt32", "UInt64", "Int32", "Int64", "Double", "Float", "String", "Bytes")}


class Field:
    def __init__(self, name, type_name, repeated, is_map, oneof):
        self.name, self.type, self.repeated, self.is_map, self.oneof = name, type_name, repeated, is_map, oneof


def _parse(text, messages, enums):
    text = re.sub(r"//[^\n]*", "", text)
    package, scope = re.search(r"^package ([\w.]+);", text, re.M).group(1), []
    token = re.compile(r"\b(message|enum|oneof)\s+(\w+)\s*\{|\b(repeated\s+)?(map<\s*\w+\s*,\s*[\w.]+\s*>|[\w.]+)\s+(\w+)\s*=\s*\d+[^;{}]*;"
                       r"|(\w+)\s*=\s*(\d+)[^;{}]*;|\}|\{")
    for m in token.finditer(text):
        inside = ".".join([package] + [n for k, n in scope if k == "message"])
        if m.group(1):
            scope.append((m.group(1), m.group(2)))
            if m.group(1) == "message":
                messages[inside + "." + m.group(2)] = {}
            elif m.group(1) == "enum":
                enums[inside + "." + m.group(2)] = {}
        elif m.group(0) == "}":
            scope.pop()
        elif m.group(0) == "{":
            scope.append(("other", ""))
        elif m.group(5) and scope and scope[-1][0] in ("message", "oneof"):
            kind = m.group(4)
            is_map = kind.startswith("map<")
            if is_map:
                kind = re.match(r"map<\s*\w+\s*,\s*([\w.]+)", kind).group(1)
            messages[inside][m.group(5)] = Field(m.group(5), kind, bool(m.group(3)), is_map,
                                                 scope[-1][1] if scope[-1][0] == "oneof" else None)
        elif m.group(6) and scope and scope[-1][0] == "enum":
            enums[inside + "." + scope[-1][1]][m.group(6)] = int(m.group(7))


class Protos:
    def __init__(self):
        self.messages, self.enums = {}, {}
        for path in glob.glob(os.path.join(ROOT, "proto/**/*.proto"), recursive=True):
            with open(path, encoding="utf-8") as f:
                _parse(f.read(), self.messages, self.enums)
        for name, fields in self.messages.items():
            for field in fields.values():
                field.type = self._resolve(name, field.type)

    def _resolve(self, scope, name):
        if name in SCALARS:
            return name
        name = name.lstrip(".")
        while True:
            full = scope + "." + name if scope else name
            if full in self.messages or full in self.enums or full.startswith("google.protobuf."):
                return full
            if not scope:
                return name
            scope = scope.rpartition(".")[0]


# What the least value of a field has to be for a config that means something; the rest follows from Envoy's demands.
CORE, ROUTE, HCM = "envoy.config.core.v3.", "envoy.config.route.v3.", "envoy.extensions.filters.network.http_connection_manager.v3."
ADDRESS = {"socket_address": {"address": "127.0.0.1", "port_value": 1}}
ROUTER = {"name": "router", "typed_config": {"@type": T + "envoy.extensions.filters.http.router.v3.Router"}}
HTTP = {"@type": T + HCM + "HttpConnectionManager", "stat_prefix": "s", "route_config": {"name": "r"}, "http_filters": [ROUTER]}
RAW = {"name": "raw", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}
LB = {"endpoint": {"address": ADDRESS}}
FILTER = "envoy.extensions.filters.http."
HEAP = {"name": "envoy.resource_monitors.fixed_heap", "typed_config": {
    "@type": T + "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": 1 << 30}}
TRIGGER = {"name": "envoy.resource_monitors.fixed_heap", "threshold": {"value": 0.9}}
OVERLOAD = "envoy.config.overload.v3."
FIXED = {
    OVERLOAD + "OverloadManager": {"resource_monitors": [HEAP]},
    OVERLOAD + "ResourceMonitor": HEAP,
    OVERLOAD + "Trigger": TRIGGER,
    OVERLOAD + "ScaledTrigger": {"scaling_threshold": 0.5, "saturation_threshold": 0.9},
    OVERLOAD + "OverloadAction": {"name": "envoy.overload_actions.shrink_heap", "triggers": [TRIGGER]},
    OVERLOAD + "LoadShedPoint": {"name": "envoy.load_shed_points.tcp_listener_accept", "triggers": [TRIGGER]},
    "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig": {"max_heap_size_bytes": 1 << 30},
    "envoy.config.cluster.v3.Cluster.CustomClusterType": {
        "name": "envoy.cluster.dns", "typed_config": {"@type": T + "envoy.extensions.clusters.dns.v3.DnsCluster"}},
    "envoy.config.accesslog.v3.AccessLog": {
        "name": "a", "typed_config": {"@type": T + "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"}},
    "envoy.config.accesslog.v3.AccessLogFilter": {"not_health_check_filter": {}},
    "envoy.config.accesslog.v3.AndFilter": {"filters": [{"not_health_check_filter": {}}] * 2},
    "envoy.config.accesslog.v3.OrFilter": {"filters": [{"not_health_check_filter": {}}] * 2},
    "envoy.config.accesslog.v3.ComparisonFilter": {"value": {"default_value": 1, "runtime_key": "k"}},
    "envoy.config.accesslog.v3.MetadataFilter": {"matcher": {"filter": "f", "path": [{"key": "k"}], "value": {"present_match": True}}},
    "envoy.config.bootstrap.v3.Admin": {"address": ADDRESS},
    "envoy.config.bootstrap.v3.RuntimeLayer": {"name": "n", "static_layer": {}},
    "envoy.config.cluster.v3.Cluster": {
        "name": "c2", "connect_timeout": "1s", "load_assignment": {"cluster_name": "c2", "endpoints": [{"lb_endpoints": [LB]}]}},
    "envoy.config.common.mutation_rules.v3.HeaderMutation": {"remove": "x-a"},
    "envoy.config.endpoint.v3.ClusterLoadAssignment": {"cluster_name": "c2", "endpoints": [{"lb_endpoints": [LB]}]},
    "envoy.config.endpoint.v3.LocalityLbEndpoints": {"lb_endpoints": [LB]},
    "envoy.config.endpoint.v3.LbEndpoint": LB,
    "envoy.config.endpoint.v3.Endpoint": LB["endpoint"],
    "envoy.config.listener.v3.Listener": {
        "name": "l", "address": ADDRESS, "filter_chains": [{"filters": [{"name": "h", "typed_config": HTTP}]}]},
    "envoy.config.listener.v3.FilterChain": {"filters": [{"name": "h", "typed_config": HTTP}]},
    "envoy.config.listener.v3.Filter": {"name": "h", "typed_config": HTTP},
    "envoy.config.listener.v3.ListenerFilter": {
        "name": "t", "typed_config": {"@type": T + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}},
    "envoy.config.rbac.v3.Permission": {"any": True},
    "envoy.config.rbac.v3.Principal": {"any": True},
    CORE + "TransportSocket": RAW,
    CORE + "Address": ADDRESS,
    CORE + "SocketAddress": ADDRESS["socket_address"],
    CORE + "CidrRange": {"address_prefix": "10.0.0.0"},
    CORE + "HttpUri": {"uri": "http://a.test/x", "cluster": "c", "timeout": "1s"},
    CORE + "GrpcService.EnvoyGrpc": {"cluster_name": "c"},
    CORE + "DataSource": {"inline_string": "x"},
    CORE + "HeaderValue": {"key": "x-a"},
    CORE + "HeaderValueOption": {"header": {"key": "x-a", "value": "b"}},
    CORE + "HealthCheck": {"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                           "http_health_check": {"path": "/"}},
    CORE + "HealthCheck.HttpHealthCheck": {"path": "/"},
    CORE + "HealthCheck.Payload": {"text": "00"},
    CORE + "KeyValueMutation": {"remove": "k"},
    CORE + "TypedExtensionConfig": {"name": "x", "typed_config": {
        "@type": T + "envoy.extensions.http.original_ip_detection.custom_header.v3.CustomHeaderConfig", "header_name": "x-a"}},
    ROUTE + "RouteMatch": {"prefix": "/"},
    ROUTE + "RouteAction": {"cluster": "c"},
    ROUTE + "WeightedCluster": {"clusters": [{"name": "c", "weight": 1}]},
    ROUTE + "WeightedCluster.ClusterWeight": {"name": "c", "weight": 1},
    ROUTE + "HeaderMatcher": {"name": "x-a"},
    ROUTE + "VirtualHost": {"name": "v", "domains": ["a.test"]},
    ROUTE + "Route": {"match": {"prefix": "/"}, "route": {"cluster": "c"}},
    ROUTE + "RateLimit.Action": {"remote_address": {}},
    ROUTE + "DirectResponseAction": {"status": 200},
    ROUTE + "RedirectAction": {"https_redirect": True, "response_code": "FOUND"},
    HCM + "HttpConnectionManager": {k: v for k, v in HTTP.items() if k != "@type"},
    HCM + "HttpFilter": ROUTER,
    "envoy.type.matcher.v3.RegexMatcher": {"regex": "x"},
    "envoy.type.matcher.v3.MetadataMatcher": {"filter": "f", "path": [{"key": "k"}], "value": {"present_match": True}},
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {"explicit_http_config": {"http_protocol_options": {}}},
    FILTER + "local_ratelimit.v3.LocalRateLimit": {"stat_prefix": "s", "token_bucket": {"max_tokens": 1, "fill_interval": "1s"}},
    FILTER + "credential_injector.v3.CredentialInjector": {"credential": {"name": "g", "typed_config": {
        "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {
            "name": "s", "sds_config": {"path_config_source": {"path": "/dev/null"}}}}}},
    "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit": {"stat_prefix": "s", "max_connections": 1},
    FILTER + "ip_tagging.v3.IPTagging": {"request_type": "BOTH", "ip_tags": [
        {"ip_tag_name": "a", "ip_list": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}]},
    FILTER + "ratelimit.v3.RateLimit": {"domain": "d", "rate_limit_service": {
        "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "c"}}}},
    "envoy.config.ratelimit.v3.RateLimitServiceConfig": {
        "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "c"}}},
    CORE + "GrpcService": {"envoy_grpc": {"cluster_name": "c"}},
    CORE + "KeyValueAppend": {"record": {"key": "k", "value": "v"}},
    CORE + "RuntimeFractionalPercent": {"default_value": {"numerator": 1}},
    ROUTE + "RateLimit.Action.MetaData": {"descriptor_key": "k", "metadata_key": {"key": "k", "path": [{"key": "p"}]}},
    ROUTE + "RateLimit.Override": {"dynamic_metadata": {"metadata_key": {"key": "k", "path": [{"key": "p"}]}}},
    ROUTE + "RateLimit.Override.DynamicMetadata": {"metadata_key": {"key": "k", "path": [{"key": "p"}]}},
    "envoy.type.metadata.v3.MetadataKey": {"key": "k", "path": [{"key": "p"}]},
    "envoy.type.matcher.v3.DoubleMatcher": {"exact": 1},
    "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher": {"san_type": "DNS", "matcher": {"exact": "a.test"}},
    FILTER + "jwt_authn.v3.JwtRequirement": {"allow_missing": {}},
    "envoy.extensions.transport_sockets.tls.v3.Secret": {"name": "s", "generic_secret": {"secret": {"inline_string": "x"}}},
    "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig": {"path_template": "/a/{b}"},
}
# Which types may stand in the Any of a field (or of a map), by the start of their names.
ANY = {
    (OVERLOAD + "ResourceMonitor", "typed_config"): "envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig",
    ("envoy.config.cluster.v3.Cluster.CustomClusterType", "typed_config"): "envoy.extensions.clusters.dns.v3.DnsCluster",
    ("envoy.config.listener.v3.Filter", "typed_config"): "envoy.extensions.filters.network.",
    ("envoy.config.listener.v3.ListenerFilter", "typed_config"): "envoy.extensions.filters.listener.",
    (HCM + "HttpFilter", "typed_config"): "envoy.extensions.filters.http.",
    ("envoy.config.accesslog.v3.AccessLog", "typed_config"): "envoy.extensions.access_loggers.",
    ("envoy.config.cluster.v3.Cluster", "typed_extension_protocol_options"): "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
    ("envoy.config.route.v3.VirtualHost", "typed_per_filter_config"): "envoy.extensions.filters.http.",
    ("envoy.config.listener.v3.FilterChain", "transport_socket"): "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
    ("envoy.config.cluster.v3.Cluster", "transport_socket"): "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
    (HCM + "HttpConnectionManager", "original_ip_detection_extensions"): "envoy.extensions.http.original_ip_detection.",
    ("envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", "credential"): "envoy.extensions.http.injected_credentials.",
    (ROUTE + "RouteMatch", "path_match_policy"): "envoy.extensions.path.match.",
}
PER_ROUTE = re.compile(r"(PerRoute|PerRouteConfig|CorsPolicy)$")
# Ways that lead to messages of a kind that stand elsewhere too, and are harder to fill.
AVOID = {("envoy.config.bootstrap.v3.Bootstrap", "bootstrap_extensions"), ("envoy.config.bootstrap.v3.Admin", "access_log"),
         ("envoy.config.listener.v3.Listener", "access_log"), ("envoy.config.cluster.v3.Cluster", "upstream_bind_config"),
         (ROUTE + "RouteMatch", "path_match_policy")}


class Configs:
    """Whole configs in which a message stands."""

    def __init__(self, protos, facts):
        self.p, self.facts = protos, {}
        for message, fields, *fact in facts:
            self.facts.setdefault(message, []).append((fields.split(","), fact))
        with open(os.path.join(ROOT, "src/config/types.c"), encoding="utf-8") as f:
            self.registered = {m.replace("__", ".").replace("_", "") for m in re.findall(r"&(\w+)__descriptor", f.read())}
        self.paths = self._find_paths("envoy.config.bootstrap.v3.Bootstrap")

    def _types_in_any(self, prefix, per_route):
        """Registered types (src/config/types.c) whose names begin so."""
        return [m for m in self.p.messages if m.startswith(prefix) and m.lower().replace("_", "") in self.registered and
                bool(PER_ROUTE.search(m)) == per_route]

    def _edges(self, message):
        for f in self.p.messages.get(message, {}).values():
            if (message, f.name) in AVOID:
                continue
            prefix = ANY.get((message, f.name))
            if prefix:
                for name in self._types_in_any(prefix, f.name == "typed_per_filter_config"):
                    yield f, name, True
            if f.type in self.p.messages:
                yield f, f.type, False

    def _find_paths(self, root):
        """Message -> [(parent, field, message, whether it stands in an Any)], the shortest."""
        paths, queue = {root: []}, [root]
        while queue:
            at = queue.pop(0)
            for f, child, is_any in self._edges(at):
                if child not in paths:
                    paths[child] = paths[at] + [(at, f, child, is_any)]
                    queue.append(child)
        return paths

    def least(self, message, depth=0):
        """The least value of a message that Envoy's demands allow."""
        if message in FIXED:
            return dict(FIXED[message])
        out = {}
        if depth > 8:
            return out
        for names, fact in self.facts.get(message, []):
            ours = [n for n in names if n in self.p.messages.get(message, {})]
            if not ours or ours[0] in out:
                continue
            f = self.p.messages[message][ours[0]]
            if fact[0] == "oneof":
                if not any(n in out for n in ours):
                    out[f.name] = self.value(f, depth)
            elif f.oneof:
                continue
            elif fact[0] == "required" or (fact[0] == "min_len" and not f.repeated) or (
                    fact[0] in ("range", "in") and f.type in SCALARS and not f.repeated and fact[1] not in ("-", "0")):
                out[f.name] = self.value(f, depth, message)
            elif fact[0] == "min_items":
                out[f.name] = [self.value(f, depth)] * int(fact[1])
        return out

    def value(self, f, depth=0, message=None):
        if f.type == "google.protobuf.Duration":
            return "1s"
        if f.type in WRAPPERS or f.type in SCALARS:
            kind = WRAPPERS.get(f.type, f.type)
            low = [fact for names, fact in self.facts.get(message, []) if names == [f.name] and fact[0] == "range" and fact[1] != "-"]
            return "x" if kind == "string" else "eA==" if kind == "bytes" else True if kind == "bool" else int(float(low[0][1].lstrip(">"))) + low[0][1].startswith(">") if low else 1
        if f.type in self.p.enums:
            return list(self.p.enums[f.type])[-1]
        return self.least(f.type, depth + 1) if f.type in self.p.messages else {}

    def around(self, message, content):
        """A bootstrap in which `content`, of type `message`, stands; None if none can be made."""
        if message not in self.paths:
            return None
        named = None  # a message of typed_per_filter_config
        for parent, f, child, is_any in reversed(self.paths[message]):
            if is_any:
                content = dict(content, **{"@type": T + child})
                if f.type != "google.protobuf.Any":  # a TransportSocket, a TypedExtensionConfig
                    content = {"name": "x", "typed_config": content}
            outer = self.least(parent)
            for other in self.p.messages[parent].values():
                if f.oneof and other.oneof == f.oneof:
                    outer.pop(other.name, None)
            if f.is_map:
                content = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions" if "upstreams" in child else "f": content}
            elif f.repeated:
                content = [content] * max([int(fact[1]) for names, fact in self.facts.get(parent, [])
                                           if names == [f.name] and fact[0] == "min_items"] + [1])
            if f.name == "http_filters" and content != [ROUTER]:
                content = content + [ROUTER]
            if f.name == "filters" and parent.endswith("FilterChain") and "ConnectionLimit" in str(content):
                content = content + [FIXED["envoy.config.listener.v3.Filter"]]
            if f.name == "typed_per_filter_config":
                named = child
            if named and "http_filters" in outer:
                package = named.rpartition(".")[0] + "."
                kind = self._types_in_any(package, False)[0]
                outer["http_filters"] = [{"name": "f", "typed_config": dict(self.least(kind), **{"@type": T + kind})}, ROUTER]
            outer[f.name] = content
            if parent == HCM + "HttpFilter":
                outer["name"] = "f"
            content = outer
        static = content.setdefault("static_resources", {})
        static.setdefault("clusters", []).append(dict(FIXED["envoy.config.cluster.v3.Cluster"], name="c", typed_extension_protocol_options={
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}}}}))
        return content
