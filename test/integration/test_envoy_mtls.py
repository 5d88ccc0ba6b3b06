# SPDX-License-Identifier: GPL-2.0-or-later
"""Client certificates beside a real Envoy: who is let in by which validation_context, and what x-forwarded-client-cert says of
him. What is meant to differ is in docs/envoy-differences.md and not asked here."""
import base64
import hashlib
import json
import re
import unittest

import test_envoy
from echo import Echo
from harness import Sallyport, _openssl, ca, cert, cluster, config, curl, downstream_tls, free_port, listener, route_to, work
from mtls import Revoker, put

MODES = ("SANITIZE", "FORWARD_ONLY", "APPEND_FORWARD", "SANITIZE_SET", "ALWAYS_FORWARD_ONLY")


def fingerprint(name):
    der = _openssl("x509", "-in", cert(name)[0], "-outform", "DER").stdout
    return hashlib.sha256(der).hexdigest()


def pin(name):
    key = _openssl("x509", "-in", cert(name)[0], "-noout", "-pubkey").stdout
    der = _openssl("pkey", "-pubin", "-outform", "DER", stdin=key).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def san(kind, **matcher):
    return {"san_type": kind, "matcher": matcher}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class MutualTls(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        ca("clients")
        cert("door", san="DNS:localhost,DNS:door.test,URI:spiffe://door.test/edge,URI:urn:two")
        cert("full", san="DNS:a.client.test,DNS:*.wild.test,URI:spiffe://client.test/a,URI:urn:b,email:a@client.test,"
             "IP:192.0.2.7,IP:2001:db8::7,otherName:1.3.6.1.4.1.311.20.2.3;UTF8:a@corp.test", by="clients")
        cert("bare", san="DNS:bare.client.test", by="clients")
        cert("upper", san="DNS:Upper.Client.Test", by="clients")
        cert("old", by="clients", days="-1")
        cert("stranger", by="ca")
        cls.make_chain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.stop()

    @classmethod
    def make_chain(cls):
        """An intermediate of "clients", a client below it, and both in one file."""
        w = work
        for name in ("inter", "below"):
            _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", w(name + ".key"))
            _openssl("req", "-new", "-key", w(name + ".key"), "-out", w(name + ".csr"), "-subj", f"/O=Below, Inc./CN={name}")
        put("inter.ext", "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
        put("below.ext", "subjectAltName=URI:spiffe://client.test/below\nextendedKeyUsage=clientAuth\n")
        for name, by in (("inter", "clients"), ("below", "inter")):
            _openssl("x509", "-req", "-in", w(name + ".csr"), "-CA", w(by + ".pem"), "-CAkey", w(by + ".key"), "-CAcreateserial",
                     "-out", w(name + ".pem"), "-extfile", w(name + ".ext"), "-days", "30")
        put("chain.pem", open(w("below.pem")).read() + open(w("inter.pem")).read())
        put("chain.key", open(w("below.key")).read())

    def conf(self, validation=None, require=False, hcm=None):
        tls = downstream_tls("door", client_ca=ca("clients"), require=require, alpn=("http/1.1",))
        if validation is not None:
            tls["typed_config"]["common_tls_context"]["validation_context"] = validation
        return config([listener(1, [route_to("o")], tls=tls, hcm=hcm)], [cluster("o", self.origin.port)])

    def both(self, conf, requests, what=""):
        """requests: (name, client or None, curl arguments)."""
        subjects = [make(test_envoy.set_port(conf, free_port())) for make in (
            lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), Sallyport)]
        try:
            for name, client, args in requests:
                with self.subTest(what + " " + name):
                    shown = ["--cert", work(client + ".pem"), "--key", work(client + ".key")] if client else []
                    answers = []
                    for s in subjects:
                        a = curl(f"https://localhost:{s.port}/", "-H", "host: a.test", *shown, *args)
                        text = json.dumps(test_envoy.seen(a), sort_keys=True, indent=1)
                        answers.append(re.sub(rf":{s.port}\b", ":PORT", text))
                    self.assertEqual(answers[0], answers[1])
        finally:
            for s in subjects:
                s.kill()

    def test_xfcc(self):
        xfcc = ["-H", "x-forwarded-client-cert: By=urn:front;Hash=abcd"]
        requests = [(f"{client} {'header' if args else ''}", client, args) for client in (None, "full", "bare", "chain")
                    for args in ([], xfcc)]
        everything = {"subject": True, "cert": True, "chain": True, "dns": True, "uri": True}
        for mode in MODES:
            for details in ({}, everything) if mode in ("APPEND_FORWARD", "SANITIZE_SET") else ({},):
                with self.subTest(f"{mode} {details}"):
                    self.both(self.conf(hcm={"forward_client_cert_details": mode,
                                             "set_current_client_cert_details": details}), requests)

    def test_who_is_good(self):
        trusted = {"trusted_ca": {"filename": ca("clients")}}
        spki, digest = pin("full"), fingerprint("full")
        lists = Revoker("clients")
        good = put("good.crl", lists.list())
        lists.revoke("bare")
        bad, late = put("bad.crl", lists.list()), put("late.crl", lists.old())
        names = lambda *m: {**trusted, "match_typed_subject_alt_names": list(m)}
        clients = [(str(c), c, []) for c in (None, "full", "bare", "upper", "old", "stranger", "chain")]
        for name, validation in (
                ("ca", trusted),
                ("dns", names(san("DNS", exact="a.client.test"))),
                ("dns of another case", names(san("DNS", exact="upper.client.test"))),
                ("dns by wildcard", names(san("DNS", exact="x.wild.test"))),
                ("dns by wildcard, two labels", names(san("DNS", exact="x.y.wild.test"))),
                ("dns suffix", names(san("DNS", suffix=".client.test"))),
                ("uri", names(san("URI", prefix="spiffe://client.test/"))),
                ("email", names(san("EMAIL", exact="a@client.test"))),
                ("ip", names(san("IP_ADDRESS", exact="192.0.2.7"))),
                ("ip6", names(san("IP_ADDRESS", exact="2001:db8::7"))),
                ("other name", names({"oid": "1.3.6.1.4.1.311.20.2.3", **san("OTHER_NAME", suffix="@corp.test")})),
                ("other name of another type", names({"oid": "1.3.6.1.4.1.311.20.2.4", **san("OTHER_NAME", suffix="@corp.test")})),
                ("one of several", names(san("URI", exact="urn:none"), san("DNS", exact="bare.client.test"))),
                ("regex", names(san("DNS", safe_regex={"regex": "[a-z]+\\.client\\.test"}))),
                ("spki", {**trusted, "verify_certificate_spki": [spki]}),
                ("hash", {**trusted, "verify_certificate_hash": [digest]}),
                ("either pin", {**trusted, "verify_certificate_spki": [pin("bare")], "verify_certificate_hash": [digest]}),
                ("name and pin", {**names(san("DNS", exact="bare.client.test")), "verify_certificate_hash": [digest]}),
                ("pins alone", {"verify_certificate_hash": [digest]}),
                ("expired allowed", {**trusted, "allow_expired_certificate": True}),
                ("depth 0", {**trusted, "max_verify_depth": 0}),
                ("depth 1", {**trusted, "max_verify_depth": 1}),
                ("crl, good", {**trusted, "crl": {"filename": good}, "only_verify_leaf_cert_crl": True}),
                ("crl, one revoked", {**trusted, "crl": {"filename": bad}}),
                ("crl, the leaf only", {**trusted, "crl": {"filename": bad}, "only_verify_leaf_cert_crl": True}),
                ("crl, late", {**trusted, "crl": {"filename": late}}),
        ):
            with self.subTest(name):
                self.both(self.conf(validation, require=True), clients, name)
        with self.subTest("optional"):
            self.both(self.conf(trusted), clients)


if __name__ == "__main__":
    unittest.main()
