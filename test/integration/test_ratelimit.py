# SPDX-License-Identifier: GPL-2.0-or-later
"""ratelimit with Envoy's own rate limit service and a real Redis: limits that gateways share, answers, what happens without it."""
import json
import re
import signal
import time
import unittest

import rls
import test_envoy
from test_limits import local
from echo import Echo
from harness import (Nghttpd, Sallyport, T, cluster, config, curl, free_port, jwks, listener, log_lines, log_to, refused,
                     route_to, token, wait_for, work)

FILTER = T + "envoy.extensions.filters.http.ratelimit.v3."
CONFIG = """
domain: door
descriptors:
- key: plan
  value: free
  rate_limit: {unit: day, requests_per_unit: 3}
- key: plan
  value: named
  rate_limit: {name: of-the-day, unit: day, requests_per_unit: 2}
- key: remote_address
  rate_limit: {unit: day, requests_per_unit: 2}
- key: plan
  value: both
  rate_limit: {unit: hour, requests_per_unit: 5}
- key: watched
  shadow_mode: true
  rate_limit: {unit: day, requests_per_unit: 1}
""", """
domain: other
descriptors:
- key: plan
  value: free
  rate_limit: {unit: day, requests_per_unit: 1}
"""
# Generous: a machine may be busy. The default of 20 ms is in a test of its own.
TIMEOUT = "3s"


def ratelimit(**more):
    return {"name": "ratelimit", "typed_config": {
        "@type": FILTER + "RateLimit", "domain": "door", "timeout": TIMEOUT, "failure_mode_deny": False,
        "rate_limit_service": {"transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "limits"}}}, **more}}


def header(name, key=None):
    return {"request_headers": {"header_name": name, "descriptor_key": key or name}}


BY_PLAN = [{"actions": [header("x-plan", "plan")]}]
ROUTES = [
    {"match": {"prefix": "/client"}, "route": {"cluster": "o", "rate_limits": [{"actions": [{"remote_address": {}}]}]}},
    {"match": {"prefix": "/two"}, "route": {"cluster": "o", "rate_limits": [*BY_PLAN, {"actions": [{"remote_address": {}}]}]}},
    {"match": {"prefix": "/watched"}, "route": {"cluster": "o", "rate_limits": [{"actions": [header("x-plan", "watched")]}]}},
    {"match": {"prefix": "/other"}, "route": {"cluster": "o", "rate_limits": BY_PLAN}, "typed_per_filter_config": {
        "ratelimit": {"@type": FILTER + "RateLimitPerRoute", "domain": "other"}}},
    {"match": {"prefix": "/own"}, "route": {"cluster": "o"}, "typed_per_filter_config": {
        "ratelimit": {"@type": FILTER + "RateLimitPerRoute", "rate_limits": BY_PLAN}}},
    {"match": {"prefix": "/direct"}, "direct_response": {"status": 200}},
    {"match": {"prefix": "/"}, "route": {"cluster": "o", "rate_limits": BY_PLAN}}]


def free(plan="free"):
    return ["-H", "x-plan: " + plan]


class WithService(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not rls.find_service():
            raise unittest.SkipTest("no rate limit service here: scripts/ratelimit builds it (Go), scripts/packages test brings redis-server")
        cls.service = rls.Service(*CONFIG)

    @classmethod
    def tearDownClass(cls):
        cls.service.kill()

    def setUp(self):
        self.service.forget()
        self.origin = Echo()
        self.addCleanup(self.origin.stop)

    def conf(self, port=1, **more):
        self.log = work(f"ratelimit-{time.time_ns()}.log")
        return config([listener(port, ROUTES, filters=[ratelimit(**more)], hcm={"access_log": log_to(self.log)})],
                      [cluster("o", self.origin.port), cluster("limits", self.service.port, http2=True)])

    def start(self, **more):
        door = Sallyport(self.conf(free_port(), **more))
        self.addCleanup(door.kill)
        return door, lambda path="/", *args: curl(f"http://127.0.0.1:{door.port}{path}", *args)

    def test_doors_share_a_limit(self):
        """Three requests a day, whichever of two doors they come to; the count is in Redis."""
        doors = [self.start() for _ in range(2)]
        statuses = [doors[i % 2][1]("/", *free()).status for i in range(6)]
        self.assertEqual(statuses, [200, 200, 200, 429, 429, 429])
        self.assertIn("door_plan_free_", self.service.command("KEYS", "*"))
        self.assertEqual(doors[0][1]("/", *free("unknown")).status, 200)
        line = wait_for("a refusal in the log", lambda: [x for x in log_lines(self.log) if x["status"] == 429])[0]
        self.assertEqual((line["details"], line["flags"]), ("request_rate_limited", "RL"))
        stats = [d.stats() for d, _ in doors]
        self.assertEqual([sum(s.get("cluster.o.ratelimit." + n, 0) for s in stats) for n in ("ok", "over_limit", "error")], [4, 3, 0])
        self.assertEqual([d.stop() for d, _ in doors], [0, 0])

    def test_bodies_wait(self):
        door, ask = self.start()
        with open(work("body"), "wb") as f:
            f.write(b"x" * 300000)
        sent = ["-X", "POST", "-H", "content-type: application/octet-stream", "--data-binary", "@" + work("body")]
        a = ask("/", *free(), *sent)
        self.assertEqual((a.status, json.loads(a.body)["body"]), (200, 300000))
        self.assertEqual([ask("/", *free(), *sent).status for _ in range(3)], [200, 200, 429])
        self.assertEqual(door.stop(), 0)

    def test_bytes_that_are_no_utf8(self):
        """The service takes no such question at all: one bad byte would be a way around every limit."""
        door, ask = self.start()
        self.assertEqual([ask("/two", *free("\udcff")).status for _ in range(4)], [200, 200, 429, 429])
        self.assertEqual(door.stat("cluster.o.ratelimit.error"), 0)
        self.assertEqual(door.stop(), 0)

    def test_what_the_client_is_told(self):
        door, ask = self.start(enable_x_ratelimit_headers="DRAFT_VERSION_03", response_headers_to_add=[
            {"header": {"key": "x-why", "value": "%REQ(x-plan)%"}}])
        a = [ask("/", *free("named")) for _ in range(3)]
        self.assertEqual([(x.status, x.headers["x-ratelimit-limit"], x.headers["x-ratelimit-remaining"]) for x in a],
                         [(200, '2, 2;w=86400;name="of-the-day"', "1"), (200, '2, 2;w=86400;name="of-the-day"', "0"),
                          (429, '2, 2;w=86400;name="of-the-day"', "0")])
        self.assertTrue(0 < int(a[2].headers["x-ratelimit-reset"]) <= 86400)
        self.assertEqual([(x.headers.get("x-envoy-ratelimited"), x.headers.get("x-why")) for x in a],
                         [(None, None), (None, None), ("true", "named")])
        self.assertEqual(door.stop(), 0)

    def test_on_trial(self):
        """Staged: both limits count and are shown, none refuses."""
        staged = lambda f: {"name": f["name"], "typed_config": {
            "@type": T + "sallyport.filters.http.staged.v1.Staged", "enforcement": "SHADOW", "filter": f["typed_config"]}}
        conf = self.conf(free_port())
        manager = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["http_filters"][0:1] = [staged(local(token_bucket={"max_tokens": 1, "fill_interval": "600s"})), staged(ratelimit())]
        manager["access_log"][0]["typed_config"]["log_format"] = {"json_format": {"shadow": "%SALLYPORT_SHADOW%"}}
        door = Sallyport(conf)
        self.addCleanup(door.kill)
        self.assertEqual([curl(f"http://127.0.0.1:{door.port}/", *free()).status for _ in range(5)], [200] * 5)
        lines = wait_for("five lines in the log", lambda: (x := log_lines(self.log)) and len(x) == 5 and x)
        ours = "local:local_rate_limited"
        self.assertEqual(sorted(x["shadow"] or "" for x in lines), ["", ours, ours, *[ours + ",ratelimit:request_rate_limited"] * 2])
        self.assertEqual([door.stat(f"http.test.{f}.shadow_refused") for f in ("local_ratelimit", "ratelimit")], [4, 2])
        self.assertEqual(door.stop(), 0)

    def test_without_the_service(self):
        """It is stopped, so that it does not answer, and then gone. The default lets pass, failure_mode_deny does not."""
        doors = [self.start(failure_mode_deny=deny, timeout="0.1s") for deny in (False, True)]
        service = rls.Service(*CONFIG)
        self.addCleanup(service.kill)
        for door, _ in doors:
            door.kill()
        real, self.service = self.service, service
        try:
            doors = [self.start(failure_mode_deny=deny, timeout="0.1s") for deny in (False, True)]
            service.service.signal(signal.SIGSTOP)
            for what in ("silent", "gone"):
                began = time.time()
                self.assertEqual([ask("/" + what, *free()).status for _, ask in doors], [200, 500], what)
                self.assertLess(time.time() - began, 5, what)
                service.service.kill()
            for (door, _), allowed in zip(doors, (2, 0)):
                stats = door.stats()
                self.assertEqual([stats.get("cluster.o.ratelimit." + n, 0) for n in ("error", "failure_mode_allowed", "ok")], [2, allowed, 0])
                self.assertIn("did not answer", door.log())
            line = wait_for("a refusal in the log", lambda: [x for x in log_lines(self.log) if x["status"] == 500])[0]
            self.assertEqual((line["details"], line["flags"]), ("rate_limiter_error", "RLSE"))
            self.assertEqual([d.stop() for d, _ in doors], [0, 0])
        finally:
            self.service = real

    def test_beside_envoy(self):
        """The same requests against each, with Redis emptied between; only the seconds until a reset may differ."""
        if not test_envoy.find_envoy():
            self.skipTest("no Envoy here: scripts/envoy brings one from PyPI")
        grpc = ["-X", "POST", "-H", "content-type: application/grpc"]
        cases = ([("free", free(), "/")] * 4 + [("none", [], "/"), ("unknown", free("x"), "/"), ("grpc", [*free(), *grpc], "/")] +
                 [("named", free("named"), "/")] * 3 + [("client", [], "/client")] * 3 + [("two", free("both"), "/two")] * 2 +
                 [("shadow", free("w"), "/watched")] * 3 + [("other", free(), "/other")] * 2 + [("own", free("both"), "/own")] +
                 [("direct", free(), "/direct")])
        for more in ({}, {"enable_x_ratelimit_headers": "DRAFT_VERSION_03"}, {"disable_x_envoy_ratelimited_header": True,
                     "rate_limited_status": {"code": "ServiceUnavailable"}, "rate_limited_as_resource_exhausted": True},
                     {"filter_enforced": {"default_value": {"numerator": 0}}}, {"stage": 1}, {"request_type": "internal"},
                     {"response_headers_to_add": [{"header": {"key": "x-why", "value": "limit"}}]}):
            both = []
            for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport):
                self.service.forget()
                subject = make(test_envoy.set_port(self.conf(**more), free_port()))
                seen = []
                for name, args, path in cases:
                    a = curl(f"http://127.0.0.1:{subject.port}{path}", "-H", "host: a.test", *args)
                    if "x-ratelimit-reset" in a.headers:
                        a.headers["x-ratelimit-reset"] = bool(int(a.headers["x-ratelimit-reset"]))
                    seen.append((name, re.sub(rf":{subject.port}\b", ":PORT", json.dumps(test_envoy.seen(a), sort_keys=True))))
                log = subject.log()
                subject.kill()
                both.append(seen)
            self.assertNotIn("did not answer", log)
            for envoy, ours in zip(*both):
                with self.subTest(str(more) + " " + envoy[0]):
                    self.assertEqual(envoy, ours)


    def test_limit_of_a_token(self):
        """The limit stands in the token itself; the same in Envoy, whose answers are compared."""
        jwt = {"name": "jwt", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"p": {"issuer": "i", "payload_in_metadata": "claims", "local_jwks": {"inline_string": jwks()}}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
        at = lambda *path: {"key": "envoy.filters.http.jwt_authn", "path": [{"key": p} for p in ("claims", *path)]}
        limits = [{"actions": [{"metadata": {"descriptor_key": "sub", "metadata_key": at("sub")}}],
                   "limit": {"dynamic_metadata": {"metadata_key": at("limit")}}}]
        bearer = lambda sub, **c: ["-H", "authorization: Bearer " + token({"iss": "i", "sub": sub, "exp": int(time.time()) + 600, **c})]
        rich, poor = ({"requests_per_unit": n, "unit": "DAY"} for n in (3, 1))
        cases = [bearer("a", limit=rich)] * 4 + [bearer("b", limit=poor)] * 2 + [bearer("c")] * 2 + [bearer("d", limit={"unit": "DAY"})] * 2
        makes = [Sallyport] + ([lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)] if test_envoy.find_envoy() else [])
        for make in makes:
            self.service.forget()
            door = make(config([listener(free_port(), [route_to("o", rate_limits=limits)], filters=[jwt, ratelimit()])],
                               [cluster("o", self.origin.port), cluster("limits", self.service.port, http2=True)]))
            self.addCleanup(door.kill)
            self.assertEqual([curl(f"http://127.0.0.1:{door.port}/", *c).status for c in cases],
                             [200, 200, 200, 429, 200, 429, 200, 200, 200, 200])
            door.stop()


class OtherServers(unittest.TestCase):
    """What answers is no rate limit service."""

    def test_no_grpc(self):
        service, origin = Nghttpd(work("")), Echo()
        self.addCleanup(service.kill)
        self.addCleanup(origin.stop)
        port = free_port()
        door = Sallyport(config([listener(port, ROUTES, filters=[ratelimit(failure_mode_deny=True, status_on_error={"code": "ServiceUnavailable"})])],
                                [cluster("o", origin.port), cluster("limits", service.port, http2=True)]))
        self.addCleanup(door.kill)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/", *free()).status, 503)
        self.assertIn("the answer is no gRPC", door.log())
        self.assertEqual(door.stop(), 0)

    def test_configs(self):
        make = lambda http2=True, **more: config([listener(free_port(), ROUTES, filters=[ratelimit(**more)])],
                                                 [cluster("o", 1), cluster("limits", 2, http2=http2)])
        self.assertIn('cluster "limits" does not speak HTTP/2', refused(make(False)))
        self.assertIn("request_type", refused(make(request_type="some")))
        self.assertIn("transport_api_version", refused(make(rate_limit_service={"grpc_service": {"envoy_grpc": {"cluster_name": "limits"}}})))
        self.assertIn('there is no cluster "none"', refused(make(rate_limit_service={
            "transport_api_version": "V3", "grpc_service": {"envoy_grpc": {"cluster_name": "none"}}})))


if __name__ == "__main__":
    unittest.main()
