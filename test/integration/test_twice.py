# SPDX-License-Identifier: GPL-2.0-or-later
"""A request whose method is not idempotent is never sent to origins twice, unless its route's retry_on allows a retry after sending.

Every way for an attempt to end without an answer, over HTTP/1 and HTTP/2, on new connections and on used ones. The origin writes down what
it sees before it does anything else. Where a second time is allowed, the same ways are shown to bring it: else this could not fail.
"""
import concurrent.futures
import socket
import threading
import time
import unittest

from harness import Sallyport, ca, cluster, config, curl, free_port, http_options, listener, route_to
from scripted import Record, Scripted

# What an origin may do with a request that it has seen; "now-": when only the head is here.
SEEN = ["close", "rst", "now-close", "now-rst", "cut-200", "half-200", "stall", "early-close", "early-rst", "now-503", "503", "500", "409", "429+x-envoy-ratelimited=true",
        "200+x-again=1"]
SEEN_H2 = SEEN + ["code-0", "code-1", "code-2", "code-5", "code-8", "code-11", "now-code-2", "early-code-7", "half-code-7", "going", "grpc-14"]
UNSEEN_H2 = ["code-7", "now-code-7", "gone"]  # the host says itself that it did not look
OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
POLICIES = {
    "none": {},
    "never": {"retry_on": "connect-failure,refused-stream,reset-before-request"},
    "5xx": {"retry_on": "5xx"},
    "gateway-error": {"retry_on": "gateway-error"},
    "reset": {"retry_on": "reset"},
    "all": {"retry_on": "5xx,gateway-error,reset,retriable-4xx,retriable-status-codes,retriable-headers,envoy-ratelimited,cancelled,unavailable",
            "retriable_status_codes": [500], "retriable_headers": [{"name": "x-again", "present_match": True}]},
}


def h(*lines):
    return [x for line in lines for x in ("-H", line)]


class Twice(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ca()  # curl wants it, from many threads

    def start(self, http2=False, origins=1, timeout="0.5s", dead=False, **more):
        self.record = Record()
        servers = [Scripted(str(i), self.record) for i in range(origins)]
        for s in servers:
            self.addCleanup(s.stop)
        ports = [s.port for s in servers] + ([free_port()] if dead else [])
        routes = []
        for name, policy in POLICIES.items():
            p = {**policy, "num_retries": 3, "retry_back_off": {"base_interval": "0.001s"}} if policy else None
            routes.append(route_to("o", "/" + name, timeout=timeout, **({"retry_policy": p} if p else {})))
        more["circuit_breakers"] = {"thresholds": [{"max_retries": 1000}]}
        if http2:  # a stream a connection: what one does to it is not done to others
            more["typed_extension_protocol_options"] = http_options(True)
            more["typed_extension_protocol_options"][OPTIONS]["explicit_http_config"]["http2_protocol_options"]["max_concurrent_streams"] = 1
        door = Sallyport(config([listener(free_port(), routes)], [cluster("o", *ports, **more)]), concurrency=1)
        self.addCleanup(door.kill)
        return door

    def ask(self, door, key, step, policy, *args, method="POST"):
        a = curl(f"http://127.0.0.1:{door.port}/{policy}", "-X", method, *h(f"x-key: {key}", f"x-do: {step}"), *args)
        return a, len(self.record.of(key))

    def all_of(self, door, steps, policies, warm):
        """Times that each came, by (policy, method, body, step); `warm`: on a connection that has served before."""
        jobs = [(p, m, b, s) for p in policies for m in ("POST", "PATCH") for b in (None, "some body") for s in steps]

        def one(job):
            policy, method, body, step = job
            key = "-".join((policy, method, "body" if body else "none", step)) + ("-warm" if warm else "")
            if warm:
                self.ask(door, key + "-before", "200", policy, method="GET")
            return self.ask(door, key, step, policy, *(["-d", body] if body else []), method=method)[1]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return dict(zip(jobs, pool.map(one, jobs)))

    def check(self, http2):
        door = self.start(http2)
        steps = SEEN_H2 if http2 else SEEN
        for warm in (False, True):
            times = self.all_of(door, steps, ("none", "never"), warm)
            self.assertEqual({k: n for k, n in times.items() if n != 1}, {}, f"warm: {warm}")
        again = self.all_of(door, [s for s in steps if not s.startswith(("early", "cut-", "half-", "stall"))], ("all",), True)
        self.assertEqual({k: n for k, n in again.items() if n != 4 and "now-503" not in k}, {})

    def test_http1(self):
        self.check(False)

    def test_http2(self):
        self.check(True)

    def test_refused_by_the_host(self):
        """It said that it did not look: once more without a policy, if no body is gone, and as often as the policy says."""
        door = self.start(True)
        for warm in (False, True):
            times = self.all_of(door, UNSEEN_H2, ("none", "never"), warm)
            self.assertEqual({k: n for k, n in times.items() if n != (4 if k[0] == "never" else 1 if k[2] else 2)}, {})

    def test_what_is_idempotent(self):
        """The race with a host that closes idle connections: once more for these methods without a body, for no other."""
        door = self.start()
        for method, body, n in [("GET", None, 2), ("HEAD", None, 2), ("OPTIONS", None, 2), ("PUT", None, 2), ("DELETE", None, 2), ("POST", None, 1),
                                ("PATCH", None, 1), ("PROPFIND", None, 1), ("GETS", None, 1), ("PUT", "x", 1), ("DELETE", "x", 1)]:
            with self.subTest(method=method, body=body):
                key = f"{method}-{body}"
                self.ask(door, key + "-before", "200", "none", method="GET")
                args = (["-d", body] if body else []) + (["--head"] if method == "HEAD" else [])
                self.assertEqual(self.ask(door, key, "close", "none", *args, method=method)[1], n)

    def test_conditions_alone(self):
        """Each of the conditions that send again does so by itself where an answer never came."""
        door = self.start()
        for policy in ("5xx", "gateway-error", "reset"):
            self.assertEqual(self.ask(door, policy, "close", policy, "-d", "x")[1], 4)
            self.assertEqual(self.ask(door, policy + "-get", "close", policy, method="GET")[1], 4)

    def test_closing_while_it_is_sent(self):
        """The host closes its connection the moment that the next request is on its way: it comes once, or not at all."""
        record, lock, stop = {}, threading.Lock(), threading.Event()

        def serve(conn):
            with conn:
                conn.settimeout(5)
                data = b""
                try:
                    while b"\r\n\r\n" not in data:
                        data += conn.recv(65536)
                    conn.sendall(b"HTTP/1.1 200 x\r\ncontent-length: 2\r\n\r\nok")
                    time.sleep(0.001 * (len(record) % 4))  # and whatever comes in this time is seen, and not answered
                    conn.setblocking(False)
                    data += conn.recv(65536)
                except OSError:
                    pass
                with lock:
                    for line in data.split(b"\r\n"):
                        if line.startswith(b"x-key: "):
                            record[line] = record.get(line, 0) + 1
        server = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.addCleanup(server.close)

        def accept():
            while not stop.is_set():
                try:
                    conn, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=serve, args=(conn,), daemon=True).start()
        threading.Thread(target=accept, daemon=True).start()
        self.addCleanup(stop.set)
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", server.getsockname()[1])]), concurrency=1)
        self.addCleanup(door.kill)
        statuses = []
        with socket.create_connection(("127.0.0.1", door.port)) as s:
            s.settimeout(10)
            f = s.makefile("rb")
            for i in range(300):
                s.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nx-key: %d\r\ncontent-length: 1\r\n\r\nx" % i)
                statuses.append(int(f.readline().split()[1]))
                length = 0
                while (line := f.readline().strip()):
                    if line.lower().startswith(b"content-length:"):
                        length = int(line.split(b":")[1])
                f.read(length)
        time.sleep(0.1)
        self.assertEqual({k: n for k, n in record.items() if n != 1}, {})
        self.assertGreater(statuses.count(200), 100)
        self.assertLessEqual(set(statuses), {200, 503})

    def test_other_host(self):
        """No connection to one host: the other gets it, once, with its whole body."""
        door = self.start(origins=1, dead=True)
        for i in range(6):
            a, n = self.ask(door, f"k{i}", "200", "none", "-d", "x" * 5000)
            self.assertEqual((a.status, n, self.record.of(f"k{i}")[0].body), (200, 1, 5000))

    def test_times_up(self):
        """An attempt that takes too long was sent: only conditions that send again try once more."""
        self.record = Record()
        origin = Scripted("o", self.record)
        self.addCleanup(origin.stop)
        routes = [route_to("o", "/" + on.replace(",", "-"), timeout="3s", retry_policy={"retry_on": on, "per_try_timeout": "0.2s", "num_retries": 1})
                  for on in ("connect-failure,refused-stream,reset-before-request", "reset")]
        options = http_options(common_http_protocol_options={"max_stream_duration": "0.2s"})
        door = Sallyport(config([listener(free_port(), [*routes, route_to("m", "/max", retry_policy={"retry_on": "reset-before-request"})])],
                                [cluster("o", origin.port), cluster("m", origin.port, typed_extension_protocol_options=options)]), concurrency=1)
        self.addCleanup(door.kill)
        self.assertEqual(self.ask(door, "a", "stall", "connect-failure-refused-stream-reset-before-request", "-d", "x")[1], 1)
        self.assertEqual(self.ask(door, "b", "stall", "reset", "-d", "x")[1], 2)
        self.assertEqual(self.ask(door, "c", "stall", "max", "-d", "x")[1], 1)


if __name__ == "__main__":
    unittest.main()
