# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of clusters, virtual clusters and routes (docs/stats.md), each to an exact value."""
import os
import socket
import struct
import threading
import time

from echo import Echo
from harness import SLOW, T, Nginx, address, ca, cert, cluster, config, curl, downstream_tls, free_port, http_options, nginx_mtls, route_to, upstream_tls, wait_for
from health_origin import Http, answer
from scripted import Scripted
from stats_case import StatsCase
from tcp_origin import TcpOrigin
from test_attack import frame
from test_stats_all_front import GET, door_of, talk

some = lambda n: n > 0


def header(*lines):
    return [x for line in lines for x in ("-H", line)]


def retries(n=1, **more):
    return {"retry_policy": {"retry_on": "5xx", "num_retries": n, "retry_back_off": {"base_interval": "0.001s"}, **more}}


class Case(StatsCase):
    def origin(self, kind=Scripted, *args, **kw):
        o = kind(*args, **kw)
        self.addCleanup(o.stop)
        return o

    def ask(self, s, path="/", do="200", *args):
        return curl(f"http://127.0.0.1:{s.port}{path}", *header(f"x-do: {do}", f"x-key: {time.time_ns()}"), *args).status


class Requests(Case):
    def test_an_answer(self):
        """Everything that one request counts."""
        o = self.origin()
        inside = {"use_remote_address": True, "internal_address_config": {"cidr_ranges": [{"address_prefix": "127.0.0.0", "prefix_len": 8}]}}
        vhost = {"name": "v", "domains": ["*"], "virtual_clusters": [{"name": "c", "headers": [{"name": ":path", "string_match": {"prefix": "/c"}}]}],
                 "routes": [dict(route_to("o", "/c", timeout="0.5s", **retries()), stat_prefix="r"), route_to("o")]}
        doors = [door_of("plain", hcm={"route_config": {"name": "t", "virtual_hosts": [vhost]}}), door_of("inside", [route_to("o")], hcm=inside)]
        s = self.door(config(doors, [cluster("o", o.port, track_cluster_stats={"request_response_sizes": True, "timeout_budgets": True})]))
        with self.drives(s, {"cluster.o.upstream_rq_total": 1, "cluster.o.upstream_rq_completed": 1, "cluster.o.upstream_rq_200": 1, "cluster.o.upstream_rq_2xx": 1,
                             "cluster.o.upstream_rq_time": 1, "cluster.o.external.upstream_rq_completed": 1, "cluster.o.external.upstream_rq_200": 1,
                             "cluster.o.external.upstream_rq_2xx": 1, "cluster.o.external.upstream_rq_time": 1,
                             "vhost.v.vcluster.c.upstream_rq_total": 1, "vhost.v.vcluster.c.upstream_rq_completed": 1, "vhost.v.vcluster.c.upstream_rq_200": 1,
                             "vhost.v.vcluster.c.upstream_rq_2xx": 1, "vhost.v.vcluster.c.upstream_rq_time": 1,
                             "vhost.v.route.r.upstream_rq_total": 1, "vhost.v.route.r.upstream_rq_completed": 1, "vhost.v.route.r.upstream_rq_200": 1,
                             "vhost.v.route.r.upstream_rq_2xx": 1, "vhost.v.route.r.upstream_rq_time": 1,
                             "cluster.o.upstream_cx_total": 1, "cluster.o.upstream_cx_http1_total": 1, "cluster.o.upstream_cx_connect_ms": 1,
                             "cluster.o.upstream_cx_rx_bytes_total": some, "cluster.o.upstream_cx_tx_bytes_total": some, "cluster.o.upstream_rq_pending_total": 1,
                             "cluster.o.upstream_rq_headers_size": 1, "cluster.o.upstream_rq_body_size": 1, "cluster.o.upstream_rs_headers_size": 1,
                             "cluster.o.upstream_rs_body_size": 1, "cluster.o.upstream_rq_headers_count": 1, "cluster.o.upstream_rs_headers_count": 1,
                             "cluster.o.upstream_rq_timeout_budget_percent_used": 1, "cluster.o.upstream_rq_timeout_budget_per_try_percent_used": 1}):
            self.assertEqual(self.ask(s, "/c"), 200)
        self.shows(s, {"cluster.o.upstream_cx_active": 1, "cluster.o.upstream_cx_http1_active": 1, "cluster.o.membership_total": 1,
                       "cluster.o.membership_healthy": 1, "cluster.o.max_host_weight": 1, "cluster_manager.active_clusters": 1})
        with self.drives(s, {"cluster.o.internal.upstream_rq_completed": 1, "cluster.o.internal.upstream_rq_200": 1, "cluster.o.internal.upstream_rq_2xx": 1,
                             "cluster.o.internal.upstream_rq_time": 1}):
            talk(doors[1]["address"]["socket_address"]["port_value"], b"GET / HTTP/1.1\r\nhost: a\r\nx-do: 200\r\nx-key: i\r\n\r\n", 1)
        with self.drives(s, {"cluster.o.upstream_rq_retry": 1, "cluster.o.upstream_rq_retry_success": 1, "cluster.o.upstream_rq_retry_backoff_exponential": 1,
                             "cluster.o.retry.upstream_rq_503": 1, "cluster.o.retry.upstream_rq_5xx": 1, "cluster.o.retry.upstream_rq_completed": 1,
                             "vhost.v.vcluster.c.upstream_rq_retry": 1, "vhost.v.vcluster.c.upstream_rq_retry_success": 1,
                             "vhost.v.route.r.upstream_rq_retry": 1, "vhost.v.route.r.upstream_rq_retry_success": 1}):
            self.ask(s, "/c", "503,200")
        with self.drives(s, {"cluster.o.upstream_rq_retry_limit_exceeded": 1, "vhost.v.vcluster.c.upstream_rq_retry_limit_exceeded": 1,
                             "vhost.v.route.r.upstream_rq_retry_limit_exceeded": 1}):
            self.ask(s, "/c", "503")
        with self.drives(s, {"cluster.o.upstream_rq_timeout": 1, "vhost.v.vcluster.c.upstream_rq_timeout": 1, "vhost.v.route.r.upstream_rq_timeout": 1,
                             "cluster.o.upstream_rq_tx_reset": lambda n: n in (0, 1)}):
            self.ask(s, "/c", "stall")
        with self.drives(s, {"cluster.o.upstream_cx_close_notify": 1, "cluster.o.upstream_cx_destroy": 1, "cluster.o.upstream_cx_length_ms": 1,
                             "cluster.o.upstream_rq_per_cx": 1}):
            self.ask(s, "/", "200+connection=close")
        with self.drives(s, {"cluster.o.canary.upstream_rq_completed": 1, "cluster.o.canary.upstream_rq_200": 1, "cluster.o.canary.upstream_rq_2xx": 1,
                             "cluster.o.canary.upstream_rq_time": 1}):
            self.ask(s, "/", "200+x-envoy-upstream-canary=true")

    def test_connections_that_end_badly(self):
        o = self.origin()
        limits = {"max_requests_per_connection": 1}
        silent = socket.create_server(("127.0.0.1", 0), backlog=0)
        self.addCleanup(silent.close)
        full = [socket.socket() for _ in range(3)]
        for c in full:  # the queue of the kernel is full: who comes next waits
            c.setblocking(False)
            c.connect_ex(silent.getsockname())
            self.addCleanup(c.close)
        options = lambda **common: {"typed_extension_protocol_options": http_options(common_http_protocol_options=common)}
        clusters = [cluster("dead", free_port()), cluster("late", silent.getsockname()[1], connect_timeout="0.3s"),
                    cluster("once", o.port, **options(**limits)), cluster("idle", o.port, **options(idle_timeout="0.3s")),
                    cluster("aged", o.port, **options(max_connection_duration="0.3s")), cluster("longest", o.port, **options(max_stream_duration="0.3s")),
                    cluster("none"), cluster("bound", o.port, upstream_bind_config={"source_address": {"address": "192.0.2.1", "port_value": 0}}), cluster("o", o.port)]
        s = self.door(config([door_of("plain", [*(route_to(c["name"], "/" + c["name"]) for c in clusters),
                                                route_to("o", "/per", retry_policy={"retry_on": "5xx", "num_retries": 0, "per_try_timeout": "0.3s"}),
                                                route_to("o", "/quiet", retry_policy={"retry_on": "5xx", "num_retries": 0, "per_try_idle_timeout": "0.3s"})])], clusters))
        with self.drives(s, {"cluster.dead.upstream_cx_connect_fail": 1, "cluster.dead.upstream_rq_pending_failure_eject": 1,
                             "cluster.dead.upstream_cx_destroy_remote": 1}):
            self.ask(s, "/dead")
        with self.drives(s, {"cluster.late.upstream_cx_connect_timeout": 1}):
            self.ask(s, "/late")
        with self.drives(s, {"cluster.once.upstream_cx_max_requests": 1, "cluster.once.upstream_cx_destroy_local": 1}):
            self.ask(s, "/once")
        with self.drives(s, {"cluster.idle.upstream_cx_idle_timeout": 1}):
            self.ask(s, "/idle")
        with self.drives(s, {"cluster.aged.upstream_cx_max_duration_reached": 1}):
            self.ask(s, "/aged")
        with self.drives(s, {"cluster.longest.upstream_rq_max_duration_reached": 1}):
            self.ask(s, "/longest", "stall")
        with self.drives(s, {"cluster.none.upstream_cx_none_healthy": 1}):
            self.ask(s, "/none")
        with self.drives(s, {"cluster.bound.bind_errors": 1}):
            self.ask(s, "/bound")
        with self.drives(s, {"cluster.o.upstream_rq_per_try_timeout": 1}):
            self.ask(s, "/per", "stall")
        with self.drives(s, {"cluster.o.upstream_rq_per_try_idle_timeout": 1}):
            self.ask(s, "/quiet", "stall")
        with self.drives(s, {"cluster.o.upstream_cx_destroy_with_active_rq": 1, "cluster.o.upstream_cx_destroy_remote_with_active_rq": 1}):
            self.ask(s, "/o", "cut-200")
        with self.drives(s, {"cluster.late.upstream_rq_cancelled": 1}):  # before it has a connection
            talk(s.port, GET % b"/late", 0.1)
        with self.drives(s, {"cluster.o.upstream_cx_destroy_local_with_active_rq": 1}):
            talk(s.port, b"GET /o HTTP/1.1\r\nhost: a\r\nx-do: stall\r\nx-key: gone\r\n\r\n", 0.3)

    def test_protocol_errors(self):
        class Bad(TcpOrigin):
            def serve(self, c):
                c.recv(65536)
                c.sendall(b"HTTP/9 nonsense\r\n\r\n")
        o = self.origin(Bad)
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", o.port)]))
        with self.drives(s, {"cluster.o.upstream_cx_protocol_error": 1}):
            self.ask(s)

    def test_http2(self):
        o = self.origin()

        class Frames(TcpOrigin):
            """Answers the first request with these frames."""
            def serve(self, c):
                data = b""
                while b":path" not in data and len(data) < 60:
                    data += c.recv(65536)
                c.sendall(frame(4, 0, 0) + self.frames)
                while c.recv(65536):
                    pass
        kinds = {"empty": frame(1, 4, 1, b"\x88") + frame(0, 0, 1) * 20000, "pings": frame(6, 0, 0, b"x" * 8) * 20000,
                 "many": frame(1, 4, 1, b"\x88" + b"".join(b"\0\2x%c\1b" % (97 + i % 26) for i in range(200))), "wrong": frame(1, 5, 1, b"\0\1A\1b")}
        origins = {}
        for name, data in kinds.items():
            origins[name] = self.origin(Frames)
            origins[name].frames = data
        ping = {"connection_keepalive": {"interval": "0.3s", "timeout": "0.3s"}}
        options = http_options(True)
        options[next(iter(options))]["explicit_http_config"]["http2_protocol_options"] = ping
        silent = self.origin(Frames)
        silent.frames = b""
        clusters = [cluster("o", o.port, http2=True), *(cluster(n, x.port, http2=True) for n, x in origins.items()),
                    cluster("silent", silent.port, typed_extension_protocol_options=options)]
        s = self.door(config([door_of("plain", [route_to(c["name"], "/" + c["name"]) for c in clusters])], clusters))
        with self.drives(s, {"cluster.o.upstream_cx_http2_total": 1}):
            self.ask(s, "/o")
        self.shows(s, {"cluster.o.upstream_cx_http2_active": 1})
        with self.drives(s, {"cluster.o.upstream_rq_rx_reset": 1, "cluster.o.http2.rx_reset": 1}):
            self.ask(s, "/o", "code-8")
        with self.drives(s, {"cluster.o.http2.stream_refused_errors": some}):
            self.ask(s, "/o", "code-7")
        with self.drives(s, {"cluster.o.upstream_rq_tx_reset": 1, "cluster.o.http2.tx_reset": 1}):
            talk(s.port, b"GET /o HTTP/1.1\r\nhost: a\r\nx-do: stall\r\nx-key: two\r\n\r\n", 0.5)
        with self.drives(s, {"cluster.silent.http2.keepalive_timeout": some}):
            self.ask(s, "/silent")
        with self.drives(s, {"cluster.empty.http2.inbound_empty_frames_flood": 1, "cluster.empty.http2.goaway_sent": 1}):
            self.ask(s, "/empty")
        with self.drives(s, {"cluster.pings.http2.outbound_control_flood": some}):
            self.ask(s, "/pings")
        with self.drives(s, {"cluster.many.http2.header_overflow": 1}):
            self.ask(s, "/many")
        with self.drives(s, {"cluster.wrong.http2.rx_messaging_error": 1}):
            self.ask(s, "/wrong")

    def test_redirects(self):
        o = self.origin()
        follow = {"internal_redirect_policy": {"max_internal_redirects": 1, "redirect_response_codes": [302]}}
        allow = dict(follow["internal_redirect_policy"], predicates=[{"name": "p", "typed_config": {
            "@type": T + "envoy.extensions.internal_redirect.allow_listed_routes.v3.AllowListedRoutesConfig"}}])
        routes = [route_to("o", "/a", **follow), route_to("o", "/loop", internal_redirect_policy=allow), {"match": {"prefix": "/end"}, "direct_response": {"status": 200}}]
        s = self.door(config([door_of("plain", routes)], [cluster("o", o.port)]))
        to = lambda where: f"302+location={where}"
        here = f"http://127.0.0.1:{s.port}"
        with self.drives(s, {"cluster.o.upstream_internal_redirect_succeeded_total": 1}):
            self.ask(s, "/a", to(here + "/end"))
        with self.drives(s, {"http.plain.passthrough_internal_redirect_bad_location": 1, "cluster.o.upstream_internal_redirect_failed_total": 1}):
            self.ask(s, "/a", to("::"))
        with self.drives(s, {"http.plain.passthrough_internal_redirect_no_route": 1}):
            self.ask(s, "/a", to(here + "/nowhere"))
        with self.drives(s, {"http.plain.passthrough_internal_redirect_unsafe_scheme": 1}):
            self.ask(s, "/a", to(f"https://127.0.0.1:{s.port}/end"))
        with self.drives(s, {"http.plain.passthrough_internal_redirect_too_many_redirects": 1}):
            self.ask(s, "/a", to(here + "/a"))
        with self.drives(s, {"http.plain.passthrough_internal_redirect_predicate": 1}):
            self.ask(s, "/loop", to(here + "/loop"))


class Limits(Case):
    def test_circuit_breakers(self):
        o = self.origin()
        tight = lambda **limits: {"circuit_breakers": {"thresholds": [{"track_remaining": True, **limits}]}}
        clusters = [cluster("cx", o.port, **tight(max_connections=1, max_pending_requests=1)), cluster("rq", o.port, http2=True, **tight(max_requests=1)),
                    cluster("retry", o.port, **tight(max_retries=1)), cluster("pool", o.port, free_port(), **tight(max_connection_pools=1)), cluster("wide", o.port, **tight())]
        routes = [route_to(c["name"], "/" + c["name"], **(retries(2) if c["name"] == "retry" else {})) for c in clusters]
        s = self.door(config([door_of("plain", routes)], clusters))
        self.shows(s, {f"cluster.wide.circuit_breakers.default.remaining_{k}": v for k, v in
                       {"cx": 1024, "pending": 1024, "rq": 1024, "retries": 3, "cx_pools": 2**32 - 1}.items()})
        self.shows(s, {"cluster.wide.circuit_breakers.default.remaining_cx": 1024, "cluster.wide.circuit_breakers.default.remaining_pending": 1024,
                       "cluster.wide.circuit_breakers.default.remaining_rq": 1024, "cluster.wide.circuit_breakers.default.remaining_retries": 3,
                       "cluster.wide.circuit_breakers.default.remaining_cx_pools": 2**32 - 1})

        def held(path, do="slow-1500-200"):
            t = threading.Thread(target=self.ask, args=(s, path, do))
            t.start()
            self.addCleanup(t.join)
            return t
        with self.drives(s, {"cluster.cx.upstream_rq_pending_overflow": 1, "cluster.cx.upstream_cx_overflow": some}):
            first = held("/cx")
            self.shows(s, {"cluster.cx.upstream_rq_active": 1, "cluster.cx.circuit_breakers.default.cx_open": 1})
            second = held("/cx")
            self.shows(s, {"cluster.cx.upstream_rq_pending_active": 1, "cluster.cx.circuit_breakers.default.rq_pending_open": 1})
            self.assertEqual(self.ask(s, "/cx"), 503)
            first.join()
            second.join()
        with self.drives(s, {"cluster.rq.upstream_rq_active_overflow": 1}):
            first = held("/rq")
            self.shows(s, {"cluster.rq.circuit_breakers.default.rq_open": 1})
            self.ask(s, "/rq")
            first.join()
        with self.drives(s, {"cluster.retry.upstream_rq_retry_overflow": 1, "vhost.v.vcluster.other.upstream_rq_retry_overflow": lambda n: n == 0}):
            first = held("/retry", "503,slow-1500-200")
            self.shows(s, {"cluster.retry.circuit_breakers.default.rq_retry_open": 1})
            self.ask(s, "/retry", "503")
            first.join()
        with self.drives(s, {"cluster.pool.upstream_cx_pool_overflow": some}):
            first = held("/pool")
            self.shows(s, {"cluster.pool.circuit_breakers.default.cx_pool_open": 1})
            for _ in range(4):
                self.ask(s, "/pool")
            first.join()

    def test_bodies_too_large(self):
        o = self.origin()
        vhost = {"name": "v", "domains": ["*"], "routes": [dict(route_to("o", "/", **retries()), stat_prefix="r", per_request_buffer_limit_bytes=10)]}
        s = self.door(config([door_of("plain", hcm={"route_config": {"name": "t", "virtual_hosts": [vhost]}})], [cluster("o", o.port)]))
        with self.drives(s, {"cluster.o.retry_or_shadow_abandoned": 1}):
            self.ask(s, "/", "200", "-d", "x" * 1000)

    def test_waits_that_an_answer_asks_for(self):
        o = self.origin()
        policy = retries(rate_limited_retry_back_off={"reset_headers": [{"name": "retry-after", "format": "SECONDS"}]})
        tight = {"circuit_breakers": {"thresholds": [{"max_retries": 0}]}}
        vhost = {"name": "v", "domains": ["*"], "virtual_clusters": [{"name": "c"}], "routes": [
            dict(route_to("o", "/o", **policy), stat_prefix="r"), dict(route_to("none", "/none", **retries()), stat_prefix="n")]}
        s = self.door(config([door_of("plain", hcm={"route_config": {"name": "t", "virtual_hosts": [vhost]}})], [cluster("o", o.port), cluster("none", o.port, **tight)]))
        with self.drives(s, {"cluster.o.upstream_rq_retry_backoff_ratelimited": 1}):
            self.ask(s, "/o", "503+retry-after=1,200")
        with self.drives(s, {"vhost.v.vcluster.c.upstream_rq_retry_overflow": 1, "vhost.v.route.n.upstream_rq_retry_overflow": 1}):
            self.ask(s, "/none", "503")


class Hosts(Case):
    def test_health(self):
        script = [answer(200), answer(503), answer(200), answer(200, x_envoy_degraded="true")]
        o = Http(script)
        self.addCleanup(o.stop)
        check = {"timeout": "60s", "interval": "0.3s", "no_traffic_interval": "0.3s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                 "http_health_check": {"path": "/"}}
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", o.port, health_checks=[check]), cluster("dead", free_port(), health_checks=[check])]), wait=False)
        wait_for("it", s.is_ready)
        self.shows(s, {"cluster.o.health_check.attempt": 5, "cluster.o.health_check.success": 3, "cluster.o.health_check.failure": 1,
                       "cluster.dead.health_check.network_failure": some, "cluster.o.health_check.degraded": 1, "cluster.o.membership_degraded": 1})

    def test_passive(self):
        scripted = self.origin()
        check = lambda **more: {"timeout": "60s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/", **more}}
        well = Http([answer(200, x_envoy_upstream_healthchecked_cluster="svc")])
        self.addCleanup(well.stop)
        at = [{"endpoint": {"address": address(scripted.port), "health_check_config": {"port_value": well.port}}}]
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", load_assignment={"cluster_name": "o", "endpoints": [{"lb_endpoints": at}]},
                                                                        health_checks=[check(service_name_matcher={"exact": "svc"})])]), wait=False)
        wait_for("it", s.is_ready)
        self.shows(s, {"cluster.o.health_check.healthy": 1, "cluster.o.health_check.verify_cluster": 1})
        with self.drives(s, {"cluster.o.health_check.passive_failure": 1}):
            self.ask(s, "/", "200+x-envoy-immediate-health-check-fail=true")
        self.shows(s, {"cluster.o.membership_excluded": 1})

    def test_several_checks(self):
        o = Http([answer(200), answer(200, x_envoy_degraded="true")] * 40)
        self.addCleanup(o.stop)
        plain = lambda name: {"name": name, "timeout": "60s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}
        dead = cluster("dead", free_port(), health_checks=[dict(plain("one"), timeout="1s"), dict(plain("two"), timeout="1s")])
        clusters = [cluster("o", Http([answer(200)] * 9).port, health_checks=[plain("one"), plain("two")]), dead]
        s = self.door(config([door_of("plain", [route_to("o")])], clusters), wait=False)
        wait_for("it", s.is_ready)
        self.shows(s, {"cluster.o.health_check.name.one.attempt": 1, "cluster.o.health_check.name.one.success": 1, "cluster.o.health_check.name.one.healthy": 1,
                       "cluster.dead.health_check.name.one.failure": some, "cluster.dead.health_check.name.one.network_failure": some})

    def test_outliers(self):
        o, dead = self.origin(), free_port()
        everything = {"consecutive_5xx": 3, "enforcing_consecutive_5xx": 100, "consecutive_gateway_failure": 2, "enforcing_consecutive_gateway_failure": 100,
                      "interval": "60s", "base_ejection_time": "60s", "max_ejection_percent": 100}
        local = {"split_external_local_origin_errors": True, "consecutive_local_origin_failure": 2, "interval": "60s", "max_ejection_percent": 100}
        clusters = [cluster("five", o.port, outlier_detection=dict(everything, consecutive_gateway_failure=99)),
                    cluster("gateway", o.port, outlier_detection=everything), cluster("local", dead, outlier_detection=local),
                    cluster("stays", o.port, outlier_detection=dict(everything, max_ejection_percent=0))]
        s = self.door(config([door_of("plain", [route_to(c["name"], "/" + c["name"]) for c in clusters])], clusters))
        with self.drives(s, {"cluster.five.outlier_detection.ejections_total": 1, "cluster.five.outlier_detection.ejections_enforced_total": 1,
                             "cluster.five.outlier_detection.ejections_consecutive_5xx": 1, "cluster.five.outlier_detection.ejections_detected_consecutive_5xx": 1,
                             "cluster.five.outlier_detection.ejections_enforced_consecutive_5xx": 1}):
            for _ in range(3):
                self.ask(s, "/five", "500")
        self.shows(s, {"cluster.five.outlier_detection.ejections_active": 1})
        with self.drives(s, {"cluster.five.lb_healthy_panic": 1}):
            self.ask(s, "/five", "200")
        with self.drives(s, {"cluster.gateway.outlier_detection.ejections_detected_consecutive_gateway_failure": 1,
                             "cluster.gateway.outlier_detection.ejections_enforced_consecutive_gateway_failure": 1}):
            for _ in range(2):
                self.ask(s, "/gateway", "503")
        with self.drives(s, {"cluster.local.outlier_detection.ejections_detected_consecutive_local_origin_failure": 1,
                             "cluster.local.outlier_detection.ejections_enforced_consecutive_local_origin_failure": 1}):
            for _ in range(2):
                self.ask(s, "/local", "200")
        with self.drives(s, {"cluster.stays.outlier_detection.ejections_overflow": some}):
            for _ in range(3):
                self.ask(s, "/stays", "503")

    def test_outliers_by_rate(self):
        bad, dead = self.origin(Echo, "bad"), free_port()
        good = [self.origin(Echo, f"g{i}") for i in range(5)]
        rates = {"consecutive_5xx": 1000, "consecutive_gateway_failure": 1000, "consecutive_local_origin_failure": 1000, "interval": "1s", "base_ejection_time": "60s",
                 "success_rate_minimum_hosts": 2, "success_rate_request_volume": 3, "success_rate_stdev_factor": 1000, "failure_percentage_minimum_hosts": 2,
                 "failure_percentage_request_volume": 3, "failure_percentage_threshold": 60, "max_ejection_percent": 100, "split_external_local_origin_errors": True}
        percent = dict(rates, enforcing_failure_percentage=100, enforcing_failure_percentage_local_origin=100, enforcing_success_rate=0, enforcing_local_origin_success_rate=0)
        rate = dict(rates, enforcing_success_rate=100, enforcing_local_origin_success_rate=100, failure_percentage_threshold=100)
        ports = [o.port for o in good]

        class Bad(TcpOrigin):
            def serve(self, c):
                while c.recv(65536):
                    c.sendall(b"HTTP/1.1 500 x\r\ncontent-length: 0\r\n\r\n")
        ill = self.origin(Bad)
        del bad
        clusters = [cluster("percent", *ports, ill.port, outlier_detection=percent), cluster("away", *ports, dead, outlier_detection=percent),
                    cluster("rate", *ports, ill.port, outlier_detection=rate), cluster("gone", *ports, dead, outlier_detection=rate)]
        s = self.door(config([door_of("plain", [route_to(c["name"], "/" + c["name"]) for c in clusters])], clusters))

        def enough(name, stat):
            """All at once: each host needs three within a second."""
            talk(s.port, GET % f"/{name}".encode() * 36, 0.5)
            return s.stat(stat)
        for name, of, enforced in (("percent", "failure_percentage", 1), ("away", "local_origin_failure_percentage", 1),
                                   ("rate", "success_rate", 1), ("gone", "local_origin_success_rate", 1)):
            with self.subTest(name):
                wait_for("an ejection", lambda: enough(name, f"cluster.{name}.outlier_detection.ejections_enforced_{of}"))
                self.settled(s, {f"cluster.{name}.outlier_detection.ejections_detected_{of}": some,
                                 f"cluster.{name}.outlier_detection.ejections_enforced_{of}": enforced}, lambda shot, k: shot.of(k))
        self.shows(s, {"cluster.percent.outlier_detection.ejections_detected_failure_percentage": some,
                       "cluster.percent.outlier_detection.ejections_enforced_failure_percentage": 1,
                       "cluster.away.outlier_detection.ejections_detected_local_origin_failure_percentage": some,
                       "cluster.away.outlier_detection.ejections_enforced_local_origin_failure_percentage": 1,
                       "cluster.rate.outlier_detection.ejections_detected_success_rate": some, "cluster.rate.outlier_detection.ejections_enforced_success_rate": 1,
                       "cluster.rate.outlier_detection.ejections_success_rate": 1,
                       "cluster.gone.outlier_detection.ejections_detected_local_origin_success_rate": some,
                       "cluster.gone.outlier_detection.ejections_enforced_local_origin_success_rate": 1})

    def test_balancing(self):
        o = self.origin()
        hosts = lambda *zones, **more: {"load_assignment": {"cluster_name": "c", "endpoints": [
            {"locality": {"region": "r", "zone": z}, "lb_endpoints": [{"endpoint": {"address": address(o.port)}}] * n, **more} for z, n in zones]}}
        aware = {"common_lb_config": {"zone_aware_lb_config": {"min_cluster_size": 1}}}
        meta = lambda v: {"metadata": {"filter_metadata": {"envoy.lb": {"v": v}}}}
        subset = {"lb_subset_config": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": ["v"], "single_host_per_subset": True}]}}
        two = {"load_assignment": {"cluster_name": "c", "endpoints": [{"lb_endpoints": [
            {"endpoint": {"address": address(o.port)}, **meta(v)} for v in ("1", "2")] + [{"endpoint": {"address": address(self.origin().port)}, **meta("1")}]}]}}
        clusters = [cluster("fleet", **hosts(("a", 2), ("b", 2), ("c", 1))), cluster("near", **hosts(("a", 3), ("b", 1)), **aware), cluster("cross", **hosts(("b", 1), ("c", 1)), **aware),
                    cluster("small", **hosts(("a", 1), ("b", 2), ("c", 1))), cluster("sampled", **hosts(("a", 1), ("b", 3)), **aware),
                    cluster("ring", o.port, self.origin().port, lb_policy="RING_HASH", ring_hash_lb_config={"minimum_ring_size": 100}),
                    cluster("maglev", o.port, self.origin().port, lb_policy="MAGLEV"), cluster("sub", **two, **subset),
                    cluster("drop", load_assignment={"cluster_name": "drop", "policy": {"drop_overloads": [{"category": "x", "drop_percentage": {"numerator": 100}}]},
                                                     "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(o.port)}}]}]})]
        routes = [route_to(c["name"], "/" + c["name"]) for c in clusters[1:] if c["name"] != "sub"]
        routes += [route_to("sub", "/sub1", metadata_match={"filter_metadata": {"envoy.lb": {"v": "1"}}}), route_to("sub", "/sub9", metadata_match={"filter_metadata": {"envoy.lb": {"v": "9"}}})]
        conf = dict(config([door_of("plain", routes)], clusters), node={"id": "n", "cluster": "x", "locality": {"region": "r", "zone": "a"}}, cluster_manager={"local_cluster_name": "fleet"})
        s = self.door(conf)
        with self.drives(s, {"cluster.near.lb_zone_routing_all_directly": 1, "cluster.near.zone.a.a.upstream_rq_200": 1, "cluster.near.zone.a.a.upstream_rq_2xx": 1,
                             "cluster.near.zone.a.a.upstream_rq_completed": 1, "cluster.near.zone.a.a.upstream_rq_time": 1}):
            self.ask(s, "/near")
        with self.drives(s, {"cluster.cross.lb_zone_routing_cross_zone": 1}):
            self.ask(s, "/cross")
        self.ask(s, "/small")
        self.shows(s, {"cluster.small.lb_zone_cluster_too_small": some})
        with self.drives(s, {"cluster.sampled.lb_zone_routing_sampled": some}):
            for _ in range(20):
                self.ask(s, "/sampled")
        self.shows(s, {"cluster.near.lb_recalculate_zone_structures": some})
        with self.drives(s, {"cluster.sub.lb_subsets_selected": 1}):
            self.ask(s, "/sub1")
        with self.drives(s, {"cluster.sub.lb_subsets_fallback": 1}):
            self.ask(s, "/sub9")
        self.shows(s, {"cluster.sub.lb_subsets_active": 2, "cluster.sub.lb_subsets_created": 2, "cluster.sub.lb_subsets_single_host_per_subset_duplicate": 1})
        self.shows(s, {"cluster.ring.ring_hash_lb.size": 100, "cluster.ring.ring_hash_lb.min_hashes_per_host": 50, "cluster.ring.ring_hash_lb.max_hashes_per_host": 50,
                       "cluster.maglev.maglev_lb.min_entries_per_host": 32768, "cluster.maglev.maglev_lb.max_entries_per_host": 32769})
        with self.drives(s, {"cluster.drop.upstream_rq_drop_overload": 1}):
            self.ask(s, "/drop")


class Tls(Case):
    def test_origins(self):
        good = nginx_mtls()
        self.addCleanup(good.kill)
        pinned = upstream_tls()
        pinned["typed_config"]["common_tls_context"]["validation_context"]["verify_certificate_hash"] = ["00" * 32]

        class Plain(TcpOrigin):
            def serve(self, c):
                c.recv(65536)
                c.sendall(b"HTTP/1.1 400 x\r\ncontent-length: 0\r\n\r\n")
        plain = self.origin(Plain)
        clusters = [cluster("o", good.port, tls=upstream_tls(tls_params={"tls_maximum_protocol_version": "TLSv1_2", "cipher_suites": ["ECDHE-ECDSA-AES128-GCM-SHA256"]})), cluster("ca", good.port, tls=upstream_tls(trusted=ca("ca2"))),
                    cluster("san", good.port, tls=upstream_tls(san="other.test")), cluster("pin", good.port, tls=pinned), cluster("plain", plain.port, tls=upstream_tls()),
                    cluster("both", good.port, tls=upstream_tls(), transport_socket_matches=[{"name": "m", "match": {"k": "v"}, "transport_socket": upstream_tls()}])]
        s = self.door(config([door_of("plain", [route_to(c["name"], "/" + c["name"], prefix_rewrite="/echo") for c in clusters])], clusters))
        with self.drives(s, {"cluster.o.ssl.handshake": 1, "cluster.o.ssl.versions.TLSv1.2": 1, "cluster.o.ssl.curves.X25519": 1,
                             "cluster.o.ssl.ciphers.ECDHE-ECDSA-AES128-GCM-SHA256": 1, "cluster.o.ssl.sigalgs.ecdsa_secp256r1_sha256": 1}):
            self.ask(s, "/o")
        with self.drives(s, {"cluster.ca.ssl.fail_verify_error": some}):
            self.ask(s, "/ca")
        with self.drives(s, {"cluster.san.ssl.fail_verify_san": some}):
            self.ask(s, "/san")
        with self.drives(s, {"cluster.pin.ssl.fail_verify_cert_hash": some}):
            self.ask(s, "/pin")
        with self.drives(s, {"cluster.plain.ssl.connection_error": some}):
            self.ask(s, "/plain")
        self.shows(s, {"cluster.both.default.total_match_count": 1})
        self.shows(s, {"cluster.o.ssl.certificate.unnamed_cert_e3b0c442.expiration_unix_time_seconds": some})
