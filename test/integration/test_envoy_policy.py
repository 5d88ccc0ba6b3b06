# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: load_assignment.policy: requests that are dropped, and endpoints that go stale, look as they do with Envoy."""
import json
import os
import time
import unittest

from echo import Echo
from harness import SLOW, Sallyport, address, cluster, config, curl, free_port, listener, log_lines, log_to, route_to, wait_for, work
from test_envoy import Envoy, find_envoy, seen, set_port

REQUESTS = 300


def drop(numerator, denominator="HUNDRED"):
    return {"drop_overloads": [{"category": "full", "drop_percentage": {"numerator": numerator, "denominator": denominator}}]}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Policy(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)

    def both(self, conf):
        for make in (lambda c: Envoy(find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            name = "envoy" if not hasattr(self, "log") else "ours"
            self.log = work(f"policy-{name}.log")
            c = set_port(conf, free_port())
            c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["access_log"] = log_to(self.log)
            s = make(c)
            self.addCleanup(s.kill)
            yield s

    def test_drop(self):
        clusters = [cluster(name, self.origin.port) for name in ("all", "none", "half", "retried")]
        for c, policy in zip(clusters, (drop(1000000, "MILLION"), drop(0), drop(50), drop(100))):
            c["load_assignment"]["policy"] = policy
        routes = [route_to(c["name"], "/" + c["name"]) for c in clusters]
        routes[3]["route"]["retry_policy"] = {"retry_on": "5xx", "num_retries": 3}
        conf = config([listener(0, routes)], clusters)
        told = []
        for s in self.both(conf):
            ask = lambda path, s=s: curl(f"http://127.0.0.1:{s.port}{path}", "-H", "host: a")
            a = ask("/all")
            self.assertEqual((a.status, a.body, a.headers["x-envoy-unconditional-drop-overload"]), (503, b"unconditional drop overload", "true"))
            answers = [seen(ask(path)) for path in ("/all", "/none", "/retried")]
            dropped = [seen(a) for a in (ask("/half") for _ in range(REQUESTS)) if a.status == 503]
            self.assertAlmostEqual(len(dropped) / REQUESTS, 0.5, delta=0.15)
            answers.append(dropped[0])
            wait_for("the log", lambda: len(log_lines(self.log)) >= REQUESTS + 4)
            lines = [[line[k] for k in ("status", "details", "flags", "upstream", "cluster")] for line in log_lines(self.log)]
            lines = lines[:4] + [next(line for line in lines[4:] if line[0] in (503, "503"))]
            text = curl(f"http://127.0.0.1:{s.admin}/stats?filter=cluster.(all|none|retried).upstream_rq_(503|200|completed|retry|total)$").body.decode()
            lines[2][3] = None  # the origin's address
            told.append((answers, lines, text))
        self.assertEqual(*told)

    def test_stale(self):
        path = work("stale-eds.json")
        hosts = cluster("c", self.origin.port)["load_assignment"]
        hosts["policy"] = {"endpoint_stale_after": f"{2 * SLOW}s"}

        def write():
            with open(path + ".new", "w", encoding="ascii") as f:
                json.dump({"version_info": str(time.time()), "resources": [
                    {"@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", **hosts}]}, f)
            os.rename(path + ".new", path)
        eds = {"name": "c", "type": "EDS", "connect_timeout": "2s", "eds_cluster_config": {"eds_config": {
            "resource_api_version": "V3", "path_config_source": {"path": path}}}}
        write()
        for s in self.both(dict(config([listener(0, [route_to("c")])], [eds]), node={"id": "n", "cluster": "n"})):
            write()
            status = lambda s=s: curl(f"http://127.0.0.1:{s.port}/").status
            stat = lambda name, s=s: curl(f"http://127.0.0.1:{s.admin}/stats?filter=cluster.c.{name}$").body.decode().split(": ")[1].strip()
            with self.subTest(of=type(s).__name__):
                wait_for("hosts", lambda: status() == 200)
                wait_for("them to be too old", lambda: status() == 503)
                self.assertEqual(stat("assignment_stale"), "1")
                self.assertEqual(stat("membership_total"), "0")
                write()
                wait_for("them again", lambda: status() == 200)
                self.assertGreaterEqual(int(stat("assignment_timeout_received")), 2)


if __name__ == "__main__":
    unittest.main()
