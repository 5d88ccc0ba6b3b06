# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport explain` says what the door does: for the examples, with the very requests that their tests make over sockets, and for
what can only be seen in an explanation."""
import base64
import json
import os
import re
import subprocess
import time
import unittest

import test_examples
from harness import BIN, SLOW, ca, cert, cluster, config, downstream_tls, good_token, ip_restriction, jwks, jwt_filter, listener, route_to, shield, work

# What depends on what happened before, or on others: an explanation knows of one request only.
STATEFUL = {"test_failing_origins", "test_rate_limit", "test_rate_limit_redis", "test_all_are_here", "test_quiet_door"}
# Files change while they run, and the door takes them later than an explanation does, which reads them anew, or not at all, where the
# new ones are refused: most answers agree.
LATE = {"test_client_crl", "test_secret_rotation", "test_health_check", "test_file_xds", "test_vault_agent"}
# Others may make their requests in ways that are not followed here.
EXPLAINED = {"test_origin_secret", "test_jwt", "test_claims", "test_mutual_tls", "test_rbac", "test_routing", "test_opaque_token", "test_oidc"}
# Statuses that origins of the tests give.
FROM_ORIGIN = {200, 404}


def explain(conf, request, *args, source="127.0.0.1", form="json"):
    """The report (or the text), and the exit code."""
    p = subprocess.run([BIN, "explain", "-c", conf, "--request", request, "--from", source, "--format", form, *args],
                       capture_output=True, text=True, timeout=30 * SLOW, check=False)
    if p.returncode in (1, 2) or p.returncode < 0:
        raise AssertionError(f"explain: {p.returncode}: {p.stderr}")
    return (json.loads(p.stdout) if form == "json" else p.stdout), p.returncode


def write(name, conf):
    path = work(name)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f)
    return path


def of_curl(args):
    """curl's arguments as those of explain: the method, the peer, the rest."""
    out, method, source, i = [], None, "127.0.0.1", 0
    while i < len(args):
        a = args[i]
        if a == "-H":
            out += ["-H", args[i + 1]]
        elif a == "--cert":
            out += ["--client-cert", args[i + 1]]
        elif a == "-X":
            method = args[i + 1]
        elif a in ("-d", "--data", "--data-binary"):
            method = method or "POST"
            out += ["--body", args[i + 1]]
        elif a == "-u":
            out += ["-H", "authorization: Basic " + base64.b64encode(args[i + 1].encode()).decode()]
        elif a == "--interface":
            source = args[i + 1]
        elif a in ("--http1.1", "--http2"):
            out += ["--alpn", "h2" if a == "--http2" else "http/1.1"]
            i -= 1
        elif a == "--key":
            pass
        elif a == "--path-as-is":
            i -= 1
        else:
            raise unittest.SkipTest(f"curl {a} is not asked of explain")
        i += 2
    return method or "GET", source, out


class Examples(test_examples.Examples):
    """All of them again, and each request is explained too."""

    def setUp(self):
        if self._testMethodName in STATEFUL:
            self.skipTest("an explanation knows of one request only")

    def run_example(self, text, check, *args, **kw):
        asked = []

        def checked(e):
            path = work(f"example-{e.port}.yaml")
            real = e.get

            def get(target, *args, host="localhost"):
                a = real(target, *args, host=host)
                method, source, more = of_curl(args)
                # What changes while it runs has changed on the disk before the door took it: ask until both agree.
                for attempt in range(3):
                    try:
                        report, code = explain(path, f"{method} https://{host}:{e.port}{target}", "-H", f"host: {host}", "--to", "127.0.0.1",
                                               *more, source=source)
                    except AssertionError:
                        if self._testMethodName in LATE:
                            return a
                        raise
                    if attempt == 2 or self.same(a, report):
                        break
                    time.sleep(0.2)
                same = self.same(a, report)
                if same:
                    asked.append(report["verdict"])
                if report["verdict"] != "undecided":
                    self.assertTrue(same or self._testMethodName in LATE, (target, args, a, report))
                    self.assertEqual(code == 0, report["verdict"] in ("forwarded", "answered"))
                return a
            e.get = get
            check(e)
        super().run_example(text, checked, *args, **kw)
        if self._testMethodName in LATE:
            self.assertGreater(len(asked), 1)
        self.assertTrue(asked or self._testMethodName not in EXPLAINED, "nothing was explained")

    def same(self, a, report):
        if report["verdict"] == "forwarded":
            asked = dict(report["upstream"]["request"]["headers"]).get("x-status")
            return a.status in FROM_ORIGIN or str(a.status) == asked
        if report["verdict"] in ("refused", "answered") and "answer" in report:
            return a.status == report["answer"]["status"] and bool(report["answer"]["details"])
        return report["verdict"] == "undecided" or a.status == 0


class Explain(unittest.TestCase):
    def simple(self, routes, filters=(), **kw):
        return write(f"explain-{time.time_ns()}.json", config([listener(8443, routes, filters, **kw)], [cluster("origin", 9000)]))

    def steps(self, report, stage):
        return [s for s in report["steps"] if s["stage"] == stage]

    def test_routes_that_did_not_match(self):
        conf = self.simple([{"match": {"path": "/a"}, "route": {"cluster": "origin"}, "name": "a"},
                            {"match": {"prefix": "/v1", "headers": [{"name": "x-key", "string_match": {"exact": "the-secret-value"}}]},
                             "route": {"cluster": "origin"}},
                            {"match": {"prefix": "/v1", "query_parameters": [{"name": "q", "present_match": True}]}, "redirect": {"path_redirect": "/q"}},
                            {"match": {"safe_regex": {"regex": "/v1/[0-9]+"}}, "direct_response": {"status": 418}},
                            {"match": {"prefix": "/v1", "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]},
                             "route": {"cluster": "origin"}},
                            route_to("origin", "/v1", prefix_rewrite="/api")], domains=["api.example.com"])
        report, code = explain(conf, "GET http://api.example.com/v1/x", "-H", "x-key: wrong")
        route = self.steps(report, "route")[0]
        self.assertEqual((code, report["verdict"], route["index"], route["domain"]), (0, "forwarded", 5, "api.example.com"))
        whys = {m["index"]: m["why"] for m in route["not"]}
        self.assertEqual(whys, {0: "the path is not /a", 1: "header x-key does not match", 2: "query parameter q does not match",
                                3: "the path does not match /v1/[0-9]+", 4: ":method is not POST"})
        self.assertNotIn("the-secret-value", json.dumps(report))
        self.assertEqual(report["upstream"]["request"]["path"], "/api/x")
        self.assertEqual(report["upstream"]["host"], "127.0.0.1:9000")
        report, code = explain(conf, "http://api.example.com/v1/7")
        self.assertEqual((code, report["verdict"], report["answer"]["status"]), (4, "refused", 418))
        report, code = explain(conf, "http://apy.example.com/v1/7")
        self.assertEqual((code, report["answer"]["details"]), (4, "route_not_found"))
        self.assertIn("the nearest is api.example.com", self.steps(report, "route")[0]["why"])

    def test_upstream_request(self):
        conf = self.simple([route_to("origin", "/", timeout="3s", retry_policy={"retry_on": "5xx,reset", "num_retries": 2,
                                                                                 "per_try_timeout": "1s"}, host_rewrite_literal="o.test",
                                internal_redirect_policy={})])
        report, code = explain(conf, "http://a.test/", "-H", "authorization: Bearer the-token", "-H", "cookie: sid=the-cookie", "-H", "X-A: b")
        up = report["upstream"]
        self.assertEqual((up["cluster"], up["timeout_ms"], up["per_try_timeout_ms"], up["retries"]), ("origin", 3000, 1000, 2))
        self.assertEqual((up["follows_redirects"], up["request"]["authority"]), (True, "o.test"))
        lines = dict(up["request"]["headers"])
        self.assertEqual((lines["authorization"], lines["cookie"], lines["x-a"]), ("[redacted]", "[redacted]", "b"))
        self.assertNotIn("the-token", json.dumps(report))
        report, _ = explain(conf, "http://a.test/", "-H", "authorization: Bearer the-token", "--show-headers")
        self.assertIn("the-token", json.dumps(report))

    def test_copies(self):
        part = {"default_value": {"numerator": 10}}
        own = route_to("o", "/own", request_mirror_policies=[{"cluster": "m"}, {"cluster": "n", "runtime_fraction": part},
                                                             {"cluster_header": "X-Copy"}])
        conf = config([listener(12345, [own, route_to("o")])], [cluster(name, 1) for name in ("o", "m", "n")])
        hcm = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        hcm["route_config"]["virtual_hosts"][0]["request_mirror_policies"] = [{"cluster": "n"}]
        path = write("copies.json", conf)
        two = [{"cluster": "m"}, {"cluster": "n", "share": "10 of 100 requests"}]
        for url, value, want in (("/own", None, two), ("/own", "nobody", two), ("/own", "o", two + [{"cluster": "o", "cluster_header": "x-copy"}]),
                                 ("/", None, [{"cluster": "n"}])):
            with self.subTest(f"{url} {value}"):
                more = ("-H", f"x-copy: {value}") if value else ()
                report, _ = explain(path, f"http://a.test{url}", *more)
                self.assertEqual(report["upstream"]["copies"], want)
        text, _ = explain(path, "http://a.test/own", "-H", "x-copy: o", form="text")
        for line in ("copy          cluster m\n", "copy          cluster n, of 10 of 100 requests\n", "copy          cluster o, named by x-copy\n"):
            self.assertIn(line, text)

    def test_secrets_of_the_config_are_never_shown(self):
        conf = self.simple([route_to("origin", "/", timeout="3s")], filters=[shield()])
        text = json.dumps(explain(conf, "http://a.test/", "-H", "x-origin-verify: wrong-secret-0123456789", "--show-headers")[0])
        self.assertIn("origin_shield_refused{secret_header}", text)
        with open(conf, encoding="utf-8") as f:
            for secret in re.findall(r'"inline_string": "([^"]+)"', f.read()):
                self.assertNotIn(secret, text)

    def test_listener_by_port_scheme_and_name(self):
        both = [listener(8080, [route_to("origin")], name="plain"),
                listener(8443, [route_to("origin")], tls=downstream_tls(), name="tls"),
                listener(9443, [route_to("origin")], tls=downstream_tls(), name="other")]
        conf = write("explain-listeners.json", config(both, [cluster("origin", 9000)]))
        for request, args, name in (("https://localhost/", [], "tls"), ("https://localhost:9443/", [], "other"), ("http://localhost/", [], "plain"),
                                    ("https://localhost/", ["--listener", "other"], "other")):
            report, code = explain(conf, request, *args)
            self.assertEqual((code, self.steps(report, "listener")[0]["name"]), (0, name), report)
        report, code = explain(conf, "http://localhost:8443/")
        self.assertEqual((code, report["verdict"]), (4, "reset"))

    def test_alpn_and_body(self):
        conf = write("explain-alpn.json", config([listener(8443, [route_to("origin")], tls=downstream_tls())], [cluster("origin", 9000)]))
        for args, version in (([], "HTTP/2"), (["--alpn", "h2"], "HTTP/2"), (["--alpn", "http/1.1"], "HTTP/1.1")):
            report, code = explain(conf, "POST https://localhost/", *args, "--body", "x" * 100000)
            self.assertEqual((code, report["protocol"]), (0, version))

    def test_client_certificate(self):
        tls = downstream_tls(client_ca=ca("explain-ca"), require=True)
        conf = write("explain-cert.json", config([listener(8443, [route_to("origin")], tls=tls)], [cluster("origin", 9000)]))
        report, code = explain(conf, "https://localhost/")
        self.assertEqual((code, self.steps(report, "tls")[0]["why"]), (4, "TLS error: peer did not return a certificate"))
        report, code = explain(conf, "https://localhost/", "--client-cert", cert("explain-stranger")[0])
        self.assertEqual(code, 4)
        self.assertIn("certificate verification failed", self.steps(report, "tls")[0]["why"])
        report, code = explain(conf, "https://localhost/", "--client-cert", cert("explain-friend", by="explain-ca")[0])
        self.assertEqual(code, 0)
        self.assertTrue(self.steps(report, "tls")[0]["client_certificate_verified"])
        self.assertEqual(self.steps(report, "tls")[0]["client_certificate"], "CN=explain-friend")

    def test_proxy_protocol(self):
        t = "type.googleapis.com/"
        filters = [{"name": "lb", "typed_config": {"@type": t + "sallyport.filters.listener.ip_restriction.v1.IpRestriction",
                                                   "source": "SOCKET", "allow": ["10.0.0.0/8"]}},
                   {"name": "proxy", "typed_config": {"@type": t + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}},
                   {"name": "cdn", "typed_config": {"@type": t + "sallyport.filters.listener.ip_restriction.v1.IpRestriction",
                                                    "source": "PEER", "deny": ["192.0.2.0/24"]}}]
        conf = self.simple([route_to("origin")], listener_filters=filters)
        ask = lambda source, *args: explain(conf, "http://a.test/", *args, source=source)
        report, code = ask("203.0.113.1")
        self.assertEqual((code, report["verdict"], report["steps"][-1]["why"]), (4, "reset", "203.0.113.1 is not in allow"))
        report, code = ask("10.1.1.1")
        self.assertEqual((code, report["steps"][-1]["name"]), (4, "proxy_protocol"))
        report, code = ask("10.1.1.1", "--proxy-from", "192.0.2.7:1234")
        self.assertEqual((code, report["steps"][-1]["why"]), (4, "192.0.2.7 is in 192.0.2.0/24 of deny"))
        report, code = ask("10.1.1.1", "--proxy-from", "198.51.100.7:1234")
        self.assertEqual(code, 0)

    def test_malformed(self):
        conf = self.simple([route_to("origin")])
        report, code = explain(conf, "http://a.test/", "-H", "bad name: x")
        self.assertEqual((code, self.steps(report, "codec")[0]["why"], report["why"]),
                         (4, "http1.invalid_header_name", "400 http1.invalid_header_name"))

    def test_time_of_a_token(self):
        conf = self.simple([route_to("origin")], filters=[jwt_filter(local_jwks={"inline_string": jwks()})])
        args = ["-H", "authorization: Bearer " + good_token(exp=1900000000)]
        self.assertEqual(explain(conf, "http://a.test/", *args, "--time", "2030-03-17T17:40:00Z")[1], 0)
        report, code = explain(conf, "http://a.test/", *args, "--time", "2030-03-17T20:00:00+01:00")
        self.assertEqual((code, report["answer"]["status"]), (4, 401))

    def test_why_it_passes(self):
        jwt = jwt_filter()
        jwt["typed_config"]["rules"] = [{"match": {"path": "/public"}}, {"match": {"prefix": "/api"}, "requires": {"provider_name": "test"}}]
        rbac = {"name": "rbac", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {
            "policies": {"all": {"permissions": [{"any": True}], "principals": [{"any": True}]}}}}}
        gate = ip_restriction(source="SOCKET", allow=["203.0.113.0/24"])
        conf = self.simple([route_to("origin")], [gate, jwt, rbac], hcm={"normalize_path": True, "merge_slashes": True})
        for path, args, why in (("/", [], "no rule matches: nothing is required"), ("/public", [], "rule #0 requires nothing"),
                                ("/api", ["-H", "authorization: Bearer " + good_token()], "rule #1 is met")):
            report, code = explain(conf, "http://a.test" + path, *args, source="203.0.113.9")
            self.assertEqual((code, self.steps(report, "filter")[0]["why"]), (0, why))
            self.assertEqual(self.steps(report, "gate")[0]["why"], "SOCKET 203.0.113.9 is in 203.0.113.0/24")
        self.assertIn('sets metadata envoy.filters.http.rbac enforced_effective_policy_id: "all"', self.steps(report, "filter")[1]["does"])

    def test_cannot_be_decided(self):
        remote = {"http_uri": {"uri": "https://login.example.com/jwks", "cluster": "login", "timeout": "1s"}}
        conf = write("explain-remote.json", config([listener(8080, [route_to("origin")], [jwt_filter(local_jwks=None, remote_jwks=remote)])],
                                                    [cluster("origin", 9000), cluster("login", 9001)]))
        report, code = explain(conf, "http://a.test/", "-H", "authorization: Bearer " + good_token())
        self.assertEqual((code, report["verdict"]), (5, "undecided"))
        self.assertIn("without asking cluster login", report["why"])
        asked = self.steps(report, "asks")[0]["request"]
        self.assertEqual((asked["authority"], asked["path"]), ("login.example.com", "/jwks"))
        # Without a token nobody has to be asked.
        self.assertEqual(explain(conf, "http://a.test/")[1], 4)

    def test_files_and_names(self):
        """Routes that come from a file, hosts that DNS would have to be asked for."""
        name, hosts = f"rds-{time.time_ns()}.json", {"type": "STRICT_DNS"}
        rds = write(name, {"resources": [{"@type": "type.googleapis.com/envoy.config.route.v3.RouteConfiguration", "name": "r", "virtual_hosts": [
            {"name": "all", "domains": ["*"], "routes": [route_to("origin", auto_host_rewrite=True)]}]}]})
        conf = config([listener(8080, [], hcm={"rds": {"route_config_name": "r", "config_source": {"path_config_source": {"path": rds}}}})],
                      [{**cluster("origin", 443), **hosts}])
        del conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]
        conf["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]["socket_address"][
            "address"] = "origin.example.com"
        report, code = explain(write(name + "-conf.json", conf), "http://a.test/")
        self.assertEqual((code, report["upstream"]["by_dns"], report["upstream"]["request"]["authority"]),
                         (0, ["origin.example.com:443"], "origin.example.com"))
        self.assertTrue(self.steps(report, "route")[0]["place"].startswith(rds), report)

    def test_writes_no_access_log_and_opens_no_socket(self):
        log = work("explain-access.log")
        conf = self.simple([route_to("origin")], hcm={"access_log": [{"name": "f", "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log}}]})
        p = subprocess.run(["strace", "-f", "-qq", "-e", "trace=socket,connect,bind", BIN, "explain", "-c", conf, "--request",
                            "http://a.test/", "--from", "127.0.0.1"], capture_output=True, text=True, timeout=60, check=False) \
            if os.access("/usr/bin/strace", os.X_OK) else None
        explain(conf, "http://a.test/")
        self.assertFalse(os.path.exists(log) and os.path.getsize(log))
        if p and p.returncode == 0:
            self.assertNotIn("AF_INET", p.stderr)

    def test_usage(self):
        conf = self.simple([route_to("origin")])
        for args, words in ((["--request", "x"], "is not a request"), (["--from", "nobody"], "an IP address"), (["--nonsense"], "unknown argument"),
                            ([], "which request")):
            p = subprocess.run([BIN, "explain", "-c", conf, *args], capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual(p.returncode, 2)
            self.assertIn(words, p.stderr)
        p = subprocess.run([BIN, "explain", "--help"], capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(p.returncode, 0)
        self.assertLess(len(p.stdout.splitlines()), 40)
        text, _ = explain(conf, "http://a.test/", form="text")
        for words in ("listener ", "route ", "upstream ", "verdict       forwarded: to cluster origin", ".json:"):
            self.assertIn(words, text)


if __name__ == "__main__":
    unittest.main()
