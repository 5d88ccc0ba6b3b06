# SPDX-License-Identifier: GPL-2.0-or-later
"""The admin page: what it never shows, its pages on other listeners, listeners that are drained, what is not warm yet."""
import base64
import http.client
import json
import os
import re
import socket
import threading
import time
import unittest

from echo import Echo
from harness import (SECRET, Sallyport, T, ca, cert, cluster, config, connects, curl, downstream_tls, free_port, ip_restriction, listener, refused, route_to,
                     shield, upstream_tls, wait_for, work)
from test_lifecycle import run


def secret_file(name, text):
    with open(work(name), "w", encoding="ascii") as f:
        f.write(text)
    return {"filename": work(name)}


HEADER_TOKEN, KEY, CREDENTIAL, FILED, CLIENT, HASH = ("Bearer header-token-7c1e", "api-key-0123456789-f00d", "injected-credential-94aa",
                                                      "filed-secret-0123456789-b33f", "introspection-secret-5e5e", "2kuSN7rMzfGcB2DKt67EqDWQELA=")
TICKETS = base64.b64encode(bytes(range(80))).decode()


def full_of_secrets(origin):
    """A config with a secret of each kind, and all of them as text."""
    chain, key = cert("server")
    with open(key, encoding="ascii") as f:
        key_text = f.read()
    tls = downstream_tls()
    tls["typed_config"]["common_tls_context"]["tls_certificates"] = [
        {"certificate_chain": {"filename": chain}, "private_key": {"inline_string": key_text}}]
    tls["typed_config"]["session_ticket_keys"] = {"keys": [{"inline_bytes": TICKETS}]}
    ours = T + "sallyport.filters.http."
    theirs = T + "envoy.extensions.filters.http."
    gate = shield()
    gate["typed_config"]["proof"]["secret_header"]["secrets"].append({"name": "filed", "value": secret_file("filed", FILED)})
    filters = [
        gate,
        {"name": "basic", "typed_config": {"@type": theirs + "basic_auth.v3.BasicAuth", "users": {"inline_string": "alice:{SHA}" + HASH}}},
        {"name": "keys", "typed_config": {"@type": theirs + "api_key_auth.v3.ApiKeyAuth", "credentials": [{"key": KEY, "client": "mobile"}],
                                          "key_sources": [{"header": "x-api-key"}]}},
        {"name": "tokens", "typed_config": {"@type": ours + "token_introspection.v1.TokenIntrospection",
                                            "endpoint": {"uri": "http://issuer.test/i", "cluster": "issuer", "timeout": "1s"},
                                            "client_auth": {"basic": {"client_id": "door", "client_secret": {"inline_string": CLIENT}}}}},
        {"name": "credential", "typed_config": {
            "@type": theirs + "credential_injector.v3.CredentialInjector", "credential": {"name": "generic", "typed_config": {
                "@type": T + "envoy.extensions.http.injected_credentials.generic.v3.Generic", "credential": {"name": "origin"}, "header": "x-o"}}}},
    ]
    action = route_to("o")
    action["request_headers_to_add"] = [{"header": {"key": "Authorization", "value": HEADER_TOKEN}},
                                        {"header": {"key": "x-token-of", "value": "%REQ(x-shown)%"}}]
    conf = config([listener(free_port(), [action], filters=filters, tls=tls)], [cluster("o", origin.port, tls=upstream_tls()), cluster("issuer", origin.port)])
    conf["static_resources"]["secrets"] = [{"name": "origin", "generic_secret": {"secret": {"inline_string": CREDENTIAL}}}]
    lines = [line for line in key_text.splitlines() if not line.startswith("---")]
    return conf, [SECRET, FILED, KEY, CREDENTIAL, CLIENT, HASH, TICKETS, HEADER_TOKEN, *lines]


class NoSecrets(unittest.TestCase):
    def test_nothing_shows_them(self):
        conf, secrets = full_of_secrets(Echo())
        conf["static_resources"]["listeners"].append(pages_listener([{"prefix": "/"}], allow_changes=True))
        s = Sallyport(conf, "-l", "debug")
        try:
            curl(f"https://localhost:{s.port}/", "-H", f"x-origin-verify: {SECRET}", "-H", f"x-api-key: {KEY}")
            paths = re.findall(r"^  (/\S*)", s.get("/help")[1], re.M)
            self.assertGreater(len(paths), 20)
            asked = 0
            for port in (s.admin, conf["static_resources"]["listeners"][1]["address"]["socket_address"]["port_value"]):
                for path in paths:
                    if path == "/quitquitquit":
                        continue
                    for query in ("", "?format=json", "?include_eds", "?resource=static_listeners", "?resource=static_secrets",
                                  "?mask=bootstrap.static_resources", "?cluster=o"):
                        for method in ("GET", "POST"):
                            if method == "POST" and query:
                                continue
                            body = curl(f"http://127.0.0.1:{port}{path}{query}", "-X", method).body.decode("utf-8", "replace")
                            asked += 1
                            for secret in secrets:
                                for form in (secret, base64.b64encode(secret.encode()).decode(), json.dumps(secret)[1:-1]):
                                    self.assertNotIn(form, body, f"{method} {path}{query}")
            self.assertGreater(asked, 300)
            dump = s.get("/config_dump")[1]
            self.assertGreaterEqual(dump.count("[redacted]"), len(secrets) - 20)
            self.assertIn("%REQ(x-shown)%", dump, "a command is no secret")
            for secret in secrets:
                self.assertNotIn(secret, s.log())
        finally:
            s.stop()


def pages_listener(paths, name="pages", port=None, tls=None, filters=(), routes=(), **more):
    pages = {"name": "pages", "typed_config": {"@type": T + "sallyport.filters.http.admin_pages.v1.AdminPages", "allow_paths": paths, **more}}
    return listener(port or free_port(), list(routes), filters=[pages, *filters], name=name, tls=tls, hcm={"stat_prefix": name})


class Pages(unittest.TestCase):
    """Pages of the admin page on listeners of their own."""

    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        cls.metrics, cls.safe, cls.open = free_port(), free_port(), free_port()
        conf = config([
            listener(free_port(), [route_to("o")]),
            pages_listener([{"exact": "/ready"}, {"prefix": "/stats"}], "metrics", cls.metrics, routes=[route_to("o", "/o")]),
            pages_listener([{"prefix": "/"}], "safe", cls.safe, tls=downstream_tls(client_ca=ca(), require=True)),
            pages_listener([{"prefix": "/"}], "open", cls.open, allow_changes=True)], [cluster("o", cls.origin.port)])
        cls.s = Sallyport(conf)

    @classmethod
    def tearDownClass(cls):
        cls.s.stop()

    def test_reads(self):
        a = curl(f"http://127.0.0.1:{self.metrics}/ready")
        self.assertEqual((a.status, a.body, a.headers["cache-control"]), (200, b"LIVE\n", "no-cache, max-age=0"))
        a = curl(f"http://127.0.0.1:{self.metrics}/stats/prometheus")
        self.assertEqual(a.status, 200)
        self.assertIn(b"envoy_http_admin_pages_answered{envoy_http_conn_manager_prefix=\"metrics\"}", a.body)
        self.assertTrue(a.headers["content-type"].startswith("text/plain; version=0.0.4"))
        a = curl(f"http://127.0.0.1:{self.metrics}/ready", "-I")
        self.assertEqual((a.status, a.headers["content-length"]), (200, "5"))
        self.assertEqual(curl(f"http://127.0.0.1:{self.metrics}/ready", "--http2-prior-knowledge").body, b"LIVE\n")
        self.assertEqual(curl(f"http://127.0.0.1:{self.metrics}/stats?filter=server.live").body, b"server.live: 1\n")

    def test_other_paths_go_on(self):
        self.assertEqual(curl(f"http://127.0.0.1:{self.metrics}/o").status, 200)
        for path in ("/config_dump", "/quitquitquit", "/ready/", "/Ready"):
            self.assertEqual(curl(f"http://127.0.0.1:{self.metrics}{path}").status, 404)
        self.assertIn(b"no such path", curl(f"http://127.0.0.1:{self.metrics}/stats/../config_dump", "--path-as-is").body)

    def test_reads_only(self):
        before = self.s.stat("http.safe.admin_pages.refused")
        args = ("--cert", cert("client")[0], "--key", cert("client")[1])
        for path in ("/quitquitquit", "/healthcheck/fail", "/reload", "/ready", "/drain_listeners"):
            a = curl(f"https://localhost:{self.safe}{path}", "-X", "POST", *args)
            self.assertEqual((a.status, a.body), (405, b"only reading is allowed here\n"))
        self.assertEqual(self.s.get("/ready")[0], 200)
        self.assertEqual(self.s.stat("http.safe.admin_pages.refused"), before + 5)
        self.assertEqual(curl(f"https://localhost:{self.safe}/quitquitquit", *args).status, 405)

    def test_client_certificates(self):
        self.assertNotEqual(curl(f"https://localhost:{self.safe}/ready").status, 200)
        args = ("--cert", cert("client")[0], "--key", cert("client")[1])
        for more in ((), ("--http1.1",)):
            a = curl(f"https://localhost:{self.safe}/config_dump", *args, *more)
            self.assertEqual((a.status, a.headers["content-type"]), (200, "application/json"))
            json.loads(a.body)
        self.assertEqual(curl(f"https://other.test:{self.safe}/ready", "--resolve", f"other.test:{self.safe}:127.0.0.1", "-k", *args).status, 200,
                         "names are the business of who has certificates")

    def test_changes(self):
        a = curl(f"http://127.0.0.1:{self.open}/logging?level=info", "-X", "POST")
        self.assertEqual(a.status, 200)
        a = curl(f"http://127.0.0.1:{self.open}/reload?format=json", "-X", "POST")
        self.assertEqual((a.status, json.loads(a.body)["outcome"]), (200, "unchanged"))
        a = curl(f"http://127.0.0.1:{self.open}/logging", "-X", "POST", "-H", "origin: http://evil.test")
        self.assertEqual(a.status, 403)
        a = curl(f"http://evil.test:{self.open}/ready", "--resolve", f"evil.test:{self.open}:127.0.0.1")
        self.assertEqual(a.status, 403)

    def test_many_ask_and_go(self):
        """Clients that leave before the answer, and more at once than are answered: nothing breaks, and those are told."""
        for _ in range(200):
            c = socket.create_connection(("127.0.0.1", self.open))
            c.sendall(b"GET /stats HTTP/1.1\r\nhost: localhost\r\n\r\n")
            c.close()
        seen = []

        def one():
            seen.append(curl(f"http://127.0.0.1:{self.open}/ready").status)
        threads = [threading.Thread(target=one) for _ in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertLessEqual(set(seen), {200, 503})

    def test_slow_readers(self):
        """Whoever takes no answer holds one of few, not memory without end."""
        slow = []
        try:
            for _ in range(60):
                c = socket.create_connection(("127.0.0.1", self.open))
                c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                c.sendall(b"GET /stats/prometheus HTTP/1.1\r\nhost: localhost\r\n\r\n" * 40)
                slow.append(c)
            wait_for("some to be told", lambda: curl(f"http://127.0.0.1:{self.open}/ready").status == 503)
            self.assertEqual(self.s.get("/ready")[0], 200, "the admin page itself has its own")
        finally:
            for c in slow:
                c.close()
        wait_for("answers again", lambda: curl(f"http://127.0.0.1:{self.open}/ready").status == 200)

    def test_config(self):
        self.assertIn("no path is named (allow_paths: [{exact: /ready}, {prefix: /stats}])", refused(config([pages_listener([])], [])))
        l = pages_listener([{"prefix": "/"}])
        l["address"]["socket_address"]["address"] = "0.0.0.0"
        path = work("pages-open.json")
        with open(path, "w", encoding="ascii") as f:
            json.dump(config([l], []), f)
        p = run("validate", path)
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertEqual(p.stderr, "")
        found = run("audit", path, "--format", "json").stdout
        self.assertIn("admin-pages-exposed", found)
        warning = "no client certificate is asked for here: whoever reaches this listener can end the process (require one, or drop this)"
        for tls, warned in ((downstream_tls(), True), (downstream_tls(client_ca=ca(), require=True), False)):
            with open(path, "w", encoding="ascii") as f:
                json.dump(config([pages_listener([{"prefix": "/"}], allow_changes=True, tls=tls)], []), f)
            self.assertEqual(warning in run("validate", path).stderr, warned)


class Draining(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.inner = free_port()
        self.s = Sallyport(config([listener(free_port(), [route_to("o")], traffic_direction="INBOUND"),
                                   listener(self.inner, [route_to("o")], name="inner")], [cluster("o", self.origin.port)]), "--drain-time-s", "5")

    def tearDown(self):
        self.s.stop()

    def test_at_once(self):
        c = http.client.HTTPConnection("127.0.0.1", self.s.port)
        c.request("GET", "/")
        c.getresponse().read()
        busy = http.client.HTTPConnection("127.0.0.1", self.s.port)
        busy.connect()
        self.assertEqual(self.s.get("/drain_listeners?inboundonly", "POST"), (200, "OK\n"))
        wait_for("the listener to close", lambda: not connects(self.s.port))
        self.assertTrue(connects(self.inner))
        self.assertEqual(self.s.get("/ready"), (200, "LIVE\n"))
        self.assertEqual(curl(f"http://127.0.0.1:{self.inner}/").status, 200)
        self.assertEqual(json.loads(self.s.get("/reload?format=json", "POST")[1])["outcome"], "unchanged")
        self.assertFalse(connects(self.s.port), "a reload does not open it again")
        self.assertEqual(self.s.get("/drain_listeners", "POST")[0], 200)
        wait_for("the other one", lambda: not connects(self.inner))
        self.assertEqual(self.s.get("/drain_listeners")[0], 405)

    def test_gracefully(self):
        def ends(port):
            return curl(f"http://127.0.0.1:{port}/").headers.get("connection") == "close"
        self.assertFalse(ends(self.s.port))
        self.assertEqual(self.s.get("/drain_listeners?graceful&skip_exit&inboundonly", "POST")[0], 200)
        self.assertTrue(ends(self.s.port))
        self.assertFalse(ends(self.inner))
        self.assertGreaterEqual(self.s.stat("http.test.downstream_cx_drain_close"), 1)
        self.assertEqual(self.s.get("/drain_listeners?graceful", "POST")[0], 200)
        self.assertTrue(ends(self.inner))
        self.assertTrue(connects(self.s.port), "until the drain time is over")
        wait_for("the end of the drain time", lambda: not connects(self.s.port) and not connects(self.inner), 15)
        self.assertEqual(self.s.get("/ready"), (200, "LIVE\n"))


class Others(unittest.TestCase):
    def test_age_of_lists(self):
        with open(work("ages.txt"), "w", encoding="ascii") as f:
            f.write("127.0.0.0/8\n10.0.0.0/8\n")
        os.utime(work("ages.txt"), (time.time() - 5000,) * 2)
        s = Sallyport(config([listener(free_port(), [route_to("o")], filters=[ip_restriction(allow_lists=[
            {"name": "ours", "path": work("ages.txt"), "format": "PLAIN"}])])], [cluster("o", free_port())]))
        try:
            row, = [r for r in json.loads(s.get("/files?format=json")[1]) if r["kind"] == "address list"]
            self.assertEqual(row["entries"], 2)
            self.assertTrue(5000 <= row["age_seconds"] < 5600, row)
            self.assertRegex(s.get("/files")[1], r"2 ranges, written 5\d\d\d s ago")
        finally:
            s.stop()

    def test_init_dump(self):
        with socket.socket() as silent:  # accepts, and never answers a check
            silent.bind(("127.0.0.1", 0))
            silent.listen(16)
            conf = config([listener(free_port(), [route_to("o")])], [cluster("o", silent.getsockname()[1], health_checks=[{
                "timeout": "60s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}])])
            s = Sallyport(conf, wait=False)
            try:
                wait_for("the admin page", lambda: connects(s.admin))
                j = json.loads(s.get("/init_dump")[1])
                self.assertEqual(j, {"unready_targets_dumps": [{"name": "config", "target_names": ["cluster o"]},
                                                               {"name": "listeners", "target_names": ["listener door"]}]})
                j = json.loads(s.get("/init_dump?mask=listener")[1])
                self.assertEqual([d["name"] for d in j["unready_targets_dumps"]], ["listeners"])
                self.assertEqual(s.get("/ready"), (503, "INITIALIZING\n"))
                self.assertEqual(s.get("/drain_listeners", "POST")[0], 503)
            finally:
                s.kill()

    def test_what_there_is_not(self):
        s = Sallyport(config([], []))
        try:
            for path, word in (("/tap", "access log"), ("/cpuprofiler", "perf"), ("/heapprofiler", "/memory"), ("/heap_dump", "keys"),
                               ("/allocprofiler", "massif")):
                for method in ("GET", "POST"):
                    status, text = s.get(path, method)
                    self.assertEqual(status, 404)
                    self.assertIn(word, text)
            self.assertEqual(s.get("/hot_restart_version"), (200, "disabled"))
            a = curl(f"http://127.0.0.1:{s.admin}/overview", "--http2-prior-knowledge")
            self.assertEqual((a.status, a.version.strip()), (200, "2"))
            a = curl(f"http://127.0.0.1:{s.admin}/overview", "-H", "origin: http://other.test")
            self.assertFalse([h for h in a.headers if h.startswith("access-control")])
        finally:
            s.stop()


if __name__ == "__main__":
    unittest.main()
