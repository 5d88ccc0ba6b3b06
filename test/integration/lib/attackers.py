# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that mean no good, again and again until they are stopped: for long runs in which others have to be served meanwhile. What each
of these may do is tested elsewhere (docs/security.md); here they are noise, and none of them may get what is not its own."""
import random
import socket
import ssl
import struct
import threading
import time
from collections import Counter

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SMUGGLED = b"GET /a/smuggled HTTP/1.1\r\nhost: x\r\nx-nonce: smuggled\r\n\r\n"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name, value):
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


HEAD = b"\x82\x86" + literal(b":path", b"/a/x") + literal(b":authority", b"x")
HELLO2 = PREFACE + frame(4, 0, 0)


def streams(per_stream, n=200):
    return HELLO2 + b"".join(frame(1, 5, 2 * i + 1, HEAD) + per_stream(2 * i + 1) for i in range(n))


ATTACKS = {
    # two messages out of one
    "cl and te": b"POST /a/x HTTP/1.1\r\nhost: x\r\ncontent-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": b"POST /a/x HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\ncontent-length: 50\r\n\r\n" + SMUGGLED,
    "te of sorts": b"POST /a/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "space before the colon": b"POST /a/x HTTP/1.1\r\nhost: x\r\ncontent-length : 60\r\n\r\n" + SMUGGLED,
    "chunk of nonsense": b"POST /a/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5;\nx\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    # what is no HTTP
    "noise": bytes(random.Random(7).randrange(256) for _ in range(4000)),
    "nul": b"GET /a/\0x HTTP/1.1\r\nhost: x\r\n\r\n",
    "large head": b"GET /a/x HTTP/1.1\r\nhost: x\r\nx: " + b"x" * 200000 + b"\r\n\r\n",
    "many lines": b"GET /a/x HTTP/1.1\r\nhost: x\r\n" + b"x: y\r\n" * 5000 + b"\r\n",
    "pipeline": b"GET /none HTTP/1.1\r\nhost: x\r\n\r\n" * 300,
    # HTTP/2
    "rapid reset": streams(lambda s: frame(3, 0, s, struct.pack(">I", 8))),
    "made you reset": streams(lambda s: frame(8, 0, s, struct.pack(">I", 0))),
    "settings": HELLO2 + frame(4, 0, 0, struct.pack(">HI", 3, 100)) * 3000,
    "ping": HELLO2 + frame(6, 0, 0, b"12345678") * 3000,
    "priority": HELLO2 + b"".join(frame(2, 0, 2 * i + 1, b"\0\0\0\0\1") for i in range(3000)),
    "empty data": HELLO2 + frame(1, 4, 1, HEAD) + frame(0, 0, 1) * 3000,
    "continuation": HELLO2 + frame(1, 1, 1, HEAD) + frame(9, 0, 1, literal(b"x", b"y" * 100)) * 3000,
    "hpack": HELLO2 + frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff"),
}


class Attackers:
    """`wrong`: what somebody got that is not his."""

    def __init__(self, plain, tls, seed, pause=0.2):
        self.plain, self.tls, self.pause, self.running = plain, tls, pause, True
        self.done, self.wrong, self.random = Counter(), [], random.Random(seed)
        self.threads = [threading.Thread(target=t, daemon=True) for t in (self.attack, self.attack, self.slow, self.handshakes)]
        for t in self.threads:
            t.start()

    def connect(self, port):
        s = socket.create_connection(("127.0.0.1", port), 3)
        s.settimeout(0.3)
        return s

    def attack(self):
        names = sorted(ATTACKS)
        while self.running:
            name, got = self.random.choice(names), b""
            try:
                with self.connect(self.plain) as s:
                    s.sendall(ATTACKS[name])
                    end = time.monotonic() + 0.5
                    while time.monotonic() < end and (data := s.recv(65536)):
                        got += data
            except OSError:
                pass
            if b"smuggled" in got:
                self.wrong.append((name, got[:2000]))
            self.done[name] += 1
            time.sleep(self.pause)

    def slow(self):
        """Heads that never end, a byte at a time."""
        held = []
        while self.running:
            try:
                s = self.connect(self.plain)
                s.sendall(b"GET /a/x HTTP/1.1\r\nhost: x\r\nx: ")
                held.append(s)
            except OSError:
                pass
            for s in held[:]:
                try:
                    s.sendall(b"y")
                except OSError:
                    held.remove(s)
                    s.close()
            if len(held) > 50:
                held.pop(0).close()
            self.done["slow"] += 1
            time.sleep(self.pause)
        for s in held:
            s.close()

    def handshakes(self):
        """Begun and left, or filled with nonsense."""
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while self.running:
            try:
                s = self.connect(self.tls)
                if self.random.randrange(2):
                    s.sendall(b"\x16\x03\x01\x02\x00" + bytes(self.random.randrange(256) for _ in range(512)))
                else:
                    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
                    tls = context.wrap_bio(into, out)
                    try:
                        tls.do_handshake()
                    except ssl.SSLWantReadError:
                        s.sendall(out.read())
                if self.random.randrange(2):
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                s.close()
            except OSError:
                pass
            self.done["handshake"] += 1
            time.sleep(self.pause)

    def stop(self):
        self.running = False
        for t in self.threads:
            t.join()
