# SPDX-License-Identifier: GPL-2.0-or-later
"""Each error text that no other test produces: a config that is wrong in that way, and what sallyport says of it (lib/error_cases.py)."""
import json
import subprocess
import unittest

from error_cases import AREAS
from harness import BIN, work


class Errors(unittest.TestCase):
    def test_all(self):
        for area, cases in AREAS.items():
            for texts, conf in cases:
                path = work("error.json")
                with open(path, "w", encoding="utf-8") as f:
                    json.dump(conf, f)
                done = subprocess.run([BIN, "validate", path], capture_output=True, text=True, timeout=30, cwd=work(""))
                for text in texts:
                    with self.subTest(area, text=text):
                        self.assertIn(text, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
