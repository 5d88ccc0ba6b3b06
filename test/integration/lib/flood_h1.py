# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on HTTP/1, on what filters read, on tunnels and on accept. Each is attack(target, until, outcomes)."""
import collections
import random
import re
import socket
import struct
import time

from flood_h2 import hear, send

ABORT = struct.pack("ii", 1, 0)


def statuses(data, closed):
    found = collections.Counter(m.decode() for m in re.findall(rb"HTTP/1\.1 (\d{3})", data))
    return found or collections.Counter({"closed" if closed else "open": 1})


def again(data, port="plain", seconds=3.0, pause=0.0, last=b""):
    """Sends these bytes on a connection, with `last` behind them, hears what comes, and does so again."""
    def attack(target, until, outcomes):
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", getattr(target, port)), 5) as s:
                got, closed = send(s, (data(target) if callable(data) else data) + last)
                outcomes.update(statuses(*hear(s, got, closed, seconds)))
            time.sleep(pause)
    return attack


def hoard(connections, first, drip=b"", every=0.2, port="brief", read=True):
    """Opens so many connections, says `first` on each, and a drop of `drip` now and then, until they are closed."""
    def attack(target, until, outcomes):
        held = []
        for _ in range(connections):
            if time.monotonic() > until:
                break
            try:
                s = socket.socket()
                if not read:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                s.settimeout(5)
                s.connect(("127.0.0.1", getattr(target, port)))
                s.sendall(first)
                s.setblocking(False)
                held.append(s)
            except OSError:
                outcomes["refused"] += 1
        until = max(until, time.monotonic() + 0.5)
        due, at = time.monotonic(), 0
        while time.monotonic() < until:
            time.sleep(0.02)
            if drip and time.monotonic() >= due:
                due += every
                for s in held:
                    try:
                        s.send(drip[at % len(drip):][:1])
                    except OSError:
                        pass
                at += 1
        for s in held:
            outcomes.update(statuses(*hear(s, b"", False, 0.01)) if read else {"held": 1})
            s.close()
    return attack


def request(*lines, method="GET", path="/direct", body=b""):
    text = "".join(line + "\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: a", *lines, ""))
    return text.encode("latin-1") + body


LAST = request("Connection: close")


def shielded(*lines, **more):
    from harness import SECRET
    return request(f"X-Origin-Verify: {SECRET}", *lines, **more)


CHUNKED = request("Transfer-Encoding: chunked", method="POST", path="/sink")
LENGTH = request("Content-Length: 100000", method="POST", path="/sink")

slow_head = hoard(300, b"GET /direct HTTP/1.1\r\nHost: a\r\n", b"x: y\r\n" * 100)
slow_body = hoard(100, LENGTH, b"x" * 1000)
slow_chunks = hoard(100, CHUNKED, b"1\r\nx\r\n" * 1000)
slow_read = hoard(60, request(path="/big"), read=False)
nothing_said = hoard(400, b"")
idle = hoard(400, request())
pipeline = again(request() * 20000, last=LAST)
pipeline_404 = again(request(path="/nowhere") * 20000, last=LAST)
extensions = again(CHUNKED + (b"1;" + b"e" * 4000 + b"\r\nx\r\n") * 500)
small_chunks = again(CHUNKED + b"1\r\nx\r\n" * 50000, seconds=0.05)
trailer_flood = again(CHUNKED + b"0\r\n" + b"x: y\r\n" * 20000)
many_headers = again(request(*(f"x{i}: 1" for i in range(5000))))
large_head = again(request("x: " + "y" * 200000))
long_url = again(request(path="/" + "u" * 100000))
dots = again((request(path="/" + "a/../" * 3000 + "direct")) * 20, last=LAST)
empty_lines = again(b"\r\n" * 20000)
refusals = again(request(path="/nowhere") * 200, port="gated", last=LAST)
not_found = again(request(path="/nowhere/" + "x" * 200) * 200, last=LAST)


def churn(target, until, outcomes):
    """Connections that are opened and reset at once."""
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
            s.sendall(request(path="/o"))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        outcomes["reset"] += 1


def over_limit(target, until, outcomes):
    """More connections than the listener may have."""
    held = []
    while time.monotonic() < until:
        try:
            s = socket.create_connection(("127.0.0.1", target.limited), 5)
            s.settimeout(0.002)
            s.sendall(b"GET")
            if s.recv(1) == b"":
                raise OSError
        except (socket.timeout, BlockingIOError):
            held.append(s)
        except OSError:
            outcomes["refused"] += 1
    outcomes["open"] += len(held)


# --- what filters and routes read

def keys(n):
    return "&".join(f"k{i}=" for i in range(n))


def same_names(n):
    rng = random.Random(7)
    return [f"{''.join(rng.choice('xX') for _ in range(20))}: {i}" for i in range(n)]


query_keys = again(request(path="/query?" + keys(2000)[:15000]) * 20, last=LAST)
cookie_keys = again(request("Cookie: " + "; ".join(f"k{i}=v" for i in range(5000))[:50000], path="/cookie") * 5, last=LAST)
header_keys = again(request(*same_names(95), path="/header") * 20, last=LAST)
regex = again(request(path="/regex/" + "a" * 4000 + "!") * 20, last=LAST)
regex_short = again(request(path="/regex/" + "a" * 60 + "!") * 200, last=LAST)
xff = again(request("X-Forwarded-For: " + ", ".join(["10.0.0.1"] * 4000), path="/direct") * 5, last=LAST)


def jwt_attack(make):
    """Tokens made once for all, by what the target has of them."""
    return again(lambda target: shielded(f"Authorization: Bearer {target.tokens[make]}", path="/o") * 20, port="gated", last=LAST)


jwt_forged, jwt_large, jwt_keys, jwt_deep = (jwt_attack(x) for x in ("forged", "large", "keys", "deep"))

# --- tunnels

websockets = hoard(150, request("Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
                                path="/tunnel"))
connects = hoard(150, b"CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n")

# --- before all else

proxy_v1 = hoard(300, b"PROXY TCP4 1.2.3.4 5.6.7.8 ", b"1" * 100, port="proxied")
proxy_v2 = hoard(300, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x0f\x00" + b"\0" * 300, b"\0" * 200, port="proxied")
proxy_endless = again(b"PROXY TCP4 " + b"1" * 5000, port="proxied")
