# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP/1.1 origin in this process that answers each request with what it got, as JSON."""
import http.server
import json
import socket
import threading
import time


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # an answer is two writes: the second would wait 40 ms for an acknowledgement

    def log_message(self, *args):
        pass

    def body(self):
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            data = b""
            while (n := int(self.rfile.readline().split(b";")[0], 16)):
                data += self.rfile.read(n)
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return data
        return self.rfile.read(int(self.headers.get("content-length", 0)))

    def answer(self):
        data = self.body()
        self.server.seen += 1
        wait = self.headers.get("x-wait")
        if wait:
            time.sleep(float(wait))
        text = json.dumps({"method": self.command, "path": self.path, "body": len(data), "server": self.server.name,
                           "headers": sorted([k.lower(), v] for k, v in self.headers.items())}).encode()
        status = int(self.headers.get("x-status", 200))
        self.send_response_only(status)
        for pair in self.headers.get_all("x-respond", []):
            name, _, value = pair.partition("=")
            self.send_header(name, value)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            self.wfile.write(text)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer


class Echo(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, name="echo", port=0, host="127.0.0.1"):
        self.name, self.seen = name, 0
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Connections that end early are what some tests are about."""

    def stop(self):
        self.shutdown()
        self.server_close()
