# SPDX-License-Identifier: GPL-2.0-or-later
"""One measurement: a subject is started, checked, warmed, loaded and counted, ended."""
import copy
import os
import statistics
import threading
import time
import urllib.request

import checks
import load
import procs
import subjects
from procs import Cpu, Failed

IDLE_LOOK = 3          # seconds that idle connections are watched
GIVE_BACK = 10         # seconds in which memory of closed connections may go back
SETTLE = 1.0           # seconds before memory is read


class Bench:
    """What all measurements share: origins, materials, programs, directory."""

    def __init__(self, directory, goods, origins, programs, binary):
        self.dir, self.goods, self.origins, self.programs, self.binary, self.shields = directory, goods, origins, programs, binary, {}

    def env(self, variant=None):
        size = (variant.cidrs, variant.routes) if variant else (500, 200)
        if size not in self.shields:
            self.shields[size] = self.goods.shield(*size, self.origins.clusters, f"shield-{size[0]}-{size[1]}")
        return {**self.goods.env, **self.shields[size], **(variant.env if variant else {})}

    def subject(self, name, variant=None):
        where = os.path.join(self.dir, "subject")
        if name in subjects.OTHERS:
            return subjects.OTHERS[name](where)
        subject = subjects.Sallyport(where, self.binary, variant.workers if variant else 1)
        if variant and variant.cpu:
            subject.cpus = {procs.LOAD_CPU if variant.cpu == "load's" else procs.SUBJECT_CPU}
        elif variant and variant.workers > 1:
            subject.cpus = set(procs.CPUS[:variant.workers])
        return subject


class Scrape(threading.Thread):
    """Fetches a subject's stats each second, as a monitoring system does."""

    def __init__(self, env):
        super().__init__(daemon=True)
        self.url, self.over, self.answers = f"http://127.0.0.1:{env['ADMIN_PORT']}/stats/prometheus", threading.Event(), 0
        self.longest_s, self.bytes = None, 0

    def run(self):
        while not self.over.wait(1 if self.answers else 0.1):
            began = time.monotonic()
            self.bytes = len(urllib.request.urlopen(self.url, timeout=5).read())
            self.longest_s = max(self.longest_s or 0, time.monotonic() - began)
            self.answers += self.bytes > 0


def for_variant(scenario, variant):
    s = copy.copy(scenario)
    if variant:
        s.profile, s.conns = variant.profile or s.profile, variant.conns or s.conns
    return s


def run(bench, scenario, name, variant, seconds):
    """The figures of one measurement, as a dict."""
    s = for_variant(scenario, variant)
    subject = bench.subject(name, variant)
    if s.name == "start":
        return start_up(bench, s, subject, variant)
    subject.start(s, bench.env(variant))
    try:
        checks.check(s, subject)
        if seconds == 0:
            return {}
        return hold(bench, s, subject) if s.connections == "hold" else timed(bench, s, subject, seconds)
    finally:
        subject.stop()


def start_up(bench, s, subject, variant):
    env, before = bench.env(variant), time.monotonic()
    try:
        subject.start(s, env)
        took = time.monotonic() - before
        checks.check(s, subject)
    finally:
        subject.stop()
    return {"start_s": took}


def generator(bench, s, subject, seconds):
    return load.Load(bench.programs["load"], load.arguments(s, subject.env, subject.port(s), seconds), {procs.LOAD_CPU})


def warm_up(bench, s, subject, seconds):
    one = generator(bench, s, subject, seconds)
    try:
        one.ready()
        one.go()
        one.result(seconds + 30)
    finally:
        one.close()


def reloads(s, subject, seconds):
    """Changes the config each second until `seconds` are over; how often."""
    start, count = time.monotonic(), 0
    while (due := start + 0.5 + count) < start + seconds - 0.2:
        time.sleep(max(0, due - time.monotonic()))
        subject.reload(s.profile)
        count += 1
    return count


class Span:
    """Everything that is counted, at the two ends of a run."""

    def __init__(self, bench, subject):
        self.bench, self.root = bench, subject.process.pid
        self.before = self._look()

    def _look(self):
        requests, bodies = self.bench.origins.counts()
        own = os.times()
        return {"cpu": Cpu(self.root), "origins": self.bench.origins.cpu(), "requests": requests, "bodies": bodies,
                "busy": procs.machine_busy(), "self": own.user + own.system, "time": time.monotonic()}

    def end(self):
        a, b = self.before, self._look()
        return {"cpu": b["cpu"] - a["cpu"], "origins": sum((y - x)["total"] for x, y in zip(a["origins"], b["origins"])),
                **{k: b[k] - a[k] for k in ("requests", "bodies", "busy", "self", "time")}}


def timed(bench, s, subject, seconds):
    warm_up(bench, s, subject, min(0.7, seconds))
    one = generator(bench, s, subject, seconds)
    scrape = Scrape(subject.env) if subject.env.get("EVERYTHING") or subject.env.get("SCRAPE") else None
    try:
        one.ready()
        time.sleep(0.1)
        span, changes = Span(bench, subject), 0
        one.go()
        if scrape:
            scrape.start()
        if s.reload:
            changes = reloads(s, subject, seconds)
        out = one.result(seconds + 30)
        used = span.end()
        resident, most = procs.memory(subject.process.pid)
    finally:
        one.close()
        if scrape:
            scrape.over.set()
    proof(s, subject, out, used, changes, scrape)
    done, cpu = out["done"], used["cpu"]
    bytes_moved = done * (s.upload or s.length or 0)
    return {"cpu_us": cpu["total"] * 1e6 / done, "user_us": cpu["user"] * 1e6 / done, "system_us": cpu["system"] * 1e6 / done,
            "cpu_source": cpu["source"], "rps": done / out["seconds"], "p50_us": out["p50_us"], "p99_us": out["p99_us"], "done": done,
            "scrape_s": scrape and scrape.longest_s, "failed": bad(out), "retried": out["retried"], "reloads": changes, "resident": resident, "most": most,
            "cpu_s_per_gb": cpu["total"] / bytes_moved * 1e9 if bytes_moved >= done << 19 else None, "util": cpu["total"] / used["time"],
            "foreign": max(0.0, (used["busy"] - cpu["total"] - used["origins"] - used["self"] - out["cpu_s"]) / used["time"])}


def bad(out):
    return out["wrong_status"] + out["wrong_length"] + out["failed"] + out["unfinished"]


def proof(s, subject, out, used, changes, scrape):
    """The answers were right, and the origin has seen what it must have seen: nothing came out of a cache or a short cut."""
    done = out["done"]
    checks.expect(done > 0, f"nothing was answered: {out['first_error']}")
    checks.expect(bad(out) <= (0 if s.reload else done / 1000), f"{bad(out)} of {done} requests failed: {out['first_error']}")
    if s.status == 200:
        checks.expect(used["requests"] >= 0.99 * done, f"the origin saw {used['requests']} of {done} requests")
    else:
        checks.expect(used["requests"] <= 0.001 * done, f"the origin saw {used['requests']} refused requests")
    if s.upload:
        checks.expect(used["bodies"] >= done * s.upload, "the origin got fewer bytes than were answered for")
    if s.connections == "fresh":
        checks.expect(out["resumed"] == 0 and out["handshakes"] >= done, "not every request had a full handshake")
    if s.connections == "resume":
        checks.expect(out["resumed"] >= 0.99 * done, f"{out['resumed']} of {done} connections were resumed")
    if s.reload:
        time.sleep(0.5)
        checks.Check(s, subject).reload()
        checks.expect(changes > 0, "nothing was reloaded")
    checks.expect(scrape is None or scrape.answers > 0 or used["time"] < 1, "no stats were fetched")


def hold(bench, s, subject):
    """Memory and CPU of connections that wait, and what is left of the memory when they are gone."""
    root = subject.process.pid
    time.sleep(SETTLE)
    empty, _ = procs.memory(root)
    setup = Cpu(root)
    one = generator(bench, s, subject, 1)
    try:
        first = one.result(60)
        setup = Cpu(root) - setup
        time.sleep(SETTLE)
        full, most = procs.memory(root)
        idle = Cpu(root)
        time.sleep(IDLE_LOOK)
        idle = (Cpu(root) - idle)["total"] / IDLE_LOOK
        one.go()
        last = one.result(30)
    finally:
        one.close()
    checks.expect(first["open"] >= 0.99 * s.conns and first["done"] >= 0.99 * s.conns, f"{first['open']} connections: {first['first_error']}")
    checks.expect(last["open"] >= 0.99 * s.conns, f"only {last['open']} of {s.conns} idle connections stayed")
    end = time.monotonic() + GIVE_BACK
    while (after := procs.memory(root)[0]) > 1.1 * empty and time.monotonic() < end:
        time.sleep(0.5)
    return {"bytes_per_conn": (full - empty) / first["open"], "idle_cpu": idle, "setup_us": setup["total"] * 1e6 / first["open"],
            "empty": empty, "most": most, "after": after, "after_ratio": after / empty, "failed": bad(first)}


def median(rounds, key):
    return statistics.median(r[key] for r in rounds)
