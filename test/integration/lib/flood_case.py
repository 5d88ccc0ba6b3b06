# SPDX-License-Identifier: GPL-2.0-or-later
"""The door that the floods of floods.py are measured against, and what is asked of each of them."""
import base64
import hashlib
import hmac
import json
import os
import re
import selectors
import signal
import socket
import time
import types
import unittest

import floods
from flood_run import Ground
from harness import SANITIZED, SLOW, T, Nginx, Sallyport, cluster, config, downstream_tls, free_port, good_token, jwt_filter, listener, log_to, route_to, shield, work

SECONDS = float(os.environ.get("SP_FLOOD_S", "0.5"))
LONG = SECONDS > 1
P99_MS = 100
TUNNELS = {"upgrade_configs": [{"upgrade_type": "websocket"}, {"upgrade_type": "CONNECT"}]}
# Short, so that a test sees them pass; the defaults are in the page.
BRIEF = {"request_headers_timeout": "0.4s", "stream_idle_timeout": "0.5s", "request_timeout": "0.6s", "delayed_close_timeout": "0.2s",
         "common_http_protocol_options": {"idle_timeout": "0.5s"}, **TUNNELS}
NGINX = ("listen 127.0.0.1:$PORT backlog=4096; keepalive_timeout 60; location /good { return 200 'good page'; } location /o { return 200 'ok'; } location /sink { return 200 'ok'; } "
         "location = /big { try_files /big =404; } location / { return 200 'ok'; }")
BIG = 3000000


class Switched:
    """An origin of tunnels, in a process of its own: says 101 to an offer and nothing else."""

    def __init__(self):
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.socket.getsockname()[1]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                self.serve()
            finally:
                os._exit(0)
        self.socket.close()

    def serve(self):
        look = selectors.DefaultSelector()
        look.register(self.socket, selectors.EVENT_READ)
        while True:
            for key, _ in look.select():
                if key.fileobj is self.socket:
                    look.register(self.socket.accept()[0], selectors.EVENT_READ)
                    continue
                try:
                    data = key.fileobj.recv(65536)
                    if b"websocket" in data.lower():
                        key.fileobj.sendall(b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                                            b"Sec-WebSocket-Accept: ICX+Yqv66kxgM0FcWaLWlFLwTAI=\r\n\r\n")
                except OSError:
                    data = b""
                if not data:
                    look.unregister(key.fileobj)
                    key.fileobj.close()

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


def tokens():
    """Made once: what the door has to look at is another's work to make."""
    b64 = lambda x: base64.urlsafe_b64encode(x if isinstance(x, bytes) else json.dumps(x).encode()).rstrip(b"=").decode()
    good = good_token()
    head = good.split(".")[0]
    forged = good[:-20] + ("A" * 20 if good[-20:] != "A" * 20 else "B" * 20)
    def of(payload):
        text = head + "." + b64(payload)
        return text + "." + b64(hmac.new(b"x", text.encode(), hashlib.sha256).digest() * 8)
    claims = {"iss": "https://issuer.test", "aud": "api"}
    deep = b'{"iss":"https://issuer.test","aud":"api","x":' + b"[" * 8000 + b"]" * 8000 + b"}"
    return {"forged": forged, "large": of({**claims, "x": "y" * 36000}), "keys": of({**claims, **{f"k{i}": i for i in range(2500)}}), "deep": of(deep)}


def door(origin, raw):
    """(config, target): one worker; the good client has a listener of its own."""
    target = types.SimpleNamespace(**{n: free_port() for n in ("plain", "brief", "tls", "gated", "proxied", "limited", "good")}, tokens=tokens())
    regex = {"match": {"safe_regex": {"regex": "/regex/(a+)+$"}}, "route": {"cluster": "o"}}
    query = {"match": {"prefix": "/query", "query_parameters": [{"name": n, "present_match": True} for n in ("no", "none")]}, "route": {"cluster": "o"}}
    headers = {"match": {"prefix": "/header", "headers": [{"name": f"not-{i}", "present_match": True} for i in range(3)]}, "route": {"cluster": "o"}}
    hashed = route_to("o", "/cookie", hash_policy=[{"cookie": {"name": "k"}}, {"query_parameter": {"name": "none"}}])
    routes = [{"match": {"connect_matcher": {}}, "route": {"cluster": "raw", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}},
              {"match": {"path": "/direct"}, "direct_response": {"status": 200, "body": {"inline_string": "ok"}}},
              route_to("big", "/big"), route_to("o", "/o"), route_to("raw", "/sink"), route_to("raw", "/tunnel"), query, headers, hashed, regex]
    catch = {"match": {"prefix": "/"}, "direct_response": {"status": 200}}
    of = lambda name, chosen=(), **more: listener(getattr(target, name), chosen or routes, name=name, stat_prefix=name, hcm={**(BRIEF if name in ("brief", "proxied", "tls") else TUNNELS), **more.pop("hcm", {})}, **more)
    log = work(f"floods-{time.time_ns()}.log")
    target.log = log
    listeners = [
        listener(target.good, [route_to("o")], name="good", stat_prefix="good", tls=downstream_tls(alpn=["http/1.1"]), hcm={"stat_prefix": "good"}),
        of("plain", routes, hcm={"access_log": log_to(log), "normalize_path": True}),
        of("brief", routes, hcm={"access_log": log_to(log)}),
        of("gated", [route_to("o", "/o")], filters=[shield(), jwt_filter()]),
        of("proxied", [catch], listener_filters_timeout="0.4s", listener_filters=[{"name": "proxy_protocol", "typed_config": {
            "@type": T + "envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"}}]),
        of("limited", [catch]),
        of("tls", [catch], tls=downstream_tls("rsa", alpn=["h2", "http/1.1"]), listener_filters_timeout="0.4s",
           listener_filters=[{"name": "tls_inspector", "typed_config": {"@type": T + "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"}}])]
    listeners[-1]["filter_chains"][0]["transport_socket_connect_timeout"] = "0.4s"
    conf = config(listeners, [cluster("o", origin.port), cluster("big", origin.port), cluster("raw", raw.port)])
    conf["layered_runtime"] = {"layers": [{"name": "limits", "static_layer": {"envoy.resource_limits.listener.limited.connection_limit": 50}}]}
    return conf, target


def resolve(name):
    module, what = name.split(".")
    return getattr(__import__("flood_" + module), what)


class FloodCase(unittest.TestCase):
    """One door for all of a suite's floods. `results` is what scripts/floods prints."""
    group, results = None, []

    @classmethod
    def setUpClass(cls):
        from harness import cert
        cert("rsa", kind="rsa")
        cls.origin = Nginx(NGINX)
        cls.origin.page("big", b"x" * BIG)
        cls.raw = Switched()
        conf, cls.target = door(cls.origin, cls.raw)
        cls.door = Sallyport(conf, "-l", "warning", concurrency=1)
        cls.ground = Ground(cls.door, cls.origin, cls.target.good, cls.target)
        quiet = cls.ground.measure("nothing at all", None, max(SECONDS, 1.0))
        cls.quiet = quiet
        assert not quiet.failed, quiet.failed[:3]
        cls.results.append((None, quiet))

    @classmethod
    def tearDownClass(cls):
        cls.ground.close()
        code = cls.door.stop(20)
        cls.origin.stop()
        cls.raw.stop()
        assert code == 0, cls.door.log()

    def flood(self, f):
        seconds = max(SECONDS, 1.2) if f.name.startswith(("hoard", "slow", "half", "PROXY", "a ClientHello", "ClientHello byte", "connections that", "idle", "key", "reneg")) else SECONDS
        if f.long:
            seconds = max(seconds, 8)
        for attempt in range(3):  # a machine that is busy with other things may leave the attackers no time
            r, missing = self.attack(f, seconds * (1 + 2 * attempt))
            if not missing:
                break
        self.results.append((f, r))
        self.assertEqual(missing, "")

    def attack(self, f, seconds):
        """(result, what was to be seen and was not). What the good client noticed is no matter of luck."""
        r = self.ground.measure(f.name, resolve(f.attack), seconds)
        text = str(r._replace(counters={k: v for k, v in r.counters.items() if not re.search("good|admin|cluster", k)}))
        print(f"{f.name:50} {r.requests:5} {len(r.failed)} failed, p99 {r.p99:6.1f} ms (wall {r.wall_p99:6.1f}), worker {r.cpu:4.0%}, +{r.rss >> 20} MiB, {r.outcomes}", flush=True)
        self.assertFalse([x for x in r.outcomes if x.startswith(("broke", "never"))], text)
        self.assertEqual(r.failed, [], text)
        self.assertLess(r.p99, P99_MS * SLOW, text)
        if not SANITIZED:
            self.assertLess(r.rss, f.rss << 20, text)
        if f.sees and not any(re.match(f.sees, x) for x in r.outcomes):
            return r, f"no attacker saw {f.sees}: {text}"
        for names in f.counters:
            if not self.counted(r, [floods.pattern(n) for n in names.split("|")]):
                return r, f"{names} was not counted: {text}"
        return r, ""

    def counted(self, r, wanted):
        """By the end of the attack, or soon after: timeouts come when they come."""
        if any(p.fullmatch(k) for p in wanted for k, v in r.counters.items() if v > 0):
            return True
        before, end = self.door.stats(), time.time() + 3 * SLOW
        while time.time() < end:
            now = self.door.stats()
            if any(p.fullmatch(k) for p in wanted for k, v in now.items() if v > before.get(k, 0)):
                return True
            time.sleep(0.1)
        return False


def tests(group):
    """The class of a group's floods, one test each."""
    def method(f):
        return lambda self: self.flood(f)
    members = {"test_" + re.sub(r"\W+", "_", f.name).strip("_"): method(f) for f in floods.TABLE if f.group == group and (LONG or not f.long)}
    return type("Floods", (FloodCase,), {**members, "group": group})
