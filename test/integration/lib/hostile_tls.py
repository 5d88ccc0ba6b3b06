# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS messages made by hand, piece by piece, and a server's hello taken apart (RFC 5246, RFC 8446)."""
import os


def record(kind, body, version=b"\x03\x03"):
    return bytes([kind]) + version + len(body).to_bytes(2, "big") + body


def message(kind, body):
    return record(22, bytes([kind]) + len(body).to_bytes(3, "big") + body)


def extension(kind, body=b""):
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def vector(numbers, size=2):
    body = b"".join(n.to_bytes(2, "big") for n in numbers)
    return len(body).to_bytes(size, "big") + body


# What a plain client of TLS 1.2 says: groups, point formats, signature algorithms.
USUAL = [extension(10, vector([29, 23])), extension(11, b"\x01\x00"), extension(13, vector([0x0403, 0x0804, 0x0401]))]


def client_hello(version=b"\x03\x03", more=(), ciphers=(0xc02b, 0xc02f), compressions=b"\x00"):
    extensions = b"".join([*USUAL, *more])
    body = (version + os.urandom(32) + b"\x00" + vector(ciphers) + bytes([len(compressions)]) + compressions + len(extensions).to_bytes(2, "big") + extensions)
    return message(1, body)


class ServerHello:
    def __init__(self, body):
        self.version, self.random = body[:2], body[2:34]
        at = 35 + body[34]
        self.cipher, self.compression = int.from_bytes(body[at:at + 2], "big"), body[at + 2]
        self.extensions, at = {}, at + 5
        while at < len(body):
            kind, size = int.from_bytes(body[at:at + 2], "big"), int.from_bytes(body[at + 2:at + 4], "big")
            self.extensions[kind] = body[at + 4:at + 4 + size]
            at += 4 + size


def parse_server_hello(answer):
    assert answer[:1] == b"\x16" and answer[5] == 2, answer[:100]
    size = int.from_bytes(answer[6:9], "big")
    return ServerHello(answer[9:9 + size])
