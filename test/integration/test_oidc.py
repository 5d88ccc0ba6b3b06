# SPDX-License-Identifier: GPL-2.0-or-later
"""Providers that give only their issuer: what a description may say (a stub), and a real identity server (lib/idp.py) with its
description, keys, rotations and tokens."""
import json
import threading
import time
import unittest

from harness import (Sallyport, T, cluster, config, curl, free_port, listener, log_to, nginx_plain, refused, route_to, token,
                     upstream_tls, wait_for, work)
from idp import DISCOVERY, JWKS, Idp
from jwks_server import JwksServer

JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."
OK, FAILED = "http.test.jwt_authn.jwks_fetch_success", "http.test.jwt_authn.jwks_fetch_failed"


def issuers(*v):
    return [{"name": "issuers", "typed_config": {"@type": T + "sallyport.oidc.v1.Issuers", "issuers": list(v)}}]


def door(origin, issuer, clusters, provider=None, log=None):
    jwt = {"name": "jwt", "typed_config": {
        "@type": JWT + "JwtAuthentication",
        "providers": {"p": {"issuer": issuer["issuer"], "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}],
                            **(provider or {})}},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
    c = config([listener(free_port(), [route_to("o")], [jwt], hcm={"access_log": log_to(log or work(f"a-{free_port()}.log"))})],
               [cluster("o", origin.port), *clusters])
    c["bootstrap_extensions"] = issuers(issuer)
    return c


class Described(unittest.TestCase):
    """By a stub that says what it likes."""

    def setUp(self):
        self.origin, self.stub = nginx_plain(), JwksServer()
        self.issuer = f"http://127.0.0.1:{self.stub.port}"
        self.stub.keys("a", path="/keys")

    def tearDown(self):
        self.origin.kill()
        self.stub.stop()

    def describe(self, path=DISCOVERY, **more):
        self.stub.pages[path] = json.dumps({"issuer": self.issuer, "jwks_uri": self.issuer + "/keys", **more})

    def conf(self, **more):
        return door(self.origin, {"issuer": self.issuer, "cluster": "issuer", "allow_http": True, **more},
                    [cluster("issuer", self.stub.port)])

    def start(self, **more):
        s = Sallyport(self.conf(**more), "-l", "debug")
        self.addCleanup(s.kill)
        return s

    def get(self, s, name="a", header=None, **claims):
        t = token({"iss": self.issuer, "sub": "alice", "exp": int(time.time()) + 600, **claims}, name=name, header=header)
        return curl(f"http://127.0.0.1:{s.port}/echo", "-H", "authorization: Bearer " + t)

    def test_only_an_issuer(self):
        self.describe()
        s = self.start()
        a = self.get(s)
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"user=alice", a.body)
        self.assertEqual((self.stub.count(DISCOVERY), self.stub.count("/keys"), s.stat(OK), s.stat(FAILED)), (1, 1, 1, 0))
        self.assertEqual(self.get(s, "b").status, 401)

    def test_issuer_with_a_path(self):
        self.issuer += "/tenant/"
        self.describe("/tenant" + DISCOVERY, jwks_uri=f"http://127.0.0.1:{self.stub.port}/keys")
        self.assertEqual(self.get(self.start()).status, 200)

    def test_descriptions_that_are_not_believed(self):
        other = JwksServer()
        self.addCleanup(other.stop)
        other.keys("a", path="/keys")
        good = self.issuer + "/keys"
        for text, why in (
                (json.dumps({"issuer": self.issuer + "/", "jwks_uri": good}), "of another issuer"),
                (json.dumps({"issuer": "https://evil.test", "jwks_uri": good}), "of another issuer"),
                (json.dumps({"issuer": self.issuer}), "does not name what is needed"),
                (json.dumps({"issuer": self.issuer, "jwks_uri": f"http://127.0.0.1:{other.port}/keys"}), "no cluster is named for"),
                (json.dumps({"issuer": self.issuer, "jwks_uri": "file:///etc/passwd"}), "a URL in it is none"),
                (json.dumps({"issuer": self.issuer, "jwks_uri": f"http://x@127.0.0.1:{self.stub.port}/keys"}), "a URL in it is none"),
                (json.dumps({"issuer": self.issuer, "jwks_uri": [good]}), "does not name what is needed"),
                ("[]", "no JSON object"), ("{", "no JSON object"),
                (f'{{"issuer": "{self.issuer}", "issuer": "{self.issuer}", "jwks_uri": "{good}"}}', "no JSON object")):
            with self.subTest(text):
                self.stub.pages[DISCOVERY] = text
                s = self.start()
                a = self.get(s)
                self.assertEqual((a.status, a.body), (401, b"Jwks remote fetch is failed"))
                self.assertIn(why, s.log())
                self.assertGreater(s.stat(FAILED), 0)
                s.kill()
        self.assertEqual(other.seen, [])

    def test_http_is_not_believed_where_https_is_meant(self):
        self.assertIn("not https", refused(self.conf(allow_http=False)))

    def test_hosts_that_the_config_names(self):
        other = JwksServer()
        self.addCleanup(other.stop)
        other.keys("a", path="/keys")
        self.describe(jwks_uri="http://keys.test/keys")
        conf = self.conf(hosts=[{"host": "keys.test", "cluster": "keys"}])
        conf["static_resources"]["clusters"].append(cluster("keys", other.port))
        s = Sallyport(conf)
        self.addCleanup(s.kill)
        self.assertEqual(self.get(s).status, 200)
        self.assertEqual(other.seen[0][1]["host"], "keys.test")

    def test_algorithms(self):
        self.describe(id_token_signing_alg_values_supported=["ES256", "HS256", "none"])
        s = self.start()
        a = self.get(s)
        self.assertEqual((a.status, a.body), (401, b"Jwks doesn't have key to match kid or alg from Jwt"))
        s.kill()
        self.assertEqual(self.get(self.start(algorithms=["RS256", "ES256"])).status, 200)
        self.assertIn("none that an issuer's tokens may have", refused(self.conf(algorithms=["HS256"])))

    def test_an_issuer_that_comes_later_and_moves_its_keys(self):
        s = self.start(cache_duration="0.5s")
        self.describe()
        self.assertEqual(self.get(s).status, 200)  # its key is asked for
        self.stub.keys("b", path="/new")
        self.describe(jwks_uri=self.issuer + "/new")
        wait_for("the new keys", lambda: self.get(s, "b").status == 200)
        self.assertEqual(self.get(s, "a").status, 401)
        self.stub.status = 503
        time.sleep(1)
        self.assertEqual(self.get(s, "b").status, 200)

    def test_fast_listener_does_not_wait_but_requests_do(self):
        self.describe()
        self.stub.delay = 0.5
        s = self.start(fast_listener=True)
        self.assertEqual(s.stat(OK), 0)
        self.assertEqual(self.get(s).status, 200)
        self.assertEqual(self.stub.count(DISCOVERY), 1)

    def test_requests_do_not_flood_an_issuer_that_says_nothing(self):
        self.stub.pages.clear()
        s = self.start()
        began, n = time.time(), 0
        while n <= 10 or time.time() < began + 1.5:
            self.assertEqual(self.get(s).status, 401)
            n += 1
        self.assertLessEqual(self.stub.count(DISCOVERY), 5 * max(1, (time.time() - began) / 1.5))

    def test_unknown_kid(self):
        self.describe()
        s = self.start()
        self.stub.keys("a", "b", path="/keys")
        self.assertEqual(self.get(s, "b").status, 200)

    def test_bad_configs(self):
        for more, words in (({"cluster": "nobody"}, 'no cluster "nobody"'), ({"hosts": [{"host": "x", "cluster": "nobody"}]}, 'no cluster "nobody"'),
                            ({"issuer": "issuer.test"}, "is no issuer's URL"), ({"issuer": ""}, "issuer"),
                            ({"issuer": "http://h/?x=1"}, "is no issuer's URL"), ({"algorithms": []}, "algorithms")):
            self.assertIn(words, refused(self.conf(**more)))


class IdentityServer(unittest.TestCase):
    """A real one."""

    @classmethod
    def setUpClass(cls):
        cls.idp, cls.origin = Idp(), nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.idp.kill()
        cls.origin.kill()

    def tearDown(self):
        self.idp.faults()

    def start(self, provider=None, **issuer):
        conf = door(self.origin, {"issuer": self.idp.issuer, "cluster": "idp", **issuer},
                    [cluster("idp", self.idp.tls_port, tls=upstream_tls(client=None))], provider)
        s = Sallyport(conf, "-l", "debug")
        self.addCleanup(s.kill)
        return s

    def get(self, s, t, *args):
        return curl(f"http://127.0.0.1:{s.port}/echo", "-H", "authorization: Bearer " + t, *args)

    def test_tokens(self):
        s = self.start({"audiences": ["urn:api:jwt"]})
        good = self.idp.token(resource="urn:api:jwt")
        a = self.get(s, good)
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"user=caller", a.body)
        head, _, tail = good.rpartition(".")
        self.assertEqual(self.get(s, head + "." + ("A" if tail[0] != "A" else "B") + tail[1:]).status, 401)
        self.assertEqual(self.get(s, self.idp.token()).status, 401)  # opaque
        other = self.start({"audiences": ["urn:other"]})
        self.assertEqual(self.get(other, good).status, 403)

    def test_algorithms_of_the_config(self):
        rs, es = self.idp.token(resource="urn:api:jwt"), self.idp.token(resource="urn:api:jwt:es256")
        for algorithms, statuses in ((None, (200, 200)), (["RS256"], (200, 401)), (["ES256", "PS256"], (401, 200))):
            s = self.start(**({"algorithms": algorithms} if algorithms else {}))
            self.assertEqual((self.get(s, rs).status, self.get(s, es).status), statuses, algorithms)

    def test_remote_jwks_of_its_own(self):
        s = self.start({"remote_jwks": {"http_uri": {"uri": self.idp.issuer + JWKS, "cluster": "idp", "timeout": "2s"}}})
        self.assertEqual(self.get(s, self.idp.token(resource="urn:api:jwt:es256")).status, 200)

    def test_rotation_loses_no_request(self):
        s = self.start(jwks_cache_duration="2s")
        stop, bad, good = threading.Event(), [], [0]

        def client():
            while not stop.is_set():
                a = self.get(s, self.idp.token(resource="urn:api:jwt"))
                if a.status == 200:
                    good[0] += 1
                else:
                    bad.append(a)

        threads = [threading.Thread(target=client) for _ in range(3)]
        for t in threads:
            t.start()
        time.sleep(1)
        old = self.idp.token(resource="urn:api:jwt")
        self.idp.rotate()  # the new key signs at once
        time.sleep(1.5)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(bad, [])
        self.assertGreater(good[0], 3)
        self.assertEqual(self.get(s, old).status, 200)
        self.idp.forget()
        wait_for("the old key to be taken back", lambda: self.get(s, old).status == 401)

    def test_it_is_down_for_a_while(self):
        s = self.start(cache_duration="0.5s", jwks_cache_duration="0.5s")
        self.idp.faults({DISCOVERY: {"status": 503}, JWKS: {"status": 500}})
        wait_for("failures", lambda: s.stat(FAILED) >= 2)
        self.assertEqual(self.get(s, self.idp.token(resource="urn:api:jwt")).status, 200)

    def test_a_door_to_the_wrong_server_does_not_open(self):
        conf = door(self.origin, {"issuer": self.idp.issuer, "cluster": "idp"},
                    [cluster("idp", self.idp.tls_port, tls=upstream_tls(client=None, san="other.test"))])
        s = Sallyport(conf)
        self.addCleanup(s.kill)
        a = self.get(s, self.idp.token(resource="urn:api:jwt"))
        self.assertEqual((a.status, a.body), (401, b"Jwks remote fetch is failed"))
