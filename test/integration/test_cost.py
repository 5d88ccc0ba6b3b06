# SPDX-License-Identifier: GPL-2.0-or-later
"""What a refused request costs the door, beside one that it serves: processor time, and nothing behind the gate is touched.

Served means what the door is for: TLS, the secret, a token that is verified, mutual TLS to the origin. (A bare proxy that checks nothing
and speaks plain HTTP to its origin does so little that a refusal is about half of it: reading and answering are the other half.)
"""
import subprocess
import unittest

from harness import (SECRET, SLOW, Sallyport, cluster, config, downstream_tls, free_port, good_token, jwt_filter, listener,
                     nginx_mtls, route_to, shield, upstream_tls)

REQUESTS = 20000


class Cost(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_mtls()
        cls.door = Sallyport(config([listener(free_port(), [route_to("o")], filters=[shield(), jwt_filter()],
                                              tls=downstream_tls())], [cluster("o", cls.origin.port, tls=upstream_tls())]))

    @classmethod
    def tearDownClass(cls):
        cls.door.stop()
        cls.origin.stop()

    def load(self, *args):
        """Processor seconds of the door for REQUESTS requests."""
        before = self.door.cpu()
        p = subprocess.run(["h2load", "-n", str(REQUESTS), "-c", "8", "-t", "1", *args, f"https://127.0.0.1:{self.door.port}/echo"],
                           capture_output=True, text=True, timeout=120 * SLOW, check=True)
        self.assertIn(f"{REQUESTS} done", p.stdout)
        return self.door.cpu() - before, p.stdout

    def compare(self, *protocol):
        headers = ["-H", f"authorization: Bearer {good_token()}"]
        # The better of two rounds each: another program's caches should not decide.
        served, refused = [], []
        for _ in range(2):
            seconds, out = self.load(*protocol, *headers, "-H", f"x-origin-verify: {SECRET}")
            self.assertIn(f"status codes: {REQUESTS} 2xx", out)
            served.append(seconds)
            before = self.door.stats()
            seconds, out = self.load(*protocol, *headers, "-H", "x-origin-verify: " + "wrong" * 6)
            self.assertIn(f"{REQUESTS} 4xx", out)
            refused.append(seconds)
            after = self.door.stats()
            self.assertEqual(after["http.test.origin_shield.refused"] - before["http.test.origin_shield.refused"], REQUESTS)
            for name in after:
                if name.startswith(("http.test.jwt_authn.", "cluster.o.upstream_rq", "cluster.o.upstream_cx_total")) or \
                        name == "http.test.no_route":
                    self.assertEqual(after[name], before.get(name, 0), f"a refused request changed {name}")
        ratio = min(refused) / min(served)
        print(f"       {' '.join(protocol) or 'h2'}: served {min(served):.2f} s, refused {min(refused):.2f} s, ratio {ratio:.2f}")
        self.assertLessEqual(ratio, 0.3)

    def test_http2(self):
        self.compare("-m", "10")

    def test_http1(self):
        self.compare("--h1")
