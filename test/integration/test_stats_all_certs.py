# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of OCSP (docs/stats.md): about clients, about certificates in headers, about origins, and of what is stapled."""
import test_origin_ocsp
import test_staple
from early import early, early_tls, record, session
from harness import SECRET, T, ca, cert, cluster, config, downstream_tls, free_port, raw, route_to, shield
from mtls import s_client
from test_header_certificate import cloudfront, gate
from test_mtls_ocsp import Responder, index
from test_origin_ocsp import BY, Server
from test_stats_all_filters import Case
from test_stats_all_front import door_of


def revocation(where):
    return {"name": "revocation", "typed_config": {"@type": T + "sallyport.tls.v1.Revocation", "ocsp": {"cluster": where, "timeout": "9s"}}}


class Asked(Case):
    """Of alice the responder says that she is good, of mallory that he is revoked, of nobody nothing."""

    @classmethod
    def setUpClass(cls):
        ca("clients")
        cert("server")
        for name in ("alice", "mallory", "nobody"):
            cert(name, by="clients")
        cert("responder", by="clients", usage="OCSPSigning")
        index(good=["alice"], revoked=["mallory"])

    def setUp(self):
        self.responder = Responder()
        self.addCleanup(self.responder.shutdown)
        self.clusters = [cluster("responder", self.responder.port), cluster("nowhere", free_port())]

    def test_clients(self):
        def door(name, where):
            tls = downstream_tls("server", client_ca=ca("clients"), require=True)
            tls["typed_config"]["common_tls_context"]["validation_context"]["custom_validator_config"] = revocation(where)
            return door_of(name, tls=tls)
        doors = [door("plain", "responder"), door("alone", "nowhere")]
        s = self.door(config(doors, self.clusters))
        with self.drives(s, {"listener.plain.ssl.ocsp.asked": 3, "listener.plain.ssl.ocsp.good": 1, "listener.plain.ssl.ocsp.revoked": 1,
                             "listener.plain.ssl.ocsp.unknown": 1, "listener.plain.ssl.ocsp.cached": 1}):
            for who in ("alice", "mallory", "nobody", "alice"):
                s_client(s.port, client=who)
        with self.drives(s, {"listener.alone.ssl.ocsp.failed": 1}):
            s_client(doors[1]["address"]["socket_address"]["port_value"], client="alice")

    def test_headers(self):
        proof = "x-origin-verify: " + SECRET
        behind = lambda where: self.behind(shield(), gate(validation={"trusted_ca": {"filename": ca("clients")}, "custom_validator_config": revocation(where)}),
                                           clusters=self.clusters)
        ask = lambda s, who: self.with_headers(s, proof, "cloudfront-viewer-cert-pem: " + cloudfront(who))
        s = behind("responder")
        with self.drives(s, {"http.plain.header_certificate.ocsp.asked": 3, "http.plain.header_certificate.ocsp.good": 1,
                             "http.plain.header_certificate.ocsp.revoked": 1, "http.plain.header_certificate.ocsp.unknown": 1,
                             "http.plain.header_certificate.ocsp.cached": 1}):
            for who in ("alice", "mallory", "nobody", "alice"):
                ask(s, who)
        s = behind("nowhere")
        with self.drives(s, {"http.plain.header_certificate.ocsp.failed": 1}):
            ask(s, "alice")

    def test_origins(self):
        servers = {}
        for who in ("alice", "mallory", "nobody"):
            servers[who] = Server(who, "-tls1_3")
            self.addCleanup(servers[who].kill)
        clusters = [cluster(who, o.port, tls=test_origin_ocsp.tls(ocsp={"timeout": "9s"})) for who, o in servers.items()]
        alone = cluster("alone", servers["alice"].port, tls=test_origin_ocsp.tls(ocsp={"cluster": "nowhere"}))
        every = [*clusters, alone]
        s = self.door(config([door_of("plain", [route_to(c["name"], "/" + c["name"]) for c in every])], [*every, *self.clusters]))
        with self.drives(s, {"cluster.alice.ssl.ocsp.asked": 1, "cluster.alice.ssl.ocsp.good": 1, "cluster.alice.ssl.ocsp.cached": 1}):
            self.ask(s, "/alice")
            self.ask(s, "/alice")
        with self.drives(s, {"cluster.mallory.ssl.ocsp.revoked": lambda n: n > 0, "cluster.nobody.ssl.ocsp.unknown": lambda n: n > 0,
                             "cluster.alone.ssl.ocsp.failed": lambda n: n > 0}):
            for who in ("mallory", "nobody", "alone"):
                self.ask(s, "/" + who)


class Early(Case):
    def test_early_data(self):
        request, last = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n", b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
        s = self.door(config([door_of("plain", tls=early_tls())], []))
        flight = record(session(s.port, "stats-early"), request)
        with self.drives(s, {"listener.plain.ssl.early_data_accepted": 1, "listener.plain.ssl.early_data_replayed": 1}):
            raw(s.port, flight, seconds=1, close_write=True)
            raw(s.port, flight, seconds=1, close_write=True)
        file = session(s.port, "stats-early")
        with self.drives(s, {"listener.plain.ssl.early_data_rejected": 1}):  # behind a HelloRetryRequest there is none
            early(s.port, file, request, last, more=("-groups", "P-521:X25519"))
        with self.drives(s, {"http.plain.downstream_rq_too_early": 1}):
            raw(s.port, record(session(s.port, "stats-early"), request.replace(b"GET", b"DELETE")), seconds=1, close_write=True)


class Stapled(Case):
    def test_by_origins(self):
        ca(BY)
        cert("responder", by=BY, usage="OCSPSigning")
        cert("stapler", by=BY)
        good = test_origin_ocsp.response("stapler", file="stats-good.der")
        o = Server("stapler", "-tls1_3", good)
        self.addCleanup(o.kill)
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", o.port, tls=test_origin_ocsp.tls(staples="LENIENT"))]))
        with self.drives(s, {"cluster.o.ssl.ocsp.stapled_good": 1}):
            self.ask(s)

    def test_by_the_door(self):
        good, late = test_staple.response("stapled"), test_staple.response("stapled", days="", file="late.ocsp")
        s = self.door(test_staple.door_config(good))
        with self.drives(s, {"listener.l.ssl.ocsp_staple_requests": 1, "listener.l.ssl.ocsp_staple_responses": 1}):
            test_staple.Visit(s, "-tls1_3")
        s = self.door(test_staple.door_config(None, "LENIENT_STAPLING"))
        with self.drives(s, {"listener.l.ssl.ocsp_staple_omitted": 1}):
            test_staple.Visit(s, "-tls1_3")
        s = self.door(test_staple.door_config(late, "MUST_STAPLE"))
        with self.drives(s, {"listener.l.ssl.ocsp_staple_failed": 1}):
            test_staple.Visit(s, "-tls1_3")
