# SPDX-License-Identifier: GPL-2.0-or-later
"""An answer that comes before its request was sent: the client must see it, though it is still sending. If it sends far more than
we take, it may be cut off, but must not be left waiting."""
import os
import unittest

from harness import SECRET, Nginx, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, route_to, shield, work

TIMES = 20
KIB = 1024
# An upload that goes on and on is cut off in the end, and curl says so: sending or receiving failed, the stream was closed.
CUT_OFF = (55, 56, 92)


class Early(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "early\\n"; }')
        tls, plain = free_port(), free_port()
        cls.door = Sallyport(config(
            [listener(tls, [route_to("o")], filters=[shield()], tls=downstream_tls()),
             listener(plain, [route_to("o")], filters=[shield()], name="plain")], [cluster("o", cls.origin.port)]))
        cls.urls = {"tls": f"https://localhost:{tls}/", "plain": f"http://localhost:{plain}/"}
        cls.bodies = {}
        for size in (100 * KIB, 10 * KIB * KIB):
            cls.bodies[size] = work(f"body-{size}")
            with open(cls.bodies[size], "wb") as f:
                f.write(os.urandom(size))

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.kill()
        assert code == 0, f"exit code {code}\n{cls.door.log()}"

    def post(self, door, version, size, secret):
        args = ["-H", f"x-origin-verify: {SECRET}"] if secret else []
        return curl(self.urls[door], version, "-H", "expect:", "--data-binary", f"@{self.bodies[size]}", *args)

    def small(self, door, version, secret, status, body=None):
        for i in range(TIMES):
            a = self.post(door, version, 100 * KIB, secret)
            self.assertEqual((a.status, a.code), (status, 0), f"{i}: {a}")
            if body is not None:
                self.assertEqual(a.body, body)

    def large(self, door, version, secret, status):
        for i in range(TIMES):
            a = self.post(door, version, 10 * KIB * KIB, secret)
            self.assertIn(a.code, (0, *CUT_OFF), f"{i}: {a}")
            self.assertIn(a.status, (0, status), f"{i}: {a}")
        self.assertEqual(self.post(door, version, 100 * KIB, secret).status, status)

    def test_refused_http1(self):
        self.small("plain", "--http1.1", False, 403)

    def test_refused_http1_tls(self):
        self.small("tls", "--http1.1", False, 403)

    def test_refused_http2(self):
        self.small("tls", "--http2", False, 403)

    def test_origin_http1(self):
        self.small("plain", "--http1.1", True, 200, b"early\n")

    def test_origin_http1_tls(self):
        self.small("tls", "--http1.1", True, 200, b"early\n")

    def test_origin_http2(self):
        self.small("tls", "--http2", True, 200, b"early\n")

    def test_large_refused(self):
        for door, version in (("plain", "--http1.1"), ("tls", "--http1.1"), ("tls", "--http2")):
            with self.subTest(f"{door} {version}"):
                self.large(door, version, False, 403)

    def test_large_origin(self):
        for door, version in (("plain", "--http1.1"), ("tls", "--http1.1"), ("tls", "--http2")):
            with self.subTest(f"{door} {version}"):
                self.large(door, version, True, 200)


if __name__ == "__main__":
    unittest.main()
