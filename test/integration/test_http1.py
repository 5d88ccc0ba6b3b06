# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/1.1 by hand: what is ambiguous is refused, what is right works, limits and timeouts answer."""
import re
import socket
import time
import unittest

from echo import Echo
from harness import SLOW, Sallyport, cluster, config, free_port, listener, log_lines, log_to, nginx_plain, raw, route_to, wait_for, work


def statuses(data):
    return [int(x) for x in re.findall(rb"(?m)^HTTP/1\.[01] (\d{3})", data)]


class Http1(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()
        cls.reader = Echo()  # reads a body before it answers
        cls.origin.page("page", "0123456789" * 10)
        cls.log = work(f"h1-{time.time_ns()}.log")
        cls.door = Sallyport(config(
            [listener(free_port(), [route_to("reader", "/slow"), route_to("o")], hcm={
                "access_log": log_to(cls.log), "request_headers_timeout": "1s", "stream_idle_timeout": "2s",
                "common_http_protocol_options": {"idle_timeout": "2s", "max_headers_count": 50}, "max_request_headers_kb": 16})],
            [cluster("o", cls.origin.port), cluster("reader", cls.reader.port)]))
        cls.port = cls.door.port

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.kill()
        cls.reader.stop()
        assert code == 0, cls.door.log()

    def ask(self, data, seconds=1, **kw):
        return raw(self.port, data, seconds, **kw)

    def test_pipelining_keeps_the_order(self):
        out = self.ask(b"".join(b"GET /echo?%d HTTP/1.1\r\nHost: a\r\n\r\n" % i for i in range(20)))
        self.assertEqual(statuses(out), [200] * 20)
        self.assertEqual([int(x) for x in re.findall(rb"GET /echo\?(\d+) ", out)], list(range(20)))

    def test_byte_at_a_time(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        for b in b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3\r\nabc\r\n0\r\n\r\n":
            s.sendall(bytes([b]))
        out = b""
        while piece := s.recv(4096):
            out += piece
        self.assertEqual(statuses(out), [200])

    def test_expect_100_continue(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(5 * SLOW)
        s.sendall(b"POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        self.assertIn(b"100 Continue", s.recv(4096))
        s.sendall(b"abc")
        self.assertIn(b"200 OK", s.recv(4096))
        s.close()

    def test_head_has_no_body(self):
        out = self.ask(b"HEAD /page HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(statuses(out), [200, 200])
        self.assertIn(b"content-length: 100", out.lower())

    def test_ambiguous_framing_is_refused(self):
        bodies = {
            "both": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
            "listed lengths": b"Content-Length: 3, 3\r\n\r\nabc",
            "plus": b"Content-Length: +3\r\n\r\nabc",
            "minus": b"Content-Length: -1\r\n\r\n",
            "hex": b"Content-Length: 0x3\r\n\r\nabc",
            "huge": b"Content-Length: 99999999999999999999\r\n\r\n",
            "space before colon": b"Content-Length : 3\r\n\r\nabc",
            "folded": b"X-A: b\r\n c\r\n\r\n",
            "bare LF": b"X-A: b\n\r\n",
            "bare CR": b"X-A: b\rc\r\n\r\n",
            "NUL": b"X-A: b\x00c\r\n\r\n",
            "TE twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "no name": b": b\r\n\r\n",
            "two hosts": b"Host: b\r\n\r\n",
            "bad chunk size": b"Transfer-Encoding: chunked\r\n\r\n3x\r\nabc\r\n0\r\n\r\n",
            "chunk overflow": b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc\r\n0\r\n\r\n",
        }
        for name, rest in bodies.items():
            with self.subTest(name):
                out = self.ask(b"POST /echo HTTP/1.1\r\nHost: a\r\n" + rest + b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n")
                self.assertEqual(len(statuses(out)), 1, out)
                self.assertIn(statuses(out)[0], (400, 501), out)
        out = self.ask(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
        self.assertEqual(statuses(out), [501])

    def test_garbage(self):
        before = self.door.stat("http.test.downstream_cx_protocol_error")
        for data in (b"\x00" * 100, b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
                     b"GET / HTTP/1.1\r\n\r\n", b"\r\n" * 100, b"G" * 100000):
            out = self.ask(data)
            for status in statuses(out):
                self.assertGreaterEqual(status, 400)
                self.assertLess(status, 506)
        self.assertGreater(self.door.stat("http.test.downstream_cx_protocol_error"), before)
        self.assertEqual(statuses(self.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")), [200])

    def test_http10(self):
        self.assertEqual(statuses(self.ask(b"GET /echo HTTP/1.0\r\nHost: a\r\n\r\n")), [426])

    def test_limits(self):
        self.assertEqual(statuses(self.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\nX-A: " + b"b" * 20000 + b"\r\n\r\n")), [431])
        many = b"".join(b"X-%d: b\r\n" % i for i in range(60))
        self.assertEqual(statuses(self.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + many + b"\r\n")), [431])
        self.assertIn(statuses(self.ask(b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n"))[0], (414, 431))

    def test_slow_headers_end_with_408(self):
        began = time.time()
        out = self.ask(b"GET /echo HTTP/1.1\r\nHost:", 6)
        self.assertLess(time.time() - began, 5 * SLOW)
        self.assertIn(statuses(out), ([408], []))

    def test_slow_bodies_end_with_408(self):
        out = self.ask(b"POST /slow-body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc", 8)
        self.assertEqual(statuses(out), [408])
        line = wait_for("the log line", lambda: [x for x in log_lines(self.log) if x["path"] == "/slow-body"])[0]
        self.assertEqual((line["flags"], line["details"]), ("SI", "stream_idle_timeout"))

    def test_idle_connections_are_closed(self):
        s = socket.create_connection(("127.0.0.1", self.port))
        s.settimeout(6 * SLOW)
        s.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"200 OK", s.recv(4096))
        self.assertEqual(s.recv(4096), b"")
        s.close()

    def test_upgrade_is_refused(self):
        out = self.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n")
        self.assertEqual(statuses(out), [403])
        out = self.ask(b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n")
        self.assertIn(statuses(out)[0], (403, 404, 405))

    def test_hop_by_hop_headers_go_no_further(self):
        out = self.ask(b"GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close, x-user\r\nX-User: x\r\n\r\n")
        self.assertEqual(statuses(out), [200])
        self.assertIn(b"user= ", out)


if __name__ == "__main__":
    unittest.main()
