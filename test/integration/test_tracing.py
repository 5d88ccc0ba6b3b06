# SPDX-License-Identifier: GPL-2.0-or-later
"""Traces: continued or begun, spans of requests, attempts and filters that wait, sent to collectors over HTTP and gRPC."""
import http.server
import json
import os
import threading
import time
import unittest

import otlp
from echo import Echo, Handler
from harness import T, Sallyport, cluster, config, curl, free_port, http_options, listener, log_lines, raw, refused, route_to, wait_for, work

DETECTORS = T + "envoy.extensions.tracers.opentelemetry.resource_detectors.v3."
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def parent(sampled=True, version="00"):
    return f"traceparent: {version}-{TRACE}-{SPAN}-0{int(sampled)}"


class Base(unittest.TestCase):
    grpc = False

    def setUp(self):
        self.origin = Echo()
        self.collector = otlp.GrpcCollector() if self.grpc else otlp.HttpCollector()
        self.door = None

    def tearDown(self):
        if self.door:
            self.door.kill()
        self.origin.stop()
        self.collector.stop()

    def serve(self, tracing=None, routes=None, filters=(), hcm=None, clusters=(), provider=None, extra=otlp.SOON, **more):
        manager = {"tracing": {"provider": provider or otlp.provider(grpc=self.grpc), **(tracing or {})}, **(hcm or {})}
        conf = config([listener(free_port(), routes or [route_to("o")], filters, hcm=manager)],
                      [cluster("o", self.origin.port), cluster("collector", self.collector.port, http2=self.grpc), *clusters])
        self.door = Sallyport({**conf, **extra, **more})
        return self.door

    def ask(self, *headers, path="/", **curl_args):
        a = curl(f"http://127.0.0.1:{self.door.port}{path}", *[x for h in headers for x in ("-H", h)], **curl_args)
        a.seen = {}
        if a.body.startswith(b"{"):
            a.seen = dict(json.loads(a.body)["headers"])
        return a


class OverHttp(Base):
    def test_request(self):
        self.serve(node={"id": "n1", "locality": {"zone": "z1"}})
        a = self.ask("user-agent: test", path="/a?b=c")
        span, = self.collector.wait(1)
        self.assertEqual((span.name, span.kind, span.parent, span.state, span.error, span.flags), ("ingress", 2, "", "", False, 0x101))
        self.assertEqual(a.seen["traceparent"], f"00-{span.trace}-{span.id}-01")
        self.assertNotIn("tracestate", a.seen)
        size = str(len(a.body))
        self.assertEqual(span.attrs, {
            "node_id": "n1", "zone": "z1", "guid:x-request-id": a.seen["x-request-id"], "http.url": f"http://127.0.0.1:{self.door.port}/a?b=c",
            "http.method": "GET", "downstream_cluster": "-", "user_agent": "test", "http.protocol": "HTTP/1.1", "peer.address": "127.0.0.1",
            "request_size": "0", "response_size": size, "component": "proxy", "upstream_cluster": "o", "upstream_cluster.name": "o",
            "http.status_code": "200", "response_flags": "-"})
        self.assertEqual(a.seen["x-request-id"][14], "9")
        self.assertEqual((span.resource["service.name"], span.resource["telemetry.sdk.name"]), ("door", "sallyport"))
        self.assertEqual(span.scope[0], "sallyport")
        self.assertLess(abs(time.time() - span.start / 1e9), 60)
        head = self.collector.requests[0][0]
        self.assertEqual(head["x-key"], "k1")
        self.assertEqual(self.door.stat("http.test.tracing.random_sampling"), 1)
        self.assertEqual(self.door.stat("tracing.opentelemetry.spans_sent"), 1)

    def test_continued(self):
        self.serve()
        a = self.ask(parent(), "tracestate: a=b", "tracestate: c=d")
        span, = self.collector.wait(1)
        self.assertEqual((span.trace, span.parent, span.state, span.flags), (TRACE, SPAN, "a=b, c=d", 0x301))
        self.assertEqual((a.seen["traceparent"], a.seen["tracestate"]), (f"00-{TRACE}-{span.id}-01", "a=b, c=d"))
        a = self.ask(parent(False), "tracestate: a=b")
        self.assertRegex(a.seen["traceparent"], f"^00-{TRACE}-(?!{SPAN})[0-9a-f]{{16}}-00$")
        self.assertEqual(a.seen["tracestate"], "a=b")
        self.assertEqual(len(self.collector.spans()), 1)

    def test_attempts(self):
        retry = {"retry_on": "5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.005s"}}
        self.serve({"spawn_upstream_span": True, "verbose": True}, [dict(route_to("o", retry_policy=retry), decorator={"operation": "deco"})])
        a = self.ask(parent(), "x-status: 503", "tracestate: a=b")
        spans = self.collector.wait(4)
        server, = [s for s in spans if s.name == "deco"]
        tries = [s for s in spans if s.name == "router o egress"]
        self.assertEqual([s.attrs.get("retry.count") for s in tries], [None, "1", "2"])
        self.assertEqual([s.attrs.get("canceled") for s in tries], ["true", "true", None])
        for s in tries:
            self.assertEqual((s.parent, s.trace, s.state, s.kind, s.error), (server.id, TRACE, "a=b", 3, True))
            self.assertEqual((s.attrs["upstream_address"], s.attrs["http.status_code"]), (f"127.0.0.1:{self.origin.port}", "503"))
            self.assertIn("first_upstream_tx_byte_sent", dict(s.events))
            self.assertIn("first_upstream_rx_byte_received", dict(s.events))
            self.assertTrue(all(s.start <= at <= s.end for _, at in s.events), s.events)
        self.assertEqual(a.seen["traceparent"], f"00-{TRACE}-{tries[2].id}-01")
        self.assertEqual(server.attrs["response_flags"], "URX")
        self.assertIn("last_downstream_tx_byte_sent", dict(server.events))
        self.assertEqual(a.headers["x-envoy-decorator-operation"], "deco")
        self.assertEqual(len({s.id for s in spans}), 4)

    def test_no_connection(self):
        self.serve({"spawn_upstream_span": True}, [route_to("dead")], clusters=[cluster("dead", free_port())])
        self.assertEqual(self.ask().status, 503)
        spans = self.collector.wait(2)
        attempt, = [s for s in spans if s.kind == 3]
        self.assertEqual((attempt.attrs["http.status_code"], attempt.attrs["response_flags"], attempt.attrs["error"]), ("0", "UF", "true"))
        self.assertIn("connection failure", attempt.attrs["error.reason"])

    def test_waiting_filters(self):
        """ext_authz asks a service: a span of its own, which the service continues."""
        authz = Echo("authz")
        try:
            uri = {"uri": "authz.test", "cluster": "authz", "timeout": "2s"}
            self.serve({"spawn_upstream_span": True}, filters=[{"name": "authz", "typed_config": {
                "@type": T + "envoy.extensions.filters.http.ext_authz.v3.ExtAuthz", "http_service": {
                    "server_uri": uri, "authorization_response": {"allowed_upstream_headers": {"patterns": [{"exact": "x-saw"}]}}}}}],
                clusters=[cluster("authz", authz.port)])
            self.assertEqual(self.ask(parent()).status, 200)
            spans = {s.name: s for s in self.collector.wait(3)}
            asked, server = spans["async authz egress"], spans["ingress"]
            self.assertEqual((asked.parent, asked.kind, asked.attrs["http.status_code"]), (server.id, 3, "200"))
            self.assertLessEqual(asked.end, spans["router o egress"].end)
            self.assertEqual(authz.seen, 1)
        finally:
            authz.stop()

    def test_waiting_for_keys(self):
        """jwt_authn waits for its keys."""
        slow = Slow()
        try:
            jwt = {"name": "jwt", "typed_config": {"@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication", "providers": {"p": {
                "issuer": "i", "remote_jwks": {"http_uri": {"uri": "http://keys.test/", "cluster": "keys", "timeout": "5s"}}}},
                "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
            self.serve(filters=[jwt], clusters=[cluster("keys", slow.port)])
            from harness import good_token  # pylint: disable=import-outside-toplevel
            self.assertEqual(self.ask(parent(), "authorization: Bearer " + good_token(iss="i")).status, 200)
            spans = {s.name: s for s in self.collector.wait(2)}
            self.assertEqual((spans["jwt_authn keys"].parent, spans["jwt_authn keys"].kind), (spans["ingress"].id, 1))
        finally:
            slow.stop()

    def test_b3(self):
        inner = otlp.provider()["typed_config"]
        del inner["@type"]
        own = {"name": "o", "typed_config": {"@type": T + "sallyport.tracing.v1.OpenTelemetry", "config": inner, "propagators": ["B3", "B3_MULTI", "TRACE_CONTEXT"]}}
        self.serve({"spawn_upstream_span": True}, provider=own)
        a = self.ask(f"b3: {TRACE}-{SPAN}-1")
        spans = {s.name: s for s in self.collector.wait(2)}
        server, attempt = spans["ingress"], spans["router o egress"]
        self.assertEqual((server.trace, server.parent), (TRACE, SPAN))
        self.assertEqual(a.seen["b3"], f"{TRACE}-{attempt.id}-1-{server.id}")
        self.assertEqual((a.seen["x-b3-traceid"], a.seen["x-b3-spanid"], a.seen["x-b3-parentspanid"], a.seen["x-b3-sampled"]),
                         (TRACE, attempt.id, server.id, "1"))
        self.assertEqual(a.seen["traceparent"], f"00-{TRACE}-{attempt.id}-01")
        a = self.ask(f"x-b3-traceid: {TRACE}", f"x-b3-spanid: {SPAN}", "x-b3-sampled: 0")
        self.assertRegex(a.seen["b3"], f"^{TRACE}-[0-9a-f]{{16}}-0-{SPAN}$")
        self.assertRegex(self.ask("b3: 0").seen["traceparent"], "-00$")
        self.assertEqual(len(self.collector.spans()), 2)

    def test_hostile(self):
        """What cannot be read begins a trace of its own; nothing a client says breaks what a collector reads."""
        self.serve({"custom_tags": [{"tag": "t", "request_header": {"name": "x-t"}}]})
        for i, lines in enumerate((["traceparent: " + "0" * 30000], [parent(), parent()], [parent(version="ff")], ["traceparent: 00-" + "0" * 32 + "-" + "0" * 16 + "-01"],
                                   [parent().upper()], ["traceparent;"])):
            a = self.ask(*lines, "tracestate: a=b")
            self.assertRegex(a.seen["traceparent"], f"^00-(?!{TRACE})[0-9a-f]{{32}}-[0-9a-f]{{16}}-01$", lines)
            self.assertNotIn("tracestate", a.seen)
        self.collector.wait(6)
        a = self.ask(parent(), "tracestate: " + ",".join(f"k{i}=v" for i in range(33)))
        self.assertNotIn("tracestate", a.seen)
        a = self.ask(parent(), "tracestate: " + ",".join(f"k{i:02}=" + "v" * 60 for i in range(30)))
        self.assertEqual(a.seen["tracestate"].count(","), 6)
        got = raw(self.door.port, b"GET / HTTP/1.1\r\nhost: a\r\nuser-agent: \xff\xfe\xc3\r\nx-t: \x80" + b"x" * 20000 + b"\r\nconnection: close\r\n\r\n")
        self.assertTrue(got.startswith(b"HTTP/1.1 200"), got[:100])
        span = self.collector.wait(9)[8]
        self.assertEqual(span.attrs["user_agent"], "\ufffd\ufffd\ufffd")
        self.assertTrue(span.attrs["t"].startswith("\ufffdxx") or span.attrs["t"].startswith("?xx"), span.attrs["t"][:9])
        self.assertLessEqual(len(span.attrs["t"]), 4096)

    def test_logged(self):
        path = work("traced.log")
        log = [{"name": "f", "typed_config": {"@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path, "log_format": {
            "json_format": {"trace": "%TRACE_ID%", "span": "%SPAN_ID%"}}}}]
        self.serve({"random_sampling": {"value": 0}}, hcm={"access_log": log})
        a = self.ask()
        line, = wait_for("the log", lambda: log_lines(path))
        self.assertEqual(a.seen["traceparent"], f"00-{line['trace']}-{line['span']}-00")

    def test_silent_collector(self):
        """A collector that never answers: memory has a bound, requests do not wait, and what is lost is counted."""
        silent = otlp.Silent()
        try:
            typed = otlp.provider("silent", max_cache_size=8)
            self.serve(provider=typed, clusters=[cluster("silent", silent.port)])
            for _ in range(30):
                self.assertEqual(self.ask().status, 200)
            # Of each worker 4 are under way and 8 wait: some of 30 are lost at least, more once the calls have timed out.
            wait_for("the losses", lambda: self.door.stat("tracing.opentelemetry.spans_dropped") >= 6)
            self.assertLessEqual(self.door.stat("tracing.opentelemetry.spans_sent"), 30)
        finally:
            silent.stop()

    def test_failing_collector(self):
        self.serve()
        self.collector.failing = True
        self.assertEqual(self.ask().status, 200)
        wait_for("the loss", lambda: self.door.stat("tracing.opentelemetry.spans_dropped") == 1)
        self.assertIn("took no spans", self.door.log())
        self.collector.failing = False
        self.ask()
        self.collector.wait(2)
        self.assertEqual(self.door.stat("tracing.opentelemetry.spans_dropped"), 1)

    def test_stop(self):
        """What waits is sent before the process ends, and not before it is time otherwise."""
        self.serve(extra=otlp.runtime(min_flush_spans=1000, flush_interval_ms=600000))
        for _ in range(3):
            self.ask()
        self.assertEqual(self.collector.spans(), [])
        self.assertEqual(self.door.stop(), 0)
        self.assertEqual(len(self.collector.wait(3)), 3)

    def test_reload(self):
        """A config that goes leaves its spans: they are sent by what it had."""
        self.serve(extra=otlp.runtime(min_flush_spans=1000, flush_interval_ms=1500))
        self.ask(parent())
        with open(self.door.config_path, encoding="utf-8") as f:
            conf = json.load(f)
        manager = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["tracing"]["random_sampling"] = {"value": 0}
        with open(self.door.config_path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        self.door.signal(1)
        wait_for("the new config", lambda: self.ask().seen["traceparent"].endswith("-00"))
        self.assertEqual(self.collector.wait(1)[0].trace, TRACE)  # behind it those that were asked before the new config served

    def test_environment(self):
        detectors = [{"name": "e", "typed_config": {"@type": DETECTORS + "EnvironmentResourceDetectorConfig"}},
                     {"name": "s", "typed_config": {"@type": DETECTORS + "StaticConfigResourceDetectorConfig", "attributes": {"where": "here"}}}]
        os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "a=b, c = d"
        try:
            door = self.serve(provider=otlp.provider(resource_detectors=detectors, set_telemetry_sdk_resource_attributes=False, set_instrumentation_scope=False))
            self.ask()
            span, = self.collector.wait(1)
            self.assertEqual((span.resource, span.scope), ({"service.name": "door", "a": "b", "c": "d", "where": "here"}, ("", "")))
            os.environ["OTEL_RESOURCE_ATTRIBUTES"] = "=b"
            with open(door.config_path, encoding="utf-8") as f:
                self.assertIn('OTEL_RESOURCE_ATTRIBUTES is not of the form key=value,key=value (mend it)', refused(f.read()))
        finally:
            del os.environ["OTEL_RESOURCE_ATTRIBUTES"]

    def test_off(self):
        """Without `tracing` headers pass as they are, and there is no counter."""
        self.door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", self.origin.port)]))
        a = self.ask("traceparent: rubbish", "tracestate: a", "x-envoy-decorator-operation: d")
        self.assertEqual((a.seen["traceparent"], a.seen["tracestate"], a.seen["x-envoy-decorator-operation"]), ("rubbish", "a", "d"))
        self.assertEqual(a.seen["x-request-id"][14], "4")
        self.assertEqual([k for k in self.door.stats() if "tracing" in k], [])

    def test_official(self):
        """The library of OpenTelemetry itself reads what we send, and finds no field that it does not know."""
        request = otlp.official()
        if not request:
            self.skipTest("opentelemetry-proto is not here: scripts/otlp-proto brings it from PyPI")
        self.serve({"spawn_upstream_span": True, "verbose": True, "custom_tags": [{"tag": "n", "value": "7", "value_type": "INT"}]})
        self.ask(parent(), "x-status: 500", "tracestate: a=b")
        ours = {s.id: s for s in self.collector.wait(2)}
        for _, data in self.collector.requests:
            message = request.FromString(data)
            self.assertEqual(message.SerializeToString(), data)
            for span in message.resource_spans[0].scope_spans[0].spans:
                mine = ours[span.span_id.hex()]
                self.assertEqual((span.name, span.trace_state, span.status.code), (mine.name, mine.state, 2))
                self.assertEqual({a.key: a.value.int_value or a.value.string_value for a in span.attributes}, mine.attrs)
                self.assertEqual([(e.name, e.time_unix_nano) for e in span.events], mine.events)


class OverGrpc(Base):
    grpc = True

    def test_sent(self):
        self.serve()
        a = self.ask(parent())
        span, = self.collector.wait(1)
        self.assertEqual((span.trace, span.parent), (TRACE, SPAN))
        self.assertEqual(a.seen["traceparent"], f"00-{TRACE}-{span.id}-01")
        self.assertEqual(self.collector.requests[0][0]["x-key"], "k1")

    def test_failing(self):
        self.serve()
        self.collector.failing = True
        self.ask()
        wait_for("the loss", lambda: self.door.stat("tracing.opentelemetry.spans_dropped") == 1)
        self.assertIn("took no spans: full (14)", self.door.log())


class _SlowKeys(Handler):
    def do_GET(self):
        from harness import jwks  # pylint: disable=import-outside-toplevel
        self.server.asked += 1
        time.sleep(0.3)
        text = jwks().encode()
        self.send_response(200 if self.server.asked > 1 else 503)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class Slow(http.server.ThreadingHTTPServer):
    """Keys that take their time, and are not to be had at first."""
    daemon_threads = True
    asked = 0

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _SlowKeys)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def stop(self):
        self.shutdown()
        self.server_close()


if __name__ == "__main__":
    unittest.main()
