# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods over HTTP/2: a good client beside each of them has its answers, and in time. docs/security/floods.md; scripts/floods for long."""
import socket
import unittest

from flood_case import tests
from flood_h2 import CANCEL, DATA, GOAWAY, HEADERS, HELLO, MAX, RST, WINDOW, frame, frames, get, hear, post, send
from harness import SLOW

BAD = (
    lambda i: post(i, ("content-length", "1")) + frame(DATA, 1, i, b"12"),
    lambda i: get(i) + frame(WINDOW, 0, i, MAX),
    lambda i: post(i) + frame(HEADERS, 5, i, b"\0\3Bad\1y"),
    lambda i: get(i) + frame(RST, 0, i, bytes([0, 0, 0, CANCEL])),
    lambda i: post(i) + frame(HEADERS, 4, i, b"\0\1x\1y"),
)


class Floods(tests("h2")):
    def test_a_shared_connection(self):
        """A hundred bad streams, of each kind: the good ones beside them are answered. One more at once, and it is over."""
        with socket.create_connection(("127.0.0.1", self.target.plain), 5) as s:
            got, _ = send(s, HELLO + post(1, path="/o") + frame(DATA, 0, 1, b"half"))
            for n in range(100):
                i = 3 + 2 * n
                piece, closed = send(s, BAD[n % len(BAD)](i))
                self.assertFalse(closed, n)
                got += piece
            piece, closed = send(s, frame(DATA, 1, 1, b" and half") + get(203))
            got, closed = hear(s, got + piece, closed, 0.3 * SLOW)
            self.assertFalse(closed)
            seen = list(frames(got))
            good = {i for kind, i, _ in seen if kind == HEADERS}
            self.assertIn(1, good)
            self.assertIn(203, good)
            self.assertNotIn(GOAWAY, [kind for kind, _, _ in seen])
            got, closed = hear(s, *send(s, b"".join(BAD[0](i) for i in range(205, 505, 2))), 3 * SLOW)
            self.assertTrue(closed)
            self.assertEqual([p[4:8] for kind, _, p in frames(got) if kind == GOAWAY], [b"\0\0\0\x0b"])


if __name__ == "__main__":
    unittest.main()
