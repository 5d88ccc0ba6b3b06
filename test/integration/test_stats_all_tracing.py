# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of tracing (docs/stats.md), each to an exact value."""
import otlp
from harness import cluster, config
from stats_case import StatsCase
from test_stats_all_front import BASE, door_of, talk

ASK = b"GET /direct HTTP/1.1\r\nhost: a.test\r\n%s\r\n"
HEALTH = {"name": "health", "typed_config": {"@type": BASE + "filters.http.health_check.v3.HealthCheck", "pass_through_mode": False,
                                             "headers": [{"name": ":path", "string_match": {"exact": "/direct"}}]}}
INSIDE = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}


class Tracing(StatsCase):
    def traced(self, percent, soon, hcm=None, filters=()):
        collector = otlp.HttpCollector()
        self.addCleanup(collector.stop)
        door = door_of("plain", hcm={"tracing": {"provider": otlp.provider(), "random_sampling": {"value": percent}}, **(hcm or {})})
        door["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = filters
        return collector, self.door({**config([door], [cluster("collector", collector.port)]), **soon})

    def test_spans(self):
        collector, s = self.traced(100, otlp.SOON)
        with self.drives(s, {"http.plain.tracing.random_sampling": 2, "tracing.opentelemetry.spans_sent": 2}):
            talk(s.port, ASK % b"" * 2)
        collector.failing = True
        with self.drives(s, {"tracing.opentelemetry.spans_dropped": 1}):
            talk(s.port, ASK % b"")

    def test_timer(self):
        _, s = self.traced(100, otlp.runtime(min_flush_spans=1000, flush_interval_ms=300))
        with self.drives(s, {"tracing.opentelemetry.timer_flushed": lambda n: n >= 1, "tracing.opentelemetry.spans_sent": 1}):
            talk(s.port, ASK % b"")

    def test_reasons(self):
        _, s = self.traced(0, otlp.SOON, INSIDE)
        with self.drives(s, {"http.plain.tracing.client_enabled": 1}):
            talk(s.port, ASK % b"x-client-trace-id: one\r\n")
        with self.drives(s, {"http.plain.tracing.not_traceable": 1}):
            talk(s.port, ASK % b"")
        with self.drives(s, {"http.plain.tracing.service_forced": 1}):
            talk(s.port, ASK % b"x-forwarded-for: 10.0.0.1\r\nx-envoy-force-trace: true\r\n")

    def test_health_check(self):
        _, s = self.traced(100, otlp.SOON, filters=[HEALTH])
        with self.drives(s, {"http.plain.tracing.health_check": 1}):
            talk(s.port, ASK % b"")
