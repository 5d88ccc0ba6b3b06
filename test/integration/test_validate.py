# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport validate`: what a config would run, as a tree and as JSON; what is refused, and how; never a secret."""
import json
import os
import re
import subprocess
import unittest

from harness import (BIN, SECRET, SLOW, T, ca, cluster, config, downstream_tls, free_port, ip_restriction, listener, log_to, route_to, shield,
                     upstream_tls, work)
from test_accept import gate


def run(*args, stdin=None, **env):
    return subprocess.run([BIN, *args], input=stdin, capture_output=True, text=True, timeout=30 * SLOW, check=False, env=dict(os.environ, **env))


def save(conf):
    path = work(f"validate-{free_port()}.json")
    with open(path, "w", encoding="utf-8") as f:
        json.dump(conf, f, indent=1)
    return path


class Validate(unittest.TestCase):
    def conf(self, routes=None, **more):
        routes = routes or [
            {"match": {"path": "/old"}, "redirect": {"https_redirect": True, "host_redirect": "new.example", "response_code": "PERMANENT_REDIRECT"}},
            {"match": {"path": "/at"}, "redirect": {"host_redirect": "new.example", "port_redirect": 8443}},
            {"match": {"path": "/port"}, "redirect": {"port_redirect": 8444, "path_redirect": "/x"}},
            {"match": {"prefix": "/none"}, "direct_response": {"status": 404}},
            route_to("o", "/api/", timeout="3s", retry_policy={"retry_on": "5xx", "num_retries": 2}),
            {"match": {"prefix": "/", "headers": [{"name": "x-a"}]}, "route": {"weighted_clusters": {"clusters": [
                {"name": "o", "weight": 9}, {"name": "plain", "weight": 1}]}}}]
        filters = [shield(proof={"all_of": {"proofs": [
            {"secret_header": {"secrets": [{"name": "now", "value": {"inline_string": SECRET}},
                                           {"name": "old", "value": {"environment_variable": "SP_VALIDATE"}}]}},
            {"peer_address": {"cidrs": ["10.0.0.0/8"]}}]}}), ip_restriction(deny=["10.0.0.1"], enforcement="SHADOW")]
        hcm = {"use_remote_address": True, "normalize_path": True, "access_log": log_to(work("validate.log"))}
        return config([listener(free_port(), routes, filters, downstream_tls(client_ca=ca(), require=True), hcm=hcm, domains=["a.example", "b.example"],
                                listener_filters=[gate(allow=["10.0.0.0/8"])], **more)],
                      [cluster("o", 7001, 7002, tls=upstream_tls(), http2=True, circuit_breakers={"thresholds": [{"max_connections": 7}]},
                               health_checks=[{"timeout": "1s", "interval": "5s", "unhealthy_threshold": 2, "healthy_threshold": 1,
                                               "http_health_check": {"path": "/up"}}],
                               upstream_bind_config={"source_address": {"address": "127.0.0.5", "port_value": 0}}),
                       cluster("plain", 7003)], admin=7004)

    def test_the_tree(self):
        path = save(self.conf())
        p = run("validate", path, SP_VALIDATE=SECRET)
        self.assertEqual((p.returncode, p.stderr), (0, ""), p.stderr)
        lines = p.stdout.splitlines()
        self.assertEqual(lines[0], f"configuration '{path}' OK")
        text = re.sub(r",\n +", ", ", p.stdout)  # wrapped lines
        for words in (r"\nlistener door: 127\.0\.0\.1:\d+, .*validate-\d+\.json:\d+\n  listener filter ip_restriction: allows 10\.0\.0\.0/8, 0 lists\n",
                      r"\n  filter chain 1: TLS 1\.2 to 1\.3, ALPN h2, http/1\.1, certificate \S+server\.pem, client certificates required, verified by \S+ca\.pem\n",
                      r"\n    connection manager test: HTTP/1\.1 and HTTP/2, client is the peer, paths normalised, slashes as sent, escaped ones kept, ",
                      r"\n      gate origin_shield: proof by a secret header and the peer's address\n      gate ip_restriction: ON TRIAL\n      filter router\n",
                      r"\n      access log FileAccessLog: \S+validate\.log\n      virtual host v: a\.example, b\.example\n",
                      r"\n        route /old: redirect 308 to https, new\.example\n        route /at: redirect 301 to the same scheme, new\.example:8443\n"
                      r"        route /port: redirect 301 to the same scheme, the same host, port 8444, /x\n        route /none\*: answered 404 here\n",
                      r"\n        route /api/\*: -> o, timeout 3s, 2 retries on 5xx\n        route /\*: if header x-a, -> o \(9\), plain \(1\), timeout 15s\n",
                      r"\nadmin page: 127\.0\.0\.1:7004\n",
                      r"\ncluster o: STATIC, ROUND_ROBIN, \S+, HTTP/2, TLS 1\.2 to 1\.3, certificate \S+client\.pem, server name localhost, "
                      r"verified by \S+ca\.pem as localhost, from 127\.0\.0\.5, connected within 2s, at most 7 connections, 1024 waiting, 1024 requests, "
                      r"3 retries\n  endpoint 127\.0\.0\.1:7001\n  endpoint 127\.0\.0\.1:7002\n  health check: HTTP /up, every 5s, answered within 1s\n",
                      r"\ncluster plain: STATIC, ROUND_ROBIN, \S+, HTTP/1\.1, no TLS, ", r"\nsecret now: inline, ", r"\nsecret old: \$SP_VALIDATE, ",
                      r"\nfile \S+server\.pem: the config is loaded anew when it changes\n", r"\nfile \S+ca\.pem: read again when it changes\n",
                      r"\nfile \S+validate\.log: written\n", r"\nvariable SP_VALIDATE: read at the start only\n"):
            self.assertRegex(text, words)
        self.assertNotIn(SECRET, p.stdout)

    def test_early_data_is_said(self):
        tls = downstream_tls()
        tls["typed_config"]["common_tls_context"]["custom_handshaker"] = {
            "name": "early", "typed_config": {"@type": "type.googleapis.com/sallyport.tls.v1.EarlyData"}}
        for socket, said in ((tls, True), (downstream_tls(), False)):
            p = run("validate", save(config([listener(free_port(), [route_to("o", "/")], [], socket)], [cluster("o", 7001)])))
            self.assertEqual((p.returncode, "EARLY DATA is taken" in p.stdout), (0, said), p.stderr)

    def test_json(self):
        p = run("validate", save(self.conf()), "--format", "json", SP_VALIDATE=SECRET)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        doc = json.loads(p.stdout)
        self.assertEqual((doc["ok"], doc["messages"], doc["runs"]["presets"]), (True, [], []))
        manager = doc["runs"]["listeners"][0]["filter_chains"][0]["connection_managers"][0]
        self.assertEqual([g["name"] for g in manager["gates"]], ["origin_shield", "ip_restriction"])
        self.assertEqual([r["name"] for r in manager["virtual_hosts"][0]["routes"]], ["/old", "/at", "/port", "/none*", "/api/*", "/*"])
        self.assertEqual([c["name"] for c in doc["runs"]["clusters"]], ["o", "plain"])
        self.assertEqual({s["name"] for s in doc["runs"]["secrets"]}, {"now", "old", "private_key"})
        self.assertNotIn(SECRET, p.stdout)

    def test_long_lists(self):
        path = save(self.conf([route_to("o", f"/{i}/") for i in range(50)]))
        short, whole = (run("validate", path, *args, SP_VALIDATE=SECRET).stdout for args in ([], ["--all"]))
        self.assertEqual(short.count("        route /"), 20)
        self.assertIn("        ... 30 more routes (--all shows them)\n", short)
        self.assertEqual(whole.count("        route /"), 50)
        self.assertNotIn("more routes", whole)

    def test_secure_defaults(self):
        conf = self.conf()
        conf["bootstrap_extensions"] = [{"name": "e", "typed_config": {"@type": T + "sallyport.bootstrap.v1.Edge", "secure_defaults": True}}]
        p = run("validate", save(conf), "--all", SP_VALIDATE=SECRET)
        text = re.sub(r",\n +", ", ", p.stdout)
        self.assertRegex(text, r"\nsecure default Listener: \S+\.json:\d+, per_connection_buffer_limit_bytes 32768, listener_filters_timeout 15s\n")
        manager = re.search(r"\nsecure default HttpConnectionManager: (.*)\n", text).group(1)
        self.assertIn(", merge_slashes true, path_with_escaped_slashes_action UNESCAPE_AND_REDIRECT, ", manager)
        self.assertNotIn("normalize_path", manager)

    def test_the_process(self):
        conf = self.conf()
        conf["layered_runtime"] = {"layers": [{"name": "l", "static_layer": {"overload": {"global_downstream_max_connections": 1000}}}]}
        conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["upgrade_configs"] = [
            {"upgrade_type": "websocket", "enabled": False}]
        out = run("validate", save(conf), SP_VALIDATE=SECRET).stdout
        self.assertIn("\nruntime key overload.global_downstream_max_connections: 1000\n", out)
        self.assertIn("\n      upgrade websocket: where a route allows it\n", out)

    def test_files_of_xds(self):
        conf = self.conf()
        door, lds = conf["static_resources"].pop("listeners"), work("validate-lds.json")
        door[0]["@type"] = T + "envoy.config.listener.v3.Listener"
        with open(lds, "w", encoding="utf-8") as f:
            json.dump({"version_info": "seven", "resources": door}, f, indent=1)
        conf["dynamic_resources"] = {"lds_config": {"path_config_source": {"path": lds}}}
        p = run("validate", save(conf), SP_VALIDATE=SECRET)
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        for words in (r"\nlistener door: \S+, \S+validate-lds\.json:4\n", rf"\nsubscription lds: {lds}, version seven, 1 resource in it\n",
                      rf"\nfile {lds}: the config is loaded anew when it changes\n"):
            self.assertRegex(p.stdout, words)
        door[0]["adress"] = {}
        with open(lds, "w", encoding="utf-8") as f:
            json.dump({"resources": door}, f, indent=1)
        p = run("validate", save(conf), SP_VALIDATE=SECRET)
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertRegex(p.stderr, r"validate-lds\.json:\d+:\d+: resources\[0\]\.adress: ")

    def test_refused(self):
        conf = self.conf()
        conf["static_resources"]["clusters"][0]["nmae"] = "x"
        path = save(conf)
        p = run("validate", path, SP_VALIDATE=SECRET)
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertRegex(p.stderr, r":\d+:\d+: static_resources\.clusters\[0\]\.nmae: .*name")
        p = run("validate", path, "--format=json", SP_VALIDATE=SECRET)
        doc = json.loads(p.stdout)
        self.assertEqual((p.returncode, doc["ok"], "runs" in doc), (1, False, False))
        self.assertIn("nmae", doc["messages"][0])

    def test_warnings(self):
        conf = self.conf()
        del conf["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"]
        p = run("validate", save(conf), SP_VALIDATE=SECRET)
        self.assertEqual(p.returncode, 0)
        self.assertIn("NOT VERIFIED", p.stdout)
        self.assertIn("warning: ", p.stderr)

    def test_standard_input(self):
        p = run("validate", "-", stdin=json.dumps(self.conf(), indent=1), SP_VALIDATE=SECRET)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertTrue(p.stdout.startswith("configuration '<stdin>' OK\nlistener door: "))
        self.assertNotIn("--config-yaml", p.stdout)

    def test_nothing_steers_the_terminal(self):
        """What a config, or a request that somebody sent in, brings: control bytes, U+009B (ESC [), text that is turned around."""
        evil = "\x1b]0;own\x07 \u009b31m \u202egnp \u2067x"
        conf = self.conf(routes=[{"match": {"prefix": "/"}, "direct_response": {"status": 200}, "name": evil, evil: 1}])
        conf["static_resources"]["clusters"][1]["name"] = evil
        bad = save(conf)
        del conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"][0][evil]
        good = save(conf)
        kong = work("kong-evil.json")
        with open(kong, "w", encoding="utf-8") as f:
            json.dump({"_format_version": "3.0", "services": [{"name": evil, "host": evil, "routes": [{"name": evil, "paths": ["/" + evil]}],
                                                               "plugins": [{"name": evil}]}]}, f)
        old = work("kong-old.json")
        with open(old, "w", encoding="utf-8") as f:
            json.dump({"_format_version": evil}, f)
        for args in (["validate", bad], ["validate", good], ["validate", "--format", "json", bad], ["audit", bad], ["audit", good],
                     ["audit", "--format", "sarif", good], ["convert", kong], ["convert", old], ["-c", bad],
                     ["explain", "-c", good, "--request", "GET http://a.example/", "--from", "10.0.0.9", "-H", f"x-a: {evil[9:]}"],
                     ["explain", "-c", good, "--request", f"{evil} http://a/"]):
            with self.subTest(args=args):
                p = run(*args, SP_VALIDATE=SECRET)
                self.assertNotRegex(p.stdout + p.stderr, "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
                self.assertTrue(p.stdout + p.stderr)

    def test_usage(self):
        for args, said in (([], "which file?"), (["x", "--format", "sarif"], "text or json"), (["x", "--all=1"], "takes no value"),
                           (["x", "--nonsense"], "unknown argument")):
            p = run("validate", *args)
            self.assertEqual((p.returncode, p.stdout), (2, ""), args)
            self.assertIn(said, p.stderr)
        p = run("validate", "--help")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        self.assertLessEqual(len(p.stdout.splitlines()), 24)
        self.assertIn("--all", p.stdout)


if __name__ == "__main__":
    unittest.main()
