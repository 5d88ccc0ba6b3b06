# SPDX-License-Identifier: GPL-2.0-or-later
"""A DNS server in this process that says what a test wants: addresses, TTLs, errors, nothing, too much for UDP."""
import ipaddress
import socket
import struct
import threading

from harness import free_port

NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
TYPES = {1: "A", 28: "AAAA"}


def name_of(data, at):
    labels = []
    while data[at]:
        labels.append(data[at + 1:at + 1 + data[at]].decode("latin-1"))
        at += 1 + data[at]
    return ".".join(labels).lower(), at + 1


class FakeDns:
    """`set` says what a name has; names that were never set do not exist. `asked`: (name, type, "udp" or "tcp") of each question."""

    def __init__(self):
        self.names, self.asked, self.lock = {}, [], threading.Lock()
        self.port = free_port()
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.tcp = socket.create_server(("127.0.0.1", self.port))
        for run in (self.run_udp, self.run_tcp):
            threading.Thread(target=run, daemon=True).start()

    def set(self, name, *addresses, ttl=60, rcode=NOERROR, silent=False, cname=None, udp_max=1200):
        with self.lock:
            self.names[name] = {"addresses": addresses, "ttl": ttl, "rcode": rcode, "silent": silent, "cname": cname,
                                "udp_max": udp_max}

    def count(self, name, kind=None):
        with self.lock:
            return sum(1 for a in self.asked if a[0] == name and kind in (None, a[1]))

    def stop(self):
        self.udp.close()
        self.tcp.close()

    def answer(self, data, how):
        name, end = name_of(data, 12)
        kind, = struct.unpack(">H", data[end:end + 2])
        with self.lock:
            self.asked.append((name, TYPES.get(kind, kind), how))
            has = self.names.get(name, {"addresses": (), "ttl": 60, "rcode": NXDOMAIN, "silent": False, "cname": None,
                                        "udp_max": 1200})
        if has["silent"]:
            return None
        question, records, n = data[12:end + 4], b"", 0
        owner = b"\xc0\x0c"
        if has["cname"]:
            alias = b"".join(bytes([len(x)]) + x.encode() for x in has["cname"].split(".")) + b"\0"
            records += owner + struct.pack(">HHIH", 5, 1, has["ttl"], len(alias)) + alias
            owner, n = alias, 1
        for a in has["addresses"] if has["rcode"] == NOERROR else ():
            packed = ipaddress.ip_address(a).packed
            if len(packed) == {1: 4, 28: 16}.get(kind, 0):
                records += owner + struct.pack(">HHIH", kind, 1, has["ttl"], len(packed)) + packed
                n += 1
        flags = 0x8580 | has["rcode"]
        if how == "udp" and len(records) > has["udp_max"]:
            flags, records, n = flags | 0x0200, b"", 0
        return data[:2] + struct.pack(">HHHHH", flags, 1, n, 0, 0) + question + records

    def run_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
                reply = self.answer(data, "udp")
                if reply:
                    self.udp.sendto(reply, peer)
            except OSError:
                return

    def run_tcp(self):
        while True:
            try:
                s, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_tcp, args=(s,), daemon=True).start()

    def serve_tcp(self, s):
        with s:
            f = s.makefile("rb")
            while len(head := f.read(2)) == 2:
                reply = self.answer(f.read(struct.unpack(">H", head)[0]), "tcp")
                if reply:
                    s.sendall(struct.pack(">H", len(reply)) + reply)
