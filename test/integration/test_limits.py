# SPDX-License-Identifier: GPL-2.0-or-later
"""Rate limits over real connections: buckets that workers share, keys by client, what the log and the counters say."""
import concurrent.futures
import http.client
import os
import socket
import subprocess
import time
import unittest

from harness import (SECRET, T, Sallyport, cluster, config, curl, free_port, listener, log_lines, log_to, nginx_plain, raw,
                     route_to, shield, wait_for, work)

ALL = {"default_value": {"numerator": 100}}


def local(name="local", **more):
    return {"name": name, "typed_config": {
        "@type": T + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit", "stat_prefix": name,
        "filter_enabled": ALL, "filter_enforced": ALL, **more}}


def bucket(tokens, every="600s"):
    return {"max_tokens": tokens, "fill_interval": every}


class Overload(unittest.TestCase):
    """The overload manager, its pressure out of a file that changes under it."""

    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def press(self, value):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(str(value))
        os.rename(self.path + ".new", self.path)

    def start(self, *actions, **more):
        self.path = work(f"pressure-{time.time_ns()}")
        self.press(0)
        self.port, self.free = free_port(), free_port()
        routes = [route_to("o", "/echo")]
        conf = config([listener(self.port, routes, **more), listener(self.free, routes, name="free", bypass_overload_manager=True,
                                                                     ignore_global_conn_limit=True)], [cluster("o", self.origin.port)])
        on = [{"name": "p", "threshold": {"value": 0.9}}]
        monitors = T + "envoy.extensions.resource_monitors."
        conf["overload_manager"] = {
            "refresh_interval": "0.02s", "resource_monitors": [
                {"name": "p", "typed_config": {"@type": monitors + "injected_resource.v3.InjectedResourceConfig", "filename": self.path}},
                {"name": "c", "typed_config": {"@type": monitors + "downstream_connections.v3.DownstreamConnectionsConfig",
                                               "max_active_downstream_connections": 3}}],
            "actions": [{"triggers": on, **({"name": a} if isinstance(a, str) else a)} for a in actions]}
        for a in conf["overload_manager"]["actions"]:
            a["name"] = "envoy.overload_actions." + a["name"]
        door = Sallyport(conf)
        self.addCleanup(door.kill)
        return door

    def ask(self, port, *args):
        return curl(f"http://127.0.0.1:{port}/echo", *args, timeout=1)

    def pressed(self, door, value, action):
        self.press(value)
        wait_for("the action", lambda: door.stat(f"overload.envoy.overload_actions.{action}.active") == (value > 0.9))

    def test_requests(self):
        door = self.start("stop_accepting_requests")
        self.assertEqual(self.ask(self.port).status, 200)
        self.pressed(door, 1, "stop_accepting_requests")
        a = self.ask(self.port)
        self.assertEqual((a.status, a.body), (503, b"envoy overloaded"))
        self.assertEqual(self.ask(self.port, "--http2-prior-knowledge").status, 503)
        self.assertEqual(self.ask(self.free).status, 200)
        self.pressed(door, 0, "stop_accepting_requests")
        self.assertEqual(self.ask(self.port).status, 200)
        self.assertEqual(door.stat("http.test.downstream_rq_overload_close"), 2)

    def test_connections(self):
        door = self.start("reject_incoming_connections")
        self.pressed(door, 1, "reject_incoming_connections")
        self.assertEqual(self.ask(self.port).status, 0)
        self.assertEqual(self.ask(self.free).status, 200)
        self.assertEqual(door.stat(f"listener.127.0.0.1_{self.port}.downstream_cx_overload_reject"), 1)
        self.pressed(door, 0, "reject_incoming_connections")
        held = [socket.create_connection(("127.0.0.1", self.port)) for _ in range(3)]
        wait_for("the limit", lambda: self.ask(self.port).status == 0)
        self.assertEqual(self.ask(self.free).status, 200)
        for s in held:
            s.close()
        wait_for("a place", lambda: self.ask(self.port).status == 200)
        self.assertGreaterEqual(door.stat(f"listener.127.0.0.1_{self.port}.downstream_global_cx_overflow"), 1)

    def test_connections_wait(self):
        door = self.start("stop_accepting_connections")
        self.pressed(door, 1, "stop_accepting_connections")
        waiting = subprocess.Popen(["curl", "-q", "-s", "--noproxy", "*", f"http://127.0.0.1:{self.port}/echo"], stdout=subprocess.PIPE)
        time.sleep(0.3)
        self.assertIsNone(waiting.poll())
        self.assertEqual(self.ask(self.free).status, 200)
        self.pressed(door, 0, "stop_accepting_connections")
        self.assertIn(b"GET /echo", waiting.communicate(timeout=10)[0])

    def test_timeouts_and_keepalive(self):
        timers = {"@type": T + "envoy.config.overload.v3.ScaleTimersOverloadActionConfig", "timer_scale_factors": [
            {"timer": "HTTP_DOWNSTREAM_CONNECTION_IDLE", "min_timeout": "0.2s"}]}
        door = self.start({"name": "reduce_timeouts", "typed_config": timers}, {"name": "disable_http_keepalive", "triggers": [
            {"name": "p", "threshold": {"value": 1}}]})
        idle = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        idle.request("GET", "/echo")
        self.assertEqual(idle.getresponse().read()[:3], b"GET")
        self.pressed(door, 0.95, "reduce_timeouts")
        self.assertEqual(idle.sock.recv(1), b"")  # within 5 s and 0.2 s, not an hour
        self.assertNotIn("connection", self.ask(self.port).headers)
        self.pressed(door, 1, "disable_http_keepalive")
        self.assertEqual(self.ask(self.port).headers["connection"], "close")
        self.assertGreaterEqual(door.stat("http.test.downstream_cx_overload_disable_keepalive"), 1)


class LocalLimits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin = nginx_plain()

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def start(self, *filters, **more):
        self.log = work(f"limits-{time.time_ns()}.log")
        port = free_port()
        door = Sallyport(config([listener(port, [route_to("o", "/echo")], filters=filters, hcm={"access_log": log_to(self.log)})],
                                [cluster("o", self.origin.port)]), **more)
        self.addCleanup(door.kill)
        self.url = f"http://127.0.0.1:{port}/echo"
        return door

    def test_workers_share(self):
        """Many connections at once, so that every worker has some: exactly as many pass as there are tokens."""
        door = self.start(local(token_bucket=bucket(25)), concurrency=3)

        def ask(_):
            return raw(door.port, b"GET /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").split(b" ", 2)[1]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            got = list(pool.map(ask, range(60)))
        self.assertEqual((got.count(b"200"), got.count(b"429")), (25, 35))
        stats = door.stats()
        self.assertEqual([stats["local.http_local_rate_limit." + k] for k in ("enabled", "ok", "rate_limited", "enforced")],
                         [60, 25, 35, 35])
        line = wait_for("a refusal in the log", lambda: [x for x in log_lines(self.log) if x["status"] == 429])[0]
        self.assertEqual((line["details"], line["flags"]), ("local_rate_limited", "RL"))
        self.assertEqual(door.stop(), 0)

    def test_clients_by_derived_address(self):
        """Behind a CDN each viewer has a bucket; nobody gets another by claiming to be somebody else."""
        door = self.start(shield(client_address={"header": "true-client-ip"}),
                          local(rate_limits=[{"actions": [{"masked_remote_address": {"v6_prefix_mask_len": 64}}]}],
                                descriptors=[{"entries": [{"key": "masked_remote_address"}], "token_bucket": bucket(2)}]))
        ask = lambda *headers: curl(self.url, "-H", f"x-origin-verify: {SECRET}",
                                    *[x for h in headers for x in ("-H", h)]).status
        for viewer in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            self.assertEqual([ask("true-client-ip: " + viewer) for _ in range(3)], [200, 200, 429], viewer)
        self.assertEqual(ask("true-client-ip: 2001:db8::ffff"), 429)  # the same subscriber's network
        self.assertEqual(ask("true-client-ip: 192.0.2.1", "x-forwarded-for: 198.51.100.1"), 429)
        # No address, or two: all such requests share what the peer has.
        self.assertEqual([ask(), ask("true-client-ip: 192.0.2.3", "true-client-ip: 192.0.2.4"), ask("true-client-ip: x")],
                         [200, 200, 429])
        self.assertEqual(door.stop(), 0)

    def test_connections(self):
        door = self.start(local(token_bucket=bucket(2), local_rate_limit_per_downstream_connection=True))
        for _ in range(2):
            c = http.client.HTTPConnection("127.0.0.1", door.port, timeout=10)
            statuses = []
            for _ in range(3):
                c.request("GET", "/echo")
                r = c.getresponse()
                r.read()
                statuses.append(r.status)
            c.close()
            self.assertEqual(statuses, [200, 200, 429])

    def test_tokens_come_back(self):
        self.start(local(token_bucket=bucket(1, "3s"), enable_x_ratelimit_headers="DRAFT_VERSION_03"))
        a = curl(self.url)
        self.assertEqual((a.status, a.headers["x-ratelimit-limit"], a.headers["x-ratelimit-remaining"]), (200, "1", "0"))
        self.assertEqual(curl(self.url).status, 429)
        wait_for("a token", lambda: curl(self.url).status == 200, 20)


if __name__ == "__main__":
    unittest.main()
