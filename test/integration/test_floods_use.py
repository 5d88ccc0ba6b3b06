# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods of what gates, filters and routes read, of tunnels and PROXY headers: a good client beside each of them has its answers, and in time. docs/security/floods.md; scripts/floods for long."""
import unittest

from flood_case import tests

Floods = tests("use")

if __name__ == "__main__":
    unittest.main()
