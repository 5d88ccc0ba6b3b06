# SPDX-License-Identifier: GPL-2.0-or-later
"""Clients that hold on, and operators who slip, while the config changes."""
import os
import signal
import socket
import ssl
import threading
import time
import unittest

from harness import SLOW, ca, cluster, config, curl, downstream_tls, free_port, listener, route_to, shield, wait_for, work
from live import Live


def says(text):
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}


def client_hello():
    ctx = ssl.create_default_context()
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    out = ssl.MemoryBIO()
    tls = ctx.wrap_bio(ssl.MemoryBIO(), out, server_hostname="localhost")
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return out.read()


class Drip:
    """An origin whose answers never end."""

    def __init__(self):
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port, self.ended = self.sock.getsockname()[1], 0
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        c.recv(65536)
        c.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n")
        try:
            while c.recv(65536):
                pass
        except OSError:
            pass
        self.ended += 1
        c.close()

    def stop(self):
        self.sock.close()


class Case(unittest.TestCase):
    def start(self, conf, *args):
        s = Live(conf, *args)
        self.addCleanup(s.stop)
        return s

    def connect(self, port, data=b""):
        c = socket.create_connection(("127.0.0.1", port), 10 * SLOW)
        self.addCleanup(c.close)
        c.sendall(data)
        return c


class Held(Case):
    def test_a_handshake_that_never_ends_holds_no_old_config_for_ever(self):
        port, other, hello = free_port(), free_port(), client_hello()
        proxy = [{"name": "p", "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}]

        def conf(name):
            a = listener(port, [says(name)], tls=downstream_tls(), name="tls")
            a["filter_chains"][0].update({"name": name, "transport_socket_connect_timeout": "600s"})
            b = listener(other, [says(name)], name="proxy", listener_filters=proxy, listener_filters_timeout="600s",
                         per_connection_buffer_limit_bytes=len(name) * 10000)
            return config([a, b], [])
        s = self.start(conf("one"), "--drain-time-s", "1")
        for data in (b"", hello[:20], hello):
            self.connect(port, data)
        for data in (b"", b"PROXY TCP4 192.0."):
            self.connect(other, data)
        wait_for("all to be accepted", lambda: sum(
            v for k, v in s.stats().items() if k.startswith("listener.127") and k.endswith("cx_active") and ".worker_" not in k) == 5)
        for name in ("three", "fifteen"):
            s.change(conf(name))
        wait_for("nothing to hold the old configs", lambda: s.stat("config_reload.draining_configs") == 0)
        context = ssl.create_default_context(cafile=ca())
        with context.wrap_socket(self.connect(port), server_hostname="localhost") as c:
            c.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"fifteen", c.recv(4096))

    def test_slow_readers_do_not_hold_ever_more_configs(self):
        """Each holds another old config; what these take in all has a limit."""
        origin, port = Drip(), free_port()
        self.addCleanup(origin.stop)

        def conf(n):
            door = listener(port, [{"match": {"path": "/which"}, "direct_response": {"status": 200, "body": {"inline_string": str(n)}}},
                                   route_to("o", timeout="0s")])
            return dict(config([door], [cluster("o", origin.port)]), node={"id": "x" * (32 << 20)})
        s = self.start(conf(0))
        clients = []
        for n in range(1, 12):
            clients.append(self.connect(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"))
            self.assertIn(b"200", clients[-1].recv(4096))
            s.change(conf(n))
        self.assertGreater(s.stat("config_reload.cut"), 0)
        wait_for("the oldest to be ended", lambda: origin.ended > 0)
        self.assertIn("is ended", s.log())
        wait_for("fewer old configs", lambda: s.stat("config_reload.draining_configs") < 10)
        # The last ones go on.
        self.assertGreater(s.stat("config_reload.draining_configs"), 1)
        clients[-1].setblocking(False)
        with self.assertRaises(BlockingIOError):
            clients[-1].recv(1)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/which").body, b"11")


class Names(Case):
    def test_names_forge_no_line(self):
        """A generator that took a name from somebody else."""
        evil, port = "x\nFORGED: 1\x1b[2J\u009b", free_port()
        secret = work("secret\nFORGED")
        with open(secret, "w", encoding="ascii") as f:
            f.write("s" * 32)
        gate = shield(proof={"secret_header": {"secrets": [{"name": "now", "value": {"filename": secret}}]}})
        conf = config([listener(port, [route_to(evil, "/a"), says("one")], [gate], name=evil, hcm={"stat_prefix": evil})],
                      [cluster(evil, 9), cluster("n" * 3000, 9)])
        s = self.start(conf)
        s.again(conf)
        os.unlink(secret)
        wait_for("the secret to be missed", lambda: s.stat("files.failing") == 1)
        curl(f"http://127.0.0.1:{port}/a", "-H", "x-origin-verify: " + "s" * 32)
        for page in ("/clusters", "/listeners", "/stats", "/stats/prometheus", "/files", "/secrets", "/reload", "/certs", "/" + evil.encode().hex()):
            text = s.get(page)[1]
            self.assertNotRegex(text, "(?m)^FORGED", page)
            self.assertNotIn("\x1b", text, page)
        self.assertTrue(all(line.count("::cx_active::") <= 1 for line in s.get("/clusters")[1].splitlines()))
        self.assertNotRegex(s.log(), "(?m)^FORGED")


class Ends(Case):
    def test_a_compile_that_takes_long_does_not_hold_up_the_drain(self):
        port = free_port()

        def conf(n):
            routes = [{"match": {"path": f"/{n}/{i}"}, "direct_response": {"status": 200}} for i in range(n)]
            return config([listener(port, [*routes, says("one")])], [])
        s = self.start(conf(1))
        idle = self.connect(port, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertIn(b"200", idle.recv(4096))

        def compiling():
            names = []
            for task in os.listdir(f"/proc/{s.pid}/task"):
                with open(f"/proc/{s.pid}/task/{task}/comm", encoding="ascii") as f:
                    names.append(f.read().strip())
            return "config" in names
        s.write(conf(100000))
        wait_for("the next config to be loaded", compiling)
        asked = self.connect(s.admin, b"POST /reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n")
        wait_for("the question", lambda: s.stat("http.admin.downstream_rq_active") == 2)
        s.signal(signal.SIGTERM)
        self.assertEqual(idle.recv(1), b"")
        self.assertIn(b"the process ends", asked.recv(4096))
        self.assertIn("the process ends", s.get("/reload", "POST")[1])
        self.assertTrue(compiling())
        self.assertEqual(s.wait(30), 0)


if __name__ == "__main__":
    unittest.main()
