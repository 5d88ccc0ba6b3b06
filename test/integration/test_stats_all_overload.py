# SPDX-License-Identifier: GPL-2.0-or-later
"""Drives the stats of overload and floods that test_overload.py, test_faults.py and test_floods.py look at from other sides (docs/stats.md)."""
import collections
import socket
import time

import faults
import flood_h2 as h2
import held_turn
import test_overload
from harness import PATIENCE, SLOW, T, cluster, config, curl, nginx_plain, route_to
from stats_case import StatsCase
from test_stats_all_front import GET, door_of, talk

some = lambda n: n > 0


class Overload(StatsCase):
    def setUp(self):
        self.case = test_overload.Pressed()
        self.case.setUpClass()
        self.addCleanup(self.case.tearDownClass)
        self.addCleanup(self.case.doCleanups)

    def test_a_load_shed_point(self):
        name = "envoy.load_shed_points.http_downstream_filter_check"
        s = self.case.start(["http_downstream_filter_check"])
        self.case.pressed(s, 1, name)
        with self.drives(s, {"overload.envoy.load_shed_points.http_downstream_filter_check.shed_load_count": 1, "http.test.rq_overload_local_reply": 1}):
            self.assertEqual(curl(f"http://127.0.0.1:{s.port}/small").status, 503)

    def test_the_heaviest(self):
        name = "envoy.overload_actions.reset_high_memory_stream"
        s = self.case.start(actions=["reset_high_memory_stream"], more={"buffer_factory_config": {"minimum_account_to_track_power_of_two": 15}})
        held = self.case.heavy(s)
        with self.drives(s, {"overload.envoy.overload_actions.reset_high_memory_stream.count": 1}):
            self.case.pressed(s, 1, name)
        held.close()


class Late(StatsCase):
    def test_requests_that_come_too_late(self):
        """They come while the worker is held in the middle of a turn."""
        conf = dict(config([door_of("plain")], []), overload_manager={"resource_monitors": [
            {"name": "late", "typed_config": {"@type": T + "sallyport.resource_monitors.v1.WorkerDelayConfig", "max_delay": "0.1s"}}]})
        s = self.door(conf)
        clients = [socket.create_connection(("127.0.0.1", s.port)) for _ in range(30)]
        for c in clients:
            c.sendall(GET % b"/direct")
            c.recv(4096)
        with self.drives(s, {"http.plain.downstream_rq_late": some}):
            with held_turn.held(s.pid, lambda: clients[0].sendall(GET % b"/direct")):
                for c in clients[1:]:
                    c.sendall(GET % b"/direct")
                time.sleep(0.5)
            for c in clients:
                c.recv(4096)
                c.close()


class Floods(StatsCase):
    def flood(self, name, attack):
        """A connection or more, until it counts: some attacks meet another limit now and then."""
        before, end = self.door_of_all.stat(name), time.time() + 10 * SLOW * PATIENCE
        while self.door_of_all.stat(name) == before and time.time() < end:
            attack(self, time.monotonic() + 0.01, collections.Counter())

    def test_http2(self):
        origin = nginx_plain()
        self.addCleanup(origin.kill)
        origin.page("big", b"x" * (1 << 20))
        s = self.door(config([door_of("plain", [route_to("o")])], [cluster("o", origin.port)]))
        self.plain, self.door_of_all = s.port, s
        with self.drives(s, {"http2.reset_flood": some}):
            self.flood("http2.reset_flood", h2.rapid_reset)
        with self.drives(s, {"http2.continuation_flood": some}):
            self.flood("http2.continuation_flood", h2.continuation)
        with self.drives(s, {"http2.settings_flood": some}):
            self.flood("http2.settings_flood", h2.settings_windows)
        with self.drives(s, {"http2.too_many_settings": some}):
            self.flood("http2.too_many_settings", h2.settings_entries)
        with self.drives(s, {"http2.ping_flood": some}):
            self.flood("http2.ping_flood", h2.pongs)
        with self.drives(s, {"http2.data_dribble_flood": some}):
            self.flood("http2.data_dribble_flood", h2.dribble)
        with self.drives(s, {"http2.unknown_frame_flood": some}):
            self.flood("http2.unknown_frame_flood", h2.unknown)
        with self.drives(s, {"http2.stray_data_flood": some}):
            self.flood("http2.stray_data_flood", h2.stray_data)
        with self.drives(s, {"http2.stray_headers_flood": some}):
            self.flood("http2.stray_headers_flood", h2.stray_headers)
        with self.drives(s, {"http2.header_bomb": some}):
            self.flood("http2.header_bomb", h2.header_bomb)
        with self.drives(s, {"http2.too_many_streams": some}):
            self.flood("http2.too_many_streams", h2.too_many)


class Memory(StatsCase):
    def test_allocations_that_fail(self):
        if not faults.program():
            self.skipTest("this build has no sallyport-faults")
        s = self.door(config([door_of("plain")], []), make=faults.Faulty)
        with self.drives(s, {"server.memory_failed": some}):
            for skip in range(0, 400, 20):
                s.table.fail("MALLOC", skip=skip, count=5)
                talk(s.port, GET % b"/direct", 0.1)
            s.table.off()
