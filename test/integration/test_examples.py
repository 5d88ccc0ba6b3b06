# SPDX-License-Identifier: GPL-2.0-or-later
"""Every config under examples/, and the README's, serves as it stands: only paths and ports are put in."""
import concurrent.futures
import hashlib
import hmac
import json
import os
import re
import subprocess
import time
import unittest
import urllib.parse

import proxied
import rls
from echo import Echo
from idp import INTROSPECTION, SECRET as CLIENT_SECRET, EcKey, Idp
from example import Example, copy, door_files, etc
from harness import (BIN, ROOT, SLOW, Nginx, Proc, b64url, ca, cert, curl, free_port, good_token, jwks, log_lines, nginx_mtls, nginx_plain,
                     token, wait_for, work)
from mtls import Revoker

SECRET = "the-secret-of-the-examples-0123"


def read(name):
    with open(os.path.join(ROOT, name), encoding="utf-8") as f:
        return f.read()


class Examples(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        door_files(cert("examples", san="DNS:localhost,DNS:api.example.com,DNS:www.example.com,DNS:other.test"), SECRET)
        copy(ca(), "origin-ca.pem")
        copy(ca("cdn-ca"), "cdn-ca.pem")
        for i, path in enumerate(cert("client")):
            copy(path, ("client.pem", "client.key")[i])
        etc("jwks.json", jwks())
        cls.origin = nginx_plain()
        cls.secret = ["-H", f"x-origin-verify: {SECRET}"]

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def run_example(self, text, check, origin=None, leaves_open=(), files=(), least="medium"):
        example = Example(text, origin or self.origin, leaves_open, files, least)
        try:
            check(example)
        finally:
            self.assertEqual(example.proc.stop(), 0)

    def test_all_are_here(self):
        cdns = "".join(read(f"test/integration/{name}.py") for name in (
            "test_cdn", "test_confine", "test_observability", "test_statsd", "test_examples_filters", "test_examples_origins", "test_examples_tls"))
        for name in os.listdir(os.path.join(ROOT, "examples")):
            if name == "README.md":  # the index of them
                continue
            test = "test_" + name.replace("-", "_")
            self.assertTrue(hasattr(self, test) or f"def {test}(" in cdns, f"nothing tests examples/{name}")

    def check_secret(self, e):
        self.assertEqual(e.get("/echo", *self.secret).status, 200)
        self.assertEqual(e.get("/echo").status, 403)

    def test_readme(self):
        self.run_example(re.search(r"```yaml\n(.*?)```", read("README.md"), re.S).group(1), self.check_secret, least="low")

    def test_file_xds(self):
        here = "examples/file-xds/"
        files = {f"xds/{n}": read(here + n) for n in os.listdir(os.path.join(ROOT, here)) if n.endswith(".yaml") and n != "sallyport.yaml"}
        self.assertEqual(len(files), 5)

        def check(e):
            self.check_secret(e)
            routes = files["xds/rds.yaml"]
            e.put("xds/rds.yaml", routes.replace("route: {cluster: example_proxy_cluster}", "direct_response: {status: 418}"), e.changes)
            wait_for("the new routes", lambda: e.get("/echo", *self.secret).status == 418)
            e.put("xds/rds.yaml", routes.replace("example_proxy_cluster", "another"), e.changes)
            wait_for("the refusal", lambda: '"error_state"' in curl(f"http://127.0.0.1:{e.admin}/config_dump").body.decode())
            self.assertEqual(e.get("/echo", *self.secret).status, 418)
        self.run_example(read(here + "sallyport.yaml"), check, files=files)

    def test_origin_secret(self):
        self.run_example(read("examples/origin-secret/sallyport.yaml"), self.check_secret, least="low")

    def test_websocket(self):
        import asyncio
        import ssl

        import websockets

        import ws

        def check(e):
            async def talk(path, headers):
                context = ssl.create_default_context(cafile=ca())
                async with websockets.connect(f"wss://localhost:{e.port}{path}", ssl=context, extra_headers=headers) as sock:
                    await sock.send("through the door")
                    return await sock.recv()

            def refused(path, headers):
                with self.assertRaises(websockets.InvalidStatusCode) as caught:
                    asyncio.run(talk(path, headers))
                return caught.exception.status_code
            proof = {"x-origin-verify": SECRET}
            self.assertEqual(asyncio.run(talk("/chat", proof)), "through the door")
            self.assertEqual((refused("/chat", {}), refused("/other", proof)), (403, 403))
        origin = ws.Origin()
        try:
            self.run_example(read("examples/websocket/sallyport.yaml"), check, origin)
        finally:
            origin.stop()

    def test_connect_tunnel(self):
        import ssl

        from tunnel import H1Tunnel, H2Tunnel, Origin
        ssh = Origin("greet")

        def check(e):
            self.assertEqual(e.get("/echo", *self.secret).status, 200)
            for client, alpn in ((H1Tunnel, "http/1.1"), (H2Tunnel, "h2")):
                context = ssl.create_default_context(cafile=ca())
                context.set_alpn_protocols([alpn])
                proof = [("x-origin-verify", SECRET)]
                for target, headers, want in (("git.example.com:22", [], 403), ("other.example.com:22", proof, 404), ("git.example.com:22", proof, 200)):
                    t = client(e.port, target, headers, context=context)
                    self.assertEqual(t.answer(), want)
                    if want == 200:
                        self.assertEqual(t.receive(11), b"220 hello\r\n")
                        wait_for("whom it serves", lambda: len(ssh.got[-1]["data"]) == 28)
                        self.assertTrue(ssh.got[-1]["data"].startswith(b"\r\n\r\n\0\r\nQUIT\n"))
                        t.receive(28)
                        t.send(b"SSH-2.0-x\r\n")
                        self.assertEqual(t.receive(11), b"SSH-2.0-x\r\n")
                    t.close()
        try:
            self.run_example(read("examples/connect-tunnel/sallyport.yaml").replace("port_value: 2222", f"port_value: {ssh.port}"), check)
        finally:
            ssh.stop()

    def test_secret_rotation(self):
        """As its README says, with a CDN that changes over in between."""
        def send(e, secret):
            return e.get("/echo", "-H", f"x-origin-verify: {secret}").status

        def check(e):
            secrets = [f"rotated-secret-{n}-0123456789" for n in range(3)]
            self.assertEqual([send(e, x) for x in secrets], [200, 200, 403])
            etc("origin-blue.new", secrets[2] + "\n")
            os.rename(os.path.join(work("etc"), "origin-blue.new"), os.path.join(work("etc"), "origin-blue"))
            wait_for("the new secret", lambda: send(e, secrets[2]) == 200)
            self.assertEqual([send(e, x) for x in secrets], [403, 200, 200])
        for n, name in enumerate(("blue", "green")):
            etc("origin-" + name, f"rotated-secret-{n}-0123456789\n")
        self.run_example(read("examples/secret-rotation/sallyport.yaml"), check)

    def test_mutual_tls(self):
        origin = nginx_mtls("origin-of-example", san="DNS:origin.example.com")

        def check(e):
            good, stranger = cert("cdn", san="DNS:cdn.example.com", by="cdn-ca"), cert("not-cdn", san="DNS:cdn.example.com")
            other = cert("cdn-other", san="DNS:other.example.com", by="cdn-ca")
            a = e.get("/echo", "--cert", good[0], "--key", good[1])
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"client=CN=client", a.body)
            for pair in (stranger, other):
                self.assertEqual(e.get("/echo", "--cert", pair[0], "--key", pair[1]).status, 0)
            self.assertEqual(e.get("/echo").status, 0)
        text = read("examples/mutual-tls/sallyport.yaml").replace("/healthz", "/echo")
        self.run_example(text, check, origin)
        origin.kill()

    def test_client_certificate_header(self):
        def check(e):
            good, other = cert("viewer-of-example", by="viewers-ca", san="URI:spiffe://example.com/app"), cert("not-a-viewer")
            header = lambda pair: f"CloudFront-Viewer-Cert-Pem: {urllib.parse.quote(open(pair[0], encoding='ascii').read())}"
            a = e.get("/echo", *self.secret, "-H", header(good))
            self.assertEqual(a.status, 200, a)
            self.assertEqual(e.get("/echo", *self.secret, "-H", header(other)).status, 403)
            self.assertEqual(e.get("/echo", *self.secret).status, 403)
            self.assertEqual(e.get("/echo", "-H", header(good)).status, 403)
        copy(ca("viewers-ca"), "clients-ca.pem")
        etc("clients.crl", Revoker("viewers-ca").list())
        self.run_example(read("examples/client-certificate-header/sallyport.yaml"), check)

    def test_client_crl(self):
        lists, log = Revoker("clients-ca"), os.path.join(work("etc"), "clients.log")

        def check(e):
            alice, bob = (cert(n + "-of-example", by="clients-ca", san=f"URI:spiffe://example.com/{n}") for n in ("alice", "bob"))
            get = lambda pair: e.get("/echo", "--cert", pair[0], "--key", pair[1]).status
            self.assertEqual((get(alice), get(bob), e.get("/echo").status), (200, 200, 0))
            lists.revoke("alice-of-example")
            etc("clients.crl", lists.list())
            wait_for("the new list", lambda: get(alice) == 0)
            self.assertEqual(get(bob), 200)
            lines = wait_for("the log", lambda: len(log_lines(log)) and log_lines(log))
            self.assertEqual(lines[0]["client"], "CN=alice-of-example")
        copy(ca("clients-ca"), "clients-ca.pem")
        etc("clients.crl", lists.list())
        self.run_example(read("examples/client-crl/sallyport.yaml"), check)

    def test_client_ocsp(self):
        alice, bob = (cert(n + "-of-example", by="clients-ca", san=f"URI:spiffe://example.com/{n}") for n in ("alice", "bob"))
        signer, key = cert("ocsp-responder", by="clients-ca", usage="OCSPSigning")
        serial = lambda pair: subprocess.run(["openssl", "x509", "-in", pair[0], "-noout", "-serial"], check=True, text=True,
                                             capture_output=True).stdout.strip().split("=")[1]
        index = work("example-index")
        with open(index, "w", encoding="ascii") as f:
            f.write(f"V\t491231235959Z\t\t{serial(alice)}\tunknown\t/CN=alice\n"
                    f"R\t491231235959Z\t250101000000Z\t{serial(bob)}\tunknown\t/CN=bob\n")
        port = free_port()
        responder = Proc("openssl-ocsp", ["openssl", "ocsp", "-port", str(port), "-index", index, "-CA", ca("clients-ca"), "-rsigner",
                                          signer, "-rkey", key, "-nmin", "5"])
        wait_for("openssl ocsp", lambda: "waiting for OCSP" in responder.log())

        def check(e):
            get = lambda pair: e.get("/echo", "--cert", pair[0], "--key", pair[1]).status
            self.assertEqual((get(alice), get(bob), e.get("/echo").status), (200, 0, 0))
            responder.kill()
            self.assertEqual((get(alice), get(bob)), (200, 0))  # the answers are kept
        copy(ca("clients-ca"), "clients-ca.pem")
        self.run_example(read("examples/client-ocsp/sallyport.yaml").replace("2560", str(port)), check)

    def test_jwt(self):
        def check(e):
            t = good_token(iss="https://issuer.example.com", aud="api.example.com", org={"tenant": "t1"})
            a = e.get("/echo", *self.secret, "-H", f"authorization: Bearer {t}", "-H", "x-user: mallory")
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"user=alice", a.body)
            self.assertEqual(e.get("/echo", *self.secret).status, 401)
            self.assertEqual(e.get("/healthz", *self.secret).status, 404)
            self.assertEqual(e.get("/echo", "-H", f"authorization: Bearer {t}").status, 403)
        self.run_example(read("examples/jwt/sallyport.yaml"), check)

    def test_rate_limit_redis(self):
        if not rls.find_service():
            self.skipTest("no rate limit service here: scripts/ratelimit builds it (Go), scripts/packages test brings redis-server")
        service = rls.Service(read("examples/rate-limit-redis/door.yaml"))
        self.addCleanup(service.kill)
        text = read("examples/rate-limit-redis/sallyport.yaml").replace("port_value: 8081", f"port_value: {service.port}")
        text = text.replace("timeout: 0.1s", "timeout: 5s")  # a busy machine
        bearer = lambda sub: ["-H", "authorization: Bearer " + good_token(iss="https://issuer.example.com", aud="api.example.com", sub=sub)]

        def check(e):
            ask = lambda sub: e.get("/echo", *self.secret, "-H", "true-client-ip: 192.0.2.1", *bearer(sub))
            # A minute may end in between: then the count begins anew.
            self.assertIn(429, [ask("alice").status for _ in range(7)])
            self.assertEqual(ask("batch").headers["x-ratelimit-limit"], "1000, 1000;w=60")
            other = Example(text, self.origin)
            self.assertEqual(other.get("/echo", *self.secret, "-H", "true-client-ip: 192.0.2.1", *bearer("batch")).status, 200)
            self.assertEqual(other.proc.stop(), 0)
            service.kill()
            self.assertEqual(ask("bob").status, 500)
        self.run_example(text, check)

    def origin_of(self, header):
        """One that shows a header of the door's."""
        chain, key = cert("example-origin", san="DNS:origin.example.com")
        origin = Nginx(f'listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; '
                       f'location / {{ return 200 "$http_{header}"; }}')
        self.addCleanup(origin.kill)
        return origin

    def test_origin_name(self):
        chain, key = cert("example-origin", san="DNS:origin.example.com")
        origin = Nginx(f'listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; '
                       f'location / {{ return 200 "$http_host"; }}')
        self.addCleanup(origin.kill)

        def check(e):
            # Of the name that was resolved; nobody serves the name of the example here.
            self.assertEqual(e.get("/", *self.secret).body, b"localhost")
            self.assertEqual(e.get("/").status, 403)
        text = read("examples/origin-name/sallyport.yaml").replace("address: origin.example.com", "address: localhost")
        self.run_example(text, check, origin)

    def test_failing_origins(self):
        first = Echo("0")
        origins = [first, *(Echo(str(i), first.port, f"127.0.0.{i}") for i in (2, 3))]
        for o in origins[1:]:
            self.addCleanup(o.stop)

        def check(e):
            def ask(*args):
                return e.get("/x", *self.secret, *args)
            self.assertEqual({json.loads(ask().body)["server"] for _ in range(6)}, {"0", "2", "3"})
            first.stop()
            self.assertEqual([ask().status for _ in range(9)], [200] * 9)
            self.assertEqual([ask("-d", "x=1").status for _ in range(9)], [200] * 9)  # refused: nobody saw it
            before = sum(o.seen for o in origins)
            self.assertEqual(ask("-H", "x-status: 503").status, 503)
            again = sum(o.seen for o in origins)
            self.assertIn(again - before, (2, 3, 4))  # the others are tries of the one that is gone
            self.assertEqual(ask("-H", "x-status: 503", "-d", "x=1").status, 503)
            self.assertEqual(sum(o.seen for o in origins), again + 1)
            self.assertEqual(e.get("/x").status, 403)
        text = read("examples/failing-origins/sallyport.yaml").replace("10.0.0.", "127.0.0.")
        self.run_example(text.replace("interval: 2s", "interval: 60s"), check, first)

    def test_fixed_egress(self):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$remote_addr"; }')
        self.addCleanup(origin.kill)

        def check(e):
            self.assertEqual(e.get("/", *self.secret).body, b"127.0.0.77")
            self.assertEqual(e.get("/").status, 403)
        self.run_example(read("examples/fixed-egress/sallyport.yaml").replace("192.0.2.7", "127.0.0.77"), check, origin)

    def test_load_balancer(self):
        def check(e):
            def ask(xff, *args):
                return e.get("/echo", *self.secret, "-H", f"x-forwarded-for: {xff}", *args)
            # The client's own first entry, the client as the outer balancer saw it, the outer balancer as the inner one did.
            a = ask("203.0.113.66, 198.51.100.7, 127.0.0.2")
            self.assertEqual(a.status, 200)
            self.assertIn(b"xff=203.0.113.66, 198.51.100.7, 127.0.0.2,", a.body)
            self.assertEqual(ask("198.51.100.7, 203.0.113.66, 127.0.0.2").status, 403)
            self.assertEqual(ask("203.0.113.66").status, 403)
            self.assertEqual(e.get("/echo", "-H", "x-forwarded-for: 198.51.100.7").status, 403)
            # Not a balancer: reset at accept.
            self.assertEqual(proxied.ask(e.port, b"", f"x-origin-verify: {SECRET}", tls=True, path="/echo", source="127.0.1.1")[0], 0)
        text = read("examples/load-balancer/sallyport.yaml").replace("10.0.0.0/8", "127.0.0.0/24")
        self.run_example(text.replace("address_prefix: 10.0.0.0, prefix_len: 8", "address_prefix: 127.0.0.0, prefix_len: 24"), check)

    def test_origin_credential(self):
        os.makedirs(os.path.join(work("etc"), "run"), exist_ok=True)
        etc("run/origin-credential", "kept-by-systemd\n")

        def check(e):
            self.assertEqual(e.get("/", *self.secret).body, b"kept-by-systemd")
            self.assertEqual(e.get("/", *self.secret, "-H", "x-origin-auth: forged", "-H", "x_origin_auth: forged").body, b"kept-by-systemd")
            self.assertEqual(e.get("/").status, 403)
        text = read("examples/origin-credential/sallyport.yaml").replace("/run/credentials/sallyport.service/", work("etc/run") + "/")
        self.assertIn("LoadCredential=origin-credential:", read("examples/origin-credential/sallyport.service"))
        self.run_example(text, check, self.origin_of("x_origin_auth"))

    def test_vault_agent(self):
        def render(text):
            """As the agent does it."""
            etc("rendered/.origin-credential.tmp", text)
            os.rename(work("etc/rendered/.origin-credential.tmp"), work("etc/rendered/origin-credential"))
        os.makedirs(os.path.join(work("etc"), "rendered"), exist_ok=True)
        render("the first one")

        def check(e):
            ask = lambda: e.get("/", *self.secret, "-H", "x-origin-auth: forged").body
            self.assertEqual(ask(), b"door-1 the first one")
            render("the second one")
            wait_for("the new secret", lambda: ask() == b"door-1 the second one")
            render("")
            wait_for("the refusal", lambda: "the new version is refused" in e.proc.log())
            self.assertEqual(ask(), b"door-1 the second one")
            render("the third one\n")
            wait_for("the newest secret", lambda: ask() == b"door-1 the third one")
        self.assertIn('/rendered/origin-credential"', read("examples/vault-agent/agent.hcl"))
        self.run_example(read("examples/vault-agent/sallyport.yaml"), check, self.origin_of("x_origin_auth"))

    def test_rate_limit(self):
        def check(e):
            bearer = lambda sub: ["-H", "authorization: Bearer " + good_token(iss="https://issuer.example.com", aud="api.example.com", sub=sub)]
            ask = lambda path, viewer, *args: e.get(path, *self.secret, "-H", "true-client-ip: " + viewer, *args).status
            alice, bob = bearer("alice"), bearer("bob")
            # The reports of one user, wherever she comes from.
            self.assertEqual([ask("/reports", f"192.0.2.{i}", *alice) for i in range(3)], [404, 404, 429])
            self.assertEqual([ask("/reports", "192.0.2.1", *bob), ask("/echo", "192.0.2.1", *alice)], [404, 200])
            # One viewer, without any token: 401 until his bucket is empty.
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                flood = list(pool.map(lambda i: ask("/echo", "2001:db8::" + hex(i)[2:]), range(150)))
            self.assertEqual(set(flood), {401, 429})
            self.assertGreaterEqual(flood.count(401), 20)
            self.assertEqual(ask("/echo", "198.51.100.1", *bob), 200)
        self.run_example(read("examples/rate-limit/sallyport.yaml"), check)

    def run_with_issuer(self, name):
        idp = Idp()
        self.addCleanup(idp.kill)

        def check(e):
            bearer = lambda **kw: [*self.secret, "-H", "authorization: Bearer " + idp.token(**kw), "-H", "x-user: mallory"]
            a = e.get("/echo", *bearer(resource="urn:api:jwt"))
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"user=caller", a.body)
            idp.rotate()
            self.assertEqual(e.get("/echo", *bearer(resource="urn:api:jwt")).status, 200)
            self.assertEqual(e.get("/echo", *bearer(resource="urn:api:jwt:es256")).status, 403)
            self.assertEqual(e.get("/echo", *bearer()).status, 401)
            self.assertEqual(e.get("/echo", *self.secret).status, 401)
        copy(ca(), "login-ca.pem")
        text = read(f"examples/{name}/sallyport.yaml").replace("localhost:8081", f"localhost:{idp.tls_port}")
        self.run_example(text.replace("port_value: 8081", f"port_value: {idp.tls_port}"), check)

    def test_jwt_remote(self):
        self.run_with_issuer("jwt-remote")

    def test_oidc(self):
        self.run_with_issuer("oidc")

    def run_with_idp(self, name, check):
        idp = Idp()
        self.addCleanup(idp.kill)
        copy(ca(), "login-ca.pem")
        text = read(f"examples/{name}/sallyport.yaml").replace("localhost:8081", f"localhost:{idp.tls_port}")
        self.run_example(text.replace("port_value: 8081", f"port_value: {idp.tls_port}"), lambda e: check(e, idp))

    def test_opaque_token(self):
        etc("introspection-secret", CLIENT_SECRET + "\n")

        def check(e, idp):
            ask = lambda token, path="/echo": e.get(path, *self.secret, "-H", f"authorization: Bearer {token}", "-H", "x-user: mallory")
            for resource in ("urn:api:jwt", "urn:api:opaque"):
                a = ask(idp.token(resource=resource))
                self.assertEqual(a.status, 200, a)
                self.assertIn(b"user=caller auth= ", a.body)
                self.assertEqual(ask(idp.token(resource=resource, scope="write")).status, 403)
                self.assertEqual(ask(idp.token(resource=resource), "/reports").status, 403)
                self.assertEqual(ask(idp.token(resource=resource, scope="read admin"), "/reports").status, 404)
            for bad in ("made-up", idp.token(resource="urn:api:jwt")[:-6] + "AAAAAA", idp.token(resource="urn:api:opaque:9")):
                self.assertEqual(ask(bad).status, 401, bad)
            self.assertEqual(e.get("/echo", *self.secret).status, 401)
            idp.faults({INTROSPECTION: {"status": 500}})
            self.assertEqual(ask(idp.token()).status, 503)
        self.run_with_idp("opaque-token", check)

    def test_dpop(self):
        etc("nonce-secret", "0123456789abcdef\n")
        key, thief = EcKey("example"), EcKey("example-thief")

        def check(e, idp):
            token = idp.token("dpop", resource="urn:api:jwt", key=key)

            def ask(proof, scheme="DPoP"):
                return e.get("/echo", *self.secret, "-H", f"authorization: {scheme} {token}", *(["-H", "dpop: " + proof] if proof else []))
            url = "https://api.example.com/echo"
            a = ask(key.proof("GET", url, token))
            self.assertEqual(a.status, 401)
            self.assertIn("use_dpop_nonce", a.headers["www-authenticate"])
            nonce = a.headers["dpop-nonce"]
            good = key.proof("GET", url, token, nonce=nonce)
            a = ask(good)
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"user=dpop auth= ", a.body)
            # Seen on its way; of another key; for another place; without any; the token as a bearer's.
            for bad in (good, thief.proof("GET", url, token, nonce=nonce), key.proof("GET", url + "/x", token, nonce=nonce), None):
                self.assertEqual(ask(bad).status, 401)
            self.assertEqual(ask(key.proof("GET", url, token, nonce=nonce), "Bearer").status, 401)
        self.run_with_idp("dpop", check)

    def test_proxy_protocol(self):
        def check(e):
            secret = f"x-origin-verify: {SECRET}"
            self.assertEqual(proxied.ask(e.port, proxied.v2("130.176.1.1"), secret, tls=True, path="/echo")[0], 200)
            self.assertEqual(proxied.ask(e.port, proxied.v2("130.176.1.1"), tls=True, path="/echo")[0], 403)
            self.assertEqual(proxied.ask(e.port, proxied.v2("203.0.113.7"), secret, tls=True, path="/echo")[0], 0)
            self.assertEqual(proxied.ask(e.port, proxied.v2("130.176.1.1"), secret, tls=True, path="/echo", source="127.0.1.1")[0], 0)
            self.assertEqual(e.get("/echo", *self.secret).status, 0)
        self.run_example(read("examples/proxy-protocol/sallyport.yaml").replace("10.0.16.0/20", "127.0.0.0/24"), check)

    def test_claims(self):
        def check(e):
            def ask(path, *args, **claims):
                t = good_token(iss="https://issuer.example.com", aud="api.example.com", **claims)
                return e.get(path, *self.secret, "-H", f"authorization: Bearer {t}", "-H", "x-user: mallory", "--path-as-is", *args)
            a = ask("/echo", scope="profile orders:read")
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"user=alice", a.body)
            a = ask("/echo", scope="orders:reader")
            self.assertEqual((a.status, a.headers["www-authenticate"]),
                             (403, 'Bearer realm="api", error="insufficient_scope", scope="orders:read"'))
            self.assertEqual(e.get("/echo", *self.secret).status, 401)
            good = {"scope": ["orders:read"], "tenant": "acme", "realm_access": {"roles": ["clerk"]}}
            self.assertEqual(ask("/t/acme/x", **good).status, 404)  # the origin's answer
            self.assertEqual(ask("/t/acme/x", **{**good, "realm_access": {}, "scope": "orders:read orders:write"}).status, 404)
            a = ask("/t/acme/x", **{**good, "realm_access": {"roles": "clerks"}})
            self.assertEqual(a.headers["www-authenticate"], 'Bearer realm="api", error="insufficient_scope", scope="orders:write"')
            for path in ("/t/evil/x", "/t/acme/../evil/x", "/t/acme/%2e%2e/evil", "//t/evil", "/t/ACME/x", "/t", "/t/acme;/x", "/t/acme%20/"):
                self.assertEqual(ask(path, **good).status, 403, path)
            self.assertEqual(ask("/t/acme%2f..%2fevil", **good).status, 400)
            self.assertEqual(ask("/t/acme/x", **{**good, "tenant": ["evil"]}).status, 403)
            stats = curl(f"http://127.0.0.1:{e.admin}/stats").body.decode()
            self.assertIn("http.door.claims_authz.allowed: 3", stats)
            self.assertIn("http.door.claims_authz.denied: 11", stats)
        self.run_example(read("examples/claims/sallyport.yaml"), check)

    def test_rbac(self):
        def check(e):
            def ask(method, path, *groups, xff="198.51.100.9"):
                t = good_token(iss="https://issuer.example.com", aud="api.example.com", groups=list(groups))
                return e.get(path, *self.secret, "-X", method, "-H", f"authorization: Bearer {t}", "-H", "x-forwarded-for: " + xff,
                             "--path-as-is").status
            self.assertEqual(ask("GET", "/echo"), 200)
            self.assertEqual(ask("POST", "/echo"), 403)
            self.assertEqual(ask("POST", "/echo", "readers", "editors"), 200)
            self.assertEqual(ask("DELETE", "/echo", "editors"), 200)
            for path in ("/admin/x", "/echo/../admin/x", "//admin//x", "/%61dmin/x", "/./admin/x", "/ADMIN/x", "/a/%2e%2e/admin/x"):
                self.assertEqual(ask("GET", path, "editors"), 403, path)
            self.assertEqual(ask("GET", "/echo%2f..%2fadmin/x", "editors"), 400)
            self.assertEqual(ask("GET", "/admin/x", "admins", xff="203.0.113.7"), 403)
            self.assertEqual(ask("GET", "/admin/x", "admins"), 404)  # the origin has no such page
            log = os.path.join(work("etc"), "rbac.log")
            lines = wait_for("the log", lambda: len(log_lines(log)) >= 14 and log_lines(log))
            would = "rbac:rbac_access_denied_matched_policy[delete-without-admins]"
            self.assertEqual([x["shadow"] for x in lines if x["shadow"]], [would])
            self.assertEqual(lines[1]["details"], "rbac_access_denied_matched_policy[none]")
        self.run_example(read("examples/rbac/sallyport.yaml"), check)

    def test_staged(self):
        def check(e):
            t = good_token(iss="https://issuer.example.com", aud="api.example.com")
            a = e.get("/echo", *self.secret, "-H", f"authorization: Bearer {t}", "-H", "x-user: mallory")
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"user=alice", a.body)
            a = e.get("/echo", *self.secret, "-H", "x-user: mallory")
            self.assertEqual(a.status, 200, a)
            self.assertNotIn(b"mallory", a.body)
            self.assertEqual(e.get("/echo").status, 403)
            stats = curl(f"http://127.0.0.1:{e.admin}/stats").body.decode()
            for line in ("jwt_authn.shadow_refused: 1", "jwt_authn.denied: 1", "ip_restriction.shadow_denied: 2"):
                self.assertIn("http.door." + line, stats)
            log = os.path.join(work("etc"), "staged.log")
            lines = wait_for("the log", lambda: len(log_lines(log)) >= 3 and log_lines(log))
            neighbour = "bad-neighbours:ip_restriction_denied{127.0.0.0/8}"
            self.assertEqual([x["shadow"] for x in lines],
                             [neighbour, neighbour + ",jwt:jwt_authn_access_denied{Jwt_is_missing}", None])
            self.assertEqual(lines[2]["details"], "origin_shield_refused{secret_header}")
        self.run_example(read("examples/staged/sallyport.yaml"), check, leaves_open=["gate-on-trial", "filter-on-trial"])

    def test_quiet_door(self):
        def check(e):
            self.assertEqual(e.get("/echo", *self.secret).status, 200)
            for path, args in (("/echo", []), ("/other", self.secret), ("/other", [])):
                for version in ("--http1.1", "--http2"):
                    self.assertEqual(e.get(path, version, *args).status, 0)
            self.assertEqual(proxied.ask(e.port, b"", f"x-origin-verify: {SECRET}", tls=True, path="/echo", source="127.0.1.1")[0], 0)
            held = [proxied.connect(e.port, b"", tls=True) for _ in range(3)]
            self.assertEqual(e.get("/echo", *self.secret).status, 0)
            for s in held:
                s.close()
            wait_for("a place", lambda: e.get("/echo", *self.secret).status == 200)
        text = read("examples/quiet-door/sallyport.yaml").replace("130.176.0.0/16", "127.0.0.0/24").replace("/api/", "/echo")
        self.run_example(text.replace("connection_limit: 20000", "connection_limit: 3"), check)

    def test_secure_defaults(self):
        def check(e):
            self.check_secret(e)
            ask = lambda path, *args: e.get(path, "--path-as-is", *self.secret, *args).status
            self.assertEqual([ask("/x/../echo"), ask("//echo"), ask("/x%2f../echo"), ask("/echo", "-H", "x_user: a", "--http1.1")],
                             [200, 200, 307, 400])
        self.run_example(read("examples/secure-defaults/sallyport.yaml"), check)

    def test_from_kong(self):
        """The config is what convert makes of the file beside it, and does what that says."""
        def check(e):
            a = e.get("/echo", "-H", "x-user: mallory", host="api.example.com")
            self.assertEqual(a.status, 200, a)
            self.assertIn(b"secret=from-the-door user= ", a.body)
            self.assertEqual(e.get("/orders/echo", host="api.example.com").status, 401)
            text = b64url(b'{"alg":"HS256"}') + "." + b64url(json.dumps({"iss": "mobile-app", "exp": int(time.time()) + 600}).encode())
            bearer = ["-H", "authorization: Bearer " + text + "." + b64url(hmac.new(secret, text.encode(), hashlib.sha256).digest())]
            self.assertEqual(e.get("/orders/echo", *bearer, host="api.example.com").status, 200)
            self.assertEqual(e.get("/orders/echo", *bearer, host="www.example.com").status, 404)
        secret, folder = b"a-secret-of-the-mobile-app-0123456789", os.path.join(ROOT, "examples/from-kong")
        etc("jwt-0-mobile-0.jwks", json.dumps({"keys": [{"kty": "oct", "alg": "HS256", "k": b64url(secret)}]}))
        for i, path in enumerate(cert("examples")):
            copy(path, ("api.example.com.pem", "api.example.com.key")[i])
        p = subprocess.run([BIN, "convert", "kong.yaml", "-o", work("from-kong.yaml"), "--http", "0"], cwd=folder, capture_output=True, text=True,
                           timeout=30 * SLOW, check=False)
        self.assertEqual(p.returncode, 0, p.stderr)
        with open(work("from-kong.yaml"), encoding="utf-8") as f:
            self.assertEqual(f.read(), read("examples/from-kong/sallyport.yaml"), "make it anew: see its README")
        # Kong's own: who may call is said by route, the CDN is known by its addresses alone, tokens are for any audience.
        self.run_example(read("examples/from-kong/sallyport.yaml"), check, leaves_open=["proof-by-address", "jwt-no-audience"])

    def test_routing(self):
        def check(e):
            a = e.get("/v1/x", *self.secret, host="api.example.com")
            self.assertEqual(a.status, 404, a)
            self.assertEqual(a.headers["strict-transport-security"], "max-age=31536000")
            self.assertEqual(a.headers["x-content-type-options"], "nosniff")
            a = e.get("/x?y", *self.secret, host="www.example.com")
            self.assertEqual((a.status, a.headers["location"]), (301, "https://api.example.com/x?y"))
            a = e.get("/x", *self.secret, host="other.test")
            self.assertEqual((a.status, a.body), (404, b"nothing here"))
            log = os.path.join(work("etc"), "access.log")
            lines = wait_for("the log", lambda: len(log_lines(log)) >= 3 and log_lines(log))
            self.assertEqual([x["status"] for x in lines], [404, 301, 404])
        self.run_example(read("examples/routing/sallyport.yaml"), check)


if __name__ == "__main__":
    unittest.main()
