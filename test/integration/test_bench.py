# SPDX-License-Identifier: GPL-2.0-or-later
"""The benchmark's configs do what its scenarios say, before anybody measures with them; and a config that does not is noticed."""
import os
import shutil
import subprocess
import tempfile
import unittest

from harness import BIN, ROOT, SLOW

RUN = os.path.join(ROOT, "bench/run")


def bench(*argv):
    return subprocess.run([RUN, "--check-only", *argv], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120 * SLOW, check=False)


class Checks(unittest.TestCase):
    def test_sallyport_does_every_scenario(self):
        done = bench("--subject", "sallyport", "--bin", BIN)
        lines = done.stdout.splitlines()[1:]
        wrong = [line for line in lines if not line.endswith(" ok")]
        self.assertEqual((done.returncode, wrong), (0, []), done.stderr)
        self.assertGreaterEqual(len(lines), 30)

    def test_a_program_that_answers_wrongly_is_not_measured(self):
        with tempfile.TemporaryDirectory() as d:
            wrapper = os.path.join(d, "sallyport")
            with open(wrapper, "w", encoding="utf-8") as f:
                f.write(f'#!/bin/sh\n[ "$1" = -c ] && sed -i "s/x-internal-debug/x-internal-other/" "$2"\nexec {BIN} "$@"\n')
            os.chmod(wrapper, 0o755)
            done = bench("--subject", "sallyport", "--scenario", "shield", "--bin", wrapper)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("FAILED: headers at the origin", done.stdout)

    @unittest.skipUnless(shutil.which("nginx"), "no nginx")
    def test_peers_are_held_to_the_same(self):
        done = bench("--subject", "nginx", "--scenario", "h2_tls", "--scenario", "shield", "--scenario", "h2_up", "--bin", BIN)
        words = [line.split(None, 2)[1:] for line in done.stdout.splitlines()[1:]]
        self.assertEqual(words, [["nginx", "ok"], ["nginx", "n/a: no HTTP/2 towards origins"], ["nginx", "ok"]], done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout)
