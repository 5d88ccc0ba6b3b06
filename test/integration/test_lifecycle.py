# SPDX-License-Identifier: GPL-2.0-or-later
"""Start, refusal to start, drain, signals, exit codes."""
import os
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from echo import Echo
from harness import (BIN, SLOW, Nginx, Sallyport, address, ca, cert, cluster, config, connects, curl, log_lines, log_to, downstream_tls, free_port, listener,
                     nginx_plain, refused, route_to, upstream_tls, wait_for, work, ROUTER)


def run(*args, **kw):
    return subprocess.run([BIN, *args], capture_output=True, text=True, timeout=30 * SLOW, **kw)


class CommandLine(unittest.TestCase):
    def test_help_and_version(self):
        p = run("--help")
        self.assertEqual(p.returncode, 0)
        self.assertIn("--config-path", p.stdout)
        self.assertLessEqual(len(p.stdout.splitlines()), 24)
        p = run("--version")
        self.assertEqual(p.returncode, 0)
        self.assertRegex(p.stdout, r"^sallyport \d+\.\d+\.\d+ \([0-9a-f]+\)$")

    def test_usage_errors(self):
        for args, words in (([], "which config"), (["--concurency", "2"], "did you mean --concurrency"),
                            (["--mode", "x"], "serve or validate"), (["validate"], "which file")):
            p = run(*args)
            self.assertEqual(p.returncode, 2, args)
            self.assertIn(words, p.stderr)

    def test_validate(self):
        path = work("empty.yaml")
        with open(path, "w", encoding="ascii") as f:
            f.write("static_resources: {}\n")
        for args in (["validate", path], ["-c", path, "--mode", "validate"], ["--config-yaml", "{}", "--mode", "validate"]):
            p = run(*args)
            self.assertEqual(p.returncode, 0, p.stderr)
            self.assertIn("OK", p.stdout)


class BadConfigs(unittest.TestCase):
    """Each is refused whole, with the place, the path and the remedy."""

    def good(self, **more):
        port = free_port()
        return config([listener(port, [route_to("o")], **more)], [cluster("o", free_port())])

    def test_unknown_field(self):
        c = self.good()
        c["static_resources"]["listeners"][0]["adress"] = {}
        text = refused(c)
        self.assertRegex(text, r"CONFIG:\d+:\d+: static_resources\.listeners\[0\]\.adress: .*address")

    def test_unknown_type(self):
        c = self.good()
        c["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]["@type"] = \
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConectionManager"
        self.assertRegex(refused(c), r"CONFIG:\d+:\d+: static_resources\.listeners\[0\].*HttpConnectionManager")

    def test_all_errors_at_once(self):
        c = self.good()
        c["static_resources"]["clusters"][0]["conect_timeout"] = "1s"
        c["static_resources"]["clusters"].append(cluster("p", free_port(), connect_timeout="soon"))
        text = refused(c)
        self.assertIn("conect_timeout", text)
        self.assertIn("soon", text)
        self.assertIn("2 errors", text)

    def test_unknown_cluster(self):
        c = self.good()
        c["static_resources"]["clusters"][0]["name"] = "other"
        self.assertRegex(refused(c), r"CONFIG:\d+:\d+: \S*routes\[0\]\S*: .*\"o\"")

    def test_missing_key_and_ca_are_errors(self):
        chain, key = cert("server")
        for field, value, words in (("private_key", {"filename": work("none.key")}, "none.key"),
                                    ("certificate_chain", {"filename": work("none.pem")}, "none.pem"),
                                    ("private_key", {"filename": cert("client")[1]}, "key")):
            tls = downstream_tls()
            tls["typed_config"]["common_tls_context"]["tls_certificates"][0][field] = value
            text = refused(self.good(tls=tls))
            self.assertRegex(text, r"CONFIG:\d+:\d+: \S*tls_certificates\[0\]")
            self.assertIn(words, text)
        text = refused(config([listener(free_port(), [route_to("o")])],
                              [cluster("o", free_port(), tls=upstream_tls(trusted=work("none-ca.pem")))]))
        self.assertIn("none-ca.pem", text)

    def test_gates_come_first(self):
        from harness import shield, jwt_filter
        text = refused(self.good(filters=[jwt_filter(), shield()]))
        self.assertRegex(text, r"CONFIG:\d+:\d+: \S*http_filters\[1\]")

    def test_short_secret(self):
        from harness import shield
        f = shield()
        f["typed_config"]["proof"]["secret_header"]["secrets"][0]["value"] = {"inline_string": "short"}
        text = refused(self.good(filters=[f]))
        self.assertIn("16", text)
        self.assertNotIn("short", text)

    def test_the_router_is_last(self):
        c = self.good(hcm={"http_filters": []})
        self.assertRegex(refused(c), r"CONFIG:\d+:\d+: \S*http_filters")

    def test_garbage_files(self):
        for text in ("", "{", "\x00\x01", "a: [", "[]", "static_resources: 5"):
            self.assertRegex(refused(text), r"CONFIG|config")


class Bind(unittest.TestCase):
    def test_port_taken(self):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            s.listen()
            c = config([listener(s.getsockname()[1], [route_to("o")])], [cluster("o", free_port())])
            door = Sallyport(c, wait=False)
            self.assertEqual(door.wait(), 3)
            self.assertIn("cannot bind", door.log())
            self.assertIn("ss -ltnp", door.log())

    def test_admin_address_path(self):
        path = work("admin-address")
        door = Sallyport(config([listener(free_port(), [route_to("o")])], [cluster("o", free_port())]), "--admin-address-path", path)
        with open(path, encoding="ascii") as f:
            self.assertEqual(f.read(), f"127.0.0.1:{door.admin}")
        self.assertEqual(door.stop(), 0)


class Admin(unittest.TestCase):
    def test_access_log(self):
        path = work("admin-access.log")
        port = free_port()
        c = config([listener(free_port(), [route_to("o")])], [cluster("o", free_port())], admin=port)
        c["admin"]["access_log"] = log_to(path)
        door = Sallyport(c, wait=False)
        door.admin = port
        wait_for("sallyport", door.is_ready)
        wait_for("the admin page's log", lambda: any(x["path"] == "/ready" for x in log_lines(path)))
        self.assertEqual(door.stop(), 0)
        c["admin"]["access_log"][0]["typed_config"]["path"] = "/nowhere/at/all.log"
        door = Sallyport(c, wait=False)
        self.assertEqual(door.wait(), 1)
        self.assertRegex(door.log(), r"config-\S+:\d+:\d+: admin\.access_log\[0\]\S*path: ")


class Bootstrap(unittest.TestCase):
    """Fields of the bootstrap and of listeners that real configs have."""

    def start(self, **more):
        self.port = free_port()
        admin = free_port()
        conf = config([listener(self.port, [{"match": {"prefix": "/"}, "direct_response": {"status": 200}}], **more.pop("of_listener", {}))], [])
        conf["admin"] = {"address": address(admin), **more.pop("admin", {})}
        conf.update(more)
        door = Sallyport(conf, wait=False)
        door.admin = admin
        self.addCleanup(door.kill)
        wait_for("the door", lambda: connects(self.port))
        return door

    def test_admin_paths_and_log(self):
        log = work(f"admin-{time.time_ns()}.log")
        door = self.start(admin={"allow_paths": [{"exact": "/ready"}, {"prefix": "/stats"}], "access_log_path": log, "profile_path": "/x"})
        self.assertEqual(door.get("/ready?x")[0], 200)
        self.assertEqual(door.get("/stats?filter=x")[0], 200)
        for path in ("/", "/help", "/config_dump", "/quitquitquit", "/none"):
            self.assertEqual(door.get(path), (403, f"request to path {path} not allowed"))
        self.assertEqual(door.get("/quitquitquit", "POST")[0], 403)
        door.stop()
        with open(log, encoding="utf-8") as f:
            text = f.read()
        self.assertIn('"GET /ready?x HTTP/1.1" 200', text)
        self.assertIn('"GET /help HTTP/1.1" 403', text)

    def test_stats_config(self):
        door = self.start(stats_config={"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": "http.test"}]}},
                                        "stats_tags": [{"tag_name": "site", "fixed_value": "fra1"}]})
        curl(f"http://127.0.0.1:{self.port}/")
        self.assertEqual({line.split(".")[0] for line in door.get("/stats")[1].splitlines()}, {"http"})
        self.assertIn('envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="test",site="fra1"} 1', door.get("/stats/prometheus")[1])

    def test_accepted(self):
        re2 = "type.googleapis.com/envoy.extensions.regex_engines.v3.GoogleRE2"
        self.start(layered_runtime={"layers": [{"name": "admin", "admin_layer": {}}]}, deferred_stat_options={"enable_deferred_creation_stats": True},
                   node={"id": "i", "user_agent_name": "x"}, default_regex_engine={
                       "name": "re2", "typed_config": {"@type": re2}}, of_listener={
                           "max_connections_to_accept_per_socket_event": 1, "freebind": True, "metadata": {}, "drain_type": "MODIFY_ONLY"})
        self.assertEqual(curl(f"http://127.0.0.1:{self.port}/").status, 200)

    def test_keepalive(self):
        door = self.start(of_listener={"tcp_keepalive": {"keepalive_time": 77, "keepalive_interval": 5, "keepalive_probes": 2}})
        with socket.create_connection(("127.0.0.1", self.port)):
            def probed():
                with open("/proc/net/tcp", encoding="ascii") as f:
                    lines = [line.split() for line in f]
                # Established, from this port, with timer 2: keepalive.
                return any(x[1].endswith(f":{self.port:04X}") and x[3] == "01" and x[5].startswith("02:") for x in lines)
            wait_for("the keepalive timer", probed)
        self.assertEqual(door.stop(), 0)


class Drain(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()  # reads a body before it answers
        self.door = Sallyport(config([listener(free_port(), [route_to("o", timeout="0s")])], [cluster("o", self.origin.port)]))

    def tearDown(self):
        self.door.kill()
        self.origin.stop()

    def slow_post(self, results, h2):
        """A request whose body takes a second: it is under way when the signal comes."""
        p = subprocess.Popen(["curl", "-q", "-s", "-T", "-", "-w", " %{http_code}", "-m", str(20 * SLOW),
                              *(["--http2-prior-knowledge"] if h2 else []), f"http://127.0.0.1:{self.door.port}/echo"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write(b"first ")
        p.stdin.flush()
        time.sleep(1.0 * SLOW)
        p.stdin.write(b"second")
        p.stdin.close()
        results.append(p.stdout.read())
        p.wait()

    def test_requests_under_way_end(self):
        for h2 in (False, True):
            with self.subTest(h2=h2):
                if h2:
                    self.setUp()
                results = []
                t = threading.Thread(target=self.slow_post, args=(results, h2))
                t.start()
                wait_for("the request", lambda: self.door.stat("http.test.downstream_rq_active") >= 1)
                self.door.signal(signal.SIGTERM)
                wait_for("the listener to close", lambda: not connects(self.door.port))
                t.join()
                self.assertTrue(results[0].endswith(b" 200"), results)
                self.assertEqual(self.door.wait(), 0)

    def test_idle_connections_do_not_hold_it(self):
        s = socket.create_connection(("127.0.0.1", self.door.port))
        s.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"200 OK", s.recv(4096))
        began = time.time()
        self.door.signal(signal.SIGTERM)
        self.assertEqual(self.door.wait(), 0)
        self.assertLess(time.time() - began, 3 * SLOW)
        s.close()

    def test_silent_connections_do_not_hold_it(self):
        """Nor do those that never said a word; they have drain_timeout for it."""
        self.door.kill()
        self.door = Sallyport(config([listener(free_port(), [route_to("o")], hcm={"drain_timeout": f"{2 * SLOW}s"})], [cluster("o", self.origin.port)]))
        silent, late = (socket.create_connection(("127.0.0.1", self.door.port)) for _ in range(2))
        wait_for("both", lambda: self.door.stat("http.test.downstream_cx_active") == 2)
        self.door.signal(signal.SIGTERM)
        wait_for("the listener to close", lambda: not connects(self.door.port))
        late.sendall(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n")
        answer = late.recv(4096)
        self.assertIn(b"200 OK", answer)
        self.assertIn(b"\r\nconnection: close", answer.lower())
        self.assertEqual(self.door.wait(20), 0)
        self.assertEqual(silent.recv(1), b"")
        silent.close()
        late.close()

    def test_a_second_signal_ends_at_once(self):
        s = socket.create_connection(("127.0.0.1", self.door.port))
        s.sendall(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345")
        wait_for("the request", lambda: self.door.stat("http.test.downstream_rq_active") == 1)
        self.door.signal(signal.SIGTERM)
        time.sleep(0.3)
        self.assertIsNone(self.door.p.poll())
        self.door.signal(signal.SIGTERM)
        self.assertEqual(self.door.wait(5), 0)
        s.close()

    def test_signals_until_the_end(self):
        """However often, and however late: it ends well."""
        while self.door.p.poll() is None:
            self.door.signal(signal.SIGTERM)
            time.sleep(0.0005)
        self.assertEqual(self.door.wait(), 0)

    def test_quitquitquit(self):
        self.assertEqual(self.door.get("/quitquitquit", "POST")[0], 200)
        self.assertEqual(self.door.wait(), 0)

    def test_sighup_and_sigusr1_do_no_harm(self):
        for number in (signal.SIGHUP, signal.SIGUSR1):
            self.door.signal(number)
        time.sleep(0.2)
        self.assertEqual(curl(f"http://127.0.0.1:{self.door.port}/echo").status, 200)

    def test_no_core_file_has_secrets(self):
        """The process is not dumpable (sanitized builds need to be)."""
        with open(f"/proc/{self.door.pid}/status", encoding="ascii") as f:
            text = f.read()
        if subprocess.run(["grep", "-qa", "__asan_init", BIN], check=False).returncode != 0:
            self.assertTrue(re.search(r"CoreDumping:\s+0", text))
            self.assertEqual(os.stat(f"/proc/{self.door.pid}/mem").st_uid, 0)


if __name__ == "__main__":
    unittest.main()
