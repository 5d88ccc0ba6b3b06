# SPDX-License-Identifier: GPL-2.0-or-later
"""RFC 9112 and 9110 over real sockets, what only shows from end to end; a test's name begins with the section that it is about. The rest is in
test/unit/http/test_rfc*.c, and all of it in docs/security/strictness.md."""
import re
import unittest

from harness import T, Sallyport, cluster, config, free_port, listener, raw, route_to
from tcp_origin import TcpOrigin

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
EVIL = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nEVIL"


class Origin(TcpOrigin):
    """Says `answer`, whatever it is, to each head; keeps the bytes that it gets."""

    def __init__(self):
        self.answer, self.seen = OK, bytearray()
        super().__init__()

    def serve(self, c):
        data = b""
        while piece := c.recv(65536):
            self.seen += piece
            data += piece
            while b"\r\n\r\n" in data:
                head, data = data.split(b"\r\n\r\n", 1)
                if re.match(rb"[A-Z]+ \S+ HTTP/1\.1\r\n", head):  # no trailers or content
                    c.sendall(self.answer)
                    if b"connection: close" in self.answer.lower():
                        return


def statuses(data):
    return [int(x) for x in re.findall(rb"HTTP/1\.[01] (\d{3})", data)]


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Origin()
        upstream = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": True}}}}
        cls.old = free_port()
        hcm = {"via": "door", "request_timeout": "1s", "http_protocol_options": {"enable_trailers": True}}
        cls.door = Sallyport(config(
            [listener(free_port(), [route_to("o")], hcm=hcm),
             listener(cls.old, [route_to("o")], name="old", hcm={"http_protocol_options": {"accept_http_10": True, "default_host_for_http_10": "d"}})],
            [cluster("o", cls.origin.port, typed_extension_protocol_options=upstream)]), concurrency=1)
        cls.port = cls.door.port

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.stop()
        assert code == 0, cls.door.log()

    def setUp(self):
        self.origin.answer = OK
        del self.origin.seen[:]

    def ask(self, head, body=b"", port=None, lines=b"", seconds=5):
        """One request whose connection ends with it."""
        return raw(port or self.port, head + b"\r\nhost: a\r\nconnection: close\r\n" + lines + b"\r\n" + body, seconds)

    def got(self):
        """(request line, {name: [values]}) of the last request that the origin got."""
        lines = re.findall(rb"[A-Z]+ \S+ HTTP/1\.1\r\n.*?\r\n\r\n", self.origin.seen, re.S)[-1].decode("latin-1").strip().split("\r\n")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            headers.setdefault(name, []).append(value)
        return lines[0], headers


class Requests(Base):
    def test_9112_3_2_2_absolute_form_replaces_host(self):
        self.assertEqual(statuses(self.ask(b"GET http://b.test:8080/x?y HTTP/1.1")), [200])
        line, headers = self.got()
        self.assertEqual((line, headers["host"]), ("GET /x?y HTTP/1.1", ["b.test:8080"]))

    def test_9112_6_1_bodies_are_framed_anew(self):
        self.ask(b"POST / HTTP/1.1", b"3;x=y\r\nabc\r\n0\r\n\r\n", lines=b"Transfer-Encoding: Chunked\r\n")
        self.assertEqual(self.got()[1]["transfer-encoding"], ["chunked"])
        self.assertNotIn("content-length", self.got()[1])
        self.assertTrue(self.origin.seen.endswith(b"3\r\nabc\r\n0\r\n\r\n"), self.origin.seen)
        del self.origin.seen[:]
        self.ask(b"POST / HTTP/1.1", b"abc", lines=b"Content-Length: 0003\r\n")
        self.assertEqual(self.got()[1]["content-length"], ["3"])

    def test_9112_6_3_a_body_that_is_none_is_no_request(self):
        """What stands in a body stays there, whatever says how long it is."""
        inner = b"GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n"
        out = raw(self.port, b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n" % len(inner) + inner +
                  b"GET /2 HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        self.assertEqual(statuses(out)[-1], 200)
        self.assertEqual(len(statuses(out)), 2)

    def test_9112_7_1_2_trailers(self):
        self.ask(b"POST / HTTP/1.1", b"1\r\na\r\n0\r\nX-Sum: 1\r\nHost: evil\r\nAuthorization: x\r\n\r\n", lines=b"transfer-encoding: chunked\r\n")
        self.assertTrue(self.origin.seen.endswith(b"0\r\nx-sum: 1\r\n\r\n"), self.origin.seen)

    def test_9112_8_cut_off_requests_reach_nobody(self):
        for data in (b"GET / HTTP/1.1\r\nhost: a\r\n", b"GET / HT", b"GET / HTTP/1.1\r\nhost: a\r\nx"):
            with self.subTest(data):
                self.assertEqual([x for x in statuses(raw(self.port, data, 5, close_write=True)) if x < 400], [])
        self.assertEqual(bytes(self.origin.seen), b"")

    def test_9112_9_6_nothing_behind_close(self):
        out = raw(self.port, b"GET /1 HTTP/1.1\r\nhost: a\r\nConnection: x, Close\r\n\r\nGET /2 HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertEqual(statuses(out), [200])
        self.assertIn(b"connection: close", out.lower())
        self.assertNotIn(b"/2", bytes(self.origin.seen))

    def test_9110_7_6_1_fields_of_one_connection(self):
        self.ask(b"GET / HTTP/1.1", lines=b"Connection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip, trailers\r\nX-End: 1\r\n")
        headers = self.got()[1]
        self.assertEqual({"x-hop", "keep-alive", "proxy-connection", "connection"} & set(headers), set())
        self.assertEqual((headers["te"], headers["x-end"]), (["trailers"], ["1"]))
        for name in (b"host", b"content-length", b"authorization", b"cookie", b"x-forwarded-for", b"x-request-id"):
            with self.subTest(name):
                self.assertEqual(statuses(self.ask(b"GET / HTTP/1.1", lines=b"Connection: " + name + b"\r\n")), [400])

    def test_9110_7_6_2_max_forwards(self):
        self.assertEqual(statuses(self.ask(b"OPTIONS / HTTP/1.1", lines=b"Max-Forwards: 5\r\n")), [200])
        self.assertEqual(self.got()[1]["max-forwards"], ["4"])
        self.ask(b"GET / HTTP/1.1", lines=b"Max-Forwards: 0\r\n")
        self.assertEqual(self.got()[1]["max-forwards"], ["0"])
        del self.origin.seen[:]
        for method, value, status in ((b"OPTIONS", b"0", 200), (b"OPTIONS", b"000", 200), (b"TRACE", b"0", 501), (b"TRACE", b"-1", 400), (b"OPTIONS", b"", 400),
                                      (b"OPTIONS", b"1\r\nMax-Forwards: 2", 400), (b"OPTIONS", b"9999999999999999999999", 400)):
            with self.subTest(method, value=value):
                self.assertEqual(statuses(self.ask(method + b" / HTTP/1.1", lines=b"Max-Forwards: " + value + b"\r\n")), [status])
        self.assertEqual(bytes(self.origin.seen), b"")

    def test_9110_7_6_3_via(self):
        self.ask(b"GET / HTTP/1.1", lines=b"Via: 1.0 first\r\n")
        self.assertEqual(self.got()[1]["via"], ["1.0 first, door"])

    def test_9110_15_2_interim_answers(self):
        self.origin.answer = b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK
        self.assertEqual(statuses(self.ask(b"GET / HTTP/1.1")), [103, 200])
        self.assertEqual(statuses(raw(self.old, b"GET / HTTP/1.0\r\n\r\n")), [200])

    def test_9112_9_3_http_1_0(self):
        out = raw(self.old, b"GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
        self.assertEqual(statuses(out), [200])
        self.assertEqual(self.got()[1]["host"], ["d"])
        out = raw(self.old, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /2 HTTP/1.0\r\n\r\n")
        self.assertEqual(statuses(out), [200, 200])

    def test_9112_6_3_no_chunks_for_http_1_0(self):
        self.origin.answer = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
        out = raw(self.old, b"GET / HTTP/1.0\r\n\r\n")
        self.assertTrue(out.endswith(b"\r\n\r\nabc"), out)
        self.assertNotIn(b"transfer-encoding", out.lower())

    def test_9110_6_6_1_date(self):
        out = self.ask(b"GET / HTTP/1.1")
        self.assertRegex(out, rb"(?m)^date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$")
        self.origin.answer = OK.replace(b"\r\n\r\n", b"\r\ndate: Mon, 01 Jan 2024 00:00:00 GMT\r\n\r\n", 1)
        self.assertIn(b"date: Mon, 01 Jan 2024 00:00:00 GMT", self.ask(b"GET / HTTP/1.1"))


class Answers(Base):
    """Of origins that lie about where their answers end, or put two into one."""

    def none_of_it(self, answer):
        """Nothing evil comes out of it: not in this exchange, not in the next."""
        self.origin.answer = answer
        out = self.ask(b"GET /1 HTTP/1.1")
        self.assertNotIn(b"EVIL", out)
        self.origin.answer = OK
        again = self.ask(b"GET /2 HTTP/1.1")
        self.assertEqual((statuses(again), again[-2:]), ([200], b"ok"))
        return out

    def test_9112_6_3_framing_of_answers(self):
        heads = {"both": b"Content-Length: 3\r\nTransfer-Encoding: chunked", "two lengths": b"Content-Length: 0\r\nContent-Length: 3",
                 "the same twice": b"Content-Length: 3\r\nContent-Length: 3", "list": b"Content-Length: 3, 3", "sign": b"Content-Length: +3",
                 "coding": b"Transfer-Encoding: gzip, chunked", "identity": b"Transfer-Encoding: identity", "space": b"Content-Length : 3",
                 "fold": b"X: y\r\n Content-Length: 3", "lf": b"X: y\nContent-Length: 3", "cr": b"X: y\rContent-Length: 3", "nul": b"X: \0",
                 "no colon": b"X", "named": b"Connection: content-length\r\nContent-Length: 3"}
        for name, lines in heads.items():
            with self.subTest(name):
                out = self.none_of_it(b"HTTP/1.1 200 OK\r\n" + lines + b"\r\n\r\nabc" + EVIL)
                self.assertEqual(statuses(out), [502], out)

    def test_9112_4_status_lines_of_answers(self):
        for line in (b"HTTP/1.1 20 OK", b"HTTP/1.1  200 OK", b"HTTP/2.0 200 OK", b"ICY 200 OK", b"HTTP/1.1 abc", b"\r\nHTTP/1.1 200 OK", b"EVIL", b"HTTP/1.1 200\x00OK"):
            with self.subTest(line):
                self.assertEqual(statuses(self.none_of_it(line + b"\r\nContent-Length: 0\r\n\r\n")), [502])

    def test_9112_7_1_chunks_of_answers(self):
        """The head went down already: the exchange ends without its last chunk."""
        for body in (b"0x3\r\nabc\r\n", b"3\r\nabcd\r\n", b"3 \r\nabc\r\n", b"3\nabc\n", b"ffffffffffffffff\r\nabc", b"3\r\nabc\r\n0\r\nX : y\r\n\r\n"):
            with self.subTest(body):
                out = self.none_of_it(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + EVIL)
                self.assertFalse(out.endswith(b"0\r\n\r\n"), out)

    def test_9112_9_2_answers_to_nobody(self):
        """What follows an answer belongs to no request; that connection is used no more."""
        for first in (OK, b"HTTP/1.1 204 No Content\r\n\r\n", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n",
                      b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"):
            with self.subTest(first):
                self.none_of_it(first + EVIL)

    def test_9110_15_2_2_a_switch_that_nobody_asked_for(self):
        out = self.none_of_it(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n" + EVIL)
        self.assertEqual(statuses(out), [502])

    def test_9110_15_2_too_many_interim_answers(self):
        out = self.none_of_it(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 50 + EVIL)
        self.assertEqual(statuses(out)[-1], 502)
        self.assertLess(len(statuses(out)), 20)

    def test_9110_6_4_1_no_content(self):
        """204 and 304 end with their heads, and 1xx say no length."""
        for answer in (b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nEVIL", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n",
                       b"HTTP/1.1 103 Early Hints\r\nContent-Length: 4\r\n\r\nEVIL" + EVIL, b"HTTP/1.1 100 Continue\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nEVIL\r\n0\r\n\r\n"):
            with self.subTest(answer):
                self.assertEqual(statuses(self.none_of_it(answer)), [502])

    def test_9110_7_6_1_fields_of_answers(self):
        self.origin.answer = (b"HTTP/1.1 200 OK\r\nConnection: x-hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nX-End: 1\r\n"
                              b"Content-Length: 2\r\n\r\nok")
        out = self.ask(b"GET / HTTP/1.1").lower()
        self.assertNotRegex(out, rb"(?m)^(x-hop|keep-alive|proxy-connection):")
        self.assertIn(b"x-end: 1", out)

    def test_9112_9_8_an_answer_without_its_end(self):
        self.origin.answer = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc"
        out = self.ask(b"GET / HTTP/1.1")
        self.assertTrue(out.endswith(b"abc") or statuses(out) == [502], out)


if __name__ == "__main__":
    unittest.main()
