# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats that need a service, a signature, a full disk, a call that fails, or half a minute (docs/stats.md)."""
import json
import os
import shutil
import socket
import threading
import time
import unittest
from concurrent import futures

import failing_calls
import test_accept
import test_reload_hostile
from echo import Echo
from harness import (SLOW, T, Sallyport, address, ca, cert, cluster, config, curl, downstream_tls, free_port, good_token, jwks, jwt_filter, log_to, nginx_plain,
                     route_to, shield, token, wait_for, work)
from idp import EcKey, certificate_thumbprint
from jwks_server import JwksServer
from live import Live
from stats_case import StatsCase
from syslog_daemon import Daemon
from tcp_origin import TcpOrigin
from test_attack import PREFACE, SETTINGS, frame, head
from test_stats_all_filters import ALL, Case, envoy, ours
from test_stats_all_front import GET, door_of, port_of, talk
from test_stats_all_more import Tokens, introspection

some = lambda n: n > 0


def log_of(kind, text="%REQ(:PATH)%\n", **fields):
    return [{"name": "log", "typed_config": {"@type": T + kind, "log_format": {"text_format": text}, **fields}}]


FILE, SYSLOG = "envoy.extensions.access_loggers.file.v3.FileAccessLog", "sallyport.access_loggers.v1.Syslog"


class Counts:
    """A rate limit service (envoy.service.ratelimit.v3) that lets `allowed` requests pass."""

    def __init__(self, allowed):
        import grpc  # pylint: disable=import-outside-toplevel
        self.left = allowed

        def decide(data, context):
            del data, context
            self.left -= 1
            return b"\x08\x01" if self.left >= 0 else b"\x08\x02"  # overall_code: OK, OVER_LIMIT
        handler = grpc.method_handlers_generic_handler("envoy.service.ratelimit.v3.RateLimitService", {
            "ShouldRateLimit": grpc.unary_unary_rpc_method_handler(decide)})
        self.server = grpc.server(futures.ThreadPoolExecutor(2))
        self.server.add_generic_rpc_handlers((handler,))
        self.port = self.server.add_insecure_port("127.0.0.1:0")
        self.server.start()

    def stop(self):
        self.server.stop(None)


class Restless:
    """A file that is written all the time: for half a minute, while the other tests run."""

    def __init__(self):
        self.path, self.on, self.began = work(f"restless-{time.time_ns()}"), True, time.time()
        with open(self.path, "w", encoding="ascii") as f:
            f.write("secret-of-a-restless-file-1\n")
        door = door_of("plain")
        door["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = [
            shield(proof={"secret_header": {"secrets": [{"name": "s", "value": {"filename": self.path}}]}})]
        self.server = Sallyport(config([door], []), concurrency=1)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with open(self.path, "a", encoding="ascii") as f:
            while self.on:
                f.write("x")
                f.flush()
                time.sleep(0.2)

    def stop(self):
        self.on = False
        self.thread.join()
        self.server.kill()


def setUpModule():
    Restless.only = Restless()
    unittest.addModuleCleanup(Restless.only.stop)


class Limits(Case):
    def test_a_service(self):
        service = Counts(2)
        self.addCleanup(service.stop)
        at = {"grpc_service": {"envoy_grpc": {"cluster_name": "rls"}}, "transport_api_version": "V3"}
        counted = route_to("o", rate_limits=[{"actions": [{"generic_key": {"descriptor_value": "v"}}]}])
        s = self.behind(envoy("ratelimit.v3.RateLimit", domain="d", timeout="5s", rate_limit_service=at), routes=[counted],
                        clusters=[cluster("rls", service.port, http2=True)])
        with self.drives(s, {"cluster.o.ratelimit.ok": 2, "cluster.o.ratelimit.over_limit": 1}):
            self.assertEqual([self.ask(s) for _ in range(3)], [200, 200, 429])

    def test_more_callers_than_buckets(self):
        limit = {"stat_prefix": "limit", "max_dynamic_descriptors": 1, "token_bucket": {"max_tokens": 1000, "fill_interval": "600s"}, "descriptors": [
            {"entries": [{"key": "who"}], "token_bucket": {"max_tokens": 1, "fill_interval": "600s"}}]}
        counted = route_to("o", rate_limits=[{"actions": [{"request_headers": {"header_name": "x-who", "descriptor_key": "who"}}]}])
        s = self.behind(envoy("local_ratelimit.v3.LocalRateLimit", **limit, **ALL), routes=[counted])
        with self.drives(s, {"limit.http_local_rate_limit.buckets_taken_over": 4}):  # a set has eight
            for n in range(12):
                self.with_headers(s, f"x-who: {n}")


class Callers(Case):
    def test_bound_tokens(self):
        key = EcKey("stats")
        mine = cert("stats-client")
        jwt = jwt_filter(payload_in_metadata="c", from_headers=[{"name": "authorization", "value_prefix": "DPoP "}, {"name": "authorization", "value_prefix": "Bearer "}])
        jwt["typed_config"]["rules"][0]["requires"] = {"requires_any": {"requirements": [{"provider_name": "test"}, {"allow_missing_or_failed": {}}]}}
        sender = ours("sender_constraint.v1.SenderConstraint", sources=[{"key": "c"}])
        s = self.behind(jwt, sender, tls=downstream_tls(client_ca=ca()))
        url = f"https://localhost:{s.port}/"

        def ask(value, *args, scheme="DPoP"):
            return curl(url, "-H", f"authorization: {scheme} {value}", *args).status
        bound = good_token(cnf={"jkt": key.thumbprint()})
        with self.drives(s, {"http.plain.sender_constraint.dpop_bound": 1, "http.plain.sender_constraint.denied": 1}):
            self.assertEqual(ask(bound, "-H", "dpop: " + key.proof("GET", url, bound)), 200)
            self.assertEqual(ask(bound), 401)
        with self.drives(s, {"http.plain.sender_constraint.mtls_bound": 1}):
            value = good_token(cnf={"x5t#S256": certificate_thumbprint(mine[0])})
            self.assertEqual(ask(value, "--cert", mine[0], "--key", mine[1], scheme="Bearer"), 200)
        s = self.behind(jwt, ours("sender_constraint.v1.SenderConstraint", sources=[{"key": "elsewhere"}]))
        with self.drives(s, {"http.plain.sender_constraint.errors": 1}):  # where it looks there are no claims
            self.assertEqual(self.with_headers(s, "authorization: Bearer " + good_token()), 503)

    def test_introspection(self):
        idp = Tokens()
        self.addCleanup(idp.stop)
        skipping = introspection(idp.port, jwt="SKIP", verified_jwt={"keys": ["c"]})
        s = self.behind(jwt_filter(payload_in_metadata="c"), skipping, clusters=[cluster("idp", idp.port)])
        with self.drives(s, {"http.plain.token_introspection.skipped": 1}):
            self.assertEqual(self.with_headers(s, "authorization: Bearer " + good_token()), 200)

    def test_an_issuer_that_describes_itself(self):
        server = JwksServer()
        self.addCleanup(server.stop)
        issuer = f"http://127.0.0.1:{server.port}"
        asks = introspection(server.port)
        del asks["typed_config"]["endpoint"]
        asks["typed_config"]["discovered"] = {"issuer": issuer}
        o = Echo()
        self.addCleanup(o.stop)
        door = door_of("plain", [route_to("o")])
        door["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = [asks]
        issuers = {"name": "i", "typed_config": {"@type": T + "sallyport.oidc.v1.Issuers", "issuers": [
            {"issuer": issuer, "cluster": "idp", "fast_listener": True, "allow_http": True}]}}
        s = self.door(dict(config([door], [cluster("o", o.port), cluster("idp", server.port)]), bootstrap_extensions=[issuers]))
        self.shows(s, {"http.plain.token_introspection.discovery_failed": some})
        with self.drives(s, {"http.plain.token_introspection.discovery_success": 1}):
            server.pages["/.well-known/openid-configuration"] = json.dumps({"issuer": issuer, "introspection_endpoint": issuer + "/introspect"})
            time.sleep(3 * SLOW)

    def test_keys_of_signed_tokens(self):
        server = JwksServer(**{"/certs": jwks()})
        self.addCleanup(server.stop)
        gate = lambda port: shield(proof={"signed_token": {"kind": "CLOUDFLARE_ACCESS", "audiences": ["app"], "jwks": {
            "http_uri": {"uri": f"http://127.0.0.1:{port}/certs", "cluster": "keys", "timeout": "2s"}}}})
        s = self.behind(gate(server.port), clusters=[cluster("keys", server.port)])
        self.shows(s, {"http.plain.origin_shield.signed_token.jwks_fetch_success": 1})
        server.status = 500
        with self.drives(s, {"http.plain.origin_shield.signed_token.jwks_fetch_failed": some}):
            claims = {"aud": ["app"], "iss": "https://team.cloudflareaccess.com", "exp": int(time.time()) + 600}
            self.with_headers(s, "cf-access-jwt-assertion: " + token(claims, name="unknown"))  # a key that nobody knows is asked for


class Logs(StatsCase):
    def ask(self, s, n=1, path=b"/direct", extra=b""):
        talk(s.port, (b"GET " + path + b" HTTP/1.1\r\nhost: a.test\r\n" + extra + b"\r\n") * n, 0.3)

    def told(self, s):
        """Whoever logs next counts what was written."""
        time.sleep(1.3)
        self.ask(s)

    def test_syslog(self):
        path = work(f"stats-{time.time_ns()}.sock")
        daemon = Daemon(path)
        self.addCleanup(daemon.stop)
        s = self.door(config([door_of("plain", hcm={"access_log": log_of(SYSLOG, socket_path=path)})], []))
        with self.drives(s, {"access_log.syslog_sent": some}):
            self.ask(s, 3)
            self.told(s)

    def test_syslog_that_fails(self):
        if not failing_calls.usable():
            self.skipTest("seccomp filters of this test are for x86-64")
        path = work(f"stats-{time.time_ns()}.sock")
        daemon = Daemon(path)
        self.addCleanup(daemon.stop)
        of_that_size = failing_calls.rule("sendto", "EMSGSIZE", (2, ">=", 6000), (2, "<", 6200))  # of all that is sent so, lines of the log alone
        s = self.door(config([door_of("plain", hcm={"access_log": log_of(SYSLOG, "%REQ(X-PAD)%\n", socket_path=path)})], []),
                      make=lambda *a, **k: Failing(of_that_size, *a, **k))
        with self.drives(s, {"access_log.syslog_failed": 3}):
            self.ask(s, 3, extra=b"x-pad: " + b"p" * 6000 + b"\r\n")
            self.told(s)
        wait_for("the short one", lambda: [x for x in daemon.got if len(x) < 6000])
        self.assertEqual([x for x in daemon.got if len(x) >= 6000], [])

    def test_a_full_disk(self):
        s = self.door(config([door_of("plain", hcm={"access_log": log_to("/dev/full")})], []))
        with self.drives(s, {"filesystem.write_failed": some}):
            self.ask(s, 3)
            self.told(s)

    def test_a_directory_that_goes(self):
        d = work(f"logs-{time.time_ns()}")
        os.mkdir(d)
        s = self.door(config([door_of("plain", hcm={"access_log": log_to(os.path.join(d, "a.log"))})], []))
        with self.drives(s, {"filesystem.reopen_failed": 1}):
            shutil.rmtree(d)
            s.get("/reopen_logs", "POST")
            self.told(s)

    def test_nobody_reads(self):
        path = work(f"pipe-{time.time_ns()}")
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        s = self.door(config([door_of("plain", hcm={"access_log": log_of(FILE, "%REQ(X-PAD)%\n", path=path)})], []))
        with self.drives(s, {"access_log.dropped": some}):
            for _ in range(12):
                self.ask(s, 16, extra=b"x-pad: " + b"p" * 8000 + b"\r\n")


class Failing(Sallyport):
    """With system calls that fail."""

    def __init__(self, rule, *args, **more):
        self.rule = rule
        super().__init__(*args, **more)

    def start_options(self):
        return {"preexec_fn": failing_calls.install(self.rule)}


class FailingLive(Failing, Live):
    pass


class Process(StatsCase):
    def test_epochs(self):
        conf = dict(config([door_of("plain")], []))
        hot = work(f"hot-{time.time_ns()}.sock")
        first = self.door(conf, "--hot-restart", hot, "--drain-time-s", "1")
        conf["admin"] = {"address": address(first.admin)}
        second = Sallyport(conf, "--hot-restart", hot, "--drain-time-s", "1", wait=False, concurrency=1)
        self.addCleanup(second.kill)
        second.admin = first.admin
        first.wait(20)
        wait_for("the second", second.is_ready)
        self.shows(second, {"server.hot_restart_epoch": 1})

    def test_listeners_that_no_worker_can_watch(self):
        if not failing_calls.usable():
            self.skipTest("seccomp filters of this test are for x86-64")
        n, admin = 40, 3  # the main loop's epoll, which watches the admin's connections, is the first descriptor of all
        none = failing_calls.rule("epoll_ctl", "ENOSPC", (0, ">=", admin + 1), (1, "==", 1), (2, ">=", 60))  # EPOLL_CTL_ADD of high descriptors
        conf = lambda k: config([door_of(f"l{i}") for i in range(k)], [])
        s = self.door(conf(1), make=lambda *a, **k: FailingLive(none, *a, **k))
        with open(f"/proc/{s.p.pid}/fdinfo/{admin}", encoding="ascii") as f:
            watched = [os.path.realpath(f"/proc/{s.p.pid}/fd/{line.split()[1]}") for line in f if line.startswith("tfd:")]
        self.assertIn("socket:", " ".join(watched))
        with self.drives(s, {"listener_manager.listener_create_failure": 1}):
            s.change(conf(n))

    def test_old_configs_that_are_held(self):
        """What old configs may take in all is 256 MiB; some hundred here hold 32 of them each."""
        origin, port = test_reload_hostile.Drip(), free_port()
        self.addCleanup(origin.stop)
        conf = lambda n: dict(config([door_of(f"v{n}", [route_to("o", timeout="0s")], port=port)], [cluster("o", origin.port)]), node={"id": "x" * (32 << 20)})
        s = self.door(conf(0), make=Live)
        clients = []
        with self.drives(s, {"config_reload.cut": some}):
            for n in range(1, 12):
                clients.append(socket.create_connection(("127.0.0.1", port), 10 * SLOW))
                clients[-1].sendall(GET % b"/")
                clients[-1].recv(4096)
                s.change(conf(n))
        for c in clients:
            c.close()


class Connections(StatsCase):
    def test_a_client_that_does_not_close(self):
        s = self.door(config([door_of("plain", hcm={"delayed_close_timeout": "0.3s"})], []))
        with self.drives(s, {"http.plain.downstream_cx_delayed_close_timeout": 1}):
            origin = nginx_plain()
            self.addCleanup(origin.kill)
            c = socket.create_connection(("127.0.0.1", s.port))
            c.sendall(b"GET /direct HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
            time.sleep(1.5 * SLOW)
            c.close()

    def test_the_wrong_chain(self):
        case = test_accept.Misdirected()
        self.addCleanup(case.doCleanups)
        s = case.door(True)
        with self.drives(s, {"http.test.downstream_rq_misdirected": 1}):
            case.ask(s, "a.test", "b.test")

    def test_pages_that_are_refused(self):
        door = door_of("plain")
        pages = ours("admin_pages.v1.AdminPages", allow_paths=[{"exact": "/ready"}])
        door["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"][:0] = [pages]
        s = self.door(config([door], []))
        with self.drives(s, {"http.plain.admin_pages.refused": 1}):
            talk(s.port, b"POST /ready HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n\r\n")

    def test_clients_that_ping_and_do_not_read(self):
        """Behind an answer that fills the socket, pings pile up."""
        origin = nginx_plain()
        self.addCleanup(origin.kill)
        origin.page("big", b"x" * (16 << 20))
        few = {"http2_protocol_options": {"max_outbound_control_frames": 20, "initial_stream_window_size": 1 << 24, "initial_connection_window_size": 1 << 24}}
        s = self.door(config([door_of("plain", [route_to("o")], hcm=few, per_connection_buffer_limit_bytes=1 << 16)], [cluster("o", origin.port)]))
        with self.drives(s, {"http2.outbound_flood": 1}):
            c = socket.socket()
            c.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            c.connect(("127.0.0.1", s.port))
            self.addCleanup(c.close)
            c.sendall(PREFACE + frame(4, 0, 0, b"\0\4" + (1 << 30).to_bytes(4, "big")) + frame(8, 0, 0, (1 << 30).to_bytes(4, "big")) + frame(1, 5, 1, head(path="/big")))
            time.sleep(1 * SLOW)
            for _ in range(60):
                try:
                    c.sendall(frame(6, 0, 0, b"x" * 8))
                except OSError:
                    break
                time.sleep(0.03)

    def test_origins_that_ping_and_do_not_read(self):
        class Pings(TcpOrigin):
            def serve(self, c):
                data = b""
                while b":path" not in data and len(data) < 60:
                    data += c.recv(65536)
                c.sendall(frame(4, 0, 0, b"\0\4" + (1 << 30).to_bytes(4, "big")) + frame(8, 0, 0, (1 << 30).to_bytes(4, "big")))
                time.sleep(1 * SLOW)
                for _ in range(60):
                    c.sendall(frame(6, 0, 0, b"x" * 8))
                    time.sleep(0.03)
                time.sleep(2)
        o = Pings()
        self.addCleanup(o.stop)
        options = {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions", "explicit_http_config": {"http2_protocol_options": {"max_outbound_control_frames": 20}}}}
        s = self.door(config([door_of("plain", [route_to("o", "/o", timeout="0s")])], [cluster("o", o.port, typed_extension_protocol_options=options)]))
        with self.drives(s, {"cluster.o.http2.outbound_flood": some}):
            c = socket.create_connection(("127.0.0.1", s.port))
            self.addCleanup(c.close)
            c.settimeout(1)
            c.sendall(b"POST /o HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999\r\n\r\n")
            try:
                for _ in range(400):
                    c.sendall(b"x" * 65536)
            except OSError:
                pass
            time.sleep(3 * SLOW)


class Zones(Case):
    def hosts(self, port, *zones):
        return {"load_assignment": {"cluster_name": "c", "endpoints": [{"locality": {"region": "r", "zone": z}, "lb_endpoints": [
            {"endpoint": {"address": address(port)}, "health_status": health}]} for z, health in zones]}}

    def zoned(self, zone, fleet, hosts):
        o = Echo()
        self.addCleanup(o.stop)
        aware = {"common_lb_config": {"healthy_panic_threshold": {"value": 0}, "zone_aware_lb_config": {"min_cluster_size": 1}}}
        return self.door(dict(config([door_of("plain", [route_to("o")])], [cluster("fleet", **self.hosts(o.port, *fleet)), cluster("o", **self.hosts(o.port, *hosts), **aware)]),
                              node={"id": "n", "cluster": "x", "locality": {"region": "r", "zone": zone}}, cluster_manager={"local_cluster_name": "fleet"}))

    def test_nobody_at_home(self):
        both = (("b", "HEALTHY"), ("c", "HEALTHY"))
        s = self.zoned("a", both, both)
        self.assertEqual(self.ask(s), 200)
        self.shows(s, {"cluster.o.lb_local_cluster_not_ok": some})

    def test_no_room_elsewhere(self):
        """At home nobody is well, of the hosts as of the gateways: the other zone has just what it needs itself."""
        both = (("a", "UNHEALTHY"), ("b", "HEALTHY"))
        s = self.zoned("a", both, both)
        with self.drives(s, {"cluster.o.lb_zone_no_capacity_left": 3}):
            for _ in range(3):  # any zone is as good: 503 where it is the first
                self.ask(s)


class ZLast(StatsCase):
    def test_restless_files(self):
        time.sleep(max(0, Restless.only.began + 31 - time.time()))
        self.shows(Restless.only.server, {"files.restless": 1})
