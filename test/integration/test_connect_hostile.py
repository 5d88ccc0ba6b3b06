# SPDX-License-Identifier: GPL-2.0-or-later
"""CONNECT and those who mean harm: many tunnels, heads that never end, filters that look for a path where there is none."""
import socket
import time
import unittest

from harness import SECRET, SLOW, T, Sallyport, cluster, jwt_filter, shield, wait_for, work
from tunnel import BOTH, H2Tunnel, Origin, Script, connect_route, door_config

ENVOY = T + "envoy.extensions.filters.http."


class Hostile(unittest.TestCase):
    def tearDown(self):
        self.assertEqual(self.door.stop(), 0, self.door.log())
        for o in self.origins:
            o.stop()

    def all_quiet(self):
        """Nothing is held of what was: streams, tunnels, connections to origins."""
        for name in ("http.test.downstream_cx_upgrades_active", "http.test.downstream_rq_active", "cluster.o.upstream_rq_active"):
            wait_for(name, lambda n=name: self.door.stat(n) == 0, 20)

    def test_many_tunnels_on_one_connection(self):
        """A client's streams beside each other: one that nobody reads does not stall the next, and all end with the connection."""
        self.origins = [Origin("echo"), Origin("pour")]
        self.door = Sallyport(door_config([connect_route("p", match={"headers": [{"name": "pour", "present_match": True}]}), connect_route("o")],
                                          cluster("o", self.origins[0].port), cluster("p", self.origins[1].port)))
        t = H2Tunnel(self.door.port, headers=[("pour", "1")])
        self.assertEqual(t.answer(), 200)
        before = self.door.rss()
        ids = []
        for _ in range(60):
            i = t.h2.get_next_available_stream_id()
            t.h2.send_headers(i, [(b":method", b"CONNECT"), (b":authority", b"a.test:1")])
            t.h2.send_data(i, b"x" * 100)
            ids.append(i)
        t.flush()
        wait_for("all of them", lambda: self.door.stat("cluster.o.upstream_cx_active") == 60)
        self.assertLess(self.door.rss() - before, (32 << 20) * SLOW)
        t.close()
        self.all_quiet()
        wait_for("the pouring one", lambda: self.door.stat("cluster.p.upstream_rq_active") == 0)

    def test_an_answer_that_trickles_or_never_ends(self):
        """Heads of origins, and of clients, have their limits as ever."""
        class Endless(Script):
            def serve(self, c):
                self.head(c, b"")
                c.sendall(b"HTTP/1.1 200 OK\r\n")
                while True:
                    c.sendall(b"x-a: " + b"b" * 8000 + b"\r\n")
        class Chatty(Script):
            def serve(self, c):
                self.head(c, b"")
                while True:
                    c.sendall(b"HTTP/1.1 103 E\r\n\r\n")
        self.origins = [Endless(b""), Chatty(b"")]
        for o in self.origins:
            self.door = Sallyport(door_config([connect_route("o", ends=False)], cluster("o", o.port)))
            for client in BOTH:
                t = client(self.door.port)
                self.assertIn(t.answer(), (502, 503, 103))
                self.assertTrue(t.over() or t.status != 200)
                t.close()
            self.all_quiet()
            if o is not self.origins[-1]:
                self.assertEqual(self.door.stop(), 0)

    def test_slow_heads(self):
        self.origins = [Origin()]
        self.door = Sallyport(door_config([connect_route("o")], cluster("o", self.origins[0].port), hcm={"request_headers_timeout": "1s"}))
        s = socket.create_connection(("127.0.0.1", self.door.port))
        s.settimeout(10 * SLOW)
        s.sendall(b"CONNECT a.test:443 HT")
        self.assertIn(b" 408 ", s.recv(4096))
        s.close()
        self.assertEqual(self.origins[0].got, [])

    def test_filters_without_a_path(self):
        """There is none, whatever they go by: they refuse, or let it pass, and live."""
        self.origins = [Origin()]
        log = work(f"hostile-{time.time_ns()}.log")
        text = "%REQ(:PATH)% %PATH(NQ)% %PATH(WQ:ORIG)% %REQ_WITHOUT_QUERY(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %UPSTREAM_PROTOCOL% %PROTOCOL%\n"
        logs = [{"name": "f", "typed_config": {"@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
                                               "log_format": {"text_format_source": {"inline_string": text}}}}]
        f = lambda kind, **fields: {"name": "f", "typed_config": {"@type": ENVOY + kind, **fields}}
        jwt = jwt_filter(from_params=["t"])
        token = jwt_filter(from_params=["t"])
        token["typed_config"]["rules"] = [{"match": {"connect_matcher": {}}, "requires": {"provider_name": "test"}}]
        path = {"path": {"prefix": "/"}}
        rule = lambda action, permission: f("rbac.v3.RBAC", rules={"action": action, "policies": {"p": {"permissions": [permission], "principals": [{"any": True}]}}})
        g2o = {"name": "shield", "typed_config": {"@type": T + "sallyport.filters.http.origin_shield.v1.OriginShield", "proof": {"akamai_g2o": {
            "keys": [{"nonce": "k", "secret": {"inline_string": SECRET}}]}}}}
        cases = {
            "jwt_authn by path, as in Envoy": (jwt, 200), "jwt_authn for CONNECT": (token, 401),
            "rbac that allows paths": (rule("ALLOW", {"url_path": path}), 403), "rbac that denies paths": (rule("DENY", {"url_path": path}), 200),
            "rbac by a header": (rule("ALLOW", {"header": {"name": ":path", "string_match": {"prefix": "/"}}}), 403),
            "rbac by method": (rule("ALLOW", {"header": {"name": ":method", "string_match": {"exact": "CONNECT"}}}), 200),
            "csrf": (f("csrf.v3.CsrfPolicy", filter_enabled={"default_value": {"numerator": 100}}), 200),
            "cors": (f("cors.v3.Cors"), 200), "compressor": (f("compressor.v3.Compressor", compressor_library={"name": "g", "typed_config": {
                "@type": T + "envoy.extensions.compression.gzip.compressor.v3.Gzip"}}), 200),
            "api_key_auth": (f("api_key_auth.v3.ApiKeyAuth", credentials=[{"key": "k", "client": "c"}], key_sources=[{"query": "key"}]), 401),
            "basic_auth": (f("basic_auth.v3.BasicAuth", users={"inline_string": "u:{SHA}2kuSN7rMzfGcB2DKt67EqDWQELA="}), 401),
            "cdn_loop": (f("cdn_loop.v3.CdnLoopConfig", cdn_id="door.test"), 200),
            "health_check": (f("health_check.v3.HealthCheck", pass_through_mode=False, headers=[{"name": ":path", "string_match": {"prefix": "/"}}]), 200),
            "health_check for all": (f("health_check.v3.HealthCheck", pass_through_mode=False, headers=[{"name": ":method", "string_match": {
                "exact": "CONNECT"}}]), 502),
            "header_mutation": (f("header_mutation.v3.HeaderMutation", mutations={"query_parameter_mutations": [
                {"append": {"record": {"key": "a", "value": "b"}}}]}), 200),
            "local_ratelimit": (f("local_ratelimit.v3.LocalRateLimit", stat_prefix="l", token_bucket={"max_tokens": 100, "fill_interval": "1s"},
                                  filter_enabled={"default_value": {"numerator": 100}}, filter_enforced={"default_value": {"numerator": 100}}), 200),
            "buffer": (f("buffer.v3.Buffer", max_request_bytes=1000), None), "origin_shield": (shield(), 403), "g2o": (g2o, 403),
        }
        limits = [{"actions": [{"request_headers": {"header_name": ":path", "descriptor_key": "p"}}, {"query_parameters": {
            "query_parameter_name": "q", "descriptor_key": "q"}}]}]
        hashes = [{"query_parameter": {"name": "q"}}, {"header": {"header_name": ":path"}}]
        for name, (filt, want) in cases.items():
            with self.subTest(name):
                if hasattr(self, "door"):
                    self.assertEqual(self.door.stop(), 0, self.door.log())
                self.door = Sallyport(door_config([connect_route("o", rate_limits=limits, hash_policy=hashes)], cluster("o", self.origins[0].port, lb_policy="MAGLEV"),
                                                  filters=[filt], hcm={"access_log": logs, "normalize_path": True, "merge_slashes": True}))
                for client in BOTH:
                    t = client(self.door.port)
                    if want is None:  # waits for a body to end, which a tunnel's does not
                        t.send(b"x", end=client is H2Tunnel)
                        self.assertEqual(t.answer() if client is H2Tunnel else t.more(0.5), 200 if client is H2Tunnel else False)
                    else:
                        self.assertEqual(t.answer(), want)
                    t.close()
                self.all_quiet()
        self.assertIn("- - - - - - HTTP/", open(log, encoding="ascii").read())


if __name__ == "__main__":
    unittest.main()
