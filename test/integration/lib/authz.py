# SPDX-License-Identifier: GPL-2.0-or-later
"""An authorization service over HTTP in this process: what it says stands in the path that it is asked about."""
import http.server
import threading
import time

# Path (behind a prefix) -> status, headers, body.
ANSWERS = {
    "/ok": (200, [("x-user", "alice"), ("x-roles", "a"), ("x-roles", "b"), ("x-secret", "s"), ("set-cookie", "c=1")], "fine"),
    "/append": (200, [("x-both", "service"), ("x-new", "service")], ""),
    "/remove": (200, [("x-envoy-auth-headers-to-remove", "x-drop, X-Also, host, :path")], ""),
    "/deny": (403, [("x-reason", "no"), ("content-type", "text/html"), ("set-cookie", "d=1"), ("x-user", "nobody")], "<p>no</p>"),
    "/login": (302, [("location", "https://login.test/")], ""),
    "/challenge": (401, [("www-authenticate", "Bearer"), ("x-reason", "token")], "who are you"),
    "/created": (201, [], "not a yes"),
    "/broken": (500, [], "oops"),
    "/unavailable": (503, [], ""),
}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        self.server.seen.append({"method": self.command, "path": self.path, "body": body, "headers": [
            (k.lower(), v) for k, v in self.headers.items()]})
        path = self.path.split("?")[0].removeprefix("/check")
        if path == "/slow":
            time.sleep(2)
        status, headers, text = ANSWERS.get(path, (200, [], ""))
        self.send_response_only(status)
        for pair in headers:
            self.send_header(*pair)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_OPTIONS = do_PATCH = answer


class Authz(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        self.seen = []
        super().__init__(("127.0.0.1", 0), Handler)
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """Calls that nobody waits for any more."""

    def stop(self):
        self.shutdown()
        self.server_close()
