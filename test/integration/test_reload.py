# SPDX-License-Identifier: GPL-2.0-or-later
"""A config that changes while it serves: taken whole or refused whole, and no request is lost."""
import copy
import http.client
import json
import os
import re
import signal
import socket
import ssl
import threading
import time
import unittest

from echo import Echo
from harness import SLOW, address, cluster, config, curl, downstream_tls, free_port, listener, route_to, wait_for
from live import Live


def says(text, path="/", status=200):
    return {"match": {"path": path} if path != "/" else {"prefix": "/"},
            "direct_response": {"status": status, "body": {"inline_string": text}}}


class Case(unittest.TestCase):
    def start(self, conf, *args):
        s = Live(conf, *args)
        self.addCleanup(s.stop)
        return s

    def origin(self, **kw):
        o = Echo(**kw)
        self.addCleanup(o.stop)
        return o


class Tunnels(Case):
    def test_a_tunnel_lets_go_of_its_config(self):
        """The config that it began with is freed while it lives; at its end it has its line in the log."""
        import ws
        from harness import log_lines, log_to, work
        origin, port, log = ws.Origin(), free_port(), work(f"tunnel-{time.time_ns()}.log")
        self.addCleanup(origin.stop)

        def conf(route, name="o"):
            return config([listener(port, [route_to(name, "/chat"), says(route)], hcm={
                "upgrade_configs": [{"upgrade_type": "websocket"}], "access_log": log_to(log), "http2_protocol_options": {"allow_connect": True}})],
                [cluster(name, origin.port)])
        s = self.start(conf("one"))
        h1 = socket.create_connection(("127.0.0.1", port))
        h1.settimeout(10 * SLOW)
        h1.sendall(b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                   b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
        self.assertIn(b" 101 ", h1.recv(4096))
        h2 = ws.H2Tunnel(port, "/chat")
        self.assertEqual(h2.answer(), 200)
        for turn, fresh in enumerate((conf("two"), conf("three", "other"))):
            s.change(fresh)
            wait_for("the old config to be gone", lambda: s.stat("config_reload.draining_configs") == 0)
            h1.sendall(ws.frame(b"h1 %d" % turn))
            self.assertIn(b"h1 %d" % turn, h1.recv(4096))
            h2.send(ws.frame(b"h2 %d" % turn))
            self.assertEqual(h2.receive(6), ws.unmasked(b"h2 %d" % turn))
        h1.close()
        h2.close()
        lines = wait_for("the log", lambda: [x for x in log_lines(log) if x["path"] == "/chat"] if len(log_lines(log)) >= 2 else None)
        self.assertEqual([(x["status"], x["cluster"], x["details"]) for x in lines], [(101, "o", x["details"]) for x in lines])
        self.assertEqual(s.stat("http.test.downstream_cx_upgrades_active"), 0)


class Changes(Case):
    def test_routes_by_move_and_in_place(self):
        port = free_port()
        s = self.start(config([listener(port, [says("one")])], []))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"one")
        s.change(config([listener(port, [says("two")])], []))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"two")
        s.change(config([listener(port, [says("three")])], []), move=False)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"three")
        self.assertEqual(s.stat("config_reload.version"), 3)

    def test_loads_anew_when_asked(self):
        s = self.start(config([listener(free_port(), [says("x")])], []))
        s.signal(signal.SIGHUP)
        wait_for("the reload", lambda: s.stat("config_reload.success") == 2)
        status, text = s.get("/reload", "POST")
        self.assertEqual((status, s.stat("config_reload.success")), (200, 3))  # it answers when that is over
        self.assertRegex(text, r"^unchanged: config 3 serves \(\d+ ms\)\n$")
        self.assertTrue(s.get("/reload")[1].startswith("config 3 serves since "))

    def test_tells_what_came_of_it(self):
        """Whoever asks is told what is new, or all that is wrong, while the admin page answers others."""
        port, more = free_port(), free_port()

        def conf(text, *clusters, ports=(port,), secrets=(), **rest):
            c = config([listener(p, [says(text)], name=f"l{p}") for p in ports], [cluster(*x) for x in clusters])
            c["static_resources"]["secrets"] = [{"name": n, "generic_secret": {"secret": {"inline_string": v}}} for n, v in secrets]
            return dict(c, admin={"address": address(s.admin)}, **rest)

        def ask(make, query=""):
            """The watch takes a file that is still open for writing after a second only; if it was first all the same, once more."""
            for turn in range(5):
                with open(s.config_path, "r+", encoding="utf-8") as f:
                    f.truncate()
                    json.dump(make(turn), f)
                    f.flush()
                    status, text = s.get("/reload" + query, "POST")
                if "unchanged" not in text:
                    return status, text
            self.fail("the watch was always first")
        s = self.start(config([listener(port, [says("one")], name=f"l{port}")], [cluster("a", 1), cluster("b", 2)]))
        status, text = ask(lambda turn: conf(f"two{turn}", ("b", 3 + turn), ("c", 4), ("d", 5), ports=(port, more), secrets=[("s", "x")]))
        self.assertEqual(status, 200)
        self.assertRegex(text, r"^taken: config \d+ serves \(\d+ ms\)\nlisteners: \d added, \d changed, 0 removed\nclusters: \d added, \d changed, \d removed\n"
                               r"secrets: \d added, 0 changed, 0 removed\n$")
        self.assertRegex(text, r"listeners: (1 added, 1|0 added, 2) changed")
        status, text = ask(lambda turn: conf("three" if turn % 2 else "four", secrets=[("s", f"y{turn}")], stats_flush_interval=f"{5 + turn}s"), "?format=json")
        self.assertEqual(status, 200)
        told = json.loads(text)
        self.assertEqual((told["outcome"], told["secrets"], told["other_settings_changed"]),
                         ("taken", {"added": 0, "changed": 1, "removed": 0}, True))
        self.assertIn(told["clusters"], ({"added": 0, "changed": 0, "removed": 3}, {"added": 0, "changed": 0, "removed": 0}))
        serves = told["version"]
        status, text = ask(lambda turn: conf("five", bogus=1, nonsense=2))
        self.assertEqual(status, 422)
        self.assertRegex(text, rf"^refused: 2 errors; config {serves} serves on\n\S+json:1:\d+: bogus: .*\n\S+json:1:\d+: nonsense: .*\n$")
        status, text = s.get("/reload?format=json", "POST")
        self.assertEqual((status, json.loads(text)["outcome"], json.loads(text)["errors"]), (422, "refused", 2))

    def test_the_admin_page_answers_while_one_waits(self):
        """A new cluster is warmed: until then who asked waits, who asks too gets the round after, who goes away is forgotten."""
        port = free_port()
        slow = socket.socket()
        self.addCleanup(slow.close)
        slow.bind(("127.0.0.1", 0))
        slow.listen()
        checks = [{"timeout": "1.5s", "interval": "60s", "unhealthy_threshold": 1, "healthy_threshold": 1, "http_health_check": {"path": "/"}}]
        s = self.start(config([listener(port, [says("one")])], []))
        s.write(config([listener(port, [says("two")])], [cluster("slow", slow.getsockname()[1], health_checks=checks)]))
        got = []

        def ask():
            got.append(s.get("/reload", "POST"))
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for t in threads:
            t.start()
        gone = socket.create_connection(("127.0.0.1", s.admin))
        gone.sendall(b"POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        wait_for("the warming", lambda: "(warming)" in s.get("/reload")[1])
        gone.close()
        self.assertEqual((s.get("/ready"), got), ((200, "LIVE\n"), []))
        for t in threads:
            t.join()
        self.assertEqual([status for status, _ in got], [200] * 3)
        self.assertRegex(s.log(), "config 2 serves: 1 listener, 1 cluster, 1 of them new")
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"two")

    def test_broken_is_refused_whole(self):
        port = free_port()
        good = config([listener(port, [says("one")])], [])
        s = self.start(good)
        bad = copy.deepcopy(good)
        bad["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["route_config"][
            "virtual_hosts"][0]["routes"] = [says("two"), route_to("nowhere")]
        s.change(bad, ok=False)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"one")
        self.assertEqual(s.stat("config_reload.failing"), 1)
        self.assertRegex(s.log(), r"config-\d+\.json:\d+:\d+: static_resources\.listeners\[0\]\S*routes\[1\].*nowhere")
        status, text = s.get("/reload")
        self.assertRegex(text, r"config 1 serves since .*\(serving\)\nWARNING: a newer version was refused .*:\n.*nowhere")
        self.assertIn("nowhere", json.loads(s.get("/reload?format=json")[1])["why"])
        s.change("{ half a fi", ok=False)
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"one")
        s.change(config([listener(port, [says("three")])], []))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"three")
        self.assertEqual(s.stat("config_reload.failing"), 0)

    def test_a_file_that_is_gone(self):
        """What is wrong with a whole file has no line."""
        s = self.start(config([listener(free_port(), [says("one")])], []))
        before = s.stat("config_reload.rejected")
        os.unlink(s.config_path)
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") > before)
        self.assertRegex(s.get("/reload")[1], rf"(?m)^{re.escape(s.config_path)}: cannot ")
        self.assertNotIn(":0:0:", s.log())

    def test_warnings_are_said_once(self):
        """A warning that the config that serves has too is counted only; line numbers may move."""
        port = free_port()

        def conf(text, *odd):
            return config([listener(port, [says(text, p) for p in odd] + [says(text)])], [])

        def said():
            return re.findall(r"\[warning\]\[config\] .*: (\S+)\.match\.path: no request can match", s.log())
        s = self.start(conf("one", "/a?b"))
        self.assertEqual(len(re.findall("no request can match", s.log())), 1)
        s.change("\n\n" + json.dumps(dict(conf("two", "/a?b", "/c?d"), admin={"address": address(s.admin)})))
        self.assertEqual(["routes[1]" in x for x in said()], [True])
        self.assertIn("[info][config] 1 warning as before\n", s.log())
        s.change(conf("three", "/a?b", "/c?d"))
        self.assertEqual(len(said()), 1)
        self.assertIn("[info][config] 2 warnings as before\n", s.log())
        # What a refused one says is not known afterwards: the one that serves counts.
        s.change(conf("four", "/e?f") | {"bogus": 1}, ok=False)
        s.change(conf("four", "/a?b", "/c?d", "/e?f"))
        self.assertEqual(len(said()), 2)

    def test_the_admin_page_stays(self):
        port = free_port()
        good = config([listener(port, [says("one")])], [])
        s = self.start(good)
        before = s.stat("config_reload.rejected")
        with open(s.config_path, "w", encoding="utf-8") as f:
            json.dump(dict(good, admin={"address": address(free_port())}), f)
        wait_for("the refusal", lambda: s.stat("config_reload.rejected") > before)
        self.assertIn("restart", s.log())

    def test_listeners_come_and_go(self):
        a, b, c = free_port(), free_port(), free_port()
        s = self.start(config([listener(a, [says("a")], name="a"), listener(b, [says("b")], name="b")], []))
        s.change(config([listener(c, [says("c")], name="c"), listener(b, [says("B")], name="other-name")], []))
        self.assertEqual(curl(f"http://127.0.0.1:{b}/").body, b"B")
        self.assertEqual(curl(f"http://127.0.0.1:{c}/").body, b"c")
        wait_for("the old port to close", lambda: curl(f"http://127.0.0.1:{a}/").code == 7)

    def test_a_port_that_is_taken_refuses_the_change(self):
        a = free_port()
        s = self.start(config([listener(a, [says("a")])], []))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            b = taken.getsockname()[1]
            s.change(config([listener(a, [says("A")]), listener(b, [says("b")], name="b")], []), ok=False)
        self.assertEqual(curl(f"http://127.0.0.1:{a}/").body, b"a")
        self.assertRegex(s.log(), "cannot bind 127.0.0.1:%d .*another process has it" % b)

    def test_clusters_come_and_go(self):
        one, two, port = self.origin(), self.origin(), free_port()
        s = self.start(config([listener(port, [route_to("one")])], [cluster("one", one.port)]))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
        s.change(config([listener(port, [route_to("two")])], [cluster("two", two.port)]))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").status, 200)
        self.assertEqual(s.stat("cluster.two.upstream_rq_total"), 1)
        self.assertNotRegex(s.get("/clusters")[1], "(?m)^one::")
        wait_for("the old config to be freed", lambda: s.stat("config_reload.draining_configs") == 0)


class Connections(Case):
    def keep_alive(self, port):
        c = http.client.HTTPConnection("127.0.0.1", port, timeout=10 * SLOW)
        self.addCleanup(c.close)
        return c

    def ask(self, c, path="/"):
        c.request("GET", path)
        r = c.getresponse()
        return r.read(), r.getheader("connection")

    def test_a_connection_goes_over(self):
        port = free_port()
        s = self.start(config([listener(port, [says("one")])], []))
        c = self.keep_alive(port)
        self.assertEqual(self.ask(c)[0], b"one")
        sock = c.sock
        s.change(config([listener(port, [says("two")])], []))
        self.assertEqual(self.ask(c), (b"two", None))
        self.assertIs(c.sock, sock)
        wait_for("nothing to hold the old config", lambda: s.stat("config_reload.draining_configs") == 0)
        self.assertEqual(s.stat("listener.127.0.0.1_%d.downstream_cx_active" % port), 1)

    def test_codec_options_make_it_drain(self):
        port = free_port()
        s = self.start(config([listener(port, [says("one")])], []))
        c = self.keep_alive(port)
        self.assertEqual(self.ask(c)[0], b"one")
        s.change(config([listener(port, [says("two")], hcm={"max_request_headers_kb": 32})], []))
        # Newest routes, and the client is told to come again.
        self.assertEqual(self.ask(c), (b"two", "close"))
        wait_for("nothing to hold the old config", lambda: s.stat("config_reload.draining_configs") == 0)

    def test_a_chain_that_is_gone_drains_with_what_it_had(self):
        port = free_port()
        conf = config([listener(port, [says("one")])], [])
        conf["static_resources"]["listeners"][0]["filter_chains"][0]["name"] = "first"
        s = self.start(conf)
        c = self.keep_alive(port)
        self.assertEqual(self.ask(c)[0], b"one")
        conf = config([listener(port, [says("two")])], [])
        conf["static_resources"]["listeners"][0]["filter_chains"][0]["name"] = "second"
        s.change(conf)
        self.assertEqual(self.ask(c), (b"one", "close"))
        self.assertEqual(curl(f"http://127.0.0.1:{port}/").body, b"two")
        wait_for("nothing to hold the old config", lambda: s.stat("config_reload.draining_configs") == 0)

    def test_what_does_not_end_is_closed_after_the_drain_time(self):
        port = free_port()
        s = self.start(config([listener(port, [says("one")])], []), "--drain-time-s", "1")
        c = self.keep_alive(port)
        self.ask(c)
        s.change(config([listener(port, [says("two")], hcm={"max_request_headers_kb": 32})], []))
        c.sock.settimeout(5 * SLOW)
        try:
            self.assertEqual(c.sock.recv(1), b"")
        except ConnectionResetError:
            pass
        wait_for("nothing to hold the old config", lambda: s.stat("config_reload.draining_configs") == 0)

    def test_a_request_under_way_keeps_its_config(self):
        origin, port = self.origin(), free_port()
        conf = config([listener(port, [route_to("o")])], [cluster("o", origin.port)])
        s = self.start(conf)
        got = []
        t = threading.Thread(target=lambda: got.append(curl(f"http://127.0.0.1:{port}/", "-H", "x-wait: 2")))
        t.start()
        wait_for("the request to be under way", lambda: s.stat("cluster.o.upstream_rq_active") == 1)
        s.change(config([listener(port, [says("none")])], []))
        self.assertEqual(s.stat("config_reload.draining_configs"), 1)
        t.join()
        self.assertEqual(got[0].status, 200)
        wait_for("the old config to be freed", lambda: s.stat("config_reload.draining_configs") == 0)

    def test_tls_goes_over_when_nothing_of_it_changed(self):
        port = free_port()
        s = self.start(config([listener(port, [says("one")], tls=downstream_tls())], []))
        ctx = ssl.create_default_context()
        ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
        c = http.client.HTTPSConnection("127.0.0.1", port, context=ctx, timeout=10 * SLOW)
        self.addCleanup(c.close)
        self.assertEqual(self.ask(c)[0], b"one")
        s.change(config([listener(port, [says("two")], tls=downstream_tls())], []))
        self.assertEqual(self.ask(c)[0], b"two")


if __name__ == "__main__":
    unittest.main()
