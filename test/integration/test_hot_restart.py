# SPDX-License-Identifier: GPL-2.0-or-later
"""A new process takes the sockets over; systemd opens them."""
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest

from harness import BIN, SLOW, Proc, Sallyport, address, config, curl, free_port, listener, wait_for, work


def says(text):
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}


class Clients:
    """Asks again and again, each time over a new connection, until stopped."""

    def __init__(self, port):
        self.port, self.failed, self.bodies, self.going = port, [], [], True
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(3)]
        for t in self.threads:
            t.start()

    def run(self):
        while self.going:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10 * SLOW) as s:
                    s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                    got = b""
                    while (part := s.recv(4096)):
                        got += part
                self.bodies.append(got.rpartition(b"\r\n\r\n")[2])
                if not got.startswith(b"HTTP/1.1 200"):
                    self.failed.append(got)
            except OSError as e:
                self.failed.append(e)

    def stop(self):
        self.going = False
        for t in self.threads:
            t.join()


class HotRestart(unittest.TestCase):
    def setUp(self):
        self.socket = work(f"hot-{time.time_ns()}.sock")
        self.port, self.admin = free_port(), free_port()

    def start(self, text, wait=True, concurrency=2, **more):
        conf = config([listener(self.port, [says(text)], **more)], [], admin=self.admin)
        s = Sallyport(conf, "--hot-restart", self.socket, "--drain-time-s", "5", wait=False, concurrency=concurrency)
        self.addCleanup(s.stop)
        if wait:
            wait_for("it to serve", lambda: "the door is open" in s.log())
        return s

    def test_listeners_that_were_drained(self):
        """They are closed: the next process opens its own."""
        old = self.start("old")
        a = subprocess.run(["curl", "-s", "-X", "POST", f"http://127.0.0.1:{self.admin}/drain_listeners"], capture_output=True, check=True)
        self.assertEqual(a.stdout, b"OK\n")
        wait_for("it to be closed", lambda: curl(f"http://127.0.0.1:{self.port}/").status == 0)
        self.start("new")
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/").body, b"new")
        self.assertEqual(old.wait(), 0)

    def test_nothing_is_lost(self):
        for concurrency in (2, 1, 3):
            with self.subTest(concurrency=concurrency):
                self.socket = work(f"hot-{time.time_ns()}.sock")
                self.port, self.admin = free_port(), free_port()
                old = self.start("old")
                clients = Clients(self.port)
                wait_for("answers", lambda: b"old" in clients.bodies)
                new = self.start("new", concurrency=concurrency)
                wait_for("answers of the new one", lambda: b"new" in clients.bodies)
                self.assertEqual(old.wait(), 0)
                before = len(clients.bodies)
                wait_for("more answers", lambda: len(clients.bodies) > before + 50)
                clients.stop()
                self.assertEqual(clients.failed, [])
                self.assertEqual(clients.bodies[-1], b"new")
                self.assertIn("took over", new.log())
                self.assertEqual(curl(f"http://127.0.0.1:{self.admin}/ready").body, b"LIVE\n")
                new.stop()

    def test_again_and_again(self):
        processes = [self.start("0")]
        clients = Clients(self.port)
        for i in range(1, 4):
            processes.append(self.start(str(i)))
            self.assertEqual(processes[-2].wait(), 0)
        clients.stop()
        self.assertEqual(clients.failed, [])
        text = curl(f"http://127.0.0.1:{self.admin}/stats?filter=hot_restart_epoch").body
        self.assertEqual(text.strip(), b"server.hot_restart_epoch: 3")

    def test_a_connection_is_not_cut(self):
        old = self.start("old")
        with socket.create_connection(("127.0.0.1", self.port), timeout=10 * SLOW) as s:
            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            self.assertIn(b"old", s.recv(4096))
            self.start("new")
            wait_for("the old one to drain", lambda: "draining" in old.log())
            s.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            got = s.recv(4096)
            self.assertIn(b"connection: close", got)
            self.assertIn(b"old", got)
        self.assertEqual(old.wait(), 0)

    def test_a_new_one_that_fails_leaves_the_old_in_charge(self):
        old = self.start("old")
        conf = config([listener(self.port, [{"match": {"prefix": "/"}, "route": {"cluster": "none"}}])], [], admin=self.admin)
        bad = Sallyport(conf, "--hot-restart", self.socket, wait=False)
        self.assertEqual(bad.wait(), 1)
        # One that gets the sockets, and dies.
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.socket)
            s.send(b"takeover 1")
            data, fds, _, _ = socket.recv_fds(s, 256, 64)
            self.assertEqual((data, len(fds)), (b"sockets", 3))
            self.assertEqual(s.recv(256), b"go 0")
            for fd in fds:
                os.close(fd)
        wait_for("it to notice", lambda: "serving on" in old.log())
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/").body, b"old")
        new = self.start("new")
        self.assertEqual(old.wait(), 0)
        self.assertIn("took over", new.log())

    def test_garbage_changes_nothing(self):
        old = self.start("old")
        for text in (b"serving", b"takeover 2", b"x" * 5000):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.connect(self.socket)
                s.settimeout(10 * SLOW)
                s.send(text)
                self.assertEqual(s.recv(256), b"")
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/").body, b"old")
        self.assertIsNone(old.p.poll())

    def test_one_at_a_time(self):
        self.start("old")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.socket)
            s.send(b"takeover 1")
            s.recv(256)
            second = self.start("new", wait=False)
            self.assertEqual(second.wait(), 3)
            self.assertIn("another process takes over just now", second.log())

    def test_one_that_hangs_makes_room(self):
        old = self.start("old")
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.connect(self.socket)
            wait_for("it to be refused", lambda: self.start("new", wait=False).wait() == 3)
            time.sleep(6)  # longer than it may be silent
            new = self.start("new")
            self.assertEqual(old.wait(), 0)
            self.assertIn("is silent", old.log())
            self.assertIn("took over", new.log())
            self.assertEqual(s.recv(256), b"")

    def test_one_that_was_given_up_ends(self):
        """It serves only if the old process still waits for it."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
            s.bind(self.socket)
            s.listen()
            new = self.start("new", wait=False)
            c, _ = s.accept()
            self.assertEqual(c.recv(256), b"takeover 1")
            c.send(b"go 0")
            c.close()
            self.assertEqual(new.wait(), 3)
        self.assertIn("this one ends", new.log())
        self.assertNotIn("took over", new.log())

    def test_a_file_is_not_written_over(self):
        with open(self.socket, "w", encoding="ascii") as f:
            f.write("precious")
        self.assertEqual(self.start("new", wait=False).wait(), 3)
        with open(self.socket, encoding="ascii") as f:
            self.assertEqual(f.read(), "precious")

    def test_too_many_sockets_for_one_that_may_have_few(self):
        """What the kernel drops on the way would be lost to both."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s, socket.create_server(("127.0.0.1", 0)) as some:
            s.bind(self.socket)
            s.listen()
            path = work(f"few-{time.time_ns()}.json")
            with open(path, "w", encoding="utf-8") as f:
                json.dump(config([listener(self.port, [says("x")])], [], admin=self.admin), f)
            p = subprocess.Popen(["sh", "-c", "ulimit -n 40; exec \"$@\"", "sh", BIN, "-c", path, "--hot-restart", self.socket],
                                 stderr=subprocess.PIPE, text=True)
            self.addCleanup(p.kill)
            c, _ = s.accept()
            c.recv(256)
            socket.send_fds(c, [b"sockets"], [some.fileno()] * 60)
            self.assertIn("Too many open files", p.communicate(timeout=20 * SLOW)[1])
            self.assertEqual(p.returncode, 3)
            c.close()

    @unittest.skipUnless(os.getuid() == 0, "needs root, to become somebody else")
    def test_another_user_gets_nothing(self):
        old = self.start("old")
        os.chmod(self.socket, 0o777)
        code = ("import os,socket,sys\nos.setgid(65534); os.setuid(65534)\ns=socket.socket(socket.AF_UNIX,socket.SOCK_SEQPACKET)\n"
                "s.connect(sys.argv[1])\n"
                "try: s.send(b'takeover 1')\nexcept BrokenPipeError: pass\n"
                "d,f,_,_=socket.recv_fds(s,256,64); print(d.decode(),len(f))")
        directory = os.path.dirname(self.socket)
        mode = os.stat(directory).st_mode
        os.chmod(directory, 0o755)
        try:
            p = subprocess.run(["python3", "-c", code, self.socket], capture_output=True, text=True, check=False)
        finally:
            os.chmod(directory, mode)
        if "PermissionError" in p.stderr:
            self.skipTest("the directory above is closed to others")
        self.assertEqual(p.stdout.strip(), "no it is not the same user 0", p.stderr)
        self.assertIn("was refused", old.log())
        self.assertIsNone(old.p.poll())

    def test_sockets_that_nobody_wants(self):
        self.start("old")
        self.port = free_port()
        new = self.start("new")
        self.assertIn("no listener has that address", new.log())


class Systemd(unittest.TestCase):
    def serve(self, sockets, conf, env):
        path = work(f"systemd-{time.time_ns()}.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        script = "import os,sys\nfor i, fd in enumerate(map(int, sys.argv[1].split(','))):\n    os.dup2(fd, 3 + i, True)\n" \
                 "os.environ['LISTEN_PID'] = str(os.getpid())\nos.execv(sys.argv[2], sys.argv[2:])"
        high = []
        for s in sockets:
            fd = os.dup(s.fileno())
            while fd < 100:
                high.append(fd)
                fd = os.dup(fd)
            os.set_inheritable(fd, True)
            high.append(fd)
        fds = [fd for fd in high if fd >= 100]
        p = subprocess.Popen(["python3", "-c", script, ",".join(map(str, fds)), BIN, "-c", path, "--concurrency", "2"],
                             stderr=subprocess.PIPE, text=True, pass_fds=fds,
                             env=dict(os.environ, LISTEN_FDS=str(len(sockets)), **env))
        for fd in high:
            os.close(fd)
        self.addCleanup(p.stderr.close)
        self.addCleanup(p.wait)
        self.addCleanup(p.kill)
        return p

    def test_socket_activation_and_readiness(self):
        notify = work(f"notify-{time.time_ns()}")
        with socket.socket() as door, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as n:
            door.bind(("127.0.0.1", 0))
            door.listen()
            n.bind(notify)
            n.settimeout(20 * SLOW)
            port = door.getsockname()[1]
            early = socket.create_connection(("127.0.0.1", port))
            early.settimeout(10 * SLOW)
            early.sendall(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            p = self.serve([door], config([listener(port, [says("activated")])], []), {"NOTIFY_SOCKET": notify})
            self.assertEqual(n.recv(256).decode(), f"READY=1\nMAINPID={p.pid}\n")
            self.assertIn(b"activated", early.recv(4096))
            early.close()
            p.send_signal(signal.SIGTERM)
            self.assertEqual(n.recv(256), b"STOPPING=1\n")
            self.assertEqual(p.wait(10 * SLOW), 0)
            self.assertIn("systemd has opened 1 socket for us", p.stderr.read())


if __name__ == "__main__":
    unittest.main()
