# SPDX-License-Identifier: GPL-2.0-or-later
"""Clusters whose hosts are names: STRICT_DNS and LOGICAL_DNS against a DNS server that says what the test wants."""
import http.client
import json
import re
import socket
import threading
import time
import unittest

from echo import Echo
from fake_dns import FakeDns, NXDOMAIN, REFUSED, SERVFAIL
from harness import (Sallyport, T, address, cluster, config, curl, free_port, listener, log_lines, log_to, refused,
                     route_to, wait_for, work)
from test_envoy import Envoy, find_envoy

CARES = T + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def resolver(dns, **more):
    return {"name": "envoy.network.dns_resolver.cares", "typed_config": {
        "@type": CARES, "resolvers": [address(dns.port)], "query_timeout_seconds": 1, "query_tries": 1, **more}}


def dns_cluster(dns, *names, port=80, kind="STRICT_DNS", family="V4_ONLY", refresh="0.1s", **more):
    return {"name": "o", "type": kind, "connect_timeout": "2s", "dns_lookup_family": family, "dns_refresh_rate": refresh,
            "typed_dns_resolver_config": resolver(dns), "load_assignment": {"cluster_name": "o", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(port, n)}} for n in names]}]}, **more}


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


class Case(unittest.TestCase):
    def setUp(self):
        self.dns = FakeDns()
        self.addCleanup(self.dns.stop)
        self.origin_port = free_port()

    def origin(self, host):
        o = Echo(host, self.origin_port, host)
        self.addCleanup(o.server_close)
        self.addCleanup(o.shutdown)
        return o

    def start(self, *clusters, wait=True, log=None, **action):
        hcm = {"access_log": log_to(log)} if log else None
        s = Sallyport(config([listener(free_port(), [route_to("o", **action)], hcm=hcm)], list(clusters)), wait=wait)
        self.addCleanup(s.stop)
        return s

    def get(self, s, *args):
        return curl(f"http://127.0.0.1:{s.port}/", *args)

    def server(self, s):
        a = self.get(s)
        self.assertEqual(a.status, 200, a)
        return json.loads(a.body)["server"]

    def hosts(self, s):
        j = json.loads(s.get("/clusters?format=json")[1])
        c = next(c for c in j["cluster_statuses"] if c["name"] == "o")
        return sorted(h["address"]["socket_address"]["address"] for h in c["host_statuses"])


class Strict(Case):
    def test_each_address_is_a_host(self):
        for h in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
            self.origin(h)
        self.dns.set("a.test", "127.0.0.1", "127.0.0.2")
        self.dns.set("b.test", "127.0.0.3")
        s = self.start(dns_cluster(self.dns, "a.test", "b.test", port=self.origin_port))
        self.assertEqual(sorted({self.server(s) for _ in range(9)}), ["127.0.0.1", "127.0.0.2", "127.0.0.3"])
        self.assertEqual(s.stat("cluster.o.membership_total"), 3)
        self.assertEqual(s.stat("cluster.o.membership_healthy"), 3)
        self.assertIn(f"o::127.0.0.3:{self.origin_port}::hostname::b.test", s.get("/clusters")[1])
        self.assertGreaterEqual(s.stat("cluster.o.update_success"), 2)
        self.assertGreaterEqual(s.stat("dns.cares.resolve_total"), 2)

    def test_changes(self):
        for h in ("127.0.0.1", "127.0.0.2"):
            self.origin(h)
        self.dns.set("a.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port))
        self.assertEqual(self.server(s), "127.0.0.1")
        self.dns.set("a.test", "127.0.0.2")
        wait_for("the new host", lambda: self.hosts(s) == ["127.0.0.2"])
        self.assertEqual(self.server(s), "127.0.0.2")
        wait_for("the old connection to close", lambda: s.stat("cluster.o.upstream_cx_active") == 1)
        self.dns.set("a.test", "127.0.0.2", "127.0.0.1")
        wait_for("both", lambda: len(self.hosts(s)) == 2)
        before = s.stat("cluster.o.update_no_rebuild")
        self.dns.set("a.test", "127.0.0.1", "127.0.0.2")  # another order is no change
        wait_for("an answer", lambda: s.stat("cluster.o.update_no_rebuild") > before + 1)
        self.assertEqual(s.stat("cluster.o.membership_change"), 3)

    def test_requests_under_way_end(self):
        for h in ("127.0.0.1", "127.0.0.2"):
            self.origin(h)
        self.dns.set("a.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port, refresh="0.05s"))
        got = []
        t = threading.Thread(target=lambda: got.append(self.get(s, "-H", "x-wait: 1")))
        t.start()
        wait_for("the request", lambda: s.stat("cluster.o.upstream_rq_active") == 1)
        self.dns.set("a.test", "127.0.0.2")
        wait_for("the new host", lambda: self.hosts(s) == ["127.0.0.2"])
        self.assertEqual(self.server(s), "127.0.0.2")
        t.join()
        self.assertEqual(json.loads(got[0].body)["server"], "127.0.0.1")

    def test_failures_keep_the_hosts(self):
        self.origin("127.0.0.1")
        self.dns.set("a.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port))
        for rcode in (SERVFAIL, REFUSED):
            before = s.stat("cluster.o.update_failure")
            self.dns.set("a.test", rcode=rcode)
            wait_for("failures", lambda: s.stat("cluster.o.update_failure") >= before + 2)
            self.assertEqual(self.server(s), "127.0.0.1")
        before = s.stat("cluster.o.update_failure")
        self.dns.set("a.test", silent=True)
        wait_for("a timeout", lambda: s.stat("cluster.o.update_failure") > before)
        self.assertEqual(self.server(s), "127.0.0.1")
        self.assertGreater(s.stat("dns.cares.timeouts"), 0)
        self.assertEqual(s.log().count("cannot resolve"), 1)  # said once
        self.dns.set("a.test", "127.0.0.1")
        wait_for("it to be resolved again", lambda: "is resolved again" in s.log())

    def test_no_such_name_any_more(self):
        """Envoy, too: an answer that there is nobody is believed."""
        self.origin("127.0.0.1")
        self.dns.set("a.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port))
        self.assertEqual(self.server(s), "127.0.0.1")
        self.dns.set("a.test", rcode=NXDOMAIN)
        wait_for("no host", lambda: self.hosts(s) == [])
        a = self.get(s)
        self.assertEqual((a.status, a.body), (503, b"no healthy upstream"))
        self.assertGreater(s.stat("dns.cares.not_found"), 0)
        self.dns.set("a.test", "127.0.0.1")
        wait_for("the host", lambda: self.hosts(s) == ["127.0.0.1"])
        self.assertEqual(self.server(s), "127.0.0.1")

    def test_many_addresses(self):
        """Cut at 256; the answer does not fit into a datagram, so TCP is used."""
        self.dns.set("a.test", *[f"127.1.{i // 250}.{i % 250 + 1}" for i in range(400)])
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port, refresh="60s"))
        self.assertEqual(s.stat("cluster.o.membership_total"), 256)
        self.assertIn(("a.test", "A", "tcp"), self.dns.asked)

    def test_over_tcp(self):
        self.origin("127.0.0.1")
        self.dns.set("a.test", "127.0.0.1")
        c = dns_cluster(self.dns, "a.test", port=self.origin_port)
        c["typed_dns_resolver_config"] = resolver(self.dns, dns_resolver_options={"use_tcp_for_dns_lookups": True})
        s = self.start(c)
        self.assertEqual(self.server(s), "127.0.0.1")
        self.assertEqual({a[2] for a in self.dns.asked}, {"tcp"})

    def test_ttl(self):
        self.dns.set("a.test", "127.0.0.1", ttl=1)
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port, refresh="300s", respect_dns_ttl=True))
        wait_for("a second question", lambda: self.dns.count("a.test") == 2, 5)
        self.dns.set("a.test", "127.0.0.1", ttl=300)
        wait_for("a third question", lambda: self.dns.count("a.test") == 3, 5)
        time.sleep(1.5)
        self.assertEqual(self.dns.count("a.test"), 3)
        s.stop()

    def test_backoff(self):
        self.dns.set("a.test", rcode=SERVFAIL)
        s = self.start(dns_cluster(self.dns, "a.test", refresh="60s", dns_failure_refresh_rate={
            "base_interval": "0.02s", "max_interval": "0.3s"}))
        wait_for("questions", lambda: self.dns.count("a.test") >= 4)
        n = self.dns.count("a.test")
        time.sleep(1)
        self.assertLessEqual(self.dns.count("a.test") - n, 10)
        self.dns.set("a.test", "127.0.0.1")
        wait_for("the host", lambda: self.hosts(s) == ["127.0.0.1"])

    def test_cname(self):
        self.origin("127.0.0.1")
        self.dns.set("a.test", "127.0.0.1", cname="real.test")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port))
        self.assertEqual(self.server(s), "127.0.0.1")

    def test_start_without_an_answer(self):
        """Empty after five seconds at most, and there when somebody answers."""
        self.origin("127.0.0.1")
        self.dns.set("a.test", silent=True)
        c = dns_cluster(self.dns, "a.test", port=self.origin_port)
        c["typed_dns_resolver_config"]["typed_config"].update(query_timeout_seconds=30)
        began = time.time()
        s = self.start(c)
        self.assertGreater(time.time() - began, 4)
        self.assertEqual(self.get(s).status, 503)
        self.assertIn("nobody has answered within 5 s", s.log())

    def test_start_does_not_wait(self):
        self.dns.set("a.test", silent=True)
        s = self.start(dns_cluster(self.dns, "a.test", wait_for_warm_on_init=False))
        self.assertNotIn("nobody has answered", s.log())

    def test_health_checks_of_new_hosts(self):
        for h in ("127.0.0.1", "127.0.0.2"):
            self.origin(h)
        self.dns.set("a.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port, health_checks=[{
            "timeout": "1s", "interval": "0.1s", "no_traffic_interval": "0.1s", "unhealthy_threshold": 1,
            "healthy_threshold": 1, "http_health_check": {"path": "/"}}]))
        self.assertEqual(s.stat("cluster.o.membership_healthy"), 1)
        self.dns.set("a.test", "127.0.0.1", "127.0.0.2", "127.0.0.9")  # nobody is at the last
        wait_for("the new host to be well", lambda: s.stat("cluster.o.membership_healthy") == 2)
        self.assertEqual(s.stat("cluster.o.membership_total"), 3)
        for _ in range(10):
            self.assertEqual(self.get(s).status, 200)


@unittest.skipUnless(has_ipv6(), "no IPv6 here")
class Families(Case):
    def check(self, family, want, addresses=("::1", "127.0.0.1")):
        self.dns.set("a.test", *addresses)
        s = self.start(dns_cluster(self.dns, "a.test", port=self.origin_port, family=family))
        self.assertEqual(self.hosts(s), want)
        s.stop()

    def test_families(self):
        self.check("V4_ONLY", ["127.0.0.1"])
        self.check("V6_ONLY", ["::1"])
        self.check("AUTO", ["::1"])
        self.check("AUTO", ["127.0.0.1"], ["127.0.0.1"])
        self.check("V4_PREFERRED", ["127.0.0.1"])
        self.check("V4_PREFERRED", ["::1"], ["::1"])
        self.check("ALL", ["127.0.0.1", "::1"])

    def test_bound_address_decides(self):
        self.dns.set("a.test", "::1", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "a.test", family="AUTO", upstream_bind_config={
            "source_address": {"address": "127.0.0.1", "port_value": 0}}))
        self.assertEqual(self.hosts(s), ["127.0.0.1"])


class Logical(Case):
    def test_first_address_for_new_connections(self):
        for h in ("127.0.0.1", "127.0.0.2"):
            self.origin(h)
        log = work("logical.log")
        self.dns.set("www.test", "127.0.0.1", "127.0.0.2")
        s = self.start(dns_cluster(self.dns, "www.test", port=self.origin_port, kind="LOGICAL_DNS"), log=log)
        self.assertEqual({self.server(s) for _ in range(4)}, {"127.0.0.1"})
        self.assertEqual(s.stat("cluster.o.membership_total"), 1)
        self.dns.set("www.test", "127.0.0.2")
        wait_for("the new address", lambda: self.hosts(s) == ["127.0.0.2"])
        # The old connections live on; a new one goes to the new address.
        total = s.stat("cluster.o.upstream_cx_total")
        self.assertEqual(s.stat("cluster.o.upstream_cx_active"), total)
        servers = set()

        def one():
            servers.add(json.loads(self.get(s, "-H", "x-wait: 0.5").body)["server"])
        all_at_once = [threading.Thread(target=one) for _ in range(4)]
        for t in all_at_once:
            t.start()
        for t in all_at_once:
            t.join()
        self.assertIn("127.0.0.2", servers)
        wait_for("the log", lambda: len(log_lines(log)) >= 8)
        self.assertIn(f"127.0.0.2:{self.origin_port}", {line["upstream"] for line in log_lines(log)})

    def test_no_answer_keeps_the_address(self):
        self.origin("127.0.0.1")
        self.dns.set("www.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "www.test", port=self.origin_port, kind="LOGICAL_DNS"))
        self.dns.set("www.test", rcode=NXDOMAIN)
        wait_for("failures", lambda: s.stat("cluster.o.update_failure") >= 2)
        self.assertEqual(self.server(s), "127.0.0.1")

    def test_host_name_rewrite(self):
        self.origin("127.0.0.1")
        self.dns.set("www.test", "127.0.0.1")
        s = self.start(dns_cluster(self.dns, "www.test", port=self.origin_port, kind="LOGICAL_DNS"), auto_host_rewrite=True)
        headers = json.loads(self.get(s).body)["headers"]
        self.assertIn(["host", "www.test"], headers)

    def test_extension(self):
        self.origin("127.0.0.1")
        self.dns.set("www.test", "127.0.0.1", "127.0.0.2")
        for single, n in ((True, 1), (False, 2)):
            c = cluster("o", self.origin_port)
            del c["type"]
            c["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"] = address(self.origin_port, "www.test")
            c["cluster_type"] = {"name": "envoy.clusters.dns", "typed_config": {
                "@type": T + "envoy.extensions.clusters.dns.v3.DnsCluster", "dns_lookup_family": "V4_ONLY",
                "dns_refresh_rate": "0.1s", "all_addresses_in_single_endpoint": single,
                "typed_dns_resolver_config": resolver(self.dns)}}
            s = self.start(c)
            self.assertEqual(s.stat("cluster.o.membership_total"), n)
            self.assertEqual(self.server(s), "127.0.0.1")
            s.stop()


class Against(Case):
    """The same steps with a real Envoy: the same hosts, answers, and counters that go up."""
    COUNTERS = ("cluster.o.update_success", "cluster.o.update_failure", "cluster.o.update_no_rebuild",
                "cluster.o.membership_change", "dns.cares.not_found", "dns.cares.get_addr_failure", "dns.cares.timeouts")
    GAUGES = ("cluster.o.membership_total", "cluster.o.membership_healthy")
    STEPS = ({"addresses": ["127.0.0.2", "127.0.0.1"]}, {"rcode": NXDOMAIN}, {"addresses": ["127.0.0.1"]}, {"rcode": SERVFAIL},
             {"addresses": []}, {"addresses": ["127.0.0.2"]})

    def admin(self, port, path):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        c.request("GET", path)
        text = c.getresponse().read().decode()
        c.close()
        return text

    def stats(self, port):
        return {k: int(v) for k, v in re.findall(r"^(\S+): (\d+)$", self.admin(port, "/stats"), re.M)}

    def between(self, admin):
        """The stats, if no question is under way."""
        stats = self.stats(admin)
        asked, *answered = (stats["cluster.o.update_" + x] for x in ("attempt", "success", "failure"))
        return stats if asked == sum(answered) else None

    def steps(self, port, admin):
        seen = []
        for step in self.STEPS:
            # Right after an answer was taken, so that the change falls between two of them.
            before, n = None, 0
            while not before or self.dns.count("a.test") != n + 1:
                n = self.dns.count("a.test")
                wait_for("a question", lambda: self.dns.count("a.test") > n)
                before = wait_for("its answer", lambda: self.between(admin))
            self.dns.set("a.test", *step.get("addresses", ()), rcode=step.get("rcode", 0))
            n = self.dns.count("a.test")
            # The second answer has been taken when a third question is asked.
            wait_for("three questions", lambda: self.dns.count("a.test") >= n + 3)
            answers = {curl(f"http://127.0.0.1:{port}/").status for _ in range(4)}
            after = self.stats(admin)
            hosts = sorted(set(re.findall(r"^o::(\S+?)::(?:hostname|cx_active)::", self.admin(admin, "/clusters"), re.M)))
            seen.append((step, answers, hosts, [c for c in self.COUNTERS if after[c] > before[c]], [after[g] for g in self.GAUGES]))
        return seen

    def test_steps(self):
        envoy = find_envoy()
        if not envoy:
            self.skipTest("there is no Envoy (scripts/envoy brings one)")
        for h in ("127.0.0.1", "127.0.0.2"):
            self.origin(h)
        for kind in ("STRICT_DNS", "LOGICAL_DNS"):
            self.dns.set("a.test", "127.0.0.1", "127.0.0.2")
            c = dns_cluster(self.dns, "a.test", port=self.origin_port, kind=kind, refresh="0.3s")
            theirs = Envoy(envoy, config([listener(free_port(), [route_to("o")])], [c]))
            self.addCleanup(theirs.stop)
            want = self.steps(theirs.port, theirs.admin)
            theirs.stop()
            self.dns.set("a.test", "127.0.0.1", "127.0.0.2")
            s = self.start(c)
            got = self.steps(s.port, s.admin)
            s.stop()
            for w, g in zip(want, got):
                self.assertEqual(w, g, kind)


class System(Case):
    def test_localhost_and_the_bootstrap_resolver(self):
        """/etc/hosts comes first: no server is asked."""
        self.origin("127.0.0.1")
        c = dns_cluster(self.dns, "localhost", port=self.origin_port)
        del c["typed_dns_resolver_config"]
        d = dict(dns_cluster(self.dns, "b.test", port=self.origin_port), name="p")
        del d["typed_dns_resolver_config"]
        self.dns.set("b.test", "127.0.0.1")
        conf = config([listener(free_port(), [route_to("p", "/p"), route_to("o")])], [c, d])
        conf["typed_dns_resolver_config"] = resolver(self.dns)
        s = Sallyport(conf)
        self.addCleanup(s.stop)
        self.assertEqual(self.server(s), "127.0.0.1")
        self.assertEqual(curl(f"http://127.0.0.1:{s.port}/p").status, 200)
        self.assertEqual(self.dns.count("localhost"), 0)
        self.assertGreater(self.dns.count("b.test"), 0)


class Errors(Case):
    def test_errors(self):
        conf = config([listener(free_port(), [route_to("o")])], [
            dns_cluster(self.dns, "a.test", "b.test", kind="LOGICAL_DNS"),
            dict(dns_cluster(self.dns, "https://a.test/"), name="p"),
            dict(dns_cluster(self.dns, "a.test", dns_failure_refresh_rate={"base_interval": "2s", "max_interval": "1s"}), name="q")])
        text = refused(conf)
        self.assertIn("a LOGICAL_DNS cluster has exactly one endpoint", text)
        self.assertIn('"https://a.test/" has characters that no host name has', text)
        self.assertIn("max_interval: is less than base_interval", text)


if __name__ == "__main__":
    unittest.main()
