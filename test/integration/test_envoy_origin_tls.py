# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS towards origins beside a real Envoy: the same origins, the same clusters, the same answers and cluster.<n>.ssl.* counters."""
import base64
import hashlib
import re
import unittest
import urllib.request

import test_envoy
from harness import (ECHO, Nginx, Sallyport, _openssl, ca, cert, cluster, config, curl, downstream_tls, free_port, listener, nginx_mtls,
                     nginx_plain, route_to, upstream_tls, wait_for, work)
from mtls import Revoker, put

V12 = {"tls_minimum_protocol_version": "TLSv1_2", "tls_maximum_protocol_version": "TLSv1_2"}
V13 = {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"}
TIMES = 3


def sans(kind, **matcher):
    return {"match_typed_subject_alt_names": [{"san_type": kind, "matcher": matcher}]}


def trusted(**more):
    return {"trusted_ca": {"filename": ca()}, **more}


def der(name):
    return _openssl("x509", "-in", cert(name)[0], "-outform", "DER").stdout


def pins(name):
    key = _openssl("pkey", "-pubin", "-outform", "DER", stdin=_openssl("x509", "-in", cert(name)[0], "-noout", "-pubkey").stdout).stdout
    return hashlib.sha256(der(name)).hexdigest(), base64.b64encode(hashlib.sha256(key).digest()).decode()


def ssl_stats(admin, prefix="cluster.o.ssl."):
    text = urllib.request.urlopen(f"http://127.0.0.1:{admin}/stats").read().decode()
    return {k[len(prefix):]: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", text, re.M)
            if k.startswith(prefix) and 0 < int(v) < 1 << 62}  # of no CA Envoy says that it never ends


def origin(name, more=""):
    chain, key = cert(name)
    return Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_session_tickets off; "
                 f"ssl_session_cache off; {more or 'ssl_protocols TLSv1.2 TLSv1.3;'} " + ECHO)


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class OriginTls(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cert("origin", san="DNS:localhost,DNS:*.wild.test,URI:spiffe://origin.test/api,email:o@origin.test,IP:127.0.0.1,IP:2001:db8::7,"
             "otherName:1.3.6.1.4.1.311.20.2.3;UTF8:o@corp.test")
        cert("rsa-origin", kind="rsa")
        cert("late-origin", days="-1")
        cert("odd-origin", by="other-ca")
        cls.key_usage("usage-origin", "keyEncipherment")
        cls.intermediate()
        cls.origins = {
            "good": origin("origin"), "rsa": origin("rsa-origin"), "late": origin("late-origin"), "odd": origin("odd-origin"),
            "usage": origin("usage-origin"), "below": Nginx("listen 127.0.0.1:$PORT ssl; ssl_certificate %s; ssl_certificate_key %s; " % (
                work("below-chain.pem"), work("below.key")) + ECHO),
            "asks": nginx_mtls("asks-origin", http="ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache off; ssl_session_tickets off;"),
            "old": origin("origin", "ssl_protocols TLSv1.2;"), "plain": nginx_plain()}

    @classmethod
    def tearDownClass(cls):
        for o in cls.origins.values():
            o.kill()

    @classmethod
    def key_usage(cls, name, usage):
        """An RSA certificate that says what its key is for."""
        cert(name, kind="rsa")
        put(name + ".ext", f"subjectAltName=DNS:localhost\nkeyUsage=critical,{usage}\nextendedKeyUsage=serverAuth\n")
        _openssl("x509", "-req", "-in", work(name + ".csr"), "-CA", work("ca.pem"), "-CAkey", work("ca.key"), "-CAcreateserial",
                 "-out", work(name + ".pem"), "-extfile", work(name + ".ext"), "-days", "30")

    @classmethod
    def intermediate(cls):
        put("middle.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
        put("below.ext", "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth\n")
        ca()
        for name, by in (("middle", "ca"), ("below", "middle")):
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", work(name + ".key"))
            _openssl("req", "-new", "-key", work(name + ".key"), "-out", work(name + ".csr"), "-subj", f"/CN={name}")
            _openssl("x509", "-req", "-in", work(name + ".csr"), "-CA", work(by + ".pem"), "-CAkey", work(by + ".key"), "-CAcreateserial",
                     "-out", work(name + ".pem"), "-extfile", work(name + ".ext"), "-days", "30")
        put("below-chain.pem", open(work("below.pem")).read() + open(work("middle.pem")).read())

    def both(self, cases):
        """cases: name: (origin, arguments of upstream_tls, fields of the UpstreamTlsContext, status)."""
        for which in cases:
            with self.subTest(which):
                name, common, fields, status = cases[which]
                common = dict(common)
                common.setdefault("tls_params", V12)
                tls = upstream_tls(**common)
                tls["typed_config"].update(fields)
                conf = lambda: config([listener(free_port(), [route_to("o")])], [cluster("o", self.origins[name].port, tls=tls)])
                got = []
                for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
                    s = make(conf())
                    try:
                        answers = [curl(f"http://localhost:{s.port}/echo") for _ in range(TIMES)]
                        done = lambda: {k: v for k, v in ssl_stats(s.admin).items()}
                        wait_for("the counters", lambda: any(k in done() for k in ("handshake", "connection_error", "fail_verify_error",
                                                                                  "fail_verify_san", "fail_verify_cert_hash")))
                        got.append(([(a.status, a.headers.get("content-type"), len(a.body) if a.status != 200 else "") for a in answers],
                                    done()))
                    finally:
                        s.kill()
                self.assertEqual(got[0], got[1])
                self.assertEqual([a[0] for a in got[1][0]], [status] * TIMES)

    def test_versions_and_algorithms(self):
        self.both({
            "TLS 1.2": ("good", {}, {}, 200), "TLS 1.3": ("good", {"tls_params": V13}, {}, 200),
            "RSA, TLS 1.2": ("rsa", {}, {}, 200), "RSA, TLS 1.3": ("rsa", {"tls_params": V13}, {}, 200),
            "a version that the origin lacks": ("old", {"tls_params": V13}, {}, 503),
            "a cipher": ("good", {"tls_params": dict(V12, cipher_suites=["ECDHE-ECDSA-AES256-GCM-SHA384"])}, {}, 200),
            "a cipher that does not fit": ("good", {"tls_params": dict(V12, cipher_suites=["ECDHE-RSA-AES256-GCM-SHA384"])}, {}, 503),
            "a curve": ("rsa", {"tls_params": dict(V12, ecdh_curves=["P-384"])}, {}, 200),
            "a curve, TLS 1.3": ("rsa", {"tls_params": dict(V13, ecdh_curves=["P-256"])}, {}, 200),
            "a signature": ("rsa", {"tls_params": dict(V12, signature_algorithms=["rsa_pkcs1_sha384"])}, {}, 200),
            "no TLS": ("plain", {}, {}, 503),
        })

    def test_chains(self):
        crl = Revoker("ca")
        clean = put("origin-clean.crl", crl.list())
        crl.revoke("rsa-origin")
        listed = put("origin-listed.crl", crl.list())
        both = {"trusted_ca": {"inline_string": open(ca()).read()}}
        check = lambda **kw: {"validation_context": trusted(**kw)}
        self.both({
            "late": ("late", {}, {}, 503), "late, and that may be": ("late", check(allow_expired_certificate=True), {}, 200),
            "of another CA": ("odd", {}, {}, 503),
            "nothing is verified": ("odd", {"validation_context": {}}, {}, 200),
            "not on the list": ("rsa", check(crl={"filename": clean}), {}, 200), "on the list": ("rsa", check(crl={"filename": listed}), {}, 503),
            "no list for the middle": ("below", check(crl={"filename": clean}), {}, 503),
            "below an intermediate": ("below", check(), {}, 200),
            "deep enough": ("below", check(max_verify_depth=2), {}, 200),
            "inline": ("good", {"validation_context": both}, {}, 200),
            "an RSA key that may not sign": ("usage", {"san": None}, {}, 503),
            "nor by default": ("usage", {"validation_context": {}}, {}, 503),
        })

    def test_key_usage_is_not_looked_at(self):
        """Envoy 1.40 goes on enforcing what this switches off."""
        tls = upstream_tls(san=None)
        tls["typed_config"]["enforce_rsa_key_usage"] = False
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", self.origins["usage"].port, tls=tls)]))
        self.assertEqual(curl(f"http://localhost:{door.port}/echo").status, 200)
        self.assertEqual(door.stop(), 0)

    def test_names_and_pins(self):
        check = lambda **kw: {"validation_context": trusted(**kw)}
        names = {
            ("DNS", "exact"): "localhost", ("URI", "exact"): "spiffe://origin.test/api", ("URI", "prefix"): "spiffe://origin.test/",
            ("EMAIL", "exact"): "o@origin.test", ("IP_ADDRESS", "exact"): "127.0.0.1", ("DNS", "suffix"): "host", ("URI", "contains"): "origin"}
        cases = {}
        for (kind, how), value in names.items():
            cases[f"{kind} {how}"] = ("good", check(**sans(kind, **{how: value})), {}, 200)
            cases[f"{kind} {how}, another"] = ("good", check(**sans(kind, **{how: value.replace("o", "x").replace("127", "128")})), {}, 503)
        other = {"match_typed_subject_alt_names": [{"san_type": "OTHER_NAME", "oid": "1.3.6.1.4.1.311.20.2.3", "matcher": {"exact": "o@corp.test"}}]}
        cases["OTHER_NAME"] = ("good", check(**other), {}, 200)
        cases["a regex"] = ("good", check(**sans("URI", safe_regex={"regex": "spiffe://[a-z.]+/api"})), {}, 200)
        cases["under a wildcard"] = ("good", check(**sans("DNS", exact="a.wild.test")), {}, 200)
        digest, spki = pins("origin")
        for field, good, bad in (("verify_certificate_hash", digest, "00" * 32), ("verify_certificate_spki", spki, pins("rsa-origin")[1])):
            cases[field] = ("good", check(**{field: [bad, good]}), {}, 200)
            cases[field + ", another"] = ("good", check(**{field: [bad]}), {}, 503)
        cases["either pin"] = ("good", check(verify_certificate_hash=["00" * 32], verify_certificate_spki=[spki]), {}, 200)
        cases["a pin of an unknown CA's"] = ("odd", {"validation_context": {"verify_certificate_hash": [pins("odd-origin")[0]]}}, {}, 200)
        self.both(cases)

    def test_client_certificates(self):
        self.both({
            "shown": ("asks", {}, {}, 200), "shown, TLS 1.3": ("asks", {"tls_params": V13}, {}, 200),
            "none, TLS 1.2": ("asks", {"client": None}, {"max_session_keys": 0}, 400),
            "of another CA": ("asks", {"client": "odd-origin"}, {"max_session_keys": 0}, 400),
        })

    def test_names_of_certificates(self):
        """certificate.<name>.expiration_unix_time_seconds: of secrets, of files, of what stands in the config; both sides."""
        chain, key = cert("origin")
        text = lambda path: {"inline_bytes": base64.b64encode(open(path, "rb").read()).decode()}
        one = {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}
        two = {"certificate_chain": text(cert("rsa-origin")[0]), "private_key": text(cert("rsa-origin")[1])}
        for what, common in (("files", {"tls_certificates": [one], "validation_context": trusted()}),
                             ("bytes", {"tls_certificates": [one, two], "validation_context": {"trusted_ca": text(ca())}}),
                             ("secrets", {"tls_certificate_sds_secret_configs": [{"name": "mine"}],
                                          "validation_context_sds_secret_config": {"name": "ours"}}),
                             ("combined", {"tls_certificates": [one], "combined_validation_context": {
                                 "default_validation_context": {}, "validation_context_sds_secret_config": {"name": "ours"}}})):
            with self.subTest(what):
                tls = downstream_tls("origin")
                tls["typed_config"]["common_tls_context"] = common
                upper = dict(common)
                if what == "bytes":  # a client shows one
                    upper["tls_certificates"] = [two]
                up = upstream_tls()
                up["typed_config"]["common_tls_context"] = upper
                conf = lambda: dict(config([listener(free_port(), [route_to("o")], tls=tls, stat_prefix="l")],
                                           [cluster("o", self.origins["good"].port, tls=up)]))
                got = []
                for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport):
                    c = conf()
                    c["static_resources"]["secrets"] = [{"name": "mine", "tls_certificate": one}, {"name": "ours", "validation_context": trusted()}]
                    s = make(c)
                    try:
                        got.append([{k: v for k, v in ssl_stats(s.admin, p).items() if k.startswith("certificate.")}
                                    for p in ("listener.l.ssl.", "cluster.o.ssl.")])
                    finally:
                        s.kill()
                self.assertEqual(got[0], got[1])
                self.assertTrue(all(got[1]), got[1])


if __name__ == "__main__":
    unittest.main()
