# SPDX-License-Identifier: GPL-2.0-or-later
"""What a run needs besides programs: certificates, tokens, address lists, route tables. Made anew for each run."""
import base64
import ipaddress
import json
import os
import random
import subprocess
import time

SECRET = "bench-origin-secret-0123456789abcdef"
SERVER_NAME, UPSTREAM_NAME, CLIENT_NAME = "gw.bench.test", "up.bench.test", "bench-gateway"
ISSUER, AUDIENCE = "https://issuer.bench.test/", "bench-api"
CLUSTERS = "abcd"


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    return path


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def openssl(*argv, stdin=None):
    return subprocess.run(["openssl", *argv], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


def b64u(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def raw_signature(der):
    """An ECDSA signature as JWS wants it: r and s, 32 bytes each, instead of a DER sequence of two integers."""
    at, out = 2, b""
    for _ in range(2):
        length = der[at + 1]
        out += int.from_bytes(der[at + 2:at + 2 + length], "big").to_bytes(32, "big")
        at += 2 + length
    return out


class Material:
    """Files in one directory, and their paths in `env` by the names that the config writers use."""

    def __init__(self, directory, tokens=200):
        self.dir = directory
        os.makedirs(directory, exist_ok=True)
        self.env = {"SERVER_NAME": SERVER_NAME, "UPSTREAM_SNI": UPSTREAM_NAME, "SECRET": SECRET, "SECRET_HEADER": "X-Origin-Verify",
                    "ADD_HEADER_1": "X-Shield-Id: bench-shield", "ADD_HEADER_2": "X-Shield-Proto: https",
                    "REMOVE_HEADER_1": "X-Origin-Verify", "REMOVE_HEADER_2": "X-Internal-Debug", "JWT_ISS": ISSUER, "JWT_AUD": AUDIENCE,
                    "TLS_CIPHERSUITE": "TLS_AES_128_GCM_SHA256", "TLS_GROUPS": "X25519:P-256", "CONFIG_GEN": "0"}
        self._certificates()
        self._keys()
        for alg in ("ES256", "RS256"):
            self._tokens(alg, tokens)

    def path(self, name):
        return os.path.join(self.dir, name)

    def _ec_key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", self.path(name))

    def _certificates(self):
        self._ec_key("ca.key")
        openssl("req", "-x509", "-new", "-key", self.path("ca.key"), "-sha256", "-days", "30", "-subj", "/CN=bench CA",
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
                "-out", self.path("ca.pem"))
        for name, subject, names, usage in (("server", SERVER_NAME, f"DNS:{SERVER_NAME},IP:127.0.0.1", "serverAuth"),
                                            ("upstream", UPSTREAM_NAME, f"DNS:{UPSTREAM_NAME}", "serverAuth"),
                                            ("client", CLIENT_NAME, f"DNS:{CLIENT_NAME}", "clientAuth")):
            key, cert = self.path(f"{name}.key"), self.path(f"{name}.pem")
            self._ec_key(f"{name}.key")
            request = openssl("req", "-new", "-key", key, "-subj", f"/CN={subject}")
            extensions = write(self.path(f"{name}.ext"), f"basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\n"
                                                         f"extendedKeyUsage={usage}\nsubjectAltName={names}\n")
            openssl("x509", "-req", "-CA", self.path("ca.pem"), "-CAkey", self.path("ca.key"), "-CAcreateserial", "-days", "30",
                    "-sha256", "-extfile", extensions, "-out", cert, stdin=request)
            write(self.path(f"{name}-bundle.pem"), read(cert) + read(key))
            self.env[f"{name.upper()}_CERT"], self.env[f"{name.upper()}_KEY"] = cert, key
            self.env[f"{name.upper()}_BUNDLE"] = self.path(f"{name}-bundle.pem")
        self.env["CA"] = self.path("ca.pem")

    def _keys(self):
        self._ec_key("ES256.key")
        openssl("genrsa", "-out", self.path("RS256.key"), "2048")
        for alg in ("ES256", "RS256"):
            openssl("pkey", "-in", self.path(f"{alg}.key"), "-pubout", "-out", self.path(f"{alg}.pub.pem"))
            self.env[f"JWT_{alg}_PUB"] = self.path(f"{alg}.pub.pem")
        point = openssl("pkey", "-pubin", "-in", self.path("ES256.pub.pem"), "-outform", "DER")[-64:]
        modulus = int(openssl("rsa", "-pubin", "-in", self.path("RS256.pub.pem"), "-noout", "-modulus").split(b"=")[1], 16)
        self.env["JWKS"] = write(self.path("jwks.json"), json.dumps({"keys": [
            {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": b64u(point[:32]), "y": b64u(point[32:])},
            {"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k2", "e": "AQAB", "n": b64u(modulus.to_bytes(256, "big"))}]}))

    def jwt(self, alg, claims):
        header = {"alg": alg, "typ": "JWT", "kid": "k1" if alg == "ES256" else "k2"}
        signed = ".".join(b64u(json.dumps(part, separators=(",", ":")).encode()) for part in (header, claims))
        signature = openssl("dgst", "-sha256", "-sign", self.path(f"{alg}.key"), stdin=signed.encode())
        return f"{signed}.{b64u(raw_signature(signature) if alg == 'ES256' else signature)}"

    def _tokens(self, alg, count):
        now = int(time.time())
        good = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + 6 * 3600, "iat": now}
        tokens = [self.jwt(alg, {**good, "sub": f"user-{i:04d}", "jti": f"{alg}-{i:028d}"}) for i in range(count)]
        self.env[f"TOKENS_{alg}"] = write(self.path(f"tokens_{alg}.txt"), "".join(f"Bearer {t}\n" for t in tokens))
        head, claims, signature = tokens[0].split(".")
        forged = b64u(json.dumps({**good, "sub": "admin"}).encode())
        flipped = bytearray(base64.urlsafe_b64decode(signature + "=="))
        flipped[len(flipped) // 2] ^= 1
        bad = {"changed signature": f"{head}.{claims}.{b64u(bytes(flipped))}", "changed claims": f"{head}.{forged}.{signature}",
               "alg none": b64u(b'{"alg":"none","typ":"JWT"}') + f".{claims}.",
               "expired": self.jwt(alg, {**good, "exp": now - 3600}), "issuer": self.jwt(alg, {**good, "iss": "https://evil.test/"}),
               "audience": self.jwt(alg, {**good, "aud": "other"})}
        self.env[f"BAD_TOKENS_{alg}"] = write(self.path(f"bad_tokens_{alg}.json"), json.dumps(bad))

    def shield(self, cidrs, routes, origins, name="shield"):
        """An address list whose last entry is 127.0.0.1, a route table over `origins` ({cluster: host:port}), paths to ask for."""
        dice, networks = random.Random(20), set()
        while len(networks) < cidrs - 1:
            first = dice.randint(1, 223)
            if first not in (10, 127, 169, 172, 192):
                networks.add(ipaddress.ip_network((f"{first}.{dice.randint(0, 255)}.{dice.randint(0, 255)}.{dice.randint(0, 255)}",
                                                   dice.choice((16, 20, 22, 24, 24, 24, 28, 32))), strict=False))
        lines = [str(n) for n in sorted(networks)] + ["127.0.0.1/32"]
        table = [(f"/svc{i:03d}/", sorted(origins)[i % len(origins)]) for i in range(routes)]
        return {"CIDR_FILE": write(self.path(f"{name}-cidrs.txt"), "\n".join(lines) + "\n"),
                "ROUTES_FILE": write(self.path(f"{name}-routes.tsv"), "".join(f"{p}\t{c}\t{origins[c]}\n" for p, c in table)),
                "PATHS_FILE": write(self.path(f"{name}-paths.txt"), "".join(f"{p}items/{i}\n" for i, (p, _) in enumerate(table)))}
