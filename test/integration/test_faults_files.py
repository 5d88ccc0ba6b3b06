# SPDX-License-Identifier: GPL-2.0-or-later
"""A file system that does not answer: whatever is on it, requests, the admin page, signals and the end go on."""
import os
import signal
import time
import unittest

from faults import Faulty, http1, program
from harness import SLOW, cluster, config, free_port, listener, nginx_plain, route_to, shield, wait_for, work

FIRST, SECOND = "first-secret-0123456789", "second-secret-0123456789"


@unittest.skipUnless(program(), "this build has no sallyport-faults")
class Hangs(unittest.TestCase):
    def setUp(self):
        self.origin = nginx_plain()
        self.addCleanup(self.origin.stop)
        self.dir = work(f"hung-{time.time_ns()}")
        os.mkdir(self.dir)
        self.write(FIRST)
        gate = shield()
        gate["typed_config"]["proof"]["secret_header"]["secrets"][0]["value"] = {"filename": self.path}
        os.environ["SP_FAULTS_HANG"] = self.dir
        try:
            self.door = Faulty(config([listener(free_port(), [route_to("o")], filters=[gate])], [cluster("o", self.origin.port)]))
        finally:
            del os.environ["SP_FAULTS_HANG"]
        self.addCleanup(self.door.kill)

    @property
    def path(self):
        return os.path.join(self.dir, "secret")

    def write(self, text):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.path + ".new", self.path)

    def status(self, secret):
        a = http1(self.door.port, [("GET", "/echo", {"x-origin-verify": secret}, b"")])[0]
        return a and a[0]

    def hang(self):
        self.door.table.put("HANG", hits=0)
        self.door.table.put("HANG", on=1)

    def go_on(self):
        self.door.table.put("HANG", on=0)

    def serves(self):
        begun = time.time()
        self.assertEqual(self.status(FIRST), 200)
        self.assertEqual(self.door.get("/ready")[0], 200)
        self.assertIn("server.live", self.door.get("/stats")[1])
        self.assertLess(time.time() - begun, 3 * SLOW)

    def hung(self, n=1):
        wait_for("somebody to hang", lambda: self.door.table.hits("HANG") >= n, 15)

    def test_a_watched_file(self):
        self.hang()
        self.write(SECOND)
        self.hung()
        self.serves()
        self.go_on()
        wait_for("the new secret", lambda: self.status(SECOND) == 200, 15)
        self.assertEqual(self.door.stop(20), 0)

    def test_a_file_that_is_read(self):
        """The look was quick, the reading is not: the config that had it read goes, and waits for it alone."""
        self.write(SECOND)
        time.sleep(0.02)
        self.hang()
        self.hung()
        self.serves()
        self.go_on()
        wait_for("the new secret", lambda: self.status(SECOND) == 200, 15)
        self.assertEqual(self.door.stop(20), 0)

    def test_a_reload(self):
        self.hang()
        self.door.signal(signal.SIGHUP)
        self.hung()
        self.serves()
        self.go_on()
        wait_for("the reload", lambda: self.door.stat("config_reload.ok") + self.door.stat("config_reload.version") > 1)
        self.serves()
        self.assertEqual(self.door.stop(20), 0)

    def test_the_end(self):
        """Nobody waits for it at the end, either."""
        self.hang()
        self.write(SECOND)
        self.door.signal(signal.SIGHUP)
        self.hung(2)
        begun = time.time()
        self.assertEqual(self.door.stop(20), 0)
        self.assertLess(time.time() - begun, 12 * SLOW)
        self.go_on()
