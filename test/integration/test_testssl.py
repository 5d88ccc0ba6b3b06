# SPDX-License-Identifier: GPL-2.0-or-later
"""testssl.sh, the scanner, against doors with an RSA and an ECDSA certificate side by side: nothing that it finds may be above LOW.

The short form leaves out what takes minutes or asks about browsers (SP_TESTSSL=full, scripts/testssl, runs all of it).
"""
import json
import os
import shutil
import subprocess
import unittest

from harness import SLOW, Sallyport, ca, cert, config, downstream_tls, free_port, listener, work

FULL = os.environ.get("SP_TESTSSL") == "full"
BAD = ("MEDIUM", "HIGH", "CRITICAL", "FATAL")
SHORT = ("--protocols", "--std", "--server-defaults", "--headers", "--vulnerable")
# What it looks for in pages is their authors' to say, here the route's.
HEADERS = {"strict-transport-security": "max-age=31536000", "content-security-policy": "default-src 'self'", "x-content-type-options": "nosniff"}
DIRECT = {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "hello\n"}},
          "response_headers_to_add": [{"header": {"key": k, "value": v}} for k, v in HEADERS.items()]}
# A CA that says where its list is, and certificates that last as long as public ones may.
MORE = {"days": "398", "usage": "serverAuth\ncrlDistributionPoints=URI:http://crl.test/ca.crl"}


def scan(port, *checks):
    """Findings as testssl.sh writes them: {"id", "severity", "finding", ...}."""
    path = work(f"testssl-{port}.json")
    p = subprocess.run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca", ca(),
                        "--openssl-timeout", str(int(10 * SLOW)), "--jsonfile", path, *checks, f"localhost:{port}"],
                       stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=(1800 if FULL else 280) * SLOW, check=False)
    with open(path, encoding="utf-8") as f:
        return json.load(f), p.stdout + p.stderr


@unittest.skipUnless(shutil.which("testssl"), "testssl.sh is not installed")
class Scanner(unittest.TestCase):
    maxDiff = None

    def door(self):
        cert("server", **MORE)
        cert("server-rsa", kind="rsa", **MORE)
        tls = downstream_tls("server")
        chain, key = cert("server-rsa")
        tls["typed_config"]["common_tls_context"]["tls_certificates"].append({"certificate_chain": {"filename": chain}, "private_key": {"filename": key}})
        door = Sallyport(config([listener(free_port(), [DIRECT], tls=tls)], []))
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    def test_nothing_above_low(self):
        door = self.door()
        findings, said = scan(door.port, *(() if FULL else SHORT))
        ids = {f["id"] for f in findings}
        # That it was asked at all: a scanner that cannot connect finds nothing bad either.
        for wanted in ("TLS1_2", "TLS1_3", "heartbleed", "ROBOT", "LUCKY13", "secure_renego", "secure_client_renego", "CRIME_TLS", "fallback_SCSV",
                       "POODLE_SSL", "SWEET32", "FREAK", "DROWN", "LOGJAM", "BEAST", "RC4", "ticketbleed", "CCS", "cert_trust <cert#1>", "cert_trust <cert#2>"):
            self.assertTrue(any(i.startswith(wanted) for i in ids), f"{wanted} was not looked at\n{said}")
        bad = {f["id"]: f["finding"] for f in findings if f["severity"] in BAD}
        self.assertEqual(bad, {}, said)
        if FULL:
            counts = {}
            for f in findings:
                counts[f["severity"]] = counts.get(f["severity"], 0) + 1
            print(said)
            print(f"testssl.sh: {counts}; low: {[f['id'] for f in findings if f['severity'] == 'LOW']}")


if __name__ == "__main__":
    unittest.main()
