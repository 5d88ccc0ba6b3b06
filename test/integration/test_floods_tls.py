# SPDX-License-Identifier: GPL-2.0-or-later
"""Floods of TLS handshakes and records: a good client beside each of them has its answers, and in time. docs/security/floods.md; scripts/floods for long."""
import unittest

from flood_case import tests

Floods = tests("tls")

if __name__ == "__main__":
    unittest.main()
