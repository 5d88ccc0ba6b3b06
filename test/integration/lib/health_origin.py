# SPDX-License-Identifier: GPL-2.0-or-later
"""Origins that answer health checks by a script: one entry a check, and behind the last one nothing, for ever.

Http's entries are bytes (sent as they are), or "close" (without an answer), "reset" (RST); requests are kept. Grpc's are a serving
status (0 to 3), ["abort", code, text], "none" (an empty message), hexadecimal digits (a message), or "move" (GOAWAY, then well)."""
import http.server
import json
import re
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

from harness import Proc, connects, free_port, wait_for


STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z")


def read_events(path, *ports):
    """Lines as they are, but for moments and ports."""
    with open(path, encoding="utf-8") as f:
        text = STAMP.sub("TIME", f.read())
    for i, port in enumerate(ports):
        text = text.replace(f'"port_value":{port},', f'"port_value":PORT{i},').replace(f":{port}", f":PORT{i}")
    return text.splitlines()


def answer(status=200, body=b"", **headers):
    lines = [f"HTTP/1.1 {status} x", f"content-length: {len(body)}"] + [f"{k.replace('_', '-')}: {v}" for k, v in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


class Http:
    """TCP or HTTP/1.1 without TLS. `whole`: whether what has come is a request."""

    def __init__(self, script, whole=None):
        self.script, self.requests, self.lock, self.open = list(script), [], threading.Lock(), []
        self.whole = whole or (lambda data: b"\r\n\r\n" in data)
        self.connections = 0
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            self.open.append(c)
            self.connections += 1
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        data = b""
        try:
            while True:
                while not self.whole(data):
                    more = c.recv(65536)
                    if not more:
                        c.close()
                        return
                    data += more
                with self.lock:
                    self.requests.append(data)
                    step = self.script.pop(0) if self.script else None
                data = b""
                if step is None:
                    continue
                if isinstance(step, bytes):
                    c.sendall(step)
                    continue
                if step == "reset":
                    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    c.shutdown(socket.SHUT_RDWR)
                c.close()
                return
        except OSError:
            return

    def seen(self):
        return len(self.requests)

    def stop(self):
        self.s.close()
        for c in self.open:
            c.close()


class Tls(Http):
    """The same over TLS; keeps what was agreed upon by ALPN of what it takes."""

    def __init__(self, script, certificate, takes):
        self.agreed, self.context = [], ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.context.set_alpn_protocols(takes)
        super().__init__(script)

    def serve(self, c):
        try:
            c = self.context.wrap_socket(c, server_side=True)
        except OSError:
            return
        self.open.append(c)
        self.agreed.append(c.selected_alpn_protocol())
        super().serve(c)


class Web:
    """HTTP/1.1 whose answers are the test's: `say(path)` gives a status, a body and headers."""

    def __init__(self, say):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                status, body, headers = say(self.path)
                self.send_response(status)
                for name, value in {"content-length": len(body), **headers}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Grpc(Proc):
    """python3-grpcio, in a process of its own."""

    def __init__(self, script, tls=None, port=None):
        self.port, self.count = port or free_port(), free_port()
        super().__init__("grpc-origin", [sys.executable, __file__, str(self.port), str(self.count), json.dumps(script), *(tls or ())])
        wait_for("the gRPC origin", lambda: connects(self.port) and connects(self.count))

    @property
    def requests(self):
        with socket.create_connection(("127.0.0.1", self.count), 5) as s:
            return json.loads(b"".join(iter(lambda: s.recv(65536), b"")))

    def seen(self):
        return len(self.requests)


def main(port, count, script, *tls):
    import grpc  # pylint: disable=import-outside-toplevel
    from concurrent import futures  # pylint: disable=import-outside-toplevel
    script, seen, lock, servers = json.loads(script), [], threading.Lock(), []

    def check(data, context):
        with lock:
            left = context.time_remaining()
            seen.append({"data": data.hex(), "in_time": left is not None and left < 3600,
                         "metadata": sorted([k, v] for k, v in context.invocation_metadata() if k not in ("grpc-accept-encoding", "grpc-trace-bin"))})
            step = script.pop(0) if script else None
        if step is None:
            gone = threading.Event()
            context.add_callback(gone.set)
            gone.wait()
        if isinstance(step, list):
            context.abort(next(c for c in grpc.StatusCode if c.value[0] == step[1]), step[2])
        if step == "move":  # GOAWAY on this connection, whose successor another server takes
            start()
            threading.Thread(target=servers[-2].stop, args=(60,), daemon=True).start()
            time.sleep(0.5)
            step = 1
        return b"" if step == "none" else bytes.fromhex(step) if isinstance(step, str) else bytes([8, step]) if step is not None else b""

    class Handlers(grpc.GenericRpcHandler):
        def service(self, handler_call_details):
            if handler_call_details.method != "/grpc.health.v1.Health/Check":
                return None
            return grpc.unary_unary_rpc_method_handler(check)

    def start():
        server = grpc.server(futures.ThreadPoolExecutor(64), handlers=[Handlers()])
        if tls:
            with open(tls[0], "rb") as c, open(tls[1], "rb") as k:
                server.add_secure_port(f"127.0.0.1:{port}", grpc.ssl_server_credentials([(k.read(), c.read())]))
        else:
            server.add_insecure_port(f"127.0.0.1:{port}")
        server.start()
        servers.append(server)
    start()
    with socket.create_server(("127.0.0.1", int(count))) as s:
        while True:
            c, _ = s.accept()
            with c:
                c.sendall(json.dumps(seen).encode())


def have_grpc():
    return subprocess.run([sys.executable, "-c", "import grpc"], capture_output=True).returncode == 0


if __name__ == "__main__":
    main(*sys.argv[1:])
