# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: localities, their weights and priorities share requests as in Envoy."""
import collections
import http.client
import json
import unittest

from echo import Echo
from harness import SLOW, Sallyport, address, cluster, config, curl, free_port, listener, route_to
from test_envoy import Envoy, find_envoy, set_port

REQUESTS, OFF = 400, 0.13  # five standard deviations of a half
ILL = {"health_status": "UNHEALTHY"}


def place(zone, hosts, weight=0, priority=0):
    p = {"lb_endpoints": hosts, "priority": priority}
    if zone:
        p["locality"] = {"zone": zone}
    if weight:
        p["load_balancing_weight"] = weight
    return p


def cases(h):
    """The places, and the share of each host."""
    return {
        "weights": ([place("a", [h(0), h(1)], 3), place("b", [h(2)], 1)], [3 / 8, 3 / 8, 1 / 4]),
        "no-locality": ([place("", [h(0)], 3), place("", [h(1)], 1)], [1 / 2, 1 / 2]),  # a weight is a locality's
        "same": ([place("a", [h(0)], 3), place("b", [h(2)], 2), place("a", [h(1)], 1)], [1 / 6, 1 / 6, 2 / 3]),  # one locality; the last weight
        "some": ([place("a", [h(0), h(1)], 3), place("b", [h(2)])], [1 / 2, 1 / 2, 0]),
        "none": ([place("a", [h(0), h(1)]), place("b", [h(2)])], [1 / 3, 1 / 3, 1 / 3]),
        "ill": ([place("a", [h(0)], 1), place("b", [h(1, **ILL)], 1), place("b", [h(2)], priority=1)], [0.7, 0, 0.3]),
        "gap": ([place("a", [h(0, health_status="DRAINING")]), place("b", [h(2)], priority=2)], [0, 0, 1]),
        "twice": ([place("a", [h(0), h(0), h(1)])], [2 / 3, 1 / 3]),
    }


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Localities(unittest.TestCase):
    def test_shares(self):
        origins = [Echo(f"o{i}") for i in range(3)]
        for o in origins:
            self.addCleanup(o.stop)
        all_cases = cases(lambda i, **more: {"endpoint": {"address": address(origins[i].port)}, **more})
        clusters = []
        for name, (places, _) in all_cases.items():
            clusters.append(cluster(name, common_lb_config={"locality_weighted_lb_config": {}}))
            clusters[-1]["load_assignment"]["endpoints"] = places
        conf = config([listener(0, [route_to(name, "/" + name) for name in all_cases])], clusters)
        members = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            s = make(set_port(conf, free_port()))
            self.addCleanup(s.kill)
            for name, (_, shares) in all_cases.items():
                with self.subTest(name, of=type(s).__name__):
                    seen = self.served(s, name)
                    for i, share in enumerate(shares):
                        self.assertAlmostEqual(seen[f"o{i}"] / REQUESTS, share, delta=OFF if 0 < share < 1 else 0)
            text = curl(f"http://127.0.0.1:{s.admin}/stats?filter=membership_(total|healthy)$").body.decode()
            members.append([line for line in text.splitlines() if line.split(".")[1] in all_cases])
        self.assertEqual(members[0], members[1])

    @staticmethod
    def served(s, name):
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10 * SLOW)
        seen = collections.Counter()
        for _ in range(REQUESTS):
            c.request("GET", "/" + name)
            seen[json.loads(c.getresponse().read())["server"]] += 1
        c.close()
        return seen


if __name__ == "__main__":
    unittest.main()
