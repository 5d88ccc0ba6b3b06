# SPDX-License-Identifier: GPL-2.0-or-later
"""A session cannot be resumed where a client certificate is asked for.

What is tried is the attack: a ticket (TLS 1.3: PSK; TLS 1.2: ticket or session id) that was got where nobody asks for a
certificate, or for another server name, or by somebody who has a certificate, shown to a chain that demands one.
Each test resumes where it may be done as well: openssl would otherwise show nothing.
"""
import os
import unittest

from harness import ROUTER, HCM, Sallyport, address, ca, cert, config, downstream_tls, free_port, work
from mtls import s_client

VERSIONS = ("-tls1_3", "-tls1_2")


def chain(names, text, tls):
    manager = {"@type": HCM, "stat_prefix": text, "http_filters": [ROUTER], "route_config": {"virtual_hosts": [
        {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {
            "status": 200, "body": {"inline_string": text}}}]}]}}
    return {"filter_chain_match": {"server_names": names}, "transport_socket": tls,
            "filters": [{"name": "http", "typed_config": manager}]}


class Resumption(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.clients = ca("clients")
        cert("server", san="DNS:localhost,DNS:open.test,DNS:other.test,DNS:closed.test,DNS:asks.test")
        cert("known", by="clients")
        cls.other_port = free_port()
        tls = lambda **more: downstream_tls("server", **more)
        closed = tls(client_ca=cls.clients, require=True)
        first = {"name": "first", "address": address(free_port()), "filter_chains": [
            chain(["open.test", "also.test"], "open", tls()), chain(["other.test"], "other", tls()),
            chain(["asks.test"], "asks", tls(client_ca=cls.clients)), chain(["closed.test"], "closed", closed)]}
        second = {"name": "second", "address": address(cls.other_port), "filter_chains": [
            chain(["open.test", "closed.test"], "closed", closed)]}
        cls.door = Sallyport(config([first, second], []), concurrency=1)

    @classmethod
    def tearDownClass(cls):
        assert cls.door.stop() == 0

    def ticket(self, version, name, client=None):
        """The file of a session got there; its connection was served."""
        file = f"session{version}-{name}-{client}"
        a = s_client(self.door.port, version, name=name, client=client, sess_out=file)
        self.assertEqual(a.status, 200, a)
        return file

    def refused(self, a):
        self.assertEqual((a.status, a.reused), (0, False), a)

    def test_a_ticket_without_certificate(self):
        for version in VERSIONS:
            for port in (self.door.port, self.other_port):
                file = self.ticket(version, "open.test")
                control = s_client(self.door.port, version, name="open.test", sess_in=file)
                self.assertTrue(control.reused and control.status == 200, control)
                file = self.ticket(version, "open.test")
                self.refused(s_client(port, version, name="closed.test", sess_in=file))
                # The same name too, at a listener that demands a certificate for it.
                file = self.ticket(version, "open.test")
                self.refused(s_client(self.other_port, version, name="open.test", sess_in=file))

    def test_a_ticket_of_another_name(self):
        for version in VERSIONS:
            for name in ("other.test", "also.test", "asks.test"):  # another chain, another name of the same chain
                file = self.ticket(version, "open.test")
                a = s_client(self.door.port, version, name=name, sess_in=file)
                self.assertEqual((a.status, a.reused), (200, False), a)

    def test_a_session_with_certificate(self):
        """Where certificates are asked for nothing is given out that could be resumed: openssl has no session to write."""
        for version in VERSIONS:
            for name in ("closed.test", "asks.test"):
                file = self.ticket(version, name, "known")
                self.assertFalse(os.path.exists(work(file)), file)
                self.refused(s_client(self.door.port, version, name="closed.test"))

    def test_session_ids(self):
        """Without tickets TLS 1.2 resumes by an id that the server remembers: ours remembers none and gives none."""
        a = s_client(self.door.port, "-tls1_2", "-no_ticket", name="open.test", sess_out="by-id")
        self.assertEqual(a.status, 200, a)
        self.assertRegex(a.text, r"Session-ID: *\n")
        self.assertFalse(os.path.exists(work("by-id")))
        # The id that came with a ticket is none either.
        file = self.ticket("-tls1_2", "open.test")
        for name, status in (("open.test", 200), ("asks.test", 200), ("closed.test", 0)):
            a = s_client(self.door.port, "-tls1_2", "-no_ticket", name=name, sess_in=file)
            self.assertEqual((a.status, a.reused), (status, False), a)

    def test_counters(self):
        before = self.door.stat("listener.second.ssl.session_reused")
        self.refused(s_client(self.other_port, name="closed.test", sess_in=self.ticket("-tls1_3", "open.test")))
        stats = self.door.stats()
        mine = {k: v for k, v in stats.items() if k.startswith("listener.") and f"_{self.other_port}.ssl." in k}
        self.assertEqual(before, 0)
        self.assertEqual([v for k, v in mine.items() if k.endswith("session_reused")], [0], mine)
        self.assertTrue([v for k, v in mine.items() if k.endswith("fail_verify_no_cert")][0] > 0, mine)


if __name__ == "__main__":
    unittest.main()
