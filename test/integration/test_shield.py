# SPDX-License-Identifier: GPL-2.0-or-later
"""origin_shield over real connections: secrets that rotate under load, Akamai's signatures, signed tokens, a balancer in between."""
import base64
import hashlib
import hmac
import http.client
import json
import os
import subprocess
import threading
import time
import unittest

from harness import (BIN, SLOW, T, Sallyport, cluster, config, curl, free_port, jwks, listener, nginx_plain, refused, route_to, token,
                     wait_for, work)
from jwks_server import JwksServer

STATS = "http.test.origin_shield."


def gate(proof, **more):
    return {"name": "origin_shield", "typed_config": {
        "@type": T + "sallyport.filters.http.origin_shield.v1.OriginShield", "proof": proof, **more}}


def secret(n):
    return f"secret-number-{n}-0123456789abcdef"


def write(name, text):
    """As a secret store does it: to a temporary file, then moved over."""
    path = work(name)
    with open(path + ".new", "w", encoding="ascii") as f:
        f.write(text)
    os.rename(path + ".new", path)
    return path


class Shield(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def door(self, proof, clusters=(), **more):
        door = Sallyport(config([listener(free_port(), [route_to("o")], [gate(proof, **more)])],
                                [cluster("o", self.origin.port), *clusters]))
        self.addCleanup(door.kill)
        return door

    def status(self, door, *args, path="/echo"):
        return curl(f"http://127.0.0.1:{door.port}{path}", *args).status


class Cdn:
    """Clients with connections that stay open, each request with the secret that is current when it begins."""

    def __init__(self, port, current, threads=6):
        self.port, self.current, self.enough = port, current, None
        self.answers, self.lock = {}, threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(threads)]
        for t in self.threads:
            t.start()

    def served(self):
        with self.lock:
            return sum(self.answers.values())

    def run(self):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10 * SLOW)
        while self.enough is None or self.served() < self.enough:
            c.request("GET", "/echo", headers={"x-origin-verify": self.current})
            r = c.getresponse()
            r.read()
            with self.lock:
                self.answers[r.status] = self.answers.get(r.status, 0) + 1
        c.close()

    def finish(self, requests):
        """All answers, of at least so many requests."""
        self.enough = requests
        for t in self.threads:
            t.join()
        return self.answers


class Rotation(Shield):
    def row(self, door, name):
        rows = json.loads(door.get("/secrets?format=json")[1])
        return [x for x in rows if x["name"] == name][0]

    def test_rotation_under_load_loses_nothing(self):
        """Two files, one in use and one to come, swapped again and again: as an operator would, by what /secrets says."""
        rotations = 8
        names = ["blue", "green"]
        for i, name in enumerate(names):
            write(name, secret(i) + "\n")
        door = self.door({"secret_header": {"secrets": [{"name": n, "value": {"filename": work(n)}} for n in names]}})
        cdn = Cdn(door.port, secret(0))
        self.addCleanup(cdn.finish, 0)
        for n in range(1, rotations + 1):
            used, other = names[(n - 1) % 2], names[n % 2]
            wait_for("requests", lambda n=n: cdn.served() >= 500 * n, 60)
            before = self.row(door, other)["hits"]
            cdn.current = secret(n)  # the door knows it since the step before
            wait_for("the new one to be used", lambda: self.row(door, other)["hits"] > before)

            def is_quiet():
                """Nobody uses the old one any more."""
                hits = self.row(door, used)["hits"]
                time.sleep(0.1)
                return self.row(door, used)["hits"] == hits
            wait_for("the old one to fall silent", is_quiet)
            ok = door.stat(f"{STATS}secret.{used}.reload_ok")
            write(used, secret(n + 1) + "\n")
            wait_for("the next one", lambda: door.stat(f"{STATS}secret.{used}.reload_ok") == ok + 1)
        answers = cdn.finish(5000)
        self.assertEqual(list(answers), [200])
        requests = answers[200]
        self.assertGreaterEqual(requests, 5000)
        stats = door.stats()
        self.assertEqual(stats[STATS + "secret.blue.hit"] + stats[STATS + "secret.green.hit"], requests)
        self.assertEqual(stats[STATS + "refused"], 0)
        for name in names:
            self.assertEqual(stats[f"{STATS}secret.{name}.reload_refused"], 0)
            self.assertLess(abs(stats[f"{STATS}secret.{name}.last_used"] - time.time()), 60 * SLOW)
        # Those that are gone are good for nothing.
        for n in range(rotations):
            self.assertEqual(self.status(door, "-H", f"x-origin-verify: {secret(n)}"), 403)
        self.assertEqual(door.stop(), 0)

    def test_a_bad_file_is_refused(self):
        path = write("only", secret(0) + "\n")
        json_path = write("more.json", json.dumps({"cdn": {"now": secret(10), "next": secret(11)}}))
        os.environ["SP_TEST_ORIGIN"] = secret(20)
        self.addCleanup(os.environ.pop, "SP_TEST_ORIGIN")
        door = self.door({"secret_header": {"secrets": [
            {"name": "only", "value": {"filename": path}}, {"name": "now", "value": {"filename": json_path}, "json_key": "cdn.now"},
            {"name": "next", "value": {"filename": json_path}, "json_key": "cdn.next"},
            {"name": "env", "value": {"environment_variable": "SP_TEST_ORIGIN"}},
            {"name": "text", "value": {"inline_string": secret(30)}}]}})
        good = ["-H", f"x-origin-verify: {secret(0)}"]
        for n in (0, 10, 11, 20, 30):
            self.assertEqual(self.status(door, "-H", f"x-origin-verify: {secret(n)}"), 200)
        for n, text in enumerate(["", "\n", "short\n", "has a \x01 in it 0123456789", "x" * 5000], 1):
            write("only", text)
            wait_for("the refusal", lambda n=n: door.stat(STATS + "secret.only.reload_refused") == n)
            self.assertEqual(self.status(door, *good), 200)
        self.assertEqual(self.row(door, "only")["why"], "larger than 4096 bytes (is it the right file?)")
        os.unlink(path)
        wait_for("the refusal", lambda: door.stat(STATS + "secret.only.reload_refused") >= 6)
        self.assertEqual(self.status(door, *good), 200)
        write("only", secret(1) + "\n")
        wait_for("the new one", lambda: door.stat(STATS + "secret.only.reload_ok") == 1)
        self.assertEqual(self.status(door, "-H", f"x-origin-verify: {secret(1)}"), 200)
        self.assertEqual(self.status(door, *good), 403)
        # Both members of one file change at once.
        write("more.json", json.dumps({"cdn": {"now": secret(11), "next": secret(12)}}))
        wait_for("both", lambda: self.status(door, "-H", f"x-origin-verify: {secret(12)}") == 200)
        self.assertEqual(self.status(door, "-H", f"x-origin-verify: {secret(11)}"), 200)
        self.assertEqual(self.status(door, "-H", f"x-origin-verify: {secret(10)}"), 403)
        self.check_pages(door)
        self.assertEqual(door.stop(), 0)

    def check_pages(self, door):
        rows = {x["name"]: x for x in json.loads(door.get("/secrets?format=json")[1])}
        self.assertEqual(sorted(rows), ["env", "next", "now", "only", "text"])
        self.assertEqual({n: x["source"] for n, x in rows.items()},
                         {"env": "environment", "next": "file", "now": "file", "only": "file", "text": "inline"})
        self.assertEqual((rows["env"]["path"], rows["now"]["json_key"], rows["text"]["path"]), ("SP_TEST_ORIGIN", "cdn.now", None))
        self.assertEqual((rows["env"]["hits"], rows["only"]["why"]), (1, None))
        self.assertIsNotNone(rows["env"]["last_used"])
        text = door.get("/secrets")[1]
        self.assertIn(f'"origin_shield only": file {work("only")}, loaded 2', text)
        for page in ("/secrets", "/secrets?format=json", "/config_dump", "/stats", "/files"):
            self.assertNotIn("0123456789abcdef", door.get(page)[1], page)
        self.assertNotIn("0123456789abcdef", door.log())


KEY = b"key-of-akamai-0123456789"


def g2o(path, key=KEY, nonce="n1", at=0, unique="1", version=5):
    data = f"{version}, 23.1.2.3, 203.0.113.9, {int(time.time()) + at}, {unique}, {nonce}"
    sign = base64.b64encode(hmac.new(key, (data + path).encode(), hashlib.sha256).digest()).decode()
    return ["-H", f"X-Akamai-G2O-Auth-Data: {data}", "-H", f"X-Akamai-G2O-Auth-Sign: {sign}"]


class Akamai(Shield):
    def test_signatures(self):
        path = write("g2o", KEY.decode() + "\n")
        door = self.door({"akamai_g2o": {"keys": [{"nonce": "n1", "secret": {"filename": path}}]}})
        good = g2o("/echo?a=b", unique="a.1")
        self.assertEqual(self.status(door, *good, path="/echo?a=b"), 200)
        self.assertEqual(self.status(door, *good, path="/echo?a=b"), 403)
        self.assertEqual(self.status(door, *g2o("/echo?a=b", unique="a.2"), path="/echo?a=c"), 403)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.3", key=b"other-key-0123456789")), 403)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.4", at=-120)), 403)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.5", at=120)), 403)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.6")), 200)
        self.assertEqual(self.status(door, "--http2-prior-knowledge", *g2o("/echo?%41=b", unique="a.h2"), path="/echo?%41=b"), 200)
        write("g2o", "next-key-of-akamai-0123456789")
        wait_for("the new key", lambda: door.stat(STATS + "secret.n1.reload_ok") == 1)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.7")), 403)
        self.assertEqual(self.status(door, *g2o("/echo", unique="a.8", key=b"next-key-of-akamai-0123456789")), 200)
        self.assertEqual(door.stop(), 0)

    def test_replay_meets_every_worker(self):
        """The same signed request on many connections at once, which both workers share: one of them passes at most."""
        door = self.door({"akamai_g2o": {"keys": [{"nonce": "n1", "secret": {"inline_string": KEY.decode()}}]}})
        passed = 0
        for n in range(10):
            head = dict(x.split(": ", 1) for x in g2o("/echo", unique=f"b.{n}")[1::2])
            conns = [http.client.HTTPConnection("127.0.0.1", door.port, timeout=10 * SLOW) for _ in range(16)]
            for c in conns:
                c.request("GET", "/echo", headers=head)
            answers = [c.getresponse().status for c in conns]
            for c in conns:
                c.close()
            self.assertLessEqual(answers.count(200), 1, answers)
            self.assertEqual(answers.count(200) + answers.count(403), 16)
            passed += answers.count(200)
        self.assertGreaterEqual(passed, 5)
        self.assertEqual(door.stat(STATS + "allowed"), passed)
        for page in ("/config_dump", "/secrets", "/files"):
            self.assertNotIn(KEY.decode(), door.get(page)[1])
        self.assertEqual(door.stop(), 0)


class Tokens(Shield):
    def access(self, name="jwt", **claims):
        base = {"aud": ["app-aud"], "iss": "https://team.cloudflareaccess.com", "exp": int(time.time()) + 600, "iat": int(time.time())}
        base.update(claims)
        return ["-H", f"Cf-Access-Jwt-Assertion: {token({k: v for k, v in base.items() if v is not None}, name=name)}"]

    def check(self, door):
        self.assertEqual(self.status(door, *self.access()), 200)
        self.assertEqual(self.status(door), 403)
        self.assertEqual(self.status(door, *self.access(aud=["other"])), 403)
        self.assertEqual(self.status(door, *self.access(exp=int(time.time()) - 600)), 403)
        self.assertEqual(self.status(door, *self.access(name="next")), 403)

    def test_keys_in_a_file(self):
        path = write("access.json", jwks())
        door = self.door({"signed_token": {"kind": "CLOUDFLARE_ACCESS", "audiences": ["app-aud"], "jwks": {"filename": path}}})
        self.check(door)
        write("access.json", "nonsense")
        wait_for("the refusal", lambda: door.stat("files.reload_refused") == 1)
        self.assertEqual(self.status(door, *self.access()), 200)
        write("access.json", jwks("next"))
        wait_for("the new keys", lambda: self.status(door, *self.access(name="next")) == 200)
        self.assertEqual(self.status(door, *self.access()), 403)
        self.assertEqual(door.stop(), 0)

    def test_keys_that_are_fetched(self):
        server = JwksServer(**{"/certs": jwks()})
        self.addCleanup(server.stop)
        door = self.door({"signed_token": {
            "kind": "CLOUDFLARE_ACCESS", "audiences": ["app-aud"], "jwks": {
                "http_uri": {"uri": f"http://127.0.0.1:{server.port}/certs", "cluster": "keys", "timeout": "2s"}}}},
            clusters=[cluster("keys", server.port)])
        server.pages["/certs"] = jwks("next")
        self.check(door)  # it ends with a key that nobody knows: which is asked for
        wait_for("the new keys", lambda: self.status(door, *self.access(name="next")) == 200)
        self.assertEqual(len(server.seen), 2)
        self.assertEqual(door.stat(STATS + "signed_token.jwks_fetch_success"), 2)
        # Whatever strangers send, keys are not asked for all the time.
        for n in range(20):
            self.assertEqual(self.status(door, *self.access(name="third")), 403)
        self.assertLessEqual(len(server.seen), 3)
        self.assertEqual(door.stop(), 0)


class Balancer(Shield):
    def test_via(self):
        door = self.door({"peer_address": {"cidrs": ["198.51.100.0/24"], "via": {"trusted": ["127.0.0.2"], "xff_hops": 1}}})
        for source, xff, status in (("127.0.0.2", "203.0.113.9, 198.51.100.7", 200), ("127.0.0.2", "198.51.100.7, 203.0.113.9", 403),
                                    ("127.0.0.1", "203.0.113.9, 198.51.100.7", 403), ("127.0.0.2", None, 403),
                                    ("127.0.0.2", "198.51.100.7, junk", 403)):
            args = ["--interface", source] + (["-H", f"x-forwarded-for: {xff}"] if xff else [])
            self.assertEqual(self.status(door, *args), status, (source, xff))
        self.assertEqual(self.status(door, "--interface", "127.0.0.2", "-H", "x-forwarded-for: 203.0.113.9", "-H",
                                     "x-forwarded-for: 198.51.100.7"), 403)
        self.assertEqual(door.stop(), 0)


LONG = """
static_resources:
  listeners:
  - name: door
    address: {socket_address: {address: 127.0.0.1, port_value: $PORT}}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: long
          http_filters:
          - name: origin_shield
            typed_config:
              "@type": type.googleapis.com/sallyport.filters.http.origin_shield.v1.OriginShield
$PROOF
          - name: router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
          route_config: {virtual_hosts: [{name: all, domains: ["*"], routes: [{match: {prefix: /}, direct_response: {status: 200}}]}]}
"""


class Validate(Shield):
    def conf(self, proof):
        return config([listener(free_port(), [route_to("o")], [gate(proof)])], [cluster("o", self.origin.port)])

    def test_what_a_preset_stands_for(self):
        lists = write("aws.json", json.dumps({"prefixes": [
            {"ip_prefix": "198.51.100.0/24", "region": "GLOBAL", "service": "CLOUDFRONT_ORIGIN_FACING"}], "ipv6_prefixes": []}))
        preset = {"preset": {"cdn": "CLOUDFRONT", "lists": [{"name": "cloudfront", "path": lists}], "proofs": [
            {"secret_header": {"secrets": [{"name": "a", "value": {"inline_string": secret(1)}},
                                           {"name": "b", "value": {"environment_variable": "SP_TEST_SECRET"}}]}}]}}
        path = work("validate.json")
        with open(path, "w", encoding="ascii") as f:
            json.dump(self.conf(preset), f)
        for args in (["validate", path], ["-c", path, "--mode", "validate"]):
            p = subprocess.run([BIN, *args], capture_output=True, text=True, timeout=30 * SLOW, check=False,
                               env=dict(os.environ, SP_TEST_SECRET=secret(2)))
            self.assertEqual((p.returncode, p.stderr), (0, ""))
            ok, _, rest = p.stdout.partition("\n")
            self.assertEqual(ok, f"configuration '{path}' OK")
            for words in ("---\n", ".proof.preset: CLOUDFRONT stands for\nproof:\n  all_of:\n", "format: AWS_IP_RANGES\n",
                          "- CLOUDFRONT_ORIGIN_FACING\n", "# " + path, "SP_TEST_SECRET is read at the start only"):
                self.assertIn(words, rest)
            self.assertNotIn("secret-number", p.stdout)
        self.check_it_is_the_same(rest.partition("---\n")[2])

    def check_it_is_the_same(self, shown):
        """What is shown can stand in the preset's place."""
        proof = "".join(f"              {x}\n" for x in shown.split("\n") if x and x[0] not in "#-")
        path = work("long.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write(LONG.replace("$PORT", str(free_port())).replace("$PROOF", proof.replace("[redacted]", secret(1))))
        p = subprocess.run([BIN, "validate", path], capture_output=True, text=True, timeout=30 * SLOW, check=False,
                           env=dict(os.environ, SP_TEST_SECRET=secret(2)))
        self.assertEqual((p.returncode, p.stderr), (0, ""), proof)
        self.assertNotIn("stands for", p.stdout)

    def test_a_preset_that_names_nobody(self):
        text = refused(self.conf({"preset": {"cdn": "CLOUDFLARE", "proofs": [{"peer_address": {"cidrs": ["198.51.100.0/24"]}}]}}))
        self.assertIn("proof.preset.proofs: any customer of the CDN could pass", text)


if __name__ == "__main__":
    unittest.main()
