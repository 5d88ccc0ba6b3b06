# SPDX-License-Identifier: GPL-2.0-or-later
"""What survives a change of the config: connections, tickets, buckets, keys that were fetched, and files that are watched."""
import os
import shutil
import time
import unittest

from echo import Echo
from harness import (T, ca, cert, cluster, config, curl, downstream_tls, free_port, jwks, listener, log_lines, log_to,
                     nginx_mtls, route_to, token, upstream_tls, wait_for, work)
from jwks_server import JwksServer
from live import Live
from mtls import Connection, s_client

JWT = T + "envoy.extensions.filters.http.jwt_authn.v3."


def says(text):
    return {"match": {"prefix": "/"}, "direct_response": {"status": 200, "body": {"inline_string": text}}}


class Case(unittest.TestCase):
    def start(self, conf, *args):
        s = Live(conf, *args)
        self.addCleanup(lambda: self.assertEqual(s.stop(), 0))
        return s

    def settled(self, s):
        wait_for("old configs to be freed", lambda: s.stat("config_reload.draining_configs") == 0)


class Stats(Case):
    def test_of_listeners_that_are_gone(self):
        """Stats of a listener's and a filter chain's limits go with the last that has their prefix."""
        port, other = free_port(), free_port()
        rate = {"name": "rate", "typed_config": {"@type": T + "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit",
                                                 "stat_prefix": "new", "token_bucket": {"max_tokens": 1000, "fill_interval": "1s"}}}
        limit = {"name": "limit", "typed_config": {"@type": T + "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit",
                                                   "stat_prefix": "few", "max_connections": 1000}}

        def conf(*limited):
            doors = [listener(p, [says("x")], name=f"l{p}") for p in (port, other)]
            for d, yes in zip(doors, limited):
                if yes:
                    d["listener_filters"] = [rate]
                    d["filter_chains"][0]["filters"].insert(0, limit)
            return config(doors, [])
        names = ("listener_local_ratelimit.new.rate_limited", "connection_limit.few.limited_connections", "connection_limit.few.active_connections")
        has = lambda: [n in s.stats() for n in names]
        s = self.start(conf(True, True), "--drain-time-s", "1")
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
        s.change(conf(False, True))
        self.settled(s)
        time.sleep(4)  # longer than they stay
        self.assertEqual(has(), [True] * 3)
        s.change(conf(False, False))
        wait_for("them to go", lambda: has() == [False] * 3)
        s.change(conf(True, False))
        self.assertEqual(has(), [True] * 3)


class Tls(Case):
    def test_tickets_and_sessions(self):
        port = free_port()
        conf = lambda text, **more: config([listener(port, [says(text)], tls=downstream_tls(**more))], [])
        s = self.start(conf("one"))
        self.assertEqual(s_client(port, sess_out="ticket").status, 200)
        for i in range(3):
            s.change(conf(f"text {i}"))
            a = s_client(port, sess_in="ticket", sess_out="ticket")
            self.assertTrue(a.reused and a.status == 200, a)
        self.settled(s)
        # Another policy is another context: nothing that was given before counts.
        s.change(conf("strict", client_ca=ca("clients")))
        a = s_client(port, sess_in="ticket")
        self.assertEqual((a.status, a.reused), (200, False), a)

    def test_a_ca_that_changes_before_and_after(self):
        """The CA set of a context that stays is watched, whichever config has it; and the connection stays."""
        port, trusted = free_port(), work("trusted.pem")
        ca("one"), ca("two")
        cert("by-one", by="one"), cert("by-two", by="two")
        shutil.copy(work("one.pem"), trusted)
        conf = lambda text: config([listener(port, [says(text)], tls=downstream_tls(client_ca=trusted, require=True))], [])
        s = self.start(conf("a"))
        c = Connection(port, "by-one")
        self.addCleanup(c.close)
        self.assertEqual(c.get(), 200)
        for text in ("b", "c"):
            s.change(conf(text))
            self.assertEqual(c.get(), 200)
        self.settled(s)
        self.assertEqual(s_client(port, client="by-two").status, 0)
        taken = s.stat("files.reload_ok")
        with open(trusted, "a", encoding="ascii") as f, open(work("two.pem"), encoding="ascii") as more:
            f.write(more.read())
        wait_for("the CA to be taken", lambda: s.stat("files.reload_ok") > taken)
        self.assertEqual(s_client(port, client="by-two").status, 200)
        self.assertEqual(c.get(), 200)

    def test_a_certificate_that_changes_later(self):
        """What is kept from the last config is not read again by the next one, yet its files belong to it."""
        port, chain, key = free_port(), work("later.pem"), work("later.key")
        for to, one in zip((chain, key), cert("first-server")):
            shutil.copy(one, to)
        cert("second-server")
        tls = downstream_tls()
        tls["typed_config"]["common_tls_context"]["tls_certificates"] = [
            {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}]
        conf = lambda text: config([listener(port, [says(text)], tls=tls)], [])
        s = self.start(conf("a"))
        self.assertIn("CN = first-server", s_client(port).text.replace("CN=", "CN = "))
        for text in ("b", "c"):
            s.change(conf(text))
        both = work("both.pem")
        before = s.stat("config_reload.success")
        for to, one in zip((chain, key), cert("second-server")):
            shutil.copy(one, both)
            os.rename(both, to)
        wait_for("the certificate", lambda: "CN = second-server" in s_client(port).text.replace("CN=", "CN = "))
        self.assertGreater(s.stat("config_reload.success"), before)

    def test_an_origins_ca_is_watched(self):
        origin = nginx_mtls()
        self.addCleanup(origin.kill)
        port, trusted = free_port(), work("origins.pem")
        ca("nobody")
        shutil.copy(work("nobody.pem"), trusted)
        s = self.start(config([listener(port, [route_to("o")])], [cluster("o", origin.port, tls=upstream_tls(trusted=trusted))]))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/echo").status, 503)
        shutil.copy(ca(), trusted + ".new")
        os.rename(trusted + ".new", trusted)
        wait_for("the CA to be taken", lambda: curl(f"http://127.0.0.1:{port}/echo").status == 200)


class Clusters(Case):
    def test_connections_and_counters(self):
        one, two = Echo(), Echo()
        self.addCleanup(one.stop)
        self.addCleanup(two.stop)
        port = free_port()
        conf = lambda n: config([listener(port, [route_to("one")])], [cluster("one", one.port)] + [cluster(f"n{n}", two.port)])
        s = self.start(conf(0), "--concurrency", "1")
        for n in range(1, 6):
            self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
            s.change(conf(n))
        self.settled(s)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
        self.assertEqual((s.stat("cluster.one.upstream_rq_total"), s.stat("cluster.one.upstream_cx_total")), (6, 1))


class Logs(Case):
    def open_logs(self, s):
        fds = f"/proc/{s.p.pid}/fd"
        links = [os.readlink(f"{fds}/{f}") for f in os.listdir(fds) if os.path.islink(f"{fds}/{f}")]
        return sorted(os.path.basename(x) for x in links if os.path.basename(x).startswith("keep-"))

    def test_one_writer_a_file(self):
        port = free_port()
        conf = lambda n, log: config([listener(port, [says(str(n))], hcm={"access_log": log_to(work(log))})], [])
        s = self.start(conf(0, "keep-a.log"))
        for n in range(1, 5):
            self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
            s.change(conf(n, "keep-a.log"))
        self.settled(s)
        self.assertEqual(self.open_logs(s), ["keep-a.log"])
        s.change(conf(9, "keep-b.log"))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
        wait_for("the file that nobody names to be closed", lambda: self.open_logs(s) == ["keep-b.log"])
        self.assertEqual(len(log_lines(work("keep-a.log"))), 4)


class Filters(Case):
    def test_buckets(self):
        port = free_port()
        limit = {"name": "limit", "typed_config": {
            "@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": "limit",
            "token_bucket": {"max_tokens": 3, "fill_interval": "600s"},
            "filter_enabled": {"default_value": {"numerator": 100}}, "filter_enforced": {"default_value": {"numerator": 100}}}}
        conf = lambda text: config([listener(port, [says(text)], [limit])], [])
        s = self.start(conf("0"))
        got = []
        for n in range(1, 6):
            got.append(curl(f"http://127.0.0.1:{port}/").status)
            s.change(conf(str(n)))
        self.assertEqual(got, [200, 200, 200, 429, 429])

    def test_an_issuer_that_is_down(self):
        issuer, port = JwksServer(), free_port()
        issuer.keys("a", path="/jwks")
        origin = Echo()
        self.addCleanup(origin.stop)
        provider = {"issuer": "i", "remote_jwks": {"http_uri": {"uri": "http://issuer.test/jwks", "cluster": "issuer", "timeout": "2s"}}}
        jwt = {"name": "jwt", "typed_config": {"@type": JWT + "JwtAuthentication", "providers": {"p": provider},
                                               "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}
        conf = lambda n: config([listener(port, [route_to("o", timeout=f"{n}s")], [jwt])],
                                [cluster("o", origin.port), cluster("issuer", issuer.port)])
        bearer = ["-H", "authorization: Bearer " + token({"iss": "i", "sub": "s", "exp": int(time.time()) + 600}, name="a")]
        s = self.start(conf(10))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/", *bearer).status, 200)
        asked = issuer.count("/jwks")
        s.change(conf(11))
        self.assertEqual(issuer.count("/jwks"), asked)  # nobody was asked
        issuer.stop()
        for n in range(12, 15):
            began = time.time()
            s.change(conf(n))
            self.assertLess(time.time() - began, 5)
            self.assertEqual(curl(f"http://127.0.0.1:{port}/", *bearer).status, 200)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 401)
        self.settled(s)

    def test_verdicts_on_tokens(self):
        """What was verified stays so over reloads, but with other keys nothing does."""
        port, path = free_port(), work(f"keys-{time.time_ns()}.jwks")

        def keys(name):
            with open(path + ".new", "w", encoding="ascii") as f:
                f.write(jwks(name))
            os.rename(path + ".new", path)
        keys("jwt")
        conf = lambda text, **more: config([listener(port, [says(text)], [{"name": "jwt", "typed_config": {
            "@type": JWT + "JwtAuthentication", "providers": {"p": {"issuer": "i", "local_jwks": {"filename": path}, "jwt_cache_config": {}, **more}},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "p"}}]}}])], [])
        bearer = ["-H", "authorization: Bearer " + token({"iss": "i", "sub": "s", "exp": int(time.time()) + 600})]
        s = self.start(conf("0"))
        ask = lambda: curl(f"http://127.0.0.1:{port}/", *bearer).status
        counts = lambda: tuple(s.stat(f"http.test.jwt_authn.jwt_cache_{x}") for x in ("hit", "miss"))
        workers = 2
        for n in range(1, 8):
            self.assertEqual(ask(), 200)
            s.change(conf(str(n)))
        self.assertLessEqual(counts()[1], workers)
        self.assertGreaterEqual(counts()[0], 7 - workers)
        misses = counts()[1]
        s.change(conf("other", clock_skew_seconds=5))  # the provider says something else
        self.assertEqual((ask(), counts()[1]), (200, misses + 1))
        keys("another")
        wait_for("the other keys", lambda: ask() == 401)
        s.change(conf("again", clock_skew_seconds=5))
        self.assertEqual(ask(), 401)


if __name__ == "__main__":
    unittest.main()
