# SPDX-License-Identifier: GPL-2.0-or-later
"""Revocation lists: edited while the door is open, several in one file, late, missing and bad ones."""
import json
import os
import subprocess
import unittest

from harness import (BIN, Sallyport, T, _openssl, ca, cert, config, downstream_tls, free_port, listener, log_lines, refused,
                     wait_for, work)
from mtls import Connection, Revoker, put, s_client

ROUTES = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}]


def door_config(crl=None, revocation=None, log=None, **more):
    tls = downstream_tls("server", client_ca=ca("clients"), require=True)
    context = tls["typed_config"]["common_tls_context"]["validation_context"]
    if crl:
        context["crl"] = {"filename": crl}
    if revocation:
        context["custom_validator_config"] = {"name": "revocation", "typed_config": {
            "@type": T + "sallyport.tls.v1.Revocation", **revocation}}
    context.update(more)
    logs = [{"name": "file", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": log,
        "log_format": {"json_format": {"why": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%", "who": "%DOWNSTREAM_PEER_SUBJECT%"}}}}]
    return config([listener(free_port(), ROUTES, tls=tls, **({"access_log": logs} if log else {}))], [])


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cert("server")
        for name in ("alice", "bob"):
            cert(name, by="clients")

    def setUp(self):
        self.lists = Revoker("clients")

    def test_an_edited_list(self):
        crl = put("live.crl", self.lists.list())
        log = work("crl-connections.log")
        door = Sallyport(door_config(crl, log=log), concurrency=1)
        try:
            kept, other = Connection(door.port, "alice"), Connection(door.port, "bob")
            self.assertEqual((kept.get(), other.get()), (200, 200))
            self.assertEqual(s_client(door.port, client="alice").status, 200)
            # A file that is cut short, or another CA's, changes nothing.
            for bad in ("", self.lists.list()[:150], Revoker("ca").list().replace("X509 CRL", "CERTIFICATE")):
                before = door.log().count("is refused")
                put("live.crl", bad)
                wait_for("the refusal", lambda: door.log().count("is refused") > before)
                self.assertEqual((s_client(door.port, client="alice").status, kept.get()), (200, 200))
            self.lists.revoke("alice")
            put("live.crl", self.lists.list())
            wait_for("the new list", lambda: s_client(door.port, client="alice").status == 0)
            # An open connection of hers ends at her next request; his goes on.
            self.assertEqual(kept.get(), 0)
            self.assertEqual(other.get(), 200)
            wait_for("the log", lambda: "the client's certificate is good no longer: TLS error: certificate verification failed "
                     "at depth 0: certificate revoked" in door.log())
            self.assertTrue(any(v >= 2 for k, v in door.stats().items() if k.endswith("ssl.fail_verify_error")))
            revoked = "TLS error: certificate verification failed at depth 0: certificate revoked"
            lines = wait_for("the connections' log", lambda: [x for x in log_lines(log) if x["why"] == revoked and x["who"]])
            self.assertEqual(lines[0]["who"], "CN=alice")
            # The edit may also be made in place, and takes her back.
            self.lists.reset()
            with open(crl, "w", encoding="ascii") as f:
                f.write(self.lists.list())
            wait_for("the third list", lambda: s_client(door.port, client="alice").status == 200)
            for c in (kept, other):
                c.close()
        finally:
            self.assertEqual(door.stop(), 0)

    def test_an_edited_ca_set(self):
        path = put("live-ca.pem", open(ca("clients"), encoding="ascii").read())
        door = Sallyport(door_config(trusted_ca={"filename": path}), concurrency=1)
        try:
            kept = Connection(door.port, "alice")
            self.assertEqual(kept.get(), 200)
            put("live-ca.pem", open(ca("others"), encoding="ascii").read())
            wait_for("the new CA", lambda: s_client(door.port, client="alice").status == 0)
            self.assertEqual(kept.get(), 0)
            cert("carol", by="others")
            self.assertEqual(s_client(door.port, client="carol").status, 200)
        finally:
            self.assertEqual(door.stop(), 0)

    def ask(self, conf, client="alice"):
        door = Sallyport(conf, concurrency=1)
        try:
            a = s_client(door.port, client=client)
        finally:
            self.assertEqual(door.stop(), 0)
        return a.status, door.log()

    def test_late_and_missing(self):
        late, good = put("late.crl", self.lists.old()), put("good.crl", self.lists.list())
        foreign = put("foreign.crl", Revoker("elsewhere").list())
        for name, conf, status, why in (
                ("good", door_config(good), 200, ""),
                ("late", door_config(late), 0, "CRL has expired"),
                ("late, little grace", door_config(late, {"expired_crl_grace": "3600s"}), 0, "CRL has expired"),
                ("foreign", door_config(foreign), 0, "unable to get certificate CRL"),
                ("foreign, missing allowed", door_config(foreign, {"missing_crl": "ALLOW_MISSING"}), 200, ""),
                ("late, missing allowed", door_config(late, {"missing_crl": "ALLOW_MISSING"}), 0, "CRL has expired"),
                ("both in one file", door_config(put("two.crl", self.lists.list() + Revoker("elsewhere").list())), 200, "")):
            with self.subTest(name):
                got, log = self.ask(conf)
                self.assertEqual(got, status, log)
                self.assertIn(why, log)
        with open(work("late.json"), "w", encoding="ascii") as f:
            json.dump(door_config(late), f)
        p = subprocess.run([BIN, "validate", work("late.json")], capture_output=True, text=True, check=False)
        self.assertEqual(p.returncode, 0)
        self.assertIn("warning", p.stderr)
        self.assertIn("a list in it has expired", p.stderr)
        # A little late, which a grace lets pass.
        now = lambda s: os.popen(f"date -u -d '{s}' +%y%m%d%H%M%SZ").read().strip()
        lately = put("lately.crl", self.lists.list("-crl_lastupdate", now("-2 days"), "-crl_nextupdate", now("-1 hour")))
        self.assertEqual(self.ask(door_config(lately))[0], 0)
        self.assertEqual(self.ask(door_config(lately, {"expired_crl_grace": "7200s"}))[0], 200)
        self.lists.revoke("alice")
        lately = put("lately.crl", self.lists.list("-crl_lastupdate", now("-2 days"), "-crl_nextupdate", now("-1 hour")))
        got, log = self.ask(door_config(lately, {"expired_crl_grace": "7200s"}))
        self.assertEqual(got, 0)
        self.assertIn("certificate revoked", log)

    def test_der(self):
        self.lists.revoke("bob")
        put("pem.crl", self.lists.list())
        _openssl("crl", "-in", work("pem.crl"), "-outform", "DER", "-out", work("der.crl"))
        conf = door_config(work("der.crl"))
        self.assertEqual(self.ask(conf)[0], 200)
        self.assertEqual(self.ask(conf, "bob")[0], 0)

    def test_refused_configs(self):
        good = put("good.crl", self.lists.list())
        for conf, why in (
                (door_config(work("absent.crl")), "cannot read"),
                (door_config(put("cut.crl", self.lists.list()[:150])), "a PEM block has no end"),
                (door_config(ca("clients")), "there is no revocation list in PEM form in it"),
                (door_config(None, {"missing_crl": "ALLOW_MISSING"}), "there is no list that it could hold for"),
                (door_config(good, {"expired_crl_grace": "9999999s"}), "expired_crl_grace"),
                (door_config(good, custom_validator_config={"name": "spiffe", "typed_config": {
                    "@type": T + "sallyport.filters.http.ip_restriction.v1.IpRestriction", "source": "PEER", "allow": ["::1"]}}),
                 "no such validator")):
            with self.subTest(why):
                self.assertIn(why, refused(conf))


if __name__ == "__main__":
    unittest.main()
