# SPDX-License-Identifier: GPL-2.0-or-later
"""Opaque tokens: token_introspection against a real identity server, and against answers that no sane server gives."""
import json
import os
import random
import socket
import threading
import time
import unittest

from echo import Echo
from harness import (SANITIZED, T, Nginx, cert, cluster, config, curl, downstream_tls, free_port, jwt_filter, listener, nginx_plain, refused,
                     route_to, token, wait_for, work)
from idp import DISCOVERY, INTROSPECTION, SECRET, Idp
from tokens import TOKEN, Door, bearer, introspection


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.idp = Idp()
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()
        cls.idp.kill()

    def setUp(self):
        self.idp.faults()

    def door(self, *filters, **kw):
        d = Door(self.idp, self.origin, filters, **kw)
        self.addCleanup(d.stop)
        return d

    def test_good_and_bad(self):
        d = self.door(introspection(self.idp.url, issuers=[self.idp.issuer], audiences=["urn:api:opaque"], required_scopes=["read"],
                                    claim_to_headers=[{"header_name": "x-user", "claim_name": "client_id"}],
                                    payload_in_metadata="token"))
        good = self.idp.token(scope="read write")
        a = d.get(*bearer(good), "-H", "x-user: forged", "-H", "x_user: forged")
        self.assertEqual(a.status, 200)
        self.assertIn(b"user=caller auth= ", a.body)
        asked = self.idp.count(INTROSPECTION)
        self.assertEqual(d.get(*bearer(good)).status, 200)
        self.assertEqual(self.idp.count(INTROSPECTION), asked, "the second time it is known")
        # None, garbage, another audience, a missing scope, an unknown token, two of them.
        a = d.get()
        self.assertEqual((a.status, a.headers["www-authenticate"]), (401, 'Bearer realm="api"'))
        self.assertEqual(d.get(*bearer("no token")).status, 401)
        a = d.get(*bearer("unknown"))
        self.assertEqual((a.status, a.headers["www-authenticate"]), (401, 'Bearer realm="api", error="invalid_token"'))
        self.assertEqual(a.headers["cache-control"], "no-store")
        self.assertEqual(d.get(*bearer(self.idp.token(resource="urn:api:opaque:60"))).status, 401)
        a = d.get(*bearer(self.idp.token(scope="write")))
        self.assertEqual((a.status, a.headers["www-authenticate"]),
                         (403, 'Bearer realm="api", error="insufficient_scope", scope="read"'))
        self.assertEqual(d.get(*bearer(good), *bearer(good)).status, 400)
        self.assertEqual(d.details(6), [f"token_introspection_denied{{{w}}}" for w in
                                        ("missing", "malformed", "inactive", "audience", "scope", "multiple_tokens")])
        self.assertEqual((d.stat("allowed"), d.stat("denied"), d.stat("errors"), d.stat("cache_hit")), (2, 6, 0, 1))
        self.assertNotIn(SECRET, d.proc.get("/config_dump")[1])
        self.assertNotIn(SECRET, d.proc.log())
        self.assertNotIn(good, d.proc.log())

    def test_times(self):
        d = self.door(introspection(self.idp.url, cache={"max_ttl": "1s", "negative_ttl": "1s"}, clock_skew="0s"))
        short, revoked = self.idp.token(resource="urn:api:opaque:2"), self.idp.token()
        self.assertEqual([d.get(*bearer(t)).status for t in (short, revoked)], [200, 200])
        self.idp.revoke(revoked)
        self.assertEqual(d.get(*bearer(revoked)).status, 200, "known for a second")
        time.sleep(1.1)
        self.assertEqual(d.get(*bearer(revoked)).status, 401)
        time.sleep(1.1)
        self.assertEqual(d.get(*bearer(short)).status, 401)
        asked = self.idp.count(INTROSPECTION)
        self.assertEqual([d.get(*bearer("made-up")).status for _ in range(3)], [401] * 3)
        self.assertEqual(self.idp.count(INTROSPECTION), asked + 1)

    def test_single_flight(self):
        d = self.door(introspection(self.idp.url))
        self.idp.faults({INTROSPECTION: {"delay_ms": 500}})
        asked, t, answers = self.idp.count(INTROSPECTION), self.idp.token(), []
        # Bodies are held while the answer is awaited, and arrive whole.
        threads = [threading.Thread(target=lambda: answers.append(d.get(*bearer(t), "-d", "x" * 100000))) for _ in range(10)]
        for thread in threads:
            thread.start()
        gone = curl(f"http://127.0.0.1:{d.port}/echo", *bearer(t), "-m", "0.1")
        for thread in threads:
            thread.join()
        self.assertEqual(gone.code, 28)
        self.assertEqual([a.status for a in answers], [200] * 10)
        self.assertEqual(self.idp.count(INTROSPECTION), asked + 1)
        self.assertGreaterEqual(d.stat("joined"), 9)
        # All that wait go away: the question is dropped, and the next one asks anew.
        t = self.idp.token()
        self.assertEqual(d.get(*bearer(t), "-m", "0.1").code, 28)
        self.idp.faults()
        self.assertEqual(d.get(*bearer(t)).status, 200)

    def test_bodies_wait(self):
        """An upload stops while the endpoint is asked, is not kept in memory, and arrives whole."""
        echo, body = Echo(), work("upload")
        self.addCleanup(echo.stop)
        with open(body, "wb") as f:
            f.write(os.urandom(8 << 20))
        d = Door(self.idp, echo, [introspection(self.idp.url)], door_tls=downstream_tls())
        self.addCleanup(d.stop)
        self.idp.faults({INTROSPECTION: {"delay_ms": 300}})
        before = d.proc.rss()
        for version in ("--http1.1", "--http2"):
            a = d.get(*bearer(self.idp.token()), version, "-H", "expect:", "--data-binary", f"@{body}")
            self.assertEqual((a.status, json.loads(a.body)["body"]), (200, 8 << 20))
        if not SANITIZED:
            self.assertLess(d.proc.rss() - before, 4 << 20)

    def test_fails_closed(self):
        d = self.door(introspection(self.idp.url, retries=1, timeout="0.3s"))
        t = self.idp.token()
        cases = [({"status": 503}, "endpoint_status", 2), ({"status": 401}, "client_refused", 1), ({"delay_ms": 1000}, "timeout", 2),
                 ({"status": 200, "body": "{}"}, "bad_answer", 1), ({"status": 200, "body": "active"}, "bad_answer", 1),
                 ({"status": 200, "body": '{"active":"true"}'}, "bad_answer", 1),
                 ({"status": 200, "body": '{"active":false,"active":true}'}, "bad_answer", 1),
                 ({"status": 200, "body": '{"active":true,"a":' + "[" * 30 + "]" * 30 + "}"}, "bad_answer", 1),
                 ({"status": 200, "body": '{"active":true,"a":"' + "x" * 70000 + '"}'}, "bad_answer", 1),
                 ({"status": 204}, "endpoint_status", 1)]
        for fault, word, tries in cases:
            with self.subTest(fault=str(fault)[:60]):
                self.idp.faults({INTROSPECTION: fault})
                before = self.idp.count(INTROSPECTION)
                a = d.get(*bearer(t))
                self.assertEqual((a.status, "www-authenticate" in a.headers), (503, False))
                self.assertEqual(self.idp.count(INTROSPECTION), before + tries, word)
        self.assertEqual(d.details(len(cases)), [f"token_introspection_error{{{word}}}" for _, word, _ in cases])
        self.idp.faults()
        self.assertEqual(d.get(*bearer(t)).status, 200, "what failed is not kept")
        self.assertEqual(d.stat("errors"), len(cases))

    def test_endpoint_is_down(self):
        class Nobody:
            port = tls_port = free_port()
        d = Door(Nobody, self.origin, [introspection("http://127.0.0.1:1")])
        self.addCleanup(d.stop)
        self.assertEqual(d.get(*bearer("x")).status, 503)
        self.assertEqual(d.details(1), ["token_introspection_error{no_answer}"])

    def test_waiting_is_bounded(self):
        d = self.door(introspection(self.idp.url, max_waiting=2))
        self.idp.faults({INTROSPECTION: {"delay_ms": 700}})
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(d.get(*bearer(f"made-up-{i}")).status)) for i in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(answers), [401, 401, 503, 503, 503])

    def test_clients_that_leave(self):
        """They ask, and go before, while and after the endpoint answers; nothing of it stays."""
        d = self.door(introspection(self.idp.url, max_waiting=40, timeout="0.2s", retries=1, cache={"negative_ttl": "0s"}))
        self.idp.faults({INTROSPECTION: {"delay_ms": 40, "status": 200, "body": '{"active":false}'}})
        dice = random.Random(7)
        for _ in range(8):
            sockets = [socket.create_connection(("127.0.0.1", d.port)) for _ in range(40)]
            for s in sockets:
                s.sendall(f"GET /echo HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t{dice.randrange(12)}\r\n\r\n".encode())
            dice.shuffle(sockets)
            for s in sockets:
                time.sleep(dice.choice((0, 0, 0.001, 0.004)))
                s.close()
        self.idp.faults({INTROSPECTION: {"delay_ms": 100, "status": 200, "body": '{"active":true}'}})
        # All places to wait are free again.
        answers = []
        threads = [threading.Thread(target=lambda i=i: answers.append(d.get(*bearer(f"last{i}")).status)) for i in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(answers, [200] * 20)

    def test_client_auth(self):
        key = self.idp.assertion.path
        secret = work("rs-post.secret")
        with open(secret, "w", encoding="ascii") as f:
            f.write(SECRET + "\n")
        for name, auth in (
                ("post", {"post": {"client_id": "rs-post", "client_secret": {"filename": secret}}}),
                ("private_key_jwt", {"private_key_jwt": {"client_id": "rs-jwt", "private_key": {"filename": key}, "key_id": "assertion",
                                                         "audience": self.idp.issuer}}),
                ("tls", {"tls": {"client_id": "rs-mtls"}})):
            with self.subTest(name):
                cert("rs-mtls")
                d = self.door(introspection(self.idp.tls_url, auth), tls=True)
                self.assertEqual(d.get(*bearer(self.idp.token())).status, 200)
                self.assertEqual(d.get(*bearer("unknown")).status, 401)

    def test_bearer_client(self):
        """An endpoint that wants a token of ours: no identity server that we know, so a stub."""
        stub = Nginx('listen 127.0.0.1:$PORT; location /token/introspection { default_type application/json; '
                     'if ($http_authorization != "Bearer our-own") { return 401; } return 200 \'{"active":true}\'; }')
        self.addCleanup(stub.kill)
        for ours, status in (("our-own", 200), ("another", 503)):
            d = Door(stub, self.origin, [introspection(f"http://127.0.0.1:{stub.port}", {"bearer": {"token": {"inline_string": ours}}})])
            self.addCleanup(d.stop)
            self.assertEqual(d.get(*bearer("x")).status, status)
            dump = d.proc.get("/config_dump")[1]
            self.assertIn("TokenIntrospection", dump)
            self.assertNotIn(f'"{ours}"', dump)

    def test_staged(self):
        """On trial it decides, late too, and lets pass."""
        inner = introspection(self.idp.url)
        d = self.door({"name": "tokens", "typed_config": {"@type": T + "sallyport.filters.http.staged.v1.Staged",
                                                          "enforcement": "SHADOW", "filter": inner["typed_config"]}})
        a = d.get(*bearer("unknown"), "-d", "x" * 100000)
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"auth=Bearer unknown", a.body)
        self.assertEqual(d.get().status, 200)
        a = d.get(*bearer(self.idp.token()))
        self.assertIn(b"auth= ", a.body)
        self.assertEqual((d.stat("shadow_refused"), d.stat("denied"), d.stat("allowed")), (2, 2, 1))

    def test_discovery(self):
        """The issuer's own description says where to ask."""
        cert("rs-mtls")
        filt = introspection(self.idp.tls_url, {"tls": {"client_id": "rs-mtls"}})
        del filt["typed_config"]["endpoint"]
        filt["typed_config"]["discovered"] = {"issuer": self.idp.issuer}
        issuer = [{"name": "issuers", "typed_config": {"@type": T + "sallyport.oidc.v1.Issuers", "issuers": [
            {"issuer": self.idp.issuer, "cluster": "idp", "fast_listener": True}]}}]
        self.idp.faults({DISCOVERY: {"status": 500}})
        d = self.door(filt, tls=True, extensions=issuer)
        t = self.idp.token()
        self.assertEqual(d.get(*bearer(t)).status, 503)
        self.assertEqual(d.details(1), ["token_introspection_error{endpoint_unknown}"])
        self.idp.faults()
        wait_for("the description", lambda: d.get(*bearer(t)).status == 200)
        self.assertGreater(d.stat("discovery_failed"), 0)
        self.assertEqual(d.get(*bearer("unknown")).status, 401)

    def test_secret_rotates(self):
        secret = work("rs-basic.secret")

        def write(text):
            with open(secret + ".new", "w", encoding="ascii") as f:
                f.write(text)
            os.rename(secret + ".new", secret)
        write("not-the-secret-0123456789")
        d = self.door(introspection(self.idp.url, {"basic": {"client_id": "rs-basic", "client_secret": {"filename": secret}}}))
        t = self.idp.token()
        self.assertEqual((d.get(*bearer(t)).status, d.details(1)), (503, ["token_introspection_error{client_refused}"]))
        write(SECRET)
        wait_for("the new secret", lambda: d.get(*bearer(t)).status == 200)

    def test_routes(self):
        per_route = {"tokens": {"@type": TOKEN + "TokenIntrospectionPerRoute"}}
        routes = [dict(route_to("origin", "/open"), typed_per_filter_config={"tokens": {**per_route["tokens"], "disabled": True}}),
                  dict(route_to("origin", "/maybe"), typed_per_filter_config={"tokens": {**per_route["tokens"], "required": False}}),
                  dict(route_to("origin", "/echo/admin"),
                       typed_per_filter_config={"tokens": {**per_route["tokens"], "required_scopes": ["admin", "read"]}}),
                  route_to("origin")]
        d = self.door(introspection(self.idp.url, required_scopes=["read"]), routes=routes)
        reader, admin = self.idp.token(), self.idp.token(scope="read admin")
        self.assertEqual(d.get(path="/open").status, 404)
        self.assertEqual(d.get(path="/maybe").status, 404)
        self.assertEqual(d.get(*bearer("unknown"), path="/maybe").status, 401)
        self.assertEqual(d.get(*bearer(reader)).status, 200)
        a = d.get(*bearer(reader), path="/echo/admin")
        self.assertEqual((a.status, a.headers["www-authenticate"]),
                         (403, 'Bearer realm="api", error="insufficient_scope", scope="admin read"'))
        self.assertEqual(d.get(*bearer(admin), path="/echo/admin").status, 200)

    def test_rbac_reads_the_answer(self):
        path = lambda *keys: {"filter": "sallyport.filters.http.token_introspection", "path": [{"key": k} for k in keys]}
        rules = {"action": "ALLOW", "policies": {"readers": {"permissions": [{"any": True}], "principals": [{"and_ids": {"ids": [
            {"metadata": {**path("token", "scope"), "value": {"list_match": {"one_of": {"string_match": {"exact": "admin"}}}}}},
            {"metadata": {**path("token", "tenant"), "value": {"string_match": {"exact": "acme"}}}}]}}]}}}
        rbac = {"name": "rbac", "typed_config": {"@type": T + "envoy.extensions.filters.http.rbac.v3.RBAC", "rules": rules}}
        d = self.door(introspection(self.idp.url, payload_in_metadata="token", space_delimited_claims=["scope"]), rbac)
        self.assertEqual(d.get(*bearer(self.idp.token(scope="read admin"))).status, 200)
        self.assertEqual(d.get(*bearer(self.idp.token(scope="read"))).status, 403)

    def test_beside_jwt_authn(self):
        """A JWT is jwt_authn's, an opaque token is ours; neither lets a forged one of the other pass."""
        jwt = jwt_filter(payload_in_metadata="jwt", forward=True)
        jwt["typed_config"]["rules"][0]["requires"] = {"requires_any": {"requirements": [
            {"provider_name": "test"}, {"allow_missing_or_failed": {}}]}}
        d = self.door(jwt, introspection(self.idp.url, jwt="SKIP", verified_jwt={"keys": ["jwt"]}))
        claims = {"iss": "https://issuer.test", "aud": "api", "exp": int(time.time()) + 600}
        good = token(claims)
        self.assertEqual(d.get(*bearer(good)).status, 200)
        self.assertEqual(d.get(*bearer(self.idp.token())).status, 200)
        asked = self.idp.count(INTROSPECTION)
        self.assertEqual(d.get(*bearer(good[:-8] + "AAAAAAAA")).status, 401)
        self.assertEqual(d.get(*bearer(token({**claims, "exp": 1}))).status, 401)
        self.assertEqual(d.details(2), ["token_introspection_denied{jwt_not_verified}"] * 2)
        self.assertEqual(self.idp.count(INTROSPECTION), asked)
        self.assertEqual(d.get(*bearer("unknown")).status, 401)
        self.assertEqual(d.get().status, 401)
        self.assertEqual(d.stat("skipped"), 1)

    def test_introspected_jwt(self):
        d = self.door(introspection(self.idp.url))
        # The server's own JWTs are not known to its introspection: refused, not believed.
        self.assertEqual(d.get(*bearer(self.idp.token(resource="urn:api:jwt"))).status, 401)

    def test_config_errors(self):
        def errors(*filters):
            return refused(config([listener(1, [route_to("origin")], filters)], [cluster("origin", 1), cluster("idp", 1)]))
        self.assertIn("SKIP needs verified_jwt", errors(introspection("http://x", jwt="SKIP")))
        self.assertIn("speaks no TLS", errors(introspection("https://x")))
        self.assertIn("client_auth", errors({"name": "t", "typed_config": {"@type": TOKEN + "TokenIntrospection",
                      "endpoint": {"uri": "http://x/y", "cluster": "idp", "timeout": "1s"}}}))
        text = errors(introspection("ftp://x", claim_to_headers=[{"header_name": "authorization", "claim_name": "sub"}], realm='"',
                                    required_scopes=["a b"]))
        for words in ("neither https:// nor http://", "tokens are read from authorization", "realm", "'a b' is no scope"):
            self.assertIn(words, text)
        self.assertNotIn(SECRET, text)
