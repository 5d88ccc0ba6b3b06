# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples that are about TLS, run as they stand."""
import os
import unittest

from early import early, session
from example import Example, copy, door_files
from harness import ECHO, Nginx, ca, cert, curl, free_port, nginx_plain, wait_for, work
from mtls import Revoker, s_client
from test_examples import SECRET, etc, read
from test_mtls_ocsp import Responder, index
from test_origin_ocsp import BY, Server, response


class TlsExamples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        door_files(cert("tls-examples", san="DNS:localhost,DNS:api.example.com"), SECRET)
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def doors(self, text, n):
        doors = [Example(text, self.origin) for _ in range(n)]
        self.addCleanup(lambda: self.assertEqual([d.proc.stop() for d in doors], [0] * n))
        return doors

    def test_ticket_keys(self):
        def key(name, data):
            path = os.path.join(work("etc"), name)
            with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT, 0o600), "wb") as f:
                f.write(data)
            os.rename(path + ".new", path)

        first, second = os.urandom(80), os.urandom(80)
        for name in ("tickets-now", "tickets-next", "tickets-before"):
            key(name, first)
        a, b = self.doors(read("examples/ticket-keys/sallyport.yaml"), 2)
        reused = lambda door: s_client(door.port, sess_in="example-session").reused
        s_client(a.port, sess_out="example-session")
        self.assertTrue(reused(b))
        key("tickets-next", second)
        key("tickets-before", first)
        key("tickets-now", second)
        self.assertTrue(reused(a))
        self.assertTrue(reused(b))
        key("tickets-before", second)
        wait_for("the first key to be forgotten", lambda: not reused(b))

    def test_early_data(self):
        door, = self.doors(read("examples/early-data/sallyport.yaml"), 1)
        proof = f"x-origin-verify: {SECRET}"

        def visit(path, method, *lines):
            head = lambda m, *more: "\r\n".join([f"{m} {path} HTTP/1.1", "host: localhost", *lines, *more, "", ""]).encode()
            return early(door.port, session(door.port, "example-early"), head(method), head("GET", "connection: close"))
        for path, method, lines, statuses in (("/echo", "GET", [proof], [200, 200]), ("/account", "GET", [proof], [425, 404]),
                                              ("/echo", "GET", [], [403, 403])):
            a = visit(path, method, *lines)
            self.assertEqual((path, method, a.accepted, a.statuses), (path, method, True, statuses), a)

    def test_two_names(self):
        copy(ca("partners-ca"), "partners-ca.pem")
        pair = cert("partner-of-example", san="DNS:partner.example.com", by="partners-ca")
        shows, secret = ("--cert", pair[0], "--key", pair[1]), ("-H", f"x-origin-verify: {SECRET}")
        door, = self.doors(read("examples/two-names/sallyport.yaml"), 1)

        def ask(sni, host, *args):
            a = curl(f"https://{sni}:{door.port}/echo", "-k", "--connect-to", f"{sni}:{door.port}:127.0.0.1:{door.port}", "-H", f"host: {host}", *args)
            return a.status
        partners, www = "partners.example.com", "www.example.com"
        for version in ("--http1.1", "--http2"):
            self.assertEqual([ask(partners, partners, *shows, version), ask(www, www, *secret, version)], [200, 200])
            self.assertEqual([ask(partners, partners, version), ask(www, www, version)], [0, 403])
            self.assertEqual([ask(www, partners, *secret, version), ask(www, partners, *secret, *shows, version)], [421, 421])
            self.assertEqual(ask(partners, www, *shows, version), 421)
            self.assertEqual(ask(www, partners, version), 403)  # the gate answers first
            self.assertEqual(ask(www, "nobody.example.com", *secret, version), 404)

    def test_metrics_port(self):
        copy(ca("ops-ca"), "ops-ca.pem")
        scraper, operator = (cert(name, san=f"DNS:{name}.example.com", by="ops-ca") for name in ("prometheus", "ops"))
        text, ports = read("examples/metrics-port/sallyport.yaml"), {"9902": str(free_port()), "9903": str(free_port())}
        Example.audit(text.replace("/etc/sallyport/", work("etc") + "/"), ())
        for old, new in ports.items():
            text = text.replace(f"port_value: {old}", f"port_value: {new}")
        door, = self.doors(text, 1)

        def ask(port, path, pair, *args):
            shows = ("--cert", pair[0], "--key", pair[1]) if pair else ()
            return curl(f"https://localhost:{ports[port]}{path}", *shows, *args)
        self.assertIn(b"envoy_server_live{} 1", ask("9902", "/stats/prometheus", scraper).body)
        self.assertEqual([ask("9902", path, scraper).status for path in ("/ready", "/config_dump", "/quitquitquit")], [200, 404, 404])
        self.assertEqual(ask("9902", "/stats", scraper, "-X", "POST").status, 405)
        self.assertEqual([ask("9902", "/ready", pair).status for pair in (None, operator)], [0, 0])
        self.assertEqual(ask("9903", "/ready", scraper).status, 0)
        self.assertEqual(ask("9903", "/reload", operator, "-X", "POST").status, 200)
        self.assertEqual(door.get("/echo", "-H", f"x-origin-verify: {SECRET}").status, 200)
        self.assertEqual(door.get("/ready").status, 403)

    def test_origin_tls(self):
        """A new identity, then a revoked origin."""
        chain, key = cert("spiffe-origin", san="URI:spiffe://example.com/api")
        o = Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_protocols TLSv1.3; "
                  f"ssl_client_certificate {ca()}; ssl_verify_client on; " + ECHO)
        self.addCleanup(o.kill)
        lists = Revoker("ca")
        etc("origin.crl", lists.list())
        copy(ca(), "origin-ca.pem")

        def identity(name):
            for path, to in zip(cert(name, san=f"URI:spiffe://example.com/{name}"), ("identity.pem", "identity.key")):
                copy(path, to)

        identity("door-1")
        e = Example(read("examples/origin-tls/sallyport.yaml"), o, files={"identity.yaml": read("examples/origin-tls/identity.yaml")})
        self.addCleanup(lambda: self.assertEqual(e.proc.stop(), 0))
        get = lambda: e.get("/echo", "-H", f"x-origin-verify: {SECRET}")
        self.assertIn(b"client=CN=door-1", get().body)
        identity("door-2")
        wait_for("the new identity", lambda: b"client=CN=door-2" in get().body)
        lists.revoke("spiffe-origin")
        etc("origin.crl", lists.list())
        wait_for("the revocation", lambda: get().status == 503)

    def test_origin_ocsp(self):
        """What is stapled settles it; else the responder is asked, and without its word nobody goes there."""
        must = {}
        for name, san in (("ocsp-origin", "api.example.com"), ("ocsp-revoked", "api.example.com")):
            must[name] = cert(name, by=BY, san="DNS:" + san)
        cert("responder", by=BY, usage="OCSPSigning")
        copy(ca(BY), "origin-ca.pem")
        index(good=["ocsp-origin"], revoked=["ocsp-revoked"])
        responder = Responder()
        self.addCleanup(responder.shutdown)
        text = read("examples/origin-ocsp/sallyport.yaml").replace("2560", str(responder.port))
        for name, staple, status, asked in (("ocsp-origin", response("ocsp-origin", file="example-good.der"), 200, 0), ("ocsp-origin", None, 200, 1),
                                            ("ocsp-revoked", None, 503, 1),
                                            ("ocsp-revoked", response("ocsp-revoked", "R", file="example-revoked.der"), 503, 0)):
            o, before = Server(name, "-tls1_3", staple), responder.asked
            e = Example(text, o)
            got = e.get("/", "-H", f"x-origin-verify: {SECRET}").status
            self.assertEqual((name, got, responder.asked - before), (name, status, asked))
            self.assertEqual(e.proc.stop(), 0)
            o.kill()


if __name__ == "__main__":
    unittest.main()
