# SPDX-License-Identifier: GPL-2.0-or-later
"""What is decided while a connection opens: PROXY protocol before TLS and HTTP, gates by SOCKET and PEER, limits."""
import json
import os
import time
import unittest

import proxied
from echo import Echo
from harness import (T, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, log_lines, log_to, raw, route_to, shield,
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


if __name__ == "__main__":
    unittest.main()
