#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes token_vectors.h beside it: tokens as Cloudflare Access, Google IAP and AWS load balancers sign them, and forgeries, made by
another implementation (pyca/cryptography).  Run by hand when vectors are to change; the tests only need the header."""
import base64
import json
import os

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

NOW = 1800000000
ARN = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/door/0123456789abcdef"
out = []


def b64(data, padded=False):
    text = base64.urlsafe_b64encode(data).decode()
    return text if padded else text.rstrip("=")


def define(name, text):
    lines = [text[i:i + 100] for i in range(0, len(text), 100)]
    quoted = ['    "' + x.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"' for x in lines]
    out.append(f"#define {name} \\\n" + " \\\n".join(quoted) + "\n")


RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP256R1())
OTHER_EC = ec.generate_private_key(ec.SECP256R1())


def num(n, size):
    return b64(n.to_bytes(size, "big"))


def jwk(key, kid):
    n = key.public_key().public_numbers()
    if isinstance(key, rsa.RSAPrivateKey):
        return {"kty": "RSA", "kid": kid, "alg": "RS256", "use": "sig", "n": num(n.n, 256), "e": "AQAB"}
    return {"kty": "EC", "kid": kid, "crv": "P-256", "use": "sig", "x": num(n.x, 32), "y": num(n.y, 32)}


def sign(key, text):
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    r, s = utils.decode_dss_signature(key.sign(text, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def token(name, key, header, payload, padded=False):
    # A load balancer's JSON is of any length: with padding in both parts, as is usual.
    head, body = json.dumps(header), json.dumps(payload)
    if padded:
        head, body = (x + " " * (x and (1 - len(x)) % 3) for x in (head, body))
    text = b64(head.encode(), padded) + "." + b64(body.encode(), padded)
    define(name, text + "." + b64(sign(key, text.encode()), padded))


def pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


define("T_RSA_JWKS", json.dumps({"keys": [jwk(RSA, "cf1"), jwk(EC, "ec")], "public_cert": {"kid": "cf1", "cert": "x"}, "public_certs": []}))
define("T_EC_JWKS", json.dumps({"keys": [jwk(EC, "iap1"), jwk(RSA, "rsa")]}))
define("T_EC_PEM", pem(EC))
define("T_OTHER_PEM", pem(OTHER_EC))
define("T_ARN", ARN)

# Cloudflare Access
HEAD = {"alg": "RS256", "kid": "cf1", "typ": "JWT"}
CLAIMS = {"aud": ["app-aud"], "email": "a@example.com", "exp": NOW + 600, "iat": NOW - 10, "nbf": NOW - 10,
          "iss": "https://team.cloudflareaccess.com", "type": "app", "sub": "u1"}
token("T_CF", RSA, HEAD, CLAIMS)
token("T_CF_OTHER_AUD", RSA, HEAD, dict(CLAIMS, aud=["other-aud"]))
token("T_CF_NO_AUD", RSA, HEAD, {k: v for k, v in CLAIMS.items() if k != "aud"})
token("T_CF_NO_EXP", RSA, HEAD, {k: v for k, v in CLAIMS.items() if k != "exp"})
token("T_CF_FUTURE_IAT", RSA, HEAD, dict(CLAIMS, iat=NOW + 300, nbf=NOW - 10))
token("T_CF_FUTURE_NBF", RSA, HEAD, dict(CLAIMS, nbf=NOW + 300))
token("T_CF_FORGED", OTHER_RSA, HEAD, CLAIMS)
token("T_CF_ES256", EC, dict(HEAD, alg="ES256", kid="ec"), CLAIMS)
token("T_CF_CRIT", RSA, dict(HEAD, crit=["exp"]), CLAIMS)
NONE = b64(json.dumps(dict(HEAD, alg="none")).encode()) + "." + b64(json.dumps(CLAIMS).encode()) + ".AAAA"
define("T_CF_NONE", NONE)

# Google IAP
HEAD = {"alg": "ES256", "kid": "iap1", "typ": "JWT"}
CLAIMS = {"aud": "/projects/1/apps/x", "exp": NOW + 600, "iat": NOW - 10, "iss": "https://cloud.google.com/iap", "sub": "u1"}
token("T_IAP", EC, HEAD, CLAIMS)
token("T_IAP_OTHER_ISS", EC, HEAD, dict(CLAIMS, iss="https://accounts.google.com"))
token("T_IAP_OTHER_AUD", EC, HEAD, dict(CLAIMS, aud="/projects/2/apps/x"))
token("T_IAP_RS256", RSA, dict(HEAD, alg="RS256", kid="rsa"), CLAIMS)

# AWS load balancers
HEAD = {"typ": "JWT", "kid": "11111111-2222-3333-4444-555555555555", "alg": "ES256", "iss": "https://idp.example.com", "client": "client1",
        "signer": ARN, "exp": NOW + 120}
CLAIMS = {"sub": "u1", "email": "a@example.com", "exp": NOW + 120, "iss": "https://idp.example.com"}
token("T_ALB", EC, HEAD, CLAIMS, True)
token("T_ALB_NO_PAYLOAD_EXP", EC, HEAD, {"sub": "u1"}, True)
token("T_ALB_OTHER_SIGNER", EC, dict(HEAD, signer=ARN.replace("123456789012", "210987654321")), CLAIMS, True)
token("T_ALB_NO_SIGNER", EC, {k: v for k, v in HEAD.items() if k != "signer"}, CLAIMS, True)
token("T_ALB_SIGNER_IN_PAYLOAD", EC, {k: v for k, v in HEAD.items() if k != "signer"}, dict(CLAIMS, signer=ARN), True)
token("T_ALB_NO_EXP", EC, {k: v for k, v in HEAD.items() if k != "exp"}, CLAIMS, True)
token("T_ALB_PAYLOAD_EXPIRED", EC, HEAD, dict(CLAIMS, exp=NOW - 600), True)
token("T_ALB_OTHER_KID", EC, dict(HEAD, kid="99999999-2222-3333-4444-555555555555"), CLAIMS, True)
token("T_ALB_NO_KID", EC, {k: v for k, v in HEAD.items() if k != "kid"}, CLAIMS, True)
token("T_ALB_FORGED", OTHER_EC, HEAD, CLAIMS, True)

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "token_vectors.h"), "w", encoding="ascii") as f:
    f.write("/* SPDX-License-Identifier: GPL-2.0-or-later */\n/* Written by make_token_vectors.py: keys and tokens for tests; T_NOW is their present. */\n"
            "#ifndef TEST_UNIT_FILTERS_TOKEN_VECTORS_H\n#define TEST_UNIT_FILTERS_TOKEN_VECTORS_H\n\n"
            f"enum {{ T_NOW = {NOW} }};\n\n" + "\n".join(out) + "\n#endif\n")
