# SPDX-License-Identifier: GPL-2.0-or-later
"""How origins are spoken to: versions by ALPN and by config, limits that an origin changes, 1xx, Expect, CONNECT, connections ahead."""
import http.client
import os
import re
import socket
import threading
import time
import unittest

import h2.config
import h2.connection
import h2.events
import h2.settings

import test_envoy
from echo import Echo
from harness import SLOW, T, Nghttpd, Nginx, Sallyport, cert, cluster, config, curl, free_port, listener, raw, route_to, upstream_tls, work
from tcp_origin import TcpOrigin

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def options(**fields):
    return {"typed_extension_protocol_options": {OPTIONS: {"@type": T + OPTIONS, **fields}}}


class H2Client:
    """One request on a connection of its own: its heads, 1xx too, or what else came of it."""

    def __init__(self, port, headers, end=True):
        self.s = socket.create_connection(("127.0.0.1", port))
        self.s.settimeout(10 * SLOW)
        self.c = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="ascii", validate_outbound_headers=False,
                                                                      normalize_outbound_headers=False))
        self.heads, self.reset, self.ended = [], None, False
        self.c.initiate_connection()
        self.c.send_headers(1, headers, end_stream=end)
        self.flush()

    def flush(self):
        self.s.sendall(self.c.data_to_send())

    def until(self, done):
        while not done():
            data = self.s.recv(65536)
            if not data:
                return self
            for e in self.c.receive_data(data):
                if isinstance(e, (h2.events.ResponseReceived, h2.events.InformationalResponseReceived)):
                    self.heads.append(dict(e.headers))
                elif isinstance(e, h2.events.StreamReset):
                    self.reset = e.error_code
                elif isinstance(e, h2.events.StreamEnded):
                    self.ended = True
            self.flush()
        return self

    def whole(self):
        return self.until(lambda: self.ended or self.reset is not None)

    def statuses(self):
        return [h[":status"] for h in self.heads]


class Script(TcpOrigin):
    """An HTTP/1.1 origin: answers each head with `early`, then, once its body is there, with `last`."""

    def __init__(self, early, last=b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"):
        self.early, self.last, self.heads = early, last, []
        super().__init__()

    def serve(self, c):
        data = b""
        while True:
            head, data = self.head(c, data)
            if head is None:
                return
            self.heads.append(head.lower())
            c.sendall(self.early)
            if self.early.startswith(b"HTTP/1.1 4"):
                return
            while b"content-length: 3" in head.lower() and len(data) < 3:
                data += c.recv(4096)
            data = data[3:] if b"content-length: 3" in head.lower() else data
            c.sendall(self.last)


class H2Origin(TcpOrigin):
    """An HTTP/2 origin that answers after a while and says how many streams it takes at once; `over` counts those beyond that."""

    def __init__(self, most, wait=0.05):
        self.most, self.wait, self.over, self.done, self.broken = most, wait, 0, 0, []
        self.lock = threading.Lock()
        super().__init__()

    def serve(self, sock):
        c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        c.initiate_connection()
        said, acknowledged, due = None, None, []
        sock.settimeout(0.005)
        open_here = set()
        try:
            while True:
                sock.sendall(c.data_to_send())
                if said != self.most:
                    said = self.most
                    c.update_settings({h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS: said})
                try:
                    data = sock.recv(65536)
                    if not data:
                        return
                    for e in c.receive_data(data):
                        if isinstance(e, h2.events.SettingsAcknowledged) and h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS in e.changed_settings:
                            acknowledged = e.changed_settings[h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS].new_value
                        if isinstance(e, h2.events.RequestReceived):
                            open_here.add(e.stream_id)
                            due.append((time.time() + self.wait, e.stream_id))
                            with self.lock:
                                self.over += acknowledged is not None and len(open_here) > acknowledged
                except socket.timeout:
                    pass
                while due and due[0][0] <= time.time():
                    stream = due.pop(0)[1]
                    c.send_headers(stream, [(":status", "200")], end_stream=True)
                    open_here.discard(stream)
                    with self.lock:
                        self.done += 1
        except h2.exceptions.ProtocolError as e:
            self.broken.append(f"{type(e).__name__}: {e}")  # of the door, or of this program


class Upstreams(unittest.TestCase):
    maxDiff = None

    def door(self, *clusters, routes=None, make=Sallyport, **more):
        d = make(config([listener(free_port(), routes or [route_to("o")], **more)], list(clusters)))
        self.addCleanup(d.kill)
        return d

    def keep(self, origin):
        self.addCleanup(origin.stop if hasattr(origin, "stop") and not hasattr(origin, "p") else origin.kill)
        return origin

    def get(self, d, path="/", *args, **kw):
        return curl(f"http://127.0.0.1:{d.port}{path}", *args, **kw)

    # --- versions

    def tls_origins(self):
        chain, key = cert("origin")
        one = self.keep(Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; "
                              "location / { return 200 '$server_protocol'; }"))
        root = work(f"h2-{time.time_ns()}")
        os.mkdir(root)
        with open(os.path.join(root, "index.html"), "w", encoding="ascii") as f:
            f.write("HTTP/2 only")
        return one, self.keep(Nghttpd(root, True))

    def test_alpn(self):
        """By host: one that has HTTP/1.1 only and one that has HTTP/2 only, in one cluster."""
        one, two = self.tls_origins()
        d = self.door(cluster("o", one.port, two.port, tls=upstream_tls(client=None), **options(auto_config={"http2_protocol_options": {}})))
        self.assertEqual({self.get(d).body for _ in range(8)}, {b"HTTP/1.1", b"HTTP/2 only"})
        self.assertGreaterEqual(min(d.stat("cluster.o.upstream_cx_http1_total"), d.stat("cluster.o.upstream_cx_http2_total")), 1)

    def test_explicit(self):
        """The other version is not fallen back to."""
        one, two = self.tls_origins()
        for port, http2, want in ((one.port, False, 200), (one.port, True, 503), (two.port, True, 200), (two.port, False, 503)):
            with self.subTest(f"{port} {http2}"):
                d = self.door(cluster("o", port, tls=upstream_tls(client=None), http2=http2))
                self.assertEqual(self.get(d).status, want)

    def test_as_the_client(self):
        one, two = self.tls_origins()
        down = options(use_downstream_protocol_config={"http_protocol_options": {}, "http2_protocol_options": {}})
        d = self.door(cluster("one", one.port, tls=upstream_tls(client=None), **down), cluster("two", two.port, tls=upstream_tls(client=None), **down),
                      routes=[route_to("one", "/one", prefix_rewrite="/"), route_to("two", "/two", prefix_rewrite="/")])
        for path, version, want in (("/one", "--http1.1", 200), ("/two", "--http1.1", 503), ("/two", "--http2-prior-knowledge", 200),
                                    ("/one", "--http2-prior-knowledge", 503)):
            with self.subTest(f"{path} {version}"):
                self.assertEqual(self.get(d, path, version).status, want)

    def test_an_origin_takes_fewer_streams(self):
        """It lowers its limit while requests are under way, and later raises it: none is sent over it, and none is lost."""
        o = self.keep(H2Origin(50))
        # One worker keeps the one connection: a new one would know no limit yet, which python-h2 takes for breaking it.
        d = self.door(cluster("o", o.port, http2=True, circuit_breakers={"thresholds": [{"max_connections": 1}]}),
                      make=lambda c: Sallyport(c, concurrency=1))
        statuses = []

        def ask(n):
            for _ in range(n):
                c = http.client.HTTPConnection("127.0.0.1", d.port, timeout=30 * SLOW)
                c.request("GET", "/")
                r = c.getresponse()
                body = r.read()
                statuses.append(r.status if r.status == 200 else (r.status, body))
                c.close()
        for most in (50, 2, 20):
            o.most = most
            time.sleep(0.2)
            threads = [threading.Thread(target=ask, args=(3,)) for _ in range(10)]
            for t in threads:
                t.start()
            for t in threads:
                t.join(60 * SLOW)
        self.assertEqual(([s for s in statuses if s != 200], o.over, o.done, o.broken), ([], 0, 90, []))

    def test_server_names_of_old_configs(self):
        """upstream_http_protocol_options of the cluster itself: what HttpProtocolOptions has under the same name."""
        chain, key = cert("origin")
        o = self.keep(Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; "
                            "location / { return 200 '$ssl_server_name'; }"))
        tls = upstream_tls(client=None)
        del tls["typed_config"]["sni"]
        d = self.door(cluster("o", o.port, tls=tls, upstream_http_protocol_options={"auto_sni": True}))
        self.assertEqual(self.get(d, "/", "-H", "host: some.test").body, b"some.test")

    # --- 1xx and Expect

    HINT = b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>; rel=preload\r\n\r\n"

    def test_early_hints(self):
        o = self.keep(Script(self.HINT + b"HTTP/1.1 102 Processing\r\n\r\n"))
        inner = free_port()
        d = Sallyport(config([listener(free_port(), [route_to("h2", "/h2"), route_to("o")]), listener(inner, [route_to("o")], name="inner")],
                             [cluster("o", o.port), cluster("h2", inner, http2=True)]))
        self.addCleanup(d.kill)
        for path in ("/", "/h2"):  # the latter over HTTP/2 in between
            out = raw(d.port, b"GET %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % path.encode(), 3)
            self.assertEqual([x[:12] for x in out.split(b"\r\n") if x.startswith(b"HTTP/1.1 ")],
                             [b"HTTP/1.1 103", b"HTTP/1.1 102", b"HTTP/1.1 200"])
            self.assertIn(b"link: </a.css>; rel=preload\r\n", out)
            c = H2Client(d.port, [(":method", "GET"), (":scheme", "http"), (":authority", "a"), (":path", path)]).whole()
            self.assertEqual(c.statuses(), ["103", "102", "200"])
            self.assertEqual(c.heads[0]["link"], "</a.css>; rel=preload")
        # An HTTP/1.0 client knows no 1xx.
        d10 = self.door(cluster("o", o.port), hcm={"http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "a"}})
        out = raw(d10.port, b"GET / HTTP/1.0\r\n\r\n", 3)
        self.assertTrue(out.startswith(b"HTTP/1.0 200"), out)

    def expect(self, d, value=b"100-continue", until=b"\r\n\r\n"):
        s = socket.create_connection(("127.0.0.1", d.port))
        s.settimeout(5 * SLOW)
        s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: " + value + b"\r\n\r\n")
        out = b""
        while until not in out and (piece := s.recv(4096)):
            out += piece
        return s, out

    def test_100_of_the_origin(self):
        """proxy_100_continue, beside Envoy: the origin is asked, and says 100, or something else."""
        for make in self.both():
            with self.subTest(make.__name__):
                yes, no = self.keep(Script(b"HTTP/1.1 100 Continue\r\n\r\n")), self.keep(Script(
                    b"HTTP/1.1 417 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
                d = self.door(cluster("o", yes.port), make=make, hcm={"proxy_100_continue": True})
                s, out = self.expect(d)
                self.assertTrue(out.startswith(b"HTTP/1.1 100"), out)
                self.assertIn(b"expect: 100-continue", yes.heads[0])
                s.sendall(b"abc")
                self.assertTrue(s.recv(4096).startswith(b"HTTP/1.1 200"))
                s.close()
                d = self.door(cluster("o", no.port), make=make, hcm={"proxy_100_continue": True})
                s, out = self.expect(d)
                self.assertTrue(out.startswith(b"HTTP/1.1 417"), out)
                s.close()

    def test_100_over_http2(self):
        o = self.keep(Script(b"HTTP/1.1 100 Continue\r\n\r\n"))
        d = self.door(cluster("o", o.port), hcm={"proxy_100_continue": True})
        head = [(":method", "POST"), (":scheme", "http"), (":authority", "a"), (":path", "/"), ("content-length", "3")]
        c = H2Client(d.port, [*head, ("expect", "100-continue")], end=False)
        c.until(lambda: c.heads)
        self.assertEqual(c.statuses(), ["100"])
        c.c.send_data(1, b"abc", end_stream=True)
        c.flush()
        self.assertEqual(c.whole().statuses(), ["100", "200"])
        # Who expects nothing is told nothing.
        c = H2Client(d.port, head, end=False)
        c.c.send_data(1, b"abc", end_stream=True)
        c.flush()
        self.assertEqual(c.whole().statuses(), ["200"])

    def test_100_of_the_door(self):
        """Without it: the door says 100, the origin sees no Expect, and a 100 of its own is not passed on."""
        for make in self.both():
            with self.subTest(make.__name__):
                o = self.keep(Script(b"HTTP/1.1 100 Continue\r\n\r\n"))
                d = self.door(cluster("o", o.port), make=make)
                s, out = self.expect(d)
                self.assertTrue(out.startswith(b"HTTP/1.1 100"), out)
                s.sendall(b"abc")
                out = out.partition(b"\r\n\r\n")[2]
                while b"ok" not in out:
                    out += s.recv(4096)
                self.assertTrue(out.startswith(b"HTTP/1.1 200"), out)
                self.assertNotIn(b"\nexpect:", o.heads[0])
                s.close()

    def test_other_expectations(self):
        """Not ours to meet or to refuse: the origin sees them."""
        for make in self.both():
            with self.subTest(make.__name__):
                o = self.keep(Script(b"HTTP/1.1 417 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"))
                d = self.door(cluster("o", o.port), make=make)
                s, out = self.expect(d, b"something-else")
                self.assertTrue(out.startswith(b"HTTP/1.1 417"), out)
                self.assertIn(b"expect: something-else", o.heads[0])
                s.close()

    @staticmethod
    def both():
        def envoy(conf):
            return test_envoy.Envoy(test_envoy.find_envoy(), conf)
        return (Sallyport, envoy) if test_envoy.find_envoy() else (Sallyport,)

    # --- CONNECT

    def test_connect_is_refused(self):
        """On whatever path, with upgrades or without: no answer of it is a 2xx, and no origin hears of it."""
        o = self.keep(Echo())
        for hcm in ({}, {"http2_protocol_options": {"allow_connect": True}, "upgrade_configs": [{"upgrade_type": "websocket"}]}):
            d = self.door(cluster("o", o.port), hcm=hcm)
            for line, want in ((b"CONNECT a:80 HTTP/1.1", b"404"), (b"CONNECT / HTTP/1.1", b"400"), (b"CONNECT http://a/ HTTP/1.1", b"400"),
                               (b"CONNECT a:80 HTTP/1.0", b"426"), (b"CONNECT a HTTP/1.1", b"400")):
                out = raw(d.port, line + b"\r\nHost: a:80\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 1)
                self.assertEqual((out[9:12], out.count(b"HTTP/1.1 ")), (want, 1), line)
            authority = (":authority", "a:80")
            ext = [(":scheme", "http"), (":path", "/"), authority]
            for headers, status in (([authority], "404"), ([authority, (":path", "/"), (":scheme", "http")], None),
                                    ([(":protocol", "connect-udp"), *ext], "403" if hcm else None),
                                    ([(":protocol", "connect-ip"), *ext], "403" if hcm else None)):
                c = H2Client(d.port, [(":method", "CONNECT"), *headers], end=False)
                c.until(lambda c=c: c.heads or c.reset is not None)
                self.assertEqual(c.statuses(), [status] if status else [], headers)
        self.assertEqual(o.seen, 0)

    # --- connections ahead

    def counts(self, make, n, policy, requests=4, **more):
        """How many connections to so many hosts there are after each of some requests of one client, so of one worker."""
        origins = [self.keep(Echo()) for _ in range(n)]
        d = self.door(cluster("o", *[o.port for o in origins], preconnect_policy=policy, **more), make=make)
        s = socket.create_connection(("127.0.0.1", d.port))
        s.settimeout(10 * SLOW)
        counts = []
        for _ in range(requests):
            s.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nX-Wait: 0.1\r\n\r\n")
            data = b""
            while not data.endswith(b"}"):
                data += s.recv(4096)
            time.sleep(0.1 * SLOW)
            counts.append(self.total(d))
        s.close()
        return counts

    def test_preconnect(self):
        """Beside Envoy."""
        for ratio in (1, 1.5, 2, 3):
            seen = [self.counts(make, 1, {"per_upstream_preconnect_ratio": ratio}) for make in self.both()]
            self.assertEqual(seen[0], seen[-1], ratio)
            self.assertEqual(seen[0][0], 1 if ratio == 1 else 2 if ratio < 3 else 3)

    def test_preconnect_predictive(self):
        """To the hosts that are next; where nobody knows them, to none."""
        for ratio, more, first in ((1, {}, 1), (1.5, {}, 3), (2, {}, 3), (3, {}, 4), (3, {"lb_policy": "RING_HASH"}, 1)):
            seen = [self.counts(make, 5, {"predictive_preconnect_ratio": ratio}, 1 if more else 7, **more) for make in self.both()]
            self.assertEqual(seen[0], seen[-1], (ratio, more))
            self.assertEqual(seen[0][0], first, (ratio, more))

    @staticmethod
    def total(d):
        c = http.client.HTTPConnection("127.0.0.1", d.admin, timeout=10 * SLOW)
        c.request("GET", "/stats?filter=cluster.o.upstream_cx_total")
        return int(re.search(r"upstream_cx_total: (\d+)", c.getresponse().read().decode())[1])

    def test_preconnect_within_limits(self):
        o = self.keep(Echo())
        d = self.door(cluster("o", o.port, preconnect_policy={"per_upstream_preconnect_ratio": 3}, circuit_breakers={
            "thresholds": [{"max_connections": 2}]}))
        out = raw(d.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 5, 1)  # of one client, and so on one worker
        self.assertEqual(out.count(b"HTTP/1.1 200"), 5)
        self.assertLessEqual(d.stat("cluster.o.upstream_cx_active"), 2)
        self.assertEqual(d.stat("cluster.o.upstream_cx_overflow"), 0)


if __name__ == "__main__":
    unittest.main()
