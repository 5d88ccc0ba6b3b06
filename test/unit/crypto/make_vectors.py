#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Writes jws_vectors.h beside it: keys and tokens made by another implementation (pyca/cryptography), good ones and forged
ones.  Run by hand when vectors are to change; the tests only need the header."""
import base64
import datetime
import json
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, hmac, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils
from cryptography.x509.oid import NameOID

PAYLOAD = {"iss": "https://issuer.example", "sub": "alice", "aud": "door", "exp": 4102444800}
HASH = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
CURVES = {"ES256": (ec.SECP256R1(), "P-256", 32), "ES384": (ec.SECP384R1(), "P-384", 48), "ES512": (ec.SECP521R1(), "P-521", 66)}
ED_L = 2**252 + 27742317777372353535851937790883648493
out = []


def b64(b):
    return base64.urlsafe_b64encode(b).rstrip(b"=").decode()


def num(n, size=None):
    return b64(n.to_bytes(size or (n.bit_length() + 7) // 8, "big"))


def define(name, text):
    out.append(f"#define {name} \\\n" + " \\\n".join(
        '    "' + text[i:i + 100].replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
        for i in range(0, len(text), 100)) + "\n")


def signing_input(header, payload=PAYLOAD):
    return b64(json.dumps(header).encode()) + "." + b64(json.dumps(payload).encode())


def rsa_jwk(key, **more):
    n = key.public_key().public_numbers()
    return {"kty": "RSA", "n": num(n.n), "e": num(n.e), **more}


def ec_jwk(key, alg, **more):
    _, crv, size = CURVES[alg]
    n = key.public_key().public_numbers()
    return {"kty": "EC", "crv": crv, "x": num(n.x, size), "y": num(n.y, size), **more}


def ed_raw(key):
    return key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def rs(key, alg, text):
    return key.sign(text.encode(), padding.PKCS1v15(), HASH[alg[2:]])


def ps(key, alg, text, salt=None):
    h = HASH[alg[2:]]
    return key.sign(text.encode(), padding.PSS(padding.MGF1(h), salt if salt is not None else h.digest_size), h)


def es(key, alg, text):
    r, s = utils.decode_dss_signature(key.sign(text.encode(), ec.ECDSA(HASH[alg[2:]])))
    size = CURVES[alg][2]
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def hs(secret, alg, text):
    h = hmac.HMAC(secret, HASH[alg[2:]])
    h.update(text.encode())
    return h.finalize()


def token(name, header, sign):
    text = signing_input(header)
    define(name, text + "." + b64(sign(text)))


rsa2048, rsa4096 = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 4096)
rsa1024, rsa_e3 = rsa.generate_private_key(65537, 1024), rsa.generate_private_key(3, 2048)
other_rsa, other_ec = rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP256R1())
ecs = {alg: ec.generate_private_key(c[0]) for alg, c in CURVES.items()}
ed = ed25519.Ed25519PrivateKey.generate()
secret = os.urandom(64)

define("V_JWKS", json.dumps({"keys": [
    rsa_jwk(rsa2048, kid="rsa"), rsa_jwk(rsa4096, kid="rsa4096", alg="RS512", use="sig"),
    *[ec_jwk(k, alg, kid=alg) for alg, k in ecs.items()],
    {"kty": "OKP", "crv": "Ed25519", "x": b64(ed_raw(ed)), "kid": "ed"}]}))
define("V_JWK_RSA", json.dumps(rsa_jwk(rsa2048)))
define("V_JWK_EC", json.dumps(ec_jwk(ecs["ES256"], "ES256")))
define("V_JWK_RSA1024", json.dumps(rsa_jwk(rsa1024)))
define("V_JWKS_E3", json.dumps({"keys": [rsa_jwk(rsa_e3)]}))
define("V_JWKS_OCT", json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": b64(secret)}]}))
define("V_JWKS_OCT_NO_ALG", json.dumps({"keys": [{"kty": "oct", "k": b64(secret)}, rsa_jwk(rsa2048)]}))

for alg in ("RS256", "RS384", "RS512"):
    token("V_" + alg, {"alg": alg, "kid": "rsa"}, lambda t, a=alg: rs(rsa2048, a, t))
for alg in ("PS256", "PS384", "PS512"):
    token("V_" + alg, {"alg": alg, "kid": "rsa"}, lambda t, a=alg: ps(rsa2048, a, t))
for alg in CURVES:
    token("V_" + alg, {"alg": alg, "kid": alg}, lambda t, a=alg: es(ecs[a], a, t))
token("V_EDDSA", {"alg": "EdDSA", "kid": "ed"}, lambda t: ed.sign(t.encode()))
token("V_HS256", {"alg": "HS256"}, lambda t: hs(secret, "HS256", t))
token("V_RS512_4096", {"alg": "RS512", "kid": "rsa4096", "typ": "JWT"}, lambda t: rs(rsa4096, "RS512", t))
token("V_RS256_NO_KID", {"alg": "RS256"}, lambda t: rs(rsa2048, "RS256", t))

# Forged, or signed in a way that must not be taken.
spki = rsa2048.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
token("V_BAD_HS_WITH_PUBLIC_KEY", {"alg": "HS256", "kid": "rsa"}, lambda t: hs(spki, "HS256", t))
token("V_BAD_OTHER_RSA", {"alg": "RS256", "kid": "rsa"}, lambda t: rs(other_rsa, "RS256", t))
token("V_BAD_OTHER_EC", {"alg": "ES256", "kid": "ES256"}, lambda t: es(other_ec, "ES256", t))
token("V_BAD_EMBEDDED_JWK", {"alg": "RS256", "jwk": rsa_jwk(other_rsa)}, lambda t: rs(other_rsa, "RS256", t))
token("V_BAD_EMBEDDED_JWK_KID", {"alg": "ES256", "kid": "ES256", "jwk": ec_jwk(other_ec, "ES256", kid="ES256")},
      lambda t: es(other_ec, "ES256", t))
token("V_BAD_JKU", {"alg": "RS256", "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/cert", "x5c": ["MII="]},
      lambda t: rs(other_rsa, "RS256", t))
token("V_JKU_IGNORED", {"alg": "RS256", "kid": "rsa", "jku": "http://127.0.0.1:9/jwks", "jwk": rsa_jwk(other_rsa)},
      lambda t: rs(rsa2048, "RS256", t))
token("V_BAD_PS_SALT", {"alg": "PS256", "kid": "rsa"}, lambda t: ps(rsa2048, "PS256", t, 20))
token("V_BAD_PS_NO_SALT", {"alg": "PS256", "kid": "rsa"}, lambda t: ps(rsa2048, "PS256", t, 0))
token("V_BAD_RS_AS_PS", {"alg": "PS256", "kid": "rsa"}, lambda t: rs(rsa2048, "RS256", t))
token("V_BAD_PS_AS_RS", {"alg": "RS256", "kid": "rsa"}, lambda t: ps(rsa2048, "PS256", t))
token("V_BAD_HASH", {"alg": "RS256", "kid": "rsa"}, lambda t: rs(rsa2048, "RS512", t))
token("V_BAD_ALG_OF_KEY", {"alg": "RS256", "kid": "rsa4096"}, lambda t: rs(rsa4096, "RS256", t))
token("V_BAD_CURVE", {"alg": "ES256", "kid": "ES384"}, lambda t: es(ecs["ES384"], "ES384", t))
token("V_BAD_DER", {"alg": "ES256", "kid": "ES256"}, lambda t: ecs["ES256"].sign(t.encode(), ec.ECDSA(hashes.SHA256())))
token("V_BAD_RSA1024", {"alg": "RS256"}, lambda t: rs(rsa1024, "RS256", t))


def rsa_raw(key, em):
    n = key.private_numbers()
    return pow(int.from_bytes(em, "big"), n.d, n.public_numbers.n).to_bytes(256, "big")


def digest_info(text):
    h = hashes.Hash(hashes.SHA256())
    h.update(text.encode())
    return bytes.fromhex("3031300d060960864801650304020105000420") + h.finalize()


# PKCS#1 v1.5 with short padding and garbage behind the hash (Bleichenbacher 2006), with a hash whose parameters are left
# out, with padding that is not 0xff, as type 2, and with one byte too few; then a representative over the modulus.
token("V_BAD_GARBAGE", {"alg": "RS256"}, lambda t: rsa_raw(
    rsa_e3, b"\x00\x01" + b"\xff" * 8 + b"\x00" + digest_info(t) + b"\x41" * (256 - 11 - 51)))
token("V_BAD_NO_NULL", {"alg": "RS256"}, lambda t: rsa_raw(
    rsa_e3, b"\x00\x01" + b"\xff" * (253 - 49) + b"\x00" + bytes.fromhex("302f300b0609608648016503040201") + digest_info(t)[17:]))
token("V_BAD_PADDING", {"alg": "RS256"}, lambda t: rsa_raw(
    rsa_e3, b"\x00\x01" + b"\xff" * 100 + b"\xfe" + b"\xff" * 101 + b"\x00" + digest_info(t)))
token("V_BAD_TYPE", {"alg": "RS256"}, lambda t: rsa_raw(rsa_e3, b"\x00\x02" + b"\xff" * 202 + b"\x00" + digest_info(t)))
token("V_E3", {"alg": "RS256"}, lambda t: rsa_raw(rsa_e3, b"\x00\x01" + b"\xff" * 202 + b"\x00" + digest_info(t)))

for tries in range(1000):
    text = signing_input({"alg": "RS256", "kid": "rsa", "try": tries})
    s = int.from_bytes(rs(rsa2048, "RS256", text), "big") + rsa2048.public_key().public_numbers().n
    if s < 2**2048:
        define("V_BAD_OVER_MODULUS", text + "." + num(s, 256))
        break
text = signing_input({"alg": "EdDSA", "kid": "ed"})
sig = ed.sign(text.encode())
s = int.from_bytes(sig[32:], "little") + ED_L
define("V_BAD_EDDSA_PLUS_L", text + "." + b64(sig[:32] + s.to_bytes(32, "little")))

define("V_PEM_RSA", spki.decode())
define("V_PEM_RSA_PKCS1", rsa2048.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.PKCS1).decode())
for alg, key in ecs.items():
    define("V_PEM_" + alg, key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
define("V_PEM_ED", ed.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
define("V_PEM_PRIVATE", rsa1024.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode())
define("V_PEM_RSA1024", rsa1024.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
define("V_PEM_SECP256K1", ec.generate_private_key(ec.SECP256K1()).public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "issuer")])
day = datetime.datetime(2020, 1, 1)
for label, key in (("RSA", rsa2048), ("EC", ecs["ES256"])):
    cert = x509.CertificateBuilder(name, name, key.public_key(), 1, day, day + datetime.timedelta(1)).sign(key, hashes.SHA256())
    define("V_CERT_" + label, cert.public_bytes(serialization.Encoding.PEM).decode())

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "jws_vectors.h"), "w", encoding="ascii") as f:
    f.write("/* SPDX-License-Identifier: GPL-2.0-or-later */\n/* Written by make_vectors.py: keys and tokens for tests. */\n")
    f.write("#ifndef TEST_UNIT_CRYPTO_JWS_VECTORS_H\n#define TEST_UNIT_CRYPTO_JWS_VECTORS_H\n\n")
    f.write("\n".join(out) + "\n#endif\n")
