# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS sessions with origins: both versions, both HTTP versions, by tickets and by session ids, as Envoy resumes them; never with
another identity; and gone when what is trusted changes."""
import re
import unittest

import test_envoy
from harness import Nginx, Sallyport, address, ca, cert, cluster, config, curl, free_port, http_options, listener, route_to, upstream_tls, wait_for
from live import Live
from mtls import put
from test_envoy_origin_tls import V12, V13, ssl_stats

WHO = 'location / { return 200 "$ssl_protocol $ssl_session_reused $ssl_client_s_dn $ssl_server_name"; }'
BY_ID = "ssl_session_tickets off; ssl_session_cache shared:s:1m;"
NEITHER = "ssl_session_tickets off; ssl_session_cache off;"


def origin(more="", name="sessions", http2=False, protocols="TLSv1.2 TLSv1.3", port=None):
    chain, key = cert(name, san="DNS:localhost,DNS:*.test,IP:127.0.0.1")
    return Nginx(f"listen 127.0.0.1:$PORT ssl{' http2' if http2 else ''}; ssl_certificate {chain}; ssl_certificate_key {key}; "
                 f"ssl_protocols {protocols}; ssl_client_certificate {ca()}; ssl_verify_client optional; {more} " + WHO, port=port)


def one_by_one(http2=False, **more):
    """Each request has a connection of its own."""
    return {"typed_extension_protocol_options": http_options(http2, common_http_protocol_options={"max_requests_per_connection": 1}, **more)}


class Base(unittest.TestCase):
    def origin(self, *args, **kw):
        o = origin(*args, **kw)
        self.addCleanup(o.kill)
        return o

    def door(self, clusters, make=lambda c: Sallyport(c, concurrency=1)):
        door = make(config([listener(free_port(), [route_to(c["name"], "/" + c["name"]) for c in clusters])], clusters))
        self.addCleanup(lambda: self.assertEqual(door.stop(), 0))
        return door

    @staticmethod
    def ask(door, path="/o", *args):
        """Version, "r" or ".", who we were for it, the name asked for."""
        a = curl(f"http://localhost:{door.port}{path}", *args)
        m = re.match(r"(\S+) ([r.]) (?:(CN=\S+) )?\s*(\S*)$", a.body.decode())
        return m.groups() if m else a.status


class Resumption(Base):
    def test_each_way(self):
        for version, params in (("TLSv1.2", V12), ("TLSv1.3", V13), ("TLSv1.2", {})):
            for http2 in (False, True):
                for more in ("",) if version == "TLSv1.3" else ("", BY_ID, NEITHER):
                    with self.subTest(version, http2=http2, more=more, params=params):
                        o = self.origin(more, http2=http2, protocols=version)
                        door = self.door([cluster("o", o.port, tls=upstream_tls(tls_params=params), **one_by_one(http2))])
                        got = [self.ask(door) for _ in range(4)]
                        again = "r" if more != NEITHER else "."
                        self.assertEqual(got, [(version, x, "CN=client", "localhost") for x in [".", *again * 3]])
                        s = door.stats()
                        self.assertEqual((s["cluster.o.ssl.handshake"], s["cluster.o.ssl.session_reused"]), (4, 3 if again == "r" else 0))
                        self.assertEqual(s["cluster.o.upstream_cx_http2_total" if http2 else "cluster.o.upstream_cx_http1_total"], 4)

    def test_several_at_once(self):
        """A session of TLS 1.2 serves any number of connections at the same time, on any worker."""
        o = self.origin(protocols="TLSv1.2")
        door = self.door([cluster("o", o.port, tls=upstream_tls(), **one_by_one())], lambda c: Sallyport(c, concurrency=2))
        self.ask(door)
        out = curl(f"http://localhost:{door.port}/o?[1-40]", "--no-keepalive", "-Z", "--parallel-max", "20")
        self.assertEqual(out.status, 200)
        s = door.stats()
        self.assertEqual((s["cluster.o.ssl.handshake"], s["cluster.o.ssl.session_reused"]), (41, 40))

    def test_an_origin_that_learns(self):
        """From TLS 1.2 to 1.3 and back, and one whose tickets are forgotten: no request fails, and each speaks its best before long."""
        port = free_port()
        o = origin(protocols="TLSv1.2", port=port)
        door = self.door([cluster("o", port, tls=upstream_tls(), **one_by_one())])
        self.assertEqual([self.ask(door)[:2] for _ in range(2)], [("TLSv1.2", "."), ("TLSv1.2", "r")])
        for protocols, best in (("TLSv1.2 TLSv1.3", "TLSv1.3"), ("TLSv1.2", "TLSv1.2"), ("TLSv1.2", "TLSv1.2")):
            o.kill()
            o = origin(protocols=protocols, port=port)
            got = [self.ask(door)[:2] for _ in range(5)]
            self.assertEqual((got[0][1], got[-2:]), (".", [(best, "r")] * 2), got)
        o.kill()

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        envoy = lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)
        for more in ("", BY_ID):
            o = self.origin(more)
            for params in (V12, V13):
                for keys in (None, 0, 1, 3):
                    tls = upstream_tls(tls_params=params)
                    if keys is not None:
                        tls["typed_config"]["max_session_keys"] = keys
                    got = []
                    for make in (envoy, lambda c: Sallyport(c, concurrency=1)):
                        s = make(config([listener(free_port(), [route_to("o")])], [cluster("o", o.port, tls=tls, **one_by_one())]))
                        try:
                            answers = [self.ask(s, "/") for _ in range(4)]
                            wait_for("the counters", lambda: ssl_stats(s.admin).get("handshake") == 4)
                            got.append((answers, ssl_stats(s.admin)))
                        finally:
                            s.kill()
                    with self.subTest(more, params=params, keys=keys):
                        self.assertEqual(got[0], got[1])
                        self.assertEqual(got[1][1].get("session_reused", 0), 0 if keys == 0 else 3)


class Identity(Base):
    """A session stands for what was agreed on with one identity, by one policy: nothing else takes it up."""

    def clusters(self, port, params):
        for name in ("session-alice", "session-bob"):
            cert(name)
        ca("sessions-ca-2")
        both = put("sessions-bundle.pem", open(ca()).read() + open(ca("sessions-ca-2")).read())
        base = {"sni": "localhost", "client": "session-alice", "tls_params": params}
        kinds = {"base": {}, "client": {"client": "session-bob"}, "nobody": {"client": None}, "sni": {"sni": "other.test"}, "san": {"san": "a.test"},
                 "trust": {"trusted": both}}
        return [cluster(name, port, tls=upstream_tls(**dict(base, **more)), **one_by_one()) for name, more in kinds.items()]

    def test_clusters(self):
        o = self.origin()
        for params in (V12, V13):
            clusters = self.clusters(o.port, params)
            door = self.door(clusters)
            for reused in (".", "r", "r"):
                for c in clusters:
                    who = {"client": "CN=session-bob", "nobody": None}.get(c["name"], "CN=session-alice")
                    got = self.ask(door, "/" + c["name"])
                    self.assertEqual((c["name"], got), (c["name"], (got[0], reused, who, "other.test" if c["name"] == "sni" else "localhost")))

    def test_sockets_of_one_cluster(self):
        o = self.origin()
        for params in (V12, V13):
            clusters = self.clusters(o.port, params)
            one = dict(clusters[0], transport_socket_matches=[
                {"name": c["name"], "match": {"kind": c["name"]}, "transport_socket": c["transport_socket"]} for c in clusters])
            one["load_assignment"] = {"cluster_name": "base", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(o.port)}, "metadata": {"filter_metadata": {"envoy.transport_socket_match": {"kind": c["name"]}}}}
                for c in clusters]}]}
            door = self.door([one])
            got = [self.ask(door, "/base") for _ in range(3 * len(clusters))]
            first, later = got[:len(clusters)], got[len(clusters):]
            self.assertEqual([g[1] for g in first], ["."] * len(clusters), got)
            self.assertEqual([g[1] for g in later], ["r"] * len(later), got)
            self.assertEqual(sorted(g[2:] for g in first if g[2]), sorted(g[2:] for g in got[-len(clusters):] if g[2]))

    def test_names_that_requests_choose(self):
        o = self.origin()
        for params in (V12, V13):
            tls = upstream_tls(tls_params=params, san=None)
            tls["typed_config"]["max_session_keys"] = 8
            door = self.door([cluster("o", o.port, tls=tls, **one_by_one(upstream_http_protocol_options={
                "auto_sni": True, "auto_san_validation": True}))])
            for reused in (".", "r", "r"):
                for name in ("a.test", "b.test"):
                    self.assertEqual(self.ask(door, "/o", "-H", "Host: " + name)[1:], (reused, "CN=client", name))
            self.assertEqual(self.ask(door, "/o", "-H", "Host: elsewhere.example"), 503)  # whose session would be good

    def test_a_reload_that_changes_trust(self):
        """Sessions are the TLS context's: they go with it, and stay when it stays."""
        o = self.origin()
        ca("sessions-ca-2")
        both = put("sessions-bundle.pem", open(ca()).read() + open(ca("sessions-ca-2")).read())
        port = free_port()
        for params in (V12, V13):
            conf = lambda **tls: config([listener(port, [route_to("o")])],
                                        [cluster("o", o.port, tls=upstream_tls(tls_params=params, **tls), **one_by_one())])
            door = Live(conf(), concurrency=1)
            try:
                self.assertEqual([self.ask(door)[1] for _ in range(2)], [".", "r"])
                door.again(conf())
                self.assertEqual([self.ask(door)[1] for _ in range(2)], ["r", "r"])
                for change in ({"trusted": both}, {"san": "a.test"}, {"client": "session-alice"}, {"client": None}):
                    door.change(conf(**change))
                    self.assertEqual([change] + [self.ask(door)[1] for _ in range(2)], [change, ".", "r"])
            finally:
                self.assertEqual(door.stop(), 0)


if __name__ == "__main__":
    unittest.main()
