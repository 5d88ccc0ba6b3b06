# SPDX-License-Identifier: GPL-2.0-or-later
"""A server in this process for origins that tests write byte by byte."""
import socket
import threading


class TcpOrigin:
    """Each connection is given to `serve`, on a thread of its own, and closed when that returns or its peer is gone."""

    def __init__(self, host="127.0.0.1", port=0):
        self.open = []
        self.s = socket.create_server((host, port), backlog=64)
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c = self.s.accept()[0]
            except OSError:
                return
            self.open.append(c)
            threading.Thread(target=self.one, args=(c,), daemon=True).start()

    def one(self, c):
        c.settimeout(60)
        try:
            self.serve(c)
        except OSError:
            pass
        finally:
            c.close()

    def serve(self, c):
        raise NotImplementedError

    @staticmethod
    def head(c, data):
        """The head of the next request, of which `data` is here, and what came behind it; None when the peer has ended."""
        while b"\r\n\r\n" not in data:
            piece = c.recv(4096)
            if not piece:
                return None, data
            data += piece
        head, _, data = data.partition(b"\r\n\r\n")
        return head, data

    def stop(self):
        self.s.close()
        for c in self.open:
            c.close()
