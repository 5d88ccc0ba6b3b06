# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of Envoy's filters, as test_examples.py runs the others."""
import concurrent.futures
import json
import os
import re
import unittest
import zlib

import otlp
import test_examples
from authz import Authz
from echo import Echo
from harness import Nginx, curl, free_port, log_lines, wait_for, work
from health_origin import Grpc, Web, read_events
from syslog_daemon import Daemon
from test_examples import etc, read


class FilterExamples(unittest.TestCase):
    setUpClass, tearDownClass = classmethod(test_examples.Examples.setUpClass.__func__), classmethod(test_examples.Examples.tearDownClass.__func__)
    run_example, check_secret = test_examples.Examples.run_example, test_examples.Examples.check_secret

    def test_priorities(self):
        """Two slow searches use up their limit; orders have one of their own."""
        origin = Echo()
        self.addCleanup(origin.stop)

        def check(e):
            ask = lambda path, *args: e.get(path, *self.secret, *args)
            with concurrent.futures.ThreadPoolExecutor(2) as pool:
                slow = [pool.submit(ask, "/search", "-H", "x-wait: 2") for _ in range(2)]
                wait_for("both to be there", lambda: "upstream_rq_active: 2" in curl(f"http://127.0.0.1:{e.admin}/stats?filter=origin.upstream_rq_active").body.decode())
                a = ask("/search")
                self.assertEqual((a.status, a.headers["x-envoy-overloaded"]), (503, "true"))
                self.assertEqual(ask("/checkout/7").status, 200)
                self.assertEqual([s.result().status for s in slow], [200, 200])
            self.assertEqual(ask("/search").status, 200)
            self.assertEqual(e.get("/checkout/7").status, 403)
        text = read("examples/priorities/sallyport.yaml")
        self.run_example(text.replace("max_requests: 180", "max_requests: 2").replace("address: 10.0.0.1", "address: 127.0.0.1"), check, origin)

    def test_syslog(self):
        local, collector = Daemon(work("examples-log")), Daemon(("127.0.0.1", free_port()))
        self.addCleanup(local.stop)
        self.addCleanup(collector.stop)

        def check(e):
            self.check_secret(e)
            wait_for("the lines", lambda: len(collector.got) == 2 and len(local.got) == 1)
            self.assertRegex(local.got[0], rb'^<36>1 \S+ \S+ door \d+ access - 127.0.0.1 "GET /echo" 403 "origin_shield:denied:origin_shield_refused')
            good, bad = [json.loads(x[x.index(b" access - ") + 10:])["decision"] for x in collector.got]
            self.assertEqual(good, {"by": "router", "verdict": "allowed", "reason": "via_upstream", "caller": {"secret": "2026-11"}})
            self.assertEqual((bad["by"], bad["verdict"], bad["caller"]), ("origin_shield", "denied", {}))
        text = read("examples/syslog/sallyport.yaml").replace("/dev/log", local.target)
        self.run_example(text.replace("192.0.2.7:514", f"127.0.0.1:{collector.target[1]}"), check)

    def test_ext_authz(self):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_x_user"; }')
        self.addCleanup(origin.kill)
        service = Authz()
        self.addCleanup(service.stop)

        def check(e):
            ask = lambda path, *args: (lambda a: (a.status, a.body))(e.get(path, *self.secret, "-H", "x-user: mallory", *args))
            self.assertEqual(ask("/ok", "-H", "cookie: s=1"), (200, b"alice"))
            self.assertEqual(dict(service.seen[-1]["headers"])["cookie"], "s=1")
            self.assertEqual(ask("/other"), (200, b""))
            self.assertEqual(ask("/deny"), (403, b"<p>no</p>"))
            self.assertEqual(ask("/login")[0], 302)
            self.assertEqual(ask("/broken")[0], 503)
            self.assertEqual(e.get("/ok").status, 403)
        text = read("examples/ext-authz/sallyport.yaml").replace("port_value: 8081", f"port_value: {service.port}")
        self.run_example(text, check, origin)

    def test_tracing(self):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_traceparent $http_tracestate"; }')
        self.addCleanup(origin.kill)
        collector = otlp.HttpCollector()
        self.addCleanup(collector.stop)
        os.environ["COLLECTOR_KEY"] = "k1"
        foreign = "0af7651916cd43dd8448eb211c80319c"

        def check(e):
            a = e.get("/", *self.secret, "-H", f"traceparent: 00-{foreign}-b7ad6b7169203331-01", "-H", "tracestate: a=b")
            spans = {s.name: s for s in collector.wait(2)}
            server, attempt = spans["pages"], spans["router origin egress"]
            self.assertEqual(a.body, f"00-{server.trace}-{attempt.id}-01 ".encode())
            self.assertEqual((attempt.parent, server.parent, server.trace == foreign), (server.id, "", False))
            self.assertEqual((server.attrs["route"], server.attrs["deployment.environment"], server.attrs["zone"]), ("pages", "production", "eu-1a"))
            self.assertEqual(collector.requests[0][0]["x-api-key"], "k1")
            self.assertNotIn("x-envoy-decorator-operation", a.headers)
            self.assertEqual(e.get("/").status, 403)
        text = read("examples/tracing/sallyport.yaml").replace("port_value: 4318", f"port_value: {collector.port}").replace("{value: 1}", "{value: 100}")
        text += "layered_runtime: {layers: [{name: soon, static_layer: {tracing.opentelemetry.min_flush_spans: 1}}]}\n"
        self.run_example(text, check, origin)

    def test_compression(self):
        origin = Nginx("listen 127.0.0.1:$PORT; etag off;")
        self.addCleanup(origin.kill)
        page = "<p>It is what it is, and so it will be.</p>\n" * 500
        origin.page("page.html", page)
        origin.page("small.html", "short")

        def check(e):
            ask = lambda path, accepts: e.get(path, *self.secret, "-H", "accept-encoding: " + accepts)
            a = ask("/page.html", "gzip")
            self.assertEqual((a.headers["content-encoding"], zlib.decompress(a.body, 31).decode()), ("gzip", page))
            a = ask("/page.html", "gzip, br")
            self.assertEqual(a.headers["content-encoding"], "br")
            self.assertLess(len(a.body), 1000)
            self.assertEqual(ask("/page.html", "identity").body.decode(), page)
            self.assertNotIn("content-encoding", ask("/small.html", "gzip, br").headers)
        self.run_example(read("examples/compression/sallyport.yaml"), check, origin)

    def test_canary(self):
        stable, canary = (Nginx('listen 127.0.0.1:$PORT; location / { return 200 "%s"; }' % name) for name in ("stable", "canary"))
        self.addCleanup(stable.kill)
        self.addCleanup(canary.kill)
        text = read("examples/canary/sallyport.yaml").replace("port_value: 8081", f"port_value: {canary.port}")

        def check(e):
            self.assertEqual({e.get("/", *self.secret, "-H", "x-canary: 1").body for _ in range(5)}, {b"canary"})
            seen = [e.get("/", *self.secret).body for _ in range(60)]
            self.assertGreater(seen.count(b"stable"), 40)
            self.assertEqual(e.get("/").status, 403)
        self.run_example(text, check, stable)

        def check_gone(e):
            self.assertEqual({e.get("/", *self.secret, "-H", "x-canary: 1").body for _ in range(5)}, {b"stable"})
        lines = [line for line in text.splitlines() if f"port_value: {canary.port}" not in line]
        self.run_example("\n".join(lines) + "\n", check_gone, stable)

    def test_browsers(self):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_x_notes|$http_x_tenant|$http_cdn_loop|$http_content_length"; }')
        self.addCleanup(origin.kill)

        def check(e):
            page = ["-H", "origin: https://www.example.com"]
            a = e.get("/x", *self.secret, "-X", "OPTIONS", *page, "-H", "access-control-request-method: POST")
            self.assertEqual((a.status, a.headers["access-control-allow-origin"], a.headers["access-control-max-age"]),
                             (200, "https://www.example.com", "600"))
            a = e.get("/x", *self.secret, *page, "-H", "x-tenant: acme", "-d", "abc")
            self.assertEqual((a.status, a.body, a.headers["access-control-allow-credentials"]), (200, b"acme fra||door.example.com|3", "true"))
            self.assertEqual(e.get("/x", *self.secret, "-H", "origin: https://evil.test", "-d", "abc").status, 403)
            self.assertEqual(e.get("/x", *self.secret, *page, "-d", "x" * 70000).status, 413)
            self.assertEqual(e.get("/x", *self.secret, "-H", "cdn-loop: door.example.com").status, 502)
        self.run_example(read("examples/browsers/sallyport.yaml"), check, origin)

    def test_api_keys(self):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_x_client|$http_x_api_key"; }')
        self.addCleanup(origin.kill)
        etc("users", "alice:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")

        def check(e):
            key = lambda k: ["-H", "x-api-key: " + k, "-H", "x-client: root"]
            mobile, batch = key("5a2b6c0d-a-long-random-text"), key("91f3e7aa-a-long-random-text")
            ask = lambda path, *args: (lambda a: (a.status, a.body if a.status == 200 else b""))(e.get(path, *self.secret, *args))
            self.assertEqual(ask("/", *mobile), (200, b"mobile|"))
            self.assertEqual(ask("/", *key("x")), (401, b""))
            self.assertEqual(ask("/reports/1", *mobile), (403, b""))
            self.assertEqual(ask("/reports/1", *batch), (200, b"batch|"))
            self.assertEqual(ask("/admin", *mobile), (401, b""))
            self.assertEqual(ask("/admin", "-u", "alice:password", "-H", "x-client: root"), (200, b"alice|"))
            # Moved over, as editors and provisioning do it.
            etc("users.new", "bob:{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=\n")
            os.rename(work("etc/users.new"), work("etc/users"))
            wait_for("the new users", lambda: ask("/admin", "-u", "bob:password")[0] == 200)
            self.assertEqual(ask("/admin", "-u", "alice:password")[0], 401)
            dump = curl(f"http://127.0.0.1:{e.admin}/config_dump").body
            self.assertNotIn(b"5a2b6c0d", dump)
        self.run_example(read("examples/api-keys/sallyport.yaml"), check, origin)

    def test_health_check(self):
        def check(e):
            check = lambda: (lambda a: (a.status, a.headers.get("x-envoy-upstream-healthchecked-cluster")))(e.get("/healthz"))
            self.assertEqual(check(), (200, "doors"))
            self.assertEqual(e.get("/echo").status, 403)
            network = lambda ip, *more: e.get("/", *self.secret, "-H", f"true-client-ip: {ip}", *more).body
            self.assertEqual(network("198.51.100.9"), b"office")
            self.assertEqual(network("192.0.2.1", "-H", "x-network: office"), b"")
            admin = lambda path: curl(f"http://127.0.0.1:{e.admin}{path}", "-X", "POST").status
            self.assertEqual(admin("/healthcheck/fail"), 200)
            self.assertEqual(check()[0], 503)
            self.assertEqual(e.get("/", *self.secret, "-H", "true-client-ip: 192.0.2.1").headers["x-envoy-immediate-health-check-fail"], "true")
            self.assertEqual(admin("/healthcheck/ok"), 200)
            self.assertEqual(check()[0], 200)
            lines = wait_for("the log", lambda: len(log_lines(log)) >= 4 and log_lines(log))
            self.assertEqual([(x["path"], x["status"], x["network"]) for x in lines],
                             [("/echo", 403, None), ("/", 200, "office"), ("/", 200, None), ("/", 200, None)])
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_x_network"; }')
        log = os.path.join(work("etc"), "health-check.log")
        if os.path.exists(log):  # another module's
            os.unlink(log)
        self.addCleanup(origin.kill)
        self.run_example(read("examples/health-check/sallyport.yaml").replace("10.0.0.0/8", "127.0.0.0/8"), check, origin)

    def test_health_check_origin(self):
        web, prices = [Shop(), Shop()], Grpc([1] * 1000)
        for s in web:
            self.addCleanup(s.stop)
        self.addCleanup(prices.kill)
        events = os.path.join(work("etc"), "health-events.json")
        text = read("examples/health-check-origin/sallyport.yaml").replace("interval: 5s", "interval: 0.1s")
        text = text.replace("port_value: 8081", f"port_value: {web[1].port}").replace("port_value: 8082", f"port_value: {prices.port}")

        def check(e):
            flags = lambda s: re.search(rf"^web::127.0.0.1:{s.port}::health_flags::(\S+)$", curl(f"http://127.0.0.1:{e.admin}/clusters").body.decode(), re.M)[1]
            who = lambda: {e.get("/", *self.secret).body.decode() for _ in range(6)}
            self.assertEqual(who(), {str(s.port) for s in web})
            self.assertIn("::health_flags::healthy", curl(f"http://127.0.0.1:{e.admin}/clusters").body.decode().split("prices::", 1)[1])
            for change in ({"body": '{"status":"down"}'}, {"service": "blog"}, {"status": 500}):
                web[0].now = {**Shop.WELL, **change}
                wait_for(f"{change} to be seen", lambda: "/failed_active_hc" in flags(web[0]))
                self.assertEqual(who(), {str(web[1].port)})
                web[0].now = Shop.WELL
                wait_for("it to be back", lambda: flags(web[0]) == "healthy")
            web[0].now = {**Shop.WELL, "degraded": True}
            wait_for("it to be degraded", lambda: "/degraded_active_hc" in flags(web[0]))
            web[1].now = {**Shop.WELL, "status": 500}
            wait_for("the other to be out", lambda: "/failed_active_hc" in flags(web[1]))
            self.assertEqual(who(), {str(web[0].port)})
            wait_for("events", lambda: sum("eject_unhealthy_event" in x for x in read_events(events)) == 4)
        self.run_example(text, check, web[0])


class Shop(Web):
    """A web process that says of itself what it is told to."""
    WELL = {"status": 200, "body": '{"status":"ok"}', "service": "shop", "degraded": False}

    def __init__(self):
        self.now = self.WELL
        super().__init__(self.say)

    def say(self, path):
        now = self.now if path == "/healthz" else {**self.WELL, "body": str(self.port)}
        headers = {"x-envoy-upstream-healthchecked-cluster": now["service"], **({"x-envoy-degraded": "true"} if now["degraded"] else {})}
        return now["status"], now["body"].encode(), headers


if __name__ == "__main__":
    unittest.main()
