# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods over HTTP/1, and of connections: a good client beside each of them has its answers, and in time. docs/security/floods.md; scripts/floods for long."""
import unittest

from flood_case import tests

Floods = tests("h1")

if __name__ == "__main__":
    unittest.main()
