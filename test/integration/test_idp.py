# SPDX-License-Identifier: GPL-2.0-or-later
"""The identity server of the tests is what they take it for: a real one that binds, introspects, revokes and rotates."""
import base64
import json
import unittest

from harness import cert, curl
from idp import DISCOVERY, INTROSPECTION, JWKS, SCOPES, SECRET, EcKey, Idp, certificate_thumbprint


def part(token, i):
    text = token.split(".")[i]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


class TheIdp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.idp = Idp()

    @classmethod
    def tearDownClass(cls):
        cls.idp.kill()

    def test_discovery_and_keys(self):
        found = json.loads(curl(self.idp.tls_url + DISCOVERY).body)
        self.assertEqual(found["issuer"], self.idp.issuer)
        self.assertEqual(found["jwks_uri"], self.idp.tls_url + JWKS)
        self.assertEqual(found["introspection_endpoint"], self.idp.tls_url + INTROSPECTION)
        before = self.idp.forget()
        token = self.idp.token(resource="urn:api:jwt:es256")
        self.assertEqual(part(token, 0)["kid"], before[1])
        after = self.idp.rotate()
        self.assertEqual(after[2:], before)
        self.assertEqual(part(self.idp.token(resource="urn:api:jwt"), 0)["kid"], after[0])
        self.assertEqual([k["kid"] for k in json.loads(curl(self.idp.url + JWKS).body)["keys"]], after)
        self.assertEqual(self.idp.forget(), after[:2])

    def test_tokens(self):
        claims = part(self.idp.token(resource="urn:api:jwt", scope="read write"), 1)
        self.assertEqual((claims["iss"], claims["aud"], claims["scope"], claims["tenant"]),
                         (self.idp.issuer, "urn:api:jwt", "read write", "acme"))
        opaque = self.idp.token(scope=" ".join(SCOPES))
        self.assertNotIn(".", opaque)
        told = self.idp.introspect(opaque)
        self.assertEqual((told["active"], told["aud"], told["client_id"], told["scope"]), (True, "urn:api:opaque", "caller", "read write admin"))
        self.idp.revoke(opaque)
        self.assertEqual(self.idp.introspect(opaque), {"active": False})

    def test_bound_tokens(self):
        key = EcKey("of-the-idp")
        self.assertEqual(self.idp.introspect(self.idp.token("dpop", key=key))["cnf"], {"jkt": key.thumbprint()})
        pair = cert("token-client")
        claims = part(self.idp.token("mtls", resource="urn:api:jwt", certificate=pair), 1)
        self.assertEqual(claims["cnf"], {"x5t#S256": certificate_thumbprint(pair[0])})

    def test_clients(self):
        token = self.idp.token()
        status, told = self.idp.post(INTROSPECTION, {"token": token, "client_id": "rs-post", "client_secret": SECRET})
        self.assertEqual((status, told["active"]), (200, True))
        pair = cert("rs-mtls")
        status, told = self.idp.post(INTROSPECTION, {"token": token, "client_id": "rs-mtls"}, "--cert", pair[0], "--key", pair[1],
                                     base=self.idp.tls_url)
        self.assertEqual((status, told["active"]), (200, True))
        status, told = self.idp.post(INTROSPECTION, {"token": token}, "-u", "rs-basic:wrong-secret-0123456789")
        self.assertEqual(status, 401)

    def test_faults(self):
        before = self.idp.count(INTROSPECTION)
        self.idp.faults({INTROSPECTION: {"status": 503, "body": "{}"}})
        self.assertEqual(self.idp.post(INTROSPECTION, {"token": "x"}, "-u", f"rs-basic:{SECRET}"), (503, {}))
        self.idp.faults()
        self.assertEqual(self.idp.introspect("x"), {"active": False})
        self.assertEqual(self.idp.count(INTROSPECTION), before + 2)
