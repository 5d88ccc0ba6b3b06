# SPDX-License-Identifier: GPL-2.0-or-later
"""
An origin that misbehaves on command, as a program of its own: HTTP/1.1 and HTTP/2 over TLS with client certificates.

    chaos_origin.py HOST PORT NAME CERT KEY CLIENT-CA LOG SEED

A line on its standard input is a mode, for all requests from then on. Each POST is written to LOG when its head is here, before
anything else happens to it: what stands there twice was sent twice. /health counts as a request, as health checks see what clients see.
"""
import asyncio
import os
import random
import re
import ssl
import sys

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

HOST, PORT, NAME, CERT, KEY, CLIENT_CA, LOG, SEED = sys.argv[1:9]
random.seed(SEED + NAME)
MODES = """ok        answers
slow      answers after up to 300 ms
bad       503 to everything
flaky     503 to every third request
reset     resets the stream, or the connection, in place of an answer
refuse    refuses streams, which were not looked at then; closes HTTP/1 connections that have a request unread
cut       ends in the middle of the answer's head
hang      never answers
away      GOAWAY with the first answer, and the end when all is answered; connection: close with each answer
deaf      resets new connections
"""
state = {"mode": "ok"}
log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.set_alpn_protocols(["h2", "http/1.1"])
context.load_verify_locations(CLIENT_CA)
context.verify_mode = ssl.CERT_REQUIRED
context.load_cert_chain(CERT, KEY)
context.num_tickets = 0  # a resumed session would not look at another certificate
jobs = set()


def seen(method, path):
    if method == "POST":
        os.write(log, f"{path}\n".encode())


async def status_of():
    mode = state["mode"]
    if mode == "slow":
        await asyncio.sleep(random.uniform(0, 0.3))
    elif mode == "hang":
        await asyncio.sleep(3600)
    return 503 if mode == "bad" or mode == "flaky" and random.randrange(3) == 0 else 200


def spawn(job):
    task = asyncio.get_running_loop().create_task(job)
    jobs.add(task)
    task.add_done_callback(jobs.discard)
    return task


class Origin(asyncio.Protocol):
    def connection_made(self, transport):
        self.t, self.data, self.h2, self.streams, self.busy, self.last = transport, b"", None, {}, None, 1 << 31
        if state["mode"] == "deaf":
            transport.abort()
        elif transport.get_extra_info("ssl_object").selected_alpn_protocol() == "h2":
            self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
            self.h2.initiate_connection()
            self.flush()

    def connection_lost(self, _):
        for task in self.streams.values():
            task.cancel()
        if self.busy:
            self.busy.cancel()

    def flush(self):
        if not self.t.is_closing():
            self.t.write(self.h2.data_to_send())

    def data_received(self, data):
        if not self.h2:
            self.data += data
            self.next1()
            return
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError as e:
            print(f"protocol error: {type(e).__name__} {e}, {len(self.streams)} streams, mode {state['mode']}", flush=True)
            self.flush()
            self.t.close()
            return
        for e in events:
            if self.t.is_closing():
                break
            if isinstance(e, h2.events.RequestReceived):
                self.request2(e)
            elif isinstance(e, h2.events.DataReceived):
                self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
            elif isinstance(e, h2.events.StreamReset) and e.stream_id in self.streams:
                self.streams.pop(e.stream_id).cancel()
        self.flush()

    # HTTP/2
    def request2(self, e):
        head, mode = dict(e.headers), state["mode"]
        if e.stream_id > self.last:
            return
        if mode == "refuse":
            self.h2.reset_stream(e.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
            return
        seen(head[":method"], head[":path"])
        if mode in ("reset", "cut"):
            if random.randrange(4) == 0 or mode == "cut":
                self.t.abort()
            else:
                self.h2.reset_stream(e.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
            return
        self.streams[e.stream_id] = spawn(self.answer2(e.stream_id, head[":path"]))

    async def answer2(self, stream, path):
        status = await status_of()
        self.streams.pop(stream, None)
        body = f"{NAME} {path}".encode()
        try:
            self.h2.send_headers(stream, [(":status", str(status)), ("content-length", str(len(body))), ("x-origin", NAME)])
            self.h2.send_data(stream, body, end_stream=True)
        except h2.exceptions.ProtocolError:
            return
        self.flush()
        if state["mode"] == "away" and self.last == 1 << 31 and not self.t.is_closing():
            self.last = max([stream, *self.streams])
            self.t.write(b"\0\0\x08\x07\0" + bytes(4) + self.last.to_bytes(4, "big") + bytes(4))
        if self.last < 1 << 31 and not self.streams:
            self.t.close()

    # HTTP/1.1: one request after the other
    def next1(self):
        end = self.data.find(b"\r\n\r\n")
        if self.busy or end < 0 or self.t.is_closing():
            return
        head, rest, mode = self.data[:end].decode("latin-1"), self.data[end + 4:], state["mode"]
        if mode == "refuse":
            self.t.abort()
            return
        method, path, _ = head.split(" ", 2)
        length = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
        if not hasattr(self, "told") or self.told != head:
            seen(method, path)
            self.told = head
        if "transfer-encoding" in head.lower():
            done = rest.find(b"0\r\n\r\n")
            size = done + 5 if done >= 0 else -1
        else:
            size = int(length[1]) if length else 0
        if size < 0 or len(rest) < size:
            return
        self.data, self.told = rest[size:], None
        if mode == "reset":
            self.t.abort()
        elif mode == "cut":
            self.t.write(b"HTTP/1.1 200 OK\r\nconte")
            self.t.abort()
        else:
            self.busy = spawn(self.answer1(path))

    async def answer1(self, path):
        status = await status_of()
        body, last = f"{NAME} {path}", state["mode"] == "away"
        self.t.write(f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nx-origin: {NAME}\r\n"
                     f"{'connection: close' + chr(13) + chr(10) if last else ''}\r\n{body}".encode())
        self.busy = None
        if last:
            self.t.close()
        else:
            self.next1()


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Origin, HOST, int(PORT), ssl=context, reuse_address=True, backlog=512)

    def command():
        lines = os.read(0, 65536).decode().splitlines()  # each is written at once
        if not lines:
            os._exit(0)
        for word, *rest in map(str.split, lines):
            if word == "certificate":
                context.load_cert_chain(*rest)
            else:
                state["mode"] = word
    loop.add_reader(0, command)
    print("ready", flush=True)
    async with server:
        await server.serve_forever()


asyncio.run(main())
