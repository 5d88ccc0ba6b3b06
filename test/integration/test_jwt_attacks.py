# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on tokens over real connections: whatever a token says of its own keys is never fetched, and nothing forged passes. And a
rotation of keys under load."""
import base64
import hashlib
import hmac
import http.client
import json
import threading
import time
import unittest

from harness import (Sallyport, T, b64url, cluster, config, curl, free_port, jwks, listener, nginx_plain, route_to, token, wait_for, work,
                     _openssl)
from jwks_server import JwksServer

JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."


def door(origin, issuer):
    jwt = {"name": "jwt", "typed_config": {
        "@type": JWT + "JwtAuthentication",
        "providers": {"p": {"issuer": "i", "jwt_cache_config": {}, "remote_jwks": {
            "http_uri": {"uri": "http://issuer.test/jwks", "cluster": "issuer", "timeout": "2s"}, "cache_duration": "1s"}}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
    return config([listener(free_port(), [route_to("o")], [jwt])], [cluster("o", origin.port), cluster("issuer", issuer.port)])


def part(value):
    return b64url(value if isinstance(value, bytes) else json.dumps(value).encode())


class Attacks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin, cls.issuer, cls.evil = nginx_plain(), JwksServer(), JwksServer()
        cls.issuer.keys("a")
        cls.evil.keys("evil", path="/jwks")
        cls.s = Sallyport(door(cls.origin, cls.issuer))

    @classmethod
    def tearDownClass(cls):
        for p in (cls.s, cls.origin):
            p.kill()
        for p in (cls.issuer, cls.evil):
            p.stop()

    def claims(self, **more):
        return {"iss": "i", "sub": "mallory", "exp": int(time.time()) + 600, **more}

    def get(self, t):
        return curl(f"http://127.0.0.1:{self.s.port}/echo", "-H", "authorization: Bearer " + t)

    def refused(self, t):
        a = self.get(t)
        self.assertEqual(a.status, 401, (t, a))
        self.assertEqual(self.evil.seen, [])

    def test_good(self):
        self.assertEqual(self.get(token(self.claims(), name="a")).status, 200)

    def test_alg_none(self):
        for alg in ("none", "None", "NONE", "nOnE", ""):
            for signature in ("", "AA", token(self.claims(), name="a").split(".")[2]):
                self.refused(".".join((part({"alg": alg, "typ": "JWT", "kid": "a"}), part(self.claims()), signature)))

    def test_rs_hs_confusion(self):
        key = work("jwk-a.key")
        modulus = json.loads(jwks("a"))["keys"][0]["n"]
        secrets = (_openssl("rsa", "-in", key, "-pubout").stdout, _openssl("rsa", "-in", key, "-RSAPublicKey_out").stdout,
                   _openssl("rsa", "-in", key, "-pubout", "-outform", "DER").stdout, modulus.encode(),
                   base64.urlsafe_b64decode(modulus + "=="), jwks("a").encode(), b"")
        for secret in secrets:
            for alg, h in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
                text = part({"alg": alg, "kid": "a"}) + "." + part(self.claims())
                self.refused(text + "." + b64url(hmac.new(secret, text.encode(), h).digest()))

    def test_embedded_and_linked_keys(self):
        url = f"http://127.0.0.1:{self.evil.port}/jwks"
        jwk = json.loads(jwks("evil"))["keys"][0]
        for header in ({"jwk": jwk}, {"jwk": jwk, "kid": "a"}, {"jku": url}, {"jku": url, "kid": "evil"}, {"x5u": url, "kid": "a"},
                       {"x5c": ["MIIB"], "kid": "a"}, {"kid": url}, {"iss": "i", "jku": url, "jwk": jwk}):
            self.refused(token(self.claims(), name="evil", header=header))
        self.refused(token(self.claims(iss=url), name="evil", header={"kid": "a"}))

    def test_kid_injection(self):
        for kid in ("../../../../dev/null", "/dev/null", "a' OR '1'='1", "a\x00", "a\n", "*", "A", " a", "a ", "${kid}", "a;id", "", None,
                    ["a"], {"a": 1}, 7, "x" * 9000):
            self.refused(token(self.claims(), name="evil", header={"kid": kid}))

    def test_crit_and_members_twice(self):
        self.refused(token(self.claims(), name="a", header={"crit": ["exp"], "exp": 1}))
        good = token(self.claims(), name="a")
        for head in (b'{"alg":"none","alg":"RS256","kid":"a"}', b'{"alg":"RS256","alg":"none","kid":"a"}'):
            self.refused(part(head) + "." + good.split(".", 1)[1])

    def test_padding_and_trailing_bytes(self):
        good = token(self.claims(), name="a")
        head, body, signature = good.split(".")
        for t in (good + "=", good + "==", good + "A", good + "AAAA", good + ".", good + ".AAAA", good + "%3D", "." + good, head + "=." + body +
                  "." + signature, head + "." + body + "=." + signature, head + "." + body + "." + signature[:-4], head + "." + body + "." +
                  "A" * len(signature), head + "." + body + "." + "_" * len(signature), head + "." + body + "."):
            self.refused(t)


class Rotation(unittest.TestCase):
    """The issuer takes a new key, signs with it at once, and drops the old one, while 5,000 requests come."""
    REQUESTS, CLIENTS = 5000, 4

    def test_no_request_is_lost(self):
        origin, issuer = nginx_plain(), JwksServer()
        self.addCleanup(issuer.stop)
        self.addCleanup(origin.kill)
        issuer.keys("a")
        s = Sallyport(door(origin, issuer))
        self.addCleanup(s.kill)
        now = int(time.time())
        tokens = {n: [token({"iss": "i", "sub": str(i), "exp": now + 600}, name=n) for i in range(5)] for n in ("a", "b")}
        done, bad, signer = [0], [], ["a"]

        def client():
            c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=20)
            for i in range(self.REQUESTS // self.CLIENTS):
                c.request("GET", "/echo", headers={"authorization": "Bearer " + tokens[signer[0]][i % 5]})
                r = c.getresponse()
                body = r.read()
                if r.status != 200:
                    bad.append((r.status, body))
                done[0] += 1
            c.close()

        threads = [threading.Thread(target=client) for _ in range(self.CLIENTS)]
        for t in threads:
            t.start()
        wait_for("a fifth", lambda: done[0] > self.REQUESTS / 5, 60)
        issuer.keys("a", "b")
        signer[0] = "b"
        wait_for("half", lambda: done[0] > self.REQUESTS / 2, 60)
        issuer.keys("b")
        for t in threads:
            t.join()
        self.assertEqual((done[0], bad), (self.REQUESTS, []))
        wait_for("the old key to be taken back", lambda: curl(
            f"http://127.0.0.1:{s.port}/echo", "-H", "authorization: Bearer " + tokens["a"][0]).status == 401)
