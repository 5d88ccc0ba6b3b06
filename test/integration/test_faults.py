# SPDX-License-Identifier: GPL-2.0-or-later
"""
Calls that fail, one by one and at random: memory, system calls, nghttp2, wolfSSL. Requests of every kind are sent while call n fails; the
door may refuse or cut them, never let through what it would not have, hang, end, or keep anything of them.

SP_FAULTS_S: seconds for each kind of fault (1.2). SP_FAULTS_SEED: of what is chosen; it is printed (1; at random where
SP_FAULTS_S is said; scripts/faults runs it for hours).
"""
import json
import os
import random
import time
import unittest

from fake_dns import FakeDns
from faults import Echo, Faulty, Wrong, http1, http2, program, settled, tls_context, upgrade
from harness import (SECRET, SLOW, Nginx, Nghttpd, address, ca, cert, cluster, config, downstream_tls, free_port, good_token, http_options,
                     jwt_filter, listener, log_to, route_to, seed_of, shield, upstream_tls, wait_for, work, ECHO)
from test_dns import dns_cluster

SECONDS = float(os.environ.get("SP_FAULTS_S", "1.2"))
SEED = seed_of("FAULTS")
BODY = b"b" * 40000
PAGE = "page " * 20000


def compressor():
    T = "type.googleapis.com/envoy.extensions."
    return {"name": "gzip", "typed_config": {
        "@type": T + "filters.http.compressor.v3.Compressor", "compressor_library": {"name": "gzip", "typed_config": {
            "@type": T + "compression.gzip.compressor.v3.Gzip"}}}}


class World:
    """A door with a bit of everything, and its origins."""

    def __init__(self):
        self.nginx = Nginx("listen 127.0.0.1:$PORT; location /put { return 200 ok; } " + ECHO)
        self.nginx.page("page", PAGE)
        os.makedirs(work("h2www"), exist_ok=True)
        with open(work("h2www/page"), "w", encoding="utf-8") as f:
            f.write(PAGE)
        self.nghttpd = Nghttpd(work("h2www"), True)
        self.echo = Echo()
        self.dns = FakeDns()
        self.dns.set("a.test", "127.0.0.1", ttl=0)
        self.closed = free_port()
        self.log = work(f"faults-{time.time_ns()}.log")
        self.token = good_token()
        self.start()

    def conf(self):
        jwt = jwt_filter()
        jwt["typed_config"]["rules"] = [{"match": {"prefix": "/jwt"}, "requires": {"provider_name": "test"}}]
        check = {"timeout": "1s", "interval": "0.3s", "no_traffic_interval": "0.3s", "unhealthy_threshold": 1000, "healthy_threshold": 1,
                 "http_health_check": {"path": "/page"}}
        clusters = [
            cluster("h1", self.nginx.port, health_checks=[check]),
            cluster("h2", self.nghttpd.port, tls=upstream_tls(client=None), http2=True),
            cluster("half", self.closed, self.nginx.port),
            cluster("echo", self.echo.port),
            dns_cluster(self.dns, "a.test", port=self.nginx.port, refresh="0.05s")]
        routes = [
            {"match": {"safe_regex": {"regex": "/re[a-z]+/.*"}}, "route": {"cluster": "h1", "regex_rewrite": {
                "pattern": {"regex": "^/re[a-z]+/(.*)$"}, "substitution": "/\\1"}}},
            route_to("h2", "/h2", prefix_rewrite="/"),
            route_to("half", "/half", prefix_rewrite="/page", retry_policy={"retry_on": "connect-failure,reset", "num_retries": 3}),
            route_to("echo", "/ws"),
            route_to("o", "/named", prefix_rewrite="/page"),
            route_to("h1", "/")]
        hcm = {"upgrade_configs": [{"upgrade_type": "websocket"}], "access_log": log_to(self.log), "stream_idle_timeout": "30s"}
        doors = [
            listener(free_port(), routes, filters=[shield(), jwt, compressor()], hcm=hcm),
            listener(free_port(), routes, filters=[shield(), jwt], name="tls", hcm=hcm,
                     tls=downstream_tls(client_ca=ca(), require=True))]
        self.tls_port = doors[1]["address"]["socket_address"]["port_value"]
        return config(doors, clusters)

    def start(self):
        self.door = Faulty(self.conf())
        self.client1 = tls_context(ca(), cert("client"))
        self.client2 = tls_context(ca(), cert("client"), ("h2",))

    def visit(self):
        """Requests of every kind. The answers, by name; what may never be is Wrong."""
        good = {"x-origin-verify": SECRET}
        jwt = dict(good, authorization="Bearer " + self.token)
        seen = {}
        one = [("GET", "/page", dict(good, **{"accept-encoding": "gzip"}), b""), ("POST", "/put", good, BODY),
               ("GET", "/rest/page", good, b""), ("GET", "/jwt", good, b""), ("GET", "/page", {}, b"")]
        seen["plain"] = http1(self.door.port, one)
        two = [("GET", "/jwt/echo", jwt, b""), ("POST", "/put", good, BODY), ("GET", "/h2/page", good, b""), ("GET", "/half", good, b""),
               ("GET", "/jwt/x", dict(good, authorization="Bearer " + self.token[:-6] + "AAAAAA"), b""), ("GET", "/page", {}, b"")]
        seen["h2"] = http2(self.tls_port, two, self.client2)
        seen["h1 over TLS"] = http1(self.tls_port, [("GET", "/h2/page", good, b""), ("GET", "/half", good, b""), ("GET", "/named", good, b"")],
                                    self.client1)
        seen["admin"] = [x for path in ("/stats", "/stats/prometheus", "/clusters?format=json", "/config_dump", "/certs")
                         for x in http1(self.door.admin, [("GET", path, {}, b"")])]
        seen["upgrade"] = [(101, b"") if upgrade(self.door.port, "/ws", good) else None]
        self.judge(seen)
        return seen

    MUST_NOT_PASS = {"plain": (3, 4), "h2": (4, 5)}

    def judge(self, seen):
        for name, answers in seen.items():
            for i, a in enumerate(answers):
                if a is None:
                    continue
                passed = a[0] in (200, 101)
                if passed and i in self.MUST_NOT_PASS.get(name, ()):
                    raise Wrong(f"{name} {i} was let through: {a[0]}")
                if a[0] not in (101, 200, 401, 403, 404, 500, 502, 503, 504):
                    raise Wrong(f"{name} {i} got {a[0]}")
                if a[0] == 200 and name not in ("plain", "admin") and a[1] not in (b"ok", PAGE.encode()) and b"GET /jwt/echo" not in a[1]:
                    raise Wrong(f"{name} {i} got another body: {a[1][:80]!r}")

    def all_well(self):
        seen = self.visit()
        want = {"plain": [200, 200, 200, 401, 403], "h2": [404, 200, 200, 200, 401, 403], "h1 over TLS": [200, 200, 200], "admin": [200] * 5, "upgrade": [101]}
        got = {k: [a and a[0] for a in v] for k, v in seen.items()}
        return got if got != want else None

    def quick(self):
        a = http1(self.door.port, [("GET", "/page", {"x-origin-verify": SECRET}, b"")])[0]
        return a is not None and a[0] == 200

    def stop(self):
        code = self.door.stop(20)
        self.nginx.kill()
        self.nghttpd.kill()
        return code


# What each kind of fault may take, and how many of them in a row are tried.
EACH = ["MALLOC", "MMAP", "SOCKET", "ACCEPT", "CONNECT", "RECV", "SEND", "EPOLL_CTL", "EPOLL_WAIT", "READ", "WRITE", "SETSOCKOPT", "GETSOCKOPT",
        "NGHTTP2_NEW", "NGHTTP2_SUBMIT", "NGHTTP2_RECV", "NGHTTP2_SEND", "NGHTTP2_OTHER", "WOLFSSL_NEW", "WOLFSSL_ACCEPT", "WOLFSSL_CONNECT",
        "WOLFSSL_READ", "WOLFSSL_WRITE", "WOLFSSL_OTHER", "CRYPTO"]
SHORT = ["SHORT_RECV", "SHORT_SEND", "SHORT_WRITE"]


@unittest.skipUnless(program(), "this build has no sallyport-faults")
class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = World()
        cls.random = random.Random(SEED)
        cls.walked = {}
        wait_for("a good round", lambda: cls.world.all_well() is None)

    @classmethod
    def tearDownClass(cls):
        code = cls.world.stop()
        assert code == 0, f"the door ended with {code}"  # a leak, under the address sanitizer
        print("faults: points walked: " + json.dumps(cls.walked), flush=True)

    def one(self, **fault):
        """A round under this fault; then, without it, all is as before."""
        w, t = self.world, self.world.door.table
        name = fault["name"]
        what = f"{fault}, seed {SEED}"
        try:
            t.fail(**fault)
            w.visit()
            hits = t.hits(name)
            t.off()
            self.assertTrue(w.door.alive(), f"the door ended under {what}")
            if not w.quick():  # what was in the pools may have been cut under way: the second one finds all new
                self.assertTrue(w.quick(), f"no good answer after {what}")
            return hits
        except Wrong as e:
            t.off()
            self.assertTrue(w.door.alive(), f"the door ended under {what}")
            raise AssertionError(f"{e} under {what}") from e
        finally:
            t.off()

    def calls(self, name):
        self.world.door.table.count(name)
        self.world.visit()
        n = self.world.door.table.calls(name)
        self.world.door.table.off()
        return n

    def after(self, what):
        w = self.world
        settled(w.door)
        bad = w.all_well()
        if bad:
            bad = w.all_well()  # the first one may find connections that were cut
        self.assertIsNone(bad, f"after {what}, seed {SEED}")
        settled(w.door)

    def walk(self, name, count):
        """Call n fails, for as many n as there is time for, spread over all of them."""
        n = self.calls(name)
        points = self.random.sample(range(n + 1), n + 1)
        end, done = time.time() + SECONDS * SLOW, 0
        for skip in points:
            if time.time() > end:
                break
            self.one(name=name, skip=skip, count=count)
            done += 1
        self.walked[f"{name} x{count}"] = f"{done} of {n + 1}"
        self.after(f"{name} x{count}")

    def test_one_by_one(self):
        for name in EACH:
            with self.subTest(name):
                self.walk(name, 1)

    def test_some_in_a_row(self):
        for name in ("MALLOC", "EPOLL_CTL", "NGHTTP2_SUBMIT", "SEND"):
            with self.subTest(name):
                self.walk(name, 30)

    def test_none_from_some_point_on(self):
        """Until the round is over: nothing begins, all ends. (Where accept fails, clients wait: test_faults_system.)"""
        for name in ("MALLOC", "SOCKET", "CONNECT", "EPOLL_CTL", "NGHTTP2_NEW"):
            with self.subTest(name):
                self.walk(name, -1)

    def test_short_ones(self):
        """A byte at a time, always: slow, and right."""
        for name in SHORT:
            with self.subTest(name):
                w, t = self.world, self.world.door.table
                t.fail(name, ppm=900000, seed=SEED, count=0)
                try:
                    self.assertIsNone(w.all_well(), f"under {name}, seed {SEED}")
                finally:
                    t.off()

    def test_at_random(self):
        w, t = self.world, self.world.door.table
        end, rounds = time.time() + 8 * SECONDS * SLOW, 0
        while time.time() < end:
            seed = self.random.randrange(1 << 31)
            chosen = self.random.sample(EACH + SHORT, 6)
            for name in chosen:
                t.fail(name, count=0, ppm=self.random.choice((1000, 10000, 100000)), seed=seed)
            try:
                w.visit()
            except Wrong as e:
                self.fail(f"{e} under {chosen}, seed {seed} of {SEED}")
            finally:
                t.off()
            self.assertTrue(w.door.alive(), f"the door ended under {chosen}, seed {seed} of {SEED}")
            rounds += 1
        self.walked["at random"] = f"{rounds} rounds"
        self.after("faults at random")

    def test_nothing_is_kept(self):
        """Memory and descriptors after many faults are as after few."""
        w = self.world

        def some(n):
            for _ in range(n):
                self.one(name="MALLOC", skip=self.random.randrange(3000), count=self.random.choice((1, 50)))
            self.after("MALLOC")
        some(20)
        fds, rss = w.door.fds(), w.door.rss()
        some(int(40 * max(1, SECONDS / 1.2)))
        self.assertGreater(w.door.stat("server.memory_failed"), 0)
        self.assertLessEqual(w.door.fds(), fds + 8)
        self.assertLessEqual(w.door.rss(), rss + (8 << 20) * SLOW)
