# SPDX-License-Identifier: GPL-2.0-or-later
"""Origins, and the DNS before them, that keep to no protocol: nothing of what they do reaches other clusters, is kept, or ends the door.

SP_MAD_S: how long (4 s). SP_MAD_SEED: of what they do (1; at random where SP_MAD_S is said).
"""
import os
import random
import re
import socket
import struct
import threading
import time
import unittest

import hpack

from fake_dns import NXDOMAIN, REFUSED, SERVFAIL, FakeDns
from harness import SLOW, T, Sallyport, cluster, config, free_port, listener, raw, route_to, seed_of, wait_for
from mad_origin import OK, Mad, Mad2, frame, reset
from tcp_origin import TcpOrigin
from test_dns import dns_cluster

SECONDS = float(os.environ.get("SP_MAD_S", "4"))
SEED = seed_of("MAD")
PREVIOUS = {"name": "previous", "typed_config": {"@type": T + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}
RETRY = {"retry_on": "5xx,reset,connect-failure,retriable-4xx,refused-stream,retriable-status-codes,envoy-ratelimited,unavailable",
         "num_retries": 4, "retriable_status_codes": [421], "retry_back_off": {"base_interval": "0.002s"}, "per_try_timeout": "0.4s",
         "per_try_idle_timeout": "0.3s", "retry_host_predicate": [PREVIOUS], "host_selection_retry_max_attempts": 3,
         "rate_limited_retry_back_off": {"max_interval": "1s", "reset_headers": [{"name": "retry-after", "format": "SECONDS"},
                                                                                 {"name": "x-reset", "format": "UNIX_TIMESTAMP"}]}}
HASH = [{"header": {"header_name": "x-hash"}}, {"cookie": {"name": "c", "ttl": "10s"}}, {"query_parameter": {"name": "q"}}]
LIMITS = {"thresholds": [{"max_connections": 20, "max_pending_requests": 50, "max_requests": 60, "max_retries": 30}]}
TIMES = {"timeout": "0.3s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 1, "healthy_threshold": 1}
OUT = {"interval": "0.5s", "base_ejection_time": "0.2s", "consecutive_5xx": 5}
HTTP_CHECK = {**TIMES, "name": "http", "http_health_check": {"path": "/", "receive": [{"text": "6f6b"}]}}
TCP_CHECK = {**TIMES, "name": "tcp", "tcp_health_check": {"send": {"text": "474554202f0d0a0d0a"}, "receive": [{"text": "6f6b"}]}}
GRPC_CHECK = {**TIMES, "name": "grpc", "grpc_health_check": {}}
SUBSETS = {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": ["v"]}]}
IN_ONE = {"metadata_match": {"filter_metadata": {"envoy.lb": {"v": "1"}}}}


class Good(TcpOrigin):
    answer = OK

    def serve(self, c):
        data = b""
        while True:
            head, data = self.head(c, data)
            if head is None:
                return
            c.sendall(self.answer)


def versions(c):
    """Every other host is of version 1."""
    for i, e in enumerate(c["load_assignment"]["endpoints"][0]["lb_endpoints"]):
        e["metadata"] = {"filter_metadata": {"envoy.lb": {"v": str(i % 2)}}}
    return c


def request(r, path):
    """(bytes, whether they are whole)"""
    pick = r.choice
    lines = [b"host: a", b"x-hash: " + pick((b"", b"a", b"\xff\xfe", b"z" * 8000, b"%d" % r.randrange(100))),
             b"x-mirror: " + pick((b"m1", b"nosuch", b"", b"h1", b"\xff")), b"cookie: c=" + pick((b"", b'"x"', b"a;c=b", b"=" * 100))]
    if r.random() < 0.3:
        lines.append(b"x-envoy-max-retries: " + pick((b"4294967295", b"-1", b"0", b"99")))
    if r.random() < 0.1:
        lines.append(b"x-envoy-retriable-status-codes: " + b",".join(b"%d" % i for i in range(1, 900)))
    if r.random() < 0.1:
        lines.append(b"x-envoy-upstream-rq-per-try-timeout-ms: " + pick((b"0", b"1", b"99999999999")))
    method, body, whole = pick((b"GET", b"POST", b"PUT")), b"", r.random() < 0.9
    if method == b"POST":
        body = b"b" * pick((1, 100, 70000, 300000, 1500000))
        lines.append(b"content-length: %d" % (len(body) if whole else 5000000))
    elif method == b"PUT":
        lines.append(b"transfer-encoding: chunked")
        body = b"".join(b"%x\r\n%s\r\n" % (n, b"c" * n) for n in (pick((1, 10, 5000, 60000)) for _ in range(r.randrange(30))))
        body += b"0\r\n" + pick((b"", b"t: v\r\n")) + b"\r\n" if whole else b""
    return b"%s %s HTTP/1.1\r\n%s\r\n\r\n%s" % (method, path, b"\r\n".join(lines), body), whole or method == b"GET"


class MadOrigins(unittest.TestCase):
    def setUp(self):
        self.errors, self.n, self.stop_at = [], 0, 0

    def origin(self, o):
        self.addCleanup(o.stop)
        return o.port

    def client(self, port, seed, paths):
        r = random.Random(seed)
        while time.time() < self.stop_at:
            with socket.create_connection(("127.0.0.1", port)) as s:
                s.settimeout(8 * SLOW)
                try:
                    whole = True
                    while whole and r.random() < 0.8:
                        data, whole = request(r, r.choice(paths))
                        cut = r.randrange(len(data))
                        s.sendall(data[:cut])
                        s.sendall(data[cut:])
                        if whole and r.random() < 0.9 and not s.recv(65536):
                            break
                        self.n += 1
                    if r.random() < 0.3:
                        reset(s)
                except OSError:
                    pass

    def look(self, d):
        """A good origin's cluster is none the worse for it."""
        while time.time() < self.stop_at:
            out = raw(d.port, b"GET /good HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", seconds=10)
            if not out.endswith(b"ok"):
                self.errors.append(out[:200])
            time.sleep(0.1)

    def storm(self, d, paths):
        self.stop_at = time.time() + SECONDS
        threads = [threading.Thread(target=self.client, args=(d.port, SEED + i, paths)) for i in range(8)]
        threads.append(threading.Thread(target=self.look, args=(d,)))
        for t in threads:
            t.start()
        for t in threads:
            t.join()

    def settled(self, d, seed):
        """Nothing is left of it; asan tells of memory that is."""
        def left():
            return {k: v for k, v in d.stats().items() if v and "admin" not in k and re.search(r"(rq_active|pending_active|downstream_cx_active)$", k)}
        with self.subTest(f"SP_MAD_SEED={seed}"):
            self.assertEqual(self.errors, [])
            self.assertGreater(self.n, 10)
            try:
                wait_for("all to end", lambda: not left(), 20)
            except AssertionError:
                self.assertEqual(left(), {})
            if SLOW == 1:  # sanitizers keep what was freed
                self.assertLess(d.rss(), 64 << 20)
            self.assertEqual(d.stop(), 0, d.log())

    def test_everything(self):
        """Retries, copies, balancing by hash, subsets, connections ahead of need, health checks, outlier detection."""
        ones, twos = [self.origin(Mad(SEED + i)) for i in range(3)], [self.origin(Mad2(SEED + i)) for i in range(3)]
        copies = [{"cluster": "m1"}, {"cluster": "m2"}, {"cluster_header": "x-mirror"}]
        more = {"retry_policy": RETRY, "timeout": "2s", "hash_policy": HASH}
        clusters = [cluster("g", self.origin(Good())),
                    cluster("h1", *ones, circuit_breakers=LIMITS, lb_policy="RING_HASH", outlier_detection=OUT,
                            preconnect_policy={"per_upstream_preconnect_ratio": 1.5}),
                    cluster("h2", *twos, http2=True, circuit_breakers=LIMITS, lb_policy="MAGLEV"),
                    cluster("m1", *ones, circuit_breakers=LIMITS), cluster("m2", *twos, http2=True, circuit_breakers=LIMITS),
                    versions(cluster("sub", *ones, circuit_breakers=LIMITS, lb_subset_config=SUBSETS)),
                    cluster("c1", *ones, health_checks=[HTTP_CHECK, TCP_CHECK]), cluster("c2", *twos, http2=True, health_checks=[GRPC_CHECK])]
        routes = [route_to("g", "/good"), route_to("h1", "/a", request_mirror_policies=copies, **more),
                  route_to("h2", "/b", request_mirror_policies=copies, **more), route_to("sub", "/s", **IN_ONE, **more)]
        hcm = {"upgrade_configs": [{"upgrade_type": "websocket"}], "stream_idle_timeout": "3s"}  # of requests that are not read
        d = Sallyport(config([listener(free_port(), routes, hcm=hcm)], clusters))
        self.addCleanup(d.kill)
        self.storm(d, (b"/a", b"/b", b"/s"))
        self.settled(d, SEED)

    def churn(self, dns, names, addresses, stop):
        r = random.Random(SEED)
        while not stop.wait(0.1):
            for name in names:
                ttl = r.choice((0, 1, 60, 1 << 31, (1 << 32) - 1))
                r.choice((lambda: dns.set(name, rcode=r.choice((SERVFAIL, NXDOMAIN, REFUSED))), lambda: dns.set(name, silent=True),
                          lambda: dns.set(name), lambda: dns.set(name, *addresses * 20, ttl=ttl),
                          *[lambda: dns.set(name, *r.sample(addresses, r.randrange(1, 12)), ttl=ttl)] * 8))()

    def test_names_that_change(self):
        """All balancers, while what their hosts' names stand for changes ten times a second, under load."""
        dns, port, stop = FakeDns(), free_port(), threading.Event()
        addresses, names = [f"127.0.0.{i}" for i in range(1, 20)], ("a.test", "b.test")
        for a in addresses[:12]:  # nobody is at the others
            self.origin(Good(a, port))
        for i, name in enumerate(names):
            dns.set(name, addresses[i])
        some = [("ring", {"lb_policy": "RING_HASH"}), ("maglev", {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 1009}}),
                ("least", {"lb_policy": "LEAST_REQUEST", "health_checks": [{**TIMES, "http_health_check": {"path": "/"}}], "outlier_detection": OUT}),
                ("few", {"circuit_breakers": {"thresholds": [{"max_connections": 4, "max_connection_pools": 6}],
                                              "per_host_thresholds": [{"max_connections": 2}]}}),
                ("sub", {"lb_subset_config": SUBSETS}),
                ("random", {"lb_policy": "RANDOM", "preconnect_policy": {"per_upstream_preconnect_ratio": 2}}), ("one", {"kind": "LOGICAL_DNS"})]
        clusters = [cluster("g", self.origin(Good()))]
        for name, more in some:
            c = dns_cluster(dns, *(names[:1] if name == "one" else names), port=port, **more)
            clusters.append(versions({**c, "name": name, "load_assignment": {**c["load_assignment"], "cluster_name": name}}))
        routes = [route_to(name, f"/{name}", retry_policy=RETRY, timeout="2s", hash_policy=HASH, **(IN_ONE if name == "sub" else {}))
                  for name, _ in some]
        d = Sallyport(config([listener(free_port(), [route_to("g", "/good"), *routes])], clusters))
        self.addCleanup(d.kill)
        t = threading.Thread(target=self.churn, args=(dns, names, addresses, stop))
        t.start()
        self.storm(d, [f"/{name}?q={i}".encode() for name, _ in some for i in range(5)])
        stop.set()
        t.join()
        dns.stop()
        self.settled(d, SEED)


class Stale(Good):
    """Says the next answer before it is asked."""

    answer = OK + OK.replace(b"ok", b"no")


class Flood(TcpOrigin):
    """Answers a check, and then goes on for ever."""

    def __init__(self):
        self.ended = 0
        super().__init__()

    def serve(self, c):
        c.recv(10)
        c.sendall(b"ok")
        time.sleep(0.1)
        end = time.monotonic() + 20 * SLOW
        try:
            while time.monotonic() < end:
                c.sendall(b"x" * 10000)
        except OSError:
            self.ended += 1


class NoWindow(Mad2):
    """Answers every head whole, and takes no body."""

    def __init__(self):
        super().__init__(0)

    def serve(self, c):
        encoder = hpack.Encoder()
        c.settimeout(30 * SLOW)
        c.sendall(frame(4, 0, 0, struct.pack(">HI", 4, 0)))
        data = self.drop(c, b"", 24)
        while True:
            while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
                piece = c.recv(65536)
                if not piece:
                    return
                data += piece
            n, kind, flags, stream = int.from_bytes(data[:3], "big"), data[3], data[4], int.from_bytes(data[5:9], "big")
            data = data[9 + n:]
            if kind == 4 and not flags & 1:
                c.sendall(frame(4, 1, 0, b""))
            elif kind == 1:
                c.sendall(frame(1, 5, stream, encoder.encode([(b":status", b"200")])))


class OneThing(unittest.TestCase):
    def origin(self, o):
        self.addCleanup(o.stop)
        return o

    def door(self, *clusters):
        d = Sallyport(config([listener(free_port(), [route_to("o")])], list(clusters)), concurrency=1)
        self.addCleanup(d.kill)
        return d

    def test_an_answer_that_nobody_asked_for(self):
        d = self.door(cluster("o", self.origin(Stale()).port))
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.settimeout(10 * SLOW)
            for _ in range(50):
                s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
                out = b""
                while b"\r\n\r\n" not in out or len(out.split(b"\r\n\r\n", 1)[1]) < 2:
                    out += s.recv(4096)
                self.assertTrue(out.endswith(b"ok"), out)
        self.assertEqual(d.stat("cluster.o.upstream_cx_total"), 50)

    def test_a_whole_answer_to_a_request_that_it_never_takes(self):
        """HTTP/2: no window for the body, and no word more. The request is over; so is its stream, and its place goes to the next."""
        d = self.door(cluster("o", self.origin(NoWindow()).port, http2=True, circuit_breakers={"thresholds": [{"max_requests": 3}]}))
        for _ in range(3):
            self.assertTrue(raw(d.port, b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\nconnection: close\r\n\r\n123456789", seconds=10)
                            .startswith(b"HTTP/1.1 200 "))
        self.assertIn(d.stat("cluster.o.upstream_rq_active"), (2, 3))  # the first may have been sent before the origin's SETTINGS came
        wait_for("the streams to end", lambda: d.stat("cluster.o.upstream_rq_active") == 0, 10)
        self.assertEqual([d.stat(f"cluster.o.{x}") for x in ("upstream_cx_total", "upstream_rq_completed", "upstream_cx_active")], [1, 3, 1])

    def test_a_host_that_talks_between_checks(self):
        o = self.origin(Flood())
        self.door(cluster("o", o.port, health_checks=[{
            **TIMES, "interval": "30s", "no_traffic_interval": "30s", "tcp_health_check": {"send": {"text": "71"}, "receive": [{"text": "6f6b"}]}}]))
        wait_for("the host to be let go", lambda: o.ended, 5)


if __name__ == "__main__":
    unittest.main()
