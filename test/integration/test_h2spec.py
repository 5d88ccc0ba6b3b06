# SPDX-License-Identifier: GPL-2.0-or-later
"""h2spec (https://github.com/summerwind/h2spec) against sallyport: every case of RFC 9113 and RFC 7541, and of its generic part, over TLS and
in clear, the strict cases too. scripts/h2spec brings the program."""
import glob
import os
import subprocess
import unittest
import xml.etree.ElementTree as ET

from echo import Echo
from harness import SLOW, Sallyport, cluster, config, downstream_tls, free_port, listener, route_to, work

# What nghttp2 decides, and why it stays so: docs/security/strictness.md. case -> why
EXCUSED = {}


def find_h2spec():
    cache = os.environ.get("SALLYPORT_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "sallyport")
    found = glob.glob(os.path.join(cache, "h2spec-*", "h2spec"))
    return os.environ.get("SP_H2SPEC") or (found[0] if found else None)


def ask(port, *args):
    """(passed, {case: what happened}) of one run."""
    report = work(f"h2spec-{port}-{len(args)}.xml")
    done = subprocess.run([find_h2spec(), "-h", "127.0.0.1", "-p", str(port), "-P", "/page", "--strict", "-o", str(int(2 * SLOW)),
                           "-j", report, *args], capture_output=True, text=True, timeout=120 * SLOW)
    assert os.path.exists(report), done.stdout + done.stderr
    passed, failed = 0, {}
    for suite in ET.parse(report).getroot().iter("testsuite"):
        for case in suite.iter("testcase"):
            told = [f"{e.tag}: {e.text}" for e in case if e.tag in ("failure", "error", "skipped")]
            if told:
                failed[f"{case.get('package')}: {case.get('classname')}"] = " ".join(told)
            else:
                passed += 1
    return passed, failed


@unittest.skipUnless(find_h2spec(), "no h2spec here: scripts/h2spec builds it from its Go module")
class H2spec(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()  # it answers when the request has ended: what is wrong with one comes before its answer
        cls.tls = free_port()
        # Else what is no preface would be taken for HTTP/1, and answered as that.
        h2 = {"codec_type": "HTTP2"}
        cls.door = Sallyport(config([listener(free_port(), [route_to("o")], hcm=h2),
                                     listener(cls.tls, [route_to("o")], name="tls", tls=downstream_tls())],
                                    [cluster("o", cls.origin.port)]))

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.stop()
        assert code == 0, cls.door.log()

    def check(self, port, *args):
        passed, failed = ask(port, *args)
        self.assertEqual({k: v for k, v in failed.items() if k not in EXCUSED}, {})
        self.assertGreater(passed, 140)

    def test_in_clear(self):
        self.check(self.door.port)

    def test_over_tls(self):
        self.check(self.tls, "-t", "-k")


if __name__ == "__main__":
    unittest.main()
