# SPDX-License-Identifier: GPL-2.0-or-later
"""%SALLYPORT_DECISION% and /refused over real connections: by whom, why, and who the caller was."""
import base64
import hashlib
import json
import socket
import time
import unittest

import tunnel
from echo import Echo
from harness import (SECRET, SLOW, T, Sallyport, ca, cert, cluster, config, curl, downstream_tls, free_port, good_token, ip_restriction,
                     jwt_filter, listener, log_lines, route_to, shield, wait_for, work)

PROOF = ("-H", f"x-origin-verify: {SECRET}")


def basic_auth():
    return {"name": "basic", "typed_config": {"@type": T + "envoy.extensions.filters.http.basic_auth.v3.BasicAuth", "users": {
        "inline_string": "carol:{SHA}" + base64.b64encode(hashlib.sha1(b"pass").digest()).decode()}}}


def api_key():
    return {"name": "keys", "typed_config": {
        "@type": T + "envoy.extensions.filters.http.api_key_auth.v3.ApiKeyAuth", "key_sources": [{"header": "x-key"}],
        "credentials": [{"key": "k-of-shop", "client": "shop"}]}}


def rbac():
    nobody = {"policies": {"nobody": {"permissions": [{"any": True}], "principals": [{"header": {"name": "x-no", "present_match": True}}]}}}
    return {"name": "rbac", "typed_config": {"@type": T + "envoy.extensions.filters.http.rbac.v3.RBAC", "rules": {"action": "DENY", **nobody}}}


class Decision(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)
        self.log = work(f"decision-{time.time_ns()}.log")
        self.n = 0

    def door(self, *filters, **more):
        log = [{"name": "file", "typed_config": {
            "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": self.log,
            "log_format": {"json_format": {"d": "%SALLYPORT_DECISION%", "text": "<%SALLYPORT_DECISION%>"}}}}]
        routes, clusters = more.pop("routes", [route_to("o")]), more.pop("clusters", [])
        hcm = {"access_log": log, **more.pop("hcm", {})}
        d = Sallyport(config([listener(free_port(), routes, filters, hcm=hcm, **more)], [cluster("o", self.origin.port), *clusters]))
        self.addCleanup(d.stop)
        return d

    def decided(self):
        """The object of the next line; the same as text agrees with it."""
        self.n += 1
        wait_for("the log", lambda: len(log_lines(self.log)) >= self.n)
        line = log_lines(self.log)[self.n - 1]
        self.assertTrue(line["text"].startswith(f"<{line['d']['by']}:{line['d']['verdict']}:"), line)
        return line["d"]

    def refused(self, d, query=""):
        status, text = d.get("/refused?format=json" + query)
        self.assertEqual(status, 200)
        return json.loads(text)

    def test_who_and_why(self):
        d = self.door(shield(), ip_restriction(allow=["127.0.0.0/8"]), basic_auth(), api_key(), jwt_filter(), rbac())
        url = f"http://127.0.0.1:{d.port}/x?token=hidden"
        user, key, token = ("-u", "carol:pass"), ("-H", "x-key: k-of-shop"), ("-H", "x-t: 1")
        caller = {}
        curl(url)
        self.assertEqual(self.decided(), {"by": "origin_shield", "verdict": "denied",
                                          "reason": "origin_shield_refused{secret_header}", "caller": caller})
        caller = {"secret": "now"}
        curl(url, *PROOF)
        self.assertEqual(self.decided(), {"by": "basic", "verdict": "denied", "reason": "no_credential_for_basic_auth", "caller": caller})
        caller = {**caller, "user": "carol"}
        curl(url, *PROOF, *user, "-H", "x-key: wrong")
        self.assertEqual(self.decided(), {"by": "keys", "verdict": "denied", "reason": "unknown_api_key", "caller": caller})
        caller = {**caller, "client_id": "shop"}
        curl(url, *PROOF, *user, *key, *token)
        self.assertEqual(self.decided()["by"], "jwt")
        text = json.dumps(self.refused(d))
        for secret in (SECRET, "pass\"", "k-of-shop", "hidden"):
            self.assertNotIn(secret, text)

    def test_token(self):
        self.token()

    def test_token_of_a_cache(self):
        self.token(jwt_cache_config={"jwt_cache_size": 10})

    def token(self, **provider):
        d = self.door(shield(), jwt_filter(**provider), rbac())
        url = f"http://127.0.0.1:{d.port}/"
        bearer = ("-H", "authorization: Bearer " + good_token(sub="alice;by=\n\u202e", azp="app"))
        caller = {"secret": "now", "provider": "test", "issuer": "https://issuer.test", "subject": "alice;by=\n\u202e", "client_id": "app"}
        self.assertEqual(curl(url, *PROOF, *bearer).status, 200)
        self.assertEqual(self.decided(), {"by": "router", "verdict": "allowed", "reason": "via_upstream", "caller": caller})
        self.assertIn(";subject=alice%3Bby=%0A", log_lines(self.log)[0]["text"])
        self.assertEqual(curl(url, *PROOF, *bearer, "-H", "x-no: 1").status, 403)
        self.assertEqual(self.decided(), {"by": "rbac", "verdict": "denied",
                                          "reason": "rbac_access_denied_matched_policy[nobody]", "caller": caller})
        one, = self.refused(d)["refused"]
        self.assertEqual(one["decision"]["caller"], caller)
        self.assertEqual(one["filters"], [{"filter": "origin_shield", "said": "passed"}, {"filter": "jwt", "said": "passed"},
                                          {"filter": "rbac", "said": "refused"}])

    def test_certificate(self):
        cert("client")
        d = self.door(shield(), tls=downstream_tls(client_ca=ca(), require=True))
        chain, key = cert("client")
        with_cert = ("--cacert", ca(), "--cert", chain, "--key", key)
        self.assertEqual(curl(f"https://localhost:{d.port}/", *with_cert).status, 403)
        self.assertEqual(self.decided()["caller"], {"certificate": "CN=client", "san": "localhost"})

    def test_refused(self):
        d = self.door(shield(), routes=[route_to("o", "/app")])
        url = f"http://127.0.0.1:{d.port}"
        started = int(time.time())
        self.assertEqual(self.refused(d), {"refused": [], "dropped": 0})
        curl(url + "/app/one?q=2", "-H", "x-request-id: forged", "-A", "curl")
        curl(url + "/elsewhere", *PROOF)
        curl(url + "/app/two", *PROOF)
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.sendall(b"GET / HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n")
            self.assertIn(b" 400 ", s.recv(4096))
        wait_for("all three", lambda: len(self.refused(d)["refused"]) == 3)
        codec, route, gate = self.refused(d)["refused"]
        self.assertEqual(gate["decision"], {"by": "origin_shield", "verdict": "denied",
                                            "reason": "origin_shield_refused{secret_header}", "caller": {}})
        for name, value in {"method": "GET", "host": f"127.0.0.1:{d.port}", "path": "/app/one", "listener": "door", "status": 403,
                            "client": "127.0.0.1", "flags": [], "protocol": "HTTP/1.1", "details": "origin_shield_refused{secret_header}",
                            "filters": [{"filter": "origin_shield", "said": "refused"}]}.items():
            self.assertEqual(gate[name], value, name)
        self.assertEqual((route["status"], route["flags"], route["decision"]["by"]), (404, ["NR"], "route"))
        self.assertEqual(route["decision"]["caller"], {"secret": "now"})
        self.assertEqual(route["filters"], [{"filter": "origin_shield", "said": "passed"}])
        self.assertEqual((codec["status"], codec["flags"], codec["decision"]["by"]), (400, ["DPE"], "codec"))
        self.assertEqual([x["path"] for x in self.refused(d, "&by=route")["refused"]], ["/elsewhere"])
        self.assertEqual(len(self.refused(d, "&limit=1")["refused"]), 1)
        self.assertEqual(len(self.refused(d, f"&since={started}&listener=door")["refused"]), 3)
        self.assertEqual(self.refused(d, f"&since={started + 3600}")["refused"], [])
        self.assertEqual(self.refused(d, "&listener=other")["refused"], [])
        self.assertEqual(d.get("/refused?limit=x")[0], 400)
        text = d.get("/refused")[1]
        self.assertIn(" 127.0.0.1 GET ", text)
        self.assertIn("/elsewhere 404 route: route_not_found {\"secret\":\"now\"} (origin_shield passed)\n", text)

    def test_a_flood_is_bounded(self):
        d = self.door(shield())
        before = d.rss()
        for _ in range(3):
            curl(f"http://127.0.0.1:{d.port}/[1-400]", "-s", "-H", "x-pad: " + "p" * 2000)
        page = self.refused(d)
        self.assertLessEqual(len(page["refused"]), 256)
        self.assertEqual(len(page["refused"]) + page["dropped"], 1200)
        times = [x["time"] for x in page["refused"]]
        self.assertEqual(times, sorted(times, reverse=True))
        self.assertLess(d.rss() - before, 8 << 20)

    def test_a_tunnel_keeps_its_decision(self):
        """Its filters are gone when it ends."""
        origin = tunnel.Origin()
        self.addCleanup(origin.stop)
        d = self.door(shield(), routes=[tunnel.connect_route("t")], hcm=tunnel.ON, clusters=[cluster("t", origin.port)])
        with socket.create_connection(("127.0.0.1", d.port)) as s:
            s.settimeout(10 * SLOW)
            s.sendall(b"CONNECT a.test:443 HTTP/1.1\r\nhost: a.test:443\r\nx-origin-verify: %s\r\n\r\n" % SECRET.encode())
            self.assertIn(b" 200 ", s.recv(4096))
            s.sendall(b"ping")
            self.assertEqual(s.recv(4), b"ping")
        self.assertEqual(self.decided(), {"by": "router", "verdict": "allowed", "reason": "via_upstream", "caller": {"secret": "now"}})


if __name__ == "__main__":
    unittest.main()
