# SPDX-License-Identifier: GPL-2.0-or-later
"""Staged enforcement over real connections: refusals that come later, several filters at once, shares of clients."""
import http.server
import json
import os
import threading
import time
import unittest

from echo import Echo
from harness import (T, Sallyport, cluster, config, curl, free_port, ip_restriction, jwt_filter, listener, log_lines, log_to, route_to,
                     wait_for, work)

STAGED = T + "sallyport.filters.http.staged.v1.Staged"
ANYONE = [{"any": True}]


def staged(inner, **fields):
    return {"name": inner["name"], "typed_config": {"@type": STAGED, "filter": inner["typed_config"], **fields}}


def shadow(inner):
    return staged(inner, enforcement="SHADOW")


def rbac(**fields):
    return {"name": "rbac", "typed_config": {"@type": T + "envoy.extensions.filters.http.rbac.v3.RBAC", **fields}}


class Inactive(http.server.ThreadingHTTPServer):
    """An introspection endpoint that knows no token, and takes its time to say so."""
    daemon_threads = True

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args):
            pass

        def do_POST(self):
            self.rfile.read(int(self.headers.get("content-length", 0)))
            time.sleep(0.2)
            body = json.dumps({"active": False}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Staged(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)
        self.log = work(f"staged-{time.time_ns()}.log")

    def door(self, *filters, clusters=(), port=None, **more):
        shown = log_to(self.log)
        shown[0]["typed_config"]["log_format"]["json_format"]["shadow"] = "%SALLYPORT_SHADOW%"
        d = Sallyport(config([listener(port or free_port(), [route_to("o")], filters, hcm={"access_log": shown}, **more)],
                             [cluster("o", self.origin.port), *clusters]), concurrency=1)
        self.addCleanup(d.stop)
        return d

    def lines(self, n):
        wait_for("the log", lambda: len(log_lines(self.log)) >= n)
        return log_lines(self.log)

    def test_a_refusal_that_comes_later(self):
        idp = Inactive()
        self.addCleanup(idp.shutdown)
        tokens = {"name": "tokens", "typed_config": {
            "@type": T + "sallyport.filters.http.token_introspection.v1.TokenIntrospection",
            "client_auth": {"basic": {"client_id": "door", "client_secret": {"inline_string": "a-secret-of-the-door"}}},
            "endpoint": {"uri": f"http://127.0.0.1:{idp.port}/introspect", "cluster": "idp", "timeout": "2s"},
            "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}]}}
        d = self.door(shadow(tokens), clusters=[cluster("idp", idp.port)])
        body = work("staged-body")
        with open(body, "wb") as f:
            f.write(os.urandom(300000))
        for i, version in enumerate(("--http1.1", "--http2-prior-knowledge")):
            a = curl(f"http://127.0.0.1:{d.port}/", version, "-H", f"authorization: Bearer opaque-{i}", "-H", "x-user: mallory",
                     "--data-binary", "@" + body, "-H", "expect:")
            self.assertEqual(a.status, 200, a)
            seen = json.loads(a.body)
            self.assertEqual(seen["body"], 300000)
            self.assertNotIn("x-user", [name for name, _ in seen["headers"]])
        self.assertEqual(d.stat("http.test.token_introspection.shadow_refused"), 2)
        self.assertEqual([x["shadow"] for x in self.lines(2)], ["tokens:token_introspection_denied{inactive}"] * 2)
        self.assertIn("would refuse 127.0.0.1: inactive", d.log())

    def test_several_at_once(self):
        claims = {"name": "claims", "typed_config": {
            "@type": T + "sallyport.filters.http.claims_authz.v1.ClaimsAuthz", "sources": [{"key": "c"}],
            "requires": {"authenticated": True}, "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}]}}
        limit = {"name": "limit", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
            "token_bucket": {"max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s"},
            "filter_enabled": {"default_value": {"numerator": 100}}, "filter_enforced": {"default_value": {"numerator": 100}}}}
        policy = {"policies": {"p": {"permissions": ANYONE, "principals": [{"header": {"name": "x-ok", "present_match": True}}]}}}
        d = self.door(shadow(jwt_filter(payload_in_metadata="c")), shadow(claims), shadow(rbac(rules=policy)), shadow(limit))
        for _ in range(2):
            a = curl(f"http://127.0.0.1:{d.port}/", "-H", "x-user: mallory")
            self.assertEqual(a.status, 200, a)
            self.assertNotIn("x-user", [name for name, _ in json.loads(a.body)["headers"]])
        first = "jwt:jwt_authn_access_denied{Jwt_is_missing},claims:claims_authz_denied{no_verified_token}," \
                "rbac:rbac_access_denied_matched_policy[none]"
        lines = self.lines(2)
        self.assertEqual([x["shadow"] for x in lines], [first, first + ",limit:local_rate_limited"])
        self.assertEqual([x["details"] for x in lines], ["via_upstream"] * 2)
        for name in ("jwt_authn", "claims_authz", "rbac"):
            self.assertEqual(d.stat(f"http.test.{name}.shadow_refused"), 2, name)
        self.assertEqual(d.stat("http.test.local_ratelimit.shadow_refused"), 1)

    def share(self, d, refusal):
        """Which of 20 peers are refused; each asks twice."""
        found = []
        for i in range(1, 21):
            statuses = {curl(f"http://127.0.0.1:{d.port}/", "--interface", f"127.0.7.{i}").status for _ in range(2)}
            self.assertEqual(len(statuses), 1, "asking again changes nothing")
            status = statuses.pop()
            self.assertIn(status, (200, refusal))
            found.append(status == refusal)
        return found

    def test_shares(self):
        deny = {"policies": {"all": {"permissions": ANYONE, "principals": ANYONE}}, "action": "DENY"}
        ways = {
            "a filter": lambda percent: {"filters": [staged(rbac(rules=deny), enforced_percent=percent)], "refusal": 403},
            "a gate": lambda percent: {"filters": [ip_restriction(deny=["127.0.0.0/8"], source="PEER", enforced_percent=percent)],
                                       "refusal": 403},
            "at accept": lambda percent: {"filters": [], "refusal": 0, "listener_filters": [{"name": "ip_restriction", "typed_config": {
                "@type": T + "sallyport.filters.listener.ip_restriction.v1.IpRestriction", "deny": ["127.0.0.0/8"],
                "enforced_percent": percent}}]},
        }
        for name, way in ways.items():
            with self.subTest(name):
                what, found = way(50), []
                more = {"listener_filters": what["listener_filters"]} if "listener_filters" in what else {}
                for _ in range(2):
                    d = self.door(*what["filters"], **more)
                    found.append(self.share(d, what["refusal"]))
                    d.stop()
                self.assertEqual(found[0], found[1], "the same after a restart, on another port")
                self.assertTrue(3 < sum(found[0]) < 17, found[0])


if __name__ == "__main__":
    unittest.main()
