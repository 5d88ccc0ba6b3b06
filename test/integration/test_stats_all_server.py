# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of the process, of configs that change, of files, DNS, logs and overload (docs/stats.md)."""
import os
import socket
import time

import held_turn
import otlp_metrics
import stats_case
import stats_page
from echo import Echo
from fake_dns import NXDOMAIN, SERVFAIL, FakeDns
from harness import BIN, T, address, cluster, config, connects, downstream_tls, free_port, log_to, route_to, wait_for, work
from live import Live
from stats_case import Shot, StatsCase
from test_dns import dns_cluster
from test_stats_all_front import BASE, GET, door_of, talk
from test_xds import resources, source

some = lambda n: n > 0
CLUSTER, LISTENER = T + "envoy.config.cluster.v3.Cluster", T + "envoy.config.listener.v3.Listener"
ROUTES, HOSTS = T + "envoy.config.route.v3.RouteConfiguration", T + "envoy.config.endpoint.v3.ClusterLoadAssignment"
SECRET_TYPE = T + "envoy.extensions.transport_sockets.tls.v3.Secret"


class Process(StatsCase):
    def test_gauges(self):
        heap = (lambda n: n >= 0) if "asan" in BIN else some  # which has an allocator of its own
        s = self.door(config([door_of("plain")], []), concurrency=2)
        time.sleep(1.1)
        self.shows(s, {"server.live": 1, "server.concurrency": 2, "server.uptime": lambda n: 0 < n < 100, "server.version": some, "server.memory_allocated": heap,
                       "server.memory_heap_size": heap, "server.memory_physical_size": lambda n: n > 1 << 20, "server.initialization_time_ms": 1,
                       "server.memory_reserve": lambda n: n > 1 << 20,
                       "server.days_until_first_cert_expiring": 2**32 - 1, "listener_manager.workers_started": 1, "config_reload.version": 1,
                       "runtime.load_success": 1, "listener_manager.listener_added": 1, "listener_manager.listener_create_success": 2})
        shot = Shot(s)
        self.assertEqual((shot.of("server.state"), shot.of("server.hot_restart_epoch"), shot.of("server.memory_failed")), (0, 0, 0))

    def test_draining_is_a_state(self):
        s = self.door(config([door_of("plain")], []), "--drain-time-s", "5")
        c = socket.create_connection(("127.0.0.1", s.port))
        c.sendall(b"GET /direct HTTP/1.1\r\nhost: a\r\n\r\nGET /dir")
        c.recv(4096)
        s.signal(15)
        self.shows(s, {"server.state": 1})
        c.close()

    def test_slow_turns(self):
        """A worker's thread is held in the middle of a turn, then the whole process."""
        s = self.door(config([door_of("plain")], []))
        with self.drives(s, {"main_thread.watchdog_miss": some, "main_thread.watchdog_mega_miss": some, "server.main_thread.watchdog_miss": some,
                             "server.main_thread.watchdog_mega_miss": some}):
            s.signal(19)
            time.sleep(1.6)
            s.signal(18)
        opened = []

        def busy():
            opened.append(socket.create_connection(("127.0.0.1", s.port)))
            opened[0].sendall(GET % b"/direct")
        with self.drives(s, {"server.worker_0.watchdog_miss": some, "server.worker_0.watchdog_mega_miss": some, "workers.watchdog_miss": some,
                             "workers.watchdog_mega_miss": some}):
            with held_turn.held(s.pid, busy):
                time.sleep(1.6)
            opened[0].close()


class Page(StatsCase):
    def test_all_that_is_shown(self):
        """Whatever is shown has one row, of its kind, and the row's metric and labels."""
        o = Echo()
        self.addCleanup(o.stop)
        hashed = dict(cluster("ring.with.dots", o.port, lb_policy="RING_HASH"), track_cluster_stats={"request_response_sizes": True, "timeout_budgets": True},
                      outlier_detection={}, lb_subset_config={"subset_selectors": [{"keys": ["a"]}]})
        vhost = {"name": "v", "domains": ["*"], "virtual_clusters": [{"name": "c"}], "routes": [dict(route_to("ring.with.dots"), stat_prefix="r")]}
        s = self.door(config([door_of("plain", hcm={"route_config": {"name": "t", "virtual_hosts": [vhost]}}), door_of("127.0.0.1_80", tls=downstream_tls())], [hashed]))
        talk(s.port, GET % b"/")
        shot = Shot(s)
        self.assertGreater(len(shot.values), 300)
        for name in [*shot.values, *shot.histograms]:
            row = stats_page.find(stats_case.PAGE, name)
            self.assertIsNotNone(row, name)
            self.assertEqual(row.kind == "histogram", name in shot.histograms, name)
            metric, labels = stats_case.metric_of(row, name), frozenset(stats_case.labels_of(row, name).items())
            self.assertEqual(shot.types.get(metric), row.kind, (name, metric))
            self.assertIn((metric + ("_count" if row.kind == "histogram" else ""), labels), shot.series, name)


class Configs(StatsCase):
    def test_reloads(self):
        o = Echo()
        self.addCleanup(o.stop)
        port = free_port()
        conf = lambda *names, **hcm: config([door_of("plain", [route_to("a")], port=port, hcm=hcm)] + [door_of(n) for n in names], [cluster("a", o.port)] + [cluster(n, o.port) for n in names])
        s = self.door(conf(), make=Live)
        with self.drives(s, {"config_reload.attempt": 1, "config_reload.success": 1, "config_reload.duration_ms": 1, "listener_manager.listener_added": 1,
                             "cluster_manager.cluster_added": 1}):
            s.change(conf("b"))
        c = socket.create_connection(("127.0.0.1", port))
        c.sendall(GET % b"/direct")
        c.recv(4096)
        with self.drives(s, {"listener_manager.listener_modified": 1, "listener_manager.listener_removed": 1, "cluster_manager.cluster_removed": 1,
                             "http.plain.downstream_cx_drain_close": 1}):
            s.change(conf(codec_type="HTTP1"))
        c.close()
        with self.drives(s, {"cluster_manager.cluster_modified": 1}):
            changed = conf(codec_type="HTTP1")
            changed["static_resources"]["clusters"][0]["connect_timeout"] = "7s"
            s.change(changed)
        with self.drives(s, {"config_reload.rejected": 1}):
            s.change(conf(nonsense=1), ok=False)
        self.shows(s, {"config_reload.failing": 1})
        waiting = socket.create_connection(("127.0.0.1", port))
        waiting.sendall(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\na")
        self.shows(s, {"http.plain.downstream_rq_active": 1})
        s.change(conf(codec_type="HTTP1", via="x"))
        self.shows(s, {"config_reload.draining_configs": 1})
        waiting.close()

    def test_warming(self):
        silent = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(silent.close)
        check = {"timeout": "60s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}
        s = self.door(config([door_of("plain")], [cluster("o", silent.getsockname()[1], health_checks=[check])]), wait=False)
        wait_for("the admin page", lambda: connects(s.admin))
        self.shows(s, {"cluster_manager.warming_clusters": 1, "listener_manager.total_listeners_warming": 1, "server.state": 3})

    def test_files(self):
        d = work(f"xds-{time.time_ns()}")
        os.mkdir(d)

        def write(name, type_, *messages, version="1"):
            path = os.path.join(d, name)
            with open(path + ".new", "w", encoding="utf-8") as f:
                f.write(messages[0] if isinstance(messages[0], str) else resources(type_, *messages, version=version))
            os.rename(path + ".new", path)
            return path
        o = Echo()
        self.addCleanup(o.stop)
        port = free_port()
        table = lambda status: {"name": "main", "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "direct_response": {"status": status}}]}]}
        hosts = lambda *ports: {"cluster_name": "e", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(p)}} for p in ports]}]}
        rds = write("rds.json", ROUTES, table(200))
        eds = write("eds.json", HOSTS, hosts(o.port))
        l = door_of("plain", port=port)
        manager = l["filter_chains"][0]["filters"][0]["typed_config"]
        del manager["route_config"]
        manager["rds"] = {"route_config_name": "main", "config_source": source(rds)}
        lds = write("lds.json", LISTENER, l)
        c = {"name": "e", "type": "EDS", "eds_cluster_config": {"eds_config": source(eds)}}
        cds = write("cds.json", CLUSTER, c)
        s = self.door({"node": {"id": "n", "cluster": "c"}, "static_resources": {"listeners": []}, "dynamic_resources": {"lds_config": source(lds), "cds_config": source(cds)}})
        self.shows(s, {"listener_manager.lds.version": some, "cluster_manager.cds.version": some, "http.plain.rds.main.version": some, "cluster.e.version": some,
                       "listener_manager.lds.update_time": some, "cluster_manager.cds.update_time": some, "http.plain.rds.main.update_time": some, "cluster.e.update_time": some,
                       "cluster_manager.cds.config_reload_time_ms": some, "http.plain.rds.main.config_reload_time_ms": some})
        with self.drives(s, {"http.plain.rds.main.update_attempt": 1, "http.plain.rds.main.update_success": 1, "http.plain.rds.main.config_reload": 1}):
            write("rds.json", ROUTES, table(201), version="2")
        with self.drives(s, {"cluster.e.update_attempt": 1, "cluster.e.update_success": 1, "cluster.e.membership_change": 1}):
            write("eds.json", HOSTS, hosts(o.port, free_port()), version="2")
        with self.drives(s, {"listener_manager.lds.update_attempt": 1, "listener_manager.lds.update_success": 1}):
            write("lds.json", LISTENER, dict(l, per_connection_buffer_limit_bytes=100000), version="2")
        with self.drives(s, {"cluster_manager.cds.update_attempt": 1, "cluster_manager.cds.update_success": 1, "cluster_manager.cds.config_reload": 1}):
            write("cds.json", CLUSTER, dict(c, connect_timeout="3s"), version="2")
        for name, type_, good, prefix in (("rds.json", ROUTES, table(201), "http.plain.rds.main."), ("eds.json", HOSTS, hosts(o.port), "cluster.e."),
                                          ("lds.json", LISTENER, l, "listener_manager.lds."), ("cds.json", CLUSTER, c, "cluster_manager.cds.")):
            for text, of in (("nonsense", "update_failure"), (resources(type_, dict(good, nonsense=1)), "update_rejected")):
                before = Shot(s).of(prefix + of)
                write(name, type_, text)
                self.settled(s, {prefix + of: before + 1}, lambda shot, k: shot.of(k))
            write(name, type_, good, version="3")
            wait_for("the good one", lambda: s.stat("config_reload.failing") == 0)
        self.shows(s, {"http.plain.rds.main.update_rejected": 1, "cluster.e.update_rejected": 1, "listener_manager.lds.update_rejected": 1,
                       "cluster_manager.cds.update_rejected": 1, "http.plain.rds.main.update_failure": 1, "cluster.e.update_failure": 1,
                       "listener_manager.lds.update_failure": 1, "cluster_manager.cds.update_failure": 1})


class Names(StatsCase):
    def test_dns(self):
        dns = FakeDns()
        self.addCleanup(dns.stop)
        o = Echo("one", 0, "127.0.0.2")
        self.addCleanup(o.stop)
        dns.set("a.test", "127.0.0.2", ttl=0)
        c = dns_cluster(dns, "a.test", port=o.port, refresh="0.2s")
        c["typed_dns_resolver_config"]["typed_config"]["query_timeout_seconds"] = 4  # long enough to be seen under way
        s = self.door(config([door_of("plain", [route_to("o")])], [c]))
        with self.drives(s, {"cluster.o.update_attempt": some, "cluster.o.update_success": some, "cluster.o.update_no_rebuild": some, "dns.cares.resolve_total": some}):
            time.sleep(1)
        with self.drives(s, {"dns.cares.not_found": some}):
            dns.set("a.test", rcode=NXDOMAIN)
            time.sleep(1)
        with self.drives(s, {"cluster.o.update_failure": some, "dns.cares.get_addr_failure": some}):
            dns.set("a.test", rcode=SERVFAIL)
            time.sleep(1)
        with self.drives(s, {"dns.cares.timeouts": some}):
            dns.set("a.test", silent=True)
            self.shows(s, {"dns.cares.pending_resolutions": 1})


class Logs(StatsCase):
    def test_lines(self):
        path = work(f"log-{time.time_ns()}.log")
        s = self.door(config([door_of("plain", hcm={"access_log": log_to(path)})], []))
        with self.drives(s, {"filesystem.write_buffered": 3, "filesystem.write_completed": some}):
            talk(s.port, (GET % b"/direct") * 2, 1)
            time.sleep(1.5)  # whoever logs next counts what was written
            talk(s.port, GET % b"/direct", 1)


class Sinks(StatsCase):
    def test_told(self):
        conf = config([door_of("plain")], [])
        at = {"pipe": {"path": work("nobody.sock")}}
        metrics = "type.googleapis.com/envoy.config.metrics.v3."
        conf.update(stats_flush_interval="0.1s", stats_sinks=[
            {"name": "there", "typed_config": {"@type": metrics + "StatsdSink", "address": {"socket_address": {"address": "127.0.0.1", "port_value": 9}}}},
            {"name": "not", "typed_config": {"@type": metrics + "DogStatsdSink", "address": at}}])
        s = self.door(conf)
        with self.drives(s, {"stats_sinks.datagrams": some, "stats_sinks.dropped": some}):
            time.sleep(0.5)


class Collectors(StatsCase):
    def test_metrics(self):
        collector = otlp_metrics.Collector()
        self.addCleanup(collector.stop)
        sink = {"@type": T + "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig", "grpc_service": {"envoy_grpc": {"cluster_name": "otel"}, "timeout": "5s"}}
        s = self.door(dict(config([door_of("plain")], [cluster("otel", collector.port, http2=True)]), stats_flush_interval="0.2s",
                           stats_sinks=[{"name": "otel", "typed_config": sink}]))
        with self.drives(s, {"stats_sinks.requests": some}):
            time.sleep(0.5)
        with self.drives(s, {"stats_sinks.requests_failed": some}):
            collector.failing = True
            time.sleep(0.5)


class Overload(StatsCase):
    def test_pressure(self):
        path = work(f"pressure-{time.time_ns()}")

        def press(value):
            with open(path + ".new", "w", encoding="ascii") as f:
                f.write(str(value))
            os.rename(path + ".new", path)
        press(0)
        door = door_of("plain")
        conf = config([door], [])
        action = lambda name, at: {"name": "envoy.overload_actions." + name, "triggers": [{"name": "p", "threshold": {"value": at}}]}
        conf["overload_manager"] = {"refresh_interval": "0.05s", "resource_monitors": [{"name": "p", "typed_config": {
            "@type": BASE + "resource_monitors.injected_resource.v3.InjectedResourceConfig", "filename": path}}],
            "actions": [action("disable_http_keepalive", 0.2), action("stop_accepting_requests", 0.5), action("reject_incoming_connections", 0.9), action("shrink_heap", 0.1)]}
        s = self.door(conf)
        with self.drives(s, {"http.plain.downstream_cx_overload_disable_keepalive": 1, "overload.envoy.overload_actions.shrink_heap.shrink_count": some}):
            press(0.3)
            self.shows(s, {"overload.p.pressure": 30, "overload.envoy.overload_actions.disable_http_keepalive.active": 1,
                           "overload.envoy.overload_actions.disable_http_keepalive.scale_percent": 100})
            talk(s.port, GET % b"/direct", 1)
            time.sleep(11)  # the heap is not given back more often than that
        with self.drives(s, {"http.plain.downstream_rq_overload_close": 1}):
            press(0.6)
            self.shows(s, {"overload.envoy.overload_actions.stop_accepting_requests.active": 1})
            talk(s.port, GET % b"/direct", 1)
        with self.drives(s, {"listener.plain.downstream_cx_overload_reject": 1}):
            press(0.95)
            self.shows(s, {"overload.envoy.overload_actions.reject_incoming_connections.active": 1})
            talk(s.port, GET % b"/direct", 1)
        with self.drives(s, {"overload.p.failed_updates": some}):
            press("nonsense")
