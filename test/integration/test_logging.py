# SPDX-License-Identifier: GPL-2.0-or-later
"""The process's log: levels of components, changed while it runs; what journald gets."""
import json
import os
import re
import subprocess
import unittest

from echo import Echo
from harness import (BIN, SLOW, Sallyport, cluster, config, curl, free_port, ip_restriction, listener, route_to, shield, wait_for, work)


class Logging(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)

    def door(self, *args, **more):
        conf = config([listener(free_port(), [route_to("o")], [shield()]),
                       listener(free_port(), [route_to("o")], [ip_restriction(deny=["127.0.0.1/32"])], name="second")],
                      [cluster("o", self.origin.port)])
        d = Sallyport(conf, *args, **more)
        self.addCleanup(d.stop)
        self.second = conf["static_resources"]["listeners"][1]["address"]["socket_address"]["port_value"]
        return d

    def ask_both(self, d):
        for port in (d.port, self.second):
            self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 403)

    def said(self, d, component):
        return len(re.findall(rf"\[info\]\[{component}\] (?:refused|denied) 127.0.0.1", d.log()))

    def levels(self, d, query=""):
        status, text = d.get("/logging" + query, "POST")
        self.assertEqual(status, 200, text)
        self.assertTrue(text.startswith("active loggers:\n"))
        return dict(re.findall(r"^  (\S+): (\S+)$", text, re.M))

    def test_levels(self):
        d = self.door()
        before = self.levels(d)
        self.assertEqual(set(before.values()), {"info"})
        self.ask_both(d)
        self.assertEqual((self.said(d, "origin_shield"), self.said(d, "ip_restriction")), (1, 1))
        self.assertEqual(self.levels(d, "?origin_shield=warning"), {**before, "origin_shield": "warning"})
        self.ask_both(d)
        self.assertEqual((self.said(d, "origin_shield"), self.said(d, "ip_restriction")), (1, 2))
        self.assertEqual(self.levels(d, "?paths=origin_shield:debug,ip_restriction:off"),
                         {**before, "origin_shield": "debug", "ip_restriction": "off"})
        self.ask_both(d)
        self.assertEqual((self.said(d, "origin_shield"), self.said(d, "ip_restriction")), (2, 2))
        self.assertEqual(set(self.levels(d, "?level=off").values()), {"off"})
        self.ask_both(d)
        self.assertEqual((self.said(d, "origin_shield"), self.said(d, "ip_restriction")), (2, 2))
        for query, why in (("?level=loud", "no such level"), ("?origin_shielt=info", "did you mean origin_shield"),
                           ("?paths=tls:debug,dns:loud", "is no level"), ("?paths=tls", "is no component:level"),
                           ("?tls=debug&dns=debug", "one parameter at a time")):
            status, text = d.get("/logging" + query, "POST")
            self.assertEqual(status, 400, query)
            self.assertIn(why, text)
            self.assertIn("usage: ", text)
        self.assertEqual(set(self.levels(d).values()), {"off"})  # what is half wrong changes nothing
        self.assertEqual(d.get("/logging")[0], 405)

    def test_options(self):
        d = self.door("-l", "error", "--component-log-level", "ip_restriction:info,health:trace")
        self.assertEqual({k: v for k, v in self.levels(d).items() if v != "error"}, {"ip_restriction": "info", "health": "trace"})
        self.ask_both(d)
        self.assertEqual((self.said(d, "origin_shield"), self.said(d, "ip_restriction")), (0, 1))
        p = subprocess.run([BIN, "-c", "x", "--component-log-level", "tlss:info"], capture_output=True, text=True, timeout=10 * SLOW)
        self.assertEqual(p.returncode, 2)
        self.assertIn("--component-log-level: there is no component \"tlss\" (did you mean tls)", p.stderr)

    def under_journald(self, *args, path=None, named=True):
        """What comes out of a pipe that JOURNAL_STREAM names, or another one."""
        conf = work("journal.json")
        with open(conf, "w", encoding="utf-8") as f:
            json.dump(config([listener(free_port(), [route_to("o")], [shield()])], [cluster("o", self.origin.port)]), f)
        r, w = os.pipe()
        st = os.fstat(w)
        env = dict(os.environ, JOURNAL_STREAM=f"{st.st_dev}:{st.st_ino if named else st.st_ino + 1}")
        p = subprocess.Popen([BIN, "-c", conf, "--concurrency", "1", *args], stderr=w, env=env)
        os.close(w)
        with open(r, "rb") as pipe:
            text = b""
            while path is None and b"the door is open" not in text:
                text += os.read(pipe.fileno(), 65536)
            if path:
                wait_for("the log", lambda: os.path.exists(path) and b"the door is open" in open(path, "rb").read())
            p.terminate()
            text += pipe.read()
        self.assertEqual(p.wait(10 * SLOW), 0)
        return text.decode().splitlines()

    def test_journald(self):
        lines = self.under_journald()
        self.assertTrue(all(re.match(r"<6>\[info\]\[[a-z-]+\] ", x) for x in lines), lines)
        lines = self.under_journald("--log-format", "json")
        self.assertTrue(all(x.startswith("<6>") and json.loads(x[3:])["level"] == "info" for x in lines), lines)
        lines = self.under_journald(named=False)
        self.assertTrue(all(re.match(r"\[\d{4}-", x) for x in lines), lines)
        path = work("journal-file.log")
        self.assertEqual(self.under_journald("--log-path", path, path=path), [])
        with open(path, encoding="utf-8") as f:
            self.assertTrue(all(re.match(r"\[\d{4}-", x) for x in f))

    def test_a_flood_is_left_out(self):
        d = self.door()
        curl(f"http://127.0.0.1:{d.port}/[1-200]")
        self.assertLess(self.said(d, "origin_shield"), 60)
        self.assertGreaterEqual(self.said(d, "origin_shield"), 10)


if __name__ == "__main__":
    unittest.main()
