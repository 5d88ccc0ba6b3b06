# SPDX-License-Identifier: GPL-2.0-or-later
"""Odd HTTP/1 requests (lib/odd_http.py) against sallyport, and against other parsers (lib/second_parser.py, nginx, a real Envoy):

- what sallyport takes is what h11 reads in the same bytes: the same requests, with the same methods, targets, fields and bodies;
- what the origin gets is read by h11, by Node's http_parser and by nginx as just these requests;
- what Envoy refuses, sallyport takes for a reason of LOOSER only, each of which stands in docs/envoy-differences.md.

SP_ODD_N: how many (1200). SP_ODD_SEED: which ones. scripts/differential-h1 runs for as long as one likes.
"""
import os
import re
import socket
import threading
import unittest

import second_parser
from harness import SLOW, Nginx, Sallyport, cluster, config, free_port, listener, raw, route_to
from odd_http import Odd
from test_envoy import Envoy, find_envoy

N = int(os.environ.get("SP_ODD_N", "1200"))
SEED = int(os.environ.get("SP_ODD_SEED", "9112"))
LANES = 8
SENTINEL = b"GET /sentinel HTTP/1.1\r\nHost: h\r\nX-Case: %d\r\nConnection: close\r\n\r\n"

# Of one connection only, or what the door sees to itself.
HOP = {b"connection", b"keep-alive", b"proxy-connection", b"te", b"transfer-encoding", b"upgrade", b"http2-settings", b"content-length", b"host",
       b"trailer", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-request-id", b"expect", b"x-envoy-expected-rq-timeout-ms",
       b"max-forwards"}


def looks_like(name):
    return name.replace(b"_", b"-") in HOP


def fields(r):
    """Those that go from end to end, in an order that does not matter."""
    named = {t.strip().lower() for n, v in r.headers if n == b"connection" for t in v.split(b",")}
    joined = b", ".join(v for n, v in r.headers if n == b"cookie")
    rest = [(n, v) for n, v in r.headers if not looks_like(n) and n not in named and n != b"cookie"]
    return sorted(rest + ([(b"cookie", joined)] if joined and b"cookie" not in named else []))


def path(target):
    m = re.match(rb"(?i)https?://[^/?#]*(.*)", target)
    if not m:
        return target
    return m.group(1) if m.group(1).startswith(b"/") else b"/" + m.group(1)


def host(r):
    m = re.match(rb"(?i)https?://([^/?#]*)", r.target)
    return m.group(1) if m else next((v for n, v in r.headers if n == b"host"), b"")


def same(a, b):
    return (a.method, path(a.target), host(a).lower(), a.body, fields(a)) == (b.method, path(b.target), host(b).lower(), b.body, fields(b))


def late(r, n):
    """Whether it is of another case: that had no answer, and its bytes came after we went on. (The byte that was changed may be one of x-case.)"""
    case = dict(r.headers).get(b"x-case", b"")
    return case.isdigit() and case not in b"%d" % n


class Lane(threading.Thread):
    """Its share of the cases, one after the other, through a listener and an origin of its own."""

    def __init__(self, port, cases, origin):
        super().__init__(daemon=True)
        self.port, self.cases, self.origin, self.results = port, cases, origin, {}
        self.start()

    def ask(self, data):
        with socket.create_connection(("127.0.0.1", self.port), 20 * SLOW) as s:
            s.settimeout(20 * SLOW)
            out = b""
            try:
                s.sendall(data)
                while piece := s.recv(65536):
                    out += piece
            except ConnectionError:
                pass
            return out

    def run(self):
        for n, data in self.cases:
            self.origin.got, self.origin.bad = [], []
            out = self.ask(data + SENTINEL % n)
            got = [r for r in self.origin.got if not late(r, n)]
            self.results[n] = (out, got, list(self.origin.bad))


def door_config(origins):
    """A listener and a cluster for each lane. What is never finished ends soon."""
    hcm = {"request_timeout": "0.5s", "request_headers_timeout": "0.5s", "delayed_close_timeout": "0.1s"}
    return config([listener(free_port(), [route_to(f"o{i}")], name=f"l{i}", hcm=hcm) for i in range(len(origins))],
                  [cluster(f"o{i}", o.port) for i, o in enumerate(origins)])


def ports(conf):
    return [x["address"]["socket_address"]["port_value"] for x in conf["static_resources"]["listeners"]]


def run(make, cases):
    """case -> (answer, requests at the origin, what no request could be made of)"""
    origins = [second_parser.Origin() for _ in range(LANES)]
    conf = door_config(origins)
    door = make(conf)
    try:
        lanes = [Lane(port, cases[i::LANES], origins[i]) for i, port in enumerate(ports(conf))]
        for lane in lanes:
            lane.join()
        return {n: r for lane in lanes for n, r in lane.results.items()}, door
    finally:
        for o in origins:
            o.stop()


def statuses(out):
    return [int(x) for x in re.findall(rb"HTTP/1\.1 (\d{3})", out)]


def passed(result):
    return result[0].count(b"x-origin: 1")


# Why sallyport may take what Envoy refuses; docs/envoy-differences.md has each.
ENVOYS = {b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"CONNECT", b"OPTIONS", b"TRACE", b"PATCH", b"PURGE", b"COPY", b"LOCK", b"MOVE", b"SEARCH"}
LOOSER = {
    # Envoy knows a list of methods; here any token is one.
    "method": lambda requests: any(r.method not in ENVOYS for r in requests),
    # "http://host?query" has no path: RFC 9110 section 4.2.3 makes it "/".
    "no path": lambda requests: any(re.match(rb"(?i)https?://[^/?#]+\?", r.target) for r in requests),
}


@unittest.skipUnless(second_parser.h11, "no h11 or httptools here (scripts/packages test)")
class DifferentialH1(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        odd = Odd(SEED)
        cls.cases = [(n, odd.request(n)[0]) for n in range(N)]
        cls.ours, door = run(lambda c: Sallyport(c, concurrency=1), cls.cases)
        cls.code = door.stop()
        cls.log = door.log()

    def told(self, n):
        return f"SP_ODD_SEED={SEED}, case {n}: {dict(self.cases)[n]!r}\n  answer {self.ours[n][0][:300]!r}\n  origin {[r.raw for r in self.ours[n][1]]!r}"

    def test_ended_well(self):
        self.assertEqual(self.code, 0, self.log)

    def test_enough_of_both(self):
        """The generator makes good ones, too."""
        taken = sum(passed(r) > 0 for r in self.ours.values())
        self.assertGreater(taken, N // 8)
        self.assertGreater(N - taken, N // 4)

    def test_what_we_take_is_what_h11_reads(self):
        for n, data in self.cases:
            out, got, bad = self.ours[n]
            with self.subTest(n):
                self.assertEqual(bad, [], self.told(n))
                self.assertEqual(len(got), passed(self.ours[n]), self.told(n))
                read, rest = second_parser.read(data + SENTINEL % n)
                if "Content-Length" in rest and b"content-length" not in data.split(b"\r\n\r\n")[0].lower():
                    continue  # h11 reads one in the trailers, which here is dropped unread
                self.assertGreaterEqual(len(read), len(got), f"{self.told(n)}\n  h11: {rest}")
                for a, b in zip(got, read):
                    self.assertTrue(same(a, b), f"{self.told(n)}\n  h11 {b}\n  we {a}")

    def test_origins_read_one_request(self):
        """In what was sent on, every other parser sees the same."""
        server = Nginx("listen 127.0.0.1:$PORT; large_client_header_buffers 4 64k; location / { return 200; }")
        self.addCleanup(server.kill)
        for n, _ in self.cases:
            for r in self.ours[n][1]:
                with self.subTest(n):
                    again = second_parser.read_again(r.raw)
                    # It knows some methods only.
                    if not (isinstance(again, str) and "InvalidMethod" in again):
                        self.assertIsInstance(again, list, f"{again}: {self.told(n)}")
                        self.assertEqual([(x.method, x.target, x.body, sorted(x.headers)) for x in again],
                                         [(r.method, r.target, r.body, sorted(r.headers))], self.told(n))
                    self.assertRegex(r.raw.split(b"\r\n\r\n")[0].replace(b"\r\n", b""), rb"^[\t\x20-\x7e\x80-\xff]+$")
                    # nginx knows methods of capitals only, and decodes targets and walks their dots.
                    if re.fullmatch(rb"[A-Z_-]+", r.method) and r.method != b"TRACE" and not re.search(rb"^/\.\.|%(00|(?![0-9a-fA-F]{2}))", r.target):
                        answers = statuses(raw(server.port, r.raw + SENTINEL % n, 5))
                        self.assertEqual(len(answers), 2, f"nginx {answers}: {self.told(n)}")

    @unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_what_envoy_refuses(self):
        theirs, envoy = run(lambda c: Envoy(find_envoy(), c), self.cases)
        envoy.kill()
        looser = {}
        for n, data in self.cases:
            if passed(self.ours[n]) <= passed(theirs[n]):
                continue
            requests = second_parser.read(data + SENTINEL % n)[0]
            why = next((k for k, test in LOOSER.items() if test(requests)), None)
            looser.setdefault(why, []).append((n, statuses(theirs[n][0])))
        if os.environ.get("SP_ODD_SHOW"):
            print({k: len(v) for k, v in looser.items()})
        self.assertEqual([f"Envoy {status}: {self.told(n)}" for n, status in looser.get(None, [])], [])


if __name__ == "__main__":
    unittest.main()
