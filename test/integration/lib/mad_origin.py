# SPDX-License-Identifier: GPL-2.0-or-later
"""Origins that keep to no protocol: by chance, from a seed, they answer with anything, at any time, and end anyhow."""
import random
import re
import socket
import struct
import time

import hpack

from tcp_origin import TcpOrigin

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def mutate(r, data):
    data = bytearray(data)
    for _ in range(r.randrange(4) if data else 0):
        at = r.randrange(len(data) + 1)
        data[at:at + r.choice((0, 0, 1, 4))] = r.choice((b"", r.randbytes(r.randrange(1, 5)), bytes(data[max(0, at - 20):at])))
    return bytes(data)


def h1(status, *lines, body=b"", length=None):
    return b"".join((b"HTTP/1.1 %d X\r\n" % status, *(x + b"\r\n" for x in lines),
                     b"content-length: %d\r\n\r\n" % (len(body) if length is None else length), body))


def answer(r):
    """Of HTTP/1: good ones, odd ones, and such that are none."""
    pick = r.choice
    nonsense = pick((b"0", b"-1", b"9" * 20, b"4294967295", b"1", b" 1 , 2", b"Wed, 21 Oct 2015 07:28:00 GMT", b"\xff", b""))
    return pick((
        lambda: OK, lambda: OK + OK, lambda: OK + b"x", lambda: h1(503), lambda: h1(421), lambda: h1(409), lambda: h1(503, b"connection: close"),
        lambda: h1(503, b"retry-after: " + nonsense, b"x-reset: " + nonsense),
        lambda: h1(429, b"x-envoy-ratelimited: true", b"x-reset: %d" % (time.time() + 1)),
        lambda: b"HTTP/1.1 103 E\r\nlink: <a>\r\n\r\n" * pick((1, 7, 20, 1000)) + OK,
        lambda: b"HTTP/1.1 100 C\r\n\r\n" * pick((1, 20, 1000)) + h1(503),
        lambda: b"HTTP/1.1 102 P\r\nx: " + b"y" * 30000 + b"\r\n\r\n" + OK,
        lambda: b"HTTP/1.1 101 S\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n" + b"junk" * 100,
        lambda: h1(200, b"a: " + b"b" * pick((10, 70000, 200000))),
        lambda: h1(200, *[b"a%d: b" % i for i in range(pick((99, 150, 5000)))]),
        lambda: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"5\r\nhello\r\n" * r.randrange(5) + pick((
            b"0\r\n\r\n", b"zz\r\n", b"f" * 18 + b"\r\n", b"5;" + b"e" * 20000 + b"\r\n", b"0\r\n" + b"t: x\r\n" * 2000 + b"\r\n", b"")),
        lambda: b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n0\r\n\r\n",
        lambda: b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhelloo",
        lambda: b"HTTP/1.0 200 OK\r\n\r\n" + b"z" * pick((0, 10, 100000)),
        lambda: h1(200, body=b"z" * pick((0, 10, 999999)), length=pick((1000000, 10 ** 23))),
        lambda: h1(204, length=5) + b"hello", lambda: h1(200, b"content-type: application/grpc", b"grpc-status: 14"),
        lambda: h1(302, b"location: " + pick((b"/", b"//evil/", b"http://x/" + b"a" * 10000, b"\x01"))),
        lambda: r.randbytes(r.randrange(1, 200)), lambda: b"\r\n" * pick((1, 100000)), lambda: frame(4, 0, 0, b"\0\4\xff\xff\xff\xff") * 20,
        lambda: b"HTTP/1.1 999 X\r\ncontent-length: 0\r\n\r\n", lambda: b"HTTP/1.1 000 X\r\n\r\n", lambda: b"HTTP/1.1 199 X\r\n\r\n"))()


class Mad(TcpOrigin):
    """Of HTTP/1."""

    def __init__(self, seed):
        self.seed = seed
        super().__init__()

    def serve(self, c):
        r = random.Random(self.seed * 1000 + len(self.open))
        c.settimeout(20)
        if r.random() < 0.1:  # nobody has asked yet
            c.sendall(mutate(r, answer(r)))
        data = b""
        while True:
            if r.random() < 0.85:
                head, data = self.head(c, data)
                if head is None:
                    return
                if r.random() < 0.6:
                    length = re.search(rb"content-length: (\d+)", head)
                    data = self.drop(c, data, int(length[1]) if length else 0)
            if not self.respond(c, r):
                return

    @staticmethod
    def drop(c, data, n):
        while len(data) < n:
            piece = c.recv(65536)
            if not piece:
                raise ConnectionError
            data += piece
        return data[n:]

    @staticmethod
    def respond(c, r):
        what, how = r.random(), r.random()
        if what < 0.12:
            if what < 0.06:
                reset(c)
            return False
        if what < 0.15:
            time.sleep(r.random())
        out = answer(r)
        if r.random() < 0.3:
            out = mutate(r, out)
        cut = r.randrange(len(out) + 1)
        if how < 0.15:
            c.sendall(out[:cut])
            time.sleep(r.random() * 0.05)
            if how < 0.08:
                reset(c)
                return False
            out = out[cut:]
        elif how < 0.25:
            for i in range(min(len(out), 300)):
                c.sendall(out[i:i + 1])
            out = out[300:]
        elif how < 0.28:
            end = time.monotonic() + r.random()
            while time.monotonic() < end:
                c.sendall(out * 10)
        c.sendall(out)
        return r.random() < 0.9


def frame(kind, flags, stream, payload):
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + (stream & 0x7fffffff).to_bytes(4, "big") + payload


def u32(n):
    return struct.pack(">I", n)


class Mad2(Mad):
    """Of HTTP/2, with prior knowledge."""

    def serve(self, c):
        r, self_hpack = random.Random(self.seed * 1000 + len(self.open)), hpack.Encoder()
        c.settimeout(20)
        c.sendall(frame(4, 0, 0, b"".join(struct.pack(">HI", r.choice((1, 3, 4, 5, 6, 8)), r.choice((0, 1, 100, 65535, 16384)))
                                          for _ in range(r.randrange(3)))))
        data = self.drop(c, b"", 24)
        while True:
            while len(data) < 9 or len(data) < 9 + int.from_bytes(data[:3], "big"):
                piece = c.recv(65536)
                if not piece:
                    return
                data += piece
            n, kind, flags = int.from_bytes(data[:3], "big"), data[3], data[4]
            stream, payload, data = int.from_bytes(data[5:9], "big") & 0x7fffffff, data[9:9 + n], data[9 + n:]
            if kind in (4, 6) and not flags & 1:
                c.sendall(frame(kind, 1, 0, payload if kind == 6 else b""))
            elif kind == 0 and n:
                c.sendall(frame(8, 0, 0, u32(n)) + frame(8, 0, stream, u32(n)))
            elif kind == 1:
                out = self.frames(r, self_hpack, stream if r.random() < 0.95 else r.choice((0, stream + 2, stream + 1, 2)))
                if out is None:
                    return
                c.sendall(mutate(r, out) if r.random() < 0.15 else out)

    @staticmethod
    def frames(r, encoder, stream):
        pick = r.choice

        def head(end, *fields, status=b"200"):
            block, flag = encoder.encode([(b":status", status), *fields]), 1 if end else 0
            at = r.randrange(1, len(block)) if len(block) > 3 and r.random() < 0.2 else 0
            return frame(1, flag, stream, block[:at]) + frame(9, 4, stream, block[at:]) if at else frame(1, 4 | flag, stream, block)
        status = pick((b"200", b"200", b"200", b"503", b"409", b"429", b"103", b"101", b"100", b"421", b"99", b"abc", b"1000", b"204"))
        return pick((
            lambda: frame(3, 0, stream, u32(r.randrange(20))),
            lambda: frame(7, 0, 0, u32(pick((0, stream, max(stream - 2, 0), 0x7fffffff))) + u32(r.randrange(14)) + b"d" * r.randrange(50)),
            lambda: b"".join(head(False, (b"l", b"y" * pick((1, 5000))), status=b"103") for _ in range(pick((1, 5, 17, 300)))),
            lambda: head(True, status=status),
            lambda: head(False, (b"content-length", b"5"), status=status) + frame(0, pick((0, 1)), stream, b"hello" * pick((1, 1, 2))),
            lambda: head(False) + frame(0, 0, stream, b"h" * 100) + frame(1, 5, stream, encoder.encode([(b"grpc-status", b"14")])),
            lambda: frame(0, 1, stream, b"early"), lambda: frame(8, 0, pick((0, stream)), u32(pick((0, 1, 0x7fffffff)))),
            lambda: frame(4, 0, 0, struct.pack(">HI", pick((1, 3, 4, 5)), pick((0, 1, 16384, 0xffffffff)))) * pick((1, 50, 2000)),
            lambda: frame(6, 0, 0, b"12345678") * pick((1, 5000)), lambda: r.randbytes(r.randrange(1, 60)), lambda: None,
            lambda: head(True, (b"Bad", b"x"), (b"x\0", b"y")),
            lambda: head(True, *[(b"a%d" % i, b"b" * 100) for i in range(pick((5, 200, 2000)))]),
            lambda: frame(5, 4, stream, u32(2) + encoder.encode([(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"http"), (b":authority", b"a")])),
            lambda: head(False) + frame(0, 0, stream, b"") * pick((1, 100, 20000)), lambda: head(False)[:r.randrange(1, 9)],
            lambda: frame(7, 0, 0, u32(stream) + u32(0)) + head(True),
            lambda: frame(1, 0, stream, encoder.encode([(b":status", b"200")])) + frame(9, 0, stream, b"") * pick((1, 10, 5000)),
            lambda: head(False) + frame(0, 1, stream, b"x" * pick((0, 1, 16384)))))()
