# SPDX-License-Identifier: GPL-2.0-or-later
"""A real identity server (scripts/idp, test/integration/idp/server.mjs) and what a client of it does: asks for tokens, bound to
a key (DPoP, RFC 9449) or to a certificate (RFC 8705) or to nothing; asks what they are worth; revokes them.

    idp = Idp()                                   # unittest.SkipTest when it cannot be had
    idp.token("caller", scope="read write")       # opaque
    idp.token("caller", resource="urn:api:jwt")   # RS256; urn:api:jwt:es256; urn:api:opaque:2 lives two seconds
    idp.rotate(); idp.forget()                    # a new signing key beside the old ones; only the newest
    idp.faults({INTROSPECTION: {"status": 503, "delay_ms": 100}})
"""
import base64
import hashlib
import json
import os
import subprocess
import time
import unittest
import urllib.parse
import uuid

from harness import ROOT, WORK, Proc, b64url, cert, connects, curl, free_port, wait_for, work

INTROSPECTION, JWKS, TOKEN = "/token/introspection", "/jwks", "/token"
DISCOVERY = "/.well-known/openid-configuration"
SCOPES = ["read", "write", "admin"]
SECRET = "the-secret-of-a-client-0123456789"


def _openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], check=True, capture_output=True, input=stdin, cwd=WORK).stdout


def from_der(der):
    """An ECDSA signature as JWS has it: r and s side by side, 32 bytes each (RFC 7518 section 3.4)."""
    out, at = b"", 2
    for _ in range(2):
        n = der[at + 1]
        out += der[at + 2:at + 2 + n].lstrip(b"\0").rjust(32, b"\0")
        at += 2 + n
    return out


class EcKey:
    """A P-256 key: DPoP proofs and client assertions."""

    def __init__(self, name):
        self.path = work(f"ec-{name}.key")
        _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path)
        point = _openssl("ec", "-in", self.path, "-pubout", "-outform", "DER")[-64:]
        self.jwk = {"kty": "EC", "crv": "P-256", "x": b64url(point[:32]), "y": b64url(point[32:])}

    def thumbprint(self):
        """RFC 7638."""
        text = json.dumps({k: self.jwk[k] for k in ("crv", "kty", "x", "y")}, separators=(",", ":"))
        return b64url(hashlib.sha256(text.encode()).digest())

    def sign(self, head, claims):
        text = b64url(json.dumps(head).encode()) + "." + b64url(json.dumps(claims).encode())
        return text + "." + b64url(from_der(_openssl("dgst", "-sha256", "-sign", self.path, stdin=text.encode())))

    def proof(self, method, url, token=None, head=None, **claims):
        """A DPoP proof; a claim of None is left out."""
        body = {"jti": str(uuid.uuid4()), "htm": method, "htu": url, "iat": int(time.time())}
        if token:
            body["ath"] = b64url(hashlib.sha256(token.encode()).digest())
        body.update(claims)
        return self.sign({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk, **(head or {})},
                         {k: v for k, v in body.items() if v is not None})


def certificate_thumbprint(path):
    """x5t#S256 of a PEM certificate."""
    return b64url(hashlib.sha256(_openssl("x509", "-in", path, "-outform", "DER")).digest())


def certificate_jwk(path):
    """For a client that is known by its own certificate (RFC 8705 section 2.2)."""
    der = _openssl("x509", "-in", path, "-outform", "DER")
    point = _openssl("pkey", "-pubin", "-outform", "DER", stdin=_openssl("x509", "-in", path, "-pubkey", "-noout"))[-64:]
    return {"kty": "EC", "crv": "P-256", "x": b64url(point[:32]), "y": b64url(point[32:]), "x5c": [base64.b64encode(der).decode()]}


class Idp(Proc):
    """`port` speaks HTTP, `tls_port` TLS with the certificate `idp` of the harness's CA for localhost. Its issuer is the one with
    TLS. Clients that ask for tokens: caller, dpop (bound to a key), mtls (bound to the certificate `token-client`); those that may
    introspect: rs-basic, rs-post, rs-jwt (the key `self.assertion`), rs-mtls (the certificate `rs-mtls`)."""

    def __init__(self, claims=None, dpop_nonce=False):
        p = subprocess.run([os.path.join(ROOT, "scripts/idp")], capture_output=True, text=True, timeout=400, check=False)
        if p.returncode != 0:
            raise unittest.SkipTest("no identity server: " + p.stderr.strip())
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.tls_url = f"http://127.0.0.1:{self.port}", f"https://localhost:{self.tls_port}"
        self.issuer = self.tls_url
        self.assertion = EcKey("assertion")
        chain, key = cert("idp")
        path = work(f"idp-{self.port}.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump({"port": self.port, "tls_port": self.tls_port, "cert": chain, "key": key, "issuer": self.issuer, "scopes": SCOPES,
                       "clients": self.clients(), "dpop_nonce": dpop_nonce,
                       "claims": {n: {"tenant": "acme", "roles": ["reader"], **(claims or {})} for n in ("caller", "dpop", "mtls")}}, f)
        super().__init__("idp", ["node", os.path.join(ROOT, "test/integration/idp/server.mjs"), p.stdout.strip(), path])
        wait_for("the identity server", lambda: self.alive() and connects(self.port) and connects(self.tls_port), 30)

    def alive(self):
        assert self.p.poll() is None, "the identity server ended: " + self.log()
        return True

    def clients(self):
        def client(name, method="client_secret_basic", **more):
            secret = {"client_secret": SECRET} if method.startswith("client_secret") else {}
            return {"client_id": name, "redirect_uris": [], "response_types": [], "grant_types": ["client_credentials"],
                    "token_endpoint_auth_method": method, "scope": " ".join(SCOPES), **secret, **more}
        return [client("caller"), client("dpop", dpop_bound_access_tokens=True),
                client("mtls", tls_client_certificate_bound_access_tokens=True),
                client("rs-basic"), client("rs-post", "client_secret_post"),
                client("rs-jwt", "private_key_jwt", token_endpoint_auth_signing_alg="ES256",
                       jwks={"keys": [{**self.assertion.jwk, "kid": "assertion", "alg": "ES256", "use": "sig"}]}),
                client("rs-mtls", "self_signed_tls_client_auth", jwks={"keys": [certificate_jwk(cert("rs-mtls")[0])]})]

    def post(self, path, fields, *args, base=None):
        a = curl((base or self.url) + path, "-d", urllib.parse.urlencode(fields), *args)
        assert a.code == 0, a.error
        return a.status, json.loads(a.body) if a.body else None

    def token(self, client="caller", resource="urn:api:opaque", scope="read", key=None, certificate=None):
        """`key`: bind it to this EcKey; `certificate`: (certificate, key) paths, bind it to that one (client mtls)."""
        fields = {"grant_type": "client_credentials", "scope": scope}
        if resource:
            fields["resource"] = resource
        base, args = self.url, ["-u", f"{client}:{SECRET}"]
        if certificate:
            base, args = self.tls_url, args + ["--cert", certificate[0], "--key", certificate[1]]
        if key:
            args += ["-H", "dpop: " + key.proof("POST", base + TOKEN)]
        status, answer = self.post(TOKEN, fields, *args, base=base)
        assert status == 200, answer
        return answer["access_token"]

    def revoke(self, token, client="caller"):
        a = curl(self.url + "/token/revocation", "-d", urllib.parse.urlencode({"token": token}), "-u", f"{client}:{SECRET}")
        assert a.status == 200, a

    def introspect(self, token, client="rs-basic"):
        status, answer = self.post(INTROSPECTION, {"token": token}, "-u", f"{client}:{SECRET}")
        assert status == 200, answer
        return answer

    def command(self, name, body=""):
        a = curl(f"{self.url}/test/{name}", "-X", "POST", "-d", body)
        assert a.status == 200, a
        return json.loads(a.body)

    def rotate(self):
        """A new key signs; the old ones stay in the key set."""
        return self.command("rotate")["kids"]

    def forget(self):
        """Only the newest keys are left in the key set."""
        return self.command("forget")["kids"]

    def faults(self, by_path=None):
        """What paths answer instead: status, body, type, delay_ms. None: all is well again."""
        self.command("faults", json.dumps(by_path or {}))

    def count(self, path):
        return self.command("counts").get(path, 0)
