# SPDX-License-Identifier: GPL-2.0-or-later
"""What is decided while a connection opens: PROXY protocol before TLS and HTTP, gates by SOCKET and PEER, limits."""
import http.client
import json
import time
import unittest

import proxied
from echo import Echo
from harness import (SECRET, T, Sallyport, cluster, config, curl, downstream_tls, free_port, ip_restriction, listener, log_lines, log_to, raw, route_to, shield,
                     wait_for, work)

INSPECTOR = {"name": "tls_inspector", "typed_config": {
    "@type": T + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}


def proxy_protocol(**more):
    return {"name": "proxy_protocol", "typed_config": {
        "@type": T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol", **more}}


def gate(**more):
    return {"name": "ip_restriction", "typed_config": {
        "@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction", **more}}


class Accept(unittest.TestCase):
    def setUp(self):
        self.origin, self.doors = Echo(), []

    def tearDown(self):
        for d in self.doors:
            d.kill()
        self.origin.stop()

    def door(self, *listeners, **more):
        self.doors.append(Sallyport(dict(config(list(listeners), [cluster("o", self.origin.port)]), **more)))
        return self.doors[-1]

    def listener(self, *filters, **more):
        return listener(free_port(), [route_to("o")], listener_filters=list(filters), **more)


class ProxyProtocol(Accept):
    def headers(self, answer):
        self.assertEqual(answer[0], 200, answer)
        return dict(json.loads(answer[1])["headers"])

    def test_plain(self):
        log = work("proxy.log")
        d = self.door(self.listener(proxy_protocol(), hcm={"use_remote_address": True, "access_log": log_to(log)}))
        for header in (proxied.v1("203.0.113.7"), proxied.v2("203.0.113.7", checksum=0, tlvs=b"\x01\0\2h2"),
                       proxied.v2("::ffff:203.0.113.7", "::ffff:192.0.2.1")):
            self.assertEqual(self.headers(proxied.ask(d.port, header))["x-forwarded-for"], "203.0.113.7")
        self.assertEqual(self.headers(proxied.ask(d.port, proxied.v1("2001:db8::7", "2001:db8::1")))["x-forwarded-for"], "2001:db8::7")
        self.headers(proxied.ask(d.port, proxied.LOCAL))
        for header in (b"", b"PROXY TCP4 a b c d\r\n", proxied.v2("203.0.113.7", checksum=1), proxied.v2("203.0.113.7", family=0x31),
                       proxied.v2("203.0.113.7", tlvs=b"\1\0\xff")):
            self.assertEqual(proxied.ask(d.port, header), (0, b""), header)
        lines = wait_for("the log", lambda: len(log_lines(log)) >= 5 and log_lines(log))
        self.assertEqual(sorted((x["peer"], x["client"]) for x in lines), sorted([("127.0.0.1", "203.0.113.7")] * 3 + [
            ("127.0.0.1", "2001:db8::7"), ("127.0.0.1", "127.0.0.1")]))
        stats = d.stats()
        self.assertEqual([stats["proxy_proto.versions.v1.found"], stats["proxy_proto.versions.v2.found"],
                          stats["proxy_proto.versions.v1.error"], stats["proxy_proto.versions.v2.error"],
                          stats["proxy_proto.not_found_disallowed"]], [2, 3, 1, 3, 1])

    def test_curl_speaks_it(self):
        d = self.door(self.listener(proxy_protocol()))
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/", "--haproxy-protocol").status, 200)
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/", "--haproxy-protocol", "--http2-prior-knowledge").status, 200)
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 0)
        self.assertEqual(d.stat("proxy_proto.versions.v1.found"), 2)

    def test_before_tls(self):
        d = self.door(self.listener(gate(allow=["127.0.0.0/8"]), proxy_protocol(), INSPECTOR, tls=downstream_tls(),
                                    hcm={"use_remote_address": True}))
        header = proxied.v2("203.0.113.7")
        self.assertEqual(self.headers(proxied.ask(d.port, header, tls=True))["x-forwarded-for"], "203.0.113.7")
        a = curl(f"https://localhost:{d.port}/", "--haproxy-protocol", "--http2")
        self.assertEqual((a.status, a.version), (200, "2"), a)
        self.assertEqual(proxied.ask(d.port, b"", tls=True)[0], 0)
        self.assertEqual(proxied.ask(d.port, header + header, tls=True)[0], 0)  # one header, then TLS

    def test_gates_see_their_address(self):
        d = self.door(self.listener(gate(allow=["127.0.0.0/30"]), proxy_protocol(), gate(allow=["203.0.113.0/24"], deny=["203.0.113.9"]),
                                    tls=downstream_tls()))
        ask = lambda header, **more: proxied.ask(d.port, header, tls=True, **more)[0]
        self.assertEqual(ask(proxied.v1("203.0.113.7")), 200)
        self.assertEqual(ask(proxied.v1("203.0.113.9")), 0)
        self.assertEqual(ask(proxied.v1("127.0.0.1")), 0)
        self.assertEqual(ask(proxied.LOCAL), 0)  # the load balancer itself is no client
        self.assertEqual(ask(proxied.v1("203.0.113.7"), source="127.0.0.9"), 0)
        self.assertEqual(d.stat("listener.127.0.0.1_%d.ip_restriction.denied" % d.port), 4)

    def test_forger_without_the_load_balancer(self):
        """PEER is the load balancer's word: who is not one cannot speak at all."""
        d = self.door(self.listener(gate(allow=["127.0.0.2"]), proxy_protocol(allow_requests_without_proxy_protocol=True)))
        self.assertEqual(proxied.ask(d.port, proxied.v1("203.0.113.7"))[0], 0)
        self.assertEqual(proxied.ask(d.port, proxied.v1("203.0.113.7"), source="127.0.0.2")[0], 200)
        self.assertEqual(proxied.ask(d.port, b"", source="127.0.0.2")[0], 200)
        d.kill()
        d = self.door(self.listener(proxy_protocol(allow_requests_without_proxy_protocol=True)))
        self.assertIn("may name any PEER", d.log())

    def test_http_gates_by_source(self):
        """The same list by SOCKET, by PEER and by CLIENT: three addresses, never mixed."""
        for source, admitted in (("SOCKET", ["127.0.0.1"]), ("PEER", ["203.0.113.7"]), ("CLIENT", ["198.51.100.9"])):
            d = self.door(self.listener(proxy_protocol(), filters=[ip_restriction(source=source, allow=admitted)],
                                        hcm={"use_remote_address": True, "xff_num_trusted_hops": 1}))
            ask = lambda peer, client: proxied.ask(d.port, proxied.v2(peer), f"x-forwarded-for: {client}")[0]
            self.assertEqual(ask("203.0.113.7", "198.51.100.9"), 200)
            self.assertEqual(ask("203.0.113.8", "198.51.100.9"), 403 if source == "PEER" else 200)
            self.assertEqual(ask("203.0.113.7", "198.51.100.8"), 403 if source == "CLIENT" else 200)
            self.assertEqual(ask("127.0.0.1", "127.0.0.1"), 200 if source == "SOCKET" else 403)

    def test_no_flood_of_log_lines(self):
        d = self.door(self.listener(gate(deny=["127.0.0.9"]), proxy_protocol()))
        for _ in range(100):
            self.assertEqual(proxied.ask(d.port, b"", source="127.0.0.9")[0], 0)
            self.assertEqual(proxied.ask(d.port, b"x")[0], 0)
        stats = d.stats()
        self.assertEqual((stats["listener.127.0.0.1_%d.ip_restriction.denied" % d.port], stats["proxy_proto.not_found_disallowed"]), (100, 100))
        # Five a second and site; the loop takes no ten seconds.
        self.assertLess(d.log().count("ip_restriction denied"), 60)
        self.assertLess(d.log().count("PROXY protocol: no header"), 60)

    def test_refused_where_it_is_not_spoken(self):
        d = self.door(self.listener())
        self.assertEqual(proxied.ask(d.port, proxied.v1("203.0.113.7"))[0], 400)
        self.assertIn(proxied.ask(d.port, proxied.v2("203.0.113.7"))[0], (0, 400))
        self.assertEqual(self.origin.seen, 0)

    def test_silence(self):
        d = self.door(self.listener(proxy_protocol(), listener_filters_timeout="0.3s"))
        begin = time.time()
        self.assertEqual(raw(d.port, b"PROXY TCP4 203"), b"")
        self.assertGreater(time.time() - begin, 0.2)
        self.assertEqual(d.stat("listener.127.0.0.1_%d.downstream_pre_cx_timeout" % d.port), 1)


class Limits(Accept):
    """Connections over a limit are reset, counted, and make no flood of log lines; who is inside is served on."""

    def get(self, connection):
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            return answer.status == 200 and len(answer.read()) > 0
        except ConnectionError:
            return False

    def open(self, port, n):
        held, served = [], []
        for _ in range(n):
            held.append(http.client.HTTPConnection("127.0.0.1", port, timeout=10))
            served.append(self.get(held[-1]))
        return held, served

    def layers(self, **layer):
        return {"layered_runtime": {"layers": [{"name": "limits", "static_layer": layer}]}}

    def test_of_a_listener(self):
        d = self.door(self.listener(name="one"), self.listener(name="two"),
                      **self.layers(**{"envoy.resource_limits.listener.one.connection_limit": 3}))
        held, served = self.open(d.port, 3)
        self.assertEqual(served, [True] * 3)
        more, served = self.open(d.port, 20)
        self.assertEqual(served, [False] * 20)
        name = "listener.127.0.0.1_%d." % d.port
        self.assertEqual(d.stat(name + "downstream_cx_overflow"), 20)
        self.assertLessEqual(d.log().count("3 connections: new clients are refused"), 4)
        self.assertTrue(self.get(held[0]))
        held.pop().close()
        wait_for("the place", lambda: proxied.ask(d.port, b"")[0] == 200)
        for s in held + more:
            s.close()

    def test_of_a_time(self):
        rate = lambda **more: {"name": "rate", "typed_config": {
            "@type": T + "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "new",
            "token_bucket": {"max_tokens": 1000, "fill_interval": "3600s"}, **more}}
        few = {"max_tokens": 2, "fill_interval": "3600s"}
        d = self.door(self.listener(rate(token_bucket=few, runtime_enabled={"default_value": False, "runtime_key": "off"})))
        self.assertEqual([proxied.ask(d.port, b"")[0] for _ in range(5)], [200] * 5)
        # What the gate before it refuses takes no token.
        door = self.listener(rate(token_bucket=few), gate(allow=["127.0.0.1/32"]))
        d = self.door(door)
        refused = lambda: d.stat("listener_local_ratelimit.new.rate_limited")
        self.assertEqual([proxied.ask(d.port, b"", source="127.0.0.2")[0] for _ in range(4)] + [refused()], [0, 0, 0, 0, 0])
        self.assertEqual([proxied.ask(d.port, b"")[0] for _ in range(4)], [200, 200, 0, 0])
        self.assertEqual(refused(), 2)
        self.assertIn("more new connections than its local_ratelimit lets in", d.log())

    def test_of_a_filter_chain(self):
        limit = {"name": "limit", "typed_config": {"@type": T + "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
                                                   "stat_prefix": "few", "max_connections": 2}}
        one = self.listener(proxy_protocol())
        rest = {"filters": list(one["filter_chains"][0]["filters"]), "filter_chain_match": {"destination_port": 81}}
        one["filter_chains"] = [{"filters": [limit, *rest["filters"]], "filter_chain_match": {"destination_port": 80}}, rest]
        d = self.door(one)
        hold = lambda port: proxied.connect(d.port, proxied.v1("203.0.113.7", ports=(1, port)) + b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        held = [hold(80) for _ in range(2)]
        for s in held:
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))
        ask = lambda port: proxied.ask(d.port, proxied.v1("203.0.113.7", ports=(1, port)))[0]
        self.assertEqual((ask(80), ask(80), ask(81)), (0, 0, 200))
        stats = d.stats()
        self.assertEqual((stats["connection_limit.few.limited_connections"], stats["connection_limit.few.active_connections"]), (2, 2))
        held.pop().close()
        wait_for("the place", lambda: ask(80) == 200)
        held.pop().close()
        wait_for("all of them", lambda: d.stat("connection_limit.few.active_connections") == 0)

    def test_of_all(self):
        one, two = self.listener(name="one"), self.listener(name="two")
        d = self.door(one, two, **self.layers(overload={"global_downstream_max_connections": 2}))
        other = two["address"]["socket_address"]["port_value"]
        held, served = self.open(d.port, 2)
        self.assertEqual(served, [True] * 2)
        self.assertEqual(self.open(other, 1)[1], [False])
        self.assertEqual(d.stat("listener.127.0.0.1_%d.downstream_global_cx_overflow" % other), 1)
        self.assertEqual(d.get("/ready")[0], 200)  # the admin page is not behind the limit
        for s in held:
            s.close()
        wait_for("the place", lambda: proxied.ask(other, b"")[0] == 200)


class NoRoute(Accept):
    def edge(self, **no_route):
        return {"bootstrap_extensions": [{"name": "edge", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge",
                                                                          "no_route": no_route}}]}

    def routes(self, **more):
        return listener(free_port(), [route_to("o", "/app")], domains=["a.test"], **more)

    def get(self, d, path, *args, host="a.test"):
        a = curl(f"http://127.0.0.1:{d.port}{path}", "-H", f"host: {host}", *args)
        return a.status

    def test_default(self):
        d = self.door(self.routes())
        self.assertEqual((self.get(d, "/app"), self.get(d, "/admin"), self.get(d, "/app", host="b.test")), (200, 404, 404))

    def test_status(self):
        log = work("no-route.log")
        d = self.door(self.routes(hcm={"access_log": log_to(log)}), **self.edge(status=421))
        self.assertEqual((self.get(d, "/app"), self.get(d, "/admin"), self.get(d, "/app", host="b.test")), (200, 421, 421))
        lines = wait_for("the log", lambda: len(log_lines(log)) == 3 and log_lines(log))
        self.assertEqual(sorted((x["status"], x["details"], x["flags"]) for x in lines)[1:], [(421, "route_not_found", "NR")] * 2)

    def test_reset(self):
        log = work("no-route-reset.log")
        d = self.door(self.routes(filters=[shield()], hcm={"access_log": log_to(log)}), **self.edge(reset=True))
        proof = ["-H", "x-origin-verify: " + SECRET]
        for version in ("--http1.1", "--http2-prior-knowledge"):
            self.assertEqual(self.get(d, "/app", version, *proof), 200)
            self.assertEqual(self.get(d, "/admin", version, *proof), 0)
            self.assertEqual(self.get(d, "/app", version, *proof, host="b.test"), 0)
            self.assertEqual(self.get(d, "/admin", version), 403)  # gates come first: a stranger learns nothing of routes
        lines = wait_for("the log", lambda: len(log_lines(log)) == 8 and log_lines(log))
        self.assertEqual(sum(x["details"] == "route_not_found" and x["flags"] == "NR" for x in lines), 4)
        self.assertEqual(d.stat("http.test.no_route"), 4)


class Misdirected(unittest.TestCase):
    """Behind the server name of one filter chain, with the Host of another."""

    def door(self, on, rest=True):
        port, log = free_port(), work(f"misdirected-{time.time_ns()}.log")
        chains = []
        for name in ("a", "b", "wild", "rest"):
            routes = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": name}}}]
            gates = [shield(proof={"secret_header": {"secrets": [{"name": "s", "value": {"inline_string": SECRET}}]}})] if name == "wild" else []
            one = listener(port, routes, gates, downstream_tls(), hcm={"access_log": log_to(log)})
            chains.append(dict(one["filter_chains"][0], name=name))
        for c, names in zip(chains, (["a.test"], ["b.test"], ["*.wild.test"])):
            c["filter_chain_match"] = {"server_names": names}
        one["filter_chains"], fallback = chains[:3], chains[3]
        if rest:
            one["default_filter_chain"] = fallback
        conf = config([one], [])
        if on:
            conf["bootstrap_extensions"] = [{"name": "edge", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "answer_misdirected": True}}]
        d = Sallyport(conf)
        self.addCleanup(d.kill)
        self.log = log
        return d

    def ask(self, d, sni, host, *args):
        a = curl(f"https://{sni}:{d.port}/", "-k", "--connect-to", f"{sni}:{d.port}:127.0.0.1:{d.port}", "-H", f"host: {host}", *args)
        return a.body.decode() if a.status == 200 else a.status

    def test_answers(self):
        d = self.door(True)
        for version in ("--http1.1", "--http2"):
            ask = lambda *args, version=version: self.ask(d, *args, version)
            for sni, host, want in (("a.test", "a.test", "a"), ("b.test", "b.test:443", "b"), ("a.test", "A.test.", "a"), ("a.test", "b.test", 421),
                                    ("a.test", "B.TEST:8443", 421), ("b.test", "a.test", 421), ("a.test", "x.wild.test", 421),
                                    ("a.test", "other.test", 421), ("other.test", "other.test", "rest"), ("other.test", "another.test", "rest"),
                                    ("127.0.0.1", "b.test", 421), ("127.0.0.1", "127.0.0.1:1", "rest"), ("127.0.0.1", "nobody.test", "rest"),
                                    ("a.test", "127.0.0.1", 421), ("a.test", "[::1]:443", 421), ("a.test", "x" * 300 + ".test", "a")):
                self.assertEqual(ask(sni, host), want, (version, sni, host))
            # Its gates answer first.
            self.assertEqual(ask("x.wild.test", "a.test"), 403)
            self.assertEqual(ask("x.wild.test", "y.wild.test", "-H", f"x-origin-verify: {SECRET}"), "wild")
            self.assertEqual(ask("x.wild.test", "a.test", "-H", f"x-origin-verify: {SECRET}"), 421)
        counted = d.stat("http.test.downstream_rq_misdirected")
        self.assertEqual(counted, 18)
        lines = wait_for("the log", lambda: len([x for x in log_lines(self.log) if x["status"] == 421]) == counted and log_lines(self.log))
        self.assertEqual({x["details"] for x in lines if x["status"] == 421}, {"misdirected_request"})

    def test_where_no_chain_has_the_host(self):
        d = self.door(True, rest=False)
        self.assertEqual([self.ask(d, "a.test", h) for h in ("a.test", "other.test", "b.test")], ["a", "a", 421])

    def test_off(self):
        d = self.door(False)
        self.assertEqual([self.ask(d, "a.test", h) for h in ("b.test", "x.wild.test", "other.test")], ["a"] * 3)
        self.assertEqual(d.stat("http.test.downstream_rq_misdirected"), 0)


if __name__ == "__main__":
    unittest.main()
