# SPDX-License-Identifier: GPL-2.0-or-later
"""CONNECT: tunnels that end here and tunnels that go on, over both versions of HTTP: their limits, their ends, and what is no tunnel."""
import os
import signal
import subprocess
import time
import unittest

from harness import (SECRET, SLOW, Nginx, Sallyport, ca, cert, cluster, config, downstream_tls, free_port, good_token, http_options, jwt_filter,
                     listener, log_lines, log_to, raw, refused, route_to, shield, upstream_tls, wait_for, work)
from tunnel import BOTH, ON, H1Tunnel, H2Tunnel, Origin, Script, connect_route, door_config, reset

BIG = os.urandom(3 << 20)
HEAD = b"CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n"


class Base(unittest.TestCase):
    def setUp(self):
        self.door, self.origins = None, []

    def tearDown(self):
        if self.door:
            self.assertEqual(self.door.stop(), 0, self.door.log())
        for o in self.origins:
            o.stop()

    def origin(self, kind="echo"):
        self.origins.append(Origin(kind))
        return self.origins[-1]

    def script(self, answer):
        self.origins.append(Script(answer))
        return self.origins[-1]

    def serve(self, routes, *clusters, args=(), **kw):
        if self.door:
            self.assertEqual(self.door.stop(), 0, self.door.log())
        self.door = Sallyport(door_config(routes, *clusters, **kw), *args)
        return self.door


class Tunnels(Base):
    def both(self, check, kind="echo"):
        """check(tunnel, origin) of each way: the client's version, and where the tunnel ends."""
        inner = free_port()
        o = self.origin(kind)
        conf = config([
            listener(free_port(), [connect_route("o")], hcm=ON),
            listener(free_port(), [connect_route("inner")], hcm={**ON, "stat_prefix": "h1"}, name="h1"),
            listener(free_port(), [connect_route("inner1", ends=False)], hcm={**ON, "stat_prefix": "f1"}, name="f1"),
            listener(free_port(), [connect_route("inner2", ends=False)], hcm={**ON, "stat_prefix": "f2"}, name="f2"),
            listener(inner, [connect_route("o")], hcm={**ON, "stat_prefix": "inner"}, name="inner")],
            [cluster("o", o.port), cluster("inner", o.port), cluster("inner1", inner), cluster("inner2", inner, http2=True)])
        ports = [x["address"]["socket_address"]["port_value"] for x in conf["static_resources"]["listeners"]]
        self.door = Sallyport(conf)
        for way, port in (("ends here", ports[0]), ("on over HTTP/1", ports[2]), ("on over HTTP/2", ports[3])):
            for client in BOTH:
                with self.subTest(way, client=client.__name__):
                    t = client(port)
                    self.assertEqual(t.answer(), 200)
                    check(t, o)
                    t.close()

    def test_bytes_of_any_number_both_ways(self):
        def check(t, _):
            t.send(b"small")
            self.assertEqual(t.receive(5), b"small")
            import threading
            sender = threading.Thread(target=t.send, args=(BIG,)) if isinstance(t, H1Tunnel) else None
            if sender:
                sender.start()
                self.assertTrue(t.receive(len(BIG), 30) == BIG)
                sender.join()
            else:
                for i in range(0, len(BIG), 60000):
                    t.send(BIG[i:i + 60000])
                self.assertTrue(t.receive(len(BIG), 30) == BIG)
        self.both(check)

    def test_the_clients_end_goes_on(self):
        def check(t, _):
            t.send(b"all of it", end=True)
            self.assertEqual(t.receive(13), b"got all of it")
            self.assertTrue(t.over() and not t.reset)
        self.both(check, "last")

    def test_the_origins_end_ends_it(self):
        def check(t, o):
            self.assertEqual(t.receive(11), b"220 hello\r\n")
            self.assertTrue(t.over() and not t.reset)
            wait_for("the origin to be told", lambda: o.got[-1]["end"])
        self.both(check, "first")

    def test_the_origin_speaks_first(self):
        def check(t, _):
            self.assertEqual(t.receive(11), b"220 hello\r\n")
            t.send(b"x")
            self.assertEqual(t.receive(1), b"x")
        self.both(check, "greet")

    def test_a_reset_is_no_end(self):
        def check(t, _):
            t.send(b"now")
            self.assertTrue(t.over())
            self.assertTrue(t.reset is not None)
        self.both(check, "rst")

    def test_a_client_that_resets(self):
        def check(t, o):
            t.send(b"x")
            self.assertEqual(t.receive(1), b"x")
            if isinstance(t, H1Tunnel):
                reset(t.sock)
            else:
                t.h2.reset_stream(t.id, 8)
                t.flush()
            wait_for("the origin to be told", lambda: o.got[-1]["end"])
        self.both(check)

    def test_early_bytes(self):
        """What is sent behind the request is the tunnel's: it waits for the answer, and is dropped when there is no tunnel."""
        evil = b"GET /evil HTTP/1.1\r\nHost: a\r\n\r\n"
        o = self.origin()
        self.serve([connect_route("o")], cluster("o", o.port))
        for client in BOTH:
            t = client(self.door.port, early=evil)
            self.assertEqual((t.answer(), t.receive(len(evil))), (200, evil))
            t.close()
        for answer, want in ((b"HTTP/1.1 403 F\r\nContent-Length: 2\r\n\r\nno", 403), (b"HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: CONNECT\r\n\r\n", 502),
                             (b"HTTP/1.1 302 F\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", 302), (b"nonsense\r\n\r\n", 502)):
            for client in BOTH:
                with self.subTest(answer, client=client.__name__):
                    s = self.script(answer)
                    self.serve([connect_route("o", ends=False)], cluster("o", s.port))
                    t = client(self.door.port, early=evil)
                    self.assertEqual(t.answer(), want)
                    t.over(1)
                    self.assertNotIn(b"HTTP/1.1", t.data)
                    self.assertEqual((len(s.heads), s.rest), (1, b""))
                    t.close()

    def test_what_goes_on(self):
        """As a request of its own: RFC 9110 section 9.3.6, RFC 9113 section 8.5."""
        for answer, want in ((b"200 OK\r\nContent-Length: 5\r\nx-a: b", 200), (b"200 OK\r\nTransfer-Encoding: chunked\r\nx-a: b", 200),
                             (b"204 N\r\nx-a: b", 204), (b"201 C\r\nx-a: b", 201)):
            for client in BOTH:
                with self.subTest(answer, client=client.__name__):
                    s = self.script(b"HTTP/1.1 " + answer + b"\r\n\r\n")
                    self.serve([connect_route("o", ends=False)], cluster("o", s.port))
                    t = client(self.door.port, headers=[("x-mine", "1")])
                    self.assertEqual(t.answer(), want)
                    head = t.head.lower() if isinstance(t, H1Tunnel) else repr(t.headers).encode()
                    self.assertIn(b"x-a", head)
                    for no in (b"content-length", b"transfer-encoding", b"connection"):
                        self.assertNotIn(no, head)
                    t.send(b"more than five bytes")
                    self.assertEqual(t.receive(20), b"more than five bytes")
                    lines = s.heads[0].split(b"\r\n")
                    self.assertEqual(lines[:2], [b"CONNECT a.test:443 HTTP/1.1", b"host: a.test:443"])
                    self.assertIn(b"x-mine: 1", lines)
                    self.assertFalse([x for x in lines if x.lower().startswith((b"content-length", b"transfer-encoding", b"upgrade"))])
                    t.close()

    def test_proxy_headers(self):
        o = self.origin()
        self.serve([connect_route("o", match={"headers": [{"name": "v", "string_match": {"exact": "2"}}]}, proxy={"version": "V2"}),
                    connect_route("o", proxy={})], cluster("o", o.port))
        for client in BOTH:
            t = client(self.door.port)
            self.assertEqual(t.answer(), 200)
            mine, theirs = t.sock.getsockname(), t.sock.getpeername()
            line = f"PROXY TCP4 {mine[0]} {theirs[0]} {mine[1]} {theirs[1]}\r\n".encode()
            self.assertEqual(t.receive(len(line)), line)
            t.send(b"x")
            self.assertEqual(t.receive(1), b"x")
            t.close()
            t = client(self.door.port, headers=[("v", "2")])
            self.assertEqual(t.answer(), 200)
            self.assertEqual(t.receive(28)[:16], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c")
            t.close()

    def test_curl_through_it_to_an_origin_with_tls(self):
        chain, key = cert("a-test", san="DNS:a.test")
        origin = Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; location / {{ return 200 inside; }}")
        self.serve([connect_route("o")], cluster("o", origin.port))
        def curl(*args):
            p = subprocess.run(["curl", "-s", "-m", "10", "--cacert", ca(), *args], capture_output=True, check=False)
            return p.returncode, p.stdout
        via = f"http://127.0.0.1:{self.door.port}"
        self.assertEqual(curl("-x", via, "https://a.test/"), (0, b"inside"))
        self.assertEqual(curl("-x", via, "--http2", "https://a.test/"), (0, b"inside"))
        self.assertNotEqual(curl("-x", via, "https://b.test/")[0], 0)  # the same origin, whatever is asked for: it is not b.test
        plain = self.origin()
        self.serve([connect_route("o")], cluster("o", plain.port))
        p = subprocess.run(["curl", "-sp", "-m", "5", "-x", f"http://127.0.0.1:{self.door.port}", "telnet://a.test:25"],
                           input=b"said", capture_output=True, check=False)
        self.assertIn(b"said", p.stdout)
        origin.kill()

    def test_tls_on_both_sides(self):
        """Of the client with the door, and of the door with the origin: by the cluster's transport socket, which offers no HTTP."""
        chain, key = cert("origin")
        origin = Nginx(f"listen 127.0.0.1:$PORT ssl; ssl_certificate {chain}; ssl_certificate_key {key}; location / {{ return 200 'alpn:$ssl_alpn_protocol'; }}")
        import ssl
        context = ssl.create_default_context(cafile=ca())
        context.set_alpn_protocols(["http/1.1"])
        two = ssl.create_default_context(cafile=ca())
        two.set_alpn_protocols(["h2"])
        for alpn, want in (((), b"alpn:"), (("http/1.1",), b"alpn:http/1.1")):
            self.serve([connect_route("o")], cluster("o", origin.port, tls=upstream_tls(client=None, **({"alpn_protocols": list(alpn)} if alpn else {}))),
                       tls=downstream_tls())
            for client, ctx in ((H1Tunnel, context), (H2Tunnel, two)):
                with self.subTest(alpn, client=client.__name__):
                    t = client(self.door.port, context=ctx)
                    self.assertEqual(t.answer(), 200)
                    t.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    t.over()
                    self.assertTrue(t.data.endswith(b"\r\n\r\n" + want), t.data)
                    t.close()
        origin.kill()


class Refusals(Base):
    def test_what_is_no_tunnel(self):
        o = self.origin()
        routes = {"none": [route_to("o")], "on": [connect_route("o")], "off": [{"match": {"connect_matcher": {}}, "route": {
            "cluster": "o", "upgrade_configs": [{"upgrade_type": "CONNECT", "enabled": False}]}}],
            "never": [{"match": {"connect_matcher": {}}, "direct_response": {"status": 405}}], "dead": [connect_route("dead")],
            "gone": [connect_route("gone")]}
        dead = free_port()
        conf = lambda which, **hcm: door_config(routes[which], cluster("o", o.port), cluster("dead", dead), hcm=hcm)
        for which, hcm, want in (("none", {}, 404), ("off", {}, 403), ("never", {}, 405), ("dead", {}, 503), ("on", {}, 200)):
            self.door = Sallyport(conf(which, **hcm))
            for client in BOTH:
                with self.subTest(which, client=client.__name__):
                    t = client(self.door.port)
                    self.assertEqual(t.answer(), want)
                    t.close()
            self.assertEqual(self.door.stat("http.test.downstream_rq_ws_on_non_ws_route"), 2 if want == 403 else 0)
            self.door.stop()
        self.door = None
        self.assertEqual(len(o.got), 2)

    def test_only_where_it_is_allowed(self):
        """By the connection manager, or by the route itself, which stands above it."""
        o = self.origin()
        allowed = connect_route("o", match={"headers": [{"name": "x", "present_match": True}]})
        silent = {"match": {"connect_matcher": {}}, "route": {"cluster": "o"}}
        self.door = Sallyport(config([listener(free_port(), [allowed, silent])], [cluster("o", o.port)]))
        for client in BOTH:
            for headers, want in (((), 403), ((("x", "y"),), 200)):
                t = client(self.door.port, headers=headers)
                self.assertEqual(t.answer(), want)
                t.close()

    def test_gates_and_filters_decide_first(self):
        o = self.origin()
        jwt = jwt_filter()
        jwt["typed_config"]["rules"] = [{"match": {"connect_matcher": {}}, "requires": {"provider_name": "test"}}]
        self.serve([connect_route("o")], cluster("o", o.port), filters=[shield(), jwt])
        proof, token = ("x-origin-verify", SECRET), ("authorization", f"Bearer {good_token()}")
        for client in BOTH:
            for headers, want in (((), 403), ((token,), 403), ((proof,), 401), ((proof, token), 200)):
                with self.subTest(want, client=client.__name__):
                    t = client(self.door.port, headers=headers)
                    self.assertEqual(t.answer(), want)
                    t.close()
        wait_for("both at the origin", lambda: len(o.got) == 2)

    def test_never_an_open_proxy(self):
        """Whatever is asked for, the cluster's endpoints are where it goes."""
        o, other = self.origin(), self.origin()
        self.serve([connect_route("o")], cluster("o", o.port))
        for client in BOTH:
            t = client(self.door.port, target=f"127.0.0.1:{other.port}")
            self.assertEqual(t.answer(), 200)
            t.send(b"x")
            self.assertEqual(t.receive(1), b"x")
            t.close()
        self.assertEqual((len(o.got), len(other.got)), (2, 0))

    def test_requests_that_are_malformed(self):
        o = self.origin()
        self.serve([connect_route("o")], cluster("o", o.port), hcm={"http_protocol_options": {"accept_http_10": True}})
        line = lambda target, more=b"", host=b"a": b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + host + b"\r\n" + more + b"\r\n"
        cases = {
            "no port": line(b"a.test"), "port 0": line(b"a.test:0"), "no such port": line(b"a.test:65536"), "an empty port": line(b"a.test:"),
            "no host": line(b":443"), "absolute form": line(b"http://a.test:80/"), "a path": line(b"/"), "a star": line(b"*"),
            "userinfo": line(b"u@a.test:443"), "v6 without brackets": line(b"::1:443"), "a fragment": line(b"a.test:443#x"),
            "a length": line(b"a.test:443", b"Content-Length: 5\r\n"), "two lengths": line(b"a.test:443", b"Content-Length: 0\r\nContent-Length: 0\r\n"),
            "chunks": line(b"a.test:443", b"Transfer-Encoding: chunked\r\n"), "two hosts": line(b"a.test:443", b"Host: b\r\n"),
            "a second offer": line(b"a.test:443", b"Connection: upgrade\r\nUpgrade: websocket\r\n"), "lower case": line(b"a:1").replace(b"CONNECT", b"connect"),
        }
        for name, head in cases.items():
            with self.subTest(name):
                out = raw(self.door.port, head + b"early", 1)
                self.assertTrue(out.startswith(b"HTTP/1.1 40"), out)
                self.assertEqual(out.count(b"HTTP/1.1"), 1)
        for head in (line(b"a.test:443", b"Content-Length: 0\r\n"), line(b"[::1]:443"), line(b"a.test:443", b"Connection: close\r\n"),
                     line(b"a.test:443", b"Expect: 100-continue\r\n")):
            with self.subTest(head):
                self.assertTrue(raw(self.door.port, head, 1).startswith(b"HTTP/1.1 200 OK\r\n"))
        import ws
        method, authority = (b":method", b"CONNECT"), (b":authority", b"a.test:443")
        for lines, want in (([method, (b":authority", b"a.test")], 400), ([method, (b":authority", b"a.test:0")], 400),
                            ([method, authority, (b":path", b"/")], None), ([method, authority, (b":scheme", b"http")], None), ([method], None),
                            ([method, (b"host", b"a.test:443")], None), ([method, authority, (b"content-length", b"5")], None),
                            ([method, (b":authority", b"u@a.test:1")], None), ([method, authority, (b"content-length", b"0")], 200)):
            with self.subTest(lines):
                t = ws.H2Tunnel(self.door.port, lines=lines)
                self.assertEqual((t.answer(), t.reset), (want, 1 if want is None else None))
                t.close()

    def test_names_make_no_tunnel(self):
        """An Upgrade or :protocol that is called CONNECT is none."""
        import ws
        o = self.origin()
        both = {"match": {"prefix": "/"}, "route": {"cluster": "o", "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}]}}
        self.serve([both], cluster("o", o.port), hcm={"http2_protocol_options": {"allow_connect": True}})
        self.assertIn(b" 403 ", raw(self.door.port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: CONNECT\r\n\r\n", 1))
        t = ws.H2Tunnel(self.door.port, protocol=b"CONNECT")
        self.assertEqual(t.answer(), 403)
        t.close()
        self.assertEqual(o.got, [])

    def test_config(self):
        for routes, text in (([{"match": {"connect_matcher": {}}, "redirect": {"host_redirect": "b"}}], "nobody follows a redirect of a CONNECT"),
                             ([connect_route("o", prefix_rewrite="/")], "a CONNECT has no path"),
                             ([connect_route("o", proxy={"added_tlvs": [{"type": 5, "value": "YQ=="}]})], "are for binary headers only")):
            self.assertIn(text, refused(door_config(routes, cluster("o", 1))))
        post = connect_route("o")
        post["route"]["upgrade_configs"][0]["connect_config"]["allow_post"] = True
        self.assertIn("Envoy has this field", refused(door_config([post], cluster("o", 1))))


class Limits(Base):
    def test_times(self):
        o = self.origin()
        kinds = (("idle", {"idle_timeout": "1s"}, "rq_idle_timeout"), ("age", {"max_stream_duration": {"max_stream_duration": "1s"}}, "rq_max_duration_reached"))
        for name, action, counter in kinds:
            self.serve([connect_route("o", **action)], cluster("o", o.port))
            for i, client in enumerate(BOTH):
                with self.subTest(name, client=client.__name__):
                    t = client(self.door.port)
                    self.assertEqual(t.answer(), 200)
                    self.assertTrue(t.over() and t.reset)
                    self.assertEqual(self.door.stat("http.test.downstream_" + counter), i + 1)
                    t.close()
                    wait_for("the origin to be told", lambda: o.got[-1]["end"])

    def test_the_route_timeout_is_for_the_answer_only(self):
        slow = self.script(b"HTTP/1.1 200 OK\r\n\r\n")
        slow.serve = lambda c: time.sleep(5)
        self.serve([connect_route("o", ends=False, timeout="0.5s")], cluster("o", slow.port))
        for client in BOTH:
            t = client(self.door.port)
            self.assertEqual(t.answer(), 504)
            t.close()
        o = self.origin()
        self.serve([connect_route("o", timeout="0.5s")], cluster("o", o.port))
        for client in BOTH:
            t = client(self.door.port)
            self.assertEqual(t.answer(), 200)
            time.sleep(0.9)
            t.send(b"x")
            self.assertEqual(t.receive(1), b"x")
            t.close()

    def test_slow_readers_hold_little(self):
        """Both ways: whoever does not read is not sent more than the buffers hold."""
        pour, deaf = self.origin("pour"), self.origin("deaf")
        small = {"per_connection_buffer_limit_bytes": 65536}
        self.serve([connect_route("deaf", match={"headers": [{"name": "deaf", "present_match": True}]}, idle_timeout="15s"), connect_route("pour")],
                   cluster("pour", pour.port, **small), cluster("deaf", deaf.port, **small), **small)
        for client in BOTH:
            with self.subTest("the client", client=client.__name__):
                before = self.door.rss()
                tunnels = [client(self.door.port) for _ in range(4)]
                time.sleep(1.5 * SLOW)
                self.assertLess(self.door.rss() - before, 12 << 20)
                for t in tunnels:
                    t.close()
            with self.subTest("the origin", client=client.__name__):
                before = self.door.rss()
                tunnels = [client(self.door.port, headers=[("deaf", "1")]) for _ in range(4)]
                for t in tunnels:
                    self.assertEqual(t.answer(), 200)
                    t.sock.settimeout(0.5)
                    sent = 0
                    try:
                        while sent < 64 << 20:
                            if client is H1Tunnel:
                                sent += t.sock.send(bytes(65536))
                            elif t.h2.local_flow_control_window(t.id) >= 16384:
                                t.h2.send_data(t.id, bytes(16384))
                                t.flush()
                                sent += 16384
                            elif not t.wait(lambda t=t: t.h2.local_flow_control_window(t.id) >= 16384, 0.5):
                                break
                    except OSError:
                        pass
                    self.assertLess(sent, 32 << 20)
                self.assertLess(self.door.rss() - before, 12 << 20)
                for t in tunnels:
                    t.close()
        # An end that stands behind bytes which nobody takes is not seen: idle_timeout sees to that.
        wait_for("the tunnels to end", lambda: self.door.stat("http.test.downstream_cx_upgrades_active") == 0, 40)

    def test_circuit_breakers(self):
        o = self.origin()
        self.serve([connect_route("o")], cluster("o", o.port, circuit_breakers={"thresholds": [{"max_requests": 1}]}), args=())
        first = H1Tunnel(self.door.port)
        self.assertEqual(first.answer(), 200)
        for client in BOTH:
            t = client(self.door.port)
            self.assertEqual(t.answer(), 503)
            t.close()
        first.close()
        wait_for("the first to end", lambda: self.door.stat("cluster.o.upstream_rq_active") == 0)
        t = H2Tunnel(self.door.port)
        self.assertEqual(t.answer(), 200)
        t.close()

    def test_one_connection_each(self):
        """None is used again, and those that the pool holds are not HTTP's."""
        o = self.origin()
        self.serve([connect_route("o"), route_to("o")], cluster("o", o.port))
        t = H2Tunnel(self.door.port)
        self.assertEqual(t.answer(), 200)
        other = H2Tunnel(self.door.port)
        self.assertEqual(other.answer(), 200)
        self.assertEqual(self.door.stat("cluster.o.upstream_cx_active"), 2)
        t.close()
        other.close()
        wait_for("both to end", lambda: self.door.stat("cluster.o.upstream_cx_active") == 0)
        stats = self.door.stats()
        self.assertEqual((stats["cluster.o.upstream_cx_total"], stats.get("cluster.o.upstream_cx_http1_total", 0)), (2, 0))

    def test_counted_and_logged_at_its_end(self):
        o = self.origin()
        for client in BOTH:
            with self.subTest(client.__name__):
                log = work(f"connect-{time.time_ns()}.log")
                self.serve([connect_route("o")], cluster("o", o.port), hcm={"access_log": log_to(log)})
                t = client(self.door.port)
                self.assertEqual(t.answer(), 200)
                wait_for("the gauge", lambda: self.door.stat("http.test.downstream_cx_upgrades_active") == 1)
                t.send(b"x" * 100, end=True)
                self.assertEqual(len(t.receive(100)), 100)
                self.assertTrue(t.over())
                t.close()
                line = wait_for("the line", lambda: log_lines(log))[0]
                self.assertEqual((line["status"], line["rx"], line["tx"], line["method"], line["path"], line["details"], line["flags"], line["cluster"]),
                                 (200, 100, 100, "CONNECT", None, "via_upstream", "-", "o"))
                wait_for("the gauge", lambda: self.door.stat("http.test.downstream_cx_upgrades_active") == 0)
                self.assertEqual(self.door.stat("http.test.downstream_cx_upgrades_total"), 1)

    def test_a_drain_waits_for_it_until_its_deadline(self):
        o = self.origin()
        self.serve([connect_route("o")], cluster("o", o.port), args=("--drain-time-s", "2"))
        tunnels = [client(self.door.port) for client in BOTH]
        for t in tunnels:
            self.assertEqual(t.answer(), 200)
        began = time.time()
        self.door.signal(signal.SIGTERM)
        time.sleep(0.5)
        tunnels[0].send(b"still")
        self.assertEqual(tunnels[0].receive(5), b"still")
        for t in tunnels:
            self.assertTrue(t.over(20))
        self.door.wait(20)
        self.assertTrue(1.5 < time.time() - began < 6 * SLOW)
        self.door = None

    def test_a_reload_leaves_it_alone(self):
        import json
        o, other = self.origin(), self.origin()
        conf = door_config([connect_route("o")], cluster("o", o.port))
        self.door = Sallyport(conf)
        tunnels = [client(self.door.port) for client in BOTH]
        for t in tunnels:
            self.assertEqual(t.answer(), 200)
        with open(self.door.config_path, encoding="utf-8") as f:
            conf = json.load(f)
        chain = conf["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]
        chain["route_config"]["virtual_hosts"][0]["routes"] = [connect_route("p")]
        conf["static_resources"]["clusters"] = [cluster("p", other.port)]
        with open(self.door.config_path + ".new", "w", encoding="utf-8") as f:
            json.dump(conf, f)
        os.rename(self.door.config_path + ".new", self.door.config_path)
        self.door.signal(signal.SIGHUP)
        def moved():
            t = H1Tunnel(self.door.port)
            t.answer()
            t.close()
            return other.got
        wait_for("the new route", moved)
        for t in tunnels:
            t.send(b"still")
            self.assertEqual(t.receive(5), b"still")
            t.close()


if __name__ == "__main__":
    unittest.main()
