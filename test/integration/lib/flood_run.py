# SPDX-License-Identifier: GPL-2.0-or-later
"""
Measures a good client of a door while it is attacked.

The good client is this process, on one TLS connection of its own, a request every few milliseconds. The attackers are other processes with less
priority, so that it is the door that they burden and not the machine. Of each request's time that part is taken off in which
a thread that had to work for it (the client, the worker, the origin) was ready to run and the machine ran somebody else (/proc/PID/schedstat): so a
loaded machine measures as a quiet one does. What the door itself makes a request wait for counts in full.
"""
import collections
import json
import os
import select
import signal
import socket
import ssl
import time

from harness import SLOW


class Waits:
    """How long some threads have waited for a processor, in seconds."""

    def __init__(self, *tasks):
        self.files = [open(f"/proc/{pid}/task/{tid}/schedstat", "rb", buffering=0) for pid, tid in tasks]

    def now(self):
        total = 0
        for f in self.files:
            f.seek(0)
            total += int(f.read(100).split()[1])
        return total / 1e9

    def close(self):
        for f in self.files:
            f.close()


def worker_of(door):
    """The thread that serves: there is one worker."""
    for tid in os.listdir(f"/proc/{door.pid}/task"):
        with open(f"/proc/{door.pid}/task/{tid}/comm", encoding="ascii") as f:
            name = f.read().strip()
        if name == "worker_0":
            return int(tid)
    raise AssertionError("no worker among the threads")


def cpu_of(door, tid):
    with open(f"/proc/{door.pid}/task/{tid}/schedstat", encoding="ascii") as f:
        return int(f.read().split()[0]) / 1e9


class Good:
    """Asks for a page again and again; what it gets must be that page."""

    def __init__(self, port, waits):
        self.port, self.waits, self.socket = port, waits, None
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE
        self.times, self.walls, self.failed = [], [], []

    def one(self):
        if self.socket is None:
            self.socket = self.context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), 10 * SLOW), server_hostname="good.test")
        self.socket.sendall(b"GET /good HTTP/1.1\r\nhost: good.test\r\n\r\n")
        got = b""
        while not got.endswith(b"good page"):
            piece = self.socket.recv(4096)
            if not piece:
                raise OSError(f"closed behind {got[:100]!r}")
            got += piece
        if not got.startswith(b"HTTP/1.1 200 "):
            raise OSError(repr(got[:100]))

    def run(self, seconds, pace=0.005):
        self.one()  # the handshake is not what is measured
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            waited, began = self.waits.now(), time.monotonic()
            try:
                self.one()
            except OSError as e:
                self.failed.append(repr(e))
                self.socket = None
            took, waited = time.monotonic() - began, self.waits.now() - waited
            self.walls.append(took)
            self.times.append(max(0.0, took - waited))
            time.sleep(pace)
        if self.socket:
            self.socket.close()
        return self


def p99(times):
    return sorted(times)[min(len(times) - 1, int(len(times) * 0.99))]


Result = collections.namedtuple("Result", "name requests failed p99 wall_p99 cpu rss outcomes counters")


def attacker(attack, target, until, out):
    os.nice(5)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    outcomes = collections.Counter()
    try:
        attack(target, until, outcomes)
        if not outcomes:  # the machine had no time for it
            attack(target, time.monotonic() + 0.5, outcomes)
    except BaseException as e:  # noqa: B902 it is told, whatever it is
        outcomes[f"broke: {e!r}"[:200]] += 1
    os.write(out, json.dumps(outcomes).encode())
    os._exit(0)


def fork(attack, target, until):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        attacker(attack, target, until, w)
    os.close(w)
    return pid, r


def gather(attackers, until):
    outcomes = collections.Counter()
    for pid, r in attackers:
        data = b""
        with os.fdopen(r, "rb") as f:
            while True:
                if not select.select([f], [], [], max(0.0, until + 20 * SLOW - time.monotonic()))[0]:
                    os.kill(pid, signal.SIGKILL)  # one that we began
                    outcomes["never came back"] += 1
                    break
                piece = os.read(f.fileno(), 65536)
                if not piece:
                    break
                data += piece
        os.waitpid(pid, 0)
        outcomes.update(json.loads(data or b"{}"))
    return outcomes


class Ground:
    """A door, its origin, and the calls that attack it."""

    def __init__(self, door, origin, good_port, target):
        self.door, self.good_port, self.target = door, good_port, target
        self.tid = worker_of(door)
        self.waits = Waits((os.getpid(), os.getpid()), (door.pid, self.tid), (origin.pid, origin.pid))

    def measure(self, name, attack, seconds, attackers=1):
        """The good client's figures while `attack(target, until, outcomes)` runs in so many processes."""
        before, rss, cpu = self.door.stats(), self.door.rss(), cpu_of(self.door, self.tid)
        began = time.monotonic()
        until = began + seconds
        crowd = [fork(attack, self.target, until) for _ in range(attackers)] if attack else []
        good = Good(self.good_port, self.waits).run(seconds)
        peak, busy = self.door.rss(), (cpu_of(self.door, self.tid) - cpu) / (time.monotonic() - began)
        outcomes = gather(crowd, until)
        after = self.door.stats()
        changed = {k: v - before.get(k, 0) for k, v in after.items() if v != before.get(k, 0)}
        return Result(name, len(good.times), good.failed, p99(good.times) * 1e3, p99(good.walls) * 1e3, busy, max(0, peak - rss), dict(outcomes),
                      changed)

    def close(self):
        self.waits.close()
