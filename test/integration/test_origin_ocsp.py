# SPDX-License-Identifier: GPL-2.0-or-later
"""OCSP about the certificates of origins: what a real `openssl s_server` staples, what a real `openssl ocsp` answers, and all that can
be wrong with either; nobody else waits meanwhile."""
import hashlib
import json
import os
import subprocess
import threading
import time
import unittest

from harness import (ROOT, SLOW, Nginx, Proc, Sallyport, T, _openssl, ca, cert, cluster, config, connects, curl, free_port, listener, nginx_plain, refused,
                     route_to, upstream_tls, wait_for, work)
from live import Live
from mtls import put
from test_mtls_ocsp import Responder, index, serial

VERSIONS = ("-tls1_3", "-tls1_2")
BY = "clients"  # the CA that Responder speaks for
FAILED = "TLS error: certificate verification failed: "


def must_staple(name):
    """A certificate whose TLS feature demands a staple."""
    cert(name, by=BY)
    put(name + ".ext", "subjectAltName=DNS:localhost\ntlsfeature=status_request\n")
    _openssl("x509", "-req", "-in", work(name + ".csr"), "-CA", work(BY + ".pem"), "-CAkey", work(BY + ".key"), "-CAcreateserial",
             "-out", work(name + ".pem"), "-extfile", work(name + ".ext"), "-days", "30")


def der(tag, *parts):
    body = b"".join(parts)
    n = len(body)
    return bytes([tag]) + (bytes([n]) if n < 128 else b"\x81" + bytes([n]) if n < 256 else b"\x82" + n.to_bytes(2, "big")) + body


def parts(data):
    """What stands in a DER value: (tag, whole, content)."""
    out, at = [], 0
    while at < len(data):
        n, head = data[at + 1], 2
        if n & 0x80:
            head += n & 0x7f
            n = int.from_bytes(data[at + 2:at + head], "big")
        out.append((data[at], data[at:at + head + n], data[at + head:at + head + n]))
        at += head + n
    return out


def response(name, status="V", lasts=7 * 86400, by=BY, signer=BY, brings=False, file="staple.der"):
    """An OCSP response about it: good, revoked or unknown ("U"), for so many seconds (None: without nextUpdate), of `by`'s, signed by
    `signer`, whose certificate it may bring along. As `openssl ocsp` makes them, but for any time."""
    _openssl("ocsp", "-issuer", ca(by), "-cert", cert(name, by=by)[0], "-reqout", work("one-request"))
    with open(work("one-request"), "rb") as f:
        inside = f.read()
    for _ in range(4):
        inside = parts(inside)[0][2]
    cert_id = parts(inside)[0][1]
    time_of = lambda t: der(0x18, time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t)).encode())
    now = time.time()
    states = {"V": der(0x80), "R": der(0xa1, time_of(now - 86400)), "U": der(0x82)}
    key_hash = hashlib.sha1(parts(parts(parts(_openssl("pkey", "-in", work(signer + ".key"), "-pubout", "-outform", "DER").stdout)[0][2])[1][1])[0][2][1:])
    single = der(0x30, cert_id, states[status], time_of(now - 60), *([der(0xa0, time_of(now + lasts))] if lasts is not None else []))
    tbs = der(0x30, der(0xa2, der(0x04, key_hash.digest())), time_of(now), der(0x30, single))
    put("one-tbs", "")
    with open(work("one-tbs"), "wb") as f:
        f.write(tbs)
    signature = _openssl("dgst", "-sha256", "-sign", work(signer + ".key"), work("one-tbs")).stdout
    certs = [der(0xa0, der(0x30, _openssl("x509", "-in", work(signer + ".pem"), "-outform", "DER").stdout))] if brings else []
    basic = der(0x30, tbs, der(0x30, bytes.fromhex("06082a8648ce3d040302")), der(0x03, b"\0" + signature), *certs)
    with open(work(file), "wb") as f:
        f.write(der(0x30, b"\x0a\x01\x00", der(0xa0, der(0x30, bytes.fromhex("06092b0601050507300101"), der(0x04, basic)))))
    return work(file)


def garbage(file="garbage.der"):
    """An OCSPResponse whose content is none."""
    with open(work(file), "wb") as f:
        f.write(der(0x30, b"\x0a\x01\x00", der(0xa0, der(0x30, bytes.fromhex("06092b0601050507300101"), der(0x04, os.urandom(300))))))
    return work(file)


def later(file="later.der"):
    with open(work(file), "wb") as f:
        f.write(der(0x30, b"\x0a\x01\x03"))  # tryLater
    return work(file)


class Server(Proc):
    def __init__(self, name, version="-tls1_3", staple=None, *more):
        self.port = free_port()
        chain, key = cert(name, by=BY)
        super().__init__("s_server", ["openssl", "s_server", "-accept", str(self.port), "-cert", chain, "-key", key, "-www", version,
                                      *(["-status_file", staple] if staple else []), *more])
        wait_for("s_server", lambda: connects(self.port))


def tls(ocsp=None, staples=None, **more):
    r = {"@type": T + "sallyport.tls.v1.Revocation"}
    if ocsp is not None:
        r["ocsp"] = {"cluster": "responder", **ocsp}
    if staples:
        r["staples"] = staples + "_STAPLES"
    return upstream_tls(client=None, san=None, validation_context={
        "trusted_ca": {"filename": ca(BY)}, "custom_validator_config": {"name": "revocation", "typed_config": r}}, **more)


def log(port):
    return [{"name": "file", "typed_config": {
        "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": work(f"ocsp-{port}.log"), "log_format": {"json_format": {
            "flags": "%RESPONSE_FLAGS%", "why": "%UPSTREAM_TRANSPORT_FAILURE_REASON%", "details": "%RESPONSE_CODE_DETAILS%"}}}}]


class Base(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        ca(BY)
        cert("responder", by=BY, usage="OCSPSigning")
        cert("false-responder", by="ca", usage="OCSPSigning")
        for name in ("stapler", "another"):
            cert(name, by=BY)
        must_staple("must")

    def server(self, *args):
        s = Server(*args)
        self.addCleanup(s.kill)
        return s

    def conf(self, port, responder=None, clusters=(), **how):
        own = [cluster("o", port, tls=tls(**how))] + ([cluster("responder", responder)] if responder else [])
        routes = [route_to(c["name"], "/" + c["name"]) for c in clusters] + [route_to("o")]
        at = free_port()
        return config([listener(at, routes, hcm={"access_log": log(at)})], [*own, *clusters])

    def door(self, *args, make=lambda c: Sallyport(c, concurrency=1), **kw):
        door = make(self.conf(*args, **kw))
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    @staticmethod
    def get(door, path="/"):
        return curl(f"http://localhost:{door.port}{path}").status

    def why(self, door):
        """Of the last request."""
        path = work(f"ocsp-{door.port}.log")
        lines = lambda: open(path).read().splitlines() if os.path.exists(path) else []
        wait_for("the log", lambda: len(lines()) > 0)
        return json.loads(lines()[-1])

    @staticmethod
    def stats(door, name="o"):
        return {k.rsplit(".", 1)[1]: v for k, v in door.stats().items() if f"cluster.{name}.ssl.ocsp." in k and v}


class Stapled(Base):
    def judged(self, version, name, staple, staples, status, counted, why=None):
        s = self.server(name, version, staple)
        door = self.door(s.port, staples=staples)
        with self.subTest(version=version, name=name, staple=staple and os.path.basename(staple), staples=staples):
            self.assertEqual(self.get(door), status)
            self.assertEqual(self.stats(door), {"stapled_" + counted: 1} if counted else {})
            if why:
                line = self.why(door)
                self.assertEqual((line["flags"], line["why"]), ("UF", FAILED + why))
                self.assertIn("remote_connection_failure", line["details"])
                self.assertEqual(door.stat("cluster.o.ssl.fail_verify_error"), 1)
        s.kill()

    def test_what_is_stapled(self):
        good = response("stapler", file="good.der")
        bad = {"late": response("stapler", lasts=-1, file="late.der"), "endless": response("stapler", lasts=None, file="endless.der"),
               "garbage": garbage(), "later": later(), "of another": response("another", file="another.der"),
               "wrong signer": response("stapler", signer="false-responder", brings=True, file="false.der"),
               "another CA": response("stapler", signer="ca", brings=True, file="other.der"),
               "no certificate of the signer": response("stapler", signer="responder", file="bare.der")}
        delegated = response("stapler", signer="responder", brings=True, file="delegated.der")
        revoked, unknown = response("stapler", "R", file="revoked.der"), response("stapler", "U", file="unknown.der")
        for version in VERSIONS:
            for staples in ("LENIENT", "STRICT"):
                strict = staples == "STRICT"
                self.judged(version, "stapler", good, staples, 200, "good")
                self.judged(version, "stapler", delegated, staples, 200, "good")
                self.judged(version, "stapler", revoked, staples, 503, "revoked", "the stapled OCSP response says that it is revoked")
                self.judged(version, "stapler", unknown, staples, 503 if strict else 200, "unknown",
                            strict and "the stapled OCSP response does not know it")
                self.judged(version, "stapler", None, staples, 503 if strict else 200, "missing", strict and "no OCSP response is stapled")
                for path in bad.values():
                    self.judged(version, "stapler", path, staples, 503 if strict else 200, "bad",
                                strict and "the stapled OCSP response does not count")
            self.judged(version, "stapler", revoked, None, 200, None)  # nobody asked

    def test_certificates_that_demand_one(self):
        good, unknown = response("must", file="must.der"), response("must", "U", file="must-unknown.der")
        for version in VERSIONS:
            for staples in ("LENIENT", "STRICT"):
                self.judged(version, "must", good, staples, 200, "good")
                self.judged(version, "must", None, staples, 503, "missing", "it demands a stapled OCSP response, and there is none")
                self.judged(version, "must", garbage(), staples, 503, "bad", "it demands a stapled OCSP response, and that does not count")
                self.judged(version, "must", unknown, staples, 503, "unknown", "it demands a stapled OCSP response, which does not know it")
            self.judged(version, "must", None, None, 200, None)

    def test_sessions_last_as_long_as_what_was_stapled(self):
        """With a session nothing is stapled: it is good for as long as the response that came when it began."""
        for version in VERSIONS:
            s = self.server("stapler", version, response("stapler", lasts=4 * SLOW, file="brief.der"))
            door = self.door(s.port, staples="STRICT")
            reused = lambda: [door.stat("cluster.o.ssl." + x) for x in ("handshake", "session_reused")]
            self.assertEqual([self.get(door) for _ in range(3)], [200] * 3)
            self.assertEqual(reused(), [3, 2])
            response("stapler", file="brief.der")
            time.sleep(4 * SLOW + 1)
            self.assertEqual([self.get(door) for _ in range(3)], [200] * 3)
            self.assertEqual(reused(), [6, 4])
            self.assertEqual(self.stats(door), {"stapled_good": 2})
            s.kill()

    def test_it_runs_out_while_the_connection_is_open(self):
        """The connection takes no more requests, and the next one brings a new response; no request fails."""
        chain, key = cert("stapler", by=BY)
        path = response("stapler", lasts=4 * SLOW, file="open.der")
        conf = lambda: (f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_stapling on; ssl_stapling_file {path}; "
                        "location / { return 200 ok; }")
        o = Nginx(conf())
        door = self.door(o.port, staples="STRICT")
        self.assertEqual([self.get(door) for _ in range(3)], [200] * 3)
        self.assertEqual(door.stat("cluster.o.ssl.handshake"), 1)
        time.sleep(4 * SLOW + 1)
        self.assertEqual(self.get(door), 503)  # nginx staples the old one still
        self.assertEqual((self.stats(door), door.stat("cluster.o.ssl.fail_verify_error")), ({"stapled_good": 1, "stapled_bad": 1}, 1))
        response("stapler", file="open.der")
        o.kill()
        o = Nginx(conf(), port=o.port)
        self.addCleanup(o.kill)
        self.assertEqual([self.get(door) for _ in range(3)], [200] * 3)
        self.assertEqual(door.stat("cluster.o.ssl.handshake"), 2)


GO = """package main

import (
    "crypto/tls"
    "net/http"
    "os"
)

func main() {
    cert, err := tls.LoadX509KeyPair(os.Args[2], os.Args[3])
    if err != nil {
        panic(err)
    }
    if len(os.Args) > 4 {
        cert.OCSPStaple, _ = os.ReadFile(os.Args[4])
    }
    l, err := tls.Listen("tcp", os.Args[1], &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequestClientCert})
    if err != nil {
        panic(err)
    }
    http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("ok")) }))
}
"""


class AskedByTheOrigin(Base):
    """Go's servers ask for a staple to the client's certificate: there is none, and nothing goes wrong."""

    def test_go(self):
        found = subprocess.run([os.path.join(ROOT, "scripts", "go")], capture_output=True, text=True, check=False)
        if found.returncode:
            self.skipTest(found.stderr)
        source, program = work("stapler.go"), work("stapler-go")
        put("stapler.go", GO)
        subprocess.run([found.stdout.strip(), "build", "-o", program, source], check=True, cwd=os.path.dirname(source),
                       env=dict(os.environ, GO111MODULE="off", GOFLAGS="", GOCACHE=work("go-cache")), capture_output=True)
        chain, key = cert("stapler", by=BY)
        for staple, counted in ((response("stapler", file="go.der"), "good"), (None, "missing")):
            port = free_port()
            o = Proc("go", [program, f"127.0.0.1:{port}", chain, key, *([staple] if staple else [])])
            self.addCleanup(o.kill)
            wait_for("it", lambda p=port: connects(p))
            for client in (None, "stapler"):
                conf = self.conf(port, staples="LENIENT")
                if client:
                    conf["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]["common_tls_context"]["tls_certificates"] = [
                        {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]
                door = Sallyport(conf, concurrency=1)
                self.addCleanup(lambda d=door: self.assertEqual(d.stop(), 0))
                with self.subTest(counted, client=client):
                    self.assertEqual(self.get(door), 200)
                    self.assertEqual(self.stats(door), {"stapled_" + counted: 1})


class Asked(Base):
    def responder(self):
        r = Responder()
        self.addCleanup(r.shutdown)
        return r

    def test_openssl_as_it_is(self):
        index(good=["stapler"], revoked=["another"])
        port = free_port()
        process = Proc("openssl-ocsp", ["openssl", "ocsp", "-port", str(port), "-index", work("ocsp-index"), "-CA", ca(BY),
                                        "-rsigner", cert("responder")[0], "-rkey", cert("responder")[1], "-nmin", "5"])
        wait_for("openssl ocsp", lambda: "waiting for OCSP" in process.log())
        for version in VERSIONS:
            for name, strict, soft, counted, why in (("stapler", 200, 200, "good", ""),
                                                     ("another", 503, 503, "revoked", "the OCSP responder says that it is revoked"),
                                                     ("must", 503, 200, "unknown", "the OCSP responder does not know it")):
                s = self.server(name, version)
                for policy, expected in (("STRICT", strict), ("SOFT", soft)):
                    with self.subTest(version=version, name=name, policy=policy):
                        door = self.door(s.port, port, ocsp={"timeout": "9s", "policy": policy})
                        self.assertEqual([self.get(door) for _ in range(2)], [expected] * 2)
                        self.assertEqual(self.stats(door), {"asked": 1, counted: 1, "cached": 1})
                        if expected == 503:
                            self.assertEqual((self.why(door)["flags"], self.why(door)["why"]), ("UF", FAILED + why))
                            self.assertEqual(door.stat("cluster.o.ssl.fail_verify_error"), 2)
                s.kill()
        process.kill()

    def test_without_an_answer(self):
        index(good=["stapler"])
        s = self.server("stapler")
        r = self.responder()
        nobody = free_port()
        for port, change, why in ((nobody, {}, "the OCSP responder does not answer"), (r.port, {"status": 500}, "the OCSP responder refuses"),
                                  (r.port, {"signer": "false-responder"}, "the OCSP responder's answer does not count"),
                                  (r.port, {"options": ["-resp_no_certs"]}, "the OCSP responder's answer does not count"),
                                  (r.port, {"delay": 3}, "the OCSP responder does not answer")):
            with self.subTest(change):
                for key, value in {"status": 200, "signer": "responder", "options": [], "delay": 0, **change}.items():
                    setattr(r, key, value)
                strict, soft = (self.door(s.port, port, ocsp={"timeout": "0.3s", "policy": p}) for p in ("STRICT", "SOFT"))
                self.assertEqual((self.get(strict), self.why(strict)["why"]), (503, FAILED + why))
                self.assertEqual(self.get(soft), 200)
                self.assertEqual(self.stats(strict)["failed"], 1)
        r.delay = 0
        wait_for("the answer", lambda: self.get(strict) == 200)  # the failure is forgotten after two seconds

    def test_the_responder_hangs(self):
        """One worker: others are served meanwhile, requests for the origin wait, and connect_timeout holds, which is the shorter one."""
        index(good=["stapler"])
        s, r, plain = self.server("stapler"), self.responder(), nginx_plain()
        self.addCleanup(plain.kill)
        r.delay = 30
        conf = self.conf(s.port, r.port, [cluster("echo", plain.port)], ocsp={"timeout": "10s"})
        conf["static_resources"]["clusters"][0]["connect_timeout"] = f"{min(3 * SLOW, 9)}s"
        door = Sallyport(conf, concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        got = []
        threads = [threading.Thread(target=lambda: got.append(self.get(door))) for _ in range(3)]
        for t in threads:
            t.start()
        wait_for("the question", lambda: self.stats(door).get("asked"))
        self.assertEqual([self.get(door, "/echo") for _ in range(20)], [200] * 20)
        self.assertEqual(got, [])
        for t in threads:
            t.join()
        self.assertEqual(got, [503] * 3)
        self.assertGreaterEqual(door.stat("cluster.o.upstream_cx_connect_timeout"), 1)
        self.assertEqual(door.stat("cluster.o.upstream_cx_active"), 0)

    def test_nothing_is_sent_before_the_answer(self):
        index(good=["stapler"])
        r = self.responder()
        r.delay = 0.7
        chain, key = cert("stapler", by=BY)
        for http2 in ("", " http2"):
            o = Nginx(f"listen 127.0.0.1:$PORT ssl{http2}; ssl_certificate {chain}; ssl_certificate_key {key}; "
                      "location / { return 200 ok; }")
            self.addCleanup(o.kill)
            conf = self.conf(o.port, r.port, ocsp={"timeout": "9s"})
            if http2:
                conf["static_resources"]["clusters"][0] = cluster("o", o.port, tls=tls(ocsp={"timeout": "9s"}), http2=True)
            door = Sallyport(conf, concurrency=1)
            self.addCleanup(lambda d=door: self.assertEqual(d.stop(), 0))
            got, before = [], r.asked
            threads = [threading.Thread(target=lambda: got.append(self.get(door))) for _ in range(4)]
            for t in threads:
                t.start()
            wait_for("the question", lambda: r.asked > before)
            self.assertEqual(door.stat("cluster.o.upstream_rq_active"), 0)
            for t in threads:
                t.join()
            self.assertEqual(got, [200] * 4)
            self.assertEqual(r.asked, before + 1)  # one question, however many connections

    def test_revoked_while_connected(self):
        index(good=["stapler"])
        r = self.responder()
        chain, key = cert("stapler", by=BY)
        o = Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; location / {{ return 200 ok; }}")
        self.addCleanup(o.kill)
        door = self.door(o.port, r.port, ocsp={"max_age": "1s"})
        self.assertEqual([self.get(door) for _ in range(3)], [200] * 3)
        self.assertEqual(door.stat("cluster.o.ssl.handshake"), 1)
        index(revoked=["stapler"])
        wait_for("the new answer", lambda: self.get(door) == 503)
        self.assertIn("is good no longer: the OCSP responder says that it is revoked", door.log())
        index(good=["stapler"])
        wait_for("the old answer", lambda: self.get(door) == 200)

    def test_health_checks_ask_too(self):
        index(revoked=["stapler"])
        r, s = self.responder(), self.server("stapler")
        conf = self.conf(s.port, r.port, ocsp={})
        conf["static_resources"]["clusters"][0]["health_checks"] = [{
            "timeout": "2s", "interval": "0.2s", "unhealthy_threshold": 1, "healthy_threshold": 1, "no_traffic_interval": "0.2s",
            "http_health_check": {"path": "/"}}]
        door = Sallyport(conf, concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        wait_for("the check", lambda: door.stat("cluster.o.health_check.failure"))
        self.assertEqual(door.stat("cluster.o.membership_healthy"), 0)

    def test_where_nothing_counts_that_is_stapled(self):
        """Staples first; who is to be asked is asked about the others."""
        index(good=["stapler"])
        r = self.responder()
        for version in VERSIONS:
            for staple, asked, counted in ((response("stapler", file="first.der"), 0, "good"), (None, 1, "missing"), (garbage(), 1, "bad"),
                                           (response("stapler", "U", file="first-unknown.der"), 1, "unknown")):
                with self.subTest(version=version, counted=counted):
                    s, before = self.server("stapler", version, staple), r.asked
                    door = self.door(s.port, r.port, ocsp={}, staples="LENIENT")
                    self.assertEqual((self.get(door), r.asked - before, self.stats(door).get("stapled_" + counted)), (200, asked, 1))
                    s.kill()
            s, before = self.server("stapler", version, response("stapler", "R", file="first-revoked.der")), r.asked
            door = self.door(s.port, r.port, ocsp={}, staples="LENIENT")
            self.assertEqual((self.get(door), r.asked), (503, before))
            s.kill()
        s, before = self.server("must", "-tls1_3"), r.asked  # that has to be stapled to: nobody else's word will do
        door = self.door(s.port, r.port, ocsp={}, staples="LENIENT")
        self.assertEqual((self.get(door), r.asked), (503, before))

    def test_reloads(self):
        """Another responder is another cluster to ask, and what is open to the origin drains; with the same one all stays."""
        index(good=["stapler"])
        a, b, s = self.responder(), self.responder(), self.server("stapler")
        conf = self.conf(s.port, a.port, ocsp={})
        door = Live(conf, concurrency=1)
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        self.assertEqual((self.get(door), a.asked, b.asked), (200, 1, 0))
        door.again(conf)
        self.assertEqual((self.get(door), a.asked, b.asked), (200, 1, 0))
        responder = cluster("responder", b.port)
        responder["connect_timeout"] = "3s"
        conf["static_resources"]["clusters"][1] = responder
        door.change(conf)
        self.assertEqual((self.get(door), a.asked, b.asked), (200, 1, 1))
        del conf["static_resources"]["clusters"][1]
        door.change(conf, ok=False)
        self.assertEqual(self.get(door), 200)


class Configs(Base):
    def test_refused(self):
        self.assertIn('there is no cluster "responder"', refused(self.conf(9, ocsp={})))
        self.assertIn("would never have ocsp asked", refused(self.conf(9, 9, ocsp={}, staples="STRICT")))
        conf = self.conf(9, 9, ocsp={})
        conf["static_resources"]["clusters"].append(cluster("other", 9, tls=tls(ocsp={"cluster": "o"})))
        self.assertIn('"o" has a responder asked itself', refused(conf))
        self.assertIn('"o" has a responder asked itself', refused(self.conf(9, ocsp={"cluster": "o"})))
        conf = self.conf(9, staples="LENIENT")
        conf["static_resources"]["clusters"][0]["transport_socket"]["typed_config"]["common_tls_context"]["validation_context"][
            "trust_chain_verification"] = "ACCEPT_UNTRUSTED"
        self.assertIn("cannot be believed without a known issuer", refused(conf))


if __name__ == "__main__":
    unittest.main()
