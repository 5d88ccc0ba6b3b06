# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults on order: sallyport-faults (test/faults/faults.c) and the table that it reads; and a client that notices what is wrong."""
import http.client
import mmap
import os
import re
import socket
import ssl
import struct
import time

import h2.config
import h2.connection
import h2.events
import h2.exceptions

import harness
from harness import ROOT, SLOW, Sallyport, wait_for, work
from tcp_origin import TcpOrigin

FIELDS = ("on", "skip", "count", "ppm", "seed", "err", "calls", "hits")
POINT = 8 * len(FIELDS)


def program():
    """Beside the one that the suite tests; None: this build has none (release)."""
    path = os.path.join(os.path.dirname(harness.BIN), "sallyport-faults")
    return path if os.path.exists(path) else None


def names():
    with open(os.path.join(ROOT, "test/faults/faults.h"), encoding="utf-8") as f:
        text = f.read()
    body = re.search(r"enum fault \{(.*?)\bFAULTS\b", text, re.S)[1]
    return re.findall(r"^\s*F_(\w+)", re.sub(r"/\*.*?\*/", "", body), re.M)


class Table:
    def __init__(self):
        self.names = names()
        self.path = work(f"faults-{time.time_ns()}")
        with open(self.path, "wb") as f:
            f.truncate(POINT * len(self.names))
        self.file = open(self.path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), POINT * len(self.names))

    def at(self, name, field):
        return self.names.index(name) * POINT + FIELDS.index(field) * 8

    def put(self, name, **values):
        for field, value in values.items():
            struct.pack_into("<q", self.map, self.at(name, field), value)

    def get(self, name, field):
        return struct.unpack_from("<q", self.map, self.at(name, field))[0]

    def fail(self, name, skip=0, count=1, err=0, ppm=0, seed=0):
        self.put(name, on=0)
        self.put(name, skip=skip, count=count, ppm=ppm, seed=seed, err=err, calls=0, hits=0)
        self.put(name, on=1)

    def count(self, name):
        self.fail(name, count=0)

    def off(self):
        for name in self.names:
            self.put(name, on=0)

    def hits(self, name):
        return self.get(name, "hits")

    def calls(self, name):
        return self.get(name, "calls")


class Faulty(Sallyport):
    """sallyport-faults, serving `conf`; `table` says what fails."""

    def __init__(self, conf, *args, **kw):
        self.table = Table()
        before, harness.BIN = harness.BIN, program()
        os.environ["SP_FAULTS"] = self.table.path
        try:
            super().__init__(conf, *args, **kw)
        finally:
            harness.BIN = before
            del os.environ["SP_FAULTS"]

    def alive(self):
        return self.p.poll() is None

    def fds(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))


class Wrong(AssertionError):
    """An answer that no fault excuses."""


WAIT = 8  # seconds (times SLOW) until a stream counts as stuck


def tls_context(ca, client=None, alpn=("http/1.1",)):
    c = ssl.create_default_context(cafile=ca)
    if client:
        c.load_cert_chain(*client)
    c.set_alpn_protocols(list(alpn))
    return c


def connect(port, context=None):
    s = socket.create_connection(("127.0.0.1", port), WAIT * SLOW)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        return context.wrap_socket(s, server_hostname="localhost") if context else s
    except (OSError, ssl.SSLError):
        s.close()
        raise


def failed_well(e):
    """A connection that ended is an answer; one that says nothing is stuck."""
    if isinstance(e, (socket.timeout, TimeoutError)):
        raise Wrong(f"no answer in {WAIT * SLOW} s") from e
    return None


def http1(port, requests, context=None):
    """The status and body of each, on one connection; None from where it ended."""
    out = []
    s = None
    try:
        s = connect(port, context)
        for method, path, headers, body in requests:
            lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
            length = f"content-length: {len(body)}\r\n" if body else ""
            s.sendall(f"{method} {path} HTTP/1.1\r\nhost: localhost\r\n{lines}{length}\r\n".encode() + body)
            r = http.client.HTTPResponse(s, method=method)
            r.begin()
            out.append((r.status, r.read()))
            if r.will_close:
                break
    except (OSError, ssl.SSLError, http.client.HTTPException) as e:
        failed_well(e)
    finally:
        if s:
            s.close()
    return out + [None] * (len(requests) - len(out))


def http2(port, requests, context):
    """The same, all streams at once; a stream that is reset is None."""
    status, bodies, over = {}, {}, set()
    s = None
    try:
        s = connect(port, context)
        c = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        c.initiate_connection()
        ids = []
        for method, path, headers, body in requests:
            i = c.get_next_available_stream_id()
            ids.append(i)
            c.send_headers(i, [(":method", method), (":scheme", "https"), (":authority", "localhost"), (":path", path), *headers.items()],
                           end_stream=not body)
            for at in range(0, len(body), 16384):
                c.send_data(i, body[at:at + 16384], end_stream=at + 16384 >= len(body))
        s.sendall(c.data_to_send())
        end = time.time() + WAIT * SLOW
        while len(over) < len(ids):
            data = s.recv(65536)
            if not data:
                break
            if time.time() > end:
                raise socket.timeout()
            for e in c.receive_data(data):
                i = getattr(e, "stream_id", None)
                if isinstance(e, h2.events.ResponseReceived):
                    status[i] = int(dict(e.headers)[":status"])
                    bodies[i] = b""
                elif isinstance(e, h2.events.DataReceived):
                    bodies[i] += e.data
                    c.acknowledge_received_data(e.flow_controlled_length, i)
                elif isinstance(e, h2.events.StreamEnded):
                    over.add(i)
                elif isinstance(e, h2.events.StreamReset):
                    over.add(i)
                    status.pop(i, None)
            out = c.data_to_send()
            if out:
                s.sendall(out)
    except (OSError, ssl.SSLError, h2.exceptions.ProtocolError) as e:
        failed_well(e)
    finally:
        if s:
            s.close()
    return [(status[i], bodies[i]) if i in over and i in status else None for i in range(1, 2 * len(requests), 2)]


class Echo(TcpOrigin):
    """An origin that switches to a protocol of its own and sends back what comes."""

    def serve(self, c):
        head, _ = self.head(c, b"")
        if head is None:
            return
        c.sendall(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        while (more := c.recv(4096)):
            c.sendall(more)



def upgrade(port, path, headers, context=None):
    """True: the tunnel stood, and brought back what was sent. False: it ended. A wrong byte is Wrong."""
    s = None
    try:
        s = connect(port, context)
        lines = "".join(f"{k}: {v}\r\n" for k, v in headers.items())
        s.sendall(f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{lines}connection: upgrade\r\nupgrade: websocket\r\n"
                  "sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode())
        got = b""
        while b"\r\n\r\n" not in got:
            more = s.recv(4096)
            if not more:
                return False
            got += more
        if not got.startswith(b"HTTP/1.1 101"):
            return False
        s.sendall(b"ping" * 100)
        back = got.partition(b"\r\n\r\n")[2]
        while len(back) < 400:
            more = s.recv(4096)
            if not more:
                return False
            back += more
        if back != b"ping" * 100:
            raise Wrong(f"the tunnel changed bytes: {back!r}")
        return True
    except (OSError, ssl.SSLError) as e:
        failed_well(e)
        return False
    finally:
        if s:
            s.close()


GAUGES = re.compile(r"(downstream_rq_active|upstream_rq_active|upstream_rq_pending_active|downstream_cx_active|pre_cx_active|"
                    r"downstream_pre_cx_active|upgrades_active)$")


def busy(stats):
    """Gauges of what should be over, that are not 0. The admin's own request counts itself."""
    return {k: v for k, v in stats.items() if v and GAUGES.search(k) and not k.startswith(("listener.admin", "http.admin"))}


def settled(door, seconds=10):
    """Nothing is left of what was done."""
    left = {}

    def look():
        left.clear()
        left.update(busy(door.stats()))
        return not left
    try:
        wait_for("all streams and connections to end", look, seconds)
    except AssertionError as e:
        raise Wrong(f"still there: {left}") from e
