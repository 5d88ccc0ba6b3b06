# SPDX-License-Identifier: GPL-2.0-or-later
"""A syslog daemon on a Unix socket or a UDP port."""
import os
import socket
import threading


class Daemon:
    """A syslog daemon: keeps what it is sent."""

    def __init__(self, target):
        self.target, self.got = target, []
        if isinstance(target, str):
            self.s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            if os.path.exists(target):
                os.unlink(target)
        else:
            self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.s.bind(target)
        self.s.settimeout(0.1)
        self.on = True
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while self.on:
            try:
                self.got.append(self.s.recv(65536))
            except TimeoutError:
                pass

    def stop(self):
        self.on = False
        self.thread.join()
        self.s.close()
