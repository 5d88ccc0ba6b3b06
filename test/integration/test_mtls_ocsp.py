# SPDX-License-Identifier: GPL-2.0-or-later
"""OCSP about clients' certificates, with `openssl ocsp` as the responder; slow, broken and lying ones answer over HTTP what
openssl has made of the question."""
import http.server
import subprocess
import threading
import time
import unittest

from echo import Echo
from harness import (SECRET, Proc, Sallyport, T, _openssl, ca, cert, cluster, config, curl, downstream_tls, free_port,
                     listener, refused, route_to, shield, wait_for, work)
from mtls import Connection, put, s_client
from test_header_certificate import cloudfront, gate

ROUTES = [{"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": "in"}}}]


def serial(name):
    return _openssl("x509", "-in", cert(name)[0], "-noout", "-serial").stdout.decode().strip().split("=")[1]


def index(good=(), revoked=()):
    """What `openssl ocsp` knows."""
    return put("ocsp-index", "".join(f"V\t491231235959Z\t\t{serial(n)}\tunknown\t/CN={n}\n" for n in good) +
               "".join(f"R\t491231235959Z\t250101000000Z\t{serial(n)}\tunknown\t/CN={n}\n" for n in revoked))


class Responder(http.server.ThreadingHTTPServer):
    """Between the door and openssl: counts, waits, changes."""
    daemon_threads = True

    def __init__(self):
        self.asked, self.delay, self.status, self.signer, self.options, self.lock = 0, 0, 200, "responder", [], threading.Lock()
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        s = self.server
        with s.lock:
            s.asked += 1
            question, answer = work(f"q{s.asked}"), work(f"a{s.asked}")
        assert self.headers["content-type"] == "application/ocsp-request"
        with open(question, "wb") as f:
            f.write(body)
        _openssl("ocsp", "-index", work("ocsp-index"), "-CA", ca("clients"), "-rsigner", work(s.signer + ".pem"), "-rkey",
                 work(s.signer + ".key"), "-reqin", question, "-respout", answer, *s.options)
        time.sleep(s.delay)
        with open(answer, "rb") as f:
            data = f.read()
        self.send_response(s.status)
        self.send_header("content-type", "application/ocsp-response")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            pass  # the door waits no longer

    def log_message(self, *args):
        pass


class Ocsp(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ca("clients")
        cert("server")
        for name in ("alice", "mallory", "nobody"):
            cert(name, by="clients")
        cert("responder", by="clients", usage="OCSPSigning")
        cert("false-responder", by="ca", usage="OCSPSigning")
        index(good=["alice"], revoked=["mallory"])

    def door(self, port, require=True, **ocsp):
        tls = downstream_tls("server", client_ca=ca("clients"), require=require)
        tls["typed_config"]["common_tls_context"]["validation_context"]["custom_validator_config"] = {
            "name": "revocation", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation",
                                                   "ocsp": {"cluster": "responder", **ocsp}}}
        door = Sallyport(config([listener(free_port(), ROUTES, tls=tls)], [cluster("responder", port)]), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    def stats(self, door):
        return {k.rsplit(".", 1)[1]: v for k, v in door.stats().items() if ".ssl.ocsp." in k}

    def responder(self):
        r = Responder()
        self.addCleanup(r.shutdown)
        return r

    def ask(self, door, *clients):
        return [s_client(door.port, client=c).status for c in clients]

    def test_openssl_as_it_is(self):
        port = free_port()
        process = Proc("openssl-ocsp", ["openssl", "ocsp", "-port", str(port), "-index", work("ocsp-index"), "-CA", ca("clients"),
                                        "-rsigner", cert("responder")[0], "-rkey", cert("responder")[1], "-nmin", "5"])
        wait_for("openssl ocsp", lambda: "waiting for OCSP" in process.log())
        strict = self.door(port, timeout="9s")
        self.assertEqual(self.ask(strict, "alice", "mallory", "nobody", "alice", None), [200, 0, 0, 200, 0])
        self.assertEqual(self.stats(strict), {"asked": 3, "cached": 1, "good": 1, "revoked": 1, "unknown": 1, "failed": 0})
        log = strict.log()
        self.assertIn("the client's certificate is not taken: the OCSP responder says that it is revoked", log)
        self.assertIn("the client's certificate is not taken: the OCSP responder does not know it", log)
        self.assertEqual(sum(v for k, v in strict.stats().items() if k.endswith("ssl.fail_verify_error")), 2)
        nonce = self.door(port, nonce=True, timeout="9s")
        self.assertEqual(self.ask(nonce, "alice", "mallory"), [200, 0])
        soft = self.door(port, policy="SOFT", timeout="9s")
        self.assertEqual(self.ask(soft, "alice", "mallory", "nobody"), [200, 0, 200])
        process.kill()

    def test_without_an_answer(self):
        nobody = free_port()
        self.assertEqual(self.ask(self.door(nobody), "alice"), [0])
        self.assertEqual(self.ask(self.door(nobody, policy="SOFT"), "alice", "mallory"), [200, 200])
        r = self.responder()
        for change in ({"status": 500}, {"signer": "false-responder"}, {"options": ["-resp_no_certs"]}, {"delay": 0.6}):
            with self.subTest(change):
                for key, value in {"status": 200, "signer": "responder", "options": [], "delay": 0, **change}.items():
                    setattr(r, key, value)
                strict, soft = self.door(r.port, timeout="0.3s"), self.door(r.port, timeout="0.3s", policy="SOFT")
                self.assertEqual(self.ask(strict, "alice") + self.ask(soft, "alice"), [0, 200])
                self.assertEqual(self.stats(strict)["failed"], 1)
        # It is well again: the failure is forgotten after two seconds.
        r.delay = 0
        wait_for("the answer", lambda: self.ask(strict, "alice") == [200])

    def test_nothing_is_read_before_the_answer(self):
        r = self.responder()
        r.delay = 2.0
        door = self.door(r.port, timeout="9s")
        began = time.time()
        threads, got = [], []
        for client in ["alice"] * 5 + ["mallory"]:
            threads.append(threading.Thread(target=lambda c=client: got.append((c, *self.ask(door, c)))))
            threads[-1].start()
        wait_for("the questions", lambda: self.stats(door)["asked"] == 2)
        self.assertEqual(door.stat("http.test.downstream_rq_total"), 0)
        for t in threads:
            t.join()
        self.assertGreater(time.time() - began, 1.9)
        self.assertEqual(sorted(got), [("alice", 200)] * 5 + [("mallory", 0)])
        self.assertEqual(r.asked, 2)  # one question, however many wait
        self.assertEqual(door.stat("http.test.downstream_rq_total"), 5)

    def test_a_client_that_goes_meanwhile(self):
        r = self.responder()
        r.delay = 0.5
        door = self.door(r.port)
        p = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{door.port}", "-cert", cert("alice")[0], "-key",
                              cert("alice")[1]], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for("the question", lambda: self.stats(door)["asked"] == 1)
        p.kill()
        p.wait()
        p.stdin.close()
        wait_for("the end", lambda: not any(v for k, v in door.stats().items() if k.endswith("_cx_active") and "test" in k))
        self.assertEqual(self.ask(door, "alice"), [200])

    def test_revoked_while_connected(self):
        r = self.responder()
        door = self.door(r.port, max_age="1s")
        c = Connection(door.port, "alice")
        self.addCleanup(c.close)
        self.assertEqual(c.get(), 200)
        index(revoked=["alice", "mallory"])
        self.addCleanup(lambda: index(good=["alice"], revoked=["mallory"]))
        self.assertEqual(c.get(), 200)  # the answer holds for a second
        wait_for("the new answer", lambda: c.get() == 0)
        self.assertEqual(self.ask(door, "alice"), [0])
        wait_for("the log", lambda: "the client's certificate is good no longer: the OCSP responder says that it is revoked" in door.log())

    def test_optional_certificates(self):
        door = self.door(free_port(), require=False)
        self.assertEqual(self.ask(door, None, "alice"), [200, 0])
        self.assertEqual(self.stats(door)["asked"], 1)

    def test_refused_configs(self):
        def conf(clusters=("responder",), **ocsp):
            tls = downstream_tls("server", client_ca=ca("clients"))
            context = tls["typed_config"]["common_tls_context"]["validation_context"]
            context["custom_validator_config"] = {"name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {
                "cluster": "responder", **ocsp}}}
            return config([listener(free_port(), ROUTES, tls=tls)], [cluster(n, 9) for n in clusters]), context
        self.assertIn('there is no cluster "responder"', refused(conf(clusters=())[0]))
        self.assertIn("path: begins with no slash", refused(conf(path="x")[0]))
        self.assertIn("timeout", refused(conf(timeout="60s")[0]))
        self.assertIn("cluster", refused(conf(cluster="")[0]))
        c, context = conf()
        context["trust_chain_verification"] = "ACCEPT_UNTRUSTED"
        self.assertIn("without a known issuer", refused(c))


class OfAHeader(unittest.TestCase):
    """The same for certificates that come in a header: the request waits."""

    def test_header_certificate(self):
        origin = Echo()
        self.addCleanup(origin.stop)
        for name in ("ocsp-viewer", "revoked-viewer"):
            cert(name, by="clients")
        cert("responder", by="clients", usage="OCSPSigning")
        index(good=["ocsp-viewer"], revoked=["revoked-viewer"])
        r = Responder()
        r.delay = 0.3
        self.addCleanup(r.shutdown)
        gates = [shield(), gate(validation={"trusted_ca": {"filename": ca("clients")}, "custom_validator_config": {
            "name": "r", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {"cluster": "responder"}}}})]
        door = Sallyport(config([listener(free_port(), [route_to("o")], gates)],
                                [cluster("o", origin.port), cluster("responder", r.port)]), concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))

        def get(name, *more):
            return curl(f"http://127.0.0.1:{door.port}/", "-H", f"x-origin-verify: {SECRET}", "-H",
                        f"cloudfront-viewer-cert-pem: {cloudfront(name)}", *more).status
        self.assertEqual([get("ocsp-viewer"), get("revoked-viewer"), get("ocsp-viewer"), get("ocsp-viewer", "-d", "body" * 1000)], [200, 403, 200, 200])
        self.assertEqual(r.asked, 2)
        r.delay = 0
        r.shutdown()
        stats = {k.rsplit(".", 1)[1]: v for k, v in door.stats().items() if ".header_certificate." in k and ".ocsp." not in k}
        self.assertEqual((stats["verified"], stats["refused"]), (3, 1))


if __name__ == "__main__":
    unittest.main()
