# SPDX-License-Identifier: GPL-2.0-or-later
"""jwt_authn with keys that are fetched: the first fetch, refreshes, rotations, an issuer that is down or answers nonsense; and
with keys in a file that changes."""
import os
import threading
import time
import unittest

from harness import (Nghttpd, Sallyport, T, cluster, config, connects, curl, free_port, jwks, listener, log_lines, log_to, nginx_plain,
                     refused, route_to, token, upstream_tls, wait_for,
                     work)
from jwks_server import JwksServer

JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."
OK, FAILED = "http.test.jwt_authn.jwks_fetch_success", "http.test.jwt_authn.jwks_fetch_failed"


def claims(**more):
    return {"iss": "i", "sub": "s", "exp": int(time.time()) + 600, **more}


def bearer(name="a", **more):
    return ["-H", "authorization: Bearer " + token(claims(**more), name=name)]


def provider(**more):
    remote = {"http_uri": {"uri": "http://issuer.test/jwks?x=1", "cluster": "issuer", "timeout": "2s"}, **more}
    return {"issuer": "i", "remote_jwks": remote, "claim_to_headers": [{"header_name": "x-user", "claim_name": "sub"}],
            "jwt_cache_config": {}}


class Case(unittest.TestCase):
    def setUp(self):
        self.origin = nginx_plain()
        self.issuer = JwksServer()
        self.issuer.keys("a", path="/jwks?x=1")
        self.log = work(f"access-{free_port()}.log")

    def tearDown(self):
        self.origin.kill()
        self.issuer.stop()

    def conf(self, p=None, requires=None, issuer_port=None):
        jwt = {"name": "jwt", "typed_config": {"@type": JWT + "JwtAuthentication", "providers": {"p": p or provider()},
                                               "rules": [{"match": {"prefix": "/"}, "requires": requires or {"provider_name": "p"}}]}}
        return config([listener(free_port(), [route_to("o")], [jwt], hcm={"access_log": log_to(self.log)})],
                      [cluster("o", self.origin.port), cluster("issuer", issuer_port or self.issuer.port)])

    def start(self, *args, wait=True, **kw):
        s = Sallyport(self.conf(*args, **kw), "-l", "debug", wait=wait)
        self.addCleanup(s.kill)
        return s

    def get(self, s, *args, path="/echo"):
        return curl(f"http://127.0.0.1:{s.port}{path}", *args)

    def fetched(self):
        return self.issuer.count("/jwks?x=1")


class Remote(Case):
    def test_keys_are_there_when_the_door_opens(self):
        self.issuer.delay = 0.3
        s = self.start()
        a = self.get(s, *bearer())
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"user=s", a.body)
        self.assertEqual((s.stat(OK), s.stat(FAILED), self.fetched()), (1, 0, 1))
        path, headers = self.issuer.seen[0]
        self.assertEqual((path, headers["host"]), ("/jwks?x=1", "issuer.test"))
        self.assertEqual(self.get(s).body, b"Jwt is missing")

    def test_no_keys_refuse(self):
        self.issuer.status = 503
        s = self.start(provider(async_fetch={"failed_refetch_duration": "30s"}))
        a = self.get(s, *bearer())
        self.assertEqual((a.status, a.body), (401, b"Jwks remote fetch is failed"), a)
        self.assertGreaterEqual(s.stat(FAILED), 1)
        wait_for("the log", lambda: log_lines(self.log))
        self.assertEqual(log_lines(self.log)[0]["details"], "jwt_authn_access_denied{Jwks_remote_fetch_is_failed}")
        self.assertIn("503", s.log())

    def test_a_failed_fetch_is_made_again(self):
        self.issuer.status = 500
        s = self.start(provider(async_fetch={"failed_refetch_duration": "0.1s"}))
        wait_for("failures", lambda: s.stat(FAILED) >= 2)
        self.issuer.status = 200
        wait_for("a good fetch", lambda: s.stat(OK) == 1)
        wait_for("the keys", lambda: self.get(s, *bearer()).status == 200)

    def test_retry_policy(self):
        self.issuer.status = 500
        s = self.start(provider(retry_policy={"num_retries": 2, "retry_back_off": {"base_interval": "0.02s", "max_interval": "0.05s"}},
                                async_fetch={"failed_refetch_duration": "30s"}))
        wait_for("the round", lambda: s.stat(FAILED) == 1)
        self.assertEqual(self.fetched(), 3)

    def test_fast_listener_does_not_wait_but_requests_do(self):
        self.issuer.delay = 1
        begin = time.time()
        s = self.start(provider(async_fetch={"fast_listener": True}))
        self.assertEqual(self.fetched() and s.stat(OK), 0)
        a = self.get(s, *bearer())
        self.assertEqual(a.status, 200, a)
        self.assertGreater(time.time() - begin, 0.9)

    def test_listening_waits_for_the_first_try_only(self):
        port = free_port()  # nobody is there
        s = self.start(provider(async_fetch={"failed_refetch_duration": "30s"}), issuer_port=port)
        self.assertEqual(self.get(s, *bearer()).status, 401)

    def test_refresh_before_the_keys_are_too_old(self):
        s = self.start(provider(cache_duration="1s"))
        wait_for("refreshes", lambda: s.stat(OK) >= 3)
        self.issuer.keys("b", path="/jwks?x=1")
        wait_for("the new keys", lambda: self.get(s, *bearer("b")).status == 200)
        a = self.get(s, *bearer("a"))  # taken back
        self.assertEqual(a.status, 401)
        self.assertIn("key set", s.log())

    def test_a_key_that_is_taken_back_does_not_live_on_in_the_cache(self):
        s = self.start(provider(cache_duration="1s"))
        args = bearer("a")
        for _ in range(4):
            self.assertEqual(self.get(s, *args).status, 200)
        self.assertGreater(s.stat("http.test.jwt_authn.jwt_cache_hit"), 0)
        self.issuer.keys("b", path="/jwks?x=1")
        wait_for("the refusal", lambda: self.get(s, *args).status == 401)

    def test_old_keys_serve_while_the_issuer_is_down(self):
        s = self.start(provider(cache_duration="0.3s", async_fetch={"failed_refetch_duration": "0.1s"}))
        self.issuer.status = 503
        wait_for("failures", lambda: s.stat(FAILED) >= 3)
        self.assertEqual(self.get(s, *bearer()).status, 200)
        for text in ("", "{", "[]", '{"keys":[]}', '{"keys":[{"kty":"RSA"}]}', "x" * (1 << 20) + "x"):
            before = s.stat(FAILED)
            self.issuer.pages["/jwks?x=1"], self.issuer.status = text, 200
            wait_for("a failure", lambda n=before: s.stat(FAILED) > n, 35)
            self.assertEqual(self.get(s, *bearer()).status, 200, text[:20])
            s.kill()
            self.issuer.keys("a", path="/jwks?x=1")
            s = self.start(provider(cache_duration="0.3s", async_fetch={"failed_refetch_duration": "0.1s"}))

    def test_issuer_that_hangs(self):
        p = provider(cache_duration="1s")
        p["remote_jwks"]["http_uri"]["timeout"] = "0.3s"
        s = self.start(p)
        self.issuer.delay = 5
        wait_for("a failure", lambda: s.stat(FAILED) >= 1)
        self.assertEqual(self.get(s, *bearer()).status, 200)
        self.assertIn("timeout", s.log().lower())


class Upstream(Case):
    def test_http2_tls_and_health_checks(self):
        """The fetch goes the way of every request to a cluster: by TLS, by HTTP/2, to hosts that are well."""
        root = work(f"keys-{free_port()}")
        os.makedirs(root)
        for name, text in (("jwks", jwks("a")), ("healthy", "yes")):
            with open(os.path.join(root, name), "w", encoding="ascii") as f:
                f.write(text)
        issuer, dead = Nghttpd(root, True), free_port()
        self.addCleanup(issuer.kill)
        p = provider()
        p["remote_jwks"]["http_uri"]["uri"] = "https://localhost/jwks"
        conf = self.conf(p)
        conf["static_resources"]["clusters"][1] = cluster(
            "issuer", dead, issuer.port, http2=True, tls=upstream_tls(client=None, alpn_protocols=["h2"]),
            health_checks=[{"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {
                "path": "/healthy", "codec_client_type": "HTTP2"}}])
        s = Sallyport(conf)
        self.addCleanup(s.kill)
        wait_for("the keys", lambda: self.get(s, *bearer("a")).status == 200)


class Rotation(Case):
    def test_unknown_kid_waits_for_the_new_keys(self):
        s = self.start()
        self.issuer.keys("a", "b", path="/jwks?x=1")
        self.issuer.delay = 0.3
        a = self.get(s, *bearer("b"))
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"user=s", a.body)
        self.assertEqual(self.fetched(), 2)
        self.assertEqual(self.get(s, *bearer("a")).status, 200)

    def test_unknown_kids_do_not_flood_the_issuer(self):
        s = self.start()
        end = time.time() + 2
        statuses = set()
        args = bearer("c")
        while time.time() < end:
            a = self.get(s, *args)
            statuses.add((a.status, a.body))
        self.assertEqual(statuses, {(401, b"Jwks doesn't have key to match kid or alg from Jwt")})
        self.assertEqual(self.fetched(), 2)  # the one at the start, and one that was asked for: the next in 5 s

    def test_body_waits_too(self):
        s = self.start()
        self.issuer.keys("b", path="/jwks?x=1")
        self.issuer.delay = 0.3
        a = self.get(s, *bearer("b"), "-d", "x" * 100000)
        self.assertEqual(a.status, 200, a)
        self.assertIn(b"POST", a.body)

    def test_clients_that_leave_while_they_wait(self):
        s = self.start()
        self.issuer.delay = 1
        args = bearer("b")
        threads = [threading.Thread(target=lambda: curl(f"http://127.0.0.1:{s.port}/echo", "-m", "0.3", *args)) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.issuer.delay = 0
        self.assertEqual(self.get(s, *bearer("a")).status, 200)
        self.assertEqual(s.stop(), 0)

    def test_wait_is_bounded(self):
        p = provider()
        p["remote_jwks"]["http_uri"]["timeout"] = "0.5s"
        s = self.start(p)
        self.issuer.delay = 8
        begin = time.time()
        a = self.get(s, *bearer("b"))
        self.assertEqual(a.status, 401)
        self.assertLess(time.time() - begin, 7)

    def test_drain_while_a_fetch_runs(self):
        s = self.start(provider(cache_duration="1s"))
        self.issuer.delay = 3
        time.sleep(1)
        self.assertEqual(s.stop(), 0)

    def test_on_trial(self):
        conf = self.conf()
        filters = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"]
        filters[0]["typed_config"] = {"@type": T + "sallyport.filters.http.staged.v1.Staged", "enforcement": "SHADOW",
                                      "filter": filters[0]["typed_config"]}
        s = Sallyport(conf)
        self.addCleanup(s.kill)
        self.issuer.delay = 0.3
        a = self.get(s, *bearer("c"), "-d", "x" * 100000)  # refused after a while, if it were not on trial
        self.assertEqual(a.status, 200, a)
        self.assertEqual(s.stat("http.test.jwt_authn.shadow_refused"), 1)
        self.assertEqual(self.fetched(), 2)

    def test_tokens_that_may_fail_wait_too(self):
        s = self.start(requires={"allow_missing_or_failed": {}})
        self.issuer.keys("b", path="/jwks?x=1")
        a = self.get(s, *bearer("b"))
        self.assertEqual(a.status, 200)
        self.assertIn(b"user=s", a.body)


class Local(Case):
    def start_file(self):
        self.path = work(f"jwks-{free_port()}.json")
        self.put(jwks("a"))
        s = self.start({"issuer": "i", "local_jwks": {"filename": self.path}, "jwt_cache_config": {}})
        self.assertEqual(self.get(s, *bearer("a")).status, 200)
        return s

    def put(self, text):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(text)
        os.rename(self.path + ".new", self.path)

    def test_file_that_changes(self):
        s = self.start_file()
        self.put(jwks("b"))
        wait_for("the new keys", lambda: self.get(s, *bearer("b")).status == 200)
        self.assertEqual(self.get(s, *bearer("a")).status, 401)
        with open(self.path, "w", encoding="ascii") as f:  # in place
            f.write(jwks("a"))
        wait_for("the old keys", lambda: self.get(s, *bearer("a")).status == 200)

    def test_bad_file_is_refused_and_the_old_keys_serve(self):
        s = self.start_file()
        for text in ('{"keys":[]}', "{", ""):
            before = s.stat("files.reload_refused")
            self.put(text)
            wait_for("the refusal", lambda n=before: s.stat("files.reload_refused") > n)
            self.assertEqual(self.get(s, *bearer("a")).status, 200)
        self.assertIn("jwt_authn provider p", s.log())


class Config(Case):
    def test_bad_configs(self):
        for change, words in (
                ({"http_uri": {"uri": "ftp://x/", "cluster": "issuer", "timeout": "1s"}}, "begins with neither"),
                ({"http_uri": {"uri": "http:///jwks", "cluster": "issuer", "timeout": "1s"}}, "no plain host"),
                ({"http_uri": {"uri": "http://u@h/jwks", "cluster": "issuer", "timeout": "1s"}}, "no plain host"),
                ({"http_uri": {"uri": "http://h/jwks#x", "cluster": "issuer", "timeout": "1s"}}, "fragment"),
                ({"http_uri": {"uri": "http://h/jwks", "cluster": "nobody", "timeout": "1s"}}, 'no cluster "nobody"'),
                ({"http_uri": {"uri": "http://h/jwks", "cluster": "issuer", "timeout": "0s"}}, "timeout"),
                ({"cache_duration": "0s"}, "cache_duration")):
            self.assertIn(words, refused(self.conf(provider(**change))))
        self.assertIn("it has no keys (set local_jwks or remote_jwks", refused(self.conf({"issuer": "i"})))
