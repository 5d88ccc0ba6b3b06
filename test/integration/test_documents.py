# SPDX-License-Identifier: GPL-2.0-or-later
"""Configs in the shape of Envoy's own documents (quick start, edge best practice, TLS, SNI, client certificates, JWT, file xDS), word
for word the same file for both programs: they do what those documents say, and the same as a real Envoy where there is one."""
import json
import os
import re
import socket
import ssl
import string
import unittest

import test_envoy
from echo import Echo
from harness import BIN, Proc, ca, cert, curl, free_port, jwks, raw, token, wait_for, work
from jwks_server import JwksServer
from test_xds import certificate, der

NAMES = {
    "HCM": '"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    "ROUTER": '{name: envoy.filters.http.router, typed_config: {"@type": '
              "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}",
    "DOWNSTREAM": '"@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
    "INSPECTOR": '{name: envoy.filters.listener.tls_inspector, typed_config: {"@type": '
                 "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector}}",
    "CLUSTER": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "ADMIN": "admin: {address: {socket_address: {address: 127.0.0.1, port_value: $admin}}}",
}

ORIGIN = """
  - name: service
    connect_timeout: 2s
    load_assignment:
      cluster_name: service
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $origin}}}
"""

FRONT = """
$ADMIN
static_resources:
  listeners:
  - name: listener_0
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          $HCM
          stat_prefix: ingress_http
          access_log:
          - name: envoy.access_loggers.stdout
            typed_config: {"@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog}
          http_filters: [$ROUTER]
          route_config:
            name: local_route
            virtual_hosts:
            - name: local_service
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {host_rewrite_literal: www.front.test, cluster: service_far}
  clusters:
  - name: service_far
    type: LOGICAL_DNS
    # Names have both families nearly everywhere, networks do not.
    dns_lookup_family: V4_ONLY
    load_assignment:
      cluster_name: service_far
      endpoints:
      - lb_endpoints:
        - endpoint: {address: {socket_address: {address: localhost, port_value: $origin}}}
"""

EDGE = """
overload_manager:
  refresh_interval: 0.25s
  resource_monitors:
  - name: "envoy.resource_monitors.fixed_heap"
    typed_config:
      "@type": type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig
      max_heap_size_bytes: 2147483648
  actions:
  - name: "envoy.overload_actions.shrink_heap"
    triggers: [{name: "envoy.resource_monitors.fixed_heap", threshold: {value: 0.95}}]
  - name: "envoy.overload_actions.stop_accepting_requests"
    triggers: [{name: "envoy.resource_monitors.fixed_heap", threshold: {value: 0.98}}]
$ADMIN
static_resources:
  listeners:
  - name: edge
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    listener_filters: [$INSPECTOR]
    per_connection_buffer_limit_bytes: 32768
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          $HCM
          stat_prefix: ingress_http
          use_remote_address: true
          normalize_path: true
          merge_slashes: true
          path_with_escaped_slashes_action: UNESCAPE_AND_REDIRECT
          common_http_protocol_options: {idle_timeout: 3600s, headers_with_underscores_action: REJECT_REQUEST}
          http2_protocol_options:
            max_concurrent_streams: 100
            initial_stream_window_size: 65536
            initial_connection_window_size: 1048576
          stream_idle_timeout: 300s
          request_timeout: 300s
          http_filters: [$ROUTER]
          route_config:
            virtual_hosts:
            - name: default
              domains: ["*"]
              routes:
              - match: {prefix: "/"}
                route: {cluster: service, timeout: 15s, idle_timeout: 15s}
  clusters:$ORIGIN
    per_connection_buffer_limit_bytes: 32768
layered_runtime:
  layers:
  - name: static_layer_0
    static_layer:
      envoy: {resource_limits: {listener: {edge: {connection_limit: 2}}}}
      overload: {global_downstream_max_connections: 50000}
"""

CHAIN = """
    - filter_chain_match: {server_names: [$name]}
      transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          $DOWNSTREAM
          common_tls_context:
            tls_certificates:
            - certificate_chain: {filename: "$chain"}
              private_key: {filename: "$key"}
            alpn_protocols: ["h2,http/1.1"]
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          $HCM
          stat_prefix: $name
          http_filters: [$ROUTER]
          route_config:
            virtual_hosts:
            - name: default
              domains: ["*"]
              routes: [{match: {prefix: "/"}, direct_response: {status: 200, body: {inline_string: "$name"}}}]"""

SNI = """
$ADMIN
static_resources:
  listeners:
  - name: door
    stat_prefix: door
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    listener_filters: [$INSPECTOR]
    filter_chains:$chains
"""

CLIENTS = """
$ADMIN
static_resources:
  listeners:
  - name: door
    stat_prefix: door
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - transport_socket:
        name: envoy.transport_sockets.tls
        typed_config:
          $DOWNSTREAM
          require_client_certificate: true
          common_tls_context:
            validation_context:
              trusted_ca: {filename: "$ca"}
              match_typed_subject_alt_names:
              - san_type: DNS
                matcher: {exact: "edge.client.test"}
            tls_certificates:
            - certificate_chain: {filename: "$chain"}
              private_key: {filename: "$key"}
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          $HCM
          stat_prefix: ingress_http
          forward_client_cert_details: SANITIZE_SET
          set_current_client_cert_details: {subject: true, dns: true}
          http_filters: [$ROUTER]
          route_config:
            virtual_hosts:
            - {name: default, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: service}}]}
  clusters:$ORIGIN
"""

JWT = """
$ADMIN
static_resources:
  listeners:
  - name: door
    address: {socket_address: {address: 127.0.0.1, port_value: $port}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          $HCM
          statPrefix: ingress_http
          http_filters:
          - name: envoy.filters.http.jwt_authn
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
              providers:
                near:
                  issuer: https://near.test
                  audiences: [a, b]
                  forward: true
                  forward_payload_header: x-jwt-payload
                  local_jwks: {filename: "$jwks"}
                far:
                  issuer: https://far.test
                  from_headers: [{name: x-far, value_prefix: "JWT "}]
                  from_params: [jwt]
                  remoteJwks:
                    httpUri: {uri: "http://far.test/jwks", cluster: keys, timeout: 2s}
                    cacheDuration: 300s
              rules:
              - match: {prefix: /near}
                requires: {provider_name: near}
              - match: {prefix: /far}
                requires: {provider_name: far}
              - match: {prefix: /either}
                requires: {requires_any: {requirements: [{provider_name: near}, {provider_name: far}]}}
              - match: {prefix: /missing}
                requires: {requires_any: {requirements: [{provider_name: near}, {allow_missing: {}}]}}
              - match: {prefix: /open}
          - $ROUTER
          route_config:
            virtual_hosts:
            - {name: default, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: service}}]}
  clusters:$ORIGIN
  - name: keys
    type: STRICT_DNS
    dns_lookup_family: V4_ONLY
    load_assignment:
      cluster_name: keys
      endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: localhost, port_value: $keys}}}}]}]
"""

DYNAMIC = """
node: {cluster: test-cluster, id: test-id}
$ADMIN
dynamic_resources:
  cds_config: {path_config_source: {path: "$dir/cds.yaml"}}
  lds_config: {path: "$dir/lds.yaml"}
"""

FILES = {
    "lds.yaml": """
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: listener_0
  address: {socket_address: {address: 127.0.0.1, port_value: $port}}
  filter_chains:
    transport_socket:
      name: envoy.transport_sockets.tls
      typed_config:
        $DOWNSTREAM
        common_tls_context:
          tls_certificate_sds_secret_configs:
          - {name: server_cert, sds_config: {path_config_source: {path: "$dir/sds.yaml", watched_directory: {path: "$dir"}}}}
    filters:
      name: envoy.filters.network.http_connection_manager
      typed_config:
        $HCM
        stat_prefix: ingress_http
        http_filters: [$ROUTER]
        rds: {route_config_name: local_route, config_source: {path_config_source: {path: "$dir/rds.yaml"}}}
""",
    "rds.yaml": """
version_info: "0"
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: local_route
  virtual_hosts:
  - {name: v, domains: ["*"], routes: [{match: {prefix: "/"}, route: {cluster: service}}]}
""",
    "cds.yaml": """
version_info: "0"
resources:
- "@type": $CLUSTER
  name: service
  type: EDS
  eds_cluster_config: {eds_config: {path_config_source: {path: "$dir/eds.yaml"}}}
""",
    "eds.yaml": """
version_info: "0"
resources:
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: service
  endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: $origin}}}}]}]
""",
    "sds.yaml": """
resources:
- "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret
  name: server_cert
  tls_certificate:
    certificate_chain: {filename: "$dir/chain.pem"}
    private_key: {filename: "$dir/key.pem"}
    watched_directory: {path: "$dir"}
""",
}


def fill(text, **values):
    """Twice: names stand for texts that have names in them."""
    values = {**NAMES, "ORIGIN": ORIGIN.rstrip("\n"), **{k: str(v) for k, v in values.items()}}
    return string.Template(string.Template(text).substitute(values)).substitute(values)


class Side(Proc):
    def __init__(self, name, text, **values):
        self.admin, self.port = free_port(), free_port()
        self.dir = work(f"documents-{self.port}")
        os.makedirs(self.dir)
        self.values = {"admin": self.admin, "port": self.port, "dir": self.dir, **values}
        self.path = os.path.join(self.dir, "envoy.yaml")
        self.name = name
        self.text = text

    def put(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)

    def run(self):
        self.put("envoy.yaml", fill(self.text, **self.values))
        more = ["--use-dynamic-base-id", "-l", "warning"] if self.name == "envoy" else []
        binary = test_envoy.find_envoy() if self.name == "envoy" else BIN
        super().__init__(self.name, [binary, "-c", self.path, "--concurrency", "1", *more])
        wait_for(self.name, lambda: curl(f"http://127.0.0.1:{self.admin}/ready").status == 200, 20)

    def stat(self, name):
        text = curl(f"http://127.0.0.1:{self.admin}/stats").body.decode()
        found = re.search(rf"^{re.escape(name)}: (\d+)$", text, re.M)
        return int(found[1]) if found else None


class Documents(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)

    def start(self, text, files=(), pems=None, **values):
        self.sides = []
        for name in ["sallyport"] + (["envoy"] if test_envoy.find_envoy() else []):
            side = Side(name, text, origin=self.origin.port, **values)
            for file, content in (pems or {}).items():
                side.put(file, content)
            for file in files:
                side.put(file, fill(FILES[file], **side.values))
            side.run()
            self.addCleanup(side.kill)
            self.sides.append(side)

    def ask(self, path, *args, tls=None, host="a.test"):
        """What sallyport answers, after it was found to be Envoy's answer too."""
        answers = []
        for s in self.sides:
            url = f"https://{tls}:{s.port}{path}" if tls else f"http://127.0.0.1:{s.port}{path}"
            more = ["--cacert", ca(), "--resolve", f"{tls}:{s.port}:127.0.0.1"] if tls else []
            a = curl(url, "--path-as-is", "-H", f"host: {host}", *more, *args)
            answers.append(json.loads(json.dumps(test_envoy.seen(a)).replace(f":{s.port}", ":PORT")))
        for other in answers[1:]:
            self.assertEqual(other, answers[0])
        return answers[0]

    def count(self, name, want):
        for s in self.sides:
            wait_for(f"{name} of {s.name} to be {want}, is {s.stat(name)}", lambda s=s: s.stat(name) == want, 5)

    @staticmethod
    def header(answer, name):
        return [v for k, v in answer["origin"]["headers"] if k == name]

    def test_front_proxy(self):
        self.start(FRONT)
        a = self.ask("/x?y=1")
        self.assertEqual((a["status"], self.header(a, "host")), (200, ["www.front.test"]))
        self.assertEqual(self.ask("/p", "-d", "abc")["origin"]["body"], 3)
        self.count("http.ingress_http.downstream_rq_2xx", 2)
        self.count("cluster.service_far.upstream_rq_200", 2)
        self.count("cluster.service_far.membership_healthy", 1)

    def test_edge(self):
        self.start(EDGE)
        a = self.ask("/a//b/../c", "-H", "x-envoy-original-path: /forged", "-H", "x-forwarded-for: 192.0.2.1")
        self.assertEqual((a["status"], a["origin"]["path"]), (200, "/a/c"))
        self.assertEqual(self.header(a, "x-envoy-original-path"), [])
        self.assertEqual(self.header(a, "x-forwarded-proto"), ["http"])
        self.assertEqual(self.header(a, "x-envoy-expected-rq-timeout-ms"), ["15000"])
        a = self.ask("/a%2fb")
        self.assertEqual((a["status"], a["headers"]["location"]), (307, "/a/b"))
        for s in self.sides:  # the texts of what a parser refuses differ by a line end
            self.assertEqual(curl(f"http://127.0.0.1:{s.port}/", "-H", "x_y: 1").status, 400, s.name)
        self.count("overload.envoy.overload_actions.shrink_heap.active", 0)
        self.limited()

    def limited(self):
        """Two connections, as the runtime layer has it; a third one is closed."""
        for s in self.sides:
            wait_for("no connections", lambda s=s: s.stat("http.ingress_http.downstream_cx_active") == 0, 5)
            held = [socket.create_connection(("127.0.0.1", s.port), timeout=5) for _ in range(2)]
            for h in held:
                h.sendall(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")
                self.assertIn(b"200 OK", h.recv(100))
            self.assertEqual(raw(s.port, b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n"), b"", s.name)
            for h in held:
                h.close()

    def test_sni(self):
        chains = ""
        for name in ("one.test", "two.test"):
            chain, key = cert(name, san=f"DNS:{name}")
            chains += fill(CHAIN, name=name, chain=chain, key=key)
        self.start(SNI, chains=chains)
        for name in ("one.test", "two.test"):
            for version in ("--http1.1", "--http2"):
                a = self.ask("/", version, tls=name, host=name)
                self.assertEqual((a["status"], a["body"]), (200, name))
        self.assertEqual(self.ask("/", tls="three.test")["status"], 0)
        self.count("listener.door.no_filter_chain_match", 1)
        self.count("listener.door.ssl.handshake", 4)
        self.count("http.two.test.downstream_rq_2xx", 2)

    def test_client_certificates(self):
        chain, key = cert("door", san="DNS:door.test")
        self.start(CLIENTS, chain=chain, key=key, ca=ca())
        good, other = cert("edge", san="DNS:edge.client.test"), cert("other", san="DNS:other.client.test")
        a = self.ask("/", "--cert", good[0], "--key", good[1], "-H", "x-forwarded-client-cert: By=forged", tls="door.test")
        self.assertEqual(a["status"], 200)
        self.assertRegex(self.header(a, "x-forwarded-client-cert")[0], r'^Hash=[0-9a-f]{64};Subject="[^"]*";DNS=edge.client.test$')
        self.assertEqual(self.ask("/", "--cert", other[0], "--key", other[1], tls="door.test")["status"], 0)
        self.assertEqual(self.ask("/", tls="door.test")["status"], 0)
        self.count("listener.door.ssl.fail_verify_san", 1)
        self.count("listener.door.ssl.fail_verify_no_cert", 1)

    def test_jwt(self):
        path = work("documents-jwks.json")
        with open(path, "w", encoding="utf-8") as f:
            f.write(jwks("near"))
        issuer = JwksServer()
        self.addCleanup(issuer.stop)
        issuer.keys("far")
        self.start(JWT, jwks=path, keys=issuer.port)
        near = token({"iss": "https://near.test", "aud": "a", "exp": 4102444800}, "near")
        far = token({"iss": "https://far.test", "exp": 4102444800}, "far")
        foreign = token({"iss": "https://near.test", "aud": "z", "exp": 4102444800}, "near")
        bearer = lambda t: ("-H", f"authorization: Bearer {t}")
        for path, args, status in (
                ("/near", bearer(near), 200), ("/near", (), 401), ("/near", bearer(far), 401), ("/near", bearer(foreign), 403),
                ("/near", bearer(near[:-4] + "AAAA"), 401), ("/far", ("-H", f"x-far: JWT {far}"), 200), (f"/far?jwt={far}", (), 200),
                ("/far", bearer(far), 401), ("/either", ("-H", f"x-far: JWT {far}"), 200), ("/either", bearer(near), 200),
                ("/either", (), 401), ("/missing", (), 200), ("/missing", bearer(foreign), 403), ("/open", (), 200), ("/none", (), 200)):
            with self.subTest(path[:9], args=[a[:40] for a in args]):
                a = self.ask(path, *args)
                self.assertEqual(a["status"], status)
                if path == "/near" and status == 200:
                    self.assertEqual(len(self.header(a, "x-jwt-payload")), 1)
        self.count("http.ingress_http.jwt_authn.denied", 7)
        self.count("http.ingress_http.jwt_authn.jwks_fetch_success", 1)

    def test_files(self):
        """LDS, CDS, RDS, EDS and SDS; the certificate is rotated by moving its files over the old ones."""
        pem = {}
        for name in ("first", "second"):
            pem[name] = [open(p, encoding="ascii").read() for p in cert(name, san="DNS:files.test")]  # pylint: disable=consider-using-with
        self.start(DYNAMIC, FILES, {"chain.pem": pem["first"][0], "key.pem": pem["first"][1]})
        self.assertEqual(self.ask("/x", tls="files.test")["origin"]["path"], "/x")
        for s in self.sides:
            self.assertEqual(certificate(s.port), der("first"))
            s.put("key.pem", pem["second"][1])
            s.put("chain.pem", pem["second"][0])
        for s in self.sides:
            wait_for(f"the new certificate of {s.name}", lambda s=s: self.shown(s) == der("second"))
        self.assertEqual(self.ask("/y", tls="files.test")["status"], 200)
        other = Echo(name="other")
        self.addCleanup(other.stop)
        for s in self.sides:
            s.put("eds.yaml", fill(FILES["eds.yaml"], **dict(s.values, origin=other.port)))
        for s in self.sides:
            wait_for(f"the other host at {s.name}", lambda s=s: other.name in curl(
                f"https://files.test:{s.port}/", "--cacert", ca(), "--resolve", f"files.test:{s.port}:127.0.0.1").body.decode())
        self.count("cluster_manager.cds.update_rejected", 0)
        self.count("listener_manager.lds.update_success", 1)

    @staticmethod
    def shown(side):
        try:
            return certificate(side.port)
        except (OSError, ssl.SSLError):
            return None


if __name__ == "__main__":
    unittest.main()
