# SPDX-License-Identifier: GPL-2.0-or-later
"""Early data of TLS 1.3: openssl s_client sends it, and what it sends can be recorded, to be sent again."""
import os
import socket
import subprocess
import threading

from echo import Echo, Handler
from harness import SLOW, T, ca, downstream_tls, wait_for, work
from mtls import Visit, s_client


def early_tls(name="server", alpn=("h2", "http/1.1"), more=None, **fields):
    """A filter chain's transport socket that takes early data; its window is the widest there is, for slow machines."""
    tls = downstream_tls(name, alpn=alpn, **(more or {}))
    own = {"@type": T + "sallyport.tls.v1.EarlyData", "window": "10s", **fields}
    tls["typed_config"]["common_tls_context"]["custom_handshaker"] = {"name": "early_data", "typed_config": own}
    return tls


def session(port, name, alpn="http/1.1", sni="localhost"):
    """The name of a new session with whoever listens there."""
    path = work(name)
    if os.path.exists(path):
        os.remove(path)
    a = s_client(port, "-tls1_3", "-alpn", alpn, name=sni, sess_out=name)
    assert os.path.exists(path) and os.path.getsize(path), a
    return name


def _argv(port, file, data, alpn, sni, *more):
    path = work("early-data")
    with open(path, "wb") as f:
        f.write(data)
    return ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-CAfile", ca(), "-servername", sni, "-ign_eof", "-alpn", alpn,
            "-sess_in", work(file), "-early_data", path, *more]


def early(port, file, data, then=b"", alpn="http/1.1", sni="localhost", more=()):
    """A visit of that session which sends `data` early, and `then` once the handshake is done; to its end by the other side."""
    p = subprocess.run(_argv(port, file, data, alpn, sni, *more), input=then, capture_output=True, timeout=20 * SLOW, check=False)
    visit = Visit((p.stdout + p.stderr).decode("latin-1"), p.returncode)
    visit.accepted = "Early data was accepted" in visit.text
    visit.rejected = "Early data was rejected" in visit.text
    visit.statuses = [int(part[:3]) for part in visit.text.split("HTTP/1.1 ")[1:] if part[:3].isdigit()]
    return visit


def _records(data):
    """The content types of the records that `data` holds whole."""
    types = []
    while len(data) >= 5 and len(data) >= 5 + int.from_bytes(data[3:5], "big"):
        types.append(data[0])
        data = data[5 + int.from_bytes(data[3:5], "big"):]
    return types


def record(file, data, alpn="http/1.1", sni="localhost"):
    """The bytes of a first flight with early data: of one who never gets an answer."""
    with socket.create_server(("127.0.0.1", 0)) as s:
        p = subprocess.Popen(_argv(s.getsockname()[1], file, data, alpn, sni), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        s.settimeout(10 * SLOW)
        c = s.accept()[0]
        flight = b""
        with c:
            c.settimeout(10 * SLOW)
            while 23 not in _records(flight):
                piece = c.recv(65536)
                assert piece, flight
                flight += piece
        p.kill()
        p.wait()
        p.stdin.close()
        return flight


class _Listener(Handler):
    def answer(self):
        with self.server.lock:
            self.server.asked.append((self.command, self.path, self.headers.get_all("early-data", [])))
        super().answer()

    do_GET = do_HEAD = do_POST = do_PUT = do_OPTIONS = answer


class Heard(Echo):
    """An origin that remembers what it was asked: (method, path, the lines of early-data)."""

    def __init__(self):
        self.asked, self.lock = [], threading.Lock()
        super().__init__()
        self.RequestHandlerClass = _Listener

    def heard(self, path):
        with self.lock:
            return [a for a in self.asked if a[1] == path]

    def wait(self, path, n=1):
        wait_for(f"{n} of {path}", lambda: len(self.heard(path)) >= n)
        return self.heard(path)
