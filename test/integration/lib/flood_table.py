# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs all floods and prints, or writes into docs/security/floods.md, what was measured: for scripts/floods."""
import os
import re
import sys
import unittest

import harness
from flood_case import SECONDS, FloodCase, tests

PAGE = os.path.join(harness.ROOT, "docs/security/floods.md")


def row(f, r):
    outcomes = ", ".join(f"{k} ({v})" for k, v in sorted(r.outcomes.items(), key=lambda x: -x[1])[:2])
    return f"| {f.name if f else r.name} | {r.requests} | {len(r.failed)} | {r.p99:.1f} | {r.wall_p99:.1f} | {100 * r.cpu:.0f} % | {r.rss / (1 << 20):.1f} | {outcomes} |\n"


def main():
    known = sys.argv[1:]
    word = next((x for x in known if not x.startswith("-")), "")
    suite = unittest.TestSuite(t for group in ("h2", "h1", "use", "tls") for t in unittest.defaultTestLoader.loadTestsFromTestCase(tests(group)) if word in t.id())
    result = unittest.TextTestRunner(verbosity=0, stream=sys.stderr).run(suite)
    text = ("| attack | good client's requests | failed | p99, ms | by the wall, ms | worker | memory, MiB | the attackers saw |\n"
            "|---|---|---|---|---|---|---|---|\n")
    quiet = [r for f, r in FloodCase.results if f is None]
    text += row(None, quiet[0]) + "".join(row(f, r) for f, r in FloodCase.results if f)
    print(text, end="")
    if "--write" in known and not word:
        with open(PAGE, encoding="utf-8") as f:
            page = f.read()
        page = re.sub(r"(<!-- measured -->\n).*?(<!-- end -->)", lambda m: m[1] + text + m[2], page, flags=re.S)
        with open(PAGE, "w", encoding="utf-8") as f:
            f.write(page)
    print(f"{SECONDS} s each")
    print(f"{result.testsRun - len(result.failures) - len(result.errors)} passed, {len(result.failures) + len(result.errors)} failed")
    harness.clean_up()
    return 0 if result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
