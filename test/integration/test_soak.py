# SPDX-License-Identifier: GPL-2.0-or-later
"""
The soak: for a long time at 70 % of what the machine can do, with configs that change, good ones and bad ones, origins that are killed,
certificates that are rotated, a restart, and attackers. Every answer is looked at: its status, its origin, its body to the last byte.
In the end none was wrong, and memory and descriptors are what they were: the line through all samples of the second half is level (in runs of
ten minutes and more), and when everybody has gone, so have their connections.

SP_SOAK_S: how long (40 s; `scripts/soak` runs 30 minutes). SP_SOAK_RPS: at most so many requests a second. SP_SOAK_SEED: of what happens.
SP_SOAK_REPORT: a file for the figures, as JSON.
"""
import hashlib
import http.client
import json
import os
import random
import re
import signal
import statistics
import threading
import time
import unittest
from collections import Counter

from attackers import Attackers
from echo import Echo
from harness import (SECRET, SLOW, T, Nginx, address, ca, cert, cluster, config, downstream_tls, free_port, http_options, listener, seed_of, shield, upstream_tls,
                     wait_for, work)
from live import Live
from offered import Offered

SECONDS = float(os.environ.get("SP_SOAK_S", "40"))
MOST = float(os.environ.get("SP_SOAK_RPS", "1e9"))
SEED = seed_of("SOAK")
REPORT = os.environ.get("SP_SOAK_REPORT")
SEGMENT = 10 if SECONDS < 300 else 30
LONG = SECONDS >= 600
CERTS = [f"soak-door-{i}" for i in range(3)]
BIG = os.urandom(300000)


def origin(name, port):
    """One of a cluster's hosts: says whose it is, what it was asked, and what only this request had."""
    chain, key = cert("soak-origin")
    tls = f" ssl; ssl_certificate {chain}; ssl_certificate_key {key}; ssl_client_certificate {ca()}; ssl_verify_client on" if name == "b" else ""
    n = Nginx(f'listen 127.0.0.1:$PORT{tls}; location / {{ return 200 "{name} $request_uri $http_x_nonce\\n"; }} location /{name}/big {{ }}', port=port)
    os.mkdir(os.path.join(n.root, name))
    n.page(f"{name}/big", BIG)
    return n


class Samples:
    """Memory and descriptors of the process that serves, once a second."""

    def __init__(self, door):
        self.door, self.at, self.running = door, [], True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            door = self.door
            try:
                self.at.append((time.monotonic(), door.rss(), len(os.listdir(f"/proc/{door.pid}/fd"))))
            except (OSError, IndexError):
                pass  # it is being replaced
            time.sleep(1)

    def stop(self):
        self.running = False
        self.thread.join()

    def growth(self, column, since):
        """(what it grew by from `since` to the end, by the line through all samples; their middle)"""
        part = [s for s in self.at if s[0] >= since]
        if len(part) < 3:
            return 0, 0
        slope = statistics.linear_regression([s[0] for s in part], [s[column] for s in part]).slope
        return slope * (part[-1][0] - part[0][0]), statistics.median(s[column] for s in part)


class Careful:
    """A client that asks for what the generator cannot check: uploads, large bodies, refusals."""

    def __init__(self, port):
        self.port, self.running, self.done, self.failed, self.wrong, self.random = port, True, 0, [], [], random.Random(SEED)
        self.sum = hashlib.sha256(BIG).digest()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def ask(self, method, path, body=None, **headers):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20 * SLOW)
        try:
            c.request(method, path, body, {"x-origin-verify": SECRET, **headers}, encode_chunked=not isinstance(body, (bytes, type(None))))
            r = c.getresponse()
            return r.status, r.read()
        finally:
            c.close()

    def one(self):
        kind = self.random.randrange(5)
        if kind < 2:
            n = self.random.randrange(200000)
            body = bytes(n) if kind else iter([bytes(n)])
            status, got = self.ask("POST", f"/c/upload-{n}", body, **({} if kind else {"transfer-encoding": "chunked"}))
            said = json.loads(got) if status == 200 else {}
            return status, (said.get("body"), said.get("path"), said.get("method")), (n, f"/c/upload-{n}", "POST")
        if kind == 2:
            status, got = self.ask("GET", "/a/big")
            return status, hashlib.sha256(got).digest(), self.sum
        if kind == 3:
            status, got = self.ask("GET", "/b/big", **{"x-origin-verify": "a stranger's guess"})
            return 200 if status == 403 else status + 1000, None, None  # anything else is wrong
        status, got = self.ask("GET", "/none/such")
        return 200 if status == 404 else status + 1000, None, None

    def run(self):
        while self.running:
            try:
                status, got, want = self.one()
                if status in (502, 503, 504):
                    self.failed.append(status)
                elif status != 200 or got != want:
                    self.wrong.append((status, got, want))
            except (OSError, http.client.HTTPException) as e:
                self.failed.append(repr(e))
            self.done += 1
            time.sleep(0.05)

    def stop(self):
        self.running = False
        self.thread.join()


class Soak(unittest.TestCase):
    maxDiff = None

    def write(self, name, value):
        path = work(name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            json.dump(value, f)
        os.rename(path + ".new", path)
        return path

    def certificate(self, number):
        chain, key = cert(CERTS[number % len(CERTS)])
        self.write("soak-sds.json", {"version_info": str(number), "resources": [{
            "@type": T + "envoy.extensions.transport_sockets.tls.v3.Secret", "name": "door",
            "tls_certificate": {"certificate_chain": {"filename": chain}, "private_key": {"filename": key}}}]})

    def conf(self, number):
        again = {"retry_on": "5xx,reset,connect-failure,refused-stream", "num_retries": 5, "per_try_timeout": "2s",
                 "retry_back_off": {"base_interval": "0.01s", "max_interval": "0.1s"}, "host_selection_retry_max_attempts": 5,
                 "retry_host_predicate": [{"name": "previous", "typed_config": {
                     "@type": T + "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"}}]}
        routes = [{"match": {"prefix": f"/{c}/"}, "response_headers_to_add": [{"header": {"key": "x-version", "value": str(number)}}],
                   "route": {"cluster": c, "timeout": "15s", **({"retry_policy": again} if c != "c" else {})}} for c in "abc"]
        gate = shield(proof={"secret_header": {"secrets": [{"name": "now", "value": {"inline_string": SECRET}},
                                                           {"name": "next", "value": {"inline_string": f"the-secret-of-version-{number:06}"}}]}})
        hcm = {"request_headers_timeout": "2s", "stream_idle_timeout": "20s", "common_http_protocol_options": {"idle_timeout": "20s"}}
        tls = downstream_tls(CERTS[0])
        common = tls["typed_config"]["common_tls_context"]
        del common["tls_certificates"]
        common["tls_certificate_sds_secret_configs"] = [{"name": "door", "sds_config": {"path_config_source": {"path": work("soak-sds.json")}}}]
        listeners = [listener(self.plain, routes, [gate], hcm=hcm, name="plain", stat_prefix="plain"),
                     listener(self.tls, routes, [gate], tls=tls, hcm=hcm, name="tls", stat_prefix="tls")]
        if number % 3 == 1:  # comes and goes
            listeners.append(listener(self.extra, routes, name="extra"))
        many = {"max_connections": 5000, "max_pending_requests": 5000, "max_requests": 5000, "max_retries": 5000}
        outlier = {"interval": "0.5s", "base_ejection_time": "0.5s", "max_ejection_time": "1s", "consecutive_gateway_failure": 3,
                   "enforcing_consecutive_gateway_failure": 100, "max_ejection_percent": 50}
        http1 = http_options(common_http_protocol_options={"idle_timeout": "3s"})  # those that a burst needed go again
        more = {"circuit_breakers": {"thresholds": [many]}, "outlier_detection": outlier, "typed_extension_protocol_options": http1}
        clusters = [cluster("a", *self.ports["a"], **more), cluster("b", *self.ports["b"], tls=upstream_tls(), **more),
                    cluster("c", self.echo.port)]
        if number % 4 == 3:
            clusters.append(cluster("unused", self.ports["a"][0]))
        c = config(listeners, clusters, admin=self.admin)
        monitors = T + "envoy.extensions.resource_monitors."
        c["overload_manager"] = {"resource_monitors": [
            {"name": "heap", "typed_config": {"@type": monitors + "fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": 1 << 30}},
            {"name": "late", "typed_config": {"@type": T + "sallyport.resource_monitors.v1.WorkerDelayConfig", "max_delay": f"{2 * SLOW}s"}}]}
        return c

    def setUp(self):
        self.random = random.Random(SEED)
        self.plain, self.tls, self.extra, self.admin = (free_port() for _ in range(4))
        self.ports = {c: [free_port(), free_port()] for c in "ab"}
        for c in CERTS:
            cert(c)
        self.certificate(0)
        self.origins = {(c, i): origin(c, p) for c in "ab" for i, p in enumerate(self.ports[c])}
        self.addCleanup(lambda: [o.kill() for o in self.origins.values()])
        self.echo = Echo()
        self.addCleanup(self.echo.stop)
        self.number, self.happened, self.epoch = 0, Counter(), 0
        self.hot = work("soak-hot.sock")
        self.doors = []
        self.door = self.start()

    def start(self):
        door = Live(self.conf(self.number), "-l", "error", "--hot-restart", self.hot, "--drain-time-s", "5", wait=False)
        door.admin = self.admin
        self.addCleanup(door.kill)
        self.doors.append(door)
        wait_for("the door to open", door.is_ready, 30)
        return door

    # --- what happens meanwhile

    def good_config(self):
        self.number += 1
        self.door.change(self.conf(self.number))

    def bad_config(self):
        conf = self.conf(self.number + 1)
        kind = self.random.randrange(3)
        if kind == 0:
            conf = json.dumps(conf)[:-5]
        elif kind == 1:
            conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["no_such"] = self.number
        else:
            conf["static_resources"]["clusters"][0]["lb_policy"] = "NO_SUCH"
        self.door.change(conf, ok=False)

    def kill_origin(self):
        which = self.random.choice(sorted(self.origins))
        self.origins[which].kill()
        time.sleep(self.random.uniform(0.2, 1.5))
        self.origins[which] = origin(which[0], self.ports[which[0]][which[1]])
        time.sleep(1.5 * SLOW)  # it is known to be well before the other one goes

    def freeze_origin(self):
        o = self.origins[self.random.choice(sorted(self.origins))]
        o.signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 0.8))
        o.signal(signal.SIGCONT)
        time.sleep(1)

    def rotate(self):
        self.certificate(self.number + self.happened["rotate"] + 1)

    def restart(self):
        old = self.door
        new = self.start()
        wait_for("the old process to end", lambda: old.p.poll() is not None, 30)
        self.assertEqual(old.p.returncode, 0, old.log())
        self.door = self.samples.door = new

    def story(self):
        """Something all the time, each kind as often as any other; the restart once, in the first third."""
        deck, restart_at = [], self.began + SECONDS * 0.25
        try:
            while time.monotonic() < self.end - 4 * SLOW:
                if not self.happened["restart"] and time.monotonic() > restart_at:
                    what = "restart"
                else:
                    deck = deck or self.random.sample(["good_config", "bad_config", "kill_origin", "freeze_origin", "rotate"], 5)
                    what = deck.pop()
                getattr(self, what)()
                self.happened[what] += 1
                time.sleep(self.random.uniform(0.3, 1.5))
        except Exception as e:  # pylint: disable=broad-except
            self.trouble.append(e)

    # --- the load

    def paths(self):
        name = work("soak.paths")
        with open(name, "w", encoding="ascii") as f:
            for i in range(500):
                f.write(f"/{'ab'[i % 2]}/{i}/{'x' * (i % 90)}?q={i}\n")
        return name

    def load(self, seconds, rate):
        """Both protocols at once; `rate` 0: as much as they can. What came of it, added up."""
        field = ("--field", f"x-origin-verify: {SECRET}", "--paths", self.paths(), "--echo", "--shed", 503)
        share = (("--rate", rate / 2),) * 2 if rate else ((),) * 2
        few = rate == 0
        runs = [Offered(self.plain, seconds, "--h1", "--conns", 16 if few else 128, *field, *share[0]),
                Offered(self.tls, seconds, "--conns", 4 if few else 8, "--streams", 16, *field, *share[1])]
        total = Counter()
        for r in (x.result() for x in runs):
            for k in ("asked", "done", "good", "shed", "skipped", "failed", "retried", "wrong_status", "wrong_length", "wrong_body", "goaways"):
                total[k] += r[k]
            total["p99_us"] = max(total["p99_us"], r["p99_us"])
            if r["first_error"]:
                self.errors[re.sub(r"\d+", "N", r["first_error"])[:100]] += 1
        total["good"] -= total["wrong_body"]
        return total

    def test_soak(self):
        print(f"soak: {SECONDS:.0f} s", flush=True)
        self.errors, self.trouble, total = Counter(), [], Counter()
        capacity = max(self.load(2, 0)["good"] / 2 for _ in range(2))
        rate = min(MOST, 0.7 * capacity)
        print(f"soak: as fast as it goes {capacity:.0f} requests/s; from now on {rate:.0f}", flush=True)
        self.samples, self.began = Samples(self.door), time.monotonic()
        self.end = self.began + SECONDS
        careful, attackers = Careful(self.plain), Attackers(self.plain, self.tls, SEED)
        story = threading.Thread(target=self.story, daemon=True)
        story.start()
        segments = 0
        while time.monotonic() < self.end and not self.trouble:
            seconds = max(3, min(SEGMENT, round(self.end - time.monotonic())))
            r = self.load(seconds, rate)
            worst = max(total["p99_us"], r["p99_us"])
            total.update(r)
            total["p99_us"] = worst
            segments += 1
            at = self.samples.at[-1] if self.samples.at else (0, 0, 0)
            print(f"soak: {(time.monotonic() - self.began) / 60:.1f} of {SECONDS / 60:.1f} min: {r['good'] / seconds:.0f}/s good, {r['shed']} shed, "
                  f"{r['failed']} failed, {r['skipped']} skipped, p99 {r['p99_us'] / 1000:.0f} ms, {at[1] / (1 << 20):.1f} MiB, {at[2]} descriptors; "
                  f"so far {total['wrong_status'] + total['wrong_body'] + len(careful.wrong) + len(attackers.wrong)} wrong", flush=True)
            if r["skipped"] > 0.05 * r["asked"]:  # others have the machine: 70 % of what is left
                rate *= 0.85
                print(f"soak: there is less to have: {rate:.0f} requests/s", flush=True)
            elif rate < min(MOST, 0.7 * capacity) and not r["skipped"]:
                rate *= 1.05
        story.join()
        for x in (careful, attackers):
            x.stop()
        self.samples.stop()
        self.judge(total, capacity, careful, attackers)

    def judge(self, total, capacity, careful, attackers):
        half = self.began + SECONDS / 2
        memory, middle = self.samples.growth(1, half)
        fds, some = self.samples.growth(2, half)
        wrong = total["wrong_status"] + total["wrong_body"] + total["wrong_length"]
        lost = total["shed"] + total["failed"]
        figures = {"seconds": SECONDS, "seed": SEED, "capacity": round(capacity), "answers": total["good"], "per_second": round(total["good"] / SECONDS),
                   "wrong": wrong, "wrong_careful": len(careful.wrong), "wrong_attackers": len(attackers.wrong), "careful": careful.done,
                   "failed": total["failed"], "shed": total["shed"], "careful_failed": len(careful.failed), "p99_ms": total["p99_us"] / 1000,
                   "happened": dict(self.happened), "attacks": sum(attackers.done.values()), "memory_mib": round(middle / (1 << 20), 1),
                   "memory_grew_mib": round(memory / (1 << 20), 2), "descriptors": some, "descriptors_grew": round(fds, 1), "errors": dict(self.errors)}
        print("soak: " + json.dumps(figures), flush=True)
        if REPORT:
            with open(REPORT, "w", encoding="utf-8") as f:
                json.dump(figures, f, indent=1)
        self.assertEqual(self.trouble, [])
        self.assertEqual((wrong, careful.wrong[:3], attackers.wrong[:3]), (0, [], []), self.errors)
        self.assertLessEqual(lost, max(20, total["done"] // 1000), self.errors)
        self.assertLessEqual(len(careful.failed), max(5, careful.done // 50), careful.failed[:5])
        self.assertEqual(self.happened["restart"], 1)
        if SLOW == 1:  # sanitizers keep what was freed
            self.assertLess(memory, max(middle * 0.03, 3 << 20) if LONG else 16 << 20)  # a short one is over before it has come to rest
        if LONG:
            self.assertLess(fds, max(some * 0.1, 30))
        wait_for("connections and requests to end", lambda: not any(
            v for k, v in self.door.stats().items() if re.search(r"\.downstream_(cx|rq)_active$", k) and "admin" not in k), 40)
        wait_for("descriptors to be given back", lambda: len(os.listdir(f"/proc/{self.door.pid}/fd")) < 150, 30)
        for d in self.doors:
            self.assertNotRegex(d.log(), "Sanitizer|assert|Assertion")
        self.assertEqual(self.door.stop(30), 0, self.door.log())


if __name__ == "__main__":
    unittest.main()
