# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies pass byte for byte, in bounded memory; slow readers stall only themselves; load loses nothing."""
import hashlib
import os
import re
import socket
import subprocess
import threading
import time
import unittest

from harness import (SANITIZED, SLOW, Nginx, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, nginx_mtls, nginx_plain,
                     route_to, upstream_tls, wait_for, work)

MIB = 1 << 20
BIG = int(os.environ.get("SP_BIG_MIB", "64")) * MIB
REQUESTS = int(os.environ.get("SP_REQUESTS", "20000"))


def big_file(name, size):
    path = work(name)
    if not os.path.exists(path) or os.path.getsize(path) != size:
        block = hashlib.sha256(name.encode()).digest() * (MIB // 32)
        with open(path, "wb") as f:
            for i in range(size // MIB):
                f.write(i.to_bytes(8, "big") + block[8:])
    with open(path, "rb") as f:
        return path, hashlib.file_digest(f, "sha256").hexdigest()


class Upload(threading.Thread):
    """An origin for one upload at a time: reads an HTTP/1 body and answers its SHA-256."""

    def __init__(self):
        super().__init__(daemon=True)
        self.s = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.s.getsockname()[1]
        self.start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        f = c.makefile("rb", buffering=1 << 16)
        try:
            while True:
                head = {}
                if not f.readline():
                    return
                while (line := f.readline().strip()):
                    k, _, v = line.partition(b":")
                    head[k.lower()] = v.strip()
                digest = hashlib.sha256()
                if b"content-length" in head:
                    left = int(head[b"content-length"])
                    while left:
                        data = f.read(min(left, 1 << 16))
                        digest.update(data)
                        left -= len(data)
                else:
                    while (n := int(f.readline().split(b";")[0], 16)):
                        left = n
                        while left:
                            data = f.read(min(left, 1 << 16))
                            digest.update(data)
                            left -= len(data)
                        f.readline()
                    f.readline()
                body = digest.hexdigest().encode()
                c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        except (OSError, ValueError):
            pass
        finally:
            c.close()


class Bodies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_mtls()
        cls.upload = Upload()
        cls.path, cls.digest = big_file("big", BIG)
        os.symlink(cls.path, os.path.join(cls.origin.root, "big"))
        os.chmod(cls.path, 0o644)
        cls.door = Sallyport(config(
            [listener(free_port(), [route_to("up", "/up", timeout="0s"), route_to("o", timeout="0s")], tls=downstream_tls())],
            [cluster("o", cls.origin.port, tls=upstream_tls(), connect_timeout="20s"), cluster("up", cls.upload.port)]))
        cls.url = f"https://localhost:{cls.door.port}"

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.kill()
        cls.upload.s.close()
        assert code == 0, cls.door.log()

    def test_down_and_up_byte_for_byte(self):
        for version in ("--http1.1", "--http2"):
            with self.subTest(version):
                a = curl(self.url + "/big", version, timeout=300)
                self.assertEqual((a.status, len(a.body)), (200, BIG), a.error)
                self.assertEqual(hashlib.sha256(a.body).hexdigest(), self.digest)
                a = curl(self.url + "/up", version, "-T", self.path, timeout=300)
                self.assertEqual((a.status, a.body.decode()), (200, self.digest), a)
                with open(self.path, "rb") as f:
                    p = subprocess.run(["curl", "-q", "-sk", version, "-m", str(300 * SLOW), "-T", "-", self.url + "/up"],
                                       stdin=f, capture_output=True, check=True)
                self.assertEqual(p.stdout.decode(), self.digest)

    def test_memory_is_bounded_with_slow_readers(self):
        """100 downloads under way that nobody reads, then they are read slowly."""
        jobs = [subprocess.Popen(["curl", "-q", "-sk", "--http2" if i % 2 else "--http1.1", "--limit-rate", "20k", "-m", str(20 * SLOW),
                                  "-o", "/dev/null", self.url + "/big"], stderr=subprocess.DEVNULL) for i in range(100)]
        wait_for("the streams", lambda: self.door.stat("http.test.downstream_rq_active") >= 95, 20)
        most = 0
        for _ in range(40):
            most = max(most, self.door.rss())
            time.sleep(0.05)
        for j in jobs:
            j.kill()
            j.wait()
        if not SANITIZED:
            self.assertLess(most, 64 * MIB)
        wait_for("the streams to end", lambda: self.door.stat("http.test.downstream_rq_active") == 0, 20)

    def test_a_stalled_stream_does_not_stall_its_neighbours(self):
        """One HTTP/2 connection: a download that is not read, and small requests beside it."""
        p = subprocess.run(["nghttp", "-n", "-v", "-w", "16", "-W", "16", f"{self.url}/big", f"{self.url}/none"],
                           capture_output=True, text=True, timeout=60 * SLOW, check=False)
        self.assertIn(":status: 200", p.stdout)
        self.assertIn(":status: 404", p.stdout)


class Load(unittest.TestCase):
    def test_h2load_loses_nothing(self):
        origin = nginx_mtls()
        origin.page("page", "x" * 1024)
        door = Sallyport(config([listener(free_port(), [route_to("o")], tls=downstream_tls())],
                                [cluster("o", origin.port, tls=upstream_tls(), connect_timeout="20s")]))
        for args in (["-m", "10"], ["--h1"]):
            p = subprocess.run(["h2load", "-n", str(REQUESTS), "-c", "100", *args, f"https://localhost:{door.port}/page"],
                               capture_output=True, text=True, timeout=600 * SLOW, check=True)
            self.assertIn(f"{REQUESTS} succeeded, 0 failed, 0 errored, 0 timeout", p.stdout)
            self.assertRegex(p.stdout, rf"status codes: {REQUESTS} 2xx")
        wait_for("the requests to be counted", lambda: door.stat("cluster.o.upstream_rq_200") == 2 * REQUESTS)
        self.assertEqual(door.stat("cluster.o.upstream_rq_5xx"), 0)
        self.assertEqual(door.stop(), 0)
        origin.kill()


if __name__ == "__main__":
    unittest.main()
