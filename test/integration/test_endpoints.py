# SPDX-License-Identifier: GPL-2.0-or-later
"""Hosts that change with the config, of a cluster that stays: STATIC ones and EDS ones in a file."""
import json
import os
import threading
import time
import unittest

from echo import Echo
from harness import Sallyport, T, address, cluster, config, curl, free_port, listener, refused, route_to, wait_for, work


class Case(unittest.TestCase):
    def origin(self, name):
        o = Echo(name)
        self.addCleanup(o.server_close)
        self.addCleanup(o.shutdown)
        return o

    def start(self, conf):
        s = Sallyport(conf, concurrency=1)
        self.addCleanup(s.stop)
        return s

    def server(self, s):
        a = curl(f"http://127.0.0.1:{s.port}/")
        self.assertEqual(a.status, 200, a)
        return json.loads(a.body)["server"]

    def replace(self, path, value):
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump(value, f)
        os.rename(path + ".new", path)

    def total(self, s, n):
        wait_for(f"{n} hosts", lambda: s.stat("cluster.o.membership_total") == n)


class Static(Case):
    def test_hosts_change_and_the_cluster_stays(self):
        a, b = self.origin("a"), self.origin("b")
        port = free_port()

        def conf(*ports, **more):
            return config([listener(port, [route_to("o")])], [cluster("o", *ports, **more)])
        s = self.start(conf(a.port))
        self.assertEqual(self.server(s), "a")
        admin = {"address": address(s.admin)}
        self.replace(s.config_path, dict(conf(a.port, b.port), admin=admin))
        self.total(s, 2)
        self.assertEqual({self.server(s) for _ in range(4)}, {"a", "b"})
        self.assertEqual(s.stat("cluster.o.membership_change"), 2)
        # Host a kept its connection and its counts.
        text = s.get("/clusters")[1]
        self.assertIn(f"o::127.0.0.1:{a.port}::cx_total::1\n", text)
        self.replace(s.config_path, dict(conf(b.port), admin=admin))
        self.total(s, 1)
        self.assertEqual({self.server(s) for _ in range(4)}, {"b"})
        wait_for("the connection to a to close", lambda: s.stat("cluster.o.upstream_cx_active") == 1)
        # A change that is refused changes nothing.
        self.replace(s.config_path, dict(conf(a.port, nonsense=1), admin=admin))
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        self.assertEqual(self.server(s), "b")

    def test_requests_under_way(self):
        a, b = self.origin("a"), self.origin("b")
        port = free_port()
        s = self.start(config([listener(port, [route_to("o")])], [cluster("o", a.port)]))
        got, stop = [], threading.Event()

        def run(*headers):
            while not stop.is_set():
                got.append(curl(f"http://127.0.0.1:{port}/", *headers).status)
        threads = [threading.Thread(target=run, args=("-H", "x-wait: 0.2")), threading.Thread(target=run)]
        for t in threads:
            t.start()
        for i in range(6):
            ports = [a.port, b.port][i % 2:] if i % 3 else [b.port]
            conf = config([listener(port, [route_to("o")])], [cluster("o", *ports)])
            before = s.stat("config_reload.success")
            self.replace(s.config_path, dict(conf, admin={"address": address(s.admin)}))
            wait_for("the change", lambda: s.stat("config_reload.success") > before)
            time.sleep(0.1)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(set(got), {200})
        self.assertGreater(len(got), 5)


    def test_all_hosts_change_under_load(self):
        """With health checks: the old ones serve until the new one was checked."""
        origins = [self.origin(n) for n in "abc"]
        port = free_port()
        checks = [{"timeout": "1s", "interval": "0.2s", "no_traffic_interval": "0.2s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                   "initial_jitter": "0.2s", "http_health_check": {"path": "/"}}]

        def conf(o):
            return config([listener(port, [route_to("o")])], [cluster("o", o.port, health_checks=checks, common_lb_config={
                "healthy_panic_threshold": {"value": 0}})])
        s = self.start(conf(origins[0]))
        got, stop = [], threading.Event()

        def run():
            while not stop.is_set():
                a = curl(f"http://127.0.0.1:{port}/")
                got.append((a.status, json.loads(a.body)["server"] if a.status == 200 else a.body))
        t = threading.Thread(target=run)
        t.start()
        for o in origins[1:]:
            self.replace(s.config_path, dict(conf(o), admin={"address": address(s.admin)}))
            wait_for("the new host", lambda: got and got[-1] == (200, o.name))
        stop.set()
        t.join()
        self.assertEqual({status for status, _ in got}, {200})
        self.total(s, 1)


class Eds(Case):
    def assignment(self, *ports, **more):
        return {"resources": [{"@type": T + "envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "o",
                               "endpoints": [{"lb_endpoints": [dict({"endpoint": {"address": address(p)}}, **more)
                                                               for p in ports]}]}]}

    def test_a_file_of_hosts(self):
        a, b = self.origin("a"), self.origin("b")
        path = work("eds.json")
        self.replace(path, self.assignment(a.port))
        s = self.start(config([listener(free_port(), [route_to("o")])], [
            {"name": "o", "type": "EDS", "connect_timeout": "2s", "eds_cluster_config": {
                "eds_config": {"path_config_source": {"path": path}}}}]))
        self.assertEqual(self.server(s), "a")
        self.replace(path, self.assignment(a.port, b.port))
        self.total(s, 2)
        self.assertEqual({self.server(s) for _ in range(4)}, {"a", "b"})
        # What the file says of their health counts at once.
        self.replace(path, {"resources": [dict(self.assignment(a.port, b.port)["resources"][0], endpoints=[{"lb_endpoints": [
            {"endpoint": {"address": address(a.port)}, "health_status": "DRAINING"},
            {"endpoint": {"address": address(b.port)}}]}])]})
        wait_for("one to drain", lambda: s.stat("cluster.o.membership_healthy") == 1)
        self.assertEqual({self.server(s) for _ in range(4)}, {"b"})
        self.assertIn("/eds_status_draining", s.get("/clusters")[1])
        # Nobody, and somebody again.
        self.replace(path, self.assignment())
        self.total(s, 0)
        self.assertEqual(curl(f"http://127.0.0.1:{s.port}/").status, 503)
        self.replace(path, self.assignment(b.port))
        self.total(s, 1)
        self.assertEqual(self.server(s), "b")
        # A broken file: the last hosts stay.
        self.replace(path, {"resources": [{"@type": T + "envoy.config.endpoint.v3.ClusterLoadAssignment"}]})
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") == 1)
        self.assertEqual(self.server(s), "b")

    def test_names_are_refused(self):
        path = work("eds-names.json")
        bad = self.assignment(80)
        bad["resources"][0]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = address(80, "origin.test")
        self.replace(path, bad)
        text = refused(config([listener(free_port(), [route_to("o")])], [
            {"name": "o", "type": "EDS", "eds_cluster_config": {"eds_config": {"path": path}}}]))
        self.assertIn('"origin.test" is not an IP address', text)


if __name__ == "__main__":
    unittest.main()
