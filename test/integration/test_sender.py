# SPDX-License-Identifier: GPL-2.0-or-later
"""Sender-constrained tokens, issued by a real identity server: bound to a key (DPoP) and to a certificate (RFC 8705)."""
import time
import unittest
import urllib.parse
import uuid

from harness import SECRET, T, ca, cert, cluster, config, curl, downstream_tls, listener, nginx_plain, refused, route_to, shield, work
from idp import JWKS, EcKey, Idp
from tokens import Door, introspection

SENDER = T + "sallyport.filters.http.sender_constraint.v1."
OURS = "sallyport.filters.http.token_introspection"


def sender(**more):
    return {"name": "sender", "typed_config": {"@type": SENDER + "SenderConstraint", "sources": [
        {"metadata_namespace": OURS, "key": "token"}, {"key": "jwt"}], **more}}


def opaque(idp, **more):
    return introspection(idp.url, payload_in_metadata="token", from_headers=[
        {"name": "authorization", "value_prefix": "Bearer "}, {"name": "authorization", "value_prefix": "DPoP "}], **more)


def jwt_authn(idp, **more):
    keys = work(f"jwks-{uuid.uuid4()}.json")
    with open(keys, "wb") as f:
        f.write(curl(idp.url + JWKS).body)
    return {"name": "jwt", "typed_config": {
        "@type": T + "envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication",
        "providers": {"idp": {"issuer": idp.issuer, "audiences": ["urn:api:jwt"], "local_jwks": {"filename": keys},
                              "payload_in_metadata": "jwt", "from_headers": [
                                  {"name": "authorization", "value_prefix": "DPoP "},
                                  {"name": "authorization", "value_prefix": "Bearer "}], **more}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "idp"}}]}}


def auth(token, proof=None, scheme="DPoP"):
    return ["-H", f"authorization: {scheme} {token}"] + (["-H", f"dpop: {proof}"] if proof else [])


class Sender(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.idp = Idp()
        cls.origin = nginx_plain()
        cls.key, cls.thief = EcKey("owner"), EcKey("thief")

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()
        cls.idp.kill()

    def door(self, *filters, **kw):
        d = Door(self.idp, self.origin, filters, **kw)
        self.addCleanup(d.stop)
        return d

    def stat(self, door, name):
        return door.proc.stat(f"http.test.sender_constraint.{name}")

    def both_ways(self, d, token):
        """A token bound to self.key, JWT or opaque."""
        url = d.url + "/echo"
        good = self.key.proof("GET", url, token)
        a = d.get(*auth(token, good))
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"auth= ", a.body)
        cases = [(auth(token), "proof_missing"), (auth(token, good), "proof_replayed"),
                 (auth(token, self.thief.proof("GET", url, token)), "proof_key"),
                 (auth(token, self.key.proof("POST", url, token)), "proof_htm"),
                 (auth(token, self.key.proof("GET", d.url + "/other", token)), "proof_htu"),
                 (auth(token, self.key.proof("GET", url, "another")), "proof_ath"),
                 (auth(token, self.key.proof("GET", url, token, iat=int(time.time()) - 120)), "proof_iat"),
                 (auth(token, self.key.proof("GET", url, token, head={"alg": "none"})), "proof_alg"),
                 (auth(token, self.key.proof("GET", url, token)) + ["-H", "dpop: " + self.key.proof("GET", url, token)], "proof_repeated"),
                 (auth(token, self.key.proof("GET", url, token), "Bearer"), "bearer_scheme")]
        for args, word in cases:
            a = d.get(*args)
            self.assertEqual(a.status, 401, word)
            self.assertTrue(a.headers["www-authenticate"].startswith('DPoP error="invalid_'), a.headers)
        self.assertEqual(d.details(len(cases)), [f"sender_constraint_denied{{{word}}}" for _, word in cases])
        self.assertEqual((self.stat(d, "allowed"), self.stat(d, "denied"), self.stat(d, "dpop_bound")), (1, len(cases), 1))

    def test_dpop_jwt(self):
        d = self.door(jwt_authn(self.idp), sender(dpop="REQUIRED"))
        self.both_ways(d, self.idp.token("dpop", resource="urn:api:jwt", key=self.key))

    def test_dpop_opaque(self):
        d = self.door(opaque(self.idp), sender(dpop="REQUIRED"))
        self.both_ways(d, self.idp.token("dpop", key=self.key))

    def test_unbound_tokens(self):
        optional, required = self.door(opaque(self.idp), sender()), self.door(opaque(self.idp), sender(required=True))
        t = self.idp.token()
        self.assertEqual(optional.get(*auth(t, scheme="Bearer")).status, 200)
        self.assertEqual(required.get(*auth(t, scheme="Bearer")).status, 401)
        self.assertEqual(required.details(1), ["sender_constraint_denied{not_bound}"])
        # A bound one is not a bearer token, even where binding is optional.
        self.assertEqual(optional.get(*auth(self.idp.token("dpop", key=self.key), scheme="Bearer")).status, 401)

    def test_replay_over_workers(self):
        d = self.door(opaque(self.idp), sender(), concurrency=2)
        t = self.idp.token("dpop", key=self.key)
        proof = self.key.proof("GET", d.url + "/echo", t)
        answers = [d.get(*auth(t, proof)).status for _ in range(10)]
        self.assertEqual(sorted(answers), [200] + [401] * 9)

    def test_behind_a_cdn(self):
        d = self.door(opaque(self.idp), sender(proofs={"public_origins": ["https://api.example.com"], "algs": ["ES256"]}))
        t = self.idp.token("dpop", key=self.key)
        self.assertEqual(d.get(*auth(t, self.key.proof("GET", "https://API.example.com:443/echo?x", t))).status, 200)
        a = d.get(*auth(t, self.key.proof("GET", d.url + "/echo", t)))
        self.assertEqual((a.status, a.headers["www-authenticate"]), (401, 'DPoP error="invalid_dpop_proof", algs="ES256"'))

    def test_nonces(self):
        d = self.door(opaque(self.idp), sender(proofs={"nonces": {"lifetime": "600s"}}))
        t = self.idp.token("dpop", key=self.key)
        a = d.get(*auth(t, self.key.proof("GET", d.url + "/echo", t)))
        self.assertEqual(a.status, 401)
        self.assertIn('error="use_dpop_nonce"', a.headers["www-authenticate"])
        a = d.get(*auth(t, self.key.proof("GET", d.url + "/echo", t, nonce=a.headers["dpop-nonce"])))
        self.assertEqual(a.status, 200, a)
        self.assertEqual(d.get(*auth(t, self.key.proof("GET", d.url + "/echo", t, nonce="made-up"))).status, 401)

    def test_certificates(self):
        mine, other = cert("token-client"), cert("token-thief")
        pair = lambda c: ["--cert", c[0], "--key", c[1]]
        for name, token_filter, resource in (("opaque", opaque(self.idp), "urn:api:opaque"),
                                             ("jwt", jwt_authn(self.idp), "urn:api:jwt")):
            with self.subTest(name):
                d = self.door(token_filter, sender(mtls="REQUIRED"), door_tls=downstream_tls(client_ca=ca()))
                t = self.idp.token("mtls", resource=resource, certificate=mine)
                self.assertEqual(d.get(*auth(t, scheme="Bearer"), *pair(mine)).status, 200)
                for args, word in ((pair(other), "certificate_mismatch"), ([], "certificate_missing")):
                    a = d.get(*auth(t, scheme="Bearer"), *args)
                    self.assertEqual((a.status, a.headers["www-authenticate"]), (401, 'Bearer error="invalid_token"'))
                    self.assertEqual(d.details(1), [f"sender_constraint_denied{{{word}}}"])
                self.assertEqual(self.stat(d, "mtls_bound"), 1)

    def test_certificate_in_a_header(self):
        """A CDN that ends TLS passes the certificate on; whoever is not the CDN cannot."""
        mine, other = cert("token-client"), cert("token-thief")
        gate = {"name": "header_certificate", "typed_config": {
            "@type": T + "sallyport.filters.http.header_certificate.v1.HeaderCertificate", "header": "CloudFront-Viewer-Cert-Pem",
            "format": "URL_ENCODED_PEM", "validation_context": {"trusted_ca": {"filename": ca()}}}}
        d = self.door(shield(), gate, jwt_authn(self.idp), sender(mtls="REQUIRED"))
        t = self.idp.token("mtls", resource="urn:api:jwt", certificate=mine)

        def ask(certificate, secret=SECRET):
            with open(certificate[0], encoding="ascii") as f:
                pem = urllib.parse.quote(f.read())
            return d.get(*auth(t, scheme="Bearer"), "-H", "x-origin-verify: " + secret, "-H", "cloudfront-viewer-cert-pem: " + pem)
        self.assertEqual(ask(mine).status, 200)
        self.assertEqual(ask(other).status, 401)
        self.assertEqual(ask(mine, "not-the-secret-of-the-origin").status, 403)
        self.assertEqual(d.details(2)[0], "sender_constraint_denied{certificate_mismatch}")

    def test_claims_not_found(self):
        d = self.door(introspection(self.idp.url), sender())
        self.assertEqual(d.get(*auth(self.idp.token(), scheme="Bearer")).status, 503)
        self.assertEqual(d.details(1), ["sender_constraint_error{claims_not_found}"])

    def test_config_errors(self):
        text = refused(config([listener(1, [route_to("origin")], [sender(mtls="OFF", dpop="OFF")])], [cluster("origin", 1)]))
        self.assertIn("both mtls and dpop are OFF", text)
