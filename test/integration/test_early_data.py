# SPDX-License-Identifier: GPL-2.0-or-later
"""0-RTT where it is asked for: requests that openssl sends early are answered early, each at most once, and the origin is told."""
import socket
import ssl
import subprocess
import threading
import time
import unittest

from early import Heard, early, early_tls, record, session
from harness import SECRET, SLOW, T, Sallyport, ca, cluster, config, curl, free_port, listener, log_lines, log_to, raw, route_to, shield, wait_for, work
from mtls import s_client


def get(path="/", *lines, close=False, method="GET", body=b""):
    head = [f"{method} {path} HTTP/1.1", "host: localhost", *lines, *(["connection: close"] if close else [])]
    if body:
        head.append(f"content-length: {len(body)}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


LAST = get("/last", close=True)


class Base(unittest.TestCase):
    def setUp(self):
        self.origin = Heard()
        self.addCleanup(self.origin.stop)

    def door(self, filters=(), route=None, concurrency=1, chain=None, more=None, routes=None, **fields):
        self.log = work(f"early-{time.time_ns()}.log")
        log = log_to(self.log)
        log[0]["typed_config"]["log_format"]["json_format"]["early"] = "%SALLYPORT_EARLY_DATA%"
        door = listener(free_port(), routes or [route_to("o", **(route or {}))], filters, tls=early_tls(more=more, **fields),
                        hcm={"access_log": log})
        door["filter_chains"][0].update(chain or {})
        self.conf = config([door], [cluster("o", self.origin.port)])
        d = Sallyport(self.conf, concurrency=concurrency)
        self.addCleanup(lambda: self.assertEqual(d.stop(), 0))
        return d

    def counted(self, door):
        ssl_ = f"listener.127.0.0.1_{door.port}.ssl.early_data_"
        stats = door.stats()
        return [stats[ssl_ + what] for what in ("accepted", "rejected", "replayed")]

    def logged(self, path):
        wait_for(f"the line of {path}", lambda: any(x["path"] == path for x in log_lines(self.log)))
        return [(x["status"], x["early"], x["details"]) for x in log_lines(self.log) if x["path"] == path]


class Taken(Base):
    def test_http1(self):
        door = self.door()
        a = early(door.port, session(door.port, "e1"), get("/early"), LAST)
        self.assertTrue(a.accepted, a)
        self.assertEqual(a.statuses, [200, 200], a)
        self.assertEqual(self.origin.heard("/early"), [("GET", "/early", ["1"])])
        self.assertEqual(self.origin.heard("/last"), [("GET", "/last", [])])
        self.assertEqual(self.counted(door), [1, 0, 0])
        self.assertEqual(self.logged("/early"), [(200, "early", "via_upstream")])
        self.assertEqual(self.logged("/last"), [(200, None, "via_upstream")])
        self.assertEqual(door.stat(f"listener.127.0.0.1_{door.port}.ssl.session_reused"), 1)

    def test_http2(self):
        """Preface, SETTINGS and a request on stream 1, in early data."""
        door = self.door()
        path = b"/two"
        block = b"\x82\x87\x04" + bytes([len(path)]) + path + b"\x41\x09localhost"
        data = (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
                + len(block).to_bytes(3, "big") + b"\x01\x05\x00\x00\x00\x01" + block)
        # Without an end of its own: a GOAWAY follows once the handshake is done.
        goaway = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8)
        a = early(door.port, session(door.port, "e2", alpn="h2"), data, goaway, alpn="h2")
        self.assertTrue(a.accepted, a)
        self.assertIn('"path": "/two"', a.text)
        self.assertEqual(self.origin.heard("/two"), [("GET", "/two", ["1"])])
        self.assertEqual(self.logged("/two"), [(200, "early", "via_upstream")])

    def test_two_in_one_go(self):
        door = self.door()
        a = early(door.port, session(door.port, "e3"), get("/a", "x-wait: 0.3") + get("/b"), LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 200, 200]), a)
        self.assertEqual([self.origin.heard(p) for p in ("/a", "/b", "/last")],
                         [[("GET", "/a", ["1"])], [("GET", "/b", ["1"])], [("GET", "/last", [])]])

    def test_the_last_answer_waits_for_the_handshake(self):
        """"connection: close" in early data: answered, and closed once the client has its ticket."""
        door = self.door()
        file = session(door.port, "e4")
        a = early(door.port, file, get("/early", close=True), more=("-sess_out", work("e4-next")))
        self.assertEqual((a.accepted, a.statuses), (True, [200]), a)
        a = early(door.port, "e4-next", get("/again", close=True))
        self.assertEqual((a.accepted, a.statuses), (True, [200]), a)

    def test_a_request_that_came_in_part(self):
        door = self.door()
        a = early(door.port, session(door.port, "e5"), b"GET /part HTTP/1.1\r\nhost: localhost\r\nx-a: ", b"b\r\n\r\n" + LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 200]), a)
        self.assertEqual(self.origin.heard("/part"), [("GET", "/part", ["1"])])
        # What may not be done before the handshake is done may be done after it, and is still marked.
        a = early(door.port, session(door.port, "e5"), b"POST /post HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n", b"\r\nok" + LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 200]), a)
        self.assertEqual(self.origin.heard("/post"), [("POST", "/post", ["1"])])

    def test_the_header_is_ours(self):
        """A client's own is replaced, whatever it says, and however often; without early data it stays."""
        door = self.door()
        early(door.port, session(door.port, "e6"), get("/early", "early-data: 0", "early-data: 1"), LAST)
        self.assertEqual(self.origin.heard("/early"), [("GET", "/early", ["1"])])
        a = s_client(door.port, path="/late")
        self.assertEqual((a.status, self.origin.heard("/late")), (200, [("GET", "/late", [])]))

    def test_a_restart(self):
        """A ticket of a door that was restarted is none."""
        door = self.door()
        file = session(door.port, "e7")
        self.assertEqual(door.stop(), 0)
        again = Sallyport(self.conf, concurrency=1)
        self.addCleanup(lambda: self.assertEqual(again.stop(), 0))
        a = early(again.port, file, get("/early"), LAST)
        self.assertEqual((a.accepted, a.rejected, a.statuses), (False, True, [200]), a)
        self.assertEqual(self.origin.heard("/early"), [])
        self.assertEqual(self.counted(again), [0, 1, 0])

    def test_after_a_second_hello(self):
        door = self.door()
        a = early(door.port, session(door.port, "e8"), get("/early"), LAST, more=("-groups", "P-521:X25519"))
        self.assertEqual((a.rejected, a.statuses), (True, [200]), a)
        self.assertEqual(self.origin.heard("/early"), [])

    def test_it_is_not_kept_from_ending(self):
        """A drain while a client has sent nothing but early data: it is answered, and the process ends."""
        door = self.door(chain={"transport_socket_connect_timeout": "30s"})
        flight = record(session(door.port, "e10"), get("/early", "x-wait: 1"))
        with socket.create_connection(("127.0.0.1", door.port)) as c:
            c.sendall(flight)
            self.origin.wait("/early")


class Refused(Base):
    """A client that never finishes its handshake: whoever is quick with that may have its request taken for one that came afterwards."""

    def only_early(self, door, data, path):
        """What the log says of the last request of early data that nothing follows; it is about `path`."""
        with socket.create_connection(("127.0.0.1", door.port)) as c:
            c.sendall(record(session(door.port, "refused"), data))
            return self.logged(path)

    def test_methods_that_are_not_safe(self):
        door = self.door()
        self.assertEqual(self.only_early(door, get("/pay", method="POST", body=b"12"), "/pay"), [(425, "too_early", "too_early")])
        upgrade = get("/ws", "connection: upgrade", "upgrade: websocket", "sec-websocket-version: 13", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==")
        self.assertEqual(self.only_early(door, upgrade, "/ws"), [(425, "too_early", "too_early")])
        self.assertEqual([self.origin.heard(p) for p in ("/pay", "/ws")], [[], []])
        self.assertEqual(door.stat("http.test.downstream_rq_too_early"), 2)

    def test_who_is_told_asks_again(self):
        """On the same connection, once the handshake is done."""
        door = self.door()
        a = early(door.port, session(door.port, "r1"), get("/pay", method="POST", body=b"12"), get("/pay", method="POST", body=b"12", close=True))
        self.assertTrue(a.accepted, a)
        self.assertIn(a.statuses, ([425, 200], [200, 200]), a)
        self.assertEqual(len(self.origin.heard("/pay")), a.statuses.count(200))

    def test_methods_that_the_config_names(self):
        door = self.door(methods=["PUT"])
        self.assertEqual(self.only_early(door, get("/get"), "/get"), [(425, "too_early", "too_early")])
        self.assertEqual(self.only_early(door, get("/put", method="PUT", body=b"12"), "/put"), [(200, "early", "via_upstream")])
        self.assertEqual(self.origin.heard("/put"), [("PUT", "/put", ["1"])])

    def test_gates_come_first(self):
        door = self.door(filters=[shield()])
        self.assertEqual(self.only_early(door, get("/no", method="POST", body=b"12"), "/no")[0][:2], (403, "too_early"))
        a = early(door.port, session(door.port, "r3"), get("/yes", f"x-origin-verify: {SECRET}"), LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 403]), a)
        self.assertEqual(self.origin.heard("/yes"), [("GET", "/yes", ["1"])])

    def test_an_origin_that_says_too_early(self):
        """RFC 8470 section 5.2: 425 goes back, and the door does not ask again by itself."""
        retry = {"retry_policy": {"retry_on": "retriable-status-codes,5xx,retriable-4xx", "retriable_status_codes": [425], "num_retries": 3}}
        door = self.door(route=retry)
        a = early(door.port, session(door.port, "r4"), get("/early", "x-status: 425"), LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [425, 200]), a)
        self.assertEqual(len(self.origin.heard("/early")), 1)

    def test_a_route_that_will_have_none(self):
        too_early = {"match": {"prefix": "/pay", "headers": [{"name": "early-data", "present_match": True}]}, "direct_response": {"status": 425}}
        door = self.door(routes=[too_early, route_to("o")])
        a = early(door.port, session(door.port, "r5"), get("/pay"), get("/pay", close=True))
        self.assertEqual((a.accepted, a.statuses), (True, [425, 200]), a)


class Replayed(Base):
    def send(self, port, flight, n):
        """The same bytes over n connections, which stay open for a while."""
        open_ = [socket.create_connection(("127.0.0.1", port), 10 * SLOW) for _ in range(n)]
        for c in open_:
            c.sendall(flight)
        return open_

    def test_at_most_once(self):
        """By both workers, by a listener that was reloaded, and by a process that was restarted."""
        door = self.door(concurrency=2)
        flight = record(session(door.port, "p1"), get("/once"))
        for c in self.send(door.port, flight, 30):
            self.addCleanup(c.close)
        self.assertEqual(self.origin.wait("/once"), [("GET", "/once", ["1"])])
        wait_for("all of them", lambda: door.stat("listener.127.0.0.1_%d.downstream_cx_total" % door.port) >= 31)
        for c in self.send(door.port, flight, 30):
            c.close()
        self.assertEqual(curl(f"https://localhost:{door.port}/well").status, 200)
        wait_for("what the others were", lambda: self.counted(door)[2] >= 30)
        self.assertEqual(self.counted(door)[0], 1)
        self.assertEqual(len(self.origin.heard("/once")), 1)
        self.assertEqual(door.stop(), 0)
        again = Sallyport(self.conf)
        self.addCleanup(lambda: self.assertEqual(again.stop(), 0))
        for c in self.send(again.port, flight, 10):
            self.addCleanup(c.close)
        self.assertEqual(curl(f"https://localhost:{again.port}/well").status, 200)
        self.assertEqual(len(self.origin.heard("/once")), 1)

    def test_none_that_was_held_back(self):
        """RFC 8446 section 8.3: what comes later than the client's clock says was held back by somebody."""
        door = self.door(window="1s")
        flight = record(session(door.port, "p2"), get("/held"))
        time.sleep(4)
        c, = self.send(door.port, flight, 1)
        self.assertEqual(curl(f"https://localhost:{door.port}/well").status, 200)
        c.close()
        wait_for("it", lambda: self.counted(door) == [0, 1, 0])
        self.assertEqual(self.origin.heard("/held"), [])

    def test_a_flood(self):
        """Many who repeat what somebody sent, and a client that is served meanwhile."""
        door = self.door(concurrency=2)
        flight = record(session(door.port, "p3"), get("/flood"))
        before = door.rss()
        stop = threading.Event()

        def repeat():
            while not stop.is_set():
                try:
                    raw(door.port, flight, seconds=0.2 / SLOW)
                except OSError:
                    pass
        threads = [threading.Thread(target=repeat) for _ in range(4)]
        for t in threads:
            t.start()
        try:
            context = ssl.create_default_context(cafile=ca())
            end = time.monotonic() + 30 * SLOW
            while self.counted(door)[2] < 50 and time.monotonic() < end:
                answer = raw(door.port, get("/good", close=True), tls=context)
                self.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        finally:
            stop.set()
            for t in threads:
                t.join()
        self.assertEqual(len(self.origin.heard("/flood")), 1)
        self.assertGreaterEqual(self.counted(door)[2], 50)
        self.assertEqual(self.counted(door)[0], 1)
        self.assertLess(door.rss() - before, (64 if SLOW == 1 else 512) << 20)  # a sanitizer keeps what was freed for a while


class Odd(Base):
    def test_cut_short(self):
        """Early data that ends in the middle of a record: nobody hears of it."""
        door = self.door()
        flight = record(session(door.port, "o1"), get("/cut"))
        for n in (1, 10, 40):
            raw(door.port, flight[:-n], close_write=True)
        self.assertEqual(self.origin.heard("/cut"), [])
        self.assertEqual(curl(f"https://localhost:{door.port}/well").status, 200)

    def test_bytes_of_another(self):
        """A last byte that is another one: the connection ends by alert, and the origin hears of nothing."""
        door = self.door()
        flight = record(session(door.port, "o2"), get("/forged"))
        raw(door.port, flight[:-1] + bytes([flight[-1] ^ 1]))
        self.assertEqual(self.origin.heard("/forged"), [])
        self.assertEqual(door.stat(f"listener.127.0.0.1_{door.port}.ssl.connection_error"), 1)

    def test_piece_by_piece(self):
        door = self.door()
        flight = record(session(door.port, "o3"), get("/pieces"))
        with socket.create_connection(("127.0.0.1", door.port)) as c:
            c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(0, len(flight), 7):
                c.sendall(flight[i:i + 7])
            self.assertEqual(self.origin.wait("/pieces"), [("GET", "/pieces", ["1"])])

    def test_a_handshake_that_never_ends(self):
        """Who replays has no keys to finish with: it is over at the handshake's deadline, though it was answered."""
        door = self.door(chain={"transport_socket_connect_timeout": "1s"})
        flight = record(session(door.port, "o4"), get("/early"))
        begin = time.monotonic()
        answer = raw(door.port, flight, seconds=20)
        self.assertLess(time.monotonic() - begin, 15 * SLOW)
        self.assertGreater(len(answer), 100)
        self.assertEqual(self.origin.heard("/early"), [("GET", "/early", ["1"])])
        wait_for("its end", lambda: door.stat(f"listener.127.0.0.1_{door.port}.downstream_cx_active") == 0)
        self.assertIn("the client sent early data, but did not finish its handshake", door.log())

    def test_no_more_than_is_allowed(self):
        """openssl keeps to what the ticket allows."""
        door = self.door(max_bytes=200)
        text = session(door.port, "o5")
        out = subprocess.run(["openssl", "sess_id", "-in", work(text), "-noout", "-text"], capture_output=True, text=True, check=True).stdout
        self.assertRegex(out, r"Max Early Data: *200\b")
        a = early(door.port, text, get("/fits"), LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 200]), a)

    def test_big_ones(self):
        """Two records of it, of a head that is as large as may be."""
        door = self.door(max_bytes=60000)
        a = early(door.port, session(door.port, "o6"), get("/big", "x-filler: " + "x" * 40000), LAST)
        self.assertEqual((a.accepted, a.statuses), (True, [200, 200]), a)
        self.assertEqual(self.origin.heard("/big"), [("GET", "/big", ["1"])])


if __name__ == "__main__":
    unittest.main()
