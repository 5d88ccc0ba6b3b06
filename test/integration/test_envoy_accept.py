# SPDX-License-Identifier: GPL-2.0-or-later
"""What happens while a connection opens, beside a real Envoy: PROXY protocol, its counters, filter chains by what it names. Left out is
what is stricter here on purpose (docs/envoy-differences.md)."""
import json
import re
import unittest
import urllib.request

import proxied
import test_envoy
from echo import Echo
from harness import Sallyport, cluster, config, free_port, listener, log_lines, route_to
from test_accept import proxy_protocol


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class AcceptDifferential(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin = Echo()

    def tearDown(self):
        self.origin.stop()

    def both(self, conf, run, names="proxy_proto"):
        """run(port) with either; the counters of both whose names match."""
        results = []
        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport):
            s = make(test_envoy.set_port(conf, free_port()))
            try:
                result = run(s.port)
                with urllib.request.urlopen(f"http://127.0.0.1:{s.admin}/stats", timeout=10) as r:
                    stats = dict(re.findall(r"^(\S+): (\d+)$", r.read().decode(), re.M))
                stats = {k: v for k, v in stats.items() if re.search(names, k)}
                results.append((result, stats))
            finally:
                s.kill()
        self.assertEqual(results[0][0], results[1][0])
        return results[0][1], results[1][1]

    def ask(self, port, header):
        status, body = proxied.ask(port, header)
        return status, [h for h in json.loads(body)["headers"] if h[0].startswith("x-forwarded")] if status == 200 else None

    def test_proxy_protocol(self):
        headers = [proxied.v1("203.0.113.7"), proxied.v1("2001:db8::7", "2001:db8::1"), b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN a b c\r\n",
                   proxied.v2("203.0.113.7"), proxied.v2("2001:db8::7", "2001:db8::1"), proxied.LOCAL,
                   proxied.v2("203.0.113.7", command=0), proxied.v2("203.0.113.7", tlvs=b"\1\0\2h2"),
                   proxied.v2("203.0.113.7", checksum=0), proxied.v2("203.0.113.7", tlvs=b"\1\0\3h2"),
                   proxied.v2("203.0.113.7", command=2), proxied.v2("203.0.113.7", family=0x31), proxied.v2("203.0.113.7", family=0),
                   proxied.v2("0.0.0.0"), proxied.v2("203.0.113.7", "224.0.0.1"), proxied.v1("255.255.255.255"),
                   proxied.v1("203.0.113.7", "2001:db8::1"), b"PROXY TCP4 203.0.113.7 192.0.2.1 1\r\n", b"PROXY TCP4 1 2 3 4\r\n",
                   b"PROXY TCP4 203.0.113.7 192.0.2.1 1 65536\r\n", b"PROXY UDP4 203.0.113.7 192.0.2.1 1 2\r\n",
                   b""]
        for more in ({}, {"allow_requests_without_proxy_protocol": True}, {"disallowed_versions": ["V1"], "stat_prefix": "lb"},
                     {"disallowed_versions": ["V2"]}):
            with self.subTest(more):
                conf = config([listener(1, [route_to("o")], hcm={"use_remote_address": True}, listener_filters=[proxy_protocol(**more)])],
                              [cluster("o", self.origin.port)])
                # Envoy is looked at by connections without a byte while it starts; what those count is not compared.
                theirs, ours = self.both(conf, lambda port: [self.ask(port, h) for h in headers])
                wanted = {k: v for k, v in theirs.items() if "not_found" not in k and k != "downstream_cx_proxy_proto_error"}
                self.assertEqual(wanted, {k: v for k, v in ours.items() if k in wanted})
                self.assertEqual(set(theirs), set(ours))

    def test_chains(self):
        def chain(body, **match):
            c = listener(1, [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": body}}}])
            return dict(c["filter_chains"][0], filter_chain_match=match)
        cidr = lambda a, n: [{"address_prefix": a, "prefix_len": n}]
        door = dict(listener(1, []), listener_filters=[proxy_protocol()], filter_chains=[
            chain("port", destination_port=8443), chain("range", prefix_ranges=cidr("192.0.2.0", 24)),
            chain("source", source_prefix_ranges=cidr("203.0.113.0", 24)), chain("source port", source_ports=[7]),
            chain("direct", direct_source_prefix_ranges=cidr("203.0.113.0", 24)), chain("rest")])
        headers = [proxied.v1("198.51.100.1", "198.51.100.2", (1, 8443)), proxied.v2("198.51.100.1", "192.0.2.9", (1, 2)),
                   proxied.v2("203.0.113.1", "198.51.100.2", (1, 2)), proxied.v2("198.51.100.1", "198.51.100.2", (7, 2)),
                   proxied.v2("198.51.100.1", "198.51.100.2", (1, 2)), proxied.LOCAL, proxied.v2("203.0.113.1", "192.0.2.9", (7, 8443))]
        self.both(config([door], []), lambda port: [proxied.ask(port, h) for h in headers])


    def hold(self, port, n):
        """n connections that stay: what each was answered."""
        held, served = [], []
        for _ in range(n):
            try:
                s = proxied.connect(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                held.append(s)
                served.append(s.recv(100)[:12])
            except ConnectionError:
                served.append(b"")
        for s in held:
            s.close()
        return served

    def test_limits(self):
        for layer in ({"envoy": {"resource_limits": {"listener": {"door": {"connection_limit": 3}}}}},
                      {"overload.global_downstream_max_connections": 1000, "envoy.resource_limits.listener.door.connection_limit": 2}):
            with self.subTest(layer):
                conf = dict(config([listener(1, [route_to("o")])], [cluster("o", self.origin.port)]),
                            layered_runtime={"layers": [{"name": "l", "static_layer": layer}]})
                theirs, ours = self.both(conf, lambda port: self.hold(port, 5), "downstream_(global_)?cx_overflow")
                self.assertEqual({re.sub(r"_\d+\.", ".", k): v for k, v in theirs.items() if v != "0"},
                                 {re.sub(r"_\d+\.", ".", k): v for k, v in ours.items() if v != "0"})

    def test_limit_of_a_chain(self):
        """Three that stay, of which two may. (Envoy opens the third and closes it at once; here it is reset.)"""
        door = listener(1, [route_to("o")])
        door["filter_chains"][0]["filters"].insert(0, {"name": "limit", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
            "stat_prefix": "few", "max_connections": 2}})
        theirs, ours = self.both(config([door], [cluster("o", self.origin.port)]), lambda port: self.hold(port, 3),
                                 "^connection_limit.few.limited")
        self.assertEqual(theirs, {"connection_limit.few.limited_connections": "1"})
        self.assertEqual(theirs, ours)

    def test_limit_of_a_time(self):
        """Those that the bucket has a token for, and no more. (Both are looked at by connections while they start, which take some.)"""
        door = listener(1, [route_to("o")], listener_filters=[{"name": "rate", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "new",
            "token_bucket": {"max_tokens": 30, "fill_interval": "3600s"}}}])
        def run(port):
            served = self.hold(port, 40)
            n = served.count(b"HTTP/1.1 200")
            self.assertTrue(10 < n <= 30, served)
            return served == [b"HTTP/1.1 200"] * n + [b""] * (40 - n)
        theirs, ours = self.both(config([door], [cluster("o", self.origin.port)]), run, "^listener_local_ratelimit")
        self.assertEqual(set(theirs), set(ours))
        self.assertTrue(all(int(s["listener_local_ratelimit.new.rate_limited"]) >= 10 for s in (theirs, ours)))


if __name__ == "__main__":
    unittest.main()
