# SPDX-License-Identifier: GPL-2.0-or-later
"""WebSocket: an origin, a client over HTTP/1.1, tunnels by HTTP/2's extended CONNECT, and origins that misbehave."""
import asyncio
import socket
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import websockets

MAX = 64 << 20


class Origin:
    """Echoes each message; at /close it closes at once, at /hello it speaks first."""

    def __init__(self):
        self.seen, self.loop, self.ready = [], asyncio.new_event_loop(), threading.Event()
        threading.Thread(target=self.run, daemon=True).start()
        self.ready.wait(10)

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.loop.run_until_complete(self.begin())
        self.ready.set()
        self.loop.run_forever()

    async def begin(self):
        self.server = await websockets.serve(self.serve, "127.0.0.1", 0, max_size=MAX, compression=None,
                                            ping_interval=None, max_queue=1)
        self.port = self.server.sockets[0].getsockname()[1]

    async def serve(self, ws, path=None):
        self.seen.append({"path": ws.path, "headers": sorted([k.lower(), v] for k, v in ws.request_headers.raw_items())})
        try:
            if ws.path == "/hello":
                await ws.send("hello")
            if ws.path == "/close":
                return
            async for message in ws:
                await ws.send(message)
        except websockets.ConnectionClosed:
            pass

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)


def talk(port, messages, path="/", headers=None, seconds=20, **kw):
    """Sends each message and returns what came back, with the close code."""
    async def run():
        async with websockets.connect(f"ws://127.0.0.1:{port}{path}", extra_headers=headers or {}, max_size=MAX, compression=None,
                                      ping_interval=None, **kw) as ws:
            out = []
            for m in messages:
                await ws.send(m)
                out.append(await ws.recv())
            await ws.close()
            return out, ws.close_code
    return asyncio.run(asyncio.wait_for(run(), seconds))


class H2Tunnel:
    """One extended CONNECT, or the request that `lines` are, on a connection of its own; what is sent and received are the tunnel's raw bytes."""

    def __init__(self, port, path="/", headers=(), end=False, protocol=b"websocket", method=b"CONNECT", context=None, lines=None):
        self.sock = socket.create_connection(("127.0.0.1", port), 10)
        if context:
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        config = h2.config.H2Configuration(client_side=True, validate_outbound_headers=False, normalize_outbound_headers=False)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self.status, self.headers, self.data, self.ended, self.reset, self.settings = None, {}, b"", False, None, {}
        self.flush()
        self.wait(lambda: self.settings)
        self.offered = self.settings.get(h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL, 0)
        self.id = self.h2.get_next_available_stream_id()
        lines = lines or [(b":method", method), (b":protocol", protocol), (b":scheme", b"http"), (b":path", path.encode()),
                 (b":authority", b"a.test"), *headers]
        self.h2.send_headers(self.id, lines, end_stream=end)
        self.flush()

    def flush(self):
        if data := self.h2.data_to_send():
            self.sock.sendall(data)

    def wait(self, condition, seconds=10):
        """`seconds` is how long nothing may come; what never ends is left after six times as long."""
        self.sock.settimeout(seconds)
        end = time.monotonic() + 6 * seconds
        while not condition():
            if time.monotonic() > end:
                return False
            try:
                piece = self.sock.recv(65536)
            except socket.timeout:
                return False
            if not piece:
                self.ended = True
                return condition()
            for e in self.h2.receive_data(piece):
                if isinstance(e, h2.events.RemoteSettingsChanged):
                    self.settings = {k: v.new_value for k, v in e.changed_settings.items()} or {0: 0}
                elif isinstance(e, h2.events.ResponseReceived):
                    self.headers = {k.decode(): v.decode() for k, v in e.headers}
                    self.status = int(self.headers[":status"])
                elif isinstance(e, h2.events.DataReceived):
                    self.data += e.data
                    self.h2.acknowledge_received_data(e.flow_controlled_length, e.stream_id)
                elif isinstance(e, h2.events.StreamEnded):
                    self.ended = True
                elif isinstance(e, h2.events.StreamReset):
                    self.reset = e.error_code
                elif isinstance(e, h2.events.ConnectionTerminated):
                    self.goaway = e.error_code
            self.flush()
        return True

    def answer(self):
        self.wait(lambda: self.status or self.reset is not None or self.ended)
        return self.status

    def send(self, data, end=False):
        while data:
            self.wait(lambda: self.h2.local_flow_control_window(self.id) > 0)
            n = min(len(data), self.h2.local_flow_control_window(self.id), self.h2.max_outbound_frame_size)
            self.h2.send_data(self.id, data[:n])
            self.flush()
            data = data[n:]
        if end:
            self.h2.end_stream(self.id)
            self.flush()

    def receive(self, n, seconds=10):
        self.wait(lambda: len(self.data) >= n or self.ended or self.reset is not None, seconds)
        out, self.data = self.data[:n], self.data[n:]
        return out

    def close(self):
        self.sock.close()


def frame(payload, opcode=2):
    """A client's frame, masked with zeros."""
    n = len(payload)
    size = bytes([0x80 | n]) if n < 126 else bytes([0xfe]) + n.to_bytes(2, "big") if n < 65536 else bytes([0xff]) + n.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + size + b"\0\0\0\0" + payload


def unmasked(payload, opcode=2):
    """The same as a server sends it."""
    n = len(payload)
    size = bytes([n]) if n < 126 else bytes([126]) + n.to_bytes(2, "big") if n < 65536 else bytes([127]) + n.to_bytes(8, "big")
    return bytes([0x80 | opcode]) + size + payload


class Script:
    """An origin that answers each connection with fixed bytes, and remembers all that it was sent."""

    def __init__(self, answer, then=None):
        self.answer, self.then, self.got, self.connections = answer, then, b"", 0
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.sock.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        c.settimeout(10)
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                piece = c.recv(65536)
                if not piece:
                    return
                data += piece
                self.got += piece
            c.sendall(self.answer)
            if self.then:
                self.then(self, c)
            while piece := c.recv(65536):
                self.got += piece
        except OSError:
            pass
        finally:
            c.close()

    def stop(self):
        self.sock.close()
