# SPDX-License-Identifier: GPL-2.0-or-later
"""Rate limits over real connections: buckets that workers share, keys by client, what the log and the counters say."""
import concurrent.futures
import http.client
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
