# SPDX-License-Identifier: GPL-2.0-or-later
"""Access logs to a syslog daemon: what it gets, that it may go and come back, and that nobody waits for it."""
import re
import socket
import time
import unittest

from echo import Echo
from harness import (SLOW, T, Sallyport, cluster, config, curl, free_port, listener, refused, route_to, shield, wait_for, work)
from syslog_daemon import Daemon

MESSAGE = re.compile(rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z) (\S+) (\S+) (\d+) access - (.*)", re.S)


class Syslog(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)
        self.path = work(f"syslog-{time.time_ns()}")

    def daemon(self, target=None):
        d = Daemon(target or self.path)
        self.addCleanup(lambda: d.on and d.stop())
        return d

    def log(self, text="%REQ(:PATH)% %RESPONSE_CODE%\n", **fields):
        return [{"name": "syslog", "typed_config": {"@type": T + "sallyport.access_loggers.v1.Syslog",
                                                    "log_format": {"text_format": text}, **fields}}]

    def door(self, log, *args, **more):
        d = Sallyport(config([listener(free_port(), [route_to("o")], [shield()], hcm={"access_log": log})],
                             [cluster("o", self.origin.port)]), *args, **more)
        self.addCleanup(d.stop)
        return d

    def ask(self, d, path="/", n=1, *args):
        for _ in range(n):
            self.assertEqual(curl(f"http://127.0.0.1:{d.port}{path}", *args).status, 403)

    def test_what_it_gets(self):
        syslog, udp = self.daemon(), self.daemon(("127.0.0.1", free_port()))
        log = self.log(socket_path=self.path, facility="LOCAL3", severity="NOTICE", app_name="door") + \
            self.log("%REQ(X-LONG)%", udp="127.0.0.1:%d" % udp.target[1])
        d = self.door(log)
        before = time.time()
        self.ask(d, "/one?two", 1, "-H", "x-long: " + "\u00e4" * 5000)
        wait_for("both", lambda: syslog.got and udp.got)
        pri, when, host, app, pid, text = MESSAGE.fullmatch(syslog.got[0]).groups()
        self.assertEqual((pri, app, pid, text), (b"157", b"door", str(d.pid).encode(), b"/one?two 403"))
        self.assertEqual(host.decode(), socket.gethostname())
        self.assertLess(abs(time.mktime(time.strptime(when[:19].decode(), "%Y-%m-%dT%H:%M:%S")) - time.timezone - before), 5)
        pri, _, _, app, _, text = MESSAGE.fullmatch(udp.got[0]).groups()
        self.assertEqual((pri, app), (b"134", b"sallyport"))
        self.assertLessEqual(len(udp.got[0]), 8192)
        self.assertGreater(len(udp.got[0]), 8000)
        self.assertEqual(set(text.decode()), {"\u00e4"})  # no half of one
        wait_for("the counter", lambda: self.ask(d) or d.stat("access_log.syslog_sent") >= 2)

    def test_nobody_forges_a_message(self):
        syslog = self.daemon()
        d = self.door(self.log("%REQ(X-EVIL)%\nsecond", socket_path=self.path))
        self.ask(d, "/", 1, "-H", "x-evil: a\u0085\u2028\"<0>1 - - - - - forged")
        wait_for("it", lambda: syslog.got)
        text = MESSAGE.fullmatch(syslog.got[0]).group(6)
        self.assertIn(rb'a\u0085\u2028\"<0>1 - - - - - forged second', text)

    def test_it_may_go_and_come_back(self):
        d = self.door(self.log(socket_path=self.path))  # it is not there yet
        self.ask(d, "/early")
        time.sleep(1.5)
        syslog = self.daemon()
        wait_for("what was said before", lambda: any(b"/early" in x for x in syslog.got))
        syslog.stop()
        self.ask(d, "/meanwhile", 3)
        time.sleep(1.5)
        syslog = self.daemon()
        wait_for("what was said meanwhile", lambda: sum(b"/meanwhile" in x for x in syslog.got) == 3)
        self.ask(d, "/late")
        wait_for("what is said now", lambda: any(b"/late" in x for x in syslog.got))
        self.assertIn("is not there", d.log())
        self.assertEqual(d.stat("access_log.dropped"), 0)
        self.assertEqual(d.stat("access_log.syslog_failed"), 0)

    def test_memory_is_bounded(self):
        d = self.door(self.log("%REQ(X-PAD)%", socket_path=self.path), concurrency=1)
        self.ask(d)
        before = d.rss()
        pad = ("-H", "x-pad: " + "p" * 7000)
        curl(f"http://127.0.0.1:{d.port}/[1-300]", *pad)
        wait_for("the drops", lambda: self.ask(d, "/", 1, *pad) or d.stat("access_log.dropped") > 100)
        self.assertLess(d.rss() - before, 6 << 20)
        # Another daemon that does not read: its socket is full, and nobody waits.
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(s.close)
        s.bind(self.path)
        started = time.time()
        self.ask(d, "/", 20, *pad)
        self.assertLess(time.time() - started, 10 * SLOW)

    def test_all_is_sent_at_the_end(self):
        syslog = self.daemon()
        d = self.door(self.log(socket_path=self.path))
        self.ask(d, "/last", 5)
        self.assertEqual(d.stop(), 0)
        wait_for("all", lambda: sum(b"/last" in x for x in syslog.got) == 5)

    def test_errors(self):
        for fields, why in (({"socket_path": "dev/log"}, "socket_path: \"dev/log\" is no path of a socket"),
                            ({"udp": "syslog.test:514"}, "udp: \"syslog.test:514\" is no IP address with a port"),
                            ({"udp": "127.0.0.1"}, "is no IP address with a port"),
                            ({"app_name": "my app"}, "app_name: \"my app\" is no name for syslog")):
            said = refused(config([listener(1, [route_to("o")], hcm={"access_log": self.log(**fields)})], [cluster("o", 1)]))
            self.assertIn(why, said)


if __name__ == "__main__":
    unittest.main()
