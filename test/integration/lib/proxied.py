# SPDX-License-Identifier: GPL-2.0-or-later
"""PROXY protocol headers, and connections that begin with one."""
import ipaddress
import socket
import ssl
import struct

from harness import SLOW, ca

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def v1(source, destination="192.0.2.1", ports=(56324, 443)):
    family = "TCP6" if ":" in source else "TCP4"
    return f"PROXY {family} {source} {destination} {ports[0]} {ports[1]}\r\n".encode()


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def v2(source, destination="192.0.2.1", ports=(56324, 443), tlvs=b"", command=1, family=None, checksum=None):
    """checksum: None, or a number that is added to the right one."""
    a, b = ipaddress.ip_address(source), ipaddress.ip_address(destination)
    block = a.packed + b.packed + struct.pack(">HH", *ports)
    family = family if family is not None else (0x21 if a.version == 6 else 0x11)
    if checksum is not None:
        tlvs = b"\x03\0\4\0\0\0\0" + tlvs
    head = SIGNATURE + bytes([0x20 | command, family]) + struct.pack(">H", len(block) + len(tlvs)) + block + tlvs
    if checksum is not None:
        at = len(SIGNATURE) + 4 + len(block) + 3
        head = head[:at] + struct.pack(">I", (crc32c(head) + checksum) % 2 ** 32) + head[at + 4:]
    return head


LOCAL = SIGNATURE + b"\x20\0\0\0"


def connect(port, header, tls=False, alpn=None, source=None):
    """A socket that has said `header`, then TLS if asked."""
    s = socket.create_connection(("127.0.0.1", port), 5 * SLOW, (source, 0) if source else None)
    s.settimeout(5 * SLOW)
    s.sendall(header)
    if not tls:
        return s
    context = ssl.create_default_context(cafile=ca())
    if alpn:
        context.set_alpn_protocols([alpn])
    return context.wrap_socket(s, server_hostname="localhost")


def ask(port, header, *lines, tls=False, path="/", source=None):
    """(status, body) of one HTTP/1.1 request behind the header; (0, b"") when the connection was reset or closed."""
    try:
        with connect(port, header, tls, source=source) as s:
            s.sendall("".join(f"{x}\r\n" for x in (f"GET {path} HTTP/1.1", "host: a.test", "connection: close", *lines, "")).encode())
            out = b""
            while piece := s.recv(65536):
                out += piece
    except (OSError, ssl.SSLError):
        return 0, b""
    head, _, body = out.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head.startswith(b"HTTP/1.1 ") else (0, out)
