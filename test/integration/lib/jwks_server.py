# SPDX-License-Identifier: GPL-2.0-or-later
"""An issuer that does what a test wants: serves texts by path, counts, fails, is slow."""
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness import jwks


class JwksServer:
    """`pages`: path -> text; `status`, `delay` (seconds) hold for all of them; `seen`: (path, headers) of each request."""

    def __init__(self, **pages):
        self.pages, self.status, self.delay, self.seen, self.close = dict(pages), 200, 0, [], False
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                outer.seen.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
                status, text, close = outer.status, outer.pages.get(self.path), outer.close
                time.sleep(outer.delay)
                if close:
                    self.close_connection = True
                    return
                try:
                    self.answer(status, text)
                except OSError:
                    self.close_connection = True  # nobody waits for it any more

            def answer(self, status, text):
                body = (text or "").encode()
                self.send_response(status if text is not None else 404)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def count(self, path="/jwks"):
        return sum(1 for p, _ in self.seen if p == path)

    def keys(self, *names, path="/jwks"):
        """The key set of these keys of the harness."""
        self.pages[path] = json.dumps({"keys": [json.loads(jwks(n))["keys"][0] for n in names]})

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
