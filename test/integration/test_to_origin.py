# SPDX-License-Identifier: GPL-2.0-or-later
"""Towards the origin: the address that connections come from, and the secrets that only the origin sees."""
import concurrent.futures
import http.client
import json
import os
import socket
import subprocess
import threading
import time
import unittest

import test_envoy
from echo import Echo
from harness import (BIN, Nginx, Sallyport, T, cluster, config, curl, free_port, listener, refused, route_to, wait_for, work)

FROM = "upstream_bind_config"


def source(ip):
    return {"source_address": {"address": ip, "port_value": 0}}


class EgressAddress(unittest.TestCase):
    def start(self, *clusters, **more):
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$remote_addr"; }')
        self.addCleanup(origin.kill)
        port = free_port()
        made = [cluster(name, origin.port, **{FROM: source(ip)} if ip else {}) for name, ip in clusters]
        conf = dict(config([listener(port, [route_to(name, "/" + name) for name, _ in clusters])], made), **more)
        door = Sallyport(conf)
        self.addCleanup(door.kill)
        return door, f"http://127.0.0.1:{port}"

    def test_each_cluster_has_its_own(self):
        door, url = self.start(("a", "127.0.0.11"), ("b", "127.0.0.12"), ("c", None))
        seen = {name: curl(f"{url}/{name}").body.decode() for name in "abc"}
        self.assertEqual(seen, {"a": "127.0.0.11", "b": "127.0.0.12", "c": "127.0.0.1"})
        self.assertEqual(door.stop(), 0)

    def test_default_of_all(self):
        door, url = self.start(("a", "127.0.0.11"), ("b", None), cluster_manager={FROM: source("127.0.0.13")})
        seen = {name: curl(f"{url}/{name}").body.decode() for name in "ab"}
        self.assertEqual(seen, {"a": "127.0.0.11", "b": "127.0.0.13"})
        self.assertEqual(door.stop(), 0)

    def test_health_checks_too(self):
        peers = set()
        with socket.create_server(("127.0.0.1", 0)) as server:
            def serve():
                while True:
                    try:
                        peer, (ip, _) = server.accept()
                    except OSError:
                        return
                    peers.add(ip)
                    peer.close()
            threading.Thread(target=serve, daemon=True).start()
            check = {"timeout": "1s", "interval": "0.1s", "unhealthy_threshold": 1, "healthy_threshold": 1}
            for kind in ({"tcp_health_check": {}}, {"http_health_check": {"path": "/"}}):
                door = Sallyport(config([listener(free_port(), [route_to("a")])], [
                    cluster("a", server.getsockname()[1], health_checks=[{**check, **kind}], **{FROM: source("127.0.0.14")})]))
                self.addCleanup(door.kill)
                wait_for("a check", lambda: door.stat("cluster.a.health_check.attempt") > 0)
                self.assertEqual(door.stop(), 0)
            server.shutdown(socket.SHUT_RDWR)
        self.assertEqual(peers, {"127.0.0.14"})

    def test_an_address_that_is_not_here(self):
        """No other address is taken instead; the log and a counter say why."""
        door, url = self.start(("a", "192.0.2.7"))
        a = curl(url + "/a")
        self.assertEqual(a.status, 503)
        self.assertGreaterEqual(door.stat("cluster.a.bind_errors"), 1)
        self.assertIn('cluster "a": cannot connect from 192.0.2.7: Cannot assign requested address', door.log())
        self.assertIn("has to be an address of this machine", door.log())


INJECTOR = T + "envoy.extensions.filters.http.credential_injector.v3.CredentialInjector"
GENERIC = T + "envoy.extensions.http.injected_credentials.generic.v3.Generic"
VALUE = "a-credential-that-nobody-may-see"


def injector(name="origin", **more):
    generic = {k: more.pop(k) for k in ("header", "header_value_prefix") if k in more}
    return {"name": "credential", "typed_config": {"@type": INJECTOR, "credential": {"name": "generic", "typed_config": {
        "@type": GENERIC, "credential": {"name": name}, **generic}}, **more}}


def secret(name, **source):
    return {"name": name, "generic_secret": {"secret": source}}


def with_secrets(conf, *secrets):
    conf["static_resources"]["secrets"] = list(secrets)
    return conf


class Credential(unittest.TestCase):
    def setUp(self):
        self.origin = Echo()
        self.addCleanup(self.origin.stop)
        self.log, self.file = work(f"credential-{time.time_ns()}.log"), work(f"credential-{time.time_ns()}")
        self.write(VALUE)

    def write(self, text):
        with open(self.file + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(self.file + ".new", self.file)

    def start(self, **more):
        logs = [{"name": "file", "typed_config": {
            "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": self.log, "log_format": {
                "text_format_source": {"inline_string": "%REQ(authorization)% %REQ(x-key)% %RESPONSE_CODE%\n"}}}}]
        route = dict(route_to("o"), request_headers_to_add=[{"header": {"key": "x-key", "value": "k=%SECRET(file)%"}}],
                     response_headers_to_add=[{"header": {"key": "x-leak", "value": "%REQ(x-key)%%REQ(authorization)%"}}])
        self.port = free_port()
        door = Sallyport(with_secrets(config(
            [listener(self.port, [route], filters=[injector("inline", header_value_prefix="Bearer ")], hcm={"access_log": logs})],
            [cluster("o", self.origin.port, **more)]), secret("file", filename=self.file), secret("inline", inline_string=VALUE)), "-l", "trace")
        self.addCleanup(door.kill)
        return door

    def ask(self, *args):
        a = curl(f"http://127.0.0.1:{self.port}/", *args)
        self.assertEqual(a.status, 200)
        return a, dict(json.loads(a.body)["headers"])

    def test_seen_by_the_origin_alone(self):
        door = self.start()
        a, got = self.ask("-H", "authorization: Basic client", "-H", "x-key: forged", "-H", "x_key: forged")
        self.assertEqual((got["authorization"], got["x-key"]), ("Bearer " + VALUE, "k=" + VALUE))
        self.assertNotIn("x_key", got)
        self.assertEqual(a.headers["x-leak"], "[secret][secret]")
        shown = "".join(door.get(p)[1] for p in ("/config_dump", "/files", "/stats", "/files?format=json"))
        self.assertIn("[redacted]", shown)
        self.assertNotIn(VALUE, shown)
        self.assertEqual(door.stat("http.test.credential_injector.injected"), 1)
        self.assertEqual(door.stop(), 0)
        with open(self.log, encoding="utf-8") as f:
            self.assertEqual(f.read(), "[secret] [secret] 200\n")
        self.assertNotIn(VALUE, door.log())

    def test_the_file_changes(self):
        """New secrets serve without a restart; what no header can carry is refused; no request is lost meanwhile."""
        door = self.start()
        self.assertEqual(self.ask()[1]["x-key"], "k=" + VALUE)
        for text, serves in (("second\n", "second"), ("", "second"), ("two\nlines\n", "second"), ("third", "third")):
            before = door.stats()
            self.write(text)
            name = "files.reload_ok" if text.strip() == serves else "files.reload_refused"
            wait_for(f"{name} to count", lambda: door.stat(name) > before.get(name, 0))
            self.assertEqual(self.ask()[1]["x-key"], "k=" + serves)
        self.assertEqual(door.stop(), 0)
        self.assertNotIn("third", door.log())

    def test_rotation_under_load(self):
        """5,000 requests while the secret changes again and again: each is answered, each carries one of the secrets."""
        origin = Nginx('listen 127.0.0.1:$PORT; location / { return 200 "$http_x_key"; }')
        self.addCleanup(origin.kill)
        port = free_port()
        door = Sallyport(with_secrets(config([listener(port, [route_to("o")], filters=[injector("file", header="x-key")])],
                                             [cluster("o", origin.port)]), secret("file", filename=self.file)))
        self.addCleanup(door.kill)
        seen, wrong = set(), []

        def ask(_):
            c = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            for _ in range(500):
                c.request("GET", "/")
                r = c.getresponse()
                body = r.read().decode()
                seen.add(body)
                if r.status != 200 or not (body == VALUE or body.startswith("rotated-")):
                    wrong.append((r.status, body))
            c.close()
        with concurrent.futures.ThreadPoolExecutor(10) as pool:
            asking = [pool.submit(ask, i) for i in range(10)]
            n = 0
            while not all(a.done() for a in asking):
                n += 1
                self.write(f"rotated-{n}")
                time.sleep(0.05)
            for a in asking:
                a.result()
        self.assertEqual(wrong, [])
        self.assertGreater(len(seen), 2)
        self.assertEqual(door.stat("http.test.downstream_rq_2xx"), 5000)
        self.assertEqual(door.stop(), 0)

    def test_environment(self):
        """Read at the start; `validate` says so, and never what is in it."""
        conf = with_secrets(config([listener(free_port(), [route_to("o")], filters=[injector(header="x-env")])],
                                   [cluster("o", self.origin.port)]), secret("origin", environment_variable="SP_TO_ORIGIN"))
        path = work("environment.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(conf, f)
        p = subprocess.run([BIN, "validate", path], capture_output=True, text=True, check=False, env=dict(os.environ, SP_TO_ORIGIN=VALUE))
        self.assertEqual(p.returncode, 0, p.stderr)
        self.assertIn("SP_TO_ORIGIN is read at the start only", p.stdout + p.stderr)
        self.assertNotIn(VALUE, p.stdout + p.stderr)
        self.assertIn("SP_TO_ORIGIN is not set", refused(conf))

    def test_configs(self):
        """Errors and warnings name the secret and never show it."""
        make = lambda *secrets, **more: with_secrets(config(
            [listener(free_port(), [route_to("o")], filters=[injector(**more)])], [cluster("o", 1)]), *secrets)
        self.assertIn('there is no generic secret "origin"', refused(make()))
        text = refused(make(secret("origin", inline_string=VALUE + "\n")))
        self.assertIn("no header can carry it", text)
        self.assertNotIn(VALUE, text)
        logged = make(secret("origin", inline_string=VALUE))
        manager = logged["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        manager["access_log"] = [{"name": "f", "typed_config": {
            "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": "/dev/null",
            "log_format": {"text_format_source": {"inline_string": "%SECRET(origin)%"}}}}]
        self.assertIn("may stand in headers towards the origin only", refused(logged))


@unittest.skipUnless(test_envoy.find_envoy(), "no Envoy here: scripts/envoy brings one from PyPI")
class CredentialDifferential(unittest.TestCase):
    """Beside a real Envoy: the same but for the default of `overwrite`, so it is written."""
    maxDiff = None
    both, conf = test_envoy.Differential.both, test_envoy.Differential.conf
    setUp, tearDown = test_envoy.Differential.setUp, test_envoy.Differential.tearDown

    def test_headers(self):
        for more in ({"overwrite": True}, {"overwrite": False}, {"overwrite": True, "header": "X-Key"},
                     {"overwrite": True, "header_value_prefix": "Bearer "}, {"overwrite": True, "allow_request_without_credential": True}):
            conf = with_secrets(self.conf([route_to("o")], filters=[injector(**more)]), secret("origin", inline_string=VALUE))
            self.both(conf, [("none", [], "/"), ("client's", ["-H", "authorization: Basic x"], "/"),
                             ("key", ["-H", "x-key: a", "-H", "x-key: b"], "/"), ("post", ["-d", "x", "-H", "authorization: y"], "/")])


if __name__ == "__main__":
    unittest.main()
