# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples that are about TLS, run as they stand."""
import os
import unittest

from example import Example, copy
from harness import cert, nginx_plain, wait_for, work
from mtls import s_client
from test_examples import SECRET, etc, read


class TlsExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        chain, key = cert("tls-examples", san="DNS:localhost,DNS:api.example.com")
        copy(chain, "door.pem")
        copy(key, "door.key")
        etc("origin-secret", SECRET + "\n")
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def doors(self, text, n):
        doors = [Example(text, self.origin) for _ in range(n)]
        self.addCleanup(lambda: self.assertEqual([d.proc.stop() for d in doors], [0] * n))
        return doors

    def test_ticket_keys(self):
        def key(name, data):
            path = os.path.join(work("etc"), name)
            with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
                f.write(data)
            os.rename(path + ".new", path)

        first, second = os.urandom(80), os.urandom(80)
        for name in ("tickets-now", "tickets-next", "tickets-before"):
            key(name, first)
        a, b = self.doors(read("examples/ticket-keys/sallyport.yaml"), 2)
        reused = lambda door: s_client(door.port, sess_in="example-session").reused
        s_client(a.port, sess_out="example-session")
        self.assertTrue(reused(b))
        key("tickets-next", second)
        key("tickets-before", first)
        key("tickets-now", second)
        self.assertTrue(reused(a))
        self.assertTrue(reused(b))
        key("tickets-before", second)
        wait_for("the first key to be forgotten", lambda: not reused(b))


if __name__ == "__main__":
    unittest.main()
