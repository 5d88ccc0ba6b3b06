# SPDX-License-Identifier: GPL-2.0-or-later
"""bench/src/load from a test: so many requests a second at fixed times, whatever becomes of them."""
import json
import os
import subprocess
import sys

from harness import ROOT

sys.path.insert(0, os.path.join(ROOT, "bench", "lib"))
import load  # noqa: E402


def program():
    return load.compile_one("load", ("load",), os.path.join(ROOT, "build", "load"), [], ["-lnghttp2", "-lssl", "-lcrypto"])


class Offered:
    """A run of the generator, which has its connections and asks until `seconds` have passed."""

    def __init__(self, port, seconds, *args):
        self.seconds = seconds
        argv = [program(), "--seconds", str(seconds), *map(str, args), str(port)]
        self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.p.stdout.readline()
        if line != "ready\n":
            raise AssertionError(f"the generator is not ready: {line} {self.p.stderr.read()}")
        self.p.stdin.write("go\n")
        self.p.stdin.flush()

    def result(self):
        out, err = self.p.communicate(timeout=self.seconds + 60)
        assert out, err
        r = json.loads(out)
        r["good"] = r["done"] - r["shed"] - r["wrong_status"] - r["wrong_length"]
        return r


def offer(port, seconds, *args):
    return Offered(port, seconds, *args).result()
