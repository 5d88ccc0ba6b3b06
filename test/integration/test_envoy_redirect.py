# SPDX-License-Identifier: GPL-2.0-or-later
"""Internal redirects beside a real Envoy: what the client gets, what origins saw, log lines and counters, case by case."""
import re
import unittest

import test_envoy
from harness import T, route_to
from test_envoy_retry import Beside, Case, h, retry

PREDICATE = T + "envoy.extensions.internal_redirect."
PREVIOUS = {"name": "previous", "typed_config": {"@type": PREDICATE + "previous_routes.v3.PreviousRoutesConfig"}}
SAFE = {"name": "safe", "typed_config": {"@type": PREDICATE + "safe_cross_scheme.v3.SafeCrossSchemeConfig"}}


def allow(*names):
    return {"name": "allow", "typed_config": {"@type": PREDICATE + "allow_listed_routes.v3.AllowListedRoutesConfig", "allowed_route_names": list(names)}}


def follow(**policy):
    return {"internal_redirect_policy": policy}


def to(name, path="/b", status=302, **more):
    """A step: a redirect to another path of the case's own host."""
    return "+".join([str(status), f"location=http://{name}{path}", *(f"{k}={v}" for k, v in more.items())])


def redirects(name, requests, policy=None, routes=None, **more):
    """Routes /a and / with names of their own; the policy is /a's, or, with routes, stands in them."""
    routes = routes or [dict(route_to(name, "/a", **follow(**(policy or {}))), name="a"), dict(route_to(name, "/b"), name="b"),
                        dict(route_to(name, "/c", **follow(**(policy or {}))), name="c")]
    asked = [(r,) if isinstance(r, str) else r for r in requests]
    return Case(name, [(do, *args) if any(x.startswith("/") for x in args) else (do, "/a", *args) for do, *args in asked],
                vhost={"routes": routes, **more.pop("vhost", {})}, **more)


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Redirects(Beside):
    LINES = 2
    OF_ALL = re.compile(r"http\.test\.(passthrough_internal_redirect.*|rq_total|no_route|downstream_rq_(?:total|completed|\dxx|active))$")

    @staticmethod
    def more_sent(attempt):
        headers = attempt.headers
        return attempt.path, headers.get(":authority", headers.get("host")), headers.get("x-envoy-original-url"), headers.get("x-copied"), \
            headers.get("x-forwarded-for"), headers.get("x-forwarded-proto"), headers.get("content-length"), headers.get("transfer-encoding")

    def test_statuses(self):
        each = [to("default", "/b", s) + ",200" for s in (301, 302, 303, 304, 307, 308)]
        some = [e.replace("default", "some") for e in each]
        self.beside(redirects("default", each), redirects("some", some, {"redirect_response_codes": [301, 303, 308]}),
                    redirects("action", [to("action", p) + "," + to("action", "/b") + ",200" for p in ("/b", "/c")], routes=[
                        dict(route_to("action", "/a", internal_redirect_action="HANDLE_INTERNAL_REDIRECT", max_internal_redirects=2), name="a"),
                        dict(route_to("action", "/b"), name="b"), dict(route_to("action", "/c", internal_redirect_action="HANDLE_INTERNAL_REDIRECT"), name="c")]),
                    redirects("none", [to("none") + ",200"], routes=[route_to("none")]),
                    redirects("strange", [to("strange") + ",200", to("strange", status=307) + ",200"], {"redirect_response_codes": [307, 200]}),
                    redirects("refused", [to("refused") + ",404", to("refused") + ",503"]))

    def test_locations(self):
        name = "places"
        places = [f"http://{name}/b", f"http://{name}/b?x=1", f"http://{name}/b#f", f"http://{name}/b?x#f", f"http://{name}",
                  f"HTTP://{name}/b", f"http://{name.upper()}/b", f"http://{name}:80/b", f"http://{name}:8080/b", "http://elsewhere/b", "/b", "b", "//" + name + "/b", "",
                  f"https://{name}/b", f"ftp://{name}/b", f"http:/{name}/b", f"http:{name}/b", "http:///b", "http://", f"http://{name}:99999/b", f"http://{name}:x/b",
                  f"http://{name}/none", f"http://{name}/b/" + "x" * 5000, f"http://{name}/b%2fc", f"http://{name}/b%00", f"http://{name}/b\\c",
                  f"http://{name}/b/../b", f"http://{name} /b", f"mailto:{name}", f"http://[::1]/b", f"http://{name}/b%0d%0ax: y"]
        self.beside(redirects(name, [f"302+location={p},200" for p in places]), redirects("without", ["302,200"]))

    def test_many(self):
        ring = lambda n, k: ",".join([to(n, p) for p in ["/c", "/a"] * 4][:k] + ["200"])
        self.beside(*[redirects(f"most-{m}", [ring(f"most-{m}", k) for k in (1, 2, 3, 5)], {"max_internal_redirects": m}) for m in (0, 1, 2, 4)],
                    redirects("most", [ring("most", k) for k in (1, 2)]),
                    redirects("loop", [to("loop", "/a")], {"max_internal_redirects": 7}),
                    # The route at hand says how many.
                    redirects("differ", [ring("differ", k) for k in (1, 2, 3, 4)], routes=[
                        dict(route_to("differ", "/a", **follow(max_internal_redirects=3)), name="a"), dict(route_to("differ", "/c", **follow(max_internal_redirects=2)), name="c")]))

    def test_predicates(self):
        ring = lambda n, k: ",".join([to(n, p) for p in ["/c", "/a"] * 4][:k] + ["200"])
        self.beside(redirects("previous", [ring("previous", k) for k in (1, 2, 3, 4)], {"max_internal_redirects": 9, "predicates": [PREVIOUS]}),
                    redirects("itself", [",".join([to("itself", "/a")] * k + ["200"]) for k in (1, 2)], {"max_internal_redirects": 9, "predicates": [PREVIOUS]}),
                    redirects("allow", [to("allow") + ",200", to("allow", "/c") + ",200"], {"predicates": [allow("b", "x")]}),
                    redirects("allow-both", [to("allow-both") + ",200", to("allow-both", "/c") + ",200"], {"predicates": [allow("b", "c"), allow("c")]}),
                    redirects("allow-none", [to("allow-none") + ",200"], {"predicates": [allow()]}),
                    redirects("cross", [f"302+location={s}://cross/b,200" for s in ("https", "http")], {"allow_cross_scheme_redirect": True}),
                    redirects("safe", [f"302+location={s}://safe/b,200" for s in ("https", "http")], {"allow_cross_scheme_redirect": True, "predicates": [SAFE]}))

    def test_requests(self):
        body = ("-X", "POST", "--data-binary", "x" * 900)
        chunked = (*body, *h("transfer-encoding: chunked"))
        all_codes = {"redirect_response_codes": [302, 303, 307]}
        self.beside(redirects("bodies", [(to("bodies", status=s) + ",200", *b) for s in (302, 303, 307) for b in (body, chunked)], all_codes),
                    redirects("methods", [(to("methods", status=s) + ",200", "-X", m) for s in (302, 303) for m in ("PUT", "DELETE", "PATCH")], all_codes),
                    redirects("head", [(to("head", status=s) + ",200", "-I") for s in (302, 303)], all_codes),
                    redirects("early", [("now-" + to("early") + ",200", *body)], all_codes),
                    redirects("long", [(to("long", status=s) + ",200", "-X", "POST", "--data-binary", "x" * n) for n in (1000, 1001) for s in (302, 303)], all_codes,
                              vhost={"per_request_buffer_limit_bytes": 1000}),
                    redirects("retries", [to("retries") + ",503,200", "503," + to("retries") + ",200", "503,503," + to("retries")],
                              routes=[dict(route_to("retries", "/a", **follow(), **retry("5xx")), name="a"), dict(route_to("retries", "/b", **retry("5xx")), name="b")]))

    def test_headers(self):
        copied = {"response_headers_to_copy": ["x-copied"]}
        rewritten = [dict(route_to("rewritten", "/a", prefix_rewrite="/x", host_rewrite_literal="y.test", **follow()), name="a"), dict(route_to("rewritten", "/b"), name="b")]
        self.beside(redirects("copied", [(to("copied", **{"x-copied": 1}) + ",200", *h("x-copied: 0")), (to("copied") + ",200", *h("x-copied: 0")),
                                         to("copied", **{"x-copied": 1, "X-Copied": 2}) + ",200"], copied),
                    redirects("rewritten", [to("rewritten") + ",200"], routes=rewritten),
                    redirects("counted", [to("counted") + ",200"], vhost={"include_request_attempt_count": True}))

    def test_http2(self):
        more = {"redirect_response_codes": [302, 303]}
        self.beside(redirects("two", [to("two") + ",200", (to("two", status=303) + ",200", "-X", "POST", "-d", "x"), (to("two") + ",200", "-X", "POST", "-d", "x")], more,
                              http2=True))


del Beside

if __name__ == "__main__":
    unittest.main()
