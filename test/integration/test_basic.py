# SPDX-License-Identifier: GPL-2.0-or-later
"""The door, end to end: TLS, secret, token, mutual TLS to the origin; every control refuses what it must."""
import time
import unittest

from harness import (Nghttpd, Sallyport, SECRET, cluster, config, curl, downstream_tls, free_port, good_token, ip_restriction,
                     jwt_filter, listener, log_lines, log_to, nginx_mtls, nginx_plain, route_to, shield, token, upstream_tls,
                     wait_for, work)


class Door(unittest.TestCase):
    """One door with every control, in front of an nginx that wants a client certificate."""

    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_mtls()
        cls.origin.page("index.html", "the origin's page\n")
        cls.log = work(f"door-{time.time_ns()}.log")
        port = free_port()
        cls.door = Sallyport(config(
            [listener(port, [route_to("origin", "/echo"), {"match": {"path": "/"}, "route": {"cluster": "origin"}}],
                      filters=[ip_restriction(allow=["127.0.0.1"]), shield(),
                               jwt_filter(claim_to_headers=[{"header_name": "x-user", "claim_name": "sub"}])],
                      tls=downstream_tls(), hcm={"access_log": log_to(cls.log), "use_remote_address": True})],
            [cluster("origin", cls.origin.port, tls=upstream_tls())]))
        cls.url = f"https://localhost:{port}"
        cls.secret = ["-H", f"x-origin-verify: {SECRET}"]
        cls.auth = ["-H", f"authorization: Bearer {good_token()}"]

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.kill()
        assert code == 0, f"exit code {code}\n{cls.door.log()}"

    def last_line(self, path):
        return wait_for("the access log line", lambda: [x for x in log_lines(self.log) if x["path"] == path])[-1]

    def test_http1_and_http2_get_the_page(self):
        for version, said in (("--http1.1", "1.1"), ("--http2", "2")):
            a = curl(self.url + "/", version, *self.secret, *self.auth)
            self.assertEqual((a.status, a.version, a.body), (200, said, b"the origin's page\n"), a)

    def test_origin_sees_the_user_and_not_the_secret(self):
        a = curl(self.url + "/echo?a=b", *self.secret, *self.auth, "-H", "x-user: mallory")
        self.assertEqual(a.status, 200)
        text = a.body.decode()
        self.assertIn("GET /echo?a=b host=localhost secret= user=alice auth= ", text)
        # As Envoy: for a peer on loopback the machine's own address is sent.
        self.assertRegex(text, r"xff=[0-9a-f.:]+ proto=https")
        self.assertIn("client=CN=client", text)
        self.assertNotIn(SECRET, text)

    def test_no_secret(self):
        before = self.door.stat("http.test.origin_shield.refused")
        for args in ([], ["-H", "x-origin-verify: wrong"], ["-H", f"x-origin-verify: {SECRET}x"],
                     ["-H", f"x-origin-verify: {SECRET}", "-H", "x-origin-verify: other"]):
            a = curl(self.url + "/no-secret", *self.auth, *args)
            self.assertEqual(a.status, 403, args)
            self.assertNotIn(b"secret", a.body.lower())
            self.assertEqual(a.headers["cache-control"], "no-store")
        self.assertEqual(self.door.stat("http.test.origin_shield.refused"), before + 4)
        line = self.last_line("/no-secret")
        self.assertEqual((line["status"], line["details"]), (403, "origin_shield_refused{secret_header}"))

    def test_wrong_address(self):
        a = curl(self.url + "/address", "--interface", "127.0.0.2", *self.secret, *self.auth)
        self.assertEqual(a.status, 403)
        self.assertIn("ip_restriction_denied", self.last_line("/address")["details"])
        self.assertGreater(self.door.stat("http.test.ip_restriction.denied"), 0)

    def test_unknown_path_is_404_only_for_the_cdn(self):
        self.assertEqual(curl(self.url + "/none", *self.secret, *self.auth).status, 404)
        self.assertEqual(curl(self.url + "/none", *self.auth).status, 403)
        self.assertGreater(self.door.stat("http.test.no_route"), 0)

    def test_tokens(self):
        now = int(time.time())
        good = {"iss": "https://issuer.test", "aud": "api", "exp": now + 60}
        cases = [
            (None, 401, b"Jwt is missing"),
            ("abc", 401, None),
            (token(dict(good, exp=now - 3600)), 401, b"Jwt is expired"),
            (token(dict(good, nbf=now + 3600)), 401, None),
            (token(dict(good, iss="https://other.test")), 401, b"Jwt issuer is not configured"),
            (token(dict(good, aud="other")), 403, b"Audiences in Jwt are not allowed"),
            (token(good, name="stranger", header={"kid": "jwt"}), 401, b"Jwt verification fails"),
            (token(good)[:-6] + "AAAAAA", 401, b"Jwt verification fails"),
        ]
        before = self.door.stat("http.test.jwt_authn.denied")
        for value, status, body in cases:
            with self.subTest(value=value, status=status):
                args = ["-H", f"authorization: Bearer {value}"] if value else []
                a = curl(self.url + "/echo", *self.secret, *args)
                self.assertEqual(a.status, status, a)
                if body:
                    self.assertEqual(a.body, body)
                if status == 401:
                    self.assertIn("Bearer realm=", a.headers["www-authenticate"])
        self.assertEqual(self.door.stat("http.test.jwt_authn.denied"), before + len(cases))

    def test_head_and_post(self):
        a = curl(self.url + "/", "-I", *self.secret, *self.auth)
        self.assertEqual((a.status, a.headers["content-length"], a.body[:0]), (200, "18", b""))
        a = curl(self.url + "/echo", "--data-binary", "x" * 100000, *self.secret, *self.auth)
        self.assertEqual(a.status, 200)
        self.assertTrue(a.body.startswith(b"POST /echo"))

    def test_admin_pages(self):
        for path, words in (("/ready", "LIVE"), ("/clusters", f"origin::127.0.0.1:{self.origin.port}::cx_active::"),
                            ("/listeners", f"door::127.0.0.1:{self.door.port}"), ("/server_info", '"state": "LIVE"'),
                            ("/certs", "subject_alt_names"), ("/config_dump", "BootstrapConfigDump"),
                            ("/stats/prometheus", 'envoy_cluster_upstream_rq_total{envoy_cluster_name="origin"}'),
                            ("/help", "/config_dump"), ("/", "<html"), ("/memory", "allocated")):
            status, text = self.door.get(path)
            self.assertEqual(status, 200, path)
            self.assertIn(words, text, path)
            self.assertNotIn(SECRET, text, path)
        self.assertEqual(self.door.get("/none")[0], 404)
        self.assertEqual(self.door.get("/quitquitquit")[0], 405)


class Origins(unittest.TestCase):
    """Plain and HTTP/2 origins."""

    def test_h2_origins(self):
        for tls in (False, True):
            with open(work("page.txt"), "w", encoding="ascii") as f:
                f.write("from nghttpd\n")
            origin = Nghttpd(work(""), tls)
            door = Sallyport(config([listener(free_port(), [route_to("o")])],
                                    [cluster("o", origin.port, http2=True, tls=upstream_tls(client=None) if tls else None)]))
            for version in ("--http1.1", "--http2-prior-knowledge"):
                a = curl(f"http://127.0.0.1:{door.port}/page.txt", version)
                self.assertEqual((a.status, a.body), (200, b"from nghttpd\n"), (tls, a))
            self.assertEqual(door.stat("cluster.o.upstream_cx_http2_total") > 0, True)
            self.assertEqual(door.stop(), 0)
            origin.kill()

    def test_origin_down_and_back(self):
        port = free_port()
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", port)]))
        url = f"http://127.0.0.1:{door.port}/echo"
        a = curl(url)
        self.assertEqual(a.status, 503)
        self.assertTrue(a.body.startswith(b"upstream connect error or disconnect/reset before headers."), a)
        self.assertGreater(door.stat("cluster.o.upstream_cx_connect_fail"), 0)
        origin = nginx_plain(port=port)
        self.assertEqual(curl(url).status, 200)
        origin.kill()
        self.assertEqual(curl(url).status, 503)
        self.assertEqual(door.stop(), 0)


if __name__ == "__main__":
    unittest.main()
