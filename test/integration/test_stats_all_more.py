# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats that need files, tokens, certificates or hosts of a kind of their own (docs/stats.md)."""
import http.server
import json
import os
import threading
import time
import urllib.parse

from harness import SECRET, SLOW, T, address, ca, cert, cluster, config, curl, free_port, listener, nginx_mtls, raw, route_to, shield, upstream_tls, wait_for, work
from health_origin import Http, answer
from scripted import Scripted
from stats_case import StatsCase
from tcp_origin import TcpOrigin
from test_attack import frame
from test_header_certificate import cloudfront, gate
from test_stats_all_filters import Case, envoy, ours
from test_stats_all_front import BASE, GET, door_of, port_of, talk
from test_xds import DOWNSTREAM, resources, secret, source

some = lambda n: n > 0


class Tokens(http.server.ThreadingHTTPServer):
    """An authorization server that says of each token what stands in it: active, inactive, broken, slow."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            body = urllib.parse.parse_qs(self.rfile.read(int(self.headers.get("content-length", 0))).decode())
            token = body.get("token", [""])[0]
            if token.startswith("slow"):
                time.sleep(0.7)
            text = b"no JSON" if token.startswith("broken") else json.dumps({"active": not token.startswith("inactive"), "sub": "alice"}).encode()
            self.send_response(503 if token.startswith("ill") else 200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


def introspection(port, **more):
    return ours("token_introspection.v1.TokenIntrospection", client_auth={"basic": {"client_id": "door", "client_secret": {"inline_string": "a-secret-of-the-door"}}},
                endpoint={"uri": f"http://127.0.0.1:{port}/introspect", "cluster": "idp", "timeout": "2s"}, **more)


class Callers(Case):
    def test_introspection(self):
        idp = Tokens()
        self.addCleanup(idp.stop)
        s = self.behind(introspection(idp.port, payload_in_metadata="token"), ours("sender_constraint.v1.SenderConstraint", sources=[
            {"metadata_namespace": "sallyport.filters.http.token_introspection", "key": "token"}]), clusters=[cluster("idp", idp.port)])
        token = lambda t: self.with_headers(s, "authorization: Bearer " + t)
        with self.drives(s, {"http.plain.token_introspection.allowed": 2, "http.plain.token_introspection.denied": 1, "http.plain.token_introspection.cache_hit": 1,
                             "http.plain.token_introspection.cache_miss": 2, "http.plain.token_introspection.requests": 2,
                             "http.plain.sender_constraint.unbound": 2, "http.plain.sender_constraint.allowed": 2}):
            token("active-token-1")
            token("active-token-1")
            token("inactive-token")
        with self.drives(s, {"http.plain.token_introspection.errors": 1, "http.plain.token_introspection.failed": some}):
            token("broken-token")
        with self.drives(s, {"http.plain.token_introspection.retries": some}):
            token("ill-token")
        with self.drives(s, {"http.plain.token_introspection.joined": 1}):
            threads = [threading.Thread(target=token, args=("slow-token",)) for _ in range(2)]
            for t in threads:
                t.start()
            for t in threads:
                t.join()

    def test_certificates_in_headers(self):
        ca("viewers")
        cert("viewer", san="DNS:viewer.test", by="viewers")
        cert("forger", san="DNS:viewer.test", by="ca")
        s = self.behind(shield(), gate())
        proof = "x-origin-verify: " + SECRET
        with self.drives(s, {"http.plain.header_certificate.verified": 1, "http.plain.header_certificate.refused": 1, "http.plain.header_certificate.none": 1}):
            self.with_headers(s, proof, "cloudfront-viewer-cert-pem: " + cloudfront("viewer"))
            self.with_headers(s, proof, "cloudfront-viewer-cert-pem: " + cloudfront("forger"))
            self.with_headers(s, proof)
        probe = {"path": {"exact": "/healthz"}, "cidrs": ["127.0.0.0/8"], "forward": True}
        s = self.behind(shield(exemptions=[probe]), gate(enforcement="SHADOW"))
        with self.drives(s, {"http.plain.origin_shield.exempted": 1, "http.plain.header_certificate.unproven": 1}):
            self.with_headers(s, "cloudfront-viewer-cert-pem: " + cloudfront("viewer"), path="/healthz")
        with self.drives(s, {"http.plain.header_certificate.shadow_refused": 1}):
            self.with_headers(s, proof, "cloudfront-viewer-cert-pem: " + cloudfront("forger"))

    def test_limits(self):
        limit = {"stat_prefix": "limit", "token_bucket": {"max_tokens": 100, "fill_interval": "600s"}, "descriptors": [
            {"entries": [{"key": "k", "value": "v"}], "token_bucket": {"max_tokens": 1, "fill_interval": "600s"}, "shadow_mode": True}]}
        every = {"default_value": {"numerator": 100}}
        counted = route_to("o", "/", rate_limits=[{"actions": [{"generic_key": {"descriptor_key": "k", "descriptor_value": "v"}}]}])
        s = self.behind(envoy("local_ratelimit.v3.LocalRateLimit", filter_enabled=every, filter_enforced=every, **limit), routes=[counted])
        with self.drives(s, {"limit.http_local_rate_limit.shadow_mode": 1}):
            self.ask(s)
            self.ask(s)
        service = {"grpc_service": {"envoy_grpc": {"cluster_name": "rls"}}, "transport_api_version": "V3"}
        s = self.behind(envoy("ratelimit.v3.RateLimit", domain="d", failure_mode_deny=False, rate_limit_service=service), routes=[counted],
                        clusters=[cluster("rls", free_port(), http2=True)])
        with self.drives(s, {"cluster.o.ratelimit.error": 1, "cluster.o.ratelimit.failure_mode_allowed": 1}):
            self.ask(s)

    def test_pages(self):
        pages = ours("admin_pages.v1.AdminPages", allow_paths=[{"exact": "/ready"}])
        s = self.behind(pages)
        with self.drives(s, {"http.plain.admin_pages.answered": 1}):
            self.ask(s, "/ready")


class Hosts(Case):
    def test_files_of_secrets(self):
        d = work(f"sds-{time.time_ns()}")
        os.mkdir(d)
        path = os.path.join(d, "sds.json")
        kind = T + "envoy.extensions.transport_sockets.tls.v3.Secret"

        def write(text):
            with open(path + ".new", "w", encoding="utf-8") as f:
                f.write(text)
            os.rename(path + ".new", path)
        good = lambda name: resources(kind, secret("pair", name), version=name)
        write(good("server"))
        tls = {"name": "tls", "typed_config": {"@type": DOWNSTREAM, "common_tls_context": {"tls_certificate_sds_secret_configs": [
            {"name": "pair", "sds_config": source(path)}]}}}
        s = self.door(dict(config([door_of("plain", tls=tls)], []), node={"id": "n", "cluster": "c"}))
        self.shows(s, {"sds.pair.version": some, "sds.pair.update_time": some})
        with self.drives(s, {"sds.pair.update_attempt": 1, "sds.pair.update_success": 1}):
            write(good("other-server"))
        with self.drives(s, {"sds.pair.update_failure": 1}):
            write("nonsense")
        with self.drives(s, {"sds.pair.update_rejected": 1}):
            write(resources(kind, {"name": "pair", "nonsense": 1}))

    def test_subsets_and_zones(self):
        origins = [Scripted(), Scripted()]
        for o in origins:
            self.addCleanup(o.stop)
        meta = lambda v: {"metadata": {"filter_metadata": {"envoy.lb": {"v": v}}}}
        hosts = lambda *values: {"load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(origins[i].port)}, **meta(v)} for i, v in enumerate(values)]}]}}
        panic = {"lb_subset_config": {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"v": "gone"}, "panic_mode_any": True, "subset_selectors": [{"keys": ["v"]}]}}
        from live import Live
        port = free_port()
        conf = lambda *values: config([door_of("plain", [route_to("c", "/c", metadata_match={"filter_metadata": {"envoy.lb": {"v": "9"}}})], port=port)],
                                      [cluster("c", **hosts(*values), **panic)])
        s = self.door(conf("1", "2"), make=Live)
        with self.drives(s, {"cluster.c.lb_subsets_fallback_panic": 1}):
            self.ask(s, "/c")
        with self.drives(s, {"cluster.c.lb_subsets_removed": some}):
            s.change(conf("1"))

    def test_several_checks(self):
        scripted = Scripted()
        self.addCleanup(scripted.stop)
        well = Http([answer(200, x_envoy_upstream_healthchecked_cluster="svc", x_envoy_degraded="true")] * 9)
        self.addCleanup(well.stop)
        check = lambda name: {"name": name, "timeout": "60s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                              "http_health_check": {"path": "/", "service_name_matcher": {"exact": "svc"}}}
        at = [{"endpoint": {"address": address(scripted.port), "health_check_config": {"port_value": well.port}}}]
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", load_assignment={"cluster_name": "o", "endpoints": [{"lb_endpoints": at}]},
                                                                        health_checks=[check("one"), check("two")])]), wait=False)
        wait_for("it", s.is_ready)
        self.shows(s, {"cluster.o.health_check.name.one.verify_cluster": 1, "cluster.o.health_check.name.one.degraded": 1})
        with self.drives(s, {"cluster.o.health_check.name.two.passive_failure": 1}):
            self.with_headers(s, "x-do: 200+x-envoy-immediate-health-check-fail=true", "x-key: p")

    def test_origins(self):
        good = nginx_mtls()
        self.addCleanup(good.kill)
        context = upstream_tls(tls_params={"tls_maximum_protocol_version": "TLSv1_2"})
        once = {"typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": {"max_requests_per_connection": 1}}}}

        class Trailers(TcpOrigin):
            def serve(self, c):
                data = b""
                while len(data) < 60:
                    data += c.recv(65536)
                c.sendall(frame(4, 0, 0) + frame(1, 4, 1, b"\x88") + frame(0, 0, 1, b"abc") + frame(1, 5, 1, b"\0\3x-a\1b"))
                while c.recv(65536):
                    pass
        two = Trailers()
        self.addCleanup(two.stop)
        s = self.door(config([door_of("plain", [route_to("o", "/o", prefix_rewrite="/echo"), route_to("two", "/two")])], [
            cluster("o", good.port, tls=context, **once), cluster("two", two.port, http2=True)]))
        with self.drives(s, {"cluster.o.ssl.session_reused": 1}):
            self.ask(s, "/o")
            self.ask(s, "/o")
        with self.drives(s, {"cluster.two.http2.trailers": 1}):
            self.ask(s, "/two")

    def test_stale_hosts(self):
        o = Scripted()
        self.addCleanup(o.stop)
        path = work(f"stale-{time.time_ns()}.json")
        hosts = dict(cluster("c", o.port)["load_assignment"], policy={"endpoint_stale_after": f"{2 * SLOW}s"})

        def write():
            with open(path + ".new", "w", encoding="ascii") as f:
                f.write(resources(T + "envoy.config.endpoint.v3.ClusterLoadAssignment", hosts, version=str(time.time())))
            os.rename(path + ".new", path)
        write()
        eds = {"name": "c", "type": "EDS", "eds_cluster_config": {"eds_config": source(path)}}
        s = self.door(dict(config([door_of("plain", [route_to("c")])], [eds]), node={"id": "n", "cluster": "n"}))
        with self.drives(s, {"cluster.c.assignment_timeout_received": 1, "cluster.c.assignment_stale": 1}):
            write()
            time.sleep(2.5 * SLOW)
