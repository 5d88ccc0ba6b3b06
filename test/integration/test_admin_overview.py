# SPDX-License-Identifier: GPL-2.0-or-later
"""/overview: every part of it against traffic that is known; pages of clusters and hosts; what it costs with many of them."""
import json
import time
import unittest

from echo import Echo
from harness import (SECRET, SLOW, Sallyport, T, cluster, config, curl, downstream_tls, free_port, ip_restriction, listener, route_to, shield,
                     wait_for, work)


def overview(s, query=""):
    status, text = s.get("/overview" + query)
    assert status == 200, (status, text)
    return json.loads(text)


def by(items, member, value):
    found = [i for i in items if i[member] == value]
    assert len(found) == 1, (member, value, items)
    return found[0]


def limited(name, tokens):
    return {"name": "limit", "typed_config": {
        "@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": name,
        "token_bucket": {"max_tokens": tokens, "tokens_per_fill": tokens, "fill_interval": "3600s"},
        "filter_enabled": {"default_value": {"numerator": 100}}, "filter_enforced": {"default_value": {"numerator": 100}}}}


class Overview(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        with open(work("ranges.txt"), "w", encoding="ascii") as f:
            f.write("127.0.0.0/8\n10.0.0.0/8\n")
        gate = {"name": "ip", "typed_config": {"@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction",
                                               "deny": ["127.0.0.7"]}}
        dead = free_port()
        lists = [{"name": "ours", "path": work("ranges.txt"), "format": "PLAIN"}]
        door = listener(free_port(), [route_to("o", "/o"), route_to("gone", "/gone")],
                        filters=[shield(), ip_restriction(allow_lists=lists), limited("few", 6)], tls=downstream_tls(),
                        stat_prefix="front", listener_filters=[gate])
        cls.s = Sallyport(config([door], [cluster("o", cls.origin.port), cluster("gone", dead)]))

    @classmethod
    def tearDownClass(cls):
        cls.s.stop()

    def ask(self, path, *args):
        return curl(f"https://localhost:{self.s.port}{path}", "--resolve", f"localhost:{self.s.port}:127.0.0.1", *args)

    def test_all_parts(self):
        proof = ("-H", f"x-origin-verify: {SECRET}")
        for _ in range(3):
            self.assertEqual(self.ask("/o", *proof).status, 200)
        self.assertEqual(self.ask("/o").status, 403)
        self.assertEqual(self.ask("/gone", *proof).status, 503)
        self.assertEqual(self.ask("/nowhere", *proof).status, 404)
        self.assertNotEqual(self.ask("/o", *proof, "--interface", "127.0.0.7").code, 0)
        self.assertEqual(self.ask("/o", *proof, "--tls-max", "1.2", "--http1.1").status, 200)
        # Six tokens; who has no route asks for none.
        self.assertEqual([self.ask("/o", *proof).status for _ in range(2)], [200, 429])
        o = wait_for("all to be counted", lambda: (lambda o: by(o["connection_managers"], "stat_prefix", "test")["requests"]["completed"]
                                                   >= 9 and o)(overview(self.s)))
        self.assertEqual(o["server"]["state"], "LIVE")
        self.assertEqual(o["server"]["workers"], 2)
        self.assertGreaterEqual(o["server"]["memory"]["allocated"], 0 if SLOW > 1 else 1)  # a sanitizer has an allocator of its own
        self.assertLess(abs(o["at_ms"] / 1000 - time.time()), 60)
        self.assertEqual((o["config"]["version"], o["config"]["refused"]), (1, None))

        door = by(o["listeners"], "name", "door")
        self.assertEqual(door["address"], f"127.0.0.1:{self.s.port}")
        self.assertEqual(door["refused"].get("ip_restriction"), 1)
        self.assertEqual(door["connections"]["total"], self.s.stat("listener.front.downstream_cx_total"))
        self.assertEqual(door["tls"]["versions"]["TLSv1.2"], 1)
        self.assertEqual(door["tls"]["versions"]["TLSv1.3"], self.s.stat("listener.front.ssl.versions.TLSv1.3"))
        self.assertGreaterEqual(door["tls"]["versions"]["TLSv1.3"], 8)
        self.assertEqual([(c["tls"], c["connection_manager"]) for c in door["filter_chains"]], [(True, "test")])

        m = by(o["connection_managers"], "stat_prefix", "test")
        self.assertEqual(m["requests"]["5xx"], 1)
        self.assertEqual(m["requests"]["no_route"], 1)
        self.assertEqual(m["request_ms"]["count"], self.s.stat("http.test.downstream_rq_completed"))
        self.assertLessEqual(m["request_ms"]["p50"], m["request_ms"]["p99"])

        f = by(o["filters"], "filter", "origin_shield")
        self.assertEqual((f["scope"], f["denied"]), ("http.test", 1))
        self.assertEqual(f["counters"]["secret.now.hit"], f["allowed"], "parts are not added to the whole")
        self.assertEqual(f["counters"]["secret.now.hit"], self.s.stat("http.test.origin_shield.secret.now.hit"))
        gates = {g["scope"]: g for g in o["filters"] if g["filter"] == "ip_restriction"}
        self.assertEqual(gates["listener.front"]["denied"], 1)
        self.assertEqual(gates["http.test"]["counters"]["list.ours.entries"], 2)
        limit = by(o["filters"], "filter", "http_local_rate_limit")
        self.assertEqual((limit["scope"], limit["denied"]), ("few", self.s.stat("few.http_local_rate_limit.enforced")))
        self.assertGreaterEqual(limit["denied"], 1)

        c = by(o["clusters"], "name", "o")
        self.assertEqual(c["hosts"], {"total": 1, "healthy": 1, "degraded": 0, "excluded": 0})
        self.assertEqual((c["requests"]["2xx"], c["requests"]["5xx"], c["requests"]["active"]), (5, 0, 0))
        self.assertEqual(c["request_ms"]["count"], 5)
        gone = by(o["clusters"], "name", "gone")
        self.assertGreaterEqual(gone["connections"]["connect_fail"], 1)
        self.assertEqual(o["totals"], {"clusters": 2, "hosts": 2, "hosts_available": 2})

        own = [x for x in o["certificates"] if not x["ca"]]
        self.assertEqual([(x["name"], x["expired"]) for x in own], [("localhost", False)])
        self.assertIn(own[0]["days_left"], (88, 89, 90))
        secret = by(o["secrets"], "name", "now")
        self.assertEqual((secret["owner"], secret["hits"]), ("origin_shield", f["allowed"]))
        self.assertRegex(secret["last_used"], r"^\d{4}-\d\d-\d\dT")
        ours = by(o["lists"], "name", "ours")
        self.assertEqual((ours["entries"], ours["failing"]), (2, False))
        self.assertLess(ours["age_seconds"], 600)

    def test_one_cluster(self):
        c = overview(self.s, "?cluster=o")
        self.assertEqual((c["name"], c["n_endpoints"]), ("o", 1))
        e = c["endpoints"][0]
        self.assertEqual((e["address"], e["health"], e["flags"]), (f"127.0.0.1:{self.origin.port}", "healthy", "healthy"))
        self.assertEqual(e["requests"]["active"], 0)
        self.assertEqual(self.s.get("/overview?cluster=none")[0], 404)
        self.assertEqual(self.s.get("/overview?limit=x")[0], 400)
        self.assertEqual(self.s.get("/overview?filter=(")[0], 400)
        self.assertEqual(self.s.get("/overview", "POST")[0], 405)


class Many(unittest.TestCase):
    """A thousand clusters and ten thousand hosts: cheap, and in pages."""

    def test_pages(self):
        clusters = [cluster(f"c{i:04}", *range(20000, 20010)) for i in range(1000)]
        s = Sallyport(config([listener(free_port(), [route_to("c0000")])], clusters))
        try:
            took = []
            for _ in range(5):
                before = s.cpu()
                status, text = s.get("/overview")
                took.append(s.cpu() - before)
                self.assertEqual(status, 200)
            self.assertLess(min(took), .3 * SLOW, took)
            self.assertLess(len(text), 1500 * 1000)
            o = json.loads(text)
            self.assertEqual(o["totals"], {"clusters": 1000, "hosts": 10000, "hosts_available": 10000})
            self.assertEqual((len(o["clusters"]), o["n_clusters"]), (1000, 1000))
            self.assertEqual([c["name"] for c in overview(s, "?offset=998&limit=5")["clusters"]], ["c0998", "c0999"])
            self.assertEqual(overview(s, "?limit=0")["clusters"], [])
            some = overview(s, "?filter=c000[1-3]&limit=2")
            self.assertEqual(([c["name"] for c in some["clusters"]], some["n_clusters"]), (["c0001", "c0002"], 3))
            one = overview(s, "?cluster=c0007&offset=8")
            self.assertEqual(([e["address"] for e in one["endpoints"]], one["n_endpoints"]), (["127.0.0.1:20008", "127.0.0.1:20009"], 10))
        finally:
            s.stop()


if __name__ == "__main__":
    unittest.main()
