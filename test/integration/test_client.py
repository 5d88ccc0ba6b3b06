# SPDX-License-Identifier: GPL-2.0-or-later
"""Who the client is: after proof and only then; nobody who is not trusted gets a forged header past the door."""
import json
import unittest

import proxied
from echo import Echo
from harness import SECRET, Sallyport, cluster, config, free_port, ip_restriction, listener, log_lines, log_to, route_to, shield, wait_for, work
from test_accept import proxy_protocol
from test_envoy_client import custom, trusted

PROOF = "x-origin-verify: " + SECRET
# What an attacker says of himself.
FORGED = ("x-forwarded-for: 6.6.6.6", "x-forwarded-proto: https", "x-forwarded-host: evil", "x-forwarded-port: 1", "forwarded: for=6.6.6.6",
          "x_forwarded_for: 6.6.6.6", "x-envoy-external-address: 6.6.6.6", "x-envoy-internal: true", "x-envoy-retry-on: 5xx",
          "x-envoy-max-retries: 9", "x-envoy-upstream-rq-timeout-ms: 1", "x-envoy-original-path: /admin", "x-envoy-original-host: evil",
          "x-envoy-decorator-operation: x", "x-envoy-downstream-service-cluster: x", "x-envoy-ip-tags: x", "x-envoy-force-trace: 1",
          "x-forwarded-client-cert: By=x", "x-request-id: forged")


class Client(unittest.TestCase):
    def setUp(self):
        self.origin, self.doors = Echo(), []

    def tearDown(self):
        for d in self.doors:
            d.kill()
        self.origin.stop()

    def door(self, *filters, **hcm):
        self.log = work(f"client-{free_port()}.log")
        hcm["access_log"] = log_to(self.log)
        self.doors.append(Sallyport(config([listener(free_port(), [route_to("o")], filters, hcm=hcm, listener_filters=[proxy_protocol()])],
                                           [cluster("o", self.origin.port)])))
        return self.doors[-1]

    def ask(self, d, peer, *lines):
        """Status, and what the origin saw: a dict of lists."""
        status, body = proxied.ask(d.port, proxied.v1(peer), *lines)
        seen = {}
        for name, value in json.loads(body)["headers"] if body.startswith(b"{") else ():
            seen.setdefault(name, []).append(value)
        return status, seen

    def sanitised(self, seen, peer):
        """Nothing of FORGED is left."""
        for line in FORGED:
            name, _, value = line.partition(": ")
            if name == "x-forwarded-proto":
                self.assertEqual(seen[name], ["http"])
            elif name in ("x-forwarded-for", "x-envoy-external-address"):
                self.assertEqual(seen[name], [peer], name)
            elif name == "x-request-id":
                self.assertEqual(len(seen[name][0]), 36)
            else:
                self.assertNotIn(name, seen)

    def clients(self, n):
        lines = wait_for("the log", lambda: len(log_lines(self.log)) >= n and log_lines(self.log))
        return [x["client"] for x in lines]

    def test_the_trap_is_not_here(self):
        """Envoy: trusting address ranges switches off the edge for every peer. Here who is not in them is sanitised of all he says."""
        d = self.door(**trusted("192.0.2.0"))
        status, seen = self.ask(d, "198.51.100.66", *FORGED)
        self.assertEqual(status, 200)
        self.sanitised(seen, "198.51.100.66")
        status, seen = self.ask(d, "192.0.2.5", *FORGED)  # a trusted proxy says who the client is, but its clients' x-envoy headers go
        self.assertEqual(seen["x-envoy-external-address"], ["6.6.6.6"])
        self.assertEqual(seen["x-forwarded-proto"], ["https"])
        for gone in ("x-envoy-retry-on", "x-envoy-original-path", "x-envoy-internal", "x_forwarded_for", "x-forwarded-client-cert"):
            self.assertNotIn(gone, seen)
        self.assertEqual(sorted(self.clients(2)), ["198.51.100.66", "6.6.6.6"])

    def test_a_header_needs_proof(self):
        """custom_header has no check of the peer: behind a gate that proves, it is read of proven requests only."""
        d = self.door(shield(enforcement="SHADOW"), **custom("cf-connecting-ip"))
        status, seen = self.ask(d, "198.51.100.66", "cf-connecting-ip: 6.6.6.6", *FORGED)
        self.sanitised(seen, "198.51.100.66")
        d = self.door(shield(), **custom("cf-connecting-ip", reject_with_status={"code": "BadRequest"}))
        self.assertEqual(self.ask(d, "198.51.100.66", "cf-connecting-ip: 6.6.6.6")[0], 403)
        self.assertEqual(self.ask(d, "192.0.2.5", "cf-connecting-ip: 203.0.113.9", PROOF)[1]["x-envoy-external-address"], ["203.0.113.9"])
        self.assertEqual(self.ask(d, "192.0.2.5", PROOF)[0], 400)
        self.assertEqual(self.ask(d, "192.0.2.5", "cf-connecting-ip: 203.0.113.9", "cf-connecting-ip: 6.6.6.6", PROOF)[0], 400)
        self.assertEqual(sorted(self.clients(4)), ["192.0.2.5", "192.0.2.5", "198.51.100.66", "203.0.113.9"])

    def test_each_cdn(self):
        for where, lines, client in (
                ({"header": "cf-connecting-ip"}, ["cf-connecting-ip: 203.0.113.9"], "203.0.113.9"),
                ({"header": "cloudfront-viewer-address"}, ["cloudfront-viewer-address: 203.0.113.9:4711"], "203.0.113.9"),
                ({"header": "cloudfront-viewer-address"}, ["cloudfront-viewer-address: 2001:db8::9:4711"], "2001:db8::9"),
                ({"header": "true-client-ip"}, ["true-client-ip: 203.0.113.9"], "203.0.113.9"),
                ({"header": "x-azure-socketip"}, ["x-azure-socketip: 2001:db8::9"], "2001:db8::9"),
                ({"xff_trusted_hops": 1}, ["x-forwarded-for: 6.6.6.6, 203.0.113.9"], "203.0.113.9"),
                ({"xff_trusted_hops": 2}, ["x-forwarded-for: 6.6.6.6, 203.0.113.9, 10.0.0.1"], "203.0.113.9"),
                ({"xff_trusted_cidrs": {"cidrs": ["10.0.0.0/8"]}}, ["x-forwarded-for: 6.6.6.6, 203.0.113.9, 10.0.0.2, 10.0.0.1"], "203.0.113.9"),
                ({"peer": True}, ["x-forwarded-for: 6.6.6.6"], "192.0.2.5")):
            with self.subTest(where=where, lines=lines):
                d = self.door(shield(client_address=where), ip_restriction(source="CLIENT", deny=["6.6.6.0/24"]), use_remote_address=True)
                status, seen = self.ask(d, "192.0.2.5", PROOF, *lines)
                self.assertEqual((status, seen.get("x-envoy-external-address")), (200, [client]))
                self.assertEqual(self.ask(d, "192.0.2.5", *lines)[0], 403)
                if "peer" not in where:
                    self.assertEqual(self.ask(d, "192.0.2.5", PROOF)[0], 403)  # no client, no entry: source CLIENT refuses
                d.kill()

    def test_stranger_in_shadow(self):
        d = self.door(shield(enforcement="SHADOW", client_address={"header": "true-client-ip"}), use_remote_address=True, xff_num_trusted_hops=1)
        status, seen = self.ask(d, "198.51.100.66", "true-client-ip: 6.6.6.6", *FORGED)
        self.assertEqual(status, 200)
        self.sanitised(seen, "198.51.100.66")
        self.assertNotIn("true-client-ip", seen)

    def test_edge_without_a_gate(self):
        """As Envoy at an edge: nothing is believed, though x-forwarded-for is passed on with the peer behind it."""
        d = self.door(use_remote_address=True)
        status, seen = self.ask(d, "198.51.100.66", *FORGED)
        self.assertEqual(seen["x-forwarded-for"], ["6.6.6.6,198.51.100.66"])
        for name in ("x-envoy-internal", "x-envoy-retry-on", "x-envoy-original-path", "x-forwarded-client-cert", "x_forwarded_for"):
            self.assertNotIn(name, seen)
        self.assertEqual((seen["x-forwarded-proto"], seen["x-envoy-external-address"]), (["http"], ["198.51.100.66"]))

    def test_very_many_lines(self):
        """A head full of one-byte lines of x-forwarded-for is joined in no time."""
        d = self.door(use_remote_address=True, common_http_protocol_options={"max_headers_count": 10000}, max_request_headers_kb=1024)
        status, seen = self.ask(d, "192.0.2.5", *["x-forwarded-for: 1"] * 4000, *["via: 1"] * 4000)
        self.assertEqual(status, 200)
        self.assertEqual(seen["x-forwarded-for"], [",".join(["1"] * 4000) + ",192.0.2.5"])


if __name__ == "__main__":
    unittest.main()
