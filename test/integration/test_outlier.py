# SPDX-License-Identifier: GPL-2.0-or-later
"""Outlier detection: hosts that answer badly are out for a while; beside a real Envoy where there is one."""
import http.client
import json
import re
import threading
import time
import unittest

from echo import Echo
from harness import Sallyport, cluster, config, curl, free_port, listener, route_to, wait_for, work
from health_origin import Http, Web, answer, read_events
from test_envoy import Envoy, find_envoy

PREFIX = "cluster.o.outlier_detection."
KINDS = ("consecutive_5xx", "consecutive_gateway_failure", "consecutive_local_origin_failure")


def told(path, *ports):
    return [re.sub(r'"secs_since_last_action":"\d+"', '"secs_since_last_action":"N"', x) for x in read_events(path, *ports)]


def stats(admin):
    c = http.client.HTTPConnection("127.0.0.1", admin, timeout=10)
    c.request("GET", "/stats")
    text = c.getresponse().read().decode()
    c.close()
    return {k[len(PREFIX):]: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", text, re.M) if k.startswith(PREFIX)}



class Case(unittest.TestCase):
    def origins(self, n):
        all_of = [Echo(f"o{i}") for i in range(n)]
        for o in all_of:
            self.addCleanup(o.server_close)
            self.addCleanup(o.shutdown)
        return all_of

    def conf(self, ports, **detection):
        c = cluster("o", *ports, outlier_detection=detection)
        return config([listener(free_port(), [route_to("o")])], [c])

    def start(self, ports, **detection):
        s = Sallyport(self.conf(ports, **detection), concurrency=1)
        self.addCleanup(s.stop)
        return s

    def ask(self, port, status=200):
        a = curl(f"http://127.0.0.1:{port}/", "-H", f"x-status: {status}")
        return a.status, json.loads(a.body)["server"] if a.body.startswith(b"{") else None


class Detection(Case):
    def test_five_in_a_row(self):
        a, b = self.origins(2)
        s = self.start([a.port, b.port], max_ejection_percent=50, base_ejection_time="1s", interval="0.1s")
        for _ in range(10):  # five each, of which one host may go
            self.ask(s.port, 500)
        wait_for("one to be out", lambda: s.stat("cluster.o.membership_healthy") == 1)
        self.assertEqual(len({self.ask(s.port)[1] for _ in range(6)}), 1)
        self.assertIn("/failed_outlier_check", s.get("/clusters")[1])
        got = stats(s.admin)
        self.assertEqual((got["ejections_active"], got["ejections_enforced_consecutive_5xx"]), (1, 1))
        self.assertGreaterEqual(got["ejections_overflow"], 1)
        wait_for("it to be back", lambda: s.stat("cluster.o.membership_healthy") == 2)
        self.assertEqual(stats(s.admin)["ejections_active"], 0)
        self.assertEqual(len({self.ask(s.port)[1] for _ in range(6)}), 2)
        self.assertIn("5xx answers in a row", s.log())

    def test_a_good_one_begins_anew(self):
        a, = self.origins(1)
        s = self.start([a.port], max_ejection_percent=100, interval="60s")
        for status in (500, 502, 503, 500, 200, 500, 500, 500, 500, 404):
            self.ask(s.port, status)
        self.assertEqual(s.stat("cluster.o.membership_healthy"), 1)
        self.assertEqual(stats(s.admin)["ejections_detected_consecutive_5xx"], 0)

    def test_connects_that_fail(self):
        a, = self.origins(1)
        s = self.start([a.port, free_port()], max_ejection_percent=50, split_external_local_origin_errors=True,
                       consecutive_local_origin_failure=3, interval="60s")
        for _ in range(12):
            self.ask(s.port)
        wait_for("the dead one to be out", lambda: s.stat("cluster.o.membership_healthy") == 1)
        self.assertEqual(stats(s.admin)["ejections_enforced_consecutive_local_origin_failure"], 1)
        self.assertEqual({self.ask(s.port) for _ in range(6)}, {(200, "o0")})

    def test_rates(self):
        all_of = self.origins(5)
        s = self.start([o.port for o in all_of], max_ejection_percent=40, interval="1s", base_ejection_time="60s",
                       consecutive_5xx=1000, success_rate_request_volume=5, success_rate_stdev_factor=1000,
                       failure_percentage_request_volume=5, enforcing_failure_percentage=100)
        end = time.time() + 8
        i = 0
        while time.time() < end and s.stat("cluster.o.membership_healthy") == 5:
            i += 1
            status, server = self.ask(s.port, 500 if i % 5 == 0 else 200)  # round robin: always the same host
        wait_for("it to be out", lambda: s.stat("cluster.o.membership_healthy") == 4)
        got = stats(s.admin)
        self.assertEqual(got["ejections_enforced_success_rate"] + got["ejections_enforced_failure_percentage"], 1)
        self.assertRegex(s.get("/clusters")[1], r"::success_rate::100\n")

    def test_hosts_that_leave(self):
        a, b = self.origins(2)
        conf = self.conf([a.port, b.port], max_ejection_percent=50, interval="60s")
        s = Sallyport(conf, concurrency=1)
        self.addCleanup(s.stop)
        for _ in range(10):
            self.ask(s.port, 500)
        wait_for("one to be out", lambda: stats(s.admin)["ejections_active"] == 1)
        conf["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": s.admin}}}
        c = free_port()
        conf["static_resources"]["clusters"] = [cluster("o", c, outlier_detection=conf["static_resources"]["clusters"][0]["outlier_detection"])]
        with open(s.config_path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        wait_for("the other host", lambda: s.stat("cluster.o.membership_total") == 1)
        self.assertEqual(stats(s.admin)["ejections_active"], 0)
        self.assertEqual(s.stat("cluster.o.membership_healthy"), 1)


class Gated(Web):
    """Answers checks one for each release of the gate, and requests with 500."""

    def __init__(self):
        self.gate, self.checks = threading.Semaphore(0), 0
        super().__init__(self.say)

    def say(self, path):
        if path == "/hc":
            self.checks += 1
            self.gate.acquire(timeout=60)
        return 200 if path == "/hc" else 500, b"", {}


class Against(Case):
    """The same requests: the same counters."""
    CASES = (
        ({"max_ejection_percent": 50}, [500] * 10 + [200] * 4),
        ({"max_ejection_percent": 49}, [500] * 10 + [200] * 4),
        ({}, [503] * 10),
        ({"always_eject_one_host": True}, [503] * 10 + [200] * 3),
        ({"max_ejection_percent": 100, "consecutive_gateway_failure": 3, "enforcing_consecutive_gateway_failure": 100,
          "enforcing_consecutive_5xx": 0}, [502, 502, 504, 503, 503, 503]),
        ({"max_ejection_percent": 100, "consecutive_5xx": 2}, [500, 500, 500, 500, 200, 200]),
        ({"max_ejection_percent": 100, "consecutive_5xx": 2, "split_external_local_origin_errors": True}, [500, 500, 500, 500, 500]),
    )

    def test_cases(self):
        envoy = find_envoy()
        if not envoy:
            self.skipTest("there is no Envoy (scripts/envoy brings one)")
        a, b = self.origins(2)
        for detection, requests in self.CASES:
            seen = []
            for kind in ("envoy", "sallyport"):
                conf = self.conf([a.port, b.port], interval="60s", **detection)
                events = work(f"outliers-{time.time_ns()}.json")
                conf["cluster_manager"] = {"outlier_detection": {"event_log_path": events}}
                p = Envoy(envoy, conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                self.addCleanup(p.kill)
                answers = []
                for status in requests:
                    answers.append(self.ask(p.port, status)[0])
                    time.sleep(0.02)  # who takes a host out is another thread
                counted = stats(p.admin)
                p.stop()
                self.assertEqual(len(told(events, a.port, b.port)), sum(counted.get("ejections_detected_" + k, 0) for k in KINDS) -
                                 counted["ejections_overflow"])
                seen.append((answers, counted, [re.sub("PORT[01]", "PORT", x) for x in told(events, a.port, b.port)]))
            self.assertEqual(seen[0][0], seen[1][0], detection)
            self.assertEqual(seen[0][2], seen[1][2], detection)
            for name, value in seen[0][1].items():
                if name in seen[1][1] or value:
                    self.assertEqual(value, seen[1][1].get(name), (detection, name))


    def test_both_together(self):
        """A host that fails requests and passes its checks: the next check that goes well brings it back, unless it is told not to."""
        envoy = find_envoy()
        if not envoy:
            self.skipTest("there is no Envoy (scripts/envoy brings one)")
        flags = lambda p: re.search(r"^o::\S+::health_flags::(\S+)$", curl(f"http://127.0.0.1:{p.admin}/clusters").body.decode(), re.M)[1]
        for back in (True, False):
            seen = []
            for kind in ("envoy", "sallyport"):
                origin, events = Gated(), work(f"outliers-{time.time_ns()}.json")
                self.addCleanup(origin.stop)
                conf = self.conf([origin.port], interval="600s", base_ejection_time="600s", max_ejection_percent=100, consecutive_5xx=2,
                                 successful_active_health_check_uneject_host=back)
                conf["static_resources"]["clusters"][0]["health_checks"] = [{
                    "timeout": "60s", "interval": "0.05s", "no_traffic_interval": "0.05s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                    "http_health_check": {"path": "/hc"}}]
                conf["cluster_manager"] = {"outlier_detection": {"event_log_path": events}}
                origin.gate.release()
                p = Envoy(envoy, conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
                self.addCleanup(p.kill)
                wait_for("a second check", lambda: origin.checks == 2)
                for _ in range(2):
                    self.assertEqual(self.ask(p.port)[0], 500)
                wait_for("it to be out", lambda: flags(p) == "/failed_outlier_check")
                origin.gate.release()
                wait_for("a third check", lambda: origin.checks == 3)
                state = flags(p), stats(p.admin)["ejections_active"], stats(p.admin)["ejections_enforced_total"]
                p.stop()
                seen.append((state, told(events, origin.port)))
            self.assertEqual(seen[0], seen[1])
            self.assertEqual(seen[1][0], ("healthy", 0, 1) if back else ("/failed_outlier_check", 1, 1))

    def run_rates(self, **detection):
        """One of three hosts always fails: what both say of it, until it is back."""
        envoy = find_envoy()
        if not envoy:
            self.skipTest("there is no Envoy (scripts/envoy brings one)")
        seen = []
        for kind in ("envoy", "sallyport"):
            bad, good = Http([answer(500)] * 1000), [Http([answer()] * 1000) for _ in range(2)]
            for o in (bad, *good):
                self.addCleanup(o.stop)
            events = work(f"outliers-{time.time_ns()}.json")
            conf = self.conf([bad.port, *(o.port for o in good)], interval="0.5s", base_ejection_time="0.5s", consecutive_5xx=100000,
                             max_ejection_percent=100, **detection)
            conf["cluster_manager"] = {"outlier_detection": {"event_log_path": events}}
            p = Envoy(envoy, conf) if kind == "envoy" else Sallyport(conf, concurrency=1)
            self.addCleanup(p.kill)
            end = time.time() + 20
            while time.time() < end and not stats(p.admin)["ejections_enforced_total"]:
                self.ask(p.port)
            wait_for("it to be back", lambda: stats(p.admin)["ejections_active"] == 0)
            p.stop()
            lines = told(events, bad.port)
            seen.append((lines[:1], [x for x in lines if "UNEJECT" in x][:1]))
        self.assertEqual(seen[0], seen[1])
        self.assertTrue(all(seen[1]))
        return seen[1][0][0]

    def test_success_rate(self):
        self.assertIn('{"host_success_rate":0,"cluster_average_success_rate":66,"cluster_success_rate_ejection_threshold":19}', self.run_rates(
            success_rate_minimum_hosts=3, success_rate_request_volume=2, success_rate_stdev_factor=1000))

    def test_failure_percentage(self):
        self.assertIn('"eject_failure_percentage_event":{"host_success_rate":0}', self.run_rates(
            failure_percentage_minimum_hosts=3, failure_percentage_request_volume=2, enforcing_failure_percentage=100))


if __name__ == "__main__":
    unittest.main()
