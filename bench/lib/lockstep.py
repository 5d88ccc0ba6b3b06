# SPDX-License-Identifier: GPL-2.0-or-later
"""A client and an origin in one process, in step with the proxy between them.

Nothing is sent while the proxy runs: it is stopped (SIGSTOP), whatever belongs together is written, it goes on, and the next step
waits until that has arrived and all of its threads sleep again. So the proxy finds the same bytes in the same reads each time,
however busy the machine is, and its count of instructions repeats.
"""
import os
import select
import signal
import socket
import ssl
import time

import h2.config
import h2.connection
import h2.events
import h2.settings

PIECE = 65536       # bytes of a body written in one step
PATIENCE = 60       # seconds that a step may take; the proxy runs fifty times slower than it would
WINDOW = 8 << 20


class Stuck(Exception):
    pass


class Proxy:
    """The process between, which is stopped while something is sent to it."""

    def __init__(self, process):
        self.process, self.pid = process, process.pid

    def _asleep(self):
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/stat", encoding="ascii") as f:
                if f.read().rpartition(")")[2].split()[0] != "S":
                    return False
        return True

    def quiet(self):
        """Waits until every thread sleeps, twice in a row: a thread that hands over valgrind's lock seems to, for a moment."""
        end, seen = time.monotonic() + PATIENCE, 0
        while seen < 2:
            if self.process.poll() is not None:
                raise Stuck(f"the proxy ended (exit code {self.process.returncode})")
            if time.monotonic() > end:
                raise Stuck("the proxy does not come to rest")
            seen = seen + 1 if self._asleep() else 0
            time.sleep(0.0005)

    def __enter__(self):
        self.quiet()
        os.kill(self.pid, signal.SIGSTOP)

    def __exit__(self, *what):
        os.kill(self.pid, signal.SIGCONT)


class Pipe:
    """A socket with or without TLS, whose bytes are put together before they are sent."""

    def __init__(self, sock, context=None, server=False, name=None, session=None):
        self.sock, self.tls, self.out, self.closed = sock, None, b"", False
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setblocking(False)
        if context:
            self.inward, self.outward = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = context.wrap_bio(self.inward, self.outward, server_side=server, server_hostname=name, session=session)

    def write(self, data):
        if self.tls:
            for at in range(0, len(data), 16384):
                self.tls.write(data[at:at + 16384])
        else:
            self.out += data

    def flush(self):
        if self.tls:
            self.out += self.outward.read()
        end = time.monotonic() + PATIENCE
        while self.out:
            try:
                self.out = self.out[self.sock.send(self.out):]
            except BlockingIOError as e:
                if time.monotonic() > end:
                    raise Stuck("the proxy does not read") from e
                select.select([], [self.sock], [], 0.1)
            except ConnectionError:
                self.closed, self.out = True, b""

    def read(self):
        """What has arrived; b'' if nothing. `closed` tells whether the peer is gone."""
        got = b""
        while True:
            try:
                data = self.sock.recv(1 << 18)
            except BlockingIOError:
                break
            except ConnectionError:
                data = b""
            if not data:
                self.closed = True
                break
            got += data
        if not self.tls:
            return got
        if got:
            self.inward.write(got)
        plain = b""
        try:
            while True:
                data = self.tls.read(1 << 18)
                if not data:
                    self.closed = True
                    return plain
                plain += data
        except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
            return plain

    def handshake(self):
        """One step of the handshake: True when it is done. What it wrote waits for flush()."""
        try:
            data = self.sock.recv(1 << 16)
            if not data:
                raise Stuck("the proxy closed the connection in the handshake")
            self.inward.write(data)
        except BlockingIOError:
            pass
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    def close(self):
        self.sock.close()


def until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise Stuck(f"{what}: waited in vain for {PATIENCE} s")
        time.sleep(0.0005)


class Request:
    """A request as an origin got it, until it is answered."""

    def __init__(self, path, answer):
        self.path, self.body, self.whole, self.answer = path, 0, False, answer


class Http1:
    """The origin's side of one HTTP/1.1 connection."""

    def __init__(self, pipe):
        self.pipe, self.buffer, self.now, self.left, self.requests = pipe, b"", None, 0, []

    def feed(self, data):
        self.buffer += data
        while self.buffer:
            if self.now is None:
                head, found, rest = self.buffer.partition(b"\r\n\r\n")
                if not found:
                    return
                lines = head.decode("latin-1").split("\r\n")
                fields = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
                if "transfer-encoding" in fields:
                    raise Stuck("the benchmark's requests have a length")
                self.now, self.buffer = Request(lines[0].split()[1], self._answer), rest
                self.left = int(fields.get("content-length", 0))
                self.requests.append(self.now)
            taken = self.buffer[:self.left]
            self.buffer = self.buffer[len(taken):]
            self.left -= len(taken)
            self.now.body += len(taken)
            if self.left:
                return
            self.now.whole, self.now = True, None

    def _answer(self, body, first):
        if first:
            self.pipe.write(b"HTTP/1.1 200 OK\r\nserver: origin\r\ndate: Mon, 30 Nov 2026 12:00:00 GMT\r\ncontent-type: text/plain\r\n"
                            b"content-length: %d\r\n\r\n" % first)
        self.pipe.write(body)


class Http2:
    """The origin's side of one HTTP/2 connection."""

    def __init__(self, pipe):
        self.pipe, self.requests, self.streams = pipe, [], {}
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.h2.initiate_connection()
        pipe.write(self.h2.data_to_send())

    def feed(self, data):
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.RequestReceived):
                self.streams[event.stream_id] = Request(dict(event.headers)[":path"], self._answer_to(event.stream_id))
                self.requests.append(self.streams[event.stream_id])
            elif isinstance(event, h2.events.StreamEnded):
                self.streams[event.stream_id].whole = True
        self.pipe.write(self.h2.data_to_send())

    def _answer_to(self, stream):
        def answer(body, first):
            self.h2.send_headers(stream, [(":status", "200"), ("server", "origin"), ("content-type", "text/plain"),
                                          ("content-length", str(first))])
            self.h2.send_data(stream, body, end_stream=True)
            self.pipe.write(self.h2.data_to_send())
        return answer


class Origin:
    """Takes connections and requests, and answers when it is told to."""

    def __init__(self, port, protocol=Http1, context=None):
        self.listener = socket.create_server(("127.0.0.1", port), backlog=256)
        self.listener.setblocking(False)
        self.protocol, self.context, self.conns, self.shaking = protocol, context, [], []

    def poll(self):
        while True:
            try:
                pipe = Pipe(self.listener.accept()[0], self.context, server=True)
            except BlockingIOError:
                break
            (self.shaking if self.context else self.conns).append(pipe if self.context else self.protocol(pipe))
        for pipe in list(self.shaking):
            done = pipe.handshake()
            pipe.flush()
            if done:
                self.shaking.remove(pipe)
                self.conns.append(self.protocol(pipe))
        for conn in list(self.conns):
            conn.feed(conn.pipe.read())
            if self.context:
                conn.pipe.flush()
            if conn.pipe.closed:
                self.conns.remove(conn)

    def pending(self):
        self.poll()
        return [r for c in self.conns for r in c.requests]

    def whole(self, count):
        return sum(r.whole for r in self.pending()) >= count

    def forget(self):
        for c in self.conns:
            c.requests.clear()

    def flush(self):
        for c in self.conns:
            c.pipe.flush()

    def close(self):
        for c in self.conns:
            c.pipe.close()
        self.listener.close()


class Client1:
    """HTTP/1.1 in clear, one request at a time."""

    def __init__(self, port):
        self.pipe, self.buffer, self.statuses = Pipe(socket.create_connection(("127.0.0.1", port), 30)), b"", []

    def request(self, path, headers, body=0):
        fields = "".join(f"{k}: {v}\r\n" for k, v in headers)
        self.pipe.write(f"GET {path} HTTP/1.1\r\nhost: gw.bench.test\r\nuser-agent: bench/1\r\naccept: */*\r\n{fields}\r\n".encode())

    def answered(self):
        self.buffer += self.pipe.read()
        head, found, rest = self.buffer.partition(b"\r\n\r\n")
        if found:
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
            if len(rest) >= length:
                self.statuses.append(int(head.split()[1]))
                self.buffer = rest[length:]
        return len(self.statuses)


class Client2:
    """HTTP/2 over TLS. `start` has written the handshake's last flight, preface and settings by the time it returns: unsent."""

    def __init__(self, port, context, session=None):
        self.pipe = Pipe(socket.create_connection(("127.0.0.1", port), 30), context, name="gw.bench.test", session=session)
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.local_settings = h2.settings.Settings(client=True, initial_values={
            h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: WINDOW, h2.settings.SettingCodes.ENABLE_PUSH: 0})
        self.statuses, self.bytes, self.open, self.sent = [], 0, {}, {}

    def start(self):
        self.pipe.handshake()
        self.pipe.flush()
        until(self.pipe.handshake, "TLS handshake")
        if self.pipe.tls.selected_alpn_protocol() != "h2":
            raise Stuck(f"ALPN {self.pipe.tls.selected_alpn_protocol()} instead of h2")
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(WINDOW)
        self.pipe.write(self.h2.data_to_send())

    def request(self, path, headers, body=0):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", "POST" if body else "GET"), (":scheme", "https"), (":authority", "gw.bench.test"), (":path", path),
                  ("user-agent", "bench/1"), ("accept", "*/*"), *headers]
        if body:
            fields.append(("content-length", str(body)))
        self.h2.send_headers(stream, fields, end_stream=not body)
        self.open[stream] = body
        self.pipe.write(self.h2.data_to_send())

    def send_body(self):
        """Sends what the windows let through, a piece at most; how much that was."""
        total = 0
        for stream, left in self.open.items():
            while left and total < PIECE:
                room = min(left, PIECE - total, self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size)
                if not room:
                    break
                self.h2.send_data(stream, bytes(room), end_stream=room == left)
                left -= room
                total += room
            self.open[stream] = left
        self.pipe.write(self.h2.data_to_send())
        return total

    def answered(self):
        for event in self.h2.receive_data(self.pipe.read()):
            if isinstance(event, h2.events.ResponseReceived):
                self.statuses.append(int(dict(event.headers)[":status"]))
            elif isinstance(event, h2.events.DataReceived):
                self.bytes += len(event.data)
                self.sent[event.stream_id] = self.sent.get(event.stream_id, 0) + event.flow_controlled_length
            elif isinstance(event, h2.events.StreamEnded):
                self.open.pop(event.stream_id, None)
            elif isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)):
                raise Stuck(f"the proxy ended it: {event}")
        return len(self.statuses) if not self.open else len(self.statuses) - len(self.open)

    def acknowledge(self):
        """Gives back the connection's window, in the next step's write."""
        total = sum(self.sent.values())
        self.sent.clear()
        if total:
            self.h2.increment_flow_control_window(total)
        self.pipe.write(self.h2.data_to_send())
