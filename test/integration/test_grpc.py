# SPDX-License-Identifier: GPL-2.0-or-later
"""gRPC from end to end: clients and origins of python3-grpcio, through TLS and HTTP/2, over plain HTTP/2 and TLS to origins."""
import json
import os
import queue
import socket
import sys
import threading
import time
import unittest

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # the harness starts programs while channels are open
import grpc  # noqa: E402

from harness import (SLOW, T, Proc, Sallyport, ca, cert, cluster, config, connects, curl, downstream_tls, free_port,  # noqa: E402
                     http_options, ip_restriction, listener, log_lines, route_to, upstream_tls, wait_for, work)

HERE = os.path.dirname(os.path.abspath(__file__))
C = grpc.StatusCode
BIG = [("grpc.max_receive_message_length", 16 << 20)]
LOG = [{"name": "file", "typed_config": {
    "@type": T + "envoy.extensions.access_loggers.file.v3.FileAccessLog", "path": None, "log_format": {"json_format": {
        "path": "%REQ(:PATH)%", "status": "%RESPONSE_CODE%", "grpc": "%GRPC_STATUS%", "number": "%GRPC_STATUS_NUMBER%",
        "flags": "%RESPONSE_FLAGS%", "details": "%RESPONSE_CODE_DETAILS%"}}}}]


class Origin(Proc):
    def __init__(self, name="origin", tls=False, port=None):
        self.port = port or free_port()
        argv = [sys.executable, os.path.join(HERE, "lib", "grpc_origin.py"), str(self.port), name]
        super().__init__(name, argv + list(cert("origin")) if tls else argv)
        self.is_up()

    def is_up(self):
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as c:
            wait_for("the origin", lambda: connects(self.port), 30)
            del c


class Client:
    def __init__(self, port, *options):
        with open(ca(), "rb") as f:
            credentials = grpc.ssl_channel_credentials(f.read())
        self.channel = grpc.secure_channel(f"localhost:{port}", credentials, options=[*BIG, *options])

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.channel.close()

    def unary(self, data=b"", method="Unary", timeout=10, path="/t.S/", **kw):
        return self.channel.unary_unary(path + method)(data, timeout=timeout * SLOW, wait_for_ready=False, **kw)

    def call(self, data=b"", method="Unary", timeout=10, path="/t.S/", **kw):
        """(message, call): with its metadata and its code."""
        return self.channel.unary_unary(path + method).with_call(data, timeout=timeout * SLOW, **kw)

    def error(self, data=b"", method="Unary", timeout=10, **kw):
        try:
            self.unary(data, method, timeout, **kw)
        except grpc.RpcError as e:
            return e
        raise AssertionError("it went well")

    def seen(self):
        return json.loads(self.unary(method="Seen"))


class Chat:
    """A stream both ways, one message at a time."""

    def __init__(self, client, timeout=60, path="/t.S/Chat"):
        self.q = queue.Queue()
        self.call = client.channel.stream_stream(path)(iter(self.q.get, None), timeout=timeout * SLOW)

    def say(self, data):
        self.q.put(data)
        return next(self.call)

    def end(self):
        self.q.put(None)
        return list(self.call)


def door_conf(port, *clusters, log=None, hcm=None, filters=()):
    text = json.loads(json.dumps(LOG))
    text[0]["typed_config"]["path"] = log or work(f"grpc-{time.time_ns()}.log")
    routes = [route_to("tls", "/tls/t.S/", prefix_rewrite="/t.S/", timeout="0s"), route_to("nobody", "/nobody"),
              {"match": {"prefix": "/limited"}, "route": {"cluster": "o", "prefix_rewrite": "/t.S", "timeout": "0s", "max_stream_duration": {
                  "grpc_timeout_header_max": "1s"}}},
              {"match": {"prefix": "/t.S/"}, "route": {"cluster": "o", "timeout": "0s"}},
              {"match": {"prefix": "/direct"}, "direct_response": {"status": 429, "body": {"inline_string": "too much, naïve\n100%"}}}]
    return config([listener(port, routes, filters, tls=downstream_tls(alpn=("h2",)), hcm={"access_log": text, **(hcm or {})})], clusters)


class Grpc(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.origin, cls.tls = Origin(), Origin("tls", tls=True)
        cls.log = work(f"grpc-{time.time_ns()}.log")
        cls.door = Sallyport(door_conf(free_port(), cluster("o", cls.origin.port, http2=True), cluster(
            "tls", cls.tls.port, http2=True, tls=upstream_tls(client=None)), cluster("nobody", free_port(), http2=True), log=cls.log))

    @classmethod
    def tearDownClass(cls):
        code = cls.door.stop()
        cls.origin.kill()
        cls.tls.kill()
        assert code == 0, cls.door.log()

    def setUp(self):
        self.client = Client(self.door.port)
        self.addCleanup(self.client.channel.close)

    def test_unary(self):
        for path, name in (("/t.S/", "origin"), ("/tls/t.S/", "tls")):
            with self.subTest(path):
                out, call = self.client.call(b"hello", path=path)
                self.assertEqual((out, call.code(), dict(call.initial_metadata())["x-name"]), (b"hello", C.OK, name))
        self.assertEqual(self.client.unary(b""), b"")

    def test_metadata(self):
        sent = [("x-plain", "a, b"), ("x-raw-bin", bytes(range(256))), ("x-twice", "1"), ("x-twice", "2"), ("x-empty-bin", b"")]
        _, call = self.client.call(metadata=sent)
        head, tail, names = call.initial_metadata(), call.trailing_metadata(), {k[2:] for k, _ in sent}
        for kind, got in (("head", head), ("tail", tail)):
            want = sorted((f"x-{kind}-{k[2:]}", v) for k, v in sent)
            self.assertEqual(sorted((k, v) for k, v in got if k.startswith(f"x-{kind}-") and k[7:] in names), want)

    def test_streams(self):
        client = self.client.channel
        collect = client.stream_unary("/t.S/Collect")
        self.assertEqual(collect((b"x" * n for n in range(500)), timeout=30 * SLOW), f"500 {sum(range(500))}".encode())
        self.assertEqual(collect(iter(()), timeout=30 * SLOW), b"0 0")
        out = list(client.unary_stream("/t.S/Emit")(b"10000 20", timeout=60 * SLOW))
        self.assertEqual((len(out), set(out)), (10000, {b"x" * 20}))
        for path in ("/t.S/Chat", "/tls/t.S/Chat"):
            chat = Chat(self.client, path=path)
            for i in range(200):  # each waits for the answer to the one before: nothing may be kept back
                self.assertEqual(chat.say(b"%d" % i), b"<%d>" % i)
            self.assertEqual((chat.end(), chat.call.code()), ([], C.OK))

    def test_ten_thousand_messages_both_ways(self):
        chat = self.client.channel.stream_stream("/t.S/Chat")((b"%d" % i for i in range(10000)), timeout=120 * SLOW)
        self.assertEqual(sum(1 for i, m in enumerate(chat) if m == b"<%d>" % i), 10000)

    def test_large_messages(self):
        data = os.urandom(4 << 20)
        for path in ("/t.S/", "/tls/t.S/"):
            self.assertTrue(self.client.unary(data, timeout=60, path=path) == data)

    def test_a_slow_reader_holds_the_origin_back(self):
        """64 MiB wait behind the windows: neither the door nor anybody else holds them."""
        before = self.door.rss()
        call = self.client.channel.unary_stream("/t.S/Emit")(b"4096 16384", timeout=120 * SLOW)
        next(call)
        time.sleep(1)
        self.assertLess(self.door.rss() - before, 16 << 20)
        self.assertEqual(self.client.unary(b"meanwhile"), b"meanwhile")
        self.assertEqual(sum(1 for _ in call), 4095)

    def test_errors(self):
        for code, text in ((5, "no such thing"), (13, "naïve 100%\nnext"), (16, ""), (3, "x" * 2000)):
            with self.subTest(code):
                e = self.client.error(f"{code}|{text}".encode(), "Fail")
                self.assertEqual((e.code().value[0], e.details()), (code, text))
                self.assertEqual(dict(e.trailing_metadata())["x-why-bin"], b"\x00\xff,")
        call = self.client.channel.unary_stream("/t.S/FailLate")(b"7|not you", timeout=10 * SLOW)
        self.assertEqual(next(call), b"some")
        with self.assertRaises(grpc.RpcError):
            next(call)
        self.assertEqual((call.code(), call.details()), (C.PERMISSION_DENIED, "not you"))
        self.assertEqual(self.client.error(method="None").code(), C.UNIMPLEMENTED)

    def test_the_log_has_the_status(self):
        self.client.error(b"9|x", "Fail", path="/t.S/")
        self.client.error(path="/tls/t.S/", method="None")
        self.client.error(path="/elsewhere/")
        self.client.unary()
        want = {("/t.S/Fail", 200, "FailedPrecondition", 9), ("/t.S/None", 200, "Unimplemented", 12),
                ("/elsewhere/Unary", 200, "Unimplemented", 12), ("/t.S/Unary", 200, "OK", 0)}
        got = lambda: {(x["path"], x["status"], x["grpc"], x["number"]) for x in log_lines(self.log)}
        try:
            wait_for("the log", lambda: want <= got())
        except AssertionError:
            self.assertEqual(got() & want, want, got())

    def test_what_the_door_says_itself(self):
        cases = (("/elsewhere/", C.UNIMPLEMENTED, ""), ("/direct/", C.UNAVAILABLE, "too much, naïve\n100%"),
                 ("/nobody/", C.UNAVAILABLE, "upstream connect error or disconnect/reset before headers. reset reason: "
                                             "remote connection failure"))
        for path, code, text in cases:
            with self.subTest(path):
                e = self.client.error(path=path)
                self.assertEqual((e.code(), e.details()), (code, text))

    def test_denied(self):
        d = Sallyport(door_conf(free_port(), cluster("o", self.origin.port, http2=True), cluster("tls", free_port()), cluster(
            "nobody", free_port()), filters=[ip_restriction(deny=["127.0.0.1"])]))
        with Client(d.port) as c:
            self.assertEqual(c.error().code(), C.PERMISSION_DENIED)
        self.assertEqual(d.stop(), 0)

    def test_deadlines(self):
        """The client's own, which the origin is told of; and the route's limit on it, which the door keeps."""
        began = time.time()
        self.assertEqual(self.client.error(b"30", "Sleep", timeout=1 / SLOW).code(), C.DEADLINE_EXCEEDED)
        e = self.client.error(b"30", "Sleep", timeout=25, path="/limited/")  # the origin is told, and may be the first to say so
        self.assertEqual(e.code(), C.DEADLINE_EXCEEDED)
        self.assertIn(e.details(), ("downstream duration timeout", "Deadline Exceeded"))
        self.assertLess(time.time() - began, 15 * SLOW)
        wait_for("the origin to know", lambda: sum(x.startswith("sleep True") for x in self.client.seen()) >= 2)
        self.assertIn("sleep True 0", self.client.seen())

    def test_deadline_of_a_silent_origin(self):
        with socket.create_server(("127.0.0.1", 0)) as s:
            silent = cluster("o", s.getsockname()[1], http2=True)
            d = Sallyport(door_conf(free_port(), silent, cluster("tls", free_port()), cluster("nobody", free_port())))
            self.addCleanup(d.kill)
            with Client(d.port) as c:
                e = c.error(timeout=25, path="/limited/")
            self.assertEqual((e.code(), e.details()), (C.DEADLINE_EXCEEDED, "downstream duration timeout"))

    def test_cancelled(self):
        """What the client gives up the origin stops."""
        before = self.client.seen().count("chat")
        call = self.client.channel.unary_stream("/t.S/Emit")(b"100000 1000", timeout=60 * SLOW)
        next(call)
        call.cancel()
        chat = Chat(self.client)
        chat.say(b"1")
        chat.call.cancel()
        wait_for("the origin to know", lambda: "emit True" in self.client.seen() and self.client.seen().count("chat") > before)

    def test_pings(self):
        with Client(self.door.port, ("grpc.keepalive_time_ms", 200), ("grpc.keepalive_timeout_ms", 2000 * int(SLOW)), (
                "grpc.keepalive_permit_without_calls", 1), ("grpc.http2.max_pings_without_data", 0)) as c:
            chat = Chat(c)
            self.assertEqual(chat.say(b"1"), b"<1>")
            time.sleep(1.5)
            self.assertEqual(chat.say(b"2"), b"<2>")
            self.assertEqual((chat.end(), chat.call.code()), ([], C.OK))

    def test_curl_sees_what_grpc_is_made_of(self):
        """Trailers of their own frame behind a message; a head that is all there is where there is none."""
        url = f"https://localhost:{self.door.port}"
        args = ["--http2", "--cacert", ca(), "-H", "content-type: application/grpc", "-H", "te: trailers", "--data-binary"]
        a = curl(url + "/t.S/Unary", *args, "@" + self.message(b"hi"))
        self.assertEqual((a.status, a.body), (200, b"\0\0\0\0\x02hi"))
        # Without a body: an answer that is nothing but a head and comes before the body makes curl 7.88 wait for ever.
        for path, status, text in (("/elsewhere", "12", None), ("/direct", "14", "too much, na%C3%AFve%0A100%25")):
            a = curl(url + path, "--http2", "-X", "POST", "-H", "content-type: application/grpc", "-H", "te: trailers")
            self.assertEqual((a.status, a.body, a.headers["grpc-status"], a.headers["content-type"], a.headers.get("grpc-message")),
                             (200, b"", status, "application/grpc", text))

    @staticmethod
    def message(data):
        path = work(f"message-{time.time_ns()}")
        with open(path, "wb") as f:
            f.write(b"\0" + len(data).to_bytes(4, "big") + data)
        return path


class Ends(unittest.TestCase):
    """Origins that go away under streams."""

    def door(self, *ports, **more):
        d = Sallyport(door_conf(free_port(), cluster("o", *ports, http2=True, **more), cluster("tls", free_port()), cluster(
            "nobody", free_port())))
        self.addCleanup(d.kill)
        return d

    def test_goaway(self):
        """Streams that are open go on; new ones go to the next server."""
        a = Origin("first")
        self.addCleanup(a.kill)
        d = self.door(a.port)
        with Client(d.port) as c:
            chat = Chat(c)
            self.assertEqual(chat.say(b"1"), b"<1>")
            self.assertEqual(c.unary(b"x", "Stop"), b"x")
            wait_for("the first to take no more", lambda: not connects(a.port))
            b = Origin("second", port=a.port)
            self.addCleanup(b.kill)
            name = lambda: dict(c.call()[1].initial_metadata())["x-name"]
            self.assertEqual(name(), "second")
            self.assertEqual(chat.say(b"2"), b"<2>")
            self.assertEqual((chat.end(), chat.call.code()), ([], C.OK))
        self.assertGreaterEqual(d.stat("cluster.o.upstream_cx_close_notify"), 1)
        self.assertEqual(d.stat("cluster.o.upstream_rq_retry"), 0)

    def test_killed(self):
        a = Origin()
        d = self.door(a.port)
        with Client(d.port) as c:
            chat = Chat(c)
            self.assertEqual(chat.say(b"1"), b"<1>")
            a.kill()
            with self.assertRaises(grpc.RpcError):
                next(chat.call)
            self.assertEqual(chat.call.code(), C.INTERNAL)
            self.assertEqual(c.error().code(), C.UNAVAILABLE)
        self.assertEqual(d.stat("cluster.o.upstream_cx_destroy_remote_with_active_rq"), 1)

    def test_a_frozen_origin_is_found_by_pings(self):
        import signal
        a = Origin()
        self.addCleanup(a.kill)
        options = http_options(True)
        options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"]["http2_protocol_options"] = {
            "connection_keepalive": {"interval": "0.3s", "timeout": f"{0.5 * SLOW}s"}}
        d = self.door(a.port, typed_extension_protocol_options=options)
        with Client(d.port) as c:
            chat = Chat(c)
            self.assertEqual(chat.say(b"1"), b"<1>")
            time.sleep(1)
            self.assertEqual(chat.say(b"2"), b"<2>")
            a.signal(signal.SIGSTOP)
            with self.assertRaises(grpc.RpcError):
                next(chat.call)
            self.assertIn(chat.call.code(), (C.INTERNAL, C.UNAVAILABLE))
        self.assertEqual((d.stat("cluster.o.upstream_cx_destroy"), d.stat("cluster.o.upstream_cx_destroy_with_active_rq")), (1, 1))
        self.assertEqual(d.stat("cluster.o.http2.keepalive_timeout"), 1)


if __name__ == "__main__":
    unittest.main()
