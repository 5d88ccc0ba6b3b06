# SPDX-License-Identifier: GPL-2.0-or-later
"""local_ratelimit beside a real Envoy: descriptors of every kind, which bucket a request takes from, headers, statuses."""
import re
import time
import unittest

import test_envoy
from harness import T, curl, jwks, route_to, token

LOCAL = T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
ALL = {"default_value": {"numerator": 100}}


def bucket(tokens, every="600s", per_fill=1):
    return {"max_tokens": tokens, "tokens_per_fill": per_fill, "fill_interval": every}


def limit(tokens=None, **more):
    conf = {"@type": LOCAL, "stat_prefix": "l", "filter_enabled": ALL, "filter_enforced": ALL, **more}
    if tokens is not None:
        conf["token_bucket"] = bucket(tokens)
    return {"name": "local", "typed_config": conf}


def per_route(tokens, **more):
    return {"typed_per_filter_config": {"local": limit(tokens, **more)["typed_config"]}}


def descriptor(tokens, *pairs, **more):
    return {"entries": [{"key": k, "value": v} for k, v in pairs], "token_bucket": bucket(tokens), **more}


def counted(**action):
    return {"actions": [{k: v} for k, v in action.items()]}


def header(name, key=None, **more):
    return {"request_headers": {"header_name": name, "descriptor_key": key or name, **more}}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class LimitsDifferential(unittest.TestCase):
    maxDiff = None
    conf = test_envoy.Differential.conf
    setUp, tearDown = test_envoy.Differential.setUp, test_envoy.Differential.tearDown

    def both(self, conf, requests):
        """Of a bucket's ten minutes some seconds may be gone."""
        test_envoy.Differential.both(self, conf, requests, lambda text: re.sub(
            r'("x-ratelimit-reset": ")(\d+)', lambda m: m[1] + str(-(-int(m[2]) // 30) * 30), text))

    @staticmethod
    def times(n, name, args, path):
        return [(f"{name} {i}", args, path) for i in range(n)]

    def test_one_bucket(self):
        t = self.times
        self.both(self.conf([route_to("o")], filters=[limit(3, enable_x_ratelimit_headers="DRAFT_VERSION_03")]),
                  t(5, "all", [], "/") + t(1, "grpc", ["-H", "content-type: application/grpc", "-X", "POST"], "/"))
        self.both(self.conf([route_to("o")], filters=[limit(
            1, status={"code": "ServiceUnavailable"}, rate_limited_as_resource_exhausted=True,
            response_headers_to_add=[{"header": {"key": "x-why", "value": "%REQ(:path)%"}}])]),
            t(2, "status", [], "/x") + t(1, "head", ["--head"], "/x") +
            t(1, "grpc", ["-H", "content-type: application/grpc", "-X", "POST"], "/x"))
        self.both(self.conf([route_to("o")], filters=[limit(1, status={"code": "OK"})]), t(2, "low status", [], "/"))

    def test_switches(self):
        t, none = self.times, {"default_value": {"numerator": 0}}
        self.both(self.conf([route_to("o")], filters=[limit(1, filter_enabled=none)]), t(2, "not enabled", [], "/"))
        self.both(self.conf([route_to("o")], filters=[limit(1, filter_enforced=none, request_headers_to_add_when_not_enforced=[
            {"header": {"key": "x-over", "value": "yes"}}])]), t(3, "not enforced", [], "/"))
        self.both(self.conf([route_to("o")], filters=[limit()]), t(2, "no bucket", [], "/"))

    def test_per_route(self):
        t = self.times
        routes = [{**route_to("o", "/one"), **per_route(1)}, {**route_to("o", "/two"), **per_route(2)},
                  {**route_to("o", "/off"), "typed_per_filter_config": {"local": {
                      "@type": T + "envoy.config.route.v3.FilterConfig", "disabled": True}}},
                  {"match": {"prefix": "/direct"}, "direct_response": {"status": 200}, **per_route(1)}, route_to("o")]
        self.both(self.conf(routes, filters=[limit(1)]), t(2, "one", [], "/one") + t(3, "two", [], "/two") + t(3, "off", [], "/off") +
                  t(2, "direct", [], "/direct") + t(2, "other", [], "/"))

    def test_actions(self):
        h = lambda *pairs: [x for p in pairs for x in ("-H", p)]
        descriptors = [
            descriptor(1, ("x-a", "1")), descriptor(1, ("x-a", "2"), ("x-b", "1")), descriptor(1, ("remote_address", "192.0.2.7")),
            descriptor(1, ("masked_remote_address", "198.51.100.0/24")), descriptor(1, ("masked_remote_address", "2001:db8:1::/64")),
            descriptor(1, ("generic_key", "g")), descriptor(1, ("named", "f")), descriptor(1, ("header_match", "post")),
            descriptor(1, ("no", "plain")), descriptor(1, ("q", "a b+c")), descriptor(1, ("query_match", "seen")),
            descriptor(1, ("destination_cluster", "o")), descriptor(1, ("source_cluster", "us")), descriptor(1, ("only", "x")),
        ]
        post = {"name": ":method", "string_match": {"exact": "POST"}}
        routes = []
        for path, actions in {
                "/a": [header("x-a")], "/ab": [header("x-a"), header("x-b")], "/skip": [header("x-none", skip_if_absent=True), header("x-a")],
                "/ip": [{"remote_address": {}}],
                "/net": [{"masked_remote_address": {"v4_prefix_mask_len": 24, "v6_prefix_mask_len": 64}}],
                "/g": [{"generic_key": {"descriptor_value": "g"}}],
                "/f": [{"generic_key": {"descriptor_value": "f", "descriptor_key": "named"}}],
                "/post": [{"header_value_match": {"descriptor_value": "post", "headers": [post]}}],
                "/plain": [{"header_value_match": {"descriptor_value": "plain", "descriptor_key": "no", "expect_match": False,
                                                   "headers": [post]}}],
                "/q": [{"query_parameters": {"query_parameter_name": "q", "descriptor_key": "q"}}],
                "/qm": [{"query_parameter_value_match": {"descriptor_value": "seen", "query_parameters": [
                    {"name": "v", "string_match": {"prefix": "s"}}]}}],
                "/to": [{"destination_cluster": {}}], "/from": [{"source_cluster": {}}],
                "/path": [header(":path", "only")]}.items():
            routes.append({"match": {"path_separated_prefix": path}, "route": {"cluster": "o", "rate_limits": [{"actions": actions}]}})
        routes.append(route_to("o"))
        conf = self.conf(routes, filters=[limit(100, descriptors=descriptors)],
                         hcm={"use_remote_address": False, "xff_num_trusted_hops": 0})
        conf["node"] = {"id": "i", "cluster": "us"}
        cases = []
        for name, args, path in [
                ("a", h("x-a: 1"), "/a"), ("other a", h("x-a: 3"), "/a"), ("no a", [], "/a"), ("two a", h("x-a: 1", "x-a: 1"), "/a"),
                ("ab", h("x-a: 2", "x-b: 1"), "/ab"), ("half ab", h("x-a: 2"), "/ab"), ("skip", h("x-a: 1"), "/skip"),
                ("ip", h("x-forwarded-for: 192.0.2.7"), "/ip"), ("other ip", h("x-forwarded-for: 192.0.2.8"), "/ip"),
                ("net", h("x-forwarded-for: 198.51.100.9"), "/net"), ("same net", h("x-forwarded-for: 198.51.100.200"), "/net"),
                ("net 6", h("x-forwarded-for: 2001:db8:1::5"), "/net"), ("other net 6", h("x-forwarded-for: 2001:db8:2::5"), "/net"),
                ("g", [], "/g"), ("named", [], "/f"), ("post", ["-X", "POST"], "/post"),
                ("get", [], "/post"), ("plain", [], "/plain"), ("not plain", ["-X", "POST"], "/plain"),
                ("q", [], "/q?q=a%20b%2Bc"), ("q not decoded", [], "/q?q=a+b%2Bc"), ("q later", [], "/q?x=1&%71=a%20b%2bc"), ("qm", [], "/qm?v=sx"),
                ("not qm", [], "/qm?v=x"), ("to", [], "/to"), ("from", [], "/from"), ("none", [], "/")]:
            cases += self.times(2, name, args, path)
        self.both(conf, cases)

    def test_which_buckets(self):
        """Exact before any value; the default bucket too, unless told otherwise; the virtual host's where the route has none."""
        h = lambda v: ["-H", "x-a: " + v]
        by_a, by_v = {"actions": [header("x-a")]}, {"actions": [{"generic_key": {"descriptor_value": "v"}}]}
        t = self.times
        descriptors = [descriptor(1, ("x-a", "")), descriptor(3, ("x-a", "vip")), descriptor(2, ("generic_key", "v"))]
        for more in ({}, {"always_consume_default_token_bucket": False}):
            conf = self.conf([{"match": {"prefix": "/r"}, "route": {"cluster": "o", "rate_limits": [by_a]}}, route_to("o")],
                             filters=[limit(6, descriptors=descriptors, enable_x_ratelimit_headers="DRAFT_VERSION_03", **more)])
            self.both(conf, t(4, "vip", h("vip"), "/r") + t(2, "one", h("1"), "/r") + t(2, "two", h("2"), "/r") +
                      t(3, "none", [], "/"))
        for option in ("OVERRIDE", "INCLUDE", "IGNORE"):
            vhosts = [{"name": "v", "domains": ["*"], "rate_limits": [by_v], "routes": [
                {"match": {"prefix": "/r"}, "route": {"cluster": "o", "rate_limits": [by_a]}}, route_to("o")]}]
            self.both(self.conf([], vhosts=vhosts, filters=[limit(20, descriptors=descriptors, vh_rate_limits=option)]),
                      t(3, option + " route", h("vip"), "/r") + t(3, option + " vhost", [], "/"))
        staged = {"stage": 2, "actions": [header("x-a")]}
        self.both(self.conf([{"match": {"prefix": "/"}, "route": {"cluster": "o", "rate_limits": [staged]}}],
                            filters=[limit(9, descriptors=descriptors, stage=2)]), t(2, "stage", h("1"), "/"))
        self.both(self.conf([{"match": {"prefix": "/"}, "route": {"cluster": "o", "rate_limits": [staged]}}],
                            filters=[limit(9, descriptors=descriptors)]), t(2, "other stage", h("1"), "/"))
        self.both(self.conf([{"match": {"prefix": "/"}, "route": {"cluster": "o", "rate_limits": [by_v]}}],
                            filters=[limit(9, descriptors=descriptors, rate_limits=[by_a])]), t(2, "the filter's own", h("1"), "/"))

    def test_shadow(self):
        """A descriptor on trial; alone, with another, and where the default bucket refuses."""
        by_a, by_b = {"actions": [header("x-a")]}, {"actions": [header("x-b")]}
        routes = [{"match": {"prefix": "/"}, "route": {"cluster": "o", "rate_limits": [by_a, by_b]}}]
        a, b = ["-H", "x-a: 1"], ["-H", "x-b: 1"]
        for more in ({}, {"always_consume_default_token_bucket": False}):
            self.both(self.conf(routes, filters=[limit(9, descriptors=[descriptor(1, ("x-a", "1"), shadow_mode=True), descriptor(4, ("x-b", "1"))],
                                                       enable_x_ratelimit_headers="DRAFT_VERSION_03", **more)]),
                      [*self.times(3, "shadow", a, "/"), *self.times(5, "both", a + b, "/"), *self.times(4, "none", [], "/")])

    def test_claims(self):
        """A key from a token, through the metadata of jwt_authn."""
        jwt = {"name": "jwt", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {"p": {"issuer": "i", "payload_in_metadata": "claims", "local_jwks": {"inline_string": jwks()}}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
        claim = lambda key, *path, **more: {"metadata": {"descriptor_key": key, "metadata_key": {
            "key": "envoy.filters.http.jwt_authn", "path": [{"key": p} for p in ("claims", *path)]}, **more}}
        routes = [{"match": {"prefix": "/sub"}, "route": {"cluster": "o", "rate_limits": [{"actions": [claim("sub", "sub")]}]}},
                  {"match": {"prefix": "/org"}, "route": {"cluster": "o", "rate_limits": [{"actions": [
                      claim("org", "org", "id", default_value="none")]}]}}, route_to("o")]
        descriptors = [descriptor(1, ("sub", "")), descriptor(1, ("org", "none")), descriptor(1, ("org", "acme"))]
        bearer = lambda **c: ["-H", "authorization: Bearer " + token({"iss": "i", "exp": int(time.time()) + 600, **c})]
        cases = []
        for name, args, path in [("alice", bearer(sub="alice"), "/sub"), ("bob", bearer(sub="bob"), "/sub"), ("nobody", bearer(), "/sub"),
                                 ("acme", bearer(org={"id": "acme"}), "/org"), ("no org", bearer(sub="x"), "/org")]:
            cases += self.times(2, name, args, path)
        self.both(self.conf(routes, filters=[jwt, limit(50, descriptors=descriptors)]), cases)


if __name__ == "__main__":
    unittest.main()
