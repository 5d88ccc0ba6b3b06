# SPDX-License-Identifier: GPL-2.0-or-later
"""What survives a change of the config: connections, tickets, buckets, keys that were fetched, and files that are watched."""
import os
import shutil
import time
import unittest

from echo import Echo
from harness import (T, ca, cert, cluster, config, curl, downstream_tls, free_port, listener, nginx_mtls, route_to, token, upstream_tls,
                     wait_for, work)
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


if __name__ == "__main__":
    unittest.main()
