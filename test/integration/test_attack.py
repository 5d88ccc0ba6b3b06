# SPDX-License-Identifier: GPL-2.0-or-later
"""A hostile client, a hostile origin: nothing is smuggled, forged or held for ever, and nothing is left behind."""
import http.client
import re
import socket
import struct
import time
import unittest

from harness import (SECRET, SLOW, Sallyport, cluster, config, free_port, good_token, jwt_filter, listener, raw, route_to, shield,
                     wait_for)
from tcp_origin import TcpOrigin

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


SETTINGS = frame(4, 0, 0)


def head(*extra, method="GET", path="/", authority="a"):
    """A header block of literals."""
    out = b""
    for name, value in ((":method", method), (":scheme", "http"), (":authority", authority), (":path", path), *extra):
        for text in (name.encode("latin-1"), value.encode("latin-1")):
            assert len(text) < 127
            out += (b"\x00" if text == name.encode("latin-1") else b"") + bytes([len(text)]) + text
    return out


def frames(data):
    """(type, flags, stream, payload) of each."""
    while len(data) >= 9:
        n = int.from_bytes(data[:3], "big")
        yield data[3], data[4], int.from_bytes(data[5:9], "big"), data[9:9 + n]
        data = data[9 + n:]


class Origin(TcpOrigin):
    """Keeps the bytes that it gets; says `answer` to each head."""

    def __init__(self):
        self.seen, self.answer = bytearray(), OK
        super().__init__()

    def serve(self, c):
        while data := c.recv(65536):
            self.seen += data
            for _ in range(data.count(b" HTTP/1.1\r\n")):
                c.sendall(self.answer)


class Attack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin()
        cls.gated_port = free_port()
        limits = {"request_headers_timeout": "1s", "stream_idle_timeout": "1s", "common_http_protocol_options": {"idle_timeout": "2s"}}
        filters = [shield(), jwt_filter(claim_to_headers=[{"header_name": "x-user", "claim_name": "sub"}])]
        cls.door = Sallyport(config(
            [listener(free_port(), [route_to("o")], hcm=limits),
             listener(cls.gated_port, [route_to("o")], filters=filters, name="gated", hcm=limits)],
            [cluster("o", cls.origin.port)]), concurrency=1)
        cls.port = cls.door.port

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.stop()
        assert code == 0, cls.door.log()

    def setUp(self):
        self.origin.answer = OK
        del self.origin.seen[:]

    def statuses(self, data):
        return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3})", data)]

    def h2(self, *parts, seconds=0.4, settings=SETTINGS):
        return list(frames(raw(self.port, PREFACE + settings + b"".join(parts), seconds)))

    # --- requests

    def test_nothing_is_injected_by_http2(self):
        cases = [dict(extra=[e]) for e in (
            ("x-a", "b\r\nx-evil: 1"), ("x-a", "b\nc"), ("x-a", "b\0"), ("x-a\r\nx-evil", "1"), ("x-a: b", "1"), ("x a", "1"),
            ("X-A", "1"), ("", "1"), ("transfer-encoding", "chunked"), ("connection", "x-a"), ("upgrade", "h2c"),
            ("content-length", "+0"), ("content-length", "5"), ("host", "evil"), (":path", "/2"), (":unknown", "1"))]
        cases += [{"path": "/ HTTP/1.1\r\nx-evil: 1"}, {"path": "/a b"}, {"path": "http://evil/"}, {"path": "*"}, {"path": "/#"},
                  {"method": "GET / HTTP/1.1\r\n\r\nGET"}, {"authority": "a\r\nx-evil: 1"}, {"authority": "u@a"}]
        for case in cases:
            with self.subTest(case):
                extra = case.pop("extra", ())
                got = self.h2(frame(1, 5, 1, head(*extra, **case)), seconds=0.15)
                self.assertEqual([f[0] for f in got if f[2] == 1], [3], got)  # a reset
        self.assertEqual(bytes(self.origin.seen), b"")

    def test_bodies_stay_bodies(self):
        inner = b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
        self.h2(frame(1, 4, 1, head(method="POST")), frame(0, 1, 1, inner))
        self.assertIn(b"transfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(inner), inner), bytes(self.origin.seen))
        del self.origin.seen[:]
        got = self.h2(frame(1, 4, 1, head(("content-length", "3"), method="POST")), frame(0, 1, 1, b"abc" + inner))
        self.assertIn(3, [f[0] for f in got])
        self.assertNotIn(b"smuggled", self.origin.seen)

    def test_forged_names(self):
        """x_user is x-user to an origin that makes variables of names."""
        raw(self.gated_port, (f"GET / HTTP/1.1\r\nHost: a\r\nX-Origin-Verify: {SECRET}\r\nAuthorization: Bearer {good_token()}\r\n"
                              "X-User: root\r\nx_user: root\r\nX_Forwarded_For: 1.2.3.4\r\nx_origin_verify: 1\r\n"
                              "Content_Length: 9\r\nx_mine: kept\r\nConnection: x-user\r\n\r\n").encode(), 0.4)
        seen = bytes(self.origin.seen)
        self.assertIn(b"\r\nx-user: alice\r\n", seen)
        self.assertIn(b"\r\nx_mine: kept\r\n", seen)
        for word in (b"root", b"x_", b"content_", b"1.2.3.4", SECRET.encode()):
            self.assertNotIn(word, seen.replace(b"x_mine", b""))

    def test_gate_has_no_way_around(self):
        token = f"Authorization: Bearer {good_token()}\r\n"
        for lines in ("", f"X-Origin-Verify: {SECRET}\r\nX-Origin-Verify: {SECRET}\r\n", f"X-Origin-Verify: {SECRET},{SECRET}\r\n",
                      f"X-Origin-Verify: {SECRET}\r\nConnection: x-origin-verify\r\n", f"X_Origin_Verify: {SECRET}\r\n",
                      f"X-Origin-Verify: {SECRET[:-1]}\r\n", "Connection: upgrade\r\nUpgrade: websocket\r\n"):
            with self.subTest(lines):
                want = 400 if "Connection: x-" in lines else 403  # the proof cannot be taken out on the way
                self.assertEqual(self.statuses(raw(self.gated_port, f"GET / HTTP/1.1\r\nHost: a\r\n{token}{lines}\r\n".encode(), 0.2)), [want])
        out = raw(self.gated_port, f"POST / HTTP/1.1\r\nHost: a\r\n{token}Transfer-Encoding: chunked\r\n\r\n0\r\nX-Origin-Verify: {SECRET}\r\n\r\n".encode(), 0.2)
        self.assertEqual(self.statuses(out), [403])
        self.assertEqual(bytes(self.origin.seen), b"")

    # --- responses

    def test_no_response_of_another_request(self):
        evil = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL"
        for answer in (OK + evil, b"HTTP/1.1 304 N\r\ncontent-length: 4\r\n\r\nEVIL", b"HTTP/1.1 204 N\r\ncontent-length: 4\r\n\r\nEVIL",
                       b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + evil,
                       b"HTTP/1.1 103 E\r\ncontent-length: 4\r\n\r\n" + evil, b"HTTP/1.1 101 S\r\nupgrade: x\r\n\r\n" + evil,
                       b"HTTP/1.1 200 OK\r\nx: a\r\n b\r\n\r\n" + evil, b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2x\r\nok\r\n" + evil):
            for method in (b"GET", b"HEAD"):
                with self.subTest(answer=answer, method=method):
                    self.origin.answer = answer
                    self.assertNotIn(b"EVIL", raw(self.port, method + b" / HTTP/1.1\r\nHost: a\r\n\r\n", 0.1))
                    self.origin.answer = OK
                    out = raw(self.port, b"GET / HTTP/1.1\r\nHost: b\r\nConnection: close\r\n\r\n", 2)
                    self.assertTrue(out.endswith(b"\r\n\r\nok"), out)

    # --- floods and slow ones

    def test_floods_end_the_connection(self):
        def each(make):
            return b"".join(make(1 + 2 * i) for i in range(5000))
        floods = {
            "rapid reset": each(lambda i: frame(1, 5, i, head()) + frame(3, 0, i, b"\0\0\0\x08")),
            "reset by us": each(lambda i: frame(1, 5, i, head()) + frame(8, 0, i, b"\x7f\xff\xff\xff")),
            "ping": frame(6, 0, 0, b"x" * 8) * 20000, "settings": frame(4, 0, 0) * 20000, "priority": frame(2, 0, 1, b"\0\0\0\0\1") * 20000,
            "window": frame(8, 0, 0, b"\0\0\0\1") * 20000, "empty": frame(1, 4, 1, head(method="POST")) + frame(0, 0, 1) * 20000,
            "continuation": frame(1, 1, 1, head()) + frame(9, 0, 1) * 20000, "unknown": frame(0x66, 0, 0) * 20000,
        }
        for name, data in floods.items():
            with self.subTest(name):
                began = time.time()
                got = raw(self.port, PREFACE + SETTINGS + data, 5)
                self.assertLess(time.time() - began, 4 * SLOW)  # it was closed
                goaway = [f for f in frames(got) if f[0] == 7]
                self.assertTrue(not got or not goaway or goaway[-1][3][4:8] == b"\0\0\0\x0b", got[-60:])
        self.assertEqual(self.statuses(raw(self.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 2)), [200])

    def test_shut_window_is_not_waited_for(self):
        """The whole response is there, and the client never lets it out."""
        s = socket.create_connection(("127.0.0.1", self.port))
        s.sendall(PREFACE + frame(4, 0, 0, b"\0\4\0\0\0\0") + frame(1, 5, 1, head()))
        s.settimeout(8 * SLOW)
        got = b""
        while piece := s.recv(4096):
            got += piece
        s.close()
        self.assertIn((3, 0, 1, b"\0\0\0\x08"), list(frames(got)))

    def test_slow_ones_are_let_go(self):
        drips = {
            "request line": (b"GET /", b"a"), "fields": (b"GET / HTTP/1.1\r\nHost: a\r\n", b"X: b\r\n"),
            "extension": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"a"),
            "trailers": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: b\r\n"),
            "preface": (b"PRI * HT", b""), "HTTP/2 head": (PREFACE + SETTINGS + frame(1, 5, 1, head())[:20], b""),
            "HTTP/2 body": (PREFACE + SETTINGS + frame(1, 4, 1, head(method="POST")), b""),
        }
        waits = {}
        for name, (first, drip) in drips.items():
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall(first)
            s.settimeout(0.02)
            waits[name] = (s, drip)
        end = time.time() + 8 * SLOW
        while waits and time.time() < end:
            for name, (s, drip) in list(waits.items()):
                try:
                    s.sendall(drip)
                    if s.recv(4096) == b"":
                        del waits[name]
                except socket.timeout:
                    pass
                except OSError:
                    del waits[name]
            time.sleep(0.1)
        self.assertEqual(list(waits), [])

    def test_nothing_is_left_behind(self):
        for _ in range(200):
            s = socket.create_connection(("127.0.0.1", self.port))
            s.sendall(PREFACE + SETTINGS + b"".join(frame(1, 4, 1 + 2 * i, head(method="POST")) for i in range(5)))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            s.close()

        def quiet():
            stats = self.door.stats()
            return all(stats[f"http.test.{x}"] == 0 for x in ("downstream_cx_active", "downstream_rq_active")) and (
                stats["cluster.o.upstream_rq_active"] == 0)
        wait_for("all counters to come back to 0", quiet)

    # --- the admin page

    def test_admin_is_not_rebound(self):
        def ask(host, method="GET", path="/stats"):
            c = http.client.HTTPConnection("127.0.0.1", self.door.admin, timeout=5 * SLOW)
            c.request(method, path, headers={"Host": host})
            r = c.getresponse()
            r.read()
            c.close()
            return r.status, r.headers.get("content-security-policy")
        for host in ("localhost", f"localhost:{self.door.admin}", "127.0.0.1", "[::1]:9901"):
            self.assertEqual(ask(host), (200, "frame-ancestors 'none'"))
        for host in ("evil.test", f"evil.test:{self.door.admin}", "localhost.evil.test", "127.0.0.1.evil.test"):
            self.assertEqual(ask(host)[0], 403)
        self.assertEqual(ask("evil.test", "POST", "/quitquitquit")[0], 403)


if __name__ == "__main__":
    unittest.main()
