# SPDX-License-Identifier: GPL-2.0-or-later
"""`sallyport top` as text, as JSON, and in a terminal that another program emulates (pyte)."""
import fcntl
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import termios
import threading
import time
import unittest

import pyte

from echo import Echo
from harness import BIN, SECRET, SLOW, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, route_to, shield, wait_for, work


def top(*args, **kw):
    return subprocess.run([BIN, "top", *args], capture_output=True, text=True, timeout=60 * SLOW, check=False, **kw)


class Terminal:
    """`sallyport top` in a terminal of its own."""

    def __init__(self, *args, columns=80, lines=24, env=None):
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.environ.update({"TERM": "xterm-256color", **(env or {})})
            os.execv(BIN, [BIN, "top", *args])
        self.resize(columns, lines)

    def resize(self, columns, lines):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.screen.resize(lines, columns)

    def read(self, seconds=0.1):
        end = time.time() + seconds
        while select.select([self.fd], [], [], max(0, end - time.time()))[0]:
            try:
                data = os.read(self.fd, 65536)
            except OSError:  # the other side is closed
                return
            if not data:
                return
            self.raw += data
            self.stream.feed(data)

    def text(self):
        self.read()
        return "\n".join(line.rstrip() for line in self.screen.display)

    def until(self, words, seconds=10):
        """Text in which all of them stand; a text that begins with ! must not."""
        def look():
            text = self.text()
            return all((w[1:] not in text) if w[0] == "!" else w in text for w in words) and text
        try:
            return wait_for(repr(words), look, seconds)
        except AssertionError:
            raise AssertionError(f"{words} not on the screen:\n{self.text()}") from None

    def type(self, keys):
        os.write(self.fd, keys.encode())

    def end(self, seconds=10):
        """The exit code."""
        def gone():
            self.read(0.02)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            return (status,) if pid else None
        try:
            status, = wait_for("top to end", gone, seconds)
        finally:
            os.close(self.fd)
        return os.waitstatus_to_exitcode(status)

    def row(self, word):
        for i, line in enumerate(self.screen.display):
            if word in line:
                return i
        raise AssertionError(f"{word} is on no line:\n" + self.text())

    def color(self, word):
        y = self.row(word)
        return self.screen.buffer[y][self.screen.display[y].index(word)].fg


class Top(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        many = [cluster(f"c{i:02}", free_port()) for i in range(30)]
        down = cluster("down", free_port(), health_checks=[{"timeout": "1s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                                                            "tcp_health_check": {}}])
        cls.s = Sallyport(dict(config([listener(free_port(), [route_to("o")], filters=[shield()], tls=downstream_tls())],
                                      [cluster("o", cls.origin.port), down, *many]), stats_flush_interval="1s"))
        cls.at = ("--admin", f"127.0.0.1:{cls.s.admin}")
        cls.stopping = threading.Event()
        cls.load = threading.Thread(target=cls.keep_asking)
        cls.load.start()

    @classmethod
    def keep_asking(cls):
        while not cls.stopping.is_set():
            url = f"https://localhost:{cls.s.port}/"
            curl(url, url, "-H", f"x-origin-verify: {SECRET}")
            curl(url)

    @classmethod
    def tearDownClass(cls):
        cls.stopping.set()
        cls.load.join()
        cls.s.stop()

    def test_text(self):
        p = top(*self.at, "--once")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        lines = p.stdout.splitlines()
        self.assertRegex(lines[0], r"^sallyport \S+  LIVE  up \S+  2 workers  \d")
        self.assertRegex(lines[2], r"^\d\S* rq/s  0\.0% 5xx  32 clusters  31 of 32 hosts$")
        rows = {line.split()[0]: line.split() for line in lines if line.strip()}
        self.assertEqual((rows["down"][1], rows["o"][1]), ("0/1", "1/1"))
        self.assertGreater(float(rows["o"][2]), 0)
        self.assertGreater(float(rows["origin_shield"][3]), 0, "denied a second")
        self.assertIn("refused +", p.stdout)
        self.assertRegex(p.stdout, r"\nlocalhost +8\d +own ")
        head = next(i for i, line in enumerate(lines) if line.startswith("CLUSTER"))
        first = [line.split()[0] for line in lines[head + 1:head + 3]]
        self.assertEqual(first, ["down", "o"], "what is in trouble comes first, then what is busy")
        self.assertNotIn("\x1b", p.stdout)

    def test_json_and_batch(self):
        p = top(*self.at, "--json", "--batch", "2", "--interval", "0.3")
        self.assertEqual(p.returncode, 0, p.stderr)
        a, b = (json.loads(line) for line in p.stdout.splitlines())
        self.assertGreater(b["at_ms"], a["at_ms"])
        o = next(c for c in b["clusters"] if c["name"] == "o")
        self.assertEqual((o["hosts"], o["available"], o["error_rate"]), (1, 1, 0))

        def took():
            o = next(c for c in json.loads(top(*self.at, "--json", "--interval", "0.2").stdout)["clusters"] if c["name"] == "o")
            return o["p99_ms"] and o["p99_ms"] >= o["p50_ms"] > 0
        wait_for("quantiles of the last second", took)
        p = top("-c", self.s.config_path, "--json", "--filter", "C0", "--sort", "name", "--interval", "0.2")
        names = [c["name"] for c in json.loads(p.stdout)["clusters"]]
        self.assertEqual(names, [f"c{i:02}" for i in range(10)])
        p = top(*self.at, "--batch", "3", "--interval", "0.2")
        self.assertEqual(p.stdout.count("CLUSTER  by trouble"), 3)

    def test_not_into_a_terminal(self):
        p = top(*self.at, "--interval", "0.2")
        self.assertEqual((p.returncode, p.stdout.count("GATE OR FILTER")), (0, 1))

    def test_usage(self):
        for args, words in ((["--admin", "nowhere"], "an address"), (["--batch", "0"], "a number of times"), (["--interval", "x"], "seconds"),
                            (["file"], "no option"), (["--once=1"], "takes no value"), (["--sort", "x"], "trouble"),
                            (["--admin", "127.0.0.1:1", "-c", "x"], "not both")):
            p = top(*args)
            self.assertEqual(p.returncode, 2, args)
            self.assertIn(words, p.stderr)
        self.assertEqual(top("--help").returncode, 0)

    def test_nobody_answers(self):
        p = top("--admin", f"127.0.0.1:{free_port()}")
        self.assertEqual((p.returncode, p.stdout), (1, ""))
        self.assertIn("Connection refused", p.stderr)
        self.assertIn("--admin", p.stderr)
        p = top("--admin", f"127.0.0.1:{self.origin.port}", "--once")
        self.assertEqual(p.returncode, 1)
        self.assertIn("no sallyport", p.stderr)
        p = top("-c", work("no-such.yaml"))
        self.assertEqual(p.returncode, 1)
        with open(work("no-admin.yaml"), "w", encoding="ascii") as f:
            f.write("static_resources: {}\n")
        p = top("-c", work("no-admin.yaml"))
        self.assertEqual(p.returncode, 1)
        self.assertIn("has no admin page", p.stderr)

    def test_screen(self):
        t = Terminal(*self.at)
        text = t.until(["LIVE", "CLUSTER", "down", "origin_shield", "q quit"])
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
        t.until(["refused +"])
        self.assertEqual(t.color("down"), "red")
        self.assertEqual(t.screen.buffer[t.row("CLUSTER")][0].reverse, True)
        self.assertNotIn("c29", text)
        t.type("2")
        t.until(["CLUSTER", "!LISTENER", "!CERTIFICATE"])
        t.type("\x1b[F")
        t.until(["c29", "!down"])
        t.type("\x1b[H")
        t.until(["down", "!c29"])
        t.type("\x1b[B\x1b[6~\x1b[A\x1b[5~")
        t.until(["down"])
        t.type("/C1")
        t.until(["/C1_", "c10", "!c20", "!down"])
        t.type("9\x7f\r")
        t.until(["filter: C1", "c19", "!c20"])
        t.type("\x1b")
        t.until(["!filter: C1", "down"])
        t.type("s")
        t.until(["by rq/s"])
        t.type("3")
        t.until(["LISTENER", "door", "!CLUSTER"])
        t.type("5")
        t.until(["CERTIFICATE", "localhost"])
        t.type("6")
        t.until(["TIME", "origin_shield", "403", "GET localhost", "origin_shield_ref", "!CLUSTER"])
        t.type("?")
        t.until(["q  quit"])
        t.type("1p")
        t.until(["p goes on"])
        t.type("q")
        self.assertEqual(t.end(), 0)
        self.assertTrue(t.raw.startswith(b"\x1b[?1049h") and t.raw.endswith(b"\x1b[?1049l"), "the screen is put back")

    def test_windows(self):
        t = Terminal(*self.at, columns=132, lines=50)
        t.until(["c29", "WAIT"])
        for columns, lines, words in ((40, 10, ["CLUSTER", "HOSTS", "!WAIT"]), (24, 6, ["q quit"]), (10, 3, ["too small"]), (1, 1, ["~"]),
                                      (300, 100, ["WAIT", "c29"]), (80, 24, ["CLUSTER"])):
            t.resize(columns, lines)
            if lines > 6:
                t.type("2" if columns == 40 else "1")
            text = t.until(words)
            self.assertLessEqual(max(map(len, text.splitlines())), columns)
        os.kill(t.pid, signal.SIGTERM)
        self.assertEqual(t.end(), 0)
        self.assertTrue(t.raw.endswith(b"\x1b[?1049l"))

    def test_without_colours(self):
        for env, args in (({"NO_COLOR": "1"}, ()), ({"TERM": "dumb"}, ()), ({}, ("--no-color",))):
            t = Terminal(*self.at, *args, env=env)
            t.until(["down"])
            self.assertEqual(t.color("down"), "default")
            self.assertNotIn(b"\x1b[1;31m", t.raw)
            t.type("\x03")
            os.kill(t.pid, signal.SIGINT)
            self.assertEqual(t.end(), 0)


class Trouble(unittest.TestCase):
    def test_names_steer_no_terminal(self):
        bad = "evil\u202e\u009b31m" + "x" * 300
        s = Sallyport(config([listener(free_port(), [route_to(bad)], name="l\u0301\u4e2d")], [cluster(bad, free_port())]))
        try:
            t = Terminal("--admin", f"127.0.0.1:{s.admin}")
            text = t.until(["evil??31mxx"])
            self.assertLessEqual(max(map(len, text.splitlines())), 80)
            self.assertNotIn("\u202e".encode(), t.raw)
            self.assertNotIn("\u009b".encode(), t.raw)
            t.type("q")
            self.assertEqual(t.end(), 0)
        finally:
            s.stop()

    def test_one_that_dies_and_comes_back(self):
        path = work("top-admin.sock")
        conf = config([listener(free_port(), [route_to("o")])], [cluster("o", free_port())])
        conf["admin"] = {"address": {"pipe": {"path": path}}}
        s = Sallyport(conf, wait=False)
        wait_for("its socket", lambda: os.path.exists(path))
        t = Terminal("--admin", f"unix:{path}", "--interval", "0.2")
        t.until(["LIVE", "door"])
        s.kill()
        t.until(["no newer answer", "door"])
        if os.path.exists(path):
            os.unlink(path)
        again = Sallyport(conf, wait=False)
        t.until(["LIVE", "!no newer answer"], 20)
        again.stop()
        t.type("q")
        self.assertEqual(t.end(), 0)

    def test_one_that_hangs(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(8)
            begin = time.monotonic()
            p = top("--admin", f"127.0.0.1:{silent.getsockname()[1]}", "--once")
            self.assertEqual(p.returncode, 1)
            self.assertIn("no answer for five seconds", p.stderr)
            self.assertLess(time.monotonic() - begin, 30 * SLOW)

    def test_odd_answers(self):
        """What is no answer of ours is told, and breaks nothing."""
        for data, word in ((b"", "without an answer"), (b"SSH-2.0-x\r\n", "no HTTP/1.1"), (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n{}", "cut short"),
                           (b"HTTP/1.1 200 OK\r\n\r\n{\"clusters\": [], \"server\": 5}", "no sallyport"),
                           (b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "allow_paths"),
                           (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffff\r\nx", "cut short"),
                           (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", "no sallyport")):
            with socket.socket() as server:
                server.bind(("127.0.0.1", 0))
                server.listen(1)

                def serve(server=server, data=data):
                    c, _ = server.accept()
                    c.recv(65536)
                    c.sendall(data)
                    c.close()
                thread = threading.Thread(target=serve)
                thread.start()
                p = top("--admin", f"127.0.0.1:{server.getsockname()[1]}", "--once")
                thread.join()
            self.assertEqual(p.returncode, 1, data)
            self.assertIn(word, p.stderr)


if __name__ == "__main__":
    unittest.main()
