# SPDX-License-Identifier: GPL-2.0-or-later
"""HTTP/1 requests as other parsers read them: h11 (python3-h11), Node's old http_parser (python3-httptools), and an origin that reads with h11."""
from collections import namedtuple

from tcp_origin import TcpOrigin

try:
    import h11
    import httptools
except ImportError:  # scripts/packages test brings both
    h11 = httptools = None

Request = namedtuple("Request", "method target headers body raw")


def one(data):
    """The first request of `data` as h11 reads it, or a word for what is wrong with it."""
    c = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 20)
    c.receive_data(data)
    head, body = None, b""
    while True:
        try:
            e = c.next_event()
        except h11.RemoteProtocolError as why:
            return f"bad: {why}"
        if e is h11.NEED_DATA:
            return "more"
        if isinstance(e, h11.Request):
            head = e
        elif isinstance(e, h11.Data):
            body += bytes(e.data)
        elif isinstance(e, h11.EndOfMessage):
            rest = bytes(c.trailing_data[0])
            return Request(head.method, head.target, [(bytes(n), bytes(v)) for n, v in head.headers], body, data[:len(data) - len(rest)])
        else:
            return f"bad: {e!r}"


def read(data):
    """([request...], what became of the rest: "", "more" or "bad: ...")"""
    found = []
    while data.strip(b"\r\n"):
        for _ in range(2):  # RFC 9112 section 2.2; this h11 takes none
            data = data.removeprefix(b"\r\n")
        r = one(data)
        if isinstance(r, str):
            return found, r
        found.append(r)
        data = data[len(r.raw):]
    return found, ""


class _Notes:
    def __init__(self):
        self.done, self.target, self.headers, self.body = [], b"", [], b""

    def on_message_begin(self):
        self.target, self.headers, self.body = b"", [], b""

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        self.headers.append((name.lower(), value or b""))

    def on_body(self, body):
        self.body += body

    def on_message_complete(self):
        self.done.append(Request(self.parser.get_method(), self.target, self.headers, self.body, None))


def read_again(data):
    """The requests of `data` as http_parser reads them, or what it has against them."""
    notes = _Notes()
    notes.parser = httptools.HttpRequestParser(notes)
    try:
        notes.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return "upgrade"
    except (httptools.HttpParserError, httptools.HttpParserCallbackError) as why:
        return f"bad: {type(why).__name__} {why}"
    return notes.done


class Origin(TcpOrigin):
    """Answers each whole request, as h11 reads them, with 200 and x-origin; keeps them, and what no request could be made of."""

    def __init__(self):
        self.got, self.bad = [], []
        super().__init__()

    def serve(self, c):
        data = b""
        while piece := c.recv(65536):
            data += piece
            found, rest = read(data)
            for r in found:
                data = data[len(r.raw):]
                self.got.append(r)
                c.sendall(b"HTTP/1.1 200 OK\r\nx-origin: 1\r\ncontent-length: 2\r\n\r\n" + (b"" if r.method == b"HEAD" else b"ok"))
            if rest.startswith("bad"):
                self.bad.append((rest, data))
                return
