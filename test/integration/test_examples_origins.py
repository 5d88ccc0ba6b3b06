# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of ways to origins, as test_examples.py runs the others."""
import collections
import re
import unittest

import test_examples
from harness import Nginx, curl, free_port, nginx_plain, wait_for
from test_examples import SECRET, read


class OriginExamples(unittest.TestCase):
    setUpClass, tearDownClass = classmethod(test_examples.Examples.setUpClass.__func__), classmethod(test_examples.Examples.tearDownClass.__func__)
    run_example, check_secret = test_examples.Examples.run_example, test_examples.Examples.check_secret

    def test_grpc(self):
        import grpc

        from test_grpc import Client, Origin

        def check(e):
            proof, path = [("x-origin-verify", SECRET)], "/shop.Orders/"
            with Client(e.port) as c:
                self.assertEqual(c.unary(b"hello", path=path, metadata=proof), b"hello")
                self.assertEqual(c.error(path=path).code(), grpc.StatusCode.PERMISSION_DENIED)
                self.assertEqual(c.error(path="/other/", metadata=proof).code(), grpc.StatusCode.UNIMPLEMENTED)
        origin = Origin()
        try:
            self.run_example(read("examples/grpc/sallyport.yaml"), check, origin)
        finally:
            origin.kill()

    def test_mirroring(self):
        copies = nginx_plain()

        def check(e):
            for _ in range(100):
                self.assertEqual(e.get("/echo", *self.secret).status, 200)
            stats = curl(f"http://127.0.0.1:{e.admin}/stats").body.decode()
            self.assertIn(int(re.search(r"^cluster.next.upstream_rq_total: (\d+)", stats, re.M)[1]), range(1, 40))
        text = read("examples/mirroring/sallyport.yaml")
        try:
            self.run_example(text.replace("port_value: 8081", f"port_value: {copies.port}"), check)
        finally:
            copies.kill()

    def test_zones(self):
        """All stays, until one of two hosts is ill: then two thirds do, and when both are, nothing."""
        homes = [Nginx("listen 127.0.0.1:$PORT; location / { return 200 'a'; }") for _ in range(2)]
        other = Nginx("listen 127.0.0.1:$PORT; location / { return 200 'b'; }")
        text = read("examples/zones/sallyport.yaml")
        text = text.replace("10.0.1.12, port_value: 8080", f"127.0.0.1, port_value: {homes[1].port}").replace("interval: 5s", "interval: 0.2s\n      no_traffic_interval: 0.2s")
        text = re.sub(r"10\.0\.\d\.1\d, ", "127.0.0.1, ", text).replace("port_value: 8081", f"port_value: {other.port}")
        for origin in (*homes, other):
            self.addCleanup(origin.kill)

        def check(e):
            stat = lambda name: int(re.search(rf"^{re.escape(name)}: (\d+)", curl(f"http://127.0.0.1:{e.admin}/stats").body.decode(), re.M)[1])
            served = lambda: collections.Counter(e.get("/", *self.secret).body.decode() for _ in range(60))
            self.assertEqual(e.get("/").status, 403)
            self.assertEqual(served(), {"a": 60})
            homes[1].kill()
            wait_for("three healthy hosts", lambda: stat("cluster.origin.membership_healthy") == 3)
            seen = served()
            self.assertGreater(seen["b"], 4)
            self.assertGreater(seen["a"], seen["b"])
            self.assertEqual(stat("cluster.origin.zone.eu-west-1a.eu-west-1b.upstream_rq_200"), seen["b"])
            homes[0].kill()
            wait_for("two healthy hosts", lambda: stat("cluster.origin.membership_healthy") == 2)
            self.assertEqual(served(), {"b": 60})  # too few for zones to count, and none here
            self.assertGreater(stat("cluster.origin.lb_zone_cluster_too_small"), 0)
        self.run_example(text, check, homes[0])

    def test_sticky(self):
        hosts = [Nginx("listen 127.0.0.1:$PORT; location / { return 200 '%d'; }" % i) for i in range(3)]
        text = read("examples/sticky/sallyport.yaml")
        for port, host in zip((8081, 8082), hosts[1:]):
            text = text.replace(f"port_value: {port}", f"port_value: {host.port}")

        def check(e):
            self.assertEqual(e.get("/").status, 403)
            browsers = {}
            for _ in range(12):
                a = e.get("/", *self.secret)
                cookie = re.match(r'shop-host="?([^";]+)"?; .*HttpOnly', a.headers["set-cookie"])[1]
                browsers[cookie] = a.body
            self.assertGreater(len(set(browsers.values())), 1)
            ask = lambda cookie: e.get("/", *self.secret, "-H", f"cookie: shop-host={cookie}")
            for cookie, host in browsers.items():
                for a in (ask(cookie), ask(cookie)):
                    self.assertEqual((a.body, a.headers.get("set-cookie")), (host, None))
            lost = browsers[next(iter(browsers))]
            hosts[int(lost)].kill()
            stat = lambda name: int(re.search(rf"^{re.escape(name)}: (\d+)", curl(f"http://127.0.0.1:{e.admin}/stats").body.decode(), re.M)[1])
            wait_for("two healthy hosts", lambda: stat("cluster.shop.membership_healthy") == 2)
            for cookie, host in browsers.items():
                a = ask(cookie)
                self.assertEqual(a.status, 200)
                self.assertNotEqual(a.body, lost)
                if host != lost:
                    self.assertEqual(a.body, host)
        try:
            self.run_example(text, check, hosts[0])
        finally:
            for host in hosts:
                host.kill()

    def test_internal_redirects(self):
        storage = Nginx("listen 127.0.0.1:$PORT; location / { return 200 'the file of $http_x_envoy_original_url'; }")
        origin = Nginx("listen 127.0.0.1:$PORT; location /downloads/ { return 302 https://localhost/storage/a; } location /echo { return 200 ok; } "
                       "location /login { return 302 https://localhost/; }")

        def check(e):
            self.check_secret(e)
            self.assertEqual(e.get("/downloads/a", *self.secret).body, b"the file of https://localhost/downloads/a")
            self.assertEqual(e.get("/storage/a", *self.secret).status, 404)
            self.assertEqual(e.get("/storage/a", "-H", "x-envoy-original-url: https://localhost/", *self.secret).status, 404)
            answer = e.get("/login", *self.secret)
            self.assertEqual((answer.status, answer.headers["location"]), (302, "https://localhost/"))
        text = read("examples/internal-redirects/sallyport.yaml")
        try:
            self.run_example(text.replace("port_value: 8081", f"port_value: {storage.port}"), check, origin)
        finally:
            storage.kill()
            origin.kill()

    def test_proxy_to_origin(self):
        port = free_port()
        origin = Nginx(f"listen 127.0.0.1:{port} proxy_protocol; listen 127.0.0.1:$PORT; "
                       "location / { return 200 '$proxy_protocol_addr $proxy_protocol_server_port'; }")
        origin.port = port

        def check(e):
            self.check_secret(e)
            self.assertEqual(e.get("/echo", *self.secret).body.decode(), f"127.0.0.1 {e.port}")
        try:
            self.run_example(read("examples/proxy-to-origin/sallyport.yaml"), check, origin)
        finally:
            origin.kill()


if __name__ == "__main__":
    unittest.main()
