# SPDX-License-Identifier: GPL-2.0-or-later
"""The connection manager's drains, and filters that may be left out."""
import http.client
import signal
import socket
import time
import unittest

import h2.config
import h2.connection
import h2.events

from harness import SLOW, Sallyport, cluster, config, free_port, listener, nginx_plain, refused, route_to, wait_for

T = "type.googleapis.com/"


class H2:
    """A client that writes down the GOAWAYs it gets, with the time of each."""

    def __init__(self, port):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.h2.initiate_connection()
        self.goaways, self.answers, self.closed = [], 0, False
        self.sock.sendall(self.h2.data_to_send())
        self.raw = b""

    def get(self, path="/page"):
        stream = self.h2.get_next_available_stream_id()
        self.h2.send_headers(stream, [(":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "a")], end_stream=True)
        self.sock.sendall(self.h2.data_to_send())
        return stream

    def read(self, seconds):
        """Frames by hand: python h2 ends a connection with the first GOAWAY."""
        end = time.time() + seconds
        while time.time() < end and not self.closed:
            self.sock.settimeout(max(0.01, end - time.time()))
            try:
                piece = self.sock.recv(65536)
            except socket.timeout:
                break
            self.closed = not piece
            self.raw += piece
            while len(self.raw) >= 9 and len(self.raw) >= 9 + (n := int.from_bytes(self.raw[:3], "big")):
                kind, flags, payload = self.raw[3], self.raw[4], self.raw[9:9 + n]
                if kind == 7:
                    self.goaways.append((int.from_bytes(payload[:4], "big"), time.time()))
                elif kind == 1:
                    self.answers += 1
                elif kind == 4 and not flags & 1:
                    self.sock.sendall(b"\0\0\0\4\1\0\0\0\0")
                elif kind == 6 and not flags & 1:
                    self.sock.sendall(b"\0\0\x08\6\1\0\0\0\0" + payload)
                self.raw = self.raw[9 + n:]


class Drains(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()
        cls.origin.page("page", "x")

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def door(self, *args, **hcm):
        return Sallyport(config([listener(free_port(), [route_to("o")], hcm=hcm)], [cluster("o", self.origin.port)]), *args)

    def test_two_goaways(self):
        """The first takes no stream away; what comes between them is served; the second, drain_timeout later, names the last stream."""
        d = self.door(drain_timeout="1.5s")
        c = H2(d.port)
        c.get()
        c.read(0.5)
        d.signal(signal.SIGTERM)
        c.read(0.5)
        self.assertEqual([g for g, _ in c.goaways], [2**31 - 1])
        c.get()
        c.read(4 * SLOW)
        self.assertEqual((c.answers, [g for g, _ in c.goaways], c.closed), (2, [2**31 - 1, 3], True))
        self.assertGreater(c.goaways[1][1] - c.goaways[0][1], 1.2)
        self.assertEqual(d.wait(), 0)

    def test_max_connection_duration(self):
        d = self.door(drain_timeout="1s", common_http_protocol_options={"max_connection_duration": "1s"})
        c = H2(d.port)
        c.get()
        c.read(5 * SLOW)
        self.assertEqual(([g for g, _ in c.goaways], c.closed), ([2**31 - 1, 1], True))
        one = http.client.HTTPConnection("127.0.0.1", d.port)
        for wait, last in ((0, None), (1.3, "close")):
            time.sleep(wait)
            one.request("GET", "/page")
            answer = one.getresponse()
            answer.read()
            self.assertEqual(answer.headers.get("connection"), last)
        idle = socket.create_connection(("127.0.0.1", d.port))
        idle.settimeout(10 * SLOW)
        idle.sendall(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        began, data = time.time(), b""
        while piece := idle.recv(4096):
            data += piece
        self.assertTrue(1.5 < time.time() - began < 8 * SLOW)
        self.assertEqual(data.count(b"HTTP/1.1 200"), 1)
        self.assertGreaterEqual(d.stat("http.test.downstream_cx_max_duration_reached"), 2)
        self.assertEqual(d.stop(), 0)

    def test_safe_max_connection_duration(self):
        """HTTP/1 connections end with an answer, never before one that a client may already have asked for."""
        d = self.door(drain_timeout="0.2s", common_http_protocol_options={"max_connection_duration": "0.5s"}, http1_safe_max_connection_duration=True)
        one = http.client.HTTPConnection("127.0.0.1", d.port)
        one.request("GET", "/page")
        one.getresponse().read()
        time.sleep(1.5)
        one.request("GET", "/page")
        answer = one.getresponse()
        self.assertEqual((answer.status, answer.headers.get("connection")), (200, "close"))
        self.assertEqual(d.stop(), 0)


class Filters(unittest.TestCase):
    def test_optional_filters(self):
        unknown = {"name": "x", "typed_config": {"@type": T + "envoy.extensions.filters.http.not_known.v3.NotKnown", "a": 1}}
        conf = lambda f: config([listener(free_port(), [{"match": {"prefix": "/"}, "direct_response": {"status": 204}}], [f])], [])
        self.assertIn("not_known", refused(conf(unknown)))
        d = Sallyport(conf({**unknown, "is_optional": True}))
        c = http.client.HTTPConnection("127.0.0.1", d.port)
        c.request("GET", "/")
        self.assertEqual(c.getresponse().status, 204)
        self.assertEqual(d.stop(), 0)


if __name__ == "__main__":
    unittest.main()
