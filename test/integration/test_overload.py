# SPDX-License-Identifier: GPL-2.0-or-later
"""
Overload that is real: the door has a tenth of a processor, and is offered ten times what it can serve then, with readers that do not
read beside it. It answers what it can, refuses the rest with 503, stays below its memory, and is as before soon after.

SP_OVERLOAD_S: how long (8 s for each protocol; `scripts/overload` runs 60). SP_OVERLOAD_REPORT: a file for the figures, as JSON.
"""
import json
import os
import re
import socket
import struct
import threading
import time
import unittest

from harness import (SANITIZED, SLOW, T, Nginx, Sallyport, cluster, config, curl, downstream_tls, free_port, listener, log_lines, log_to, route_to, wait_for,
                     work)
from held import Held
from offered import Offered, offer
from test_attack import PREFACE, frame, frames, head

SECONDS = float(os.environ.get("SP_OVERLOAD_S", "8"))
REPORT = os.environ.get("SP_OVERLOAD_REPORT")
MONITORS = T + "envoy.extensions.resource_monitors."
CEILING = 64 << 20  # of what is resident; of the heap:
HEAP = 40 << 20
MAX_DELAY = 0.1


def injected(path):
    return {"name": "p", "typed_config": {"@type": MONITORS + "injected_resource.v3.InjectedResourceConfig", "filename": path}}


def action(name, monitor="p", **trigger):
    return {"name": name, "triggers": [{"name": monitor, **(trigger or {"threshold": {"value": 0.9}})}]}


class Pressed(unittest.TestCase):
    """A pressure out of a file."""

    @classmethod
    def setUpClass(cls):
        cls.origin = Nginx('listen 127.0.0.1:$PORT; location /small { return 200 "ok"; }')
        cls.origin.page("big", b"x" * 400000)

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()

    def press(self, value):
        with open(self.path + ".new", "w", encoding="ascii") as f:
            f.write(str(value))
        os.rename(self.path + ".new", self.path)

    def start(self, points=(), actions=(), more=None, **hcm):
        self.path, self.log = work(f"pressure-{time.time_ns()}"), work(f"overload-{time.time_ns()}.log")
        self.press(0)
        port = free_port()
        conf = config([listener(port, [route_to("o")], hcm={"access_log": log_to(self.log), **hcm})], [cluster("o", self.origin.port)])
        conf["overload_manager"] = {"refresh_interval": "0.02s", "resource_monitors": [injected(self.path)],
                                    "loadshed_points": [action("envoy.load_shed_points." + p) for p in points],
                                    "actions": [action("envoy.overload_actions." + a) for a in actions], **(more or {})}
        door = Sallyport(conf, concurrency=1)
        self.addCleanup(door.kill)
        return door

    def pressed(self, door, value, name):
        self.press(value)
        wait_for("the pressure", lambda: door.stat(f"overload.{name}.scale_percent") == (100 if value > 0.9 else 0))

    def talk2(self, port, *sent, until=None, seconds=10):
        """HTTP/2 without TLS: everything that comes until `until`(frames) or the end."""
        s = socket.create_connection(("127.0.0.1", port), seconds * SLOW)
        s.sendall(PREFACE + b"".join(sent))
        got, end = b"", time.time() + seconds * SLOW
        while time.time() < end and not (until and until(list(frames(got)))):
            try:
                data = s.recv(65536)
            except (TimeoutError, ConnectionResetError):
                break
            if not data:
                break
            got += data
        return s, list(frames(got))

    def test_goaway(self):
        name = "envoy.load_shed_points.http2_server_go_away_on_dispatch"
        door = self.start(["http2_server_go_away_on_dispatch"])
        self.pressed(door, 1, name)
        s, got = self.talk2(door.port, frame(4, 0, 0), frame(1, 5, 1, head(path="/small")),
                            until=lambda fs: any(f[0] == 7 for f in fs) and any(f[2] == 1 and f[1] & 1 for f in fs))
        self.assertIn(7, [f[0] for f in got])              # GOAWAY, and the request is answered
        self.assertIn(b"ok", [f[3] for f in got if f[0] == 0])
        s.close()
        a = curl(f"http://127.0.0.1:{door.port}/small")
        self.assertEqual((a.status, a.headers.get("connection")), (200, "close"))
        wait_for("the count", lambda: door.stat(name + ".shed_load_count") > 0 or door.stat(f"overload.{name}.shed_load_count") > 0)

    def test_goaway_and_close(self):
        door = self.start(["http2_server_go_away_and_close_on_dispatch"])
        self.pressed(door, 1, "envoy.load_shed_points.http2_server_go_away_and_close_on_dispatch")
        s, got = self.talk2(door.port, frame(4, 0, 0), frame(1, 5, 1, head(path="/small")))
        self.assertFalse([f for f in got if f[2] == 1])
        s.close()
        self.assertEqual(curl(f"http://127.0.0.1:{door.port}/small").status, 0)
        self.press(0)
        wait_for("the end of it", lambda: curl(f"http://127.0.0.1:{door.port}/small").status == 200)

    def test_no_codec(self):
        name = "envoy.load_shed_points.hcm_ondata_creating_codec"
        door = self.start(["hcm_ondata_creating_codec"])
        self.pressed(door, 1, name)
        self.assertEqual(curl(f"http://127.0.0.1:{door.port}/small").status, 0)
        self.assertEqual(curl(f"http://127.0.0.1:{door.port}/small", "--http2-prior-knowledge").status, 0)
        wait_for("the counts", lambda: door.stat(f"overload.{name}.shed_load_count") == 2)
        self.assertEqual(door.stat("http.test.downstream_rq_overload_close"), 2)
        self.pressed(door, 0, name)
        self.assertEqual(curl(f"http://127.0.0.1:{door.port}/small").status, 200)

    def test_router(self):
        """Behind the filters, which have seen the request."""
        name = "envoy.load_shed_points.http_downstream_filter_check"
        door = self.start(["http_downstream_filter_check"])
        self.pressed(door, 1, name)
        a = curl(f"http://127.0.0.1:{door.port}/small")
        self.assertEqual((a.status, a.body), (503, b"envoy overloaded"))
        wait_for("the counts", lambda: door.stat(f"overload.{name}.shed_load_count") == 1)
        self.assertEqual(door.stat("http.test.rq_overload_local_reply"), 1)
        self.assertEqual(curl(f"http://127.0.0.1:{door.port}/small", "-H", "x: y").status, 503)

    def heavy(self, door):
        """A stream that holds much, since its client takes nothing, and one that holds little, on the same connection."""
        s, _ = self.talk2(door.port, frame(4, 0, 0, struct.pack(">HI", 4, 0)), frame(1, 5, 1, head(path="/big")),
                          frame(1, 5, 3, head(path="/small")), until=lambda fs: len([f for f in fs if f[0] == 1]) == 2)
        wait_for("the origin's bytes", lambda: door.stat("cluster.o.upstream_cx_rx_bytes_total") > 64000)
        return s

    def test_heaviest_streams_are_reset(self):
        name = "envoy.overload_actions.reset_high_memory_stream"
        door = self.start(actions=["reset_high_memory_stream"], more={"buffer_factory_config": {"minimum_account_to_track_power_of_two": 15}})
        s = self.heavy(door)
        http1 = socket.create_connection(("127.0.0.1", door.port), 10 * SLOW)
        http1.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        http1.sendall(b"GET /small HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertIn(b"200 OK", http1.recv(4096))
        self.pressed(door, 1, name)
        wait_for("the reset", lambda: door.stat(f"overload.{name}.count") == 1)
        time.sleep(0.2)  # again and again: the other one is not touched
        s.sendall(frame(8, 0, 3, struct.pack(">I", 1000)))
        got, end = b"", time.time() + 10 * SLOW
        while time.time() < end and not any(f[0] == 0 for f in frames(got)):
            got += s.recv(65536)
        self.assertEqual([(f[2], f[0]) for f in frames(got) if f[2]], [(1, 3), (3, 0)])  # RST_STREAM, DATA
        http1.sendall(b"GET /small HTTP/1.1\r\nhost: a\r\n\r\n")
        self.assertIn(b"200 OK", http1.recv(4096))
        self.assertEqual(door.stat(f"overload.{name}.count"), 1)
        line = wait_for("the line", lambda: [x for x in log_lines(self.log) if x["path"] == "/big"])[0]
        self.assertEqual((line["flags"], line["details"]), ("OM", "overload"))
        s.close()
        http1.close()

    def test_kernel_holds_little(self):
        """A client that reads nothing: what its origin has sent waits there, not in the kernel's buffers here."""
        self.origin.page("huge", b"x" * (16 << 20))
        door = self.start()
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.connect(("127.0.0.1", door.port))
        s.sendall(b"GET /huge HTTP/1.1\r\nhost: a\r\n\r\n")
        taken = lambda: door.stat("cluster.o.upstream_cx_rx_bytes_total")
        wait_for("the first bytes", taken)
        before = -1
        while before != (before := taken()):
            time.sleep(0.3 * SLOW)
        self.assertLess(taken(), 1 << 20)
        s.close()

    def test_light_streams_stay(self):
        door = self.start(actions=["reset_high_memory_stream"], more={"buffer_factory_config": {"minimum_account_to_track_power_of_two": 24}})
        s = self.heavy(door)
        self.pressed(door, 1, "envoy.overload_actions.reset_high_memory_stream")
        time.sleep(0.3)
        self.assertEqual(door.stat("overload.envoy.overload_actions.reset_high_memory_stream.count"), 0)
        s.close()


class Watched:
    """The door's memory at its worst, and what the kernel holds in its sockets."""

    def __init__(self, door):
        self.door, self.worst, self.running = door, 0, True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.running:
            try:
                self.worst = max(self.worst, self.door.rss())
            except (OSError, IndexError):
                return
            time.sleep(0.02)

    def stop(self):
        self.running = False
        self.thread.join()
        return self.worst


class Hogs:
    """Clients that ask for something large and read nothing; they come again when they are thrown out."""

    def __init__(self, port, n):
        self.port, self.running, self.socks = port, True, [None] * n
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def open(self):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(1)
        try:
            s.connect(("127.0.0.1", self.port))
            s.sendall(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n")
        except OSError:
            s.close()
            return None
        return s

    def gone(self, s):
        """Reset: there is no other way to tell, since nothing is read."""
        return s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or struct.unpack("B", s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1))[0] != 1

    def run(self):
        while self.running:
            came = 0
            for i, s in enumerate(self.socks):
                if s is not None and self.gone(s):
                    s.close()
                    s = self.socks[i] = None
                if s is None and self.running and came < 5:
                    self.socks[i] = self.open()
                    came += 1
            time.sleep(0.2)

    def stop(self):
        self.running = False
        self.thread.join()
        for s in self.socks:
            if s:
                s.close()


@unittest.skipIf(SANITIZED, "a sanitizer's allocator tells nothing of the heap")
class TenTimes(unittest.TestCase):
    """The door has a tenth of a processor."""

    @classmethod
    def setUpClass(cls):
        cls.origin = Nginx('listen 127.0.0.1:$PORT backlog=4096; location /small { return 200 "ok"; }')
        cls.origin.page("big", b"x" * 2000000)
        cls.report = {}

    @classmethod
    def tearDownClass(cls):
        cls.origin.kill()
        if REPORT:
            with open(REPORT, "w", encoding="utf-8") as f:
                json.dump(cls.report, f, indent=1)

    def start(self):
        self.h1, self.h2 = free_port(), free_port()
        few = {"max_connections": 512, "max_pending_requests": 128, "max_requests": 1024}  # what waits here for an origin waits, too
        told = {"append_local_overload": True}  # whichever of the two refuses
        conf = config([listener(self.h1, [route_to("o", timeout="5s")], hcm=told),
                       listener(self.h2, [route_to("o", timeout="5s")], tls=downstream_tls(), name="tls", hcm=told)],
                      [cluster("o", self.origin.port, circuit_breakers={"thresholds": [few]})])
        scaled = {"scaled": {"scaling_threshold": 0.5, "saturation_threshold": 0.8}}
        conf["overload_manager"] = {
            "refresh_interval": "0.05s", "buffer_factory_config": {"minimum_account_to_track_power_of_two": 15},
            "resource_monitors": [
                {"name": "late", "typed_config": {"@type": T + "sallyport.resource_monitors.v1.WorkerDelayConfig", "max_delay": f"{MAX_DELAY}s"}},
                {"name": "heap", "typed_config": {"@type": MONITORS + "fixed_heap.v3.FixedHeapConfig", "max_heap_size_bytes": HEAP}}],
            "actions": [action("envoy.overload_actions.reset_high_memory_stream", "heap", **scaled),
                        action("envoy.overload_actions.shrink_heap", "heap", threshold={"value": 0.8}),
                        action("envoy.overload_actions.stop_accepting_requests", "heap", threshold={"value": 0.95}),
                        action("envoy.overload_actions.reject_incoming_connections", "heap", threshold={"value": 0.97})]}
        door = Sallyport(conf, "-l", "warning", concurrency=1)
        self.addCleanup(door.kill)
        return door

    def ten_times(self, name, port, few, lots, each):
        door = self.start()
        port, length = getattr(self, port), ("--path", "/small", "--length", 2)
        held = Held(door.pid)
        self.addCleanup(held.stop)
        watched, hogs = Watched(door), Hogs(self.h1, 120)
        self.addCleanup(hogs.stop)
        wait_for("the heaviest to be reset", lambda: door.stat("overload.envoy.overload_actions.reset_high_memory_stream.count"), 30)
        capacity = max(offer(port, 2, *few, *each, *length, "--shed", 503)["good"] / 2 for _ in range(2))
        self.assertGreater(capacity, 20)
        before = offer(port, 2, *few, *each, *length, "--rate", max(1, capacity / 4), "--shed", 503)
        used = held.used()
        run, answers = Offered(port, SECONDS, *lots, *each, *length, "--rate", min(200000, capacity * 10), "--shed", 503), []
        while run.p.poll() is None and not any(a.status == 503 for a in answers):
            answers.append(curl(f"http://127.0.0.1:{self.h1}/small", timeout=3))
        for a in answers:
            self.assertIn(a.status, (0, 200, 503))  # 0: its connection was reset, or three seconds have passed
            if a.status == 503 and a.body == b"envoy overloaded":
                self.assertEqual(a.headers.get("x-envoy-local-overloaded"), "true")
        r = run.result()
        used = held.used() - used
        # Within five seconds all is as it was.
        ended, again = time.monotonic(), None
        while again is None or again["shed"] or again["failed"] or again["p99_us"] > max(2 * before["p99_us"], 100000 * SLOW):
            recovered = time.monotonic() - ended
            self.assertLess(recovered, 5 * SLOW, f"{before} {again}")
            again = offer(port, 1, *few, *each, *length, "--rate", max(1, capacity / 4), "--shed", 503)
        hogs.stop()
        memory, stats = watched.stop(), door.stats()
        figures = {"how": held.how, "capacity": round(capacity), "offered": round((r["asked"] + r["skipped"]) / SECONDS), "asked": round(r["asked"] / SECONDS),
                   "served": round(r["good"] / SECONDS), "shed": round(r["shed"] / SECONDS), "failed": r["failed"], "wrong": r["wrong_status"] + r["wrong_length"],
                   "first_error": r["first_error"], "processor": round(used / SECONDS, 3),
                   "p50_ms": r["p50_us"] / 1000, "p99_ms": r["p99_us"] / 1000, "max_ms": r["max_us"] / 1000, "before_p99_ms": before["p99_us"] / 1000,
                   "after_p99_ms": again["p99_us"] / 1000, "recovered_s": round(recovered, 1), "rss_mib": round(memory / (1 << 20), 1),
                   "late": stats["http.test.downstream_rq_late"],
                   "reset_streams": stats["overload.envoy.overload_actions.reset_high_memory_stream.count"],
                   "rejected": sum(v for k, v in stats.items() if k.endswith("downstream_cx_overload_reject"))}
        type(self).report[name] = figures
        print(f"overload: {name}: {figures}", flush=True)
        self.assertEqual(figures["wrong"], 0, r)
        self.assertGreater(r["shed"], 0)                               # most of it cannot be served, and is told so, or cannot even ask
        self.assertGreater(r["shed"] + r["skipped"], r["good"])
        self.assertGreater(r["good"] / SECONDS, capacity / 8)          # what can be served is
        self.assertGreater(figures["reset_streams"], 0)
        self.assertLess(memory, CEILING)
        self.assertLess(r["p99_us"], 20 * MAX_DELAY * 1e6 * SLOW)
        self.assertGreater(figures["late"], 0)

    def test_http1(self):
        self.ten_times("http1", "h1", ("--conns", 16), ("--conns", 1000), ("--h1",))

    def test_http2(self):
        self.ten_times("http2", "h2", ("--conns", 4, "--streams", 4), ("--conns", 32, "--streams", 100), ())


if __name__ == "__main__":
    unittest.main()
