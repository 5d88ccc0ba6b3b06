# SPDX-License-Identifier: GPL-2.0-or-later
"""An origin, HTTP/1.1 and HTTP/2 with prior knowledge, that does to each attempt of a request what the request asks for.

x-do holds the steps with commas between, one for each attempt, the last one for all that follow; x-key tells requests apart. A step:
  503, 503+name=value    answers so, when the request is complete
  now-503                the same, when the head is here
  early-200              103 first
  close, rst             closes the connection, or resets it
  half-200               a head and a part of the body, then silence
  cut-200                the same, then closes
  slow-N-200             N milliseconds later
  stall                  nothing, ever
Only HTTP/2:
  code-N                 RST_STREAM with this error code (7: refused)
  gone                   GOAWAY that leaves this stream out, then closes
  going                  GOAWAY that has it, then closes
  grpc-N                 an answer without a body and with this grpc-status
"""
import socket
import socketserver
import struct
import threading
import time

import h2.config
import h2.connection
import h2.events


class Attempt:
    def __init__(self, server, key, method, path, headers):
        self.server, self.key, self.method, self.path, self.headers, self.body, self.at = server, key, method, path, headers, 0, time.monotonic()


class Record:
    """What came, at all origins that share it."""

    def __init__(self):
        self.lock, self.attempts = threading.Lock(), []

    def add(self, server, headers, method, path):
        """The attempt and its step."""
        with self.lock:
            key = headers.get("x-key", "")
            n = sum(a.key == key for a in self.attempts)
            a = Attempt(server, key, method, path, headers)
            self.attempts.append(a)
        steps = headers.get("x-do", "200").split(",")
        return a, steps[min(n, len(steps) - 1)].strip()

    def of(self, key):
        with self.lock:
            return [a for a in self.attempts if a.key == key]


def parse(step):
    """(status, headers) of 503+a=b+c=d."""
    status, *pairs = step.split("+")
    return int(status), [tuple(p.split("=", 1)) for p in pairs]


class Handler(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.server.lock:
            self.server.connections += 1
        try:
            first = self.request.recv(1, socket.MSG_PEEK)
            if first == b"P" and self.request.recv(24, socket.MSG_PEEK | socket.MSG_WAITALL) == b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n":
                Two(self).run()
            elif first:
                One(self).run()
        except (OSError, ValueError):
            pass


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def hang(sock):
    """Until the peer closes."""
    try:
        while sock.recv(65536):
            pass
    except OSError:
        pass


class One:
    def __init__(self, handler):
        self.sock, self.server, self.buffer = handler.request, handler.server, b""

    def until(self, mark):
        while mark not in self.buffer:
            piece = self.sock.recv(65536)
            if not piece:
                return None
            self.buffer += piece
        head, _, self.buffer = self.buffer.partition(mark)
        return head

    def exactly(self, n):
        while len(self.buffer) < n:
            piece = self.sock.recv(65536)
            if not piece:
                raise ValueError("the body was cut off")
            self.buffer += piece
        data, self.buffer = self.buffer[:n], self.buffer[n:]
        return data

    def body(self, headers):
        if headers.get("transfer-encoding", "").lower() != "chunked":
            return len(self.exactly(int(headers.get("content-length", 0))))
        total = 0
        while (n := int(self.until(b"\r\n"), 16)):
            total += len(self.exactly(n))
            self.until(b"\r\n")
        while self.until(b"\r\n"):
            pass
        return total

    def answer(self, step, method, cut=None):
        status, more = parse(step)
        body = b"" if status in (204, 304) else self.server.name.encode()
        length = len(body) + (cut or 0)
        lines = [f"HTTP/1.1 {status} x", *(f"{k}: {v}" for k, v in more), f"content-length: {length}", "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + (b"" if method == "HEAD" else body))

    def run(self):
        while (head := self.until(b"\r\n\r\n")) is not None:
            first, *lines = head.decode("latin-1").split("\r\n")
            method, path = first.split(" ")[:2]
            headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines)}
            attempt, step = self.server.record.add(self.server.name, headers, method, path)
            if step.startswith("now-"):
                step = step[4:]
            else:
                attempt.body = self.body(headers)
            if not self.do(step, method):
                return

    def do(self, step, method):
        """False: the connection is over."""
        if step.startswith("early-"):
            self.sock.sendall(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
            step = step[6:]
        if step.startswith("slow-"):
            _, ms, step = step.split("-", 2)
            time.sleep(int(ms) / 1000)
        if step == "close":
            return False
        if step == "rst":
            reset(self.sock)
            return False
        if step == "stall":
            hang(self.sock)
            return False
        if step.startswith("half-"):
            self.answer(step[5:], method, 10)
            hang(self.sock)
            return False
        if step.startswith("cut-"):
            self.answer(step[4:], method, 10)
            return False
        self.answer(step, method)
        return True


class Two:
    def __init__(self, handler):
        self.sock, self.server = handler.request, handler.server
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        self.lock, self.streams, self.over = threading.Lock(), {}, False

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def run(self):
        self.h2.initiate_connection()
        self.flush()
        while not self.over:
            data = self.sock.recv(65536)
            if not data:
                return
            with self.lock:
                for e in self.h2.receive_data(data):
                    self.on(e)
                if not self.over:
                    self.flush()

    def on(self, e):
        if isinstance(e, h2.events.RequestReceived):
            headers = {k.decode() if isinstance(k, bytes) else k: v.decode() if isinstance(v, bytes) else v for k, v in e.headers}
            attempt, step = self.server.record.add(self.server.name, headers, headers[":method"], headers[":path"])
            self.streams[e.stream_id] = (attempt, step)
            if step.startswith("now-"):
                self.do(e.stream_id, step[4:])
        elif isinstance(e, h2.events.DataReceived):
            self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            if e.stream_id in self.streams:
                self.streams[e.stream_id][0].body += len(e.data)
        elif isinstance(e, h2.events.StreamEnded):
            step = self.streams[e.stream_id][1] if e.stream_id in self.streams else "now-"
            if not step.startswith("now-"):
                self.do(e.stream_id, step)
        elif isinstance(e, h2.events.StreamReset):
            self.streams.pop(e.stream_id, None)

    def later(self, sid, seconds, step):
        def act():
            with self.lock:
                if sid in self.streams and not self.over:
                    self.do(sid, step)
                    self.flush()
        t = threading.Timer(seconds, act)
        t.daemon = True
        t.start()

    def answer(self, sid, step, cut=False):
        status, more = parse(step)
        self.h2.send_headers(sid, [(":status", str(status)), *more])
        self.h2.send_data(sid, self.server.name.encode(), end_stream=not cut)

    def do(self, sid, step):
        if step.startswith("early-"):
            self.h2.send_headers(sid, [(":status", "103"), ("link", "</a>")])
            step = step[6:]
        if step.startswith("slow-"):
            _, ms, step = step.split("-", 2)
            self.later(sid, int(ms) / 1000, step)
        elif step in ("close", "rst", "gone", "going"):
            if step in ("gone", "going"):
                self.h2.close_connection(0, last_stream_id=max(sid - 2, 0) if step == "gone" else sid)
                self.flush()
            self.over = True
            if step == "rst":
                reset(self.sock)
            else:
                self.sock.shutdown(socket.SHUT_RDWR)
        elif step.startswith("code-"):
            self.h2.reset_stream(sid, int(step[5:]))
        elif step.startswith("grpc-"):
            self.h2.send_headers(sid, [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", step[5:])], end_stream=True)
        elif step.startswith("half-"):
            self.answer(sid, step[5:], True)
        elif step.startswith("cut-"):
            self.answer(sid, step[4:], True)
            self.flush()
            self.over = True
            self.sock.shutdown(socket.SHUT_RDWR)
        elif step != "stall":
            self.answer(sid, step)


class Scripted(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    request_queue_size = 128

    def __init__(self, name="origin", record=None, port=0):
        self.name, self.record, self.lock, self.connections = name, record or Record(), threading.Lock(), 0
        super().__init__(("127.0.0.1", port), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Connections that end early are what these tests are about."""

    def stop(self):
        self.shutdown()
        self.server_close()
