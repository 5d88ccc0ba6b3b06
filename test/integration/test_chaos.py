# SPDX-License-Identifier: GPL-2.0-or-later
"""
Origins that fail, move and slow down under a steady load: three of them, of which one or two at a time are killed, frozen, slowed, reset,
made to answer 503, given other certificates, taken out of DNS or EDS, while the config and the door's own certificate change too.
Of the requests that may be sent again fewer than 1 in 10,000 fails; a POST, for which only retries before sending are allowed, is
never sent twice.

SP_CHAOS_S: how long (25 s; `scripts/chaos` runs it long). SP_CHAOS_RPS: requests a second (250). SP_CHAOS_SEED: of the faults
(fixed; at random where SP_CHAOS_S is said). A short run is on a machine that has other things to do: two that fail are none.
"""
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import unittest
from collections import Counter

from fake_dns import FakeDns
from harness import (ROOT, SLOW, T, Proc, address, ca, cert, connects, config, downstream_tls, free_port, listener, log_lines, seed_of, wait_for, work)
from live import Live

SECONDS = int(os.environ.get("SP_CHAOS_S", "25"))
RPS = int(os.environ.get("SP_CHAOS_RPS", "250")) // max(1, round(SLOW))
SEED = seed_of("CHAOS", 16)  # within ten seconds: 503s, refused streams, an untrusted certificate, half heads
LONG = SECONDS >= 100
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
UNTRUSTED = "chaos-stranger"


class Origin:
    """chaos_origin.py at one address, restarted when it was killed. `well`: nothing has been done to it."""

    def __init__(self, host, port, number):
        self.host, self.port, self.number, self.proc = host, port, number, None
        self.log, self.name, self.generation = work(f"chaos-{number}.posts"), f"origin-{number}", 0
        self.start()

    def certificate(self):
        """The next one: of two CAs by turns, as in a CA's replacement."""
        self.generation += 1
        return cert(f"{self.name}-{self.generation % 4}", san="DNS:localhost", by="ca" if self.generation % 2 else "ca2")

    def start(self):
        chain, key = self.certificate()
        self.proc = Proc(self.name, ["/bin/true"])
        self.proc.p.wait()
        self.proc.p = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "test/integration/lib/chaos_origin.py"), self.host, str(self.port), self.name, chain, key,
             work("trust.pem"), self.log, str(SEED)], stdin=subprocess.PIPE, stdout=self.proc.file, stderr=subprocess.STDOUT, text=True)
        wait_for("an origin", lambda: connects(self.port, self.host))

    def say(self, line):
        self.proc.p.stdin.write(line + "\n")
        self.proc.p.stdin.flush()

    def kill(self):
        self.proc.p.stdin.close()
        self.proc.kill()


# --- what is done to an origin: a pair of what begins it and what ends it

def mode(word):
    return (lambda o: o.say(word)), (lambda o: o.say("ok"))


def other_certificate(o):
    o.say("certificate " + " ".join(o.certificate()))
    o.say("away")  # new connections, so that it is seen


def stranger(o):
    o.say("certificate " + " ".join(cert(UNTRUSTED, san="DNS:localhost", by="chaos-unknown-ca")))
    o.say("away")


def friend(o):
    other_certificate(o)
    o.say("ok")


FAULTS = {
    "killed": (Origin.kill, Origin.start),
    "frozen": (lambda o: o.proc.signal(signal.SIGSTOP), lambda o: o.proc.signal(signal.SIGCONT)),
    "new certificate": (other_certificate, lambda o: o.say("ok")),
    "untrusted certificate": (stranger, friend),
    **{word: mode(word) for word in ("slow", "bad", "flaky", "reset", "refuse", "cut", "hang", "away", "deaf")},
}


class Load:
    """h2load with so many requests a second; POSTs have a path each."""

    def __init__(self, port, name, rps, paths, *args):
        path = work(f"{name}.uris")
        with open(path, "w", encoding="ascii") as f:
            f.writelines(f"https://127.0.0.1:{port}{p}\n" for p in paths)
        # At less than 100 a client h2load keeps no pace; each client begins with the first path.
        self.name, clients = name, max(1, rps // 100) if len(paths) < 10 else 1
        self.p = subprocess.Popen(["h2load", "-c", str(clients), "-m", "20", "-D", str(SECONDS), "--rps", f"{max(1, rps // clients)}", "-t", "1", "-T",
                                   "30s", "-i", path, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        """(done, failed)"""
        text = self.p.communicate()[0]
        m = re.search(r"requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout", text)
        assert m, text
        print(f"chaos: {self.name}: {m[0]}; {re.search('status codes: .*', text)[0]}; {re.search('time for request: .*', text)[0]}")
        return int(m[1]), int(m[3])


class Chaos(unittest.TestCase):
    maxDiff = None

    def write(self, name, value):
        path = work(name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(value if isinstance(value, str) else json.dumps(value))
        os.rename(path + ".new", path)
        return path

    def assignment(self, hosts):
        return self.write("eds.json", {"version_info": str(time.time()), "resources": [{
            "@type": T + "envoy.config.endpoint.v3.ClusterLoadAssignment", "cluster_name": "eds",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(self.port, h)}} for h in hosts]}]}]})

    def client_certificate(self, number):
        chain, key = cert(f"chaos-client-{number % 3}", by="ca" if number % 2 else "ca2")
        return self.write("sds.json", {"version_info": str(number), "resources": [{
            "@type": T + "envoy.extensions.transport_sockets.tls.v3.Secret", "name": "client",
            "tls_certificate": {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}}]})

    def cluster(self, name, http, **more):
        tls = {"@type": T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext", "sni": "localhost", "common_tls_context": {
            "tls_certificate_sds_secret_configs": [{"name": "client", "sds_config": {"path_config_source": {"path": work("sds.json")}}}],
            "validation_context": {"trusted_ca": {"filename": work("trust.pem")},
                                   "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": "localhost"}}]}}}
        options = T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
        many = {"max_connections": 5000, "max_pending_requests": 5000, "max_requests": 5000, "max_retries": 5000}
        return {
            "name": name, "connect_timeout": "2s", "close_connections_on_host_health_failure": True,
            "transport_socket": {"name": "tls", "typed_config": tls}, "circuit_breakers": {"thresholds": [many]},
            "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": options, **http}},
            "health_checks": [{"timeout": "1s", "interval": "0.5s", "unhealthy_threshold": 2, "healthy_threshold": 1, "no_traffic_interval": "0.5s",
                               "http_health_check": {"path": "/health", "codec_client_type": "HTTP2" if "auto_config" in http else "HTTP1"}}],
            "outlier_detection": {"interval": "1s", "base_ejection_time": "1s", "consecutive_5xx": 5, "consecutive_gateway_failure": 3,
                                  "enforcing_consecutive_gateway_failure": 100, "max_ejection_percent": 67, "max_ejection_time": "2s"},
            **more}

    def conf(self, number):
        again = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": 5, "per_try_timeout": "2s",
                 "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.1s"}, "host_selection_retry_max_attempts": 5,
                 "retry_host_predicate": [{"name": "previous", "typed_config": {
                     "@type": T + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}
        before = {"retry_on": "connect-failure,refused-stream,reset-before-request", "num_retries": 5, "per_try_timeout": "3s"}
        routes = []
        for c in ("eds", "dns"):
            get = {"prefix": f"/{c}/", "headers": [{"name": ":method", "string_match": {"exact": "GET"}}]}
            # The config's version; a change that drained connections would be h2load's end.
            version = {"response_headers_to_add": [{"header": {"key": "x-version", "value": str(number)}}]}
            routes += [{**version, "match": get, "route": {"cluster": c, "timeout": "20s", "retry_policy": again}},
                       {"match": {"prefix": f"/{c}/"}, "route": {"cluster": c, "timeout": "15s", "retry_policy": before}}]
        log = [{"name": "failures", "filter": {"status_code_filter": {"comparison": {"op": "GE", "value": {
            "default_value": 400, "runtime_key": "x"}}}}, "typed_config": {
                "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": work("chaos.log"), "log_format": {"json_format": {
                    "at": "%START_TIME(%s.%3f)%", "status": "%RESPONSE_CODE%", "details": "%RESPONSE_CODE_DETAILS%", "flags": "%RESPONSE_FLAGS%",
                    "method": "%REQ(:METHOD)%", "path": "%REQ(:PATH)%", "upstream": "%UPSTREAM_HOST%", "ms": "%DURATION%",
                    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%", "why": "%UPSTREAM_TRANSPORT_FAILURE_REASON%"}}}}]
        hcm = {"access_log": log}
        eds = self.cluster("eds", {"auto_config": {"http2_protocol_options": {}}}, type="EDS", eds_cluster_config={"eds_config": {"path_config_source": {"path": work("eds.json")}}})
        dns = self.cluster("dns", {"explicit_http_config": {"http_protocol_options": {}}}, type="STRICT_DNS", dns_lookup_family="V4_ONLY", dns_refresh_rate="0.2s", typed_dns_resolver_config={
            "name": "envoy.network.dns_resolver.cares", "typed_config": {
                "@type": T + "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig", "resolvers": [address(self.dns.port)]}},
            load_assignment={"cluster_name": "dns", "endpoints": [{"lb_endpoints": [
                {"endpoint": {"address": address(self.port, "origin.test")}}]}]})
        return config([listener(self.door, routes, tls=downstream_tls("chaos-door"), hcm=hcm)], [eds, dns])

    def setUp(self):
        ca(), ca("ca2"), ca("chaos-unknown-ca")
        with open(work("trust.pem"), "wb") as out:
            for name in ("ca.pem", "ca2.pem"):
                with open(work(name), "rb") as f:
                    shutil.copyfileobj(f, out)
        for n in range(3):
            self.client_certificate(n)
        self.random, self.port, self.door = random.Random(SEED), free_port(), free_port()
        self.dns = FakeDns()
        self.addCleanup(self.dns.stop)
        self.dns.set("origin.test", *HOSTS)
        self.assignment(HOSTS)
        self.origins = [Origin(h, self.port, n) for n, h in enumerate(HOSTS)]
        for o in self.origins:
            for _ in range(4):  # openssl takes its time
                o.certificate()
            self.addCleanup(o.kill)
        self.server = Live(self.conf(0), "-l", "warning", "--drain-time-s", "5")
        self.addCleanup(self.server.stop)

    def move(self, faults):
        """Something that operators do meanwhile. Two origins stay, and one of these is well."""
        r, n = self.random, self.random.randrange(1000)
        hosts, ill = [o.host for o in self.origins], [o for _, o in faults]
        if r.randrange(3):
            hosts.remove(r.choice(ill if len(ill) > 1 else self.origins).host)
        r.shuffle(hosts)
        what = r.choice(("eds", "dns", "client certificate", "config"))
        if what in ("eds", "dns"):
            self.sets[what] = hosts
        if what == "eds":
            self.assignment(hosts)
        elif what == "dns":
            self.dns.set("origin.test", *hosts)
        elif what == "client certificate":
            self.client_certificate(n)
        else:
            self.server.write(self.conf(n))
        return what

    def storm(self, end):
        """Until `end`: a fault after the other, each kind as often as any other."""
        done, deck = Counter(), []
        while time.monotonic() < end - 2.5 * SLOW:
            deck = deck or self.random.sample(sorted(FAULTS), len(FAULTS))
            fault, (ill, too, well) = deck.pop(), self.random.sample(self.origins, 3)
            faults = [(fault, ill)]
            if self.random.randrange(4) == 0 and all(well.host in hosts for hosts in self.sets.values()):
                faults.append((self.random.choice(sorted(FAULTS)), too))
            for f, o in faults:
                FAULTS[f][0](o)
                done[f] += 1
            moved = self.move(faults)
            self.story.append((round(time.time(), 2), [(f, o.host) for f, o in faults], moved, dict(self.sets)))
            time.sleep(self.random.uniform(0.5, 2) * SLOW)
            for f, o in faults:
                FAULTS[f][1](o)
            done[moved] += 1
            done[self.move(())] += 1
            self.recover(end)
        return done

    def recover(self, end):
        """All hosts are known to be well again, for at least as long as DNS takes: else two faults are one that takes out more."""
        names = [(f"cluster.{c}.membership_total", f"cluster.{c}.membership_healthy") for c in self.sets]
        time.sleep(0.4 * SLOW)
        while time.monotonic() < end:
            stats = self.server.stats()
            if all(stats[total] == stats[healthy] == len(self.sets[total.split(".")[1]]) for total, healthy in names):
                return
            time.sleep(0.1)

    def posts(self):
        """How often each POST came to an origin."""
        n = Counter()
        for o in self.origins:
            with open(o.log, encoding="ascii") as f:
                n.update(line.strip() for line in f)
        return n

    def test_origins_fail_and_nobody_notices(self):
        print(f"chaos: {SECONDS:.0f} s, {RPS} requests/s")
        self.story, self.sets, n = [], {"eds": HOSTS, "dns": HOSTS}, SECONDS * RPS
        with open(work("chaos.body"), "w", encoding="ascii") as f:
            f.write("x" * 300)
        gets = [Load(self.door, "gets-eds", RPS * 4 // 10, ["/eds/a", "/eds/b"]), Load(self.door, "gets-dns", RPS * 3 // 10, ["/dns/a"]),
                Load(self.door, "gets-http1", RPS * 2 // 10, ["/eds/c", "/dns/c"], "--h1")]
        posts = Load(self.door, "posts", RPS // 10, [f"/{'eds' if i % 2 else 'dns'}/{i}" for i in range(n)], "-d", work("chaos.body"))
        done = self.storm(time.monotonic() + SECONDS)
        results = [load.result() for load in gets]
        sent, lost = posts.result()
        total, failed = (sum(x) for x in zip(*results))
        time.sleep(1.2)
        failures = log_lines(work("chaos.log"))
        print(f"chaos: {dict(done)}; {total} GETs, {failed} failed; {sent} POSTs, {lost} failed; "
              f"{Counter((f['method'], f['status'], f['details'][:60]) for f in failures).most_common(12)}")
        get_failures = [f for f in failures if f["method"] == "GET"]
        self.assertLessEqual(failed, max(total // 10000, 0 if LONG else 2), self.tell(get_failures))
        self.assertGreater(total, SECONDS * RPS * 0.9 * (0.7 if LONG else 0.3))
        twice = [p for p, k in self.posts().items() if k > 1]
        self.assertEqual(twice, [], self.tell(failures))
        self.assertLess(lost, sent * (0.2 if LONG else 0.4), self.tell(failures))
        self.assertGreaterEqual(len(self.posts()), sent - lost)
        self.noticed(done)

    def tell(self, failures):
        """The seed, the first failures, and what was done to whom in their time."""
        if not failures:
            return f"seed {SEED}, no failure in the log: the client's own"
        at = min(float(f["at"]) for f in failures)
        return "\n".join([f"seed {SEED}", *map(str, failures[:8]), *(str(s) for s in self.story if at - 12 < s[0] < at + 3)])

    def noticed(self, done):
        """The faults were real: each left its traces; and nothing is left over."""
        stats = self.server.stats()

        def both(name):
            return sum(stats.get(f"cluster.{c}.{name}", 0) for c in ("eds", "dns"))
        self.assertGreater(both("upstream_rq_retry_success"), 0)
        self.assertGreater(both("health_check.failure"), 0)
        self.assertGreater(both("outlier_detection.ejections_enforced_total"), 0)
        if done["eds"] + done["dns"]:
            self.assertGreater(both("membership_change"), 2)
        if any(f == "untrusted certificate" and all(host in hosts for hosts in sets.values()) for _, faults, _, sets in self.story for f, host in faults):
            self.assertGreater(both("ssl.fail_verify_error") + both("ssl.connection_error"), 0)
        wait_for("all requests to have ended", lambda: not any(
            self.server.stat(f"cluster.{c}.{name}") for c in ("eds", "dns") for name in ("upstream_rq_active", "upstream_rq_pending_active")))


if __name__ == "__main__":
    unittest.main()
