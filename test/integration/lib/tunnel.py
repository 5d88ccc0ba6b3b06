# SPDX-License-Identifier: GPL-2.0-or-later
"""CONNECT: clients over HTTP/1.1 and HTTP/2 that look alike, and origins behind tunnels."""
import socket
import struct

import ws
from harness import SLOW, config, free_port, listener
from tcp_origin import TcpOrigin

TARGET = "a.test:443"
ON = {"upgrade_configs": [{"upgrade_type": "CONNECT"}]}


def connect_route(name, ends=True, match=None, proxy=None, **action):
    """A route that takes CONNECT: the tunnel ends here, or goes on as a request."""
    if ends:
        end = {"proxy_protocol_config": proxy} if proxy is not None else {}
        action["upgrade_configs"] = [{"upgrade_type": "CONNECT", "connect_config": end}]
    return {"match": {"connect_matcher": {}, **(match or {})}, "route": {"cluster": name, **action}}


def door_config(routes, *clusters, filters=(), hcm=None, **more):
    return config([listener(free_port(), routes, filters, hcm={**ON, **(hcm or {})}, **more)], list(clusters))


def reset(sock):
    """Closes it so that its peer is told of a fault."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class Origin(TcpOrigin):
    """Speaks no HTTP. `kind`: echo; greet (speaks first); last (answers at its peer's end); first (ends first, and reads on); deaf (reads
    nothing); rst (resets, once it has read); pour (sends without end). `got`: what came on each connection, and how it ended."""

    def __init__(self, kind="echo"):
        self.kind, self.got = kind, []
        super().__init__()

    def serve(self, c):
        mine = {"data": b"", "end": None}
        self.got.append(mine)
        try:
            self.play(c, mine)
        except OSError as e:
            mine["end"] = type(e).__name__
            raise

    def play(self, c, mine):
        if self.kind in ("greet", "first"):
            c.sendall(b"220 hello\r\n")
        if self.kind == "first":
            c.shutdown(socket.SHUT_WR)
        if self.kind == "deaf":
            self.asleep(c)
        if self.kind == "pour":
            while True:
                c.sendall(bytes(65536))
        while piece := c.recv(65536):
            mine["data"] += piece
            if self.kind in ("echo", "greet"):
                c.sendall(piece)
            if self.kind == "rst":
                reset(c)
                return
        mine["end"] = "fin"
        if self.kind == "last":
            c.sendall(b"got " + mine["data"])

    @staticmethod
    def asleep(c):
        import time
        while c.fileno() >= 0:
            time.sleep(0.1)


class Script(TcpOrigin):
    """An HTTP/1.1 origin that answers a request's head with `answer`, and echoes what comes then."""

    def __init__(self, answer):
        self.answer, self.heads, self.rest = answer, [], b""
        super().__init__()

    def serve(self, c):
        head, rest = self.head(c, b"")
        if head is None:
            return
        self.heads.append(head)
        self.rest += rest
        c.sendall(self.answer + rest)
        while piece := c.recv(65536):
            self.rest += piece
            c.sendall(piece)


class H1Tunnel:
    def __init__(self, port, target=TARGET, headers=(), early=b"", context=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 10 * SLOW)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        lines = "".join(f"{k}: {v}\r\n" for k, v in headers)
        self.sock.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{lines}\r\n".encode() + early)
        self.data, self.status, self.ended, self.reset, self.head = b"", None, False, None, None

    def more(self, seconds):
        self.sock.settimeout(seconds * SLOW)
        try:
            piece = self.sock.recv(65536)
        except socket.timeout:
            return False
        except OSError as e:
            self.reset = type(e).__name__
            return False
        self.ended = not piece
        self.data += piece
        return bool(piece)

    def answer(self):
        while b"\r\n\r\n" not in self.data and self.more(10):
            pass
        if b"\r\n\r\n" in self.data:
            self.head, self.data = self.data.split(b"\r\n\r\n", 1)
            self.status = int(self.head.split()[1])
        return self.status

    def send(self, data, end=False):
        if data:
            self.sock.sendall(data)
        if end:
            self.sock.shutdown(socket.SHUT_WR)

    def receive(self, n, seconds=10):
        while len(self.data) < n and self.more(seconds):
            pass
        out, self.data = self.data[:n], self.data[n:]
        return out

    def over(self, seconds=10):
        """Whether the other side ends it, and how."""
        while not self.ended and not self.reset and self.more(seconds):
            pass
        return self.ended or bool(self.reset)

    def close(self):
        self.sock.close()


class H2Tunnel(ws.H2Tunnel):
    def __init__(self, port, target=TARGET, headers=(), early=b"", end=False, context=None):
        lines = [(b":method", b"CONNECT"), (b":authority", target.encode()), *[(k.encode(), v.encode()) for k, v in headers]]
        super().__init__(port, end=end, lines=lines, context=context)
        if early:
            self.send(early)

    def over(self, seconds=10):
        try:
            self.wait(lambda: self.ended or self.reset is not None, seconds * SLOW)
        except ConnectionError:
            self.reset = -1
        return self.ended or self.reset is not None


BOTH = (H1Tunnel, H2Tunnel)


