# SPDX-License-Identifier: GPL-2.0-or-later
"""Tunnels: WebSocket over HTTP/1.1 and HTTP/2, their limits, their ends, and what must never become one."""
import os
import re
import signal
import socket
import time
import unittest

import ws
from harness import (SECRET, SLOW, Sallyport, cluster, config, free_port, good_token, jwt_filter, listener, log_lines, log_to, raw,
                     refused, route_to, shield, wait_for, work)

UPGRADE = {"upgrade_configs": [{"upgrade_type": "websocket"}]}
H2 = {"http2_protocol_options": {"allow_connect": True}}
HEAD = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" \
       b"Sec-WebSocket-Version: 13\r\n\r\n"
BIG = os.urandom(1 << 20)


def status(data):
    m = re.match(rb"HTTP/1\.1 (\d+)", data)
    return int(m[1]) if m else None


def until(sock, end, most=1 << 20):
    data = b""
    while end not in data and len(data) < most:
        piece = sock.recv(4096)
        if not piece:
            break
        data += piece
    return data


class WebSocket(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = ws.Origin()
        cls.log = work(f"ws-{time.time_ns()}.log")
        inner = free_port()  # speaks HTTP/2 to the door and HTTP/1.1 to the origin: an HTTP/2 origin that takes extended CONNECT
        routes = [route_to("h2", "/h2", prefix_rewrite="/"), route_to("o", "/off", upgrade_configs=[
            {"upgrade_type": "websocket", "enabled": False}]), route_to("nothing", "/nothing"), route_to("o", "/short", timeout="0.5s"),
            route_to("o")]
        cls.door = Sallyport(config(
            [listener(free_port(), routes, hcm={**UPGRADE, **H2, "access_log": log_to(cls.log)}),
             listener(inner, [route_to("o")], hcm={**UPGRADE, **H2, "stat_prefix": "inner"}, name="inner")],
            [cluster("o", cls.origin.port), cluster("h2", inner, http2=True), cluster("nothing", free_port())]))
        cls.port = cls.door.port

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.stop()
        assert code == 0, cls.door.log()

    def test_messages_of_any_size_both_ways(self):
        for path in ("/", "/h2"):
            with self.subTest(path):
                out, code = ws.talk(self.port, ["small", b"", BIG, BIG[:70000]], path)
                self.assertEqual((out, code), (["small", b"", BIG, BIG[:70000]], 1000))

    def test_http2(self):
        for path in ("/", "/h2"):
            with self.subTest(path):
                t = ws.H2Tunnel(self.port, path, [(b"sec-websocket-version", b"13")])
                self.assertEqual((t.offered, t.answer()), (1, 200))
                self.assertNotIn("sec-websocket-accept", t.headers)
                t.send(ws.frame(BIG))
                want = ws.unmasked(BIG)
                self.assertTrue(t.receive(len(want), 20) == want)
                t.send(ws.frame(b"\x03\xe8", 8))  # close: the origin answers, and ends the tunnel
                self.assertEqual(t.receive(4), ws.unmasked(b"\x03\xe8", 8))
                self.assertTrue(t.wait(lambda: t.ended))
                t.close()

    def test_what_the_origin_sees(self):
        ws.talk(self.port, ["x"], "/seen", {"x-mine": "1"})
        seen = next(s for s in self.origin.seen if s["path"] == "/seen")
        headers = dict(seen["headers"])
        self.assertEqual((headers["connection"].lower(), headers["upgrade"], headers["x-mine"]), ("upgrade", "websocket", "1"))
        self.assertNotIn("content-length", headers)
        self.assertNotIn("transfer-encoding", headers)

    def test_the_origin_speaks_first(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(5 * SLOW)
        s.sendall(HEAD.replace(b"GET /", b"GET /hello"))
        data = until(s, ws.unmasked(b"hello", 1))
        self.assertEqual(status(data), 101)
        head = data.split(b"\r\n\r\n")[0].lower()
        self.assertEqual(head.count(b"upgrade: websocket"), 1)
        self.assertEqual(head.count(b"connection:"), 1)
        self.assertIn(b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=", head)
        s.close()

    def test_refused(self):
        cases = {
            "by the route": (HEAD.replace(b"GET /", b"GET /off"), 403),
            "another protocol": (HEAD.replace(b"websocket\r", b"spdy/3.1\r"), 403),
            "two tokens": (HEAD.replace(b"websocket\r", b"websocket, h2c\r"), 403),
            "two lines": (HEAD.replace(b"Upgrade: websocket\r\n", b"Upgrade: websocket\r\nUpgrade: h2c\r\n"), 400),
            "a body": (HEAD.replace(b"\r\n\r\n", b"\r\nContent-Length: 3\r\n\r\nabc"), 400),
            "chunks": (HEAD.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"), 400),
            "CONNECT": (b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 404),
            "no origin": (HEAD.replace(b"GET /", b"GET /nothing"), 503),
        }
        for name, (head, want) in cases.items():
            with self.subTest(name):
                self.assertEqual(status(raw(self.port, head, 2)), want)
        # Without Connection it is no offer, and h2c is passed over: the origin sees a request like any other.
        for head in (HEAD.replace(b"Connection: Upgrade\r\n", b"Connection: close\r\n"), HEAD.replace(b"websocket\r", b"h2c\r")):
            self.assertEqual(status(raw(self.port, head, 2)), 426)

    def test_http2_refused(self):
        for name, kw, want in (("a route", {"path": "/off"}, 403), ("a protocol", {"protocol": b"connect-udp"}, 403),
                               ("its end", {"end": True}, 403), ("no CONNECT", {"method": b"GET"}, None)):
            with self.subTest(name):
                t = ws.H2Tunnel(self.port, **kw)
                self.assertEqual(t.answer(), want)
                t.close()

    def test_what_waits_for_the_switch_reaches_no_origin_that_does_not(self):
        """Smuggling: bytes behind the request are the tunnel's, or nobody's."""
        evil = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
        # An HTTP/2 client would take any 2xx for an open tunnel (RFC 8441 section 5).
        for answer, want in ((b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", (200, 502)),
                             (b"HTTP/1.1 204 N\r\n\r\n", (204, 502)),
                             (b"HTTP/1.1 426 No\r\nSec-WebSocket-Version: 99\r\nContent-Length: 0\r\n\r\n", 426),
                             (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: other\r\n\r\n", 502),
                             (b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\n\r\n", 502),
                             (b"early HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", 502),
                             (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhello", 502)):
            with self.subTest(answer):
                o = ws.Script(answer)
                d = Sallyport(config([listener(free_port(), [route_to("o")], hcm={**UPGRADE, **H2})], [cluster("o", o.port)]))
                out = raw(d.port, HEAD + evil, 3)
                t = ws.H2Tunnel(d.port)
                self.assertEqual((status(out), t.answer()), want if isinstance(want, tuple) else (want, want))
                t.send(evil)
                t.close()
                self.assertEqual(out.count(b"HTTP/1.1 "), 1)
                self.assertNotIn(b"/evil", o.got)
                self.assertEqual(d.stop(), 0, d.log())
                o.stop()

    def test_an_origin_switches_unasked(self):
        o = ws.Script(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        d = Sallyport(config([listener(free_port(), [route_to("o")], hcm=UPGRADE)], [cluster("o", o.port)]))
        self.assertEqual(status(raw(d.port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 2)), 502)
        d.kill()
        o.stop()

    def test_an_accept_that_proves_nothing(self):
        """We made the key for an HTTP/2 client, so it is we who look at the answer."""
        o = ws.Script(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n")
        d = Sallyport(config([listener(free_port(), [route_to("o")], hcm={**UPGRADE, **H2})], [cluster("o", o.port)]))
        t = ws.H2Tunnel(d.port)
        self.assertEqual(t.answer(), 502)
        t.close()
        d.kill()
        o.stop()

    def test_an_origin_without_extended_connect(self):
        inner = free_port()
        d = Sallyport(config([listener(free_port(), [route_to("h2")], hcm=UPGRADE), listener(inner, [route_to("o")], name="inner")],
                             [cluster("h2", inner, http2=True), cluster("o", self.origin.port)]))
        self.assertEqual(status(raw(d.port, HEAD, 3)), 502)
        d.kill()

    def test_an_end_of_one_side(self):
        """The client's end goes on to the origin, which still answers."""
        def then(script, c):
            data = b""
            while piece := c.recv(65536):
                data += piece
            c.sendall(b"got " + data)
        o = ws.Script(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n", then)
        d = Sallyport(config([listener(free_port(), [route_to("o")], hcm={"upgrade_configs": [{"upgrade_type": "tcp"}], **H2})],
                             [cluster("o", o.port)]))
        s = socket.create_connection(("127.0.0.1", d.port))
        s.settimeout(5 * SLOW)
        s.sendall(HEAD.replace(b"websocket\r", b"tcp\r"))
        self.assertEqual(status(until(s, b"\r\n\r\n")), 101)
        s.sendall(b"all of it")
        s.shutdown(socket.SHUT_WR)
        self.assertEqual(until(s, b"never"), b"got all of it")
        s.close()
        t = ws.H2Tunnel(d.port, protocol=b"tcp")
        self.assertEqual(t.answer(), 200)
        t.send(b"all of it", end=True)
        self.assertEqual(t.receive(13), b"got all of it")
        self.assertTrue(t.wait(lambda: t.ended))
        t.close()
        self.assertEqual(d.stop(), 0, d.log())
        o.stop()

    def test_counted_and_logged_at_its_end(self):
        before = self.door.stat("http.test.downstream_cx_upgrades_total")
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(5 * SLOW)
        s.sendall(HEAD.replace(b"GET /", b"GET /counted"))
        self.assertEqual(status(until(s, b"\r\n\r\n")), 101)
        wait_for("the gauge", lambda: self.door.stat("http.test.downstream_cx_upgrades_active") == 1)
        self.assertFalse([x for x in log_lines(self.log) if x["path"] == "/counted"])
        s.sendall(ws.frame(b"x" * 100))
        until(s, b"x" * 100)
        s.close()
        line = wait_for("the line", lambda: [x for x in log_lines(self.log) if x["path"] == "/counted"])[0]
        self.assertEqual((line["status"], line["tx"], line["rx"]), (101, 102, 106))
        wait_for("the gauge", lambda: self.door.stat("http.test.downstream_cx_upgrades_active") == 0)
        self.assertEqual(self.door.stat("http.test.downstream_cx_upgrades_total"), before + 1)

    def test_the_route_timeout_is_for_the_handshake_only(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(5 * SLOW)
        s.sendall(HEAD.replace(b"GET /", b"GET /short"))
        self.assertEqual(status(until(s, b"\r\n\r\n")), 101)
        time.sleep(1)
        s.sendall(ws.frame(b"still there"))
        self.assertIn(b"still there", until(s, b"still there"))
        s.close()


class Limits(unittest.TestCase):
    def setUp(self):
        self.origin = ws.Origin()
        self.door = None

    def tearDown(self):
        if self.door:
            self.assertEqual(self.door.stop(), 0, self.door.log())
        self.origin.stop()

    def open(self, path=b"/"):
        s = socket.create_connection(("127.0.0.1", self.door.port))
        s.settimeout(10 * SLOW)
        s.sendall(HEAD.replace(b"GET / ", b"GET " + path + b" "))
        self.assertEqual(status(until(s, b"\r\n\r\n")), 101)
        return s

    def test_idle(self):
        self.door = Sallyport(config([listener(free_port(), [route_to("o", "/long", idle_timeout="30s"), route_to("o")],
                                               hcm={**UPGRADE, "stream_idle_timeout": "1s"})], [cluster("o", self.origin.port)]))
        long, short = self.open(b"/long"), self.open()
        for _ in range(3):  # what passes keeps it
            time.sleep(0.5)
            short.sendall(ws.frame(b"x"))
            short.recv(100)
        began = time.time()
        self.assertFalse(self.closed(short))
        self.assertLess(time.time() - began, 5 * SLOW)
        self.assertEqual(self.door.stat("http.test.downstream_rq_idle_timeout"), 1)
        long.sendall(ws.frame(b"y"))
        self.assertIn(b"y", long.recv(100))

    def closed(self, s):
        """What still came, after the peer closed."""
        out = b""
        try:
            while piece := s.recv(65536):
                out += piece
        except ConnectionError:
            pass
        return out

    def test_slow_readers_hold_little(self):
        """128 MiB (the kernel holds some 30) for a client that does not read: the origin is held back, and all arrives once it does."""
        self.door = Sallyport(config([listener(free_port(), [route_to("o")], hcm={**UPGRADE, **H2}, per_connection_buffer_limit_bytes=65536)],
                                     [cluster("o", self.origin.port, per_connection_buffer_limit_bytes=65536)]))
        s = self.open()
        before = self.door.rss()
        piece = os.urandom(1 << 20)
        s.setblocking(False)
        sent, data = 0, ws.frame(piece) * 128
        while sent < len(data):  # until nobody takes more
            try:
                sent += s.send(data[sent:sent + 65536])
                stuck = time.time()
            except BlockingIOError:
                if time.time() - stuck > 1.5:
                    break
                time.sleep(0.01)
        self.assertLess(sent, len(data))
        self.assertLess(self.door.rss() - before, 8 << 20)
        got = bytearray()
        end = time.time() + 40 * SLOW
        want = ws.unmasked(piece) * 128
        while len(got) < len(want) and time.time() < end:
            try:
                sent += s.send(data[sent:sent + 65536]) if sent < len(data) else 0
            except BlockingIOError:
                pass
            try:
                got += s.recv(1 << 18)
            except BlockingIOError:
                time.sleep(0.001)
        self.assertTrue(got == want)
        s.close()

    def test_gates_and_filters_decide_first(self):
        self.door = Sallyport(config([listener(free_port(), [route_to("o")], [shield(), jwt_filter()], hcm={**UPGRADE, **H2})],
                                     [cluster("o", self.origin.port)]))
        proof, token = {"x-origin-verify": SECRET}, {"authorization": f"Bearer {good_token()}"}
        lines = lambda h: b"".join(f"{k}: {v}\r\n".encode() for k, v in h.items())
        for name, headers, want in (("nothing", {}, 403), ("no proof", token, 403), ("no token", proof, 401), ("both", {**proof, **token}, 101)):
            with self.subTest(name):
                head = HEAD.replace(b"\r\n\r\n", b"\r\n" + lines(headers) + b"\r\n")
                self.assertEqual(status(raw(self.door.port, head, 1)), want)
                t = ws.H2Tunnel(self.door.port, headers=[(k.encode(), v.encode()) for k, v in headers.items()])
                self.assertEqual(t.answer(), 200 if want == 101 else want)
                t.close()
        wait_for("both at the origin", lambda: len(self.origin.seen) == 2)

    def test_filters_of_its_own(self):
        """upgrade_configs.filters take the place of http_filters, whose gates stay."""
        from harness import ROUTER
        self.door = Sallyport(config([listener(free_port(), [route_to("o")], [shield(), jwt_filter()], hcm={
            "upgrade_configs": [{"upgrade_type": "websocket", "filters": [ROUTER]}]})], [cluster("o", self.origin.port)]))
        proof = f"x-origin-verify: {SECRET}\r\n".encode()
        self.assertEqual(status(raw(self.door.port, HEAD, 1)), 403)
        self.assertEqual(status(raw(self.door.port, HEAD.replace(b"\r\n\r\n", b"\r\n" + proof + b"\r\n"), 1)), 101)
        self.assertEqual(status(raw(self.door.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + proof + b"\r\n", 1)), 401)

    def test_a_drain_waits_for_it_until_its_deadline(self):
        self.door = Sallyport(config([listener(free_port(), [route_to("o")], hcm=UPGRADE)], [cluster("o", self.origin.port)]),
                              "--drain-time-s", "2")
        s = self.open()
        began = time.time()
        self.door.signal(signal.SIGTERM)
        time.sleep(0.5)
        s.sendall(ws.frame(b"still"))
        self.assertIn(b"still", s.recv(100))
        self.closed(s)
        self.door.wait()
        self.assertTrue(1.5 < time.time() - began < 6 * SLOW)
        self.door = None

    def test_config(self):
        for hcm, text in (({"upgrade_configs": [{"upgrade_type": "connect-udp"}]}, "connect-udp is not run"),
                          ({"upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "WebSocket"}]}, "stands above already"),
                          ({"upgrade_configs": [{"upgrade_type": "websocket", "filters": [shield()]}]}, "same as the last one of http_filters")):
            out = refused(config([listener(free_port(), [route_to("o")], hcm=hcm)], [cluster("o", free_port())]))
            self.assertIn(text, out)


if __name__ == "__main__":
    unittest.main()
