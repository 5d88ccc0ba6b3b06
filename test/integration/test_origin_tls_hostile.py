# SPDX-License-Identifier: GPL-2.0-or-later
"""Origins that mean harm, seen from TLS: alerts at any time, second handshakes, endless tickets and key updates, giant chains, records
and hellos that are none, handshakes that crawl, and answers that end before their end. Each costs its own request at most."""
import json
import os
import random
import socket
import ssl
import subprocess
import threading
import time
import unittest

import test_envoy
from harness import SLOW, Sallyport, T, _openssl, ca, cert, cluster, config, connects, curl, free_port, listener, nginx_plain, route_to, upstream_tls, wait_for, work
from hostile_tls import message, record
from mtls import put

TLS12 = b"\x03\x03"
ALERTS = {40: "handshake failure", 42: "bad certificate", 48: "unknown CA", 80: "internal error", 112: "unrecognized name"}


def server_hello(version=TLS12, cipher=b"\xc0\x2b", compression=0, extensions=b"", session=b""):
    return message(2, version + os.urandom(32) + bytes([len(session)]) + session + cipher + bytes([compression]) +
                   (len(extensions).to_bytes(2, "big") + extensions if extensions else b""))


class Raw:
    """Accepts, reads what comes first, and does `act` with the socket; counts its visits."""

    def __init__(self, act, context=None):
        self.act, self.context, self.visits = act, context, 0
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            self.visits += 1
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        try:
            c.settimeout(20 * SLOW)
            if self.context:
                c = self.context.wrap_socket(c, server_side=True)
            c.recv(16384)
            self.act(c)
        except OSError:
            pass
        finally:
            c.close()

    def kill(self):
        self.s.close()


def context(version=None):
    x = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    x.load_cert_chain(*cert("hostile"))
    if version:
        x.minimum_version = x.maximum_version = version
    return x


def cut(c, *parts):
    """Sends, and ends TCP without a close_notify."""
    for p in parts:
        c.sendall(p)
    s = socket.socket(fileno=c.detach())
    s.shutdown(socket.SHUT_WR)
    s.close()


def end(c, *parts):
    for p in parts:
        c.sendall(p)
    try:
        c.unwrap()
    except OSError:
        pass


def log():
    return [{"name": "file", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": work("hostile.log"), "log_format": {"json_format": {
            "flags": "%RESPONSE_FLAGS%", "why": "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "status": "%RESPONSE_CODE%"}}}}]


class Base(unittest.TestCase):
    def setUp(self):
        self.plain = nginx_plain()
        self.addCleanup(self.plain.kill)

    def door(self, port, make=None, connect="2s", **tls):
        """Beside the hostile origin a plain one, which is always served."""
        o = cluster("o", port, tls=upstream_tls(client=None, **tls))
        o["connect_timeout"] = connect
        if os.path.exists(work("hostile.log")):
            os.remove(work("hostile.log"))
        door = (make or (lambda c: Sallyport(c, concurrency=1)))(config(
            [listener(free_port(), [route_to("echo", "/echo"), route_to("o")], hcm={"access_log": log()})], [o, cluster("echo", self.plain.port)]))
        self.addCleanup(door.kill if make else lambda: self.assertEqual(door.stop(), 0))
        return door

    def well(self, door):
        self.assertEqual(curl(f"http://localhost:{door.port}/echo").status, 200)

    @staticmethod
    def get(door, *args):
        return curl(f"http://localhost:{door.port}/", *args)

    def last(self, n=1):
        lines = lambda: open(work("hostile.log")).read().splitlines() if os.path.exists(work("hostile.log")) else []
        wait_for("the log", lambda: len(lines()) >= n)
        return json.loads(lines()[-1])


class Handshakes(Base):
    def test_alerts(self):
        for code, name in ALERTS.items():
            for before in (b"", server_hello()):
                o = Raw(lambda c, b=before, k=code: c.sendall(b + record(21, bytes([2, k]))))
                door = self.door(o.port)
                self.assertEqual(self.get(door).status, 503)
                line = self.last()
                self.assertEqual((line["flags"], line["why"]), ("UF", f'TLS error: the peer sent the alert "{name}"'))
                self.assertEqual(door.stat("cluster.o.ssl.connection_error"), 1)
                self.well(door)
                o.kill()

    def test_what_is_no_handshake(self):
        """Random bytes, hellos that are odd in each field, records of any type, size and version: no crash, one 503 each."""
        rnd = random.Random(7)
        good = server_hello(extensions=b"\xff\x01\x00\x01\x00")
        odd = [b"HTTP/1.1 200 OK\r\n\r\n", b"\x00" * 100, record(22, b""), record(23, b"data"), record(20, b"\x01"), record(99, b"x"),
               server_hello(compression=1), server_hello(cipher=b"\x00\x00"), server_hello(cipher=b"\x13\x01"), server_hello(version=b"\x03\x01"),
               server_hello(version=b"\x03\x00"), server_hello(session=b"s" * 32), server_hello(session=b"s" * 33),
               server_hello(extensions=b"\x00\x05\x00\x00"), server_hello(extensions=b"\x00\x23\x00\x00"),
               server_hello(extensions=b"\x00\x10\x00\x05\x00\x03\x02h2"), server_hello(extensions=b"\xff\x01\x00\x05\x04abcd"),
               b"\x16\x03\x03\xff\xff" + b"x" * 65535, record(22, b"\x02\xff\xff\xff" + b"x" * 10000) * 20, record(22, b"") * 5000,
               record(21, b"\x01\x5a") * 5000, good + message(0, b"") * 5000, good + message(11, b"\x00\x00\x00"), good + message(14, b""),
               good + message(22, b"\x01\x00\x00\x03abc"), good + good, message(4, b"\x00\x00\x00\x00\x00\x00"), message(1, b"hello")]
        for _ in range(60):
            b = bytearray(good)
            for _ in range(rnd.randrange(1, 6)):
                b[rnd.randrange(len(b))] = rnd.randrange(256)
            odd.append(bytes(b[:rnd.randrange(5, len(b) + 1)]))
        at = iter(odd)
        o = Raw(lambda c: c.sendall(next(at)))
        self.addCleanup(o.kill)
        door = self.door(o.port, connect="1s")
        for i, what in enumerate(odd):
            with self.subTest(i, what=what[:40]):
                self.assertEqual(self.get(door).status, 503)
        self.well(door)
        self.assertEqual(door.stat("cluster.o.upstream_cx_active"), 0)

    def test_handshakes_that_crawl(self):
        """connect_timeout is of the whole handshake, whatever moves meanwhile."""
        crawl = server_hello() + message(11, b"\x00\x40\x00" + b"c" * 0x4000)

        def drip(c):
            for b in crawl:
                c.sendall(bytes([b]))
                time.sleep(0.05)
        for act in (lambda c: time.sleep(10), drip, lambda c: (c.sendall(server_hello()), time.sleep(10))):
            o = Raw(act)
            door = self.door(o.port, connect="0.7s")
            began = time.monotonic()
            self.assertEqual(self.get(door).status, 503)
            self.assertLess(time.monotonic() - began, 5 * SLOW)
            self.assertEqual(self.last()["flags"], "UF")
            self.assertEqual(door.stat("cluster.o.upstream_cx_connect_timeout"), 1)
            self.well(door)
            o.kill()

    def test_giant_chains(self):
        """A peer may send nine certificates, and a handshake has 128 KB for all it says."""
        cert("hostile")
        for n, status in ((8, 200), (9, 503), (60, 503), (400, 503)):
            chain = put(f"chain-{n}.pem", open(ca()).read() * n)
            port = free_port()
            p = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", cert("hostile")[0], "-cert_chain", chain, "-key",
                                  cert("hostile")[1], "-www"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            wait_for("s_server", lambda: connects(port))
            door = self.door(port, connect="10s")
            self.assertEqual((n, self.get(door).status), (n, status))
            self.assertEqual((self.last()["why"] is None), status == 200)
            self.well(door)
            p.kill()
            p.wait()
            p.stdin.close()


class S_server(Base):
    def start(self, *args):
        port = free_port()
        self.p = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", cert("hostile")[0], "-key", cert("hostile")[1], *args],
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_for("s_server", lambda: connects(port))

        def stop():
            self.p.kill()
            self.p.wait()
            self.p.stdin.close()
            self.p.stdout.close()
        self.addCleanup(stop)
        return port

    def say(self, what):
        self.p.stdin.write(what)
        self.p.stdin.flush()

    def test_renegotiation(self):
        """It begins a second handshake while we wait for an answer: the request fails, and the door does not."""
        for key in (b"r\n", b"R\n"):
            door = self.door(self.start("-tls1_2"))
            got = []
            t = threading.Thread(target=lambda: got.append(self.get(door, "--max-time", "5")))
            t.start()
            wait_for("the request", lambda: door.stat("cluster.o.upstream_rq_active"))
            time.sleep(0.2)
            self.say(key)
            t.join()
            self.assertNotEqual(got[0].status, 200)
            self.well(door)

    def test_key_updates(self):
        """Some are answered; a flood of them is the end of the connection."""
        door = self.door(self.start("-tls1_3"))
        got = []
        t = threading.Thread(target=lambda: got.append(self.get(door, "--max-time", "20")))
        t.start()
        wait_for("the request", lambda: door.stat("cluster.o.upstream_rq_active"))
        for _ in range(100):
            try:
                self.say(b"K\n")
            except OSError:
                break
        t.join()
        self.assertNotEqual(got[0].status, 200)
        self.well(door)

    def test_tickets(self):
        """As many as a server may send are taken, one is kept for each slot; more than 32 in a row end the connection."""
        for n, status in ((0, 200), (30, 200), (200, 503)):
            door = self.door(self.start("-www", "-tls1_3", "-num_tickets", str(n)))
            self.assertEqual((n, self.get(door).status), (n, status))
            self.assertEqual(self.get(door).status, 200)  # where a session is resumed openssl gives one
            self.well(door)

    def test_memory(self):
        """Two hundred connections that bring thirty tickets each."""
        door = self.door(self.start("-www", "-tls1_3", "-num_tickets", "30"))
        rss = lambda: int(open(f"/proc/{door.p.pid}/statm").read().split()[1]) * 4096
        for _ in range(40):
            self.get(door)
        before = rss()
        for _ in range(160):
            self.get(door)
        self.assertLess(rss() - before, (4 if SLOW == 1 else 64) << 20)  # a sanitizer keeps what is freed


CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"
BARE = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nhello"
LENGTH = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"


class Truncation(Base):
    """Where only TLS says that an answer is whole, an end without close_notify is none."""

    def answers(self, make=None):
        got = {}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for what, data, how in (("chunked, cut", CHUNKED, cut), ("chunked, closed", CHUNKED, end), ("chunked, whole, cut", CHUNKED + b"0\r\n\r\n", cut),
                                    ("by length, cut", LENGTH, cut), ("by length, whole, cut", LENGTH + b"12345", cut),
                                    ("by length, closed", LENGTH, end), ("by the end, closed", BARE, end), ("by the end, cut", BARE, cut),
                                    ("a head, cut", b"HTTP/1.1 200 OK\r\ncontent-le", cut), ("nothing, cut", b"", cut), ("nothing, closed", b"", end)):
                o = Raw(lambda c, d=data, h=how: h(c, d), context(version))
                door = self.door(o.port, make, tls_params={"tls_maximum_protocol_version": "TLSv1_3"})
                p = subprocess.run(["curl", "-s", "-o", work("cut.out"), "-w", "%{http_code}", "--max-time", str(10 * SLOW), f"http://localhost:{door.port}/"],
                                   capture_output=True, text=True, check=False)
                whole = p.returncode == 0
                got[version.name, what] = (p.stdout if whole else "", whole)  # a head may have gone out before it was cut, or not
                door.kill()
                o.kill()
        return got

    def test_beside_envoy(self):
        cert("hostile")
        ours = self.answers(lambda c: Sallyport(c, concurrency=1))
        for version in ("TLSv1_2", "TLSv1_3"):
            for what, expected in (("chunked, cut", ("", False)), ("chunked, closed", ("", False)), ("chunked, whole, cut", ("200", True)),
                                   ("by length, cut", ("", False)), ("by length, closed", ("", False)), ("by length, whole, cut", ("200", True)),
                                   ("by the end, closed", ("200", True)), ("by the end, cut", ("", False)),
                                   ("a head, cut", ("503", True)), ("nothing, cut", ("503", True)), ("nothing, closed", ("503", True))):
                self.assertEqual((version, what, ours[version, what]), (version, what, expected))
        if not test_envoy.find_envoy():
            return
        envoy = self.answers(lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c))
        differs = {k[1]: v for k, v in envoy.items() if v != ours[k]}
        self.assertEqual(differs, {"by the end, cut": ("200", True), "a head, cut": ("502", True)})  # docs/envoy-differences.md


if __name__ == "__main__":
    unittest.main()
