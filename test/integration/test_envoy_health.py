# SPDX-License-Identifier: GPL-2.0-or-later
"""Active health checks beside a real Envoy: an origin that answers by a script sees the same checks, and both say the same of it."""
import http.client
import os
import re
import signal
import socket
import threading
import time
import unittest

from harness import Sallyport, T, cert, cluster, config, curl, free_port, listener, route_to, upstream_tls, wait_for, work
from health_origin import Grpc, Http, Tls, Web, answer, have_grpc, read_events
from test_envoy import Envoy, find_envoy

# Of the cluster's; not the connections', which are counted otherwise for checks, nor what only one of the two has.
COUNTED = re.compile(r"^cluster\.o\.(health_check\.\w+|membership_(?:healthy|degraded|excluded|total)): (\d+)$", re.M)
TIMES = {"timeout": "60s", "interval": "0.05s", "no_traffic_interval": "0.05s", "unhealthy_threshold": 2, "healthy_threshold": 2}
OK, BAD = answer(), answer(503)
SINK = T + "envoy.extensions.health_check.event_sinks.file.v3.HealthCheckEventFileSink"


def get(admin, path):
    c = http.client.HTTPConnection("127.0.0.1", admin, timeout=10)
    c.request("GET", path)
    text = c.getresponse().read().decode()
    c.close()
    return text


class Case(unittest.TestCase):
    maxDiff = None

    def state(self, s):
        flags = re.search(r"^o::\S+::health_flags::(\S+)$", get(s.admin, "/clusters"), re.M)
        counted = dict(COUNTED.findall(get(s.admin, "/stats")))
        if "degraded" not in flags.group(1):
            del counted["health_check.degraded"]  # Envoy's never goes down
        return counted, flags.group(1)

    def run_one(self, s, origin, n):
        """The state once the script is over: the check behind it is not answered."""
        wait_for("all checks", lambda: origin.seen() > n, 20)
        wait_for("the last to be counted", lambda: self.state(s)[0]["health_check.attempt"] == str(n + 1))
        return self.state(s)

    def same(self, name, check, script, make=Http, tidy=lambda requests: None, **more):
        """The same state, the same events and the same checks of both, one after the other; returns ours."""
        with self.subTest(name):
            seen = []
            for kind in ("envoy", "sallyport") if find_envoy() else ("sallyport",):
                origin, events = make(script), work(f"events-{time.time_ns()}.json")
                check = {**check, "always_log_health_check_failures": True, "always_log_health_check_success": True,
                         "event_logger": [{"name": "file", "typed_config": {"@type": SINK, "event_log_path": events}}]}
                conf = config([listener(free_port(), [route_to("o")])],
                              [cluster("o", origin.port, health_checks=[{**TIMES, **check}], **more)])
                s = Envoy(find_envoy(), conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                try:
                    state, requests = self.run_one(s, origin, len(script)), tidy(origin.requests)
                    s.stop()
                    seen.append((state, requests, read_events(events, origin.port)))
                finally:
                    s.kill()
                    origin.stop()
            self.assertEqual(seen[0], seen[-1])
            self.assertGreaterEqual(len(seen[-1][2]), len(script))
            return seen[-1]


def heads(requests):
    """What was asked, but for who asks."""
    return [sorted(re.sub(rb"(?i)^user-agent: (envoy|sallyport)/hc$", b"user-agent: x", line).lower() for line in r.split(b"\r\n"))
            for r in requests]


class HttpChecks(Case):
    def http(self, name, script, tidy=heads, make=Http, **check):
        return self.same(name, {"http_health_check": {"path": "/hc", **check}}, script, make, tidy)

    def test_thresholds(self):
        for name, script in (("well", [OK] * 3), ("out at once", [OK, BAD]), ("never well", [BAD] * 3), ("back", [OK, BAD, OK, OK]),
                             ("not yet back", [OK, BAD, OK]), ("begins anew", [OK, BAD, OK, BAD, OK, OK]), ("late", [BAD, OK, OK, OK])):
            self.http(name, script)

    def test_statuses(self):
        more = {"expected_statuses": [{"start": 200, "end": 300}, {"start": 418, "end": 419}], "retriable_statuses": [{"start": 429, "end": 504}]}
        for name, script in (("expected", [answer(204), answer(299), answer(418)]), ("retriable", [OK, answer(429)]),
                             ("retriable twice", [OK, answer(429), BAD]), ("retriable, well, retriable", [OK, BAD, OK, BAD]),
                             ("neither", [OK, answer(300)]), ("retriable first", [BAD, OK])):
            self.http(name, script, **more)

    def test_headers(self):
        degraded, out = answer(x_envoy_degraded="1"), {"x_envoy_immediate_health_check_fail": "true"}
        for name, script in (("degraded", [degraded]), ("no longer", [degraded, OK]), ("out and in again", [degraded, BAD, OK, OK]), ("degraded, then out", [degraded, BAD]),
                             ("out at once", [OK, answer(503, **out)]), ("out and back", [OK, answer(503, **out), OK, OK]),
                             ("well with the header", [OK, answer(200, **out)])):
            self.http(name, script)

    def alpn(self, name, expected, takes=("h2", "http/1.1", "hc"), http2=False, alone=False, common=None, **check):
        """What the origin sees offered: it takes the first of `takes` that is."""
        with self.subTest(name):
            for kind in ("envoy", "sallyport") if find_envoy() and not alone else ("sallyport",):
                origin = Tls([OK], cert("origin"), takes)
                self.addCleanup(origin.stop)
                conf = config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port, http2=http2, tls=upstream_tls(client=None, **(common or {})),
                              health_checks=[{**TIMES, **check, "http_health_check": {"path": "/"}}])])
                s = Envoy(find_envoy(), conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                try:
                    wait_for("a second check", lambda: origin.seen() == 2)
                    self.assertEqual(self.state(s)[1], "healthy", kind)
                    self.assertEqual(origin.agreed, [expected], kind)
                finally:
                    s.kill()

    def test_alpn(self):
        self.alpn("its own", "hc", http2=True, tls_options={"alpn_protocols": ["x", "hc"]})
        self.alpn("its own, over the context's", "hc", common={"alpn_protocols": ["h2"]}, tls_options={"alpn_protocols": ["hc"]})
        self.alpn("the context's", "http/1.1", common={"alpn_protocols": ["http/1.1"]})
        self.alpn("none that is taken", None, takes=["other"], tls_options={"alpn_protocols": ["hc"]})
        # Envoy offers nothing then; here it is what the check speaks, whatever the cluster does.
        self.alpn("what it speaks", "http/1.1", http2=True, alone=True)

    def test_passive(self):
        """A host that wants no more requests says so in an answer to one: it is out without having been checked."""
        out = answer(200, x_envoy_immediate_health_check_fail="true")
        for name, more in (("no traffic yet", {}), ("always logged", {"always_log_health_check_failures": True})):
            with self.subTest(name):
                seen = []
                for kind in ("envoy", "sallyport") if find_envoy() else ("sallyport",):
                    checks, requests, events = Http([OK]), Http([out]), work(f"events-{time.time_ns()}.json")
                    both = Split([checks, requests])
                    self.addCleanup(both.stop)
                    conf = config([listener(free_port(), [route_to("o")])], [cluster("o", both.port, health_checks=[{
                        **TIMES, **more, "event_log_path": events, "http_health_check": {"path": "/0"}}])])
                    s = Envoy(find_envoy(), conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                    try:
                        wait_for("the second check", lambda: checks.seen() == 2)
                        self.assertEqual(curl(f"http://127.0.0.1:{s.port}/1").status, 200)
                        wait_for("it to be out", lambda: "/failed_active_hc" in self.state(s)[1])
                        state = self.state(s)
                        s.stop()
                        seen.append((state, read_events(events, both.port)))
                    finally:
                        s.kill()
                self.assertEqual(seen[0], seen[-1])
                self.assertEqual(seen[-1][0][0]["health_check.passive_failure"], "1")

    def test_network(self):
        # Closed under a check on a connection that was used before: we ask once more (docs/health-checks.md).
        for name, script in (("reset at first", ["reset", OK]), ("no HTTP", [OK, b"rubbish\r\n\r\n"]),
                             ("closed twice", ["close", "close", OK])):
            self.http(name, script)

    def test_bodies(self):
        text = lambda s: {"text": s.encode().hex()}
        post = {"method": "POST", "send": text("{}"), "receive": [text("ab"), {"binary": "Y2Q="}]}
        whole = lambda script: Http(script, lambda data: data.endswith(b"\r\n\r\n{}"))
        body = lambda s, status=200: answer(status, s.encode())
        for name, script in (("found", [body("xabxcd")]), ("not in order", [body("cdab")]), ("none", [OK]), ("wrong status", [body("abcd", 500)]),
                             ("past the buffer", [body("ab" + "x" * 1024 + "cd")]), ("both", [body("abcd"), body("abc"), body("abcd"), body("abcd")])):
            self.http(name, script, make=whole, **post)
        self.http("all of it", [body("ab" + "x" * 5000 + "cd")], make=whole, response_buffer_size=0, **post)
        self.http("little", [body("--abcd"), body("abcd")], make=whole, response_buffer_size=5, **post)
        self.http("retriable, body wrong", [body("abcd"), body("x", 500)], make=whole, retriable_statuses=[{"start": 500, "end": 501}], **post)

    def test_services(self):
        of = lambda name, status=200: answer(status, x_envoy_upstream_healthchecked_cluster=name)
        for name, script in (("right", [of("api-1")]), ("wrong", [of("web")]), ("none", [OK]), ("wrong status", [of("api", 500)]),
                             ("changes", [of("api"), of("web"), of("api"), of("api")])):
            self.http(name, script, service_name_matcher={"prefix": "api"})

    def test_request(self):
        header = lambda k, v, **more: {"header": {"key": k, "value": v}, **more}
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            drop = [b"content-length: 0"]  # Envoy says of more methods than we that there is no body
            self.http(method, [OK], tidy=lambda rs: [[x for x in lines if x not in drop] for lines in heads(rs)], method=method)
        self.http("edited", [OK], host="h.test", request_headers_to_add=[header("x-a", "1"), header("x-a", "2"),
                  header("user-agent", "me", append_action="OVERWRITE_IF_EXISTS_OR_ADD"), header("x-h", "%HOSTNAME%")],
                  request_headers_to_remove=["x-envoy-none"])


    def test_rotation(self):
        """The deprecated field, and a file that is moved away: SIGUSR1 opens it anew, as access logs."""
        origin, path = Http([OK] * 2000), work("rotated.json")
        self.addCleanup(origin.stop)
        conf = config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port, health_checks=[
            {**TIMES, "event_log_path": path, "always_log_health_check_success": True, "http_health_check": {"path": "/"}}])])
        s = Sallyport(conf, concurrency=1)
        self.addCleanup(s.kill)
        lines = lambda p: os.path.exists(p) and len(read_events(p))
        wait_for("some lines", lambda: lines(path))
        os.rename(path, path + ".1")
        s.signal(signal.SIGUSR1)
        wait_for("a new file", lambda: lines(path))
        before = lines(path + ".1")
        wait_for("more lines", lambda: lines(path) > 5)
        self.assertEqual(lines(path + ".1"), before)
        s.stop()
        self.assertIn(origin.seen() - lines(path) - before, (0, 1))  # the last may have had no answer


    def test_several(self):
        """Checks with names: the host is well if all say so, and each has counters of its own."""
        want = re.compile(r"^cluster\.o\.(health_check\.\S+|membership_healthy): (\d+)$", re.M)
        for scripts in (([OK, OK], [OK]), ([OK], [OK, BAD]), ([OK, BAD, OK, OK], [OK]), ([BAD], [OK]), ([answer(x_envoy_degraded="1")], [OK])):
            with self.subTest(scripts):
                seen = []
                for kind in ("envoy", "sallyport") if find_envoy() else ("sallyport",):
                    origins = [Http(s) for s in scripts]
                    checks = [{**TIMES, "name": f"c{i}", "http_health_check": {"path": f"/{i}"}} for i in range(2)]
                    both = Split(origins)
                    conf = config([listener(free_port(), [route_to("o")])], [cluster("o", both.port, health_checks=checks)])
                    s = Envoy(find_envoy(), conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                    try:
                        wait_for("all checks", lambda: all(o.seen() > len(x) for o, x in zip(origins, scripts)))
                        wanted = {f"health_check.name.c{i}.attempt": str(len(x) + 1) for i, x in enumerate(scripts)}
                        wait_for("them to be counted", lambda: wanted.items() <= dict(want.findall(get(s.admin, "/stats"))).items())
                        seen.append((dict(want.findall(get(s.admin, "/stats"))), self.state(s)[1]))
                    finally:
                        s.kill()
                        for o in (*origins, both):
                            o.stop()
                self.assertEqual(seen[0], seen[-1])

    def test_requests_go_on(self):
        """A host that goes out: what is under way on its connections goes on, with close_connections_on_host_health_failure or without."""
        for close in (False, True):
            for kind in ("envoy", "sallyport") if find_envoy() else ("sallyport",):
                origin = Slow()
                self.addCleanup(origin.stop)
                conf = config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port, close_connections_on_host_health_failure=close,
                              health_checks=[{**TIMES, "http_health_check": {"path": "/hc"}}])])
                s = Envoy(find_envoy(), conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                try:
                    answers = []
                    t = threading.Thread(target=lambda: answers.append(curl(f"http://127.0.0.1:{s.port}/x").status))
                    t.start()
                    wait_for("the request", lambda: origin.under_way)
                    origin.well = False
                    wait_for("it to be out", lambda: "/failed_active_hc" in self.state(s)[1])
                    origin.go.set()
                    t.join(10)
                    self.assertEqual(answers, [200], (close, kind))
                finally:
                    s.kill()


class Split:
    """Passes connections on by their first request's path: /0 to the first of the origins, /1 to the second."""

    def __init__(self, origins):
        self.origins, self.s = origins, socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        first = c.recv(65536)
        if not first:
            return
        to = socket.create_connection(("127.0.0.1", self.origins[int(first.split()[1][1:])].port))
        to.sendall(first)

        def pump(a, b):
            try:
                for data in iter(lambda: a.recv(65536), b""):
                    b.sendall(data)
                b.shutdown(socket.SHUT_WR)
            except OSError:
                pass
        threading.Thread(target=pump, args=(c, to), daemon=True).start()
        pump(to, c)

    def stop(self):
        self.s.close()


class Slow(Web):
    """Answers requests when it is told to, and checks at once."""

    def __init__(self):
        self.well, self.under_way, self.go = True, False, threading.Event()
        super().__init__(self.say)

    def say(self, path):
        if path != "/hc":
            self.under_way = True
            self.go.wait(20)
        return 200 if self.well or path != "/hc" else 503, b"", {}


class TcpChecks(Case):
    def tcp(self, name, script, whole, tidy=lambda rs: rs, **check):
        return self.same(name, {"tcp_health_check": check}, script, lambda s: Http(s, whole), tidy)

    def test_exchange(self):
        text = lambda s: {"text": s.encode().hex()}
        ping = lambda data: data == b"PING"
        for name, script in (("found", [b"..PO..NG"]), ("again", [b"PONG", b"PONG"]), ("closed", ["close"])):
            self.tcp(name, script, ping, send=text("PING"), receive=[text("PO"), {"binary": "Tkc="}])

    def test_proxy_header(self):
        tidy = lambda rs: [re.sub(rb"127.0.0.1 \d+ \d+", b"127.0.0.1 SOURCE PORT", r) for r in rs]
        for version, whole in (("V1", lambda d: d.endswith(b"\r\nPING")), ("V2", lambda d: d.endswith(b"PING"))):
            (_, flags), requests, _ = self.same(version, {"reuse_connection": False, "tcp_health_check": {
                "proxy_protocol_config": {"version": version}, "send": {"text": b"PING".hex()}, "receive": [{"text": "4f4b"}]}},
                [b"OK", b"OK"], lambda s: Http(s, whole), tidy)
            self.assertEqual(flags, "healthy")
            self.assertTrue(requests[0].startswith(b"PROXY TCP4 127.0.0.1" if version == "V1" else b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"))


@unittest.skipUnless(have_grpc(), "no python3-grpcio here")
class GrpcChecks(Case):
    def grpc(self, name, script, tls=None, more=None, **check):
        tidy = lambda rs: [{**r, "metadata": [x for x in r["metadata"] if x[0] != "user-agent"]} for r in rs]
        return self.same(name, {"grpc_health_check": check, **(more or {})}, script, lambda s: Grpc(s, tls), tidy, http2=True,
                         **({"tls": upstream_tls(client=None)} if tls else {}))

    def test_statuses(self):
        for name, script in (("well", [1, 1]), ("not serving", [1, 2]), ("unknown service", [1, 3]), ("unknown", [1, 0]), ("back", [1, 2, 1, 1]),
                             ("never", [2, 2]), ("other code", [1, ["abort", 14, "not now"]]), ("unimplemented", [1, ["abort", 12, ""]]),
                             ("no message", [1, "none"]), ("rubbish", [1, "ff"]), ("more fields", ["080112026162"])):
            self.grpc(name, script)

    def test_request(self):
        _, requests, _ = self.grpc("request", [1], service_name="a.B", authority="h.test",
                                initial_metadata=[{"header": {"key": "x-a", "value": "1"}}])
        self.assertEqual(requests[0], {"data": "0a03612e42", "in_time": True, "metadata": [["x-a", "1"]]})

    def test_tls(self):
        # Envoy offers nothing by ALPN unless it is told to, and grpcio wants h2.
        (_, flags), _, _ = self.grpc("TLS", [1, 1], tls=cert("grpc-origin"), more={"tls_options": {"alpn_protocols": ["h2"]}})
        self.assertEqual(flags, "healthy")

    def test_no_service(self):
        """A server without the service: UNIMPLEMENTED, in a head without a body."""
        self.grpc("none", [1, ["abort", 12, "Method not found!"]], more={"unhealthy_threshold": 5})

    def test_goaway(self):
        """The check under way on the connection ends well; the next one goes over another."""
        (state, flags), requests, _ = self.grpc("GOAWAY", [1, "move", 1, "move", 1])
        self.assertEqual((state["health_check.success"], state["health_check.failure"], flags, len(requests)), ("5", "0", "healthy", 6))

    def test_goes_away(self):
        """The origin is killed: no answer counts up to the threshold; its successor is asked on a fresh connection."""
        origin = Grpc([1] * 1000)
        conf = config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port, http2=True, health_checks=[
            {**TIMES, "healthy_threshold": 1, "grpc_health_check": {}}])])
        s = Sallyport(conf, concurrency=1)
        self.addCleanup(s.stop)
        wait_for("some checks", lambda: s.stat("cluster.o.health_check.success") > 3)
        origin.kill()
        wait_for("it to be out", lambda: s.stat("cluster.o.membership_healthy") == 0)
        counts = s.stats()
        self.assertEqual(counts["cluster.o.health_check.network_failure"], counts["cluster.o.health_check.failure"])
        self.addCleanup(Grpc([1] * 1000, port=origin.port).kill)
        wait_for("it to be back", lambda: s.stat("cluster.o.membership_healthy") == 1)


if __name__ == "__main__":
    unittest.main()
